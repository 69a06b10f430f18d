//! Lists and numbers of a step between a thread and its own stream of a GPU's work, neither waiting for the other.

use std::sync::Arc;

use candle_core::cuda_backend::cudarc::driver::{CudaEvent, CudaSlice, DeviceRepr};
use candle_core::{CudaDevice, CudaStorage, Error, Result, Storage, Tensor, bail};

use super::gpu;
use super::pinned::{self, Pinned, Pool};

/// As many as two steps have on their way.
static WORDS: Pool<u64> = Pool::keeping(96);

/// Copies words of 64 bits to the device, as values of that size. What this thread asks of it next finds them there,
/// and zeros behind them.
pub fn send<T: DeviceRepr>(words: impl ExactSizeIterator<Item = u64>, device: &CudaDevice) -> Result<CudaSlice<T>> {
    let stream = device.cuda_stream();
    // Few sizes, so that memory of the wanted one is likely to be there.
    let room = words.len().next_power_of_two().max(64);
    let mut from = WORDS.take(&stream, room)?;
    let memory = from.memory.as_mut_slice().map_err(Error::wrap)?;
    memory[words.len()..].fill(0);
    memory.iter_mut().zip(words).for_each(|(to, word)| *to = word);
    // SAFETY: the copy writes all of it, in the order of this thread's work.
    let mut there = unsafe { device.alloc::<T>(room)? };
    // SAFETY: the view is as large as what it is a view of, or there is none.
    let Some(mut to) = (unsafe { there.transmute_mut::<u64>(room) }) else { bail!("words of less than 64 bits") };
    stream.memcpy_htod(&from.memory, &mut to).map_err(Error::wrap)?;
    WORDS.give(from, pinned::event(&stream)?);
    Ok(there)
}

/// As [`crate::nn::ops::send`], side by side.
pub fn send_numbers(values: &[f64], device: &CudaDevice) -> Result<Tensor> {
    let there = send::<f64>(values.iter().map(|value| value.to_bits()), device)?;
    let room = there.len();
    gpu::tensor(CudaStorage::wrap_cuda_slice(there, device.clone()), room).narrow(0, 0, values.len())
}

/// See [`crate::nn::ops::Later`].
pub struct Later {
    memory: Option<Pinned<u64>>,
    copied: Arc<CudaEvent>,
}

impl Later {
    /// Of contiguous `values [n]` in 64 bits.
    pub fn of(values: &Tensor) -> Result<Self> {
        let device = gpu::device(values)?.clone();
        let (storage, layout) = values.storage_and_layout();
        let (Storage::Cuda(storage), Some((from, to))) = (&*storage, layout.contiguous_offsets()) else {
            bail!("numbers that are read later lie side by side on a GPU")
        };
        let stream = device.cuda_stream();
        let numbers = storage.as_cuda_slice::<f64>()?.slice(from..to);
        // The driver copies as much as the target holds.
        let mut memory = WORDS.take(&stream, to - from)?;
        // SAFETY: as many numbers of 64 bits, of which every pattern is a word.
        let Some(words) = (unsafe { numbers.transmute::<u64>(to - from) }) else { bail!("too few numbers") };
        stream.memcpy_dtoh(&words, &mut memory.memory).map_err(Error::wrap)?;
        Ok(Self { memory: Some(memory), copied: pinned::event(&stream)? })
    }

    pub fn wait(&self) -> Result<Vec<f64>> {
        self.copied.synchronize().map_err(Error::wrap)?;
        let Some(pinned) = &self.memory else { return Ok(Vec::new()) };
        let words = pinned.memory.as_slice().map_err(Error::wrap)?;
        Ok(words.iter().copied().map(f64::from_bits).collect())
    }
}

impl Drop for Later {
    fn drop(&mut self) {
        if let Some(memory) = self.memory.take() {
            WORDS.give(memory, Arc::clone(&self.copied));
        }
    }
}
