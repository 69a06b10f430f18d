//! A run that somebody looks at is the same run.

use std::fs;
use std::sync::Arc;

use super::runs::{everything, finish, trainer};
use super::wardrobe;
use crate::domain::{LayerHealth, PhotoDomain};
use crate::train::observe::Watch;
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
