//! Losses on distances: photos of one product near, photos of others far.

use candle_core::{D, DType, Result, Tensor};
use serde::{Deserialize, Serialize};

use super::mining::{Partners, Triplets, squared_distances};
use super::{matrix, normalize_rows, relu, row_squares, rows, safe_sqrt, softplus};
use crate::domain::PhotoDomain;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Distance {
    #[default]
    Euclidean,
    Squared,
}

/// What is made of (distance to the positive) - (distance to the negative).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Hinge {
    /// max(0, difference + margin).
    Margin(f64),
    /// log(1 + exp(difference)): never quite content.
    Soft,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TripletSpec {
    pub distance: Distance,
    pub hinge: Hinge,
}

impl TripletSpec {
    /// Distance of each row of `a` from the same row of `b`.
    fn distance(&self, a: &Tensor, b: &Tensor) -> Result<Tensor> {
        let squares = row_squares(&(a - b)?)?;
        match self.distance {
            Distance::Euclidean => safe_sqrt(&squares),
            Distance::Squared => Ok(squares),
        }
    }

    fn hinge(&self, difference: &Tensor) -> Result<Tensor> {
        match self.hinge {
            Hinge::Margin(margin) => relu(&difference.affine(1.0, margin)?),
            Hinge::Soft => softplus(difference),
        }
    }

    /// Distances of anchors to their positives and to their negatives.
    fn distances(&self, embeddings: &Tensor, triplets: &Triplets) -> Result<(Tensor, Tensor)> {
        let [anchor, positive, negative] = triplets.places().each_ref().map(|place| embeddings.index_select(place, 0));
        let anchor = anchor?;
        Ok((self.distance(&anchor, &positive?)?, self.distance(&anchor, &negative?)?))
    }
}

/// The triplet loss: the mean over the triplets; `None` where there are none.
pub fn triplet(embeddings: &Tensor, triplets: &Triplets, spec: &TripletSpec) -> Result<Option<Tensor>> {
    if triplets.is_empty() {
        return Ok(None);
    }
    let (near, far) = spec.distances(embeddings, triplets)?;
    Ok(Some(spec.hinge(&(near - far)?)?.mean_all()?))
}

/// Mean of max(0, d(anchor, positive) - d(anchor, negative) + margin) of rows, by Euclidean distance.
pub fn hinge(anchor: &Tensor, positive: &Tensor, negative: &Tensor, margin: f64) -> Result<Tensor> {
    let spec = TripletSpec { distance: Distance::Euclidean, hinge: Hinge::Margin(margin) };
    spec.hinge(&(spec.distance(anchor, positive)? - spec.distance(anchor, negative)?)?)?.mean_all()
}

/// The margin loss (Wu et al. 2017) with a boundary `betas [t]` for each triplet's anchor: positives are pulled to
/// `beta - margin`, negatives pushed to `beta + margin`, and the sum is divided by the number of terms that are not 0.
/// `None` where there are no triplets.
pub fn margin(embeddings: &Tensor, triplets: &Triplets, betas: &Tensor, margin: f64) -> Result<Option<Tensor>> {
    if triplets.is_empty() {
        return Ok(None);
    }
    let spec = TripletSpec { distance: Distance::Euclidean, hinge: Hinge::Margin(margin) };
    let (near, far) = spec.distances(embeddings, triplets)?;
    margin_of(&near, &far, betas, margin).map(Some)
}

/// [`margin`] of distances `[t]` to positives and to negatives.
pub(super) fn margin_of(near: &Tensor, far: &Tensor, betas: &Tensor, margin: f64) -> Result<Tensor> {
    let pull = relu(&(near - betas)?.affine(1.0, margin)?)?;
    let push = relu(&(betas - far)?.affine(1.0, margin)?)?;
    let both = Tensor::cat(&[pull, push], 0)?;
    // Counted where the terms are: a step need not wait for the number.
    let active = both.detach().gt(0.0)?.to_dtype(DType::F64)?.sum_all()?;
    both.sum_all()? * active.maximum(1.0)?.recip()?.to_dtype(both.dtype())?
}

/// Proxy-Anchor (Kim et al. 2020) of rows of length 1 and `proxies [classes, dim]` of any length: `alpha` 32 and `delta`
/// 0.1 are its usual settings. Labels are numbers of proxies.
pub fn proxy_anchor(embeddings: &Tensor, labels: &[usize], proxies: &Tensor, alpha: f64, delta: f64) -> Result<Tensor> {
    let (n, classes) = (labels.len(), proxies.dim(0)?);
    let (mut same, mut with_positives) = (vec![0.0; n * classes], vec![false; classes]);
    for (row, &label) in labels.iter().enumerate() {
        if label >= classes {
            candle_core::bail!("label {label} where there are {classes} proxies");
        }
        same[row * classes + label] = 1.0;
        with_positives[label] = true;
    }
    let other = same.iter().map(|same| 1.0 - same).collect();
    let similarity = embeddings.matmul(&normalize_rows(proxies)?.t()?)?;
    let side = |mask: Vec<f64>, scale: f64| -> Result<Tensor> {
        let terms = (similarity.affine(scale, alpha * delta)?.exp()? * matrix(mask, (n, classes), &similarity)?)?;
        terms.sum(0)?.affine(1.0, 1.0)?.log()?.sum_all()
    };
    // A proxy without positives adds log(1 + 0) = 0 to the first sum.
    let present = with_positives.into_iter().filter(|present| *present).count();
    (side(same, -alpha)? / present.max(1) as f64)? + (side(other, alpha)? / classes.max(1) as f64)?
}

/// Pairs of rows that a person says are different products.
///
/// Each becomes a triplet with the photo's farthest positive among `labels`; a photo without one is pushed until
/// the two are `apart` away from each other. `None` where there are no pairs. The positives are chosen on the host, which
/// waits for the embeddings.
pub fn explicit_negatives(
    embeddings: &Tensor,
    labels: &[usize],
    domains: &[PhotoDomain],
    pairs: &[(usize, usize)],
    spec: &TripletSpec,
    apart: f64,
) -> Result<Option<Tensor>> {
    if pairs.is_empty() {
        return Ok(None);
    }
    let distances = squared_distances(embeddings)?;
    let (mut triplets, mut alone) = (Vec::new(), Vec::new());
    for &(anchor, negative) in pairs {
        let positive = (0..labels.len())
            .filter(|&other| labels[other] == labels[anchor] && domains[other] != domains[anchor] && other != negative)
            .max_by(|&a, &b| distances[anchor][a].total_cmp(&distances[anchor][b]));
        match positive {
            Some(positive) => triplets.push([anchor, positive, negative]),
            None => alone.push((anchor, negative)),
        }
    }
    let mut total = embeddings.zeros_like()?.sum_all()?;
    let triplets = Triplets::of(&triplets, embeddings.device())?;
    if let Some(mean) = triplet(embeddings, &triplets, spec)? {
        total = (total + (mean * triplets.len() as f64)?)?;
    }
    if !alone.is_empty() {
        let anchors = rows(embeddings, &alone.iter().map(|p| p.0).collect::<Vec<_>>())?;
        let others = rows(embeddings, &alone.iter().map(|p| p.1).collect::<Vec<_>>())?;
        let distance = safe_sqrt(&row_squares(&(anchors - others)?)?)?;
        total = (total + relu(&distance.affine(-1.0, apart)?)?.sum_all()?)?;
    }
    Ok(Some((total / pairs.len() as f64)?))
}

/// Mean squared distance of pairs of rows that a person says are the same product; `None` where there are none.
pub fn explicit_positives(embeddings: &Tensor, pairs: &[(usize, usize)]) -> Result<Option<Tensor>> {
    if pairs.is_empty() {
        return Ok(None);
    }
    let first = rows(embeddings, &pairs.iter().map(|p| p.0).collect::<Vec<_>>())?;
    let second = rows(embeddings, &pairs.iter().map(|p| p.1).collect::<Vec<_>>())?;
    Ok(Some(row_squares(&(first - second)?)?.mean_all()?))
}

/// Settings of the multi-similarity loss.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MultiSimilarity {
    pub alpha: f64,
    pub beta: f64,
    pub lambda: f64,
    /// By how much a pair may be easier than the hardest one of the other side and still be kept.
    pub margin: f64,
}

impl Default for MultiSimilarity {
    fn default() -> Self {
        Self { alpha: 2.0, beta: 40.0, lambda: 0.5, margin: 0.1 }
    }
}

impl MultiSimilarity {
    /// The loss of Wang et al. 2019: the sum over the anchors that keep both a positive and a negative, divided by the
    /// batch.
    pub fn of(&self, embeddings: &Tensor, partners: Partners<'_>) -> Result<Tensor> {
        self.of_similarities(&embeddings.matmul(&embeddings.t()?)?, partners)
    }

    /// The same of similarities `[n, n]` that were made in any way. Pairs are kept where the similarities are.
    pub fn of_similarities(&self, similarity: &Tensor, partners: Partners<'_>) -> Result<Tensor> {
        let n = partners.labels.len();
        let s = similarity.detach().to_dtype(DType::F64)?;
        let (positives, negatives) = (partners.mask(true, s.device())?, partners.mask(false, s.device())?);
        let others = |value: f64| Tensor::full(value, s.shape(), s.device());
        let nearest_negative = negatives.where_cond(&s, &others(f64::NEG_INFINITY)?)?.max_keepdim(1)?;
        let farthest_positive = positives.where_cond(&s, &others(f64::INFINITY)?)?.min_keepdim(1)?;
        let positives = (&s - self.margin)?.broadcast_lt(&nearest_negative)?.mul(&positives)?;
        let negatives = (&s + self.margin)?.broadcast_gt(&farthest_positive)?.mul(&negatives)?;
        // An anchor counts that keeps both. One that keeps nothing adds log(1 + 0) = 0.
        let both = positives.max_keepdim(1)?.mul(&negatives.max_keepdim(1)?)?;
        let side = |kept: &Tensor, scale: f64| -> Result<Tensor> {
            let mask = kept.broadcast_mul(&both)?.to_dtype(similarity.dtype())?;
            let terms = (similarity.affine(scale, -scale * self.lambda)?.exp()? * mask)?;
            terms.sum(D::Minus1)?.affine(1.0, 1.0)?.log()?.sum_all()
        };
        let pull = (side(&positives, -self.alpha)? / self.alpha)?;
        let push = (side(&negatives, self.beta)? / self.beta)?;
        (pull + push)? / n as f64
    }
}
