//! One of a few, all in sight.

use egui::{Color32, Rect, Role, Sense, Stroke, StrokeKind, Ui, Vec2, WidgetInfo};

use super::focus_ring;
use crate::ui::tokens::{self, Tokens, radius, size};

/// Returns the index that was chosen now. `choices` are a name and what it means.
pub fn segmented(ui: &mut Ui, tokens: &Tokens, choices: &[(&str, &str)], selected: usize) -> Option<usize> {
    let width = ui.available_width();
    let (outer, _) = ui.allocate_exact_size(Vec2::new(width, size::CONTROL), Sense::hover());
    ui.painter().rect_filled(outer, radius::CONTROL, tokens.chip);
    let part = outer.width() / choices.len().max(1) as f32;
    let mut chosen = None;
    for (index, (name, meaning)) in choices.iter().enumerate() {
        let left = outer.left() + part * index as f32;
        let rect = Rect::from_min_size(egui::pos2(left, outer.top()), Vec2::new(part, outer.height()));
        let response = ui.interact(rect, ui.scope_id().with(("segment", name)), Sense::click());
        let on = index == selected;
        response.widget_info(|| WidgetInfo::selected(Role::RadioButton, true, on, name));
        let inner = rect.shrink(2.0);
        if on {
            ui.painter().rect(
                inner,
                radius::CONTROL - 2,
                if tokens.dark { tokens.ground } else { tokens.panel },
                Stroke::new(size::HAIR, tokens.line),
                StrokeKind::Inside,
            );
        } else if response.hovered() {
            ui.painter().rect_filled(inner, radius::CONTROL - 2, tokens.chip_hover);
        }
        let color = if on { tokens.text } else { tokens.dim };
        let galley = ui.painter().layout_no_wrap((*name).to_owned(), tokens::body(), Color32::PLACEHOLDER);
        ui.painter().galley(rect.center() - galley.size() / 2.0, galley, color);
        if response.has_focus() {
            focus_ring(ui.painter(), tokens, inner, radius::CONTROL - 2);
        }
        if response.on_hover_text(*meaning).clicked() && !on {
            chosen = Some(index);
        }
    }
    chosen
}
