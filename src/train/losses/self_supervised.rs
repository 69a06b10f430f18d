//! Losses that need no labels.

use candle_core::{Result, Tensor};

use super::{normalize_rows, relu, row_squares};

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
