//! What the knobs of a search need beside its features: what was painted, cells of earlier layers, similarities that are
//! kept between two turns, and epsilon's microscope.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::JobError;
use super::layers::{read_layer, sources};
use super::open::Engine;
use super::queries::Kept;
use super::search::Found;
use super::searcher::{SearchThread, engine_of};
use super::shared::{Opened, Shared};
use super::types::Event;
use crate::domain::{
    CheckpointId, EpsilonStudy, Layer, MatchOptions, Paint, PhotoId, Progress, QueryId, Solver, StopFlag,
};
use crate::index::{self, Beside, KeptPairs, LayerCells};
use crate::nn::CellFeatures;

/// Queries whose paint is kept.
const PAINTS: usize = 16;
/// Bytes of earlier layers' cells that are kept besides those in use.
const LAYER_BYTES: usize = 96 << 20;
/// Photos that are read before whoever waits is served in between.
const SLICE: usize = 6;

/// Shared by the threads of one backend.
#[derive(Default)]
pub(super) struct Knobs {
    paints: Mutex<VecDeque<(QueryId, Arc<Paint>)>>,
    pairs: Arc<KeptPairs>,
    layers: Mutex<LayerCache>,
}

impl Knobs {
    pub fn set_paint(&self, query: QueryId, paint: Arc<Paint>) {
        let mut paints = locked(&self.paints);
        paints.retain(|(other, _)| *other != query);
        paints.push_back((query, paint));
        while paints.len() > PAINTS {
            paints.pop_front();
        }
    }

    pub fn paint(&self, query: QueryId) -> Option<Arc<Paint>> {
        locked(&self.paints).iter().find(|(other, _)| *other == query).map(|(_, paint)| Arc::clone(paint))
    }

    /// Photos of another project may have the same names.
    pub fn forget(&self) {
        locked(&self.paints).clear();
        *locked(&self.layers) = LayerCache::default();
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum Owner {
    Query(QueryId),
    Photo(PhotoId),
}

type LayerKey = (CheckpointId, Layer, Owner);

/// Cells of earlier layers, the oldest let go of first.
#[derive(Default)]
struct LayerCache {
    /// `None` for a photo that could not be read.
    features: HashMap<LayerKey, Option<Arc<CellFeatures>>>,
    order: VecDeque<LayerKey>,
    bytes: usize,
}

impl LayerCache {
    fn get(&self, key: &LayerKey) -> Option<Option<Arc<CellFeatures>>> {
        self.features.get(key).cloned()
    }

    /// What `in_use` says stays, however much it is.
    fn insert(&mut self, key: LayerKey, features: Option<Arc<CellFeatures>>, in_use: &HashSet<LayerKey>) {
        self.bytes += size_of_cells(&features);
        if let Some(before) = self.features.insert(key.clone(), features) {
            self.bytes -= size_of_cells(&before);
        } else {
            self.order.push_back(key);
        }
        let mut looked_at = self.order.len();
        while self.bytes > LAYER_BYTES && looked_at > 0 {
            looked_at -= 1;
            let Some(oldest) = self.order.pop_front() else { return };
            if in_use.contains(&oldest) {
                self.order.push_back(oldest);
            } else if let Some(gone) = self.features.remove(&oldest) {
                self.bytes -= size_of_cells(&gone);
            }
        }
    }
}

fn size_of_cells(features: &Option<Arc<CellFeatures>>) -> usize {
    features.as_ref().map_or(0, |features| 4 * (features.cells.len() + features.globals.len()))
}

/// The photos that a re-ranking compares cell by cell.
pub(super) fn candidates(found: &Found, options: &MatchOptions) -> Vec<PhotoId> {
    let mut hits: Vec<_> = found.global.hits.iter().collect();
    hits.sort_by_key(|hit| hit.global_rank);
    hits.iter().take(options.rerank).map(|hit| hit.photo.clone()).collect()
}

impl SearchThread {
    /// The engine with everything beside it that comparing these photos with a query takes. Features of an earlier layer
    /// that are not there yet are made now, which takes its time (see [`Self::gather_slice`]).
    pub(super) fn tuned(
        &self,
        opened: &Opened,
        engine: &Arc<Engine>,
        kept: &Kept,
        photos: &[PhotoId],
        options: &MatchOptions,
    ) -> Result<Arc<Engine>, JobError> {
        let knobs = &self.shared.knobs;
        let layer = if options.layer == Layer::Last {
            None
        } else {
            let stop = StopFlag::new();
            while self.gather_slice(opened, engine, kept, photos, options, &stop)? {}
            let cache = locked(&knobs.layers);
            let get = |owner| cache.get(&(engine.checkpoint().clone(), options.layer, owner)).flatten();
            let query = get(Owner::Query(kept.query)).ok_or(JobError::Forgotten { query: kept.query })?;
            let gallery = photos.iter().filter_map(|photo| Some((photo.clone(), get(Owner::Photo(photo.clone()))?)));
            Some(Arc::new(LayerCells { layer: options.layer, query, gallery: gallery.collect() }))
        };
        let beside =
            Beside { paint: knobs.paint(kept.query), layer, kept: Some(Arc::clone(&knobs.pairs)), vectors: None };
        Ok(Arc::new(Engine {
            encoder: Arc::clone(&engine.encoder),
            searcher: engine.searcher.with(beside),
            model: engine.model.clone(),
        }))
    }

    /// Makes features of an earlier layer of the next few photos that lack them. `true` while some are left.
    pub(super) fn gather_slice(
        &self,
        opened: &Opened,
        engine: &Engine,
        kept: &Kept,
        photos: &[PhotoId],
        options: &MatchOptions,
        stop: &StopFlag,
    ) -> Result<bool, JobError> {
        if options.layer == Layer::Last {
            return Ok(false);
        }
        if stop.is_stopped() {
            self.shared.refine(None);
            return Err(JobError::Stopped);
        }
        let key = |owner| (engine.checkpoint().clone(), options.layer, owner);
        let in_use: HashSet<LayerKey> = std::iter::once(key(Owner::Query(kept.query)))
            .chain(photos.iter().map(|photo| key(Owner::Photo(photo.clone()))))
            .collect();
        let cache = &self.shared.knobs.layers;
        if locked(cache).get(&key(Owner::Query(kept.query))).is_none() {
            let photo = self.pixels_of(kept)?;
            let features = index::embed_layer(&engine.encoder, options.layer, &photo, Some(kept.crop))?;
            locked(cache).insert(key(Owner::Query(kept.query)), Some(Arc::new(features)), &in_use);
        }
        let missing: Vec<&PhotoId> = {
            let cache = locked(cache);
            photos.iter().filter(|photo| cache.get(&key(Owner::Photo((*photo).clone()))).is_none()).collect()
        };
        let slice: Vec<PhotoId> = missing.iter().take(SLICE).map(|photo| (*photo).clone()).collect();
        let sources = sources(&opened.project(), &slice)?;
        let made = read_layer(&engine.encoder, options.layer, &sources, stop)?;
        for (photo, features) in slice.into_iter().zip(made) {
            locked(cache).insert(key(Owner::Photo(photo)), features, &in_use);
        }
        let left = missing.len().saturating_sub(SLICE);
        let what = if options.layer == Layer::Second { "Reading layer 2" } else { "Reading layer 3" };
        let progress = Progress { what, done: photos.len() - left, total: photos.len() };
        self.shared.refine((left > 0).then_some(progress));
        Ok(left > 0)
    }

    /// Epsilon's part in the present answer, in two steps: the plan's curves, then the interval of the first ranks.
    pub(super) fn study_epsilon(
        &self,
        query: QueryId,
        photo: &PhotoId,
        options: &MatchOptions,
        stop: &StopFlag,
    ) -> Result<(), JobError> {
        if stop.is_stopped() || self.shared.is_stale(query) || options.solver == Solver::Exact {
            return Ok(());
        }
        options.check().map_err(|sentence| JobError::Options { sentence })?;
        let opened = self.shared.opened()?;
        let kept = self.kept(query)?;
        let engine = engine_of(&kept, &opened);
        let found = self.found_with(&kept, &engine, options)?;
        let photos = candidates(&found, options);
        let engine = self.tuned(&opened, &engine, &kept, &photos, options)?;
        let features = &found.features;
        let Some(samples) = engine.searcher.epsilon_samples(features, photo, options, stop)? else {
            return Err(JobError::Stopped);
        };
        let mut study = EpsilonStudy { options: *options, photo: photo.clone(), samples, hold: None };
        let send = |study: &EpsilonStudy| {
            // Where the window is gone nobody waits.
            let _ = self.shared.events.send(Event::Epsilon { query, study: Arc::new(study.clone()) });
        };
        send(&study);
        study.hold = engine.searcher.epsilon_hold(features, &found.global, options, stop);
        if study.hold.is_some() && !stop.is_stopped() {
            send(&study);
        }
        Ok(())
    }
}

impl Shared {
    /// How far earlier layers are read.
    pub fn refine(&self, progress: Option<Progress>) {
        self.refining.set(progress);
        self.events.wake.ask();
    }
}
