//! Entropic transport in the log domain: the reference that every faster path is held against.

use super::problem::{check, marginal_errors, total_cost};
use super::{OtError, Real};

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SinkhornOptions<T> {
    /// Regularisation, in units of the cost.
    pub epsilon: T,
    pub max_iterations: usize,
    /// Stop when the plan's marginals are off by less than this in L1; 0 means exactly `max_iterations`.
    pub tolerance: T,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Solution<T> {
    /// Row-major `[rows, columns]`.
    pub plan: Vec<T>,
    /// Sum of mass x cost, without the entropy.
    pub cost: T,
    /// Sinkhorn iterations (one column update and one row update each), or pivots of the exact solver.
    pub iterations: usize,
    /// L1 distance between the plan's row sums and the row weights.
    pub row_error: T,
    pub column_error: T,
}

/// Solves `min <plan, cost> + epsilon * sum plan (ln plan - 1)` over plans with marginals `a` and `b`.
///
/// The potentials start at 0; an iteration updates the columns, then the rows, so rows are met exactly and
/// the column error tells how far the plan is. Weights of zero are allowed and get no mass.
pub fn sinkhorn<T: Real>(cost: &[T], a: &[T], b: &[T], options: &SinkhornOptions<T>) -> Result<Solution<T>, OtError> {
    let balanced = check(cost, a, b)?;
    let SinkhornOptions { epsilon, max_iterations, tolerance } = *options;
    if !(epsilon.is_finite() && epsilon > T::ZERO) {
        return Err(OtError::Epsilon(epsilon.to_f64()));
    }
    if !(tolerance.is_finite() && tolerance >= T::ZERO) {
        return Err(OtError::Tolerance(tolerance.to_f64()));
    }
    if max_iterations == 0 {
        return Err(OtError::NoIterations);
    }
    // Potentials stay within a few times the largest cost; beyond this their sums could overflow.
    if balanced.largest_cost > T::LARGEST.to_f64() / 1e4 * epsilon.to_f64().min(1.0) {
        return Err(OtError::Range { largest: balanced.largest_cost, epsilon: epsilon.to_f64() });
    }

    let target = &balanced.columns;
    let mut state = LogDomain::new(cost, a, target, epsilon);
    let mut iterations = 0;
    loop {
        state.sum_columns();
        if iterations > 0 && tolerance > T::ZERO && state.column_error(target) < tolerance {
            break;
        }
        if iterations == max_iterations {
            break;
        }
        state.update_columns();
        state.update_rows();
        iterations += 1;
    }

    let plan = state.plan();
    let (row_error, column_error) = marginal_errors(&plan, a, b);
    Ok(Solution { cost: total_cost(&plan, cost), plan, iterations, row_error, column_error })
}

struct LogDomain<'a, T> {
    cost: &'a [T],
    columns: usize,
    epsilon: T,
    /// epsilon ln a and epsilon ln b; minus infinity where a weight is zero.
    scaled_log_a: Vec<T>,
    scaled_log_b: Vec<T>,
    row_potential: Vec<T>,
    column_potential: Vec<T>,
    /// Soft maximum over the rows of `row_potential - cost`, for each column.
    column_soft_max: Vec<T>,
    sums: Vec<T>,
}

impl<'a, T: Real> LogDomain<'a, T> {
    fn new(cost: &'a [T], a: &[T], b: &[T], epsilon: T) -> Self {
        let scaled_log = |weights: &[T]| -> Vec<T> {
            weights.iter().map(|&w| if w > T::ZERO { epsilon * w.ln() } else { T::NEG_INFINITY }).collect()
        };
        Self {
            cost,
            columns: b.len(),
            epsilon,
            scaled_log_a: scaled_log(a),
            scaled_log_b: scaled_log(b),
            row_potential: vec![T::ZERO; a.len()],
            column_potential: vec![T::ZERO; b.len()],
            column_soft_max: vec![T::ZERO; b.len()],
            sums: vec![T::ZERO; b.len()],
        }
    }

    fn sum_columns(&mut self) {
        self.column_soft_max.fill(T::NEG_INFINITY);
        self.sums.fill(T::ZERO);
        let rows = || self.cost.chunks_exact(self.columns).zip(&self.row_potential);
        // A row without mass adds nothing; skipped, because minus infinity less itself is no number.
        for (row, &potential) in rows().filter(|(_, p)| p.is_finite()) {
            for (largest, &c) in self.column_soft_max.iter_mut().zip(row) {
                *largest = largest.max(potential - c);
            }
        }
        for (row, &potential) in rows().filter(|(_, p)| p.is_finite()) {
            for ((sum, &largest), &c) in self.sums.iter_mut().zip(&self.column_soft_max).zip(row) {
                *sum += ((potential - c - largest) / self.epsilon).exp();
            }
        }
        for (soft_max, &sum) in self.column_soft_max.iter_mut().zip(&self.sums) {
            *soft_max += self.epsilon * sum.ln();
        }
    }

    fn column_error(&self, b: &[T]) -> T {
        self.column_potential
            .iter()
            .zip(&self.column_soft_max)
            .zip(b)
            .map(|((&potential, &soft_max), &weight)| (((potential + soft_max) / self.epsilon).exp() - weight).abs())
            .sum()
    }

    fn update_columns(&mut self) {
        let targets = self.scaled_log_b.iter().zip(&self.column_soft_max);
        for (potential, (&target, &soft_max)) in self.column_potential.iter_mut().zip(targets) {
            *potential = target - soft_max;
        }
    }

    fn update_rows(&mut self) {
        let rows = self.cost.chunks_exact(self.columns).zip(&self.scaled_log_a);
        for (potential, (row, &target)) in self.row_potential.iter_mut().zip(rows) {
            let pairs = || row.iter().zip(&self.column_potential).map(|(&c, &g)| g - c);
            let largest = pairs().fold(T::NEG_INFINITY, T::max);
            let sum: T = pairs().map(|x| ((x - largest) / self.epsilon).exp()).sum();
            *potential = target - (largest + self.epsilon * sum.ln());
        }
    }

    fn plan(&self) -> Vec<T> {
        let mut plan = Vec::with_capacity(self.cost.len());
        for (row, &f) in self.cost.chunks_exact(self.columns).zip(&self.row_potential) {
            plan.extend(row.iter().zip(&self.column_potential).map(|(&c, &g)| {
                if f.is_finite() && g.is_finite() { ((f + g - c) / self.epsilon).exp() } else { T::ZERO }
            }));
        }
        plan
    }
}
