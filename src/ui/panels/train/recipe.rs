//! The recipe: its main settings as fields with what is wrong beside them, all of it as TOML; while a run goes on, what
//! that run was told.

use egui::{Align, Align2, Layout, Popup, RichText, TextEdit, Ui, Vec2};

use super::{alert_ui, fact_ui, message_ui, send, small};
use crate::jobs::types::CheckedRecipe;
use crate::ui::command::Action;
use crate::ui::context::Ctx;
use crate::ui::fonts::icon;
use crate::ui::tokens::{self, size, space};
use crate::ui::training::{DataChoice, TrainAction, TrainCommand, plain};
use crate::ui::widgets::button::{Look, PushButton, sent};
use crate::ui::widgets::{named, section_label};

/// One setting that is shown as a field.
struct Field {
    setting: &'static str,
    name: &'static str,
    meaning: &'static str,
}

const fn field(setting: &'static str, name: &'static str, meaning: &'static str) -> Field {
    Field { setting, name, meaning }
}

/// The settings that are turned most, by section; the rest is in the text.
const SECTIONS: &[(&str, &[Field])] = &[
    (
        "Run",
        &[
            field("name", "Name", "What the run and its model are called"),
            field("seed", "Seed", "All that is random follows from it: the same seed gives the same run"),
        ],
    ),
    (
        "Network",
        &[
            field("model.arch", "Backbone", "The network's shape"),
            field("model.width", "Width", "Channels of the first stage; 64 is the published network"),
            field("model.last_stride", "Last stride", "2, or 1 for twice as fine a grid of cells"),
            field("model.pooling", "Pooling", "How the cells of a photo become one vector"),
            field("model.neck", "Neck", "A normalisation between embedding and classifier"),
            field("model.relaxation", "Relaxation", "Channels of the relaxation on the classifier’s path; 0 has none"),
            field("model.projections", "By category", "An embedding for each kind of garment instead of one for all"),
            field("model.dim", "Embedding", "Length of a cell’s and of the global vector"),
            field("model.input_size", "Input, px", "Side of the square that the finished model looks at"),
        ],
    ),
    (
        "Data",
        &[
            field("data.label_fraction", "Labels used", "Share of the training products whose labels are used, 0 to 1"),
            field("data.train_size", "Training size, px", "Side of the squares that are trained on"),
            field("data.products", "Products in a batch", "A batch holds so many products"),
            field("data.photos", "Photos of each", "Half of them street photos"),
            field("data.recolour", "Recoloured", "Probability that a product is shown in other colours, 0 to 1"),
        ],
    ),
    (
        "Losses",
        &[
            field("loss.cross_entropy", "Cross-entropy", "Weight of telling kinds of garment apart; 0 turns it off"),
            field("loss.triplet", "Triplet", "Weight of the triplet loss across street and shop; 0 turns it off"),
            field("loss.margin", "Margin", "How much nearer the right product must be than a wrong one"),
            field(
                "loss.info_nce",
                "InfoNCE",
                "Weight of picking the right product among all of a batch; 0 turns it off",
            ),
            field("loss.temperature", "Temperature", "Of InfoNCE: small looks at the hardest products only"),
            field(
                "loss.structural",
                "Structural",
                "Weight of the triplet on transport plans between cells; 0 turns it off",
            ),
        ],
    ),
    (
        "Schedule",
        &[
            field("schedule.epochs", "Epochs", "How often all photos are seen"),
            field("optimizer.kind", "Optimizer", "How gradients become steps"),
            field("optimizer.rate", "Learning rate", "At its peak"),
            field("schedule.curve", "Course of the rate", "How the rate falls after its peak"),
            field("schedule.warmup_epochs", "Warm-up epochs", "In which the rate rises to its peak"),
            field("optimizer.weight_decay", "Weight decay", "How strongly weights are drawn towards 0"),
            field(
                "optimizer.ema",
                "Averaging",
                "Share that the averaged weights keep at each step; 0 averages nothing",
            ),
        ],
    ),
];

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
        let in_a_field = problem.setting.as_deref().is_some_and(is_field);
        draft.as_text || !in_a_field
    });
    if let Some(problem) = elsewhere {
        alert_ui(ui, ctx, &crate_sentence(&problem.sentence), None);
        ui.add_space(space::XS);
    }
}

fn is_field(setting: &str) -> bool {
    SECTIONS.iter().any(|(_, fields)| fields.iter().any(|field| field.setting == setting))
}

/// Begins with a capital letter, unless it begins with the name of a setting.
fn crate_sentence(text: &str) -> String {
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
        let known: Vec<&Field> = fields.iter().filter(|field| checked.values.contains_key(field.setting)).collect();
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
        let known: Vec<&Field> = fields.iter().filter(|field| settings.contains_key(field.setting)).collect();
        // What is turned off is not worth a line.
        let on = |field: &&&Field| !["0", "0.0", "false"].contains(&settings[field.setting].as_str());
        for field in known.iter().filter(on) {
            fact_ui(ui, ctx, field.name, &plain(&settings[field.setting]), &hover(field, None));
        }
    }
}
