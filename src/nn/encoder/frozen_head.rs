//! A head for searching: no graph, the neck folded into the embedding, a classifier only where projections need one.

use std::collections::BTreeMap;

use candle_core::{D, Device, Result, Tensor};

use crate::nn::batch_norm::EPSILON;
use crate::nn::embedder::EmbedderConfig;
use crate::nn::folded::values;
use crate::nn::head::Pooling;
use crate::nn::ops::{self, ConvSpec};

/// An embedding, `[dim, channels, 1, 1]` and `[dim]`.
#[derive(Debug)]
struct Projection {
    weight: Tensor,
    bias: Tensor,
}

/// What says of which kind a photo is, on its pooled map or behind the relaxation.
#[derive(Debug)]
struct Classifier {
    relaxation: Option<(Tensor, Tensor)>,
    weight: Tensor,
    bias: Tensor,
}

#[derive(Debug)]
pub(super) struct FrozenHead {
    pooling: Pooling,
    exponent: Option<Tensor>,
    /// One, or one for each kind.
    projections: Vec<Projection>,
    classifier: Option<Classifier>,
}

impl FrozenHead {
    /// `tensors` must be those of the configuration; the caller has compared them.
    pub fn new(config: &EmbedderConfig, tensors: &BTreeMap<String, Tensor>, device: &Device) -> Result<Self> {
        let (head, dim, channels) = (&config.head, config.dim, config.backbone.out_channels());
        let count = if head.projections { config.classes } else { 1 };
        let tensor = |values: Vec<f64>, shape: &[usize]| {
            Tensor::from_vec(values.into_iter().map(|value| value as f32).collect::<Vec<_>>(), shape, device)
        };
        let read = |owner: &str, leaf: &str| values(tensors, owner, leaf);
        let (mut weight, mut bias) = (read("embedding", "weight")?, read("embedding", "bias")?);
        if head.neck {
            let (gain, shift) = (read("neck", "weight")?, read("neck", "bias")?);
            let (mean, var) = (read("neck", "running_mean")?, read("neck", "running_var")?);
            for (row, values) in weight.chunks_exact_mut(channels).enumerate() {
                let place = row % dim;
                let scale = gain[place] / (var[place] + EPSILON).sqrt();
                values.iter_mut().for_each(|value| *value *= scale);
                bias[row] = (bias[row] - mean[place]) * scale + shift[place];
            }
        }
        let projections = (0..count)
            .map(|kind| {
                let weight = weight[kind * dim * channels..(kind + 1) * dim * channels].to_vec();
                Ok(Projection {
                    weight: tensor(weight, &[dim, channels, 1, 1])?,
                    bias: tensor(bias[kind * dim..(kind + 1) * dim].to_vec(), &[dim])?,
                })
            })
            .collect::<Result<_>>()?;
        let exponent = match head.pooling {
            Pooling::GeneralisedMean => Some(tensor(read("pooling", "exponent")?, &[1])?),
            Pooling::Average | Pooling::AverageMax => None,
        };
        let classifier = if head.projections {
            let relaxation = if head.relaxation > 0 {
                let shape = [head.relaxation, channels, 1, 1];
                let bias = tensor(read("relaxation", "bias")?, &[head.relaxation])?;
                Some((tensor(read("relaxation", "weight")?, &shape)?, bias))
            } else {
                None
            };
            let inputs = if head.relaxation > 0 { head.relaxation } else { channels };
            Some(Classifier {
                relaxation,
                weight: tensor(read("classifier", "weight")?, &[config.classes, inputs])?,
                bias: tensor(read("classifier", "bias")?, &[config.classes])?,
            })
        } else {
            None
        };
        Ok(Self { pooling: head.pooling, exponent, projections, classifier })
    }

    /// The map `[n, C, h, w]` to embedded cells `[n, dim, cells]`, and globals `[n, dim]` where they are not their means.
    pub fn forward(&self, map: &Tensor, kinds: &[Option<usize>]) -> Result<(Vec<f32>, Option<Vec<f32>>)> {
        let pooled = match (self.pooling, &self.classifier) {
            (Pooling::Average, None) => None,
            _ => Some(self.pooling.forward(map, self.exponent.as_ref())?),
        };
        let globals = if self.pooling == Pooling::Average { None } else { pooled.as_ref() };
        let [only] = &self.projections[..] else {
            return self.by_kind(map, pooled.as_ref(), globals, kinds);
        };
        let cells = only.cells(map)?;
        Ok((cells, globals.map(|pooled| only.global(pooled)).transpose()?))
    }

    fn by_kind(
        &self,
        map: &Tensor,
        pooled: Option<&Tensor>,
        globals: Option<&Tensor>,
        kinds: &[Option<usize>],
    ) -> Result<(Vec<f32>, Option<Vec<f32>>)> {
        let probable = match (&self.classifier, pooled) {
            (Some(classifier), Some(pooled)) if kinds.contains(&None) => classifier.probable(map, pooled)?,
            _ => vec![0; kinds.len()],
        };
        let (mut cells, mut rows) = (Vec::new(), globals.map(|_| Vec::new()));
        for (photo, (kind, probable)) in kinds.iter().zip(probable).enumerate() {
            let kind = kind.unwrap_or(probable as usize);
            let Some(projection) = self.projections.get(kind) else {
                candle_core::bail!("kind {kind} where there are {}", self.projections.len());
            };
            cells.extend(projection.cells(&map.narrow(0, photo, 1)?)?);
            if let (Some(rows), Some(globals)) = (&mut rows, globals) {
                rows.extend(projection.global(&globals.narrow(0, photo, 1)?)?);
            }
        }
        Ok((cells, rows))
    }
}

impl Projection {
    fn cells(&self, map: &Tensor) -> Result<Vec<f32>> {
        host(&ops::conv2d_fused(map, &self.weight, Some(&self.bias), ConvSpec::default(), false, None)?)
    }

    fn global(&self, pooled: &Tensor) -> Result<Vec<f32>> {
        host(&ops::linear(pooled, &self.weight.flatten_from(1)?, Some(&self.bias))?)
    }
}

impl Classifier {
    fn probable(&self, map: &Tensor, pooled: &Tensor) -> Result<Vec<u32>> {
        let relaxed = match &self.relaxation {
            Some((weight, bias)) => {
                let features = ops::conv2d_fused(map, weight, Some(bias), ConvSpec::default(), true, None)?;
                Some(ops::global_avg_pool(&features)?)
            }
            None => None,
        };
        let logits = ops::linear(relaxed.as_ref().unwrap_or(pooled), &self.weight, Some(&self.bias))?;
        logits.argmax(D::Minus1)?.to_device(&Device::Cpu)?.to_vec1()
    }
}

fn host(tensor: &Tensor) -> Result<Vec<f32>> {
    tensor.flatten_all()?.to_device(&Device::Cpu)?.to_vec1()
}
