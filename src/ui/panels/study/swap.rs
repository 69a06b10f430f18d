//! "Swap a region…": what if a part of the street photo looked like the product? Two answers, and the picture that was
//! asked about.

use egui::{Rect, ScrollArea, Ui, Vec2};

use super::what_if::{agreement_ui, both_ui, choose, chosen_ui, dim_words, rule_words};
use super::{RowKind, row_ui, squares, state_ui, text_ui};
use crate::domain::{PairSide, RegionSwap, Standing};
use crate::jobs::types::Question;
use crate::ui::context::Ctx;
use crate::ui::state::Plan;
use crate::ui::tokens::{self, radius, size, space};
use crate::ui::widgets::cell_board::{CellBoard, Tint};
use crate::ui::widgets::dim_label;

/// Right edges of the columns: where a cell is taken from, how much of its mass goes there, how alike the two are.
const COLUMNS: [f32; 3] = [0.48, 0.74, 1.0];
/// How strongly a chosen cell is tinted: the photo beneath is what the question is about.
const MARKED_TINT: f32 = 0.42;
/// Swapped cells that are listed without scrolling.
const LISTED: f32 = 8.0;

pub(super) fn swap_ui(ui: &mut Ui, ctx: &Ctx<'_>, plan: &Plan, side: f32) {
    text_ui(ui, ctx, &format!("Would {} win if a part of the street photo looked like it?", plan.info.product.name));
    boards_ui(ui, ctx, plan, side);
    let study = &ctx.session.study;
    if study.region.cells().is_empty() {
        dim_label(ui, ctx.tokens, "Draw a rectangle over the street photo, or choose its cells, to swap them");
        return;
    }
    chosen_ui(ui, ctx, "Swapped");
    state_ui(ui, ctx, |question| matches!(question, Question::Swap(_)));
    if let Some(answer) = study.swapped_region() {
        result_ui(ui, ctx, plan, answer);
    }
}

/// The street photo, whose cells are chosen, the product photo, on which their matches are seen, and what both make.
fn boards_ui(ui: &mut Ui, ctx: &Ctx<'_>, plan: &Plan, side: f32) {
    let region = &ctx.session.study.region;
    let masses = &plan.info.pair.plan;
    let (query, gallery) = (masses.query(), masses.gallery());
    let [left, middle, right]: [Rect; 3] = squares(ui, side);
    let mut takers = vec![Vec::new(); gallery.cells()];
    for &cell in region.cells().iter().filter(|&&cell| cell < query.cells()) {
        if let Some(from) = masses.heaviest(cell) {
            takers[from].push(query.name(cell));
        }
    }
    // The same mark and colour on both photos.
    let mark = Tint { color: ctx.tokens.accent.gamma_multiply(MARKED_TINT), mark: "•" };
    let chosen = |cell: usize| region.contains(cell).then_some(mark);
    let street_words = |cell: usize| match masses.heaviest(cell) {
        Some(from) => format!("{}, matched with {} of the product", query.name(cell), gallery.name(from)),
        None => format!("{}, which sends no mass to the product", query.name(cell)),
    };
    let street = CellBoard {
        tint: &chosen,
        pickable: true,
        ..CellBoard::new("Cells of the street photo to swap", &plan.info.query_picture, query, &street_words)
    };
    let used = street.show(ui, ctx, left);
    let taken = |cell: usize| (!takers[cell].is_empty()).then_some(mark);
    let product_words = |cell: usize| match takers[cell].as_slice() {
        [] => gallery.name(cell),
        takers => format!("{}, put in the place of {}", gallery.name(cell), takers.join(", ")),
    };
    let product = CellBoard {
        tint: &taken,
        pointed: used.pointed.and_then(|cell| masses.heaviest(cell)),
        ..CellBoard::new("Matched cells of the product photo", &plan.info.gallery_picture, gallery, &product_words)
    };
    product.show(ui, ctx, middle);
    match ctx.session.study.swapped_region() {
        Some(answer) => picture_ui(ui, ctx, plan, answer, right),
        None => empty_ui(ui, ctx, right),
    }
    choose(ui, ctx, PairSide::Query, used);
}

fn result_ui(ui: &mut Ui, ctx: &Ctx<'_>, plan: &Plan, answer: &RegionSwap) {
    text_ui(ui, ctx, verdict_words(&answer.before, &answer.features, &answer.pixels));
    both_ui(ui, ctx, &answer.before, [("Features swapped", &answer.features), ("Pixels swapped", &answer.pixels)]);
    agreement_ui(ui, ctx, answer.agreement);
    let left = answer.region.cells().len() - answer.taken.len();
    if left > 0 {
        let cells = if left == 1 { "1 cell sends".to_owned() } else { format!("{left} cells send") };
        dim_words(ui, ctx, &format!("{cells} no mass to this product, so nothing takes the place there"));
    }
    ui.add_space(space::XS);
    ui.scope(|ui| taken_ui(ui, ctx, plan, answer));
    dim_words(
        ui,
        ctx,
        &format!(
            "Each cell takes the one of the product that most of its mass goes to. Features: the cells’ vectors are the \
             product’s, and the global part is pooled from what is there then. Pixels: the cells’ pixels are the \
             product’s, and the photo on the right is encoded again. {}",
            rule_words(answer.candidates)
        ),
    );
}

/// Where the product stands then, in one sentence.
pub fn verdict_words(before: &Standing, features: &Standing, pixels: &Standing) -> &'static str {
    match (before.rank, features.rank, pixels.rank) {
        (1, 1, 1) => "It is first as it is, and stays first by both answers",
        (1, _, _) => "It is first as it is, and would not stay first",
        (_, 1, 1) => "It would win by both answers: what keeps it back lies in this part",
        (_, 1, _) => "It would win by its features only: with its pixels there it does not",
        (_, _, 1) => "It would win by its pixels only: with its features there it does not",
        _ => "It would not win: what keeps it back lies elsewhere",
    }
}

/// The street photo as it was encoded again.
fn picture_ui(ui: &mut Ui, ctx: &Ctx<'_>, plan: &Plan, answer: &RegionSwap, square: Rect) {
    let (query, gallery) = (plan.info.pair.plan.query(), plan.info.pair.plan.gallery());
    let words = |cell: usize| match answer.taken.iter().find(|taken| taken.cell == cell) {
        Some(taken) => format!("{}, looks like {} of the product", query.name(cell), gallery.name(taken.from)),
        None => format!("{}, as it is", query.name(cell)),
    };
    let board = CellBoard::new("Street photo with the product’s cells", &answer.picture, query, &words);
    board.show(ui, ctx, square);
}

/// Where that picture will be.
fn empty_ui(ui: &mut Ui, ctx: &Ctx<'_>, square: Rect) {
    ui.painter().rect_filled(square, radius::TILE, ctx.tokens.chip);
    let none = ctx.session.study.region.cells().is_empty();
    let words = if none { "Both together, once cells are chosen" } else { "Both together, once it is answered" };
    let text = egui::RichText::new(words).font(tokens::small()).color(ctx.tokens.dim);
    let room = Rect::from_center_size(square.center(), Vec2::new(square.width() - 2.0 * space::S, 48.0));
    // A child of its own: what follows stands below the squares.
    ui.new_child(egui::UiBuilder::new().max_rect(room)).add(egui::Label::new(text).wrap().halign(egui::Align::Center));
}

/// Which cell of the product stands in each place.
fn taken_ui(ui: &mut Ui, ctx: &Ctx<'_>, plan: &Plan, answer: &RegionSwap) {
    let pair = &plan.info.pair;
    let (query, gallery) = (pair.plan.query(), pair.plan.gallery());
    ui.spacing_mut().item_spacing.y = 0.0;
    let head = ["Taken from", "Of its mass", "Similarity"].map(str::to_owned);
    row_ui(ui, ctx, "Cell", head, COLUMNS, RowKind::Head);
    ScrollArea::vertical().id_salt("swapped cells").max_height(LISTED * size::TABLE_ROW).show_rows(
        ui,
        size::TABLE_ROW,
        answer.taken.len(),
        |ui, rows| {
            for taken in &answer.taken[rows] {
                let similarity = pair.similarity.get(taken.cell * gallery.cells() + taken.from);
                let figures = [
                    gallery.name(taken.from),
                    format!("{:.0} %", 100.0 * taken.share),
                    similarity.map_or_else(String::new, |similarity| format!("{similarity:.3}")),
                ];
                row_ui(ui, ctx, &query.name(taken.cell), figures, COLUMNS, RowKind::Plain);
            }
        },
    );
}
