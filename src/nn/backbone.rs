//! A backbone that can learn, built from its plan.

use candle_core::{Result, Tensor, Var};

use super::arch::BackboneConfig;
use super::batch_norm::{BatchNorm, Mode};
use super::ops::{After, ConvSpec, Order, Taped};
use super::params::Params;
use super::plan::{BackbonePlan, BlockPlan, ConvNormPlan, ConvPlan, GatePlan, StemPool};

/// Convolution without bias.
#[derive(Clone, Debug)]
struct Conv {
    weight: Var,
    spec: ConvSpec,
}

impl Conv {
    fn new(params: &mut Params, plan: &ConvPlan) -> Result<Self> {
        Ok(Self { weight: params.get_or_init_spec(&plan.weight())?, spec: plan.spec() })
    }

    fn forward(&self, x: &Taped) -> Result<Taped> {
        x.conv2d(&self.weight.to_dtype(x.dtype())?, self.spec)
    }
}

/// Convolution, then normalisation.
#[derive(Clone, Debug)]
struct ConvNorm {
    conv: Conv,
    norm: BatchNorm,
}

impl ConvNorm {
    fn new(params: &mut Params, plan: &ConvNormPlan) -> Result<Self> {
        let conv = Conv::new(params, &plan.conv)?;
        Ok(Self { conv, norm: BatchNorm::new(params, &plan.norm, plan.conv.outputs)? })
    }

    fn forward(&self, x: &Taped, after: After<'_>, mode: Mode) -> Result<Taped> {
        self.norm.forward_taped(&self.conv.forward(x)?, after, mode)
    }
}

/// Squeeze and excitation (Hu et al. 2018).
#[derive(Clone, Debug)]
struct Gate {
    layers: [Var; 4],
}

impl Gate {
    fn new(params: &mut Params, plan: &GatePlan) -> Result<Self> {
        let [w1, b1, w2, b2] = plan.specs();
        let mut get = |spec| params.get_or_init_spec(&spec);
        Ok(Self { layers: [get(w1)?, get(b1)?, get(w2)?, get(b2)?] })
    }

    fn forward(&self, x: &Taped) -> Result<Taped> {
        let [w1, b1, w2, b2] = self.layers.each_ref().map(|layer| layer.to_dtype(x.dtype()));
        x.squeeze_excite([&w1?, &b1?, &w2?, &b2?])
    }
}

#[derive(Clone, Debug)]
enum Block {
    Residual {
        /// All but the last, each followed by a ReLU.
        first: Vec<ConvNorm>,
        /// Added to the shortcut before its ReLU.
        last: ConvNorm,
        gate: Option<Gate>,
        shortcut: Option<ConvNorm>,
    },
    Dense {
        norm: BatchNorm,
        reduce: ConvNorm,
        grow: Conv,
    },
    Activation(BatchNorm),
    Shrink {
        conv: Conv,
        halve: bool,
    },
}

impl Block {
    fn new(params: &mut Params, plan: &BlockPlan) -> Result<Self> {
        Ok(match plan {
            BlockPlan::Residual { convs, gate, shortcut } => {
                let mut first = convs.iter().map(|conv| ConvNorm::new(params, conv)).collect::<Result<Vec<_>>>()?;
                let Some(last) = first.pop() else { candle_core::bail!("a block needs a convolution") };
                let gate = gate.as_ref().map(|gate| Gate::new(params, gate)).transpose()?;
                let shortcut = shortcut.as_ref().map(|conv| ConvNorm::new(params, conv)).transpose()?;
                Self::Residual { first, last, gate, shortcut }
            }
            BlockPlan::Dense { norm, inputs, reduce, grow } => Self::Dense {
                norm: BatchNorm::new(params, norm, *inputs)?,
                reduce: ConvNorm::new(params, reduce)?,
                grow: Conv::new(params, grow)?,
            },
            BlockPlan::Activation { norm, channels } => Self::Activation(BatchNorm::new(params, norm, *channels)?),
            BlockPlan::Shrink { conv, halve } => Self::Shrink { conv: Conv::new(params, conv)?, halve: *halve },
        })
    }

    fn forward(&self, x: &Taped, mode: Mode) -> Result<Taped> {
        match self {
            Self::Residual { first, last, gate, shortcut } => {
                let mut y = x.clone();
                for conv in first {
                    y = conv.forward(&y, After::Relu, mode)?;
                }
                let passed = shortcut.as_ref().map(|conv| conv.forward(x, After::Nothing, mode)).transpose()?;
                let residual = passed.as_ref().unwrap_or(x);
                match gate {
                    None => last.forward(&y, After::AddRelu(residual), mode),
                    Some(gate) => gate.forward(&last.forward(&y, After::Nothing, mode)?)?.add_relu(residual),
                }
            }
            Self::Dense { norm, reduce, grow } => {
                let y = reduce.forward(&norm.forward_taped(x, After::Relu, mode)?, After::Relu, mode)?;
                x.cat(&grow.forward(&y)?)
            }
            Self::Activation(norm) => norm.forward_taped(x, After::Relu, mode),
            Self::Shrink { conv, halve: true } => conv.forward(&x.avg_pool2d(2, 2, 0)?),
            Self::Shrink { conv, halve: false } => conv.forward(x),
        }
    }

    fn norms(&mut self) -> Vec<&mut BatchNorm> {
        match self {
            Self::Residual { first, last, shortcut, .. } => {
                first.iter_mut().chain([last]).chain(shortcut).map(|conv| &mut conv.norm).collect()
            }
            Self::Dense { norm, reduce, .. } => vec![norm, &mut reduce.norm],
            Self::Activation(norm) => vec![norm],
            Self::Shrink { .. } => Vec::new(),
        }
    }
}

/// A backbone up to its last map, under the published names.
#[derive(Clone, Debug)]
pub struct Backbone {
    stem: ConvNorm,
    pool: StemPool,
    stages: Vec<Vec<Block>>,
    out_channels: usize,
    /// That of the maps' axes, where somebody has asked for one.
    order: Option<Order>,
}

impl Backbone {
    /// Takes its variables from `params`, making those that are not there.
    pub fn new(params: &mut Params, prefix: &str, config: &BackboneConfig) -> Result<Self> {
        if let Some(problem) = config.problem() {
            candle_core::bail!("{problem}");
        }
        let plan = BackbonePlan::new(prefix, config);
        let stem = ConvNorm::new(params, &plan.stem)?;
        let mut stages = Vec::new();
        for stage in &plan.stages {
            stages.push(stage.iter().map(|block| Block::new(params, block)).collect::<Result<_>>()?);
        }
        Ok(Self { stem, pool: plan.pool, stages, out_channels: plan.out_channels, order: None })
    }

    /// The last map `[N, C, h, w]` of images `[N, 3, H, W]`.
    pub fn features(&self, x: &Tensor, mode: Mode) -> Result<Tensor> {
        self.features_after(x, self.stages.len(), mode)
    }

    /// The map after the first `stages` stages.
    pub(super) fn features_after(&self, x: &Tensor, stages: usize, mode: Mode) -> Result<Tensor> {
        (0..=stages).try_fold(self.enter(x)?, |y, piece| self.taped(piece, &y, mode))?.leave()
    }

    /// Pieces that a pass can be cut into: the stem, then the stages.
    pub fn pieces(&self) -> usize {
        1 + self.stages.len()
    }

    /// One piece, on what the piece before it gave; the first one takes images. Between pieces maps stay as they lie.
    pub fn piece(&self, piece: usize, x: &Tensor, mode: Mode) -> Result<Tensor> {
        let x = if piece == 0 { self.enter(x)? } else { Taped::resume(x, self.order)? };
        let y = self.taped(piece, &x, mode)?;
        if piece + 1 == self.pieces() { y.leave() } else { y.pause() }
    }

    fn enter(&self, x: &Tensor) -> Result<Taped> {
        self.order.map_or_else(|| Taped::enter(x), |order| Taped::enter_as(x, order))
    }

    /// Computes maps with their axes in that order, whatever is best for them.
    pub fn order_maps(&mut self, order: Order) {
        self.order = Some(order);
    }

    fn taped(&self, piece: usize, x: &Taped, mode: Mode) -> Result<Taped> {
        match piece.checked_sub(1) {
            None => self.pool.forward_taped(&self.stem.forward(x, After::Relu, mode)?),
            Some(stage) => self.stages[stage].iter().try_fold(x.clone(), |y, block| block.forward(&y, mode)),
        }
    }

    pub fn out_channels(&self) -> usize {
        self.out_channels
    }

    /// Freezes the running statistics of every normalisation, or lets them move again.
    pub fn freeze_norms(&mut self, frozen: bool) {
        self.stem.norm.set_frozen(frozen);
        for norm in self.stages.iter_mut().flatten().flat_map(Block::norms) {
            norm.set_frozen(frozen);
        }
    }
}
