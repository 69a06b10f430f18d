//! Does the explanation point at what the model used? Cells of the query are hidden (or shown) in the order of their
//! contributions and in random orders, and the score is followed (deletion and insertion: Petsiuk et al., "RISE",
//! BMVC 2018). Whoever asks hides pixels and encodes; this only says what to hide and reads the scores.

use std::collections::HashMap;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use crate::domain::{Curves, Faithfulness};

/// How finely and against how much chance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaithfulnessSettings {
    /// Steps from the whole photo to none of it.
    pub steps: usize,
    /// Random orders.
    pub orders: usize,
    pub seed: u64,
}

impl Default for FaithfulnessSettings {
    fn default() -> Self {
        Self { steps: 12, orders: 5, seed: 7 }
    }
}

/// A photo some of whose cells are hidden: `true` where a cell is shown.
pub type Shown = Vec<bool>;

/// What is to be scored, each photo once, and how the scores become curves.
#[derive(Clone, Debug)]
pub struct FaithfulnessTest {
    counts: Vec<usize>,
    cells: usize,
    photos: Vec<Shown>,
    /// By curve (the explained order first) and step, the photo's index: deletion, then insertion.
    deletion: Vec<Vec<usize>>,
    insertion: Vec<Vec<usize>>,
}

impl FaithfulnessTest {
    /// `contributions`: what each cell of the query adds to the score, as the explanation says.
    pub fn new(contributions: &[f32], settings: FaithfulnessSettings) -> Self {
        let cells = contributions.len();
        let steps = settings.steps.clamp(1, cells.max(1));
        let mut counts: Vec<usize> = (0..=steps).map(|step| (step * cells + steps / 2) / steps).collect();
        counts.dedup();
        let mut explained: Vec<usize> = (0..cells).collect();
        explained.sort_by(|&a, &b| contributions[b].total_cmp(&contributions[a]).then(a.cmp(&b)));
        let random = (0..settings.orders).map(|order| shuffled(cells, settings.seed, order as u64));
        let orders: Vec<Vec<usize>> = std::iter::once(explained).chain(random).collect();

        let mut photos: Vec<Shown> = Vec::new();
        let mut known: HashMap<Shown, usize> = HashMap::new();
        let mut photo_of = |shown: Shown| {
            *known.entry(shown).or_insert_with_key(|shown| {
                photos.push(shown.clone());
                photos.len() - 1
            })
        };
        let mut curve = |order: &[usize], shows: bool| -> Vec<usize> {
            let photo = |&count: &usize| {
                let mut shown = vec![!shows; cells];
                order[..count].iter().for_each(|&cell| shown[cell] = shows);
                photo_of(shown)
            };
            counts.iter().map(photo).collect()
        };
        let deletion = orders.iter().map(|order| curve(order, false)).collect();
        let insertion = orders.iter().map(|order| curve(order, true)).collect();
        Self { counts, cells, photos, deletion, insertion }
    }

    /// The photos to score.
    pub fn photos(&self) -> &[Shown] {
        &self.photos
    }

    /// `scores`: one for each of [`Self::photos`], in their order. `fill`: what hidden pixels were filled with.
    ///
    /// # Panics
    /// When there is not one score for each photo: a bug of the caller.
    pub fn finish(&self, scores: &[f32], fill: [u8; 3]) -> Faithfulness {
        assert_eq!(scores.len(), self.photos.len(), "one score for each photo");
        let curves = |photos: &[Vec<usize>]| {
            let mut all = photos.iter().map(|curve| curve.iter().map(|&photo| scores[photo]).collect());
            Curves { explained: all.next().unwrap_or_default(), random: all.collect() }
        };
        Faithfulness {
            shares: self.counts.iter().map(|&count| count as f32 / self.cells.max(1) as f32).collect(),
            deletion: curves(&self.deletion),
            insertion: curves(&self.insertion),
            fill,
        }
    }
}

/// Fisher-Yates, keyed by seed and number, so that a test can be repeated.
fn shuffled(count: usize, seed: u64, order: u64) -> Vec<usize> {
    let mut dice = ChaCha8Rng::seed_from_u64(seed);
    dice.set_stream(order);
    let mut cells: Vec<usize> = (0..count).collect();
    for last in (1..count).rev() {
        let below = ((u128::from(dice.next_u64()) * (last as u128 + 1)) >> 64) as usize;
        cells.swap(last, below);
    }
    cells
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Faithful;

    /// A model whose score is the sum of the shown cells' worth.
    fn additive(worth: &[f32], test: &FaithfulnessTest) -> Vec<f32> {
        let score = |shown: &Shown| worth.iter().zip(shown).filter(|(_, shown)| **shown).map(|(w, _)| w).sum();
        test.photos().iter().map(score).collect()
    }

    #[test]
    fn of_an_additive_model_the_areas_are_known() {
        // Of 16 cells 4 are worth 0.25 each. Hidden first, the score falls to 0 in a quarter of the way: area 1/8.
        let worth: Vec<f32> = (0..16).map(|cell| if cell % 5 == 0 { 0.25 } else { 0.0 }).collect();
        let settings = FaithfulnessSettings { steps: 16, orders: 40, seed: 1 };
        let test = FaithfulnessTest::new(&worth, settings);
        let got = test.finish(&additive(&worth, &test), [1, 2, 3]);
        assert_eq!(got.shares.len(), 17);
        assert!((got.area(&got.deletion.explained) - 0.125).abs() < 1e-6);
        assert!((got.area(&got.insertion.explained) - 0.875).abs() < 1e-6);
        // A random order removes worth evenly: 1/2 on average, and of an additive model both tests mirror each other.
        let (deletion, deviation) = got.random_area(&got.deletion);
        let (insertion, _) = got.random_area(&got.insertion);
        assert!((deletion - 0.5).abs() < 3.0 * deviation / 40f32.sqrt() + 1e-3, "{deletion} ± {deviation}");
        assert!((deletion + insertion - 1.0).abs() < 1e-5);
        assert_eq!((got.verdict(), got.fill), (Faithful::Better, [1, 2, 3]));
    }

    #[test]
    fn an_explanation_that_points_elsewhere_is_not_better_than_chance() {
        let worth: Vec<f32> = (0..49).map(|cell| if cell < 7 { 0.1 } else { 0.0 }).collect();
        let wrong: Vec<f32> = worth.iter().map(|w| -w).collect();
        let test = FaithfulnessTest::new(&wrong, FaithfulnessSettings::default());
        let got = test.finish(&additive(&worth, &test), [0; 3]);
        assert_eq!(got.verdict(), Faithful::NotBetter);
        let right = FaithfulnessTest::new(&worth, FaithfulnessSettings::default());
        assert_eq!(right.finish(&additive(&worth, &right), [0; 3]).verdict(), Faithful::Better);
    }

    #[test]
    fn every_curve_goes_from_end_to_end_and_no_photo_is_scored_twice() {
        let contributions: Vec<f32> = (0..10).map(|cell| cell as f32).collect();
        let settings = FaithfulnessSettings { steps: 4, orders: 3, seed: 9 };
        let test = FaithfulnessTest::new(&contributions, settings);
        let shown = |photo: usize| test.photos()[photo].iter().filter(|shown| **shown).count();
        for (curves, whole) in [(&test.deletion, 10), (&test.insertion, 0)] {
            assert_eq!(curves.len(), 4);
            for curve in curves {
                let counts: Vec<usize> = curve.iter().map(|&photo| shown(photo).abs_diff(whole)).collect();
                assert_eq!(counts, [0, 3, 5, 8, 10]);
            }
        }
        let mut photos = test.photos().to_vec();
        photos.sort();
        photos.dedup();
        assert_eq!(photos.len(), test.photos().len());
        // The first to go is the one with the largest contribution.
        assert!(!test.photos()[test.deletion[0][1]][9] && test.photos()[test.deletion[0][1]][0]);
        assert_eq!(FaithfulnessTest::new(&contributions, settings).photos(), test.photos(), "it repeats");
        assert_ne!(shuffled(10, 9, 0), shuffled(10, 9, 1));
    }

    #[test]
    fn photos_of_one_cell_have_curves_too() {
        let test = FaithfulnessTest::new(&[0.5], FaithfulnessSettings::default());
        let got = test.finish(&additive(&[1.0], &test), [0; 3]);
        assert_eq!((got.shares.as_slice(), got.deletion.explained.as_slice()), (&[0.0, 1.0][..], &[1.0, 0.0][..]));
        assert_eq!(got.verdict(), Faithful::NotBetter);
    }
}
