//! Every loss in whole runs.

use std::path::Path;

use super::runs::{everything, finish, stop_after, trainer};
use super::wardrobe;
use crate::data::{Augment, Dataset};
use crate::train::config::{Alike, LossSection};
use crate::train::losses::{Distance, Mining};
use crate::train::{LossParts, Start, TrainConfig, TrainEvent};

/// No loss at all; each case turns its own on.
fn silent() -> LossSection {
    LossSection { cross_entropy: 0.0, triplet: 0.0, temperature: 0.2, ..LossSection::default() }
}

pub(super) type Case = (&'static str, LossSection, fn(&LossParts) -> f64);

pub(super) fn cases() -> Vec<Case> {
    vec![
        ("oc", LossSection { cross_entropy: 1.0, ..silent() }, |l| l.cross_entropy),
        // Work N: alpha 1, beta 0.1, delta 0.3, squared distances.
        (
            "oc+is",
            LossSection {
                cross_entropy: 1.0,
                triplet: 0.1,
                distance: Distance::Squared,
                soft_margin: false,
                ..silent()
            },
            |l| l.triplet,
        ),
        (
            "oc+os",
            LossSection {
                cross_entropy: 1.0,
                triplet: 0.1,
                distance: Distance::Squared,
                soft_margin: false,
                alike: Alike::Kinds,
                ..silent()
            },
            |l| l.triplet,
        ),
        ("semi-hard", LossSection { triplet: 1.0, mining: Mining::SemiHard, ..silent() }, |l| l.triplet),
        ("distance-weighted", LossSection { triplet: 1.0, mining: Mining::DistanceWeighted, ..silent() }, |l| {
            l.triplet
        }),
        ("random", LossSection { triplet: 1.0, mining: Mining::Random, ..silent() }, |l| l.triplet),
        ("info-nce", LossSection { info_nce: 1.0, ..silent() }, |l| l.info_nce),
        ("nt-xent", LossSection { nt_xent: 1.0, ..silent() }, |l| l.nt_xent),
        ("multi-similarity", LossSection { multi_similarity: 1.0, ..silent() }, |l| l.multi_similarity),
        (
            "margin",
            LossSection { margin_loss: 1.0, mining: Mining::DistanceWeighted, beta_rate: 1e-2, ..silent() },
            |l| l.margin_loss,
        ),
        ("proxy-anchor", LossSection { proxy_anchor: 1.0, proxy_rate: 10.0, ..silent() }, |l| l.proxy_anchor),
        ("structural triplet", LossSection { structural: 1.0, ..silent() }, |l| l.structural),
        ("structural margin", LossSection { structural_margin_loss: 1.0, ..silent() }, |l| l.structural),
        ("structural multi-similarity", LossSection { structural_multi_similarity: 1.0, ..silent() }, |l| l.structural),
        ("structural info-nce", LossSection { structural_info_nce: 1.0, ..silent() }, |l| l.structural),
    ]
}

pub(super) fn recipe(loss: LossSection) -> TrainConfig {
    let mut config = wardrobe::recipe();
    config.loss = loss;
    config.augment = Augment::none();
    config.data.recolour = 0.0;
    config.data.large_epochs = 0;
    config.data.products = 4;
    config.data.train_size = 64;
    config.optimizer.ema = 0.0;
    config.optimizer.rate = 5e-3;
    config.run.validate_epochs = 0;
    config.run.checkpoint_epochs = 1000;
    config
}

fn curve(config: &TrainConfig, dataset: &Dataset, run: &Path) -> Vec<LossParts> {
    let (_, events) = finish(&mut trainer(config, dataset, run, &Start::Fresh).unwrap());
    let of = |event: &TrainEvent| if let TrainEvent::Epoch { loss, .. } = event { Some(*loss) } else { None };
    events.iter().filter_map(of).collect()
}

#[test]
fn a_tiny_set_is_overfitted_by_every_loss() {
    let dir = tempfile::tempdir().unwrap();
    let dataset = wardrobe::write(dir.path(), 8);
    for (name, loss, part) in cases() {
        let mut config = recipe(loss);
        config.schedule.epochs = 40;
        let curve = curve(&config, &dataset, &dir.path().join(name));
        let (first, last) = (part(&curve[0]), part(&curve[39]));
        assert!(first > 0.0 && last < 0.5 * first, "{name}: {first} became {last}");
    }
}

#[test]
fn every_variable_that_a_loss_reaches_moves() {
    let dir = tempfile::tempdir().unwrap();
    let dataset = wardrobe::write(dir.path(), 8);
    for (name, loss, _) in cases() {
        let config = recipe(loss);
        let (with_classes, compares) = (config.loss.cross_entropy > 0.0, config.loss.compares());
        let mut fresh = trainer(&config, &dataset, &dir.path().join(name), &Start::Fresh).unwrap();
        let before = fresh.embedder().params.tensors().unwrap();
        stop_after(&mut fresh, 3);
        for (variable, var) in fresh.embedder().params.trainable() {
            let moved = (var.as_tensor() - &before[variable]).unwrap().abs().unwrap().max_all().unwrap();
            let reached = match variable.split('.').next().unwrap() {
                "classifier" => with_classes,
                "embedding" => compares,
                _ => true,
            };
            assert_eq!(moved.to_scalar::<f32>().unwrap() > 0.0, reached, "{name}: {variable}");
        }
    }
}

#[test]
fn boundaries_and_proxies_learn_and_are_part_of_a_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    let dataset = wardrobe::write(dir.path(), 8);
    let mut config = recipe(LossSection {
        margin_loss: 1.0,
        structural_margin_loss: 0.5,
        mining: Mining::DistanceWeighted,
        proxy_anchor: 0.5,
        multi_similarity: 0.5,
        structural_multi_similarity: 0.5,
        ..silent()
    });
    config.schedule.epochs = 3;
    config.optimizer.ema = 0.9;
    let whole = dir.path().join("whole");
    finish(&mut trainer(&config, &dataset, &whole, &Start::Fresh).unwrap());
    let parts = dir.path().join("parts");
    stop_after(&mut trainer(&config, &dataset, &parts, &Start::Fresh).unwrap(), 2);
    finish(&mut trainer(&config, &dataset, &parts, &Start::Resume).unwrap());
    let (one, other) = (everything(&whole), everything(&parts));
    assert_eq!(one.keys().collect::<Vec<_>>(), other.keys().collect::<Vec<_>>());
    for name in one.keys() {
        assert!(one[name] == other[name], "{name} differs");
    }
    let betas: Vec<f32> = one["criterion.betas"].iter().map(|bits| f32::from_bits(*bits)).collect();
    assert_eq!(betas.len(), dataset.products.len());
    assert!(betas.iter().filter(|beta| **beta != 1.2).count() >= 4, "{betas:?}");
    assert_eq!(one["criterion.proxies"].len(), dataset.products.len() * config.model.dim);
    assert!(one.contains_key("criterion.second.proxies.moments"));

    // The products have changed, so the boundaries are those of others.
    let fewer = wardrobe::write(&dir.path().join("fewer"), 6);
    let error = trainer(&config, &fewer, &parts, &Start::Resume).err().unwrap().to_string();
    assert!(error.contains("betas"), "{error}");
}
