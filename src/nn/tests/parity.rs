//! Networks against torchvision's values in `golden/backbones.json` and `golden/training.json`; the rule that fills
//! weights and inputs is the one of `golden/backbones.py`.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor};
use serde_json::Value;

use crate::domain::Arithmetic;
use crate::nn::folded::FoldedBackbone;
use crate::nn::params::{Init, ParamSpec};
use crate::nn::plan::BackbonePlan;
use crate::nn::{Arch, Backbone, BackboneConfig, Mode, Params, ops};

pub fn golden(file: &str) -> Value {
    let path = format!("{}/tests/fixtures/{file}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// `uniform` of `golden/backbones.py`.
pub fn uniform(key: &str, count: usize) -> Vec<f64> {
    let start = key
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    (0..count as u64)
        .map(|index| {
            let mut z = start.wrapping_add(index).wrapping_add(0x9E37_79B9_7F4A_7C15);
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            z ^= z >> 31;
            (z >> 40) as f64 / f64::from(1 << 24)
        })
        .collect()
}

/// `fill` of `golden/backbones.py` for one tensor.
fn filled(prefix: &str, spec: &ParamSpec) -> Tensor {
    let count = spec.shape.iter().product();
    // Only normalisations have weights of one dimension.
    let norm = spec.shape.len() == 1;
    let fan_in: usize = spec.shape[1..].iter().product();
    let values: Vec<f64> = uniform(&format!("{prefix}{}", spec.name), count)
        .into_iter()
        .map(|u| match spec.name.rsplit('.').next().unwrap() {
            "running_mean" | "bias" => (2.0 * u - 1.0) * 0.1,
            "running_var" => 0.5 + u,
            "weight" if norm => 0.5 + u,
            _ => (2.0 * u - 1.0) * (3.0 / fan_in as f64).sqrt(),
        })
        .map(|value| f64::from(value as f32))
        .collect();
    Tensor::from_vec(values, spec.shape.as_slice(), &Device::Cpu).unwrap()
}

/// The published head, whose name differs from family to family.
fn head(name: &str, channels: usize, classes: usize) -> [ParamSpec; 2] {
    let init = Init::Uniform { fan_in: channels };
    [("weight", vec![classes, channels]), ("bias", vec![classes])]
        .map(|(leaf, shape)| ParamSpec::new(format!("{name}.{leaf}"), &shape, init, true))
}

fn published_head(arch: Arch) -> &'static str {
    match arch {
        Arch::DenseNet121 => "classifier",
        Arch::LegacySeResNet50 | Arch::LegacySeResNeXt50 => "last_linear",
        _ => "fc",
    }
}

fn filled_all(prefix: &str, specs: &[ParamSpec]) -> BTreeMap<String, Tensor> {
    specs.iter().map(|spec| (spec.name.clone(), filled(prefix, spec))).collect()
}

/// The golden input, rounded to 32 bits as the script does.
fn input(prefix: &str, key: &str, shape: &[usize]) -> Tensor {
    let values: Vec<f64> = uniform(&format!("{prefix}{key}"), shape.iter().product())
        .into_iter()
        .map(|u| f64::from(((2.0 * u - 1.0) * 2.0) as f32))
        .collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

fn flat(tensor: &Tensor) -> Vec<f64> {
    tensor.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

fn floats(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect()
}

fn l2(values: &[f64]) -> f64 {
    values.iter().map(|value| value * value).sum::<f64>().sqrt()
}

/// Relative to the size of the whole, as values near zero have no relative error of their own.
fn assert_close(what: &str, found: &[f64], wanted: &[f64], tolerance: f64) {
    assert_eq!(found.len(), wanted.len(), "{what}");
    let size = l2(wanted) / (wanted.len() as f64).sqrt();
    for (index, (found, wanted)) in found.iter().zip(wanted).enumerate() {
        let error = (found - wanted).abs() / size.max(wanted.abs());
        assert!(error <= tolerance, "{what}[{index}]: {found} instead of {wanted}");
    }
}

/// Oracle: torchvision and timm in 64 bits. Both the trainable network in `Eval` and the folded one.
fn equals_the_published(arch: Arch) {
    let golden = golden("backbones.json");
    let (prefix, size) = (golden["prefix"].as_str().unwrap(), golden["size"].as_u64().unwrap() as usize);
    let expected = &golden["models"][arch.name()];
    let config = BackboneConfig::new(arch);
    let plan = BackbonePlan::new("", &config);
    let head = head(published_head(arch), plan.out_channels, 1000);
    let specs: Vec<_> = plan.specs().into_iter().chain(head.clone()).collect();
    let tensors = filled_all(prefix, &specs);

    let trainable = specs.iter().filter(|spec| spec.trainable);
    let count: usize = trainable.map(|spec| spec.shape.iter().product::<usize>()).sum();
    assert_eq!(count as u64, expected["params"].as_u64().unwrap());
    for name in expected["state_dict_head"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()) {
        let known = specs.iter().any(|spec| spec.name == name) || name.ends_with("num_batches_tracked");
        assert!(known, "{arch} has no {name}");
    }

    let x = input(prefix, "input", &[1, 3, size, size]).to_dtype(DType::F32).unwrap();
    let mut params = Params::from_tensors(0, DType::F32, &Device::Cpu, &specs, tensors.clone()).unwrap();
    let net = Backbone::new(&mut params, "", &config).unwrap();
    let map = net.features(&x, Mode::Eval).unwrap();
    let shape: Vec<u64> = map.dims().iter().map(|size| *size as u64).collect();
    assert_eq!(serde_json::json!(shape), expected["feature_shape"]);

    let folded = FoldedBackbone::new(&plan, &tensors, &Device::Cpu, Arithmetic::F32).unwrap().features(&x).unwrap();
    assert_close("folded", &flat(&folded), &flat(&map), 1e-4);

    let step = expected["feature_samples_step"].as_u64().unwrap() as usize;
    for (way, map) in [("trainable", &map), ("folded", &folded)] {
        let what = |part: &str| format!("{arch} {way} {part}");
        let values = flat(map);
        let samples: Vec<f64> = values.iter().step_by(step).take(64).copied().collect();
        assert_close(&what("samples"), &samples, &floats(&expected["feature_samples"]), 1e-3);
        assert_close(&what("length"), &[l2(&values)], &[expected["feature_l2"].as_f64().unwrap()], 1e-3);
        let pooled = ops::global_avg_pool(map).unwrap();
        assert_close(&what("pooled"), &flat(&pooled), &floats(&expected["pooled"]), 1e-3);
        let [weight, bias] = head.each_ref().map(|spec| tensors[&spec.name].to_dtype(DType::F32).unwrap());
        let logits = flat(&ops::linear(&pooled, &weight, Some(&bias)).unwrap());
        assert_close(&what("logits' length"), &[l2(&logits)], &[expected["logits_l2"].as_f64().unwrap()], 1e-3);
        assert_close(&what("logits"), &logits[..8], &floats(&expected["logits_first8"]), 1e-3);
    }
}

#[test]
fn resnet18_equals_torchvisions() {
    equals_the_published(Arch::ResNet18);
}

#[test]
fn resnet34_equals_torchvisions() {
    equals_the_published(Arch::ResNet34);
}

#[test]
fn resnet50_equals_torchvisions() {
    equals_the_published(Arch::ResNet50);
}

#[test]
fn resnet101_equals_torchvisions() {
    equals_the_published(Arch::ResNet101);
}

#[test]
fn se_resnet50_equals_timms() {
    equals_the_published(Arch::SeResNet50);
}

#[test]
fn se_resnext50_equals_timms() {
    equals_the_published(Arch::SeResNeXt50);
}

#[test]
fn legacy_se_resnet50_equals_timms() {
    equals_the_published(Arch::LegacySeResNet50);
}

#[test]
fn legacy_se_resnext50_equals_timms() {
    equals_the_published(Arch::LegacySeResNeXt50);
}

#[test]
fn densenet121_equals_torchvisions() {
    equals_the_published(Arch::DenseNet121);
}

/// Oracle: PyTorch in 64 bits. Three steps of SGD with momentum in train mode: the loss before each, every parameter's
/// gradient at the first, and the first running statistics after the last.
#[test]
fn three_training_steps_equal_pytorchs() {
    let golden = golden("training.json");
    let (prefix, steps) = (golden["prefix"].as_str().unwrap(), &golden["steps"]);
    let classes = steps["classes"].as_u64().unwrap() as usize;
    let config = BackboneConfig { dtype: DType::F64, ..BackboneConfig::new(Arch::ResNet18) };
    let plan = BackbonePlan::new("", &config);
    let head = head("fc", plan.out_channels, classes);
    let specs: Vec<_> = plan.specs().into_iter().chain(head.clone()).collect();
    let tensors = filled_all(prefix, &specs);
    let mut params = Params::from_tensors(0, DType::F64, &Device::Cpu, &specs, tensors).unwrap();
    let net = Backbone::new(&mut params, "", &config).unwrap();
    let [weight, bias] = head.each_ref().map(|spec| params.get_or_init_spec(spec).unwrap());

    let x = input(prefix, "batch", &[4, 3, 64, 64]);
    let y = Tensor::new(&[[0u32], [3], [3], [7]], &Device::Cpu).unwrap();
    let (rate, momentum, decay) = (0.01, 0.9, 1e-4);
    let mut velocity: BTreeMap<String, Tensor> = BTreeMap::new();
    let mut losses = Vec::new();
    for step in 0..3 {
        let pooled = ops::global_avg_pool(&net.features(&x, Mode::Train).unwrap()).unwrap();
        let logits = ops::linear(&pooled, &weight, Some(&bias)).unwrap();
        let peak = logits.max_keepdim(1).unwrap().detach();
        let shifted = logits.broadcast_sub(&peak).unwrap();
        let log_sum = shifted.exp().unwrap().sum_keepdim(1).unwrap().log().unwrap();
        let loss = (log_sum - shifted.gather(&y, 1).unwrap()).unwrap().mean_all().unwrap();
        losses.push(loss.to_scalar::<f64>().unwrap());
        let gradients = loss.backward().unwrap();
        for (name, var) in params.trainable() {
            let gradient = gradients.get(var.as_tensor()).unwrap_or_else(|| panic!("{name} has no gradient"));
            if step == 0 {
                let wanted = steps["grad_l2"][name].as_f64().unwrap();
                assert_close(name, &[l2(&flat(gradient))], &[wanted], 1e-7);
            }
            let decayed = (gradient + (var.as_detached_tensor() * decay).unwrap()).unwrap();
            let moved = match velocity.get(name) {
                Some(before) => ((before * momentum).unwrap() + decayed).unwrap(),
                None => decayed,
            };
            var.set(&(var.as_detached_tensor() - (&moved * rate).unwrap()).unwrap()).unwrap();
            velocity.insert(name.to_owned(), moved);
        }
    }
    assert_eq!(params.trainable().count(), steps["grad_l2"].as_object().unwrap().len());
    assert_close("loss", &losses, &floats(&steps["loss"]), 1e-7);
    for (name, key) in [("bn1.running_mean", "bn1_running_mean_after"), ("bn1.running_var", "bn1_running_var_after")] {
        let found = flat(params.get(name).unwrap().var.as_tensor());
        assert_close(name, &found[..8], &floats(&steps[key]), 1e-7);
    }
}

#[test]
fn the_map_has_the_side_and_the_channels_that_the_plan_says() {
    for arch in Arch::ALL {
        for (last_stride, size) in [(2, 33), (1, 33), (2, 64), (1, 64), (1, 50), (2, 101)] {
            let config = BackboneConfig { width: 2, last_stride, ..BackboneConfig::new(arch) };
            let mut params = Params::new(1, &Device::Cpu);
            let net = Backbone::new(&mut params, "", &config).unwrap();
            let x = Tensor::zeros((1, 3, size, size), DType::F32, &Device::Cpu).unwrap();
            let side = config.map_side(size);
            let map = net.features(&x, Mode::Eval).unwrap();
            assert_eq!(map.dims(), [1, net.out_channels(), side, side], "{arch} {size} {last_stride}");
            assert_eq!(net.out_channels(), config.out_channels());
            let plan = BackbonePlan::new("", &config);
            let folded = FoldedBackbone::new(&plan, &params.tensors().unwrap(), &Device::Cpu, Arithmetic::F32);
            assert_eq!(folded.unwrap().features(&x).unwrap().dims(), map.dims());
        }
    }
}

/// Oracle: the multiply-adds that the papers and torchvision's documents state, in units of 1e9.
#[test]
fn published_networks_have_their_published_work() {
    let published = [
        (Arch::ResNet18, 1.81),
        (Arch::ResNet34, 3.66),
        (Arch::ResNet50, 4.09),
        (Arch::ResNet101, 7.80),
        (Arch::SeResNeXt50, 4.23),
        (Arch::DenseNet121, 2.83),
    ];
    for (arch, giga) in published {
        let found = BackboneConfig::new(arch).macs(224) as f64 / 1e9;
        // DenseNet's transitions pool first here, which saves 0.23.
        let giga = if arch == Arch::DenseNet121 { giga - 0.23 } else { giga };
        assert!((found / giga - 1.0).abs() < 0.015, "{arch}: {found} instead of {giga}");
    }
}
