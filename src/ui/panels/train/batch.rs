//! What the network is shown, and where it errs most in the present batch.

use egui::{Rect, RichText, Role, Sense, Stroke, StrokeKind, Ui, Vec2, WidgetInfo};

use super::{card, send};
use crate::domain::{BatchPicture, HardTriplet, PhotoDomain};
use crate::ui::context::Ctx;
use crate::ui::figures::count;
use crate::ui::tokens::{self, radius, size, space};
use crate::ui::training::{Pictures, TrainCommand};
use crate::ui::widgets::{focus_ring, picture};

/// Sides of pictures: on a wide window larger, up to what the network is shown of them.
fn sides(width: f32) -> (f32, f32) {
    if width > 1000.0 { (104.0, 112.0) } else { (64.0, 76.0) }
}

pub fn batch_ui(ui: &mut Ui, ctx: &Ctx<'_>) {
    let Some(pictures) = &ctx.session.train.pictures else {
        card(ui, ctx, |ui| {
            title_ui(ui, ctx, "What the network sees", "");
            let words = match &ctx.activity.live {
                Some(_) => "Shown with the next look at a batch, after a few steps",
                None => "While a run goes on, its augmented views and its hardest triplets are shown here",
            };
            ui.label(RichText::new(words).color(ctx.tokens.dim));
        });
        return;
    };
    let step = pictures.glance.step;
    card(ui, ctx, |ui| {
        let what = if pictures.glance.paired { "two views of each photo" } else { "views" };
        let right = format!("{what} of step {}, after augmentation", count(step));
        title_ui(
            ui,
            ctx,
            if ctx.activity.live.is_some() { "What the network sees now" } else { "What the network saw" },
            &right,
        );
        views_ui(ui, ctx, pictures);
    });
    if pictures.glance.paired {
        // Without labels there is no right and no wrong product.
        return;
    }
    ui.add_space(space::S);
    card(ui, ctx, |ui| {
        title_ui(
            ui,
            ctx,
            "Hardest triplets",
            "anchor, right product, wrong product; press one to look or to correct its label",
        );
        triplets_ui(ui, ctx, pictures);
    });
}

fn title_ui(ui: &mut Ui, ctx: &Ctx<'_>, title: &str, right: &str) {
    ui.horizontal(|ui| {
        ui.label(RichText::new(title).font(tokens::strong()).color(ctx.tokens.text));
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            let text = super::fitting(ui, right, ui.available_width());
            ui.label(RichText::new(text).font(tokens::small()).color(ctx.tokens.dim));
        });
    });
}

fn views_ui(ui: &mut Ui, ctx: &Ctx<'_>, pictures: &Pictures) {
    let gap = space::S;
    let (view, _) = sides(ui.available_width());
    let fit = (((ui.available_width() + gap) / (view + gap)).floor() as usize).max(1);
    let shown = pictures.glance.views.min(fit);
    // Both views of a photo, or neither.
    let shown = if pictures.glance.paired { shown & !1 } else { shown };
    // All of the width, so that the row ends where the card does.
    let side = ((ui.available_width() + gap) / shown.max(1) as f32 - gap).min(view * 1.35).floor();
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = gap;
        for index in 0..shown {
            photo_ui(ui, ctx, pictures, index, side, ("view", index), None);
        }
    });
}

fn domain_word(picture: &BatchPicture) -> &'static str {
    match picture.domain {
        PhotoDomain::Street => "Street photo",
        PhotoDomain::Shop => "Shop photo",
    }
}

/// One picture that opens its photo; the frame says what it is in a triplet.
fn photo_ui(
    ui: &mut Ui,
    ctx: &Ctx<'_>,
    pictures: &Pictures,
    index: usize,
    side: f32,
    salt: (&'static str, usize),
    frame: Option<Stroke>,
) {
    let (Some(shown), Some(texture)) = (pictures.glance.pictures.get(index), pictures.textures.get(index)) else {
        return;
    };
    let (rect, _) = ui.allocate_exact_size(Vec2::splat(side), Sense::hover());
    let response = ui.interact(rect, ui.scope_id().with(salt), Sense::click());
    let name = format!("{} of {}: {}", domain_word(shown), shown.product, shown.photo);
    response.widget_info(|| WidgetInfo::labeled(Role::Button, true, &name));
    picture(ui.painter(), rect, radius::CONTROL, texture.id());
    let stroke = frame.unwrap_or_else(|| ctx.tokens.hairline());
    ui.painter().rect_stroke(rect, radius::CONTROL, stroke, StrokeKind::Inside);
    if response.has_focus() {
        focus_ring(ui.painter(), ctx.tokens, rect, radius::CONTROL);
    } else if response.hovered() {
        ui.painter().rect_stroke(rect, radius::CONTROL, ctx.tokens.ring(), StrokeKind::Inside);
    }
    let hover = format!("{name}\nOpen it in Explore");
    if response.on_hover_text(hover).clicked() {
        send(ctx, TrainCommand::LookAt(shown.photo.clone()));
    }
}

fn triplets_ui(ui: &mut Ui, ctx: &Ctx<'_>, pictures: &Pictures) {
    let triplets = &pictures.glance.triplets;
    if triplets.is_empty() {
        ui.label(
            RichText::new("No photo of this batch has both a right and a wrong product beside it")
                .color(ctx.tokens.dim),
        );
        return;
    }
    let text = 58.0;
    let gap = space::L;
    let (_, side) = sides(ui.available_width());
    let each = 3.0 * side + 2.0 * space::XS + space::S + text;
    let fit = (((ui.available_width() + gap) / (each + gap)).floor() as usize).max(1);
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = gap;
        for (place, triplet) in triplets.iter().take(fit).enumerate() {
            triplet_ui(ui, ctx, pictures, place, triplet, Vec2::new(each, side));
        }
    });
}

fn triplet_ui(ui: &mut Ui, ctx: &Ctx<'_>, pictures: &Pictures, place: usize, triplet: &HardTriplet, room: Vec2) {
    let (rect, _) = ui.allocate_exact_size(room, Sense::hover());
    let mut child = ui.new_child(
        egui::UiBuilder::new().max_rect(rect).layout(egui::Layout::left_to_right(egui::Align::Min)).id_salt(place),
    );
    let ui = &mut child;
    ui.spacing_mut().item_spacing.x = space::XS;
    let side = room.y;
    let wrong = Stroke::new(size::RING, ctx.tokens.down);
    photo_ui(ui, ctx, pictures, triplet.anchor, side, ("anchor", place), None);
    photo_ui(ui, ctx, pictures, triplet.positive, side, ("right", place), None);
    photo_ui(ui, ctx, pictures, triplet.negative, side, ("wrong", place), Some(wrong));
    ui.add_space(space::S - space::XS);
    let (near, far) = (triplet.negative_distance, triplet.positive_distance);
    let errs = far > near;
    let left = ui.cursor().left();
    let top = rect.center().y - 26.0;
    let font = tokens::small();
    let lines = [
        (format!("right {far:.2}"), ctx.tokens.dim),
        (format!("wrong {near:.2}"), ctx.tokens.dim),
        (if errs { "errs".to_owned() } else { "holds".to_owned() }, if errs { ctx.tokens.down } else { ctx.tokens.up }),
    ];
    for (line, (text, color)) in lines.into_iter().enumerate() {
        ui.painter().text(
            egui::pos2(left, top + 18.0 * line as f32),
            egui::Align2::LEFT_TOP,
            text,
            font.clone(),
            color,
        );
    }
    let words = format!(
        "Triplet {}: the right product is {far:.2} away, the wrong one {near:.2}{}",
        place + 1,
        if errs { ", so a search would err" } else { "" }
    );
    let figures = Rect::from_min_max(egui::pos2(left, rect.top()), rect.max);
    crate::ui::widgets::described(ui, figures, ("triplet", place), Role::Label, &words).on_hover_text(words.clone());
}
