//! Structural similarity of two photos: how alike they are once every part is laid on its counterpart
//! (DIML: Zhao et al., "Towards Interpretable Deep Metric Learning with Structural Matching", ICCV 2021).

use rayon::prelude::*;

use crate::domain::{Grid, MatchOptions, PairMatch, StopFlag, TransportPlan};

use super::marginals::marginal;
use super::scaling::{Outcome, Workspace};
use super::similarity::Units;
use super::solve::{Ask, solve};

/// A photo as the network sees it.
#[derive(Clone, Copy, Debug)]
pub struct Cells<'a> {
    pub grid: Grid,
    pub dim: usize,
    /// `[cells, dim]`, rows L2-normalised.
    pub cells: &'a [f32],
    /// `[dim]`, L2-normalised.
    pub global: &'a [f32],
}

impl<'a> Cells<'a> {
    pub(super) fn row(&self, cell: usize) -> &'a [f32] {
        &self.cells[cell * self.dim..(cell + 1) * self.dim]
    }

    /// # Panics
    /// When the slices do not have the lengths that grid and dimension say: a bug of the caller.
    pub(super) fn check(&self) {
        assert!(self.dim > 0 && self.grid.cells() > 0, "a photo has cells of at least one number");
        assert_eq!(self.cells.len(), self.grid.cells() * self.dim, "one row of numbers for each cell");
        assert_eq!(self.global.len(), self.dim, "the global vector has the cells' dimension");
    }
}

/// Importance that a person painted on the cells of both photos of a pair; at least 0, of any sum.
///
/// It counts where the options ask for painted marginals. A side without, or all of zeros, keeps its cross-correlation.
#[derive(Clone, Copy, Debug, Default)]
pub struct Painted<'a> {
    pub query: Option<&'a [f32]>,
    pub gallery: Option<&'a [f32]>,
}

/// How alike two photos are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PairScore {
    /// Sum over all pairs of cells of mass x similarity, not divided by the mass that moved.
    pub structural: f32,
    /// Cosine similarity of the two global vectors.
    pub global: f32,
    /// Iterations, or pivots of the exact solver.
    pub iterations: usize,
    /// See [`PairMatch::marginal_error`].
    pub marginal_error: f32,
    /// Cross-correlation marginals were asked for, but nothing agreed on one side, which is uniform instead.
    pub uniform_fallback: bool,
}

impl PairScore {
    /// `global + structural_weight * structural`.
    pub fn score(&self, options: &MatchOptions) -> f32 {
        self.global + options.structural_weight * self.structural
    }
}

/// A plan between cells whose similarities are known.
#[derive(Clone, Debug, PartialEq)]
pub struct SimilarityPlan {
    /// Row-major `[rows, columns]`.
    pub mass: Vec<f32>,
    pub structural: f32,
    pub iterations: usize,
    pub marginal_error: f32,
}

/// Scores one pair. Equal, to the bit, to what [`rerank`] and [`explain_pair`] say of it.
///
/// # Panics
/// When the photos' dimensions differ, or a slice has the wrong length: bugs of the caller.
pub fn score_pair(query: &Cells<'_>, gallery: &Cells<'_>, options: &MatchOptions) -> PairScore {
    score_painted(query, gallery, Painted::default(), options)
}

/// [`score_pair`] with importance that a person painted.
///
/// # Panics
/// As [`explain_painted`].
pub fn score_painted(
    query: &Cells<'_>,
    gallery: &Cells<'_>,
    painted: Painted<'_>,
    options: &MatchOptions,
) -> PairScore {
    settle_pair(query, gallery, painted, options).1.score
}

/// One pair alone, with the workspace that holds its cosines and plan.
fn settle_pair(
    query: &Cells<'_>,
    gallery: &Cells<'_>,
    painted: Painted<'_>,
    options: &MatchOptions,
) -> (Workspace, Settled) {
    query.check();
    let mut workspace = Workspace::default();
    compare(&mut workspace, query, &Units::of(query), gallery);
    let settled = settle(&mut workspace, painted, options, &[]);
    (workspace, settled)
}

/// Scores one pair and keeps all that is known about why.
///
/// # Panics
/// As [`score_pair`].
pub fn explain_pair(query: &Cells<'_>, gallery: &Cells<'_>, options: &MatchOptions) -> PairMatch {
    explain_painted(query, gallery, Painted::default(), options)
}

/// [`explain_pair`] with importance that a person painted.
///
/// # Panics
/// As [`score_pair`], and where there is not one weight for each cell.
pub fn explain_painted(
    query: &Cells<'_>,
    gallery: &Cells<'_>,
    painted: Painted<'_>,
    options: &MatchOptions,
) -> PairMatch {
    let (workspace, Settled { score, row_marginal, column_marginal }) = settle_pair(query, gallery, painted, options);
    let columns = gallery.grid.cells();
    PairMatch {
        plan: TransportPlan::new(query.grid, gallery.grid, unpadded(&workspace.kernel, columns)),
        similarity: unpadded(&workspace.cosines.pairs, columns),
        row_marginal,
        column_marginal,
        structural: score.structural,
        global: score.global,
        score: score.score(options),
        iterations: score.iterations,
        marginal_error: score.marginal_error,
        uniform_fallback: score.uniform_fallback,
    }
}

/// Scores the query against every candidate, over all cores; one result a candidate, in their order.
///
/// Empty when stopped before the end.
///
/// # Panics
/// As [`score_pair`].
pub fn rerank(query: &Cells<'_>, candidates: &[Cells<'_>], options: &MatchOptions, stop: &StopFlag) -> Vec<PairScore> {
    rerank_painted(query, candidates, &|_| Painted::default(), options, stop)
}

/// [`rerank`] with importance that a person painted, for each candidate by its place.
///
/// # Panics
/// As [`explain_painted`].
pub fn rerank_painted<'a>(
    query: &Cells<'_>,
    candidates: &[Cells<'_>],
    painted: &(dyn Fn(usize) -> Painted<'a> + Sync),
    options: &MatchOptions,
    stop: &StopFlag,
) -> Vec<PairScore> {
    query.check();
    let units = Units::of(query);
    candidates
        .par_iter()
        .enumerate()
        .with_min_len(4)
        .map_init(Workspace::default, |workspace, (place, candidate)| {
            (!stop.is_stopped()).then(|| {
                compare(workspace, query, &units, candidate);
                settle(workspace, painted(place), options, &[]).score
            })
        })
        .collect::<Option<Vec<_>>>()
        .unwrap_or_default()
}

/// The plan for similarities that were computed elsewhere, as in training; the weights must sum to 1.
///
/// # Panics
/// When `similarity` does not hold one entry for each pair of weights: a bug of the caller.
pub fn similarity_plan(similarity: &[f32], a: &[f32], b: &[f32], options: &MatchOptions) -> SimilarityPlan {
    assert!(!a.is_empty() && !b.is_empty(), "both sides have cells");
    assert_eq!(similarity.len(), a.len() * b.len(), "one similarity for each pair of cells");
    let mut workspace = Workspace::default();
    workspace.cosines.set_pairs(similarity, b.len());
    let Outcome { structural, iterations, marginal_error } = solve(&mut workspace, a, b, Ask::of(options), &[]);
    SimilarityPlan { mass: unpadded(&workspace.kernel, b.len()), structural, iterations, marginal_error }
}

pub(super) struct Settled {
    pub score: PairScore,
    pub row_marginal: Vec<f32>,
    pub column_marginal: Vec<f32>,
}

/// The first half of a comparison: all cosines, which no knob changes.
pub(super) fn compare(workspace: &mut Workspace, query: &Cells<'_>, query_units: &Units, gallery: &Cells<'_>) {
    gallery.check();
    assert_eq!(query.dim, gallery.dim, "both photos come from the same network");
    workspace.compare(query, query_units, gallery, &Units::of(gallery));
}

/// The second half: marginals and plan, from the cosines in the workspace.
pub(super) fn settle(
    workspace: &mut Workspace,
    painted: Painted<'_>,
    options: &MatchOptions,
    start: &[f32],
) -> Settled {
    let rows = marginal(options.marginals, &workspace.cosines.query, painted.query);
    let columns = marginal(options.marginals, &workspace.cosines.gallery, painted.gallery);
    let uniform_fallback = rows.uniform_fallback || columns.uniform_fallback;
    let Outcome { structural, iterations, marginal_error } =
        solve(workspace, &rows.weights, &columns.weights, Ask::of(options), start);
    let global = workspace.cosines.global;
    let score = PairScore { structural, global, iterations, marginal_error, uniform_fallback };
    Settled { score, row_marginal: rows.weights, column_marginal: columns.weights }
}

fn unpadded(lanes: &[[f32; 8]], columns: usize) -> Vec<f32> {
    let width = super::lanes::blocks(columns);
    lanes.chunks_exact(width).flat_map(|row| &row.as_flattened()[..columns]).copied().collect()
}
