//! One of a few, all in sight.

use egui::{Color32, Rect, Role, Sense, Stroke, StrokeKind, Ui, Vec2, WidgetInfo};

use super::focus_ring;
use crate::ui::tokens::{self, Tokens, radius, size, space};

/// One part of the control.
#[derive(Clone, Copy, Debug)]
pub struct Choice<'a> {
    pub text: &'a str,
    /// What it is called where its text alone would be mistaken for another widget.
    pub name: &'a str,
    pub meaning: &'a str,
}

/// Returns the index that was chosen now. `choices` are a name and what it means.
pub fn segmented(ui: &mut Ui, tokens: &Tokens, choices: &[(&str, &str)], selected: usize) -> Option<usize> {
    let choices: Vec<Choice<'_>> =
        choices.iter().map(|&(text, meaning)| Choice { text, name: text, meaning }).collect();
    segmented_named(ui, tokens, &choices, selected)
}

/// The same with names of their own.
pub fn segmented_named(ui: &mut Ui, tokens: &Tokens, choices: &[Choice<'_>], selected: usize) -> Option<usize> {
    let width = ui.available_width();
    let (outer, _) = ui.allocate_exact_size(Vec2::new(width, size::CONTROL), Sense::hover());
    ui.painter().rect_filled(outer, radius::CONTROL, tokens.chip);
    let galleys: Vec<_> = choices
        .iter()
        .map(|choice| ui.painter().layout_no_wrap(choice.text.to_owned(), tokens::body(), Color32::PLACEHOLDER))
        .collect();
    let parts = shares(&galleys.iter().map(|galley| galley.size().x).collect::<Vec<_>>(), outer.width());
    let mut chosen = None;
    let mut left = outer.left();
    for (index, (Choice { name, meaning, .. }, galley)) in choices.iter().zip(galleys).enumerate() {
        let rect = Rect::from_min_size(egui::pos2(left, outer.top()), Vec2::new(parts[index], outer.height()));
        left = rect.right();
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

/// Equal parts where every name has room in one, else each as wide as its name and an equal share of what is left.
fn shares(names: &[f32], width: f32) -> Vec<f32> {
    let count = names.len().max(1) as f32;
    let equal = width / count;
    if names.iter().all(|name| name + 2.0 * space::S <= equal) {
        return vec![equal; names.len()];
    }
    let rest = (width - names.iter().sum::<f32>()) / count;
    names.iter().map(|name| (name + rest).max(0.0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_equal_while_names_fit_and_follow_the_names_where_room_is_short() {
        assert_eq!(shares(&[20.0, 30.0], 200.0), [100.0, 100.0]);
        let tight = shares(&[48.0, 70.0, 46.0], 194.0);
        assert_eq!(tight, [58.0, 80.0, 56.0]);
        assert!((tight.iter().sum::<f32>() - 194.0).abs() < 1e-3);
    }
}
