//! Entropic transport that need not move everything: unbalanced and partial, in the log domain.
//!
//! Both are block ascents on the dual like Sinkhorn's, with one more unknown taken into each step, without which they need
//! hundreds of iterations: the unbalanced potentials are shifted against each other to where the price of the missed
//! marginals is least (Séjourné, Vialard and Peyré 2022, "Faster unbalanced optimal transport: translation invariant
//! Sinkhorn", section 3), and the partial ones share the level that makes the total right. That level is found exactly,
//! by sorting: it is the water line of a filling in which no cell takes more than its weight. The fixed points are those
//! of Chizat et al. 2018 and of Benamou et al. 2015, section 5.

use super::{FUSED_ALWAYS, Outcome, Stop, Workspace, soft_row};

/// What a solver may leave where it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::ot) enum Relaxed {
    Unbalanced { rho: f32 },
    Partial { mass: f32 },
}

/// Shares of all mass above this leave no room to choose from within rounding.
const WHOLE: f32 = 0.999_9;

impl Workspace {
    /// As [`Workspace::solve`], but some of the mass may stay. The marginal error is how much mass the next column update
    /// would move: see `domain::PairMatch`.
    pub fn solve_relaxed(&mut self, a: &[f32], b: &[f32], relaxed: Relaxed, stop: Stop) -> Outcome {
        if matches!(relaxed, Relaxed::Partial { mass } if mass >= WHOLE) {
            return self.solve(a, b, stop, &[]);
        }
        #[cfg(target_arch = "x86_64")]
        if super::has_avx2() {
            // SAFETY: the processor has the features that the function was compiled for.
            return unsafe { self.relax_avx2(a, b, relaxed, stop) };
        }
        self.relax_in::<FUSED_ALWAYS>(a, b, relaxed, stop)
    }

    #[cfg(test)]
    pub fn solve_relaxed_portable(&mut self, a: &[f32], b: &[f32], relaxed: Relaxed, stop: Stop) -> Outcome {
        self.relax_in::<false>(a, b, relaxed, stop)
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    fn relax_avx2(&mut self, a: &[f32], b: &[f32], relaxed: Relaxed, stop: Stop) -> Outcome {
        self.relax_in::<true>(a, b, relaxed, stop)
    }

    #[inline(always)]
    fn relax_in<const FUSED: bool>(&mut self, a: &[f32], b: &[f32], relaxed: Relaxed, stop: Stop) -> Outcome {
        let epsilon = stop.epsilon;
        self.prepare(a, b, epsilon);
        // Columns beyond the last are no columns.
        self.column_potential.as_flattened_mut()[b.len()..].fill(f32::NEG_INFINITY);
        let rule = Rule { epsilon: f64::from(epsilon), relaxed };
        let (mut rows, mut columns) = (Side::new(a, &rule), Side::new(b, &rule));
        let mut soft_rows = vec![0.0; a.len()];
        let mut iterations = 0;
        let error = loop {
            self.soft_columns::<FUSED>(epsilon);
            let soft = &self.column_largest.as_flattened()[..b.len()];
            let held = columns.masses(soft, rows.level, &rule);
            columns.update(soft, &rule);
            if iterations > 0 {
                let wanted = columns.masses(soft, columns.level, &rule);
                let error: f64 = held.iter().zip(&wanted).map(|(old, new)| (old - new).abs()).sum();
                let moved: f64 = held.iter().sum();
                if iterations >= stop.max_iterations || error < f64::from(stop.tolerance) * moved {
                    break error;
                }
            }
            columns.store(self.column_potential.as_flattened_mut());
            for (row, soft) in self.cosines.pairs.chunks_exact(self.b.len()).zip(&mut soft_rows) {
                *soft = soft_row::<FUSED>(row, &self.column_potential, epsilon);
            }
            rows.update(&soft_rows, &rule);
            if let Relaxed::Unbalanced { rho } = relaxed {
                let shift = f64::from(rho) / 2.0 * (rows.log_price(rho) - columns.log_price(rho));
                rows.shift(shift);
                columns.shift(-shift);
                columns.store(self.column_potential.as_flattened_mut());
            }
            rows.store(&mut self.row_potential);
            iterations += 1;
        };
        for f in &mut self.row_potential {
            *f += (rows.level - rule.constant()) as f32;
        }
        self.build_kernel::<FUSED>(epsilon);
        Outcome { marginal_error: error as f32, ..self.finish::<FUSED>(iterations) }
    }
}

struct Rule {
    epsilon: f64,
    relaxed: Relaxed,
}

impl Rule {
    /// What the cost has beyond minus the similarity. It matters only where mass may stay at a price.
    fn constant(&self) -> f64 {
        match self.relaxed {
            Relaxed::Unbalanced { .. } => 1.0,
            Relaxed::Partial { .. } => 0.0,
        }
    }
}

/// Rows or columns. Sums over cells are few and decide where mass stays, so they are done in `f64`.
struct Side<'a> {
    weights: &'a [f32],
    /// epsilon ln weight; minus infinity where a weight is zero.
    scaled_log: Vec<f64>,
    potential: Vec<f64>,
    /// Added to every potential of a partial plan.
    level: f64,
    /// Cells in the order in which they fill up.
    order: Vec<usize>,
    /// ln of the sum of exp(soft / epsilon) over this cell of the order and all after it.
    rest: Vec<f64>,
}

impl<'a> Side<'a> {
    fn new(weights: &'a [f32], rule: &Rule) -> Self {
        let scaled_log = |&w: &f32| if w > 0.0 { rule.epsilon * f64::from(w).ln() } else { f64::NEG_INFINITY };
        Self {
            weights,
            scaled_log: weights.iter().map(scaled_log).collect(),
            potential: vec![0.0; weights.len()],
            level: 0.0,
            order: (0..weights.len()).collect(),
            rest: vec![0.0; weights.len()],
        }
    }

    /// Mass of each cell, where `soft` are the soft maxima of the other side's potentials and the similarities.
    fn masses(&self, soft: &[f32], level: f64, rule: &Rule) -> Vec<f64> {
        let constant = level - rule.constant();
        let cells = self.potential.iter().zip(soft);
        cells.map(|(potential, &soft)| ((potential + f64::from(soft) + constant) / rule.epsilon).exp()).collect()
    }

    fn update(&mut self, soft: &[f32], rule: &Rule) {
        match rule.relaxed {
            Relaxed::Unbalanced { rho } => {
                let share = f64::from(rho) / (f64::from(rho) + rule.epsilon);
                for ((potential, log), &soft) in self.potential.iter_mut().zip(&self.scaled_log).zip(soft) {
                    *potential = log - share * (f64::from(soft) - rule.constant());
                }
            }
            Relaxed::Partial { mass } => {
                self.level = self.fill(soft, f64::from(mass), rule.epsilon);
                for ((potential, log), &soft) in self.potential.iter_mut().zip(&self.scaled_log).zip(soft) {
                    *potential = (log - f64::from(soft) - self.level).min(0.0);
                }
            }
        }
    }

    /// The level at which cells that hold exp((level + soft) / epsilon), but no more than their weight, hold `mass`.
    fn fill(&mut self, soft: &[f32], mass: f64, epsilon: f64) -> f64 {
        let full = |cell: usize| self.scaled_log[cell] - f64::from(soft[cell]);
        self.order.sort_by(|&a, &b| full(a).total_cmp(&full(b)));
        let mut after = f64::NEG_INFINITY;
        for (&cell, rest) in self.order.iter().zip(&mut self.rest).rev() {
            let own = f64::from(soft[cell]) / epsilon;
            let top = own.max(after);
            after = top + ((own - top).exp() + (after - top).exp()).ln();
            *rest = after;
        }
        let mut filled = 0.0;
        let mut level = f64::NEG_INFINITY;
        for (&cell, rest) in self.order.iter().zip(&self.rest) {
            // At least a rounding's worth: the last cell is not reached while mass is below 1.
            level = epsilon * ((mass - filled).max(1e-12).ln() - rest);
            if level <= full(cell) {
                break;
            }
            filled += f64::from(self.weights[cell]);
        }
        level
    }

    /// ln of the sum of weight x exp(-potential / rho), the potentials taken without the weights' own part.
    fn log_price(&self, rho: f32) -> f64 {
        let rho = f64::from(rho);
        let terms = || {
            let cells = self.weights.iter().zip(&self.potential).zip(&self.scaled_log);
            cells.filter(|((w, _), _)| **w > 0.0).map(|((w, p), log)| f64::from(*w).ln() - (p - log) / rho)
        };
        let top = terms().fold(f64::NEG_INFINITY, f64::max);
        top + terms().map(|term| (term - top).exp()).sum::<f64>().ln()
    }

    fn shift(&mut self, by: f64) {
        self.potential.iter_mut().for_each(|potential| *potential += by);
    }

    fn store(&self, out: &mut [f32]) {
        for (out, &potential) in out.iter_mut().zip(&self.potential) {
            *out = potential as f32;
        }
    }
}
