//! Knobs from request to event.

use std::sync::Arc;

use super::{Machine, PATIENCE, Window, shop, street};
use crate::domain::{CellPaint, Grid, Layer, Marginals, MatchOptions, Paint, PhotoId, QueryId, Ranking, Solver, Stage};
use crate::jobs::{Backend, Event, PlanInfo, QueryPhoto, Request};

fn ranked(window: &mut Window, query: QueryId, options: MatchOptions) -> Arc<Ranking> {
    window.wait_unless_failed(|event| match event {
        Event::Ranked { query: of, ranking, .. }
            if *of == query && ranking.stage == Stage::Structural && ranking.options == options =>
        {
            Some(Arc::clone(ranking))
        }
        _ => None,
    })
}

fn plan(window: &mut Window, query: QueryId, photo: &PhotoId, options: MatchOptions) -> Arc<PlanInfo> {
    window.ask(Request::ShowPlan { query, photo: photo.clone(), options });
    window.wait_unless_failed(|event| match event {
        Event::PlanReady { query: of, plan, .. } if *of == query && plan.options == options => Some(Arc::clone(plan)),
        _ => None,
    })
}

/// A search whose first answers are in.
fn searched(machine: &Machine) -> (Window, QueryId, MatchOptions) {
    let mut window = machine.start();
    window.open(None);
    let query = window.search(1, QueryPhoto::Project(street(2)));
    let options = MatchOptions { rerank: 6, ..MatchOptions::default() };
    ranked(&mut window, query, options);
    (window, query, options)
}

#[test]
fn every_solver_layer_and_grid_re_ranks_and_its_plan_has_the_hit_s_score() {
    let machine = Machine::with_sample();
    let (mut window, query, options) = searched(&machine);
    let turns = [
        MatchOptions { solver: Solver::Exact, ..options },
        MatchOptions { solver: Solver::UNBALANCED, epsilon: 0.2, ..options },
        MatchOptions { solver: Solver::PARTIAL, grid: Some(4), ..options },
        MatchOptions { layer: Layer::Third, ..options },
        MatchOptions { layer: Layer::Second, grid: Some(5), ..options },
        MatchOptions { layer: Layer::Third, epsilon: 0.3, ..options },
    ];
    for options in turns {
        window.ask(Request::Rerank { query, options });
        let ranking = ranked(&mut window, query, options);
        let hit = ranking.hits.iter().find(|hit| hit.structural.is_some()).unwrap().clone();
        let shown = plan(&mut window, query, &hit.photo, options);
        assert_eq!((shown.pair.score, Some(shown.pair.structural)), (hit.score, hit.structural), "{options:?}");
        if let Some(side) = options.grid {
            assert_eq!(shown.pair.plan.query(), Grid::new(side.into(), side.into()));
        }
    }
    while window.workers.activity().searching {
        window.wakes.recv_timeout(PATIENCE).expect("the end of a search wakes the window");
    }
    assert_eq!(window.workers.activity().refining, None);
}

#[test]
fn a_new_photo_at_an_earlier_layer_shows_the_global_order_first() {
    let machine = Machine::with_sample();
    let (mut window, _, options) = searched(&machine);
    window.seen.clear();
    let query = QueryId(2);
    let options = MatchOptions { layer: Layer::Third, ..options };
    window.ask(Request::Search(crate::jobs::SearchRequest {
        query,
        photo: QueryPhoto::Project(street(5)),
        crop: None,
        options,
        limit: 10,
        shelf: Default::default(),
        again: None,
        recipe: Default::default(),
        also: Vec::new(),
    }));
    ranked(&mut window, query, options);
    let stages: Vec<Stage> = window
        .seen
        .iter()
        .filter_map(|event| match event {
            Event::Ranked { query: of, ranking, .. } if *of == query => Some(ranking.stage),
            _ => None,
        })
        .collect();
    assert_eq!(stages, [Stage::Global, Stage::Structural]);
}

#[test]
fn paint_counts_from_the_next_question_on() {
    let machine = Machine::with_sample();
    let (mut window, query, options) = searched(&machine);
    let options = MatchOptions { marginals: Marginals::Painted, ..options };
    window.ask(Request::Rerank { query, options });
    let unpainted = ranked(&mut window, query, options);
    let mut cell = CellPaint::filled(Grid::new(2, 2), 0.0);
    cell.change(1, 1.0);
    window.seen.clear();
    window.ask(Request::Paint { query, paint: Arc::new(Paint { query: Some(cell), ..Paint::default() }) });
    window.ask(Request::Rerank { query, options });
    let painted = ranked(&mut window, query, options);
    let score = |ranking: &Ranking| ranking.hits.iter().map(|hit| hit.structural).collect::<Vec<_>>();
    assert_ne!(score(&painted), score(&unpainted));
    let first = painted.hits[0].clone();
    let shown = plan(&mut window, query, &first.photo, options);
    assert_eq!(shown.pair.score, first.score);
    // The network's map of 64 pixels is 2 x 2.
    assert_eq!(shown.pair.row_marginal.iter().filter(|w| **w > 0.0).count(), 1);
}

#[test]
fn epsilon_is_studied_in_two_steps_and_anything_newer_ends_it() {
    let machine = Machine::with_sample();
    let (mut window, query, options) = searched(&machine);
    let photo = shop(2);
    let study = |event: &Event| match event {
        Event::Epsilon { query: of, study } if *of == query => Some(Arc::clone(study)),
        Event::Failed(failure) => panic!("{failure:?}"),
        _ => None,
    };
    window.ask(Request::Epsilon { query, photo: photo.clone(), options });
    let first = window.wait(study);
    assert_eq!((&first.photo, first.options, first.hold), (&photo, options, None));
    let second = window.wait(study);
    assert_eq!(second.samples, first.samples);
    let hold = second.hold.unwrap();
    assert!(hold.top == 5 && hold.low <= options.epsilon && options.epsilon <= hold.high, "{hold:?}");

    // Twenty in a row: only the last has to be answered.
    window.seen.clear();
    for step in 1..=20 {
        let options = MatchOptions { epsilon: 0.01 * step as f32, ..options };
        window.ask(Request::Epsilon { query, photo: photo.clone(), options });
    }
    window.wait(|event| study(event).filter(|study| study.options.epsilon > 0.199 && study.hold.is_some()).map(drop));
    let answered = window.seen.iter().filter(|event| study(event).is_some_and(|study| study.hold.is_some())).count();
    assert!(answered <= 3, "{answered} were finished");
}
