//! What the threads of one backend have in common.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use candle_core::Device;
use crossbeam_channel::Sender;

use super::JobError;
use super::gate::{Gate, Passage};
use super::knobs::Knobs;
use super::labels::label_state;
use super::latest::Latest;
use super::open::{Engine, summarise};
use super::queries::QueryBook;
use super::shelve::{Catalogue, CatalogueCache};
use super::types::{Event, Failure, FailureOf, LabelState, LiveRun, Promoting, ShelfEvent, TrainProgress};
use super::wake::Wake;
use crate::domain::{Filters, Progress, QueryId, StopFlag};
use crate::project::{Paths, Project};
use crate::train::observe::Watch;

/// The window is gone, so a worker ends.
pub(super) struct Closed;

/// The way to the window. Waits where 64 events were not yet taken; never once the window is gone.
#[derive(Clone)]
pub(super) struct Events {
    pub sender: Sender<Event>,
    pub wake: Wake,
}

impl Events {
    pub fn send(&self, event: Event) -> Result<(), Closed> {
        // Woken before as well: a full channel is emptied only by a window that is awake.
        if self.sender.is_full() {
            self.wake.ask();
        }
        self.sender.send(event).map_err(|_| Closed)?;
        self.wake.ask();
        Ok(())
    }
}

/// An open project with what searches it.
pub(super) struct Opened {
    pub project: Mutex<Project>,
    pub paths: Paths,
    pub engine: Latest<Arc<Engine>>,
}

impl Opened {
    pub fn project(&self) -> MutexGuard<'_, Project> {
        self.project.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn label_state(&self) -> Result<LabelState, JobError> {
        let engine = self.engine.get();
        label_state(&self.project(), engine.checkpoint())
    }
}

pub(super) struct Shared {
    pub events: Events,
    pub gate: Gate,
    pub preparing: Latest<Option<Progress>>,
    pub training: Latest<Option<TrainProgress>>,
    pub live: Latest<Option<Arc<LiveRun>>>,
    pub promoting: Latest<Option<Promoting>>,
    /// Whether somebody looks at the training's pictures and layers.
    pub watch: Arc<Watch>,
    pub studying: Latest<Option<Progress>>,
    pub refining: Latest<Option<Progress>>,
    pub knobs: Knobs,
    pub opened: Latest<Option<Arc<Opened>>>,
    pub queries: Mutex<QueryBook>,
    pub newest: AtomicU64,
    /// Ends the training that is under way.
    pub train_stop: Latest<StopFlag>,
    pub promote_stop: Latest<StopFlag>,
    /// Where the program keeps what is not part of a project.
    pub data_dir: PathBuf,
    /// Ends the indexing of a person's folder.
    pub gallery_stop: Latest<StopFlag>,
    /// The window is gone.
    pub closing: StopFlag,
    pub catalogue: CatalogueCache,
    pub model_dirs: Vec<PathBuf>,
    pub device: Latest<Device>,
}

impl Shared {
    pub fn opened(&self) -> Result<Arc<Opened>, JobError> {
        self.opened.get().ok_or(JobError::NoProject)
    }

    pub fn is_open(&self, opened: &Arc<Opened>) -> bool {
        self.opened.get().is_some_and(|present| Arc::ptr_eq(&present, opened))
    }

    pub fn queries(&self) -> MutexGuard<'_, QueryBook> {
        self.queries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A later search was asked for, so nobody waits for this one's answers.
    pub fn is_stale(&self, query: QueryId) -> bool {
        query.0 < self.newest.load(Ordering::Acquire)
    }

    pub fn prepare(&self, progress: Option<Progress>) {
        self.preparing.set(progress);
        self.events.wake.ask();
    }

    pub fn note(&self, text: &str) -> Result<(), Closed> {
        self.events.send(Event::Note(super::error::sentence(text)))
    }

    /// A search is answered or dropped. The window hears of it, or it would show that it is searching for ever.
    pub fn leave(&self, passage: Passage) {
        drop(passage);
        self.events.wake.ask();
    }

    /// Tells the window that a project can be searched, or that its model changed.
    pub fn announce(&self, opened: &Opened) -> Result<(), Closed> {
        let engine = opened.engine.get();
        let summary = summarise(&opened.project(), &engine, &self.model_dirs);
        match summary {
            Ok(summary) => self.events.send(Event::ProjectOpened(Arc::new(summary)))?,
            Err(error) => return self.fail(&error, FailureOf::Project),
        }
        self.attempt(FailureOf::Shelf, || {
            self.tell_rules(opened)?;
            self.tell_past(opened)?;
            let facets = self.catalogue(opened, &engine).map(|catalogue| catalogue.columns.facets(&Filters::default()));
            match facets {
                Ok(facets) => self.events.send(Event::Shelf(ShelfEvent::Facets(Arc::new(facets)))).map(Ok),
                Err(error) => Ok(Err(error)),
            }
        })
    }

    /// What is known of the products beside the index of an engine.
    pub fn catalogue(&self, opened: &Opened, engine: &Engine) -> Result<Arc<Catalogue>, JobError> {
        self.catalogue.get(&opened.project(), engine.searcher.index())
    }

    pub fn tell_rules(&self, opened: &Opened) -> Result<(), Closed> {
        let rules = opened.project().rules();
        match rules {
            Ok(rules) => self.events.send(Event::Shelf(ShelfEvent::Rules(Arc::new(rules)))),
            Err(error) => self.fail(&error.into(), FailureOf::Shelf),
        }
    }

    pub fn tell_past(&self, opened: &Opened) -> Result<(), Closed> {
        let past = opened.project().past_searches();
        match past {
            Ok(past) => self.events.send(Event::Shelf(ShelfEvent::Past(Arc::new(past)))),
            Err(error) => self.fail(&error.into(), FailureOf::Shelf),
        }
    }

    pub fn fail(&self, error: &JobError, of: FailureOf) -> Result<(), Closed> {
        match error {
            JobError::Stopped => Ok(()),
            error => self.events.send(Event::Failed(error.failure(of))),
        }
    }

    /// Runs one piece of work. Its error, and even a bug's panic, becomes one sentence: the window goes on.
    pub fn attempt(
        &self,
        of: FailureOf,
        work: impl FnOnce() -> Result<Result<(), JobError>, Closed>,
    ) -> Result<(), Closed> {
        match catch_unwind(AssertUnwindSafe(work)) {
            Ok(done) => match done? {
                Ok(()) => Ok(()),
                Err(error) => {
                    if !matches!(error, JobError::Stopped) {
                        tracing::warn!(target: "seamline", "{error}");
                    }
                    self.fail(&error, of)
                }
            },
            Err(panic) => self.events.send(Event::Failed(Failure {
                of,
                sentence: "This did not work because of a fault in the program; nothing that was saved is lost".into(),
                details: Some(panic_text(&*panic)),
            })),
        }
    }
}

pub(super) fn panic_text(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned())
}
