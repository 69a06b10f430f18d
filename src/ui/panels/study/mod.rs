//! The shown match, taken apart: would it hold without a part, why does it stand above another, and does its plan
//! point at what the model used?

pub mod above;
pub mod ignore;
pub mod swap;
pub mod test;
pub mod what_if;

use egui::{Align2, Color32, Pos2, Rect, RichText, Role, Sense, Stroke, Ui, Vec2, WidgetInfo};

use super::{notices, pair};
use crate::domain::Hit;
use crate::jobs::types::Question;
use crate::ui::command::Action;
use crate::ui::context::Ctx;
use crate::ui::figures::{counted, signed};
use crate::ui::fonts::icon;
use crate::ui::state::{Plan, Query};
use crate::ui::tokens::{self, size, space};
use crate::ui::widgets::button::{Look, PushButton, action_button, sent};
use crate::ui::widgets::cell_board::Tint;
use crate::ui::widgets::{clipped_text, dim_label, progress};

/// Shares of the largest change below which a cell bears no mark.
const MARKED: f32 = 0.15;
/// Points across that the row of questions takes with the keys on its buttons.
const ROW_WITH_KEYS: f32 = 620.0;
/// The strongest tint.
const TINT: f32 = 0.62;

/// Questions about the shown match, at its foot.
pub fn entries_ui(ui: &mut Ui, ctx: &Ctx<'_>, query: &Query) {
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing = Vec2::splat(space::XS + 2.0);
        let above = match next_rank(query) {
            Some(hit) => format!("Why above rank {}…", hit.rank),
            None => Action::WhyAbove.entry().name.to_owned(),
        };
        // Where there is little room the keys are left to the tooltips, so that one row is enough.
        let keys = ui.available_width() >= ROW_WITH_KEYS;
        entry_ui(ui, ctx, Action::WhyAbove, &above, keys);
        for action in [Action::IgnoreRegion, Action::TestReason] {
            entry_ui(ui, ctx, action, action.entry().name, keys);
        }
        let save = Action::SaveEvidence.entry();
        if keys {
            entry_ui(ui, ctx, Action::SaveEvidence, save.name, true);
        } else {
            sent(ui, ctx, Action::SaveEvidence, PushButton::new("Evidence…").name(save.name));
        }
    });
}

fn entry_ui(ui: &mut Ui, ctx: &Ctx<'_>, action: Action, text: &str, with_key: bool) {
    let key = action.key_text(ui.ctx()).filter(|_| with_key);
    sent(ui, ctx, action, PushButton::new(text).key(key));
}

/// The result after the shown one, where both were compared cell by cell.
pub fn next_rank(query: &Query) -> Option<&Hit> {
    let ranking = query.ranking.as_ref()?;
    let next = ranking.hits.get(query.selected_place()? + 1)?;
    next.structural.map(|_| next)
}

/// Said over the plan where a test found that it explains little.
pub fn warning_ui(ui: &mut Ui, ctx: &Ctx<'_>) {
    let Some(words) = ctx.session.study.warning() else { return };
    flag_ui(ui, ctx, words);
}

/// One sentence that must not be overlooked: by sign, colour and role.
fn flag_ui(ui: &mut Ui, ctx: &Ctx<'_>, words: &str) {
    let tokens = ctx.tokens;
    let width = ui.available_width();
    let mut job = egui::text::LayoutJob::default();
    job.append(icon::WARNING, 0.0, egui::TextFormat::simple(tokens::icon(), tokens.down));
    job.append(words, space::XS + 2.0, egui::TextFormat::simple(tokens::body(), tokens.down));
    job.wrap.max_width = width - 2.0 * space::S;
    let galley = ui.painter().layout_job(job);
    let (rect, response) = ui.allocate_exact_size(Vec2::new(width, galley.size().y + 2.0 * space::XS), Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(Role::Alert, true, words));
    ui.painter().rect_stroke(rect, 4, Stroke::new(size::HAIR, tokens.down), egui::StrokeKind::Inside);
    ui.painter().galley(rect.min + Vec2::new(space::S, space::XS), galley, tokens.down);
}

/// The shown plan, where answers can be about it; else why there is none.
fn subject_plan<'a>(ui: &mut Ui, ctx: &'a Ctx<'_>) -> Option<&'a Plan> {
    let plan = pair::shown_plan(ctx).map(|(plan, _)| plan);
    if plan.is_none() {
        let goes_with = ctx.session.goes_with();
        let words = if goes_with {
            "What goes well with a garment has no plan to ask about"
        } else {
            "Choose a result to ask about it"
        };
        dim_label(ui, ctx.tokens, words);
    } else if let Some(words) = ctx.session.query.as_ref().and_then(composed_words) {
        ui.add(egui::Label::new(RichText::new(words).font(tokens::small()).color(ctx.tokens.dim)).wrap());
    }
    plan
}

/// Which of several photos an answer is about; `None` where there is one.
fn composed_words(query: &Query) -> Option<String> {
    let examples = query.recipe.liked.len() + query.recipe.disliked.len();
    let others = [(query.also.len(), "added photo"), (examples, "liked or disliked product")];
    let parts: Vec<String> =
        others.into_iter().filter(|(count, _)| *count > 0).map(|(count, what)| counted(count, what)).collect();
    let words = format!("About the cells of {}; in the global part count also ", query.name);
    (!parts.is_empty()).then(|| format!("{words}{}, as in the search", parts.join(" and ")))
}

/// What is under way or went wrong with a question of this kind; true while it is being answered.
fn state_ui(ui: &mut Ui, ctx: &Ctx<'_>, is_this: impl Fn(&Question) -> bool) -> bool {
    let study = &ctx.session.study;
    if let Some((_, failure)) = study.failed.as_ref().filter(|(question, _)| is_this(question)) {
        notices::failure_card_ui(ui, ctx, failure);
    }
    if !study.asked.as_ref().is_some_and(is_this) {
        return false;
    }
    let work = ctx.activity.studying.as_ref();
    let (what, fraction) = work.map_or(("Working", 0.0), |work| (work.what, work.fraction()));
    ui.horizontal(|ui| {
        action_button(ui, ctx, Action::StopStudy, Look::Ghost);
        ui.vertical(|ui| {
            let count = work.filter(|work| work.total > 0).map(|work| format!(", {} of {}", work.done, work.total));
            dim_label(ui, ctx.tokens, format!("{what}{}", count.unwrap_or_default()));
            progress::progress_bar(ui, ctx.tokens, what, fraction);
        });
    });
    true
}

/// Two hues that everyone tells apart, stronger with the size of the change; the mark says the sign by shape.
fn tint(ctx: &Ctx<'_>, change: f32, largest: f32) -> Option<Tint> {
    let share = (change.abs() / largest).min(1.0);
    if share.is_nan() || share < 0.02 {
        return None;
    }
    let color = if change > 0.0 { ctx.tokens.gain } else { ctx.tokens.loss };
    let mark = match change {
        _ if share < MARKED => "",
        change if change > 0.0 => "+",
        _ => "−",
    };
    Some(Tint { color: color.gamma_multiply(TINT * share), mark })
}

fn largest(changes: impl Iterator<Item = f32>) -> f32 {
    changes.map(f32::abs).fold(0.0, f32::max)
}

/// What blue and orange mean, with their range.
fn hues_ui(ui: &mut Ui, ctx: &Ctx<'_>, gain: &str, loss: &str, largest: f32) {
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing = Vec2::new(space::XS + 2.0, 2.0);
        for (color, words) in [(ctx.tokens.gain, format!("+ {gain}")), (ctx.tokens.loss, format!("− {loss}"))] {
            swatch_ui(ui, color);
            dim_label(ui, ctx.tokens, words);
        }
        dim_label(ui, ctx.tokens, format!("0 … {largest:.4} of score"));
    });
}

fn swatch_ui(ui: &mut Ui, color: Color32) {
    let (rect, _) = ui.allocate_exact_size(Vec2::new(size::SWATCH, 14.0), Sense::hover());
    ui.painter().rect_filled(Rect::from_center_size(rect.center(), Vec2::splat(size::SWATCH)), 2, color);
}

#[derive(Clone, Copy, PartialEq)]
enum RowKind {
    Head,
    Plain,
    Total,
}

/// A row of a table: a name, and figures whose right edges stand at shares of the width.
fn row_ui<const N: usize>(
    ui: &mut Ui,
    ctx: &Ctx<'_>,
    name: &str,
    figures: [String; N],
    columns: [f32; N],
    kind: RowKind,
) -> egui::Response {
    let tokens = ctx.tokens;
    let (rect, response) = ui.allocate_exact_size(Vec2::new(ui.available_width(), size::TABLE_ROW), Sense::click());
    let words = std::iter::once(name).chain(figures.iter().map(String::as_str));
    let words = words.filter(|text| !text.is_empty()).collect::<Vec<_>>().join(", ");
    response.widget_info(|| WidgetInfo::labeled(Role::Row, true, &words));
    let painter = ui.painter();
    if response.hovered() && kind == RowKind::Plain {
        painter.rect_filled(rect, 4, tokens.chip);
    }
    painter.hline(rect.x_range(), rect.bottom(), tokens.hairline());
    let (font, color) = match kind {
        RowKind::Head => (tokens::small(), tokens.dim),
        RowKind::Plain => (tokens::body(), tokens.text),
        RowKind::Total => (tokens::strong(), tokens.text),
    };
    let first = columns.first().map_or(1.0, |right| right - 0.14);
    let at = Pos2::new(rect.left() + space::XS, rect.center().y - 8.0);
    clipped_text(painter, at, name, font.clone(), color, first * rect.width() - space::XS);
    for (figure, right) in figures.iter().zip(columns) {
        let at = Pos2::new(rect.left() + right * rect.width() - space::XS, rect.center().y);
        painter.text(at, Align2::RIGHT_CENTER, figure, font.clone(), color);
    }
    if response.has_focus() {
        crate::ui::widgets::focus_ring(painter, tokens, rect, 4);
    }
    response
}

/// "▲ 2", "▼ 1", "same" of a rank.
fn rank_change(before: usize, after: usize) -> String {
    match after.cmp(&before) {
        std::cmp::Ordering::Less => format!("▲ {}", before - after),
        std::cmp::Ordering::Greater => format!("▼ {}", after - before),
        std::cmp::Ordering::Equal => "same".to_owned(),
    }
}

fn change(after: f32, before: f32) -> String {
    signed(f64::from(after) - f64::from(before), 4)
}

fn text_ui(ui: &mut Ui, ctx: &Ctx<'_>, text: &str) {
    ui.label(RichText::new(text).font(tokens::body()).color(ctx.tokens.text));
}

/// Side of a photo on which cells are looked at, in a pane of this height: what is said about it is to be seen too.
fn board_side(room: f32) -> f32 {
    (0.42 * room).clamp(150.0, 340.0)
}

/// Squares side by side, as large as the width and this height allow.
fn squares<const N: usize>(ui: &mut Ui, most: f32) -> [Rect; N] {
    let gap = space::M;
    let width = ui.available_width();
    let side = ((width - gap * (N as f32 - 1.0)) / N as f32).min(most).max(40.0).floor();
    let (rect, _) = ui.allocate_exact_size(Vec2::new(width, side), Sense::hover());
    std::array::from_fn(|index| {
        let left = rect.left() + index as f32 * (side + gap);
        Rect::from_min_size(Pos2::new(left, rect.top()), Vec2::splat(side))
    })
}
