//! A step of an optimizer on CUDA, in place: one launch to a parameter, nothing allocated, nothing waited for.

use candle_core::{DType, Result, Tensor, bail};

use super::super::update::Update;
use super::gpu::{self, Gpu};
use super::plan::{self, AdamW, Number, Sgd};

/// Moves `weight` and its moments, all contiguous and of one type and size; see [`crate::nn::ops::update_on_device`].
pub fn update(weight: &Tensor, gradient: &Tensor, moments: &[Tensor], update: Update) -> Result<()> {
    let number = match weight.dtype() {
        DType::F32 => Number::F32,
        DType::F64 => Number::F64,
        other => bail!("parameters of type {other:?} are not trained; keep them in f32"),
    };
    let on = Gpu::new(gpu::device(weight)?, number);
    let Ok(total) = i64::try_from(weight.elem_count()) else { bail!("a parameter is too large") };
    let gradient = gradient.to_dtype(weight.dtype())?.contiguous()?;
    let (weight, gradient) = (gpu::address(weight)?, gpu::address(&gradient)?);
    match (update, moments) {
        (Update::Sgd { momentum, rate, decay, scale }, [velocity]) => {
            let velocity = gpu::address(velocity)?;
            plan::sgd(&on, Sgd { weight, gradient, velocity, total, momentum, rate, decay, scale })
        }
        (Update::AdamW { beta1, beta2, epsilon, keep, size, root, scale }, [first, second]) => {
            let (first, second) = (gpu::address(first)?, gpu::address(second)?);
            let step = AdamW { weight, gradient, first, second, total, beta1, beta2, epsilon, keep, size, root, scale };
            plan::adamw(&on, step)
        }
        (_, other) => bail!("{} moments are those of another optimizer", other.len()),
    }
}
