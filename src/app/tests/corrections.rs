//! Saying what is right, training on it, going back.

use std::sync::Arc;

use egui::{Key, Modifiers};
use egui_kittest::kittest::Queryable as _;

use super::fake;
use super::stage::Staged;
use crate::app::App;
use crate::domain::{CheckpointId, Label, LabelKey, LabelValue, Origin, RunId, Stage};
use crate::jobs::{Activity, Event, LabelState, Mark, QueryPhoto, Request, TrainProgress, TrainReport};
use crate::ui::Command;
use crate::ui::state::{Baseline, Prefs};

fn label(product: usize, value: LabelValue) -> Label {
    let key = LabelKey::Match { query: "street/added/tram.jpg".into(), product: fake::product(product).product };
    Label { key, value, origin: Origin::Corrected { by: "m".into() } }
}

fn labels(corrections: Vec<Label>, undo: Option<&str>, redo: Option<&str>) -> Event {
    let untrained = corrections.len();
    Event::LabelsChanged(Arc::new(LabelState {
        corrections,
        untrained,
        undo: undo.map(str::to_owned),
        redo: redo.map(str::to_owned),
    }))
}

#[test]
fn s_and_n_say_whether_it_is_the_same_product_and_once_more_takes_it_back() {
    let mut stage = Staged::searched();
    let query = stage.query();
    let product = fake::product(2).product;
    stage.press(Key::S);
    assert_eq!(stage.asked_for(), [Request::Mark { query, mark: Mark::SameProduct(product.clone()) }]);
    // The photo came from outside: its name in the project is first heard of here.
    let same = vec![label(2, LabelValue::SameProduct { crop: None })];
    stage.tell(labels(same, Some("Same product: Sailor tee"), None));
    assert!(stage.sees_part("Rank 1: Sailor tee, score 1.140, up 2, marked same product"));
    assert!(stage.sees("1 correction, 1 not trained on yet") && stage.sees("Undo: Same product: Sailor tee"));
    stage.press(Key::S);
    assert_eq!(stage.asked_for(), [Request::Mark { query, mark: Mark::ClearProduct(product.clone()) }]);
    stage.press(Key::N);
    assert_eq!(stage.asked_for(), [Request::Mark { query, mark: Mark::NotThisProduct(product) }]);
    stage.tell(labels(vec![label(2, LabelValue::NotThisProduct { crop: None })], Some("Not this: Sailor tee"), None));
    assert!(stage.sees_part("marked not this product"));
}

#[test]
fn buttons_do_the_same_as_keys() {
    let mut stage = Staged::searched();
    let query = stage.query();
    stage.click("Not this");
    let mark = Mark::NotThisProduct(fake::product(2).product);
    assert_eq!(stage.asked_for(), [Request::Mark { query, mark }]);
}

#[test]
fn undo_and_redo_ask_only_when_there_is_something_to_do() {
    let mut stage = Staged::searched();
    stage.press_with(Modifiers::COMMAND, Key::Z);
    stage.press_with(Modifiers::COMMAND | Modifiers::SHIFT, Key::Z);
    assert_eq!(stage.asked_for(), []);
    stage.tell(labels(vec![], Some("Not this: Sailor tee"), Some("Same product: Sailor tee")));
    stage.press_with(Modifiers::COMMAND, Key::Z);
    assert_eq!(stage.asked_for(), [Request::Undo]);
    stage.press_with(Modifiers::COMMAND | Modifiers::SHIFT, Key::Z);
    assert_eq!(stage.asked_for(), [Request::Redo]);
    stage.press_with(Modifiers::COMMAND, Key::Y);
    assert_eq!(stage.asked_for(), [Request::Redo]);
    stage.click("Undo");
    assert_eq!(stage.asked_for(), [Request::Undo]);
}

#[test]
fn undo_works_before_any_photo_is_open_for_the_log_outlives_the_window() {
    let mut stage = Staged::ready();
    stage.tell(labels(vec![label(1, LabelValue::SameProduct { crop: None })], Some("Same product: Breton"), None));
    assert!(stage.sees("Undo: Same product: Breton"));
    stage.press_with(Modifiers::COMMAND, Key::Z);
    assert_eq!(stage.asked_for(), [Request::Undo]);
}

#[test]
fn the_kind_is_set_from_a_menu() {
    let mut stage = Staged::searched();
    let query = stage.query();
    stage.click("Set kind");
    stage.harness.query_all_by_label_contains("dress").next().unwrap().click();
    stage.harness.run();
    assert_eq!(stage.asked_for(), [Request::Mark { query, mark: Mark::Kind("dress".into()) }]);
}

#[test]
fn training_shows_how_far_it_is_and_can_be_stopped() {
    let mut stage = Staged::searched();
    stage.press_with(Modifiers::COMMAND, Key::T);
    assert_eq!(stage.asked_for(), [], "there is nothing to train on");
    stage.tell(labels(vec![label(2, LabelValue::SameProduct { crop: None })], None, None));
    stage.click("Train on corrections");
    assert_eq!(stage.asked_for(), [Request::TrainOnCorrections]);
    let training = TrainProgress {
        what: "Training",
        step: 30,
        steps: 120,
        loss: 0.412,
        images_per_second: 96.0,
        seconds_left: Some(41.0),
        ..TrainProgress::default()
    };
    stage.doing(Activity { training: Some(training), ..Activity::default() });
    assert!(stage.sees("Step 30 of 120  ·  loss 0.412") && stage.sees("41 s left"));
    stage.press_with(Modifiers::COMMAND, Key::T);
    assert_eq!(stage.asked_for(), [], "it trains already");
    stage.click("Stop training");
    assert_eq!(stage.asked_for(), [Request::StopTraining]);
}

fn report(finished: bool) -> Event {
    let project = fake::project();
    let after = finished.then(|| fake::model("corrected 1", "77aa000000000000", 0.93));
    Event::TrainEnded(Arc::new(TrainReport {
        run: RunId::new("run-1"),
        finished,
        before: project.model,
        after,
        recall_before: Some([0.91, 0.97]),
        recall_after: finished.then_some([0.934, 0.968]),
        seconds: 74.0,
    }))
}

#[test]
fn after_training_recall_before_and_after_is_shown() {
    let mut stage = Staged::searched();
    stage.tell(report(true));
    assert!(stage.sees("Trained: recall@1 on the test split 0.910 → 0.934"));
    assert!(stage.sees("0.910 → 0.934") && stage.sees("+0.024"));
    assert!(stage.sees("0.970 → 0.968") && stage.sees("−0.002"));
}

#[test]
fn a_stopped_training_says_that_nothing_changed() {
    let mut stage = Staged::searched();
    stage.tell(report(false));
    assert!(stage.sees("Training was stopped; the model is as it was"));
}

#[test]
fn a_new_model_searches_again_and_shows_what_moved_since_the_former() {
    let mut stage = Staged::searched();
    let before = stage.query();
    let mut project = fake::project();
    project.model = fake::model("corrected 1", "77aa000000000000", 0.93);
    stage.tell(Event::ProjectOpened(Arc::new(project)));
    let search = stage.last_search();
    assert_eq!(search.photo, QueryPhoto::Earlier(before));
    assert_eq!(search.crop, Some(fake::CROP));
    stage.tell(fake::ranked(search.query, Stage::Global, search.options, 60));
    assert_eq!(stage.harness.state().session().baseline, Baseline::FormerModel);
    // Third with the new model, first with the former.
    assert!(stage.sees_part("Rank 3: Sailor tee, score 0.") && stage.sees_part("down 2"));
    stage.click("Global order");
    assert_eq!(stage.harness.state().session().baseline, Baseline::Global);
}

#[test]
fn an_earlier_model_can_be_chosen_again() {
    let mut stage = Staged::searched();
    stage.click("Model");
    stage.harness.get_by_label_contains("first try").click();
    stage.harness.run();
    let checkpoint = CheckpointId::new("8c21aa00aa00aa00");
    assert_eq!(stage.asked_for(), [Request::UseModel { checkpoint }]);
}

#[test]
fn the_sheet_lists_the_keys_and_esc_backs_out_one_level_at_a_time() {
    let mut stage = Staged::searched();
    stage.press(Key::Questionmark);
    assert!(stage.sees("Same product: S") && stage.sees("Undo: Ctrl+Z"));
    stage.press(Key::S);
    assert_eq!(stage.asked_for(), [], "the sheet is on top");
    stage.press(Key::Escape);
    assert!(!stage.sees("Same product: S") && stage.sees_part("Rank 1:"));
    stage.press(Key::Escape);
    assert!(stage.sees("Find the product in a street photo"));
}

#[derive(Default)]
struct Memory(std::collections::HashMap<String, String>);

impl eframe::Storage for Memory {
    fn get_string(&self, key: &str) -> Option<String> {
        self.0.get(key).cloned()
    }

    fn set_string(&mut self, key: &str, value: String) {
        self.0.insert(key.to_owned(), value);
    }

    fn remove_string(&mut self, key: &str) {
        self.0.remove(key);
    }

    fn flush(&mut self) {}
}

#[test]
fn preferences_outlive_the_window() {
    let mut stage = Staged::ready();
    stage.obey(Command::SetTheme(egui::ThemePreference::Dark));
    stage.obey(Command::SetReducedMotion(true));
    let mut ribbons = stage.harness.state().prefs().ribbons;
    ribbons.count = 77;
    stage.obey(Command::SetRibbons(ribbons));
    let mut memory = Memory::default();
    <App as eframe::App>::save(stage.harness.state_mut(), &mut memory);
    let kept: Prefs = eframe::get_value(&memory, crate::app::PREFS_KEY).unwrap();
    assert_eq!(&kept, stage.harness.state().prefs());
    assert_eq!((kept.theme, kept.ribbons.count), (egui::ThemePreference::Dark, 77));
}

#[test]
fn the_theme_is_one_press() {
    let mut stage = Staged::ready();
    assert_eq!(stage.harness.ctx.theme(), egui::Theme::Light);
    stage.click("Light or dark");
    assert_eq!(stage.harness.ctx.theme(), egui::Theme::Dark);
}
