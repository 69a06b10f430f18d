use super::*;

fn grid(values: &[f64], h: usize, w: usize) -> Tensor {
    Tensor::from_vec(values.to_vec(), (1, 1, h, w), &Device::Cpu).unwrap()
}

fn gradient_of(x: &Tensor, f: impl Fn(&Tensor) -> Result<Tensor>) -> Vec<f64> {
    let v = Var::from_tensor(x).unwrap();
    flat(f(v.as_tensor()).unwrap().sum_all().unwrap().backward().unwrap().get(&v).unwrap())
}

#[test]
fn the_first_maximum_of_a_window_takes_the_gradient() {
    let x = grid(&[5.0, 5.0, 1.0, 5.0, 5.0, 1.0, 1.0, 1.0, 1.0], 3, 3);
    assert_eq!(gradient_of(&x, |x| max_pool2d(x, 2, 2, 0)), [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    // Overlapping windows add up at a shared maximum: all four hold the centre.
    let x = grid(&[0.0, 0.0, 0.0, 0.0, 9.0, 0.0, 0.0, 0.0, 0.0], 3, 3);
    assert_eq!(gradient_of(&x, |x| max_pool2d(x, 3, 2, 1)), [0.0, 0.0, 0.0, 0.0, 4.0, 0.0, 0.0, 0.0, 0.0]);
}

#[test]
fn padding_never_wins_a_maximum_and_nan_does() {
    let x = grid(&[-3.0, -1.0, -2.0, -4.0], 2, 2);
    assert_eq!(flat(&max_pool2d(&x, 3, 2, 1).unwrap()), [-1.0]);
    assert_eq!(flat(&max_pool2d(&x, 2, 1, 1).unwrap()), [-3.0, -1.0, -1.0, -2.0, -1.0, -1.0, -2.0, -2.0, -4.0]);
    let x = grid(&[1.0, f64::NAN, 3.0, 2.0], 2, 2);
    assert!(flat(&max_pool2d(&x, 2, 2, 0).unwrap())[0].is_nan());
}

#[test]
fn max_pooling_equals_the_definition_at_every_size() {
    for (h, w) in [(1, 1), (5, 9), (16, 16), (17, 35), (8, 33)] {
        let x = noise(h as u64, &[2, 3, h, w]);
        for (kernel, stride, padding) in [(3, 2, 1), (2, 2, 0), (3, 1, 1), (1, 1, 0)] {
            if h + 2 * padding < kernel || w + 2 * padding < kernel {
                continue;
            }
            let xs = flat(&x);
            let (oh, ow) = ((h + 2 * padding - kernel) / stride + 1, (w + 2 * padding - kernel) / stride + 1);
            let mut expected = Vec::new();
            for plane in xs.chunks(h * w) {
                for i in 0..oh {
                    for j in 0..ow {
                        let mut best = f64::NEG_INFINITY;
                        for a in 0..kernel {
                            for b in 0..kernel {
                                let (r, c) =
                                    ((i * stride + a).wrapping_sub(padding), (j * stride + b).wrapping_sub(padding));
                                if r < h && c < w {
                                    best = best.max(plane[r * w + c]);
                                }
                            }
                        }
                        expected.push(best);
                    }
                }
            }
            assert_eq!(flat(&max_pool2d(&x, kernel, stride, padding).unwrap()), expected);
            let single = max_pool2d(&x.to_dtype(DType::F32).unwrap(), kernel, stride, padding).unwrap();
            let rounded: Vec<f64> = expected.iter().map(|v| f64::from(*v as f32)).collect();
            assert_eq!(flat(&single), rounded);
        }
    }
}

#[test]
fn average_pooling_counts_the_padding_and_drops_the_rest() {
    let x = grid(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0], 3, 3);
    assert_eq!(flat(&avg_pool2d(&x, 2, 2, 0).unwrap()), [3.0]);
    close(&flat(&avg_pool2d(&x, 2, 2, 1).unwrap()), &[0.25, 1.25, 2.75, 7.0], 1e-15);
    assert_eq!(gradient_of(&x, |x| avg_pool2d(x, 2, 2, 0)), [0.25, 0.25, 0.0, 0.25, 0.25, 0.0, 0.0, 0.0, 0.0]);
}

/// Values of `torch.nn.functional.adaptive_avg_pool2d(torch.arange(35.).view(1,1,5,7), (2,3))`.
#[test]
fn adaptive_pooling_cuts_as_pytorch_does() {
    let x = grid(&(0..35).map(f64::from).collect::<Vec<_>>(), 5, 7);
    let y = flat(&adaptive_avg_pool2d(&x, (2, 3)).unwrap());
    close(&y, &[8.0, 10.0, 12.0, 22.0, 24.0, 26.0], 1e-15);
    assert_eq!(flat(&global_avg_pool(&x).unwrap()), [17.0]);
}

/// Values of `torch.nn.functional.interpolate` of `[[0, 1], [2, 3]]` to 2x3.
#[test]
fn bilinear_resizing_equals_pytorch() {
    let x = grid(&[0.0, 1.0, 2.0, 3.0], 2, 2);
    close(&flat(&upsample_bilinear2d(&x, (2, 3), true).unwrap()), &[0.0, 0.5, 1.0, 2.0, 2.5, 3.0], 1e-15);
    close(
        &flat(&upsample_bilinear2d(&x, (2, 4), false).unwrap()),
        &[0.0, 0.25, 0.75, 1.0, 2.0, 2.25, 2.75, 3.0],
        1e-15,
    );
}

#[test]
fn batch_norm_equals_its_formulas() {
    for dtype in [DType::F64, DType::F32] {
        let tolerance = if dtype == DType::F64 { 1e-12 } else { 2e-5 };
        let (n, c, p) = (3, 4, 35);
        let x = (noise(1, &[n, c, 5, 7]) + 3.0).unwrap();
        let (w, b, r) = (noise(2, &[c]), noise(3, &[c]), noise(4, &[n, c, 5, 7]));
        let cast = |t: &Tensor| t.to_dtype(dtype).unwrap();
        let (xs, ws, bs, rs) = (flat(&x), flat(&w), flat(&b), flat(&r));
        let (mut mean, mut var) = (vec![0.0; c], vec![0.0; c]);
        for (i, v) in xs.iter().enumerate() {
            mean[i / p % c] += v / (n * p) as f64;
        }
        for (i, v) in xs.iter().enumerate() {
            var[i / p % c] += (v - mean[i / p % c]).powi(2);
        }
        let at = |i: usize| {
            let c = i / p % c;
            (xs[i] - mean[c]) / (var[c] / (n * p) as f64 + 1e-5).sqrt() * ws[c] + bs[c]
        };
        let expected: Vec<f64> = (0..xs.len()).map(at).collect();
        let (y, m, v) = batch_norm_train(&cast(&x), &cast(&w), &cast(&b), 1e-5).unwrap();
        close(&flat(&y), &expected, tolerance);
        close(&flat(&m), &mean, tolerance);
        let unbiased: Vec<f64> = var.iter().map(|v| v / (n * p - 1) as f64).collect();
        close(&flat(&v), &unbiased, tolerance);
        let (y, m, _) = batch_norm_train_relu(&cast(&x), &cast(&w), &cast(&b), 1e-5, Some(&cast(&r))).unwrap();
        let rectified: Vec<f64> = expected.iter().zip(&rs).map(|(y, r)| (y + r).max(0.0)).collect();
        close(&flat(&y), &rectified, tolerance);
        assert!(!m.track_op());
        // With the batch's own biased moments as running statistics, evaluation gives the training result.
        let biased: Vec<f64> = var.iter().map(|v| v / (n * p) as f64).collect();
        let vector = |v: &[f64]| cast(&Tensor::new(v, &Device::Cpu).unwrap());
        let y = batch_norm_eval(&cast(&x), &cast(&w), &cast(&b), &vector(&mean), &vector(&biased), 1e-5).unwrap();
        close(&flat(&y), &expected, tolerance);
    }
}

#[test]
fn statistics_of_a_large_offset_keep_their_digits() {
    let x = (noise(1, &[2, 1, 40, 40]) * 1e-2).unwrap();
    let shifted = (x.clone() + 100.0).unwrap().to_dtype(DType::F32).unwrap();
    let one = Tensor::ones(1, DType::F32, &Device::Cpu).unwrap();
    let (_, _, var) = batch_norm_train(&shifted, &one, &one, 1e-5).unwrap();
    let xs = flat(&shifted);
    let mean = xs.iter().sum::<f64>() / xs.len() as f64;
    let expected = xs.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (xs.len() - 1) as f64;
    close(&[flat(&var)[0] * 1e5], &[expected * 1e5], 1e-4);
}

#[test]
fn relu_has_no_slope_at_zero() {
    let x = grid(&[-1.0, 0.0, -0.0, 2.0], 2, 2);
    assert_eq!(flat(&relu(&x).unwrap()), [0.0, 0.0, 0.0, 2.0]);
    assert_eq!(gradient_of(&x, relu), [0.0, 0.0, 0.0, 1.0]);
    assert!(flat(&relu(&grid(&[f64::NAN], 1, 1)).unwrap())[0].is_nan());
}

#[test]
fn an_empty_batch_gives_an_empty_result() {
    let x = Tensor::zeros((0, 3, 8, 8), DType::F32, &Device::Cpu).unwrap();
    let w = Tensor::zeros((4, 3, 3, 3), DType::F32, &Device::Cpu).unwrap();
    let c = Tensor::ones(3, DType::F32, &Device::Cpu).unwrap();
    assert_eq!(conv2d(&x, &w, None, ConvSpec::square(2, 1)).unwrap().dims(), [0, 4, 4, 4]);
    assert_eq!(conv2d_fused(&x, &w, None, ConvSpec::square(2, 1), true, None).unwrap().dims(), [0, 4, 4, 4]);
    assert_eq!(max_pool2d(&x, 3, 2, 1).unwrap().dims(), [0, 3, 4, 4]);
    assert_eq!(avg_pool2d(&x, 2, 2, 0).unwrap().dims(), [0, 3, 4, 4]);
    assert_eq!(global_avg_pool(&x).unwrap().dims(), [0, 3]);
    assert_eq!(relu(&x).unwrap().dims(), [0, 3, 8, 8]);
    assert_eq!(add_relu(&x, &x).unwrap().dims(), [0, 3, 8, 8]);
    assert_eq!(upsample_bilinear2d(&x, (4, 4), true).unwrap().dims(), [0, 3, 4, 4]);
    assert_eq!(batch_norm_eval(&x, &c, &c, &c, &c, 1e-5).unwrap().dims(), [0, 3, 8, 8]);
    let flat_x = Tensor::zeros((0, 3), DType::F32, &Device::Cpu).unwrap();
    assert_eq!(
        linear(&flat_x, &Tensor::zeros((5, 3), DType::F32, &Device::Cpu).unwrap(), None).unwrap().dims(),
        [0, 5]
    );
    let told = batch_norm_train(&x, &c, &c, 1e-5).unwrap_err().to_string();
    assert!(told.contains("more than one value per channel"), "{told}");
}

#[test]
fn the_thread_count_does_not_change_a_bit_elsewhere() {
    let x = Var::from_tensor(&noise(1, &[3, 20, 19, 17]).to_dtype(DType::F32).unwrap()).unwrap();
    let w = Var::from_tensor(&noise(2, &[20]).to_dtype(DType::F32).unwrap()).unwrap();
    let run = |threads: usize| {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(|| {
            let (y, mean, var) = batch_norm_train_relu(&x, &w, &w, 1e-5, Some(&x)).unwrap();
            let z = avg_pool2d(&max_pool2d(&y, 3, 2, 1).unwrap(), 3, 2, 1).unwrap();
            let grads = z.sqr().unwrap().sum_all().unwrap().backward().unwrap();
            [&z, &mean, &var, grads.get(&x).unwrap(), grads.get(&w).unwrap()].map(flat)
        })
    };
    assert!(run(1) == run(2) && run(1) == run(5));
}

#[test]
fn wrong_sizes_are_named() {
    let x = noise(1, &[1, 3, 4, 4]);
    let told = |r: Result<Tensor>| r.unwrap_err().to_string();
    assert!(told(max_pool2d(&x, 0, 1, 0)).contains("at least 1"));
    assert!(told(max_pool2d(&x, 5, 1, 0)).contains("larger than the padded input 4x4"));
    assert!(told(max_pool2d(&x, 2, 1, 2)).contains("half the kernel"));
    assert!(told(adaptive_avg_pool2d(&x, (0, 1))).contains("0x1"));
    assert!(told(add_relu(&x, &noise(1, &[3]))).contains("[3]"));
    assert!(told(linear(&noise(1, &[2, 3]), &noise(1, &[2, 4]), None)).contains("[2, 4]"));
    assert!(told(relu(&x.to_dtype(DType::U8).unwrap())).contains("U8"));
    let two = noise(1, &[2]);
    let three = noise(1, &[3]);
    assert!(batch_norm_train(&x, &two, &three, 1e-5).unwrap_err().to_string().contains("weight [2]"));
}
