//! Triplets of what is worn together (Revanur et al. 2021, Vasileva et al. 2018): two pieces of an outfit, and a piece of
//! the second one's kind that is not worn with the first.

use std::collections::{BTreeMap, BTreeSet};

use super::dataset::Dataset;
use super::dice::Dice;
use super::sampler::Shuffled;
use crate::domain::PhotoDomain;

/// Deals triplets of shop photos without an end; the same seed and place give the same triplets.
#[derive(Clone, Debug)]
pub struct OutfitSampler {
    seed: u64,
    /// Products of each outfit.
    outfits: Vec<Vec<usize>>,
    shuffled: Shuffled,
    /// Shop photos of each product that may be shown.
    photos: BTreeMap<usize, Vec<usize>>,
    kind_of: BTreeMap<usize, usize>,
    /// Products of each kind: those of the outfits.
    of_kind: BTreeMap<usize, Vec<usize>>,
    /// Pairs that are worn together in some outfit, the smaller product first.
    together: BTreeSet<(usize, usize)>,
}

/// Keeps these draws apart from those of batches and views.
const OUTFIT_STREAM: u64 = 0x5EA3_11AE_0000_0003;
/// Products that are tried before a triplet is given up: some kinds are worn with nearly all others.
const NEGATIVE_TRIES: usize = 16;

impl OutfitSampler {
    /// Of the dataset's outfits whose products all have a shop photo among `items`, the first `fraction` in an order that
    /// follows from the seed, so that a larger fraction holds all of a smaller one.
    pub fn new(dataset: &Dataset, items: &[usize], fraction: f64, seed: u64) -> Self {
        let mut photos: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        let mut kind_of = BTreeMap::new();
        for index in dataset.of_domain(items, PhotoDomain::Shop) {
            let item = &dataset.items[index];
            photos.entry(item.product).or_default().push(index);
            kind_of.insert(item.product, item.kind);
        }
        let mut outfits: Vec<Vec<usize>> = dataset
            .outfits
            .iter()
            .filter(|pieces| pieces.iter().all(|piece| photos.contains_key(piece)))
            .cloned()
            .collect();
        Dice::new([seed, 0, 0, OUTFIT_STREAM]).shuffle(&mut outfits);
        outfits.truncate((outfits.len() as f64 * fraction).round() as usize);
        let mut of_kind: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        let worn: BTreeSet<usize> = outfits.iter().flatten().copied().collect();
        for product in worn {
            of_kind.entry(kind_of[&product]).or_default().push(product);
        }
        let together = outfits
            .iter()
            .flat_map(|pieces| pieces.iter().flat_map(move |&a| pieces.iter().map(move |&b| (a, b))))
            .filter(|(a, b)| a < b)
            .collect();
        let shuffled = Shuffled::new((0..outfits.len()).collect(), seed);
        Self { seed, outfits, shuffled, photos, kind_of, of_kind, together }
    }

    /// Outfits that are dealt from.
    pub fn len(&self) -> usize {
        self.outfits.len()
    }

    pub fn is_empty(&self) -> bool {
        self.outfits.is_empty()
    }

    /// So many triplets from that place of the endless order on, as anchor, positive and negative items one after the
    /// other. None where there are no outfits, or where no piece could be the wrong one.
    pub fn stretch(&self, from: u64, count: usize) -> Vec<usize> {
        let outfits = self.shuffled.stretch(from, count);
        let mut items = Vec::with_capacity(3 * count);
        for (place, outfit) in (from..).zip(outfits) {
            let mut dice = Dice::new([self.seed, 1, place, OUTFIT_STREAM]);
            // The outfit's own turn, else that of the next ones: so that every batch has as many.
            let triplet = (0..self.outfits.len())
                .find_map(|step| self.triplet(&self.outfits[(outfit + step) % self.outfits.len()], &mut dice));
            for product in triplet.into_iter().flatten() {
                let photos = &self.photos[&product];
                items.push(photos[dice.below(photos.len())]);
            }
        }
        items
    }

    fn triplet(&self, pieces: &[usize], dice: &mut Dice) -> Option<[usize; 3]> {
        let anchor = dice.below(pieces.len());
        let positive = (anchor + 1 + dice.below(pieces.len() - 1)) % pieces.len();
        let (anchor, positive) = (pieces[anchor], pieces[positive]);
        let among = &self.of_kind[&self.kind_of[&positive]];
        let negative = (0..NEGATIVE_TRIES).map(|_| among[dice.below(among.len())]).find(|&piece| {
            piece != anchor && piece != positive && !self.together.contains(&(anchor.min(piece), anchor.max(piece)))
        })?;
        Some([anchor, positive, negative])
    }
}
