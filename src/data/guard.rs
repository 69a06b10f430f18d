//! Keeps a hostile photo from taking the program down: panics of decoders become values, and the pixels that are
//! being decoded at one moment stay within a budget.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::{Condvar, Mutex, Once, PoisonError};

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Runs a decoder; `None` where it panicked. The panic is not printed: its file is reported by whoever asked.
pub fn isolated<T>(work: impl FnOnce() -> T) -> Option<T> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |info| {
            if !QUIET.get() {
                before(info);
            }
        }));
    });
    let outer = QUIET.replace(true);
    // The decoders own all they touch; nothing half-done is seen after an unwind.
    let result = catch_unwind(AssertUnwindSafe(work)).ok();
    QUIET.set(outer);
    result
}

/// Bytes of decoded pixels that may exist at one moment over all threads.
pub struct Budget {
    limit: u64,
    used: Mutex<u64>,
    freed: Condvar,
}

/// Gives its share back when dropped.
pub struct Share<'a> {
    budget: &'a Budget,
    bytes: u64,
}

impl Budget {
    pub const fn new(limit: u64) -> Self {
        Self { limit, used: Mutex::new(0), freed: Condvar::new() }
    }

    /// Waits until this many bytes are free. A picture larger than the whole budget waits to be alone.
    ///
    /// While a share is held nothing may be given to rayon: a stolen task could ask for a share on the same stack
    /// and wait for ever.
    pub fn take(&self, bytes: u64) -> Share<'_> {
        let bytes = bytes.min(self.limit);
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        while *used + bytes > self.limit {
            used = self.freed.wait(used).unwrap_or_else(PoisonError::into_inner);
        }
        *used += bytes;
        Share { budget: self, bytes }
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        *self.budget.used.lock().unwrap_or_else(PoisonError::into_inner) -= self.bytes;
        self.budget.freed.notify_all();
    }
}

#[cfg(test)]
impl Budget {
    pub fn in_use(&self) -> u64 {
        *self.used.lock().unwrap()
    }
}

#[cfg(test)]
impl Share<'_> {
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}
