//! A step of an optimizer on CUDA, in place: all parameters in one launch, nothing waited for.

use candle_core::cuda_backend::cudarc::driver::{CudaSlice, DevicePtr};
use candle_core::{CudaDevice, DType, Result, Tensor, bail};

use super::super::update::{Moved, Scale, Update};
use super::gpu::{self, Gpu};
use super::plan::{self, Adam, Entry, Number};
use super::small;

/// The table of a step's parameters on the device, for the launches that this thread asks for next.
struct Table {
    words: CudaSlice<u64>,
    count: usize,
    blocks: usize,
}

impl Table {
    fn send(mut entries: Vec<Entry>, device: &CudaDevice) -> Result<Self> {
        let (count, blocks) = (entries.len(), plan::lay_out(&mut entries));
        let words: Vec<u64> = entries.iter().flat_map(Entry::words).collect();
        Ok(Self { words: small::send(words.into_iter(), device)?, count, blocks })
    }

    fn there(&self, device: &CudaDevice) -> plan::Table {
        let entries = self.words.device_ptr(&device.cuda_stream()).0;
        plan::Table { entries, count: self.count, blocks: self.blocks }
    }
}

/// Of parameters and their gradients.
fn number(dtype: DType) -> Result<Number> {
    match dtype {
        DType::F32 => Ok(Number::F32),
        DType::F64 => Ok(Number::F64),
        other => bail!("parameters of type {other:?} are not trained; keep them in f32"),
    }
}

fn total(tensor: &Tensor) -> i64 {
    // No tensor has 2^63 values.
    tensor.elem_count() as i64
}

/// As [`crate::nn::ops::update_on_device`].
pub fn update(parameters: &[Moved], update: Update, scale: &Scale) -> Result<()> {
    let Some(first) = parameters.first() else { return Ok(()) };
    let (device, dtype) = (gpu::device(&first.weight)?, first.weight.dtype());
    let on = Gpu::new(device, number(dtype)?);
    let wanted = if matches!(update, Update::AdamW { .. }) { 2 } else { 1 };
    // Kept until all is launched; memory is freed in the order of the work.
    let gradients: Vec<Tensor> =
        parameters.iter().map(|p| p.gradient.to_dtype(dtype)?.contiguous()).collect::<Result<_>>()?;
    let mut entries = Vec::with_capacity(parameters.len());
    for (p, gradient) in parameters.iter().zip(&gradients) {
        if p.weight.dtype() != dtype || p.moments.len() != wanted {
            bail!("the parameters of one step have different types, or moments of another optimizer")
        }
        let second = p.moments.get(1).map_or(Ok(0), gpu::address)?;
        entries.push(Entry {
            weight: gpu::address(&p.weight)?,
            gradient: gpu::address(gradient)?,
            first: gpu::address(&p.moments[0])?,
            second,
            total: total(&p.weight),
            begin: 0,
            rate: p.rate,
            decay: p.decay,
            trust: p.trust,
        });
    }
    let sent = match scale {
        Scale::Here(scale) => small::send_numbers(&[*scale], device)?,
        Scale::There(scale) => scale.contiguous()?,
    };
    let (table, scale) = (Table::send(entries, device)?, gpu::address(&sent)?);
    let at = table.there(device);
    match update {
        Update::Sgd { momentum } if parameters.iter().any(|p| p.trust > 0.0) => {
            let partial = gpu::empty(device, (2 * at.blocks).max(1), DType::F64)?;
            let fit = gpu::empty(device, at.count, DType::F64)?;
            plan::lars_fit(&on, at, scale, gpu::address(&partial)?, gpu::address(&fit)?)?;
            plan::sgd(&on, at, scale, gpu::address(&fit)?, momentum)
        }
        Update::Sgd { momentum } => plan::sgd(&on, at, scale, 0, momentum),
        Update::AdamW { beta1, beta2, epsilon, unbias, root } => {
            plan::adamw(&on, at, scale, Adam { beta1, beta2, epsilon, unbias, root })
        }
    }
}

/// As [`crate::nn::ops::length_on_device`].
pub fn length(gradients: &[Tensor], limit: f64) -> Result<Tensor> {
    let Some(first) = gradients.first() else { bail!("no gradients have no length") };
    let (device, dtype) = (gpu::device(first)?, first.dtype());
    let on = Gpu::new(device, gpu::number("length of gradients", dtype)?);
    let gradients: Vec<Tensor> = gradients.iter().map(|g| g.to_dtype(dtype)?.contiguous()).collect::<Result<_>>()?;
    let entry = |gradient: &Tensor| {
        let (gradient, total) = (gpu::address(gradient)?, total(gradient));
        Ok(Entry { weight: 0, gradient, first: 0, second: 0, total, begin: 0, rate: 0.0, decay: 0.0, trust: 0.0 })
    };
    let table = Table::send(gradients.iter().map(entry).collect::<Result<_>>()?, device)?;
    let at = table.there(device);
    let partial = gpu::empty(device, at.blocks.max(1), DType::F64)?;
    let norm = gpu::empty(device, 2, DType::F64)?;
    plan::clip(&on, at, gpu::address(&partial)?, gpu::address(&norm)?, limit)?;
    Ok(norm)
}
