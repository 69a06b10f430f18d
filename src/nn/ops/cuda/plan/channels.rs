//! Normalisations, sums over channels and what follows a convolution.

use super::super::super::map::Order;
use super::{
    Address, Apply, ChannelJoin, ChannelSums, Epilogue, GradientInput, GradientJoin, GradientSums, Join, Launch,
    Moments, Slope, THREADS, abreast, blocks, int,
};

/// `[images, channels, pixels]`, and how a channel's values are cut into pieces for sums: by the sizes alone. Of a map whose
/// channels come last, every pixel is an image of one pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Channels {
    pub images: usize,
    pub channels: usize,
    pub pixels: usize,
}

impl Channels {
    /// Of a map of `[images, channels, pixels]` whose axes are in that order.
    pub fn of([images, channels, pixels]: [usize; 3], order: Order) -> Self {
        match order {
            Order::ChannelsFirst => Self { images, channels, pixels },
            Order::ChannelsLast => Self { images: images * pixels, channels, pixels: 1 },
        }
    }

    /// Values of one channel.
    pub fn values(self) -> usize {
        self.images * self.pixels
    }

    pub fn total(self) -> usize {
        self.values() * self.channels
    }

    /// Whether the kernels' 32-bit counters reach.
    #[cfg(feature = "cuda")]
    pub fn fits(self) -> bool {
        self.values() <= i32::MAX as usize
    }

    /// Neighbouring channels that a block sums side by side, a power of two.
    pub fn width(self) -> usize {
        abreast(if self.pixels == 1 { self.channels } else { 1 })
    }

    /// Pieces of each channel. Where channels lie side by side there are fewer blocks of them, so more pieces.
    pub fn parts(self) -> usize {
        if self.pixels != 1 {
            return self.values().div_ceil(8192).clamp(1, 64);
        }
        let rounds = self.values().div_ceil(THREADS / self.width() * 16);
        rounds.clamp(1, (1024 / self.channels.div_ceil(self.width()).max(1)).clamp(1, 128))
    }

    /// Blocks of a sum.
    fn sums(self) -> usize {
        self.channels.div_ceil(self.width()) * self.parts()
    }

    fn length(self) -> usize {
        self.values().div_ceil(self.parts())
    }

    /// Numbers that sums over channels need room for, `each` to a piece.
    pub fn partial(self, each: usize) -> usize {
        self.channels * self.parts() * each
    }
}

/// The batch's moments, `[channels]` each; `partial` has room for [`Channels::partial`]`(2)`.
pub fn moments<L: Launch>(
    on: &L,
    sizes: Channels,
    x: Address,
    partial: Address,
    [mean, variance, unbiased]: [Address; 3],
) -> Result<(), L::Error> {
    let (channels, values) = (int(sizes.channels), int(sizes.values()));
    let (parts, length) = (int(sizes.parts()), int(sizes.length()));
    let (pixels, width) = (int(sizes.pixels), int(sizes.width()));
    let sums = Moments { x, partial, channels, pixels, values, parts, length, width };
    on.launch("norm_moments", sizes.sums(), sums)?;
    let join = Join { partial, mean, variance, unbiased, channels, values, parts, length };
    on.launch("norm_join", blocks(sizes.channels), join)
}

/// Parameters of a normalisation, `[channels]` each.
#[derive(Clone, Copy, Debug)]
pub struct NormParameters {
    pub mean: Address,
    /// Biased.
    pub variance: Address,
    pub weight: Address,
    pub bias: Address,
    pub epsilon: f64,
}

/// Normalises, adds `residual` unless it is absent, rectifies if asked to. `slope` and `shift` are room for a number to
/// each channel.
pub fn normalise<L: Launch>(
    on: &L,
    sizes: Channels,
    (x, residual, y): (Address, Address, Address),
    parameters: NormParameters,
    [slope, shift]: [Address; 2],
    relu: bool,
) -> Result<(), L::Error> {
    let NormParameters { mean, variance, weight, bias, epsilon } = parameters;
    let channels = int(sizes.channels);
    let line = Slope { mean, variance, weight, bias, slope, shift, channels, epsilon };
    on.launch("norm_slope", blocks(sizes.channels), line)?;
    let (pixels, total, relu) = (int(sizes.pixels), int(sizes.total()), i64::from(relu));
    let apply = Apply { x, residual, y, slope, shift, channels, pixels, total, relu };
    on.launch("norm_apply", blocks(sizes.total()), apply)
}

/// Where the gradients of a normalisation go; `behind`, the residual's, may be absent.
#[derive(Clone, Copy, Debug)]
pub struct NormGradients {
    pub dx: Address,
    pub behind: Address,
    pub dweight: Address,
    pub dbias: Address,
}

/// The gradients behind [`normalise`]; `fixed` where the moments were given and not the batch's own. The last
/// four are room: for [`Channels::partial`]`(2)` numbers, then for one to each channel.
pub fn normalise_gradient<L: Launch>(
    on: &L,
    sizes: Channels,
    (x, y, dy): (Address, Address, Address),
    parameters: NormParameters,
    gradients: NormGradients,
    [partial, slope, lean, shift]: [Address; 4],
    (relu, fixed): (bool, bool),
) -> Result<(), L::Error> {
    let NormParameters { mean, variance, weight, epsilon, .. } = parameters;
    let NormGradients { dx, behind, dweight, dbias } = gradients;
    let (channels, pixels, values) = (int(sizes.channels), int(sizes.pixels), int(sizes.values()));
    let (parts, length) = (int(sizes.parts()), int(sizes.length()));
    let (width, relu) = (int(sizes.width()), i64::from(relu));
    let sums = GradientSums { x, y, dy, mean, partial, channels, pixels, values, parts, length, width, relu };
    on.launch("norm_gradient_sums", sizes.sums(), sums)?;
    let fixed = i64::from(fixed);
    let join = GradientJoin {
        partial,
        variance,
        weight,
        dweight,
        dbias,
        slope,
        lean,
        shift,
        channels,
        values,
        parts,
        fixed,
        epsilon,
    };
    on.launch("norm_gradient_join", blocks(sizes.channels), join)?;
    let total = int(sizes.total());
    let input = GradientInput { x, y, dy, dx, behind, mean, slope, lean, shift, channels, pixels, total, relu };
    on.launch("norm_gradient_input", blocks(sizes.total()), input)
}

/// Sums over images and pixels; `partial` has room for [`Channels::partial`]`(1)`.
pub fn channel_sums<L: Launch>(
    on: &L,
    sizes: Channels,
    x: Address,
    partial: Address,
    sums: Address,
) -> Result<(), L::Error> {
    let (channels, parts) = (int(sizes.channels), int(sizes.parts()));
    let (pixels, values, length) = (int(sizes.pixels), int(sizes.values()), int(sizes.length()));
    let width = int(sizes.width());
    let pieces = ChannelSums { x, partial, channels, pixels, values, parts, length, width };
    on.launch("channel_sums", sizes.sums(), pieces)?;
    on.launch("channel_join", blocks(sizes.channels), ChannelJoin { partial, sums, channels, parts })
}

/// Bias and residual (each may be absent) onto `y` in place, then a ReLU if asked for.
pub fn epilogue<L: Launch>(
    on: &L,
    sizes: Channels,
    y: Address,
    (bias, residual): (Address, Address),
    relu: bool,
) -> Result<(), L::Error> {
    let (channels, pixels, total) = (int(sizes.channels), int(sizes.pixels), int(sizes.total()));
    let epilogue = Epilogue { y, bias, residual, channels, pixels, total, relu: i64::from(relu) };
    on.launch("epilogue", blocks(sizes.total()), epilogue)
}
