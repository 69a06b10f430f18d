//! Copies to a GPU that overlap with its work. candle's one stream is to the driver each thread's own, so a copy that
//! another thread begins runs beside the step; an event orders the two.

use std::sync::Arc;

use candle_core::cuda_backend::cudarc::driver::{CudaEvent, CudaStream, DriverError};
use candle_core::{CudaDevice, CudaStorage, Error, Result, Tensor, bail};

use super::gpu;
use super::pinned::{self, Pool};

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

/// One is being copied from, one being written, and others are further views or of a size that may come again.
static PHOTOS: Pool<f32> = Pool::keeping(5);

/// As [`crate::nn::ops::send_ahead`].
pub fn send_ahead(values: &[f32], shape: &[usize], device: &CudaDevice) -> Result<Ahead> {
    if values.len() != shape.iter().product::<usize>() {
        bail!("{} values do not fill {shape:?}", values.len())
    }
    let stream = device.cuda_stream();
    let mut from = PHOTOS.take(&stream, values.len())?;
    from.memory.as_mut_slice().map_err(Error::wrap)?.copy_from_slice(values);
    // SAFETY: the copy below writes all of it, and `Ahead` lets nobody read or free it before that.
    let mut there = unsafe { device.alloc::<f32>(values.len())? };
    stream.memcpy_htod(&from.memory, &mut there).map_err(Error::wrap)?;
    let event = pinned::event(&stream)?;
    PHOTOS.give(from, Arc::clone(&event));
    let tensor = gpu::tensor(CudaStorage::wrap_cuda_slice(there, device.clone()), shape);
    Ok(Ahead { copied: Copied { event, stream }, tensor })
}
