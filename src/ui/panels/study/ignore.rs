//! "Ignore a region…": two answers side by side, and what each cell alone is worth.

use egui::{RichText, ScrollArea, Ui};

use super::{
    RowKind, change, flag_ui, hues_ui, largest, rank_change, row_ui, squares, state_ui, subject_plan, text_ui, tint,
};
use crate::domain::{Agreement, CellStandings, Counterfactual, PairSide, Region, Standing};
use crate::jobs::types::Question;
use crate::ui::command::{Action, Command};
use crate::ui::context::Ctx;
use crate::ui::state::Plan;
use crate::ui::study::StudyCommand;
use crate::ui::tokens::{self, size, space};
use crate::ui::widgets::button::{PushButton, sent};
use crate::ui::widgets::cell_board::CellBoard;
use crate::ui::widgets::segmented::segmented;
use crate::ui::widgets::{dim_label, section_label};

/// Right edges of the columns, as shares of the width.
const COLUMNS: [f32; 4] = [0.48, 0.66, 0.82, 1.0];
const HEAD: [&str; 4] = ["Score", "Change", "Rank", "Change"];
const SIDES: [PairSide; 2] = [PairSide::Query, PairSide::Gallery];

pub fn ignore_ui(ui: &mut Ui, ctx: &Ctx<'_>) {
    let Some(plan) = subject_plan(ui, ctx) else { return };
    ScrollArea::vertical().id_salt("ignore").auto_shrink(false).show(ui, |ui| {
        ui.spacing_mut().item_spacing.y = space::XS + 2.0;
        boards_ui(ui, ctx, plan);
        answer_ui(ui, ctx);
        ui.add_space(space::S);
        list_ui(ui, ctx);
    });
}

fn boards_ui(ui: &mut Ui, ctx: &Ctx<'_>, plan: &Plan) {
    let study = &ctx.session.study;
    let pair = &plan.info.pair.plan;
    let places: [egui::Rect; 2] = squares(ui, 240.0);
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
        let board = CellBoard {
            name,
            picture,
            grid,
            tint: &tints,
            chosen: &chosen,
            pickable: true,
            words: &words,
            pointed: None,
        };
        let used = board.show(ui, ctx, square);
        let cells: Vec<usize> = if study.region.side == side { study.region.cells().to_vec() } else { Vec::new() };
        let picked = match (used.drawn, used.toggled) {
            // With Shift a rectangle is added to what is chosen.
            (Some(drawn), _) if ui.input(|input| input.modifiers.shift) => {
                Some(cells.into_iter().chain(drawn).collect::<Vec<_>>())
            }
            (Some(drawn), _) => Some(drawn),
            (None, Some(cell)) if cells.contains(&cell) => {
                Some(cells.into_iter().filter(|&other| other != cell).collect())
            }
            (None, Some(cell)) => Some(cells.into_iter().chain([cell]).collect()),
            (None, None) => None,
        };
        if let Some(cells) = picked {
            ctx.send(Command::Study(StudyCommand::Ignore(Region::new(side, cells))));
        }
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
    ui.horizontal(|ui| {
        let count = crate::ui::figures::counted(study.region.cells().len(), "cell");
        section_label(ui, ctx.tokens, &format!("Without {count} of the {}", study.region.side.name()));
        let entry = Action::ClearRegion.entry();
        sent(ui, ctx, Action::ClearRegion, PushButton::icon_only(entry.icon, entry.name));
    });
    state_ui(ui, ctx, |question| matches!(question, Question::Ignore(_)));
    if let Some(answer) = study.of_region() {
        both_ui(ui, ctx, answer);
    }
}

fn both_ui(ui: &mut Ui, ctx: &Ctx<'_>, answer: &Counterfactual) {
    ui.scope(|ui| {
        ui.spacing_mut().item_spacing.y = 0.0;
        row_ui(ui, ctx, "", HEAD.map(str::to_owned), COLUMNS, RowKind::Head);
        standing_row(ui, ctx, "As it is", &answer.before, None, RowKind::Plain);
        standing_row(ui, ctx, "Weights masked", &answer.masked, Some(&answer.before), RowKind::Plain);
        standing_row(ui, ctx, "Pixels hidden", &answer.hidden, Some(&answer.before), RowKind::Plain);
    });
    match answer.agreement {
        Agreement::Agree => dim_words(ui, ctx, "The answers agree"),
        Agreement::ContextLeaks => flag_ui(ui, ctx, "The answers disagree: context leaks into these cells"),
        Agreement::GlobalDecides => {
            flag_ui(ui, ctx, "The scores move in opposite directions: the global part decides, not these cells");
        }
    }
    let [r, g, b] = answer.fill;
    dim_words(
        ui,
        ctx,
        &format!(
            "Masked: these cells weigh nothing, features and global part stay. Hidden: their pixels take the photo’s \
             mean colour (#{r:02x}{g:02x}{b:02x}) and the photo is encoded again. They disagree where their structural \
             changes differ by more than {:.0} % of the larger one. Ranks are among {} photos",
            100.0 * Agreement::SHARE,
            answer.candidates
        ),
    );
}

fn dim_words(ui: &mut Ui, ctx: &Ctx<'_>, text: &str) {
    let text = RichText::new(text).font(tokens::small()).color(ctx.tokens.dim);
    ui.add(egui::Label::new(text).wrap());
}

fn standing_row(
    ui: &mut Ui,
    ctx: &Ctx<'_>,
    name: &str,
    standing: &Standing,
    before: Option<&Standing>,
    kind: RowKind,
) -> egui::Response {
    let figures = [
        format!("{:.4}", standing.score),
        before.map_or_else(String::new, |before| change(standing.score, before.score)),
        format!("{}", standing.rank),
        before.map_or_else(String::new, |before| rank_change(before.rank, standing.rank)),
    ];
    row_ui(ui, ctx, name, figures, COLUMNS, kind)
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
                    let row = standing_row(ui, ctx, &name, &each.cells[cell], Some(&each.before), RowKind::Plain);
                    if row.on_hover_text("Ignore this cell").clicked() {
                        let region = Region::new(each.side, [cell]);
                        ctx.send(Command::Study(StudyCommand::Ignore(region)));
                    }
                }
            },
        );
    });
    text_ui_small(ui, ctx, each);
}

fn text_ui_small(ui: &mut Ui, ctx: &Ctx<'_>, each: &CellStandings) {
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
