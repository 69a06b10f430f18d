//! A person's own folder of photos: what the window asks about it and is told.

use std::path::PathBuf;
use std::sync::Arc;

use crate::domain::{GalleryChange, IntakeReport};

#[derive(Clone, Debug, PartialEq)]
pub enum GalleryRequest {
    /// Looks at the folder and its list again, and goes on indexing.
    Refresh,
    /// What is indexed by then stays; the rest waits for `Refresh`.
    StopIndexing,
    /// Takes attributes from this list instead of the one in the folder; answered as `Refresh`.
    UseList { path: PathBuf },
    /// Writes all that was skipped into a CSV file; answered by `Event::Saved`.
    SaveReport { path: PathBuf },
}

#[derive(Clone, Debug, PartialEq)]
pub enum GalleryEvent {
    /// How the folder of the open project is; newest holds.
    State(Arc<GalleryState>),
    /// What is searched from now on differs so from what was searched before.
    Changed(GalleryChange),
}

/// A person's folder and what is known of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GalleryState {
    pub folder: PathBuf,
    /// The list that the attributes come from.
    pub list: Option<PathBuf>,
    pub report: Arc<IntakeReport>,
    /// Photos that can be searched.
    pub indexed: usize,
    /// Photos that are yet to be indexed.
    pub waiting: usize,
    pub indexing: bool,
    /// Why the folder is not looked at now, as a sentence.
    pub trouble: Option<String>,
}
