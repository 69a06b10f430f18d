//! Steps of an optimizer for parameters that lie on a device other than the CPU.

use candle_core::{Result, Tensor, Var, bail};

/// What one step does to one parameter. Each element is computed in 64 bits and rounded once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Update {
    /// `v = momentum v + scale g + decay w; w -= rate v`; one moment, v.
    Sgd { momentum: f64, rate: f64, decay: f64, scale: f64 },
    /// `m = beta1 m + (1 - beta1) scale g`, `v` alike of the square, `w = keep w - size m / (sqrt(v) / root + epsilon)`;
    /// two moments, m and v. `keep` is 1 - rate decay, `size` is rate / (1 - beta1^t), `root` is sqrt(1 - beta2^t).
    AdamW { beta1: f64, beta2: f64, epsilon: f64, keep: f64, size: f64, root: f64, scale: f64 },
}

/// Changes a parameter and its moments in place on their device, without waiting for it. The moments are contiguous,
/// shared with nobody, and of the parameter's type and size.
pub fn update_on_device(weight: &Var, gradient: &Tensor, moments: &[Tensor], update: Update) -> Result<()> {
    let fits = |t: &Tensor| t.elem_count() == weight.elem_count() && t.device().same_device(weight.device());
    if !fits(gradient) || !moments.iter().all(|m| fits(m) && m.dtype() == weight.dtype() && m.is_contiguous()) {
        bail!("a parameter of shape {:?} has moments or a gradient of another shape, type or device", weight.shape())
    }
    if !weight.is_contiguous() {
        bail!("an optimizer step needs contiguous tensors")
    }
    #[cfg(feature = "cuda")]
    if weight.device().is_cuda() {
        return super::cuda::update(weight, gradient, moments, update);
    }
    bail!("{update:?} runs on CUDA only; the parameter lies on {:?}", weight.device().location())
}

/// The sum of the squares of many tensors together, in a fixed order and in 64 bits. On CUDA the device is asked once.
pub fn sum_of_squares(tensors: &[Tensor]) -> Result<f64> {
    #[cfg(feature = "cuda")]
    if tensors.first().is_some_and(|t| t.device().is_cuda()) {
        return super::cuda::sum_of_squares(tensors);
    }
    let mut total = 0.0;
    for tensor in tensors {
        let values: Vec<f64> = tensor.to_dtype(candle_core::DType::F64)?.flatten_all()?.to_vec1()?;
        total += values.iter().map(|v| v * v).sum::<f64>();
    }
    Ok(total)
}
