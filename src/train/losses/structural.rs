//! Losses on the structural similarity of DIML (Zhao et al., ICCV 2021).
//!
//! The plan between the cells of two photos is a constant of the loss: it is solved on the host in f64, and the
//! gradient flows through the similarities and the global vectors alone. Marginals are assigned as in the paper's
//! inference (a cell weighs what it has in common with the *other* photo), not swapped as in the reference
//! training code, and are uniform where nothing is in common.

use candle_core::{D, DType, Device, Result, Tensor};
use rayon::prelude::*;

use super::mining::Triplets;
use super::{metric, normalize_rows, relu, rows};
use crate::ot::{self, SinkhornOptions};

/// Added to squared distances of cells before their root, as in the reference code.
const DISTANCE_EPSILON: f64 = 1e-6;

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

/// Photos ready to be compared.
#[derive(Clone, Debug)]
pub struct Compared {
    /// `[n, cells, channels]`, each row of length 1.
    cells: Tensor,
    /// `[n, channels]`, each row of length 1.
    global: Tensor,
}

impl Compared {
    /// From un-normalised cells `[n, channels, cells]`. `global [n, channels]` is what searches use as the global vector;
    /// the mean of the cells where none is given.
    pub fn new(cells: &Tensor, global: Option<&Tensor>) -> Result<Self> {
        let global = match global {
            Some(global) => normalize_rows(global)?,
            None => normalize_rows(&cells.mean(D::Minus1)?)?,
        };
        Ok(Self { cells: normalize_rows(&cells.transpose(1, 2)?.contiguous()?)?, global })
    }

    fn pick(&self, order: &[usize]) -> Result<Self> {
        Ok(Self { cells: rows(&self.cells, order)?, global: rows(&self.global, order)? })
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
    /// Cosines of the cells, `[n, query cell, gallery cell]`.
    similarity: Tensor,
}

impl PairScores {
    /// Mean of structural and global similarity, `[n]`.
    fn mean(&self) -> Result<Tensor> {
        (&self.structural + &self.global)? / 2.0
    }

    /// Mean of the cells' distances under the plan and the distance of the global vectors, `[n]`.
    fn distance(&self) -> Result<Tensor> {
        // |x - y|^2 = 2 - 2 cos for vectors of length 1.
        let root = |cosine: &Tensor| cosine.affine(-2.0, 2.0 + DISTANCE_EPSILON)?.sqrt();
        let cells = (root(&self.similarity)? * &self.plans)?.sum(D::Minus1)?.sum(D::Minus1)?;
        (cells + root(&self.global)?)? / 2.0
    }
}

/// Compares photo i of `query` with photo i of `gallery`; both are un-normalised cells `[n, channels, cells]`.
pub fn structural_scores(query: &Tensor, gallery: &Tensor, settings: &StructuralSettings) -> Result<PairScores> {
    pair_scores(&Compared::new(query, None)?, &Compared::new(gallery, None)?, settings)
}

fn pair_scores(query: &Compared, gallery: &Compared, settings: &StructuralSettings) -> Result<PairScores> {
    let similarity = query.cells.matmul(&gallery.cells.transpose(1, 2)?.contiguous()?)?;
    let weight = |cells: &Tensor, other: &Tensor| -> Result<Vec<Vec<f64>>> {
        let raw = cells.detach().matmul(&other.detach().unsqueeze(2)?)?.squeeze(2)?;
        Ok(host(&raw)?.to_vec2::<f64>()?.into_iter().map(marginal).collect())
    };
    let row_marginals = weight(&query.cells, &gallery.global)?;
    let column_marginals = weight(&gallery.cells, &query.global)?;
    let (n, rows, columns) = similarity.dims3()?;
    let values = host(&similarity)?.flatten_all()?.to_vec1::<f64>()?;
    let plans: Vec<Vec<f64>> = (0..n)
        .into_par_iter()
        .map(|pair| {
            let similarity = &values[pair * rows * columns..(pair + 1) * rows * columns];
            plan(similarity, &row_marginals[pair], &column_marginals[pair], settings)
        })
        .collect::<Result<_>>()?;
    let plans = on_device(plans.concat(), &similarity)?.reshape((n, rows, columns))?;
    let structural = (&similarity * &plans)?.sum(D::Minus1)?.sum(D::Minus1)?;
    let global = (&query.global * &gallery.global)?.sum(D::Minus1)?;
    Ok(PairScores { structural, global, plans, row_marginals, column_marginals, similarity })
}

/// The plan `[rows, columns]` of similarities in the same order.
fn plan(similarity: &[f64], a: &[f64], b: &[f64], settings: &StructuralSettings) -> Result<Vec<f64>> {
    let (rows, columns) = (a.len(), b.len());
    if similarity.iter().any(|value| !value.is_finite()) {
        // A network that has run away is found by its loss, not by the solver.
        return Ok(vec![f64::NAN; rows * columns]);
    }
    let options = SinkhornOptions { epsilon: settings.epsilon, max_iterations: settings.iterations, tolerance: 0.0 };
    // Solved the other way round, because the reference ends with the gallery's side and the solver with
    // its rows; where the iterations run out first, the plans differ.
    let cost: Vec<f64> = (0..rows * columns).map(|k| 1.0 - similarity[k % rows * columns + k / rows]).collect();
    ot::sinkhorn(&cost, b, a, &options)
        .map(|turned| (0..rows * columns).map(|k| turned.plan[k % columns * rows + k / columns]).collect())
        .map_err(candle_core::Error::wrap)
}

/// Scores between photos of one set, and the constant plans they were made with.
pub struct ScoreMatrix {
    /// Mean of structural and global similarity, `[n, n]`; the global one alone where no pair was asked for.
    pub scores: Tensor,
    /// By `i * n + j` for `i < j`: the plan from photo i to photo j, where it was asked for.
    pub plans: Vec<Option<Vec<f64>>>,
}

/// Compares all pairs of photos that `wanted(i, j)` names with `i < j`; a pair has one plan for both ways round.
pub fn score_matrix(
    photos: &Compared,
    wanted: impl Fn(usize, usize) -> bool + Sync,
    settings: &StructuralSettings,
) -> Result<ScoreMatrix> {
    let (n, cells, channels) = photos.cells.dims3()?;
    let flat = photos.cells.reshape((n * cells, channels))?;
    // [n, cells, n, cells]: cells of the first photo against those of the second.
    let similarity = flat.matmul(&flat.t()?)?;
    let values = host(&similarity)?.flatten_all()?.to_vec1::<f64>()?;
    // [n * cells, n]: what each cell has in common with each photo.
    let common = host(&flat.detach().matmul(&photos.global.detach().t()?)?)?.to_vec2::<f64>()?;
    let weights = |of: usize, with: usize| marginal((0..cells).map(|cell| common[of * cells + cell][with]).collect());
    let at = |i: usize, a: usize, j: usize, b: usize| ((i * cells + a) * n + j) * cells + b;
    let plans: Vec<Option<Vec<f64>>> = (0..n * n)
        .into_par_iter()
        .map(|pair| {
            let (i, j) = (pair / n, pair % n);
            if i >= j || !wanted(i, j) {
                return Ok(None);
            }
            let block: Vec<f64> = (0..cells * cells).map(|k| values[at(i, k / cells, j, k % cells)]).collect();
            plan(&block, &weights(i, j), &weights(j, i), settings).map(Some)
        })
        .collect::<Result<_>>()?;
    let (mut all, mut unplanned) = (vec![0.0; values.len()], vec![0.0; n * n]);
    for i in 0..n {
        for j in 0..n {
            match &plans[i.min(j) * n + i.max(j)] {
                Some(plan) => (0..cells * cells).for_each(|k| {
                    let (a, b) = (k / cells, k % cells);
                    let (from, to) = if i < j { (a, b) } else { (b, a) };
                    all[at(i, a, j, b)] = plan[from * cells + to];
                }),
                None => unplanned[i * n + j] = 1.0,
            }
        }
    }
    let plans_tensor = on_device(all, &similarity)?.reshape(similarity.shape())?;
    let structural = (&similarity * plans_tensor)?.reshape((n, cells, n, cells))?.sum(3)?.sum(1)?;
    let global = photos.global.matmul(&photos.global.t()?)?;
    let missing = (&global * on_device(unplanned, &global)?.reshape((n, n))?)?;
    Ok(ScoreMatrix { scores: (((structural + missing)? + global)? / 2.0)?, plans })
}

/// Scores of the triplets' positives and negatives.
fn of_triplets(
    photos: &Compared,
    triplets: &Triplets,
    settings: &StructuralSettings,
) -> Result<Option<[PairScores; 2]>> {
    if triplets.rows.is_empty() {
        return Ok(None);
    }
    let anchors = photos.pick(&triplets.place(0))?;
    let near = pair_scores(&anchors, &photos.pick(&triplets.place(1))?, settings)?;
    Ok(Some([near, pair_scores(&anchors, &photos.pick(&triplets.place(2))?, settings)?]))
}

/// Mean over the triplets of max(0, margin - s(anchor, positive) + s(anchor, negative)), where s is the mean of
/// structural and global similarity; `None` where there are none.
pub fn structural_triplet(
    photos: &Compared,
    triplets: &Triplets,
    margin: f64,
    settings: &StructuralSettings,
) -> Result<Option<Tensor>> {
    let Some([near, far]) = of_triplets(photos, triplets, settings)? else { return Ok(None) };
    Ok(Some(relu(&(far.mean()? - near.mean()?)?.affine(1.0, margin)?)?.mean_all()?))
}

/// [`super::margin`] of structural distances: half the distance of cells under the plan, half that of the global vectors.
/// `None` where there are no triplets.
pub fn structural_margin(
    photos: &Compared,
    triplets: &Triplets,
    betas: &Tensor,
    margin: f64,
    settings: &StructuralSettings,
) -> Result<Option<Tensor>> {
    let Some([near, far]) = of_triplets(photos, triplets, settings)? else { return Ok(None) };
    metric::margin_of(&near.distance()?, &far.distance()?, betas, margin).map(Some)
}

fn host(x: &Tensor) -> Result<Tensor> {
    x.detach().to_dtype(DType::F64)?.to_device(&Device::Cpu)
}

fn on_device(values: Vec<f64>, like: &Tensor) -> Result<Tensor> {
    let length = values.len();
    Tensor::from_vec(values, length, &Device::Cpu)?.to_dtype(like.dtype())?.to_device(like.device())
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
