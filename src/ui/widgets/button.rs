//! Buttons and chips, with the key that does the same printed on them.

use egui::{Color32, Pos2, Rect, Response, Role, Sense, Stroke, StrokeKind, Ui, Vec2, WidgetInfo};

use super::{focus_ring, icon_text, keycap, keycap_width};
use crate::ui::command::Action;
use crate::ui::context::Ctx;
use crate::ui::tokens::{self, Tokens, radius, size, space};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Look {
    /// On the chip's ground.
    #[default]
    Plain,
    /// No ground until the pointer is there.
    Ghost,
    /// No ground, in the accent: one of many such in a table.
    Link,
    /// The one thing to do here.
    Filled,
}

/// A push button.
pub struct PushButton<'a> {
    text: &'a str,
    name: Option<&'a str>,
    icon: Option<&'a str>,
    key: Option<String>,
    look: Look,
    /// `Some` makes it a toggle.
    selected: Option<bool>,
    enabled: bool,
    caret: bool,
    wide: bool,
}

impl<'a> PushButton<'a> {
    pub fn new(text: &'a str) -> Self {
        Self {
            text,
            name: None,
            icon: None,
            key: None,
            look: Look::Plain,
            selected: None,
            enabled: true,
            caret: false,
            wide: false,
        }
    }

    /// Only an icon; the name is what screen readers say.
    pub fn icon_only(icon: &'a str, name: &'a str) -> Self {
        Self { icon: Some(icon), name: Some(name), look: Look::Ghost, ..Self::new("") }
    }

    pub fn icon(mut self, icon: &'a str) -> Self {
        self.icon = Some(icon);
        self
    }

    pub fn name(mut self, name: &'a str) -> Self {
        self.name = Some(name);
        self
    }

    pub fn key(mut self, key: Option<String>) -> Self {
        self.key = key;
        self
    }

    pub fn look(mut self, look: Look) -> Self {
        self.look = look;
        self
    }

    pub fn selected(mut self, selected: bool) -> Self {
        self.selected = Some(selected);
        self
    }

    pub fn enabled(mut self, enabled: bool) -> Self {
        self.enabled = enabled;
        self
    }

    /// A small triangle that says that a menu opens.
    pub fn caret(mut self) -> Self {
        self.caret = true;
        self
    }

    /// As wide as there is room.
    pub fn wide(mut self) -> Self {
        self.wide = true;
        self
    }

    fn colors(&self, tokens: &Tokens, response: &Response) -> (Color32, Color32) {
        let on = self.selected == Some(true);
        let hot = response.hovered() && self.enabled;
        let (fill, text) = match (self.look, on) {
            (Look::Filled, _) => {
                (if hot { tokens.accent.gamma_multiply(0.9) } else { tokens.accent }, tokens.on_accent)
            }
            (_, true) => (tokens.accent_soft, tokens.accent),
            (Look::Plain, false) => (if hot { tokens.chip_hover } else { tokens.chip }, tokens.text),
            (Look::Link, false) => (if hot { tokens.accent_soft } else { Color32::TRANSPARENT }, tokens.accent),
            (Look::Ghost, false) => (if hot { tokens.chip_hover } else { Color32::TRANSPARENT }, tokens.text),
        };
        if self.enabled { (fill, text) } else { (fill.gamma_multiply(0.6), text.gamma_multiply(0.42)) }
    }

    pub fn show(self, ui: &mut Ui, tokens: &Tokens) -> Response {
        let painter = ui.painter();
        let galley = painter.layout_no_wrap(self.text.to_owned(), tokens::body(), Color32::PLACEHOLDER);
        let icon_width = if self.icon.is_some() { tokens::text::ICON } else { 0.0 };
        let key_width = self.key.as_ref().map_or(0.0, |key| keycap_width(painter, key));
        let widths = [icon_width, galley.size().x, key_width, if self.caret { 9.0 } else { 0.0 }];
        let gaps = widths.iter().filter(|&&w| w > 0.0).count().saturating_sub(1) as f32 * 6.0;
        let padding = if self.text.is_empty() { 5.5 } else { 9.0 };
        let natural = widths.iter().sum::<f32>() + gaps + 2.0 * padding;
        let width = if self.wide { natural.max(ui.available_width()) } else { natural };
        let sense = if self.enabled { Sense::click() } else { Sense::hover() };
        let (rect, response) = ui.allocate_exact_size(Vec2::new(width, size::CONTROL), sense);
        let name = self.name.unwrap_or(self.text).to_owned();
        let (enabled, selected) = (self.enabled, self.selected);
        response.widget_info(|| match selected {
            Some(on) => WidgetInfo::selected(Role::Button, enabled, on, &name),
            None => WidgetInfo::labeled(Role::Button, enabled, &name),
        });
        if !ui.is_rect_visible(rect) {
            return response;
        }

        let (fill, color) = self.colors(tokens, &response);
        let painter = ui.painter();
        painter.rect_filled(rect, radius::CONTROL, fill);
        let mut x = if self.wide { rect.center().x - natural / 2.0 + padding } else { rect.left() + padding };
        let y = rect.center().y;
        if let Some(icon) = self.icon {
            icon_text(painter, Pos2::new(x + icon_width / 2.0, y), icon, color);
            x += icon_width + 6.0;
        }
        if !self.text.is_empty() {
            let at = Pos2::new(x, y - galley.size().y / 2.0);
            x += galley.size().x + 6.0;
            painter.galley(at, galley, color);
        }
        if let Some(key) = &self.key {
            let faint = color.gamma_multiply(0.72);
            keycap(painter, Pos2::new(x, y), key, faint, color.gamma_multiply(0.25));
            x += key_width + 6.0;
        }
        if self.caret {
            let c = Pos2::new(x + 4.5, y + 0.5);
            let points = vec![c + Vec2::new(-3.5, -1.8), c + Vec2::new(0.0, 1.8), c + Vec2::new(3.5, -1.8)];
            painter.line(points, Stroke::new(1.3, color.gamma_multiply(0.7)));
        }
        if response.has_focus() {
            focus_ring(painter, tokens, rect, radius::CONTROL);
        }
        response
    }
}

/// A small choice, such as a suggested crop.
pub fn chip(ui: &mut Ui, tokens: &Tokens, text: &str, selected: bool) -> Response {
    chip_named(ui, tokens, text, text, selected)
}

/// A chip whose text is not all that there is to say.
pub fn chip_named(ui: &mut Ui, tokens: &Tokens, text: &str, name: &str, selected: bool) -> Response {
    let galley = ui.painter().layout_no_wrap(text.to_owned(), tokens::small(), Color32::PLACEHOLDER);
    let (rect, response) =
        ui.allocate_exact_size(Vec2::new(galley.size().x + 2.0 * space::S, size::CHIP), Sense::click());
    response.widget_info(|| WidgetInfo::selected(Role::Button, true, selected, name));
    let (fill, color) = match (selected, response.hovered()) {
        (true, _) => (tokens.accent_soft, tokens.accent),
        (false, true) => (tokens.chip_hover, tokens.text),
        (false, false) => (tokens.chip, tokens.text),
    };
    ui.painter().rect_filled(rect, radius::CONTROL, fill);
    ui.painter().galley(rect.center() - galley.size() / 2.0, galley, color);
    if selected {
        // Said by shape too, not by colour alone.
        ui.painter().rect_stroke(rect, radius::CONTROL, Stroke::new(size::HAIR, tokens.accent), StrokeKind::Inside);
    }
    if response.has_focus() {
        focus_ring(ui.painter(), tokens, rect, radius::CONTROL);
    }
    response
}

/// A button made from the command table.
pub fn action_button(ui: &mut Ui, ctx: &Ctx<'_>, action: Action, look: Look) -> Response {
    let entry = action.entry();
    let key = action.key_text(ui.ctx());
    let button = PushButton::new(entry.name).icon(entry.icon).key(key).look(look);
    sent(ui, ctx, action, button)
}

/// The icon alone; name, key and tooltip come from the command table.
pub fn action_icon(ui: &mut Ui, ctx: &Ctx<'_>, action: Action, enabled: bool) -> Response {
    let entry = action.entry();
    sent(ui, ctx, action, PushButton::icon_only(entry.icon, entry.name).enabled(enabled))
}

/// Shows a button and sends its action when it is pressed.
pub fn sent(ui: &mut Ui, ctx: &Ctx<'_>, action: Action, button: PushButton<'_>) -> Response {
    let response = button.show(ui, ctx.tokens).on_hover_text(action.hover_text(ui.ctx()));
    if response.clicked() {
        ctx.act(action);
    }
    response
}

/// A rectangle that can be pressed, for rows and cards that paint themselves.
pub fn pressable(ui: &Ui, rect: Rect, id: egui::Id, name: &str) -> Response {
    let response = ui.interact(rect, id, Sense::click());
    response.widget_info(|| WidgetInfo::labeled(Role::Button, true, name));
    response
}
