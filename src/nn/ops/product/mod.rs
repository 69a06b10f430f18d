//! Matrix products whose right factor is read out of an image on the way: the blocked scheme of Goto and van de Geijn
//! ("Anatomy of high-performance matrix multiplication", 2008) with im2col folded into its packing step, so that the
//! column matrix never exists. Forward convolution and both gradients are this one product with different offsets.

mod kernel;
mod pack;
mod scratch;
#[cfg(test)]
mod tests;

use self::pack::pack_columns;
pub use self::{
    kernel::{Kernel, Kernels, LINES, Operands},
    pack::{pack_rows, packed_len},
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
