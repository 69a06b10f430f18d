//! A photo some of whose cells count for nothing.
//!
//! A cell of weight zero sends and receives nothing, so the problem without its row (or column) has the same plan
//! elsewhere; deleting it keeps every solver's own rules, and renormalises the other weights on the way. Painted weights
//! lose the same cells: what a person painted is multiplied by the mask.

use std::borrow::Cow;

use crate::domain::Grid;

use super::Cells;

/// What is left of a photo.
#[derive(Clone, Debug)]
pub struct Remaining<'a> {
    grid: Grid,
    dim: usize,
    cells: Cow<'a, [f32]>,
    global: &'a [f32],
    painted: Option<Cow<'a, [f32]>>,
}

impl<'a> Remaining<'a> {
    /// The photo without these cells; its global vector stays. `None` where nothing would be left. Without any cell
    /// to ignore it is the very photo.
    pub fn of(photo: &Cells<'a>, ignored: &[usize]) -> Option<Self> {
        Self::of_painted(photo, None, ignored)
    }

    /// The same of a photo whose cells have painted weights, one each. `None` also where only cells would be left that
    /// weigh nothing.
    pub fn of_painted(photo: &Cells<'a>, painted: Option<&'a [f32]>, ignored: &[usize]) -> Option<Self> {
        let (dim, global) = (photo.dim, photo.global);
        if ignored.is_empty() {
            let (cells, painted) = (Cow::Borrowed(photo.cells), painted.map(Cow::Borrowed));
            return Some(Self { grid: photo.grid, dim, cells, global, painted });
        }
        let mut gone = vec![false; photo.grid.cells()];
        for &cell in ignored {
            if let Some(gone) = gone.get_mut(cell) {
                *gone = true;
            }
        }
        let left: Vec<usize> = (0..gone.len()).filter(|&cell| !gone[cell]).collect();
        let cells = left.iter().flat_map(|&cell| photo.row(cell)).copied().collect();
        let painted: Option<Vec<f32>> = painted.map(|painted| left.iter().map(|&cell| painted[cell]).collect());
        let counts = painted.as_ref().is_none_or(|painted| painted.iter().any(|&weight| weight > 0.0));
        (!left.is_empty() && counts).then(|| Self {
            grid: Grid::new(1, left.len()),
            dim,
            cells: Cow::Owned(cells),
            global,
            painted: painted.map(Cow::Owned),
        })
    }

    pub fn view(&self) -> Cells<'_> {
        Cells { grid: self.grid, dim: self.dim, cells: &self.cells, global: self.global }
    }

    /// Painted weights of its cells.
    pub fn painted(&self) -> Option<&[f32]> {
        self.painted.as_deref()
    }
}
