//! One query made of several: photos of one garment, and photos of the gallery that were liked or disliked.
//!
//! The definition, for unit global vectors g:
//! - several photos of one garment: g = the mean of their global vectors, to length 1. The cells, and with them the plan and
//!   the structural score, are those of the first photo, the one that is shown: so the parts that are listed add up to the
//!   structural score whatever else was added.
//! - exemplars (Rocchio 1971, in the form of Salton's SMART): g' = g + 0.75 mean(liked) - 0.15 mean(disliked), to length 1.
//!   What is liked draws five times as much as what is disliked pushes, as a dislike says less about what is wanted.

use crate::nn::CellFeatures;

/// Weights of the mean of the liked and of the disliked photos beside the query's own 1.
pub const LIKED: f32 = 0.75;
pub const DISLIKED: f32 = 0.15;

/// Global vectors that are added to a photo's own: those of other photos of the garment, and of liked and disliked ones.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Added {
    pub also: Vec<Vec<f32>>,
    pub liked: Vec<Vec<f32>>,
    pub disliked: Vec<Vec<f32>>,
}

impl Added {
    pub fn is_empty(&self) -> bool {
        self.also.is_empty() && self.liked.is_empty() && self.disliked.is_empty()
    }

    /// The global vector of all. Vectors of another length than the photo's are of another network and are left out.
    pub fn global(&self, own: &[f32]) -> Vec<f32> {
        let dim = own.len();
        let fits = |vector: &&[f32]| vector.len() == dim;
        if self.is_empty() {
            return own.to_vec();
        }
        let also = self.also.iter().map(Vec::as_slice).filter(fits);
        let mut global = mean(std::iter::once(own).chain(also), dim);
        if !to_unit(&mut global) {
            // Photos that cancel each other out have no direction in common.
            global = own.to_vec();
        }
        let mut moved = global.clone();
        for (vectors, weight) in [(&self.liked, LIKED), (&self.disliked, -DISLIKED)] {
            let vectors = vectors.iter().map(Vec::as_slice).filter(fits);
            moved.iter_mut().zip(mean(vectors, dim)).for_each(|(value, part)| *value += weight * part);
        }
        if to_unit(&mut moved) { moved } else { global }
    }

    /// Features whose global vectors, one for each photo, are those of all; the cells stay the photos' own.
    pub fn to(&self, features: CellFeatures) -> CellFeatures {
        if self.is_empty() {
            return features;
        }
        let globals = (0..features.len()).flat_map(|photo| self.global(features.global_of(photo))).collect();
        CellFeatures { globals, ..features }
    }
}

/// Zeros where there is nothing.
fn mean<'a>(vectors: impl Iterator<Item = &'a [f32]>, dim: usize) -> Vec<f32> {
    let mut sum = vec![0.0f32; dim];
    let mut count = 0;
    for vector in vectors {
        sum.iter_mut().zip(vector).for_each(|(sum, value)| *sum += value);
        count += 1;
    }
    sum.iter_mut().for_each(|value| *value /= count.max(1) as f32);
    sum
}

/// False where the vector has no length worth speaking of; it is then as it was.
fn to_unit(vector: &mut [f32]) -> bool {
    let length = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
    if length < 1e-6 {
        return false;
    }
    vector.iter_mut().for_each(|value| *value /= length);
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Grid;

    fn unit(values: [f64; 3]) -> Vec<f32> {
        let length = values.iter().map(|v| v * v).sum::<f64>().sqrt();
        values.map(|v| (v / length) as f32).to_vec()
    }

    fn photo(global: [f64; 3], salt: f32) -> CellFeatures {
        let cells = (0..6).map(|at| salt + at as f32).collect();
        CellFeatures { grid: Grid::new(1, 2), dim: 3, cells, globals: unit(global) }
    }

    fn combined(photo: &CellFeatures, also: &[Vec<f32>], liked: &[Vec<f32>], disliked: &[Vec<f32>]) -> CellFeatures {
        let (also, liked, disliked) = (also.to_vec(), liked.to_vec(), disliked.to_vec());
        Added { also, liked, disliked }.to(photo.clone())
    }

    fn dot(a: &[f32], b: &[f32]) -> f32 {
        a.iter().zip(b).map(|(a, b)| a * b).sum()
    }

    #[test]
    fn one_photo_alone_is_itself_to_the_bit() {
        let one = photo([0.3, -0.9, 0.1], 0.5);
        assert_eq!(combined(&one, &[], &[], &[]), one);
    }

    #[test]
    fn several_photos_have_the_mean_of_their_directions_and_the_first_one_s_cells() {
        let first = photo([1.0, 0.2, 0.0], 0.0);
        let also = [unit([0.1, 1.0, 0.4]), unit([0.0, -0.3, 2.0])];
        let all = combined(&first, &also, &[], &[]);
        // The same in 64 bits, written out.
        let sum: Vec<f64> =
            (0..3).map(|i| f64::from(first.globals[i]) + f64::from(also[0][i]) + f64::from(also[1][i])).collect();
        let length = sum.iter().map(|v| v * v).sum::<f64>().sqrt();
        for (got, sum) in all.globals.iter().zip(&sum) {
            assert!((f64::from(*got) - sum / length).abs() < 1e-6);
        }
        assert_eq!(all.cells, first.cells);
        let swapped = combined(&first, &[also[1].clone(), also[0].clone()], &[], &[]);
        assert!(all.globals.iter().zip(&swapped.globals).all(|(a, b)| (a - b).abs() < 1e-6), "in any order");
    }

    #[test]
    fn exemplars_move_the_query_by_rocchio_s_formula() {
        let query = photo([0.4, 0.5, -0.2], 0.0);
        let (liked, disliked) = (vec![unit([1.0, 0.0, 0.5]), unit([0.2, 0.9, 0.0])], vec![unit([-0.3, 0.1, 1.0])]);
        let moved = combined(&query, &[], &liked, &disliked);
        let naive: Vec<f64> = (0..3)
            .map(|i| {
                let of = |v: &Vec<f32>| f64::from(v[i]);
                f64::from(query.globals[i]) + 0.75 * (of(&liked[0]) + of(&liked[1])) / 2.0 - 0.15 * of(&disliked[0])
            })
            .collect();
        let length = naive.iter().map(|v| v * v).sum::<f64>().sqrt();
        for (got, naive) in moved.globals.iter().zip(&naive) {
            assert!((f64::from(*got) - naive / length).abs() < 1e-6, "{:?}", moved.globals);
        }
        assert_eq!(moved.cells, query.cells, "cells are the photo's own");
        let only = |liked: &[Vec<f32>], disliked: &[Vec<f32>]| combined(&query, &[], liked, disliked).globals;
        assert!(dot(&only(&liked[..1], &[]), &liked[0]) > dot(&query.globals, &liked[0]));
        assert!(dot(&only(&[], &disliked), &disliked[0]) < dot(&query.globals, &disliked[0]));
    }

    #[test]
    fn of_several_photos_each_has_its_own_direction_moved() {
        let (a, b) = (photo([1.0, 0.2, 0.0], 0.0), photo([0.1, -0.4, 0.8], 3.0));
        let added =
            Added { also: vec![unit([0.0, 1.0, 0.3])], liked: vec![unit([0.5, 0.5, 0.0])], disliked: Vec::new() };
        let both = CellFeatures {
            cells: [a.cells.clone(), b.cells.clone()].concat(),
            globals: [a.globals.clone(), b.globals.clone()].concat(),
            ..a.clone()
        };
        let moved = added.to(both.clone());
        assert_eq!(moved.globals, [added.to(a).globals, added.to(b).globals].concat());
        assert_eq!(moved.cells, both.cells);
    }

    #[test]
    fn what_cancels_out_leaves_the_photo_and_vectors_of_other_networks_are_left_out() {
        let query = photo([1.0, 0.0, 0.0], 0.0);
        let against = vec![vec![-1.0 / LIKED, 0.0, 0.0]];
        assert_eq!(combined(&query, &[], &against, &[]).globals, query.globals);
        assert_eq!(combined(&query, &[vec![-1.0, 0.0, 0.0]], &[], &[]).globals, query.globals);
        assert_eq!(combined(&query, &[vec![0.0, 1.0]], &[vec![1.0]], &[]).globals, query.globals);
    }
}
