use candle_core::{Device, Tensor, Var};
use half::bf16;
use proptest::prelude::*;

use super::super::plan::{self, Arguments, Channels, Module, NormGradients, NormParameters, Number, Windows};
use super::emulator::{Buffer, in_either_order, wide};
use crate::nn::ops;
use crate::nn::ops::tests::bits;

pub const NUMBERS: [Number; 3] = [Number::F32, Number::F64, Number::Bf16];
const EPSILON: f64 = 1e-5;

/// What a result may be off by, relative to the largest value of all.
fn tolerance(number: Number) -> f64 {
    match number {
        Number::F32 => 2e-5,
        Number::F64 => 1e-12,
        // Half a unit in the last of eight bits, for the result and for what it was computed from.
        Number::Bf16 => 1.0 / 128.0,
    }
}

pub fn close(what: &str, number: Number, got: &[f64], wanted: &[f64]) {
    assert_eq!(got.len(), wanted.len(), "{what}");
    let largest = wanted.iter().fold(1.0_f64, |most, v| most.max(v.abs()));
    for (i, (g, w)) in got.iter().zip(wanted).enumerate() {
        let near = (g - w).abs() <= tolerance(number) * largest || (g.is_nan() && w.is_nan());
        assert!(near, "{what}, {number:?}, value {i}: {g} is not {w}");
    }
}

/// Numbers without pattern between -1 and 1, as `number` holds them.
pub fn noise(seed: u64, len: usize, number: Number) -> Vec<f64> {
    bits(seed).map(|bits| rounded((bits >> 11) as f64 / (1u64 << 52) as f64 - 1.0, number)).take(len).collect()
}

pub fn rounded(value: f64, number: Number) -> f64 {
    match number {
        Number::F32 => f64::from(value as f32),
        Number::F64 => value,
        Number::Bf16 => bf16::from_f64(value).to_f64(),
    }
}

pub fn tensor(values: &[f64], shape: &[usize]) -> Tensor {
    Tensor::from_vec(values.to_vec(), shape, &Device::Cpu).unwrap()
}

pub fn flat(t: &Tensor) -> Vec<f64> {
    t.flatten_all().unwrap().to_vec1().unwrap()
}

/// Fields of `typedef struct { … } Name;` in a kernel's source.
fn fields(source: &str, name: &str) -> Vec<String> {
    let (before, _) = source.split_once(&format!("}} {name};")).unwrap_or_else(|| panic!("there is no struct {name}"));
    let (_, body) = before.rsplit_once("typedef struct {").unwrap();
    let code: String = body.lines().map(|line| line.split("//").next().unwrap_or_default()).collect();
    let statements = code.split(';').filter(|s| !s.trim().is_empty());
    let word = |s: &str| s.trim().trim_start_matches('*').rsplit([' ', '*']).next().unwrap_or_default().to_owned();
    statements.flat_map(|statement| statement.split(',').map(word).collect::<Vec<_>>()).collect()
}

#[test]
fn arguments_have_the_fields_of_their_structs_in_order() {
    fn check<A: Arguments>() {
        assert_eq!(fields(A::MODULE.source(), A::NAME), A::FIELDS, "{}", A::NAME);
        assert_eq!(size_of::<A>(), 8 * A::FIELDS.len(), "{}", A::NAME);
    }
    check::<plan::Moments>();
    check::<plan::Join>();
    check::<plan::Slope>();
    check::<plan::Apply>();
    check::<plan::GradientSums>();
    check::<plan::GradientJoin>();
    check::<plan::GradientInput>();
    check::<plan::MaxPool>();
    check::<plan::MaxPoolGradient>();
    check::<plan::AvgPool>();
    check::<plan::Rectify>();
    check::<plan::Mask>();
    check::<plan::Epilogue>();
    check::<plan::ChannelSums>();
    check::<plan::ChannelJoin>();
    check::<plan::Scale>();
    check::<plan::PlaneSums>();
    check::<plan::Transpose>();
    check::<plan::Entry>();
    check::<plan::Squares>();
    check::<plan::Clip>();
    check::<plan::Lengths>();
    check::<plan::Fit>();
    check::<plan::Sgd>();
    check::<plan::AdamW>();
    check::<plan::Sinkhorn>();
    let kernels: usize = Module::ALL.iter().map(|module| module.source().matches("typedef struct").count()).sum();
    assert_eq!(kernels, 26, "a struct of the sources is not compared here");
}

/// The same normalisation by the CPU's operation, in 64 bits: y, then the gradients of x, weight, bias and residual.
fn norm_on_cpu(
    sizes: Channels,
    [x, weight, bias, residual, dy]: [&[f64]; 5],
    given: Option<(&[f64], &[f64])>,
    relu: bool,
) -> Vec<Vec<f64>> {
    let shape = [sizes.images, sizes.channels, sizes.pixels, 1];
    let [x, residual] = [x, residual].map(|v| Var::from_tensor(&tensor(v, &shape)).unwrap());
    let [weight, bias] = [weight, bias].map(|v| Var::from_tensor(&tensor(v, &[sizes.channels])).unwrap());
    let (y, moments) = match (given, relu) {
        (Some((mean, variance)), _) => {
            let [mean, variance] = [mean, variance].map(|v| tensor(v, &[sizes.channels]));
            let y = ops::batch_norm_eval(&x, &weight, &bias, &mean, &variance, EPSILON).unwrap();
            (if relu { ops::add_relu(&y, &residual).unwrap() } else { y }, None)
        }
        (None, true) => {
            let (y, mean, variance) =
                ops::batch_norm_train_relu(&x, &weight, &bias, EPSILON, Some(residual.as_tensor())).unwrap();
            (y, Some((mean, variance)))
        }
        (None, false) => {
            let (y, mean, variance) = ops::batch_norm_train(&x, &weight, &bias, EPSILON).unwrap();
            (y, Some((mean, variance)))
        }
    };
    let gradients = (&y * tensor(dy, &shape)).unwrap().sum_all().unwrap().backward().unwrap();
    let mut all = vec![flat(&y)];
    let inputs = if relu { vec![&x, &weight, &bias, &residual] } else { vec![&x, &weight, &bias] };
    all.extend(inputs.into_iter().map(|var| flat(gradients.get(var).unwrap())));
    if let Some((mean, variance)) = moments {
        all.extend([flat(&mean), flat(&variance)]);
    }
    all
}

/// As [`norm_on_cpu`] by the kernels.
pub fn norm_by_kernels(
    number: Number,
    sizes: Channels,
    [x, weight, bias, residual, dy]: [&[f64]; 5],
    given: Option<(&[f64], &[f64])>,
    relu: bool,
) -> Vec<Vec<f64>> {
    in_either_order(number, |on| {
        let single = wide(number);
        let [x, r, dy] = [x, residual, dy].map(|v| Buffer::of(number, v));
        let [weight, bias] = [weight, bias].map(|v| Buffer::of(single, v));
        let per_channel = || Buffer::new(single, sizes.channels);
        let partial = Buffer::new(single, sizes.partial(2));
        let (mean, variance, unbiased) = match given {
            Some((mean, variance)) => (Buffer::of(single, mean), Buffer::of(single, variance), per_channel()),
            None => {
                let [mean, variance, unbiased] = std::array::from_fn(|_| per_channel());
                let to = [&mean, &variance, &unbiased].map(Buffer::address);
                plan::moments(on, sizes, x.address(), partial.address(), to)?;
                (mean, variance, unbiased)
            }
        };
        let [slope, shift, lean, dweight, dbias] = std::array::from_fn(|_| per_channel());
        let [y, dx, behind] = std::array::from_fn(|_| Buffer::new(number, sizes.total()));
        let parameters = NormParameters {
            mean: mean.address(),
            variance: variance.address(),
            weight: weight.address(),
            bias: bias.address(),
            epsilon: EPSILON,
        };
        let residual = if relu { r.address() } else { 0 };
        let scratch = [&slope, &shift].map(Buffer::address);
        plan::normalise(on, sizes, (x.address(), residual, y.address()), parameters, scratch, relu)?;
        let gradients = NormGradients {
            dx: dx.address(),
            behind: if relu { behind.address() } else { 0 },
            dweight: dweight.address(),
            dbias: dbias.address(),
        };
        let scratch = [&partial, &slope, &lean, &shift].map(Buffer::address);
        let from = (x.address(), y.address(), dy.address());
        plan::normalise_gradient(on, sizes, from, parameters, gradients, scratch, (relu, given.is_some()))?;
        let mut all = vec![y.read(), dx.read(), dweight.read(), dbias.read()];
        if relu {
            all.push(behind.read());
        }
        if given.is_none() {
            all.extend([mean.read(), unbiased.read()]);
        }
        Ok(all)
    })
}

pub fn check_norm(number: Number, sizes: Channels, seed: u64, with_moments: bool, relu: bool) {
    let single = wide(number);
    let per_channel = |n, lift| noise(seed + n, sizes.channels, single).iter().map(|v| v + lift).collect::<Vec<_>>();
    let per_channel = |n, lift| per_channel(n, lift).into_iter().map(|v| rounded(v, single)).collect::<Vec<_>>();
    let each = |n| noise(seed + n, sizes.total(), number);
    let (x, residual, dy) = (each(1), each(2), each(3));
    let (weight, bias, mean, variance) =
        (per_channel(4, 0.5), per_channel(5, 0.0), per_channel(6, 0.0), per_channel(7, 1.5));
    let inputs = [&x[..], &weight, &bias, &residual, &dy];
    let given = with_moments.then_some((&mean[..], &variance[..]));
    let (wanted, got) = (norm_on_cpu(sizes, inputs, given, relu), norm_by_kernels(number, sizes, inputs, given, relu));
    assert_eq!(wanted.len(), got.len());
    if number == Number::Bf16 && relu {
        // At a result that rounds to zero or to above it, the two may disagree on whether a gradient passes: what the
        // kernel must do follows from its own rounded result, so y alone is compared here and the rest in 32 bits.
        return close("y", number, &got[0], &wanted[0]);
    }
    let names = ["y", "dx", "dweight", "dbias", "more", "more", "more"];
    for ((name, got), wanted) in names.iter().zip(&got).zip(&wanted) {
        close(name, number, got, wanted);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn normalisation_is_the_cpus(
        images in 1_usize..5, channels in 1_usize..9, pixels in 2_usize..70, seed: u64, given: bool, relu: bool,
    ) {
        for number in NUMBERS {
            check_norm(number, Channels { images, channels, pixels }, seed >> 8, given, relu);
        }
    }

    #[test]
    fn pools_are_the_cpus(
        planes in 1_usize..4, height in 1_usize..14, width in 1_usize..14,
        kernel in 1_usize..5, stride in 1_usize..4, padding in 0_usize..3, levels in 2_u64..9, seed: u64,
    ) {
        let padding = padding.min(kernel / 2);
        prop_assume!(height + 2 * padding >= kernel && width + 2 * padding >= kernel);
        for number in NUMBERS {
            check_pools(number, (planes, height, width), (kernel, stride, padding), levels, seed >> 8);
        }
    }

    #[test]
    fn maxima_of_cut_windows_and_of_whole_planes_are_the_cpus(
        planes in 1_usize..4, height in 1_usize..14, width in 1_usize..14, kernel in 1_usize..5, stride in 1_usize..4,
        seed: u64,
    ) {
        prop_assume!(height >= kernel && width >= kernel);
        for number in NUMBERS {
            let x = noise(seed >> 8, planes * height * width, number);
            let (side, one) = (height.max(width), [planes, height, width]);
            check_maxima(number, &x, one, (kernel, stride, 0), |x| ops::max_pool2d_ceil(x, kernel, stride));
            check_maxima(number, &x, one, (side, side, 0), |x| ops::global_max_pool(x)?.reshape((1, planes, 1, 1)));
        }
    }

    #[test]
    fn adaptive_pools_are_the_cpus(
        planes in 1_usize..4, height in 1_usize..14, width in 1_usize..14, rows in 1_usize..9, columns in 1_usize..9,
        seed: u64,
    ) {
        for number in NUMBERS {
            let windows = Windows { planes, height, width, inner: 1, rows, columns, sliding: None };
            check_average(number, windows, seed >> 8, |x| ops::adaptive_avg_pool2d(x, (rows, columns)));
        }
    }

    #[test]
    fn channel_sums_and_epilogues_are_the_definition(
        images in 0_usize..4, channels in 1_usize..7, pixels in 1_usize..40, seed: u64, relu: bool, parts: [bool; 2],
    ) {
        for number in NUMBERS {
            check_epilogue(number, Channels { images, channels, pixels }, seed >> 8, relu, parts);
        }
    }
}

#[test]
fn a_channel_longer_than_one_piece_is_normalised_alike() {
    let sizes = Channels { images: 5, channels: 2, pixels: 3701 };
    assert!(sizes.parts() > 1);
    for number in NUMBERS {
        check_norm(number, sizes, 11, false, true);
        check_norm(number, sizes, 12, true, false);
    }
    // 64 pieces at most, and then longer ones; the last is shorter than the others.
    let long = Channels { images: 1, channels: 1, pixels: 64 * 8192 + 77 };
    assert_eq!(long.parts(), 64);
    check_norm(Number::F32, long, 13, false, false);
}

#[test]
fn a_channel_far_from_zero_keeps_its_variance() {
    // Sums of squares instead of squares about the mean would lose it all: 1000^2 is 2^20 of the variance of 1.
    let sizes = Channels { images: 4, channels: 1, pixels: 5000 };
    let x: Vec<f64> = noise(5, sizes.total(), Number::F32).iter().map(|v| f64::from((v + 1000.0) as f32)).collect();
    let mean = x.iter().sum::<f64>() / x.len() as f64;
    let variance = x.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / x.len() as f64;
    let got = in_either_order(Number::F32, |on| {
        let [partial, m, v, u] = [sizes.partial(2), 1, 1, 1].map(|len| Buffer::new(Number::F32, len));
        let x = Buffer::of(Number::F32, &x);
        plan::moments(on, sizes, x.address(), partial.address(), [&m, &v, &u].map(Buffer::address))?;
        Ok(vec![m.read(), v.read()])
    });
    assert!((got[0][0] - mean).abs() < 1e-3, "{} is not {mean}", got[0][0]);
    assert!((got[1][0] / variance - 1.0).abs() < 1e-4, "{} is not {variance}", got[1][0]);
}

fn check_pools(
    number: Number,
    (planes, height, width): (usize, usize, usize),
    (kernel, stride, padding): (usize, usize, usize),
    levels: u64,
    seed: u64,
) {
    let count = |size: usize| (size + 2 * padding - kernel) / stride + 1;
    let (rows, columns) = (count(height), count(width));
    let windows = Windows { planes, height, width, inner: 1, rows, columns, sliding: Some((kernel, stride, padding)) };
    // Few levels, so that there are ties.
    let x: Vec<f64> = noise(seed, windows.inputs(), Number::F64).iter().map(|v| (v * levels as f64).round()).collect();
    let dy = noise(seed + 1, windows.outputs(), number);
    let got = in_either_order(number, |on| {
        let [x, dy] = [&x, &dy].map(|v| Buffer::of(number, v));
        let (y, winners) = (Buffer::new(number, windows.outputs()), Buffer::new(Number::F32, windows.outputs()));
        let dx = Buffer::new(number, windows.inputs());
        plan::max_pool(on, windows, x.address(), y.address(), winners.address())?;
        plan::max_pool_gradient(on, windows, dy.address(), winners.address(), dx.address())?;
        Ok(vec![y.read(), dx.read(), winners.read_integers().into_iter().map(f64::from).collect()])
    });
    let var = Var::from_tensor(&tensor(&x, &[1, planes, height, width])).unwrap();
    let y = ops::max_pool2d(&var, kernel, stride, padding).unwrap();
    assert_eq!(got[0], flat(&y));
    let weighted = (&y * tensor(&dy, y.dims())).unwrap().sum_all().unwrap();
    close("max-pool gradient", number, &got[1], &flat(weighted.backward().unwrap().get(&var).unwrap()));
    check_average(number, windows, seed, |x| ops::avg_pool2d(x, kernel, stride, padding));
}

/// As many rows and columns as the CPU's operation has.
fn check_maxima(
    number: Number,
    x: &[f64],
    [planes, height, width]: [usize; 3],
    sliding: (usize, usize, usize),
    cpu: impl Fn(&Tensor) -> candle_core::Result<Tensor>,
) {
    let var = Var::from_tensor(&tensor(x, &[1, planes, height, width])).unwrap();
    let y = cpu(&var).unwrap();
    let (_, _, rows, columns) = y.dims4().unwrap();
    let windows = Windows { planes, height, width, inner: 1, rows, columns, sliding: Some(sliding) };
    let dy = noise(77, windows.outputs(), number);
    let got = in_either_order(number, |on| {
        let [x, dy] = [x, &dy[..]].map(|v| Buffer::of(number, v));
        let (y, winners) = (Buffer::new(number, windows.outputs()), Buffer::new(Number::F32, windows.outputs()));
        let dx = Buffer::new(number, windows.inputs());
        plan::max_pool(on, windows, x.address(), y.address(), winners.address())?;
        plan::max_pool_gradient(on, windows, dy.address(), winners.address(), dx.address())?;
        Ok(vec![y.read(), dx.read()])
    });
    assert_eq!(got[0], flat(&y));
    let weighted = (&y * tensor(&dy, y.dims())).unwrap().sum_all().unwrap();
    close("maxima's gradient", number, &got[1], &flat(weighted.backward().unwrap().get(&var).unwrap()));
}

fn check_average(number: Number, windows: Windows, seed: u64, cpu: impl Fn(&Tensor) -> candle_core::Result<Tensor>) {
    let (x, dy) = (noise(seed + 2, windows.inputs(), number), noise(seed + 3, windows.outputs(), number));
    let got = in_either_order(number, |on| {
        let [x, dy] = [&x, &dy].map(|v| Buffer::of(number, v));
        let (y, dx) = (Buffer::new(number, windows.outputs()), Buffer::new(number, windows.inputs()));
        plan::avg_pool(on, windows, x.address(), y.address())?;
        plan::avg_pool_gradient(on, windows, dy.address(), dx.address())?;
        Ok(vec![y.read(), dx.read()])
    });
    let var = Var::from_tensor(&tensor(&x, &[1, windows.planes, windows.height, windows.width])).unwrap();
    let y = cpu(&var).unwrap();
    close("mean", number, &got[0], &flat(&y));
    let weighted = (&y * tensor(&dy, y.dims())).unwrap().sum_all().unwrap();
    close("mean's gradient", number, &got[1], &flat(weighted.backward().unwrap().get(&var).unwrap()));
}

#[test]
fn nan_wins_a_maximum_and_passes_through_a_relu() {
    for number in NUMBERS {
        let got = in_either_order(number, |on| {
            let x = Buffer::of(number, &[1.0, f64::NAN, 3.0, 2.0, -1.0, 5.0, 5.0, f64::NEG_INFINITY]);
            let windows =
                Windows { planes: 2, height: 2, width: 2, inner: 1, rows: 1, columns: 1, sliding: Some((2, 2, 0)) };
            let (y, winners) = (Buffer::new(number, 2), Buffer::new(Number::F32, 2));
            plan::max_pool(on, windows, x.address(), y.address(), winners.address())?;
            let rectified = Buffer::new(number, 8);
            plan::rectify(on, 8, x.address(), 0, rectified.address())?;
            Ok(vec![y.read(), winners.read_integers().into_iter().map(f64::from).collect(), rectified.read()])
        });
        assert!(got[0][0].is_nan() && got[0][1] == 5.0, "{:?}", got[0]);
        assert_eq!(got[1], [1.0, 1.0], "the first of equals wins");
        assert!(got[2][1].is_nan(), "{:?}", got[2]);
        assert_eq!([&got[2][..1], &got[2][2..]].concat(), [1.0, 3.0, 2.0, 0.0, 5.0, 5.0, 0.0]);
    }
}

#[test]
fn relus_and_their_gradients_are_the_cpus() {
    for (number, len) in NUMBERS.into_iter().flat_map(|number| [1, 255, 256, 257, 1000].map(|len| (number, len))) {
        let (mut a, b, dy) = (noise(21, len, number), noise(22, len, number), noise(23, len, number));
        a[0] = 0.0;
        let got = in_either_order(number, |on| {
            let [x, other, dy] = [&a, &b, &dy].map(|v| Buffer::of(number, v));
            let [alone, sum, dx] = std::array::from_fn(|_| Buffer::new(number, len));
            plan::rectify(on, len, x.address(), 0, alone.address())?;
            plan::rectify(on, len, x.address(), other.address(), sum.address())?;
            plan::mask(on, len, alone.address(), dy.address(), dx.address())?;
            Ok(vec![alone.read(), sum.read(), dx.read()])
        });
        let (a, b) = (Var::from_tensor(&tensor(&a, &[len])).unwrap(), tensor(&b, &[len]));
        let y = ops::relu(&a).unwrap();
        let weighted = (&y * tensor(&dy, &[len])).unwrap().sum_all().unwrap();
        assert_eq!(got[0], flat(&y));
        assert_eq!(got[2], flat(weighted.backward().unwrap().get(&a).unwrap()));
        close("sum", number, &got[1], &flat(&ops::add_relu(&a, &b).unwrap()));
    }
}

pub fn check_epilogue(number: Number, sizes: Channels, seed: u64, relu: bool, [with_bias, with_residual]: [bool; 2]) {
    let (y, residual) = (noise(seed, sizes.total(), number), noise(seed + 1, sizes.total(), number));
    let bias = noise(seed + 2, sizes.channels, number);
    let got = in_either_order(number, |on| {
        let [out, b, r] = [&y, &bias, &residual].map(|v| Buffer::of(number, v));
        let (partial, sums) = (Buffer::new(wide(number), sizes.partial(1)), Buffer::new(number, sizes.channels));
        plan::channel_sums(on, sizes, out.address(), partial.address(), sums.address())?;
        let [b, r] = [(with_bias, &b), (with_residual, &r)].map(|(with, v)| if with { v.address() } else { 0 });
        plan::epilogue(on, sizes, out.address(), (b, r), relu)?;
        Ok(vec![out.read(), sums.read()])
    });
    let channel = |i: usize| i / sizes.pixels % sizes.channels;
    let mut sums = vec![0.0; sizes.channels];
    y.iter().enumerate().for_each(|(i, v)| sums[channel(i)] += v);
    let wanted: Vec<f64> = (0..y.len())
        .map(|i| {
            let sum =
                y[i] + if with_bias { bias[channel(i)] } else { 0.0 } + if with_residual { residual[i] } else { 0.0 };
            if relu { sum.max(0.0) } else { sum }
        })
        .collect();
    close("epilogue", number, &got[0], &wanted);
    close("sums", number, &got[1], &sums);
}

/// Oracle: the `half` crate.
#[test]
fn bf16_is_read_and_rounded_as_everywhere() {
    let every: Vec<f64> = (0..=u16::MAX).map(|bits| bf16::from_bits(bits).to_f64()).collect();
    let others: Vec<f64> = (0..=u16::MAX).map(|bits| bf16::from_bits(bits.rotate_left(5) ^ 0x1357).to_f64()).collect();
    let got = in_either_order(Number::Bf16, |on| {
        let [kept, x, other] = [&every, &every, &others].map(|v| Buffer::of(Number::Bf16, v));
        let sum = Buffer::new(Number::Bf16, every.len());
        let sizes = Channels { images: 1, channels: 1, pixels: every.len() };
        plan::epilogue(on, sizes, kept.address(), (0, 0), false)?;
        plan::epilogue(on, sizes, x.address(), (0, other.address()), false)?;
        plan::rectify(on, every.len(), x.address(), 0, sum.address())?;
        Ok(vec![kept.read(), x.read()])
    });
    let same = |got: f64, wanted: f64| got.to_bits() == wanted.to_bits() || (got.is_nan() && wanted.is_nan());
    for (i, (a, b)) in every.iter().zip(&others).enumerate() {
        assert!(same(got[0][i], *a), "{i}: {} is not {a}", got[0][i]);
        let sum = bf16::from_f32(*a as f32 + *b as f32).to_f64();
        assert!(same(got[1][i], sum), "{a} + {b}: {} is not {sum}", got[1][i]);
    }
}
