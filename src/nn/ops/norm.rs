//! Batch normalisation (Ioffe and Szegedy 2015) as one operation, with the ReLU and the residual sum that follow it in a
//! residual block folded into the same passes. A task owns a channel: its values are still in the cache when they are
//! normalised, and no sum crosses tasks.

use std::{
    mem::MaybeUninit,
    sync::{Arc, OnceLock},
};

use candle_core::{
    CpuStorage, CustomOp2, CustomOp3, DType, Layout, Result, Shape, Tensor, backend::BackendStorage, bail,
};
use rayon::prelude::*;

use super::elem::{Elem, output, same_dtype, tensor, values, with_elem, with_values, written};
use super::probe;

/// Normalises with the batch's own statistics. Gives the result, the batch mean and the unbiased batch variance, the last
/// two `[C]`, without a graph, for the caller's running statistics.
pub fn batch_norm_train(x: &Tensor, weight: &Tensor, bias: &Tensor, eps: f64) -> Result<(Tensor, Tensor, Tensor)> {
    train(x, weight, bias, eps, false, None)
}

/// [`batch_norm_train`], then `+ residual` where given, then ReLU, in the same passes forward and backward.
pub fn batch_norm_train_relu(
    x: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    eps: f64,
    residual: Option<&Tensor>,
) -> Result<(Tensor, Tensor, Tensor)> {
    let done = train(x, weight, bias, eps, true, residual)?;
    probe::rectified(&done.0);
    Ok(done)
}

/// Normalises with running statistics; differentiable in `x`, `weight` and `bias`.
pub fn batch_norm_eval(
    x: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    running_mean: &Tensor,
    running_var: &Tensor,
    eps: f64,
) -> Result<Tensor> {
    #[cfg(feature = "cuda")]
    if x.device().is_cuda() {
        return super::cuda::batch_norm_eval(x, weight, bias, running_mean, running_var, eps);
    }
    let sizes = Sizes::new(x)?;
    for (what, t) in [("running mean", running_mean), ("running variance", running_var)] {
        check_channel_vector(x, what, t, sizes.channels)?;
    }
    let mean = running_mean.to_dtype(DType::F64)?.to_vec1::<f64>()?;
    let var = running_var.to_dtype(DType::F64)?.to_vec1::<f64>()?;
    let fixed: Vec<Moments> = mean.into_iter().zip(var).map(|(mean, var)| Moments { mean, var }).collect();
    let saved = Arc::new(OnceLock::from(fixed));
    let op = BatchNorm { sizes, eps, relu: false, fixed: true, moments: saved };
    x.apply_op2(&affine(x, weight, bias, sizes.channels)?, op)
}

fn train(
    x: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    eps: f64,
    relu: bool,
    residual: Option<&Tensor>,
) -> Result<(Tensor, Tensor, Tensor)> {
    #[cfg(feature = "cuda")]
    if x.device().is_cuda() {
        return super::cuda::batch_norm_train(x, weight, bias, eps, relu, residual);
    }
    let sizes = Sizes::new(x)?;
    let m = sizes.images * sizes.pixels;
    if m < 2 {
        bail!("batch_norm_train: needs more than one value per channel, got the input {:?}", x.dims())
    }
    let moments = Arc::new(OnceLock::new());
    let op = BatchNorm { sizes, eps, relu, fixed: false, moments: moments.clone() };
    let affine = affine(x, weight, bias, sizes.channels)?;
    let y = match residual {
        None => x.apply_op2(&affine, op)?,
        Some(r) => {
            if r.shape() != x.shape() {
                bail!("batch_norm_train_relu: the residual {:?} does not fit the input {:?}", r.dims(), x.dims())
            }
            same_dtype("batch_norm_train_relu", x.dtype(), "residual", r.dtype())?;
            x.apply_op3(&affine, r, op)?
        }
    };
    let moments: &[Moments] = moments.get().map(Vec::as_slice).unwrap_or_default();
    let unbiased = m as f64 / (m - 1) as f64;
    let (mean, var): (Vec<f64>, Vec<f64>) = moments.iter().map(|s| (s.mean, s.var * unbiased)).unzip();
    let vector = |v: Vec<f64>| Tensor::from_vec(v, sizes.channels, x.device())?.to_dtype(x.dtype());
    Ok((y, vector(mean)?, vector(var)?))
}

/// Weight and bias as one `[2, C]` tensor, because candle's own operations take three inputs at most.
fn affine(x: &Tensor, weight: &Tensor, bias: &Tensor, channels: usize) -> Result<Tensor> {
    check_channel_vector(x, "weight", weight, channels)?;
    check_channel_vector(x, "bias", bias, channels)?;
    same_dtype("batch_norm", x.dtype(), "weight", weight.dtype())?;
    same_dtype("batch_norm", x.dtype(), "bias", bias.dtype())?;
    Tensor::stack(&[weight, bias], 0)
}

fn check_channel_vector(x: &Tensor, what: &str, t: &Tensor, channels: usize) -> Result<()> {
    if t.dims() != [channels] {
        bail!("batch_norm: the {what} {:?} does not fit the input {:?}", t.dims(), x.dims())
    }
    Ok(())
}

#[derive(Clone, Copy)]
struct Sizes {
    images: usize,
    channels: usize,
    pixels: usize,
}

impl Sizes {
    fn new(x: &Tensor) -> Result<Self> {
        match x.dims() {
            &[images, channels, ref rest @ ..] => Ok(Self { images, channels, pixels: rest.iter().product() }),
            other => bail!("batch_norm: the input must be [images, channels, ...], not {other:?}"),
        }
    }

    fn len(self) -> usize {
        self.images * self.channels * self.pixels
    }

    /// The channel's planes in the order of the images.
    fn planes<T>(self, all: &[T], channel: usize) -> impl Iterator<Item = &[T]> {
        let Self { images, channels, pixels } = self;
        (0..images).map(move |image| {
            let from = (image * channels + channel) * pixels;
            &all[from..from + pixels]
        })
    }

    /// As [`Self::planes`] for every channel, to be written.
    fn planes_mut<T>(self, all: &mut [T]) -> Vec<Vec<&mut [T]>> {
        let mut planes: Vec<Vec<&mut [T]>> = (0..self.channels).map(|_| Vec::with_capacity(self.images)).collect();
        if self.pixels > 0 {
            for (i, plane) in all.chunks_mut(self.pixels).enumerate() {
                planes[i % self.channels].push(plane);
            }
        }
        planes
    }
}

#[derive(Clone, Copy)]
struct Moments {
    mean: f64,
    /// Biased, as it is used.
    var: f64,
}

struct BatchNorm {
    sizes: Sizes,
    eps: f64,
    relu: bool,
    /// The moments are given, not the batch's own: nothing flows back through them.
    fixed: bool,
    moments: Arc<OnceLock<Vec<Moments>>>,
}

const LANES: usize = 16;

/// The sum of `f(i)` over a plane: sixteen running sums, folded in a fixed order.
fn lanes<T: Elem>(len: usize, f: impl Fn(usize) -> T) -> f64 {
    let mut sums = [T::ZERO; LANES];
    let whole = len / LANES * LANES;
    for i in (0..whole).step_by(LANES) {
        for (j, sum) in sums.iter_mut().enumerate() {
            *sum += f(i + j);
        }
    }
    let mut total: f64 = sums.iter().map(|v| v.to_f64()).sum();
    for i in whole..len {
        total += f(i).to_f64();
    }
    total
}

/// The sums of `a` and of `a b` over a plane, as [`lanes`] takes them.
fn lanes2<T: Elem>(len: usize, f: impl Fn(usize) -> (T, T)) -> (f64, f64) {
    let (mut sums, mut products) = ([T::ZERO; LANES], [T::ZERO; LANES]);
    let whole = len / LANES * LANES;
    for i in (0..whole).step_by(LANES) {
        for (j, (sum, product)) in sums.iter_mut().zip(&mut products).enumerate() {
            let (a, b) = f(i + j);
            *sum += a;
            *product += a * b;
        }
    }
    for i in whole..len {
        let (a, b) = f(i);
        sums[i - whole] += a;
        products[i - whole] += a * b;
    }
    let total = |sums: [T; LANES]| sums.iter().map(|v| v.to_f64()).sum();
    (total(sums), total(products))
}

impl BatchNorm {
    fn forward<T: Elem>(&self, x: &[T], affine: &[T], residual: Option<&[T]>) -> Vec<T> {
        let sizes = self.sizes;
        let count = (sizes.images * sizes.pixels) as f64;
        let given = self.moments.get();
        let channel = |(c, mut y): (usize, Vec<&mut [MaybeUninit<T>]>)| {
            let moments = match given {
                Some(given) => given[c],
                None => {
                    let mean = sizes.planes(x, c).map(|x| lanes(x.len(), |i| x[i])).sum::<f64>() / count;
                    let m = T::of(mean);
                    let square = |x: &[T]| lanes(x.len(), |i| (x[i] - m) * (x[i] - m));
                    Moments { mean, var: sizes.planes(x, c).map(square).sum::<f64>() / count }
                }
            };
            let slope = affine[c].to_f64() / (moments.var + self.eps).sqrt();
            let (slope, shift) = (T::of(slope), T::of(affine[sizes.channels + c].to_f64() - moments.mean * slope));
            let floor = if self.relu { T::ZERO } else { T::NEG_INFINITY };
            let rectify = |v: T| if v < floor { floor } else { v };
            for (image, (y, x)) in y.iter_mut().zip(sizes.planes(x, c)).enumerate() {
                match residual {
                    None => y.iter_mut().zip(x).for_each(|(y, &x)| {
                        y.write(rectify(x * slope + shift));
                    }),
                    Some(r) => {
                        let from = (image * sizes.channels + c) * sizes.pixels;
                        let r = &r[from..from + sizes.pixels];
                        y.iter_mut().zip(x).zip(r).for_each(|((y, &x), &r)| {
                            y.write(rectify(x * slope + shift + r));
                        });
                    }
                }
            }
            moments
        };
        let mut moments = Vec::new();
        // SAFETY: `planes_mut` cuts the whole output into planes, and each is zipped with inputs as long.
        let y = unsafe {
            written(sizes.len(), |y| {
                moments = sizes.planes_mut(y).into_par_iter().enumerate().map(channel).collect();
            })
        };
        // Where statistics were given they stay.
        let _ = self.moments.set(moments);
        y
    }

    /// The gradients of the input, of `[weight, bias]`, and of the residual (the gradient behind the ReLU; empty without
    /// ReLU, where nobody asks).
    fn gradients<T: Elem>(&self, x: &[T], affine: &[T], y: &[T], dy: &[T]) -> (Vec<T>, Vec<T>, Vec<T>) {
        let sizes = self.sizes;
        let count = (sizes.images * sizes.pixels) as f64;
        let moments = self.moments.get().map(Vec::as_slice).unwrap_or_default();
        let channel = |c: usize, dx: &mut [&mut [MaybeUninit<T>]], behind: &mut [&mut [MaybeUninit<T>]]| {
            let Moments { mean, var } = moments[c];
            let inverse = 1.0 / (var + self.eps).sqrt();
            let m = T::of(mean);
            let planes = || sizes.planes(x, c).zip(sizes.planes(y, c)).zip(sizes.planes(dy, c));
            let (mut sum, mut product) = (0.0, 0.0);
            for ((x, y), dy) in planes() {
                let (a, b) = if self.relu {
                    lanes2(x.len(), |i| (if y[i] > T::ZERO { dy[i] } else { T::ZERO }, x[i] - m))
                } else {
                    lanes2(x.len(), |i| (dy[i], x[i] - m))
                };
                sum += a;
                product += b;
            }
            let slope = affine[c].to_f64() * inverse;
            // dx = slope (dy - mean(dy) - x^ mean(dy x^)); without the means where the moments are given.
            let (a, b) = if self.fixed { (0.0, 0.0) } else { (sum / count, product * inverse * inverse / count) };
            let (lean, offset, slope) = (T::of(-slope * b), T::of(-slope * a), T::of(slope));
            let slanted = |x: T, dy: T| slope * dy + (lean * (x - m) + offset);
            for (image, ((x, y), dy)) in planes().enumerate() {
                let dx = &mut dx[image];
                match behind.get_mut(image) {
                    None => dx.iter_mut().zip(x).zip(dy).for_each(|((dx, &x), &dy)| {
                        dx.write(slanted(x, dy));
                    }),
                    Some(behind) => {
                        let out = dx.iter_mut().zip(behind.iter_mut());
                        out.zip(x).zip(y).zip(dy).for_each(|((((dx, behind), &x), &y), &dy)| {
                            let dy = if y > T::ZERO { dy } else { T::ZERO };
                            behind.write(dy);
                            dx.write(slanted(x, dy));
                        });
                    }
                }
            }
            (product * inverse, sum)
        };
        let (mut sums, mut behind) = (Vec::<(f64, f64)>::new(), Vec::new());
        // SAFETY: `planes_mut` cuts the whole of both into planes, and each is zipped with inputs as long.
        let dx = unsafe {
            written(sizes.len(), |dx| {
                behind = written(if self.relu { sizes.len() } else { 0 }, |behind| {
                    let planes = sizes.planes_mut(dx).into_par_iter().zip(sizes.planes_mut(behind)).enumerate();
                    sums = planes.map(|(c, (mut dx, mut behind))| channel(c, &mut dx, &mut behind)).collect();
                });
            })
        };
        let (dw, db): (Vec<T>, Vec<T>) = sums.into_iter().map(|(w, b)| (T::of(w), T::of(b))).unzip();
        (dx, [dw, db].concat(), behind)
    }

    fn backward(
        &self,
        x: &Tensor,
        affine: &Tensor,
        y: &Tensor,
        dy: &Tensor,
    ) -> Result<(Tensor, Tensor, Option<Tensor>)> {
        with_elem!("batch_norm", x.dtype(), T => with_values::<T, _>(x, |x_| with_values::<T, _>(affine, |a_| {
            with_values::<T, _>(y, |y_| with_values::<T, _>(dy, |dy_| {
                let (dx, da, dr) = self.gradients(x_, a_, y_, dy_);
                let dr = if self.relu { Some(tensor(dr, x.shape())?) } else { None };
                Ok((tensor(dx, x.shape())?, tensor(da, affine.shape())?, dr))
            }))
        })))
    }
}

impl CustomOp2 for BatchNorm {
    fn name(&self) -> &'static str {
        "batch_norm"
    }

    fn cpu_fwd(&self, s1: &CpuStorage, l1: &Layout, s2: &CpuStorage, l2: &Layout) -> Result<(CpuStorage, Shape)> {
        with_elem!("batch_norm", s1.dtype(), T => {
            let (x, affine) = (values::<T>(s1, l1)?, values::<T>(s2, l2)?);
            Ok(output(self.forward(&x, &affine, None), l1.shape()))
        })
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
        s1: &CpuStorage,
        l1: &Layout,
        s2: &CpuStorage,
        l2: &Layout,
        s3: &CpuStorage,
        l3: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        with_elem!("batch_norm", s1.dtype(), T => {
            let (x, affine, r) = (values::<T>(s1, l1)?, values::<T>(s2, l2)?, values::<T>(s3, l3)?);
            Ok(output(self.forward(&x, &affine, Some(&r)), l1.shape()))
        })
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
