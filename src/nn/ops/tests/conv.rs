use proptest::prelude::*;

use super::*;
use crate::nn::ops::{conv::Geometry, conv_fast::fits};

/// The definition, as a plain sum.
fn direct(x: &Tensor, w: &Tensor, bias: Option<&Tensor>, spec: ConvSpec, pad: [usize; 4]) -> Tensor {
    let (n, c, h, wd) = x.dims4().unwrap();
    let (o, depth, kh, kw) = w.dims4().unwrap();
    let [top, bottom, left, right] = pad;
    let oh = (h + top + bottom - spec.dilation.0 * (kh - 1) - 1) / spec.stride.0 + 1;
    let ow = (wd + left + right - spec.dilation.1 * (kw - 1) - 1) / spec.stride.1 + 1;
    let (xs, ws, bs) = (flat(x), flat(w), bias.map(flat));
    let mut y = Vec::new();
    for image in 0..n {
        for f in 0..o {
            let group = f / (o / spec.groups);
            for i in 0..oh {
                for j in 0..ow {
                    let mut sum = bs.as_ref().map_or(0.0, |b| b[f]);
                    for d in 0..depth {
                        for a in 0..kh {
                            for b in 0..kw {
                                let row = (i * spec.stride.0 + a * spec.dilation.0) as isize - top as isize;
                                let col = (j * spec.stride.1 + b * spec.dilation.1) as isize - left as isize;
                                if (0..h as isize).contains(&row) && (0..wd as isize).contains(&col) {
                                    let at = ((image * c + group * depth + d) * h + row as usize) * wd + col as usize;
                                    sum += xs[at] * ws[((f * depth + d) * kh + a) * kw + b];
                                }
                            }
                        }
                    }
                    y.push(sum);
                }
            }
        }
    }
    Tensor::from_vec(y, (n, o, oh, ow), &Device::Cpu).unwrap()
}

fn f32s(t: &Tensor) -> Tensor {
    t.to_dtype(DType::F32).unwrap()
}

#[derive(Clone, Debug)]
struct Case {
    n: usize,
    size: (usize, usize),
    depth: usize,
    per_group: usize,
    kernel: (usize, usize),
    pad: [usize; 4],
    spec: ConvSpec,
}

fn cases() -> impl Strategy<Value = Case> {
    (
        (0usize..4, 1usize..20, 1usize..20, 1usize..9, 1usize..20),
        (1usize..4, 1usize..4, prop::array::uniform4(0usize..3)),
        (1usize..4, 1usize..4, 1usize..3, 1usize..3, 1usize..4),
    )
        .prop_map(|((n, h, w, depth, per_group), (kh, kw, pad), (sh, sw, dh, dw, groups))| Case {
            n,
            size: (h + dh * (kh - 1), w + dw * (kw - 1)),
            depth,
            per_group,
            kernel: (kh, kw),
            pad,
            spec: ConvSpec { stride: (sh, sw), padding: (0, 0), dilation: (dh, dw), groups },
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// Forward in both number types, and both gradients by their duality with the forward: for a map linear in `x` and
    /// in `w`, `<dy, y> = <dx, x> = <dw, w>`, and each gradient equals the one the definition gives.
    #[test]
    fn any_convolution_equals_the_direct_sum(case in cases()) {
        let Case { n, size, depth, per_group, kernel, pad, spec } = case;
        let x = noise(1, &[n, depth * spec.groups, size.0, size.1]);
        let w = noise(2, &[per_group * spec.groups, depth, kernel.0, kernel.1]);
        let b = noise(3, &[per_group * spec.groups]);
        let expected = direct(&x, &w, Some(&b), spec, pad);
        close(&flat(&conv2d_padded(&x, &w, Some(&b), spec, pad).unwrap()), &flat(&expected), 1e-12);
        let single = conv2d_padded(&f32s(&x), &f32s(&w), Some(&f32s(&b)), spec, pad).unwrap();
        prop_assert_eq!(single.dims(), expected.dims());
        close(&flat(&single), &flat(&expected), 2e-5);

        let dy = noise(4, expected.dims());
        for dtype in [DType::F64, DType::F32] {
            let tolerance = if dtype == DType::F64 { 1e-10 } else { 3e-4 };
            let [x, w, dy] = [&x, &w, &dy].map(|t| t.to_dtype(dtype).unwrap());
            let (vx, vw) = (Var::from_tensor(&x).unwrap(), Var::from_tensor(&w).unwrap());
            let y = conv2d_padded(&vx, &vw, None, spec, pad).unwrap();
            let grads = (&y * &dy).unwrap().sum_all().unwrap().backward().unwrap();
            let dot = |a: &Tensor, b: &Tensor| flat(a).iter().zip(flat(b)).map(|(a, b)| a * b).sum::<f64>();
            let whole = dot(&y, &dy);
            close(&[dot(grads.get(&vx).unwrap(), &x), dot(grads.get(&vw).unwrap(), &w)], &[whole, whole], tolerance);
            // The derivative in a direction the forward has not seen.
            let (ox, ow) = (noise(5, x.dims()).to_dtype(dtype).unwrap(), noise(6, w.dims()).to_dtype(dtype).unwrap());
            let along_x = dot(&direct(&ox, &w, None, spec, pad), &dy);
            let along_w = dot(&direct(&x, &ow, None, spec, pad), &dy);
            close(&[dot(grads.get(&vx).unwrap(), &ox), dot(grads.get(&vw).unwrap(), &ow)], &[along_x, along_w], tolerance);
        }
    }
}

/// Shapes large enough to cross every block edge of the matrix product.
#[test]
fn convolutions_larger_than_a_block_equal_the_direct_sum() {
    for (n, c, o, size, k, stride, pad) in [
        (1, 70, 13, 9, 3, 1, 1),
        (2, 300, 40, 5, 1, 1, 0),
        (3, 5, 65, 23, 3, 2, 1),
        (1, 3, 20, 31, 7, 2, 3),
        (2, 64, 130, 7, 1, 2, 0),
        (1, 40, 100, 16, 3, 1, 1),
    ] {
        let (x, w) = (noise(1, &[n, c, size, size]), noise(2, &[o, c, k, k]));
        let spec = ConvSpec::square(stride, pad);
        let expected = direct(&x, &w, None, spec, [pad; 4]);
        let y = conv2d(&f32s(&x), &f32s(&w), None, spec).unwrap();
        close(&flat(&y), &flat(&expected), 3e-5);
        // Double and single precision share no kernel: each is the other's oracle for the gradients.
        let run = |dtype: DType| {
            let vx = Var::from_tensor(&x.to_dtype(dtype).unwrap()).unwrap();
            let vw = Var::from_tensor(&w.to_dtype(dtype).unwrap()).unwrap();
            let y = conv2d(&vx, &vw, None, spec).unwrap();
            let dy = noise(4, y.dims()).to_dtype(dtype).unwrap();
            let grads = (y * dy).unwrap().sum_all().unwrap().backward().unwrap();
            (flat(grads.get(&vx).unwrap()), flat(grads.get(&vw).unwrap()))
        };
        let ((dx, dw), (dx64, dw64)) = (run(DType::F32), run(DType::F64));
        close(&dx, &dx64, 2e-4);
        close(&dw, &dw64, 2e-4);
    }
}

/// Shapes that the fast algorithm takes: tiles that fit and that stick out on both sides, more than one task, filters and
/// channels that fill no panel, several blocks of rows. Oracle: the direct sum, for the gradient of the data with the
/// weights turned about.
#[test]
fn the_fast_algorithm_equals_the_direct_sum() {
    let spec = ConvSpec::square(1, 1);
    for (n, c, o, (h, w)) in [(5, 16, 20, (12, 16)), (3, 17, 35, (23, 9)), (2, 70, 101, (9, 10)), (1, 33, 16, (14, 31))]
    {
        let (x, k, dy) = (noise(1, &[n, c, h, w]), noise(2, &[o, c, 3, 3]), noise(3, &[n, o, h, w]));
        assert!(fits(&Geometry::new(&Map::first(&x), &k, spec, [1; 4]).unwrap()));
        let turned = k.transpose(0, 1).unwrap().contiguous().unwrap().flip(&[2, 3]).unwrap().contiguous().unwrap();
        let (expected, back) =
            (flat(&direct(&x, &k, None, spec, [1; 4])), flat(&direct(&dy, &turned, None, spec, [1; 4])));
        for (dtype, tolerance) in [(DType::F64, 1e-13), (DType::F32, 2e-5)] {
            // Of the size of what is summed, as the error of transforms is.
            let near = |found: &[f64], expected: &[f64]| {
                let size = expected.iter().fold(0.0_f64, |size, v| size.max(v.abs()));
                assert_eq!(found.len(), expected.len());
                let worst = found.iter().zip(expected).fold(0.0_f64, |worst, (a, b)| worst.max((a - b).abs()));
                assert!(worst <= tolerance * size, "{n}x{c}x{h}x{w} to {o}, {dtype:?}: {worst} of {size}");
            };
            let [x, k, dy] = [&x, &k, &dy].map(|t| t.to_dtype(dtype).unwrap());
            let vx = Var::from_tensor(&x).unwrap();
            let y = conv2d(&vx, &k, None, spec).unwrap();
            near(&flat(&y), &expected);
            let dx = |y: Tensor| flat((y * &dy).unwrap().sum_all().unwrap().backward().unwrap().get(&vx).unwrap());
            near(&dx(y), &back);
            // A map that goes two ways: the second gradient is added to the first.
            let map = Taped::enter(&vx).unwrap();
            let [a, b] = [&map, &map].map(|map| map.conv2d(&k, spec).unwrap().leave().unwrap());
            let twice: Vec<f64> = back.iter().map(|v| 2.0 * v).collect();
            near(&dx((a + b).unwrap()), &twice);
        }
    }
}

#[test]
fn the_fused_convolution_adds_the_residual_before_the_relu() {
    for (c, o, size, k, pad) in [(3, 7, 9, 3, 1), (20, 33, 6, 1, 0), (64, 64, 8, 3, 1)] {
        let (x, w, b) = (noise(1, &[2, c, size, size]), noise(2, &[o, c, k, k]), noise(3, &[o]));
        let r = noise(4, &[2, o, size, size]);
        let spec = ConvSpec::square(1, pad);
        let expected: Vec<f64> = flat(&direct(&x, &w, Some(&b), spec, [pad; 4]))
            .iter()
            .zip(flat(&r))
            .map(|(y, r)| (y + r).max(0.0))
            .collect();
        let y = conv2d_fused(&x, &w, Some(&b), spec, true, Some(&r)).unwrap();
        close(&flat(&y), &expected, 1e-12);
        let y = conv2d_fused(&f32s(&x), &f32s(&w), Some(&f32s(&b)), spec, true, Some(&f32s(&r))).unwrap();
        close(&flat(&y), &expected, 2e-5);
        assert!(!y.track_op());
    }
}

#[test]
fn no_gradient_is_computed_for_an_image() {
    let (x, w) = (noise(1, &[1, 3, 8, 8]), Var::from_tensor(&noise(2, &[4, 3, 3, 3])).unwrap());
    let grads = conv2d(&x, &w, None, ConvSpec::square(1, 1)).unwrap().sum_all().unwrap().backward().unwrap();
    assert!(grads.get(&x).is_none());
    assert!(grads.get(&w).is_some());
}

#[test]
fn views_are_read_in_their_own_order() {
    let (x, w) = (noise(1, &[6, 5, 7, 2]), noise(2, &[3, 3, 4, 6]));
    let (xv, wv) = (x.permute((3, 1, 2, 0)).unwrap().narrow(3, 1, 5).unwrap(), w.permute((3, 2, 0, 1)).unwrap());
    let wv = wv.narrow(1, 0, 4).unwrap().narrow(0, 1, 5).unwrap();
    let xv = xv.narrow(1, 1, 4).unwrap();
    let y = conv2d(&xv, &wv, None, ConvSpec::default()).unwrap();
    let expected = direct(&xv.contiguous().unwrap(), &wv.contiguous().unwrap(), None, ConvSpec::default(), [0; 4]);
    close(&flat(&y), &flat(&expected), 1e-12);
}

#[test]
fn shapes_that_do_not_fit_are_named() {
    let message = |r: Result<Tensor>| r.unwrap_err().to_string();
    let x = noise(1, &[1, 3, 8, 8]);
    let told = message(conv2d(&x, &noise(2, &[4, 5, 3, 3]), None, ConvSpec::default()));
    assert!(told.contains("[1, 3, 8, 8]") && told.contains("[4, 5, 3, 3]"), "{told}");
    let told = message(conv2d(&x, &noise(2, &[4, 3, 9, 9]), None, ConvSpec::default()));
    assert!(told.contains("larger than the padded input"), "{told}");
    let w = noise(2, &[4, 3, 3, 3]);
    let told = message(conv2d(&x, &w, Some(&noise(3, &[5])), ConvSpec::default()));
    assert!(told.contains("[5]"), "{told}");
    assert!(message(conv2d(&f32s(&x), &w, None, ConvSpec::default())).contains("F32"));
    let half = x.to_dtype(DType::F16).unwrap();
    assert!(message(conv2d(&half, &w.to_dtype(DType::F16).unwrap(), None, ConvSpec::default())).contains("F16"));
    let none = ConvSpec { groups: 0, ..ConvSpec::default() };
    assert!(message(conv2d(&x, &w, None, none)).contains("at least 1"));
    let told = message(conv2d_fused(&x, &w, None, ConvSpec::default(), false, Some(&x)));
    assert!(told.contains("residual"), "{told}");
}

#[test]
fn the_thread_count_does_not_change_a_bit() {
    // Without groups the 3x3 convolution of stride 1 goes the fast way back.
    let x = Var::from_tensor(&f32s(&noise(1, &[3, 20, 19, 17]))).unwrap();
    let b = Var::from_tensor(&f32s(&noise(3, &[24]))).unwrap();
    let run = |k: usize, stride: usize, groups: usize, threads: usize| {
        let w = Var::from_tensor(&f32s(&noise(2, &[24, 20 / groups, k, k]))).unwrap();
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(|| {
            let spec = ConvSpec { groups, ..ConvSpec::square(stride, k / 2) };
            let y = conv2d(&x, &w, Some(&b), spec).unwrap();
            let grads = y.sqr().unwrap().sum_all().unwrap().backward().unwrap();
            let mut all = flat(&y);
            for v in [&x, &w, &b] {
                all.extend(flat(grads.get(v).unwrap()));
            }
            all
        })
    };
    for (k, stride, groups) in [(3, 1, 1), (1, 1, 1), (3, 2, 2), (3, 1, 4)] {
        let one = run(k, stride, groups, 1);
        for threads in [2, 5] {
            assert!(one == run(k, stride, groups, threads), "{k} {stride} {groups}: {threads} threads");
        }
    }
}
