//! What the panels asked for.

use super::{App, LIMIT, drops};
use crate::domain::{CropRect, GalleryChange, Goal, MatchOptions, PhotoId};
use crate::jobs::{Dialog, Mark, QueryPhoto, Request, SearchRequest};
use crate::ui::command::{Action, Command};
use crate::ui::inspect::Zoom;
use crate::ui::layout::{Layout, Pane, Workspace};
use crate::ui::state::{ProjectState, Query, Ribbons, Said, Tone};
use crate::ui::study::WhatIf;

impl App {
    pub(super) fn obey(&mut self, ctx: &egui::Context, command: Command) {
        match command {
            Command::Act(action) => self.act(ctx, action),
            Command::SearchFile(path) => self.search(ctx, QueryPhoto::File(path)),
            Command::SearchExample(photo) => self.search(ctx, QueryPhoto::Project(photo)),
            Command::SetCrop(crop) => self.set_crop(crop),
            Command::SetOptions(options) => self.set_options(options),
            Command::SetRibbons(ribbons) => self.prefs.ribbons = ribbons,
            Command::SetView(view) => self.prefs.view = view,
            Command::SetTheme(theme) => {
                self.prefs.theme = theme;
                ctx.set_theme(theme);
            }
            Command::SetReducedMotion(reduced) => {
                self.prefs.reduced_motion = reduced;
                self.apply_motion(ctx);
            }
            Command::CompareWith(baseline) => self.session.baseline = baseline,
            Command::Select(photo) => self.select(photo, true),
            Command::Paint(command) => self.obey_paint(command),
            Command::PointAt(pointed) => self.session.pointed = pointed,
            Command::Mark(mark) => self.mark(mark),
            Command::UseModel(checkpoint) => self.backend.submit(Request::UseModel { checkpoint }),
            Command::PathTyped(text) => self.path_typed(ctx, &text),
            Command::Desk(desk) => self.obey_desk(ctx, desk),
            Command::SetLayout(layout) => self.set_layout(*layout),
            Command::ShowPane(pane) => {
                self.show_workspace(pane.workspace());
                self.session.layouts.of_mut(pane.workspace()).show(pane);
                self.layout_changed = true;
            }
            Command::Gallery(command) => self.obey_gallery(ctx, command),
            Command::Shelf(command) => self.obey_shelf(ctx, command),
            Command::Study(command) => self.obey_study(ctx, command),
            Command::CloseNotice(id) => self.session.notices.retain(|notice| notice.id != id),
            Command::Plan(command) => self.obey_plan(command),
            Command::Query(command) => self.obey_query(command),
            Command::Train(command) => self.obey_train(ctx, command),
            Command::Pick(command) => self.obey_pick(command),
        }
    }

    fn act(&mut self, ctx: &egui::Context, action: Action) {
        let over_evidence = self.session.workspace == Workspace::Explore && self.session.study.evidence.is_some();
        if over_evidence && !super::study::allowed_over_evidence(action) {
            return;
        }
        if self.session.goes_with() && action.is_about_a_match() {
            let sentence = "This list is of what goes well with the garment; this is for the list of the same product";
            self.notify(ctx.input(|input| input.time), Tone::Info, sentence, None);
            return;
        }
        match action {
            Action::OpenPhoto => self.backend.submit(Request::AskPath(Dialog::OpenPhoto)),
            Action::OpenProject => self.backend.submit(Request::AskPath(Dialog::OpenProject)),
            Action::Paste => self.search(ctx, QueryPhoto::Clipboard),
            Action::UseSample => self.open_project(None),
            Action::WholePhoto => {
                if let Some(info) = self.session.query.as_ref().and_then(|query| query.info.clone()) {
                    self.set_crop(CropRect::whole(info.width, info.height));
                }
            }
            Action::NextResult => self.step(1),
            Action::PreviousResult => self.step(-1),
            Action::ResultBelow => self.step(self.columns.max(1) as isize),
            Action::ResultAbove => self.step(-(self.columns.max(1) as isize)),
            Action::SameProduct => self.say(Said::Same),
            Action::NotThis => self.say(Said::Not),
            Action::ToggleGrid => self.prefs.view.grid ^= true,
            Action::SavePlan => self.ask_where_to_save(),
            Action::WhyAbove => self.show_study(ctx, Pane::Above),
            Action::IgnoreRegion => self.ask_what_if(ctx, WhatIf::Ignore),
            Action::SwapRegion => self.ask_what_if(ctx, WhatIf::Swap),
            Action::TestReason => self.test_reason(ctx),
            Action::StopStudy => self.stop_study(),
            Action::ClearRegion => self.clear_region(),
            Action::SaveEvidence => self.ask_where_to_save_evidence(),
            Action::ResetMatching => self.set_options(MatchOptions::default()),
            Action::ResetRibbons => self.prefs.ribbons = Ribbons::default(),
            Action::Undo => {
                if !self.undo_stroke() && self.session.labels.undo.is_some() {
                    self.backend.submit(Request::Undo);
                }
            }
            Action::Redo => {
                if self.session.labels.redo.is_some() {
                    self.backend.submit(Request::Redo);
                }
            }
            Action::Train => {
                let training = self.backend.activity().training.is_some();
                if !training && self.session.labels.untrained > 0 {
                    self.session.last_training = None;
                    self.backend.submit(Request::TrainOnCorrections);
                }
            }
            Action::StopTraining => self.backend.submit(Request::StopTraining),
            Action::ToggleTheme => {
                let theme = if ctx.theme() == egui::Theme::Dark { egui::Theme::Light } else { egui::Theme::Dark };
                self.obey(ctx, Command::SetTheme(theme.into()));
            }
            Action::Shortcuts => self.session.shortcuts_open ^= true,
            Action::Back => self.back(ctx),
            Action::Palette => self.toggle_palette(),
            Action::Preferences => self.toggle_preferences(),
            Action::EarlierSearch => self.go(-1),
            Action::LaterSearch => self.go(1),
            Action::SaveLayout => self.save_layout(ctx.input(|input| input.time)),
            Action::RestoreLayout => self.restore_layout(ctx.input(|input| input.time)),
            Action::ResetLayout => self.set_layout(Layout::at_first(self.session.workspace)),
            Action::OpenGallery
            | Action::RefreshGallery
            | Action::StopIndexing
            | Action::ReadList
            | Action::SkippedReport
            | Action::SearchAgain => self.act_on_gallery(action),
            Action::Plan(action) => self.act_on_plan(ctx, action),
            Action::Query(action) => self.act_on_query(action),
            Action::Run(action) => self.act_on_run(action),
            Action::Show(workspace) => self.show_workspace(workspace),
            Action::Pane(action) => self.act_on_pane(ctx, action),
            Action::Pick(action) => self.act_pick(action),
            action => {
                self.act_shelf(ctx, action);
            }
        }
    }

    /// A new photo replaces the one before; what was asked about that one is not waited for.
    pub(super) fn search(&mut self, ctx: &egui::Context, photo: QueryPhoto) {
        self.asked.again = None;
        self.search_part(ctx, photo, None, None);
    }

    /// The same with a part of the photo and a name that are known already.
    pub(super) fn search_part(
        &mut self,
        _ctx: &egui::Context,
        photo: QueryPhoto,
        crop: Option<CropRect>,
        name: Option<String>,
    ) {
        self.session.study.evidence = None;
        self.show_workspace(Workspace::Explore);
        if !matches!(self.session.project, ProjectState::Open(_)) {
            self.session.waiting = Some(photo);
            return;
        }
        let name = name.unwrap_or_else(|| match &photo {
            QueryPhoto::File(path) => drops::name_of(path),
            QueryPhoto::Project(id) => id.to_string(),
            QueryPhoto::Bytes { name, .. } => name.clone(),
            QueryPhoto::Clipboard => "Clipboard".to_owned(),
            QueryPhoto::Earlier(_) => self.session.query.as_ref().map_or_else(String::new, |query| query.name.clone()),
        });
        self.session.zoom = Zoom::default();
        if self.asked.again.is_none() {
            self.session.shelf.options.goal = Goal::SameProduct;
        }
        self.remember_selected();
        let id = self.last_query.next();
        let origin = photo.clone();
        let mut query = Query::new(id, name.clone());
        query.recipe = std::mem::take(&mut self.asked.recipe);
        query.also = std::mem::take(&mut self.asked.also);
        if let Some(paint) = self.asked.paint_of_past.take() {
            query.painting.paint = paint;
        }
        self.take_up(Some(query));
        self.submit_search(photo, crop);
        self.remember_search(&name, origin, crop);
        self.session.shelf.expanded.clear();
    }

    /// Another part of the same photo; the results of the part before stay in sight until the new ones are here.
    pub(super) fn set_crop(&mut self, crop: CropRect) {
        let Some(query) = &mut self.session.query else { return };
        if query.shown_crop() == Some(crop) && query.failed.is_none() {
            return;
        }
        query.remember(&self.session.shelf.options);
        if let Goal::GoesWith { of } = &mut self.session.shelf.options.goal {
            // Another part of the photo is another garment.
            *of = None;
        }
        query.crop = Some(crop);
        query.painting.forget_query();
        query.former_ranks = None;
        let chosen = query.selected.clone().filter(|_| query.selected_by_hand);
        query.selected_by_hand = false;
        if let Some(present) = self.session.desk.past.present_mut() {
            present.selected = chosen;
        }
        self.search_again();
        self.session.desk.past.push_crop(self.last_query, crop);
        self.recall();
    }

    /// The same photo and part once more, as after a change of the model.
    pub(super) fn search_again(&mut self) {
        let crop = self.session.query.as_ref().and_then(|query| query.shown_crop());
        self.search_again_in(crop);
    }

    /// The same photo once more, in this part of it.
    pub(super) fn search_again_in(&mut self, crop: Option<CropRect>) {
        let Some(query) = &mut self.session.query else { return };
        let earlier = query.id;
        query.id = self.last_query.next();
        query.stale = query.ranking.is_some();
        query.failed = None;
        query.plan_failed = None;
        self.submit_search(QueryPhoto::Earlier(earlier), crop);
        self.search_is_now();
    }

    pub(super) fn submit_search(&mut self, photo: QueryPhoto, crop: Option<CropRect>) {
        self.last_query = self.last_query.next();
        let again = self.asked.again.take();
        self.shelf_of_new_query();
        self.asked = super::Asked { ranking: true, saving: self.asked.saving.take(), ..super::Asked::default() };
        self.session.pointed = None;
        self.session.waiting = None;
        // The answer will be of the gallery as it is now.
        self.session.gallery.changed = GalleryChange::default();
        self.products_asked.clear();
        let (query, options) = (self.last_query, self.session.options);
        self.session.epsilon = None;
        self.send_paint_of_new_query(query);
        let shelf = self.session.shelf.options.clone();
        let (recipe, also) =
            self.session.query.as_ref().map(|query| (query.recipe.clone(), query.also.clone())).unwrap_or_default();
        self.backend.submit(Request::Search(SearchRequest {
            query,
            photo,
            crop,
            options,
            limit: LIMIT,
            shelf,
            again,
            recipe,
            also,
        }));
    }

    fn set_options(&mut self, options: MatchOptions) {
        if options == self.session.options {
            return;
        }
        // Reading an earlier layer takes long; whatever is wanted now is not kept waiting for it.
        if self.backend.activity().refining.is_some() {
            self.asked.ranking = false;
        }
        self.remember_options(options);
        self.session.options = options;
        if self.session.query.as_ref().is_some_and(|query| query.failed.is_none()) {
            self.asked.ranking_again = true;
            self.asked.plan_again = true;
        }
    }

    pub(super) fn select(&mut self, photo: PhotoId, by_hand: bool) {
        let Some(query) = &mut self.session.query else { return };
        query.selected_by_hand |= by_hand;
        let shown = query.plan.as_ref().is_some_and(|plan| plan.photo == photo) && !query.stale;
        if query.selected.as_ref() == Some(&photo) && shown {
            return;
        }
        query.selected = Some(photo);
        query.plan_failed = None;
        self.session.pointed = None;
        // An open question about another photo is not waited for.
        self.asked.plan = None;
        self.asked.plan_again = true;
    }

    pub(super) fn step(&mut self, by: isize) {
        let Some(query) = &self.session.query else { return };
        let Some(ranking) = &query.ranking else { return };
        let Some(last) = query.shown.len().checked_sub(1) else { return };
        let now = query.selected_tile();
        let tile = now.map_or(0, |now| now.saturating_add_signed(by).min(last));
        // A step up from the first row stays where it is.
        let beyond = now.is_some_and(|now| now as isize + by < 0 || now as isize + by > last as isize);
        if !(beyond && by.abs() > 1) {
            let hit = query.shown.place(tile).map(|place| &ranking.hits[place]);
            if let Some(photo) = hit.map(|hit| hit.photo.clone()) {
                self.select(photo, true);
            }
        }
    }

    fn say(&mut self, said: Said) {
        let Some(query) = &self.session.query else { return };
        let (Some(place), Some(ranking)) = (query.selected_place(), &query.ranking) else { return };
        let product = ranking.hits[place].product.clone();
        let mark = match (self.session.said(&product), said) {
            (Some(before), now) if before == now => Mark::ClearProduct(product),
            (_, Said::Same) => Mark::SameProduct(product),
            (_, Said::Not) => Mark::NotThisProduct(product),
        };
        self.mark(mark);
    }

    fn mark(&mut self, mark: Mark) {
        // While results of the part before are shown, it is not clear what is meant.
        let Some(query) = self.session.query.as_ref().filter(|query| !query.stale && query.info.is_some()) else {
            return;
        };
        if query.project_photo.is_none()
            && let Mark::SameProduct(product) | Mark::NotThisProduct(product) = &mark
        {
            self.marked.push((query.id, product.clone()));
        }
        self.backend.submit(Request::Mark { query: query.id, mark });
    }

    fn ask_where_to_save(&mut self) {
        let Some(query) = &self.session.query else { return };
        let Some(plan) = &query.plan else { return };
        let suggested_name = format!("{}.png", file_stem(&query.name, &plan.photo));
        self.asked.saving = Some((query.id, plan.photo.clone()));
        self.backend.submit(Request::AskPath(Dialog::SavePlan { suggested_name }));
    }
}

/// What a file about a match is called, without its ending.
pub(super) fn file_stem(query: &str, photo: &PhotoId) -> String {
    let part = |text: &str| {
        let stem = text.rsplit('/').next().unwrap_or(text);
        let stem = stem.rsplit_once('.').map_or(stem, |(stem, _)| stem);
        stem.chars().map(|c| if c.is_alphanumeric() || c == '-' { c } else { '_' }).collect::<String>()
    };
    format!("{}-{}", part(query), part(photo.as_str()))
}
