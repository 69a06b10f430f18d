//! A person's own folder of product photos as a gallery: what lies in it, what a list says about it, and which photos
//! show one product. No photo is decoded here, so that 100,000 files take seconds.

mod arrange;
mod folder;
mod list;
mod names;
mod text;
mod values;

use std::io;
use std::path::PathBuf;

pub use arrange::{arrange, names_of};
pub use folder::{Scan, scan};
pub use list::{LIST_ENDINGS, Row, Table, read_list};
pub use names::Names;

#[cfg(test)]
mod tests;

/// Why a folder or a list cannot be used at all.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error("the folder of photos is not there: {}", path.display())]
    Gone { path: PathBuf },
    #[error("this is a file, not a folder of photos: {}", path.display())]
    NotAFolder { path: PathBuf },
    #[error("the folder of photos cannot be read ({source}): {}", path.display())]
    Folder { source: io::Error, path: PathBuf },
    #[error("the list of attributes cannot be read ({source}): {}", path.display())]
    List { source: io::Error, path: PathBuf },
    #[error("the list of attributes is larger than 512 MB: {}", path.display())]
    ListTooLarge { path: PathBuf },
    #[error("this is not text (save a spreadsheet as CSV first): {}", path.display())]
    NotText { path: PathBuf },
    #[error("the list of attributes is empty: {}", path.display())]
    EmptyList { path: PathBuf },
    #[error("the list of attributes has no column of photos or products in its first line ({looked_for}): {}", path.display())]
    NoKeyColumn { looked_for: String, path: PathBuf },
}
