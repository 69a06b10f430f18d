//! Bilinear resizing that trains, as PyTorch's `interpolate(mode="bilinear")` without antialiasing.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor, backend::BackendStorage, bail};
use rayon::prelude::*;

use super::elem::{Elem, dims4, num::Float, output, tensor, values, with_elem, with_values};

/// `[N, C, H, W] -> [N, C, oh, ow]`. With `align_corners` the corner pixels' centres coincide.
pub fn upsample_bilinear2d(x: &Tensor, (oh, ow): (usize, usize), align_corners: bool) -> Result<Tensor> {
    let (_, _, h, w) = dims4("upsample_bilinear2d", x)?;
    if oh == 0 || ow == 0 || h == 0 || w == 0 {
        bail!("upsample_bilinear2d: neither the input {:?} nor the output {oh}x{ow} may be empty", x.dims())
    }
    #[cfg(feature = "cuda")]
    if x.device().is_cuda() {
        return super::cuda::resize(
            x,
            (matrix(&taps(h, oh, align_corners), h), oh),
            (matrix(&taps(w, ow, align_corners), w), ow),
        );
    }
    x.apply_op1(Bilinear { rows: taps(h, oh, align_corners), columns: taps(w, ow, align_corners) })
}

/// An output reads `low` with weight `1 - part` and `high` with weight `part`.
#[derive(Clone, Copy)]
struct Tap {
    low: usize,
    high: usize,
    part: f64,
}

fn taps(input: usize, out: usize, align_corners: bool) -> Vec<Tap> {
    (0..out)
        .map(|o| {
            let at = if align_corners {
                if out == 1 { 0.0 } else { o as f64 * (input - 1) as f64 / (out - 1) as f64 }
            } else {
                ((o as f64 + 0.5) * input as f64 / out as f64 - 0.5).max(0.0)
            };
            let low = (at as usize).min(input - 1);
            Tap { low, high: (low + 1).min(input - 1), part: at - low as f64 }
        })
        .collect()
}

/// The weights as a matrix `[taps, inputs]`.
#[cfg(feature = "cuda")]
fn matrix(taps: &[Tap], inputs: usize) -> Vec<f64> {
    let mut matrix = vec![0.0; taps.len() * inputs];
    for (row, tap) in matrix.chunks_mut(inputs).zip(taps) {
        row[tap.low] += 1.0 - tap.part;
        row[tap.high] += tap.part;
    }
    matrix
}

struct Bilinear {
    rows: Vec<Tap>,
    columns: Vec<Tap>,
}

impl Bilinear {
    /// Calls `f(output, input, weight)` for the four inputs of every output of one plane.
    fn each<T: Elem>(&self, width: usize, mut f: impl FnMut(usize, usize, T)) {
        let mut at = 0;
        for r in &self.rows {
            for c in &self.columns {
                for (row, a) in [(r.low, 1.0 - r.part), (r.high, r.part)] {
                    for (column, b) in [(c.low, 1.0 - c.part), (c.high, c.part)] {
                        f(at, row * width + column, T::of(a * b));
                    }
                }
                at += 1;
            }
        }
    }
}

impl CustomOp1 for Bilinear {
    fn name(&self) -> &'static str {
        "upsample_bilinear2d"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (n, c, h, w) = layout.shape().dims4()?;
        let (oh, ow) = (self.rows.len(), self.columns.len());
        with_elem!("upsample_bilinear2d", storage.dtype(), T => {
            let x = values::<T>(storage, layout)?;
            let mut y = vec![T::ZERO; n * c * oh * ow];
            y.par_chunks_mut(oh * ow).zip(x.par_chunks(h * w)).for_each(|(y, x)| {
                self.each(w, |o, i, weight: T| y[o] += weight * x[i]);
            });
            Ok(output(y, (n, c, oh, ow)))
        })
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let (_, _, h, w) = x.dims4()?;
        let out = self.rows.len() * self.columns.len();
        with_elem!("upsample_bilinear2d", x.dtype(), T => with_values::<T, _>(gradient, |g| {
            let mut dx = vec![T::ZERO; x.elem_count()];
            dx.par_chunks_mut(h * w).zip(g.par_chunks(out)).for_each(|(dx, g)| {
                self.each(w, |o, i, weight: T| dx[i] += weight * g[o]);
            });
            Ok(Some(tensor(dx, x.shape())?))
        }))
    }
}
