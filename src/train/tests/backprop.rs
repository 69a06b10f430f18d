//! Batches in parts and recomputed stages. Oracle: the plain backward pass of the whole batch.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor, Var};

use super::wardrobe;
use crate::domain::PhotoDomain;
use crate::nn::{Arch, Embedder, EmbedderOutput};
use crate::train::TrainConfig;
use crate::train::backprop::{Backprop, forward};
use crate::train::criterion::Criterion;
use crate::train::golden::{assert_close, host, value};
use crate::train::groups::GroupRates;
use crate::train::objective::{Labels, Objective};
use crate::train::optimizer::{Optimizer, Rule};

const PHOTOS: usize = 9;

/// A small network whose norms have seen something, in 64 bits, and the images of a batch.
fn scene(frozen: bool) -> (TrainConfig, Embedder, Tensor) {
    let mut config = wardrobe::recipe();
    config.model.arch = Arch::ResNet18;
    config.loss.structural = 0.3;
    let mut network = config.embedder(2);
    network.backbone.dtype = DType::F64;
    let mut embedder = Embedder::new(&network, 3, &Device::Cpu).unwrap();
    for (name, param) in embedder.params.iter().filter(|(_, param)| !param.trainable) {
        let values = value("backprop/", name, param.var.dims()).as_tensor().affine(0.1, 0.7).unwrap();
        param.var.set(&values).unwrap();
    }
    embedder.freeze_norms(frozen);
    let x = value("backprop/", "images", &[PHOTOS, 3, 40, 32]).as_tensor().affine(2.0, 0.3).unwrap();
    (config, embedder, x)
}

struct Found {
    gradients: BTreeMap<String, Vec<f64>>,
    statistics: BTreeMap<String, Vec<f64>>,
    output: EmbedderOutput,
    total: f64,
}

fn pass(frozen: bool, parts: usize, recompute: bool) -> Found {
    let (config, embedder, x) = scene(frozen);
    // Photos of a product fall into different parts, which only a loss on the whole batch can compare.
    let products = [0, 1, 2, 3, 0, 1, 2, 3, 0];
    let domains: Vec<PhotoDomain> =
        (0..PHOTOS).map(|i| if i < 4 { PhotoDomain::Street } else { PhotoDomain::Shop }).collect();
    let kinds: Vec<Option<usize>> = (0..PHOTOS).map(|i| (i != 5).then_some(i % 2)).collect();
    let labels = Labels { products: &products, kinds: &kinds, domains: &domains };
    let how = Backprop { parts, recompute };
    let pass = forward(&embedder, &x, &kinds, how).unwrap();
    let objective = Objective::of(pass.output(), &labels, &config, &Criterion::default(), 0).unwrap();
    let output = pass.output().clone();
    let found = pass.backward(&objective.total).unwrap();
    let parts = objective.numbers(&Tensor::zeros(1, DType::F64, &Device::Cpu).unwrap()).unwrap().read().unwrap().loss;
    assert!(parts.cross_entropy > 0.0 && parts.triplet > 0.0 && parts.info_nce > 0.0 && parts.structural > 0.0);
    let of =
        |name: &str, var: &Var| host(found.get(var.as_tensor()).unwrap_or_else(|| panic!("{name} has no gradient")));
    Found {
        gradients: embedder.params.trainable().map(|(name, var)| (name.to_owned(), of(name, var))).collect(),
        statistics: embedder
            .params
            .iter()
            .filter(|(_, param)| !param.trainable)
            .map(|(name, param)| (name.to_owned(), host(&param.var)))
            .collect(),
        output,
        total: parts.total,
    }
}

fn assert_same(a: &Found, b: &Found, what: &str) {
    assert!((a.total - b.total).abs() < 1e-10 * a.total.abs(), "{what}: {} and {}", a.total, b.total);
    assert_close(what, &host(&a.output.cells), &host(&b.output.cells), 1e-10);
    for (name, gradient) in &a.gradients {
        let size = gradient.iter().fold(1e-3_f64, |size, g| size.max(g.abs()));
        for (g, h) in gradient.iter().zip(&b.gradients[name]) {
            assert!((g - h).abs() < 1e-9 * size, "{what}, {name}: {g} and {h}");
        }
    }
    for (name, values) in &a.statistics {
        assert_close(name, values, &b.statistics[name], 1e-12);
    }
}

#[test]
fn a_batch_in_parts_has_the_gradients_of_the_whole_batch_where_norms_are_frozen() {
    let whole = pass(true, 1, false);
    for (parts, recompute) in [(2, false), (4, false), (3, true), (1, true), (100, true)] {
        assert_same(&whole, &pass(true, parts, recompute), &format!("{parts} parts, recompute {recompute}"));
    }
}

#[test]
fn recomputed_stages_have_the_same_gradients_and_running_statistics_with_norms_that_learn() {
    let whole = pass(false, 1, false);
    assert_same(&whole, &pass(false, 1, true), "recomputed");
    // What is said of norms that see a part at a time is so: their gradients are not those of the whole batch.
    let parts = pass(false, 3, false);
    let name = "backbone.layer1.0.conv1.weight";
    let apart =
        whole.gradients[name].iter().zip(&parts.gradients[name]).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(apart > 1e-6, "{apart}");
}

#[test]
fn parts_become_finer_until_each_has_two_photos() {
    let whole = Backprop { parts: 1, recompute: true };
    let sizes = |n: usize| {
        let all = std::iter::successors(Some(whole), |how| how.finer(n));
        all.map(|how| (how.parts, how.largest(n))).collect::<Vec<_>>()
    };
    assert_eq!(sizes(16), [(1, 16), (2, 8), (4, 4), (8, 2)]);
    assert_eq!(sizes(9), [(1, 9), (2, 5), (4, 3)]);
    assert_eq!(sizes(7), [(1, 7), (2, 4), (3, 3)]);
    assert_eq!(sizes(3), [(1, 3)]);
    assert!(whole.finer(16).unwrap().recompute);
    assert_eq!(Backprop { parts: 100, ..whole }.finer(8), None);
}

/// Oracle: plain SGD moves by rate times gradient, here 1.
#[test]
fn each_group_of_parameters_has_its_own_rate() {
    let rates = GroupRates { head: 3.0, layer_decay: 0.5 };
    let mut optimizer = Optimizer::new(Rule::Sgd { momentum: 0.0 }, 0.0, false).with_rates(rates);
    for (name, moved) in [("backbone.layer3.1.conv2.weight", 0.05), ("backbone.conv1.weight", 0.00625), ("head.w", 0.3)]
    {
        let var = Var::ones((2, 2), DType::F64, &Device::Cpu).unwrap();
        let found = var.sum_all().unwrap().backward().unwrap();
        optimizer.step([(name, &var)].into_iter(), &found, 0.1, 1.0).unwrap();
        assert_close(name, &host(&var), &[1.0 - moved; 4], 1e-12);
    }
}
