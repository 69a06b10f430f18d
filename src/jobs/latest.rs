//! The newest value of something, for readers that only care about that.

use std::sync::{Arc, Mutex, PoisonError};

/// Shared by a worker that sets it and a window that reads it. Values in between are lost on purpose.
#[derive(Debug, Default)]
pub struct Latest<T>(Arc<Mutex<T>>);

impl<T> Clone for Latest<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: Clone> Latest<T> {
    pub fn new(value: T) -> Self {
        Self(Arc::new(Mutex::new(value)))
    }

    pub fn get(&self) -> T {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn set(&self, value: T) {
        self.update(|held| *held = value);
    }

    pub fn update(&self, change: impl FnOnce(&mut T)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
