//! Batch normalisation (Ioffe and Szegedy 2015) as one operation, with the ReLU and the residual sum that follow it in a
//! residual block folded into the same passes (`norm_core`). Backward writes over the gradient that it is given.

use std::sync::Arc;

use candle_core::{DType, Result, Tensor, WithDType, bail};

use super::elem::{same_dtype, tensor, with_elem, with_values};
use super::norm_core::{BatchNorm, Moments, Sizes};
use super::{map::Map, probe, tape::Taped};

/// What follows a normalisation in the same passes.
#[derive(Clone, Copy)]
pub enum After<'a> {
    Nothing,
    Relu,
    /// This map is added, then comes a ReLU.
    AddRelu(&'a Taped),
}

/// Normalises with the batch's own statistics. Gives the result, the batch mean and the unbiased batch variance, the last
/// two `[C]`, without a graph, for the caller's running statistics.
pub fn batch_norm_train(x: &Tensor, weight: &Tensor, bias: &Tensor, eps: f64) -> Result<(Tensor, Tensor, Tensor)> {
    trained(x, weight, bias, eps, false, None)
}

/// [`batch_norm_train`], then `+ residual` where given, then ReLU.
pub fn batch_norm_train_relu(
    x: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    eps: f64,
    residual: Option<&Tensor>,
) -> Result<(Tensor, Tensor, Tensor)> {
    trained(x, weight, bias, eps, true, residual)
}

fn trained(
    x: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    eps: f64,
    relu: bool,
    residual: Option<&Tensor>,
) -> Result<(Tensor, Tensor, Tensor)> {
    let residual = residual.map(Map::first);
    let (y, mean, var) = Map::first(x).batch_norm_train(weight, bias, eps, relu, residual.as_ref())?;
    Ok((y.leave()?, mean, var))
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
    Map::first(x).batch_norm_eval([weight, bias, running_mean, running_var], eps)?.leave()
}

impl Map {
    /// [`batch_norm_train`], then `+ residual` where given, then ReLU if asked for.
    pub fn batch_norm_train(
        &self,
        weight: &Tensor,
        bias: &Tensor,
        eps: f64,
        relu: bool,
        residual: Option<&Self>,
    ) -> Result<(Self, Tensor, Tensor)> {
        #[cfg(feature = "cuda")]
        if self.on_cuda() {
            let (y, mean, var) = super::cuda::batch_norm_train(self, weight, bias, eps, relu, residual)?;
            let y = self.with(y);
            return Ok((if relu { y.rectified()? } else { y }, mean, var));
        }
        let residual = residual.map(|residual| Taped::enter(&residual.leave()?)).transpose()?;
        let after = match &residual {
            Some(residual) => After::AddRelu(residual),
            None if relu => After::Relu,
            None => After::Nothing,
        };
        let (y, mean, var) = Taped::enter(&self.leave()?)?.batch_norm_train(weight, bias, eps, after)?;
        Ok((Self::enter_as(&y.leave()?, self.order())?, mean, var))
    }

    /// [`batch_norm_eval`]; weight, bias, running mean and running variance.
    pub fn batch_norm_eval(&self, vectors: [&Tensor; 4], eps: f64) -> Result<Self> {
        #[cfg(feature = "cuda")]
        if self.on_cuda() {
            return Ok(self.with(super::cuda::batch_norm_eval(self, vectors, eps)?));
        }
        self.through(|x| Taped::enter(x)?.batch_norm_eval(vectors, eps, After::Nothing)?.leave())
    }
}

impl Taped {
    /// [`batch_norm_train`] and what follows it.
    pub fn batch_norm_train(
        &self,
        weight: &Tensor,
        bias: &Tensor,
        eps: f64,
        after: After<'_>,
    ) -> Result<(Self, Tensor, Tensor)> {
        if let Some(x) = self.elsewhere() {
            let residual = if let After::AddRelu(residual) = after { residual.elsewhere() } else { None };
            let relu = !matches!(after, After::Nothing);
            let (y, mean, var) = x.batch_norm_train(weight, bias, eps, relu, residual)?;
            return Ok((Self::plain(y), mean, var));
        }
        let x = self.values();
        let sizes = Sizes::new(x)?;
        let m = sizes.images * sizes.pixels;
        if m < 2 {
            bail!("batch_norm_train: needs more than one value per channel, got the input {:?}", x.dims())
        }
        let (y, moments) = self.normalised(sizes, weight, bias, eps, None, after)?;
        let unbiased = m as f64 / (m - 1) as f64;
        let (mean, var): (Vec<f64>, Vec<f64>) = moments.iter().map(|s| (s.mean, s.var * unbiased)).unzip();
        let vector = |v: Vec<f64>| Tensor::from_vec(v, sizes.channels, x.device())?.to_dtype(x.dtype());
        Ok((y, vector(mean)?, vector(var)?))
    }

    /// [`batch_norm_eval`] and what follows it; weight, bias, running mean and running variance.
    pub fn batch_norm_eval(&self, vectors: [&Tensor; 4], eps: f64, after: After<'_>) -> Result<Self> {
        if let Some(x) = self.elsewhere() {
            let y = x.batch_norm_eval(vectors, eps)?;
            return Ok(match after {
                After::Nothing => Self::plain(y),
                After::Relu => Self::plain(y.relu()?),
                After::AddRelu(residual) => Self::plain(y).add_relu(residual)?,
            });
        }
        let [weight, bias, running_mean, running_var] = vectors;
        let sizes = Sizes::new(self.values())?;
        for (what, t) in [("running mean", running_mean), ("running variance", running_var)] {
            check_channel_vector(self.values(), what, t, sizes.channels)?;
        }
        let mean = running_mean.to_dtype(DType::F64)?.to_vec1::<f64>()?;
        let var = running_var.to_dtype(DType::F64)?.to_vec1::<f64>()?;
        let fixed = mean.into_iter().zip(var).map(|(mean, var)| Moments { mean, var }).collect();
        Ok(self.normalised(sizes, weight, bias, eps, Some(fixed), after)?.0)
    }

    fn normalised(
        &self,
        sizes: Sizes,
        weight: &Tensor,
        bias: &Tensor,
        eps: f64,
        fixed: Option<Vec<Moments>>,
        after: After<'_>,
    ) -> Result<(Self, Arc<Vec<Moments>>)> {
        let x = self.values();
        let residual = if let After::AddRelu(residual) = after { Some(residual) } else { None };
        if let Some(r) = residual.map(Self::values) {
            if r.shape() != x.shape() {
                bail!("batch_norm: the residual {:?} does not fit the input {:?}", r.dims(), x.dims())
            }
            same_dtype("batch_norm", x.dtype(), "residual", r.dtype())?;
        }
        let affine = affine(x, weight, bias, sizes.channels)?;
        let relu = !matches!(after, After::Nothing);
        let op = BatchNorm { sizes, eps, relu, fixed: fixed.is_some() };
        let (y, moments) = with_elem!("batch_norm", x.dtype(), T => {
            with_values::<T, _>(x, |x_| with_values::<T, _>(&affine, |affine| {
                let (y, moments) = match residual {
                    None => op.forward(x_, affine, None, fixed),
                    Some(r) => with_values::<T, _>(r.values(), |r| Ok(op.forward(x_, affine, Some(r), fixed)))?,
                };
                Ok((tensor(y, x.shape())?, Arc::new(moments)))
            }))
        })?;
        if relu {
            probe::rectified(&y);
        }
        let maps: Vec<&Self> = [self].into_iter().chain(residual).collect();
        let (x, affine_, statistics) = (x.clone(), affine.detach(), moments.clone());
        let result = residual.is_some().then(|| y.clone());
        let (place, behind) = (self.place(), residual.and_then(Self::place));
        let back = move |dy, wanted: bool| {
            with_elem!("batch_norm", x.dtype(), T => with_values::<T, _>(&x, |x| with_values::<T, _>(&affine_, |affine| {
                let dy = T::cpu_storage_data(dy)?;
                let run = |y: Option<&[T]>| Ok(op.gradients(x, affine, y, dy, &statistics, behind.is_some()));
                let all = match &result {
                    None => run(None)?,
                    Some(y) => with_values::<T, _>(y, |y| run(Some(y)))?,
                };
                if let Some(place) = &place {
                    place.give(all.input)?;
                }
                if let Some((behind, gradient)) = behind.as_ref().zip(all.residual) {
                    behind.give(gradient)?;
                }
                if wanted { Ok(Some(tensor(all.affine, (2, sizes.channels))?)) } else { Ok(None) }
            })))
        };
        Ok((Self::made(y, &maps, Some(&affine), back)?, moments))
    }
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
