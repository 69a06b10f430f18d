//! The gallery thread: watches the person's folder of photos, keeps the project in step with it, and indexes what is new
//! while the search thread goes on with what is there.
//!
//! A large folder becomes searchable piece by piece: after a first few photos, then after twice as many each time, the
//! index so far takes the place of the one before. A stop, a crash or a folder that goes away costs nothing that was
//! embedded; the next look goes on from there.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, bounded, never, select};
use notify::event::{AccessKind, AccessMode};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use rayon::{ThreadPool, ThreadPoolBuilder};

use super::JobError;
use super::error::sentence;
use super::intake::{self, Look};
use super::open::{Engine, gallery};
use super::shared::{Closed, Opened, Shared};
use super::types::{Event, FailureOf, GalleryEvent, GalleryRequest, GalleryState};
use crate::domain::{GalleryChange, IntakeReport, PhotoId, Progress, Skipped, StopFlag};
use crate::index::{self, BuildReport, GalleryIndex, GalleryPhoto};
use crate::project::write_beside;

/// How many new photos make the first piece.
const FIRST_PIECE: usize = 64;
/// Quiet time after which a change is looked at, and the longest wait where there is no quiet.
const QUIET: Duration = Duration::from_millis(400);
const AT_LAST: Duration = Duration::from_secs(3);
/// How often the folder is looked for, since a disk that is taken away does not tell.
const LOOK_EVERY: Duration = Duration::from_secs(2);

pub(super) enum GalleryJob {
    /// This project is open now.
    Tend(Arc<Opened>),
    Ask(GalleryRequest),
}

pub(super) struct GalleryThread {
    pub shared: Arc<Shared>,
}

/// The project that is open, where it is over a person's folder.
struct Tended {
    opened: Arc<Opened>,
    folder: PathBuf,
    watch: Option<Watch>,
    list: Option<PathBuf>,
    /// What the folder's names and list gave, and what the photos themselves gave.
    report: IntakeReport,
    unreadable: Vec<Skipped>,
    waiting: usize,
    trouble: Option<String>,
    /// Why changes are not noticed by themselves.
    unwatched: Option<String>,
    /// The person stopped the indexing.
    paused: bool,
}

struct Watch {
    _watcher: RecommendedWatcher,
    /// At most one is waiting: that something changed is all that it says.
    pings: Receiver<()>,
}

impl GalleryThread {
    pub fn run(self, jobs: &Receiver<GalleryJob>) {
        let mut tended: Option<Tended> = None;
        loop {
            let told = match self.next(jobs, tended.as_ref()) {
                Next::Closed => return,
                Next::Job(GalleryJob::Tend(opened)) => {
                    tended = None;
                    // A second asking for the same project finds it tended already.
                    self.tend(opened, &mut tended)
                }
                Next::Job(GalleryJob::Ask(request)) => match &mut tended {
                    Some(tended) => self.ask(tended, request),
                    None => Ok(()),
                },
                Next::Ping => match &mut tended {
                    Some(tended) => {
                        tended.settle();
                        self.refresh(tended)
                    }
                    None => Ok(()),
                },
                Next::Tick => tended.as_mut().map_or(Ok(()), |tended| self.look_for_folder(tended)),
            };
            if told.is_err() {
                return;
            }
        }
    }

    fn next(&self, jobs: &Receiver<GalleryJob>, tended: Option<&Tended>) -> Next {
        let Some(tended) = tended else {
            return jobs.recv().map_or(Next::Closed, Next::Job);
        };
        let silence = never();
        let pings = tended.watch.as_ref().map_or(&silence, |watch| &watch.pings);
        select! {
            recv(jobs) -> job => job.map_or(Next::Closed, Next::Job),
            recv(pings) -> ping => if ping.is_ok() { Next::Ping } else { Next::Tick },
            default(LOOK_EVERY) => Next::Tick,
        }
    }

    fn tend(&self, opened: Arc<Opened>, tended: &mut Option<Tended>) -> Result<(), Closed> {
        let Some(folder) = opened.paths.gallery().map(Path::to_owned) else { return Ok(()) };
        let (report, list, read_only) = {
            let project = opened.project();
            (project.intake_report(), project.attribute_list().ok().flatten(), project.read_only())
        };
        let tended = tended.insert(Tended {
            opened,
            folder,
            watch: None,
            list,
            report,
            unreadable: Vec::new(),
            waiting: 0,
            trouble: None,
            unwatched: None,
            paused: false,
        });
        if let Some(why) = read_only {
            // The one that may write keeps it in step.
            tended.trouble = Some(sentence(&why));
            tended.paused = true;
            return self.tell_state(tended, false);
        }
        tended.watch_folder();
        self.refresh(tended)
    }

    fn ask(&self, tended: &mut Tended, request: GalleryRequest) -> Result<(), Closed> {
        match request {
            GalleryRequest::StopIndexing => {
                tended.paused = true;
                self.tell_state(tended, false)
            }
            GalleryRequest::Refresh => self.refresh_anew(tended),
            GalleryRequest::UseList { path } => {
                let set = tended.opened.project().set_attribute_list(Some(&path));
                match set {
                    Ok(()) => self.refresh_anew(tended),
                    Err(error) => self.shared.fail(&error.into(), FailureOf::Labels),
                }
            }
            GalleryRequest::SaveReport { path } => self.shared.attempt(FailureOf::Saving, || {
                let doing = "save the report";
                let csv = intake::report_csv(&tended.whole_report()).map_err(std::io::Error::other);
                let saved = csv.and_then(|csv| write_beside(&path, &csv));
                match saved {
                    Ok(()) => self.shared.events.send(Event::Saved { path: path.clone() }).map(Ok),
                    Err(source) => Ok(Err(JobError::Io { doing, source, path: path.clone() })),
                }
            }),
        }
    }

    /// As a person asks for it, also where it was stopped before.
    fn refresh_anew(&self, tended: &mut Tended) -> Result<(), Closed> {
        if let Some(why) = tended.opened.project().read_only() {
            return self.shared.fail(&JobError::Options { sentence: why }, FailureOf::Labels);
        }
        tended.paused = false;
        tended.watch_folder();
        self.refresh(tended)
    }

    fn look_for_folder(&self, tended: &mut Tended) -> Result<(), Closed> {
        let there = tended.folder.is_dir();
        if !there && tended.trouble.is_none() {
            tended.watch = None;
            tended.trouble = intake::gone(&tended.folder).map(|text| sentence(&text));
            return self.tell_state(tended, false);
        }
        // Only a folder that was away is looked at again by itself.
        if there && tended.watch.is_none() && tended.trouble.is_some() && !tended.paused {
            tended.watch_folder();
            return self.refresh(tended);
        }
        Ok(())
    }

    /// Looks at the folder, then indexes what is new.
    fn refresh(&self, tended: &mut Tended) -> Result<(), Closed> {
        let stop = StopFlag::new();
        self.shared.gallery_stop.set(stop.clone());
        // Another project may have been opened before the flag was there to be set.
        if !self.shared.is_open(&tended.opened) {
            return Ok(());
        }
        let looked = self.look(tended, &stop);
        let described = match looked {
            Ok(described) => described,
            Err(JobError::Stopped) => return Ok(()),
            Err(error) => {
                tended.watch = tended.watch.take().filter(|_| tended.folder.is_dir());
                let gone = intake::gone(&tended.folder).unwrap_or_else(|| error.to_string());
                tended.trouble = Some(sentence(&gone));
                self.shared.prepare(None);
                return self.tell_state(tended, false);
            }
        };
        tended.trouble = None;
        let change = GalleryChange { attributes: described, ..GalleryChange::default() };
        let told = self.shared.attempt(FailureOf::Project, || match self.index(tended, change, &stop)? {
            Ok(()) | Err(JobError::Stopped) => Ok(Ok(())),
            Err(error) => Ok(Err(error)),
        });
        self.shared.prepare(None);
        told?;
        self.tell_state(tended, false)
    }

    /// How many products are described otherwise now.
    fn look(&self, tended: &mut Tended, stop: &StopFlag) -> Result<usize, JobError> {
        let named = tended.opened.project().attribute_list()?;
        let report = |progress: Progress| self.shared.prepare(Some(progress));
        let look: Look = intake::look(&tended.folder, named.as_deref(), stop, &report)?;
        let diff = intake::take(&mut tended.opened.project(), &look)?;
        tended.report = look.report;
        if tended.list != look.list {
            tended.list = look.list;
            tended.watch_folder();
        }
        Ok(diff.described + diff.moved)
    }

    /// Embeds what the index lacks, piece by piece.
    fn index(
        &self,
        tended: &mut Tended,
        mut change: GalleryChange,
        stop: &StopFlag,
    ) -> Result<Result<(), JobError>, Closed> {
        let pool = pool();
        let mut piece = FIRST_PIECE;
        // What a run that was stopped has embedded belongs to the first piece.
        let engine = tended.opened.engine.get();
        let features = tended.opened.paths.features_of(engine.checkpoint(), engine.arithmetic());
        let mut tried: HashSet<PhotoId> = index::begun(&features, &*engine.encoder);
        loop {
            let engine = tended.opened.engine.get();
            let photos = match gallery(&tended.opened.project()) {
                Ok(photos) => photos,
                Err(error) => return Ok(Err(error)),
            };
            let before = Arc::clone(engine.searcher.index());
            let (asked, rest) = next_piece(&photos, &before, &tried, piece);
            let new = |photo: &&GalleryPhoto| before.row_of(&photo.photo).is_none() && !tried.contains(&photo.photo);
            tended.waiting = photos.iter().filter(new).count();
            if tended.paused {
                return Ok(Ok(()));
            }
            let made = match self.bring_up(tended, &engine, &asked, photos.len(), stop, pool.as_ref()) {
                Ok(made) => made,
                Err(error) => return Ok(Err(error)),
            };
            let Some((after, built)) = made else {
                if !tended.folder.is_dir() {
                    tended.trouble = intake::gone(&tended.folder).map(|text| sentence(&text));
                    tended.watch = None;
                }
                return Ok(Err(JobError::Stopped));
            };
            tended.waiting = rest;
            tried.extend(asked.iter().map(|photo| photo.photo.clone()));
            tended.unreadable = built.skipped.iter().map(|skipped| unreadable(&tended.folder, skipped)).collect();
            change = change.and(difference(&before, &after));
            if !change.is_none() {
                Self::swap(tended, &engine, after);
                self.shared.announce(&tended.opened)?;
                self.shared.events.send(Event::Gallery(GalleryEvent::Changed(std::mem::take(&mut change))))?;
            }
            if let Err(error) = tended.opened.project().save_intake_report(&tended.whole_report()) {
                return Ok(Err(error.into()));
            }
            if rest == 0 {
                return Ok(Ok(()));
            }
            self.tell_state(tended, true)?;
            piece *= 2;
            // Indexing may take hours; the folder does not stand still.
            if tended.watch.as_ref().is_some_and(|watch| watch.pings.try_recv().is_ok()) {
                tended.settle();
                match self.look(tended, stop) {
                    Ok(described) => change.attributes += described,
                    Err(error) => return Ok(Err(error)),
                }
            }
        }
    }

    /// An index of these photos; `None` where it was stopped before its end.
    fn bring_up(
        &self,
        tended: &Tended,
        engine: &Engine,
        asked: &[GalleryPhoto],
        all: usize,
        stop: &StopFlag,
        pool: Option<&ThreadPool>,
    ) -> Result<Option<(GalleryIndex, BuildReport)>, JobError> {
        let features = tended.opened.paths.features_of(engine.checkpoint(), engine.arithmetic());
        if let Some(current) = index::current(&features, &*engine.encoder, asked) {
            return Ok(Some(current));
        }
        let progress = |progress: Progress| {
            self.shared.prepare(Some(Progress { total: all, ..progress }));
            // A photo that went away with its folder is not broken.
            if !tended.folder.is_dir() || self.shared.closing.is_stopped() {
                stop.stop();
            }
            // Whoever searches goes first. The pool is our own, so nobody waits for a thread that waits here.
            self.shared.gate.wait_until_free(stop);
        };
        let build = || index::build(&features, &*engine.encoder, asked, stop, &progress);
        let built = match pool {
            Some(pool) => pool.install(build),
            None => index::build(&features, &*engine.encoder, asked, stop, &|_| {}),
        }?;
        let gone = !tended.folder.is_dir();
        if built.stopped || stop.is_stopped() || gone {
            return Ok(None);
        }
        Ok(Some((GalleryIndex::open_for(&features, &*engine.encoder)?, built)))
    }

    /// Searches use the new index from now on, unless another model searches by now.
    fn swap(tended: &Tended, engine: &Engine, index: GalleryIndex) {
        let next = engine.with_index(index);
        tended.opened.engine.update(|present| {
            if present.encoded_by() == engine.encoded_by() {
                *present = Arc::new(next);
            }
        });
    }

    fn tell_state(&self, tended: &Tended, indexing: bool) -> Result<(), Closed> {
        if !self.shared.is_open(&tended.opened) {
            return Ok(());
        }
        let state = GalleryState {
            folder: tended.folder.clone(),
            list: tended.list.clone(),
            report: Arc::new(tended.whole_report()),
            indexed: tended.opened.engine.get().searcher.index().len(),
            waiting: tended.waiting,
            indexing,
            trouble: tended.trouble.clone(),
        };
        self.shared.events.send(Event::Gallery(GalleryEvent::State(Arc::new(state))))
    }
}

enum Next {
    Closed,
    Job(GalleryJob),
    Ping,
    Tick,
}

impl Tended {
    fn whole_report(&self) -> IntakeReport {
        let mut report = self.report.clone();
        let known: HashSet<&str> = report.skipped.iter().map(|skipped| skipped.file.as_str()).collect();
        let more: Vec<Skipped> =
            self.unreadable.iter().filter(|skipped| !known.contains(skipped.file.as_str())).cloned().collect();
        report.skipped.extend(more);
        report.notes.extend(self.unwatched.clone());
        report
    }

    /// Where the system cannot watch, changes are seen when a person asks for it.
    fn watch_folder(&mut self) {
        let list = self.list.as_deref().filter(|list| !list.starts_with(&self.folder));
        (self.watch, self.unwatched) = match Watch::start(&self.folder, list, self.opened.paths.root()) {
            Ok(watch) => (Some(watch), None),
            Err(error) => (None, Some(format!("Changes in the folder are not noticed by themselves ({error})"))),
        };
    }

    /// Waits until no more changes come, since whoever copies a folder copies many files.
    fn settle(&self) {
        let Some(watch) = &self.watch else { return };
        let begun = Instant::now();
        while begun.elapsed() < AT_LAST {
            match watch.pings.recv_timeout(QUIET) {
                Ok(()) => {}
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return,
            }
        }
    }
}

impl Watch {
    fn start(folder: &Path, list: Option<&Path>, project: &Path) -> notify::Result<Self> {
        let (ping, pings) = bounded(1);
        let (own, list_file) = (project.to_owned(), list.map(Path::to_owned));
        let inside = folder.to_owned();
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            let matters = event.map_or(true, |event| {
                let is_of = |path: &PathBuf| {
                    (path.starts_with(&inside) && !path.starts_with(&own)) || list_file.as_ref() == Some(path)
                };
                is_change(event.kind) && (event.paths.is_empty() || event.paths.iter().any(is_of))
            });
            if matters {
                // One that is waiting already says the same.
                let _ = ping.try_send(());
            }
        })?;
        watcher.watch(folder, RecursiveMode::Recursive)?;
        if let Some(around) = list.and_then(Path::parent) {
            watcher.watch(around, RecursiveMode::NonRecursive)?;
        }
        Ok(Self { _watcher: watcher, pings })
    }
}

/// Reading is no change; our own indexing reads every file.
fn is_change(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) => false,
        _ => true,
    }
}

/// One core stays free for the window and for searches.
fn pool() -> Option<ThreadPool> {
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get().saturating_sub(1).max(1));
    ThreadPoolBuilder::new().num_threads(cores).thread_name(|index| format!("gallery-{index}")).build().ok()
}

/// The photos to index next: all that were indexed or tried, and a piece of the others; and how many are left then.
fn next_piece(
    photos: &[GalleryPhoto],
    index: &GalleryIndex,
    tried: &HashSet<PhotoId>,
    piece: usize,
) -> (Vec<GalleryPhoto>, usize) {
    let mut room = piece;
    let mut asked = Vec::with_capacity(photos.len().min(index.len() + tried.len() + piece));
    for photo in photos {
        if index.row_of(&photo.photo).is_some() || tried.contains(&photo.photo) {
            asked.push(photo.clone());
        } else if room > 0 {
            room -= 1;
            asked.push(photo.clone());
        }
    }
    let rest = photos.len() - asked.len();
    (asked, rest)
}

/// What differs between two indexes. A photo under another name is renamed where its file is the same.
fn difference(before: &GalleryIndex, after: &GalleryIndex) -> GalleryChange {
    let mut change = GalleryChange::default();
    let mut removed: HashMap<&str, usize> = HashMap::new();
    for row in before.rows() {
        if after.row_of(&row.photo).is_none() {
            change.removed += 1;
            *removed.entry(before.content_of(&row.photo).unwrap_or_default()).or_default() += 1;
        }
    }
    for row in after.rows() {
        let now = after.content_of(&row.photo).unwrap_or_default();
        match before.content_of(&row.photo) {
            Some(content) => change.changed += usize::from(content != now),
            None => match removed.get_mut(now).filter(|count| **count > 0) {
                Some(count) => {
                    *count -= 1;
                    change.removed -= 1;
                    change.renamed += 1;
                }
                None => change.added += 1,
            },
        }
    }
    change
}

/// A photo that could not be indexed, by its place in the person's folder.
fn unreadable(folder: &Path, (photo, reason, why): &(PhotoId, crate::domain::SkipReason, String)) -> Skipped {
    let inside = photo.as_str();
    let file = inside.strip_prefix("gallery/").unwrap_or(inside).to_owned();
    // The sentence ends with the whole path; the folder is known.
    let whole = folder.join(&file).display().to_string();
    Skipped { sentence: why.replace(&whole, &file), file, line: None, reason: *reason }
}
