//! Loaders for the sizes of a recipe, and the batches that come of them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::Trainer;
use crate::data::loader::LoaderOptions;
use crate::data::{Batch, Dataset, Loader, Packed};
use crate::domain::{Progress, StopFlag};
use crate::nn::ops::Ahead;
use crate::train::config::TrainConfig;
use crate::train::event::TrainEvent;
use crate::train::inputs::training_items;
use crate::train::methods::make_batch;

/// A batch for the next step.
pub(super) struct Ready {
    pub(super) batch: Batch,
    /// Its photos, where they are on their way to the device.
    pub(super) ahead: Option<Ahead>,
}

impl Trainer {
    /// Decodes the training photos into files, where that is wanted and has not been done before.
    pub(super) fn pack_photos(&mut self, stop: &StopFlag, tell: &mut dyn FnMut(TrainEvent)) {
        let budget = self.config.data.pack_megabytes << 20;
        let Some(dir) = self.photos_dir.clone().filter(|_| budget > 0) else { return };
        let among = training_items(&self.dataset, self.config.data.label_fraction, self.config.seed);
        let margin = self.config.augment.margin();
        for (size, loader) in &mut self.loaders {
            let path = dir.join(format!("photos-{size}-{:08x}.pack", margin.to_bits()));
            let mut progress = |progress: Progress| {
                tell(TrainEvent::Reading { done: progress.done, total: progress.total });
            };
            match loader.keep_in(&path, &among, budget, stop, &mut progress) {
                Ok(Packed { photos: 0, .. }) => {}
                Ok(Packed { photos, bytes, decoded, left_out }) => {
                    tell(TrainEvent::Packed { photos, bytes, decoded, left_out, path });
                }
                // Photos are decoded as they are needed, then.
                Err(error) => tell(TrainEvent::Note {
                    text: format!("decoded photos cannot be kept ({error}): {}", path.display()),
                }),
            }
        }
    }

    pub(super) fn prepare(&self, size: usize, items: &[usize], epoch: usize, place: usize) -> Ready {
        Ready { batch: make_batch(&self.loaders[&size], &self.config, items, epoch, place), ahead: None }
    }

    /// Photos that could not be read so far.
    pub(super) fn skipped(&self) -> Vec<(PathBuf, String)> {
        let mut found = BTreeMap::new();
        for (photo, reason) in self.loaders.values().flat_map(Loader::broken) {
            found.insert(PathBuf::from(photo.as_str()), reason);
        }
        found.into_iter().collect()
    }
}

pub(super) fn loader(config: &TrainConfig, dataset: &Arc<Dataset>, size: usize) -> Loader {
    let mut options = LoaderOptions::new(size as u32, config.augment.clone(), config.seed);
    options.cache_bytes = config.data.cache_megabytes << 20;
    Loader::new(Arc::clone(dataset), options)
}
