//! Filters, rules, folding, past searches and the compare tray: what panels asked for and what the background told.

use std::sync::Arc;

use super::{App, LIMIT};
use crate::domain::{Goal, LoggedPhoto, PhotoId, SearchId, Shown};
use crate::jobs::{Dialog, ExportFormat, QueryPhoto, Request, ShelfEvent, ShelfRequest};
use crate::project::ShelfEdit;
use crate::ui::command::{Action, Command};
use crate::ui::layout::Pane;
use crate::ui::shelf::{OnTray, ShelfCommand, ShelfState, TRAY};
use crate::ui::state::Tone;

impl App {
    pub(super) fn obey_shelf(&mut self, ctx: &egui::Context, command: ShelfCommand) {
        let shelf = &mut self.session.shelf;
        match command {
            ShelfCommand::Filter { column, test } => {
                shelf.options.filters.set(&column, test);
                self.filters_changed();
            }
            ShelfCommand::ShowColumn(column) => {
                if !shelf.columns.contains(&column) {
                    shelf.columns.push(column.clone());
                }
                shelf.menu_wanted = (shelf.menu_wanted.0 + 1, column);
            }
            ShelfCommand::WithoutRules(without) => {
                shelf.options.without_rules = without;
                self.asked.arrange_again = true;
            }
            ShelfCommand::Fold(fold) => {
                shelf.options.fold = fold;
                self.asked.arrange_again = true;
            }
            ShelfCommand::Expand(photo) => {
                if !shelf.expanded.remove(&photo) {
                    shelf.expanded.insert(photo);
                }
                self.show_again();
            }
            ShelfCommand::Edit(edit) => self.backend.submit(Request::Shelf(ShelfRequest::Edit(edit))),
            ShelfCommand::Reopen(id) => self.reopen(ctx, id),
            ShelfCommand::Save(id) => self.backend.submit(Request::Shelf(ShelfRequest::Save { id })),
            ShelfCommand::Compare(photo) => self.compare(ctx, &photo),
            ShelfCommand::ClearTray => {
                shelf.tray.clear();
                shelf.tray_open = false;
            }
            ShelfCommand::Export(format) => self.ask_where_to_export(format),
            ShelfCommand::MoreResults => {
                // Each time twice as many, so that a large gallery is reached in a few steps.
                shelf.limit = shelf.limit.max(LIMIT) * 2;
                self.asked.arrange_again = true;
            }
            ShelfCommand::CloseAgain => shelf.again = None,
            ShelfCommand::Goal(goal) => self.set_goal(goal),
        }
    }

    /// What keys and menus ask about the shelf; `false` where the action is about something else.
    pub(super) fn act_shelf(&mut self, ctx: &egui::Context, action: Action) -> bool {
        let selected = self.session.query.as_ref().and_then(|query| query.selected.clone());
        match action {
            Action::Filter => {
                let column = self.session.shelf.facets.columns.first().map(|facet| facet.column.clone());
                if let Some(column) = column {
                    let shelf = &mut self.session.shelf;
                    shelf.menu_wanted = (shelf.menu_wanted.0 + 1, column);
                }
            }
            Action::ClearFilters => {
                if !self.session.shelf.options.filters.is_empty() {
                    self.session.shelf.options.filters = crate::domain::Filters::default();
                    self.filters_changed();
                }
            }
            Action::FoldDuplicates => {
                self.session.shelf.options.fold.on ^= true;
                self.asked.arrange_again = true;
            }
            Action::Expand => {
                if let Some(photo) = self.leader_of_selected() {
                    self.obey_shelf(ctx, ShelfCommand::Expand(photo));
                }
            }
            Action::WithoutRules => {
                self.session.shelf.options.without_rules ^= true;
                self.asked.arrange_again = true;
            }
            Action::Pin | Action::Boost | Action::Bury | Action::Exclude => self.rule(ctx, action),
            Action::GoesWith if self.session.goes_with() => self.set_goal(Goal::SameProduct),
            Action::GoesWith => self.set_goal(Goal::GoesWith { of: None }),
            Action::GoesWithResult => {
                if let Some(photo) = selected {
                    self.set_goal(Goal::GoesWith { of: Some(photo) });
                }
            }
            Action::Compare if self.has_picked() => self.compare_picked(ctx),
            Action::Compare => {
                if let Some(photo) = selected {
                    self.compare(ctx, &photo);
                }
            }
            Action::OpenCompare => {
                let shelf = &mut self.session.shelf;
                shelf.tray_open = !shelf.tray_open && shelf.tray.len() > 1;
            }
            Action::Export => self.ask_where_to_export(ExportFormat::Csv),
            Action::SaveSearch => self.save_or_not(),
            Action::ShowHistory => self.obey(ctx, Command::ShowPane(Pane::History)),
            _ => return false,
        }
        true
    }

    /// What is listed: another list has another best, whose plan follows where there is one.
    fn set_goal(&mut self, goal: Goal) {
        if self.session.shelf.options.goal == goal {
            return;
        }
        self.session.shelf.options.goal = goal.clone();
        self.session.shelf.expanded.clear();
        self.session.shelf.picked.clear();
        let Some(query) = &mut self.session.query else { return };
        if let Goal::GoesWith { of: Some(photo) } = goal {
            let hits = query.ranking.iter().flat_map(|ranking| &ranking.hits);
            let hit = hits.into_iter().find(|hit| hit.photo == photo);
            let name = hit.and_then(|hit| query.products.get(&hit.product)).map(|product| product.name.clone());
            query.example_names.extend(name.map(|name| (photo, name)));
        }
        query.selected_by_hand = false;
        if query.failed.is_some() {
            self.search_again();
        } else {
            query.stale = query.ranking.is_some();
            self.asked.arrange_again = true;
        }
    }

    fn filters_changed(&mut self) {
        let filters = self.session.shelf.options.filters.clone();
        self.backend.submit(Request::Shelf(ShelfRequest::Facets { filters }));
        self.asked.arrange_again = true;
    }

    /// Asks for the newest filters, rules and folding once the question before is answered.
    pub(super) fn arrange_again(&mut self) {
        let Some(query) = &self.session.query else {
            // The next search carries them.
            self.asked.arrange_again = false;
            return;
        };
        if self.asked.arrange_again && !self.asked.ranking && query.failed.is_none() {
            self.asked.arrange_again = false;
            self.asked.ranking_again = false;
            self.asked.ranking = true;
            let (query, options, shelf) = (query.id, self.session.options, self.session.shelf.options.clone());
            let limit = self.session.shelf.limit.max(LIMIT);
            self.backend.submit(Request::Shelf(ShelfRequest::Arrange { query, options, shelf, limit }));
        }
    }

    /// A changed choice of what is shown, of the ranking that is there.
    pub(super) fn show_again(&mut self) {
        if let Some(query) = &mut self.session.query {
            query.shown = Shown::of(Arc::clone(query.shown.tiles()), &self.session.shelf.expanded);
        }
    }

    fn leader_of_selected(&self) -> Option<PhotoId> {
        let query = self.session.query.as_ref()?;
        let place = query.selected_place()?;
        let leader = query.shown.tiles().leader(place);
        if query.shown.tiles().behind(leader) == 0 {
            return None;
        }
        Some(query.ranking.as_ref()?.hits[leader].photo.clone())
    }

    pub(super) fn compare(&mut self, ctx: &egui::Context, photo: &PhotoId) {
        let shelf = &mut self.session.shelf;
        if let Some(at) = shelf.tray.iter().position(|item| &item.hit.photo == photo) {
            shelf.tray.remove(at);
            shelf.tray_open &= shelf.tray.len() > 1;
            return;
        }
        if shelf.tray.len() == TRAY {
            let now = ctx.input(|input| input.time);
            let words = format!("{TRAY} products can be compared at once; take one away first");
            self.notify(now, Tone::Info, words, None);
            return;
        }
        let Some(query) = &self.session.query else { return };
        let Some(ranking) = &query.ranking else { return };
        let Some(hit) = query.shown.tiles().place_of(photo).map(|place| &ranking.hits[place]) else { return };
        let product = query.products.get(&hit.product).cloned();
        let offset = ranking.shelf.offset_of(photo);
        let (options, query) = (ranking.options, query.name.clone());
        shelf.tray.push(OnTray { hit: hit.clone(), options, offset, product, query });
    }

    fn ask_where_to_export(&mut self, format: ExportFormat) {
        let Some(query) = self.session.query.as_ref().filter(|query| query.ranking.is_some()) else { return };
        let stem = query.name.rsplit('/').next().unwrap_or(&query.name);
        let stem = stem.rsplit_once('.').map_or(stem, |(stem, _)| stem);
        let plain = |c: char| if c.is_alphanumeric() || c == '-' { c } else { '_' };
        let suggested_name = format!("{}-results.{}", stem.chars().map(plain).collect::<String>(), format.extension());
        self.backend.submit(Request::AskPath(Dialog::Export { format, suggested_name }));
    }

    fn save_or_not(&mut self) {
        let shelf = &self.session.shelf;
        let Some(past) = shelf.noted.and_then(|id| shelf.past.iter().find(|past| past.id == id)) else { return };
        let id = past.id;
        self.backend.submit(Request::Shelf(if past.card.starred {
            ShelfRequest::Edit(ShelfEdit::StarSearch { id, starred: false })
        } else {
            ShelfRequest::Save { id }
        }));
    }

    /// The photo, part, settings and filters of a past search, once more.
    fn reopen(&mut self, ctx: &egui::Context, id: SearchId) {
        let Some(past) = self.session.shelf.past.iter().find(|past| past.id == id).cloned() else { return };
        self.session.options = past.search.options;
        self.session.shelf.options = past.search.shelf.clone();
        let filters = past.search.shelf.filters.clone();
        self.backend.submit(Request::Shelf(ShelfRequest::Facets { filters }));
        let asked = |photo: &LoggedPhoto| match photo {
            LoggedPhoto::Project { photo } => QueryPhoto::Project(photo.clone()),
            LoggedPhoto::File { path } => QueryPhoto::File(path.clone()),
        };
        let photo = asked(&past.search.photo);
        self.asked.also = past.search.also.iter().map(asked).collect();
        self.asked.paint_of_past = past.search.paint.clone().map(Arc::new);
        self.asked.again = Some(id);
        self.asked.recipe = past.search.recipe.clone();
        self.search_part(ctx, photo, Some(past.search.crop), Some(past.search.photo_name));
    }

    pub(super) fn told_of_shelf(&mut self, event: ShelfEvent) {
        let shelf = &mut self.session.shelf;
        match event {
            ShelfEvent::Facets(facets) => shelf.facets = facets,
            ShelfEvent::Rules(rules) => {
                let changed = *shelf.rules != *rules;
                shelf.rules = rules;
                // Without rules nothing on screen depends on them.
                if changed && self.session.query.is_some() && !shelf.options.without_rules {
                    self.asked.arrange_again = true;
                }
            }
            ShelfEvent::Past(past) => shelf.past = past,
            ShelfEvent::Again { query, again } => {
                if self.session.query.as_ref().is_some_and(|present| present.id == query) {
                    shelf.again = Some(again);
                }
            }
            ShelfEvent::Noted { query, id } => {
                if self.session.query.as_ref().is_some_and(|present| present.id == query) {
                    shelf.noted = Some(id);
                }
            }
        }
    }

    /// Another project has other products, rules and searches. What it has is told right after.
    pub(super) fn forget_shelf(&mut self) {
        self.session.shelf = ShelfState::default();
    }

    /// A new photo: what was said about the one before is over.
    pub(super) fn shelf_of_new_query(&mut self) {
        let shelf = &mut self.session.shelf;
        shelf.noted = None;
        shelf.again = None;
        shelf.picked.clear();
        shelf.limit = LIMIT;
    }
}
