//! The printed form of a match: both photos with their plan, and below it a legend with units, the numbers
//! that make the score, and the largest contributions to it.

use tiny_skia::{
    Color, FillRule, GradientStop, LineCap, LinearGradient, Paint, PathBuilder, Pixmap, Point, Rect, SpreadMode,
    Stroke, Transform,
};

use crate::domain::{Marginals, MatchOptions, PairMatch, SquarePicture};

use super::color::{bytes, flow_color, sequential};
use super::plan_scene::PlanScene;
use super::style::{CellPaint, PlanLayout, PlanStyle, ribbon};
use super::text::{Font, Typesetter, Weight};

/// Colours of a sheet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SheetTheme {
    pub ground: [u8; 3],
    pub text: [u8; 3],
    pub dim: [u8; 3],
    pub line: [u8; 3],
}

impl SheetTheme {
    /// White paper.
    pub const LIGHT: Self =
        Self { ground: [255, 255, 255], text: [27, 28, 31], dim: [101, 104, 110], line: [227, 227, 223] };
    pub const DARK: Self =
        Self { ground: [27, 27, 30], text: [236, 236, 234], dim: [160, 161, 167], line: [50, 50, 56] };
}

/// What is to be drawn by [`super::plan_png`].
#[derive(Clone, Debug)]
pub struct PlanSheet<'a> {
    pub pair: &'a PairMatch,
    pub query: &'a SquarePicture,
    pub gallery: &'a SquarePicture,
    /// What this is, such as the product's name; may be empty.
    pub title: &'a str,
    /// What is written under each photo, such as its path.
    pub query_name: &'a str,
    pub gallery_name: &'a str,
    /// With which the pair was compared.
    pub options: &'a MatchOptions,
    pub style: PlanStyle,
    pub theme: SheetTheme,
    /// Width in pixels; the height follows.
    pub width_px: u32,
}

/// Sizes in points.
pub(super) const WIDTH: f32 = 800.0;
const MARGIN: f32 = 28.0;
const GAP: f32 = 112.0;
const TITLE: f32 = 18.0;
const BODY: f32 = 12.0;
const SMALL: f32 = 11.0;
const LINE: f32 = 20.0;
/// Contributions that are listed, in two columns.
const LISTED: usize = 8;

/// Where the parts of a sheet lie, in points.
pub(super) struct SheetLayout {
    pub pixels_per_point: f32,
    pub plan: PlanLayout,
    plan_bottom: f32,
    legend_top: f32,
    table_top: f32,
    height: f32,
}

impl SheetLayout {
    pub fn new(sheet: &PlanSheet<'_>) -> Self {
        let side = (WIDTH - 2.0 * MARGIN - GAP) / 2.0;
        let top = MARGIN + 58.0;
        let square = |left: f32| [left, top, left + side, top + side];
        let plan = PlanLayout { query: square(MARGIN), gallery: square(WIDTH - MARGIN - side) };
        let plan_bottom = top + side;
        let legend_top = plan_bottom + 50.0;
        let table_top = legend_top + 100.0;
        let listed = sheet.pair.plan.mass().iter().filter(|&&mass| mass > 0.0).count().min(LISTED);
        let rows = listed.div_ceil(2) as f32;
        let height = table_top + 26.0 + rows * LINE + LINE + MARGIN;
        Self { pixels_per_point: sheet.width_px as f32 / WIDTH, plan, plan_bottom, legend_top, table_top, height }
    }

    pub fn size_px(&self) -> [u32; 2] {
        [WIDTH, self.height].map(|points| (points * self.pixels_per_point).round() as u32)
    }
}

/// Everything but the plan, on a sheet where the plan is drawn already.
pub(super) fn annotate(target: &mut Pixmap, sheet: &PlanSheet<'_>, scene: &PlanScene, layout: &SheetLayout) {
    let mut page =
        Page { target, text: Typesetter::new(layout.pixels_per_point), scale: layout.pixels_per_point, sheet };
    page.heading();
    page.photo_names(layout);
    page.legend(scene, layout.legend_top);
    page.contributions(scene, layout.table_top);
    let Page { target, text, .. } = page;
    text.draw(target);
}

struct Page<'a> {
    target: &'a mut Pixmap,
    text: Typesetter,
    scale: f32,
    sheet: &'a PlanSheet<'a>,
}

impl Page<'_> {
    fn font(&self, size: f32) -> Font {
        Font { size, weight: Weight::Regular, color: self.sheet.theme.text }
    }

    fn dim(&self, size: f32) -> Font {
        Font { color: self.sheet.theme.dim, ..self.font(size) }
    }

    fn strong(&self, size: f32) -> Font {
        Font { weight: Weight::SemiBold, ..self.font(size) }
    }

    fn heading(&mut self) {
        let pair = self.sheet.pair;
        let title = if self.sheet.title.is_empty() { "Why they match" } else { self.sheet.title };
        let score = format!("{:.3}", pair.score);
        let (strong, font) = (self.strong(TITLE), self.dim(BODY));
        let room = WIDTH - 2.0 * MARGIN - self.text.width(&score, strong) - 24.0;
        let title = self.text.fitted(title, strong, room);
        self.text.line(MARGIN, MARGIN + 10.0, &title, strong);
        self.text.line_to(WIDTH - MARGIN, MARGIN + 10.0, &score, strong);
        let weight = self.sheet.options.structural_weight;
        let sum = format!(
            "score {:.3} = global {:.3} + {} × structural {:.3}",
            pair.score,
            pair.global,
            trimmed(weight),
            pair.structural,
        );
        self.text.line_to(WIDTH - MARGIN, MARGIN + 34.0, &sum, font);
        let marginals = match (self.sheet.options.marginals, pair.uniform_fallback) {
            (Marginals::Uniform, _) => "uniform marginals",
            (Marginals::CrossCorrelation, false) => "cross-correlation marginals",
            (Marginals::Painted, false) => "painted marginals",
            (Marginals::CrossCorrelation | Marginals::Painted, true) => "uniform marginals, as nothing agreed",
        };
        let solver = format!(
            "epsilon {}, {marginals}, {} iterations, marginal error {}",
            trimmed(self.sheet.options.epsilon),
            pair.iterations,
            small(pair.marginal_error),
        );
        self.text.line(MARGIN, MARGIN + 34.0, &solver, font);
    }

    fn photo_names(&mut self, layout: &SheetLayout) {
        let font = self.dim(SMALL);
        let names = [
            ("Query", self.sheet.query_name, layout.plan.query),
            ("Product", self.sheet.gallery_name, layout.plan.gallery),
        ];
        for (what, name, [left, _, right, _]) in names {
            let middle = layout.plan_bottom + 18.0;
            let strong = Font { color: self.sheet.theme.text, ..font };
            let used = self.text.line(left, middle, what, strong) + 8.0;
            let name = self.text.fitted(name, font, right - left - used);
            self.text.line(left + used, middle, &name, font);
        }
    }

    /// Four keys side by side: width, colour, tint, and how the numbers are to be read.
    fn legend(&mut self, scene: &PlanScene, top: f32) {
        self.rule(top - 14.0);
        let (strong, font) = (self.strong(SMALL), self.dim(SMALL));
        let style = self.sheet.style.clone();
        let shown = scene.shown(&style);
        let least = scene.flows().get(shown.base.start).map_or(0.0, |flow| flow.mass);
        let column = (WIDTH - 2.0 * MARGIN) / 3.0;
        let x = |index: usize| MARGIN + column * index as f32;

        let lines = |page: &mut Self, at: f32, lines: &[&str]| {
            for (line, words) in lines.iter().enumerate() {
                page.text.line(at, top + 33.0 + 17.0 * line as f32, words, font);
            }
        };
        if style.ribbons {
            self.text.line(x(0), top + 8.0, "Ribbon width = mass moved", strong);
            for (step, share) in [0.0, 0.5, 1.0].into_iter().enumerate() {
                let share = if scene.max_mass() > 0.0 { (least / scene.max_mass()).max(share) } else { share };
                let left = x(0) + 62.0 * step as f32;
                self.sample_ribbon([left + 5.0, left + 45.0], top + 33.0, share);
                self.text.line(left, top + 52.0, &small(share * scene.max_mass()), font);
            }
            let count = format!("{} of {} flows shown", shown.base.len(), scene.flows().len());
            self.text.line(x(0), top + 72.0, &count, font);
        } else if style.paint == CellPaint::Heat {
            self.text.line(x(0), top + 8.0, "Heat = mass of a cell", strong);
            lines(self, x(0), &["how much of its photo’s mass", "a cell holds, without where it goes"]);
        } else {
            self.text.line(x(0), top + 8.0, "One colour = cells that belong together", strong);
            lines(self, x(0), &["product cells mix the colours", "that their mass comes from"]);
        }

        if style.paint != CellPaint::Heat {
            let what =
                if style.ribbons { "Ribbon colour = where it starts" } else { "Colour = place in the query photo" };
            self.text.line(x(1), top + 8.0, what, strong);
            self.color_key([x(1), top + 22.0, x(1) + 40.0, top + 62.0]);
            lines(self, x(1) + 50.0, &["position of the cell", "in the query photo"]);
        }

        let what = match style.paint {
            CellPaint::Tint => "Cell tint = mass of the cell",
            CellPaint::Paired => "Opacity = mass of the cell",
            CellPaint::Heat => "Colour = mass of the cell",
        };
        self.text.line(x(2), top + 8.0, what, strong);
        self.tint_key([x(2), top + 24.0, x(2) + 150.0, top + 40.0], style.paint);
        let largest = |sums: Vec<f32>| sums.into_iter().fold(0.0, f32::max);
        let plan = &self.sheet.pair.plan;
        let (query, gallery) = (largest(plan.row_sums()), largest(plan.column_sums()));
        self.text.line(x(2), top + 52.0, "0", font);
        self.text.line_to(x(2) + 150.0, top + 52.0, "largest", font);
        let words = format!("largest: query {}, product {}", small(query), small(gallery));
        self.text.line(x(2), top + 72.0, &words, font);
    }

    fn contributions(&mut self, scene: &PlanScene, top: f32) {
        self.rule(top - 10.0);
        let pair = self.sheet.pair;
        let (queries, galleries) = (pair.plan.query(), pair.plan.gallery());
        let mut order: Vec<usize> = (0..pair.plan.mass().len()).filter(|&at| pair.plan.mass()[at] > 0.0).collect();
        let part = |at: usize| pair.contribution(at / galleries.cells(), at % galleries.cells());
        order.sort_by(|&a, &b| part(b).total_cmp(&part(a)).then(a.cmp(&b)));
        let (strong, font, dim) = (self.strong(SMALL), self.font(SMALL), self.dim(SMALL));
        self.text.line(MARGIN, top + 8.0, "Largest contributions to the structural score: mass × similarity", strong);

        let column = (WIDTH - 2.0 * MARGIN + 32.0) / 2.0;
        let listed = order.len().min(LISTED);
        let rows = listed.div_ceil(2);
        let mut sum = 0.0;
        for (index, &at) in order[..listed].iter().enumerate() {
            let (q, g) = (at / galleries.cells(), at % galleries.cells());
            let left = MARGIN + column * (index / rows) as f32;
            let right = left + column - 32.0;
            let middle = top + 32.0 + LINE * (index % rows) as f32;
            self.dot([left + 4.0, middle], 4.0, bytes(scene.color_of(q)));
            self.text.line(left + 16.0, middle, &format!("{} to {}", queries.name(q), galleries.name(g)), font);
            let value = part(at);
            sum += value;
            let product = format!("{} × {:.3} =", small(pair.plan.mass()[at]), pair.similarity[at]);
            self.text.line_to(left + 212.0, middle, &product, dim);
            self.text.line_to(left + 262.0, middle, &small(value), font);
            let percent = format!("{:.1} %", 100.0 * f64::from(value) / f64::from(pair.structural));
            if pair.structural > 0.0 {
                self.text.line_to(right, middle, &percent, dim);
            }
        }
        let middle = top + 34.0 + LINE * rows as f32;
        let rest = format!(
            "{} other pairs of cells add {}; all {} add up to {:.4}",
            order.len() - listed,
            small(pair.structural - sum),
            order.len(),
            pair.structural,
        );
        self.text.line(MARGIN, middle, &rest, dim);
    }

    fn paint(&self, [r, g, b]: [u8; 3], opacity: f32) -> Paint<'static> {
        let mut paint = Paint { anti_alias: true, ..Paint::default() };
        paint.set_color_rgba8(r, g, b, (opacity * 255.0).round() as u8);
        paint
    }

    fn transform(&self) -> Transform {
        Transform::from_scale(self.scale, self.scale)
    }

    fn rule(&mut self, y: f32) {
        if let Some(rect) = Rect::from_ltrb(MARGIN, y, WIDTH - MARGIN, y + 1.0) {
            let paint = self.paint(self.sheet.theme.line, 1.0);
            self.target.fill_rect(rect, &paint, self.transform(), None);
        }
    }

    fn dot(&mut self, [x, y]: [f32; 2], radius: f32, color: [u8; 3]) {
        if let Some(circle) = PathBuilder::from_circle(x, y, radius) {
            let paint = self.paint(color, 1.0);
            self.target.fill_path(&circle, &paint, FillRule::Winding, self.transform(), None);
        }
    }

    fn sample_ribbon(&mut self, [left, right]: [f32; 2], y: f32, share: f32) {
        let color = bytes(flow_color(0.1, 0.45));
        let mut path = PathBuilder::new();
        path.move_to(left, y);
        path.line_to(right, y);
        if let Some(path) = path.finish() {
            let stroke = Stroke { width: ribbon::width(share), line_cap: LineCap::Butt, ..Stroke::default() };
            let paint = self.paint(color, ribbon::opacity(share));
            self.target.stroke_path(&path, &paint, &stroke, self.transform(), None);
        }
        for x in [left, right] {
            if let Some(circle) = PathBuilder::from_circle(x, y, ribbon::end_radius(share)) {
                let paint = self.paint(color, ribbon::opacity(share) + ribbon::END_OPACITY);
                self.target.fill_path(&circle, &paint, FillRule::Winding, self.transform(), None);
            }
        }
    }

    /// The disc of flow colours over a small photo.
    fn color_key(&mut self, [left, top, right, bottom]: [f32; 4]) {
        let [x0, y0, x1, y1] = [left, top, right, bottom].map(|at| (at * self.scale).round());
        let width = self.target.width();
        let height = self.target.height();
        let radius = 5.0 * self.scale;
        for y in (y0.max(0.0) as u32)..(y1.max(0.0) as u32).min(height) {
            for x in (x0.max(0.0) as u32)..(x1.max(0.0) as u32).min(width) {
                let at = [x as f32 + 0.5, y as f32 + 0.5];
                let color = flow_color((at[0] - x0) / (x1 - x0), (at[1] - y0) / (y1 - y0));
                let near = |at: f32, low: f32, high: f32| (low + radius - at).max(at - high + radius).max(0.0);
                let distance = near(at[0], x0, x1).hypot(near(at[1], y0, y1)) - radius;
                let cover = (0.5 - distance).clamp(0.0, 1.0);
                if let Some(pixel) = Rect::from_xywh(x as f32, y as f32, 1.0, 1.0) {
                    let paint = Paint { anti_alias: false, ..self.paint(bytes(color), cover) };
                    self.target.fill_rect(pixel, &paint, Transform::identity(), None);
                }
            }
        }
    }

    /// From no tint to the strongest, on the ground of a photo.
    fn tint_key(&mut self, [left, top, right, bottom]: [f32; 4], paint: CellPaint) {
        let Some(rect) = Rect::from_ltrb(left, top, right, bottom) else { return };
        let stops = (0..=16).map(|step| {
            let at = step as f32 / 16.0;
            let (color, opacity) = match paint {
                CellPaint::Heat => (sequential(at), 1.0),
                CellPaint::Tint | CellPaint::Paired => (flow_color(0.1, 0.45), at * paint.opacities()[0]),
            };
            let [r, g, b] = bytes(color);
            GradientStop::new(at, Color::from_rgba8(r, g, b, (opacity * 255.0).round() as u8))
        });
        let shader = LinearGradient::new(
            Point::from_xy(left, top),
            Point::from_xy(right, top),
            stops.collect(),
            SpreadMode::Pad,
            Transform::identity(),
        );
        let ground = self.paint([251, 251, 250], 1.0);
        self.target.fill_rect(rect, &ground, self.transform(), None);
        if let Some(shader) = shader {
            let paint = Paint { shader, anti_alias: true, ..Paint::default() };
            self.target.fill_rect(rect, &paint, self.transform(), None);
        }
        let mut outline = PathBuilder::new();
        outline.push_rect(rect);
        if let Some(path) = outline.finish() {
            let paint = self.paint(self.sheet.theme.line, 1.0);
            self.target.stroke_path(&path, &paint, &Stroke::default(), self.transform(), None);
        }
    }
}

/// A setting as short as it was given.
fn trimmed(value: f32) -> String {
    format!("{value}")
}

/// A mass, error or contribution: four decimals, or as many as say something.
fn small(value: f32) -> String {
    if value != 0.0 && value.abs() < 5e-4 { format!("{value:.1e}") } else { format!("{value:.4}") }
}
