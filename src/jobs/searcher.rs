//! The search thread: owns nothing but its queue; opens projects, ranks, explains.

mod answers;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};

use super::JobError;
use super::gallery::GalleryJob;
use super::gate::Passage;
use super::io::{IoJob, IoQueue};
use super::latest::Latest;
use super::models::place_for;
use super::open::{Engine, Plan, make_ready, open_any, open_sample};
use super::queries::Kept;
use super::recent;
use super::shared::{Closed, Opened, Shared};
use super::study::StudyJob;
use super::types::{DeviceChoice, Event, ExportFormat, FailureOf, GalleryRequest, Question, SearchRequest};
use crate::domain::{
    Arithmetic, CheckpointId, Filters, MatchOptions, PhotoId, PlanView, Progress, QueryId, SearchId, ShelfOptions,
    StopFlag,
};
use crate::nn;
use crate::project::{Paths, Project, Session};
use crate::synth::SampleSpec;

pub(super) enum SearchJob {
    Open {
        path: Option<PathBuf>,
        stop: StopFlag,
    },
    Use {
        checkpoint: CheckpointId,
        stop: StopFlag,
    },
    UseDevice {
        device: DeviceChoice,
        stop: StopFlag,
    },
    UseArithmetic {
        arithmetic: Arithmetic,
        stop: StopFlag,
    },
    Search {
        request: SearchRequest,
        stop: StopFlag,
        rank_stop: StopFlag,
        passage: Passage,
    },
    Rerank {
        query: QueryId,
        options: MatchOptions,
        stop: StopFlag,
        passage: Passage,
    },
    Plan {
        query: QueryId,
        photo: PhotoId,
        options: MatchOptions,
        stop: StopFlag,
    },
    Epsilon {
        query: QueryId,
        photo: PhotoId,
        options: MatchOptions,
        stop: StopFlag,
    },
    Save {
        query: QueryId,
        photo: PhotoId,
        options: MatchOptions,
        view: PlanView,
        path: PathBuf,
    },
    Arrange {
        query: QueryId,
        options: MatchOptions,
        shelf: ShelfOptions,
        limit: usize,
        stop: StopFlag,
        passage: Passage,
    },
    Facets {
        filters: Filters,
    },
    SavePast {
        id: SearchId,
    },
    Export {
        query: QueryId,
        only: BTreeSet<PhotoId>,
        format: ExportFormat,
        path: PathBuf,
    },
    Study {
        query: QueryId,
        photo: PhotoId,
        options: MatchOptions,
        question: Question,
        stop: StopFlag,
    },
    Evidence {
        query: QueryId,
        photo: PhotoId,
        options: MatchOptions,
        path: PathBuf,
    },
}

pub(super) struct SearchThread {
    pub shared: Arc<Shared>,
    pub io: IoQueue,
    pub study: Sender<StudyJob>,
    pub data_dir: PathBuf,
    pub sample: SampleSpec,
    /// A project was asked for before, so that no name means the sample, not the project of last time.
    pub asked_before: Cell<bool>,
    /// Tends a person's own folder of photos.
    pub gallery: Sender<GalleryJob>,
    /// A query whose newest settings are not yet noted among the past searches.
    pub unnoted: Cell<Option<QueryId>>,
    /// Work that goes on when nobody waits for anything else.
    pub later: RefCell<VecDeque<SearchJob>>,
}

/// How long a query's settings must rest before they are noted.
const REST: Duration = Duration::from_secs(1);
const FOR_EVER: Duration = Duration::from_secs(3600);

/// What a job gives: a sentence for the window, or the news that there is no window any more.
pub(super) type Done = Result<Result<(), JobError>, Closed>;

/// `?` for the inner of the two results.
macro_rules! attempt {
    ($result:expr) => {
        match $result {
            Ok(value) => value,
            Err(error) => return Ok(Err(error.into())),
        }
    };
}
pub(super) use attempt;

impl SearchThread {
    pub fn run(self, jobs: &Receiver<SearchJob>) {
        loop {
            let waiting = !self.later.borrow().is_empty();
            let rest = match (waiting, self.unnoted.get()) {
                (true, _) => Duration::ZERO,
                (false, Some(_)) => REST,
                (false, None) => FOR_EVER,
            };
            let done = match jobs.recv_timeout(rest) {
                Ok(job) => self.serve(job),
                Err(RecvTimeoutError::Timeout) => {
                    let later = self.later.borrow_mut().pop_front();
                    later.map_or_else(|| self.note_unnoted(), |job| self.serve(job))
                }
                Err(RecvTimeoutError::Disconnected) => break,
            };
            if done.is_err() {
                break;
            }
        }
        // The window may be gone; what it searched for is noted all the same.
        let _ = self.note_unnoted();
    }

    fn serve(&self, job: SearchJob) -> Result<(), Closed> {
        let shared = &self.shared;
        if matches!(job, SearchJob::Open { .. } | SearchJob::Use { .. } | SearchJob::Search { .. }) {
            self.note_unnoted()?;
        }
        match job {
            SearchJob::Arrange { query, options, shelf, limit, stop, passage } => {
                let done =
                    shared.attempt(FailureOf::Query(query), || self.arrange(query, &options, (shelf, limit), &stop));
                shared.leave(passage);
                done
            }
            SearchJob::Facets { filters } => shared.attempt(FailureOf::Shelf, || self.facets(&filters)),
            SearchJob::SavePast { id } => shared.attempt(FailureOf::Shelf, || self.save_past(id)),
            SearchJob::Export { query, only, format, path } => {
                shared.attempt(FailureOf::Saving, || self.export(query, &only, format, path))
            }
            SearchJob::Open { path, stop } => {
                let done = shared.attempt(FailureOf::Project, || self.open(path.as_deref(), &stop));
                shared.prepare(None);
                done
            }
            SearchJob::Use { checkpoint, stop } => {
                let done = shared.attempt(FailureOf::Model, || self.use_model(&checkpoint, &stop));
                shared.prepare(None);
                done
            }
            SearchJob::UseDevice { device, stop } => {
                let done = shared.attempt(FailureOf::Device, || self.use_device(device, &stop));
                shared.prepare(None);
                done
            }
            SearchJob::UseArithmetic { arithmetic, stop } => {
                let done = shared.attempt(FailureOf::Arithmetic, || self.use_arithmetic(arithmetic, &stop));
                shared.prepare(None);
                done
            }
            SearchJob::Search { request, stop, rank_stop, passage } => {
                let of = FailureOf::Query(request.query);
                let done = shared.attempt(of, || self.search(&request, &stop, &rank_stop));
                shared.leave(passage);
                done
            }
            SearchJob::Rerank { query, options, stop, passage } => {
                let mut more = false;
                let gathered = shared.attempt(FailureOf::Query(query), || {
                    more = attempt!(self.gather_for(query, &options, &stop));
                    Ok(Ok(()))
                });
                if gathered.is_ok() && more {
                    self.later.borrow_mut().push_back(SearchJob::Rerank { query, options, stop, passage });
                    return Ok(());
                }
                let done = shared.attempt(FailureOf::Query(query), || self.rerank(query, &options, &stop));
                shared.leave(passage);
                done
            }
            SearchJob::Plan { query, photo, options, stop } => {
                if stop.is_stopped() || shared.is_stale(query) {
                    return Ok(());
                }
                shared.attempt(FailureOf::Plan(query, photo.clone()), || {
                    let plan = Arc::new(attempt!(self.plan(query, &photo, options)));
                    shared.events.send(Event::PlanReady { query, photo, plan }).map(Ok)
                })
            }
            SearchJob::Epsilon { query, photo, options, stop } => {
                shared.attempt(FailureOf::Epsilon, || Ok(self.study_epsilon(query, &photo, &options, &stop)))
            }
            SearchJob::Save { query, photo, options, view, path } => shared.attempt(FailureOf::Saving, || {
                let plan = attempt!(self.plan(query, &photo, options));
                // The picture is drawn where writing a file makes nobody wait.
                self.io.push(IoJob::SavePlan { plan: Box::new(plan), view, path });
                Ok(Ok(()))
            }),
            SearchJob::Study { query, photo, options, question, stop } => {
                if stop.is_stopped() || shared.is_stale(query) {
                    return Ok(());
                }
                shared.attempt(FailureOf::Study(query, photo.clone()), || {
                    let case = Box::new(attempt!(self.case(query, &photo, options, &question, &stop)));
                    // Gone only where a bug ended the thread.
                    let _ = self.study.send(StudyJob::Ask { query, case, question, stop });
                    Ok(Ok(()))
                })
            }
            SearchJob::Evidence { query, photo, options, path } => shared.attempt(FailureOf::Saving, || {
                let draft = attempt!(self.draft(query, &photo, options));
                self.io.push(IoJob::SaveEvidence { draft: Box::new(draft), path });
                Ok(Ok(()))
            }),
        }
    }

    fn open(&self, path: Option<&Path>, stop: &StopFlag) -> Done {
        let shared = &self.shared;
        let report = |progress: Progress| shared.prepare(Some(progress));
        let session =
            if self.asked_before.replace(true) { Session::default() } else { Session::load_from(&self.data_dir) };
        let sample = self.data_dir.join("sample");
        let wanted = path.map(Path::to_owned).or(session.project);
        let project = match wanted.filter(|dir| !same_place(dir, &sample)) {
            Some(dir) => match self.open_or_keep(&dir, stop, &report) {
                Ok(opened) => opened,
                Err(error) if path.is_none() => {
                    shared
                        .note(&format!("the project of last time cannot be opened, so this is the sample: {error}"))?;
                    attempt!(self.sample_or_keep(&sample, stop, &report))
                }
                Err(error) => return Ok(Err(error)),
            },
            None => attempt!(self.sample_or_keep(&sample, stop, &report)),
        };
        let new = matches!(project, Choice::New(_));
        let opened = match project {
            // The same folder again: its lock is ours already.
            Choice::Kept(opened) => {
                self.to_gallery(GalleryJob::Ask(GalleryRequest::Refresh));
                opened
            }
            Choice::New(project) => {
                let own = project.paths().gallery().is_some();
                let ready = if own {
                    // What is indexed can be searched at once; the gallery thread goes on with the rest.
                    let (arithmetic, device) = place_for(attempt!(project.arithmetic()), &shared.device.get());
                    Plan::of(&project, None, &shared.model_dirs, &device, arithmetic)
                        .and_then(|plan| plan.without_indexing(stop))
                } else {
                    make_ready(&project, None, &shared.model_dirs, &shared.device.get(), stop, &report)
                };
                let ready = attempt!(ready);
                for note in &ready.notes {
                    shared.note(note)?;
                }
                if let Some(why) = project.read_only() {
                    shared.note(&why)?;
                }
                let opened = Arc::new(Opened {
                    paths: project.paths().clone(),
                    project: Mutex::new(*project),
                    engine: Latest::new(Arc::new(ready.engine)),
                });
                // What was under way in the project before is of no use in this one.
                shared.train_stop.get().stop();
                shared.queries().clear();
                shared.knobs.forget();
                shared.opened.set(Some(Arc::clone(&opened)));
                shared.gallery_stop.get().stop();
                opened
            }
        };
        self.remember(&opened);
        shared.prepare(None);
        shared.announce(&opened)?;
        shared.events.send(Event::Recent(recent::list(&self.data_dir)))?;
        if new {
            self.to_gallery(GalleryJob::Tend(opened));
        }
        Ok(Ok(()))
    }

    fn to_gallery(&self, job: GalleryJob) {
        // Gone only where a bug ended the thread.
        let _ = self.gallery.send(job);
    }

    fn remember(&self, opened: &Opened) {
        let root = opened.paths.root();
        let project = std::path::absolute(root).unwrap_or_else(|_| root.to_owned());
        let mut session = Session::load_from(&self.data_dir);
        session.opened(project, opened.project().name().to_owned());
        if let Err(error) = session.save_to(&self.data_dir) {
            // Coming back to the sample next time is no reason to bother anyone now.
            tracing::warn!(target: "seamline", %error, "the session was not saved");
        }
    }

    /// The present model on another device. Where that does not work, all stays as it was.
    fn use_device(&self, wanted: DeviceChoice, stop: &StopFlag) -> Done {
        let shared = &self.shared;
        let device = attempt!(match wanted {
            DeviceChoice::Auto => nn::device::pick("auto"),
            DeviceChoice::Cpu => nn::device::pick("cpu"),
            DeviceChoice::Gpu(index) => nn::device::pick(&nn::device::gpu(index)),
        });
        if let Ok(opened) = shared.opened() {
            let report = |progress: Progress| shared.prepare(Some(progress));
            let checkpoint = opened.engine.get().checkpoint().clone();
            let arithmetic = opened.engine.get().arithmetic();
            let plan = Plan::of(&opened.project(), Some(&checkpoint), &shared.model_dirs, &device, arithmetic);
            let plan = attempt!(plan);
            // Photos of a folder of one's own are embedded by the gallery thread.
            let own = opened.paths.gallery().is_some();
            let ready = if own { plan.without_indexing(stop) } else { plan.carry_out(stop, &report) };
            opened.engine.set(Arc::new(attempt!(ready).engine));
            shared.device.set(device);
            shared.announce(&opened)?;
        } else {
            shared.device.set(device);
        }
        shared.events.send(Event::DeviceReady { device: wanted }).map(Ok)
    }

    /// The present model in another precision, with an index that was made in it. Where that does not work, all stays as
    /// it was.
    fn use_arithmetic(&self, wanted: Arithmetic, stop: &StopFlag) -> Done {
        let shared = &self.shared;
        let opened = attempt!(shared.opened());
        if let Some(sentence) = opened.project().read_only() {
            return Ok(Err(JobError::Options { sentence }));
        }
        let report = |progress: Progress| shared.prepare(Some(progress));
        let checkpoint = opened.engine.get().checkpoint().clone();
        let device = shared.device.get();
        let plan = Plan::of(&opened.project(), Some(&checkpoint), &shared.model_dirs, &device, wanted);
        let ready = attempt!(attempt!(plan).carry_out(stop, &report));
        attempt!(opened.project().set_arithmetic(wanted));
        opened.engine.set(Arc::new(ready.engine));
        for note in &ready.notes {
            shared.note(note)?;
        }
        shared.announce(&opened).map(Ok)
    }

    fn open_or_keep(&self, dir: &Path, stop: &StopFlag, report: super::open::Report<'_>) -> Result<Choice, JobError> {
        let is_it = |paths: &Paths| {
            same_place(paths.root(), dir) || paths.gallery().is_some_and(|gallery| same_place(gallery, dir))
        };
        match self.shared.opened.get().filter(|opened| is_it(&opened.paths)) {
            Some(opened) => Ok(Choice::Kept(opened)),
            None => Ok(Choice::New(Box::new(open_any(dir, &self.data_dir, stop, report)?))),
        }
    }

    fn sample_or_keep(&self, dir: &Path, stop: &StopFlag, report: super::open::Report<'_>) -> Result<Choice, JobError> {
        match self.shared.opened.get().filter(|opened| same_place(opened.paths.root(), dir)) {
            Some(opened) => Ok(Choice::Kept(opened)),
            None => Ok(Choice::New(Box::new(open_sample(dir, &self.sample, stop, report)?))),
        }
    }

    fn use_model(&self, checkpoint: &CheckpointId, stop: &StopFlag) -> Done {
        let shared = &self.shared;
        let opened = attempt!(shared.opened());
        if let Some(sentence) = opened.project().read_only() {
            return Ok(Err(JobError::Options { sentence }));
        }
        let report = |progress: Progress| shared.prepare(Some(progress));
        let (arithmetic, device) = place_for(opened.engine.get().arithmetic(), &shared.device.get());
        let plan = Plan::of(&opened.project(), Some(checkpoint), &shared.model_dirs, &device, arithmetic);
        let ready = attempt!(attempt!(plan).carry_out(stop, &report));
        attempt!(opened.project().set_current_model(checkpoint));
        opened.engine.set(Arc::new(ready.engine));
        for note in &ready.notes {
            shared.note(note)?;
        }
        shared.announce(&opened).map(Ok)
    }
}

/// What answered a query, as long as its model is the present one.
pub(super) fn engine_of(kept: &Kept, opened: &Opened) -> Arc<Engine> {
    let present = opened.engine.get();
    match &kept.engine {
        Some(engine) if engine.encoded_by() == present.encoded_by() => Arc::clone(engine),
        _ => present,
    }
}

enum Choice {
    Kept(Arc<Opened>),
    New(Box<Project>),
}

fn same_place(a: &Path, b: &Path) -> bool {
    a == b || matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}
