//! What indexing needs of a network.

use image::RgbImage;

use super::error::IndexError;
use crate::data::fit;
use crate::domain::{Arithmetic, CheckpointId, CropRect, Grid};
use crate::nn::{CellFeatures, Encoder, NnError};

/// Turns photos into cells and global vectors. The one in use is `nn::Encoder`; tests count with their own.
pub trait Embed: Sync {
    /// `images` holds `n` pictures, `[n, 3, size, size]`, normalised. A photo's features may not depend on its
    /// neighbours.
    fn embed(&self, images: &[f32], n: usize) -> Result<CellFeatures, NnError>;
    /// The same of photos whose kinds are known, as numbers that [`Self::kind`] gave.
    fn embed_as(&self, images: &[f32], kinds: &[Option<usize>]) -> Result<CellFeatures, NnError> {
        self.embed(images, kinds.len())
    }
    /// The number of a kind, where it makes a difference to a photo's features.
    fn kind(&self, _name: &str) -> Option<usize> {
        None
    }
    fn checkpoint(&self) -> &CheckpointId;
    /// What it computes in, which a photo's features depend on too.
    fn arithmetic(&self) -> Arithmetic {
        Arithmetic::F32
    }
    fn input_size(&self) -> usize;
    fn grid(&self) -> Grid;
    fn dim(&self) -> usize;
}

impl Embed for Encoder {
    fn embed(&self, images: &[f32], n: usize) -> Result<CellFeatures, NnError> {
        self.encode(images, n)
    }

    fn embed_as(&self, images: &[f32], kinds: &[Option<usize>]) -> Result<CellFeatures, NnError> {
        self.encode_as(images, kinds)
    }

    fn kind(&self, name: &str) -> Option<usize> {
        self.projection_of(name)
    }

    fn checkpoint(&self) -> &CheckpointId {
        Encoder::checkpoint(self)
    }

    fn arithmetic(&self) -> Arithmetic {
        Encoder::arithmetic(self)
    }

    fn input_size(&self) -> usize {
        Encoder::input_size(self)
    }

    fn grid(&self) -> Grid {
        Encoder::grid(self)
    }

    fn dim(&self) -> usize {
        Encoder::dim(self)
    }
}

/// A photo as the network takes it: cropped, fitted into a white square, normalised.
pub fn prepare(photo: &RgbImage, crop: Option<CropRect>, size: usize) -> Vec<f32> {
    let (square, _) = fit::letterbox(photo, crop, size as u32);
    let mut image = vec![0.0; 3 * size * size];
    fit::to_chw(&square, &mut image);
    image
}

/// Embeds one photo, such as a query, just as the gallery's photos were: by its garment's kind, where that is known. The
/// crop lies in the photo (see `data::check_crop`).
pub fn embed_photo(
    embed: &dyn Embed,
    photo: &RgbImage,
    crop: Option<CropRect>,
    kind: Option<&str>,
) -> Result<CellFeatures, IndexError> {
    let kind = kind.and_then(|kind| embed.kind(kind));
    let image = prepare(photo, crop, embed.input_size());
    embed.embed_as(&image, &[kind]).map_err(|source| IndexError::Embed { source })
}
