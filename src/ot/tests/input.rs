//! What the raw solvers refuse, in a person's words, and what they must survive.

use proptest::prelude::*;

use crate::ot::{OtError, Real, SinkhornOptions, exact, sinkhorn};

fn both(cost: &[f64], a: &[f64], b: &[f64]) -> OtError {
    let options = SinkhornOptions { epsilon: 0.1, max_iterations: 10, tolerance: 0.0 };
    let entropic = sinkhorn(cost, a, b, &options).unwrap_err();
    assert_eq!(exact(cost, a, b).unwrap_err().to_string(), entropic.to_string());
    entropic
}

#[test]
fn bad_problems_are_refused_in_one_sentence() {
    let say = |cost: &[f64], a: &[f64], b: &[f64]| both(cost, a, b).to_string();
    let half = [0.5, 0.5];
    assert_eq!(say(&[], &[], &half), "the transport problem has no rows");
    assert_eq!(say(&[], &half, &[]), "the transport problem has no columns");
    assert_eq!(say(&[1.0; 3], &half, &half), "the cost has 3 entries, but 2 row weights and 2 column weights need 4");
    assert_eq!(
        say(&[0.0, 1.0, f64::NAN, 1.0], &half, &half),
        "the cost of row 1 and column 0 is NaN, not a finite number"
    );
    assert_eq!(
        say(&[0.0, f64::INFINITY, 0.0, 1.0], &half, &half),
        "the cost of row 0 and column 1 is inf, not a finite number"
    );
    assert_eq!(
        say(&[0.0; 4], &[1.5, -0.5], &half),
        "the weight of row 1 is -0.5, but weights must be finite and at least 0"
    );
    assert_eq!(
        say(&[0.0; 4], &half, &[f64::NAN, 1.0]),
        "the weight of column 0 is NaN, but weights must be finite and at least 0"
    );
    assert_eq!(say(&[0.0; 4], &[0.0, 0.0], &half), "the weights of all rows are zero");
    assert_eq!(
        say(&[0.0; 4], &half, &[0.5, 0.25]),
        "the row weights sum to 1 and the column weights to 0.75, but both must hold the same mass"
    );
}

#[test]
fn bad_options_are_refused() {
    let run = |epsilon, max_iterations, tolerance| {
        let options = SinkhornOptions { epsilon, max_iterations, tolerance };
        sinkhorn(&[0.0, 1.0, 1.0, 0.0], &[0.5, 0.5], &[0.5, 0.5], &options).map(|s| s.iterations)
    };
    assert_eq!(run(0.0, 5, 0.0), Err(OtError::Epsilon(0.0)));
    assert!(matches!(run(f64::NAN, 5, 0.0), Err(OtError::Epsilon(_))));
    assert_eq!(run(0.1, 0, 0.0), Err(OtError::NoIterations));
    assert_eq!(run(0.1, 5, -1.0), Err(OtError::Tolerance(-1.0)));
    assert_eq!(run(0.1, 5, 0.0), Ok(5));
}

#[test]
fn costs_beyond_the_number_type_are_refused_and_not_overflowed() {
    let options = SinkhornOptions { epsilon: 1e-4f32, max_iterations: 5, tolerance: 0.0 };
    let got = sinkhorn(&[3e38f32, 0.0], &[1.0], &[0.5, 0.5], &options);
    assert!(matches!(got, Err(OtError::Range { .. })), "{got:?}");
}

#[test]
fn sums_that_differ_by_rounding_are_evened_out_and_the_tolerance_is_met() {
    let cost = [0.0, 0.3, 0.7, 0.1, 0.9, 0.2];
    let options = SinkhornOptions { epsilon: 0.1, max_iterations: 5000, tolerance: 1e-12 };
    let got = sinkhorn(&cost, &[0.333333, 0.333333, 0.333333], &[0.5, 0.5 - 1e-6 + 1e-10], &options).unwrap();
    assert!(got.iterations < 5000);
    assert!(got.column_error < 1e-6);
}

#[test]
fn zero_weights_get_no_mass_and_change_nothing_else() {
    let cost = [0.1, 0.4, 0.9, 0.5, 0.5, 0.5, 0.8, 0.2, 0.3];
    let options = SinkhornOptions { epsilon: 0.05, max_iterations: 2000, tolerance: 1e-13 };
    let with = sinkhorn(&cost, &[0.5, 0.0, 0.5], &[0.25, 0.75, 0.0], &options).unwrap();
    let without = sinkhorn(&[0.1, 0.4, 0.8, 0.2], &[0.5, 0.5], &[0.25, 0.75], &options).unwrap();
    let expected = [without.plan[0], without.plan[1], 0.0, 0.0, 0.0, 0.0, without.plan[2], without.plan[3], 0.0];
    for (got, expected) in with.plan.iter().zip(expected) {
        assert!((got - expected).abs() < 1e-12, "{:?}", with.plan);
    }
}

#[test]
fn a_tolerance_stops_as_soon_as_it_is_met() {
    let cost: Vec<f64> = (0..25).map(|k| ((k * 13) % 17) as f64 / 17.0).collect();
    let weights = [0.1, 0.3, 0.2, 0.15, 0.25];
    let run = |max_iterations, tolerance| {
        let options = SinkhornOptions { epsilon: 0.05, max_iterations, tolerance };
        sinkhorn(&cost, &weights, &weights, &options).unwrap()
    };
    let stopped = run(10_000, 1e-4);
    assert!(stopped.column_error < 1e-4 && stopped.iterations > 1);
    assert!(run(stopped.iterations - 1, 0.0).column_error >= 1e-4);
}

fn finite<T: Real>(cost: &[f64], a: &[f64], b: &[f64], epsilon: f64) -> Result<(), TestCaseError> {
    let narrow = |x: &[f64]| x.iter().map(|&x| T::from_f64(x)).collect::<Vec<T>>();
    let options = SinkhornOptions { epsilon: T::from_f64(epsilon), max_iterations: 60, tolerance: T::from_f64(1e-6) };
    let got = sinkhorn(&narrow(cost), &narrow(a), &narrow(b), &options).unwrap();
    prop_assert!(got.plan.iter().all(|m| m.is_finite() && *m >= T::ZERO), "{:?}", got);
    prop_assert!(got.cost.is_finite() && got.column_error.is_finite());
    prop_assert!(got.row_error.to_f64() < 2e-2, "{:?}", got.row_error);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_epsilon_gives_anything_but_finite_masses(
        n in 1usize..7, m in 1usize..7, exponent in -4.0f64..=1.0,
        cost in prop::collection::vec(0.0f64..=2.0, 36),
        weights in prop::collection::vec(prop_oneof![Just(0.0f64), 1e-6f64..1.0], 12),
    ) {
        let scaled = |raw: &[f64]| {
            let mut w = raw.to_vec();
            w[0] += 0.1;
            let sum: f64 = w.iter().sum();
            w.iter().map(|x| x / sum).collect::<Vec<_>>()
        };
        let (a, b) = (scaled(&weights[..n]), scaled(&weights[6..6 + m]));
        let epsilon = 10f64.powf(exponent).clamp(1e-4, 10.0);
        finite::<f64>(&cost[..n * m], &a, &b, epsilon)?;
        finite::<f32>(&cost[..n * m], &a, &b, epsilon)?;
    }
}
