//! A photo some of whose cells are replaced by what a plan matches them with (after Goyal et al., "Counterfactual Visual
//! Explanations", ICML 2019).
//!
//! Each cell takes the features of one cell of the other photo, the one that most of its mass goes to. A mixture of all
//! cells that the mass goes to would be a vector which no photo has: with a large epsilon nearly the other photo's mean.

use crate::domain::{Grid, TakenCell, TransportPlan};

use super::Cells;

/// What a photo would be with these cells replaced.
#[derive(Clone, Debug)]
pub struct Exchanged {
    grid: Grid,
    dim: usize,
    cells: Vec<f32>,
    taken: Vec<TakenCell>,
}

impl Exchanged {
    /// The query with cells of `region` replaced by cells of the gallery photo, to the bit. A cell that sends no mass stays.
    ///
    /// # Panics
    /// When the plan is not between these two photos, or a cell is none of the query's: bugs of the caller.
    pub fn of(query: &Cells<'_>, gallery: &Cells<'_>, plan: &TransportPlan, region: &[usize]) -> Self {
        assert_eq!(query.dim, gallery.dim, "both photos come from the same network");
        assert_eq!((plan.query(), plan.gallery()), (query.grid, gallery.grid), "the plan is between these photos");
        let taken: Vec<TakenCell> = region
            .iter()
            .filter_map(|&cell| {
                let from = plan.heaviest(cell)?;
                let sent: f32 = plan.row(cell).iter().sum();
                Some(TakenCell { cell, from, share: (plan.at(cell, from) / sent).min(1.0) })
            })
            .collect();
        let (mut cells, dim) = (query.cells.to_vec(), query.dim);
        for one in &taken {
            cells[one.cell * dim..(one.cell + 1) * dim].copy_from_slice(gallery.row(one.from));
        }
        Self { grid: query.grid, dim, cells, taken }
    }

    pub fn taken(&self) -> &[TakenCell] {
        &self.taken
    }

    /// As a search sees it with this global vector, `[dim]`.
    pub fn view<'a>(&'a self, global: &'a [f32]) -> Cells<'a> {
        Cells { grid: self.grid, dim: self.dim, cells: &self.cells, global }
    }
}
