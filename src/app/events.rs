//! What the background told.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

use super::App;
use crate::domain::{LabelKey, PhotoId, ProductId, ProductRecord, QueryId, Ranking, Shown, Tiles};
use crate::jobs::{
    Dialog, Event, Failure, FailureOf, GalleryRequest, LabelState, PlanInfo, ProjectSummary, QueryInfo, QueryPhoto,
    Request, ShelfRequest, TrainReport,
};
use crate::ui::gallery::GalleryView;
use crate::ui::state::{Baseline, PathWanted, ProjectState, Query, Tone};
use crate::ui::thumbs::texture;

/// Tiles that can slide from where they stood; further ones are not in view when the order changes.
const SLID: usize = 2000;

impl App {
    pub(super) fn receive(&mut self, ctx: &egui::Context, event: Event) {
        let now = ctx.input(|input| input.time);
        match event {
            Event::ProjectOpened(summary) => self.project_opened(ctx, summary),
            Event::QueryReady { query, photo } => self.query_ready(ctx, query, photo),
            Event::Ranked { query, ranking, tiles, products } => self.ranked(now, query, (ranking, tiles), products),
            Event::Products(records) => self.products_told(records),
            Event::PlanReady { query, photo, plan } => self.plan_ready(now, query, photo, plan),
            Event::Epsilon { query, study } => self.epsilon_studied(query, study),
            Event::Thumbnail { photo, size_px, pixels } => {
                self.thumbs.insert(ctx, photo, size_px, pixels.as_deref());
            }
            Event::PathPicked { dialog, path } => self.path_picked(ctx, dialog, path),
            Event::NoDialog { dialog, start } => {
                let text = start.join(dialog.suggested_name().unwrap_or_default()).display().to_string();
                self.last_notice += 1;
                self.session.path_wanted = Some(PathWanted { id: self.last_notice, dialog, text });
            }
            Event::Saved { path } => {
                let words = format!("Saved {}", super::drops::name_of(&path));
                self.notify(now, Tone::Good, words, Some(path.display().to_string()));
            }
            Event::LabelsChanged(labels) => self.labels_changed(labels),
            Event::Gallery(event) => self.gallery_told(now, event),
            Event::Training(event) => self.training_told(now, event),
            Event::Shelf(event) => self.told_of_shelf(event),
            Event::TrainEnded(report) => self.train_ended(now, report),
            Event::Recent(recent) => self.session.desk.recent = recent,
            Event::Devices(survey) => self.session.desk.devices = Some(survey),
            Event::DeviceReady { device } => self.device_ready(device),
            Event::LayoutRead { text } => self.layout_read(now, text.as_deref()),
            Event::Studied(event) => self.studied(event),
            Event::Failed(failure) => self.failed(now, failure),
            Event::Note(sentence) => self.notify(now, Tone::Info, sentence, None),
        }
    }

    /// The query that an event is about, unless a newer one took its place.
    fn current(&mut self, id: QueryId) -> Option<&mut Query> {
        self.session.query.as_mut().filter(|query| query.id == id)
    }

    fn project_opened(&mut self, ctx: &egui::Context, summary: Arc<ProjectSummary>) {
        let before = self.session.project.open().cloned();
        self.session.labels = summary.labels.clone();
        self.session.project = ProjectState::Open(summary.clone());
        self.session.desk.arithmetic_asked = None;
        let same_project = before.as_ref().is_some_and(|before| before.path == summary.path);
        if before.is_some() && !same_project {
            self.thumbs.clear();
            self.take_up(None);
            self.session.last_training = None;
            self.session.train.forget_project();
            self.session.gallery = GalleryView::default();
            self.forget_shelf();
            self.session.desk.past.clear();
            self.asked = super::Asked::default();
        } else if before.is_some_and(|before| {
            (&before.model.checkpoint, before.arithmetic) != (&summary.model.checkpoint, summary.arithmetic)
        }) {
            self.model_changed();
        }
        let filters = self.session.shelf.options.filters.clone();
        if !filters.is_empty() {
            self.backend.submit(Request::Shelf(ShelfRequest::Facets { filters }));
        }
        if let Some(photo) = self.session.waiting.take() {
            self.search(ctx, photo);
        }
    }

    /// The same query with the new model, and what that moves.
    fn model_changed(&mut self) {
        let Some(query) = &mut self.session.query else { return };
        let of_product = query.ranking.as_ref().is_some_and(|ranking| ranking.shelf.options.goal.is_same_product());
        query.remembered.clear();
        query.former_ranks = of_product.then(|| Arc::clone(query.shown.tiles()));
        self.session.baseline = if query.former_ranks.is_some() { Baseline::FormerModel } else { Baseline::Global };
        self.search_again();
    }

    fn query_ready(&mut self, ctx: &egui::Context, id: QueryId, info: Arc<QueryInfo>) {
        let Some(query) = self.current(id) else { return };
        let known = query.info.as_ref().is_some_and(|before| Arc::ptr_eq(&before.pixels, &info.pixels));
        if !known || query.texture.is_none() {
            query.texture = Some(texture(ctx, "query photo", &info.pixels));
        }
        query.name.clone_from(&info.name);
        query.crop = Some(info.crop);
        query.also = info.also.iter().map(|also| also.photo.clone()).collect();
        query.project_photo = info.project_photo.clone().or(query.project_photo.take());
        query.info = Some(info);
    }

    fn ranked(
        &mut self,
        now: f64,
        id: QueryId,
        (ranking, tiles): (Arc<Ranking>, Arc<Tiles>),
        products: Arc<BTreeMap<ProductId, ProductRecord>>,
    ) {
        let Some(query) = self.session.query.as_mut().filter(|query| query.id == id) else { return };
        let last = ranking.is_last();
        // Only an order that is seen can be slid from.
        query.slid_from = match &query.ranking {
            Some(before) => {
                let place = |tile| Some((before.hits.get(query.shown.place(tile)?)?.photo.clone(), tile));
                (0..query.shown.len().min(SLID)).filter_map(place).collect()
            }
            None => HashMap::new(),
        };
        query.slid_at = now;
        let fresh = query.stale || query.ranking.is_none();
        query.stale = false;
        query.failed = None;
        let products_before = std::mem::replace(&mut query.products, products);
        let shown_before = std::mem::replace(&mut query.shown, Shown::of(tiles, &self.session.shelf.expanded));
        let before = query.ranking.replace(ranking.clone());
        self.let_go(before, shown_before, products_before);
        if last {
            self.asked.ranking = false;
        }
        self.select_after_ranking(&ranking, fresh, last);
    }

    /// What a person chose stays chosen; otherwise the best is shown.
    fn select_after_ranking(&mut self, ranking: &Ranking, fresh: bool, last: bool) {
        let Some(query) = &mut self.session.query else { return };
        let place = query.selected_place();
        let keep = query.selected_by_hand && place.is_some();
        if keep {
            // Another crop or model has another plan for the same photo.
            if fresh {
                self.asked.plan = None;
                self.asked.plan_again = true;
            }
            return;
        }
        query.selected_by_hand = false;
        // The best of the global stage is often not the best in the end; its plan would flash by.
        if !last && query.plan.is_some() && place.is_some() && !fresh {
            return;
        }
        let best = ranking.hits.first().map(|hit| hit.photo.clone());
        if best != query.selected || fresh {
            query.selected = None;
            match best {
                Some(best) => self.select(best, false),
                None => query.plan = None,
            }
        }
    }

    fn plan_ready(&mut self, now: f64, id: QueryId, photo: PhotoId, info: Arc<PlanInfo>) {
        if self.current(id).is_none() {
            return;
        }
        if self.asked.plan.as_ref() == Some(&photo) {
            self.asked.plan = None;
        }
        let still = self.prefs.reduced_motion;
        let Some(query) = self.current(id).filter(|query| query.selected.as_ref() == Some(&photo)) else { return };
        query.plan_failed = None;
        query.plan = Some(super::inspect::plan_after(query.plan.take(), photo, info, now, still));
    }

    pub(super) fn path_typed(&mut self, ctx: &egui::Context, text: &str) {
        let Some(wanted) = self.session.path_wanted.take() else { return };
        let text = text.trim();
        let path = super::drops::path_in(text).unwrap_or_else(|| PathBuf::from(text));
        self.path_picked(ctx, wanted.dialog, Some(path).filter(|path| !path.as_os_str().is_empty()));
    }

    pub(super) fn path_picked(&mut self, ctx: &egui::Context, dialog: Dialog, path: Option<PathBuf>) {
        if let Dialog::Export { format, .. } = dialog {
            if let (Some(path), Some(query)) = (path, &self.session.query) {
                let only = self.session.shelf.picked.photos.clone();
                self.backend.submit(Request::Shelf(ShelfRequest::Export { query: query.id, only, format, path }));
            }
            return;
        }
        let saving = if matches!(dialog, Dialog::SavePlan { .. }) { self.asked.saving.take() } else { None };
        let Some(path) = path else { return };
        match dialog {
            Dialog::OpenPhoto if super::study::is_evidence(&path) => self.open_evidence(path),
            Dialog::OpenPhoto => self.search(ctx, QueryPhoto::File(path)),
            Dialog::AddPhoto => self.add_photo(QueryPhoto::File(path)),
            Dialog::OpenProject | Dialog::OpenGallery => self.open_project(Some(path)),
            Dialog::OpenList => self.backend.submit(Request::Gallery(GalleryRequest::UseList { path })),
            Dialog::SaveReport { .. } => {
                self.backend.submit(Request::Gallery(GalleryRequest::SaveReport { path }));
            }
            Dialog::Export { .. } => {}
            Dialog::OpenRecipe | Dialog::SaveRecipe { .. } => self.recipe_picked(&dialog, path),
            Dialog::SaveEvidence { .. } => self.save_evidence(path),
            Dialog::SavePlan { .. } => {
                if let Some((query, photo)) = saving {
                    let (options, view) = (self.session.options, self.prefs.plan_view());
                    self.backend.submit(Request::SavePlan { query, photo, options, view, path });
                }
            }
        }
    }

    fn labels_changed(&mut self, labels: Arc<LabelState>) {
        // A photo from outside joins the project with its first correction; from then on it has a name there.
        if let Some(query) = &mut self.session.query
            && query.project_photo.is_none()
        {
            let marked: Vec<&ProductId> =
                self.marked.iter().filter(|(id, _)| *id == query.id).map(|(_, product)| product).collect();
            query.project_photo = labels.corrections.iter().rev().find_map(|label| match &label.key {
                LabelKey::Match { query, product } if marked.contains(&product) => Some(query.clone()),
                _ => None,
            });
        }
        self.session.labels = labels;
        // What is said of the garment's kind decides which kinds go with it.
        self.asked.arrange_again |= self.session.goes_with();
    }

    fn train_ended(&mut self, now: f64, report: Arc<TrainReport>) {
        let words = match (report.finished, report.recall_before, report.recall_after) {
            (false, ..) => "Training was stopped; the model is as it was".to_owned(),
            (true, Some(before), Some(after)) => {
                format!("Trained: recall@1 on the test split {:.3} → {:.3}", before[0], after[0])
            }
            (true, ..) => "Trained on your corrections".to_owned(),
        };
        let tone = if report.finished { Tone::Good } else { Tone::Info };
        self.notify(now, tone, words, None);
        self.session.last_training = Some(report);
    }

    fn failed(&mut self, now: f64, failure: Failure) {
        let mut said_in_place = false;
        match &failure.of {
            FailureOf::Project => {
                if self.session.project.open().is_none() {
                    self.session.project = ProjectState::Failed(failure.clone());
                    said_in_place = true;
                }
            }
            FailureOf::Query(id) => {
                // The photo that failed is not the one on screen any more.
                if self.current(*id).is_none() || self.fall_back(*id) {
                    return;
                }
                let Some(query) = self.current(*id) else { return };
                if query.ranking.is_some() && !query.stale {
                    // Only the newest settings could not be tried; what is on screen still holds.
                    self.asked.ranking = false;
                    self.notify(now, Tone::Failed, failure.sentence, failure.details);
                    return;
                }
                query.stale = false;
                query.ranking = None;
                query.plan = None;
                query.selected = None;
                query.failed = Some(failure.clone());
                self.asked = super::Asked::default();
                said_in_place = true;
            }
            FailureOf::Plan(id, photo) => {
                let Some(query) = self.current(*id) else { return };
                if query.selected.as_ref() == Some(photo) {
                    query.plan = None;
                    query.plan_failed = Some((photo.clone(), failure.clone()));
                    said_in_place = true;
                }
                if self.asked.plan.as_ref() == Some(photo) {
                    self.asked.plan = None;
                }
            }
            FailureOf::Device => said_in_place = self.device_failed(&failure.sentence),
            FailureOf::Arithmetic => said_in_place = self.arithmetic_failed(&failure.sentence),
            FailureOf::Study(id, photo) => {
                let (id, photo) = (*id, photo.clone());
                said_in_place = self.study_failed(id, &photo, &failure);
            }
            FailureOf::Training | FailureOf::Promotion => said_in_place = self.training_failed(&failure),
            FailureOf::Epsilon
            | FailureOf::Evidence
            | FailureOf::Saving
            | FailureOf::Labels
            | FailureOf::Shelf
            | FailureOf::Recipe
            | FailureOf::Model
            | FailureOf::Layout => {}
        }
        if !said_in_place {
            self.notify(now, Tone::Failed, failure.sentence, failure.details);
        }
    }
}
