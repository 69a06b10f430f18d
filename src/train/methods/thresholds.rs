//! How sure a prediction must be before it is taken for a label.

use crate::train::config::ThresholdRule;

/// Share that the mean prediction keeps in a step.
const KEEPS: f64 = 0.99;

/// The present thresholds of all kinds.
#[derive(Clone, Debug, PartialEq)]
pub struct Thresholds {
    rule: ThresholdRule,
    highest: f64,
    /// Running mean of the predicted probabilities, by kind.
    mean: Vec<f64>,
    /// The kind that each item was last surely predicted to be, by item of the dataset.
    latest: Vec<Option<usize>>,
    /// How many of the items are unlabelled.
    unlabelled: usize,
}

impl Thresholds {
    pub fn new(rule: ThresholdRule, highest: f64, kinds: usize, items: usize, unlabelled: usize) -> Self {
        let share = f64::from(1.0 / kinds.max(1) as f32);
        Self { rule, highest, mean: vec![share; kinds], latest: vec![None; items], unlabelled }
    }

    /// What a prediction of each kind needs.
    pub fn now(&self) -> Vec<f64> {
        match self.rule {
            ThresholdRule::Fixed => vec![self.highest; self.mean.len()],
            ThresholdRule::PerClass => {
                let most = self.mean.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
                self.mean.iter().map(|mean| self.highest * mean / most).collect()
            }
            ThresholdRule::Flex => {
                let mut counts = vec![0_usize; self.mean.len()];
                self.latest.iter().flatten().for_each(|kind| counts[*kind] += 1);
                let learnt: usize = counts.iter().sum();
                let most = counts.iter().copied().max().unwrap_or(0).max(self.unlabelled.saturating_sub(learnt)).max(1);
                let share = |count: usize| count as f64 / most as f64;
                // The convex mapping of the paper: little is gained until a kind is well learnt.
                counts.into_iter().map(|count| self.highest * share(count) / (2.0 - share(count))).collect()
            }
        }
    }

    /// Which of these predictions are sure, as kinds; then takes them in. Rows of `probabilities` belong to `items`.
    pub fn judge(&mut self, items: &[usize], probabilities: &[Vec<f64>]) -> Vec<Option<usize>> {
        let needed = self.now();
        let best: Vec<(usize, f64)> = probabilities
            .iter()
            .map(|row| {
                let better = |best: (usize, f64), (kind, p): (usize, &f64)| if *p > best.1 { (kind, *p) } else { best };
                row.iter().enumerate().fold((0, f64::NEG_INFINITY), better)
            })
            .collect();
        let sure = best.iter().map(|&(kind, p)| (p >= needed[kind]).then_some(kind)).collect();
        for (&item, &(kind, p)) in items.iter().zip(&best) {
            // The paper counts by the highest threshold, whatever the kind's own is.
            if p >= self.highest {
                self.latest[item] = Some(kind);
            }
        }
        let n = probabilities.len().max(1) as f64;
        for (kind, mean) in self.mean.iter_mut().enumerate() {
            let batch = probabilities.iter().map(|row| row[kind]).sum::<f64>() / n;
            if !probabilities.is_empty() && batch.is_finite() {
                // As a checkpoint keeps it, so that a resumed run goes on with the same numbers.
                *mean = f64::from((KEEPS * *mean + (1.0 - KEEPS) * batch) as f32);
            }
        }
        sure
    }

    /// Means and latest kinds, -1 for none, for a checkpoint.
    pub fn state(&self) -> (Vec<f32>, Vec<f32>) {
        (
            self.mean.iter().map(|mean| *mean as f32).collect(),
            self.latest.iter().map(|kind| kind.map_or(-1.0, |kind| kind as f32)).collect(),
        )
    }

    /// Takes up what [`Self::state`] gave; `false` where it is of other photos or kinds.
    pub fn restore(&mut self, mean: &[f32], latest: &[f32]) -> bool {
        let fits = mean.len() == self.mean.len()
            && latest.len() == self.latest.len()
            && latest.iter().all(|kind| *kind < self.mean.len() as f32);
        if fits {
            self.mean = mean.iter().map(|mean| f64::from(*mean)).collect();
            self.latest = latest.iter().map(|kind| (*kind >= 0.0).then_some(*kind as usize)).collect();
        }
        fits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fixed_threshold_takes_what_is_sure_enough() {
        let mut fixed = Thresholds::new(ThresholdRule::Fixed, 0.8, 2, 3, 3);
        let sure = fixed.judge(&[0, 1, 2], &[vec![0.8, 0.2], vec![0.21, 0.79], vec![0.1, 0.9]]);
        assert_eq!(sure, [Some(0), None, Some(1)]);
        assert_eq!(fixed.now(), [0.8, 0.8]);
    }

    /// Oracle: the recurrence and the equation of the paper, by hand.
    #[test]
    fn a_kind_that_is_seldom_predicted_needs_less() {
        let mut local = Thresholds::new(ThresholdRule::PerClass, 0.9, 2, 4, 4);
        assert_eq!(local.now(), [0.9, 0.9]);
        local.judge(&[0, 1], &[vec![0.9, 0.1], vec![0.7, 0.3]]);
        let mean = [0.99 * 0.5 + 0.01 * 0.8, 0.99 * 0.5 + 0.01 * 0.2];
        let now = local.now();
        assert!((now[0] - 0.9).abs() < 1e-12 && (now[1] - 0.9 * mean[1] / mean[0]).abs() < 1e-6, "{now:?}");
    }

    /// Oracle: FlexMatch's equations 5 to 7, by hand.
    #[test]
    fn flexible_thresholds_rise_with_what_has_been_learnt() {
        let mut flex = Thresholds::new(ThresholdRule::Flex, 0.9, 2, 6, 6);
        assert_eq!(flex.now(), [0.0, 0.0], "at first everything is taken");
        let row = |first: f64| vec![first, 1.0 - first];
        let sure = flex.judge(&[0, 1, 2], &[row(0.95), row(0.05), row(0.6)]);
        assert_eq!(sure, [Some(0), Some(1), Some(0)]);
        // One sure item of each kind; four of six are not: beta = 1/4, and 1/4 / (2 - 1/4) = 1/7.
        let now = flex.now();
        assert!(now.iter().all(|t| (t - 0.9 / 7.0).abs() < 1e-12), "{now:?}");
        flex.judge(&[2, 3, 4], &[row(0.99), row(0.99), row(0.99)]);
        // Four of the first kind, one of the second, one unknown.
        let now = flex.now();
        assert!((now[0] - 0.9).abs() < 1e-12 && (now[1] - 0.9 * 0.25 / 1.75).abs() < 1e-12, "{now:?}");
        // A changed mind moves the item.
        flex.judge(&[0], &[row(0.01)]);
        assert!((flex.now()[1] - 0.9 * (2.0 / 3.0) / (2.0 - 2.0 / 3.0)).abs() < 1e-12);

        let (mean, latest) = flex.state();
        let mut other = Thresholds::new(ThresholdRule::Flex, 0.9, 2, 6, 6);
        assert!(other.restore(&mean, &latest) && other == flex);
        assert!(!other.restore(&mean, &latest[1..]) && !other.restore(&mean, &[2.0; 6]));
    }
}
