//! What a phone does to a moment: coloured light, cast shadow, lens, sensor.

use tiny_skia::Pixmap;

use super::num::{Dice, P, TAU, cos, lerp, noise, sin, smoothstep};
use super::palette::Rgb;
use super::scene::Place;

/// The light of one photo.
#[derive(Clone, Debug)]
pub struct Light {
    /// Where it comes from, as a direction in the picture, for relief on cloth.
    pub from: P,
    pub strength: f32,
    tint: Rgb,
    shade_tint: Rgb,
    exposure: f32,
    contrast: f32,
    saturation: f32,
    shadow: Shadow,
    depth: f32,
    /// A little out of focus.
    shaken: bool,
    soften: f32,
    grain: f32,
    vignette: f32,
    seed: u32,
}

#[derive(Clone, Copy, Debug)]
enum Shadow {
    None,
    /// A wall's edge: place, slope, softness.
    Edge(f32, f32, f32),
    /// Leaves above.
    Leaves(f32),
    /// Bars of a blind or railing.
    Bars(f32, f32),
}

impl Light {
    pub fn of(place: Place, dice: &mut Dice) -> Self {
        let side = dice.sign();
        let tint = match place {
            Place::Room => dice.pick(&[[1.05, 0.98, 0.89], [1.02, 1.0, 0.95], [0.96, 0.99, 1.05], [1.07, 0.97, 0.86]]),
            Place::Street => dice.pick(&[[1.0, 1.0, 1.0], [0.95, 0.99, 1.05], [1.06, 0.99, 0.91], [1.03, 0.98, 0.99]]),
            Place::Park => dice.pick(&[[1.0, 1.01, 0.96], [1.06, 1.0, 0.91], [0.97, 1.0, 1.03], [0.98, 1.03, 0.96]]),
        };
        let shadow = match place {
            Place::Street if dice.chance(0.55) => {
                Shadow::Edge(dice.range(0.15, 0.85), dice.range(-1.4, 1.4), dice.range(0.02, 0.09))
            }
            Place::Room if dice.chance(0.35) => Shadow::Bars(dice.range(9.0, 16.0), dice.range(-0.5, 0.5)),
            Place::Park if dice.chance(0.65) => Shadow::Leaves(dice.range(5.0, 10.0)),
            _ => Shadow::None,
        };
        Self {
            from: [side * dice.range(0.4, 0.9), -dice.range(0.4, 0.9)],
            strength: dice.range(0.75, 1.25),
            tint,
            shade_tint: [0.86, 0.93, 1.06],
            exposure: dice.range(0.88, 1.12),
            contrast: dice.range(0.92, 1.12),
            saturation: dice.range(0.86, 1.10),
            shadow,
            depth: dice.range(0.16, 0.36),
            shaken: dice.chance(0.12),
            soften: dice.range(0.0, 0.5),
            grain: dice.range(1.5, 6.0),
            vignette: dice.range(0.0, 0.35),
            seed: dice.word(),
        }
    }

    /// How much of the direct light reaches a place of the photo (x and y in photo heights).
    fn lit(&self, x: f32, y: f32) -> f32 {
        match self.shadow {
            Shadow::None => 1.0,
            Shadow::Edge(at, slope, soft) => smoothstep(-soft, soft, (x - at) + slope * (y - 0.5)),
            Shadow::Leaves(size) => smoothstep(
                -0.55,
                0.6,
                noise(x * size, y * size, self.seed) + 0.5 * noise(x * size * 2.1, y * size * 2.1, self.seed ^ 5),
            ),
            Shadow::Bars(count, slope) => 0.5 + 0.5 * smoothstep(-0.5, 0.5, sin((y + slope * x) * count * TAU)),
        }
    }

    pub fn expose(&self, picture: &mut Pixmap) {
        soften(picture, if self.shaken { 1.0 } else { self.soften });
        if self.shaken {
            soften(picture, 0.8);
        }
        let (w, h) = (picture.width() as usize, picture.height() as usize);
        let (fw, fh) = (w as f32, h as f32);
        // Light changes slowly: it is worked out every fourth pixel and interpolated.
        let (cw, ch) = (w / 4 + 2, h / 4 + 2);
        let field: Vec<f32> = (0..cw * ch)
            .map(|i| {
                let (x, y) = ((i % cw * 4) as f32, (i / cw * 4) as f32);
                1.0 - self.depth * (1.0 - self.lit(x / fh, y / fh))
            })
            .collect();
        let contrast = self.contrast;
        for y in 0..h {
            let row = &mut picture.data_mut()[y * w * 4..(y + 1) * w * 4];
            let (gy, ty) = (y / 4, (y % 4) as f32 / 4.0);
            let dy = (y as f32 / fh - 0.5) * 2.0;
            for (x, pixel) in row.as_chunks_mut::<4>().0.iter_mut().enumerate() {
                let (gx, tx) = (x / 4, (x % 4) as f32 / 4.0);
                let at = |ox: usize, oy: usize| field[(gy + oy) * cw + gx + ox];
                let lit = lerp(lerp(at(0, 0), at(1, 0), tx), lerp(at(0, 1), at(1, 1), tx), ty);
                let dx = (x as f32 / fw - 0.5) * 2.0;
                let side = 1.0 + 0.10 * (dx * self.from[0] + dy * self.from[1]);
                let edge = 1.0 - self.vignette * 0.25 * (dx * dx + dy * dy);
                let k = self.exposure * lit * side * edge;
                let shade = 1.0 - lit;
                let mut rgb = [0.0f32; 3];
                for c in 0..3 {
                    let tint = lerp(self.tint[c], self.tint[c] * self.shade_tint[c], (shade * 2.0).min(1.0));
                    rgb[c] = f32::from(pixel[c]) * k * tint;
                }
                let grey = 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2];
                let [grain, speckles @ ..] = bytes(x as u32, y as u32, self.seed);
                for c in 0..3 {
                    let value = grey + (rgb[c] - grey) * self.saturation;
                    let value = (value - 118.0) * contrast + 118.0 + self.grain * (grain + 0.5 * speckles[c]);
                    // A soft shoulder instead of clipped highlights.
                    let value = if value > 225.0 { 225.0 + (value - 225.0) * 0.45 } else { value };
                    pixel[c] = value.clamp(0.0, 255.0) as u8;
                }
            }
        }
    }
}

/// Four numbers in -1..1 for a pixel.
fn bytes(x: u32, y: u32, seed: u32) -> [f32; 4] {
    let mut h = x.wrapping_mul(0x9E37_79B1) ^ y.wrapping_mul(0x85EB_CA77) ^ seed;
    h = (h ^ (h >> 15)).wrapping_mul(0x2C1B_3C6D);
    h = (h ^ (h >> 12)).wrapping_mul(0x297A_2D39);
    h ^= h >> 15;
    h.to_le_bytes().map(|byte| (f32::from(byte) - 127.5) * (1.0 / 127.5))
}

/// A blur of less than a pixel, as every small lens has.
fn soften(picture: &mut Pixmap, amount: f32) {
    let (w, h) = (picture.width() as usize, picture.height() as usize);
    let a = (amount * 64.0) as u32;
    let centre = 256 - 2 * a;
    let data = picture.data_mut();
    let mut line = vec![0u8; w.max(h) * 4];
    let mut pass = |start: usize, stride: usize, count: usize| {
        for i in 0..count {
            line[i * 4..i * 4 + 4].copy_from_slice(&data[start + i * stride..start + i * stride + 4]);
        }
        for i in 1..count.saturating_sub(1) {
            for c in 0..3 {
                let v = u32::from(line[i * 4 + c]) * centre
                    + (u32::from(line[i * 4 + c - 4]) + u32::from(line[i * 4 + c + 4])) * a;
                data[start + i * stride + c] = ((v + 128) >> 8) as u8;
            }
        }
    };
    for y in 0..h {
        pass(y * w * 4, 4, w);
    }
    for x in 0..w {
        pass(x * 4, w * 4, h);
    }
}

/// The unit vector of a light in the upper left or right, for shop photos.
pub fn studio(dice: &mut Dice) -> P {
    let a = dice.range(-0.9, 0.3);
    [sin(a) * 0.8, -cos(a) * 0.8]
}
