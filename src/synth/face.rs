//! Heads: hair behind, face, hair in front.

use super::body::Body;
use super::num::{P, add, along, cos, down, sin};
use super::paint::{Brush, ring, rounded};
use super::palette::{Rgb, blend, tone};
use super::person::{Hair, Looks};

/// Hair that falls behind the shoulders.
pub fn hair_behind(brush: &mut Brush<'_>, body: &Body, looks: &Looks) {
    let head = Head::of(body);
    let dark = tone(looks.hair, 0.72);
    match looks.style {
        Hair::Long => brush.blob(
            &head.all(&[
                (-9.4, -18.0),
                (0.0, -26.0),
                (9.4, -18.0),
                (11.0, -4.0),
                (11.6, 10.0),
                (6.0, 16.0),
                (-6.0, 16.0),
                (-11.6, 10.0),
                (-11.0, -4.0),
            ]),
            dark,
            1.0,
        ),
        Hair::Bob => brush.blob(
            &head.all(&[
                (-9.6, -18.0),
                (0.0, -26.0),
                (9.6, -18.0),
                (10.4, -6.0),
                (9.4, 0.0),
                (0.0, 1.5),
                (-9.4, 0.0),
                (-10.4, -6.0),
            ]),
            dark,
            1.0,
        ),
        Hair::Curls => {
            for i in 0..11 {
                let a = 3.4 + i as f32 * 0.58;
                brush.ellipse(head.at(cos(a) * 9.6, -14.0 + sin(a) * 10.6), [4.6, 4.6], dark, 1.0);
            }
        }
        Hair::Bun => brush.ellipse(head.at(-head.turn, -28.0), [5.2, 4.8], looks.hair, 1.0),
        Hair::Ponytail => brush.blob(
            &head.all(&[(2.0, -22.0), (12.0, -16.0), (13.4, -2.0), (10.4, 8.0), (8.6, -4.0), (6.0, -12.0)]),
            dark,
            1.0,
        ),
        _ => {}
    }
}

struct Head {
    chin: P,
    x: P,
    y: P,
    turn: f32,
}

impl Head {
    fn of(body: &Body) -> Self {
        let tilt = body.head_tilt;
        let y = down(tilt);
        Self { chin: along(body.neck, y, 2.6), x: [y[1], -y[0]], y, turn: body.head_turn }
    }

    fn at(&self, x: f32, y: f32) -> P {
        along(along(self.chin, self.x, x), self.y, y)
    }

    /// A feature of the face, which slides with the head's turn.
    fn face(&self, x: f32, y: f32) -> P {
        let x = x * (1.0 - 0.25 * self.turn.abs()) + self.turn * 3.6;
        self.at(x, y)
    }

    fn all(&self, points: &[(f32, f32)]) -> Vec<P> {
        points.iter().map(|&(x, y)| self.at(x, y)).collect()
    }

    fn faces(&self, points: &[(f32, f32)]) -> Vec<P> {
        points.iter().map(|&(x, y)| self.face(x, y)).collect()
    }
}

pub fn head(brush: &mut Brush<'_>, body: &Body, looks: &Looks) {
    let head = Head::of(body);
    let skin = looks.skin;
    let shade = tone(skin, 0.74);
    for side in [-1.0f32, 1.0] {
        if side * head.turn < 0.5 {
            brush.ellipse(head.at(side * 7.7, -10.5), [1.5, 2.6], tone(skin, 0.9), 1.0);
        }
    }
    let skull = head.all(&[
        (0.0, 0.0),
        (3.6, -0.9),
        (6.3, -5.0),
        (7.6, -11.0),
        (7.7, -17.0),
        (5.0, -22.6),
        (0.0, -24.4),
        (-5.0, -22.6),
        (-7.7, -17.0),
        (-7.6, -11.0),
        (-6.3, -5.0),
        (-3.6, -0.9),
    ]);
    brush.blob(&skull, skin, 1.0);
    // The far cheek in shade.
    let s = if head.turn > 0.0 { -1.0 } else { 1.0 };
    brush.blob(
        &head.all(&[
            (s * 2.6, -0.6),
            (s * 6.2, -5.0),
            (s * 7.6, -11.0),
            (s * 7.6, -18.0),
            (s * 5.4, -15.0),
            (s * 5.2, -7.0),
        ]),
        shade,
        0.5,
    );
    face(brush, &head, looks, shade);
    hair(brush, &head, looks);
}

fn face(brush: &mut Brush<'_>, head: &Head, looks: &Looks, shade: Rgb) {
    if looks.beard {
        brush.blob(
            &head.all(&[
                (0.0, 0.5),
                (4.4, -0.9),
                (6.7, -5.0),
                (7.2, -9.4),
                (4.6, -6.4),
                (0.0, -6.9),
                (-4.6, -6.4),
                (-7.2, -9.4),
                (-6.7, -5.0),
                (-4.4, -0.9),
            ]),
            looks.hair,
            0.8,
        );
    }
    for side in [-1.0f32, 1.0] {
        brush.ellipse(head.face(side * 4.4, -7.4), [2.0, 1.5], [0.82, 0.36, 0.32], 0.16);
        let eye = head.face(side * 3.2, -11.6);
        brush.ellipse(eye, [1.45, 0.85], [0.97, 0.96, 0.94], 1.0);
        brush.ellipse(add(eye, [head.turn * 0.5, 0.0]), [0.78, 0.82], [0.16, 0.11, 0.09], 1.0);
        brush.line(
            &head.faces(&[(side * 1.7, -12.2), (side * 3.2, -12.7), (side * 4.8, -12.0)]),
            0.5,
            tone(shade, 0.45),
            0.9,
        );
        brush.line(
            &head.faces(&[(side * 1.6, -14.2), (side * 3.4, -14.9), (side * 5.2, -14.2)]),
            0.75,
            tone(looks.hair, 0.8),
            0.9,
        );
    }
    let lean = if head.turn < 0.0 { -1.0 } else { 1.0 };
    brush.line(
        &head.faces(&[(0.2 * lean, -11.6), (1.1 * lean, -8.0), (0.2 * lean, -7.2), (-lean, -7.4)]),
        0.6,
        shade,
        0.9,
    );
    brush.blob(
        &head.faces(&[(-2.4, -4.3), (-0.8, -4.9), (0.0, -4.6), (0.8, -4.9), (2.4, -4.3), (0.0, -3.1)]),
        looks.lips,
        0.95,
    );
    brush.line(&head.faces(&[(-2.3, -4.3), (0.0, -4.0), (2.3, -4.3)]), 0.3, tone(looks.lips, 0.55), 0.9);
    if looks.glasses {
        let frame = [0.12, 0.1, 0.1];
        for side in [-1.0f32, 1.0] {
            let mut lens = ring(head.face(side * 3.4, -11.4), [2.6, 2.2]);
            brush.fill(&lens, [0.14, 0.15, 0.18], 0.75);
            lens.push(lens[0]);
            brush.line(&lens, 0.5, frame, 1.0);
        }
        brush.line(&head.faces(&[(-1.0, -12.0), (1.0, -12.0)]), 0.5, frame, 1.0);
    }
}

fn hair(brush: &mut Brush<'_>, head: &Head, looks: &Looks) {
    let rgb = looks.hair;
    let t = head.turn * 2.0;
    match looks.style {
        Hair::Beanie => {
            brush.blob(
                &head.all(&[
                    (-8.6, -14.6),
                    (-8.4, -21.0),
                    (-3.6, -27.2),
                    (3.6, -27.2),
                    (8.4, -21.0),
                    (8.6, -14.6),
                    (0.0, -16.4),
                ]),
                looks.hat,
                1.0,
            );
            brush.blob(
                &head.all(&[(-8.8, -13.6), (-8.8, -17.4), (0.0, -19.2), (8.8, -17.4), (8.8, -13.6), (0.0, -15.4)]),
                tone(looks.hat, 0.84),
                1.0,
            );
            return;
        }
        Hair::Cap => {
            brush.blob(
                &head.all(&[
                    (-8.2, -15.6),
                    (-7.8, -21.0),
                    (-3.4, -25.8),
                    (3.4, -25.8),
                    (7.8, -21.0),
                    (8.2, -15.6),
                    (0.0, -17.2),
                ]),
                looks.hat,
                1.0,
            );
            brush.blob(
                &head.all(&[
                    (-6.8 + t * 2.6, -16.6),
                    (0.0 + t * 2.6, -18.0),
                    (6.8 + t * 2.6, -16.6),
                    (7.6 + t * 3.4, -14.2),
                    (t * 3.0, -15.2),
                    (-7.6 + t * 3.4, -14.2),
                ]),
                tone(looks.hat, 0.72),
                1.0,
            );
            return;
        }
        _ => {}
    }
    let line = if looks.bangs { -15.4 } else { -18.6 };
    let cap = head.all(&[
        (-8.1, -9.6),
        (-8.6, -16.0),
        (-6.8, -22.6),
        (-2.0, -26.4),
        (3.0, -26.2),
        (7.2, -22.6),
        (8.6, -16.0),
        (8.1, -9.6),
        (6.9, -14.6),
        (5.0 + t, line - 0.6),
        (1.0 + t, line),
        (-3.0 + t, line - 1.2),
        (-6.6, -14.6),
    ]);
    if looks.style == Hair::Crop {
        brush.blob(
            &head.all(&[
                (-7.8, -12.0),
                (-8.0, -18.0),
                (-5.2, -23.8),
                (0.0, -25.4),
                (5.2, -23.8),
                (8.0, -18.0),
                (7.8, -12.0),
                (6.6, -17.6),
                (0.0, -20.6),
                (-6.6, -17.6),
            ]),
            rgb,
            1.0,
        );
        return;
    }
    if looks.style == Hair::Curls {
        for i in 0..9 {
            let a = 3.5 + i as f32 * 0.36;
            brush.ellipse(head.at(cos(a) * 6.6, -17.4 + sin(a) * 6.6), [3.2, 3.0], rgb, 1.0);
        }
        return;
    }
    brush.blob(&cap, rgb, 1.0);
    let shine = blend(rgb, [1.0, 1.0, 1.0], 0.3);
    brush.line(&rounded(&head.all(&[(-5.6, -20.0), (-2.0, -23.4), (2.4, -23.8)]), false), 0.9, shine, 0.35);
    if looks.style == Hair::Bob {
        for side in [-1.0f32, 1.0] {
            brush.blob(
                &head.all(&[
                    (side * 7.0, -19.0),
                    (side * 9.4, -14.0),
                    (side * 9.8, -5.0),
                    (side * 8.0, 0.0),
                    (side * 6.6, -4.0),
                    (side * 7.2, -11.0),
                ]),
                rgb,
                1.0,
            );
        }
    }
}

/// Locks that fall over the shoulders in front of the clothes.
pub fn hair_before(brush: &mut Brush<'_>, body: &Body, looks: &Looks, sides: [bool; 2]) {
    if looks.style != Hair::Long {
        return;
    }
    let head = Head::of(body);
    for (fall, side) in sides.into_iter().zip([-1.0f32, 1.0]) {
        let foot = if fall { 21.0 } else { 4.0 };
        let lock = head.all(&[
            (side * 6.8, -19.0),
            (side * 9.0, -13.0),
            (side * 9.8, -2.0),
            (side * 11.0, foot * 0.5),
            (side * 9.6, foot),
            (side * 7.4, foot * 0.8),
            (side * 7.0, 0.0),
            (side * 7.0, -11.0),
        ]);
        brush.blob(&lock, looks.hair, 1.0);
        let strand = head.all(&[(side * 8.2, -14.0), (side * 8.6, -2.0), (side * 9.2, foot * 0.8)]);
        brush.line(&rounded(&strand, false), 0.6, blend(looks.hair, [1.0; 3], 0.25), 0.4);
    }
}
