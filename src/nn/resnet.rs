//! A residual network that can learn (He et al. 2015).

use candle_core::{Result, Tensor, Var};

use super::arch::{BlockPlan, ConvPlan, ResNetConfig, ResNetPlan};
use super::batch_norm::{BatchNorm, Mode};
use super::ops::{self, ConvSpec};
use super::params::Params;

/// Convolution without bias, then normalisation.
#[derive(Clone, Debug)]
struct ConvNorm {
    weight: Var,
    norm: BatchNorm,
    spec: ConvSpec,
}

impl ConvNorm {
    fn new(params: &mut Params, plan: &ConvPlan) -> Result<Self> {
        let weight = params.get_or_init_spec(&plan.weight())?;
        Ok(Self { weight, norm: BatchNorm::new(params, &plan.norm, plan.outputs)?, spec: plan.spec() })
    }

    fn forward(&self, x: &Tensor, mode: Mode) -> Result<Tensor> {
        self.norm.forward(&ops::conv2d(x, &self.weight, None, self.spec)?, mode)
    }

    fn forward_relu(&self, x: &Tensor, residual: Option<&Tensor>, mode: Mode) -> Result<Tensor> {
        self.norm.forward_relu(&ops::conv2d(x, &self.weight, None, self.spec)?, residual, mode)
    }
}

#[derive(Clone, Debug)]
struct Block {
    /// All but the last, each followed by a ReLU.
    first: Vec<ConvNorm>,
    /// Added to the shortcut before its ReLU.
    last: ConvNorm,
    shortcut: Option<ConvNorm>,
}

impl Block {
    fn new(params: &mut Params, plan: &BlockPlan) -> Result<Self> {
        let mut convs = plan.convs.iter().map(|conv| ConvNorm::new(params, conv)).collect::<Result<Vec<_>>>()?;
        let Some(last) = convs.pop() else { candle_core::bail!("a block needs a convolution") };
        let shortcut = plan.shortcut.as_ref().map(|conv| ConvNorm::new(params, conv)).transpose()?;
        Ok(Self { first: convs, last, shortcut })
    }

    fn forward(&self, x: &Tensor, mode: Mode) -> Result<Tensor> {
        let mut y = x.clone();
        for conv in &self.first {
            y = conv.forward_relu(&y, None, mode)?;
        }
        match &self.shortcut {
            Some(conv) => self.last.forward_relu(&y, Some(&conv.forward(x, mode)?), mode),
            None => self.last.forward_relu(&y, Some(x), mode),
        }
    }

    fn convs(&mut self) -> impl Iterator<Item = &mut ConvNorm> {
        self.first.iter_mut().chain([&mut self.last]).chain(&mut self.shortcut)
    }
}

/// A residual network up to its last map, under torchvision's names.
#[derive(Clone, Debug)]
pub struct ResNet {
    stem: ConvNorm,
    blocks: Vec<Block>,
    out_channels: usize,
}

impl ResNet {
    /// Takes its variables from `params`, making those that are not there.
    pub fn new(params: &mut Params, prefix: &str, config: &ResNetConfig) -> Result<Self> {
        if let Some(problem) = config.problem() {
            candle_core::bail!("{problem}");
        }
        let plan = ResNetPlan::new(prefix, config);
        Ok(Self {
            stem: ConvNorm::new(params, &plan.stem)?,
            blocks: plan.blocks.iter().map(|block| Block::new(params, block)).collect::<Result<_>>()?,
            out_channels: plan.out_channels,
        })
    }

    /// The last map `[N, C, h, w]` of images `[N, 3, H, W]`.
    pub fn features(&self, x: &Tensor, mode: Mode) -> Result<Tensor> {
        let mut y = ops::max_pool2d(&self.stem.forward_relu(x, None, mode)?, 3, 2, 1)?;
        for block in &self.blocks {
            y = block.forward(&y, mode)?;
        }
        Ok(y)
    }

    /// The map after the first `blocks` blocks, to hold the folded network's against.
    #[cfg(test)]
    pub(super) fn features_after(&self, x: &Tensor, blocks: usize, mode: Mode) -> Result<Tensor> {
        let stem = ops::max_pool2d(&self.stem.forward_relu(x, None, mode)?, 3, 2, 1)?;
        self.blocks.iter().take(blocks).try_fold(stem, |y, block| block.forward(&y, mode))
    }

    pub fn out_channels(&self) -> usize {
        self.out_channels
    }

    /// Freezes the running statistics of every normalisation, or lets them move again.
    pub fn freeze_norms(&mut self, frozen: bool) {
        let in_blocks = self.blocks.iter_mut().flat_map(Block::convs);
        for conv in [&mut self.stem].into_iter().chain(in_blocks) {
            conv.norm.set_frozen(frozen);
        }
    }
}
