//! Similarities of a query with its candidates, kept: a knob that changes only marginals or plan compares no cells again.

use rayon::prelude::*;

use crate::domain::{MatchOptions, StopFlag};

use super::scaling::Workspace;
use super::similarity::{Cosines, Units};
use super::structural::{Cells, Painted, PairScore, compare, settle};

/// All cosines of one query with some candidates.
#[derive(Clone)]
pub struct PairSet {
    pub(super) pairs: Vec<Cosines>,
}

/// Where the iteration of each candidate ended, to begin the next one there.
#[derive(Clone, Debug, Default)]
pub struct Starts {
    row_potentials: Vec<Vec<f32>>,
}

impl PairSet {
    /// `None` when stopped before the end.
    ///
    /// # Panics
    /// As [`super::score_pair`].
    pub fn compare(query: &Cells<'_>, candidates: &[Cells<'_>], stop: &StopFlag) -> Option<Self> {
        query.check();
        let units = Units::of(query);
        let pairs = candidates
            .par_iter()
            .with_min_len(4)
            .map_init(Workspace::default, |workspace, candidate| {
                (!stop.is_stopped()).then(|| {
                    compare(workspace, query, &units, candidate);
                    workspace.cosines.clone()
                })
            })
            .collect::<Option<Vec<_>>>()?;
        Some(Self { pairs })
    }

    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// How much memory it takes.
    pub fn bytes(&self) -> usize {
        self.pairs.iter().map(Cosines::bytes).sum()
    }

    /// The scores of all candidates: to the bit those of [`super::rerank_painted`]. Empty when stopped before the end.
    ///
    /// # Panics
    /// As [`super::explain_painted`].
    pub fn rerank<'a>(
        &self,
        painted: &(dyn Fn(usize) -> Painted<'a> + Sync),
        options: &MatchOptions,
        stop: &StopFlag,
    ) -> Vec<PairScore> {
        let all: Vec<usize> = (0..self.len()).collect();
        self.rerank_some(&all, painted, options, stop)
    }

    /// The scores of the candidates at these places, in their order.
    ///
    /// # Panics
    /// As [`Self::rerank`], and where there is no such place.
    pub fn rerank_some<'a>(
        &self,
        places: &[usize],
        painted: &(dyn Fn(usize) -> Painted<'a> + Sync),
        options: &MatchOptions,
        stop: &StopFlag,
    ) -> Vec<PairScore> {
        places
            .par_iter()
            .with_min_len(4)
            .map_init(Workspace::default, |workspace, &place| {
                (!stop.is_stopped()).then(|| {
                    workspace.cosines.copy_from(&self.pairs[place]);
                    settle(workspace, painted(place), options, &[]).score
                })
            })
            .collect::<Option<Vec<_>>>()
            .unwrap_or_default()
    }

    /// The same, with Sinkhorn begun where `starts` says it ended before, such as at a neighbouring epsilon. Where it
    /// settles, its scores differ from [`Self::rerank`] only as much as the tolerance lets them; it takes fewer iterations.
    ///
    /// # Panics
    /// As [`Self::rerank_some`].
    pub fn rerank_warm<'a>(
        &self,
        places: &[usize],
        painted: &(dyn Fn(usize) -> Painted<'a> + Sync),
        options: &MatchOptions,
        starts: &mut Starts,
        stop: &StopFlag,
    ) -> Vec<PairScore> {
        starts.row_potentials.resize(self.pairs.len(), Vec::new());
        let mut begun: Vec<Vec<f32>> =
            places.iter().map(|&place| std::mem::take(&mut starts.row_potentials[place])).collect();
        let scores = places
            .par_iter()
            .zip(&mut begun)
            .with_min_len(4)
            .map_init(Workspace::default, |workspace, (&place, start)| {
                (!stop.is_stopped()).then(|| {
                    workspace.cosines.copy_from(&self.pairs[place]);
                    let score = settle(workspace, painted(place), options, start).score;
                    workspace.row_potentials(options.epsilon, start);
                    score
                })
            })
            .collect::<Option<Vec<_>>>();
        for (&place, start) in places.iter().zip(begun) {
            starts.row_potentials[place] = start;
        }
        scores.unwrap_or_default()
    }
}
