//! Laying drawn cloth on a figure, and remembering for every pixel which cloth it shows and where.
//!
//! A part is cut into a mesh on the dummy; the mesh's corners are moved to the figure and every triangle is
//! filled from the texture. The same interpolated coordinate that fetches the colour is kept as the truth.

use tiny_skia::{FillRule, Mask, Pixmap, Transform};

use super::num::{P, lerp};
use super::palette::Rgb;
use super::texture::{Drawn, PartTexture};

/// Side of a mesh cell on the dummy, in centimetres.
const CELL: f32 = 4.0;

pub struct Canvas {
    pub width: usize,
    pub height: usize,
    pub picture: Pixmap,
    layer: Pixmap,
    /// Which garment a pixel shows: 0 none, otherwise its number.
    pub owner: Vec<u8>,
    /// Garment coordinates of pixels that have an owner.
    pub uv: Vec<P>,
    /// Pixels that garment 1 was ever laid on, also where something covers it now.
    pub main: Vec<bool>,
}

impl Canvas {
    pub fn new(width: u32, height: u32) -> Option<Self> {
        let count = (width * height) as usize;
        Some(Self {
            width: width as usize,
            height: height as usize,
            picture: Pixmap::new(width, height)?,
            layer: Pixmap::new(width, height)?,
            owner: vec![0; count],
            uv: vec![[0.0; 2]; count],
            main: vec![false; count],
        })
    }

    /// Draws something that is not a garment; what it covers no longer shows one.
    pub fn cover(&mut self, draw: impl FnOnce(&mut Pixmap)) {
        draw(&mut self.layer);
        let below = self.picture.data_mut().as_chunks_mut::<4>().0;
        let above = self.layer.data_mut().as_chunks_mut::<4>().0;
        for ((to, from), owner) in below.iter_mut().zip(above).zip(&mut self.owner) {
            let alpha = from[3];
            if alpha == 0 {
                continue;
            }
            for c in 0..3 {
                to[c] = over(from[c], to[c], alpha);
            }
            to[3] = 255;
            if alpha > 127 {
                *owner = 0;
            }
            *from = [0; 4];
        }
    }

    /// A soft shadow of some shapes, given in pixels: dark, and no owner changes hands.
    pub fn shadow(&mut self, shapes: &[Vec<P>], radius: usize, rgb: Rgb, alpha: f32) {
        let Some(mut mask) = Mask::new(self.width as u32, self.height as u32) else { return };
        for shape in shapes {
            if let Some(path) = super::paint::path(shape.iter().copied(), true) {
                mask.fill_path(&path, FillRule::Winding, true, Transform::identity());
            }
        }
        let (w, h) = (self.width, self.height);
        super::paint::blur_plane(mask.data_mut(), w, h, radius);
        let weight = (alpha * 256.0) as u32;
        let ink = rgb.map(|c| (c * 255.0) as u32);
        for (to, &cover) in self.picture.data_mut().as_chunks_mut::<4>().0.iter_mut().zip(mask.data()) {
            let a = (u32::from(cover) * weight) >> 8;
            if a > 0 {
                for c in 0..3 {
                    to[c] = ((ink[c] * a + u32::from(to[c]) * (255 - a) + 127) / 255) as u8;
                }
            }
        }
    }

    /// Lays one part on the picture. `place` takes a point of the dummy to a pixel.
    pub fn lay(
        &mut self,
        garment: &Drawn,
        part: &PartTexture,
        shade: &[f32],
        owner: u8,
        tint: Rgb,
        place: &dyn Fn(P) -> P,
    ) {
        let texture = part;
        let columns = ((texture.width as f32 / texture.density / CELL).ceil() as usize).max(2);
        let rows = ((texture.height as f32 / texture.density / CELL).ceil() as usize).max(2);
        let mut corners = Vec::with_capacity((columns + 1) * (rows + 1));
        for row in 0..=rows {
            for column in 0..=columns {
                let texel = [
                    texture.width as f32 * column as f32 / columns as f32,
                    texture.height as f32 * row as f32 / rows as f32,
                ];
                let p =
                    [texture.corner[0] + texel[0] / texture.density, texture.corner[1] + texel[1] / texture.density];
                corners.push((place(p), texel));
            }
        }
        let filler = Filler { texture, shade, owner, tint, garment };
        for row in 0..rows {
            for column in 0..columns {
                let at = |r: usize, c: usize| corners[(row + r) * (columns + 1) + column + c];
                if !filler.shows(at(0, 0).1, at(1, 1).1) {
                    continue;
                }
                self.triangle(&filler, [at(0, 0), at(0, 1), at(1, 1)]);
                self.triangle(&filler, [at(0, 0), at(1, 1), at(1, 0)]);
            }
        }
    }

    fn triangle(&mut self, filler: &Filler<'_>, corners: [(P, P); 3]) {
        let [a, b, c] = corners.map(|corner| corner.0);
        let area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]);
        if area.abs() < 1e-4 || !area.is_finite() {
            return;
        }
        let inverse = 1.0 / area;
        let bounds = |axis: usize, limit: usize| {
            let low = a[axis].min(b[axis]).min(c[axis]) - 0.5;
            let high = a[axis].max(b[axis]).max(c[axis]) - 0.5;
            (low.ceil().clamp(0.0, limit as f32) as usize, ((high.floor() + 1.0).clamp(0.0, limit as f32)) as usize)
        };
        let ((x0, x1), (y0, y1)) = (bounds(0, self.width), bounds(1, self.height));
        let [ta, tb, tc] = corners.map(|corner| corner.1);
        let texels = (tb[0] - ta[0]) * (tc[1] - ta[1]) - (tb[1] - ta[1]) * (tc[0] - ta[0]);
        let small = texels.abs() > 2.6 * area.abs();
        let picture = self.picture.data_mut().as_chunks_mut::<4>().0;
        for y in y0..y1 {
            let py = y as f32 + 0.5;
            let mut entered = false;
            for x in x0..x1 {
                let px = x as f32 + 0.5;
                let wb = ((px - a[0]) * (c[1] - a[1]) - (py - a[1]) * (c[0] - a[0])) * inverse;
                let wc = ((b[0] - a[0]) * (py - a[1]) - (b[1] - a[1]) * (px - a[0])) * inverse;
                let wa = 1.0 - wb - wc;
                if wa < 0.0 || wb < 0.0 || wc < 0.0 {
                    if entered {
                        break;
                    }
                    continue;
                }
                entered = true;
                let texel = [wa * ta[0] + wb * tb[0] + wc * tc[0], wa * ta[1] + wb * tb[1] + wc * tc[1]];
                let (rgba, shade) = filler.fetch(texel, small);
                if rgba[3] < 0.5 {
                    continue;
                }
                let index = y * self.width + x;
                let keep = 1.0 - rgba[3] / 255.0;
                let to = &mut picture[index];
                for c in 0..3 {
                    let lit = (rgba[c] * shade * filler.tint[c]).min(rgba[3]);
                    to[c] = (lit + f32::from(to[c]) * keep + 0.5).min(255.0) as u8;
                }
                to[3] = 255;
                if rgba[3] > 127.0 {
                    self.owner[index] = filler.owner;
                    self.main[index] |= filler.owner == 1;
                    let p = [
                        filler.texture.corner[0] + texel[0] / filler.texture.density,
                        filler.texture.corner[1] + texel[1] / filler.texture.density,
                    ];
                    self.uv[index] = filler.garment.pattern.uv(p);
                }
            }
        }
    }
}

fn over(from: u8, to: u8, alpha: u8) -> u8 {
    (u32::from(from) + (u32::from(to) * (255 - u32::from(alpha)) + 127) / 255).min(255) as u8
}

struct Filler<'a> {
    texture: &'a PartTexture,
    shade: &'a [f32],
    owner: u8,
    tint: Rgb,
    garment: &'a Drawn,
}

impl Filler<'_> {
    /// Whether a block of the texture holds any cloth, looked up sparsely.
    fn shows(&self, low: P, high: P) -> bool {
        (0..=6).any(|i| {
            (0..=6).any(|j| {
                let p = [low[0] + (high[0] - low[0]) * i as f32 / 6.0, low[1] + (high[1] - low[1]) * j as f32 / 6.0];
                let x = (p[0] as usize).min(self.texture.width - 1);
                let y = (p[1] as usize).min(self.texture.height - 1);
                self.texture.rgba[(y * self.texture.width + x) * 4 + 3] > 0
            })
        })
    }

    /// Colour (premultiplied, 0..255) and shade at a place of the texture.
    fn fetch(&self, texel: P, small: bool) -> ([f32; 4], f32) {
        let (w, h) = (self.texture.width, self.texture.height);
        let (half_w, half_h) = (w / 2, h / 2);
        let at = [texel[0] * 0.5, texel[1] * 0.5];
        let rgba = if small {
            bilinear(half_w, half_h, at, |i| {
                let p = &self.texture.small[i * 4..i * 4 + 4];
                [f32::from(p[0]), f32::from(p[1]), f32::from(p[2]), f32::from(p[3])]
            })
        } else {
            bilinear(w, h, texel, |i| {
                let p = &self.texture.rgba[i * 4..i * 4 + 4];
                [f32::from(p[0]), f32::from(p[1]), f32::from(p[2]), f32::from(p[3])]
            })
        };
        (rgba, bilinear(half_w, half_h, at, |i| [self.shade[i]])[0])
    }
}

#[inline]
fn bilinear<const N: usize>(w: usize, h: usize, at: P, read: impl Fn(usize) -> [f32; N]) -> [f32; N] {
    let (x, y) = ((at[0] - 0.5).clamp(0.0, (w - 1) as f32), (at[1] - 0.5).clamp(0.0, (h - 1) as f32));
    let (x0, y0) = (x as usize, y as usize);
    let (x1, y1) = ((x0 + 1).min(w - 1), (y0 + 1).min(h - 1));
    let (fx, fy) = (x - x0 as f32, y - y0 as f32);
    let (a, b, c, d) = (read(y0 * w + x0), read(y0 * w + x1), read(y1 * w + x0), read(y1 * w + x1));
    std::array::from_fn(|i| lerp(lerp(a[i], b[i], fx), lerp(c[i], d[i], fx), fy))
}
