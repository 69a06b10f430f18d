//! 3x3 convolution of stride 1 by F(4x4, 3x3), between blocked maps and with weights transformed once; the transforms and
//! their error are in `ops::winograd`.

use rayon::prelude::*;

use super::direct::{Layer, padded};
use super::kernel::{PIXELS, Run, Tile};
use super::map::{LANES, Map, Space};
use crate::nn::ops::product::with_scratch;
pub use crate::nn::ops::winograd::fits;
use crate::nn::ops::winograd::{IN, OUT, POINTS, input_line, output_line, weight_line};

/// Tiles of one task at most: their transforms stay in the caches while all weights pass by.
const TILES: usize = 24;
/// Tasks a layer is cut into where its size allows.
const TASKS: usize = 4;

type Lanes = [f32; LANES];

/// A 3x3 convolution's transformed weights.
pub struct Winograd {
    /// `[36][output blocks][channels][16]`.
    weights: Vec<f32>,
    bias: Vec<f32>,
    inputs: usize,
}

impl Winograd {
    /// `weights [filters, channels, 3, 3]`.
    pub fn new(weights: &[f32], bias: &[f32], channels: usize) -> Self {
        let filters = bias.len();
        assert_eq!(weights.len(), filters * channels * 9, "weights of another shape");
        let (blocks, inputs) = (filters.div_ceil(LANES), channels.next_multiple_of(LANES));
        let mut all = vec![0.0; POINTS * blocks * inputs * LANES];
        transform_weights(weights, filters, channels, &mut all);
        Self { weights: all, bias: padded(bias), inputs }
    }

    /// The input's halo must be 1.
    pub fn run(&self, kernel: Run, layer: &Layer<'_>) {
        let (x, y) = (layer.x, layer.y);
        assert!(x.halo >= 1 && x.lanes == LANES && x.blocks() * LANES == self.inputs, "a map of another kind");
        let (down, across) = (y.height.div_ceil(OUT), y.width.div_ceil(OUT));
        let total = layer.images * down * across;
        let each = TILES.min(total.div_ceil(TASKS).next_multiple_of(PIXELS)).min(total.div_ceil(2)).max(1);
        let (inputs, outputs) = (x.blocks(), y.blocks());
        let (input, output) = transforms();
        (0..total.div_ceil(each)).into_par_iter().with_max_len(1).for_each(|task| {
            let tiles = task * each..total.min((task + 1) * each);
            let count = tiles.len();
            let place = |tile: usize| (tile / (down * across), tile / across % down * OUT, tile % across * OUT);
            with_scratch(POINTS * inputs * count * LANES, |v: &mut [f32]| {
                for (i, tile) in tiles.clone().enumerate() {
                    let (image, row, column) = place(tile);
                    for block in 0..inputs {
                        // SAFETY: inputs are not written during this step; the processor was asked.
                        unsafe {
                            let plane = layer.x_space.get(image * x.image() + block * x.plane(), x.plane());
                            let at = (block * count + i) * LANES;
                            input(&x, plane, row, column, v, at, inputs * count * LANES);
                        }
                    }
                }
                with_scratch(POINTS * outputs * count * LANES, |m: &mut [f32]| {
                    self.products(kernel, v, m, count, outputs);
                    for (i, tile) in tiles.enumerate() {
                        let (image, row, column) = place(tile);
                        for block in 0..outputs {
                            let mut out = [[[0.0; LANES]; OUT]; OUT];
                            // SAFETY: the processor was asked.
                            unsafe { output(m, (block * count + i) * LANES, outputs * count * LANES, &mut out) }
                            self.store(layer, &out, image, block, row, column);
                        }
                    }
                });
            });
        });
    }

    /// `m[point][block][tile] = Σ_channels v[point][..][tile] u[point][block]`.
    fn products(&self, kernel: Run, v: &[f32], m: &mut [f32], count: usize, outputs: usize) {
        /// Input blocks whose weights stay in the first-level cache.
        const PART: usize = 16;
        let zero = [0.0_f32; LANES];
        let inputs = self.inputs / LANES;
        let places: [usize; TILES] = std::array::from_fn(|tile| tile * LANES);
        assert!(count <= TILES && v.len() >= POINTS * inputs * count * LANES);
        assert!(
            m.len() >= POINTS * outputs * count * LANES && self.weights.len() == POINTS * outputs * self.inputs * LANES
        );
        for point in 0..POINTS {
            for block in 0..outputs {
                for first in (0..inputs).step_by(PART) {
                    let mut runs = [0; PART];
                    let part = first..inputs.min(first + PART);
                    part.clone()
                        .zip(&mut runs)
                        .for_each(|(input, run)| *run = (point * inputs + input) * count * LANES);
                    let weights = ((point * outputs + block) * self.inputs + first * LANES) * LANES;
                    for tile in (0..count).step_by(PIXELS) {
                        let tile = tile..count.min(tile + PIXELS);
                        let tile = Tile {
                            x: v.as_ptr(),
                            at: &places[tile.clone()],
                            runs: &runs[..part.len()],
                            length: LANES,
                            weights: self.weights[weights..].as_ptr(),
                            start: if first == 0 { zero.as_ptr() } else { std::ptr::null() },
                            y: m[(point * outputs + block) * count * LANES..].as_mut_ptr(),
                            to: &places[tile.clone()],
                            residual: std::ptr::null(),
                            from: &places[tile],
                            floor: f32::NEG_INFINITY,
                            end: None,
                        };
                        // SAFETY: the lengths were checked above, and both buffers are this task's own.
                        unsafe { kernel(&tile) }
                    }
                }
            }
        }
    }

    fn store(
        &self,
        layer: &Layer<'_>,
        out: &[[Lanes; OUT]; OUT],
        image: usize,
        block: usize,
        row: usize,
        column: usize,
    ) {
        let y = layer.y;
        let bias = &self.bias[block * LANES..][..LANES];
        let floor = if layer.relu { 0.0 } else { f32::NEG_INFINITY };
        let columns = OUT.min(y.width - column);
        for (down, line) in out.iter().enumerate().take(OUT.min(y.height - row)) {
            let place =
                |map: &Map| image * map.image() + block * map.plane() + map.at((row + down) as isize, column as isize);
            // SAFETY: a tile's outputs are its task's alone, and the residual is not written during this step.
            let (to, r) = unsafe {
                let to = layer.y_space.get_mut(place(&y), columns * LANES);
                (to, layer.residual.as_ref().map(|(map, space)| space.get(place(map), columns * LANES)))
            };
            for (i, (to, values)) in to.chunks_exact_mut(LANES).zip(line).enumerate() {
                for lane in 0..LANES {
                    let sum = values[lane] + bias[lane] + r.map_or(0.0, |r| r[i * LANES + lane]);
                    to[lane] = if sum < floor { floor } else { sum };
                }
            }
        }
    }
}

/// `G g Gᵀ` of every filter and channel, in 64 bits and rounded once, to `[36][output blocks][channels][16]`.
fn transform_weights(weights: &[f32], filters: usize, channels: usize, all: &mut [f32]) {
    let (blocks, inputs) = (filters.div_ceil(LANES), channels.next_multiple_of(LANES));
    let space = Space::new(all);
    (0..blocks * inputs).into_par_iter().with_min_len(16).for_each(|place| {
        let (block, channel) = (place / inputs, place % inputs);
        let mut taps = [[[0.0; LANES]; 3]; 3];
        for lane in 0..LANES.min(filters - block * LANES) {
            for tap in 0..if channel < channels { 9 } else { 0 } {
                taps[tap % 3][tap / 3][lane] =
                    f64::from(weights[((block * LANES + lane) * channels + channel) * 9 + tap]);
            }
        }
        // Columns first, then rows.
        let half: [[[f64; LANES]; IN]; 3] = taps.map(weight_line::<f32, LANES>);
        let turned: [[[f64; LANES]; 3]; IN] = std::array::from_fn(|row| half.map(|column| column[row]));
        for (row, values) in turned.into_iter().enumerate() {
            for (column, values) in weight_line::<f32, LANES>(values).iter().enumerate() {
                let at = (((row * IN + column) * blocks + block) * inputs + channel) * LANES;
                // SAFETY: sixteen places for each (point, block, channel), and each pair of the latter is one task's.
                let to = unsafe { space.get_mut(at, LANES) };
                to.iter_mut().zip(values).for_each(|(to, v)| *to = *v as f32);
            }
        }
    });
}

/// The inputs of a tile; places beyond the map and its halo are zeros.
#[inline(always)]
fn read(x: &Map, plane: &[f32], row: usize, column: usize, window: &mut [[Lanes; IN]; IN]) {
    let rows = IN.min(x.height + x.halo + 1 - row);
    let columns = IN.min(x.width + x.halo + 1 - column);
    for (down, line) in window.iter_mut().enumerate().take(rows) {
        let at = x.at((row + down) as isize - 1, column as isize - 1);
        let from = &plane[at..at + columns * LANES];
        for (values, from) in line.iter_mut().zip(from.chunks_exact(LANES)) {
            values.copy_from_slice(from);
        }
    }
}

/// One tile of inputs: from a plane of the map, at a row and a column, to 36 places of `v` from the first on, a step apart.
type Input = unsafe fn(&Map, &[f32], usize, usize, &mut [f32], usize, usize);
/// One tile of outputs: from 36 places of `m` as [`Input`] leaves them.
type Output = unsafe fn(&[f32], usize, usize, &mut [[Lanes; OUT]; OUT]);

/// The transforms in the best instructions there are; the same bits in all.
fn transforms() -> (Input, Output) {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        return (input_avx2, output_avx2);
    }
    (input, output)
}

/// # Safety
/// The processor has AVX2.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
unsafe fn input_avx2(x: &Map, plane: &[f32], row: usize, column: usize, v: &mut [f32], at: usize, step: usize) {
    input(x, plane, row, column, v, at, step);
}

/// # Safety
/// The processor has AVX2.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
unsafe fn output_avx2(m: &[f32], at: usize, step: usize, out: &mut [[Lanes; OUT]; OUT]) {
    output(m, at, step, out);
}

#[inline(always)]
fn input(x: &Map, plane: &[f32], row: usize, column: usize, v: &mut [f32], at: usize, step: usize) {
    let mut window = [[[0.0; LANES]; IN]; IN];
    read(x, plane, row, column, &mut window);
    transform_input(&mut window);
    for (values, v) in window.iter().flatten().zip(v[at..].chunks_mut(step)) {
        v[..LANES].copy_from_slice(values);
    }
}

#[inline(always)]
fn output(m: &[f32], at: usize, step: usize, out: &mut [[Lanes; OUT]; OUT]) {
    let mut window = [[[0.0; LANES]; IN]; IN];
    for (values, m) in window.iter_mut().flatten().zip(m[at..].chunks(step)) {
        values.copy_from_slice(&m[..LANES]);
    }
    *out = transform_output(&window);
}

/// `Bᵀ d B` in place.
#[inline(always)]
fn transform_input(window: &mut [[Lanes; IN]; IN]) {
    let turned: [[Lanes; IN]; IN] =
        std::array::from_fn(|column| input_line(std::array::from_fn(|row| window[row][column])));
    for (row, line) in window.iter_mut().enumerate() {
        *line = input_line(std::array::from_fn(|column| turned[column][row]));
    }
}

/// `Aᵀ m A`.
#[inline(always)]
fn transform_output(window: &[[Lanes; IN]; IN]) -> [[Lanes; OUT]; OUT] {
    let turned: [[Lanes; OUT]; IN] =
        std::array::from_fn(|column| output_line(std::array::from_fn(|row| window[row][column])));
    std::array::from_fn(|row| output_line(std::array::from_fn(|column| turned[column][row])))
}
