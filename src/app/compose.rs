//! The query put together: turned, with other photos of the garment, with examples.

use super::App;
use crate::domain::QueryEdit;
use crate::jobs::{Dialog, QueryPhoto, Request};
use crate::ui::compose::{QueryAction, QueryCommand};

impl App {
    pub(super) fn obey_query(&mut self, command: QueryCommand) {
        let Some(query) = &mut self.session.query else { return };
        match command {
            QueryCommand::Forget(photo) => query.recipe.forget(&photo),
            QueryCommand::Remove(index) => {
                if index >= query.also.len() {
                    return;
                }
                query.also.remove(index);
            }
        }
        self.search_again();
    }

    pub(super) fn act_on_query(&mut self, action: QueryAction) {
        match action {
            QueryAction::TurnLeft => self.turn(QueryEdit::turned_left),
            QueryAction::TurnRight => self.turn(QueryEdit::turned_right),
            QueryAction::Flip => self.turn(QueryEdit::mirrored),
            QueryAction::AddPhoto => {
                if self.session.query.as_ref().is_some_and(|query| query.info.is_some()) {
                    self.backend.submit(Request::AskPath(Dialog::AddPhoto));
                }
            }
            QueryAction::Like => self.say_example(true),
            QueryAction::Dislike => self.say_example(false),
        }
    }

    /// Another photo of the garment that is searched for.
    pub(super) fn add_photo(&mut self, photo: QueryPhoto) {
        let Some(query) = &mut self.session.query else { return };
        if query.info.is_some() && !query.also.contains(&photo) {
            query.also.push(photo);
            self.search_again();
        }
    }

    /// The photo is searched as it is now seen; the same garment stays in the box.
    fn turn(&mut self, change: impl Fn(QueryEdit) -> QueryEdit) {
        let Some(query) = &mut self.session.query else { return };
        let (Some(info), Some(crop)) = (query.info.clone(), query.shown_crop()) else { return };
        query.remember(&self.session.shelf.options);
        // The photo on screen may be one turn behind what was asked for.
        let (width, height) = info.edit.size(info.width, info.height);
        let filed = info.edit.source(crop, width, height);
        query.recipe.edit = change(query.recipe.edit);
        let crop = query.recipe.edit.place(filed, width, height);
        query.former_ranks = None;
        self.session.zoom = crate::ui::inspect::Zoom::default();
        self.search_again_in(Some(crop));
    }

    fn say_example(&mut self, liked: bool) {
        let Some(query) = &mut self.session.query else { return };
        let (Some(place), Some(ranking)) = (query.selected_place(), query.ranking.clone()) else { return };
        if query.stale || query.info.is_none() {
            return;
        }
        let hit = &ranking.hits[place];
        let name = query.products.get(&hit.product).map_or_else(|| hit.product.to_string(), |it| it.name.clone());
        query.example_names.insert(hit.photo.clone(), name);
        if liked {
            query.recipe.like(&hit.photo);
        } else {
            query.recipe.dislike(&hit.photo);
        }
        self.search_again();
    }

    /// Shows at once what was answered before for the part that is asked for now; the answer on its way is the same.
    pub(super) fn recall(&mut self) {
        let (options, shelf) = (self.session.options, self.session.shelf.options.clone());
        let Some(model) = self.session.project.open().map(|project| project.model.checkpoint.clone()) else { return };
        let Some(query) = &mut self.session.query else { return };
        let Some(crop) = query.shown_crop() else { return };
        if let Some(known) = query.remembered_of(crop, &options, &shelf, &model).cloned() {
            query.recall(&known, &self.session.shelf.expanded);
        }
    }
}
