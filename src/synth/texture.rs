//! A garment as textures: each part drawn flat once, with its relief, ready to be laid on any figure.

use tiny_skia::{FillRule, Mask, Pixmap, Transform};

use super::cut::{Ink, Mark, Part, Pattern, Role};
use super::design::{Design, Kind};
use super::num::{Dice, P, bell, dot, mix, perp, sub, unit};
use super::paint::{Brush, path};
use super::palette::{Rgb, luma, tone};
use super::surface::Cloth;

/// One part, drawn.
pub struct PartTexture {
    pub part: Part,
    /// Place of the texture's corner on the dummy.
    pub corner: P,
    /// Pixels for one centimetre.
    pub density: f32,
    pub width: usize,
    pub height: usize,
    /// Premultiplied.
    pub rgba: Vec<u8>,
    /// The same at half the size, against moiré.
    pub small: Vec<u8>,
    /// How far the cloth stands off, at half the size: rounded towards its edges.
    pub relief: Vec<f32>,
}

/// A garment, drawn.
pub struct Drawn {
    pub design: Design,
    pub pattern: Pattern,
    pub parts: Vec<PartTexture>,
}

const MARGIN: usize = 3;

impl Drawn {
    /// Draws a design so that its longer side takes about `pixels`.
    pub fn new(design: &Design, pixels: f32) -> Option<Self> {
        let pattern = Pattern::of(design);
        let density = pixels / pattern.square[2];
        let cloth = Cloth::of(design, [pattern.square[1].max(-4.0), pattern.square[1] + pattern.square[2]]);
        let parts =
            pattern.parts.iter().map(|part| PartTexture::new(design, &cloth, part, density)).collect::<Option<_>>()?;
        Some(Self { design: *design, pattern, parts })
    }
}

fn ink(cloth: &Cloth, ink: Ink) -> (Rgb, f32) {
    match ink {
        Ink::Dark(alpha) => ([0.04, 0.04, 0.07], alpha),
        Ink::Light(alpha) => ([1.0, 1.0, 0.98], alpha),
        Ink::Cloth(k) => (tone(cloth.main(), k), 1.0),
        Ink::Second(k) => (tone(cloth.second(), k), 1.0),
        Ink::Accent(k) => (tone(cloth.accent(), k), 1.0),
        Ink::Paint(rgb) => (rgb, 1.0),
    }
}

impl PartTexture {
    fn new(design: &Design, cloth: &Cloth, part: &Part, density: f32) -> Option<Self> {
        let mut low = [f32::INFINITY; 2];
        let mut high = [f32::NEG_INFINITY; 2];
        for p in part.shapes.iter().flatten() {
            for axis in 0..2 {
                low[axis] = low[axis].min(p[axis]);
                high[axis] = high[axis].max(p[axis]);
            }
        }
        let margin = MARGIN as f32 / density;
        let corner = [low[0] - margin, low[1] - margin];
        // Even sizes, so that the half-size copies cover exactly the same ground.
        let even = |cm: f32| (((cm * density) as usize + 2 * MARGIN) / 2 + 1) * 2;
        let (width, height) = (even(high[0] - low[0]), even(high[1] - low[1]));
        let mut pixmap = Pixmap::new(width as u32, height as u32)?;
        let sleeve = matches!(part.role, Role::Sleeve(_));
        let flat = |p: P| [(p[0] - corner[0]) * density, (p[1] - corner[1]) * density];
        let mut mask = Mask::new(width as u32, height as u32)?;
        for shape in &part.shapes {
            if let Some(path) = path(shape.iter().map(|&p| flat(p)), true) {
                mask.fill_path(&path, FillRule::Winding, true, Transform::identity());
            }
        }
        weave(&mut pixmap, &mask, cloth, part, corner, density, sleeve);
        if part.role != Role::Inside {
            let own = |p: P| flat(part.point([p[1], p[0]]));
            let area = local_area(part, low, high);
            let front = matches!(part.role, Role::Body | Role::Bag);
            cloth.motifs(&mut Brush { to: &mut pixmap, map: &own, unit: density }, area, front);
        }
        let mut brush = Brush { to: &mut pixmap, map: &flat, unit: density };
        draw_ribs(&mut brush, part);
        let thread = if design.surface.pattern == super::design::Pattern::Denim { Some(cloth.accent()) } else { None };
        let dark = luma(cloth.main()) < 0.32;
        for mark in &part.marks {
            match mark {
                Mark::Fill(points, with) => {
                    let (rgb, alpha) = ink(cloth, *with);
                    brush.fill(points, rgb, alpha);
                }
                Mark::Line(points, width, with) => {
                    let (rgb, alpha) = ink(cloth, *with);
                    brush.line(points, *width, rgb, alpha);
                }
                Mark::Disc(centre, radius, with) => {
                    let (rgb, alpha) = ink(cloth, *with);
                    brush.ellipse(*centre, [*radius, *radius], rgb, alpha);
                }
                Mark::Stitch(points) => {
                    let (rgb, alpha) = match thread {
                        Some(rgb) => (rgb, 0.85),
                        None if dark => ([0.9, 0.9, 0.88], 0.22),
                        None => ([0.1, 0.1, 0.12], 0.22),
                    };
                    brush.dashes(points, 0.34, [0.9, 0.6], rgb, alpha);
                }
            }
        }
        pixmap.apply_mask(&mask);
        let relief = relief(mask.data(), width, height, density, design.kind);
        let rgba = pixmap.take();
        let small = halve(&rgba, width, height);
        Some(Self { part: part.clone(), corner, density, width, height, rgba, small, relief })
    }

    /// Light and shade for one photo, at half the texture's size: relief and folds lit from a side.
    pub fn shade(&self, folds: &[Fold], light: P, strength: f32) -> Vec<f32> {
        let (w, h) = (self.width / 2, self.height / 2);
        let mut height = self.relief.clone();
        let density = self.density / 2.0;
        for fold in folds {
            fold.press(&mut height, w, h, self.corner, density);
        }
        let slope = density * 0.5 * strength;
        let inside = self.part.role == Role::Inside;
        let mut shade = vec![1.0; w * h];
        for y in 0..h {
            let (up, below) = (y.saturating_sub(1) * w, (y + 1).min(h - 1) * w);
            for x in 0..w {
                let dx = height[y * w + (x + 1).min(w - 1)] - height[y * w + x.saturating_sub(1)];
                let dy = height[below + x] - height[up + x];
                let lit = -(dx * light[0] + dy * light[1]) * slope;
                // Cloth in shade keeps some light from around; the lit side does not burn out.
                let lit = if lit > 0.0 { lit / (1.0 + 1.6 * lit) } else { lit / (1.0 - 0.9 * lit) };
                let steep = (dx * dx + dy * dy) * slope * slope;
                let base = if inside { 0.62 } else { 1.0 };
                shade[y * w + x] = (base * (1.02 + lit - 0.25 * steep / (1.0 + steep))).clamp(0.3, 1.35);
            }
        }
        shade
    }
}

fn weave(pixmap: &mut Pixmap, mask: &Mask, cloth: &Cloth, part: &Part, corner: P, density: f32, sleeve: bool) {
    let width = pixmap.width() as usize;
    let inside = part.role == Role::Inside;
    let back = tone(cloth.main(), 0.82);
    for (index, (pixel, &cover)) in pixmap.data_mut().as_chunks_mut::<4>().0.iter_mut().zip(mask.data()).enumerate() {
        if cover == 0 {
            continue;
        }
        let p = [
            corner[0] + ((index % width) as f32 + 0.5) / density,
            corner[1] + ((index / width) as f32 + 0.5) / density,
        ];
        let mut local = part.local(p);
        if sleeve {
            // Stripes meet at the shoulder.
            local[0] += 3.0;
        } else {
            local[0] += part.origin[1];
        }
        let rgb = if inside { back } else { cloth.at(local, p, sleeve) };
        *pixel = [(rgb[0] * 255.0 + 0.5) as u8, (rgb[1] * 255.0 + 0.5) as u8, (rgb[2] * 255.0 + 0.5) as u8, 255];
    }
}

/// The part's extent in its own axes, as (across, along) corners.
fn local_area(part: &Part, low: P, high: P) -> [P; 2] {
    let mut area = [[f32::INFINITY; 2], [f32::NEG_INFINITY; 2]];
    for p in [low, high, [low[0], high[1]], [high[0], low[1]]] {
        let [s, d] = part.local(p);
        area[0] = [area[0][0].min(d), area[0][1].min(s)];
        area[1] = [area[1][0].max(d), area[1][1].max(s)];
    }
    area
}

fn draw_ribs(brush: &mut Brush<'_>, part: &Part) {
    for &(from, until) in &part.ribs {
        let band = vec![
            part.point([from, -40.0]),
            part.point([from, 40.0]),
            part.point([until, 40.0]),
            part.point([until, -40.0]),
        ];
        brush.fill(&band, [0.05, 0.05, 0.08], 0.1);
        let mut d = -34.0;
        while d < 34.0 {
            brush.line(&[part.point([from + 0.3, d]), part.point([until, d])], 0.55, [0.05, 0.05, 0.08], 0.2);
            d += 1.5;
        }
    }
}

/// The rounding of a filled garment: a blurred outline, steep at the edge, flat in the middle.
fn relief(mask: &[u8], width: usize, height: usize, density: f32, kind: Kind) -> Vec<f32> {
    let (w, h) = (width / 2, height / 2);
    let mut map: Vec<f32> = (0..w * h)
        .map(|i| {
            let (x, y) = (i % w * 2, i / w * 2);
            let sum: u32 = [0, 1, width, width + 1].iter().map(|o| u32::from(mask[y * width + x + o])).sum();
            sum as f32 / 1020.0
        })
        .collect();
    let thick = match kind {
        Kind::Coat | Kind::Jacket | Kind::Hoodie | Kind::Knit => 4.6,
        Kind::Bag => 3.0,
        _ => 3.8,
    };
    // Cloth curves around a body sideways; its hem falls straight.
    let radius = ((thick * density * 0.62) as usize).max(1);
    let upright = if kind == Kind::Bag { radius } else { (radius / 4).max(1) };
    for _ in 0..2 {
        box_blur(&mut map, w, h, radius, upright);
    }
    for value in &mut map {
        let t = ((*value - 0.3) / 0.7).clamp(0.0, 1.0);
        *value = (1.0 - (1.0 - t) * (1.0 - t)) * thick * 0.62;
    }
    map
}

fn box_blur(map: &mut [f32], w: usize, h: usize, sideways: usize, upright: usize) {
    let mut line = vec![0.0f32; w.max(h)];
    let mut pass = |start: usize, stride: usize, count: usize, radius: usize| {
        for i in 0..count {
            line[i] = map[start + i * stride];
        }
        let r = radius as isize;
        // Beyond the border lies empty ground.
        let read = |i: isize| if i < 0 || i >= count as isize { 0.0 } else { line[i as usize] };
        let mut sum: f32 = (-r..=r).map(read).sum();
        let inverse = 1.0 / (2 * radius + 1) as f32;
        for i in 0..count as isize {
            map[start + i as usize * stride] = sum * inverse;
            sum += read(i + r + 1) - read(i - r);
        }
    };
    for y in 0..h {
        pass(y * w, 1, w, sideways);
    }
    for x in 0..w {
        pass(x, w, h, upright);
    }
}

pub fn halve(rgba: &[u8], width: usize, height: usize) -> Vec<u8> {
    let (w, h) = (width / 2, height / 2);
    let mut small = vec![0u8; w * h * 4];
    for y in 0..h {
        for x in 0..w {
            for c in 0..4 {
                let at = |dx: usize, dy: usize| u32::from(rgba[((2 * y + dy) * width + 2 * x + dx) * 4 + c]);
                small[(y * w + x) * 4 + c] = ((at(0, 0) + at(1, 0) + at(0, 1) + at(1, 1) + 2) / 4) as u8;
            }
        }
    }
    small
}

/// A crease: a ridge along a slightly bent line on the dummy.
#[derive(Clone, Copy, Debug)]
pub struct Fold {
    pub from: P,
    pub until: P,
    pub bow: f32,
    pub width: f32,
    pub height: f32,
}

impl Fold {
    fn press(&self, map: &mut [f32], w: usize, h: usize, corner: P, density: f32) {
        let line = sub(self.until, self.from);
        let long = dot(line, line).sqrt().max(1e-3);
        let direction = unit(line);
        let normal = perp(direction);
        let reach = self.width * 2.6 + self.bow.abs();
        let range = |axis: usize, count: usize| {
            let low = self.from[axis].min(self.until[axis]) - reach - corner[axis];
            let high = self.from[axis].max(self.until[axis]) + reach - corner[axis];
            ((low * density).max(0.0) as usize, ((high * density).max(0.0) as usize + 1).min(count))
        };
        let ((x0, x1), (y0, y1)) = (range(0, w), range(1, h));
        for y in y0..y1 {
            for x in x0..x1 {
                let p = [corner[0] + (x as f32 + 0.5) / density, corner[1] + (y as f32 + 0.5) / density];
                let v = sub(p, self.from);
                let t = dot(v, direction) / long;
                if !(0.0..=1.0).contains(&t) {
                    continue;
                }
                let taper = 4.0 * t * (1.0 - t);
                let d = dot(v, normal) - self.bow * taper;
                map[y * w + x] += self.height * taper * bell(d, self.width * (0.6 + 0.4 * taper));
            }
        }
    }
}

/// Creases of one part in one photo. `energy` is about 0.5 for cloth laid out, 1 and more for cloth worn.
pub fn folds(part: &Part, design: &Design, energy: f32, dice: &mut Dice) -> Vec<Fold> {
    let stiff = match design.kind {
        Kind::Knit | Kind::Hoodie => 0.75,
        Kind::Coat | Kind::Jacket => 0.7,
        Kind::Bag => 0.35,
        _ => 1.0,
    };
    let mut out = Vec::new();
    let k = energy * stiff;
    let mut crease = |from: P, until: P, width: f32, height: f32, dice: &mut Dice| {
        let bow = dice.range(-0.12, 0.12) * dot(sub(until, from), sub(until, from)).sqrt();
        let height = height * k * dice.range(0.6, 1.25);
        out.push(Fold { from, until, bow, width: width * dice.range(0.8, 1.3), height });
    };
    match part.role {
        Role::Body => {
            let top = part.shapes[0].iter().map(|p| p[1]).fold(f32::INFINITY, f32::min);
            let foot = part.shapes[0].iter().map(|p| p[1]).fold(f32::NEG_INFINITY, f32::max);
            if top < 10.0 {
                for side in [-1.0f32, 1.0] {
                    for _ in 0..2 {
                        let y = dice.range(15.0, 24.0);
                        crease(
                            [side * 16.5, y],
                            [side * dice.range(2.0, 8.0), y + dice.range(2.0, 14.0)],
                            1.3,
                            0.75,
                            dice,
                        );
                    }
                    crease([side * dice.range(10.0, 14.0), 4.0], [side * dice.range(6.0, 12.0), 19.0], 1.8, 0.5, dice);
                    for _ in 0..2 {
                        let y = dice.range(33.0, 46.0);
                        crease(
                            [side * 17.0, y],
                            [side * dice.range(1.0, 8.0), y + dice.range(-3.0, 6.0)],
                            1.2,
                            0.7,
                            dice,
                        );
                    }
                }
                for _ in 0..3 {
                    let x = dice.range(-11.0, 11.0);
                    let y = dice.range(24.0, 34.0);
                    crease(
                        [x, y],
                        [x * 1.15 + dice.range(-2.0, 2.0), (y + dice.range(18.0, 34.0)).min(foot + 4.0)],
                        1.9,
                        0.8,
                        dice,
                    );
                }
            }
            if part.drape_from < foot {
                let from = part.drape_from;
                let n = 7 + dice.below(3);
                for i in 0..n {
                    let t = (i as f32 + dice.range(0.25, 0.75)) / n as f32 * 2.0 - 1.0;
                    let spread = 14.0 + (foot - from) * 0.36;
                    crease([t * 13.0, from - 4.0], [t * spread, foot + (foot - from) * 0.5], 2.0, 1.5, dice);
                }
            }
        }
        Role::Sleeve(_) => {
            let long = part.shapes[0].iter().map(|&p| part.local(p)[0]).fold(0.0, f32::max);
            let n = (long / 8.0) as usize;
            for _ in 0..n {
                // Most creases gather at the elbow and above the cuff.
                let s = if dice.chance(0.6) { dice.range(20.0, 38.0) } else { dice.range(6.0, 56.0) }.min(long - 3.0);
                let slant = dice.range(-6.0, 6.0);
                let d = dice.range(1.0, 7.0) * dice.sign();
                crease(part.point([s - slant, -d]), part.point([s + slant, d * 0.7]), 1.1, 0.8, dice);
            }
            crease(
                part.point([4.0, dice.range(-2.0, 3.0)]),
                part.point([long * 0.6, dice.range(-2.0, 2.0)]),
                1.8,
                0.7,
                dice,
            );
        }
        Role::Leg(side) => {
            let side = f32::from(side);
            let foot = part.shapes[0].iter().map(|p| p[1]).fold(0.0, f32::max);
            for _ in 0..4 {
                let y = dice.range(62.0, 71.0);
                crease(
                    [side * 1.0, y + 1.0],
                    [side * dice.range(9.0, 16.0), y - dice.range(0.0, 10.0)],
                    0.9,
                    0.7,
                    dice,
                );
            }
            if foot > 100.0 {
                for _ in 0..3 {
                    let y = dice.range(90.0, 104.0);
                    crease([side * 3.0, y], [side * 16.0, y + dice.range(-5.0, 5.0)], 1.0, 0.6, dice);
                }
                for _ in 0..3 {
                    let y = foot - dice.range(4.0, 16.0);
                    crease([side * 4.0, y], [side * 16.0, y + dice.range(-3.0, 3.0)], 1.0, 0.7, dice);
                }
            }
            let x = side * dice.range(6.0, 12.0);
            crease([x, 66.0], [x, foot + 10.0], 1.8, 0.8, dice);
        }
        Role::Bag => {
            let h = design.cut.length;
            for _ in 0..2 {
                let x = dice.range(-10.0, 10.0);
                crease([x, h * 0.1], mix([x, h], [0.0, h], 0.2), 1.6, 0.9, dice);
            }
        }
        Role::Inside => {}
    }
    out
}
