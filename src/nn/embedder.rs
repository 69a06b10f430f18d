//! The network that is trained: backbone and head.
//!
//! The embedding is a linear layer that is applied to every cell of the last map, as in DIML (Zhao et al. 2021), so that
//! cells and the global vector live in one space: the mean of the embedded cells is the embedding of the mean.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use candle_core::{D, DType, Device, Result, Tensor};
use serde::{Deserialize, Serialize};

use super::NnError;
use super::arch::BackboneConfig;
use super::backbone::Backbone;
use super::batch_norm::Mode;
use super::checkpoint::{self, ModelCard};
use super::encoder::Encoder;
use super::error::Doing;
use super::head::{Head, HeadConfig, HeadSpecs};
use super::ops::Order;
use super::params::{LoadReport, ParamSpec, Params};
use super::plan::BackbonePlan;
use super::weights;
use crate::domain::Arithmetic;

/// Before every name of the backbone; without it they are the published ones.
pub(super) const BACKBONE: &str = "backbone";
/// Added to a squared length before its root, so that a zero vector has a direction of zeros and a finite gradient.
const LENGTH_EPSILON: f64 = 1e-12;

/// What makes one embedder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmbedderConfig {
    pub backbone: BackboneConfig,
    /// Length of the embedding of a cell.
    pub dim: usize,
    /// What the classifier tells apart.
    pub classes: usize,
    #[serde(default, skip_serializing_if = "HeadConfig::is_plain")]
    pub head: HeadConfig,
}

impl EmbedderConfig {
    /// With the plain head.
    pub fn new(backbone: BackboneConfig, dim: usize, classes: usize) -> Self {
        Self { backbone, dim, classes, head: HeadConfig::default() }
    }

    /// What is wrong with the values, if anything: they may come from a file.
    pub fn problem(&self) -> Option<String> {
        if !(1..=4096).contains(&self.dim) {
            return Some(format!("an embedding of {} values is outside 1 to 4096", self.dim));
        }
        if !(1..=1_000_000).contains(&self.classes) {
            return Some(format!("{} classes are outside 1 to 1,000,000", self.classes));
        }
        if (self.head.projections || self.head.worn) && self.classes > 1000 {
            return Some(format!("an embedding for each of {} classes is too many; 1,000 is the most", self.classes));
        }
        self.backbone.problem().or_else(|| self.head.problem())
    }

    /// Every tensor of the embedder.
    pub fn specs(&self) -> Vec<ParamSpec> {
        let mut specs = BackbonePlan::new(BACKBONE, &self.backbone).specs();
        specs.extend(HeadSpecs::new(self).all());
        specs
    }
}

/// What the losses see. With a neck, `Mode::Train` gives cells and globals before it, where metric losses belong, and
/// `Mode::Eval` those behind it, which are searched.
#[derive(Clone, Debug)]
pub struct EmbedderOutput {
    /// Embedded cells `[N, dim, h, w]`, not normalised.
    pub cells: Tensor,
    /// The embedded pooled map, L2-normalised: `[N, dim]`. With mean pooling it is the mean of the cells.
    pub global: Tensor,
    /// `[N, classes]`.
    pub logits: Tensor,
}

/// The network that is trained.
#[derive(Debug)]
pub struct Embedder {
    pub params: Params,
    config: EmbedderConfig,
    backbone: Backbone,
    head: Head,
    /// Number type of the backbone's maps; the variables' own unless said otherwise.
    maps: DType,
    /// What the dropout of the next step depends on, besides the seed.
    step: AtomicU64,
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
        let backbone = Backbone::new(&mut params, BACKBONE, &config.backbone)?;
        let head = Head::new(&mut params, config)?;
        let maps = params.dtype();
        Ok(Self { params, config: config.clone(), backbone, head, maps, step: AtomicU64::new(0) })
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
    /// backbone must fit in full and be no part of another one; the report's `unexpected` names what else the file holds.
    pub fn load_backbone(&mut self, path: &Path) -> std::result::Result<LoadReport, NnError> {
        let found = weights::read_backbone(path)?;
        let specs = BackbonePlan::new("", &self.config.backbone).specs();
        let report = LoadReport::compare(&specs, &found);
        if !weights::fits(&report) {
            return Err(weights::misfit(&self.config.backbone, &found, report, path));
        }
        weights::check_variances(&specs, &found, path)?;
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
        self.to_encoder_in(card, Arithmetic::F32)
    }

    /// The same, computing as told.
    pub fn to_encoder_in(&self, card: &ModelCard, arithmetic: Arithmetic) -> std::result::Result<Encoder, NnError> {
        Encoder::from_embedder(self, card, arithmetic)
    }

    pub fn config(&self) -> &EmbedderConfig {
        &self.config
    }

    /// Freezes the running statistics of every normalisation, or lets them move again.
    pub fn freeze_norms(&mut self, frozen: bool) {
        self.backbone.freeze_norms(frozen);
        self.head.freeze_norms(frozen);
    }

    /// Computes the backbone in another number type than its variables have (Micikevicius et al. 2018): maps and the
    /// weights that meet them are rounded to it, while variables, their gradients, statistics of 16-bit maps, the head and
    /// all losses stay as they are.
    pub fn compute_maps_in(&mut self, maps: DType) {
        self.maps = maps;
    }

    /// Computes the backbone's maps with their axes in that order, in place of the one that is best for their type and
    /// device: to compare the two.
    pub fn order_maps(&mut self, order: Order) {
        self.backbone.order_maps(order);
    }

    /// Number type of the backbone's maps.
    pub fn maps(&self) -> DType {
        self.maps
    }

    /// Says which step the next forward pass belongs to. Dropout depends on it and on the seed alone.
    pub fn at_step(&self, step: u64) {
        self.step.store(step, Ordering::Relaxed);
    }

    /// The last map of the backbone, `[N, C, h, w]`, of images `[N, 3, H, W]`.
    pub fn features(&self, x: &Tensor, mode: Mode) -> Result<Tensor> {
        self.backbone.features(&x.to_dtype(self.maps)?, mode)?.to_dtype(self.dtype())
    }

    /// Images `[N, 3, H, W]` to what the losses need.
    pub fn forward(&self, x: &Tensor, mode: Mode) -> Result<EmbedderOutput> {
        self.forward_as(x, mode, None)
    }

    /// [`Self::forward`] of photos whose kinds are known, which decides their projections where there are several.
    pub fn forward_as(&self, x: &Tensor, mode: Mode, kinds: Option<&[Option<usize>]>) -> Result<EmbedderOutput> {
        self.embed_map(&self.features(x, mode)?, mode, kinds)
    }

    /// Pieces of the backbone that a pass can be cut into.
    pub fn pieces(&self) -> usize {
        self.backbone.pieces()
    }

    /// One piece of the backbone on what the piece before it gave; the first one takes images.
    pub fn piece(&self, piece: usize, x: &Tensor, mode: Mode) -> Result<Tensor> {
        let map = self.backbone.piece(piece, &x.to_dtype(self.maps)?, mode)?;
        if piece + 1 == self.pieces() { map.to_dtype(self.dtype()) } else { Ok(map) }
    }

    /// What the losses need, from the last map `[N, C, h, w]`.
    pub fn embed_map(&self, map: &Tensor, mode: Mode, kinds: Option<&[Option<usize>]>) -> Result<EmbedderOutput> {
        let key = self.params.seed() ^ self.step.load(Ordering::Relaxed).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let out = self.head.forward(map, mode, kinds, key)?;
        Ok(EmbedderOutput { cells: out.cells, global: out.global, logits: out.logits })
    }

    /// Global vectors `[N, dim]` of garments of these kinds to vectors `[N, dim]` by whose distance they are worn together,
    /// as the head's `worn` has learnt it; `None` where it has not. Gradients end here: the global vectors stay what they are.
    pub fn worn(&self, global: &Tensor, kinds: &[usize]) -> Result<Option<Tensor>> {
        self.head.worn(global, kinds)
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
