//! The recipe of a training run: a TOML file in which every setting has a default and unknown ones are refused.

use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use super::losses::{Distance, Hinge, TripletSpec};
use super::optimizer::Rule;
use super::schedule::{Curve, Schedule};
use crate::data::{Augment, SamplerConfig};
use crate::nn::{Arch, EmbedderConfig, ResNetConfig};

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

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ModelSection {
    /// resnet18, resnet34, resnet50 or resnet101.
    pub arch: Arch,
    /// Channels of the first stage; 64 is the published network.
    pub width: usize,
    /// Stride of the last stage: 2, or 1 for twice as fine a grid of cells.
    pub last_stride: usize,
    /// Length of a cell's and of the global vector.
    pub dim: usize,
    /// Side of the square that the finished model looks at, in pixels.
    pub input_size: usize,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DataSection {
    /// Side of the squares that are trained on, in pixels.
    pub train_size: usize,
    /// Side during the last `large_epochs`, in pixels.
    pub large_size: usize,
    pub large_epochs: usize,
    /// Products of a batch.
    pub products: usize,
    /// Kinds of garment in a batch, which share its products equally.
    pub kinds: usize,
    /// Photos of each product of a batch, half of them street photos.
    pub photos: usize,
    /// Share of the training products whose labels are used, from 0 to 1.
    pub label_fraction: f64,
    /// Probability that all photos of a product in a batch are recoloured in the same way, which makes a new product
    /// of it.
    pub recolour: f64,
    /// Share of the batches that are shown in grey. Where colour tells products apart, a network learns little else;
    /// in these batches cut and pattern are all there is.
    pub colour_blind: f64,
    /// Memory for decoded photos, in megabytes; what does not fit is decoded each time.
    pub cache_megabytes: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ScheduleSection {
    pub epochs: usize,
    /// Epochs in which the rate rises to its peak; parts of one count.
    pub warmup_epochs: f64,
    /// cosine, step or constant.
    pub curve: Curve,
    /// Where the cosine ends, as a share of the peak.
    pub floor: f64,
    /// Epochs after which the step curve multiplies the rate by `factor`.
    pub drops: Vec<usize>,
    pub factor: f64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OptimizerKind {
    Sgd,
    #[default]
    AdamW,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OptimizerSection {
    /// sgd or adamw.
    pub kind: OptimizerKind,
    /// Peak learning rate.
    pub rate: f64,
    pub weight_decay: f64,
    /// Whether biases and the weights of norms decay too.
    pub decay_norms: bool,
    /// Of sgd.
    pub momentum: f64,
    /// Of adamw.
    pub beta1: f64,
    pub beta2: f64,
    pub epsilon: f64,
    /// Longest gradient that is used as it is; longer ones are shortened. 0 sets no limit.
    pub clip_norm: f64,
    /// Share of the average that a step keeps in the averaged weights, which are the ones measured and kept; 0
    /// averages nothing.
    pub ema: f64,
}

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

impl Default for ModelSection {
    fn default() -> Self {
        Self { arch: Arch::ResNet18, width: 32, last_stride: 2, dim: 128, input_size: 224 }
    }
}

impl Default for DataSection {
    fn default() -> Self {
        Self {
            train_size: 128,
            large_size: 224,
            large_epochs: 0,
            products: 16,
            kinds: 4,
            photos: 4,
            label_fraction: 1.0,
            recolour: 0.2,
            colour_blind: 0.0,
            cache_megabytes: 2048,
        }
    }
}

impl Default for ScheduleSection {
    fn default() -> Self {
        Self { epochs: 60, warmup_epochs: 2.0, curve: Curve::Cosine, floor: 0.01, drops: vec![40, 50], factor: 0.1 }
    }
}

impl Default for OptimizerSection {
    fn default() -> Self {
        Self {
            kind: OptimizerKind::AdamW,
            rate: 1e-3,
            weight_decay: 0.05,
            decay_norms: false,
            momentum: 0.9,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            clip_norm: 5.0,
            ema: 0.0,
        }
    }
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

impl Default for RunSection {
    fn default() -> Self {
        Self { checkpoint_epochs: 1, keep: 2, validate_epochs: 5 }
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
        self.check_sizes()?;
        self.check_numbers()?;
        let weights = [self.loss.cross_entropy, self.loss.triplet, self.loss.info_nce, self.loss.structural];
        if weights.iter().all(|&weight| weight == 0.0) {
            return Err("every weight in [loss] is 0, so there is nothing to learn".to_owned());
        }
        if self.loss.soft_margin && self.loss.margin != LossSection::default().margin && self.loss.triplet > 0.0 {
            return Err("loss.margin has no effect with loss.soft_margin = true; set one of the two".to_owned());
        }
        if self.schedule.warmup_epochs > self.schedule.epochs as f64 {
            return Err(format!(
                "schedule.warmup_epochs ({}) is longer than schedule.epochs ({})",
                self.schedule.warmup_epochs, self.schedule.epochs
            ));
        }
        if self.data.large_epochs > self.schedule.epochs {
            return Err(format!(
                "data.large_epochs ({}) is more than schedule.epochs ({})",
                self.data.large_epochs, self.schedule.epochs
            ));
        }
        if self.schedule.drops.windows(2).any(|pair| pair[0] >= pair[1]) {
            return Err("schedule.drops must rise".to_owned());
        }
        if self.data.products < 2 {
            return Err("data.products must be at least 2, for a batch needs a wrong answer too".to_owned());
        }
        self.augment.check().map_err(|sentence| format!("[augment] {sentence}"))?;
        self.sampler().check().map_err(|sentence| format!("[data] {sentence}"))?;
        Ok(())
    }

    fn check_sizes(&self) -> Result<(), String> {
        let sizes = [
            ("model.input_size", self.model.input_size),
            ("data.train_size", self.data.train_size),
            ("data.large_size", self.data.large_size),
        ];
        for (name, size) in sizes {
            if !(32..=1024).contains(&size) {
                return Err(format!("{name} must lie between 32 and 1024 pixels, not {size}"));
            }
        }
        let counts = [
            ("model.width", self.model.width, 1, 512),
            ("model.dim", self.model.dim, 2, 4096),
            ("model.last_stride", self.model.last_stride, 1, 2),
            ("data.photos", self.data.photos, 2, 64),
            ("data.products", self.data.products, 1, 4096),
            ("schedule.epochs", self.schedule.epochs, 1, 100_000),
            ("run.checkpoint_epochs", self.run.checkpoint_epochs, 1, 100_000),
            ("run.keep", self.run.keep, 1, 1000),
            ("loss.structural_iterations", self.loss.structural_iterations, 1, 10_000),
        ];
        for (name, value, least, most) in counts {
            if !(least..=most).contains(&value) {
                return Err(format!("{name} must lie between {least} and {most}, not {value}"));
            }
        }
        Ok(())
    }

    fn check_numbers(&self) -> Result<(), String> {
        let (loss, optimizer) = (&self.loss, &self.optimizer);
        let ranges = [
            ("data.label_fraction", self.data.label_fraction, 1e-3, 1.0),
            ("data.recolour", self.data.recolour, 0.0, 1.0),
            ("data.colour_blind", self.data.colour_blind, 0.0, 1.0),
            ("schedule.warmup_epochs", self.schedule.warmup_epochs, 0.0, 1e5),
            ("schedule.floor", self.schedule.floor, 0.0, 1.0),
            ("schedule.factor", self.schedule.factor, 0.0, 1.0),
            ("optimizer.rate", optimizer.rate, 1e-12, 100.0),
            ("optimizer.weight_decay", optimizer.weight_decay, 0.0, 10.0),
            ("optimizer.momentum", optimizer.momentum, 0.0, 0.9999),
            ("optimizer.beta1", optimizer.beta1, 0.0, 0.9999),
            ("optimizer.beta2", optimizer.beta2, 0.0, 0.999_999),
            ("optimizer.epsilon", optimizer.epsilon, 1e-16, 1.0),
            ("optimizer.clip_norm", optimizer.clip_norm, 0.0, 1e9),
            ("optimizer.ema", optimizer.ema, 0.0, 0.999_999),
            ("loss.cross_entropy", loss.cross_entropy, 0.0, 1e3),
            ("loss.label_smoothing", loss.label_smoothing, 0.0, 0.99),
            ("loss.triplet", loss.triplet, 0.0, 1e3),
            ("loss.margin", loss.margin, 0.0, 4.0),
            ("loss.info_nce", loss.info_nce, 0.0, 1e3),
            ("loss.temperature", loss.temperature, 1e-3, 10.0),
            ("loss.structural", loss.structural, 0.0, 1e3),
            ("loss.structural_margin", loss.structural_margin, 0.0, 2.0),
            ("loss.structural_epsilon", loss.structural_epsilon, 1e-4, 10.0),
        ];
        for (name, value, least, most) in ranges {
            // Written so that NaN is refused too.
            if !(value >= least && value <= most) {
                return Err(format!("{name} must lie between {least} and {most}, not {value}"));
            }
        }
        Ok(())
    }

    /// The network for this many kinds of garment.
    pub fn embedder(&self, classes: usize) -> EmbedderConfig {
        let model = &self.model;
        let backbone =
            ResNetConfig { width: model.width, last_stride: model.last_stride, ..ResNetConfig::new(model.arch) };
        EmbedderConfig { backbone, dim: model.dim, classes }
    }

    pub fn sampler(&self) -> SamplerConfig {
        SamplerConfig { products: self.data.products, kinds: self.data.kinds, photos: self.data.photos }
    }

    pub fn rule(&self) -> Rule {
        let section = &self.optimizer;
        match section.kind {
            OptimizerKind::Sgd => Rule::Sgd { momentum: section.momentum },
            OptimizerKind::AdamW => {
                Rule::AdamW { beta1: section.beta1, beta2: section.beta2, epsilon: section.epsilon }
            }
        }
    }

    pub fn triplet(&self) -> TripletSpec {
        let hinge = if self.loss.soft_margin { Hinge::Soft } else { Hinge::Margin(self.loss.margin) };
        TripletSpec { distance: self.loss.distance, hinge }
    }

    pub fn schedule(&self, steps_per_epoch: usize) -> Schedule {
        let section = &self.schedule;
        Schedule {
            peak: self.optimizer.rate,
            curve: section.curve,
            warmup_steps: (section.warmup_epochs * steps_per_epoch as f64).round() as usize,
            total_steps: section.epochs * steps_per_epoch,
            floor: section.floor,
            drops: section.drops.iter().map(|epoch| epoch * steps_per_epoch).collect(),
            factor: section.factor,
        }
    }

    /// Side of the squares of an epoch, counted from 0.
    pub fn size_in_epoch(&self, epoch: usize) -> usize {
        if epoch + self.data.large_epochs >= self.schedule.epochs { self.data.large_size } else { self.data.train_size }
    }
}

/// The first unknown key, with the known one that looks most like it.
fn refuse_unknown(prefix: &str, given: &Value, known: &Value) -> Result<(), String> {
    let (Value::Table(given), Value::Table(known)) = (given, known) else { return Ok(()) };
    for (key, value) in given {
        let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        match known.get(key) {
            Some(inner) => refuse_unknown(&path, value, inner)?,
            None => {
                let nearest = known.keys().map(|name| (edits(key, name), name)).min();
                let hint = match nearest {
                    Some((distance, name)) if distance <= 3.max(key.len() / 2) => format!("; did you mean {name}?"),
                    _ => String::new(),
                };
                return Err(format!("unknown setting {path}{hint}"));
            }
        }
    }
    Ok(())
}

/// Letters to put in, take out or change to make one word of the other.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let change = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

/// What is wrong with a TOML text, without the picture of the line.
fn one_line(error: &toml::de::Error) -> String {
    error.message().lines().next().unwrap_or("not TOML").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_out_defaults_read_back_equal_and_name_every_setting() {
        let config = TrainConfig { name: "other".to_owned(), seed: 9, ..TrainConfig::default() };
        let text = config.to_toml();
        assert_eq!(TrainConfig::from_toml(&text), Ok(config));
        for name in
            ["label_smoothing", "warmup_epochs", "soft_margin", "recolour", "kind = \"adamw\"", "checkpoint_epochs"]
        {
            assert!(text.contains(name), "{name} is missing in\n{text}");
        }
        assert_eq!(TrainConfig::from_toml(""), Ok(TrainConfig::default()));
    }

    #[test]
    fn an_unknown_setting_is_refused_with_the_one_that_was_meant() {
        let error = TrainConfig::from_toml("[optimizer]\nweight_decey = 0.1\n").unwrap_err();
        assert_eq!(error, "unknown setting optimizer.weight_decey; did you mean weight_decay?");
        let error = TrainConfig::from_toml("[lossses]\n").unwrap_err();
        assert_eq!(error, "unknown setting lossses; did you mean loss?");
        let error = TrainConfig::from_toml("xyzzyplughxyzzy = 1\n").unwrap_err();
        assert_eq!(error, "unknown setting xyzzyplughxyzzy");
    }

    #[test]
    fn contradictions_and_impossible_values_are_one_sentence() {
        let cases = [
            (
                "[schedule]\nepochs = 3\nwarmup_epochs = 4.0",
                "schedule.warmup_epochs (4) is longer than schedule.epochs (3)",
            ),
            ("[loss]\ncross_entropy = 0.0\ntriplet = 0.0", "every weight in [loss] is 0, so there is nothing to learn"),
            ("[loss]\nmargin = 0.5", "loss.margin has no effect with loss.soft_margin = true; set one of the two"),
            ("[data]\nproducts = 1", "data.products must be at least 2, for a batch needs a wrong answer too"),
            ("[data]\ntrain_size = 8", "data.train_size must lie between 32 and 1024 pixels, not 8"),
            ("[optimizer]\nrate = nan", "optimizer.rate must lie between 0.000000000001 and 100, not NaN"),
            ("[optimizer]\nrate = -1.0", "optimizer.rate must lie between 0.000000000001 and 100, not -1"),
        ];
        for (text, sentence) in cases {
            assert_eq!(TrainConfig::from_toml(text), Err(sentence.to_owned()), "{text}");
        }
        assert!(TrainConfig::from_toml("[optimizer]\nkind = \"adam\"").unwrap_err().contains("adam"));
        assert!(TrainConfig::from_toml("[optimizer").is_err());
        assert!(TrainConfig::from_toml("seed = \"one\"").unwrap_err().contains("invalid type"));
    }

    #[test]
    fn the_last_epochs_are_large() {
        let mut config = TrainConfig::default();
        config.schedule.epochs = 10;
        config.data.large_epochs = 2;
        assert_eq!([0, 7, 8, 9].map(|epoch| config.size_in_epoch(epoch)), [128, 128, 224, 224]);
        config.data.large_epochs = 0;
        assert_eq!(config.size_in_epoch(9), 128);
    }
}
