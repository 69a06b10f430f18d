//! Convolution in 8 bits: products of unsigned inputs and signed weights, summed exactly in 32-bit integers (Jacob et al.,
//! "Quantization and training of neural networks for efficient integer-arithmetic-only inference", CVPR 2018).
//!
//! Weights are symmetric with one unit for each output channel. Inputs stand behind a ReLU, so they begin at 0; their unit
//! is the 255th part of the largest value in the map, found anew for each photo. So nothing is calibrated or kept, and a
//! photo's features depend on the photo and the weights alone. Sums come back to 32 bits with bias, residual and ReLU, and
//! maps lie in memory in 32 bits: what is rounded is what is multiplied, never what is added up from block to block.
//!
//! The stem, which reads the photo itself, and layers whose input may be negative stay in 32 bits, as do gates, pools and
//! the head. So do 3x3 layers of stride 1: Winograd's form leaves them a quarter of their products, which is what the best
//! 8-bit instructions gain over 32 bits, without rounding anything.
//!
//! All kernels give the same bits: integers are exact, and what follows them is rounded in one order. The map of rounded
//! inputs is a [`Map`] of words of four bytes, with four or two values in each, as the processor multiplies them; so
//! [`super::direct`] walks it like any other.

use std::sync::atomic::{AtomicU32, Ordering};

use super::direct::Layer;
use super::map::LANES;
use super::pixelwise::{line, rows};

mod kernel;
#[cfg(test)]
mod tests;

#[cfg(test)]
pub use kernel::kernels;
pub use kernel::{Dot, Speed, best};

/// The largest rounded input.
const INPUTS: f32 = 255.0;
/// The largest rounded weight; the smallest is its negative.
const WEIGHTS: f32 = 127.0;
/// A map whose largest value is below this is all zeros.
const LEAST: f32 = 1e-30;

/// What one of a photo's rounded inputs is worth, from the bits of its map's largest value. NaN where that is not finite,
/// so that such a map does not look like a sound one.
pub fn unit(largest: &AtomicU32) -> f32 {
    let largest = f32::from_bits(largest.load(Ordering::Relaxed));
    if largest.is_finite() { largest / INPUTS } else { f32::NAN }
}

/// The unit of a filter's weights.
pub fn unit_of_weights(weights: &[f32]) -> f32 {
    let largest = weights.iter().fold(0.0_f32, |largest, w| largest.max(w.abs()));
    if largest >= LEAST { largest / WEIGHTS } else { 1.0 }
}

/// A weight in units, -127 to 127.
pub fn rounded(weight: f32, unit: f32) -> i8 {
    (weight / unit).round().clamp(-WEIGHTS, WEIGHTS) as i8
}

type Lanes = [f32; LANES];

/// Rounds a map whose values are all at least 0 into a map of words, and leaves each image's largest value in
/// `layer.largest`.
pub fn round_map(layer: &Layer<'_>, dot: Dot) {
    let (x, y) = (layer.x, layer.y);
    let image = |layer: &Layer<'_>, image: usize| -> f32 {
        let largest = f32::from_bits(layer.largest[image].load(Ordering::Relaxed));
        if largest.is_finite() && largest >= LEAST { INPUTS / largest } else { 0.0 }
    };
    layer.largest[..layer.images].iter().for_each(|largest| largest.store(0, Ordering::Relaxed));
    let vectors = Vectors::new();
    rows(layer, |image, block, row| {
        // SAFETY: the step does not write its input; the processor was asked.
        let bits = unsafe { (vectors.largest)(line(&x, layer.x_space, image, block, row)) };
        // The largest of all is the same in whatever order they come.
        if bits > layer.largest[image].load(Ordering::Relaxed) {
            layer.largest[image].fetch_max(bits, Ordering::Relaxed);
        }
    });
    rows(layer, |number, block, row| {
        let factor = image(layer, number);
        let at = number * y.image() + block * y.plane() + y.at(row as isize, 0);
        // SAFETY: a row is one task's alone, and the input is not written; the processor was asked.
        unsafe {
            let from = line(&x, layer.x_space, number, block, row);
            let to = layer.y_space.get_mut(at, y.width * y.lanes);
            if dot.values == 4 {
                (vectors.bytes)(from, factor, bytemuck::cast_slice_mut(to));
            } else {
                (vectors.shorts)(from, factor, bytemuck::cast_slice_mut(to));
            }
        }
    });
}

/// The loops over a row in the best instructions there are; the same bits in all.
struct Vectors {
    largest: unsafe fn(&[Lanes]) -> u32,
    bytes: unsafe fn(&[Lanes], f32, &mut [[u8; LANES]]),
    shorts: unsafe fn(&[Lanes], f32, &mut [[i16; LANES]]),
}

impl Vectors {
    fn new() -> Self {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") {
            return Self { largest: x86::largest, bytes: x86::bytes, shorts: x86::shorts };
        }
        Self { largest, bytes: |x, factor, y| round_row(x, factor, y), shorts: |x, factor, y| round_row(x, factor, y) }
    }
}

/// # Safety
/// The processor has AVX2.
#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{LANES, Lanes};

    #[target_feature(enable = "avx2")]
    pub unsafe fn largest(x: &[Lanes]) -> u32 {
        super::largest(x)
    }

    #[target_feature(enable = "avx2")]
    pub unsafe fn bytes(x: &[Lanes], factor: f32, y: &mut [[u8; LANES]]) {
        super::round_row(x, factor, y);
    }

    #[target_feature(enable = "avx2")]
    pub unsafe fn shorts(x: &[Lanes], factor: f32, y: &mut [[i16; LANES]]) {
        super::round_row(x, factor, y);
    }
}

/// The bits of the largest value. Those of numbers without a sign are in the numbers' order, and NaN is above all.
#[inline(always)]
fn largest(x: &[Lanes]) -> u32 {
    let mut all = [0; LANES];
    for x in x {
        for (largest, x) in all.iter_mut().zip(x) {
            *largest = (x.to_bits() & 0x7fff_ffff).max(*largest);
        }
    }
    all.into_iter().fold(0, u32::max)
}

/// To the nearest integer, 0 to 255. Behind the sum with 2^23 the nearest integer stands in a number's lowest bits.
#[inline(always)]
fn round_row<T: From<u8>>(x: &[Lanes], factor: f32, y: &mut [[T; LANES]]) {
    const SHIFT: f32 = (1_u32 << 23) as f32;
    for (y, x) in y.iter_mut().zip(x) {
        for (y, x) in y.iter_mut().zip(x) {
            *y = T::from((((x * factor).max(0.0) + SHIFT).to_bits() & 0xff) as u8);
        }
    }
}
