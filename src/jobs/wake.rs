//! Wakes the window, at most 30 times a second: a repaint per training step would keep it from doing anything else.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

/// The window's way to be told that there is something new.
pub type WakeCallback = Arc<dyn Fn() + Send + Sync>;

const PAUSE: Duration = Duration::from_millis(33);

#[derive(Default)]
struct State {
    asked: bool,
    closed: bool,
}

/// Asks for a wake-up. The first comes at once; those within the pause after it become one at the pause's end, so the
/// last thing that happened is never slept through.
#[derive(Clone, Default)]
pub struct Wake(Arc<(Mutex<State>, Condvar)>);

impl Wake {
    /// Starts the thread that calls back.
    pub fn start(callback: WakeCallback) -> io::Result<(Self, JoinHandle<()>)> {
        let wake = Self::default();
        let own = wake.clone();
        let thread = Builder::new().name("wake".to_owned()).spawn(move || own.run(&callback))?;
        Ok((wake, thread))
    }

    pub fn ask(&self) {
        let mut state = self.state();
        if !state.asked {
            state.asked = true;
            self.0.1.notify_all();
        }
    }

    /// Ends the thread without another call.
    pub fn close(&self) {
        self.state().closed = true;
        self.0.1.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, callback: &WakeCallback) {
        let changed = &self.0.1;
        loop {
            let mut state = changed
                .wait_while(self.state(), |state| !state.asked && !state.closed)
                .unwrap_or_else(PoisonError::into_inner);
            if state.closed {
                return;
            }
            state.asked = false;
            drop(state);
            callback();
            let rested = changed.wait_timeout_while(self.state(), PAUSE, |state| !state.closed);
            drop(rested.unwrap_or_else(PoisonError::into_inner));
        }
    }
}
