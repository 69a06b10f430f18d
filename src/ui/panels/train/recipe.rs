//! The recipe: its main settings as fields with what is wrong beside them, all of it as TOML; while a run goes on, what
//! that run was told.

use egui::{Align, Align2, Layout, Popup, RichText, TextEdit, Ui, Vec2};

use super::fields::{Field, SECTIONS, is_field, is_off};
use super::{alert_ui, fact_ui, message_ui, send, small};
use crate::jobs::types::CheckedRecipe;
use crate::ui::command::Action;
use crate::ui::context::Ctx;
use crate::ui::fonts::icon;
use crate::ui::tokens::{self, size, space};
use crate::ui::training::{DataChoice, TrainAction, TrainCommand, plain};
use crate::ui::widgets::button::{Look, PushButton, sent};
use crate::ui::widgets::{named, section_label};

pub fn recipe_ui(ui: &mut Ui, ctx: &Ctx<'_>) {
    let train = &ctx.session.train;
    if let Some(live) = &ctx.activity.live {
        told_ui(ui, ctx, live.run.as_str(), train.run(&live.run).map(|run| &run.settings));
        return;
    }
    if train.choice == DataChoice::Corrections {
        let words = "Corrections are learnt by the recipe of the model that they correct, in a few short steps";
        message_ui(ui, ctx, icon::PENCIL, "No recipe to choose", words, &[]);
        return;
    }
    heading_ui(ui, ctx);
    if train.draft.as_text {
        text_ui(ui, ctx);
    } else {
        fields_ui(ui, ctx);
    }
}

fn heading_ui(ui: &mut Ui, ctx: &Ctx<'_>) {
    let draft = &ctx.session.train.draft;
    ui.horizontal(|ui| {
        section_label(ui, ctx.tokens, if draft.as_text { "Recipe as TOML" } else { "Main settings" });
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let action = Action::Run(TrainAction::EditAsText);
            let text = if draft.as_text { "As fields" } else { "As TOML…" };
            sent(ui, ctx, action, PushButton::new(text).name(action.entry().name).look(Look::Ghost));
        });
    });
    let Some(checked) = &draft.checked else { return };
    let elsewhere = checked.problem.as_ref().filter(|problem| {
        let in_a_field = problem.setting.as_deref().is_some_and(|setting| is_field(setting, &checked.values));
        draft.as_text || !in_a_field
    });
    if let Some(problem) = elsewhere {
        alert_ui(ui, ctx, &sentence(&problem.sentence), None);
        ui.add_space(space::XS);
    }
}

/// Begins with a capital letter, unless it begins with the name of a setting.
fn sentence(text: &str) -> String {
    let first = text.split_whitespace().next().unwrap_or_default();
    if first.contains(['.', '_', '[']) {
        return text.to_owned();
    }
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn fields_ui(ui: &mut Ui, ctx: &Ctx<'_>) {
    let Some(checked) = &ctx.session.train.draft.checked else {
        small(ui, ctx, "Reading the recipe…");
        return;
    };
    if checked.values.is_empty() {
        small(ui, ctx, "The text cannot be read as settings; mend it as TOML");
        return;
    }
    for (section, fields) in SECTIONS {
        let known: Vec<&Field> = fields.iter().filter(|field| field.is_shown(&checked.values)).collect();
        if known.is_empty() {
            continue;
        }
        ui.add_space(space::S);
        section_label(ui, ctx.tokens, section);
        for field in known {
            field_ui(ui, ctx, checked, field);
        }
    }
}

fn field_ui(ui: &mut Ui, ctx: &Ctx<'_>, checked: &CheckedRecipe, field: &Field) {
    let draft = &ctx.session.train.draft;
    let value = &checked.values[field.setting];
    let default = checked.defaults.get(field.setting);
    let problem = checked.problem.as_ref().filter(|problem| problem.setting.as_deref() == Some(field.setting));
    let wrong = problem.is_some() || draft.unreadable.contains(field.setting);
    ui.horizontal(|ui| {
        ui.set_min_height(size::CONTROL);
        let changed = default.is_some_and(|default| default != value);
        let color = if changed { ctx.tokens.text } else { ctx.tokens.dim };
        let label = ui.label(RichText::new(field.name).color(color));
        label.on_hover_text(hover(field, default));
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            value_ui(ui, ctx, field, value, checked.choices.get(field.setting), wrong);
            if changed && !wrong {
                let name = format!("{}: back to {}", field.name, default.map_or_else(String::new, |d| plain(d)));
                if PushButton::icon_only(icon::UNDO, &name).show(ui, ctx.tokens).on_hover_text(&name).clicked() {
                    send(ctx, TrainCommand::ResetSetting(field.setting.to_owned()));
                }
            }
        });
    });
    if draft.unreadable.contains(field.setting) {
        let typed = draft.typed.get(field.setting).map(|typed| typed.trim()).unwrap_or_default();
        let words = if typed.is_empty() { "A value is missing".to_owned() } else { format!("{typed} is not a value") };
        alert_ui(ui, ctx, &words, None);
    } else if let Some(problem) = problem {
        alert_ui(ui, ctx, &problem.sentence, None);
    }
}

fn hover(field: &Field, default: Option<&String>) -> String {
    let default = default.map_or_else(String::new, |default| format!("\n{} at first", plain(default)));
    format!("{}\n{}{default}", field.meaning, field.setting)
}

/// Fields of words, and of numbers.
const WIDTHS: [f32; 2] = [124.0, 88.0];

fn value_ui(ui: &mut Ui, ctx: &Ctx<'_>, field: &Field, value: &str, choices: Option<&Vec<String>>, wrong: bool) {
    let setting = field.setting;
    let set = |typed: String| {
        send(ctx, TrainCommand::SetSetting { setting: setting.to_owned(), typed });
    };
    if let Some(choices) = choices {
        let text = plain(value);
        let button = PushButton::new(&text).name(field.name).caret().show(ui, ctx.tokens);
        Popup::menu(&button.on_hover_text(field.meaning)).show(|ui| {
            ui.set_min_width(150.0);
            for choice in choices {
                if super::choice_ui(ui, ctx, choice, "", *choice == text) {
                    set(choice.clone());
                    send(ctx, TrainCommand::LeaveSetting(setting.to_owned()));
                }
            }
        });
        return;
    }
    if value == "true" || value == "false" {
        let mut on = value == "true";
        let response = named(ui, field.name, egui::Checkbox::without_text(&mut on));
        if response.changed() {
            set(on.to_string());
            send(ctx, TrainCommand::LeaveSetting(setting.to_owned()));
        }
        return;
    }
    let draft = &ctx.session.train.draft;
    let width = WIDTHS[usize::from(!value.starts_with('"'))];
    let mut text = draft.typed.get(setting).cloned().unwrap_or_else(|| plain(value));
    let edit = TextEdit::singleline(&mut text)
        .id(egui::Id::unique(("setting", setting)))
        .align(Align2::RIGHT_CENTER)
        .text_color(if wrong { ctx.tokens.danger } else { ctx.tokens.text })
        .desired_width(width);
    let response = ui.add_sized(Vec2::new(width, size::CONTROL - 2.0), edit);
    ui.ctx().accesskit_node_builder(response.id, |node| node.set_label(field.name.to_owned()));
    if wrong {
        let stroke = egui::Stroke::new(size::HAIR, ctx.tokens.danger);
        ui.painter().rect_stroke(response.rect, tokens::radius::CONTROL, stroke, egui::StrokeKind::Inside);
    }
    if response.changed() {
        set(text);
    }
    if response.lost_focus() {
        send(ctx, TrainCommand::LeaveSetting(setting.to_owned()));
    }
    response.on_hover_text(field.meaning);
}

fn text_ui(ui: &mut Ui, ctx: &Ctx<'_>) {
    let draft = &ctx.session.train.draft;
    let mut text = draft.text.clone();
    let edit = TextEdit::multiline(&mut text)
        .id(egui::Id::unique("recipe text"))
        .code_editor()
        .font(tokens::small())
        .desired_rows(24)
        .desired_width(f32::INFINITY);
    let response = named(ui, "Recipe as TOML", edit);
    if response.changed() {
        send(ctx, TrainCommand::SetText(text));
    }
    ui.add_space(space::XS);
    ui.horizontal(|ui| {
        for action in [TrainAction::OpenRecipe, TrainAction::SaveRecipe] {
            let action = Action::Run(action);
            sent(ui, ctx, action, PushButton::new(action.entry().name));
        }
    });
}

/// What a run under way was told.
fn told_ui(ui: &mut Ui, ctx: &Ctx<'_>, run: &str, settings: Option<&std::collections::BTreeMap<String, String>>) {
    section_label(ui, ctx.tokens, "Recipe of this run");
    let Some(settings) = settings else {
        small(ui, ctx, format!("Reading the recipe of {run}…"));
        return;
    };
    for (_, fields) in SECTIONS.iter().skip(1) {
        let known: Vec<&Field> = fields.iter().filter(|field| field.is_shown(settings)).collect();
        // What is turned off is not worth a line.
        let on = |field: &&&Field| !is_off(&settings[field.setting]);
        for field in known.iter().filter(on) {
            fact_ui(ui, ctx, field.name, &plain(&settings[field.setting]), &hover(field, None));
        }
    }
}
