//! The shape of a residual network as data: which convolutions, of what size, under which names.
//!
//! He et al. 2015, in the form of torchvision (stride in a bottleneck's 3x3 convolution), with torchvision's names. The
//! trainable network, the folded one and the check of a file all read this one description.

use std::fmt;
use std::str::FromStr;

use candle_core::DType;
use serde::{Deserialize, Serialize};

use super::NnError;
use super::ops::ConvSpec;
use super::params::{Init, ParamSpec};

/// Which residual network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Arch {
    ResNet18,
    ResNet34,
    ResNet50,
    ResNet101,
}

impl Arch {
    pub const ALL: [Self; 4] = [Self::ResNet18, Self::ResNet34, Self::ResNet50, Self::ResNet101];

    pub fn name(self) -> &'static str {
        match self {
            Self::ResNet18 => "resnet18",
            Self::ResNet34 => "resnet34",
            Self::ResNet50 => "resnet50",
            Self::ResNet101 => "resnet101",
        }
    }

    fn blocks(self) -> [usize; 4] {
        match self {
            Self::ResNet18 => [2, 2, 2, 2],
            Self::ResNet34 | Self::ResNet50 => [3, 4, 6, 3],
            Self::ResNet101 => [3, 4, 23, 3],
        }
    }

    /// How many blocks the first `stages` stages have together.
    pub(super) fn blocks_until(self, stages: usize) -> usize {
        self.blocks().into_iter().take(stages).sum()
    }

    fn bottleneck(self) -> bool {
        matches!(self, Self::ResNet50 | Self::ResNet101)
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

/// What makes one residual network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResNetConfig {
    pub arch: Arch,
    /// Channels after the stem; 64 is the published network.
    #[serde(default = "ResNetConfig::standard_width")]
    pub width: usize,
    /// Stride of the last stage: 2 as published, or 1 for a map of twice the side.
    #[serde(default = "ResNetConfig::standard_last_stride")]
    pub last_stride: usize,
    /// Number type while it runs. Files do not fix it.
    #[serde(skip, default = "ResNetConfig::standard_dtype")]
    pub dtype: DType,
}

impl ResNetConfig {
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
        if !matches!(self.last_stride, 1 | 2) {
            return Some(format!("the last stride is {}, which must be 1 or 2", self.last_stride));
        }
        None
    }

    /// Channels of the last map.
    pub fn out_channels(&self) -> usize {
        self.width * 8 * if self.arch.bottleneck() { 4 } else { 1 }
    }

    /// Multiply-adds of one image's forward pass up to the last map, for a square image of that side.
    pub fn macs(&self, input: usize) -> u64 {
        let plan = ResNetPlan::new("", self);
        let of = |conv: &ConvPlan, side: usize| (conv.outputs * conv.inputs * conv.kernel.pow(2) * side.pow(2)) as u64;
        let mut side = input.div_ceil(plan.stem.stride);
        let mut sum = of(&plan.stem, side);
        side = side.div_ceil(2);
        for block in &plan.blocks {
            let before = side;
            for conv in &block.convs {
                side = side.div_ceil(conv.stride);
                sum += of(conv, side);
            }
            sum += block.shortcut.as_ref().map_or(0, |conv| of(conv, before.div_ceil(conv.stride)));
        }
        sum
    }

    /// Side of the last map for a square image of that side.
    pub fn map_side(&self, input: usize) -> usize {
        // 3x3 with padding 1 and 7x7 with padding 3 alike: a stride of 2 halves, rounding up.
        let halvings = if self.last_stride == 1 { 4 } else { 5 };
        (0..halvings).fold(input, |side, _| side.div_ceil(2))
    }
}

/// A convolution without bias and the normalisation that follows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConvPlan {
    pub conv: String,
    pub norm: String,
    pub inputs: usize,
    pub outputs: usize,
    pub kernel: usize,
    pub stride: usize,
}

impl ConvPlan {
    pub fn spec(&self) -> ConvSpec {
        let padding = self.kernel / 2;
        ConvSpec { stride: (self.stride, self.stride), padding: (padding, padding), ..ConvSpec::default() }
    }

    pub fn weight(&self) -> ParamSpec {
        let shape = [self.outputs, self.inputs, self.kernel, self.kernel];
        ParamSpec::new(format!("{}.weight", self.conv), &shape, Init::KaimingNormalFanOut, true)
    }

    fn specs(&self) -> [ParamSpec; 5] {
        let [weight, bias, mean, var] = norm_specs(&self.norm, self.outputs);
        [self.weight(), weight, bias, mean, var]
    }
}

/// Weight, bias, running mean and running variance of a normalisation, in this order.
pub fn norm_specs(name: &str, channels: usize) -> [ParamSpec; 4] {
    let spec = |leaf: &str, init, trainable| ParamSpec::new(format!("{name}.{leaf}"), &[channels], init, trainable);
    [
        spec("weight", Init::Ones, true),
        spec("bias", Init::Zeros, true),
        spec("running_mean", Init::Zeros, false),
        spec("running_var", Init::Ones, false),
    ]
}

/// Convolutions in a row, and what the input passes through before it is added to their output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockPlan {
    pub convs: Vec<ConvPlan>,
    pub shortcut: Option<ConvPlan>,
}

/// A whole residual network up to its last map. Between stem and blocks lies a 3x3 max-pool of stride 2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResNetPlan {
    pub stem: ConvPlan,
    pub blocks: Vec<BlockPlan>,
    pub out_channels: usize,
}

impl ResNetPlan {
    /// `prefix` is put before every name, with a dot; empty for torchvision's own names.
    pub fn new(prefix: &str, config: &ResNetConfig) -> Self {
        let start = if prefix.is_empty() { String::new() } else { format!("{}.", prefix.trim_end_matches('.')) };
        let stem = ConvPlan {
            conv: format!("{start}conv1"),
            norm: format!("{start}bn1"),
            inputs: 3,
            outputs: config.width,
            kernel: 7,
            stride: 2,
        };
        let mut blocks = Vec::new();
        let mut inputs = config.width;
        for (stage, count) in config.arch.blocks().into_iter().enumerate() {
            for index in 0..count {
                let stride = match (stage, index) {
                    (0, _) | (1.., 1..) => 1,
                    (3, 0) => config.last_stride,
                    _ => 2,
                };
                let name = format!("{start}layer{}.{index}", stage + 1);
                let block = BlockPlan::new(&name, config.arch, inputs, config.width << stage, stride);
                inputs = block.convs.last().map_or(inputs, |conv| conv.outputs);
                blocks.push(block);
            }
        }
        Self { stem, blocks, out_channels: inputs }
    }

    /// Every tensor of the network.
    pub fn specs(&self) -> Vec<ParamSpec> {
        let in_blocks = self.blocks.iter().flat_map(|block| block.convs.iter().chain(&block.shortcut));
        std::iter::once(&self.stem).chain(in_blocks).flat_map(ConvPlan::specs).collect()
    }
}

impl BlockPlan {
    fn new(name: &str, arch: Arch, inputs: usize, planes: usize, stride: usize) -> Self {
        let conv = |number: usize, inputs, outputs, kernel, stride| ConvPlan {
            conv: format!("{name}.conv{number}"),
            norm: format!("{name}.bn{number}"),
            inputs,
            outputs,
            kernel,
            stride,
        };
        let convs = if arch.bottleneck() {
            vec![conv(1, inputs, planes, 1, 1), conv(2, planes, planes, 3, stride), conv(3, planes, planes * 4, 1, 1)]
        } else {
            vec![conv(1, inputs, planes, 3, stride), conv(2, planes, planes, 3, 1)]
        };
        let outputs = if arch.bottleneck() { planes * 4 } else { planes };
        let shortcut = (stride != 1 || inputs != outputs).then(|| ConvPlan {
            conv: format!("{name}.downsample.0"),
            norm: format!("{name}.downsample.1"),
            inputs,
            outputs,
            kernel: 1,
            stride,
        });
        Self { convs, shortcut }
    }
}
