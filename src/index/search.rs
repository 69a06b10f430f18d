//! Search in two steps: all photos by their global vectors, then the first of them by structural matching (DIML:
//! Zhao et al., ICCV 2021, section 4).

use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use half::f16;
use rayon::prelude::*;

use super::columns::RowRules;
use super::compare::Beside;
use super::dot;
use super::error::IndexError;
use super::stored::GalleryIndex;
use crate::domain::{Hit, MatchOptions, PairMatch, PhotoId, Ranking, Shelf, Stage, StopFlag, Timings};
use crate::nn::CellFeatures;

/// Rows that one task compares.
const BLOCK: usize = 4096;

/// Answers queries from an index. Results do not depend on the number of threads.
#[derive(Clone)]
pub struct Searcher {
    pub(super) index: Arc<GalleryIndex>,
    pub(super) beside: Arc<Beside>,
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

/// Which rows are looked at, and what is added to their similarities; a value a row.
#[derive(Clone, Copy, Default)]
pub struct Scope<'a> {
    pub pass: Option<&'a [bool]>,
    pub offsets: Option<&'a [f32]>,
}

/// What rules bring in.
#[derive(Clone, Debug, Default)]
pub struct Beyond {
    pub hits: Vec<Hit>,
    /// How many of them, from the first, are to be compared cell by cell.
    pub compared: usize,
}

impl Searcher {
    pub fn new(index: Arc<GalleryIndex>) -> Self {
        Self { index, beside: Arc::default() }
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
        self.search_within(query, limit, options, None)
    }

    /// The same over the rows that pass (one flag a row), as if the gallery held no others.
    ///
    /// # Panics
    /// As `search_global`.
    pub fn search_within(
        &self,
        query: &CellFeatures,
        limit: usize,
        options: &MatchOptions,
        pass: Option<&[bool]>,
    ) -> Ranking {
        let start = Instant::now();
        self.check(query);
        let scope = Scope { pass, ..Scope::default() };
        let best = self.best(query.global_of(0), limit.max(options.rerank), &scope);
        let hits = best.into_iter().zip(1..).map(|(candidate, rank)| self.hit(candidate, rank)).collect();
        let global = milliseconds_since(start);
        Ranking {
            stage: Stage::Global,
            checkpoint: self.index.checkpoint().clone(),
            options: *options,
            hits,
            gallery_size: self.index.len(),
            timings: Timings { global, total: global, ..Timings::default() },
            shelf: Shelf::default(),
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
        self.rerank_given(query, &reranked, options, stop).unwrap_or_else(|| ranking.clone())
    }

    /// The same for the photos that are given, however few. `None` where it was stopped before the end.
    ///
    /// # Panics
    /// As `search_global`.
    pub fn rerank_given(
        &self,
        query: &CellFeatures,
        ranking: &Ranking,
        options: &MatchOptions,
        stop: &StopFlag,
    ) -> Option<Ranking> {
        self.check(query);
        let mut reranked = ranking.clone();
        let start = Instant::now();
        reranked.options = self.possible(options);
        reranked.stage = Stage::Structural;
        reranked.hits.sort_by_key(|hit| hit.global_rank);
        reranked.hits.iter_mut().for_each(back_to_global);
        let compared = options.rerank.min(reranked.hits.len());
        if !self.compare(query, &mut reranked.hits[..compared], options, stop) {
            return None;
        }
        reranked.hits[..compared].sort_by(|a, b| b.score.total_cmp(&a.score).then(a.global_rank.cmp(&b.global_rank)));
        for (hit, rank) in reranked.hits.iter_mut().zip(1..) {
            hit.rank = rank;
        }
        let timings = &mut reranked.timings;
        timings.structural = milliseconds_since(start);
        timings.total = timings.decode + timings.encode + timings.global + timings.structural;
        Some(reranked)
    }

    /// Compares these photos cell by cell and sets their scores. `false` where it was stopped before the end; the hits
    /// are then as they were.
    ///
    /// # Panics
    /// As `search_global`.
    pub fn compare(&self, query: &CellFeatures, hits: &mut [Hit], options: &MatchOptions, stop: &StopFlag) -> bool {
        self.check(query);
        // Photos of a ranking are in the index it was made with.
        let photos: Vec<PhotoId> = hits.iter().map(|hit| hit.photo.clone()).collect();
        let Some(scores) = self.scores(query, &photos, options, stop) else { return false };
        for (hit, score) in hits.iter_mut().zip(&scores) {
            hit.score = score.score(options);
            hit.global = score.global;
            hit.structural = Some(score.structural);
            hit.iterations = score.iterations;
            hit.marginal_error = score.marginal_error;
        }
        true
    }

    /// Photos that rules bring in besides those of `base`, the first stage's ranking of the passing rows: what is among
    /// the best `count` by similarity plus offset, and `must`. Their stage-1 ranks are exact.
    ///
    /// # Panics
    /// As `search_global`.
    pub fn beyond(
        &self,
        query: &CellFeatures,
        base: &Ranking,
        count: usize,
        pass: Option<&[bool]>,
        rules: &RowRules,
    ) -> Beyond {
        self.check(query);
        let dim = self.index.dim();
        let allowed: Vec<bool> =
            rules.excluded.iter().enumerate().map(|(row, out)| !out && pass.is_none_or(|pass| pass[row])).collect();
        let scope = Scope { pass: Some(&allowed), offsets: Some(&rules.offsets) };
        let best = self.best(query.global_of(0), count, &scope);
        let known: HashSet<usize> = base.hits.iter().filter_map(|hit| self.index.row_of(&hit.photo)).collect();
        let compared = base.options.rerank;
        let mut seen = HashSet::new();
        // What is to be compared cell by cell comes first.
        let first = best.iter().take(compared).map(|candidate| candidate.row);
        let must = rules.pinned.iter().copied().filter(|&row| allowed[row]);
        let mut rows: Vec<usize> = first.chain(must).filter(|row| !known.contains(row) && seen.insert(*row)).collect();
        let compared = rows.len();
        let rest = best.iter().skip(base.options.rerank).map(|candidate| candidate.row);
        rows.extend(rest.filter(|row| !known.contains(row) && seen.insert(*row)));
        let mut similarity = [0.0];
        let candidates: Vec<Candidate> = rows
            .into_iter()
            .map(|row| {
                dot::products(query.global_of(0), &self.vectors()[row * dim..(row + 1) * dim], &mut similarity);
                Candidate { similarity: similarity[0], row }
            })
            .collect();
        let ranks = self.ranks(query.global_of(0), &candidates, pass);
        let hits = candidates.into_iter().zip(ranks).map(|(candidate, rank)| self.hit(candidate, rank)).collect();
        Beyond { hits, compared }
    }

    /// Of each candidate, its rank among all rows that pass, from 1.
    fn ranks(&self, query: &[f32], candidates: &[Candidate], pass: Option<&[bool]>) -> Vec<usize> {
        let mut order: Vec<usize> = (0..candidates.len()).collect();
        order.sort_by(|&a, &b| candidates[b].cmp(&candidates[a]));
        let sorted: Vec<Candidate> = order.iter().map(|&at| candidates[at]).collect();
        if candidates.is_empty() {
            return Vec::new();
        }
        // How many rows are better than the first of them, between the first and the second, and so on.
        let between = self
            .similarities(query)
            .map(|(first_row, similarities)| {
                let mut between = vec![0usize; sorted.len() + 1];
                for (offset, &similarity) in similarities.iter().enumerate() {
                    let row = first_row + offset;
                    if pass.is_none_or(|pass| pass[row]) {
                        let candidate = Candidate { similarity, row };
                        between[sorted.partition_point(|better| *better >= candidate)] += 1;
                    }
                }
                between
            })
            .reduce(
                || vec![0; sorted.len() + 1],
                |mut sum, part| {
                    sum.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
                    sum
                },
            );
        let mut ranks = vec![0; candidates.len()];
        let mut better = 0;
        for (place, &at) in order.iter().enumerate() {
            better += between[place];
            ranks[at] = better + 1;
        }
        ranks
    }

    /// Everything about one pair; the very numbers of its hit.
    pub fn explain(
        &self,
        query: &CellFeatures,
        photo: &PhotoId,
        options: &MatchOptions,
    ) -> Result<PairMatch, IndexError> {
        self.check(query);
        self.explain_pair(query, photo, options)
    }

    fn check(&self, query: &CellFeatures) {
        assert!(!query.is_empty(), "a search needs a query");
        assert_eq!(
            (query.dim, query.grid),
            (self.index.dim(), self.index.grid()),
            "query and index come from one network"
        );
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

    /// What rows are ranked by, `[rows, dim]`.
    fn vectors(&self) -> &[f16] {
        self.beside.vectors.as_ref().map_or_else(|| self.index.globals(), |vectors| vectors.as_slice())
    }

    /// Cosine similarities of all rows, a block at a time with the number of its first row.
    fn similarities<'a>(&'a self, query: &'a [f32]) -> impl IndexedParallelIterator<Item = (usize, Vec<f32>)> + 'a {
        let dim = self.index.dim();
        self.vectors().par_chunks(BLOCK * dim).enumerate().map(move |(block, rows)| {
            let mut similarities = vec![0.0; rows.len() / dim];
            dot::products(query, rows, &mut similarities);
            (block * BLOCK, similarities)
        })
    }

    /// The best rows, best first.
    fn best(&self, query: &[f32], count: usize, scope: &Scope<'_>) -> Vec<Candidate> {
        if count == 0 {
            return Vec::new();
        }
        let mut best: Vec<Candidate> = self
            .similarities(query)
            .map(|(first_row, similarities)| best_of(&similarities, first_row, count, scope))
            .flatten_iter()
            .collect();
        best.sort_unstable_by(|a, b| b.cmp(a));
        best.truncate(count);
        best
    }
}

/// The best `count` of a block, in no order.
fn best_of(similarities: &[f32], first_row: usize, count: usize, scope: &Scope<'_>) -> Vec<Candidate> {
    // The worst of those kept is on top.
    let mut kept = BinaryHeap::with_capacity(count.min(similarities.len()) + 1);
    for (offset, &similarity) in similarities.iter().enumerate() {
        let row = first_row + offset;
        if scope.pass.is_some_and(|pass| !pass[row]) {
            continue;
        }
        let similarity = similarity + scope.offsets.map_or(0.0, |offsets| offsets[row]);
        let candidate = std::cmp::Reverse(Candidate { similarity, row });
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
