//! The frozen network that searching uses: photos to cells and global vectors.

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::{Device, Tensor};

use super::NnError;
use super::checkpoint::{self, ModelCard, Precision};
use super::device;
use super::embedder::{BACKBONE, Embedder};
use super::error::Doing;
use super::folded::FoldedBackbone;
use super::memory::Together;
use super::ops::blocked::StepTime;
use super::plan::BackbonePlan;
use super::regrid::Regrid;
use crate::domain::{Arithmetic, CheckpointId, Grid};

mod exchange;
mod frozen_head;
mod layers;
mod worn;

use frozen_head::FrozenHead;
use worn::WornMaps;

/// Cells along one side that a grid may have at most.
const LARGEST_GRID: usize = 64;
/// Below this length a vector counts as zero and stays it.
const LEAST_LENGTH: f32 = 1e-12;

/// What searching knows of photos: cells and a global vector each.
#[derive(Clone, Debug, PartialEq)]
pub struct CellFeatures {
    pub grid: Grid,
    pub dim: usize,
    /// `[photos, cells, dim]`, each row of length 1 (or all zeros).
    pub cells: Vec<f32>,
    /// `[photos, dim]`, each row of length 1 (or all zeros): with mean pooling the mean of the map's cells before they were
    /// normalised, as DIML defines it, else the embedding of the pooled map. It does not depend on the grid.
    pub globals: Vec<f32>,
}

impl CellFeatures {
    /// Number of photos.
    pub fn len(&self) -> usize {
        self.globals.len() / self.dim.max(1)
    }

    pub fn is_empty(&self) -> bool {
        self.globals.is_empty()
    }

    /// The cells of one photo, `[cells, dim]`.
    pub fn cells_of(&self, photo: usize) -> &[f32] {
        let size = self.grid.cells() * self.dim;
        &self.cells[photo * size..(photo + 1) * size]
    }

    /// The global vector of one photo.
    pub fn global_of(&self, photo: usize) -> &[f32] {
        &self.globals[photo * self.dim..(photo + 1) * self.dim]
    }
}

/// Backbone and embedding, frozen: normalisations folded, no graph; 32 bits, or the backbone in fewer.
#[derive(Debug)]
pub struct Encoder {
    backbone: FoldedBackbone,
    head: FrozenHead,
    worn: Option<WornMaps>,
    card: ModelCard,
    checkpoint: CheckpointId,
    arithmetic: Arithmetic,
    map: Grid,
    grid: Grid,
    regrid: Option<Regrid>,
    device: Device,
    together: Together,
}

impl Encoder {
    /// Reads a checkpoint's folder.
    pub fn load(dir: &Path, device: &Device) -> Result<Self, NnError> {
        Self::load_in(dir, device, Arithmetic::F32)
    }

    /// The same, computing as told.
    pub fn load_in(dir: &Path, device: &Device, arithmetic: Arithmetic) -> Result<Self, NnError> {
        let saved = checkpoint::read(dir)?;
        Self::from_tensors(saved.card, saved.id, &saved.tensors, device, arithmetic)
    }

    /// The embedder as it is now. Its id is that of the checkpoint that saving it in 32 bits would give.
    pub fn from_embedder(embedder: &Embedder, card: &ModelCard, arithmetic: Arithmetic) -> Result<Self, NnError> {
        let card = ModelCard { config: embedder.config().clone(), ..card.clone() };
        if let Some(problem) = card.problem() {
            return Err(NnError::card(problem, Path::new(&card.name)));
        }
        let tensors = embedder.params.tensors().doing("collecting the weights")?;
        let bytes = checkpoint::to_bytes(&tensors, Precision::F32, Path::new(&card.name))?;
        Self::from_tensors(card, checkpoint::id_of(&bytes), &tensors, embedder.params.device(), arithmetic)
    }

    /// `tensors` and `card` have been checked against each other.
    fn from_tensors(
        card: ModelCard,
        checkpoint: CheckpointId,
        tensors: &BTreeMap<String, Tensor>,
        device: &Device,
        arithmetic: Arithmetic,
    ) -> Result<Self, NnError> {
        device::check(device, arithmetic)?;
        let config = &card.config;
        let plan = BackbonePlan::new(BACKBONE, &config.backbone);
        let side = config.backbone.map_side(card.input_size);
        let build = || {
            let backbone = FoldedBackbone::new(&plan, tensors, device, arithmetic)?;
            Ok((backbone, FrozenHead::new(config, tensors, device)?))
        };
        let (backbone, head) = build().doing("folding the network")?;
        let worn = WornMaps::new(config, tensors).doing("folding the network")?;
        // Other threads may use them at once.
        device.synchronize().doing("moving the weights to the device")?;
        let map = Grid::new(side, side);
        let (device, together) = (device.clone(), Together::new(together(card.input_size)));
        Ok(Self { backbone, head, worn, card, checkpoint, arithmetic, map, grid: map, regrid: None, device, together })
    }

    /// The same network with its cells brought to another grid.
    pub fn with_grid(mut self, rows: usize, columns: usize) -> Result<Self, NnError> {
        if !(1..=LARGEST_GRID).contains(&rows) || !(1..=LARGEST_GRID).contains(&columns) {
            return Err(NnError::Grid { rows, columns, limit: LARGEST_GRID });
        }
        self.grid = Grid::new(rows, columns);
        self.regrid = (self.grid != self.map).then(|| Regrid::new(self.map, self.grid));
        Ok(self)
    }

    /// Encodes `n` photos: `[n, 3, size, size]` with `size` = [`Self::input_size`], ImageNet's mean and deviation taken out.
    /// A photo's features do not depend on what it is encoded with.
    pub fn encode(&self, images: &[f32], n: usize) -> Result<CellFeatures, NnError> {
        self.encode_as(images, &vec![None; n])
    }

    /// [`Self::encode`] of photos whose kinds are known, as numbers of the card's `kinds`. That matters only where each
    /// kind has a projection of its own; a photo without a kind gets that of the one the classifier thinks it is.
    pub fn encode_as(&self, images: &[f32], kinds: &[Option<usize>]) -> Result<CellFeatures, NnError> {
        let (size, n) = (self.input_size(), kinds.len());
        let each = 3 * size * size;
        if n.checked_mul(each) != Some(images.len()) {
            return Err(NnError::Batch { images: n, size, wanted: n.saturating_mul(each), found: images.len() });
        }
        let dim = self.dim();
        let mut features = CellFeatures {
            grid: self.grid,
            dim,
            cells: Vec::with_capacity(n * self.grid.cells() * dim),
            globals: Vec::with_capacity(n * dim),
        };
        let encoded = self.together.each(n, |range| {
            let chunk = &images[range.start * each..range.end * each];
            let (maps, globals) = self.maps(chunk, &kinds[range])?;
            for (photo, map) in maps.chunks_exact(dim * self.map.cells()).enumerate() {
                let global = globals.as_ref().map(|globals| &globals[photo * dim..(photo + 1) * dim]);
                describe(map, self.map.cells(), global, self.regrid.as_ref(), &mut features);
            }
            Ok(())
        });
        encoded.doing("encoding photos")?;
        if features.cells.iter().chain(&features.globals).all(|value| value.is_finite()) {
            Ok(features)
        } else {
            Err(NnError::NotFinite { name: self.card.name.clone() })
        }
    }

    /// The number of a kind for [`Self::encode_as`], where kinds have projections of their own.
    pub fn projection_of(&self, kind: &str) -> Option<usize> {
        self.kind_number(kind).filter(|_| self.card.config.head.projections)
    }

    /// The number of a kind that the model knows.
    pub fn kind_number(&self, kind: &str) -> Option<usize> {
        self.card.kinds.iter().position(|known| known == kind)
    }

    /// Whether the model has learnt what is worn together; see [`Self::worn`].
    pub fn knows_outfits(&self) -> bool {
        self.worn.is_some()
    }

    /// Global vectors `[n, dim]` of garments of these kinds to vectors `[n, dim]` by whose distance they are worn together;
    /// unchanged where the model has not learnt that, or where a garment's kind is unknown.
    pub fn worn(&self, globals: &[f32], kinds: &[Option<usize>]) -> Result<Vec<f32>, NnError> {
        match &self.worn {
            Some(maps) => maps.apply(globals, kinds).doing("finding what is worn together"),
            None => Ok(globals.to_vec()),
        }
    }

    /// Embedded maps `[n, dim, map cells]`, and globals `[n, dim]` where they are not the maps' means.
    fn maps(&self, images: &[f32], kinds: &[Option<usize>]) -> candle_core::Result<(Vec<f32>, Option<Vec<f32>>)> {
        let size = self.input_size();
        let x = Tensor::from_slice(images, (kinds.len(), 3, size, size), &self.device)?;
        self.head.forward(&self.backbone.features(&x)?, kinds)
    }

    /// The time of each step of the backbone for `n` photos as [`Self::encode`] takes them; `None` where it is not run by a
    /// plan, as on a GPU.
    pub fn profile(&self, images: &[f32], n: usize) -> Result<Option<Vec<StepTime>>, NnError> {
        let size = self.input_size();
        let wanted = n.saturating_mul(3 * size * size);
        if wanted != images.len() {
            return Err(NnError::Batch { images: n, size, wanted, found: images.len() });
        }
        self.backbone.profile(images, n, size).doing("timing the network's steps")
    }

    /// Side of the square images that [`Self::encode`] takes.
    pub fn input_size(&self) -> usize {
        self.card.input_size
    }

    pub fn checkpoint(&self) -> &CheckpointId {
        &self.checkpoint
    }

    /// How the backbone computes.
    pub fn arithmetic(&self) -> Arithmetic {
        self.arithmetic
    }

    pub fn card(&self) -> &ModelCard {
        &self.card
    }

    /// Length of a cell's vector.
    pub fn dim(&self) -> usize {
        self.card.config.dim
    }

    /// Grid of the cells that [`Self::encode`] gives.
    pub fn grid(&self) -> Grid {
        self.grid
    }

    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The device, and the precision where it is not the usual one, for a person.
    pub fn computes_on(&self) -> String {
        let device = device::describe(&self.device);
        match self.arithmetic {
            Arithmetic::F32 => device,
            Arithmetic::Int8 | Arithmetic::Bf16 => format!("{device}, in {}", self.arithmetic),
        }
    }

    /// Where photos are encoded, for a person; names how many at once where its memory has held fewer than wanted.
    pub fn place(&self) -> String {
        let device = self.computes_on();
        match self.together.cut() {
            Some(1) => format!("{device}, one photo at a time because its memory holds no more"),
            Some(few) => format!("{device}, {few} photos at a time because its memory holds no more"),
            None => device,
        }
    }
}

/// Images of that side that pass through the network together, to bound memory.
pub(super) fn together(size: usize) -> usize {
    (16 * 256 * 256 / (size * size).max(1)).clamp(1, 16)
}

/// One map `[dim, cells]` to normalised cells, brought to another grid where one is asked for, and the global vector: the
/// one given, or the map's mean.
fn describe(map: &[f32], count: usize, global: Option<&[f32]>, regrid: Option<&Regrid>, features: &mut CellFeatures) {
    let dim = features.dim;
    let mut cells = vec![0.0; map.len()];
    for (channel, values) in map.chunks_exact(count).enumerate() {
        for (cell, value) in values.iter().enumerate() {
            cells[cell * dim + channel] = *value;
        }
    }
    let mean = || map.chunks_exact(count).map(|values| values.iter().sum::<f32>() / count as f32).collect();
    let mut global: Vec<f32> = global.map_or_else(mean, <[f32]>::to_vec);
    normalise(&mut global);
    features.globals.extend(global);
    if let Some(regrid) = regrid {
        cells = regrid.apply(&cells, dim);
    }
    cells.chunks_exact_mut(dim).for_each(normalise);
    features.cells.extend(cells);
}

/// To length 1; a zero vector stays zero.
fn normalise(vector: &mut [f32]) {
    let length = vector.iter().map(|value| value * value).sum::<f32>().sqrt().max(LEAST_LENGTH);
    vector.iter_mut().for_each(|value| *value /= length);
}
