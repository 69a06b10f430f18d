//! Oracle: the definition of the convolution in plain loops over integers, with the scales around it in the same order.

use candle_core::{Device, Tensor};
use proptest::prelude::*;

use super::*;
use crate::nn::ops::ConvSpec;
use crate::nn::ops::blocked::tests::{Case, cases, conv, copied, flat, noise, small};
use crate::nn::ops::blocked::{Builder, Filters, View};

/// A positive map `[n, c, h, w]`, some of its values 0, of another size in each image.
fn positive(shape: [usize; 4]) -> Vec<f32> {
    let each = shape[1..].iter().product::<usize>().max(1);
    let values = flat(&noise(1, &shape));
    values.iter().enumerate().map(|(i, v)| v.max(0.0) * (1.0 + (i / each) as f32)).collect()
}

/// `relu?(conv(x) + bias + residual)` of one image `[c, h, w]`, by the definition.
fn expected(x: &[f32], case: &Case, w: &[f32], bias: &[f32], relu: bool, residual: Option<&[f32]>) -> Vec<f32> {
    let Case { size: (h, width), depth, per_group, kernel: (kh, kw), spec, .. } = *case;
    let largest = x.iter().fold(0.0_f32, |a, b| a.max(*b));
    let (unit, factor) = (largest / 255.0, if largest > 0.0 { 255.0 / largest } else { 0.0 });
    let x: Vec<i32> = x.iter().map(|v| (v * factor).round_ties_even() as i32).collect();
    let row = depth * kh * kw;
    let after = |length, kernel, stride, padding, dilation: usize| {
        (length + 2 * padding - (dilation * (kernel - 1) + 1)) / stride + 1
    };
    let down = after(h, kh, spec.stride.0, spec.padding.0, spec.dilation.0);
    let across = after(width, kw, spec.stride.1, spec.padding.1, spec.dilation.1);
    let mut out = Vec::new();
    for filter in 0..per_group * spec.groups {
        let weights = &w[filter * row..][..row];
        let unit_of_weights = weights.iter().fold(0.0_f32, |a, b| a.max(b.abs())) / 127.0;
        let weights: Vec<i32> = weights.iter().map(|v| (v / unit_of_weights).round() as i32).collect();
        for (y, column) in (0..down).flat_map(|y| (0..across).map(move |x| (y, x))) {
            let mut sum = 0_i32;
            for (i, &weight) in weights.iter().enumerate() {
                let channel = filter / per_group * depth + i / (kh * kw);
                let (a, b) = (i / kw % kh, i % kw);
                let row = (y * spec.stride.0 + a * spec.dilation.0).checked_sub(spec.padding.0).filter(|v| *v < h);
                let at = (column * spec.stride.1 + b * spec.dilation.1).checked_sub(spec.padding.1);
                if let (Some(row), Some(at)) = (row, at.filter(|v| *v < width)) {
                    sum += weight * x[(channel * h + row) * width + at];
                }
            }
            let value = sum as f32 * (unit_of_weights * unit) + bias[filter];
            let value = residual.map_or(value, |r| value + r[out.len()]);
            out.push(if relu && value < 0.0 { 0.0 } else { value });
        }
    }
    out
}

/// Whether Winograd's form takes the layer.
fn fast(kernel: (usize, usize), spec: ConvSpec) -> bool {
    kernel == (3, 3) && spec == ConvSpec::square(1, 1)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    /// Every kernel, two layers with one input, to the last bit.
    #[test]
    fn any_convolution_in_8_bits_equals_the_plain_loop(case in cases()) {
        let Case { n, size, depth, per_group, kernel, spec, relu, residual } = case;
        prop_assume!(!fast(kernel, spec));
        let (c, o) = (depth * spec.groups, per_group * spec.groups);
        let x = positive([n, c, size.0, size.1]);
        let (w, v) = (noise(2, &[o, depth, kernel.0, kernel.1]), noise(4, &[o, depth, kernel.0, kernel.1]));
        let bias = noise(3, &[o]);
        let mut wanted = Vec::new();
        for image in 0..n {
            let x = &x[image * x.len() / n..][..x.len() / n];
            let run = |w: &Tensor, relu, r: Option<&[f32]>| expected(x, &case, &flat(w), &flat(&bias), relu, r);
            let added = residual.then(|| run(&v, false, None));
            wanted.extend(run(&w, relu, added.as_deref()));
        }
        for dot in kernels() {
            let (mut b, photo) = Builder::new(c);
            b.int8 = Some(dot);
            let input = copied(&mut b, photo, true);
            let added = residual.then(|| conv(&mut b, input, &v, &bias, spec, false, None));
            let y = conv(&mut b, input, &w, &bias, spec, relu, added);
            let program = b.finish();
            for _ in 0..2 {
                let (found, _) = program.run(&x, n, size, y).unwrap();
                prop_assert!(found.iter().map(|v| v.to_bits()).eq(wanted.iter().map(|v| v.to_bits())), "{}", dot.name);
            }
        }
    }
}

/// A network of every kind of step.
fn on(dot: Dot, threads: usize, photos: &[f32], view: usize) -> Vec<u32> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let (program, views) = small(Some(dot));
    let (maps, _) = pool.install(|| program.run(photos, photos.len() / (3 * 61 * 50), (61, 50), views[view])).unwrap();
    maps.into_iter().map(f32::to_bits).collect()
}

#[test]
fn neither_threads_nor_companions_nor_kernels_change_a_bit() {
    let photos = flat(&noise(9, &[11, 3, 61, 50]));
    for view in 0..3 {
        let all = on(best(), 1, &photos, view);
        let each = all.len() / 11;
        for threads in [2, 3] {
            assert!(all == on(best(), threads, &photos, view), "{threads} threads");
        }
        for photo in 0..11 {
            let one = &photos[photo * photos.len() / 11..][..photos.len() / 11];
            assert!(all[photo * each..][..each] == on(best(), 2, one, view), "photo {photo}");
        }
        for dot in kernels() {
            assert!(all == on(dot, 2, &photos, view), "{}", dot.name);
        }
    }
}

/// The largest products there are, more of them than 16 bits or an exact float could hold.
#[test]
fn sums_of_the_largest_numbers_are_exact() {
    let (c, taps) = (1024, 9);
    let x = vec![3.0; c * 9];
    for sign in [1.0, -1.0] {
        let weights = vec![sign * 0.5; c * taps];
        for dot in kernels() {
            let (mut b, photo) = Builder::new(c);
            b.int8 = Some(dot);
            let input = copied(&mut b, photo, true);
            let filters =
                Filters { weights: &weights, bias: &[0.0], kernel: (3, 3), spec: ConvSpec::default(), relu: false };
            let y = b.conv(input, &filters, None, None);
            let (found, _) = b.finish().run(&x, 1, (3, 3), y).unwrap();
            let exact = (255 * 127 * c * taps) as f32 * sign * ((0.5 / 127.0) * (3.0 / 255.0));
            assert_eq!(found, [exact], "{}", dot.name);
        }
    }
}

/// A layer's map after a copy of the photo `[c, 5, 4]`; without padding `[20, 3, 2]`.
fn plain(photo: &[f32], c: usize, relu: bool, padding: usize) -> Vec<f32> {
    let (mut b, view) = Builder::new(c);
    b.in_int8();
    let input = copied(&mut b, view, relu);
    let (w, bias) = (noise(2, &[20, c, 3, 3]), noise(3, &[20]));
    let y = conv(&mut b, input, &w, &bias, ConvSpec::square(1, padding), false, None);
    b.finish().run(photo, 1, (5, 4), y).unwrap().0
}

#[test]
fn a_map_that_is_not_finite_stays_so_and_one_of_zeros_gives_the_bias() {
    for bad in [f32::NAN, f32::INFINITY] {
        let mut photo = positive([1, 17, 5, 4]);
        photo[33] = bad;
        assert!(plain(&photo, 17, true, 0).iter().all(|v| v.is_nan()));
    }
    let bias = flat(&noise(3, &[20]));
    for zero in [0.0, -0.0, 1e-38] {
        let found = plain(&[zero; 17 * 20], 17, true, 0);
        assert!(found.iter().enumerate().all(|(i, v)| (v - bias[i / 6]).abs() < 1e-30), "{zero}");
    }
}

/// What may be negative, and what Winograd's form takes, is computed in 32 bits, to its accuracy.
#[test]
fn a_map_without_relu_is_not_rounded_nor_one_before_a_fast_layer() {
    let photo = flat(&noise(1, &[1, 17, 5, 4]));
    let x = Tensor::from_slice(&photo, (1, 17, 5, 4), &Device::Cpu).unwrap();
    let (w, bias) = (noise(2, &[20, 17, 3, 3]), noise(3, &[20]));
    for (relu, padding) in [(false, 0), (false, 1), (true, 1)] {
        let x = if relu { x.relu().unwrap() } else { x.clone() };
        let spec = ConvSpec::square(1, padding);
        let wanted = flat(&crate::nn::ops::conv2d_fused(&x, &w, Some(&bias), spec, false, None).unwrap());
        let found = plain(&photo, 17, relu, padding);
        let apart = found.iter().zip(&wanted).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(found.len() == wanted.len() && apart < 1e-4, "{relu} {padding}: {apart}");
    }
}

/// How much is lost: about a hundredth of the result's size, as 8 bits allow.
#[test]
fn what_is_rounded_stays_near() {
    let x = positive([1, 64, 14, 14]);
    let (w, bias) = (noise(2, &[64, 64, 3, 3]), Tensor::zeros(64, candle_core::DType::F32, &Device::Cpu).unwrap());
    let run = |dot: Option<Dot>| -> Vec<f32> {
        let (mut b, photo) = Builder::new(64);
        b.int8 = dot;
        let input = copied(&mut b, photo, true);
        let y: View = conv(&mut b, input, &w, &bias, ConvSpec::square(2, 1), false, None);
        b.finish().run(&x, 1, (14, 14), y).unwrap().0
    };
    let (exact, rounded) = (run(None), run(Some(best())));
    let size = |values: &mut dyn Iterator<Item = f32>| values.map(|v| v * v).sum::<f32>().sqrt();
    let error = size(&mut exact.iter().zip(&rounded).map(|(a, b)| a - b)) / size(&mut exact.iter().copied());
    assert!(error > 1e-4 && error < 0.01, "{error}");
}
