//! Losses on distances: photos of one product near, photos of others far.

use candle_core::{D, Result, Tensor};
use serde::{Deserialize, Serialize};

use super::{matrix, read_matrix, relu, row_squares, rows, safe_sqrt, softplus};
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

pub struct TripletLoss {
    /// Mean over the anchors that have both a positive and a negative; `None` where none has.
    pub loss: Option<Tensor>,
    pub anchors: usize,
    /// Anchors whose positive is farther than their negative.
    pub wrong: usize,
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

    /// Mean hinge over triplets of row numbers: anchor, positive, negative.
    fn mean(&self, embeddings: &Tensor, triplets: &[[usize; 3]]) -> Result<Tensor> {
        let pick = |place: usize| rows(embeddings, &triplets.iter().map(|t| t[place]).collect::<Vec<_>>());
        let (anchor, positive, negative) = (pick(0)?, pick(1)?, pick(2)?);
        let difference = (self.distance(&anchor, &positive)? - self.distance(&anchor, &negative)?)?;
        self.hinge(&difference)?.mean_all()
    }
}

/// Squared distances between all rows, on the host.
fn squared_distances(embeddings: &Tensor) -> Result<Vec<Vec<f64>>> {
    let x = read_matrix(embeddings)?;
    Ok(x.iter().map(|a| x.iter().map(|b| a.iter().zip(b).map(|(p, q)| (p - q) * (p - q)).sum()).collect()).collect())
}

/// Batch-hard triplets (Hermans et al. 2017): for each photo its farthest positive and its nearest negative.
///
/// With `domains`, both are sought in the other domain only: a street photo against shop photos and the other way
/// round, which is what a search does. A tie goes to the first, so that one pair carries the gradient.
pub fn batch_hard_triplet(
    embeddings: &Tensor,
    labels: &[usize],
    domains: Option<&[PhotoDomain]>,
    spec: &TripletSpec,
) -> Result<TripletLoss> {
    let distances = squared_distances(embeddings)?;
    let n = labels.len();
    let mut triplets = Vec::with_capacity(n);
    let mut wrong = 0;
    for anchor in 0..n {
        let (mut positive, mut negative): (Option<usize>, Option<usize>) = (None, None);
        for other in (0..n).filter(|&other| other != anchor) {
            if domains.is_some_and(|d| d[anchor] == d[other]) {
                continue;
            }
            let distance = distances[anchor][other];
            if labels[anchor] == labels[other] {
                if positive.is_none_or(|p| distance > distances[anchor][p]) {
                    positive = Some(other);
                }
            } else if negative.is_none_or(|q| distance < distances[anchor][q]) {
                negative = Some(other);
            }
        }
        if let (Some(p), Some(q)) = (positive, negative) {
            wrong += usize::from(distances[anchor][p] >= distances[anchor][q]);
            triplets.push([anchor, p, q]);
        }
    }
    let loss = if triplets.is_empty() { None } else { Some(spec.mean(embeddings, &triplets)?) };
    Ok(TripletLoss { loss, anchors: triplets.len(), wrong })
}

/// Pairs of rows that a person says are different products.
///
/// Each becomes a triplet with the photo's farthest positive among `labels`; a photo without one is pushed until
/// the two are `apart` away from each other. `None` where there are no pairs.
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
    if !triplets.is_empty() {
        total = (total + (spec.mean(embeddings, &triplets)? * triplets.len() as f64)?)?;
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

/// Multi-similarity loss (Wang et al. 2019) with alpha 2, beta 40, lambda 0.5 and mining margin 0.1 as its usual
/// settings: the sum over the anchors that keep both a positive and a negative, divided by the batch.
pub fn multi_similarity(
    embeddings: &Tensor,
    labels: &[usize],
    alpha: f64,
    beta: f64,
    lambda: f64,
    margin: f64,
) -> Result<Tensor> {
    let n = labels.len();
    let similarity = embeddings.matmul(&embeddings.t()?)?;
    let s = read_matrix(&similarity)?;
    let (mut positives, mut negatives) = (vec![0.0; n * n], vec![0.0; n * n]);
    for i in 0..n {
        let of = |same: bool| (0..n).filter(move |&j| j != i && (labels[i] == labels[j]) == same);
        let nearest_negative = of(false).map(|j| s[i][j]).fold(f64::NEG_INFINITY, f64::max);
        let farthest_positive = of(true).map(|j| s[i][j]).fold(f64::INFINITY, f64::min);
        let kept_positives: Vec<_> = of(true).filter(|&j| s[i][j] - margin < nearest_negative).collect();
        let kept_negatives: Vec<_> = of(false).filter(|&j| s[i][j] + margin > farthest_positive).collect();
        if !kept_positives.is_empty() && !kept_negatives.is_empty() {
            kept_positives.into_iter().for_each(|j| positives[i * n + j] = 1.0);
            kept_negatives.into_iter().for_each(|j| negatives[i * n + j] = 1.0);
        }
    }
    // An anchor that keeps nothing adds log(1 + 0) = 0.
    let side = |mask: Vec<f64>, scale: f64| -> Result<Tensor> {
        let mask = matrix(mask, (n, n), &similarity)?;
        let terms = (similarity.affine(scale, -scale * lambda)?.exp()? * mask)?;
        terms.sum(D::Minus1)?.affine(1.0, 1.0)?.log()?.sum_all()
    };
    let pull = (side(positives, -alpha)? / alpha)?;
    let push = (side(negatives, beta)? / beta)?;
    (pull + push)? / n as f64
}
