use std::path::Path;

use candle_core::{Device, Tensor};

use super::wardrobe;
use crate::data::{Dataset, decode_file, letterbox, to_chw};
use crate::domain::{PhotoDomain, ProductId, StopFlag};
use crate::nn::{Embedder, Mode, Precision, checkpoint};
use crate::train::corrections::{CorrectionPhoto, KindCorrection, MatchCorrection};
use crate::train::losses::read_scalar;
use crate::train::{Corrections, FineTuneConfig, FineTuned, RunInfo, Start, TrainEvent, Trainer, fine_tune, publish};

fn photo(dataset: &Dataset, name: &str) -> CorrectionPhoto {
    let item = dataset.items.iter().find(|item| item.photo.as_str() == name).unwrap();
    CorrectionPhoto { photo: item.photo.clone(), path: item.path.clone(), crop: item.crop }
}

/// What the network makes of a photo: global vector and logits.
fn look(embedder: &Embedder, photo: &CorrectionPhoto) -> (Tensor, Tensor) {
    let picture = decode_file(&photo.path).unwrap();
    let mut values = vec![0.0; 3 * 32 * 32];
    to_chw(&letterbox(&picture, photo.crop, 32).0, &mut values);
    let x = Tensor::from_vec(values, (1, 3, 32, 32), &Device::Cpu).unwrap();
    let output = embedder.forward(&x, Mode::Eval).unwrap();
    (output.global, output.logits)
}

fn similarity(embedder: &Embedder, query: &CorrectionPhoto, shop: &CorrectionPhoto) -> f64 {
    let (a, b) = (look(embedder, query).0, look(embedder, shop).0);
    read_scalar(&(a * b).unwrap().sum_all().unwrap()).unwrap()
}

struct Scene {
    _dir: tempfile::TempDir,
    root: std::path::PathBuf,
    dataset: Dataset,
    model: std::path::PathBuf,
}

/// A small wardrobe and a model that was trained on it for a moment.
fn scene() -> Scene {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().to_owned();
    let dataset = wardrobe::write(&root, 8);
    let mut config = wardrobe::recipe();
    config.data.large_epochs = 0;
    config.run.validate_epochs = 0;
    let run = root.join("runs/base");
    let mut trainer =
        Trainer::new(&config, dataset.clone(), &run, &Start::Fresh, RunInfo::default(), &Device::Cpu).unwrap();
    let model = trainer.run(&StopFlag::new(), &mut |_| {}).unwrap().last;
    Scene { _dir: dir, root, dataset, model }
}

fn tune(scene: &Scene, corrections: &Corrections, stop: &StopFlag, run: &str) -> FineTuned {
    tune_by(scene, corrections, 1, stop, run)
}

fn tune_by(scene: &Scene, corrections: &Corrections, seed: u64, stop: &StopFlag, run: &str) -> FineTuned {
    let config = FineTuneConfig { steps: Some(12), rate: 2e-3, seed, ..FineTuneConfig::default() };
    let (run, info) = (scene.root.join("runs").join(run), RunInfo::default());
    fine_tune(&scene.model, scene.dataset.clone(), corrections, &config, &run, &info, &Device::Cpu, stop, &mut |_| {})
        .unwrap()
}

#[test]
fn said_pairs_come_closer_denied_pairs_part_and_kinds_are_learnt() {
    let scene = scene();
    // A photo of the validation split, which the model has not seen, is said to show a training product.
    let query = photo(&scene.dataset, "street/p6_0.png");
    let other = photo(&scene.dataset, "street/p7_1.png");
    let yes = photo(&scene.dataset, "shop/p1_0.png");
    let no = photo(&scene.dataset, "shop/p2_0.png");
    let corrections = Corrections {
        matches: vec![
            MatchCorrection {
                query: query.clone(),
                product: ProductId::new("p1"),
                shop: vec![yes.clone(), photo(&scene.dataset, "shop/p1_1.png")],
                same: true,
            },
            MatchCorrection {
                query: other.clone(),
                product: ProductId::new("p2"),
                shop: vec![no.clone()],
                same: false,
            },
        ],
        kinds: vec![
            KindCorrection { photo: no.clone(), domain: PhotoDomain::Shop, kind: "dress".to_owned() },
            KindCorrection { photo: yes.clone(), domain: PhotoDomain::Shop, kind: "spaceship".to_owned() },
        ],
    };
    let (before, _) = Embedder::load(&scene.model, &Device::Cpu).unwrap();
    let tuned = tune(&scene, &corrections, &StopFlag::new(), "tuned");
    assert!(tuned.finished && tuned.steps == 12 && tuned.skipped.is_empty());
    assert_eq!(tuned.unknown_kinds.iter().collect::<Vec<_>>(), ["spaceship"]);
    let after = &tuned.embedder;
    let (pair, apart) = ((&query, &yes), (&other, &no));
    assert!(similarity(after, pair.0, pair.1) > similarity(&before, pair.0, pair.1) + 1e-3);
    assert!(similarity(after, apart.0, apart.1) < similarity(&before, apart.0, apart.1) - 1e-3);
    for seed in 2..6 {
        let other = tune_by(&scene, &corrections, seed, &StopFlag::new(), &format!("tuned-{seed}"));
        let moved = [pair, apart].map(|(a, b)| similarity(&other.embedder, a, b) - similarity(&before, a, b));
        assert!(moved[0] > 1e-3 && moved[1] < -1e-3, "seed {seed}: {moved:?}");
    }
    let dress = |embedder: &Embedder| {
        let logits = look(embedder, &no).1.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let class = tuned.card.kinds.iter().position(|kind| kind == "dress").unwrap();
        logits[class] - logits[1 - class]
    };
    assert!(dress(after) > dress(&before));
    // Running statistics are those of the former model.
    let name = "backbone.bn1.running_mean";
    let mean = |embedder: &Embedder| embedder.params.get(name).unwrap().var.to_vec1::<f32>().unwrap();
    assert_eq!(mean(after), mean(&before));
    // Publishing makes a model that names its parent, and leaves the former one alone.
    let place = scene.root.join("models/tuned");
    let id = publish(after, &tuned.card, &place, Precision::F16).unwrap();
    let saved = checkpoint::read(&place).unwrap();
    let former = checkpoint::read(&scene.model).unwrap();
    assert_eq!((saved.id, saved.card.parent), (id.clone(), Some(former.id.clone())));
    assert_ne!(id, former.id);
    let diary = std::fs::read_to_string(scene.root.join("runs/tuned/events.jsonl")).unwrap();
    assert_eq!(diary.lines().filter(|line| line.contains("\"event\":\"step\"")).count(), 12);
    assert!(diary.contains("the model has no output for these kinds, so nothing is learnt about them: spaceship"));
}

#[test]
fn corrections_about_nothing_but_unknown_kinds_are_refused_in_a_sentence() {
    let scene = scene();
    let of = |kind: &str| KindCorrection {
        photo: photo(&scene.dataset, "shop/p1_0.png"),
        domain: PhotoDomain::Shop,
        kind: kind.to_owned(),
    };
    let corrections = Corrections { matches: Vec::new(), kinds: vec![of("spaceship"), of("anchor")] };
    let (config, run, info) = (FineTuneConfig::default(), scene.root.join("runs/none"), RunInfo::default());
    let (data, stop) = (scene.dataset.clone(), StopFlag::new());
    let tuned =
        fine_tune(&scene.model, data, &corrections, &config, &run, &info, &Device::Cpu, &stop, &mut |_: TrainEvent| {});
    assert_eq!(
        tuned.unwrap_err().to_string(),
        "the model has no output for these kinds, so nothing is learnt about them: anchor, spaceship; a new run on this \
         project's photos learns them"
    );
}

#[test]
fn the_same_corrections_give_the_same_weights_and_a_stop_is_no_model() {
    let scene = scene();
    let corrections = Corrections {
        matches: vec![MatchCorrection {
            query: photo(&scene.dataset, "street/p0_0.png"),
            product: ProductId::new("p0"),
            shop: vec![photo(&scene.dataset, "shop/p0_0.png")],
            same: false,
        }],
        kinds: Vec::new(),
    };
    let weights = |tuned: &FineTuned| -> Vec<Vec<f32>> {
        let tensors = tuned.embedder.params.tensors().unwrap();
        tensors.values().map(|tensor| tensor.flatten_all().unwrap().to_vec1().unwrap()).collect()
    };
    let one = tune(&scene, &corrections, &StopFlag::new(), "one");
    assert_eq!(weights(&one), weights(&tune(&scene, &corrections, &StopFlag::new(), "two")));
    // A denied pair wins over what the data say, so this photo of p0 has no partner left; it parts from the shop photo.
    let (before, _) = Embedder::load(&scene.model, &Device::Cpu).unwrap();
    let pair = (photo(&scene.dataset, "street/p0_0.png"), photo(&scene.dataset, "shop/p0_0.png"));
    let (after, before) = (similarity(&one.embedder, &pair.0, &pair.1), similarity(&before, &pair.0, &pair.1));
    assert!(after < before, "{after} is not less than {before}");
    for seed in 2..6 {
        let other = tune_by(&scene, &corrections, seed, &StopFlag::new(), &format!("one-{seed}"));
        let after = similarity(&other.embedder, &pair.0, &pair.1);
        assert!(after < before, "seed {seed}: {after} is not less than {before}");
    }
    let stop = StopFlag::new();
    stop.stop();
    let stopped = tune(&scene, &corrections, &stop, "stopped");
    assert!(!stopped.finished && stopped.steps == 0);
}

#[test]
fn no_corrections_and_no_model_are_sentences() {
    let dir = tempfile::tempdir().unwrap();
    let dataset = wardrobe::write(dir.path(), 4);
    let run = |corrections: &Corrections, model: &Path| {
        let (config, info, stop) = (FineTuneConfig::default(), RunInfo::default(), StopFlag::new());
        let mut quiet = |_: TrainEvent| {};
        fine_tune(
            model,
            dataset.clone(),
            corrections,
            &config,
            &dir.path().join("run"),
            &info,
            &Device::Cpu,
            &stop,
            &mut quiet,
        )
        .unwrap_err()
        .to_string()
    };
    assert_eq!(run(&Corrections::default(), dir.path()), "there are no corrections to learn from");
    let one =
        KindCorrection { photo: photo(&dataset, "shop/p0_0.png"), domain: PhotoDomain::Shop, kind: "coat".to_owned() };
    let error = run(&Corrections { matches: Vec::new(), kinds: vec![one] }, &dir.path().join("nowhere"));
    assert!(error.starts_with("cannot read the model card"), "{error}");
}
