//! Every knob of a comparison. Oracles: definitions done naively, `ot` called directly, and all values tried.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Colours, build_all, picture, write_photos};
use crate::domain::{
    CellPaint, Grid, Layer, Marginals, MatchOptions, Paint, PairMatch, PhotoId, Ranking, Solver, StopFlag,
};
use crate::index::compare::{Beside, KeptPairs, LayerCells, explain_features};
use crate::index::embed::embed_photo;
use crate::index::search::Searcher;
use crate::index::stored::GalleryIndex;
use crate::nn::CellFeatures;
use crate::ot::{self, Cells};

const SOLVERS: [Solver; 4] = [Solver::Sinkhorn, Solver::Exact, Solver::UNBALANCED, Solver::PARTIAL];

struct Scene {
    searcher: Searcher,
    query: CellFeatures,
    _dir: tempfile::TempDir,
}

impl Scene {
    fn new(photos: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let embed = Colours::new();
        let photos = write_photos(dir.path(), 0..photos);
        build_all(&dir.path().join("features"), &embed, &photos).unwrap();
        let index = GalleryIndex::open_for(&dir.path().join("features"), &embed).unwrap();
        let query = embed_photo(&embed, &picture(1000), None, None).unwrap();
        Self { searcher: Searcher::new(Arc::new(index)), query, _dir: dir }
    }

    fn rerank(&self, searcher: &Searcher, options: &MatchOptions) -> Ranking {
        let global = searcher.search_global(&self.query, 30, options);
        searcher.rerank(&self.query, &global, options, &StopFlag::new())
    }

    fn photo(&self, row: usize) -> PhotoId {
        self.searcher.index().rows()[row].photo.clone()
    }

    fn cells(&self, row: usize) -> (Vec<f32>, Vec<f32>) {
        (self.searcher.index().cells_f32(row), self.searcher.index().global_f32(row))
    }
}

/// Every hit is what explaining its pair says, to the bit.
fn assert_explained(scene: &Scene, searcher: &Searcher, ranking: &Ranking, options: &MatchOptions) {
    let compared = ranking.hits.iter().filter(|hit| hit.structural.is_some());
    assert!(compared.clone().count() > 0);
    for hit in compared {
        let pair = searcher.explain(&scene.query, &hit.photo, options).unwrap();
        assert_eq!(Some(pair.structural.to_bits()), hit.structural.map(f32::to_bits), "{options:?}");
        assert_eq!((pair.score, pair.global), (hit.score, hit.global), "{options:?}");
        assert_eq!((pair.iterations, pair.marginal_error), (hit.iterations, hit.marginal_error));
    }
}

/// A cell of another grid by the definition: along each side, the mean where the grid divides the stored one; else four
/// points each of a line through as many points as four times the grid, corners on corners.
fn naive_cell(cells: &[f32], own: Grid, dim: usize, to: Grid, cell: usize) -> Vec<f64> {
    let parts = |own: usize, to: usize, place: usize| -> Vec<(usize, f64)> {
        if own.is_multiple_of(to) {
            let each = own / to;
            return (0..each).map(|i| (place * each + i, 1.0 / each as f64)).collect();
        }
        (4 * place..4 * place + 4)
            .flat_map(|point| {
                let at = point as f64 * (own - 1) as f64 / (4 * to - 1) as f64;
                let left = at.floor() as usize;
                [(left, (1.0 - at.fract()) / 4.0), ((left + 1).min(own - 1), at.fract() / 4.0)]
            })
            .collect()
    };
    let (row, column) = to.place(cell);
    let mut sum = vec![0.0; dim];
    for (r, height) in parts(own.rows, to.rows, row) {
        for (c, width) in parts(own.columns, to.columns, column) {
            for (k, sum) in sum.iter_mut().enumerate() {
                *sum += height * width * f64::from(cells[(r * own.columns + c) * dim + k]);
            }
        }
    }
    sum
}

#[test]
fn another_grid_is_the_stored_cells_resampled_and_compared_by_their_cosines() {
    let scene = Scene::new(6);
    let (own, dim) = (scene.query.grid, scene.query.dim);
    let (cells, _) = scene.cells(2);
    for side in [3u8, 4, 7, 14] {
        let options = MatchOptions { grid: Some(side), ..MatchOptions::default() };
        let pair = scene.searcher.explain(&scene.query, &scene.photo(2), &options).unwrap();
        let to = Grid::new(usize::from(side), usize::from(side));
        assert_eq!((pair.plan.query(), pair.plan.gallery()), (to, to));
        let side_of =
            |cells: &[f32]| (0..to.cells()).map(|cell| naive_cell(cells, own, dim, to, cell)).collect::<Vec<_>>();
        let (query, gallery) = (side_of(scene.query.cells_of(0)), side_of(&cells));
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        for (i, q) in query.iter().enumerate() {
            for (j, g) in gallery.iter().enumerate() {
                let cosine = dot(q, g) / (dot(q, q) * dot(g, g)).sqrt();
                let got = f64::from(pair.similarity[i * to.cells() + j]);
                assert!((got - cosine).abs() < 1e-5, "{side}: cells {i} and {j}: {got} is not {cosine}");
            }
        }
    }
    assert!(scene.searcher.explain(&scene.query, &PhotoId::new("no such"), &MatchOptions::default()).is_err());
}

#[test]
fn hits_are_what_explaining_says_for_every_solver_grid_and_paint_kept_or_not() {
    let scene = Scene::new(24);
    let grid = Grid::new(7, 5);
    let weights = (0..35).map(|cell| ((cell * 7) % 5) as f32 / 4.0).collect();
    let mut paint = Paint { query: CellPaint::new(grid, weights), ..Paint::default() };
    paint.gallery.insert(scene.photo(3), CellPaint::filled(Grid::new(1, 1), 0.4));
    let beside = |kept: bool| Beside {
        paint: Some(Arc::new(paint.clone())),
        kept: kept.then(Arc::<KeptPairs>::default),
        ..Beside::default()
    };
    let (plain, kept) = (scene.searcher.with(beside(false)), scene.searcher.with(beside(true)));
    for solver in SOLVERS {
        for marginals in [Marginals::Uniform, Marginals::CrossCorrelation, Marginals::Painted] {
            for side in [None, Some(3), Some(5)] {
                let options = MatchOptions { solver, marginals, grid: side, rerank: 12, ..MatchOptions::default() };
                let ranking = scene.rerank(&plain, &options);
                assert_explained(&scene, &plain, &ranking, &options);
                for _ in 0..2 {
                    assert_eq!(scene.rerank(&kept, &options).hits, ranking.hits, "{options:?}");
                }
                if marginals != Marginals::Painted {
                    assert_eq!(scene.rerank(&scene.searcher, &options).hits, ranking.hits, "paint is not asked for");
                }
            }
        }
    }
}

#[test]
fn paint_on_the_query_counts_for_all_and_paint_on_a_product_for_that_one() {
    let scene = Scene::new(12);
    let options = MatchOptions { marginals: Marginals::Painted, rerank: 12, ..MatchOptions::default() };
    let with = |paint: Paint| {
        let searcher = scene.searcher.with(Beside { paint: Some(Arc::new(paint)), ..Beside::default() });
        let scores = scene.rerank(&searcher, &options).hits;
        scores.into_iter().map(|hit| (hit.photo, hit.structural)).collect::<HashMap<_, _>>()
    };
    let none = with(Paint::default());
    let mut corner = CellPaint::filled(Grid::new(2, 3), 0.0);
    corner.change(5, 1.0);
    let query = with(Paint { query: Some(corner.clone()), ..Paint::default() });
    assert!(none.iter().all(|(photo, structural)| query[photo] != *structural));
    let one = with(Paint { gallery: [(scene.photo(4), corner)].into(), ..Paint::default() });
    for (photo, structural) in &none {
        assert_eq!(one[photo] == *structural, *photo != scene.photo(4));
    }
}

/// Oracle: all scores, sorted.
#[test]
fn the_best_from_few_scores_are_the_best_of_all_under_every_knob() {
    let scene = Scene::new(60);
    let photos: Vec<PhotoId> = (0..60).map(|row| scene.photo(row)).collect();
    let paint = Paint { query: Some(CellPaint::filled(Grid::new(1, 2), 0.5)), ..Paint::default() };
    let layer = layer(&scene, 50);
    let beside = Beside { paint: Some(Arc::new(paint)), layer: Some(Arc::new(layer)), ..Beside::default() };
    let searcher = scene.searcher.with(beside);
    // A query of two photos, too.
    let mut two = scene.query.clone();
    two.cells.extend(scene.query.cells.iter().rev());
    two.globals.extend(scene.query.globals.iter().rev());
    let (stop, mut pruned) = (StopFlag::new(), 0);
    for query in [&scene.query, &two] {
        for (marginals, layer) in [(Marginals::CrossCorrelation, Layer::Last), (Marginals::Painted, Layer::Third)] {
            let options = MatchOptions { marginals, layer, ..MatchOptions::default() };
            let pairs = searcher.pairs(query, &photos, &options, &stop).unwrap();
            let bounds = searcher.bounds_of(&pairs, &photos, &options);
            let scores: Vec<f32> = searcher
                .scores_of(&pairs, &photos, &options, &stop)
                .unwrap()
                .iter()
                .map(|score| score.score(&options))
                .collect();
            assert!(scores.iter().zip(&bounds).all(|(score, bound)| score <= bound));
            let mut order: Vec<usize> = (0..60).collect();
            order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(a.cmp(&b)));
            for top in [1, 7] {
                let best = searcher.best_of((&pairs, &photos), (&bounds, top), &options, None, &stop).unwrap();
                assert_eq!(best.places, order[..top], "{options:?}");
                pruned += best.pruned;
            }
        }
    }
    assert!(pruned > 0);
}

/// Features of another layer, made up: the oracle is `ot` on them.
fn layer(scene: &Scene, photos: usize) -> LayerCells {
    let made = |seed: usize| {
        let value = |i: usize| ((i * 37 + seed * 101) % 97) as f32 / 97.0;
        let (grid, dim) = (Grid::new(4, 4), 5);
        let cells: Vec<f32> = (0..16 * dim).map(value).collect();
        Arc::new(CellFeatures { grid, dim, globals: cells[..dim].to_vec(), cells })
    };
    LayerCells {
        layer: Layer::Third,
        query: made(1000),
        gallery: (0..photos).map(|row| (scene.photo(row), made(row))).collect(),
    }
}

#[test]
fn an_earlier_layer_gives_the_structural_part_and_the_index_the_global_one() {
    let scene = Scene::new(10);
    let cells = layer(&scene, 9);
    let searcher = scene.searcher.with(Beside { layer: Some(Arc::new(cells.clone())), ..Beside::default() });
    let options = MatchOptions { layer: Layer::Third, rerank: 10, ..MatchOptions::default() };
    let ranking = scene.rerank(&searcher, &options);
    assert_eq!(ranking.options, options);
    assert_explained(&scene, &searcher, &ranking, &options);
    let last = scene.rerank(&scene.searcher, &MatchOptions { layer: Layer::Last, ..options });
    for hit in &ranking.hits {
        let expected =
            cells.gallery.get(&hit.photo).map(|gallery| explain_features(&cells.query, gallery, [None; 2], &options));
        assert_eq!(hit.structural, Some(expected.map_or(0.0, |pair: PairMatch| pair.structural)));
        let same = last.hits.iter().find(|other| other.photo == hit.photo).unwrap();
        assert_eq!(hit.global, same.global, "the global part stays");
    }
    // The same directly.
    let direct = ot::score_pair(&view(&cells.query), &view(&cells.gallery[&scene.photo(0)]), &options);
    assert_eq!(searcher.explain(&scene.query, &scene.photo(0), &options).unwrap().structural, direct.structural);
}

fn view(features: &CellFeatures) -> Cells<'_> {
    Cells { grid: features.grid, dim: features.dim, cells: &features.cells, global: &features.globals }
}

#[test]
fn without_its_features_an_earlier_layer_is_not_pretended() {
    let scene = Scene::new(5);
    let options = MatchOptions { layer: Layer::Third, ..MatchOptions::default() };
    assert_eq!(scene.rerank(&scene.searcher, &options).options.layer, Layer::Last);
}

#[test]
fn samples_of_epsilon_are_the_plans_own_figures() {
    let scene = Scene::new(4);
    let options = MatchOptions::default();
    let samples =
        scene.searcher.epsilon_samples(&scene.query, &scene.photo(1), &options, &StopFlag::new()).unwrap().unwrap();
    assert!(samples.len() > 20 && samples.windows(2).all(|pair| pair[0].epsilon < pair[1].epsilon));
    assert_eq!((samples[0].epsilon, samples.last().unwrap().epsilon), (0.005, 1.0));
    for sample in &samples {
        let options = MatchOptions { epsilon: sample.epsilon, ..options };
        let pair = scene.searcher.explain(&scene.query, &scene.photo(1), &options).unwrap();
        let mass = pair.plan.mass();
        // Entropy by another formula: ln of the total less the mean of the logarithms.
        let total: f64 = mass.iter().map(|&m| f64::from(m)).sum();
        let logs: f64 = mass.iter().filter(|m| **m > 0.0).map(|&m| f64::from(m) * f64::from(m).ln()).sum();
        let entropy = (total.ln() - logs / total) / (mass.len() as f64).ln();
        assert!((f64::from(sample.entropy) - entropy).abs() < 1e-5, "{} at {}", sample.entropy, sample.epsilon);
        assert_eq!((sample.structural, sample.iterations), (pair.structural, pair.iterations));
    }
    assert!(samples.last().unwrap().entropy > samples[0].entropy, "a large epsilon spreads");
    let stopped = StopFlag::new();
    stopped.stop();
    assert_eq!(scene.searcher.epsilon_samples(&scene.query, &scene.photo(1), &options, &stopped).unwrap(), None);
}

#[test]
fn the_first_ranks_hold_as_far_as_trying_every_epsilon_says() {
    let scene = Scene::new(40);
    let searcher = scene.searcher.with(Beside { kept: Some(Arc::default()), ..Beside::default() });
    for (now, weight) in [(0.05, 1.0), (0.02, 3.0), (0.3, 0.5)] {
        let options = MatchOptions { epsilon: now, structural_weight: weight, rerank: 30, ..MatchOptions::default() };
        let global = searcher.search_global(&scene.query, 30, &options);
        let first = |epsilon| -> Vec<PhotoId> {
            let options = MatchOptions { epsilon, ..options };
            let ranking = scene.searcher.rerank(&scene.query, &global, &options, &StopFlag::new());
            ranking.hits.into_iter().take(5).map(|hit| hit.photo).collect()
        };
        let hold = searcher.epsilon_hold(&scene.query, &global, &options, &StopFlag::new()).unwrap();
        assert_eq!(hold.top, 5);
        let present = first(now);
        let steps = 600;
        let all: Vec<f32> = (0..=steps).map(|i| 0.005 * 200f32.powf(i as f32 / steps as f32)).collect();
        for &epsilon in &all {
            let inside = (hold.low * 1.002..=hold.high / 1.002).contains(&epsilon);
            assert!(!inside || first(epsilon) == present, "{now}: the order changes at {epsilon}, within {hold:?}");
        }
        for (bound, beyond) in [(hold.low, hold.low / 1.01), (hold.high, hold.high * 1.01)] {
            let at_end = !(0.0051..=0.99).contains(&bound);
            assert!(at_end || first(beyond) != present, "{now}: nothing changes beyond {bound}");
        }
        let stopped = StopFlag::new();
        stopped.stop();
        assert_eq!(searcher.epsilon_hold(&scene.query, &global, &options, &stopped), None);
    }
}
