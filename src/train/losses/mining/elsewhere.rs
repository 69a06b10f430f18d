//! Mining by operations of the embeddings' own device, which is asked for much and waited for never.
//!
//! Ties are broken here and not by the kernels, whose order of comparing is their own: the extreme of a row is found
//! first, then the first place that holds it.

use candle_core::{DType, Device, Result, Tensor};
use rand_chacha::ChaCha8Rng;

use super::super::index;
use super::{Candidates, LARGEST_DISTANCE, LEAST_DISTANCE, Mining, Partners, Triplets, pick, unit};
use crate::nn::ops::send;

/// As [`Triplets::mine`], with as many draws.
pub(super) fn mine(
    embeddings: &Tensor,
    partners: Partners<'_>,
    mining: Mining,
    random: &mut ChaCha8Rng,
) -> Result<Triplets> {
    let (n, dim) = embeddings.dims2()?;
    let device = embeddings.device();
    let mut turns: Vec<Candidates> = partners.candidates().collect();
    if turns.is_empty() {
        return Triplets::of(&[], device);
    }
    if mining == Mining::SemiHard {
        // A turn for each positive.
        let each = |turn: Candidates| {
            let Candidates { anchor, positives, negatives } = turn;
            positives.into_iter().map(move |p| Candidates { anchor, positives: vec![p], negatives: negatives.clone() })
        };
        turns = turns.into_iter().flat_map(each).collect();
    }
    let anchors: Vec<usize> = turns.iter().map(|turn| turn.anchor).collect();
    let anchor_rows = index(&anchors, device)?;
    let from = squared_distances(embeddings)?.index_select(&anchor_rows, 0)?;
    let positives = || mask(n, turns.iter().map(|turn| &turn.positives[..]), device);
    let negatives = || mask(n, turns.iter().map(|turn| &turn.negatives[..]), device);
    // Positives and negatives that are drawn here, with what the second was drawn by.
    let mut drawn = || -> (Vec<usize>, (Vec<usize>, Vec<f64>)) {
        let one = |turn: &Candidates| {
            let positive = pick(&turn.positives, unit(random));
            let at = unit(random);
            (positive, (pick(&turn.negatives, at), at))
        };
        turns.iter().map(one).unzip()
    };
    let (positive, negative) = match mining {
        Mining::BatchHard => (first_extreme(&from, &positives()?, true)?, first_extreme(&from, &negatives()?, false)?),
        Mining::SemiHard => {
            let known: Vec<usize> = turns.iter().map(|turn| turn.positives[0]).collect();
            let (positive, negatives) = (index(&known, device)?, negatives()?);
            let beyond = from.broadcast_gt(&from.gather(&positive.unsqueeze(1)?, 1)?)?.mul(&negatives)?;
            let nearest = first_extreme(&from, &beyond, false)?;
            let farthest = first_extreme(&from, &negatives, true)?;
            (positive, beyond.max(1)?.where_cond(&nearest, &farthest)?)
        }
        Mining::DistanceWeighted => {
            let (known, (otherwise, at)) = drawn();
            let at = send(at, &[turns.len(), 1], device)?;
            let negative = distance_weighted(&from, &negatives()?, dim, &at, &index(&otherwise, device)?)?;
            (index(&known, device)?, negative)
        }
        Mining::Random => {
            let (positive, (negative, _)) = drawn();
            (index(&positive, device)?, index(&negative, device)?)
        }
    };
    let far = |partner: &Tensor| from.gather(&partner.unsqueeze(1)?, 1);
    let wrong = far(&positive)?.ge(&far(&negative)?)?.to_dtype(DType::F64)?.sum_all()?.reshape(1)?;
    Ok(Triplets { anchors, places: [anchor_rows, positive, negative], wrong })
}

/// Between all rows, `[n, n]` in 64 bits, where what is lost by taking products apart is far below the rows' own rounding.
fn squared_distances(embeddings: &Tensor) -> Result<Tensor> {
    let x = embeddings.detach().to_dtype(DType::F64)?;
    let squares = x.sqr()?.sum_keepdim(1)?;
    let products = x.matmul(&x.t()?.contiguous()?)?;
    squares.broadcast_add(&squares.t()?)? - (products * 2.0)?
}

/// 1 at these places of each row of n, as bytes.
fn mask<'a>(n: usize, rows: impl ExactSizeIterator<Item = &'a [usize]>, device: &Device) -> Result<Tensor> {
    let shape = [rows.len(), n];
    let mut values = vec![0.0; shape[0] * n];
    for (row, places) in rows.enumerate() {
        places.iter().for_each(|place| values[row * n + place] = 1.0);
    }
    send(values, &shape, device)?.to_dtype(DType::U8)
}

fn filled(value: f64, like: &Tensor) -> Result<Tensor> {
    Tensor::full(value, like.shape(), like.device())
}

/// The first place of each row's largest or smallest value among those of the mask, `[t]`; the last of all where the mask
/// is empty or nothing compares.
fn first_extreme(values: &Tensor, mask: &Tensor, largest: bool) -> Result<Tensor> {
    let others = filled(if largest { f64::NEG_INFINITY } else { f64::INFINITY }, values)?;
    let values = mask.where_cond(values, &others)?;
    let extreme = if largest { values.max_keepdim(1)? } else { values.min_keepdim(1)? };
    first(&values.broadcast_eq(&extreme)?.mul(mask)?)
}

/// The places of a row, for each row.
fn places(hits: &Tensor) -> Result<Tensor> {
    let n = hits.dim(1)?;
    let row = send((0..n).map(|place| place as f64).collect(), &[1, n], hits.device())?;
    row.broadcast_as(hits.shape())?.contiguous()
}

/// The first place of each row that is hit, `[t]`; the last of all where none is.
fn first(hits: &Tensor) -> Result<Tensor> {
    let last = filled(hits.dim(1)? as f64 - 1.0, hits)?;
    hits.where_cond(&places(hits)?, &last)?.min(1)?.to_dtype(DType::U32)
}

/// The last place of each row that is hit; the first of all where none is.
fn last(hits: &Tensor) -> Result<Tensor> {
    hits.where_cond(&places(hits)?, &filled(0.0, hits)?)?.max(1)?.to_dtype(DType::U32)
}

/// As [`super::distance_weighted`] for each row of squared distances; `at [t, 1]` is uniform in [0, 1), and `otherwise` is
/// taken where all lie beyond.
fn distance_weighted(from: &Tensor, among: &Tensor, dim: usize, at: &Tensor, otherwise: &Tensor) -> Result<Tensor> {
    let n = dim as f64;
    // What is rounded below 0 has no root.
    let distance = from.maximum(0.0)?.sqrt()?.maximum(LEAST_DISTANCE)?;
    let rest = (distance.sqr()? * -0.25)?.affine(1.0, 1.0)?;
    let within = distance.lt(LARGEST_DISTANCE)?.mul(among)?;
    let log = ((distance.log()? * (2.0 - n))? - (rest.log()? * ((n - 3.0) / 2.0))?)?;
    let log = within.where_cond(&log, &filled(f64::NEG_INFINITY, from)?)?;
    let weights = log.broadcast_sub(&log.max_keepdim(1)?)?.exp()?;
    let weights = within.where_cond(&weights, &filled(0.0, from)?)?;
    let weighs = weights.gt(0.0)?;
    let beyond = weights.cumsum(1)?.broadcast_gt(&weights.sum_keepdim(1)?.mul(at)?)?.mul(&weighs)?;
    let drawn = beyond.max(1)?.where_cond(&first(&beyond)?, &last(&weighs)?)?;
    within.max(1)?.where_cond(&drawn, otherwise)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::PhotoDomain::{Shop, Street};
    use crate::train::losses::{draws, normalize_rows};

    const ALL: [Mining; 4] = [Mining::BatchHard, Mining::SemiHard, Mining::DistanceWeighted, Mining::Random];

    /// Oracle: the choice made on the host, one anchor after the other.
    fn same_as_here(x: &Tensor, partners: Partners<'_>, step: u64) {
        for mining in ALL {
            let (mut one, mut other) = (draws(1, step), draws(1, step));
            let here = Triplets::mine_here(x, partners, mining, &mut one).unwrap();
            let there = mine(x, partners, mining, &mut other).unwrap();
            assert_eq!(there.rows().unwrap(), here.rows().unwrap(), "{mining:?}");
            assert_eq!(there.anchors(), here.anchors());
            let wrong = |triplets: &Triplets| triplets.wrong().to_vec1::<f64>().unwrap();
            assert_eq!(wrong(&there), wrong(&here), "{mining:?}");
            assert_eq!(unit(&mut one), unit(&mut other), "{mining:?} draws as often");
            let listed = there.places()[0].to_vec1::<u32>().unwrap();
            assert!(listed.iter().map(|&row| row as usize).eq(there.anchors().iter().copied()));
        }
    }

    proptest! {
        #[test]
        fn the_choice_is_the_hosts(
            n in 1_usize..14, dim in 2_usize..6, kinds in 1_usize..5, across: bool, seed: u64,
            values in prop::collection::vec(-1.0_f64..1.0, 14 * 6),
        ) {
            let labels: Vec<usize> = (0..n).map(|i| (seed >> (3 * i)) as usize % kinds).collect();
            let domains: Vec<_> = (0..n).map(|i| if seed >> (40 + i) & 1 == 0 { Shop } else { Street }).collect();
            let partners = Partners { labels: &labels, domains: across.then_some(&domains) };
            let x = Tensor::from_slice(&values[..n * dim], (n, dim), &Device::Cpu).unwrap();
            let unit = normalize_rows(&x).unwrap();
            same_as_here(&unit, partners, seed);
            same_as_here(&unit.to_dtype(DType::F32).unwrap(), partners, seed);
            // On a grid distances are exact, and many are the same.
            let grid = (x * 2.0).unwrap().round().unwrap();
            same_as_here(&grid, partners, seed);
            same_as_here(&(grid * 0.25).unwrap().to_dtype(DType::F32).unwrap(), partners, seed);
        }
    }

    #[test]
    fn photos_that_coincide_go_to_the_first_and_those_that_are_no_numbers_to_some() {
        let labels = [0, 0, 0, 1, 1, 1, 2];
        let partners = Partners { labels: &labels, domains: None };
        let same = Tensor::ones((7, 3), DType::F32, &Device::Cpu).unwrap();
        same_as_here(&same, partners, 4);
        let hard = mine(&same, partners, Mining::BatchHard, &mut draws(1, 1)).unwrap();
        assert_eq!(hard.rows().unwrap()[..4], [[0, 1, 3], [1, 0, 3], [2, 0, 3], [3, 4, 0]]);
        // A network that has run away is found by its loss, so any row does, but one there is.
        for (bad, at) in [(f32::NAN, 0), (f32::NAN, 4), (f32::INFINITY, 6)] {
            let mut values = [0.5_f32; 21];
            values[3 * at..3 * at + 3].fill(bad);
            for values in [values, [bad; 21]] {
                let x = Tensor::from_slice(&values, (7, 3), &Device::Cpu).unwrap();
                for mining in ALL {
                    let found = mine(&x, partners, mining, &mut draws(1, 1)).unwrap().rows().unwrap();
                    assert!(found.iter().flatten().all(|row| *row < 7), "{mining:?}: {found:?}");
                }
            }
        }
        // Nobody is anybody's partner.
        for labels in [vec![0; 7], (0..7).collect()] {
            let alone = Partners { labels: &labels, domains: None };
            assert!(ALL.iter().all(|mining| mine(&same, alone, *mining, &mut draws(1, 1)).unwrap().is_empty()));
        }
    }
}
