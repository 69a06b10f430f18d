//! Oracles: a full sort in f64, and `ot` called directly.

use std::sync::Arc;

use half::f16;
use proptest::prelude::*;

use super::{Colours, build_all, picture, write_photos};
use crate::data::decode_file;
use crate::domain::{Arithmetic, Grid, MatchOptions, PhotoId, Ranking, Stage, StopFlag};
use crate::index::dot;
use crate::index::embed::{Embed, embed_photo};
use crate::index::error::IndexError;
use crate::index::format::{Features, Record, Shape, write};
use crate::index::search::Searcher;
use crate::index::stored::GalleryIndex;
use crate::nn::CellFeatures;
use crate::ot::{self, Cells};

pub fn searcher(dir: &std::path::Path, photos: usize) -> (Searcher, Colours) {
    let embed = Colours::new();
    let photos = write_photos(dir, 0..photos);
    build_all(&dir.join("features"), &embed, &photos).unwrap();
    (Searcher::new(Arc::new(GalleryIndex::open_for(&dir.join("features"), &embed).unwrap())), embed)
}

pub fn query(embed: &Colours) -> CellFeatures {
    embed_photo(embed, &picture(1000), None, None).unwrap()
}

fn photos_of(ranking: &Ranking) -> Vec<&PhotoId> {
    ranking.hits.iter().map(|hit| &hit.photo).collect()
}

#[test]
fn the_global_ranking_is_that_of_a_full_sort() {
    let dir = tempfile::tempdir().unwrap();
    let (searcher, embed) = searcher(dir.path(), 60);
    let (index, query) = (searcher.index(), query(&embed));
    let options = MatchOptions { rerank: 0, ..MatchOptions::default() };
    let mut wanted: Vec<(f64, usize)> = (0..60)
        .map(|row| {
            let global = index.global_f32(row);
            (global.iter().zip(&query.globals).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum(), row)
        })
        .collect();
    wanted.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    for limit in [1, 7, 60, 500] {
        let ranking = searcher.search_global(&query, limit, &options);
        assert_eq!(ranking.stage, Stage::Global);
        assert_eq!((ranking.gallery_size, ranking.hits.len()), (60, limit.min(60)));
        for ((hit, (similarity, row)), rank) in ranking.hits.iter().zip(&wanted).zip(1..) {
            assert_eq!(hit.photo, index.rows()[*row].photo);
            assert_eq!((hit.rank, hit.global_rank, hit.structural), (rank, rank, None));
            assert!((f64::from(hit.score) - similarity).abs() < 1e-6 && hit.score == hit.global);
        }
    }
    assert!(searcher.search_global(&query, 0, &options).hits.is_empty());
}

#[test]
fn equal_photos_keep_the_order_of_their_rows() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("index.seam");
    let grid = Grid::new(1, 1);
    let shape = Shape { checkpoint: "c".into(), arithmetic: Arithmetic::F32, dim: 2, grid, input_size: 8 };
    let numbers = [f16::ONE, f16::ZERO, f16::NEG_ONE, f16::ZERO];
    let rows: Vec<(Record, Features)> = (0..9000)
        .map(|n| {
            let record = Record {
                photo: PhotoId::new(n.to_string()),
                product: "p".into(),
                content: String::new(),
                bytes: 0,
                modified_ns: 0,
                crop: None,
                kind: None,
            };
            // Every third row is the best there is.
            let from = if n % 3 == 2 { 0 } else { 2 };
            (record, Features { global: &numbers[from..from + 2], cells: &numbers[..2] })
        })
        .collect();
    write(&path, &shape, &rows).unwrap();
    let searcher = Searcher::new(Arc::new(GalleryIndex::open(dir.path()).unwrap()));
    let query = CellFeatures { grid: shape.grid, dim: 2, cells: vec![1.0, 0.0], globals: vec![1.0, 0.0] };
    let options = MatchOptions { rerank: 0, ..MatchOptions::default() };
    let ranking = searcher.search_global(&query, 3002, &options);
    let rows: Vec<usize> = ranking.hits.iter().map(|hit| hit.photo.as_str().parse().unwrap()).collect();
    let wanted: Vec<usize> = (0..3000).map(|n| 3 * n + 2).chain([0, 1]).collect();
    assert_eq!(rows, wanted);
}

#[test]
fn reranking_orders_the_first_by_direct_comparison_and_keeps_the_rest() {
    let dir = tempfile::tempdir().unwrap();
    let (searcher, embed) = searcher(dir.path(), 40);
    let (index, query) = (searcher.index(), query(&embed));
    let options = MatchOptions { rerank: 15, structural_weight: 3.0, epsilon: 0.02, ..MatchOptions::default() };
    let global = searcher.search_global(&query, 25, &options);
    let ranking = searcher.rerank(&query, &global, &options, &StopFlag::new());
    assert_eq!((ranking.stage, ranking.hits.len()), (Stage::Structural, 25));

    let of_query = Cells { grid: query.grid, dim: query.dim, cells: &query.cells, global: &query.globals };
    let mut wanted: Vec<(f32, usize)> = global.hits[..15]
        .iter()
        .map(|hit| {
            let row = index.row_of(&hit.photo).unwrap();
            let (cells, vector) = (index.cells_f32(row), index.global_f32(row));
            let cells = Cells { grid: index.grid(), dim: index.dim(), cells: &cells, global: &vector };
            let score = ot::score_pair(&of_query, &cells, &options);
            (score.global + 3.0 * score.structural, hit.global_rank)
        })
        .collect();
    wanted.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    assert!(!wanted.is_sorted_by_key(|(_, rank)| *rank), "structural matching changes this order");
    for ((hit, (score, global_rank)), rank) in ranking.hits.iter().zip(&wanted).zip(1..) {
        assert_eq!((hit.rank, hit.global_rank), (rank, *global_rank));
        assert!((hit.score - score).abs() < 1e-6);
        let pair = searcher.explain(&query, &hit.photo, &options).unwrap();
        assert_eq!(Some(pair.structural), hit.structural);
        assert_eq!((pair.score, pair.global, pair.iterations), (hit.score, hit.global, hit.iterations));
    }
    assert_eq!(ranking.hits[15..], global.hits[15..]);

    // Other knobs on a ranking that was re-ranked already: as if from the start.
    let wider = MatchOptions { rerank: 30, epsilon: 0.1, ..options };
    let again = searcher.rerank(&query, &ranking, &wider, &StopFlag::new());
    let direct = searcher.rerank(&query, &searcher.search_global(&query, 25, &wider), &wider, &StopFlag::new());
    assert_eq!(again.hits, direct.hits);
    assert_eq!(again.hits.len(), 30);
    let none = MatchOptions { rerank: 0, ..options };
    let kept = searcher.rerank(&query, &ranking, &none, &StopFlag::new());
    assert_eq!(photos_of(&kept), photos_of(&global));
    assert!(kept.hits.iter().all(|hit| hit.structural.is_none() && hit.rank == hit.global_rank));
}

#[test]
fn a_stopped_reranking_gives_the_global_ranking_back() {
    let dir = tempfile::tempdir().unwrap();
    let (searcher, embed) = searcher(dir.path(), 12);
    let query = query(&embed);
    let global = searcher.search_global(&query, 5, &MatchOptions::default());
    let stop = StopFlag::new();
    stop.stop();
    assert_eq!(searcher.rerank(&query, &global, &MatchOptions::default(), &stop), global);
}

#[test]
fn a_photo_of_the_gallery_finds_itself() {
    let dir = tempfile::tempdir().unwrap();
    let (searcher, embed) = searcher(dir.path(), 30);
    let photo = decode_file(&dir.path().join("0017.png")).unwrap();
    let query = embed_photo(&embed, &photo, None, None).unwrap();
    let ranking = searcher.search_global(&query, 1, &MatchOptions::default());
    assert_eq!(ranking.hits[0].photo.as_str(), "shop/0017.png");
    assert!((ranking.hits[0].score - 1.0).abs() < 1e-3);
    let unknown = searcher.explain(&query, &"shop/none.png".into(), &MatchOptions::default());
    assert!(matches!(unknown, Err(IndexError::NotIndexed { .. })));
    assert_eq!(embed.checkpoint(), &ranking.checkpoint);
}

#[test]
fn any_number_of_threads_gives_the_same_ranking() {
    let dir = tempfile::tempdir().unwrap();
    let (searcher, embed) = searcher(dir.path(), 50);
    let query = query(&embed);
    let rank = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let options = MatchOptions { rerank: 20, ..MatchOptions::default() };
            let global = searcher.search_global(&query, 50, &options);
            searcher.rerank(&query, &global, &options, &StopFlag::new()).hits
        })
    };
    assert_eq!(rank(1), rank(3));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn inner_products_equal_sums_in_f64(
        values in prop::collection::vec((-1.0_f32..1.0, -1.0_f32..1.0), 1..150),
    ) {
        let query: Vec<f32> = values.iter().map(|v| v.0).collect();
        let row: Vec<f16> = values.iter().map(|v| f16::from_f32(v.1)).collect();
        let wanted: f64 = query.iter().zip(&row).map(|(q, r)| f64::from(*q) * r.to_f64()).sum();
        let bound = 1e-6 * values.len() as f64;
        let (mut fast, mut plain) = ([0.0], [0.0]);
        dot::products(&query, &row, &mut fast);
        dot::portable(&query, &row, &mut plain);
        prop_assert!((f64::from(fast[0]) - wanted).abs() < bound);
        prop_assert!((f64::from(plain[0]) - wanted).abs() < bound);
    }
}
