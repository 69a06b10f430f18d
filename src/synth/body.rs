//! A figure's build and pose, and how it moves the dummy's points to its own.

use super::cut::{Role, trunk};
use super::num::{Dice, P, add, along, down, lerp, mix, perp, scale, smoothstep, sub, table, unit};

/// A limb of two bones as a smooth curve; its parameter is centimetres on the dummy.
#[derive(Clone, Debug)]
pub struct Limb {
    joints: [P; 3],
    bones: [f32; 2],
    /// How much wider than the dummy's.
    pub girth: f32,
}

impl Limb {
    fn at_sharp(&self, s: f32) -> P {
        let [a, b, c] = self.joints;
        if s < self.bones[0] {
            along(a, sub(b, a), s / self.bones[0])
        } else {
            along(b, sub(c, b), (s - self.bones[0]) / self.bones[1])
        }
    }

    /// The middle of the limb, its joint rounded as flesh and cloth round it.
    pub fn at(&self, s: f32) -> P {
        let r = 5.0;
        let sum = [-1.0, -0.5, 0.0, 0.5, 1.0].iter().fold([0.0, 0.0], |sum, k| add(sum, self.at_sharp(s + r * k)));
        scale(sum, 0.2)
    }

    pub fn direction(&self, s: f32) -> P {
        unit(sub(self.at(s + 2.0), self.at(s - 2.0)))
    }

    /// A point beside the limb; the sign of `d` is the dummy's.
    pub fn beside(&self, s: f32, d: f32) -> P {
        along(self.at(s), perp(self.direction(s)), d * self.girth)
    }

    pub fn end(&self) -> P {
        self.joints[2]
    }
}

pub const UPPER_ARM: f32 = 30.0;
pub const FOREARM: f32 = 26.0;
pub const THIGH: f32 = 38.0;
pub const SHIN: f32 = 40.0;

/// What an arm does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arm {
    Hanging,
    OnHip,
    InPocket,
    /// Forearm raised in front: a phone, a cup, a strap.
    Raised,
    /// Across the waist.
    Across,
    /// Away from the body, as when walking or waving.
    Away,
}

#[derive(Clone, Debug)]
pub struct Body {
    pub shoulders: P,
    pub pelvis: P,
    across_shoulders: P,
    across_hips: P,
    bend: f32,
    /// Widths against the dummy's at shoulders, waist and hips.
    widths: [f32; 3],
    turn: f32,
    pub arms: [Limb; 2],
    pub gestures: [Arm; 2],
    pub legs: [Limb; 2],
    pub neck: P,
    pub head_tilt: f32,
    pub head_turn: f32,
    lower: P,
    hem_sway: f32,
}

impl Body {
    /// A person of the dice's build, `liveliness` 0 (stiff) to 1.
    pub fn posed(dice: &mut Dice, gestures: &[Arm], liveliness: f32) -> Self {
        let l = liveliness;
        let lean = dice.range(-0.1, 0.1) * l;
        let torso = dice.range(56.0, 62.0);
        let shoulders = [0.0, 0.0];
        let pelvis = along(shoulders, down(lean), torso);
        let tilt = dice.range(-0.10, 0.10) * l;
        let across_shoulders = [super::num::cos(tilt), super::num::sin(tilt)];
        let hip_tilt = -tilt * 0.8 + dice.range(-0.04, 0.04) * l;
        let across_hips = [super::num::cos(hip_tilt), super::num::sin(hip_tilt)];
        let build = dice.range(0.9, 1.14);
        let widths = [
            dice.range(0.92, 1.06) * lerp(1.0, build, 0.5),
            dice.range(0.93, 1.08) * build,
            dice.range(0.94, 1.08) * lerp(1.0, build, 0.7),
        ];
        let turn = dice.range(-0.45, 0.45) * l;
        let narrow = super::num::cos(turn);
        let mut arms = Vec::new();
        let mut chosen = Vec::new();
        for side in [-1.0f32, 1.0] {
            let start = add(along(shoulders, across_shoulders, side * 16.0 * widths[0] * narrow), [0.0, 4.6]);
            let gesture = dice.pick(gestures);
            chosen.push(gesture);
            let (upper, fore, short) = match gesture {
                Arm::Hanging => (dice.range(0.07, 0.2), dice.range(-0.12, 0.1), 1.0),
                Arm::Away => (dice.range(0.35, 0.6), dice.range(0.1, 0.7), 1.0),
                Arm::OnHip => (dice.range(0.7, 0.85), dice.range(-0.95, -0.75), 0.92),
                Arm::InPocket => (dice.range(0.34, 0.46), dice.range(-0.42, -0.28), 0.94),
                Arm::Raised => (dice.range(0.12, 0.3), dice.range(-2.7, -2.3), 0.78),
                Arm::Across => (dice.range(0.2, 0.34), dice.range(-1.75, -1.5), 0.86),
            };
            let elbow = along(start, down(side * upper), UPPER_ARM * torso / 60.0);
            let wrist = along(elbow, down(side * fore), FOREARM * short * torso / 60.0);
            arms.push(Limb {
                joints: [start, elbow, wrist],
                bones: [UPPER_ARM, FOREARM],
                girth: lerp(1.0, build, 0.7),
            });
        }
        let mut legs = Vec::new();
        let stride = dice.range(0.0, 0.15) * l;
        let shift = dice.range(-0.05, 0.05) * l;
        let leg_scale = dice.range(0.96, 1.06);
        for side in [-1.0f32, 1.0] {
            let hip = along(pelvis, across_hips, side * 8.6 * widths[2] * narrow);
            let spread = 0.02 + stride * if side * turn > 0.0 { 1.0 } else { 0.6 };
            let knee = along(hip, down(side * spread + shift), THIGH * leg_scale);
            let bent = dice.range(-0.06, 0.1) * l;
            let ankle = along(knee, down(side * (spread * 0.4 - bent) + shift), SHIN * leg_scale);
            legs.push(Limb { joints: [hip, knee, ankle], bones: [THIGH, SHIN], girth: lerp(1.0, build, 0.6) });
        }
        let feet = mix(legs[0].end(), legs[1].end(), 0.5);
        let lower = unit(sub(feet, pelvis));
        let neck_lean = lean * -0.5 + dice.range(-0.08, 0.08) * l;
        let neck = along(add(shoulders, [0.0, -1.0]), down(neck_lean), -8.0);
        let [arm_left, arm_right] = take_two(arms);
        let [leg_left, leg_right] = take_two(legs);
        Self {
            shoulders,
            pelvis,
            across_shoulders,
            across_hips,
            bend: dice.range(-2.6, 2.6) * l,
            widths: widths.map(|w| w * lerp(1.0, narrow, 0.8)),
            turn,
            arms: [arm_left, arm_right],
            gestures: [chosen[0], chosen[1]],
            legs: [leg_left, leg_right],
            neck,
            head_tilt: dice.range(-0.16, 0.16) * l,
            head_turn: (turn * 1.2 + dice.range(-0.5, 0.5) * l).clamp(-0.9, 0.9),
            lower,
            hem_sway: dice.range(-5.0, 5.0) * l,
        }
    }

    /// A point of the dummy's trunk, on this figure.
    pub fn trunk_point(&self, p: P) -> P {
        let t = p[1] / 60.0;
        let spine = if t <= 1.0 {
            let k = 4.0 * t * (1.0 - t);
            add(
                along(self.shoulders, sub(self.pelvis, self.shoulders), t),
                [self.bend * if t > 0.0 { k } else { 0.0 }, 0.0],
            )
        } else {
            let below = p[1] - 60.0;
            let sway = self.hem_sway * (below / 50.0) * (below / 50.0);
            add(along(self.pelvis, self.lower, below), [sway, 0.0])
        };
        let across = unit(mix(self.across_shoulders, self.across_hips, smoothstep(0.0, 1.0, t)));
        let [ws, ww, wh] = self.widths;
        let width = table(&[(0.0, ws), (40.0, ww), (60.0, wh), (100.0, lerp(wh, 1.0, 0.5))], p[1]);
        // A turned trunk shows one side wider, and its middle moves towards the turn.
        let half = trunk(p[1].clamp(0.0, 70.0));
        let round = (1.0 - (p[0] / (half + 4.0)) * (p[0] / (half + 4.0))).max(0.0);
        let x = p[0] * width + self.turn * (6.0 * round - 3.0);
        along(spine, across, x)
    }

    /// Where this figure wears a point of the dummy that belongs to a part.
    pub fn place(&self, role: Role, p: P, local: P) -> P {
        match role {
            Role::Sleeve(side) => {
                let arm = &self.arms[usize::from(side > 0)];
                let out = (p[0] * f32::from(side) - 15.5) / 9.0;
                let w = smoothstep(0.0, 1.0, out.max((local[0] - 13.0) / 14.0));
                mix(self.trunk_point(p), arm.beside(local[0], local[1]), w)
            }
            Role::Leg(side) => {
                let leg = &self.legs[usize::from(side > 0)];
                let w = smoothstep(2.0, 20.0, local[0]);
                mix(self.trunk_point(p), leg.beside(local[0], local[1]), w)
            }
            _ => self.trunk_point(p),
        }
    }

    /// Lowest point of both feet.
    pub fn ground(&self) -> f32 {
        self.legs[0].end()[1].max(self.legs[1].end()[1]) + 7.0
    }
}

fn take_two(limbs: Vec<Limb>) -> [Limb; 2] {
    let mut limbs = limbs.into_iter();
    let empty = Limb { joints: [[0.0; 2]; 3], bones: [1.0; 2], girth: 1.0 };
    [limbs.next().unwrap_or_else(|| empty.clone()), limbs.next().unwrap_or(empty)]
}
