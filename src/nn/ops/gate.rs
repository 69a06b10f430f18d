//! Channels weighed by factors: the squeeze and excitation of Hu et al. 2018.

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor, backend::BackendStorage, bail};
use rayon::prelude::*;

use super::elem::{Elem, num::Float, output, same_dtype, tensor, values, with_elem, with_values};
use super::{Map, Taped, linear, relu};

/// Every channel of `[N, C, H, W]` times its factor in `[N, C]`.
pub fn scale_channels(x: &Tensor, factors: &Tensor) -> Result<Tensor> {
    Map::first(x).scale_channels(factors)?.leave()
}

/// `x * sigmoid(w2 relu(w1 mean(x) + b1) + b2)`, with the mean over each channel's map. `layers` are `w1 [R, C, 1, 1]`,
/// `b1 [R]`, `w2 [C, R, 1, 1]` and `b2 [C]`.
pub fn squeeze_excite(x: &Tensor, layers: [&Tensor; 4]) -> Result<Tensor> {
    Map::first(x).squeeze_excite(layers)?.leave()
}

impl Map {
    /// [`scale_channels`].
    pub fn scale_channels(&self, factors: &Tensor) -> Result<Self> {
        let [n, c, _, _] = self.sizes("scale_channels")?;
        let x = self.tensor();
        if factors.dims() != [n, c] {
            bail!("scale_channels: the factors {:?} do not fit the input {:?}", factors.dims(), x.dims())
        }
        same_dtype("scale_channels", x.dtype(), "factors", factors.dtype())?;
        #[cfg(feature = "cuda")]
        if self.on_cuda() {
            return Ok(self.with(super::cuda::scale_channels(self, factors)?));
        }
        self.through(|x| x.apply_op2(factors, ScaleChannels))
    }

    /// [`squeeze_excite`].
    pub fn squeeze_excite(&self, layers: [&Tensor; 4]) -> Result<Self> {
        let [w1, b1, w2, b2] = layers;
        let inner = relu(&linear(&self.global_avg_pool()?, &w1.flatten_from(1)?, Some(b1))?)?;
        self.scale_channels(&sigmoid(&linear(&inner, &w2.flatten_from(1)?, Some(b2))?)?)
    }
}

impl Taped {
    /// [`squeeze_excite`].
    pub fn squeeze_excite(&self, layers: [&Tensor; 4]) -> Result<Self> {
        match self.elsewhere() {
            Some(map) => map.squeeze_excite(layers).map(Self::plain),
            None => self.through(|x| squeeze_excite(x, layers)),
        }
    }
}

/// The logistic function. Where it overflows inside, the value and the slope are still right: 1 / (1 + inf) = 0.
fn sigmoid(x: &Tensor) -> Result<Tensor> {
    // (1 + tanh(x / 2)) / 2 needs no large numbers.
    x.affine(0.5, 0.0)?.tanh()?.affine(0.5, 0.5)
}

struct ScaleChannels;

fn scaled<T: Elem>(x: &[T], factors: &[T]) -> Vec<T> {
    let plane = x.len() / factors.len().max(1);
    let mut out = vec![T::ZERO; x.len()];
    if plane > 0 {
        out.par_chunks_mut(plane).zip(x.par_chunks(plane)).zip(factors.par_iter()).for_each(|((out, x), &factor)| {
            for (out, &x) in out.iter_mut().zip(x) {
                *out = x * factor;
            }
        });
    }
    out
}

impl CustomOp2 for ScaleChannels {
    fn name(&self) -> &'static str {
        "scale_channels"
    }

    fn cpu_fwd(&self, s1: &CpuStorage, l1: &Layout, s2: &CpuStorage, l2: &Layout) -> Result<(CpuStorage, Shape)> {
        with_elem!("scale_channels", s1.dtype(), T => {
            let (x, factors) = (values::<T>(s1, l1)?, values::<T>(s2, l2)?);
            Ok(output(scaled(&x, &factors), l1.shape()))
        })
    }

    fn bwd(&self, x: &Tensor, factors: &Tensor, _: &Tensor, dy: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        with_elem!("scale_channels", x.dtype(), T => {
            with_values::<T, _>(x, |xs| with_values::<T, _>(factors, |fs| with_values::<T, _>(dy, |dy| {
                let plane = xs.len() / fs.len().max(1);
                let mut sums = vec![T::ZERO; fs.len()];
                if plane > 0 {
                    sums.par_iter_mut().zip(xs.par_chunks(plane)).zip(dy.par_chunks(plane)).for_each(|((sum, x), dy)| {
                        for (&x, &dy) in x.iter().zip(dy) {
                            *sum += x * dy;
                        }
                    });
                }
                Ok((Some(tensor(scaled(dy, fs), x.shape())?), Some(tensor(sums, factors.shape())?)))
            })))
        })
    }
}
