//! What if a region were ignored, or looked like the product? What both questions share: the switch between them, how
//! cells are chosen, and the table of two answers.

use egui::{RichText, ScrollArea, Ui};

use super::{RowKind, board_side, change, flag_ui, ignore, rank_change, row_ui, subject_plan, swap};
use crate::domain::{Agreement, PairSide, Region, Standing};
use crate::ui::command::{Action, Command};
use crate::ui::context::Ctx;
use crate::ui::figures::counted;
use crate::ui::study::{StudyCommand, WhatIf};
use crate::ui::tokens::{self, space};
use crate::ui::widgets::button::{PushButton, sent};
use crate::ui::widgets::cell_board::BoardUse;
use crate::ui::widgets::section_label;
use crate::ui::widgets::segmented::{Choice, segmented_named};

/// Right edges of the columns, as shares of the width.
pub(super) const COLUMNS: [f32; 4] = [0.48, 0.66, 0.82, 1.0];
pub(super) const HEAD: [&str; 4] = ["Score", "Change", "Rank", "Change"];

pub fn what_if_ui(ui: &mut Ui, ctx: &Ctx<'_>) {
    let Some(plan) = subject_plan(ui, ctx) else { return };
    let side = board_side(ui.available_height());
    ScrollArea::vertical().id_salt("what if").auto_shrink(false).show(ui, |ui| {
        ui.spacing_mut().item_spacing.y = space::XS + 2.0;
        switch_ui(ui, ctx);
        match ctx.session.study.what_if {
            WhatIf::Ignore => ignore::ignore_ui(ui, ctx, plan, side),
            WhatIf::Swap => swap::swap_ui(ui, ctx, plan, side),
        }
    });
}

fn switch_ui(ui: &mut Ui, ctx: &Ctx<'_>) {
    let kinds = [WhatIf::Ignore, WhatIf::Swap];
    let actions = [Action::IgnoreRegion, Action::SwapRegion];
    let meanings = actions.map(|action| action.hover_text(ui.ctx()));
    let choices = [
        Choice { text: "Ignore", name: "Ignore the cells", meaning: &meanings[0] },
        Choice { text: "Swap", name: "Swap the cells", meaning: &meanings[1] },
    ];
    let on = kinds.iter().position(|&kind| kind == ctx.session.study.what_if).unwrap_or(0);
    if let Some(index) = segmented_named(ui, ctx.tokens, &choices, on) {
        ctx.act(actions[index]);
    }
}

/// Tells what was done to the cells of a photo.
pub(super) fn choose(ui: &Ui, ctx: &Ctx<'_>, side: PairSide, used: BoardUse) {
    let region = &ctx.session.study.region;
    let cells: Vec<usize> = if region.side == side { region.cells().to_vec() } else { Vec::new() };
    let picked = match (used.drawn, used.toggled) {
        // With Shift a rectangle is added to what is chosen.
        (Some(drawn), _) if ui.input(|input| input.modifiers.shift) => cells.into_iter().chain(drawn).collect(),
        (Some(drawn), _) => drawn,
        (None, Some(cell)) if cells.contains(&cell) => cells.into_iter().filter(|&other| other != cell).collect(),
        (None, Some(cell)) => cells.into_iter().chain([cell]).collect::<Vec<_>>(),
        (None, None) => return,
    };
    ctx.send(Command::Study(StudyCommand::Choose(Region::new(side, picked))));
}

/// "Without 6 cells of the street photo", with a way back.
pub(super) fn chosen_ui(ui: &mut Ui, ctx: &Ctx<'_>, doing: &str) {
    let region = &ctx.session.study.region;
    ui.horizontal(|ui| {
        let count = counted(region.cells().len(), "cell");
        section_label(ui, ctx.tokens, &format!("{doing} {count} of the {}", region.side.name()));
        let entry = Action::ClearRegion.entry();
        sent(ui, ctx, Action::ClearRegion, PushButton::icon_only(entry.icon, entry.name));
    });
}

/// The match as it is, and both answers.
pub(super) fn both_ui(ui: &mut Ui, ctx: &Ctx<'_>, before: &Standing, answers: [(&str, &Standing); 2]) {
    ui.scope(|ui| {
        ui.spacing_mut().item_spacing.y = 0.0;
        row_ui(ui, ctx, "", HEAD.map(str::to_owned), COLUMNS, RowKind::Head);
        standing_row(ui, ctx, "As it is", before, None);
        for (name, standing) in answers {
            standing_row(ui, ctx, name, standing, Some(before));
        }
    });
}

pub(super) fn agreement_ui(ui: &mut Ui, ctx: &Ctx<'_>, agreement: Agreement) {
    match agreement {
        Agreement::Agree => dim_words(ui, ctx, "The answers agree"),
        Agreement::ContextLeaks => flag_ui(ui, ctx, "The answers disagree: context leaks into these cells"),
        Agreement::GlobalDecides => {
            flag_ui(ui, ctx, "The scores move in opposite directions: the global part decides, not these cells");
        }
    }
}

/// "They disagree where…", and what ranks are among.
pub(super) fn rule_words(candidates: usize) -> String {
    format!(
        "They disagree where their structural changes differ by more than {:.0} % of the larger one. Ranks are among \
         {candidates} photos",
        100.0 * Agreement::SHARE
    )
}

pub(super) fn dim_words(ui: &mut Ui, ctx: &Ctx<'_>, text: &str) {
    let text = RichText::new(text).font(tokens::small()).color(ctx.tokens.dim);
    ui.add(egui::Label::new(text).wrap());
}

pub(super) fn standing_row(
    ui: &mut Ui,
    ctx: &Ctx<'_>,
    name: &str,
    standing: &Standing,
    before: Option<&Standing>,
) -> egui::Response {
    let figures = [
        format!("{:.4}", standing.score),
        before.map_or_else(String::new, |before| change(standing.score, before.score)),
        format!("{}", standing.rank),
        before.map_or_else(String::new, |before| rank_change(before.rank, standing.rank)),
    ];
    row_ui(ui, ctx, name, figures, COLUMNS, RowKind::Plain)
}
