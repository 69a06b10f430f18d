//! `[run]`: what is measured and kept on the way.

use serde::{Deserialize, Serialize};

use super::ranges;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RunSection {
    /// A checkpoint after every so many epochs, and one at the end and at a stop.
    pub checkpoint_epochs: usize,
    /// Newest checkpoints that are kept.
    pub keep: usize,
    /// The validation split is measured after every so many epochs and at the end; 0 never measures.
    pub validate_epochs: usize,
}

impl Default for RunSection {
    fn default() -> Self {
        Self { checkpoint_epochs: 1, keep: 2, validate_epochs: 5 }
    }
}

impl RunSection {
    pub(super) fn check(&self) -> Result<(), String> {
        ranges::counts(&[
            ("run.checkpoint_epochs", self.checkpoint_epochs, 1, 100_000),
            ("run.keep", self.keep, 1, 1000),
        ])
    }
}
