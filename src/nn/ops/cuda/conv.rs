//! Convolution and its gradients by cuDNN, with our own kernels for what follows it.

use candle_core::{CpuStorage, CudaStorage, CustomOp2, CustomOp3, Layout, Result, Shape, Tensor, bail};

use super::super::conv::{ConvSpec, Geometry};
use super::super::map::{Map, Order};
use super::super::wide;
use super::gpu::{self, Gpu};
use super::plan::{self, Address, Channels, Direction};

/// As [`crate::nn::ops::conv2d_padded`]. A weight in f32 with an input in bf16 is rounded on its way in, and gets its
/// gradient in f32.
pub fn conv2d(x: &Map, w: &Tensor, bias: Option<&Tensor>, spec: ConvSpec, pad: [usize; 4]) -> Result<Map> {
    let (x, pad) = evened(x, pad)?;
    let w = w.to_dtype(x.tensor().dtype())?.contiguous()?;
    let geometry = Geometry::new(&x, &w, spec, pad)?;
    let input = x.tensor().contiguous()?;
    let op = Conv { geometry, order: x.order(), input_gradient: input.track_op() };
    Ok(x.with(match bias {
        None => input.apply_op2(&w, op)?,
        Some(bias) => input.apply_op3(&w, &fitting(bias, &input, &geometry)?, op)?,
    }))
}

/// As [`crate::nn::ops::conv2d_fused`].
pub fn conv2d_fused(
    x: &Map,
    w: &Tensor,
    bias: Option<&Tensor>,
    spec: ConvSpec,
    relu: bool,
    residual: Option<&Map>,
) -> Result<Map> {
    let (ph, pw) = spec.padding;
    let input = x.tensor().contiguous()?;
    let w = w.to_dtype(input.dtype())?.contiguous()?;
    let geometry = Geometry::new(x, &w, spec, [ph, ph, pw, pw])?;
    let op = Conv { geometry, order: x.order(), input_gradient: false };
    let bias = bias.map(|bias| fitting(bias, &input, &geometry)).transpose()?;
    let residual = residual
        .map(|r| {
            let r = r.tensor();
            if r.dims4()? != op.output_shape() || r.dtype() != input.dtype() {
                bail!("conv2d_fused: the residual {:?} does not fit the output {:?}", r.dims(), op.output_shape())
            }
            r.contiguous()
        })
        .transpose()?;
    let device = gpu::device(&input)?;
    let y = gpu::empty(device, op.output_shape(), input.dtype())?;
    let on = Gpu::new(device, gpu::number("conv2d", input.dtype())?);
    let or_absent = |t: &Option<Tensor>| t.as_ref().map_or(Ok(0), gpu::address);
    let after = (or_absent(&bias)?, or_absent(&residual)?);
    op.forward(&on, [gpu::address(&input)?, gpu::address(&w)?], gpu::address(&y)?, after, relu)?;
    Ok(x.with(y))
}

/// Where padding is uneven, the surplus is put onto the input, because cuDNN pads evenly.
fn evened(x: &Map, [top, bottom, left, right]: [usize; 4]) -> Result<(Map, [usize; 4])> {
    let (h, w) = (top.min(bottom), left.min(right));
    let (rows, columns) = match x.order() {
        Order::ChannelsFirst => (2, 3),
        Order::ChannelsLast => (1, 2),
    };
    let padded = x.tensor().pad_with_zeros(rows, top - h, bottom - h)?.pad_with_zeros(columns, left - w, right - w)?;
    Ok((x.with(padded), [h, h, w, w]))
}

/// The bias in the input's number type.
fn fitting(bias: &Tensor, x: &Tensor, geometry: &Geometry) -> Result<Tensor> {
    if bias.dims() != [geometry.filters] {
        bail!("conv2d: the bias {:?} does not fit {} filters", bias.dims(), geometry.filters)
    }
    bias.to_dtype(x.dtype())?.contiguous()
}

struct Conv {
    geometry: Geometry,
    /// Of the axes of input and result.
    order: Order,
    /// Whether anything trainable stands behind the input.
    input_gradient: bool,
}

impl Conv {
    fn output_shape(&self) -> (usize, usize, usize, usize) {
        self.order.shape(self.geometry.output_shape().into())
    }

    /// Of the result.
    fn sizes(&self) -> Result<Channels> {
        let (n, filters, rows, columns) = self.geometry.output_shape();
        let sizes = Channels::of([n, filters, rows * columns], self.order);
        if !sizes.fits() {
            bail!("conv2d: {} values a channel are too many for one call on CUDA", sizes.values())
        }
        Ok(sizes)
    }

    /// Bias and residual may be absent.
    fn forward(
        &self,
        on: &Gpu<'_>,
        from: [Address; 2],
        to: Address,
        (bias, residual): (Address, Address),
        relu: bool,
    ) -> Result<()> {
        let sizes = self.sizes()?;
        if sizes.total() == 0 {
            return Ok(());
        }
        plan::convolve(on, Direction::Forward, self.order, &self.geometry, from, to)?;
        if bias != 0 || residual != 0 || relu {
            plan::epilogue(on, sizes, to, (bias, residual), relu)?;
        }
        Ok(())
    }

    fn run(
        &self,
        x: (&CudaStorage, &Layout),
        w: (&CudaStorage, &Layout),
        bias: Address,
    ) -> Result<(CudaStorage, Shape)> {
        use candle_core::backend::BackendStorage;
        let shape = Shape::from(self.output_shape());
        let (device, dtype) = (x.0.device(), x.0.dtype());
        let y = gpu::storage(device, shape.clone(), dtype)?;
        let on = Gpu::new(device, gpu::number("conv2d", dtype)?);
        let to = gpu::address_in(&y, &Layout::contiguous(shape.clone()))?;
        let from = [gpu::address_in(x.0, x.1)?, gpu::address_in(w.0, w.1)?];
        self.forward(&on, from, to, (bias, 0), false)?;
        Ok((y, shape))
    }

    fn gradients(&self, x: &Tensor, w: &Tensor, dy: &Tensor) -> Result<(Option<Tensor>, Tensor)> {
        let device = gpu::device(x)?;
        let on = Gpu::new(device, gpu::number("conv2d", x.dtype())?);
        if self.geometry.images == 0 {
            let dx = if self.input_gradient { Some(x.zeros_like()?) } else { None };
            return Ok((dx, w.zeros_like()?));
        }
        let (g, dy_at) = (&self.geometry, gpu::address(dy)?);
        let dw = gpu::empty(device, w.shape(), w.dtype())?;
        let from = [gpu::address(x)?, dy_at];
        plan::convolve(&on, Direction::Filter, self.order, g, from, gpu::address(&dw)?)?;
        if !self.input_gradient {
            return Ok((None, dw));
        }
        let dx = gpu::empty(device, x.shape(), x.dtype())?;
        let from = [gpu::address(w)?, dy_at];
        plan::convolve(&on, Direction::Data, self.order, g, from, gpu::address(&dx)?)?;
        Ok((Some(dx), dw))
    }

    fn bias_gradient(&self, bias: &Tensor, dy: &Tensor) -> Result<Tensor> {
        let (device, sizes) = (gpu::device(dy)?, self.sizes()?);
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
