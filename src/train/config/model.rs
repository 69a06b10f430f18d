//! `[model]`: the network.

use serde::{Deserialize, Serialize};

use super::ranges;
use crate::nn::{Arch, BackboneConfig, EmbedderConfig, HeadConfig, Pooling};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ModelSection {
    /// resnet18, resnet34, resnet50, resnet101, seresnet50, seresnext50_32x4d, legacy_seresnet50,
    /// legacy_seresnext50_32x4d or densenet121.
    pub arch: Arch,
    /// Channels of the first stage; 64 is the published network.
    pub width: usize,
    /// Stride of the last stage: 2, or 1 for twice as fine a grid of cells.
    pub last_stride: usize,
    /// Length of a cell's and of the global vector.
    pub dim: usize,
    /// Side of the square that the finished model looks at, in pixels.
    pub input_size: usize,
    /// How the last map becomes one vector: gap (its mean), gap+gmp (the sum of mean and maximum) or gem (a mean of
    /// powers whose exponent is learned).
    pub pooling: Pooling,
    /// A normalisation between embedding and classifier: metric losses before it, the classifier and searches behind.
    pub neck: bool,
    /// Channels of the relaxation on the classifier's path; 0 has none.
    pub relaxation: usize,
    /// An embedding for each kind of garment instead of one for all.
    pub projections: bool,
    /// A map of the global vector for each kind, learnt from [outfits]: behind it what is worn together is near, and searches
    /// for the same product do not see it.
    pub worn: bool,
}

impl Default for ModelSection {
    fn default() -> Self {
        let HeadConfig { pooling, neck, relaxation, projections, worn } = HeadConfig::default();
        let (arch, width, last_stride) = (Arch::ResNet18, 32, 2);
        Self { arch, width, last_stride, dim: 128, input_size: 224, pooling, neck, relaxation, projections, worn }
    }
}

impl ModelSection {
    pub(super) fn check(&self) -> Result<(), String> {
        ranges::size("model.input_size", self.input_size)?;
        ranges::counts(&[
            ("model.width", self.width, 1, 512),
            ("model.dim", self.dim, 2, 4096),
            ("model.last_stride", self.last_stride, 1, 2),
            ("model.relaxation", self.relaxation, 0, 8192),
        ])?;
        self.embedder(1).problem().map_or(Ok(()), |problem| Err(format!("[model] {problem}")))
    }

    /// The network for this many kinds of garment.
    pub fn embedder(&self, classes: usize) -> EmbedderConfig {
        let backbone =
            BackboneConfig { width: self.width, last_stride: self.last_stride, ..BackboneConfig::new(self.arch) };
        let head = HeadConfig {
            pooling: self.pooling,
            neck: self.neck,
            relaxation: self.relaxation,
            projections: self.projections,
            worn: self.worn,
        };
        EmbedderConfig { backbone, dim: self.dim, classes, head }
    }

    /// The parts of the network that learn from the cross-entropy alone, by their settings.
    pub(super) fn behind_the_classifier(&self) -> Option<&'static str> {
        [("neck", self.neck), ("relaxation", self.relaxation > 0), ("projections", self.projections)]
            .into_iter()
            .find_map(|(name, asked)| asked.then_some(name))
    }
}
