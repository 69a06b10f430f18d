//! One step: forward, backward, update, while the next batch is made on the idle cores. A device other than the CPU is
//! asked for all of it and waited for by none: what the step found out is read later (`settle`). Only looking at a step,
//! pseudo-labels and neighbours among unlabelled photos wait.

use std::time::Instant;

use candle_core::backprop::GradStore;
use candle_core::{Device, Tensor};

use super::Trainer;
use super::batches::Ready;
use crate::data::{Batch, Dataset};
use crate::domain::Glance;
use crate::nn::Embedder;
use crate::nn::device::{Trouble, trouble};
use crate::nn::ops::{Ahead, send_ahead};
use crate::train::TrainError;
use crate::train::backprop::{self, Backprop, Statistics};
use crate::train::config::TrainConfig;
use crate::train::criterion::Criterion;
use crate::train::ema::Ema;
use crate::train::methods::{Method, Moment, Pace, images, make_batch};
use crate::train::objective::{Labels, Numbers, Objective};
use crate::train::observe::{self, Look, Observation};
use crate::train::optimizer::{self, Length, Optimizer};
use crate::train::schedule::Curve;

/// What a step found out, or its device is about to.
pub(super) struct StepResult {
    pub(super) numbers: Numbers,
    pub(super) rate: f64,
    pub(super) seen: Option<Observation>,
    pub(super) loading: Loading,
    /// Parts that batches pass in from this step on, where memory held no fewer.
    pub(super) cut: Option<usize>,
}

/// How the next batch came along.
#[derive(Clone, Copy, Default)]
pub(super) struct Loading {
    pub(super) images_per_second: f64,
    /// For which the step waited for it.
    pub(super) waited_seconds: f64,
}

impl Trainer {
    /// Runs one step on this thread while the next batch is made on the others.
    pub(super) fn step_beside(
        &mut self,
        ready: &mut Ready,
        size: usize,
        following: Option<&Vec<usize>>,
        epoch: usize,
        place: usize,
    ) -> (Result<Option<StepResult>, TrainError>, Option<Ready>) {
        let (ahead, batch) = (ready.ahead.take(), &ready.batch);
        let (config, loader, rate) = (self.config.clone(), &self.loaders[&size], self.rate());
        let mut prepared: Option<(Ready, f64)> = None;
        let mut done = Instant::now();
        let slot = &mut prepared;
        let moment = self.moment();
        let (embedder, optimizer, ema) = (&self.embedder, &mut self.optimizer, &mut self.ema);
        let (criterion, method) = (&mut self.criterion, &mut self.method);
        // A pretext task has views of its own, which it copies as it goes.
        let sends = !matches!(method, Method::Pretext(_));
        let (device, how, step) = (&self.device, &mut self.how, self.state.position.step);
        let reads_at_once = self.behind == 0;
        #[cfg(test)]
        let room = self.room;
        let looks = self.watch.as_ref().is_some_and(|watch| watch.is_due(step, self.looked));
        if looks {
            self.looked = Some(step);
        }
        let looking = looks.then_some((step + 1, self.dataset.as_ref()));
        // `in_place_scope`, unlike `join`, keeps the step on this thread with its deep stack.
        let result = rayon::in_place_scope(|scope| {
            if let Some(items) = following {
                let config = &config;
                scope.spawn(move |_| {
                    let begun = Instant::now();
                    let batch = make_batch(loader, config, items, epoch, place);
                    let seconds = begun.elapsed().as_secs_f64();
                    let side = batch.size as usize;
                    let shape = [batch.len(), 3, side, side];
                    let ahead = if sends { send_ahead(&batch.images, &shape, device) } else { None };
                    *slot = Some((Ready { batch, ahead }, seconds));
                });
            }
            let mut work = Work {
                embedder,
                optimizer,
                criterion,
                method,
                ema,
                config: &config,
                device,
                how,
                reads_at_once,
                #[cfg(test)]
                room,
            };
            let result = work.step(batch, ahead, rate, moment, looking);
            done = Instant::now();
            result
        });
        let mut loading = Loading::default();
        if let Some((ready, seconds)) = &prepared {
            loading.images_per_second = ready.batch.len() as f64 / seconds.max(1e-9);
            loading.waited_seconds = done.elapsed().as_secs_f64();
        }
        let prepared = prepared.map(|(ready, _)| ready);
        let result = match result {
            Ok(StepOutcome::Done(result)) => Ok(Some(StepResult { loading, ..*result })),
            Ok(StepOutcome::Skipped) => Ok(None),
            Ok(StepOutcome::NotFinite) => Err(self.not_finite(step + 1, &batch.items)),
            Err(TrainError::Compute(error)) => Err(self.explained(error, step + 1, batch.len(), batch.size)),
            Err(error) => Err(error),
        };
        (result, prepared)
    }

    /// An error of the device in the step of that number, counted from 1, and its batch.
    pub(super) fn explained(&self, error: candle_core::Error, step: usize, photos: usize, size: u32) -> TrainError {
        match trouble(&error) {
            Some(Trouble::OutOfMemory) => TrainError::OutOfMemory { photos: self.how.largest(photos), size },
            Some(Trouble::Lost) => {
                let good_step = self.saved_step.unwrap_or_default();
                TrainError::DeviceLost { step, good_step, last: self.run.join("last") }
            }
            None => TrainError::Compute(error),
        }
    }

    /// Of the next step.
    fn rate(&self) -> f64 {
        let share = if self.schedule.curve == Curve::Plateau { self.state.plateau.share } else { 1.0 };
        share * self.schedule.rate(self.state.position.step)
    }

    /// Of the step of that number, counted from 1, with those photos.
    pub(super) fn not_finite(&self, step: usize, items: &[usize]) -> TrainError {
        TrainError::NotFinite {
            step,
            good_step: self.saved_step.unwrap_or_default(),
            photos: items.iter().map(|&item| self.dataset.items[item].photo.to_string()).collect(),
            last: self.run.join("last"),
        }
    }
}

enum StepOutcome {
    Done(Box<StepResult>),
    /// Fewer than two photos could be read.
    Skipped,
    NotFinite,
}

/// All that a step reads and moves.
struct Work<'a> {
    embedder: &'a Embedder,
    optimizer: &'a mut Optimizer,
    criterion: &'a mut Criterion,
    method: &'a mut Method,
    ema: &'a mut Option<Ema>,
    config: &'a TrainConfig,
    device: &'a Device,
    how: &'a mut Backprop,
    /// Whether numbers are there before anything moves, and nothing does if they are not finite.
    reads_at_once: bool,
    #[cfg(test)]
    room: usize,
}

/// What a step computes before anything moves.
struct Found {
    objective: Objective,
    gradients: GradStore,
    /// What was seen of the pass, with the global vectors where labels are used.
    looked: Option<(Option<Tensor>, Look)>,
}

impl Work<'_> {
    fn step(
        &mut self,
        batch: &Batch,
        ahead: Option<Ahead>,
        rate: f64,
        moment: Moment,
        looking: Option<(usize, &Dataset)>,
    ) -> Result<StepOutcome, TrainError> {
        if batch.len() < 2 {
            return Ok(StepOutcome::Skipped);
        }
        let parts = self.how.parts;
        let Found { objective, gradients, mut looked } = match self.pretext(batch, moment, looking.is_some())? {
            Some(found) => found,
            None => self.labelled_as_fits(batch, ahead, looking.is_some())?,
        };
        let own = self.method.trainable();
        let all = self.embedder.params.trainable().chain(own.iter().copied());
        let Length { norm, scale } = optimizer::length(all, &gradients, self.config.optimizer.clip_norm)?;
        let numbers = objective.numbers(&norm)?;
        if self.reads_at_once && !numbers.read()?.is_finite() {
            return Ok(StepOutcome::NotFinite);
        }
        if let Some((_, look)) = &mut looked {
            look.before_update(self.embedder.params.trainable().chain(own.iter().copied()), &gradients)?;
        }
        let own = own.into_iter().filter_map(|(name, var)| match self.method.pace(name, moment) {
            Pace::Scheduled => Some((name, var, rate)),
            Pace::Constant => Some((name, var, self.config.optimizer.rate)),
            Pace::Resting => None,
        });
        let network = self.embedder.params.trainable().map(|(name, var)| (name, var, rate));
        self.optimizer.step_each(network.chain(own), &gradients, scale)?;
        self.criterion.step(&gradients, rate)?;
        self.method.after_step(self.embedder, moment)?;
        if let Some(ema) = self.ema {
            ema.update(&self.embedder.params, self.optimizer.steps())?;
        }
        let seen = match looked.zip(looking) {
            Some(((global, look), (step, dataset))) => Some(Observation {
                health: look.after_update(step, self.embedder.params.trainable().chain(self.method.trainable()))?,
                glance: match (&global, batch.views.first()) {
                    (Some(global), _) => observe::glance(step, batch, dataset, global)?,
                    (None, Some(second)) => observe::paired_glance(step, batch, second, dataset),
                    (None, None) => Glance::default(),
                },
            }),
            None => None,
        };
        let (loading, cut) = (Loading::default(), (self.how.parts > parts).then_some(self.how.parts));
        Ok(StepOutcome::Done(Box::new(StepResult { numbers, rate, seen, loading, cut })))
    }

    /// [`Self::labelled`], and where the device's memory gives out, once more in twice as many parts, which later steps
    /// keep. What such a step moved until then is put back.
    fn labelled_as_fits(&mut self, batch: &Batch, mut ahead: Option<Ahead>, looks: bool) -> Result<Found, TrainError> {
        loop {
            let before = Statistics::of(self.embedder)?;
            match self.labelled(batch, ahead.take(), looks) {
                Err(TrainError::Compute(error)) if trouble(&error) == Some(Trouble::OutOfMemory) => {
                    // Unlabelled photos pass in one piece, and have moved what is learnt of them.
                    let labels_alone = matches!(self.method, Method::Labels);
                    let Some(finer) = self.how.finer(batch.len()).filter(|_| labels_alone) else {
                        return Err(error.into());
                    };
                    *self.how = finer;
                    before.put_back()?;
                }
                other => return other,
            }
        }
    }

    /// The loss of a pretext task; `None` where labels are used.
    fn pretext(&mut self, batch: &Batch, moment: Moment, looks: bool) -> Result<Option<Found>, TrainError> {
        let mut pass = || self.method.pretext(self.embedder, batch, moment);
        let (objective, look) = if looks {
            let (objective, look) = Look::forward(pass);
            (objective?, Some(look))
        } else {
            (pass()?, None)
        };
        let Some(objective) = objective else { return Ok(None) };
        let mut looked = None;
        if let Some(mut look) = look {
            // The first pass of every task is that of the network over the first views.
            look.keep_maps(observe::rectified_maps(self.embedder)?);
            looked = Some((None, look));
        }
        let gradients = crate::nn::ops::backward(&objective.total)?;
        Ok(Some(Found { objective, gradients, looked }))
    }

    /// The recipe's losses, and what unlabelled photos add.
    fn labelled(&mut self, batch: &Batch, ahead: Option<Ahead>, looks: bool) -> Result<Found, TrainError> {
        let step = self.optimizer.steps();
        let x = match ahead {
            Some(ahead) => ahead.arrive()?,
            None => images(batch, self.device)?,
        };
        let kinds: Vec<Option<usize>> = batch.kinds.iter().copied().map(Some).collect();
        self.embedder.at_step(step);
        let forward = || backprop::forward(self.embedder, &x, &kinds, *self.how);
        let (pass, look) = if looks {
            let (pass, look) = Look::forward(forward);
            (pass?, Some(look))
        } else {
            (forward()?, None)
        };
        let labels = Labels { products: &batch.products, kinds: &kinds, domains: &batch.domains };
        let mut objective = Objective::of(pass.output(), &labels, self.config, self.criterion, step)?;
        let outfits = &self.config.outfits;
        self.method.add_beside(&mut objective, self.embedder, pass.output(), &labels, batch, outfits)?;
        let global = pass.output().global.detach();
        #[cfg(test)]
        if self.how.largest(batch.len()) > self.room {
            // Here, for running statistics have moved by now.
            return Err(crate::nn::device::injected(Trouble::OutOfMemory).into());
        }
        let gradients = pass.backward(&objective.total)?;
        Ok(Found { objective, gradients, looked: look.map(|look| (Some(global), look)) })
    }
}
