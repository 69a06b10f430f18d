//! The steps between convolutions, each one pass over the maps: pools, scales, gates, and the ways in and out.

use rayon::prelude::*;

use super::direct::{Layer, padded};
use super::map::{LANES, Map, Space};
use super::program::Window;
use crate::nn::ops::product::with_scratch;

/// Rows of a plane one task handles together.
const ROWS: usize = 8;

type Lanes = [f32; LANES];

/// Photos `[n, channels, h, w]` into a map whose pixels hold all channels.
pub fn take(photos: &[f32], map: &Map, space: Space<'_>, count: usize) {
    let (channels, pixels) = (map.channels, map.pixels());
    (0..count * map.height).into_par_iter().with_min_len(ROWS).for_each(|line| {
        let (image, row) = (line / map.height, line % map.height);
        let photo = &photos[image * channels * pixels..][..channels * pixels];
        // SAFETY: a row is one task's alone.
        let to = unsafe { space.get_mut(image * map.image() + map.at(row as isize, 0), map.width * channels) };
        for (column, to) in to.chunks_exact_mut(channels).enumerate() {
            for (channel, to) in to.iter_mut().enumerate() {
                *to = photo[channel * pixels + row * map.width + column];
            }
        }
    });
}

/// A blocked map to `[n, channels, h, w]`.
pub fn give(map: &Map, space: Space<'_>, out: &mut [f32]) {
    let (blocks, pixels, images) = (map.blocks(), map.pixels(), out.len() / (map.channels * map.pixels()).max(1));
    let out = Space::new(out);
    (0..images * blocks).into_par_iter().for_each(|plane| {
        let (image, block) = (plane / blocks, plane % blocks);
        let start = image * map.image() + block * map.plane();
        for row in 0..map.height {
            // SAFETY: nobody writes the map any more, and a block's channels are one task's alone.
            let from = unsafe { space.get(start + map.at(row as isize, 0), map.width * LANES) }.as_chunks::<LANES>().0;
            for lane in 0..LANES.min(map.channels - block * LANES) {
                let channel = image * map.channels + block * LANES + lane;
                // SAFETY: as above.
                let to = unsafe { out.get_mut(channel * pixels + row * map.width, map.width) };
                to.iter_mut().zip(from).for_each(|(to, v)| *to = v[lane]);
            }
        }
    });
}

/// Calls `f(image, block, row)` for all rows of all output planes, from many threads.
pub fn rows(layer: &Layer<'_>, f: impl Fn(usize, usize, usize) + Sync) {
    let (height, blocks) = (layer.y.height, layer.y.blocks());
    (0..layer.images * blocks * height).into_par_iter().with_min_len(ROWS).for_each(|row| {
        f(row / height / blocks, row / height % blocks, row % height);
    });
}

/// A row of a map's block, to be read.
///
/// # Safety
/// Nobody writes it during the step.
pub unsafe fn line<'a>(map: &Map, space: Space<'a>, image: usize, block: usize, row: usize) -> &'a [Lanes] {
    let at = image * map.image() + block * map.plane() + map.at(row as isize, 0);
    // SAFETY: the caller's promise.
    unsafe { space.get(at, map.width * LANES) }.as_chunks().0
}

/// A row of the result, to be written.
///
/// # Safety
/// Only one task may hold it.
unsafe fn line_mut<'a>(layer: &Layer<'a>, image: usize, block: usize, row: usize) -> &'a mut [Lanes] {
    let y = layer.y;
    let at = image * y.image() + block * y.plane() + y.at(row as isize, 0);
    // SAFETY: the caller's promise.
    unsafe { layer.y_space.get_mut(at, y.width * LANES) }.as_chunks_mut().0
}

/// The part of a window that lies in an axis of that length.
fn inside(window: Window, place: usize, length: usize) -> std::ops::Range<usize> {
    let start = place * window.stride;
    start.saturating_sub(window.padding)..(start + window.kernel).saturating_sub(window.padding).min(length)
}

/// The largest value of each window; NaN wins, padding never does.
pub fn max_pool(layer: &Layer<'_>, window: Window) {
    let x = layer.x;
    rows(layer, |image, block, row| {
        // SAFETY: a row is one task's alone, and inputs are not written.
        let y = unsafe { line_mut(layer, image, block, row) };
        y.fill([f32::NEG_INFINITY; LANES]);
        for from in inside(window, row, x.height) {
            // SAFETY: as above.
            let from = unsafe { line(&x, layer.x_space, image, block, from) };
            for (column, best) in y.iter_mut().enumerate() {
                for values in &from[inside(window, column, x.width)] {
                    for (best, &v) in best.iter_mut().zip(values) {
                        *best = if v > *best || v.is_nan() { v } else { *best };
                    }
                }
            }
        }
    });
}

/// The mean of each window.
pub fn mean_pool(layer: &Layer<'_>, window: Window) {
    let x = layer.x;
    let share = 1.0 / (window.kernel * window.kernel) as f32;
    rows(layer, |image, block, row| {
        // SAFETY: a row is one task's alone, and inputs are not written.
        let y = unsafe { line_mut(layer, image, block, row) };
        y.fill([0.0; LANES]);
        for from in inside(window, row, x.height) {
            // SAFETY: as above.
            let from = unsafe { line(&x, layer.x_space, image, block, from) };
            for (column, sum) in y.iter_mut().enumerate() {
                for values in &from[inside(window, column, x.width)] {
                    sum.iter_mut().zip(values).for_each(|(sum, v)| *sum += v);
                }
            }
        }
        y.iter_mut().flatten().for_each(|v| *v *= share);
    });
}

/// `relu(x * scale + shift)`.
pub fn scale_relu(layer: &Layer<'_>, scale: &[f32], shift: &[f32]) {
    let (scale, shift) = (scale.as_chunks::<LANES>().0, shift.as_chunks::<LANES>().0);
    rows(layer, |image, block, row| {
        // SAFETY: a row is one task's alone, and inputs are not written.
        let (x, y) = unsafe { (line(&layer.x, layer.x_space, image, block, row), line_mut(layer, image, block, row)) };
        for (y, x) in y.iter_mut().zip(x) {
            for lane in 0..LANES {
                let v = x[lane] * scale[block][lane] + shift[block][lane];
                y[lane] = if v < 0.0 { 0.0 } else { v };
            }
        }
    });
}

/// Squeeze and excitation (Hu et al. 2018) with the residual sum and the ReLU behind it.
pub struct Gate {
    channels: usize,
    /// `[inner, channels]`, its rows filled up to whole blocks.
    squeeze: Vec<f32>,
    squeeze_bias: Vec<f32>,
    /// `[channels, inner]`, likewise.
    excite: Vec<f32>,
    excite_bias: Vec<f32>,
}

impl Gate {
    /// `w1 [inner, channels]`, `b1`, `w2 [channels, inner]`, `b2`.
    pub fn new(channels: usize, [w1, b1, w2, b2]: [&[f32]; 4]) -> Self {
        assert!(
            w1.len() == b1.len() * channels && w2.len() == w1.len() && b2.len() == channels,
            "a gate of another width"
        );
        let rows = |values: &[f32], width: usize| values.chunks(width).flat_map(padded).collect();
        Self {
            channels,
            squeeze: rows(w1, channels),
            squeeze_bias: b1.to_vec(),
            excite: rows(w2, b1.len()),
            excite_bias: b2.to_vec(),
        }
    }

    pub fn run(&self, layer: &Layer<'_>) {
        let (x, images) = (layer.x, layer.images);
        let (wide, inner) = (x.blocks() * LANES, self.squeeze_bias.len());
        let narrow = inner.next_multiple_of(LANES);
        with_scratch(images * (2 * wide + narrow), |all: &mut [f32]| {
            let (means, all) = all.split_at_mut(images * wide);
            let (hidden, factors) = all.split_at_mut(images * narrow);
            let share = 1.0 / x.pixels() as f32;
            means.par_chunks_mut(LANES).enumerate().for_each(|(plane, mean)| {
                let mut sum = [0.0; LANES];
                for row in 0..x.height {
                    // SAFETY: inputs are not written during this step.
                    for values in unsafe { line(&x, layer.x_space, plane / x.blocks(), plane % x.blocks(), row) } {
                        sum.iter_mut().zip(values).for_each(|(sum, v)| *sum += v);
                    }
                }
                mean.iter_mut().zip(sum).for_each(|(mean, sum)| *mean = sum * share);
            });
            let means: &[f32] = means;
            hidden.par_iter_mut().enumerate().for_each(|(place, hidden)| {
                let (image, row) = (place / narrow, place % narrow);
                let dense = |row| dot(&means[image * wide..][..wide], &self.squeeze[row * wide..][..wide]);
                *hidden = if row < inner { (dense(row) + self.squeeze_bias[row]).max(0.0) } else { 0.0 };
            });
            let hidden: &[f32] = hidden;
            factors.par_iter_mut().with_min_len(64).enumerate().for_each(|(place, factor)| {
                let (image, row) = (place / wide, place % wide);
                let dense = |row| dot(&hidden[image * narrow..][..narrow], &self.excite[row * narrow..][..narrow]);
                // 1 / (1 + e^-z) without large numbers.
                *factor = if row < self.channels {
                    0.5 + 0.5 * (0.5 * (dense(row) + self.excite_bias[row])).tanh()
                } else {
                    0.0
                };
            });
            let factors = factors.as_chunks::<LANES>().0;
            rows(layer, |image, block, row| {
                // SAFETY: a row is one task's alone, and inputs are not written.
                let (from, y) =
                    unsafe { (line(&x, layer.x_space, image, block, row), line_mut(layer, image, block, row)) };
                let factor = factors[image * x.blocks() + block];
                // SAFETY: as above.
                let r = layer.residual.as_ref().map(|(map, space)| unsafe { line(map, *space, image, block, row) });
                for (column, (y, x)) in y.iter_mut().zip(from).enumerate() {
                    for lane in 0..LANES {
                        let v = x[lane] * factor[lane] + r.map_or(0.0, |r| r[column][lane]);
                        y[lane] = if v < 0.0 { 0.0 } else { v };
                    }
                }
            });
        });
    }
}

/// A sum of products in sixteen running sums, folded in a fixed order.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0; LANES];
    for (a, b) in a.as_chunks::<LANES>().0.iter().zip(b.as_chunks::<LANES>().0) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    sums.iter().sum()
}
