//! The street photo, with the box that is searched.

use egui::{Align, Layout, Rect, Sense, Ui, Vec2};

use crate::domain::CropRect;
use crate::jobs::types::QueryInfo;
use crate::ui::command::{Action, Command};
use crate::ui::compose::{QueryAction, QueryCommand, same};
use crate::ui::context::Ctx;
use crate::ui::figures::counted;
use crate::ui::fonts::icon;
use crate::ui::state::Query;
use crate::ui::tokens::{self, radius, size, space};
use crate::ui::widgets::button::{action_icon, chip, chip_named};
use crate::ui::widgets::crop_box::crop_box_ui;
use crate::ui::widgets::{clipped_text, dim_label, focus_ring, picture, section_label, skeleton};

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
            dots_ui(ui, ctx, rect, photo, info, crop);
            name_ui(ui, ctx, &info.name, Some((info, crop)));
            edit_ui(ui, ctx);
            chips_ui(ui, ctx, query, info, crop);
            also_ui(ui, ctx, info);
            examples_ui(ui, ctx, query);
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

fn chips_ui(ui: &mut Ui, ctx: &Ctx<'_>, query: &Query, info: &QueryInfo, crop: CropRect) {
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing = Vec2::splat(space::XS + 2.0);
        for (name, suggested) in &info.suggested_crops {
            let on = same(crop, *suggested);
            let words = chip_words(ctx, query, name, *suggested);
            if chip(ui, ctx.tokens, name, on).on_hover_text(words).clicked() && !on {
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

/// Turning, mirroring, and adding another photo.
fn edit_ui(ui: &mut Ui, ctx: &Ctx<'_>) {
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = space::XS;
        for action in [QueryAction::TurnLeft, QueryAction::TurnRight, QueryAction::Flip, QueryAction::AddPhoto] {
            action_icon(ui, ctx, Action::Query(action), true);
        }
    });
}

/// What pressing a box's chip does, and what is remembered of it.
fn chip_words(ctx: &Ctx<'_>, query: &Query, name: &str, crop: CropRect) -> String {
    let mut words = "Search with this part".to_owned();
    if name.starts_with("Stands out") {
        words += "; the network finds most here";
    }
    let model = ctx.session.project.open().map(|project| project.model.checkpoint.clone());
    let known =
        model.and_then(|model| query.remembered_of(crop, &ctx.session.options, &ctx.session.shelf.options, &model));
    if let Some((known, first)) = known.and_then(|known| Some((known, known.ranking.hits.first()?))) {
        let product =
            known.products.get(&first.product).map_or(first.product.as_str(), |product| product.name.as_str());
        words += &format!("; its results are remembered, the first is {product}");
    }
    words
}

/// A dot on each box that could be searched instead.
fn dots_ui(ui: &mut Ui, ctx: &Ctx<'_>, rect: Rect, photo: Vec2, info: &QueryInfo, crop: CropRect) {
    let scale = rect.width() / photo.x;
    for (index, (name, part)) in info.suggested_crops.iter().enumerate().filter(|(_, (_, part))| !same(crop, *part)) {
        let on_screen = Rect::from_min_size(
            rect.min + Vec2::new(part.x, part.y) * scale,
            Vec2::new(part.width, part.height) * scale,
        );
        let center = on_screen.center();
        let dot = Rect::from_center_size(center, Vec2::splat(2.0 * size::DOT));
        let response = ui.interact(dot, ui.scope_id().with(("box", index)), Sense::click());
        let label = format!("Search with {name}");
        response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, &label));
        let painter = ui.painter();
        if response.hovered() || response.has_focus() {
            painter.rect_stroke(on_screen, 0, egui::Stroke::new(1.5, ctx.tokens.handle), egui::StrokeKind::Middle);
        }
        painter.circle(center, size::DOT, ctx.tokens.veil, egui::Stroke::new(size::HAIR, ctx.tokens.handle));
        painter.circle_filled(center, size::DOT / 2.4, ctx.tokens.handle);
        if response.has_focus() {
            focus_ring(painter, ctx.tokens, dot, radius::BADGE);
        }
        if response.on_hover_text(name).clicked() {
            ctx.send(Command::SetCrop(*part));
        }
    }
}

/// The other photos of the garment.
fn also_ui(ui: &mut Ui, ctx: &Ctx<'_>, info: &QueryInfo) {
    if info.also.is_empty() {
        return;
    }
    dim_label(ui, ctx.tokens, format!("Together with {}", counted(info.also.len(), "photo"))).on_hover_text(
        "The global vectors of all photos are averaged; cells, plan and structural score are those of the photo above",
    );
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing = Vec2::splat(space::XS + 2.0);
        for (index, also) in info.also.iter().enumerate() {
            let name = format!("{}  {}", also.name, icon::X);
            let response = chip_named(ui, ctx.tokens, &name, &format!("Leave out {}", also.name), false);
            if response.on_hover_text("Leave this photo out").clicked() {
                ctx.send(Command::Query(QueryCommand::Remove(index)));
            }
        }
    });
}

/// The liked and the disliked products.
fn examples_ui(ui: &mut Ui, ctx: &Ctx<'_>, query: &Query) {
    let recipe = &query.recipe;
    let examples =
        recipe.liked.iter().map(|photo| (photo, true)).chain(recipe.disliked.iter().map(|photo| (photo, false)));
    if recipe.liked.is_empty() && recipe.disliked.is_empty() {
        return;
    }
    dim_label(ui, ctx.tokens, "Examples").on_hover_text(
        "Query vector + 0.75 × mean of the liked − 0.15 × mean of the disliked (Rocchio); cells stay the photo’s own",
    );
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing = Vec2::splat(space::XS + 2.0);
        for (photo, liked) in examples {
            let name = query.example_names.get(photo).map_or(photo.as_str(), String::as_str);
            let (sign, said) = if liked { (icon::THUMBS_UP, "Liked") } else { (icon::THUMBS_DOWN, "Disliked") };
            let text = format!("{sign}  {name}  {}", icon::X);
            let response = chip_named(ui, ctx.tokens, &text, &format!("{said}: {name}"), true);
            if response.on_hover_text("Take this back").clicked() {
                ctx.send(Command::Query(QueryCommand::Forget(photo.clone())));
            }
        }
    });
}
