//! A person's own folder in the window.

use std::sync::Arc;

use egui::{Key, Modifiers};
use egui_kittest::kittest::Queryable as _;

use super::fake;
use super::stage::Staged;
use crate::domain::{GalleryChange, IntakeReport, Progress, ShelfOptions, SkipReason, Skipped, Stage};
use crate::jobs::{
    Activity, Dialog, Event, GalleryEvent, GalleryRequest, GalleryState, ProjectSummary, QueryPhoto, Request,
    ShelfRequest,
};
use crate::ui::Command;

fn skipped(number: usize) -> Skipped {
    let (file, line, reason, sentence) = match number % 3 {
        0 => ("torn.jpg", None, SkipReason::Damaged, "the JPEG photo is damaged (no end): torn.jpg"),
        1 => ("products.csv", Some(7), SkipReason::Ragged, "this line has 3 fields, the first one 4: line 7"),
        _ => ("notes.txt", None, SkipReason::NotAPhoto, "this is not a photo: notes.txt"),
    };
    Skipped { file: format!("{number:05} {file}"), line, reason, sentence: format!("{sentence} ({number})") }
}

fn state(skips: usize) -> GalleryState {
    let report = IntakeReport {
        photos: 240,
        products: 120,
        rows: 118,
        unlisted: 2,
        skipped: (0..skips).map(skipped).collect(),
        ..IntakeReport::default()
    };
    GalleryState {
        folder: "/shop/autumn".into(),
        list: Some("/shop/autumn/products.csv".into()),
        report: Arc::new(report),
        indexed: 240,
        ..GalleryState::default()
    }
}

fn told(state: GalleryState) -> Event {
    Event::Gallery(GalleryEvent::State(Arc::new(state)))
}

fn changed(added: usize, removed: usize) -> Event {
    Event::Gallery(GalleryEvent::Changed(GalleryChange { added, removed, ..GalleryChange::default() }))
}

fn over_folder(skips: usize) -> Staged {
    let mut stage = Staged::ready();
    stage.tell(told(state(skips)));
    stage.asked();
    stage
}

#[test]
fn a_folder_of_photos_is_one_button_or_key_away() {
    let mut stage = Staged::ready();
    stage.click("Open a folder of product photos…");
    assert_eq!(stage.asked_for(), [Request::AskPath(Dialog::OpenGallery)]);
    stage.press_with(Modifiers::COMMAND | Modifiers::SHIFT, Key::G);
    assert_eq!(stage.asked_for(), [Request::AskPath(Dialog::OpenGallery)]);
    stage.tell(Event::PathPicked { dialog: Dialog::OpenGallery, path: Some("/shop/autumn".into()) });
    assert_eq!(stage.asked_for(), [Request::OpenProject { path: Some("/shop/autumn".into()) }]);
}

#[test]
fn a_gallery_that_changed_is_told_and_searched_again_only_when_asked() {
    for by_key in [false, true] {
        let mut stage = Staged::searched();
        stage.tell(told(state(0)));
        stage.asked();
        let first = stage.query();
        stage.tell(changed(2, 1));
        stage.tell(changed(1, 0));
        assert!(stage.sees("Gallery changed: 3 added, 1 removed"));
        assert!(stage.sees_part("Rank 1:") && stage.asked_for().is_empty(), "nothing moves by itself");
        if by_key {
            stage.press(Key::F5);
        } else {
            stage.click("Search again");
        }
        let search = stage.last_search();
        assert_eq!(search.photo, QueryPhoto::Earlier(first));
        assert!(!stage.sees_part("Gallery changed") && stage.sees_part("Rank 1:"));
    }
}

#[test]
fn without_an_order_on_screen_a_change_is_nothing_to_tell() {
    let mut stage = over_folder(0);
    stage.tell(changed(3, 0));
    stage.search_through(9);
    assert!(!stage.sees_part("Gallery changed"));
}

#[test]
fn what_was_skipped_is_listed_with_its_reason_counted_copied_and_saved() {
    let mut stage = over_folder(7);
    stage.click("7 skipped");
    assert!(stage.sees("What was skipped"));
    assert!(stage.sees_part("240 photos of 120 products in /shop/autumn; attributes from 118 lines of products.csv"));
    assert!(stage.sees("The JPEG photo is damaged (no end): torn.jpg (0)"));
    for part in ["All 7", "Damaged photo 3", "Line of another length 2", "Not a photo 2"] {
        assert!(stage.sees(part), "{part}");
    }
    stage.click("Not a photo 2");
    assert!(stage.sees_part("notes.txt (5)") && !stage.sees_part("torn.jpg (0)"));
    stage.click("Not a photo 2");
    assert!(stage.sees_part("torn.jpg (0)"), "a second click lists all");
    stage.click("Copy list");
    assert!(stage.sees("Copied 7 lines"));
    stage.click("Save as CSV…");
    let dialog = Dialog::SaveReport { suggested_name: "autumn-skipped.csv".to_owned() };
    assert_eq!(stage.asked_for(), [Request::AskPath(dialog.clone())]);
    stage.tell(Event::PathPicked { dialog, path: Some("/tmp/s.csv".into()) });
    assert_eq!(stage.asked_for(), [Request::Gallery(GalleryRequest::SaveReport { path: "/tmp/s.csv".into() })]);
    stage.press(Key::Escape);
    assert!(!stage.sees("What was skipped"));
}

#[test]
fn a_hundred_thousand_skipped_files_lay_out_only_what_is_in_view() {
    let mut stage = over_folder(100_000);
    stage.click("100,000 skipped");
    let lines = stage.harness.query_all_by_role(egui::Role::ListItem).count();
    assert!((3..60).contains(&lines), "{lines}");
    assert!(stage.sees("Damaged photo 33,334"));
}

#[test]
fn a_folder_that_is_away_is_told_once_and_its_return_too() {
    let mut stage = over_folder(0);
    let sentence = "The folder of photos cannot be reached: /shop/autumn";
    let away = GalleryState { trouble: Some(sentence.to_owned()), ..state(0) };
    stage.tell(told(away.clone()));
    assert!(stage.sees(sentence) && stage.sees("Folder not looked at"));
    stage.click("Close notice");
    stage.tell(told(away));
    assert!(!stage.sees(sentence), "it was said");
    stage.tell(told(state(0)));
    assert!(stage.sees("The folder of photos is there again") && !stage.sees("Folder not looked at"));
}

#[test]
fn the_menu_of_the_project_reads_the_folder_again_stops_and_takes_another_list() {
    let mut stage = over_folder(0);
    let preparing = Some(Progress { what: "Indexing photos", done: 3, total: 240 });
    stage.doing(Activity { preparing, ..Activity::default() });
    for (item, request) in [
        ("Read the folder again", Request::Gallery(GalleryRequest::Refresh)),
        ("Stop indexing", Request::Gallery(GalleryRequest::StopIndexing)),
        ("Read attributes from a list…", Request::AskPath(Dialog::OpenList)),
    ] {
        stage.harness.get_by_label("Project").click();
        stage.harness.run_steps(4);
        assert!(stage.sees("Photos in /shop/autumn") && stage.sees("Attributes from products.csv"));
        stage.harness.get_by_label(item).click();
        stage.harness.run_steps(4);
        assert_eq!(stage.asked_for(), [request], "{item}");
    }
    stage.doing(Activity::default());
    stage.tell(Event::PathPicked { dialog: Dialog::OpenList, path: Some("/tmp/list.csv".into()) });
    assert_eq!(stage.asked_for(), [Request::Gallery(GalleryRequest::UseList { path: "/tmp/list.csv".into() })]);
}

#[test]
fn a_project_that_is_open_elsewhere_says_so_beside_its_name() {
    let mut stage = Staged::empty();
    let why = "nothing can be saved in this project, because it is already open in another window or command: /p";
    let summary = ProjectSummary { read_only: Some(why.to_owned()), ..fake::project() };
    stage.tell(Event::ProjectOpened(Arc::new(summary)));
    assert!(stage.sees("Read-only"));
    stage.tell(Event::ProjectOpened(Arc::new(fake::project())));
    assert!(!stage.sees("Read-only"));
}

#[test]
fn scrolling_towards_the_end_asks_once_for_more_and_moves_nothing() {
    let mut stage = Staged::ready();
    stage.search_through(200);
    let query = stage.query();
    let first = stage.harness.get_by_label_contains("Rank 1:").rect();
    assert!(stage.asked_for().is_empty(), "the end is far away");
    stage.obey(Command::Select(fake::photo(150)));
    let options = stage.options();
    let shelf = ShelfOptions::default();
    let more = Request::Shelf(ShelfRequest::Arrange { query, options, shelf, limit: 1600 });
    assert_eq!(stage.asked_for().iter().filter(|request| **request == more).count(), 1);
    stage.tell(fake::ranked(query, Stage::Structural, options, 900));
    assert!(stage.sees_part("900 results"));
    assert_eq!(stage.harness.state().session().query.as_ref().unwrap().selected, Some(fake::photo(150)));
    stage.obey(Command::Select(fake::photo(880)));
    let asked = stage.asked_for();
    assert!(
        !asked.iter().any(|request| matches!(request, Request::Shelf(ShelfRequest::Arrange { .. }))),
        "fewer came than were wanted: {asked:?}"
    );
    stage.obey(Command::Select(fake::photo(2)));
    assert_eq!(stage.harness.get_by_label_contains("Rank 1:").rect().size(), first.size());
}

#[test]
fn products_that_come_into_view_are_asked_about_once() {
    let mut stage = Staged::searched();
    let (query, options) = (stage.query(), stage.options());
    let Event::Ranked { ranking, .. } = fake::ranked(query, Stage::Structural, options, 60) else { panic!() };
    stage.tell(Event::ranked(query, ranking, Arc::default()));
    let asked = stage.asked_for();
    let Some(Request::Products(wanted)) = asked.iter().find(|request| matches!(request, Request::Products(_))) else {
        panic!("{asked:?}")
    };
    assert!(wanted.contains(&fake::product(2).product) && wanted.len() < 60, "{wanted:?}");
    assert!(!stage.sees_part("Rank 1: Sailor tee"));
    stage.tell(Event::Products(vec![fake::product(2)]));
    assert!(stage.sees_part("Rank 1: Sailor tee"));
    assert!(!stage.asked_for().iter().any(|request| matches!(request, Request::Products(_))), "asked already");
}

#[test]
fn another_project_leaves_the_folder_behind() {
    let mut stage = over_folder(4);
    assert!(stage.sees("4 skipped"));
    let other = ProjectSummary { path: "/elsewhere".into(), ..fake::project() };
    stage.tell(Event::ProjectOpened(Arc::new(other)));
    assert!(!stage.sees("4 skipped"));
    stage.press(Key::F5);
    assert_eq!(stage.asked_for(), []);
}
