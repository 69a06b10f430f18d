//! How far something is.

use egui::{Rect, Role, Sense, Ui, Vec2, WidgetInfo};

use crate::ui::tokens::{Tokens, size};

/// A bar as wide as there is room.
pub fn progress_bar(ui: &mut Ui, tokens: &Tokens, name: &str, fraction: f32) {
    let (rect, response) = ui.allocate_exact_size(Vec2::new(ui.available_width(), size::PROGRESS), Sense::hover());
    let fraction = fraction.clamp(0.0, 1.0);
    response.widget_info(|| WidgetInfo {
        label: Some(name.to_owned()),
        value: Some(f64::from(fraction) * 100.0),
        ..WidgetInfo::new(Role::ProgressIndicator)
    });
    ui.painter().rect_filled(rect, size::PROGRESS as u8 / 2, tokens.line);
    let done = Rect::from_min_size(rect.min, Vec2::new(rect.width() * fraction, rect.height()));
    ui.painter().rect_filled(done, size::PROGRESS as u8 / 2, tokens.accent);
}

/// The loss of a run so far, as a line without axes: falling is what matters.
pub fn sparkline(ui: &mut Ui, tokens: &Tokens, name: &str, points: &[[f32; 2]]) {
    let (rect, response) = ui.allocate_exact_size(Vec2::new(ui.available_width(), 34.0), Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, name));
    let finite: Vec<[f32; 2]> = points.iter().copied().filter(|p| p[0].is_finite() && p[1].is_finite()).collect();
    let range =
        |axis: usize| finite.iter().fold((f32::MAX, f32::MIN), |(low, high), p| (low.min(p[axis]), high.max(p[axis])));
    let ((x0, x1), (y0, y1)) = (range(0), range(1));
    ui.painter().hline(rect.x_range(), rect.bottom(), tokens.hairline());
    if finite.len() < 2 || x1 <= x0 {
        return;
    }
    let height = (y1 - y0).max(f32::MIN_POSITIVE);
    let line = finite
        .iter()
        .map(|p| {
            let x = rect.left() + (p[0] - x0) / (x1 - x0) * rect.width();
            egui::pos2(x, rect.bottom() - 2.0 - (p[1] - y0) / height * (rect.height() - 4.0))
        })
        .collect();
    ui.painter().line(line, egui::Stroke::new(1.5, tokens.accent));
}
