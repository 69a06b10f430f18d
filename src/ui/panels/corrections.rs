//! What people corrected, and training on it.

use egui::{Align, Layout, RichText, Ui};

use crate::jobs::types::{TrainProgress, TrainReport};
use crate::ui::command::Action;
use crate::ui::context::Ctx;
use crate::ui::figures::{counted, duration, signed};
use crate::ui::tokens;
use crate::ui::widgets::button::{Look, PushButton, action_icon, sent};
use crate::ui::widgets::progress::{progress_bar, sparkline};
use crate::ui::widgets::{dim_label, section_label};

pub fn corrections_ui(ui: &mut Ui, ctx: &Ctx<'_>) {
    let labels = &ctx.session.labels;
    ui.horizontal(|ui| {
        section_label(ui, ctx.tokens, "Corrections");
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            ui.spacing_mut().item_spacing.x = 0.0;
            action_icon(ui, ctx, Action::Redo, labels.redo.is_some());
            action_icon(ui, ctx, Action::Undo, labels.undo.is_some());
        });
    });
    let made = labels.corrections.len();
    let text = match (made, labels.untrained) {
        (0, _) => "None yet. Press S or N on a result to say whether it is the same product".to_owned(),
        (_, 0) => format!("{}, all trained on", counted(made, "correction")),
        (_, untrained) => format!("{}, {untrained} not trained on yet", counted(made, "correction")),
    };
    dim_label(ui, ctx.tokens, text);
    for (what, step) in [("Undo", &labels.undo), ("Redo", &labels.redo)] {
        if let Some(step) = step {
            dim_label(ui, ctx.tokens, format!("{what}: {step}"));
        }
    }
    match &ctx.activity.training {
        Some(training) => training_ui(ui, ctx, training),
        None => {
            let entry = Action::Train.entry();
            let button = PushButton::new(entry.name).icon(entry.icon).wide().enabled(labels.untrained > 0);
            let look = if labels.untrained > 0 { Look::Filled } else { Look::Plain };
            sent(ui, ctx, Action::Train, button.look(look));
            if let Some(report) = &ctx.session.last_training {
                report_ui(ui, ctx, report);
            }
        }
    }
}

fn training_ui(ui: &mut Ui, ctx: &Ctx<'_>, training: &TrainProgress) {
    let fraction = if training.steps == 0 { 0.0 } else { training.step as f32 / training.steps as f32 };
    ui.horizontal(|ui| {
        ui.label(RichText::new(training.what).color(ctx.tokens.text));
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            if let Some(seconds) = training.seconds_left {
                dim_label(ui, ctx.tokens, format!("{} left", duration(seconds)));
            }
        });
    });
    progress_bar(ui, ctx.tokens, "Training progress", fraction);
    let mut words = format!("Step {} of {}", training.step, training.steps);
    // Measuring and indexing have steps, but no loss.
    if training.loss.is_finite() && training.loss > 0.0 && training.step > 0 {
        words += &format!("  ·  loss {:.3}", training.loss);
    }
    dim_label(ui, ctx.tokens, words).on_hover_text(format!("{:.0} images/s", training.images_per_second));
    // A low window has no room for it.
    if training.losses.len() > 1 && ui.ctx().content_rect().height() > 840.0 {
        sparkline(ui, ctx.tokens, "Loss of each step so far", &training.losses);
    }
    let entry = Action::StopTraining.entry();
    sent(ui, ctx, Action::StopTraining, PushButton::new(entry.name).icon(entry.icon).wide());
}

/// Recall before and after, on photos that training never saw.
fn report_ui(ui: &mut Ui, ctx: &Ctx<'_>, report: &TrainReport) {
    if !report.finished {
        dim_label(ui, ctx.tokens, "Training was stopped; the model is as it was");
        return;
    }
    let (Some(before), Some(after)) = (report.recall_before, report.recall_after) else {
        let seconds = duration(report.seconds as f32);
        dim_label(ui, ctx.tokens, format!("Trained in {seconds}; there is no test split to measure"));
        return;
    };
    let hover = "Share of the test split's street photos whose product is among the first 1 or 10, before and after";
    recall_ui(ui, ctx, before, after, hover);
    dim_label(ui, ctx.tokens, format!("On the untouched test split, trained in {}", duration(report.seconds as f32)));
}

/// Recall@1 and @10 before and after, with what that changed.
pub fn recall_ui(ui: &mut Ui, ctx: &Ctx<'_>, before: [f32; 2], after: [f32; 2], hover: &str) {
    for (name, before, after) in [("Recall@1", before[0], after[0]), ("Recall@10", before[1], after[1])] {
        ui.horizontal(|ui| {
            ui.label(RichText::new(name).font(tokens::small()).color(ctx.tokens.dim));
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                let change = f64::from(after) - f64::from(before);
                let color = match change {
                    c if c >= 0.0005 => ctx.tokens.up,
                    c if c <= -0.0005 => ctx.tokens.down,
                    _ => ctx.tokens.dim,
                };
                ui.label(RichText::new(signed(change, 3)).font(tokens::small()).color(color));
                let text = format!("{before:.3} → {after:.3}");
                ui.label(RichText::new(text).font(tokens::small_strong()).color(ctx.tokens.text));
            });
        })
        .response
        .on_hover_text(hover);
    }
}
