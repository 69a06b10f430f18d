//! From a person's corrections to a new model with its index, without threads: the window's train thread and the
//! command line both call this. Until its very end nothing changes for whoever searches.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use candle_core::Device;

use super::JobError;
use super::measure::{TestQuery, measure, test_queries};
use super::models::{Promoted, list_models};
use super::open::Engine;
use super::promote::Proving;
use super::types::{TrainProgress, TrainReport};
use super::{clock, outfits};
use crate::data::polyvore::OutfitFiles;
use crate::data::{Dataset, dataset::Entry};
use crate::domain::{Label, LabelKey, LabelValue, PhotoDomain, PhotoId, ProductId, Progress, RunId, Split, StopFlag};
use crate::project::{CorrectionQueue, Paths, Project, ProjectError};
use crate::train::corrections::{CorrectionPhoto, KindCorrection, MatchCorrection};
use crate::train::{self, Corrections, FineTuneConfig, RunInfo, TrainConfig, TrainEvent};

/// Points of the loss curve that are told at most.
const CURVE_POINTS: usize = 512;

/// A fine-tuning on all corrections of a project.
pub struct Learning<'a> {
    /// Held only for moments.
    pub project: &'a Mutex<Project>,
    /// The present model: what is trained on from, and what is compared with.
    pub engine: &'a Engine,
    pub shipped: &'a [PathBuf],
    pub device: &'a Device,
    pub config: FineTuneConfig,
    pub stop: &'a StopFlag,
    /// Told after each step; may wait, and training waits with it.
    pub report: &'a (dyn Fn(TrainProgress) + Sync),
}

/// What came of it.
pub struct Learnt {
    pub report: TrainReport,
    /// The new model with its index; `None` where it was stopped and all is as it was.
    pub engine: Option<Engine>,
    pub notes: Vec<String>,
}

/// What is needed of the project, read in one go.
struct Material {
    frozen: CorrectionQueue,
    corrections: Corrections,
    dataset: Dataset,
    /// Test photos that no correction is about.
    untouched: Vec<TestQuery>,
    /// The present model's folder.
    base: PathBuf,
    paths: Paths,
}

impl Learning<'_> {
    /// Trains, indexes, measures; then makes the new model the project's.
    pub fn run(&self) -> Result<Learnt, JobError> {
        let start = Instant::now();
        let material = self.material()?;
        let run = free_run(&material.paths);
        let mut attempt =
            Attempt { learning: self, material: &material, run: &run, notes: Vec::new(), recall_before: None };
        let made = attempt.make();
        let Attempt { notes, recall_before, .. } = attempt;
        let (engine, recall_after) = match made {
            Ok((engine, recall)) => (Some(engine), recall),
            Err(JobError::Stopped) => (None, None),
            Err(error) => return Err(error),
        };
        if let Some(engine) = &engine {
            let mut project = self.project();
            project.mark_trained(engine.checkpoint(), &material.frozen)?;
            project.set_current_model(engine.checkpoint())?;
        }
        let report = TrainReport {
            run,
            finished: engine.is_some(),
            before: self.engine.model.clone(),
            after: engine.as_ref().map(|engine| engine.model.clone()),
            recall_before,
            recall_after,
            seconds: start.elapsed().as_secs_f64(),
        };
        Ok(Learnt { report, engine, notes })
    }

    fn project(&self) -> MutexGuard<'_, Project> {
        self.project.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn material(&self) -> Result<Material, JobError> {
        let project = self.project();
        let frozen = project.freeze_corrections()?;
        if frozen.is_empty() {
            return Err(JobError::NoCorrections);
        }
        if let Some(sentence) = project.read_only() {
            return Err(JobError::Options { sentence });
        }
        let (models, _) = list_models(Some(&project), self.shipped);
        let present = self.engine.checkpoint();
        let base = models.into_iter().find(|model| model.checkpoint == *present);
        let base = base.ok_or_else(|| JobError::UnknownModel { checkpoint: present.clone() })?.dir;
        let (photos, products) = concerned(&frozen.labels);
        let mut untouched = test_queries(&project)?;
        untouched.retain(|query| !photos.contains(&query.photo) && !products.contains(&query.product));
        Ok(Material {
            corrections: corrections(&project, &frozen.labels)?,
            dataset: dataset(&project)?,
            untouched,
            base,
            paths: project.paths().clone(),
            frozen,
        })
    }
}

struct Attempt<'a> {
    learning: &'a Learning<'a>,
    material: &'a Material,
    run: &'a RunId,
    notes: Vec<String>,
    recall_before: Option<[f32; 2]>,
}

impl Attempt<'_> {
    fn make(&mut self) -> Result<(Engine, Option<[f32; 2]>), JobError> {
        let Learning { engine: before, stop, device, .. } = *self.learning;
        let Material { paths, untouched, .. } = self.material;
        self.recall_before = measure(before, paths, untouched, stop, &|p| self.tell(&p))?;
        let model = self.train()?;
        let (beside, place) = (paths.run(self.run).join("model"), paths.model(self.run.as_str()));
        let proving = Proving {
            project: self.learning.project,
            paths,
            queries: untouched,
            device,
            stop,
            tell: &|progress| self.tell(&progress),
        };
        let proved = proving.prove(model, &beside, &place)?;
        self.notes.extend(proved.notes);
        Ok((proved.engine, proved.recall))
    }

    fn train(&mut self) -> Result<Promoted, JobError> {
        let Learning { stop, device, config, report, .. } = self.learning;
        let material = self.material;
        let mut curve = Curve::default();
        let info = RunInfo {
            data: String::new(),
            command: format!("seamline train --corrections --project {}", material.paths.root().display()),
            created: clock::now(),
        };
        let tuned = train::fine_tune(
            &material.base,
            material.dataset.clone(),
            &material.corrections,
            config,
            &material.paths.run(self.run),
            &info,
            device,
            stop,
            &mut |event| match progress_of(&event, self.run, &mut curve) {
                Some(progress) => report(progress),
                None => log_event(&event),
            },
        )?;
        if !tuned.finished {
            return Err(JobError::Stopped);
        }
        if !tuned.unknown_kinds.is_empty() {
            let kinds: Vec<&str> = tuned.unknown_kinds.iter().map(String::as_str).collect();
            self.notes
                .push(format!("the model knows no such kind, so it learnt nothing about it: {}", kinds.join(", ")));
        }
        if let Some((path, reason)) = tuned.skipped.first() {
            let count = tuned.skipped.len();
            self.notes.push(format!("{count} photos were left out of training, such as {} ({reason})", path.display()));
        }
        Ok(Promoted::new(tuned.embedder, tuned.card, &self.learning.engine.model.name, material.frozen.len()))
    }

    fn tell(&self, progress: &Progress) {
        (self.learning.report)(TrainProgress {
            run: Some(self.run.clone()),
            what: progress.what,
            step: progress.done,
            steps: progress.total,
            ..TrainProgress::default()
        });
    }
}

/// A name that no run has; names sort by time.
fn free_run(paths: &Paths) -> RunId {
    let first = RunId::new(format!("corrections-{}", clock::seconds()));
    let later = (2..).map(|number| RunId::new(format!("{first}-{number}")));
    let taken = |run: &RunId| paths.run(run).exists() || paths.model(run.as_str()).exists();
    std::iter::once(first.clone()).chain(later).find(|run| !taken(run)).unwrap_or(first)
}

/// The name itself, or with a number where a run or a model has it.
pub fn free_run_named(project: &Project, name: &str) -> RunId {
    let taken = |run: &RunId| project.paths().run(run).exists() || project.paths().model(run.as_str()).exists();
    let numbered = (2..).map(|number| RunId::new(format!("{name}-{number}")));
    std::iter::once(RunId::new(name)).chain(numbered).find(|run| !taken(run)).unwrap_or_else(|| RunId::new(name))
}

/// Photos and products that the corrections are about.
fn concerned(labels: &[Label]) -> (HashSet<PhotoId>, HashSet<ProductId>) {
    let (mut photos, mut products) = (HashSet::new(), HashSet::new());
    for label in labels {
        match &label.key {
            LabelKey::Match { query, product } => {
                photos.insert(query.clone());
                products.insert(product.clone());
            }
            LabelKey::Kind { photo } => {
                photos.insert(photo.clone());
            }
        }
    }
    (photos, products)
}

/// The project's photos as training reads them. Photos from outside, whose product nobody gave, are not among them.
pub fn dataset(project: &Project) -> Result<Dataset, JobError> {
    let products: std::collections::HashMap<ProductId, (String, Option<Split>)> =
        project.products()?.into_iter().map(|p| (p.product, (p.kind, p.split))).collect();
    let mut entries = Vec::new();
    for domain in [PhotoDomain::Shop, PhotoDomain::Street] {
        for row in project.photos(domain)? {
            let Some(product) = row.product else { continue };
            let Some((kind, split)) = products.get(&product) else { continue };
            entries.push(Entry {
                path: project.paths().photo(&row.photo),
                photo: row.photo,
                domain,
                product,
                kind: row.kind.unwrap_or_else(|| kind.clone()),
                crop: row.bbox,
                split: *split,
            });
        }
    }
    Ok(Dataset::new(entries))
}

/// The same with the outfits of the training split, where a recipe learns from them. A sample's are written first where
/// they are not there yet.
pub fn dataset_for(project: &Project, config: &TrainConfig) -> Result<Dataset, JobError> {
    let dataset = dataset(project)?;
    if !config.wants_outfits() {
        return Ok(dataset);
    }
    let dir = outfits::folder(project);
    if !dir.exists() {
        outfits::write_sample_outfits(project, &dir)?;
    }
    let files = OutfitFiles::read(&dir, Split::Train)?;
    let outfits = files.outfits.iter().map(|set| set.items.iter().map(|item| item.item_id.as_str()).collect());
    Ok(dataset.with_outfits(outfits))
}

/// People's answers with the files that they are about.
pub fn corrections(project: &Project, labels: &[Label]) -> Result<Corrections, JobError> {
    let mut found = Corrections::default();
    for label in labels {
        match (&label.key, &label.value) {
            (
                LabelKey::Match { query, product },
                LabelValue::SameProduct { crop } | LabelValue::NotThisProduct { crop },
            ) => {
                let shop = project.photos_of(product)?.into_iter().filter(|row| row.domain == PhotoDomain::Shop);
                let shop = shop.map(|row| CorrectionPhoto {
                    path: project.paths().photo(&row.photo),
                    photo: row.photo,
                    crop: row.bbox,
                });
                found.matches.push(MatchCorrection {
                    query: CorrectionPhoto { photo: query.clone(), path: project.paths().photo(query), crop: *crop },
                    product: product.clone(),
                    shop: shop.collect(),
                    same: matches!(label.value, LabelValue::SameProduct { .. }),
                });
            }
            (LabelKey::Kind { photo }, LabelValue::Kind { name }) => {
                let gone = || ProjectError::UnknownPhoto { photo: photo.clone(), path: project.paths().database() };
                let row = project.photo(photo)?.ok_or_else(gone)?;
                let crop = row.bbox;
                found.kinds.push(KindCorrection {
                    photo: CorrectionPhoto { path: project.paths().photo(photo), photo: photo.clone(), crop },
                    domain: row.domain,
                    kind: name.clone(),
                });
            }
            // A key and a value of different sorts say nothing.
            _ => {}
        }
    }
    Ok(found)
}

/// What a training step tells a person; `None` for events that are not steps.
pub fn progress_of(event: &TrainEvent, run: &RunId, curve: &mut Curve) -> Option<TrainProgress> {
    let TrainEvent::Step { step, steps, loss, images_per_second, seconds_left, .. } = event else {
        return None;
    };
    curve.push(*step, loss.total as f32);
    Some(TrainProgress {
        run: Some(run.clone()),
        what: "Training",
        step: *step,
        steps: *steps,
        loss: loss.total as f32,
        images_per_second: *images_per_second as f32,
        seconds_left: Some(*seconds_left as f32).filter(|seconds| seconds.is_finite()),
        losses: curve.points(),
    })
}

pub(super) fn log_event(event: &TrainEvent) {
    match event {
        TrainEvent::Skipped { path, reason } => log_skipped(path, reason),
        TrainEvent::Note { text } => tracing::warn!(target: "seamline", "{text}"),
        _ => {}
    }
}

fn log_skipped(path: &Path, reason: &str) {
    tracing::warn!(target: "seamline", path = %path.display(), %reason, "a photo was left out");
}

/// The losses so far, thinned evenly by doubling the distance between points.
#[derive(Debug)]
pub struct Curve {
    points: Vec<[f32; 2]>,
    every: usize,
}

impl Default for Curve {
    fn default() -> Self {
        Self { points: Vec::new(), every: 1 }
    }
}

impl Curve {
    pub fn push(&mut self, step: usize, loss: f32) {
        if !step.is_multiple_of(self.every) {
            return;
        }
        self.points.push([step as f32, loss]);
        if self.points.len() > CURVE_POINTS {
            self.every *= 2;
            let every = self.every;
            self.points.retain(|[step, _]| (*step as usize).is_multiple_of(every));
        }
    }

    pub fn points(&self) -> Vec<[f32; 2]> {
        self.points.clone()
    }
}
