//! One step: forward, backward, update, while the next batch is made on the idle cores.

use candle_core::{Device, Tensor};

use super::Trainer;
use super::batches::make_batch;
use crate::data::Batch;
use crate::nn::{Embedder, Mode};
use crate::train::TrainError;
use crate::train::config::TrainConfig;
use crate::train::ema::Ema;
use crate::train::event::LossParts;
use crate::train::objective::{Labels, Objective};
use crate::train::optimizer::{Optimizer, clip_scale, gradient_norm};

/// What a step found out.
pub(super) struct StepResult {
    pub(super) loss: LossParts,
    pub(super) gradient_norm: f64,
    pub(super) rate: f64,
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
    let kinds: Vec<Option<usize>> = batch.kinds.iter().copied().map(Some).collect();
    embedder.at_step(optimizer.steps());
    let output = embedder.forward_as(&x, Mode::Train, Some(&kinds))?;
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
