//! The layers of ResNet-50 (224 px, batch 8) and ResNet-18 (128 px, batch 16), forward and backward. Criterion's
//! "elem/s" are floating-point operations: `Gelem/s` reads as GFLOP/s.

use std::{hint::black_box, time::Duration};

use candle_core::{Device, Result, Tensor, Var};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use seamline::nn::ops::{ConvSpec, Taped, backward, batch_norm_train_relu, conv2d, conv2d_fused, max_pool2d};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Images, input channels, filters, input size, kernel, stride.
const LAYERS: [(usize, usize, usize, usize, usize, usize); 15] = [
    (8, 3, 64, 224, 7, 2),
    (8, 64, 64, 56, 1, 1),
    (8, 64, 64, 56, 3, 1),
    (8, 64, 256, 56, 1, 1),
    (8, 256, 64, 56, 1, 1),
    (8, 128, 128, 28, 3, 1),
    (8, 128, 128, 56, 3, 2),
    (8, 256, 512, 56, 1, 2),
    (8, 256, 256, 14, 3, 1),
    (8, 512, 512, 7, 3, 1),
    (8, 2048, 512, 7, 1, 1),
    (16, 64, 64, 32, 3, 1),
    (16, 128, 128, 16, 3, 1),
    (16, 256, 256, 8, 3, 1),
    (16, 512, 512, 4, 3, 1),
];

fn noise(shape: &[usize]) -> Result<Tensor> {
    Tensor::randn(0f32, 1.0, shape, &Device::Cpu)
}

fn layers(criterion: &mut Criterion) -> Result<()> {
    for (n, c, o, size, k, stride) in LAYERS {
        let (x, w, bias) = (noise(&[n, c, size, size])?, noise(&[o, c, k, k])?, noise(&[o])?);
        let spec = ConvSpec::square(stride, k / 2);
        let y = conv2d(&x, &w, None, spec)?;
        let flops = 2 * y.elem_count() * c * k * k;
        let mut group = criterion.benchmark_group(format!("{n}x{c}x{size}x{size} to {o}, {k}x{k}/{stride}"));
        group.throughput(Throughput::Elements(flops as u64));
        group.bench_function("forward", |b| b.iter(|| conv2d_fused(&x, &w, Some(&bias), spec, true, None)));
        // As in a backbone: the map's gradient lies beside the graph, and the photo has none. What a loss would give is
        // copied into the layer's result first.
        let (vx, vw) = (Var::from_tensor(&x)?, Var::from_tensor(&w)?);
        let image = if c == 3 { &x } else { vx.as_tensor() };
        let y = Taped::enter(image)?.conv2d(&vw, spec)?.leave()?;
        let products = if c == 3 { 1 } else { 2 };
        group.throughput(Throughput::Elements(products * flops as u64));
        group.bench_function("backward", |b| b.iter(|| black_box(backward(&y))));
        group.finish();
    }
    Ok(())
}

fn others(criterion: &mut Criterion) -> Result<()> {
    let (x, w) = (Var::from_tensor(&noise(&[16, 64, 64, 64])?)?, Var::from_tensor(&noise(&[64])?)?);
    let mut group = criterion.benchmark_group("16x64x64x64");
    group.throughput(Throughput::Elements(x.elem_count() as u64));
    group.bench_function("batch norm and ReLU", |b| b.iter(|| batch_norm_train_relu(&x, &w, &w, 1e-5, None)));
    let (y, _, _) = batch_norm_train_relu(&x, &w, &w, 1e-5, None)?;
    group.bench_function("batch norm and ReLU, backward", |b| b.iter(|| black_box(y.backward())));
    group.bench_function("max pool 3/2/1", |b| b.iter(|| max_pool2d(&x, 3, 2, 1)));
    group.finish();
    Ok(())
}

fn all(criterion: &mut Criterion) {
    layers(criterion).expect("these shapes fit");
    others(criterion).expect("these shapes fit");
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1));
    targets = all
}
criterion_main!(benches);
