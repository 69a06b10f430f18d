//! Maps with their channels last, as those in bf16 have them. Oracles as beside this file; in f32 and f64 too, where cuDNN
//! may have no way for them and gets them turned.

use candle_core::{DType, Device, Result, Tensor};

use super::{close, convolutions, gpu, gradients, host, noise, parity, run};
use crate::domain::Arithmetic;
use crate::nn::ops::{ConvSpec, Map, Order};
use crate::nn::{Arch, BackboneConfig, Embedder, EmbedderConfig, ModelCard};

/// [`parity`] of an operation on the first input with its channels last.
fn last(what: &str, inputs: &[Tensor], bf16: f64, f: impl Fn(&Map, &[Tensor]) -> Result<Map>) {
    parity(what, inputs, bf16, |t| f(&Map::enter_as(&t[0], Order::ChannelsLast)?, &t[1..])?.leave());
}

#[test]
#[ignore = "needs a GPU"]
fn gpu_maps_in_bf16_enter_with_their_channels_last_and_leave_as_they_were() {
    let device = gpu();
    for shape in [[2, 3, 33, 31], [3, 64, 7, 9], [1, 130, 1, 1], [4, 1, 40, 50]] {
        for (dtype, order) in [(DType::BF16, Order::ChannelsLast), (DType::F32, Order::ChannelsFirst)] {
            let x = noise(1, &shape).to_dtype(dtype).unwrap().to_device(&device).unwrap();
            let map = Map::enter(&x).unwrap();
            let lies = Map::enter_as(&x, order).unwrap();
            assert_eq!(map.tensor().dims(), lies.tensor().dims(), "{dtype:?}");
            assert_eq!(host(map.tensor()), host(lies.tensor()), "{dtype:?}");
            assert_eq!(host(&map.leave().unwrap()), host(&x), "{dtype:?}");
        }
        let x = [noise(2, &shape)];
        parity("there and back", &x, 0.0, |t| Map::enter_as(&t[0], Order::ChannelsLast)?.leave());
    }
}

#[test]
#[ignore = "needs a GPU"]
fn gpu_convolutions_with_channels_last_are_the_cpus() {
    for (what, x, w, spec) in convolutions() {
        last(what, &[noise(1, &x), noise(2, &w)], 0.02, |x, t| x.conv2d(&t[0], spec));
    }
    // As wide as tensor cores like them.
    for (what, x, w, spec) in [
        ("1x1, wide", [4, 64, 14, 14], [128, 64, 1, 1], ConvSpec::square(1, 0)),
        ("3x3, wide", [4, 64, 14, 14], [64, 64, 3, 3], ConvSpec::square(2, 1)),
        ("3x3, 32 groups", [4, 128, 14, 14], [128, 4, 3, 3], ConvSpec { groups: 32, ..ConvSpec::square(1, 1) }),
    ] {
        last(what, &[noise(3, &x), noise(4, &w)], 0.02, |x, t| x.conv2d(&t[0], spec));
    }
}

#[test]
#[ignore = "needs a GPU"]
fn gpu_normalisations_with_channels_last_are_the_cpus() {
    for shape in [[4, 6, 7, 7], [2, 3, 60, 61], [8, 130, 1, 1], [16, 64, 28, 28]] {
        let c = shape[1];
        let inputs = [noise(1, &shape), noise(2, &[c]), noise(3, &[c]), noise(5, &shape)];
        last("training", &inputs[..3], 0.05, |x, t| Ok(x.batch_norm_train(&t[0], &t[1], 1e-5, false, None)?.0));
        let positive = (noise(4, &[c]) + 1.5).unwrap();
        last("running statistics", &inputs[..3], 0.05, |x, t| {
            let there = |v: &Tensor| v.to_dtype(t[0].dtype())?.to_device(t[0].device());
            x.batch_norm_eval([&t[0], &t[1], &there(&noise(6, &[c]))?, &there(&positive)?], 1e-5)
        });
        // As with channels first: in bf16 a result may round to zero on one side only.
        let f = |t: &[Tensor]| {
            let [x, r] = [&t[0], &t[3]].map(|t| Map::enter_as(t, Order::ChannelsLast));
            x?.batch_norm_train(&t[1], &t[2], 1e-5, true, Some(&r?))?.0.leave()
        };
        let wanted = run(&inputs, &Device::Cpu, DType::F64, &f).unwrap();
        for (dtype, tolerance) in [(DType::F64, 1e-10), (DType::F32, 1e-4)] {
            for (got, wanted) in run(&inputs, &gpu(), dtype, &f).unwrap().iter().zip(&wanted) {
                close("training, residual and ReLU", got, wanted, tolerance);
            }
        }
    }
}

#[test]
#[ignore = "needs a GPU"]
fn gpu_pools_gates_and_sums_with_channels_last_are_the_cpus() {
    let x = [noise(1, &[2, 5, 13, 11])];
    for (kernel, stride, padding) in [(3, 2, 1), (2, 2, 0), (3, 1, 1)] {
        last("max-pool", &x, 0.02, |x, _| x.max_pool2d(kernel, stride, padding));
        last("avg-pool", &x, 0.02, |x, _| x.avg_pool2d(kernel, stride, padding));
    }
    last("max-pool, rounded up", &x, 0.02, |x, _| x.max_pool2d_ceil(3, 2));
    for out in [(1, 1), (7, 7), (4, 5)] {
        last("adaptive pool", &x, 0.02, |x, _| x.adaptive_avg_pool2d(out));
    }
    last("relu", &x, 0.0, |x, _| x.relu());
    let gated = [noise(5, &[2, 40, 7, 6]), noise(6, &[2, 40, 1, 1])];
    last("channels scaled", &gated, 0.02, |x, t| x.scale_channels(&t[0].flatten_from(1)?));
    let two = [noise(2, &[2, 5, 13, 11]), noise(3, &[2, 7, 13, 11]), noise(4, &[2, 12, 13, 11])];
    last("channels one after another, then a sum", &two, 0.02, |x, t| {
        let [y, z] = [&t[0], &t[1]].map(|t| Map::enter_as(t, Order::ChannelsLast));
        x.cat(&y?)?.add_relu(&z?)
    });
}

/// Oracle: the same network in 32 bits on the CPU.
#[test]
#[ignore = "needs a GPU"]
fn gpu_encoders_in_bf16_say_almost_the_same() {
    let images = gradients::photos(3, 64);
    for arch in [Arch::ResNet50, Arch::SeResNeXt50, Arch::DenseNet121] {
        let config = EmbedderConfig::new(BackboneConfig { width: 16, ..BackboneConfig::new(arch) }, 16, 3);
        let kinds = (0..config.classes).map(|class| class.to_string()).collect();
        let card = ModelCard { kinds, ..ModelCard::new("bf16", &config, 64) };
        let encoded = |device: &Device, arithmetic| {
            let embedder = Embedder::new(&config, 5, device).unwrap();
            embedder.to_encoder_in(&card, arithmetic).unwrap().encode(&images, 3).unwrap()
        };
        let (exact, rounded) = (encoded(&Device::Cpu, Arithmetic::F32), encoded(&gpu(), Arithmetic::Bf16));
        let rows = exact.cells.chunks(exact.dim).zip(rounded.cells.chunks(exact.dim));
        let globals = exact.globals.chunks(exact.dim).zip(rounded.globals.chunks(exact.dim));
        for (a, b) in rows.chain(globals) {
            let cosine: f32 = a.iter().zip(b).map(|(a, b)| a * b).sum();
            assert!(cosine > 0.99, "{arch:?}: {cosine}");
        }
    }
}

/// Oracles: the same step with all maps in f32, and with maps in bf16 whose channels come first.
#[test]
#[ignore = "needs a GPU"]
fn gpu_a_step_in_bf16_is_nearly_the_same_in_either_order_of_axes() {
    let device = gpu();
    for arch in [Arch::ResNet18, Arch::SeResNeXt50, Arch::DenseNet121] {
        let config = EmbedderConfig::new(BackboneConfig { width: 16, ..BackboneConfig::new(arch) }, 16, 3);
        let x = Tensor::from_vec(gradients::photos(16, 96), (16, 3, 96, 96), &Device::Cpu).unwrap();
        let x = x.to_device(&device).unwrap();
        let step = |maps: Option<Order>| {
            let mut network = Embedder::new(&config, 7, &device).unwrap();
            if let Some(order) = maps {
                network.compute_maps_in(DType::BF16);
                network.order_maps(order);
            }
            gradients::step(&network, &x)
        };
        let off = |got: &[(String, Vec<f64>)], wanted: &[(String, Vec<f64>)]| -> f64 {
            let mut off: Vec<f64> = Vec::new();
            for ((name, values), (_, exact)) in got.iter().zip(wanted) {
                assert!(values.iter().all(|v| v.is_finite()), "{arch:?}, {name}");
                off.push(gradients::apart(values, exact));
            }
            off.sort_by(f64::total_cmp);
            off[off.len() / 2]
        };
        let [exact, first, last] = [None, Some(Order::ChannelsFirst), Some(Order::ChannelsLast)].map(step);
        for (what, half) in [("f32", off(&last, &exact)), ("channels first", off(&last, &first))] {
            assert!(half < 0.1, "{arch:?}: half of the gradients are off those of {what} by more than {half}");
        }
    }
}
