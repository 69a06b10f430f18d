//! Losses that pick the right partner among all of a batch.

use candle_core::{D, Result, Tensor};

use super::{cross_entropy, log_softmax, matrix};
use crate::domain::PhotoDomain;

/// InfoNCE of van den Oord et al.: row i of `keys` is the partner of row i of `queries`.
pub fn info_nce(queries: &Tensor, keys: &Tensor, temperature: f64) -> Result<Tensor> {
    let logits = (queries.matmul(&keys.t()?)? / temperature)?;
    let targets: Vec<_> = (0..queries.dim(0)?).map(Some).collect();
    cross_entropy(&logits, &targets, 0.0)
}

/// The mean of InfoNCE from queries to keys and from keys to queries.
pub fn info_nce_symmetric(queries: &Tensor, keys: &Tensor, temperature: f64) -> Result<Tensor> {
    (info_nce(queries, keys, temperature)? + info_nce(keys, queries, temperature)?)? / 2.0
}

/// NT-Xent of SimCLR: two views of each photo, all other views of the batch are negatives.
pub fn nt_xent(first: &Tensor, second: &Tensor, temperature: f64) -> Result<Tensor> {
    let n = first.dim(0)?;
    let all = Tensor::cat(&[first, second], 0)?;
    let logits = (all.matmul(&all.t()?)? / temperature)?;
    // A view is no candidate for itself. Large, yet far from what f32 can hold.
    let mut diagonal = vec![0.0; 4 * n * n];
    for i in 0..2 * n {
        diagonal[i * 2 * n + i] = -1e9;
    }
    let logits = (&logits + matrix(diagonal, (2 * n, 2 * n), &logits)?)?;
    let targets: Vec<_> = (0..2 * n).map(|i| Some((i + n) % (2 * n))).collect();
    cross_entropy(&logits, &targets, 0.0)
}

/// InfoNCE between the street and the shop photos of a batch in which a product may have several of each.
///
/// For every photo the candidates are all photos of the other domain; the loss is the mean over its positives of
/// minus the log of their share (the "outside" form of supervised contrastive learning, Khosla et al. 2020), then
/// the mean over all photos that have a positive. `None` where no photo has one.
pub fn cross_domain_info_nce(
    embeddings: &Tensor,
    products: &[usize],
    domains: &[PhotoDomain],
    temperature: f64,
) -> Result<Option<Tensor>> {
    info_nce_of(&embeddings.matmul(&embeddings.t()?)?, products, domains, temperature)
}

/// [`cross_domain_info_nce`] of similarities `[n, n]` that were made in any way.
pub fn info_nce_of(
    similarity: &Tensor,
    products: &[usize],
    domains: &[PhotoDomain],
    temperature: f64,
) -> Result<Option<Tensor>> {
    let n = products.len();
    let (mut weight, mut barred) = (vec![0.0; n * n], vec![0.0; n * n]);
    let mut anchors = 0_usize;
    for i in 0..n {
        let positives: Vec<usize> =
            (0..n).filter(|&j| domains[i] != domains[j] && products[i] == products[j]).collect();
        for j in (0..n).filter(|&j| domains[i] == domains[j]) {
            barred[i * n + j] = -1e9;
        }
        for &j in &positives {
            weight[i * n + j] = 1.0 / positives.len() as f64;
        }
        anchors += usize::from(!positives.is_empty());
    }
    if anchors == 0 {
        return Ok(None);
    }
    let logits = (similarity / temperature)?;
    let logits = (&logits + matrix(barred, (n, n), &logits)?)?;
    let weight = matrix(weight, (n, n), &logits)?;
    let total = (log_softmax(&logits)? * weight)?.sum(D::Minus1)?.sum_all()?;
    Ok(Some((total / -(anchors as f64))?))
}
