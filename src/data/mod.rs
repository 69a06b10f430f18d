//! From files to pixels that a network can read: decoding that survives hostile files, fitting into squares,
//! augmentation, and the batches that training is fed with.
//!
//! Everything that is random is keyed by (seed, epoch, sample), never by thread, so a run repeats exactly on any
//! number of cores. No thread is made here; rayon spreads the work of a batch.

pub mod augment;
mod colour;
pub mod dataset;
pub mod decode;
mod dice;
mod error;
pub mod fit;
pub mod ground;
mod guard;
mod icc;
pub mod import;
mod jpeg;
pub mod loader;
pub mod outfits;
pub mod pack;
pub mod polyvore;
pub mod sampler;
mod tiff_file;
mod turn;
pub mod views;

pub use augment::{Augment, SampleKey};
pub use dataset::{Dataset, Entry, Item};
pub use decode::{decode_bytes, decode_file};
pub use error::{DatasetError, DecodeError};
pub use fit::{check_crop, letterbox, pixels, resize, resize_exact, shrink, to_chw};
pub use ground::compared_part;
pub use loader::{Batch, Loader, LoaderOptions, Worn};
pub use outfits::OutfitSampler;
pub use pack::Packed;
pub use sampler::{Sampler, SamplerConfig, Shuffled};
pub use turn::turned;
pub use views::{Views, other_colours, other_shape};

#[cfg(test)]
mod tests;
