//! Plain data and rules that every other room speaks in: ids, photos, labels, plans, rankings.
//!
//! Only `std` and `serde` live here, so that a type can travel from SQL to a shader without pulling
//! either into the other.

pub mod ids;
pub mod intake;
pub mod label;
pub mod manifest;
pub mod matching;
pub mod paint;
pub mod photo;
pub mod picture;
pub mod plan;
pub mod ranking;
pub mod work;

pub use ids::{CheckpointId, PhotoId, ProductId, QueryId, RunId};
pub use intake::{Catalogue, GalleryChange, IntakeReport, ListedPhoto, SkipReason, Skipped};
pub use label::{Label, LabelKey, LabelValue, Origin};
pub use manifest::{DenseMap, GarmentTruth, ManifestRecord, PhotoRecord, ProductRecord, Split};
pub use matching::{Layer, Marginals, MatchOptions, Solver};
pub use paint::{CellPaint, Paint};
pub use photo::{CropRect, PhotoDomain};
pub use picture::{Pixels, SquarePicture};
pub use plan::{Grid, PairMatch, TransportPlan};
pub use ranking::{Hit, Ranking, Stage, Timings};
pub use work::{Progress, StopFlag};
