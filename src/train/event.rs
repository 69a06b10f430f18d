//! What a training run says while it goes on. It knows no window; jobs and the command line show it.

use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::domain::{Glance, Health};
use crate::eval::Scores;

/// The parts of a loss, before their weights; 0 where a part is off or had nothing to say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LossParts {
    pub total: f64,
    pub cross_entropy: f64,
    pub triplet: f64,
    pub info_nce: f64,
    pub structural: f64,
    pub corrections: f64,
    /// Share of the anchors whose positive was farther than their negative.
    pub wrong_share: f64,
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
    Ended {
        step: usize,
        finished: bool,
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
    pub fn add(&mut self, other: &Self) {
        self.total += other.total;
        self.cross_entropy += other.cross_entropy;
        self.triplet += other.triplet;
        self.info_nce += other.info_nce;
        self.structural += other.structural;
        self.corrections += other.corrections;
        self.wrong_share += other.wrong_share;
    }

    /// The mean, where this is a sum over so many steps.
    pub fn divided(&self, steps: usize) -> Self {
        let n = steps.max(1) as f64;
        Self {
            total: self.total / n,
            cross_entropy: self.cross_entropy / n,
            triplet: self.triplet / n,
            info_nce: self.info_nce / n,
            structural: self.structural / n,
            corrections: self.corrections / n,
            wrong_share: self.wrong_share / n,
        }
    }
}
