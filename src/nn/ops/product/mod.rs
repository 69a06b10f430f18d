//! Matrix products whose right factor is read out of an image on the way: the blocked scheme of Goto and van de Geijn
//! ("Anatomy of high-performance matrix multiplication", 2008) with im2col folded into its packing step, so that the
//! column matrix never exists. Forward convolution and both gradients are this one product with different offsets.

mod kernel;
mod scratch;
#[cfg(test)]
mod tests;

use rayon::prelude::*;

use self::kernel::Operands;
pub use self::{
    kernel::{Kernel, Kernels},
    scratch::{Pooled, with_scratch},
};
use super::elem::Elem;

/// Bytes of one column of a packed right panel: panel and the left one beside it stay in the first-level cache.
const DEPTH_BYTES: usize = 1152;
/// Panels of columns one task packs at most; with `DEPTH_BYTES` deep they fill half of a 512 KiB second-level cache.
const TASK_PANELS: usize = 12;
/// Rows of the left factor that are walked for each panel of columns before the next rows are fetched.
const ROW_BLOCK: usize = 96;
/// Tasks a product is cut into where its size allows: enough for the cores to end together.
const TASKS: usize = 16;

/// A matrix over a buffer: the value at (row, d) lies at `row * row_step + at[d]`.
#[derive(Clone, Copy)]
pub struct Rows<'a, T> {
    pub values: &'a [T],
    pub rows: usize,
    pub row_step: usize,
    pub at: &'a [usize],
}

/// A matrix over a buffer: the value at (d, column) lies at `depth_at[d] + column_at[column]`.
#[derive(Clone, Copy)]
pub struct Columns<'a, T> {
    pub values: &'a [T],
    pub depth_at: &'a [usize],
    pub column_at: &'a [usize],
}

/// How the depth is cut; by the sizes alone.
fn depth_block<T>(depth: usize) -> usize {
    let most = DEPTH_BYTES / size_of::<T>();
    depth.div_ceil(depth.div_ceil(most).max(1)).max(1)
}

/// Length of [`pack_rows`]' result.
pub fn packed_len<T>(kernel: &Kernel<T>, rows: usize, depth: usize) -> usize {
    rows.div_ceil(kernel.rows) * kernel.rows * depth
}

/// Brings the left factor into the order the kernel reads: blocks of depth, in them panels of rows.
pub fn pack_rows<T: Elem>(kernel: &Kernel<T>, a: Rows<'_, T>, packed: &mut [T]) {
    let panels = a.rows.div_ceil(kernel.rows);
    let block = depth_block::<T>(a.at.len());
    if panels == 0 || a.at.is_empty() {
        return;
    }
    let parts: Vec<(usize, &[usize], &mut [T])> = packed
        .chunks_mut(panels * kernel.rows * block)
        .zip(a.at.chunks(block))
        .flat_map(|(packed, at)| {
            packed.chunks_mut(kernel.rows * at.len()).enumerate().map(move |(panel, out)| (panel, at, out))
        })
        .collect();
    parts.into_par_iter().with_min_len(8).for_each(|(panel, at, out)| {
        // The rows of the left factor are to its panels what columns are to the right one's.
        let first = panel * kernel.rows;
        let rows: Vec<usize> = (first..a.rows.min(first + kernel.rows)).map(|row| row * a.row_step).collect();
        pack_columns(kernel.rows, &Columns { values: a.values, depth_at: at, column_at: &rows }, out);
    });
}

/// Brings columns into panels of `width`; places beyond the last column repeat it.
fn pack_columns<T: Elem>(width: usize, b: &Columns<'_, T>, packed: &mut [T]) {
    match width {
        4 => pack_panels::<T, 4>(b, packed),
        6 => pack_panels::<T, 6>(b, packed),
        8 => pack_panels::<T, 8>(b, packed),
        12 => pack_panels::<T, 12>(b, packed),
        16 => pack_panels::<T, 16>(b, packed),
        32 => pack_panels::<T, 32>(b, packed),
        other => unreachable!("no kernel is {other} wide"),
    }
}

fn pack_panels<T: Elem, const N: usize>(b: &Columns<'_, T>, packed: &mut [T]) {
    let Some(deepest) = b.depth_at.iter().max() else { return };
    for (panel, out) in b.column_at.chunks(N).zip(packed.chunks_mut(N * b.depth_at.len())) {
        let at: [usize; N] = std::array::from_fn(|j| panel[j.min(panel.len() - 1)]);
        let out = out.as_chunks_mut::<N>().0;
        let farthest = at.iter().max().map_or(0, |most| most + deepest);
        assert!(farthest < b.values.len(), "a column reaches beyond the image");
        // Most panels are few stretches of lines of pixels.
        let mut starts = [0; N];
        let mut stretches = 0;
        for j in 0..N {
            if j == 0 || at[j] != at[j - 1] + 1 {
                starts[stretches] = j;
                stretches += 1;
            }
        }
        let starts = &starts[..stretches];
        let rows = out.len();
        let mut copied = 0;
        if stretches <= N / 3 && starts.iter().all(|&j| at[j] + N + deepest <= b.values.len()) {
            // Each stretch is copied N wide; what it writes too much, into the next row as well, is written again by the
            // stretches and rows that follow. The last row has nothing behind it and is left to the loop below.
            copied = if stretches == 1 { rows } else { rows - 1 };
            for (row, &d) in b.depth_at[..copied].iter().enumerate() {
                for &j in starts {
                    // SAFETY: each read lies inside as just checked; a write from place `j < N` of a row ends in the next
                    // row at the latest, and only the one stretch of a whole row (`j = 0`) is copied into the last row.
                    unsafe {
                        let from = b.values.as_ptr().add(d + at[j]).cast::<[T; N]>();
                        out.as_mut_ptr()
                            .cast::<T>()
                            .add(row * N + j)
                            .cast::<[T; N]>()
                            .write_unaligned(from.read_unaligned());
                    }
                }
            }
        }
        for (out, &d) in out[copied..].iter_mut().zip(&b.depth_at[copied..]) {
            // SAFETY: no sum of two offsets exceeds `farthest`, which was just checked.
            *out = std::array::from_fn(|j| unsafe { *b.values.get_unchecked(d + at[j]) });
        }
    }
}

/// One task's share of a product: `rows` (from a multiple of the kernel's) by `columns`.
#[derive(Clone, Debug)]
pub struct Share {
    pub rows: std::ops::Range<usize>,
    pub columns: std::ops::Range<usize>,
    pub depth: std::ops::Range<usize>,
    /// Which of the depth's parts this is.
    pub part: usize,
}

/// Cuts a product into shares by its sizes alone. Only with `split_depth` is the depth cut, at ends of depth blocks.
pub fn shares<T>(
    kernel: &Kernel<T>,
    rows: usize,
    columns: usize,
    depth: usize,
    tasks: usize,
    split_depth: bool,
) -> Vec<Share> {
    let panels = columns.div_ceil(kernel.columns);
    let tiles = panels.div_ceil(TASK_PANELS).max(tasks.min(panels.div_ceil(4)));
    let tile = panels.div_ceil(tiles.max(1)).max(1) * kernel.columns;
    let tiles = columns.div_ceil(tile);
    let missing = tasks.div_ceil(tiles.max(1));
    let block = depth_block::<T>(depth);
    let (row_parts, depth_parts) = if split_depth {
        (1, missing.min(depth.div_ceil(block)).max(1))
    } else {
        (missing.min(rows.div_ceil(ROW_BLOCK / 2)).max(1), 1)
    };
    let row_part = rows.div_ceil(kernel.rows).div_ceil(row_parts) * kernel.rows;
    let depth_part = depth.div_ceil(block).div_ceil(depth_parts).max(1) * block;
    let mut all = Vec::new();
    for d in (0..depth.max(1)).step_by(depth_part) {
        for c in (0..columns).step_by(tile) {
            for r in (0..rows).step_by(row_part.max(1)) {
                all.push(Share {
                    rows: r..rows.min(r + row_part),
                    columns: c..columns.min(c + tile),
                    depth: d..depth.min(d + depth_part),
                    part: d / depth_part,
                });
            }
        }
    }
    all
}

/// Tasks each of `parts` independent products (groups, say) is cut into.
pub fn tasks_each(parts: usize) -> usize {
    TASKS.div_ceil(parts.max(1))
}

/// Computes a share and hands it over as a dense block of rows with the given stride.
pub fn compute<T: Elem, R>(
    kernel: &Kernel<T>,
    rows: usize,
    packed: &[T],
    b: &Columns<'_, T>,
    share: &Share,
    done: impl FnOnce(&[T], usize) -> R,
) -> R {
    let depth = b.depth_at.len();
    let block = depth_block::<T>(depth);
    let panels = share.columns.len().div_ceil(kernel.columns);
    let stride = panels * kernel.columns;
    let padded_rows = rows.div_ceil(kernel.rows) * kernel.rows;
    let column_at = &b.column_at[share.columns.clone()];
    with_scratch(block * stride, |right: &mut [T]| {
        with_scratch(share.rows.len() * stride, |c: &mut [T]| {
            if share.depth.is_empty() {
                c.fill(T::of(0.0));
            }
            for from in share.depth.clone().step_by(block) {
                let to = share.depth.end.min(from + block);
                let depth = to - from;
                let part = Columns { values: b.values, depth_at: &b.depth_at[from..to], column_at };
                pack_columns(kernel.columns, &part, &mut right[..depth * stride]);
                let left = &packed[from * padded_rows..to * padded_rows];
                for first in share.rows.clone().step_by(ROW_BLOCK / kernel.rows * kernel.rows) {
                    let last = share.rows.end.min(first + ROW_BLOCK / kernel.rows * kernel.rows);
                    for panel in 0..panels {
                        let right = &right[panel * depth * kernel.columns..(panel + 1) * depth * kernel.columns];
                        for row in (first..last).step_by(kernel.rows) {
                            let at = (row - share.rows.start) * stride + panel * kernel.columns;
                            let operands = Operands { a: &left[row * depth..], b: right, c: &mut c[at..], stride };
                            kernel.run(kernel.rows.min(last - row), depth, operands, from > share.depth.start);
                        }
                    }
                }
            }
            done(c, stride)
        })
    })
}
