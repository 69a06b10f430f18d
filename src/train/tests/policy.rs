//! When a run ends, what it keeps, what it says of itself, and what it refuses.

use std::fs;

use super::runs::{everything, finish, stop_after, trainer};
use super::wardrobe;
use crate::data::{Dataset, dataset::Entry};
use crate::domain::{PhotoDomain, PhotoId, ProductId, Split, StopFlag};
use crate::train::config::{Chosen, MapPrecision, Metric, OptimizerKind};
use crate::train::run_folder::{checkpoints, full_disk, read_checkpoint};
use crate::train::schedule::Curve;
use crate::train::{Start, TrainConfig, TrainEvent, record};

/// A recipe with everything that a checkpoint has to remember.
fn rich() -> TrainConfig {
    let mut config = wardrobe::recipe();
    config.schedule.epochs = 6;
    config.schedule.curve = Curve::Plateau;
    config.schedule.patience = 1;
    config.schedule.factor = 0.5;
    config.optimizer.accumulate = 2;
    config.optimizer.recompute = true;
    config.optimizer.head_rate = 2.0;
    config.optimizer.layer_decay = 0.8;
    config.run.validate_epochs = 1;
    config.run.metric = Metric::MeanAveragePrecision;
    config.run.checkpoint_epochs = 4;
    config
}

#[test]
fn a_run_resumes_exactly_even_where_the_stop_came_before_a_measurement() {
    let dir = tempfile::tempdir().unwrap();
    let (dataset, config) = (wardrobe::write(dir.path(), 8), rich());
    let whole = dir.path().join("whole");
    let (outcome, events) = finish(&mut trainer(&config, &dataset, &whole, &Start::Fresh).unwrap());
    let steps_per_epoch = outcome.steps / 6;
    assert!(steps_per_epoch >= 2);

    // Within an epoch, then with the last step of one, when its measurement is due.
    let parts = dir.path().join("parts");
    assert!(!stop_after(&mut trainer(&config, &dataset, &parts, &Start::Fresh).unwrap(), 1).finished);
    let stopped = stop_after(&mut trainer(&config, &dataset, &parts, &Start::Resume).unwrap(), 2 * steps_per_epoch);
    assert_eq!((stopped.step, stopped.finished), (2 * steps_per_epoch, false));
    assert!(read_checkpoint(&parts.join("last")).unwrap().state.unmeasured);
    let (last, _) = finish(&mut trainer(&config, &dataset, &parts, &Start::Resume).unwrap());
    assert!(last.finished);
    assert!(everything(&whole) == everything(&parts), "other bits");
    let state = |run: &std::path::Path| read_checkpoint(&run.join("last")).unwrap().state;
    let (mut a, b) = (state(&whole), state(&parts));
    a.seconds = b.seconds;
    assert_eq!(a, b);
    // The run told the same epochs, and the rate fell where the measure stood still.
    let epochs = |text: String| -> Vec<(u64, f64, f64)> {
        let lines = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        let of = |line: serde_json::Value| {
            (
                line["epoch"].as_u64().unwrap(),
                line["loss"]["total"].as_f64().unwrap(),
                line["validation"]["mean_average_precision"].as_f64().unwrap(),
            )
        };
        lines.filter(|line| line["event"] == "epoch").map(of).collect()
    };
    let told = |run: &std::path::Path| epochs(fs::read_to_string(run.join("events.jsonl")).unwrap());
    assert_eq!(told(&whole), told(&parts));
    let measured: Vec<f64> = told(&whole).into_iter().map(|(_, _, value)| value).collect();
    let mut best = f64::MIN;
    let drops = measured
        .iter()
        .filter(|&&value| {
            if value > best {
                best = value;
                false
            } else {
                true
            }
        })
        .count();
    assert_eq!(a.plateau.share, 0.5_f64.powi(drops as i32));
    let last_rate = events.iter().rev().find_map(|event| match event {
        TrainEvent::Step { rate, .. } => Some(*rate),
        _ => None,
    });
    let before_last = measured[..5].iter().scan(f64::MIN, |best, &v| {
        let worse = v <= *best;
        *best = best.max(v);
        Some(worse)
    });
    let share = 0.5_f64.powi(before_last.filter(|worse| *worse).count() as i32);
    assert!((last_rate.unwrap() - config.optimizer.rate * share).abs() < 1e-15);
}

#[test]
fn a_run_that_stands_still_ends_early_and_its_best_checkpoint_is_the_model() {
    let dir = tempfile::tempdir().unwrap();
    let (dataset, mut config) = (wardrobe::write(dir.path(), 8), wardrobe::recipe());
    config.schedule.epochs = 50;
    // Nothing moves, so nothing becomes better; an average would, with the running statistics, all the same.
    config.optimizer.kind = OptimizerKind::Sgd;
    config.optimizer.rate = 1e-12;
    config.optimizer.ema = 0.0;
    config.data.large_epochs = 0;
    config.run.validate_epochs = 1;
    config.run.metric = Metric::RecallAt20;
    config.run.early_stop = 2;
    config.run.keep = 1;
    config.run.result = Chosen::Best;
    let run = dir.path().join("run");
    let (outcome, events) = finish(&mut trainer(&config, &dataset, &run, &Start::Fresh).unwrap());
    // Four queries among 16 photos: recall@20 is 1 from the first measurement on.
    let per_epoch = outcome.steps / 50;
    assert_eq!((outcome.finished, outcome.step), (true, 3 * per_epoch));
    let note = "the run ends, for nothing became better in 2 measurements";
    assert!(events.iter().any(|event| matches!(event, TrainEvent::Note { text } if text == note)));
    assert_eq!(outcome.model, run.join("best"));
    assert_eq!(read_checkpoint(&outcome.model).unwrap().state.position.step, per_epoch);
    assert_eq!(checkpoints(&run).len(), 1, "the newest one; the best is kept under its own name");
    let (again, _) = finish(&mut trainer(&config, &dataset, &run, &Start::Resume).unwrap());
    assert_eq!((again.finished, again.step, again.model), (true, outcome.step, outcome.model));
}

#[test]
fn a_disk_that_becomes_full_in_the_middle_of_a_checkpoint_leaves_the_one_before_whole() {
    let dir = tempfile::tempdir().unwrap();
    let (dataset, mut config) = (wardrobe::write(dir.path(), 6), wardrobe::recipe());
    config.schedule.epochs = 4;
    config.run.validate_epochs = 0;
    let run = dir.path().join("run");
    let mut first = trainer(&config, &dataset, &run, &Start::Fresh).unwrap();
    stop_after(&mut first, 1);
    let before = everything(&run);
    let mut notes = Vec::new();
    // Room for half of the moments, then for nothing: every checkpoint from here on fails.
    full_disk::ROOM.set(Some(30_000));
    let error = trainer(&config, &dataset, &run, &Start::Resume)
        .unwrap()
        .run(&StopFlag::new(), &mut |event| {
            if let TrainEvent::Note { text } = event {
                notes.push(text);
            }
        })
        .unwrap_err()
        .to_string();
    full_disk::ROOM.set(None);
    assert!(error.contains("cannot write a checkpoint"), "{error}");
    // In between the run went on and said so.
    assert!(!notes.is_empty() && notes.iter().all(|note| note.contains("cannot write a checkpoint")), "{notes:?}");
    assert!(everything(&run) == before);
    let half = fs::read_dir(&run)
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().ends_with(".new"));
    assert_eq!(half.count(), 0, "half a checkpoint was left behind");
    let (outcome, _) = finish(&mut trainer(&config, &dataset, &run, &Start::Resume).unwrap());
    assert!(outcome.finished);
}

#[test]
fn a_run_leaves_what_it_takes_to_judge_and_repeat_it() {
    let dir = tempfile::tempdir().unwrap();
    let (mut dataset, mut config) = (wardrobe::write(dir.path(), 6), wardrobe::recipe());
    config.schedule.epochs = 1;
    let run = dir.path().join("run");
    stop_after(&mut trainer(&config, &dataset, &run, &Start::Fresh).unwrap(), 1);
    let one = record::read(&run).unwrap().unwrap();
    assert_eq!((one.data.photos, one.data.products, one.sittings.len()), (24, 6, 1));
    assert_eq!(one.data.kinds, ["coat", "dress"]);
    let sitting = &one.sittings[0];
    assert!(sitting.version.starts_with(env!("CARGO_PKG_VERSION")) && sitting.device.starts_with("CPU"));
    assert!(sitting.threads > 0 && !sitting.processor.is_empty() && sitting.system.starts_with(std::env::consts::OS));
    let (_, events) = finish(&mut trainer(&config, &dataset, &run, &Start::Resume).unwrap());
    assert!(!events.iter().any(|event| matches!(event, TrainEvent::Note { .. })), "nothing has changed");
    let two = record::read(&run).unwrap().unwrap();
    assert_eq!((two.sittings.len(), two.sittings[1].step, &two.data), (2, 1, &one.data));
    // Another label is other data.
    dataset.items[0].split = Some(Split::Test);
    let (_, events) = finish(&mut trainer(&config, &dataset, &run, &Start::Resume).unwrap());
    let note = "the photos or their labels have changed since this run began";
    assert!(events.iter().any(|event| matches!(event, TrainEvent::Note { text } if text == note)));
    fs::write(run.join("run.json"), "{").unwrap();
    assert!(record::read(&run).unwrap_err().to_string().contains("the run's record is damaged"));
}

fn entry(dir: &std::path::Path, product: usize, domain: PhotoDomain, kind: &str) -> Entry {
    let name = format!("{}/p{product}_0.png", domain.as_str());
    Entry {
        path: dir.join(&name),
        photo: PhotoId::new(&name),
        domain,
        product: ProductId::new(format!("p{product}")),
        kind: kind.to_owned(),
        crop: None,
        split: Some(Split::Train),
    }
}

#[test]
fn data_that_cannot_teach_are_one_sentence_before_the_first_step() {
    let dir = tempfile::tempdir().unwrap();
    let refused = |config: &TrainConfig, dataset: &Dataset, start: &Start| {
        trainer(config, dataset, &dir.path().join("none"), start).err().unwrap().to_string()
    };
    let mut config = wardrobe::recipe();
    let alone =
        (0..4).map(|p| entry(dir.path(), p, if p < 2 { PhotoDomain::Shop } else { PhotoDomain::Street }, "coat"));
    assert_eq!(
        refused(&config, &Dataset::new(alone.collect()), &Start::Fresh),
        "training needs at least 2 products with both a street and a shop photo, and there are 0; each product has one \
         photo"
    );
    let dataset = wardrobe::write(dir.path(), 8);
    let mut untested = dataset.clone();
    untested.items.retain(|item| item.split == Some(Split::Train));
    config.run.early_stop = 2;
    assert_eq!(
        refused(&config, &untested, &Start::Fresh),
        "run.early_stop needs a validation split with street photos, and there is none"
    );
    config.run.early_stop = 0;
    config.optimizer.freeze_norms = true;
    assert_eq!(
        refused(&config, &dataset, &Start::Fresh),
        "optimizer.freeze_norms needs a model to start from, for the norms of a fresh network have no statistics yet"
    );
    config.optimizer.freeze_norms = false;
    config.optimizer.precision = MapPrecision::Bf16;
    assert_eq!(
        refused(&config, &dataset, &Start::Fresh),
        "optimizer.precision = \"bf16\" needs a CUDA device; on the CPU say \"f32\""
    );
    assert!(!dir.path().join("none").exists(), "nothing was begun");

    // A kind without a pair is no reason not to learn the others, but is said.
    config.optimizer.precision = MapPrecision::F32;
    config.schedule.epochs = 1;
    let mut lonely = dataset.clone();
    lonely.items.retain(|item| item.kind == 0 || item.domain == PhotoDomain::Shop);
    let (_, events) = finish(&mut trainer(&config, &lonely, &dir.path().join("lonely"), &Start::Fresh).unwrap());
    let said = "no product of these kinds has both a street and a shop photo, so nothing is learnt about matching them: \
                dress";
    let place = events.iter().position(|event| matches!(event, TrainEvent::Note { text } if text == said));
    let first = events.iter().position(|event| matches!(event, TrainEvent::Step { .. }));
    assert!(place.unwrap() < first.unwrap());
}
