//! Which backbones there are, and what can be varied about each.

use std::fmt;
use std::str::FromStr;

use candle_core::DType;
use serde::{Deserialize, Serialize};

use super::NnError;
use super::plan::BackbonePlan;

/// Which network, by torchvision's or timm's name for it.
///
/// The `legacy_` ones are timm's older squeeze-and-excitation networks (Cadene's), whose files differ in names and whose
/// structure differs a little: see [`BackbonePlan`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Arch {
    #[serde(rename = "resnet18")]
    ResNet18,
    #[serde(rename = "resnet34")]
    ResNet34,
    #[serde(rename = "resnet50")]
    ResNet50,
    #[serde(rename = "resnet101")]
    ResNet101,
    #[serde(rename = "seresnet50")]
    SeResNet50,
    #[serde(rename = "seresnext50_32x4d")]
    SeResNeXt50,
    #[serde(rename = "legacy_seresnet50")]
    LegacySeResNet50,
    #[serde(rename = "legacy_seresnext50_32x4d")]
    LegacySeResNeXt50,
    #[serde(rename = "densenet121")]
    DenseNet121,
}

impl Arch {
    pub const ALL: [Self; 9] = [
        Self::ResNet18,
        Self::ResNet34,
        Self::ResNet50,
        Self::ResNet101,
        Self::SeResNet50,
        Self::SeResNeXt50,
        Self::LegacySeResNet50,
        Self::LegacySeResNeXt50,
        Self::DenseNet121,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::ResNet18 => "resnet18",
            Self::ResNet34 => "resnet34",
            Self::ResNet50 => "resnet50",
            Self::ResNet101 => "resnet101",
            Self::SeResNet50 => "seresnet50",
            Self::SeResNeXt50 => "seresnext50_32x4d",
            Self::LegacySeResNet50 => "legacy_seresnet50",
            Self::LegacySeResNeXt50 => "legacy_seresnext50_32x4d",
            Self::DenseNet121 => "densenet121",
        }
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Arch {
    type Err = NnError;

    fn from_str(name: &str) -> Result<Self, NnError> {
        Self::ALL
            .into_iter()
            .find(|arch| arch.name() == name)
            .ok_or_else(|| NnError::UnknownArch { name: name.to_owned(), known: Self::ALL.map(Self::name).join(", ") })
    }
}

/// What makes one backbone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackboneConfig {
    pub arch: Arch,
    /// Channels after the stem; 64 is the published network. All later widths follow; DenseNet's growth is half of it.
    #[serde(default = "BackboneConfig::standard_width")]
    pub width: usize,
    /// Stride between the last two stages: 2 as published, or 1 for a map of twice the side.
    #[serde(default = "BackboneConfig::standard_last_stride")]
    pub last_stride: usize,
    /// Number type while it runs. Files do not fix it.
    #[serde(skip, default = "BackboneConfig::standard_dtype")]
    pub dtype: DType,
}

impl BackboneConfig {
    /// The published network in 32 bits.
    pub fn new(arch: Arch) -> Self {
        Self {
            arch,
            width: Self::standard_width(),
            last_stride: Self::standard_last_stride(),
            dtype: Self::standard_dtype(),
        }
    }

    fn standard_width() -> usize {
        64
    }

    fn standard_last_stride() -> usize {
        2
    }

    fn standard_dtype() -> DType {
        DType::F32
    }

    /// What is wrong with the values, if anything: they may come from a file.
    pub fn problem(&self) -> Option<String> {
        if !(1..=512).contains(&self.width) {
            return Some(format!("a width of {} channels is outside 1 to 512", self.width));
        }
        if self.arch == Arch::DenseNet121 && !self.width.is_multiple_of(2) {
            return Some(format!("densenet121 grows by half its width, so a width of {} must be even", self.width));
        }
        if !matches!(self.last_stride, 1 | 2) {
            return Some(format!("the last stride is {}, which must be 1 or 2", self.last_stride));
        }
        None
    }

    /// Channels of the last map.
    pub fn out_channels(&self) -> usize {
        BackbonePlan::new("", self).out_channels
    }

    /// Multiply-adds of one image's forward pass up to the last map, for a square image of that side.
    pub fn macs(&self, input: usize) -> u64 {
        let mut sum = 0;
        BackbonePlan::new("", self).walk(input, &mut |conv, side| {
            sum += (conv.outputs * conv.inputs / conv.groups * conv.kernel.pow(2) * side.pow(2)) as u64;
        });
        sum
    }

    /// Side of the last map for a square image of that side, at least 32.
    pub fn map_side(&self, input: usize) -> usize {
        BackbonePlan::new("", self).walk(input, &mut |_, _| {})
    }
}
