//! `[run]`: what is measured and kept on the way.

use serde::{Deserialize, Serialize};

use super::ranges;
use crate::eval::Scores;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RunSection {
    /// A checkpoint after every so many epochs, and one at the end and at a stop.
    pub checkpoint_epochs: usize,
    /// Newest checkpoints that are kept.
    pub keep: usize,
    /// The validation split is measured after every so many epochs and at the end; 0 never measures.
    pub validate_epochs: usize,
    /// What a better model is better in: recall@1, recall@5, recall@10, recall@20, mAP, MAP@R, R-precision, nDCG@10 or
    /// MRR, on the validation split.
    pub metric: Metric,
    /// Whether the checkpoint with the best value is kept besides the newest.
    pub keep_best: bool,
    /// Which checkpoint becomes the model: last or best.
    pub result: Chosen,
    /// Measurements of the validation split without a better value after which the run ends; 0 never ends it.
    pub early_stop: usize,
}

/// A measure of the validation split.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Metric {
    #[default]
    #[serde(rename = "recall@1")]
    RecallAt1,
    #[serde(rename = "recall@5")]
    RecallAt5,
    #[serde(rename = "recall@10")]
    RecallAt10,
    #[serde(rename = "recall@20")]
    RecallAt20,
    #[serde(rename = "mAP")]
    MeanAveragePrecision,
    #[serde(rename = "MAP@R")]
    MapAtR,
    #[serde(rename = "R-precision")]
    RPrecision,
    #[serde(rename = "nDCG@10")]
    NdcgAt10,
    #[serde(rename = "MRR")]
    MeanReciprocalRank,
}

impl Metric {
    /// Its value among the scores.
    pub fn of(self, scores: &Scores) -> f64 {
        match self {
            Self::RecallAt1 => scores.recall_at_1,
            Self::RecallAt5 => scores.recall_at_5,
            Self::RecallAt10 => scores.recall_at_10,
            Self::RecallAt20 => scores.recall_at_20,
            Self::MeanAveragePrecision => scores.mean_average_precision,
            Self::MapAtR => scores.map_at_r,
            Self::RPrecision => scores.r_precision,
            Self::NdcgAt10 => scores.ndcg_at_10,
            Self::MeanReciprocalRank => scores.mean_reciprocal_rank,
        }
    }
}

/// A checkpoint of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Chosen {
    #[default]
    Last,
    Best,
}

impl Default for RunSection {
    fn default() -> Self {
        Self {
            checkpoint_epochs: 1,
            keep: 2,
            validate_epochs: 5,
            metric: Metric::default(),
            keep_best: true,
            result: Chosen::default(),
            early_stop: 0,
        }
    }
}

impl RunSection {
    pub(super) fn check(&self) -> Result<(), String> {
        ranges::counts(&[
            ("run.checkpoint_epochs", self.checkpoint_epochs, 1, 100_000),
            ("run.keep", self.keep, 1, 1000),
        ])?;
        if self.validate_epochs == 0 && self.early_stop > 0 {
            return Err("run.early_stop needs measurements; set run.validate_epochs".to_owned());
        }
        if self.result == Chosen::Best && !self.keep_best {
            return Err("run.result = \"best\" needs run.keep_best = true".to_owned());
        }
        if self.result == Chosen::Best && self.validate_epochs == 0 {
            return Err("run.result = \"best\" needs measurements; set run.validate_epochs".to_owned());
        }
        Ok(())
    }
}
