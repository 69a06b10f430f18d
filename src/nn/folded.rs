//! A backbone for inference: every normalisation folded into the convolution before it, where there is one.
//!
//! With running statistics a normalisation is a scale and a shift of each channel, so `w' = w * g / sqrt(v + eps)` and
//! `b' = b - m * g / sqrt(v + eps)` give the same output with one pass over memory less (Jacob et al. 2018, 3.2).
//! DenseNet normalises what several convolutions have made, so there some stay what they are.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Result, Tensor, bail};

use self::planned::Planned;
use super::batch_norm::EPSILON;
use super::ops::blocked::StepTime;
use super::ops::{self, ConvSpec, Map};
use super::plan::{BackbonePlan, BlockPlan, ConvNormPlan, ConvPlan, GatePlan, StemPool};
use crate::domain::Arithmetic;

mod planned;

/// Tensors of a checked file, on their way to a device.
#[derive(Clone, Copy)]
struct Source<'a> {
    tensors: &'a BTreeMap<String, Tensor>,
    device: &'a Device,
    /// Number type of maps and of what meets them.
    maps: DType,
}

impl Source<'_> {
    fn values(&self, owner: &str, leaf: &str) -> Result<Vec<f64>> {
        values(self.tensors, owner, leaf)
    }

    /// In 32 bits.
    fn wide(&self, values: Vec<f64>, shape: &[usize]) -> Result<Tensor> {
        let values: Vec<f32> = values.into_iter().map(|value| value as f32).collect();
        Tensor::from_vec(values, shape, self.device)
    }

    fn tensor(&self, values: Vec<f64>, shape: &[usize]) -> Result<Tensor> {
        self.wide(values, shape)?.to_dtype(self.maps)
    }

    /// In the number type in which maps are normalised.
    fn channels(&self, values: Vec<f64>) -> Result<Tensor> {
        let channels = values.len();
        self.wide(values, &[channels])?.to_dtype(ops::wide(self.maps))
    }

    /// Scale and shift of each channel, in 64 bits.
    fn norm(&self, name: &str) -> Result<(Vec<f64>, Vec<f64>)> {
        let (gain, shift) = (self.values(name, "weight")?, self.values(name, "bias")?);
        let (mean, var) = (self.values(name, "running_mean")?, self.values(name, "running_var")?);
        let scale: Vec<f64> = gain.iter().zip(&var).map(|(g, v)| g / (v + EPSILON).sqrt()).collect();
        let shift = shift.iter().zip(&mean).zip(&scale).map(|((b, m), s)| b - m * s).collect();
        Ok((scale, shift))
    }
}

#[derive(Debug)]
struct FoldedConv {
    weight: Tensor,
    bias: Option<Tensor>,
    spec: ConvSpec,
}

impl FoldedConv {
    fn plain(plan: &ConvPlan, from: Source<'_>) -> Result<Self> {
        let weight = from.tensor(from.values(&plan.name, "weight")?, &plan.weight().shape)?;
        Ok(Self { weight, bias: None, spec: plan.spec() })
    }

    fn new(plan: &ConvNormPlan, from: Source<'_>) -> Result<Self> {
        let (scale, shift) = from.norm(&plan.norm)?;
        let conv = &plan.conv;
        let weight = from.values(&conv.name, "weight")?;
        let row = weight.len() / conv.outputs.max(1);
        // In 64 bits, rounded once.
        let weight = weight.iter().enumerate().map(|(index, w)| w * scale[index / row]).collect();
        Ok(Self {
            weight: from.tensor(weight, &conv.weight().shape)?,
            bias: Some(from.tensor(shift, &[conv.outputs])?),
            spec: conv.spec(),
        })
    }

    fn forward(&self, x: &Map, relu: bool, residual: Option<&Map>) -> Result<Map> {
        x.conv2d_fused(&self.weight, self.bias.as_ref(), self.spec, relu, residual)
    }
}

/// A scale and a shift of each channel, then a ReLU.
#[derive(Debug)]
struct ScaleShift {
    scale: Tensor,
    shift: Tensor,
    zeros: Tensor,
    ones: Tensor,
}

impl ScaleShift {
    fn new(norm: &str, from: Source<'_>) -> Result<Self> {
        let (scale, shift) = from.norm(norm)?;
        let channels = scale.len();
        Ok(Self {
            scale: from.channels(scale)?,
            shift: from.channels(shift)?,
            zeros: from.channels(vec![0.0; channels])?,
            ones: from.channels(vec![1.0; channels])?,
        })
    }

    fn forward_relu(&self, x: &Map) -> Result<Map> {
        x.batch_norm_eval([&self.scale, &self.shift, &self.zeros, &self.ones], 0.0)?.relu()
    }
}

#[derive(Debug)]
struct FoldedGate {
    layers: [Tensor; 4],
}

impl FoldedGate {
    fn new(plan: &GatePlan, from: Source<'_>) -> Result<Self> {
        let [w1, b1, w2, b2] = plan.specs().map(|spec| {
            let (owner, leaf) = spec.name.rsplit_once('.').unwrap_or(("", &spec.name));
            from.tensor(from.values(owner, leaf)?, &spec.shape)
        });
        Ok(Self { layers: [w1?, b1?, w2?, b2?] })
    }
}

#[derive(Debug)]
enum FoldedBlock {
    Residual { convs: Vec<FoldedConv>, gate: Option<FoldedGate>, shortcut: Option<FoldedConv> },
    Dense { norm: ScaleShift, reduce: FoldedConv, grow: FoldedConv },
    Activation(ScaleShift),
    Shrink { conv: FoldedConv, halve: bool },
}

impl FoldedBlock {
    fn new(plan: &BlockPlan, from: Source<'_>) -> Result<Self> {
        Ok(match plan {
            BlockPlan::Residual { convs, gate, shortcut } => Self::Residual {
                convs: convs.iter().map(|conv| FoldedConv::new(conv, from)).collect::<Result<_>>()?,
                gate: gate.as_ref().map(|gate| FoldedGate::new(gate, from)).transpose()?,
                shortcut: shortcut.as_ref().map(|conv| FoldedConv::new(conv, from)).transpose()?,
            },
            BlockPlan::Dense { norm, reduce, grow, .. } => Self::Dense {
                norm: ScaleShift::new(norm, from)?,
                reduce: FoldedConv::new(reduce, from)?,
                grow: FoldedConv::plain(grow, from)?,
            },
            BlockPlan::Activation { norm, .. } => Self::Activation(ScaleShift::new(norm, from)?),
            BlockPlan::Shrink { conv, halve } => Self::Shrink { conv: FoldedConv::plain(conv, from)?, halve: *halve },
        })
    }

    fn forward(&self, x: Map) -> Result<Map> {
        match self {
            Self::Residual { convs, gate, shortcut } => {
                let residual = match shortcut {
                    Some(conv) => conv.forward(&x, false, None)?,
                    None => x.clone(),
                };
                let mut y = x;
                for (index, conv) in convs.iter().enumerate() {
                    let last = index + 1 == convs.len();
                    y = match gate {
                        Some(gate) if last => {
                            let [w1, b1, w2, b2] = &gate.layers;
                            conv.forward(&y, false, None)?.squeeze_excite([w1, b1, w2, b2])?.add_relu(&residual)?
                        }
                        _ => conv.forward(&y, true, last.then_some(&residual))?,
                    };
                }
                Ok(y)
            }
            Self::Dense { norm, reduce, grow } => {
                let y = reduce.forward(&norm.forward_relu(&x)?, true, None)?;
                x.cat(&grow.forward(&y, false, None)?)
            }
            Self::Activation(norm) => norm.forward_relu(&x),
            Self::Shrink { conv, halve: true } => conv.forward(&x.avg_pool2d(2, 2, 0)?, false, None),
            Self::Shrink { conv, halve: false } => conv.forward(&x, false, None),
        }
    }
}

/// The layers one after another, as candle's tensors: for other devices than the CPU.
#[derive(Debug)]
struct Layers {
    stem: FoldedConv,
    pool: StemPool,
    stages: Vec<Vec<FoldedBlock>>,
    maps: DType,
}

impl Layers {
    fn new(plan: &BackbonePlan, from: Source<'_>) -> Result<Self> {
        let mut stages = Vec::new();
        for stage in &plan.stages {
            stages.push(stage.iter().map(|block| FoldedBlock::new(block, from)).collect::<Result<_>>()?);
        }
        Ok(Self { stem: FoldedConv::new(&plan.stem, from)?, pool: plan.pool, stages, maps: from.maps })
    }

    fn features_after(&self, x: &Tensor, stages: usize) -> Result<Tensor> {
        self.map_after(&Map::enter(&x.to_dtype(self.maps)?)?, stages)?.to_dtype(x.dtype())
    }

    fn map_after(&self, x: &Map, stages: usize) -> Result<Tensor> {
        let stem = self.pool.forward(&self.stem.forward(x, true, None)?)?;
        self.stages.iter().take(stages).flatten().try_fold(stem, |y, block| block.forward(y))?.leave()
    }
}

#[derive(Debug)]
enum Way {
    Layers(Layers),
    Planned(Planned),
}

/// A frozen backbone up to its last map, which is in 32 bits whatever is computed in.
#[derive(Debug)]
pub(super) struct FoldedBackbone {
    way: Way,
    stages: usize,
}

impl FoldedBackbone {
    /// `tensors` must hold every name of the plan in its shape; the caller has compared them.
    pub fn new(
        plan: &BackbonePlan,
        tensors: &BTreeMap<String, Tensor>,
        device: &Device,
        arithmetic: Arithmetic,
    ) -> Result<Self> {
        let maps = if arithmetic == Arithmetic::Bf16 { DType::BF16 } else { DType::F32 };
        let layers = Layers::new(plan, Source { tensors, device, maps })?;
        let count = layers.stages.len();
        let planned = if device.is_cpu() && maps == DType::F32 { Planned::new(&layers, arithmetic)? } else { None };
        if planned.is_none() && arithmetic == Arithmetic::Int8 {
            bail!("its dense layers grow by widths that 8-bit arithmetic does not take")
        }
        Ok(Self { way: planned.map_or_else(|| Way::Layers(layers), Way::Planned), stages: count })
    }

    /// The last map `[N, C, h, w]` of images `[N, 3, H, W]`.
    pub fn features(&self, x: &Tensor) -> Result<Tensor> {
        self.features_after(x, self.stages)
    }

    /// The map after the first `stages` stages.
    pub fn features_after(&self, x: &Tensor, stages: usize) -> Result<Tensor> {
        match &self.way {
            Way::Layers(layers) => layers.features_after(x, stages),
            Way::Planned(planned) => planned.features_after(x, stages),
        }
    }

    /// The time of each step for `n` photos `[n, 3, side, side]`; `None` where the network is not run by a plan.
    pub fn profile(&self, photos: &[f32], n: usize, side: usize) -> Result<Option<Vec<StepTime>>> {
        match &self.way {
            Way::Layers(_) => Ok(None),
            Way::Planned(planned) => planned.profile(photos, n, side).map(Some),
        }
    }
}

/// The tensor's values in 64 bits.
pub(super) fn values(tensors: &BTreeMap<String, Tensor>, owner: &str, leaf: &str) -> Result<Vec<f64>> {
    let name = format!("{owner}.{leaf}");
    let Some(tensor) = tensors.get(&name) else { bail!("`{name}` is missing") };
    tensor.to_dtype(DType::F64)?.flatten_all()?.to_device(&Device::Cpu)?.to_vec1()
}

#[cfg(test)]
mod tests {
    use super::super::embedder::BACKBONE;
    use super::super::ops::Order;
    use super::super::tests::gradients::{apart, photos, small};
    use super::super::{Arch, BackboneConfig, Embedder};
    use super::*;

    /// Oracle: the same layers with channels first, and the plan of fused steps.
    #[test]
    fn layers_say_the_same_of_maps_with_their_channels_last() {
        let read =
            |t: Tensor| -> Vec<f64> { t.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap() };
        for arch in [Arch::ResNet18, Arch::SeResNet50, Arch::SeResNeXt50, Arch::DenseNet121] {
            let mut config = small(3);
            config.backbone = BackboneConfig { width: 16, ..BackboneConfig::new(arch) };
            let tensors = Embedder::new(&config, 5, &Device::Cpu).unwrap().params.tensors().unwrap();
            let plan = BackbonePlan::new(BACKBONE, &config.backbone);
            let [layers, exact] = [DType::F32, DType::F64]
                .map(|maps| Layers::new(&plan, Source { tensors: &tensors, device: &Device::Cpu, maps }).unwrap());
            let x = Tensor::from_vec(photos(2, 48), (2, 3, 48, 48), &Device::Cpu).unwrap();
            let planned = FoldedBackbone::new(&plan, &tensors, &Device::Cpu, Arithmetic::F32).unwrap();
            for stages in 0..=plan.stages.len() {
                let [first, last] = [Order::ChannelsFirst, Order::ChannelsLast].map(|order| {
                    let map = Map::enter_as(&x, order).unwrap();
                    read(layers.map_after(&map, stages).unwrap())
                });
                assert_eq!(first, last, "{arch}, {stages} stages");
                let off = apart(&last, &read(planned.features_after(&x, stages).unwrap()));
                assert!(off < 1e-4, "{arch}, {stages} stages: {off}");
                // Maps of another type than the photos', as bf16 on a graphics card.
                let other = exact.features_after(&x, stages).unwrap();
                assert_eq!(other.dtype(), DType::F32);
                assert!(apart(&last, &read(other)) < 1e-4, "{arch}, {stages} stages");
            }
        }
    }
}
