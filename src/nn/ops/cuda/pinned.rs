//! Page-locked memory, from and to which a GPU copies in its own time.

use std::sync::{Arc, Mutex, PoisonError};

use candle_core::cuda_backend::cudarc::driver::{CudaEvent, CudaStream, DeviceRepr, PinnedHostSlice, ValidAsZeroBits};
use candle_core::{Error, Result};

/// Page-locked memory, and the last copy from or to it.
pub struct Pinned<T> {
    pub memory: PinnedHostSlice<T>,
    copied: Option<Arc<CudaEvent>>,
}

impl<T> Pinned<T> {
    fn is_idle(&self) -> bool {
        self.copied.as_ref().is_none_or(|copied| copied.is_complete())
    }
}

impl<T> Drop for Pinned<T> {
    fn drop(&mut self) {
        if let Some(copied) = &self.copied {
            // cudarc's own event is not recorded without its tracking. On a lost device nothing is copied any more.
            let _ = copied.synchronize();
        }
    }
}

/// Memory kept between copies, for locking pages takes longer than a copy.
pub struct Pool<T> {
    kept: Mutex<Vec<Pinned<T>>>,
    /// Pieces beyond which idle ones are given back.
    most: usize,
}

impl<T: DeviceRepr + ValidAsZeroBits> Pool<T> {
    pub const fn keeping(most: usize) -> Self {
        Self { kept: Mutex::new(Vec::new()), most }
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Vec<Pinned<T>>> {
        // A list is whole whatever panicked beside it.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Memory of that many values that nothing is copied from or to.
    pub fn take(&self, stream: &CudaStream, len: usize) -> Result<Pinned<T>> {
        let fits =
            |kept: &Pinned<T>| kept.memory.len() == len && kept.memory.context() == stream.context() && kept.is_idle();
        let mut all = self.kept();
        if let Some(place) = all.iter().position(fits) {
            return Ok(all.swap_remove(place));
        }
        drop(all);
        // SAFETY: the caller or a copy writes all of it before anything reads it, and every bit pattern is a number.
        let memory = unsafe { stream.context().alloc_pinned_with_flags::<T>(len, 0) }.map_err(Error::wrap)?;
        Ok(Pinned { memory, copied: None })
    }

    /// Takes memory back, which is being copied from or to until the event.
    pub fn give(&self, mut pinned: Pinned<T>, copied: Arc<CudaEvent>) {
        pinned.copied = Some(copied);
        let mut all = self.kept();
        all.push(pinned);
        // One that is busy would have to be waited for.
        let spare = if all.len() > self.most { all.iter().position(Pinned::is_idle) } else { None };
        let spare = spare.map(|place| all.remove(place));
        drop(all);
        drop(spare);
    }
}

/// An event after all that this thread has asked of the device, or the wait that is all there is without one.
pub fn event(stream: &Arc<CudaStream>) -> Result<Arc<CudaEvent>> {
    stream.record_event(None).map(Arc::new).map_err(|error| {
        let _ = stream.synchronize();
        Error::wrap(error)
    })
}
