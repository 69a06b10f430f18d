//! Batch normalisation on CUDA, with the residual sum and the ReLU that follow it, as `ops/norm.rs` has it on the CPU.
//! Statistics, weights and their gradients are in f32 where the values are in bf16; none of them leaves the device.

use candle_core::{CpuStorage, CudaStorage, CustomOp2, CustomOp3, DType, Layout, Result, Shape, Tensor, bail};

use super::super::map::{Map, Order};
use super::super::wide;
use super::gpu::{self, Gpu};
use super::plan::{self, Address, Channels, NormGradients, NormParameters};

/// As [`crate::nn::ops::batch_norm_train`]: the result, the batch's mean and its unbiased variance.
pub fn train(
    x: &Map,
    weight: &Tensor,
    bias: &Tensor,
    epsilon: f64,
    relu: bool,
    residual: Option<&Map>,
) -> Result<(Tensor, Tensor, Tensor)> {
    let sizes = sizes(x)?;
    let x = x.tensor();
    if sizes.values() < 2 {
        bail!("batch_norm_train: needs more than one value per channel, got the input {:?}", x.dims())
    }
    let x = x.contiguous()?;
    let (device, dtype) = (gpu::device(&x)?, wide(x.dtype()));
    let per_channel = || gpu::empty(device, sizes.channels, dtype);
    let (mean, variance, unbiased) = (per_channel()?, per_channel()?, per_channel()?);
    let partial = gpu::empty(device, sizes.partial(2), dtype)?;
    let on = Gpu::new(device, gpu::number("batch_norm", x.dtype())?);
    let to = [gpu::address(&mean)?, gpu::address(&variance)?, gpu::address(&unbiased)?];
    plan::moments(&on, sizes, gpu::address(&x)?, gpu::address(&partial)?, to)?;
    let op = BatchNorm { sizes, epsilon, relu, fixed: false, mean: mean.clone(), variance };
    let affine = affine(&x, weight, bias, sizes.channels)?;
    let y = match residual {
        None => x.apply_op2(&affine, op)?,
        Some(r) => {
            let r = r.tensor();
            if r.shape() != x.shape() || r.dtype() != x.dtype() {
                bail!("batch_norm_train_relu: the residual {:?} does not fit the input {:?}", r.dims(), x.dims())
            }
            x.apply_op3(&affine, &r.contiguous()?, op)?
        }
    };
    Ok((y, mean, unbiased))
}

/// As [`crate::nn::ops::batch_norm_eval`].
pub fn eval(x: &Map, [weight, bias, running_mean, running_var]: [&Tensor; 4], epsilon: f64) -> Result<Tensor> {
    let sizes = sizes(x)?;
    let x = x.tensor().contiguous()?;
    let given = |what, t: &Tensor| -> Result<Tensor> {
        check_channels(&x, what, t, sizes.channels)?;
        t.detach().to_dtype(wide(x.dtype()))?.contiguous()
    };
    let (mean, variance) = (given("running mean", running_mean)?, given("running variance", running_var)?);
    let op = BatchNorm { sizes, epsilon, relu: false, fixed: true, mean, variance };
    x.apply_op2(&affine(&x, weight, bias, sizes.channels)?, op)
}

fn sizes(x: &Map) -> Result<Channels> {
    let sizes = match (x.order(), x.tensor().dims()) {
        (Order::ChannelsFirst, &[images, channels, ref rest @ ..]) => [images, channels, rest.iter().product()],
        (Order::ChannelsLast, &[images, height, width, channels]) => [images, channels, height * width],
        (_, other) => bail!("batch_norm: the input must be [images, channels, ...], not {other:?}"),
    };
    let sizes = Channels::of(sizes, x.order());
    if !sizes.fits() {
        bail!("batch_norm: {} values a channel are too many for one call on CUDA", sizes.values())
    }
    Ok(sizes)
}

fn check_channels(x: &Tensor, what: &str, t: &Tensor, channels: usize) -> Result<()> {
    if t.dims() != [channels] {
        bail!("batch_norm: the {what} {:?} does not fit the input {:?}", t.dims(), x.dims())
    }
    Ok(())
}

/// Weight and bias as one `[2, C]` tensor, because candle's own operations take three inputs at most.
fn affine(x: &Tensor, weight: &Tensor, bias: &Tensor, channels: usize) -> Result<Tensor> {
    check_channels(x, "weight", weight, channels)?;
    check_channels(x, "bias", bias, channels)?;
    Tensor::stack(&[weight, bias], 0)?.to_dtype(wide(x.dtype()))?.contiguous()
}

struct BatchNorm {
    sizes: Channels,
    epsilon: f64,
    relu: bool,
    /// The moments are given, not the batch's own: nothing flows back through them.
    fixed: bool,
    mean: Tensor,
    /// Biased.
    variance: Tensor,
}

impl BatchNorm {
    fn parameters(&self, affine: Address) -> Result<NormParameters> {
        let bytes = self.sizes.channels * if self.mean.dtype() == DType::F64 { 8 } else { 4 };
        Ok(NormParameters {
            mean: gpu::address(&self.mean)?,
            variance: gpu::address(&self.variance)?,
            weight: affine,
            bias: affine + bytes as u64,
            epsilon: self.epsilon,
        })
    }

    fn forward(
        &self,
        (x, layout): (&CudaStorage, &Layout),
        affine: (&CudaStorage, &Layout),
        residual: Address,
    ) -> Result<(CudaStorage, Shape)> {
        use candle_core::backend::BackendStorage;
        let (device, shape) = (x.device(), layout.shape().clone());
        let y = gpu::storage(device, shape.clone(), x.dtype())?;
        let (slope, shift) = {
            let one = || gpu::empty(device, self.sizes.channels, self.mean.dtype());
            (one()?, one()?)
        };
        let on = Gpu::new(device, gpu::number("batch_norm", x.dtype())?);
        let through = (gpu::address_in(x, layout)?, residual, gpu::address_in(&y, &Layout::contiguous(shape.clone()))?);
        let parameters = self.parameters(gpu::address_in(affine.0, affine.1)?)?;
        let line = [gpu::address(&slope)?, gpu::address(&shift)?];
        plan::normalise(&on, self.sizes, through, parameters, line, self.relu)?;
        Ok((y, shape))
    }

    /// The gradients of the input, of `[weight, bias]`, and of the residual.
    fn backward(
        &self,
        x: &Tensor,
        affine: &Tensor,
        y: &Tensor,
        dy: &Tensor,
    ) -> Result<(Tensor, Tensor, Option<Tensor>)> {
        let (device, dtype, channels) = (gpu::device(x)?, self.mean.dtype(), self.sizes.channels);
        let dy = dy.contiguous()?;
        let dx = gpu::empty(device, x.shape(), x.dtype())?;
        let behind = if self.relu { Some(gpu::empty(device, x.shape(), x.dtype())?) } else { None };
        let [dweight, dbias, slope, lean, shift] = {
            let one = || gpu::empty(device, channels, dtype);
            [one()?, one()?, one()?, one()?, one()?]
        };
        let partial = gpu::empty(device, self.sizes.partial(2), dtype)?;
        let gradients = NormGradients {
            dx: gpu::address(&dx)?,
            behind: behind.as_ref().map_or(Ok(0), gpu::address)?,
            dweight: gpu::address(&dweight)?,
            dbias: gpu::address(&dbias)?,
        };
        let scratch = [gpu::address(&partial)?, gpu::address(&slope)?, gpu::address(&lean)?, gpu::address(&shift)?];
        let from = (gpu::address(x)?, gpu::address(y)?, gpu::address(&dy)?);
        let on = Gpu::new(device, gpu::number("batch_norm", x.dtype())?);
        let parameters = self.parameters(gpu::address(affine)?)?;
        plan::normalise_gradient(&on, self.sizes, from, parameters, gradients, scratch, (self.relu, self.fixed))?;
        Ok((dx, Tensor::stack(&[dweight, dbias], 0)?, behind))
    }
}

impl CustomOp2 for BatchNorm {
    fn name(&self) -> &'static str {
        "batch_norm"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        super::not_here("batch_norm")
    }

    fn cuda_fwd(&self, s1: &CudaStorage, l1: &Layout, s2: &CudaStorage, l2: &Layout) -> Result<(CudaStorage, Shape)> {
        self.forward((s1, l1), (s2, l2), 0)
    }

    fn bwd(&self, x: &Tensor, affine: &Tensor, y: &Tensor, dy: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (dx, da, _) = self.backward(x, affine, y, dy)?;
        Ok((Some(dx), Some(da)))
    }
}

impl CustomOp3 for BatchNorm {
    fn name(&self) -> &'static str {
        "batch_norm"
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
        super::not_here("batch_norm")
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
        self.forward((s1, l1), (s2, l2), gpu::address_in(s3, l3)?)
    }

    fn bwd(
        &self,
        x: &Tensor,
        affine: &Tensor,
        _residual: &Tensor,
        y: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (dx, da, dr) = self.backward(x, affine, y, dy)?;
        Ok((Some(dx), Some(da), dr))
    }
}
