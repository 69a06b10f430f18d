//! The passes of batch normalisation over slices, forward and backward. A task owns a channel: its values are still in the
//! cache when they are normalised, and no sum crosses tasks.

use std::mem::MaybeUninit;

use candle_core::{Result, Tensor, bail};
use rayon::prelude::*;

use super::elem::{Elem, simd, written};

#[derive(Clone, Copy)]
pub(super) struct Sizes {
    pub images: usize,
    pub channels: usize,
    pub pixels: usize,
}

impl Sizes {
    pub fn new(x: &Tensor) -> Result<Self> {
        match x.dims() {
            &[images, channels, ref rest @ ..] => Ok(Self { images, channels, pixels: rest.iter().product() }),
            other => bail!("batch_norm: the input must be [images, channels, ...], not {other:?}"),
        }
    }

    fn len(self) -> usize {
        self.images * self.channels * self.pixels
    }

    /// The channel's planes in the order of the images.
    fn planes<T>(self, all: &[T], channel: usize) -> impl Iterator<Item = &[T]> {
        let Self { images, channels, pixels } = self;
        (0..images).map(move |image| {
            let from = (image * channels + channel) * pixels;
            &all[from..from + pixels]
        })
    }

    /// As [`Self::planes`] for every channel, to be written.
    fn planes_mut<T>(self, all: &mut [T]) -> Vec<Vec<&mut [T]>> {
        let mut planes: Vec<Vec<&mut [T]>> = (0..self.channels).map(|_| Vec::with_capacity(self.images)).collect();
        if self.pixels > 0 {
            for (i, plane) in all.chunks_mut(self.pixels).enumerate() {
                planes[i % self.channels].push(plane);
            }
        }
        planes
    }
}

#[derive(Clone, Copy)]
pub(super) struct Moments {
    pub mean: f64,
    /// Biased, as it is used.
    pub var: f64,
}

#[derive(Clone, Copy)]
pub(super) struct BatchNorm {
    pub sizes: Sizes,
    pub eps: f64,
    pub relu: bool,
    /// The moments are given, not the batch's own: nothing flows back through them.
    pub fixed: bool,
}

/// What flows back.
pub(super) struct Gradients<T> {
    pub input: Vec<T>,
    /// Weights, then biases.
    pub affine: Vec<T>,
    /// The gradient behind the ReLU, where it was asked for.
    pub residual: Option<Vec<T>>,
}

const LANES: usize = 16;

/// Sixteen running sums and what is left over, folded in a fixed order.
fn total<T: Elem>(sums: [T; LANES], rest: impl Iterator<Item = T>) -> f64 {
    sums.into_iter().chain(rest).map(|v| v.to_f64()).sum()
}

simd! {
    /// The sum of a plane.
    fn sum<T>(x: &[T]) -> f64 {
        let (whole, rest) = x.as_chunks::<LANES>();
        let mut sums = [T::ZERO; LANES];
        for x in whole {
            for (sum, &x) in sums.iter_mut().zip(x) {
                *sum += x;
            }
        }
        total(sums, rest.iter().copied())
    }
}

simd! {
    /// The sum of a plane's squared distances from `m`.
    fn squares<T>(x: &[T], m: T) -> f64 {
        let (whole, rest) = x.as_chunks::<LANES>();
        let mut sums = [T::ZERO; LANES];
        for x in whole {
            for (sum, &x) in sums.iter_mut().zip(x) {
                *sum += (x - m) * (x - m);
            }
        }
        total(sums, rest.iter().map(|&x| (x - m) * (x - m)))
    }
}

simd! {
    /// `max(slope x + shift + r, floor)`; NaN stays NaN.
    fn apply<T>(y: &mut [MaybeUninit<T>], x: &[T], r: Option<&[T]>, line: (T, T), floor: T) -> () {
        let (slope, shift) = line;
        let rectified = |v: T| if v < floor { floor } else { v };
        match r {
            None => y.iter_mut().zip(x).for_each(|(y, &x)| _ = y.write(rectified(x * slope + shift))),
            Some(r) => y.iter_mut().zip(x).zip(r).for_each(|((y, &x), &r)| _ = y.write(rectified(x * slope + shift + r))),
        }
    }
}

/// What of a gradient passes the ReLU.
#[derive(Clone, Copy)]
enum Kept<'a, T> {
    /// There is no ReLU.
    All,
    /// Where the result is above zero.
    Result(&'a [T]),
    /// The same worked out once more from the input, slope and shift as in [`apply`]: one read of memory less.
    Line(T, T),
}

/// The sums of `g` and of `g (x - m)` over a plane, `g` being `dy` where `kept` says so of `x` and `y`.
#[inline(always)]
fn kept_sums<T: Elem>(x: &[T], y: &[T], dy: &[T], m: T, kept: impl Fn(T, T) -> bool) -> (f64, f64) {
    let ((xs, x), (ys, y)) = (x.as_chunks::<LANES>(), y.as_chunks::<LANES>());
    let (dys, dy) = dy.as_chunks::<LANES>();
    let (mut sums, mut products) = ([T::ZERO; LANES], [T::ZERO; LANES]);
    for ((x, y), dy) in xs.iter().zip(ys).zip(dys) {
        // One short loop for each step, and every value read whether kept or not: only so are these vectors.
        let g: [T; LANES] = std::array::from_fn(|i| {
            let g = dy[i];
            if kept(x[i], y[i]) { g } else { T::ZERO }
        });
        for i in 0..LANES {
            sums[i] += g[i];
        }
        for i in 0..LANES {
            products[i] += g[i] * (x[i] - m);
        }
    }
    let rest = || x.iter().zip(y).zip(dy).map(|((&x, &y), &dy)| (if kept(x, y) { dy } else { T::ZERO }, x));
    (total(sums, rest().map(|(g, _)| g)), total(products, rest().map(|(g, x)| g * (x - m))))
}

simd! {
    /// The sums of `g` and of `g (x - m)` over a plane, `g` being what of `dy` is kept.
    fn slopes<T>(x: &[T], kept: Kept<'_, T>, dy: &[T], m: T) -> (f64, f64) {
        match kept {
            Kept::All => kept_sums(x, x, dy, m, |_, _| true),
            Kept::Result(y) => kept_sums(x, y, dy, m, |_, y| y > T::ZERO),
            Kept::Line(slope, shift) => kept_sums(x, x, dy, m, |x, _| x * slope + shift > T::ZERO),
        }
    }
}

/// The input's gradient as a line through `g` and `x`: `slope g + (lean (x - mean) + offset)`.
#[derive(Clone, Copy)]
struct Slant<T> {
    slope: T,
    lean: T,
    offset: T,
    mean: T,
}

impl<T: Elem> Slant<T> {
    #[inline(always)]
    fn at(self, g: T, x: T) -> T {
        self.slope * g + (self.lean * (x - self.mean) + self.offset)
    }
}

simd! {
    /// Writes the input's gradient over that of the result.
    fn slant<T>(dy: &mut [T], x: &[T], kept: Kept<'_, T>, line: Slant<T>) -> () {
        let all = dy.iter_mut().zip(x);
        match kept {
            Kept::All => all.for_each(|(dy, &x)| *dy = line.at(*dy, x)),
            Kept::Result(y) => all.zip(y).for_each(|((dy, &x), &y)| {
                *dy = line.at(if y > T::ZERO { *dy } else { T::ZERO }, x);
            }),
            Kept::Line(slope, shift) => all.for_each(|(dy, &x)| {
                *dy = line.at(if x * slope + shift > T::ZERO { *dy } else { T::ZERO }, x);
            }),
        }
    }
}

simd! {
    /// Writes the input's gradient to `dx`, and over that of the result what of it passes the ReLU.
    fn slant_and_mask<T>(dx: &mut [MaybeUninit<T>], dy: &mut [T], x: &[T], y: &[T], line: Slant<T>) -> () {
        for (((dx, dy), &x), &y) in dx.iter_mut().zip(dy).zip(x).zip(y) {
            *dy = if y > T::ZERO { *dy } else { T::ZERO };
            dx.write(line.at(*dy, x));
        }
    }
}

/// Mean and variance of all planes together: each plane around its own mean, put together as by Chan, Golub and LeVeque
/// ("Updating formulae and a pairwise algorithm for computing sample variances", 1979), so that memory is read once and
/// no digits are lost however far the mean is from zero.
fn moments<'a, T: Elem>(planes: impl Iterator<Item = &'a [T]>) -> Moments {
    let (mut count, mut mean, mut squared) = (0.0, 0.0, 0.0);
    for x in planes.filter(|x| !x.is_empty()) {
        let more = x.len() as f64;
        let own = sum(x) / more;
        let near = T::of(own);
        let astray = own - near.to_f64();
        let delta = own - mean;
        let all = count + more;
        squared += squares(x, near) - more * astray * astray + delta * delta * count * more / all;
        mean += delta * more / all;
        count = all;
    }
    Moments { mean, var: (squared / count).max(0.0) }
}

impl BatchNorm {
    pub fn forward<T: Elem>(
        &self,
        x: &[T],
        affine: &[T],
        residual: Option<&[T]>,
        fixed: Option<Vec<Moments>>,
    ) -> (Vec<T>, Vec<Moments>) {
        let sizes = self.sizes;
        let floor = if self.relu { T::ZERO } else { T::NEG_INFINITY };
        let channel = |(c, mut y): (usize, Vec<&mut [MaybeUninit<T>]>)| {
            let moments = fixed.as_ref().map_or_else(|| moments(sizes.planes(x, c)), |fixed| fixed[c]);
            let line = self.line(affine, c, moments);
            for (image, (y, x)) in y.iter_mut().zip(sizes.planes(x, c)).enumerate() {
                let from = (image * sizes.channels + c) * sizes.pixels;
                apply(y, x, residual.map(|r| &r[from..from + sizes.pixels]), line, floor);
            }
            moments
        };
        let mut moments = Vec::new();
        // SAFETY: `planes_mut` cuts the whole output into planes, and each is zipped with inputs as long.
        let y = unsafe {
            written(sizes.len(), |y| {
                moments = sizes.planes_mut(y).into_par_iter().enumerate().map(channel).collect();
            })
        };
        (y, moments)
    }

    /// Slope and shift of a channel.
    fn line<T: Elem>(&self, affine: &[T], c: usize, moments: Moments) -> (T, T) {
        let slope = affine[c].to_f64() / (moments.var + self.eps).sqrt();
        (T::of(slope), T::of(affine[self.sizes.channels + c].to_f64() - moments.mean * slope))
    }

    /// From the gradient of the result. `y` is the result where a residual was added; `residual`: whether somebody wants
    /// what of the gradient passes the ReLU.
    pub fn gradients<T: Elem>(
        &self,
        x: &[T],
        affine: &[T],
        y: Option<&[T]>,
        mut dy: Vec<T>,
        moments: &[Moments],
        residual: bool,
    ) -> Gradients<T> {
        let sizes = self.sizes;
        let count = (sizes.images * sizes.pixels) as f64;
        let channel = |c: usize, dx: &mut [&mut [MaybeUninit<T>]], dy: &mut [&mut [T]]| {
            let Moments { mean, var } = moments[c];
            let (inverse, mean) = (1.0 / (var + self.eps).sqrt(), T::of(mean));
            let (multiple, shift) = self.line(affine, c, moments[c]);
            let planes = || {
                sizes.planes(x, c).enumerate().map(move |(image, x)| {
                    let from = (image * sizes.channels + c) * sizes.pixels;
                    (
                        x,
                        match y {
                            Some(y) => Kept::Result(&y[from..from + sizes.pixels]),
                            None if self.relu => Kept::Line(multiple, shift),
                            None => Kept::All,
                        },
                    )
                })
            };
            let (mut sum, mut product) = (0.0, 0.0);
            for ((x, kept), dy) in planes().zip(&*dy) {
                let (a, b) = slopes(x, kept, dy, mean);
                sum += a;
                product += b;
            }
            let slope = affine[c].to_f64() * inverse;
            // dx = slope (dy - mean(dy) - x^ mean(dy x^)); without the means where the moments are given.
            let (a, b) = if self.fixed { (0.0, 0.0) } else { (sum / count, product * inverse * inverse / count) };
            let line = Slant { slope: T::of(slope), lean: T::of(-slope * b), offset: T::of(-slope * a), mean };
            for (image, ((x, kept), dy)) in planes().zip(dy).enumerate() {
                match (dx.get_mut(image), kept) {
                    (Some(dx), Kept::Result(y)) => slant_and_mask(dx, dy, x, y, line),
                    _ => slant(dy, x, kept, line),
                }
            }
            (product * inverse, sum)
        };
        let mut sums = Vec::<(f64, f64)>::new();
        // A second buffer is needed only where both gradients go on.
        let two = residual && y.is_some();
        // SAFETY: `planes_mut` cuts the whole of both into planes, and each is zipped with inputs as long.
        let dx = unsafe {
            written(if two { sizes.len() } else { 0 }, |dx| {
                let planes = sizes.planes_mut(dx).into_par_iter().zip(sizes.planes_mut(&mut dy)).enumerate();
                sums = planes.map(|(c, (mut dx, mut dy))| channel(c, &mut dx, &mut dy)).collect();
            })
        };
        let (dw, db): (Vec<T>, Vec<T>) = sums.into_iter().map(|(w, b)| (T::of(w), T::of(b))).unzip();
        let affine = [dw, db].concat();
        if two {
            Gradients { input: dx, affine, residual: Some(dy) }
        } else {
            Gradients { input: dy, affine, residual: None }
        }
    }
}
