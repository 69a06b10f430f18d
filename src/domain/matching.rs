//! How two photos are compared: the knobs of a search.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use super::Grid;

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
    /// In proportion to the importance that a person painted (see `domain::Paint`, which travels beside these
    /// options). A photo that nobody painted on keeps its cross-correlation weights.
    Painted,
}

/// How mass is moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Solver {
    /// Entropic transport of all mass (Cuturi 2013).
    #[default]
    Sinkhorn,
    /// The plan of least cost, by a network simplex; epsilon plays no part.
    Exact,
    /// Marginals may be missed at a price: `rho` x Kullback-Leibler divergence on both sides, and the entropy is relative
    /// to the product of the marginals (Chizat et al. 2018; POT's `sinkhorn_unbalanced`). A large `rho` is Sinkhorn.
    Unbalanced { rho: f32 },
    /// Entropic transport of a share `mass` of all mass; where the rest stays is free (Benamou et al. 2015, section 5).
    Partial { mass: f32 },
}

impl Solver {
    pub const RHO_RANGE: RangeInclusive<f32> = 0.001..=100.0;
    pub const MASS_RANGE: RangeInclusive<f32> = 0.01..=1.0;
    /// As these two begin where a person chooses them.
    pub const UNBALANCED: Self = Self::Unbalanced { rho: 0.5 };
    pub const PARTIAL: Self = Self::Partial { mass: 0.7 };

    /// In the middle of a sentence.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sinkhorn => "Sinkhorn",
            Self::Exact => "exact",
            Self::Unbalanced { .. } => "unbalanced",
            Self::Partial { .. } => "partial",
        }
    }

    /// Some of the mass may stay where it is, so that a plan's entries sum to less than 1.
    pub fn may_leave_mass(self) -> bool {
        matches!(self, Self::Unbalanced { .. } | Self::Partial { .. })
    }

    /// Exact plans do not depend on epsilon.
    pub fn uses_epsilon(self) -> bool {
        self != Self::Exact
    }
}

/// Which of the network's maps the cells are taken from. The global vector is always the last one's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Layer {
    /// Output of the backbone's second stage, without the embedding: fine and close to the pixels.
    #[serde(rename = "layer2")]
    Second,
    /// Output of the backbone's third stage, without the embedding.
    #[serde(rename = "layer3")]
    Third,
    /// The embedded last map, which the index holds.
    #[default]
    #[serde(rename = "layer4")]
    Last,
}

impl Layer {
    pub const ALL: [Self; 3] = [Self::Second, Self::Third, Self::Last];

    /// The backbone's stage, from 1.
    pub fn stage(self) -> usize {
        match self {
            Self::Second => 2,
            Self::Third => 3,
            Self::Last => 4,
        }
    }
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
    pub solver: Solver,
    /// Cells along each side, 3 to 14; `None` is the network's own grid.
    pub grid: Option<u8>,
    pub layer: Layer,
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
            solver: Solver::Sinkhorn,
            grid: None,
            layer: Layer::Last,
        }
    }
}

impl MatchOptions {
    /// Smallest and largest epsilon that the solver accepts.
    pub const EPSILON_RANGE: RangeInclusive<f32> = 1e-4..=10.0;
    /// The part of it that is worth looking at: below, a plan is as good as exact and only slower; above, as good as uniform.
    pub const EPSILON_SHOWN: RangeInclusive<f32> = 0.005..=1.0;
    /// Cells along each side that a person may choose.
    pub const GRID_RANGE: RangeInclusive<u8> = 3..=14;

    /// The grid on which photos are compared whose features have the grid `own`.
    pub fn grid_of(&self, own: Grid) -> Grid {
        self.grid.map_or(own, |side| Grid::new(usize::from(side), usize::from(side)))
    }

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
        match self.solver {
            Solver::Unbalanced { rho } if !Solver::RHO_RANGE.contains(&rho) => {
                return Err(format!("the unbalanced solver's rho must lie between 0.001 and 100, not {rho}"));
            }
            Solver::Partial { mass } if !Solver::MASS_RANGE.contains(&mass) => {
                return Err(format!("the mass that the partial solver moves must lie between 0.01 and 1, not {mass}"));
            }
            _ => {}
        }
        if let Some(side) = self.grid.filter(|side| !Self::GRID_RANGE.contains(side)) {
            return Err(format!("the grid must have 3 to 14 cells along each side, not {side}"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_that_were_stored_before_there_were_solvers_still_read() {
        let old = r#"{"epsilon":0.1,"marginals":"uniform","rerank":50,"structural_weight":2.0,"max_iterations":10,
                      "tolerance":0.001}"#;
        let read: MatchOptions = serde_json::from_str(old).unwrap();
        assert_eq!((read.solver, read.grid, read.layer), (Solver::Sinkhorn, None, Layer::Last));
        assert_eq!((read.epsilon, read.marginals, read.rerank), (0.1, Marginals::Uniform, 50));
    }

    #[test]
    fn every_setting_survives_being_written() {
        for solver in [Solver::Sinkhorn, Solver::Exact, Solver::UNBALANCED, Solver::PARTIAL] {
            for layer in Layer::ALL {
                let options = MatchOptions {
                    solver,
                    layer,
                    grid: Some(9),
                    marginals: Marginals::Painted,
                    ..MatchOptions::default()
                };
                let text = serde_json::to_string(&options).unwrap();
                assert_eq!(serde_json::from_str::<MatchOptions>(&text).unwrap(), options, "{text}");
                assert_eq!(options.check(), Ok(()));
            }
        }
    }

    #[test]
    fn what_is_out_of_range_is_named() {
        let with = |solver| MatchOptions { solver, ..MatchOptions::default() }.check();
        assert!(with(Solver::Unbalanced { rho: f32::NAN }).unwrap_err().contains("rho"));
        assert!(with(Solver::Unbalanced { rho: 0.0 }).unwrap_err().contains("0.001 and 100, not 0"));
        assert!(with(Solver::Partial { mass: 1.5 }).unwrap_err().contains("0.01 and 1, not 1.5"));
        for side in [0, 2, 15, 255] {
            let options = MatchOptions { grid: Some(side), ..MatchOptions::default() };
            assert!(options.check().unwrap_err().contains(&format!("not {side}")));
        }
        assert_eq!(MatchOptions { grid: Some(14), ..MatchOptions::default() }.check(), Ok(()));
    }
}
