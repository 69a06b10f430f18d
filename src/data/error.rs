//! Why a photo or a list of photos cannot be used: one sentence each, the file last.

use std::io;
use std::path::PathBuf;

use super::decode::{MAX_FILE_BYTES, MAX_PIXELS, MAX_SIDE};
use crate::domain::{CropRect, SkipReason};

/// What is wrong with a photo. `name` is the path or the name that the person gave.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    #[error("there is no such file: {name}")]
    Missing { name: String },
    #[error("this is a folder, not a photo: {name}")]
    Folder { name: String },
    #[error("this is not a regular file, so it is not read as a photo: {name}")]
    NotAFile { name: String },
    #[error("the file cannot be read ({source}): {name}")]
    Read { source: io::Error, name: String },
    #[error("the file is empty: {name}")]
    Empty { name: String },
    #[error("the file is larger than the {} MB that a photo may have: {name}", MAX_FILE_BYTES / 1_000_000)]
    FileTooLarge { name: String },
    #[error(
        "the photo claims {width} x {height} pixels, more than can be opened (at most {} million, and {MAX_SIDE} on a side): {name}",
        MAX_PIXELS / 1_000_000
    )]
    TooManyPixels { width: u64, height: u64, name: String },
    #[error("the photo has no pixels: {name}")]
    NoPixels { name: String },
    #[error("this is not a photo: {name}")]
    NotAPhoto { name: String },
    #[error("format not supported: {format} (JPEG, PNG, WebP, BMP, GIF and TIFF are): {name}")]
    Unsupported { format: &'static str, name: String },
    #[error("this kind of {format} file is not supported ({detail}): {name}")]
    UnsupportedKind { format: &'static str, detail: String, name: String },
    #[error("the {format} photo is cut short, part of the file is missing: {name}")]
    Truncated { format: &'static str, name: String },
    #[error("the {format} photo is damaged ({detail}): {name}")]
    Damaged { format: &'static str, detail: String, name: String },
    #[error("the crop {crop} lies outside the photo of {width} x {height} pixels: {name}")]
    CropOutside { crop: CropRect, width: u32, height: u32, name: String },
}

impl DecodeError {
    /// Under which heading a report lists it.
    pub fn reason(&self) -> SkipReason {
        match self {
            Self::Missing { .. } => SkipReason::Gone,
            Self::Folder { .. } | Self::NotAFile { .. } | Self::NotAPhoto { .. } => SkipReason::NotAPhoto,
            Self::Read { .. } => SkipReason::Unreadable,
            Self::Empty { .. } => SkipReason::Empty,
            Self::FileTooLarge { .. } | Self::TooManyPixels { .. } => SkipReason::TooLarge,
            Self::Unsupported { .. } | Self::UnsupportedKind { .. } => SkipReason::Unsupported,
            Self::NoPixels { .. } | Self::Truncated { .. } | Self::Damaged { .. } | Self::CropOutside { .. } => {
                SkipReason::Damaged
            }
        }
    }
}

/// Why a list of photos cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum DatasetError {
    #[error("cannot read the sample's manifest ({source}): {}", path.display())]
    Read { source: io::Error, path: PathBuf },
    #[error("line {line} of the manifest cannot be understood ({source}): {}", path.display())]
    Line { line: usize, source: serde_json::Error, path: PathBuf },
    #[error("a photo of the manifest is of the product {product}, which the manifest does not list: {}", path.display())]
    UnknownProduct { product: String, path: PathBuf },
    #[error("the photo id {photo} leads out of the folder: {}", path.display())]
    OutsideFolder { photo: String, path: PathBuf },
}
