//! Brings a map of cells to another grid, by DIML's rule (Zhao et al. 2021, reference implementation).
//!
//! Along each side: where the map's side is a multiple of the grid's, average; otherwise interpolate linearly to four
//! times the grid's side, corners on corners, and average fours. All of it is linear, so it is one small matrix.

use crate::domain::Grid;

/// The matrix `[cells of the new grid, cells of the map]`.
#[derive(Clone, Debug)]
pub struct Regrid {
    matrix: Vec<f32>,
    from: usize,
    to: usize,
}

impl Regrid {
    pub fn new(from: Grid, to: Grid) -> Self {
        let rows = side_matrix(from.rows, to.rows);
        let columns = side_matrix(from.columns, to.columns);
        let mut matrix = Vec::with_capacity(from.cells() * to.cells());
        for row in rows.chunks_exact(from.rows) {
            for column in columns.chunks_exact(from.columns) {
                matrix.extend(row.iter().flat_map(|r| column.iter().map(move |c| (r * c) as f32)));
            }
        }
        Self { matrix, from: from.cells(), to: to.cells() }
    }

    /// Cells `[map cells, dim]` to `[grid cells, dim]`.
    pub fn apply(&self, cells: &[f32], dim: usize) -> Vec<f32> {
        let mut out = vec![0.0; self.to * dim];
        for (out, weights) in out.chunks_exact_mut(dim).zip(self.matrix.chunks_exact(self.from)) {
            for (cell, weight) in cells.chunks_exact(dim).zip(weights).filter(|(_, weight)| **weight != 0.0) {
                for (sum, value) in out.iter_mut().zip(cell) {
                    *sum += weight * value;
                }
            }
        }
        out
    }
}

/// `[to, from]`: how much of each place of the map is in each place of the grid, along one side.
fn side_matrix(from: usize, to: usize) -> Vec<f64> {
    let mut matrix = vec![0.0; to * from];
    if from.is_multiple_of(to) {
        let each = from / to;
        for place in 0..from {
            matrix[place / each * from + place] = 1.0 / each as f64;
        }
        return matrix;
    }
    let fine = 4 * to;
    for step in 0..fine {
        let at = step as f64 * (from - 1) as f64 / (fine - 1) as f64;
        let left = (at as usize).min(from - 1);
        let right = (left + 1).min(from - 1);
        let share = at - left as f64;
        matrix[step / 4 * from + left] += (1.0 - share) / 4.0;
        matrix[step / 4 * from + right] += share / 4.0;
    }
    matrix
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(from: usize, to: usize, values: &[f32]) -> Vec<f32> {
        Regrid::new(Grid::new(1, from), Grid::new(1, to)).apply(values, 1)
    }

    #[test]
    fn a_divisor_averages_neighbours() {
        assert_eq!(line(6, 3, &[1.0, 3.0, 5.0, 7.0, 2.0, 4.0]), [2.0, 6.0, 3.0]);
        assert_eq!(line(7, 7, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]);
    }

    /// Oracle: PyTorch's definition by hand. 7 cells with the values 0 to 6 become 16 points i * 6 / 15, whose fours have
    /// the means 0.6, 2.2, 3.8 and 5.4.
    #[test]
    fn seven_cells_become_four_through_sixteen_points() {
        let out = line(7, 4, &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        for (found, wanted) in out.iter().zip([0.6, 2.2, 3.8, 5.4]) {
            assert!((found - wanted).abs() < 1e-6, "{out:?}");
        }
    }

    /// Oracle: a bump at place 3 of 7. Points at 2.4, 2.8, 3.2, 3.6 (steps 6 to 9) and 2.0, 4.0 (steps 5 and 10).
    #[test]
    fn a_bump_spreads_by_its_tents() {
        let out = line(7, 4, &[0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0]);
        for (found, wanted) in out.iter().zip([0.0, (0.4 + 0.8) / 4.0, (0.8 + 0.4) / 4.0, 0.0]) {
            assert!((found - wanted).abs() < 1e-6, "{out:?}");
        }
    }

    #[test]
    fn rows_and_columns_are_not_confused() {
        let cells: Vec<f32> = (0..6).map(|v| v as f32).collect(); // 2 rows of 3
        let out = Regrid::new(Grid::new(2, 3), Grid::new(1, 3)).apply(&cells, 1);
        assert_eq!(out, [1.5, 2.5, 3.5]);
        let out = Regrid::new(Grid::new(2, 3), Grid::new(2, 1)).apply(&cells, 1);
        assert_eq!(out, [1.0, 4.0]);
    }

    #[test]
    fn a_constant_map_stays_constant_on_every_grid() {
        for from in 1..9 {
            for to in 1..9 {
                let out = Regrid::new(Grid::new(from, from), Grid::new(to, to)).apply(&vec![2.5; from * from], 1);
                assert_eq!(out.len(), to * to);
                assert!(out.iter().all(|v| (v - 2.5).abs() < 1e-5), "{from} to {to}: {out:?}");
            }
        }
    }
}
