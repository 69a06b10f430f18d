//! Before there is a photo: where to drop one, and what to try.

use egui::{
    Align, CentralPanel, Color32, Frame, Layout, Margin, Rect, RichText, ScrollArea, Sense, Stroke, StrokeKind, Ui,
    Vec2,
};

use super::{corrections, notices};
use crate::domain::PhotoId;
use crate::jobs::types::ProjectSummary;
use crate::ui::command::{Action, Command};
use crate::ui::context::Ctx;
use crate::ui::desk::Desk;
use crate::ui::figures::count;
use crate::ui::fonts::icon;
use crate::ui::state::ProjectState;
use crate::ui::thumbs::Thumb;
use crate::ui::tokens::{self, radius, size, space};
use crate::ui::widgets::button::{Look, action_button, pressable};
use crate::ui::widgets::progress::progress_bar;
use crate::ui::widgets::{clipped_text, dim_label, fitted, focus_ring, icon_text, section_label, skeleton};

pub fn welcome_ui(ui: &mut Ui, ctx: &Ctx<'_>) {
    let frame = Frame::new().fill(ctx.tokens.ground).inner_margin(Margin::same(space::XL as i8));
    CentralPanel::no_frame().frame(frame).show(ui, |ui| {
        ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
            let width = ui.available_width().min(size::WELCOME);
            let left = (ui.available_width() - width) / 2.0;
            let top = ((ui.available_height() - 560.0) * 0.4).max(0.0);
            ui.add_space(top);
            ui.horizontal_top(|ui| {
                ui.add_space(left);
                ui.vertical(|ui| {
                    ui.set_width(width);
                    column_ui(ui, ctx);
                });
            });
        });
    });
}

fn column_ui(ui: &mut Ui, ctx: &Ctx<'_>) {
    ui.label(RichText::new("Find the product in a street photo").font(tokens::hero()).color(ctx.tokens.text));
    let words = "Seamline ranks the shop's products and shows which part of your photo matches which part of theirs";
    ui.label(RichText::new(words).color(ctx.tokens.dim));
    ui.add_space(space::S);
    drop_zone_ui(ui, ctx);
    ui.add_space(space::S);
    ui.horizontal(|ui| {
        action_button(ui, ctx, Action::OpenGallery, Look::Plain);
        dim_label(ui, ctx.tokens, "Search your own shop; the photos stay where they are");
    });
    ui.add_space(space::M);
    match &ctx.session.project {
        ProjectState::Open(project) => open_ui(ui, ctx, project),
        ProjectState::Opening => opening_ui(ui, ctx),
        ProjectState::Failed(failure) => {
            notices::failure_card_ui(ui, ctx, failure);
            ui.add_space(space::S);
            ui.horizontal(|ui| {
                action_button(ui, ctx, Action::OpenProject, Look::Plain);
                action_button(ui, ctx, Action::UseSample, Look::Plain);
            });
            recent_ui(ui, ctx);
        }
    }
}

fn drop_zone_ui(ui: &mut Ui, ctx: &Ctx<'_>) {
    let tokens = ctx.tokens;
    let (rect, _) = ui.allocate_exact_size(Vec2::new(ui.available_width(), 208.0), Sense::hover());
    ui.painter().rect_filled(rect, radius::SHEET, tokens.panel);
    dashed(ui, rect.shrink(1.0), tokens.dim);
    let mut ui = ui.new_child(egui::UiBuilder::new().max_rect(rect.shrink(space::L)));
    ui.vertical_centered(|ui| {
        ui.add_space(space::S);
        let hero = egui::FontId::new(tokens::text::ICON_HERO, tokens::icons());
        ui.label(RichText::new(icon::UPLOAD).font(hero).color(tokens.accent));
        let waiting = ctx.session.waiting.is_some();
        let text = if waiting { "Searching as soon as the project is open" } else { "Drop a street photo here" };
        ui.label(RichText::new(text).font(tokens::title()).color(tokens.text));
        dim_label(ui, tokens, "JPEG, PNG, WebP, BMP, GIF or TIFF; it stays on this computer");
        ui.add_space(space::S);
        ui.allocate_ui_with_layout(
            Vec2::new(ui.available_width(), size::CONTROL),
            Layout::left_to_right(Align::Center).with_main_align(Align::Center).with_main_justify(false),
            |ui| {
                // Two buttons of about this width stand in the middle.
                ui.add_space((ui.available_width() - 250.0) / 2.0);
                action_button(ui, ctx, Action::OpenPhoto, Look::Filled);
                action_button(ui, ctx, Action::Paste, Look::Plain);
            },
        );
    });
}

fn dashed(ui: &Ui, rect: Rect, color: Color32) {
    let inset = f32::from(radius::SHEET);
    let stroke = Stroke::new(1.2, color.gamma_multiply(0.6));
    let sides = [
        [rect.left_top() + Vec2::new(inset, 0.0), rect.right_top() - Vec2::new(inset, 0.0)],
        [rect.right_top() + Vec2::new(0.0, inset), rect.right_bottom() - Vec2::new(0.0, inset)],
        [rect.right_bottom() - Vec2::new(inset, 0.0), rect.left_bottom() + Vec2::new(inset, 0.0)],
        [rect.left_bottom() - Vec2::new(0.0, inset), rect.left_top() + Vec2::new(0.0, inset)],
    ];
    for side in sides {
        ui.painter().extend(egui::Shape::dashed_line(&side, stroke, 6.0, 5.0));
    }
    // The corners are whole, so that the dashes read as one frame.
    let quarter = std::f32::consts::FRAC_PI_2;
    let centers = [rect.left_top(), rect.right_top(), rect.right_bottom(), rect.left_bottom()];
    for (index, corner) in centers.into_iter().enumerate() {
        let center = corner + (rect.center() - corner).signs() * inset;
        let start = std::f32::consts::PI + quarter * index as f32;
        let points = (0..=6).map(|i| center + inset * Vec2::angled(start + quarter * i as f32 / 6.0)).collect();
        ui.painter().line(points, stroke);
    }
}

trait Signs {
    fn signs(self) -> Vec2;
}

impl Signs for Vec2 {
    fn signs(self) -> Vec2 {
        Vec2::new(self.x.signum(), self.y.signum())
    }
}

fn opening_ui(ui: &mut Ui, ctx: &Ctx<'_>) {
    match &ctx.activity.preparing {
        Some(work) => {
            let words = format!("{}: {} of {}", work.what, count(work.done), count(work.total));
            ui.label(RichText::new(&words).color(ctx.tokens.text));
            progress_bar(ui, ctx.tokens, work.what, work.fraction());
            dim_label(ui, ctx.tokens, "Only the first start takes this long");
        }
        None => {
            dim_label(ui, ctx.tokens, "Opening the project…");
        }
    }
    ui.add_space(space::M);
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = space::M;
        for _ in 0..6 {
            let side = example_side(ui);
            let (rect, _) = ui.allocate_exact_size(Vec2::new(side, side * 1.25), Sense::hover());
            if ui.is_rect_visible(rect) && ui.max_rect().contains(rect.center()) {
                skeleton(ui.painter(), ctx.tokens, rect);
            }
        }
    });
}

fn example_side(ui: &Ui) -> f32 {
    let width = ui.max_rect().width();
    ((width - 5.0 * space::M) / 6.0).clamp(72.0, size::EXAMPLE * 1.2)
}

fn open_ui(ui: &mut Ui, ctx: &Ctx<'_>, project: &ProjectSummary) {
    if let Some(work) = &ctx.activity.preparing {
        dim_label(ui, ctx.tokens, format!("{}: {} of {}", work.what, count(work.done), count(work.total)));
        progress_bar(ui, ctx.tokens, work.what, work.fraction());
    }
    if !project.examples.is_empty() {
        section_label(ui, ctx.tokens, "Or try one of these");
        let side = example_side(ui);
        ui.horizontal_wrapped(|ui| {
            ui.spacing_mut().item_spacing = Vec2::splat(space::M);
            for (index, photo) in project.examples.iter().take(6).enumerate() {
                example_ui(ui, ctx, photo, index, side);
            }
        });
        ui.add_space(space::S);
    }
    let words = format!(
        "{} products in {} shop photos of {}",
        count(project.products),
        count(project.gallery_photos),
        project.name
    );
    dim_label(ui, ctx.tokens, words);
    recent_ui(ui, ctx);
    if !ctx.session.labels.corrections.is_empty() || ctx.activity.training.is_some() {
        ui.add_space(space::L);
        ui.scope(|ui| {
            ui.set_max_width(320.0);
            corrections::corrections_ui(ui, ctx);
        });
    }
}

/// Projects to come back to. One that vanished stays in its place, with the reason.
fn recent_ui(ui: &mut Ui, ctx: &Ctx<'_>) {
    let tokens = ctx.tokens;
    let open = ctx.session.project_path();
    let others: Vec<_> = ctx.session.desk.recent.iter().filter(|recent| Some(&recent.path) != open).take(5).collect();
    if others.is_empty() {
        return;
    }
    ui.add_space(space::M);
    section_label(ui, tokens, "Recent projects");
    ui.spacing_mut().item_spacing.y = 2.0;
    for recent in others {
        let gone = recent.gone.is_some();
        let (rect, _) = ui.allocate_exact_size(Vec2::new(ui.available_width(), size::CONTROL), Sense::hover());
        let name = match &recent.gone {
            Some(gone) => format!("{}, {gone}", recent.name),
            None => format!("Open {}", recent.name),
        };
        let sense = if gone { Sense::hover() } else { Sense::click() };
        let response = ui.interact(rect, ui.scope_id().with(("recent", &recent.path)), sense);
        response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, !gone, &name));
        let painter = ui.painter();
        if response.hovered() && !gone {
            painter.rect_filled(rect, radius::CONTROL, tokens.chip);
        }
        let color = if gone { tokens.dim } else { tokens.text };
        let y = rect.center().y;
        icon_text(painter, egui::pos2(rect.left() + space::L, y), icon::HANGER, tokens.dim);
        let left = rect.left() + space::XL + space::S;
        let at = egui::pos2(left, y - 8.0);
        let taken = clipped_text(painter, at, &recent.name, tokens::body(), color, rect.width() * 0.45);
        let path = recent.path.display().to_string();
        let words = recent.gone.clone().unwrap_or_else(|| path.clone());
        let at = egui::pos2(left + taken + space::M, y - 7.0);
        clipped_text(painter, at, &words, tokens::small(), tokens.dim, rect.right() - at.x - space::S);
        if response.has_focus() {
            focus_ring(painter, tokens, rect, radius::CONTROL);
        }
        if response.on_hover_text(path).clicked() {
            ctx.send(Command::Desk(Desk::OpenRecent(recent.path.clone())));
        }
    }
}

fn example_ui(ui: &mut Ui, ctx: &Ctx<'_>, photo: &PhotoId, index: usize, side: f32) {
    let tokens = ctx.tokens;
    let (rect, _) = ui.allocate_exact_size(Vec2::new(side, side * 1.25), Sense::hover());
    let response = pressable(ui, rect, ui.scope_id().with(("example", index)), &format!("Example {}", index + 1));
    let painter = ui.painter().with_clip_rect(rect.intersect(ui.clip_rect()));
    painter.rect_filled(rect, radius::TILE, tokens.chip);
    match ctx.thumbs.get(photo, rect.height() * ui.pixels_per_point()) {
        Thumb::Ready(texture) => {
            let whole = fitted(texture.size_vec2(), rect);
            // Cut to the card, so that all cards are alike.
            let scale = (rect.width() / whole.width()).max(rect.height() / whole.height());
            let part = rect.size() / (whole.size() * scale);
            // Rather the feet are cut than the head.
            let uv = Rect::from_min_size(((Vec2::splat(1.0) - part) * Vec2::new(0.5, 0.2)).to_pos2(), part);
            let image = egui::epaint::RectShape::filled(rect, radius::TILE, Color32::WHITE);
            painter.add(image.with_texture(texture.id(), uv));
        }
        Thumb::Loading => {}
        Thumb::Broken(reason) => {
            painter.text(rect.center(), egui::Align2::CENTER_CENTER, icon::BROKEN, tokens::icon(), tokens.dim);
            response.clone().on_hover_text(reason);
        }
    }
    if response.hovered() {
        ui.painter().rect_stroke(rect, radius::TILE, tokens.ring(), StrokeKind::Outside);
    }
    if response.has_focus() {
        focus_ring(ui.painter(), tokens, rect, radius::TILE);
    }
    if response.on_hover_text(format!("Search with {photo}")).clicked() {
        ctx.send(Command::SearchExample(photo.clone()));
    }
}
