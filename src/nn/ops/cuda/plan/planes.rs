//! What works on the planes of maps, in either order of their axes: pools, means, channels weighed.

use super::super::super::map::Order;
use super::{Address, AvgPool, Launch, MaxPool, MaxPoolGradient, PlaneSums, Scale, abreast, blocks, int};

/// How windows lie in planes `[height, width, inner]`, and how many there are: `inner` is 1 for the channels of maps
/// `[N, C, H, W]`, and the number of channels for maps `[N, H, W, C]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Windows {
    pub planes: usize,
    pub height: usize,
    pub width: usize,
    pub inner: usize,
    pub rows: usize,
    pub columns: usize,
    /// Kernel, stride and padding; absent for nearly equal windows that cover the input.
    pub sliding: Option<(usize, usize, usize)>,
}

impl Windows {
    pub fn inputs(self) -> usize {
        self.planes * self.height * self.width * self.inner
    }

    pub fn outputs(self) -> usize {
        self.planes * self.rows * self.columns * self.inner
    }

    fn average(self, from: Address, to: Address) -> AvgPool {
        let Self { planes, height, width, inner, rows, columns, sliding } = self;
        let (kernel, stride, padding) = sliding.unwrap_or((1, 1, 0));
        AvgPool {
            from,
            to,
            planes: int(planes),
            height: int(height),
            width: int(width),
            inner: int(inner),
            rows: int(rows),
            columns: int(columns),
            kernel: int(kernel),
            stride: int(stride),
            padding: int(padding),
            adaptive: i64::from(sliding.is_none()),
        }
    }
}

/// The largest of each window and its place; `winners` are 32-bit integers.
pub fn max_pool<L: Launch>(on: &L, windows: Windows, x: Address, y: Address, winners: Address) -> Result<(), L::Error> {
    let AvgPool { planes, height, width, inner, rows, columns, kernel, stride, padding, .. } = windows.average(x, y);
    let pool = MaxPool { x, y, winners, planes, height, width, inner, rows, columns, kernel, stride, padding };
    on.launch("max_pool", blocks(windows.outputs()), pool)
}

pub fn max_pool_gradient<L: Launch>(
    on: &L,
    windows: Windows,
    dy: Address,
    winners: Address,
    dx: Address,
) -> Result<(), L::Error> {
    let AvgPool { planes, height, width, inner, rows, columns, kernel, stride, padding, .. } = windows.average(dy, dx);
    let pool =
        MaxPoolGradient { dy, winners, dx, planes, height, width, inner, rows, columns, kernel, stride, padding };
    on.launch("max_pool_gradient", blocks(windows.inputs()), pool)
}

pub fn avg_pool<L: Launch>(on: &L, windows: Windows, x: Address, y: Address) -> Result<(), L::Error> {
    if (windows.rows, windows.columns, windows.sliding) == (1, 1, None) {
        // One thread would walk a whole plane.
        let pixels = windows.height * windows.width;
        let planes = Planes { planes: windows.planes, pixels, inner: windows.inner };
        return plane_sums(on, planes, x, 0, y, 1.0 / pixels as f64);
    }
    on.launch("avg_pool", blocks(windows.outputs()), windows.average(x, y))
}

pub fn avg_pool_gradient<L: Launch>(on: &L, windows: Windows, dy: Address, dx: Address) -> Result<(), L::Error> {
    on.launch("avg_pool_gradient", blocks(windows.inputs()), windows.average(dy, dx))
}

/// `[planes, pixels, inner]`: as [`Windows`] without the shape of a plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Planes {
    pub planes: usize,
    pub pixels: usize,
    pub inner: usize,
}

impl Planes {
    /// Of a map of `[images, channels, pixels]` whose axes are in that order.
    pub fn of([images, channels, pixels]: [usize; 3], order: Order) -> Self {
        match order {
            Order::ChannelsFirst => Self { planes: images * channels, pixels, inner: 1 },
            Order::ChannelsLast => Self { planes: images, pixels, inner: channels },
        }
    }

    pub fn total(self) -> usize {
        self.planes * self.pixels * self.inner
    }
}

/// All pixels of a plane times its factor; factors are `[planes, inner]`.
pub fn scale<L: Launch>(on: &L, sizes: Planes, x: Address, factors: Address, y: Address) -> Result<(), L::Error> {
    let (pixels, inner, total) = (int(sizes.pixels), int(sizes.inner), int(sizes.total()));
    on.launch("scale", blocks(sizes.total()), Scale { x, factors, y, pixels, inner, total })
}

/// Sums over a plane's pixels of `x`, or of its products with `other` unless that is absent, times `share`:
/// `[planes, inner]`.
pub fn plane_sums<L: Launch>(
    on: &L,
    sizes: Planes,
    x: Address,
    other: Address,
    sums: Address,
    share: f64,
) -> Result<(), L::Error> {
    let side = abreast(sizes.inner);
    let pieces =
        PlaneSums { x, other, sums, pixels: int(sizes.pixels), inner: int(sizes.inner), width: int(side), share };
    on.launch("plane_sums", sizes.planes * sizes.inner.div_ceil(side), pieces)
}
