//! What a step learns by besides the recipe's losses on labels: pretext tasks without labels, and unlabelled photos
//! beside labelled ones.
//!
//! A method says which views of photos it needs (in `deal`), makes a loss of them, follows up after the optimizer's
//! step, and keeps what it learnt in the run's checkpoints, so that a run of it is stopped and resumed like any other.

mod deal;
mod heads;
mod pretext;
mod probe;
mod semi;
mod thresholds;
mod twin;
mod worn;

use std::collections::BTreeMap;

use candle_core::{Device, Result, Tensor, Var};

pub use deal::{Dealer, make_batch};
pub use probe::{Probe, probe};
pub use thresholds::Thresholds;

use super::config::{OutfitsSection, TrainConfig};
use super::losses::Triplets;
use super::objective::{Labels, Objective};
use crate::data::{Batch, Dataset};
use crate::nn::ops::send_ahead;
use crate::nn::{Embedder, EmbedderOutput};
use pretext::Pretext;
use semi::{Anchors, Semi};

/// Where a run is.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Counted from 0.
    pub step: usize,
    pub steps: usize,
    pub epoch: usize,
}

/// The method of a run.
pub enum Method {
    /// Labels alone.
    Labels,
    /// A pretext task alone.
    Pretext(Box<Pretext>),
    /// Labels, and unlabelled photos beside them.
    Semi(Box<Semi>),
}

impl Method {
    /// `embedder` has the weights that the run begins with.
    pub fn new(config: &TrainConfig, dataset: &Dataset, embedder: &Embedder, device: &Device) -> Result<Self> {
        Ok(if config.pretext.is_on() {
            Self::Pretext(Box::new(Pretext::new(config, embedder, device)?))
        } else if config.semi.is_on() {
            Self::Semi(Box::new(Semi::new(config, dataset, embedder)?))
        } else {
            Self::Labels
        })
    }

    /// The loss of a pretext task; `None` where labels are used.
    pub fn pretext(&mut self, embedder: &Embedder, batch: &Batch, moment: Moment) -> Result<Option<Objective>> {
        match self {
            Self::Pretext(pretext) => pretext.objective(embedder, batch, moment).map(Some),
            Self::Labels | Self::Semi(_) => Ok(None),
        }
    }

    /// Adds what outfits and unlabelled photos say to the loss of the labelled ones.
    pub fn add_beside(
        &mut self,
        objective: &mut Objective,
        embedder: &Embedder,
        output: &EmbedderOutput,
        labels: &Labels<'_>,
        batch: &Batch,
        outfits: &OutfitsSection,
    ) -> Result<()> {
        let worn = match &batch.worn {
            Some(worn) => worn::add(objective, embedder, worn, outfits)?,
            None => None,
        };
        match self {
            Self::Semi(semi) => {
                // Work R's triplets are those of outfits; without them, those of products.
                let of_products = || -> Result<Anchors> {
                    let triplets = match &objective.triplets {
                        Some(triplets) => triplets.clone(),
                        None => Triplets::of(&[], &Device::Cpu)?,
                    };
                    Ok(Anchors { global: output.global.clone(), kinds: labels.kinds.to_vec(), triplets, worn: false })
                };
                let anchors = worn.map_or_else(of_products, Ok)?;
                semi.add(objective, embedder, &anchors, batch)
            }
            Self::Labels | Self::Pretext(_) => Ok(()),
        }
    }

    /// Variables of its own that learn with the network, and those of them whose rate stays at the peak.
    pub fn trainable(&self) -> Vec<(&str, &Var)> {
        match self {
            Self::Pretext(pretext) => pretext.trainable(),
            Self::Labels | Self::Semi(_) => Vec::new(),
        }
    }

    /// Whether that variable's rate follows no schedule, and whether it rests for now.
    pub fn pace(&self, name: &str, moment: Moment) -> Pace {
        match self {
            Self::Pretext(pretext) => pretext.pace(name, moment),
            Self::Labels | Self::Semi(_) => Pace::Scheduled,
        }
    }

    /// After the optimizer's step.
    pub fn after_step(&mut self, embedder: &Embedder, moment: Moment) -> Result<()> {
        match self {
            Self::Labels => Ok(()),
            Self::Pretext(pretext) => pretext.after_step(embedder, moment),
            Self::Semi(semi) => semi.after_step(embedder),
        }
    }

    /// All it has learnt, by name, for a checkpoint.
    pub fn state(&self) -> Result<BTreeMap<String, Tensor>> {
        match self {
            Self::Labels => Ok(BTreeMap::new()),
            Self::Pretext(pretext) => pretext.state(),
            Self::Semi(semi) => semi.state(),
        }
    }

    /// Takes up what [`Self::state`] gave.
    pub fn restore(&mut self, state: &BTreeMap<String, Tensor>) -> Result<()> {
        match self {
            Self::Labels => Ok(()),
            Self::Pretext(pretext) => pretext.restore(state),
            Self::Semi(semi) => semi.restore(state),
        }
    }
}

/// The photos of a batch, `[n, 3, size, size]`; on CUDA copied without waiting for the device.
pub fn images(batch: &Batch, device: &Device) -> Result<Tensor> {
    let side = batch.size as usize;
    let shape = [batch.len(), 3, side, side];
    match send_ahead(&batch.images, &shape, device) {
        Some(ahead) => ahead.arrive(),
        None => Tensor::from_slice(&batch.images, &shape, device),
    }
}

/// At which rate a method's variable learns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// At the network's.
    Scheduled,
    /// At the peak throughout.
    Constant,
    /// Not yet.
    Resting,
}

/// The part of a store whose names begin so, without that.
fn under(state: &BTreeMap<String, Tensor>, prefix: &str) -> BTreeMap<String, Tensor> {
    state.iter().filter_map(|(name, tensor)| Some((name.strip_prefix(prefix)?.to_owned(), tensor.clone()))).collect()
}

fn put_under(state: &mut BTreeMap<String, Tensor>, prefix: &str, tensors: BTreeMap<String, Tensor>) {
    state.extend(tensors.into_iter().map(|(name, tensor)| (format!("{prefix}{name}"), tensor)));
}
