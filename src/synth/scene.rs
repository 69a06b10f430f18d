//! Where people are photographed: a street, a room, a park.
//!
//! Coordinates: the photo's height is 1, x runs from 0 to its aspect; the ground meets the background at `horizon`.

use tiny_skia::Pixmap;

use super::num::{Dice, P, lerp};
use super::paint::{Brush, blur, enlarge};
use super::palette::{Rgb, blend, hex, tone};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Street,
    Room,
    Park,
}

/// Draws at half size: what lies behind the person is out of focus anyway.
pub fn draw(picture: &mut Pixmap, place: Place, horizon: f32, dice: &mut Dice) -> Option<()> {
    let mut small = Pixmap::new(picture.width().div_ceil(2), picture.height().div_ceil(2))?;
    let height = picture.height() as f32 / 2.0;
    let aspect = picture.width() as f32 / picture.height() as f32;
    let map = |p: P| [p[0] * height, p[1] * height];
    let mut brush = Brush { to: &mut small, map: &map, unit: height };
    match place {
        Place::Street => street(&mut brush, aspect, horizon, dice),
        Place::Room => room(&mut brush, aspect, horizon, dice),
        Place::Park => park(&mut brush, aspect, horizon, dice),
    }
    // The longer the lens, the softer.
    let radius = (dice.range(0.0, 2.2) * height / 160.0) as usize;
    blur(&mut small, radius);
    enlarge(&small, picture);
    Some(())
}

fn block(x: f32, y: f32, w: f32, h: f32) -> [P; 4] {
    [[x, y], [x + w, y], [x + w, y + h], [x, y + h]]
}

fn street(brush: &mut Brush<'_>, aspect: f32, horizon: f32, dice: &mut Dice) {
    let sky = dice.pick(&[
        (hex(0xA9C7E2), hex(0xE7EDF0)),
        (hex(0xC4CCD2), hex(0xE6E5E0)),
        (hex(0xF0C79B), hex(0xF7E5CE)),
        (hex(0x7FA5CF), hex(0xD9E5EE)),
    ]);
    brush.fade(&block(0.0, 0.0, aspect, horizon + 0.02), ([0.0, 0.0], sky.0, 1.0), ([0.0, horizon], sky.1, 1.0));
    let walls = [
        hex(0xB98F6E),
        hex(0x8C6A58),
        hex(0xC9B79C),
        hex(0x7E858C),
        hex(0xA9584A),
        hex(0xD4C4A8),
        hex(0x6F7A80),
        hex(0xB7A08A),
        hex(0x9FA79A),
    ];
    let mut x = dice.range(-0.2, 0.0);
    while x < aspect {
        let w = dice.range(0.2, 0.46);
        let wall = dice.pick(&walls);
        let top = dice.range(-0.1, 0.25).min(horizon - 0.2);
        if dice.chance(0.88) {
            building(brush, x, top, w, horizon, wall, dice);
        }
        x += w;
    }
    let pavement = dice.pick(&[hex(0x9C9790), hex(0xB0A89C), hex(0x86868A), hex(0xA39A8E)]);
    brush.fade(
        &block(0.0, horizon, aspect, 1.0 - horizon),
        ([0.0, horizon], tone(pavement, 0.82), 1.0),
        ([0.0, 1.0], tone(pavement, 1.06), 1.0),
    );
    let road = dice.chance(0.6);
    let kerb = horizon + (1.0 - horizon) * dice.range(0.16, 0.32);
    if road {
        brush.fill(&block(0.0, horizon, aspect, kerb - horizon), hex(0x55565A), 1.0);
        brush.line(&[[0.0, kerb], [aspect, kerb]], 0.008, hex(0xC4C0B8), 1.0);
    }
    let vanish = [aspect * dice.range(0.2, 0.8), horizon - 0.1];
    for i in -6..=6 {
        let foot = aspect * (0.5 + i as f32 * 0.26);
        let t = (kerb - 1.0) / (vanish[1] - 1.0);
        brush.line(&[[foot, 1.0], [lerp(foot, vanish[0], t), kerb]], 0.003, tone(pavement, 0.7), 0.6);
    }
    let mut y = kerb;
    let mut gap = 0.02;
    while y < 1.0 {
        brush.line(&[[0.0, y], [aspect, y]], 0.0025, tone(pavement, 0.7), 0.5);
        y += gap;
        gap *= 1.5;
    }
    if road && dice.chance(0.75) {
        car(brush, dice.range(0.0, aspect), kerb, dice);
    }
    if dice.chance(0.6) {
        tree(brush, dice.range(0.0, aspect), kerb + 0.02, dice.range(0.5, 0.8), dice);
    }
    if dice.chance(0.5) {
        let x = dice.range(0.05, aspect - 0.05);
        brush.line(&[[x, kerb + 0.02], [x, -0.05]], 0.012, hex(0x34383A), 1.0);
    }
    for _ in 0..dice.below(3) {
        stranger(brush, dice.range(0.0, aspect), kerb + dice.range(0.0, 0.08), dice);
    }
    if dice.chance(0.35) {
        let x = dice.range(0.0, aspect);
        let sign = dice.pick(&[hex(0xC23B33), hex(0x2A5DA8), hex(0xE2B33C)]);
        brush.line(&[[x, kerb], [x, horizon - 0.25]], 0.01, hex(0x70757A), 1.0);
        brush.ellipse([x, horizon - 0.27], [0.04, 0.04], sign, 1.0);
        brush.ellipse([x, horizon - 0.27], [0.026, 0.026], hex(0xF3F0E8), 1.0);
    }
}

fn building(brush: &mut Brush<'_>, x: f32, top: f32, w: f32, foot: f32, wall: Rgb, dice: &mut Dice) {
    brush.fade(&block(x, top, w, foot - top), ([x, top], tone(wall, 1.08), 1.0), ([x, foot], tone(wall, 0.84), 1.0));
    brush.fill(&block(x + w * 0.97, top, w * 0.03, foot - top), tone(wall, 0.6), 0.7);
    brush.fill(&block(x, top - 0.012, w, 0.02), tone(wall, 1.22), 1.0);
    let columns = 2 + dice.below(3);
    let shop = foot - dice.range(0.16, 0.24);
    let glass = dice.pick(&[hex(0x46566A), hex(0x5E7080), hex(0x3A4148), hex(0x8FA6B8)]);
    let step = dice.range(0.11, 0.16);
    let cell = w / columns as f32;
    let mut y = top + 0.04;
    while y + step * 0.7 < shop {
        for c in 0..columns {
            let left = x + (c as f32 + 0.24) * cell;
            let lit = dice.chance(0.12);
            brush.fill(
                &block(left - 0.006, y - 0.006, cell * 0.52 + 0.012, step * 0.62 + 0.012),
                tone(wall, 1.25),
                1.0,
            );
            brush.fill(&block(left, y, cell * 0.52, step * 0.62), if lit { hex(0xF3D9A0) } else { glass }, 1.0);
            brush.line(&[[left + cell * 0.26, y], [left + cell * 0.26, y + step * 0.62]], 0.005, tone(wall, 1.2), 1.0);
            brush.fill(&[[left, y], [left + cell * 0.2, y], [left, y + step * 0.4]], [1.0, 1.0, 1.0], 0.14);
        }
        y += step;
    }
    // The ground floor: a shop window with its awning, or a door.
    let dark = hex(0x2D3238);
    brush.fill(&block(x + w * 0.06, shop + 0.03, w * 0.6, foot - shop - 0.04), dark, 1.0);
    brush.fill(
        &block(x + w * 0.08, shop + 0.045, w * 0.56, foot - shop - 0.075),
        dice.pick(&[hex(0xE9D4A4), hex(0x90A4AE), hex(0x6D7F88)]),
        0.9,
    );
    brush.fill(
        &block(x + w * 0.73, shop + 0.05, w * 0.2, foot - shop - 0.05),
        dice.pick(&[hex(0x3B5B4C), hex(0x6E2F2F), hex(0x2F3C57), hex(0x4A3A2C)]),
        1.0,
    );
    if dice.chance(0.6) {
        let awning = dice.pick(&[hex(0xA9382F), hex(0x2E5C4E), hex(0x2F4A78), hex(0xC28D2F)]);
        let stripes = 8;
        for i in 0..stripes {
            let colour = if i % 2 == 0 { awning } else { hex(0xF1ECE0) };
            let (a, b) = (i as f32 / stripes as f32, (i + 1) as f32 / stripes as f32);
            let l = |t: f32, out: f32| x + w * (0.04 - out + (0.66 + 2.0 * out) * t);
            brush.fill(
                &[[l(a, 0.0), shop], [l(b, 0.0), shop], [l(b, 0.03), shop + 0.05], [l(a, 0.03), shop + 0.05]],
                colour,
                1.0,
            );
        }
    }
}

fn car(brush: &mut Brush<'_>, x: f32, ground: f32, dice: &mut Dice) {
    let paint = dice.pick(&[hex(0xB63A32), hex(0x2C4B73), hex(0xD9D8D2), hex(0x2B2D30), hex(0x6F8C7C), hex(0xD8A93E)]);
    let k = dice.range(0.85, 1.15);
    let at = |dx: f32, dy: f32| [x + dx * k, ground + dy * k];
    brush.ellipse(at(0.0, 0.0), [0.3 * k, 0.02], [0.0; 3], 0.4);
    brush.blob(
        &[
            at(-0.28, -0.02),
            at(-0.29, -0.09),
            at(-0.18, -0.11),
            at(-0.11, -0.18),
            at(0.1, -0.18),
            at(0.18, -0.11),
            at(0.28, -0.09),
            at(0.29, -0.02),
        ],
        paint,
        1.0,
    );
    brush.fill(&[at(-0.145, -0.115), at(-0.095, -0.168), at(-0.01, -0.168), at(-0.01, -0.115)], hex(0x3E4C58), 1.0);
    brush.fill(&[at(0.01, -0.115), at(0.01, -0.168), at(0.085, -0.168), at(0.145, -0.115)], hex(0x3E4C58), 1.0);
    brush.line(&[at(-0.27, -0.075), at(0.27, -0.075)], 0.005, tone(paint, 0.7), 1.0);
    for side in [-1.0, 1.0] {
        brush.ellipse(at(side * 0.17, -0.015), [0.045 * k, 0.045 * k], hex(0x1C1C1E), 1.0);
        brush.ellipse(at(side * 0.17, -0.015), [0.022 * k, 0.022 * k], hex(0xA8AAAC), 1.0);
    }
}

fn tree(brush: &mut Brush<'_>, x: f32, ground: f32, tall: f32, dice: &mut Dice) {
    let trunk = hex(0x5B4634);
    brush.fill(
        &[[x - 0.02, ground], [x + 0.02, ground], [x + 0.011, ground - tall * 0.6], [x - 0.011, ground - tall * 0.6]],
        trunk,
        1.0,
    );
    let leaf = dice.pick(&[hex(0x4F7A45), hex(0x6E8F4C), hex(0x3E6648), hex(0xB48A3C), hex(0x839A56)]);
    for i in 0..12 {
        let centre = [x + dice.range(-0.16, 0.16), ground - tall * dice.range(0.62, 1.0)];
        let r = dice.range(0.06, 0.11);
        let light = 0.72 + 0.5 * (i as f32 / 12.0);
        brush.ellipse(centre, [r, r * 0.85], tone(leaf, light), 1.0);
    }
}

fn stranger(brush: &mut Brush<'_>, x: f32, ground: f32, dice: &mut Dice) {
    let k = dice.range(0.36, 0.5);
    let at = |dx: f32, dy: f32| [x + dx * k, ground - dy * k];
    let top = dice.pick(&[hex(0x5A4A48), hex(0x3C4F66), hex(0x9A6A50), hex(0x77806E), hex(0xB9A88C)]);
    let trousers = dice.pick(&[hex(0x2C3240), hex(0x4B4A48), hex(0x6A5A48)]);
    let skin = dice.pick(&[hex(0xD9A37C), hex(0x8A5C3C), hex(0xEAC4A2)]);
    brush.fill(
        &[at(-0.08, 0.5), at(0.08, 0.5), at(0.1, 0.0), at(0.04, 0.0), at(0.0, 0.4), at(-0.05, 0.0), at(-0.11, 0.0)],
        trousers,
        1.0,
    );
    brush.blob(
        &[at(-0.1, 0.45), at(-0.13, 0.75), at(-0.06, 0.84), at(0.06, 0.84), at(0.13, 0.75), at(0.1, 0.45)],
        top,
        1.0,
    );
    brush.ellipse(at(0.0, 0.92), [0.05 * k, 0.065 * k], skin, 1.0);
    brush.ellipse(at(0.0, 0.95), [0.054 * k, 0.05 * k], hex(0x33271F), 1.0);
}

fn room(brush: &mut Brush<'_>, aspect: f32, horizon: f32, dice: &mut Dice) {
    let wall = dice.pick(&[
        hex(0xE7DFD2),
        hex(0xC9D2CB),
        hex(0xD9C7B8),
        hex(0xB7C0CC),
        hex(0xE3D6B8),
        hex(0x8E9C92),
        hex(0xCFAFA2),
        hex(0x5E6B78),
    ]);
    brush.fade(
        &block(0.0, 0.0, aspect, horizon),
        ([0.0, 0.0], tone(wall, 0.9), 1.0),
        ([aspect, horizon], tone(wall, 1.05), 1.0),
    );
    let floor = dice.pick(&[hex(0xA97F55), hex(0x8A6142), hex(0xC7A77C), hex(0x7C7672), hex(0x6A4D38)]);
    brush.fade(
        &block(0.0, horizon, aspect, 1.0 - horizon),
        ([0.0, horizon], tone(floor, 0.8), 1.0),
        ([0.0, 1.0], tone(floor, 1.1), 1.0),
    );
    let vanish = [aspect * dice.range(0.3, 0.7), horizon - 0.35];
    for i in -8..=8 {
        let foot = aspect * 0.5 + i as f32 * 0.16;
        let t = (horizon - 1.0) / (vanish[1] - 1.0);
        brush.line(&[[foot, 1.0], [lerp(foot, vanish[0], t), horizon]], 0.003, tone(floor, 0.7), 0.8);
    }
    brush.fill(&block(0.0, horizon - 0.03, aspect, 0.03), tone(wall, 1.2), 1.0);
    brush.line(&[[0.0, horizon], [aspect, horizon]], 0.004, tone(floor, 0.5), 0.8);
    if dice.chance(0.65) {
        let (x, y, w, h) =
            (dice.range(-0.1, aspect - 0.25), 0.06, dice.range(0.24, 0.36), horizon * dice.range(0.5, 0.64));
        brush.fill(&block(x - 0.015, y - 0.015, w + 0.03, h + 0.03), hex(0xF5F2EA), 1.0);
        brush.fade(&block(x, y, w, h), ([x, y], hex(0xC5DDF0), 1.0), ([x, y + h], hex(0xF6F3E4), 1.0));
        brush.ellipse([x + w * 0.3, y + h], [w * 0.4, h * 0.24], hex(0x93AE84), 0.8);
        brush.line(&[[x + w / 2.0, y], [x + w / 2.0, y + h]], 0.012, hex(0xF5F2EA), 1.0);
        brush.line(&[[x, y + h * 0.45], [x + w, y + h * 0.45]], 0.01, hex(0xF5F2EA), 1.0);
        let curtain = dice.pick(&[hex(0xD8C7AE), hex(0x8E9DA8), hex(0xB97F6A), hex(0xF0EBE0)]);
        for side in [x - 0.06, x + w - 0.02] {
            brush.fade(
                &block(side, 0.0, 0.09, horizon * 0.95),
                ([side, 0.0], curtain, 1.0),
                ([side + 0.09, 0.0], tone(curtain, 0.74), 1.0),
            );
            for i in 0..3 {
                let xx = side + 0.018 + i as f32 * 0.027;
                brush.line(&[[xx, 0.0], [xx, horizon * 0.95]], 0.006, tone(curtain, 0.8), 0.8);
            }
        }
    }
    for _ in 0..dice.below(4) {
        let (x, y, s) = (dice.range(0.0, aspect), dice.range(0.06, horizon * 0.5), dice.range(0.08, 0.16));
        let art = dice.pick(&[hex(0xC8684A), hex(0x3F6673), hex(0xD7A94B), hex(0x50604C), hex(0x8F5B73)]);
        brush.fill(&block(x + 0.006, y + 0.01, s, s * 1.25), [0.0; 3], 0.25);
        brush.fill(&block(x, y, s, s * 1.25), dice.pick(&[hex(0x2C2723), hex(0xF3EEE2), hex(0x9C7346)]), 1.0);
        brush.fill(&block(x + 0.012, y + 0.012, s - 0.024, s * 1.25 - 0.024), hex(0xEFE8DA), 1.0);
        brush.ellipse([x + s / 2.0, y + s * 0.6], [s * 0.24, s * 0.3], art, 1.0);
    }
    if dice.chance(0.7) {
        sofa(brush, dice.range(-0.1, aspect * 0.7), horizon + 0.06, dice);
    }
    if dice.chance(0.6) {
        shelf(brush, dice.pick(&[-0.04, aspect - 0.22]), horizon, dice);
    }
    if dice.chance(0.6) {
        let (x, ground) = (dice.range(0.02, aspect - 0.02), horizon + 0.05);
        let pot = dice.pick(&[hex(0xB4653F), hex(0xE8E2D6), hex(0x4C5A5E)]);
        for i in 0..9 {
            let lean = (i as f32 - 4.0) * 0.045 + dice.range(-0.02, 0.02);
            let tall = dice.range(0.22, 0.4);
            let leaf = dice.pick(&[hex(0x3F6B4A), hex(0x5A8455), hex(0x2F5540)]);
            brush.blob(
                &[
                    [x, ground - 0.1],
                    [x + lean * 0.4 - 0.025, ground - tall * 0.6],
                    [x + lean, ground - tall],
                    [x + lean * 0.6 + 0.02, ground - tall * 0.6],
                ],
                leaf,
                1.0,
            );
        }
        brush.fill(
            &[[x - 0.06, ground - 0.12], [x + 0.06, ground - 0.12], [x + 0.045, ground], [x - 0.045, ground]],
            pot,
            1.0,
        );
    }
    if dice.chance(0.4) {
        let x = dice.range(0.05, aspect - 0.05);
        brush.line(&[[x, horizon + 0.03], [x, horizon - 0.42]], 0.008, hex(0x3A342E), 1.0);
        brush.fill(
            &[
                [x - 0.05, horizon - 0.52],
                [x + 0.05, horizon - 0.52],
                [x + 0.09, horizon - 0.4],
                [x - 0.09, horizon - 0.4],
            ],
            hex(0xF4DFAE),
            1.0,
        );
        brush.ellipse([x, horizon - 0.42], [0.22, 0.2], hex(0xFFE9B8), 0.22);
    }
}

fn sofa(brush: &mut Brush<'_>, x: f32, ground: f32, dice: &mut Dice) {
    let cloth = dice.pick(&[hex(0x56707A), hex(0xA05C44), hex(0x8C8878), hex(0xC9B48C), hex(0x54624F), hex(0x6E5A70)]);
    brush.ellipse([x + 0.27, ground + 0.005], [0.34, 0.025], [0.0; 3], 0.35);
    brush.blob(
        &[[x, ground - 0.28], [x + 0.54, ground - 0.28], [x + 0.56, ground - 0.06], [x - 0.02, ground - 0.06]],
        tone(cloth, 0.88),
        1.0,
    );
    brush.blob(
        &[[x - 0.02, ground - 0.14], [x + 0.56, ground - 0.14], [x + 0.57, ground - 0.01], [x - 0.03, ground - 0.01]],
        cloth,
        1.0,
    );
    for side in [x - 0.05, x + 0.52] {
        brush.blob(
            &[
                [side, ground - 0.2],
                [side + 0.07, ground - 0.2],
                [side + 0.075, ground - 0.01],
                [side - 0.005, ground - 0.01],
            ],
            tone(cloth, 1.1),
            1.0,
        );
    }
    brush.line(&[[x + 0.27, ground - 0.25], [x + 0.27, ground - 0.03]], 0.005, tone(cloth, 0.62), 0.8);
    let cushion = dice.pick(&[hex(0xE2B44E), hex(0xEDE3D0), hex(0xB2543E), hex(0x3E5A78)]);
    brush.blob(
        &[[x + 0.06, ground - 0.24], [x + 0.18, ground - 0.26], [x + 0.2, ground - 0.13], [x + 0.07, ground - 0.12]],
        cushion,
        1.0,
    );
}

fn shelf(brush: &mut Brush<'_>, x: f32, ground: f32, dice: &mut Dice) {
    let wood = dice.pick(&[hex(0x8A6444), hex(0xD9CBB2), hex(0x4A3B31)]);
    let top = ground - dice.range(0.4, 0.62);
    brush.fill(&block(x, top, 0.26, ground + 0.02 - top), tone(wood, 0.6), 1.0);
    let mut y = top;
    while y < ground {
        let mut bx = x + 0.015;
        while bx < x + 0.22 {
            let (w, h) = (dice.range(0.012, 0.03), dice.range(0.06, 0.1));
            if dice.chance(0.85) {
                let spine = dice.pick(&[
                    hex(0xB5463A),
                    hex(0x35506E),
                    hex(0xE0D6C0),
                    hex(0x5C7A5E),
                    hex(0xD5A441),
                    hex(0x2E2A2A),
                    hex(0x93718A),
                ]);
                brush.fill(&block(bx, y + 0.125 - h, w * 0.92, h), spine, 1.0);
            }
            bx += w;
        }
        y += 0.125;
        brush.fill(&block(x, y, 0.26, 0.012), wood, 1.0);
    }
    brush.fill(&block(x, top, 0.012, ground + 0.02 - top), wood, 1.0);
    brush.fill(&block(x + 0.248, top, 0.012, ground + 0.02 - top), wood, 1.0);
}

fn park(brush: &mut Brush<'_>, aspect: f32, horizon: f32, dice: &mut Dice) {
    let sky =
        dice.pick(&[(hex(0x8DB6DC), hex(0xE2EDF1)), (hex(0xB9C8CF), hex(0xE8E6DE)), (hex(0xF3BE8E), hex(0xFAE6C8))]);
    brush.fade(&block(0.0, 0.0, aspect, horizon), ([0.0, 0.0], sky.0, 1.0), ([0.0, horizon], sky.1, 1.0));
    for _ in 0..3 {
        let (x, y) = (dice.range(0.0, aspect), dice.range(0.05, 0.25));
        for _ in 0..4 {
            brush.ellipse([x + dice.range(-0.1, 0.1), y + dice.range(-0.015, 0.015)], [0.08, 0.03], [1.0; 3], 0.5);
        }
    }
    let grass = dice.pick(&[hex(0x7C9A50), hex(0x5F8A4A), hex(0x94A052), hex(0x6B8F5E)]);
    let far = blend(grass, sky.1, 0.45);
    for i in 0..9 {
        let x = aspect * i as f32 / 8.0 + dice.range(-0.05, 0.05);
        brush.ellipse(
            [x, horizon - 0.02],
            [dice.range(0.1, 0.2), dice.range(0.08, 0.2)],
            tone(far, dice.range(0.75, 1.0)),
            1.0,
        );
    }
    brush.fade(
        &block(0.0, horizon, aspect, 1.0 - horizon),
        ([0.0, horizon], tone(grass, 1.12), 1.0),
        ([0.0, 1.0], tone(grass, 0.8), 1.0),
    );
    let path = dice.pick(&[hex(0xD3C3A0), hex(0xB9B0A2), hex(0xC9A98A)]);
    let (far_x, near_x) = (aspect * dice.range(0.1, 0.9), aspect * dice.range(0.2, 0.8));
    brush.fill(
        &[[far_x - 0.03, horizon], [far_x + 0.03, horizon], [near_x + 0.42, 1.0], [near_x - 0.42, 1.0]],
        path,
        1.0,
    );
    for _ in 0..60 {
        let (x, y) = (dice.range(0.0, aspect), dice.range(horizon, 1.0));
        let k = (y - horizon) / (1.0 - horizon) * 0.03 + 0.006;
        brush.line(&[[x, y], [x + k * 0.3, y - k]], 0.004, tone(grass, dice.range(0.65, 1.3)), 0.7);
    }
    for _ in 0..2 + dice.below(3) {
        let ground = horizon + dice.range(0.0, 0.12);
        tree(brush, dice.range(-0.05, aspect + 0.05), ground, dice.range(0.5, 0.95), dice);
    }
    if dice.chance(0.5) {
        let (x, y) = (dice.range(0.0, aspect - 0.2), horizon + 0.12);
        let wood = hex(0x7C5436);
        for i in 0..3 {
            brush.fill(&block(x, y - 0.13 + i as f32 * 0.035, 0.32, 0.024), wood, 1.0);
        }
        brush.fill(&block(x - 0.01, y - 0.02, 0.34, 0.024), tone(wood, 1.15), 1.0);
        for leg in [x + 0.02, x + 0.28] {
            brush.line(&[[leg, y], [leg, y + 0.07]], 0.012, hex(0x2E2E30), 1.0);
        }
    }
    for _ in 0..dice.below(3) {
        stranger(brush, dice.range(0.0, aspect), horizon + dice.range(0.03, 0.1), dice);
    }
}
