//! Questions about the shown match: a region ignored, why above, the test of a reason.

use std::sync::Arc;

use egui::{Key, Pos2, Role, Vec2};
use egui_kittest::kittest::{NodeT as _, Queryable as _};

use super::fake;
use super::stage::Staged;
use crate::domain::{
    Agreement, CellStandings, Counterfactual, Curves, Difference, Faithfulness, Grid, MatchOptions, PairMatch,
    PairSide, PhotoId, Progress, Region, SquarePicture, Standing, Swap, SwapEdit, Swaps,
};
use crate::jobs::{
    Activity, Answer, Comparison, Contender, Event, Failure, FailureOf, Question, Request, StudyEvent, StudyRequest,
};

/// High enough that nothing of a pane has to be scrolled to.
pub(super) fn searched() -> Staged {
    let mut stage = Staged::with(Vec2::new(1440.0, 1700.0), egui::Theme::Light, false);
    stage.open();
    stage.search_through(60);
    stage
}

const STREET: &str = "Cells of the street photo to ignore";
const PRODUCT: &str = "Cells of the product photo to ignore";

/// What was asked about matches since the last time.
pub(super) fn studies(stage: &Staged) -> Vec<StudyRequest> {
    let asked = stage.asked().into_iter().filter_map(|request| match request {
        Request::Study(request) => Some(request),
        _ => None,
    });
    asked.collect()
}

pub(super) fn shown(stage: &Staged) -> PhotoId {
    stage.harness.state().session().query.as_ref().unwrap().selected.clone().unwrap()
}

fn hit(stage: &Staged, place: usize) -> PhotoId {
    stage.harness.state().session().query.as_ref().unwrap().ranking.as_ref().unwrap().hits[place].photo.clone()
}

pub(super) fn ask(stage: &Staged, question: Question) -> StudyRequest {
    StudyRequest::Ask { query: stage.query(), photo: shown(stage), options: stage.options(), question }
}

pub(super) fn answer(stage: &mut Staged, answer: Answer) {
    let (query, photo, options) = (stage.query(), shown(stage), stage.options());
    stage.tell(Event::Studied(StudyEvent::Answered { query, photo, options, answer }));
}

pub(super) fn rows(stage: &Staged) -> Vec<String> {
    stage.harness.query_all_by_role(Role::Row).filter_map(|node| node.accesskit_node().label()).collect()
}

pub(super) fn standing(score: f32, rank: usize) -> Standing {
    Standing { score, global: 0.5, structural: score - 0.5, rank }
}

pub fn each(side: PairSide) -> CellStandings {
    let grid = Grid::new(7, 7);
    let cells = (0..49usize)
        .map(|cell| {
            let (row, column) = grid.place(cell);
            let away = (row as f32 - 3.0).abs() + (column as f32 - 3.0).abs();
            standing(0.92 - 0.06 + 0.014 * away, if away < 1.5 { 3 } else { 1 })
        })
        .collect();
    CellStandings { side, grid, candidates: 60, before: standing(0.92, 1), cells }
}

pub fn ignored(region: Region, agreement: Agreement) -> Counterfactual {
    Counterfactual {
        region,
        candidates: 60,
        before: standing(0.92, 1),
        masked: standing(0.871, 3),
        hidden: standing(0.944, 1),
        fill: [176, 160, 148],
        agreement,
    }
}

pub fn comparison(photos: [PhotoId; 2]) -> Comparison {
    let options = MatchOptions::default();
    let below_options = MatchOptions { epsilon: 0.2, ..options };
    let [above, below] = [fake::pair(&options), fake::pair(&below_options)];
    let difference = Difference::of(&above, &below, 1.0);
    let contender = |pair: PairMatch, index: usize, rank: usize| Contender {
        photo: photos[rank - 1].clone(),
        product: fake::product(index),
        rank,
        pair,
        picture: SquarePicture { pixels: fake::shop_photo(index, 224), content: [0.0, 0.0, 1.0, 1.0] },
    };
    Comparison {
        above: contender(above, 2, 1),
        below: contender(below, 0, 2),
        difference,
        swaps: Swaps {
            weight: Some(Swap { edit: SwapEdit::StructuralWeight { to: 0.412 }, size: 0.588, gap: -0.001 }),
            smaller_epsilon: None,
            larger_epsilon: Some(Swap { edit: SwapEdit::Epsilon { to: 0.0912 }, size: 0.601, gap: -0.001 }),
            cells: Some(Swap {
                edit: SwapEdit::WithoutCells { cells: vec![16, 17], fewest: true },
                size: 0.073,
                gap: -0.002,
            }),
        },
    }
}

pub fn faithfulness(good: bool) -> Faithfulness {
    let shares: Vec<f32> = (0..=12).map(|step| step as f32 / 12.0).collect();
    let falling = |power: f32| shares.iter().map(|x| 0.35 + 0.57 * (1.0 - x).powf(power)).collect::<Vec<f32>>();
    let rising = |power: f32| shares.iter().map(|x| 0.35 + 0.57 * x.powf(power)).collect::<Vec<f32>>();
    let random = |curve: &dyn Fn(f32) -> Vec<f32>| (0..5).map(|order| curve(0.9 + 0.08 * order as f32)).collect();
    let deletion = Curves { explained: falling(if good { 2.4 } else { 0.8 }), random: random(&falling) };
    let insertion = Curves { explained: rising(if good { 0.4 } else { 1.4 }), random: random(&rising) };
    Faithfulness { shares, deletion, insertion, fill: [176, 160, 148] }
}

#[test]
fn why_above_is_asked_by_button_and_by_key_about_the_next_rank() {
    for by_key in [false, true] {
        let mut stage = searched();
        if by_key {
            stage.press(Key::A);
        } else {
            stage.click("Why above rank 2…");
        }
        let other = hit(&stage, 1);
        assert_eq!(studies(&stage), [ask(&stage, Question::Above { other })]);
        stage.harness.run();
        assert_eq!(studies(&stage), [], "asked once");
    }
}

#[test]
fn the_gap_is_taken_apart_into_parts_that_add_up_as_they_are_shown() {
    let mut stage = searched();
    stage.press(Key::A);
    let photos = [hit(&stage, 0), hit(&stage, 1)];
    let given = comparison(photos);
    answer(&mut stage, Answer::Above(Arc::new(given.clone())));
    let parts = crate::ui::panels::study::above::parts_of(&given.difference);
    let sum = parts.global + parts.cells.iter().sum::<f64>();
    assert!((sum - parts.total).abs() < 1e-9, "{sum} {}", parts.total);
    assert_eq!(format!("{:.4}", parts.total), format!("{:.4}", given.above.pair.score - given.below.pair.score));
    assert!(stage.sees_part(&format!("stands {:.4} above", parts.total)));
    // The picture and its textual twin.
    for name in ["Difference of the two matches", "Upper match, Sailor tee", "Lower match, Breton long sleeve"] {
        assert!(stage.sees_part(name), "{name}");
    }
    assert!(stage.sees_part("Sailor tee gains") && stage.sees_part("of score"));
    let rows = rows(&stage);
    assert!(rows.iter().any(|row| row.starts_with("Global, 0.5210, 0.5210, +0.0000")), "{rows:?}");
    assert!(rows.iter().any(|row| row.starts_with("Score, ")), "{rows:?}");
}

#[test]
fn another_result_can_be_compared_with() {
    let mut stage = searched();
    stage.press(Key::A);
    studies(&stage);
    stage.click("Result to compare with");
    let name = {
        let query = stage.harness.state().session().query.as_ref().unwrap();
        let hit = &query.ranking.as_ref().unwrap().hits[3];
        format!("4  {}", query.products[&hit.product].name)
    };
    stage.click(&name);
    let other = hit(&stage, 3);
    assert_eq!(studies(&stage), [StudyRequest::Stop, ask(&stage, Question::Above { other })]);
}

#[test]
fn the_smallest_edit_comes_first_and_can_be_made() {
    let mut stage = searched();
    stage.press(Key::A);
    let photos = [hit(&stage, 0), hit(&stage, 1)];
    answer(&mut stage, Answer::Above(Arc::new(comparison(photos))));
    let edits = ["Without C3, D3: 7.3 % of the mass", "Structural weight 0.412 instead of 1.000: a change of 58.8 %"];
    assert!(edits.iter().all(|edit| stage.sees_part(edit)));
    let place = |stage: &Staged, part: &str| stage.harness.get_by_label_contains(part).rect().top();
    assert!(place(&stage, edits[0]) < place(&stage, edits[1]), "7.3 % is smaller than 58.8 %");
    stage.asked();
    stage.click("Apply this weight");
    assert_eq!(stage.options().structural_weight, 0.412);
    let asked = stage.asked();
    assert!(asked.iter().any(|request| matches!(request, Request::Rerank { options, .. }
        if options.structural_weight == 0.412)));
    // Ignoring the cells leads on to the other pane, with the very cells.
    let mut stage = searched();
    stage.press(Key::A);
    let photos = [hit(&stage, 0), hit(&stage, 1)];
    answer(&mut stage, Answer::Above(Arc::new(comparison(photos))));
    studies(&stage);
    stage.click("Ignore these cells");
    assert_eq!(studies(&stage), [ask(&stage, Question::Ignore(Region::new(PairSide::Query, [16, 17])))]);
    assert!(stage.sees_part("WITHOUT 2 CELLS OF THE STREET PHOTO"));
}

pub(super) fn cell(stage: &Staged, board: &str, row: usize, column: usize) -> Pos2 {
    let rect = stage.harness.get_by_label_contains(board).rect();
    rect.min + rect.size() * Vec2::new(column as f32 + 0.5, row as f32 + 0.5) / 7.0
}

#[test]
fn a_rectangle_over_either_photo_asks_what_it_is_worth() {
    let mut stage = searched();
    stage.click("Ignore a region…");
    assert_eq!(studies(&stage), [ask(&stage, Question::IgnoreEach(PairSide::Query))]);
    answer(&mut stage, Answer::IgnoreEach(Arc::new(each(PairSide::Query))));
    stage.drag(cell(&stage, STREET, 1, 1), cell(&stage, STREET, 2, 3) + Vec2::splat(2.0));
    let region = Region::new(PairSide::Query, [8, 9, 10, 15, 16, 17]);
    // The first corner lies in the middle of its cell, which the drag's own threshold may just miss.
    let asked = studies(&stage);
    let Some(StudyRequest::Ask { question: Question::Ignore(got), .. }) = asked.last() else { panic!("{asked:?}") };
    assert_eq!((got.side, got.cells().last()), (PairSide::Query, region.cells().last()));
    assert!(got.cells().iter().all(|cell| region.contains(*cell)), "{got:?}");
    // The other photo takes its place.
    stage.drag(cell(&stage, PRODUCT, 4, 4) - Vec2::splat(3.0), cell(&stage, PRODUCT, 5, 5) + Vec2::splat(3.0));
    let asked = studies(&stage);
    let region = Region::new(PairSide::Gallery, [32, 33, 39, 40]);
    assert!(asked.contains(&ask(&stage, Question::Ignore(region))), "{asked:?}");
}

#[test]
fn cells_are_chosen_by_keyboard_alone() {
    let mut stage = searched();
    stage.press(Key::I);
    studies(&stage);
    answer(&mut stage, Answer::IgnoreEach(Arc::new(each(PairSide::Query))));
    stage.harness.get_by_label_contains(STREET).focus();
    stage.harness.run();
    stage.press(Key::ArrowRight);
    assert!(stage.sees_part("to ignore, 7 × 7: D4: without it 0.860 (−0.0600), rank 3"));
    stage.press(Key::ArrowDown);
    stage.press(Key::Space);
    let region = Region::new(PairSide::Query, [4 * 7 + 3]);
    assert_eq!(studies(&stage), [ask(&stage, Question::Ignore(region))]);
    stage.press(Key::Space);
    assert_eq!(studies(&stage), [StudyRequest::Stop], "chosen again it is no longer chosen");
    assert!(stage.sees_part("Draw a rectangle over a photo"));
}

#[test]
fn both_answers_stand_side_by_side_and_say_where_they_disagree() {
    let mut stage = searched();
    stage.press(Key::I);
    answer(&mut stage, Answer::IgnoreEach(Arc::new(each(PairSide::Query))));
    let region = Region::new(PairSide::Query, [24]);
    let choose = crate::ui::study::StudyCommand::Choose(region.clone());
    stage.obey(crate::ui::Command::Study(choose));
    answer(&mut stage, Answer::Ignore(Arc::new(ignored(region.clone(), Agreement::ContextLeaks))));
    let rows = rows(&stage);
    for row in
        ["As it is, 0.9200, 1", "Weights masked, 0.8710, −0.0490, 3, ▼ 2", "Pixels hidden, 0.9440, +0.0240, 1, same"]
    {
        assert!(rows.iter().any(|found| found == row), "{row} is not in {rows:?}");
    }
    assert!(stage.sees("The answers disagree: context leaks into these cells"));
    assert!(stage.sees_part("mean colour (#b0a094)") && stage.sees_part("50 % of the larger one"));
    answer(&mut stage, Answer::Ignore(Arc::new(ignored(region, Agreement::Agree))));
    assert!(!stage.sees_part("context leaks") && stage.sees("The answers agree"));
    stage.click("Choose no cells");
    assert!(!stage.sees("The answers agree"));
}

#[test]
fn every_cell_alone_is_listed_and_a_row_chooses_it() {
    let mut stage = searched();
    stage.press(Key::I);
    answer(&mut stage, Answer::IgnoreEach(Arc::new(each(PairSide::Query))));
    studies(&stage);
    let first = rows(&stage).into_iter().find(|row| row.starts_with("D4, ")).expect("the cell that matters most");
    assert_eq!(first, "D4, 0.8600, −0.0600, 3, ▼ 2");
    assert!(stage.sees_part("supports the match") && stage.sees_part("holds without any one of"));
    stage.click(&first);
    assert_eq!(studies(&stage), [ask(&stage, Question::Ignore(Region::new(PairSide::Query, [24])))]);
    stage.click("Product photo");
    let asked = studies(&stage);
    assert_eq!(asked, [], "one question at a time");
    let region = Region::new(PairSide::Query, [24]);
    answer(&mut stage, Answer::Ignore(Arc::new(ignored(region, Agreement::Agree))));
    assert_eq!(studies(&stage), [ask(&stage, Question::IgnoreEach(PairSide::Gallery))]);
}

#[test]
fn a_reason_is_tested_with_progress_that_can_be_stopped() {
    let mut stage = searched();
    stage.click("Test this reason");
    assert_eq!(studies(&stage), [ask(&stage, Question::Faithfulness)]);
    let studying = Some(Progress { what: "Hiding cells", done: 40, total: 134 });
    stage.doing(Activity { studying, ..Activity::default() });
    assert!(stage.sees("Hiding cells, 40 of 134"));
    stage.click("Stop");
    assert_eq!(studies(&stage), [StudyRequest::Stop]);
    stage.doing(Activity::default());
    assert!(stage.sees("This was stopped"));
    stage.press(Key::T);
    assert_eq!(studies(&stage), [ask(&stage, Question::Faithfulness)]);
    answer(&mut stage, Answer::Faithfulness(Arc::new(faithfulness(true))));
    assert!(stage.sees_part("Better than random cells in both tests"));
    assert!(!stage.sees_part("does not explain the score"));
    let rows = rows(&stage);
    assert!(rows.iter().any(|row| row.starts_with("Hidden first to last, 0.5184")), "{rows:?}");
    for name in ["Score by cells hidden: area 0.518", "Score by cells shown: area"] {
        assert!(stage.sees_part(name), "{name}");
    }
}

#[test]
fn a_plan_that_is_not_better_than_chance_bears_a_warning_until_another_match_is_shown() {
    let mut stage = searched();
    stage.press(Key::T);
    answer(&mut stage, Answer::Faithfulness(Arc::new(faithfulness(false))));
    let warning = "Not better than random cells: this plan does not explain the score";
    assert!(stage.sees(warning));
    assert!(stage.sees_part("does not show what the score comes from"));
    stage.press(Key::ArrowRight);
    stage.serve();
    assert!(!stage.sees(warning));
}

#[test]
fn answers_about_another_match_or_other_knobs_are_not_shown() {
    let mut stage = searched();
    stage.press(Key::T);
    let (query, photo) = (stage.query(), shown(&stage));
    let options = MatchOptions { epsilon: 0.3, ..stage.options() };
    let told = Answer::Faithfulness(Arc::new(faithfulness(true)));
    stage.tell(Event::Studied(StudyEvent::Answered { query, photo, options, answer: told.clone() }));
    assert!(!stage.sees_part("Better than random cells"));
    answer(&mut stage, told);
    assert!(stage.sees_part("Better than random cells"));
    // Another result: the answers go, and a pane that needs them asks anew.
    stage.press(Key::A);
    stage.press(Key::ArrowRight);
    studies(&stage);
    stage.serve();
    assert!(stage.harness.state().session().study.faithfulness.is_none());
}

#[test]
fn a_question_that_cannot_be_answered_says_so_in_its_pane_and_is_not_asked_for_ever() {
    let mut stage = searched();
    stage.press(Key::A);
    let of = FailureOf::Study(stage.query(), shown(&stage));
    let sentence = "The photo is gone: shop/p000_0.jpg";
    studies(&stage);
    stage.tell(Event::Failed(Failure { of, sentence: sentence.into(), details: None }));
    assert!(stage.sees(sentence));
    stage.harness.run_steps(4);
    assert_eq!(studies(&stage), []);
    assert!(stage.harness.state().session().notices.is_empty());
}
