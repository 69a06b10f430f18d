//! Convolution on slices: forward, and the gradients of data, weights and bias, each as one matrix product whose right
//! factor is read out of the (padded) image by offsets.
//!
//! The gradient of the data is itself a set of stride-1 convolutions: the input pixels that share a remainder modulo the
//! stride see the same taps of the kernel, so each such phase is a small dense convolution of the output's gradient
//! (no col2im, no sum shared between tasks).

use std::mem::MaybeUninit;

use rayon::prelude::*;

use super::{
    conv::Geometry,
    conv_fast,
    elem::{self, Elem},
    product::{Columns, Rows, Share, compute, pack_rows, packed_len, shares, tasks_each, with_scratch},
};

/// What is done to an output value before it is stored.
#[derive(Clone, Copy)]
pub struct Epilogue<'a, T> {
    pub bias: Option<&'a [T]>,
    pub residual: Option<&'a [T]>,
    pub relu: bool,
}

impl<T> Epilogue<'_, T> {
    fn is_empty(&self) -> bool {
        self.bias.is_none() && self.residual.is_none() && !self.relu
    }
}

impl<T> Default for Epilogue<'_, T> {
    fn default() -> Self {
        Self { bias: None, residual: None, relu: false }
    }
}

/// A buffer that tasks write side by side, each its own places. It may hold nothing yet.
///
/// No race: during one call of rayon the buffer is reached through its `Target` alone, which borrows or owns it, is only
/// written, or added to in the very place, and each place belongs to one task. A matrix product's shares are a partition of
/// (part of the depth, row, column) by the sizes (`product::shares`; groups have rows of their own), and the place is
/// one-to-one in these: the forward pass writes (image, filter, pixel), the weights' gradient (part, filter, term), the
/// data's gradient the pixels of one phase, which share a remainder of the stride with no other phase's, phases being done
/// one after the other. A fast convolution's tiles are a partition of the pixels (`conv_fast`). Rayon's joins order each
/// call's writes before whatever reads them. Everything else in these operations splits slices by `par_chunks_mut`.
/// `scripts/race-check` runs the tests under ThreadSanitizer.
pub struct Target<T>(*mut T, usize);

// SAFETY: `Target::run` is the only access, and its callers give every place to one task.
unsafe impl<T: Send> Sync for Target<T> {}

impl<T: Elem> Target<T> {
    /// All places of values that are there.
    pub fn over(values: &mut [T]) -> Self {
        Self(values.as_mut_ptr(), values.len())
    }

    /// `len` places from `start`.
    ///
    /// # Safety
    /// No other task may hold any of these places.
    #[allow(clippy::mut_from_ref)]
    pub unsafe fn run(&self, start: usize, len: usize) -> &mut [MaybeUninit<T>] {
        assert!(start + len <= self.1, "a write beyond the output");
        // SAFETY: within the buffer as just checked, and exclusive by the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.0.add(start).cast(), len) }
    }
}

/// A vector that `fill` writes whole, without clearing it first.
pub fn written<T: Elem>(len: usize, fill: impl FnOnce(&Target<T>)) -> Vec<T> {
    // SAFETY: the callers' shares cover every place once.
    unsafe { elem::written(len, |places| fill(&Target(places.as_mut_ptr().cast(), len))) }
}

/// Calls `f` with every plane surrounded by zeros, and the new height and width; without padding with `x` itself.
pub fn with_padding<T: Elem, R>(
    x: &[T],
    (h, w): (usize, usize),
    [top, bottom, left, right]: [usize; 4],
    f: impl FnOnce(&[T], usize, usize) -> R,
) -> R {
    let (ph, pw) = (h + top + bottom, w + left + right);
    if (ph, pw) == (h, w) || x.is_empty() {
        return f(x, ph, pw);
    }
    with_scratch(x.len() / (h * w) * ph * pw, |padded: &mut [T]| {
        padded.par_chunks_mut(ph * pw).zip(x.par_chunks(h * w)).with_min_len(4).for_each(|(padded, x)| {
            padded[..top * pw].fill(T::ZERO);
            padded[(top + h) * pw..].fill(T::ZERO);
            for (padded, x) in padded[top * pw..].chunks_exact_mut(pw).zip(x.chunks_exact(w)) {
                padded[..left].fill(T::ZERO);
                padded[left..left + w].copy_from_slice(x);
                padded[left + w..].fill(T::ZERO);
            }
        });
        f(padded, ph, pw)
    })
}

/// Where a grid of pixels of all images lies in a buffer.
#[derive(Clone, Copy)]
struct Grid {
    images: usize,
    rows: usize,
    columns: usize,
    base: usize,
    image_step: usize,
    row_step: usize,
    column_step: usize,
}

impl Grid {
    fn offsets(&self) -> Vec<usize> {
        let mut all = Vec::with_capacity(self.images * self.rows * self.columns);
        for image in 0..self.images {
            for row in 0..self.rows {
                let start = self.base + image * self.image_step + row * self.row_step;
                all.extend((0..self.columns).map(|column| start + column * self.column_step));
            }
        }
        all
    }
}

/// Calls `f(offset in the tile, pixel of the image, image, length)` for each stretch of a tile within one image.
fn stretches(columns: std::ops::Range<usize>, pixels: usize, mut f: impl FnMut(usize, usize, usize, usize)) {
    let mut at = columns.start;
    while at < columns.end {
        let (image, pixel) = (at / pixels, at % pixels);
        let len = (pixels - pixel).min(columns.end - at);
        f(at - columns.start, pixel, image, len);
        at += len;
    }
}

/// Runs one product per group, cut into tasks; `store(group, share, block, stride)` gets each finished block.
fn grouped_product<T: Elem>(
    groups: usize,
    left: impl Fn(usize) -> (usize, usize),
    rows: Rows<'_, T>,
    columns: Columns<'_, T>,
    split_depth: bool,
    store: impl Fn(usize, &Share, &[T], usize) + Sync,
) {
    let kernel = T::best();
    let each = packed_len(&kernel, rows.rows, rows.at.len());
    let cut = shares(&kernel, rows.rows, columns.column_at.len(), rows.at.len(), tasks_each(groups), split_depth);
    with_scratch(groups * each, |packed: &mut [T]| {
        for (group, packed) in packed.chunks_mut(each.max(1)).enumerate() {
            pack_rows(&kernel, Rows { values: &rows.values[left(group).0..], ..rows }, packed);
        }
        let starts: Vec<usize> = (0..groups).map(|group| left(group).1).collect();
        let packed: &[T] = packed;
        (0..groups * cut.len()).into_par_iter().with_max_len(1).for_each(|task| {
            let (group, share) = (task / cut.len(), &cut[task % cut.len()]);
            let columns = Columns { values: &columns.values[starts[group]..], ..columns };
            let packed = &packed[group * each..(group + 1) * each];
            compute(&kernel, rows.rows, packed, &columns, share, |block, stride| store(group, share, block, stride));
        });
    });
}

/// Offsets of a filter's taps in an image padded to `ph x pw`.
fn taps(g: &Geometry, ph: usize, pw: usize) -> Vec<usize> {
    let (kh, kw) = g.kernel;
    (0..g.terms()).map(|t| (t / (kh * kw) * ph + t / kw % kh * g.dilation.0) * pw + t % kw * g.dilation.1).collect()
}

/// Offsets of the output pixels' first tap in a batch padded to `ph x pw`.
fn anchors(g: &Geometry, ph: usize, pw: usize) -> Vec<usize> {
    let grid = Grid {
        images: g.images,
        rows: g.out.0,
        columns: g.out.1,
        base: 0,
        image_step: g.channels * ph * pw,
        row_step: g.stride.0 * pw,
        column_step: g.stride.1,
    };
    grid.offsets()
}

pub fn forward<T: Elem>(g: &Geometry, x: &[T], w: &[T], epilogue: &Epilogue<T>) -> Vec<T> {
    if epilogue.is_empty() && conv_fast::fits(g) {
        return conv_fast::forward(g, x, w);
    }
    let (p, k, of) = (g.pixels(), g.terms(), g.filters / g.groups);
    written(g.images * g.filters * p, |y| {
        if y.1 == 0 {
            return;
        }
        with_padding(x, (g.height, g.width), [g.top, g.bottom, g.left, g.right], |x, ph, pw| {
            let at: Vec<usize> = (0..k).collect();
            let rows = Rows { values: w, rows: of, row_step: k, at: &at };
            let (depth_at, column_at) = (taps(g, ph, pw), anchors(g, ph, pw));
            let columns = Columns { values: x, depth_at: &depth_at, column_at: &column_at };
            let left = |group: usize| (group * of * k, group * g.depth() * ph * pw);
            grouped_product(g.groups, left, rows, columns, false, |group, share, block, stride| {
                for (row, block) in share.rows.clone().zip(block.chunks(stride)) {
                    let filter = group * of + row;
                    stretches(share.columns.clone(), p, |from, pixel, image, len| {
                        let start = (image * g.filters + filter) * p + pixel;
                        // SAFETY: shares are disjoint in (filter, pixel), so this stretch is this task's alone.
                        let y = unsafe { y.run(start, len) };
                        finish(y, &block[from..from + len], filter, start, epilogue);
                    });
                }
            });
        });
    })
}

fn finish<T: Elem>(y: &mut [MaybeUninit<T>], block: &[T], filter: usize, start: usize, epilogue: &Epilogue<T>) {
    let bias = epilogue.bias.map_or(T::ZERO, |b| b[filter]);
    let floor = if epilogue.relu { T::ZERO } else { T::NEG_INFINITY };
    let rectified = |v: T| if v < floor { floor } else { v };
    match epilogue.residual {
        None => y.iter_mut().zip(block).for_each(|(y, &v)| _ = y.write(rectified(v + bias))),
        Some(r) => {
            let r = &r[start..start + y.len()];
            y.iter_mut().zip(block).zip(r).for_each(|((y, &v), &r)| _ = y.write(rectified(v + bias + r)));
        }
    }
}

pub fn weight_gradient<T: Elem>(g: &Geometry, x: &[T], dy: &[T]) -> Vec<T> {
    let (p, k, of) = (g.pixels(), g.terms(), g.filters / g.groups);
    let len = g.filters * k;
    if g.images * p == 0 {
        return vec![T::ZERO; len];
    }
    with_padding(x, (g.height, g.width), [g.top, g.bottom, g.left, g.right], |x, ph, pw| {
        let grid = Grid {
            images: g.images,
            rows: 1,
            columns: p,
            base: 0,
            image_step: g.filters * p,
            row_step: 0,
            column_step: 1,
        };
        let at = grid.offsets();
        let rows = Rows { values: dy, rows: of, row_step: p, at: &at };
        let (depth_at, column_at) = (anchors(g, ph, pw), taps(g, ph, pw));
        let columns = Columns { values: x, depth_at: &depth_at, column_at: &column_at };
        let left = |group: usize| (group * of * p, group * g.depth() * ph * pw);
        // Parts of the depth are summed afterwards, in their order.
        let parts = shares(&T::best(), of, k, at.len(), tasks_each(g.groups), true).last().map_or(1, |s| s.part + 1);
        with_scratch(parts * len, |sums: &mut [T]| {
            let target = Target::over(sums);
            grouped_product(g.groups, left, rows, columns, true, |group, share, block, stride| {
                for (row, block) in share.rows.clone().zip(block.chunks(stride)) {
                    let start = share.part * len + (group * of + row) * k + share.columns.start;
                    // SAFETY: shares are disjoint in (part, filter, term), so this stretch is this task's alone.
                    let out = unsafe { target.run(start, share.columns.len()) };
                    out.write_copy_of_slice(&block[..share.columns.len()]);
                }
            });
            let mut dw = sums[..len].to_vec();
            for part in sums[len..].chunks_exact(len) {
                dw.par_chunks_mut(1 << 14).zip(part.par_chunks(1 << 14)).for_each(|(dw, part)| {
                    dw.iter_mut().zip(part).for_each(|(dw, &v)| *dw += v);
                });
            }
            dw
        })
    })
}

/// One axis of one phase: the input positions `first + stride * t` for `t < count`, and for each tap that meets them the
/// output position `t + shift`.
struct Phase {
    first: usize,
    count: usize,
    taps: Vec<(usize, isize)>,
}

/// The phases of one axis, and the zeros needed before and behind the output for their shifts.
fn phases(
    input: usize,
    output: usize,
    kernel: usize,
    stride: usize,
    dilation: usize,
    before: usize,
) -> (Vec<Phase>, usize, usize) {
    let phases: Vec<Phase> = (0..stride.min(input))
        .map(|first| {
            let reach = (first + before) as isize;
            let taps = (0..kernel)
                .map(|tap| (tap, reach - (tap * dilation) as isize))
                .filter(|&(_, distance)| distance.rem_euclid(stride as isize) == 0)
                .map(|(tap, distance)| (tap, distance.div_euclid(stride as isize)))
                .collect();
            Phase { first, count: (input - first).div_ceil(stride), taps }
        })
        .collect();
    let shifts = || phases.iter().flat_map(|p| p.taps.iter().map(move |&(_, shift)| (shift, p.count as isize)));
    let ahead = shifts().map(|(shift, _)| -shift).max().unwrap_or(0).max(0);
    let behind = shifts().map(|(shift, count)| count + shift - output as isize).max().unwrap_or(0).max(0);
    (phases, ahead as usize, behind as usize)
}

/// The gradient of the data, added to `sum` where one is given.
pub fn data_gradient<T: Elem>(g: &Geometry, w: &[T], dy: &[T], sum: Option<Vec<T>>) -> Vec<T> {
    if conv_fast::fits(g) {
        return conv_fast::data_gradient(g, w, dy, sum);
    }
    let (k, of, depth) = (g.terms(), g.filters / g.groups, g.depth());
    let plane = g.height * g.width;
    let (kh, kw) = g.kernel;
    let (vertical, top, bottom) = phases(g.height, g.out.0, kh, g.stride.0, g.dilation.0, g.top);
    let (horizontal, left_pad, right) = phases(g.width, g.out.1, kw, g.stride.1, g.dilation.1, g.left);
    let (len, add) = (g.images * g.channels * plane, sum.is_some());
    let fill = |dx: &Target<T>| {
        if dx.1 == 0 {
            return;
        }
        with_padding(dy, g.out, [top, bottom, left_pad, right], |dy, ph, pw| {
            for v in &vertical {
                for h in &horizontal {
                    let meeting = || v.taps.iter().flat_map(|&i| h.taps.iter().map(move |&j| (i, j)));
                    let mut at = Vec::with_capacity(of * v.taps.len() * h.taps.len());
                    let mut depth_at = Vec::with_capacity(at.capacity());
                    for filter in 0..of {
                        for ((i, down), (j, across)) in meeting() {
                            at.push(filter * k + i * kw + j);
                            let (row, column) = (down + top as isize, across + left_pad as isize);
                            depth_at.push((filter * ph + row as usize) * pw + column as usize);
                        }
                    }
                    let rows = Rows { values: w, rows: depth, row_step: kh * kw, at: &at };
                    let grid = |image_step, row_step, base, (down, across)| Grid {
                        images: g.images,
                        rows: v.count,
                        columns: h.count,
                        base,
                        image_step,
                        row_step: row_step * down,
                        column_step: across,
                    };
                    let column_at = grid(g.filters * ph * pw, pw, 0, (1, 1)).offsets();
                    let target = grid(g.channels * plane, g.width, v.first * g.width + h.first, g.stride);
                    let columns = Columns { values: dy, depth_at: &depth_at, column_at: &column_at };
                    let left = |group: usize| (group * of * k, group * of * ph * pw);
                    grouped_product(g.groups, left, rows, columns, false, |group, share, block, stride| {
                        scatter(dx, add, &target, share, block, stride, |row| (group * depth + row) * plane);
                    });
                }
            }
        });
    };
    match sum {
        None => written(len, fill),
        Some(mut sum) => {
            assert_eq!(sum.len(), len, "a sum of another map's gradients");
            fill(&Target::over(&mut sum));
            sum
        }
    }
}

/// Writes a block of channels by pixels to the places of `target`, shifted by `channel(row)`, or with `add` adds it to
/// what they hold.
fn scatter<T: Elem>(
    out: &Target<T>,
    add: bool,
    target: &Grid,
    share: &Share,
    block: &[T],
    stride: usize,
    channel: impl Fn(usize) -> usize,
) {
    for (row, block) in share.rows.clone().zip(block.chunks(stride)) {
        stretches(share.columns.clone(), target.columns, |from, column, line, len| {
            let (image, line) = (line / target.rows, line % target.rows);
            let start = channel(row) + target.base + image * target.image_step + line * target.row_step;
            let start = start + column * target.column_step;
            let values = &block[from..from + len];
            if target.column_step == 1 {
                // SAFETY: shares are disjoint in (channel, pixel of this phase), so this stretch is this task's alone.
                store(unsafe { out.run(start, len) }, values, add);
            } else {
                for (i, v) in values.iter().enumerate() {
                    // SAFETY: as above, for single places: those between them belong to other phases.
                    let place = unsafe { out.run(start + i * target.column_step, 1) };
                    store(place, std::slice::from_ref(v), add);
                }
            }
        });
    }
}

/// Writes to places, or with `add`, where they hold values, adds.
#[inline(always)]
pub fn store<T: Elem>(places: &mut [MaybeUninit<T>], values: &[T], add: bool) {
    if add {
        for (place, &v) in places.iter_mut().zip(values) {
            // SAFETY: only a sum that was given whole is added to.
            let sum = unsafe { place.assume_init() } + v;
            place.write(sum);
        }
    } else {
        places.write_copy_of_slice(values);
    }
}

pub fn bias_gradient<T: Elem>(g: &Geometry, dy: &[T]) -> Vec<T> {
    let p = g.pixels();
    (0..g.filters)
        .into_par_iter()
        .map(|o| {
            let plane = |image: usize| &dy[(image * g.filters + o) * p..][..p];
            T::of((0..g.images).map(|image| plane(image).iter().map(|v| v.to_f64()).sum::<f64>()).sum())
        })
        .collect()
}
