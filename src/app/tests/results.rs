//! The ranking: two steps, knobs, keys.

use egui::{Key, Vec2};
use egui_kittest::kittest::Queryable as _;

use super::fake;
use super::stage::Staged;
use crate::domain::{Marginals, MatchOptions, Stage};
use crate::jobs::{Event, Failure, FailureOf, Request};
use crate::ui::Command;

fn selected(stage: &Staged) -> String {
    stage.harness.state().session().query.as_ref().unwrap().selected.clone().unwrap().to_string()
}

#[test]
fn results_come_in_two_steps_and_say_what_moved() {
    let mut stage = Staged::ready();
    stage.drop_file("/tmp/tram.jpg");
    let search = stage.last_search();
    stage.tell(fake::ranked(search.query, Stage::Global, search.options, 30));
    assert!(stage.sees_part("Rank 1: Breton long sleeve, score 0.620"));
    assert!(!stage.sees_part("up "), "nothing is re-ranked yet");
    stage.tell(fake::ranked(search.query, Stage::Structural, search.options, 30));
    assert!(stage.sees("Rank 1: Sailor tee, score 1.140, up 2"));
    assert!(stage.sees_part("Rank 2: Breton long sleeve, score 1.114, down 1") || stage.sees_part("Rank 2: Breton"));
    assert!(stage.sees("Search 84 ms: decode 6.1, encode 41, global 2.8, structural 34"));
    assert!(stage.sees("Index 1,200 photos, checkpoint 3f9a"));
}

#[test]
fn the_best_is_explained_without_asking() {
    let mut stage = Staged::ready();
    stage.drop_file("/tmp/tram.jpg");
    let search = stage.last_search();
    stage.answer_search(&search, 30);
    let asked = stage.asked_for();
    let options = MatchOptions::default();
    let last = Request::ShowPlan { query: search.query, photo: fake::photo(2), options };
    assert_eq!(asked.last(), Some(&last), "{asked:?}");
}

#[test]
fn arrow_keys_move_through_the_results_and_ask_for_their_plans() {
    let mut stage = Staged::searched();
    assert_eq!(selected(&stage), "shop/p002_0.jpg");
    stage.press(Key::ArrowRight);
    assert_eq!(selected(&stage), "shop/p000_0.jpg");
    let plans = stage.asked_for();
    assert!(matches!(&plans[..], [Request::ShowPlan { photo, .. }] if photo == &fake::photo(0)), "{plans:?}");
    stage.press(Key::ArrowLeft);
    assert_eq!(selected(&stage), "shop/p002_0.jpg");
    stage.press(Key::ArrowUp);
    assert_eq!(selected(&stage), "shop/p002_0.jpg", "there is no row above");
    stage.press(Key::ArrowDown);
    assert_ne!(selected(&stage), "shop/p002_0.jpg");
}

#[test]
fn a_click_on_a_tile_shows_its_pair() {
    let mut stage = Staged::searched();
    stage.harness.get_by_label_contains("Rank 3:").click();
    stage.harness.run();
    stage.serve();
    assert!(stage.sees_part("Striped knit, navy, rank 3, was 2 before structure"));
}

#[test]
fn turning_a_knob_asks_at_once_and_only_for_the_newest_while_an_answer_is_due() {
    let mut stage = Staged::searched();
    stage.harness.get_by_role_and_label(egui::Role::Slider, "Epsilon").focus();
    stage.harness.run();
    stage.asked();
    stage.press(Key::ArrowRight);
    let first = stage.options();
    assert!(first.epsilon > 0.05);
    let query = stage.query();
    assert_eq!(
        stage.asked_for(),
        [Request::Rerank { query, options: first }, Request::ShowPlan { query, photo: fake::photo(2), options: first }]
    );
    stage.press(Key::ArrowRight);
    stage.press(Key::ArrowRight);
    assert_eq!(stage.asked_for(), [], "the first question is still open");
    stage.tell(fake::ranked(query, Stage::Structural, first, 60));
    let newest = stage.options();
    assert_eq!(stage.asked_for(), [Request::Rerank { query, options: newest }]);
    stage.tell(fake::plan(query, &fake::photo(2), first));
    assert_eq!(stage.asked_for(), [Request::ShowPlan { query, photo: fake::photo(2), options: newest }]);
    stage.tell(fake::ranked(query, Stage::Structural, newest, 60));
    stage.tell(fake::plan(query, &fake::photo(2), newest));
    assert_eq!(stage.asked_for(), []);
}

#[test]
fn a_dragged_knob_follows_the_pointer() {
    let mut stage = Staged::searched();
    let rail = stage.harness.get_by_role_and_label(egui::Role::Slider, "Structural weight").rect();
    stage.drag(rail.center(), rail.right_center());
    assert_eq!(stage.options().structural_weight, 3.0);
    let asked = stage.asked_for();
    assert!(matches!(asked.first(), Some(Request::Rerank { .. })), "{asked:?}");
}

#[test]
fn marginals_are_one_click() {
    let mut stage = Staged::searched();
    stage.click("Uniform");
    assert_eq!(stage.options().marginals, Marginals::Uniform);
    let query = stage.query();
    assert_eq!(stage.asked_for().first(), Some(&Request::Rerank { query, options: stage.options() }));
    stage.click("Reset to defaults of matching");
    assert_eq!(stage.options(), MatchOptions::default());
}

#[test]
fn no_shortcut_fires_while_typing() {
    let mut stage = Staged::searched();
    stage.click("Epsilon value");
    assert!(stage.harness.ctx.text_edit_focused());
    for key in [Key::S, Key::N, Key::W, Key::Num1, Key::ArrowRight, Key::Questionmark] {
        stage.press(key);
    }
    assert_eq!(stage.asked_for(), []);
    assert_eq!(selected(&stage), "shop/p002_0.jpg");
    assert!(stage.harness.state().prefs().inspect.overlay && !stage.harness.state().session().shortcuts_open);
}

#[test]
fn a_typed_figure_is_taken() {
    let mut stage = Staged::searched();
    stage.click("Epsilon value");
    stage.harness.get_by_label("Epsilon value").set_text_value_accesskit("0.2");
    stage.harness.run();
    stage.press(Key::Enter);
    assert!((stage.options().epsilon - 0.2).abs() < 1e-6, "{}", stage.options().epsilon);
}

#[test]
fn what_a_person_chose_stays_chosen_when_the_order_changes() {
    let mut stage = Staged::searched();
    stage.press(Key::ArrowRight);
    stage.serve();
    assert_eq!(selected(&stage), "shop/p000_0.jpg");
    let (query, options) = (stage.query(), stage.options());
    stage.tell(fake::ranked(query, Stage::Global, options, 60));
    assert_eq!(selected(&stage), "shop/p000_0.jpg");
}

#[test]
fn tiles_slide_to_their_new_places_unless_motion_is_reduced() {
    for reduced in [false, true] {
        let mut stage = Staged::searched();
        stage.obey(Command::SetReducedMotion(reduced));
        let place = |stage: &Staged| stage.harness.get_by_label_contains(": Sailor tee, score").rect().min;
        let first = place(&stage);
        let (query, options) = (stage.query(), stage.options());
        stage.push(fake::ranked(query, Stage::Global, options, 60));
        stage.harness.step();
        let begun = place(&stage);
        stage.harness.run();
        let ended = place(&stage);
        assert!((ended - first).length() > 50.0, "rank 1 became rank 3");
        if reduced {
            assert_eq!(begun, ended);
        } else {
            assert!((begun - first).length() < 1.0, "{begun} {first}");
        }
    }
}

#[test]
fn a_narrow_window_still_shows_everything() {
    let mut stage = Staged::with(Vec2::new(960.0, 600.0), egui::Theme::Dark, false);
    stage.open();
    stage.search_through(40);
    for part in ["Rank 1:", "Street photo cells", "Why:", "Structural score"] {
        assert!(stage.sees_part(part) || stage.sees_part(&part.to_uppercase()), "{part}");
    }
}

#[test]
fn only_tiles_in_view_are_laid_out() {
    let mut stage = Staged::ready();
    stage.search_through(5000);
    let tiles = stage.harness.query_all_by_label_contains("Rank ").count();
    assert!((8..60).contains(&tiles), "{tiles}");
}

#[test]
fn a_re_ranking_that_fails_leaves_the_results_that_are_there() {
    let mut stage = Staged::searched();
    stage.click("Uniform");
    stage.asked();
    let of = FailureOf::Query(stage.query());
    let sentence = "The index was changed while it was read: /tmp/features";
    stage.tell(Event::Failed(Failure { of, sentence: sentence.into(), details: None }));
    assert!(stage.sees(sentence) && stage.sees_part("Rank 1:"));
    stage.click("Cross-corr.");
    assert!(matches!(stage.asked_for().first(), Some(Request::Rerank { .. })), "the next setting is tried");
}
