//! What a picture needs of a plan's masses, as shares. A scene has it of the plan that it shows and, while one plan turns
//! into another, of the plan that it comes from.

use super::color::{Oklab, mix};

/// Shares of one plan, row-major `[query, gallery]`; all in 0..=1.
#[derive(Clone, Debug)]
pub(super) struct Masses {
    /// Of the plan's largest mass.
    pub shares: Vec<f32>,
    /// Largest of each row, of the plan's largest.
    pub row_max: Vec<f32>,
    /// Largest of each column, of the plan's largest.
    pub column_max: Vec<f32>,
    /// Mass of each query cell, of the heaviest one's.
    pub query: Vec<f32>,
    /// Mass of each gallery cell, of the heaviest one's.
    pub gallery: Vec<f32>,
    /// Colour of each gallery cell: those of the query cells that its mass comes from, mixed by mass.
    pub gallery_colors: Vec<[f32; 3]>,
}

impl Masses {
    /// `mass` in any unit.
    pub fn of(mass: &[f32], galleries: usize, query_colors: &[[f32; 3]]) -> Self {
        let queries = query_colors.len();
        let at = |q: usize, g: usize| mass[q * galleries + g];
        let largest = mass.iter().copied().fold(0.0, f32::max);
        let row_max = (0..queries).map(|q| share((0..galleries).map(|g| at(q, g)).fold(0.0, f32::max), largest));
        let column_max = (0..galleries).map(|g| share((0..queries).map(|q| at(q, g)).fold(0.0, f32::max), largest));
        let row_sums: Vec<f32> = (0..queries).map(|q| (0..galleries).map(|g| at(q, g)).sum()).collect();
        let column_sums: Vec<f32> = (0..galleries).map(|g| (0..queries).map(|q| at(q, g)).sum()).collect();
        let mixed: Vec<Oklab> = query_colors.iter().map(|&color| Oklab::of(color)).collect();
        Self {
            shares: mass.iter().map(|&mass| share(mass, largest)).collect(),
            row_max: row_max.collect(),
            column_max: column_max.collect(),
            query: of_largest(&row_sums),
            gallery: of_largest(&column_sums),
            gallery_colors: (0..galleries).map(|g| mix((0..queries).map(|q| (mixed[q], at(q, g))))).collect(),
        }
    }

    pub fn at(&self, query: usize, gallery: usize) -> f32 {
        self.shares[query * self.column_max.len() + gallery]
    }

    /// Of the plan's largest mass, of its row's and of its column's.
    pub fn shares_of(&self, query: usize, gallery: usize) -> [f32; 3] {
        let own = self.at(query, gallery);
        [own, share(own, self.row_max[query]), share(own, self.column_max[gallery])]
    }
}

/// A part of a whole in 0..=1; 0 where there is no whole.
pub(super) fn share(part: f32, whole: f32) -> f32 {
    let share = part / whole;
    if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 }
}

fn of_largest(sums: &[f32]) -> Vec<f32> {
    let largest = sums.iter().copied().fold(0.0, f32::max);
    sums.iter().map(|&sum| share(sum, largest)).collect()
}
