//! Maps of global vectors for what is worn together.

use candle_core::{DType, Device, Tensor, Var};

use super::gradients::{photos, small};
use crate::nn::{Embedder, EmbedderConfig, HeadConfig, Mode, ModelCard};

const N: usize = 4;
const SIZE: usize = 32;
/// Of the three kinds of `small(3)`.
const KINDS: [usize; N] = [2, 0, 2, 1];

fn config(dtype: DType) -> EmbedderConfig {
    let mut config = EmbedderConfig { head: HeadConfig { worn: true, ..HeadConfig::default() }, ..small(3) };
    config.backbone.dtype = dtype;
    config
}

fn var<'a>(embedder: &'a Embedder, wanted: &str) -> &'a Var {
    embedder.params.trainable().find(|(name, _)| *name == wanted).map(|(_, var)| var).unwrap()
}

fn values(tensor: &Tensor) -> Vec<f64> {
    tensor.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

/// A network whose maps are no longer those it began with.
fn moved(dtype: DType) -> (Embedder, Tensor) {
    let embedder = Embedder::new(&config(dtype), 7, &Device::Cpu).unwrap();
    for (seed, name) in [(1, "worn.weight"), (2, "worn.bias")] {
        let var = var(&embedder, name);
        let numbers: Vec<f64> =
            (0..var.elem_count()).map(|i| (((i * 37 + seed * 11) % 101) as f64 / 101.0 - 0.5) * 0.4).collect();
        var.set(&Tensor::from_vec(numbers, var.shape(), &Device::Cpu).unwrap().to_dtype(dtype).unwrap()).unwrap();
    }
    let x = Tensor::from_vec(photos(N, SIZE), (N, 3, SIZE, SIZE), &Device::Cpu).unwrap().to_dtype(dtype).unwrap();
    (embedder, x)
}

/// `unit(g + W g + b)` with loops in 64 bits.
fn naive(weight: &[f64], bias: &[f64], global: &[f64], kind: usize) -> Vec<f64> {
    let dim = global.len();
    let mut worn: Vec<f64> = (0..dim)
        .map(|row| {
            let weights = &weight[(kind * dim + row) * dim..][..dim];
            global[row] + bias[kind * dim + row] + weights.iter().zip(global).map(|(w, g)| w * g).sum::<f64>()
        })
        .collect();
    let length = worn.iter().map(|v| v * v).sum::<f64>().sqrt();
    worn.iter_mut().for_each(|v| *v /= length);
    worn
}

#[test]
fn fresh_maps_leave_vectors_as_they_are_and_a_head_without_them_has_none() {
    let embedder = Embedder::new(&config(DType::F32), 7, &Device::Cpu).unwrap();
    let x = Tensor::from_vec(photos(N, SIZE), (N, 3, SIZE, SIZE), &Device::Cpu).unwrap();
    let global = embedder.forward(&x, Mode::Eval).unwrap().global;
    let worn = embedder.worn(&global, &KINDS).unwrap().unwrap();
    assert!(values(&global).iter().zip(values(&worn)).all(|(a, b)| (a - b).abs() < 1e-6));
    assert!(embedder.worn(&global, &[0, 1, 2, 3]).unwrap_err().to_string().contains("4 kinds of 3"));

    let plain = Embedder::new(&small(3), 7, &Device::Cpu).unwrap();
    assert!(plain.worn(&global, &KINDS).unwrap().is_none());
    let encoder = plain.to_encoder(&ModelCard::new("plain", plain.config(), SIZE)).unwrap();
    let globals: Vec<f32> = global.flatten_all().unwrap().to_vec1().unwrap();
    assert!(!encoder.knows_outfits() && encoder.worn(&globals, &KINDS.map(Some)).unwrap() == globals);
}

/// Oracle: loops in 64 bits, for the network that learns and for the frozen one.
#[test]
fn each_kind_has_its_own_map_in_training_and_in_searching() {
    let (embedder, x) = moved(DType::F32);
    let global = embedder.forward(&x, Mode::Eval).unwrap().global;
    let (weight, bias) = (values(var(&embedder, "worn.weight")), values(var(&embedder, "worn.bias")));
    let rows: Vec<f64> = values(&global);
    let dim = rows.len() / N;
    let wanted: Vec<f64> = rows.chunks(dim).zip(KINDS).flat_map(|(g, kind)| naive(&weight, &bias, g, kind)).collect();
    let learnt = values(&embedder.worn(&global, &KINDS).unwrap().unwrap());
    assert!(learnt.iter().zip(&wanted).all(|(a, b)| (a - b).abs() < 1e-5));

    let encoder = embedder.to_encoder(&ModelCard::new("worn", embedder.config(), SIZE)).unwrap();
    assert!(encoder.knows_outfits());
    let globals: Vec<f32> = global.flatten_all().unwrap().to_vec1().unwrap();
    let mut kinds = KINDS.map(Some);
    kinds[1] = None;
    let found = encoder.worn(&globals, &kinds).unwrap();
    for (row, kind) in kinds.iter().enumerate() {
        let wanted = if kind.is_some() { &wanted[row * dim..][..dim] } else { &rows[row * dim..][..dim] };
        assert!(found[row * dim..][..dim].iter().zip(wanted).all(|(a, b)| (f64::from(*a) - b).abs() < 1e-5), "{row}");
    }
    let error = encoder.worn(&globals, &[Some(3); N]).unwrap_err().to_string();
    assert!(error.contains("worn together"), "{error}");
}

/// Oracle: central differences in 64 bits.
#[test]
fn only_the_maps_learn_what_is_worn_together() {
    let (embedder, x) = moved(DType::F64);
    let sum = || {
        let global = embedder.forward(&x, Mode::Train).unwrap().global;
        let worn = embedder.worn(&global, &KINDS).unwrap().unwrap();
        let weigh: Vec<f64> = (0..worn.elem_count()).map(|i| ((i * 13) % 17) as f64 / 17.0 - 0.4).collect();
        (&worn * Tensor::from_vec(weigh, worn.shape(), &Device::Cpu).unwrap()).unwrap().sum_all().unwrap()
    };
    let gradients = sum().backward().unwrap();
    for (name, var) in embedder.params.trainable() {
        let Some(gradient) = gradients.get(var.as_tensor()) else { continue };
        assert!(name.starts_with("worn."), "{name} learns too");
        let (slopes, before) = (values(gradient), values(var));
        let mut seen = 0.0_f64;
        for place in (0..before.len()).step_by(before.len() / 40 + 1) {
            let at = |shift: f64| {
                let mut numbers = before.clone();
                numbers[place] += shift;
                var.set(&Tensor::from_vec(numbers, var.shape(), &Device::Cpu).unwrap()).unwrap();
                sum().to_scalar::<f64>().unwrap()
            };
            let measured = (at(1e-5) - at(-1e-5)) / 2e-5;
            seen = seen.max(measured.abs());
            assert!((slopes[place] - measured).abs() < 1e-7, "{name} {place}: {} and {measured}", slopes[place]);
        }
        at_rest(var, &before);
        assert!(seen > 1e-3, "{name} has a slope");
    }
    assert_eq!(embedder.params.trainable().filter(|(_, var)| gradients.get(var.as_tensor()).is_some()).count(), 2);
}

fn at_rest(var: &Var, numbers: &[f64]) {
    var.set(&Tensor::from_slice(numbers, var.shape(), &Device::Cpu).unwrap()).unwrap();
}

#[test]
fn a_head_whose_searched_vector_is_another_one_is_refused() {
    for head in
        [HeadConfig { neck: true, ..HeadConfig::default() }, HeadConfig { projections: true, ..HeadConfig::default() }]
    {
        let config = EmbedderConfig { head: HeadConfig { worn: true, ..head }, ..small(3) };
        assert!(config.problem().unwrap().contains("choose between worn and neck"), "{config:?}");
    }
}
