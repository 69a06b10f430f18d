//! `[model]`: the network.

use serde::{Deserialize, Serialize};

use super::ranges;
use crate::nn::{Arch, EmbedderConfig, ResNetConfig};

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

impl Default for ModelSection {
    fn default() -> Self {
        Self { arch: Arch::ResNet18, width: 32, last_stride: 2, dim: 128, input_size: 224 }
    }
}

impl ModelSection {
    pub(super) fn check(&self) -> Result<(), String> {
        ranges::size("model.input_size", self.input_size)?;
        ranges::counts(&[
            ("model.width", self.width, 1, 512),
            ("model.dim", self.dim, 2, 4096),
            ("model.last_stride", self.last_stride, 1, 2),
        ])
    }

    /// The network for this many kinds of garment.
    pub fn embedder(&self, classes: usize) -> EmbedderConfig {
        let backbone =
            ResNetConfig { width: self.width, last_stride: self.last_stride, ..ResNetConfig::new(self.arch) };
        EmbedderConfig { backbone, dim: self.dim, classes }
    }
}
