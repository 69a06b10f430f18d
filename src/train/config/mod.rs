//! The recipe of a training run: a TOML file in which every setting has a default and unknown ones are refused.
//!
//! One file per section, with its settings, their defaults and their ranges; here what concerns several of them.

mod data;
mod keys;
mod loss;
mod model;
mod optimizer;
mod ranges;
mod run;
mod schedule;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use super::losses::TripletSpec;
use super::optimizer::Rule;
use super::schedule::{Curve, Schedule};
use crate::data::{Augment, SamplerConfig};
use crate::nn::EmbedderConfig;
use keys::{one_line, refuse_unknown};

pub use data::DataSection;
pub use loss::LossSection;
pub use model::ModelSection;
pub use optimizer::{OptimizerKind, OptimizerSection};
pub use run::{Chosen, Metric, RunSection};
pub use schedule::ScheduleSection;

/// What is trained, on what and how. [`TrainConfig::to_toml`] writes every setting out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainConfig {
    /// Name of the model that comes out.
    pub name: String,
    /// All that is random follows from it.
    pub seed: u64,
    pub model: ModelSection,
    pub data: DataSection,
    pub schedule: ScheduleSection,
    pub optimizer: OptimizerSection,
    pub loss: LossSection,
    /// How much the views of training photos vary.
    pub augment: Augment,
    pub run: RunSection,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            name: "model".to_owned(),
            seed: 1,
            model: ModelSection::default(),
            data: DataSection::default(),
            schedule: ScheduleSection::default(),
            optimizer: OptimizerSection::default(),
            loss: LossSection::default(),
            augment: Augment::default(),
            run: RunSection::default(),
        }
    }
}

impl TrainConfig {
    /// Reads a recipe; the answer to a bad one is a sentence.
    pub fn from_toml(text: &str) -> Result<Self, String> {
        let table: Table = text.parse().map_err(|error: toml::de::Error| one_line(&error))?;
        let defaults = Value::try_from(Self::default()).map_err(|error| error.to_string())?;
        refuse_unknown("", &Value::Table(table.clone()), &defaults)?;
        let config: Self = table.try_into().map_err(|error| one_line(&error))?;
        config.check()?;
        Ok(config)
    }

    /// Every setting, defaults too.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("plain tables of numbers, words and lists are always TOML")
    }

    pub fn check(&self) -> Result<(), String> {
        self.model.check()?;
        self.data.check()?;
        self.schedule.check()?;
        self.optimizer.check()?;
        self.loss.check()?;
        self.augment.check().map_err(|sentence| format!("[augment] {sentence}"))?;
        self.run.check()?;
        if let Some(name) = self.model.behind_the_classifier()
            && self.loss.cross_entropy == 0.0
        {
            return Err(format!("model.{name} needs the classifier, which learns nothing with loss.cross_entropy = 0"));
        }
        if self.data.large_epochs > self.schedule.epochs {
            return Err(format!(
                "data.large_epochs ({}) is more than schedule.epochs ({})",
                self.data.large_epochs, self.schedule.epochs
            ));
        }
        if self.schedule.curve == Curve::Plateau && self.run.validate_epochs == 0 {
            return Err("schedule.curve = \"plateau\" needs measurements; set run.validate_epochs".to_owned());
        }
        let (batch, parts) = (self.data.products * self.data.photos, self.optimizer.accumulate);
        // A norm needs two photos to tell their mean from their spread.
        if batch / parts < 2 {
            return Err(format!(
                "optimizer.accumulate ({parts}) leaves a part of a batch of {batch} photos fewer than 2"
            ));
        }
        Ok(())
    }

    /// The network for this many kinds of garment.
    pub fn embedder(&self, classes: usize) -> EmbedderConfig {
        self.model.embedder(classes)
    }

    pub fn sampler(&self) -> SamplerConfig {
        self.data.sampler()
    }

    pub fn rule(&self) -> Rule {
        self.optimizer.rule()
    }

    pub fn triplet(&self) -> TripletSpec {
        self.loss.triplet()
    }

    pub fn schedule(&self, steps_per_epoch: usize) -> Schedule {
        self.schedule.schedule(self.optimizer.rate, steps_per_epoch)
    }

    /// Side of the squares of an epoch, counted from 0.
    pub fn size_in_epoch(&self, epoch: usize) -> usize {
        if epoch + self.data.large_epochs >= self.schedule.epochs { self.data.large_size } else { self.data.train_size }
    }
}
