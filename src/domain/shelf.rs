//! What a merchandiser does to a ranking besides comparing photos: filters, rules, and folding of near duplicates.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::filter::value_of;
use super::{Filters, Garment, Goal, PhotoId, ProductId, ProductRecord};

/// The number of a rule in its project, from 1.
pub type RuleId = i64;

/// Which products a rule is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "of", rename_all = "snake_case")]
pub enum Subject {
    Product { product: ProductId },
    Value { column: String, value: String },
}

impl Subject {
    pub fn is_about(&self, product: &ProductId, record: Option<&ProductRecord>) -> bool {
        match self {
            Self::Product { product: wanted } => wanted == product,
            Self::Value { column, value } => {
                record.is_some_and(|record| value_of(record, column).unwrap_or_default() == value)
            }
        }
    }
}

/// What a rule does to its products.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "does", rename_all = "snake_case")]
pub enum Effect {
    /// The best photo of the product stands at this rank, from 1.
    Pin { place: usize },
    /// Added to the score by which it is ordered; above 0.
    Boost { by: f32 },
    /// Taken from that score; above 0.
    Bury { by: f32 },
    /// Not shown at all.
    Exclude,
}

impl Effect {
    /// What is added to the score.
    pub fn offset(self) -> f32 {
        match self {
            Self::Boost { by } => by,
            Self::Bury { by } => -by,
            Self::Pin { .. } | Self::Exclude => 0.0,
        }
    }

    /// What pulls the other way by as much.
    pub fn opposite(self) -> Option<Self> {
        match self {
            Self::Boost { by } => Some(Self::Bury { by }),
            Self::Bury { by } => Some(Self::Boost { by }),
            Self::Pin { .. } | Self::Exclude => None,
        }
    }

    /// "Pinned", "Boosted".
    pub fn sort_words(self) -> &'static str {
        match self {
            Self::Pin { .. } => "Pinned",
            Self::Boost { .. } => "Boosted",
            Self::Bury { .. } => "Buried",
            Self::Exclude => "Excluded",
        }
    }

    /// "Pinned to 1", "Boosted by 0.10".
    pub fn words(self) -> String {
        match self {
            Self::Pin { place } => format!("Pinned to {place}"),
            Self::Boost { by } => format!("Boosted by {by:.2}"),
            Self::Bury { by } => format!("Buried by {by:.2}"),
            Self::Exclude => "Excluded".to_owned(),
        }
    }
}

/// A merchandising rule of a project.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    pub id: RuleId,
    pub subject: Subject,
    pub effect: Effect,
    pub enabled: bool,
    pub author: String,
    /// Milliseconds since 1970, UTC.
    pub at_ms: i64,
}

/// Which photos stand behind another one in the window.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FoldOptions {
    /// Off: every photo has its own tile.
    pub on: bool,
    /// Photos whose global vectors have at least this cosine are near duplicates.
    pub cosine: f32,
    /// The same design in other colours is one.
    pub colourways: bool,
}

impl Default for FoldOptions {
    fn default() -> Self {
        // In the sample one product in twenty has another one as near as this. Colours stay apart unless they are asked
        // to fold: the colour is often what tells the product that is looked for.
        Self { on: true, cosine: 0.985, colourways: false }
    }
}

/// What a search shows of what it found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ShelfOptions {
    pub goal: Goal,
    pub filters: Filters,
    /// The order as if there were no rules.
    pub without_rules: bool,
    pub fold: FoldOptions,
}

/// What rules did to one photo.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Touched {
    pub rules: Vec<RuleId>,
    /// Added to the score by which it is ordered.
    pub offset: f32,
    pub pinned: bool,
    /// Where it would stand; `None` beyond what is looked at.
    pub rank_without: Option<usize>,
}

/// Why a photo stands behind another.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FoldedAs {
    SameProduct,
    NearDuplicate { cosine: f32 },
    Colourway,
}

/// A hit that stands behind a better one, both by their places in the ranking, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fold {
    pub place: usize,
    pub behind: usize,
    pub why: FoldedAs,
}

/// What was done to a ranking.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Shelf {
    pub options: ShelfOptions,
    /// Photos that pass the filters and are not excluded.
    pub passing: usize,
    /// Photos that pass the filters and are excluded by rules.
    pub excluded: usize,
    /// Enabled rules that were applied.
    pub rules: usize,
    pub touched: BTreeMap<PhotoId, Touched>,
    /// In the order of their places.
    pub folds: Vec<Fold>,
    /// Where products that go well with a garment were asked for: that garment.
    #[serde(default)]
    pub garment: Option<Garment>,
}

impl Shelf {
    /// What rules add to a photo's score.
    pub fn offset_of(&self, photo: &PhotoId) -> f32 {
        self.touched.get(photo).map_or(0.0, |touched| touched.offset)
    }
}
