//! The search thread's part in filters, rules, past searches and exports.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use super::JobError;
use super::io::IoJob;
use super::open::Engine;
use super::queries::Kept;
use super::searcher::{Done, SearchThread, attempt, engine_of};
use super::shared::{Closed, Opened};
use super::shelve::Shelving;
use super::types::{Event, ExportFormat, FailureOf, ShelfEvent};
use super::workers::SheetInfo;
use super::{export, past, search, worn};
use crate::domain::{Filters, MatchOptions, Paint, PhotoId, QueryId, SearchId, ShelfOptions, StopFlag};
use crate::nn::CellFeatures;
use crate::project::ShelfEdit;

impl SearchThread {
    pub(super) fn shelving(
        &self,
        opened: &Opened,
        engine: &Engine,
        options: &ShelfOptions,
    ) -> Result<Shelving, JobError> {
        let catalogue = self.shared.catalogue(opened, engine)?;
        Shelving::of(&opened.project(), catalogue, options.clone())
    }

    /// The same for a query whose features are known: of products that go well with its garment, those of other kinds.
    pub(super) fn shelving_for(
        &self,
        opened: &Opened,
        engine: &Engine,
        kept: &Kept,
        features: &CellFeatures,
    ) -> Result<Shelving, JobError> {
        let shelving = self.shelving(opened, engine, &kept.shelf)?;
        let known = kept.known_as_turned();
        worn::of_part(shelving, &opened.project(), engine, &worn::Part { known: &known, crop: kept.crop, features })
    }

    pub(super) fn facets(&self, filters: &Filters) -> Done {
        let opened = attempt!(self.shared.opened());
        let catalogue = attempt!(self.shared.catalogue(&opened, &opened.engine.get()));
        let facets = Arc::new(catalogue.columns.facets(filters));
        self.shared.events.send(Event::Shelf(ShelfEvent::Facets(facets))).map(Ok)
    }

    /// Other filters, rules or folding for a query whose features are known.
    pub(super) fn arrange(
        &self,
        query: QueryId,
        options: &MatchOptions,
        (shelf, limit): (ShelfOptions, usize),
        stop: &StopFlag,
    ) -> Done {
        if stop.is_stopped() || self.shared.is_stale(query) {
            return Ok(Ok(()));
        }
        let opened = attempt!(self.shared.opened());
        self.shared.queries().update(query, |kept| (kept.shelf, kept.limit) = (shelf, limit));
        let kept = attempt!(self.kept(query));
        let engine = engine_of(&kept, &opened);
        let found = attempt!(self.found_with(&kept, &engine, options));
        let shelving = attempt!(self.shelving_for(&opened, &engine, &kept, &found.features));
        let found = attempt!(search::refilter(&engine, &found, options, kept.limit, &shelving));
        let engine = attempt!(self.tuned_for(&opened, &engine, &kept, &found, options));
        let found = attempt!(search::rerank(&engine, &found, options, kept.limit, &shelving, stop));
        self.keep(query, &engine, &found);
        self.unnoted.set(Some(query));
        self.send_ranking(&opened, query, &found.shown).map(Ok)
    }

    /// Notes a finished search among the past ones, and says what is different where it runs a past one again.
    pub(super) fn note(&self, opened: &Opened, query: QueryId) -> Done {
        self.unnoted.set(None);
        let shared = &self.shared;
        let Some(kept) = shared.queries().get(query) else { return Ok(Ok(())) };
        let engine = engine_of(&kept, opened);
        let Some((_, found)) = &kept.found else { return Ok(Ok(())) };
        let shelving = attempt!(self.shelving(opened, &engine, &kept.shelf));
        let Some(catalogue) = shelving.catalogue() else { return Ok(Ok(())) };
        let gallery = catalogue.gallery();
        let paint = shared.knobs.paint(query).map(|paint| Paint::clone(&paint));
        let (id, again) = {
            let mut project = opened.project();
            if project.read_only().is_some() && kept.again.is_none() {
                return Ok(Ok(()));
            }
            let photos = match past::places_of(&mut project, &kept) {
                Ok(photos) => photos,
                // Nothing can be copied into a project that cannot be written; the search itself was answered.
                Err(_) if project.read_only().is_some() => return Ok(Ok(())),
                Err(error) => return Ok(Err(error)),
            };
            let search = past::describe(&kept, photos, paint, &found.shown, &engine, &shelving, catalogue);
            let again = match kept.again {
                Some(id) => attempt!(project.past_search(id)),
                None => None,
            };
            let starred = again.as_ref().is_some_and(|past| past.card.starred);
            let again = match again {
                Some(then) => {
                    let photos = attempt!(project.gallery_seen(&then.search.gallery));
                    Some(past::compare(&then, &search, photos.as_deref(), &gallery.photos))
                }
                None => None,
            };
            // A saved search that gave the same again needs no second entry.
            let nothing_new = starred && again.as_ref().is_some_and(|again| again.is_same_order());
            let id = match project.read_only() {
                None if !nothing_new => Some(attempt!(project.log_search(&search, &gallery.photos))),
                _ => kept.again,
            };
            (id, again)
        };
        shared.queries().update(query, |kept| kept.again = None);
        if shared.is_stale(query) && again.is_none() {
            return shared.tell_past(opened).map(Ok);
        }
        if let Some(id) = id {
            shared.events.send(Event::Shelf(ShelfEvent::Noted { query, id }))?;
        }
        shared.tell_past(opened)?;
        if let Some(again) = again {
            shared.events.send(Event::Shelf(ShelfEvent::Again { query, again: Arc::new(again) }))?;
        }
        Ok(Ok(()))
    }

    /// Notes the newest settings of a query that rests.
    pub(super) fn note_unnoted(&self) -> Result<(), Closed> {
        let (Some(query), Some(opened)) = (self.unnoted.take(), self.shared.opened.get()) else { return Ok(()) };
        self.shared.attempt(FailureOf::Shelf, || self.note(&opened, query))
    }

    /// Gives a past search its star, and its photo a place in the project.
    pub(super) fn save_past(&self, id: SearchId) -> Done {
        // What is saved is what is on screen.
        self.note_unnoted()?;
        let opened = attempt!(self.shared.opened());
        {
            let mut project = opened.project();
            let mut found = attempt!(attempt!(project.past_search(id)).ok_or(JobError::NoPastSearch));
            attempt!(past::keep_photo(&mut project, &mut found));
            attempt!(project.apply_shelf(&ShelfEdit::StarSearch { id, starred: true }));
        }
        let labels = attempt!(opened.label_state());
        self.shared.events.send(Event::LabelsChanged(Arc::new(labels)))?;
        self.shared.tell_past(&opened).map(Ok)
    }

    /// Collects the result list of a query; it is written where that makes nobody wait.
    pub(super) fn export(&self, query: QueryId, only: &BTreeSet<PhotoId>, format: ExportFormat, path: PathBuf) -> Done {
        let opened = attempt!(self.shared.opened());
        let kept = attempt!(self.kept(query));
        let Some((_, found)) = &kept.found else { return Ok(Err(JobError::Forgotten { query })) };
        let ranking = &found.shown;
        let mut lines = {
            let project = opened.project();
            let products = attempt!(project.products_named(ranking.hits.iter().map(|hit| &hit.product)));
            export::lines(ranking, &products, &attempt!(project.rules()))
        };
        let ranking = if only.is_empty() {
            Arc::clone(ranking)
        } else {
            lines.retain(|line| only.contains(&line.photo));
            Arc::new(export::part(ranking, only))
        };
        let photos = ranking.hits.iter().map(|hit| opened.paths.photo(&hit.photo)).collect();
        let model = opened.engine.get().model.name.clone();
        let sheet = Box::new(SheetInfo { query: kept.info, ranking, lines, photos, model });
        self.io.push(IoJob::Export { sheet, format, path });
        Ok(Ok(()))
    }
}
