//! Importance that a person paints on the cells of photos: marginals made by hand.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Grid, PhotoId};

/// One photo's painted importance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored")]
pub struct CellPaint {
    grid: Grid,
    /// One for each cell, 0 to 1.
    weights: Vec<f32>,
}

/// As a file holds it, which a person may have edited.
#[derive(Deserialize)]
struct Stored {
    grid: Grid,
    weights: Vec<f32>,
}

impl TryFrom<Stored> for CellPaint {
    type Error = String;

    fn try_from(stored: Stored) -> Result<Self, String> {
        let (grid, count) = (stored.grid, stored.weights.len());
        let wrong = || format!("a painted grid of {} x {} cells holds {count} weights", grid.rows, grid.columns);
        Self::new(grid, stored.weights).ok_or_else(wrong)
    }
}

impl CellPaint {
    /// The same importance everywhere.
    pub fn filled(grid: Grid, weight: f32) -> Self {
        Self { grid, weights: vec![weight.clamp(0.0, 1.0); grid.cells()] }
    }

    /// `None` unless there is one finite number for each cell; numbers outside 0 to 1 are clamped.
    pub fn new(grid: Grid, weights: Vec<f32>) -> Option<Self> {
        let cells = grid.rows.checked_mul(grid.columns);
        let fits =
            cells.is_some_and(|cells| cells > 0 && cells == weights.len()) && weights.iter().all(|w| w.is_finite());
        let weights = weights.into_iter().map(|w| w.clamp(0.0, 1.0)).collect();
        fits.then_some(Self { grid, weights })
    }

    pub fn grid(&self) -> Grid {
        self.grid
    }

    pub fn weights(&self) -> &[f32] {
        &self.weights
    }

    /// Nothing matters, which says nothing: such a photo counts as not painted.
    pub fn is_blank(&self) -> bool {
        !self.weights.iter().any(|&w| w > 0.0)
    }

    /// Adds `change` to a cell's importance, which stays within 0 to 1.
    pub fn change(&mut self, cell: usize, change: f32) {
        if let Some(weight) = self.weights.get_mut(cell) {
            *weight = (*weight + change).clamp(0.0, 1.0);
        }
    }

    /// What mattered does not, and the other way round.
    pub fn inverted(&self) -> Self {
        Self { grid: self.grid, weights: self.weights.iter().map(|w| 1.0 - w).collect() }
    }

    /// The importance of each cell of another grid over the same photo: the mean over the cell's area.
    pub fn on(&self, grid: Grid) -> Vec<f32> {
        if grid == self.grid {
            return self.weights.clone();
        }
        let rows = overlaps(self.grid.rows, grid.rows);
        let columns = overlaps(self.grid.columns, grid.columns);
        let mut weights = Vec::with_capacity(grid.cells());
        for row in &rows {
            for column in &columns {
                let parts = row.iter().flat_map(|&(r, height)| {
                    column.iter().map(move |&(c, width)| self.weights[r * self.grid.columns + c] * height * width)
                });
                weights.push(parts.sum::<f32>().clamp(0.0, 1.0));
            }
        }
        weights
    }
}

/// For each of `to` equal parts of a side: which of its `from` equal parts lie in it, and what share of it each is.
fn overlaps(from: usize, to: usize) -> Vec<Vec<(usize, f32)>> {
    (0..to)
        .map(|part| {
            // In units of 1 / (from x to) of the side, so that everything is whole.
            let (start, end) = (part * from, (part + 1) * from);
            (start / to..end.div_ceil(to))
                .map(|other| {
                    let shared = end.min((other + 1) * to) - start.max(other * to);
                    (other, shared as f32 / from as f32)
                })
                .collect()
        })
        .collect()
}

/// All that is painted for one query.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Paint {
    /// On the searched part of the query photo; counts for every candidate.
    pub query: Option<CellPaint>,
    /// On photos of the gallery; each counts for that photo alone.
    pub gallery: BTreeMap<PhotoId, CellPaint>,
}

impl Paint {
    pub fn is_blank(&self) -> bool {
        self.query.iter().chain(self.gallery.values()).all(CellPaint::is_blank)
    }

    /// Weights of the query's cells, where something is painted there.
    pub fn query_weights(&self, grid: Grid) -> Option<Vec<f32>> {
        weights_of(self.query.as_ref(), grid)
    }

    /// Weights of a gallery photo's cells, where something is painted there.
    pub fn gallery_weights(&self, photo: &PhotoId, grid: Grid) -> Option<Vec<f32>> {
        weights_of(self.gallery.get(photo), grid)
    }
}

fn weights_of(paint: Option<&CellPaint>, grid: Grid) -> Option<Vec<f32>> {
    paint.filter(|paint| !paint.is_blank()).map(|paint| paint.on(grid))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Oracle: the weight under each of many points of a cell, averaged.
    #[test]
    fn paint_on_another_grid_is_the_mean_over_each_cells_area() {
        let from = Grid::new(3, 5);
        let weights: Vec<f32> = (0..15).map(|i| (i * i % 7) as f32 / 7.0).collect();
        let paint = CellPaint::new(from, weights.clone()).unwrap();
        for to in [Grid::new(7, 7), Grid::new(2, 3), Grid::new(14, 4), Grid::new(3, 5), Grid::new(1, 1)] {
            let got = paint.on(to);
            // As many points as make every border of either grid fall between two of them.
            let points = 840;
            for (cell, &weight) in got.iter().enumerate() {
                let (row, column) = to.place(cell);
                let mut sum = 0.0f64;
                for y in 0..points / to.rows {
                    for x in 0..points / to.columns {
                        let y = (row * (points / to.rows) + y) * from.rows / points;
                        let x = (column * (points / to.columns) + x) * from.columns / points;
                        sum += f64::from(weights[y * from.columns + x]);
                    }
                }
                let mean = sum / ((points / to.rows) * (points / to.columns)) as f64;
                assert!((f64::from(weight) - mean).abs() < 1e-5, "{to:?} cell {cell}: {weight} is not {mean}");
            }
        }
    }

    #[test]
    fn blank_paint_says_nothing() {
        let grid = Grid::new(4, 4);
        let mut paint = Paint::default();
        assert!(paint.is_blank() && paint.query_weights(grid).is_none());
        paint.query = Some(CellPaint::filled(grid, 0.0));
        let photo = PhotoId::new("shop/a.jpg");
        assert!(paint.is_blank() && paint.query_weights(grid).is_none());
        paint.gallery.insert(photo.clone(), CellPaint::filled(grid, 0.5));
        assert!(!paint.is_blank());
        assert_eq!(paint.gallery_weights(&photo, Grid::new(2, 2)), Some(vec![0.5; 4]));
        assert!(paint.gallery_weights(&PhotoId::new("shop/b.jpg"), grid).is_none());
    }

    #[test]
    fn paint_survives_being_written_and_what_was_edited_wrongly_is_refused() {
        let grid = Grid::new(2, 3);
        let paint = Paint { query: CellPaint::new(grid, vec![0.0, 0.5, 1.0, 0.25, 0.0, 1.0]), ..Paint::default() };
        let text = serde_json::to_string(&paint).unwrap();
        assert_eq!(serde_json::from_str::<Paint>(&text).unwrap(), paint);
        let short = text.replace("0.25,", "");
        assert!(serde_json::from_str::<Paint>(&short).unwrap_err().to_string().contains("2 x 3 cells holds 5 weights"));
        assert_eq!(serde_json::from_str::<Paint>("{}").unwrap(), Paint::default());
    }

    #[test]
    fn importance_stays_between_0_and_1() {
        let grid = Grid::new(1, 3);
        assert!(CellPaint::new(grid, vec![0.0, f32::NAN, 1.0]).is_none());
        assert!(CellPaint::new(grid, vec![0.0; 4]).is_none());
        let mut paint = CellPaint::new(grid, vec![-3.0, 0.4, 7.0]).unwrap();
        paint.change(1, 0.9);
        paint.change(0, -0.2);
        paint.change(99, 1.0);
        assert_eq!(paint.weights(), [0.0, 1.0, 1.0]);
        assert_eq!(paint.inverted().weights(), [1.0, 0.0, 0.0]);
    }
}
