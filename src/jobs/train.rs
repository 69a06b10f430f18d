//! The train thread: fine-tunes on a frozen set of corrections, then exchanges model and index together.

use std::sync::Arc;

use crossbeam_channel::Receiver;
use rayon::ThreadPoolBuilder;

use super::JobError;
use super::learn::Learning;
use super::shared::{Closed, Shared};
use super::types::{Event, FailureOf, TrainProgress};
use crate::domain::StopFlag;
use crate::train::FineTuneConfig;

/// candle walks the graph of a network by recursion. The pool's threads need as much as the train thread itself.
pub(super) const STACK_BYTES: usize = 64 << 20;

pub(super) struct TrainJob {
    pub stop: StopFlag,
}

pub(super) struct TrainThread {
    pub shared: Arc<Shared>,
}

impl TrainThread {
    pub fn run(self, jobs: &Receiver<TrainJob>) {
        while let Ok(job) = jobs.recv() {
            let done = self.shared.attempt(FailureOf::Training, || self.train(&job.stop));
            self.shared.training.set(None);
            self.shared.events.wake.ask();
            if done.is_err() {
                return;
            }
        }
    }

    fn train(&self, stop: &StopFlag) -> Result<Result<(), JobError>, Closed> {
        let shared = &self.shared;
        let opened = match shared.opened() {
            Ok(opened) => opened,
            Err(error) => return Ok(Err(error)),
        };
        let engine = opened.engine.get();
        let device = shared.device.get();
        let learning = Learning {
            project: &opened.project,
            engine: &engine,
            shipped: &shared.model_dirs,
            device: &device,
            config: FineTuneConfig::default(),
            stop,
            report: &|progress| self.show(progress, stop),
        };
        // One core stays free for the window and for searches.
        let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get().saturating_sub(1).max(1));
        let pool = ThreadPoolBuilder::new()
            .num_threads(cores)
            .stack_size(STACK_BYTES)
            .thread_name(|index| format!("train-{index}"))
            .build();
        let learnt = match pool {
            Ok(pool) => pool.install(|| learning.run()),
            Err(_) => learning.run(),
        };
        let learnt = match learnt {
            Ok(learnt) => learnt,
            Err(error) => return Ok(Err(error)),
        };
        for note in &learnt.notes {
            shared.note(note)?;
        }
        // Encoder and index change together, in one assignment; whoever is searching goes on with the pair that it took.
        let changed = learnt.engine.is_some();
        if let Some(engine) = learnt.engine {
            opened.engine.set(Arc::new(engine));
        }
        shared.training.set(None);
        shared.events.send(Event::TrainEnded(Arc::new(learnt.report)))?;
        if changed && shared.is_open(&opened) {
            shared.announce(&opened)?;
        }
        Ok(Ok(()))
    }

    /// Called between steps, so this is where a search goes first.
    fn show(&self, progress: TrainProgress, stop: &StopFlag) {
        self.shared.training.set(Some(progress));
        self.shared.events.wake.ask();
        self.shared.gate.wait_until_free(stop);
    }
}
