//! Our own kernels as Rust sees them: their arguments, and which launches an operation is made of.
//!
//! Nothing here needs a GPU. `gpu.rs` launches on one; the tests launch the same plans on the CPU, where the C
//! compiler reads the same sources, so that all index arithmetic is held against the CPU's own operations.

mod channels;
mod order;
mod planes;

use super::super::transport::Transport;

pub use channels::{
    Channels, NormGradients, NormParameters, channel_sums, epilogue, moments, normalise, normalise_gradient,
};
pub use order::{Convolve, Direction, convolve, transpose};
pub use planes::{Planes, Windows, avg_pool, avg_pool_gradient, max_pool, max_pool_gradient, plane_sums, scale};

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
    Norm: Moments {
        x: Address, partial: Address,
        channels: i64, pixels: i64, values: i64, parts: i64, length: i64, width: i64,
    }
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
        channels: i64, pixels: i64, values: i64, parts: i64, length: i64, width: i64, relu: i64,
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
        planes: i64, height: i64, width: i64, inner: i64,
        rows: i64, columns: i64, kernel: i64, stride: i64, padding: i64,
    }
    Pool: MaxPoolGradient {
        dy: Address, winners: Address, dx: Address,
        planes: i64, height: i64, width: i64, inner: i64,
        rows: i64, columns: i64, kernel: i64, stride: i64, padding: i64,
    }
    Pool: AvgPool {
        from: Address, to: Address,
        planes: i64, height: i64, width: i64, inner: i64,
        rows: i64, columns: i64, kernel: i64, stride: i64, padding: i64,
        adaptive: i64,
    }
    Elem: Rectify { x: Address, other: Address, y: Address, total: i64 }
    Elem: Mask { y: Address, dy: Address, dx: Address, total: i64 }
    Elem: Epilogue {
        y: Address, bias: Address, residual: Address, channels: i64, pixels: i64, total: i64, relu: i64,
    }
    Elem: ChannelSums {
        x: Address, partial: Address,
        channels: i64, pixels: i64, values: i64, parts: i64, length: i64, width: i64,
    }
    Elem: ChannelJoin { partial: Address, sums: Address, channels: i64, parts: i64 }
    Elem: Scale { x: Address, factors: Address, y: Address, pixels: i64, inner: i64, total: i64 }
    Elem: PlaneSums {
        x: Address, other: Address, sums: Address, pixels: i64, inner: i64, width: i64, share: f64,
    }
    Elem: Transpose { from: Address, to: Address, rows: i64, columns: i64 }
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

/// Of so many values that lie side by side but are summed each for itself, how many a block takes: a power of two, and no
/// more than the threads that read together.
fn abreast(side: usize) -> usize {
    side.next_power_of_two().min(32)
}

fn int(value: usize) -> i64 {
    // No tensor of this program has 2^63 values.
    value as i64
}

/// `relu(x + other)`; `other` may be absent.
pub fn rectify<L: Launch>(on: &L, total: usize, x: Address, other: Address, y: Address) -> Result<(), L::Error> {
    on.launch("rectify", blocks(total), Rectify { x, other, y, total: int(total) })
}

/// `dy` where `y` is above zero, else zero.
pub fn mask<L: Launch>(on: &L, total: usize, y: Address, dy: Address, dx: Address) -> Result<(), L::Error> {
    on.launch("mask", blocks(total), Mask { y, dy, dx, total: int(total) })
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
