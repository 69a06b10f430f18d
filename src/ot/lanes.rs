//! Loops over eight `f32` at a time, written so that the compiler turns them into vector instructions.
//!
//! Functions here are always inlined into a caller that was compiled for the processor's features (see
//! [`super::scaling`]); `FUSED` says whether that caller has fused multiply-add. Without it `mul_add` would
//! be a library call.

#![allow(clippy::needless_range_loop, reason = "counted loops over lanes are what the compiler vectorises")]

pub(super) const LANES: usize = 8;

/// One vector.
pub(super) type Lane = [f32; LANES];

/// `length` rounded up to whole vectors, counted in vectors.
pub(super) fn blocks(length: usize) -> usize {
    length.div_ceil(LANES)
}

#[inline(always)]
pub(super) fn mul_add<const FUSED: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FUSED { a.mul_add(b, c) } else { a * b + c }
}

/// Sum of a vector, always in the same order.
#[inline(always)]
pub(super) fn sum(x: &Lane) -> f32 {
    ((x[0] + x[4]) + (x[2] + x[6])) + ((x[1] + x[5]) + (x[3] + x[7]))
}

#[inline(always)]
pub(super) fn largest(x: &Lane) -> f32 {
    let pair = |i: usize| if x[i] > x[i + 4] { x[i] } else { x[i + 4] };
    let (a, b, c, d) = (pair(0), pair(1), pair(2), pair(3));
    let (e, f) = (if a > c { a } else { c }, if b > d { b } else { d });
    if e > f { e } else { f }
}

/// Below this `exp` is 0: the last power of two that is a normal number.
const UNDERFLOW: f32 = -87.336_54;

/// `e^x` for x <= 88, within two units in the last place; 0 below [`UNDERFLOW`], also for minus infinity.
///
/// Range reduction by ln 2 in two parts and the polynomial of Cephes' `expf` (S. Moshier), evaluated as a
/// Horner scheme.
#[inline(always)]
pub(super) fn exp<const FUSED: bool>(x: f32) -> f32 {
    /// Adding this to a number rounds it to an integer, which is then in its low bits.
    const ROUND: f32 = 12_582_912.0;
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    let bounded = if x > UNDERFLOW { x } else { UNDERFLOW };
    let shifted = mul_add::<FUSED>(bounded, std::f32::consts::LOG2_E, ROUND);
    let power = shifted - ROUND;
    let r = mul_add::<FUSED>(power, -LN2_LOW, mul_add::<FUSED>(power, -LN2_HIGH, bounded));
    let mut p = 1.987_569_1e-4;
    p = mul_add::<FUSED>(p, r, 1.398_199_9e-3);
    p = mul_add::<FUSED>(p, r, 8.333_452e-3);
    p = mul_add::<FUSED>(p, r, 4.166_579_6e-2);
    p = mul_add::<FUSED>(p, r, 1.666_666_5e-1);
    p = mul_add::<FUSED>(p, r, 0.5);
    let value = mul_add::<FUSED>(p, r * r, r + 1.0);
    let exponent = (shifted.to_bits() as i32).wrapping_sub(ROUND.to_bits() as i32).wrapping_add(127);
    let scaled = value * f32::from_bits((exponent as u32) << 23);
    if x > UNDERFLOW { scaled } else { 0.0 }
}

/// Dot products of up to four rows with up to two rows at once, so that each loaded vector is used often.
///
/// Each product is summed in the same order whatever it is computed beside.
#[inline(always)]
pub(super) fn dots<const FUSED: bool, const M: usize, const N: usize>(x: [&[f32]; M], y: [&[f32]; N]) -> [[f32; N]; M] {
    let dim = x[0].len();
    let whole = dim / LANES * LANES;
    let mut sums = [[[0.0; LANES]; N]; M];
    let mut at = 0;
    while at < whole {
        let mut ys = [[0.0; LANES]; N];
        for n in 0..N {
            ys[n].copy_from_slice(&y[n][at..at + LANES]);
        }
        for m in 0..M {
            let mut xs = [0.0; LANES];
            xs.copy_from_slice(&x[m][at..at + LANES]);
            for n in 0..N {
                for lane in 0..LANES {
                    sums[m][n][lane] = mul_add::<FUSED>(xs[lane], ys[n][lane], sums[m][n][lane]);
                }
            }
        }
        at += LANES;
    }
    let mut out = [[0.0; N]; M];
    for m in 0..M {
        for n in 0..N {
            let mut rest = 0.0;
            for i in whole..dim {
                rest = mul_add::<FUSED>(x[m][i], y[n][i], rest);
            }
            out[m][n] = sum(&sums[m][n]) + rest;
        }
    }
    out
}
