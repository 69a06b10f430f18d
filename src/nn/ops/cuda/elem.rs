//! Rectified linear units on CUDA, and bilinear resizing as two products.

use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CudaStorage, CustomOp1, CustomOp2, Layout, Result, Shape, Tensor};

use super::gpu::{self, Gpu};
use super::plan::{self, Address};

/// As [`crate::nn::ops::relu`].
pub fn relu(x: &Tensor) -> Result<Tensor> {
    x.contiguous()?.apply_op1(Rectify)
}

/// As [`crate::nn::ops::add_relu`]; shapes and number types have been compared.
pub fn add_relu(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    a.contiguous()?.apply_op2(&b.contiguous()?, Rectify)
}

/// As [`crate::nn::ops::scale_channels`], by candle's own product.
pub fn scale_channels(x: &Tensor, factors: &Tensor) -> Result<Tensor> {
    let (n, c, _, _) = x.dims4()?;
    x.broadcast_mul(&factors.reshape((n, c, 1, 1))?)
}

/// Bilinear resizing by one matrix to each axis, `[out, in]` and row-major, whose rows hold the weights of the inputs.
/// candle's own products carry the gradient.
pub fn resize(x: &Tensor, rows: (Vec<f64>, usize), columns: (Vec<f64>, usize)) -> Result<Tensor> {
    let (n, c, h, w) = x.dims4()?;
    // [lines, in] to [lines, out].
    let along = |x: Tensor, (matrix, out): (Vec<f64>, usize), size: usize| -> Result<Tensor> {
        let matrix = Tensor::from_vec(matrix, (out, size), &candle_core::Device::Cpu)?;
        x.matmul(&matrix.to_dtype(x.dtype())?.to_device(x.device())?.t()?.contiguous()?)
    };
    let (oh, ow) = (rows.1, columns.1);
    let wide = along(x.contiguous()?.reshape((n * c * h, w))?, columns, w)?;
    let turned = wide.reshape((n * c, h, ow))?.transpose(1, 2)?.contiguous()?.reshape((n * c * ow, h))?;
    along(turned, rows, h)?.reshape((n * c, ow, oh))?.transpose(1, 2)?.contiguous()?.reshape((n, c, oh, ow))
}

struct Rectify;

impl Rectify {
    fn run(x: (&CudaStorage, &Layout), other: Address) -> Result<(CudaStorage, Shape)> {
        let shape = x.1.shape().clone();
        let y = gpu::storage(x.0.device(), shape.clone(), x.0.dtype())?;
        let on = Gpu::new(x.0.device(), gpu::number("relu", x.0.dtype())?);
        let to = gpu::address_in(&y, &Layout::contiguous(shape.clone()))?;
        plan::rectify(&on, shape.elem_count(), gpu::address_in(x.0, x.1)?, other, to)?;
        Ok((y, shape))
    }

    fn gradient(y: &Tensor, dy: &Tensor) -> Result<Tensor> {
        let (device, dy) = (gpu::device(y)?, dy.contiguous()?);
        let dx = gpu::empty(device, y.shape(), y.dtype())?;
        let on = Gpu::new(device, gpu::number("relu", y.dtype())?);
        plan::mask(&on, y.elem_count(), gpu::address(y)?, gpu::address(&dy)?, gpu::address(&dx)?)?;
        Ok(dx)
    }
}

impl CustomOp1 for Rectify {
    fn name(&self) -> &'static str {
        "relu"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        super::not_here("relu")
    }

    fn cuda_fwd(&self, x: &CudaStorage, layout: &Layout) -> Result<(CudaStorage, Shape)> {
        Self::run((x, layout), 0)
    }

    fn bwd(&self, _: &Tensor, y: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        Self::gradient(y, dy).map(Some)
    }
}

impl CustomOp2 for Rectify {
    fn name(&self) -> &'static str {
        "add_relu"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        super::not_here("add_relu")
    }

    fn cuda_fwd(&self, a: &CudaStorage, la: &Layout, b: &CudaStorage, lb: &Layout) -> Result<(CudaStorage, Shape)> {
        Self::run((a, la), gpu::address_in(b, lb)?)
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, y: &Tensor, dy: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let g = Self::gradient(y, dy)?;
        Ok((Some(g.clone()), Some(g)))
    }
}
