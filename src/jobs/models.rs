//! Which models there are: those made in the project and those that ship.

use std::path::{Path, PathBuf};

use candle_core::Device;

use super::JobError;
use super::types::{ModelInfo, OutfitSkill};
use crate::domain::{Arithmetic, CheckpointId};
use crate::nn::{Embedder, Encoder, ModelCard, Precision, checkpoint, device};
use crate::project::Project;
use crate::train;

/// A model that can be chosen, not yet loaded.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelEntry {
    pub dir: PathBuf,
    pub checkpoint: CheckpointId,
    pub card: ModelCard,
    /// Came with the program, not made in the project.
    pub shipped: bool,
}

impl ModelEntry {
    pub fn info(&self) -> ModelInfo {
        info_of(&self.checkpoint, &self.card)
    }
}

/// What the window says of a model.
pub fn info_of(checkpoint: &CheckpointId, card: &ModelCard) -> ModelInfo {
    let metric = |name: &str| card.metrics.get(name).map(|value| *value as f32);
    ModelInfo {
        checkpoint: checkpoint.clone(),
        name: card.name.clone(),
        recall_at_1: metric(RECALL_AT_1),
        outfits: OutfitSkill { fill_in_blank: metric(FILL_IN_BLANK), compatibility_auc: metric(COMPATIBILITY_AUC) },
    }
}

/// The card's name for Recall@1 of the test split, with structural re-ranking.
pub const RECALL_AT_1: &str = "recall_at_1";
/// The same for Recall@10.
pub const RECALL_AT_10: &str = "recall_at_10";
/// How well distances tell the sets of the test split's outfits that are worn together, where there are any.
pub const COMPATIBILITY_AUC: &str = "compatibility_auc";
/// Share of the blanks of the test split's outfits that are filled in rightly.
pub const FILL_IN_BLANK: &str = "fill_in_blank";

/// Where shipped models are looked for: `SEAMLINE_MODELS` alone where it is set, else beside the program, else where it
/// was built.
pub fn shipped_model_dirs() -> Vec<PathBuf> {
    if let Some(named) = std::env::var_os("SEAMLINE_MODELS").filter(|dir| !dir.is_empty()) {
        return vec![PathBuf::from(named)];
    }
    let beside = std::env::current_exe().ok().and_then(|program| Some(program.parent()?.join("models")));
    beside.into_iter().chain([Path::new(env!("CARGO_MANIFEST_DIR")).join("models")]).collect()
}

/// Models of the project, then shipped ones; each checkpoint once. Folders that hold no readable model are told as
/// sentences.
pub fn list_models(project: Option<&Project>, shipped: &[PathBuf]) -> (Vec<ModelEntry>, Vec<String>) {
    let own = project.map(|project| project.paths().model_dirs()).unwrap_or_default();
    let own = own.into_iter().map(|dir| (dir, false));
    let shipped = shipped.iter().flat_map(|dir| folders_in(dir)).map(|dir| (dir, true));
    let (mut models, mut problems) = (Vec::<ModelEntry>::new(), Vec::new());
    for (dir, shipped) in own.chain(shipped) {
        match entry(&dir, shipped) {
            Ok(model) if models.iter().any(|known| known.checkpoint == model.checkpoint) => {}
            Ok(model) => models.push(model),
            Err(error) => problems.push(error.to_string()),
        }
    }
    (models, problems)
}

/// The model that the project chose, else the first that ships.
pub fn preferred<'a>(models: &'a [ModelEntry], chosen: Option<&CheckpointId>) -> Option<&'a ModelEntry> {
    models
        .iter()
        .find(|model| Some(&model.checkpoint) == chosen)
        .or_else(|| models.iter().find(|model| model.shipped))
        .or_else(|| models.first())
}

pub fn load_encoder(model: &ModelEntry, device: &Device, arithmetic: Arithmetic) -> Result<Encoder, JobError> {
    Ok(Encoder::load_in(&model.dir, device, arithmetic)?)
}

/// In what and where a network computes that nobody sent to a device of its own: 8-bit arithmetic on the CPU, whatever else
/// runs on a GPU; in 32 bits what a project from a machine with a GPU has in 16, where there is none.
pub fn place_for(arithmetic: Arithmetic, device: &Device) -> (Arithmetic, Device) {
    match arithmetic {
        Arithmetic::Int8 => (arithmetic, Device::Cpu),
        Arithmetic::Bf16 if device::check(device, arithmetic).is_err() => (Arithmetic::F32, device.clone()),
        Arithmetic::F32 | Arithmetic::Bf16 => (arithmetic, device.clone()),
    }
}

/// A model fresh from training, on its way among those that can be chosen.
pub(super) struct Promoted {
    embedder: Embedder,
    card: ModelCard,
}

impl Promoted {
    /// `base` is the name of the model that it was made from.
    pub fn new(embedder: Embedder, mut card: ModelCard, base: &str, corrections: usize) -> Self {
        // A model that was corrected twice is still named after the first one.
        let origin = base.split_once(CORRECTED).map_or(base, |(origin, _)| origin);
        let noun = if corrections == 1 { "correction" } else { "corrections" };
        card.name = format!("{origin}{CORRECTED}{corrections} {noun}");
        Self { embedder, card }
    }

    /// A checkpoint of a run, under the name that its card bears.
    pub fn of_run(embedder: Embedder, card: ModelCard) -> Self {
        Self { embedder, card }
    }

    /// Replaces what training measured on its own.
    pub fn set_recall(&mut self, recall: Option<[f32; 2]>) {
        let names = [RECALL_AT_1, RECALL_AT_10];
        self.card.metrics.retain(|name, _| !names.contains(&name.as_str()));
        if let Some(recall) = recall {
            self.card
                .metrics
                .extend(names.into_iter().zip(recall).map(|(name, value)| (name.to_owned(), value.into())));
        }
    }

    pub fn save(&self, dir: &Path) -> Result<CheckpointId, JobError> {
        Ok(train::publish(&self.embedder, &self.card, dir, Precision::F16)?)
    }

    pub fn info(&self, checkpoint: &CheckpointId) -> ModelInfo {
        info_of(checkpoint, &self.card)
    }
}

const CORRECTED: &str = ", after ";

fn entry(dir: &Path, shipped: bool) -> Result<ModelEntry, JobError> {
    let (card, named) = checkpoint::read_card(dir)?;
    let checkpoint = match named {
        Some(checkpoint) => checkpoint,
        // A card written by hand does not say which weights it belongs to.
        None => checkpoint::read(dir)?.id,
    };
    Ok(ModelEntry { dir: dir.to_owned(), checkpoint, card, shipped })
}

fn folders_in(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(dir) else {
        return Vec::new();
    };
    let mut folders: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|folder| folder.join("model.json").is_file())
        .collect();
    folders.sort();
    folders
}
