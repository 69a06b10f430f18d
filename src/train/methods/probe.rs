//! How good features are before anything has been learnt from labels: do neighbours agree? (Wu et al. 2018; Caron et al.
//! 2021 weigh the votes the same way.)

use candle_core::{Device, Result, Tensor};
use serde::{Deserialize, Serialize};

use crate::data::{Dataset, Loader};
use crate::domain::{PhotoDomain, Split, StopFlag};
use crate::nn::{Embedder, Mode, ops};
use crate::train::losses::normalize_rows;

/// Temperature of the votes.
const TEMPERATURE: f64 = 0.07;
/// Photos that are looked at at most, of each part.
const MOST: usize = 2000;
const TOGETHER: usize = 32;

/// What nearest neighbours by the pooled backbone say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Probe {
    /// Share of the photos whose neighbours among the training photos vote for the right kind.
    pub kind_accuracy: f64,
    /// Share of the street photos whose nearest shop photo shows the same product.
    pub recall_at_1: f64,
    /// Photos that were asked.
    pub photos: usize,
}

/// Looks at the validation split, or at the training photos themselves where there is none (each without its own vote).
/// `None` where the flag was set or nothing could be read.
pub fn probe(
    embedder: &Embedder,
    loader: &Loader,
    among: &[usize],
    neighbours: usize,
    stop: &StopFlag,
) -> Result<Option<Probe>> {
    let dataset = loader.dataset();
    let validation = dataset.split(Split::Validation);
    let asked = thinned(if validation.is_empty() { among } else { &validation });
    let shop: Vec<usize> = dataset.of_domain(&(0..dataset.items.len()).collect::<Vec<_>>(), PhotoDomain::Shop);
    let Some(known) = features(embedder, loader, &thinned(among), stop)? else { return Ok(None) };
    let Some(asked) = features(embedder, loader, &asked, stop)? else { return Ok(None) };
    let Some(shop) = features(embedder, loader, &thinned(&shop), stop)? else { return Ok(None) };
    if asked.is_empty() || known.len() < 2 {
        return Ok(None);
    }
    let right = asked.iter().filter(|photo| vote(photo, &known, neighbours, dataset) == dataset.items[photo.item].kind);
    let kind_accuracy = right.count() as f64 / asked.len() as f64;
    let street: Vec<&Seen> =
        asked.iter().filter(|photo| dataset.items[photo.item].domain == PhotoDomain::Street).collect();
    let found = street.iter().filter(|photo| {
        let nearest = shop.iter().max_by(|a, b| photo.likeness(a).total_cmp(&photo.likeness(b)));
        nearest.is_some_and(|nearest| dataset.items[nearest.item].product == dataset.items[photo.item].product)
    });
    let recall_at_1 = found.count() as f64 / street.len().max(1) as f64;
    Ok(Some(Probe { kind_accuracy, recall_at_1, photos: asked.len() }))
}

/// A photo and its feature vector of length 1.
struct Seen {
    item: usize,
    feature: Vec<f32>,
}

impl Seen {
    fn likeness(&self, other: &Self) -> f32 {
        self.feature.iter().zip(&other.feature).map(|(a, b)| a * b).sum()
    }
}

/// At most so many, spread evenly.
fn thinned(items: &[usize]) -> Vec<usize> {
    let step = items.len().div_ceil(MOST).max(1);
    items.iter().copied().step_by(step).collect()
}

fn features(embedder: &Embedder, loader: &Loader, items: &[usize], stop: &StopFlag) -> Result<Option<Vec<Seen>>> {
    let mut seen = Vec::with_capacity(items.len());
    for chunk in items.chunks(TOGETHER) {
        if stop.is_stopped() {
            return Ok(None);
        }
        let batch = loader.plain(chunk);
        if batch.is_empty() {
            continue;
        }
        let side = batch.size as usize;
        let x = Tensor::from_slice(&batch.images, (batch.len(), 3, side, side), embedder.params.device())?;
        let map = embedder.features(&x, Mode::Eval)?.detach();
        let rows = normalize_rows(&ops::global_avg_pool(&map)?)?.to_device(&Device::Cpu)?.to_vec2::<f32>()?;
        seen.extend(batch.items.into_iter().zip(rows).map(|(item, feature)| Seen { item, feature }));
    }
    Ok(Some(seen))
}

/// The kind that the nearest known photos give most weight; a photo has no say about itself.
fn vote(photo: &Seen, known: &[Seen], neighbours: usize, dataset: &Dataset) -> usize {
    let mut order: Vec<(f32, usize)> = known
        .iter()
        .filter(|other| other.item != photo.item)
        .map(|other| (photo.likeness(other), dataset.items[other.item].kind))
        .collect();
    order.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut weights = vec![0.0; dataset.kinds.len().max(1)];
    for (likeness, kind) in order.into_iter().take(neighbours) {
        weights[kind] += (f64::from(likeness) / TEMPERATURE).exp();
    }
    let heavier =
        |best: (usize, f64), (kind, weight): (usize, &f64)| if *weight > best.1 { (kind, *weight) } else { best };
    weights.iter().enumerate().fold((0, f64::NEG_INFINITY), heavier).0
}
