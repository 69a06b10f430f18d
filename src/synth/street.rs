//! Snapshots: a person who wears the product, somewhere, in some light, partly hidden.

use super::body::{Arm, Body};
use super::cut::Role;
use super::design::{Design, Kind};
use super::face;
use super::light::Light;
use super::num::{Dice, P, add, along, cos, down, mix, sin};
use super::paint::{Brush, blur, ring, rounded};
use super::palette::{hex, tone};
use super::person::{self, Looks};
use super::scene::{self, Place};
use super::texture::{Drawn, folds};
use super::warp::Canvas;

/// One garment of an outfit.
pub struct Worn {
    pub garment: Drawn,
    /// Its number in the sample, where it is sold.
    pub product: Option<usize>,
}

/// What a photo is made with besides its garments.
#[derive(Clone, Copy, Debug)]
pub struct Conditions {
    /// Light, shadow, blur, grain; without them the colours are the texture's own.
    pub lit: bool,
    /// Hair, straps, tables and cups in front.
    pub hidden: bool,
}

/// Draws a street photo. Garment `i` of the outfit is owner `i + 1`.
pub fn compose(outfit: &[Worn], size: (u32, u32), conditions: Conditions, dice: &mut Dice) -> Option<Canvas> {
    let mut canvas = Canvas::new(size.0, size.1)?;
    let (w, h) = (size.0 as f32, size.1 as f32);
    let main = outfit.first()?.garment.design;
    let place = dice.pick(&[Place::Street, Place::Street, Place::Room, Place::Park]);
    let light = Light::of(place, dice);
    let looks = Looks::of(dice);
    let gestures = gestures(main.kind);
    let body = Body::posed(dice, gestures, 1.0);
    let frame = Frame::of(&main, &body, w, h, dice);
    let horizon = {
        let far = frame.camera([0.0, body.ground() - 26.0])[1] / h;
        far.clamp(0.42, 0.86)
    };
    scene::draw(&mut canvas.picture, place, horizon, dice)?;
    let camera = |p: P| frame.camera(p);
    let unit = frame.scale;
    let paint = |canvas: &mut Canvas, draw: &mut dyn FnMut(&mut Brush<'_>)| {
        canvas.cover(|layer| draw(&mut Brush { to: layer, map: &camera, unit }));
    };
    ground_shadow(&mut canvas, &body, &camera, unit, &light);
    paint(&mut canvas, &mut |brush| face::hair_behind(brush, &body, &looks));

    let tint = [1.0; 3];
    let wear = |canvas: &mut Canvas, index: usize, roles: &dyn Fn(Role) -> bool, dice: &mut Dice| {
        let worn = &outfit[index];
        for texture in worn.garment.parts.iter().filter(|t| roles(t.part.role)) {
            let part = &texture.part;
            let shade = if conditions.lit {
                let creases = folds(part, &worn.garment.design, 1.15, dice);
                texture.shade(&creases, light.from, light.strength)
            } else {
                vec![1.0; texture.width / 2 * (texture.height / 2)]
            };
            let owner = if part.role == Role::Inside { 0 } else { index as u8 + 1 };
            canvas
                .lay(&worn.garment, texture, &shade, owner, tint, &|p| camera(body.place(part.role, p, part.local(p))));
        }
    };
    let inside = |role: Role| role == Role::Inside;
    let trunk = |role: Role| matches!(role, Role::Body | Role::Leg(_));
    let order = layers(outfit, dice);
    for &index in &order {
        wear(&mut canvas, index, &inside, dice);
    }
    paint(&mut canvas, &mut |brush| {
        person::legs(brush, &body, &looks);
        person::shoes(brush, &body, &looks);
        person::trunk(brush, &body, &looks);
    });
    for &index in &order {
        wear(&mut canvas, index, &trunk, dice);
    }
    let strap =
        conditions.hidden && dice.chance(0.3) && outfit.iter().all(|worn| worn.garment.design.kind != Kind::Bag);
    let strap_side = dice.sign();
    let strap_colour = dice.pick(&[hex(0x5B3A25), hex(0x23211F), hex(0x7C6A50), hex(0x7A2F2A)]);
    if strap {
        paint(&mut canvas, &mut |brush| crossbody(brush, &body, strap_side, strap_colour));
    }
    let bag = outfit.iter().position(|worn| worn.garment.design.kind == Kind::Bag);
    let bag_side = usize::from(dice.chance(0.5));
    // Skin starts where the longest sleeve ends.
    let longest = order
        .iter()
        .map(|&index| outfit[index].garment.design)
        .filter(Design::has_sleeves)
        .map(|d| d.cut.sleeve)
        .fold(0.0, f32::max);
    let bare_from = if longest > 0.0 { (longest - 7.0).min(52.0) } else { -2.0 };
    // What is worn under a coat keeps its sleeves inside.
    let outer = order.iter().copied().rfind(|&index| outfit[index].garment.design.has_sleeves());
    for side in 0..2 {
        paint(&mut canvas, &mut |brush| person::arm(brush, &body, side, &looks, bare_from));
        let which = if side == 0 { -1 } else { 1 };
        if let Some(index) = outer {
            wear(&mut canvas, index, &|role| role == Role::Sleeve(which), dice);
        }
        if body.gestures[side] == Arm::Raised && conditions.hidden {
            let phone = dice.chance(0.5);
            paint(&mut canvas, &mut |brush| person::held(brush, &body, side, phone));
        }
    }
    if let Some(index) = bag {
        hang_bag(&mut canvas, &outfit[index].garment, index, &body, bag_side, &camera, &light, conditions, dice);
        paint(&mut canvas, &mut |brush| fingers(brush, &body, bag_side, &looks));
    }
    paint(&mut canvas, &mut |brush| face::head(brush, &body, &looks));
    if conditions.hidden {
        let sides = [dice.chance(0.6), dice.chance(0.6)];
        paint(&mut canvas, &mut |brush| face::hair_before(brush, &body, &looks, sides));
        if dice.chance(0.12) && main.kind != Kind::Bag {
            let wool = dice.pick(&[hex(0xA23A35), hex(0x3E5673), hex(0xD9C9A6), hex(0x4C5B4A), hex(0x77787C)]);
            paint(&mut canvas, &mut |brush| scarf(brush, &body, wool));
        }
        foreground(&mut canvas, place, w, h, dice);
    }
    if conditions.lit {
        light.expose(&mut canvas.picture);
    }
    Some(canvas)
}

fn gestures(kind: Kind) -> &'static [Arm] {
    match kind {
        Kind::Trousers | Kind::Shorts | Kind::Skirt => {
            &[Arm::Hanging, Arm::OnHip, Arm::Away, Arm::Raised, Arm::Hanging]
        }
        Kind::Bag => &[Arm::Hanging],
        _ => &[Arm::Hanging, Arm::OnHip, Arm::InPocket, Arm::Away, Arm::Raised, Arm::Across, Arm::Hanging],
    }
}

/// Outfit indices from the skin outwards, without the bag.
fn layers(outfit: &[Worn], dice: &mut Dice) -> Vec<usize> {
    let tucked = dice.chance(0.3);
    let depth = |kind: Kind| match kind {
        Kind::Trousers | Kind::Shorts | Kind::Skirt => {
            if tucked {
                3
            } else {
                1
            }
        }
        Kind::Jacket | Kind::Coat => 4,
        _ => 2,
    };
    let mut order: Vec<usize> = (0..outfit.len()).filter(|&i| outfit[i].garment.design.kind != Kind::Bag).collect();
    order.sort_by_key(|&i| depth(outfit[i].garment.design.kind));
    order
}

/// How the camera sees the figure: distance, tilt, height.
struct Frame {
    scale: f32,
    centre: P,
    at: P,
    roll: [f32; 2],
    pitch: f32,
    yaw: f32,
}

impl Frame {
    fn of(main: &Design, body: &Body, w: f32, h: f32, dice: &mut Dice) -> Self {
        let ground = body.ground();
        // What must be seen, from top to bottom, with some air.
        let hem = main.cut.length;
        let (top, foot) = match main.kind {
            Kind::Trousers => (dice.range(-42.0, 18.0), ground + 8.0),
            Kind::Skirt | Kind::Shorts => (
                dice.range(if w > h { 4.0 } else { -42.0 }, 16.0),
                (46.0 + hem + dice.range(10.0, 40.0)).min(ground + 12.0),
            ),
            Kind::Dress | Kind::Coat => (dice.range(-44.0, -34.0), (hem + dice.range(12.0, 50.0)).min(ground + 14.0)),
            Kind::Bag => (dice.range(-40.0, 0.0), dice.range(104.0, 132.0)),
            _ => (dice.range(-42.0, -34.0), dice.pick(&[82.0, 96.0, 120.0, ground + 10.0])),
        };
        let scale = (h / (foot - top)).min(w / 74.0);
        let centre = [0.0, (top + foot) / 2.0];
        let spare = (w - 66.0 * scale).max(0.0);
        let at = [w / 2.0 + dice.range(-0.3, 0.3) * spare, h / 2.0];
        let roll = dice.range(-0.075, 0.075);
        Self {
            scale,
            centre,
            at,
            roll: [cos(roll), sin(roll)],
            pitch: dice.range(-0.0016, 0.0016),
            yaw: dice.range(-0.0012, 0.0012),
        }
    }

    fn camera(&self, p: P) -> P {
        let [dx, dy] = [p[0] - self.centre[0], p[1] - self.centre[1]];
        let near = 1.0 / (1.0 + self.pitch * dy + self.yaw * dx);
        let k = self.scale * near;
        [
            self.at[0] + k * (dx * self.roll[0] - dy * self.roll[1]),
            self.at[1] + k * (dx * self.roll[1] + dy * self.roll[0]),
        ]
    }
}

fn ground_shadow(canvas: &mut Canvas, body: &Body, camera: &dyn Fn(P) -> P, unit: f32, light: &Light) {
    let feet = mix(body.legs[0].end(), body.legs[1].end(), 0.5);
    let away = -light.from[0].signum();
    let pool: Vec<P> = ring([feet[0] + away * 9.0, body.ground()], [32.0, 4.6]).into_iter().map(camera).collect();
    canvas.shadow(&[pool], (unit * 2.2) as usize + 1, [0.03, 0.03, 0.06], 0.55);
}

/// Strap and bag of someone who wears it across: they hide part of what is below.
fn crossbody(brush: &mut Brush<'_>, body: &Body, side: f32, colour: [f32; 3]) {
    let at = |x: f32, y: f32| body.trunk_point([x * side, y]);
    let strap = rounded(&[at(-9.0, -1.6), at(-4.0, 16.0), at(6.0, 38.0), at(15.0, 56.0)], false);
    brush.line(&strap.iter().map(|p| [p[0] + 0.8, p[1] + 0.8]).collect::<Vec<_>>(), 3.0, [0.0; 3], 0.25);
    brush.line(&strap, 2.6, colour, 1.0);
    brush.line(&strap, 0.5, tone(colour, 1.4), 0.6);
    let [x, y] = at(16.0, 62.0);
    brush.blob(
        &[
            [x - 9.0, y - 7.0],
            [x + 9.0, y - 7.0],
            [x + 9.6, y + 6.0],
            [x + 7.0, y + 8.0],
            [x - 7.0, y + 8.0],
            [x - 9.6, y + 6.0],
        ],
        tone(colour, 0.95),
        1.0,
    );
    brush.blob(
        &[[x - 9.2, y - 7.4], [x + 9.2, y - 7.4], [x + 8.0, y + 1.0], [x, y + 3.0], [x - 8.0, y + 1.0]],
        tone(colour, 1.15),
        1.0,
    );
    brush.ellipse([x, y + 1.6], [1.2, 1.2], [0.82, 0.7, 0.42], 1.0);
}

fn hang_bag(
    canvas: &mut Canvas,
    garment: &Drawn,
    index: usize,
    body: &Body,
    side: usize,
    camera: &dyn Fn(P) -> P,
    light: &Light,
    conditions: Conditions,
    dice: &mut Dice,
) {
    let drop = garment.design.cut.sleeve;
    let hand = along(body.arms[side].end(), body.arms[side].direction(56.0), 7.0);
    let swing = dice.range(-0.1, 0.1);
    let axis = down(swing);
    let narrow = dice.range(0.82, 1.0);
    // The handle folds where the hand grips it: bags are carried lower than their arch is tall.
    let fold = 0.55;
    let place = |p: P| {
        let y = if p[1] < 0.0 { p[1] * fold } else { p[1] };
        let x = if p[1] < 0.0 { p[0] * (1.0 + 0.5 * p[1] / drop) } else { p[0] };
        camera(along(along(hand, axis, y + drop * fold - 1.0), [axis[1], -axis[0]], x * narrow))
    };
    for texture in &garment.parts {
        let shade = if conditions.lit {
            let creases = folds(&texture.part, &garment.design, 1.0, dice);
            texture.shade(&creases, light.from, light.strength)
        } else {
            vec![1.0; texture.width / 2 * (texture.height / 2)]
        };
        canvas.lay(garment, texture, &shade, index as u8 + 1, [1.0; 3], &place);
    }
}

/// Fingers closed around the handle.
fn fingers(brush: &mut Brush<'_>, body: &Body, side: usize, looks: &Looks) {
    let hand = along(body.arms[side].end(), body.arms[side].direction(56.0), 6.0);
    for k in [-2.1f32, -0.7, 0.7, 2.1] {
        brush.ellipse(add(hand, [k, 0.6]), [1.0, 2.6], looks.skin, 1.0);
        brush.line(&[add(hand, [k + 0.8, -0.8]), add(hand, [k + 0.8, 2.4])], 0.3, tone(looks.skin, 0.65), 0.7);
    }
}

fn scarf(brush: &mut Brush<'_>, body: &Body, wool: [f32; 3]) {
    let at = |x: f32, y: f32| body.trunk_point([x, y]);
    brush.blob(
        &[at(-4.6, 3.0), at(1.0, 4.0), at(3.4, 18.0), at(2.4, 30.0), at(-4.4, 30.0), at(-5.4, 16.0)],
        tone(wool, 0.9),
        1.0,
    );
    brush.blob(
        &[
            at(-9.4, -6.0),
            at(0.0, -3.4),
            at(9.4, -6.0),
            at(11.0, 0.0),
            at(6.0, 5.0),
            at(0.0, 6.4),
            at(-6.0, 5.0),
            at(-11.0, 0.0),
        ],
        wool,
        1.0,
    );
    for y in [-1.6f32, 1.4] {
        brush.line(&rounded(&[at(-8.6, y), at(0.0, y + 3.0), at(8.6, y)], false), 0.7, tone(wool, 0.7), 0.7);
    }
    for x in [-4.0f32, -2.4, -0.8, 0.8] {
        brush.line(&[at(x, 29.0), at(x, 33.0)], 0.6, wool, 1.0);
    }
}

/// Things between the camera and the person, out of focus.
fn foreground(canvas: &mut Canvas, place: Place, w: f32, h: f32, dice: &mut Dice) {
    if !dice.chance(0.28) {
        return;
    }
    let radius = (h / 320.0 * 3.0) as usize + 1;
    let side = dice.chance(0.5);
    let depth = dice.range(0.10, 0.2);
    let choice = dice.below(3);
    let mut jitter: Vec<f32> = (0..24).map(|_| dice.unit()).collect();
    canvas.cover(|layer| {
        let map = |p: P| [if side { p[0] * w } else { (1.0 - p[0]) * w }, p[1] * h];
        let mut brush = Brush { to: layer, map: &map, unit: h };
        match (place, choice) {
            (Place::Room, 0 | 1) => {
                let wood = hex(0x8A6442);
                brush.fill(&[[-0.1, 1.0 - depth * 0.7], [1.1, 1.0 - depth * 0.85], [1.1, 1.1], [-0.1, 1.1]], wood, 1.0);
                brush.fill(
                    &[
                        [0.1, 0.86 - depth * 0.7],
                        [0.2, 0.86 - depth * 0.7],
                        [0.19, 1.0 - depth * 0.6],
                        [0.11, 1.0 - depth * 0.6],
                    ],
                    hex(0xEDE8DD),
                    1.0,
                );
            }
            (Place::Street, 0) => {
                brush.fill(&[[-0.1, -0.1], [depth * 0.9, -0.1], [depth * 0.8, 1.1], [-0.1, 1.1]], hex(0x3A3E44), 1.0)
            }
            _ => {
                let leaf = hex(0x466B43);
                while let (Some(a), Some(b), Some(c)) = (jitter.pop(), jitter.pop(), jitter.pop()) {
                    let centre = [a * depth, 0.45 + b * 0.6];
                    brush.ellipse(centre, [0.03 + 0.05 * c, 0.02 + 0.03 * a], tone(leaf, 0.7 + 0.6 * c), 1.0);
                }
            }
        }
        blur(layer, radius);
    });
}
