//! The plan as a matrix: one pixel for each pair of cells, rows the query's, columns the gallery's.

use serde::{Deserialize, Serialize};

use crate::domain::{PairMatch, Pixels};

use super::color::{bytes, sequential};

/// What a matrix shows. They are three different maps of one match and are easily taken for each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum MatrixMap {
    /// How much moves between two cells; all entries sum to 1.
    #[default]
    Mass,
    /// How alike two cells are, whether or not anything moves between them.
    Similarity,
    /// Mass x similarity: what the pair adds to the structural score.
    Contribution,
}

/// One entry.
pub fn value_of(pair: &PairMatch, map: MatrixMap, query: usize, gallery: usize) -> f32 {
    let at = query * pair.plan.gallery().cells() + gallery;
    match map {
        MatrixMap::Mass => pair.plan.mass()[at],
        MatrixMap::Similarity => pair.similarity[at],
        MatrixMap::Contribution => pair.plan.mass()[at] * pair.similarity[at],
    }
}

/// Values of the dark and of the bright end of the scale. Masses begin at 0; what can be below 0 begins at its least.
pub fn range_of(pair: &PairMatch, map: MatrixMap) -> [f32; 2] {
    let (mut low, mut high) = (f32::INFINITY, f32::NEG_INFINITY);
    let columns = pair.plan.gallery().cells();
    for at in 0..pair.plan.mass().len() {
        let value = value_of(pair, map, at / columns, at % columns);
        (low, high) = (low.min(value), high.max(value));
    }
    if !(low.is_finite() && high.is_finite()) {
        return [0.0, 1.0];
    }
    match map {
        MatrixMap::Mass => [0.0, high],
        MatrixMap::Contribution => [low.min(0.0), high],
        MatrixMap::Similarity => [low, high],
    }
}

/// As wide as the gallery has cells and as high as the query has.
pub fn matrix_pixels(pair: &PairMatch, map: MatrixMap) -> Pixels {
    let [low, high] = range_of(pair, map);
    let (rows, columns) = (pair.plan.query().cells(), pair.plan.gallery().cells());
    let rgba = (0..rows * columns)
        .flat_map(|at| {
            let value = value_of(pair, map, at / columns, at % columns);
            let [r, g, b] = bytes(sequential((value - low) / (high - low).max(f32::MIN_POSITIVE)));
            [r, g, b, 255]
        })
        .collect();
    Pixels { width: columns as u32, height: rows as u32, rgba }
}
