//! The iteration of [`super::sinkhorn`], fast: one pair of photos in `f32`, vectorised, mostly in the
//! scaling domain.
//!
//! The first iteration runs in the log domain from potentials of 0, exactly like the reference. Its plan
//! becomes the kernel, on which the next iterations only scale rows and columns: one pass that reads each
//! row once. Kernel entries are masses, so nothing overflows; where a scaling factor leaves a safe range or
//! a sum vanishes, the factors are absorbed into the potentials, the iteration at hand is done in the log
//! domain, and the kernel is built anew (stabilised scaling: Schmitzer 2019, SIAM J. Sci. Comput. 41(3),
//! algorithm 2). An entry that underflowed in a kernel would need factors beyond that range to matter. In
//! the worst case every iteration is absorbed, which is the log domain at its own speed.
//!
//! A pair's answer depends on nothing but the pair: not on what it is batched with, nor on threads.

#![allow(clippy::needless_range_loop, reason = "counted loops over lanes are what the compiler vectorises")]

use super::lanes::{LANES, Lane, blocks, exp, largest, mul_add, sum};
use super::similarity::{Cosines, Units, cosines};
use super::structural::Cells;

mod relaxed;

pub(super) use relaxed::Relaxed;

/// Scaling factors within this range, and its inverse, are left alone.
const SAFE: f32 = 1e12;

/// What is asked of a pair; all checked by then.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stop {
    pub epsilon: f32,
    pub max_iterations: usize,
    pub tolerance: f32,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Outcome {
    /// Sum of mass x similarity.
    pub structural: f32,
    pub iterations: usize,
    /// L1 errors of the rows and of the columns together, unless the solver says otherwise.
    pub marginal_error: f32,
}

/// Memory that is kept from pair to pair.
#[derive(Default)]
pub(super) struct Workspace {
    pub cosines: Cosines,
    /// Kernel, and in the end the plan: `[rows, blocks]`.
    pub kernel: Vec<Lane>,
    a: Vec<f32>,
    b: Vec<Lane>,
    scaled_log_a: Vec<f32>,
    scaled_log_b: Vec<Lane>,
    row_potential: Vec<f32>,
    column_potential: Vec<Lane>,
    row_factor: Vec<f32>,
    column_factor: Vec<Lane>,
    column_sums: Vec<Lane>,
    column_largest: Vec<Lane>,
}

/// Whether the vectorised build of these loops can run here.
#[cfg(target_arch = "x86_64")]
fn has_avx2() -> bool {
    std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma")
}

/// Other processors that Rust builds for have fused multiply-add from the start, or never.
const FUSED_ALWAYS: bool = cfg!(target_arch = "aarch64");

impl Workspace {
    /// Fills `self.cosines`.
    pub fn compare(&mut self, query: &Cells<'_>, q: &Units, gallery: &Cells<'_>, g: &Units) {
        #[cfg(target_arch = "x86_64")]
        if has_avx2() {
            // SAFETY: the processor has the features that the function was compiled for.
            unsafe { cosines_avx2(query, q, gallery, g, &mut self.cosines) };
            return;
        }
        cosines::<FUSED_ALWAYS>(query, q, gallery, g, &mut self.cosines);
    }

    /// Transports `a` to `b` at cost 1 - similarity, for the similarities in `self.cosines.pairs`; the plan
    /// is left in `self.kernel`.
    ///
    /// `start` holds row potentials to begin from, such as those of nearly the same problem; empty, they are 0.
    pub fn solve(&mut self, a: &[f32], b: &[f32], stop: Stop, start: &[f32]) -> Outcome {
        #[cfg(target_arch = "x86_64")]
        if has_avx2() {
            // SAFETY: the processor has the features that the function was compiled for.
            return unsafe { self.solve_avx2(a, b, stop, start) };
        }
        self.solve_in::<FUSED_ALWAYS>(a, b, stop, start)
    }

    #[cfg(test)]
    pub fn solve_portable(&mut self, a: &[f32], b: &[f32], stop: Stop) -> Outcome {
        self.solve_in::<false>(a, b, stop, &[])
    }

    /// The row potentials of the plan that was just found.
    pub fn row_potentials(&self, epsilon: f32, out: &mut Vec<f32>) {
        out.clear();
        out.extend(self.row_potential.iter().zip(&self.row_factor).map(|(f, u)| f + epsilon * u.ln()));
    }

    #[cfg(test)]
    pub fn compare_portable(&mut self, query: &Cells<'_>, q: &Units, gallery: &Cells<'_>, g: &Units) {
        cosines::<false>(query, q, gallery, g, &mut self.cosines);
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    fn solve_avx2(&mut self, a: &[f32], b: &[f32], stop: Stop, start: &[f32]) -> Outcome {
        // The common grids, 4 x 4 and 7 x 7, get loops of a known length, whose sums stay in registers.
        match blocks(b.len()) {
            2 => self.iterate::<true, Width<2>>(a, b, stop, start),
            7 => self.iterate::<true, Width<7>>(a, b, stop, start),
            _ => self.solve_in::<true>(a, b, stop, start),
        }
    }

    #[inline(always)]
    fn solve_in<const FUSED: bool>(&mut self, a: &[f32], b: &[f32], stop: Stop, start: &[f32]) -> Outcome {
        self.iterate::<FUSED, AnyWidth>(a, b, stop, start)
    }

    #[inline(always)]
    fn iterate<const FUSED: bool, P: RowPass>(&mut self, a: &[f32], b: &[f32], stop: Stop, start: &[f32]) -> Outcome {
        self.prepare(a, b, stop.epsilon);
        if start.len() == a.len() && start.iter().zip(a).any(|(f, &w)| f.is_finite() && w > 0.0) {
            // A row without mass then may have mass now, and the other way round.
            for (f, &begin) in self.row_potential.iter_mut().zip(start) {
                *f = if begin.is_finite() { begin } else { 0.0 };
            }
        }
        let mut iterations = 0;
        loop {
            // One iteration in the log domain, then the kernel of its plan and factors of 1.
            self.log_columns::<FUSED>(stop.epsilon);
            self.log_rows::<FUSED>(stop.epsilon);
            self.build_kernel::<FUSED>(stop.epsilon);
            iterations += 1;
            let done = loop {
                if iterations >= stop.max_iterations || self.column_error() < stop.tolerance {
                    break true;
                }
                if !self.scale_columns() {
                    break false;
                }
                let in_range = P::run::<FUSED>(
                    &self.kernel,
                    &self.a,
                    &self.column_factor,
                    &mut self.row_factor,
                    &mut self.column_sums,
                );
                iterations += 1;
                if !in_range {
                    // The columns are scaled already; only the row half of this iteration is done again.
                    self.absorb_columns(stop.epsilon);
                    self.log_rows::<FUSED>(stop.epsilon);
                    self.build_kernel::<FUSED>(stop.epsilon);
                }
            };
            if done {
                break;
            }
            self.absorb_columns(stop.epsilon);
            self.absorb_rows(stop.epsilon);
        }
        self.finish::<FUSED>(iterations)
    }

    fn prepare(&mut self, a: &[f32], b: &[f32], epsilon: f32) {
        let width = blocks(b.len());
        assert_eq!(self.cosines.pairs.len(), a.len() * width, "one similarity for each pair of cells");
        let scaled_log = |w: f32| if w > 0.0 { epsilon * w.ln() } else { f32::NEG_INFINITY };
        let refill = |lanes: &mut Vec<Lane>, value: f32| {
            lanes.clear();
            lanes.resize(width, [value; LANES]);
        };
        self.a.clear();
        self.a.extend_from_slice(a);
        refill(&mut self.b, 0.0);
        self.b.as_flattened_mut()[..b.len()].copy_from_slice(b);
        self.scaled_log_a.clear();
        self.scaled_log_a.extend(a.iter().map(|&w| scaled_log(w)));
        refill(&mut self.scaled_log_b, f32::NEG_INFINITY);
        for (log, &w) in self.scaled_log_b.as_flattened_mut().iter_mut().zip(b) {
            *log = scaled_log(w);
        }
        self.row_potential.clear();
        self.row_potential.resize(a.len(), 0.0);
        self.row_factor.clear();
        self.row_factor.resize(a.len(), 1.0);
        refill(&mut self.column_potential, 0.0);
        refill(&mut self.column_factor, 1.0);
        refill(&mut self.column_sums, 0.0);
        refill(&mut self.column_largest, 0.0);
        self.kernel.resize(self.cosines.pairs.len(), [0.0; LANES]);
    }

    /// Column update in the log domain. The cost's constant 1 is left out: it only shifts the potentials.
    #[inline(always)]
    fn log_columns<const FUSED: bool>(&mut self, epsilon: f32) {
        self.soft_columns::<FUSED>(epsilon);
        let g = self.column_potential.as_flattened_mut();
        let (log_b, soft) = (self.scaled_log_b.as_flattened(), self.column_largest.as_flattened());
        for column in 0..g.len() {
            g[column] = log_b[column] - soft[column];
        }
    }

    /// Soft maxima over the rows of potential + similarity, into `column_largest`.
    #[inline(always)]
    fn soft_columns<const FUSED: bool>(&mut self, epsilon: f32) {
        let width = self.b.len();
        let inverse = 1.0 / epsilon;
        self.column_largest.fill([f32::NEG_INFINITY; LANES]);
        self.column_sums.fill([0.0; LANES]);
        for (row, &f) in self.cosines.pairs.chunks_exact(width).zip(&self.row_potential) {
            for (top, s) in self.column_largest.iter_mut().zip(row) {
                for lane in 0..LANES {
                    let x = f + s[lane];
                    top[lane] = if x > top[lane] { x } else { top[lane] };
                }
            }
        }
        for (row, &f) in self.cosines.pairs.chunks_exact(width).zip(&self.row_potential) {
            for ((sums, top), s) in self.column_sums.iter_mut().zip(&self.column_largest).zip(row) {
                for lane in 0..LANES {
                    sums[lane] += exp::<FUSED>((f + s[lane] - top[lane]) * inverse);
                }
            }
        }
        let (tops, sums) = (self.column_largest.as_flattened_mut(), self.column_sums.as_flattened());
        for (top, sum) in tops.iter_mut().zip(sums) {
            *top += epsilon * sum.ln();
        }
    }

    #[inline(always)]
    fn log_rows<const FUSED: bool>(&mut self, epsilon: f32) {
        let width = self.b.len();
        let rows = self.cosines.pairs.chunks_exact(width).zip(&self.scaled_log_a);
        for ((row, &log_a), f) in rows.zip(&mut self.row_potential) {
            *f = log_a - soft_row::<FUSED>(row, &self.column_potential, epsilon);
        }
    }

    /// The plan of the potentials as the new kernel, with its column sums and factors of 1.
    #[inline(always)]
    fn build_kernel<const FUSED: bool>(&mut self, epsilon: f32) {
        let width = self.b.len();
        let inverse = 1.0 / epsilon;
        self.column_sums.fill([0.0; LANES]);
        let rows = self.cosines.pairs.chunks_exact(width).zip(self.kernel.chunks_exact_mut(width));
        for ((similarities, masses), &f) in rows.zip(&self.row_potential) {
            let columns = masses.iter_mut().zip(similarities).zip(&self.column_potential);
            for (((mass, s), g), sums) in columns.zip(&mut self.column_sums) {
                for lane in 0..LANES {
                    mass[lane] = exp::<FUSED>((f + g[lane] + s[lane]) * inverse);
                    sums[lane] += mass[lane];
                }
            }
        }
        self.row_factor.fill(1.0);
        self.column_factor.fill([1.0; LANES]);
    }

    #[inline(always)]
    fn column_error(&self) -> f32 {
        let mut errors = [0.0; LANES];
        for ((b, v), s) in self.b.iter().zip(&self.column_factor).zip(&self.column_sums) {
            for lane in 0..LANES {
                errors[lane] += (v[lane] * s[lane] - b[lane]).abs();
            }
        }
        sum(&errors)
    }

    /// Column update of the factors. Refused, with the factors unchanged, where one leaves the safe range.
    #[inline(always)]
    fn scale_columns(&mut self) -> bool {
        let mut outside = [false; LANES];
        for (b, s) in self.b.iter().zip(&self.column_sums) {
            for lane in 0..LANES {
                // With b = 0 both comparisons are false, also for a sum of 0.
                outside[lane] |= (b[lane] > SAFE * s[lane]) | (b[lane] * SAFE < s[lane] && b[lane] > 0.0);
            }
        }
        if outside.contains(&true) {
            return false;
        }
        for ((b, s), v) in self.b.iter().zip(&self.column_sums).zip(&mut self.column_factor) {
            for lane in 0..LANES {
                let factor = b[lane] / s[lane];
                v[lane] = if b[lane] > 0.0 { factor } else { 0.0 };
            }
        }
        true
    }

    fn absorb_columns(&mut self, epsilon: f32) {
        let factors = self.column_factor.as_flattened().iter();
        for (g, &v) in self.column_potential.as_flattened_mut().iter_mut().zip(factors) {
            *g += epsilon * v.ln();
        }
    }

    fn absorb_rows(&mut self, epsilon: f32) {
        for (f, &u) in self.row_potential.iter_mut().zip(&self.row_factor) {
            *f += epsilon * u.ln();
        }
    }

    /// Turns the kernel into the plan and measures it.
    #[inline(always)]
    fn finish<const FUSED: bool>(&mut self, iterations: usize) -> Outcome {
        let width = self.b.len();
        let mut structural = [0.0; LANES];
        let mut row_error = 0.0;
        self.column_sums.fill([0.0; LANES]);
        let rows = self.cosines.pairs.chunks_exact(width).zip(self.kernel.chunks_exact_mut(width));
        for ((similarities, masses), (&u, &a)) in rows.zip(self.row_factor.iter().zip(&self.a)) {
            let mut row_sums = [0.0; LANES];
            let columns = masses.iter_mut().zip(similarities).zip(&self.column_factor);
            for (((mass, s), v), sums) in columns.zip(&mut self.column_sums) {
                for lane in 0..LANES {
                    mass[lane] *= u * v[lane];
                    row_sums[lane] += mass[lane];
                    sums[lane] += mass[lane];
                    structural[lane] = mul_add::<FUSED>(mass[lane], s[lane], structural[lane]);
                }
            }
            row_error += (sum(&row_sums) - a).abs();
        }
        let mut column_errors = [0.0; LANES];
        for (s, b) in self.column_sums.iter().zip(&self.b) {
            for lane in 0..LANES {
                column_errors[lane] += (s[lane] - b[lane]).abs();
            }
        }
        Outcome { structural: sum(&structural), iterations, marginal_error: row_error + sum(&column_errors) }
    }
}

/// Soft maximum over the columns of potential + similarity.
#[inline(always)]
fn soft_row<const FUSED: bool>(row: &[Lane], potential: &[Lane], epsilon: f32) -> f32 {
    let inverse = 1.0 / epsilon;
    let mut tops = [f32::NEG_INFINITY; LANES];
    for (s, g) in row.iter().zip(potential) {
        for lane in 0..LANES {
            let x = g[lane] + s[lane];
            tops[lane] = if x > tops[lane] { x } else { tops[lane] };
        }
    }
    let top = largest(&tops);
    let mut sums = [0.0; LANES];
    for (s, g) in row.iter().zip(potential) {
        for lane in 0..LANES {
            sums[lane] += exp::<FUSED>((g[lane] + s[lane] - top) * inverse);
        }
    }
    top + epsilon * sum(&sums).ln()
}

/// Row update of the factors, and the kernel's column sums under them, reading each kernel row once.
///
/// A trait and not a function pointer, so that it is compiled into its caller and for the caller's processor.
trait RowPass {
    /// `false` where a row's factor leaves the safe range.
    fn run<const FUSED: bool>(kernel: &[Lane], a: &[f32], v: &[Lane], u: &mut [f32], sums: &mut [Lane]) -> bool;
}

/// Rows of any length.
struct AnyWidth;

/// Rows of `B` vectors.
struct Width<const B: usize>;

/// Whether a row of sum `total` can be scaled to `a`.
#[inline(always)]
fn scalable(a: f32, total: f32) -> bool {
    a < SAFE * total && a * SAFE > total
}

impl RowPass for AnyWidth {
    #[inline(always)]
    fn run<const FUSED: bool>(kernel: &[Lane], a: &[f32], v: &[Lane], u: &mut [f32], sums: &mut [Lane]) -> bool {
        let mut in_range = true;
        sums.fill([0.0; LANES]);
        for ((row, &a), u) in kernel.chunks_exact(v.len()).zip(a).zip(u) {
            let mut totals = [0.0; LANES];
            for (k, v) in row.iter().zip(v) {
                for lane in 0..LANES {
                    totals[lane] = mul_add::<FUSED>(k[lane], v[lane], totals[lane]);
                }
            }
            let total = sum(&totals);
            in_range &= scalable(a, total) | (a == 0.0);
            let factor = if a > 0.0 { a / total } else { 0.0 };
            *u = factor;
            for (sums, k) in sums.iter_mut().zip(row) {
                for lane in 0..LANES {
                    sums[lane] = mul_add::<FUSED>(factor, k[lane], sums[lane]);
                }
            }
        }
        in_range
    }
}

impl<const B: usize> RowPass for Width<B> {
    #[inline(always)]
    fn run<const FUSED: bool>(kernel: &[Lane], a: &[f32], v: &[Lane], u: &mut [f32], sums: &mut [Lane]) -> bool {
        let (rows, _) = kernel.as_chunks::<B>();
        let (Ok(v), Ok(out)) = (<&[Lane; B]>::try_from(v), <&mut [Lane; B]>::try_from(sums)) else {
            return false;
        };
        let v = *v;
        let mut sums = [[0.0; LANES]; B];
        let mut in_range = true;
        for ((row, &a), u) in rows.iter().zip(a).zip(u) {
            let mut totals = [0.0; LANES];
            for block in 0..B {
                for lane in 0..LANES {
                    totals[lane] = mul_add::<FUSED>(row[block][lane], v[block][lane], totals[lane]);
                }
            }
            let total = sum(&totals);
            in_range &= scalable(a, total) | (a == 0.0);
            let factor = if a > 0.0 { a / total } else { 0.0 };
            *u = factor;
            for block in 0..B {
                for lane in 0..LANES {
                    sums[block][lane] = mul_add::<FUSED>(factor, row[block][lane], sums[block][lane]);
                }
            }
        }
        *out = sums;
        in_range
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn cosines_avx2(query: &Cells<'_>, q: &Units, gallery: &Cells<'_>, g: &Units, out: &mut Cosines) {
    cosines::<true>(query, q, gallery, g, out);
}
