//! Networks on candle: trainable, frozen, and their files.
//!
//! `arch` describes a residual network as data; `resnet` trains it and `folded` runs it frozen. `embedder` puts the
//! embedding and the classifier on top, `encoder` is the frozen whole that searching uses, `pooled` a bare backbone.
//! `weights` reads what others wrote (`torch` beneath it, which runs no code), `checkpoint` reads and writes our own.

pub mod arch;
pub mod batch_norm;
pub mod checkpoint;
pub mod device;
pub mod embedder;
pub mod encoder;
pub mod error;
mod folded;
pub mod ops;
pub mod params;
pub mod pooled;
mod regrid;
pub mod resnet;
mod torch;
pub mod weights;

#[cfg(test)]
mod tests;

pub use arch::{Arch, ResNetConfig};
pub use batch_norm::{BatchNorm, Mode};
pub use checkpoint::{ModelCard, Precision};
pub use embedder::{Embedder, EmbedderConfig, EmbedderOutput};
pub use encoder::{CellFeatures, Encoder};
pub use error::NnError;
pub use params::{Init, LoadReport, Param, ParamSpec, Params, WrongShape};
pub use pooled::{PooledBackbone, PooledFeatures};
pub use regrid::Regrid;
pub use resnet::ResNet;
