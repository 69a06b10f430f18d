use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use candle_core::Device;

use super::wardrobe;
use crate::data::Dataset;
use crate::domain::StopFlag;
use crate::train::run_folder::{checkpoints, newest, read_checkpoint};
use crate::train::{Outcome, RunInfo, Start, TrainConfig, TrainError, TrainEvent, Trainer};

pub(super) fn trainer(
    config: &TrainConfig,
    dataset: &Dataset,
    run: &Path,
    start: &Start,
) -> Result<Trainer, TrainError> {
    Trainer::new(config, dataset.clone(), run, start, RunInfo::default(), &Device::Cpu)
}

/// All that a checkpoint holds: shown weights, raw weights and moments, bit by bit.
pub fn everything(run: &Path) -> BTreeMap<String, Vec<u32>> {
    let resumed = read_checkpoint(&newest(run).unwrap()).unwrap();
    resumed
        .saved
        .tensors
        .iter()
        .map(|(name, tensor)| (format!("shown.{name}"), tensor))
        .chain(resumed.store.iter().map(|(name, tensor)| (name.clone(), tensor)))
        .map(|(name, tensor)| {
            let values = tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            (name, values.into_iter().map(f32::to_bits).collect())
        })
        .collect()
}

pub fn finish(trainer: &mut Trainer) -> (Outcome, Vec<TrainEvent>) {
    let mut events = Vec::new();
    let outcome = trainer.run(&StopFlag::new(), &mut |event| events.push(event)).unwrap();
    (outcome, events)
}

/// Runs until so many steps are done, then sets the flag.
pub fn stop_after(trainer: &mut Trainer, steps: usize) -> Outcome {
    let stop = StopFlag::new();
    let flag = stop.clone();
    trainer
        .run(&stop, &mut |event| {
            if matches!(event, TrainEvent::Step { step, .. } if step == steps) {
                flag.stop();
            }
        })
        .unwrap()
}

#[test]
fn a_run_that_was_stopped_and_resumed_ends_with_the_same_bits() {
    let dir = tempfile::tempdir().unwrap();
    let (dataset, config) = (wardrobe::write(dir.path(), 8), wardrobe::recipe());
    let whole = dir.path().join("runs/whole");
    let (outcome, events) = finish(&mut trainer(&config, &dataset, &whole, &Start::Fresh).unwrap());
    assert!(outcome.finished && outcome.step == outcome.steps && outcome.skipped.is_empty());
    let steps = events.iter().filter(|event| matches!(event, TrainEvent::Step { .. })).count();
    assert_eq!(steps, outcome.steps);
    assert!(outcome.validation.as_ref().is_some_and(|scores| scores.queries == 4));

    // Stopped inside an epoch, resumed, stopped at another place, resumed to the end.
    let parts = dir.path().join("runs/parts");
    let first = stop_after(&mut trainer(&config, &dataset, &parts, &Start::Fresh).unwrap(), 1);
    assert_eq!((first.finished, first.step), (false, 1), "a stop takes effect within one step");
    let mut second = trainer(&TrainConfig::default(), &dataset, &parts, &Start::Resume).unwrap();
    assert_eq!(second.config(), &config, "a run goes on with its own recipe");
    assert_eq!(stop_after(&mut second, 4).step, 4);
    let (last, _) = finish(&mut trainer(&config, &dataset, &parts, &Start::Resume).unwrap());
    assert_eq!((last.step, last.finished), (outcome.step, true));

    let (one, other) = (everything(&whole), everything(&parts));
    assert_eq!(one.keys().collect::<Vec<_>>(), other.keys().collect::<Vec<_>>());
    for name in one.keys() {
        assert!(one[name] == other[name], "{name} differs");
    }
    assert!(one.keys().any(|name| name.starts_with("optimizer.second.")));
    assert!(one.keys().any(|name| name.starts_with("weights.backbone.bn1.running_mean")));
    assert_eq!(last.validation, outcome.validation);

    // Its folder holds what it should, and the newest two checkpoints only.
    assert_eq!(TrainConfig::from_toml(&fs::read_to_string(whole.join("config.toml")).unwrap()), Ok(config));
    let diary = fs::read_to_string(whole.join("events.jsonl")).unwrap();
    let lines: Vec<serde_json::Value> = diary.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.iter().filter(|line| line["event"] == "step").count(), outcome.steps);
    assert_eq!(lines.last().unwrap()["event"], "ended");
    assert_eq!(checkpoints(&whole).len(), 2);
    // A run that is done has nothing left to do.
    let (again, _) = finish(&mut trainer(&TrainConfig::default(), &dataset, &whole, &Start::Resume).unwrap());
    assert!(again.finished && again.step == outcome.step);
    assert!(everything(&whole) == one);
}

#[test]
fn the_seed_decides_the_weights_and_every_weight_moves() {
    let dir = tempfile::tempdir().unwrap();
    let (dataset, mut config) = (wardrobe::write(dir.path(), 6), wardrobe::recipe());
    config.schedule.epochs = 1;
    config.data.large_epochs = 0;
    let run = |name: &str, config: &TrainConfig| {
        let run = dir.path().join(name);
        finish(&mut trainer(config, &dataset, &run, &Start::Fresh).unwrap());
        everything(&run)
    };
    let (a, b) = (run("a", &config), run("b", &config));
    assert!(a == b, "the same seed gave other bits");
    config.seed = 2;
    assert!(a != run("c", &config), "another seed gave the same bits");

    let mut fresh = trainer(&wardrobe::recipe(), &dataset, &dir.path().join("d"), &Start::Fresh).unwrap();
    let before = fresh.embedder().params.tensors().unwrap();
    stop_after(&mut fresh, 1);
    for (name, var) in fresh.embedder().params.trainable() {
        let moved = (var.as_tensor() - &before[name]).unwrap().abs().unwrap().sum_all().unwrap();
        assert!(moved.to_scalar::<f32>().unwrap() > 0.0, "{name} was never moved");
    }
}

#[test]
fn a_loss_that_is_not_finite_stops_with_the_last_good_checkpoint_and_names_the_photos() {
    let dir = tempfile::tempdir().unwrap();
    let (dataset, mut config) = (wardrobe::write(dir.path(), 6), wardrobe::recipe());
    // A step so long that the next forward pass overflows.
    config.optimizer.kind = crate::train::config::OptimizerKind::Sgd;
    config.optimizer.rate = 100.0;
    config.optimizer.clip_norm = 0.0;
    config.optimizer.weight_decay = 10.0;
    config.schedule.warmup_epochs = 0.0;
    config.schedule.epochs = 400;
    config.run.validate_epochs = 0;
    let run = dir.path().join("run");
    let error =
        trainer(&config, &dataset, &run, &Start::Fresh).unwrap().run(&StopFlag::new(), &mut |_| {}).unwrap_err();
    let TrainError::NotFinite { good_step, step, photos, last } = &error else { panic!("{error}") };
    assert!(good_step < step);
    assert!(photos.iter().any(|photo| photo.starts_with("street/p")), "{photos:?}");
    assert!(error.to_string().contains("the loss is not finite at step"), "{error}");
    let kept = read_checkpoint(last).unwrap();
    assert_eq!(kept.state.position.step, *good_step);
}

#[test]
fn photos_that_cannot_be_read_are_passed_over_and_counted() {
    let dir = tempfile::tempdir().unwrap();
    let (dataset, mut config) = (wardrobe::write(dir.path(), 8), wardrobe::recipe());
    config.schedule.epochs = 2;
    let broken = dir.path().join("street/p1_0.png");
    fs::write(&broken, b"no photo").unwrap();
    let run = dir.path().join("run");
    let (outcome, events) = finish(&mut trainer(&config, &dataset, &run, &Start::Fresh).unwrap());
    assert!(outcome.finished);
    assert_eq!(outcome.skipped.len(), 1);
    assert!(outcome.skipped[0].0.ends_with("street/p1_0.png"), "{:?}", outcome.skipped);
    let told = events.iter().filter(|event| matches!(event, TrainEvent::Skipped { .. })).count();
    assert_eq!(told, 1, "told once");
}

#[test]
fn a_checkpoint_that_cannot_be_written_leaves_the_one_before_whole() {
    let dir = tempfile::tempdir().unwrap();
    let (dataset, mut config) = (wardrobe::write(dir.path(), 6), wardrobe::recipe());
    config.schedule.epochs = 1;
    let run = dir.path().join("run");
    let mut trainer = trainer(&config, &dataset, &run, &Start::Fresh).unwrap();
    stop_after(&mut trainer, 1);
    let before = everything(&run);
    // A file where the next checkpoint's folder should be stands for a full disk, for root may write anywhere.
    let steps = trainer.steps();
    fs::write(run.join(format!("checkpoint-{steps:07}.new")), b"in the way").unwrap();
    let error = trainer.run(&StopFlag::new(), &mut |_| {}).unwrap_err().to_string();
    assert!(error.contains("cannot write") && error.contains("checkpoint-"), "{error}");
    assert!(everything(&run) == before);
    // With room again the run can be resumed.
    fs::remove_file(run.join(format!("checkpoint-{steps:07}.new"))).unwrap();
    let (outcome, _) = finish(&mut self::trainer(&config, &dataset, &run, &Start::Resume).unwrap());
    assert!(outcome.finished);
}

#[test]
fn a_run_may_begin_with_the_weights_of_a_model_but_not_of_another_architecture() {
    let dir = tempfile::tempdir().unwrap();
    let (dataset, mut config) = (wardrobe::write(dir.path(), 6), wardrobe::recipe());
    config.schedule.epochs = 1;
    let first = dir.path().join("first");
    let (outcome, _) = finish(&mut trainer(&config, &dataset, &first, &Start::Fresh).unwrap());
    let from = Start::From(outcome.last.clone());
    let second = trainer(&config, &dataset, &dir.path().join("second"), &from).unwrap();
    let shown = read_checkpoint(&outcome.last).unwrap().saved.tensors;
    for (name, tensor) in second.embedder().params.tensors().unwrap() {
        let (a, b) = (tensor.flatten_all().unwrap(), shown[&name].flatten_all().unwrap());
        assert_eq!(a.to_vec1::<f32>().unwrap(), b.to_vec1::<f32>().unwrap(), "{name}");
    }
    config.model.width = 6;
    let error = trainer(&config, &dataset, &dir.path().join("third"), &from).err().unwrap().to_string();
    assert!(error.contains("another architecture") && error.ends_with(&outcome.last.display().to_string()), "{error}");
    // Nor over a run that is there, nor on from one that is not.
    let error = trainer(&config, &dataset, &first, &Start::Fresh).err().unwrap().to_string();
    assert!(error.contains("holds a run already"), "{error}");
    let error = trainer(&config, &dataset, &dir.path().join("none"), &Start::Resume).err().unwrap().to_string();
    assert!(error.contains("cannot read the run's recipe"), "{error}");
}

#[test]
fn torn_and_damaged_checkpoints_are_told_apart_from_whole_ones() {
    let dir = tempfile::tempdir().unwrap();
    let (dataset, mut config) = (wardrobe::write(dir.path(), 6), wardrobe::recipe());
    config.schedule.epochs = 1;
    let run = dir.path().join("run");
    let (outcome, _) = finish(&mut trainer(&config, &dataset, &run, &Start::Fresh).unwrap());
    // A power cut between two renames: the newest checkpoint stands in for `last`.
    fs::rename(run.join("last"), run.join("last.old")).unwrap();
    let resumed = trainer(&config, &dataset, &run, &Start::Resume).unwrap();
    assert_eq!(resumed.position().step, outcome.step);
    let place = newest(&run).unwrap();
    let store = place.join("trainer.safetensors");
    let bytes = fs::read(&store).unwrap();
    // The checkpoint and `last` may be the same file: write a new one.
    fs::remove_file(&store).unwrap();
    fs::write(&store, &bytes[..bytes.len() / 2]).unwrap();
    let error = trainer(&config, &dataset, &run, &Start::Resume).err().unwrap().to_string();
    assert!(error.contains("is damaged") && error.contains("trainer.safetensors"), "{error}");
}

#[test]
fn a_set_without_pairs_is_refused_in_one_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let mut dataset = wardrobe::write(dir.path(), 4);
    dataset.items.retain(|item| item.domain == crate::domain::PhotoDomain::Shop);
    let error = trainer(&wardrobe::recipe(), &dataset, &dir.path().join("run"), &Start::Fresh).err().unwrap();
    assert_eq!(
        error.to_string(),
        "training needs at least 2 products with both a street and a shop photo, and there are 0"
    );
}

/// Oracle: the recipe that asks for as many parts from the start.
#[test]
fn a_batch_that_memory_does_not_hold_passes_in_parts_and_that_is_said_once() {
    let dir = tempfile::tempdir().unwrap();
    let (dataset, mut config) = (wardrobe::write(dir.path(), 8), wardrobe::recipe());
    config.data.products = 4;
    let photos = config.data.products * config.data.photos;
    let runs = |name: &str| dir.path().join("runs").join(name);
    let mut short = trainer(&config, &dataset, &runs("short"), &Start::Fresh).unwrap();
    short.room = photos / 4;
    let (outcome, events) = finish(&mut short);
    assert!(outcome.finished && outcome.step == outcome.steps);
    let notes: Vec<&str> = events
        .iter()
        .filter_map(|event| match event {
            TrainEvent::Note { text } => Some(text.as_str()),
            _ => None,
        })
        .collect();
    assert!(
        matches!(notes[..], [one] if one.contains("4 parts") && one.contains("optimizer.accumulate = 4")),
        "{notes:?}"
    );

    // What did not fit left no trace.
    config.optimizer.accumulate = 4;
    finish(&mut trainer(&config, &dataset, &runs("parts"), &Start::Fresh).unwrap());
    assert!(everything(&runs("short")) == everything(&runs("parts")), "other bits");
    config.optimizer.accumulate = 1;
    finish(&mut trainer(&config, &dataset, &runs("whole"), &Start::Fresh).unwrap());
    assert!(everything(&runs("short")) != everything(&runs("whole")), "the parts were not made");
}

#[test]
fn memory_that_holds_no_two_photos_ends_the_run_with_what_was_saved() {
    let dir = tempfile::tempdir().unwrap();
    let (dataset, config) = (wardrobe::write(dir.path(), 8), wardrobe::recipe());
    let run = dir.path().join("runs/none");
    let mut trainer = trainer(&config, &dataset, &run, &Start::Fresh).unwrap();
    trainer.room = 1;
    let error = trainer.run(&StopFlag::new(), &mut |_| {}).unwrap_err();
    assert!(matches!(error, TrainError::OutOfMemory { photos: 2, .. }), "{error}");
    assert!(error.to_string().contains("another device"), "{error}");
    assert!(newest(&run).is_some(), "the checkpoint of the beginning is there");
}

#[test]
fn what_a_run_is_held_for_is_not_its_time() {
    let dir = tempfile::tempdir().unwrap();
    let (dataset, mut config) = (wardrobe::write(dir.path(), 6), wardrobe::recipe());
    config.schedule.epochs = 1;
    let run = dir.path().join("run");
    let hold = std::time::Duration::from_millis(1200);
    let begun = std::time::Instant::now();
    let mut sink = |event: TrainEvent| {
        if matches!(event, TrainEvent::Step { step: 1, .. }) {
            std::thread::sleep(hold);
        }
    };
    let mut held = trainer(&config, &dataset, &run, &Start::Fresh).unwrap();
    let outcome = held.run(&StopFlag::new(), &mut sink).unwrap();
    assert!(outcome.seconds <= (begun.elapsed() - hold).as_secs_f64(), "{}", outcome.seconds);
    let diary = fs::read_to_string(run.join("events.jsonl")).unwrap();
    let lines = diary.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let held: Vec<f64> = lines.filter(|line| line["event"] == "held").map(|l| l["seconds"].as_f64().unwrap()).collect();
    assert!(held.len() == 1 && held[0] >= hold.as_secs_f64(), "{held:?}");
}

#[test]
fn a_model_of_other_kinds_gives_all_but_its_classifier_and_projections_by_kind_are_refused_in_one_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let (dataset, mut config) = (wardrobe::write(dir.path(), 6), wardrobe::recipe());
    config.schedule.epochs = 1;
    let (outcome, _) = finish(&mut trainer(&config, &dataset, &dir.path().join("two"), &Start::Fresh).unwrap());
    let mut more = dataset.clone();
    more.kinds.push("hat".to_owned());
    more.items.iter_mut().filter(|item| item.product == 0).for_each(|item| item.kind = 2);
    let from = Start::From(outcome.last.clone());
    // Three labels, and a head with two outputs: the head begins anew, and every step has an output for each label.
    let (second, events) = finish(&mut trainer(&config, &more, &dir.path().join("three"), &from).unwrap());
    let anew = "the model to start from tells 2 kinds of garment apart and these photos are of 3 (it does not know hat), so \
                its classifier begins anew";
    let said = |event: &TrainEvent| matches!(event, TrainEvent::Note { text } if text == anew);
    assert_eq!(events.iter().filter(|event| said(event)).count(), 1);
    let (_, events) = finish(&mut trainer(&config, &dataset, &dir.path().join("two again"), &from).unwrap());
    assert!(!events.iter().any(|event| matches!(event, TrainEvent::Note { text } if text.contains("anew"))));
    let saved = read_checkpoint(&second.last).unwrap().saved;
    assert_eq!((saved.card.config.classes, saved.card.kinds.len()), (3, 3));

    config.model.projections = true;
    let (outcome, _) = finish(&mut trainer(&config, &dataset, &dir.path().join("by kind"), &Start::Fresh).unwrap());
    let from = Start::From(outcome.last.clone());
    let refused = |dataset: &Dataset, name: &str| {
        trainer(&config, dataset, &dir.path().join(name), &from).err().unwrap().to_string()
    };
    let error = refused(&more, "more");
    let wanted = "the model to start from tells 2 kinds of garment apart and these photos are of 3 (it does not know \
                  hat), so its embeddings by kind cannot be taken over";
    assert!(error.starts_with(wanted), "{error}");
    // As many, but others: without a look at the names they would be mixed up.
    let mut others = dataset.clone();
    others.kinds[1] = "cape".to_owned();
    assert!(refused(&others, "others").contains("(it does not know cape)"));
    others.kinds = vec!["dress".to_owned(), "coat".to_owned()];
    assert!(refused(&others, "order").contains("in another order"));
    assert!(trainer(&config, &dataset, &dir.path().join("same"), &from).is_ok());
}
