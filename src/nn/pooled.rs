//! A bare backbone, as feature extractors of PyTorch give it: the pooled vector before any embedding.

use std::path::Path;

use candle_core::{Device, Tensor};

use super::NnError;
use super::arch::{Arch, BackboneConfig};
use super::encoder::together;
use super::error::Doing;
use super::folded::FoldedBackbone;
use super::memory::Together;
use super::params::LoadReport;
use super::plan::BackbonePlan;
use super::weights;
use crate::domain::{Arithmetic, Grid};

/// Sides of images that make sense here.
const SIDES: std::ops::RangeInclusive<usize> = 32..=2048;

/// What a backbone says of images.
#[derive(Clone, Debug, PartialEq)]
pub struct PooledFeatures {
    pub grid: Grid,
    pub dim: usize,
    /// Mean of each channel over the map, `[images, dim]`.
    pub pooled: Vec<f32>,
    /// The map itself, `[images, cells, dim]`, not normalised.
    pub cells: Vec<f32>,
}

/// A frozen backbone over a file of weights.
#[derive(Debug)]
pub struct PooledBackbone {
    backbone: FoldedBackbone,
    report: LoadReport,
    size: usize,
    dim: usize,
    grid: Grid,
    device: Device,
    together: Together,
}

impl PooledBackbone {
    /// Reads a `.pth` or `.safetensors` file in torchvision's or timm's naming; it must be of that architecture. Its width
    /// is read off the stem.
    pub fn load(weights: &Path, arch: Arch, size: usize, device: &Device) -> Result<Self, NnError> {
        if !SIDES.contains(&size) {
            return Err(NnError::InputSize { size, least: *SIDES.start(), limit: *SIDES.end() });
        }
        let found = weights::read_backbone(weights)?;
        let mut config = BackboneConfig::new(arch);
        config.width = weights::width(&found).unwrap_or(config.width);
        if let Some(problem) = config.problem() {
            return Err(NnError::weights(problem, weights));
        }
        let plan = BackbonePlan::new("", &config);
        let report = LoadReport::compare(&plan.specs(), &found);
        if !weights::fits(&report) {
            return Err(weights::misfit(&config, &found, report, weights));
        }
        weights::check_variances(&plan.specs(), &found, weights)?;
        let backbone = FoldedBackbone::new(&plan, &found, device, Arithmetic::F32).doing("folding the network")?;
        let side = config.map_side(size);
        let dim = plan.out_channels;
        let (grid, together) = (Grid::new(side, side), Together::new(together(size)));
        Ok(Self { backbone, report, size, dim, grid, device: device.clone(), together })
    }

    /// `[n, 3, size, size]`, ImageNet's mean and deviation taken out, not letterboxed.
    pub fn embed(&self, images: &[f32], n: usize) -> Result<PooledFeatures, NnError> {
        let each = 3 * self.size * self.size;
        if n.checked_mul(each) != Some(images.len()) {
            let wanted = n.saturating_mul(each);
            return Err(NnError::Batch { images: n, size: self.size, wanted, found: images.len() });
        }
        let (count, dim) = (self.grid.cells(), self.dim);
        let mut features = PooledFeatures { grid: self.grid, dim, pooled: Vec::new(), cells: Vec::new() };
        let embedded = self.together.each(n, |range| {
            let maps = self.maps(&images[range.start * each..range.end * each], range.len())?;
            for map in maps.chunks_exact(dim * count) {
                let mean = |values: &[f32]| values.iter().sum::<f32>() / count as f32;
                features.pooled.extend(map.chunks_exact(count).map(mean));
                features.cells.extend((0..count).flat_map(|cell| map.iter().skip(cell).step_by(count)));
            }
            Ok(())
        });
        embedded.doing("embedding images")?;
        if features.cells.iter().all(|value| value.is_finite()) {
            Ok(features)
        } else {
            Err(NnError::NotFinite { name: "backbone".to_owned() })
        }
    }

    fn maps(&self, images: &[f32], n: usize) -> candle_core::Result<Vec<f32>> {
        let x = Tensor::from_slice(images, (n, 3, self.size, self.size), &self.device)?;
        self.backbone.features(&x)?.flatten_all()?.to_device(&Device::Cpu)?.to_vec1()
    }

    /// What the file held beyond the backbone, such as its classifier.
    pub fn report(&self) -> &LoadReport {
        &self.report
    }

    pub fn input_size(&self) -> usize {
        self.size
    }

    pub fn dim(&self) -> usize {
        self.dim
    }

    pub fn grid(&self) -> Grid {
        self.grid
    }
}
