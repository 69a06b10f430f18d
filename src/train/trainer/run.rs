//! Epochs and steps, and what is said about them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use super::Trainer;
use super::pace::Pace;
use crate::domain::StopFlag;
use crate::nn::device;
use crate::train::TrainError;
use crate::train::event::{LossParts, Outcome, TrainEvent};
use crate::train::inputs::training_items;
use crate::train::run_folder::{self, Diary};

impl Trainer {
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
                    if let Some(seen) = result.seen {
                        tell(TrainEvent::Health(seen.health));
                        tell(TrainEvent::Glance(Arc::new(seen.glance)));
                    }
                }
                None => tell(TrainEvent::Note {
                    text: format!("step {} was left out: its photos cannot be read", self.state.position.step),
                }),
            }
        }
        Ok(true)
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
}
