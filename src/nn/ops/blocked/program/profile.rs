//! Where a network's time goes: every step of its plan, timed in its place in a whole run.

use std::time::Instant;

use super::{Part, Program, Size, View, Work, winograd};
use crate::nn::ops::blocked::map::LANES;

/// One step of a plan, and how long it took for all photos of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct StepTime {
    /// How it is computed: "stem", "1x1", "direct", "Winograd", "max pool", "mean pool", "scale", "gate", "round", "8-bit"; "photos in" and
    /// "map out" are the conversions before the first step and behind the last.
    pub algorithm: &'static str,
    /// Channels, height and width.
    pub input: [usize; 3],
    pub output: [usize; 3],
    /// Of a convolution: height and width of its kernel, its stride down, and its groups.
    pub kernel: Option<(usize, usize)>,
    pub stride: usize,
    pub groups: usize,
    /// Multiplications and additions of the convolution's definition, whatever algorithm computes it; 0 for other steps.
    pub flop: f64,
    pub seconds: f64,
}

impl Program {
    /// One run as [`Program::run`], with the time of each of its parts; `None` where that is `None`.
    pub fn profile(&self, photos: &[f32], n: usize, size: (usize, usize), wanted: View) -> Option<Vec<StepTime>> {
        let sizes = self.sizes(size)?;
        let mut steps = Vec::with_capacity(self.steps.len() + 2);
        let photo = [self.channels(), size.0, size.1];
        steps.push(other("photos in", photo, photo));
        steps.extend(self.steps.iter().map(|step| {
            let at = |view: View| [view.channels, sizes[view.slot].0, sizes[view.slot].1];
            let (mut x, mut y) = (at(step.x), at(step.y));
            match step.work {
                // Words hold several values.
                Work::Int8(.., channels) => x[0] = channels,
                Work::Round(_) => y[0] = x[0],
                _ => {}
            }
            let algorithm = match &step.work {
                Work::Direct(..) if self.slots[step.x.slot].lanes != LANES => "stem",
                Work::Winograd(..) if winograd::fits(y[1], y[2]) => "Winograd",
                Work::Direct(..) | Work::Winograd(..) => "direct",
                Work::MaxPool(_) => "max pool",
                Work::MeanPool(_) => "mean pool",
                Work::Scale(..) => "scale",
                Work::Gate(_) => "gate",
                Work::Round(_) => "round",
                Work::Int8(..) => "8-bit",
            };
            match step.size {
                Size::Conv { kernel, spec } => {
                    let products = n * y.iter().product::<usize>() * x[0] / spec.groups * kernel.0 * kernel.1;
                    StepTime {
                        algorithm: if kernel == (1, 1) && algorithm != "8-bit" { "1x1" } else { algorithm },
                        input: x,
                        output: y,
                        kernel: Some(kernel),
                        stride: spec.stride.0,
                        groups: spec.groups,
                        flop: 2.0 * products as f64,
                        seconds: 0.0,
                    }
                }
                Size::Same | Size::Pool(_) => other(algorithm, x, y),
            }
        }));
        let map = [wanted.channels, sizes[wanted.slot].0, sizes[wanted.slot].1];
        steps.push(other("map out", map, map));
        let last = steps.len() - 1;
        let mut begun = Instant::now();
        self.run_watched(photos, n, size, wanted, &mut |part| {
            let now = Instant::now();
            let place = match part {
                Part::Begin => None,
                Part::Take => Some(0),
                Part::Step(number) => Some(number + 1),
                Part::Give => Some(last),
            };
            if let Some(place) = place {
                steps[place].seconds += (now - begun).as_secs_f64();
            }
            begun = now;
        })?;
        Some(steps)
    }
}

fn other(algorithm: &'static str, input: [usize; 3], output: [usize; 3]) -> StepTime {
    StepTime { algorithm, input, output, kernel: None, stride: 1, groups: 1, flop: 0.0, seconds: 0.0 }
}
