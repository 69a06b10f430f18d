//! Which photos stand together in a batch.
//!
//! A batch holds `products` products of `kinds` kinds, the same number of each, with `photos` photos of every
//! product from both domains: products of one kind are each other's hard negatives, equal shares keep a rare kind
//! from drowning, and street beside shop is what the triplet across domains needs. In an epoch every product comes
//! up at least once; products of kinds that run out early are drawn again.

use serde::{Deserialize, Serialize};

use super::dataset::Dataset;
use super::dice::Dice;
use crate::domain::PhotoDomain;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SamplerConfig {
    /// Products in a batch.
    pub products: usize,
    /// Kinds in a batch; the products are shared out equally among them.
    pub kinds: usize,
    /// Photos of each product.
    pub photos: usize,
}

impl Default for SamplerConfig {
    fn default() -> Self {
        Self { products: 16, kinds: 4, photos: 4 }
    }
}

impl SamplerConfig {
    /// One sentence where a setting makes no sense.
    pub fn check(&self) -> Result<(), String> {
        if self.products == 0 || self.kinds == 0 || self.photos == 0 {
            return Err("a batch needs at least one product, one kind and one photo of each".to_owned());
        }
        if self.kinds > self.products {
            return Err(format!("{} products cannot be of {} kinds", self.products, self.kinds));
        }
        Ok(())
    }
}

/// The photos of one product among the chosen items.
#[derive(Clone, Debug, Default)]
struct Photos {
    street: Vec<usize>,
    shop: Vec<usize>,
}

/// Deals an epoch's batches; the same seed and epoch give the same batches.
#[derive(Clone, Debug)]
pub struct Sampler {
    config: SamplerConfig,
    seed: u64,
    /// For each kind that occurs, its products.
    kinds: Vec<Vec<Photos>>,
}

/// Items in random order without an end: each round deals all of them once.
#[derive(Clone, Debug)]
pub struct Shuffled {
    items: Vec<usize>,
    seed: u64,
}

/// Keeps the draws of rounds apart from those of batches.
const ROUND_STREAM: u64 = 0x5EA3_11AE_0000_0002;

impl Shuffled {
    pub fn new(items: Vec<usize>, seed: u64) -> Self {
        Self { items, seed }
    }

    pub fn len(&self) -> usize {
        self.items.len()
    }

    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// So many items from that place of the endless order on; none where there are no items.
    pub fn stretch(&self, from: u64, count: usize) -> Vec<usize> {
        let length = self.items.len() as u64;
        let mut dealt = Vec::with_capacity(count);
        let mut at = from;
        while length > 0 && dealt.len() < count {
            let mut round = self.items.clone();
            Dice::new([self.seed, at / length, 0, ROUND_STREAM]).shuffle(&mut round);
            let start = (at % length) as usize;
            let part = &round[start..(start + count - dealt.len()).min(round.len())];
            dealt.extend_from_slice(part);
            at += part.len() as u64;
        }
        dealt
    }
}

/// Keeps the sampler's draws apart from those of the views.
const SAMPLER_STREAM: u64 = 0x5EA3_11AE_0000_0001;

impl Sampler {
    /// Deals from these items of a dataset only.
    pub fn new(dataset: &Dataset, among: &[usize], config: SamplerConfig, seed: u64) -> Self {
        let mut products: std::collections::BTreeMap<(usize, usize), Photos> = Default::default();
        for &index in among {
            let item = &dataset.items[index];
            let photos = products.entry((item.kind, item.product)).or_default();
            match item.domain {
                PhotoDomain::Street => photos.street.push(index),
                PhotoDomain::Shop => photos.shop.push(index),
            }
        }
        let mut kinds: Vec<Vec<Photos>> = Vec::new();
        let mut last_kind = None;
        for ((kind, _), photos) in products {
            if last_kind != Some(kind) {
                kinds.push(Vec::new());
                last_kind = Some(kind);
            }
            if let Some(of_kind) = kinds.last_mut() {
                of_kind.push(photos);
            }
        }
        Self { config, seed, kinds }
    }

    /// Kinds of one batch: what was asked for, as far as there are so many.
    fn kinds_per_batch(&self) -> usize {
        self.config.kinds.clamp(1, self.kinds.len().max(1))
    }

    /// Products of one kind in a batch.
    fn group_size(&self) -> usize {
        (self.config.products / self.kinds_per_batch()).max(1)
    }

    /// Groups that cover each kind once.
    fn groups_per_kind(&self) -> Vec<usize> {
        self.kinds.iter().map(|products| products.len().div_ceil(self.group_size())).collect()
    }

    /// The same in every epoch.
    pub fn steps_per_epoch(&self) -> usize {
        let mut left = self.groups_per_kind();
        let mut steps = 0;
        while left.iter().any(|&n| n > 0) {
            // The same choice as `epoch` makes, whose ties change nothing about the numbers.
            left.sort_unstable_by(|a, b| b.cmp(a));
            left.iter_mut().take(self.kinds_per_batch()).for_each(|n| *n = n.saturating_sub(1));
            steps += 1;
        }
        steps
    }

    /// The batches of an epoch, each a list of the dataset's items with one product's photos side by side.
    pub fn epoch(&self, epoch: u64) -> Vec<Vec<usize>> {
        let mut dice = Dice::new([self.seed, epoch, 0, SAMPLER_STREAM]);
        let mut left = self.groups_per_kind();
        let mut decks: Vec<Deck> = self.kinds.iter().map(|products| Deck::new(products.len())).collect();
        let mut batches = Vec::new();
        while left.iter().any(|&n| n > 0) {
            // Kinds with most left to deal go first, so that no kind remains alone at the end.
            let mut order: Vec<usize> = (0..self.kinds.len()).collect();
            dice.shuffle(&mut order);
            order.sort_by_key(|&kind| std::cmp::Reverse(left[kind]));
            let mut batch = Vec::with_capacity(self.config.products * self.config.photos);
            for &kind in order.iter().take(self.kinds_per_batch()) {
                left[kind] = left[kind].saturating_sub(1);
                for product in decks[kind].deal(self.group_size(), &mut dice) {
                    self.kinds[kind][product].pick(self.config.photos, &mut dice, &mut batch);
                }
            }
            batches.push(batch);
        }
        dice.shuffle(&mut batches);
        batches
    }
}

/// A kind's products in random order; shuffled again when all were dealt.
struct Deck {
    cards: Vec<usize>,
    next: usize,
}

impl Deck {
    fn new(size: usize) -> Self {
        // "All dealt", so that the first deal shuffles.
        Self { cards: (0..size).collect(), next: size }
    }

    /// Up to `count` different products; fewer only where the kind has no more.
    fn deal(&mut self, count: usize, dice: &mut Dice) -> Vec<usize> {
        let mut hand = Vec::with_capacity(count);
        while hand.len() < count.min(self.cards.len()) {
            if self.next == self.cards.len() {
                dice.shuffle(&mut self.cards);
                self.next = 0;
            }
            let card = self.cards[self.next];
            self.next += 1;
            // After a shuffle in the middle of a hand a card may come up twice.
            if !hand.contains(&card) {
                hand.push(card);
            }
        }
        hand
    }
}

impl Photos {
    /// Half street, half shop, each photo once before any comes again; where one domain has no photo the other
    /// fills in. A product's only photo is repeated: its views still differ.
    fn pick(&self, count: usize, dice: &mut Dice, batch: &mut Vec<usize>) {
        let from_street = match (self.street.is_empty(), self.shop.is_empty()) {
            (true, _) => 0,
            (_, true) => count,
            // The odd photo goes to either domain.
            _ => (count + usize::from(dice.chance(0.5))) / 2,
        };
        draw(&self.street, from_street, dice, batch);
        draw(&self.shop, count - from_street, dice, batch);
    }
}

fn draw(photos: &[usize], count: usize, dice: &mut Dice, batch: &mut Vec<usize>) {
    let mut order = photos.to_vec();
    dice.shuffle(&mut order);
    batch.extend(order.iter().cycle().take(if photos.is_empty() { 0 } else { count }));
}
