//! Convolution and its gradients by cuDNN, with our own kernels for what follows it.

use candle_core::{CpuStorage, CudaStorage, CustomOp2, CustomOp3, Layout, Result, Shape, Tensor, bail};

use super::super::conv::{ConvSpec, Geometry};
use super::super::wide;
use super::cudnn::{Direction, convolve};
use super::gpu::{self, Gpu};
use super::plan::{self, Address, Channels};

/// As [`crate::nn::ops::conv2d_padded`]. A weight in f32 with an input in bf16 is rounded on its way in, and gets its
/// gradient in f32.
pub fn conv2d(x: &Tensor, w: &Tensor, bias: Option<&Tensor>, spec: ConvSpec, pad: [usize; 4]) -> Result<Tensor> {
    let (x, pad) = evened(x, pad)?;
    let (x, w) = (x.contiguous()?, w.to_dtype(x.dtype())?.contiguous()?);
    let geometry = Geometry::new(&x, &w, spec, pad)?;
    let op = Conv { geometry, input_gradient: x.track_op() };
    match bias {
        None => x.apply_op2(&w, op),
        Some(bias) => x.apply_op3(&w, &fitting(bias, &x, &geometry)?, op),
    }
}

/// As [`crate::nn::ops::conv2d_fused`].
pub fn conv2d_fused(
    x: &Tensor,
    w: &Tensor,
    bias: Option<&Tensor>,
    spec: ConvSpec,
    relu: bool,
    residual: Option<&Tensor>,
) -> Result<Tensor> {
    let (ph, pw) = spec.padding;
    let (x, w) = (x.contiguous()?, w.to_dtype(x.dtype())?.contiguous()?);
    let geometry = Geometry::new(&x, &w, spec, [ph, ph, pw, pw])?;
    let bias = bias.map(|bias| fitting(bias, &x, &geometry)).transpose()?;
    let residual = residual
        .map(|r| {
            if r.dims4()? != geometry.output_shape() || r.dtype() != x.dtype() {
                bail!("conv2d_fused: the residual {:?} does not fit the output {:?}", r.dims(), geometry.output_shape())
            }
            r.contiguous()
        })
        .transpose()?;
    let y = gpu::empty(gpu::device(&x)?, geometry.output_shape(), x.dtype())?;
    let or_absent = |t: &Option<Tensor>| t.as_ref().map_or(Ok(0), gpu::address);
    let after = (or_absent(&bias)?, or_absent(&residual)?);
    forward(&x, &geometry, [gpu::address(&x)?, gpu::address(&w)?], gpu::address(&y)?, after, relu)?;
    Ok(y)
}

/// Where padding is uneven, the surplus is put onto the input, because cuDNN pads evenly.
fn evened(x: &Tensor, [top, bottom, left, right]: [usize; 4]) -> Result<(Tensor, [usize; 4])> {
    let (h, w) = (top.min(bottom), left.min(right));
    let x = x.pad_with_zeros(2, top - h, bottom - h)?.pad_with_zeros(3, left - w, right - w)?;
    Ok((x, [h, h, w, w]))
}

/// The bias in the input's number type.
fn fitting(bias: &Tensor, x: &Tensor, geometry: &Geometry) -> Result<Tensor> {
    if bias.dims() != [geometry.filters] {
        bail!("conv2d: the bias {:?} does not fit {} filters", bias.dims(), geometry.filters)
    }
    bias.to_dtype(x.dtype())?.contiguous()
}

fn sizes(g: &Geometry) -> Result<Channels> {
    let sizes = Channels { images: g.images, channels: g.filters, pixels: g.pixels() };
    if !sizes.fits() {
        bail!("conv2d: {} values a channel are too many for one call on CUDA", sizes.values())
    }
    Ok(sizes)
}

/// `like` gives device and number type; bias and residual may be absent.
fn forward(
    like: &Tensor,
    g: &Geometry,
    from: [Address; 2],
    to: Address,
    (bias, residual): (Address, Address),
    relu: bool,
) -> Result<()> {
    let (device, number) = (gpu::device(like)?, gpu::number("conv2d", like.dtype())?);
    let sizes = sizes(g)?;
    if sizes.total() == 0 {
        return Ok(());
    }
    convolve(device, number, Direction::Forward, g, from, to)?;
    if bias != 0 || residual != 0 || relu {
        plan::epilogue(&Gpu::new(device, number), sizes, to, (bias, residual), relu)?;
    }
    Ok(())
}

struct Conv {
    geometry: Geometry,
    /// Whether anything trainable stands behind the input.
    input_gradient: bool,
}

impl Conv {
    fn run(
        &self,
        x: (&CudaStorage, &Layout),
        w: (&CudaStorage, &Layout),
        bias: Address,
    ) -> Result<(CudaStorage, Shape)> {
        use candle_core::backend::BackendStorage;
        let shape = Shape::from(self.geometry.output_shape());
        let (device, dtype) = (x.0.device(), x.0.dtype());
        let y = gpu::storage(device, shape.clone(), dtype)?;
        let number = gpu::number("conv2d", dtype)?;
        let sizes = sizes(&self.geometry)?;
        if sizes.total() > 0 {
            let to = gpu::address_in(&y, &Layout::contiguous(shape.clone()))?;
            let from = [gpu::address_in(x.0, x.1)?, gpu::address_in(w.0, w.1)?];
            convolve(device, number, Direction::Forward, &self.geometry, from, to)?;
            if bias != 0 {
                plan::epilogue(&Gpu::new(device, number), sizes, to, (bias, 0), false)?;
            }
        }
        Ok((y, shape))
    }

    fn gradients(&self, x: &Tensor, w: &Tensor, dy: &Tensor) -> Result<(Option<Tensor>, Tensor)> {
        let (device, number) = (gpu::device(x)?, gpu::number("conv2d", x.dtype())?);
        if self.geometry.images == 0 {
            let dx = if self.input_gradient { Some(x.zeros_like()?) } else { None };
            return Ok((dx, w.zeros_like()?));
        }
        let dy_at = gpu::address(dy)?;
        let dw = gpu::empty(device, w.shape(), w.dtype())?;
        let from = [gpu::address(x)?, dy_at];
        convolve(device, number, Direction::Filter, &self.geometry, from, gpu::address(&dw)?)?;
        if !self.input_gradient {
            return Ok((None, dw));
        }
        let dx = gpu::empty(device, x.shape(), x.dtype())?;
        let from = [gpu::address(w)?, dy_at];
        convolve(device, number, Direction::Data, &self.geometry, from, gpu::address(&dx)?)?;
        Ok((Some(dx), dw))
    }

    fn bias_gradient(&self, bias: &Tensor, dy: &Tensor) -> Result<Tensor> {
        let (device, sizes) = (gpu::device(dy)?, sizes(&self.geometry)?);
        if sizes.total() == 0 {
            return bias.zeros_like();
        }
        let partial = gpu::empty(device, sizes.partial(1), wide(dy.dtype()))?;
        let sums = gpu::empty(device, bias.shape(), bias.dtype())?;
        let on = Gpu::new(device, gpu::number("conv2d", dy.dtype())?);
        plan::channel_sums(&on, sizes, gpu::address(dy)?, gpu::address(&partial)?, gpu::address(&sums)?)?;
        Ok(sums)
    }
}

impl CustomOp2 for Conv {
    fn name(&self) -> &'static str {
        "conv2d"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        super::not_here("conv2d")
    }

    fn cuda_fwd(&self, s1: &CudaStorage, l1: &Layout, s2: &CudaStorage, l2: &Layout) -> Result<(CudaStorage, Shape)> {
        self.run((s1, l1), (s2, l2), 0)
    }

    fn bwd(&self, x: &Tensor, w: &Tensor, _: &Tensor, dy: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (dx, dw) = self.gradients(x, w, &dy.contiguous()?)?;
        Ok((dx, Some(dw)))
    }
}

impl CustomOp3 for Conv {
    fn name(&self) -> &'static str {
        "conv2d"
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        super::not_here("conv2d")
    }

    fn cuda_fwd(
        &self,
        s1: &CudaStorage,
        l1: &Layout,
        s2: &CudaStorage,
        l2: &Layout,
        s3: &CudaStorage,
        l3: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        self.run((s1, l1), (s2, l2), gpu::address_in(s3, l3)?)
    }

    fn bwd(
        &self,
        x: &Tensor,
        w: &Tensor,
        bias: &Tensor,
        _: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let dy = dy.contiguous()?;
        let (dx, dw) = self.gradients(x, w, &dy)?;
        Ok((dx, Some(dw), Some(self.bias_gradient(bias, &dy)?)))
    }
}
