//! The compare tray: two to four products side by side, with what they differ in set apart.

use std::collections::BTreeSet;

use egui::{
    Align, Color32, CornerRadius, Frame, Id, Layout, Margin, Modal, Panel, Pos2, Rect, RichText, ScrollArea, Sense, Ui,
    Vec2,
};

use super::filters::title_of;
use super::results::sum_words_with;
use crate::domain::PhotoId;
use crate::ui::command::{Action, Command};
use crate::ui::context::Ctx;
use crate::ui::figures::counted;
use crate::ui::fonts::icon;
use crate::ui::shelf::{OnTray, ShelfCommand, TRAY};
use crate::ui::thumbs::Thumb;
use crate::ui::tokens::{self, radius, size, space};
use crate::ui::widgets::button::{Look, PushButton, action_icon, sent};
use crate::ui::widgets::score_bar::{Parts, score_bar};
use crate::ui::widgets::{clipped_text, described, dim_label, fitted, icon_text, whole_uv};

const THUMB: f32 = 40.0;
const NAMES: f32 = 120.0;
const PHOTO_MAX: f32 = 220.0;

fn send(ctx: &Ctx<'_>, command: ShelfCommand) {
    ctx.send(Command::Shelf(command));
}

fn name_of(item: &OnTray) -> &str {
    item.product.as_ref().map_or(item.hit.product.as_str(), |product| product.name.as_str())
}

fn photo_ui(ui: &Ui, ctx: &Ctx<'_>, rect: Rect, photo: &PhotoId, corner: u8) {
    let painter = ui.painter();
    painter.rect_filled(rect, CornerRadius::same(corner), ctx.tokens.photo);
    match ctx.thumbs.get(photo, rect.width() * ui.pixels_per_point()) {
        Thumb::Ready(texture) => {
            let inside = fitted(texture.size_vec2(), rect.shrink(2.0));
            painter.image(texture.id(), inside, whole_uv(), Color32::WHITE);
        }
        Thumb::Loading => {}
        Thumb::Broken(_) => icon_text(painter, rect.center(), icon::BROKEN, ctx.tokens.on_photo_dim),
    }
}

/// The strip below the results, while something is on the tray.
pub fn tray_ui(ui: &mut Ui, ctx: &Ctx<'_>) {
    let tray = &ctx.session.shelf.tray;
    if tray.is_empty() {
        return;
    }
    let frame = Frame::new().fill(ctx.tokens.ground).inner_margin(Margin { top: 8, bottom: 8, ..Margin::ZERO });
    Panel::bottom("compare tray").frame(frame).show(ui, |ui| {
        ui.horizontal(|ui| {
            ui.spacing_mut().item_spacing.x = space::XS + 2.0;
            for item in tray {
                let (rect, _) = ui.allocate_exact_size(Vec2::splat(THUMB), Sense::hover());
                photo_ui(ui, ctx, rect, &item.hit.photo, radius::CONTROL);
                let name = format!("Take {} from the comparison", name_of(item));
                let id = ui.scope_id().with(("on tray", &item.hit.photo));
                let response = crate::ui::widgets::button::pressable(ui, rect, id, &name);
                ui.painter().rect_stroke(rect, radius::CONTROL, ctx.tokens.hairline(), egui::StrokeKind::Inside);
                if response.hovered() || response.has_focus() {
                    ui.painter().rect_filled(rect, radius::CONTROL, ctx.tokens.veil);
                    icon_text(ui.painter(), rect.center(), icon::X, ctx.tokens.handle);
                }
                if response.on_hover_text(name).clicked() {
                    send(ctx, ShelfCommand::Compare(item.hit.photo.clone()));
                }
            }
            let enough = tray.len() > 1;
            let key = Action::OpenCompare.key_text(ui.ctx());
            let button = PushButton::new("Compare").name("Compare side by side").icon(icon::COLUMNS).key(key);
            let look = if enough { Look::Filled } else { Look::Plain };
            sent(ui, ctx, Action::OpenCompare, button.enabled(enough).look(look));
            if PushButton::new("Clear").name("Clear the comparison").look(Look::Ghost).show(ui, ctx.tokens).clicked() {
                send(ctx, ShelfCommand::ClearTray);
            }
            if !enough {
                dim_label(ui, ctx.tokens, format!("Press C on another product, up to {TRAY}"));
            }
        });
    });
}

/// The products side by side.
pub fn compare_ui(ui: &mut Ui, ctx: &Ctx<'_>) {
    let shelf = &ctx.session.shelf;
    if !shelf.tray_open || shelf.tray.len() < 2 {
        return;
    }
    let room = ui.ctx().content_rect().size();
    let frame = Frame::popup(ui.style()).inner_margin(Margin::same(space::L as i8)).corner_radius(radius::SHEET);
    let response = Modal::new(Id::unique("compare")).frame(frame).show(ui.ctx(), |ui| {
        let columns = shelf.tray.len() as f32;
        let photo = ((room.x * 0.86 - NAMES) / columns - space::L).clamp(110.0, PHOTO_MAX);
        ui.set_width(NAMES + columns * (photo + space::L));
        ui.horizontal(|ui| {
            let words = format!("{} side by side", counted(shelf.tray.len(), "product"));
            ui.label(RichText::new(words).font(tokens::title()).color(ctx.tokens.text));
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                action_icon(ui, ctx, Action::Back, true);
                if PushButton::new("Clear").name("Clear the comparison").show(ui, ctx.tokens).clicked() {
                    send(ctx, ShelfCommand::ClearTray);
                }
            });
        });
        let height = room.y * 0.86 - 60.0;
        let area = ScrollArea::vertical().max_height(height).min_scrolled_height(height);
        area.show(ui, |ui| table_ui(ui, ctx, &shelf.tray, photo));
    });
    if response.backdrop_response.clicked() {
        ctx.act(Action::Back);
    }
}

/// Where the columns begin.
fn left_of(rect: Rect, column: usize, photo: f32) -> f32 {
    rect.left() + NAMES + column as f32 * (photo + space::L)
}

fn table_ui(ui: &mut Ui, ctx: &Ctx<'_>, tray: &[OnTray], photo: f32) {
    ui.spacing_mut().item_spacing.y = 0.0;
    let (rect, _) = ui.allocate_exact_size(Vec2::new(ui.available_width(), photo), Sense::hover());
    for (column, item) in tray.iter().enumerate() {
        let square = Rect::from_min_size(Pos2::new(left_of(rect, column, photo), rect.top()), Vec2::splat(photo));
        photo_ui(ui, ctx, square, &item.hit.photo, radius::TILE);
        described(ui, square, ("compared", column), egui::Role::Image, &format!("Photo of {}", name_of(item)));
        let corner = Rect::from_min_size(square.right_top() + Vec2::new(-30.0, 4.0), Vec2::splat(size::CONTROL));
        let mut child = ui.new_child(egui::UiBuilder::new().max_rect(corner).id_salt(("remove", column)));
        let name = format!("Remove {}", name_of(item));
        if PushButton::icon_only(icon::X, &name).look(Look::Plain).show(&mut child, ctx.tokens).clicked() {
            send(ctx, ShelfCommand::Compare(item.hit.photo.clone()));
        }
    }
    ui.add_space(space::S);
    let full = tray.iter().map(|item| f64::from(item.hit.score)).fold(1e-6, f64::max);
    let parts: Vec<Parts> = tray.iter().map(|item| Parts::of(&item.hit, &item.options)).collect();
    let values = |value: &dyn Fn(&OnTray) -> String| tray.iter().map(value).collect::<Vec<String>>();
    let row = |ui: &mut Ui, name: &str, cells: Vec<String>| row_ui(ui, ctx, name, &cells, photo);
    row(ui, "Name", values(&|item| name_of(item).to_owned()));
    row(ui, "Rank", values(&|item| item.hit.rank.to_string()));
    row(ui, "Score", parts.iter().map(|parts| format!("{:.3}", parts.score)).collect());
    let (rect, _) = ui.allocate_exact_size(Vec2::new(ui.available_width(), size::BAR + space::S), Sense::hover());
    for (column, parts) in parts.iter().enumerate() {
        let at = Pos2::new(left_of(rect, column, photo), rect.top() + space::XS);
        score_bar(ui.painter(), ctx.tokens, Rect::from_min_size(at, Vec2::new(photo, size::BAR)), parts, full);
    }
    row(ui, "Global", parts.iter().map(|parts| format!("{:.3}", parts.global)).collect());
    let structural = |parts: &Parts| parts.structural.map_or_else(|| "not compared".to_owned(), |s| format!("{s:.3}"));
    row(ui, "Structural", parts.iter().map(structural).collect());
    if tray.iter().any(|item| item.offset != 0.0) {
        row(ui, "Rules add", values(&|item| crate::ui::figures::signed(f64::from(item.offset), 2)));
    }
    if tray.iter().any(|item| item.query != tray[0].query) {
        row(ui, "Found with", values(&|item| item.query.clone()));
    }
    row(ui, "Kind", values(&|item| item.product.as_ref().map_or_else(String::new, |product| product.kind.clone())));
    for name in attributes(tray) {
        let value = |item: &OnTray| {
            item.product.as_ref().and_then(|product| product.attributes.get(&name)).cloned().unwrap_or_default()
        };
        row(ui, &title_of(&name), values(&value));
    }
    ui.add_space(space::XS);
    let sums: Vec<String> = tray
        .iter()
        .zip(&parts)
        .map(|(item, parts)| sum_words_with(parts, item.options.structural_weight, item.offset))
        .collect();
    dim_label(ui, ctx.tokens, sums.join("  ·  "));
    dim_label(ui, ctx.tokens, "A bar at the left and strong text mark what differs");
}

/// Price first, then all others that any of them has.
fn attributes(tray: &[OnTray]) -> Vec<String> {
    let names: BTreeSet<&String> =
        tray.iter().filter_map(|item| item.product.as_ref()).flat_map(|product| product.attributes.keys()).collect();
    let mut names: Vec<String> = names.into_iter().cloned().collect();
    names.sort_by_key(|name| name != "price");
    names
}

fn row_ui(ui: &mut Ui, ctx: &Ctx<'_>, name: &str, cells: &[String], photo: f32) {
    let tokens = ctx.tokens;
    let (rect, response) = ui.allocate_exact_size(Vec2::new(ui.available_width(), size::TABLE_ROW), Sense::hover());
    let differs = cells.iter().any(|cell| cell != &cells[0]);
    let shown: Vec<&str> = cells.iter().map(|cell| if cell.is_empty() { "–" } else { cell.as_str() }).collect();
    let words = format!("{name}{}: {}", if differs { ", different" } else { "" }, shown.join(", "));
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Row, true, &words));
    let painter = ui.painter();
    painter.hline(rect.x_range(), rect.bottom(), tokens.hairline());
    if differs {
        let mark = Rect::from_min_size(rect.min + Vec2::new(0.0, 4.0), Vec2::new(3.0, rect.height() - 8.0));
        painter.rect_filled(mark, 1, tokens.accent);
    }
    let y = rect.center().y - 8.0;
    clipped_text(painter, Pos2::new(rect.left() + space::S, y), name, tokens::body(), tokens.dim, NAMES - space::M);
    let (font, color) = if differs { (tokens::strong(), tokens.text) } else { (tokens::body(), tokens.dim) };
    for (column, cell) in shown.iter().enumerate() {
        let at = Pos2::new(left_of(rect, column, photo), y);
        clipped_text(painter, at, cell, font.clone(), color, photo);
    }
}
