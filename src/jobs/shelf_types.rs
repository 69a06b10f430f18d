//! What the window asks for and is told about filters, rules, past searches and exports. Part of `types`.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use crate::domain::{Again, Facets, Filters, MatchOptions, PastSearch, PhotoId, QueryId, Rule, SearchId, ShelfOptions};
use crate::project::ShelfEdit;

#[derive(Clone, Debug, PartialEq)]
pub enum ShelfRequest {
    /// What can be filtered by, counted under these filters; answered by `ShelfEvent::Facets`.
    Facets { filters: Filters },
    /// The same query with other filters, rules or folding; answered by `Event::Ranked` of the last stage.
    Arrange { query: QueryId, options: MatchOptions, shelf: ShelfOptions, limit: usize },
    /// Changes rules, or the name or star of a past search; answered by `ShelfEvent::Rules` or `ShelfEvent::Past`.
    Edit(ShelfEdit),
    /// Saves a past search: its photo is copied into the project where it lies outside.
    Save { id: SearchId },
    /// Writes the result list of a query into a file, or only these photos of it; answered by `Event::Saved`.
    Export { query: QueryId, only: BTreeSet<PhotoId>, format: ExportFormat, path: PathBuf },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportFormat {
    Csv,
    Json,
    /// A PNG with the photo and the first tiles.
    Sheet,
}

impl ExportFormat {
    pub const ALL: [Self; 3] = [Self::Csv, Self::Json, Self::Sheet];

    pub fn extension(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Json => "json",
            Self::Sheet => "png",
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum ShelfEvent {
    Facets(Arc<Facets>),
    /// All rules of the project, in the order of their making.
    Rules(Arc<Vec<Rule>>),
    /// Past searches, the newest first.
    Past(Arc<Vec<PastSearch>>),
    /// What a past search gave when it was run again as this query.
    Again {
        query: QueryId,
        again: Arc<Again>,
    },
    /// The past search that this query is noted as.
    Noted {
        query: QueryId,
        id: SearchId,
    },
}

/// A line of an exported list. Scores are those of the comparison; what rules add stands apart.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct ExportLine {
    pub rank: usize,
    pub product: String,
    pub name: String,
    pub kind: String,
    pub photo: PhotoId,
    pub score: f32,
    pub global: f32,
    pub structural: Option<f32>,
    pub global_rank: usize,
    /// What rules add to the score by which the list is ordered.
    pub rule_offset: f32,
    pub rules: Vec<String>,
    /// The rank of the tile that this photo is folded behind.
    pub folded_behind: Option<usize>,
    pub attributes: std::collections::BTreeMap<String, String>,
}
