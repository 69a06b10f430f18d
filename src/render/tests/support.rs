//! Small matches and photos to draw.

use std::sync::Arc;

use crate::domain::{Grid, PairMatch, Pixels, SquarePicture, TransportPlan};
use crate::render::{PlanLayout, PlanScene};

/// A match with these masses, row-major `[query, gallery]`.
pub fn pair(query: Grid, gallery: Grid, mass: Vec<f32>) -> PairMatch {
    let plan = TransportPlan::new(query, gallery, mass);
    let similarity: Vec<f32> = (0..plan.mass().len()).map(|at| 0.9 - 0.01 * (at % 20) as f32).collect();
    let structural = plan.mass().iter().zip(&similarity).map(|(m, s)| m * s).sum();
    PairMatch {
        row_marginal: plan.row_sums(),
        column_marginal: plan.column_sums(),
        plan,
        similarity,
        structural,
        global: 0.5,
        score: 0.5 + structural,
        iterations: 18,
        marginal_error: 7e-4,
        uniform_fallback: false,
    }
}

/// Mass that spreads a little around the diagonal of two grids, and unevenly.
pub fn smooth_pair(query: Grid, gallery: Grid) -> PairMatch {
    let mut mass: Vec<f32> = (0..query.cells() * gallery.cells())
        .map(|at| {
            let (q, g) = (query.place(at / gallery.cells()), gallery.place(at % gallery.cells()));
            let dy = q.0 as f32 / query.rows as f32 - g.0 as f32 / gallery.rows as f32;
            let dx = q.1 as f32 / query.columns as f32 - g.1 as f32 / gallery.columns as f32;
            (-(dx * dx + dy * dy) * 60.0).exp() * (1.0 + ((at * 37) % 11) as f32 / 6.0)
        })
        .collect();
    let sum: f32 = mass.iter().sum();
    mass.iter_mut().for_each(|m| *m /= sum);
    pair(query, gallery, mass)
}

/// All mass from one query cell to one gallery cell.
pub fn single(query: Grid, gallery: Grid, q: usize, g: usize) -> PairMatch {
    let mut mass = vec![0.0; query.cells() * gallery.cells()];
    mass[q * gallery.cells() + g] = 1.0;
    pair(query, gallery, mass)
}

/// A photo with structure, of this size and content.
pub fn photo(size: u32, content: [f32; 4]) -> SquarePicture {
    let rgba = (0..size * size)
        .flat_map(|at| {
            let (x, y) = ((at % size) as f32 / size as f32, (at / size) as f32 / size as f32);
            let wave = |k: f32| (127.0 + 90.0 * (k * x * 7.0 + y * 9.0).sin()) as u8;
            [wave(1.0), wave(1.7), wave(0.4), 255]
        })
        .collect();
    SquarePicture { pixels: Arc::new(Pixels { width: size, height: size, rgba }), content }
}

/// A photo of one colour.
pub fn plain(color: [u8; 3]) -> SquarePicture {
    let [r, g, b] = color;
    let rgba = std::iter::repeat_n([r, g, b, 255], 64).flatten().collect();
    SquarePicture { pixels: Arc::new(Pixels { width: 8, height: 8, rgba }), content: WHOLE }
}

pub const WHOLE: [f32; 4] = [0.0, 0.0, 1.0, 1.0];

pub fn smooth_scene() -> PlanScene {
    let pair = smooth_pair(Grid::new(5, 7), Grid::new(6, 4));
    PlanScene::new(&pair, &photo(96, [0.15, 0.0, 0.85, 1.0]), &photo(64, [0.0, 0.1, 1.0, 0.9]))
}

/// A view of 300 x 130 points.
pub fn layout() -> PlanLayout {
    PlanLayout::fit(300.0, 130.0, 30.0)
}
