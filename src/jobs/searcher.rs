//! The search thread: owns nothing but its queue; opens projects, ranks, explains.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use image::RgbImage;

use super::JobError;
use super::gallery::GalleryJob;
use super::gate::Passage;
use super::io::{IoJob, IoQueue};
use super::latest::Latest;
use super::open::{Engine, Plan, make_ready, open_any, open_sample};
use super::queries::{Also, Kept};
use super::recent;
use super::search::{
    self, Encoded, Found, Known, PlanRequest, Search, Source, choose_crop, describe_query, log_finished, ms_since,
};
use super::shared::{Closed, Opened, Shared};
use super::study::{Case, Matched, StudyJob};
use super::types::{
    AlsoPhoto, DeviceChoice, Event, ExportFormat, FailureOf, GalleryRequest, PlanInfo, QueryPhoto, Question,
    SearchRequest,
};
use crate::data;
use crate::domain::{
    CheckpointId, CropRect, Filters, Layer, MatchOptions, PhotoId, Progress, QueryEdit, QueryId, Ranking, SearchId,
    ShelfOptions, StopFlag,
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
/// Hits whose products are told along with them.
const RECORDS: usize = 400;
/// A photo's source, its pixels, and the boxes that were found in it.
type PhotoOf = (Arc<Source>, Arc<RgbImage>, Option<Arc<Vec<CropRect>>>);

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
            SearchJob::Export { query, format, path } => {
                shared.attempt(FailureOf::Saving, || self.export(query, format, path))
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
            SearchJob::Save { query, photo, options, path } => shared.attempt(FailureOf::Saving, || {
                let plan = attempt!(self.plan(query, &photo, options));
                // The picture is drawn where writing a file makes nobody wait.
                self.io.push(IoJob::SavePlan { plan: Box::new(plan), path });
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
                    Plan::of(&project, None, &shared.model_dirs, &shared.device.get())
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
            let plan = attempt!(Plan::of(&opened.project(), Some(&checkpoint), &shared.model_dirs, &device));
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
        let plan = attempt!(Plan::of(&opened.project(), Some(checkpoint), &shared.model_dirs, &shared.device.get()));
        let ready = attempt!(plan.carry_out(stop, &report));
        attempt!(opened.project().set_current_model(checkpoint));
        opened.engine.set(Arc::new(ready.engine));
        for note in &ready.notes {
            shared.note(note)?;
        }
        shared.announce(&opened).map(Ok)
    }

    fn search(&self, request: &SearchRequest, stop: &StopFlag, rank_stop: &StopFlag) -> Done {
        let shared = &self.shared;
        let query = request.query;
        if stop.is_stopped() {
            return Ok(Ok(()));
        }
        let opened = attempt!(shared.opened());
        let engine = opened.engine.get();
        let start = Instant::now();
        let recipe = &request.recipe;
        let (source, photo, spotted) = attempt!(self.photo_of(&request.photo, recipe.edit, &opened));
        let also = self.also_of(request, &opened)?;
        let decode_ms = ms_since(start);
        if stop.is_stopped() {
            return Ok(Ok(()));
        }
        let known = attempt!(Known::look_up(&opened.project(), &source));
        let (width, height) = recipe.edit.size(photo.width(), photo.height());
        let seen = known.turned(recipe.edit, width, height);
        let crop = attempt!(choose_crop(&photo, request.crop, &seen, &source.label()));
        let mut info = describe_query(&source, &photo, crop, &seen);
        info.edit = recipe.edit;
        info.also =
            also.iter().map(|also| AlsoPhoto { photo: also.photo.clone(), name: also.source.name.clone() }).collect();
        if let Some(spotted) = &spotted {
            info.suggested_crops.extend(named(spotted));
        }
        let info = Arc::new(info);
        let same = shared.queries().same(&source, crop, recipe, &also, engine.checkpoint());
        let (first_look, fresh) = (spotted.is_none(), same.is_none());
        shared.queries().insert(Kept {
            query,
            source: Arc::clone(&source),
            photo: Some(Arc::clone(&photo)),
            known: Arc::new(known),
            info: Arc::clone(&info),
            crop,
            limit: request.limit,
            engine: Some(Arc::clone(&engine)),
            shelf: request.shelf.clone(),
            again: request.again,
            recipe: recipe.clone(),
            also,
            spotted,
            found: None,
        });
        if shared.is_stale(query) {
            return Ok(Ok(()));
        }
        shared.events.send(Event::QueryReady { query, photo: info })?;
        let shelving = attempt!(self.shelving(&opened, &engine, &request.shelf));
        let (options, limit) = (request.options, request.limit);
        let search = Search { engine: &engine, photo: &photo, crop, options, limit, decode_ms, shelving: &shelving };
        let encoded = match same {
            // A box that was searched before is not encoded again.
            Some(features) => Encoded { features, ms: 0.0 },
            None => {
                let kept = attempt!(self.kept(query));
                attempt!(self.composed(&engine, &kept, attempt!(search.encode(stop))))
            }
        };
        // The second stage listens to its own flag, which other knobs set too.
        let global = attempt!(search.rank_globally(encoded));
        self.keep(query, &engine, &global);
        let mut shown = Arc::clone(&global.shown);
        if fresh || options.rerank == 0 {
            self.send_ranking(&opened, query, &shown)?;
        }
        if options.rerank > 0 && options.layer != Layer::Last {
            // Cells of an earlier layer are read in slices, between which others are served.
            let (stop, passage) = (rank_stop.clone(), shared.gate.enter());
            self.later.borrow_mut().push_back(SearchJob::Rerank { query, options, stop, passage });
        } else if options.rerank > 0 {
            let kept = attempt!(self.kept(query));
            let engine = attempt!(self.tuned(&opened, &engine, &kept, &[], &options));
            let found = attempt!(search::rerank(&engine, &global, &options, limit, &shelving, rank_stop));
            self.keep(query, &engine, &found);
            self.send_ranking(&opened, query, &found.shown)?;
            shown = found.shown;
        }
        log_finished(&source, &shown);
        if let Err(error) = self.note(&opened, query)? {
            return Ok(Err(error));
        }
        if first_look { self.spot(query, &engine, &photo, stop) } else { Ok(Ok(())) }
    }

    /// Looks for boxes worth trying, once for a photo; the window hears of them when it has its answer.
    fn spot(&self, query: QueryId, engine: &Engine, photo: &RgbImage, stop: &StopFlag) -> Done {
        if stop.is_stopped() || self.shared.is_stale(query) {
            return Ok(Ok(()));
        }
        let kept = attempt!(self.kept(query));
        let mut known: Vec<CropRect> = kept.info.suggested_crops.iter().map(|(_, part)| *part).collect();
        known.push(CropRect::whole(photo.width(), photo.height()));
        let spotted = match search::spot(&engine.encoder, photo, &known) {
            Ok(spotted) => Arc::new(spotted),
            Err(error) => {
                // The answer is there; boxes to try are an extra.
                tracing::warn!(target: "seamline", %error, "no boxes were suggested");
                return Ok(Ok(()));
            }
        };
        let mut info = kept.info;
        self.shared.queries().update(query, |kept| {
            let mut newer = (*kept.info).clone();
            newer.suggested_crops.extend(named(&spotted));
            info = Arc::new(newer);
            kept.spotted = Some(Arc::clone(&spotted));
            kept.info = Arc::clone(&info);
        });
        if spotted.is_empty() || self.shared.is_stale(query) {
            return Ok(Ok(()));
        }
        self.shared.events.send(Event::QueryReady { query, photo: info }).map(Ok)
    }

    /// A query's features with all that was added to it.
    fn composed(&self, engine: &Engine, kept: &Kept, encoded: Encoded) -> Result<Encoded, JobError> {
        let also = kept.also.iter().map(|also| Ok((also.source.decode()?, also.crop)));
        let also = also.collect::<Result<Vec<_>, JobError>>()?;
        search::compose(engine, encoded, &also, &kept.recipe)
    }

    /// The other photos of the garment. One that cannot be read is left out, and the window hears why.
    fn also_of(&self, request: &SearchRequest, opened: &Opened) -> Result<Vec<Also>, Closed> {
        let before = match &request.photo {
            QueryPhoto::Earlier(query) => self.shared.queries().get(*query).map(|kept| kept.also).unwrap_or_default(),
            _ => Vec::new(),
        };
        let mut all = Vec::new();
        for photo in &request.also {
            if let Some(known) = before.iter().find(|also| &also.photo == photo) {
                all.push(known.clone());
                continue;
            }
            let read = || -> Result<Also, JobError> {
                let (source, pixels, _) = self.photo_of(photo, QueryEdit::default(), opened)?;
                let known = Known::look_up(&opened.project(), &source)?;
                Ok(Also { photo: photo.clone(), crop: known.crop(&pixels), source })
            };
            match read() {
                Ok(also) => all.push(also),
                Err(error) => self.shared.note(&format!("a photo was not added: {error}"))?,
            }
        }
        Ok(all)
    }

    fn rerank(&self, query: QueryId, options: &MatchOptions, stop: &StopFlag) -> Done {
        if stop.is_stopped() || self.shared.is_stale(query) {
            return Ok(Ok(()));
        }
        let opened = attempt!(self.shared.opened());
        let kept = attempt!(self.kept(query));
        let engine = engine_of(&kept, &opened);
        let shelving = attempt!(self.shelving(&opened, &engine, &kept.shelf));
        let found = attempt!(self.found_with(&kept, &engine, options));
        let engine = attempt!(self.tuned(&opened, &engine, &kept, &super::knobs::candidates(&found, options), options));
        let found = attempt!(search::rerank(&engine, &found, options, kept.limit, &shelving, stop));
        self.keep(query, &engine, &found);
        self.unnoted.set(Some(query));
        self.send_ranking(&opened, query, &found.shown).map(Ok)
    }

    /// Reads a few more photos for a re-ranking at an earlier layer; `true` while some are left.
    fn gather_for(&self, query: QueryId, options: &MatchOptions, stop: &StopFlag) -> Result<bool, JobError> {
        if options.layer == Layer::Last || options.rerank == 0 || stop.is_stopped() || self.shared.is_stale(query) {
            self.shared.refine(None);
            return Ok(false);
        }
        let opened = self.shared.opened()?;
        let kept = self.kept(query)?;
        let engine = engine_of(&kept, &opened);
        let found = self.found_with(&kept, &engine, options)?;
        let photos = super::knobs::candidates(&found, options);
        self.gather_slice(&opened, &engine, &kept, &photos, options, stop)
    }

    /// What a question about a match needs.
    fn case(
        &self,
        query: QueryId,
        photo: &PhotoId,
        options: MatchOptions,
        question: &Question,
        stop: &StopFlag,
    ) -> Result<Case, JobError> {
        let opened = self.shared.opened()?;
        let kept = self.kept(query)?;
        kept.one_photo("questions about a match")?;
        let engine = engine_of(&kept, &opened);
        let found = self.found_with(&kept, &engine, &options)?;
        // All that is compared cell by cell, also beyond what is shown, and without rules.
        let ranked = engine.searcher.rerank_given(&found.features, &found.global, &options, stop);
        let ranked = ranked.filter(|_| !stop.is_stopped()).ok_or(JobError::Stopped)?;
        let compared = ranked.hits.iter().filter(|hit| hit.structural.is_some());
        let candidates = compared.map(|hit| hit.photo.clone()).collect();
        let other = match question {
            Question::Above { other } => Some(matched(&opened, other)?),
            Question::Ignore(_) | Question::IgnoreEach(_) | Question::Faithfulness => None,
        };
        Ok(Case {
            photo: self.pixels_of(&kept)?,
            crop: kept.crop,
            features: found.features,
            options,
            matched: matched(&opened, photo)?,
            other,
            candidates,
            engine,
        })
    }

    pub(super) fn plan(&self, query: QueryId, photo: &PhotoId, options: MatchOptions) -> Result<PlanInfo, JobError> {
        let opened = self.shared.opened()?;
        let kept = self.kept(query)?;
        let engine = engine_of(&kept, &opened);
        let found = self.found_with(&kept, &engine, &options)?;
        let engine = self.tuned(&opened, &engine, &kept, std::slice::from_ref(photo), &options)?;
        let pixels = self.pixels_of(&kept)?;
        let not_there = || JobError::NotInGallery { photo: photo.clone() };
        let (gallery, product) = {
            let project = opened.project();
            let row = project.photo(photo)?.ok_or_else(not_there)?;
            let product = row.product.as_ref().map(|product| project.product(product)).transpose()?.flatten();
            (row, product.ok_or_else(not_there)?)
        };
        search::make_plan(PlanRequest {
            engine: &engine,
            found: &found,
            photo: &pixels,
            crop: kept.crop,
            options,
            gallery_path: &opened.paths.photo(&gallery.photo),
            gallery: &gallery,
            product,
        })
    }

    pub(super) fn kept(&self, query: QueryId) -> Result<Kept, JobError> {
        self.shared.queries().get(query).ok_or(JobError::Forgotten { query })
    }

    pub(super) fn keep(&self, query: QueryId, engine: &Engine, found: &Found) {
        let found = (engine.checkpoint().clone(), found.clone());
        self.shared.queries().update(query, |kept| kept.found = Some(found));
    }

    /// What the first stage gave, made anew where another model searches by now.
    pub(super) fn found_with(&self, kept: &Kept, engine: &Engine, options: &MatchOptions) -> Result<Found, JobError> {
        if let Some((checkpoint, found)) = &kept.found
            && checkpoint == engine.checkpoint()
        {
            return Ok(found.clone());
        }
        let photo = self.pixels_of(kept)?;
        let search = Search {
            engine,
            photo: &photo,
            crop: kept.crop,
            options: *options,
            limit: kept.limit,
            decode_ms: 0.0,
            shelving: &self.shelving(&*self.shared.opened()?, engine, &kept.shelf)?,
        };
        let encoded = self.composed(engine, kept, search.encode(&StopFlag::new())?)?;
        let found = search.rank_globally(encoded)?;
        self.keep(kept.query, engine, &found);
        Ok(found)
    }

    pub(super) fn pixels_of(&self, kept: &Kept) -> Result<Arc<RgbImage>, JobError> {
        match &kept.photo {
            Some(photo) => Ok(Arc::clone(photo)),
            None => Ok(Arc::new(data::turned(kept.source.decode()?, kept.recipe.edit))),
        }
    }

    /// A photo, turned, and the boxes that were found in it before.
    fn photo_of(&self, photo: &QueryPhoto, edit: QueryEdit, opened: &Opened) -> Result<PhotoOf, JobError> {
        let source = match photo {
            QueryPhoto::Earlier(query) => {
                let kept = self.kept(*query)?;
                let source = Arc::clone(&kept.source);
                if kept.recipe.edit == edit {
                    return Ok((source, self.pixels_of(&kept)?, kept.spotted.clone()));
                }
                let photo = data::turned(source.decode()?, edit);
                return Ok((source, Arc::new(photo), None));
            }
            QueryPhoto::File(path) => Source::read(path)?,
            QueryPhoto::Project(photo) => Source::read(&opened.paths.photo(photo))?,
            QueryPhoto::Bytes { name, bytes } => Source { name: name.clone(), path: None, bytes: Arc::clone(bytes) },
            QueryPhoto::Clipboard => super::clipboard::picture()?,
        };
        let photo = data::turned(source.decode()?, edit);
        Ok((Arc::new(source), Arc::new(photo), None))
    }

    pub(super) fn send_ranking(&self, opened: &Opened, query: QueryId, ranking: &Arc<Ranking>) -> Result<(), Closed> {
        if self.shared.is_stale(query) {
            return Ok(());
        }
        // The window asks for the others when they come into view.
        let first = ranking.hits.iter().take(RECORDS).map(|hit| &hit.product);
        let products = opened.project().products_named(first);
        match products {
            Ok(products) => {
                let (ranking, products) = (Arc::clone(ranking), Arc::new(products));
                self.shared.events.send(Event::Ranked { query, ranking, products })
            }
            Err(error) => self.shared.fail(&error.into(), FailureOf::Query(query)),
        }
    }
}

/// What answered a query, as long as its model is the present one.
pub(super) fn engine_of(kept: &Kept, opened: &Opened) -> Arc<Engine> {
    let present = opened.engine.get();
    match &kept.engine {
        Some(engine) if engine.checkpoint() == present.checkpoint() => Arc::clone(engine),
        _ => present,
    }
}

/// A photo of the gallery with its product.
fn matched(opened: &Opened, photo: &PhotoId) -> Result<Matched, JobError> {
    let not_there = || JobError::NotInGallery { photo: photo.clone() };
    let project = opened.project();
    let row = project.photo(photo)?.ok_or_else(not_there)?;
    let product = row.product.as_ref().map(|product| project.product(product)).transpose()?.flatten();
    let product = product.ok_or_else(not_there)?;
    Ok(Matched { row, path: opened.paths.photo(photo), product })
}

enum Choice {
    Kept(Arc<Opened>),
    New(Box<Project>),
}

fn same_place(a: &Path, b: &Path) -> bool {
    a == b || matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

/// Names for boxes that nobody named.
fn named(spotted: &[CropRect]) -> impl Iterator<Item = (String, CropRect)> {
    let number = |index: usize| if spotted.len() == 1 { String::new() } else { format!(" {}", index + 1) };
    spotted.iter().enumerate().map(move |(index, part)| (format!("Stands out{}", number(index)), *part))
}
