//! `[semi]`: unlabelled photos beside the labelled ones (Revanur et al. 2021).

use serde::{Deserialize, Serialize};

use super::ranges;

/// Whether the kind of an unlabelled photo is known, though its product is not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kinds {
    /// It is the catalogue's.
    #[default]
    Known,
    /// It is what the classifier says, where it is sure enough.
    Predicted,
}

/// How sure the classifier must be of a kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ThresholdRule {
    /// Equally for all kinds (FixMatch, Sohn et al. 2020).
    #[default]
    Fixed,
    /// Less for kinds that are seldom predicted (FreeMatch's local thresholds, Wang et al. 2023).
    PerClass,
    /// Less for kinds of which little has been learnt yet (FlexMatch, Zhang et al. 2021).
    Flex,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SemiSection {
    /// Unlabelled photos beside each batch; 0 has none. They are the training photos that data.label_fraction leaves
    /// over, or all of them where it leaves none.
    pub unlabelled: usize,
    /// Weight of the triplet of a photo, its view in another shape and its view in other colours.
    pub consistency: f64,
    /// Weight of the triplets between the unlabelled neighbours of labelled triplets.
    pub pseudo: f64,
    /// Margin of both.
    pub margin: f64,
    /// known or predicted. Neighbours are sought among photos of the same kind.
    pub kinds: Kinds,
    /// Weight of the cross-entropy of views in other colours against predicted kinds.
    pub pseudo_kinds: f64,
    /// How sure a prediction must be: fixed, per-class or flex, and the (highest) probability that it needs.
    pub thresholds: ThresholdRule,
    pub threshold: f64,
    /// Share that the mean teacher keeps of itself in a step; 0 has no teacher. It predicts kinds in the network's place.
    pub teacher: f64,
    /// Weight of the squared distance between what network and teacher make of a photo.
    pub teacher_weight: f64,
}

impl Default for SemiSection {
    fn default() -> Self {
        Self {
            unlabelled: 0,
            consistency: 0.1,
            pseudo: 1.0,
            margin: 0.4,
            kinds: Kinds::Known,
            pseudo_kinds: 0.0,
            thresholds: ThresholdRule::Fixed,
            threshold: 0.95,
            teacher: 0.0,
            teacher_weight: 0.0,
        }
    }
}

impl SemiSection {
    pub fn is_on(&self) -> bool {
        self.unlabelled > 0
    }

    /// Whether views in another shape and in other colours are needed.
    pub fn perturbs(&self) -> bool {
        self.consistency + self.pseudo_kinds + self.teacher_weight > 0.0
    }

    pub(super) fn check(&self) -> Result<(), String> {
        ranges::counts(&[("semi.unlabelled", self.unlabelled, 0, 65_536)])?;
        ranges::numbers(&[
            ("semi.consistency", self.consistency, 0.0, 1e3),
            ("semi.pseudo", self.pseudo, 0.0, 1e3),
            ("semi.margin", self.margin, 0.0, 4.0),
            ("semi.pseudo_kinds", self.pseudo_kinds, 0.0, 1e3),
            ("semi.threshold", self.threshold, 0.0, 1.0),
            ("semi.teacher", self.teacher, 0.0, 0.999_999),
            ("semi.teacher_weight", self.teacher_weight, 0.0, 1e3),
        ])?;
        if !self.is_on() {
            let changed = Self { unlabelled: 0, ..Self::default() } != *self;
            let sentence = "the settings in [semi] have no effect while semi.unlabelled is 0";
            return if changed { Err(sentence.to_owned()) } else { Ok(()) };
        }
        let weights = [self.consistency, self.pseudo, self.pseudo_kinds, self.teacher_weight];
        if weights.iter().all(|weight| *weight == 0.0) {
            return Err("every weight in [semi] is 0, so unlabelled photos have nothing to say".to_owned());
        }
        if self.pseudo_kinds > 0.0 && self.kinds == Kinds::Known {
            return Err(
                "semi.pseudo_kinds needs semi.kinds = \"predicted\", for known kinds are not guessed".to_owned()
            );
        }
        if (self.teacher_weight > 0.0) && self.teacher == 0.0 {
            return Err("semi.teacher_weight needs a teacher: set semi.teacher, for instance to 0.99".to_owned());
        }
        if self.thresholds != ThresholdRule::Fixed && self.kinds == Kinds::Known {
            return Err("semi.thresholds needs semi.kinds = \"predicted\"".to_owned());
        }
        Ok(())
    }
}
