//! From request to event.

use std::fs;
use std::sync::Arc;
use std::thread::Builder;

use crossbeam_channel::bounded;

use super::{Machine, PATIENCE, save_model, shop, street};
use crate::domain::{
    CropRect, LabelKey, LabelValue, MatchOptions, PlanOverlay, PlanView, ProductId, QueryId, Recipe, ShelfOptions,
    Stage, StopFlag,
};
use crate::jobs::{Backend, Event, FailureOf, Mark, QueryPhoto, Request, SearchRequest};
use crate::project::{Project, Session};

#[test]
fn the_first_start_draws_the_sample_and_the_second_comes_back_to_it() {
    let machine = Machine::new();
    let mut window = machine.start();
    let summary = window.open(None);
    assert!(summary.is_sample);
    assert_eq!((summary.products, summary.gallery_photos), (8, 16));
    assert_eq!((summary.model.name.as_str(), &summary.model.checkpoint), ("tiny", &machine.model));
    assert_eq!(summary.path, machine.sample());
    assert!(!summary.examples.is_empty() && summary.kinds.len() > 1);
    assert!(summary.device.starts_with("CPU"));
    assert_eq!(window.workers.activity().preparing, None, "nothing is being prepared any more");
    drop(window);
    let session = Session::load_from(&machine.data());
    assert_eq!(session.project, Some(machine.sample()));

    // Another project becomes the one that is come back to.
    let other = machine.dir.path().join("other");
    crate::synth::write_sample(&other, &super::tiny_spec(), &StopFlag::new(), &|_| {}).unwrap();
    let mut window = machine.start();
    assert_eq!(window.open(Some(other.clone())).path, other);
    drop(window);
    let mut window = machine.start();
    assert_eq!(window.open(None).path, other);
    // From then on no name means the sample.
    assert_eq!(window.open(None).path, machine.sample());
}

#[test]
fn a_search_answers_in_two_steps_and_other_knobs_in_one() {
    let machine = Machine::with_sample();
    let mut window = machine.start();
    window.open(None);
    let query = window.search(1, QueryPhoto::Project(street(2)));
    let info = window.wait(|event| match event {
        Event::QueryReady { query: of, photo } if *of == query => Some(Arc::clone(photo)),
        _ => None,
    });
    assert_eq!(info.project_photo, Some(street(2)));
    assert_eq!(info.name, "p0002_0.jpg");
    let project = Project::open(&machine.sample()).unwrap();
    let row = project.photo(&street(2)).unwrap().unwrap();
    assert_eq!((info.width, info.height), (row.width, row.height));
    assert_eq!(Some(info.crop), row.bbox, "the true box is searched");
    assert_eq!(Some(info.suggested_crops[0].1), row.bbox, "the main garment's box comes first");

    let mut stages = Vec::new();
    let structural = window.wait_unless_failed(|event| match event {
        Event::Ranked { query: of, ranking, products, .. } if *of == query => {
            assert!(ranking.hits.iter().all(|hit| products.contains_key(&hit.product)));
            stages.push(ranking.stage);
            (ranking.stage == Stage::Structural).then(|| Arc::clone(ranking))
        }
        _ => None,
    });
    assert_eq!(stages, [Stage::Global, Stage::Structural]);
    assert_eq!((structural.hits.len(), structural.gallery_size), (10, 16));
    assert_eq!(structural.hits.iter().filter(|hit| hit.structural.is_some()).count(), 6);
    assert!(structural.timings.total >= structural.timings.encode && structural.timings.encode > 0.0);

    let options = MatchOptions { epsilon: 0.5, rerank: 16, ..MatchOptions::default() };
    window.ask(Request::Rerank { query, options });
    let again = window.wait(|event| match event {
        Event::Ranked { query: of, ranking, .. } if *of == query => Some(Arc::clone(ranking)),
        _ => None,
    });
    assert_eq!((again.stage, again.options), (Stage::Structural, options));
    assert!(again.hits.iter().all(|hit| hit.structural.is_some()), "more candidates than were kept are fetched");
    while window.workers.activity().searching {
        window.wakes.recv_timeout(PATIENCE).expect("the end of a search wakes the window");
    }
}

#[test]
fn the_newest_search_wins() {
    let machine = Machine::with_sample();
    let mut window = machine.start();
    window.open(None);
    for query in 1..=20 {
        window.search(query, QueryPhoto::Project(street(query as usize % 8)));
    }
    // What was sent before the last was asked for is fair.
    while window.workers.try_next().is_some() {}
    window.seen.clear();
    window.wait(|event| match event {
        Event::Ranked { query: QueryId(20), ranking, .. } => (ranking.stage == Stage::Structural).then_some(()),
        _ => None,
    });
    let stale = window.seen.iter().filter(|event| match event {
        Event::QueryReady { query, .. } | Event::Ranked { query, .. } => query.0 < 20,
        _ => false,
    });
    // One event may have been on its way at that very moment; twenty finished searches would be near sixty.
    assert!(stale.count() <= 1, "{:?}", window.seen);
}

#[test]
fn another_crop_of_an_earlier_photo_needs_no_second_drop() {
    let machine = Machine::with_sample();
    let mut window = machine.start();
    window.open(None);
    // A photo from outside, which then is gone.
    let outside = machine.dir.path().join("holiday.jpg");
    fs::copy(machine.sample().join(street(1).as_str()), &outside).unwrap();
    let bytes = fs::read(&outside).unwrap();
    // One more byte after the picture: the same pixels, another file.
    fs::write(&outside, [&bytes[..], b"x"].concat()).unwrap();
    let first = window.search(1, QueryPhoto::File(outside.clone()));
    let info = window.wait_unless_failed(|event| match event {
        Event::QueryReady { query, photo } if *query == first => Some(Arc::clone(photo)),
        _ => None,
    });
    assert_eq!((info.project_photo.clone(), info.crop), (None, CropRect::whole(info.width, info.height)));
    fs::remove_file(&outside).unwrap();
    let crop = CropRect::new(5.0, 5.0, 30.0, 40.0);
    window.ask(Request::Search(SearchRequest {
        query: QueryId(2),
        photo: QueryPhoto::Earlier(first),
        crop: Some(crop),
        options: MatchOptions::default(),
        limit: 5,
        shelf: ShelfOptions::default(),
        again: None,
        recipe: Recipe::default(),
        also: Vec::new(),
    }));
    let info = window.wait_unless_failed(|event| match event {
        Event::QueryReady { query: QueryId(2), photo } => Some(Arc::clone(photo)),
        _ => None,
    });
    assert_eq!((info.crop, info.name.as_str()), (crop, "holiday.jpg"));
}

#[test]
fn a_plan_comes_with_both_pictures_and_is_saved_by_the_hook() {
    let machine = Machine::with_sample();
    let mut window = machine.start();
    window.open(None);
    let query = window.search(1, QueryPhoto::Project(street(4)));
    let photo = window.wait(|event| match event {
        Event::Ranked { ranking, .. } => Some(ranking.hits[0].photo.clone()),
        _ => None,
    });
    let options = MatchOptions { epsilon: 0.1, ..MatchOptions::default() };
    window.ask(Request::ShowPlan { query, photo: photo.clone(), options });
    let plan = window.wait_unless_failed(|event| match event {
        Event::PlanReady { plan, .. } => Some(Arc::clone(plan)),
        _ => None,
    });
    assert_eq!((&plan.hit.photo, plan.options), (&photo, options));
    assert_eq!(plan.product.product, plan.hit.product);
    assert!((plan.pair.plan.mass().iter().sum::<f32>() - 1.0).abs() < 1e-3);
    for picture in [&plan.query_picture, &plan.gallery_picture] {
        assert_eq!((picture.pixels.width, picture.pixels.height), (448, 448));
        let [left, top, right, bottom] = picture.content;
        assert!(0.0 <= left && left < right && right <= 1.0 && 0.0 <= top && top < bottom && bottom <= 1.0);
    }
    let path = machine.dir.path().join("plan.png");
    let view = PlanView { overlay: PlanOverlay::Heat, ..PlanView::default() };
    window.ask(Request::SavePlan { query, photo: photo.clone(), options, view, path: path.clone() });
    window.wait(|event| matches!(event, Event::Saved { path: saved } if *saved == path).then_some(()));
    assert_eq!(fs::read_to_string(&path).unwrap(), format!("{photo} Heat"));
    let nowhere = machine.dir.path().join("none/plan.png");
    window.ask(Request::SavePlan { query, photo, options, view, path: nowhere });
    let failure = window.wait(|event| match event {
        Event::Failed(failure) => Some(failure.clone()),
        _ => None,
    });
    assert_eq!(failure.of, FailureOf::Saving);
    assert!(failure.sentence.starts_with("Could not write the picture"), "{}", failure.sentence);
}

#[test]
fn labels_are_saved_undone_and_redone_across_restarts() {
    let machine = Machine::with_sample();
    let mut window = machine.start();
    window.open(None);
    let bytes = fs::read(machine.sample().join(street(0).as_str())).unwrap();
    let bytes: Arc<[u8]> = [&bytes[..], b"x"].concat().into();
    let query = window.search(1, QueryPhoto::Bytes { name: "drop.jpg".to_owned(), bytes: Arc::clone(&bytes) });
    window.wait(|event| matches!(event, Event::Ranked { .. }).then_some(()));
    let product = ProductId::new("p0003");
    window.ask(Request::Mark { query, mark: Mark::SameProduct(product.clone()) });
    window.ask(Request::Mark { query, mark: Mark::GalleryKind { photo: shop(1), name: "cape".to_owned() } });
    let mut project_photo = None;
    let state = window.wait_unless_failed(|event| match event {
        Event::QueryReady { photo, .. } => {
            project_photo = photo.project_photo.clone().or(project_photo.take());
            None
        }
        Event::LabelsChanged(state) => (state.corrections.len() == 2).then(|| Arc::clone(state)),
        _ => None,
    });
    // The photo joined the project, and the window knows under which name.
    let photo = project_photo.unwrap();
    assert_eq!(&*fs::read(machine.sample().join(photo.as_str())).unwrap(), &*bytes);
    let key = LabelKey::Match { query: photo.clone(), product };
    assert_eq!(state.value(&key), Some(&LabelValue::SameProduct { crop: None }));
    assert_eq!((state.untrained, state.undo.as_deref(), state.redo.as_deref()), (2, Some("Kind: cape"), None));
    drop(window);

    let mut window = machine.start();
    let summary = window.open(None);
    assert_eq!(summary.labels.corrections, state.corrections);
    assert!(summary.kinds.contains(&"cape".to_owned()));
    assert_eq!(summary.gallery_photos, 16, "an added street photo is not searched among");
    for (request, left) in [(Request::Undo, 1), (Request::Undo, 0), (Request::Redo, 1)] {
        window.ask(request);
        window.wait(|event| match event {
            Event::LabelsChanged(state) => {
                assert_eq!(state.corrections.len(), left);
                Some(())
            }
            _ => None,
        });
    }
    drop(window);
    Project::open(&machine.sample()).unwrap().verify().unwrap();
}

#[test]
fn what_cannot_be_had_is_one_sentence_and_the_window_goes_on() {
    let machine = Machine::with_sample();
    let mut window = machine.start();
    let broken = machine.dir.path().join("broken.jpg");
    fs::write(&broken, b"\xff\xd8\xff\xe0 no more").unwrap();
    // Before anything is open.
    window.search(1, QueryPhoto::File(broken.clone()));
    let failure = |window: &mut super::Window| {
        window.wait(|event| match event {
            Event::Failed(failure) => Some(failure.clone()),
            _ => None,
        })
    };
    assert_eq!(failure(&mut window).sentence, "No project is open");
    window.open(None);
    let cases = [
        (QueryPhoto::File(broken), "broken.jpg"),
        (QueryPhoto::File(machine.dir.path().to_owned()), "folder"),
        (QueryPhoto::File(machine.dir.path().join("none.png")), "none.png"),
        (QueryPhoto::Bytes { name: "letter.txt".to_owned(), bytes: b"hello"[..].into() }, "letter.txt"),
        (QueryPhoto::Project(street(99)), "p0099"),
        (QueryPhoto::Earlier(QueryId(77)), "no longer kept"),
    ];
    for (number, (photo, expected)) in cases.into_iter().enumerate() {
        let query = window.search(number as u64 + 2, photo);
        let failure = failure(&mut window);
        assert_eq!(failure.of, FailureOf::Query(query));
        assert!(failure.sentence.contains(expected) && !failure.sentence.contains('\n'), "{}", failure.sentence);
    }
    let options = MatchOptions { epsilon: f32::NAN, ..MatchOptions::default() };
    window.ask(Request::Search(SearchRequest {
        query: QueryId(20),
        photo: QueryPhoto::Project(street(1)),
        crop: None,
        options,
        limit: 5,
        shelf: ShelfOptions::default(),
        again: None,
        recipe: Recipe::default(),
        also: Vec::new(),
    }));
    assert!(failure(&mut window).sentence.contains("psilon"));
    window.ask(Request::ShowPlan { query: QueryId(20), photo: street(5), options: MatchOptions::default() });
    assert_eq!(failure(&mut window).of, FailureOf::Plan(QueryId(20), street(5)));
    window.ask(Request::OpenProject { path: Some(machine.dir.path().join("nothing")) });
    let said = failure(&mut window);
    assert_eq!(said.of, FailureOf::Project);
    assert!(said.sentence.contains("nothing"), "{}", said.sentence);
    window.ask(Request::UseModel { checkpoint: "feedfeedfeedfeed".into() });
    assert_eq!(failure(&mut window).of, FailureOf::Model);
    window.ask(Request::TrainOnCorrections);
    assert_eq!(failure(&mut window).sentence, "There are no corrections to train on");
    window.ask(Request::Thumbnail { photo: street(99), size_px: 64 });
    window.wait(|event| match event {
        Event::Thumbnail { pixels, .. } => pixels.as_ref().is_err_and(|why| why.contains("p0099")).then_some(()),
        _ => None,
    });
    // The project that was open still answers.
    let query = window.search(30, QueryPhoto::Project(street(1)));
    window.wait(|event| matches!(event, Event::Ranked { query: of, .. } if *of == query).then_some(()));
}

#[test]
fn vanished_photos_and_a_vanished_model_are_notes() {
    let machine = Machine::with_sample();
    let own = machine.sample().join("models/own");
    let chosen = save_model(&own, "own", 5);
    let mut window = machine.start();
    window.open(None);
    window.ask(Request::UseModel { checkpoint: chosen.clone() });
    let summary = window.wait_unless_failed(|event| match event {
        Event::ProjectOpened(summary) => Some(Arc::clone(summary)),
        _ => None,
    });
    assert_eq!((summary.model.name.as_str(), summary.models.len()), ("own", 2));
    drop(window);
    // A truncated checkpoint does not keep anyone from working.
    let weights = fs::read(own.join("weights.safetensors")).unwrap();
    fs::write(own.join("weights.safetensors"), &weights[..weights.len() / 2]).unwrap();
    fs::remove_file(machine.sample().join(shop(1).as_str())).unwrap();
    let mut window = machine.start();
    let summary = window.open(None);
    assert_eq!((summary.model.name.as_str(), summary.gallery_photos), ("tiny", 15));
    let notes: Vec<&String> = window
        .seen
        .iter()
        .filter_map(|event| match event {
            Event::Note(note) => Some(note),
            _ => None,
        })
        .collect();
    assert!(notes.iter().any(|note| note.contains("own") && note.contains("tiny is used instead")), "{notes:?}");
    assert!(notes.iter().any(|note| note.contains("1 photo was skipped") && note.contains("p0001_0")), "{notes:?}");
}

#[test]
fn opening_the_open_project_again_keeps_it_writable() {
    let machine = Machine::with_sample();
    let mut window = machine.start();
    window.open(None);
    window.open(Some(machine.sample()));
    let query = window.search(1, QueryPhoto::Project(street(0)));
    window.wait(|event| matches!(event, Event::Ranked { .. }).then_some(()));
    window.ask(Request::Mark { query, mark: Mark::Kind("cape".to_owned()) });
    window.wait_unless_failed(|event| match event {
        Event::LabelsChanged(_) => Some(()),
        _ => None,
    });
}

#[test]
fn closing_a_window_that_takes_no_events_does_not_hang() {
    let machine = Machine::with_sample();
    let mut window = machine.start();
    window.open(None);
    // More than the channel holds, none of it taken.
    for round in 0..300 {
        window.ask(Request::Thumbnail { photo: shop(round % 8), size_px: 32 });
    }
    for query in 1..10 {
        window.search(query, QueryPhoto::Project(street(1)));
    }
    let (closed, was_closed) = bounded(1);
    let closing = Builder::new().name("closing".to_owned()).spawn(move || {
        drop(window);
        closed.send(()).unwrap();
    });
    was_closed.recv_timeout(PATIENCE).expect("all threads end");
    closing.unwrap().join().unwrap();
}

#[test]
fn drawing_the_sample_can_be_broken_off_and_begun_again() {
    let machine = Machine::new();
    let mut window = machine.start();
    window.ask(Request::OpenProject { path: None });
    drop(window);
    let mut window = machine.start();
    assert_eq!(window.open(None).gallery_photos, 16);
}
