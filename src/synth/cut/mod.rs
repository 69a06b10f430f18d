//! Patterns in the tailor's sense: a design becomes parts with outlines, and marks drawn on them.
//!
//! All parts lie on one dressmaker's dummy, in centimetres: the shoulder line is y = 0, the waist 40, the hip 60, the
//! knee 98, the ankle 136; x = 0 is the middle of the front. A figure of another build and pose wears a garment by
//! moving the dummy's points to its own (`wear.rs`), so one drawing serves every photo and its coordinates are what
//! all photos of the garment share.

mod bags;
mod bottoms;
mod dresses;
mod outerwear;
mod tops;

use super::design::{Collar, Cut, Design, Hem, Kind, Neck};
use super::num::{P, add, along, down, mix, perp, scale, table, unit};
use super::palette::Rgb;

/// Which part of a figure carries a part of a garment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The inside of the back, seen through the neck; not part of the map.
    Inside,
    Body,
    /// -1 is the side at the photo's left.
    Sleeve(i8),
    Leg(i8),
    Bag,
}

/// What a mark is drawn with.
#[derive(Clone, Copy, Debug)]
pub enum Ink {
    Dark(f32),
    Light(f32),
    /// The main colour, this much brighter.
    Cloth(f32),
    /// The partner colour, this much brighter.
    Second(f32),
    Accent(f32),
    Paint(Rgb),
}

#[derive(Clone, Debug)]
pub enum Mark {
    Fill(Vec<P>, Ink),
    Line(Vec<P>, f32, Ink),
    /// A row of stitches.
    Stitch(Vec<P>),
    Disc(P, f32, Ink),
}

#[derive(Clone, Debug)]
pub struct Part {
    pub role: Role,
    /// Where the cloth's own axes lie: stripes on a sleeve run around the arm.
    pub origin: P,
    pub axis: P,
    /// Their union is the outline.
    pub shapes: Vec<Vec<P>>,
    pub marks: Vec<Mark>,
    /// Ribbed cuffs and hems: bands between two distances along the axis.
    pub ribs: Vec<(f32, f32)>,
    /// Vertical folds below this y, as skirts have; none where infinite.
    pub drape_from: f32,
}

impl Part {
    fn new(role: Role, origin: P, axis: P, outline: Vec<P>) -> Self {
        Self {
            role,
            origin,
            axis,
            shapes: vec![outline],
            marks: Vec::new(),
            ribs: Vec::new(),
            drape_from: f32::INFINITY,
        }
    }

    /// (along, across) of a point in the part's own axes.
    pub fn local(&self, p: P) -> P {
        let v = [p[0] - self.origin[0], p[1] - self.origin[1]];
        let n = perp(self.axis);
        [v[0] * self.axis[0] + v[1] * self.axis[1], v[0] * n[0] + v[1] * n[1]]
    }

    /// The inverse of `local`.
    pub fn point(&self, local: P) -> P {
        along(along(self.origin, self.axis, local[0]), perp(self.axis), local[1])
    }

    fn seam(&mut self, points: Vec<P>) {
        self.marks.push(Mark::Line(points.clone(), 0.5, Ink::Dark(0.26)));
        self.marks.push(Mark::Stitch(points.iter().map(|p| [p[0], p[1] - 0.9]).collect()));
    }
}

/// A garment laid out: parts in the order in which they are drawn.
#[derive(Clone, Debug)]
pub struct Pattern {
    pub parts: Vec<Part>,
    /// Left, top and side of the square that garment coordinates 0..1 span.
    pub square: [f32; 3],
}

impl Pattern {
    pub fn of(design: &Design) -> Self {
        let parts = match design.kind {
            Kind::TShirt | Kind::Shirt | Kind::Blouse | Kind::Knit | Kind::Hoodie => tops::parts(design),
            Kind::Jacket | Kind::Coat => outerwear::parts(design),
            Kind::Dress | Kind::Skirt => dresses::parts(design),
            Kind::Trousers | Kind::Shorts => bottoms::parts(design),
            Kind::Bag => bags::parts(design),
        };
        let mut low = [f32::INFINITY; 2];
        let mut high = [f32::NEG_INFINITY; 2];
        for p in parts.iter().flat_map(|part| part.shapes.iter().flatten()) {
            for axis in 0..2 {
                low[axis] = low[axis].min(p[axis]);
                high[axis] = high[axis].max(p[axis]);
            }
        }
        let side = (high[0] - low[0]).max(high[1] - low[1]) + 2.0;
        let square = [(low[0] + high[0] - side) / 2.0, (low[1] + high[1] - side) / 2.0, side];
        Self { parts, square }
    }

    /// Garment coordinates of a point on the dummy.
    pub fn uv(&self, p: P) -> P {
        [(p[0] - self.square[0]) / self.square[2], (p[1] - self.square[1]) / self.square[2]]
    }
}

/// Draws an outline as a tailor would: straight runs and single curves.
struct Pen(Vec<P>);

impl Pen {
    fn at(x: f32, y: f32) -> Self {
        Self(vec![[x, y]])
    }

    fn to(mut self, x: f32, y: f32) -> Self {
        self.0.push([x, y]);
        self
    }

    /// A quadratic curve that leaves towards and arrives from `c`.
    fn curve(mut self, c: P, end: P) -> Self {
        let from = self.0.last().copied().unwrap_or(end);
        for step in 1..=8 {
            let t = step as f32 / 8.0;
            self.0.push(mix(mix(from, c, t), mix(c, end, t), t));
        }
        self
    }

    fn points(self) -> Vec<P> {
        self.0
    }

    /// A right half that starts and ends on the middle line becomes the whole.
    fn mirrored(self) -> Vec<P> {
        let mut points = self.0;
        let left: Vec<P> = points.iter().rev().filter(|p| p[0].abs() > 0.01).map(|p| [-p[0], p[1]]).collect();
        points.extend(left);
        points
    }
}

fn flipped(points: &[P]) -> Vec<P> {
    points.iter().map(|p| [-p[0], p[1]]).collect()
}

/// Half width of the dummy's trunk at a height.
pub fn trunk(y: f32) -> f32 {
    table(&[(-4.0, 7.0), (2.0, 17.0), (20.0, 15.5), (40.0, 13.2), (58.0, 17.0), (68.0, 17.5), (90.0, 17.5)], y)
}

const SHOULDER: P = [16.0, 5.0];

/// Tip of the shoulder seam.
fn shoulder_tip(cut: &Cut) -> P {
    [17.2 + cut.ease * 0.4, 1.6 + cut.ease * 0.14]
}

fn underarm(cut: &Cut) -> P {
    [15.6 + cut.ease * 0.9, 20.0 + cut.ease * 0.6]
}

/// Half width and height of the neck's side point, and the depth of the neckline.
fn neck_of(cut: &Cut) -> (P, f32) {
    match (cut.collar, cut.neck) {
        (Collar::Point | Collar::Band, _) => ([7.2, -3.2], if cut.collar == Collar::Band { 8.0 } else { 7.0 }),
        (Collar::Lapel, _) => ([7.6, -3.0], 24.0),
        (Collar::Stand, _) => ([7.0, -3.2], 4.0),
        (Collar::Hood, _) => ([8.2, -2.6], 7.0),
        (_, Neck::Crew) => ([8.0, -2.6], 4.6),
        (_, Neck::Vee) => ([8.2, -2.6], 15.0),
        (_, Neck::Scoop) => ([10.4, -1.8], 12.5),
        (_, Neck::Boat) => ([13.0, -0.6], 2.4),
        (_, Neck::High) => ([6.8, -9.5], -8.2),
        (_, Neck::Square) => ([10.6, -1.6], 10.5),
    }
}

/// The right half of the neckline, from the middle of the front outwards.
fn neckline(cut: &Cut) -> Pen {
    let (side, depth) = neck_of(cut);
    let start = Pen::at(0.0, depth);
    match (cut.collar, cut.neck) {
        (Collar::Lapel, _) => start.curve([4.0, depth - 12.0], side),
        (Collar::None | Collar::Bow | Collar::Round, Neck::Square) => start
            .to(side[0] - 1.6, depth)
            .curve([side[0] - 0.2, depth - 0.2], [side[0], depth - 2.5])
            .to(side[0], side[1]),
        (_, Neck::High) => {
            start.curve([side[0] * 0.7, depth - 0.2], [side[0] - 0.4, side[1]]).curve([7.4, -5.0], [8.0, -2.4])
        }
        (Collar::None | Collar::Bow | Collar::Round, Neck::Vee) => start.curve([side[0] * 0.62, depth * 0.42], side),
        _ => start.curve([side[0] * 0.9, depth + 0.4], side),
    }
}

/// The body of anything that hangs from the shoulders, down to `hem`, with half widths from `width`.
fn bodice(cut: &Cut, hem: f32, width: &dyn Fn(f32) -> f32) -> Vec<P> {
    let (tip, arm) = if cut.sleeve > 0.0 {
        (shoulder_tip(cut), underarm(cut))
    } else {
        ([14.6 + cut.ease * 0.2, 0.6], [underarm(cut)[0] - 0.2, 19.0])
    };
    let mut pen = neckline(cut).to(tip[0], tip[1]).curve([tip[0] - 3.6, 13.0], arm);
    let mut y = arm[1] + 5.0;
    while y < hem - 2.5 {
        pen = pen.to(width(y), y);
        y += 5.0;
    }
    let edge = width(hem);
    let pen = match cut.hem {
        Hem::Curved => pen
            .to(edge, hem - 5.0)
            .curve([edge * 0.86, hem - 1.0], [edge * 0.5, hem + 1.6])
            .curve([edge * 0.2, hem + 2.4], [0.0, hem + 2.4]),
        Hem::Ribbed => pen
            .to(edge, hem - 5.0)
            .curve([edge * 0.93, hem - 4.0], [edge * 0.93, hem])
            .curve([edge * 0.5, hem + 1.0], [0.0, hem + 1.0]),
        _ => pen.to(edge, hem - 0.6).curve([edge * 0.6, hem + 1.2], [0.0, hem + 1.2]),
    };
    pen.mirrored()
}

/// One sleeve. `side` is -1 or 1.
fn sleeve(cut: &Cut, side: i8) -> Part {
    let long = cut.sleeve;
    let angle = if long < 30.0 { 0.62 } else { 0.36 };
    let axis = down(angle);
    let n = perp(axis);
    let at = |s: f32, d: f32| along(along(SHOULDER, axis, s), n, d);
    let upper = 7.4 + cut.ease * 0.5;
    let wrist = table(&[(18.0, 7.2), (30.0, 6.4), (42.0, 5.5), (57.0, 4.9)], long) + cut.ease * 0.22;
    let half = |s: f32| {
        let t = (s / long).clamp(0.0, 1.0);
        let plain = upper + (wrist - upper) * t;
        let balloon = (cut.puff - 1.0) * 5.5 * (4.0 * t * (1.0 - t)).sqrt() * (0.5 + 0.5 * t);
        plain + balloon
    };
    let tip = shoulder_tip(cut);
    let arm = underarm(cut);
    let head = at(9.0, half(9.0) - 0.3);
    let mut pen = Pen::at(tip[0] - 0.8, tip[1]).curve(add(tip, [3.4 + cut.ease * 0.2, 1.8]), head);
    let mut s = 14.0;
    while s < long - 3.0 {
        let p = at(s, half(s));
        pen = pen.to(p[0], p[1]);
        s += 4.0;
    }
    let (outer, inner) = (at(long, wrist), at(long, -wrist));
    pen = pen.to(outer[0], outer[1]).curve(at(long + 1.4, 0.0), inner);
    s = long - 4.0;
    while s > 19.0 {
        let p = at(s, -half(s));
        pen = pen.to(p[0], p[1]);
        s -= 4.0;
    }
    let armhole = Pen::at(arm[0], arm[1] + 1.0).curve([tip[0] - 3.8, 13.0], [tip[0] - 0.8, tip[1]]).points();
    pen.0.extend(armhole.iter());
    let mut outline = pen.points();
    let mut part_axis = axis;
    let mut origin = SHOULDER;
    let mut seam = armhole;
    if side < 0 {
        outline = flipped(&outline);
        seam = flipped(&seam);
        part_axis[0] = -part_axis[0];
        origin[0] = -origin[0];
    }
    let mut part = Part::new(Role::Sleeve(side), origin, part_axis, outline);
    part.marks.push(Mark::Line(seam.clone(), 0.8, Ink::Dark(0.14)));
    part.marks.push(Mark::Stitch(seam.iter().map(|p| [p[0] + 1.1 * f32::from(side), p[1]]).collect()));
    if cut.hem == Hem::Ribbed && long > 30.0 {
        part.ribs.push((long - 5.5, long + 3.0));
    } else {
        let band = if cut.closure == super::design::Closure::Buttons && long > 50.0 { 6.0 } else { 2.2 };
        let ring = |s: f32, part: &Part| {
            vec![part.point([s, -wrist - 3.0]), part.point([s + 0.7, 0.0]), part.point([s, wrist + 3.0])]
        };
        let line = ring(long - band, &part);
        part.marks.push(Mark::Line(line.clone(), 0.4, Ink::Dark(0.2)));
        part.marks.push(Mark::Stitch(line));
    }
    part
}

/// The inside of the back that shows through the neck, with the back of a collar where there is one.
fn inside(cut: &Cut) -> Part {
    let (side, depth) = neck_of(cut);
    let stands = matches!(cut.collar, Collar::Point | Collar::Band | Collar::Lapel | Collar::Stand);
    let (half, top) = match cut.collar {
        Collar::Stand => (7.3, -8.2),
        Collar::Hood => (9.6, -9.0),
        _ if stands => (6.9, -6.6),
        _ => (side[0] + 0.6, side[1] - 0.2),
    };
    let dip = if stands || cut.collar == Collar::Hood { 0.9 } else { 2.6 };
    let outline = Pen::at(0.0, top + dip)
        .curve([half * 0.7, top + dip * 0.9], [half, top])
        .curve([side[0] + 0.8, (top + side[1]) * 0.5], [side[0] + 0.6, side[1]])
        .curve([side[0], depth + 2.0], [0.0, depth + 3.0])
        .mirrored();
    let mut part = Part::new(Role::Inside, [0.0, 0.0], [0.0, 1.0], outline);
    let seam = side[1] + 1.6;
    if stands || cut.collar == Collar::Hood {
        let band = vec![
            [-half - 1.0, seam],
            [-half * 0.5, seam + 1.2],
            [0.0, seam + 1.5],
            [half * 0.5, seam + 1.2],
            [half + 1.0, seam],
        ];
        let mut strip = band.clone();
        strip.extend([[half + 1.0, top - 2.0], [-half - 1.0, top - 2.0]]);
        part.marks.push(Mark::Fill(strip, Ink::Cloth(1.0)));
        part.marks.push(Mark::Line(band, 0.5, Ink::Dark(0.35)));
    }
    // The woven label that every shop photo shows.
    let label = seam + 2.2;
    part.marks.push(Mark::Fill(
        vec![[-2.2, label], [2.2, label], [2.2, label + 2.3], [-2.2, label + 2.3]],
        Ink::Paint([0.93, 0.92, 0.88]),
    ));
    part
}

/// A band that follows the neckline, as on a t-shirt or knit.
fn neck_band(cut: &Cut, part: &mut Part, width: f32, ink: Ink) {
    let inner = neckline(cut).points();
    let mut outer: Vec<P> = Vec::with_capacity(inner.len());
    for (i, &p) in inner.iter().enumerate() {
        let before = inner[i.saturating_sub(1)];
        let after = inner[(i + 1).min(inner.len() - 1)];
        let normal = perp(unit([after[0] - before[0], after[1] - before[1]]));
        outer.push(if i == 0 { [0.0, p[1] + width * 1.1] } else { add(p, scale(normal, -width)) });
    }
    let edge: Vec<P> = outer.clone();
    for mirror in [false, true] {
        let side = |points: &[P]| if mirror { flipped(points) } else { points.to_vec() };
        let mut band = side(&inner);
        band.extend(side(&outer).into_iter().rev());
        part.marks.push(Mark::Fill(band, ink));
        part.marks.push(Mark::Line(side(&edge), 0.4, Ink::Dark(0.3)));
        part.marks.push(Mark::Line(side(&inner), 0.5, Ink::Dark(0.22)));
    }
}

/// A row of buttons with their shadow.
fn buttons(part: &mut Part, x: f32, from: f32, to: f32, gap: f32, radius: f32, ink: Ink) {
    let mut y = from;
    while y < to {
        part.marks.push(Mark::Disc([x + 0.25, y + 0.35], radius * 1.08, Ink::Dark(0.4)));
        part.marks.push(Mark::Disc([x, y], radius, ink));
        part.marks.push(Mark::Disc([x - radius * 0.2, y - radius * 0.2], radius * 0.45, Ink::Light(0.25)));
        y += gap;
    }
}

/// A placket: the doubled strip that carries the buttons.
fn placket(part: &mut Part, from: f32, to: f32, half: f32) {
    for x in [-half, half] {
        let line = vec![[x, from], [x, to]];
        part.marks.push(Mark::Line(line.clone(), 0.4, Ink::Dark(0.24)));
        part.marks.push(Mark::Stitch(line.iter().map(|p| [p[0] * 0.75, p[1]]).collect()));
    }
}

/// A patch pocket with a rounded or pointed foot.
fn patch(part: &mut Part, centre: P, half: f32, height: f32, flap: bool) {
    let [x, y] = centre;
    let shape = vec![
        [x - half, y],
        [x + half, y],
        [x + half, y + height * 0.86],
        [x + half * 0.8, y + height],
        [x - half * 0.8, y + height],
        [x - half, y + height * 0.86],
    ];
    let mut ring = shape.clone();
    ring.push(ring[0]);
    part.marks.push(Mark::Line(ring.iter().map(|p| [p[0] + 0.5, p[1] + 0.7]).collect(), 1.1, Ink::Dark(0.14)));
    part.marks.push(Mark::Fill(shape, Ink::Light(0.05)));
    part.marks.push(Mark::Line(ring.clone(), 0.45, Ink::Dark(0.3)));
    part.marks.push(Mark::Stitch(ring.iter().map(|p| mix(*p, [x, y + height / 2.0], 0.11)).collect()));
    let lip = if flap { height * 0.36 } else { 1.8 };
    let top = vec![
        [x - half - 0.2, y - 0.2],
        [x + half + 0.2, y - 0.2],
        [x + half + 0.2, y + lip * 0.8],
        [x, y + lip],
        [x - half - 0.2, y + lip * 0.8],
    ];
    if flap {
        part.marks.push(Mark::Fill(top.iter().map(|p| [p[0], p[1] + 0.7]).collect(), Ink::Dark(0.22)));
        part.marks.push(Mark::Fill(top, Ink::Cloth(1.06)));
        part.marks.push(Mark::Disc([x, y + lip * 0.7], 0.7, Ink::Accent(1.0)));
    } else {
        part.marks.push(Mark::Line(vec![[x - half, y + lip], [x + half, y + lip]], 0.35, Ink::Dark(0.22)));
    }
}

/// A slanted pocket mouth on a side; `from` at the seam, `to` at its foot.
fn welt(part: &mut Part, from: P, to: P, width: f32) {
    let n = perp(unit([to[0] - from[0], to[1] - from[1]]));
    let shape = vec![from, to, along(to, n, width), along(from, n, width)];
    part.marks.push(Mark::Fill(shape.iter().map(|p| [p[0], p[1] + 0.5]).collect(), Ink::Dark(0.25)));
    part.marks.push(Mark::Fill(shape, Ink::Cloth(1.04)));
    part.marks.push(Mark::Line(vec![from, to], 0.45, Ink::Dark(0.4)));
}

/// Pointed shirt collar: two leaves and the stand behind them. Adds its outline to the part.
fn point_collar(part: &mut Part, reach: f32, ink: Ink) {
    let leaf = Pen::at(0.3, 6.4)
        .curve([5.0, 2.0], [7.0, -3.4])
        .curve([7.4, -5.4], [6.4, -6.4])
        .to(8.2, -4.6)
        .curve([10.2, -1.0], [5.6 + reach * 0.35, 5.0 + reach])
        .to(0.3, 6.4)
        .points();
    for points in [leaf.clone(), flipped(&leaf)] {
        part.marks.push(Mark::Fill(points.iter().map(|p| [p[0] * 1.02, p[1] + 0.9]).collect(), Ink::Dark(0.3)));
        part.marks.push(Mark::Fill(points.clone(), ink));
        part.marks.push(Mark::Line(points.clone(), 0.4, Ink::Dark(0.32)));
        part.marks.push(Mark::Stitch(points.iter().map(|p| mix(*p, [5.0 * p[0].signum(), 1.0], 0.12)).collect()));
        part.shapes.push(points);
    }
}

/// A horizontal line across a body at a height, sagging a little.
fn across(half: f32, y: f32) -> Vec<P> {
    vec![[-half, y - 0.5], [-half * 0.5, y + 0.3], [0.0, y + 0.6], [half * 0.5, y + 0.3], [half, y - 0.5]]
}
