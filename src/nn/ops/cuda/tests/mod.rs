//! Oracles of the kernels: the CPU's own operations, which are held against PyTorch and finite differences; recurrences
//! written out; the reference solver of transport; the `half` crate's rounding.

mod emulated;
mod emulator;
#[cfg(feature = "cuda")]
mod gpu;
mod orders;
mod transport;
mod update;
