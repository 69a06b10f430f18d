//! The losses, each a differentiable scalar of candle tensors, in f32 or f64.
//!
//! They are written from selections without a graph and from smooth tensor operations only: candle gives every
//! tie of a `max` or `min` the whole gradient, differentiates relu to 1 at 0 and sqrt to infinity there, and its
//! fused softmax cuts the graph. What is selected on the host is known from labels alone; what depends on values is
//! selected where they are, so that a step need not wait for its device. Oracle: `tests/fixtures/training.json` (PyTorch, values and gradients) and the
//! constants of the papers' closed forms.

mod classification;
mod contrastive;
mod metric;
mod mining;
mod self_supervised;
mod structural;
#[cfg(test)]
mod structural_tests;
#[cfg(test)]
mod tests;

pub use classification::cross_entropy;
pub use contrastive::{cross_domain_info_nce, info_nce, info_nce_of, info_nce_symmetric, nt_xent};
pub use metric::{
    Distance, Hinge, MultiSimilarity, TripletSpec, explicit_negatives, explicit_positives, hinge, margin, proxy_anchor,
    triplet,
};
pub use mining::{Mining, Partners, Triplets, draws};
pub use self_supervised::{byol, decoupled_nt_xent, dino, queue_info_nce, simsiam, vicreg};
pub use structural::{
    Compared, PairScores, ScoreMatrix, Solved, StructuralSettings, score_matrix, structural_margin, structural_scores,
    structural_triplet,
};

use candle_core::{D, DType, Device, Result, Tensor};

use crate::nn::ops::send;

/// Rows scaled to unit length. A row of zeros, such as a cell that no filter answers to, stays zeros and has no gradient:
/// PyTorch's `normalize` gives it one of 1e12, which after clipping is all that is left of a step.
pub fn normalize_rows(x: &Tensor) -> Result<Tensor> {
    let square = x.sqr()?.sum_keepdim(D::Minus1)?;
    // Lengths above 1e-6 alone; the addend is the square of the bound that PyTorch puts under a length.
    let alive = square.detach().gt(1e-12)?.to_dtype(x.dtype())?;
    (x.broadcast_mul(&alive)?).broadcast_div(&square.affine(1.0, 1e-24)?.sqrt()?)
}

/// max(x, 0) whose derivative at 0 is 0.
pub(crate) fn relu(x: &Tensor) -> Result<Tensor> {
    let above = x.detach().gt(0.0)?.to_dtype(x.dtype())?;
    x * above
}

/// log(1 + exp(x)) without overflow, with the logistic function as its derivative everywhere.
pub(crate) fn softplus(x: &Tensor) -> Result<Tensor> {
    let shift = relu(&x.detach())?;
    let sum = (shift.neg()?.exp()? + (x - &shift)?.exp()?)?;
    sum.log()? + shift
}

/// Logarithm of the softmax over the last dimension.
pub(crate) fn log_softmax(x: &Tensor) -> Result<Tensor> {
    let shifted = x.broadcast_sub(&x.detach().max_keepdim(D::Minus1)?)?;
    let log_sum = shifted.exp()?.sum_keepdim(D::Minus1)?.log()?;
    shifted.broadcast_sub(&log_sum)
}

/// Squared length of each row.
pub(crate) fn row_squares(x: &Tensor) -> Result<Tensor> {
    x.sqr()?.sum(D::Minus1)
}

/// A square root that is flat at 0: rows that coincide pull in no direction.
pub(crate) fn safe_sqrt(x: &Tensor) -> Result<Tensor> {
    let tiny = if x.dtype() == DType::F64 { 1e-24 } else { 1e-14 };
    x.affine(1.0, tiny)?.sqrt()
}

/// A matrix on the tensor's device from values made on the host.
pub(crate) fn matrix(values: Vec<f64>, shape: (usize, usize), like: &Tensor) -> Result<Tensor> {
    send(values, &[shape.0, shape.1], like.device())?.to_dtype(like.dtype())
}

/// Rows of `x` in this order, some more than once.
pub(crate) fn rows(x: &Tensor, order: &[usize]) -> Result<Tensor> {
    x.index_select(&index(order, x.device())?, 0)
}

/// Numbers of rows, `[n]`, to select them by.
pub(crate) fn index(order: &[usize], device: &Device) -> Result<Tensor> {
    let order: Vec<f64> = order.iter().map(|&row| row as f64).collect();
    let n = order.len();
    send(order, &[n], device)?.to_dtype(DType::U32)
}

/// The values of a matrix, row by row, in f64. A device other than the CPU is waited for.
pub(crate) fn read_matrix(x: &Tensor) -> Result<Vec<Vec<f64>>> {
    x.detach().to_dtype(DType::F64)?.to_device(&Device::Cpu)?.to_vec2::<f64>()
}

/// The value of a scalar in f64.
pub fn read_scalar(x: &Tensor) -> Result<f64> {
    x.detach().to_dtype(DType::F64)?.to_scalar::<f64>()
}
