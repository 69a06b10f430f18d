//! How two photos are compared: the knobs of a search.

use serde::{Deserialize, Serialize};

/// How much of the mass each cell holds before it is moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Marginals {
    /// The same for every cell.
    Uniform,
    /// In proportion to how well a cell agrees with the *other* photo's global vector (DIML, equations 7 to 9).
    #[default]
    #[serde(rename = "cross")]
    CrossCorrelation,
}

/// Settings of a search and of a single comparison. Defaults are those of DIML (Zhao et al., ICCV 2021).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MatchOptions {
    /// Entropic regularisation, in units of the cost 1 - cosine; 1e-4 to 10.
    pub epsilon: f32,
    pub marginals: Marginals,
    /// How many of the global ranking's first photos are compared structurally; 0 keeps the global order.
    pub rerank: usize,
    /// Score = global + this x structural.
    pub structural_weight: f32,
    /// Upper bound of Sinkhorn iterations.
    pub max_iterations: usize,
    /// Sinkhorn stops when the plan's marginals are off by less than this in L1.
    pub tolerance: f32,
}

impl Default for MatchOptions {
    fn default() -> Self {
        Self {
            epsilon: 0.05,
            marginals: Marginals::CrossCorrelation,
            rerank: 100,
            structural_weight: 1.0,
            max_iterations: 100,
            tolerance: 1e-3,
        }
    }
}

impl MatchOptions {
    /// Smallest and largest epsilon that the solver accepts.
    pub const EPSILON_RANGE: std::ops::RangeInclusive<f32> = 1e-4..=10.0;

    /// One sentence where a setting is out of range.
    pub fn check(&self) -> Result<(), String> {
        if !Self::EPSILON_RANGE.contains(&self.epsilon) {
            return Err(format!("epsilon must lie between 0.0001 and 10, not {}", self.epsilon));
        }
        if !(self.structural_weight.is_finite() && self.structural_weight >= 0.0) {
            return Err(format!("the structural weight must be 0 or more, not {}", self.structural_weight));
        }
        if self.max_iterations == 0 {
            return Err("at least one iteration is needed".to_owned());
        }
        if !(self.tolerance.is_finite() && self.tolerance > 0.0) {
            return Err(format!("the tolerance must be above 0, not {}", self.tolerance));
        }
        Ok(())
    }
}
