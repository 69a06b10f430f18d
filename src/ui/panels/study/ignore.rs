//! "Ignore a region…": two answers side by side, and what each cell alone is worth.

use egui::{ScrollArea, Ui};

use super::what_if::{COLUMNS, HEAD, agreement_ui, both_ui, choose, chosen_ui, dim_words, rule_words, standing_row};
use super::{RowKind, change, hues_ui, largest, row_ui, squares, state_ui, text_ui, tint};
use crate::domain::{CellStandings, Counterfactual, PairSide, Region};
use crate::jobs::types::Question;
use crate::ui::command::Command;
use crate::ui::context::Ctx;
use crate::ui::state::Plan;
use crate::ui::study::StudyCommand;
use crate::ui::tokens::{size, space};
use crate::ui::widgets::cell_board::CellBoard;
use crate::ui::widgets::segmented::segmented;
use crate::ui::widgets::{dim_label, section_label};

const SIDES: [PairSide; 2] = [PairSide::Query, PairSide::Gallery];

pub(super) fn ignore_ui(ui: &mut Ui, ctx: &Ctx<'_>, plan: &Plan, side: f32) {
    text_ui(ui, ctx, "Would the match hold without a part of either photo?");
    boards_ui(ui, ctx, plan, side);
    answer_ui(ui, ctx);
    ui.add_space(space::S);
    list_ui(ui, ctx);
}

fn boards_ui(ui: &mut Ui, ctx: &Ctx<'_>, plan: &Plan, side: f32) {
    let study = &ctx.session.study;
    let pair = &plan.info.pair.plan;
    let places: [egui::Rect; 2] = squares(ui, side);
    for (side, square) in SIDES.into_iter().zip(places) {
        let (name, picture, grid) = match side {
            PairSide::Query => ("Cells of the street photo to ignore", &plan.info.query_picture, pair.query()),
            PairSide::Gallery => ("Cells of the product photo to ignore", &plan.info.gallery_picture, pair.gallery()),
        };
        let each = study.each_of(side).filter(|each| each.grid == grid);
        let most = each.map_or(0.0, |each| most_of(each));
        let tints = |cell: usize| each.and_then(|each| tint(ctx, worth(each, cell), most));
        let chosen = |cell: usize| study.region.side == side && study.region.contains(cell);
        let words = |cell: usize| match each {
            Some(each) => format!(
                "{}: without it {:.3} ({}), rank {}",
                grid.name(cell),
                each.cells[cell].score,
                change(each.cells[cell].score, each.before.score),
                each.cells[cell].rank
            ),
            None => grid.name(cell),
        };
        let board =
            CellBoard { tint: &tints, chosen: &chosen, pickable: true, ..CellBoard::new(name, picture, grid, &words) };
        let used = board.show(ui, ctx, square);
        choose(ui, ctx, side, used);
    }
    let most = largest(study.each.iter().map(|each| most_of(each)));
    if most > 0.0 {
        hues_ui(ui, ctx, "supports the match", "speaks against it", most);
    }
}

/// What a cell is worth: by how much the score falls without it.
fn worth(each: &CellStandings, cell: usize) -> f32 {
    each.before.score - each.cells[cell].score
}

fn most_of(each: &CellStandings) -> f32 {
    largest((0..each.cells.len()).map(|cell| worth(each, cell)))
}

fn answer_ui(ui: &mut Ui, ctx: &Ctx<'_>) {
    let study = &ctx.session.study;
    if study.region.cells().is_empty() {
        dim_label(ui, ctx.tokens, "Draw a rectangle over a photo, or choose its cells, to ignore them");
        return;
    }
    chosen_ui(ui, ctx, "Without");
    state_ui(ui, ctx, |question| matches!(question, Question::Ignore(_)));
    if let Some(answer) = study.ignored_region() {
        result_ui(ui, ctx, answer);
    }
}

fn result_ui(ui: &mut Ui, ctx: &Ctx<'_>, answer: &Counterfactual) {
    both_ui(ui, ctx, &answer.before, [("Weights masked", &answer.masked), ("Pixels hidden", &answer.hidden)]);
    agreement_ui(ui, ctx, answer.agreement);
    let [r, g, b] = answer.fill;
    dim_words(
        ui,
        ctx,
        &format!(
            "Masked: these cells weigh nothing, features and global part stay. Hidden: their pixels take the photo’s \
             mean colour (#{r:02x}{g:02x}{b:02x}) and the photo is encoded again. {}",
            rule_words(answer.candidates)
        ),
    );
}

/// Score and rank if each cell alone were ignored.
fn list_ui(ui: &mut Ui, ctx: &Ctx<'_>) {
    let study = &ctx.session.study;
    section_label(ui, ctx.tokens, "Each cell alone, weights masked");
    let choices = [
        ("Street photo", "List the cells of the street photo"),
        ("Product photo", "List the cells of the product photo"),
    ];
    let on = SIDES.iter().position(|&side| side == study.listed).unwrap_or(0);
    if let Some(index) = segmented(ui, ctx.tokens, &choices, on) {
        ctx.send(Command::Study(StudyCommand::List(SIDES[index])));
    }
    state_ui(ui, ctx, |question| matches!(question, Question::IgnoreEach(_)));
    let Some(each) = study.each_of(study.listed) else { return };
    let mut order: Vec<usize> = (0..each.cells.len()).collect();
    order.sort_by(|&a, &b| worth(each, b).abs().total_cmp(&worth(each, a).abs()).then(a.cmp(&b)));
    ui.scope(|ui| {
        ui.spacing_mut().item_spacing.y = 0.0;
        row_ui(ui, ctx, "Without", HEAD.map(str::to_owned), COLUMNS, RowKind::Head);
        ScrollArea::vertical().id_salt("each cell").max_height(12.0 * size::TABLE_ROW).show_rows(
            ui,
            size::TABLE_ROW,
            order.len(),
            |ui, rows| {
                for &cell in &order[rows] {
                    let name = each.grid.name(cell);
                    let row = standing_row(ui, ctx, &name, &each.cells[cell], Some(&each.before));
                    if row.on_hover_text("Ignore this cell").clicked() {
                        let region = Region::new(each.side, [cell]);
                        ctx.send(Command::Study(StudyCommand::Choose(region)));
                    }
                }
            },
        );
    });
    let holds = each.cells.iter().filter(|standing| standing.rank == each.before.rank).count();
    text_ui(
        ui,
        ctx,
        &format!(
            "Rank {} holds without any one of {holds} of {} cells, among {} photos",
            each.before.rank,
            each.cells.len(),
            each.candidates
        ),
    );
}
