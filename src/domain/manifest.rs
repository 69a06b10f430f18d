//! What `manifest.jsonl` says about a sample: its products, its photos and the truth of each.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{CropRect, PhotoDomain, PhotoId, ProductId};

/// Which part of a study a product belongs to. All photos of a product share it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    Train,
    Validation,
    Test,
}

impl Split {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }
}

/// One line of the manifest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "lowercase")]
pub enum ManifestRecord {
    /// First line: how the sample was made.
    Sample {
        /// Of the file's format.
        version: u32,
        seed: u64,
        products: usize,
        /// Version of the hand that drew it: another one draws other photos of the same products.
        #[serde(default = "first_drawing")]
        drawing: u32,
    },
    Product(ProductRecord),
    Photo(PhotoRecord),
}

impl ManifestRecord {
    /// The newest format that this program reads, and the one it writes.
    pub const VERSION: u32 = 1;
}

fn first_drawing() -> u32 {
    1
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProductRecord {
    pub product: ProductId,
    /// What a shop would call it, such as "Breton long sleeve".
    pub name: String,
    pub kind: String,
    pub split: Option<Split>,
    /// Colour, brand, price, stock and every cut and surface parameter, as text.
    #[serde(default)]
    pub attributes: BTreeMap<String, String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PhotoRecord {
    pub photo: PhotoId,
    pub domain: PhotoDomain,
    /// The product of the main garment.
    pub product: ProductId,
    /// Counts the photos of one product in one domain from 0.
    pub view: u32,
    pub width: u32,
    pub height: u32,
    /// The main garment first.
    pub garments: Vec<GarmentTruth>,
}

/// One garment that is seen in a photo.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GarmentTruth {
    /// `None` for clothes that are worn but not sold.
    pub product: Option<ProductId>,
    pub kind: String,
    /// The box of its visible pixels.
    pub bbox: CropRect,
    /// Where each of its visible pixels lies on the garment.
    pub map: Option<DenseMap>,
}

/// A sampled map from photo pixels to garment coordinates (u, v), which all photos of one garment share.
///
/// Samples lie at `(x0 + step * column, y0 + step * row)` in pixels, row-major; `None` where the garment is
/// not seen. Two photos correspond where their garment coordinates agree, so one map a photo is enough for
/// every pair.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DenseMap {
    pub x0: f32,
    pub y0: f32,
    pub step: f32,
    pub columns: usize,
    pub rows: usize,
    pub uv: Vec<Option<[f32; 2]>>,
}

impl DenseMap {
    /// Garment coordinates at a pixel: bilinear inside a cell of four seen samples, else the nearest seen
    /// sample of that cell, else `None`.
    pub fn garment_at(&self, x: f32, y: f32) -> Option<[f32; 2]> {
        let (column, row) = ((x - self.x0) / self.step, (y - self.y0) / self.step);
        let inside = column >= 0.0
            && row >= 0.0
            && column <= (self.columns.checked_sub(1)?) as f32
            && row <= (self.rows.checked_sub(1)?) as f32;
        if !inside {
            return None;
        }
        let (c0, r0) = (column.floor() as usize, row.floor() as usize);
        let (c1, r1) = ((c0 + 1).min(self.columns - 1), (r0 + 1).min(self.rows - 1));
        let (fx, fy) = (column - c0 as f32, row - r0 as f32);
        let corners = [
            (c0, r0, (1.0 - fx) * (1.0 - fy)),
            (c1, r0, fx * (1.0 - fy)),
            (c0, r1, (1.0 - fx) * fy),
            (c1, r1, fx * fy),
        ];
        let seen =
            corners.map(|(c, r, weight)| self.uv.get(r * self.columns + c).copied().flatten().map(|uv| (uv, weight)));
        if let [Some(a), Some(b), Some(c), Some(d)] = seen {
            let sum = |axis: usize| a.0[axis] * a.1 + b.0[axis] * b.1 + c.0[axis] * c.1 + d.0[axis] * d.1;
            return Some([sum(0), sum(1)]);
        }
        seen.into_iter().flatten().max_by(|a, b| a.1.total_cmp(&b.1)).map(|(uv, _)| uv)
    }

    /// The pixel whose sample lies nearest to these garment coordinates, if one lies within `tolerance`.
    pub fn photo_at(&self, uv: [f32; 2], tolerance: f32) -> Option<[f32; 2]> {
        let distance = |p: &[f32; 2]| (p[0] - uv[0]).powi(2) + (p[1] - uv[1]).powi(2);
        let (index, nearest) = self
            .uv
            .iter()
            .enumerate()
            .filter_map(|(index, sample)| sample.as_ref().map(|p| (index, distance(p))))
            .min_by(|a, b| a.1.total_cmp(&b.1))?;
        (nearest <= tolerance * tolerance).then(|| {
            let (row, column) = (index / self.columns, index % self.columns);
            [self.x0 + self.step * column as f32, self.y0 + self.step * row as f32]
        })
    }
}
