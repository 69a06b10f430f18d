//! Convolution without any intermediate matrix: each tile of pixels reads its inputs out of the blocked map, and bias,
//! residual and ReLU are applied before it is stored (the layout and loop of Georganas et al., "Anatomy of
//! high-performance deep learning convolutions on SIMD architectures", SC 2018).

use rayon::prelude::*;

use std::sync::atomic::AtomicU32;

use super::int8::{self, Dot};
use super::kernel::{PIXELS, Run, Tile, Units};
use super::map::{LANES, Map, Space};
use crate::nn::ops::conv::ConvSpec;

/// Steps of the loop for which the weights of an output block stay in the first-level cache.
const PART: usize = 18 * LANES;
/// Runs of such a part at most.
const RUNS: usize = PART / 4;
/// Input values one task's pixels cover at most, so that they stay in the second-level cache.
const REACH: usize = 24 << 10;
/// Pixels of one task at most.
const MOST: usize = 192;
/// Tasks a layer is cut into where its size allows.
const TASKS: usize = 8;

const ZEROS: [f32; LANES] = [0.0; LANES];

/// Output channels of one block: which runs it reads and its weights.
struct Block {
    /// Offsets of the runs: (tap's row, tap's column, input block).
    runs: Vec<(usize, usize, usize)>,
    /// `[runs][length][16]`, as bits.
    weights: Vec<u32>,
}

/// What is multiplied.
#[derive(Clone, Copy)]
pub enum Form {
    /// Pixels of a photo, which hold all channels.
    Photo,
    Blocks,
    /// Words of rounded inputs with rounded weights.
    Int8(Dot),
}

/// A convolution's weights in the order its loop reads them.
pub struct Direct {
    blocks: Vec<Block>,
    /// `[blocks * 16]`.
    bias: Vec<f32>,
    /// Of rounded weights: what one is worth, `[blocks * 16]`.
    units: Option<Vec<f32>>,
    /// Values or words of one run.
    length: usize,
    spec: ConvSpec,
}

/// One layer's maps and memory.
pub struct Layer<'a> {
    pub x: Map,
    pub x_space: Space<'a>,
    pub y: Map,
    pub y_space: Space<'a>,
    pub residual: Option<(Map, Space<'a>)>,
    pub images: usize,
    pub relu: bool,
    /// Of a map of rounded values: the bits of each image's largest one before.
    pub largest: &'a [AtomicU32],
}

/// `bias`, filled up with zeros to whole blocks.
pub fn padded(bias: &[f32]) -> Vec<f32> {
    let mut all = bias.to_vec();
    all.resize(bias.len().next_multiple_of(LANES), 0.0);
    all
}

impl Direct {
    /// `weights [filters, depth, kh, kw]` over an input of `channels`.
    pub fn new(
        weights: &[f32],
        bias: &[f32],
        channels: usize,
        form: Form,
        kernel: (usize, usize),
        spec: ConvSpec,
    ) -> Self {
        let (kh, kw) = kernel;
        let filters = bias.len();
        let depth = channels / spec.groups;
        let per_group = filters / spec.groups;
        assert_eq!(weights.len(), filters * depth * kh * kw, "weights of another shape");
        // A photo's pixels are so short that a whole line of the kernel is one run.
        let photo = matches!(form, Form::Photo);
        assert!(!photo || (spec.groups == 1 && spec.dilation.1 == 1), "a photo is convolved plainly");
        let length = match form {
            Form::Photo => kw * channels,
            Form::Blocks => LANES,
            Form::Int8(dot) => LANES / dot.values,
        };
        let row = depth * kh * kw;
        let units = matches!(form, Form::Int8(_)).then(|| {
            let units: Vec<f32> = (0..filters).map(|f| int8::unit_of_weights(&weights[f * row..][..row])).collect();
            padded(&units)
        });
        let weight = |filter: usize, channel: usize, a: usize, b: usize| {
            let group = filter.min(filters - 1) / per_group;
            let inside = (group * depth..(group + 1) * depth).contains(&channel) && filter < filters;
            if inside { weights[((filter * depth + channel - group * depth) * kh + a) * kw + b] } else { 0.0 }
        };
        let blocks = (0..filters.div_ceil(LANES))
            .map(|block| {
                let (first, last) = (block * LANES, (block * LANES + LANES).min(filters) - 1);
                let (from, to) = (first / per_group * depth, (last / per_group + 1) * depth);
                let mut runs = Vec::new();
                let mut packed = Vec::new();
                let mut push = |channel: usize, a: usize, b: usize| {
                    packed.extend((first..first + LANES).map(|filter| match (form, &units) {
                        (Form::Int8(dot), Some(units)) => {
                            let channels = channel..channel + dot.values;
                            dot.word(channels.map(|channel| {
                                let weight = weight(filter, channel, a, b);
                                if weight == 0.0 { 0 } else { int8::rounded(weight, units[filter]) }
                            }))
                        }
                        _ => weight(filter, channel, a, b).to_bits(),
                    }));
                };
                let step = LANES / length.min(LANES);
                if photo {
                    for a in 0..kh {
                        runs.push((a, 0, 0));
                        (0..kw).for_each(|b| (0..channels).for_each(|channel| push(channel, a, b)));
                    }
                } else {
                    for input in from / LANES..to.div_ceil(LANES) {
                        for (a, b) in (0..kh).flat_map(|a| (0..kw).map(move |b| (a, b))) {
                            runs.push((a, b, input));
                            (input * LANES..(input + 1) * LANES).step_by(step).for_each(|channel| push(channel, a, b));
                        }
                    }
                }
                Block { runs, weights: packed }
            })
            .collect();
        Self { blocks, bias: padded(bias), units, length, spec }
    }

    pub fn run(&self, kernel: Run, layer: &Layer<'_>) {
        let Layer { x, y, images, .. } = layer;
        let total = images * y.pixels();
        let most = (REACH / (x.channels * self.spec.stride.0 * self.spec.stride.1)).clamp(4 * PIXELS, MOST);
        let each = most.min(total.div_ceil(TASKS)).next_multiple_of(PIXELS);
        let cuts = total.div_ceil(each.max(1));
        let parts = TASKS.div_ceil(cuts.max(1)).min(self.blocks.len());
        let (stride, dilation, padding) = (self.spec.stride, self.spec.dilation, self.spec.padding);
        // Offsets of the taps, and how far the farthest reaches.
        let offset = |&(a, b, input): &(usize, usize, usize)| {
            a * dilation.0 * x.row() + b * dilation.1 * x.lanes + input * x.plane()
        };
        let residual = layer.residual.as_ref();
        (0..cuts * parts).into_par_iter().with_max_len(1).for_each(|task| {
            let (cut, part) = (task / parts, task % parts);
            let pixels = cut * each..total.min((cut + 1) * each);
            let (mut at, mut to, mut from, mut units) = ([0; MOST], [0; MOST], [0; MOST], [0.0; MOST]);
            let count = pixels.len();
            for (i, pixel) in pixels.enumerate() {
                let (image, pixel) = (pixel / y.pixels(), pixel % y.pixels());
                let (row, column) = (pixel / y.width, pixel % y.width);
                let top = (row * stride.0) as isize - padding.0 as isize;
                let left = (column * stride.1) as isize - padding.1 as isize;
                at[i] = image * x.image() + x.at(top, left);
                to[i] = image * y.image() + y.at(row as isize, column as isize);
                units[i] = self.units.as_ref().map_or(1.0, |_| int8::unit(&layer.largest[image]));
                from[i] = residual.map_or(0, |(r, _)| image * r.image() + r.at(row as isize, column as isize));
            }
            let farthest = |places: &[usize; MOST]| places[..count].iter().max().copied().unwrap_or(0);
            let (far_x, far_y, far_r) = (farthest(&at), farthest(&to), farthest(&from));
            let blocks = self.blocks.len();
            for number in part * blocks / parts..(part + 1) * blocks / parts {
                let block = &self.blocks[number];
                let parts = block.runs.len().div_ceil((PART / self.length).max(1)).max(1);
                let each = block.runs.len().div_ceil(parts).max(1);
                let mut weights = block.weights.as_slice();
                let bias = &self.bias[number * LANES..][..LANES];
                for (number_of_part, taps) in block.runs.chunks(each).enumerate() {
                    let mut runs = [0; RUNS];
                    taps.iter().zip(&mut runs).for_each(|(tap, run)| *run = offset(tap));
                    let runs = &runs[..taps.len()];
                    let (now, rest) = weights.split_at(taps.len() * self.length * LANES);
                    weights = rest;
                    let start = match number_of_part {
                        // Integers get the bias behind them; the zeros are theirs too.
                        0 => (if self.units.is_some() { &ZEROS } else { bias }).as_ptr(),
                        _ => std::ptr::null(),
                    };
                    let last = (number_of_part + 1) * each >= block.runs.len();
                    let reach = runs.iter().max().map_or(0, |run| run + self.length);
                    let y_at = number * y.plane();
                    let y_part = layer.y_space.part(y_at, layer.y_space.len() - y_at);
                    let r_part = residual.filter(|_| last).map(|(r, space)| {
                        let at = number * r.plane();
                        space.part(at, space.len() - at)
                    });
                    assert!(far_x + reach <= layer.x_space.len(), "a tap beyond its map");
                    assert!(far_y + LANES <= y_part.len(), "a pixel beyond its map");
                    assert!(r_part.is_none_or(|r| far_r + LANES <= r.len()), "a residual beyond its map");
                    for first in (0..count).step_by(PIXELS) {
                        let tile = first..count.min(first + PIXELS);
                        let tile = Tile {
                            x: layer.x_space.start(),
                            at: &at[tile.clone()],
                            runs,
                            length: self.length,
                            weights: now.as_ptr().cast(),
                            start,
                            y: y_part.start(),
                            to: &to[tile.clone()],
                            residual: r_part.map_or(std::ptr::null(), |r| r.start().cast_const()),
                            from: &from[tile.clone()],
                            floor: if last && layer.relu { 0.0 } else { f32::NEG_INFINITY },
                            end: self.units.as_ref().filter(|_| last).map(|all| Units {
                                of_inputs: &units[tile],
                                of_weights: all[number * LANES..][..LANES].as_ptr(),
                                bias: bias.as_ptr(),
                            }),
                        };
                        // SAFETY: places were checked above against the lengths; (pixel, block) pairs are each one
                        // task's alone; the maps read are not those written, by the plan.
                        unsafe { kernel(&tile) }
                    }
                }
            }
        });
    }
}
