//! The checkpoints of a run, and letting one of them search.

use egui::{Align, Label, Layout, RichText, Ui};

use super::{alert_ui, card, message_ui, send, small};
use crate::jobs::types::{Promoting, Promotion, RunCheckpoint, RunState, RunSummary};
use crate::ui::context::Ctx;
use crate::ui::figures::{count, counted};
use crate::ui::fonts::icon;
use crate::ui::panels::corrections::recall_ui;
use crate::ui::tokens::{self, size, space};
use crate::ui::training::{LastPromotion, TrainCommand};
use crate::ui::widgets::button::{Look, PushButton};
use crate::ui::widgets::progress::progress_bar;
use crate::ui::widgets::section_label;

pub fn checkpoints_ui(ui: &mut Ui, ctx: &Ctx<'_>) {
    let train = &ctx.session.train;
    let Some(run) = train.selected.as_ref().and_then(|run| train.run(run)) else {
        let words = "Choose a run above to see its checkpoints, and to let one of them search";
        message_ui(ui, ctx, icon::CUBE, "No run is chosen", words, &[]);
        return;
    };
    ui.horizontal(|ui| {
        let name = super::fitting(ui, &format!("Checkpoints of {}", run.run), ui.available_width() - 40.0);
        section_label(ui, ctx.tokens, &name);
    });
    buttons_ui(ui, ctx, run);
    if run.checkpoints.is_empty() {
        let words = if run.corrections {
            "What was learnt from corrections became a model at once; it is in the list of models at the top"
        } else {
            "None is kept yet; the first is written when the run begins"
        };
        ui.add(Label::new(RichText::new(words).color(ctx.tokens.dim)).wrap());
        return;
    }
    header_ui(ui, ctx);
    // The newest is looked for first.
    for checkpoint in run.checkpoints.iter().rev() {
        row_ui(ui, ctx, run, checkpoint);
    }
    ui.add_space(space::M);
    promotion_ui(ui, ctx);
}

fn buttons_ui(ui: &mut Ui, ctx: &Ctx<'_>, run: &RunSummary) {
    let free = ctx.activity.training.is_none();
    let stopped = matches!(run.state, RunState::Stopped | RunState::Interrupted) && !run.corrections;
    ui.horizontal(|ui| {
        if stopped && !run.checkpoints.is_empty() {
            let button = PushButton::new("Go on").name("Go on with this run").icon(icon::PLAY).enabled(free);
            let hover = if free { "Go on from its last checkpoint, to the same end" } else { "Training is under way" };
            if button.show(ui, ctx.tokens).on_hover_text(hover).clicked() && free {
                send(ctx, TrainCommand::Resume(run.run.clone()));
            }
        }
        if PushButton::new("Use its recipe").icon(icon::COPY).enabled(free).show(ui, ctx.tokens).clicked() && free {
            send(ctx, TrainCommand::UseRecipeOf(run.run.clone()));
        }
    });
    ui.add_space(space::XS);
}

/// Where the columns end, as shares of the width.
const COLUMNS: [(&str, f32); 3] = [("Recall@1", 0.42), ("@10", 0.57), ("mAP", 0.72)];

fn header_ui(ui: &mut Ui, ctx: &Ctx<'_>) {
    let (rect, _) = ui.allocate_exact_size(egui::vec2(ui.available_width(), size::TABLE_ROW), egui::Sense::hover());
    let (font, color) = (tokens::small(), ctx.tokens.dim);
    ui.painter().text(rect.left_center(), egui::Align2::LEFT_CENTER, "Epoch", font.clone(), color);
    for (name, share) in COLUMNS {
        let at = egui::pos2(rect.left() + rect.width() * share, rect.center().y);
        ui.painter().text(at, egui::Align2::RIGHT_CENTER, name, font.clone(), color);
    }
    ui.painter().hline(rect.x_range(), rect.bottom(), ctx.tokens.hairline());
}

fn row_ui(ui: &mut Ui, ctx: &Ctx<'_>, run: &RunSummary, checkpoint: &RunCheckpoint) {
    let tokens = ctx.tokens;
    let (rect, _) = ui.allocate_exact_size(egui::vec2(ui.available_width(), 28.0), egui::Sense::hover());
    let y = rect.center().y;
    let name = if checkpoint.best { format!("{}, best", checkpoint.epoch) } else { checkpoint.epoch.to_string() };
    let font = if checkpoint.best { tokens::strong() } else { tokens::body() };
    ui.painter().text(rect.left_center(), egui::Align2::LEFT_CENTER, &name, font, tokens.text);
    let share = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| format!("{value:.3}"));
    let values = [checkpoint.recall_at_1, checkpoint.recall_at_10, checkpoint.mean_average_precision].map(share);
    for ((_, share), value) in COLUMNS.into_iter().zip(&values) {
        let at = egui::pos2(rect.left() + rect.width() * share, y);
        ui.painter().text(at, egui::Align2::RIGHT_CENTER, value, tokens::body(), tokens.text);
    }
    ui.painter().hline(rect.x_range(), rect.bottom(), tokens.hairline());
    let searches = checkpoint.promoted.as_ref().is_some_and(|checkpoint| {
        ctx.session.project.open().is_some_and(|project| &project.model.checkpoint == checkpoint)
    });
    let mut child = ui.new_child(
        egui::UiBuilder::new()
            .max_rect(rect)
            .layout(Layout::right_to_left(Align::Center))
            .id_salt(("checkpoint", checkpoint.step)),
    );
    let words = format!("Epoch {}, step {}", checkpoint.epoch, count(checkpoint.step));
    if searches {
        let label = child.label(RichText::new("searches now").font(tokens::small()).color(tokens.up));
        label.on_hover_text(format!("{words} is the model that searches"));
        return;
    }
    if let Some(promoted) = &checkpoint.promoted {
        let button = PushButton::new("Use again").name("Use this model again").look(Look::Link);
        if button.show(&mut child, tokens).on_hover_text(format!("{words} was promoted before")).clicked() {
            ctx.send(crate::ui::Command::UseModel(promoted.clone()));
        }
        return;
    }
    let busy = ctx.activity.promoting.is_some();
    let name = format!("Promote epoch {}", checkpoint.epoch);
    let button = PushButton::new("Promote").name(&name).enabled(!busy).look(Look::Link);
    let hover = format!("{words}: index all photos with it, measure it, and let it search");
    if button.show(&mut child, tokens).on_hover_text(hover).clicked() && !busy {
        send(ctx, TrainCommand::Promote { run: run.run.clone(), step: checkpoint.step });
    }
}

fn promotion_ui(ui: &mut Ui, ctx: &Ctx<'_>) {
    match (&ctx.activity.promoting, &ctx.session.train.promotion) {
        (Some(promoting), _) => card(ui, ctx, |ui| promoting_ui(ui, ctx, promoting)),
        (None, Some(LastPromotion::Done(promotion))) => card(ui, ctx, |ui| promoted_ui(ui, ctx, promotion)),
        (None, Some(LastPromotion::Failed(failure))) => card(ui, ctx, |ui| {
            ui.label(RichText::new("It was not promoted").font(tokens::strong()).color(ctx.tokens.text));
            alert_ui(ui, ctx, &failure.sentence, failure.details.as_deref());
        }),
        (None, None) => card(ui, ctx, |ui| {
            let photos = ctx.session.project.open().map_or(0, |project| project.gallery_photos);
            ui.label(RichText::new("If promoted").font(tokens::strong()).color(ctx.tokens.text));
            let words = format!(
                "{} are indexed with the checkpoint and the test split is measured before and after. The present index \
                 serves meanwhile, and today’s model stays in the list.",
                counted(photos, "photo")
            );
            ui.add(Label::new(RichText::new(words).font(tokens::small()).color(ctx.tokens.dim)).wrap());
        }),
    }
}

fn promoting_ui(ui: &mut Ui, ctx: &Ctx<'_>, promoting: &Promoting) {
    let Promoting { run, step, what, done, total } = promoting;
    ui.horizontal(|ui| {
        let text = super::fitting(ui, &format!("Promoting {run}"), ui.available_width() - 84.0);
        ui.label(RichText::new(text).font(tokens::strong()).color(ctx.tokens.text))
            .on_hover_text(format!("{run}, step {}", count(*step)));
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let button = PushButton::new("Cancel").name("Cancel the promotion").look(Look::Plain);
            if button.show(ui, ctx.tokens).clicked() {
                send(ctx, TrainCommand::StopPromoting);
            }
        });
    });
    progress_bar(ui, ctx.tokens, "Promotion", *done as f32 / (*total).max(1) as f32);
    let figures = if *total > 1 { format!(": {} of {}", count(*done), count(*total)) } else { String::new() };
    small(ui, ctx, format!("{what}{figures}"));
    small(ui, ctx, "The present index serves meanwhile");
}

fn promoted_ui(ui: &mut Ui, ctx: &Ctx<'_>, promotion: &Promotion) {
    ui.label(RichText::new("Promoted").font(tokens::strong()).color(ctx.tokens.text));
    let name = super::fitting(ui, &promotion.after.name, ui.available_width());
    small(ui, ctx, format!("{name} searches now"));
    let (Some(before), Some(after)) = (promotion.recall_before, promotion.recall_after) else {
        small(ui, ctx, "There is no test split to measure");
        return;
    };
    let hover = "On the test split, with structural re-ranking, before and after";
    recall_ui(ui, ctx, before, after, hover);
}
