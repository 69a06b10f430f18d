//! The network that is trained: backbone, embedding and classifier.
//!
//! The embedding is a linear layer that is applied to every cell of the last map, as in DIML (Zhao et al. 2021), so that
//! cells and the global vector live in one space: the mean of the embedded cells is the embedding of the mean.

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::{D, DType, Device, Result, Tensor, Var};
use serde::{Deserialize, Serialize};

use super::NnError;
use super::arch::{ResNetConfig, ResNetPlan};
use super::batch_norm::Mode;
use super::checkpoint::{self, ModelCard};
use super::encoder::Encoder;
use super::error::Doing;
use super::ops::{self, ConvSpec};
use super::params::{Init, LoadReport, ParamSpec, Params};
use super::resnet::ResNet;
use super::weights;

/// Before every name of the backbone; without it they are torchvision's.
pub(super) const BACKBONE: &str = "backbone";
/// Added to a squared length before its root, so that a zero vector has a direction of zeros and a finite gradient.
const LENGTH_EPSILON: f64 = 1e-12;

/// What makes one embedder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmbedderConfig {
    pub backbone: ResNetConfig,
    /// Length of the embedding of a cell.
    pub dim: usize,
    /// What the classifier tells apart.
    pub classes: usize,
}

impl EmbedderConfig {
    /// What is wrong with the values, if anything: they may come from a file.
    pub fn problem(&self) -> Option<String> {
        if !(1..=4096).contains(&self.dim) {
            return Some(format!("an embedding of {} values is outside 1 to 4096", self.dim));
        }
        if !(1..=1_000_000).contains(&self.classes) {
            return Some(format!("{} classes are outside 1 to 1,000,000", self.classes));
        }
        self.backbone.problem()
    }

    /// Every tensor of the embedder.
    pub fn specs(&self) -> Vec<ParamSpec> {
        let mut specs = ResNetPlan::new(BACKBONE, &self.backbone).specs();
        specs.extend(self.head_specs());
        specs
    }

    /// Weight and bias of the embedding, then of the classifier.
    pub(super) fn head_specs(&self) -> [ParamSpec; 4] {
        let channels = self.backbone.out_channels();
        let weight = |name, rows| ParamSpec::new(name, &[rows, channels], Init::Uniform { fan_in: channels }, true);
        let bias = |name, rows| ParamSpec::new(name, &[rows], Init::Zeros, true);
        [
            weight("embedding.weight", self.dim),
            bias("embedding.bias", self.dim),
            weight("classifier.weight", self.classes),
            bias("classifier.bias", self.classes),
        ]
    }
}

/// What the losses see.
#[derive(Clone, Debug)]
pub struct EmbedderOutput {
    /// Embedded cells `[N, dim, h, w]`, not normalised.
    pub cells: Tensor,
    /// Mean of the embedded cells, L2-normalised: `[N, dim]`.
    pub global: Tensor,
    /// `[N, classes]`, from the pooled map.
    pub logits: Tensor,
}

/// The network that is trained.
#[derive(Debug)]
pub struct Embedder {
    pub params: Params,
    config: EmbedderConfig,
    backbone: ResNet,
    embedding: (Var, Var),
    classifier: (Var, Var),
}

impl Embedder {
    /// A fresh network. The seed alone decides its first weights.
    pub fn new(config: &EmbedderConfig, seed: u64, device: &Device) -> Result<Self> {
        Self::with_params(config, Params::with_dtype(seed, config.backbone.dtype, device))
    }

    /// A network over these variables; those that are not there yet are made.
    pub fn with_params(config: &EmbedderConfig, mut params: Params) -> Result<Self> {
        if let Some(problem) = config.problem() {
            candle_core::bail!("{problem}");
        }
        let backbone = ResNet::new(&mut params, BACKBONE, &config.backbone)?;
        let [ew, eb, cw, cb] = config.head_specs();
        let embedding = (params.get_or_init_spec(&ew)?, params.get_or_init_spec(&eb)?);
        let classifier = (params.get_or_init_spec(&cw)?, params.get_or_init_spec(&cb)?);
        Ok(Self { params, config: config.clone(), backbone, embedding, classifier })
    }

    /// Reads a checkpoint's folder, to go on training from it.
    pub fn load(dir: &Path, device: &Device) -> std::result::Result<(Self, ModelCard), NnError> {
        let saved = checkpoint::read(dir)?;
        let config = &saved.card.config;
        let params =
            Params::from_tensors(saved.card.seed, config.backbone.dtype, device, &config.specs(), saved.tensors)
                .doing("moving the weights to the device")?;
        let embedder = Self::with_params(config, params).doing("building the network")?;
        Ok((embedder, saved.card))
    }

    /// Takes a backbone trained elsewhere, such as torchvision's on ImageNet, from a `.pth` or `.safetensors` file. The
    /// backbone must fit in full; the report's `unexpected` names what else the file holds.
    pub fn load_backbone(&mut self, path: &Path) -> std::result::Result<LoadReport, NnError> {
        let found = weights::read_backbone(path)?;
        let specs = ResNetPlan::new("", &self.config.backbone).specs();
        let report = LoadReport::compare(&specs, &found);
        if !report.is_complete() {
            return Err(weights::misfit(&self.config.backbone, &found, report, path));
        }
        let named: BTreeMap<_, _> =
            found.into_iter().map(|(name, tensor)| (format!("{BACKBONE}.{name}"), tensor)).collect();
        self.params.load(&named).doing("copying the weights")?;
        Ok(report)
    }

    /// Writes a checkpoint's folder; see [`checkpoint::save`].
    pub fn save(
        &self,
        dir: &Path,
        card: &ModelCard,
        precision: checkpoint::Precision,
    ) -> std::result::Result<crate::domain::CheckpointId, NnError> {
        let tensors = self.params.tensors().doing("collecting the weights")?;
        checkpoint::save(dir, card, &tensors, precision)
    }

    /// The network as it is now, frozen for searching and measuring. Later training does not change it.
    pub fn to_encoder(&self, card: &ModelCard) -> std::result::Result<Encoder, NnError> {
        Encoder::from_embedder(self, card)
    }

    pub fn config(&self) -> &EmbedderConfig {
        &self.config
    }

    /// Freezes the running statistics of every normalisation, or lets them move again.
    pub fn freeze_norms(&mut self, frozen: bool) {
        self.backbone.freeze_norms(frozen);
    }

    /// Images `[N, 3, H, W]` to what the losses need.
    pub fn forward(&self, x: &Tensor, mode: Mode) -> Result<EmbedderOutput> {
        let map = self.backbone.features(x, mode)?;
        let (ew, eb) = &self.embedding;
        let cells = ops::conv2d(&map, &ew.unsqueeze(2)?.unsqueeze(3)?, Some(eb), ConvSpec::default())?;
        let pooled = ops::global_avg_pool(&map)?;
        let global = unit_rows(&ops::linear(&pooled, ew, Some(eb))?)?;
        let (cw, cb) = &self.classifier;
        Ok(EmbedderOutput { cells, global, logits: ops::linear(&pooled, cw, Some(cb))? })
    }

    /// Number type of the variables.
    pub fn dtype(&self) -> DType {
        self.params.dtype()
    }
}

/// Rows of length 1; a row of zeros stays one.
pub fn unit_rows(x: &Tensor) -> Result<Tensor> {
    let length = (x.sqr()?.sum_keepdim(D::Minus1)? + LENGTH_EPSILON)?.sqrt()?;
    x.broadcast_div(&length)
}
