//! Solvers that may leave mass, and the exact one in a comparison: against POT, naive iterations, and each other.

use proptest::prelude::*;

use crate::domain::{Grid, Marginals, MatchOptions, Solver, StopFlag};
use crate::ot::scaling::{Relaxed, Stop, Workspace};
use crate::ot::{
    Cells, Painted, exact, explain_painted, explain_pair, rerank, rerank_painted, score_pair, similarity_plan,
};

use super::support::{Photo, fixture, lcg, narrow, near, number, scaled, transport_problem, widen};

const ALL: [Solver; 4] = [Solver::Sinkhorn, Solver::Exact, Solver::UNBALANCED, Solver::PARTIAL];

fn with(solver: Solver) -> MatchOptions {
    MatchOptions { solver, ..MatchOptions::default() }
}

/// Similarities and weights of a problem of the fixture, by name.
fn problem(name: &str) -> (Vec<f32>, Vec<f32>, Vec<f32>) {
    let base = if name == "zero" { "w49_d16" } else { name };
    let cases = fixture("transport.json");
    let case = cases["cases"].as_array().unwrap().iter().find(|case| case["name"] == base).unwrap();
    let mut p = transport_problem(case);
    if name == "zero" {
        p.a.iter_mut().step_by(5).for_each(|w| *w = 0.0);
        p.b.iter_mut().step_by(7).for_each(|w| *w = 0.0);
        for weights in [&mut p.a, &mut p.b] {
            let sum: f64 = weights.iter().sum();
            weights.iter_mut().for_each(|w| *w /= sum);
        }
    }
    (p.cost.iter().map(|c| (1.0 - c) as f32).collect(), narrow(&p.a), narrow(&p.b))
}

#[test]
fn unbalanced_and_partial_plans_equal_pots() {
    let mut compared = 0;
    for case in fixture("transport_more.json")["cases"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let (similarity, a, b) = problem(name);
        for kind in ["unbalanced", "partial"] {
            for expected in case[kind].as_array().unwrap() {
                let solver = match kind {
                    "unbalanced" => Solver::Unbalanced { rho: number(&expected["rho"]) as f32 },
                    _ => Solver::Partial { mass: number(&expected["share"]) as f32 },
                };
                let epsilon = number(&expected["epsilon"]) as f32;
                let options = MatchOptions { epsilon, max_iterations: 2000, tolerance: 1e-6, ..with(solver) };
                let got = similarity_plan(&similarity, &a, &b, &options);
                let what = format!("{name}, {solver:?} at {epsilon}");
                near(f64::from(got.structural), number(&expected["structural"]), 3e-5, &what);
                let moved: f64 = got.mass.iter().map(|&m| f64::from(m)).sum();
                near(moved, number(&expected["mass"]), 3e-5, &what);
                let columns = b.len();
                near(f64::from(got.mass[0]), number(&expected["P00"]), 3e-6, &what);
                near(f64::from(got.mass[7 * columns + 5]), number(&expected["P75"]), 3e-6, &what);
                near(f64::from(got.mass[..columns].iter().sum::<f32>()), number(&expected["row0"]), 1e-5, &what);
                let column: f32 = got.mass.iter().skip(1).step_by(columns).sum();
                near(f64::from(column), number(&expected["column1"]), 1e-5, &what);
                compared += 1;
            }
        }
    }
    assert_eq!(compared, 90);
}

/// Second implementation: plain alternation in the scaling domain, in f64, without any of the accelerations.
fn naive(similarity: &[f32], a: &[f32], b: &[f32], epsilon: f64, solver: Solver) -> Vec<f64> {
    let (a, b) = (widen(a), widen(b));
    let columns = b.len();
    let mut plan: Vec<f64> = match solver {
        Solver::Unbalanced { .. } => similarity
            .iter()
            .enumerate()
            .map(|(at, &s)| a[at / columns] * b[at % columns] * ((f64::from(s) - 1.0) / epsilon).exp())
            .collect(),
        _ => similarity.iter().map(|&s| (f64::from(s) / epsilon).exp()).collect(),
    };
    let kernel = plan.clone();
    let (mut u, mut v, mut level) = (vec![1.0; a.len()], vec![1.0; columns], 1.0);
    for _ in 0..40_000 {
        for column in 0..columns {
            let sum: f64 = (0..a.len()).map(|row| level * u[row] * kernel[row * columns + column]).sum();
            v[column] = match solver {
                Solver::Unbalanced { rho } => (b[column] / sum).powf(f64::from(rho) / (f64::from(rho) + epsilon)),
                _ => (b[column] / sum).min(1.0),
            };
        }
        for row in 0..a.len() {
            let sum: f64 = (0..columns).map(|column| level * v[column] * kernel[row * columns + column]).sum();
            u[row] = match solver {
                Solver::Unbalanced { rho } => (a[row] / sum).powf(f64::from(rho) / (f64::from(rho) + epsilon)),
                _ => (a[row] / sum).min(1.0),
            };
        }
        for (at, mass) in plan.iter_mut().enumerate() {
            *mass = level * u[at / columns] * kernel[at] * v[at % columns];
        }
        if let Solver::Partial { mass } = solver {
            level *= f64::from(mass) / plan.iter().sum::<f64>();
        }
    }
    plan
}

#[test]
fn a_plain_alternation_comes_to_the_same_plan() {
    let (rows, columns) = (9, 6);
    let similarity: Vec<f32> = lcg(31, rows * columns).iter().map(|x| (2.0 * x - 0.8) as f32).collect();
    let weights = |seed, n| {
        let raw = lcg(seed, n);
        let sum: f64 = raw.iter().map(|x| x + 0.1).sum();
        raw.iter().map(|x| ((x + 0.1) / sum) as f32).collect::<Vec<f32>>()
    };
    let (a, b) = (weights(32, rows), weights(33, columns));
    for solver in [
        Solver::Unbalanced { rho: 0.05 },
        Solver::Unbalanced { rho: 1.0 },
        Solver::Partial { mass: 0.3 },
        Solver::Partial { mass: 0.8 },
    ] {
        for epsilon in [0.05f32, 0.3, 2.0] {
            let options = MatchOptions { epsilon, max_iterations: 5000, tolerance: 1e-7, ..with(solver) };
            let got = similarity_plan(&similarity, &a, &b, &options);
            let expected = naive(&similarity, &a, &b, f64::from(epsilon), solver);
            for (got, expected) in got.mass.iter().zip(&expected) {
                near(f64::from(*got), *expected, 2e-5, &format!("{solver:?} at {epsilon}"));
            }
        }
    }
}

#[test]
fn ends_of_the_ranges_are_the_balanced_plan() {
    let (similarity, a, b) = problem("w49_d16");
    let balanced = similarity_plan(&similarity, &a, &b, &with(Solver::Sinkhorn));
    let whole = similarity_plan(&similarity, &a, &b, &with(Solver::Partial { mass: 1.0 }));
    assert_eq!(whole, balanced);
    let strict = similarity_plan(&similarity, &a, &b, &with(Solver::Unbalanced { rho: 100.0 }));
    near(f64::from(strict.structural), f64::from(balanced.structural), 2e-3, "a large rho");
    let nearly = similarity_plan(&similarity, &a, &b, &with(Solver::Partial { mass: 0.999 }));
    near(f64::from(nearly.structural), f64::from(balanced.structural), 2e-3, "nearly all mass");
}

#[test]
fn a_partial_plan_moves_its_share_and_takes_no_cell_beyond_its_weight() {
    let (query, gallery) = (Photo::random(41, Grid::new(7, 7), 32), Photo::random(42, Grid::new(5, 6), 32));
    for mass in [0.05, 0.3, 0.7, 0.95] {
        let options = MatchOptions { max_iterations: 1000, tolerance: 1e-4, ..with(Solver::Partial { mass }) };
        let got = explain_pair(&query.view(), &gallery.view(), &options);
        near(f64::from(got.plan.moved()), f64::from(mass), 1e-4, "mass");
        for (sums, weights) in
            [(got.plan.row_sums(), &got.row_marginal), (got.plan.column_sums(), &got.column_marginal)]
        {
            assert!(sums.iter().zip(weights).all(|(sum, weight)| *sum <= weight + 2e-4), "{mass}");
        }
        let sum: f32 = (0..49).flat_map(|q| (0..30).map(move |g| (q, g))).map(|(q, g)| got.contribution(q, g)).sum();
        near(f64::from(sum), f64::from(got.structural), 1e-5, "contributions add up to the structural score");
    }
}

#[test]
fn the_exact_solver_in_a_comparison_is_the_network_simplex() {
    let (query, gallery) = (Photo::random(51, Grid::new(4, 5), 16), Photo::random(52, Grid::new(3, 7), 16));
    let got = explain_pair(&query.view(), &gallery.view(), &with(Solver::Exact));
    let cost: Vec<f64> = got.similarity.iter().map(|&s| 1.0 - f64::from(s)).collect();
    let scaled = |w: &[f32]| {
        let sum: f64 = widen(w).iter().sum();
        widen(w).iter().map(|x| x / sum).collect::<Vec<_>>()
    };
    let expected = exact(&cost, &scaled(&got.row_marginal), &scaled(&got.column_marginal)).unwrap();
    near(f64::from(got.structural), 1.0 - expected.cost, 1e-6, "structural");
    assert!(got.marginal_error < 1e-6 && got.iterations == expected.iterations);
    // Entropy can only cost something.
    let entropic = MatchOptions { tolerance: 1e-6, max_iterations: 5000, ..with(Solver::Sinkhorn) };
    assert!(explain_pair(&query.view(), &gallery.view(), &entropic).structural <= got.structural + 1e-5);
}

#[test]
fn every_solver_says_the_same_alone_explained_and_in_a_batch() {
    let grid = Grid::new(7, 7);
    let query = Photo::random(61, grid, 64);
    let gallery: Vec<Photo> = (0..23).map(|i| Photo::random(700 + 3 * i, grid, 64)).collect();
    let views: Vec<Cells<'_>> = gallery.iter().map(Photo::view).collect();
    for solver in ALL {
        for marginals in [Marginals::Uniform, Marginals::CrossCorrelation] {
            let options = MatchOptions { marginals, ..with(solver) };
            let together = rerank(&query.view(), &views, &options, &StopFlag::new());
            for (view, expected) in views.iter().zip(&together) {
                assert_eq!(score_pair(&query.view(), view, &options), *expected);
                let explained = explain_pair(&query.view(), view, &options);
                assert_eq!(explained.structural.to_bits(), expected.structural.to_bits(), "{solver:?}");
                assert_eq!(
                    (explained.iterations, explained.marginal_error),
                    (expected.iterations, expected.marginal_error)
                );
            }
        }
    }
}

#[test]
fn painted_cells_are_the_marginals_and_what_is_not_painted_keeps_its_own() {
    let (query, gallery) = (Photo::random(71, Grid::new(3, 3), 16), Photo::random(72, Grid::new(2, 4), 16));
    let (q, g) = (query.view(), gallery.view());
    let paint = [0.0, 0.5, 0.0, 0.0, 1.0, 0.5, 0.0, 0.0, 0.0];
    for solver in ALL {
        let options = MatchOptions { marginals: Marginals::Painted, ..with(solver) };
        let cross = explain_pair(&q, &g, &MatchOptions { marginals: Marginals::CrossCorrelation, ..options });
        assert_eq!(explain_pair(&q, &g, &options), cross, "nothing is painted");
        let painted = Painted { query: Some(&paint), gallery: None };
        let got = explain_painted(&q, &g, painted, &options);
        assert_eq!(got.row_marginal, [0.0, 0.25, 0.0, 0.0, 0.5, 0.25, 0.0, 0.0, 0.0]);
        assert_eq!(got.column_marginal, cross.column_marginal);
        assert!(got.plan.row(0).iter().all(|&mass| mass == 0.0), "{solver:?}");
        let blank = Painted { query: Some(&[0.0; 9]), gallery: Some(&[0.0; 8]) };
        assert_eq!(explain_painted(&q, &g, blank, &options), cross, "zeros say nothing");
        let scores =
            rerank_painted(&q, &[g, g], &|place| if place == 1 { painted } else { blank }, &options, &StopFlag::new());
        assert_eq!((scores[0].structural, scores[1].structural), (cross.structural, got.structural));
        let uniform = MatchOptions { marginals: Marginals::Uniform, ..options };
        assert_eq!(
            explain_painted(&q, &g, painted, &uniform),
            explain_pair(&q, &g, &uniform),
            "paint is kept, not used"
        );
    }
}

#[test]
fn processors_without_vector_instructions_relax_to_the_same_answer() {
    let (similarity, a, b) = problem("rect49x36");
    let stop = Stop { epsilon: 0.05, max_iterations: 100, tolerance: 1e-3 };
    for relaxed in [Relaxed::Unbalanced { rho: 0.5 }, Relaxed::Partial { mass: 0.6 }] {
        let mut workspace = Workspace::default();
        workspace.cosines.set_pairs(&similarity, b.len());
        let fast = workspace.solve_relaxed(&a, &b, relaxed, stop);
        let portable = workspace.solve_relaxed_portable(&a, &b, relaxed, stop);
        near(f64::from(fast.structural), f64::from(portable.structural), 1e-5, "structural");
        assert_eq!(fast.iterations, portable.iterations);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_setting_gives_anything_but_finite_masses(
        n in 1usize..20, m in 1usize..20, exponent in -4.0f32..=1.0, rho in -3.0f32..=2.0, share in 0.01f32..=1.0,
        similarity in prop::collection::vec(-1.0f32..=1.0, 400),
        weights in prop::collection::vec(prop_oneof![Just(0.0f32), 1e-6f32..1.0], 40),
    ) {
        let (a, b) = (scaled(&weights[..n]), scaled(&weights[20..20 + m]));
        let solvers = [Solver::Exact, Solver::Unbalanced { rho: 10f32.powf(rho) }, Solver::Partial { mass: share }];
        for solver in solvers {
            let options = MatchOptions { epsilon: 10f32.powf(exponent).clamp(1e-4, 10.0), ..with(solver) };
            let got = similarity_plan(&similarity[..n * m], &a, &b, &options);
            prop_assert!(got.mass.iter().all(|x| x.is_finite() && *x >= 0.0), "{solver:?}");
            prop_assert!(got.marginal_error.is_finite() && got.structural.is_finite(), "{solver:?}");
            let total: f32 = got.mass.iter().sum();
            let wanted = match solver {
                Solver::Partial { .. } => share,
                Solver::Unbalanced { .. } => total,
                Solver::Exact | Solver::Sinkhorn => 1.0,
            };
            prop_assert!((total - wanted).abs() < 5e-3, "{solver:?}: mass {total}");
            for (i, &w) in a.iter().enumerate() {
                prop_assert!(w > 0.0 || got.mass[i * m..(i + 1) * m].iter().all(|&x| x == 0.0));
            }
        }
    }
}
