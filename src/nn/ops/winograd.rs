//! The transforms of F(4x4, 3x3) (Lavin and Gray, "Fast algorithms for convolutional neural networks", CVPR 2016), one
//! line of several tiles at a time: 36 products for 16 outputs, where the definition takes 144.
//!
//! The points are 0, ±√½, ±√2 and infinity, which keep a quarter of the error of the usual 0, ±1, ±2: in 32 bits at most
//! 2e-5 of the output's size at 64 to 512 channels (the blocked maps' tests measure it), where the direct sum has 5e-6.

use std::f64::consts::{FRAC_1_SQRT_2, SQRT_2};

use super::elem::Elem;

/// Side of a tile of outputs, and of the inputs it reads.
pub const OUT: usize = 4;
pub const IN: usize = OUT + 2;
pub const POINTS: usize = IN * IN;
/// Images with fewer tiles than this read more weights than they save products.
const FEWEST: usize = 9;

/// Whether an image of that size gains by it; by its size alone, so that a photo's features never depend on its batch.
pub fn fits(height: usize, width: usize) -> bool {
    height.div_ceil(OUT) * width.div_ceil(OUT) >= FEWEST
}

/// The points' sizes, as they are in this number type: what is done to weights and to inputs must agree.
#[inline(always)]
fn points<T: Elem>() -> (T, T) {
    (T::of(FRAC_1_SQRT_2), T::of(SQRT_2))
}

/// A line of `G g`, for inputs of number type `T`: rows `[1, p, p²] / Π(p - q)` over the other points `q`.
#[inline(always)]
pub fn weight_line<T: Elem, const N: usize>(g: [[f64; N]; 3]) -> [[f64; N]; IN] {
    let (a, b) = points::<T>();
    let (a, b) = (a.to_f64(), b.to_f64());
    let (over_a, over_b) = (1.0 / (2.0 * a * a * (a * a - b * b)), 1.0 / (2.0 * b * b * (b * b - a * a)));
    let mut out = [[0.0; N]; IN];
    for i in 0..N {
        let (even_a, odd_a) = ((g[0][i] + a * a * g[2][i]) * over_a, a * g[1][i] * over_a);
        let (even_b, odd_b) = ((g[0][i] + b * b * g[2][i]) * over_b, b * g[1][i] * over_b);
        out[0][i] = g[0][i] / (a * a * b * b);
        out[1][i] = even_a + odd_a;
        out[2][i] = even_a - odd_a;
        out[3][i] = even_b + odd_b;
        out[4][i] = even_b - odd_b;
        out[5][i] = g[2][i];
    }
    out
}

/// A line of `Bᵀ d`.
#[inline(always)]
pub fn input_line<T: Elem, const N: usize>(d: [[T; N]; IN]) -> [[T; N]; IN] {
    let (a, b) = points::<T>();
    let mut out = [[T::ZERO; N]; IN];
    for i in 0..N {
        let (even_a, odd_a) = (d[4][i] - b * b * d[2][i], a * (d[3][i] - b * b * d[1][i]));
        let (even_b, odd_b) = (d[4][i] - a * a * d[2][i], b * (d[3][i] - a * a * d[1][i]));
        out[0][i] = a * a * b * b * d[0][i] - (a * a + b * b) * d[2][i] + d[4][i];
        out[1][i] = even_a + odd_a;
        out[2][i] = even_a - odd_a;
        out[3][i] = even_b + odd_b;
        out[4][i] = even_b - odd_b;
        out[5][i] = a * a * b * b * d[1][i] - (a * a + b * b) * d[3][i] + d[5][i];
    }
    out
}

/// A line of `Aᵀ m`.
#[inline(always)]
pub fn output_line<T: Elem, const N: usize>(m: [[T; N]; IN]) -> [[T; N]; OUT] {
    let (a, b) = points::<T>();
    let mut out = [[T::ZERO; N]; OUT];
    for i in 0..N {
        let (p, q) = (m[1][i] + m[2][i], m[1][i] - m[2][i]);
        let (r, s) = (m[3][i] + m[4][i], m[3][i] - m[4][i]);
        out[0][i] = m[0][i] + p + r;
        out[1][i] = a * q + b * s;
        out[2][i] = a * a * p + b * b * r;
        out[3][i] = a * a * a * q + b * b * b * s + m[5][i];
    }
    out
}
