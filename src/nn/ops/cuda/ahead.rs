//! Copies to a GPU that overlap with its work. candle's one stream is to the driver each thread's own, so a copy that
//! another thread begins runs beside the step; an event orders the two.

use std::sync::{Arc, Mutex, PoisonError};

use candle_core::cuda_backend::cudarc::driver::{CudaEvent, CudaStream, DriverError, PinnedHostSlice};
use candle_core::{CudaDevice, CudaStorage, Error, Result, Tensor, bail};

use super::gpu;

/// See [`crate::nn::ops::Ahead`]. Fields are dropped in their order: the memory is freed on the dropping thread's stream
/// after that has been told to wait for the copy.
pub struct Ahead {
    copied: Copied,
    tensor: Tensor,
}

/// The end of a copy. Whatever its owner's thread does on the device after this is dropped comes after it.
struct Copied {
    event: Arc<CudaEvent>,
    stream: Arc<CudaStream>,
}

impl Copied {
    fn wait(&self) -> std::result::Result<(), DriverError> {
        self.stream.wait(&self.event)
    }
}

impl Drop for Copied {
    fn drop(&mut self) {
        // Fails only on a device that is lost, where nothing is copied any more.
        let _ = self.wait();
    }
}

impl Ahead {
    pub fn arrive(self) -> Result<Tensor> {
        let Self { copied, tensor } = self;
        copied.wait().map_err(Error::wrap)?;
        Ok(tensor)
    }
}

/// Page-locked memory, and the last copy from it.
struct Pinned {
    memory: PinnedHostSlice<f32>,
    copied: Option<Arc<CudaEvent>>,
}

impl Drop for Pinned {
    fn drop(&mut self) {
        if let Some(copied) = &self.copied {
            // cudarc's own event is not recorded without its tracking. On a lost device nothing is copied any more.
            let _ = copied.synchronize();
        }
    }
}

/// Kept between copies: locking pages takes longer than a copy. One is being copied from, one being written, and one is
/// of a size that may come again.
const KEPT: usize = 3;
static KEPT_MEMORY: Mutex<Vec<Pinned>> = Mutex::new(Vec::new());

fn kept() -> std::sync::MutexGuard<'static, Vec<Pinned>> {
    // A list is whole whatever panicked beside it.
    KEPT_MEMORY.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Memory of that many values from which nothing is being copied.
fn pinned(stream: &CudaStream, len: usize) -> Result<Pinned> {
    let fits = |kept: &Pinned| {
        let idle = kept.copied.as_ref().is_none_or(|copied| copied.is_complete());
        kept.memory.len() == len && kept.memory.context() == stream.context() && idle
    };
    let mut all = kept();
    if let Some(place) = all.iter().position(fits) {
        return Ok(all.swap_remove(place));
    }
    drop(all);
    // SAFETY: the caller writes all of it before anything reads it, and every bit pattern is a number.
    let memory = unsafe { stream.context().alloc_pinned_with_flags::<f32>(len, 0) }.map_err(Error::wrap)?;
    Ok(Pinned { memory, copied: None })
}

/// As [`crate::nn::ops::send_ahead`].
pub fn send_ahead(values: &[f32], shape: &[usize], device: &CudaDevice) -> Result<Ahead> {
    if values.len() != shape.iter().product::<usize>() {
        bail!("{} values do not fill {shape:?}", values.len())
    }
    let stream = device.cuda_stream();
    let mut from = pinned(&stream, values.len())?;
    from.memory.as_mut_slice().map_err(Error::wrap)?.copy_from_slice(values);
    // SAFETY: the copy below writes all of it, and `Ahead` lets nobody read or free it before that.
    let mut there = unsafe { device.alloc::<f32>(values.len())? };
    stream.memcpy_htod(&from.memory, &mut there).map_err(Error::wrap)?;
    let event = match stream.record_event(None) {
        Ok(event) => Arc::new(event),
        Err(error) => {
            // Without an event only waiting tells that the memory may go.
            let _ = stream.synchronize();
            return Err(Error::wrap(error));
        }
    };
    from.copied = Some(Arc::clone(&event));
    let mut all = kept();
    all.push(from);
    let oldest = if all.len() > KEPT { Some(all.remove(0)) } else { None };
    drop(all);
    drop(oldest);
    let tensor = gpu::tensor(CudaStorage::wrap_cuda_slice(there, device.clone()), shape);
    Ok(Ahead { copied: Copied { event, stream }, tensor })
}
