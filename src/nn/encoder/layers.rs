//! Cells of an earlier layer: finer, nearer to the pixels, and never trained to be compared.

use candle_core::{Device, Result, Tensor};

use super::{CellFeatures, Encoder, Regrid, describe};
use crate::domain::{Grid, Layer};
use crate::nn::NnError;
use crate::nn::error::Doing;

/// Finer maps are brought to this many cells along each side: a plan's cost grows with the fourth power of it.
const FINEST: usize = 14;

impl Encoder {
    /// Encodes `n` photos, as [`Encoder::encode`] takes them, up to an earlier layer.
    ///
    /// A cell is the backbone's own feature vector there, without the embedding, to length 1; the global vector is the mean
    /// of the cells before that, to length 1. Behind a ReLU all of it is at least 0, so cosines lie in 0..=1 and are high
    /// throughout: only their order says something. The last layer gives what `encode` gives.
    pub fn encode_layer(&self, layer: Layer, images: &[f32], n: usize) -> std::result::Result<CellFeatures, NnError> {
        if layer == Layer::Last {
            return self.encode(images, n);
        }
        let size = self.input_size();
        let each = 3 * size * size;
        if n.checked_mul(each) != Some(images.len()) {
            return Err(NnError::Batch { images: n, size, wanted: n.saturating_mul(each), found: images.len() });
        }
        let mut features: Option<CellFeatures> = None;
        let encoded = self.together.each(n, |range| {
            let chunk = &images[range.start * each..range.end * each];
            let (maps, [dim, rows, columns]) = self.maps_at(layer, chunk, range.len())?;
            let grid = Grid::new(rows, columns);
            let wanted = Grid::new(rows.min(FINEST), columns.min(FINEST));
            let regrid = (wanted != grid).then(|| Regrid::new(grid, wanted));
            let features = features.get_or_insert_with(|| CellFeatures {
                grid: wanted,
                dim,
                cells: Vec::new(),
                globals: Vec::new(),
            });
            for map in maps.chunks_exact(dim * grid.cells()) {
                describe(map, grid.cells(), None, regrid.as_ref(), features);
            }
            Ok(())
        });
        encoded.doing("encoding photos")?;
        let features = features.unwrap_or(CellFeatures {
            grid: self.grid(),
            dim: self.dim(),
            cells: Vec::new(),
            globals: Vec::new(),
        });
        if features.cells.iter().chain(&features.globals).all(|value| value.is_finite()) {
            Ok(features)
        } else {
            Err(NnError::NotFinite { name: self.card().name.clone() })
        }
    }

    /// Maps `[n, dim, rows, columns]` with the last three sizes.
    fn maps_at(&self, layer: Layer, images: &[f32], n: usize) -> Result<(Vec<f32>, [usize; 3])> {
        let size = self.input_size();
        let x = Tensor::from_slice(images, (n, 3, size, size), self.device())?;
        let map = self.backbone.features_after(&x, layer.stage())?;
        let (_, dim, rows, columns) = map.dims4()?;
        Ok((map.flatten_all()?.to_device(&Device::Cpu)?.to_vec1()?, [dim, rows, columns]))
    }
}
