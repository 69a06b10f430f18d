//! Random numbers that depend on what they are for and on nothing else.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// A generator keyed by four numbers: the same key gives the same numbers on every machine and thread.
pub struct Dice(ChaCha8Rng);

impl Dice {
    pub fn new(key: [u64; 4]) -> Self {
        let mut seed = [0; 32];
        for (bytes, part) in seed.chunks_exact_mut(8).zip(key) {
            bytes.copy_from_slice(&part.to_le_bytes());
        }
        Self(ChaCha8Rng::from_seed(seed))
    }

    /// Uniform in 0..1, in steps of 2^-24.
    pub fn unit(&mut self) -> f32 {
        (self.0.next_u32() >> 8) as f32 / (1 << 24) as f32
    }

    pub fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    pub fn chance(&mut self, probability: f32) -> bool {
        self.unit() < probability
    }

    /// Uniform in 0..n (n > 0); the bias of one part in 2^32 does not matter here.
    pub fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.0.next_u64()) * n as u128) >> 64) as usize
    }

    /// Fisher-Yates.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }
}
