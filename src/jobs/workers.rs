//! The real backend: threads that do what the window asks for.

use std::cell::Cell;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};

use super::gallery::{GalleryJob, GalleryThread};
use super::gate::Gate;
use super::io::{IoJob, IoQueue, IoThread, Savers, ask_path};
use super::latest::Latest;
use super::models::shipped_model_dirs;
use super::queries::QueryBook;
use super::searcher::{SearchJob, SearchThread};
use super::shared::{Events, Shared};
use super::shelve::CatalogueCache;
use super::study::{StudyJob, StudyThread};
use super::train::{STACK_BYTES, TrainJob, TrainThread};
use super::types::{
    Activity, Backend, Event, ExportLine, GalleryRequest, LiveRun, Phase, PlanInfo, Promoting, QueryInfo, Request,
    ShelfRequest, StudyRequest, TrainProgress, TrainingRequest,
};
use super::wake::{Wake, WakeCallback};
use crate::domain::{PlanView, Ranking, StopFlag};
use crate::nn::{NnError, device};
use crate::project::data_dir;
use crate::synth::SampleSpec;
use crate::train::observe::Watch;

/// Draws a plan as PNG; given by whoever knows how to draw. The error is a sentence.
pub type DrawPlan = Box<dyn Fn(&PlanInfo, &PlanView) -> Result<Vec<u8>, String> + Send>;

/// What a sheet of results shows.
pub struct SheetInfo {
    pub query: Arc<QueryInfo>,
    pub ranking: Arc<Ranking>,
    pub lines: Vec<ExportLine>,
    /// Where the photos of the hits lie, in their order.
    pub photos: Vec<PathBuf>,
    pub model: String,
}

/// Draws a result list into a PNG file; given like `DrawPlan`.
pub type SaveSheet = Box<dyn Fn(&SheetInfo, &Path) -> Result<(), String> + Send>;

/// Events that wait for the window at most.
const EVENTS: usize = 64;
/// Steps between two looks at the pictures and layers of a training.
const LOOK_EVERY: usize = 10;
/// How often this process's memory is looked up.
const MEMORY_PAUSE: Duration = Duration::from_secs(1);

/// Where things lie and who is called back.
pub struct Setup {
    /// Holds the sample and the session.
    pub data_dir: PathBuf,
    /// Where shipped models lie.
    pub model_dirs: Vec<PathBuf>,
    /// `auto`, `cpu`, `cuda` or `cuda:N`.
    pub device: String,
    /// What the sample is, where it has to be drawn.
    pub sample: SampleSpec,
    pub draw_plan: DrawPlan,
    pub save_sheet: SaveSheet,
    /// Told that there is something new, at most 30 times a second, from any thread.
    pub wake: WakeCallback,
}

impl Setup {
    /// The usual places on this machine.
    pub fn new(draw_plan: DrawPlan, save_sheet: SaveSheet, wake: WakeCallback) -> Self {
        Self {
            data_dir: data_dir(),
            model_dirs: shipped_model_dirs(),
            device: "auto".to_owned(),
            sample: SampleSpec::default(),
            draw_plan,
            save_sheet,
            wake,
        }
    }
}

/// Why there is no backend.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("a thread could not be started ({0})")]
    Thread(#[from] io::Error),
    #[error(transparent)]
    Device(#[from] NnError),
}

/// The flags of what is under way, so that something newer can end it.
#[derive(Default)]
struct Flags {
    open: StopFlag,
    device: StopFlag,
    search: StopFlag,
    rank: StopFlag,
    plan: StopFlag,
    study: StopFlag,
    epsilon: StopFlag,
}

/// Replaces a flag by a fresh one and sets the old one.
fn renew(flag: &mut StopFlag) -> StopFlag {
    flag.stop();
    *flag = StopFlag::new();
    flag.clone()
}

pub struct Workers {
    shared: Arc<Shared>,
    flags: Flags,
    /// `None` only while it is being dropped, like the senders.
    events: Option<Receiver<Event>>,
    search: Option<Sender<SearchJob>>,
    train: Option<Sender<TrainJob>>,
    gallery: Option<Sender<GalleryJob>>,
    study: Option<Sender<StudyJob>>,
    io: IoQueue,
    wake: Wake,
    threads: Vec<JoinHandle<()>>,
    memory: Cell<Option<(Instant, Option<u64>)>>,
}

impl Workers {
    pub fn start(setup: Setup) -> Result<Self, StartError> {
        let Setup { data_dir, model_dirs, device, sample, draw_plan, save_sheet, wake } = setup;
        let device = device::pick(&device)?;
        let (wake, wake_thread) = Wake::start(wake)?;
        let (event_sender, events) = bounded(EVENTS);
        let shared = Arc::new(Shared {
            events: Events { sender: event_sender, wake: wake.clone() },
            gate: Gate::default(),
            preparing: Latest::new(None),
            training: Latest::new(None),
            live: Latest::new(None),
            promoting: Latest::new(None),
            watch: Arc::new(Watch::new(LOOK_EVERY)),
            studying: Latest::new(None),
            refining: Latest::new(None),
            knobs: Default::default(),
            opened: Latest::new(None),
            queries: Mutex::new(QueryBook::default()),
            newest: AtomicU64::new(0),
            train_stop: Latest::new(StopFlag::new()),
            promote_stop: Latest::new(StopFlag::new()),
            data_dir: data_dir.clone(),
            gallery_stop: Latest::new(StopFlag::new()),
            closing: StopFlag::new(),
            catalogue: CatalogueCache::default(),
            model_dirs,
            device: Latest::new(device),
        });
        let (search_sender, search_jobs) = unbounded();
        let (train_sender, train_jobs) = unbounded();
        let (gallery_sender, gallery_jobs) = unbounded();
        let (study_sender, study_jobs) = unbounded();
        let io = IoQueue::default();
        // Dropped on an early return, it ends the threads that were started by then.
        let mut workers = Self {
            shared: Arc::clone(&shared),
            flags: Flags::default(),
            events: Some(events),
            search: Some(search_sender),
            train: Some(train_sender),
            gallery: Some(gallery_sender.clone()),
            study: Some(study_sender.clone()),
            io: io.clone(),
            wake,
            threads: vec![wake_thread],
            memory: Cell::new(None),
        };
        let search = SearchThread {
            shared: Arc::clone(&shared),
            io: io.clone(),
            study: study_sender,
            data_dir,
            sample: sample.clone(),
            asked_before: Cell::new(false),
            gallery: gallery_sender,
            unnoted: Cell::new(None),
            later: Default::default(),
        };
        workers.spawn("search", None, move || search.run(&search_jobs))?;
        let train = TrainThread { shared: Arc::clone(&shared), sample };
        workers.spawn("train", Some(STACK_BYTES), move || train.run(&train_jobs))?;
        let gallery = GalleryThread { shared: Arc::clone(&shared) };
        workers.spawn("gallery", None, move || gallery.run(&gallery_jobs))?;
        let study = StudyThread { shared: Arc::clone(&shared) };
        workers.spawn("study", None, move || study.run(&study_jobs))?;
        let first =
            IoThread { shared: Arc::clone(&shared), queue: io.clone(), savers: Some(Savers { draw_plan, save_sheet }) };
        workers.spawn("io", None, move || first.run())?;
        if std::thread::available_parallelism().is_ok_and(|cores| cores.get() > 2) {
            let second = IoThread { shared, queue: io, savers: None };
            workers.spawn("io-2", None, move || second.run())?;
        }
        Ok(workers)
    }

    fn spawn(
        &mut self,
        name: &str,
        stack_bytes: Option<usize>,
        run: impl FnOnce() + Send + 'static,
    ) -> Result<(), io::Error> {
        let builder = Builder::new().name(name.to_owned());
        let builder = match stack_bytes {
            Some(bytes) => builder.stack_size(bytes),
            None => builder,
        };
        self.threads.push(builder.spawn(run)?);
        Ok(())
    }

    /// The newest question wins, of questions and files alike.
    fn study(&mut self, request: StudyRequest) {
        match request {
            StudyRequest::Ask { query, photo, options, question } => {
                let stop = renew(&mut self.flags.study);
                self.to_search(SearchJob::Study { query, photo, options, question, stop });
            }
            StudyRequest::Stop => self.flags.study.stop(),
            StudyRequest::SaveEvidence { query, photo, options, path } => {
                self.to_search(SearchJob::Evidence { query, photo, options, path });
            }
            StudyRequest::OpenEvidence { path } => {
                // What is being answered gives way; a question that follows waits for the file.
                renew(&mut self.flags.study);
                if let Some(study) = &self.study {
                    let _ = study.send(StudyJob::Open { path });
                }
            }
        }
    }

    /// One training at a time: a second is not begun.
    fn begin_training(&self, job: impl FnOnce(StopFlag) -> TrainJob) {
        if self.shared.training.get().is_some() {
            return;
        }
        let stop = StopFlag::new();
        self.shared.train_stop.set(stop.clone());
        self.shared.gate.hold(false);
        let what = "Getting ready to train";
        self.shared.training.set(Some(TrainProgress { what, ..TrainProgress::default() }));
        self.to_train(job(stop));
    }

    fn to_train(&self, job: TrainJob) {
        if let Some(train) = &self.train {
            let _ = train.send(job);
        }
    }

    fn training(&mut self, request: TrainingRequest) {
        let shared = &self.shared;
        match request {
            TrainingRequest::Start(start) => self.begin_training(|stop| TrainJob::Recipe { start, stop }),
            TrainingRequest::Resume { run, device } => {
                self.begin_training(|stop| TrainJob::Resume { run, device, stop });
            }
            TrainingRequest::Pause(held) => {
                shared.gate.hold(held && shared.training.get().is_some());
                let phase = if held { Phase::Pausing } else { Phase::Running };
                shared.live.update(|live| show_phase(live, phase));
            }
            TrainingRequest::Watch(wanted) => shared.watch.want(wanted),
            TrainingRequest::Promote { run, step } => {
                if shared.promoting.get().is_some() {
                    return;
                }
                let stop = StopFlag::new();
                shared.promote_stop.set(stop.clone());
                let (what, done, total) = ("Waiting for the step to end", 0, 0);
                shared.promoting.set(Some(Promoting { run: run.clone(), step, what, done, total }));
                self.to_train(TrainJob::Promote { run, step, stop });
            }
            TrainingRequest::StopPromoting => shared.promote_stop.get().stop(),
            TrainingRequest::List => {
                self.io.push(IoJob::ListRecipes);
                self.to_train(TrainJob::List);
            }
            TrainingRequest::Curves { run } => self.io.push(IoJob::ReadCurves { run }),
            TrainingRequest::Check { serial, text } => self.io.push(IoJob::CheckRecipe { serial, text }),
            TrainingRequest::Read { path } => self.io.push(IoJob::ReadRecipe { path }),
            TrainingRequest::Save { path, text } => self.io.push(IoJob::WriteRecipe { path, text }),
        }
    }

    fn to_search(&self, job: SearchJob) {
        if let Some(search) = &self.search {
            // Gone only where a bug ended the thread; the window then hears no answer, but lives.
            let _ = search.send(job);
        }
    }
}

impl Backend for Workers {
    fn submit(&mut self, request: Request) {
        match request {
            Request::OpenProject { path } => {
                let stop = renew(&mut self.flags.open);
                self.to_search(SearchJob::Open { path, stop });
            }
            Request::UseModel { checkpoint } => {
                let stop = renew(&mut self.flags.open);
                self.to_search(SearchJob::Use { checkpoint, stop });
            }
            Request::Search(request) => {
                // The newest search wins: whatever an older one was at, nobody waits for it.
                self.shared.newest.fetch_max(request.query.0, Ordering::AcqRel);
                renew(&mut self.flags.plan);
                renew(&mut self.flags.epsilon);
                let stop = renew(&mut self.flags.search);
                let rank_stop = renew(&mut self.flags.rank);
                let passage = self.shared.gate.enter();
                self.to_search(SearchJob::Search { request, stop, rank_stop, passage });
            }
            Request::Paint { query, paint } => self.shared.knobs.set_paint(query, paint),
            Request::Epsilon { query, photo, options } => {
                let stop = renew(&mut self.flags.epsilon);
                self.to_search(SearchJob::Epsilon { query, photo, options, stop });
            }
            Request::Rerank { query, options } => {
                renew(&mut self.flags.epsilon);
                let stop = renew(&mut self.flags.rank);
                let passage = self.shared.gate.enter();
                self.to_search(SearchJob::Rerank { query, options, stop, passage });
            }
            Request::Products(products) => self.io.push(IoJob::Products { products }),
            Request::ShowPlan { query, photo, options } => {
                renew(&mut self.flags.epsilon);
                let stop = renew(&mut self.flags.plan);
                self.to_search(SearchJob::Plan { query, photo, options, stop });
            }
            Request::SavePlan { query, photo, options, view, path } => {
                self.to_search(SearchJob::Save { query, photo, options, view, path });
            }
            Request::Thumbnail { photo, size_px } => self.io.push_thumbnail(photo, size_px),
            Request::AskPath(dialog) => {
                if let Err(error) = ask_path(&self.shared, dialog) {
                    tracing::error!(target: "seamline", %error, "no thread for the dialog");
                }
            }
            Request::Mark { query, mark } => self.io.push(IoJob::Mark { query, mark }),
            Request::Shelf(ShelfRequest::Edit(edit)) => self.io.push(IoJob::Shelf(edit)),
            Request::Shelf(ShelfRequest::Arrange { query, options, shelf, limit }) => {
                let stop = renew(&mut self.flags.rank);
                let passage = self.shared.gate.enter();
                self.to_search(SearchJob::Arrange { query, options, shelf, limit, stop, passage });
            }
            Request::Shelf(ShelfRequest::Facets { filters }) => self.to_search(SearchJob::Facets { filters }),
            Request::Shelf(ShelfRequest::Save { id }) => self.to_search(SearchJob::SavePast { id }),
            Request::Shelf(ShelfRequest::Export { query, only, format, path }) => {
                self.to_search(SearchJob::Export { query, only, format, path });
            }
            Request::Undo => self.io.push(IoJob::Undo),
            Request::Redo => self.io.push(IoJob::Redo),
            Request::TrainOnCorrections => {
                // Asked for twice, it runs once: a second run would only undo the first.
                if self.shared.training.get().is_some() {
                    return;
                }
                self.begin_training(|stop| TrainJob::Corrections { stop });
            }
            Request::Training(request) => self.training(request),
            Request::LetGo(thing) => self.io.push(IoJob::LetGo(thing)),
            Request::ListRecent => self.io.push(IoJob::ListRecent),
            Request::ListDevices => self.io.push(IoJob::ListDevices),
            Request::UseDevice { device } => {
                let stop = renew(&mut self.flags.device);
                self.to_search(SearchJob::UseDevice { device, stop });
            }
            Request::UseArithmetic { arithmetic } => {
                let stop = renew(&mut self.flags.device);
                self.to_search(SearchJob::UseArithmetic { arithmetic, stop });
            }
            Request::ReadLayout => self.io.push(IoJob::ReadLayout),
            Request::WriteLayout { text } => self.io.push(IoJob::WriteLayout { text }),
            Request::Gallery(request) => {
                if request == GalleryRequest::StopIndexing {
                    self.shared.gallery_stop.get().stop();
                }
                if let Some(gallery) = &self.gallery {
                    let _ = gallery.send(GalleryJob::Ask(request));
                }
            }
            Request::StopTraining => {
                self.shared.train_stop.get().stop();
                self.shared.live.update(|live| show_phase(live, Phase::Stopping));
            }
            Request::Study(request) => self.study(request),
        }
    }

    fn try_next(&mut self) -> Option<Event> {
        self.events.as_ref()?.try_recv().ok()
    }

    fn activity(&self) -> Activity {
        let now = Instant::now();
        let memory = self.memory.get().filter(|(at, _)| now.duration_since(*at) < MEMORY_PAUSE);
        let (_, memory_bytes) = memory.unwrap_or_else(|| (now, memory_bytes()));
        if memory.is_none() {
            self.memory.set(Some((now, memory_bytes)));
        }
        Activity {
            preparing: self.shared.preparing.get(),
            training: self.shared.training.get(),
            live: self.shared.live.get(),
            promoting: self.shared.promoting.get(),
            studying: self.shared.studying.get(),
            refining: self.shared.refining.get(),
            searching: self.shared.gate.is_busy(),
            memory_bytes,
        }
    }
}

impl Drop for Workers {
    /// Flags first, so that work ends; then the receiver, so that nobody waits for room in it; only then the joining.
    fn drop(&mut self) {
        let Flags { open, device, search, rank, plan, study, epsilon } = &self.flags;
        for flag in [open, device, search, rank, plan, study, epsilon] {
            flag.stop();
        }
        self.shared.train_stop.get().stop();
        self.shared.promote_stop.get().stop();
        self.shared.closing.stop();
        self.shared.gallery_stop.get().stop();
        self.events = None;
        self.search = None;
        self.train = None;
        self.gallery = None;
        self.study = None;
        self.io.close();
        self.wake.close();
        for thread in self.threads.drain(..) {
            // A thread that panicked has already told why.
            let _ = thread.join();
        }
    }
}

/// Says at once what a person asked of a run, although its step goes on.
fn show_phase(live: &mut Option<Arc<LiveRun>>, phase: Phase) {
    if let Some(live) = live.as_mut().filter(|live| live.phase != Phase::Preparing) {
        Arc::make_mut(live).phase = phase;
    }
}

/// Bytes of memory that this process holds, where the system tells.
fn memory_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let kilobytes = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    kilobytes.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}
