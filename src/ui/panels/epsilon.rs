//! Epsilon under the microscope: what it does to the shown plan, and where the first ranks stay as they are.

use egui::{Align2, EventFilter, FontId, Key, Pos2, Rect, Role, Sense, Stroke, Ui, Vec2, WidgetInfo, pos2};

use crate::domain::{EpsilonSample, EpsilonStudy, MatchOptions};
use crate::ui::command::Command;
use crate::ui::context::Ctx;
use crate::ui::tokens::{self, radius, size, space};
use crate::ui::widgets::{dim_label, focus_ring, section_label};

/// Where the axis has figures.
const TICKS: [f32; 8] = [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0];
/// Least and most height of one curve, in points.
const CURVE: std::ops::RangeInclusive<f32> = 30.0..=120.0;

/// "Top 5 hold for epsilon 0.020 to 0.090", where that is known of the present settings.
pub fn hold_words(ctx: &Ctx<'_>) -> Option<String> {
    let study = ctx.session.epsilon.as_ref().filter(|study| study.options == ctx.session.options)?;
    let hold = study.hold?;
    Some(format!("Top {} hold for epsilon {} to {}", hold.top, figure(hold.low), figure(hold.high)))
}

/// Three digits that mean something.
fn figure(epsilon: f32) -> String {
    if epsilon < 0.1 { format!("{epsilon:.4}") } else { format!("{epsilon:.3}") }
}

pub fn epsilon_ui(ui: &mut Ui, ctx: &Ctx<'_>) {
    section_label(ui, ctx.tokens, "Epsilon");
    let options = ctx.session.options;
    if ctx.session.goes_with() {
        dim_label(ui, ctx.tokens, "What goes well is ordered by whole garments, so epsilon plays no part in it");
        return;
    }
    if !options.solver.uses_epsilon() {
        dim_label(ui, ctx.tokens, "The exact plan does not depend on epsilon");
        return;
    }
    let present = ctx.session.query.as_ref().and_then(|query| query.plan.as_ref()).map(|plan| &plan.photo);
    let study = ctx.session.epsilon.as_deref().filter(|study| Some(&study.photo) == present);
    let Some(study) = study else {
        dim_label(
            ui,
            ctx.tokens,
            "Once photos are compared cell by cell, this shows what epsilon does to the shown plan",
        );
        return;
    };
    let words = hold_words(ctx).unwrap_or_else(|| "Looking for where the first ranks stay…".to_owned());
    dim_label(ui, ctx.tokens, words);
    let height = ((ui.available_height() - 26.0) / 3.0 - 18.0).clamp(*CURVE.start(), *CURVE.end());
    let width = ui.available_width();
    let curves = curves(study);
    let (rect, response) =
        ui.allocate_exact_size(Vec2::new(width, 3.0 * (height + 18.0) + 18.0), Sense::click_and_drag());
    let axis = Axis { left: rect.left() + space::XS, width: (rect.width() - 2.0 * space::XS).max(1.0) };
    scrub(ui, ctx, &response, &axis);
    let painter = ui.painter_at(rect);
    let mut top = rect.top();
    for curve in &curves {
        let plot = Rect::from_min_size(pos2(axis.left, top + 18.0), Vec2::new(axis.width, height));
        curve_ui(ui, ctx, curve, study, plot, &axis);
        top = plot.bottom();
    }
    for tick in TICKS {
        let at = pos2(axis.x(tick), top + 4.0);
        let align = match tick {
            first if first == TICKS[0] => Align2::LEFT_TOP,
            last if last == TICKS[TICKS.len() - 1] => Align2::RIGHT_TOP,
            _ => Align2::CENTER_TOP,
        };
        painter.text(at, align, format!("{tick}"), tokens::small(), ctx.tokens.dim);
    }
    let line = axis.x(options.epsilon);
    painter.vline(line, rect.top() + 18.0..=top, Stroke::new(1.5, ctx.tokens.accent));
    if response.has_focus() {
        focus_ring(ui.painter(), ctx.tokens, rect, radius::BADGE);
    }
}

/// Drag, click or arrow keys set epsilon.
fn scrub(ui: &Ui, ctx: &Ctx<'_>, response: &egui::Response, axis: &Axis) {
    let options = ctx.session.options;
    let (low, high) = (*MatchOptions::EPSILON_SHOWN.start(), *MatchOptions::EPSILON_SHOWN.end());
    let mut epsilon = options.epsilon;
    if let Some(pos) = response.interact_pointer_pos()
        && (response.dragged() || response.clicked())
    {
        epsilon = axis.epsilon(pos.x);
    }
    if response.clicked() {
        response.request_focus();
    }
    if response.has_focus() {
        ctx.take_arrows();
        let filter = EventFilter { horizontal_arrows: true, vertical_arrows: true, ..EventFilter::default() };
        ui.memory_mut(|memory| memory.set_focus_lock_filter(response.id, filter));
        let steps = ui.input(|input| {
            let presses = |key| input.num_presses(key) as i32;
            presses(Key::ArrowRight) + presses(Key::ArrowUp) - presses(Key::ArrowLeft) - presses(Key::ArrowDown)
        });
        if steps != 0 {
            epsilon = options.epsilon * 1.05f32.powi(steps);
        }
    }
    let epsilon = ((epsilon * 1e4).round() / 1e4).clamp(low, high);
    response.widget_info(|| WidgetInfo::slider(true, f64::from(options.epsilon), "Epsilon under the microscope"));
    if epsilon != options.epsilon && (response.dragged() || response.clicked() || response.has_focus()) {
        ctx.send(Command::SetOptions(MatchOptions { epsilon, ..options }));
    }
}

struct Axis {
    left: f32,
    width: f32,
}

impl Axis {
    fn x(&self, epsilon: f32) -> f32 {
        let (low, high) = (*MatchOptions::EPSILON_SHOWN.start(), *MatchOptions::EPSILON_SHOWN.end());
        self.left + self.width * ((epsilon / low).ln() / (high / low).ln()).clamp(0.0, 1.0)
    }

    fn epsilon(&self, x: f32) -> f32 {
        let (low, high) = (*MatchOptions::EPSILON_SHOWN.start(), *MatchOptions::EPSILON_SHOWN.end());
        low * (high / low).powf(((x - self.left) / self.width).clamp(0.0, 1.0))
    }
}

struct Curve {
    name: &'static str,
    meaning: &'static str,
    points: Vec<(f32, f32)>,
    decimals: usize,
    range: (f32, f32),
}

fn curves(study: &EpsilonStudy) -> [Curve; 3] {
    let curve = |name, meaning, decimals, from_zero: bool, value: &dyn Fn(&EpsilonSample) -> f32| {
        let points: Vec<(f32, f32)> = study.samples.iter().map(|sample| (sample.epsilon, value(sample))).collect();
        let low = points.iter().map(|p| p.1).fold(f32::INFINITY, f32::min);
        let high = points.iter().map(|p| p.1).fold(f32::NEG_INFINITY, f32::max);
        let (low, high) = if from_zero { (0.0, high) } else { (low, high) };
        Curve { name, meaning, points, decimals, range: (low, if high > low { high } else { low + 1.0 }) }
    };
    let mut entropy = curve(
        "Plan entropy",
        "How spread the plan is: 0 where all mass is in one pair of cells, 1 where it is the same everywhere",
        2,
        true,
        &|sample| sample.entropy,
    );
    entropy.range = (0.0, 1.0);
    let score = "Sum of mass × similarity of the shown pair";
    let steps = "Until the solver stopped; the curve is flat at its limit where it did not settle";
    [
        entropy,
        curve("Structural score", score, 3, false, &|sample| sample.structural),
        curve("Iterations", steps, 0, true, &|sample| sample.iterations as f32),
    ]
}

/// The value between the two samples around epsilon, along the logarithm.
fn at(points: &[(f32, f32)], epsilon: f32) -> f32 {
    let after = points.iter().position(|p| p.0 >= epsilon).unwrap_or(points.len().saturating_sub(1));
    let (Some(&right), Some(&left)) = (points.get(after), points.get(after.saturating_sub(1))) else { return 0.0 };
    if right.0 <= left.0 || epsilon <= left.0 {
        return if epsilon <= left.0 { left.1 } else { right.1 };
    }
    let share = ((epsilon / left.0).ln() / (right.0 / left.0).ln()).clamp(0.0, 1.0);
    left.1 + share * (right.1 - left.1)
}

fn curve_ui(ui: &Ui, ctx: &Ctx<'_>, curve: &Curve, study: &EpsilonStudy, plot: Rect, axis: &Axis) {
    let tokens = ctx.tokens;
    let painter = ui.painter();
    let epsilon = ctx.session.options.epsilon;
    let value = format!("{:.*}", curve.decimals, at(&curve.points, epsilon));
    let head = Rect::from_min_max(pos2(plot.left(), plot.top() - 18.0), plot.right_top());
    let whole = head.union(plot);
    let response = ui.interact(whole, ui.scope_id().with(curve.name), Sense::hover());
    let words = format!("{} over epsilon, {value} at {}", curve.name, figure(epsilon));
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, &words));
    let text = |at: Pos2, align: Align2, text: String, font: FontId, color| {
        painter.text(at, align, text, font, color);
    };
    let (low, high) = curve.range;
    let name = format!("{}, {low:.*} … {high:.*}", curve.name, curve.decimals, curve.decimals);
    text(head.left_center(), Align2::LEFT_CENTER, name, tokens::small(), tokens.dim);
    text(head.right_center(), Align2::RIGHT_CENTER, value, tokens::small(), tokens.text);
    painter.rect_filled(plot, radius::BADGE, tokens.chip);
    if let Some(hold) = study.hold.filter(|_| study.options == ctx.session.options) {
        let band = Rect::from_x_y_ranges(axis.x(hold.low)..=axis.x(hold.high), plot.y_range());
        painter.rect_filled(band, 0, tokens.accent_soft);
        for x in [band.left(), band.right()] {
            painter.vline(x, plot.y_range(), Stroke::new(size::HAIR, tokens.accent));
        }
    }
    let y = |value: f32| plot.bottom() - 3.0 - (value - low) / (high - low) * (plot.height() - 6.0);
    let line: Vec<Pos2> = curve.points.iter().map(|&(epsilon, value)| pos2(axis.x(epsilon), y(value))).collect();
    painter.line(line, Stroke::new(1.5, tokens.text));
    let dot = pos2(axis.x(epsilon), y(at(&curve.points, epsilon)));
    painter.circle(dot, 3.5, tokens.knob, Stroke::new(1.5, tokens.accent));
    response.on_hover_text(curve.meaning);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_between_two_samples_lies_on_their_line_along_the_logarithm() {
        let points = [(0.01, 1.0), (0.1, 3.0), (1.0, 2.0)];
        assert!((at(&points, 0.01 * 10f32.sqrt()) - 2.0).abs() < 1e-5);
        assert!((at(&points, 0.1) - 3.0).abs() < 1e-5);
        assert_eq!((at(&points, 0.001), at(&points, 5.0)), (1.0, 2.0));
        assert_eq!(at(&[], 0.1), 0.0);
    }

    #[test]
    fn the_axis_finds_back_what_it_places() {
        let axis = Axis { left: 30.0, width: 400.0 };
        for epsilon in TICKS {
            assert!((axis.epsilon(axis.x(epsilon)) / epsilon - 1.0).abs() < 1e-3);
        }
    }
}
