//! A region of the street photo swapped with what of the product it is matched with.

use std::sync::Arc;

use egui::{Key, Modifiers, Role, Vec2};
use egui_kittest::kittest::Queryable as _;

use super::fake;
use super::stage::Staged;
use super::study::{answer, ask, cell, each, rows, searched, standing, studies};
use crate::domain::{Agreement, PairSide, Progress, Region, RegionSwap, SquarePicture, TakenCell};
use crate::jobs::{Activity, Answer, Event, Failure, FailureOf, Question, StudyRequest};
use crate::ui::layout::Pane;
use crate::ui::study::{StudyCommand, WhatIf};

const STREET: &str = "Cells of the street photo to swap";
const PRODUCT: &str = "Matched cells of the product photo";
const RESULT: &str = "Street photo with the product’s cells";

/// Answered as the backend would after the plan that is shown.
fn swapped(stage: &Staged, region: &Region, agreement: Agreement) -> RegionSwap {
    let plan = fake::pair(&stage.options()).plan;
    let taken = region.cells().iter().filter_map(|&cell| {
        let from = plan.heaviest(cell)?;
        Some(TakenCell { cell, from, share: plan.at(cell, from) / plan.row(cell).iter().sum::<f32>() })
    });
    RegionSwap {
        region: region.clone(),
        taken: taken.collect(),
        candidates: 60,
        before: standing(0.92, 4),
        features: standing(0.971, 1),
        pixels: standing(0.944, 2),
        picture: SquarePicture { pixels: fake::street_photo(1, 112, 112), content: [0.0, 0.0, 1.0, 1.0] },
        agreement,
    }
}

fn what_if(stage: &Staged) -> WhatIf {
    stage.harness.state().session().study.what_if
}

fn chosen(stage: &mut Staged, cells: &[usize]) -> Region {
    let region = Region::new(PairSide::Query, cells.iter().copied());
    stage.obey(crate::ui::Command::Study(StudyCommand::Choose(region.clone())));
    region
}

#[test]
fn a_rectangle_is_swapped_by_mouse_and_the_answer_says_would_it_win() {
    let mut stage = searched();
    stage.click("Ignore a region…");
    answer(&mut stage, Answer::IgnoreEach(Arc::new(each(PairSide::Query))));
    studies(&stage);
    let switch = |stage: &Staged, name| stage.harness.get_by_role_and_label(Role::RadioButton, name).rect();
    assert_eq!(switch(&stage, "Ignore the cells").width(), switch(&stage, "Swap the cells").width());
    stage.click("Swap the cells");
    assert_eq!(what_if(&stage), WhatIf::Swap);
    assert!(stage.sees("Would Sailor tee win if a part of the street photo looked like it?"));
    assert!(stage.sees_part("Draw a rectangle over the street photo"));
    assert_eq!(studies(&stage), [], "nothing is asked about no cells, nor about each");
    stage.drag(cell(&stage, STREET, 2, 2) - Vec2::splat(3.0), cell(&stage, STREET, 3, 4) + Vec2::splat(3.0));
    let region = Region::new(PairSide::Query, [16, 17, 18, 23, 24, 25]);
    assert_eq!(studies(&stage), [ask(&stage, Question::Swap(region.clone()))]);
    // What is swapped is seen before it is answered.
    assert!(stage.sees_part("SWAPPED 6 CELLS OF THE STREET PHOTO"));
    assert!(stage.sees("Both together, once it is answered"));
    let studying = Some(Progress { what: "Swapping cells", done: 1, total: 2 });
    stage.doing(Activity { studying, ..Activity::default() });
    assert!(stage.sees("Swapping cells, 1 of 2"));
    stage.doing(Activity::default());
    let told = swapped(&stage, &region, Agreement::ContextLeaks);
    answer(&mut stage, Answer::Swap(Arc::new(told.clone())));
    let rows = rows(&stage);
    for row in [
        "As it is, 0.9200, 4",
        "Features swapped, 0.9710, +0.0510, 1, ▲ 3",
        "Pixels swapped, 0.9440, +0.0240, 2, ▲ 2",
        "Cell, Taken from, Of its mass, Similarity",
    ] {
        assert!(rows.iter().any(|found| found == row), "{row} is not in {rows:?}");
    }
    // Each swapped cell stands in the table with the plan's own figures.
    let pair = fake::pair(&stage.options());
    for taken in &told.taken {
        let names = [pair.plan.query().name(taken.cell), pair.plan.gallery().name(taken.from)];
        let similarity = pair.similarity[taken.cell * 49 + taken.from];
        let row = format!("{}, {}, {:.0} %, {similarity:.3}", names[0], names[1], 100.0 * taken.share);
        assert!(rows.contains(&row), "{row} is not in {rows:?}");
    }
    assert!(stage.sees("It would win by its features only: with its pixels there it does not"));
    assert!(stage.sees("The answers disagree: context leaks into these cells"));
    assert!(stage.sees_part("50 % of the larger one") && stage.sees_part("Ranks are among 60 photos"));
    assert!(stage.sees_part(RESULT), "the picture that was asked about");
    stage.harness.hover_at(cell(&stage, RESULT, 3, 3));
    stage.harness.run();
    assert!(stage.sees_part("looks like"), "each of its cells says where it is from");
    stage.click("Choose no cells");
    assert!(!stage.sees_part(RESULT) && stage.sees_part("Draw a rectangle over the street photo"));
}

#[test]
fn cells_are_swapped_by_keyboard_alone_and_the_product_s_cells_are_only_looked_at() {
    let mut stage = searched();
    stage.press_with(Modifiers::SHIFT, Key::I);
    assert_eq!(what_if(&stage), WhatIf::Swap);
    assert_eq!(studies(&stage), []);
    stage.harness.get_by_label_contains(STREET).focus();
    stage.harness.run();
    stage.press(Key::ArrowRight);
    let plan = fake::pair(&stage.options()).plan;
    let matched = plan.gallery().name(plan.heaviest(24).unwrap());
    assert!(stage.sees_part(&format!("to swap, 7 × 7: D4, matched with {matched} of the product")));
    stage.press(Key::Space);
    let region = Region::new(PairSide::Query, [24]);
    assert_eq!(studies(&stage), [ask(&stage, Question::Swap(region.clone()))]);
    stage.press(Key::ArrowDown);
    stage.press(Key::Space);
    let both = Region::new(PairSide::Query, [24, 31]);
    assert_eq!(studies(&stage), [StudyRequest::Stop, ask(&stage, Question::Swap(both.clone()))]);
    // An answer about other cells is not shown.
    let told = swapped(&stage, &region, Agreement::Agree);
    answer(&mut stage, Answer::Swap(Arc::new(told)));
    assert!(!stage.sees_part(RESULT));
    studies(&stage);
    stage.harness.get_by_label_contains(PRODUCT).focus();
    stage.harness.run();
    stage.press(Key::ArrowRight);
    stage.press(Key::Space);
    assert_eq!(stage.harness.state().session().study.region, both, "the product's cells are not chosen");
}

#[test]
fn the_same_cells_are_asked_about_in_both_ways_and_those_of_the_product_let_go() {
    let mut stage = searched();
    stage.press(Key::I);
    answer(&mut stage, Answer::IgnoreEach(Arc::new(each(PairSide::Query))));
    let region = chosen(&mut stage, &[9, 10]);
    assert_eq!(studies(&stage).last(), Some(&ask(&stage, Question::Ignore(region.clone()))));
    stage.press_with(Modifiers::SHIFT, Key::I);
    assert_eq!(studies(&stage), [StudyRequest::Stop, ask(&stage, Question::Swap(region.clone()))]);
    let told = swapped(&stage, &region, Agreement::Agree);
    answer(&mut stage, Answer::Swap(Arc::new(told)));
    stage.press(Key::I);
    assert_eq!(studies(&stage), [ask(&stage, Question::Ignore(region))]);
    stage.press_with(Modifiers::SHIFT, Key::I);
    assert_eq!(studies(&stage), [StudyRequest::Stop], "that answer is known");
    assert!(stage.sees_part(RESULT));
    // Cells of the product photo cannot be swapped.
    stage.press(Key::I);
    let product = Region::new(PairSide::Gallery, [3]);
    stage.obey(crate::ui::Command::Study(StudyCommand::Choose(product)));
    stage.press_with(Modifiers::SHIFT, Key::I);
    assert!(stage.harness.state().session().study.region.cells().is_empty());
    assert!(stage.sees_part("Draw a rectangle over the street photo"));
}

#[test]
fn another_product_is_asked_about_with_the_same_cells() {
    let mut stage = searched();
    stage.press_with(Modifiers::SHIFT, Key::I);
    let region = chosen(&mut stage, &[24]);
    let told = swapped(&stage, &region, Agreement::Agree);
    answer(&mut stage, Answer::Swap(Arc::new(told)));
    studies(&stage);
    stage.press(Key::ArrowRight);
    // The plan comes, and with it the question.
    let others = stage.serve();
    let asked = others.into_iter().chain(stage.asked()).filter_map(|request| match request {
        crate::jobs::Request::Study(request) => Some(request),
        _ => None,
    });
    assert_eq!(asked.last(), Some(ask(&stage, Question::Swap(region))));
    assert!(!stage.sees_part(RESULT), "the answer about the other product is gone");
}

#[test]
fn what_cannot_be_swapped_is_said_and_cells_without_mass_are_counted() {
    let mut stage = searched();
    stage.press_with(Modifiers::SHIFT, Key::I);
    let region = chosen(&mut stage, &[24, 25]);
    let mut told = swapped(&stage, &region, Agreement::Agree);
    told.taken.pop();
    answer(&mut stage, Answer::Swap(Arc::new(told)));
    assert!(stage.sees_part("1 cell sends no mass to this product"));
    let region = chosen(&mut stage, &[3]);
    assert_eq!(studies(&stage).last(), Some(&ask(&stage, Question::Swap(region.clone()))));
    let of = FailureOf::Study(stage.query(), super::study::shown(&stage));
    let sentence = "The photo is gone: shop/p000_0.jpg";
    stage.tell(Event::Failed(Failure { of, sentence: sentence.into(), details: None }));
    assert!(stage.sees(sentence));
    stage.harness.run_steps(4);
    assert_eq!(studies(&stage), [], "it is not asked for ever");
    stage.press_with(Modifiers::SHIFT, Key::I);
    assert_eq!(studies(&stage), [ask(&stage, Question::Swap(region))], "asked for again it is tried again");
}

#[test]
fn the_pane_is_found_in_the_palette_and_only_where_there_is_a_match() {
    let mut stage = Staged::ready();
    stage.press_with(Modifiers::SHIFT, Key::I);
    assert!(!stage.harness.state().session().layouts.of(crate::ui::layout::Workspace::Explore).shows(Pane::Ignore));
    let mut stage = searched();
    super::keys::palette(&mut stage, "swap reg");
    stage.press(Key::Enter);
    assert_eq!(what_if(&stage), WhatIf::Swap);
}

/// Pictures of the questions, looked at by a person: `SEAMLINE_SHOTS=FOLDER` says where to.
#[test]
fn pictures_of_the_questions_are_drawn_without_a_fault() {
    let Some(folder) = std::env::var_os("SEAMLINE_SHOTS").map(std::path::PathBuf::from) else { return };
    for (size, theme, name) in [
        (Vec2::new(1280.0, 800.0), egui::Theme::Dark, "small-dark"),
        (Vec2::new(1280.0, 800.0), egui::Theme::Light, "small-light"),
        (Vec2::new(2560.0, 1440.0), egui::Theme::Dark, "large-dark"),
    ] {
        let mut stage = Staged::with(size, theme, true);
        stage.open();
        stage.search_through(60);
        stage.serve();
        let shot = |stage: &mut Staged, what: &str| {
            stage.serve();
            stage.harness.run();
            stage.harness.render().unwrap().save(folder.join(format!("what-if-{what}-{name}.png"))).unwrap();
        };
        stage.press(Key::I);
        answer(&mut stage, Answer::IgnoreEach(Arc::new(each(PairSide::Query))));
        let region = chosen(&mut stage, &[16, 17, 18, 23, 24, 25]);
        let told = super::study::ignored(region.clone(), Agreement::ContextLeaks);
        answer(&mut stage, Answer::Ignore(Arc::new(told)));
        shot(&mut stage, "ignore");
        stage.press_with(Modifiers::SHIFT, Key::I);
        shot(&mut stage, "asked");
        let told = swapped(&stage, &region, Agreement::ContextLeaks);
        answer(&mut stage, Answer::Swap(Arc::new(told)));
        shot(&mut stage, "swap");
        stage.press(Key::A);
        let photos = [fake::photo(2), fake::photo(0)];
        answer(&mut stage, Answer::Above(Arc::new(super::study::comparison(photos))));
        shot(&mut stage, "above");
        stage.press(Key::T);
        answer(&mut stage, Answer::Faithfulness(Arc::new(super::study::faithfulness(true))));
        shot(&mut stage, "test");
        let evidence = Arc::new(super::evidence::report(true));
        stage.tell(Event::Studied(crate::jobs::StudyEvent::Evidence(evidence)));
        shot(&mut stage, "evidence");
    }
}
