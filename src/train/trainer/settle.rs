//! What steps found out: read once the device has it, told, and the end of the run where it is not finite.
//!
//! On the CPU a step's numbers are there before its weights move. On another device the next step is asked for first, so
//! that the device always has work, and the numbers are read while it computes that one. Until they have been read a step
//! is not known to be good: before anything is measured or written, and at a stop, all of them are.

use std::collections::VecDeque;

use super::Trainer;
use super::pace::Pace;
use super::step::StepResult;
use crate::train::TrainError;
use crate::train::event::TrainEvent;

/// A step that was asked of the device.
pub(super) struct Begun {
    /// Counted from 1.
    pub(super) step: usize,
    /// Batches of the epoch that were done with it.
    pub(super) batch: usize,
    pub(super) items: Vec<usize>,
    /// Of its pictures.
    pub(super) size: usize,
    /// Nothing where its photos cannot be read.
    pub(super) found: Option<StepResult>,
}

impl Trainer {
    /// Reads and tells the numbers of all these steps but the last `behind`, waiting for them where it must.
    pub(super) fn settle(
        &mut self,
        begun: &mut VecDeque<Begun>,
        behind: usize,
        (pace, steps_per_epoch): (&mut Pace, usize),
        tell: &mut dyn FnMut(TrainEvent),
    ) -> Result<(), TrainError> {
        while begun.len() > behind {
            let Some(Begun { step, batch, items, size, found }) = begun.pop_front() else { break };
            let Some(found) = found else {
                tell(TrainEvent::Note { text: format!("step {step} was left out: its photos cannot be read") });
                pace.begin();
                continue;
            };
            let measured = match found.numbers.read() {
                Ok(measured) if measured.is_finite() => measured,
                Ok(_) => return Err(self.not_finite(step, &items)),
                Err(error) => return Err(self.explained(error, step, items.len(), size as u32)),
            };
            if let Some(parts) = found.cut {
                tell(TrainEvent::Note { text: self.said_of_parts(parts) });
            }
            self.state.epoch_sum.add(&measured.loss);
            tell(self.step_event((step, batch), &found, measured, (items.len(), size), steps_per_epoch, pace));
            if let Some(seen) = found.seen {
                tell(TrainEvent::Health(seen.health));
                tell(TrainEvent::Glance(std::sync::Arc::new(seen.glance)));
            }
            pace.begin();
        }
        Ok(())
    }
}
