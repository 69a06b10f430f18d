//! The search thread's answers about a query: its photo, its ranking in two steps, its plans.

use std::sync::Arc;
use std::time::Instant;

use image::RgbImage;

use crate::data;
use crate::domain::{CropRect, Layer, MatchOptions, PhotoId, QueryEdit, QueryId, Ranking, StopFlag};
use crate::index::combine::Added;
use crate::jobs::JobError;
use crate::jobs::open::Engine;
use crate::jobs::queries::{Also, Kept};
use crate::jobs::search::{
    self, Encoded, Found, Known, PlanRequest, Search, Source, choose_crop, describe_query, log_finished, ms_since,
};
use crate::jobs::shared::{Closed, Opened};
use crate::jobs::shelve::Shelving;
use crate::jobs::study::{self, Case, Matched};
use crate::jobs::types::{AlsoPhoto, Event, FailureOf, PlanInfo, QueryPhoto, Question, SearchRequest};

/// Hits whose products are told along with them.
const RECORDS: usize = 400;
/// A photo's source, its pixels, and the boxes that were found in it.
type PhotoOf = (Arc<Source>, Arc<RgbImage>, Option<Arc<Vec<CropRect>>>);

use super::{Done, SearchJob, SearchThread, attempt, engine_of};

impl SearchThread {
    pub(super) fn search(&self, request: &SearchRequest, stop: &StopFlag, rank_stop: &StopFlag) -> Done {
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
        let kind = seen.kind_in(crop);
        let mut info = describe_query(&source, &photo, crop, &seen);
        info.edit = recipe.edit;
        info.also =
            also.iter().map(|also| AlsoPhoto { photo: also.photo.clone(), name: also.source.name.clone() }).collect();
        if let Some(spotted) = &spotted {
            info.suggested_crops.extend(named(spotted));
        }
        let info = Arc::new(info);
        let same = shared.queries().same(&source, crop, recipe, &also, &engine.encoded_by());
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
        let search =
            Search { engine: &engine, photo: &photo, crop, kind, options, limit, decode_ms, shelving: &shelving };
        let kept = attempt!(self.kept(query));
        let encoded = match same {
            // A box that was searched before is not encoded again.
            Some(features) => Encoded { features, ms: 0.0 },
            None => attempt!(self.composed(&engine, &kept, attempt!(search.encode(stop)))),
        };
        let shelving = attempt!(self.shelving_for(&opened, &engine, &kept, &encoded.features));
        let search = Search { shelving: &shelving, ..search };
        // The second stage listens to its own flag, which other knobs set too.
        let global = attempt!(search.rank_globally(encoded));
        self.keep(query, &engine, &global);
        let mut shown = Arc::clone(&global.shown);
        let compares = options.rerank > 0 && shelving.compares_cells();
        if fresh || !compares {
            self.send_ranking(&opened, query, &shown)?;
        }
        if compares && options.layer != Layer::Last {
            // Cells of an earlier layer are read in slices, between which others are served.
            let (stop, passage) = (rank_stop.clone(), shared.gate.enter());
            self.later.borrow_mut().push_back(SearchJob::Rerank { query, options, stop, passage });
        } else if compares {
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
    pub(super) fn spot(&self, query: QueryId, engine: &Engine, photo: &RgbImage, stop: &StopFlag) -> Done {
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
    pub(super) fn composed(&self, engine: &Engine, kept: &Kept, encoded: Encoded) -> Result<Encoded, JobError> {
        search::compose(engine, encoded, &self.read_also(kept)?, &kept.recipe, kept.kind().as_deref())
    }

    /// The other photos of the garment, with the parts of them that are searched.
    fn read_also(&self, kept: &Kept) -> Result<Vec<(RgbImage, CropRect)>, JobError> {
        kept.also.iter().map(|also| Ok((also.source.decode()?, also.crop))).collect()
    }

    /// The other photos of the garment. One that cannot be read is left out, and the window hears why.
    pub(super) fn also_of(&self, request: &SearchRequest, opened: &Opened) -> Result<Vec<Also>, Closed> {
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

    /// The engine with all that comparing the first photos takes, where they are compared.
    pub(in crate::jobs) fn tuned_for(
        &self,
        opened: &Opened,
        engine: &Arc<Engine>,
        kept: &Kept,
        found: &Found,
        options: &MatchOptions,
    ) -> Result<Arc<Engine>, JobError> {
        if !kept.shelf.goal.is_same_product() {
            return Ok(Arc::clone(engine));
        }
        self.tuned(opened, engine, kept, &crate::jobs::knobs::candidates(found, options), options)
    }

    pub(super) fn rerank(&self, query: QueryId, options: &MatchOptions, stop: &StopFlag) -> Done {
        if stop.is_stopped() || self.shared.is_stale(query) {
            return Ok(Ok(()));
        }
        let opened = attempt!(self.shared.opened());
        let kept = attempt!(self.kept(query));
        let engine = engine_of(&kept, &opened);
        let found = attempt!(self.found_with(&kept, &engine, options));
        let shelving = attempt!(self.shelving_for(&opened, &engine, &kept, &found.features));
        let engine = attempt!(self.tuned_for(&opened, &engine, &kept, &found, options));
        let found = attempt!(search::rerank(&engine, &found, options, kept.limit, &shelving, stop));
        self.keep(query, &engine, &found);
        self.unnoted.set(Some(query));
        self.send_ranking(&opened, query, &found.shown).map(Ok)
    }

    /// Reads a few more photos for a re-ranking at an earlier layer; `true` while some are left.
    pub(super) fn gather_for(&self, query: QueryId, options: &MatchOptions, stop: &StopFlag) -> Result<bool, JobError> {
        if options.layer == Layer::Last || options.rerank == 0 || stop.is_stopped() || self.shared.is_stale(query) {
            self.shared.refine(None);
            return Ok(false);
        }
        let opened = self.shared.opened()?;
        let kept = self.kept(query)?;
        if !kept.shelf.goal.is_same_product() {
            return Ok(false);
        }
        let engine = engine_of(&kept, &opened);
        let found = self.found_with(&kept, &engine, options)?;
        let photos = crate::jobs::knobs::candidates(&found, options);
        self.gather_slice(&opened, &engine, &kept, &photos, options, stop)
    }

    /// What a question about a match needs.
    pub(super) fn case(
        &self,
        query: QueryId,
        photo: &PhotoId,
        options: MatchOptions,
        question: &Question,
        stop: &StopFlag,
    ) -> Result<Case, JobError> {
        study::check(&options)?;
        let opened = self.shared.opened()?;
        let kept = self.kept(query)?;
        let engine = engine_of(&kept, &opened);
        let found = self.found_with(&kept, &engine, &options)?;
        // All that is compared cell by cell, also beyond what is shown, and without rules.
        let photos = crate::jobs::knobs::candidates(&found, &options);
        let engine = self.tuned(&opened, &engine, &kept, &photos, &options)?;
        let ranked = engine.searcher.rerank_given(&found.features, &found.global, &options, stop);
        let ranked = ranked.filter(|_| !stop.is_stopped()).ok_or(JobError::Stopped)?;
        let compared = ranked.hits.iter().filter(|hit| hit.structural.is_some());
        let candidates = compared.map(|hit| hit.photo.clone()).collect();
        let other = match question {
            Question::Above { other } => Some(matched(&opened, other)?),
            Question::Ignore(_) | Question::IgnoreEach(_) | Question::Swap(_) | Question::Faithfulness => None,
        };
        // Only a photo that is encoded again needs what else the query is made of.
        let added = match question {
            Question::Ignore(_) | Question::Swap(_) | Question::Faithfulness => {
                search::added(&engine, &self.read_also(&kept)?, &kept.recipe, kept.kind().as_deref())?
            }
            Question::IgnoreEach(_) | Question::Above { .. } => Added::default(),
        };
        Ok(Case {
            photo: self.pixels_of(&kept)?,
            crop: kept.crop,
            kind: kept.kind(),
            features: found.features,
            added: Arc::new(added),
            paint: self.shared.knobs.paint(query),
            options,
            matched: matched(&opened, photo)?,
            other,
            candidates,
            engine,
        })
    }

    pub(in crate::jobs) fn plan(
        &self,
        query: QueryId,
        photo: &PhotoId,
        options: MatchOptions,
    ) -> Result<PlanInfo, JobError> {
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

    pub(in crate::jobs) fn kept(&self, query: QueryId) -> Result<Kept, JobError> {
        self.shared.queries().get(query).ok_or(JobError::Forgotten { query })
    }

    pub(in crate::jobs) fn keep(&self, query: QueryId, engine: &Engine, found: &Found) {
        let found = (engine.encoded_by(), found.clone());
        self.shared.queries().update(query, |kept| kept.found = Some(found));
    }

    /// What the first stage gave, made anew where another model searches by now.
    pub(in crate::jobs) fn found_with(
        &self,
        kept: &Kept,
        engine: &Engine,
        options: &MatchOptions,
    ) -> Result<Found, JobError> {
        if let Some((by, found)) = &kept.found
            && *by == engine.encoded_by()
        {
            return Ok(found.clone());
        }
        let (photo, kind) = (self.pixels_of(kept)?, kept.kind());
        let search = Search {
            engine,
            photo: &photo,
            crop: kept.crop,
            kind: kind.as_deref(),
            options: *options,
            limit: kept.limit,
            decode_ms: 0.0,
            shelving: &Shelving::default(),
        };
        let encoded = self.composed(engine, kept, search.encode(&StopFlag::new())?)?;
        let shelving = self.shelving_for(&*self.shared.opened()?, engine, kept, &encoded.features)?;
        let found = Search { shelving: &shelving, ..search }.rank_globally(encoded)?;
        self.keep(kept.query, engine, &found);
        Ok(found)
    }

    pub(in crate::jobs) fn pixels_of(&self, kept: &Kept) -> Result<Arc<RgbImage>, JobError> {
        match &kept.photo {
            Some(photo) => Ok(Arc::clone(photo)),
            None => Ok(Arc::new(data::turned(kept.source.decode()?, kept.recipe.edit))),
        }
    }

    /// A photo, turned, and the boxes that were found in it before.
    pub(super) fn photo_of(&self, photo: &QueryPhoto, edit: QueryEdit, opened: &Opened) -> Result<PhotoOf, JobError> {
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
            QueryPhoto::Clipboard => crate::jobs::clipboard::picture()?,
        };
        let photo = data::turned(source.decode()?, edit);
        Ok((Arc::new(source), Arc::new(photo), None))
    }

    pub(in crate::jobs) fn send_ranking(
        &self,
        opened: &Opened,
        query: QueryId,
        ranking: &Arc<Ranking>,
    ) -> Result<(), Closed> {
        if self.shared.is_stale(query) {
            return Ok(());
        }
        // The window asks for the others when they come into view.
        let first = ranking.hits.iter().take(RECORDS).map(|hit| &hit.product);
        let products = opened.project().products_named(first);
        match products {
            Ok(products) => {
                let (ranking, products) = (Arc::clone(ranking), Arc::new(products));
                self.shared.events.send(Event::ranked(query, ranking, products))
            }
            Err(error) => self.shared.fail(&error.into(), FailureOf::Query(query)),
        }
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

/// Names for boxes that nobody named.
fn named(spotted: &[CropRect]) -> impl Iterator<Item = (String, CropRect)> {
    let number = |index: usize| if spotted.len() == 1 { String::new() } else { format!(" {}", index + 1) };
    spotted.iter().enumerate().map(move |(index, part)| (format!("Stands out{}", number(index)), *part))
}
