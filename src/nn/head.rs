//! What stands between the last map and the losses: pooling, embedding, neck and classifier.
//!
//! The plain head is DIML's (Zhao et al. 2021): the mean of the map, a linear embedding of it that is applied to every
//! cell as well, and a classifier on the mean. The options, each off unless asked for:
//!
//! - pooling by the sum of mean and maximum (Kim et al. 2020) or by a generalised mean with a learned exponent (Radenović
//!   et al. 2019);
//! - a normalisation between embedding and classifier (Luo et al. 2019, "BNNeck"): metric losses see the embedding before
//!   it, the classifier and every search what comes after it;
//! - a relaxation on the classifier's path alone (Park et al. 2019): 1x1 convolution, ReLU, dropout, 1x1 convolution;
//! - an embedding of its own for every kind of garment (Revanur et al. 2021);
//! - a map of the global vector for every kind, behind which what is worn together is near (a general embedding with
//!   projections of it, as Vasileva et al. 2018 have it). It is learnt on global vectors as they are, so that searches for
//!   the same product know nothing of it.

use candle_core::{D, DType, Device, Result, Tensor, Var};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use serde::{Deserialize, Serialize};

use super::batch_norm::{BatchNorm, Mode};
use super::embedder::{EmbedderConfig, unit_rows};
use super::ops::{self, ConvSpec};
use super::params::{Init, ParamSpec, Params};
use super::plan::norm_specs;

/// Added below the generalised mean's powers, as in its authors' code.
const LEAST_VALUE: f64 = 1e-6;
/// Share of the relaxed features that a training step leaves out.
const DROPOUT: f64 = 0.5;

/// How a map becomes one vector.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Pooling {
    /// The mean.
    #[default]
    #[serde(rename = "gap")]
    Average,
    /// The sum of mean and maximum.
    #[serde(rename = "gap+gmp")]
    AverageMax,
    /// `mean(x^p)^(1/p)` with a learned `p` that begins at 3.
    #[serde(rename = "gem")]
    GeneralisedMean,
}

impl Pooling {
    /// `[N, C, h, w]` to `[N, C]`; `exponent [1]` is the generalised mean's.
    pub fn forward(self, map: &Tensor, exponent: Option<&Tensor>) -> Result<Tensor> {
        match (self, exponent) {
            (Self::Average, _) => ops::global_avg_pool(map),
            (Self::AverageMax, _) => ops::global_avg_pool(map)? + ops::global_max_pool(map)?,
            (Self::GeneralisedMean, Some(exponent)) => generalised_mean(map, exponent),
            (Self::GeneralisedMean, None) => candle_core::bail!("a generalised mean needs its exponent"),
        }
    }
}

/// `mean(max(x, 1e-6)^p)^(1/p)` over each channel's map.
fn generalised_mean(map: &Tensor, exponent: &Tensor) -> Result<Tensor> {
    let logs = ops::relu(&map.flatten_from(2)?.affine(1.0, -LEAST_VALUE)?)?.affine(1.0, LEAST_VALUE)?.log()?;
    let powers = logs.broadcast_mul(&exponent.reshape((1, 1, 1))?)?;
    // Around the largest power, so that none overflows; what is taken out here comes back below.
    let peak = powers.detach().max_keepdim(D::Minus1)?;
    let mean = powers.broadcast_sub(&peak)?.exp()?.mean(D::Minus1)?.log()?;
    (mean + peak.squeeze(D::Minus1)?)?.broadcast_div(&exponent.reshape((1, 1))?)?.exp()
}

/// Which head.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HeadConfig {
    pub pooling: Pooling,
    /// A normalisation between embedding and classifier.
    pub neck: bool,
    /// Channels between the two convolutions of the relaxation; 0 has none.
    pub relaxation: usize,
    /// An embedding for each kind instead of one for all.
    pub projections: bool,
    /// A map of the global vector for each kind, for what is worn together.
    pub worn: bool,
}

impl HeadConfig {
    pub(super) fn problem(&self) -> Option<String> {
        if self.neck && self.relaxation > 0 {
            return Some("a neck and a relaxation both lead to the classifier; choose one of the two".to_owned());
        }
        if self.neck && self.projections {
            return Some(
                "behind a neck the classifier cannot say which projection a photo needs; choose one of the two"
                    .to_owned(),
            );
        }
        if self.worn && (self.neck || self.projections) {
            return Some(
                "what is worn together is learnt on one embedding that is searched as it is; choose between worn and neck \
                 or projections"
                    .to_owned(),
            );
        }
        (self.relaxation > 8192).then(|| format!("a relaxation of {} channels is outside 0 to 8192", self.relaxation))
    }

    pub(super) fn is_plain(&self) -> bool {
        *self == Self::default()
    }
}

/// What a head needs under which names.
pub(super) struct HeadSpecs {
    /// Weight and bias; with projections the kinds' rows follow each other.
    pub embedding: [ParamSpec; 2],
    /// Weight, and a bias where there is no neck.
    pub classifier: (ParamSpec, Option<ParamSpec>),
    pub exponent: Option<ParamSpec>,
    pub neck: Option<[ParamSpec; 4]>,
    pub relaxation: Option<[ParamSpec; 2]>,
    /// Weight and bias; the kinds' rows follow each other.
    pub worn: Option<[ParamSpec; 2]>,
}

impl HeadSpecs {
    pub fn new(config: &EmbedderConfig) -> Self {
        let (head, channels) = (&config.head, config.backbone.out_channels());
        let weight = |name: &str, rows, columns| {
            ParamSpec::new(format!("{name}.weight"), &[rows, columns], Init::Uniform { fan_in: columns }, true)
        };
        let bias = |name: &str, rows| ParamSpec::new(format!("{name}.bias"), &[rows], Init::Zeros, true);
        let rows = config.dim * if head.projections { config.classes } else { 1 };
        let relaxed = head.relaxation > 0;
        let classifier = if head.neck {
            let init = Init::Normal { deviation: 1e-3 };
            (ParamSpec::new("classifier.weight", &[config.classes, config.dim], init, true), None)
        } else {
            let inputs = if relaxed { head.relaxation } else { channels };
            (weight("classifier", config.classes, inputs), Some(bias("classifier", config.classes)))
        };
        Self {
            embedding: [weight("embedding", rows, channels), bias("embedding", rows)],
            classifier,
            exponent: (head.pooling == Pooling::GeneralisedMean)
                .then(|| ParamSpec::new("pooling.exponent", &[1], Init::Constant { value: 3.0 }, true)),
            neck: head.neck.then(|| {
                let mut specs = norm_specs("neck", config.dim);
                // A shift would let the classifier move away from the embedding's own origin.
                specs[1].trainable = false;
                specs
            }),
            relaxation: relaxed
                .then(|| [weight("relaxation", head.relaxation, channels), bias("relaxation", head.relaxation)]),
            worn: head.worn.then(|| {
                let rows = config.classes * config.dim;
                // Added to the vector, so that likeness is what everything begins with.
                [ParamSpec::new("worn.weight", &[rows, config.dim], Init::Zeros, true), bias("worn", rows)]
            }),
        }
    }

    pub fn all(&self) -> Vec<ParamSpec> {
        let (weight, bias) = &self.classifier;
        let rest = self.exponent.iter().chain(self.neck.iter().flatten()).chain(self.relaxation.iter().flatten());
        let rest = rest.chain(self.worn.iter().flatten());
        self.embedding.iter().chain([weight]).chain(bias).chain(rest).cloned().collect()
    }
}

/// What comes out of a head.
pub(super) struct HeadOutput {
    /// `[N, dim, h, w]`.
    pub cells: Tensor,
    /// `[N, dim]`, of length 1.
    pub global: Tensor,
    /// `[N, classes]`.
    pub logits: Tensor,
}

/// A head that can learn.
#[derive(Debug)]
pub(super) struct Head {
    config: HeadConfig,
    dim: usize,
    classes: usize,
    embedding: [Var; 2],
    classifier: (Var, Option<Var>),
    exponent: Option<Var>,
    neck: Option<BatchNorm>,
    relaxation: Option<[Var; 2]>,
    worn: Option<[Var; 2]>,
}

impl Head {
    pub fn new(params: &mut Params, config: &EmbedderConfig) -> Result<Self> {
        let specs = HeadSpecs::new(config);
        let [ew, eb] = &specs.embedding;
        let embedding = [params.get_or_init_spec(ew)?, params.get_or_init_spec(eb)?];
        let (cw, cb) = &specs.classifier;
        let classifier =
            (params.get_or_init_spec(cw)?, cb.as_ref().map(|spec| params.get_or_init_spec(spec)).transpose()?);
        let exponent = specs.exponent.as_ref().map(|spec| params.get_or_init_spec(spec)).transpose()?;
        let neck = specs.neck.as_ref().map(|specs| BatchNorm::from_specs(params, specs)).transpose()?;
        let relaxation = match &specs.relaxation {
            Some([weight, bias]) => Some([params.get_or_init_spec(weight)?, params.get_or_init_spec(bias)?]),
            None => None,
        };
        let worn = match &specs.worn {
            Some([weight, bias]) => Some([params.get_or_init_spec(weight)?, params.get_or_init_spec(bias)?]),
            None => None,
        };
        let (dim, classes) = (config.dim, config.classes);
        Ok(Self { config: config.head.clone(), dim, classes, embedding, classifier, exponent, neck, relaxation, worn })
    }

    pub fn freeze_norms(&mut self, frozen: bool) {
        if let Some(neck) = &mut self.neck {
            neck.set_frozen(frozen);
        }
    }

    /// `kinds` choose the projections, where there are several; a photo without one gets its most probable kind's.
    /// `key` decides what the dropout leaves out.
    pub fn forward(&self, map: &Tensor, mode: Mode, kinds: Option<&[Option<usize>]>, key: u64) -> Result<HeadOutput> {
        let pooled = self.config.pooling.forward(map, self.exponent.as_ref().map(Var::as_tensor))?;
        let (cw, cb) = (&self.classifier.0, self.classifier.1.as_ref().map(Var::as_tensor));
        let mut logits = match (&self.relaxation, &self.neck) {
            (Some([weight, bias]), _) => Some(ops::linear(&relaxed(map, weight, bias, mode, key)?, cw, cb)?),
            (None, None) => Some(ops::linear(&pooled, cw, cb)?),
            // Behind the embedding, which may have to be chosen first.
            (None, Some(_)) => None,
        };
        let [weight, bias] = &self.embedding;
        let (embedded, cells) = if self.config.projections {
            let chosen = self.chosen(kinds, logits.as_ref(), &pooled)?;
            self.projected(map, &pooled, &chosen)?
        } else {
            let kernel = weight.unsqueeze(2)?.unsqueeze(3)?;
            let cells = ops::conv2d(map, &kernel, Some(bias), ConvSpec::default())?;
            (ops::linear(&pooled, weight, Some(bias))?, cells)
        };
        let Some(neck) = &self.neck else {
            let logits = logits.take().ok_or_else(|| candle_core::Error::Msg("no classifier ran".to_owned()))?;
            return Ok(HeadOutput { cells, global: unit_rows(&embedded)?, logits });
        };
        let (n, dim) = embedded.dims2()?;
        let behind = neck.forward(&embedded.reshape((n, dim, 1, 1))?, mode)?.reshape((n, dim))?;
        let logits = ops::linear(&behind, cw, None)?;
        Ok(match mode {
            Mode::Train => HeadOutput { cells, global: unit_rows(&embedded)?, logits },
            Mode::Eval => HeadOutput { cells: neck.forward(&cells, mode)?, global: unit_rows(&behind)?, logits },
        })
    }

    /// The kind of every photo.
    fn chosen(&self, kinds: Option<&[Option<usize>]>, logits: Option<&Tensor>, pooled: &Tensor) -> Result<Vec<usize>> {
        let n = pooled.dim(0)?;
        let given = kinds.map_or_else(|| vec![None; n], <[_]>::to_vec);
        if given.len() != n {
            candle_core::bail!("{n} photos and {} kinds", given.len());
        }
        if let Some(kind) = given.iter().flatten().find(|kind| **kind >= self.classes) {
            candle_core::bail!("kind {kind} where there are {}", self.classes);
        }
        let probable = match logits {
            Some(logits) if given.contains(&None) => {
                logits.detach().argmax(D::Minus1)?.to_device(&Device::Cpu)?.to_vec1::<u32>()?
            }
            _ => vec![0; n],
        };
        Ok(given.into_iter().zip(probable).map(|(kind, probable)| kind.unwrap_or(probable as usize)).collect())
    }

    /// Global vectors `[n, dim]` to vectors of length 1 behind each one's kind's map. `None` where there are no such maps.
    pub fn worn(&self, global: &Tensor, kinds: &[usize]) -> Result<Option<Tensor>> {
        let Some([weight, bias]) = &self.worn else { return Ok(None) };
        let index = self.numbers(kinds, global)?;
        let weight = weight.reshape((self.classes, self.dim, self.dim))?.index_select(&index, 0)?;
        let bias = bias.reshape((self.classes, self.dim))?.index_select(&index, 0)?;
        let global = global.detach();
        let moved = weight.matmul(&global.unsqueeze(2)?)?.squeeze(2)?.add(&bias)?;
        Ok(Some(unit_rows(&(global + moved)?)?))
    }

    fn numbers(&self, kinds: &[usize], like: &Tensor) -> Result<Tensor> {
        if kinds.len() != like.dim(0)? || kinds.iter().any(|&kind| kind >= self.classes) {
            candle_core::bail!("{} kinds of {} for {} photos", kinds.len(), self.classes, like.dim(0)?);
        }
        let kinds: Vec<f64> = kinds.iter().map(|&kind| kind as f64).collect();
        let n = kinds.len();
        ops::send(kinds, &[n], like.device())?.to_dtype(DType::U32)
    }

    /// Embedding and cells of every photo by its kind's projection.
    fn projected(&self, map: &Tensor, pooled: &Tensor, kinds: &[usize]) -> Result<(Tensor, Tensor)> {
        let (n, channels, h, w) = map.dims4()?;
        let index = self.numbers(kinds, map)?;
        let [weight, bias] = &self.embedding;
        let weight = weight.reshape((self.classes, self.dim, channels))?.index_select(&index, 0)?;
        let bias = bias.reshape((self.classes, self.dim, 1))?.index_select(&index, 0)?;
        let embedded = weight.matmul(&pooled.unsqueeze(2)?)?.add(&bias)?.squeeze(2)?;
        let cells = weight.matmul(&map.flatten_from(2)?)?.broadcast_add(&bias)?.reshape((n, self.dim, h, w))?;
        Ok((embedded, cells))
    }
}

/// The mean of the relaxed features. The second convolution is linear, so that it can follow the mean.
fn relaxed(map: &Tensor, weight: &Tensor, bias: &Tensor, mode: Mode, key: u64) -> Result<Tensor> {
    let kernel = weight.unsqueeze(2)?.unsqueeze(3)?;
    let mut features = ops::relu(&ops::conv2d(map, &kernel, Some(bias), ConvSpec::default())?)?;
    if mode == Mode::Train {
        features = (&features * dropout_mask(&features, key)?)?;
    }
    ops::global_avg_pool(&features)
}

/// Zeros, and elsewhere what keeps the mean; decided by the key alone.
fn dropout_mask(like: &Tensor, key: u64) -> Result<Tensor> {
    let mut random = ChaCha8Rng::seed_from_u64(key);
    let kept = (1.0 / (1.0 - DROPOUT)) as f32;
    let below = (DROPOUT * f64::from(u32::MAX)) as u32;
    let mask: Vec<f32> = (0..like.elem_count()).map(|_| if random.next_u32() < below { 0.0 } else { kept }).collect();
    Tensor::from_vec(mask, like.shape(), &Device::Cpu)?.to_dtype(like.dtype())?.to_device(like.device())
}
