//! Batches on their way to a device while it computes the step before.

#[cfg(feature = "cuda")]
use super::cuda;
use candle_core::{Device, Result, Tensor};

/// A tensor that one thread has begun to copy to a device and another will use there.
#[cfg(feature = "cuda")]
pub struct Ahead(cuda::Ahead);

/// Nothing is sent to the only device there is.
#[cfg(not(feature = "cuda"))]
pub enum Ahead {}

/// Begins to copy values to the device from page-locked memory, and does not wait for it. `None` on the CPU, and where
/// the device has no memory for it now: a tensor that is made the plain way later says what is wrong, if anything is.
pub fn send_ahead(values: &[f32], shape: &[usize], device: &Device) -> Option<Ahead> {
    match device {
        #[cfg(feature = "cuda")]
        Device::Cuda(device) if !values.is_empty() => cuda::send_ahead(values, shape, device).ok().map(Ahead),
        _ => {
            debug_assert_eq!(values.len(), shape.iter().product::<usize>(), "as many values as the shape has");
            None
        }
    }
}

impl Ahead {
    /// The tensor, for this thread: its work on the device waits for the copy, the thread itself does not.
    pub fn arrive(self) -> Result<Tensor> {
        #[cfg(feature = "cuda")]
        return self.0.arrive();
        #[cfg(not(feature = "cuda"))]
        match self {}
    }
}
