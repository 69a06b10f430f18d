//! What is worn together: global vectors behind the map of each garment's kind.

use std::collections::BTreeMap;

use candle_core::{Device, Result, Tensor};

use super::normalise;
use crate::nn::embedder::EmbedderConfig;
use crate::nn::folded::values;
use crate::nn::ops;

/// Vectors that go through a map together, to bound memory.
const TOGETHER: usize = 4096;

/// The head's maps, one a kind, with the vector itself added in: `[dim, dim]` and `[dim]`.
#[derive(Debug)]
pub(super) struct WornMaps {
    dim: usize,
    maps: Vec<(Tensor, Tensor)>,
}

impl WornMaps {
    /// `None` where the head has none. `tensors` must be those of the configuration.
    pub fn new(config: &EmbedderConfig, tensors: &BTreeMap<String, Tensor>) -> Result<Option<Self>> {
        if !config.head.worn {
            return Ok(None);
        }
        let dim = config.dim;
        let (weight, bias) = (values(tensors, "worn", "weight")?, values(tensors, "worn", "bias")?);
        let maps = weight.chunks_exact(dim * dim).zip(bias.chunks_exact(dim)).map(|(weight, bias)| {
            let itself = |place: usize| f64::from(u8::from(place.is_multiple_of(dim + 1)));
            let weight: Vec<f32> =
                weight.iter().enumerate().map(|(place, value)| (value + itself(place)) as f32).collect();
            let bias: Vec<f32> = bias.iter().map(|value| *value as f32).collect();
            // Few and small products, whichever device embeds photos.
            let device = &Device::Cpu;
            Ok((Tensor::from_vec(weight, (dim, dim), device)?, Tensor::from_vec(bias, dim, device)?))
        });
        Ok(Some(Self { dim, maps: maps.collect::<Result<_>>()? }))
    }

    /// Vectors `[n, dim]` behind the maps of their kinds, of length 1; one without a kind stays as it is.
    pub fn apply(&self, globals: &[f32], kinds: &[Option<usize>]) -> Result<Vec<f32>> {
        let dim = self.dim;
        if globals.len() != kinds.len() * dim || kinds.iter().flatten().any(|&kind| kind >= self.maps.len()) {
            candle_core::bail!("{} values and {} kinds of {}", globals.len(), kinds.len(), self.maps.len());
        }
        let mut worn = globals.to_vec();
        for (kind, (weight, bias)) in self.maps.iter().enumerate() {
            let rows: Vec<usize> = (0..kinds.len()).filter(|&row| kinds[row] == Some(kind)).collect();
            for rows in rows.chunks(TOGETHER) {
                let of_kind: Vec<f32> = rows.iter().flat_map(|row| &globals[row * dim..][..dim]).copied().collect();
                let x = Tensor::from_vec(of_kind, (rows.len(), dim), &Device::Cpu)?;
                let moved: Vec<f32> = ops::linear(&x, weight, Some(bias))?.flatten_all()?.to_vec1()?;
                for (row, moved) in rows.iter().zip(moved.chunks_exact(dim)) {
                    let place = &mut worn[row * dim..][..dim];
                    place.copy_from_slice(moved);
                    normalise(place);
                }
            }
        }
        Ok(worn)
    }
}
