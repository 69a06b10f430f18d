//! Loaders for the sizes of a recipe, and the batches that come of them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::Trainer;
use crate::data::loader::LoaderOptions;
use crate::data::{Batch, Dataset, Loader};
use crate::train::config::TrainConfig;
use crate::train::recolour::{Recolouring, recolour};

impl Trainer {
    pub(super) fn prepare(&self, size: usize, items: &[usize], epoch: usize, place: usize) -> Batch {
        make_batch(&self.loaders[&size], &self.config, items, epoch, place)
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

pub(super) fn make_batch(loader: &Loader, config: &TrainConfig, items: &[usize], epoch: usize, place: usize) -> Batch {
    let (epoch, place) = (epoch as u64, place as u64);
    let mut batch = loader.batch(items, epoch, place);
    let how = Recolouring { product: config.data.recolour, colour_blind: config.data.colour_blind };
    recolour(&mut batch, how, config.seed, epoch, place);
    batch
}

pub(super) fn loader(config: &TrainConfig, dataset: &Arc<Dataset>, size: usize) -> Loader {
    let mut options = LoaderOptions::new(size as u32, config.augment.clone(), config.seed);
    options.cache_bytes = config.data.cache_megabytes << 20;
    Loader::new(Arc::clone(dataset), options)
}
