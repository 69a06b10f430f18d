//! Transport by the kernel. Oracle: the reference solver of `ot` in 64 bits, a pair at a time.

use proptest::prelude::*;

use super::super::plan::{self, Number, Pairs};
use super::emulated::{NUMBERS, noise, rounded};
use super::emulator::{Buffer, Emulated, in_either_order};
use crate::nn::ops::Transport;
use crate::ot::{self, SinkhornOptions, Solution};

struct Problem {
    number: Number,
    sizes: Pairs,
    cost: Vec<f64>,
    a: Vec<f64>,
    b: Vec<f64>,
}

/// Every fourth weight or so is zero, but the last of each side is not.
fn weights(seed: u64, sides: usize, cells: usize, number: Number) -> Vec<f64> {
    let kept = |v: f64| rounded(if v > -0.5 { v + 0.5 } else { 0.0 }, number);
    let mut all: Vec<f64> = noise(seed, sides * cells, number).into_iter().map(kept).collect();
    all.chunks_mut(cells).for_each(|side| side[cells - 1] = 0.75);
    all
}

impl Problem {
    /// Costs between 0 and 2, as of cosines.
    fn new(number: Number, (pairs, rows, columns): (usize, usize, usize), seed: u64) -> Self {
        let sizes = Pairs { pairs, rows, columns };
        let cost = noise(seed, pairs * rows * columns, number).into_iter().map(|v| rounded(v + 1.0, number)).collect();
        Self {
            number,
            sizes,
            cost,
            a: weights(seed + 1, pairs, rows, number),
            b: weights(seed + 2, pairs, columns, number),
        }
    }

    /// Plans, then the iterations of each pair.
    fn solve(&self, on: &Emulated, how: Transport) -> Result<Vec<Vec<f64>>, String> {
        let [cost, a, b] = [&self.cost, &self.a, &self.b].map(|v| Buffer::of(self.number, v));
        let (plans, taken) = (Buffer::new(self.number, self.cost.len()), Buffer::new(Number::F32, self.sizes.pairs));
        let from = (cost.address(), a.address(), b.address());
        plan::sinkhorn(on, self.sizes, from, (plans.address(), taken.address()), how)?;
        Ok(vec![plans.read(), taken.read_integers().into_iter().map(f64::from).collect()])
    }

    /// By the kernel: the same bits whether costs are held in shared memory or not.
    fn by_kernel(&self, how: Transport) -> Vec<Vec<f64>> {
        let bits = |all: &[Vec<f64>]| all.iter().flatten().map(|v| v.to_bits()).collect::<Vec<_>>();
        let few = in_either_order(self.number, |on| self.solve(&Emulated { room: self.sizes.room(), ..*on }, how));
        let plenty =
            in_either_order(self.number, |on| self.solve(&Emulated { room: self.sizes.room_with_costs(), ..*on }, how));
        assert_eq!(bits(&few), bits(&plenty), "costs are read otherwise from shared memory");
        plenty
    }

    fn reference(&self, pair: usize, how: Transport) -> Solution<f64> {
        let Pairs { rows, columns, .. } = self.sizes;
        let of = |all: &[f64], each: usize| all[pair * each..(pair + 1) * each].to_vec();
        let (cost, a, mut b) = (of(&self.cost, rows * columns), of(&self.a, rows), of(&self.b, columns));
        // The reference wants equal sums, up to its rounding.
        let share = a.iter().sum::<f64>() / b.iter().sum::<f64>();
        b.iter_mut().for_each(|w| *w *= share);
        let Transport { epsilon, iterations, tolerance } = how;
        ot::sinkhorn(&cost, &a, &b, &SinkhornOptions { epsilon, max_iterations: iterations, tolerance }).unwrap()
    }

    /// An exponent is made of potentials and costs, a few divided by epsilon, each rounded: so much of it is lost, and as
    /// much of a mass in proportion. bf16 is computed in 32 bits and rounded to eight.
    fn slack(&self, how: Transport) -> f64 {
        let unit = if self.number == Number::F64 { f64::EPSILON } else { f64::from(f32::EPSILON) };
        8.0 * unit * (1.0 + 4.0 / how.epsilon) + if self.number == Number::Bf16 { 1.0 / 256.0 } else { 0.0 }
    }

    /// Compares the kernel's plans with the reference's, and gives them.
    fn check(&self, how: Transport) -> Vec<Vec<f64>> {
        let got = self.by_kernel(how);
        let each = self.sizes.rows * self.sizes.columns;
        for (pair, got) in got[0].chunks(each).enumerate() {
            let wanted = self.reference(pair, how).plan;
            let largest = wanted.iter().copied().fold(0.0, f64::max);
            for (i, (got, wanted)) in got.iter().zip(&wanted).enumerate() {
                assert!(
                    (got - wanted).abs() <= self.slack(how) * largest,
                    "{:?}, {:?}, {how:?}, pair {pair}, place {i}: {got} is not {wanted} of {largest}",
                    self.number,
                    self.sizes
                );
            }
        }
        if how.tolerance == 0.0 {
            assert_eq!(got[1], vec![how.iterations as f64; self.sizes.pairs]);
        }
        got
    }
}

fn exactly(epsilon: f64, iterations: usize) -> Transport {
    Transport { epsilon, iterations, tolerance: 0.0 }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn plans_are_the_reference_solvers(
        pairs in 1_usize..4, rows in 1_usize..60, columns in 1_usize..60, epsilon in 0.01_f64..1.0,
        iterations in 1_usize..5, seed: u64,
    ) {
        for number in NUMBERS {
            Problem::new(number, (pairs, rows, columns), seed >> 8).check(exactly(epsilon, iterations));
        }
    }

    #[test]
    fn a_pair_stops_where_the_reference_does(
        rows in 1_usize..20, columns in 1_usize..20, epsilon in 0.05_f64..1.0, digits in 1_i32..6, seed: u64,
    ) {
        let how = Transport { epsilon, iterations: 25, tolerance: 10_f64.powi(-digits) };
        let problem = Problem::new(Number::F64, (2, rows, columns), seed >> 8);
        let got = problem.check(how);
        let taken: Vec<f64> = (0..2).map(|pair| problem.reference(pair, how).iterations as f64).collect();
        prop_assert_eq!(&got[1], &taken);
    }
}

#[test]
fn photos_of_7_and_14_cells_a_side_and_odd_ones_are_solved_alike() {
    for sizes in [(2, 49, 49), (1, 196, 196), (1, 49, 196), (1, 196, 49), (1, 600, 3), (1, 2, 300), (3, 1, 1)] {
        for number in [Number::F32, Number::F64] {
            Problem::new(number, sizes, 17).check(exactly(0.05, 3));
        }
    }
    // An H100 holds the costs of 14 x 14 cells in 32 bits beside the potentials, but not in 64.
    let large = Pairs { pairs: 1, rows: 196, columns: 196 };
    assert!(4 * large.room_with_costs() <= 227 << 10 && 8 * large.room_with_costs() > 227 << 10);
}

#[test]
fn a_tiny_epsilon_underflows_nothing() {
    for (number, epsilon) in [(Number::F64, 1e-3), (Number::F64, 1e-5), (Number::F32, 1e-3)] {
        let problem = Problem::new(number, (2, 20, 13), 29);
        // A row's sum is its weight, whatever was underflowed on the way.
        let plans = &problem.check(exactly(epsilon, 12))[0];
        for (row, weight) in plans.chunks(13).zip(&problem.a) {
            let sum: f64 = row.iter().sum();
            assert!((sum - weight).abs() <= problem.slack(exactly(epsilon, 12)), "{sum} is not {weight}");
        }
    }
}

/// One pair that cannot be solved says so by itself, and leaves the others as they are.
#[test]
fn broken_pairs_are_no_numbers_and_the_others_as_without_them() {
    let how = exactly(0.1, 3);
    for number in [Number::F32, Number::F64] {
        let whole = Problem::new(number, (3, 6, 5), 41);
        let wanted = whole.by_kernel(how);
        let broken = |what: &str, change: &dyn Fn(&mut Problem)| {
            let mut problem = Problem::new(number, (3, 6, 5), 41);
            change(&mut problem);
            let got = problem.by_kernel(how);
            assert!(got[0][30..60].iter().all(|mass| mass.is_nan()), "{what}: {:?}", &got[0][30..60]);
            assert_eq!(got[1], [3.0, 0.0, 3.0], "{what}");
            assert_eq!([&got[0][..30], &got[0][60..]], [&wanted[0][..30], &wanted[0][60..]], "{what}");
        };
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e30] {
            broken("a cost", &|problem| problem.cost[30 + 17] = value);
        }
        for value in [f64::NAN, f64::INFINITY, -1e-3] {
            broken("a row's weight", &|problem| problem.a[6 + 2] = value);
            broken("a column's weight", &|problem| problem.b[5 + 4] = value);
        }
        broken("no mass", &|problem| problem.b[5..10].fill(0.0));
    }
}
