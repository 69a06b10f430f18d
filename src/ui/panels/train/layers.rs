//! How the layers fare: gradients, updates against weights, and units that no photo of the batch activates.

use egui::{Rect, RichText, Role, Sense, Ui, Vec2};

use super::{fact_ui, message_ui, small};
use crate::domain::{Health, LayerHealth};
use crate::ui::context::Ctx;
use crate::ui::figures::count;
use crate::ui::fonts::icon;
use crate::ui::tokens::{self, radius, size, space};
use crate::ui::widgets::chart::Figures;
use crate::ui::widgets::{clipped_text, described, section_label};

/// Updates of this share of the weights are usual; far below a layer hardly learns, far above it forgets.
const USUAL: [f64; 2] = [1e-4, 1e-2];
/// What the bars of updates reach over, as powers of ten.
const REACH: [f64; 2] = [-6.0, -0.5];

pub fn layers_ui(ui: &mut Ui, ctx: &Ctx<'_>) {
    let Some(live) = &ctx.session.train.live else {
        let words = "While a run goes on, the gradients, updates and dead units of its layers are shown here";
        message_ui(ui, ctx, icon::STACK, "No run to look into", words, &[]);
        return;
    };
    let last = |name: &str| live.curves.get(name).and_then(|curve| curve.last()).map(|last| last[1]);
    section_label(ui, ctx.tokens, "Health");
    if let Some(rate) = last("images/s") {
        let pipeline = last("loader images/s");
        fact_ui(ui, ctx, "Trainer", &format!("{rate:.0} images/s"), "What the trainer does");
        if let Some(pipeline) = pipeline {
            let words = format!("{pipeline:.0} images/s");
            fact_ui(
                ui,
                ctx,
                "Pipeline could give",
                &words,
                "What decoding and augmenting could do if nothing waited for it",
            );
        }
    }
    if let Some(norm) = last("gradient norm") {
        fact_ui(
            ui,
            ctx,
            "Gradient norm",
            &Figures::Plain.text(norm),
            "Length of the whole gradient before it is clipped",
        );
    }
    let (photos, products) = (count(live.photos), count(live.products));
    fact_ui(ui, ctx, "Photos, products", &format!("{photos}, {products}"), "What this run learns from");
    fact_ui(ui, ctx, "Parameters", &count(live.parameters), "Trainable numbers of the network");
    fact_ui(ui, ctx, "Device", &live.device, "Where the run computes");
    if live.skipped > 0 {
        fact_ui(ui, ctx, "Skipped photos", &count(live.skipped), "Photos that could not be read");
    }
    let Some(health) = &live.health else {
        ui.add_space(space::S);
        small(ui, ctx, "Layers are looked at every few steps while this workspace is in sight");
        return;
    };
    if let Some(dead) = health.dead_share() {
        let hover = "Share of units that are 0 in every photo of the batch; they learn nothing";
        fact_ui(ui, ctx, "Dead units", &format!("{:.1} %", 100.0 * dead), hover);
    }
    ui.add_space(space::M);
    rectifiers_ui(ui, ctx, health);
    ui.add_space(space::M);
    layer_list_ui(ui, ctx, health);
}

/// One bar for each rectified map, from the first to the last.
fn rectifiers_ui(ui: &mut Ui, ctx: &Ctx<'_>, health: &Health) {
    if health.rectifiers.is_empty() {
        return;
    }
    section_label(ui, ctx.tokens, "Dead units, first to last");
    let (rect, _) = ui.allocate_exact_size(Vec2::new(ui.available_width(), 36.0), Sense::hover());
    let each = rect.width() / health.rectifiers.len() as f32;
    let painter = ui.painter();
    painter.hline(rect.x_range(), rect.bottom(), ctx.tokens.hairline());
    for (place, map) in health.rectifiers.iter().enumerate() {
        let left = rect.left() + each * place as f32;
        let column =
            Rect::from_min_max(egui::pos2(left + 1.0, rect.top()), egui::pos2(left + each - 1.0, rect.bottom()));
        painter.rect_filled(column, 1, ctx.tokens.chip);
        let bar =
            Rect::from_min_max(egui::pos2(column.left(), rect.bottom() - rect.height() * map.dead as f32), column.max);
        painter.rect_filled(bar, 1, if map.dead > 0.5 { ctx.tokens.down } else { ctx.tokens.accent });
        let words = format!(
            "Map {}, {}: {:.0} % of its units are dead, {:.0} % of its values 0, root mean square {}",
            place + 1,
            crate::ui::figures::counted(map.channels, "channel"),
            100.0 * map.dead,
            100.0 * map.zero,
            Figures::Plain.text(map.rms)
        );
        described(ui, column, ("rectifier", place), Role::Image, &words).on_hover_text(words.clone());
    }
}

fn layer_list_ui(ui: &mut Ui, ctx: &Ctx<'_>, health: &Health) {
    ui.horizontal(|ui| {
        section_label(ui, ctx.tokens, "Layers");
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            let text = RichText::new(format!("update ÷ weight, step {}", count(health.step))).font(tokens::small());
            ui.label(text.color(ctx.tokens.dim)).on_hover_text(
                "How much a step changes a layer, against what it holds; between 0.0001 and 0.01 is usual, as the band shows",
            );
        });
    });
    for layer in &health.layers {
        layer_ui(ui, ctx, layer);
    }
}

fn layer_ui(ui: &mut Ui, ctx: &Ctx<'_>, layer: &LayerHealth) {
    let tokens = ctx.tokens;
    let (rect, _) = ui.allocate_exact_size(Vec2::new(ui.available_width(), size::TABLE_ROW - 2.0), Sense::hover());
    let names = rect.width() * 0.5;
    let top = rect.center().y - 8.0;
    clipped_text(
        ui.painter(),
        egui::pos2(rect.left(), top),
        &layer.name,
        tokens::small(),
        tokens.dim,
        names - space::S,
    );
    let figure = Figures::Power.text(layer.update_ratio);
    let galley = ui.painter().layout_no_wrap(figure.clone(), tokens::small(), tokens.text);
    let text_left = rect.right() - 44.0;
    ui.painter().galley(egui::pos2(rect.right() - galley.size().x, top), galley, tokens.text);
    let track = Rect::from_min_max(
        egui::pos2(rect.left() + names, rect.center().y - 3.0),
        egui::pos2(text_left - space::S, rect.center().y + 3.0),
    );
    let place = |value: f64| {
        let share = (value.max(1e-12).log10() - REACH[0]) / (REACH[1] - REACH[0]);
        track.left() + track.width() * share.clamp(0.0, 1.0) as f32
    };
    ui.painter().rect_filled(track, radius::BADGE - 2, tokens.chip);
    let band = Rect::from_x_y_ranges(place(USUAL[0])..=place(USUAL[1]), track.y_range());
    ui.painter().rect_filled(band, 0, tokens.accent.gamma_multiply(0.28));
    let usual = (USUAL[0]..=USUAL[1]).contains(&layer.update_ratio);
    let color = if usual { tokens.accent } else { tokens.down };
    let at = egui::pos2(place(layer.update_ratio), track.center().y);
    if usual {
        ui.painter().circle_filled(at, 3.5, color);
    } else {
        // Told apart by shape too.
        let d = 4.5;
        let diamond = [(0.0, -d), (d, 0.0), (0.0, d), (-d, 0.0)].map(|(x, y)| at + Vec2::new(x, y)).to_vec();
        ui.painter().add(egui::Shape::convex_polygon(diamond, color, egui::Stroke::NONE));
    }
    let words = format!(
        "{}: update ÷ weight {figure}, gradient norm {}, weight norm {}",
        layer.name,
        Figures::Plain.text(layer.gradient_norm),
        Figures::Plain.text(layer.weight_norm)
    );
    described(ui, rect, ("layer", &layer.name), Role::Label, &words).on_hover_text(words.clone());
}
