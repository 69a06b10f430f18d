//! The loop: batches in, weights out, everything else as events.
//!
//! A run depends on its recipe and its photos alone. Sampling, views and recolouring are keyed by (seed, epoch, step),
//! optimizers and averages are saved, and sums over threads have a fixed order, so that a run that was stopped and
//! resumed ends with the same bits as one that was not. While a step computes, the next batch is made on the idle
//! cores. The loop runs on the caller's thread, which needs a deep stack (64 MB): candle walks the graph by recursion.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use candle_core::{DType, Device, Tensor};

use super::TrainError;
use super::config::TrainConfig;
use super::ema::Ema;
use super::event::{LossParts, Outcome, TrainEvent};
use super::inputs::{check_enough, on_device, strip, take_weights, training_items};
use super::objective::{Labels, Objective};
use super::optimizer::{Optimizer, clip_scale, gradient_norm};
use super::recolour::{Recolouring, recolour};
use super::run_folder::{self, Diary, Position, TrainerState};
use super::schedule::Schedule;
use crate::data::loader::LoaderOptions;
use crate::data::{Batch, Dataset, Loader, Sampler};
use crate::domain::{CheckpointId, Split, StopFlag};
use crate::eval::{EvalItem, Scores, evaluate};
use crate::nn::{Embedder, Mode, ModelCard, Params, device};

/// Where weights come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// Random weights.
    Fresh,
    /// The weights of a model's folder, as the beginning of a new run.
    From(PathBuf),
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
    ema: Option<Ema>,
    sampler: Sampler,
    schedule: Schedule,
    /// For the sizes that the recipe asks for.
    loaders: BTreeMap<usize, Loader>,
    state: TrainerState,
    parent: Option<CheckpointId>,
    /// Step of the newest checkpoint.
    saved_step: Option<usize>,
    told_skipped: BTreeSet<PathBuf>,
}

/// What a step found out.
struct StepResult {
    loss: LossParts,
    gradient_norm: f64,
    rate: f64,
}

/// Speed, in the unit of one image of the recipe's small size.
#[derive(Default)]
struct Pace {
    /// Images of the small size in a second, smoothed.
    work_per_second: f64,
}

impl Trainer {
    /// Prepares a run in the folder `run`. Items of the split `Train`, and those without a split, are trained on; the
    /// split `Validation` is measured. Kinds are the dataset's.
    pub fn new(
        config: &TrainConfig,
        dataset: Dataset,
        run: &Path,
        start: &Start,
        info: RunInfo,
        device: &Device,
    ) -> Result<Self, TrainError> {
        let config = match start {
            Start::Resume => run_folder::read_config(run)?,
            Start::Fresh | Start::From(_) => config.clone(),
        };
        config.check().map_err(TrainError::Settings)?;
        if *start != Start::Resume && run_folder::newest(run).is_some() {
            return Err(TrainError::Mismatch {
                reason: "this folder holds a run already; resume it or choose another name".to_owned(),
                path: run.to_owned(),
            });
        }
        let dataset = Arc::new(dataset);
        let among = training_items(&dataset, config.data.label_fraction, config.seed);
        check_enough(&dataset, &among)?;
        let sampler = Sampler::new(&dataset, &among, config.sampler(), config.seed);
        let schedule = config.schedule(sampler.steps_per_epoch());
        let embedder_config = config.embedder(dataset.kinds.len().max(1));
        let mut optimizer = Optimizer::new(config.rule(), config.optimizer.weight_decay, config.optimizer.decay_norms);
        let mut state = TrainerState::default();
        let (mut ema, mut parent, mut saved_step) = (None, None, None);
        let embedder = match start {
            Start::Fresh => Embedder::new(&embedder_config, config.seed, device)?,
            Start::From(model) => {
                let mut embedder = Embedder::new(&embedder_config, config.seed, device)?;
                parent = Some(take_weights(&mut embedder, model, &dataset.kinds)?);
                embedder
            }
            Start::Resume => {
                let dir = run_folder::newest(run).ok_or_else(|| TrainError::Mismatch {
                    reason: "this run has no checkpoint to go on from".to_owned(),
                    path: run.to_owned(),
                })?;
                let resumed = run_folder::read_checkpoint(&dir)?;
                if resumed.saved.card.kinds != dataset.kinds {
                    return Err(TrainError::Mismatch {
                        reason: "the kinds of garment have changed since this run began".to_owned(),
                        path: dir,
                    });
                }
                let moments = strip(&resumed.store, "optimizer.");
                optimizer.restore(resumed.state.optimizer_steps, &moments)?;
                let raw = strip(&resumed.store, "weights.");
                // With an average the checkpoint's own weights are the averaged ones.
                let weights = if config.optimizer.ema > 0.0 {
                    ema = Some(Ema::restored(config.optimizer.ema, on_device(&resumed.saved.tensors, device)?));
                    raw
                } else {
                    resumed.saved.tensors.clone()
                };
                state = resumed.state;
                saved_step = Some(state.position.step);
                parent = resumed.saved.card.parent.clone();
                let params = Params::from_tensors(config.seed, DType::F32, device, &embedder_config.specs(), weights)?;
                Embedder::with_params(&embedder_config, params)?
            }
        };
        if config.optimizer.ema > 0.0 && ema.is_none() {
            ema = Some(Ema::new(config.optimizer.ema, &embedder.params)?);
        }
        let sizes = BTreeSet::from([config.size_in_epoch(0), config.size_in_epoch(config.schedule.epochs - 1)]);
        let loaders = sizes.into_iter().map(|size| (size, loader(&config, &dataset, size))).collect();
        Ok(Self {
            config,
            dataset,
            run: run.to_owned(),
            info,
            device: device.clone(),
            embedder,
            optimizer,
            ema,
            sampler,
            schedule,
            loaders,
            state,
            parent,
            saved_step,
            told_skipped: BTreeSet::new(),
        })
    }

    pub fn config(&self) -> &TrainConfig {
        &self.config
    }

    /// All steps of the run.
    pub fn steps(&self) -> usize {
        self.schedule.total_steps
    }

    pub fn position(&self) -> Position {
        self.state.position
    }

    pub fn embedder(&self) -> &Embedder {
        &self.embedder
    }

    /// Trains until the recipe is done or the flag is set, at the latest one step after it was.
    pub fn run(&mut self, stop: &StopFlag, sink: &mut dyn FnMut(TrainEvent)) -> Result<Outcome, TrainError> {
        if self.saved_step.is_none() {
            run_folder::begin(&self.run, &self.config)?;
        }
        let mut diary = Diary::open(&self.run);
        let mut tell = |event: TrainEvent| {
            let trouble = diary.write(&event);
            sink(event);
            if let Some(text) = trouble {
                sink(TrainEvent::Note { text });
            }
        };
        let begun = Instant::now();
        let before = self.state.seconds;
        tell(self.started());
        if self.saved_step.is_none() {
            // Finds a disk that cannot be written before the work is done, not after.
            self.save(&mut tell)?;
        }
        let mut pace = Pace::default();
        while self.state.position.epoch < self.config.schedule.epochs && !stop.is_stopped() {
            let complete = self.epoch(stop, &mut pace, &mut tell)?;
            self.state.seconds = before + begun.elapsed().as_secs_f64();
            if complete {
                self.close_epoch(stop, &mut tell)?;
            }
        }
        self.state.seconds = before + begun.elapsed().as_secs_f64();
        if self.saved_step != Some(self.state.position.step) {
            self.save(&mut tell)?;
        }
        let finished = self.state.position.epoch >= self.config.schedule.epochs;
        tell(TrainEvent::Ended { step: self.state.position.step, finished, seconds: self.state.seconds });
        Ok(Outcome {
            finished,
            step: self.state.position.step,
            steps: self.steps(),
            last: self.run.join("last"),
            validation: self.state.validation.clone(),
            skipped: self.skipped(),
            seconds: self.state.seconds,
        })
    }

    fn started(&self) -> TrainEvent {
        let among = training_items(&self.dataset, self.config.data.label_fraction, self.config.seed);
        let products: BTreeSet<usize> = among.iter().map(|&item| self.dataset.items[item].product).collect();
        TrainEvent::Started {
            step: self.state.position.step,
            steps: self.steps(),
            epochs: self.config.schedule.epochs,
            photos: among.len(),
            products: products.len(),
            parameters: self.embedder.params.count(),
            device: device::describe(&self.device),
        }
    }

    /// The rest of the present epoch; `false` where the flag ended it.
    fn epoch(
        &mut self,
        stop: &StopFlag,
        pace: &mut Pace,
        tell: &mut dyn FnMut(TrainEvent),
    ) -> Result<bool, TrainError> {
        let epoch = self.state.position.epoch;
        let size = self.config.size_in_epoch(epoch);
        let batches = self.sampler.epoch(epoch as u64);
        let first = self.state.position.batch;
        let mut next = batches.get(first).map(|items| self.prepare(size, items, epoch, first));
        while let Some(batch) = next.take() {
            if stop.is_stopped() {
                return Ok(false);
            }
            let begun = Instant::now();
            let place = self.state.position.batch;
            let following = batches.get(place + 1);
            let (result, prepared) = self.step_beside(&batch, size, following, epoch, place + 1);
            let result = result?;
            next = prepared;
            self.state.position.batch += 1;
            self.state.position.step += 1;
            match result {
                Some(result) => {
                    self.state.epoch_sum.add(&result.loss);
                    let seconds = begun.elapsed().as_secs_f64();
                    tell(self.step_event(&result, batch.len(), size, seconds, batches.len(), pace));
                }
                None => tell(TrainEvent::Note {
                    text: format!("step {} was left out: its photos cannot be read", self.state.position.step),
                }),
            }
        }
        Ok(true)
    }

    /// Runs one step on this thread while the next batch is made on the others.
    fn step_beside(
        &mut self,
        batch: &Batch,
        size: usize,
        following: Option<&Vec<usize>>,
        epoch: usize,
        place: usize,
    ) -> (Result<Option<StepResult>, TrainError>, Option<Batch>) {
        let (config, loader) = (self.config.clone(), &self.loaders[&size]);
        let mut prepared = None;
        let slot = &mut prepared;
        let (embedder, optimizer, ema) = (&self.embedder, &mut self.optimizer, &mut self.ema);
        let (schedule, device, step) = (&self.schedule, &self.device, self.state.position.step);
        // `in_place_scope`, unlike `join`, keeps the step on this thread with its deep stack.
        let result = rayon::in_place_scope(|scope| {
            if let Some(items) = following {
                let config = &config;
                scope.spawn(move |_| *slot = Some(make_batch(loader, config, items, epoch, place)));
            }
            step_on(embedder, optimizer, ema, batch, &config, schedule.rate(step), device)
        });
        let result = match result {
            Ok(StepOutcome::Done(result)) => Ok(Some(result)),
            Ok(StepOutcome::Skipped) => Ok(None),
            Ok(StepOutcome::NotFinite) => Err(self.not_finite(batch)),
            Err(error) => Err(error),
        };
        (result, prepared)
    }

    fn prepare(&self, size: usize, items: &[usize], epoch: usize, place: usize) -> Batch {
        make_batch(&self.loaders[&size], &self.config, items, epoch, place)
    }

    fn not_finite(&self, batch: &Batch) -> TrainError {
        TrainError::NotFinite {
            step: self.state.position.step + 1,
            good_step: self.saved_step.unwrap_or_default(),
            photos: batch.items.iter().map(|&item| self.dataset.items[item].photo.to_string()).collect(),
            last: self.run.join("last"),
        }
    }

    fn step_event(
        &self,
        result: &StepResult,
        images: usize,
        size: usize,
        seconds: f64,
        steps_per_epoch: usize,
        pace: &mut Pace,
    ) -> TrainEvent {
        let relative = |side: usize| (side * side) as f64 / (self.config.data.train_size.pow(2)) as f64;
        let work = images as f64 * relative(size);
        let now = work / seconds.max(1e-9);
        pace.work_per_second = if pace.work_per_second > 0.0 { 0.9 * pace.work_per_second + 0.1 * now } else { now };
        let step = self.state.position.step;
        let per_step = (self.config.data.products * self.config.data.photos) as f64;
        let left: f64 = (self.state.position.epoch..self.config.schedule.epochs)
            .map(|epoch| {
                let done = if epoch == self.state.position.epoch { self.state.position.batch } else { 0 };
                (steps_per_epoch - done.min(steps_per_epoch)) as f64
                    * per_step
                    * relative(self.config.size_in_epoch(epoch))
            })
            .sum();
        TrainEvent::Step {
            step,
            steps: self.steps(),
            epoch: self.state.position.epoch + 1,
            loss: result.loss,
            rate: result.rate,
            gradient_norm: result.gradient_norm,
            images_per_second: images as f64 / seconds.max(1e-9),
            seconds_left: left / pace.work_per_second,
        }
    }

    /// Measures, reports and saves, as the recipe says.
    fn close_epoch(&mut self, stop: &StopFlag, tell: &mut dyn FnMut(TrainEvent)) -> Result<(), TrainError> {
        let batches = self.state.position.batch;
        let loss = self.state.epoch_sum.divided(batches);
        self.state.position.epoch += 1;
        self.state.position.batch = 0;
        self.state.epoch_sum = LossParts::default();
        for (path, reason) in self.skipped() {
            if self.told_skipped.insert(path.clone()) {
                tell(TrainEvent::Skipped { path, reason });
            }
        }
        let (epoch, run) = (self.state.position.epoch, self.config.run.clone());
        let at_end = epoch == self.config.schedule.epochs;
        let validation = if run.validate_epochs > 0 && (at_end || epoch.is_multiple_of(run.validate_epochs)) {
            self.validate(stop)?
        } else {
            None
        };
        if validation.is_some() {
            self.state.validation.clone_from(&validation);
        }
        let (step, seconds) = (self.state.position.step, self.state.seconds);
        tell(TrainEvent::Epoch { epoch, step, loss, seconds, validation });
        if at_end {
            return self.save(tell);
        }
        if epoch.is_multiple_of(run.checkpoint_epochs)
            && let Err(error) = self.save(tell)
        {
            // The next one may find room again, and the one before is whole.
            tell(TrainEvent::Note { text: error.to_string() });
        }
        Ok(())
    }

    /// Measures the validation split; `None` where there is none or the flag was set.
    pub fn validate(&self, stop: &StopFlag) -> Result<Option<Scores>, TrainError> {
        let (queries, gallery) = EvalItem::of_split(&self.dataset, Split::Validation);
        if queries.is_empty() || gallery.is_empty() {
            return Ok(None);
        }
        let encoder = self.averaged()?.to_encoder(&self.card())?;
        Ok(evaluate(&encoder, &queries, &gallery, None, stop, &|_| {})?.map(|found| found.report.global))
    }

    /// The network that is measured and kept: the averaged one where the recipe averages.
    fn averaged(&self) -> Result<Embedder, TrainError> {
        let weights = match &self.ema {
            Some(ema) => ema.averages().clone(),
            None => self.embedder.params.tensors()?,
        };
        let config = self.embedder.config();
        let params = Params::from_tensors(self.config.seed, DType::F32, &self.device, &config.specs(), weights)?;
        Ok(Embedder::with_params(config, params)?)
    }

    fn card(&self) -> ModelCard {
        let mut card = ModelCard::new(&self.config.name, self.embedder.config(), self.config.model.input_size);
        card.kinds.clone_from(&self.dataset.kinds);
        card.data.clone_from(&self.info.data);
        card.command.clone_from(&self.info.command);
        card.created.clone_from(&self.info.created);
        card.recipe = self.config.to_toml();
        card.seed = self.config.seed;
        card.parent.clone_from(&self.parent);
        if let Some(scores) = &self.state.validation {
            card.metrics = scores.named().map(|(name, value)| (format!("validation {name}"), value)).into();
        }
        card
    }

    fn save(&mut self, tell: &mut dyn FnMut(TrainEvent)) -> Result<(), TrainError> {
        let weights = self.embedder.params.tensors()?;
        let mut store: BTreeMap<String, Tensor> =
            self.optimizer.state()?.into_iter().map(|(name, tensor)| (format!("optimizer.{name}"), tensor)).collect();
        let shown = match &self.ema {
            Some(ema) => {
                store.extend(weights.into_iter().map(|(name, tensor)| (format!("weights.{name}"), tensor)));
                ema.averages().clone()
            }
            None => weights,
        };
        self.state.optimizer_steps = self.optimizer.steps();
        let step = self.state.position.step;
        let keep = self.config.run.keep;
        let path = run_folder::write_checkpoint(&self.run, &self.card(), &shown, &self.state, &store, keep)?;
        self.saved_step = Some(step);
        tell(TrainEvent::Checkpoint { step, path });
        Ok(())
    }

    /// Photos that could not be read so far.
    fn skipped(&self) -> Vec<(PathBuf, String)> {
        let mut found = BTreeMap::new();
        for (photo, reason) in self.loaders.values().flat_map(Loader::broken) {
            found.insert(PathBuf::from(photo.as_str()), reason);
        }
        found.into_iter().collect()
    }
}

enum StepOutcome {
    Done(StepResult),
    /// Fewer than two photos could be read.
    Skipped,
    NotFinite,
}

fn step_on(
    embedder: &Embedder,
    optimizer: &mut Optimizer,
    ema: &mut Option<Ema>,
    batch: &Batch,
    config: &TrainConfig,
    rate: f64,
    device: &Device,
) -> Result<StepOutcome, TrainError> {
    if batch.len() < 2 {
        return Ok(StepOutcome::Skipped);
    }
    let side = batch.size as usize;
    let x = Tensor::from_slice(&batch.images, (batch.len(), 3, side, side), device)?;
    let output = embedder.forward(&x, Mode::Train)?;
    let kinds: Vec<Option<usize>> = batch.kinds.iter().copied().map(Some).collect();
    let labels = Labels { products: &batch.products, kinds: &kinds, domains: &batch.domains };
    let objective = Objective::of(&output, &labels, config)?;
    let gradients = objective.total.backward()?;
    let loss = objective.read()?;
    let norm = gradient_norm(embedder.params.trainable(), &gradients)?;
    if !loss.total.is_finite() || !norm.is_finite() {
        return Ok(StepOutcome::NotFinite);
    }
    let scale = clip_scale(norm, config.optimizer.clip_norm);
    optimizer.step(embedder.params.trainable(), &gradients, rate, scale)?;
    if let Some(ema) = ema {
        ema.update(&embedder.params, optimizer.steps())?;
    }
    Ok(StepOutcome::Done(StepResult { loss, gradient_norm: norm, rate }))
}

fn make_batch(loader: &Loader, config: &TrainConfig, items: &[usize], epoch: usize, place: usize) -> Batch {
    let (epoch, place) = (epoch as u64, place as u64);
    let mut batch = loader.batch(items, epoch, place);
    let how = Recolouring { product: config.data.recolour, colour_blind: config.data.colour_blind };
    recolour(&mut batch, how, config.seed, epoch, place);
    batch
}

fn loader(config: &TrainConfig, dataset: &Arc<Dataset>, size: usize) -> Loader {
    let mut options = LoaderOptions::new(size as u32, config.augment.clone(), config.seed);
    options.cache_bytes = config.data.cache_megabytes << 20;
    Loader::new(Arc::clone(dataset), options)
}
