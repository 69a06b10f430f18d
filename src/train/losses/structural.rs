//! Losses on the structural similarity of DIML (Zhao et al., ICCV 2021).
//!
//! The plan between the cells of two photos is a constant of the loss, and the gradient flows through the similarities
//! and the global vectors alone. On the CPU it is solved in f64; on another device all plans of a batch are solved there
//! together, in the similarities' type, and nothing is brought to the host. Marginals are assigned as in the paper's
//! inference (a cell weighs what it has in common with the *other* photo), not swapped as in the reference
//! training code, and are uniform where nothing is in common.

use candle_core::{D, DType, Device, Result, Tensor};
use rayon::prelude::*;

use super::mining::Triplets;
use super::{metric, normalize_rows, relu, rows};
use crate::nn::ops::{self, Transport};
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

    /// `order [t]` holds numbers of photos.
    fn pick(&self, order: &Tensor) -> Result<Self> {
        Ok(Self { cells: self.cells.index_select(order, 0)?, global: self.global.index_select(order, 0)? })
    }
}

/// Scores of n pairs of photos, and what they were made of.
pub struct PairScores {
    /// Sum of plan x similarity, `[n]`.
    pub structural: Tensor,
    /// Cosine of the global vectors, `[n]`.
    pub global: Tensor,
    pub solved: Solved,
    /// Cosines of the cells, `[n, query cell, gallery cell]`.
    similarity: Tensor,
}

/// Constants of n pairs of photos.
pub struct Solved {
    /// `[n, query cell, gallery cell]`.
    pub plans: Tensor,
    /// `[n, query cell]`; each sums to 1.
    pub row_marginals: Tensor,
    /// `[n, gallery cell]`.
    pub column_marginals: Tensor,
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
        let cells = (root(&self.similarity)? * &self.solved.plans)?.sum(D::Minus1)?.sum(D::Minus1)?;
        (cells + root(&self.global)?)? / 2.0
    }
}

/// Compares photo i of `query` with photo i of `gallery`; both are un-normalised cells `[n, channels, cells]`.
pub fn structural_scores(query: &Tensor, gallery: &Tensor, settings: &StructuralSettings) -> Result<PairScores> {
    pair_scores(&Compared::new(query, None)?, &Compared::new(gallery, None)?, settings)
}

fn pair_scores(query: &Compared, gallery: &Compared, settings: &StructuralSettings) -> Result<PairScores> {
    let similarity = query.cells.matmul(&gallery.cells.transpose(1, 2)?.contiguous()?)?;
    let common = |cells: &Tensor, other: &Tensor| cells.detach().matmul(&other.detach().unsqueeze(2)?)?.squeeze(2);
    let common = [common(&query.cells, &gallery.global)?, common(&gallery.cells, &query.global)?];
    let solved = solve(&similarity.detach(), common, settings)?;
    let structural = (&similarity * &solved.plans)?.sum(D::Minus1)?.sum(D::Minus1)?;
    let global = (&query.global * &gallery.global)?.sum(D::Minus1)?;
    Ok(PairScores { structural, global, solved, similarity })
}

/// Plans of pairs with `similarity [n, rows, columns]`, whose cells have so much in common with the other photo:
/// `[n, rows]` and `[n, columns]`. None of them has a graph.
fn solve(similarity: &Tensor, common: [Tensor; 2], settings: &StructuralSettings) -> Result<Solved> {
    if similarity.device().is_cpu() {
        solve_here(similarity, common, settings)
    } else {
        solve_elsewhere(similarity, common, settings, &ops::transport_on_device)
    }
}

pub(super) fn solve_here(similarity: &Tensor, common: [Tensor; 2], settings: &StructuralSettings) -> Result<Solved> {
    let (n, rows, columns) = similarity.dims3()?;
    let values = host(similarity)?.flatten_all()?.to_vec1::<f64>()?;
    let weights = |common: &Tensor| -> Result<Vec<Vec<f64>>> {
        Ok(host(common)?.to_vec2::<f64>()?.into_iter().map(marginal).collect())
    };
    let (a, b) = (weights(&common[0])?, weights(&common[1])?);
    let plans: Vec<Vec<f64>> = (0..n)
        .into_par_iter()
        .map(|pair| plan(&values[pair * rows * columns..(pair + 1) * rows * columns], &a[pair], &b[pair], settings))
        .collect::<Result<_>>()?;
    let there = |values: Vec<f64>, shape: &[usize]| on_device(values, similarity)?.reshape(shape);
    Ok(Solved {
        plans: there(plans.concat(), &[n, rows, columns])?,
        row_marginals: there(a.concat(), &[n, rows])?,
        column_marginals: there(b.concat(), &[n, columns])?,
    })
}

/// As [`solve_here`], by operations of the tensors' own device; `transport` is [`ops::transport_on_device`].
pub(super) fn solve_elsewhere(
    similarity: &Tensor,
    [rows, columns]: [Tensor; 2],
    settings: &StructuralSettings,
    transport: &dyn Fn(&Tensor, &Tensor, &Tensor, Transport) -> Result<Tensor>,
) -> Result<Solved> {
    let (row_marginals, column_marginals) = (marginals(&rows)?, marginals(&columns)?);
    let how = Transport { epsilon: settings.epsilon, iterations: settings.iterations, tolerance: 0.0 };
    // The other way round, as in `plan`.
    let cost = similarity.transpose(1, 2)?.affine(-1.0, 1.0)?.contiguous()?;
    let turned = transport(&cost, &column_marginals, &row_marginals, how)?;
    Ok(Solved { plans: turned.transpose(1, 2)?.contiguous()?, row_marginals, column_marginals })
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
    /// The pairs `i < j` that were asked for.
    pub pairs: Vec<[usize; 2]>,
    /// Their plans from photo i to photo j; absent where there are no pairs.
    pub solved: Option<Solved>,
}

/// Compares all pairs of photos that `wanted(i, j)` names with `i < j`; a pair has one plan for both ways round.
pub fn score_matrix(
    photos: &Compared,
    wanted: impl Fn(usize, usize) -> bool,
    settings: &StructuralSettings,
) -> Result<ScoreMatrix> {
    let (n, cells, channels) = photos.cells.dims3()?;
    let flat = photos.cells.reshape((n * cells, channels))?;
    // [n, cells, n, cells]: cells of the first photo against those of the second.
    let similarity = flat.matmul(&flat.t()?)?;
    // [n, n, ..]: by first and second photo.
    let by_pair = |x: &Tensor, each: (usize, usize)| {
        x.reshape((n, each.0, n, each.1))?.transpose(1, 2)?.contiguous()?.reshape((n * n, each.0, each.1))
    };
    let pairs: Vec<[usize; 2]> =
        (0..n).flat_map(|i| (i + 1..n).map(move |j| [i, j])).filter(|&[i, j]| wanted(i, j)).collect();
    let there: Vec<usize> = pairs.iter().map(|[i, j]| i * n + j).collect();
    let back: Vec<usize> = pairs.iter().map(|[i, j]| j * n + i).collect();
    let mut unplanned = vec![1.0; n * n];
    there.iter().chain(&back).for_each(|&pair| unplanned[pair] = 0.0);
    let solved = if pairs.is_empty() {
        None
    } else {
        // What each cell has in common with each photo.
        let common = by_pair(&flat.detach().matmul(&photos.global.detach().t()?)?, (cells, 1))?.squeeze(2)?;
        let blocks = rows(&by_pair(&similarity.detach(), (cells, cells))?, &there)?;
        Some(solve(&blocks, [rows(&common, &there)?, rows(&common, &back)?], settings)?)
    };
    let plans = match &solved {
        None => similarity.detach().zeros_like()?,
        Some(Solved { plans, .. }) => {
            // All plans, all of them turned, and one of nothing.
            let none = Tensor::zeros((1, cells, cells), plans.dtype(), plans.device())?;
            let all = Tensor::cat(&[plans, &plans.transpose(1, 2)?.contiguous()?, &none], 0)?;
            let mut order = vec![2 * pairs.len(); n * n];
            there.iter().chain(&back).enumerate().for_each(|(place, &pair)| order[pair] = place);
            rows(&all, &order)?
                .reshape((n, n, cells, cells))?
                .transpose(1, 2)?
                .contiguous()?
                .reshape(similarity.shape())?
        }
    };
    let structural = (&similarity * plans)?.reshape((n, cells, n, cells))?.sum(3)?.sum(1)?;
    let global = photos.global.matmul(&photos.global.t()?)?;
    let missing = (&global * on_device(unplanned, &global)?.reshape((n, n))?)?;
    Ok(ScoreMatrix { scores: (((structural + missing)? + global)? / 2.0)?, pairs, solved })
}

/// Scores of the triplets' positives and negatives.
fn of_triplets(
    photos: &Compared,
    triplets: &Triplets,
    settings: &StructuralSettings,
) -> Result<Option<[PairScores; 2]>> {
    if triplets.is_empty() {
        return Ok(None);
    }
    let [anchors, positives, negatives] = triplets.places();
    let anchors = photos.pick(anchors)?;
    let near = pair_scores(&anchors, &photos.pick(positives)?, settings)?;
    Ok(Some([near, pair_scores(&anchors, &photos.pick(negatives)?, settings)?]))
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
    ops::send(values, &[length], like.device())?.to_dtype(like.dtype())
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

/// [`marginal`] of each row.
fn marginals(raw: &Tensor) -> Result<Tensor> {
    let positive = relu(raw)?;
    let sum = positive.sum_keepdim(D::Minus1)?;
    let none = sum.eq(0.0)?.to_dtype(raw.dtype())?;
    let share = (&none / raw.dim(D::Minus1)? as f64)?;
    positive.broadcast_div(&(sum + none)?)?.broadcast_add(&share)
}
