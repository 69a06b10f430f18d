//! Metrics of ranked lists, with their formulas.
//!
//! A list is `rel[0], rel[1], …`, best first: `true` where the photo at that rank shows the product that was
//! looked for. `R` is how many such photos the gallery holds, whether or not the list reaches them, and `P(i)` the
//! share of `true` among the first `i`. The query itself is never part of the gallery.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use serde::{Deserialize, Serialize};

/// Relevance in order of falling scores. Ties count against the model: among equal scores the wrong photos come
/// first, and a score that is not a number comes last of all.
pub fn ranked_relevance(scores: &[f32], relevant: impl Fn(usize) -> bool) -> Vec<bool> {
    let key = |i: usize| if scores[i].is_nan() { f32::NEG_INFINITY } else { scores[i] };
    let mut order: Vec<(usize, bool)> = (0..scores.len()).map(|i| (i, relevant(i))).collect();
    order.sort_by(|a, b| key(b.0).total_cmp(&key(a.0)).then(a.1.cmp(&b.1)));
    order.into_iter().map(|(_, relevant)| relevant).collect()
}

/// 1 where any of the first `k` is right, else 0: the hit rate that retrieval papers call recall@k.
pub fn recall_at(relevance: &[bool], k: usize) -> f64 {
    f64::from(u8::from(relevance.iter().take(k).any(|&hit| hit)))
}

/// `sum over right ranks i of P(i) / R`; 0 where nothing could be found.
pub fn average_precision(relevance: &[bool], total: usize) -> f64 {
    precision_sum(relevance) / total.max(1) as f64
}

/// Share of right ones among the first `R`.
pub fn r_precision(relevance: &[bool], total: usize) -> f64 {
    relevance.iter().take(total).filter(|&&hit| hit).count() as f64 / total.max(1) as f64
}

/// `sum over right ranks i <= R of P(i) / R` (Musgrave et al., "A metric learning reality check").
pub fn map_at_r(relevance: &[bool], total: usize) -> f64 {
    precision_sum(&relevance[..total.min(relevance.len())]) / total.max(1) as f64
}

/// `sum over right ranks i <= k of 1 / log2(i + 1)`, divided by the same sum of the best possible list.
pub fn ndcg_at(relevance: &[bool], total: usize, k: usize) -> f64 {
    let gain = |i: usize| 1.0 / ((i + 2) as f64).log2();
    let best: f64 = (0..total.min(k)).map(gain).sum();
    let got: f64 = relevance.iter().take(k).enumerate().filter(|(_, hit)| **hit).map(|(i, _)| gain(i)).sum();
    if best > 0.0 { got / best } else { 0.0 }
}

/// `1 / rank` of the first right one, 0 where there is none.
pub fn reciprocal_rank(relevance: &[bool]) -> f64 {
    relevance.iter().position(|&hit| hit).map_or(0.0, |i| 1.0 / (i + 1) as f64)
}

fn precision_sum(relevance: &[bool]) -> f64 {
    let mut found = 0.0;
    let mut sum = 0.0;
    for (i, _) in relevance.iter().enumerate().filter(|(_, hit)| **hit) {
        found += 1.0;
        sum += found / (i + 1) as f64;
    }
    sum
}

/// Where the mean would lie if other queries of the same sort had been asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    pub low: f64,
    pub high: f64,
}

/// 95 % percentile bootstrap of a mean. Whole groups are drawn, since the queries of one product stand or fall
/// together; the same seed gives the same interval.
pub fn bootstrap(values: &[f64], groups: &[usize], rounds: usize, seed: u64) -> Interval {
    let mut members: std::collections::BTreeMap<usize, (f64, f64)> = std::collections::BTreeMap::new();
    for (value, group) in values.iter().zip(groups) {
        let (sum, count) = members.entry(*group).or_default();
        *sum += value;
        *count += 1.0;
    }
    let members: Vec<(f64, f64)> = members.into_values().collect();
    if members.is_empty() || rounds == 0 {
        return Interval::default();
    }
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut means: Vec<f64> = (0..rounds)
        .map(|_| {
            let (mut sum, mut count) = (0.0, 0.0);
            for _ in 0..members.len() {
                // The bias of a 64-bit remainder over so few groups is far below what an interval shows.
                let (s, c) = members[(random.next_u64() % members.len() as u64) as usize];
                sum += s;
                count += c;
            }
            sum / count
        })
        .collect();
    means.sort_by(f64::total_cmp);
    let at = |share: f64| means[((rounds - 1) as f64 * share).round() as usize];
    Interval { low: at(0.025), high: at(0.975) }
}

/// Means over queries.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    pub queries: usize,
    pub recall_at_1: f64,
    pub recall_at_5: f64,
    pub recall_at_10: f64,
    pub recall_at_20: f64,
    pub mean_average_precision: f64,
    pub map_at_r: f64,
    pub r_precision: f64,
    pub ndcg_at_10: f64,
    pub mean_reciprocal_rank: f64,
    pub recall_at_1_interval: Interval,
}

impl Scores {
    /// Rounds of the bootstrap behind [`Self::recall_at_1_interval`].
    pub const ROUNDS: usize = 1000;

    /// `lists` holds the relevance of each query's ranking and its `R`; `groups` the product of each query.
    pub fn of(lists: &[(Vec<bool>, usize)], groups: &[usize]) -> Self {
        if lists.is_empty() {
            return Self::default();
        }
        let mean = |metric: &dyn Fn(&[bool], usize) -> f64| {
            lists.iter().map(|(relevance, total)| metric(relevance, *total)).sum::<f64>() / lists.len() as f64
        };
        let firsts: Vec<f64> = lists.iter().map(|(relevance, _)| recall_at(relevance, 1)).collect();
        Self {
            queries: lists.len(),
            recall_at_1: mean(&|rel, _| recall_at(rel, 1)),
            recall_at_5: mean(&|rel, _| recall_at(rel, 5)),
            recall_at_10: mean(&|rel, _| recall_at(rel, 10)),
            recall_at_20: mean(&|rel, _| recall_at(rel, 20)),
            mean_average_precision: mean(&average_precision),
            map_at_r: mean(&map_at_r),
            r_precision: mean(&r_precision),
            ndcg_at_10: mean(&|rel, total| ndcg_at(rel, total, 10)),
            mean_reciprocal_rank: mean(&|rel, _| reciprocal_rank(rel)),
            recall_at_1_interval: bootstrap(&firsts, groups, Self::ROUNDS, 0),
        }
    }

    /// By name, for a model's card.
    pub fn named(&self) -> [(&'static str, f64); 9] {
        [
            ("recall@1", self.recall_at_1),
            ("recall@5", self.recall_at_5),
            ("recall@10", self.recall_at_10),
            ("recall@20", self.recall_at_20),
            ("mAP", self.mean_average_precision),
            ("MAP@R", self.map_at_r),
            ("R-precision", self.r_precision),
            ("nDCG@10", self.ndcg_at_10),
            ("MRR", self.mean_reciprocal_rank),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: [bool; 5] = [false, true, false, true, true];

    /// Oracle: the published constants for the list 0 1 0 1 1 with R = 3.
    #[test]
    fn metrics_of_a_short_list_equal_the_published_constants() {
        let close = |got: f64, expected: f64| assert!((got - expected).abs() < 5e-7, "{got} instead of {expected}");
        close(average_precision(&LIST, 3), 0.533333);
        close(r_precision(&LIST, 3), 1.0 / 3.0);
        close(map_at_r(&LIST, 3), 1.0 / 6.0);
        close(ndcg_at(&LIST, 3, 5), 0.679731);
        close(reciprocal_rank(&LIST), 0.5);
        assert_eq!([1, 2, 5].map(|k| recall_at(&LIST, k)), [0.0, 1.0, 1.0]);
    }

    /// Oracle: the definitions, evaluated rank by rank from counts, on every list of ten.
    #[test]
    fn metrics_equal_their_definitions_on_every_list_of_ten() {
        for bits in 0_u32..1024 {
            let list: Vec<bool> = (0..10).map(|i| bits >> i & 1 == 1).collect();
            let found = bits.count_ones() as usize;
            for total in [found, found + 2] {
                let hits = |n: usize| list[..n.min(10)].iter().filter(|h| **h).count() as f64;
                let precision = |n: usize| hits(n) / n as f64;
                let r = total.max(1) as f64;
                let over = |n: usize| (1..=n.min(10)).filter(|&i| list[i - 1]).map(precision).sum::<f64>() / r;
                assert!((average_precision(&list, total) - over(10)).abs() < 1e-12);
                assert!((map_at_r(&list, total) - over(total)).abs() < 1e-12);
                assert!((r_precision(&list, total) - hits(total) / r).abs() < 1e-12);
                let gain = |i: usize| 2.0_f64.ln() / (i as f64 + 1.0).ln();
                let best: f64 = (1..=total.min(7)).map(gain).sum();
                let got: f64 = (1..=7).filter(|&i| list[i - 1]).map(gain).sum();
                let expected = if total == 0 { 0.0 } else { got / best };
                assert!((ndcg_at(&list, total, 7) - expected).abs() < 1e-12);
                assert_eq!(recall_at(&list, 3) == 1.0, hits(3) > 0.0);
            }
        }
    }

    #[test]
    fn a_perfect_list_scores_one_and_an_empty_one_zero() {
        let scores = Scores::of(&[(vec![true, true, false], 2), (vec![true, false], 1)], &[0, 1]);
        for (name, value) in scores.named() {
            assert_eq!(value, 1.0, "{name}");
        }
        assert_eq!(Scores::of(&[], &[]), Scores::default());
        assert_eq!(average_precision(&[], 0), 0.0);
    }

    #[test]
    fn ties_and_scores_that_are_no_numbers_count_against_the_model() {
        assert_eq!(ranked_relevance(&[0.5, 0.5, 0.5, 0.9], |i| i == 0 || i == 3), [true, false, false, true]);
        assert_eq!(ranked_relevance(&[f32::NAN, 0.1, -3.0], |i| i == 0), [false, false, true]);
        assert_eq!(ranked_relevance(&[f32::NAN; 3], |i| i == 1), [false, false, true]);
    }

    /// Oracle: the normal approximation of a proportion's standard error.
    #[test]
    fn the_bootstrap_agrees_with_the_normal_approximation_and_repeats() {
        let values: Vec<f64> = (0..400).map(|i| f64::from(u8::from(i % 5 != 0))).collect();
        let alone: Vec<usize> = (0..400).collect();
        let interval = bootstrap(&values, &alone, 4000, 3);
        let half = 1.96 * (0.8_f64 * 0.2 / 400.0).sqrt();
        assert!((interval.low - (0.8 - half)).abs() < 0.006, "{interval:?}");
        assert!((interval.high - (0.8 + half)).abs() < 0.006, "{interval:?}");
        assert_eq!(interval, bootstrap(&values, &alone, 4000, 3));
        // Queries that stand or fall together say less.
        let blocks: Vec<usize> = (0..400).map(|i| i % 40).collect();
        let wider = bootstrap(&values, &blocks, 4000, 3);
        assert!(wider.high - wider.low > 1.5 * (interval.high - interval.low), "{wider:?}");
        assert_eq!(bootstrap(&[], &[], 10, 0), Interval::default());
    }
}
