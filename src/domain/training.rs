//! What a training run shows of itself: curves, pictures of its present batch, and how its layers fare.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{PhotoDomain, PhotoId, Pixels, ProductId};

/// Points that are kept of a curve at most.
const MOST_POINTS: usize = 1024;

/// One figure over the steps of a run, thinned evenly so that a long run costs no more than a short one. The newest
/// point is always among those told.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainCurve {
    kept: Vec<[f64; 2]>,
    last: Option<[f64; 2]>,
    /// Every so many points one is kept.
    every: usize,
    seen: usize,
}

impl Default for TrainCurve {
    fn default() -> Self {
        Self { kept: Vec::new(), last: None, every: 1, seen: 0 }
    }
}

impl TrainCurve {
    /// A run that goes on from an earlier checkpoint does some steps again: what was known from `x` on is forgotten.
    pub fn push(&mut self, x: f64, y: f64) {
        if self.last.is_some_and(|last| x <= last[0]) {
            self.kept.retain(|point| point[0] < x);
            self.seen = self.kept.len() * self.every;
        }
        self.last = Some([x, y]);
        if self.seen.is_multiple_of(self.every) {
            self.kept.push([x, y]);
        }
        self.seen += 1;
        if self.kept.len() > MOST_POINTS {
            let mut odd = false;
            self.kept.retain(|_| {
                odd = !odd;
                odd
            });
            self.every *= 2;
        }
    }

    /// From the first to the newest.
    pub fn points(&self) -> impl Iterator<Item = [f64; 2]> + '_ {
        let newest = self.last.filter(|last| self.kept.last() != Some(last));
        self.kept.iter().copied().chain(newest)
    }

    pub fn last(&self) -> Option<[f64; 2]> {
        self.last
    }

    /// The value at the newest point that is not after `x`.
    pub fn at(&self, x: f64) -> Option<[f64; 2]> {
        if let Some(last) = self.last.filter(|last| last[0] <= x) {
            return Some(last);
        }
        let after = self.kept.partition_point(|point| point[0] <= x);
        after.checked_sub(1).map(|place| self.kept[place])
    }

    pub fn is_empty(&self) -> bool {
        self.last.is_none()
    }
}

/// All curves of a run, over its steps.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunCurves {
    pub steps: usize,
    pub epochs: usize,
    /// By name: `loss triplet`, `validation recall@1`, `rate`, `images/s`, …
    pub curves: BTreeMap<String, TrainCurve>,
}

impl RunCurves {
    pub fn push(&mut self, name: &str, step: usize, value: f64) {
        if !value.is_finite() {
            return;
        }
        match self.curves.get_mut(name) {
            Some(curve) => curve.push(step as f64, value),
            None => {
                let mut curve = TrainCurve::default();
                curve.push(step as f64, value);
                self.curves.insert(name.to_owned(), curve);
            }
        }
    }

    pub fn get(&self, name: &str) -> Option<&TrainCurve> {
        self.curves.get(name).filter(|curve| !curve.is_empty())
    }

    /// 0 where it is not known.
    pub fn steps_per_epoch(&self) -> f64 {
        if self.epochs == 0 { 0.0 } else { self.steps as f64 / self.epochs as f64 }
    }
}

/// A photo of a batch as the network saw it.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchPicture {
    pub photo: PhotoId,
    pub product: ProductId,
    pub domain: PhotoDomain,
    pub pixels: Arc<Pixels>,
}

/// An anchor whose positive is hardly nearer than its negative, or is not; numbers are places in `Glance::pictures`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HardTriplet {
    pub anchor: usize,
    pub positive: usize,
    pub negative: usize,
    /// Euclidean, between global vectors of length 1.
    pub positive_distance: f64,
    pub negative_distance: f64,
}

/// What the network sees at one step.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Glance {
    pub step: usize,
    pub pictures: Vec<BatchPicture>,
    /// The first so many pictures are views in the order of the batch; the rest only belong to triplets.
    pub views: usize,
    /// The views are two of each photo, one after the other, as a run without labels compares them; it has no triplets.
    pub paired: bool,
    /// Hardest first.
    pub triplets: Vec<HardTriplet>,
}

/// One layer with weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LayerHealth {
    pub name: String,
    /// L2 norms over all weights of the layer, biases and scales too.
    pub weight_norm: f64,
    /// Before clipping.
    pub gradient_norm: f64,
    /// Norm of what the step changed, over the norm of the weights before it.
    pub update_ratio: f64,
}

/// One rectified map, in the order of the network.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RectifierHealth {
    pub channels: usize,
    /// Root mean square of its values.
    pub rms: f64,
    /// Share of values that are 0.
    pub zero: f64,
    /// Share of channels that are 0 everywhere in every photo of the batch: dead units learn nothing.
    pub dead: f64,
}

/// How the layers fare at one step.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Health {
    pub step: usize,
    pub layers: Vec<LayerHealth>,
    pub rectifiers: Vec<RectifierHealth>,
}

impl Health {
    /// Share of all channels of all rectified maps that are dead.
    pub fn dead_share(&self) -> Option<f64> {
        let channels: usize = self.rectifiers.iter().map(|map| map.channels).sum();
        let dead: f64 = self.rectifiers.iter().map(|map| map.dead * map.channels as f64).sum();
        (channels > 0).then(|| dead / channels as f64)
    }

    /// The middle one of the layers' update ratios.
    pub fn median_update(&self) -> Option<f64> {
        let mut ratios: Vec<f64> = self.layers.iter().map(|layer| layer.update_ratio).collect();
        ratios.sort_by(f64::total_cmp);
        ratios.get(ratios.len() / 2).copied()
    }
}

/// Exponential smoothing whose start is not pulled towards 0: each value is the weighted mean of those so far, an
/// earlier one counting `factor` times as much as the next. 0 leaves all as it is.
pub fn smoothed(points: impl Iterator<Item = [f64; 2]>, factor: f64) -> Vec<[f64; 2]> {
    let factor = factor.clamp(0.0, 0.999);
    let (mut sum, mut weight) = (0.0, 0.0);
    points
        .map(|[x, y]| {
            sum = factor * sum + (1.0 - factor) * y;
            weight = factor * weight + (1.0 - factor);
            [x, sum / weight]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_curve_is_thinned_evenly_and_keeps_its_first_and_newest_point() {
        let mut curve = TrainCurve::default();
        for step in 1..=50_000 {
            curve.push(f64::from(step), 1.0 / f64::from(step));
            assert_eq!(curve.points().last(), Some([f64::from(step), 1.0 / f64::from(step)]));
        }
        let points: Vec<[f64; 2]> = curve.points().collect();
        assert!((MOST_POINTS / 2..=MOST_POINTS + 1).contains(&points.len()), "{}", points.len());
        assert_eq!(points[0], [1.0, 1.0]);
        let gaps: Vec<f64> = points.windows(2).map(|pair| pair[1][0] - pair[0][0]).collect();
        let (last, all) = gaps.split_last().unwrap();
        assert!(all.iter().all(|gap| *gap == gaps[0]) && *last <= gaps[0], "evenly");
        assert!(points.iter().all(|[x, y]| *y == 1.0 / x), "values stay with their steps");
    }

    #[test]
    fn steps_that_are_done_again_replace_what_was_known_of_them() {
        let mut curve = TrainCurve::default();
        for step in 1..=10 {
            curve.push(f64::from(step), 0.0);
        }
        for step in 6..=8 {
            curve.push(f64::from(step), 1.0);
        }
        let points: Vec<[f64; 2]> = curve.points().collect();
        let want = [[1.0, 0.0], [2.0, 0.0], [3.0, 0.0], [4.0, 0.0], [5.0, 0.0], [6.0, 1.0], [7.0, 1.0], [8.0, 1.0]];
        assert_eq!(points, want);
        assert_eq!((curve.at(5.5), curve.at(0.5), curve.at(99.0)), (Some([5.0, 0.0]), None, Some([8.0, 1.0])));
    }

    #[test]
    fn smoothing_is_the_weighted_mean_of_all_before() {
        let values = [3.0, 1.0, 4.0, 1.0, 5.0];
        let points = values.iter().enumerate().map(|(x, y)| [x as f64, *y]);
        let smooth = smoothed(points.clone(), 0.6);
        for (n, [_, value]) in smooth.iter().enumerate() {
            // The definition, summed from scratch.
            let weights: Vec<f64> = (0..=n).map(|k| 0.6f64.powi((n - k) as i32)).collect();
            let want = weights.iter().zip(values).map(|(w, v)| w * v).sum::<f64>() / weights.iter().sum::<f64>();
            assert!((value - want).abs() < 1e-12, "{n}");
        }
        assert_eq!(smoothed(points.clone(), 0.0), points.collect::<Vec<_>>());
    }

    #[test]
    fn a_value_that_is_no_number_is_not_drawn() {
        let mut curves = RunCurves { steps: 100, epochs: 4, ..RunCurves::default() };
        curves.push("loss total", 1, f64::NAN);
        assert!(curves.get("loss total").is_none());
        curves.push("loss total", 2, 0.5);
        assert_eq!(curves.get("loss total").and_then(TrainCurve::last), Some([2.0, 0.5]));
        assert_eq!(curves.steps_per_epoch(), 25.0);
    }
}
