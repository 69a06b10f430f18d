//! A residual network for inference: every normalisation folded into the convolution before it.
//!
//! With running statistics a normalisation is a scale and a shift of each channel, so `w' = w * g / sqrt(v + eps)` and
//! `b' = b - m * g / sqrt(v + eps)` give the same output with one pass over memory less (Jacob et al. 2018, 3.2).

use std::collections::BTreeMap;

use candle_core::{Device, Result, Tensor};

use super::arch::{BlockPlan, ConvPlan, ResNetPlan};
use super::batch_norm::EPSILON;
use super::ops::{self, ConvSpec};

#[derive(Debug)]
struct FoldedConv {
    weight: Tensor,
    bias: Tensor,
    spec: ConvSpec,
}

impl FoldedConv {
    fn new(plan: &ConvPlan, tensors: &BTreeMap<String, Tensor>, device: &Device) -> Result<Self> {
        let weight = values(tensors, &plan.conv, "weight")?;
        let gain = values(tensors, &plan.norm, "weight")?;
        let shift = values(tensors, &plan.norm, "bias")?;
        let mean = values(tensors, &plan.norm, "running_mean")?;
        let var = values(tensors, &plan.norm, "running_var")?;
        // In 64 bits, rounded once.
        let scale: Vec<f64> = gain.iter().zip(&var).map(|(g, v)| g / (v + EPSILON).sqrt()).collect();
        let bias: Vec<f32> = shift.iter().zip(&mean).zip(&scale).map(|((b, m), s)| (b - m * s) as f32).collect();
        let row = plan.inputs * plan.kernel * plan.kernel;
        let weight: Vec<f32> = weight.iter().enumerate().map(|(index, w)| (w * scale[index / row]) as f32).collect();
        let shape = (plan.outputs, plan.inputs, plan.kernel, plan.kernel);
        Ok(Self {
            weight: Tensor::from_vec(weight, shape, device)?,
            bias: Tensor::from_vec(bias, plan.outputs, device)?,
            spec: plan.spec(),
        })
    }

    fn forward(&self, x: &Tensor, relu: bool, residual: Option<&Tensor>) -> Result<Tensor> {
        ops::conv2d_fused(x, &self.weight, Some(&self.bias), self.spec, relu, residual)
    }
}

#[derive(Debug)]
struct FoldedBlock {
    convs: Vec<FoldedConv>,
    shortcut: Option<FoldedConv>,
}

impl FoldedBlock {
    fn new(plan: &BlockPlan, tensors: &BTreeMap<String, Tensor>, device: &Device) -> Result<Self> {
        let convs = plan.convs.iter().map(|conv| FoldedConv::new(conv, tensors, device)).collect::<Result<_>>()?;
        let shortcut = plan.shortcut.as_ref().map(|conv| FoldedConv::new(conv, tensors, device)).transpose()?;
        Ok(Self { convs, shortcut })
    }

    fn forward(&self, x: Tensor) -> Result<Tensor> {
        let residual = match &self.shortcut {
            Some(conv) => conv.forward(&x, false, None)?,
            None => x.clone(),
        };
        let mut y = x;
        for (index, conv) in self.convs.iter().enumerate() {
            let last = index + 1 == self.convs.len();
            y = conv.forward(&y, true, last.then_some(&residual))?;
        }
        Ok(y)
    }
}

/// A frozen residual network up to its last map, in 32 bits.
#[derive(Debug)]
pub(super) struct FoldedResNet {
    stem: FoldedConv,
    blocks: Vec<FoldedBlock>,
}

impl FoldedResNet {
    /// `tensors` must hold every name of the plan in its shape; the caller has compared them.
    pub fn new(plan: &ResNetPlan, tensors: &BTreeMap<String, Tensor>, device: &Device) -> Result<Self> {
        Ok(Self {
            stem: FoldedConv::new(&plan.stem, tensors, device)?,
            blocks: plan.blocks.iter().map(|block| FoldedBlock::new(block, tensors, device)).collect::<Result<_>>()?,
        })
    }

    /// The last map `[N, C, h, w]` of images `[N, 3, H, W]`.
    pub fn features(&self, x: &Tensor) -> Result<Tensor> {
        self.features_after(x, self.blocks.len())
    }

    /// The map after the first `blocks` blocks.
    pub fn features_after(&self, x: &Tensor, blocks: usize) -> Result<Tensor> {
        let mut y = ops::max_pool2d(&self.stem.forward(x, true, None)?, 3, 2, 1)?;
        for block in self.blocks.iter().take(blocks) {
            y = block.forward(y)?;
        }
        Ok(y)
    }
}

/// The tensor's values in 64 bits.
pub(super) fn values(tensors: &BTreeMap<String, Tensor>, owner: &str, leaf: &str) -> Result<Vec<f64>> {
    let name = format!("{owner}.{leaf}");
    let Some(tensor) = tensors.get(&name) else { candle_core::bail!("`{name}` is missing") };
    tensor.to_dtype(candle_core::DType::F64)?.flatten_all()?.to_device(&Device::Cpu)?.to_vec1()
}
