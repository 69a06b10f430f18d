//! In which settings two runs differ.

use egui::{Label, RichText, Ui};

use super::{choice_ui, fact_ui, menu_row, message_ui, send, small};
use crate::ui::context::Ctx;
use crate::ui::figures::counted;
use crate::ui::fonts::icon;
use crate::ui::training::{TrainCommand, differences};
use crate::ui::widgets::section_label;

pub fn differences_ui(ui: &mut Ui, ctx: &Ctx<'_>) {
    let train = &ctx.session.train;
    let runs = train.runs.as_deref().map(Vec::as_slice).unwrap_or_default();
    let selected = train.selected.as_ref().and_then(|run| train.run(run));
    let (Some(run), true) = (selected, runs.len() > 1) else {
        let words = "Choose a run above; with two or more, this lists the settings in which they differ";
        message_ui(ui, ctx, icon::SCALES, "Nothing to compare", words, &[]);
        return;
    };
    let others = || runs.iter().filter(|other| other.run != run.run);
    let against = train.against.as_ref().and_then(|against| others().find(|other| &other.run == against));
    let Some(other) = against.or_else(|| others().next()) else { return };
    let name = super::fitting(ui, &format!("Settings of {}", run.run), ui.available_width() - 40.0);
    section_label(ui, ctx.tokens, &name);
    menu_row(ui, ctx, "Against", other.run.as_str(), "The run that it is compared with", |ui| {
        for candidate in others() {
            if choice_ui(ui, ctx, candidate.run.as_str(), "", candidate.run == other.run) {
                send(ctx, TrainCommand::Against(candidate.run.clone()));
            }
        }
    });
    let (found, same) = differences(run, other);
    if found.is_empty() {
        ui.add(Label::new(RichText::new("Both have the same settings").color(ctx.tokens.text)).wrap());
    }
    for (setting, a, b) in &found {
        let hover = format!("{setting}\n{}: {a}\n{}: {b}", run.run, other.run);
        fact_ui(ui, ctx, setting, &format!("{a} against {b}"), &hover);
    }
    small(ui, ctx, format!("{} the same", counted(same, "other setting").replace("settings", "settings are")));
}
