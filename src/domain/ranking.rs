//! Answers to a search.

use serde::{Deserialize, Serialize};

use super::{CheckpointId, MatchOptions, PhotoId, ProductId, Shelf};

/// How far a search has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Ordered by the global vectors alone.
    Global,
    /// The first hits ordered by global and structural similarity together.
    Structural,
}

/// One photo of the gallery in a ranking.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hit {
    /// From 1.
    pub rank: usize,
    pub product: ProductId,
    pub photo: PhotoId,
    pub score: f32,
    pub global: f32,
    /// `None` beyond the re-ranked part and in the global stage.
    pub structural: Option<f32>,
    /// Rank before structural re-ranking, from 1.
    pub global_rank: usize,
    /// Sinkhorn iterations; 0 where none ran.
    pub iterations: usize,
    pub marginal_error: f32,
}

/// Milliseconds spent in each part of a search.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Timings {
    pub decode: f64,
    pub encode: f64,
    pub global: f64,
    pub structural: f64,
    pub total: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ranking {
    pub stage: Stage,
    pub checkpoint: CheckpointId,
    pub options: MatchOptions,
    /// Best first.
    pub hits: Vec<Hit>,
    /// Photos that were compared.
    pub gallery_size: usize,
    pub timings: Timings,
    /// Filters, rules and folding; all idle where nobody asked for them.
    #[serde(default)]
    pub shelf: Shelf,
}

impl Ranking {
    /// Whether no further stage follows.
    pub fn is_last(&self) -> bool {
        self.stage == Stage::Structural || self.options.rerank == 0 || !self.shelf.options.goal.is_same_product()
    }
}
