//! Two-dimensional convolution with stride, uneven padding, dilation and groups, and its gradients.

use candle_core::{
    CpuStorage, CustomOp2, CustomOp3, Layout, Result, Shape, Tensor, WithDType, backend::BackendStorage, bail,
};

use super::{
    conv_core::{self, Epilogue},
    elem::{output, same_dtype, tensor, values, with_elem, with_values},
    map::Map,
    tape::Taped,
};

/// How a convolution walks over its input; pairs are (vertical, horizontal).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvSpec {
    pub stride: (usize, usize),
    pub padding: (usize, usize),
    pub dilation: (usize, usize),
    pub groups: usize,
}

impl Default for ConvSpec {
    fn default() -> Self {
        Self { stride: (1, 1), padding: (0, 0), dilation: (1, 1), groups: 1 }
    }
}

impl ConvSpec {
    /// Equal stride and padding on both axes, neither dilated nor grouped.
    pub fn square(stride: usize, padding: usize) -> Self {
        Self { stride: (stride, stride), padding: (padding, padding), ..Self::default() }
    }
}

/// Every size of one convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    pub images: usize,
    pub channels: usize,
    pub height: usize,
    pub width: usize,
    pub filters: usize,
    pub kernel: (usize, usize),
    pub out: (usize, usize),
    pub stride: (usize, usize),
    pub dilation: (usize, usize),
    pub top: usize,
    pub bottom: usize,
    pub left: usize,
    pub right: usize,
    pub groups: usize,
}

impl Geometry {
    pub fn new(x: &Map, w: &Tensor, spec: ConvSpec, pad: [usize; 4]) -> Result<Self> {
        let [images, channels, height, width] = x.sizes("conv2d")?;
        let x = x.tensor();
        let &[filters, depth, kh, kw] = w.dims() else {
            bail!("conv2d: the weight must be [filters, channels / groups, height, width], not {:?}", w.dims())
        };
        same_dtype("conv2d", x.dtype(), "weight", w.dtype())?;
        let [top, bottom, left, right] = pad;
        let ConvSpec { stride, dilation, groups, .. } = spec;
        if groups == 0 || stride.0 == 0 || stride.1 == 0 || dilation.0 == 0 || dilation.1 == 0 {
            bail!("conv2d: stride, dilation and groups must be at least 1, got {spec:?}")
        }
        if channels != depth * groups || filters % groups != 0 {
            bail!("conv2d: the input {:?} does not fit the weight {:?} in {groups} group(s)", x.dims(), w.dims())
        }
        let reach = (dilation.0 * kh.saturating_sub(1) + 1, dilation.1 * kw.saturating_sub(1) + 1);
        if kh == 0 || kw == 0 || height + top + bottom < reach.0 || width + left + right < reach.1 {
            bail!("conv2d: the weight {:?} is larger than the padded input {:?} ({spec:?})", w.dims(), x.dims())
        }
        let out = ((height + top + bottom - reach.0) / stride.0 + 1, (width + left + right - reach.1) / stride.1 + 1);
        Ok(Self {
            images,
            channels,
            height,
            width,
            filters,
            kernel: (kh, kw),
            out,
            stride,
            dilation,
            top,
            bottom,
            left,
            right,
            groups,
        })
    }

    pub fn output_shape(&self) -> (usize, usize, usize, usize) {
        (self.images, self.filters, self.out.0, self.out.1)
    }

    /// Output pixels of one image.
    pub fn pixels(&self) -> usize {
        self.out.0 * self.out.1
    }

    /// Channels one filter reads.
    pub fn depth(&self) -> usize {
        self.channels / self.groups
    }

    /// Products that one output value sums.
    pub fn terms(&self) -> usize {
        self.depth() * self.kernel.0 * self.kernel.1
    }
}

/// `[N, C, H, W]` convolved with `[O, C / groups, kh, kw]`, plus `bias [O]`. No gradient is computed for an input that
/// nothing trainable stands behind, such as the photo itself.
pub fn conv2d(x: &Tensor, w: &Tensor, bias: Option<&Tensor>, spec: ConvSpec) -> Result<Tensor> {
    let (ph, pw) = spec.padding;
    conv2d_padded(x, w, bias, spec, [ph, ph, pw, pw])
}

/// As [`conv2d`], with padding `[top, bottom, left, right]` in place of `spec.padding`.
pub fn conv2d_padded(x: &Tensor, w: &Tensor, bias: Option<&Tensor>, spec: ConvSpec, pad: [usize; 4]) -> Result<Tensor> {
    Map::first(x).conv2d_padded(w, bias, spec, pad)?.leave()
}

impl Map {
    /// [`conv2d`] without bias.
    pub fn conv2d(&self, w: &Tensor, spec: ConvSpec) -> Result<Self> {
        let (ph, pw) = spec.padding;
        self.conv2d_padded(w, None, spec, [ph, ph, pw, pw])
    }

    fn conv2d_padded(&self, w: &Tensor, bias: Option<&Tensor>, spec: ConvSpec, pad: [usize; 4]) -> Result<Self> {
        #[cfg(feature = "cuda")]
        if self.on_cuda() {
            return super::cuda::conv2d(self, w, bias, spec, pad);
        }
        let geometry = Geometry::new(self, w, spec, pad)?;
        self.through(|x| {
            let op = Conv { geometry, input_gradient: x.track_op() };
            match bias {
                None => x.apply_op2(w, op),
                Some(bias) => {
                    check_bias(bias, w)?;
                    x.apply_op3(w, bias, op)
                }
            }
        })
    }

    /// [`conv2d_fused`].
    pub fn conv2d_fused(
        &self,
        w: &Tensor,
        bias: Option<&Tensor>,
        spec: ConvSpec,
        relu: bool,
        residual: Option<&Self>,
    ) -> Result<Self> {
        #[cfg(feature = "cuda")]
        if self.on_cuda() {
            return super::cuda::conv2d_fused(self, w, bias, spec, relu, residual);
        }
        let residual = residual.map(Self::leave).transpose()?;
        self.through(|x| fused(x, w, bias, spec, relu, residual.as_ref()))
    }
}

impl Taped {
    /// [`conv2d`] without bias.
    pub fn conv2d(&self, w: &Tensor, spec: ConvSpec) -> Result<Self> {
        if let Some(x) = self.elsewhere() {
            return x.conv2d(w, spec).map(Self::plain);
        }
        let (x, (ph, pw)) = (self.values(), spec.padding);
        let g = Geometry::new(&Map::first(x), w, spec, [ph, ph, pw, pw])?;
        let values = with_elem!("conv2d", x.dtype(), T => with_values::<T, _>(x, |x| with_values::<T, _>(w, |w| {
            tensor(conv_core::forward(&g, x, w, &Epilogue::default()), g.output_shape())
        })))?;
        let (x, w_, place) = (x.clone(), w.detach(), self.place());
        Self::made(values, &[self], Some(w), move |dy, wanted| {
            with_elem!("conv2d", x.dtype(), T => {
                let dy = T::cpu_storage_as_slice(&dy)?;
                if let Some(place) = &place {
                    let sum = place.take::<T>()?;
                    place.give(with_values::<T, _>(&w_, |w| Ok(conv_core::data_gradient(&g, w, dy, sum)))?)?;
                }
                if !wanted {
                    return Ok(None);
                }
                Ok(Some(with_values::<T, _>(&x, |x| tensor(conv_core::weight_gradient(&g, x, dy), w_.shape()))?))
            })
        })
    }
}

/// Convolution, bias, `+ residual` and `relu` in one pass, for inference: the result carries no graph.
pub fn conv2d_fused(
    x: &Tensor,
    w: &Tensor,
    bias: Option<&Tensor>,
    spec: ConvSpec,
    relu: bool,
    residual: Option<&Tensor>,
) -> Result<Tensor> {
    Map::first(x).conv2d_fused(w, bias, spec, relu, residual.map(Map::first).as_ref())?.leave()
}

fn fused(
    x: &Tensor,
    w: &Tensor,
    bias: Option<&Tensor>,
    spec: ConvSpec,
    relu: bool,
    residual: Option<&Tensor>,
) -> Result<Tensor> {
    let (ph, pw) = spec.padding;
    let g = Geometry::new(&Map::first(x), w, spec, [ph, ph, pw, pw])?;
    if let Some(bias) = bias {
        check_bias(bias, w)?;
    }
    if let Some(r) = residual {
        same_dtype("conv2d_fused", x.dtype(), "residual", r.dtype())?;
        if r.dims4()? != g.output_shape() {
            bail!("conv2d_fused: the residual {:?} does not fit the output {:?}", r.dims(), g.output_shape())
        }
    }
    with_elem!("conv2d_fused", x.dtype(), T => {
        with_values::<T, _>(x, |x| with_values::<T, _>(w, |w| {
            let run = |bias: Option<&[T]>, residual: Option<&[T]>| {
                tensor(conv_core::forward(&g, x, w, &Epilogue { bias, residual, relu }), g.output_shape())
            };
            match (bias, residual) {
                (None, None) => run(None, None),
                (Some(b), None) => with_values::<T, _>(b, |b| run(Some(b), None)),
                (None, Some(r)) => with_values::<T, _>(r, |r| run(None, Some(r))),
                (Some(b), Some(r)) => with_values::<T, _>(b, |b| with_values::<T, _>(r, |r| run(Some(b), Some(r)))),
            }
        }))
    })
}

fn check_bias(bias: &Tensor, w: &Tensor) -> Result<()> {
    same_dtype("conv2d", w.dtype(), "bias", bias.dtype())?;
    if bias.dims() != [w.dim(0)?] {
        bail!("conv2d: the bias {:?} does not fit the weight {:?}", bias.dims(), w.dims())
    }
    Ok(())
}

struct Conv {
    geometry: Geometry,
    /// Whether anything trainable stands behind the input.
    input_gradient: bool,
}

impl Conv {
    fn gradients(&self, x: &Tensor, w: &Tensor, dy: &Tensor) -> Result<(Option<Tensor>, Tensor)> {
        let g = &self.geometry;
        with_elem!("conv2d", x.dtype(), T => with_values::<T, _>(dy, |dy| {
            let dw = with_values::<T, _>(x, |x| tensor(conv_core::weight_gradient(g, x, dy), w.shape()))?;
            let dx = if self.input_gradient {
                Some(with_values::<T, _>(w, |w| tensor(conv_core::data_gradient(g, w, dy, None), x.shape()))?)
            } else {
                None
            };
            Ok((dx, dw))
        }))
    }
}

impl CustomOp2 for Conv {
    fn name(&self) -> &'static str {
        "conv2d"
    }

    fn cpu_fwd(&self, s1: &CpuStorage, l1: &Layout, s2: &CpuStorage, l2: &Layout) -> Result<(CpuStorage, Shape)> {
        with_elem!("conv2d", s1.dtype(), T => {
            let (x, w) = (values::<T>(s1, l1)?, values::<T>(s2, l2)?);
            let y = conv_core::forward(&self.geometry, &x, &w, &Epilogue::default());
            Ok(output(y, self.geometry.output_shape()))
        })
    }

    fn bwd(&self, x: &Tensor, w: &Tensor, _: &Tensor, dy: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (dx, dw) = self.gradients(x, w, dy)?;
        Ok((dx, Some(dw)))
    }
}

impl CustomOp3 for Conv {
    fn name(&self) -> &'static str {
        "conv2d"
    }

    fn cpu_fwd(
        &self,
        s1: &CpuStorage,
        l1: &Layout,
        s2: &CpuStorage,
        l2: &Layout,
        s3: &CpuStorage,
        l3: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        with_elem!("conv2d", s1.dtype(), T => {
            let (x, w, b) = (values::<T>(s1, l1)?, values::<T>(s2, l2)?, values::<T>(s3, l3)?);
            let y = conv_core::forward(&self.geometry, &x, &w, &Epilogue { bias: Some(&b), ..Epilogue::default() });
            Ok(output(y, self.geometry.output_shape()))
        })
    }

    fn bwd(
        &self,
        x: &Tensor,
        w: &Tensor,
        bias: &Tensor,
        _: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (dx, dw) = self.gradients(x, w, dy)?;
        let g = &self.geometry;
        let db = with_elem!("conv2d", x.dtype(), T => with_values::<T, _>(dy, |dy| {
            tensor(conv_core::bias_gradient(g, dy), bias.shape())
        }))?;
        Ok((dx, Some(dw), Some(db)))
    }
}
