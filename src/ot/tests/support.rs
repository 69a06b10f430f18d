//! Inputs that the reference scripts can repeat.

use serde_json::Value;

use crate::domain::Grid;
use crate::ot::Cells;

pub fn fixture(name: &str) -> Value {
    let path = format!("{}/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{path}: {e}"))
}

pub fn number(value: &Value) -> f64 {
    value.as_f64().expect("a number")
}

pub fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().expect("a list").iter().map(number).collect()
}

/// `transport.py`'s generator.
pub fn lcg(seed: u64, n: usize) -> Vec<f64> {
    let mut state = seed;
    (0..n)
        .map(|_| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 11) as f64 / (1u64 << 53) as f64
        })
        .collect()
}

/// `backbones.py`'s fill rule as `training.py` uses it.
pub fn filled(prefix: &str, key: &str, n: usize) -> Vec<f32> {
    let hash = format!("{prefix}{key}")
        .bytes()
        .fold(0xcbf29ce484222325u64, |h, byte| (h ^ u64::from(byte)).wrapping_mul(0x100000001b3));
    (0..n as u64)
        .map(|i| {
            let mut z = hash.wrapping_add(i).wrapping_add(0x9E3779B97F4A7C15);
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58476D1CE4E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D049BB133111EB);
            z ^= z >> 31;
            (2.0 * ((z >> 40) as f64 / f64::from(1u32 << 24)) - 1.0) as f32
        })
        .collect()
}

/// A problem of `transport.json`.
pub struct Problem {
    pub cost: Vec<f64>,
    pub a: Vec<f64>,
    pub b: Vec<f64>,
}

pub fn transport_problem(case: &Value) -> Problem {
    let size = |key: &str| number(&case[key]) as usize;
    let (n, m, d, seed) = (size("n"), size("m"), size("d"), size("seed") as u64);
    let rows = |seed: u64, count: usize| -> Vec<Vec<f64>> {
        lcg(seed, count * d)
            .chunks_exact(d)
            .map(|row| {
                let row: Vec<f64> = row.iter().map(|x| x - 0.5).collect();
                let length = row.iter().map(|x| x * x).sum::<f64>().sqrt();
                row.iter().map(|x| x / length).collect()
            })
            .collect()
    };
    let (x, y) = (rows(seed, n), rows(seed + 100, m));
    let cost =
        x.iter().flat_map(|x| y.iter().map(move |y| 1.0 - x.iter().zip(y).map(|(p, q)| p * q).sum::<f64>())).collect();
    let weights = |seed: u64, count: usize| -> Vec<f64> {
        if case["weights"] != "rand" {
            return vec![1.0 / count as f64; count];
        }
        let raw: Vec<f64> = lcg(seed, count).iter().map(|x| x + 0.05).collect();
        let sum: f64 = raw.iter().sum();
        raw.iter().map(|x| x / sum).collect()
    };
    Problem { cost, a: weights(seed + 200, n), b: weights(seed + 300, m) }
}

/// A photo's cells, with what [`Cells`] borrows.
pub struct Photo {
    pub grid: Grid,
    pub dim: usize,
    pub cells: Vec<f32>,
    pub global: Vec<f32>,
}

impl Photo {
    /// From raw values `[channel, cell]`; the global vector is the mean of the raw cells.
    pub fn from_channels(raw: &[f64], dim: usize, grid: Grid) -> Self {
        let cells = grid.cells();
        let column = |cell: usize| -> Vec<f64> { (0..dim).map(|c| raw[c * cells + cell]).collect() };
        let mean: Vec<f64> = (0..dim).map(|c| raw[c * cells..(c + 1) * cells].iter().sum::<f64>()).collect();
        Self { grid, dim, cells: (0..cells).flat_map(|cell| unit(&column(cell))).collect(), global: unit(&mean) }
    }

    /// Random cells around a common direction, as real ones are.
    pub fn random(seed: u64, grid: Grid, dim: usize) -> Self {
        let common = lcg(seed, dim);
        let noise = lcg(seed.wrapping_add(1), grid.cells() * dim);
        let mut raw = vec![0.0; grid.cells() * dim];
        for cell in 0..grid.cells() {
            for c in 0..dim {
                raw[c * grid.cells() + cell] = common[c] - 0.5 + 2.0 * (noise[cell * dim + c] - 0.5);
            }
        }
        Self::from_channels(&raw, dim, grid)
    }

    pub fn view(&self) -> Cells<'_> {
        Cells { grid: self.grid, dim: self.dim, cells: &self.cells, global: &self.global }
    }
}

fn unit(x: &[f64]) -> Vec<f32> {
    let length = x.iter().map(|x| x * x).sum::<f64>().sqrt();
    x.iter().map(|x| (x / length) as f32).collect()
}

#[track_caller]
pub fn near(got: f64, expected: f64, tolerance: f64, what: &str) {
    assert!((got - expected).abs() <= tolerance, "{what}: {got} is not within {tolerance} of {expected}");
}

pub fn narrow(values: &[f64]) -> Vec<f32> {
    values.iter().map(|&x| x as f32).collect()
}

pub fn widen(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&x| f64::from(x)).collect()
}

/// Weights that sum to 1, of numbers of which all may be zero.
pub fn scaled(raw: &[f32]) -> Vec<f32> {
    let mut weights = raw.to_vec();
    weights[0] += 0.1;
    let sum: f32 = weights.iter().sum();
    weights.iter().map(|weight| weight / sum).collect()
}
