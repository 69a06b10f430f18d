//! The networks' own trainable operations, because candle's are slow, miss options or differentiate wrongly
//! (max-pooling with overlapping windows, `relu'(0)`, uneven padding, groups as a loop of convolutions).
//!
//! Every operation here is a candle `CustomOp`: gradients flow through candle's `backward`, in `f32` and `f64`; those of a
//! backbone's maps beside it (`tape`). All work
//! is cut by shape alone and every sum is taken in a fixed order, so results are the same bits for any number of threads.
//! Where tasks write one buffer side by side they do so through `conv_core::Target` or `blocked::map::Space`, which check
//! the bounds and say why no two tasks write one place.
//! On CUDA (`cuda/`, with the feature of that name) the same functions go to the device of their inputs.

mod activation;
mod ahead;
pub mod blocked;
mod conv;
mod conv_core;
mod conv_fast;
#[cfg(any(feature = "cuda", all(test, target_os = "linux")))]
mod cuda;
mod elem;
mod gate;
mod later;
mod linear;
mod map;
mod norm;
mod norm_core;
mod pool;
pub mod probe;
mod product;
mod resize;
mod tape;
#[cfg(test)]
mod tests;
mod transport;
mod update;
mod winograd;

/// Number type of statistics, scales and shifts of values of this one: sums of 8-bit mantissas need more.
pub fn wide(values: candle_core::DType) -> candle_core::DType {
    if values == candle_core::DType::BF16 { candle_core::DType::F32 } else { values }
}

pub use activation::{add_relu, relu};
pub use ahead::{Ahead, send_ahead};
pub use conv::{ConvSpec, conv2d, conv2d_fused, conv2d_padded};
pub use gate::{scale_channels, squeeze_excite};
pub use later::{Later, send};
pub use linear::linear;
pub use map::{Map, Order};
pub use norm::{After, batch_norm_eval, batch_norm_train, batch_norm_train_relu};
pub use pool::{adaptive_avg_pool2d, avg_pool2d, global_avg_pool, global_max_pool, max_pool2d, max_pool2d_ceil};
pub use resize::upsample_bilinear2d;
pub use tape::{Taped, backward};
pub use transport::{Transport, transport_on_device};
pub use update::{Moved, Scale, Update, length_on_device, update_on_device};
