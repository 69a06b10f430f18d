//! From corrections to a new model, and back.

use std::sync::{Arc, Mutex};
use std::thread::Builder;

use candle_core::Device;

use super::{Machine, street};
use crate::domain::{LabelKey, LabelValue, ProductId, Split, StopFlag};
use crate::jobs::learn::{Learning, Learnt, corrections, dataset};
use crate::jobs::open::{Engine, make_ready};
use crate::jobs::{Backend, Event, JobError, Mark, ProjectSummary, QueryPhoto, Request, TrainProgress};
use crate::project::Project;
use crate::train::FineTuneConfig;

fn summary_of(event: &Event) -> Option<Arc<ProjectSummary>> {
    match event {
        Event::ProjectOpened(summary) => Some(Arc::clone(summary)),
        Event::Failed(failure) => panic!("{failure:?}"),
        _ => None,
    }
}

#[test]
fn corrections_make_another_model_that_searches_and_the_former_one_can_be_chosen_again() {
    let machine = Machine::with_sample();
    let mut window = machine.start();
    window.open(None);
    let untrained = products_of(&Project::open(&machine.sample()).unwrap(), Split::Train);
    let photo = format!("street/{}_0.jpg", untrained[0]);
    let query = window.search(1, QueryPhoto::Project(photo.as_str().into()));
    window.wait(|event| matches!(event, Event::Ranked { .. }).then_some(()));
    window.ask(Request::Mark { query, mark: Mark::SameProduct(untrained[0].clone()) });
    window.ask(Request::Mark { query, mark: Mark::NotThisProduct(untrained[1].clone()) });
    window.ask(Request::Mark { query, mark: Mark::Kind("shirt".to_owned()) });
    window.wait(|event| matches!(event, Event::LabelsChanged(state) if state.untrained == 3).then_some(()));
    window.ask(Request::TrainOnCorrections);
    // A second click while it is under way is no second run.
    window.ask(Request::TrainOnCorrections);
    assert!(window.workers.activity().training.is_some());
    let report = window.wait_unless_failed(|event| match event {
        Event::TrainEnded(report) => Some(Arc::clone(report)),
        _ => None,
    });
    assert!(report.finished);
    assert_eq!(report.before.checkpoint, machine.model);
    let after = report.after.clone().unwrap();
    assert_ne!(after.checkpoint, machine.model);
    assert_eq!(after.name, "tiny, after 3 corrections");
    assert_eq!(after.recall_at_1, report.recall_after.map(|recall| recall[0]));
    let recall = report.recall_before.unwrap();
    assert!(recall.iter().all(|share| (0.0..=1.0).contains(share)) && recall[0] <= recall[1]);
    let summary = window.wait(summary_of);
    assert_eq!((&summary.model, summary.models.len(), summary.labels.untrained), (&after, 2, 0));
    assert_eq!(window.workers.activity().training, None);
    // The photo of before is ranked by the new model without a second drop.
    window.ask(Request::Rerank { query, options: Default::default() });
    let ranking = window.wait(|event| match event {
        Event::Ranked { ranking, .. } => Some(Arc::clone(ranking)),
        _ => None,
    });
    assert_eq!(ranking.checkpoint, after.checkpoint);
    drop(window);

    let mut window = machine.start();
    assert_eq!(window.open(None).model, after);
    window.ask(Request::UseModel { checkpoint: machine.model.clone() });
    let summary = window.wait(summary_of);
    assert_eq!((&summary.model.checkpoint, summary.labels.untrained), (&machine.model, 3));
    let ended = window.seen.iter().filter(|event| matches!(event, Event::TrainEnded(_))).count();
    assert_eq!(ended, 0);
}

#[test]
fn a_stop_before_the_first_step_is_an_outcome_and_changes_nothing() {
    let machine = Machine::with_sample();
    let mut window = machine.start();
    window.open(None);
    let query = window.search(1, QueryPhoto::Project(street(0)));
    window.wait(|event| matches!(event, Event::Ranked { .. }).then_some(()));
    window.ask(Request::Mark { query, mark: Mark::NotThisProduct("p0003".into()) });
    window.wait(|event| matches!(event, Event::LabelsChanged(_)).then_some(()));
    window.ask(Request::TrainOnCorrections);
    window.ask(Request::StopTraining);
    let report = window.wait_unless_failed(|event| match event {
        Event::TrainEnded(report) => Some(Arc::clone(report)),
        _ => None,
    });
    assert!(!report.finished && report.after.is_none());
    window.ask(Request::OpenProject { path: None });
    let summary = window.wait(summary_of);
    assert_eq!((&summary.model.checkpoint, summary.models.len()), (&machine.model, 1));
    assert_eq!(summary.labels.untrained, 1);
}

fn products_of(project: &Project, split: Split) -> Vec<ProductId> {
    let products = project.products().unwrap().into_iter();
    products.filter(|product| product.split == Some(split)).map(|product| product.product).collect()
}

/// A project with one correction about each of these products.
fn corrected(machine: &Machine, about: impl Fn(&Project) -> Vec<ProductId>) -> (Mutex<Project>, Engine) {
    let mut project = Project::create_from_manifest(&machine.sample()).unwrap();
    for product in about(&project) {
        let key = LabelKey::Match { query: format!("street/{product}_0.jpg").as_str().into(), product };
        project.set_label(&key, Some(LabelValue::SameProduct { crop: None }), "", None).unwrap();
    }
    let ready = make_ready(&project, None, &[machine.models()], &Device::Cpu, &StopFlag::new(), &|_| {}).unwrap();
    (Mutex::new(project), ready.engine)
}

/// Runs with `tell` hearing all progress, on a stack as deep as the train thread's.
fn learn(
    machine: &Machine,
    project: &Mutex<Project>,
    engine: &Engine,
    steps: usize,
    tell: impl Fn(TrainProgress, &StopFlag) + Sync,
) -> Result<Learnt, JobError> {
    let (stop, models) = (StopFlag::new(), [machine.models()]);
    let report = |progress: TrainProgress| tell(progress, &stop);
    let config = FineTuneConfig { steps: Some(steps), replay_products: 2, ..FineTuneConfig::default() };
    let device = Device::Cpu;
    let learning =
        Learning { project, engine, shipped: &models, device: &device, config, stop: &stop, report: &report };
    std::thread::scope(|scope| {
        let run = Builder::new().stack_size(64 << 20).spawn_scoped(scope, || learning.run()).unwrap();
        run.join().unwrap()
    })
}

#[test]
fn a_stop_at_any_moment_leaves_the_model_as_it_was() {
    let machine = Machine::with_sample();
    let (project, engine) = corrected(&machine, |project| products_of(project, Split::Train));
    let learnt = learn(&machine, &project, &engine, 3, |_, _| {}).unwrap();
    assert!(learnt.engine.is_some(), "left alone, it ends");
    let new = learnt.report.after.unwrap().checkpoint;
    let paths = project.lock().unwrap().paths().clone();
    let state = || {
        let project = project.lock().unwrap();
        let folders = |dir| {
            let mut names: Vec<String> =
                std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            names
        };
        let untrained = (project.untrained(&machine.model).unwrap(), project.untrained(&new).unwrap());
        (project.current_model().unwrap(), untrained, folders(paths.models()), folders(paths.features()))
    };
    let before = state();
    assert_eq!((&before.0, before.1.1), (&Some(new.clone()), 0));
    for (what, step) in [("Measuring", 1), ("Training", 2), ("Training", 4), ("Indexing photos", 0)] {
        let seen = Mutex::new(false);
        let learnt = learn(&machine, &project, &engine, 4, |progress, stop| {
            if progress.what == what && progress.step >= step {
                *seen.lock().unwrap() = true;
                stop.stop();
            }
        })
        .unwrap();
        assert!(*seen.lock().unwrap(), "{what} is told");
        assert!(learnt.engine.is_none() && !learnt.report.finished, "{what} {step}");
        assert_eq!(state(), before, "{what} {step}");
    }
}

#[test]
fn what_was_corrected_is_not_what_is_measured() {
    let machine = Machine::with_sample();
    let (project, engine) = corrected(&machine, |project| products_of(project, Split::Test));
    let learnt = learn(&machine, &project, &engine, 3, |_, _| {}).unwrap();
    assert_eq!((learnt.report.recall_before, learnt.report.recall_after), (None, None));
}

#[test]
fn answers_become_pairs_with_their_files_and_crops() {
    let machine = Machine::with_sample();
    let mut project = Project::create_from_manifest(&machine.sample()).unwrap();
    let crop = Some(crate::domain::CropRect::new(1.0, 2.0, 30.0, 40.0));
    let key = LabelKey::Match { query: street(1), product: "p0002".into() };
    project.set_label(&key, Some(LabelValue::NotThisProduct { crop }), "", None).unwrap();
    let key = LabelKey::Kind { photo: street(3) };
    project.set_label(&key, Some(LabelValue::Kind { name: "coat".to_owned() }), "", None).unwrap();
    let found = corrections(&project, &project.corrections().unwrap()).unwrap();
    let [pair] = &found.matches[..] else { panic!("{found:?}") };
    assert_eq!((&pair.query.photo, pair.query.crop, pair.same), (&street(1), crop, false));
    assert!(pair.query.path.is_file());
    assert_eq!(pair.shop.len(), 2);
    assert!(pair.shop.iter().all(|photo| photo.path.is_file() && photo.photo.as_str().starts_with("shop/p0002")));
    let [kind] = &found.kinds[..] else { panic!("{found:?}") };
    assert_eq!((kind.kind.as_str(), kind.photo.crop), ("coat", project.photo(&street(3)).unwrap().unwrap().bbox));
    // What training replays is what the manifest says.
    let replay = dataset(&project).unwrap();
    assert_eq!((replay.items.len(), replay.products.len()), (32, 8));
    let same = crate::data::Dataset::from_manifest(&machine.sample()).unwrap();
    let by_photo = |dataset: &crate::data::Dataset| {
        let mut items: Vec<_> = dataset
            .items
            .iter()
            .map(|item| (item.photo.clone(), item.product, dataset.kinds[item.kind].clone(), item.split))
            .collect();
        items.sort_by(|a, b| a.0.cmp(&b.0));
        items
    };
    assert_eq!(by_photo(&replay), by_photo(&same));
}
