//! The loop: batches in, weights out, everything else as events.
//!
//! A run depends on its recipe and its photos alone. Sampling, views and recolouring are keyed by (seed, epoch, step),
//! optimizers and averages are saved, and sums over threads have a fixed order, so that a run that was stopped and
//! resumed ends with the same bits as one that was not. While a step computes, the next batch is made on the idle
//! cores; a device other than the CPU is asked for the next step before the numbers of the last one are read. The loop
//! runs on the caller's thread, which needs a deep stack (64 MB): candle walks the graph by recursion.

mod batches;
mod begin;
mod keep;
mod pace;
mod run;
mod settle;
mod step;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use candle_core::Device;

use super::backprop::Backprop;
use super::config::TrainConfig;
use super::criterion::Criterion;
use super::ema::Ema;
use super::methods::{Dealer, Method, Moment};
use super::observe::Watch;
use super::optimizer::Optimizer;
use super::run_folder::{Position, TrainerState};
use super::schedule::Schedule;
use crate::data::{Dataset, Loader};
use crate::domain::CheckpointId;
use crate::nn::Embedder;

/// Where weights come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// Random weights.
    Fresh,
    /// The weights of a model's folder, as the beginning of a new run.
    From(PathBuf),
    /// The backbone of a file that others wrote, under random heads.
    Backbone(PathBuf),
    /// The same run goes on from its last checkpoint; the recipe is the run's own.
    Resume,
}

/// What a model's card says besides the recipe.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunInfo {
    /// What it is trained on, in words.
    pub data: String,
    /// The command that does it again.
    pub command: String,
    /// Date and time, as RFC 3339.
    pub created: String,
}

pub struct Trainer {
    config: TrainConfig,
    dataset: Arc<Dataset>,
    run: PathBuf,
    info: RunInfo,
    device: Device,
    embedder: Embedder,
    optimizer: Optimizer,
    criterion: Criterion,
    ema: Option<Ema>,
    method: Method,
    dealer: Dealer,
    schedule: Schedule,
    /// For the sizes that the recipe asks for.
    loaders: BTreeMap<usize, Loader>,
    state: TrainerState,
    parent: Option<CheckpointId>,
    /// Step of the newest checkpoint.
    saved_step: Option<usize>,
    /// What of the model that this run began from begins anew, as a sentence.
    anew: Option<String>,
    told_skipped: BTreeSet<PathBuf>,
    watch: Option<Arc<Watch>>,
    /// Steps that were done before the last look.
    looked: Option<usize>,
    /// Where decoded photos are kept.
    photos_dir: Option<PathBuf>,
    /// As the recipe says, or in more parts since memory gave out.
    how: Backprop,
    /// Steps that are asked of the device before the numbers of one are read.
    pub(super) behind: usize,
    /// Photos at once beyond which a test says that memory gives out.
    #[cfg(test)]
    pub(super) room: usize,
}

impl Trainer {
    /// From now on this decides which steps are looked at; see [`super::observe`].
    pub fn watched_by(&mut self, watch: Arc<Watch>) {
        self.watch = Some(watch);
    }

    /// Keeps decoded photos in this folder, for this run and later ones.
    pub fn keep_photos_in(&mut self, dir: &Path) {
        self.photos_dir = Some(dir.to_owned());
    }

    pub fn config(&self) -> &TrainConfig {
        &self.config
    }

    /// All steps of the run.
    pub fn steps(&self) -> usize {
        self.schedule.total_steps
    }

    /// Where the run is.
    fn moment(&self) -> Moment {
        let Position { step, epoch, .. } = self.state.position;
        Moment { step, steps: self.steps(), epoch }
    }

    pub fn position(&self) -> Position {
        self.state.position
    }

    pub fn embedder(&self) -> &Embedder {
        &self.embedder
    }
}
