//! A fully-connected layer, `y = x Wᵀ + b`.

use candle_core::{Result, Tensor, bail};

/// `[N, I] x [O, I] -> [N, O]`, plus `bias [O]`.
pub fn linear(x: &Tensor, w: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    let (&[_, inputs], &[outputs, expected]) = (x.dims(), w.dims()) else {
        bail!("linear: the input {:?} and the weight {:?} must both have two dimensions", x.dims(), w.dims())
    };
    if inputs != expected {
        bail!("linear: the input {:?} does not fit the weight {:?}", x.dims(), w.dims())
    }
    if let Some(b) = bias
        && b.dims() != [outputs]
    {
        bail!("linear: the bias {:?} does not fit the weight {:?}", b.dims(), w.dims())
    }
    if x.dim(0)? == 0 {
        return Tensor::zeros((0, outputs), x.dtype(), x.device());
    }
    let y = x.contiguous()?.matmul(&w.t()?)?;
    match bias {
        Some(b) => y.broadcast_add(b),
        None => Ok(y),
    }
}
