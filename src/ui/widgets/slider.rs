//! A named value between two ends: rail, knob, and the figure itself to type over.

use egui::{Color32, DragValue, EventFilter, Key, Pos2, Rect, Sense, Stroke, Ui, Vec2, WidgetInfo};

use super::focus_ring;
use crate::ui::context::Ctx;
use crate::ui::tokens::{self, radius, size};

pub struct Slider<'a> {
    pub name: &'a str,
    pub meaning: &'a str,
    pub value: f32,
    pub low: f32,
    pub high: f32,
    /// Equal steps of the knob multiply the value.
    pub logarithmic: bool,
    /// Whole numbers only.
    pub whole: bool,
    pub decimals: usize,
    pub suffix: &'a str,
    /// Double-clicking the rail comes back to it.
    pub default: f32,
}

impl Slider<'_> {
    fn place_of(&self, value: f32) -> f32 {
        let value = value.clamp(self.low, self.high);
        if self.logarithmic {
            (value / self.low).ln() / (self.high / self.low).ln()
        } else {
            (value - self.low) / (self.high - self.low)
        }
    }

    fn value_at(&self, place: f32) -> f32 {
        let place = place.clamp(0.0, 1.0);
        let value = if self.logarithmic {
            self.low * (self.high / self.low).powf(place)
        } else {
            self.low + place * (self.high - self.low)
        };
        self.tidy(value)
    }

    /// Rounded to what is shown, so that the figure and the value agree.
    fn tidy(&self, value: f32) -> f32 {
        let unit = if self.whole { 1.0 } else { 10f32.powi(self.decimals as i32) };
        ((value * unit).round() / unit).clamp(self.low, self.high)
    }

    /// The new value, where it changed.
    pub fn show(self, ui: &mut Ui, ctx: &Ctx<'_>) -> Option<f32> {
        let tokens = ctx.tokens;
        let (rect, _) = ui.allocate_exact_size(Vec2::new(ui.available_width(), size::SLIDER_ROW), Sense::hover());
        let text_rect = Rect::from_min_max(rect.min, Pos2::new(rect.right(), rect.top() + 18.0));
        ui.painter().text(text_rect.left_center(), egui::Align2::LEFT_CENTER, self.name, tokens::body(), tokens.text);
        let typed = self.figure_ui(ui, ctx, text_rect);
        let moved = self.rail_ui(ui, ctx, Rect::from_min_max(Pos2::new(rect.left(), text_rect.bottom()), rect.max));
        moved.or(typed).filter(|&value| value != self.value)
    }

    /// The figure at the right: drag it, or click it and type.
    fn figure_ui(&self, ui: &mut Ui, ctx: &Ctx<'_>, rect: Rect) -> Option<f32> {
        let mut value = f64::from(self.value);
        let layout = egui::Layout::right_to_left(egui::Align::Center);
        let right = Rect::from_min_max(Pos2::new(rect.center().x, rect.top()), rect.max);
        let mut child = ui.new_child(egui::UiBuilder::new().max_rect(right).layout(layout).id_salt(self.name));
        let style = child.style_mut();
        style.spacing.button_padding = Vec2::new(3.0, 0.0);
        style.spacing.interact_size = Vec2::new(8.0, 18.0);
        let visuals = &mut style.visuals.widgets;
        visuals.inactive.weak_bg_fill = Color32::TRANSPARENT;
        visuals.inactive.bg_fill = Color32::TRANSPARENT;
        let speed = if self.logarithmic { value * 0.01 } else { f64::from(self.high - self.low) / 300.0 };
        let decimals = if self.whole { 0 } else { self.decimals };
        let response = child.name_inputs(format!("{} value", self.name), |ui| {
            ui.add(
                DragValue::new(&mut value)
                    .range(f64::from(self.low)..=f64::from(self.high))
                    .speed(speed)
                    .fixed_decimals(decimals)
                    .suffix(self.suffix)
                    .update_while_editing(false),
            )
        });
        if response.has_focus() {
            ctx.take_arrows();
        }
        response.on_hover_text("Drag, or click and type").changed().then(|| self.tidy(value as f32))
    }

    fn rail_ui(&self, ui: &mut Ui, ctx: &Ctx<'_>, rect: Rect) -> Option<f32> {
        let tokens = ctx.tokens;
        let id = ui.scope_id().with(("slider", self.name));
        let response = ui.interact(rect, id, Sense::click_and_drag());
        let rail = Rect::from_center_size(rect.center(), Vec2::new(rect.width(), size::SLIDER_RAIL));
        // The knob's centre; its edge stays inside.
        let way = rail.x_range().shrink(size::SLIDER_KNOB);
        let mut place = self.place_of(self.value);
        let mut new = None;
        if response.double_clicked() {
            new = Some(self.default);
        } else if let Some(pos) = response.interact_pointer_pos()
            && (response.dragged() || response.clicked())
        {
            new = Some(self.value_at((pos.x - way.min) / way.span()));
        }
        if response.has_focus() {
            ctx.take_arrows();
            let filter = EventFilter { horizontal_arrows: true, vertical_arrows: true, ..EventFilter::default() };
            ui.memory_mut(|memory| memory.set_focus_lock_filter(id, filter));
        }
        if let Some(steps) = steps_asked(ui, &response) {
            new = Some(self.stepped(steps));
        }
        if let Some(value) = new {
            place = self.place_of(value);
        }
        let (name, value) = (self.name, f64::from(new.unwrap_or(self.value)));
        response.widget_info(|| WidgetInfo::slider(true, value, name));
        ui.ctx().accesskit_node_builder(id, |node| {
            node.set_min_numeric_value(f64::from(self.low));
            node.set_max_numeric_value(f64::from(self.high));
            node.add_action(egui::accesskit::Action::Increment);
            node.add_action(egui::accesskit::Action::Decrement);
        });

        let painter = ui.painter();
        let knob = Pos2::new(way.min + place * way.span(), rail.center().y);
        painter.rect_filled(rail, 2, tokens.line);
        painter.rect_filled(Rect::from_min_max(rail.min, Pos2::new(knob.x, rail.max.y)), 2, tokens.accent);
        let edge = if response.hovered() || response.dragged() { tokens.accent } else { tokens.dim };
        painter.circle(knob, size::SLIDER_KNOB, tokens.knob, Stroke::new(1.3, edge));
        if response.has_focus() {
            focus_ring(painter, tokens, rect, radius::BADGE);
        }
        response.on_hover_text(self.meaning);
        new
    }

    /// The value some steps of the keyboard further; always another one, unless an end is reached.
    fn stepped(&self, steps: i32) -> f32 {
        if self.whole {
            return self.tidy(self.value + steps as f32);
        }
        let next = self.value_at(self.place_of(self.value) + steps as f32 * 0.02);
        if next == self.value { self.tidy(self.value + steps as f32 / 10f32.powi(self.decimals as i32)) } else { next }
    }
}

fn steps_asked(ui: &Ui, response: &egui::Response) -> Option<i32> {
    use egui::accesskit::Action;
    let mut steps = ui.input(|input| {
        input.num_accesskit_action_requests(response.id, Action::Increment) as i32
            - input.num_accesskit_action_requests(response.id, Action::Decrement) as i32
    });
    if response.has_focus() {
        ui.input(|input| {
            steps += input.num_presses(Key::ArrowRight) as i32 + input.num_presses(Key::ArrowUp) as i32;
            steps -= input.num_presses(Key::ArrowLeft) as i32 + input.num_presses(Key::ArrowDown) as i32;
        });
    }
    (steps != 0).then_some(steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epsilon(value: f32) -> Slider<'static> {
        Slider {
            name: "Epsilon",
            meaning: "",
            value,
            low: 0.001,
            high: 1.0,
            logarithmic: true,
            whole: false,
            decimals: 3,
            suffix: "",
            default: 0.05,
        }
    }

    #[test]
    fn a_logarithmic_rail_has_its_geometric_mean_in_the_middle() {
        let slider = epsilon(0.05);
        assert!((slider.value_at(0.5) - 0.032).abs() < 1e-6);
        assert!((slider.place_of(1.0) - 1.0).abs() < 1e-6 && slider.place_of(0.001).abs() < 1e-6);
        assert_eq!(slider.value_at(7.0), 1.0);
    }

    #[test]
    fn a_step_of_the_keyboard_always_moves_and_stays_inside() {
        assert!(epsilon(0.001).stepped(1) > 0.001);
        assert_eq!(epsilon(1.0).stepped(1), 1.0);
        assert!(epsilon(0.05).stepped(-1) < 0.05);
    }
}
