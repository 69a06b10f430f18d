//! What a person's work is kept in: a folder with photos, `project.db`, features, models and runs.
//!
//! The database is SQLite in WAL mode with `synchronous=FULL`, so that an answer that was shown as saved survives a
//! crash and a power cut. What came with the data (products, photos, their kinds) is written once; what people say
//! afterwards is an append-only log of events, each chained to the one before by its hash. The present labels and
//! the undo history are both what replaying that log gives, which is why undo works across restarts.

mod corrections;
mod edit;
mod error;
mod event;
mod gallery;
mod history;
mod labels;
mod lock;
mod manifest;
mod paths;
mod photos;
mod session;
mod shelf;
mod store;

#[cfg(test)]
mod tests;

pub use corrections::CorrectionQueue;
pub use edit::Edit;
pub use error::ProjectError;
pub use event::{LabelAction, LabelEvent};
pub use gallery::CatalogueDiff;
pub use history::History;
pub use paths::{Paths, data_dir, sample_dir, write_beside};
pub use photos::{MissingPhotos, PhotoRow};
pub use session::{Recent, Session};
pub use shelf::{ShelfEdit, ShelfHistory, Undone};
pub use store::{Counts, Project};
