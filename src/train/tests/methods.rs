//! Runs without labels and with unlabelled photos beside labelled ones.

use std::path::Path;

use super::runs::{everything, finish, stop_after, trainer};
use super::wardrobe;
use crate::data::{Augment, Dataset, Views};
use crate::train::config::{Kinds, OptimizerKind, OutfitsSection, PretextMethod, ThresholdRule};
use crate::train::{LossParts, Start, TrainConfig, TrainEvent};

pub(super) const METHODS: [PretextMethod; 6] = [
    PretextMethod::Moco,
    PretextMethod::SimClr,
    PretextMethod::Byol,
    PretextMethod::SimSiam,
    PretextMethod::VicReg,
    PretextMethod::Dino,
];

pub(super) fn pretext(method: PretextMethod) -> TrainConfig {
    let mut config = wardrobe::recipe();
    config.data.large_epochs = 0;
    config.optimizer.ema = 0.0;
    config.run.checkpoint_epochs = 1000;
    let section = &mut config.pretext;
    (section.method, section.batch, section.dim, section.hidden) = (method, 8, 16, 24);
    match method {
        PretextMethod::Moco => section.queue = 16,
        PretextMethod::Dino => section.prototypes = 12,
        PretextMethod::SimClr => section.decoupled = true,
        _ => {}
    }
    config
}

fn losses(events: &[TrainEvent], part: fn(&LossParts) -> f64) -> Vec<f64> {
    let of = |event: &TrainEvent| if let TrainEvent::Epoch { loss, .. } = event { Some(part(loss)) } else { None };
    events.iter().filter_map(of).collect()
}

/// The run in one go, and in two sittings that part inside an epoch, hold the same bits.
fn resumes(config: &TrainConfig, dataset: &Dataset, dir: &Path) -> Vec<String> {
    let whole = dir.join("whole");
    finish(&mut trainer(config, dataset, &whole, &Start::Fresh).unwrap());
    let parts = dir.join("parts");
    assert!(!stop_after(&mut trainer(config, dataset, &parts, &Start::Fresh).unwrap(), 4).finished);
    finish(&mut trainer(config, dataset, &parts, &Start::Resume).unwrap());
    let (one, other) = (everything(&whole), everything(&parts));
    assert_eq!(one.keys().collect::<Vec<_>>(), other.keys().collect::<Vec<_>>());
    for name in one.keys() {
        assert!(one[name] == other[name], "{name} differs");
    }
    one.into_keys().collect()
}

#[test]
fn a_pretext_run_tells_what_neighbours_say_when_it_is_due() {
    let dir = tempfile::tempdir().unwrap();
    let dataset = wardrobe::write(dir.path(), 8);
    for method in METHODS {
        let mut config = pretext(method);
        (config.schedule.epochs, config.pretext.probe_epochs) = (4, 3);
        let run = dir.path().join(format!("{method:?}"));
        let (_, events) = finish(&mut trainer(&config, &dataset, &run, &Start::Fresh).unwrap());
        let probes: Vec<_> = events
            .iter()
            .filter_map(|e| if let TrainEvent::Probe { epoch, probe, .. } = e { Some((*epoch, *probe)) } else { None })
            .collect();
        assert_eq!(probes.iter().map(|(epoch, _)| *epoch).collect::<Vec<_>>(), [3, 4], "{method:?}");
        for (_, probe) in probes {
            assert!(probe.photos == 8 && (0.0..=1.0).contains(&probe.kind_accuracy), "{probe:?}");
        }
    }
}

#[test]
fn every_variable_of_a_pretext_task_moves_and_what_it_does_not_reach_stays() {
    let dir = tempfile::tempdir().unwrap();
    let dataset = wardrobe::write(dir.path(), 8);
    for method in METHODS {
        let mut config = pretext(method);
        config.schedule.epochs = 3;
        let run = dir.path().join(format!("{method:?}"));
        let mut fresh = trainer(&config, &dataset, &run, &Start::Fresh).unwrap();
        let before = fresh.embedder().params.tensors().unwrap();
        stop_after(&mut fresh, 1);
        let first = everything(&run);
        finish(&mut trainer(&config, &dataset, &run, &Start::Resume).unwrap());
        let last = everything(&run);
        let network = |name: &str| format!("shown.{name}");
        for (name, _) in fresh.embedder().params.trainable() {
            let start: Vec<u32> =
                before[name].flatten_all().unwrap().to_vec1::<f32>().unwrap().into_iter().map(f32::to_bits).collect();
            let moved = last[&network(name)] != start;
            assert_eq!(moved, name.starts_with("backbone."), "{method:?}: {name}");
        }
        let heads: Vec<&String> = last.keys().filter(|name| name.starts_with("method.heads.")).collect();
        assert!(heads.len() >= 4, "{heads:?}");
        for name in heads {
            let fixed =
                method == PretextMethod::SimSiam && name.contains("projector.2.norm.") && !name.contains("running");
            assert_eq!(first[name] != last[name], !fixed, "{method:?}: {name}");
        }
        // The twin follows.
        let twin = "method.twin.network.backbone.conv1.weight";
        let follows = matches!(method, PretextMethod::Moco | PretextMethod::Byol | PretextMethod::Dino);
        assert_eq!(last.contains_key(twin), follows, "{method:?}");
        if follows {
            assert!(last[twin] != first[twin] && last[twin] != last["shown.backbone.conv1.weight"], "{method:?}");
        }
    }
}

#[test]
fn a_pretext_run_that_was_stopped_and_resumed_ends_with_the_same_bits() {
    let dir = tempfile::tempdir().unwrap();
    let dataset = wardrobe::write(dir.path(), 8);
    for (method, needed) in [
        (PretextMethod::Moco, vec!["method.queue", "method.next_key", "method.twin.heads.projector.0.weight"]),
        (PretextMethod::Byol, vec!["method.heads.predictor.1.bias", "optimizer.first.predictor.1.bias"]),
        (PretextMethod::Dino, vec!["method.centre", "method.heads.prototypes"]),
    ] {
        let mut config = pretext(method);
        config.optimizer.kind = OptimizerKind::Lars;
        config.optimizer.trust = 0.01;
        config.optimizer.rate = 0.5;
        config.optimizer.ema = 0.9;
        config.pretext.views = Views::Byol;
        let names = resumes(&config, &dataset, &dir.path().join(format!("{method:?}")));
        for name in needed {
            assert!(names.iter().any(|found| found == name), "{method:?} lacks {name}");
        }
    }
}

#[test]
fn a_pretext_run_hands_its_backbone_to_one_with_labels() {
    let dir = tempfile::tempdir().unwrap();
    let dataset = wardrobe::write(dir.path(), 8);
    let run = dir.path().join("pretext");
    let (outcome, _) = finish(&mut trainer(&pretext(PretextMethod::SimSiam), &dataset, &run, &Start::Fresh).unwrap());
    let mut config = wardrobe::recipe();
    config.schedule.epochs = 1;
    config.data.large_epochs = 0;
    let next = trainer(&config, &dataset, &dir.path().join("next"), &Start::From(outcome.last.clone())).unwrap();
    let learnt = everything(&run);
    let weights = next.embedder().params.get("backbone.layer3.0.conv1.weight").unwrap().var.flatten_all().unwrap();
    let bits: Vec<u32> = weights.to_vec1::<f32>().unwrap().into_iter().map(f32::to_bits).collect();
    assert_eq!(bits, learnt["shown.backbone.layer3.0.conv1.weight"]);
    let error = trainer(
        &{
            let mut config = pretext(PretextMethod::SimClr);
            config.pretext.batch = 64;
            config
        },
        &dataset,
        &dir.path().join("large"),
        &Start::Fresh,
    );
    assert_eq!(error.err().unwrap().to_string(), "pretext.batch (64) is more than the 24 photos to learn from");
}

fn semi() -> TrainConfig {
    let mut config = wardrobe::recipe();
    config.data.large_epochs = 0;
    config.data.label_fraction = 0.5;
    config.optimizer.ema = 0.0;
    config.run.validate_epochs = 0;
    config.run.checkpoint_epochs = 1000;
    config.loss = crate::train::config::LossSection {
        soft_margin: false,
        margin: 0.4,
        info_nce: 0.0,
        structural: 0.0,
        ..crate::train::config::LossSection::default()
    };
    config.semi.unlabelled = 6;
    config
}

#[test]
fn unlabelled_photos_beside_labelled_ones_are_learnt_from() {
    let dir = tempfile::tempdir().unwrap();
    let dataset = wardrobe::write(dir.path(), 8);
    let mut config = semi();
    config.schedule.epochs = 30;
    config.optimizer.rate = 3e-3;
    let run = dir.path().join("known");
    let (_, events) = finish(&mut trainer(&config, &dataset, &run, &Start::Fresh).unwrap());
    for (name, part) in [
        ("consistency", (|loss| loss.consistency) as fn(&LossParts) -> f64),
        ("pseudo", |loss| loss.pseudo),
        ("triplet", |loss| loss.triplet),
    ] {
        let curve = losses(&events, part);
        let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
        let (first, last) = (mean(&curve[..3]), mean(&curve[27..]));
        assert!(first > 0.0 && last < 0.8 * first, "{name}: {first} became {last}");
    }
    let of = |events: &[TrainEvent]| {
        events.iter().find_map(|e| if let TrainEvent::Step { loss, .. } = e { Some(*loss) } else { None }).unwrap()
    };
    // The parts and their weights: work R's 0.1 and 1.0.
    let first = of(&events);
    let sum = first.cross_entropy + first.triplet + 0.1 * first.consistency + first.pseudo;
    assert!((first.total - sum).abs() < 1e-5, "{first:?}");
}

#[test]
fn pseudo_labels_thresholds_and_the_teacher_are_part_of_a_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    let dataset = wardrobe::write(dir.path(), 8);
    for rule in [ThresholdRule::Flex, ThresholdRule::PerClass, ThresholdRule::Fixed] {
        let mut config = semi();
        config.semi.kinds = Kinds::Predicted;
        config.semi.pseudo_kinds = 1.0;
        (config.semi.thresholds, config.semi.threshold) = (rule, 0.55);
        (config.semi.teacher, config.semi.teacher_weight) = (0.9, 0.5);
        config.model.projections = true;
        let names = resumes(&config, &dataset, &dir.path().join(format!("{rule:?}")));
        for name in ["method.thresholds.latest", "method.thresholds.mean", "method.teacher.backbone.conv1.weight"] {
            assert!(names.iter().any(|found| found == name), "{rule:?} lacks {name}");
        }
    }
}

/// Flat colours: reds go with reds, whatever their kind; every product is in one outfit of three.
pub(super) fn with_outfits(dataset: Dataset) -> Dataset {
    let pieces = [["p0", "p1", "p2"], ["p3", "p4", "p5"], ["p0", "p3", "p6"]];
    dataset.with_outfits(pieces.map(|outfit| outfit.to_vec()))
}

fn worn() -> TrainConfig {
    let mut config = semi();
    config.semi.unlabelled = 0;
    config.data.label_fraction = 1.0;
    (config.outfits.weight, config.outfits.triplets) = (2.0, 6);
    config.model.projections = true;
    config
}

#[test]
fn what_is_worn_together_is_learnt_and_counts_with_its_weight() {
    let dir = tempfile::tempdir().unwrap();
    let dataset = with_outfits(wardrobe::write(dir.path(), 8));
    let mut config = worn();
    config.schedule.epochs = 40;
    config.optimizer.rate = 5e-3;
    config.loss.triplet = 0.0;
    // There is something to overfit.
    config.augment = Augment::none();
    config.data.train_size = 64;
    let (_, events) = finish(&mut trainer(&config, &dataset, &dir.path().join("run"), &Start::Fresh).unwrap());
    let curve = losses(&events, |loss| loss.outfits);
    let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
    let (first, last) = (mean(&curve[..3]), mean(&curve[37..]));
    assert!(first > 0.0 && last < 0.5 * first, "{first} became {last}");
    let step =
        events.iter().find_map(|e| if let TrainEvent::Step { loss, .. } = e { Some(*loss) } else { None }).unwrap();
    assert!((step.total - (step.cross_entropy + 2.0 * step.outfits)).abs() < 1e-5, "{step:?}");
}

#[test]
fn a_run_with_outfits_and_unlabelled_photos_resumes_with_the_same_bits_and_moves_every_variable() {
    let dir = tempfile::tempdir().unwrap();
    let dataset = with_outfits(wardrobe::write(dir.path(), 8));
    let mut config = worn();
    config.loss.triplet = 0.0;
    config.semi.unlabelled = 6;
    resumes(&config, &dataset, &dir.path().join("resumed"));
    let mut fresh = trainer(&config, &dataset, &dir.path().join("moved"), &Start::Fresh).unwrap();
    let before = fresh.embedder().params.tensors().unwrap();
    stop_after(&mut fresh, 3);
    for (name, var) in fresh.embedder().params.trainable() {
        let moved = (var.as_tensor() - &before[name]).unwrap().abs().unwrap().max_all().unwrap();
        assert!(moved.to_scalar::<f32>().unwrap() > 0.0, "{name}");
    }
}

/// The shipped model's last stage: its network knows products already, and only the maps are learnt.
#[test]
fn outfits_alone_are_learnt_by_the_maps_while_the_network_keeps_its_bits() {
    let dir = tempfile::tempdir().unwrap();
    let dataset = with_outfits(wardrobe::write(dir.path(), 8));
    let mut config = worn();
    config.model.projections = false;
    config.outfits = OutfitsSection::default();
    config.schedule.epochs = 2;
    let (outcome, _) = finish(&mut trainer(&config, &dataset, &dir.path().join("first"), &Start::Fresh).unwrap());

    config.model.worn = true;
    let error = trainer(&config, &dataset, &dir.path().join("none"), &Start::Fresh).err().unwrap().to_string();
    assert_eq!(error, "model.worn learns from outfits alone; give outfits.weight a value above 0");
    (config.outfits.weight, config.outfits.triplets) = (1.0, 6);
    (config.loss.cross_entropy, config.loss.triplet) = (0.0, 0.0);
    config.optimizer.freeze_norms = true;
    (config.schedule.epochs, config.optimizer.rate) = (30, 2e-2);
    config.augment = Augment::none();
    let mut second = trainer(&config, &dataset, &dir.path().join("second"), &Start::From(outcome.last)).unwrap();
    let before = second.embedder().params.tensors().unwrap();
    let (_, events) = finish(&mut second);
    let curve = losses(&events, |loss| loss.outfits);
    assert!(curve[29] < 0.8 * curve[0], "{curve:?}");
    for (name, after) in second.embedder().params.tensors().unwrap() {
        let same =
            (&after - &before[&name]).unwrap().abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap() == 0.0;
        assert_eq!(same, !name.starts_with("worn."), "{name}");
    }
}

#[test]
fn outfits_that_cannot_be_learnt_from_are_refused_before_the_first_step() {
    let dir = tempfile::tempdir().unwrap();
    let dataset = wardrobe::write(dir.path(), 8);
    let error = trainer(&worn(), &dataset, &dir.path().join("run"), &Start::Fresh).err().unwrap().to_string();
    assert!(error.contains("[outfits] needs outfits of training products") && error.contains("0 of 0"), "{error}");
}

#[test]
fn methods_that_contradict_each_other_are_refused_in_one_sentence() {
    for (text, sentence) in [
        ("[pretext]\nqueue = 128", "pretext.queue has no effect unless pretext.method is moco"),
        (
            "[pretext]\nmethod = \"moco\"\nqueue = 100\nbatch = 64",
            "pretext.queue (100) must be a multiple of pretext.batch (64)",
        ),
        (
            "[pretext]\nmethod = \"byol\"\n[semi]\nunlabelled = 8",
            "pretext.method learns without labels and semi.unlabelled with them; choose one of the two",
        ),
        ("[outfits]\nmargin = 0.3", "the settings in [outfits] have no effect while outfits.weight is 0"),
        (
            "[pretext]\nmethod = \"byol\"\n[outfits]\nweight = 1.0",
            "pretext.method learns without labels and outfits.weight with them; choose one of the two",
        ),
        ("[semi]\nmargin = 0.3", "the settings in [semi] have no effect while semi.unlabelled is 0"),
        (
            "[semi]\nunlabelled = 8\npseudo_kinds = 1.0",
            "semi.pseudo_kinds needs semi.kinds = \"predicted\", for known kinds are not guessed",
        ),
        (
            "[semi]\nunlabelled = 8\nteacher_weight = 1.0",
            "semi.teacher_weight needs a teacher: set semi.teacher, for instance to 0.99",
        ),
        (
            "[semi]\nunlabelled = 8\n[loss]\ntriplet = 0.0",
            "semi.pseudo needs a loss on triplets, for instance loss.triplet = 1 or outfits.weight = 1",
        ),
    ] {
        assert_eq!(TrainConfig::from_toml(text), Err(sentence.to_owned()), "{text}");
    }
    assert!(TrainConfig::from_toml("[pretext]\nmethod = \"swav\"").unwrap_err().contains("swav"));
}
