//! Our own kernels as Rust sees them: their arguments, and which launches an operation is made of.
//!
//! Nothing here needs a GPU. `device.rs` launches on one; the tests launch the same plans on the CPU, where the C
//! compiler reads the same sources, so that all index arithmetic is held against the CPU's own operations.

use super::super::transport::Transport;

/// An address in the device's memory; 0 for "absent".
pub type Address = u64;

/// Threads of every block, as in `prelude.h`.
pub const THREADS: usize = 256;

/// A source file of kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Module {
    Norm,
    Pool,
    Elem,
    Update,
    Transport,
}

impl Module {
    #[cfg(test)]
    pub const ALL: [Self; 5] = [Self::Norm, Self::Pool, Self::Elem, Self::Update, Self::Transport];

    pub fn name(self) -> &'static str {
        match self {
            Self::Norm => "norm",
            Self::Pool => "pool",
            Self::Elem => "elem",
            Self::Update => "update",
            Self::Transport => "transport",
        }
    }

    /// The file alone; `PRELUDE` goes before it.
    pub fn source(self) -> &'static str {
        match self {
            Self::Norm => include_str!("kernels/norm.cu"),
            Self::Pool => include_str!("kernels/pool.cu"),
            Self::Elem => include_str!("kernels/elem.cu"),
            Self::Update => include_str!("kernels/update.cu"),
            Self::Transport => include_str!("kernels/transport.cu"),
        }
    }
}

pub const PRELUDE: &str = include_str!("kernels/prelude.h");

/// What lies in memory; bf16 is computed in f32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Number {
    F32,
    F64,
    Bf16,
}

impl Number {
    /// The macro that chooses the type in `prelude.h`.
    pub fn define(self) -> &'static str {
        match self {
            Self::F32 => "-DF32",
            Self::F64 => "-DF64",
            Self::Bf16 => "-DBF16",
        }
    }

    /// Bytes of a number that is computed.
    pub fn computed(self) -> usize {
        match self {
            Self::F32 | Self::Bf16 => 4,
            Self::F64 => 8,
        }
    }
}

/// The argument of a kernel, bit for bit as its C struct.
///
/// # Safety
/// The fields are 8 bytes each, in the order of the struct of that name in the kernels' sources.
pub unsafe trait Arguments: Copy {
    const MODULE: Module;
    #[cfg(test)]
    const NAME: &'static str;
    #[cfg(test)]
    const FIELDS: &'static [&'static str];
}

/// Runs kernels on memory of one number type.
pub trait Launch {
    type Error;

    /// Numbers that the shared memory of a block can hold.
    fn room(&self) -> Result<usize, Self::Error>;

    /// Runs `blocks` blocks of the kernel with room for `shared` numbers each. Whatever the addresses point to must be
    /// there, be of the size that the kernel reads or writes, and stay until the kernel has run.
    fn launch_with<A: Arguments>(
        &self,
        kernel: &'static str,
        blocks: usize,
        shared: usize,
        arguments: A,
    ) -> Result<(), Self::Error>;

    /// As [`Self::launch_with`], for kernels that ask for no room.
    fn launch<A: Arguments>(&self, kernel: &'static str, blocks: usize, arguments: A) -> Result<(), Self::Error> {
        self.launch_with(kernel, blocks, 0, arguments)
    }
}

macro_rules! arguments {
    ($($module:ident: $name:ident { $($field:ident: $type:ty),* $(,)? })*) => { $(
        #[repr(C)]
        #[derive(Clone, Copy, Debug)]
        pub struct $name { $(pub $field: $type),* }
        // SAFETY: eight bytes each; a test compares names and order with the C struct.
        unsafe impl Arguments for $name {
            const MODULE: Module = Module::$module;
            #[cfg(test)]
            const NAME: &'static str = stringify!($name);
            #[cfg(test)]
            const FIELDS: &'static [&'static str] = &[$(stringify!($field)),*];
        }
    )* };
}

arguments! {
    Norm: Moments { x: Address, partial: Address, channels: i64, pixels: i64, values: i64, parts: i64, length: i64 }
    Norm: Join {
        partial: Address, mean: Address, variance: Address, unbiased: Address,
        channels: i64, values: i64, parts: i64, length: i64,
    }
    Norm: Slope {
        mean: Address, variance: Address, weight: Address, bias: Address, slope: Address, shift: Address,
        channels: i64, epsilon: f64,
    }
    Norm: Apply {
        x: Address, residual: Address, y: Address, slope: Address, shift: Address,
        channels: i64, pixels: i64, total: i64, relu: i64,
    }
    Norm: GradientSums {
        x: Address, y: Address, dy: Address, mean: Address, partial: Address,
        channels: i64, pixels: i64, values: i64, parts: i64, length: i64, relu: i64,
    }
    Norm: GradientJoin {
        partial: Address, variance: Address, weight: Address, dweight: Address, dbias: Address,
        slope: Address, lean: Address, shift: Address,
        channels: i64, values: i64, parts: i64, fixed: i64, epsilon: f64,
    }
    Norm: GradientInput {
        x: Address, y: Address, dy: Address, dx: Address, behind: Address,
        mean: Address, slope: Address, lean: Address, shift: Address,
        channels: i64, pixels: i64, total: i64, relu: i64,
    }
    Pool: MaxPool {
        x: Address, y: Address, winners: Address,
        planes: i64, height: i64, width: i64, rows: i64, columns: i64, kernel: i64, stride: i64, padding: i64,
    }
    Pool: MaxPoolGradient {
        dy: Address, winners: Address, dx: Address,
        planes: i64, height: i64, width: i64, rows: i64, columns: i64, kernel: i64, stride: i64, padding: i64,
    }
    Pool: AvgPool {
        from: Address, to: Address,
        planes: i64, height: i64, width: i64, rows: i64, columns: i64, kernel: i64, stride: i64, padding: i64,
        adaptive: i64,
    }
    Elem: Rectify { x: Address, other: Address, y: Address, total: i64 }
    Elem: Mask { y: Address, dy: Address, dx: Address, total: i64 }
    Elem: Epilogue {
        y: Address, bias: Address, residual: Address, channels: i64, pixels: i64, total: i64, relu: i64,
    }
    Elem: ChannelSums { x: Address, partial: Address, channels: i64, pixels: i64, values: i64, parts: i64, length: i64 }
    Elem: ChannelJoin { partial: Address, sums: Address, channels: i64, parts: i64 }
    Transport: Sinkhorn {
        cost: Address, a: Address, b: Address, plan: Address, taken: Address,
        rows: i64, columns: i64, most: i64, held: i64, epsilon: f64, tolerance: f64,
    }
}

// After the macro, which it uses.
mod update;
pub use update::*;

/// Blocks with a thread for each of `count` values.
fn blocks(count: usize) -> usize {
    count.div_ceil(THREADS)
}

fn int(value: usize) -> i64 {
    // No tensor of this program has 2^63 values.
    value as i64
}

/// `[images, channels, pixels]`, and how a channel's values are cut into pieces for sums: by its size alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Channels {
    pub images: usize,
    pub channels: usize,
    pub pixels: usize,
}

impl Channels {
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

    pub fn parts(self) -> usize {
        self.values().div_ceil(8192).clamp(1, 64)
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
    let sums = Moments { x, partial, channels, pixels: int(sizes.pixels), values, parts, length };
    on.launch("norm_moments", sizes.channels * sizes.parts(), sums)?;
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
    let (parts, length, relu) = (int(sizes.parts()), int(sizes.length()), i64::from(relu));
    let sums = GradientSums { x, y, dy, mean, partial, channels, pixels, values, parts, length, relu };
    on.launch("norm_gradient_sums", sizes.channels * sizes.parts(), sums)?;
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
    let pieces = ChannelSums { x, partial, channels, pixels, values, parts, length };
    on.launch("channel_sums", sizes.channels * sizes.parts(), pieces)?;
    on.launch("channel_join", blocks(sizes.channels), ChannelJoin { partial, sums, channels, parts })
}

/// How windows lie in planes `[height, width]`, and how many there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Windows {
    pub planes: usize,
    pub height: usize,
    pub width: usize,
    pub rows: usize,
    pub columns: usize,
    /// Kernel, stride and padding; absent for nearly equal windows that cover the input.
    pub sliding: Option<(usize, usize, usize)>,
}

impl Windows {
    pub fn inputs(self) -> usize {
        self.planes * self.height * self.width
    }

    pub fn outputs(self) -> usize {
        self.planes * self.rows * self.columns
    }

    fn average(self, from: Address, to: Address) -> AvgPool {
        let Self { planes, height, width, rows, columns, sliding } = self;
        let (kernel, stride, padding) = sliding.unwrap_or((1, 1, 0));
        AvgPool {
            from,
            to,
            planes: int(planes),
            height: int(height),
            width: int(width),
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
    let AvgPool { planes, height, width, rows, columns, kernel, stride, padding, .. } = windows.average(x, y);
    let pool = MaxPool { x, y, winners, planes, height, width, rows, columns, kernel, stride, padding };
    on.launch("max_pool", blocks(windows.outputs()), pool)
}

pub fn max_pool_gradient<L: Launch>(
    on: &L,
    windows: Windows,
    dy: Address,
    winners: Address,
    dx: Address,
) -> Result<(), L::Error> {
    let AvgPool { planes, height, width, rows, columns, kernel, stride, padding, .. } = windows.average(dy, dx);
    let pool = MaxPoolGradient { dy, winners, dx, planes, height, width, rows, columns, kernel, stride, padding };
    on.launch("max_pool_gradient", blocks(windows.inputs()), pool)
}

pub fn avg_pool<L: Launch>(on: &L, windows: Windows, x: Address, y: Address) -> Result<(), L::Error> {
    on.launch("avg_pool", blocks(windows.outputs()), windows.average(x, y))
}

pub fn avg_pool_gradient<L: Launch>(on: &L, windows: Windows, dy: Address, dx: Address) -> Result<(), L::Error> {
    on.launch("avg_pool_gradient", blocks(windows.inputs()), windows.average(dy, dx))
}

/// `relu(x + other)`; `other` may be absent.
pub fn rectify<L: Launch>(on: &L, total: usize, x: Address, other: Address, y: Address) -> Result<(), L::Error> {
    on.launch("rectify", blocks(total), Rectify { x, other, y, total: int(total) })
}

/// `dy` where `y` is above zero, else zero.
pub fn mask<L: Launch>(on: &L, total: usize, y: Address, dy: Address, dx: Address) -> Result<(), L::Error> {
    on.launch("mask", blocks(total), Mask { y, dy, dx, total: int(total) })
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

/// `[pairs, rows, columns]`: costs between the cells of pairs of photos.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pairs {
    pub pairs: usize,
    pub rows: usize,
    pub columns: usize,
}

impl Pairs {
    /// Numbers of shared memory that a pair's potentials and weights take, as transport.cu lays them out.
    pub fn room(self) -> usize {
        2 * self.rows + 3 * self.columns + THREADS
    }

    /// The same with the costs beside them.
    pub fn room_with_costs(self) -> usize {
        self.room() + self.rows * (self.columns | 1)
    }
}

/// The plan of each pair, and the iterations it took as 32-bit integers unless `taken` is absent. Costs are read into the
/// shared memory of the pair's block where that has [`Pairs::room_with_costs`]; the caller has seen that it has
/// [`Pairs::room`].
pub fn sinkhorn<L: Launch>(
    on: &L,
    sizes: Pairs,
    (cost, a, b): (Address, Address, Address),
    (plan, taken): (Address, Address),
    how: Transport,
) -> Result<(), L::Error> {
    let held = sizes.room_with_costs() <= on.room()?;
    let arguments = Sinkhorn {
        cost,
        a,
        b,
        plan,
        taken,
        rows: int(sizes.rows),
        columns: int(sizes.columns),
        most: int(how.iterations),
        held: i64::from(held),
        epsilon: how.epsilon,
        tolerance: how.tolerance,
    };
    let shared = if held { sizes.room_with_costs() } else { sizes.room() };
    on.launch_with("sinkhorn", sizes.pairs, shared, arguments)
}
