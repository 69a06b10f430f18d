//! A run that somebody looks at is the same run.

use std::fs;
use std::sync::Arc;

use super::runs::{everything, finish, trainer};
use super::wardrobe;
use crate::domain::{LayerHealth, PhotoDomain};
use crate::train::config::PretextMethod;
use crate::train::observe::{Watch, rectified_maps};
use crate::train::{Start, TrainEvent};

#[test]
fn a_run_that_was_watched_ends_with_the_same_bits() {
    let dir = tempfile::tempdir().unwrap();
    let (dataset, config) = (wardrobe::write(dir.path(), 8), wardrobe::recipe());
    let alone = dir.path().join("alone");
    let (_, quiet) = finish(&mut trainer(&config, &dataset, &alone, &Start::Fresh).unwrap());
    let watched = dir.path().join("watched");
    let mut run = trainer(&config, &dataset, &watched, &Start::Fresh).unwrap();
    let watch = Arc::new(Watch::new(2));
    watch.want(true);
    run.watched_by(watch);
    let (outcome, events) = finish(&mut run);
    assert!(everything(&alone) == everything(&watched), "looking changed the run");

    let looked = |event: &&TrainEvent| matches!(event, TrainEvent::Health(_) | TrainEvent::Glance(_));
    assert_eq!(quiet.iter().filter(looked).count(), 0, "nobody looked");
    assert_eq!(events.iter().filter(looked).count(), 2 * outcome.steps.div_ceil(2), "every second step");
    for event in &events {
        match event {
            TrainEvent::Health(health) => {
                assert!(!health.layers.is_empty() && !health.rectifiers.is_empty());
                for layer in &health.layers {
                    let LayerHealth { weight_norm, gradient_norm, update_ratio, name } = layer;
                    assert!(*weight_norm > 0.0 && *gradient_norm > 0.0, "{name} has a gradient");
                    assert!(*update_ratio > 0.0 && *update_ratio < 1.0, "{name}: {update_ratio}");
                }
                for map in &health.rectifiers {
                    assert!(map.rms > 0.0 && map.dead <= map.zero && map.zero < 1.0, "{map:?}");
                }
            }
            TrainEvent::Glance(glance) => {
                assert!(glance.views > 1 && glance.views <= glance.pictures.len() && !glance.triplets.is_empty());
                for triplet in &glance.triplets {
                    let [a, p, n] =
                        [triplet.anchor, triplet.positive, triplet.negative].map(|place| &glance.pictures[place]);
                    assert!(a.product == p.product && a.product != n.product);
                    assert!(a.domain != p.domain && a.domain != n.domain, "street against shop, as a search does");
                }
                let shop = glance.pictures.iter().filter(|picture| picture.domain == PhotoDomain::Shop).count();
                assert!(shop > 0 && shop < glance.pictures.len());
            }
            _ => {}
        }
    }
    let diary = fs::read_to_string(watched.join("events.jsonl")).unwrap();
    assert!(diary.contains(r#""event":"health""#) && !diary.contains("glance") && !diary.contains("rgba"));
    assert!(diary.lines().all(|line| line.len() < 20_000), "pictures stay out of the diary");
}

#[test]
fn a_run_without_labels_shows_two_views_of_each_photo_and_the_health_of_what_it_reaches() {
    let dir = tempfile::tempdir().unwrap();
    let dataset = wardrobe::write(dir.path(), 8);
    for method in [PretextMethod::Moco, PretextMethod::SimClr, PretextMethod::Dino] {
        let mut config = wardrobe::recipe();
        (config.data.large_epochs, config.optimizer.ema, config.schedule.epochs) = (0, 0.0, 2);
        let section = &mut config.pretext;
        (section.method, section.batch, section.dim, section.hidden) = (method, 8, 16, 24);
        match method {
            PretextMethod::Moco => section.queue = 16,
            PretextMethod::Dino => section.prototypes = 12,
            _ => {}
        }
        let alone = dir.path().join(format!("alone {method:?}"));
        finish(&mut trainer(&config, &dataset, &alone, &Start::Fresh).unwrap());
        let watched = dir.path().join(format!("watched {method:?}"));
        let mut run = trainer(&config, &dataset, &watched, &Start::Fresh).unwrap();
        let maps = rectified_maps(run.embedder()).unwrap();
        let watch = Arc::new(Watch::new(1));
        watch.want(true);
        run.watched_by(watch);
        let (outcome, events) = finish(&mut run);
        assert!(everything(&alone) == everything(&watched), "{method:?}: looking changed the run");
        let glances: Vec<_> = events
            .iter()
            .filter_map(|e| if let TrainEvent::Glance(glance) = e { Some(glance) } else { None })
            .collect();
        assert_eq!(glances.len(), outcome.steps);
        for glance in glances {
            assert!(glance.paired && glance.triplets.is_empty());
            assert_eq!((glance.views, glance.pictures.len()), (16, 16), "eight photos in two views each");
            for pair in glance.pictures.chunks_exact(2) {
                assert_eq!(pair[0].photo, pair[1].photo);
            }
            assert!(glance.pictures.chunks_exact(2).any(|pair| pair[0].pixels != pair[1].pixels), "views differ");
        }
        for event in &events {
            let TrainEvent::Health(health) = event else { continue };
            assert_eq!(health.rectifiers.len(), maps, "{method:?}: those of one pass of the network");
            let names: Vec<&str> = health.layers.iter().map(|layer| layer.name.as_str()).collect();
            assert!(names.contains(&"conv1") && names.iter().any(|name| name.starts_with("projector")), "{names:?}");
            let unreached = ["embedding", "classifier"];
            assert!(!names.iter().any(|name| unreached.contains(name)), "{method:?}: {names:?}");
            assert!(health.layers.iter().all(|layer| layer.gradient_norm > 0.0), "{method:?}");
        }
    }
}
