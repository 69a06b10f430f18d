//! The pair: cells, contributions, layers, saving.

use egui::{Key, Modifiers, Pos2};
use egui_kittest::kittest::Queryable as _;

use super::fake;
use super::stage::Staged;
use crate::domain::{Grid, PlanOverlay, PlanView};
use crate::jobs::{Dialog, Event, Failure, FailureOf, Request};

/// The middle of a cell of one of the photos.
pub fn cell(stage: &Staged, photo: &str, cell: usize) -> Pos2 {
    let rect = stage.harness.get_by_label_contains(photo).rect();
    let (row, column) = Grid::new(7, 7).place(cell);
    rect.min + rect.size() * egui::vec2(column as f32 + 0.5, row as f32 + 0.5) / 7.0
}

pub fn rows(stage: &Staged) -> Vec<String> {
    let rows = stage.harness.query_all_by_role(egui::Role::Row);
    rows.filter_map(|node| egui_kittest::kittest::NodeT::accesskit_node(&node).label()).collect()
}

#[test]
fn pointing_at_a_cell_leaves_its_row_of_the_plan() {
    let mut stage = Staged::searched();
    assert!(rows(&stage).iter().any(|row| row.starts_with("E4 to ")));
    stage.harness.hover_at(cell(&stage, "Street photo cells", 2 * 7 + 3));
    stage.harness.run();
    assert!(stage.sees_part("D3 of the street photo: mass"));
    let flows: Vec<String> = rows(&stage).into_iter().filter(|row| row.contains(" to ")).collect();
    assert!(!flows.is_empty() && flows.iter().all(|row| row.starts_with("D3 to ")), "{flows:?}");
    stage.harness.hover_at(cell(&stage, "Product photo cells", 3 * 7 + 4));
    stage.harness.run();
    assert!(stage.sees_part("E4 of the product photo: mass"));
    let flows: Vec<String> = rows(&stage).into_iter().filter(|row| row.contains(" to ")).collect();
    assert!(!flows.is_empty() && flows.iter().all(|row| row.contains(" to E4,")), "{flows:?}");
    stage.harness.remove_cursor();
    stage.harness.run();
    assert!(stage.sees_part("Point at a cell"));
}

#[test]
fn arrow_keys_walk_over_the_cells_of_a_focused_photo_and_not_through_the_results() {
    let mut stage = Staged::searched();
    stage.harness.get_by_label_contains("Street photo cells").focus();
    stage.harness.run();
    stage.asked();
    stage.press(Key::ArrowRight);
    assert!(stage.sees_part("D4 of the street photo"), "the walk begins in the middle");
    stage.press(Key::ArrowUp);
    assert!(stage.sees_part("D3 of the street photo"));
    assert_eq!(stage.asked_for(), [], "the same result is shown");
    stage.press(Key::Escape);
    assert!(stage.sees_part("Point at a cell"));
}

#[test]
fn the_score_is_taken_apart_and_adds_up_as_it_is_shown() {
    let stage = Staged::searched();
    let mut total = None;
    let mut sum = 0.0;
    for row in rows(&stage) {
        let figures: Vec<f64> =
            row.split(", ").filter_map(|part| part.trim_end_matches(" %").parse::<f64>().ok()).collect();
        if row.starts_with("Structural score") {
            total = Some(figures[0]);
        } else if row.contains(" more") {
            sum += figures[0];
        }
    }
    // Only rows in view are laid out; the settings below leave few enough.
    assert!(total.is_some() && sum > 0.0);
    let mut stage = stage;
    let mut ribbons = stage.harness.state().prefs().ribbons;
    ribbons.count = 5;
    stage.obey(crate::ui::Command::SetRibbons(ribbons));
    let figures: Vec<(String, Vec<f64>)> = rows(&stage)
        .into_iter()
        .map(|row| {
            let figures = row.split(", ").filter_map(|part| part.trim_end_matches(" %").parse().ok()).collect();
            (row, figures)
        })
        .collect();
    let contribution = |row: &(String, Vec<f64>)| row.1[row.1.len() - 2];
    let flows: f64 = figures.iter().filter(|row| row.0.contains(" to ")).map(contribution).sum();
    let rest: f64 = figures.iter().filter(|row| row.0.contains(" more")).map(contribution).sum();
    let shown: f64 = figures.iter().filter(|row| row.0.starts_with("Structural")).map(contribution).sum();
    assert_eq!(figures.iter().filter(|row| row.0.contains(" to ")).count(), 5);
    assert!((flows + rest - shown).abs() < 1e-9, "{flows} + {rest} = {shown}");
    assert_eq!(format!("{shown:.4}"), format!("{:.4}", fake::pair(&stage.options()).structural));
}

#[test]
fn saving_asks_where_and_says_where_it_is() {
    let mut stage = Staged::searched();
    let query = stage.query();
    stage.press(Key::Num2);
    stage.press_with(Modifiers::COMMAND, Key::S);
    let dialog = Dialog::SavePlan { suggested_name: "tram-p002_0.png".into() };
    assert_eq!(stage.asked_for(), [Request::AskPath(dialog.clone())]);
    // The selection moves on before the person has chosen a file.
    stage.press(Key::ArrowRight);
    stage.serve();
    stage.tell(Event::PathPicked { dialog, path: Some("/tmp/why.png".into()) });
    // As it is looked at: in colours, with the ribbons' settings of this window.
    let view = PlanView { overlay: PlanOverlay::Colours, grid_lines: true, threshold: 0.05, ribbons: 24, opacity: 1.0 };
    let (options, path) = (stage.options(), "/tmp/why.png".into());
    let save = Request::SavePlan { query, photo: fake::photo(2), options, view, path };
    assert_eq!(stage.asked_for(), [save]);
    stage.tell(Event::Saved { path: "/tmp/why.png".into() });
    assert!(stage.sees("Saved why.png"));
}

#[test]
fn a_full_disk_is_a_notice_that_stays_until_it_is_closed() {
    let mut stage = Staged::searched();
    let sentence = "The picture could not be written because the disk is full: /tmp/why.png";
    stage.tell(Event::Failed(Failure { of: FailureOf::Saving, sentence: sentence.into(), details: None }));
    assert!(stage.sees(sentence));
    stage.harness.run_steps(60);
    assert!(stage.sees(sentence), "failures do not go by themselves");
    stage.click("Close notice");
    assert!(!stage.sees(sentence) && stage.sees_part("Rank 1:"));
}

#[test]
fn other_notices_go_by_themselves() {
    let mut stage = Staged::searched();
    stage.tell(Event::Note("12 photos were skipped".into()));
    assert!(stage.sees("12 photos were skipped"));
    stage.harness.run_steps(40);
    assert!(!stage.sees("12 photos were skipped"));
}

#[test]
fn a_plan_of_another_photo_or_query_is_not_shown() {
    let mut stage = Staged::searched();
    let query = stage.query();
    stage.press(Key::ArrowRight);
    stage.tell(fake::plan(query, &fake::photo(2), stage.options()));
    assert!(rows(&stage).is_empty(), "the plan of rank 1 came too late");
    stage.serve();
    stage.tell(fake::plan(query, &fake::photo(0), stage.options()));
    assert!(!rows(&stage).is_empty());
}

#[test]
fn a_plan_that_cannot_be_had_says_so_in_its_place() {
    let mut stage = Staged::searched();
    stage.press(Key::ArrowRight);
    let of = FailureOf::Plan(stage.query(), fake::photo(0));
    let sentence = "The photo is gone: shop/p000_0.jpg";
    stage.tell(Event::Failed(Failure { of, sentence: sentence.into(), details: None }));
    assert!(stage.sees(sentence));
    assert!(stage.harness.state().session().notices.is_empty());
    stage.press(Key::ArrowLeft);
    stage.serve();
    assert!(!stage.sees(sentence) && !rows(&stage).is_empty());
}

#[test]
fn a_broken_thumbnail_leaves_the_rest() {
    let mut stage = Staged::ready();
    stage.drop_file("/tmp/tram.jpg");
    let search = stage.last_search();
    stage.answer_search(&search, 12);
    for request in stage.asked() {
        if let Request::Thumbnail { photo, size_px } = request {
            stage.push(Event::Thumbnail { photo, size_px, pixels: Err("the file is gone".into()) });
        }
    }
    stage.harness.run();
    assert!(stage.sees_part("Rank 1:"));
}
