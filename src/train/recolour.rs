//! New products from old ones: all photos of a product in a batch change colour together.
//!
//! A few hundred products teach a network which colours there are by heart. When a product's street and shop photos
//! are recoloured by one and the same linear map, they still show the same garment as each other, but one that was
//! never seen; what pays is to compare colours, and that carries over to products of the test split. The map is a
//! turn of the hue and a change of saturation about the grey axis, at times an exchange of the channels, so that
//! white grounds stay white.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use rayon::prelude::*;

use crate::data::Batch;
use crate::data::fit::{DEVIATION, MEAN};

/// Keeps these draws apart from those of sampler and views.
const STREAM: u64 = 0x5EA3_11AE_0000_0002;

const PERMUTATIONS: [[usize; 3]; 6] = [[0, 1, 2], [1, 2, 0], [2, 0, 1], [0, 2, 1], [2, 1, 0], [1, 0, 2]];

type Matrix = [[f32; 3]; 3];

/// Weights of red, green and blue in grey (ITU-R BT.601).
const GREY: [f32; 3] = [0.299, 0.587, 0.114];

/// How often colours change together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recolouring {
    /// Probability that a product's photos change colour together.
    pub product: f64,
    /// Probability that the whole batch is grey.
    pub colour_blind: f64,
}

/// Random numbers of one batch and what they are for.
fn dice(seed: u64, epoch: u64, step: u64, what: u64) -> impl FnMut() -> f32 {
    let mut key = [0; 32];
    for (bytes, part) in key.chunks_exact_mut(8).zip([seed ^ STREAM, epoch, step, what]) {
        bytes.copy_from_slice(&part.to_le_bytes());
    }
    let mut random = ChaCha8Rng::from_seed(key);
    move || (random.next_u32() >> 8) as f32 / (1 << 24) as f32
}

/// Recolours a batch in place. What is drawn depends on seed, epoch, step and product alone.
pub fn recolour(batch: &mut Batch, how: Recolouring, seed: u64, epoch: u64, step: u64) {
    let plane = batch.size as usize * batch.size as usize;
    if plane == 0 || batch.is_empty() {
        return;
    }
    if f64::from(dice(seed, epoch, step, u64::MAX)()) < how.colour_blind {
        batch.images.par_chunks_mut(3 * plane).for_each(|image| apply(image, plane, &[GREY; 3]));
        return;
    }
    if how.product <= 0.0 {
        return;
    }
    let products = &batch.products;
    batch.images.par_chunks_mut(3 * plane).zip(products).for_each(|(image, &product)| {
        let mut unit = dice(seed, epoch, step, product as u64);
        if f64::from(unit()) < how.product {
            apply(image, plane, &matrix(unit(), unit(), unit()));
        }
    });
}

/// The map of three numbers in 0..1: a turn of the hue, a saturation and a permutation.
fn matrix(turn: f32, saturation: f32, order: f32) -> Matrix {
    let (sin, cos) = (turn * std::f32::consts::TAU).sin_cos();
    let saturation = 0.7 + 0.6 * saturation;
    let third = 1.0 / 3.0;
    let along = third * (1.0 - cos);
    let across = third.sqrt() * sin;
    // Rodrigues' rotation about (1, 1, 1), so that grey stays grey.
    let rotation = [
        [cos + along, along - across, along + across],
        [along + across, cos + along, along - across],
        [along - across, along + across, cos + along],
    ];
    // Half of all draws keep the order of the channels.
    let permutation = PERMUTATIONS[((order * 2.0 - 1.0).max(0.0) * 6.0) as usize % 6];
    let mut matrix = [[0.0; 3]; 3];
    for (row, out) in matrix.iter_mut().enumerate() {
        for (column, value) in out.iter_mut().enumerate() {
            let turned = rotation[row][permutation[column]];
            *value = third + saturation * (turned - third);
        }
    }
    matrix
}

fn apply(image: &mut [f32], plane: usize, matrix: &Matrix) {
    let (red, rest) = image.split_at_mut(plane);
    let (green, blue) = rest.split_at_mut(plane);
    for ((r, g), b) in red.iter_mut().zip(green).zip(blue) {
        let colour = [*r * DEVIATION[0] + MEAN[0], *g * DEVIATION[1] + MEAN[1], *b * DEVIATION[2] + MEAN[2]];
        let [new_r, new_g, new_b] = std::array::from_fn(|c| {
            let value: f32 = (0..3).map(|k| matrix[c][k] * colour[k]).sum();
            (value.clamp(0.0, 1.0) - MEAN[c]) / DEVIATION[c]
        });
        (*r, *g, *b) = (new_r, new_g, new_b);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::PhotoDomain::{Shop, Street};

    fn batch(colours: &[[f32; 3]], products: &[usize]) -> Batch {
        let images = colours
            .iter()
            .flat_map(|colour| (0..3).flat_map(move |c| [(colour[c] - MEAN[c]) / DEVIATION[c]; 4]))
            .collect();
        Batch {
            images,
            size: 2,
            items: (0..products.len()).collect(),
            products: products.to_vec(),
            kinds: vec![0; products.len()],
            domains: (0..products.len()).map(|i| if i % 2 == 0 { Street } else { Shop }).collect(),
            ..Batch::default()
        }
    }

    const PRODUCTS: Recolouring = Recolouring { product: 1.0, colour_blind: 0.0 };

    fn colour(batch: &Batch, photo: usize) -> [f32; 3] {
        std::array::from_fn(|c| batch.images[photo * 12 + c * 4] * DEVIATION[c] + MEAN[c])
    }

    #[test]
    fn photos_of_a_product_change_alike_and_products_differ() {
        let red = [0.7, 0.4, 0.35];
        let mut changed = batch(&[red; 4], &[0, 0, 1, 1]);
        recolour(&mut changed, PRODUCTS, 1, 2, 3);
        assert_eq!(colour(&changed, 0), colour(&changed, 1));
        assert_eq!(colour(&changed, 2), colour(&changed, 3));
        let apart: f32 = (0..3).map(|c| (colour(&changed, 0)[c] - colour(&changed, 2)[c]).abs()).sum();
        assert!(apart > 0.05, "{apart}");
        let mut again = batch(&[red; 4], &[0, 0, 1, 1]);
        recolour(&mut again, PRODUCTS, 1, 2, 3);
        assert_eq!(again, changed);
        let mut other = batch(&[red; 4], &[0, 0, 1, 1]);
        recolour(&mut other, PRODUCTS, 1, 2, 4);
        assert_ne!(other, changed);
    }

    #[test]
    fn white_black_and_grey_stay_and_probability_zero_changes_nothing() {
        let greys = [[1.0; 3], [0.0; 3], [0.5; 3], [1.0; 3]];
        for epoch in 0..50 {
            let mut changed = batch(&greys, &[0, 1, 2, 3]);
            recolour(&mut changed, PRODUCTS, 9, epoch, 0);
            for (photo, grey) in greys.iter().enumerate() {
                let got = colour(&changed, photo);
                assert!((0..3).all(|c| (got[c] - grey[c]).abs() < 1e-5), "{grey:?} became {got:?}");
            }
        }
        let mut same = batch(&[[0.7, 0.4, 0.35]; 2], &[0, 1]);
        let before = same.clone();
        recolour(&mut same, Recolouring { product: 0.0, colour_blind: 0.0 }, 1, 2, 3);
        assert_eq!(same, before);
    }

    #[test]
    fn a_colour_blind_batch_is_grey_throughout_and_comes_as_often_as_asked() {
        let how = Recolouring { product: 1.0, colour_blind: 0.3 };
        let colours = [[0.7, 0.4, 0.35], [0.1, 0.6, 0.9]];
        let mut grey_batches = 0;
        for step in 0..400 {
            let mut changed = batch(&colours, &[0, 1]);
            recolour(&mut changed, how, 5, 0, step);
            let grey = |photo: usize| {
                let [r, g, b] = colour(&changed, photo);
                (r - g).abs() < 1e-5 && (g - b).abs() < 1e-5
            };
            assert_eq!(grey(0), grey(1), "a batch is grey as a whole");
            if grey(0) {
                grey_batches += 1;
                let expected = 0.299 * 0.7 + 0.587 * 0.4 + 0.114 * 0.35;
                assert!((colour(&changed, 0)[0] - expected).abs() < 1e-5);
            }
        }
        // 120 expected, deviation 9.
        assert!((90..150).contains(&grey_batches), "{grey_batches}");
    }

    #[test]
    fn a_turn_of_a_third_exchanges_the_channels() {
        let turned = matrix(1.0 / 3.0, 0.5, 0.0);
        for (row, expected) in turned.iter().zip([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]) {
            assert!((0..3).all(|c| (row[c] - expected[c]).abs() < 1e-6), "{turned:?}");
        }
    }
}
