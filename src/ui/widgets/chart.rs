//! Curves over the steps of a run: axes with few figures, one pointer for all charts, values where the pointer is.

use egui::{Id, Pos2, Rangef, Rect, Response, Role, Sense, Stroke, Ui, Vec2, WidgetInfo};
use egui_plot::{AxisHints, GridInput, GridMark, Line, LineStyle, Plot, PlotPoint, PlotPoints};

use super::focus_ring;
use crate::ui::context::Ctx;
use crate::ui::tokens::{self, Tokens, radius, size, space};

/// How a line is drawn, so that lines differ by more than their colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stroking {
    #[default]
    Solid,
    Dashed,
    Dotted,
    Long,
}

impl Stroking {
    pub const ALL: [Self; 4] = [Self::Solid, Self::Dashed, Self::Dotted, Self::Long];

    fn of_plot(self) -> LineStyle {
        match self {
            Self::Solid => LineStyle::Solid,
            Self::Dashed => LineStyle::Dashed { length: 5.0 },
            Self::Dotted => LineStyle::Dotted { spacing: 4.0 },
            Self::Long => LineStyle::Dashed { length: 11.0 },
        }
    }
}

/// One line.
pub struct Series {
    /// What it is, in full.
    pub name: String,
    /// What the legend says; empty where its colour says it.
    pub legend: String,
    /// Under which it is hidden and shown again.
    pub key: String,
    /// Rising in x.
    pub points: Vec<[f64; 2]>,
    /// The same before smoothing, drawn faintly; empty where nothing was smoothed.
    pub raw: Vec<[f64; 2]>,
    pub color: egui::Color32,
    pub stroking: Stroking,
    pub hidden: bool,
}

/// How values are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Figures {
    /// Losses: three significant digits.
    Plain,
    /// Shares from 0 to 1.
    Share,
    /// Very small numbers, as `3.0e-4`.
    Power,
    /// Whole numbers.
    Whole,
}

impl Figures {
    pub fn text(self, value: f64) -> String {
        match self {
            Self::Plain if value.abs() >= 100.0 => format!("{value:.0}"),
            Self::Plain if value.abs() >= 10.0 => format!("{value:.1}"),
            Self::Plain if value != 0.0 && value.abs() < 0.01 => format!("{value:.1e}"),
            Self::Plain => format!("{value:.2}"),
            Self::Share => format!("{value:.3}"),
            Self::Power if value == 0.0 => "0".to_owned(),
            Self::Power => format!("{value:.1e}"),
            Self::Whole => crate::ui::figures::count(value.max(0.0).round() as usize),
        }
    }

    /// At an axis, where neighbours differ by `step`.
    fn tick(self, value: f64, step: f64) -> String {
        match self {
            Self::Power => self.text(value),
            Self::Whole if step >= 1.0 => self.text(value),
            _ => {
                let decimals = (-(step * 1.001).log10().floor()).clamp(0.0, 6.0) as usize;
                format!("{value:.decimals$}")
            }
        }
    }
}

pub struct Chart<'a> {
    pub title: &'a str,
    pub meaning: &'a str,
    pub figures: Figures,
    pub logarithmic: bool,
    /// The whole axis; `None` goes from 0 to the values.
    pub range: Option<[f64; 2]>,
    /// How far the x axis reaches at least.
    pub reach: f64,
    /// What x counts: "epoch", "step".
    pub unit: &'a str,
    pub series: &'a [Series],
    /// Said where there is no line.
    pub empty: &'a str,
}

/// What was done to a chart.
#[derive(Default)]
pub struct Charted {
    /// The key of a line that is to be hidden or shown again.
    pub toggled: Option<String>,
}

/// Height of the title and of a row of the legend, and rows below the title at most.
const LEGEND: f32 = 18.0;
const LEGEND_ROWS: usize = 2;
const SWATCH: f32 = 14.0;

/// One line's part of the legend, laid out.
struct Entry {
    name: std::sync::Arc<egui::Galley>,
    figure: std::sync::Arc<egui::Galley>,
    gap: f32,
    width: f32,
}

/// Where the pointer is on any of the charts, in x; told to all of them in the next frame.
fn pointer_id() -> Id {
    Id::unique("pointer over charts")
}

impl Chart<'_> {
    /// A card of this size.
    pub fn show(&self, ui: &mut Ui, ctx: &Ctx<'_>, card: Vec2) -> Charted {
        let tokens = ctx.tokens;
        let (rect, _) = ui.allocate_exact_size(card, Sense::hover());
        if !ui.is_rect_visible(rect) {
            return Charted::default();
        }
        ui.painter().rect(rect, radius::TILE, tokens.panel, tokens.hairline(), egui::StrokeKind::Inside);
        let inner = rect.shrink2(Vec2::new(space::M, space::S));
        let x = ui.data(|data| data.get_temp::<f64>(pointer_id()));
        let (taken, toggled) = self.header_ui(ui, ctx, inner, x);
        let body = Rect::from_min_max(Pos2::new(inner.left() - 4.0, inner.top() + taken + space::XS), inner.max);
        if self.series.iter().all(|series| series.points.is_empty()) {
            let at = body.center();
            ui.painter().text(at, egui::Align2::CENTER_CENTER, self.empty, tokens::small(), tokens.dim);
            super::described(ui, body, ("chart", self.title), Role::Image, &format!("{}: {}", self.title, self.empty));
        } else {
            self.plot_ui(ui, ctx, body, x);
        }
        Charted { toggled }
    }

    /// The title, and the lines with the value where the pointer is, else the newest: beside the title where they fit,
    /// else below it. Gives the height that it took.
    fn header_ui(&self, ui: &mut Ui, ctx: &Ctx<'_>, rect: Rect, x: Option<f64>) -> (f32, Option<String>) {
        let tokens = ctx.tokens;
        let title = ui.painter().layout_no_wrap(self.title.to_owned(), tokens::strong(), tokens.text);
        let title_rect =
            Rect::from_min_size(Pos2::new(rect.left(), rect.top() + LEGEND / 2.0 - title.size().y / 2.0), title.size());
        ui.painter().galley(title_rect.min, title, tokens.text);
        ui.interact(title_rect, ui.scope_id().with(("title", self.title)), Sense::hover()).on_hover_text(self.meaning);
        let entries: Vec<Entry> = self.series.iter().map(|series| self.entry(ui, tokens, series, x)).collect();
        let all: f32 = entries.iter().map(|entry| entry.width + space::M).sum::<f32>() - space::M;
        let beside = title_rect.right() + space::L + all <= rect.right();
        let mut at = if beside {
            Pos2::new(rect.right() - all, rect.top())
        } else {
            Pos2::new(rect.left(), rect.top() + LEGEND)
        };
        let mut toggled = None;
        let mut rows = if beside || entries.is_empty() { 1 } else { 2 };
        for (series, entry) in self.series.iter().zip(entries) {
            if at.x + entry.width > rect.right() + 1.0 && at.x > rect.left() {
                if rows > LEGEND_ROWS {
                    break;
                }
                rows += 1;
                at = Pos2::new(rect.left(), at.y + LEGEND - 3.0);
            }
            let place = Rect::from_min_size(at, Vec2::new(entry.width, LEGEND));
            if self.entry_ui(ui, ctx, series, entry, place) {
                toggled = Some(series.key.clone());
            }
            at.x = place.right() + space::M;
        }
        (LEGEND * rows as f32, toggled)
    }

    fn entry(&self, ui: &Ui, tokens: &Tokens, series: &Series, x: Option<f64>) -> Entry {
        let value = match x {
            Some(x) => at(&series.points, x).or_else(|| series.points.first().copied()),
            None => series.points.last().copied(),
        };
        let figure = value.map_or_else(String::new, |value| self.figures.text(value[1]));
        let faint = tokens.dim.gamma_multiply(0.6);
        let (dim, strong) = if series.hidden { (faint, faint) } else { (tokens.dim, tokens.text) };
        let name = ui.painter().layout_no_wrap(series.legend.clone(), tokens::small(), dim);
        let figure = ui.painter().layout_no_wrap(figure, tokens::small_strong(), strong);
        let gap = if series.legend.is_empty() { 0.0 } else { 5.0 };
        let width = SWATCH + 5.0 + name.size().x + gap + figure.size().x;
        Entry { name, figure, gap, width }
    }

    /// True where the line is to be hidden or shown again.
    fn entry_ui(&self, ui: &Ui, ctx: &Ctx<'_>, series: &Series, entry: Entry, place: Rect) -> bool {
        let tokens = ctx.tokens;
        let response = ui.interact(
            place.expand2(Vec2::new(3.0, 0.0)),
            ui.scope_id().with((self.title, &series.key)),
            Sense::click(),
        );
        let what = format!("{} {}", self.title, series.name);
        response.widget_info(|| WidgetInfo::selected(Role::Button, true, !series.hidden, &what));
        if response.has_focus() {
            focus_ring(ui.painter(), tokens, place, radius::BADGE);
        }
        let color = if series.hidden { series.color.gamma_multiply(0.3) } else { series.color };
        swatch(ui, Pos2::new(place.left(), place.center().y), SWATCH, color, series.stroking);
        let Entry { name, figure, gap, .. } = entry;
        let top = place.center().y - figure.size().y / 2.0;
        let left = place.left() + SWATCH + 5.0;
        let figure_left = left + name.size().x + gap;
        ui.painter().galley(Pos2::new(left, top), name, tokens.dim);
        ui.painter().galley(Pos2::new(figure_left, top), figure, tokens.text);
        let hover = if series.hidden { "Show this line" } else { "Hide this line" };
        response.on_hover_text(format!("{}\n{hover}", series.name)).clicked()
    }

    fn plot_ui(&self, ui: &mut Ui, ctx: &Ctx<'_>, rect: Rect, x: Option<f64>) {
        let tokens = ctx.tokens;
        let logarithmic = self.logarithmic;
        let figures = self.figures;
        let small = tokens::label_plain();
        let y_axis = AxisHints::new_y()
            .min_thickness(34.0)
            .label_spacing(Rangef::new(10.0, 14.0))
            .tick_label_font(small.clone())
            .tick_label_color(tokens.dim)
            .formatter(move |mark, _| {
                if logarithmic {
                    let value = 10f64.powf(mark.value);
                    if figures == Figures::Plain && value >= 0.001 {
                        format!("{value}")
                    } else {
                        Figures::Power.text(value)
                    }
                } else {
                    figures.tick(mark.value, mark.step_size)
                }
            });
        let x_axis =
            AxisHints::new_x()
                .label_spacing(Rangef::new(16.0, 22.0))
                .tick_label_font(small)
                .tick_label_color(tokens.dim)
                .formatter(|mark, _| {
                    if mark.value < 0.0 { String::new() } else { Figures::Whole.tick(mark.value, mark.step_size) }
                });
        let mut plot = Plot::new(("chart", self.title, logarithmic))
            .width(rect.width())
            .height(rect.height())
            .show_background(false)
            .show_x(false)
            .show_y(false)
            .show_crosshair(false)
            .allow_scroll(false)
            .allow_axis_zoom_drag(false)
            .allow_drag(false)
            .set_margin_fraction(Vec2::new(0.0, 0.06))
            .show_grid([false, true])
            .grid_color(tokens.line)
            .grid_spacing(Rangef::new(1.0, 2.0))
            .grid_fade(0.0)
            .custom_x_axes(vec![x_axis])
            .custom_y_axes(vec![y_axis])
            .x_grid_spacer(|input| round_marks(&input, 6.0))
            .y_grid_spacer(move |input| if logarithmic { power_marks(&input) } else { round_marks(&input, 4.0) })
            .include_x(0.0)
            .include_x(self.reach.max(1.0));
        if !logarithmic {
            // From 0, so that heights can be compared.
            let [low, high] = self.range.unwrap_or([0.0, 0.0]);
            plot = plot.include_y(low).include_y(high);
            // A line along 0 has no height of its own.
            if self.series.iter().flat_map(|series| &series.points).all(|point| point[1] == 0.0) {
                plot = plot.include_y(1.0);
            }
        }
        let shown: Vec<(&Series, Vec<[f64; 2]>)> = self
            .series
            .iter()
            .filter(|series| !series.hidden)
            .map(|series| (series, self.scaled(&series.points)))
            .collect();
        let mut child = ui.new_child(egui::UiBuilder::new().max_rect(rect).id_salt(("plot", self.title)));
        let faint = shown.iter().filter(|(series, _)| !series.raw.is_empty()).map(|(series, _)| {
            Line::new(format!("raw {}", series.key), PlotPoints::from(self.scaled(&series.raw)))
                .color(series.color.gamma_multiply(0.22))
                .width(1.0)
                .allow_hover(false)
        });
        let lines: Vec<Line<'_>> = faint
            .chain(shown.iter().map(|(series, points)| {
                Line::new(series.key.clone(), PlotPoints::from(points.clone()))
                    .color(series.color)
                    .width(1.8)
                    .style(series.stroking.of_plot())
                    .allow_hover(false)
            }))
            .collect();
        let drawn = plot.show(&mut child, move |plot| lines.into_iter().for_each(|line| plot.line(line)));
        drawn.response.widget_info(|| WidgetInfo::labeled(Role::Image, true, self.words()));
        let frame = *drawn.transform.frame();
        self.follow_pointer(ui, &drawn.response, x, |pos| drawn.transform.value_from_position(pos).x);
        let Some(x) = x.filter(|x| *x >= 0.0) else { return };
        let line_x = drawn.transform.position_from_point_x(x);
        if !frame.x_range().contains(line_x) {
            return;
        }
        let painter = ui.painter().with_clip_rect(frame.expand(4.0));
        let rule = [Pos2::new(line_x, frame.top()), Pos2::new(line_x, frame.bottom())];
        painter.extend(egui::Shape::dashed_line(&rule, Stroke::new(size::HAIR, tokens.dim), 2.0, 3.0));
        for (series, points) in &shown {
            let Some([px, py]) = at(points, x) else { continue };
            let place = drawn.transform.position_from_point(&PlotPoint::new(px, py));
            painter.circle(place, 3.5, series.color, Stroke::new(1.5, tokens.panel));
        }
        if drawn.response.hovered() {
            let text = format!("{} {}", self.unit, Figures::Plain.tick(x, if x >= 10.0 { 1.0 } else { 0.1 }));
            let galley = ui.painter().layout_no_wrap(text, tokens::label_plain(), tokens.text);
            let half = galley.size().x / 2.0 + space::XS;
            let center = line_x.clamp(frame.left() + half, (frame.right() - half).max(frame.left() + half));
            let pill = Rect::from_center_size(
                Pos2::new(center, frame.top() + 8.0),
                Vec2::new(2.0 * half, galley.size().y + 4.0),
            );
            ui.painter().rect_filled(pill, radius::BADGE, tokens.chip);
            ui.painter().galley(pill.center() - galley.size() / 2.0, galley, tokens.text);
        }
    }

    /// Told to all charts; let go of by the chart that the pointer leaves.
    fn follow_pointer(&self, ui: &Ui, response: &Response, before: Option<f64>, x_of: impl Fn(Pos2) -> f64) {
        let own = Id::unique(("pointer on chart", self.title));
        let now = response.hover_pos().map(&x_of);
        let had = ui.data(|data| data.get_temp::<bool>(own)).unwrap_or(false);
        match now {
            Some(x) => ui.data_mut(|data| {
                data.insert_temp(own, true);
                data.insert_temp(pointer_id(), x);
            }),
            None if had => ui.data_mut(|data| {
                data.remove::<bool>(own);
                data.remove::<f64>(pointer_id());
            }),
            None => {}
        }
        if now != before && (now.is_some() || had) {
            ui.request_repaint();
        }
    }

    /// On the scale that is drawn; what it cannot show is left out.
    fn scaled(&self, points: &[[f64; 2]]) -> Vec<[f64; 2]> {
        if !self.logarithmic {
            return points.to_vec();
        }
        points.iter().filter(|point| point[1] > 0.0).map(|[x, y]| [*x, y.log10()]).collect()
    }

    /// The chart for those who cannot see it.
    fn words(&self) -> String {
        let lines: Vec<String> = self
            .series
            .iter()
            .filter(|series| !series.hidden)
            .filter_map(|series| {
                let [x, y] = series.points.last()?;
                let (name, value) = (&series.name, self.figures.text(*y));
                Some(format!("{name} {value} at {} {}", self.unit, Figures::Plain.tick(*x, 1.0)))
            })
            .collect();
        format!("{}: {}", self.title, lines.join(", "))
    }
}

/// The newest point that is not after x.
fn at(points: &[[f64; 2]], x: f64) -> Option<[f64; 2]> {
    let after = points.partition_point(|point| point[0] <= x);
    after.checked_sub(1).map(|place| points[place])
}

/// A short piece of a line, for legends.
pub fn swatch(ui: &Ui, left: Pos2, width: f32, color: egui::Color32, stroking: Stroking) {
    let ends = [left, Pos2::new(left.x + width, left.y)];
    let stroke = Stroke::new(2.2, color);
    let painter = ui.painter();
    match stroking {
        Stroking::Solid => {
            painter.line_segment(ends, stroke);
        }
        Stroking::Dashed => painter.extend(egui::Shape::dashed_line(&ends, stroke, 4.0, 2.0)),
        Stroking::Dotted => painter.extend(egui::Shape::dashed_line(&ends, stroke, 2.0, 2.0)),
        Stroking::Long => painter.extend(egui::Shape::dashed_line(&ends, stroke, 7.0, 2.0)),
    }
}

/// The colour and style of the n-th line.
pub fn looks(tokens: &Tokens, index: usize) -> (egui::Color32, Stroking) {
    let colors = &tokens.series;
    (colors[index % colors.len()], Stroking::ALL[(index / colors.len()) % Stroking::ALL.len()])
}

/// About `parts` round steps over the axis: 1, 2 or 5 times a power of ten.
fn round_marks(input: &GridInput, parts: f64) -> Vec<GridMark> {
    let (low, high) = input.bounds;
    let rough = (high - low) / parts;
    if rough.is_nan() || rough <= 0.0 || !rough.is_finite() {
        return Vec::new();
    }
    let power = 10f64.powf(rough.log10().floor());
    let step =
        [1.0, 2.0, 5.0, 10.0].into_iter().map(|m| m * power).find(|step| *step >= rough * 0.999).unwrap_or(power);
    let first = (low / step).ceil() as i64;
    let last = (high / step).floor() as i64;
    (first..=last).take(64).map(|n| GridMark { value: n as f64 * step, step_size: step }).collect()
}

/// Powers of ten, whose logarithm is what is drawn; within one power also 2 and 5 times it.
fn power_marks(input: &GridInput) -> Vec<GridMark> {
    let (low, high) = input.bounds;
    if !(high - low).is_finite() || high <= low {
        return Vec::new();
    }
    let decades = high - low;
    let every = (decades / 4.0).ceil().max(1.0) as i64;
    let multiples: &[f64] = if decades < 2.5 { &[1.0, 2.0, 5.0] } else { &[1.0] };
    let (first, last) = (low.floor() as i64, high.ceil() as i64);
    (first..=last)
        .filter(|power| power.rem_euclid(every) == 0)
        .flat_map(|power| multiples.iter().map(move |m| power as f64 + m.log10()))
        .filter(|value| (low..=high).contains(value))
        .map(|value| GridMark { value, step_size: (decades / 4.0).max(0.3) })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(low: f64, high: f64) -> Vec<f64> {
        let input = GridInput { bounds: (low, high), base_step_size: 0.01 };
        round_marks(&input, 4.0).iter().map(|mark| mark.value).collect()
    }

    #[test]
    fn axes_have_few_round_figures_at_any_range() {
        assert_eq!(marks(0.0, 2.0), [0.0, 0.5, 1.0, 1.5, 2.0]);
        assert_eq!(marks(-0.06, 60.0), [0.0, 20.0, 40.0, 60.0]);
        for (low, high) in [(0.0, 1e-7), (3.0, 3.02), (-5.0, 1e6), (0.0, 0.37)] {
            let marks = marks(low, high);
            assert!((2..=9).contains(&marks.len()), "{low} … {high}: {marks:?}");
            assert!(marks.iter().all(|mark| (low..=high).contains(mark)));
        }
        assert!(marks(1.0, 1.0).is_empty() && marks(0.0, f64::INFINITY).is_empty());
        let decades = GridInput { bounds: (-3.0, 0.4), base_step_size: 0.01 };
        let values: Vec<f64> = power_marks(&decades).iter().map(|mark| mark.value).collect();
        assert_eq!(values, [-3.0, -2.0, -1.0, 0.0]);
    }

    #[test]
    fn figures_are_as_long_as_their_step_asks() {
        assert_eq!(Figures::Plain.tick(1.5, 0.5), "1.5");
        assert_eq!(Figures::Share.tick(0.25, 0.05), "0.25");
        assert_eq!(Figures::Plain.tick(20.0, 20.0), "20");
        assert_eq!(Figures::Whole.text(1240.4), "1,240");
        assert_eq!(Figures::Power.text(3e-4), "3.0e-4");
        assert_eq!(Figures::Plain.text(0.412), "0.41");
        assert_eq!(Figures::Plain.text(0.0042), "4.2e-3");
    }

    #[test]
    fn the_value_under_the_pointer_is_that_of_the_last_point_before_it() {
        let points = [[1.0, 10.0], [3.0, 30.0]];
        assert_eq!(at(&points, 0.5), None);
        assert_eq!(at(&points, 2.9), Some([1.0, 10.0]));
        assert_eq!(at(&points, 99.0), Some([3.0, 30.0]));
    }
}
