//! Grids of cells and the transport plan between two of them.

use serde::{Deserialize, Serialize};

/// Cells of a photo, row by row from the top left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Grid {
    pub rows: usize,
    pub columns: usize,
}

impl Grid {
    pub fn new(rows: usize, columns: usize) -> Self {
        Self { rows, columns }
    }

    pub fn cells(self) -> usize {
        self.rows * self.columns
    }

    /// Row and column of a cell.
    pub fn place(self, cell: usize) -> (usize, usize) {
        (cell / self.columns, cell % self.columns)
    }

    /// A cell's name as a person reads it, as on a map: column letter, then row number from 1.
    pub fn name(self, cell: usize) -> String {
        let (row, column) = self.place(cell);
        let letter = char::from(b'A' + (column % 26) as u8);
        let again = column / 26;
        if again == 0 { format!("{letter}{}", row + 1) } else { format!("{letter}{again}{}", row + 1) }
    }
}

/// How mass moves from the cells of the query to the cells of the gallery photo.
///
/// Row-major `[query cell, gallery cell]`, everywhere in the program. Entries are at least 0 and sum to the mass that
/// is moved: 1, or less where the solver may leave some (see `Solver::may_leave_mass`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TransportPlan {
    query: Grid,
    gallery: Grid,
    mass: Vec<f32>,
}

impl TransportPlan {
    /// # Panics
    /// When `mass` does not hold one entry for each pair of cells: a bug of the caller.
    pub fn new(query: Grid, gallery: Grid, mass: Vec<f32>) -> Self {
        assert_eq!(mass.len(), query.cells() * gallery.cells(), "a plan has one entry for each pair of cells");
        Self { query, gallery, mass }
    }

    pub fn query(&self) -> Grid {
        self.query
    }

    pub fn gallery(&self) -> Grid {
        self.gallery
    }

    /// All entries, row-major `[query cell, gallery cell]`.
    pub fn mass(&self) -> &[f32] {
        &self.mass
    }

    pub fn at(&self, query_cell: usize, gallery_cell: usize) -> f32 {
        self.mass[query_cell * self.gallery.cells() + gallery_cell]
    }

    /// Where one query cell's mass goes.
    pub fn row(&self, query_cell: usize) -> &[f32] {
        let columns = self.gallery.cells();
        &self.mass[query_cell * columns..(query_cell + 1) * columns]
    }

    /// The gallery cell that most of one query cell's mass goes to, of equals the first; `None` where it sends none.
    pub fn heaviest(&self, query_cell: usize) -> Option<usize> {
        let row = self.row(query_cell);
        let best = (0..row.len()).reduce(|best, cell| if row[cell] > row[best] { cell } else { best });
        best.filter(|&cell| row[cell] > 0.0)
    }

    /// Mass that leaves each query cell.
    pub fn row_sums(&self) -> Vec<f32> {
        (0..self.query.cells()).map(|q| self.row(q).iter().sum()).collect()
    }

    /// Mass that reaches each gallery cell.
    pub fn column_sums(&self) -> Vec<f32> {
        let mut sums = vec![0.0; self.gallery.cells()];
        for q in 0..self.query.cells() {
            for (sum, mass) in sums.iter_mut().zip(self.row(q)) {
                *sum += mass;
            }
        }
        sums
    }

    /// All mass that is moved.
    pub fn moved(&self) -> f32 {
        self.mass.iter().sum()
    }

    pub fn max(&self) -> f32 {
        self.mass.iter().copied().fold(0.0, f32::max)
    }
}

/// Everything that is known about why two photos match.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PairMatch {
    pub plan: TransportPlan,
    /// Cosine similarity of each pair of cells, in the plan's order.
    pub similarity: Vec<f32>,
    /// Weight asked for at each query cell; sums to 1.
    pub row_marginal: Vec<f32>,
    /// Weight asked for at each gallery cell; sums to 1.
    pub column_marginal: Vec<f32>,
    /// Sum over all pairs of mass x similarity. It is not divided by the mass that moved: what finds no counterpart adds
    /// nothing.
    pub structural: f32,
    /// Cosine similarity of the two global vectors.
    pub global: f32,
    /// `global + structural_weight * structural`.
    pub score: f32,
    pub iterations: usize,
    /// How far the plan is from what the solver asks of its row and column sums, in L1. Balanced solvers ask for the
    /// marginals; partial ones for no more than these and for the wanted total; unbalanced ones for the sums that their
    /// next iteration would give.
    pub marginal_error: f32,
    /// True where cross-correlation marginals were asked for but all of a side's were zero, so that uniform
    /// ones were used.
    pub uniform_fallback: bool,
}

impl PairMatch {
    /// What one pair of cells adds to the structural score: mass x similarity.
    pub fn contribution(&self, query_cell: usize, gallery_cell: usize) -> f32 {
        let index = query_cell * self.plan.gallery().cells() + gallery_cell;
        self.plan.mass()[index] * self.similarity[index]
    }

    /// What one query cell adds to the structural score: the sum over its row of the plan.
    pub fn of_query_cell(&self, query_cell: usize) -> f32 {
        (0..self.plan.gallery().cells()).map(|cell| self.contribution(query_cell, cell)).sum()
    }

    /// What one gallery cell adds: the sum over its column.
    pub fn of_gallery_cell(&self, gallery_cell: usize) -> f32 {
        (0..self.plan.query().cells()).map(|cell| self.contribution(cell, gallery_cell)).sum()
    }
}
