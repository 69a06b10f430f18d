//! `run.json`: what is needed to judge a run and to do it again, besides its recipe and its events.

use std::fs;
use std::path::Path;

use candle_core::Device;
use serde::{Deserialize, Serialize};

use super::TrainError;
use super::run_folder::write_synced;
use crate::data::Dataset;
use crate::domain::ProductId;
use crate::nn::device;

const NAME: &str = "run.json";

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// The command that does it again.
    pub command: String,
    pub data: DataRecord,
    /// One for each time that the run was begun or gone on with.
    pub sittings: Vec<Sitting>,
}

/// What was trained on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataRecord {
    /// In words.
    pub name: String,
    /// Over names, labels, splits, boxes and file lengths of all photos; BLAKE3, in hexadecimal.
    pub hash: String,
    pub photos: usize,
    pub products: usize,
    pub kinds: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sitting {
    /// Date and time, as RFC 3339.
    pub begun: String,
    /// Steps that were done before it.
    pub step: usize,
    /// Of the program.
    pub version: String,
    pub device: String,
    /// Of rayon's pool.
    pub threads: usize,
    pub processor: String,
    pub system: String,
}

impl DataRecord {
    pub fn of(name: &str, dataset: &Dataset) -> Self {
        let mut hasher = blake3::Hasher::new();
        for item in &dataset.items {
            let length = fs::metadata(&item.path).map_or(0, |data| data.len());
            let crop = item.crop.map(|crop| [crop.x, crop.y, crop.width, crop.height].map(f32::to_bits));
            let (product, kind) = (&dataset.products[item.product], &dataset.kinds[item.kind]);
            let row = (&item.photo, item.domain, product, kind, crop, item.split, length);
            // A row of words and numbers is always JSON; one line each, so that no two lists of rows look alike.
            hasher.update(&serde_json::to_vec(&row).unwrap_or_default()).update(b"\n");
        }
        // Without outfits the hash is that of older runs.
        for outfit in &dataset.outfits {
            let pieces: Vec<&ProductId> = outfit.iter().map(|piece| &dataset.products[*piece]).collect();
            hasher.update(&serde_json::to_vec(&pieces).unwrap_or_default()).update(b"\n");
        }
        Self {
            name: name.to_owned(),
            hash: hasher.finalize().to_hex().to_string(),
            photos: dataset.items.len(),
            products: dataset.products.len(),
            kinds: dataset.kinds.clone(),
        }
    }
}

impl Sitting {
    /// Here and now.
    pub fn now(begun: &str, step: usize, on: &Device) -> Self {
        Self {
            begun: begun.to_owned(),
            step,
            version: version(),
            device: device::describe(on),
            threads: rayon::current_num_threads(),
            processor: processor().unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
            system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        }
    }
}

/// The package's version, with the revision where the build was told it, as `scripts/run` and `scripts/test` do.
fn version() -> String {
    match option_env!("SEAMLINE_REVISION") {
        Some(revision) if !revision.is_empty() => format!("{} ({revision})", env!("CARGO_PKG_VERSION")),
        _ => env!("CARGO_PKG_VERSION").to_owned(),
    }
}

fn processor() -> Option<String> {
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// Writes a new run's record, or adds a sitting to the one that is there. `true` where the data are not those of the
/// run's beginning.
pub fn sit_down(run: &Path, command: &str, data: DataRecord, sitting: Sitting) -> Result<bool, TrainError> {
    let path = run.join(NAME);
    let record = match read(run)? {
        None => RunRecord { command: command.to_owned(), data: data.clone(), sittings: vec![sitting] },
        Some(mut record) => {
            record.sittings.push(sitting);
            record
        }
    };
    let changed = record.data.hash != data.hash;
    let failed = |source| TrainError::Write { what: "the run's record", source, path: path.clone() };
    let json = serde_json::to_vec_pretty(&record).map_err(|error| failed(error.into()))?;
    let beside = path.with_extension("new");
    write_synced(&beside, &json).and_then(|()| fs::rename(&beside, &path)).map_err(failed)?;
    Ok(changed)
}

/// The record of a run; `None` where there is none, as in runs of earlier versions.
pub fn read(run: &Path) -> Result<Option<RunRecord>, TrainError> {
    let path = run.join(NAME);
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(TrainError::Read { what: "the run's record", source, path }),
    };
    serde_json::from_slice(&text).map(Some).map_err(|error| TrainError::Damaged {
        what: "the run's record",
        reason: error.to_string(),
        path,
    })
}
