//! The query put together: turned, boxes flipped between, other photos, examples.

use std::sync::Arc;

use egui::{Key, Modifiers};
use egui_kittest::kittest::Queryable as _;

use super::fake::{self, CROP};
use super::stage::Staged;
use crate::domain::{CropRect, QueryEdit, Recipe, Stage};
use crate::jobs::{AlsoPhoto, Dialog, Event, QueryInfo, QueryPhoto, Request, SearchRequest};

fn trousers() -> CropRect {
    fake::query_info("").suggested_crops[1].1
}

/// Answers as the background does: with the photo turned, and those photos that were added.
fn answer(stage: &mut Staged, search: &SearchRequest) {
    let plain = fake::query_info("tram.jpg");
    let edit = search.recipe.edit;
    let (width, height) = edit.size(plain.width, plain.height);
    let also = search.also.iter().map(|photo| AlsoPhoto { photo: photo.clone(), name: "side.jpg".into() }).collect();
    let info = QueryInfo { width, height, edit, also, crop: search.crop.unwrap_or(plain.crop), ..plain };
    stage.tell(Event::QueryReady { query: search.query, photo: Arc::new(info) });
    stage.tell(fake::ranked(search.query, Stage::Structural, search.options, 60));
    stage.serve();
    stage.asked();
}

#[test]
fn brackets_turn_the_photo_with_its_box_and_a_second_turn_needs_no_answer_to_the_first() {
    let mut stage = Staged::searched();
    let earlier = stage.query();
    stage.press(Key::CloseBracket);
    let search = stage.last_search();
    let right = QueryEdit { quarter_turns: 1, flipped: false };
    assert_eq!((search.recipe.edit, &search.photo), (right, &QueryPhoto::Earlier(earlier)));
    assert_eq!(search.crop, Some(right.place(CROP, 400, 560)));
    stage.press(Key::CloseBracket);
    let twice = stage.last_search();
    let half = QueryEdit { quarter_turns: 2, flipped: false };
    assert_eq!((twice.recipe.edit, twice.crop), (half, Some(half.place(CROP, 400, 560))));
    answer(&mut stage, &twice);
    stage.click("Mirror");
    let mirrored = stage.last_search();
    assert_eq!(mirrored.recipe.edit, half.mirrored());
    answer(&mut stage, &mirrored);
    stage.press(Key::Backslash);
    stage.press(Key::OpenBracket);
    stage.asked();
    stage.click("Turn left");
    let last = stage.last_search();
    assert_eq!((last.recipe.edit, last.crop), (QueryEdit::default(), Some(CROP)), "all the way back");
}

#[test]
fn a_box_that_was_searched_before_shows_its_results_at_once() {
    let mut stage = Staged::searched();
    let name = |stage: &Staged| stage.harness.get_by_label_contains("Rank 1:").rect();
    stage.click("Trousers");
    let search = stage.last_search();
    assert_eq!(search.crop, Some(trousers()));
    // Other results than those of the first box.
    let mut info = fake::query_info("tram.jpg");
    info.crop = trousers();
    stage.tell(Event::QueryReady { query: search.query, photo: Arc::new(info) });
    stage.tell(fake::ranked(search.query, Stage::Global, search.options, 7));
    stage.serve();
    assert!(stage.sees_part("Rank 1: Breton long sleeve"));
    stage.asked();

    stage.click("Top");
    let back = stage.last_search();
    assert_eq!(back.crop, Some(CROP));
    let session = stage.harness.state().session();
    let query = session.query.as_ref().expect("a query");
    assert!(!query.stale && query.plan.is_some(), "before any answer");
    assert!(stage.sees_part("Rank 1: Sailor tee") && name(&stage).is_positive());
    // The answer is the same and changes nothing.
    stage.answer_search(&back, 60);
    assert!(stage.sees_part("Rank 1: Sailor tee"));
}

#[test]
fn every_other_box_has_a_dot_on_the_photo() {
    let mut stage = Staged::searched();
    assert!(!stage.sees("Search with Top"), "it is the one that is searched");
    stage.click("Search with Trousers");
    assert_eq!(stage.last_search().crop, Some(trousers()));
    assert!(stage.sees("Search with Top"));
}

#[test]
fn another_photo_of_the_garment_is_added_and_left_out() {
    let mut stage = Staged::searched();
    stage.press_with(Modifiers::COMMAND | Modifiers::SHIFT, Key::A);
    assert_eq!(stage.asked_for(), [Request::AskPath(Dialog::AddPhoto)]);
    stage.tell(Event::PathPicked { dialog: Dialog::AddPhoto, path: Some("/tmp/side.jpg".into()) });
    let search = stage.last_search();
    let added = QueryPhoto::File("/tmp/side.jpg".into());
    assert_eq!((&search.also, search.crop), (&vec![added], Some(CROP)));
    answer(&mut stage, &search);
    assert!(stage.sees("Together with 1 photo"));
    stage.click("Leave out side.jpg");
    assert_eq!(stage.last_search().also, []);
}

#[test]
fn a_photo_that_could_not_be_added_is_not_asked_for_again() {
    let mut stage = Staged::searched();
    stage.tell(Event::PathPicked { dialog: Dialog::AddPhoto, path: Some("/tmp/broken.jpg".into()) });
    let search = stage.last_search();
    stage.answer_search(&search, 30);
    stage.asked();
    stage.press(Key::L);
    assert_eq!(stage.last_search().also, []);
}

#[test]
fn likes_and_dislikes_move_the_query_and_are_taken_back_by_their_chips() {
    let mut stage = Staged::searched();
    stage.press(Key::L);
    let liked = stage.last_search();
    assert_eq!(liked.recipe, Recipe { liked: vec![fake::photo(2)], ..Recipe::default() });
    stage.press(Key::D);
    assert_eq!(stage.asked_for(), [], "which one is meant is not clear before the answer is here");
    answer(&mut stage, &liked);
    assert!(stage.sees("Liked: Sailor tee"));
    stage.press(Key::ArrowRight);
    stage.serve();
    stage.click("Less like this");
    let both = stage.last_search();
    assert_eq!((both.recipe.liked.len(), both.recipe.disliked.clone()), (1, vec![fake::photo(0)]));
    answer(&mut stage, &both);
    stage.click("Disliked: Breton long sleeve");
    let one = stage.last_search();
    assert_eq!(one.recipe, liked.recipe);
    answer(&mut stage, &one);
    stage.click("Liked: Sailor tee");
    assert_eq!(stage.last_search().recipe, Recipe::default());
}

#[test]
fn questions_about_several_photos_say_whose_cells_they_are_about() {
    let mut stage = Staged::searched();
    stage.press(Key::I);
    assert!(!stage.sees_part("About the cells of"));
    stage.press(Key::L);
    let search = stage.last_search();
    assert_eq!(search.recipe.liked.len(), 1);
    answer(&mut stage, &search);
    let words =
        "About the cells of tram.jpg; in the global part count also 1 liked or disliked product, as in the search";
    assert!(stage.sees(words));
}
