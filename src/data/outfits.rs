//! Triplets of what is worn together (Revanur et al. 2021, Vasileva et al. 2018): two pieces of an outfit, and a piece of
//! the second one's kind that is not worn with the first.

use std::collections::{BTreeMap, BTreeSet};

use super::dataset::Dataset;
use super::dice::Dice;
use super::sampler::Shuffled;
use crate::domain::PhotoDomain;

/// Deals triplets of shop photos without an end; the same seed and number of a batch give the same triplets.
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
/// Products that are tried before a pair is given up: some kinds are worn with nearly all others.
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

    /// The triplets of a batch, as anchor, positive and negative items one after the other: all pairs of pieces of as many
    /// outfits as that takes, in an endless order, each with a wrong piece that is shown already where there is one. So
    /// few photos make many triplets; a product has the same photo in all of a batch. None where there are no outfits,
    /// or where no piece could be the wrong one.
    pub fn batch(&self, number: u64, count: usize) -> Vec<usize> {
        let mut dice = Dice::new([self.seed, 1, number, OUTFIT_STREAM]);
        let together = self.outfits_for(count);
        let outfits = self.shuffled.stretch(number * together as u64, together);
        let mut shown = Shown::default();
        for &outfit in &outfits {
            self.outfits[outfit].iter().for_each(|&piece| shown.add(piece, self.kind_of[&piece]));
        }
        let mut triplets: Vec<[usize; 3]> = Vec::with_capacity(count);
        let mut pairs = self.pairs(&outfits, &mut dice);
        let mut all_tried = false;
        loop {
            let before = triplets.len();
            for [anchor, positive] in pairs {
                if triplets.len() == count {
                    break;
                }
                triplets
                    .extend(self.wrong(anchor, positive, &mut shown, &mut dice).map(|wrong| [anchor, positive, wrong]));
            }
            if triplets.len() == count || (all_tried && triplets.len() == before) {
                break;
            }
            // Too few of those pairs have a wrong piece, or all outfits are fewer than the batch wants.
            let all: Vec<usize> = (0..self.outfits.len()).collect();
            pairs = self.pairs(&all, &mut dice);
            all_tried = true;
        }
        let mut photo_of: BTreeMap<usize, usize> = BTreeMap::new();
        let mut photo = |product: usize| {
            let photos = &self.photos[&product];
            *photo_of.entry(product).or_insert_with(|| photos[dice.below(photos.len())])
        };
        triplets.into_iter().flatten().map(&mut photo).collect()
    }

    /// Outfits whose pairs are about that many; at least two, for a wrong piece comes from another one.
    fn outfits_for(&self, count: usize) -> usize {
        let pairs: usize = self.outfits.iter().map(|pieces| pieces.len() * pieces.len().saturating_sub(1)).sum();
        (count * self.outfits.len()).div_ceil(pairs.max(1)).max(2)
    }

    /// Every piece of these outfits with every other one of the same outfit, in any order.
    fn pairs(&self, outfits: &[usize], dice: &mut Dice) -> Vec<[usize; 2]> {
        let mut pairs: Vec<[usize; 2]> = outfits
            .iter()
            .map(|&outfit| &self.outfits[outfit])
            .flat_map(|pieces| pieces.iter().flat_map(move |&a| pieces.iter().map(move |&b| [a, b])))
            .filter(|[a, b]| a != b)
            .collect();
        dice.shuffle(&mut pairs);
        pairs
    }

    /// A piece of the positive's kind that is not worn with the anchor.
    fn wrong(&self, anchor: usize, positive: usize, shown: &mut Shown, dice: &mut Dice) -> Option<usize> {
        let kind = self.kind_of[&positive];
        let could_be = |piece: usize| {
            piece != anchor && piece != positive && !self.together.contains(&(anchor.min(piece), anchor.max(piece)))
        };
        let near: Vec<usize> = shown.of_kind(kind).iter().copied().filter(|&piece| could_be(piece)).collect();
        if !near.is_empty() {
            return Some(near[dice.below(near.len())]);
        }
        let among = &self.of_kind[&kind];
        let wrong = (0..NEGATIVE_TRIES).map(|_| among[dice.below(among.len())]).find(|&piece| could_be(piece))?;
        shown.add(wrong, kind);
        Some(wrong)
    }
}

/// Products that a batch shows, by kind.
#[derive(Default)]
struct Shown(BTreeMap<usize, Vec<usize>>);

impl Shown {
    fn add(&mut self, product: usize, kind: usize) {
        let of_kind = self.0.entry(kind).or_default();
        if !of_kind.contains(&product) {
            of_kind.push(product);
        }
    }

    fn of_kind(&self, kind: usize) -> &[usize] {
        self.0.get(&kind).map_or(&[], Vec::as_slice)
    }
}
