//! What the Train workspace asks for and is told: recipes, runs, their curves, and the run that is under way.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::DeviceChoice;
use crate::domain::{CheckpointId, Glance, Health, RunCurves, RunId};

#[derive(Clone, Debug, PartialEq)]
pub enum TrainingRequest {
    /// Answered by `Recipes`, `Data` and `Runs`.
    List,
    /// Answered by `Curves`.
    Curves {
        run: RunId,
    },
    /// Answered by `Checked` with the same number.
    Check {
        serial: u64,
        text: String,
    },
    /// Reads a recipe of the person's own; answered by `RecipeRead`.
    Read {
        path: PathBuf,
    },
    /// Writes a recipe into a file; answered by `Event::Saved`.
    Save {
        path: PathBuf,
        text: String,
    },
    /// Answered by `Started`, then by `Ended` or a failure of `FailureOf::Training`.
    Start(TrainingStart),
    /// Goes on with a run from its last checkpoint and with the photos that it learnt from; answered like `Start`.
    Resume {
        run: RunId,
        device: DeviceChoice,
    },
    /// Holds the run between two steps, or lets it go on.
    Pause(bool),
    /// Whether somebody looks at pictures and layers.
    Watch(bool),
    /// Makes a checkpoint of a run the project's model; the present index serves until the new one is there. Answered by
    /// `Promoted`, or a failure of `FailureOf::Promotion`.
    Promote {
        run: RunId,
        step: usize,
    },
    StopPromoting,
}

#[derive(Clone, Debug, PartialEq)]
pub struct TrainingStart {
    /// The recipe as TOML.
    pub recipe: String,
    pub data: TrainingData,
    pub from: StartFrom,
    pub device: DeviceChoice,
}

/// Whose photos are trained on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TrainingData {
    /// Those of the open project.
    #[default]
    Project,
    /// The sample wardrobe, for a project whose own photos have no labels yet.
    Sample,
}

/// Which weights a run begins with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum StartFrom {
    #[default]
    Random,
    Model(CheckpointId),
}

#[derive(Clone, Debug, PartialEq)]
pub enum TrainingEvent {
    Recipes(Arc<Vec<RecipeEntry>>),
    Data(Arc<Vec<DataSummary>>),
    /// Newest first; sent again whenever a run begins, ends or is promoted.
    Runs(Arc<Vec<RunSummary>>),
    Curves {
        run: RunId,
        curves: Arc<RunCurves>,
    },
    Checked {
        serial: u64,
        checked: Arc<CheckedRecipe>,
    },
    RecipeRead {
        path: PathBuf,
        text: String,
    },
    Started {
        run: RunId,
    },
    Ended(Arc<RunEnd>),
    Promoted(Arc<Promotion>),
}

/// A recipe to begin with.
#[derive(Clone, Debug, PartialEq)]
pub struct RecipeEntry {
    pub name: String,
    /// What it does, in one sentence.
    pub words: String,
    pub text: String,
}

/// What there is to learn from.
#[derive(Clone, Debug, PartialEq)]
pub struct DataSummary {
    pub data: TrainingData,
    pub name: String,
    /// Photos that are trained on: all but those of the validation and test splits.
    pub street: usize,
    pub shop: usize,
    pub products: usize,
    /// Street photos that are measured while training.
    pub validation: usize,
    /// Why it cannot be trained on.
    pub problem: Option<String>,
}

/// What a recipe says, and what is wrong with it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CheckedRecipe {
    /// Every setting with its value as TOML, defaults too; empty where the text cannot be read at all.
    pub values: BTreeMap<String, String>,
    /// The same of a recipe that says nothing.
    pub defaults: BTreeMap<String, String>,
    /// The words that a setting may be, where it is one of a few.
    pub choices: BTreeMap<String, Vec<String>>,
    pub problem: Option<RecipeProblem>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct RecipeProblem {
    /// The setting that is concerned, such as `optimizer.rate`.
    pub setting: Option<String>,
    pub sentence: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunState {
    Running,
    Finished,
    /// Can go on from its last checkpoint.
    Stopped,
    /// Ended without a word, as by a power cut; can go on like a stopped one.
    Interrupted,
}

/// A run as its folder tells.
#[derive(Clone, Debug, PartialEq)]
pub struct RunSummary {
    pub run: RunId,
    pub state: RunState,
    pub step: usize,
    pub steps: usize,
    pub epochs: usize,
    /// The best of the validation split so far.
    pub recall_at_1: Option<f64>,
    pub mean_average_precision: Option<f64>,
    pub seconds: f64,
    /// Seconds since 1970 at its beginning.
    pub begun: f64,
    pub device: String,
    /// Oldest first.
    pub checkpoints: Vec<RunCheckpoint>,
    /// Every setting with its value as TOML.
    pub settings: BTreeMap<String, String>,
    /// The recipe's text.
    pub recipe: String,
    /// Whether it learnt corrections on top of a model, which cannot go on.
    pub corrections: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct RunCheckpoint {
    pub step: usize,
    /// Epochs that were complete.
    pub epoch: usize,
    pub recall_at_1: Option<f64>,
    pub recall_at_10: Option<f64>,
    pub mean_average_precision: Option<f64>,
    /// Of all checkpoints of the run that are kept.
    pub best: bool,
    /// The model that was made of it.
    pub promoted: Option<CheckpointId>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct RunEnd {
    pub run: RunId,
    /// `false` where the person stopped it.
    pub finished: bool,
    pub step: usize,
    pub steps: usize,
    pub seconds: f64,
    pub skipped: usize,
}

/// A checkpoint that searches now.
#[derive(Clone, Debug, PartialEq)]
pub struct Promotion {
    pub run: RunId,
    pub step: usize,
    pub before: super::ModelInfo,
    pub after: super::ModelInfo,
    /// Recall@1 and @10 on the test split with re-ranking, where the project has one.
    pub recall_before: Option<[f32; 2]>,
    pub recall_after: Option<[f32; 2]>,
}

/// The run that is under way, newest value only.
#[derive(Clone, Debug, PartialEq)]
pub struct LiveRun {
    pub run: RunId,
    pub phase: Phase,
    pub step: usize,
    pub steps: usize,
    /// Counted from 1.
    pub epoch: usize,
    pub epochs: usize,
    pub seconds_left: Option<f64>,
    pub photos: usize,
    pub products: usize,
    pub parameters: usize,
    pub device: String,
    /// Photos that could not be read.
    pub skipped: usize,
    /// The last thing worth saying.
    pub note: Option<String>,
    /// Step and time (seconds since 1970) of the newest checkpoint.
    pub checkpoint: Option<(usize, f64)>,
    pub curves: Arc<RunCurves>,
    pub health: Option<Arc<Health>>,
    pub glance: Option<Arc<Glance>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// Photos are listed, the network is made.
    #[default]
    Preparing,
    Running,
    /// Ends the present step first.
    Pausing,
    Paused,
    /// Ends the present step and writes a checkpoint.
    Stopping,
}

/// How far a promotion is.
#[derive(Clone, Debug, PartialEq)]
pub struct Promoting {
    pub run: RunId,
    pub step: usize,
    pub what: &'static str,
    pub done: usize,
    pub total: usize,
}
