//! The innermost loop of the planned networks: up to six pixels by sixteen output channels in registers, inputs read
//! where they lie. What the processor has is looked for once, at run time.

use std::sync::OnceLock;

use super::map::LANES;

/// Pixels of one tile.
pub const PIXELS: usize = 6;

/// One tile's work: for each pixel `p`, `y[to[p]..][..16] = max(floor, start + sum + residual[from[p]..][..16])` with
/// `sum = Σ_runs Σ_i x[at[p] + run + i] * w[..][16]`, the weights in the order they are used.
pub struct Tile<'a> {
    pub x: *const f32,
    pub at: &'a [usize],
    pub runs: &'a [usize],
    /// Values of one run.
    pub length: usize,
    pub weights: *const f32,
    /// Sixteen values to start from, or null to go on from what `y` holds.
    pub start: *const f32,
    pub y: *mut f32,
    pub to: &'a [usize],
    /// Null where nothing is added.
    pub residual: *const f32,
    pub from: &'a [usize],
    pub floor: f32,
    /// For kernels that sum integers: how they come back to 32 bits, behind the last of a layer's parts. Before it `y`
    /// holds the integers' bits.
    pub end: Option<Units<'a>>,
}

/// `value = integer * of_inputs[pixel] * of_weights[channel] + bias[channel]`.
pub struct Units<'a> {
    pub of_inputs: &'a [f32],
    /// Sixteen.
    pub of_weights: *const f32,
    /// Sixteen.
    pub bias: *const f32,
}

/// # Safety
/// 1 to [`PIXELS`] pixels, `to`, (with a residual) `from` and (with an end) its inputs' units as long as `at`; every place that the formula above names
/// lies in its buffer; nobody else touches the places of `y`; the processor has the kernel's instructions.
pub type Run = unsafe fn(&Tile<'_>);

/// Every kernel that this processor runs, best first.
pub fn kernels() -> Vec<Run> {
    let mut all: Vec<Run> = Vec::new();
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
        all.push(x86::tile);
    }
    all.push(portable);
    all
}

/// The first of [`kernels`].
pub fn best() -> Run {
    static BEST: OnceLock<Run> = OnceLock::new();
    *BEST.get_or_init(|| kernels()[0])
}

/// For any processor.
unsafe fn portable(tile: &Tile<'_>) {
    let mut sums = [[0.0_f32; LANES]; PIXELS];
    let pixels = tile.at.len().min(PIXELS);
    for (p, sums) in sums.iter_mut().enumerate().take(pixels) {
        let start = if tile.start.is_null() { tile.y.wrapping_add(tile.to[p]).cast_const() } else { tile.start };
        // SAFETY: sixteen values lie there by the caller's promise.
        *sums = unsafe { start.cast::<[f32; LANES]>().read_unaligned() };
    }
    let mut weights = tile.weights.cast::<[f32; LANES]>();
    for run in tile.runs {
        for i in 0..tile.length {
            // SAFETY: as many weights and inputs lie there by the caller's promise.
            unsafe {
                let w = weights.read_unaligned();
                weights = weights.add(1);
                for (sums, at) in sums.iter_mut().zip(tile.at) {
                    let x = *tile.x.add(at + run + i);
                    for (sum, w) in sums.iter_mut().zip(&w) {
                        *sum += x * w;
                    }
                }
            }
        }
    }
    for (p, sums) in sums.iter_mut().enumerate().take(pixels) {
        // SAFETY: these places are the caller's, and the residual's lie in its buffer.
        unsafe {
            if !tile.residual.is_null() {
                let r = tile.residual.add(tile.from[p]).cast::<[f32; LANES]>().read_unaligned();
                sums.iter_mut().zip(&r).for_each(|(sum, r)| *sum += r);
            }
            sums.iter_mut().filter(|sum| **sum < tile.floor).for_each(|sum| *sum = tile.floor);
            tile.y.add(tile.to[p]).cast::<[f32; LANES]>().write_unaligned(*sums);
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
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

    #[target_feature(enable = "avx2,fma")]
    unsafe fn pixels<const P: usize>(tile: &Tile<'_>) {
        // SAFETY: all places read and written are those of the promise that `Run` asks for.
        unsafe {
            let x: [*const f32; P] = std::array::from_fn(|p| tile.x.add(*tile.at.get_unchecked(p)));
            let y: [*mut f32; P] = std::array::from_fn(|p| tile.y.add(*tile.to.get_unchecked(p)));
            let mut sums = [[_mm256_setzero_ps(); 2]; P];
            for p in 0..P {
                let start = if tile.start.is_null() { y[p].cast_const() } else { tile.start };
                sums[p] = [_mm256_loadu_ps(start), _mm256_loadu_ps(start.add(8))];
            }
            let mut w = tile.weights;
            for &run in tile.runs {
                for i in run..run + tile.length {
                    let (w0, w1) = (_mm256_loadu_ps(w), _mm256_loadu_ps(w.add(8)));
                    for p in 0..P {
                        let v = _mm256_set1_ps(*x[p].add(i));
                        sums[p][0] = _mm256_fmadd_ps(v, w0, sums[p][0]);
                        sums[p][1] = _mm256_fmadd_ps(v, w1, sums[p][1]);
                    }
                    w = w.add(16);
                }
            }
            let floor = _mm256_set1_ps(tile.floor);
            for p in 0..P {
                for (half, mut sum) in sums[p].into_iter().enumerate() {
                    if !tile.residual.is_null() {
                        let r = tile.residual.add(*tile.from.get_unchecked(p) + 8 * half);
                        sum = _mm256_add_ps(sum, _mm256_loadu_ps(r));
                    }
                    // In this order NaN stays NaN.
                    _mm256_storeu_ps(y[p].add(8 * half), _mm256_max_ps(floor, sum));
                }
            }
        }
    }
}
