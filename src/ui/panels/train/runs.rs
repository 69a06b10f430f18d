//! The table of runs: which there are, how good they became, and which are drawn.

use egui::{Align2, Key, Pos2, Rect, Role, ScrollArea, Sense, Stroke, Ui, Vec2, WidgetInfo};

use super::{message_ui, send, small, span};
use crate::jobs::types::{RunState, RunSummary};
use crate::ui::context::Ctx;
use crate::ui::figures::counted;
use crate::ui::fonts::icon;
use crate::ui::panels::history::when;
use crate::ui::tokens::{self, radius, size, space};
use crate::ui::training::{MOST_SHOWN, TrainCommand};
use crate::ui::widgets::{chart, focus_ring, section_label};

const ROW: f32 = 28.0;

/// Right edges of the columns after the name, from the right.
const COLUMNS: [(&str, f32, &str); 3] = [
    ("Recall@1", 106.0, "Best of the validation split"),
    ("mAP", 58.0, "Mean average precision where recall@1 was best"),
    ("Time", 0.0, "Of all sittings"),
];

pub fn runs_ui(ui: &mut Ui, ctx: &Ctx<'_>) {
    let train = &ctx.session.train;
    section_label(ui, ctx.tokens, "Runs");
    let Some(runs) = &train.runs else {
        small(ui, ctx, "Reading the runs of this project…");
        return;
    };
    if runs.is_empty() {
        message_ui(
            ui,
            ctx,
            icon::STACK,
            "No runs yet",
            "Every run is listed here with its curves, settings and checkpoints",
            &[],
        );
        return;
    }
    let width = ui.available_width();
    let (rect, _) = ui.allocate_exact_size(Vec2::new(width, size::TABLE_ROW), Sense::hover());
    let y = rect.center().y;
    let font = tokens::small();
    ui.painter().text(Pos2::new(rect.left() + 22.0, y), Align2::LEFT_CENTER, "Run", font.clone(), ctx.tokens.dim);
    for (name, from_right, meaning) in COLUMNS {
        let at = Pos2::new(rect.right() - from_right - space::S, y);
        let drawn = ui.painter().text(at, Align2::RIGHT_CENTER, name, font.clone(), ctx.tokens.dim);
        ui.interact(drawn, ui.scope_id().with(("column", name)), Sense::hover()).on_hover_text(meaning);
    }
    ui.painter().hline(rect.x_range(), rect.bottom(), ctx.tokens.hairline());
    ui.spacing_mut().item_spacing.y = 0.0;
    ScrollArea::vertical().auto_shrink(false).show_rows(ui, ROW, runs.len(), |ui, range| {
        for index in range {
            row_ui(ui, ctx, runs, index);
        }
    });
}

/// What a run is at, as a sign; nothing for those that are done.
fn state_sign(state: RunState) -> &'static str {
    match state {
        RunState::Running => icon::PLAY,
        RunState::Finished => "",
        RunState::Stopped => icon::STOP,
        RunState::Interrupted => icon::WARNING,
    }
}

fn row_ui(ui: &mut Ui, ctx: &Ctx<'_>, runs: &[RunSummary], index: usize) {
    let (train, tokens) = (&ctx.session.train, ctx.tokens);
    let run = &runs[index];
    let (rect, _) = ui.allocate_exact_size(Vec2::new(ui.available_width(), ROW), Sense::hover());
    let id = egui::Id::unique(("run", &run.run));
    let mark_rect = Rect::from_min_size(rect.min, Vec2::new(20.0, ROW));
    let rest = Rect::from_min_max(mark_rect.right_top(), rect.max);
    let response = ui.interact(rest, id, Sense::click());
    let selected = train.selected.as_ref() == Some(&run.run);
    let words = words_of(run);
    response.widget_info(|| WidgetInfo::selected(Role::Row, true, selected, &words));
    if selected || response.hovered() {
        ui.painter().rect_filled(rect, radius::CONTROL, if selected { tokens.accent_soft } else { tokens.chip });
    }
    mark_ui(ui, ctx, run, mark_rect);
    let y = rect.center().y;
    let name_right = rect.right() - COLUMNS[0].1 - 50.0;
    let color = if run.state == RunState::Running { tokens.accent } else { tokens.dim };
    let state = ui.painter().layout_no_wrap(state_sign(run.state).to_owned(), tokens::small(), color);
    let room = name_right - rest.left() - state.size().x - space::XS;
    let font = if selected { tokens::strong() } else { tokens::body() };
    let name = super::cut_inside(ui, run.run.as_str(), room, font.clone());
    let taken =
        ui.painter().text(Pos2::new(rest.left() + 2.0, y), Align2::LEFT_CENTER, name, font, tokens.text).width();
    ui.painter().galley(Pos2::new(rest.left() + 2.0 + taken + space::XS, y - state.size().y / 2.0), state, color);
    let share = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| format!("{value:.3}"));
    // A run under way is summed up when it ends; one that has only just been listed is in its first sitting.
    let first = run.state == RunState::Running && run.seconds < 1.0;
    let seconds = if first { (ctx.unix_secs as f64 - run.begun).max(0.0) } else { run.seconds };
    let values = [share(run.recall_at_1), share(run.mean_average_precision), span(seconds)];
    for ((_, from_right, _), value) in COLUMNS.into_iter().zip(values) {
        let at = Pos2::new(rect.right() - from_right - space::S, y);
        ui.painter().text(at, Align2::RIGHT_CENTER, value, tokens::body(), tokens.text);
    }
    if !selected {
        ui.painter().hline(rect.x_range(), rect.bottom() - size::HAIR / 2.0, tokens.hairline());
    }
    if response.has_focus() {
        focus_ring(ui.painter(), tokens, rect.shrink(1.0), radius::CONTROL);
        arrows(ui, ctx, runs, index, &response);
    }
    let began = when((run.begun * 1000.0) as i64, ctx.unix_secs);
    let hover = format!("{words}\nBegun {began} on {}", run.device);
    if response.on_hover_text(hover).clicked() {
        send(ctx, TrainCommand::Select(run.run.clone()));
    }
}

fn words_of(run: &RunSummary) -> String {
    let state = match run.state {
        RunState::Running => "running",
        RunState::Finished => "finished",
        RunState::Stopped => "stopped",
        RunState::Interrupted => "cut short",
    };
    let measured = run.recall_at_1.map_or_else(String::new, |recall| format!(", recall@1 {recall:.3}"));
    format!(
        "Run {}: {state} at step {} of {}{measured}, {}",
        run.run,
        run.step,
        run.steps,
        counted(run.checkpoints.len(), "checkpoint")
    )
}

/// The mark before a run: filled in its colour while its curves are drawn.
fn mark_ui(ui: &Ui, ctx: &Ctx<'_>, run: &RunSummary, rect: Rect) {
    let train = &ctx.session.train;
    let place = train.place(&run.run);
    let id = egui::Id::unique(("draw run", &run.run));
    let response = ui.interact(rect, id, Sense::click());
    let full = place.is_none() && train.drawn().count() >= MOST_SHOWN;
    let name = format!("Draw the curves of {}", run.run);
    response.widget_info(|| WidgetInfo::selected(Role::CheckBox, !full, place.is_some(), &name));
    let center = Pos2::new(rect.left() + 9.0, rect.center().y);
    match place {
        Some(place) => {
            let alone = train.drawn().count() == 1;
            let color = if alone { ctx.tokens.text } else { chart::looks(ctx.tokens, place).0 };
            ui.painter().circle_filled(center, 4.5, color);
        }
        None => {
            let color = if response.hovered() && !full { ctx.tokens.text } else { ctx.tokens.dim.gamma_multiply(0.6) };
            ui.painter().circle_stroke(center, 4.0, Stroke::new(1.2, color));
        }
    }
    if response.has_focus() {
        focus_ring(ui.painter(), ctx.tokens, Rect::from_center_size(center, Vec2::splat(14.0)), radius::CONTROL);
    }
    let hover = if full { format!("{MOST_SHOWN} runs are drawn at most; take one away first") } else { name };
    if response.on_hover_text(hover).clicked() && !full {
        send(ctx, TrainCommand::Show { run: run.run.clone(), shown: place.is_none() });
    }
}

/// Up and down go through the table.
fn arrows(ui: &Ui, ctx: &Ctx<'_>, runs: &[RunSummary], index: usize, response: &egui::Response) {
    ctx.take_arrows();
    let filter = egui::EventFilter { vertical_arrows: true, ..egui::EventFilter::default() };
    ui.memory_mut(|memory| memory.set_focus_lock_filter(response.id, filter));
    // Taken out of the input, or the row that gets the focus now would see it too.
    let pressed = |key| ui.input_mut(|input| input.consume_key(egui::Modifiers::NONE, key));
    let next = if pressed(Key::ArrowDown) {
        index + 1
    } else if pressed(Key::ArrowUp) && index > 0 {
        index - 1
    } else {
        return;
    };
    if let Some(run) = runs.get(next) {
        ui.memory_mut(|memory| memory.request_focus(egui::Id::unique(("run", &run.run))));
        send(ctx, TrainCommand::Select(run.run.clone()));
    }
}
