//! The picture on the system's clipboard.

use std::io::Cursor;

use image::{ExtendedColorType, ImageEncoder, codecs::png::PngEncoder};

use super::JobError;
use super::search::Source;

/// As a PNG, so that it can be kept and labelled like any other photo.
pub fn picture() -> Result<Source, JobError> {
    let picture = arboard::Clipboard::new()
        .and_then(|mut clipboard| clipboard.get_image())
        .map_err(|source| JobError::EmptyClipboard { source })?;
    let size = |side: usize| u32::try_from(side).unwrap_or(u32::MAX);
    let mut bytes = Cursor::new(Vec::new());
    PngEncoder::new(&mut bytes)
        .write_image(&picture.bytes, size(picture.width), size(picture.height), ExtendedColorType::Rgba8)
        .map_err(|source| JobError::BadClipboard { source })?;
    Ok(Source { name: "Clipboard".to_owned(), path: None, bytes: bytes.into_inner().into() })
}
