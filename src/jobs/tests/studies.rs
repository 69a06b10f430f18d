//! Questions about a match, by the real backend and step by step.

use std::sync::Arc;

use super::{Machine, Window, shop, street};
use crate::data;
use crate::domain::{
    CellPaint, CropRect, Faithful, Grid, Marginals, MatchOptions, Paint, PairSide, PhotoId, QueryId, Region, StopFlag,
    SwapEdit,
};
use crate::eval::faithfulness::FaithfulnessSettings;
use crate::index::Beside;
use crate::index::combine::Added;
use crate::jobs::open;
use crate::jobs::search::encode;
use crate::jobs::study::{Canvas, Case, Matched, above, faithfulness, ignore, ignore_each};
use crate::jobs::{
    Answer, Backend, Event, FailureOf, JobError, QueryPhoto, Question, Request, StudyEvent, StudyRequest,
};
use crate::nn::CellFeatures;
use crate::ot::Remaining;

/// A case as the search thread makes it, for the best hit of a street photo.
pub(super) fn case(machine: &Machine, options: MatchOptions) -> Case {
    let project = open::open_folder(&machine.sample()).unwrap();
    let stop = StopFlag::new();
    let device = candle_core::Device::Cpu;
    let ready = open::make_ready(&project, None, &[machine.models()], &device, &stop, &|_| {}).unwrap();
    let engine = Arc::new(ready.engine);
    let row = project.photo(&street(2)).unwrap().unwrap();
    let photo = data::decode_file(&machine.sample().join(street(2).as_str())).unwrap();
    let crop = row.bbox.unwrap();
    let features = Arc::new(encode(&engine.encoder, &photo, Some(crop), None).unwrap());
    let global = engine.searcher.search_global(&features, 16, &options);
    let ranked = engine.searcher.rerank(&features, &global, &options, &stop);
    let compared = ranked.hits.iter().filter(|hit| hit.structural.is_some());
    let candidates: Vec<PhotoId> = compared.map(|hit| hit.photo.clone()).collect();
    let matched = |photo: &PhotoId| {
        let row = project.photo(photo).unwrap().unwrap();
        let product = project.product(row.product.as_ref().unwrap()).unwrap().unwrap();
        Matched { row, path: machine.sample().join(photo.as_str()), product }
    };
    Case {
        engine,
        photo: Arc::new(photo),
        crop,
        kind: None,
        features,
        added: Arc::default(),
        paint: None,
        options,
        matched: matched(&candidates[0]),
        other: Some(matched(&candidates[3])),
        candidates,
    }
}

pub(super) fn options() -> MatchOptions {
    MatchOptions { rerank: 6, ..MatchOptions::default() }
}

#[test]
fn ignoring_nothing_changes_nothing_and_ignoring_all_is_refused() {
    let machine = Machine::with_sample();
    let case = case(&machine, options());
    let (stop, grid) = (StopFlag::new(), case.features.grid);
    for side in [PairSide::Query, PairSide::Gallery] {
        let answer = ignore(&case, &Region::new(side, []), &stop, &|_, _| {}).unwrap();
        assert_eq!(answer.masked, answer.before);
        assert_eq!((answer.before.rank, answer.candidates), (1, 6));
        // Encoded again without anything hidden, the photo is the same photo.
        assert!((answer.hidden.score - answer.before.score).abs() < 1e-5, "{answer:?}");
        let all = ignore(&case, &Region::new(side, 0..grid.cells()), &stop, &|_, _| {}).unwrap_err();
        assert!(all.to_string().contains("nothing left to compare"), "{all}");
    }
    let hit = case.engine.searcher.explain(&case.features, &case.matched.row.photo, &case.options).unwrap();
    let answer = ignore(&case, &Region::new(PairSide::Query, [0]), &stop, &|_, _| {}).unwrap();
    assert_eq!(answer.before.score, hit.score, "to the bit");
}

#[test]
fn each_cell_alone_is_the_masked_answer_about_that_cell() {
    let machine = Machine::with_sample();
    let case = case(&machine, options());
    let stop = StopFlag::new();
    for side in [PairSide::Query, PairSide::Gallery] {
        let each = ignore_each(&case, side, &stop, &|_, _| {}).unwrap();
        assert_eq!((each.cells.len(), each.grid), (each.grid.cells(), case.features.grid));
        for cell in [0, each.cells.len() - 1] {
            let one = ignore(&case, &Region::new(side, [cell]), &stop, &|_, _| {}).unwrap();
            assert_eq!(each.cells[cell], one.masked);
        }
    }
    // Ranks are those of all candidates under the same question.
    let each = ignore_each(&case, PairSide::Query, &stop, &|_, _| {}).unwrap();
    let index = case.engine.searcher.index();
    let query = crate::ot::Cells {
        grid: case.features.grid,
        dim: case.features.dim,
        cells: case.features.cells_of(0),
        global: case.features.global_of(0),
    };
    let cell = each.cells.len() / 2;
    let left = Remaining::of(&query, &[cell]).unwrap();
    let mut scores: Vec<(f32, bool)> = case
        .candidates
        .iter()
        .map(|photo| {
            let row = index.row_of(photo).unwrap();
            let (cells, global) = (index.cells_f32(row), index.global_f32(row));
            let gallery = crate::ot::Cells { grid: index.grid(), dim: index.dim(), cells: &cells, global: &global };
            let score = crate::ot::explain_pair(&left.view(), &gallery, &case.options).score;
            (score, *photo == case.matched.row.photo)
        })
        .collect();
    scores.sort_by(|a, b| b.0.total_cmp(&a.0));
    assert_eq!(each.cells[cell].rank, 1 + scores.iter().position(|score| score.1).unwrap());
}

#[test]
fn a_layer_whose_cells_are_not_stored_is_refused_with_a_sentence() {
    let machine = Machine::with_sample();
    let case = case(&machine, MatchOptions { layer: crate::domain::Layer::Third, ..options() });
    let refused = crate::jobs::study::answer(&case, &Question::Faithfulness, &StopFlag::new(), &|_, _| {});
    assert!(refused.unwrap_err().to_string().contains("network's last layer"));
}

/// Oracle: the plan that the window shows of the same match with the same paint, and with the ignored cells painted out.
#[test]
fn questions_about_painted_matches_are_about_the_painted_plan() {
    let machine = Machine::with_sample();
    let mut case = case(&machine, MatchOptions { marginals: Marginals::Painted, ..options() });
    let grid = case.features.grid;
    let painted = |weight: &dyn Fn(usize) -> f32| CellPaint::new(grid, (0..grid.cells()).map(weight).collect());
    let photo = case.matched.row.photo.clone();
    let paint = Paint {
        query: painted(&|cell| (cell % 4) as f32 / 4.0),
        gallery: [(photo.clone(), painted(&|cell| (cell * 3 % 4) as f32 / 4.0).unwrap())].into(),
    };
    case.paint = Some(Arc::new(paint.clone()));
    let explained = |paint: &Paint, photo: &PhotoId| {
        let beside = Beside { paint: Some(Arc::new(paint.clone())), ..Beside::default() };
        case.engine.searcher.with(beside).explain(&case.features, photo, &case.options).unwrap()
    };
    let (stop, pace) = (StopFlag::new(), |_: usize, _: usize| {});
    let now = explained(&paint, &photo);
    let unpainted = case.engine.searcher.explain(&case.features, &photo, &case.options).unwrap();
    assert!((now.score - unpainted.score).abs() > 1e-4, "paint counts");
    let without = |side: PairSide, ignored: &[usize]| {
        let masked = |paint: &CellPaint| {
            let weights = paint.weights().iter().enumerate();
            let kept = weights.map(|(cell, &w)| if ignored.contains(&cell) { 0.0 } else { w });
            CellPaint::new(grid, kept.collect()).unwrap()
        };
        let mut paint = paint.clone();
        match side {
            PairSide::Query => paint.query = paint.query.as_ref().map(masked),
            PairSide::Gallery => {
                paint.gallery.values_mut().for_each(|paint| *paint = masked(paint));
            }
        }
        explained(&paint, &photo)
    };
    for side in [PairSide::Query, PairSide::Gallery] {
        let region = Region::new(side, [1, 2]);
        let answer = ignore(&case, &region, &stop, &pace).unwrap();
        assert_eq!(answer.before.score, now.score, "to the bit");
        let masked = without(side, region.cells());
        assert!(
            (answer.masked.score - masked.score).abs() < 2e-4,
            "{side:?}: {} {}",
            answer.masked.score,
            masked.score
        );
        // With all that was painted ignored, nothing is left that weighs anything.
        let of_side = if side == PairSide::Query { paint.query.as_ref() } else { paint.gallery.get(&photo) };
        let all = of_side.unwrap().weights().iter().enumerate().filter(|(_, w)| **w > 0.0).map(|(cell, _)| cell);
        let answer = ignore(&case, &Region::new(side, all), &stop, &pace).unwrap();
        assert_eq!((answer.masked.structural, answer.masked.score), (0.0, answer.before.global));
        let each = ignore_each(&case, side, &stop, &pace).unwrap();
        // A cell that weighs nothing is not missed.
        assert!((each.cells[0].score - now.score).abs() < 2e-4);
    }
    let comparison = above(&case, &stop).unwrap();
    assert_eq!(comparison.above.pair, now);
    assert_eq!(comparison.below.pair, explained(&paint, &comparison.below.photo));
    let settings = FaithfulnessSettings { steps: 2, orders: 1, seed: 1 };
    let test = faithfulness(&case, settings, &stop, &pace).unwrap();
    assert!((test.deletion.explained[0] - now.score).abs() < 2e-5);
}

/// Oracle: the composed query that the search ranks with.
#[test]
fn questions_about_several_photos_are_about_the_first_one_with_all_that_was_added() {
    let machine = Machine::with_sample();
    let mut case = case(&machine, options());
    let index = case.engine.searcher.index();
    let global = |product| index.global_f32(index.row_of(&shop(product)).unwrap());
    let added = Added { also: vec![global(5)], liked: vec![global(3)], disliked: vec![global(6)] };
    case.features = Arc::new(added.to(CellFeatures::clone(&case.features)));
    case.added = Arc::new(added);
    let now = case.engine.searcher.explain(&case.features, &case.matched.row.photo, &case.options).unwrap();
    let stop = StopFlag::new();
    let answer = ignore(&case, &Region::new(PairSide::Query, []), &stop, &|_, _| {}).unwrap();
    assert_eq!(answer.before.score, now.score, "to the bit");
    // Encoded again with nothing hidden, the first photo still has the others beside it.
    assert!((answer.hidden.score - now.score).abs() < 1e-5, "{answer:?}");
    let settings = FaithfulnessSettings { steps: 2, orders: 1, seed: 1 };
    let test = faithfulness(&case, settings, &stop, &|_, _| {}).unwrap();
    assert!((test.deletion.explained[0] - now.score).abs() < 2e-5);
    let alone = Case { added: Arc::default(), ..case };
    let other = ignore(&alone, &Region::new(PairSide::Query, []), &stop, &|_, _| {}).unwrap();
    assert!((other.hidden.global - now.global).abs() > 1e-4, "without them it is another query");
}

#[test]
fn questions_are_answered_on_another_grid_by_the_cells_of_that_grid() {
    let machine = Machine::with_sample();
    let mut case = case(&machine, options());
    let stop = StopFlag::new();
    let ask = |case: &Case, question: &Question| crate::jobs::study::answer(case, question, &stop, &|_, _| {}).unwrap();
    for cells in [3, 5, 14] {
        case.options = MatchOptions { grid: Some(cells), ..options() };
        let hit = case.engine.searcher.explain(&case.features, &case.matched.row.photo, &case.options).unwrap();
        for side in [PairSide::Query, PairSide::Gallery] {
            let Answer::IgnoreEach(each) = ask(&case, &Question::IgnoreEach(side)) else { panic!("another answer") };
            assert_eq!(
                (each.grid, each.cells.len()),
                (Grid::new(cells.into(), cells.into()), usize::from(cells).pow(2))
            );
            assert_eq!(each.before.score, hit.score, "to the bit");
            let Answer::Ignore(one) = ask(&case, &Question::Ignore(Region::new(side, [1]))) else { panic!("another") };
            assert_eq!(each.cells[1], one.masked);
            // Hiding a ninth of the photo and hiding a cell of 196 are not the same thing.
            let moved = (one.hidden.score - one.before.score).abs();
            assert!(moved > 1e-6, "{cells}: {one:?}");
        }
        let Answer::Ignore(none) = ask(&case, &Question::Ignore(Region::new(PairSide::Query, []))) else { panic!() };
        assert!((none.hidden.score - none.before.score).abs() < 1e-5, "{none:?}");
    }
}

#[test]
fn hidden_cells_take_the_mean_colour_and_the_padding_stays() {
    let photo = image::RgbImage::from_fn(40, 20, |x, _| image::Rgb(if x < 20 { [200, 0, 0] } else { [0, 100, 0] }));
    let canvas = Canvas::new(&photo, None, 80);
    assert_eq!(canvas.fill(), [100, 50, 0]);
    let grid = Grid::new(2, 2);
    let hidden = canvas.without(grid, |cell| cell == 0);
    assert_eq!(hidden.get_pixel(0, 0), &image::Rgb([255; 3]), "padding");
    assert_eq!(hidden.get_pixel(5, 30), &image::Rgb([100, 50, 0]));
    assert_eq!(hidden.get_pixel(5, 45), &image::Rgb([200, 0, 0]), "the cell below");
    assert_eq!(canvas.without(grid, |_| false), data::letterbox(&photo, None, 80).0);
    let all = canvas.without(grid, |_| true);
    assert!((20..60).all(|y| (0..80).all(|x| all.get_pixel(x, y) == &image::Rgb([100, 50, 0]))));
}

#[test]
fn hiding_pixels_equals_encoding_the_changed_photo() {
    let machine = Machine::with_sample();
    let case = case(&machine, options());
    let (encoder, grid) = (&case.engine.encoder, case.features.grid);
    let canvas = Canvas::new(&case.photo, Some(case.crop), encoder.input_size());
    let region = Region::new(PairSide::Query, [1, 2]);
    let answer = ignore(&case, &region, &StopFlag::new(), &|_, _| {}).unwrap();
    // The changed square, encoded as any photo is.
    let square = canvas.without(grid, |cell| region.contains(cell));
    let features = encode(encoder, &square, Some(CropRect::whole(square.width(), square.height())), None).unwrap();
    let score = case.engine.searcher.explain(&features, &case.matched.row.photo, &case.options).unwrap();
    assert!((score.score - answer.hidden.score).abs() < 1e-5, "{} {}", score.score, answer.hidden.score);
}

#[test]
fn two_hits_are_told_apart_by_parts_that_add_up_and_edits_that_swap_them() {
    let machine = Machine::with_sample();
    let case = case(&machine, options());
    let comparison = above(&case, &StopFlag::new()).unwrap();
    assert_eq!((comparison.above.rank, comparison.below.rank), (1, 4));
    let sum: f32 = comparison.difference.cells.iter().sum::<f32>() + comparison.difference.global;
    assert!((sum - (comparison.above.pair.score - comparison.below.pair.score)).abs() < 1e-5);
    // Asked the other way round, the answer is the same.
    let turned = Case { matched: case.other.clone().unwrap(), other: Some(case.matched.clone()), ..case };
    let again = above(&turned, &StopFlag::new()).unwrap();
    assert_eq!((&again.above.photo, &again.swaps), (&comparison.above.photo, &comparison.swaps));
    for swap in comparison.swaps.all() {
        let changed = match &swap.edit {
            SwapEdit::StructuralWeight { to } => MatchOptions { structural_weight: *to, ..turned.options },
            SwapEdit::Epsilon { to } => MatchOptions { epsilon: *to, ..turned.options },
            SwapEdit::WithoutCells { .. } => continue,
        };
        let score = |photo| turned.engine.searcher.explain(&turned.features, photo, &changed).unwrap().score;
        assert!(score(&comparison.above.photo) < score(&comparison.below.photo), "{swap:?}");
    }
    let alone = Case { other: Some(turned.matched.clone()), ..turned };
    assert!(above(&alone, &StopFlag::new()).unwrap_err().to_string().contains("above itself"));
    let mut stranger = alone.matched.clone();
    stranger.row.photo = shop(99);
    let far = Case { other: Some(stranger), ..alone };
    assert!(above(&far, &StopFlag::new()).unwrap_err().to_string().contains("not compared cell by cell"));
}

#[test]
fn faithfulness_hides_encodes_and_counts_and_can_be_stopped() {
    let machine = Machine::with_sample();
    let case = case(&machine, options());
    let settings = FaithfulnessSettings { steps: 3, orders: 2, seed: 1 };
    let (stop, told) = (StopFlag::new(), std::sync::Mutex::new(Vec::new()));
    let got = faithfulness(&case, settings, &stop, &|done, total| told.lock().unwrap().push((done, total))).unwrap();
    let score = case.engine.searcher.explain(&case.features, &case.matched.row.photo, &case.options).unwrap().score;
    // Nothing hidden is the match itself; everything hidden is where the other curve begins.
    assert!((got.deletion.explained[0] - score).abs() < 2e-5);
    assert!((got.insertion.explained.last().unwrap() - score).abs() < 2e-5);
    assert_eq!(got.deletion.explained.last(), got.insertion.explained.first());
    assert_eq!((got.deletion.random.len(), got.insertion.random.len()), (2, 2));
    assert_eq!((got.shares.first(), got.shares.last()), (Some(&0.0), Some(&1.0)));
    let _: Faithful = got.verdict();
    let told = told.into_inner().unwrap();
    assert!(told.last().is_some_and(|(done, total)| done == total && *total > 2), "{told:?}");
    stop.stop();
    assert!(matches!(faithfulness(&case, settings, &stop, &|_, _| {}), Err(JobError::Stopped)));
    assert!(matches!(ignore_each(&case, PairSide::Query, &stop, &|_, _| {}), Err(JobError::Stopped)));
}

pub(super) fn searched(window: &mut Window) -> (QueryId, Vec<PhotoId>) {
    window.open(None);
    let query = window.search(1, QueryPhoto::Project(street(4)));
    let hits = window.wait_unless_failed(|event| match event {
        Event::Ranked { ranking, .. } if ranking.stage == crate::domain::Stage::Structural => {
            Some(ranking.hits.iter().map(|hit| hit.photo.clone()).collect::<Vec<_>>())
        }
        _ => None,
    });
    (query, hits)
}

pub(super) fn ask(window: &mut Window, query: QueryId, photo: &PhotoId, question: Question) {
    let (photo, options) = (photo.clone(), options());
    window.ask(Request::Study(StudyRequest::Ask { query, photo, options, question }));
}

#[test]
fn the_backend_answers_each_question_about_a_match() {
    let machine = Machine::with_sample();
    let mut window = machine.start();
    let (query, hits) = searched(&mut window);
    let region = Region::new(PairSide::Gallery, [0]);
    let questions = [
        Question::Ignore(region.clone()),
        Question::IgnoreEach(PairSide::Query),
        Question::Above { other: hits[1].clone() },
        Question::Faithfulness,
    ];
    for question in questions {
        ask(&mut window, query, &hits[0], question.clone());
        let answer = window.wait_unless_failed(|event| match event {
            Event::Studied(StudyEvent::Answered { query: of, photo, answer, .. }) => {
                assert_eq!((of, photo), (&query, &hits[0]));
                Some(answer.clone())
            }
            _ => None,
        });
        match (&question, answer) {
            (Question::Ignore(_), Answer::Ignore(answer)) => assert_eq!(answer.region, region),
            (Question::IgnoreEach(side), Answer::IgnoreEach(answer)) => assert_eq!(answer.side, *side),
            (Question::Above { other }, Answer::Above(answer)) => assert_eq!(answer.below.photo, *other),
            (Question::Faithfulness, Answer::Faithfulness(answer)) => assert_eq!(answer.deletion.random.len(), 5),
            (question, answer) => panic!("{question:?} was answered by {answer:?}"),
        }
    }
    while window.workers.activity().studying.is_some() {
        window.wakes.recv_timeout(super::PATIENCE).expect("the end of a question wakes the window");
    }
}

#[test]
fn the_newest_question_wins_and_a_bad_one_is_one_sentence() {
    let machine = Machine::with_sample();
    let mut window = machine.start();
    let (query, hits) = searched(&mut window);
    for _ in 0..6 {
        ask(&mut window, query, &hits[0], Question::Faithfulness);
    }
    ask(&mut window, query, &hits[0], Question::Ignore(Region::new(PairSide::Query, 0..999)));
    let failure = window.wait(|event| match event {
        Event::Failed(failure) => Some(failure.clone()),
        _ => None,
    });
    assert_eq!(failure.of, FailureOf::Study(query, hits[0].clone()));
    assert!(failure.sentence.contains("cells") && !failure.sentence.contains('\n'), "{}", failure.sentence);
    let answered = window.seen.iter().filter(|event| matches!(event, Event::Studied(_))).count();
    assert!(answered <= 1, "{answered} of six questions were answered after all");
    ask(&mut window, QueryId(77), &hits[0], Question::Faithfulness);
    let failure = window.wait(|event| match event {
        Event::Failed(failure) => Some(failure.clone()),
        _ => None,
    });
    assert!(failure.sentence.contains("no longer kept"), "{}", failure.sentence);
    // Stopped, nothing is said, and the next question is answered.
    ask(&mut window, query, &hits[0], Question::Faithfulness);
    window.ask(Request::Study(StudyRequest::Stop));
    ask(&mut window, query, &hits[1], Question::IgnoreEach(PairSide::Gallery));
    window.wait_unless_failed(|event| match event {
        Event::Studied(StudyEvent::Answered { photo, .. }) => (*photo == hits[1]).then_some(()),
        _ => None,
    });
}
