//! Tests only: the reference file and the rule by which its inputs are filled.

use candle_core::{DType, Device, Tensor, Var};
use serde_json::Value;

pub fn training() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/training.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

pub fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

/// The `i`-th uniform number of a key, as `backbones.py` defines it.
fn uniform(key: &str, i: u64) -> f64 {
    let hash =
        key.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, byte| (h ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let mut z = hash.wrapping_add(i).wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^= z >> 31;
    (z >> 40) as f64 / f64::from(1 << 24)
}

/// 2 u - 1, rounded to f32 as the reference does.
pub fn value(prefix: &str, key: &str, shape: &[usize]) -> Var {
    let key = format!("{prefix}{key}");
    let count: usize = shape.iter().product();
    let values: Vec<f64> = (0..count as u64).map(|i| f64::from((2.0 * uniform(&key, i) - 1.0) as f32)).collect();
    Var::from_tensor(&Tensor::from_vec(values, shape, &Device::Cpu).unwrap()).unwrap()
}

/// A state-dict entry of a network, filled by the reference's rule for its name.
pub fn parameter(prefix: &str, name: &str, shape: &[usize]) -> Tensor {
    let key = format!("{prefix}{name}");
    let (owner, leaf) = name.rsplit_once('.').unwrap();
    let norm = owner.contains("bn") || owner.ends_with("downsample.1");
    let count: usize = shape.iter().product();
    let fan_in: usize = shape[1.min(shape.len())..].iter().product();
    let values: Vec<f64> = (0..count as u64)
        .map(|i| {
            let u = uniform(&key, i);
            let value = match leaf {
                "running_var" => 0.5 + u,
                "weight" if norm => 0.5 + u,
                "running_mean" | "bias" => (2.0 * u - 1.0) * 0.1,
                _ => (2.0 * u - 1.0) * (3.0 / fan_in as f64).sqrt(),
            };
            f64::from(value as f32)
        })
        .collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

pub fn host(tensor: &Tensor) -> Vec<f64> {
    tensor.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

/// Fails unless all pairs agree within `tolerance` of the larger of 1 and the expected value.
#[track_caller]
pub fn assert_close(what: &str, got: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(got.len(), expected.len(), "{what}");
    for (i, (g, e)) in got.iter().zip(expected).enumerate() {
        assert!((g - e).abs() <= tolerance * e.abs().max(1.0), "{what}[{i}]: {g} instead of {e}");
    }
}
