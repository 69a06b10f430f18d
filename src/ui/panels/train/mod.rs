//! The Train workspace: choose what to learn from and how, watch it, compare runs, and let the best one search.

pub mod batch;
pub mod checkpoints;
pub mod curves;
pub mod differences;
mod fields;
pub mod layers;
pub mod recipe;
pub mod run;
pub mod runs;

use egui::{Align, Frame, Popup, RichText, Ui};

use crate::jobs::types::Phase;
use crate::ui::command::{Action, Command};
use crate::ui::context::Ctx;
use crate::ui::fonts::icon;
use crate::ui::layout;
use crate::ui::state::ProjectState;
use crate::ui::tokens::{self, size, space};
use crate::ui::training::{DataChoice, TrainAction, TrainCommand};
use crate::ui::widgets::button::PushButton;
use crate::ui::widgets::dim_label;

/// All of the workspace.
pub fn train_ui(ui: &mut Ui, ctx: &Ctx<'_>) {
    let frame = Frame::new().fill(ctx.tokens.ground);
    egui::CentralPanel::no_frame().frame(frame).show(ui, |ui| match &ctx.session.project {
        ProjectState::Open(_) => layout::layout_ui(ui, ctx),
        ProjectState::Opening => message_ui(ui, ctx, icon::HANGER, "Opening the project…", "", &[]),
        ProjectState::Failed(failure) => {
            let actions = [Action::OpenProject, Action::UseSample];
            message_ui(ui, ctx, icon::WARNING, "There is no project to train on", &failure.sentence, &actions);
        }
    });
}

/// Words in the middle of an empty place, with what can be done about it.
pub fn message_ui(ui: &mut Ui, ctx: &Ctx<'_>, symbol: &str, title: &str, words: &str, actions: &[Action]) {
    ui.vertical_centered(|ui| {
        let height = 96.0 + if actions.is_empty() { 0.0 } else { size::CONTROL + space::M };
        ui.add_space(((ui.available_height() - height) * 0.42).max(space::M));
        let font = egui::FontId::new(tokens::text::ICON_HERO * 0.8, tokens::icons());
        ui.label(RichText::new(symbol).font(font).color(ctx.tokens.dim.gamma_multiply(0.7)));
        ui.label(RichText::new(title).font(tokens::title()).color(ctx.tokens.text));
        if !words.is_empty() {
            ui.set_max_width(ui.available_width().min(360.0));
            ui.label(RichText::new(words).color(ctx.tokens.dim));
        }
        if !actions.is_empty() {
            ui.add_space(space::S);
            ui.horizontal(|ui| {
                let width: f32 = actions.iter().map(|action| 7.2 * action.entry().name.len() as f32 + 24.0).sum();
                ui.add_space(((ui.available_width() - width) / 2.0).max(0.0));
                for &action in actions {
                    crate::ui::widgets::button::action_button(ui, ctx, action, Default::default());
                }
            });
        }
    });
}

fn send(ctx: &Ctx<'_>, command: TrainCommand) {
    ctx.send(Command::Train(command));
}

/// A name at the left and a value at the right, with a hairline below.
fn fact_ui(ui: &mut Ui, ctx: &Ctx<'_>, name: &str, value: &str, hover: &str) {
    let width = ui.available_width();
    let (rect, response) = ui.allocate_exact_size(egui::vec2(width, size::TABLE_ROW + 2.0), egui::Sense::hover());
    let tokens = ctx.tokens;
    let taken = crate::ui::widgets::clipped_text(
        ui.painter(),
        egui::pos2(rect.left(), rect.center().y - 8.0),
        name,
        tokens::body(),
        tokens.dim,
        width * 0.62,
    );
    let mut job = egui::text::LayoutJob::simple_singleline(value.to_owned(), tokens::body(), tokens.text);
    job.wrap = egui::text::TextWrapping::truncate_at_width((width - taken - space::M).max(24.0));
    let galley = ui.painter().layout_job(job);
    ui.painter().galley(
        egui::pos2(rect.right() - galley.size().x, rect.center().y - galley.size().y / 2.0),
        galley,
        tokens.text,
    );
    ui.painter().hline(rect.x_range(), rect.bottom() - size::HAIR / 2.0, tokens.hairline());
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Label, true, format!("{name}: {value}")));
    if !hover.is_empty() {
        response.on_hover_text(hover);
    }
}

/// A name at the left and a button with a menu at the right.
fn menu_row(ui: &mut Ui, ctx: &Ctx<'_>, name: &str, value: &str, hover: &str, menu: impl FnOnce(&mut Ui)) {
    ui.horizontal(|ui| {
        ui.label(RichText::new(name).color(ctx.tokens.dim));
        ui.with_layout(egui::Layout::right_to_left(Align::Center), |ui| {
            let fits = fitting(ui, value, ui.available_width() - 36.0);
            let spoken = format!("{name}: {value}");
            let button = PushButton::new(&fits).name(&spoken).caret().show(ui, ctx.tokens);
            let button = button.on_hover_text(if hover.is_empty() { value } else { hover });
            Popup::menu(&button).show(|ui| {
                ui.set_min_width(260.0);
                menu(ui);
            });
        });
    });
}

/// A text cut to a width, with an ellipsis.
fn fitting(ui: &Ui, text: &str, width: f32) -> String {
    let measure = |text: String| ui.painter().layout_no_wrap(text, tokens::body(), egui::Color32::PLACEHOLDER).size().x;
    if measure(text.to_owned()) <= width {
        return text.to_owned();
    }
    let letters: Vec<char> = text.chars().collect();
    let fits = |count: usize| measure(letters[..count].iter().collect::<String>() + "…") <= width;
    let mut count = letters.len();
    while count > 1 && !fits(count) {
        count -= 1;
    }
    letters[..count].iter().collect::<String>().trim_end().to_owned() + "…"
}

/// A name cut to a width in its middle: names of runs mostly differ at their ends.
fn cut_inside(ui: &Ui, text: &str, width: f32, font: egui::FontId) -> String {
    let measure = |text: &str| ui.painter().layout_no_wrap(text.to_owned(), font.clone(), egui::Color32::PLACEHOLDER);
    let letters: Vec<char> = text.chars().collect();
    let cut = |count: usize| -> String {
        let (head, tail) = (count.div_ceil(2), letters.len() - count / 2);
        letters[..head].iter().chain(['…'].iter()).chain(&letters[tail..]).collect()
    };
    let shorter = || (1..letters.len()).rev().map(cut).find(|text| measure(text).size().x <= width);
    if measure(text).size().x <= width { text.to_owned() } else { shorter().unwrap_or_else(|| "…".to_owned()) }
}

/// One of a menu's choices, with a mark where it is chosen.
fn choice_ui(ui: &mut Ui, ctx: &Ctx<'_>, text: &str, words: &str, on: bool) -> bool {
    let marked = format!("{}  {text}", if on { icon::CHECK } else { "\u{2003}" });
    let button = egui::Button::selectable(on, marked).right_text("");
    let response = ui.add_sized([ui.available_width(), size::CONTROL], button);
    response.widget_info(|| egui::WidgetInfo::selected(egui::Role::MenuItemRadio, true, on, text));
    let response = if words.is_empty() { response } else { response.on_hover_text(words) };
    let _ = ctx;
    response.clicked()
}

/// Words about a failure, read out where they appear.
fn alert_ui(ui: &mut Ui, ctx: &Ctx<'_>, sentence: &str, details: Option<&str>) {
    let text = RichText::new(sentence).font(tokens::small()).color(ctx.tokens.danger);
    let label = ui.add(egui::Label::new(text).wrap());
    ui.ctx().accesskit_node_builder(label.id, |node| node.set_role(egui::Role::Alert));
    if let Some(details) = details {
        label.on_hover_text(details);
    }
}

/// A quiet box around what belongs together.
fn card(ui: &mut Ui, ctx: &Ctx<'_>, content: impl FnOnce(&mut Ui)) {
    let frame = Frame::new()
        .fill(ctx.tokens.panel)
        .stroke(ctx.tokens.hairline())
        .corner_radius(tokens::radius::TILE)
        .inner_margin(egui::Margin::same(space::M as i8));
    frame.show(ui, |ui| {
        ui.set_width(ui.available_width());
        content(ui);
    });
}

/// Seconds as people say them: "45 s", "26 min", "3.4 h".
fn span(seconds: f64) -> String {
    match seconds {
        s if !s.is_finite() => "–".to_owned(),
        s if s < 90.0 => format!("{:.0} s", s.max(0.0)),
        s if s < 90.0 * 60.0 => format!("{:.0} min", s / 60.0),
        s if s < 48.0 * 3600.0 => format!("{:.1} h", s / 3600.0),
        s => format!("{:.1} days", s / 86_400.0),
    }
}

/// Why an action of this workspace would do nothing now.
pub fn unavailable(action: TrainAction, ctx: &Ctx<'_>) -> Option<&'static str> {
    let train = &ctx.session.train;
    match action {
        TrainAction::Start => why_not_start(ctx),
        TrainAction::Pause => match &ctx.activity.live {
            None => Some("no run is under way"),
            Some(live) if live.phase == Phase::Stopping => Some("the run is being stopped"),
            Some(_) => None,
        },
        TrainAction::SaveRecipe if train.draft.text.is_empty() => Some("there is no recipe"),
        _ => None,
    }
}

/// Why no run can be started.
pub fn why_not_start(ctx: &Ctx<'_>) -> Option<&'static str> {
    let (session, train) = (ctx.session, &ctx.session.train);
    let Some(project) = session.project.open() else { return Some("no project is open") };
    if ctx.activity.training.is_some() {
        return Some("training is under way");
    }
    if project.read_only.is_some() {
        return Some("nothing can be saved in this project");
    }
    match train.choice {
        DataChoice::Corrections if session.labels.untrained == 0 => Some("there is no correction to train on"),
        DataChoice::Corrections => None,
        DataChoice::Photos(data) => match train.data_of(data) {
            Some(summary) if summary.problem.is_some() => Some("these photos cannot be trained on"),
            _ if train.draft.checked_serial != train.draft.serial => Some("the recipe is being checked"),
            _ if !train.draft.is_sound() => Some("something is wrong with the recipe"),
            _ => None,
        },
    }
}

/// A line of small print.
fn small(ui: &mut Ui, ctx: &Ctx<'_>, text: impl Into<String>) {
    dim_label(ui, ctx.tokens, text);
}

#[cfg(test)]
mod tests {
    use super::span;

    #[test]
    fn times_are_said_in_one_unit() {
        let said = [0.2, 45.0, 100.0, 1560.0, 12_240.0, 400_000.0, f64::NAN].map(span);
        assert_eq!(said, ["0 s", "45 s", "2 min", "26 min", "3.4 h", "4.6 days", "–"]);
    }
}
