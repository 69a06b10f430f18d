//! Search in two steps: all photos by their global vectors, then the first of them by structural matching (DIML:
//! Zhao et al., ICCV 2021, section 4).

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::Instant;

use rayon::prelude::*;

use super::dot;
use super::error::IndexError;
use super::stored::GalleryIndex;
use crate::domain::{Hit, MatchOptions, PairMatch, PhotoId, Ranking, Stage, StopFlag, Timings};
use crate::nn::CellFeatures;
use crate::ot::{self, Cells};

/// Rows that one task compares.
const BLOCK: usize = 4096;

/// Answers queries from an index. Results do not depend on the number of threads.
#[derive(Clone)]
pub struct Searcher {
    index: Arc<GalleryIndex>,
}

/// A row with its similarity; the better one is greater, and of equals the earlier row.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Candidate {
    similarity: f32,
    row: usize,
}

impl Eq for Candidate {}

impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> Ordering {
        self.similarity.total_cmp(&other.similarity).then(other.row.cmp(&self.row))
    }
}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Searcher {
    pub fn new(index: Arc<GalleryIndex>) -> Self {
        Self { index }
    }

    pub fn index(&self) -> &Arc<GalleryIndex> {
        &self.index
    }

    /// The exact best photos by cosine similarity of global vectors. Gives at least `limit` hits and all that
    /// re-ranking looks at, as far as there are so many photos.
    ///
    /// # Panics
    /// When the query comes from another network than the index: a bug of the caller (see `GalleryIndex::open_for`).
    pub fn search_global(&self, query: &CellFeatures, limit: usize, options: &MatchOptions) -> Ranking {
        let start = Instant::now();
        self.check(query);
        let best = self.best(query.global_of(0), limit.max(options.rerank));
        let hits = best.into_iter().zip(1..).map(|(candidate, rank)| self.hit(candidate, rank)).collect();
        let global = milliseconds_since(start);
        Ranking {
            stage: Stage::Global,
            checkpoint: self.index.checkpoint().clone(),
            options: *options,
            hits,
            gallery_size: self.index.len(),
            timings: Timings { global, total: global, ..Timings::default() },
        }
    }

    /// Orders the first `options.rerank` photos of the global ranking by `global + structural_weight x structural`;
    /// the others follow in global order. Takes rankings of either stage. Stopped before the end, it gives the
    /// ranking back as it was.
    ///
    /// # Panics
    /// As `search_global`.
    pub fn rerank(&self, query: &CellFeatures, ranking: &Ranking, options: &MatchOptions, stop: &StopFlag) -> Ranking {
        self.check(query);
        let mut reranked = ranking.clone();
        if ranking.hits.len() < options.rerank.min(self.index.len()) {
            // The ranking was made for fewer.
            reranked.hits = self.search_global(query, options.rerank, options).hits;
        }
        let start = Instant::now();
        reranked.options = *options;
        reranked.stage = Stage::Structural;
        reranked.hits.sort_by_key(|hit| hit.global_rank);
        reranked.hits.iter_mut().for_each(back_to_global);
        // Photos of a ranking are in the index it was made with.
        let rows: Vec<usize> =
            reranked.hits.iter().take(options.rerank).map_while(|hit| self.index.row_of(&hit.photo)).collect();
        let features: Vec<(Vec<f32>, Vec<f32>)> =
            rows.par_iter().map(|&row| (self.index.cells_f32(row), self.index.global_f32(row))).collect();
        let candidates: Vec<Cells> = features.iter().map(|(cells, global)| self.cells(cells, global)).collect();
        let scores = ot::rerank(&self.cells(query.cells_of(0), query.global_of(0)), &candidates, options, stop);
        if scores.len() < candidates.len() {
            return ranking.clone();
        }
        for (hit, score) in reranked.hits.iter_mut().zip(&scores) {
            hit.score = score.score(options);
            hit.global = score.global;
            hit.structural = Some(score.structural);
            hit.iterations = score.iterations;
            hit.marginal_error = score.marginal_error;
        }
        reranked.hits[..scores.len()]
            .sort_by(|a, b| b.score.total_cmp(&a.score).then(a.global_rank.cmp(&b.global_rank)));
        for (hit, rank) in reranked.hits.iter_mut().zip(1..) {
            hit.rank = rank;
        }
        let timings = &mut reranked.timings;
        timings.structural = milliseconds_since(start);
        timings.total = timings.decode + timings.encode + timings.global + timings.structural;
        reranked
    }

    /// Everything about one pair; the very numbers of its hit.
    pub fn explain(
        &self,
        query: &CellFeatures,
        photo: &PhotoId,
        options: &MatchOptions,
    ) -> Result<PairMatch, IndexError> {
        self.check(query);
        let row = self.index.row_of(photo).ok_or_else(|| IndexError::NotIndexed { photo: photo.clone() })?;
        let (cells, global) = (self.index.cells_f32(row), self.index.global_f32(row));
        let query = self.cells(query.cells_of(0), query.global_of(0));
        Ok(ot::explain_pair(&query, &self.cells(&cells, &global), options))
    }

    fn check(&self, query: &CellFeatures) {
        assert!(!query.is_empty(), "a search needs a query");
        assert_eq!(
            (query.dim, query.grid),
            (self.index.dim(), self.index.grid()),
            "query and index come from one network"
        );
    }

    fn cells<'a>(&self, cells: &'a [f32], global: &'a [f32]) -> Cells<'a> {
        Cells { grid: self.index.grid(), dim: self.index.dim(), cells, global }
    }

    fn hit(&self, candidate: Candidate, rank: usize) -> Hit {
        let indexed = &self.index.rows()[candidate.row];
        Hit {
            rank,
            product: indexed.product.clone(),
            photo: indexed.photo.clone(),
            score: candidate.similarity,
            global: candidate.similarity,
            structural: None,
            global_rank: rank,
            iterations: 0,
            marginal_error: 0.0,
        }
    }

    /// The best rows, best first.
    fn best(&self, query: &[f32], count: usize) -> Vec<Candidate> {
        if count == 0 {
            return Vec::new();
        }
        let dim = self.index.dim();
        let mut best: Vec<Candidate> = self
            .index
            .globals()
            .par_chunks(BLOCK * dim)
            .enumerate()
            .map(|(block, rows)| {
                let mut similarities = vec![0.0; rows.len() / dim];
                dot::products(query, rows, &mut similarities);
                best_of(&similarities, block * BLOCK, count)
            })
            .flatten_iter()
            .collect();
        best.sort_unstable_by(|a, b| b.cmp(a));
        best.truncate(count);
        best
    }
}

/// The best `count` of a block, in no order.
fn best_of(similarities: &[f32], first_row: usize, count: usize) -> Vec<Candidate> {
    // The worst of those kept is on top.
    let mut kept = BinaryHeap::with_capacity(count.min(similarities.len()) + 1);
    for (offset, &similarity) in similarities.iter().enumerate() {
        let candidate = std::cmp::Reverse(Candidate { similarity, row: first_row + offset });
        if kept.len() < count {
            kept.push(candidate);
        } else if kept.peek().is_some_and(|worst| candidate < *worst) {
            kept.pop();
            kept.push(candidate);
        }
    }
    kept.into_iter().map(|candidate| candidate.0).collect()
}

/// As the global stage had it.
fn back_to_global(hit: &mut Hit) {
    hit.rank = hit.global_rank;
    hit.score = hit.global;
    hit.structural = None;
    hit.iterations = 0;
    hit.marginal_error = 0.0;
}

fn milliseconds_since(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1e3
}
