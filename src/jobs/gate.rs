//! Lets the trainer wait while a search is in flight, so that a person never waits for a training step to end twice.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::domain::StopFlag;

/// Counts the searches that were asked for and are not yet answered.
#[derive(Clone, Default)]
pub struct Gate(Arc<(Mutex<usize>, Condvar)>);

/// One search in flight, from the asking to the answer or the dropping.
pub struct Passage(Gate);

impl Gate {
    pub fn enter(&self) -> Passage {
        *self.count() += 1;
        Passage(self.clone())
    }

    pub fn is_busy(&self) -> bool {
        *self.count() > 0
    }

    /// Returns once no search is in flight, or the flag is set.
    pub fn wait_until_free(&self, stop: &StopFlag) {
        let mut count = self.count();
        while *count > 0 && !stop.is_stopped() {
            // A flag cannot wake anyone, so it is looked at now and then.
            let waited = self.0.1.wait_timeout(count, Duration::from_millis(50));
            count = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn count(&self) -> MutexGuard<'_, usize> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Passage {
    fn drop(&mut self) {
        *self.0.count() -= 1;
        self.0.0.1.notify_all();
    }
}
