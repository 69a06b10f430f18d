//! "Why above rank 2…": the difference of two matches as a picture, as a table that adds up, and the smallest edit
//! that swaps them.

use egui::{Popup, RichText, ScrollArea, Ui};

use super::{RowKind, board_side, hues_ui, largest, next_rank, row_ui, squares, state_ui, subject_plan, text_ui, tint};
use crate::domain::{Difference, Grid, PairMatch, Swap, SwapEdit};
use crate::jobs::types::{Comparison, Contender, Question};
use crate::ui::command::Command;
use crate::ui::context::Ctx;
use crate::ui::figures::{adding_up, signed};
use crate::ui::state::Query;
use crate::ui::study::StudyCommand;
use crate::ui::tokens::{self, size, space};
use crate::ui::widgets::button::PushButton;
use crate::ui::widgets::cell_board::{CellBoard, Tint};
use crate::ui::widgets::{dim_label, section_label};

const DECIMALS: usize = 4;
/// Right edges of the columns: what each of the two adds, and the difference.
const COLUMNS: [f32; 3] = [0.56, 0.78, 1.0];
/// How many results can be chosen to compare with.
const CHOICES: usize = 50;

pub fn above_ui(ui: &mut Ui, ctx: &Ctx<'_>) {
    if subject_plan(ui, ctx).is_none() {
        return;
    }
    let Some(query) = &ctx.session.query else { return };
    let side = board_side(ui.available_height());
    ScrollArea::vertical().id_salt("why above").auto_shrink(false).show(ui, |ui| {
        ui.spacing_mut().item_spacing.y = space::XS + 2.0;
        choice_ui(ui, ctx, query);
        state_ui(ui, ctx, |question| matches!(question, Question::Above { .. }));
        if let Some(comparison) = &ctx.session.study.above {
            comparison_ui(ui, ctx, comparison, side);
        }
    });
}

/// Which other result the shown one is compared with.
fn choice_ui(ui: &mut Ui, ctx: &Ctx<'_>, query: &Query) {
    let Some(ranking) = &query.ranking else { return };
    let chosen = ctx.session.study.other.clone().or_else(|| next_rank(query).map(|hit| hit.photo.clone()));
    let place = chosen.as_ref().and_then(|photo| query.shown.tiles().place_of(photo));
    let text = place.map_or_else(|| "Choose a result".to_owned(), |place| format!("Rank {}", ranking.hits[place].rank));
    ui.horizontal(|ui| {
        dim_label(ui, ctx.tokens, "Compared with");
        let button = PushButton::new(&text).name("Result to compare with").caret().show(ui, ctx.tokens);
        Popup::menu(&button.on_hover_text("Choose another result of this search")).show(|ui| {
            ui.set_min_width(260.0);
            ScrollArea::vertical().max_height(360.0).show(ui, |ui| {
                let others = ranking.hits.iter().filter(|hit| hit.structural.is_some());
                for hit in others.filter(|hit| query.selected.as_ref() != Some(&hit.photo)).take(CHOICES) {
                    let product = query.products.get(&hit.product);
                    let name = product.map_or(hit.product.as_str(), |product| product.name.as_str());
                    let on = chosen.as_ref() == Some(&hit.photo);
                    let button = egui::Button::selectable(on, format!("{}  {name}", hit.rank));
                    if ui.add_sized([ui.available_width(), size::CHIP], button).clicked() {
                        ctx.send(Command::Study(StudyCommand::CompareWith(hit.photo.clone())));
                    }
                }
            });
        });
    });
    if place.is_none() {
        dim_label(ui, ctx.tokens, "Only results that were compared cell by cell have such reasons");
    }
}

fn comparison_ui(ui: &mut Ui, ctx: &Ctx<'_>, comparison: &Comparison, side: f32) {
    let Comparison { above, below, difference, .. } = comparison;
    let gap = parts_of(difference);
    text_ui(
        ui,
        ctx,
        &format!(
            "{} stands {:.4} above {} (ranks {} and {})",
            above.product.name, gap.total, below.product.name, above.rank, below.rank
        ),
    );
    picture_ui(ui, ctx, comparison, side);
    let most = largest(difference.cells.iter().copied());
    let names = [above, below].map(|contender| contender.product.name.as_str());
    hues_ui(ui, ctx, &format!("{} gains", names[0]), &format!("{} gains", names[1]), most);
    ui.add_space(space::XS);
    swaps_ui(ui, ctx, comparison);
    ui.add_space(space::XS);
    table_ui(ui, ctx, comparison, &gap);
}

/// The parts of a gap as they are printed: they add up to the printed gap.
#[derive(Clone, Debug, PartialEq)]
pub struct GapParts {
    pub total: f64,
    pub global: f64,
    pub cells: Vec<f64>,
}

pub fn parts_of(difference: &Difference) -> GapParts {
    let parts: Vec<f32> = std::iter::once(difference.global).chain(difference.cells.iter().copied()).collect();
    let mut shown = adding_up(difference.gap, &parts, DECIMALS).into_iter();
    let global = shown.next().unwrap_or_default();
    let cells: Vec<f64> = shown.collect();
    let unit = 10f64.powi(DECIMALS as i32);
    GapParts { total: (f64::from(difference.gap) * unit).round() / unit, global, cells }
}

/// The query tinted by who gains, and both product photos, on which the pointed cell's mass is seen.
fn picture_ui(ui: &mut Ui, ctx: &Ctx<'_>, comparison: &Comparison, side: f32) {
    let Some(plan) = ctx.session.query.as_ref().and_then(|query| query.plan.as_ref()) else { return };
    let Comparison { above, below, difference, .. } = comparison;
    let [first, middle, last]: [egui::Rect; 3] = squares(ui, side);
    let most = largest(difference.cells.iter().copied());
    let grid = difference.query;
    let tints = |cell: usize| tint(ctx, difference.cells[cell], most);
    let words = |cell: usize| {
        let gain = difference.cells[cell];
        let who = if gain < 0.0 { &below.product.name } else { &above.product.name };
        format!("{}: {who} gains {:.4}", grid.name(cell), gain.abs())
    };
    let board = CellBoard {
        tint: &tints,
        ..CellBoard::new("Difference of the two matches", &plan.info.query_picture, grid, &words)
    };
    let pointed = board.show(ui, ctx, first).pointed;
    for (contender, square, name) in [(above, middle, "Upper match"), (below, last, "Lower match")] {
        contender_ui(ui, ctx, contender, square, name, pointed);
    }
    dim_label(ui, ctx.tokens, "Point at a cell of the street photo to see where its mass goes in both");
}

fn contender_ui(
    ui: &mut Ui,
    ctx: &Ctx<'_>,
    contender: &Contender,
    square: egui::Rect,
    name: &str,
    pointed: Option<usize>,
) {
    let pair: &PairMatch = &contender.pair;
    let grid: Grid = pair.plan.gallery();
    let row = pointed.filter(|&cell| cell < pair.plan.query().cells()).map(|cell| (cell, pair.plan.row(cell)));
    let most = row.map_or(0.0, |(_, row)| row.iter().copied().fold(0.0, f32::max));
    let tints = |cell: usize| {
        let share = row.map(|(_, row)| row[cell] / most).filter(|share| *share > 0.02)?;
        Some(Tint { color: ctx.tokens.accent.gamma_multiply(0.7 * share.min(1.0)), mark: "" })
    };
    let words = |cell: usize| match row {
        Some((from, row)) => {
            format!("{} gets {:.4} of {}", grid.name(cell), row[cell], pair.plan.query().name(from))
        }
        None => format!("{}: contribution {:.4}", grid.name(cell), pair.of_gallery_cell(cell)),
    };
    let name = format!("{name}, {}", contender.product.name);
    let board = CellBoard { tint: &tints, ..CellBoard::new(&name, &contender.picture, grid, &words) };
    board.show(ui, ctx, square);
}

/// A swap in words: what to change, from what, and how large that is.
pub fn swap_words(swap: &Swap, grid: Grid, weight: f32, epsilon: f32) -> String {
    let percent = 100.0 * swap.size;
    match &swap.edit {
        SwapEdit::StructuralWeight { to } => {
            format!("Structural weight {to:.3} instead of {weight:.3}: a change of {percent:.1} %")
        }
        SwapEdit::Epsilon { to } => {
            format!("Epsilon {to:.4} instead of {epsilon:.4}: {:.2} times as large, ln {percent:.1} %", to / epsilon)
        }
        SwapEdit::WithoutCells { cells, fewest } => {
            let names: Vec<String> = cells.iter().take(8).map(|&cell| grid.name(cell)).collect();
            let more = if cells.len() > 8 { format!(" and {} more", cells.len() - 8) } else { String::new() };
            let sure = if *fewest { "" } else { "; perhaps fewer would do" };
            format!("Without {}{more}: {percent:.1} % of the mass{sure}", names.join(", "))
        }
    }
}

fn swaps_ui(ui: &mut Ui, ctx: &Ctx<'_>, comparison: &Comparison) {
    section_label(ui, ctx.tokens, "Smallest edit that swaps them");
    if comparison.swaps.smallest().is_none() {
        dim_label(ui, ctx.tokens, "None was found: no weight up to 10, no epsilon from 0.005 to 1, no set of cells");
        return;
    }
    let options = ctx.session.study.subject.as_ref().map(|subject| subject.options).unwrap_or_default();
    let mut swaps: Vec<&Swap> = comparison.swaps.all().collect();
    swaps.sort_by(|a, b| a.size.total_cmp(&b.size));
    for (index, swap) in swaps.into_iter().enumerate() {
        ui.horizontal(|ui| {
            let (text, name) = match &swap.edit {
                SwapEdit::StructuralWeight { .. } => ("Apply", "Apply this weight"),
                SwapEdit::Epsilon { .. } => ("Apply", "Apply this epsilon"),
                SwapEdit::WithoutCells { .. } => ("Ignore", "Ignore these cells"),
            };
            let button = PushButton::new(text).name(name).show(ui, ctx.tokens);
            if button.on_hover_text("Make this edit and see the new order").clicked() {
                ctx.send(Command::Study(StudyCommand::Apply(swap.edit.clone())));
            }
            let words = swap_words(swap, comparison.difference.query, options.structural_weight, options.epsilon);
            if index == 0 {
                text_ui(ui, ctx, &words);
            } else {
                dim_label(ui, ctx.tokens, words);
            }
        });
    }
    ui.add(egui::Label::new(RichText::new(SIZES).font(tokens::small()).color(ctx.tokens.dim)).wrap());
}

/// How edits of different kinds are held against each other.
const SIZES: &str = "Smallest first. Sizes: relative change of the weight, logarithm of the ratio of epsilon, share of the \
                     street photo’s mass. Each was tried: with it the two change places";

fn table_ui(ui: &mut Ui, ctx: &Ctx<'_>, comparison: &Comparison, gap: &GapParts) {
    let Comparison { above, below, difference, .. } = comparison;
    let weight = ctx.session.study.subject.as_ref().map_or(1.0, |subject| subject.options.structural_weight);
    let mut order: Vec<usize> = (0..difference.cells.len()).collect();
    order.sort_by(|&a, &b| difference.cells[b].abs().total_cmp(&difference.cells[a].abs()).then(a.cmp(&b)));
    section_label(ui, ctx.tokens, "Where the gap comes from");
    ui.scope(|ui| {
        ui.spacing_mut().item_spacing.y = 0.0;
        let head = [format!("Rank {}", above.rank), format!("Rank {}", below.rank), "Difference".to_owned()];
        row_ui(ui, ctx, "Part", head, COLUMNS, RowKind::Head);
        let global =
            [format!("{:.4}", above.pair.global), format!("{:.4}", below.pair.global), signed(gap.global, DECIMALS)];
        row_ui(ui, ctx, "Global", global, COLUMNS, RowKind::Plain);
        ScrollArea::vertical().id_salt("gap").max_height(10.0 * size::TABLE_ROW).show_rows(
            ui,
            size::TABLE_ROW,
            order.len(),
            |ui, rows| {
                for &cell in &order[rows] {
                    let texts = [
                        format!("{:.4}", weight * above.pair.of_query_cell(cell)),
                        format!("{:.4}", weight * below.pair.of_query_cell(cell)),
                        signed(gap.cells[cell], DECIMALS),
                    ];
                    row_ui(ui, ctx, &difference.query.name(cell), texts, COLUMNS, RowKind::Plain);
                }
            },
        );
        let total =
            [format!("{:.4}", above.pair.score), format!("{:.4}", below.pair.score), signed(gap.total, DECIMALS)];
        row_ui(ui, ctx, "Score", total, COLUMNS, RowKind::Total);
    });
}
