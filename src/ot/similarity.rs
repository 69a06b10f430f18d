//! Cosine similarities of all pairs of cells of two photos.

#![allow(clippy::needless_range_loop, reason = "counted loops over lanes are what the compiler vectorises")]

use super::lanes::{Lane, blocks, dots};
use super::structural::Cells;

/// What a photo's vectors need before they are compared: the factors that make them unit vectors.
///
/// Epsilon is in units of the cosine, so a vector that is not of unit length (rounded to f16, say) must not
/// change it. A vector that is zero or not finite gets the factor 0 and agrees with nothing.
pub(super) struct Units {
    cells: Vec<f32>,
    global: f32,
}

impl Units {
    pub fn of(photo: &Cells<'_>) -> Self {
        Self {
            cells: photo.cells.chunks_exact(photo.dim).map(unit_factor).collect(),
            global: unit_factor(photo.global),
        }
    }
}

fn unit_factor(vector: &[f32]) -> f32 {
    let squared: f32 = dots::<false, 1, 1>([vector], [vector])[0][0];
    let factor = 1.0 / squared.sqrt();
    if squared.is_finite() && factor.is_finite() { factor } else { 0.0 }
}

/// Cosines of a pair of photos.
#[derive(Clone, Default)]
pub(super) struct Cosines {
    /// `[query cell, blocks of gallery cells]`; 0 beyond the last gallery cell.
    pub pairs: Vec<Lane>,
    /// Each query cell with the gallery photo's global vector.
    pub query: Vec<f32>,
    /// Each gallery cell with the query photo's global vector.
    pub gallery: Vec<f32>,
    pub global: f32,
}

/// Fills `out` for one pair.
#[inline(always)]
pub(super) fn cosines<const FUSED: bool>(
    query: &Cells<'_>,
    query_units: &Units,
    gallery: &Cells<'_>,
    gallery_units: &Units,
    out: &mut Cosines,
) {
    let (rows, columns) = (query.grid.cells(), gallery.grid.cells());
    let width = blocks(columns);
    out.pairs.clear();
    out.pairs.resize(rows * width, [0.0; 8]);
    out.query.clear();
    out.query.resize(rows, 0.0);
    out.gallery.clear();
    out.gallery.resize(columns, 0.0);
    let (q, g) = (query_units, gallery_units);
    let flat = out.pairs.as_flattened_mut();
    let stride = width * 8;

    let mut row = 0;
    while row + 4 <= rows {
        let x = [query.row(row), query.row(row + 1), query.row(row + 2), query.row(row + 3)];
        let mut column = 0;
        while column + 2 <= columns {
            let block = dots::<FUSED, 4, 2>(x, [gallery.row(column), gallery.row(column + 1)]);
            for m in 0..4 {
                for n in 0..2 {
                    let factor = q.cells[row + m] * g.cells[column + n];
                    flat[(row + m) * stride + column + n] = scaled(block[m][n], factor);
                }
            }
            column += 2;
        }
        while column < columns {
            let block = dots::<FUSED, 4, 1>(x, [gallery.row(column)]);
            for m in 0..4 {
                flat[(row + m) * stride + column] = scaled(block[m][0], q.cells[row + m] * g.cells[column]);
            }
            column += 1;
        }
        row += 4;
    }
    while row < rows {
        for column in 0..columns {
            let product = dots::<FUSED, 1, 1>([query.row(row)], [gallery.row(column)])[0][0];
            flat[row * stride + column] = scaled(product, q.cells[row] * g.cells[column]);
        }
        row += 1;
    }

    for (cell, agreement) in out.query.iter_mut().enumerate() {
        let product = dots::<FUSED, 1, 1>([query.row(cell)], [gallery.global])[0][0];
        *agreement = scaled(product, q.cells[cell] * g.global);
    }
    for (cell, agreement) in out.gallery.iter_mut().enumerate() {
        let product = dots::<FUSED, 1, 1>([gallery.row(cell)], [query.global])[0][0];
        *agreement = scaled(product, g.cells[cell] * q.global);
    }
    out.global = scaled(dots::<FUSED, 1, 1>([query.global], [gallery.global])[0][0], q.global * g.global);
}

/// A product of two vectors as a cosine; 0 where either is no direction, whatever the product is.
#[inline(always)]
fn scaled(product: f32, factor: f32) -> f32 {
    if factor > 0.0 { (product * factor).clamp(-1.0, 1.0) } else { 0.0 }
}

impl Cosines {
    /// A copy in the memory that is here already.
    pub fn copy_from(&mut self, other: &Self) {
        self.pairs.clone_from(&other.pairs);
        self.query.clone_from(&other.query);
        self.gallery.clone_from(&other.gallery);
        self.global = other.global;
    }

    pub fn bytes(&self) -> usize {
        size_of_val(self.pairs.as_slice()) + 4 * (self.query.len() + self.gallery.len())
    }

    /// Takes similarities that were computed elsewhere, row-major without padding.
    pub fn set_pairs(&mut self, similarity: &[f32], columns: usize) {
        let width = blocks(columns);
        self.pairs.clear();
        self.pairs.resize(similarity.len() / columns * width, [0.0; 8]);
        for (lanes, row) in self.pairs.chunks_exact_mut(width).zip(similarity.chunks_exact(columns)) {
            lanes.as_flattened_mut()[..columns].copy_from_slice(row);
        }
    }
}
