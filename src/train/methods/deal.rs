//! Which photos a step sees, in which views.

use crate::data::{
    Augment, Batch, Dataset, Loader, OutfitSampler, Sampler, Shuffled, Worn, other_colours, other_shape,
};
use crate::train::TrainError;
use crate::train::config::TrainConfig;
use crate::train::inputs::{training_items, unlabelled_items};
use crate::train::recolour::{Recolouring, recolour};

/// Numbers of the views of one photo; 0 is the labelled photos' own.
const SECOND: u64 = 1;
const UNLABELLED: u64 = 8;
const SHAPE: u64 = 9;
const COLOURS: u64 = 10;
const WORN: u64 = 11;

/// Products and kinds in balance; behind them what the recipe has beside.
pub struct Labelled {
    sampler: Sampler,
    /// Pieces of outfits, and triplets in a batch.
    worn: Option<(OutfitSampler, usize)>,
    /// Unlabelled photos, and how many in a batch.
    unlabelled: Option<(Shuffled, usize)>,
}

/// Deals the batches of an epoch as lists of items.
pub enum Dealer {
    Labelled(Box<Labelled>),
    /// All photos in any order.
    Any {
        shuffled: Shuffled,
        batch: usize,
    },
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
        let worn = config.outfits.is_on().then(|| {
            let all = training_items(dataset, 1.0, config.seed);
            (OutfitSampler::new(dataset, &all, config.data.label_fraction, config.seed), config.outfits.triplets)
        });
        if let Some((outfits, count)) = &worn
            && outfits.batch(0, *count).len() < 3 * count
        {
            return Err(TrainError::Data(format!(
                "[outfits] needs outfits of training products, with pieces of one kind that are worn with different \
                 things; {} of {} can be used",
                outfits.len(),
                dataset.outfits.len()
            )));
        }
        let unlabelled = config.semi.is_on().then(|| {
            let unlabelled = unlabelled_items(dataset, config.data.label_fraction, config.seed);
            (Shuffled::new(unlabelled, config.seed), config.semi.unlabelled)
        });
        Ok(Self::Labelled(Box::new(Labelled { sampler, worn, unlabelled })))
    }

    /// The same in every epoch.
    pub fn steps_per_epoch(&self) -> usize {
        match self {
            Self::Labelled(labelled) => labelled.sampler.steps_per_epoch(),
            Self::Any { shuffled, batch } => shuffled.len() / batch,
        }
    }

    pub fn epoch(&self, epoch: u64) -> Vec<Vec<usize>> {
        match self {
            Self::Labelled(labelled) => {
                let Labelled { sampler, worn, unlabelled } = labelled.as_ref();
                let mut batches = sampler.epoch(epoch);
                let first = epoch * batches.len() as u64;
                for (batch, number) in batches.iter_mut().zip(first..) {
                    let place = |count: usize| number * count as u64;
                    if let Some((outfits, count)) = worn {
                        batch.extend(outfits.batch(number, *count));
                    }
                    if let Some((shuffled, count)) = unlabelled {
                        batch.extend(shuffled.stretch(place(*count), *count));
                    }
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
    let (items, unlabelled) = items.split_at(items.len() - beside);
    let worn = if config.outfits.is_on() { (3 * config.outfits.triplets).min(items.len()) } else { 0 };
    let (labelled, worn) = items.split_at(items.len() - worn);
    let mut batch = loader.batch(labelled, epoch, place);
    let how = Recolouring { product: config.data.recolour, colour_blind: config.data.colour_blind };
    recolour(&mut batch, how, config.seed, epoch, place);
    if !worn.is_empty() {
        // Never recoloured as products are: that would break the harmony of colours.
        let photos = loader.view_as(&Worn::photos_of(worn), epoch, place, WORN, &config.augment);
        batch.worn = Some(Box::new(Worn::new(worn, photos)));
    }
    if !unlabelled.is_empty() {
        let of = |view, augment: &Augment| loader.view_as(unlabelled, epoch, place, view, augment);
        batch.views = vec![of(UNLABELLED, &config.augment)];
        if config.semi.perturbs() {
            batch.views.extend([of(SHAPE, &other_shape()), of(COLOURS, &other_colours())]);
        }
    }
    batch
}
