//! How the learning rate goes over a run: a linear warm-up, then a cosine, steps or nothing.

use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Curve {
    Constant,
    #[default]
    Cosine,
    Step,
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
            Curve::Constant => self.peak,
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

    #[test]
    fn steps_multiply_at_the_named_steps() {
        let steps = schedule(Curve::Step);
        assert_eq!([9, 10, 19, 20].map(|step| steps.rate(step)), [0.2, 0.1, 0.1, 0.05]);
        assert_eq!(schedule(Curve::Constant).rate(1000), 0.2);
    }
}
