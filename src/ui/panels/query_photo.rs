//! The street photo, with the box that is searched.

use egui::{Align, Layout, Rect, Sense, Ui, Vec2};

use crate::domain::CropRect;
use crate::jobs::types::QueryInfo;
use crate::ui::command::{Action, Command};
use crate::ui::context::Ctx;
use crate::ui::state::Query;
use crate::ui::tokens::{self, radius, size, space};
use crate::ui::widgets::button::{action_icon, chip};
use crate::ui::widgets::crop_box::crop_box_ui;
use crate::ui::widgets::{clipped_text, dim_label, picture, section_label, skeleton};

pub fn query_photo_ui(ui: &mut Ui, ctx: &Ctx<'_>) {
    let Some(query) = &ctx.session.query else { return };
    ui.horizontal(|ui| {
        section_label(ui, ctx.tokens, "Street photo");
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            ui.spacing_mut().item_spacing.x = 0.0;
            action_icon(ui, ctx, Action::Paste, true);
            action_icon(ui, ctx, Action::OpenPhoto, true);
        });
    });
    match (&query.info, &query.texture) {
        (Some(info), Some(texture)) => {
            let photo = Vec2::new(info.width.max(1) as f32, info.height.max(1) as f32);
            let rect = photo_rect(ui, photo);
            picture(ui.painter(), rect, radius::CONTROL, texture.id());
            let crop = query.shown_crop().unwrap_or_else(|| CropRect::whole(info.width, info.height));
            if let Some(crop) = crop_box_ui(ui, ctx, rect, photo, crop) {
                ctx.send(Command::SetCrop(crop));
            }
            name_ui(ui, ctx, &info.name, Some((info, crop)));
            chips_ui(ui, ctx, info, crop);
        }
        _ => waiting_ui(ui, ctx, query),
    }
}

/// As large as fits, in the middle.
fn photo_rect(ui: &mut Ui, photo: Vec2) -> Rect {
    let width = ui.available_width();
    // A low window keeps room for the knobs.
    let most = (ui.ctx().content_rect().height() * 0.28).clamp(size::QUERY_PHOTO_MAX / 2.0, size::QUERY_PHOTO_MAX);
    let scale = (width / photo.x).min(most / photo.y);
    let extent = photo * scale;
    let (row, _) = ui.allocate_exact_size(Vec2::new(width, extent.y), Sense::hover());
    Rect::from_center_size(row.center(), extent)
}

fn waiting_ui(ui: &mut Ui, ctx: &Ctx<'_>, query: &Query) {
    let width = ui.available_width();
    let (rect, _) = ui.allocate_exact_size(Vec2::new(width, width.min(size::QUERY_PHOTO_MAX * 0.8)), Sense::hover());
    skeleton(ui.painter(), ctx.tokens, rect);
    name_ui(ui, ctx, &query.name, None);
    let text = if query.failed.is_some() { "This photo cannot be searched" } else { "Reading the photo…" };
    dim_label(ui, ctx.tokens, text);
}

/// The file's name, and which part of it is searched.
fn name_ui(ui: &mut Ui, ctx: &Ctx<'_>, name: &str, crop: Option<(&QueryInfo, CropRect)>) {
    let (rect, response) = ui.allocate_exact_size(Vec2::new(ui.available_width(), 16.0), Sense::hover());
    let extent = crop.map(|(info, crop)| {
        if is_whole(info, crop) {
            format!("{} × {}", info.width, info.height)
        } else {
            format!("{:.0} × {:.0} of {} × {}", crop.width, crop.height, info.width, info.height)
        }
    });
    let text = extent.map_or_else(|| name.to_owned(), |extent| format!("{name}  ·  {extent}"));
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Label, true, &text));
    clipped_text(ui.painter(), rect.min, &text, tokens::small(), ctx.tokens.dim, rect.width());
    response.on_hover_text(text);
}

fn is_whole(info: &QueryInfo, crop: CropRect) -> bool {
    same(crop, CropRect::whole(info.width, info.height))
}

/// Equal to a pixel.
fn same(a: CropRect, b: CropRect) -> bool {
    let near = |a: f32, b: f32| (a - b).abs() < 1.0;
    near(a.x, b.x) && near(a.y, b.y) && near(a.width, b.width) && near(a.height, b.height)
}

fn chips_ui(ui: &mut Ui, ctx: &Ctx<'_>, info: &QueryInfo, crop: CropRect) {
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing = Vec2::splat(space::XS + 2.0);
        for (name, suggested) in &info.suggested_crops {
            let on = same(crop, *suggested);
            if chip(ui, ctx.tokens, name, on).on_hover_text("Search with this part").clicked() && !on {
                ctx.send(Command::SetCrop(*suggested));
            }
        }
        let on = is_whole(info, crop);
        let whole = chip(ui, ctx.tokens, Action::WholePhoto.entry().name, on);
        if whole.on_hover_text(Action::WholePhoto.hover_text(ui.ctx())).clicked() && !on {
            ctx.act(Action::WholePhoto);
        }
    });
}
