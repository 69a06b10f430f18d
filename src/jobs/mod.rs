//! What the window asks for and is told, and the threads that do it: the only room that makes threads.
//!
//! `types` is all that the window sees of it. `open`, `search`, `measure` and `learn` do the work step by step without
//! any thread, so that the command line does exactly the same; `workers` puts them on threads. A person's newest wish
//! wins everywhere: a later search ends an earlier one, other knobs end a re-ranking, and the trainer waits between its
//! steps while a search is in flight.

pub mod appraise;
mod clipboard;
pub mod clock;
mod devices;
mod error;
pub mod evidence;
pub mod export;
mod gallery;
mod gate;
pub mod hub;
pub mod intake;
mod io;
mod knobs;
pub mod labels;
mod latest;
pub mod layers;
mod layout;
pub mod learn;
pub mod measure;
pub mod models;
pub mod open;
pub mod outfits;
pub mod past;
mod promote;
mod queries;
mod recent;
pub mod search;
mod searcher;
mod shared;
mod shelf_types;
pub mod shelve;
mod shelver;
pub mod study;
mod train;
pub mod training;
pub mod types;
mod wake;
mod workers;
pub mod worn;

#[cfg(test)]
mod tests;

pub use error::JobError;
pub use latest::Latest;
pub use types::*;
pub use wake::WakeCallback;
pub use workers::{DrawPlan, SaveSheet, Setup, SheetInfo, StartError, Workers};

/// Runs work among threads with deep stacks, as many as rayon would have, and waits for it; the work may borrow.
pub fn with_stack<T: Send>(bytes: usize, work: impl FnOnce() -> T + Send) -> std::io::Result<T> {
    let pool = rayon::ThreadPoolBuilder::new().stack_size(bytes).thread_name(|index| format!("work-{index}")).build();
    Ok(pool.map_err(std::io::Error::other)?.install(work))
}
