//! What a training run says while it goes on. It knows no window; jobs and the command line show it.

use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::methods::Probe;
use crate::domain::{Glance, Health};
use crate::eval::Scores;

/// The parts of a loss, before their weights; 0 where a part is off or had nothing to say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LossParts {
    pub total: f64,
    pub cross_entropy: f64,
    pub triplet: f64,
    pub info_nce: f64,
    pub nt_xent: f64,
    pub multi_similarity: f64,
    pub margin_loss: f64,
    pub proxy_anchor: f64,
    /// All losses on structural similarity, with their weights.
    pub structural: f64,
    /// Of a pretext task.
    pub pretext: f64,
    /// What unlabelled photos add: views against each other, neighbours of triplets, predicted kinds, the teacher.
    pub consistency: f64,
    pub pseudo: f64,
    pub pseudo_kinds: f64,
    pub teacher: f64,
    pub outfits: f64,
    pub corrections: f64,
    /// Share of the triplets whose positive was farther than their negative.
    pub wrong_share: f64,
}

/// One part of a loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LossPart {
    CrossEntropy,
    Triplet,
    InfoNce,
    NtXent,
    MultiSimilarity,
    MarginLoss,
    ProxyAnchor,
    Structural,
    Pretext,
    Consistency,
    Pseudo,
    PseudoKinds,
    Teacher,
    Outfits,
    Corrections,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum TrainEvent {
    Started {
        /// Steps made by earlier sittings of the same run.
        step: usize,
        steps: usize,
        epochs: usize,
        photos: usize,
        products: usize,
        parameters: usize,
        device: String,
    },
    Step {
        /// Counted from 1, as people do.
        step: usize,
        steps: usize,
        epoch: usize,
        loss: LossParts,
        rate: f64,
        gradient_norm: f64,
        images_per_second: f64,
        /// At which the next batch was made meanwhile; 0 for the last one of an epoch.
        #[serde(default)]
        loaded_per_second: f64,
        /// For which the step waited for it.
        #[serde(default)]
        waited_seconds: f64,
        seconds_left: f64,
    },
    Epoch {
        epoch: usize,
        step: usize,
        /// Mean over the epoch's steps.
        loss: LossParts,
        seconds: f64,
        validation: Option<Scores>,
    },
    /// How well nearest neighbours agree, in runs without labels.
    Probe {
        epoch: usize,
        step: usize,
        #[serde(flatten)]
        probe: Probe,
    },
    Checkpoint {
        step: usize,
        path: PathBuf,
    },
    /// Photos are decoded before the first step; not written down.
    #[serde(skip)]
    Reading {
        done: usize,
        total: usize,
    },
    /// Decoded photos lie in a file.
    Packed {
        photos: usize,
        bytes: u64,
        /// Of these, decoded just now.
        decoded: usize,
        /// Photos that there was no room for.
        left_out: usize,
        path: PathBuf,
    },
    /// A photo that cannot be read; the run goes on without it.
    Skipped {
        path: PathBuf,
        reason: String,
    },
    /// Something is worth saying, such as a checkpoint that could not be written.
    Note {
        text: String,
    },
    /// How the layers fare, where somebody looks.
    Health(Health),
    /// What the network is shown, where somebody looks. Pictures are never written into the run's folder.
    #[serde(skip)]
    Glance(Arc<Glance>),
    /// Whoever was told the event before held the run so long, as in a pause; that is no time of training.
    Held {
        seconds: f64,
    },
    Ended {
        step: usize,
        finished: bool,
        /// Of training, without what it was held for.
        seconds: f64,
    },
}

/// How a run ended. A stop is one of the ways, not an error.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// `false` where the stop flag ended it.
    pub finished: bool,
    pub step: usize,
    pub steps: usize,
    /// The folder of the newest checkpoint.
    pub last: PathBuf,
    /// The folder of the checkpoint that the recipe makes the model: the newest, or the best.
    pub model: PathBuf,
    /// Validation of the newest checkpoint, where there is a validation split.
    pub validation: Option<Scores>,
    pub skipped: Vec<(PathBuf, String)>,
    pub seconds: f64,
}

impl LossParts {
    pub fn part(&mut self, part: LossPart) -> &mut f64 {
        match part {
            LossPart::CrossEntropy => &mut self.cross_entropy,
            LossPart::Triplet => &mut self.triplet,
            LossPart::InfoNce => &mut self.info_nce,
            LossPart::NtXent => &mut self.nt_xent,
            LossPart::MultiSimilarity => &mut self.multi_similarity,
            LossPart::MarginLoss => &mut self.margin_loss,
            LossPart::ProxyAnchor => &mut self.proxy_anchor,
            LossPart::Structural => &mut self.structural,
            LossPart::Pretext => &mut self.pretext,
            LossPart::Consistency => &mut self.consistency,
            LossPart::Pseudo => &mut self.pseudo,
            LossPart::PseudoKinds => &mut self.pseudo_kinds,
            LossPart::Teacher => &mut self.teacher,
            LossPart::Outfits => &mut self.outfits,
            LossPart::Corrections => &mut self.corrections,
        }
    }

    fn all(&mut self) -> [&mut f64; 17] {
        [
            &mut self.total,
            &mut self.cross_entropy,
            &mut self.triplet,
            &mut self.info_nce,
            &mut self.nt_xent,
            &mut self.multi_similarity,
            &mut self.margin_loss,
            &mut self.proxy_anchor,
            &mut self.structural,
            &mut self.pretext,
            &mut self.consistency,
            &mut self.pseudo,
            &mut self.pseudo_kinds,
            &mut self.teacher,
            &mut self.outfits,
            &mut self.corrections,
            &mut self.wrong_share,
        ]
    }

    pub fn add(&mut self, other: &Self) {
        let mut other = *other;
        for (sum, value) in self.all().into_iter().zip(other.all()) {
            *sum += *value;
        }
    }

    /// The mean, where this is a sum over so many steps.
    pub fn divided(&self, steps: usize) -> Self {
        let mut mean = *self;
        for value in mean.all() {
            *value /= steps.max(1) as f64;
        }
        mean
    }
}
