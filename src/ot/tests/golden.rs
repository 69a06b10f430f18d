//! Agreement with POT (`transport.json`), PyTorch (`training.json`) and the worked DIML example.

use crate::domain::{Grid, Marginals, MatchOptions};
use crate::ot::{SinkhornOptions, exact, explain_pair, score_pair, sinkhorn};

use super::support::{Photo, filled, fixture, narrow, near, number, numbers, transport_problem};

const EPSILONS: [&str; 5] = ["1.0", "0.1", "0.05", "0.01", "0.005"];

#[test]
fn the_inputs_are_those_of_the_reference() {
    for case in fixture("transport.json")["cases"].as_array().unwrap() {
        let problem = transport_problem(case);
        near(problem.cost.iter().sum(), number(&case["M_sum"]), 1e-9, "sum of costs");
        near(problem.cost[0], number(&case["M00"]), 1e-14, "first cost");
    }
}

#[test]
fn f64_equals_pot_after_equal_iterations() {
    for case in fixture("transport.json")["cases"].as_array().unwrap() {
        let p = transport_problem(case);
        for (iterations, expected) in case["fixed_iter_0.05"].as_object().unwrap() {
            let max_iterations = iterations.parse().unwrap();
            let options = SinkhornOptions { epsilon: 0.05, max_iterations, tolerance: 0.0 };
            let got = sinkhorn(&p.cost, &p.a, &p.b, &options).unwrap();
            let what = format!("{} after {iterations}", case["name"]);
            assert_eq!(got.iterations, max_iterations);
            near(got.cost, number(&expected["lin_cost"]), 1e-9, &what);
            near(got.row_error, number(&expected["row_err"]), 1e-9, &what);
            near(got.column_error, number(&expected["col_err"]), 1e-9, &what);
        }
    }
}

#[test]
fn f64_equals_pot_when_converged() {
    let mut compared = 0;
    for case in fixture("transport.json")["cases"].as_array().unwrap() {
        let p = transport_problem(case);
        for epsilon in EPSILONS {
            let expected = &case[format!("sinkhorn_{epsilon}")];
            if !expected["conv"].as_bool().unwrap() {
                continue;
            }
            let options =
                SinkhornOptions { epsilon: epsilon.parse().unwrap(), max_iterations: 200_000, tolerance: 1e-12 };
            let got = sinkhorn(&p.cost, &p.a, &p.b, &options).unwrap();
            let what = format!("{} at {epsilon}", case["name"]);
            near(got.cost, number(&expected["lin_cost"]), 1e-7, &what);
            near(got.plan[0], number(&expected["P00"]), 1e-7, &what);
            let entropy: f64 = got.plan.iter().map(|&m| m * (m.max(1e-300).ln() - 1.0)).sum();
            near(got.cost + options.epsilon * entropy, number(&expected["reg_obj"]), 1e-7, &what);
            compared += 1;
        }
    }
    assert!(compared >= 12, "only {compared} converged cases in the fixture");
}

#[test]
fn f32_equals_pot_within_its_precision() {
    for case in fixture("transport.json")["cases"].as_array().unwrap() {
        let p = transport_problem(case);
        let (cost, a, b) = (narrow(&p.cost), narrow(&p.a), narrow(&p.b));
        for epsilon in EPSILONS {
            let expected = &case[format!("sinkhorn_{epsilon}")];
            if !expected["conv"].as_bool().unwrap() {
                continue;
            }
            let max_iterations = number(&expected["niter"]) as usize + 10;
            let options = SinkhornOptions::<f32> { epsilon: epsilon.parse().unwrap(), max_iterations, tolerance: 0.0 };
            let got = f64::from(sinkhorn(&cost, &a, &b, &options).unwrap().cost);
            let expected = number(&expected["lin_cost"]);
            near(got / expected, 1.0, 2e-5, &format!("{} at {epsilon}", case["name"]));
        }
    }
}

#[test]
fn the_exact_solver_equals_pot() {
    for case in fixture("transport.json")["cases"].as_array().unwrap() {
        let p = transport_problem(case);
        let got = exact(&p.cost, &p.a, &p.b).unwrap();
        near(got.cost, number(&case["emd2"]), 1e-12, &case["name"].to_string());
        assert!(got.row_error < 1e-14 && got.column_error < 1e-14, "{} {}", got.row_error, got.column_error);
        assert!(got.plan.iter().all(|&m| m >= 0.0));
    }
}

#[test]
fn structural_scores_and_plans_equal_the_training_reference() {
    let file = fixture("training.json");
    let (prefix, case) = (file["prefix"].as_str().unwrap(), &file["structural"]);
    let (structural, global) = (numbers(&case["structural"]), numbers(&case["global"]));
    let (photos, cells, dim) = (structural.len(), 9, 16);
    let size = photos * cells * dim;
    let wide = |key| filled(prefix, key, size).into_iter().map(f64::from).collect::<Vec<_>>();
    let (x, y) = (wide("X"), wide("Y"));
    let options = MatchOptions {
        epsilon: number(&case["eps"]) as f32,
        max_iterations: number(&case["iterations"]) as usize,
        tolerance: 1e-7,
        ..MatchOptions::default()
    };
    for photo in 0..photos {
        let part = |raw: &[f64]| {
            Photo::from_channels(&raw[photo * cells * dim..(photo + 1) * cells * dim], dim, Grid::new(3, 3))
        };
        let (query, gallery) = (part(&x), part(&y));
        let got = explain_pair(&query.view(), &gallery.view(), &options);
        near(f64::from(got.structural), structural[photo], 2e-5, "structural");
        near(f64::from(got.global), global[photo], 1e-6, "global");
        if photo == 0 {
            let pairs = [
                ("plan0", got.plan.mass()),
                ("row_marginal0", &got.row_marginal),
                ("column_marginal0", &got.column_marginal),
            ];
            for (key, got) in pairs {
                for (&got, expected) in got.iter().zip(numbers(&case[key])) {
                    near(f64::from(got), expected, 2e-5, key);
                }
            }
        }
    }
}

/// The worked example of four cells: values from a reading of the paper, checked by hand.
fn worked_example() -> (Photo, Photo) {
    let raw = |f: fn(f64, f64) -> f64| -> Vec<f64> {
        (0..8).flat_map(|c| (0..4).map(move |r| f(f64::from(c), f64::from(r)))).collect()
    };
    let a = raw(|c, r| (1.0 + 0.7 * c + 1.3 * r).sin() + 1.0);
    let b = raw(|c, r| (0.5 + 0.9 * c - 0.4 * r).cos() + 1.0);
    (Photo::from_channels(&a, 8, Grid::new(2, 2)), Photo::from_channels(&b, 8, Grid::new(2, 2)))
}

#[test]
fn the_worked_example_holds() {
    let (a, b) = worked_example();
    let three = MatchOptions { max_iterations: 3, tolerance: 1e-12, ..MatchOptions::default() };
    let got = explain_pair(&a.view(), &b.view(), &three);
    // The example's rows are gallery cells: its first row is this plan's first column.
    let column =
        |values: &[f32], cell: usize| -> Vec<f64> { (0..4).map(|q| f64::from(values[q * 4 + cell])).collect() };
    let all = |got: Vec<f64>, expected: [f64; 4], tolerance: f64, what: &str| {
        for (got, expected) in got.into_iter().zip(expected) {
            near(got, expected, tolerance, what);
        }
    };
    all(column(&got.similarity, 0), [0.616429, 0.965249, 0.853045, 0.564584], 2e-6, "similarity, first row");
    all(column(&got.similarity, 3), [0.903907, 0.923284, 0.549591, 0.448506], 2e-6, "similarity, last row");
    let wide = |x: &[f32]| x.iter().map(|&x| f64::from(x)).collect::<Vec<_>>();
    all(wide(&got.column_marginal), [0.257159, 0.253354, 0.248025, 0.241459], 4e-6, "u");
    all(wide(&got.row_marginal), [0.261895, 0.330204, 0.240836, 0.167061], 4e-6, "v");
    all(column(got.plan.mass(), 0), [0.000286, 0.029870, 0.165548, 0.077645], 4e-6, "plan, first row");
    near(f64::from(got.structural), 0.836621, 5e-6, "structural after 3 iterations");
    near(f64::from(got.global), 0.899196, 2e-6, "cosine");
    near(f64::from(got.score), 1.735817, 6e-6, "score");

    let full = MatchOptions { tolerance: 1e-12, ..MatchOptions::default() };
    let got = explain_pair(&a.view(), &b.view(), &full);
    near(f64::from(got.structural), 0.835210, 5e-6, "structural, converged");
    all(column(got.plan.mass(), 0), [0.000243, 0.026135, 0.158987, 0.071794], 4e-6, "converged plan, first row");

    let uniform = MatchOptions { marginals: Marginals::Uniform, ..three };
    near(f64::from(score_pair(&a.view(), &b.view(), &uniform).structural), 0.793815, 5e-6, "uniform");
    let two = MatchOptions { max_iterations: 2, ..three };
    near(f64::from(score_pair(&a.view(), &a.view(), &two).structural), 0.997326, 5e-6, "with itself");

    let wide_match = explain_pair(&a.view(), &b.view(), &full);
    let cost: Vec<f64> = wide_match.similarity.iter().map(|&s| 1.0 - f64::from(s)).collect();
    let got = exact(&cost, &wide(&wide_match.row_marginal), &wide(&wide_match.column_marginal)).unwrap();
    near(1.0 - got.cost, 0.848393, 5e-6, "exact");
}
