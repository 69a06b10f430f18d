//! `[loss]`: what a step minimises.

use serde::{Deserialize, Serialize};

use super::ranges;
use crate::train::losses::{Distance, Hinge, Mining, MultiSimilarity, StructuralSettings, TripletSpec};

/// What makes two photos positives of each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Alike {
    /// The same product.
    #[default]
    Products,
    /// The same kind of garment.
    Kinds,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LossSection {
    /// Weight of the cross-entropy on the kind of garment; 0 turns it off, as for every weight here.
    pub cross_entropy: f64,
    pub label_smoothing: f64,
    /// What all losses below call alike: products or kinds.
    pub alike: Alike,
    /// Whether they compare street photos with shop photos only.
    pub across_domains: bool,
    /// How the triplet, the margin loss and their structural versions choose partners: batch-hard, semi-hard,
    /// distance-weighted or random, by their global vectors. With batch-hard the structural triplet takes the batch's other
    /// products by turns instead.
    pub mining: Mining,
    /// Weight of the triplet.
    pub triplet: f64,
    /// euclidean or squared.
    pub distance: Distance,
    /// Margin of the triplet; `soft_margin` uses none.
    pub margin: f64,
    pub soft_margin: bool,
    /// Weight of InfoNCE across domains, with all partners of a photo as its positives.
    pub info_nce: f64,
    /// Weight of NT-Xent on one street and one shop photo of each product.
    pub nt_xent: f64,
    /// Of InfoNCE and NT-Xent.
    pub temperature: f64,
    /// Weight of the multi-similarity loss and its settings.
    pub multi_similarity: f64,
    pub ms_alpha: f64,
    pub ms_beta: f64,
    pub ms_lambda: f64,
    pub ms_margin: f64,
    /// Weight of the margin loss; where its boundaries begin, how wide they are, and their own learning rate.
    pub margin_loss: f64,
    pub beta: f64,
    pub beta_margin: f64,
    pub beta_rate: f64,
    /// Weight of proxy-anchor and its settings; its proxies learn at so many times the rate.
    pub proxy_anchor: f64,
    pub proxy_alpha: f64,
    pub proxy_delta: f64,
    pub proxy_rate: f64,
    /// Weight of the triplet on structural similarity, with its margin.
    pub structural: f64,
    pub structural_margin: f64,
    /// Weights of the margin loss, multi-similarity and InfoNCE on structural similarity.
    pub structural_margin_loss: f64,
    pub structural_multi_similarity: f64,
    pub structural_info_nce: f64,
    /// Entropy and iterations of the plans of all four.
    pub structural_epsilon: f64,
    pub structural_iterations: usize,
}

impl Default for LossSection {
    fn default() -> Self {
        let ms = MultiSimilarity::default();
        Self {
            cross_entropy: 1.0,
            label_smoothing: 0.1,
            alike: Alike::Products,
            across_domains: true,
            mining: Mining::BatchHard,
            triplet: 1.0,
            distance: Distance::Euclidean,
            margin: 0.3,
            soft_margin: true,
            info_nce: 0.0,
            nt_xent: 0.0,
            temperature: 0.07,
            multi_similarity: 0.0,
            ms_alpha: ms.alpha,
            ms_beta: ms.beta,
            ms_lambda: ms.lambda,
            ms_margin: ms.margin,
            margin_loss: 0.0,
            beta: 1.2,
            beta_margin: 0.2,
            beta_rate: 5e-4,
            proxy_anchor: 0.0,
            proxy_alpha: 32.0,
            proxy_delta: 0.1,
            proxy_rate: 100.0,
            structural: 0.0,
            structural_margin: 0.2,
            structural_margin_loss: 0.0,
            structural_multi_similarity: 0.0,
            structural_info_nce: 0.0,
            structural_epsilon: 0.05,
            structural_iterations: 50,
        }
    }
}

impl LossSection {
    pub(super) fn check(&self) -> Result<(), String> {
        ranges::counts(&[("loss.structural_iterations", self.structural_iterations, 1, 10_000)])?;
        ranges::numbers(&self.weights().map(|(name, weight)| (name, weight, 0.0, 1e3)))?;
        ranges::numbers(&[
            ("loss.label_smoothing", self.label_smoothing, 0.0, 0.99),
            ("loss.margin", self.margin, 0.0, 4.0),
            ("loss.temperature", self.temperature, 1e-3, 10.0),
            ("loss.ms_alpha", self.ms_alpha, 1e-3, 1e3),
            ("loss.ms_beta", self.ms_beta, 1e-3, 80.0),
            ("loss.ms_lambda", self.ms_lambda, -1.0, 1.0),
            ("loss.ms_margin", self.ms_margin, 0.0, 2.0),
            ("loss.beta", self.beta, 0.0, 2.0),
            ("loss.beta_margin", self.beta_margin, 0.0, 2.0),
            ("loss.beta_rate", self.beta_rate, 0.0, 1.0),
            ("loss.proxy_alpha", self.proxy_alpha, 1e-3, 60.0),
            ("loss.proxy_delta", self.proxy_delta, 0.0, 0.4),
            ("loss.proxy_rate", self.proxy_rate, 0.0, 1e5),
            ("loss.structural_margin", self.structural_margin, 0.0, 2.0),
            ("loss.structural_epsilon", self.structural_epsilon, 1e-4, 10.0),
        ])?;
        if self.soft_margin && self.margin != Self::default().margin && self.triplet > 0.0 {
            return Err("loss.margin has no effect with loss.soft_margin = true; set one of the two".to_owned());
        }
        if !self.across_domains && self.info_nce + self.structural_info_nce > 0.0 {
            return Err("InfoNCE compares across domains, so it needs loss.across_domains = true".to_owned());
        }
        self.without_effect()
    }

    /// Settings that were changed although the losses that they belong to are off.
    fn without_effect(&self) -> Result<(), String> {
        let usual = Self::default();
        let mined = f64::from(u8::from(self.mines()));
        let betas = self.margin_loss + self.structural_margin_loss;
        let similar = self.multi_similarity + self.structural_multi_similarity;
        let settings = [
            ("mining", self.mining != usual.mining, mined, "triplet, margin_loss and their structural versions"),
            ("beta", self.beta != usual.beta, betas, "margin_loss and structural_margin_loss"),
            ("beta_margin", self.beta_margin != usual.beta_margin, betas, "margin_loss and structural_margin_loss"),
            ("beta_rate", self.beta_rate != usual.beta_rate, betas, "margin_loss and structural_margin_loss"),
            ("ms_alpha", self.ms_alpha != usual.ms_alpha, similar, "multi_similarity and structural_multi_similarity"),
            ("ms_beta", self.ms_beta != usual.ms_beta, similar, "multi_similarity and structural_multi_similarity"),
            (
                "ms_lambda",
                self.ms_lambda != usual.ms_lambda,
                similar,
                "multi_similarity and structural_multi_similarity",
            ),
            (
                "ms_margin",
                self.ms_margin != usual.ms_margin,
                similar,
                "multi_similarity and structural_multi_similarity",
            ),
            ("proxy_alpha", self.proxy_alpha != usual.proxy_alpha, self.proxy_anchor, "proxy_anchor"),
            ("proxy_delta", self.proxy_delta != usual.proxy_delta, self.proxy_anchor, "proxy_anchor"),
            ("proxy_rate", self.proxy_rate != usual.proxy_rate, self.proxy_anchor, "proxy_anchor"),
        ];
        for (name, changed, weight, losses) in settings {
            if changed && weight == 0.0 {
                return Err(format!("loss.{name} has no effect while the weights of {losses} are 0"));
            }
        }
        Ok(())
    }

    /// Whether any loss has a weight.
    pub(super) fn is_on(&self) -> bool {
        self.weights().iter().any(|(_, weight)| *weight > 0.0)
    }

    /// Of all losses, by their settings.
    fn weights(&self) -> [(&'static str, f64); 11] {
        [
            ("loss.cross_entropy", self.cross_entropy),
            ("loss.triplet", self.triplet),
            ("loss.info_nce", self.info_nce),
            ("loss.nt_xent", self.nt_xent),
            ("loss.multi_similarity", self.multi_similarity),
            ("loss.margin_loss", self.margin_loss),
            ("loss.proxy_anchor", self.proxy_anchor),
            ("loss.structural", self.structural),
            ("loss.structural_margin_loss", self.structural_margin_loss),
            ("loss.structural_multi_similarity", self.structural_multi_similarity),
            ("loss.structural_info_nce", self.structural_info_nce),
        ]
    }

    /// Whether any loss on triplets is on.
    pub(in crate::train) fn mines(&self) -> bool {
        self.triplet + self.margin_loss + self.structural + self.structural_margin_loss > 0.0
    }

    /// Whether any loss but the cross-entropy is on.
    pub(in crate::train) fn compares(&self) -> bool {
        self.weights().iter().skip(1).any(|(_, weight)| *weight > 0.0)
    }

    pub fn triplet(&self) -> TripletSpec {
        let hinge = if self.soft_margin { Hinge::Soft } else { Hinge::Margin(self.margin) };
        TripletSpec { distance: self.distance, hinge }
    }

    pub fn multi_similarity(&self) -> MultiSimilarity {
        let Self { ms_alpha: alpha, ms_beta: beta, ms_lambda: lambda, ms_margin: margin, .. } = *self;
        MultiSimilarity { alpha, beta, lambda, margin }
    }

    pub fn plans(&self) -> StructuralSettings {
        StructuralSettings { epsilon: self.structural_epsilon, iterations: self.structural_iterations }
    }
}
