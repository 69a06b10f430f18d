//! What people and models say about photos.

use serde::{Deserialize, Serialize};

use super::{CheckpointId, CropRect, PhotoId, ProductId};

/// Who says so.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "origin", rename_all = "lowercase")]
pub enum Origin {
    /// Came with the data.
    Given,
    /// A person said so in the program.
    Corrected { by: String },
    /// A model said so.
    Pseudo { confidence: f32, checkpoint: CheckpointId },
}

/// What a label is about. One key has at most one value at a time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "about", rename_all = "snake_case")]
pub enum LabelKey {
    /// Does this street photo (and this part of it) show that product?
    Match { query: PhotoId, product: ProductId },
    /// What kind of garment is this?
    Kind { photo: PhotoId },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "value", rename_all = "snake_case")]
pub enum LabelValue {
    /// The part of the query photo that was searched, where it was not the whole.
    SameProduct {
        crop: Option<CropRect>,
    },
    NotThisProduct {
        crop: Option<CropRect>,
    },
    Kind {
        name: String,
    },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Label {
    pub key: LabelKey,
    pub value: LabelValue,
    #[serde(flatten)]
    pub origin: Origin,
}
