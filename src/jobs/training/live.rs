//! Folds what a run tells into what the window shows of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::domain::{RunCurves, RunId};
use crate::jobs::clock;
use crate::jobs::types::{LiveRun, Phase};
use crate::train::{TrainEvent, curves};

/// Curves are copied for the window at most so often.
const PAUSE: Duration = Duration::from_millis(200);

pub struct Live {
    shown: LiveRun,
    curves: RunCurves,
    copied: Option<Instant>,
}

impl Live {
    /// `earlier` are the curves of the sittings before, where the run goes on.
    pub fn new(run: RunId, earlier: RunCurves) -> Self {
        let shown = LiveRun {
            run,
            phase: Phase::Preparing,
            step: 0,
            steps: 0,
            epoch: 0,
            epochs: 0,
            seconds_left: None,
            photos: 0,
            products: 0,
            parameters: 0,
            device: String::new(),
            skipped: 0,
            note: None,
            checkpoint: None,
            curves: Arc::new(earlier.clone()),
            health: None,
            glance: None,
        };
        Self { shown, curves: earlier, copied: None }
    }

    pub fn take(&mut self, event: &TrainEvent) {
        curves::fold(&mut self.curves, event);
        let shown = &mut self.shown;
        match event {
            TrainEvent::Started { step, steps, epochs, photos, products, parameters, device } => {
                (shown.step, shown.steps, shown.epochs) = (*step, *steps, *epochs);
                (shown.photos, shown.products, shown.parameters) = (*photos, *products, *parameters);
                shown.device.clone_from(device);
                shown.phase = Phase::Running;
                self.copied = None;
            }
            TrainEvent::Step { step, steps, epoch, seconds_left, .. } => {
                (shown.step, shown.steps, shown.epoch) = (*step, *steps, *epoch);
                shown.seconds_left = Some(*seconds_left).filter(|seconds| seconds.is_finite());
            }
            TrainEvent::Epoch { .. } | TrainEvent::Probe { .. } | TrainEvent::Ended { .. } => self.copied = None,
            TrainEvent::Checkpoint { step, .. } => shown.checkpoint = Some((*step, clock::seconds() as f64)),
            TrainEvent::Skipped { .. } => shown.skipped += 1,
            TrainEvent::Reading { done, total } => shown.note = Some(format!("Decoding photos: {done} of {total}")),
            TrainEvent::Packed { .. } => shown.note = None,
            TrainEvent::Held { .. } => {}
            TrainEvent::Note { text } => shown.note = Some(crate::jobs::error::sentence(text)),
            TrainEvent::Health(health) => shown.health = Some(Arc::new(health.clone())),
            TrainEvent::Glance(glance) => shown.glance = Some(Arc::clone(glance)),
        }
    }

    pub fn set_phase(&mut self, phase: Phase) {
        self.shown.phase = phase;
    }

    pub fn phase(&self) -> Phase {
        self.shown.phase
    }

    /// What the window is to see now.
    pub fn shown(&mut self) -> Arc<LiveRun> {
        let now = Instant::now();
        if self.copied.is_none_or(|at| now.duration_since(at) >= PAUSE) {
            self.copied = Some(now);
            self.shown.curves = Arc::new(self.curves.clone());
        }
        Arc::new(self.shown.clone())
    }
}
