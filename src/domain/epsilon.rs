//! What is known of epsilon's part in an answer.

use super::{MatchOptions, PhotoId};

/// One plan at one epsilon.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EpsilonSample {
    pub epsilon: f32,
    /// Entropy of the plan over its largest value, the logarithm of the number of entries; 0 to 1.
    pub entropy: f32,
    pub structural: f32,
    /// Iterations until the solver stopped.
    pub iterations: usize,
    /// It stopped because the marginals were met, not because it had used up its iterations.
    pub settled: bool,
}

/// The interval of epsilon in which the first ranks stay in their order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EpsilonHold {
    /// How many ranks.
    pub top: usize,
    pub low: f32,
    pub high: f32,
}

/// The answer to "what does epsilon do here?".
#[derive(Clone, Debug, PartialEq)]
pub struct EpsilonStudy {
    /// With which settings, epsilon among them.
    pub options: MatchOptions,
    /// The gallery photo whose plan is sampled.
    pub photo: PhotoId,
    /// Smallest epsilon first.
    pub samples: Vec<EpsilonSample>,
    /// `None` until it is known, and where nothing is re-ranked.
    pub hold: Option<EpsilonHold>,
}
