//! Drawing the person inside the clothes: looks, skin, hands, shoes. The head is in `face.rs`.

use super::body::{Arm, Body, Limb};
use super::num::{Dice, P, add, along, mix, perp, scale, sub, table, unit};
use super::paint::{Brush, rounded};
use super::palette::{Rgb, blend, hex, tone};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hair {
    Short,
    Crop,
    Bob,
    Long,
    Bun,
    Curls,
    Beanie,
    Cap,
    Ponytail,
}

#[derive(Clone, Debug)]
pub struct Looks {
    pub skin: Rgb,
    pub hair: Rgb,
    pub style: Hair,
    pub glasses: bool,
    pub beard: bool,
    pub lips: Rgb,
    pub hat: Rgb,
    pub shoes: Rgb,
    pub sole: Rgb,
    pub boots: bool,
    pub bangs: bool,
}

impl Looks {
    pub fn of(dice: &mut Dice) -> Self {
        let skin = dice.pick(&[
            hex(0xF1D0B8),
            hex(0xE6BC98),
            hex(0xD9A37C),
            hex(0xBE8458),
            hex(0x9A6440),
            hex(0x72472D),
            hex(0x52331F),
        ]);
        let hair = dice.pick(&[
            hex(0x1E1916),
            hex(0x33241C),
            hex(0x573A27),
            hex(0x7E5734),
            hex(0xB98D55),
            hex(0x8E3F22),
            hex(0xA9A5A0),
        ]);
        let style = dice.pick(&[
            Hair::Short,
            Hair::Crop,
            Hair::Bob,
            Hair::Long,
            Hair::Bun,
            Hair::Curls,
            Hair::Beanie,
            Hair::Cap,
            Hair::Ponytail,
            Hair::Long,
            Hair::Short,
        ]);
        let masculine = matches!(style, Hair::Short | Hair::Crop | Hair::Cap | Hair::Beanie);
        Self {
            skin,
            hair,
            style,
            glasses: dice.chance(0.2),
            beard: masculine && dice.chance(0.35),
            lips: blend(skin, hex(0xA8373F), dice.range(0.25, 0.7)),
            hat: dice.pick(&[hex(0x2B2E36), hex(0x7C2F2F), hex(0x3E5348), hex(0xC9A24B), hex(0x8A8F98)]),
            shoes: dice.pick(&[
                hex(0xF2F0EA),
                hex(0x25252A),
                hex(0x6B4428),
                hex(0xA3282F),
                hex(0x33507E),
                hex(0xCBB28A),
            ]),
            sole: dice.pick(&[hex(0xF4F2EC), hex(0x2A2624), hex(0xC8B08A)]),
            boots: dice.chance(0.25),
            bangs: dice.chance(0.4),
        }
    }
}

/// Both edges of a limb as one outline.
fn limb_shape(limb: &Limb, from: f32, until: f32, half: &dyn Fn(f32) -> f32) -> Vec<P> {
    let steps = 14;
    let s = |i: usize| from + (until - from) * i as f32 / steps as f32;
    let mut points: Vec<P> = (0..=steps).map(|i| limb.beside(s(i), half(s(i)))).collect();
    points.extend((0..=steps).rev().map(|i| limb.beside(s(i), -half(s(i)))));
    points
}

pub fn legs(brush: &mut Brush<'_>, body: &Body, looks: &Looks) {
    let half =
        |s: f32| table(&[(-4.0, 8.4), (10.0, 8.4), (34.0, 5.8), (40.0, 5.4), (50.0, 5.6), (70.0, 3.5), (80.0, 3.3)], s);
    for (i, leg) in body.legs.iter().enumerate() {
        brush.fill(&limb_shape(leg, -4.0, 80.0, &half), looks.skin, 1.0);
        let shade = tone(looks.skin, 0.72);
        let side = if i == 0 { 1.0 } else { -1.0 };
        let inner: Vec<P> = (0..=10)
            .map(|k| {
                let s = 6.0 + 70.0 * k as f32 / 10.0;
                leg.beside(s, side * half(s) * 0.72)
            })
            .collect();
        brush.line(&inner, 2.6, shade, 0.35);
        brush.line(&[leg.beside(38.0, -2.6), leg.beside(40.0, 0.0), leg.beside(38.0, 2.6)], 0.5, shade, 0.4);
    }
}

pub fn shoes(brush: &mut Brush<'_>, body: &Body, looks: &Looks) {
    for (i, leg) in body.legs.iter().enumerate() {
        let ankle = leg.end();
        let out = if i == 0 { -1.0 } else { 1.0 };
        let toe = add(ankle, [out * 4.4, 6.0]);
        if looks.boots {
            brush.fill(
                &[leg.beside(66.0, -4.6), leg.beside(66.0, 4.6), leg.beside(79.0, 4.4), leg.beside(79.0, -4.4)],
                looks.shoes,
                1.0,
            );
        }
        let x = |dx: f32, dy: f32| [ankle[0] + out * dx, ankle[1] + dy];
        let upper = rounded(
            &[x(-4.0, -2.5), x(3.6, -2.5), x(7.0, 2.0), x(9.6, 5.0), x(8.0, 7.2), x(-4.0, 7.0), x(-4.6, 2.0)],
            true,
        );
        brush.fill(&upper, looks.shoes, 1.0);
        brush.fill(
            &rounded(&[x(-4.6, 5.4), x(3.0, 5.8), x(9.8, 5.4), x(9.4, 7.8), x(-4.4, 7.8)], true),
            looks.sole,
            1.0,
        );
        brush.line(&[x(1.0, -1.0), x(4.4, 1.6)], 0.7, tone(looks.shoes, 0.6), 0.6);
        brush.line(&[x(0.0, 0.6), x(5.6, 3.2)], 0.6, looks.sole, 0.7);
        brush.line(&[mix(ankle, toe, 0.2), toe], 0.5, tone(looks.shoes, 1.3), 0.3);
    }
}

/// Trunk and neck.
pub fn trunk(brush: &mut Brush<'_>, body: &Body, looks: &Looks) {
    let side = [
        (5.4, -12.0),
        (5.6, -5.0),
        (8.0, -2.4),
        (16.0, 1.6),
        (17.4, 6.0),
        (15.0, 18.0),
        (13.0, 40.0),
        (16.4, 60.0),
        (16.6, 70.0),
    ];
    let mut points: Vec<P> = side.iter().map(|&(x, y)| body.trunk_point([x, y])).collect();
    points.extend(side.iter().rev().map(|&(x, y)| body.trunk_point([-x, y])));
    brush.fill(&points, looks.skin, 1.0);
    let shade = tone(looks.skin, 0.66);
    // The head's shadow on the neck, and the collar bones.
    let p = |x: f32, y: f32| body.trunk_point([x, y]);
    brush.blob(&[p(-5.4, -9.0), p(5.4, -9.0), p(5.4, -4.6), p(1.0, -2.2), p(-5.0, -3.6)], shade, 0.55);
    for s in [-1.0, 1.0] {
        brush.line(&[p(s * 1.6, 2.2), p(s * 6.0, 1.2), p(s * 11.0, 0.8)], 0.7, shade, 0.45);
    }
}

/// One arm with its hand, from where the sleeve ends.
pub fn arm(brush: &mut Brush<'_>, body: &Body, side: usize, looks: &Looks, from: f32) {
    let limb = &body.arms[side];
    let half = |s: f32| table(&[(-3.0, 4.6), (8.0, 4.8), (24.0, 3.9), (34.0, 3.8), (54.0, 2.6), (60.0, 2.6)], s);
    if from < 0.0 {
        // The round of the shoulder.
        brush.ellipse(limb.at(0.5), [4.8, 4.8], looks.skin, 1.0);
    }
    brush.fill(&limb_shape(limb, from, 57.0, &half), looks.skin, 1.0);
    let first = from.max(4.0);
    let under: Vec<P> = (0..=8)
        .map(|k| {
            let s = first + (54.0 - first) * k as f32 / 8.0;
            limb.beside(s, half(s) * if side == 0 { 0.66 } else { -0.66 })
        })
        .collect();
    brush.line(&under, 1.8, tone(looks.skin, 0.7), 0.35);
    hand(brush, body, side, looks);
}

fn hand(brush: &mut Brush<'_>, body: &Body, side: usize, looks: &Looks) {
    let gesture = body.gestures[side];
    if gesture == Arm::InPocket {
        return;
    }
    let limb = &body.arms[side];
    let wrist = limb.at(55.0);
    let axis = limb.direction(56.0);
    let n = scale(perp(axis), if side == 0 { 1.0 } else { -1.0 });
    let at = |s: f32, d: f32| along(along(wrist, axis, s), n, d);
    let curled = matches!(gesture, Arm::Raised | Arm::OnHip);
    let reach = if curled { 9.0 } else { 15.0 };
    brush.blob(
        &[
            at(0.0, 2.5),
            at(5.0, 3.7),
            at(reach * 0.72, 3.4),
            at(reach, 1.4),
            at(reach, -1.4),
            at(reach * 0.7, -3.2),
            at(4.0, -3.6),
            at(0.0, -2.5),
        ],
        looks.skin,
        1.0,
    );
    brush.blob(&[at(2.0, 2.8), at(6.0, 5.2), at(9.4, 4.8), at(9.0, 3.4), at(5.0, 2.4)], looks.skin, 1.0);
    let shade = tone(looks.skin, 0.68);
    for k in [-1.4f32, 0.1, 1.6] {
        brush.line(&[at(reach * 0.58, k), at(reach * 0.94, k * 0.8)], 0.35, shade, 0.6);
    }
}

/// What a raised hand holds.
pub fn held(brush: &mut Brush<'_>, body: &Body, side: usize, phone: bool) {
    let limb = &body.arms[side];
    let (wrist, axis) = (limb.at(55.0), limb.direction(56.0));
    let hand = along(wrist, axis, 6.0);
    if phone {
        let n = unit(sub(perp(axis), scale(axis, 0.2)));
        let corner = |a: f32, b: f32| along(along(hand, axis, a), n, b);
        brush.fill(
            &[corner(-3.0, -3.6), corner(10.0, -3.6), corner(10.0, 3.6), corner(-3.0, 3.6)],
            [0.1, 0.1, 0.12],
            1.0,
        );
        brush.fill(
            &[corner(7.4, -2.8), corner(9.2, -2.8), corner(9.2, -0.8), corner(7.4, -0.8)],
            [0.3, 0.32, 0.36],
            1.0,
        );
    } else {
        let [x, y] = hand;
        brush.fill(
            &[[x - 3.6, y - 9.0], [x + 3.6, y - 9.0], [x + 2.7, y + 3.5], [x - 2.7, y + 3.5]],
            [0.95, 0.93, 0.88],
            1.0,
        );
        brush.fill(&[[x - 3.3, y - 5.0], [x + 3.3, y - 5.0], [x + 2.9, y], [x - 2.9, y]], [0.55, 0.36, 0.22], 1.0);
        brush.fill(
            &[[x - 4.0, y - 10.4], [x + 4.0, y - 10.4], [x + 3.7, y - 8.6], [x - 3.7, y - 8.6]],
            [0.2, 0.18, 0.17],
            1.0,
        );
    }
}
