//! How the learning rate goes over a run: a linear warm-up, then a cosine, steps, drops where a measure stands
//! still, or nothing.

use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Curve {
    Constant,
    #[default]
    Cosine,
    Step,
    /// Falls when a measure no longer improves; see [`Plateau`].
    Plateau,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    pub peak: f64,
    pub curve: Curve,
    pub warmup_steps: usize,
    pub total_steps: usize,
    /// Where the cosine ends, as a share of the peak.
    pub floor: f64,
    /// Steps at which the rate is multiplied by `factor`.
    pub drops: Vec<usize>,
    pub factor: f64,
}

impl Schedule {
    /// The rate of a step, counted from 0. The warm-up's last step has the peak already.
    pub fn rate(&self, step: usize) -> f64 {
        if step < self.warmup_steps {
            return self.peak * (step + 1) as f64 / self.warmup_steps as f64;
        }
        match self.curve {
            Curve::Constant | Curve::Plateau => self.peak,
            Curve::Cosine => {
                let length = self.total_steps.saturating_sub(self.warmup_steps).max(1) as f64;
                let part = ((step - self.warmup_steps) as f64 / length).min(1.0);
                let share = 0.5 * (1.0 + (std::f64::consts::PI * part).cos());
                self.peak * (self.floor + (1.0 - self.floor) * share)
            }
            Curve::Step => {
                let drops = self.drops.iter().filter(|&&at| step >= at).count();
                self.peak * self.factor.powi(drops as i32)
            }
        }
    }
}

/// The best value of a measure so far and how long ago it was. As PyTorch's `ReduceLROnPlateau` with `mode = "max"` and a
/// threshold of 0, except that the drop comes with measurement number `patience` without a better value, not the one after.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Plateau {
    pub best: Option<f64>,
    /// Measurements since the best.
    pub since_best: usize,
    /// Measurements since the best or the last drop.
    pub since_drop: usize,
    /// What the rate is multiplied with.
    pub share: f64,
}

impl Default for Plateau {
    fn default() -> Self {
        Self { best: None, since_best: 0, since_drop: 0, share: 1.0 }
    }
}

impl Plateau {
    /// Takes in a measurement; `true` where it is the best so far. The share falls by `factor` after `patience`
    /// measurements without a better one.
    pub fn take(&mut self, value: f64, patience: usize, factor: f64) -> bool {
        if self.best.is_none_or(|best| value > best) {
            (self.best, self.since_best, self.since_drop) = (Some(value), 0, 0);
            return true;
        }
        self.since_best += 1;
        self.since_drop += 1;
        if self.since_drop >= patience {
            self.share *= factor;
            self.since_drop = 0;
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(curve: Curve) -> Schedule {
        Schedule { peak: 0.2, curve, warmup_steps: 4, total_steps: 24, floor: 0.1, drops: vec![10, 20], factor: 0.5 }
    }

    #[test]
    fn the_warm_up_rises_in_equal_steps_to_the_peak() {
        let rates: Vec<f64> = (0..4).map(|step| schedule(Curve::Cosine).rate(step)).collect();
        for (rate, expected) in rates.iter().zip([0.05, 0.1, 0.15, 0.2]) {
            assert!((rate - expected).abs() < 1e-15, "{rates:?}");
        }
    }

    #[test]
    fn the_cosine_starts_at_the_peak_is_half_way_in_the_middle_and_ends_at_the_floor() {
        let cosine = schedule(Curve::Cosine);
        assert_eq!(cosine.rate(4), 0.2);
        // Half way: floor + half of what is above it.
        assert!((cosine.rate(14) - 0.2 * 0.55).abs() < 1e-15);
        assert!((cosine.rate(24) - 0.02).abs() < 1e-15);
        assert!((cosine.rate(99) - 0.02).abs() < 1e-15);
        assert!((4..24).all(|step| cosine.rate(step + 1) < cosine.rate(step)));
    }

    /// Oracle: counted by hand.
    #[test]
    fn a_plateau_drops_the_rate_after_so_many_measurements_without_a_better_one() {
        let mut plateau = Plateau::default();
        let values = [0.1, 0.3, 0.3, 0.2, 0.25, 0.1, 0.4, 0.1, 0.39];
        let seen: Vec<(bool, f64)> = values.iter().map(|&value| (plateau.take(value, 2, 0.5), plateau.share)).collect();
        let wanted = [
            (true, 1.0),
            (true, 1.0),
            (false, 1.0),
            (false, 0.5),
            (false, 0.5),
            (false, 0.25),
            (true, 0.25),
            (false, 0.25),
            (false, 0.125),
        ];
        assert_eq!(seen, wanted);
        assert_eq!((plateau.best, plateau.since_best), (Some(0.4), 2));
        // Not a number is no better than anything.
        assert!(!plateau.take(f64::NAN, 2, 0.5));
    }

    #[test]
    fn steps_multiply_at_the_named_steps() {
        let steps = schedule(Curve::Step);
        assert_eq!([9, 10, 19, 20].map(|step| steps.rate(step)), [0.2, 0.1, 0.1, 0.05]);
        assert_eq!(schedule(Curve::Constant).rate(1000), 0.2);
    }
}
