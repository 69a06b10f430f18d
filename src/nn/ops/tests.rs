//! Oracles: finite differences in `f64`, direct loops, and formulas written out in the test.

use candle_core::{DType, Device, Result, Tensor, Var};

use super::*;

mod conv;
mod gradients;
mod others;
mod tape;

/// Bits without pattern, the same in every run (xorshift64; Marsaglia 2003, "Xorshift RNGs").
pub(super) fn bits(seed: u64) -> impl Iterator<Item = u64> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    })
}

/// Numbers without pattern between -1 and 1, the same in every run.
fn noise(seed: u64, shape: &[usize]) -> Tensor {
    let number = |bits: u64| (bits >> 11) as f64 / (1u64 << 52) as f64 - 1.0;
    let values: Vec<f64> = bits(seed).map(number).take(shape.iter().product()).collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

fn flat(t: &Tensor) -> Vec<f64> {
    t.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

fn close(a: &[f64], b: &[f64], tolerance: f64) {
    assert_eq!(a.len(), b.len());
    for (i, (a, b)) in a.iter().zip(b).enumerate() {
        assert!((a - b).abs() <= tolerance * (1.0 + b.abs()), "value {i}: {a} is not {b}");
    }
}

/// Compares candle's `backward` through `f` with central differences, for every input, under a random weighting of the
/// outputs (so that no error can cancel out).
fn check_gradients(inputs: &[Tensor], f: impl Fn(&[Tensor]) -> Result<Tensor>) {
    let vars: Vec<Var> = inputs.iter().map(|t| Var::from_tensor(t).unwrap()).collect();
    let tensors: Vec<Tensor> = vars.iter().map(|v| v.as_tensor().clone()).collect();
    let y = f(&tensors).unwrap();
    let weights = noise(99, y.dims());
    let value =
        |inputs: &[Tensor]| -> f64 { flat(&f(inputs).unwrap()).iter().zip(flat(&weights)).map(|(y, w)| y * w).sum() };
    let grads = (y * &weights).unwrap().sum_all().unwrap().backward().unwrap();
    for (i, var) in vars.iter().enumerate() {
        let got = flat(grads.get(var).unwrap_or_else(|| panic!("input {i} received no gradient")));
        assert!(got.iter().any(|g| *g != 0.0), "the gradient of input {i} is zero");
        let base = flat(&inputs[i]);
        let step = 1e-5;
        let expected: Vec<f64> = (0..base.len())
            .map(|j| {
                let moved = |by: f64| {
                    let mut values = base.clone();
                    values[j] += by;
                    let mut all = inputs.to_vec();
                    all[i] = Tensor::from_vec(values, inputs[i].shape(), &Device::Cpu).unwrap();
                    value(&all)
                };
                (moved(step) - moved(-step)) / (2.0 * step)
            })
            .collect();
        close(&got, &expected, 2e-7);
    }
}
