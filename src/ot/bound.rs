//! Which of many pairs are the most alike, without solving them all.
//!
//! A plan moves the mass `a_i` out of row `i`, at best to that row's most similar cell, so that the structural similarity
//! is at most `sum_i a_i max_j s_ij`, whatever epsilon is (in other words, one minus that is a lower bound of the exact
//! cost, and an entropic plan costs no less than the exact one). A pair whose bound is below the scores of as many others
//! as are wanted is none of those, and its plan need not be found.

use rayon::prelude::*;

use crate::domain::{MatchOptions, Solver};

use super::lanes::{LANES, blocks};
use super::marginals::marginal;
use super::pair_set::PairSet;
use super::similarity::Cosines;
use super::structural::{Painted, PairScore};

/// Pairs that are solved together once the first have been: enough for all cores.
const TOGETHER: usize = 16;
/// More than any similarity; finite, so that a weight of 0 leaves nothing of it.
const BOUNDLESS: f32 = 1e30;

impl PairSet {
    /// Of each pair its score with the largest structural similarity that it could have at this or any larger epsilon:
    /// boundless where the solver may leave mass where it is.
    ///
    /// # Panics
    /// As [`PairSet::rerank`].
    pub fn bounds<'a>(
        &self,
        painted: &(dyn Fn(usize) -> Painted<'a> + Sync),
        options: &MatchOptions,
    ) -> Vec<PairScore> {
        let bounded = matches!(options.solver, Solver::Sinkhorn | Solver::Exact);
        // A plan's rows are those of the marginal up to rounding: of the sums, and of potentials of the size of the cost
        // and of epsilon's multiples, which come divided by epsilon.
        let rounding = 1e-5 + 1e-6 / options.epsilon.max(*MatchOptions::EPSILON_RANGE.start());
        let score = |(place, cosines): (usize, &Cosines)| PairScore {
            structural: if bounded { bound(cosines, painted(place), options) + rounding } else { BOUNDLESS },
            global: cosines.global,
            iterations: 0,
            marginal_error: 0.0,
            uniform_fallback: false,
        };
        self.pairs.par_iter().enumerate().with_min_len(4).map(score).collect()
    }
}

fn bound(cosines: &Cosines, painted: Painted<'_>, options: &MatchOptions) -> f32 {
    let weights = marginal(options.marginals, &cosines.query, painted.query).weights;
    let columns = cosines.gallery.len();
    let width = blocks(columns);
    let best = |row: &[[f32; LANES]]| {
        let mut tops = [f32::NEG_INFINITY; LANES];
        let (whole, rest) = row.split_at(columns / LANES);
        for values in whole {
            tops.iter_mut().zip(values).for_each(|(top, &s)| *top = if s > *top { s } else { *top });
        }
        let rest = rest.as_flattened()[..columns % LANES].iter();
        rest.chain(&tops).copied().fold(f32::NEG_INFINITY, f32::max)
    };
    cosines.pairs.chunks_exact(width).zip(&weights).map(|(row, weight)| weight * best(row)).sum()
}

/// What [`best_by_bounds`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Best {
    /// Places of the largest scores, largest first, and of equal ones the earlier first.
    pub places: Vec<usize>,
    /// How many scores were not asked for.
    pub pruned: usize,
}

/// The places of the `top` largest scores: those that sorting all of them gives, where no score is above its bound.
/// `scores` computes those of some places, in their order; `None` from it ends the search.
pub fn best_by_bounds(
    bounds: &[f32],
    top: usize,
    mut scores: impl FnMut(&[usize]) -> Option<Vec<f32>>,
) -> Option<Best> {
    let mut order: Vec<usize> = (0..bounds.len()).collect();
    order.sort_by(|&a, &b| bounds[b].total_cmp(&bounds[a]).then(a.cmp(&b)));
    let mut best: Vec<(f32, usize)> = Vec::new();
    let mut asked = 0;
    while asked < order.len() && top > 0 {
        // A pair whose bound equals the last score may yet equal it and come first.
        let hopeful = best.get(top - 1).map_or(order.len() - asked, |&(least, _)| {
            order[asked..].iter().take_while(|&&place| bounds[place] >= least).count()
        });
        if hopeful == 0 {
            break;
        }
        let together = if asked == 0 { top.max(TOGETHER) } else { TOGETHER };
        let places = &order[asked..asked + hopeful.min(together)];
        let found = scores(places)?;
        best.extend(found.into_iter().zip(places.iter().copied()));
        best.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        best.truncate(top);
        asked += places.len();
    }
    Some(Best { places: best.into_iter().map(|(_, place)| place).collect(), pruned: order.len() - asked })
}
