//! Training: recipe, losses, optimizers, the loop itself, and fine-tuning on a person's corrections.

pub mod backprop;
pub mod config;
pub mod corrections;
mod criterion;
pub mod curves;
mod ema;
mod error;
mod event;
pub mod groups;
mod inputs;
pub mod losses;
pub mod methods;
mod objective;
pub mod observe;
pub mod optimizer;
mod recolour;
pub mod record;
pub mod run_folder;
pub mod schedule;
mod trainer;

#[cfg(test)]
mod golden;
#[cfg(test)]
mod tests;

pub use config::TrainConfig;
pub use corrections::{Corrections, FineTuneConfig, FineTuned, fine_tune, publish};
pub use error::TrainError;
pub use event::{LossParts, Outcome, TrainEvent};
pub use inputs::{check_enough, training_items};
pub use run_folder::read_config as recipe_of;
pub use trainer::{RunInfo, Start, Trainer};
