//! Knobs: solver, layer, grid, painted marginals and epsilon's microscope, by mouse and by keyboard.

use std::sync::Arc;

use egui::{Key, Modifiers, Pos2, Role};
use egui_kittest::kittest::Queryable as _;

use super::fake;
use super::stage::Staged;
use crate::domain::{
    EpsilonHold, EpsilonSample, EpsilonStudy, Grid, Layer, Marginals, MatchOptions, Paint, Progress, Solver, Stage,
};
use crate::jobs::{Activity, Event, Request};
use crate::ui::Command;
use crate::ui::layout::Pane;
use crate::ui::painting::{Brush, PaintCommand};
use crate::ui::state::Baseline;

/// Answers what a turned knob asked for.
fn settle(stage: &mut Staged) {
    for _ in 0..4 {
        for request in stage.asked_for() {
            match request {
                Request::Rerank { query, options } => stage.push(fake::ranked(query, Stage::Structural, options, 60)),
                Request::ShowPlan { query, photo, options } => stage.push(fake::plan(query, &photo, options)),
                _ => {}
            }
        }
        stage.harness.run();
    }
}

/// The options of the re-ranking that was asked for; all that was asked for is answered with the next frame.
fn rerank_asked(stage: &Staged) -> Option<MatchOptions> {
    let mut turned = None;
    for request in stage.asked_for() {
        match request {
            Request::Rerank { query, options } => {
                turned = Some(options);
                stage.push(fake::ranked(query, Stage::Structural, options, 60));
            }
            Request::ShowPlan { query, photo, options } => stage.push(fake::plan(query, &photo, options)),
            _ => {}
        }
    }
    turned
}

/// High enough for every knob to be in sight.
fn tall() -> Staged {
    let mut stage = Staged::with(egui::vec2(1440.0, 1500.0), egui::Theme::Light, false);
    stage.open();
    stage.search_through(60);
    stage
}

fn with_more() -> Staged {
    let mut stage = tall();
    stage.click("More settings of matching");
    stage
}

fn middle_of(stage: &Staged, photo: &str, cell: usize) -> Pos2 {
    let rect = stage.harness.get_by_label_contains(photo).rect();
    let (row, column) = Grid::new(7, 7).place(cell);
    rect.min + rect.size() * egui::vec2(column as f32 + 0.5, row as f32 + 0.5) / 7.0
}

#[test]
fn advanced_knobs_are_folded_and_each_solver_is_one_click() {
    let mut stage = tall();
    assert!(!stage.sees("Unbalanced") && !stage.sees("Grid side"));
    stage.click("More settings of matching");
    let solvers = [
        ("Exact", Solver::Exact),
        ("Unbalanced", Solver::UNBALANCED),
        ("Partial", Solver::PARTIAL),
        ("Sinkhorn", Solver::Sinkhorn),
    ];
    for (name, solver) in solvers {
        stage.click(name);
        assert_eq!(rerank_asked(&stage).map(|options| options.solver), Some(solver), "{name}");
        settle(&mut stage);
    }
    stage.click("Reset to defaults of matching");
    assert_eq!(stage.options(), MatchOptions::default());
}

#[test]
fn a_solver_s_own_knob_is_there_with_it_and_moves_by_the_keyboard() {
    let mut stage = with_more();
    stage.click("Partial");
    settle(&mut stage);
    stage.harness.get_by_role_and_label(Role::Slider, "Mass moved").focus();
    stage.harness.run();
    stage.press(Key::ArrowLeft);
    let asked = rerank_asked(&stage).unwrap().solver;
    assert!(matches!(asked, Solver::Partial { mass } if mass < 0.7), "{asked:?}");
    assert!(stage.sees_part("of the mass moved"));
    settle(&mut stage);
    stage.click("Unbalanced");
    settle(&mut stage);
    let rail = stage.harness.get_by_role_and_label(Role::Slider, "Marginal price (rho)").rect();
    stage.drag(rail.center(), rail.right_center());
    assert_eq!(stage.options().solver, Solver::Unbalanced { rho: 10.0 });
    assert!(!stage.sees("Mass moved"));
}

#[test]
fn the_keyboard_reaches_the_folded_knobs() {
    let mut stage = tall();
    stage.harness.get_by_label("More settings of matching").focus();
    stage.harness.run();
    stage.press(Key::Enter);
    stage.harness.get_by_label("Exact").focus();
    stage.harness.run();
    stage.press(Key::Space);
    assert_eq!(stage.options().solver, Solver::Exact);
    settle(&mut stage);
    assert!(stage.sees("18 pivots, marginal error 0.0007"));
}

#[test]
fn the_grid_has_three_to_fourteen_cells_a_side_or_the_network_s_own() {
    let mut stage = with_more();
    let rail = stage.harness.get_by_role_and_label(Role::Slider, "Grid side").rect();
    stage.drag(rail.center(), rail.left_center());
    assert_eq!(stage.options().grid, Some(3));
    stage.asked();
    settle(&mut stage);
    stage.click("Network’s own grid");
    assert_eq!(stage.options().grid, None);
}

#[test]
fn an_earlier_layer_says_how_far_its_reading_is_and_can_be_stopped() {
    let mut stage = with_more();
    stage.click("Layer 3");
    assert_eq!(rerank_asked(&stage).map(|options| options.layer), Some(Layer::Third));
    let refining = Some(Progress { what: "Reading layer 3", done: 34, total: 100 });
    stage.doing(Activity { refining, ..Activity::default() });
    assert!(stage.sees("Reading layer 3: 34 of 100 photos"));
    stage.asked();
    stage.click("Stop reading");
    assert_eq!(stage.options().layer, Layer::Last);
    // The question about layer 3 is still open; its stop is an answer of its own kind, so the newest is asked at once.
    assert_eq!(rerank_asked(&stage).map(|options| options.layer), Some(Layer::Last));
}

#[test]
fn what_the_last_turn_took_is_said() {
    let stage = Staged::searched();
    assert!(stage.sees("18 iterations, marginal error 0.0007"));
    assert!(stage.sees("7 × 7 cells: 60 re-ranked in 34 ms"));
}

/// With painted marginals, settled.
fn painting() -> Staged {
    let mut stage = tall();
    stage.click("Painted");
    assert_eq!(rerank_asked(&stage).map(|options| options.marginals), Some(Marginals::Painted));
    stage.harness.run();
    settle(&mut stage);
    stage
}

fn paint(stage: &Staged) -> Arc<Paint> {
    stage.harness.state().session().query.as_ref().unwrap().painting.paint.clone()
}

#[test]
fn a_stroke_over_the_street_photo_re_ranks_with_its_cells_as_marginals() {
    let mut stage = painting();
    stage.obey(Command::Paint(PaintCommand::SetBrush(Brush { size: 1.0, ..Brush::default() })));
    let (from, to) = (middle_of(&stage, "Street photo cells", 15), middle_of(&stage, "Street photo cells", 19));
    stage.drag(from, to);
    let painted = paint(&stage);
    let weights = painted.query.as_ref().unwrap().weights();
    assert!((15..=19).all(|cell| weights[cell] == 1.0), "{weights:?}");
    assert!(weights[..14].iter().chain(&weights[21..]).all(|&w| w < 0.1), "{weights:?}");
    assert!(painted.gallery.is_empty());
    let asked = stage.asked_for();
    let query = stage.query();
    assert!(matches!(&asked[0], Request::Paint { query: of, .. } if *of == query), "{asked:?}");
    assert!(matches!(&asked[1], Request::Rerank { options, .. } if *options == stage.options()), "{asked:?}");
    // While that is answered, the brush went on; the newest paint is asked about next.
    stage.tell(fake::ranked(query, Stage::Structural, stage.options(), 60));
    stage.tell(fake::plan(query, &fake::photo(2), stage.options()));
    let asked = stage.asked_for();
    assert_eq!(asked.first(), Some(&Request::Paint { query, paint: painted }), "{asked:?}");
    settle(&mut stage);
    assert!(stage.sees("Painted: the street photo") && stage.sees_part("Veil: painted importance"));
}

#[test]
fn paint_on_a_product_photo_is_that_photo_s() {
    let mut stage = painting();
    stage.drag(middle_of(&stage, "Product photo cells", 24), middle_of(&stage, "Product photo cells", 25));
    let painted = paint(&stage);
    assert!(painted.query.is_none());
    assert_eq!(painted.gallery.keys().collect::<Vec<_>>(), [&fake::photo(2)]);
    settle(&mut stage);
    assert!(stage.sees("Painted: 1 product photo"));
}

#[test]
fn arrows_on_the_tiles_compare_with_the_order_before_painting() {
    let mut stage = painting();
    assert!(!stage.sees("Unpainted order"));
    stage.drag(middle_of(&stage, "Street photo cells", 10), middle_of(&stage, "Street photo cells", 12));
    settle(&mut stage);
    assert!(stage.sees("Unpainted order"));
    assert_eq!(stage.harness.state().session().baseline, Baseline::Unpainted);
    let mut ranking = fake::ranking(Stage::Global, stage.options(), 60);
    ranking.stage = Stage::Structural;
    let products = (0..60).map(|index| (fake::product(index).product, fake::product(index))).collect();
    let (query, ranking) = (stage.query(), Arc::new(ranking));
    stage.tell(Event::ranked(query, ranking, Arc::new(products)));
    assert!(stage.sees_part("Rank 1: Breton long sleeve") && stage.sees_part("up 1"));
    settle(&mut stage);
    stage.click("Clear");
    assert!(paint(&stage).is_blank());
    assert_eq!(stage.harness.state().session().baseline, Baseline::Global);
    settle(&mut stage);
    assert!(!stage.sees("Unpainted order"));
}

#[test]
fn one_stroke_is_one_step_back_and_corrections_stay() {
    let mut stage = painting();
    stage.drag(middle_of(&stage, "Street photo cells", 10), middle_of(&stage, "Street photo cells", 12));
    let first = paint(&stage);
    stage.drag(middle_of(&stage, "Street photo cells", 30), middle_of(&stage, "Street photo cells", 33));
    settle(&mut stage);
    stage.press_with(Modifiers::COMMAND, Key::Z);
    assert_eq!(paint(&stage), first);
    let asked = stage.asked_for();
    assert_eq!(asked.first(), Some(&Request::Paint { query: stage.query(), paint: first }), "{asked:?}");
    assert!(!asked.contains(&Request::Undo), "no correction is taken back");
    settle(&mut stage);
    stage.click("Undo stroke");
    assert!(paint(&stage).is_blank());
}

#[test]
fn cells_are_raised_and_lowered_by_the_keyboard() {
    let mut stage = painting();
    stage.harness.get_by_label_contains("Street photo cells").focus();
    stage.harness.run();
    stage.press(Key::ArrowRight);
    stage.press(Key::Plus);
    stage.press(Key::Plus);
    settle(&mut stage);
    assert_eq!(paint(&stage).query.as_ref().unwrap().weights()[24], 0.5);
    stage.press(Key::Minus);
    assert_eq!(paint(&stage).query.as_ref().unwrap().weights()[24], 0.25);
    settle(&mut stage);
    stage.click("Invert");
    assert_eq!(paint(&stage).query.as_ref().unwrap().weights()[24], 0.75);
}

#[test]
fn without_painted_marginals_a_drag_paints_nothing() {
    let mut stage = Staged::searched();
    stage.drag(middle_of(&stage, "Street photo cells", 10), middle_of(&stage, "Street photo cells", 12));
    assert!(paint(&stage).is_blank());
    assert!(!stage.sees("Brush size"));
}

#[test]
fn another_part_of_the_photo_lets_the_paint_on_it_go_and_keeps_that_on_products() {
    let mut stage = painting();
    stage.drag(middle_of(&stage, "Street photo cells", 10), middle_of(&stage, "Street photo cells", 12));
    stage.drag(middle_of(&stage, "Product photo cells", 10), middle_of(&stage, "Product photo cells", 12));
    settle(&mut stage);
    stage.press(Key::W);
    let asked = stage.asked_for();
    assert!(matches!(&asked[0], Request::Paint { paint, .. } if paint.query.is_none() && !paint.gallery.is_empty()));
    assert!(matches!(&asked[1], Request::Search(_)), "{asked:?}");
}

fn study(stage: &Staged, hold: Option<EpsilonHold>) -> Event {
    let samples = (0..33).map(|i| {
        let epsilon = 0.005 * 200f32.powf(i as f32 / 32.0);
        let entropy = 0.2 + 0.7 * i as f32 / 32.0;
        let iterations = 60 - i;
        EpsilonSample { epsilon, entropy, structural: 0.6 - 0.4 * entropy, iterations, settled: true }
    });
    let study = EpsilonStudy { options: stage.options(), photo: fake::photo(2), samples: samples.collect(), hold };
    Event::Epsilon { query: stage.query(), study: Arc::new(study) }
}

const HOLD: EpsilonHold = EpsilonHold { top: 5, low: 0.02, high: 0.09 };

#[test]
fn epsilon_is_asked_about_once_for_each_settled_order() {
    let mut stage = Staged::ready();
    stage.drop_file("/tmp/tram.jpg");
    let search = stage.last_search();
    stage.answer_search(&search, 30);
    let epsilon = |stage: &Staged| {
        let asked = stage.asked();
        for request in &asked {
            if let Request::ShowPlan { query, photo, options } = request {
                stage.push(fake::plan(*query, photo, *options));
            }
        }
        asked.into_iter().filter(|request| matches!(request, Request::Epsilon { .. })).collect::<Vec<_>>()
    };
    assert_eq!(epsilon(&stage), [], "the first plan is not here yet");
    stage.harness.run();
    let expected = Request::Epsilon { query: search.query, photo: fake::photo(2), options: search.options };
    assert_eq!(epsilon(&stage), [expected]);
    stage.harness.run_steps(5);
    assert_eq!(epsilon(&stage), []);
}

#[test]
fn the_interval_of_the_first_ranks_is_said_and_goes_with_its_settings() {
    let mut stage = Staged::searched();
    stage.tell(study(&stage, None));
    assert!(!stage.sees_part("hold for epsilon"));
    stage.tell(study(&stage, Some(HOLD)));
    assert!(stage.sees("Top 5 hold for epsilon 0.0200 to 0.0900"));
    stage.click("Uniform");
    assert!(!stage.sees_part("hold for epsilon"), "of the settings before");
}

#[test]
fn the_microscope_shows_three_curves_and_scrubs_epsilon() {
    let mut stage = Staged::searched();
    stage.tell(study(&stage, Some(HOLD)));
    stage.obey(Command::ShowPane(Pane::Epsilon));
    for curve in ["Plan entropy over epsilon, 0.50 at 0.0500", "Structural score over", "Iterations over"] {
        assert!(stage.sees_part(curve), "{curve}");
    }
    stage.harness.get_by_role_and_label(Role::Slider, "Epsilon under the microscope").focus();
    stage.harness.run();
    stage.asked();
    stage.press(Key::ArrowRight);
    assert!((stage.options().epsilon - 0.0525).abs() < 1e-6, "{}", stage.options().epsilon);
    assert_eq!(rerank_asked(&stage), Some(stage.options()));
    settle(&mut stage);
    let rect = stage.harness.get_by_role_and_label(Role::Slider, "Epsilon under the microscope").rect();
    stage.drag(rect.center(), rect.center() + egui::vec2(0.4 * rect.width(), 0.0));
    assert!(stage.options().epsilon > 0.3, "{}", stage.options().epsilon);
}

#[test]
fn the_exact_solver_has_no_epsilon_to_study() {
    let mut stage = with_more();
    stage.click("Exact");
    settle(&mut stage);
    stage.asked();
    stage.harness.run_steps(3);
    assert!(!stage.asked().iter().any(|request| matches!(request, Request::Epsilon { .. })));
    stage.obey(Command::ShowPane(Pane::Epsilon));
    assert!(stage.sees("The exact plan does not depend on epsilon"));
}
