//! Catalogue photos: one garment alone on a clean ground, softly lit, with a soft shadow.

use super::cut::Role;
use super::design::Kind;
use super::light;
use super::num::{Dice, P, add, along, cos, down, sin, smoothstep};
use super::paint::{Brush, ring};
use super::palette::{Rgb, hex};
use super::texture::{Drawn, folds};
use super::warp::Canvas;

/// How a shop photo shows its product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    Front,
    /// Turned a little, sleeves lying another way.
    Styled,
    /// From nearer: cloth and details.
    Close,
}

impl View {
    pub fn of(view: u32, kind: Kind, dice: &mut Dice) -> Self {
        match view {
            0 => Self::Front,
            // The middle of a bag with its handle is mostly air.
            _ if dice.chance(0.3) && kind != Kind::Bag => Self::Close,
            _ => Self::Styled,
        }
    }
}

/// Draws a shop photo. The garment is owner 1.
pub fn compose(garment: &Drawn, view: View, size: (u32, u32), dice: &mut Dice) -> Option<Canvas> {
    let mut canvas = Canvas::new(size.0, size.1)?;
    let (w, h) = (size.0 as f32, size.1 as f32);
    let ground: Rgb = dice.pick(&[hex(0xFEFEFD), hex(0xFCFBF9), hex(0xF9F8F5), hex(0xF7F8F9), hex(0xFBF8F3)]);
    {
        let flat = |p: P| p;
        let mut brush = Brush { to: &mut canvas.picture, map: &flat, unit: 1.0 };
        let low = ground.map(|c| c - 0.022);
        brush.fade(&[[0.0, 0.0], [w, 0.0], [w, h], [0.0, h]], ([0.0, 0.0], ground, 1.0), ([0.0, h], low, 1.0));
    }
    let [left, top, side] = garment.pattern.square;
    let centre = [left + side / 2.0, top + side / 2.0];
    // The garment's own extent, which is narrower than its square one way.
    let mut extent = [0.0f32; 2];
    for p in garment.pattern.parts.iter().flat_map(|part| part.shapes.iter().flatten()) {
        extent = [extent[0].max((p[0] - centre[0]).abs()), extent[1].max((p[1] - centre[1]).abs())];
    }
    let fit = (w * 0.46 / extent[0]).min(h * 0.455 / extent[1]);
    let (scale, turn, lift) = match view {
        View::Front => (fit * dice.range(0.9, 0.99), dice.range(-0.02, 0.02), 0.0),
        View::Styled => (fit * dice.range(0.78, 0.92), dice.range(-0.16, 0.16), dice.range(-0.02, 0.02)),
        View::Close => (fit * dice.range(1.4, 1.75), dice.range(-0.06, 0.06), dice.range(0.02, 0.16)),
    };
    let swing = if view == View::Styled {
        [dice.range(-0.22, 0.16), dice.range(-0.16, 0.22)]
    } else {
        [dice.range(-0.03, 0.03), dice.range(-0.03, 0.03)]
    };
    let (c, s) = (cos(turn), sin(turn));
    let wave = dice.range(0.0, 6.0);
    let camera = |p: P| {
        let p = [p[0] - centre[0] + 0.35 * sin(p[1] / 13.0 + wave), p[1] - centre[1]];
        [w / 2.0 + scale * (p[0] * c - p[1] * s), h * (0.5 + lift) + scale * (p[0] * s + p[1] * c)]
    };
    let studio = light::studio(dice);
    shadow(&mut canvas, garment, swing, &camera, view, scale);
    let warmth = dice.range(-0.025, 0.025);
    let bright = dice.range(0.94, 1.05);
    let tint = [bright * (1.0 + warmth), bright, bright * (1.0 - warmth)];
    for texture in &garment.parts {
        let creases = folds(&texture.part, &garment.design, 0.55, dice);
        let shade = texture.shade(&creases, studio, 0.8);
        let owner = if texture.part.role == Role::Inside { 0 } else { 1 };
        let place = |p: P| camera(laid(texture.part.role, swing, p));
        canvas.lay(garment, texture, &shade, owner, tint, &place);
    }
    Some(canvas)
}

/// Sleeves of a laid-out garment turn about the shoulder; everything else lies as drawn.
fn laid(role: Role, swing: [f32; 2], p: P) -> P {
    let Role::Sleeve(side) = role else { return p };
    let out = f32::from(side);
    let angle = swing[usize::from(side > 0)] * smoothstep(15.0, 30.0, p[0] * out);
    let (c, s) = (cos(angle), sin(angle));
    let pivot = [16.0 * out, 6.0];
    let v = [p[0] - pivot[0], p[1] - pivot[1]];
    [pivot[0] + v[0] * c - v[1] * s, pivot[1] + v[0] * s + v[1] * c]
}

fn shadow(canvas: &mut Canvas, garment: &Drawn, swing: [f32; 2], camera: &dyn Fn(P) -> P, view: View, scale: f32) {
    let unit = (scale / 3.2).max(0.3);
    if view == View::Front {
        // Hung up: a pool of shadow on the floor below.
        let foot = garment
            .pattern
            .parts
            .iter()
            .flat_map(|part| part.shapes.iter().flatten())
            .map(|p| p[1])
            .fold(0.0, f32::max);
        let wide = garment.pattern.square[2] * 0.3;
        let pool: Vec<P> = ring([0.0, foot + 2.2], [wide, 1.6]).into_iter().map(camera).collect();
        canvas.shadow(&[pool], (4.0 * unit) as usize + 1, [0.1, 0.1, 0.13], 0.3);
    }
    // Close behind the cloth.
    let offset = along([0.0, 0.0], down(0.6), 1.3);
    let shapes: Vec<Vec<P>> = garment
        .pattern
        .parts
        .iter()
        .flat_map(|part| part.shapes.iter().map(move |shape| (part.role, shape)))
        .map(|(role, shape)| shape.iter().map(|&p| camera(add(laid(role, swing, p), offset))).collect())
        .collect();
    canvas.shadow(&shapes, if view == View::Styled { 3 } else { 2 }, [0.12, 0.12, 0.16], 0.24);
}
