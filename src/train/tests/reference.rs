use candle_core::{DType, Device, Tensor};

use crate::nn::{Arch, Backbone, BackboneConfig, Mode, Params, device, ops};
use crate::train::golden::{assert_close, host, numbers, parameter, training, value};
use crate::train::losses;
use crate::train::optimizer::{Optimizer, Rule};

/// Oracle: three steps of torchvision's Backbone-18 under `torch.optim.SGD` in f64, `golden/training.py`.
#[test]
fn three_steps_of_resnet18_equal_pytorch_s() {
    three_steps_on(&Device::Cpu);
}

#[test]
#[ignore = "needs a GPU"]
fn gpu_three_steps_of_resnet18_equal_pytorch_s() {
    three_steps_on(&device::pick(&device::gpu(0)).unwrap());
}

fn three_steps_on(device: &Device) {
    let golden = training();
    let (prefix, case) = (golden["prefix"].as_str().unwrap(), &golden["steps"]);
    let classes = case["classes"].as_u64().unwrap() as usize;
    let config = BackboneConfig { dtype: DType::F64, ..BackboneConfig::new(Arch::ResNet18) };
    let mut params = Params::with_dtype(0, DType::F64, device);
    let network = Backbone::new(&mut params, "", &config).unwrap();
    let init = crate::nn::Init::Zeros;
    let weight = params.get_or_init("fc.weight", &[classes, network.out_channels()], init, true).unwrap();
    let bias = params.get_or_init("fc.bias", &[classes], init, true).unwrap();
    for (name, param) in params.iter() {
        param.var.set(&parameter(prefix, name, param.var.dims()).to_device(device).unwrap()).unwrap();
    }
    let x = (value(prefix, "batch", &[4, 3, 64, 64]).as_tensor() * 2.0).unwrap().to_device(device).unwrap();
    let targets = [Some(0), Some(3), Some(3), Some(7)];
    let mut optimizer = Optimizer::new(Rule::Sgd { momentum: 0.9 }, 1e-4, true);
    for (step, expected) in numbers(&case["loss"]).into_iter().enumerate() {
        let map = network.features(&x, Mode::Train).unwrap();
        let logits = ops::linear(&ops::global_avg_pool(&map).unwrap(), &weight, Some(&bias)).unwrap();
        let loss = losses::cross_entropy(&logits, &targets, 0.0).unwrap();
        let got = losses::read_scalar(&loss).unwrap();
        assert!((got - expected).abs() < 1e-9 * expected.abs().max(1.0), "step {step}: {got} instead of {expected}");
        let gradients = loss.backward().unwrap();
        if step == 0 {
            let norms = case["grad_l2"].as_object().unwrap();
            assert_eq!(norms.len(), params.trainable().count());
            for (name, var) in params.trainable() {
                let gradient = gradients.get(var.as_tensor()).unwrap_or_else(|| panic!("{name} has no gradient"));
                let norm = host(gradient).iter().map(|g| g * g).sum::<f64>().sqrt();
                let expected = norms[name].as_f64().unwrap();
                assert!((norm - expected).abs() < 1e-8 * expected.max(1.0), "{name}: {norm} instead of {expected}");
            }
        }
        optimizer.step(params.trainable(), &gradients, 0.01, 1.0).unwrap();
    }
    let running = |leaf: &str| -> Vec<f64> {
        let tensor: &Tensor = params.get(&format!("bn1.running_{leaf}")).unwrap().var.as_tensor();
        host(tensor)[..8].to_vec()
    };
    assert_close("running mean", &running("mean"), &numbers(&case["bn1_running_mean_after"]), 1e-9);
    assert_close("running variance", &running("var"), &numbers(&case["bn1_running_var_after"]), 1e-9);
}
