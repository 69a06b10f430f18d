//! The best of many pairs from few plans. Oracles: all scores, sorted; the sum written out in 64 bits; the exact solver,
//! whose plans no other exceeds.

use proptest::prelude::*;

use crate::domain::{Grid, Marginals, MatchOptions, Solver, StopFlag};
use crate::ot::{Cells, Painted, PairSet, best_by_bounds, explain_pair};

use super::support::Photo;

/// What sorting all scores gives; of equal ones the earlier first.
fn sorted(scores: &[f32], top: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(a.cmp(&b)));
    order.truncate(top);
    order
}

proptest! {
    #[test]
    fn the_best_by_bounds_are_the_first_of_all_sorted(
        // Few values, so that many are equal, and bounds that are often met.
        raw in prop::collection::vec((0_u8..12, 0_u8..4), 0..90), top in 0_usize..9,
    ) {
        let scores: Vec<f32> = raw.iter().map(|&(score, _)| f32::from(score) / 4.0 - 1.0).collect();
        let bounds: Vec<f32> = raw.iter().zip(&scores).map(|(&(_, slack), s)| s + f32::from(slack) / 2.0).collect();
        let mut asked = Vec::new();
        let best = best_by_bounds(&bounds, top, |places| {
            asked.extend_from_slice(places);
            Some(places.iter().map(|&place| scores[place]).collect())
        }).unwrap();
        prop_assert_eq!(&best.places, &sorted(&scores, top));
        prop_assert_eq!(best.pruned, scores.len() - asked.len());
        asked.sort_unstable();
        asked.dedup();
        prop_assert_eq!(best.pruned, scores.len() - asked.len(), "a score was asked for twice");
    }
}

#[test]
fn what_cannot_be_among_the_first_is_not_asked_for() {
    let bounds: Vec<f32> = (0..1000).map(|i| -(i as f32)).collect();
    let of = |slack: f32| {
        let found = best_by_bounds(&bounds, 3, |places| Some(places.iter().map(|&i| -(i as f32) - slack).collect()));
        found.unwrap()
    };
    assert_eq!((of(0.0).places, of(0.0).pruned), (vec![0, 1, 2], 984));
    // The third is 102 below the best bound: those with a bound down to there are asked for.
    assert_eq!((of(100.0).places, of(100.0).pruned), (vec![0, 1, 2], 897));
    assert_eq!(best_by_bounds(&bounds, 3, |_| None), None, "a stopped search");
}

struct Scene {
    query: Photo,
    gallery: Vec<Photo>,
}

impl Scene {
    fn new(seed: u64, query: Grid, gallery: Grid, photos: u64) -> Self {
        let photo = |i: u64| Photo::random(seed + 7 * i, gallery, 24);
        Self { query: Photo::random(seed + 3, query, 24), gallery: (1..=photos).map(photo).collect() }
    }

    fn views(&self) -> Vec<Cells<'_>> {
        self.gallery.iter().map(Photo::view).collect()
    }

    fn set(&self) -> PairSet {
        PairSet::compare(&self.query.view(), &self.views(), &StopFlag::new()).unwrap()
    }
}

#[test]
fn no_score_is_above_its_bound_and_the_best_are_those_of_all() {
    let stop = StopFlag::new();
    let mut pruned = 0;
    for (seed, query, gallery) in [
        (11, Grid::new(7, 7), Grid::new(7, 7)),
        (500, Grid::new(3, 5), Grid::new(4, 2)),
        (900, Grid::new(1, 1), Grid::new(2, 3)),
    ] {
        let scene = Scene::new(seed, query, gallery, 60);
        let set = scene.set();
        let paint: Vec<f32> = (0..query.cells()).map(|cell| ((cell * 5) % 3) as f32).collect();
        let painted = |_: usize| Painted { query: Some(&paint), gallery: None };
        for solver in [Solver::Sinkhorn, Solver::Exact, Solver::UNBALANCED, Solver::PARTIAL] {
            for marginals in [Marginals::Uniform, Marginals::CrossCorrelation, Marginals::Painted] {
                // The bounds are those of the smallest epsilon; iterations end early too.
                let at = |epsilon| MatchOptions { solver, marginals, epsilon, ..MatchOptions::default() };
                let bounds: Vec<f32> = set.bounds(&painted, &at(1e-4)).iter().map(|b| b.score(&at(1e-4))).collect();
                for (epsilon, max_iterations) in [(1e-4, 3), (5e-3, 100), (0.05, 100), (0.05, 1), (1.0, 100), (10.0, 2)]
                {
                    let options = MatchOptions { max_iterations, ..at(epsilon) };
                    let scores: Vec<f32> =
                        set.rerank(&painted, &options, &stop).iter().map(|score| score.score(&options)).collect();
                    assert!(scores.iter().zip(&bounds).all(|(score, bound)| score <= bound), "{options:?}");
                    for top in [1, 5] {
                        let best = best_by_bounds(&bounds, top, |places| {
                            let some = set.rerank_some(places, &painted, &options, &stop);
                            Some(some.iter().map(|score| score.score(&options)).collect())
                        });
                        let best = best.unwrap();
                        assert_eq!(best.places, sorted(&scores, top), "{options:?}");
                        let bounded = matches!(solver, Solver::Sinkhorn | Solver::Exact);
                        assert!(bounded || best.pruned == 0, "{options:?}");
                        pruned += best.pruned;
                    }
                }
            }
        }
    }
    assert!(pruned > 1000, "{pruned}");
}

#[test]
fn a_bound_is_the_rows_best_and_one_gallery_cell_meets_it() {
    let scene = Scene::new(40, Grid::new(4, 4), Grid::new(3, 3), 5);
    let options = MatchOptions { epsilon: 10.0, ..MatchOptions::default() };
    let bounds = scene.set().bounds(&|_| Painted::default(), &options);
    for (photo, bound) in scene.views().iter().zip(&bounds) {
        let pair = explain_pair(&scene.query.view(), photo, &options);
        let rows = pair.similarity.chunks_exact(9).zip(&pair.row_marginal);
        let best = |row: &[f32]| row.iter().fold(-1.0, |best: f64, &s| best.max(f64::from(s)));
        let sum: f64 = rows.map(|(row, &a)| f64::from(a) * best(row)).sum();
        let slack = f64::from(bound.structural) - sum;
        assert!(slack > 0.0 && slack < 2e-5, "{slack}");
        assert_eq!(bound.global, pair.global);
    }
    // One gallery cell: every plan is the only one, and every row's best is its all.
    let scene = Scene::new(60, Grid::new(4, 4), Grid::new(1, 1), 5);
    let (bounds, scores) = (
        scene.set().bounds(&|_| Painted::default(), &options),
        scene.set().rerank(&|_| Painted::default(), &options, &StopFlag::new()),
    );
    for (bound, score) in bounds.iter().zip(&scores) {
        assert!(bound.structural - score.structural < 2e-5, "{bound:?} is far above {score:?}");
    }
}
