//! What kind of garment is it?

use candle_core::{D, Result, Tensor};

use super::{log_softmax, matrix};

/// Mean cross-entropy of logits `[n, classes]`.
///
/// With smoothing the target is `1 - smoothing` on the class plus `smoothing / classes` on every class, as
/// PyTorch has it. Rows whose target is `None` have no say; the mean is over the others, and 0 where there are
/// none.
pub fn cross_entropy(logits: &Tensor, targets: &[Option<usize>], smoothing: f64) -> Result<Tensor> {
    let (rows, classes) = logits.dims2()?;
    if targets.len() != rows {
        candle_core::bail!("{rows} rows of logits and {} targets", targets.len());
    }
    let labelled = targets.iter().flatten().count();
    let scale = 1.0 / labelled.max(1) as f64;
    let mut target = vec![0.0; rows * classes];
    for (row, class) in targets.iter().enumerate() {
        let Some(class) = *class else { continue };
        if class >= classes {
            candle_core::bail!("class {class} where there are {classes}");
        }
        let row = &mut target[row * classes..(row + 1) * classes];
        row.fill(scale * smoothing / classes as f64);
        row[class] += scale * (1.0 - smoothing);
    }
    let target = matrix(target, (rows, classes), logits)?;
    (log_softmax(logits)? * target)?.sum(D::Minus1)?.sum_all()?.neg()
}
