//! Keys: found in the palette, changed in the preferences, silent while something is typed or open.

use egui::{Key, Modifiers, Role};
use egui_kittest::kittest::Queryable as _;

use super::fake;
use super::stage::Staged;
use crate::domain::CheckpointId;
use crate::jobs::{Event, Failure, FailureOf, Mark, QueryPhoto, RecentProject, Request};
use crate::ui::Command;
use crate::ui::command::Action;
use crate::ui::desk::{Desk, Page};
use crate::ui::keys::Keymap;

pub(super) fn palette(stage: &mut Staged, text: &str) {
    stage.press_with(Modifiers::COMMAND, Key::K);
    stage.harness.get_by_role_and_label(Role::TextInput, "Command").type_text(text);
    stage.harness.run();
}

fn open(stage: &Staged) -> bool {
    stage.harness.state().session().desk.palette.is_some()
}

fn keys(stage: &mut Staged) {
    stage.obey(Command::Desk(Desk::Preferences(Some(Page::Shortcuts))));
}

/// Presses a button that may lie outside of what is scrolled into view.
fn push(stage: &mut Staged, name: &str) {
    stage.harness.get_by_label(name).click_accesskit();
    stage.harness.run();
}

/// All that could be changed by a key that fires.
fn seen(stage: &Staged) -> String {
    let (session, prefs) = (stage.harness.state().session(), stage.harness.state().prefs());
    let query = session.query.as_ref().map(|query| (query.id, query.selected.clone(), query.crop));
    let open = (session.shortcuts_open, session.desk.preferences);
    format!("{query:?} {:?} {open:?} {:?} {:?}", session.options, prefs.view, prefs.theme)
}

#[test]
fn the_palette_finds_an_action_by_some_letters_and_enter_does_it() {
    let mut stage = Staged::searched();
    let query = stage.query();
    stage.click("Search commands…");
    assert!(open(&stage));
    stage.harness.get_by_role_and_label(Role::TextInput, "Command").type_text("same p");
    stage.harness.run();
    assert!(stage.sees("Same product, S"), "the line shows the key");
    stage.asked();
    stage.press(Key::Enter);
    assert!(!open(&stage));
    let mark = Mark::SameProduct(fake::product(2).product);
    assert_eq!(stage.asked_for(), [Request::Mark { query, mark }]);
}

#[test]
fn both_keys_open_the_palette_and_the_same_key_or_esc_closes_it() {
    let mut stage = Staged::searched();
    for key in [Key::K, Key::P] {
        stage.press_with(Modifiers::COMMAND, key);
        assert!(open(&stage), "{key:?}");
        stage.press_with(Modifiers::COMMAND, key);
        assert!(!open(&stage), "{key:?}");
    }
    stage.press_with(Modifiers::COMMAND, Key::K);
    stage.press(Key::Escape);
    assert!(!open(&stage) && stage.sees_part("Rank 1:"), "one level only");
}

#[test]
fn arrow_keys_choose_a_line_and_a_click_takes_one() {
    let mut stage = Staged::ready();
    palette(&mut stage, "search example");
    stage.press(Key::ArrowDown);
    stage.asked();
    stage.press(Key::Enter);
    assert_eq!(stage.last_search().photo, QueryPhoto::Project("street/p001_0.jpg".into()));
    palette(&mut stage, "example 3");
    stage.harness.get_by_label_contains("Search example 3").click();
    stage.harness.run();
    assert_eq!(stage.last_search().photo, QueryPhoto::Project("street/p002_0.jpg".into()));
}

#[test]
fn models_and_recent_projects_are_found_by_name() {
    let mut stage = Staged::searched();
    palette(&mut stage, "use model first");
    stage.asked();
    stage.press(Key::Enter);
    let checkpoint = CheckpointId::new("8c21aa00aa00aa00");
    assert_eq!(stage.asked_for(), [Request::UseModel { checkpoint }]);
    let recent = |name: &str, gone: Option<&str>| RecentProject {
        path: format!("/shops/{name}").into(),
        name: name.into(),
        gone: gone.map(str::to_owned),
    };
    stage.tell(Event::Recent(vec![recent("Autumn", None), recent("Spring", Some("The folder is not there any more"))]));
    palette(&mut stage, "recent autumn");
    stage.asked();
    stage.press(Key::Enter);
    assert_eq!(stage.asked_for(), [Request::OpenProject { path: Some("/shops/Autumn".into()) }]);
    palette(&mut stage, "recent spring");
    assert!(stage.sees("Open recent project Spring, it is not there any more"));
    stage.asked();
    stage.press(Key::Enter);
    assert_eq!(stage.asked_for(), []);
    assert!(open(&stage), "what cannot be done leaves the palette open");
}

#[test]
fn what_cannot_be_done_now_says_why_and_nothing_fits_says_so() {
    let mut stage = Staged::ready();
    palette(&mut stage, "undo");
    assert!(stage.sees_part("Undo, Ctrl+Z, there is nothing to undo"));
    stage.press(Key::Escape);
    palette(&mut stage, "same product");
    assert!(stage.sees("Same product, S, no photo is open"));
    stage.press(Key::Escape);
    palette(&mut stage, "qqqq");
    assert!(stage.sees("No command has these letters in this order"));
    stage.press(Key::Enter);
    assert!(open(&stage));
}

#[test]
fn every_action_is_a_line_of_the_palette() {
    let stage = {
        let mut stage = Staged::searched();
        stage.press_with(Modifiers::COMMAND, Key::K);
        stage
    };
    for action in Action::ALL {
        if !matches!(action, Action::Back | Action::Palette | Action::ResetMatching | Action::ResetRibbons) {
            let name = action.entry().name;
            let lines = stage.harness.query_all_by_role(Role::ListBoxOption);
            let found = lines.filter_map(|node| egui_kittest::kittest::NodeT::accesskit_node(&node).label());
            assert!(found.into_iter().any(|line| line.starts_with(name)), "{name}");
        }
    }
}

#[test]
fn no_binding_fires_while_a_text_has_the_keyboard() {
    let mut stage = Staged::searched();
    stage.click("Epsilon value");
    assert!(stage.harness.ctx.text_edit_focused());
    stage.asked();
    let before = seen(&stage);
    for action in Action::ALL.into_iter().filter(|action| *action != Action::Back) {
        for shortcut in action.entry().shortcuts {
            // Up and down change a figure that is being typed.
            if matches!(shortcut.logical_key, Key::ArrowUp | Key::ArrowDown) {
                continue;
            }
            stage.press_with(shortcut.modifiers, shortcut.logical_key);
            assert!(stage.harness.ctx.text_edit_focused(), "{action:?}");
            assert_eq!(stage.asked_for(), [], "{action:?}");
            assert_eq!(seen(&stage), before, "{action:?}");
            assert!(!open(&stage), "{action:?}");
        }
    }
}

#[test]
fn no_binding_fires_behind_the_palette_a_sheet_or_a_menu() {
    let openers: [fn(&mut Staged); 4] = [
        |stage| stage.press_with(Modifiers::COMMAND, Key::K),
        |stage| stage.press_with(Modifiers::COMMAND, Key::Comma),
        |stage| stage.press(Key::Questionmark),
        |stage| stage.click("Model"),
    ];
    for (index, opener) in openers.into_iter().enumerate() {
        let mut stage = Staged::searched();
        opener(&mut stage);
        stage.asked();
        let before = seen(&stage);
        for action in Action::ALL {
            // Those that close what is open are allowed, and the theme under the sheet of keys.
            let closes = [Action::Back, Action::Palette, Action::Preferences, Action::Shortcuts, Action::ToggleTheme];
            if closes.contains(&action) || action.moves_through_results() {
                continue;
            }
            for shortcut in action.entry().shortcuts {
                stage.press_with(shortcut.modifiers, shortcut.logical_key);
                assert_eq!(stage.asked_for(), [], "{index}: {action:?}");
                assert_eq!(seen(&stage), before, "{index}: {action:?}");
            }
        }
    }
}

#[test]
fn esc_backs_out_exactly_one_level_each_time() {
    let mut stage = Staged::searched();
    let sentence = "The picture could not be written: /tmp/why.png";
    stage.tell(Event::Failed(Failure { of: FailureOf::Saving, sentence: sentence.into(), details: None }));
    stage.click("Epsilon value");
    assert!(stage.harness.ctx.text_edit_focused());
    stage.press(Key::Escape);
    assert!(!stage.harness.ctx.text_edit_focused() && stage.sees(sentence), "the text first");
    keys(&mut stage);
    stage.press(Key::Escape);
    assert!(stage.harness.state().session().desk.preferences.is_none() && stage.sees(sentence));
    stage.harness.get_by_label_contains("Street photo cells").focus();
    stage.harness.run();
    stage.press(Key::ArrowRight);
    assert!(stage.sees_part("D4 of the street photo"));
    stage.press(Key::Escape);
    assert!(stage.sees_part("Point at a cell") && stage.sees(sentence), "then the cell");
    stage.press(Key::Escape);
    assert!(!stage.sees(sentence) && stage.sees_part("Rank 1:"), "then the notice");
    stage.press(Key::Escape);
    assert!(stage.sees("Find the product in a street photo"), "then the photo");
}

#[test]
fn a_menu_closes_on_esc_and_nothing_else_does() {
    let mut stage = Staged::searched();
    stage.click("Model");
    assert!(stage.sees_part("first try"));
    stage.press(Key::Escape);
    assert!(!stage.sees_part("first try") && stage.sees_part("Rank 1:"));
}

#[test]
fn a_key_is_recorded_printed_everywhere_and_fires() {
    let mut stage = Staged::searched();
    let query = stage.query();
    keys(&mut stage);
    push(&mut stage, "Key of Same product: S");
    assert!(stage.sees("Key of Same product: Press a key…"));
    stage.press(Key::J);
    assert!(stage.sees("Key of Same product: J"));
    stage.press(Key::Escape);
    stage.asked();
    stage.press(Key::S);
    assert_eq!(stage.asked_for(), [], "the former key is free");
    stage.press(Key::J);
    let mark = Mark::SameProduct(fake::product(2).product);
    assert_eq!(stage.asked_for(), [Request::Mark { query, mark }]);
    stage.press(Key::Questionmark);
    assert!(stage.sees("Same product: J"), "the sheet of keys");
    stage.press(Key::Escape);
    palette(&mut stage, "same product");
    assert!(stage.sees("Same product, J"), "the palette");
}

#[test]
fn a_key_that_another_action_has_is_named_and_can_be_replaced() {
    let mut stage = Staged::searched();
    keys(&mut stage);
    push(&mut stage, "Key of Not this: N");
    stage.press(Key::S);
    assert!(stage.sees("S is Same product; replace it?"));
    assert!(!stage.sees("Keep both"), "both count at the same places");
    push(&mut stage, "Cancel");
    assert!(stage.sees("Key of Not this: N"));
    push(&mut stage, "Key of Not this: N");
    stage.press(Key::S);
    push(&mut stage, "Replace");
    assert!(stage.sees("Key of Not this: S") && stage.sees("Key of Same product: None"));
    // Its default is another action's now, so coming back to it asks too.
    push(&mut stage, "Restore key of Same product");
    assert!(stage.sees("S is Not this; replace it?"));
    push(&mut stage, "Replace");
    assert!(stage.sees("Key of Same product: S") && stage.sees("Key of Not this: None"));
    push(&mut stage, "Restore all");
    assert!(stage.sees("Key of Same product: S") && stage.sees("Key of Not this: N"));
    assert_eq!(stage.harness.state().prefs().keys, Keymap::default());
}

#[test]
fn the_narrower_of_two_scopes_wins_where_both_are_kept() {
    let mut stage = Staged::searched();
    let query = stage.query();
    keys(&mut stage);
    push(&mut stage, "Key of Light or dark: Ctrl+Shift+L");
    stage.press(Key::S);
    assert!(stage.sees("S is Same product; replace it?"));
    push(&mut stage, "Keep both");
    stage.press(Key::Escape);
    stage.asked();
    stage.press(Key::S);
    let mark = Mark::SameProduct(fake::product(2).product);
    assert_eq!(stage.asked_for(), [Request::Mark { query, mark }]);
    assert_eq!(stage.harness.ctx.theme(), egui::Theme::Light);
    stage.press(Key::Escape);
    assert!(stage.sees("Find the product in a street photo"));
    stage.press(Key::S);
    assert_eq!(stage.harness.ctx.theme(), egui::Theme::Dark, "without results only the wider one counts");
}

#[test]
fn keys_that_belong_to_others_are_refused_with_the_reason() {
    let mut stage = Staged::ready();
    keys(&mut stage);
    push(&mut stage, "Key of Open: Ctrl+O");
    stage.press(Key::Enter);
    assert!(stage.sees("Tab, Enter and Space belong to what has the keyboard focus"));
    stage.press(Key::Escape);
    assert!(stage.sees("Key of Open: Ctrl+O") && stage.sees("Restore all"), "Esc stops the waiting only");
    push(&mut stage, "Remove key of Open");
    assert!(stage.sees("Key of Open: None"));
    push(&mut stage, "Restore key of Open");
    assert!(stage.sees("Key of Open: Ctrl+O"));
}
