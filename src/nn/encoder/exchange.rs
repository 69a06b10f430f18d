//! A photo whose feature map has cells of another photo's (after Goyal et al., "Counterfactual Visual Explanations", ICML
//! 2019): what the rest of the network makes of that, its pooling above all.

use candle_core::Tensor;

use super::{CellFeatures, Encoder, describe};
use crate::domain::Grid;
use crate::nn::NnError;
use crate::nn::error::Doing;
use crate::nn::regrid::Regrid;

impl Encoder {
    /// Features of the first of two photos, `images` `[2, 3, size, size]` as [`Self::encode`] takes them, with cells of the
    /// backbone's last map replaced by the second's before anything is embedded or pooled. `pairs` are cells of the first
    /// photo's grid, each once, and the cells of the second's that they are taken from. Where these are not the map's own
    /// grids, a cell of the map changes by its share in the grid's cell (see [`Regrid::exchange`]).
    ///
    /// # Panics
    /// When a pair is not within the grids: a bug of the caller.
    pub fn encode_exchanged(
        &self,
        images: &[f32],
        kind: Option<usize>,
        pairs: &[(usize, usize)],
        grids: [Grid; 2],
    ) -> Result<CellFeatures, NnError> {
        let (size, dim, cells) = (self.input_size(), self.dim(), self.map.cells());
        let each = 3 * size * size;
        if images.len() != 2 * each {
            return Err(NnError::Batch { images: 2, size, wanted: 2 * each, found: images.len() });
        }
        let [own, other] = grids.map(|grid| Regrid::new(self.map, grid));
        let shares = own.exchange(&other, pairs);
        let mut features = CellFeatures { grid: self.grid, dim, cells: Vec::new(), globals: Vec::new() };
        let mut maps: Vec<f32> = Vec::new();
        let mut edit = || {
            self.together.each(2, |range| {
                let images = &images[range.start * each..range.end * each];
                let x = Tensor::from_slice(images, (range.len(), 3, size, size), &self.device)?;
                let map = self.backbone.features(&x)?.flatten_all()?;
                maps.extend(map.to_device(&candle_core::Device::Cpu)?.to_vec1::<f32>()?);
                Ok(())
            })?;
            let (own, other) = maps.split_at(maps.len() / 2);
            let channels = own.chunks_exact(cells).zip(other.chunks_exact(cells));
            let edited: Vec<f32> = channels.flat_map(|(own, other)| exchanged(own, other, &shares)).collect();
            let shape = (1, edited.len() / cells, self.map.rows, self.map.columns);
            let (map, global) = self.head.forward(&Tensor::from_vec(edited, shape, &self.device)?, &[kind])?;
            describe(&map, cells, global.as_deref(), self.regrid.as_ref(), &mut features);
            Ok::<_, candle_core::Error>(())
        };
        edit().doing("encoding photos")?;
        if features.cells.iter().chain(&features.globals).all(|value| value.is_finite()) {
            Ok(features)
        } else {
            Err(NnError::NotFinite { name: self.card.name.clone() })
        }
    }
}

/// One channel of the first map, `[cells]`, with these shares, `[cells, cells]`, of the second's.
fn exchanged<'a>(own: &'a [f32], other: &'a [f32], shares: &'a [f32]) -> impl Iterator<Item = f32> + 'a {
    own.iter().zip(shares.chunks_exact(other.len())).map(move |(own, shares)| {
        let (taken, value) = shares
            .iter()
            .zip(other)
            .fold((0.0, 0.0), |(taken, value), (share, other)| (taken + share, value + share * other));
        (1.0 - taken) * own + value
    })
}
