//! The folder of a run: `config.toml`, `events.jsonl`, `run.json`, `checkpoint-<step>/`, `last/` and `best/`.
//!
//! A checkpoint is a model that can be used as it is (`model.json`, `weights.safetensors`) plus what training needs to
//! go on from it bit for bit (`trainer.json`, `trainer.safetensors`). It is written under a provisional name, synced
//! and renamed; whatever goes wrong, the one before is still whole.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use candle_core::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::TrainError;
use super::config::TrainConfig;
use super::event::{LossParts, TrainEvent};
use super::schedule::Plateau;
use crate::domain::CheckpointId;
use crate::eval::Scores;
use crate::nn::{ModelCard, Precision, checkpoint};

const STATE: &str = "trainer.json";
const STORE: &str = "trainer.safetensors";
const PROVISIONAL: &str = ".new";

/// How far a run is. Everything random is keyed by it, so it is the whole state of the random numbers too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Epochs that are complete.
    pub epoch: usize,
    /// Batches of the present epoch that are done.
    pub batch: usize,
    /// Steps made.
    pub step: usize,
}

/// `trainer.json`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TrainerState {
    pub position: Position,
    pub optimizer_steps: u64,
    /// Sum of the losses of the present epoch's steps.
    pub epoch_sum: LossParts,
    pub validation: Option<Scores>,
    /// Seconds of computing in all sittings.
    pub seconds: f64,
    /// The best measurement and what follows from it.
    #[serde(default)]
    pub plateau: Plateau,
    /// Step of the checkpoint in `best/`.
    #[serde(default)]
    pub best_step: Option<usize>,
    /// The last epoch is complete, but a stop came before it was measured.
    #[serde(default)]
    pub unmeasured: bool,
    /// Nothing became better for so long that the recipe ended the run.
    #[serde(default)]
    pub ended_early: bool,
    /// The weights beside it.
    pub checkpoint: Option<CheckpointId>,
}

/// A checkpoint as read.
pub struct Resumed {
    pub saved: checkpoint::Saved,
    pub state: TrainerState,
    pub store: BTreeMap<String, Tensor>,
}

/// Writes a checkpoint and makes `last/` the same one; answers its folder. The newest `keep` stay.
pub fn write_checkpoint(
    run: &Path,
    card: &ModelCard,
    weights: &BTreeMap<String, Tensor>,
    state: &TrainerState,
    store: &BTreeMap<String, Tensor>,
    keep: usize,
) -> Result<PathBuf, TrainError> {
    let name = format!("checkpoint-{:07}", state.position.step);
    let (beside, place) = (run.join(format!("{name}{PROVISIONAL}")), run.join(&name));
    let written = fill(&beside, card, weights, state, store).and_then(|()| put_in_place(&beside, &place));
    if written.is_err() {
        // A full disk: do not leave half a checkpoint on it.
        let _ = fs::remove_dir_all(&beside);
    }
    written?;
    let last_beside = run.join(format!("last{PROVISIONAL}"));
    let linked = link_all(&place, &last_beside).and_then(|()| put_in_place(&last_beside, &run.join("last")));
    if linked.is_err() {
        let _ = fs::remove_dir_all(&last_beside);
    }
    linked?;
    discard(run, keep);
    Ok(place)
}

/// Makes `best/` the checkpoint that lies in `place`.
pub fn mark_best(run: &Path, place: &Path) -> Result<(), TrainError> {
    let beside = run.join(format!("best{PROVISIONAL}"));
    let linked = link_all(place, &beside).and_then(|()| put_in_place(&beside, &run.join("best")));
    if linked.is_err() {
        let _ = fs::remove_dir_all(&beside);
    }
    linked
}

fn discard(run: &Path, keep: usize) {
    for old in checkpoints(run).into_iter().rev().skip(keep.max(1)) {
        // One that cannot be removed is no reason to stop.
        let _ = fs::remove_dir_all(old);
    }
}

fn fill(
    dir: &Path,
    card: &ModelCard,
    weights: &BTreeMap<String, Tensor>,
    state: &TrainerState,
    store: &BTreeMap<String, Tensor>,
) -> Result<(), TrainError> {
    let _ = fs::remove_dir_all(dir);
    let id = checkpoint::save(dir, card, weights, Precision::F32)?;
    let path = dir.join(STORE);
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| TrainError::Write { what: "a checkpoint", source, path }
    };
    let map: HashMap<&str, Tensor> = store.iter().map(|(name, tensor)| (name.as_str(), tensor.clone())).collect();
    let bytes = safetensors::serialize(&map, None).map_err(|error| TrainError::Write {
        what: "a checkpoint",
        source: std::io::Error::other(error),
        path: path.clone(),
    })?;
    write_synced(&path, &bytes).map_err(failed(&path))?;
    let path = dir.join(STATE);
    let state = TrainerState { checkpoint: Some(id), ..state.clone() };
    let json = serde_json::to_vec_pretty(&state).map_err(|error| TrainError::Write {
        what: "a checkpoint",
        source: error.into(),
        path: path.clone(),
    })?;
    write_synced(&path, &json).map_err(failed(&path))
}

pub(super) fn write_synced(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = File::create(path)?;
    #[cfg(test)]
    full_disk::write(&mut file, bytes)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Gives a complete folder its final name; what had the name goes only after that.
fn put_in_place(beside: &Path, place: &Path) -> Result<(), TrainError> {
    let failed = |source| TrainError::Write { what: "a checkpoint", source, path: place.to_owned() };
    let old = place.with_extension("old");
    let _ = fs::remove_dir_all(&old);
    if place.exists() {
        fs::rename(place, &old).map_err(failed)?;
    }
    if let Err(error) = fs::rename(beside, place) {
        let _ = fs::rename(&old, place);
        return Err(failed(error));
    }
    let _ = fs::remove_dir_all(&old);
    if cfg!(unix)
        && let Some(parent) = place.parent()
    {
        File::open(parent).and_then(|dir| dir.sync_all()).map_err(failed)?;
    }
    Ok(())
}

/// The files of a folder once more under another name, without a second copy of the bytes where the disk can do that.
fn link_all(from: &Path, to: &Path) -> Result<(), TrainError> {
    let failed = |source| TrainError::Write { what: "a checkpoint", source, path: to.to_owned() };
    let _ = fs::remove_dir_all(to);
    fs::create_dir_all(to).map_err(failed)?;
    for entry in fs::read_dir(from).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let target = to.join(entry.file_name());
        if fs::hard_link(entry.path(), &target).is_err() {
            fs::copy(entry.path(), &target).map_err(failed)?;
        }
    }
    Ok(())
}

/// Folders of whole checkpoints, oldest first.
pub fn checkpoints(run: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(run) else { return Vec::new() };
    let mut found: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            name.strip_prefix("checkpoint-").is_some_and(|step| step.bytes().all(|byte| byte.is_ascii_digit()))
                && path.join(STATE).is_file()
        })
        .collect();
    found.sort();
    found
}

/// Where a run goes on: `last/`, or the newest checkpoint where a power cut came between two renames.
pub fn newest(run: &Path) -> Option<PathBuf> {
    let last = run.join("last");
    if last.join(STATE).is_file() { Some(last) } else { checkpoints(run).pop() }
}

pub fn read_checkpoint(dir: &Path) -> Result<Resumed, TrainError> {
    let saved = checkpoint::read(dir)?;
    let damaged =
        |reason: String, name: &str| TrainError::Damaged { what: "the checkpoint", reason, path: dir.join(name) };
    let text = fs::read(dir.join(STATE)).map_err(|source| TrainError::Read {
        what: "the state of the training",
        source,
        path: dir.join(STATE),
    })?;
    let state: TrainerState = serde_json::from_slice(&text).map_err(|error| damaged(error.to_string(), STATE))?;
    if state.checkpoint.as_ref() != Some(&saved.id) {
        return Err(damaged("its parts are not of one step".to_owned(), STATE));
    }
    let store = candle_core::safetensors::load(dir.join(STORE), &Device::Cpu)
        .map_err(|error| damaged(error.to_string().lines().next().unwrap_or("unreadable").to_owned(), STORE))?;
    Ok(Resumed { saved, state, store: store.into_iter().collect() })
}

/// Makes the run's folder and writes its recipe.
pub fn begin(run: &Path, config: &TrainConfig) -> Result<(), TrainError> {
    let path = run.join("config.toml");
    let failed = |source| TrainError::Write { what: "the run's recipe", source, path: path.clone() };
    fs::create_dir_all(run).map_err(failed)?;
    write_synced(&path, config.to_toml().as_bytes()).map_err(failed)
}

pub fn read_config(run: &Path) -> Result<TrainConfig, TrainError> {
    let path = run.join("config.toml");
    let text = fs::read_to_string(&path).map_err(|source| TrainError::Read {
        what: "the run's recipe",
        source,
        path: path.clone(),
    })?;
    TrainConfig::from_toml(&text).map_err(|sentence| TrainError::Config { sentence, path })
}

/// `events.jsonl`: one event a line, with the time. A diary that cannot be written does not stop a run.
pub struct Diary {
    file: Option<File>,
    path: PathBuf,
}

#[derive(Serialize)]
struct Line<'a> {
    /// Seconds since 1970.
    time: f64,
    #[serde(flatten)]
    event: &'a TrainEvent,
}

impl Diary {
    pub fn open(run: &Path) -> Self {
        let path = run.join("events.jsonl");
        let file = File::options().create(true).append(true).open(&path).ok();
        Self { file, path }
    }

    /// Says once where the diary cannot be written.
    pub fn write(&mut self, event: &TrainEvent) -> Option<String> {
        let time = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64());
        let mut line = serde_json::to_vec(&Line { time, event }).ok()?;
        line.push(b'\n');
        let error = self.file.as_mut()?.write_all(&line).err()?;
        self.file = None;
        Some(format!("the run's events are no longer written ({error}): {}", self.path.display()))
    }
}

/// A disk that becomes full in the middle of a file, for tests: root may write anywhere and mount nothing here.
#[cfg(test)]
pub(super) mod full_disk {
    use std::cell::Cell;
    use std::fs::File;
    use std::io::Write;

    thread_local! {
        /// Bytes that still fit; `None` sets no limit.
        pub static ROOM: Cell<Option<usize>> = const { Cell::new(None) };
    }

    /// Writes as much as there is room for, and fails where that is not all.
    pub fn write(file: &mut File, bytes: &[u8]) -> std::io::Result<()> {
        let Some(room) = ROOM.get() else { return Ok(()) };
        if bytes.len() > room {
            file.write_all(&bytes[..room])?;
            ROOM.set(Some(0));
            return Err(std::io::ErrorKind::StorageFull.into());
        }
        ROOM.set(Some(room - bytes.len()));
        Ok(())
    }
}
