//! The recipe of a training run: a TOML file in which every setting has a default and unknown ones are refused.
//!
//! One file per section, with its settings, their defaults and their ranges; here what concerns several of them.

mod data;
mod keys;
mod loss;
mod model;
mod optimizer;
mod outfits;
mod pretext;
mod ranges;
mod run;
mod schedule;
mod semi;
mod stages;
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
pub use loss::{Alike, LossSection};
pub use model::ModelSection;
pub use optimizer::{MapPrecision, OptimizerKind, OptimizerSection};
pub use outfits::OutfitsSection;
pub use pretext::{PretextMethod, PretextSection};
pub use run::{Chosen, Metric, RunSection};
pub use schedule::ScheduleSection;
pub use semi::{Kinds, SemiSection, ThresholdRule};

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
    /// Learning without labels, in place of `loss`.
    pub pretext: PretextSection,
    /// What is worn together, beside what is the same product.
    pub outfits: OutfitsSection,
    /// Unlabelled photos beside the labelled ones.
    pub semi: SemiSection,
    /// How much the views of training photos vary.
    pub augment: Augment,
    pub run: RunSection,
    /// What is trained after this, each stage with the weights of the one before it: settings that differ from those of
    /// the stage before.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub then: Vec<Table>,
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
            pretext: PretextSection::default(),
            outfits: OutfitsSection::default(),
            semi: SemiSection::default(),
            augment: Augment::default(),
            run: RunSection::default(),
            then: Vec::new(),
        }
    }
}

impl TrainConfig {
    /// Reads a recipe; the answer to a bad one is a sentence.
    pub fn from_toml(text: &str) -> Result<Self, String> {
        let table: Table = text.parse().map_err(|error: toml::de::Error| one_line(&error))?;
        let mut defaults = Table::try_from(Self::default()).map_err(|error| error.to_string())?;
        // Left out where there are no stages.
        defaults.insert("then".to_owned(), Value::Array(Vec::new()));
        refuse_unknown("", &Value::Table(table.clone()), &Value::Table(defaults))?;
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
        self.pretext.check()?;
        self.outfits.check()?;
        if !self.loss.is_on() && !self.outfits.is_on() {
            return Err("every weight in [loss] is 0, so there is nothing to learn".to_owned());
        }
        self.semi.check()?;
        self.check_methods()?;
        self.check_stages()?;
        self.augment.check().map_err(|sentence| format!("[augment] {sentence}"))?;
        self.run.check()?;
        if self.loss.alike == Alike::Kinds && self.data.kinds < 2 && self.loss.compares() {
            return Err("loss.alike = \"kinds\" needs data.kinds of at least 2, for a batch needs a wrong answer too"
                .to_owned());
        }
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

    /// What [pretext], [semi] and the rest say against each other.
    fn check_methods(&self) -> Result<(), String> {
        if self.pretext.is_on() && self.semi.is_on() {
            return Err(
                "pretext.method learns without labels and semi.unlabelled with them; choose one of the two".to_owned()
            );
        }
        if self.pretext.is_on() && self.outfits.is_on() {
            return Err(
                "pretext.method learns without labels and outfits.weight with them; choose one of the two".to_owned()
            );
        }
        let measured = [
            ("schedule.curve = \"plateau\"", self.schedule.curve == Curve::Plateau),
            ("run.early_stop", self.run.early_stop > 0),
            ("run.result = \"best\"", self.run.result == Chosen::Best),
        ];
        if let Some((name, _)) = measured.into_iter().find(|(_, asked)| *asked && self.pretext.is_on()) {
            return Err(format!("{name} goes by searching, which a pretext task does not learn"));
        }
        if self.pretext.is_on() && (self.optimizer.accumulate > 1 || self.optimizer.recompute) {
            return Err(
                "a pretext task's batch passes in one piece: set optimizer.accumulate = 1 and recompute = false"
                    .to_owned(),
            );
        }
        if self.semi.is_on() && self.semi.pseudo > 0.0 && !self.loss.mines() && !self.outfits.is_on() {
            return Err(
                "semi.pseudo needs a loss on triplets, for instance loss.triplet = 1 or outfits.weight = 1".to_owned()
            );
        }
        if self.semi.is_on() && self.semi.kinds == Kinds::Predicted && self.loss.cross_entropy == 0.0 {
            return Err(
                "semi.kinds = \"predicted\" needs the classifier, which learns nothing with loss.cross_entropy = 0"
                    .to_owned(),
            );
        }
        Ok(())
    }

    /// Whether this recipe or a later stage of it learns from outfits.
    pub fn wants_outfits(&self) -> bool {
        self.outfits.is_on() || self.then.iter().any(|stage| stage.contains_key("outfits"))
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
