//! Why an index cannot be made, opened or asked: one sentence each, the file last.

use std::io;
use std::path::PathBuf;

use crate::domain::{CheckpointId, PhotoId};
use crate::nn::NnError;

#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    #[error("these photos are not indexed yet: {}", path.display())]
    Missing { path: PathBuf },
    #[error("cannot read the index ({source}): {}", path.display())]
    Read { source: io::Error, path: PathBuf },
    #[error("the index is damaged ({reason}): {}", path.display())]
    Damaged { reason: &'static str, path: PathBuf },
    #[error("the index was made by the model {found}, not by {wanted}: {}", path.display())]
    Foreign { found: CheckpointId, wanted: CheckpointId, path: PathBuf },
    #[error("the index holds {found}, but the model gives {wanted}: {}", path.display())]
    OtherShape { found: String, wanted: String, path: PathBuf },
    #[error("cannot write the index ({source}): {}", path.display())]
    Write { source: io::Error, path: PathBuf },
    #[error("these photos are being indexed already: {}", path.display())]
    Busy { path: PathBuf },
    #[error("cannot embed photos: {source}")]
    Embed { source: NnError },
    #[error("the model gave features of another size than it states, so nothing was indexed")]
    WrongFeatures,
    #[error("the photo is not in the index: {photo}")]
    NotIndexed { photo: PhotoId },
}
