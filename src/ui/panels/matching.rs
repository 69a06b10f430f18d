//! The knobs of the comparison and of its drawing.

use egui::{Align, Layout, Ui};

use super::knobs;
use crate::domain::{Marginals, MatchOptions};
use crate::ui::command::{Action, Command};
use crate::ui::context::Ctx;
use crate::ui::state::Ribbons;
use crate::ui::tokens::space;
use crate::ui::widgets::button::{PushButton, sent};
use crate::ui::widgets::section_label;
use crate::ui::widgets::segmented::segmented;
use crate::ui::widgets::slider::Slider;

const RERANK_MOST: usize = 400;

/// How photos are compared, and how the plan is drawn.
pub fn knobs_ui(ui: &mut Ui, ctx: &Ctx<'_>) {
    matching_ui(ui, ctx);
    ui.add_space(space::M);
    ribbons_ui(ui, ctx);
}

fn heading_ui(ui: &mut Ui, ctx: &Ctx<'_>, text: &str, reset: Action, changed: bool) {
    ui.horizontal(|ui| {
        section_label(ui, ctx.tokens, text);
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let entry = reset.entry();
            let name = format!("{} of {}", entry.name, text.to_lowercase());
            sent(ui, ctx, reset, PushButton::icon_only(entry.icon, &name).enabled(changed));
        });
    });
}

fn matching_ui(ui: &mut Ui, ctx: &Ctx<'_>) {
    let old = ctx.session.options;
    let mut new = old;
    let default = MatchOptions::default();
    heading_ui(ui, ctx, "Matching", Action::ResetMatching, old != default);
    let choices = [
        ("Uniform", "Every cell holds the same mass"),
        ("Cross-corr.", "A cell holds mass in proportion to how well it agrees with the other photo as a whole"),
        ("Painted", "A cell holds mass in proportion to the importance that you paint"),
    ];
    let marginals = [Marginals::Uniform, Marginals::CrossCorrelation, Marginals::Painted];
    let on = marginals.iter().position(|&m| m == old.marginals).unwrap_or(0);
    if let Some(index) = segmented(ui, ctx.tokens, &choices, on) {
        new.marginals = marginals[index];
    }
    if old.marginals == Marginals::Painted {
        knobs::brush_ui(ui, ctx);
    }
    let slider = |name, meaning| Slider {
        name,
        meaning,
        value: 0.0,
        low: 0.0,
        high: 1.0,
        logarithmic: false,
        whole: false,
        decimals: 2,
        suffix: "",
        default: 0.0,
    };
    let epsilon = Slider {
        value: old.epsilon,
        low: *MatchOptions::EPSILON_SHOWN.start(),
        high: *MatchOptions::EPSILON_SHOWN.end(),
        logarithmic: true,
        decimals: 3,
        default: default.epsilon,
        ..slider("Epsilon", "How far mass may spread: small sends each cell to its best match, large to all")
    };
    if let Some(value) = epsilon.show(ui, ctx) {
        new.epsilon = value;
    }
    let weight = Slider {
        value: old.structural_weight,
        high: 3.0,
        default: default.structural_weight,
        ..slider("Structural weight", "Score = global + this × structural")
    };
    if let Some(value) = weight.show(ui, ctx) {
        new.structural_weight = value;
    }
    let rerank = Slider {
        value: old.rerank as f32,
        high: RERANK_MOST as f32,
        whole: true,
        default: default.rerank as f32,
        ..slider("Re-rank first", "How many photos of the global order are compared cell by cell; 0 keeps that order")
    };
    if let Some(value) = rerank.show(ui, ctx) {
        new.rerank = value as usize;
    }
    knobs::more_ui(ui, ctx, &mut new);
    knobs::status_ui(ui, ctx);
    if new != old {
        ctx.send(Command::SetOptions(new));
    }
}

fn ribbons_ui(ui: &mut Ui, ctx: &Ctx<'_>) {
    let old = ctx.prefs.ribbons;
    let mut new = old;
    let default = Ribbons::default();
    heading_ui(ui, ctx, "Ribbons", Action::ResetRibbons, old != default);
    let share = |name, meaning, value: f32, default: f32| Slider {
        name,
        meaning,
        value: value * 100.0,
        low: 0.0,
        high: 100.0,
        logarithmic: false,
        whole: true,
        decimals: 0,
        suffix: " %",
        default: default * 100.0,
    };
    let threshold = "Flows with less than this share of the largest mass are not drawn";
    if let Some(value) = share("Threshold", threshold, old.threshold, default.threshold).show(ui, ctx) {
        new.threshold = value / 100.0;
    }
    let count = Slider {
        low: 1.0,
        high: 200.0,
        value: old.count as f32,
        default: default.count as f32,
        suffix: "",
        ..share("Number of ribbons", "The most that are drawn, the heaviest first", 0.0, 0.0)
    };
    if let Some(value) = count.show(ui, ctx) {
        new.count = value as usize;
    }
    if let Some(value) =
        share("Opacity", "How strongly ribbons and heat cover the photos", old.opacity, default.opacity).show(ui, ctx)
    {
        new.opacity = value / 100.0;
    }
    if new != old {
        ctx.send(Command::SetRibbons(new));
    }
}
