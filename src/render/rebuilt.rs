//! The query, painted again with what the plan takes from the gallery photo.

use serde::{Deserialize, Serialize};

use crate::domain::{Grid, PairMatch, Pixels, SquarePicture, TransportPlan};

use super::picture::{Level, levels, sample};

/// Which gallery cells a query cell is painted with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Rebuild {
    /// All that its mass goes to, mixed by mass.
    #[default]
    Mixture,
    /// The one that most of its mass goes to; of equals the first.
    Best,
}

/// Sides of the picture, about: a cell has a whole number of pixels.
const SIDE_PX: usize = 224;
/// A gallery cell with less than this share of its query cell's mass changes no pixel by a step and is left out.
const LEAST_SHARE: f32 = 5e-4;

/// Every query cell as a mixture of the gallery's cells. A cell without mass is grey. Colours are mixed as they are
/// stored, in gamma-encoded sRGB, as photos are blended everywhere in the window.
pub fn rebuilt(pair: &PairMatch, gallery: &SquarePicture, rebuild: Rebuild) -> Pixels {
    let (rows, columns) = (pair.plan.query(), pair.plan.gallery());
    let patch = [patch_side(rows.columns, columns.columns), patch_side(rows.rows, columns.rows)];
    let patches = patches(gallery, columns, patch);
    let (width, height) = (patch[0] * rows.columns, patch[1] * rows.rows);
    let mut rgba = vec![255; width * height * 4];
    let mut mixed = vec![0.0; patch[0] * patch[1] * 3];
    for q in 0..rows.cells() {
        mix_into(&mut mixed, &weights(&pair.plan, q, rebuild), &patches);
        let (row, column) = rows.place(q);
        for y in 0..patch[1] {
            for x in 0..patch[0] {
                let from = (y * patch[0] + x) * 3;
                let to = ((row * patch[1] + y) * width + column * patch[0] + x) * 4;
                for channel in 0..3 {
                    rgba[to + channel] = (mixed[from + channel] * 255.0).round().clamp(0.0, 255.0) as u8;
                }
            }
        }
    }
    Pixels { width: width as u32, height: height as u32, rgba }
}

fn patch_side(query: usize, gallery: usize) -> usize {
    SIDE_PX.div_ceil(query.max(gallery).max(1)).max(1)
}

/// Gallery cells and their parts of a query cell; the parts sum to 1, or there are none.
fn weights(plan: &TransportPlan, q: usize, rebuild: Rebuild) -> Vec<(usize, f32)> {
    let row = plan.row(q);
    let total: f32 = row.iter().sum();
    if total <= 0.0 || !total.is_finite() {
        return Vec::new();
    }
    match rebuild {
        Rebuild::Best => plan.heaviest(q).map(|best| (best, 1.0)).into_iter().collect(),
        Rebuild::Mixture => {
            let mut kept: Vec<(usize, f32)> =
                row.iter().map(|mass| mass / total).enumerate().filter(|(_, part)| *part >= LEAST_SHARE).collect();
            let sum: f32 = kept.iter().map(|(_, part)| part).sum();
            kept.iter_mut().for_each(|(_, part)| *part /= sum);
            kept
        }
    }
}

fn mix_into(mixed: &mut [f32], weights: &[(usize, f32)], patches: &[Vec<f32>]) {
    mixed.fill(if weights.is_empty() { 0.5 } else { 0.0 });
    for &(g, part) in weights {
        for (sum, value) in mixed.iter_mut().zip(&patches[g]) {
            *sum += part * value;
        }
    }
}

/// Every gallery cell as a patch of this many pixels, RGB in 0..=1.
fn patches(picture: &SquarePicture, grid: Grid, [width, height]: [usize; 2]) -> Vec<Vec<f32>> {
    let levels: Vec<Level> = levels(&picture.pixels);
    let [across, down] = [(width * grid.columns) as f32, (height * grid.rows) as f32];
    let texels = (levels[0].width as f32 / across).max(levels[0].height as f32 / down);
    let patch = |cell: usize| {
        let (row, column) = grid.place(cell);
        (0..width * height)
            .flat_map(|at| {
                let (x, y) = (column * width + at % width, row * height + at / width);
                sample(&levels, (x as f32 + 0.5) / across, (y as f32 + 0.5) / down, texels)
            })
            .collect()
    };
    (0..grid.cells()).map(patch).collect()
}
