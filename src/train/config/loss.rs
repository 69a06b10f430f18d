//! `[loss]`: what a step minimises.

use serde::{Deserialize, Serialize};

use super::ranges;
use crate::train::losses::{Distance, Hinge, TripletSpec};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LossSection {
    /// Weight of the cross-entropy on the kind of garment; 0 turns it off, as for every weight here.
    pub cross_entropy: f64,
    pub label_smoothing: f64,
    /// Weight of the batch-hard triplet across domains.
    pub triplet: f64,
    /// euclidean or squared.
    pub distance: Distance,
    /// Margin of the triplet; `soft_margin` uses none.
    pub margin: f64,
    pub soft_margin: bool,
    /// Weight of InfoNCE across domains, and its temperature.
    pub info_nce: f64,
    pub temperature: f64,
    /// Weight of the triplet on structural similarity, with the margin, entropy and iterations of its plans.
    pub structural: f64,
    pub structural_margin: f64,
    pub structural_epsilon: f64,
    pub structural_iterations: usize,
}

impl Default for LossSection {
    fn default() -> Self {
        Self {
            cross_entropy: 1.0,
            label_smoothing: 0.1,
            triplet: 1.0,
            distance: Distance::Euclidean,
            margin: 0.3,
            soft_margin: true,
            info_nce: 0.0,
            temperature: 0.07,
            structural: 0.0,
            structural_margin: 0.2,
            structural_epsilon: 0.05,
            structural_iterations: 50,
        }
    }
}

impl LossSection {
    pub(super) fn check(&self) -> Result<(), String> {
        ranges::counts(&[("loss.structural_iterations", self.structural_iterations, 1, 10_000)])?;
        ranges::numbers(&[
            ("loss.cross_entropy", self.cross_entropy, 0.0, 1e3),
            ("loss.label_smoothing", self.label_smoothing, 0.0, 0.99),
            ("loss.triplet", self.triplet, 0.0, 1e3),
            ("loss.margin", self.margin, 0.0, 4.0),
            ("loss.info_nce", self.info_nce, 0.0, 1e3),
            ("loss.temperature", self.temperature, 1e-3, 10.0),
            ("loss.structural", self.structural, 0.0, 1e3),
            ("loss.structural_margin", self.structural_margin, 0.0, 2.0),
            ("loss.structural_epsilon", self.structural_epsilon, 1e-4, 10.0),
        ])?;
        if self.weights().iter().all(|&weight| weight == 0.0) {
            return Err("every weight in [loss] is 0, so there is nothing to learn".to_owned());
        }
        if self.soft_margin && self.margin != Self::default().margin && self.triplet > 0.0 {
            return Err("loss.margin has no effect with loss.soft_margin = true; set one of the two".to_owned());
        }
        Ok(())
    }

    /// Of all losses.
    fn weights(&self) -> [f64; 4] {
        [self.cross_entropy, self.triplet, self.info_nce, self.structural]
    }

    pub fn triplet(&self) -> TripletSpec {
        let hinge = if self.soft_margin { Hinge::Soft } else { Hinge::Margin(self.margin) };
        TripletSpec { distance: self.distance, hinge }
    }
}
