//! A run whose steps are read one step later, as on a GPU, is the same run.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use super::runs::{everything, finish, stop_after, trainer};
use super::wardrobe;
use crate::data::Dataset;
use crate::domain::StopFlag;
use crate::train::config::{OptimizerKind, PretextMethod};
use crate::train::losses::Mining;
use crate::train::observe::Watch;
use crate::train::run_folder::{checkpoints, read_checkpoint};
use crate::train::{Start, TrainConfig, TrainError, TrainEvent, Trainer};

fn later(config: &TrainConfig, dataset: &Dataset, run: &Path, start: &Start) -> Trainer {
    let mut trainer = trainer(config, dataset, run, start).unwrap();
    assert_eq!(trainer.behind, 0, "on the CPU numbers are there at once");
    trainer.behind = 1;
    trainer
}

/// The diary without times and what follows from them.
fn diary(run: &Path) -> Vec<Value> {
    let text = fs::read_to_string(run.join("events.jsonl")).unwrap();
    let lines = text.lines().map(|line| {
        let mut line: BTreeMap<String, Value> = serde_json::from_str(line).unwrap();
        let clocked = ["time", "seconds", "seconds_left", "waited_seconds", "images_per_second", "loaded_per_second"];
        line.retain(|name, _| !clocked.contains(&name.as_str()));
        // Two runs lie in two folders.
        line.remove("path");
        serde_json::to_value(line).unwrap()
    });
    lines.collect()
}

fn recipes() -> Vec<(&'static str, TrainConfig)> {
    let plain = wardrobe::recipe();
    let with = |change: &dyn Fn(&mut TrainConfig)| {
        let mut config = plain.clone();
        change(&mut config);
        config
    };
    vec![
        ("mined at random", with(&|config| config.loss.mining = Mining::DistanceWeighted)),
        (
            "clipped SGD",
            with(&|config| {
                (config.optimizer.kind, config.optimizer.clip_norm) = (OptimizerKind::Sgd, 0.01);
            }),
        ),
        (
            "two views",
            with(&|config| {
                (config.data.large_epochs, config.optimizer.ema) = (0, 0.0);
                let section = &mut config.pretext;
                (section.method, section.batch, section.dim, section.hidden) = (PretextMethod::Moco, 8, 16, 24);
                section.queue = 16;
            }),
        ),
        ("plain", plain),
    ]
}

#[test]
fn a_run_that_is_read_a_step_later_has_the_same_diary_and_the_same_bits() {
    let dir = tempfile::tempdir().unwrap();
    let dataset = wardrobe::write(dir.path(), 8);
    for (name, config) in recipes() {
        let folder = |what: &str| dir.path().join("runs").join(name).join(what);
        let run = |mut trainer: Trainer| {
            // Somebody looks now and then.
            let watch = Arc::new(Watch::new(3));
            watch.want(true);
            trainer.watched_by(watch);
            finish(&mut trainer)
        };
        let (wanted, at_once) = run(trainer(&config, &dataset, &folder("at once"), &Start::Fresh).unwrap());
        let (outcome, events) = run(later(&config, &dataset, &folder("later"), &Start::Fresh));
        assert_eq!((outcome.step, outcome.finished), (wanted.step, true), "{name}");
        assert_eq!(outcome.validation, wanted.validation, "{name}");
        assert_eq!(diary(&folder("later")), diary(&folder("at once")), "{name}");
        assert!(everything(&folder("later")) == everything(&folder("at once")), "{name}: other bits");
        let kinds = |events: &[TrainEvent]| events.iter().map(std::mem::discriminant).collect::<Vec<_>>();
        assert_eq!(kinds(&events), kinds(&at_once), "{name}: told in another order");
        assert!(events.iter().any(|event| matches!(event, TrainEvent::Glance(_))));
    }
}

#[test]
fn a_run_that_is_read_a_step_later_is_stopped_within_one_step_and_resumed_to_the_same_bits() {
    let dir = tempfile::tempdir().unwrap();
    let (dataset, config) = (wardrobe::write(dir.path(), 8), wardrobe::recipe());
    let (whole, parts) = (dir.path().join("runs/whole"), dir.path().join("runs/parts"));
    let (wanted, _) = finish(&mut trainer(&config, &dataset, &whole, &Start::Fresh).unwrap());
    // The step after the first was begun when the first was told.
    assert_eq!(stop_after(&mut later(&config, &dataset, &parts, &Start::Fresh), 1).step, 2);
    let stopped = diary(&parts);
    let steps: Vec<u64> =
        stopped.iter().filter(|l| l["event"] == "step").map(|l| l["step"].as_u64().unwrap()).collect();
    assert_eq!(steps, [1, 2], "what was begun is told");
    assert_eq!(stop_after(&mut later(&config, &dataset, &parts, &Start::Resume), 4).step, 5);
    let (last, _) = finish(&mut later(&config, &dataset, &parts, &Start::Resume));
    assert_eq!((last.step, last.finished, &last.validation), (wanted.step, true, &wanted.validation));
    assert!(everything(&whole) == everything(&parts), "other bits");
    let told = |run: &Path| diary(run).into_iter().filter(|line| line["event"] == "step").collect::<Vec<_>>();
    assert_eq!(told(&parts), told(&whole));
}

/// Oracle: the run that is read at once.
#[test]
fn a_step_that_is_not_finite_is_named_with_its_photos_though_the_next_was_begun_and_is_never_saved() {
    let dir = tempfile::tempdir().unwrap();
    let (dataset, mut config) = (wardrobe::write(dir.path(), 8), wardrobe::recipe());
    // Steps so long that a pass overflows before long.
    (config.optimizer.kind, config.optimizer.rate, config.optimizer.clip_norm) = (OptimizerKind::Sgd, 100.0, 0.0);
    (config.optimizer.weight_decay, config.schedule.warmup_epochs, config.schedule.epochs) = (10.0, 0.0, 400);
    (config.run.validate_epochs, config.run.checkpoint_epochs, config.run.keep) = (0, 1, 500);
    let ends = |name: &str, behind: usize| {
        let run = dir.path().join("runs").join(name);
        let mut trainer = trainer(&config, &dataset, &run, &Start::Fresh).unwrap();
        trainer.behind = behind;
        let error = trainer.run(&StopFlag::new(), &mut |_| {}).unwrap_err();
        let TrainError::NotFinite { step, good_step, photos, last } = error else { panic!("{name}: {error}") };
        assert_eq!(read_checkpoint(&last).unwrap().state.position.step, good_step);
        for checkpoint in checkpoints(&run) {
            let saved = read_checkpoint(&checkpoint).unwrap();
            assert!(saved.state.position.step < step);
            for (name, tensor) in saved.saved.tensors.iter().chain(&saved.store) {
                let values = tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
                assert!(values.iter().all(|v| v.is_finite()), "{name} was saved");
            }
        }
        (step, good_step, photos, diary(&run))
    };
    let wanted = ends("at once", 0);
    assert_eq!(ends("later", 1), wanted);
    // Further behind than an epoch has steps: its end settles all.
    assert_eq!(ends("much later", 9), wanted);
}

#[test]
fn memory_that_gives_out_is_told_after_the_steps_before_it() {
    let dir = tempfile::tempdir().unwrap();
    let (dataset, mut config) = (wardrobe::write(dir.path(), 8), wardrobe::recipe());
    config.data.products = 4;
    let photos = config.data.products * config.data.photos;
    let runs = |name: &str| dir.path().join("runs").join(name);
    let mut notes = Vec::new();
    for (name, behind) in [("at once", 0), ("later", 1)] {
        let mut short = trainer(&config, &dataset, &runs(name), &Start::Fresh).unwrap();
        (short.room, short.behind) = (photos / 4, behind);
        let (outcome, events) = finish(&mut short);
        assert!(outcome.finished);
        let told = |event: &TrainEvent| matches!(event, TrainEvent::Note { .. } | TrainEvent::Step { .. });
        notes.push(events.iter().filter(|e| told(e)).map(std::mem::discriminant).collect::<Vec<_>>());
    }
    assert_eq!(notes[0], notes[1]);
    assert_eq!(diary(&runs("later")), diary(&runs("at once")));
    assert!(everything(&runs("later")) == everything(&runs("at once")), "other bits");
}
