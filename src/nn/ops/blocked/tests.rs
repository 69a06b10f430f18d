//! Oracles: the convolution, pools and gates of `ops` in 64 bits (themselves held against direct sums and finite
//! differences), and the same program on other numbers of threads, in other batches and with other kernels.

use candle_core::{DType, Device, Tensor};
use proptest::prelude::*;

use super::*;
use crate::nn::ops::tests::bits;
use crate::nn::ops::{self, ConvSpec};

pub fn noise(seed: u64, shape: &[usize]) -> Tensor {
    let number = |bits: u64| (bits >> 40) as f32 / (1u64 << 23) as f32 - 1.0;
    let values: Vec<f32> = bits(seed).map(number).take(shape.iter().product()).collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

pub fn flat(t: &Tensor) -> Vec<f32> {
    t.flatten_all().unwrap().to_vec1().unwrap()
}

fn wide(t: &Tensor) -> Tensor {
    t.to_dtype(DType::F64).unwrap()
}

fn wide_values(t: &Tensor) -> Vec<f64> {
    wide(t).flatten_all().unwrap().to_vec1().unwrap()
}

/// The largest difference, relative to the root mean square of what is expected.
fn error(found: &Tensor, expected: &Tensor) -> f64 {
    assert_eq!(found.dims(), expected.dims());
    let (found, expected) = (wide_values(found), wide_values(expected));
    let size = (expected.iter().map(|v| v * v).sum::<f64>() / expected.len().max(1) as f64).sqrt();
    let most = found.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(found.iter().all(|v| v.is_finite()));
    most / size.max(1e-3)
}

/// A filter bank over a program under construction.
pub fn conv(
    b: &mut Builder,
    x: View,
    w: &Tensor,
    bias: &Tensor,
    spec: ConvSpec,
    relu: bool,
    residual: Option<View>,
) -> View {
    let kernel = (w.dims()[2], w.dims()[3]);
    b.conv(x, &Filters { weights: &flat(w), bias: &flat(bias), kernel, spec, relu }, residual, None)
}

/// A 1x1 convolution that copies a photo's channels into blocks.
pub fn copied(b: &mut Builder, photo: View, relu: bool) -> View {
    let c = photo.channels();
    let mut one = vec![0.0; c * c];
    (0..c).for_each(|i| one[i * c + i] = 1.0);
    let spec = ConvSpec::default();
    b.conv(photo, &Filters { weights: &one, bias: &vec![0.0; c], kernel: (1, 1), spec, relu }, None, None)
}

#[derive(Clone, Debug)]
pub struct Case {
    pub n: usize,
    pub size: (usize, usize),
    pub depth: usize,
    pub per_group: usize,
    pub kernel: (usize, usize),
    pub spec: ConvSpec,
    pub relu: bool,
    pub residual: bool,
}

pub fn cases() -> impl Strategy<Value = Case> {
    (
        (0usize..4, 1usize..24, 1usize..24, 1usize..40, 1usize..40),
        (prop::bool::ANY, 1usize..4, 1usize..4, 0usize..3, 0usize..3),
        (1usize..4, 1usize..4, 1usize..3, 1usize..3, 1usize..6),
        (prop::bool::ANY, prop::bool::ANY),
    )
        .prop_map(
            |((n, h, w, depth, per_group), (plain, kh, kw, ph, pw), (sh, sw, dh, dw, groups), (relu, residual))| {
                if plain {
                    // What the fast algorithm takes.
                    let spec = ConvSpec::square(1, 1);
                    return Case { n, size: (h, w), depth, per_group, kernel: (3, 3), spec, relu, residual };
                }
                Case {
                    n,
                    size: (h + dh * (kh - 1), w + dw * (kw - 1)),
                    depth,
                    per_group,
                    kernel: (kh, kw),
                    spec: ConvSpec { stride: (sh, sw), padding: (ph, pw), dilation: (dh, dw), groups },
                    relu,
                    residual,
                }
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_planned_convolution_equals_the_plain_one(case in cases()) {
        let Case { n, size, depth, per_group, kernel, spec, relu, residual } = case;
        let (c, o) = (depth * spec.groups, per_group * spec.groups);
        let x = noise(1, &[n, c, size.0, size.1]);
        let w = noise(2, &[o, depth, kernel.0, kernel.1]);
        let bias = noise(3, &[o]);
        // The residual is another convolution of the same shape.
        let v = noise(4, &[o, depth, kernel.0, kernel.1]);
        let (mut builder, photo) = Builder::new(c);
        let input = copied(&mut builder, photo, false);
        let added = residual.then(|| conv(&mut builder, input, &v, &bias, spec, false, None));
        let y = conv(&mut builder, input, &w, &bias, spec, relu, added);
        let mut program = builder.finish();
        let [xd, wd, vd, bd] = [&x, &w, &v, &bias].map(wide);
        let added = residual.then(|| ops::conv2d_fused(&xd, &vd, Some(&bd), spec, false, None).unwrap());
        let expected = ops::conv2d_fused(&xd, &wd, Some(&bd), spec, relu, added.as_ref()).unwrap();
        for kernel in kernel::kernels() {
            program.kernel = kernel;
            // Twice, so that the second run finds the memory of the first.
            for _ in 0..2 {
                prop_assert!(error(&program.forward(&x, y).unwrap(), &expected) < 5e-5);
            }
        }
    }
}

/// Convolutions over the photo itself, whose pixels hold all channels.
#[test]
fn the_stem_equals_the_plain_convolution() {
    for (c, o, size, k, stride) in
        [(3, 64, (37, 41), 7, 2), (3, 20, (16, 9), 3, 1), (1, 5, (8, 8), 5, 3), (4, 17, (9, 9), 1, 1)]
    {
        let (x, w, bias) = (noise(1, &[3, c, size.0, size.1]), noise(2, &[o, c, k, k]), noise(3, &[o]));
        let spec = ConvSpec::square(stride, k / 2);
        let (mut builder, photo) = Builder::new(c);
        let y = conv(&mut builder, photo, &w, &bias, spec, true, None);
        let expected = ops::conv2d_fused(&wide(&x), &wide(&w), Some(&wide(&bias)), spec, true, None).unwrap();
        assert!(error(&builder.finish().forward(&x, y).unwrap(), &expected) < 1e-5, "{c} to {o}, {k}x{k}");
    }
}

/// The fast algorithm's error at the widths of residual networks, relative to the size of the result: three to five times
/// that of the direct sum.
#[test]
fn the_fast_algorithm_keeps_almost_five_digits() {
    for (channels, size) in [(64, 28), (256, 14), (512, 14)] {
        let (x, w) = (noise(1, &[1, channels, size, size]), noise(2, &[32, channels, 3, 3]));
        let bias = Tensor::zeros(32, DType::F32, &Device::Cpu).unwrap();
        let spec = ConvSpec::square(1, 1);
        assert!(winograd::fits(size, size));
        let (mut builder, photo) = Builder::new(channels);
        let input = copied(&mut builder, photo, false);
        let y = conv(&mut builder, input, &w, &bias, spec, false, None);
        let expected = ops::conv2d_fused(&wide(&x), &wide(&w), None, spec, false, None).unwrap();
        let error = error(&builder.finish().forward(&x, y).unwrap(), &expected);
        assert!(error < 2e-5, "{channels} channels: {error:.1e}");
    }
}

#[test]
fn pools_scales_and_gates_equal_the_plain_ones() {
    for (n, c, h, w) in [(2, 20, 9, 12), (1, 32, 7, 7), (3, 5, 16, 3)] {
        let x = noise(1, &[n, c, h, w]);
        let run = |step: &dyn Fn(&mut Builder, View) -> View| {
            let (mut builder, photo) = Builder::new(c);
            let input = copied(&mut builder, photo, false);
            let y = step(&mut builder, input);
            builder.finish().forward(&x, y).unwrap()
        };
        let window = Window { kernel: 3, stride: 2, padding: 1, ceiling: false };
        let found = run(&|b, x| b.max_pool(x, window, None));
        assert_eq!(flat(&found), flat(&ops::max_pool2d(&x, 3, 2, 1).unwrap()));
        let found = run(&|b, x| b.max_pool(x, Window { padding: 0, ceiling: true, ..window }, None));
        assert_eq!(flat(&found), flat(&ops::max_pool2d_ceil(&x, 3, 2).unwrap()));
        let found = run(&|b, x| b.mean_pool(x, Window { kernel: 2, stride: 2, padding: 0, ceiling: false }, None));
        assert!(error(&found, &ops::avg_pool2d(&wide(&x), 2, 2, 0).unwrap()) < 1e-6);
        let (scale, shift) = (noise(2, &[c]), noise(3, &[c]));
        let found = run(&|b, x| b.scale_relu(x, &flat(&scale), &flat(&shift)));
        let column = |t: &Tensor| t.reshape((1, c, 1, 1)).unwrap();
        let scaled = x.broadcast_mul(&column(&scale)).unwrap().broadcast_add(&column(&shift)).unwrap();
        assert!(error(&found, &ops::relu(&scaled).unwrap()) < 1e-6);
        let inner = 3;
        let layers = [noise(4, &[inner, c]), noise(5, &[inner]), noise(6, &[c, inner]), noise(7, &[c])];
        let found = run(&|b, x| b.gate(x, layers.each_ref().map(flat).each_ref().map(Vec::as_slice), x));
        let gated = ops::squeeze_excite(
            &x,
            [
                &layers[0].reshape((inner, c, 1, 1)).unwrap(),
                &layers[1],
                &layers[2].reshape((c, inner, 1, 1)).unwrap(),
                &layers[3],
            ],
        );
        assert!(error(&found, &ops::add_relu(&gated.unwrap(), &x).unwrap()) < 1e-5);
    }
}

/// A stem, a pool, a dense layer in its room and a residual block: views, rooms and reused memory together.
pub fn small(int8: Option<int8::Dot>) -> (Program, [View; 3]) {
    let (mut b, photo) = Builder::new(3);
    b.int8 = int8;
    let filters = |seed: u64, o: usize, c: usize, k: usize| (noise(seed, &[o, c, k, k]), noise(seed + 50, &[o]));
    let (w, bias) = filters(1, 32, 3, 7);
    let stem = conv(&mut b, photo, &w, &bias, ConvSpec::square(2, 3), true, None);
    let room = b.room(48);
    let window = Window { kernel: 3, stride: 2, padding: 1, ceiling: false };
    let pooled = b.max_pool(stem, window, Some(room.first(32)));
    let (w, bias) = filters(2, 16, 32, 3);
    let into = Some(room.part(32, 16));
    let kernel = (3, 3);
    let spec = ConvSpec::square(1, 1);
    b.conv(pooled, &Filters { weights: &flat(&w), bias: &flat(&bias), kernel, spec, relu: false }, None, into);
    let (w, bias) = filters(3, 48, 48, 3);
    let first = conv(&mut b, room, &w, &bias, spec, true, None);
    let y = conv(&mut b, first, &w, &bias, spec, true, Some(room));
    let groups = ConvSpec { groups: 3, ..ConvSpec::square(2, 1) };
    let (w, bias) = filters(4, 24, 16, 3);
    let last = conv(&mut b, y, &w, &bias, groups, false, None);
    (b.finish(), [room, y, last])
}

#[test]
fn neither_threads_nor_companions_change_a_bit() {
    let (program, views) = small(None);
    let photos = noise(9, &[11, 3, 61, 50]);
    let on = |threads: usize, x: &Tensor, view: View| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        flat(&pool.install(|| program.forward(x, view)).unwrap())
    };
    for view in views {
        let all = on(1, &photos, view);
        for threads in [2, 3, 5] {
            assert!(all == on(threads, &photos, view), "{threads} threads");
        }
        let each = all.len() / 11;
        for photo in 0..11 {
            let alone = on(2, &photos.narrow(0, photo, 1).unwrap().contiguous().unwrap(), view);
            assert!(alone == all[photo * each..(photo + 1) * each], "photo {photo}");
        }
    }
}

#[test]
fn several_threads_may_run_one_program_at_once() {
    let (program, [_, _, view]) = small(None);
    let photos: Vec<Tensor> = (0..4).map(|seed| noise(seed, &[2, 3, 40 + 4 * seed as usize, 44])).collect();
    let expected: Vec<_> = photos.iter().map(|x| flat(&program.forward(x, view).unwrap())).collect();
    std::thread::scope(|scope| {
        for (x, expected) in photos.iter().zip(&expected) {
            let program = &program;
            scope.spawn(move || (0..5).for_each(|_| assert!(flat(&program.forward(x, view).unwrap()) == *expected)));
        }
    });
}

#[test]
fn what_does_not_fit_is_told() {
    let (program, [_, _, view]) = small(None);
    assert_eq!(program.forward(&noise(1, &[0, 3, 40, 40]), view).unwrap().dims(), [0, 24, 5, 5]);
    let told = |x: &Tensor| program.forward(x, view).unwrap_err().to_string();
    assert!(told(&noise(1, &[1, 4, 40, 40])).contains("3 channels"));
    assert!(told(&wide(&noise(1, &[1, 3, 40, 40]))).contains("F64"), "{}", told(&wide(&noise(1, &[1, 3, 40, 40]))));
    let (mut b, photo) = Builder::new(1);
    let (w, bias) = (noise(1, &[1, 1, 9, 9]), noise(2, &[1]));
    let y = conv(&mut b, photo, &w, &bias, ConvSpec::default(), false, None);
    let told = b.finish().forward(&noise(1, &[1, 1, 4, 12]), y).unwrap_err().to_string();
    assert!(told.contains("4x12"), "{told}");
}
