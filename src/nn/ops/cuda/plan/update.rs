//! Launches of the optimizers' steps, which take all parameters at once.

use super::{Address, Arguments, Launch, Module, int};

arguments! {
    Update: Entry {
        weight: Address, gradient: Address, first: Address, second: Address,
        total: i64, begin: i64, rate: f64, decay: f64, trust: f64,
    }
    Update: Squares { entries: Address, partial: Address, count: i64, length: i64 }
    Update: Clip { partial: Address, norm: Address, blocks: i64, limit: f64 }
    Update: Lengths { entries: Address, scale: Address, partial: Address, count: i64, length: i64 }
    Update: Fit { entries: Address, partial: Address, fit: Address, count: i64, blocks: i64 }
    Update: Sgd { entries: Address, scale: Address, fit: Address, count: i64, length: i64, momentum: f64 }
    Update: AdamW {
        entries: Address, scale: Address, count: i64, length: i64,
        beta1: f64, beta2: f64, epsilon: f64, unbias: f64, root: f64,
    }
}

/// Values that a block takes.
pub const PIECE: usize = 1 << 12;

impl Entry {
    /// Its fields as they lie in memory.
    pub fn words(&self) -> [u64; 9] {
        let Self { weight, gradient, first, second, total, begin, rate, decay, trust } = *self;
        let counts = [total, begin].map(i64::cast_unsigned);
        let [rate, decay, trust] = [rate, decay, trust].map(f64::to_bits);
        [weight, gradient, first, second, counts[0], counts[1], rate, decay, trust]
    }
}

/// All parameters of a step, in the device's memory.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    pub entries: Address,
    pub count: usize,
    /// Of one launch over all of them.
    pub blocks: usize,
}

/// Gives every entry its blocks; answers how many there are.
pub fn lay_out(entries: &mut [Entry]) -> usize {
    let mut blocks = 0;
    for entry in entries {
        entry.begin = int(blocks);
        blocks += usize::try_from(entry.total).unwrap_or(0).div_ceil(PIECE);
    }
    blocks
}

/// The length of all gradients together and what makes them at most `limit` long, in 64 bits, to `norm [2]`. `partial`
/// has room for a 64-bit number to each block.
pub fn clip<L: Launch>(on: &L, table: Table, partial: Address, norm: Address, limit: f64) -> Result<(), L::Error> {
    let Table { entries, count, blocks } = table;
    on.launch("squares", blocks, Squares { entries, partial, count: int(count), length: int(PIECE) })?;
    on.launch("clip", 1, Clip { partial, norm, blocks: int(blocks), limit })
}

/// What LARS multiplies each parameter's gradient with, in 64 bits, to `fit [count]`. `partial` has room for two 64-bit
/// numbers to each block; `scale` may be absent.
pub fn lars_fit<L: Launch>(
    on: &L,
    table: Table,
    scale: Address,
    partial: Address,
    fit: Address,
) -> Result<(), L::Error> {
    let Table { entries, count, blocks } = table;
    on.launch("lengths", blocks, Lengths { entries, scale, partial, count: int(count), length: int(PIECE) })?;
    on.launch("fit", count, Fit { entries, partial, fit, count: int(count), blocks: int(blocks) })
}

/// SGD with momentum; `scale` and `fit`, that of [`lars_fit`], may be absent.
pub fn sgd<L: Launch>(on: &L, table: Table, scale: Address, fit: Address, momentum: f64) -> Result<(), L::Error> {
    let Table { entries, count, blocks } = table;
    on.launch("sgd", blocks, Sgd { entries, scale, fit, count: int(count), length: int(PIECE), momentum })
}

/// Numbers of an AdamW step: `unbias` is 1 - beta1^t, `root` is sqrt(1 - beta2^t).
#[derive(Clone, Copy, Debug)]
pub struct Adam {
    pub beta1: f64,
    pub beta2: f64,
    pub epsilon: f64,
    pub unbias: f64,
    pub root: f64,
}

/// AdamW; `scale` may be absent.
pub fn adamw<L: Launch>(on: &L, table: Table, scale: Address, how: Adam) -> Result<(), L::Error> {
    let (Table { entries, count, blocks }, Adam { beta1, beta2, epsilon, unbias, root }) = (table, how);
    let (count, length) = (int(count), int(PIECE));
    on.launch("adamw", blocks, AdamW { entries, scale, count, length, beta1, beta2, epsilon, unbias, root })
}
