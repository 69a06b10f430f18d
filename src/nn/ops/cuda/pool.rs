//! Pooling on CUDA, as `ops/pool.rs` has it on the CPU: the places of maxima are kept, gradients are gathered.

use std::sync::OnceLock;

use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CudaStorage, CustomOp1, DType, Layout, Result, Shape, Tensor, bail};

use super::super::map::Map;
use super::gpu::{self, Gpu};
use super::plan::{self, Planes, Windows};

/// `sliding` is kernel, stride and padding, which the caller has checked.
fn windows(
    x: &Map,
    (rows, columns): (usize, usize),
    sliding: Option<(usize, usize, usize)>,
) -> Result<(Windows, Shape)> {
    let [n, c, height, width] = x.sizes("pooling")?;
    if height.saturating_mul(width) > u32::MAX as usize {
        bail!("pooling: an image of {height} x {width} is too large")
    }
    let Planes { planes, inner, .. } = Planes::of([n, c, height * width], x.order());
    let out = x.order().shape([n, c, rows, columns]).into();
    Ok((Windows { planes, height, width, inner, rows, columns, sliding }, out))
}

/// As [`crate::nn::ops::max_pool2d`] and its kin: so many rows and columns of windows by kernel, stride and padding, which
/// have been checked. Windows are cut at the edges.
pub fn max_pool2d(x: &Map, out: (usize, usize), sliding: (usize, usize, usize)) -> Result<Tensor> {
    let (windows, out) = windows(x, out, Some(sliding))?;
    x.tensor().contiguous()?.apply_op1(MaxPool { windows, out, winners: OnceLock::new() })
}

/// As [`crate::nn::ops::avg_pool2d`] by kernel, stride and padding, or without them as
/// [`crate::nn::ops::adaptive_avg_pool2d`]; all have been checked.
pub fn avg_pool2d(x: &Map, out: (usize, usize), sliding: Option<(usize, usize, usize)>) -> Result<Tensor> {
    let (windows, out) = windows(x, out, sliding)?;
    x.tensor().contiguous()?.apply_op1(AvgPool { windows, out })
}

struct MaxPool {
    windows: Windows,
    out: Shape,
    /// For each output its maximum's place within its channel.
    winners: OnceLock<Tensor>,
}

struct AvgPool {
    windows: Windows,
    out: Shape,
}

impl CustomOp1 for MaxPool {
    fn name(&self) -> &'static str {
        "max_pool2d"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        super::not_here("max_pool2d")
    }

    fn cuda_fwd(&self, x: &CudaStorage, layout: &Layout) -> Result<(CudaStorage, Shape)> {
        let shape = self.out.clone();
        let y = gpu::storage(x.device(), shape.clone(), x.dtype())?;
        let winners = gpu::empty(x.device(), shape.clone(), DType::U32)?;
        let on = Gpu::new(x.device(), gpu::number("max_pool2d", x.dtype())?);
        let to = gpu::address_in(&y, &Layout::contiguous(shape.clone()))?;
        plan::max_pool(&on, self.windows, gpu::address_in(x, layout)?, to, gpu::address(&winners)?)?;
        // A second forward of the same op would see the same input, so the first answer stays valid.
        let _ = self.winners.set(winners);
        Ok((y, shape))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        let Some(winners) = self.winners.get() else { bail!("max_pool2d: the gradient was asked for first") };
        let (device, dy) = (gpu::device(x)?, dy.contiguous()?);
        let dx = gpu::empty(device, x.shape(), x.dtype())?;
        let on = Gpu::new(device, gpu::number("max_pool2d", x.dtype())?);
        let from = (gpu::address(&dy)?, gpu::address(winners)?);
        plan::max_pool_gradient(&on, self.windows, from.0, from.1, gpu::address(&dx)?)?;
        Ok(Some(dx))
    }
}

impl CustomOp1 for AvgPool {
    fn name(&self) -> &'static str {
        "avg_pool2d"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        super::not_here("avg_pool2d")
    }

    fn cuda_fwd(&self, x: &CudaStorage, layout: &Layout) -> Result<(CudaStorage, Shape)> {
        let shape = self.out.clone();
        let y = gpu::storage(x.device(), shape.clone(), x.dtype())?;
        let on = Gpu::new(x.device(), gpu::number("avg_pool2d", x.dtype())?);
        let to = gpu::address_in(&y, &Layout::contiguous(shape.clone()))?;
        plan::avg_pool(&on, self.windows, gpu::address_in(x, layout)?, to)?;
        Ok((y, shape))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        let (device, dy) = (gpu::device(x)?, dy.contiguous()?);
        let dx = gpu::empty(device, x.shape(), x.dtype())?;
        let on = Gpu::new(device, gpu::number("avg_pool2d", x.dtype())?);
        plan::avg_pool_gradient(&on, self.windows, gpu::address(&dy)?, gpu::address(&dx)?)?;
        Ok(Some(dx))
    }
}
