//! Which positive and which negative an anchor is compared with.
//!
//! Who may be whose partner follows from labels and domains, and only the choice among them from distances. On the CPU
//! both are made here; on another device the choice is made there (`elsewhere`), and nothing is waited for. Both make the
//! same choice, but where distances differ by less than they are rounded by.

mod elsewhere;

use candle_core::{Device, Result, Tensor};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use serde::{Deserialize, Serialize};

use super::{index, read_matrix};
use crate::domain::PhotoDomain;
use crate::nn::ops::send;

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

    /// 1 where [`Self::fits`], `[anchor, other]` as bytes.
    pub fn mask(&self, positive: bool, device: &Device) -> Result<Tensor> {
        let n = self.labels.len();
        let fits = (0..n * n).map(|pair| f64::from(u8::from(self.fits(pair / n, pair % n, positive))));
        send(fits.collect(), &[n, n], device)?.to_dtype(candle_core::DType::U8)
    }

    /// Who can be an anchor, with its positives and its negatives: none of the lists is empty.
    fn candidates(&self) -> impl Iterator<Item = Candidates> {
        let of =
            |anchor| Candidates { anchor, positives: self.among(anchor, true), negatives: self.among(anchor, false) };
        (0..self.labels.len()).map(of).filter(|found| !found.positives.is_empty() && !found.negatives.is_empty())
    }
}

/// Rows of an anchor and of its partners, in their order.
struct Candidates {
    anchor: usize,
    positives: Vec<usize>,
    negatives: Vec<usize>,
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
#[derive(Clone, Debug)]
pub struct Triplets {
    anchors: Vec<usize>,
    /// Anchors, positives and negatives, `[t]` each, where the embeddings are.
    places: [Tensor; 3],
    /// `[1]` in 64 bits, there too.
    wrong: Tensor,
}

impl Triplets {
    /// Mines among the rows of `embeddings [n, dim]` where they are. A tie goes to the first, so that one pair carries the
    /// gradient.
    pub fn mine(embeddings: &Tensor, partners: Partners<'_>, mining: Mining, random: &mut ChaCha8Rng) -> Result<Self> {
        if embeddings.device().is_cpu() {
            Self::mine_here(embeddings, partners, mining, random)
        } else {
            elsewhere::mine(embeddings, partners, mining, random)
        }
    }

    fn mine_here(embeddings: &Tensor, partners: Partners<'_>, mining: Mining, random: &mut ChaCha8Rng) -> Result<Self> {
        let distances = squared_distances(embeddings)?;
        let dim = embeddings.dim(1)?;
        let mut rows = Vec::new();
        for Candidates { anchor, positives, negatives } in partners.candidates() {
            let from = &distances[anchor];
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
                    let positive = pick(&positives, unit(random));
                    rows.push([anchor, positive, distance_weighted(from, &negatives, dim, unit(random))]);
                }
                Mining::Random => rows.push([anchor, pick(&positives, unit(random)), pick(&negatives, unit(random))]),
            }
        }
        let wrong = rows.iter().filter(|[a, p, n]| distances[*a][*p] >= distances[*a][*n]).count();
        Ok(Self { wrong: Tensor::new(&[wrong as f64], embeddings.device())?, ..Self::of(&rows, embeddings.device())? })
    }

    /// These, none of which counts as wrong, for embeddings on that device.
    pub fn of(rows: &[[usize; 3]], device: &Device) -> Result<Self> {
        // Nothing is selected by lists of nothing, of which a device may have no memory.
        let device = if rows.is_empty() { &Device::Cpu } else { device };
        let place = |place: usize| rows.iter().map(|triplet| triplet[place]).collect::<Vec<_>>();
        let [anchors, positives, negatives] = [0, 1, 2].map(place);
        let places = [index(&anchors, device)?, index(&positives, device)?, index(&negatives, device)?];
        Ok(Self { anchors, places, wrong: send(vec![0.0], &[1], device)? })
    }

    pub fn len(&self) -> usize {
        self.anchors.len()
    }

    pub fn is_empty(&self) -> bool {
        self.anchors.is_empty()
    }

    /// Rows of the anchors, which are known before any distance is.
    pub fn anchors(&self) -> &[usize] {
        &self.anchors
    }

    /// Rows of anchors, positives and negatives, `[t]` each, to select embeddings by.
    pub fn places(&self) -> &[Tensor; 3] {
        &self.places
    }

    /// How many have a positive that is at least as far as the negative, `[1]` in 64 bits where the embeddings are.
    pub fn wrong(&self) -> &Tensor {
        &self.wrong
    }

    /// All of them here. A device other than the CPU is waited for.
    pub fn rows(&self) -> Result<Vec<[usize; 3]>> {
        let [_, positives, negatives] = self.places.each_ref().map(Tensor::to_vec1::<u32>);
        let partners = positives?.into_iter().zip(negatives?);
        Ok(self.anchors.iter().zip(partners).map(|(&a, (p, n))| [a, p as usize, n as usize]).collect())
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
/// unit sphere, `d^(dim - 2) (1 - d^2 / 4)^((dim - 3) / 2)`; `at` is uniform in [0, 1).
fn distance_weighted(from: &[f64], negatives: &[usize], dim: usize, at: f64) -> usize {
    let n = dim as f64;
    let log_weight = |other: usize| {
        let distance = from[other].sqrt().max(LEAST_DISTANCE);
        let rest = 1.0 - distance * distance / 4.0;
        (distance < LARGEST_DISTANCE).then(|| -((n - 2.0) * distance.ln() + (n - 3.0) / 2.0 * rest.ln()))
    };
    let weights: Vec<Option<f64>> = negatives.iter().map(|&other| log_weight(other)).collect();
    let peak = weights.iter().flatten().copied().fold(f64::NEG_INFINITY, f64::max);
    if peak == f64::NEG_INFINITY {
        return pick(negatives, at);
    }
    let weights: Vec<f64> = weights.into_iter().map(|w| w.map_or(0.0, |w| (w - peak).exp())).collect();
    let mut left = at * weights.iter().sum::<f64>();
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

/// One of them; `at` is uniform in [0, 1).
fn pick(among: &[usize], at: f64) -> usize {
    among[((at * among.len() as f64) as usize).min(among.len() - 1)]
}

/// Uniform in [0, 1).
fn unit(random: &mut ChaCha8Rng) -> f64 {
    (random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
}

/// Squared distances between all rows, on the host, which waits for them.
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
        Triplets::mine(x, Partners { labels, domains: None }, mining, &mut draws(3, step)).unwrap().rows().unwrap()
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
            let found = Triplets::mine(&x, partners, mining, &mut draws(1, 2)).unwrap().rows().unwrap();
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
