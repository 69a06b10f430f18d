//! Plain data and rules that every other room speaks in: ids, photos, labels, plans, rankings.
//!
//! Only `std` and `serde` live here, so that a type can travel from SQL to a shader without pulling
//! either into the other.

pub mod arithmetic;
pub mod calendar;
pub mod epsilon;
pub mod filter;
pub mod goal;
pub mod ids;
pub mod intake;
pub mod label;
pub mod manifest;
pub mod matching;
pub mod paint;
pub mod photo;
pub mod picture;
pub mod plan;
pub mod plan_view;
pub mod ranking;
pub mod recipe;
pub mod search_log;
pub mod shelf;
pub mod study;
pub mod tiles;
pub mod training;
pub mod work;

pub use arithmetic::Arithmetic;
pub use calendar::Utc;
pub use epsilon::{EpsilonHold, EpsilonSample, EpsilonStudy};
pub use filter::{Facet, FacetValues, Facets, Filter, FilterTest, Filters};
pub use goal::{Garment, Goal, KindKnown};
pub use ids::{CheckpointId, PhotoId, ProductId, QueryId, RunId};
pub use intake::{Catalogue, GalleryChange, IntakeReport, ListedPhoto, SkipReason, Skipped};
pub use label::{Label, LabelKey, LabelValue, Origin};
pub use manifest::{DenseMap, GarmentTruth, ManifestRecord, PhotoRecord, ProductRecord, Split};
pub use matching::{Layer, Marginals, MatchOptions, Solver};
pub use paint::{CellPaint, Paint};
pub use photo::{CropRect, PhotoDomain};
pub use picture::{Pixels, SquarePicture};
pub use plan::{Grid, PairMatch, TransportPlan};
pub use plan_view::{PlanOverlay, PlanView};
pub use ranking::{Hit, Ranking, Stage, Timings};
pub use recipe::{QueryEdit, Recipe};
pub use search_log::{Again, LoggedHit, LoggedPhoto, LoggedSearch, PastSearch, SearchCard, SearchId};
pub use shelf::{Effect, Fold, FoldOptions, FoldedAs, Rule, RuleId, Shelf, ShelfOptions, Subject, Touched};
pub use study::{
    Agreement, CellStandings, Counterfactual, Curves, Difference, Faithful, Faithfulness, PairSide, Region, RegionSwap,
    Standing, Swap, SwapEdit, Swaps, TakenCell,
};
pub use tiles::{Shown, Tiles};
pub use training::{
    BatchPicture, Glance, HardTriplet, Health, LayerHealth, RectifierHealth, RunCurves, TrainCurve, smoothed,
};
pub use work::{Progress, StopFlag};
