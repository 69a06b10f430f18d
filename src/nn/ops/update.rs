//! Steps of an optimizer for parameters that lie on a device other than the CPU.

use candle_core::{Result, Tensor, Var, bail};

/// How one step moves all parameters. Each element is computed in 64 bits and rounded once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Update {
    /// `v = momentum v + scale g + decay w; w -= rate v`; one moment, v.
    Sgd { momentum: f64 },
    /// `m = beta1 m + (1 - beta1) scale g`, `v` alike of the square,
    /// `w = (1 - rate decay) w - rate / unbias m / (sqrt(v) / root + epsilon)`; two moments, m and v. `unbias` is
    /// 1 - beta1^t, `root` is sqrt(1 - beta2^t).
    AdamW { beta1: f64, beta2: f64, epsilon: f64, unbias: f64, root: f64 },
}

/// What a step multiplies all gradients with.
#[derive(Clone, Debug)]
pub enum Scale {
    Here(f64),
    /// `[1]` in 64 bits, on the parameters' device, which alone knows it yet.
    There(Tensor),
}

impl From<f64> for Scale {
    fn from(scale: f64) -> Self {
        Self::Here(scale)
    }
}

impl Scale {
    /// The number, for which a device may have to be waited for.
    pub fn here(&self) -> Result<f64> {
        match self {
            Self::Here(scale) => Ok(*scale),
            Self::There(scale) => Ok(super::Later::of(scale)?.wait()?[0]),
        }
    }
}

/// One parameter of a step.
pub struct Moved {
    pub weight: Tensor,
    pub gradient: Tensor,
    /// Contiguous, shared with nobody, and of the parameter's type and size.
    pub moments: Vec<Tensor>,
    pub rate: f64,
    pub decay: f64,
    /// What LARS trusts the step with: gradient and decay are first multiplied with so many lengths of the weights over
    /// the length of both together. 0 where they are not.
    pub trust: f64,
}

impl Moved {
    pub fn new(weight: &Var, gradient: &Tensor, moments: Vec<Tensor>) -> Result<Self> {
        let fits = |t: &Tensor| t.elem_count() == weight.elem_count() && t.device().same_device(weight.device());
        if !fits(gradient) || !moments.iter().all(|m| fits(m) && m.dtype() == weight.dtype() && m.is_contiguous()) {
            bail!(
                "a parameter of shape {:?} has moments or a gradient of another shape, type or device",
                weight.shape()
            )
        }
        if !weight.is_contiguous() {
            bail!("an optimizer step needs contiguous tensors")
        }
        let (weight, gradient) = (weight.as_detached_tensor(), gradient.clone());
        Ok(Self { weight, gradient, moments, rate: 0.0, decay: 0.0, trust: 0.0 })
    }
}

/// Changes parameters of one type and device with their moments, in place and without waiting for the device.
pub fn update_on_device(parameters: &[Moved], update: Update, scale: &Scale) -> Result<()> {
    let Some(first) = parameters.first() else { return Ok(()) };
    #[cfg(feature = "cuda")]
    if first.weight.device().is_cuda() {
        return super::cuda::update(parameters, update, scale);
    }
    bail!("{update:?} by {scale:?} runs on CUDA only; the parameters lie on {:?}", first.weight.device().location())
}

/// The length of all gradients together and what makes them at most `limit` long (0 sets no limit), `[2]` in 64 bits, on
/// the gradients' device and without waiting for it.
pub fn length_on_device(gradients: &[Tensor], limit: f64) -> Result<Tensor> {
    #[cfg(feature = "cuda")]
    if gradients.first().is_some_and(|t| t.device().is_cuda()) {
        return super::cuda::length(gradients, limit);
    }
    bail!("the length of {} gradients to {limit} is found on CUDA only", gradients.len())
}
