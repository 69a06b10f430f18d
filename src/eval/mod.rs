//! How good is a model? Metrics of a ranking, the protocol that measures an encoder on a split, and how much of a
//! plan agrees with the true correspondence.

pub mod compatibility;
mod error;
pub mod faithfulness;
pub mod metrics;
pub mod plan_truth;
mod protocol;

pub use compatibility::{CompatibilityScores, compatibility};
pub use error::EvalError;
pub use faithfulness::{FaithfulnessSettings, FaithfulnessTest};
pub use metrics::{Interval, Scores};
pub use protocol::{EvalItem, EvalReport, Evaluation, QueryScores, Ranked, evaluate, score_features, worn_vectors};
