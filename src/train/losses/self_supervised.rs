//! Losses that need no labels.

use candle_core::{D, Result, Tensor};

use super::{cross_entropy, log_softmax, matrix, normalize_rows, relu, row_squares};

/// BYOL (Grill et al. 2020): 2 - 2 cos between prediction and target, mean over the rows. The caller detaches the
/// target.
pub fn byol(prediction: &Tensor, target: &Tensor) -> Result<Tensor> {
    // Equal to the squared distance of the unit vectors.
    row_squares(&(normalize_rows(prediction)? - normalize_rows(target)?)?)?.mean_all()
}

/// VICReg (Bardes et al. 2022): weights of invariance, variance and covariance as `[25, 25, 1]` in the paper.
pub fn vicreg(first: &Tensor, second: &Tensor, weights: [f64; 3]) -> Result<Tensor> {
    let invariance = (first - second)?.sqr()?.mean_all()?;
    let (variance_a, covariance_a) = spread(first)?;
    let (variance_b, covariance_b) = spread(second)?;
    let variance = ((variance_a + variance_b)? / 2.0)?;
    let covariance = (covariance_a + covariance_b)?;
    ((invariance * weights[0])? + (variance * weights[1])?)? + (covariance * weights[2])?
}

/// How far the columns' deviations stay below 1, and how much different columns say the same.
fn spread(x: &Tensor) -> Result<(Tensor, Tensor)> {
    let (rows, columns) = x.dims2()?;
    let centred = x.broadcast_sub(&x.mean_keepdim(0)?)?;
    let covariance = (centred.t()?.matmul(&centred)? / (rows as f64 - 1.0))?;
    let variance = (centred.sqr()?.sum(0)? / (rows as f64 - 1.0))?;
    let deviation = variance.affine(1.0, 1e-4)?.sqrt()?;
    let short = relu(&deviation.affine(-1.0, 1.0)?)?.mean_all()?;
    let off_diagonal = ((covariance.sqr()?.sum_all()? - variance.sqr()?.sum_all()?)? / columns as f64)?;
    Ok((short, off_diagonal))
}

/// SimSiam (Chen and He 2021): minus the cosine of prediction and target, mean over the rows. The caller detaches the
/// target.
pub fn simsiam(prediction: &Tensor, target: &Tensor) -> Result<Tensor> {
    (normalize_rows(prediction)? * normalize_rows(target)?)?.sum(D::Minus1)?.mean_all()?.neg()
}

/// InfoNCE of MoCo (He et al. 2020): row i of `keys` is the partner of row i of `queries`, and the rows of `queue` are
/// the wrong answers. All rows have length 1.
pub fn queue_info_nce(queries: &Tensor, keys: &Tensor, queue: &Tensor, temperature: f64) -> Result<Tensor> {
    let positive = (queries * keys)?.sum_keepdim(D::Minus1)?;
    let logits = (Tensor::cat(&[positive, queries.matmul(&queue.t()?)?], 1)? / temperature)?;
    cross_entropy(&logits, &vec![Some(0); queries.dim(0)?], 0.0)
}

/// NT-Xent without the positive among the candidates (Yeh et al. 2022, "decoupled contrastive learning"), which small
/// batches gain from. All rows have length 1.
pub fn decoupled_nt_xent(first: &Tensor, second: &Tensor, temperature: f64) -> Result<Tensor> {
    let n = first.dim(0)?;
    let all = Tensor::cat(&[first, second], 0)?;
    let logits = (all.matmul(&all.t()?)? / temperature)?;
    let (mut barred, mut partner) = (vec![0.0; 4 * n * n], vec![0.0; 4 * n * n]);
    for i in 0..2 * n {
        let other = i * 2 * n + (i + n) % (2 * n);
        (barred[i * 2 * n + i], barred[other], partner[other]) = (-1e9, -1e9, 1.0);
    }
    let positive = (&logits * matrix(partner, (2 * n, 2 * n), &logits)?)?.sum(D::Minus1)?;
    let negative = (&logits + matrix(barred, (2 * n, 2 * n), &logits)?)?;
    let peak = negative.detach().max_keepdim(D::Minus1)?;
    let log_sum = (negative.broadcast_sub(&peak)?.exp()?.sum(D::Minus1)?.log()? + peak.squeeze(D::Minus1)?)?;
    (log_sum - positive)?.mean_all()
}

/// DINO (Caron et al. 2021): cross-entropy of the student's softmax against the teacher's centred and sharpened one, mean
/// over the rows. Temperatures are the student's and the teacher's; nothing flows back to the teacher.
pub fn dino(student: &Tensor, teacher: &Tensor, centre: &Tensor, temperatures: [f64; 2]) -> Result<Tensor> {
    let centred = (teacher.detach().broadcast_sub(&centre.detach())? / temperatures[1])?;
    let target = log_softmax(&centred)?.exp()?;
    (target * log_softmax(&(student / temperatures[0])?)?)?.sum(D::Minus1)?.mean_all()?.neg()
}
