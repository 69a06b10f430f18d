//! How fast a run goes and how long it still takes.

use std::time::Instant;

use super::Trainer;
use super::step::StepResult;
use crate::train::event::TrainEvent;
use crate::train::objective::Measured;

/// Speed, in the unit of one image of the recipe's small size.
pub(super) struct Pace {
    /// Images of the small size in a second, smoothed.
    work_per_second: f64,
    /// When the step that is told next began, or the one before it was told.
    begun: Instant,
}

impl Default for Pace {
    fn default() -> Self {
        Self { work_per_second: 0.0, begun: Instant::now() }
    }
}

impl Pace {
    /// What comes now is time of the next step.
    pub(super) fn begin(&mut self) {
        self.begun = Instant::now();
    }
}

impl Trainer {
    /// Of step number `step` (counted from 1), which was the epoch's `batch`-th, over so many images of that size.
    pub(super) fn step_event(
        &self,
        (step, batch): (usize, usize),
        found: &StepResult,
        measured: Measured,
        (images, size): (usize, usize),
        steps_per_epoch: usize,
        pace: &mut Pace,
    ) -> TrainEvent {
        let seconds = pace.begun.elapsed().as_secs_f64();
        let relative = |side: usize| (side * side) as f64 / (self.config.data.train_size.pow(2)) as f64;
        let work = images as f64 * relative(size);
        let now = work / seconds.max(1e-9);
        pace.work_per_second = if pace.work_per_second > 0.0 { 0.9 * pace.work_per_second + 0.1 * now } else { now };
        let per_step = (self.config.data.products * self.config.data.photos) as f64;
        let left: f64 = (self.state.position.epoch..self.config.schedule.epochs)
            .map(|epoch| {
                let done = if epoch == self.state.position.epoch { batch } else { 0 };
                (steps_per_epoch - done.min(steps_per_epoch)) as f64
                    * per_step
                    * relative(self.config.size_in_epoch(epoch))
            })
            .sum();
        TrainEvent::Step {
            step,
            steps: self.steps(),
            epoch: self.state.position.epoch + 1,
            loss: measured.loss,
            rate: found.rate,
            gradient_norm: measured.gradient_norm,
            images_per_second: images as f64 / seconds.max(1e-9),
            loaded_per_second: found.loading.images_per_second,
            waited_seconds: found.loading.waited_seconds,
            seconds_left: left / pace.work_per_second,
        }
    }
}
