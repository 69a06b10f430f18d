//! Lets the trainer wait while a search is in flight, so that a person never waits for a training step to end twice.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::domain::StopFlag;

/// Counts the searches that were asked for and are not yet answered, and knows whether a person holds the trainer.
#[derive(Clone, Default)]
pub struct Gate(Arc<(Mutex<Waiting>, Condvar)>);

#[derive(Default)]
struct Waiting {
    searches: usize,
    held: bool,
}

/// One search in flight, from the asking to the answer or the dropping.
pub struct Passage(Gate);

impl Gate {
    pub fn enter(&self) -> Passage {
        self.waiting().searches += 1;
        Passage(self.clone())
    }

    pub fn is_busy(&self) -> bool {
        self.waiting().searches > 0
    }

    /// Holds the trainer between two steps until this is taken back.
    pub fn hold(&self, held: bool) {
        self.waiting().held = held;
        self.0.1.notify_all();
    }

    pub fn is_held(&self) -> bool {
        self.waiting().held
    }

    /// Returns once no search is in flight and nobody holds the trainer, or the flag is set.
    pub fn wait_until_free(&self, stop: &StopFlag) {
        while !self.wait_a_moment(stop) {}
    }

    /// Waits shortly, so that its caller can look around while it waits. True when the way is free.
    pub fn wait_a_moment(&self, stop: &StopFlag) -> bool {
        let waiting = self.waiting();
        let closed = |waiting: &Waiting| (waiting.searches > 0 || waiting.held) && !stop.is_stopped();
        if !closed(&waiting) {
            return true;
        }
        // A flag cannot wake anyone, so it is looked at now and then.
        let waited = self.0.1.wait_timeout(waiting, Duration::from_millis(50));
        !closed(&waited.unwrap_or_else(PoisonError::into_inner).0)
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Passage {
    fn drop(&mut self) {
        self.0.waiting().searches -= 1;
        self.0.0.1.notify_all();
    }
}
