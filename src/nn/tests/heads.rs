//! Pooling, neck, relaxation and projections.

use candle_core::{DType, Device, Tensor, Var};

use super::gradients::{loss, photos, slopes_agree, small};
use crate::nn::{Embedder, EmbedderConfig, HeadConfig, Mode, ModelCard, Pooling};

pub(super) fn heads() -> [HeadConfig; 6] {
    let plain = HeadConfig::default;
    [
        HeadConfig { pooling: Pooling::AverageMax, ..plain() },
        HeadConfig { pooling: Pooling::GeneralisedMean, ..plain() },
        HeadConfig { neck: true, ..plain() },
        HeadConfig { relaxation: 5, ..plain() },
        HeadConfig { projections: true, ..plain() },
        HeadConfig { pooling: Pooling::GeneralisedMean, relaxation: 5, projections: true, ..plain() },
    ]
}

pub(super) fn config(head: &HeadConfig) -> EmbedderConfig {
    EmbedderConfig { head: head.clone(), ..small(3) }
}

/// Oracle: the closed form in `methods.md` A7, and PyTorch's definition of the other two by hand.
#[test]
fn each_pooling_has_its_value() {
    let map = Tensor::new(&[[[[1.0_f64, 2.0], [3.0, 4.0]]]], &Device::Cpu).unwrap();
    let of = |pooling: Pooling, p: f64| {
        let p = Tensor::new(&[p], &Device::Cpu).unwrap();
        pooling.forward(&map, Some(&p)).unwrap().to_vec2::<f64>().unwrap()[0][0]
    };
    assert!((of(Pooling::GeneralisedMean, 3.0) - 2.924018).abs() < 1e-6);
    assert!((of(Pooling::GeneralisedMean, 1.0) - 2.5).abs() < 1e-12);
    assert!((of(Pooling::GeneralisedMean, 200.0) - 4.0 * 0.25_f64.powf(1.0 / 200.0)).abs() < 1e-9);
    assert_eq!(of(Pooling::Average, 1.0), 2.5);
    assert_eq!(of(Pooling::AverageMax, 1.0), 6.5);
    // A map of zeros, as a ReLU may leave it, has the least value.
    let p = Tensor::new(&[3.0_f64], &Device::Cpu).unwrap();
    let zeros = Pooling::GeneralisedMean.forward(&map.zeros_like().unwrap(), Some(&p)).unwrap();
    assert!((zeros.to_vec2::<f64>().unwrap()[0][0] - 1e-6).abs() < 1e-12);
}

/// Oracle: central differences in 64 bits, of the map and of the exponent.
#[test]
fn gradients_of_each_pooling_equal_finite_differences() {
    let values: Vec<f64> = photos(2, 4).into_iter().map(f64::from).collect();
    let weigh = Tensor::from_vec(values[..6].to_vec(), (2, 3), &Device::Cpu).unwrap();
    for pooling in [Pooling::Average, Pooling::AverageMax, Pooling::GeneralisedMean] {
        let at = |values: &[f64], p: f64| {
            let map = Var::from_tensor(&Tensor::from_slice(values, (2, 3, 4, 4), &Device::Cpu).unwrap()).unwrap();
            let p = Var::from_tensor(&Tensor::new(&[p], &Device::Cpu).unwrap()).unwrap();
            let sum = (pooling.forward(&map, Some(&p)).unwrap() * &weigh).unwrap().sum_all().unwrap();
            (map, p, sum)
        };
        let (map, p, sum) = at(&values, 2.6);
        let gradients = sum.backward().unwrap();
        let of = |values: &[f64], p: f64| at(values, p).2.to_scalar::<f64>().unwrap();
        let slope: Vec<f64> = gradients.get(map.as_tensor()).unwrap().flatten_all().unwrap().to_vec1().unwrap();
        let step = 1e-6;
        for place in 0..values.len() {
            let (mut up, mut down) = (values.clone(), values.clone());
            up[place] += step;
            down[place] -= step;
            let measured = (of(&up, 2.6) - of(&down, 2.6)) / (2.0 * step);
            assert!((slope[place] - measured).abs() < 1e-7, "{pooling:?} {place}: {} and {measured}", slope[place]);
        }
        if pooling == Pooling::GeneralisedMean {
            let slope = gradients.get(p.as_tensor()).unwrap().to_vec1::<f64>().unwrap()[0];
            let measured = (of(&values, 2.6 + step) - of(&values, 2.6 - step)) / (2.0 * step);
            assert!((slope - measured).abs() < 1e-7 && slope.abs() > 1e-3, "{slope} and {measured}");
        }
    }
}

#[test]
fn every_variable_of_every_head_gets_a_gradient() {
    for head in heads() {
        let embedder = Embedder::new(&config(&head), 7, &Device::Cpu).unwrap();
        let x = Tensor::from_vec(photos(6, 48), (6, 3, 48, 48), &Device::Cpu).unwrap();
        let gradients = loss(&embedder, &x, Mode::Train).backward().unwrap();
        for (name, var) in embedder.params.trainable() {
            let gradient = gradients.get(var.as_tensor()).unwrap_or_else(|| panic!("{head:?}: {name} has no gradient"));
            let size = gradient.abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
            assert!(size > 1e-12 && size.is_finite(), "{head:?}: {name} has a gradient of {size}");
        }
        assert!(embedder.params.trainable().all(|(name, _)| name != "neck.bias"));
    }
}

/// Oracle: central differences in 64 bits; dropout is the same in every evaluation, as the step is.
#[test]
fn gradients_through_every_head_equal_finite_differences() {
    let names: [&[&str]; 6] = [
        &["embedding.weight", "backbone.layer4.1.conv2.weight"],
        &["pooling.exponent", "backbone.layer4.1.conv2.weight"],
        &["neck.weight", "embedding.weight", "classifier.weight"],
        &["relaxation.weight", "relaxation.bias", "classifier.weight", "backbone.conv1.weight"],
        &["embedding.weight", "embedding.bias"],
        &["embedding.weight", "pooling.exponent", "relaxation.weight"],
    ];
    for (head, names) in heads().iter().zip(names) {
        slopes_agree(config(head), names, 32);
    }
}

#[test]
fn the_encoder_of_every_head_says_what_the_embedder_says() {
    let (n, size) = (5, 48);
    for head in heads() {
        let embedder = Embedder::new(&config(&head), 7, &Device::Cpu).unwrap();
        let values = photos(n, size);
        let x = Tensor::from_vec(values.clone(), (n, 3, size, size), &Device::Cpu).unwrap();
        for _ in 0..5 {
            embedder.forward(&x, Mode::Train).unwrap();
        }
        let encoder = embedder.to_encoder(&ModelCard::new("test", embedder.config(), size)).unwrap();
        for kinds in [[None; 5], [Some(2), None, Some(0), Some(1), Some(2)]] {
            let features = encoder.encode_as(&values, &kinds).unwrap();
            let out = embedder.forward_as(&x, Mode::Eval, Some(&kinds)).unwrap();
            let global: Vec<f32> = out.global.flatten_all().unwrap().to_vec1().unwrap();
            assert!(features.globals.iter().zip(&global).all(|(a, b)| (a - b).abs() < 2e-4), "{head:?}");
            let cells: Vec<Vec<Vec<f32>>> =
                out.cells.flatten_from(2).unwrap().transpose(1, 2).unwrap().to_vec3().unwrap();
            for (found, wanted) in features.cells.chunks(features.dim).zip(cells.iter().flatten()) {
                let length = wanted.iter().map(|v| v * v).sum::<f32>().sqrt();
                assert!(found.iter().zip(wanted).all(|(a, b)| (a - b / length).abs() < 2e-4), "{head:?}");
            }
        }
        let by_kind = |kind| encoder.encode_as(&values, &[Some(kind); 5]).unwrap().globals;
        assert_eq!(by_kind(0) != by_kind(1), head.projections, "{head:?}");
        if head.projections {
            assert!(encoder.encode_as(&values, &[Some(3); 5]).unwrap_err().to_string().contains("kind 3"));
        }
    }
}

#[test]
fn dropout_follows_the_step_and_the_seed_and_stays_out_of_searching() {
    let config = config(&HeadConfig { relaxation: 8, ..HeadConfig::default() });
    let embedder = Embedder::new(&config, 7, &Device::Cpu).unwrap();
    let x = Tensor::from_vec(photos(3, 48), (3, 3, 48, 48), &Device::Cpu).unwrap();
    let logits = |mode, step| {
        embedder.at_step(step);
        embedder.forward(&x, mode).unwrap().logits.flatten_all().unwrap().to_vec1::<f32>().unwrap()
    };
    assert_eq!(logits(Mode::Train, 4), logits(Mode::Train, 4));
    assert_ne!(logits(Mode::Train, 4), logits(Mode::Train, 5));
    assert_eq!(logits(Mode::Eval, 4), logits(Mode::Eval, 5));
}

#[test]
fn heads_that_contradict_themselves_are_refused_and_a_plain_one_is_not_written_down() {
    let said = |head: HeadConfig| config(&head).problem().unwrap();
    assert!(said(HeadConfig { neck: true, relaxation: 4, ..HeadConfig::default() }).contains("choose one of the two"));
    assert!(said(HeadConfig { neck: true, projections: true, ..HeadConfig::default() }).contains("which projection"));
    let plain = serde_json::to_string(&small(3)).unwrap();
    assert!(!plain.contains("head"), "{plain}");
    for head in heads() {
        let text = serde_json::to_string(&config(&head)).unwrap();
        let mut back: EmbedderConfig = serde_json::from_str(&text).unwrap();
        back.backbone.dtype = DType::F32;
        assert_eq!(back, config(&head), "{text}");
    }
}
