//! `[optimizer]`: how gradients move the weights.

use serde::{Deserialize, Serialize};

use super::ranges;
use crate::train::backprop::Backprop;
use crate::train::groups::GroupRates;
use crate::train::optimizer::Rule;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OptimizerKind {
    Sgd,
    #[default]
    AdamW,
    Lars,
}

/// In what the backbone's maps are computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MapPrecision {
    #[default]
    F32,
    /// On CUDA only: half the memory and a graphics card's fast products.
    Bf16,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OptimizerSection {
    /// sgd, adamw or lars.
    pub kind: OptimizerKind,
    /// Peak learning rate.
    pub rate: f64,
    pub weight_decay: f64,
    /// Whether biases and the weights of norms decay too.
    pub decay_norms: bool,
    /// Of sgd and lars.
    pub momentum: f64,
    /// Of lars: how long a step is, as a share of its weights' length, at a rate of 1.
    pub trust: f64,
    /// Of adamw.
    pub beta1: f64,
    pub beta2: f64,
    pub epsilon: f64,
    /// Longest gradient that is used as it is; longer ones are shortened. 0 sets no limit.
    pub clip_norm: f64,
    /// Share of the average that a step keeps in the averaged weights, which are the ones measured and kept; 0
    /// averages nothing.
    pub ema: f64,
    /// Rate of the embedding, the classifier and what else lies on the backbone, as a multiple of `rate`.
    pub head_rate: f64,
    /// What each stage's rate is of that of the stage above it; 1 is the same for all.
    pub layer_decay: f64,
    /// Whether norms use their running statistics in training too and leave them as they are. Their scales and shifts
    /// still learn.
    pub freeze_norms: bool,
    /// Parts in which a batch's photos pass through the network, one after the other, so that a large batch fits into
    /// memory. Losses see the whole batch and gradients are those of the whole batch; only norms that are not frozen
    /// see a part at a time.
    pub accumulate: usize,
    /// f32, or bf16 on CUDA: the number type of the backbone's maps. Weights, their gradients and moments, statistics of
    /// norms, the head and the losses are in f32 in either.
    pub precision: MapPrecision,
    /// Whether the backward pass computes each stage once more instead of keeping what the forward pass found: slower, by
    /// about one more forward pass, for less memory. Gradients are the same.
    pub recompute: bool,
}

impl Default for OptimizerSection {
    fn default() -> Self {
        Self {
            kind: OptimizerKind::AdamW,
            rate: 1e-3,
            weight_decay: 0.05,
            decay_norms: false,
            momentum: 0.9,
            trust: 0.001,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            clip_norm: 5.0,
            ema: 0.0,
            head_rate: 1.0,
            layer_decay: 1.0,
            freeze_norms: false,
            accumulate: 1,
            precision: MapPrecision::F32,
            recompute: false,
        }
    }
}

impl OptimizerSection {
    pub(super) fn check(&self) -> Result<(), String> {
        ranges::numbers(&[
            ("optimizer.rate", self.rate, 1e-12, 100.0),
            ("optimizer.weight_decay", self.weight_decay, 0.0, 10.0),
            ("optimizer.momentum", self.momentum, 0.0, 0.9999),
            ("optimizer.trust", self.trust, 1e-9, 1.0),
            ("optimizer.beta1", self.beta1, 0.0, 0.9999),
            ("optimizer.beta2", self.beta2, 0.0, 0.999_999),
            ("optimizer.epsilon", self.epsilon, 1e-16, 1.0),
            ("optimizer.clip_norm", self.clip_norm, 0.0, 1e9),
            ("optimizer.ema", self.ema, 0.0, 0.999_999),
            ("optimizer.head_rate", self.head_rate, 0.0, 1e4),
            ("optimizer.layer_decay", self.layer_decay, 1e-3, 1.0),
        ])?;
        ranges::counts(&[("optimizer.accumulate", self.accumulate, 1, 4096)])
    }

    pub fn rates(&self) -> GroupRates {
        GroupRates { head: self.head_rate, layer_decay: self.layer_decay }
    }

    pub fn backprop(&self) -> Backprop {
        Backprop { parts: self.accumulate, recompute: self.recompute }
    }

    pub fn rule(&self) -> Rule {
        match self.kind {
            OptimizerKind::Sgd => Rule::Sgd { momentum: self.momentum },
            OptimizerKind::Lars => Rule::Lars { momentum: self.momentum, trust: self.trust },
            OptimizerKind::AdamW => Rule::AdamW { beta1: self.beta1, beta2: self.beta2, epsilon: self.epsilon },
        }
    }
}
