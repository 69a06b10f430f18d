//! Evidence files (`.seamline`): a match with its photos, settings, plan and decision, that opens read-only anywhere
//! and can be checked.
//!
//! Hashes tell which part was changed after the writing; sums and scores computed anew tell whether what is stored
//! hangs together; the very model, where it is at hand, tells whether the photos really give that score. There is no
//! signature: whoever rewrites all of a file can make another one that verifies.

mod container;
mod gather;
mod verify;

#[cfg(test)]
mod tests;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use candle_core::Device;
use serde::{Deserialize, Serialize};

pub use gather::{Draft, decision, made_now, model, program};

use super::JobError;
use super::models::{ModelEntry, list_models};
use super::open::Engine;
use super::types::{EvidenceRecord, EvidenceReport};
use crate::domain::{Grid, PairMatch, TransportPlan};
use crate::project::{Project, write_beside};
use container::{MOST_BYTES, MOST_FURTHER, MOST_MANIFEST_BYTES, Part, Role};

/// What is wrong with an evidence file.
#[derive(Debug, thiserror::Error)]
pub enum EvidenceError {
    #[error("this evidence file cannot be opened, because {reason}: {}", path.display())]
    Refused { reason: String, path: PathBuf },
    #[error("the evidence file cannot be read ({source}): {}", path.display())]
    Read { source: io::Error, path: PathBuf },
    #[error("the evidence file cannot be written ({source}): {}", path.display())]
    Write { source: io::Error, path: PathBuf },
    #[error("evidence holds at most {MOST_FURTHER} added photos, likes and dislikes, and this query has {found}")]
    TooMany { found: usize },
    #[error("the photos of this match are larger together than the {} MB that evidence may have", MOST_BYTES / 1_000_000)]
    TooLarge,
    #[error("the evidence cannot be packed ({source})")]
    Packing { source: Box<dyn std::error::Error + Send + Sync> },
}

impl EvidenceError {
    fn packing(source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Packing { source: Box::new(source) }
    }
}

/// All that goes into a file.
pub struct Evidence<'a> {
    pub record: &'a EvidenceRecord,
    pub pair: &'a PairMatch,
    /// The photos' files, byte for byte.
    pub query: &'a [u8],
    pub gallery: &'a [u8],
    /// The drawn plan, as PNG.
    pub picture: &'a [u8],
    /// The files of the record's further photos, in their order.
    pub further: &'a [Arc<[u8]>],
}

impl Evidence<'_> {
    pub fn to_bytes(&self) -> Result<Vec<u8>, EvidenceError> {
        let record = serde_json::to_vec_pretty(self.record).map_err(EvidenceError::packing)?;
        let plan = serde_json::to_vec(&StoredPlan::of(self.pair)).map_err(EvidenceError::packing)?;
        let photo = |what: &str, name: &str| {
            let ending = Path::new(name).extension().and_then(|ending| ending.to_str()).unwrap_or_default();
            let plain = (1..=5).contains(&ending.len()) && ending.chars().all(|c| c.is_ascii_alphanumeric());
            format!("{what}.{}", if plain { ending.to_ascii_lowercase() } else { "photo".to_owned() })
        };
        if self.further.len() > MOST_FURTHER {
            return Err(EvidenceError::TooMany { found: self.further.len() });
        }
        let mut parts = vec![
            Part { role: Role::Record, name: "record.json".to_owned(), bytes: &record },
            Part { role: Role::Plan, name: "plan.json".to_owned(), bytes: &plan },
            Part { role: Role::Query, name: photo("query", &self.record.query.name), bytes: self.query },
            Part { role: Role::Gallery, name: photo("gallery", &self.record.gallery.name), bytes: self.gallery },
            Part { role: Role::Picture, name: "plan.png".to_owned(), bytes: self.picture },
        ];
        for (number, (about, bytes)) in self.record.further.iter().zip(self.further).enumerate() {
            let name = photo(&format!("further-{}", number + 1), &about.photo.name);
            parts.push(Part { role: Role::Further, name, bytes });
        }
        if parts.iter().map(|part| part.bytes.len() as u64).sum::<u64>() + MOST_MANIFEST_BYTES > MOST_BYTES {
            return Err(EvidenceError::TooLarge);
        }
        // Programs that know nothing of these would compute another score.
        let version = if self.record.further.is_empty() && self.record.paint.is_none() { 1 } else { 2 };
        container::write(&parts, version, &self.record.program)
    }
}

/// Writes a file's bytes: whole or not at all.
pub fn save(bytes: &[u8], path: &Path) -> Result<(), EvidenceError> {
    write_beside(path, bytes).map_err(|source| EvidenceError::Write { source, path: path.to_owned() })
}

/// What is at hand for checking a score anew.
#[derive(Clone)]
pub struct Known<'a> {
    /// What searches at present.
    pub engine: Option<Arc<Engine>>,
    /// Every model that could be loaded; `None` lists those that ship.
    pub models: Option<Vec<ModelEntry>>,
    pub device: &'a Device,
}

/// The models among which an evidence file's is looked for.
pub fn models(project: Option<&Project>, shipped: &[PathBuf]) -> Vec<ModelEntry> {
    list_models(project, shipped).0
}

/// Reads an evidence file and checks all of it. One that was changed opens too, with what does not verify; only one
/// that makes no sense at all is refused.
pub fn open(path: &Path, known: Known<'_>) -> Result<EvidenceReport, JobError> {
    let contents = container::read(&read_file(path)?, path)?;
    verify::report(contents, path, &known)
}

/// Whether a path names an evidence file.
pub fn is_evidence(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("seamline")) && !path.is_dir()
}

fn read_file(path: &Path) -> Result<Vec<u8>, EvidenceError> {
    let failed = |source| EvidenceError::Read { source, path: path.to_owned() };
    let refused = |reason: String| EvidenceError::Refused { reason, path: path.to_owned() };
    let about = fs::metadata(path).map_err(failed)?;
    if !about.is_file() {
        return Err(refused("it is not a regular file".to_owned()));
    }
    if about.len() > MOST_BYTES {
        return Err(refused(format!("it is larger than {} MB", MOST_BYTES / 1_000_000)));
    }
    fs::read(path).map_err(failed)
}

/// The plan as it is stored: checked before anything believes its sizes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct StoredPlan {
    /// Rows and columns of cells.
    query_grid: [usize; 2],
    gallery_grid: [usize; 2],
    /// Row-major `[query cell, gallery cell]`.
    mass: Vec<f32>,
    similarity: Vec<f32>,
    row_marginal: Vec<f32>,
    column_marginal: Vec<f32>,
    structural: f32,
    global: f32,
    score: f32,
    iterations: usize,
    marginal_error: f32,
    uniform_fallback: bool,
}

/// Cells along a side that a stored plan may have.
const MOST_SIDE: usize = 64;

impl StoredPlan {
    fn of(pair: &PairMatch) -> Self {
        let grid = |grid: Grid| [grid.rows, grid.columns];
        Self {
            query_grid: grid(pair.plan.query()),
            gallery_grid: grid(pair.plan.gallery()),
            mass: pair.plan.mass().to_vec(),
            similarity: pair.similarity.clone(),
            row_marginal: pair.row_marginal.clone(),
            column_marginal: pair.column_marginal.clone(),
            structural: pair.structural,
            global: pair.global,
            score: pair.score,
            iterations: pair.iterations,
            marginal_error: pair.marginal_error,
            uniform_fallback: pair.uniform_fallback,
        }
    }

    /// The plan, or what makes it none.
    fn into_pair(self) -> Result<PairMatch, String> {
        let sides = self.query_grid.iter().chain(&self.gallery_grid);
        if let Some(side) = sides.into_iter().find(|side| !(1..=MOST_SIDE).contains(*side)) {
            return Err(format!("a grid of {side} cells along a side is outside 1 to {MOST_SIDE}"));
        }
        let query = Grid::new(self.query_grid[0], self.query_grid[1]);
        let gallery = Grid::new(self.gallery_grid[0], self.gallery_grid[1]);
        let pairs = query.cells() * gallery.cells();
        let lengths = [
            ("masses", self.mass.len(), pairs),
            ("similarities", self.similarity.len(), pairs),
            ("weights of query cells", self.row_marginal.len(), query.cells()),
            ("weights of product cells", self.column_marginal.len(), gallery.cells()),
        ];
        if let Some((what, found, wanted)) = lengths.into_iter().find(|(_, found, wanted)| found != wanted) {
            return Err(format!("it has {found} {what} where its grids need {wanted}"));
        }
        let lists = [&self.mass, &self.similarity, &self.row_marginal, &self.column_marginal];
        let single = [self.structural, self.global, self.score, self.marginal_error];
        if !lists.into_iter().flatten().chain(&single).all(|value| value.is_finite()) {
            return Err("it holds numbers that are not finite".to_owned());
        }
        if self.mass.iter().any(|&mass| mass < 0.0) {
            return Err("it holds masses below zero".to_owned());
        }
        Ok(PairMatch {
            plan: TransportPlan::new(query, gallery, self.mass),
            similarity: self.similarity,
            row_marginal: self.row_marginal,
            column_marginal: self.column_marginal,
            structural: self.structural,
            global: self.global,
            score: self.score,
            iterations: self.iterations,
            marginal_error: self.marginal_error,
            uniform_fallback: self.uniform_fallback,
        })
    }
}
