//! The operations on CUDA: convolutions by cuDNN, everything else by kernels of our own that NVRTC compiles when they
//! are first used. Values in f32, f64 or bf16; with bf16, weights, statistics and their gradients stay in f32, and maps have
//! their channels last. Every operation takes maps in either order of their axes.
//!
//! `plan` says which launches an operation is made of and needs no GPU: its tests run the same kernels on the CPU.

#[cfg(feature = "cuda")]
mod ahead;
#[cfg(feature = "cuda")]
mod conv;
#[cfg(feature = "cuda")]
mod cudnn;
#[cfg(feature = "cuda")]
mod elem;
#[cfg(feature = "cuda")]
mod gpu;
#[cfg(feature = "cuda")]
mod norm;
#[cfg(feature = "cuda")]
mod pinned;
mod plan;
#[cfg(feature = "cuda")]
mod pool;
#[cfg(feature = "cuda")]
mod small;
#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests;
#[cfg(feature = "cuda")]
mod transport;
#[cfg(feature = "cuda")]
mod update;

#[cfg(feature = "cuda")]
pub use ahead::{Ahead, send_ahead};
#[cfg(feature = "cuda")]
pub use conv::{conv2d, conv2d_fused};
#[cfg(all(feature = "cuda", test))]
pub use cudnn::allow_tf32;
#[cfg(feature = "cuda")]
pub use elem::{add_relu, relu, resize, scale_channels, turned};
#[cfg(feature = "cuda")]
pub use norm::{eval as batch_norm_eval, train as batch_norm_train};
#[cfg(feature = "cuda")]
pub use pool::{avg_pool2d, max_pool2d};
#[cfg(feature = "cuda")]
pub use small::{Later, send_numbers};
#[cfg(feature = "cuda")]
pub use transport::plans;
#[cfg(feature = "cuda")]
pub use update::{length, update};

/// candle asks an operation of this folder for the CPU only by a mistake of ours.
#[cfg(feature = "cuda")]
fn not_here<T>(op: &str) -> candle_core::Result<T> {
    candle_core::bail!("{op}: the inputs lie on different devices")
}
