//! Photos in: dropped, pasted, opened, cropped.

use std::sync::Arc;

use egui::{Event as Input, Key, Modifiers, Pos2, Vec2};
use egui_kittest::kittest::Queryable as _;

use super::fake::{self, CROP};
use super::stage::Staged;
use crate::domain::Progress;
use crate::domain::{CropRect, MatchOptions, QueryId, Recipe, ShelfOptions, Stage};
use crate::jobs::{Activity, Dialog, Event, Failure, FailureOf, QueryPhoto, Request, SearchRequest};

fn search(query: u64, photo: QueryPhoto, crop: Option<CropRect>) -> Request {
    Request::Search(SearchRequest {
        query: QueryId(query),
        photo,
        crop,
        options: MatchOptions::default(),
        limit: 200,
        shelf: ShelfOptions::default(),
        again: None,
        recipe: Recipe::default(),
        also: Vec::new(),
    })
}

fn file(path: &str) -> QueryPhoto {
    QueryPhoto::File(path.into())
}

#[test]
fn the_layout_and_the_project_of_last_time_are_asked_for_at_the_start() {
    let stage = Staged::empty();
    assert_eq!(stage.asked(), [Request::ReadLayout, Request::ListRecent, Request::OpenProject { path: None }]);
}

#[test]
fn a_dropped_file_is_searched_with() {
    let mut stage = Staged::ready();
    stage.drop_file("/tmp/red coat.jpg");
    assert_eq!(stage.asked_for(), [search(1, file("/tmp/red coat.jpg"), None)]);
    assert!(stage.sees_part("red coat.jpg") && stage.sees("Searching…"));
}

#[test]
fn a_photo_dropped_before_the_project_is_open_waits_for_it() {
    let mut stage = Staged::empty();
    stage.asked();
    stage.drop_file("/tmp/a.jpg");
    assert_eq!(stage.asked_for(), []);
    assert!(stage.sees("Searching as soon as the project is open"));
    stage.tell(Event::ProjectOpened(Arc::new(fake::project())));
    assert_eq!(stage.asked_for(), [search(1, file("/tmp/a.jpg"), None)]);
}

#[test]
fn hovering_says_what_letting_go_would_do() {
    let mut stage = Staged::ready();
    stage.hover_file("/tmp/tram.jpg");
    assert!(stage.sees("Drop to search: tram.jpg"));
    stage.file_leaves();
    assert!(!stage.sees_part("Drop to search"));
    stage.hover_file(env!("CARGO_MANIFEST_DIR"));
    assert!(stage.sees_part("Drop to search in these product photos"));
    stage.file_leaves();
    stage.hover_file("/tmp/notes.pdf");
    assert!(stage.sees_part("Not a photo by its name: notes.pdf"));
    assert_eq!(stage.asked_for(), []);
}

#[test]
fn a_dropped_folder_is_opened_as_a_project() {
    let mut stage = Staged::ready();
    stage.drop_file(env!("CARGO_MANIFEST_DIR"));
    assert_eq!(stage.asked_for(), [Request::OpenProject { path: Some(env!("CARGO_MANIFEST_DIR").into()) }]);
}

#[test]
fn a_second_drop_replaces_the_first_and_late_answers_to_the_first_are_dropped() {
    let mut stage = Staged::ready();
    stage.drop_file("/tmp/first.jpg");
    let first = stage.last_search();
    stage.drop_file("/tmp/second.jpg");
    let second = stage.last_search();
    assert!(second.query > first.query);

    stage.tell(Event::QueryReady { query: first.query, photo: Arc::new(fake::query_info("first.jpg")) });
    stage.tell(fake::ranked(first.query, Stage::Structural, first.options, 9));
    let gone = Failure { of: FailureOf::Query(first.query), sentence: "first.jpg is broken".into(), details: None };
    stage.tell(Event::Failed(gone));
    assert!(stage.sees_part("second.jpg") && stage.sees("Searching…"));
    assert!(!stage.sees_part("first.jpg") && !stage.sees_part("Rank 1"));

    stage.tell(fake::ranked(second.query, Stage::Structural, second.options, 9));
    assert!(stage.sees_part("Rank 1"));
}

#[test]
fn several_files_at_once_say_which_one_is_searched() {
    let mut stage = Staged::ready();
    stage.drop_files(&["/tmp/a.jpg", "/tmp/b.jpg"]);
    assert_eq!(stage.asked_for(), [search(1, file("/tmp/a.jpg"), None)]);
    assert!(stage.sees("2 files were dropped; a.jpg is searched"));
}

#[test]
fn a_pasted_picture_or_path_is_searched_with_and_other_text_is_named() {
    let mut stage = Staged::ready();
    let image = egui::ColorImage::filled([2, 2], egui::Color32::RED);
    stage.harness.event(Input::PasteImage(Arc::new(image)));
    stage.harness.run();
    assert_eq!(stage.asked_for(), [search(1, QueryPhoto::Clipboard, None)]);
    stage.harness.event(Input::Paste("/home/m/red coat.png".into()));
    stage.harness.run();
    assert_eq!(stage.asked_for(), [search(2, file("/home/m/red coat.png"), None)]);
    stage.harness.event(Input::Paste("red coat".into()));
    stage.harness.run();
    assert_eq!(stage.asked_for(), []);
    assert!(stage.sees_part("The clipboard holds text"));
}

#[test]
fn open_asks_for_a_path_and_searches_with_the_one_that_is_picked() {
    let mut stage = Staged::ready();
    stage.press_with(Modifiers::COMMAND, Key::O);
    assert_eq!(stage.asked_for(), [Request::AskPath(Dialog::OpenPhoto)]);
    stage.tell(Event::PathPicked { dialog: Dialog::OpenPhoto, path: None });
    assert_eq!(stage.asked_for(), []);
    stage.tell(Event::PathPicked { dialog: Dialog::OpenPhoto, path: Some("/tmp/b.webp".into()) });
    assert_eq!(stage.asked_for(), [search(1, file("/tmp/b.webp"), None)]);
}

#[test]
fn one_click_on_an_example_searches_with_it() {
    let mut stage = Staged::ready();
    stage.click("Example 2");
    assert_eq!(stage.asked_for(), [search(1, QueryPhoto::Project("street/p001_0.jpg".into()), None)]);
}

#[test]
fn preparing_shows_how_far_it_is() {
    let mut stage = Staged::empty();
    let preparing = Some(Progress { what: "Drawing the sample wardrobe", done: 820, total: 2400 });
    stage.doing(Activity { preparing, ..Activity::default() });
    assert!(stage.sees("Drawing the sample wardrobe: 820 of 2,400"));
}

/// The photo on screen, and a place on it in photo pixels.
fn on_photo(stage: &Staged, x: f32, y: f32) -> Pos2 {
    let rect = stage.harness.get_by_label_contains("Crop ").rect();
    rect.min + Vec2::new(x, y) * rect.width() / 400.0
}

#[test]
fn a_dragged_corner_searches_again_when_it_is_let_go_and_not_before() {
    let mut stage = Staged::searched();
    let (from, to) = (on_photo(&stage, CROP.x, CROP.y), on_photo(&stage, CROP.x + 40.0, CROP.y + 60.0));
    stage.harness.hover_at(from);
    stage.harness.drag_at(from);
    stage.harness.run();
    stage.harness.hover_at(from + (to - from) * 0.5);
    stage.harness.hover_at(to);
    stage.harness.run();
    assert_eq!(stage.asked_for(), [], "while dragging");
    stage.harness.drop_at(to);
    stage.harness.run();
    let search = stage.last_search();
    assert_eq!(search.photo, QueryPhoto::Earlier(QueryId(1)));
    let crop = search.crop.unwrap();
    let expected = CropRect::new(CROP.x + 40.0, CROP.y + 60.0, CROP.width - 40.0, CROP.height - 60.0);
    for (got, wanted) in
        [(crop.x, expected.x), (crop.y, expected.y), (crop.width, expected.width), (crop.height, expected.height)]
    {
        assert!((got - wanted).abs() <= 2.0, "{crop} is not about {expected}");
    }
    // The order of the part before stays in sight until the new one is here.
    assert!(stage.sees_part("Rank 1:") && stage.sees_part("tram.jpg"));
}

#[test]
fn a_box_dragged_by_its_middle_keeps_its_size() {
    let mut stage = Staged::searched();
    let middle = on_photo(&stage, CROP.x + CROP.width / 2.0, CROP.y + CROP.height / 2.0);
    stage.drag(middle, middle + Vec2::new(15.0, -20.0));
    let crop = stage.last_search().crop.unwrap();
    assert!((crop.width - CROP.width).abs() <= 1.0 && (crop.height - CROP.height).abs() <= 1.0);
    assert!(crop.x > CROP.x && crop.y < CROP.y);
}

#[test]
fn arrow_keys_nudge_the_focused_box() {
    let mut stage = Staged::searched();
    stage.harness.get_by_label_contains("Crop ").focus();
    stage.harness.run();
    stage.asked();
    stage.press(Key::ArrowRight);
    let crop = stage.last_search().crop.unwrap();
    assert!(crop.x > CROP.x && crop.y == CROP.y && crop.width == CROP.width, "{crop}");
    assert!(stage.sees_part("Rank 1:"), "the selection did not move");
}

#[test]
fn suggested_boxes_and_the_whole_photo_are_one_press_away() {
    let mut stage = Staged::searched();
    stage.click("Trousers");
    let search = stage.last_search();
    assert_eq!(search.crop, Some(CropRect::new(140.0, 320.0, 120.0, 200.0)));
    stage.answer_search(&search, 20);
    stage.serve();
    stage.press(Key::W);
    assert_eq!(stage.last_search().crop, Some(CropRect::whole(400, 560)));
}

#[test]
fn a_photo_that_cannot_be_read_is_named_and_the_window_goes_on() {
    let mut stage = Staged::searched();
    stage.drop_file("/tmp/broken.jpg");
    let query = stage.last_search().query;
    let sentence = "broken.jpg ends before its picture does: /tmp/broken.jpg";
    let details = Some("unexpected end of file".to_owned());
    stage.tell(Event::Failed(Failure { of: FailureOf::Query(query), sentence: sentence.into(), details }));
    assert!(stage.sees(sentence) && stage.sees("No results"));
    assert!(!stage.sees("unexpected end of file"), "details are folded");
    stage.click("Details");
    assert!(stage.sees("unexpected end of file"));
    stage.search_through(12);
    assert!(stage.sees_part("Rank 1:") && !stage.sees(sentence));
}

#[test]
fn a_project_that_cannot_be_opened_is_named_and_the_sample_is_offered() {
    let mut stage = Staged::empty();
    stage.asked();
    let sentence = "There is no project in this folder: /tmp/x";
    stage.tell(Event::Failed(Failure { of: FailureOf::Project, sentence: sentence.into(), details: None }));
    assert!(stage.sees(sentence));
    stage.click("Use the sample wardrobe");
    assert_eq!(stage.asked_for(), [Request::OpenProject { path: None }]);
}

#[test]
fn without_a_file_dialog_the_window_asks_for_the_path() {
    let mut stage = Staged::ready();
    stage.press_with(Modifiers::COMMAND, Key::O);
    assert_eq!(stage.asked_for(), [Request::AskPath(Dialog::OpenPhoto)]);
    stage.tell(Event::NoDialog { dialog: Dialog::OpenPhoto, start: "/home/m".into() });
    assert!(stage.sees("Open a street photo or evidence") && stage.sees_part("no file dialog"));
    assert!(stage.harness.ctx.text_edit_focused(), "typing begins at once");
    stage.harness.get_by_label("Path").set_text_value_accesskit("/home/m/red coat.jpg");
    stage.harness.run();
    stage.press(Key::Enter);
    assert_eq!(stage.asked_for(), [search(1, file("/home/m/red coat.jpg"), None)]);
    assert!(!stage.sees_part("no file dialog"));
}

#[test]
fn esc_leaves_the_question_for_a_path_and_the_next_one_is_fresh() {
    let mut stage = Staged::searched();
    let suggested_name = "tram-p002_0.png".to_owned();
    let dialog = Dialog::SavePlan { suggested_name };
    stage.tell(Event::NoDialog { dialog: dialog.clone(), start: "/home/m".into() });
    stage.harness.get_by_label("Path").set_text_value_accesskit("elsewhere");
    stage.harness.run();
    stage.press(Key::Escape);
    assert!(!stage.sees_part("no file dialog") && stage.sees_part("Rank 1:"), "one level back");
    stage.press_with(Modifiers::COMMAND, Key::S);
    stage.asked();
    stage.tell(Event::NoDialog { dialog, start: "/home/m".into() });
    stage.click("Save");
    let asked = stage.asked_for();
    assert!(
        matches!(&asked[..], [Request::SavePlan { path, .. }] if path == std::path::Path::new("/home/m/tram-p002_0.png")),
        "{asked:?}"
    );
}
