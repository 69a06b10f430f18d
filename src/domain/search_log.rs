//! Searches of the past: what was asked, what came out, and what it depended on.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{CheckpointId, CropRect, MatchOptions, Paint, PhotoId, ProductId, Recipe, Rule, ShelfOptions};

/// The number of a search in its project.
pub type SearchId = i64;

/// Where the photo of a past search is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "from", rename_all = "snake_case")]
pub enum LoggedPhoto {
    Project {
        photo: PhotoId,
    },
    /// A file outside of the project, which may be gone or another by now.
    File {
        path: PathBuf,
    },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoggedHit {
    pub photo: PhotoId,
    pub product: ProductId,
    pub score: f32,
}

/// All that a search depended on, and its first hits. It stores the rule of a search, not its rows: run again, it asks
/// the gallery of today.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoggedSearch {
    pub photo: LoggedPhoto,
    /// The file's name, for people.
    pub photo_name: String,
    /// BLAKE3 of the photo's file.
    pub content_hash: String,
    pub crop: CropRect,
    /// Whether that is all of the photo.
    pub whole: bool,
    /// How the photo was turned, and the products that were liked and disliked; `crop` is of the turned photo.
    #[serde(default)]
    pub recipe: Recipe,
    /// The other photos of the garment.
    #[serde(default)]
    pub also: Vec<LoggedPhoto>,
    /// What was painted, where it counted; records of before it was kept hold nothing.
    #[serde(default)]
    pub paint: Option<Paint>,
    pub options: MatchOptions,
    pub shelf: ShelfOptions,
    /// The enabled rules, in the order of their numbers.
    pub rules: Vec<Rule>,
    pub checkpoint: CheckpointId,
    pub model: String,
    pub device: String,
    /// Hash of all photos that could be found, with their contents.
    pub gallery: String,
    pub gallery_photos: usize,
    /// Counts the changes of products and their attributes.
    pub catalogue: i64,
    pub hits: Vec<LoggedHit>,
}

/// What people change of a past search.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SearchCard {
    /// `None`: named by its photo.
    pub name: Option<String>,
    /// Saved: stays as it was, and is never let go of.
    pub starred: bool,
    #[serde(default)]
    pub deleted: bool,
}

/// A search of the past as it is listed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PastSearch {
    pub id: SearchId,
    pub at_ms: i64,
    pub author: String,
    pub card: SearchCard,
    pub search: LoggedSearch,
}

impl PastSearch {
    pub fn title(&self) -> &str {
        self.card.name.as_deref().unwrap_or(&self.search.photo_name)
    }
}

/// What running a past search again gave.
#[derive(Clone, Debug, PartialEq)]
pub struct Again {
    pub id: SearchId,
    pub title: String,
    pub at_ms: i64,
    /// Hits that were recorded.
    pub compared: usize,
    /// Of them, those that stand elsewhere, and those that are gone from the first ones.
    pub moved: usize,
    pub gone: usize,
    /// The scores agree too, up to rounding.
    pub same_scores: bool,
    /// What is different from then, a sentence each; may hold something also where the order is the same.
    pub causes: Vec<String>,
}

impl Again {
    pub fn is_same_order(&self) -> bool {
        self.moved == 0 && self.gone == 0
    }
}
