//! The photos of this session's searches, kept so that another crop, other knobs, a plan or a label need no second drop.

use std::collections::VecDeque;
use std::sync::Arc;

use image::RgbImage;

use super::open::EncodedBy;
use super::open::Engine;
use super::search::{Found, Known, Source};
use super::types::{QueryInfo, QueryPhoto};
use crate::domain::{CropRect, QueryId, Recipe, SearchId, ShelfOptions};
use crate::nn::CellFeatures;

/// How many are kept, and how many bytes of files.
const KEPT: usize = 16;
const KEPT_BYTES: usize = 256 << 20;
/// Decoded pixels are large: only the newest stay.
const KEPT_DECODED: usize = 2;

/// One search of this session.
#[derive(Clone)]
pub struct Kept {
    pub query: QueryId,
    pub source: Arc<Source>,
    /// `None` once it was let go; the source gives it back.
    pub photo: Option<Arc<RgbImage>>,
    pub known: Arc<Known>,
    pub info: Arc<QueryInfo>,
    pub crop: CropRect,
    pub limit: usize,
    pub recipe: Recipe,
    /// The other photos of the garment.
    pub also: Vec<Also>,
    /// Boxes in which the network finds most; `None` before they were looked for.
    pub spotted: Option<Arc<Vec<CropRect>>>,
    /// What gave the answer. Other knobs and plans ask the same one, so that a gallery that grows meanwhile moves
    /// nothing on screen.
    pub engine: Option<Arc<Engine>>,
    pub shelf: ShelfOptions,
    /// The past search that this query runs again, until that is told.
    pub again: Option<SearchId>,
    /// The answer, and of which model it is.
    pub found: Option<(EncodedBy, Found)>,
}

impl Kept {
    /// What the project knows of the photo, as it is turned.
    pub fn known_as_turned(&self) -> Known {
        let edit = self.recipe.edit;
        let (width, height) = edit.size(self.info.width, self.info.height);
        self.known.turned(edit, width, height)
    }

    /// The kind of the searched garment, where the project knows it.
    pub fn kind(&self) -> Option<String> {
        self.known_as_turned().kind_in(self.crop).map(str::to_owned)
    }
}

/// Another photo of the same garment.
#[derive(Clone)]
pub struct Also {
    pub photo: QueryPhoto,
    pub source: Arc<Source>,
    pub crop: CropRect,
}

#[derive(Default)]
pub struct QueryBook {
    /// Oldest first.
    kept: VecDeque<Kept>,
}

impl QueryBook {
    pub fn get(&self, query: QueryId) -> Option<Kept> {
        self.kept.iter().find(|kept| kept.query == query).cloned()
    }

    /// Features that an earlier search of the same photo had, with the same part, recipe and added photos and by the same
    /// model in the same precision.
    pub fn same(
        &self,
        source: &Arc<Source>,
        crop: CropRect,
        recipe: &Recipe,
        also: &[Also],
        by: &EncodedBy,
    ) -> Option<Arc<CellFeatures>> {
        self.kept.iter().rev().find_map(|kept| {
            let sources = || kept.also.iter().zip(also).all(|(a, b)| Arc::ptr_eq(&a.source, &b.source));
            let is_same = Arc::ptr_eq(&kept.source, source)
                && kept.crop == crop
                && &kept.recipe == recipe
                && kept.also.len() == also.len()
                && sources();
            let (of, found) = kept.found.as_ref()?;
            (is_same && of == by).then(|| Arc::clone(&found.features))
        })
    }

    /// Adds a search and lets go of the oldest ones. The newest always stays.
    pub fn insert(&mut self, kept: Kept) {
        self.kept.retain(|other| other.query != kept.query);
        self.kept.push_back(kept);
        let bytes = |kept: &VecDeque<Kept>| kept.iter().map(|kept| kept.source.bytes.len()).sum::<usize>();
        while self.kept.len() > KEPT || (self.kept.len() > 1 && bytes(&self.kept) > KEPT_BYTES) {
            self.kept.pop_front();
        }
        let decoded = self.kept.len().saturating_sub(KEPT_DECODED);
        for old in self.kept.iter_mut().take(decoded) {
            old.photo = None;
        }
    }

    pub fn update(&mut self, query: QueryId, change: impl FnOnce(&mut Kept)) {
        if let Some(kept) = self.kept.iter_mut().find(|kept| kept.query == query) {
            change(kept);
        }
    }

    pub fn clear(&mut self) {
        self.kept.clear();
    }
}
