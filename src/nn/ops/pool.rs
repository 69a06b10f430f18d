//! Pooling that trains: the place of each maximum is kept, so that overlapping windows, ties and edges get the gradient
//! PyTorch gives them (the first maximum of a window takes it all).

use std::sync::OnceLock;

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor, WithDType, backend::BackendStorage, bail};
use rayon::prelude::*;

use super::elem::{Elem, dims4, num::Float, output, tensor, values, with_elem, with_values};
use super::tape::{Place, Taped};

/// Windows of one axis: output size, and for each output the half-open range of inputs.
#[derive(Clone)]
struct Axis {
    input: usize,
    windows: Vec<(usize, usize)>,
}

impl Axis {
    fn sliding(input: usize, kernel: usize, stride: usize, padding: usize) -> Self {
        let out = (input + 2 * padding - kernel) / stride + 1;
        let windows = (0..out)
            .map(|o| {
                let start = o * stride;
                (start.saturating_sub(padding), (start + kernel).saturating_sub(padding).min(input))
            })
            .collect();
        Self { input, windows }
    }

    /// Without padding, and with a last window that may stick out on the far side; it begins inside the input.
    fn ceiling(input: usize, kernel: usize, stride: usize) -> Self {
        let out = (input - kernel).div_ceil(stride) + 1;
        let windows = (0..out).map(|o| (o * stride, (o * stride + kernel).min(input)));
        Self { input, windows: windows.filter(|(start, _)| *start < input).collect() }
    }

    fn adaptive(input: usize, out: usize) -> Self {
        Self { input, windows: (0..out).map(|o| (o * input / out, ((o + 1) * input).div_ceil(out))).collect() }
    }

    fn len(&self) -> usize {
        self.windows.len()
    }
}

fn check_window(op: &str, h: usize, w: usize, kernel: usize, stride: usize, padding: usize) -> Result<()> {
    if kernel == 0 || stride == 0 || 2 * padding > kernel {
        bail!(
            "{op}: kernel {kernel} and stride {stride} must be at least 1, and padding {padding} at most half the kernel"
        )
    }
    if h + 2 * padding < kernel || w + 2 * padding < kernel {
        bail!("{op}: the kernel {kernel} is larger than the padded input {h}x{w} (padding {padding})")
    }
    Ok(())
}

/// The largest value of each window; padding never wins. NaN wins, as in PyTorch.
pub fn max_pool2d(x: &Tensor, kernel: usize, stride: usize, padding: usize) -> Result<Tensor> {
    let (_, _, h, w) = dims4("max_pool2d", x)?;
    check_window("max_pool2d", h, w, kernel, stride, padding)?;
    let rows = Axis::sliding(h, kernel, stride, padding);
    let columns = Axis::sliding(w, kernel, stride, padding);
    #[cfg(feature = "cuda")]
    if x.device().is_cuda() {
        return super::cuda::max_pool2d(x, (rows.len(), columns.len()), (kernel, stride, padding));
    }
    x.apply_op1(MaxPool { rows, columns, winners: OnceLock::new() })
}

/// [`max_pool2d`] without padding, whose output is rounded up (PyTorch's `ceil_mode`): a last window that sticks out is
/// cut at the edge.
pub fn max_pool2d_ceil(x: &Tensor, kernel: usize, stride: usize) -> Result<Tensor> {
    let (_, _, h, w) = dims4("max_pool2d", x)?;
    check_window("max_pool2d", h, w, kernel, stride, 0)?;
    let (rows, columns) = (Axis::ceiling(h, kernel, stride), Axis::ceiling(w, kernel, stride));
    #[cfg(feature = "cuda")]
    if x.device().is_cuda() {
        return super::cuda::max_pool2d(x, (rows.len(), columns.len()), (kernel, stride, 0));
    }
    x.apply_op1(MaxPool { rows, columns, winners: OnceLock::new() })
}

impl Taped {
    /// [`max_pool2d`].
    pub fn max_pool2d(&self, kernel: usize, stride: usize, padding: usize) -> Result<Self> {
        if let Some(x) = self.elsewhere() {
            return Ok(Self::of_tensor(max_pool2d(x, kernel, stride, padding)?));
        }
        let (_, _, h, w) = dims4("max_pool2d", self.values())?;
        check_window("max_pool2d", h, w, kernel, stride, padding)?;
        self.pooled(Axis::sliding(h, kernel, stride, padding), Axis::sliding(w, kernel, stride, padding))
    }

    /// [`max_pool2d_ceil`].
    pub fn max_pool2d_ceil(&self, kernel: usize, stride: usize) -> Result<Self> {
        if let Some(x) = self.elsewhere() {
            return Ok(Self::of_tensor(max_pool2d_ceil(x, kernel, stride)?));
        }
        let (_, _, h, w) = dims4("max_pool2d", self.values())?;
        check_window("max_pool2d", h, w, kernel, stride, 0)?;
        self.pooled(Axis::ceiling(h, kernel, stride), Axis::ceiling(w, kernel, stride))
    }

    fn pooled(&self, rows: Axis, columns: Axis) -> Result<Self> {
        let x = self.values();
        let ((n, c, h, w), dtype) = (x.dims4()?, x.dtype());
        let (out, place) = (rows.len() * columns.len(), self.place());
        let (values, winners) = with_elem!("max_pool2d", dtype, T => with_values::<T, _>(x, |x| {
            let (y, winners) = max_planes(&rows, &columns, x, n * c);
            Ok((tensor(y, (n, c, rows.len(), columns.len()))?, winners))
        }))?;
        Self::made(values, &[self], None, move |dy, _| {
            with_elem!("max_pool2d", dtype, T => {
                let sum = |place: &Place| -> Result<()> {
                    let mut dx = place.take::<T>()?.unwrap_or_else(|| vec![T::ZERO; n * c * h * w]);
                    give_winners(&mut dx, &winners, T::cpu_storage_as_slice(&dy)?, h * w, out);
                    place.give(dx)
                };
                place.as_ref().map_or(Ok(()), sum)?;
                Ok(None)
            })
        })
    }
}

/// The largest value of each channel: `[N, C, H, W] -> [N, C]`.
pub fn global_max_pool(x: &Tensor) -> Result<Tensor> {
    let (n, c, h, w) = dims4("global_max_pool", x)?;
    if h == 0 || w == 0 {
        bail!("global_max_pool: the input {:?} is empty", x.dims())
    }
    #[cfg(feature = "cuda")]
    if x.device().is_cuda() {
        return super::cuda::max_pool2d(x, (1, 1), (h.max(w), h.max(w), 0))?.reshape((n, c));
    }
    let (rows, columns) = (Axis::adaptive(h, 1), Axis::adaptive(w, 1));
    x.apply_op1(MaxPool { rows, columns, winners: OnceLock::new() })?.reshape((n, c))
}

/// The mean of each window; padding counts as zeros (PyTorch's `count_include_pad`).
pub fn avg_pool2d(x: &Tensor, kernel: usize, stride: usize, padding: usize) -> Result<Tensor> {
    let (_, _, h, w) = dims4("avg_pool2d", x)?;
    check_window("avg_pool2d", h, w, kernel, stride, padding)?;
    let rows = Axis::sliding(h, kernel, stride, padding);
    let columns = Axis::sliding(w, kernel, stride, padding);
    #[cfg(feature = "cuda")]
    if x.device().is_cuda() {
        return super::cuda::avg_pool2d(x, (rows.len(), columns.len()), (kernel, stride, padding));
    }
    x.apply_op1(AvgPool { rows, columns, area: Some(kernel * kernel) })
}

/// The mean over `oh x ow` nearly equal windows that cover the input, as PyTorch cuts them.
pub fn adaptive_avg_pool2d(x: &Tensor, (oh, ow): (usize, usize)) -> Result<Tensor> {
    let (_, _, h, w) = dims4("adaptive_avg_pool2d", x)?;
    if oh == 0 || ow == 0 || h == 0 || w == 0 {
        bail!("adaptive_avg_pool2d: neither the input {:?} nor the output {oh}x{ow} may be empty", x.dims())
    }
    #[cfg(feature = "cuda")]
    if x.device().is_cuda() {
        return super::cuda::adaptive_avg_pool2d(x, (oh, ow));
    }
    x.apply_op1(AvgPool { rows: Axis::adaptive(h, oh), columns: Axis::adaptive(w, ow), area: None })
}

/// The mean of each channel: `[N, C, H, W] -> [N, C]`.
pub fn global_avg_pool(x: &Tensor) -> Result<Tensor> {
    let (n, c, _, _) = dims4("global_avg_pool", x)?;
    adaptive_avg_pool2d(x, (1, 1))?.reshape((n, c))
}

struct MaxPool {
    rows: Axis,
    columns: Axis,
    /// For each output its maximum's place within its channel.
    winners: OnceLock<Vec<u32>>,
}

struct AvgPool {
    rows: Axis,
    columns: Axis,
    /// What to divide by; the window's own size where absent.
    area: Option<usize>,
}

fn max_plane<T: Elem>(rows: &Axis, columns: &Axis, x: &[T], y: &mut [T], winners: &mut [u32]) {
    let width = columns.input;
    let mut at = 0;
    for &(top, bottom) in &rows.windows {
        for &(left, right) in &columns.windows {
            let mut best = T::NEG_INFINITY;
            let mut place = top * width + left;
            for row in top..bottom {
                for (i, &v) in x[row * width + left..row * width + right].iter().enumerate() {
                    // Chosen without a jump: which is larger cannot be foreseen.
                    let better = (v > best) | v.is_nan();
                    best = if better { v } else { best };
                    place = if better { row * width + left + i } else { place };
                }
            }
            y[at] = best;
            winners[at] = place as u32;
            at += 1;
        }
    }
}

/// The maxima of `planes` planes, and their places.
fn max_planes<T: Elem>(rows: &Axis, columns: &Axis, x: &[T], planes: usize) -> (Vec<T>, Vec<u32>) {
    let out = rows.len() * columns.len();
    let (mut y, mut winners) = (vec![T::ZERO; planes * out], vec![0; planes * out]);
    if !y.is_empty() {
        y.par_chunks_mut(out)
            .zip(winners.par_chunks_mut(out))
            .zip(x.par_chunks(rows.input * columns.input))
            .for_each(|((y, winners), x)| max_plane(rows, columns, x, y, winners));
    }
    (y, winners)
}

/// Adds every maximum's gradient where it came from.
fn give_winners<T: Elem>(dx: &mut [T], winners: &[u32], dy: &[T], plane: usize, out: usize) {
    if !dx.is_empty() {
        dx.par_chunks_mut(plane).zip(winners.par_chunks(out)).zip(dy.par_chunks(out)).for_each(
            |((dx, winners), dy)| {
                for (&place, &g) in winners.iter().zip(dy) {
                    dx[place as usize] += g;
                }
            },
        );
    }
}

impl CustomOp1 for MaxPool {
    fn name(&self) -> &'static str {
        "max_pool2d"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (n, c, _, _) = layout.shape().dims4()?;
        let (oh, ow) = (self.rows.len(), self.columns.len());
        with_elem!("max_pool2d", storage.dtype(), T => {
            let (y, winners) = max_planes(&self.rows, &self.columns, &values::<T>(storage, layout)?, n * c);
            // A second forward of the same op would see the same input, so the first answer stays valid.
            let _ = self.winners.set(winners);
            Ok(output(y, (n, c, oh, ow)))
        })
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let (n, c, h, w) = x.dims4()?;
        let out = self.rows.len() * self.columns.len();
        let winners = self.winners.get().map(Vec::as_slice).unwrap_or_default();
        with_elem!("max_pool2d", x.dtype(), T => with_values::<T, _>(gradient, |gradient| {
            let mut dx = vec![T::ZERO; n * c * h * w];
            give_winners(&mut dx, winners, gradient, h * w, out);
            Ok(Some(tensor(dx, x.shape())?))
        }))
    }
}

impl AvgPool {
    fn windows(&self) -> impl Iterator<Item = (usize, usize, usize, usize)> + '_ {
        self.rows.windows.iter().flat_map(|&(top, bottom)| {
            self.columns.windows.iter().map(move |&(left, right)| (top, bottom, left, right))
        })
    }

    fn share<T: Elem>(&self, (top, bottom, left, right): (usize, usize, usize, usize)) -> T {
        let area = self.area.unwrap_or((bottom - top) * (right - left));
        T::of(1.0 / area as f64)
    }
}

impl CustomOp1 for AvgPool {
    fn name(&self) -> &'static str {
        "avg_pool2d"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (n, c, h, w) = layout.shape().dims4()?;
        let (oh, ow) = (self.rows.len(), self.columns.len());
        with_elem!("avg_pool2d", storage.dtype(), T => {
            let x = values::<T>(storage, layout)?;
            let mut y = vec![T::ZERO; n * c * oh * ow];
            if !y.is_empty() {
                y.par_chunks_mut(oh * ow).zip(x.par_chunks(h * w)).for_each(|(y, x)| {
                    for (y, window) in y.iter_mut().zip(self.windows()) {
                        let (top, bottom, left, right) = window;
                        let mut sum = T::ZERO;
                        for row in top..bottom {
                            for &v in &x[row * w + left..row * w + right] {
                                sum += v;
                            }
                        }
                        *y = sum * self.share::<T>(window);
                    }
                });
            }
            Ok(output(y, (n, c, oh, ow)))
        })
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let (n, c, h, w) = x.dims4()?;
        let out = self.rows.len() * self.columns.len();
        with_elem!("avg_pool2d", x.dtype(), T => with_values::<T, _>(gradient, |gradient| {
            let mut dx = vec![T::ZERO; n * c * h * w];
            if !dx.is_empty() {
                dx.par_chunks_mut(h * w).zip(gradient.par_chunks(out)).for_each(|(dx, gradient)| {
                    for (&g, window) in gradient.iter().zip(self.windows()) {
                        let (top, bottom, left, right) = window;
                        let g = g * self.share::<T>(window);
                        for row in top..bottom {
                            for v in &mut dx[row * w + left..row * w + right] {
                                *v += g;
                            }
                        }
                    }
                });
            }
            Ok(Some(tensor(dx, x.shape())?))
        }))
    }
}
