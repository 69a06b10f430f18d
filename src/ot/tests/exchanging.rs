//! Cells replaced by those that a plan matches them with.

use crate::domain::{Grid, Marginals, MatchOptions, Solver, TakenCell, TransportPlan};
use crate::ot::{
    Exchanged, Painted, SinkhornOptions, explain_painted, explain_pair, score_painted, score_pair, sinkhorn,
};

use super::ignoring::{cosine, reference, tight, weights};
use super::support::{Photo, near, widen};

/// The plan in 64 bits, from the definition.
fn plan(query: &Photo, gallery: &Photo, marginals: Marginals) -> Vec<f64> {
    let (a, b) = (weights(query, gallery, &[], marginals), weights(gallery, query, &[], marginals));
    let rows = |photo: &Photo| photo.cells.chunks_exact(photo.dim).map(<[f32]>::to_vec).collect::<Vec<_>>();
    let (q, g) = (rows(query), rows(gallery));
    let cost: Vec<f64> = q.iter().flat_map(|q| g.iter().map(move |g| 1.0 - cosine(q, g))).collect();
    let options = SinkhornOptions { epsilon: 0.05, max_iterations: 20_000, tolerance: 1e-9 };
    sinkhorn(&cost, &a, &b, &options).unwrap().plan
}

/// Oracle: the cells replaced by hand after a plan in 64 bits, and that photo's score in 64 bits.
#[test]
fn the_score_is_that_of_a_photo_with_the_heaviest_cells_in_these_places() {
    let mut compared = 0;
    for seed in 1..=12 {
        let (query_grid, gallery_grid) = (Grid::new(3, 4), Grid::new(4, 5));
        let (q, g) = (Photo::random(seed, query_grid, 12), Photo::random(seed + 50, gallery_grid, 12));
        let marginals = if seed % 2 == 0 { Marginals::Uniform } else { Marginals::CrossCorrelation };
        let options = tight(marginals);
        let own = explain_pair(&q.view(), &g.view(), &options).plan;
        let by_hand = plan(&q, &g, marginals);
        for region in [vec![], vec![0], vec![2, 7, 11], (0..12).collect::<Vec<usize>>()] {
            let mut wanted = q.cells.clone();
            let mut froms = Vec::new();
            for &cell in &region {
                let row = &by_hand[cell * 20..(cell + 1) * 20];
                if row.iter().sum::<f64>() <= 0.0 {
                    continue;
                }
                let from = (0..20).max_by(|&x, &y| row[x].total_cmp(&row[y])).unwrap();
                froms.push((cell, from, row[from] / row.iter().sum::<f64>()));
                wanted[cell * 12..(cell + 1) * 12].copy_from_slice(&g.cells[from * 12..(from + 1) * 12]);
            }
            let got = Exchanged::of(&q.view(), &g.view(), &own, &region);
            assert_eq!(got.taken().len(), froms.len());
            for (got, (cell, from, share)) in got.taken().iter().zip(&froms) {
                assert_eq!((got.cell, got.from), (*cell, *from), "seed {seed}");
                near(got.share.into(), *share, 1e-3, "share of the mass");
            }
            // With a global vector of its own, as pooling would give it one.
            let global = Photo::random(seed + 90, query_grid, 12).global;
            let changed = Photo { grid: query_grid, dim: 12, cells: wanted, global: global.clone() };
            assert_eq!(got.view(&global).cells, changed.cells);
            // The product, and another photo that it is ranked against.
            for other in [&g, &Photo::random(seed + 200, gallery_grid, 12)] {
                let score = score_pair(&got.view(&global), &other.view(), &options);
                let a = weights(&changed, other, &[], marginals);
                let b = weights(other, &changed, &[], marginals);
                near(score.structural.into(), reference(&changed, other, &a, &b, true), 2e-4, "structural");
                near(score.global.into(), cosine(&global, &other.global), 1e-5, "global");
                compared += 1;
            }
        }
    }
    assert_eq!(compared, 12 * 4 * 2);
}

#[test]
fn no_cells_and_a_photo_matched_with_itself_are_the_photo_to_the_bit() {
    let (q, g) = (Photo::random(1, Grid::new(7, 7), 16), Photo::random(2, Grid::new(7, 7), 16));
    let options = MatchOptions::default();
    let none = explain_pair(&q.view(), &g.view(), &options).plan;
    let none = Exchanged::of(&q.view(), &g.view(), &none, &[]);
    assert!(none.taken().is_empty());
    assert_eq!(score_pair(&none.view(&q.global), &g.view(), &options), score_pair(&q.view(), &g.view(), &options));
    for solver in [Solver::Sinkhorn, Solver::Exact] {
        let options = MatchOptions { solver, ..options };
        let itself = explain_pair(&q.view(), &q.view(), &options).plan;
        let all: Vec<usize> = (0..49).collect();
        let swapped = Exchanged::of(&q.view(), &q.view(), &itself, &all);
        assert!(swapped.taken().iter().all(|taken| taken.cell == taken.from), "{:?}", swapped.taken());
        assert_eq!(swapped.view(&q.global).cells, q.cells, "{solver:?}");
    }
}

#[test]
fn of_equals_the_first_is_taken_and_a_cell_without_mass_stays() {
    let (q, g) = (Photo::random(5, Grid::new(1, 3), 4), Photo::random(6, Grid::new(2, 2), 4));
    let plan = TransportPlan::new(q.grid, g.grid, vec![0.1, 0.2, 0.2, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.5]);
    let got = Exchanged::of(&q.view(), &g.view(), &plan, &[0, 1, 2]);
    let taken: Vec<(usize, usize)> = got.taken().iter().map(|taken| (taken.cell, taken.from)).collect();
    assert_eq!(taken, [(0, 1), (2, 3)]);
    near(got.taken()[0].share.into(), 0.4, 1e-6, "share");
    assert_eq!(got.taken()[1], TakenCell { cell: 2, from: 3, share: 1.0 });
    let cells = got.view(&q.global).cells;
    assert_eq!((&cells[..4], &cells[4..8], &cells[8..]), (&g.cells[4..8], &q.cells[4..8], &g.cells[12..]));
}

/// Painted weights belong to places: they stay where they were painted.
#[test]
fn painted_weights_stay_and_what_is_painted_out_is_not_swapped() {
    let (q, g) = (Photo::random(21, Grid::new(3, 4), 12), Photo::random(22, Grid::new(4, 5), 12));
    let options = tight(Marginals::Painted);
    let on_query: Vec<f32> = (0..12).map(|cell| (cell % 4) as f32 / 3.0).collect();
    let painted = Painted { query: Some(&on_query), gallery: None };
    let own = explain_painted(&q.view(), &g.view(), painted, &options).plan;
    let got = Exchanged::of(&q.view(), &g.view(), &own, &[0, 1, 4, 6]);
    assert_eq!(got.taken().iter().map(|taken| taken.cell).collect::<Vec<_>>(), [1, 6]);
    let changed = Photo { grid: q.grid, dim: 12, cells: got.view(&q.global).cells.to_vec(), global: q.global.clone() };
    let score = score_painted(&got.view(&q.global), &g.view(), painted, &options);
    let sum: f64 = widen(&on_query).iter().sum();
    let a: Vec<f64> = widen(&on_query).iter().map(|weight| weight / sum).collect();
    let b = weights(&g, &changed, &[], Marginals::CrossCorrelation);
    near(score.structural.into(), reference(&changed, &g, &a, &b, true), 2e-4, "structural");
    assert!(
        score.structural > score_painted(&q.view(), &g.view(), painted, &options).structural,
        "it looks more like it"
    );
}
