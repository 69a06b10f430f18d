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

    /// What cells of the map become where cells of its grid are replaced by cells of another map's grid: row-major `[map
    /// cells, cells of the other map]`, how much of the first is taken from the second; what is left of 1 stays.
    ///
    /// Each pair is a cell of this grid, each once, and the cell of the other grid that it is replaced by. A map cell is
    /// replaced by its share in the grid's cells, and by what the other grid's cell is made of.
    ///
    /// # Panics
    /// When a pair is not within the grids: a bug of the caller.
    pub fn exchange(&self, other: &Self, pairs: &[(usize, usize)]) -> Vec<f32> {
        let mut in_all = vec![0.0f32; self.from];
        for weights in self.matrix.chunks_exact(self.from) {
            in_all.iter_mut().zip(weights).for_each(|(sum, weight)| *sum += weight);
        }
        let mut shares = vec![0.0; self.from * other.from];
        for &(cell, by) in pairs {
            let weights = &self.matrix[cell * self.from..(cell + 1) * self.from];
            let made_of = &other.matrix[by * other.from..(by + 1) * other.from];
            for (map_cell, shares) in shares.chunks_exact_mut(other.from).enumerate() {
                // Where no cell of the grid holds anything of this one, its weight is 0.
                if weights[map_cell] > 0.0 {
                    let share = weights[map_cell] / in_all[map_cell];
                    shares.iter_mut().zip(made_of).for_each(|(sum, part)| *sum += share * part);
                }
            }
        }
        shares
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
    fn exchanged_cells_are_shares_of_the_other_map_s_and_the_rest_stays() {
        let same = Regrid::new(Grid::new(2, 2), Grid::new(2, 2));
        let mut wanted = vec![0.0; 16];
        wanted[4 + 3] = 1.0;
        assert_eq!(same.exchange(&same, &[(1, 3)]), wanted, "on the map's own grid one cell is one cell");
        // 4 x 1 cells in two halves: the upper half becomes the mean of the other's lower half.
        let halves = Regrid::new(Grid::new(4, 1), Grid::new(2, 1));
        let shares = halves.exchange(&halves, &[(0, 1)]);
        assert_eq!(shares[..8], [0.0, 0.0, 0.5, 0.5, 0.0, 0.0, 0.5, 0.5]);
        assert!(shares[8..].iter().all(|&share| share == 0.0));
    }

    /// Oracle: the whole is the sum of its parts, and all cells of a grid replaced leave nothing of the first map.
    #[test]
    fn every_cell_replaced_leaves_nothing_and_parts_add_up() {
        for (from, to) in [(7, 7), (7, 3), (7, 5), (4, 14), (14, 3)] {
            let regrid = Regrid::new(Grid::new(from, from), Grid::new(to, to));
            let pairs: Vec<(usize, usize)> = (0..to * to).map(|cell| (cell, (cell * 5 + 2) % (to * to))).collect();
            let all = regrid.exchange(&regrid, &pairs);
            for row in all.chunks_exact(from * from) {
                let taken: f32 = row.iter().sum();
                // Points of a much smaller grid may step over a cell of the map, which then plays no part in it.
                let skipped = from > 4 * to && taken == 0.0;
                assert!(skipped || (taken - 1.0).abs() < 1e-5, "{from} to {to}: {taken}");
            }
            let (one, rest) = pairs.split_at(pairs.len() / 3);
            let [one, rest] = [one, rest].map(|pairs| regrid.exchange(&regrid, pairs));
            assert!(all.iter().zip(one.iter().zip(&rest)).all(|(all, (a, b))| (all - a - b).abs() < 1e-5));
        }
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
