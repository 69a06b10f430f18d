//! The packing step: both factors are brought into the order in which the kernel reads them.

use rayon::prelude::*;

use super::{
    Columns, Rows, depth_block,
    kernel::{Kernel, LINES},
};
use crate::nn::ops::elem::{Elem, simd};

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

simd! {
    /// Brings columns into panels of `width`; places beyond the last column repeat it.
    pub fn pack_columns<T>(width: usize, b: &Columns<'_, T>, packed: &mut [T]) -> () {
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
}

/// How many offsets from the first one on follow each other by one.
fn run(offsets: &[usize]) -> usize {
    1 + offsets.windows(2).take_while(|pair| pair[1] == pair[0] + 1).count()
}

#[inline(always)]
fn pack_panels<T: Elem, const N: usize>(b: &Columns<'_, T>, packed: &mut [T]) {
    let Some(deepest) = b.depth_at.iter().max() else { return };
    let transpose = T::transpose();
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
        while copied < rows {
            let run = if transpose.is_some() { run(&b.depth_at[copied..]) } else { rows - copied };
            let end = copied + run;
            // What a transposition writes too much goes into the next row, which must be there and is written later.
            let last = if N.is_multiple_of(LINES) { end } else { end.min(rows - 1) };
            if let (Some(transpose), true) = (transpose, last >= copied + LINES) {
                // The last lines may be written twice.
                let whole = (last - copied) / LINES;
                let parts = [(copied, whole), (last - LINES, 1)];
                for (row, blocks) in parts.into_iter().take(if (last - copied).is_multiple_of(LINES) { 1 } else { 2 }) {
                    // Backwards, because what one group writes too much the first one writes again.
                    for group in (0..N).step_by(LINES).rev() {
                        let column = |j: usize| b.depth_at[row] + at[(group + j).min(N - 1)];
                        // SAFETY: lines `row..row + LINES * blocks` of a run begin at the first one's place and end within
                        // `values` as checked above; the rows written are those and, where N is no multiple of a vector,
                        // a part of the next, which is at most `rows - 1`.
                        unsafe {
                            let from = std::array::from_fn(|j| b.values.as_ptr().add(column(j)));
                            transpose(from, out.as_mut_ptr().cast::<T>().add(row * N + group), N, blocks);
                        }
                    }
                }
                copied = last;
            }
            for (out, &d) in out[copied..end].iter_mut().zip(&b.depth_at[copied..end]) {
                // SAFETY: no sum of two offsets exceeds `farthest`, which was just checked.
                *out = std::array::from_fn(|j| unsafe { *b.values.get_unchecked(d + at[j]) });
            }
            copied = end;
        }
    }
}
