//! One step: forward, backward, update, while the next batch is made on the idle cores.

use std::time::Instant;

use candle_core::{Device, Tensor};

use super::Trainer;
use super::batches::make_batch;
use crate::data::{Batch, Dataset};
use crate::nn::Embedder;
use crate::train::TrainError;
use crate::train::backprop;
use crate::train::config::TrainConfig;
use crate::train::ema::Ema;
use crate::train::event::LossParts;
use crate::train::objective::{Labels, Objective};
use crate::train::observe::{self, Look, Observation};
use crate::train::optimizer::{Optimizer, clip_scale, gradient_norm};
use crate::train::schedule::Curve;

/// What a step found out.
pub(super) struct StepResult {
    pub(super) loss: LossParts,
    pub(super) gradient_norm: f64,
    pub(super) rate: f64,
    pub(super) seen: Option<Observation>,
    pub(super) loading: Loading,
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
        batch: &Batch,
        size: usize,
        following: Option<&Vec<usize>>,
        epoch: usize,
        place: usize,
    ) -> (Result<Option<StepResult>, TrainError>, Option<Batch>) {
        let (config, loader, rate) = (self.config.clone(), &self.loaders[&size], self.rate());
        let mut prepared: Option<(Batch, f64)> = None;
        let mut done = Instant::now();
        let slot = &mut prepared;
        let (embedder, optimizer, ema) = (&self.embedder, &mut self.optimizer, &mut self.ema);
        let (device, step) = (&self.device, self.state.position.step);
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
                    *slot = Some((batch, begun.elapsed().as_secs_f64()));
                });
            }
            let result = step_on(embedder, optimizer, ema, batch, &config, rate, device, looking);
            done = Instant::now();
            result
        });
        let mut loading = Loading::default();
        if let Some((batch, seconds)) = &prepared {
            loading.images_per_second = batch.len() as f64 / seconds.max(1e-9);
            loading.waited_seconds = done.elapsed().as_secs_f64();
        }
        let prepared = prepared.map(|(batch, _)| batch);
        let result = match result {
            Ok(StepOutcome::Done(result)) => Ok(Some(StepResult { loading, ..*result })),
            Ok(StepOutcome::Skipped) => Ok(None),
            Ok(StepOutcome::NotFinite) => Err(self.not_finite(batch)),
            Err(error) => Err(error),
        };
        (result, prepared)
    }

    /// Of the next step.
    fn rate(&self) -> f64 {
        let share = if self.schedule.curve == Curve::Plateau { self.state.plateau.share } else { 1.0 };
        share * self.schedule.rate(self.state.position.step)
    }

    fn not_finite(&self, batch: &Batch) -> TrainError {
        TrainError::NotFinite {
            step: self.state.position.step + 1,
            good_step: self.saved_step.unwrap_or_default(),
            photos: batch.items.iter().map(|&item| self.dataset.items[item].photo.to_string()).collect(),
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

#[allow(clippy::too_many_arguments)]
fn step_on(
    embedder: &Embedder,
    optimizer: &mut Optimizer,
    ema: &mut Option<Ema>,
    batch: &Batch,
    config: &TrainConfig,
    rate: f64,
    device: &Device,
    looking: Option<(usize, &Dataset)>,
) -> Result<StepOutcome, TrainError> {
    if batch.len() < 2 {
        return Ok(StepOutcome::Skipped);
    }
    let side = batch.size as usize;
    let x = Tensor::from_slice(&batch.images, (batch.len(), 3, side, side), device)?;
    let kinds: Vec<Option<usize>> = batch.kinds.iter().copied().map(Some).collect();
    embedder.at_step(optimizer.steps());
    let forward = || backprop::forward(embedder, &x, &kinds, config.optimizer.backprop());
    let (pass, mut look) = match looking {
        Some(_) => {
            let (pass, look) = Look::forward(forward);
            (pass?, Some(look))
        }
        None => (forward()?, None),
    };
    let labels = Labels { products: &batch.products, kinds: &kinds, domains: &batch.domains };
    let objective = Objective::of(pass.output(), &labels, config)?;
    let global = pass.output().global.detach();
    let gradients = pass.backward(&objective.total)?;
    let loss = objective.read()?;
    let norm = gradient_norm(embedder.params.trainable(), &gradients)?;
    if !loss.total.is_finite() || !norm.is_finite() {
        return Ok(StepOutcome::NotFinite);
    }
    if let Some(look) = &mut look {
        look.before_update(&embedder.params, &gradients)?;
    }
    let scale = clip_scale(norm, config.optimizer.clip_norm);
    optimizer.step(embedder.params.trainable(), &gradients, rate, scale)?;
    if let Some(ema) = ema {
        ema.update(&embedder.params, optimizer.steps())?;
    }
    let seen = match look.zip(looking) {
        Some((look, (step, dataset))) => Some(Observation {
            health: look.after_update(step, &embedder.params)?,
            glance: observe::glance(step, batch, dataset, &global)?,
        }),
        None => None,
    };
    Ok(StepOutcome::Done(Box::new(StepResult { loss, gradient_norm: norm, rate, seen, loading: Loading::default() })))
}
