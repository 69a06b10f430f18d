//! Numbers that come out the same on every machine: chance from ChaCha, trigonometry from plain arithmetic.
//!
//! The platform's `sin` may differ in its last bit between C libraries; sums, products, quotients and square
//! roots may not. A sample that is drawn again must be the same to the byte, so only those are used here.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// A point, in centimetres on a garment or body, or in pixels of a photo.
pub type P = [f32; 2];

pub const TAU: f32 = std::f32::consts::TAU;

/// Chance for one thing of the sample, keyed by what it is for and never by when it is asked.
pub struct Dice(ChaCha8Rng);

impl Dice {
    pub fn new(seed: u64, purpose: u64, product: u64, photo: u64) -> Self {
        let mut key = [0u8; 32];
        for (slot, word) in key.as_chunks_mut::<8>().0.iter_mut().zip([seed, purpose, product, photo]) {
            *slot = word.to_le_bytes();
        }
        Self(ChaCha8Rng::from_seed(key))
    }

    pub fn word(&mut self) -> u32 {
        self.0.next_u32()
    }

    /// Uniform in 0..1.
    pub fn unit(&mut self) -> f32 {
        (self.0.next_u32() >> 8) as f32 * (1.0 / 16_777_216.0)
    }

    pub fn range(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    pub fn chance(&mut self, probability: f32) -> bool {
        self.unit() < probability
    }

    /// Uniform in `0..count`; 0 where there is nothing to choose from.
    pub fn below(&mut self, count: usize) -> usize {
        ((u64::from(self.0.next_u32()) * count as u64) >> 32) as usize
    }

    pub fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    /// -1 or 1.
    pub fn sign(&mut self) -> f32 {
        if self.chance(0.5) { 1.0 } else { -1.0 }
    }

    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

/// Sine by its odd series on a quarter turn; off by less than 1e-6.
pub fn sin(angle: f32) -> f32 {
    let turns = angle / TAU;
    let x = (turns - floor(turns + 0.5)) * TAU;
    let half = std::f32::consts::PI;
    let x = if x > half / 2.0 {
        half - x
    } else if x < -half / 2.0 {
        -half - x
    } else {
        x
    };
    let q = x * x;
    x * (1.0 - q / 6.0 * (1.0 - q / 20.0 * (1.0 - q / 42.0 * (1.0 - q / 72.0 * (1.0 - q / 110.0)))))
}

pub fn cos(angle: f32) -> f32 {
    sin(angle + TAU / 4.0)
}

pub fn lerp(a: f32, b: f32, t: f32) -> f32 {
    a + (b - a) * t
}

pub fn mix(a: P, b: P, t: f32) -> P {
    [lerp(a[0], b[0], t), lerp(a[1], b[1], t)]
}

pub fn add(a: P, b: P) -> P {
    [a[0] + b[0], a[1] + b[1]]
}

pub fn sub(a: P, b: P) -> P {
    [a[0] - b[0], a[1] - b[1]]
}

pub fn scale(a: P, k: f32) -> P {
    [a[0] * k, a[1] * k]
}

/// `a + direction * k`.
pub fn along(a: P, direction: P, k: f32) -> P {
    [a[0] + direction[0] * k, a[1] + direction[1] * k]
}

pub fn dot(a: P, b: P) -> f32 {
    a[0] * b[0] + a[1] * b[1]
}

pub fn length(a: P) -> f32 {
    dot(a, a).sqrt()
}

pub fn unit(a: P) -> P {
    let n = length(a);
    if n > 1e-9 { scale(a, 1.0 / n) } else { [0.0, 1.0] }
}

/// A quarter turn: the direction's left hand where y points down.
pub fn perp(a: P) -> P {
    [a[1], -a[0]]
}

/// A direction `angle` away from straight down, towards +x.
pub fn down(angle: f32) -> P {
    [sin(angle), cos(angle)]
}

/// 0 below `a`, 1 above `b`, smooth between.
pub fn smoothstep(a: f32, b: f32, x: f32) -> f32 {
    let t = ((x - a) / (b - a)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// A bell of width about `width`, without an exponential.
pub fn bell(x: f32, width: f32) -> f32 {
    let q = x / width;
    let d = 1.0 + q * q;
    1.0 / (d * d)
}

/// The largest whole number not above `x`; faster than the library's where a machine lacks the instruction.
pub fn floor(x: f32) -> f32 {
    let whole = x as i32 as f32;
    if whole > x { whole - 1.0 } else { whole }
}

/// Noise in -1..1 that belongs to a lattice point.
pub fn hash(x: i32, y: i32, seed: u32) -> f32 {
    let mut h = (x as u32).wrapping_mul(0x9E37_79B1) ^ (y as u32).wrapping_mul(0x85EB_CA77) ^ seed;
    h = (h ^ (h >> 15)).wrapping_mul(0x2C1B_3C6D);
    h = (h ^ (h >> 12)).wrapping_mul(0x297A_2D39);
    h ^= h >> 15;
    (h >> 8) as f32 * (2.0 / 16_777_216.0) - 1.0
}

/// Smooth noise in -1..1 with features of about one unit.
pub fn noise(x: f32, y: f32, seed: u32) -> f32 {
    let (fx, fy) = (floor(x), floor(y));
    let (tx, ty) = (x - fx, y - fy);
    let (sx, sy) = (tx * tx * (3.0 - 2.0 * tx), ty * ty * (3.0 - 2.0 * ty));
    let (ix, iy) = (fx as i32, fy as i32);
    let top = lerp(hash(ix, iy, seed), hash(ix + 1, iy, seed), sx);
    let bottom = lerp(hash(ix, iy + 1, seed), hash(ix + 1, iy + 1, seed), sx);
    lerp(top, bottom, sy)
}

/// Linear interpolation in a table of (x, y) with rising x; flat beyond its ends.
pub fn table(points: &[(f32, f32)], x: f32) -> f32 {
    let mut last = points[0];
    if x <= last.0 {
        return last.1;
    }
    for &point in &points[1..] {
        if x <= point.0 {
            return lerp(last.1, point.1, (x - last.0) / (point.0 - last.0));
        }
        last = point;
    }
    last.1
}
