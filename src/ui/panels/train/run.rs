//! The run: what is to be trained before it begins, how far it is while it goes on, how it ended.

use egui::{Align, Layout, RichText, Ui};

use super::{alert_ui, choice_ui, menu_row, send, small, span, why_not_start};
use crate::jobs::types::{DeviceChoice, LiveRun, Phase, RunEnd, StartFrom, TrainingData};
use crate::ui::command::Action;
use crate::ui::context::Ctx;
use crate::ui::figures::{count, counted};
use crate::ui::fonts::icon;
use crate::ui::tokens::{self, space};
use crate::ui::training::{DataChoice, LastRun, TrainAction, TrainCommand};
use crate::ui::widgets::button::{Look, PushButton, sent};
use crate::ui::widgets::progress::progress_bar;
use crate::ui::widgets::section_label;

pub fn run_ui(ui: &mut Ui, ctx: &Ctx<'_>) {
    match (&ctx.activity.live, &ctx.activity.training) {
        (Some(live), _) => live_ui(ui, ctx, live),
        (None, Some(training)) => {
            section_label(ui, ctx.tokens, "Run");
            heading_ui(ui, ctx, "Corrections", training.what, ctx.tokens.accent);
            let fraction = training.step as f32 / training.steps.max(1) as f32;
            progress_bar(ui, ctx.tokens, "Training progress", fraction);
            let left = training.seconds_left.map_or(String::new(), |s| format!("{} left", span(s.into())));
            ends_ui(ui, ctx, &format!("step {} of {}", training.step, training.steps), &left);
            buttons_ui(ui, ctx, None);
        }
        (None, None) => {
            if let Some(last) = &ctx.session.train.last {
                last_ui(ui, ctx, last);
                ui.add_space(space::M);
            }
            new_ui(ui, ctx);
        }
    }
}

fn heading_ui(ui: &mut Ui, ctx: &Ctx<'_>, title: &str, state: &str, color: egui::Color32) {
    ui.horizontal(|ui| {
        let width = ui.available_width();
        let title = super::fitting(ui, title, width * 0.66);
        ui.label(RichText::new(title).font(tokens::title()).color(ctx.tokens.text));
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let label = ui.label(RichText::new(state).color(color));
            ui.ctx().accesskit_node_builder(label.id, |node| node.set_role(egui::Role::Status));
        });
    });
}

/// Two texts at the ends of a line.
fn ends_ui(ui: &mut Ui, ctx: &Ctx<'_>, left: &str, right: &str) {
    ui.horizontal(|ui| {
        ui.label(RichText::new(left).color(ctx.tokens.dim));
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            ui.label(RichText::new(right).color(ctx.tokens.dim));
        });
    });
}

/// What the status bar says of a run, in any workspace.
pub fn status_words(live: &LiveRun) -> String {
    match live.phase {
        Phase::Preparing => format!("Training {}: getting ready", live.run),
        Phase::Running => format!("Training {}: step {} of {}", live.run, count(live.step), count(live.steps)),
        phase => format!("Training {}: {}", live.run, phase_words(phase)),
    }
}

fn phase_words(phase: Phase) -> &'static str {
    match phase {
        Phase::Preparing => "getting ready",
        Phase::Running => "running",
        Phase::Pausing => "pausing…",
        Phase::Paused => "paused",
        Phase::Stopping => "stopping…",
    }
}

fn live_ui(ui: &mut Ui, ctx: &Ctx<'_>, live: &LiveRun) {
    section_label(ui, ctx.tokens, "Run");
    heading_ui(ui, ctx, live.run.as_str(), phase_words(live.phase), ctx.tokens.accent);
    progress_bar(ui, ctx.tokens, "Training progress", live.step as f32 / live.steps.max(1) as f32);
    match live.phase {
        Phase::Preparing => ends_ui(ui, ctx, "listing photos, making the network", ""),
        phase => {
            let left = match (phase, live.seconds_left) {
                (Phase::Running | Phase::Pausing, Some(seconds)) => format!("{} left", span(seconds)),
                (Phase::Paused, Some(seconds)) => format!("{} to go", span(seconds)),
                _ => String::new(),
            };
            ends_ui(ui, ctx, &format!("epoch {} of {}", live.epoch.max(1), live.epochs), &left);
        }
    }
    ui.add_space(space::XS);
    buttons_ui(ui, ctx, Some(live.phase));
    if live.phase == Phase::Preparing {
        return;
    }
    let mut parts = vec![format!("Step {} of {}", count(live.step), count(live.steps))];
    if let Some((_, at)) = live.checkpoint {
        let ago = ctx.unix_secs as f64 - at;
        parts.push(format!("saved {} ago", span(ago.max(0.0))));
    }
    small(ui, ctx, parts.join("  ·  "));
    if live.skipped > 0 {
        small(ui, ctx, format!("{} left out", counted(live.skipped, "unreadable photo")));
    }
    if let Some(note) = &live.note {
        let label = ui.add(egui::Label::new(RichText::new(note).font(tokens::small()).color(ctx.tokens.down)).wrap());
        ui.ctx().accesskit_node_builder(label.id, |node| node.set_role(egui::Role::Status));
    }
}

/// Pause or go on, and stop. Corrections have no phase of their own.
fn buttons_ui(ui: &mut Ui, ctx: &Ctx<'_>, phase: Option<Phase>) {
    ui.horizontal(|ui| {
        if let Some(phase) = phase {
            let held = matches!(phase, Phase::Paused | Phase::Pausing);
            let (text, symbol) = if held { ("Go on", icon::PLAY) } else { ("Pause", icon::PAUSE) };
            let action = Action::Run(TrainAction::Pause);
            let enabled = !matches!(phase, Phase::Stopping | Phase::Preparing);
            let look = if held { Look::Filled } else { Look::Plain };
            let button = PushButton::new(text).icon(symbol).enabled(enabled).look(look);
            sent(ui, ctx, action, button);
        }
        let entry = Action::StopTraining.entry();
        let text = if phase.is_some() { "Stop and keep" } else { entry.name };
        let enabled = phase != Some(Phase::Stopping);
        sent(ui, ctx, Action::StopTraining, PushButton::new(text).icon(entry.icon).enabled(enabled));
    });
}

/// How the last run ended, until the next one begins or this is read.
fn last_ui(ui: &mut Ui, ctx: &Ctx<'_>, last: &LastRun) {
    ui.horizontal(|ui| {
        section_label(ui, ctx.tokens, "Last run");
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let name = "Close what is said of the last run";
            if PushButton::icon_only(icon::X, name).show(ui, ctx.tokens).clicked() {
                send(ctx, TrainCommand::Dismiss);
            }
        });
    });
    let resume = |ui: &mut Ui, run: &crate::domain::RunId| {
        let known = ctx.session.train.run(run).is_some_and(|run| !run.checkpoints.is_empty() && !run.corrections);
        if known && PushButton::new("Go on with this run").icon(icon::PLAY).show(ui, ctx.tokens).clicked() {
            send(ctx, TrainCommand::Resume(run.clone()));
        }
    };
    match last {
        LastRun::Ended(end) => {
            let RunEnd { run, finished, step, steps, seconds, skipped } = end.as_ref();
            let (state, color) = if *finished { ("finished", ctx.tokens.up) } else { ("stopped", ctx.tokens.dim) };
            heading_ui(ui, ctx, run.as_str(), state, color);
            let words = if *finished {
                format!("{} in {}; its checkpoints are in the list", counted(*steps, "step"), span(*seconds))
            } else {
                let (step, steps) = (count(*step), count(*steps));
                format!("Stopped at step {step} of {steps}; what was learnt by then is kept as a checkpoint")
            };
            ui.add(egui::Label::new(RichText::new(words).font(tokens::small()).color(ctx.tokens.dim)).wrap());
            if *skipped > 0 {
                small(ui, ctx, format!("{} could not be read and were left out", counted(*skipped, "photo")));
            }
            if !finished {
                resume(ui, run);
            }
        }
        LastRun::Failed(run, failure) => {
            let title = run.as_ref().map_or("It did not begin", |run| run.as_str());
            heading_ui(ui, ctx, title, "failed", ctx.tokens.danger);
            alert_ui(ui, ctx, &failure.sentence, failure.details.as_deref());
            if let Some(run) = run {
                resume(ui, run);
            }
        }
    }
}

/// What the next run learns from, by which recipe, from which weights, where.
fn new_ui(ui: &mut Ui, ctx: &Ctx<'_>) {
    let train = &ctx.session.train;
    section_label(ui, ctx.tokens, "New run");
    data_ui(ui, ctx);
    let photos = matches!(train.choice, DataChoice::Photos(_));
    if photos {
        recipe_ui(ui, ctx);
        from_ui(ui, ctx);
        device_ui(ui, ctx);
    }
    counts_ui(ui, ctx);
    ui.add_space(space::XS);
    let entry = Action::Run(TrainAction::Start).entry();
    let why_not = why_not_start(ctx);
    let key = Action::Run(TrainAction::Start).key_text(ui.ctx());
    let button = PushButton::new(entry.name).icon(entry.icon).key(key).wide().enabled(why_not.is_none());
    let response = sent(ui, ctx, Action::Run(TrainAction::Start), button.look(Look::Filled));
    if let Some(why) = why_not {
        response.on_hover_text(format!("Not now: {why}"));
        let said = train.data.iter().any(|summary| summary.problem.is_some());
        if !said && photos && !train.draft.is_sound() && train.draft.checked.is_some() {
            small(ui, ctx, format!("Not yet: {why}"));
        }
    }
}

fn data_ui(ui: &mut Ui, ctx: &Ctx<'_>) {
    let train = &ctx.session.train;
    let name_of = |data: TrainingData| match (data, train.data_of(data)) {
        (_, Some(summary)) => summary.name.clone(),
        (TrainingData::Project, None) => "This project".to_owned(),
        (TrainingData::Sample, None) => "Sample wardrobe".to_owned(),
    };
    let value = match train.choice {
        DataChoice::Photos(data) => name_of(data),
        DataChoice::Corrections => "Corrections".to_owned(),
    };
    menu_row(ui, ctx, "Data", &value, "What is learnt from", |ui| {
        for summary in train.data.iter() {
            let on = train.choice == DataChoice::Photos(summary.data);
            let words = summary.problem.clone().unwrap_or_else(|| {
                format!(
                    "{} of {}",
                    counted(summary.street + summary.shop, "photo"),
                    counted(summary.products, "product")
                )
            });
            if choice_ui(ui, ctx, &summary.name, &words, on) {
                send(ctx, TrainCommand::UseData(DataChoice::Photos(summary.data)));
            }
        }
        let words = "A short training of the present model on what people corrected in this project";
        if choice_ui(ui, ctx, "Corrections", words, train.choice == DataChoice::Corrections) {
            send(ctx, TrainCommand::UseData(DataChoice::Corrections));
        }
    });
}

fn recipe_ui(ui: &mut Ui, ctx: &Ctx<'_>) {
    let train = &ctx.session.train;
    let draft = &train.draft;
    let value = if draft.changed { format!("{}, changed", draft.name) } else { draft.name.clone() };
    menu_row(ui, ctx, "Recipe", &value, &draft.words, |ui| {
        for (index, recipe) in train.recipes.iter().enumerate() {
            if choice_ui(ui, ctx, &recipe.name, &recipe.words, !draft.changed && recipe.name == draft.name) {
                send(ctx, TrainCommand::UseRecipe(index));
            }
        }
        ui.separator();
        for action in [TrainAction::OpenRecipe, TrainAction::SaveRecipe] {
            let action = Action::Run(action);
            let button = egui::Button::new(action.entry().name).frame_when_inactive(false).right_text("");
            if ui.add_sized([ui.available_width(), tokens::size::CONTROL], button).clicked() {
                ctx.act(action);
            }
        }
    });
}

fn from_ui(ui: &mut Ui, ctx: &Ctx<'_>) {
    let train = &ctx.session.train;
    let models = ctx.session.project.open().map(|project| project.models.as_slice()).unwrap_or_default();
    let named =
        |checkpoint| models.iter().find(|model| &model.checkpoint == checkpoint).map(|model| model.name.clone());
    let value = match &train.from {
        StartFrom::Random => "Random weights".to_owned(),
        StartFrom::Model(checkpoint) => named(checkpoint).unwrap_or_else(|| checkpoint.to_string()),
    };
    menu_row(ui, ctx, "Start from", &value, "The weights that the run begins with", |ui| {
        let words = "The network learns everything from these photos";
        if choice_ui(ui, ctx, "Random weights", words, train.from == StartFrom::Random) {
            send(ctx, TrainCommand::StartFrom(StartFrom::Random));
        }
        for model in models {
            let from = StartFrom::Model(model.checkpoint.clone());
            let words = "The network must have the same shape as the recipe says";
            if choice_ui(ui, ctx, &model.name, words, train.from == from) {
                send(ctx, TrainCommand::StartFrom(from));
            }
        }
    });
}

fn device_ui(ui: &mut Ui, ctx: &Ctx<'_>) {
    let train = &ctx.session.train;
    let present = ctx.session.project.open().map_or("", |project| project.device.as_str());
    let name = |device: DeviceChoice| match device {
        DeviceChoice::Auto => format!("As the window: {present}"),
        DeviceChoice::Cpu => "CPU".to_owned(),
        DeviceChoice::Gpu(index) => format!("GPU {index}"),
    };
    let survey = ctx.session.desk.devices.as_ref();
    let label_of = |device| {
        let mut found = survey.iter().flat_map(|survey| &survey.devices);
        found.find(|found| found.choice == device).map_or("", |found| found.label.as_str())
    };
    menu_row(ui, ctx, "Device", &name(train.device), "Where the run computes", |ui| {
        let gpus = survey.iter().flat_map(|survey| &survey.devices).map(|found| found.choice);
        let gpus = gpus.filter(|choice| matches!(choice, DeviceChoice::Gpu(_)));
        for device in [DeviceChoice::Auto, DeviceChoice::Cpu].into_iter().chain(gpus) {
            if choice_ui(ui, ctx, &name(device), label_of(device), train.device == device) {
                send(ctx, TrainCommand::UseDevice(device));
            }
        }
        match survey {
            None => small(ui, ctx, "Looking for GPUs…"),
            Some(survey) => {
                if let Some(why) = &survey.without_gpu {
                    small(ui, ctx, format!("No GPU: {why}"));
                }
            }
        }
    });
}

/// What there is to learn from, or why not.
fn counts_ui(ui: &mut Ui, ctx: &Ctx<'_>) {
    let train = &ctx.session.train;
    let data = match train.choice {
        DataChoice::Corrections => {
            let words = match ctx.session.labels.untrained {
                0 => "There is no correction that the model has not learnt".to_owned(),
                n => format!(
                    "{} that the model has not learnt; the present index serves meanwhile",
                    counted(n, "correction")
                ),
            };
            ui.add(egui::Label::new(RichText::new(words).font(tokens::small()).color(ctx.tokens.dim)).wrap());
            return;
        }
        DataChoice::Photos(data) => data,
    };
    let Some(summary) = train.data_of(data) else {
        small(ui, ctx, "Counting photos…");
        return;
    };
    if let Some(problem) = &summary.problem {
        alert_ui(ui, ctx, problem, None);
        return;
    }
    let measured = match summary.validation {
        0 => "none is held back to measure with".to_owned(),
        n => format!("{} held back to measure with", count(n)),
    };
    let words = format!(
        "{} street and {} shop photos of {}; {measured}",
        count(summary.street),
        count(summary.shop),
        counted(summary.products, "product")
    );
    ui.add(egui::Label::new(RichText::new(words).font(tokens::small()).color(ctx.tokens.dim)).wrap());
}
