//! Oracles of the kernels: the CPU's own operations, which are held against PyTorch and finite differences; recurrences
//! written out; the `half` crate's rounding.

mod emulated;
mod emulator;
#[cfg(feature = "cuda")]
mod gpu;
