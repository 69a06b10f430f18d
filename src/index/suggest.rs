//! Parts of a photo that are worth searching, from the network's own activation.
//!
//! A cell speaks for the photo as far as it agrees with the global vector, which is the mean of the cells before they were
//! brought to one length: cells in which the network finds much weigh much in it (class activation maps without a class:
//! Zhou et al., CVPR 2016). The map is smoothed, split in two by Otsu's threshold (1979), and what hangs together becomes a
//! box. The same photo always gives the same boxes.

use crate::domain::{CropRect, Grid};
use crate::nn::CellFeatures;

/// Points of the smoothed map along one cell.
const FINE: usize = 4;
/// Most boxes.
const MOST: usize = 3;
/// A box covers more than this share of the photo, and less than that.
const AREA: std::ops::Range<f32> = 0.03..0.9;
/// Classes that differ by less than this share of the map's range are one.
const LEAST_CONTRAST: f32 = 0.05;

/// How far each cell of a photo agrees with the photo as a whole, 0..=1.
pub fn activation(features: &CellFeatures, photo: usize) -> Vec<f32> {
    let global = features.global_of(photo);
    let agreement = |cell: &[f32]| cell.iter().zip(global).map(|(a, b)| a * b).sum::<f32>().clamp(0.0, 1.0);
    features.cells_of(photo).chunks_exact(features.dim.max(1)).map(agreement).collect()
}

/// Boxes in a photo of this size, the strongest first. `activation` is row by row over the square into which the photo was
/// fitted; `content` is the part of it that is photo, as left, top, right, bottom in 0..=1.
pub fn boxes(activation: &[f32], grid: Grid, content: [f32; 4], [width, height]: [u32; 2]) -> Vec<CropRect> {
    let [left, top, right, bottom] = content;
    if activation.len() != grid.cells() || grid.cells() == 0 || right <= left || bottom <= top {
        return Vec::new();
    }
    let (columns, rows) = (grid.columns * FINE, grid.rows * FINE);
    let inside = |at: usize| {
        let (x, y) = (((at % columns) as f32 + 0.5) / columns as f32, ((at / columns) as f32 + 0.5) / rows as f32);
        (left..right).contains(&x) && (top..bottom).contains(&y)
    };
    let fine: Vec<f32> = (0..columns * rows).map(|at| smoothed(activation, grid, at % columns, at / columns)).collect();
    let values: Vec<f32> = (0..fine.len()).filter(|&at| inside(at)).map(|at| fine[at]).collect();
    let Some(threshold) = otsu(&values) else { return Vec::new() };
    let on: Vec<bool> = (0..fine.len()).map(|at| inside(at) && fine[at] > threshold).collect();

    let mut found: Vec<(f32, CropRect)> = Vec::new();
    for part in parts(&on, columns) {
        let strength: f32 = part.iter().map(|&at| fine[at] - threshold).sum();
        let across = part.iter().map(|&at| at % columns);
        let down = part.iter().map(|&at| at / columns);
        let (x0, x1) = (across.clone().min().unwrap_or(0), across.max().unwrap_or(0) + 1);
        let (y0, y1) = (down.clone().min().unwrap_or(0), down.max().unwrap_or(0) + 1);
        // From shares of the square to shares of the photo.
        let x = |at: usize| ((at as f32 / columns as f32 - left) / (right - left)).clamp(0.0, 1.0) * width as f32;
        let y = |at: usize| ((at as f32 / rows as f32 - top) / (bottom - top)).clamp(0.0, 1.0) * height as f32;
        let (x0, x1, y0, y1) = (x(x0).round(), x(x1).round(), y(y0).round(), y(y1).round());
        let area = (x1 - x0) * (y1 - y0) / (width as f32 * height as f32).max(1.0);
        if AREA.contains(&area) && x1 - x0 >= 1.0 && y1 - y0 >= 1.0 {
            found.push((strength, CropRect::new(x0, y0, x1 - x0, y1 - y0)));
        }
    }
    found.sort_by(|a, b| b.0.total_cmp(&a.0));
    found.truncate(MOST);
    found.into_iter().map(|(_, part)| part).collect()
}

/// The map between the cells' centres, linear in both directions.
fn smoothed(activation: &[f32], grid: Grid, x: usize, y: usize) -> f32 {
    let place = |at: usize, count: usize| {
        let at = ((at as f32 + 0.5) / FINE as f32 - 0.5).clamp(0.0, (count - 1) as f32);
        let low = at.floor() as usize;
        (low, (low + 1).min(count - 1), at - low as f32)
    };
    let ((x0, x1, fx), (y0, y1, fy)) = (place(x, grid.columns), place(y, grid.rows));
    let at = |row: usize, column: usize| activation[row * grid.columns + column];
    let (upper, lower) = (at(y0, x0) * (1.0 - fx) + at(y0, x1) * fx, at(y1, x0) * (1.0 - fx) + at(y1, x1) * fx);
    upper * (1.0 - fy) + lower * fy
}

/// The value that splits others in two so that the two differ most; `None` where there is nothing to tell apart.
fn otsu(values: &[f32]) -> Option<f32> {
    const BINS: usize = 64;
    let (low, high) = values.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(l, h), &v| (l.min(v), h.max(v)));
    if !(low.is_finite() && high.is_finite() && high - low > LEAST_CONTRAST) {
        return None;
    }
    let mut bins = [0usize; BINS];
    for value in values {
        bins[(((value - low) / (high - low) * BINS as f32) as usize).min(BINS - 1)] += 1;
    }
    let total = values.len() as f64;
    let sum: f64 = bins.iter().enumerate().map(|(bin, &count)| bin as f64 * count as f64).sum();
    let (mut below, mut sum_below, mut best) = (0.0, 0.0, (0.0, 0));
    for (bin, &count) in bins.iter().enumerate().take(BINS - 1) {
        below += count as f64;
        sum_below += bin as f64 * count as f64;
        let above = total - below;
        if below == 0.0 || above == 0.0 {
            continue;
        }
        let apart = sum_below / below - (sum - sum_below) / above;
        let between = below * above * apart * apart;
        if between > best.0 {
            best = (between, bin);
        }
    }
    (best.0 > 0.0).then(|| low + (best.1 + 1) as f32 / BINS as f32 * (high - low))
}

/// Points that hang together, up, down, left and right; in the order of their first.
fn parts(on: &[bool], columns: usize) -> Vec<Vec<usize>> {
    let mut seen = vec![false; on.len()];
    let mut parts = Vec::new();
    for start in 0..on.len() {
        if !on[start] || seen[start] {
            continue;
        }
        let (mut part, mut open) = (Vec::new(), vec![start]);
        seen[start] = true;
        while let Some(at) = open.pop() {
            part.push(at);
            let column = at % columns;
            let beside = [
                (column > 0).then(|| at - 1),
                (column + 1 < columns).then(|| at + 1),
                at.checked_sub(columns),
                (at + columns < on.len()).then(|| at + columns),
            ];
            for next in beside.into_iter().flatten() {
                if on[next] && !seen[next] {
                    seen[next] = true;
                    open.push(next);
                }
            }
        }
        parts.push(part);
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: [f32; 4] = [0.0, 0.0, 1.0, 1.0];

    fn blobs(grid: Grid, blobs: &[(usize, usize, usize, usize, f32)]) -> Vec<f32> {
        let mut map = vec![0.1; grid.cells()];
        for &(x0, y0, x1, y1, value) in blobs {
            for row in y0..y1 {
                for column in x0..x1 {
                    map[row * grid.columns + column] = value;
                }
            }
        }
        map
    }

    fn near(a: CropRect, b: CropRect, slack: f32) -> bool {
        [(a.x, b.x), (a.y, b.y), (a.x + a.width, b.x + b.width), (a.y + a.height, b.y + b.height)]
            .iter()
            .all(|(a, b)| (a - b).abs() <= slack)
    }

    #[test]
    fn a_blob_becomes_the_box_around_it() {
        let grid = Grid::new(7, 7);
        let found = boxes(&blobs(grid, &[(2, 1, 5, 6, 0.9)]), grid, WHOLE, [700, 1400]);
        // Half a cell of slack: the border lies where the smoothed map falls.
        assert_eq!(found.len(), 1);
        assert!(near(found[0], CropRect::new(200.0, 200.0, 300.0, 1000.0), 101.0), "{found:?}");
    }

    #[test]
    fn two_blobs_become_two_boxes_the_stronger_first_and_repeat() {
        let grid = Grid::new(10, 8);
        let map = blobs(grid, &[(0, 0, 3, 3, 0.6), (4, 5, 8, 9, 0.9)]);
        let found = boxes(&map, grid, WHOLE, [80, 100]);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(near(found[0], CropRect::new(40.0, 50.0, 40.0, 40.0), 6.0), "{found:?}");
        assert!(near(found[1], CropRect::new(0.0, 0.0, 30.0, 30.0), 6.0), "{found:?}");
        assert_eq!(boxes(&map, grid, WHOLE, [80, 100]), found);
    }

    #[test]
    fn padding_is_no_part_of_the_photo() {
        let grid = Grid::new(8, 8);
        // A photo half as wide as high, in the middle of its square; the padding is bright as well.
        let map = blobs(grid, &[(0, 0, 2, 8, 0.9), (3, 2, 5, 5, 0.9)]);
        let found = boxes(&map, grid, [0.25, 0.0, 0.75, 1.0], [400, 800]);
        let garment = CropRect::new(100.0, 200.0, 200.0, 300.0);
        assert!(found.iter().any(|part| near(*part, garment, 60.0)), "{found:?}");
        for part in found {
            assert!(part.x >= 0.0 && part.x + part.width <= 400.0 && part.y + part.height <= 800.0);
        }
    }

    #[test]
    fn where_nothing_stands_out_nothing_is_suggested() {
        let grid = Grid::new(5, 5);
        assert_eq!(boxes(&[0.5; 25], grid, WHOLE, [50, 50]), []);
        assert_eq!(boxes(&[f32::NAN; 25], grid, WHOLE, [50, 50]), []);
        assert_eq!(boxes(&[0.5; 24], grid, WHOLE, [50, 50]), []);
        assert_eq!(boxes(&[0.5; 25], grid, [0.5, 0.5, 0.5, 0.5], [50, 50]), []);
    }

    #[test]
    fn activation_is_the_agreement_of_a_cell_with_the_whole() {
        let features = CellFeatures {
            grid: Grid::new(1, 3),
            dim: 2,
            cells: vec![1.0, 0.0, 0.6, 0.8, -1.0, 0.0],
            globals: vec![1.0, 0.0],
        };
        assert_eq!(activation(&features, 0), [1.0, 0.6, 0.0]);
    }
}
