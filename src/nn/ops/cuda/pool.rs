//! Pooling on CUDA, as `ops/pool.rs` has it on the CPU: the places of maxima are kept, gradients are gathered.

use std::sync::OnceLock;

use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CudaStorage, CustomOp1, DType, Layout, Result, Shape, Tensor, bail};

use super::gpu::{self, Gpu};
use super::plan::{self, Windows};

/// `windows` for `[N, C, H, W]`; `sliding` is kernel, stride and padding, which the caller has checked.
fn windows(x: &Tensor, rows: usize, columns: usize, sliding: Option<(usize, usize, usize)>) -> Result<Windows> {
    let (n, c, height, width) = x.dims4()?;
    if height.saturating_mul(width) > u32::MAX as usize {
        bail!("pooling: an image of {height} x {width} is too large")
    }
    Ok(Windows { planes: n * c, height, width, rows, columns, sliding })
}

/// As [`crate::nn::ops::max_pool2d`] and its kin: so many rows and columns of windows by kernel, stride and padding, which
/// have been checked. Windows are cut at the edges.
pub fn max_pool2d(x: &Tensor, out: (usize, usize), sliding: (usize, usize, usize)) -> Result<Tensor> {
    let windows = windows(x, out.0, out.1, Some(sliding))?;
    x.contiguous()?.apply_op1(MaxPool { windows, winners: OnceLock::new() })
}

/// As [`crate::nn::ops::avg_pool2d`]; kernel, stride and padding have been checked.
pub fn avg_pool2d(x: &Tensor, out: (usize, usize), sliding: (usize, usize, usize)) -> Result<Tensor> {
    let windows = windows(x, out.0, out.1, Some(sliding))?;
    x.contiguous()?.apply_op1(AvgPool { windows })
}

/// As [`crate::nn::ops::adaptive_avg_pool2d`]; the sizes have been checked.
pub fn adaptive_avg_pool2d(x: &Tensor, (rows, columns): (usize, usize)) -> Result<Tensor> {
    let windows = windows(x, rows, columns, None)?;
    x.contiguous()?.apply_op1(AvgPool { windows })
}

struct MaxPool {
    windows: Windows,
    /// For each output its maximum's place within its channel.
    winners: OnceLock<Tensor>,
}

struct AvgPool {
    windows: Windows,
}

/// Storage for the outputs of `[N, C, H, W]`, and its shape.
fn outputs(storage: &CudaStorage, layout: &Layout, windows: Windows) -> Result<(CudaStorage, Shape)> {
    let (n, c, _, _) = layout.shape().dims4()?;
    let shape = Shape::from((n, c, windows.rows, windows.columns));
    Ok((gpu::storage(storage.device(), shape.clone(), storage.dtype())?, shape))
}

impl CustomOp1 for MaxPool {
    fn name(&self) -> &'static str {
        "max_pool2d"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        super::not_here("max_pool2d")
    }

    fn cuda_fwd(&self, x: &CudaStorage, layout: &Layout) -> Result<(CudaStorage, Shape)> {
        let (y, shape) = outputs(x, layout, self.windows)?;
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
        let (y, shape) = outputs(x, layout, self.windows)?;
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
