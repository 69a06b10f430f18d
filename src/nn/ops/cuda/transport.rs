//! Entropic transport for batches of pairs on CUDA: one launch, a block to each pair.

use candle_core::{Result, Tensor, bail};

use super::super::transport::Transport;
use super::gpu::{self, Gpu};
use super::plan::{self, Launch, Pairs};

/// As [`crate::nn::ops::transport_on_device`], which has checked shapes, types and numbers.
pub fn plans(cost: &Tensor, a: &Tensor, b: &Tensor, how: Transport) -> Result<Tensor> {
    let (pairs, rows, columns) = cost.dims3()?;
    let (device, sizes) = (gpu::device(cost)?, Pairs { pairs, rows, columns });
    let on = Gpu::new(device, gpu::number("transport", cost.dtype())?);
    if sizes.room() > on.room()? {
        bail!("transport: photos of {rows} and {columns} cells are too large for this device")
    }
    let (cost, a, b) = (cost.contiguous()?, a.contiguous()?, b.contiguous()?);
    let plan = gpu::empty(device, cost.shape(), cost.dtype())?;
    let from = (gpu::address(&cost)?, gpu::address(&a)?, gpu::address(&b)?);
    plan::sinkhorn(&on, sizes, from, (gpu::address(&plan)?, 0), how)?;
    Ok(plan)
}
