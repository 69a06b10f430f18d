//! Networks on candle: trainable, frozen, and their files.
//!
//! `arch` names the backbones and `plan` describes each as data; `backbone` trains it and `folded` runs it frozen.
//! `embedder` puts a `head` with the embedding and the classifier on top, `encoder` is the frozen whole that searching
//! uses, `pooled` a bare backbone.
//! `weights` reads what others wrote (`torch` beneath it, which runs no code), `checkpoint` reads and writes our own.

pub mod arch;
pub mod backbone;
pub mod batch_norm;
pub mod checkpoint;
pub mod device;
pub mod embedder;
pub mod encoder;
pub mod error;
mod folded;
pub mod head;
mod memory;
pub mod ops;
pub mod params;
pub mod plan;
pub mod pooled;
mod regrid;
mod torch;
pub mod weights;

#[cfg(test)]
mod tests;

pub use arch::{Arch, BackboneConfig};
pub use backbone::Backbone;
pub use batch_norm::{BatchNorm, Mode};
pub use checkpoint::{ModelCard, Precision};
pub use embedder::{Embedder, EmbedderConfig, EmbedderOutput};
pub use encoder::{CellFeatures, Encoder};
pub use error::NnError;
pub use head::{HeadConfig, Pooling};
pub use ops::blocked::StepTime;
pub use params::{Init, LoadReport, Param, ParamSpec, Params, WrongShape};
pub use pooled::{PooledBackbone, PooledFeatures};
pub use regrid::Regrid;
