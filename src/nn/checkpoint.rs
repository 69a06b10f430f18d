//! Our own checkpoints: a folder of `model.json` (the card) and `weights.safetensors`.
//!
//! Both files are written beside their final names, synced and renamed, the weights first. The card names the hash of its
//! weights, so that a pair torn apart by a power cut is recognised; the newer card is then still lying beside.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use candle_core::Tensor;
use half::f16;
use safetensors::tensor::{Dtype, TensorView};
use serde::{Deserialize, Serialize};

use super::NnError;
use super::embedder::EmbedderConfig;
use super::error::Doing;
use super::params::LoadReport;
use super::weights;
use crate::domain::CheckpointId;

const CARD: &str = "model.json";
const WEIGHTS: &str = "weights.safetensors";
/// A card is a page of text.
const LARGEST_CARD: u64 = 1 << 20;

/// What a model is and where it comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelCard {
    pub name: String,
    pub config: EmbedderConfig,
    /// Side of the square images it takes.
    pub input_size: usize,
    /// What the classes are called; empty or one for each class.
    #[serde(default)]
    pub kinds: Vec<String>,
    /// What it was trained on.
    #[serde(default)]
    pub data: String,
    /// How it was trained.
    #[serde(default)]
    pub recipe: String,
    /// The command that trains it again.
    #[serde(default)]
    pub command: String,
    #[serde(default)]
    pub seed: u64,
    #[serde(default)]
    pub metrics: BTreeMap<String, f64>,
    /// What its training started from.
    #[serde(default)]
    pub parent: Option<CheckpointId>,
    /// Date and time, as RFC 3339.
    #[serde(default)]
    pub created: String,
}

impl ModelCard {
    /// A card with the rest left blank.
    pub fn new(name: impl Into<String>, config: &EmbedderConfig, input_size: usize) -> Self {
        Self {
            name: name.into(),
            config: config.clone(),
            input_size,
            kinds: Vec::new(),
            data: String::new(),
            recipe: String::new(),
            command: String::new(),
            seed: 0,
            metrics: BTreeMap::new(),
            parent: None,
            created: String::new(),
        }
    }

    /// What is wrong with the values, if anything: they may come from a file.
    pub fn problem(&self) -> Option<String> {
        if !(32..=1024).contains(&self.input_size) {
            return Some(format!("an input size of {} pixels is outside 32 to 1024", self.input_size));
        }
        if !self.kinds.is_empty() && self.kinds.len() != self.config.classes {
            return Some(format!("it names {} kinds for {} classes", self.kinds.len(), self.config.classes));
        }
        self.config.problem()
    }
}

/// How weights are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// Matrices and kernels in 16 bits; the few values of normalisations and biases stay in 32.
    F16,
    F32,
}

/// A checkpoint as read: the card and its tensors fit each other.
#[derive(Debug)]
pub struct Saved {
    pub card: ModelCard,
    pub tensors: BTreeMap<String, Tensor>,
    pub id: CheckpointId,
}

/// `model.json`: the card and which weights it belongs to.
#[derive(Serialize, Deserialize)]
struct CardFile {
    #[serde(flatten)]
    card: ModelCard,
    /// Absent in cards written by hand.
    #[serde(default)]
    checkpoint: Option<CheckpointId>,
}

/// The id of weights: the first 16 hexadecimal digits of the BLAKE3 hash of their file.
pub fn id_of(bytes: &[u8]) -> CheckpointId {
    CheckpointId::new(&blake3::hash(bytes).to_hex()[..16])
}

/// Writes card and weights into `dir`, which is made if need be. What was saved there before stays whole until the new
/// files are on the disk. `tensors` must be exactly those of the card's network.
pub fn save(
    dir: &Path,
    card: &ModelCard,
    tensors: &BTreeMap<String, Tensor>,
    precision: Precision,
) -> Result<CheckpointId, NnError> {
    let (card_path, weights_path) = (dir.join(CARD), dir.join(WEIGHTS));
    if let Some(problem) = card.problem() {
        return Err(NnError::card(problem, &card_path));
    }
    check(card, tensors, &weights_path)?;
    let bytes = to_bytes(tensors, precision, &weights_path)?;
    let id = id_of(&bytes);
    let file = CardFile { card: card.clone(), checkpoint: Some(id.clone()) };
    let json = serde_json::to_vec_pretty(&file).map_err(|error| NnError::card(error.to_string(), &card_path))?;

    let failed = |what, path: &Path| {
        let path = path.to_owned();
        move |source| NnError::Write { what, source, path }
    };
    fs::create_dir_all(dir).map_err(failed("the checkpoint's folder", dir))?;
    let weights_beside = write_beside(&weights_path, &bytes).map_err(failed("the weights", &weights_path))?;
    let card_beside = write_beside(&card_path, &json).map_err(failed("the model card", &card_path))?;
    fs::rename(&weights_beside, &weights_path).map_err(failed("the weights", &weights_path))?;
    fs::rename(&card_beside, &card_path).map_err(failed("the model card", &card_path))?;
    sync_folder(dir).map_err(failed("the checkpoint's folder", dir))?;
    Ok(id)
}

/// Reads and checks a checkpoint's folder.
pub fn read(dir: &Path) -> Result<Saved, NnError> {
    let weights_path = dir.join(WEIGHTS);
    let (mut file, mut card_path) = (read_card_file(&dir.join(CARD))?, dir.join(CARD));
    let bytes = weights::read_bytes(&weights_path)?;
    let id = id_of(&bytes);
    if file.checkpoint.as_ref().is_some_and(|named| *named != id) {
        // The weights were renamed and the card was not: it still lies beside.
        let beside = beside(&card_path);
        match read_card_file(&beside) {
            Ok(newer) if newer.checkpoint.as_ref() == Some(&id) => (file, card_path) = (newer, beside),
            _ => return Err(NnError::weights("they are not the ones that the model card names", &weights_path)),
        }
    }
    if let Some(problem) = file.card.problem() {
        return Err(NnError::card(problem, &card_path));
    }
    let tensors = weights::from_safetensors(&bytes, &weights_path)?;
    check(&file.card, &tensors, &weights_path)?;
    Ok(Saved { card: file.card, tensors, id })
}

/// Reads only the card, and the id that it names. For lists; [`read`] checks the weights too.
pub fn read_card(dir: &Path) -> Result<(ModelCard, Option<CheckpointId>), NnError> {
    let path = dir.join(CARD);
    let file = read_card_file(&path)?;
    match file.card.problem() {
        Some(problem) => Err(NnError::card(problem, &path)),
        None => Ok((file.card, file.checkpoint)),
    }
}

fn read_card_file(path: &Path) -> Result<CardFile, NnError> {
    let failed = |source| NnError::Read { what: "the model card", source, path: path.to_owned() };
    let file = File::open(path).map_err(failed)?;
    let mut text = Vec::new();
    file.take(LARGEST_CARD + 1).read_to_end(&mut text).map_err(failed)?;
    if text.len() as u64 > LARGEST_CARD {
        return Err(NnError::card("it is larger than 1 MiB", path));
    }
    serde_json::from_slice(&text).map_err(|error| NnError::card(error.to_string(), path))
}

/// Every tensor of the network, in its shape, and no other; and every value usable.
fn check(card: &ModelCard, tensors: &BTreeMap<String, Tensor>, path: &Path) -> Result<(), NnError> {
    let specs = card.config.specs();
    let report = LoadReport::compare(&specs, tensors);
    if !report.is_clean() {
        let network = format!("{} with {} values a cell", card.config.backbone.arch, card.config.dim);
        return Err(NnError::Misfit { network, report: Box::new(report), path: path.to_owned() });
    }
    weights::check_variances(&specs, tensors, path)
}

/// The bytes of a safetensors file. `path` is only for the error.
pub(super) fn to_bytes(
    tensors: &BTreeMap<String, Tensor>,
    precision: Precision,
    path: &Path,
) -> Result<Vec<u8>, NnError> {
    let mut stored = Vec::with_capacity(tensors.len());
    for (name, tensor) in tensors {
        let values = weights::host_values(tensor).doing("collecting the weights")?;
        if values.iter().any(|value| !value.is_finite()) {
            return Err(NnError::weights(format!("`{name}` holds values that are not finite"), path));
        }
        let fits = values.iter().all(|value| value.abs() <= f16::MAX.to_f32());
        let (dtype, bytes) = if precision == Precision::F16 && tensor.rank() > 1 && fits {
            (Dtype::F16, values.iter().flat_map(|value| f16::from_f32(*value).to_le_bytes()).collect::<Vec<u8>>())
        } else {
            (Dtype::F32, values.iter().flat_map(|value| value.to_le_bytes()).collect())
        };
        stored.push((name, dtype, tensor.dims().to_vec(), bytes));
    }
    let damaged = |error: safetensors::SafeTensorError| NnError::weights(error.to_string(), path);
    let views = stored
        .iter()
        .map(|(name, dtype, shape, bytes)| Ok((*name, TensorView::new(*dtype, shape.clone(), bytes)?)))
        .collect::<Result<Vec<_>, _>>()
        .map_err(damaged)?;
    // PyTorch's readers ask for this entry.
    let format = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    safetensors::serialize(views, Some(format)).map_err(damaged)
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".partial");
    PathBuf::from(name)
}

/// Writes and syncs the file under its provisional name.
fn write_beside(path: &Path, bytes: &[u8]) -> io::Result<PathBuf> {
    let beside = beside(path);
    let mut file = File::create(&beside)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    if let Err(error) = written {
        // A full disk: do not leave half a file on it.
        drop(file);
        let _ = fs::remove_file(&beside);
        return Err(error);
    }
    Ok(beside)
}

/// Makes the renames last. Windows knows no such thing for folders.
fn sync_folder(dir: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(dir)?.sync_all() } else { Ok(()) }
}
