//! Numbers between a thread and the device that works for it, without one waiting for the other.

#[cfg(feature = "cuda")]
use super::cuda;
use candle_core::{Device, Result, Tensor};

/// Numbers that a device may still be computing when they are asked for, such as the loss of a step that has only been
/// begun. On the CPU they are there at once.
pub struct Later(Numbers);

enum Numbers {
    Here(Vec<f64>),
    #[cfg(feature = "cuda")]
    There(cuda::Later),
}

impl Later {
    /// Of `values [n]`, which are copied in the order of the device's work and may change or go once this returns.
    pub fn of(values: &Tensor) -> Result<Self> {
        let values = values.detach().to_dtype(candle_core::DType::F64)?.contiguous()?;
        #[cfg(feature = "cuda")]
        if values.device().is_cuda() {
            return cuda::Later::of(&values).map(|later| Self(Numbers::There(later)));
        }
        Ok(Self(Numbers::Here(values.to_vec1()?)))
    }

    /// The numbers, once they are there. An error of the device's earlier work may come to light here.
    pub fn wait(&self) -> Result<Vec<f64>> {
        match &self.0 {
            Numbers::Here(values) => Ok(values.clone()),
            #[cfg(feature = "cuda")]
            Numbers::There(later) => later.wait(),
        }
    }
}

/// A tensor of these numbers in 64 bits, for this thread's work on the device. On CUDA they are copied from page-locked
/// memory: a copy of other memory, such as candle's own, the driver may hold back until the device's work is done.
pub fn send(values: Vec<f64>, shape: &[usize], device: &Device) -> Result<Tensor> {
    #[cfg(feature = "cuda")]
    if let Device::Cuda(cuda) = device
        && !values.is_empty()
    {
        return cuda::send_numbers(&values, cuda)?.reshape(shape);
    }
    Tensor::from_vec(values, shape, device)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_on_the_cpu_are_there_at_once_and_stay_as_they_were() {
        let values = Tensor::new(&[0.1_f32, f32::NAN, -3.0], &Device::Cpu).unwrap();
        let later = Later::of(&values).unwrap();
        values.zero_set().unwrap();
        let got = later.wait().unwrap();
        assert_eq!((got[0], got[2], got.len()), (f64::from(0.1_f32), -3.0, 3));
        assert!(got[1].is_nan() && later.wait().unwrap()[1].is_nan());
        // A view, and a graph that is not kept.
        let every_other =
            Tensor::new(&[[1.0_f64, 2.0], [3.0, 4.0]], &Device::Cpu).unwrap().t().unwrap().get(1).unwrap();
        assert_eq!(Later::of(&every_other).unwrap().wait().unwrap(), [2.0, 4.0]);
    }

    #[test]
    fn numbers_that_are_sent_keep_their_bits_and_shape() {
        let values = vec![0.1, -0.0, f64::MAX, 5e-324, 7.0, 8.0];
        let there = send(values.clone(), &[2, 3], &Device::Cpu).unwrap();
        assert_eq!(there.dims(), [2, 3]);
        assert_eq!(there.flatten_all().unwrap().to_vec1::<f64>().unwrap(), values);
        assert_eq!(send(Vec::new(), &[0, 4], &Device::Cpu).unwrap().elem_count(), 0);
    }
}
