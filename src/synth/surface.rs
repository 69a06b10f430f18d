//! Surfaces: what is woven, knitted or printed, as a function of the place on the cloth.

use super::design::{Design, Kind, Pattern};
use super::num::{Dice, P, TAU, add, cos, floor, hash, noise, sin, smoothstep};
use super::paint::Brush;
use super::palette::{Rgb, blend, luma, tone};

/// The cloth's colours, ready to be asked per pixel.
pub struct Cloth {
    pattern: Pattern,
    kind: Kind,
    a: Rgb,
    b: Rgb,
    c: Rgb,
    repeat: f32,
    balance: f32,
    style: u32,
    grain: u32,
    /// Top and bottom of the garment, for gradients and blocks.
    span: [f32; 2],
}

/// Soft square wave: 1 for the first `share` of each period, with edges of `soft` periods.
fn stripe(x: f32, share: f32, soft: f32) -> f32 {
    let f = x - floor(x);
    smoothstep(0.0, soft, f) * (1.0 - smoothstep(share, share + soft, f))
}

impl Cloth {
    pub fn of(design: &Design, span: [f32; 2]) -> Self {
        let [a, b, c] = design.surface.colours.map(|colour| colour.named().rgb);
        let s = &design.surface;
        Self {
            pattern: s.pattern,
            kind: design.kind,
            a,
            b,
            c,
            repeat: s.repeat,
            balance: s.balance,
            style: s.style,
            grain: design.grain,
            span,
        }
    }

    pub fn main(&self) -> Rgb {
        self.a
    }

    pub fn second(&self) -> Rgb {
        self.b
    }

    pub fn accent(&self) -> Rgb {
        self.c
    }

    /// The colour at a place: `local` = (along, across) the part's own axes, `p` = on the dummy.
    pub fn at(&self, local: P, p: P, sleeve: bool) -> Rgb {
        let [s, d] = local;
        let r = self.repeat;
        let soft = 0.35 / r;
        let base = match self.pattern {
            Pattern::Across => {
                let x = s / r;
                match self.style % 3 {
                    // A thin accent line inside the ground.
                    1 => {
                        let colour = blend(self.a, self.b, stripe(x, self.balance, soft));
                        blend(colour, self.c, stripe(x + 0.5 * (1.0 - self.balance), 0.1, soft))
                    }
                    // Two partners in turn.
                    2 => {
                        let colour = blend(self.a, self.b, stripe(x, self.balance * 0.7, soft));
                        blend(colour, self.c, stripe(x * 0.5 + 0.42, self.balance * 0.35, soft * 0.5))
                    }
                    _ => blend(self.a, self.b, stripe(x, self.balance, soft)),
                }
            }
            Pattern::Along => {
                let x = d / r + 0.5;
                let share = if self.style.is_multiple_of(2) { self.balance } else { 0.14 };
                let colour = blend(self.a, self.b, stripe(x + share / 2.0, share, soft));
                if self.style % 3 == 1 { blend(colour, self.c, stripe(x + 0.55, 0.07, soft)) } else { colour }
            }
            Pattern::Check => self.check(s / r, d / r, soft),
            Pattern::Block => self.block(p, sleeve),
            Pattern::Gradient => {
                let t = ((p[1] - self.span[0]) / (self.span[1] - self.span[0])).clamp(0.0, 1.0);
                let t = if self.style.is_multiple_of(2) { t } else { (2.0 * t - 1.0).abs() };
                let wobble = 0.04 * noise(p[0] / 9.0, p[1] / 9.0, self.grain);
                let t = smoothstep(0.12, 0.9, t + wobble);
                if self.style % 3 == 2 {
                    blend(blend(self.a, self.b, (t * 2.0).min(1.0)), self.c, (t * 2.0 - 1.0).max(0.0))
                } else {
                    blend(self.a, self.b, t)
                }
            }
            Pattern::Rib => {
                let x = d / r;
                let f = x - floor(x);
                tone(self.a, 0.80 + 0.32 * (4.0 * f * (1.0 - f)))
            }
            Pattern::Herringbone => {
                let column = floor(d / r);
                let slope = if (column as i32) % 2 == 0 { 1.0 } else { -1.0 };
                let x = (s + slope * (d - column * r)) / (r * 0.42);
                blend(self.a, self.b, 0.75 * stripe(x, 0.5, 0.22))
            }
            Pattern::Denim => {
                let twill = stripe((s + d * 1.6) / 0.9, 0.5, 0.3);
                let worn = smoothstep(0.1, 0.9, noise(p[0] / 11.0, p[1] / 17.0, self.grain)) * 0.4;
                blend(self.a, self.b, 0.18 * twill + worn)
            }
            _ => self.a,
        };
        let fuzzy = matches!(self.kind, Kind::Knit | Kind::Coat | Kind::Hoodie);
        let mottle = 0.03 * noise(p[0] / 5.0, p[1] / 5.0, self.grain ^ 77)
            + if fuzzy { 0.035 } else { 0.02 } * hash((p[0] * 4.0) as i32, (p[1] * 4.0) as i32, self.grain);
        let mut knit = 1.0;
        if self.kind == Kind::Knit && self.pattern != Pattern::Rib {
            // Rows of stitches.
            knit = 0.965 + 0.07 * stripe(s / 1.3 + 0.3 * stripe(d / 1.6, 0.5, 0.5), 0.5, 0.4);
        }
        tone(base, (1.0 + mottle) * knit)
    }

    fn check(&self, s: f32, d: f32, soft: f32) -> Rgb {
        let (across, along) = (stripe(s, 0.5, soft), stripe(d + 0.25, 0.5, soft));
        match self.style % 4 {
            // Gingham.
            0 => blend(self.b, self.a, 0.5 * across + 0.5 * along),
            // Windowpane.
            1 => {
                let line = stripe(s, 0.09, soft).max(stripe(d + 0.045, 0.09, soft));
                blend(self.a, self.b, 0.85 * line)
            }
            // Tartan.
            2 => {
                let ground = blend(self.a, self.b, 0.45 * across + 0.45 * along);
                let line = 0.6 * stripe(s + 0.28, 0.06, soft) + 0.6 * stripe(d + 0.53, 0.06, soft);
                blend(ground, self.c, line.min(0.8))
            }
            // Buffalo.
            _ => {
                let both = across + along;
                blend(self.a, tone(self.b, 0.9), if both > 1.5 { 1.0 } else { both * 0.5 })
            }
        }
    }

    fn block(&self, p: P, sleeve: bool) -> Rgb {
        let t = (p[1] - self.span[0]) / (self.span[1] - self.span[0]);
        let edge = |at: f32| smoothstep(at - 0.004, at + 0.004, t);
        match self.style % 4 {
            0 => {
                blend(blend(self.b, self.a, edge(0.42)), self.c, edge(0.78) * f32::from(u8::from(self.balance > 0.45)))
            }
            1 => {
                if sleeve {
                    self.b
                } else {
                    blend(self.a, self.c, stripe(t / 0.6 - 0.5, 0.14, 0.01))
                }
            }
            2 => blend(self.a, self.b, smoothstep(-0.3, 0.3, p[0])),
            _ => blend(blend(self.a, self.c, edge(0.34)), self.b, edge(0.46)),
        }
    }

    /// What is printed or embroidered on the woven ground, in the part's own axes.
    pub fn motifs(&self, brush: &mut Brush<'_>, area: [P; 2], is_front: bool) {
        match self.pattern {
            Pattern::Dot => self.dots(brush, area),
            Pattern::Floral => self.flowers(brush, area),
            Pattern::Print if is_front => self.print(brush),
            _ => {}
        }
    }

    fn lattice(&self, area: [P; 2], step: f32) -> Vec<(i32, i32, P)> {
        let mut cells = Vec::new();
        let (r0, r1) = ((area[0][1] / step).floor() as i32, (area[1][1] / step).ceil() as i32);
        let (c0, c1) = ((area[0][0] / step).floor() as i32 - 1, (area[1][0] / step).ceil() as i32);
        for row in r0..=r1 {
            for column in c0..=c1 {
                let shift = if row.rem_euclid(2) == 0 { 0.0 } else { 0.5 };
                cells.push((column, row, [(column as f32 + shift) * step, row as f32 * step]));
            }
        }
        cells
    }

    fn dots(&self, brush: &mut Brush<'_>, area: [P; 2]) {
        let radius = self.repeat * (0.16 + 0.14 * self.balance);
        for (column, row, centre) in self.lattice(area, self.repeat) {
            let ink = if self.style % 3 == 1 && (column + row).rem_euclid(3) == 0 { self.c } else { self.b };
            let r = if self.style % 4 == 2 && row.rem_euclid(2) == 0 { radius * 0.6 } else { radius };
            brush.ellipse(centre, [r, r], ink, 1.0);
        }
    }

    fn flowers(&self, brush: &mut Brush<'_>, area: [P; 2]) {
        let leaf = blend([0.25, 0.42, 0.28], self.c, 0.25);
        for (column, row, centre) in self.lattice(area, self.repeat) {
            let chance = |salt: u32| hash(column, row, self.grain ^ salt);
            let centre = add(centre, [chance(1) * self.repeat * 0.2, chance(2) * self.repeat * 0.2]);
            let size = self.repeat * (0.30 + 0.08 * chance(3));
            let turn = chance(4) * 3.0;
            for k in 0..2 {
                let a = turn + 1.9 + k as f32 * 2.4;
                let tip = add(centre, [cos(a) * size * 1.7, sin(a) * size * 1.7]);
                let side = [-sin(a) * size * 0.36, cos(a) * size * 0.36];
                let middle = add(centre, [cos(a) * size * 1.05, sin(a) * size * 1.05]);
                brush.blob(&[centre, add(middle, side), tip, add(middle, [-side[0], -side[1]])], leaf, 0.95);
            }
            let petal = if self.style % 3 == 1 && chance(5) > 0.2 { self.c } else { self.b };
            let petals = 5 + (self.style % 2) as usize;
            let outline: Vec<P> = (0..petals * 4)
                .map(|i| {
                    let a = turn + TAU * i as f32 / (petals * 4) as f32;
                    let reach = [1.0, 0.92, 0.45, 0.92][i % 4] * size;
                    [centre[0] + cos(a) * reach, centre[1] + sin(a) * reach]
                })
                .collect();
            brush.fill(&outline, petal, 1.0);
            brush.ellipse(centre, [size * 0.3, size * 0.3], if petal == self.c { self.b } else { self.c }, 1.0);
            if self.style >= 3 {
                let bud = add(centre, [self.repeat * 0.46, self.repeat * 0.28]);
                brush.ellipse(bud, [size * 0.24, size * 0.24], petal, 0.9);
            }
        }
    }

    /// One motif on the front. Coordinates are the dummy's: the part's axis starts at the shoulder line.
    fn print(&self, brush: &mut Brush<'_>) {
        let mut dice = Dice::new(u64::from(self.grain), 9, 0, 0);
        let (x, y, k) = match self.kind {
            Kind::Dress => (0.0, 25.0, 0.8),
            Kind::Bag => (0.0, 1.0, 0.85),
            Kind::Hoodie => (0.0, 22.0, 0.9),
            _ => (0.0, 25.0, 1.0),
        };
        let ink = if (luma(self.b) - luma(self.a)).abs() > 0.12 { self.b } else { self.c };
        let other = if ink == self.b { self.c } else { self.b };
        let at = |px: f32, py: f32| [x + px * k, y + py * k];
        match self.style {
            0 => {
                // Sun over the sea.
                brush.ellipse(at(0.0, -2.0), [7.0 * k, 7.0 * k], ink, 1.0);
                for i in 0..4 {
                    let yy = 0.5 + i as f32 * 1.7;
                    brush.line(
                        &[at(-9.0, yy), at(-4.5, yy - 0.7), at(0.0, yy), at(4.5, yy + 0.7), at(9.0, yy)],
                        0.8 * k,
                        other,
                        1.0,
                    );
                }
            }
            1 => {
                // Mountains.
                brush.fill(&[at(-10.0, 6.0), at(-3.0, -6.0), at(1.0, 0.0), at(4.0, -3.5), at(10.0, 6.0)], ink, 1.0);
                brush.fill(
                    &[at(-5.2, -2.2), at(-3.0, -6.0), at(-0.8, -2.6), at(-2.4, -1.4), at(-3.6, -2.6)],
                    other,
                    1.0,
                );
                brush.ellipse(at(6.5, -6.0), [2.0 * k, 2.0 * k], other, 1.0);
            }
            2 => {
                // Heart.
                brush.blob(
                    &[
                        at(0.0, -3.4),
                        at(3.6, -6.4),
                        at(7.4, -3.0),
                        at(4.4, 2.6),
                        at(0.0, 6.6),
                        at(-4.4, 2.6),
                        at(-7.4, -3.0),
                        at(-3.6, -6.4),
                    ],
                    ink,
                    1.0,
                );
            }
            3 => {
                // Block letters, drawn as bars.
                let letters = 4 + dice.below(3);
                let wide = 20.0 / letters as f32;
                for i in 0..letters {
                    let left = -10.0 + i as f32 * wide;
                    let (l, r) = (left + 0.3, left + wide - 0.9);
                    let bars: [&[(f32, f32, f32, f32)]; 5] = [
                        &[(l, -4.0, l, 4.0), (l, -4.0, r, -4.0), (l, 0.0, r, 0.0), (l, 4.0, r, 4.0)],
                        &[(l, -4.0, l, 4.0), (r, -4.0, r, 4.0), (l, 0.0, r, 0.0)],
                        &[(l, -4.0, r, -4.0), (r, -4.0, r, 4.0), (r, 4.0, l, 4.0), (l, 4.0, l, -4.0)],
                        &[(l, 4.0, l, -4.0), (l, -4.0, r, 4.0), (r, 4.0, r, -4.0)],
                        &[(l, -4.0, r, -4.0), ((l + r) / 2.0, -4.0, (l + r) / 2.0, 4.0)],
                    ];
                    for &(x0, y0, x1, y1) in bars[dice.below(5)] {
                        brush.line(&[at(x0, y0), at(x1, y1)], 1.2 * k, ink, 1.0);
                    }
                }
                brush.line(&[at(-10.0, 6.6), at(9.4, 6.6)], 0.7 * k, other, 1.0);
            }
            4 => {
                // Rings.
                for (i, r) in [9.0f32, 6.6, 4.2, 1.9].iter().enumerate() {
                    brush.ellipse(at(0.0, 0.0), [r * k, r * k], if i % 2 == 0 { ink } else { other }, 1.0);
                }
            }
            _ => {
                // A cat's head.
                brush.blob(
                    &[
                        at(-6.4, -2.0),
                        at(-6.6, -8.0),
                        at(-2.6, -5.2),
                        at(2.6, -5.2),
                        at(6.6, -8.0),
                        at(6.4, -2.0),
                        at(5.0, 4.0),
                        at(0.0, 6.4),
                        at(-5.0, 4.0),
                    ],
                    ink,
                    1.0,
                );
                for side in [-1.0, 1.0] {
                    brush.ellipse(at(side * 2.6, -0.6), [0.9 * k, 1.2 * k], self.a, 1.0);
                    brush.line(&[at(side * 3.0, 2.4), at(side * 8.4, 1.6)], 0.3 * k, other, 1.0);
                }
                brush.fill(&[at(-0.8, 1.6), at(0.8, 1.6), at(0.0, 2.6)], other, 1.0);
            }
        }
    }
}
