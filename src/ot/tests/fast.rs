//! The vectorised path against the f64 reference, and against itself on other processors and batches.

use proptest::prelude::*;

use crate::domain::{Grid, Marginals, MatchOptions, StopFlag};
use crate::ot::lanes::exp;
use crate::ot::scaling::{Outcome, Stop, Workspace};
use crate::ot::similarity::Units;
use crate::ot::{Cells, SinkhornOptions, explain_pair, rerank, score_pair, similarity_plan, sinkhorn};

use super::support::{Photo, fixture, lcg, narrow, near, scaled, transport_problem, widen};

#[test]
fn the_vectorised_exponential_is_right_to_two_units_in_the_last_place() {
    let mut worst = 0.0f64;
    let mut x = -87.3f32;
    while x < 20.0 {
        let expected = f64::from(x).exp();
        for got in [exp::<false>(x), exp::<true>(x)] {
            worst = worst.max((f64::from(got) - expected).abs() / expected);
        }
        x += 0.00317;
    }
    assert!(worst < 2.0 * f64::from(f32::EPSILON), "relative error {worst}");
    assert_eq!(exp::<true>(0.0), 1.0);
    assert_eq!(exp::<true>(f32::NEG_INFINITY), 0.0);
    assert_eq!(exp::<true>(-88.0), 0.0);
}

/// The reference's answer to the same problem, in f64, after as many iterations.
fn reference(similarity: &[f32], a: &[f32], b: &[f32], epsilon: f32, iterations: usize) -> (Vec<f64>, f64) {
    let cost: Vec<f64> = similarity.iter().map(|&s| 1.0 - f64::from(s)).collect();
    let options = SinkhornOptions { epsilon: f64::from(epsilon), max_iterations: iterations, tolerance: 0.0 };
    let got = sinkhorn(&cost, &widen(a), &widen(b), &options).unwrap();
    let structural = got.plan.iter().zip(similarity).map(|(m, &s)| m * f64::from(s)).sum();
    (got.plan, structural)
}

#[test]
fn pots_problems_are_solved_to_f32_precision_at_every_iteration_count() {
    for case in fixture("transport.json")["cases"].as_array().unwrap() {
        let p = transport_problem(case);
        let (a, b) = (narrow(&p.a), narrow(&p.b));
        let similarity: Vec<f32> = p.cost.iter().map(|c| (1.0 - c) as f32).collect();
        for (epsilon, slack) in [(10.0, 2e-6), (1.0, 2e-6), (0.1, 4e-6), (0.05, 8e-6), (0.02, 2e-5), (0.005, 8e-5)] {
            for max_iterations in [1, 2, 3, 10, 100] {
                let options = MatchOptions { epsilon, max_iterations, tolerance: 1e-30, ..MatchOptions::default() };
                let got = similarity_plan(&similarity, &a, &b, &options);
                // In f32 the error may come to be 0 before that; then more iterations change nothing.
                assert!(got.iterations == max_iterations || got.marginal_error < 1e-6);
                let (plan, structural) = reference(&similarity, &a, &b, epsilon, max_iterations);
                let what = format!("{} at {epsilon} after {max_iterations}", case["name"]);
                near(f64::from(got.structural), structural, slack, &what);
                let off: f64 = got.mass.iter().zip(&plan).map(|(&g, e)| (f64::from(g) - e).abs()).sum();
                assert!(off < 8.0 * slack, "{what}: plans differ by {off}");
            }
        }
    }
}

#[test]
fn hard_small_epsilons_absorb_and_still_agree() {
    // Permuted parts: at these epsilons the scaling factors would leave f32's range many times over.
    let n = 49;
    let noise = lcg(5, n * n);
    let similarity: Vec<f32> =
        (0..n * n).map(|k| if k % n == (k / n * 11) % n { 0.95 } else { -0.9 + 1.2 * noise[k] as f32 }).collect();
    let weights: Vec<f32> = {
        let raw = lcg(6, n);
        let sum: f64 = raw.iter().map(|w| w + 0.01).sum();
        raw.iter().map(|w| ((w + 0.01) / sum) as f32).collect()
    };
    for (epsilon, slack) in [(0.02, 2e-5), (0.005, 1e-4), (1e-3, 5e-4), (1e-4, 5e-3)] {
        let options = MatchOptions { epsilon, max_iterations: 100, tolerance: 1e-30, ..MatchOptions::default() };
        let got = similarity_plan(&similarity, &weights, &weights, &options);
        let (_, structural) = reference(&similarity, &weights, &weights, epsilon, 100);
        near(f64::from(got.structural), structural, slack, &format!("at {epsilon}"));
        assert!(got.mass.iter().all(|m| m.is_finite()));
    }
}

fn portable(query: &Cells<'_>, gallery: &Cells<'_>, a: &[f32], b: &[f32], stop: Stop) -> (Outcome, Vec<f32>) {
    let mut workspace = Workspace::default();
    workspace.compare_portable(query, &Units::of(query), gallery, &Units::of(gallery));
    let outcome = workspace.solve_portable(a, b, stop);
    (outcome, workspace.cosines.pairs.as_flattened().to_vec())
}

#[test]
fn processors_without_vector_instructions_get_the_same_answer_to_rounding() {
    for (rows, columns, dim) in [(7, 7, 128), (4, 4, 64), (3, 5, 13), (1, 1, 3), (9, 8, 21)] {
        let query = Photo::random(11, Grid::new(rows, columns), dim);
        let gallery = Photo::random(12, Grid::new(columns, rows), dim);
        let (q, g) = (query.view(), gallery.view());
        let options = MatchOptions { marginals: Marginals::Uniform, ..MatchOptions::default() };
        let got = explain_pair(&q, &g, &options);
        let stop = Stop { epsilon: 0.05, max_iterations: 100, tolerance: 1e-3 };
        let (outcome, similarity) = portable(&q, &g, &got.row_marginal, &got.column_marginal, stop);
        near(f64::from(outcome.structural), f64::from(got.structural), 1e-5, "structural");
        assert_eq!(outcome.iterations, got.iterations);
        let width = g.grid.cells().div_ceil(8) * 8;
        for (index, &s) in got.similarity.iter().enumerate() {
            let at = index / g.grid.cells() * width + index % g.grid.cells();
            near(f64::from(similarity[at]), f64::from(s), 1e-6, "similarity");
        }
    }
}

#[test]
fn similarities_are_the_cosines() {
    let query = Photo::random(1, Grid::new(3, 3), 19);
    let gallery = Photo::random(2, Grid::new(2, 5), 19);
    let got = explain_pair(&query.view(), &gallery.view(), &MatchOptions::default());
    for i in 0..9 {
        for j in 0..10 {
            let dot: f64 =
                (0..19).map(|c| f64::from(query.cells[i * 19 + c]) * f64::from(gallery.cells[j * 19 + c])).sum();
            near(f64::from(got.similarity[i * 10 + j]), dot, 1e-6, "cosine");
        }
    }
}

#[test]
fn a_score_does_not_depend_on_batch_order_or_threads() {
    let grid = Grid::new(7, 7);
    let query = Photo::random(100, grid, 128);
    let gallery: Vec<Photo> = (0..41).map(|i| Photo::random(200 + 7 * i, grid, 128)).collect();
    let views: Vec<Cells<'_>> = gallery.iter().map(Photo::view).collect();
    let (options, stop) = (MatchOptions::default(), StopFlag::new());
    let together = rerank(&query.view(), &views, &options, &stop);
    for threads in [1, 3] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        assert_eq!(pool.install(|| rerank(&query.view(), &views, &options, &stop)), together);
    }
    let backwards: Vec<Cells<'_>> = views.iter().rev().copied().collect();
    let mut reversed = rerank(&query.view(), &backwards, &options, &stop);
    reversed.reverse();
    assert_eq!(reversed, together);
    for (view, expected) in views.iter().zip(&together) {
        assert_eq!(score_pair(&query.view(), view, &options), *expected);
        let explained = explain_pair(&query.view(), view, &options);
        assert_eq!((explained.structural, explained.score), (expected.structural, expected.score(&options)));
    }
}

#[test]
fn a_stopped_ranking_is_empty() {
    let photo = Photo::random(3, Grid::new(4, 4), 8);
    let stop = StopFlag::new();
    assert_eq!(rerank(&photo.view(), &[photo.view(); 5], &MatchOptions::default(), &stop).len(), 5);
    stop.stop();
    assert!(rerank(&photo.view(), &[photo.view(); 5], &MatchOptions::default(), &stop).is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_epsilon_gives_the_fast_path_anything_but_finite_masses(
        n in 1usize..20, m in 1usize..20, exponent in -4.0f32..=1.0,
        similarity in prop::collection::vec(-1.0f32..=1.0, 400),
        weights in prop::collection::vec(prop_oneof![Just(0.0f32), 1e-6f32..1.0], 40),
    ) {
        let (a, b) = (scaled(&weights[..n]), scaled(&weights[20..20 + m]));
        let epsilon = 10f32.powf(exponent).clamp(1e-4, 10.0);
        let options = MatchOptions { epsilon, ..MatchOptions::default() };
        let got = similarity_plan(&similarity[..n * m], &a, &b, &options);
        prop_assert!(got.mass.iter().all(|x| x.is_finite() && *x >= 0.0));
        prop_assert!(got.marginal_error.is_finite() && got.structural.is_finite());
        let total: f32 = got.mass.iter().sum();
        prop_assert!((total - 1.0).abs() < 5e-3, "mass {total} at {epsilon}");
        for (i, &w) in a.iter().enumerate() {
            prop_assert!(w > 0.0 || got.mass[i * m..(i + 1) * m].iter().all(|&x| x == 0.0));
        }
    }
}
