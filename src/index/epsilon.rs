//! Epsilon under the microscope: what it does to one plan, and how far it may move before the first ranks change.

use std::sync::Arc;

use super::compare::Pairs;
use super::error::IndexError;
use super::search::Searcher;
use crate::domain::{EpsilonHold, EpsilonSample, MatchOptions, PhotoId, Ranking, StopFlag};
use crate::nn::CellFeatures;
use crate::ot::{self, Starts};

/// Values of epsilon that are looked at: equal steps of its logarithm over the range of the slider.
const STEPS: usize = 33;
/// Halvings of the step in which the order changes: the bound is then right to a thousandth.
const HALVINGS: usize = 8;
/// Ranks that shall stay.
const TOP: usize = 5;

/// The values of epsilon, smallest first.
pub fn epsilon_steps() -> Vec<f32> {
    let (low, high) = (*MatchOptions::EPSILON_SHOWN.start(), *MatchOptions::EPSILON_SHOWN.end());
    let step = |i: usize| if i + 1 == STEPS { high } else { low * (high / low).powf(i as f32 / (STEPS - 1) as f32) };
    (0..STEPS).map(step).collect()
}

impl Searcher {
    /// The plan of one pair at each epsilon. `None` when stopped before the end.
    pub fn epsilon_samples(
        &self,
        query: &CellFeatures,
        photo: &PhotoId,
        options: &MatchOptions,
        stop: &StopFlag,
    ) -> Result<Option<Vec<EpsilonSample>>, IndexError> {
        let mut samples = Vec::with_capacity(STEPS);
        for epsilon in epsilon_steps() {
            if stop.is_stopped() {
                return Ok(None);
            }
            let options = MatchOptions { epsilon, ..*options };
            let pair = self.explain(query, photo, &options)?;
            samples.push(EpsilonSample {
                epsilon,
                entropy: ot::plan_entropy(pair.plan.mass()),
                structural: pair.structural,
                iterations: pair.iterations,
                settled: pair.marginal_error < options.tolerance * pair.plan.moved().max(f32::MIN_POSITIVE),
            });
        }
        Ok(Some(samples))
    }

    /// The interval around the present epsilon in which the first five of a re-ranked order stay as they are. `None` when
    /// stopped before the end, or where nothing is re-ranked.
    pub fn epsilon_hold(
        &self,
        query: &CellFeatures,
        global: &Ranking,
        options: &MatchOptions,
        stop: &StopFlag,
    ) -> Option<EpsilonHold> {
        let mut hits: Vec<_> = global.hits.iter().collect();
        hits.sort_by_key(|hit| hit.global_rank);
        let photos: Vec<PhotoId> = hits.iter().take(options.rerank).map(|hit| hit.photo.clone()).collect();
        if photos.is_empty() {
            return None;
        }
        let pairs: Arc<Pairs> = self.pairs(query, &photos, options, stop)?;
        let top = TOP.min(photos.len());
        let at = |epsilon| MatchOptions { epsilon, ..*options };
        // They hold for every epsilon that is looked at, so that most pairs are compared at none.
        let bounds = self.bounds_of(&pairs, &photos, &at(epsilon_steps()[0].min(options.epsilon)));
        let best = |epsilon, starts: Option<&mut Vec<Starts>>| {
            Some(self.best_of((&pairs, &photos), (&bounds, top), &at(epsilon), starts, stop)?.places)
        };
        let mut sure = |epsilon| best(epsilon, None);
        // Neighbouring values begin where the one before ended; only where the order then seems to change is it looked at
        // afresh, since a fresh start is what re-ranking shows.
        let mut starts: Vec<Starts> = Vec::new();
        let mut quick = |epsilon| best(epsilon, Some(&mut starts));
        let now = options.epsilon;
        let (low, high) = hold(now, &epsilon_steps(), &mut quick, &mut sure)?;
        Some(EpsilonHold { top, low, high })
    }
}

/// How far the answer of `sure` at `now` stays on either side, among `steps` (ascending) and to a fraction of a step where
/// it changes. `quick` may be wrong about a change, but is asked first. An excursion between two steps is not seen.
fn hold(
    now: f32,
    steps: &[f32],
    quick: &mut dyn FnMut(f32) -> Option<Vec<usize>>,
    sure: &mut dyn FnMut(f32) -> Option<Vec<usize>>,
) -> Option<(f32, f32)> {
    let present = sure(now)?;
    let mut bound = |steps: &mut dyn Iterator<Item = f32>| -> Option<f32> {
        let mut same = now;
        for step in steps {
            if quick(step)? == present || sure(step)? == present {
                same = step;
                continue;
            }
            let mut other = step;
            for _ in 0..HALVINGS {
                let middle = (same * other).sqrt();
                if sure(middle)? == present { same = middle } else { other = middle }
            }
            break;
        }
        Some(same)
    };
    let low = bound(&mut steps.iter().rev().copied().filter(|&step| step < now))?;
    let high = bound(&mut steps.iter().copied().filter(|&step| step > now))?;
    Some((low, high))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Places of the best `top` scores, best first; of equals the earlier.
    fn first_of(scores: &[f32], top: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..scores.len()).collect();
        order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(a.cmp(&b)));
        order.truncate(top);
        order
    }

    /// Oracle: a thousand values, each looked at.
    fn brute(now: f32, order: &dyn Fn(f32) -> Vec<usize>) -> (f32, f32) {
        let (low, high) = (epsilon_steps()[0], epsilon_steps()[STEPS - 1]);
        let all: Vec<f32> = (0..=4000).map(|i| low * (high / low).powf(i as f32 / 4000.0)).collect();
        let same = |&&epsilon: &&f32| order(epsilon) == order(now);
        let down = all.iter().rev().filter(|e| **e < now).take_while(same).last().copied().unwrap_or(now);
        let up = all.iter().filter(|e| **e > now).take_while(same).last().copied().unwrap_or(now);
        (down, up)
    }

    #[test]
    fn the_interval_is_that_of_looking_at_every_value() {
        // Scores that cross each other at values of their own.
        for seed in 1..12u32 {
            let order = move |epsilon: f32| {
                let scores: Vec<f32> = (0..8u32)
                    .map(|k| {
                        let place = ((k * 7 + seed * 5) % 11) as f32 / 11.0;
                        place + epsilon.ln() * (((k * 3 + seed) % 5) as f32 - 2.0) * 0.03
                    })
                    .collect();
                first_of(&scores, 5)
            };
            for now in [0.006, 0.05, 0.4] {
                let (low, high) =
                    hold(now, &epsilon_steps(), &mut |e| Some(order(e)), &mut |e| Some(order(e))).unwrap();
                let (down, up) = brute(now, &order);
                assert!((low / down - 1.0).abs() < 4e-3, "seed {seed} at {now}: {low} is not {down}");
                assert!((high / up - 1.0).abs() < 4e-3, "seed {seed} at {now}: {high} is not {up}");
            }
        }
    }

    #[test]
    fn a_wrong_hint_of_a_change_is_looked_into() {
        let mut asked = 0;
        let mut sure = |_| {
            asked += 1;
            Some(vec![0])
        };
        let held = hold(0.05, &epsilon_steps(), &mut |_| Some(vec![1]), &mut sure);
        assert_eq!(held, Some((epsilon_steps()[0], epsilon_steps()[STEPS - 1])));
        assert_eq!(asked, 1 + STEPS);
    }

    #[test]
    fn stopped_there_is_no_interval() {
        let mut left = 5;
        let mut sure = |_| {
            left -= 1;
            (left > 0).then(|| vec![0])
        };
        assert_eq!(hold(0.05, &epsilon_steps(), &mut |_| Some(vec![9]), &mut sure), None);
    }

    #[test]
    fn equal_scores_keep_their_order() {
        assert_eq!(first_of(&[0.1, 0.5, 0.5, 0.9], 3), [3, 1, 2]);
        assert_eq!(first_of(&[0.1], 5), [0]);
    }
}
