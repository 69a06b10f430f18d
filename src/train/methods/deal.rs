//! Which photos a step sees, in which views.

use crate::data::{Augment, Batch, Dataset, Loader, Sampler, Shuffled, other_colours, other_shape};
use crate::train::TrainError;
use crate::train::config::TrainConfig;
use crate::train::inputs::{training_items, unlabelled_items};
use crate::train::recolour::{Recolouring, recolour};

/// Numbers of the views of one photo; 0 is the labelled photos' own.
const SECOND: u64 = 1;
const UNLABELLED: u64 = 8;
const SHAPE: u64 = 9;
const COLOURS: u64 = 10;

/// Deals the batches of an epoch as lists of items.
pub enum Dealer {
    /// Products and kinds in balance; with unlabelled photos behind them where the recipe has some.
    Labelled { sampler: Sampler, beside: Option<(Shuffled, usize)> },
    /// All photos in any order.
    Any { shuffled: Shuffled, batch: usize },
}

impl Dealer {
    pub fn new(config: &TrainConfig, dataset: &Dataset) -> Result<Self, TrainError> {
        let among = training_items(dataset, config.data.label_fraction, config.seed);
        if config.pretext.is_on() {
            let all = training_items(dataset, 1.0, config.seed);
            if all.len() < config.pretext.batch {
                return Err(TrainError::Settings(format!(
                    "pretext.batch ({}) is more than the {} photos to learn from",
                    config.pretext.batch,
                    all.len()
                )));
            }
            return Ok(Self::Any { shuffled: Shuffled::new(all, config.seed), batch: config.pretext.batch });
        }
        let sampler = Sampler::new(dataset, &among, config.sampler(), config.seed);
        let beside = config.semi.is_on().then(|| {
            let unlabelled = unlabelled_items(dataset, config.data.label_fraction, config.seed);
            (Shuffled::new(unlabelled, config.seed), config.semi.unlabelled)
        });
        Ok(Self::Labelled { sampler, beside })
    }

    /// The same in every epoch.
    pub fn steps_per_epoch(&self) -> usize {
        match self {
            Self::Labelled { sampler, .. } => sampler.steps_per_epoch(),
            Self::Any { shuffled, batch } => shuffled.len() / batch,
        }
    }

    pub fn epoch(&self, epoch: u64) -> Vec<Vec<usize>> {
        match self {
            Self::Labelled { sampler, beside } => {
                let mut batches = sampler.epoch(epoch);
                let Some((shuffled, count)) = beside else { return batches };
                let mut at = epoch * batches.len() as u64 * *count as u64;
                for batch in &mut batches {
                    batch.extend(shuffled.stretch(at, *count));
                    at += *count as u64;
                }
                batches
            }
            Self::Any { shuffled, batch } => {
                let order = shuffled.stretch(epoch * shuffled.len() as u64, shuffled.len());
                order.chunks_exact(*batch).map(<[usize]>::to_vec).collect()
            }
        }
    }
}

/// A batch of these items, as [`Dealer::epoch`] gave them, with the views that the recipe's method compares.
pub fn make_batch(loader: &Loader, config: &TrainConfig, items: &[usize], epoch: usize, place: usize) -> Batch {
    let (epoch, place) = (epoch as u64, place as u64);
    if config.pretext.is_on() {
        let [first, second] = config.pretext.views.pair(&config.augment);
        let mut batch = loader.view_as(items, epoch, place, 0, &first);
        batch.views = vec![loader.view_as(items, epoch, place, SECOND, &second)];
        return batch;
    }
    let beside = if config.semi.is_on() { config.semi.unlabelled.min(items.len()) } else { 0 };
    let (labelled, unlabelled) = items.split_at(items.len() - beside);
    let mut batch = loader.batch(labelled, epoch, place);
    let how = Recolouring { product: config.data.recolour, colour_blind: config.data.colour_blind };
    recolour(&mut batch, how, config.seed, epoch, place);
    if !unlabelled.is_empty() {
        let of = |view, augment: &Augment| loader.view_as(unlabelled, epoch, place, view, augment);
        batch.views = vec![of(UNLABELLED, &config.augment)];
        if config.semi.perturbs() {
            batch.views.extend([of(SHAPE, &other_shape()), of(COLOURS, &other_colours())]);
        }
    }
    batch
}
