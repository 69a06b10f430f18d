//! The embedder as training sees it.

use candle_core::{DType, Device, Tensor};

use super::parity::uniform;
use crate::nn::ops::{Order, probe};
use crate::nn::{Arch, BackboneConfig, Embedder, EmbedderConfig, Mode, ModelCard};

pub fn small(classes: usize) -> EmbedderConfig {
    EmbedderConfig::new(BackboneConfig { width: 4, last_stride: 1, ..BackboneConfig::new(Arch::ResNet18) }, 6, classes)
}

/// Something like normalised photos.
pub fn photos(n: usize, size: usize) -> Vec<f32> {
    uniform("photos", n * 3 * size * size).into_iter().map(|u| (4.0 * u - 2.0) as f32).collect()
}

/// A classifier's loss, a triplet-like one on the globals, and one on the cells.
pub fn loss(embedder: &Embedder, x: &Tensor, mode: Mode) -> Tensor {
    let out = embedder.forward(x, mode).unwrap();
    let n = x.dims()[0];
    let y = Tensor::from_vec((0..n as u32).map(|i| i % 3).collect(), (n, 1), x.device()).unwrap();
    let log_sum = out.logits.exp().unwrap().sum_keepdim(1).unwrap().log().unwrap();
    let entropy = (log_sum - out.logits.gather(&y, 1).unwrap()).unwrap().mean_all().unwrap();
    let similarity = out.global.matmul(&out.global.t().unwrap()).unwrap();
    let triplet = (similarity.narrow(1, 0, 1).unwrap() - similarity.narrow(1, 1, 1).unwrap()).unwrap();
    let triplet = triplet.exp().unwrap().mean_all().unwrap();
    let cells = (out.cells.sqr().unwrap().mean_all().unwrap() * 0.1).unwrap();
    ((entropy + triplet).unwrap() + cells).unwrap()
}

#[test]
fn every_trainable_variable_gets_a_gradient() {
    let embedder = Embedder::new(&small(3), 7, &Device::Cpu).unwrap();
    let x = Tensor::from_vec(photos(4, 48), (4, 3, 48, 48), &Device::Cpu).unwrap();
    let gradients = loss(&embedder, &x, Mode::Train).backward().unwrap();
    for (name, var) in embedder.params.trainable() {
        let gradient = gradients.get(var.as_tensor()).unwrap_or_else(|| panic!("{name} has no gradient"));
        let size = gradient.abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
        assert!(size > 1e-9 && size.is_finite(), "{name} has a gradient of {size}");
    }
    assert!(embedder.params.trainable().all(|(name, _)| !name.contains("running")));
}

/// Central differences of the loss along a fixed direction of each variable, in 64 bits, with moving and with frozen
/// statistics.
pub fn slopes_agree(mut config: EmbedderConfig, names: &[&str], size: usize) {
    config.backbone.dtype = DType::F64;
    for frozen in [false, true] {
        let mut embedder = Embedder::new(&config, 7, &Device::Cpu).unwrap();
        embedder.freeze_norms(frozen);
        let x = Tensor::from_vec(photos(3, size), (3, 3, size, size), &Device::Cpu).unwrap();
        let x = x.to_dtype(DType::F64).unwrap();
        let gradients = loss(&embedder, &x, Mode::Train).backward().unwrap();
        for name in names {
            let var = embedder.params.get(name).unwrap_or_else(|| panic!("there is no {name}")).var.clone();
            let gradient = gradients.get(var.as_tensor()).unwrap();
            let count = var.elem_count();
            let direction: Vec<f64> = uniform(name, count).into_iter().map(|u| 2.0 * u - 1.0).collect();
            let direction = Tensor::from_vec(direction, var.dims(), &Device::Cpu).unwrap();
            let slope = (gradient * &direction).unwrap().sum_all().unwrap().to_scalar::<f64>().unwrap();
            let start = var.as_detached_tensor().copy().unwrap();
            // So short that no ReLU of a deep network changes sides.
            let step = 1e-7;
            let at = |by: f64| {
                var.set(&(&start + (&direction * by).unwrap()).unwrap()).unwrap();
                loss(&embedder, &x, Mode::Train).to_scalar::<f64>().unwrap()
            };
            let measured = (at(step) - at(-step)) / (2.0 * step);
            at(0.0);
            assert!((slope - measured).abs() <= 1e-5 * slope.abs().max(1e-3), "{name}: {slope} and {measured}");
        }
    }
}

/// Oracle: central differences of the loss along the gradient and along a fixed direction, in 64 bits.
#[test]
fn gradients_equal_finite_differences() {
    slopes_agree(small(3), &["backbone.conv1.weight", "backbone.layer4.0.downsample.1.weight", "embedding.weight"], 32);
}

fn values(t: &Tensor) -> Vec<f64> {
    t.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

/// Every gradient of a step, and the running statistics after it, as 64-bit numbers.
pub fn step(embedder: &Embedder, x: &Tensor) -> Vec<(String, Vec<f64>)> {
    let gradients = loss(embedder, x, Mode::Train).backward().unwrap();
    let learnt = embedder.params.trainable().map(|(name, var)| {
        let gradient = gradients.get(var.as_tensor()).unwrap_or_else(|| panic!("{name} has no gradient"));
        assert_eq!(gradient.dtype(), embedder.dtype(), "{name}");
        (name.to_owned(), values(gradient))
    });
    let moved = embedder.params.tensors().unwrap().into_iter().filter(|(name, _)| name.contains("running"));
    learnt.chain(moved.map(|(name, t)| (name, values(&t)))).collect()
}

/// How far values are from others, as a share of these.
pub fn apart(values: &[f64], from: &[f64]) -> f64 {
    let off: Vec<f64> = values.iter().zip(from).map(|(a, b)| a - b).collect();
    length(&off) / length(from).max(1e-12)
}

fn length(values: &[f64]) -> f64 {
    values.iter().map(|v| v * v).sum::<f64>().sqrt()
}

/// As with bf16 on a graphics card: maps in fewer digits than the variables have. Oracle: all in 64 bits.
#[test]
fn maps_of_fewer_digits_leave_variables_gradients_and_statistics_in_theirs() {
    let narrow = |arch| EmbedderConfig::new(BackboneConfig { width: 4, ..BackboneConfig::new(arch) }, 6, 3);
    for mut config in [small(3), narrow(Arch::SeResNet50), narrow(Arch::DenseNet121)] {
        config.backbone.dtype = DType::F64;
        let x = Tensor::from_vec(photos(4, 64), (4, 3, 64, 64), &Device::Cpu).unwrap().to_dtype(DType::F64).unwrap();
        let network = || Embedder::new(&config, 7, &Device::Cpu).unwrap();
        let wanted = step(&network(), &x);
        let mut mixed = network();
        mixed.compute_maps_in(DType::F32);
        let map = mixed.features(&x, Mode::Eval).unwrap();
        assert_eq!(map.dtype(), DType::F64, "the head takes what the variables are in");
        let off = apart(&values(&map), &values(&network().features(&x, Mode::Eval).unwrap()));
        assert!(off > 0.0 && off < 1e-5, "{off}: rounded, and no more");
        // Piece by piece it is the same.
        let pieces = (0..mixed.pieces()).fold(x.clone(), |y, piece| mixed.piece(piece, &y, Mode::Eval).unwrap());
        assert_eq!(values(&pieces), values(&mixed.features(&x, Mode::Eval).unwrap()));
        let longest = wanted.iter().map(|(_, exact)| length(exact)).fold(0.0, f64::max);
        for ((name, rounded), (_, exact)) in step(&mixed, &x).iter().zip(&wanted) {
            // Scales before another norm have next to no gradient: what is left of it there is rounding.
            let off = apart(rounded, exact) * length(exact) / length(exact).max(1e-3 * longest);
            assert!(off < 1e-2, "{:?}, {name}: {off}", config.backbone.arch);
        }
    }
}

/// As with bf16 on a graphics card: every map with its channels last. Oracle: the same step as the CPU computes it.
#[test]
fn a_step_is_the_same_in_either_order_of_axes() {
    let narrow = |arch| EmbedderConfig::new(BackboneConfig { width: 4, ..BackboneConfig::new(arch) }, 6, 3);
    let all = [small(3), narrow(Arch::SeResNet50), narrow(Arch::SeResNeXt50), narrow(Arch::DenseNet121)];
    for (mut config, frozen) in all.into_iter().zip([false, true, false, false]) {
        config.backbone.dtype = DType::F64;
        let x = Tensor::from_vec(photos(3, 48), (3, 3, 48, 48), &Device::Cpu).unwrap().to_dtype(DType::F64).unwrap();
        let network = |order: Option<Order>| {
            let mut network = Embedder::new(&config, 7, &Device::Cpu).unwrap();
            network.freeze_norms(frozen);
            order.into_iter().for_each(|order| network.order_maps(order));
            network
        };
        let whole = |network: &Embedder| {
            let (map, seen) = probe::record(|| network.features(&x, Mode::Train).unwrap());
            (values(&map), seen.iter().map(|map| (map.dims().to_vec(), values(map))).collect::<Vec<_>>())
        };
        let (map, seen) = whole(&network(None));
        let wanted = step(&network(None), &x);
        let longest = wanted.iter().map(|(_, exact)| length(exact)).fold(0.0, f64::max);
        for order in [Order::ChannelsFirst, Order::ChannelsLast] {
            let (got, maps) = whole(&network(Some(order)));
            assert!(apart(&got, &map) < 1e-10, "{:?}", config.backbone.arch);
            assert_eq!(maps.len(), seen.len());
            for ((dims, values), (wanted, exact)) in maps.iter().zip(&seen) {
                assert!(dims == wanted && apart(values, exact) < 1e-10, "what is looked at lies as ever: {dims:?}");
            }
            for ((name, values), (_, exact)) in step(&network(Some(order)), &x).iter().zip(&wanted) {
                let off = apart(values, exact) * length(exact) / length(exact).max(1e-6 * longest);
                assert!(off < 1e-8, "{:?}, {order:?}, {name}: {off}", config.backbone.arch);
            }
            let pieces = network(Some(order));
            let pieces = (0..pieces.pieces()).fold(x.clone(), |y, piece| pieces.piece(piece, &y, Mode::Train).unwrap());
            assert!(apart(&values(&pieces), &map) < 1e-10, "piece by piece");
        }
    }
}

#[test]
fn running_statistics_move_in_training_only_and_not_when_frozen() {
    let mut embedder = Embedder::new(&small(3), 7, &Device::Cpu).unwrap();
    let x = Tensor::from_vec(photos(2, 32), (2, 3, 32, 32), &Device::Cpu).unwrap();
    let statistics = |embedder: &Embedder| {
        let var = &embedder.params.get("backbone.bn1.running_mean").unwrap().var;
        var.to_vec1::<f32>().unwrap()
    };
    let before = statistics(&embedder);
    embedder.forward(&x, Mode::Eval).unwrap();
    assert_eq!(statistics(&embedder), before);
    embedder.freeze_norms(true);
    embedder.forward(&x, Mode::Train).unwrap();
    assert_eq!(statistics(&embedder), before);
    embedder.freeze_norms(false);
    embedder.forward(&x, Mode::Train).unwrap();
    assert_ne!(statistics(&embedder), before);
}

#[test]
fn one_value_a_channel_is_refused_in_training() {
    let mut config = small(3);
    config.backbone.last_stride = 2;
    let embedder = Embedder::new(&config, 7, &Device::Cpu).unwrap();
    let x = Tensor::zeros((1, 3, 32, 32), DType::F32, &Device::Cpu).unwrap();
    assert!(embedder.forward(&x, Mode::Train).unwrap_err().to_string().contains("one value a channel"));
}

#[test]
fn the_seed_and_the_name_alone_decide_first_weights() {
    let weights = |config: &EmbedderConfig, seed| {
        let embedder = Embedder::new(config, seed, &Device::Cpu).unwrap();
        embedder
            .params
            .get("backbone.layer2.0.conv1.weight")
            .unwrap()
            .var
            .flatten_all()
            .unwrap()
            .to_vec1::<f32>()
            .unwrap()
    };
    let base = weights(&small(3), 7);
    assert_eq!(base, weights(&small(3), 7));
    assert_eq!(base, weights(&small(9), 7));
    assert_ne!(base, weights(&small(3), 8));
    // He's deviation: 8 filters of 3 x 3 spread each input over 72 values.
    let deviation = (base.iter().map(|v| v * v).sum::<f32>() / base.len() as f32).sqrt();
    assert!((deviation / (2.0f32 / 72.0).sqrt() - 1.0).abs() < 0.1, "{deviation}");
}

/// The folded encoder against the trainable network in `Eval`, after some training so that statistics are not trivial.
#[test]
fn the_encoder_says_what_the_embedder_says() {
    let (n, size) = (3, 48);
    let embedder = Embedder::new(&small(3), 7, &Device::Cpu).unwrap();
    let values = photos(n, size);
    let x = Tensor::from_vec(values.clone(), (n, 3, size, size), &Device::Cpu).unwrap();
    for _ in 0..5 {
        embedder.forward(&x, Mode::Train).unwrap();
    }
    let encoder = embedder.to_encoder(&ModelCard::new("test", embedder.config(), size)).unwrap();
    let features = encoder.encode(&values, n).unwrap();
    assert_eq!((features.len(), features.dim, features.grid), (n, encoder.dim(), encoder.grid()));

    let out = embedder.forward(&x, Mode::Eval).unwrap();
    let global: Vec<f32> = out.global.flatten_all().unwrap().to_vec1().unwrap();
    assert!(features.globals.iter().zip(&global).all(|(a, b)| (a - b).abs() < 1e-4));
    let cells: Vec<Vec<Vec<f32>>> = out.cells.flatten_from(2).unwrap().transpose(1, 2).unwrap().to_vec3().unwrap();
    for (found, wanted) in features.cells.chunks(features.dim).zip(cells.iter().flatten()) {
        let length = wanted.iter().map(|v| v * v).sum::<f32>().sqrt();
        assert!(found.iter().zip(wanted).all(|(a, b)| (a - b / length).abs() < 1e-4));
    }

    // Alone or together, the same values.
    let alone = encoder.encode(&values[..3 * size * size], 1).unwrap();
    assert_eq!(alone.global_of(0), features.global_of(0));
    assert_eq!(alone.cells_of(0), features.cells_of(0));
    assert!(encoder.encode(&[], 0).unwrap().is_empty());
    assert!(encoder.encode(&values, n + 1).unwrap_err().to_string().contains("need"));

    // Another grid keeps the globals.
    let regridded = embedder.to_encoder(encoder.card()).unwrap().with_grid(2, 4).unwrap();
    let other = regridded.encode(&values, n).unwrap();
    assert_eq!((other.grid.rows, other.grid.columns), (2, 4));
    assert_eq!(other.globals, features.globals);
    assert_eq!(other.cells_of(1).len(), 8 * other.dim);
    assert!(regridded.with_grid(0, 4).is_err());
}

#[test]
fn a_network_that_says_nothing_gives_zeros_and_no_nan() {
    let embedder = Embedder::new(&small(3), 7, &Device::Cpu).unwrap();
    for name in ["embedding.weight", "embedding.bias"] {
        let var = &embedder.params.get(name).unwrap().var;
        var.set(&var.as_detached_tensor().zeros_like().unwrap()).unwrap();
    }
    let encoder = embedder.to_encoder(&ModelCard::new("mute", embedder.config(), 32)).unwrap();
    let features = encoder.encode(&photos(1, 32), 1).unwrap();
    assert!(features.cells.iter().chain(&features.globals).all(|value| *value == 0.0));
    let x = Tensor::from_vec(photos(1, 32), (1, 3, 32, 32), &Device::Cpu).unwrap();
    let global = embedder.forward(&x, Mode::Eval).unwrap().global;
    assert_eq!(global.abs().unwrap().sum_all().unwrap().to_scalar::<f32>().unwrap(), 0.0);
}
