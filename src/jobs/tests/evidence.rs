//! Evidence from a search to a file and back.

use std::fs;
use std::sync::Arc;

use super::{Machine, Window, shop, street};
use crate::domain::{
    CellPaint, CropRect, Grid, Layer, Marginals, MatchOptions, Paint, PairSide, PhotoId, QueryEdit, QueryId, Recipe,
};
use crate::jobs::{
    Backend, CheckState, Event, EvidenceReport, FailureOf, FurtherRole, Mark, QueryPhoto, Question, Request,
    SearchRequest, StudyEvent, StudyRequest, evidence,
};

fn searched(window: &mut Window) -> (QueryId, PhotoId) {
    window.open(None);
    let query = window.search(1, QueryPhoto::Project(street(4)));
    let photo = window.wait_unless_failed(|event| match event {
        Event::Ranked { ranking, .. } if ranking.stage == crate::domain::Stage::Structural => {
            Some(ranking.hits[0].photo.clone())
        }
        _ => None,
    });
    (query, photo)
}

fn opened(window: &mut Window, path: &std::path::Path) -> Arc<EvidenceReport> {
    window.ask(Request::Study(StudyRequest::OpenEvidence { path: path.to_owned() }));
    window.wait_unless_failed(|event| match event {
        Event::Studied(StudyEvent::Evidence(report)) => Some(Arc::clone(report)),
        _ => None,
    })
}

#[test]
fn a_match_is_saved_with_its_decision_and_its_score_is_computed_again_from_the_photos() {
    let machine = Machine::with_sample();
    let mut window = machine.start();
    let (query, photo) = searched(&mut window);
    let options = MatchOptions { epsilon: 0.1, rerank: 6, ..MatchOptions::default() };
    window.ask(Request::ShowPlan { query, photo: photo.clone(), options });
    let plan = window.wait(|event| match event {
        Event::PlanReady { plan, .. } => Some(Arc::clone(plan)),
        _ => None,
    });
    window.ask(Request::Mark { query, mark: Mark::SameProduct(plan.hit.product.clone()) });
    window.wait(|event| matches!(event, Event::LabelsChanged(_)).then_some(()));
    let path = machine.dir.path().join("match.seamline");
    let (at, path_asked) = (photo.clone(), path.clone());
    window.ask(Request::Study(StudyRequest::SaveEvidence { query, photo: at, options, path: path_asked }));
    window.wait_unless_failed(|event| match event {
        Event::Saved { path: saved } => (*saved == path).then_some(()),
        _ => None,
    });

    let report = opened(&mut window, &path);
    assert!(report.verifies(), "{:?}", report.checks);
    assert!(report.checks.iter().all(|check| check.state == CheckState::Passes), "{:?}", report.checks);
    assert!(report.checks.last().unwrap().says.starts_with("Encoded again"), "{:?}", report.checks.last());
    assert_eq!((&report.plan.pair, report.plan.options), (&plan.pair, options));
    let record = &report.record;
    assert_eq!((record.gallery.photo.as_ref(), &record.product), (Some(&photo), &plan.product));
    assert_eq!(record.query.photo, Some(street(4)));
    assert_eq!(record.model.checkpoint, machine.model);
    let decision = record.decision.as_ref().unwrap();
    assert!(decision.same_product && !decision.author.is_empty() && decision.at_ms > 1_600_000_000_000);
    assert_eq!(record.rank.unwrap().rank, plan.hit.rank);
    // The photos are in it byte for byte.
    let (file, original) = (fs::read(&path).unwrap(), fs::read(machine.sample().join(street(4).as_str())).unwrap());
    assert!(file.windows(original.len()).any(|window| window == original));

    // Another photo of the same size in its place is found by its hash and by its score.
    let gallery = fs::read(machine.sample().join(photo.as_str())).unwrap();
    let at = file.windows(gallery.len()).position(|window| window == gallery).unwrap();
    let mut other = file.clone();
    let middle = at + gallery.len() * 2 / 3;
    other[middle..middle + 40].fill(0x11);
    let edited = machine.dir.path().join("edited.seamline");
    fs::write(&edited, &other).unwrap();
    let report = opened(&mut window, &edited);
    assert!(report.failures().any(|check| check.what == "Product photo"), "{:?}", report.checks);
    drop(window);

    // Without that model nothing is encoded, and that is said.
    let known = evidence::Known { engine: None, models: None, device: &candle_core::Device::Cpu };
    let report = evidence::open(&path, known).unwrap();
    assert!(report.verifies());
    assert_eq!(report.checks.last().unwrap().state, CheckState::Skipped);
    // With it at hand, but not in use, it is loaded.
    let models = Some(evidence::models(None, &[machine.models()]));
    let known = evidence::Known { engine: None, models, device: &candle_core::Device::Cpu };
    assert_eq!(evidence::open(&path, known).unwrap().checks.last().unwrap().state, CheckState::Passes);
}

#[test]
fn evidence_of_another_grid_or_layer_is_encoded_again_in_the_same_way() {
    let machine = Machine::with_sample();
    let mut window = machine.start();
    let (query, photo) = searched(&mut window);
    let changes = [
        MatchOptions { grid: Some(5), rerank: 6, ..MatchOptions::default() },
        MatchOptions { layer: Layer::Third, grid: Some(4), rerank: 6, ..MatchOptions::default() },
    ];
    for options in changes {
        let path = machine.dir.path().join(format!("{:?}.seamline", options.layer));
        let save = StudyRequest::SaveEvidence { query, photo: photo.clone(), options, path: path.clone() };
        window.ask(Request::Study(save));
        window.wait_unless_failed(|event| match event {
            Event::Saved { path: saved } => (*saved == path).then_some(()),
            _ => None,
        });
        let report = opened(&mut window, &path);
        assert!(report.checks.iter().all(|check| check.state == CheckState::Passes), "{:?}", report.checks);
        assert_eq!(report.plan.options, options);
    }
}

#[test]
fn a_file_that_is_no_evidence_is_one_sentence_and_the_window_goes_on() {
    let machine = Machine::with_sample();
    let mut window = machine.start();
    let broken = machine.dir.path().join("broken.seamline");
    fs::write(&broken, b"PK\x03\x04 no more").unwrap();
    // Even before a project is open.
    for path in [broken, machine.dir.path().join("none.seamline"), machine.dir.path().to_owned()] {
        window.ask(Request::Study(StudyRequest::OpenEvidence { path: path.clone() }));
        let failure = window.wait(|event| match event {
            Event::Failed(failure) => Some(failure.clone()),
            _ => None,
        });
        assert_eq!(failure.of, FailureOf::Evidence);
        let name = path.file_name().unwrap().to_string_lossy();
        assert!(failure.sentence.contains(&*name) && !failure.sentence.contains('\n'), "{}", failure.sentence);
    }
    let (query, photo) = searched(&mut window);
    let nowhere = machine.dir.path().join("none/match.seamline");
    let options = MatchOptions::default();
    window.ask(Request::Study(StudyRequest::SaveEvidence { query, photo, options, path: nowhere }));
    let failure = window.wait(|event| match event {
        Event::Failed(failure) => Some(failure.clone()),
        _ => None,
    });
    assert_eq!(failure.of, FailureOf::Saving);
    assert!(window.workers.activity().studying.is_none());
}

#[test]
fn evidence_of_a_turned_photo_and_of_several_verifies_and_questions_about_them_are_answered() {
    let machine = Machine::with_sample();
    let mut window = machine.start();
    window.open(None);
    let edit = QueryEdit { quarter_turns: 3, flipped: true };
    let request = |query, recipe, also| SearchRequest {
        query: QueryId(query),
        photo: QueryPhoto::Project(street(4)),
        crop: Some(CropRect::new(4.0, 6.0, 40.0, 30.0)),
        options: MatchOptions { rerank: 6, ..MatchOptions::default() },
        limit: 10,
        shelf: Default::default(),
        again: None,
        recipe,
        also,
    };
    let best = |window: &mut Window, request: SearchRequest| {
        let query = request.query;
        window.ask(Request::Search(request));
        window.wait_unless_failed(|event| match event {
            Event::Ranked { query: of, ranking, .. } if *of == query => {
                (ranking.stage == crate::domain::Stage::Structural).then(|| ranking.hits[0].photo.clone())
            }
            _ => None,
        })
    };
    let options = MatchOptions { rerank: 6, ..MatchOptions::default() };
    let photo = best(&mut window, request(1, Recipe { edit, ..Recipe::default() }, Vec::new()));
    let path = machine.dir.path().join("turned.seamline");
    let save = |query, photo: &PhotoId| {
        let (photo, path) = (photo.clone(), path.clone());
        Request::Study(StudyRequest::SaveEvidence { query: QueryId(query), photo, options, path })
    };
    window.ask(save(1, &photo));
    window.wait(|event| matches!(event, Event::Saved { .. }).then_some(()));
    let report = opened(&mut window, &path);
    assert!(report.checks.iter().all(|check| check.state == CheckState::Passes), "{:?}", report.checks);
    assert_eq!(report.record.query.edit, edit);

    // With another photo of the garment, a like and a dislike: all of them are in the file, and count.
    let recipe = Recipe { edit, liked: vec![shop(3)], disliked: vec![shop(5)] };
    let photo = best(&mut window, request(2, recipe, vec![QueryPhoto::Project(street(2))]));
    window.ask(save(2, &photo));
    window.wait_unless_failed(|event| match event {
        Event::Saved { .. } => Some(()),
        _ => None,
    });
    let report = opened(&mut window, &path);
    assert!(report.checks.iter().all(|check| check.state == CheckState::Passes), "{:?}", report.checks);
    let named = |name: &str| report.checks.iter().any(|check| check.what == name);
    assert!(named("Added photo 1") && named("Liked product 1") && named("Disliked product 1"), "{:?}", report.checks);
    let further: Vec<_> =
        report.record.further.iter().map(|further| (further.role, further.photo.photo.clone())).collect();
    let (also, liked, disliked) = (FurtherRole::Also, FurtherRole::Liked, FurtherRole::Disliked);
    assert_eq!(further, [(also, Some(street(2))), (liked, Some(shop(3))), (disliked, Some(shop(5)))]);
    let file = fs::read(&path).unwrap();
    let added = fs::read(machine.sample().join(street(2).as_str())).unwrap();
    let at = file.windows(added.len()).position(|window| window == added).unwrap();
    let mut other = file;
    other[at + added.len() / 2..at + added.len() / 2 + 30].fill(0x11);
    fs::write(&path, &other).unwrap();
    let report = opened(&mut window, &path);
    assert!(report.failures().any(|check| check.what == "Added photo 1"), "{:?}", report.checks);
    // Questions are answered too.
    let question = Question::IgnoreEach(PairSide::Query);
    window.ask(Request::Study(StudyRequest::Ask { query: QueryId(2), photo, options, question }));
    window.wait_unless_failed(|event| match event {
        Event::Studied(StudyEvent::Answered { .. }) => Some(()),
        _ => None,
    });
}

#[test]
fn evidence_of_painted_marginals_holds_the_paint_and_verifies_with_it() {
    let machine = Machine::with_sample();
    let mut window = machine.start();
    let (query, photo) = searched(&mut window);
    let grid = Grid::new(3, 5);
    let painted = |weight: &dyn Fn(usize) -> f32| CellPaint::new(grid, (0..15).map(weight).collect());
    let paint = Paint {
        query: painted(&|cell| (cell % 4) as f32 / 4.0),
        gallery: [(photo.clone(), painted(&|cell| (cell % 3) as f32 / 2.0).unwrap())].into(),
    };
    window.ask(Request::Paint { query, paint: Arc::new(paint.clone()) });
    let options = MatchOptions { marginals: Marginals::Painted, rerank: 6, ..MatchOptions::default() };
    let path = machine.dir.path().join("painted.seamline");
    let save = StudyRequest::SaveEvidence { query, photo: photo.clone(), options, path: path.clone() };
    window.ask(Request::Study(save));
    window.wait_unless_failed(|event| match event {
        Event::Saved { .. } => Some(()),
        _ => None,
    });
    let report = opened(&mut window, &path);
    assert!(report.checks.iter().all(|check| check.state == CheckState::Passes), "{:?}", report.checks);
    assert!(report.checks.iter().any(|check| check.what == "Painted marginals"));
    let held = report.record.paint.as_ref().unwrap();
    assert_eq!((&held.query, held.gallery.as_ref()), (&paint.query, paint.gallery.get(&photo)));
    // Another weight than was painted: the plan and the photos' score do not follow from it.
    let mut file = fs::read(&path).unwrap();
    let paint = file.windows(7).position(|bytes| bytes == b"\"paint\"").unwrap();
    let at = paint + file[paint..].windows(4).position(|bytes| bytes == b"0.75").unwrap();
    file[at..at + 4].copy_from_slice(b"0.05");
    fs::write(&path, &file).unwrap();
    let report = opened(&mut window, &path);
    let failed: Vec<&str> = report.failures().map(|check| check.what.as_str()).collect();
    assert!(failed.contains(&"Record") && failed.contains(&"Painted marginals"), "{failed:?}");
}
