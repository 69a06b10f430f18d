//! Kept similarities: the same answers, sooner.

use crate::domain::{Grid, Marginals, MatchOptions, Solver, StopFlag};
use crate::ot::{Cells, Painted, PairSet, Starts, rerank};

use super::support::{Photo, near};

struct Scene {
    query: Photo,
    gallery: Vec<Photo>,
}

impl Scene {
    fn new() -> Self {
        let grid = Grid::new(7, 7);
        Self {
            query: Photo::random(81, grid, 64),
            gallery: (0..17).map(|i| Photo::random(900 + 5 * i, grid, 64)).collect(),
        }
    }

    fn views(&self) -> Vec<Cells<'_>> {
        self.gallery.iter().map(Photo::view).collect()
    }

    fn set(&self) -> PairSet {
        PairSet::compare(&self.query.view(), &self.views(), &StopFlag::new()).unwrap()
    }
}

const ALL: [usize; 17] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16];

fn plain(_: usize) -> Painted<'static> {
    Painted::default()
}

#[test]
fn kept_similarities_give_the_very_scores_of_new_ones() {
    let scene = Scene::new();
    let set = scene.set();
    assert_eq!(set.len(), 17);
    assert!(set.bytes() >= 17 * 49 * 49 * 4);
    for solver in [Solver::Sinkhorn, Solver::Exact, Solver::UNBALANCED, Solver::PARTIAL] {
        for (epsilon, marginals) in [(0.02, Marginals::Uniform), (0.3, Marginals::CrossCorrelation)] {
            let options = MatchOptions { solver, epsilon, marginals, ..MatchOptions::default() };
            let stop = StopFlag::new();
            let expected = rerank(&scene.query.view(), &scene.views(), &options, &stop);
            assert_eq!(set.rerank(&plain, &options, &stop), expected, "{solver:?}");
        }
    }
}

/// Whatever way epsilon came to its value, the scores are those of a fresh start, within what the tolerance allows.
#[test]
fn a_warm_start_ends_where_a_cold_one_does_by_every_path() {
    let scene = Scene::new();
    let set = scene.set();
    let stop = StopFlag::new();
    let at = |epsilon| MatchOptions { epsilon, tolerance: 1e-5, max_iterations: 20_000, ..MatchOptions::default() };
    for path in [&[0.05, 0.1, 0.2][..], &[1.0, 0.3, 0.02], &[0.02, 0.021, 0.022, 0.021, 0.02], &[5.0, 0.01, 5.0, 0.05]]
    {
        let mut starts = Starts::default();
        for &epsilon in path {
            let warm = set.rerank_warm(&ALL, &plain, &at(epsilon), &mut starts, &stop);
            let cold = set.rerank(&plain, &at(epsilon), &stop);
            for (warm, cold) in warm.iter().zip(&cold) {
                near(f64::from(warm.structural), f64::from(cold.structural), 2e-5, &format!("{path:?} at {epsilon}"));
                assert!(warm.marginal_error < 2e-5, "{path:?} at {epsilon}: {}", warm.marginal_error);
            }
        }
    }
}

#[test]
fn a_warm_start_takes_fewer_iterations_for_a_small_step() {
    let scene = Scene::new();
    let set = scene.set();
    let stop = StopFlag::new();
    let at = |epsilon| MatchOptions { epsilon, max_iterations: 1000, ..MatchOptions::default() };
    let mut starts = Starts::default();
    set.rerank_warm(&ALL, &plain, &at(0.02), &mut starts, &stop);
    let sum = |scores: &[crate::ot::PairScore]| scores.iter().map(|score| score.iterations).sum::<usize>();
    let warm = sum(&set.rerank_warm(&ALL, &plain, &at(0.021), &mut starts, &stop));
    let cold = sum(&set.rerank(&plain, &at(0.021), &stop));
    assert!(warm < cold, "{warm} iterations warm, {cold} cold");
}

#[test]
fn a_row_that_had_no_mass_may_have_some_at_the_next_start() {
    let scene = Scene::new();
    let set = scene.set();
    let stop = StopFlag::new();
    let options = MatchOptions { marginals: Marginals::Painted, max_iterations: 5000, ..MatchOptions::default() };
    let weights = |from: usize| (0..49).map(|cell| f32::from(u8::from(cell >= from))).collect::<Vec<f32>>();
    let mut starts = Starts::default();
    for from in [30, 0, 48, 10] {
        let paint = weights(from);
        let painted = |_| Painted { query: Some(&paint), gallery: None };
        let warm = set.rerank_warm(&ALL, &painted, &options, &mut starts, &stop);
        for (warm, cold) in warm.iter().zip(set.rerank(&painted, &options, &stop)) {
            near(f64::from(warm.structural), f64::from(cold.structural), 2e-3, &format!("from {from}"));
        }
    }
}

#[test]
fn a_stopped_comparison_is_none() {
    let scene = Scene::new();
    let stop = StopFlag::new();
    let set = scene.set();
    stop.stop();
    assert!(PairSet::compare(&scene.query.view(), &scene.views(), &stop).is_none());
    assert!(set.rerank(&plain, &MatchOptions::default(), &stop).is_empty());
    assert!(set.rerank_warm(&ALL, &plain, &MatchOptions::default(), &mut Starts::default(), &stop).is_empty());
}
