//! Which solver answers, and within which limits.

use crate::domain::{MatchOptions, Solver};

use super::exact::exact;
use super::lanes::{LANES, blocks};
use super::scaling::{Outcome, Relaxed, Stop, Workspace};

/// The solver's settings, within what it can do; [`MatchOptions::check`] tells a person instead.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ask {
    solver: Solver,
    pub stop: Stop,
}

impl Ask {
    pub fn of(options: &MatchOptions) -> Self {
        let within = |value: f32, range: std::ops::RangeInclusive<f32>, default: f32| {
            if value.is_nan() { default } else { value.clamp(*range.start(), *range.end()) }
        };
        let solver = match options.solver {
            Solver::Unbalanced { rho } => Solver::Unbalanced { rho: within(rho, Solver::RHO_RANGE, 0.5) },
            Solver::Partial { mass } => Solver::Partial { mass: within(mass, Solver::MASS_RANGE, 1.0) },
            other => other,
        };
        let epsilon = within(options.epsilon, MatchOptions::EPSILON_RANGE, MatchOptions::default().epsilon);
        let stop = Stop { epsilon, max_iterations: options.max_iterations.max(1), tolerance: options.tolerance };
        Self { solver, stop }
    }
}

/// Moves `a` to `b`, for the similarities in the workspace, which then holds the plan. `start` is for Sinkhorn alone (see
/// [`Workspace::solve`]).
pub(super) fn solve(workspace: &mut Workspace, a: &[f32], b: &[f32], ask: Ask, start: &[f32]) -> Outcome {
    match ask.solver {
        Solver::Sinkhorn => workspace.solve(a, b, ask.stop, start),
        Solver::Exact => solve_exactly(workspace, a, b, ask.stop),
        Solver::Unbalanced { rho } => workspace.solve_relaxed(a, b, Relaxed::Unbalanced { rho }, ask.stop),
        Solver::Partial { mass } => workspace.solve_relaxed(a, b, Relaxed::Partial { mass }, ask.stop),
    }
}

fn solve_exactly(workspace: &mut Workspace, a: &[f32], b: &[f32], stop: Stop) -> Outcome {
    let width = blocks(b.len());
    let cost: Vec<f64> = workspace
        .cosines
        .pairs
        .chunks_exact(width)
        .flat_map(|row| &row.as_flattened()[..b.len()])
        .map(|&s| 1.0 - f64::from(s))
        .collect();
    let balanced = |weights: &[f32]| -> Vec<f64> {
        let sum: f64 = weights.iter().map(|&w| f64::from(w)).sum();
        weights.iter().map(|&w| f64::from(w) / sum).collect()
    };
    let Ok(solution) = exact(&cost, &balanced(a), &balanced(b)) else {
        // Similarities and weights are finite and the weights balanced, so only a simplex that does not settle comes
        // here; what Sinkhorn says is then better than nothing, and its error shows.
        return workspace.solve(a, b, stop, &[]);
    };
    workspace.kernel.clear();
    workspace.kernel.resize(a.len() * width, [0.0; LANES]);
    let mut structural = 0.0;
    for (row, (lanes, mass)) in
        workspace.kernel.chunks_exact_mut(width).zip(solution.plan.chunks_exact(b.len())).enumerate()
    {
        for (column, &mass) in mass.iter().enumerate() {
            lanes.as_flattened_mut()[column] = mass as f32;
            structural += mass * (1.0 - cost[row * b.len() + column]);
        }
    }
    Outcome {
        structural: structural as f32,
        iterations: solution.iterations,
        marginal_error: (solution.row_error + solution.column_error) as f32,
    }
}
