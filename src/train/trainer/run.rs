//! Epochs and steps, and what is said about them.

use std::cell::Cell;
use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use super::Trainer;
use super::pace::Pace;
use super::settle::Begun;
use crate::domain::StopFlag;
use crate::nn::device;
use crate::train::TrainError;
use crate::train::config::Chosen;
use crate::train::event::{Outcome, TrainEvent};
use crate::train::inputs::{kinds_without_a_pair, training_items};
use crate::train::record::{self, DataRecord, Sitting};
use crate::train::run_folder::{self, Diary};

/// A shorter stay with whoever listens is not written down.
const HELD: Duration = Duration::from_secs(1);

impl Trainer {
    /// Trains until the recipe is done or the flag is set, at the latest one step after it was.
    pub fn run(&mut self, stop: &StopFlag, sink: &mut dyn FnMut(TrainEvent)) -> Result<Outcome, TrainError> {
        if self.saved_step.is_none() {
            run_folder::begin(&self.run, &self.config)?;
        }
        let sitting = Sitting::now(&self.info.created, self.state.position.step, &self.device);
        let data = DataRecord::of(&self.info.data, &self.dataset);
        let changed = record::sit_down(&self.run, &self.info.command, data, sitting)?;
        let mut diary = Diary::open(&self.run);
        let held = Cell::new(Duration::ZERO);
        let mut tell = |event: TrainEvent| {
            let trouble = diary.write(&event);
            let told = Instant::now();
            sink(event);
            let away = told.elapsed();
            held.set(held.get() + away);
            if away >= HELD {
                // For whoever reads the times of the diary.
                diary.write(&TrainEvent::Held { seconds: away.as_secs_f64() });
            }
            if let Some(text) = trouble {
                sink(TrainEvent::Note { text });
            }
        };
        let begun = Instant::now();
        let before = self.state.seconds;
        let worked = || before + begun.elapsed().saturating_sub(held.get()).as_secs_f64();
        tell(self.started());
        for text in self.warnings(changed) {
            tell(TrainEvent::Note { text });
        }
        if self.saved_step.is_none() {
            // Finds a disk that cannot be written before the work is done, not after.
            self.save(&mut tell)?;
        }
        self.pack_photos(stop, &mut tell);
        let mut pace = Pace::default();
        if self.state.unmeasured && !stop.is_stopped() {
            self.measure_epoch(stop, &mut tell)?;
        }
        while self.goes_on() && !stop.is_stopped() {
            let complete = self.epoch(stop, &mut pace, &mut tell)?;
            self.state.seconds = worked();
            if complete {
                self.close_epoch(stop, &mut tell)?;
            }
        }
        self.state.seconds = worked();
        if self.saved_step != Some(self.state.position.step) {
            self.save(&mut tell)?;
        }
        let finished = !self.goes_on() && !self.state.unmeasured;
        let last = self.run.join("last");
        let best = self.state.best_step.map(|_| self.run.join("best"));
        tell(TrainEvent::Ended { step: self.state.position.step, finished, seconds: self.state.seconds });
        Ok(Outcome {
            finished,
            step: self.state.position.step,
            steps: self.steps(),
            model: best.filter(|_| self.config.run.result == Chosen::Best).unwrap_or_else(|| last.clone()),
            last,
            validation: self.state.validation.clone(),
            skipped: self.skipped(),
            seconds: self.state.seconds,
        })
    }

    /// What a person should know before the first step.
    fn warnings(&self, data_changed: bool) -> Vec<String> {
        let among = training_items(&self.dataset, self.config.data.label_fraction, self.config.seed);
        let mut said: Vec<String> = self.anew.iter().cloned().collect();
        let lonely = kinds_without_a_pair(&self.dataset, &among);
        if !lonely.is_empty() {
            said.push(format!(
                "no product of these kinds has both a street and a shop photo, so nothing is learnt about matching them: {}",
                lonely.join(", ")
            ));
        }
        if data_changed {
            said.push("the photos or their labels have changed since this run began".to_owned());
        }
        said
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
        let batches = self.dealer.epoch(epoch as u64);
        let first = self.state.position.batch;
        let mut next = batches.get(first).map(|items| self.prepare(size, items, epoch, first));
        let mut begun = VecDeque::new();
        pace.begin();
        while let Some(mut ready) = next.take() {
            if stop.is_stopped() {
                self.settle(&mut begun, 0, (pace, batches.len()), tell)?;
                return Ok(false);
            }
            let place = self.state.position.batch;
            let following = batches.get(place + 1);
            let (result, prepared) = self.step_beside(&mut ready, size, following, epoch, place + 1);
            let found = match result {
                Ok(found) => found,
                Err(error) => {
                    // It may be what came of a step that was not finite, which then is what is wrong.
                    self.settle(&mut begun, 0, (pace, batches.len()), tell)?;
                    return Err(error);
                }
            };
            next = prepared;
            self.state.position.batch += 1;
            self.state.position.step += 1;
            let (step, batch, items) = (self.state.position.step, self.state.position.batch, ready.batch.items);
            begun.push_back(Begun { step, batch, items, size, found });
            self.settle(&mut begun, self.behind, (pace, batches.len()), tell)?;
        }
        self.settle(&mut begun, 0, (pace, batches.len()), tell)?;
        Ok(true)
    }

    pub(super) fn said_of_parts(&self, parts: usize) -> String {
        let norms = if self.config.optimizer.freeze_norms { "" } else { ", where norms see a part at a time" };
        format!(
            "the device's memory does not hold a whole batch, so each passes in {parts} parts from now on{norms}; \
             optimizer.accumulate = {parts} does so from the start"
        )
    }

    /// Closes the present epoch, then measures, reports and saves as the recipe says.
    fn close_epoch(&mut self, stop: &StopFlag, tell: &mut dyn FnMut(TrainEvent)) -> Result<(), TrainError> {
        // From here on the mean, until it is told.
        self.state.epoch_sum = self.state.epoch_sum.divided(self.state.position.batch);
        self.state.position.epoch += 1;
        self.state.position.batch = 0;
        for (path, reason) in self.skipped() {
            if self.told_skipped.insert(path.clone()) {
                tell(TrainEvent::Skipped { path, reason });
            }
        }
        let (epoch, every) = (self.state.position.epoch, self.config.run.validate_epochs);
        // The embedding learns nothing from a pretext task, so there is nothing to search with yet.
        let measures = every > 0 && !self.config.pretext.is_on();
        self.state.unmeasured = measures && (epoch == self.config.schedule.epochs || epoch.is_multiple_of(every));
        self.measure_epoch(stop, tell)
    }

    /// The second half of [`Self::close_epoch`], which a stop may put off to the next sitting.
    fn measure_epoch(&mut self, stop: &StopFlag, tell: &mut dyn FnMut(TrainEvent)) -> Result<(), TrainError> {
        let (epoch, step, run) = (self.state.position.epoch, self.state.position.step, self.config.run.clone());
        let mut better = false;
        let mut validation = None;
        if let Some(probe) = self.probe(epoch, stop)? {
            tell(TrainEvent::Probe { epoch, step, probe });
        }
        if self.state.unmeasured {
            validation = self.validate(stop)?;
            if validation.is_none() && stop.is_stopped() {
                return Ok(());
            }
            self.state.unmeasured = false;
        }
        if let Some(scores) = &validation {
            let (patience, factor) = (self.config.schedule.patience, self.config.schedule.factor);
            better = self.state.plateau.take(run.metric.of(scores), patience, factor);
            self.state.validation = Some(scores.clone());
            self.state.ended_early = run.early_stop > 0 && self.state.plateau.since_best >= run.early_stop;
        }
        let (loss, seconds) = (std::mem::take(&mut self.state.epoch_sum), self.state.seconds);
        tell(TrainEvent::Epoch { epoch, step, loss, seconds, validation });
        if self.state.ended_early {
            let text = format!("the run ends, for nothing became better in {} measurements", run.early_stop);
            tell(TrainEvent::Note { text });
        }
        let best_before = self.state.best_step;
        if better && run.keep_best {
            self.state.best_step = Some(step);
        }
        if !self.goes_on() {
            return self.save(tell);
        }
        if (epoch.is_multiple_of(run.checkpoint_epochs) || self.state.best_step == Some(step))
            && let Err(error) = self.save(tell)
        {
            // The next one may find room again, and the one before is whole.
            self.state.best_step = best_before;
            tell(TrainEvent::Note { text: error.to_string() });
        }
        Ok(())
    }

    /// Whether the recipe has more epochs to come.
    fn goes_on(&self) -> bool {
        self.state.position.epoch < self.config.schedule.epochs && !self.state.ended_early
    }
}
