//! Recipes, runs and a batch that hang together, for the Train workspace.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::fake;
use crate::domain::{BatchPicture, Glance, HardTriplet, Health, LayerHealth, PhotoDomain, RectifierHealth, RunCurves};
use crate::jobs::{
    Activity, CheckedRecipe, DataSummary, LiveRun, Phase, RecipeEntry, RunCheckpoint, RunState, RunSummary,
    TrainProgress, TrainingData, TrainingEvent,
};

pub const RECIPE: &str = "name = \"street-to-shop\"\n\n[optimizer]\nrate = 1e-3\n\n[schedule]\nepochs = 60\n";

/// What the program itself says of a recipe.
pub fn checked(text: &str) -> CheckedRecipe {
    crate::jobs::training::recipes::check(text)
}

pub fn recipes() -> TrainingEvent {
    let entry = |name: &str, text: &str| RecipeEntry {
        name: name.to_owned(),
        words: format!("What {name} does"),
        text: text.to_owned(),
    };
    TrainingEvent::Recipes(Arc::new(vec![
        entry("Street to shop (work T)", RECIPE),
        entry("Semi-supervised (work R)", "name = \"semi-20pct\"\n\n[data]\nlabel_fraction = 0.2\n"),
        entry("Losses and backbones (work N)", "name = \"losses\"\n\n[loss]\ninfo_nce = 1.0\n"),
    ]))
}

pub fn data(problem: Option<&str>) -> TrainingEvent {
    TrainingEvent::Data(Arc::new(vec![DataSummary {
        data: TrainingData::Project,
        name: "Sample wardrobe".to_owned(),
        street: 840,
        shop: 1680,
        products: 840,
        validation: 180,
        problem: problem.map(str::to_owned),
    }]))
}

pub fn run(name: &str, state: RunState, recall: Option<f64>, minutes: f64) -> RunSummary {
    let checkpoint = |epoch: usize, recall: f64, best: bool| RunCheckpoint {
        step: epoch * 45,
        epoch,
        recall_at_1: Some(recall),
        recall_at_10: Some((recall + 0.09).min(0.99)),
        mean_average_precision: Some(recall - 0.08),
        best,
        promoted: None,
    };
    let recipe =
        format!("name = \"{name}\"\n[data]\nlabel_fraction = {}\n", if name.contains("20") { 0.2 } else { 1.0 });
    RunSummary {
        run: name.into(),
        state,
        step: 1862,
        steps: 2700,
        epochs: 60,
        recall_at_1: recall,
        mean_average_precision: recall.map(|recall| recall - 0.08),
        seconds: minutes * 60.0,
        begun: 1_795_270_000.0,
        device: "CPU".to_owned(),
        checkpoints: recall.map_or_else(Vec::new, |recall| {
            vec![
                checkpoint(30, recall - 0.028, false),
                checkpoint(38, recall - 0.003, false),
                checkpoint(40, recall, true),
            ]
        }),
        settings: checked(&recipe).values,
        recipe,
        corrections: false,
    }
}

pub fn runs() -> Vec<RunSummary> {
    vec![
        run("semi-20pct-3", RunState::Finished, Some(0.912), 26.0),
        run("semi-20pct-2", RunState::Finished, Some(0.903), 38.0),
        run("full-oc-is", RunState::Finished, Some(0.924), 41.0),
        run("full-oc", RunState::Stopped, Some(0.781), 33.0),
        run("full-oc-os", RunState::Interrupted, Some(0.712), 35.0),
        run("first-light", RunState::Finished, Some(0.862), 22.0),
    ]
}

/// Falling losses and rising recall, with the noise of steps.
pub fn curves(until: usize, seed: u32) -> RunCurves {
    let mut curves = RunCurves { steps: 2700, epochs: 60, curves: BTreeMap::new() };
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(12345);
    let mut noise = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(state >> 8) / f64::from(1u32 << 24) - 0.5
    };
    let lag = 1.0 + f64::from(seed) * 0.3;
    for step in 1..=until {
        let t = step as f64 / 2700.0 / lag;
        let triplet = 0.3 + 1.6 * (-7.0 * t).exp() + 0.12 * noise();
        let kinds = 0.2 + 0.7 * (-6.0 * t).exp() + 0.06 * noise();
        let cells = 0.26 + 0.3 * (-3.0 * t).exp() + 0.05 * noise();
        curves.push("loss total", step, triplet + kinds + 0.1 * cells);
        curves.push("loss triplet", step, triplet);
        curves.push("loss cross_entropy", step, kinds);
        curves.push("loss structural", step, cells);
        let rate = if step < 90 {
            step as f64 / 90.0
        } else {
            0.5 + 0.5 * ((step - 90) as f64 / 2610.0 * std::f64::consts::PI).cos()
        };
        curves.push("rate", step, 1e-3 * rate);
        curves.push("gradient norm", step, 1.2 + 2.5 * (-5.0 * t).exp() + 0.5 * noise());
        curves.push("images/s", step, 96.0 + 6.0 * noise());
        curves.push("loader images/s", step, 640.0 + 40.0 * noise());
        curves.push("wrong share", step, 0.12 + 0.5 * (-5.0 * t).exp() + 0.06 * noise());
        if step.is_multiple_of(10) {
            curves.push("dead share", step, 0.04 + 0.02 * t);
        }
        if step.is_multiple_of(90) {
            let recall = 0.92 * (1.0 - (-5.5 * t).exp()) + 0.008 * noise();
            curves.push("validation recall@1", step, recall);
            curves.push("validation recall@10", step, 1.0 - 0.62 * (-6.5 * t).exp());
            curves.push("validation mAP", step, recall * 0.92);
        }
    }
    curves
}

pub fn health() -> Health {
    let mut layers = Vec::new();
    for stage in 0..5 {
        let name = |block: usize, conv: usize| {
            if stage == 0 { "conv1".to_owned() } else { format!("layer{stage}.{block}.conv{conv}") }
        };
        for place in 0..(if stage == 0 { 1 } else { 4 }) {
            layers.push(LayerHealth {
                name: name(place / 2, 1 + place % 2),
                weight_norm: 5.0 + stage as f64,
                gradient_norm: 0.6 / (1.0 + stage as f64),
                update_ratio: 2e-3 / (1.0 + stage as f64 + place as f64),
            });
        }
    }
    layers.push(LayerHealth { name: "embedding".into(), weight_norm: 3.0, gradient_norm: 0.9, update_ratio: 3e-2 });
    let rectifiers = (0..17)
        .map(|place| RectifierHealth {
            channels: 32 << (place / 5),
            rms: 0.9,
            zero: 0.5,
            dead: [0.02, 0.0, 0.06, 0.03, 0.11, 0.05, 0.6][place % 7],
        })
        .collect();
    Health { step: 1840, layers, rectifiers }
}

pub fn glance() -> Glance {
    let picture = |index: usize, street: bool| BatchPicture {
        photo: format!("{}/p{index:03}_0.jpg", if street { "street" } else { "shop" }).as_str().into(),
        product: fake::product(index).product,
        domain: if street { PhotoDomain::Street } else { PhotoDomain::Shop },
        pixels: if street { fake::street_photo(index, 112, 112) } else { fake::shop_photo(index, 112) },
    };
    let mut pictures: Vec<BatchPicture> = (0..16).map(|place| picture(place / 2, place % 2 == 0)).collect();
    pictures.push(picture(9, false));
    let triplet = |anchor, positive, negative, far: f64, near: f64| HardTriplet {
        anchor,
        positive,
        negative,
        positive_distance: far,
        negative_distance: near,
    };
    let triplets = vec![
        triplet(0, 1, 3, 0.61, 0.44),
        triplet(4, 5, 7, 0.52, 0.47),
        triplet(8, 9, 16, 0.43, 0.50),
        triplet(2, 3, 1, 0.40, 0.52),
    ];
    Glance { step: 1840, pictures, views: 16, paired: false, triplets }
}

pub fn live(phase: Phase) -> LiveRun {
    LiveRun {
        run: "semi-20pct-3".into(),
        phase,
        step: 1862,
        steps: 2700,
        epoch: 42,
        epochs: 60,
        seconds_left: Some(660.0),
        photos: 2520,
        products: 840,
        parameters: 2_800_000,
        device: "CPU, 2 cores".to_owned(),
        skipped: 2,
        note: None,
        checkpoint: Some((1845, crate::jobs::clock::seconds() as f64 - 14.0)),
        curves: Arc::new(curves(1862, 0)),
        health: Some(Arc::new(health())),
        glance: Some(Arc::new(glance())),
    }
}

pub fn doing(live: LiveRun) -> Activity {
    let training = TrainProgress { run: Some(live.run.clone()), what: "Training", ..TrainProgress::default() };
    Activity { training: Some(training), live: Some(Arc::new(live)), ..Activity::default() }
}
