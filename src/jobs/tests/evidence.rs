//! Evidence from a search to a file and back.

use std::fs;
use std::sync::Arc;

use super::{Machine, Window, shop, street};
use crate::domain::{CropRect, Layer, MatchOptions, PhotoId, QueryEdit, QueryId, Recipe};
use crate::jobs::{
    Backend, CheckState, Event, EvidenceReport, FailureOf, Mark, QueryPhoto, Question, Request, SearchRequest,
    StudyEvent, StudyRequest, evidence,
};

fn searched(window: &mut Window) -> (QueryId, PhotoId) {
    window.open(None);
    let query = window.search(1, QueryPhoto::Project(street(4)));
    let photo = window.wait(|event| match event {
        Event::Ranked { ranking, .. } if ranking.stage == crate::domain::Stage::Structural => {
            Some(ranking.hits[0].photo.clone())
        }
        Event::Failed(failure) => panic!("{failure:?}"),
        _ => None,
    });
    (query, photo)
}

fn opened(window: &mut Window, path: &std::path::Path) -> Arc<EvidenceReport> {
    window.ask(Request::Study(StudyRequest::OpenEvidence { path: path.to_owned() }));
    window.wait(|event| match event {
        Event::Studied(StudyEvent::Evidence(report)) => Some(Arc::clone(report)),
        Event::Failed(failure) => panic!("{failure:?}"),
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
    window.wait(|event| match event {
        Event::Saved { path: saved } => (*saved == path).then_some(()),
        Event::Failed(failure) => panic!("{failure:?}"),
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
        window.wait(|event| match event {
            Event::Saved { path: saved } => (*saved == path).then_some(()),
            Event::Failed(failure) => panic!("{failure:?}"),
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
fn evidence_of_a_turned_photo_verifies_and_of_several_is_refused_as_are_questions() {
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
        window.wait(|event| match event {
            Event::Ranked { query: of, ranking, .. } if *of == query => {
                (ranking.stage == crate::domain::Stage::Structural).then(|| ranking.hits[0].photo.clone())
            }
            Event::Failed(failure) => panic!("{failure:?}"),
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

    let liked = Recipe { liked: vec![shop(3)], ..Recipe::default() };
    let photo = best(&mut window, request(2, liked, Vec::new()));
    window.ask(save(2, &photo));
    let question = Question::Faithfulness;
    window.ask(Request::Study(StudyRequest::Ask { query: QueryId(2), photo, options, question }));
    for _ in 0..2 {
        let failure = window.wait(|event| match event {
            Event::Failed(failure) => Some(failure.clone()),
            _ => None,
        });
        assert!(failure.sentence.contains("take back added photos and likes first"), "{}", failure.sentence);
    }
}
