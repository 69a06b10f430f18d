//! `[schedule]`: how long, and how the learning rate goes.

use serde::{Deserialize, Serialize};

use super::ranges;
use crate::train::schedule::{Curve, Schedule};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ScheduleSection {
    pub epochs: usize,
    /// Epochs in which the rate rises to its peak; parts of one count.
    pub warmup_epochs: f64,
    /// cosine, step, plateau or constant.
    pub curve: Curve,
    /// Where the cosine ends, as a share of the peak.
    pub floor: f64,
    /// Epochs after which the step curve multiplies the rate by `factor`.
    pub drops: Vec<usize>,
    pub factor: f64,
    /// Measurements of the validation split without a better `run.metric` after which the plateau curve multiplies the
    /// rate by `factor`.
    pub patience: usize,
}

impl Default for ScheduleSection {
    fn default() -> Self {
        Self {
            epochs: 60,
            warmup_epochs: 2.0,
            curve: Curve::Cosine,
            floor: 0.01,
            drops: vec![40, 50],
            factor: 0.1,
            patience: 3,
        }
    }
}

impl ScheduleSection {
    pub(super) fn check(&self) -> Result<(), String> {
        ranges::counts(&[
            ("schedule.epochs", self.epochs, 1, 100_000),
            ("schedule.patience", self.patience, 1, 100_000),
        ])?;
        ranges::numbers(&[
            ("schedule.warmup_epochs", self.warmup_epochs, 0.0, 1e5),
            ("schedule.floor", self.floor, 0.0, 1.0),
            ("schedule.factor", self.factor, 0.0, 1.0),
        ])?;
        if self.warmup_epochs > self.epochs as f64 {
            return Err(format!(
                "schedule.warmup_epochs ({}) is longer than schedule.epochs ({})",
                self.warmup_epochs, self.epochs
            ));
        }
        if self.drops.windows(2).any(|pair| pair[0] >= pair[1]) {
            return Err("schedule.drops must rise".to_owned());
        }
        if self.curve == Curve::Step && self.drops.first().is_none_or(|&first| first >= self.epochs) {
            return Err(format!(
                "schedule.curve = \"step\" with no drop before schedule.epochs ({}) never drops; use \"constant\" or \
                 change schedule.drops",
                self.epochs
            ));
        }
        Ok(())
    }

    /// The rates of a run whose highest is `peak`.
    pub fn schedule(&self, peak: f64, steps_per_epoch: usize) -> Schedule {
        Schedule {
            peak,
            curve: self.curve,
            warmup_steps: (self.warmup_epochs * steps_per_epoch as f64).round() as usize,
            total_steps: self.epochs * steps_per_epoch,
            floor: self.floor,
            drops: self.drops.iter().map(|epoch| epoch * steps_per_epoch).collect(),
            factor: self.factor,
        }
    }
}
