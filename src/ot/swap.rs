//! The smallest edit after which one match stands below another of the same query.
//!
//! Every edit that is given was tried: its gap is that of the two scores computed anew with it.

use rayon::prelude::*;

use crate::domain::{MatchOptions, StopFlag, Swap, SwapEdit, Swaps};

use super::without::Remaining;
use super::{Cells, Painted, PairScore, explain_painted, score_painted};

/// Structural weights beyond this are not looked at.
pub const MOST_WEIGHT: f32 = 10.0;
/// Epsilons that are looked at: below, a plan is as good as exact; above, as good as uniform.
pub const EPSILONS: std::ops::RangeInclusive<f32> = 0.005..=1.0;
/// How finely epsilon is looked through, and how often a found step is halved.
const EPSILON_STEPS: usize = 16;
const HALVINGS: usize = 16;
/// All pairs of cells are tried of queries with at most this many cells.
const CELLS_FOR_PAIRS: usize = 64;

/// Two matches of one query; `above` has the higher score.
#[derive(Clone, Copy, Debug)]
pub struct Contest<'a> {
    pub query: Cells<'a>,
    pub above: Cells<'a>,
    pub below: Cells<'a>,
    /// Painted weights of each, where the options ask for painted marginals.
    pub paint: ContestPaint<'a>,
    pub options: &'a MatchOptions,
}

/// What a person painted on the three photos; one weight for each cell.
#[derive(Clone, Copy, Debug, Default)]
pub struct ContestPaint<'a> {
    pub query: Option<&'a [f32]>,
    pub above: Option<&'a [f32]>,
    pub below: Option<&'a [f32]>,
}

impl Contest<'_> {
    /// Score of the upper less that of the lower match.
    pub fn gap(&self, options: &MatchOptions) -> f32 {
        let [above, below] = self.scores(options).map(|score| score.score(options));
        above - below
    }

    /// The same while these cells of the query are ignored; `None` where none would be left.
    pub fn gap_without(&self, ignored: &[usize]) -> Option<f32> {
        let query = Remaining::of_painted(&self.query, self.paint.query, ignored)?;
        let paint = ContestPaint { query: query.painted(), ..self.paint };
        Some(Contest { query: query.view(), paint, ..*self }.gap(self.options))
    }

    /// Both photos of the gallery, with what is painted.
    fn sides(&self) -> [(&Cells<'_>, Painted<'_>); 2] {
        let painted = |gallery| Painted { query: self.paint.query, gallery };
        [(&self.above, painted(self.paint.above)), (&self.below, painted(self.paint.below))]
    }

    fn scores(&self, options: &MatchOptions) -> [PairScore; 2] {
        self.sides().map(|(photo, painted)| score_painted(&self.query, photo, painted, options))
    }

    /// The smallest swap of each kind. Empty when stopped, or where `above` is not above.
    pub fn swaps(&self, stop: &StopFlag) -> Swaps {
        if self.gap(self.options) <= 0.0 {
            return Swaps::default();
        }
        let weight = self.by_weight();
        let (low, high) = (*EPSILONS.start(), *EPSILONS.end());
        let swaps = Swaps {
            weight,
            smaller_epsilon: self.by_epsilon(low, stop),
            larger_epsilon: self.by_epsilon(high, stop),
            cells: self.by_cells(stop),
        };
        if stop.is_stopped() { Swaps::default() } else { swaps }
    }

    /// Both scores are lines over the structural weight; they cross where `global gap + weight x structural gap` is 0.
    fn by_weight(&self) -> Option<Swap> {
        let now = self.options.structural_weight;
        let [a, b] = self.scores(self.options);
        let global = f64::from(a.global) - f64::from(b.global);
        let structural = f64::from(a.structural) - f64::from(b.structural);
        let crossing = -global / structural;
        if !crossing.is_finite() || crossing < 0.0 {
            return None;
        }
        let direction = if crossing > f64::from(now) { 1.0 } else { -1.0 };
        // A little beyond the crossing, as a number that can be read; further where rounding needs it.
        [1e-3, 2e-3, 5e-3, 1e-2, 2e-2].into_iter().find_map(|beyond: f64| {
            let to = ((crossing + direction * beyond) * 1e3).round() / 1e3;
            let to = to as f32;
            if !(0.0..=MOST_WEIGHT).contains(&to) || to == now {
                return None;
            }
            let gap = self.gap(&MatchOptions { structural_weight: to, ..*self.options });
            let size = if now > 0.0 { (to / now - 1.0).abs() } else { to };
            (gap < 0.0).then_some(Swap { edit: SwapEdit::StructuralWeight { to }, size, gap })
        })
    }

    /// Walks from the present epsilon towards an end in equal steps of its logarithm, and halves the step in which the
    /// order changes. What swaps and swaps back within one step is not seen.
    fn by_epsilon(&self, end: f32, stop: &StopFlag) -> Option<Swap> {
        let now = self.options.epsilon;
        let towards = if end < now { -1.0 } else { 1.0 };
        if !(now.is_finite() && now > 0.0) || (end - now) * towards <= 0.0 {
            return None;
        }
        let gap_at = |log: f32| self.gap(&MatchOptions { epsilon: log.exp(), ..*self.options });
        let (from, to) = (now.ln(), end.ln());
        let at = |step: usize| from + (to - from) * step as f32 / EPSILON_STEPS as f32;
        let found = (1..=EPSILON_STEPS).find(|&step| stop.is_stopped() || gap_at(at(step)) < 0.0)?;
        let (mut before, mut after) = (at(found - 1), at(found));
        for _ in 0..HALVINGS {
            if stop.is_stopped() {
                return None;
            }
            let middle = (before + after) / 2.0;
            if gap_at(middle) < 0.0 { after = middle } else { before = middle }
        }
        let epsilon = after.exp();
        let gap = self.gap(&MatchOptions { epsilon, ..*self.options });
        let size = (epsilon / now).ln().abs();
        (gap < 0.0).then_some(Swap { edit: SwapEdit::Epsilon { to: epsilon }, size, gap })
    }

    /// One cell, else two (all are tried; of several the lightest), else greedily: cells by what they add to the gap,
    /// then without those that turn out not to be needed.
    fn by_cells(&self, stop: &StopFlag) -> Option<Swap> {
        let count = self.query.grid.cells();
        let explained = self.sides().map(|(photo, painted)| explain_painted(&self.query, photo, painted, self.options));
        let mass =
            |cell: usize| explained.iter().map(|pair| pair.row_marginal[cell]).sum::<f32>() / explained.len() as f32;
        let swap = |cells: Vec<usize>, gap: f32, fewest: bool| Swap {
            size: cells.iter().map(|&cell| mass(cell)).sum(),
            edit: SwapEdit::WithoutCells { cells, fewest },
            gap,
        };
        let tried = |sets: Vec<Vec<usize>>| {
            let swaps = sets.into_par_iter().filter_map(|cells| {
                let gap = (!stop.is_stopped()).then(|| self.gap_without(&cells)).flatten()?;
                (gap < 0.0).then(|| swap(cells, gap, true))
            });
            // Of equal ones the first, whatever the order of the work.
            swaps.min_by(|a, b| a.size.total_cmp(&b.size).then_with(|| cells_of(a).cmp(cells_of(b))))
        };
        if let Some(one) = tried((0..count).map(|cell| vec![cell]).collect()) {
            return Some(one);
        }
        if count <= CELLS_FOR_PAIRS
            && let Some(two) = tried((0..count).flat_map(|a| (a + 1..count).map(move |b| vec![a, b])).collect())
        {
            return Some(two);
        }
        let gain = |cell: usize| explained[0].of_query_cell(cell) - explained[1].of_query_cell(cell);
        let mut order: Vec<usize> = (0..count).collect();
        order.sort_by(|&a, &b| gain(b).total_cmp(&gain(a)).then(a.cmp(&b)));
        let swaps_without = |cells: &[usize]| self.gap_without(cells).filter(|&gap| gap < 0.0);
        let enough = (3..count).find(|&n| stop.is_stopped() || swaps_without(&order[..n]).is_some())?;
        let mut cells = order[..enough].to_vec();
        for cell in order[..enough].iter().rev() {
            let fewer: Vec<usize> = cells.iter().copied().filter(|other| other != cell).collect();
            if !stop.is_stopped() && !fewer.is_empty() && swaps_without(&fewer).is_some() {
                cells = fewer;
            }
        }
        cells.sort_unstable();
        let gap = swaps_without(&cells)?;
        Some(swap(cells, gap, false))
    }
}

fn cells_of(swap: &Swap) -> &[usize] {
    match &swap.edit {
        SwapEdit::WithoutCells { cells, .. } => cells,
        SwapEdit::StructuralWeight { .. } | SwapEdit::Epsilon { .. } => &[],
    }
}
