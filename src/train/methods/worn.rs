//! What is worn together: triplets of pieces of outfits, by the distance of their embeddings (Revanur et al. 2021, the
//! labelled loss; with `model.projections` each piece by the embedding of its kind, with `model.worn` by the map of its kind).

use candle_core::Result;

use super::images;
use super::semi::Anchors;
use crate::data::Worn;
use crate::nn::{Embedder, Mode};
use crate::train::config::OutfitsSection;
use crate::train::event::LossPart;
use crate::train::losses::{self, Distance, Hinge, TripletSpec, Triplets};
use crate::train::objective::Objective;

/// Adds the loss; answers what was compared, or `None` where no triplet is whole.
pub fn add(
    objective: &mut Objective,
    embedder: &Embedder,
    worn: &Worn,
    section: &OutfitsSection,
) -> Result<Option<Anchors>> {
    if worn.triplets.is_empty() {
        return Ok(None);
    }
    let of = &worn.photos.kinds;
    let kinds: Vec<Option<usize>> = of.iter().copied().map(Some).collect();
    let x = images(&worn.photos, embedder.params.device())?;
    let seen = embedder.forward_as(&x, Mode::Train, Some(&kinds))?.global;
    let global = embedder.worn(&seen, of)?.unwrap_or(seen);
    let triplets = Triplets::of(&worn.triplets, global.device())?;
    let spec = TripletSpec { distance: Distance::Euclidean, hinge: Hinge::Margin(section.margin) };
    let loss = losses::triplet(&global, &triplets, &spec)?;
    objective.take(LossPart::Outfits, section.weight, loss)?;
    Ok(Some(Anchors { global, kinds, triplets, worn: true }))
}
