//! A run of a recipe from the window's point of view: begun, looked at, held, stopped, gone on with, promoted.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Machine, Window, street};
use crate::domain::{CheckpointId, RunId};
use crate::jobs::{
    Backend, DeviceChoice, Event, FailureOf, LiveRun, Phase, QueryPhoto, Request, RunState, RunSummary, StartFrom,
    TrainingData, TrainingEvent, TrainingRequest, TrainingStart,
};

/// Small enough for a test, long enough to be held in the middle.
fn recipe(epochs: usize) -> String {
    format!(
        "name = \"tiny\"\n[model]\nwidth = 4\ndim = 8\ninput_size = 32\n[data]\ntrain_size = 32\nlarge_size = 32\n\
         products = 2\nkinds = 2\nphotos = 2\n[schedule]\nepochs = {epochs}\nwarmup_epochs = 0.5\n\
         [run]\nvalidate_epochs = 1\ncheckpoint_epochs = 1\nkeep = 3\n"
    )
}

fn start(window: &mut Window, recipe: String) {
    window.ask(Request::Training(TrainingRequest::Start(TrainingStart {
        recipe,
        data: TrainingData::Project,
        from: StartFrom::Random,
        device: DeviceChoice::Auto,
    })));
}

fn started(window: &mut Window) -> RunId {
    window.wait_unless_failed(|event| match event {
        Event::Training(TrainingEvent::Started { run }) => Some(run.clone()),
        _ => None,
    })
}

/// The end: whether it finished, and at which step.
fn ended(window: &mut Window) -> (bool, usize, usize) {
    window.wait_unless_failed(|event| match event {
        Event::Training(TrainingEvent::Ended(end)) => Some((end.finished, end.step, end.steps)),
        _ => None,
    })
}

/// The next list of runs for which `fits` holds.
fn runs(window: &mut Window, fits: impl Fn(&[RunSummary]) -> bool) -> Arc<Vec<RunSummary>> {
    window.wait_unless_failed(|event| match event {
        Event::Training(TrainingEvent::Runs(runs)) if fits(runs) => Some(Arc::clone(runs)),
        _ => None,
    })
}

/// Looks at what goes on until it is so.
fn until(window: &mut Window, fits: impl Fn(Option<&LiveRun>) -> bool) -> Option<Arc<LiveRun>> {
    let begun = Instant::now();
    loop {
        while let Some(event) = window.workers.try_next() {
            window.seen.push(event);
        }
        let live = window.workers.activity().live;
        if fits(live.as_deref()) {
            return live;
        }
        assert!(begun.elapsed() < super::PATIENCE, "it never came: {live:?}");
        let _ = window.wakes.recv_timeout(Duration::from_millis(20));
    }
}

#[test]
fn a_run_is_watched_to_its_end_and_its_best_checkpoint_searches() {
    let machine = Machine::with_sample();
    let mut window = machine.start();
    window.open(None);
    window.ask(Request::Training(TrainingRequest::Watch(true)));
    window.ask(Request::Training(TrainingRequest::List));
    let data = window.wait(|event| match event {
        Event::Training(TrainingEvent::Data(data)) => Some(Arc::clone(data)),
        _ => None,
    });
    assert_eq!((data.len(), data[0].data, data[0].problem.as_ref()), (1, TrainingData::Project, None));
    assert!(data[0].products >= 2 && data[0].street > 0 && data[0].shop > 0);
    start(&mut window, recipe(2));
    // A second press while it is under way begins nothing.
    start(&mut window, recipe(1));
    assert_eq!(started(&mut window), RunId::new("tiny"));
    let live = until(&mut window, |live| live.is_none_or(|live| live.glance.is_some()));
    if let Some(live) = live {
        let health = live.health.as_ref().expect("pictures come with health");
        assert!(!health.layers.is_empty() && live.photos > 0 && live.steps > 0);
    }
    let (finished, step, steps) = ended(&mut window);
    assert!(finished && step == steps && steps > 0);
    let list = runs(&mut window, |runs| runs.iter().all(|run| run.state == RunState::Finished));
    let [run] = &list[..] else { panic!("one run: {list:?}") };
    assert_eq!((run.run.as_str(), run.step, run.epochs), ("tiny", steps, 2));
    assert_eq!(run.settings["schedule.epochs"], "2");
    let last = run.checkpoints.last().unwrap();
    assert_eq!((last.step, last.epoch, last.promoted.clone()), (steps, 2, None));
    assert!(run.checkpoints.iter().filter(|kept| kept.best).count() <= 1);
    assert_eq!(window.workers.activity().live, None);

    window.ask(Request::Training(TrainingRequest::Curves { run: run.run.clone() }));
    let curves = window.wait(|event| match event {
        Event::Training(TrainingEvent::Curves { run, curves }) if run.as_str() == "tiny" => Some(Arc::clone(curves)),
        _ => None,
    });
    assert_eq!(curves.get("loss total").unwrap().points().count(), steps);

    // Until the new index is there, the present one answers.
    window.ask(Request::Training(TrainingRequest::Promote { run: run.run.clone(), step: last.step }));
    let query = window.search(1, QueryPhoto::Project(street(0)));
    let before = window.wait_unless_failed(|event| match event {
        Event::Ranked { query: of, ranking, .. } if *of == query => Some(ranking.checkpoint.clone()),
        _ => None,
    });
    let promotion = window.wait_unless_failed(|event| match event {
        Event::Training(TrainingEvent::Promoted(promotion)) => Some(Arc::clone(promotion)),
        _ => None,
    });
    let after = promotion.after.checkpoint.clone();
    assert!(promotion.before.checkpoint == machine.model && after != machine.model);
    assert!(before == machine.model || before == after);
    assert_eq!(promotion.after.recall_at_1, promotion.recall_after.map(|recall| recall[0]));
    let summary = window.wait(|event| match event {
        Event::ProjectOpened(summary) if summary.model.checkpoint == after => Some(Arc::clone(summary)),
        _ => None,
    });
    assert_eq!(summary.models.len(), 2, "the former model stays in the list");
    let promoted = |runs: &[RunSummary]| -> Option<CheckpointId> { runs.first()?.checkpoints.last()?.promoted.clone() };
    let list = runs(&mut window, |runs| promoted(runs).is_some());
    assert_eq!(promoted(&list), Some(after.clone()));
    drop(window);
    assert_eq!(machine.start().open(None).model.checkpoint, after, "it is the project's from now on");
}

#[test]
fn a_held_run_makes_no_step_and_a_stopped_one_goes_on_to_the_same_end() {
    let machine = Machine::with_sample();
    let mut window = machine.start();
    window.open(None);
    start(&mut window, recipe(400));
    let run = started(&mut window);
    until(&mut window, |live| live.is_some_and(|live| live.step >= 2));
    window.ask(Request::Training(TrainingRequest::Pause(true)));
    let phase = window.workers.activity().live.map(|live| live.phase);
    assert!(matches!(phase, Some(Phase::Pausing | Phase::Paused)), "it says so at once: {phase:?}");
    let held = until(&mut window, |live| live.is_some_and(|live| live.phase == Phase::Paused)).unwrap();
    // A search is answered, and a checkpoint searches, while the run is held.
    window.search(1, QueryPhoto::Project(street(0)));
    window.wait(|event| matches!(event, Event::Ranked { .. }).then_some(()));
    window.ask(Request::Training(TrainingRequest::Promote { run: run.clone(), step: 0 }));
    window.wait_unless_failed(|event| match event {
        Event::Training(TrainingEvent::Promoted(_)) => Some(()),
        _ => None,
    });
    let still = window.workers.activity().live.unwrap();
    assert_eq!((still.phase, still.step), (Phase::Paused, held.step));
    window.ask(Request::Training(TrainingRequest::Pause(false)));
    until(&mut window, |live| live.is_some_and(|live| live.step > held.step));
    window.ask(Request::StopTraining);
    let (finished, step, steps) = ended(&mut window);
    assert!(!finished && step > held.step && step < steps);
    runs(&mut window, |runs| runs.first().is_some_and(|run| run.state == RunState::Stopped && run.step == step));

    // The window is closed in the middle of the next sitting; nothing that was learnt is lost.
    let resume = TrainingRequest::Resume { run: run.clone(), device: DeviceChoice::Auto };
    window.ask(Request::Training(resume));
    assert_eq!(started(&mut window), run);
    until(&mut window, |live| live.is_some_and(|live| live.step >= step + 2));
    drop(window);
    let mut window = machine.start();
    window.open(None);
    window.ask(Request::Training(TrainingRequest::List));
    let list = runs(&mut window, |runs| !runs.is_empty());
    assert_eq!(list[0].state, RunState::Stopped, "it ended with a word");
    assert!(list[0].checkpoints.last().is_some_and(|kept| kept.step >= step + 2));
}

#[test]
fn what_cannot_be_trained_or_promoted_is_said_in_one_sentence() {
    let machine = Machine::with_sample();
    let mut window = machine.start();
    window.open(None);
    let failure = |window: &mut Window, of: FailureOf| {
        window.wait(|event| match event {
            Event::Failed(failure) if failure.of == of => Some(failure.sentence.clone()),
            _ => None,
        })
    };
    start(&mut window, "[schedule]\nepochs = 0\n".to_owned());
    assert!(failure(&mut window, FailureOf::Training).contains("schedule.epochs"));
    assert_eq!(window.workers.activity().training, None, "another can be begun");
    let promote = TrainingRequest::Promote { run: "nothing".into(), step: 7 };
    window.ask(Request::Training(promote));
    assert!(failure(&mut window, FailureOf::Promotion).contains("no longer kept"));
    assert_eq!(window.workers.activity().promoting, None);
    let resume = TrainingRequest::Resume { run: "nothing".into(), device: DeviceChoice::Cpu };
    window.ask(Request::Training(resume));
    assert!(failure(&mut window, FailureOf::Training).contains("recipe"));
    window.ask(Request::Training(TrainingRequest::Read { path: "/nowhere/r.toml".into() }));
    assert!(failure(&mut window, FailureOf::Recipe).contains("read the recipe"));
}

#[test]
fn a_run_goes_on_with_its_own_photos_whatever_the_next_one_is_to_learn_from() {
    let machine = Machine::with_sample();
    let other = machine.dir.path().join("other");
    let spec = crate::synth::SampleSpec { seed: 9, ..super::tiny_spec() };
    crate::synth::write_sample(&other, &spec, &crate::domain::StopFlag::new(), &|_| {}).unwrap();
    let mut window = machine.start();
    window.open(Some(other.clone()));
    window.ask(Request::Training(TrainingRequest::Start(TrainingStart {
        recipe: recipe(400),
        data: TrainingData::Sample,
        from: StartFrom::Random,
        device: DeviceChoice::Auto,
    })));
    let run = started(&mut window);
    until(&mut window, |live| live.is_some_and(|live| live.step >= 1));
    window.ask(Request::StopTraining);
    ended(&mut window);
    let folder = other.join("runs").join(run.as_str());
    let record = |folder: &std::path::Path| crate::train::record::read(folder).unwrap().unwrap();
    let begun = record(&folder);
    window.ask(Request::Training(TrainingRequest::Resume { run: run.clone(), device: DeviceChoice::Auto }));
    assert_eq!(started(&mut window), run);
    window.ask(Request::StopTraining);
    ended(&mut window);
    let now = record(&folder);
    assert_eq!((now.sittings.len(), &now.data), (2, &begun.data));
    let diary = std::fs::read_to_string(folder.join("events.jsonl")).unwrap();
    assert!(!diary.contains("have changed since this run began"), "the sample's photos again");
    // What it learnt from is nowhere to be found.
    let mut gone = now;
    (gone.data.name, gone.data.hash) = ("Elsewhere, training split".into(), "0".into());
    std::fs::write(folder.join("run.json"), serde_json::to_vec(&gone).unwrap()).unwrap();
    window.ask(Request::Training(TrainingRequest::Resume { run, device: DeviceChoice::Auto }));
    let failure = window.wait(|event| match event {
        Event::Failed(failure) if failure.of == FailureOf::Training => Some(failure.sentence.clone()),
        _ => None,
    });
    assert!(failure.contains("learnt from Elsewhere, training split, which is neither"), "{failure}");
}

/// A real run in the real window, looked at by a person: `SEAMLINE_SHOTS=FOLDER` says where to.
#[test]
fn pictures_of_a_real_run_are_drawn_without_a_fault() {
    use egui::{Key, Modifiers, Theme, Vec2};

    use crate::app::tests::stage::Staged;
    use crate::jobs::Activity;

    let Some(folder) = std::env::var_os("SEAMLINE_SHOTS").map(std::path::PathBuf::from) else { return };
    let machine = Machine::new();
    let spec = crate::synth::SampleSpec { products: 48, seed: 3, long_side: 220 };
    crate::synth::write_sample(&machine.sample(), &spec, &crate::domain::StopFlag::new(), &|_| {}).unwrap();
    let mut window = machine.start();
    let summary = window.open(None);
    window.ask(Request::Training(TrainingRequest::Watch(true)));
    let text =
        recipe(8).replace("= 32", "= 64").replace("products = 2", "products = 8").replace("photos = 2", "photos = 4");
    start(&mut window, text);
    started(&mut window);
    let shown = until(&mut window, |live| {
        live.is_none_or(|live| live.epoch >= 6 && live.glance.as_ref().is_some_and(|glance| glance.step > 20))
    });
    let shown = shown.expect("the run still goes on");
    let list = runs(&mut window, |runs| runs.first().is_some_and(|run| run.recall_at_1.is_some()));
    window.ask(Request::StopTraining);
    ended(&mut window);
    for (theme, name) in [(Theme::Light, "light"), (Theme::Dark, "dark")] {
        let mut stage = Staged::with(Vec2::new(1280.0, 800.0), theme, true);
        stage.tell(Event::ProjectOpened(Arc::clone(&summary)));
        stage.press_with(Modifiers::COMMAND, Key::Num2);
        stage.tell(Event::Training(TrainingEvent::Runs(Arc::clone(&list))));
        stage.tell(Event::Training(TrainingEvent::Started { run: shown.run.clone() }));
        stage.doing(Activity { live: Some(Arc::clone(&shown)), ..Activity::default() });
        stage.harness.render().unwrap().save(folder.join(format!("E-real-{name}.png"))).unwrap();
        stage.obey(crate::ui::Command::ShowPane(crate::ui::layout::Pane::Layers));
        stage.harness.render().unwrap().save(folder.join(format!("E-real-layers-{name}.png"))).unwrap();
    }
}
