//! The network simplex against optimality itself: a dual certificate, and problems solved by hand.

use proptest::prelude::*;

use crate::ot::{SinkhornOptions, exact, sinkhorn};

use super::support::near;

#[test]
fn rectangular_problems_are_solved() {
    // Two mines, three ports; the classic north-west corner is not optimal here.
    let cost = [4.0, 6.0, 9.0, 5.0, 2.0, 1.0];
    let got = exact(&cost, &[30.0, 40.0], &[20.0, 25.0, 25.0]).unwrap();
    // Row 0 must place 30: port 0 takes 20 of it at 4; 10 go to port 1 at 6; row 1 sends 15 at 2 and 25 at 1.
    assert_eq!(got.plan, vec![20.0, 10.0, 0.0, 0.0, 15.0, 25.0]);
    near(got.cost, 80.0 + 60.0 + 30.0 + 25.0, 1e-12, "cost");
}

#[test]
fn one_row_one_column_and_one_of_each_are_solved() {
    assert_eq!(exact(&[3.0], &[2.0], &[2.0]).unwrap().plan, vec![2.0]);
    assert_eq!(exact(&[3.0, 1.0], &[1.0], &[0.25, 0.75]).unwrap().plan, vec![0.25, 0.75]);
    assert_eq!(exact(&[3.0, 1.0], &[0.25, 0.75], &[1.0]).unwrap().plan, vec![0.25, 0.75]);
}

#[test]
fn an_assignment_full_of_ties_ends_at_its_optimum() {
    // Every cost 0 or 1 and equal weights: nearly all pivots are degenerate.
    let n = 40;
    let cost: Vec<f64> = (0..n * n).map(|k| if (k / n * 7 + k % n * 3) % n < 3 { 0.0 } else { 1.0 }).collect();
    let weights = vec![1.0 / n as f64; n];
    let got = exact(&cost, &weights, &weights).unwrap();
    assert!(got.column_error < 1e-14);
    certify(&cost, &weights, &weights, &got.plan);
}

#[test]
fn rows_and_columns_without_weight_get_nothing() {
    let cost = [1.0, -5.0, 2.0, -5.0, -5.0, -5.0, 3.0, -5.0, 1.0];
    let got = exact(&cost, &[0.5, 0.0, 0.5], &[0.5, 0.0, 0.5]).unwrap();
    assert_eq!(got.plan, vec![0.5, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.5]);
}

#[test]
fn the_entropic_plan_approaches_the_exact_one() {
    let cost: Vec<f64> = (0..12).map(|k| ((k * 37) % 11) as f64 / 11.0).collect();
    let (a, b) = ([0.2, 0.5, 0.3], [0.1, 0.4, 0.25, 0.25]);
    let options = SinkhornOptions { epsilon: 2e-3, max_iterations: 100_000, tolerance: 1e-11 };
    let entropic = sinkhorn(&cost, &a, &b, &options).unwrap();
    let exact = exact(&cost, &a, &b).unwrap();
    assert!(entropic.cost >= exact.cost - 1e-9);
    near(entropic.cost, exact.cost, 2e-3 * (12.0f64).ln(), "cost");
}

/// Bellman-Ford on the residual network: a feasible plan is optimal when no cycle of it can be cheapened.
fn certify(cost: &[f64], a: &[f64], b: &[f64], plan: &[f64]) {
    let (n, m) = (a.len(), b.len());
    let mut potential = vec![0.0; n + m];
    for round in 0..=n + m {
        let mut changed = false;
        for i in 0..n {
            for j in 0..m {
                let c = cost[i * m + j];
                if potential[i] + c < potential[n + j] - 1e-11 {
                    potential[n + j] = potential[i] + c;
                    changed = true;
                }
                if plan[i * m + j] > 1e-13 && potential[n + j] - c < potential[i] - 1e-11 {
                    potential[i] = potential[n + j] - c;
                    changed = true;
                }
            }
        }
        if !changed {
            return;
        }
        assert!(round < n + m, "a cycle of the residual network is cheaper than nothing");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_plan_is_feasible_and_certified(
        n in 1usize..9, m in 1usize..9,
        // Few distinct values, so that ties and degenerate pivots are common.
        costs in prop::collection::vec(-3i32..4, 64),
        weights in prop::collection::vec(0u8..4, 16),
    ) {
        let cost: Vec<f64> = costs[..n * m].iter().map(|&c| f64::from(c) / 3.0).collect();
        let mut a: Vec<f64> = weights[..n].iter().map(|&w| f64::from(w)).collect();
        let mut b: Vec<f64> = weights[8..8 + m].iter().map(|&w| f64::from(w)).collect();
        a[0] += 1.0;
        b[m - 1] += 1.0;
        let (sum_a, sum_b) = (a.iter().sum::<f64>(), b.iter().sum::<f64>());
        a.iter_mut().for_each(|w| *w /= sum_a);
        b.iter_mut().for_each(|w| *w /= sum_b);
        let got = exact(&cost, &a, &b).unwrap();
        prop_assert!(got.plan.iter().all(|&x| x >= 0.0));
        prop_assert!(got.row_error < 1e-13 && got.column_error < 1e-13);
        certify(&cost, &a, &b, &got.plan);
    }
}
