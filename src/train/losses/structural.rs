//! Losses on the structural similarity of DIML (Zhao et al., ICCV 2021).
//!
//! The plan between the cells of two photos is a constant of the loss: it is solved on the host in f64, and the
//! gradient flows through the similarities and the global vectors alone. Marginals are assigned as in the paper's
//! inference (a cell weighs what it has in common with the *other* photo), not swapped as in the reference
//! training code.

use candle_core::{D, DType, Device, Result, Tensor};
use rayon::prelude::*;

use super::{normalize_rows, relu};
use crate::ot::{self, SinkhornOptions};

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StructuralSettings {
    pub epsilon: f64,
    pub iterations: usize,
}

impl Default for StructuralSettings {
    fn default() -> Self {
        Self { epsilon: 0.05, iterations: 100 }
    }
}

/// Scores of n pairs of photos, and what they were made of.
pub struct PairScores {
    /// Sum of plan x similarity, `[n]`.
    pub structural: Tensor,
    /// Cosine of the global vectors, `[n]`.
    pub global: Tensor,
    /// Constant plans, `[n, query cell, gallery cell]`.
    pub plans: Tensor,
    pub row_marginals: Vec<Vec<f64>>,
    pub column_marginals: Vec<Vec<f64>>,
}

/// Compares photo i of `query` with photo i of `gallery`; both are un-normalised cells `[n, channels, cells]`.
pub fn structural_scores(query: &Tensor, gallery: &Tensor, settings: &StructuralSettings) -> Result<PairScores> {
    let global_of = |x: &Tensor| normalize_rows(&x.mean(D::Minus1)?);
    let cells_of = |x: &Tensor| normalize_rows(&x.transpose(1, 2)?.contiguous()?);
    let (query_global, gallery_global) = (global_of(query)?, global_of(gallery)?);
    let (query_cells, gallery_cells) = (cells_of(query)?, cells_of(gallery)?);
    let similarity = query_cells.matmul(&gallery_cells.transpose(1, 2)?.contiguous()?)?;
    let weight = |cells: &Tensor, other: &Tensor| -> Result<Vec<Vec<f64>>> {
        let raw = cells.detach().matmul(&other.detach().unsqueeze(2)?)?.squeeze(2)?;
        Ok(host(&raw)?.to_vec2::<f64>()?.into_iter().map(marginal).collect())
    };
    let row_marginals = weight(&query_cells, &gallery_global)?;
    let column_marginals = weight(&gallery_cells, &query_global)?;
    let (n, rows, columns) = similarity.dims3()?;
    let values = host(&similarity)?.flatten_all()?.to_vec1::<f64>()?;
    let options = SinkhornOptions { epsilon: settings.epsilon, max_iterations: settings.iterations, tolerance: 0.0 };
    let plans: Vec<Vec<f64>> = (0..n)
        .into_par_iter()
        .map(|pair| {
            let similarity = &values[pair * rows * columns..(pair + 1) * rows * columns];
            if similarity.iter().any(|value| !value.is_finite()) {
                // A network that has run away is found by its loss, not by the solver.
                return Ok(vec![f64::NAN; rows * columns]);
            }
            // Solved the other way round, because the reference ends with the gallery's side and the solver with
            // its rows; where the iterations run out first, the plans differ.
            let cost: Vec<f64> = (0..rows * columns).map(|k| 1.0 - similarity[k % rows * columns + k / rows]).collect();
            ot::sinkhorn(&cost, &column_marginals[pair], &row_marginals[pair], &options)
                .map(|turned| (0..rows * columns).map(|k| turned.plan[k % columns * rows + k / columns]).collect())
                .map_err(candle_core::Error::wrap)
        })
        .collect::<Result<_>>()?;
    let plans = Tensor::from_vec(plans.concat(), (n, rows, columns), &Device::Cpu)?
        .to_dtype(similarity.dtype())?
        .to_device(similarity.device())?;
    let structural = (&similarity * &plans)?.sum(D::Minus1)?.sum(D::Minus1)?;
    let global = (query_global * gallery_global)?.sum(D::Minus1)?;
    Ok(PairScores { structural, global, plans, row_marginals, column_marginals })
}

/// Mean over the pairs of max(0, margin - s(query, positive) + s(query, negative)), where s is the mean of
/// structural and global similarity and the negative of a query is the positive of the one before it.
pub fn structural_triplet(
    query: &Tensor,
    positive: &Tensor,
    margin: f64,
    settings: &StructuralSettings,
) -> Result<Tensor> {
    let n = query.dim(0)?;
    let order: Vec<usize> = (0..n).map(|i| (i + n - 1) % n).collect();
    let near = structural_scores(query, positive, settings)?;
    let far = structural_scores(query, &super::rows(positive, &order)?, settings)?;
    let near = ((near.structural + near.global)? / 2.0)?;
    let far = ((far.structural + far.global)? / 2.0)?;
    relu(&(far - near)?.affine(1.0, margin)?)?.mean_all()
}

fn host(x: &Tensor) -> Result<Tensor> {
    x.detach().to_dtype(DType::F64)?.to_device(&Device::Cpu)
}

/// Positive parts scaled to sum to 1; uniform where none is positive.
fn marginal(raw: Vec<f64>) -> Vec<f64> {
    let sum: f64 = raw.iter().map(|x| x.max(0.0)).sum();
    if sum > 0.0 && sum.is_finite() {
        raw.into_iter().map(|x| x.max(0.0) / sum).collect()
    } else {
        let share = 1.0 / raw.len() as f64;
        vec![share; raw.len()]
    }
}
