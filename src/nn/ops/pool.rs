//! Pooling that trains: the place of each maximum is kept, so that overlapping windows, ties and edges get the gradient
//! PyTorch gives them (the first maximum of a window takes it all).

use std::sync::OnceLock;

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor, WithDType, backend::BackendStorage, bail};
use rayon::prelude::*;

use super::elem::{Elem, dims4, num::Float, output, tensor, values, with_elem, with_values};
use super::map::Map;
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
    Map::first(x).max_pool2d(kernel, stride, padding)?.leave()
}

/// [`max_pool2d`] without padding, whose output is rounded up (PyTorch's `ceil_mode`): a last window that sticks out is
/// cut at the edge.
pub fn max_pool2d_ceil(x: &Tensor, kernel: usize, stride: usize) -> Result<Tensor> {
    Map::first(x).max_pool2d_ceil(kernel, stride)?.leave()
}

/// The largest value of each channel: `[N, C, H, W] -> [N, C]`.
pub fn global_max_pool(x: &Tensor) -> Result<Tensor> {
    let (n, c, h, w) = dims4("global_max_pool", x)?;
    if h == 0 || w == 0 {
        bail!("global_max_pool: the input {:?} is empty", x.dims())
    }
    let side = h.max(w);
    Map::first(x).maxima((Axis::adaptive(h, 1), Axis::adaptive(w, 1)), (side, side, 0))?.leave()?.reshape((n, c))
}

/// The mean of each window; padding counts as zeros (PyTorch's `count_include_pad`).
pub fn avg_pool2d(x: &Tensor, kernel: usize, stride: usize, padding: usize) -> Result<Tensor> {
    Map::first(x).avg_pool2d(kernel, stride, padding)?.leave()
}

/// The mean over `oh x ow` nearly equal windows that cover the input, as PyTorch cuts them.
pub fn adaptive_avg_pool2d(x: &Tensor, out: (usize, usize)) -> Result<Tensor> {
    Map::first(x).adaptive_avg_pool2d(out)?.leave()
}

/// The mean of each channel: `[N, C, H, W] -> [N, C]`.
pub fn global_avg_pool(x: &Tensor) -> Result<Tensor> {
    Map::first(x).global_avg_pool()
}

/// Rows and columns of sliding windows over `[N, C, H, W]`.
fn sliding(op: &str, [_, _, h, w]: [usize; 4], kernel: usize, stride: usize, padding: usize) -> Result<(Axis, Axis)> {
    check_window(op, h, w, kernel, stride, padding)?;
    Ok((Axis::sliding(h, kernel, stride, padding), Axis::sliding(w, kernel, stride, padding)))
}

/// As [`sliding`], of windows that may stick out.
fn ceiling([_, _, h, w]: [usize; 4], kernel: usize, stride: usize) -> Result<(Axis, Axis)> {
    check_window("max_pool2d", h, w, kernel, stride, 0)?;
    Ok((Axis::ceiling(h, kernel, stride), Axis::ceiling(w, kernel, stride)))
}

impl Map {
    /// [`max_pool2d`].
    pub fn max_pool2d(&self, kernel: usize, stride: usize, padding: usize) -> Result<Self> {
        let axes = sliding("max_pool2d", self.sizes("max_pool2d")?, kernel, stride, padding)?;
        self.maxima(axes, (kernel, stride, padding))
    }

    /// [`max_pool2d_ceil`].
    pub fn max_pool2d_ceil(&self, kernel: usize, stride: usize) -> Result<Self> {
        self.maxima(ceiling(self.sizes("max_pool2d")?, kernel, stride)?, (kernel, stride, 0))
    }

    /// Kernel, stride and padding say the same as the axes.
    fn maxima(&self, (rows, columns): (Axis, Axis), _sliding: (usize, usize, usize)) -> Result<Self> {
        #[cfg(feature = "cuda")]
        if self.on_cuda() {
            return Ok(self.with(super::cuda::max_pool2d(self, (rows.len(), columns.len()), _sliding)?));
        }
        self.through(|x| x.apply_op1(MaxPool { rows, columns, winners: OnceLock::new() }))
    }

    /// [`avg_pool2d`].
    pub fn avg_pool2d(&self, kernel: usize, stride: usize, padding: usize) -> Result<Self> {
        let (rows, columns) = sliding("avg_pool2d", self.sizes("avg_pool2d")?, kernel, stride, padding)?;
        #[cfg(feature = "cuda")]
        if self.on_cuda() {
            let sliding = Some((kernel, stride, padding));
            return Ok(self.with(super::cuda::avg_pool2d(self, (rows.len(), columns.len()), sliding)?));
        }
        self.through(|x| x.apply_op1(AvgPool { rows, columns, area: Some(kernel * kernel) }))
    }

    /// [`adaptive_avg_pool2d`].
    pub fn adaptive_avg_pool2d(&self, (oh, ow): (usize, usize)) -> Result<Self> {
        let [_, _, h, w] = self.sizes("adaptive_avg_pool2d")?;
        if oh == 0 || ow == 0 || h == 0 || w == 0 {
            let dims = self.tensor().dims();
            bail!("adaptive_avg_pool2d: neither the input {dims:?} nor the output {oh}x{ow} may be empty")
        }
        #[cfg(feature = "cuda")]
        if self.on_cuda() {
            return Ok(self.with(super::cuda::avg_pool2d(self, (oh, ow), None)?));
        }
        self.through(|x| {
            x.apply_op1(AvgPool { rows: Axis::adaptive(h, oh), columns: Axis::adaptive(w, ow), area: None })
        })
    }

    /// [`global_avg_pool`].
    pub fn global_avg_pool(&self) -> Result<Tensor> {
        let [n, c, _, _] = self.sizes("global_avg_pool")?;
        // One pixel is the same in either order.
        self.adaptive_avg_pool2d((1, 1))?.tensor().reshape((n, c))
    }
}

impl Taped {
    /// [`max_pool2d`].
    pub fn max_pool2d(&self, kernel: usize, stride: usize, padding: usize) -> Result<Self> {
        if let Some(x) = self.elsewhere() {
            return x.max_pool2d(kernel, stride, padding).map(Self::plain);
        }
        let (rows, columns) = sliding("max_pool2d", self.sizes()?, kernel, stride, padding)?;
        self.pooled(rows, columns)
    }

    /// [`max_pool2d_ceil`].
    pub fn max_pool2d_ceil(&self, kernel: usize, stride: usize) -> Result<Self> {
        if let Some(x) = self.elsewhere() {
            return x.max_pool2d_ceil(kernel, stride).map(Self::plain);
        }
        let (rows, columns) = ceiling(self.sizes()?, kernel, stride)?;
        self.pooled(rows, columns)
    }

    /// [`avg_pool2d`].
    pub fn avg_pool2d(&self, kernel: usize, stride: usize, padding: usize) -> Result<Self> {
        match self.elsewhere() {
            Some(x) => x.avg_pool2d(kernel, stride, padding).map(Self::plain),
            None => self.through(|x| avg_pool2d(x, kernel, stride, padding)),
        }
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
