//! Where the panes lie: sized, moved, kept and put back.

use egui::{Key, Modifiers, Role, Vec2};
use egui_kittest::kittest::Queryable as _;

use super::stage::Staged;
use crate::jobs::{Event, Failure, FailureOf, Request};
use crate::ui::Command;
use crate::ui::command::Action;
use crate::ui::layout::{Kept, Pane};

const BORDER: &str = "Border of photo and results";

fn border(stage: &Staged, name: &str) -> egui::Rect {
    stage.harness.get_by_role_and_label(Role::Splitter, name).rect()
}

fn written(stage: &Staged) -> Vec<String> {
    let written = stage.asked_for().into_iter().filter_map(|request| match request {
        Request::WriteLayout { text } => Some(text),
        _ => None,
    });
    written.collect()
}

#[test]
fn a_dragged_border_stays_where_it_was_let_go_and_is_written_once() {
    let mut stage = Staged::searched();
    let from = border(&stage, BORDER).center();
    stage.harness.hover_at(from);
    stage.harness.drag_at(from);
    stage.harness.run();
    stage.harness.hover_at(from + Vec2::new(60.0, 0.0));
    stage.harness.run();
    assert_eq!(written(&stage), [] as [&str; 0], "not while it is dragged");
    stage.harness.drop_at(from + Vec2::new(60.0, 0.0));
    stage.harness.run();
    assert!((border(&stage, BORDER).center().x - from.x - 60.0).abs() < 2.0);
    let texts = written(&stage);
    assert_eq!(texts.len(), 1);
    // Another window comes up the same.
    let mut other = Staged::searched();
    other.tell(Event::LayoutRead { text: Some(texts[0].clone()) });
    assert!((border(&other, BORDER).center().x - from.x - 60.0).abs() < 3.0);
    assert_eq!(written(&other), [] as [&str; 0], "what was read is not written again");
}

#[test]
fn arrow_keys_move_a_focused_border_and_not_the_selection() {
    let mut stage = Staged::searched();
    let from = border(&stage, BORDER).center();
    stage.harness.get_by_role_and_label(Role::Splitter, BORDER).focus();
    stage.harness.run();
    stage.asked();
    stage.press(Key::ArrowRight);
    assert!((border(&stage, BORDER).center().x - from.x - 16.0).abs() < 2.0);
    assert!(stage.asked_for().iter().all(|request| matches!(request, Request::WriteLayout { .. })));
    let below = border(&stage, "Border of match and why").center();
    stage.harness.get_by_role_and_label(Role::Splitter, "Border of match and why").focus();
    stage.harness.run();
    stage.press(Key::ArrowUp);
    assert!(border(&stage, "Border of match and why").center().y < below.y);
}

#[test]
fn a_layout_is_put_aside_and_come_back_to_and_the_default_is_never_lost() {
    let mut stage = Staged::searched();
    let first = border(&stage, BORDER).center();
    stage.drag(first, first + Vec2::new(40.0, 0.0));
    stage.click("Preferences…");
    stage.click("Save layout");
    stage.press(Key::Escape);
    assert!(stage.sees("The layout is saved"));
    let saved = border(&stage, BORDER).center();
    stage.drag(saved, saved + Vec2::new(50.0, 0.0));
    stage.obey(Command::Act(Action::ResetLayout));
    assert!((border(&stage, BORDER).center().x - first.x).abs() < 1.0);
    stage.obey(Command::Act(Action::RestoreLayout));
    assert!((border(&stage, BORDER).center().x - saved.x).abs() < 1.0);
    let last = written(&stage).pop().unwrap();
    assert!(Kept::from_text(&last).unwrap().saved.is_some());
}

#[test]
fn coming_back_to_a_layout_that_was_never_saved_says_so() {
    let mut stage = Staged::searched();
    stage.obey(Command::Act(Action::RestoreLayout));
    assert!(stage.sees("No layout was saved yet"));
}

#[test]
fn a_layout_that_cannot_be_read_is_said_once_and_the_default_is_used() {
    let mut stage = Staged::ready();
    stage.tell(Event::LayoutRead { text: Some("layout v9".into()) });
    assert!(stage.sees_part("The kept layout of the window is not used: it is not a layout"));
    assert_eq!(stage.harness.state().session().notices.len(), 1);
    stage.search_through(12);
    assert!(stage.sees_part("Rank 1:") && stage.sees_part("Structural score"));
    let of = FailureOf::Layout;
    let sentence = "Could not save the window's layout (disk full): /home/m/layout.json";
    stage.tell(Event::Failed(Failure { of, sentence: sentence.into(), details: None }));
    assert!(stage.sees(sentence));
}

#[test]
fn panes_that_share_a_place_have_tabs_and_a_pane_alone_has_none() {
    let mut stage = Staged::searched();
    let tabs = |stage: &Staged, name: &str| stage.harness.query_all_by_role_and_label(Role::Tab, name).count();
    assert_eq!(tabs(&stage, "Results"), 0);
    let text = r#"{"format": "seamline layout", "version": 1, "present": {"row": {"of": [
        {"column": {"of": [{"pane": "photo"}, {"pane": "corrections"}]}},
        {"tabs": {"of": [{"pane": "results"}, {"pane": "matching"}]}},
        {"column": {"of": [{"pane": "match"}, {"pane": "why"}]}}
    ]}}}"#;
    stage.tell(Event::LayoutRead { text: Some(text.into()) });
    assert!(tabs(&stage, "Results") == 1 && tabs(&stage, "Matching") == 1);
    assert!(stage.sees_part("Rank 1:") && !stage.sees("Epsilon value"));
    stage.harness.get_by_role_and_label(Role::Tab, "Matching").click();
    stage.harness.run();
    assert!(!stage.sees_part("Rank 1:") && stage.sees("Epsilon value"));
    assert_eq!(written(&stage).len(), 1, "the tab in front is kept too");
    // By keyboard.
    stage.harness.get_by_role_and_label(Role::Tab, "Results").focus();
    stage.harness.run();
    stage.press(Key::Enter);
    assert!(stage.sees_part("Rank 1:"));
    stage.obey(Command::ShowPane(Pane::Matching));
    assert!(stage.sees("Epsilon value"));
}

#[test]
fn a_pane_moves_to_where_its_edge_is_dragged() {
    let mut stage = Staged::searched();
    let grip = stage.harness.get_by_label("Move corrections").rect().center();
    let results = stage.harness.get_by_label("Move results").rect();
    // Onto the middle of the results, it becomes a tab of them.
    let middle = egui::pos2(results.center().x, stage.harness.ctx.content_rect().center().y);
    stage.drag(grip, middle);
    assert!(stage.harness.query_all_by_role_and_label(Role::Tab, "Corrections").count() == 1);
    assert!(!written(&stage).is_empty());
    assert_eq!(stage.harness.query_all_by_role_and_label(Role::Tab, "Results").count(), 1);
    stage.obey(Command::Act(Action::ResetLayout));
    assert_eq!(stage.harness.query_all_by_role_and_label(Role::Tab, "Corrections").count(), 0);
}

#[test]
fn panes_are_gone_to_moved_and_sized_by_keys_alone() {
    let mut stage = Staged::searched();
    let current = |stage: &Staged| stage.harness.state().session().pane;
    stage.press(Key::F6);
    assert_eq!(current(&stage), Some(Pane::Photo));
    assert!(stage.sees("Current pane: Photo"));
    let from = border(&stage, BORDER).center();
    stage.press_with(Modifiers::ALT.plus(Modifiers::SHIFT), Key::ArrowRight);
    assert!((border(&stage, BORDER).center().x - from.x - 32.0).abs() < 2.0);
    stage.press_with(Modifiers::ALT.plus(Modifiers::SHIFT), Key::ArrowLeft);
    assert!((border(&stage, BORDER).center().x - from.x).abs() < 2.0);
    assert!(!written(&stage).is_empty(), "kept as if it had been dragged");
    // Backwards from the first is the last, whose tab comes to the front.
    stage.press_with(Modifiers::SHIFT, Key::F6);
    assert_eq!(current(&stage), Some(Pane::Epsilon));
    stage.press_with(Modifiers::COMMAND.plus(Modifiers::SHIFT), Key::ArrowLeft);
    assert_eq!(stage.harness.query_all_by_role_and_label(Role::Tab, "Epsilon").count(), 0, "out of its tabs");
    assert!(stage.sees("Current pane: Epsilon"));
    // The outline is the innermost thing; the search stays.
    stage.press(Key::Escape);
    assert!(current(&stage).is_none() && stage.harness.state().session().query.is_some());
    assert!(!stage.sees("Current pane: Epsilon"));
}

#[test]
fn panes_are_moved_from_the_palette_and_a_click_takes_the_outline_away() {
    let mut stage = Staged::searched();
    for command in ["Next pane", "Put pane into tabs"] {
        stage.press_with(Modifiers::COMMAND, Key::K);
        stage.harness.get_by_role_and_label(Role::TextInput, "Command").type_text(command);
        stage.harness.run();
        stage.press(Key::Enter);
    }
    assert_eq!(stage.harness.query_all_by_role_and_label(Role::Tab, "Photo").count(), 1);
    assert!(stage.sees("Current pane: Photo"));
    stage.click("Preferences…");
    assert!(stage.harness.state().session().pane.is_none());
}
