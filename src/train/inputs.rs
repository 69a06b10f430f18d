//! What a run begins with: which photos it may learn from, and the weights of earlier ones.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use candle_core::{Device, Tensor};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use super::TrainError;
use super::config::{Chosen, TrainConfig};
use super::schedule::Curve;
use crate::data::Dataset;
use crate::domain::{CheckpointId, PhotoDomain, Split};
use crate::nn::{Embedder, checkpoint};

/// Items that may be trained on: those of the training split and those without a split, of as many products as the
/// fraction says. Which products those are follows from the seed, and a larger fraction holds all of a smaller one.
pub fn training_items(dataset: &Dataset, fraction: f64, seed: u64) -> Vec<usize> {
    let mut items: Vec<usize> = (0..dataset.items.len())
        .filter(|&item| matches!(dataset.items[item].split, None | Some(Split::Train)))
        .collect();
    if fraction < 1.0 {
        let products: BTreeSet<usize> = items.iter().map(|&item| dataset.items[item].product).collect();
        let mut order: Vec<usize> = products.into_iter().collect();
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        for i in (1..order.len()).rev() {
            order.swap(i, (random.next_u64() % (i as u64 + 1)) as usize);
        }
        let kept = (order.len() as f64 * fraction).round().max(2.0) as usize;
        let kept: BTreeSet<usize> = order.into_iter().take(kept).collect();
        items.retain(|&item| kept.contains(&dataset.items[item].product));
    }
    items
}

/// Training items whose labels are not used: those that [`training_items`] leaves over, or all where it leaves none.
pub(super) fn unlabelled_items(dataset: &Dataset, fraction: f64, seed: u64) -> Vec<usize> {
    let labelled: BTreeSet<usize> = training_items(dataset, fraction, seed).into_iter().collect();
    let all = training_items(dataset, 1.0, seed);
    let rest: Vec<usize> = all.iter().copied().filter(|item| !labelled.contains(item)).collect();
    if rest.is_empty() { all } else { rest }
}

/// Why these items cannot be trained on: matching needs pairs of a street and a shop photo.
pub fn check_enough(dataset: &Dataset, among: &[usize]) -> Result<(), TrainError> {
    let of = |domain| -> BTreeSet<usize> {
        dataset.of_domain(among, domain).into_iter().map(|item| dataset.items[item].product).collect()
    };
    let both = of(PhotoDomain::Street).intersection(&of(PhotoDomain::Shop)).count();
    if both < 2 {
        let products: BTreeSet<usize> = among.iter().map(|&item| dataset.items[item].product).collect();
        let single =
            if !among.is_empty() && products.len() == among.len() { "; each product has one photo" } else { "" };
        return Err(TrainError::Data(format!(
            "training needs at least 2 products with both a street and a shop photo, and there are {both}{single}"
        )));
    }
    Ok(())
}

/// Kinds of garment of which no product has both a street and a shop photo, so that nothing is learnt about matching
/// them.
pub fn kinds_without_a_pair(dataset: &Dataset, among: &[usize]) -> Vec<String> {
    let mut seen: BTreeMap<usize, [bool; 2]> = BTreeMap::new();
    for &item in among {
        let item = &dataset.items[item];
        seen.entry(item.product).or_default()[usize::from(item.domain == PhotoDomain::Shop)] = true;
    }
    let with = |paired: bool| -> BTreeSet<usize> {
        let of = |item: &&usize| !paired || seen[&dataset.items[**item].product] == [true, true];
        among.iter().filter(of).map(|&item| dataset.items[item].kind).collect()
    };
    with(false).difference(&with(true)).map(|&kind| dataset.kinds[kind].clone()).collect()
}

/// What the recipe wants to measure must be there to be measured.
pub fn check_measurable(config: &TrainConfig, dataset: &Dataset) -> Result<(), TrainError> {
    let wanted = if config.schedule.curve == Curve::Plateau {
        "schedule.curve = \"plateau\""
    } else if config.run.early_stop > 0 {
        "run.early_stop"
    } else if config.run.result == Chosen::Best {
        "run.result = \"best\""
    } else {
        return Ok(());
    };
    if dataset.of_domain(&dataset.split(Split::Validation), PhotoDomain::Street).is_empty() {
        return Err(TrainError::Data(format!(
            "{wanted} needs a validation split with street photos, and there is none"
        )));
    }
    Ok(())
}

/// In what the kinds that a model tells apart differ from those of the photos, as the beginning of a sentence; `None`
/// where they do not.
fn other_kinds(known: &[String], kinds: &[String]) -> Option<String> {
    if known == kinds {
        return None;
    }
    if known.is_empty() {
        return Some("the model to start from does not say which kinds of garment it tells apart".to_owned());
    }
    let new: Vec<&str> = kinds.iter().filter(|kind| !known.contains(kind)).map(String::as_str).collect();
    let how = match (&new[..], known.len() == kinds.len()) {
        ([], true) => "in another order".to_owned(),
        ([], false) => "which are some of them".to_owned(),
        (new, _) => format!("it does not know {}", new.join(", ")),
    };
    let (outputs, labels) = (known.len(), kinds.len());
    Some(format!(
        "the model to start from tells {outputs} kinds of garment apart and these photos are of {labels} ({how})"
    ))
}

/// Copies a model's weights; what belongs to kinds only where the kinds are the same. Answers where they are not, in a sentence.
///
/// # Errors
/// Where the network is another one, or has an embedding for each kind and the kinds are not the same.
pub(super) fn take_weights(
    embedder: &mut Embedder,
    model: &Path,
    kinds: &[String],
) -> Result<(CheckpointId, Option<String>), TrainError> {
    let saved = checkpoint::read(model)?;
    let mut tensors = saved.tensors;
    let others = other_kinds(&saved.card.kinds, kinds);
    if let Some(words) = &others {
        // Each kind's own weights would be taken for another's, or be missing.
        if embedder.config().head.projections && saved.card.config.head.projections {
            let reason = format!("{words}, so its embeddings by kind cannot be taken over");
            return Err(TrainError::Mismatch { reason, path: model.to_owned() });
        }
        tensors.retain(|name, _| !of_kinds(name));
    }
    let report = embedder.params.load(&tensors)?;
    if !report.wrong_shape.is_empty() || report.missing.iter().any(|name| !of_kinds(name)) {
        return Err(TrainError::Mismatch {
            reason: format!("the model to start from is of another architecture than the recipe ({report})"),
            path: model.to_owned(),
        });
    }
    Ok((saved.id, others.map(|words| format!("{words}, so its classifier begins anew"))))
}

/// Whether a weight may begin anew in a model that starts from another one.
fn of_kinds(name: &str) -> bool {
    name.starts_with("classifier.") || name.starts_with("worn.")
}

pub(super) fn strip(store: &BTreeMap<String, Tensor>, prefix: &str) -> BTreeMap<String, Tensor> {
    store.iter().filter_map(|(name, tensor)| Some((name.strip_prefix(prefix)?.to_owned(), tensor.clone()))).collect()
}

pub(super) fn on_device(
    tensors: &BTreeMap<String, Tensor>,
    device: &Device,
) -> Result<BTreeMap<String, Tensor>, TrainError> {
    // Copies, because averages are updated in place.
    tensors.iter().map(|(name, tensor)| Ok((name.clone(), tensor.to_device(device)?.copy()?))).collect()
}
