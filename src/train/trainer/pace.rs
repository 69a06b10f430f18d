//! How fast a run goes and how long it still takes.

use super::Trainer;
use super::step::StepResult;
use crate::train::event::TrainEvent;

/// Speed, in the unit of one image of the recipe's small size.
#[derive(Default)]
pub(super) struct Pace {
    /// Images of the small size in a second, smoothed.
    work_per_second: f64,
}

impl Trainer {
    pub(super) fn step_event(
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
            loaded_per_second: result.loading.images_per_second,
            waited_seconds: result.loading.waited_seconds,
            seconds_left: left / pace.work_per_second,
        }
    }
}
