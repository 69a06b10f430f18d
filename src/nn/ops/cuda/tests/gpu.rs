//! Parity with the CPU on a machine with a GPU: `scripts/gpu-check` runs these. Each operation is computed on the CPU in
//! 64 bits, forward and backward under a random weighting of its outputs, and on the GPU in each number type.

use candle_core::{DType, Device, Result, Tensor, Var};

use super::super::allow_tf32;
use crate::nn::ops::tests::bits;
use crate::nn::ops::{self, ConvSpec, Later, Map, Moved, Order, Scale, Transport, Update};
use crate::nn::tests::gradients;
use crate::nn::{Arch, BackboneConfig, Embedder, EmbedderConfig};
use crate::ot::{self, SinkhornOptions};
use crate::train::losses::{self, Compared, Mining, Partners, StructuralSettings, Triplets};
use crate::train::optimizer::{self, Length, Optimizer, Rule};

mod maps;

fn gpu() -> Device {
    allow_tf32(false);
    Device::new_cuda(0).unwrap_or_else(|e| panic!("these tests need a GPU: {e}"))
}

fn noise(seed: u64, shape: &[usize]) -> Tensor {
    // Eight bits, so that bf16 holds them.
    let number = |bits: u64| ((bits >> 56) as f64 - 128.0) / 128.0;
    let values: Vec<f64> = bits(seed).map(number).take(shape.iter().product()).collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

fn host(t: &Tensor) -> Vec<f64> {
    t.to_dtype(DType::F64).unwrap().to_device(&Device::Cpu).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

fn close(what: &str, got: &[f64], wanted: &[f64], tolerance: f64) {
    assert_eq!(got.len(), wanted.len(), "{what}");
    let largest = wanted.iter().fold(1.0_f64, |most, v| most.max(v.abs()));
    for (i, (g, w)) in got.iter().zip(wanted).enumerate() {
        assert!((g - w).abs() <= tolerance * largest, "{what}, value {i}: {g} is not {w}");
    }
}

/// The result and the gradient of every input. Where values are in bf16, images and weights of rank 4 are, and
/// everything else is in f32; gradients are those of the masters.
fn run(
    inputs: &[Tensor],
    device: &Device,
    dtype: DType,
    f: &dyn Fn(&[Tensor]) -> Result<Tensor>,
) -> Result<Vec<Vec<f64>>> {
    let master = if dtype == DType::BF16 { DType::F32 } else { dtype };
    let vars: Vec<Var> =
        inputs.iter().map(|t| Var::from_tensor(&t.to_dtype(master)?.to_device(device)?)).collect::<Result<_>>()?;
    let given: Vec<Tensor> = vars
        .iter()
        .map(|v| if v.rank() == 4 { v.as_tensor().to_dtype(dtype) } else { Ok(v.as_tensor().clone()) })
        .collect::<Result<_>>()?;
    let y = f(&given)?;
    let weights = noise(99, y.dims()).to_dtype(y.dtype())?.to_device(device)?;
    let loss = (&y * weights)?.to_dtype(master)?.sum_all()?;
    let gradients = loss.backward()?;
    let mut all = vec![host(&y)];
    for (i, var) in vars.iter().enumerate() {
        let Some(gradient) = gradients.get(var) else { candle_core::bail!("input {i} received no gradient") };
        all.push(host(gradient));
    }
    Ok(all)
}

/// `bf16` is the tolerance in that type, relative to the largest value; the others' are of their rounding and of sums of
/// some hundred terms.
fn parity(what: &str, inputs: &[Tensor], bf16: f64, f: impl Fn(&[Tensor]) -> Result<Tensor>) {
    let device = gpu();
    let wanted = run(inputs, &Device::Cpu, DType::F64, &f).unwrap();
    for (dtype, tolerance) in [(DType::F64, 1e-10), (DType::F32, 1e-4), (DType::BF16, bf16)] {
        let got = run(inputs, &device, dtype, &f).unwrap_or_else(|e| panic!("{what}, {dtype:?}: {e}"));
        for (i, (got, wanted)) in got.iter().zip(&wanted).enumerate() {
            let part = if i == 0 { "the result".to_owned() } else { format!("the gradient of input {}", i - 1) };
            close(&format!("{what}, {dtype:?}, {part}"), got, wanted, tolerance);
        }
    }
}

/// A name, the shapes of input and weight, and how the one walks over the other.
fn convolutions() -> [(&'static str, [usize; 4], [usize; 4], ConvSpec); 9] {
    let spec = |stride, padding, dilation, groups| ConvSpec { stride, padding, dilation, groups };
    [
        ("1x1", [2, 8, 9, 7], [6, 8, 1, 1], spec((1, 1), (0, 0), (1, 1), 1)),
        ("1x1, stride 2", [2, 8, 9, 8], [6, 8, 1, 1], spec((2, 2), (0, 0), (1, 1), 1)),
        ("3x3", [3, 4, 10, 11], [8, 4, 3, 3], spec((1, 1), (1, 1), (1, 1), 1)),
        ("3x3, strides apart", [2, 4, 11, 9], [5, 4, 3, 3], spec((2, 1), (1, 0), (1, 1), 1)),
        ("7x7, the stem", [2, 3, 33, 31], [8, 3, 7, 7], spec((2, 2), (3, 3), (1, 1), 1)),
        ("3x3, dilated", [2, 4, 13, 12], [4, 4, 3, 3], spec((1, 1), (2, 2), (2, 2), 1)),
        ("3x3, 4 groups", [2, 8, 9, 9], [12, 2, 3, 3], spec((1, 1), (1, 1), (1, 1), 4)),
        ("3x3, depthwise", [2, 6, 9, 9], [6, 1, 3, 3], spec((1, 1), (1, 1), (1, 1), 6)),
        ("one image, one channel", [1, 1, 5, 5], [1, 1, 3, 3], spec((1, 1), (0, 0), (1, 1), 1)),
    ]
}

#[test]
#[ignore = "needs a GPU"]
fn gpu_convolutions_are_the_cpus() {
    for (what, x, w, spec) in convolutions() {
        let inputs = [noise(1, &x), noise(2, &w)];
        parity(what, &inputs, 0.02, |t| ops::conv2d(&t[0], &t[1], None, spec));
        let biased = [noise(1, &x), noise(2, &w), noise(3, &w[..1])];
        parity(&format!("{what}, bias"), &biased, 0.02, |t| ops::conv2d(&t[0], &t[1], Some(&t[2]), spec));
    }
    let inputs = [noise(4, &[2, 4, 8, 9]), noise(5, &[6, 4, 3, 3])];
    parity("uneven padding", &inputs, 0.02, |t| {
        ops::conv2d_padded(&t[0], &t[1], None, ConvSpec::square(2, 0), [0, 1, 2, 0])
    });
}

#[test]
#[ignore = "needs a GPU"]
fn gpu_fused_convolutions_are_the_cpus() {
    let device = gpu();
    let tensors = [noise(1, &[3, 8, 9, 9]), noise(2, &[8, 8, 3, 3]), noise(3, &[8]), noise(4, &[3, 8, 9, 9])];
    for (bias, residual, relu) in [(false, false, false), (true, false, true), (false, true, true), (true, true, true)]
    {
        let fused = |device: &Device, dtype, order| -> Vec<f64> {
            let [x, w, b, r] = tensors.each_ref().map(|t| t.to_dtype(dtype).unwrap().to_device(device).unwrap());
            let [x, r] = [x, r].map(|t| Map::enter_as(&t, order).unwrap());
            let (bias, residual) = (bias.then_some(&b), residual.then_some(&r));
            let y = x.conv2d_fused(&w, bias, ConvSpec::square(1, 1), relu, residual).unwrap();
            host(&y.leave().unwrap())
        };
        let wanted = fused(&Device::Cpu, DType::F64, Order::ChannelsFirst);
        for order in [Order::ChannelsFirst, Order::ChannelsLast] {
            for (dtype, tolerance) in [(DType::F64, 1e-10), (DType::F32, 1e-4), (DType::BF16, 0.02)] {
                close(&format!("{dtype:?}, {order:?}"), &fused(&device, dtype, order), &wanted, tolerance);
            }
        }
    }
}

#[test]
#[ignore = "needs a GPU"]
fn gpu_normalisations_are_the_cpus() {
    for shape in [[4, 6, 7, 7], [2, 3, 60, 61], [8, 130, 1, 1]] {
        let c = shape[1];
        let positive = (noise(4, &[c]) + 1.5).unwrap();
        let inputs = [noise(1, &shape), noise(2, &[c]), noise(3, &[c]), noise(5, &shape)];
        parity("training", &inputs[..3], 0.05, |t| Ok(ops::batch_norm_train(&t[0], &t[1], &t[2], 1e-5)?.0));
        let given = [inputs[0].clone(), inputs[1].clone(), inputs[2].clone()];
        parity("running statistics", &given, 0.05, |t| {
            let (mean, variance) = (noise(6, &[c]), positive.clone());
            let there = |v: Tensor| v.to_dtype(t[1].dtype())?.to_device(t[0].device());
            ops::batch_norm_eval(&t[0], &t[1], &t[2], &there(mean)?, &there(variance)?, 1e-5)
        });
        compare_moments(&inputs[..3], &gpu());
        // In bf16 a result may round to zero on one side only, so the gradient behind the ReLU is compared in f32.
        let f = |t: &[Tensor]| Ok(ops::batch_norm_train_relu(&t[0], &t[1], &t[2], 1e-5, Some(&t[3]))?.0);
        let wanted = run(&inputs, &Device::Cpu, DType::F64, &f).unwrap();
        for (dtype, tolerance) in [(DType::F64, 1e-10), (DType::F32, 1e-4)] {
            for (got, wanted) in run(&inputs, &gpu(), dtype, &f).unwrap().iter().zip(&wanted) {
                close("training, residual and ReLU", got, wanted, tolerance);
            }
        }
    }
}

fn compare_moments(inputs: &[Tensor], gpu: &Device) {
    let moments = |device: &Device| -> Vec<Vec<f64>> {
        let [x, w, b] = [0, 1, 2].map(|i| inputs[i].to_device(device).unwrap());
        let (_, mean, variance) = ops::batch_norm_train(&x, &w, &b, 1e-5).unwrap();
        vec![host(&mean), host(&variance)]
    };
    for (got, wanted) in moments(gpu).iter().zip(&moments(&Device::Cpu)) {
        close("moments", got, wanted, 1e-12);
    }
}

#[test]
#[ignore = "needs a GPU"]
fn gpu_pools_and_relus_are_the_cpus() {
    let x = [noise(1, &[2, 5, 13, 11])];
    for (kernel, stride, padding) in [(3, 2, 1), (2, 2, 0), (3, 1, 1)] {
        parity("max-pool", &x, 0.02, |t| ops::max_pool2d(&t[0], kernel, stride, padding));
        parity("avg-pool", &x, 0.02, |t| ops::avg_pool2d(&t[0], kernel, stride, padding));
    }
    parity("max-pool, rounded up", &x, 0.02, |t| ops::max_pool2d_ceil(&t[0], 3, 2));
    parity("global maximum", &x, 0.02, |t| ops::global_max_pool(&t[0]));
    for out in [(1, 1), (7, 7), (4, 5)] {
        parity("adaptive pool", &x, 0.02, |t| ops::adaptive_avg_pool2d(&t[0], out));
    }
    parity("bilinear", &x, 0.02, |t| ops::upsample_bilinear2d(&t[0], (20, 7), true));
    parity("relu", &x, 0.0, |t| ops::relu(&t[0]));
    let two = [noise(2, &[2, 5, 13, 11]), noise(3, &[2, 5, 13, 11])];
    parity("add and relu", &two, 0.02, |t| ops::add_relu(&t[0], &t[1]));
    let gated = [noise(5, &[2, 5, 7, 6]), noise(6, &[2, 5, 1, 1])];
    parity("channels scaled", &gated, 0.02, |t| ops::scale_channels(&t[0], &t[1].flatten_from(1)?));
    let turned = [noise(4, &[3, 4, 5, 6])];
    parity("relu of a view", &turned, 0.0, |t| ops::relu(&t[0].permute((0, 2, 3, 1))?));
}

#[test]
#[ignore = "needs a GPU"]
fn gpu_same_input_gives_the_same_bits() {
    let device = gpu();
    let [x, w] = [noise(1, &[16, 32, 28, 28]), noise(2, &[64, 32, 3, 3])]
        .map(|t| Var::from_tensor(&t.to_dtype(DType::F32).unwrap().to_device(&device).unwrap()).unwrap());
    let once = || {
        let y = ops::conv2d(&x, &w, None, ConvSpec::square(1, 1)).unwrap();
        let gradients = ops::max_pool2d(&y, 3, 2, 1).unwrap().sqr().unwrap().sum_all().unwrap().backward().unwrap();
        [&x, &w].map(|v| host(gradients.get(v).unwrap()))
    };
    let first = once();
    for _ in 0..5 {
        assert_eq!(once(), first);
    }
}

#[test]
#[ignore = "needs a GPU"]
fn gpu_optimizer_steps_are_the_definition() {
    let device = gpu();
    let there = |t: &Tensor| t.to_device(&device).unwrap();
    let (beta1, beta2, epsilon, unbias, root, limit) = (0.9, 0.99, 1e-8, 0.1, 0.3, 5.0);
    // Two parameters of odd sizes, at rates of their own.
    let each = [(1, [33, 7], 0.02, 0.1), (5, [401, 13], 0.01, 0.0)].map(|(seed, shape, rate, decay)| {
        let flat = shape[0] * shape[1];
        let [w, g] = [seed, seed + 1].map(|seed| noise(seed, &shape));
        (w, g, noise(seed + 2, &[flat]), noise(seed + 3, &[flat]).abs().unwrap(), rate, decay)
    });
    let weights: Vec<Var> = each.iter().map(|(w, ..)| Var::from_tensor(&there(w)).unwrap()).collect();
    let gradients: Vec<Tensor> = each.iter().map(|(_, g, ..)| there(g)).collect();
    let length = ops::length_on_device(&gradients, limit).unwrap();
    let parameters: Vec<Moved> = each
        .iter()
        .zip(weights.iter().zip(&gradients))
        .map(|((_, _, m, v, rate, decay), (weight, gradient))| {
            let moved = Moved::new(weight, gradient, vec![there(m), there(v)]).unwrap();
            Moved { rate: *rate, decay: *decay, ..moved }
        })
        .collect();
    let update = Update::AdamW { beta1, beta2, epsilon, unbias, root };
    let scale = Scale::There(length.narrow(0, 1, 1).unwrap());
    ops::update_on_device(&parameters, update, &scale).unwrap();
    let squares: f64 = gradients.iter().flat_map(host).map(|g| g * g).sum();
    close("length and scale", &host(&length), &[squares.sqrt(), limit / squares.sqrt()], 1e-12);
    for ((w, g, m, v, rate, decay), weight) in each.iter().zip(&weights) {
        let moments: Vec<(f64, f64)> = host(m).into_iter().zip(host(v)).collect();
        let step = |((w, g), (m, v)): ((f64, f64), (f64, f64))| {
            let g = g * limit / squares.sqrt();
            let (m, v) = (beta1 * m + (1.0 - beta1) * g, beta2 * v + (1.0 - beta2) * g * g);
            w * (1.0 - rate * decay) - rate / unbias * m / (v.sqrt() / root + epsilon)
        };
        let wanted: Vec<f64> = host(w).into_iter().zip(host(g)).zip(moments).map(step).collect();
        close("weights", &host(weight), &wanted, 1e-12);
    }
}

/// Oracle: the CPU's own steps. One parameter has no gradient, and one is a bias.
#[test]
#[ignore = "needs a GPU"]
fn gpu_optimizers_move_parameters_as_the_cpus() {
    let shapes: [&[usize]; 4] = [&[33, 7], &[129], &[5, 5], &[3, 8, 3, 3]];
    let names = ["a", "b", "c", "d"];
    let lars = Rule::Lars { momentum: 0.9, trust: 0.02 };
    for rule in [Rule::Sgd { momentum: 0.9 }, Rule::AdamW { beta1: 0.9, beta2: 0.99, epsilon: 1e-8 }, lars] {
        let run = |device: &Device| -> Vec<Vec<f64>> {
            let there = |t: Tensor| t.to_dtype(DType::F32).unwrap().to_device(device).unwrap();
            let vars: Vec<Var> =
                (1..).zip(shapes).map(|(seed, shape)| Var::from_tensor(&there(noise(seed, shape))).unwrap()).collect();
            let parameters = || names.into_iter().zip(&vars);
            let mut optimizer = Optimizer::new(rule, 0.1, false);
            for step in 0..4 {
                let reached = parameters().filter(|(name, _)| *name != "c");
                let losses = reached.zip(10..).map(|((_, var), seed)| {
                    let slope = there(noise(seed + 7 * step, var.dims()));
                    ((var.as_tensor() * slope).unwrap().sum_all().unwrap() + var.sqr().unwrap().sum_all().unwrap())
                        .unwrap()
                });
                let loss = losses.reduce(|sum, loss| (sum + loss).unwrap()).unwrap();
                let gradients = loss.backward().unwrap();
                let Length { norm, scale } = optimizer::length(parameters(), &gradients, 3.0).unwrap();
                assert!(host(&norm)[0] > 3.0, "nothing was shortened");
                optimizer
                    .step_each(parameters().zip([0.1, 0.2, 0.3, 0.4]).map(|((n, v), r)| (n, v, r)), &gradients, scale)
                    .unwrap();
                if step == 1 {
                    // As a resumed run does.
                    let state = optimizer.state().unwrap();
                    optimizer = Optimizer::new(rule, 0.1, false);
                    optimizer.restore(2, &state).unwrap();
                }
            }
            vars.iter().map(|var| host(var)).collect()
        };
        for (got, wanted) in run(&gpu()).iter().zip(&run(&Device::Cpu)) {
            close(&format!("{rule:?}"), got, wanted, 1e-6);
        }
    }
}

/// Oracle: the values themselves, read while the device is kept busy with others.
#[test]
#[ignore = "needs a GPU"]
fn gpu_numbers_that_are_read_later_are_those_of_their_time() {
    let device = gpu();
    let busy = noise(1, &[2048, 2048]).to_dtype(DType::F32).unwrap().to_device(&device).unwrap();
    let mut begun = Vec::new();
    for round in 0..200_u32 {
        busy.matmul(&busy).unwrap();
        let values: Vec<f64> = (0..5 + round % 3).map(|k| f64::from(k) + 0.1 * f64::from(round)).collect();
        let there = ops::send(values.clone(), &[values.len()], &device).unwrap();
        begun.push((Later::of(&there).unwrap(), values));
        there.zero_set().unwrap();
        if round % 2 == 1 {
            // Whatever became of the memory of the first.
            let (later, values) = begun.remove(0);
            assert_eq!(later.wait().unwrap(), values, "round {round}");
        }
    }
}

/// Oracle: mining on the host.
#[test]
#[ignore = "needs a GPU"]
fn gpu_mining_is_the_hosts() {
    let device = gpu();
    let labels: Vec<usize> = (0..40).map(|i| i / 3).collect();
    let partners = Partners { labels: &labels, domains: None };
    let x = losses::normalize_rows(&noise(9, &[40, 24])).unwrap();
    for mining in [Mining::BatchHard, Mining::SemiHard, Mining::DistanceWeighted, Mining::Random] {
        let of = |x: &Tensor| Triplets::mine(x, partners, mining, &mut losses::draws(1, 2)).unwrap();
        let (here, there) = (of(&x), of(&x.to_device(&device).unwrap()));
        assert_eq!(there.rows().unwrap(), here.rows().unwrap(), "{mining:?}");
        assert_eq!(host(there.wrong()), host(here.wrong()), "{mining:?}");
    }
}

/// Oracle: the same step with all maps in f32.
#[test]
#[ignore = "needs a GPU"]
fn gpu_a_step_with_maps_in_bf16_has_nearly_the_gradients_of_f32() {
    let device = gpu();
    for arch in [Arch::ResNet18, Arch::SeResNet50, Arch::DenseNet121] {
        let config = EmbedderConfig::new(BackboneConfig { width: 16, ..BackboneConfig::new(arch) }, 16, 3);
        let x = Tensor::from_vec(gradients::photos(16, 96), (16, 3, 96, 96), &Device::Cpu).unwrap();
        let x = x.to_device(&device).unwrap();
        let network = || Embedder::new(&config, 7, &device).unwrap();
        let wanted = gradients::step(&network(), &x);
        let mut mixed = network();
        mixed.compute_maps_in(DType::BF16);
        let mut off: Vec<f64> = Vec::new();
        for ((name, values), (_, exact)) in gradients::step(&mixed, &x).iter().zip(&wanted) {
            assert!(values.iter().all(|v| v.is_finite()), "{arch:?}, {name}");
            off.push(gradients::apart(values, exact));
        }
        off.sort_by(f64::total_cmp);
        assert!(
            off[off.len() / 2] < 0.1,
            "{arch:?}: half of the gradients are off by more than {}",
            off[off.len() / 2]
        );
    }
}

/// Oracle: the reference solver, in f64.
#[test]
#[ignore = "needs a GPU"]
fn gpu_transport_plans_are_the_reference_solvers() {
    let device = gpu();
    let how = Transport { epsilon: 0.05, iterations: 30, tolerance: 0.0 };
    for (pairs, rows, columns) in [(5, 49, 49), (2, 196, 196), (3, 20, 61)] {
        let cost = (noise(1, &[pairs, rows, columns]) + 1.0).unwrap();
        let weights = |seed, cells: usize| {
            let positive = noise(seed, &[pairs, cells]).relu().unwrap();
            positive.broadcast_div(&positive.sum_keepdim(1).unwrap()).unwrap()
        };
        let (a, b) = (weights(2, rows), weights(3, columns));
        let options = SinkhornOptions { epsilon: how.epsilon, max_iterations: how.iterations, tolerance: 0.0 };
        let one = |pair: usize| {
            let [cost, a, b] = [&cost, &a, &b].map(|t| host(&t.get(pair).unwrap()));
            ot::sinkhorn(&cost, &a, &b, &options).unwrap().plan
        };
        let wanted: Vec<f64> = (0..pairs).flat_map(one).map(|mass| mass * rows as f64).collect();
        for (dtype, tolerance) in [(DType::F64, 1e-11), (DType::F32, 1e-4)] {
            let [cost, a, b] = [&cost, &a, &b].map(|t| t.to_dtype(dtype).unwrap().to_device(&device).unwrap());
            let plans = ops::transport_on_device(&cost, &a, &b, how).unwrap();
            close("plans", &host(&(plans * rows as f64).unwrap()), &wanted, tolerance);
        }
    }
}

/// Oracle: the same losses on the CPU in f64, whose plans the host solves.
#[test]
#[ignore = "needs a GPU"]
fn gpu_structural_losses_and_their_gradients_are_the_cpus() {
    let settings = StructuralSettings { epsilon: 0.05, iterations: 60 };
    let triplets = |device: &Device| Triplets::of(&[[0, 1, 3], [2, 3, 4], [5, 4, 1]], device);
    let of = |t: &[Tensor], which: usize| -> Result<Tensor> {
        let photos = Compared::new(&t[0], Some(&t[1]))?;
        let betas = noise(7, &[3]).to_dtype(t[0].dtype())?.to_device(t[0].device())?;
        let triplets = triplets(t[0].device())?;
        match which {
            0 => losses::structural_triplet(&photos, &triplets, 0.3, &settings),
            1 => losses::structural_margin(&photos, &triplets, &betas, 0.2, &settings),
            _ => losses::score_matrix(&photos, |i, j| (i + j) % 3 != 0, &settings)?.scores.sqr()?.sum_all().map(Some),
        }
        .map(|loss| loss.unwrap())
    };
    let inputs = [(noise(1, &[6, 16, 49]) + 0.5).unwrap(), (noise(2, &[6, 16]) + 0.5).unwrap()];
    for which in 0..3 {
        let f = |t: &[Tensor]| of(t, which);
        let wanted = run(&inputs, &Device::Cpu, DType::F64, &f).unwrap();
        for (dtype, tolerance) in [(DType::F64, 1e-9), (DType::F32, 1e-4)] {
            for (got, wanted) in run(&inputs, &gpu(), dtype, &f).unwrap().iter().zip(&wanted) {
                close(&format!("structural loss {which}, {dtype:?}"), got, wanted, tolerance);
            }
        }
    }
}

/// Oracle: the values themselves. Sent by another thread while this one keeps the device busy, and used or dropped at once.
#[test]
#[ignore = "needs a GPU"]
fn gpu_batches_that_were_sent_ahead_are_whole() {
    let device = gpu();
    let busy = noise(1, &[2048, 2048]).to_dtype(DType::F32).unwrap().to_device(&device).unwrap();
    for round in 0..40_usize {
        let values: Vec<f32> = (0..3 << 20).map(|k| (k % 8191 + round) as f32).collect();
        let ahead = std::thread::scope(|scope| {
            let sender = scope.spawn(|| ops::send_ahead(&values, &[3, 1 << 20], &device).unwrap());
            busy.matmul(&busy).unwrap();
            sender.join().unwrap()
        });
        if round % 4 == 3 {
            // Its memory is given to somebody else.
            drop(ahead);
            continue;
        }
        let x = ahead.arrive().unwrap();
        let sum = (&x + &x).unwrap();
        drop(x);
        let got: Vec<f32> = sum.flatten_all().unwrap().to_vec1().unwrap();
        assert!(got.iter().zip(&values).all(|(got, value)| *got == 2.0 * value), "round {round}");
    }
}
