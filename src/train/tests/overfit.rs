//! Every recipe learns a tiny set by heart.

use std::sync::Arc;

use candle_core::{Device, Tensor};

use super::methods::{METHODS, pretext, with_outfits};
use super::recipes::{cases, recipe};
use super::runs::{finish, trainer};
use super::wardrobe;
use crate::data::loader::LoaderOptions;
use crate::data::{Augment, Dataset, Loader, Views};
use crate::domain::{MatchOptions, PhotoDomain, Split, StopFlag};
use crate::eval::{EvalItem, evaluate};
use crate::nn::{Arch, Embedder, Mode, ModelCard, ops};
use crate::train::config::{Alike, DataSection, ModelSection, PretextMethod};
use crate::train::inputs::training_items;
use crate::train::losses::normalize_rows;
use crate::train::methods::make_batch;
use crate::train::{LossParts, Start, TrainConfig, TrainEvent, Trainer};

/// Share of the training photos whose own other view is the nearest among all photos' other views, by the pooled
/// backbone. A network that has collapsed, which some pretext losses reward, recognises none.
fn recognised(embedder: &Embedder, config: &TrainConfig, dataset: &Dataset) -> f64 {
    let options = LoaderOptions::new(config.data.train_size as u32, config.augment.clone(), 77);
    let loader = Loader::new(Arc::new(dataset.clone()), options);
    let batch = make_batch(&loader, config, &training_items(dataset, 1.0, config.seed), 5000, 0);
    let features = |images: &[f32]| -> Vec<Vec<f32>> {
        let side = batch.size as usize;
        let x = Tensor::from_slice(images, (batch.len(), 3, side, side), &Device::Cpu).unwrap();
        let map = embedder.features(&x, Mode::Eval).unwrap();
        normalize_rows(&ops::global_avg_pool(&map).unwrap()).unwrap().to_vec2().unwrap()
    };
    let (first, second) = (features(&batch.images), features(&batch.views[0].images));
    let likeness = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    let found = first.iter().enumerate().filter(|(i, row)| {
        // Strictly: among equal ones nothing is recognised.
        (0..second.len()).all(|j| j == *i || likeness(row, &second[j]) < likeness(row, &second[*i]))
    });
    found.count() as f64 / first.len() as f64
}

/// One photo of each product and domain, for others of it cannot be told apart.
fn different(mut dataset: Dataset) -> Dataset {
    dataset.items.retain(|item| item.photo.as_str().ends_with("_0.png"));
    dataset
}

/// By two measures: the loss of the last epochs, and the share of the photos that are recognised from another view.
#[test]
fn every_pretext_task_learns_its_photos_by_heart() {
    let dir = tempfile::tempdir().unwrap();
    let dataset = different(wardrobe::write(dir.path(), 8));
    for method in METHODS {
        let mut config = pretext(method);
        config.model.width = 8;
        (config.schedule.epochs, config.schedule.warmup_epochs) = (300, 5.0);
        config.optimizer.rate = 2e-3;
        (config.pretext.views, config.pretext.batch, config.pretext.probe_epochs) = (Views::Own, 6, 0);
        match method {
            PretextMethod::Moco => (config.pretext.queue, config.pretext.momentum) = (6, 0.9),
            PretextMethod::Byol | PretextMethod::Dino => config.pretext.momentum = 0.9,
            _ => {}
        }
        config.augment = Augment {
            flip: 0.5,
            crop_scale: [0.95, 1.1],
            crop_shift: 0.025,
            jitter: 1.0,
            brightness: 0.05,
            contrast: 0.05,
            saturation: 0.05,
            hue: 0.02,
            ..Augment::none()
        };
        let run = dir.path().join(format!("{method:?}"));
        let mut trainer = trainer(&config, &dataset, &run, &Start::Fresh).unwrap();
        let before = recognised(trainer.embedder(), &config, &dataset);
        let (_, events) = finish(&mut trainer);
        let after = recognised(trainer.embedder(), &config, &dataset);
        let curve: Vec<f64> = events
            .iter()
            .filter_map(|e| if let TrainEvent::Epoch { loss, .. } = e { Some(loss.pretext) } else { None })
            .collect();
        let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
        let (first, last) = (curve[0], mean(&curve[270..]));
        let (learnt, least) = match method {
            // Among its own key and the six of the queue, whatever the first, random ones were.
            PretextMethod::Moco => (last < 0.25 * 7.0_f64.ln(), 0.75),
            // The decoupled loss has no positive pair below the line, so it falls below 0.
            PretextMethod::SimClr => (last < first - 8.0, 0.65),
            PretextMethod::Byol => (last < 0.15 * first, 0.75),
            // A mean cosine, negative, of two views.
            PretextMethod::SimSiam => (last < -0.7, 0.65),
            // Its terms on variances keep a floor with six photos.
            PretextMethod::VicReg => (last < 0.75 * first, 0.65),
            PretextMethod::Dino => (last < 0.35 * first, 0.5),
            PretextMethod::None => (false, 1.0),
        };
        assert!(learnt && before < 0.45 && after >= least, "{method:?}: {first} became {last}, {before} {after}");
    }
}

/// Recall@1 of the training street photos among all their shop photos, by global vectors and by the plans between cells.
fn recalls(trainer: &Trainer, config: &TrainConfig, dataset: &Dataset) -> [f64; 2] {
    let embedder = config.embedder(dataset.kinds.len());
    let card = ModelCard::new(&config.name, &embedder, config.model.input_size);
    let encoder = trainer.embedder().to_encoder(&ModelCard { kinds: dataset.kinds.clone(), ..card }).unwrap();
    let (queries, gallery) = EvalItem::of_split(dataset, Split::Train);
    let by_plan = MatchOptions { structural_weight: 10.0, ..MatchOptions::default() };
    let found = evaluate(&encoder, &queries, &gallery, Some(&by_plan), &StopFlag::new(), &|_| {}).unwrap().unwrap();
    [found.report.global.recall_at_1, found.report.reranked.unwrap().recall_at_1]
}

/// Street photos of a product show the colours of another one, so that only learning by heart pairs them.
fn crossed(mut dataset: Dataset) -> Dataset {
    let learnt = dataset.items.iter().filter(|item| item.split == Some(Split::Train)).map(|item| item.product).max();
    let count = learnt.unwrap() + 1;
    for item in &mut dataset.items {
        if item.domain == PhotoDomain::Street && item.product < count {
            // The next of its kind.
            item.product = (item.product + 2) % count;
        }
    }
    dataset
}

#[test]
fn every_loss_that_compares_learns_any_pairing_by_heart() {
    let dir = tempfile::tempdir().unwrap();
    let dataset = crossed(wardrobe::write(dir.path(), 8));
    for (name, loss, _) in cases() {
        if !loss.compares() || loss.alike == Alike::Kinds {
            continue;
        }
        let mut config = recipe(loss);
        (config.model.width, config.model.dim, config.data.train_size) = (8, 16, 32);
        config.schedule.epochs = 300;
        // One batch of all, so that the running statistics are those of the last steps.
        config.data.products = 6;
        // Plans between cells need more than one.
        config.model.last_stride = if name.starts_with("structural") { 1 } else { 2 };
        let mut trainer = trainer(&config, &dataset, &dir.path().join(name), &Start::Fresh).unwrap();
        let before = recalls(&trainer, &config, &dataset);
        finish(&mut trainer);
        let after = recalls(&trainer, &config, &dataset);
        let learnt = before.iter().all(|recall| *recall < 0.3) && after.iter().all(|recall| *recall > 0.9);
        assert!(learnt, "{name}: {before:?} became {after:?}");
    }
}

/// A recipe of the works in a size that a test can run: what it learns by stays, widths and lengths shrink.
fn shrunk(mut config: TrainConfig, epochs: usize) -> TrainConfig {
    let tiny = recipe(config.loss.clone());
    // Groups of SE-ResNeXt need channels.
    let width = if config.model.arch == Arch::ResNet18 { 8 } else { 16 };
    config.model =
        ModelSection { width, dim: 16, input_size: 32, relaxation: config.model.relaxation.min(16), ..config.model };
    config.data = DataSection { train_size: 32, label_fraction: 1.0, ..tiny.data };
    config.augment = Augment { flip: 0.5, ..Augment::none() };
    config.schedule.epochs = epochs;
    config.schedule.warmup_epochs = 1.0;
    config.schedule.drops = vec![epochs * 2 / 3, epochs * 5 / 6];
    (config.optimizer.rate, config.optimizer.ema) = (config.optimizer.rate.max(1e-3), 0.0);
    config.run = tiny.run;
    if config.pretext.is_on() {
        (config.pretext.batch, config.pretext.dim, config.pretext.hidden, config.pretext.queue) = (8, 16, 24, 8);
        config.pretext.views = Views::Own;
    }
    config.outfits.triplets = if config.outfits.is_on() { 6 } else { config.outfits.triplets };
    config.semi.unlabelled = if config.semi.is_on() { 6 } else { 0 };
    config
}

const WORKS: [(&str, &str); 3] = [
    ("t", include_str!("../../../models/recipes/work-t.toml")),
    ("r", include_str!("../../../models/recipes/work-r.toml")),
    ("n", include_str!("../../../models/recipes/work-n.toml")),
];

/// The least cross-entropy against smoothed labels: the entropy of the labels themselves.
fn floor_of_cross_entropy(smoothing: f64, kinds: usize) -> f64 {
    let other = smoothing / kinds as f64;
    let own = 1.0 - smoothing + other;
    let term = |p: f64| if p > 0.0 { -p * p.ln() } else { 0.0 };
    term(own) + (kinds - 1) as f64 * term(other)
}

/// Each part that a stage learns by must end next to the least it can be, not only below its beginning.
fn check_stage(name: &str, config: &TrainConfig, kinds: usize, curve: &[LossParts]) {
    let (first, last) = (&curve[..3], &curve[curve.len() - 10..]);
    let mean = |part: &[LossParts], of: fn(&LossParts) -> f64| part.iter().map(of).sum::<f64>() / part.len() as f64;
    let fell = |of: fn(&LossParts) -> f64, share: f64| {
        let (before, after) = (mean(first, of), mean(last, of));
        assert!(before > 0.0 && after < share * before, "{name}: {before} became {after}");
    };
    fell(|loss| loss.total, 0.9);
    if config.pretext.is_on() {
        return fell(|loss| loss.pretext, 0.7);
    }
    let entropy = mean(last, |loss| loss.cross_entropy);
    let floor = floor_of_cross_entropy(config.loss.label_smoothing, kinds);
    assert!((entropy - floor).abs() < 0.03, "{name}: cross-entropy {entropy}, at least {floor}");
    let wrong = mean(last, |loss| loss.wrong_share);
    assert!(wrong < 0.05, "{name}: {wrong} of the mined triplets are still wrong");
    if config.loss.info_nce > 0.0 {
        // Two photos of a product share the numerator's place.
        let entropy = mean(last, |loss| loss.info_nce);
        assert!((entropy - 2.0_f64.ln()).abs() < 0.03, "{name}: InfoNCE {entropy}");
    }
    if config.loss.structural_info_nce > 0.0 || config.loss.structural > 0.0 {
        fell(|loss| loss.structural, 0.95);
    }
    if config.outfits.is_on() {
        fell(|loss| loss.outfits, 0.1);
    }
    if config.semi.is_on() {
        fell(|loss| loss.consistency, 0.6);
        fell(|loss| loss.pseudo, 0.6);
    }
}

/// On the crossed set, where looks lead astray: what an untrained network finds (a quarter), no recipe can lean on.
#[test]
fn the_recipes_of_the_works_learn_a_tiny_set_by_heart() {
    let dir = tempfile::tempdir().unwrap();
    let dataset = with_outfits(crossed(wardrobe::write(dir.path(), 8)));
    for (work, text) in WORKS {
        let mut start = Start::Fresh;
        let mut next = Some(TrainConfig::from_toml(text).unwrap());
        let mut found = Vec::new();
        while let Some(stage) = next {
            next = stage.next_stage().unwrap();
            let config = TrainConfig { then: Vec::new(), ..shrunk(stage, 160) };
            let name = format!("{work}-{}", found.len());
            let mut trainer = trainer(&config, &dataset, &dir.path().join(&name), &start).unwrap();
            if found.is_empty() {
                found.push(recalls(&trainer, &config, &dataset));
            }
            let (outcome, events) = finish(&mut trainer);
            let curve: Vec<LossParts> = events
                .iter()
                .filter_map(|e| if let TrainEvent::Epoch { loss, .. } = e { Some(*loss) } else { None })
                .collect();
            check_stage(&name, &config, dataset.kinds.len(), &curve);
            found.push(recalls(&trainer, &config, &dataset));
            start = Start::From(outcome.last);
        }
        let ([before, _], [after, _]) = (found[0], *found.last().unwrap());
        assert!(before < 0.3 && after > 0.9, "{work}: {found:?}");
    }
}
