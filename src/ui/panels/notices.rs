//! What went wrong or is worth knowing: one sentence, details folded away.

use egui::{Align, Align2, Area, CollapsingHeader, Frame, Id, Layout, Margin, Order, RichText, Ui, Vec2};

use crate::jobs::types::Failure;
use crate::ui::command::Command;
use crate::ui::context::Ctx;
use crate::ui::fonts::icon;
use crate::ui::state::{Notice, Tone};
use crate::ui::tokens::{self, radius, size, space};
use crate::ui::widgets::button::PushButton;

/// The newest few, at the bottom of the window.
const MOST: usize = 4;

pub fn notices_ui(ui: &mut Ui, ctx: &Ctx<'_>) {
    if ctx.session.notices.is_empty() {
        return;
    }
    let offset = Vec2::new(-space::L, -(size::STATUS_BAR + space::M));
    let screen = ui.ctx().content_rect();
    let shown = Area::new(Id::unique("notices")).order(Order::Foreground).anchor(Align2::RIGHT_BOTTOM, offset).show(
        ui.ctx(),
        |ui| {
            ui.set_width(size::NOTICE.min(ui.ctx().content_rect().width() - 2.0 * space::L));
            let skipped = ctx.session.notices.len().saturating_sub(MOST);
            for notice in ctx.session.notices.iter().skip(skipped) {
                notice_ui(ui, ctx, notice);
            }
        },
    );
    if !screen.contains_rect(shown.response.rect) {
        // The place comes from the size of the frame before, which held less.
        ui.request_repaint();
    }
}

fn notice_ui(ui: &mut Ui, ctx: &Ctx<'_>, notice: &Notice) {
    let tokens = ctx.tokens;
    let frame = Frame::new()
        .fill(tokens.panel)
        .stroke(tokens.hairline())
        .corner_radius(radius::TILE)
        .shadow(tokens.sheet_shadow())
        .inner_margin(Margin::symmetric(space::M as i8, space::S as i8));
    frame.show(ui, |ui| {
        ui.set_width(ui.available_width());
        ui.horizontal_top(|ui| {
            ui.with_layout(Layout::right_to_left(Align::Min), |ui| {
                if PushButton::icon_only(icon::X, "Close notice").show(ui, tokens).clicked() {
                    ctx.send(Command::CloseNotice(notice.id));
                }
                ui.with_layout(Layout::left_to_right(Align::Min), |ui| {
                    body_ui(ui, ctx, notice.tone, &notice.sentence, notice.details.as_deref());
                });
            });
        });
    });
}

fn body_ui(ui: &mut Ui, ctx: &Ctx<'_>, tone: Tone, sentence: &str, details: Option<&str>) {
    let tokens = ctx.tokens;
    let (sign, color) = match tone {
        Tone::Info => (icon::INFO, tokens.accent),
        Tone::Good => (icon::CHECK_CIRCLE, tokens.up),
        Tone::Failed => (icon::WARNING, tokens.danger),
    };
    ui.add_space(space::XS);
    ui.vertical(|ui| {
        ui.add_space(space::XS);
        ui.label(RichText::new(sign).font(tokens::icon()).color(color));
    });
    ui.vertical(|ui| {
        ui.spacing_mut().item_spacing.y = space::XS;
        ui.add_space(5.0);
        let label = ui.add(egui::Label::new(RichText::new(sentence).color(tokens.text)).wrap());
        ui.ctx().accesskit_node_builder(label.id, |node| node.set_role(egui::Role::Alert));
        ui.ctx().accesskit_node_builder(label.id, |node| node.set_label(sentence));
        if let Some(details) = details {
            let header = RichText::new("Details").font(tokens::small()).color(tokens.dim);
            CollapsingHeader::new(header).id_salt(sentence).show(ui, |ui| {
                let text = RichText::new(details).font(tokens::small()).color(tokens.dim);
                ui.add(egui::Label::new(text).wrap().selectable(true));
            });
        }
        ui.add_space(space::XS);
    });
}

/// A failure in the place of what it concerns.
pub fn failure_card_ui(ui: &mut Ui, ctx: &Ctx<'_>, failure: &Failure) {
    let tokens = ctx.tokens;
    let frame = Frame::new()
        .fill(tokens.panel)
        .stroke(tokens.hairline())
        .corner_radius(radius::TILE)
        .inner_margin(Margin::symmetric(space::M as i8, space::S as i8));
    frame.show(ui, |ui| {
        ui.set_width(ui.available_width());
        ui.horizontal_top(|ui| body_ui(ui, ctx, Tone::Failed, &failure.sentence, failure.details.as_deref()));
    });
}
