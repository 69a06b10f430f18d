//! The innermost loop in 8 bits: that of `blocked::kernel`, where a step multiplies the values of one word of each pixel
//! with those of sixteen output channels.

use std::sync::OnceLock;

use crate::nn::ops::blocked::kernel::{PIXELS, Run, Tile};
use crate::nn::ops::blocked::map::LANES;

/// A kernel, and how it wants what it multiplies to lie.
#[derive(Clone, Copy)]
pub struct Dot {
    pub run: Run,
    /// Values in each word of four bytes: 4 unsigned inputs or signed weights of 8 bits, or 2 of 16 bits.
    pub values: usize,
    /// The instructions' name.
    pub name: &'static str,
    pub speed: Speed,
}

/// What a kernel is worth beside that of 32 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speed {
    /// Instructions made for 8 bits.
    Made,
    /// Vectors of 16 bits.
    Vectors,
    /// None.
    Plain,
}

impl Dot {
    /// [`Self::values`] rounded weights as a word.
    pub fn word(&self, weights: impl Iterator<Item = i8>) -> u32 {
        let mut word = [0; 4];
        if self.values == 4 {
            word.iter_mut().zip(weights).for_each(|(byte, w)| *byte = w.cast_unsigned());
        } else {
            word.chunks_exact_mut(2)
                .zip(weights)
                .for_each(|(bytes, w)| bytes.copy_from_slice(&i16::from(w).to_ne_bytes()));
        }
        u32::from_ne_bytes(word)
    }
}

/// Every kernel that this processor runs, best first.
pub fn kernels() -> Vec<Dot> {
    let mut all = Vec::new();
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        if is_x86_feature_detected!("avx512vnni") && is_x86_feature_detected!("avx512vl") {
            all.push(Dot { run: avx512vnni::tile, values: 4, name: "AVX-512 VNNI", speed: Speed::Made });
        }
        if is_x86_feature_detected!("avxvnni") {
            all.push(Dot { run: avxvnni::tile, values: 4, name: "AVX-VNNI", speed: Speed::Made });
        }
        all.push(Dot { run: avx2::tile, values: 2, name: "AVX2", speed: Speed::Vectors });
        #[cfg(test)]
        all.push(Dot { run: emulated::tile, values: 4, name: "AVX2 as VNNI", speed: Speed::Plain });
    }
    all.push(Dot { run: portable, values: 4, name: "plain instructions", speed: Speed::Plain });
    all
}

/// The first of [`kernels`].
pub fn best() -> Dot {
    static BEST: OnceLock<Dot> = OnceLock::new();
    *BEST.get_or_init(|| kernels()[0])
}

/// For any processor.
unsafe fn portable(tile: &Tile<'_>) {
    let mut sums = [[0_i32; LANES]; PIXELS];
    for (p, sums) in sums.iter_mut().enumerate().take(tile.at.len()) {
        let start = if tile.start.is_null() { tile.y.wrapping_add(tile.to[p]).cast_const() } else { tile.start };
        // SAFETY: sixteen values lie there by the caller's promise.
        *sums = unsafe { start.cast::<[i32; LANES]>().read_unaligned() };
    }
    let mut weights = tile.weights.cast::<[[i8; 4]; LANES]>();
    for run in tile.runs {
        for i in 0..tile.length {
            // SAFETY: as many weights and inputs lie there by the caller's promise.
            unsafe {
                let w = weights.read_unaligned();
                weights = weights.add(1);
                for (sums, at) in sums.iter_mut().zip(tile.at) {
                    let x = tile.x.add(at + run + i).cast::<[u8; 4]>().read_unaligned();
                    for (sum, w) in sums.iter_mut().zip(&w) {
                        *sum += x.iter().zip(w).map(|(&x, &w)| i32::from(x) * i32::from(w)).sum::<i32>();
                    }
                }
            }
        }
    }
    for (p, sums) in sums.iter().enumerate().take(tile.at.len()) {
        // SAFETY: these places are the caller's; units, bias and residual lie in their buffers.
        unsafe {
            let y = tile.y.add(tile.to[p]);
            let Some(end) = &tile.end else {
                y.cast::<[i32; LANES]>().write_unaligned(*sums);
                continue;
            };
            let units = end.of_weights.cast::<[f32; LANES]>().read_unaligned();
            let bias = end.bias.cast::<[f32; LANES]>().read_unaligned();
            let residual = (!tile.residual.is_null())
                .then(|| tile.residual.add(tile.from[p]).cast::<[f32; LANES]>().read_unaligned());
            let mut out = [0.0; LANES];
            for lane in 0..LANES {
                let v = sums[lane] as f32 * (units[lane] * end.of_inputs[p]) + bias[lane];
                let v = residual.map_or(v, |r| v + r[lane]);
                out[lane] = if v < tile.floor { tile.floor } else { v };
            }
            y.cast::<[f32; LANES]>().write_unaligned(out);
        }
    }
}

/// The same loop for any instruction that multiplies words and adds the sums of their products.
#[cfg(target_arch = "x86_64")]
macro_rules! vectors {
    ($name:ident, $features:literal, |$sum:ident, $x:ident, $w:ident| $dot:expr) => {
        mod $name {
            use std::arch::x86_64::*;

            use super::Tile;

            pub unsafe fn tile(tile: &Tile<'_>) {
                // SAFETY: the caller's promise is that of the function called.
                unsafe {
                    match tile.at.len() {
                        1 => pixels::<1>(tile),
                        2 => pixels::<2>(tile),
                        3 => pixels::<3>(tile),
                        4 => pixels::<4>(tile),
                        5 => pixels::<5>(tile),
                        _ => pixels::<6>(tile),
                    }
                }
            }

            #[target_feature(enable = $features)]
            unsafe fn pixels<const P: usize>(tile: &Tile<'_>) {
                // SAFETY: all places read and written are those of the promise that `Run` asks for.
                unsafe {
                    let x: [*const i32; P] =
                        std::array::from_fn(|p| tile.x.add(*tile.at.get_unchecked(p)).cast::<i32>());
                    let y: [*mut f32; P] = std::array::from_fn(|p| tile.y.add(*tile.to.get_unchecked(p)));
                    let mut sums = [[_mm256_setzero_si256(); 2]; P];
                    for p in 0..P {
                        let start = if tile.start.is_null() { y[p].cast_const() } else { tile.start };
                        let start = start.cast::<__m256i>();
                        sums[p] = [_mm256_loadu_si256(start), _mm256_loadu_si256(start.add(1))];
                    }
                    let mut weights = tile.weights.cast::<__m256i>();
                    for &run in tile.runs {
                        for i in run..run + tile.length {
                            let w = [_mm256_loadu_si256(weights), _mm256_loadu_si256(weights.add(1))];
                            for p in 0..P {
                                let $x = _mm256_set1_epi32(x[p].add(i).read_unaligned());
                                for half in 0..2 {
                                    let ($sum, $w) = (sums[p][half], w[half]);
                                    sums[p][half] = $dot;
                                }
                            }
                            weights = weights.add(2);
                        }
                    }
                    let floor = _mm256_set1_ps(tile.floor);
                    for p in 0..P {
                        for half in 0..2 {
                            let to = y[p].add(8 * half);
                            let Some(end) = &tile.end else {
                                _mm256_storeu_si256(to.cast(), sums[p][half]);
                                continue;
                            };
                            let unit = _mm256_mul_ps(
                                _mm256_loadu_ps(end.of_weights.add(8 * half)),
                                _mm256_set1_ps(*end.of_inputs.get_unchecked(p)),
                            );
                            // Not fused, so that every processor rounds alike.
                            let sum = _mm256_mul_ps(_mm256_cvtepi32_ps(sums[p][half]), unit);
                            let mut sum = _mm256_add_ps(sum, _mm256_loadu_ps(end.bias.add(8 * half)));
                            if !tile.residual.is_null() {
                                let r = tile.residual.add(*tile.from.get_unchecked(p) + 8 * half);
                                sum = _mm256_add_ps(sum, _mm256_loadu_ps(r));
                            }
                            // In this order NaN stays NaN.
                            _mm256_storeu_ps(to, _mm256_max_ps(floor, sum));
                        }
                    }
                }
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
vectors!(avx512vnni, "avx2,avx512vnni,avx512vl", |sum, x, w| _mm256_dpbusd_epi32(sum, x, w));
#[cfg(target_arch = "x86_64")]
vectors!(avxvnni, "avx2,avxvnni", |sum, x, w| _mm256_dpbusd_avx_epi32(sum, x, w));
// Words of two values of 16 bits, because sums of bytes' products in 16 bits saturate.
#[cfg(target_arch = "x86_64")]
vectors!(avx2, "avx2", |sum, x, w| _mm256_add_epi32(sum, _mm256_madd_epi16(x, w)));
// What `vpdpbusd` is defined as, so that its loop is tested on processors without it.
#[cfg(all(target_arch = "x86_64", test))]
vectors!(emulated, "avx2", |sum, x, w| {
    let even =
        _mm256_madd_epi16(_mm256_and_si256(x, _mm256_set1_epi16(0xff)), _mm256_srai_epi16(_mm256_slli_epi16(w, 8), 8));
    let odd = _mm256_madd_epi16(_mm256_srli_epi16(x, 8), _mm256_srai_epi16(w, 8));
    _mm256_add_epi32(sum, _mm256_add_epi32(even, odd))
});
