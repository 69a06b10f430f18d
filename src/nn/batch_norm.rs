//! Batch normalisation with its running statistics (Ioffe and Szegedy 2015), as PyTorch keeps them.

use candle_core::{Result, Tensor, Var};

use super::ops::{self, After, Taped};
use super::params::{ParamSpec, Params};
use super::plan::norm_specs;

/// Whether a network learns from what passes through it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Normalise by the batch and move the running statistics towards it.
    Train,
    /// Normalise by the running statistics and leave them alone.
    Eval,
}

/// Added to variances, as everywhere in torchvision's networks.
pub const EPSILON: f64 = 1e-5;
/// Share of the newest batch in the running statistics.
const MOMENTUM: f64 = 0.1;

/// Normalisation of each channel, then a learned scale and shift.
#[derive(Clone, Debug)]
pub struct BatchNorm {
    weight: Var,
    bias: Var,
    running_mean: Var,
    running_var: Var,
    frozen: bool,
}

impl BatchNorm {
    pub fn new(params: &mut Params, name: &str, channels: usize) -> Result<Self> {
        Self::from_specs(params, &norm_specs(name, channels))
    }

    /// A normalisation whose scale stays 1 and whose shift stays 0.
    pub fn without_affine(params: &mut Params, name: &str, channels: usize) -> Result<Self> {
        Self::from_specs(params, &norm_specs(name, channels).map(|spec| ParamSpec { trainable: false, ..spec }))
    }

    /// From the specs of weight, bias, running mean and running variance.
    pub(super) fn from_specs(params: &mut Params, [weight, bias, mean, var]: &[ParamSpec; 4]) -> Result<Self> {
        Ok(Self {
            weight: params.get_or_init_spec(weight)?,
            bias: params.get_or_init_spec(bias)?,
            running_mean: params.get_or_init_spec(mean)?,
            running_var: params.get_or_init_spec(var)?,
            frozen: false,
        })
    }

    /// A frozen normalisation uses its running statistics in training too and never moves them, which small batches
    /// and fine-tuning want. Its scale and shift still learn.
    pub fn set_frozen(&mut self, frozen: bool) {
        self.frozen = frozen;
    }

    pub fn forward(&self, x: &Tensor, mode: Mode) -> Result<Tensor> {
        self.forward_taped(&Taped::enter(x)?, After::Nothing, mode)?.leave()
    }

    /// [`Self::forward`], then a ReLU.
    pub fn forward_relu(&self, x: &Tensor, mode: Mode) -> Result<Tensor> {
        self.forward_taped(&Taped::enter(x)?, After::Relu, mode)?.leave()
    }

    /// [`Self::forward`] of a map of a backbone, and what follows in the same passes.
    pub fn forward_taped(&self, x: &Taped, after: After<'_>, mode: Mode) -> Result<Taped> {
        // In the number type in which values like these are normalised.
        let dtype = ops::wide(x.dtype());
        let (weight, bias) = (self.weight.to_dtype(dtype)?, self.bias.to_dtype(dtype)?);
        if mode == Mode::Eval || self.frozen {
            let (mean, var) = (self.running_mean.as_detached_tensor(), self.running_var.as_detached_tensor());
            return x.batch_norm_eval([&weight, &bias, &mean, &var], EPSILON, after);
        }
        check_batch(x)?;
        let (y, mean, var) = x.batch_norm_train(&weight, &bias, EPSILON, after)?;
        self.follow(&mean, &var)?;
        Ok(y)
    }

    fn follow(&self, mean: &Tensor, var: &Tensor) -> Result<()> {
        for (running, batch) in [(&self.running_mean, mean), (&self.running_var, var)] {
            let kept = running.as_detached_tensor().affine(1.0 - MOMENTUM, 0.0)?;
            let batch = batch.detach().to_dtype(running.dtype())?.affine(MOMENTUM, 0.0)?;
            running.set(&(kept + batch)?)?;
        }
        Ok(())
    }
}

/// The unbiased variance divides by one less than the values a channel has.
fn check_batch(x: &Taped) -> Result<()> {
    let [n, _, h, w] = x.sizes()?;
    if n * h * w < 2 {
        candle_core::bail!("batch normalisation cannot train on one value a channel; use more or larger images");
    }
    Ok(())
}
