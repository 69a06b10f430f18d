//! How much mass each cell holds before it is moved.

use crate::domain::Marginals;

/// Weights of a photo's cells; they sum to 1.
#[derive(Clone, Debug, PartialEq)]
pub struct CellWeights {
    pub weights: Vec<f32>,
    /// True where no cell agreed with the other photo at all, so that the weights are uniform.
    pub uniform_fallback: bool,
}

/// Agreement below this is rounding: one part in 2^23 of a cosine.
const AGREEMENT_FLOOR: f32 = 1.2e-7;

/// Cross-correlation weights (DIML, equations 7 to 9): in proportion to the positive part of each cell's
/// cosine with the *other* photo's global vector.
///
/// They are scaled to sum to exactly 1. The usual small constant in the denominator would leave the two
/// sides with different mass, and the iteration drifting for ever. Where no cell agrees there is nothing to
/// scale, and the weights are uniform.
pub fn cross_marginals(agreement: &[f32]) -> CellWeights {
    let kept = |&x: &f32| if x > AGREEMENT_FLOOR { f64::from(x) } else { 0.0 };
    let sum: f64 = agreement.iter().map(kept).sum();
    if !(sum > 0.0 && sum.is_finite()) {
        return CellWeights { weights: uniform(agreement.len()), uniform_fallback: true };
    }
    let weights = agreement.iter().map(|x| (kept(x) / sum) as f32).collect();
    CellWeights { weights, uniform_fallback: false }
}

/// One side's marginal, of exactly the kind that was asked for. Painted weights of zero everywhere say nothing.
///
/// # Panics
/// Where there is not one painted weight for each cell: a bug of the caller.
pub(super) fn marginal(kind: Marginals, agreement: &[f32], painted: Option<&[f32]>) -> CellWeights {
    match (kind, painted) {
        (Marginals::Uniform, _) => CellWeights { weights: uniform(agreement.len()), uniform_fallback: false },
        (Marginals::Painted, Some(painted)) => {
            assert_eq!(painted.len(), agreement.len(), "one painted weight for each cell");
            painted_marginal(painted).unwrap_or_else(|| cross_marginals(agreement))
        }
        (Marginals::CrossCorrelation | Marginals::Painted, _) => cross_marginals(agreement),
    }
}

fn painted_marginal(painted: &[f32]) -> Option<CellWeights> {
    let kept = |&x: &f32| if x > 0.0 { f64::from(x) } else { 0.0 };
    let sum: f64 = painted.iter().map(kept).sum();
    (sum > 0.0 && sum.is_finite()).then(|| CellWeights {
        weights: painted.iter().map(|x| (kept(x) / sum) as f32).collect(),
        uniform_fallback: false,
    })
}

pub(super) fn uniform(cells: usize) -> Vec<f32> {
    vec![1.0 / cells as f32; cells]
}
