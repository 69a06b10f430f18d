//! Small pieces that panels are made of. Each one that is painted by hand tells its name and role, which screen
//! readers read and tests find it by.

pub mod button;
pub mod cell_board;
pub mod chart;
pub mod crop_box;
pub mod curve_plot;
pub mod legend;
pub mod matrix;
pub mod paint;
pub mod plan_picture;
pub mod plan_view;
pub mod progress;
pub mod rebuilt;
pub mod score_bar;
pub mod segmented;
pub mod slider;
pub mod tile;
pub mod zoom;

use egui::{Align2, Color32, FontId, Painter, Pos2, Rect, Response, RichText, Role, Sense, Ui, Vec2, WidgetInfo};

use super::tokens::{self, Tokens, space};

/// A heading in small capitals above a part of a panel.
pub fn section_label(ui: &mut Ui, tokens: &Tokens, text: &str) -> Response {
    ui.label(RichText::new(text.to_uppercase()).font(tokens::label()).color(tokens.dim).extra_letter_spacing(0.4))
}

pub fn dim_label(ui: &mut Ui, tokens: &Tokens, text: impl Into<String>) -> Response {
    ui.label(RichText::new(text).font(tokens::small()).color(tokens.dim))
}

/// Text in one line, cut with an ellipsis where it does not fit; returns the width it took.
pub fn clipped_text(painter: &Painter, pos: Pos2, text: &str, font: FontId, color: Color32, width: f32) -> f32 {
    let mut job = egui::text::LayoutJob::simple_singleline(text.to_owned(), font, color);
    job.wrap = egui::text::TextWrapping::truncate_at_width(width.max(1.0));
    let galley = painter.layout_job(job);
    let taken = galley.size().x;
    painter.galley(pos, galley, color);
    taken
}

/// A key as it is printed on a button; its left centre is `left`. Returns its width.
pub fn keycap(painter: &Painter, left: Pos2, text: &str, color: Color32, stroke: Color32) -> f32 {
    let galley = painter.layout_no_wrap(text.to_owned(), tokens::small(), color);
    let size = Vec2::new(galley.size().x + 2.0 * space::XS, galley.size().y + 2.0);
    let rect = Rect::from_min_size(Pos2::new(left.x, left.y - size.y / 2.0), size);
    painter.rect_stroke(
        rect,
        tokens::radius::BADGE - 1,
        egui::Stroke::new(tokens::size::HAIR, stroke),
        egui::StrokeKind::Inside,
    );
    painter.galley(rect.center() - galley.size() / 2.0, galley, color);
    size.x
}

pub fn keycap_width(painter: &Painter, text: &str) -> f32 {
    painter.layout_no_wrap(text.to_owned(), tokens::small(), Color32::PLACEHOLDER).size().x + 2.0 * space::XS
}

/// A place that is still empty.
pub fn skeleton(painter: &Painter, tokens: &Tokens, rect: Rect) {
    painter.rect_filled(rect, tokens::radius::BADGE - 1, tokens.chip);
}

/// A picture fitted into a rectangle without stretching.
pub fn fitted(picture: Vec2, into: Rect) -> Rect {
    if picture.x <= 0.0 || picture.y <= 0.0 {
        return into;
    }
    let scale = (into.width() / picture.x).min(into.height() / picture.y);
    Rect::from_center_size(into.center(), picture * scale)
}

/// A picture with round corners, over all of a rectangle.
pub fn picture(painter: &Painter, rect: Rect, radius: impl Into<egui::CornerRadius>, texture: egui::TextureId) {
    painter.add(egui::epaint::RectShape::filled(rect, radius, Color32::WHITE).with_texture(texture, whole_uv()));
}

pub fn whole_uv() -> Rect {
    Rect::from_min_max(Pos2::ZERO, Pos2::new(1.0, 1.0))
}

/// An icon in a line of text.
pub fn icon_text(painter: &Painter, center: Pos2, icon: &str, color: Color32) {
    painter.text(center, Align2::CENTER_CENTER, icon, tokens::icon(), color);
}

/// Says what a hand-painted area shows, where nothing can be clicked.
pub fn described(ui: &Ui, rect: Rect, salt: impl egui::AsIdSalt, role: Role, text: &str) -> Response {
    let response = ui.interact(rect, ui.scope_id().with(salt), Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(role, true, text));
    response
}

/// Adds an input of egui's own and gives it a name.
pub fn named(ui: &mut Ui, name: &str, widget: impl egui::Widget) -> Response {
    let response = ui.add(widget);
    ui.ctx().accesskit_node_builder(response.id, |node| node.set_label(name.to_owned()));
    response
}

/// An entry of a menu, with a key or a count at its right; named by its text alone.
pub fn menu_row(ui: &mut Ui, tokens: &Tokens, text: &str, right: &str) -> Response {
    let button = egui::Button::new(text).right_text(RichText::new(right).color(tokens.dim)).frame_when_inactive(false);
    let response = ui.add_sized([ui.available_width(), tokens::size::CONTROL], button);
    response.widget_info(|| WidgetInfo::labeled(Role::Button, true, text));
    response
}

/// The ring around whatever holds the keyboard.
pub fn focus_ring(painter: &Painter, tokens: &Tokens, rect: Rect, radius: u8) {
    painter.rect_stroke(rect.expand(1.0), radius + 1, tokens.ring(), egui::StrokeKind::Outside);
}
