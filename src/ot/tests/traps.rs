//! Mistakes that are known from other implementations of structural matching, each shown not to be made.

use crate::domain::{Grid, Marginals, MatchOptions};
use crate::ot::{cross_marginals, explain_pair, score_pair};

use super::support::{Photo, near};

fn photo(cells: &[[f32; 2]], global: [f32; 2]) -> Photo {
    Photo { grid: Grid::new(1, cells.len()), dim: 2, cells: cells.concat(), global: global.to_vec() }
}

#[test]
fn marginals_are_not_swapped() {
    // Two query cells, three gallery cells: swapped marginals would not even have the right lengths, and
    // each weight below follows from the *other* photo's global vector.
    let query = photo(&[[1.0, 0.0], [0.0, 1.0]], [0.6, 0.8]);
    let gallery = photo(&[[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]], [1.0, 0.0]);
    let got = explain_pair(&query.view(), &gallery.view(), &MatchOptions::default());
    assert_eq!(got.row_marginal, vec![1.0, 0.0]);
    for (got, expected) in got.column_marginal.iter().zip([0.6 / 2.4, 0.8 / 2.4, 1.0 / 2.4]) {
        near(f64::from(*got), expected, 1e-6, "column marginal");
    }
}

#[test]
fn mass_goes_from_the_query_cell_to_the_gallery_cell_and_not_back() {
    // Query cell 0 looks like gallery cell 2 alone, query cell 1 like gallery cells 0 and 1.
    let query = photo(&[[1.0, 0.0], [0.0, 1.0]], [0.6, 0.8]);
    let gallery = photo(&[[0.0, 1.0], [0.0, 1.0], [1.0, 0.0]], [0.6, 0.8]);
    let options = MatchOptions { marginals: Marginals::Uniform, tolerance: 1e-6, ..MatchOptions::default() };
    let plan = explain_pair(&query.view(), &gallery.view(), &options).plan;
    assert_eq!((plan.query().cells(), plan.gallery().cells()), (2, 3));
    near(f64::from(plan.at(0, 2)), 1.0 / 3.0, 1e-4, "first query cell to last gallery cell");
    near(f64::from(plan.at(1, 0)), 1.0 / 3.0 - 1.0 / 12.0, 1e-3, "second query cell to first gallery cell");
    assert!(plan.at(1, 2) < 1e-4);
}

#[test]
fn a_photo_that_agrees_with_nothing_falls_back_to_uniform_and_says_so() {
    let query = photo(&[[1.0, 0.0], [0.8, 0.6]], [1.0, 0.0]);
    let opposite = photo(&[[-1.0, 0.0], [-0.8, -0.6]], [-1.0, 0.0]);
    let got = explain_pair(&query.view(), &opposite.view(), &MatchOptions::default());
    assert!(got.uniform_fallback);
    assert_eq!((got.row_marginal.clone(), got.column_marginal.clone()), (vec![0.5; 2], vec![0.5; 2]));
    assert!(got.structural.is_finite() && got.structural < 0.0);
    let same = explain_pair(&query.view(), &query.view(), &MatchOptions::default());
    assert!(!same.uniform_fallback);
    let uniform = MatchOptions { marginals: Marginals::Uniform, ..MatchOptions::default() };
    assert!(!score_pair(&query.view(), &opposite.view(), &uniform).uniform_fallback);
}

#[test]
fn marginals_sum_to_one_on_both_sides_so_that_a_tight_tolerance_is_met() {
    let (a, b) = (Photo::random(31, Grid::new(7, 7), 32), Photo::random(32, Grid::new(7, 7), 32));
    let options = MatchOptions { tolerance: 1e-5, max_iterations: 2000, ..MatchOptions::default() };
    let got = explain_pair(&a.view(), &b.view(), &options);
    for marginal in [&got.row_marginal, &got.column_marginal] {
        near(marginal.iter().map(|&w| f64::from(w)).sum(), 1.0, 1e-6, "marginal");
    }
    assert!(got.iterations < 2000, "drifted for {} iterations", got.iterations);
}

#[test]
fn it_stops_on_the_error_of_the_marginals() {
    let (a, b) = (Photo::random(41, Grid::new(7, 7), 16), Photo::random(42, Grid::new(7, 7), 16));
    let run = |tolerance, max_iterations| {
        let options = MatchOptions { tolerance, max_iterations, ..MatchOptions::default() };
        explain_pair(&a.view(), &b.view(), &options)
    };
    let got = run(1e-3, 1000);
    assert!(got.iterations > 1 && got.marginal_error < 1.01e-3);
    let error = |sums: &[f32], marginal: &[f32]| sums.iter().zip(marginal).map(|(s, m)| (s - m).abs()).sum::<f32>();
    let measured =
        error(&got.plan.row_sums(), &got.row_marginal) + error(&got.plan.column_sums(), &got.column_marginal);
    near(f64::from(got.marginal_error), f64::from(measured), 1e-6, "marginal error as reported");
    assert!(run(1e-30, got.iterations - 1).marginal_error >= 1e-3, "it could have stopped earlier");
}

#[test]
fn vectors_that_are_not_of_unit_length_do_not_change_epsilon() {
    let (a, mut b) = (Photo::random(51, Grid::new(3, 3), 8), Photo::random(52, Grid::new(3, 3), 8));
    let before = score_pair(&a.view(), &b.view(), &MatchOptions::default());
    b.cells.iter_mut().for_each(|x| *x *= 3.0);
    b.global.iter_mut().for_each(|x| *x *= 0.5);
    let after = score_pair(&a.view(), &b.view(), &MatchOptions::default());
    near(f64::from(after.structural), f64::from(before.structural), 1e-5, "structural");
    near(f64::from(after.global), f64::from(before.global), 1e-6, "global");
}

#[test]
fn vectors_without_a_direction_agree_with_nothing() {
    let good = Photo::random(61, Grid::new(2, 2), 4);
    for broken in [0.0, f32::NAN, f32::INFINITY] {
        let mut bad = Photo::random(62, Grid::new(2, 2), 4);
        bad.cells[4..8].fill(broken);
        let got = explain_pair(&good.view(), &bad.view(), &MatchOptions::default());
        assert!(got.score.is_finite() && got.plan.mass().iter().all(|m| m.is_finite()));
        assert_eq!((0..4).map(|q| got.plan.at(q, 1)).sum::<f32>(), 0.0);
    }
}

#[test]
fn contributions_add_up_to_the_structural_score() {
    for seed in 0..5 {
        let (a, b) = (Photo::random(70 + seed, Grid::new(7, 7), 64), Photo::random(90 + seed, Grid::new(4, 4), 64));
        let options = MatchOptions { structural_weight: 0.7, ..MatchOptions::default() };
        let got = explain_pair(&a.view(), &b.view(), &options);
        let total: f64 =
            (0..49).flat_map(|q| (0..16).map(move |g| (q, g))).map(|(q, g)| f64::from(got.contribution(q, g))).sum();
        near(total, f64::from(got.structural), 1e-6, "sum of contributions");
        near(f64::from(got.score), f64::from(got.global) + f64::from(0.7f32) * total, 1e-6, "score");
        near(got.plan.mass().iter().map(|&m| f64::from(m)).sum(), 1.0, 1e-5, "total mass");
    }
}

#[test]
fn agreement_that_is_only_rounding_counts_as_none() {
    let got = cross_marginals(&[-0.5, 1e-9, 0.0]);
    assert!(got.uniform_fallback);
    assert_eq!(got.weights, vec![1.0 / 3.0; 3]);
    let got = cross_marginals(&[0.3, -0.5, 0.1]);
    assert!(!got.uniform_fallback);
    assert_eq!(got.weights[1], 0.0);
}
