//! A region of a query swapped with what a plan matches it with, on a real small flow.

use std::sync::Arc;

use super::Machine;
use super::studies::{ask, case, options, searched};
use crate::data;
use crate::domain::{
    CellPaint, CropRect, Grid, Marginals, MatchOptions, Paint, PairSide, Region, RegionSwap, StopFlag,
};
use crate::index::Beside;
use crate::index::combine::Added;
use crate::jobs::search::encode;
use crate::jobs::study::{Canvas, Case, Matched, swap};
use crate::jobs::{Answer, Event, JobError, Question, StudyEvent};
use crate::nn::CellFeatures;

fn swapped(case: &Case, cells: impl IntoIterator<Item = usize>) -> RegionSwap {
    swap(case, &Region::new(PairSide::Query, cells), &StopFlag::new(), &|_, _| {}).unwrap()
}

/// The same case for another of its candidates.
fn about(machine: &Machine, case: &Case, place: usize) -> Case {
    let project = crate::jobs::open::open_folder(&machine.sample()).unwrap();
    let photo = &case.candidates[place];
    let row = project.photo(photo).unwrap().unwrap();
    let product = project.product(row.product.as_ref().unwrap()).unwrap().unwrap();
    Case { matched: Matched { row, path: machine.sample().join(photo.as_str()), product }, ..case.clone() }
}

/// Both photos as the network sees them.
fn canvases(case: &Case) -> [Canvas; 2] {
    let size = case.engine.encoder.input_size();
    let photo = data::decode_file(&case.matched.path).unwrap();
    let part = data::compared_part(&photo, case.matched.row.domain, case.matched.row.bbox);
    [Canvas::new(&case.photo, Some(case.crop), size), Canvas::new(&photo, Some(part), size)]
}

#[test]
fn swapping_nothing_changes_nothing_and_what_makes_no_sense_is_refused() {
    let machine = Machine::with_sample();
    let case = case(&machine, options());
    let none = swapped(&case, []);
    assert!(none.taken.is_empty());
    assert_eq!((none.before.rank, none.candidates), (1, 6));
    let hit = case.engine.searcher.explain(&case.features, &case.matched.row.photo, &case.options).unwrap();
    assert_eq!(none.before.score, hit.score, "to the bit");
    for standing in [none.features, none.pixels] {
        assert!((standing.score - none.before.score).abs() < 1e-5, "{none:?}");
        assert_eq!(standing.rank, none.before.rank);
    }
    let refused = |region: Region| swap(&case, &region, &StopFlag::new(), &|_, _| {}).unwrap_err().to_string();
    let cells = case.features.grid.cells();
    let beyond = refused(Region::new(PairSide::Query, [cells]));
    assert!(beyond.contains(&format!("no cell number {}", cells + 1)), "{beyond}");
    assert!(refused(Region::new(PairSide::Gallery, [0])).contains("cells of the street photo are swapped"));
    let early = Case { options: MatchOptions { layer: crate::domain::Layer::Third, ..case.options }, ..case.clone() };
    let question = Question::Swap(Region::new(PairSide::Query, [0]));
    let early = crate::jobs::study::answer(&early, &question, &StopFlag::new(), &|_, _| {});
    assert!(early.unwrap_err().to_string().contains("network's last layer"));
    let stop = StopFlag::new();
    stop.stop();
    let stopped = swap(&case, &Region::new(PairSide::Query, [0]), &stop, &|_, _| {});
    assert!(matches!(stopped, Err(JobError::Stopped)));
}

/// Oracle: a product photo that is its own query, so that each cell is replaced by itself.
#[test]
fn a_photo_swapped_with_itself_is_the_photo() {
    let machine = Machine::with_sample();
    let mut case = case(&machine, MatchOptions { solver: crate::domain::Solver::Exact, ..options() });
    let photo = data::decode_file(&case.matched.path).unwrap();
    case.crop = data::compared_part(&photo, case.matched.row.domain, case.matched.row.bbox);
    case.features = Arc::new(encode(&case.engine.encoder, &photo, Some(case.crop), None).unwrap());
    case.photo = Arc::new(photo);
    let cells = case.features.grid.cells();
    let same = swapped(&case, 0..cells);
    assert_eq!(same.taken.len(), cells);
    assert!(same.taken.iter().all(|taken| taken.cell == taken.from), "{:?}", same.taken);
    let [own, _] = canvases(&case);
    assert_eq!(*same.picture.pixels, data::pixels(&own.without(case.features.grid, |_| false)));
    for standing in [same.features, same.pixels] {
        // The index holds 16 bits of each number.
        assert!((standing.score - same.before.score).abs() < 2e-3, "{same:?}");
        assert_eq!(standing.rank, 1);
    }
}

/// Oracle: the searcher's own comparison of features that are put together by hand, and of the edited picture encoded as
/// any photo is; ranks by sorting.
#[test]
fn both_answers_are_those_of_a_search_with_the_changed_photo() {
    let machine = Machine::with_sample();
    let first = case(&machine, options());
    let grid = first.features.grid;
    for (place, region) in [(0, vec![0]), (4, vec![0, 1, 3]), (5, (0..grid.cells()).collect::<Vec<_>>())] {
        let case = about(&machine, &first, place);
        let answer = swapped(&case, region.iter().copied());
        let (searcher, encoder) = (&case.engine.searcher, &case.engine.encoder);
        let pair = searcher.explain(&case.features, &case.matched.row.photo, &case.options).unwrap();
        let index = searcher.index();
        let (dim, stored) = (index.dim(), index.cells_f32(index.row_of(&case.matched.row.photo).unwrap()));
        let mut cells = case.features.cells.clone();
        let mut pairs = Vec::new();
        for &cell in &region {
            let row = pair.plan.row(cell);
            let most = row.iter().copied().fold(0.0, f32::max);
            let Some(from) = row.iter().position(|&mass| mass == most && mass > 0.0) else { continue };
            cells[cell * dim..(cell + 1) * dim].copy_from_slice(&stored[from * dim..(from + 1) * dim]);
            pairs.push((cell, from));
        }
        assert_eq!(answer.taken.iter().map(|taken| (taken.cell, taken.from)).collect::<Vec<_>>(), pairs);
        let [own, other] = canvases(&case);
        let images = [own.image(), other.image()].concat();
        let globals = encoder.encode_exchanged(&images, None, &pairs, [grid, index.grid()]).unwrap().globals;
        let by_features = CellFeatures { grid, dim, cells, globals };
        let square = own.with(&other, [grid, index.grid()], &pairs);
        assert_eq!(*answer.picture.pixels, data::pixels(&square));
        let whole = CropRect::whole(square.width(), square.height());
        let by_pixels = encode(encoder, &square, Some(whole), None).unwrap();
        for (features, told) in [(by_features, answer.features), (by_pixels, answer.pixels)] {
            let mut scores: Vec<(f32, bool)> = case
                .candidates
                .iter()
                .map(|photo| {
                    let score = searcher.explain(&features, photo, &case.options).unwrap().score;
                    (score, *photo == case.matched.row.photo)
                })
                .collect();
            scores.sort_by(|a, b| b.0.total_cmp(&a.0));
            let rank = 1 + scores.iter().position(|score| score.1).unwrap();
            assert!((scores[rank - 1].0 - told.score).abs() < 1e-5, "{} {}", scores[rank - 1].0, told.score);
            assert_eq!(told.rank, rank, "{place}: {scores:?}");
        }
    }
}

/// A street photo of a drawn product, and products it does not show: what is taken from one of them draws it near.
#[test]
fn a_wrong_product_gains_by_what_is_taken_from_it() {
    let machine = Machine::with_sample();
    let first = case(&machine, options());
    for place in 1..6 {
        let case = about(&machine, &first, place);
        let cells = case.features.grid.cells();
        let all = swapped(&case, 0..cells);
        assert!(all.taken.len() > cells / 2, "{:?}", all.taken);
        assert_eq!(all.before.rank, place + 1);
        let gained = [all.features, all.pixels].map(|standing| standing.structural - all.before.structural);
        assert!(gained.iter().all(|gained| *gained > 0.0), "{place}: {gained:?}");
        assert!(all.features.score > all.before.score && all.features.rank <= all.before.rank, "{all:?}");
    }
}

#[test]
fn cells_are_swapped_on_every_grid_with_paint_and_beside_other_photos() {
    let machine = Machine::with_sample();
    let first = case(&machine, options());
    let stop = StopFlag::new();
    let region = Region::new(PairSide::Query, [1, 2]);
    for cells in [3, 5, 14] {
        let case = Case { options: MatchOptions { grid: Some(cells), ..options() }, ..first.clone() };
        let question = Question::Swap(region.clone());
        let answered = crate::jobs::study::answer(&case, &question, &stop, &|_, _| {}).unwrap();
        let Answer::Swap(answer) = answered else { panic!("another answer") };
        let hit = case.engine.searcher.explain(&case.features, &case.matched.row.photo, &case.options).unwrap();
        assert_eq!(answer.before.score, hit.score, "to the bit");
        let grid = Grid::new(cells.into(), cells.into());
        assert_eq!((hit.plan.query(), hit.plan.gallery()), (grid, grid));
        assert!(answer.taken.iter().all(|taken| hit.plan.heaviest(taken.cell) == Some(taken.from)));
        assert!(answer.features.score != answer.before.score, "{cells}: {answer:?}");
    }
    // Painted out, a cell sends nothing and stays.
    let grid = first.features.grid;
    let weights = (0..grid.cells()).map(|cell| if cell == 1 { 0.0 } else { 1.0 }).collect();
    let paint = Paint { query: CellPaint::new(grid, weights), ..Paint::default() };
    let options = MatchOptions { marginals: Marginals::Painted, ..options() };
    let painted = Case { paint: Some(Arc::new(paint.clone())), options, ..first.clone() };
    let answer = swapped(&painted, [1, 2]);
    assert_eq!(answer.taken.iter().map(|taken| taken.cell).collect::<Vec<_>>(), [2]);
    let beside = Beside { paint: Some(Arc::new(paint)), ..Beside::default() };
    let searcher = first.engine.searcher.with(beside);
    let now = searcher.explain(&first.features, &first.matched.row.photo, &options).unwrap();
    assert_eq!(answer.before.score, now.score, "to the bit");
    let nothing = swapped(&painted, [1]);
    assert!(nothing.taken.is_empty() && (nothing.features.score - nothing.before.score).abs() < 1e-5);
    // What else the query is made of stays beside the changed photo.
    let index = first.engine.searcher.index();
    let also = index.global_f32(index.row_of(&super::shop(5)).unwrap());
    let added = Added { also: vec![also], ..Added::default() };
    let features = Arc::new(added.to(CellFeatures::clone(&first.features)));
    let several = Case { features, added: Arc::new(added), ..first.clone() };
    let none = swapped(&several, []);
    assert!((none.features.score - none.before.score).abs() < 1e-5, "{none:?}");
    assert!((none.pixels.score - none.before.score).abs() < 1e-5, "{none:?}");
    let some = [swapped(&several, [2]), swapped(&first, [2])];
    assert!((some[0].features.global - some[1].features.global).abs() > 1e-5, "the others count");
}

#[test]
fn pixels_are_those_of_the_other_s_cells_scaled_to_their_places() {
    let red = image::RgbImage::from_pixel(80, 80, image::Rgb([200, 0, 0]));
    let halves = image::RgbImage::from_fn(80, 80, |x, _| image::Rgb(if x < 40 { [0, 0, 90] } else { [0, 80, 0] }));
    let [own, other] = [red, halves].map(|photo| Canvas::new(&photo, None, 80));
    let grids = [Grid::new(2, 2), Grid::new(4, 4)];
    // The lower left quarter looks like the top right sixteenth.
    let square = own.with(&other, grids, &[(2, 3)]);
    for (x, y, pixel) in square.enumerate_pixels() {
        let wanted = if x < 40 && y >= 40 { [0, 80, 0] } else { [200, 0, 0] };
        assert_eq!(pixel.0, wanted, "{x} {y}");
    }
    assert_eq!(own.with(&other, grids, &[]), own.without(grids[0], |_| false));
    let all: Vec<(usize, usize)> = (0..4).map(|cell| (cell, cell)).collect();
    assert_eq!(own.with(&other, [grids[0]; 2], &all), other.without(grids[0], |_| false), "all cells in their places");
}

#[test]
fn the_backend_answers_what_if_a_region_were_swapped() {
    let machine = Machine::with_sample();
    let mut window = machine.start();
    let (query, hits) = searched(&mut window);
    let region = Region::new(PairSide::Query, [0, 1]);
    ask(&mut window, query, &hits[3], Question::Swap(region.clone()));
    let answer = window.wait(|event| match event {
        Event::Studied(StudyEvent::Answered { query: of, photo, answer: Answer::Swap(answer), .. }) => {
            assert_eq!((of, photo), (&query, &hits[3]));
            Some(Arc::clone(answer))
        }
        Event::Failed(failure) => panic!("{failure:?}"),
        _ => None,
    });
    assert_eq!((answer.region.clone(), answer.candidates), (region, 6));
    assert_eq!(answer.picture.pixels.width, 64);
}
