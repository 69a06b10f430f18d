//! Which positive and which negative an anchor is compared with.

use candle_core::{Result, Tensor};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use serde::{Deserialize, Serialize};

use super::read_matrix;
use crate::domain::PhotoDomain;

/// Distances below this count as this, and no negative is drawn from beyond the second (Wu et al. 2017).
const LEAST_DISTANCE: f64 = 0.5;
const LARGEST_DISTANCE: f64 = 1.4;
/// Apart from the numbers that sampling and views draw.
const STREAM: u64 = 0x6d69_6e69_6e67;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mining {
    /// The farthest positive and the nearest negative (Hermans et al. 2017).
    #[default]
    BatchHard,
    /// For every positive the nearest negative that is farther than it, or the farthest where none is (Schroff et al.
    /// 2015).
    SemiHard,
    /// A random positive, and a negative drawn so that all distances come equally often (Wu et al. 2017). For vectors of
    /// length 1.
    DistanceWeighted,
    /// A random positive and a random negative.
    Random,
}

/// Who is whose positive and negative.
#[derive(Clone, Copy, Debug)]
pub struct Partners<'a> {
    /// Equal for photos that belong together.
    pub labels: &'a [usize],
    /// Where given, both are sought in the other domain only: a street photo against shop photos and the other way
    /// round, which is what a search does.
    pub domains: Option<&'a [PhotoDomain]>,
}

impl Partners<'_> {
    fn among(&self, anchor: usize, positive: bool) -> Vec<usize> {
        (0..self.labels.len()).filter(|&other| self.fits(anchor, other, positive)).collect()
    }

    /// Whether `other` is a positive, or a negative, of `anchor`.
    pub fn fits(&self, anchor: usize, other: usize, positive: bool) -> bool {
        other != anchor
            && (self.labels[anchor] == self.labels[other]) == positive
            && self.domains.is_none_or(|domains| domains[anchor] != domains[other])
    }
}

/// The generator for the draws of one step.
pub fn draws(seed: u64, step: u64) -> ChaCha8Rng {
    let mut key = [0; 32];
    for (bytes, part) in key.chunks_exact_mut(8).zip([STREAM, seed, step, 0]) {
        bytes.copy_from_slice(&part.to_le_bytes());
    }
    ChaCha8Rng::from_seed(key)
}

/// Row numbers of anchor, positive and negative, for every anchor that has both.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Triplets {
    pub rows: Vec<[usize; 3]>,
    /// Triplets whose positive is at least as far as their negative.
    pub wrong: usize,
}

impl Triplets {
    /// Mines among the rows of `embeddings [n, dim]` on the host. A tie goes to the first, so that one pair carries the
    /// gradient.
    pub fn mine(embeddings: &Tensor, partners: Partners<'_>, mining: Mining, random: &mut ChaCha8Rng) -> Result<Self> {
        let distances = squared_distances(embeddings)?;
        let dim = embeddings.dim(1)?;
        let mut rows = Vec::new();
        for (anchor, from) in distances.iter().enumerate() {
            let (positives, negatives) = (partners.among(anchor, true), partners.among(anchor, false));
            if positives.is_empty() || negatives.is_empty() {
                continue;
            }
            match mining {
                Mining::BatchHard => {
                    let farther = |best: usize, other: usize| if from[other] > from[best] { other } else { best };
                    let nearer = |best: usize, other: usize| if from[other] < from[best] { other } else { best };
                    let positive = positives.iter().copied().reduce(farther).unwrap_or(anchor);
                    rows.push([anchor, positive, negatives.iter().copied().reduce(nearer).unwrap_or(anchor)]);
                }
                Mining::SemiHard => {
                    rows.extend(positives.into_iter().map(|p| [anchor, p, semi_hard(from, p, &negatives)]));
                }
                Mining::DistanceWeighted => {
                    let positive = pick(&positives, random);
                    rows.push([anchor, positive, distance_weighted(from, &negatives, dim, random)]);
                }
                Mining::Random => rows.push([anchor, pick(&positives, random), pick(&negatives, random)]),
            }
        }
        let wrong = rows.iter().filter(|[a, p, n]| distances[*a][*p] >= distances[*a][*n]).count();
        Ok(Self { rows, wrong })
    }

    /// Anchors, positives or negatives alone.
    pub fn place(&self, place: usize) -> Vec<usize> {
        self.rows.iter().map(|triplet| triplet[place]).collect()
    }
}

fn semi_hard(from: &[f64], positive: usize, negatives: &[usize]) -> usize {
    let beyond = negatives.iter().copied().filter(|&n| from[n] > from[positive]);
    let nearest = beyond.reduce(|best, other| if from[other] < from[best] { other } else { best });
    nearest.unwrap_or_else(|| {
        let farther = |best: usize, other: usize| if from[other] > from[best] { other } else { best };
        negatives.iter().copied().reduce(farther).unwrap_or(positive)
    })
}

/// Draws a negative with probability in inverse proportion to how often its distance occurs among random points of the
/// unit sphere, `d^(dim - 2) (1 - d^2 / 4)^((dim - 3) / 2)`.
fn distance_weighted(from: &[f64], negatives: &[usize], dim: usize, random: &mut ChaCha8Rng) -> usize {
    let n = dim as f64;
    let log_weight = |other: usize| {
        let distance = from[other].sqrt().max(LEAST_DISTANCE);
        let rest = 1.0 - distance * distance / 4.0;
        (distance < LARGEST_DISTANCE).then(|| -((n - 2.0) * distance.ln() + (n - 3.0) / 2.0 * rest.ln()))
    };
    let weights: Vec<Option<f64>> = negatives.iter().map(|&other| log_weight(other)).collect();
    let peak = weights.iter().flatten().copied().fold(f64::NEG_INFINITY, f64::max);
    if peak == f64::NEG_INFINITY {
        return pick(negatives, random);
    }
    let weights: Vec<f64> = weights.into_iter().map(|w| w.map_or(0.0, |w| (w - peak).exp())).collect();
    let mut left = unit(random) * weights.iter().sum::<f64>();
    let mut drawn = None;
    for (&other, weight) in negatives.iter().zip(weights).filter(|(_, weight)| *weight > 0.0) {
        drawn = Some(other);
        left -= weight;
        if left < 0.0 {
            break;
        }
    }
    drawn.unwrap_or(negatives[0])
}

fn pick(among: &[usize], random: &mut ChaCha8Rng) -> usize {
    among[((unit(random) * among.len() as f64) as usize).min(among.len() - 1)]
}

/// Uniform in [0, 1).
fn unit(random: &mut ChaCha8Rng) -> f64 {
    (random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
}

/// Squared distances between all rows, on the host.
pub(super) fn squared_distances(embeddings: &Tensor) -> Result<Vec<Vec<f64>>> {
    let x = read_matrix(embeddings)?;
    Ok(x.iter().map(|a| x.iter().map(|b| a.iter().zip(b).map(|(p, q)| (p - q) * (p - q)).sum()).collect()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::PhotoDomain::{Shop, Street};
    use crate::train::losses::normalize_rows;
    use candle_core::Device;

    fn line(values: &[f64]) -> Tensor {
        Tensor::from_slice(values, (values.len(), 1), &Device::Cpu).unwrap()
    }

    fn mine(x: &Tensor, labels: &[usize], mining: Mining, step: u64) -> Vec<[usize; 3]> {
        Triplets::mine(x, Partners { labels, domains: None }, mining, &mut draws(3, step)).unwrap().rows
    }

    #[test]
    fn hard_and_semi_hard_partners_are_those_of_the_definition() {
        // Positives of 0 are 1 (at 1) and 2 (at 4); negatives lie at 2, 3 and 6.
        let (x, labels) = (line(&[0.0, 1.0, 4.0, 2.0, 3.0, 6.0]), [0, 0, 0, 1, 1, 1]);
        let of =
            |mining| -> Vec<[usize; 3]> { mine(&x, &labels, mining, 0).into_iter().filter(|t| t[0] == 0).collect() };
        assert_eq!(of(Mining::BatchHard), [[0, 2, 3]]);
        assert_eq!(of(Mining::SemiHard), [[0, 1, 3], [0, 2, 5]]);
        // Nothing lies beyond the positive at 4 from 9's side: the farthest negative is taken.
        let x = line(&[0.0, 9.0, 1.0, 2.0]);
        assert_eq!(mine(&x, &[0, 0, 1, 1], Mining::SemiHard, 0)[0], [0, 1, 3]);
    }

    #[test]
    fn partners_come_from_the_other_domain_and_anchors_without_any_are_left_out() {
        let x = line(&[0.0, 3.0, 0.5, 2.0, 1.0]);
        let (labels, domains) = ([0, 0, 1, 1, 2], [Street, Shop, Street, Shop, Street]);
        let partners = Partners { labels: &labels, domains: Some(&domains) };
        for mining in [Mining::BatchHard, Mining::SemiHard, Mining::DistanceWeighted, Mining::Random] {
            let found = Triplets::mine(&x, partners, mining, &mut draws(1, 2)).unwrap().rows;
            assert_eq!(found.len(), 4, "{mining:?}");
            for [a, p, n] in found {
                assert!(labels[a] == labels[p] && labels[a] != labels[n] && a != p, "{mining:?}");
                assert!(domains[a] != domains[p] && domains[a] != domains[n], "{mining:?}");
            }
        }
    }

    /// Oracle: the density of Wu et al. 2017, written out without logarithms.
    #[test]
    fn distance_weighted_negatives_come_as_often_as_the_density_says() {
        let dim = 5;
        let angles = [0.0_f64, 0.3, 0.55, 0.7, 0.9, 1.2, 1.5, 2.5];
        let values: Vec<f64> = angles.iter().flat_map(|a| [a.cos(), a.sin(), 0.0, 0.0, 0.0]).collect();
        let x = normalize_rows(&Tensor::from_vec(values, (8, dim), &Device::Cpu).unwrap()).unwrap();
        // The anchor and its positive, then six negatives; the last lies beyond 1.4.
        let labels = [0, 0, 1, 1, 1, 1, 1, 1];
        let weight = |angle: f64| {
            let d = (2.0 * (angle / 2.0).sin()).max(0.5);
            if d < 1.4 { 1.0 / (d.powi(3) * (1.0 - d * d / 4.0)) } else { 0.0 }
        };
        let total: f64 = angles[2..].iter().map(|&a| weight(a)).sum();
        let rounds = 20_000;
        let mut counts = [0_u32; 8];
        for step in 0..rounds {
            let first = mine(&x, &labels, Mining::DistanceWeighted, step)[0];
            counts[first[2]] += 1;
        }
        for (place, &angle) in angles.iter().enumerate().skip(2) {
            let expected = weight(angle) / total;
            let found = f64::from(counts[place]) / rounds as f64;
            // Four deviations of a binomial share.
            let off = 4.0 * (expected * (1.0 - expected) / rounds as f64).sqrt();
            assert!((found - expected).abs() <= off, "{place}: {found} instead of {expected}");
        }
        assert_eq!(counts[7], 0);
        // Where all lie beyond, one is drawn all the same.
        let far = Tensor::new(&[[1.0_f64, 0.0], [1.0, 0.0], [-1.0, 0.0]], &Device::Cpu).unwrap();
        assert_eq!(mine(&far, &[0, 0, 1], Mining::DistanceWeighted, 1)[0], [0, 1, 2]);
    }

    #[test]
    fn the_seed_and_the_step_decide_what_is_drawn() {
        let x = line(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]);
        let labels = [0, 0, 0, 0, 1, 1, 1, 1];
        assert_eq!(mine(&x, &labels, Mining::Random, 5), mine(&x, &labels, Mining::Random, 5));
        let different =
            (0..20).filter(|&s| mine(&x, &labels, Mining::Random, s) != mine(&x, &labels, Mining::Random, 99));
        assert!(different.count() > 15);
    }
}
