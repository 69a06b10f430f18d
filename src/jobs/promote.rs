//! A new set of weights on its way to being the project's model: indexed, measured, and only then put in place. Until
//! its very end nothing changes for whoever searches.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use candle_core::Device;

use super::JobError;
use super::measure::{TestQuery, measure, test_queries};
use super::models::{Promoted, place_for};
use super::open::{Engine, Plan};
use super::types::Promotion;
use crate::domain::{Progress, RunId, StopFlag};
use crate::nn::{Embedder, Encoder};
use crate::project::{Paths, Project};
use crate::train::run_folder;

/// What proving a model needs.
pub(super) struct Proving<'a> {
    /// Held only for moments.
    pub project: &'a Mutex<Project>,
    pub paths: &'a Paths,
    pub queries: &'a [TestQuery],
    pub device: &'a Device,
    pub stop: &'a StopFlag,
    pub tell: &'a (dyn Fn(Progress) + Sync),
}

/// A model that is among the project's, with its index.
pub(super) struct Proved {
    pub engine: Engine,
    pub recall: Option<[f32; 2]>,
    pub notes: Vec<String>,
}

impl Proving<'_> {
    /// Indexes and measures a model, then saves it in the folder `place`. It waits in the folder `beside` until it has
    /// proved itself. Features that were made for it are gone again where it did not come to be.
    pub fn prove(&self, mut model: Promoted, beside: &Path, place: &Path) -> Result<Proved, JobError> {
        let Self { paths, stop, .. } = *self;
        model.save(beside)?;
        let (arithmetic, device) = place_for(self.project().arithmetic()?, self.device);
        let encoder = Encoder::load_in(beside, &device, arithmetic)?;
        // The same weights once more have features that are in use already.
        let features = Some(paths.features_of(encoder.checkpoint(), arithmetic)).filter(|features| !features.exists());
        let proved = (|| {
            let plan = Plan::with(&self.project(), encoder, Vec::new())?;
            let ready = plan.carry_out(stop, self.tell)?;
            let recall = measure(&ready.engine, paths, self.queries, stop, self.tell)?;
            if stop.is_stopped() {
                return Err(JobError::Stopped);
            }
            model.set_recall(recall);
            let checkpoint = model.save(place)?;
            debug_assert_eq!(&checkpoint, ready.engine.checkpoint(), "the same weights give the same file");
            let engine = Engine { model: model.info(&checkpoint), ..ready.engine };
            Ok(Proved { engine, recall, notes: ready.notes })
        })();
        if proved.is_err()
            && let Some(features) = features
        {
            // Features of a model that nobody will choose are of no use to anyone.
            let _ = fs::remove_dir_all(features);
        }
        // It is among the models now, or never will be.
        let _ = fs::remove_dir_all(beside);
        proved
    }

    fn project(&self) -> MutexGuard<'_, Project> {
        self.project.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The folder among the project's models of what was made of a checkpoint.
pub(super) fn model_name(run: &RunId, step: usize) -> String {
    format!("{run}-{step}")
}

/// The folder of a run's checkpoint.
fn checkpoint_dir(paths: &Paths, run: &RunId, step: usize) -> Option<PathBuf> {
    let kept = run_folder::checkpoints(&paths.run(run));
    kept.into_iter().find(|dir| {
        let name = dir.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.strip_prefix("checkpoint-").and_then(|digits| digits.parse().ok()) == Some(step)
    })
}

/// Makes a checkpoint of a run the project's model.
pub(super) fn promote(
    project: &Mutex<Project>,
    before: &Engine,
    (run, step): (&RunId, usize),
    device: &Device,
    stop: &StopFlag,
    tell: &(dyn Fn(Progress) + Sync),
) -> Result<(Promotion, Proved), JobError> {
    let lock = || project.lock().unwrap_or_else(PoisonError::into_inner);
    let (paths, queries) = {
        let project = lock();
        if let Some(sentence) = project.read_only() {
            return Err(JobError::Options { sentence });
        }
        (project.paths().clone(), test_queries(&project)?)
    };
    let dir = checkpoint_dir(&paths, run, step).ok_or_else(|| JobError::Options {
        sentence: format!("the checkpoint of step {step} is no longer kept by the run {run}"),
    })?;
    tell(Progress { what: "Reading the checkpoint", done: 0, total: 1 });
    let (embedder, mut card) = Embedder::load(&dir, device)?;
    card.name = format!("{run}, step {step}");
    let proving = Proving { project, paths: &paths, queries: &queries, device, stop, tell };
    let recall_before = measure(before, &paths, &queries, stop, tell)?;
    let name = model_name(run, step);
    let proved = proving.prove(Promoted::of_run(embedder, card), &paths.run(run).join("model"), &paths.model(&name))?;
    lock().set_current_model(proved.engine.checkpoint())?;
    let promotion = Promotion {
        run: run.clone(),
        step,
        before: before.model.clone(),
        after: proved.engine.model.clone(),
        recall_before,
        recall_after: proved.recall,
    };
    Ok((promotion, proved))
}
