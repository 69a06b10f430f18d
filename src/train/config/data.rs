//! `[data]`: what stands in a batch.

use serde::{Deserialize, Serialize};

use super::ranges;
use crate::data::SamplerConfig;

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
    /// Room on the disk, in megabytes, for decoded photos of each size, which later runs of the project use too; what
    /// does not fit is decoded in every run. 0 keeps none.
    pub pack_megabytes: u64,
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
            pack_megabytes: 4096,
        }
    }
}

impl DataSection {
    pub(super) fn check(&self) -> Result<(), String> {
        ranges::size("data.train_size", self.train_size)?;
        ranges::size("data.large_size", self.large_size)?;
        ranges::counts(&[("data.photos", self.photos, 2, 64), ("data.products", self.products, 1, 4096)])?;
        ranges::numbers(&[
            ("data.label_fraction", self.label_fraction, 1e-3, 1.0),
            ("data.recolour", self.recolour, 0.0, 1.0),
            ("data.colour_blind", self.colour_blind, 0.0, 1.0),
        ])?;
        if self.products < 2 {
            return Err("data.products must be at least 2, for a batch needs a wrong answer too".to_owned());
        }
        self.sampler().check().map_err(|sentence| format!("[data] {sentence}"))
    }

    pub fn sampler(&self) -> SamplerConfig {
        SamplerConfig { products: self.products, kinds: self.kinds, photos: self.photos }
    }
}
