//! The shape of a backbone as data: which layers, of what size, under which names.
//!
//! The trainable network, the folded one and the check of a file all read this one description. Names are those of the
//! files that others publish:
//!
//! - ResNet (He et al. 2015) as torchvision has it: the stride of a bottleneck lies in its 3x3 convolution.
//! - SE-ResNet and SE-ResNeXt (Hu et al. 2018, Xie et al. 2017) as timm has them: a gate after a block's last
//!   normalisation, called `se`.
//! - timm's `legacy_` ones: the stem is called `layer0`, gates `se_module`, the first pooling has no padding and rounds
//!   up, and in SE-ResNet the stride lies in the first 1x1 convolution.
//! - DenseNet (Huang et al. 2017) as torchvision has it: a layer adds its channels to all that came before.

use super::arch::{Arch, BackboneConfig};
use super::ops::{self, ConvSpec};
use super::params::{Init, ParamSpec};

/// Squeeze-and-excitation's inner width, as a share of the channels that it weighs.
const GATE_REDUCTION: usize = 16;

/// A convolution without bias.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConvPlan {
    pub name: String,
    pub inputs: usize,
    pub outputs: usize,
    pub kernel: usize,
    pub stride: usize,
    pub groups: usize,
}

impl ConvPlan {
    fn new(name: String, [inputs, outputs]: [usize; 2], kernel: usize, stride: usize) -> Self {
        Self { name, inputs, outputs, kernel, stride, groups: 1 }
    }

    pub fn spec(&self) -> ConvSpec {
        ConvSpec { groups: self.groups, ..ConvSpec::square(self.stride, self.kernel / 2) }
    }

    pub fn weight(&self) -> ParamSpec {
        let shape = [self.outputs, self.inputs / self.groups, self.kernel, self.kernel];
        ParamSpec::new(format!("{}.weight", self.name), &shape, Init::KaimingNormalFanOut, true)
    }

    fn side_after(&self, side: usize) -> usize {
        // Odd kernels padded by half of them: a stride of 2 halves, rounding up.
        side.div_ceil(self.stride)
    }
}

/// A convolution and the normalisation that follows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConvNormPlan {
    pub conv: ConvPlan,
    pub norm: String,
}

impl ConvNormPlan {
    fn specs(&self) -> impl Iterator<Item = ParamSpec> {
        std::iter::once(self.conv.weight()).chain(norm_specs(&self.norm, self.conv.outputs))
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

/// Squeeze and excitation: the mean of each channel, two small layers, and a factor in 0..1 for each channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatePlan {
    /// Before `.fc1` and `.fc2`.
    pub name: String,
    pub channels: usize,
    pub inner: usize,
}

impl GatePlan {
    /// Weight and bias of the first layer, then of the second. The weights are 1x1 kernels.
    pub fn specs(&self) -> [ParamSpec; 4] {
        let weight = |layer: &str, to: usize, from: usize| {
            let name = format!("{}.{layer}.weight", self.name);
            ParamSpec::new(name, &[to, from, 1, 1], Init::Uniform { fan_in: from }, true)
        };
        let bias =
            |layer: &str, size| ParamSpec::new(format!("{}.{layer}.bias", self.name), &[size], Init::Zeros, true);
        [
            weight("fc1", self.inner, self.channels),
            bias("fc1", self.inner),
            weight("fc2", self.channels, self.inner),
            bias("fc2", self.channels),
        ]
    }
}

/// One step of a stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlockPlan {
    /// Convolutions in a row, their gate, and what the input passes through before it is added to their output.
    Residual { convs: Vec<ConvNormPlan>, gate: Option<GatePlan>, shortcut: Option<ConvNormPlan> },
    /// Normalisation and ReLU of all channels so far, two convolutions, whose output joins those channels.
    Dense { norm: String, inputs: usize, reduce: ConvNormPlan, grow: ConvPlan },
    /// Normalisation and ReLU.
    Activation { norm: String, channels: usize },
    /// A 1x1 convolution and, with `halve`, a 2x2 average pool. Both are linear and the pool comes first here, which
    /// gives the published order's values for a quarter of the work.
    Shrink { conv: ConvPlan, halve: bool },
}

impl BlockPlan {
    fn specs(&self) -> Vec<ParamSpec> {
        match self {
            Self::Residual { convs, gate, shortcut } => {
                let gate = gate.iter().flat_map(GatePlan::specs);
                convs.iter().chain(shortcut).flat_map(ConvNormPlan::specs).chain(gate).collect()
            }
            Self::Dense { norm, inputs, reduce, grow } => {
                norm_specs(norm, *inputs).into_iter().chain(reduce.specs()).chain([grow.weight()]).collect()
            }
            Self::Activation { norm, channels } => norm_specs(norm, *channels).into(),
            Self::Shrink { conv, .. } => vec![conv.weight()],
        }
    }

    fn walk(&self, side: usize, visit: &mut dyn FnMut(&ConvPlan, usize)) -> usize {
        match self {
            Self::Residual { convs, shortcut, .. } => {
                if let Some(shortcut) = shortcut {
                    visit(&shortcut.conv, shortcut.conv.side_after(side));
                }
                convs.iter().fold(side, |side, conv| {
                    let after = conv.conv.side_after(side);
                    visit(&conv.conv, after);
                    after
                })
            }
            Self::Dense { reduce, grow, .. } => {
                visit(&reduce.conv, side);
                visit(grow, side);
                side
            }
            Self::Activation { .. } => side,
            Self::Shrink { conv, halve } => {
                let after = if *halve { side / 2 } else { side };
                visit(conv, after);
                after
            }
        }
    }
}

/// The 3x3 max-pool of stride 2 between stem and stages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StemPool {
    /// One pixel of padding on each side.
    Padded,
    /// No padding; a window that sticks out on the far side still counts.
    Ceiling,
}

impl StemPool {
    pub fn forward(self, x: &ops::Map) -> candle_core::Result<ops::Map> {
        match self {
            Self::Padded => x.max_pool2d(3, 2, 1),
            Self::Ceiling => x.max_pool2d_ceil(3, 2),
        }
    }

    pub fn forward_taped(self, x: &ops::Taped) -> candle_core::Result<ops::Taped> {
        match self {
            Self::Padded => x.max_pool2d(3, 2, 1),
            Self::Ceiling => x.max_pool2d_ceil(3, 2),
        }
    }

    fn side_after(self, side: usize) -> usize {
        match self {
            Self::Padded => side.div_ceil(2),
            Self::Ceiling => side.saturating_sub(3).div_ceil(2) + 1,
        }
    }
}

/// A whole backbone up to its last map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackbonePlan {
    pub stem: ConvNormPlan,
    pub pool: StemPool,
    /// The four stages. Each ends behind a ReLU.
    pub stages: Vec<Vec<BlockPlan>>,
    pub out_channels: usize,
}

impl BackbonePlan {
    /// `prefix` is put before every name, with a dot; empty for the published names.
    pub fn new(prefix: &str, config: &BackboneConfig) -> Self {
        let start = if prefix.is_empty() { String::new() } else { format!("{}.", prefix.trim_end_matches('.')) };
        match Residual::of(config.arch) {
            Some(shape) => shape.plan(&start, config),
            None => densenet(&start, config),
        }
    }

    /// Every tensor of the network.
    pub fn specs(&self) -> Vec<ParamSpec> {
        self.stem.specs().chain(self.stages.iter().flatten().flat_map(BlockPlan::specs)).collect()
    }

    /// Passes every convolution with the side of its output, for a square image of that side; the last map's side.
    pub fn walk(&self, side: usize, visit: &mut dyn FnMut(&ConvPlan, usize)) -> usize {
        let side = self.stem.conv.side_after(side);
        visit(&self.stem.conv, side);
        let side = self.pool.side_after(side);
        self.stages.iter().flatten().fold(side, |side, block| block.walk(side, visit))
    }
}

fn stem(conv: String, norm: String, width: usize) -> ConvNormPlan {
    ConvNormPlan { conv: ConvPlan::new(conv, [3, width], 7, 2), norm }
}

/// What tells the residual networks apart.
struct Residual {
    blocks: [usize; 4],
    bottleneck: bool,
    /// Groups of the 3x3 convolution, and its width per group at a stage width of 64.
    groups: usize,
    group_width: usize,
    /// What gates are called.
    gate: Option<&'static str>,
    legacy: bool,
    /// The stride lies in a bottleneck's first convolution.
    early_stride: bool,
}

impl Residual {
    fn of(arch: Arch) -> Option<Self> {
        let plain = |blocks, bottleneck| Self {
            blocks,
            bottleneck,
            groups: 1,
            group_width: 64,
            gate: None,
            legacy: false,
            early_stride: false,
        };
        let gated = |gate| Self { gate: Some(gate), ..plain([3, 4, 6, 3], true) };
        Some(match arch {
            Arch::ResNet18 => plain([2, 2, 2, 2], false),
            Arch::ResNet34 => plain([3, 4, 6, 3], false),
            Arch::ResNet50 => plain([3, 4, 6, 3], true),
            Arch::ResNet101 => plain([3, 4, 23, 3], true),
            Arch::SeResNet50 => gated("se"),
            Arch::SeResNeXt50 => Self { groups: 32, group_width: 4, ..gated("se") },
            Arch::LegacySeResNet50 => Self { legacy: true, early_stride: true, ..gated("se_module") },
            Arch::LegacySeResNeXt50 => Self { groups: 32, group_width: 4, legacy: true, ..gated("se_module") },
            Arch::DenseNet121 => return None,
        })
    }

    fn plan(&self, start: &str, config: &BackboneConfig) -> BackbonePlan {
        let stem_start = if self.legacy { format!("{start}layer0.") } else { start.to_owned() };
        let mut inputs = config.width;
        let mut stages = Vec::new();
        for (stage, count) in self.blocks.into_iter().enumerate() {
            let mut blocks = Vec::new();
            for index in 0..count {
                let stride = match (stage, index) {
                    (0, _) | (1.., 1..) => 1,
                    (3, 0) => config.last_stride,
                    _ => 2,
                };
                let name = format!("{start}layer{}.{index}", stage + 1);
                let (block, outputs) = self.block(&name, inputs, config.width << stage, stride);
                inputs = outputs;
                blocks.push(block);
            }
            stages.push(blocks);
        }
        BackbonePlan {
            stem: stem(format!("{stem_start}conv1"), format!("{stem_start}bn1"), config.width),
            pool: if self.legacy { StemPool::Ceiling } else { StemPool::Padded },
            stages,
            out_channels: inputs,
        }
    }

    /// A block and the channels that it gives.
    fn block(&self, name: &str, inputs: usize, planes: usize, stride: usize) -> (BlockPlan, usize) {
        let conv = |number: usize, inputs, outputs, kernel, stride| ConvNormPlan {
            conv: ConvPlan::new(format!("{name}.conv{number}"), [inputs, outputs], kernel, stride),
            norm: format!("{name}.bn{number}"),
        };
        let (convs, outputs) = if self.bottleneck {
            // A reduced width has fewer groups, each as wide as published or, below that, of one channel.
            let inner = planes * self.groups * self.group_width / 64;
            let groups = gcd(self.groups, inner.max(1));
            let (inner, outputs) = (inner.max(1), planes * 4);
            let (first, second) = if self.early_stride { (stride, 1) } else { (1, stride) };
            let mut middle = conv(2, inner, inner, 3, second);
            middle.conv.groups = groups;
            (vec![conv(1, inputs, inner, 1, first), middle, conv(3, inner, outputs, 1, 1)], outputs)
        } else {
            (vec![conv(1, inputs, planes, 3, stride), conv(2, planes, planes, 3, 1)], planes)
        };
        let shortcut = (stride != 1 || inputs != outputs).then(|| ConvNormPlan {
            conv: ConvPlan::new(format!("{name}.downsample.0"), [inputs, outputs], 1, stride),
            norm: format!("{name}.downsample.1"),
        });
        let gate = self.gate.map(|gate| GatePlan {
            name: format!("{name}.{gate}"),
            channels: outputs,
            inner: (outputs / GATE_REDUCTION).max(1),
        });
        (BlockPlan::Residual { convs, gate, shortcut }, outputs)
    }
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// DenseNet-121 under torchvision's names.
fn densenet(start: &str, config: &BackboneConfig) -> BackbonePlan {
    let start = format!("{start}features.");
    let growth = config.width / 2;
    let mut channels = config.width;
    let mut stages: Vec<Vec<BlockPlan>> = Vec::new();
    for (stage, count) in [6, 12, 24, 16].into_iter().enumerate() {
        let mut blocks = Vec::new();
        if stage > 0 {
            let name = format!("{start}transition{stage}.conv");
            let conv = ConvPlan::new(name, [channels, channels / 2], 1, 1);
            blocks.push(BlockPlan::Shrink { conv, halve: stage < 3 || config.last_stride == 2 });
            channels /= 2;
        }
        for index in 1..=count {
            let name = format!("{start}denseblock{}.denselayer{index}", stage + 1);
            blocks.push(BlockPlan::Dense {
                norm: format!("{name}.norm1"),
                inputs: channels,
                reduce: ConvNormPlan {
                    conv: ConvPlan::new(format!("{name}.conv1"), [channels, 4 * growth], 1, 1),
                    norm: format!("{name}.norm2"),
                },
                grow: ConvPlan::new(format!("{name}.conv2"), [4 * growth, growth], 3, 1),
            });
            channels += growth;
        }
        let norm = if stage == 3 { format!("{start}norm5") } else { format!("{start}transition{}.norm", stage + 1) };
        blocks.push(BlockPlan::Activation { norm, channels });
        stages.push(blocks);
    }
    BackbonePlan {
        stem: stem(format!("{start}conv0"), format!("{start}norm0"), config.width),
        pool: StemPool::Padded,
        stages,
        out_channels: channels,
    }
}
