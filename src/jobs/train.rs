//! The train thread: a recipe from its first step to its last, or a frozen set of corrections; and, between two steps,
//! a checkpoint that is to search from now on. Models and indexes are only ever exchanged together.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use candle_core::Device;
use crossbeam_channel::Receiver;
use rayon::ThreadPoolBuilder;

use super::learn::{self, Learning};
use super::open::open_sample;
use super::promote::promote;
use super::shared::{Closed, Opened, Shared};
use super::training::live::Live;
use super::training::{data, runs};
use super::types::{
    DeviceChoice, Event, FailureOf, Phase, Promoting, RunEnd, StartFrom, TrainProgress, TrainingData, TrainingEvent,
    TrainingStart,
};
use super::{JobError, clock, models};
use crate::data::Dataset;
use crate::domain::{Progress, RunCurves, RunId, StopFlag};
use crate::nn::device;
use crate::project::Project;
use crate::synth::SampleSpec;
use crate::train::record::{self, DataRecord, RunRecord};
use crate::train::{FineTuneConfig, Outcome, RunInfo, Start, TrainConfig, TrainEvent, Trainer, curves, recipe_of};

/// candle walks the graph of a network by recursion. The pool's threads need as much as the train thread itself.
pub(super) const STACK_BYTES: usize = 64 << 20;

pub(super) enum TrainJob {
    Corrections {
        stop: StopFlag,
    },
    Recipe {
        start: TrainingStart,
        stop: StopFlag,
    },
    Resume {
        run: RunId,
        device: DeviceChoice,
        stop: StopFlag,
    },
    Promote {
        run: RunId,
        step: usize,
        stop: StopFlag,
    },
    /// Which data there is and which runs; here, for only this thread knows which one is under way.
    List,
}

pub(super) struct TrainThread {
    pub shared: Arc<Shared>,
    /// What the sample is, where it has to be drawn.
    pub sample: SampleSpec,
}

/// All that a run of a recipe needs before its first step.
#[derive(Clone)]
struct Prepared {
    run: RunId,
    config: TrainConfig,
    dataset: Dataset,
    start: Start,
    info: RunInfo,
    device: Device,
}

type Done = Result<Result<(), JobError>, Closed>;

macro_rules! attempt {
    ($result:expr) => {
        match $result {
            Ok(value) => value,
            Err(error) => return Ok(Err(error.into())),
        }
    };
}

impl TrainThread {
    pub fn run(self, jobs: &Receiver<TrainJob>) {
        let desk = Desk { thread: &self, jobs, later: Mutex::default() };
        while let Some(job) = desk.next() {
            if desk.serve(job).is_err() {
                return;
            }
        }
    }
}

/// What waits to be done, some of it between the steps of a run.
struct Desk<'a> {
    thread: &'a TrainThread,
    jobs: &'a Receiver<TrainJob>,
    later: Mutex<VecDeque<TrainJob>>,
}

impl Desk<'_> {
    fn shared(&self) -> &Arc<Shared> {
        &self.thread.shared
    }

    fn next(&self) -> Option<TrainJob> {
        let waiting = self.later.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        waiting.or_else(|| self.jobs.recv().ok())
    }

    fn serve(&self, job: TrainJob) -> Result<(), Closed> {
        let shared = self.shared();
        let trains = !matches!(job, TrainJob::Promote { .. } | TrainJob::List);
        let done = match job {
            TrainJob::Corrections { stop } => shared.attempt(FailureOf::Training, || self.corrections(&stop)),
            TrainJob::Recipe { start, stop } => {
                shared.attempt(FailureOf::Training, || self.train(&stop, |opened| self.prepare(opened, &start, &stop)))
            }
            TrainJob::Resume { run, device, stop } => shared.attempt(FailureOf::Training, || {
                self.train(&stop, |opened| self.prepare_again(opened, &run, device, &stop))
            }),
            TrainJob::Promote { run, step, stop } => self.promote(&run, step, &stop),
            TrainJob::List => self.list(None),
        };
        if trains {
            shared.training.set(None);
            shared.live.set(None);
            shared.gate.hold(false);
            shared.events.wake.ask();
            done?;
            return self.tell_runs(None);
        }
        done
    }

    /// What may be done between two steps is done; the rest waits for the end of the run.
    fn between_steps(&self, running: Option<&RunId>) -> Result<(), Closed> {
        while let Ok(job) = self.jobs.try_recv() {
            match job {
                // A model that is made of the present one must find it as it was.
                TrainJob::Promote { run, step, stop } if running.is_some() => {
                    self.promote(&run, step, &stop)?;
                    self.tell_runs(running)?;
                }
                TrainJob::List => self.list(running)?,
                job => self.later.lock().unwrap_or_else(PoisonError::into_inner).push_back(job),
            }
        }
        Ok(())
    }

    fn corrections(&self, stop: &StopFlag) -> Done {
        let shared = self.shared();
        let opened = attempt!(shared.opened());
        let engine = opened.engine.get();
        let device = shared.device.get();
        let learning = Learning {
            project: &opened.project,
            engine: &engine,
            shipped: &shared.model_dirs,
            device: &device,
            config: FineTuneConfig::default(),
            stop,
            report: &|progress| {
                // Between steps, so this is where a search goes first.
                shared.training.set(Some(progress));
                shared.events.wake.ask();
                // Whoever is gone is noticed at the end.
                let _ = self.between_steps(None);
                shared.gate.wait_until_free(stop);
            },
        };
        let learnt = attempt!(in_pool(|| learning.run()));
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

    /// Trains what is prepared to its end or until it is stopped.
    fn train(&self, stop: &StopFlag, prepare: impl FnOnce(&Opened) -> Result<Prepared, JobError>) -> Done {
        let shared = self.shared();
        let opened = attempt!(shared.opened());
        let mut prepared = attempt!(prepare(&opened));
        loop {
            match self.train_one(&opened, prepared.clone(), stop)? {
                Ok(Some((config, model))) => {
                    prepared.run = learn::free_run_named(&opened.project(), &config.name);
                    (prepared.config, prepared.start) = (config, Start::From(model));
                }
                Ok(None) => return Ok(Ok(())),
                Err(error) => return Ok(Err(error)),
            }
        }
    }

    /// One run; the recipe of the next stage and the model that it begins with, where there is one and this was finished.
    #[allow(clippy::type_complexity)]
    fn train_one(
        &self,
        opened: &Opened,
        prepared: Prepared,
        stop: &StopFlag,
    ) -> Result<Result<Option<(TrainConfig, PathBuf)>, JobError>, Closed> {
        let shared = self.shared();
        let Prepared { run, config, dataset, start, info, device } = prepared;
        let folder = opened.paths.run(&run);
        let earlier = if start == Start::Resume { curves::read(&folder) } else { RunCurves::default() };
        let mut live = Live::new(run.clone(), earlier);
        let mut closed = false;
        let mut next = None;
        let outcome = in_pool(|| -> Result<Outcome, JobError> {
            let mut trainer = Trainer::new(&config, dataset, &folder, &start, info, &device)?;
            trainer.watched_by(Arc::clone(&shared.watch));
            trainer.keep_photos_in(&opened.paths.photo_cache());
            let mut sink = |event: TrainEvent| {
                live.take(&event);
                let told = match &event {
                    TrainEvent::Started { .. } => {
                        let started = TrainingEvent::Started { run: run.clone() };
                        shared.events.send(Event::Training(started)).and_then(|()| self.tell_runs(Some(&run)))
                    }
                    TrainEvent::Checkpoint { .. } => self.tell_runs(Some(&run)),
                    TrainEvent::Step { .. } => self.wait(&run, &mut live, stop),
                    _ => Ok(()),
                };
                learn::log_event(&event);
                self.show(&run, &mut live, stop);
                if told.is_err() {
                    // The window is gone; what was learnt is saved.
                    closed = true;
                    stop.stop();
                }
            };
            let outcome = trainer.run(stop, &mut sink)?;
            if outcome.finished {
                let stage = trainer.config().next_stage();
                next = stage
                    .map_err(|sentence| JobError::Options { sentence })?
                    .map(|stage| (stage, outcome.model.clone()));
            }
            Ok(outcome)
        });
        if closed {
            return Err(Closed);
        }
        let outcome = attempt!(outcome);
        let Outcome { finished, step, steps, seconds, ref skipped, .. } = outcome;
        let end = RunEnd { run, finished, step, steps, seconds, skipped: skipped.len() };
        shared.training.set(None);
        shared.live.set(None);
        shared.events.send(Event::Training(TrainingEvent::Ended(Arc::new(end)))).map(|()| Ok(next))
    }

    /// Lets searches go first, holds where a person wishes, and does what may be done between two steps.
    fn wait(&self, run: &RunId, live: &mut Live, stop: &StopFlag) -> Result<(), Closed> {
        let gate = &self.shared().gate;
        loop {
            self.between_steps(Some(run))?;
            let phase = if gate.is_held() { Phase::Paused } else { Phase::Running };
            if live.phase() != phase {
                live.set_phase(phase);
                self.show(run, live, stop);
            }
            if gate.wait_a_moment(stop) {
                live.set_phase(Phase::Running);
                return Ok(());
            }
        }
    }

    fn show(&self, run: &RunId, live: &mut Live, stop: &StopFlag) {
        let shared = self.shared();
        let shown = live.shown();
        let last =
            |name: &str| shown.curves.get(name).and_then(|curve| curve.last()).map_or(0.0, |last| last[1] as f32);
        shared.training.set(Some(TrainProgress {
            run: Some(run.clone()),
            what: "Training",
            step: shown.step,
            steps: shown.steps,
            loss: last("loss total"),
            images_per_second: last(curves::IMAGES),
            seconds_left: shown.seconds_left.map(|seconds| seconds as f32),
            losses: Vec::new(),
        }));
        // What a person just asked for is shown at once, although the step goes on.
        let phase = match shown.phase {
            _ if stop.is_stopped() => Phase::Stopping,
            Phase::Running if shared.gate.is_held() => Phase::Pausing,
            phase => phase,
        };
        let mut shown = shown;
        if shown.phase != phase {
            Arc::make_mut(&mut shown).phase = phase;
        }
        shared.live.set(Some(shown));
        shared.events.wake.ask();
    }

    fn prepare(&self, opened: &Opened, start: &TrainingStart, stop: &StopFlag) -> Result<Prepared, JobError> {
        let config = TrainConfig::from_toml(&start.recipe)
            .map_err(|sentence| JobError::Options { sentence: format!("the recipe cannot be used: {sentence}") })?;
        let run = {
            let project = opened.project();
            if let Some(sentence) = project.read_only() {
                return Err(JobError::Options { sentence });
            }
            learn::free_run_named(&project, &config.name)
        };
        self.show_preparing(&run);
        let from = match &start.from {
            StartFrom::Random => Start::Fresh,
            StartFrom::Model(checkpoint) => {
                let (found, _) = models::list_models(Some(&opened.project()), &self.shared().model_dirs);
                let model = found.into_iter().find(|model| model.checkpoint == *checkpoint);
                Start::From(model.ok_or_else(|| JobError::UnknownModel { checkpoint: checkpoint.clone() })?.dir)
            }
        };
        let (name, dataset) = self.dataset(opened, start.data, &config, stop)?;
        let info = RunInfo {
            data: split_of(&name),
            command: format!(
                "seamline train --project {} --config {}",
                opened.paths.root().display(),
                opened.paths.run(&run).join("config.toml").display()
            ),
            created: clock::now(),
        };
        Ok(Prepared { run, config, dataset, start: from, info, device: self.device(start.device)? })
    }

    fn prepare_again(
        &self,
        opened: &Opened,
        run: &RunId,
        device: DeviceChoice,
        stop: &StopFlag,
    ) -> Result<Prepared, JobError> {
        self.show_preparing(run);
        let (name, dataset) = self.dataset_of(opened, run, stop)?;
        let info = RunInfo {
            data: split_of(&name),
            command: format!("seamline train --project {} --resume {run}", opened.paths.root().display()),
            created: clock::now(),
        };
        // The recipe is the run's own.
        let config = TrainConfig::default();
        Ok(Prepared { run: run.clone(), config, dataset, start: Start::Resume, info, device: self.device(device)? })
    }

    /// The run is named before its photos are listed, which takes a while for many.
    fn show_preparing(&self, run: &RunId) {
        let mut live = Live::new(run.clone(), RunCurves::default());
        self.shared().live.set(Some(live.shown()));
        self.shared().events.wake.ask();
    }

    fn device(&self, wanted: DeviceChoice) -> Result<Device, JobError> {
        Ok(match wanted {
            // As the window runs, which may be what the command line said.
            DeviceChoice::Auto => self.shared().device.get(),
            DeviceChoice::Cpu => device::pick("cpu")?,
            DeviceChoice::Gpu(index) => device::pick(&device::gpu(index))?,
        })
    }

    /// The photos, and how they are called.
    fn dataset(
        &self,
        opened: &Opened,
        data: TrainingData,
        config: &TrainConfig,
        stop: &StopFlag,
    ) -> Result<(String, Dataset), JobError> {
        if data == TrainingData::Project || self.sample_dir() == opened.paths.root() {
            let project = opened.project();
            return Ok((project.name().to_owned(), learn::dataset_for(&project, config)?));
        }
        let tell = |progress: Progress| self.shared().prepare(Some(progress));
        let sample = open_sample(&self.sample_dir(), &self.thread.sample, stop, &tell);
        self.shared().prepare(None);
        let sample: Project = sample?;
        Ok((sample.name().to_owned(), learn::dataset_for(&sample, config)?))
    }

    /// The photos that a run learnt from, whatever the next run is to learn from: this project's or the sample's.
    fn dataset_of(&self, opened: &Opened, run: &RunId, stop: &StopFlag) -> Result<(String, Dataset), JobError> {
        let recipe = recipe_of(&opened.paths.run(run))?;
        // A recipe may want outfits that only one of the two has.
        let present = self.dataset(opened, TrainingData::Project, &recipe, stop);
        // Runs of earlier versions have no record.
        let Some(RunRecord { data, .. }) = record::read(&opened.paths.run(run))? else { return present };
        let same = |(name, dataset): &(String, Dataset)| DataRecord::of(name, dataset).hash == data.hash;
        // The trainer says where they have changed since.
        let named = |(name, _): &(String, Dataset)| split_of(name) == data.name;
        if present.as_ref().is_ok_and(same) {
            return present;
        }
        let is_here = present.as_ref().is_ok_and(named);
        if self.sample_dir() != opened.paths.root() && self.sample_dir().join("project.db").is_file() {
            let sample = self.dataset(opened, TrainingData::Sample, &recipe, stop)?;
            if same(&sample) || (named(&sample) && !is_here) {
                return Ok(sample);
            }
        }
        if is_here {
            return present;
        }
        let sentence =
            format!("{run} learnt from {}, which is neither this project nor the sample wardrobe", data.name);
        Err(JobError::Options { sentence })
    }

    fn sample_dir(&self) -> PathBuf {
        self.shared().data_dir.join("sample")
    }

    /// A checkpoint takes the place of the present model once it is indexed and measured.
    fn promote(&self, run: &RunId, step: usize, stop: &StopFlag) -> Result<(), Closed> {
        let shared = self.shared();
        let done = shared.attempt(FailureOf::Promotion, || {
            let opened = attempt!(shared.opened());
            let engine = opened.engine.get();
            let tell = |progress: Progress| {
                let Progress { what, done, total } = progress;
                shared.promoting.set(Some(Promoting { run: run.clone(), step, what, done, total }));
                shared.events.wake.ask();
            };
            let device = shared.device.get();
            let (promotion, proved) = attempt!(promote(&opened.project, &engine, (run, step), &device, stop, &tell));
            for note in &proved.notes {
                shared.note(note)?;
            }
            opened.engine.set(Arc::new(proved.engine));
            shared.promoting.set(None);
            shared.events.send(Event::Training(TrainingEvent::Promoted(Arc::new(promotion))))?;
            if shared.is_open(&opened) {
                shared.announce(&opened)?;
            }
            Ok(Ok(()))
        });
        shared.promoting.set(None);
        shared.events.wake.ask();
        done?;
        self.tell_runs(shared.live.get().map(|live| live.run.clone()).as_ref())
    }

    fn list(&self, running: Option<&RunId>) -> Result<(), Closed> {
        let shared = self.shared();
        shared.attempt(FailureOf::Training, || {
            let opened = attempt!(shared.opened());
            let (name, dataset) = {
                let project = opened.project();
                (project.name().to_owned(), attempt!(learn::dataset(&project)))
            };
            let mut found = vec![data::summary(TrainingData::Project, &name, &dataset)];
            let sample = self.sample_dir();
            if sample != opened.paths.root() && sample.join("project.db").is_file() {
                // Somebody else may have it open; then it is not offered.
                if let Ok(sample) = Project::open(&sample) {
                    let dataset = attempt!(learn::dataset(&sample));
                    found.push(data::summary(TrainingData::Sample, sample.name(), &dataset));
                }
            }
            shared.events.send(Event::Training(TrainingEvent::Data(Arc::new(found)))).map(Ok)
        })?;
        self.tell_runs(running)
    }

    fn tell_runs(&self, running: Option<&RunId>) -> Result<(), Closed> {
        let Ok(opened) = self.shared().opened() else { return Ok(()) };
        let found = runs::list(&opened.paths, running);
        self.shared().events.send(Event::Training(TrainingEvent::Runs(Arc::new(found))))
    }
}

/// What a run of a project's photos learns from, in words.
fn split_of(project: &str) -> String {
    format!("{project}, training split")
}

/// One core stays free for the window and for searches.
fn in_pool<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get().saturating_sub(1).max(1));
    let pool = ThreadPoolBuilder::new()
        .num_threads(cores)
        .stack_size(STACK_BYTES)
        .thread_name(|index| format!("train-{index}"))
        .build();
    match pool {
        Ok(pool) => pool.install(work),
        Err(_) => work(),
    }
}
