//! Several results at once: which are selected, and what is done with them.

use std::collections::BTreeSet;

use super::App;
use crate::domain::{Effect, Hit, PhotoId, Subject};
use crate::ui::command::Action;
use crate::ui::picked::{PickAction, PickCommand};
use crate::ui::shelf::{ShelfCommand, TRAY};
use crate::ui::state::Tone;

impl App {
    pub(super) fn obey_pick(&mut self, command: PickCommand) {
        match command {
            PickCommand::Toggle(photo) => self.session.shelf.picked.toggle(photo),
            PickCommand::Until(photo) => self.pick_until(&photo),
            PickCommand::Clear => self.session.shelf.picked.clear(),
        }
    }

    pub(super) fn act_pick(&mut self, action: PickAction) {
        let row = self.columns.max(1) as isize;
        match action {
            PickAction::Toggle => {
                if let Some(photo) = self.session.query.as_ref().and_then(|query| query.selected.clone()) {
                    self.session.shelf.picked.toggle(photo);
                }
            }
            PickAction::All => {
                if let Some(query) = &self.session.query
                    && let Some(ranking) = &query.ranking
                {
                    let all = (0..query.shown.len()).filter_map(|tile| query.shown.place(tile));
                    self.session.shelf.picked.photos = all.map(|place| ranking.hits[place].photo.clone()).collect();
                }
            }
            PickAction::UntilNext => self.step_picking(1),
            PickAction::UntilPrevious => self.step_picking(-1),
            PickAction::UntilBelow => self.step_picking(row),
            PickAction::UntilAbove => self.step_picking(-row),
            PickAction::Clear => self.session.shelf.picked.clear(),
        }
    }

    fn step_picking(&mut self, by: isize) {
        let selected = |app: &Self| app.session.query.as_ref().and_then(|query| query.selected.clone());
        let before = selected(self);
        if self.session.shelf.picked.photos.is_empty() {
            self.session.shelf.picked.from = before;
        }
        self.step(by);
        if let Some(photo) = selected(self) {
            self.pick_until(&photo);
        }
    }

    fn pick_until(&mut self, photo: &PhotoId) {
        let Some(query) = &self.session.query else { return };
        let Some(ranking) = &query.ranking else { return };
        let tile_of = |wanted: &PhotoId| query.shown.tile(query.shown.tiles().place_of(wanted)?);
        let picked = &mut self.session.shelf.picked;
        let from = picked.from.as_ref().or(query.selected.as_ref()).and_then(tile_of);
        let Some(to) = tile_of(photo) else { return };
        let from = from.unwrap_or(to);
        if picked.from.is_none() {
            picked.from.clone_from(&query.selected);
        }
        let range = (from.min(to)..=from.max(to)).filter_map(|tile| query.shown.place(tile));
        picked.photos = range.map(|place| ranking.hits[place].photo.clone()).collect();
    }

    /// What is ruled, compared or exported: the selection where there is one.
    pub(super) fn has_picked(&self) -> bool {
        !self.session.shelf.picked.photos.is_empty()
    }

    /// One step for the shown product, or for all selected ones; where all have such a rule already, it is taken back.
    pub(super) fn rule(&mut self, ctx: &egui::Context, action: Action) {
        let Some(query) = self.session.query.as_ref().filter(|query| !query.stale) else { return };
        let Some(ranking) = &query.ranking else { return };
        let shelf = &self.session.shelf;
        let place_of = |photo| query.shown.tiles().place_of(photo);
        let mut places: Vec<usize> = if shelf.picked.photos.is_empty() {
            query.selected_place().into_iter().collect()
        } else {
            shelf.picked.photos.iter().filter_map(place_of).collect()
        };
        places.sort_unstable();
        let mut seen = BTreeSet::new();
        let hits = places.into_iter().map(|place| &ranking.hits[place]).filter(|hit| seen.insert(&hit.product));
        let rule = |hit: &Hit| Some((Subject::Product { product: hit.product.clone() }, action.effect(hit.rank)?));
        let wanted: Vec<(Subject, Effect)> = hits.filter_map(rule).collect();
        if wanted.is_empty() {
            return;
        }
        let edit = shelf.edit_for(&wanted);
        if action == Action::Exclude {
            // What is no longer listed cannot be acted on.
            self.session.shelf.picked.clear();
        }
        self.obey_shelf(ctx, ShelfCommand::Edit(edit));
    }

    /// The selection takes the place of what was to be compared.
    pub(super) fn compare_picked(&mut self, ctx: &egui::Context) {
        let picked = self.session.shelf.picked.photos.len();
        if picked > TRAY {
            let now = ctx.input(|input| input.time);
            let words = format!("{TRAY} products can be compared at once, and {picked} are selected");
            self.notify(now, Tone::Info, words, None);
            return;
        }
        let Some(ranking) = self.session.query.as_ref().and_then(|query| query.ranking.clone()) else { return };
        let shelf = &mut self.session.shelf;
        shelf.tray.clear();
        let photos = std::mem::take(&mut shelf.picked).photos;
        for hit in ranking.hits.iter().filter(|hit| photos.contains(&hit.photo)) {
            self.compare(ctx, &hit.photo);
        }
        self.session.shelf.tray_open = self.session.shelf.tray.len() > 1;
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::sync::Arc;

    use egui::{Key, Modifiers};
    use egui_kittest::kittest::Queryable as _;

    use super::*;
    use crate::app::tests::fake;
    use crate::app::tests::stage::Staged;
    use crate::domain::Rule;
    use crate::jobs::{Dialog, Event, ExportFormat, Request, ShelfEvent, ShelfRequest};
    use crate::project::ShelfEdit;
    use crate::ui::shelf::BOOST;

    fn picked(stage: &Staged) -> Vec<String> {
        stage.harness.state().session().shelf.picked.photos.iter().map(ToString::to_string).collect()
    }

    fn hit(rank: usize) -> Hit {
        fake::ranking(crate::domain::Stage::Structural, crate::domain::MatchOptions::default(), 60).hits[rank - 1]
            .clone()
    }

    fn product(rank: usize) -> Subject {
        Subject::Product { product: hit(rank).product }
    }

    #[test]
    fn shift_with_arrows_selects_a_range_and_one_key_rules_all_of_it_in_one_step() {
        let mut stage = Staged::searched();
        stage.press_with(Modifiers::SHIFT, Key::ArrowRight);
        stage.press_with(Modifiers::SHIFT, Key::ArrowRight);
        assert!(stage.sees("3 selected") && picked(&stage).len() == 3);
        stage.press_with(Modifiers::SHIFT, Key::ArrowLeft);
        assert!(stage.sees("2 selected"), "the range shrinks again");
        stage.asked();
        stage.press(Key::B);
        let boost = Effect::Boost { by: BOOST };
        let add = vec![(product(1), boost), (product(2), boost)];
        let edit = ShelfEdit::Rules { remove: Vec::new(), add };
        assert_eq!(stage.asked_for(), [Request::Shelf(ShelfRequest::Edit(edit))]);
        // Both have it now, and one has the opposite of what is wished next.
        let rule = |id, subject, effect| Rule { id, subject, effect, enabled: true, author: "mia".into(), at_ms: 1 };
        let rules = vec![rule(4, product(1), boost), rule(5, product(2), boost)];
        stage.tell(Event::Shelf(ShelfEvent::Rules(Arc::new(rules))));
        stage.tell(fake::ranked(stage.query(), crate::domain::Stage::Structural, stage.options(), 60));
        stage.serve();
        stage.press(Key::B);
        let back = ShelfEdit::Rules { remove: vec![4, 5], add: Vec::new() };
        assert_eq!(stage.asked_for(), [Request::Shelf(ShelfRequest::Edit(back))]);
        stage.press_with(Modifiers::SHIFT, Key::B);
        let bury = Effect::Bury { by: BOOST };
        let back = ShelfEdit::Rules { remove: vec![4, 5], add: Vec::new() };
        assert_eq!(
            stage.asked_for(),
            [Request::Shelf(ShelfRequest::Edit(back))],
            "what pulls the other way goes first"
        );
        stage.tell(Event::Shelf(ShelfEvent::Rules(Arc::new(vec![rule(4, product(1), boost)]))));
        stage.tell(fake::ranked(stage.query(), crate::domain::Stage::Structural, stage.options(), 60));
        stage.serve();
        stage.press_with(Modifiers::SHIFT, Key::B);
        let both = ShelfEdit::Rules { remove: vec![4], add: vec![(product(2), bury)] };
        assert_eq!(stage.asked_for(), [Request::Shelf(ShelfRequest::Edit(both))]);
    }

    #[test]
    fn ctrl_click_adds_single_tiles_shift_click_a_range_and_escape_lets_them_go_before_anything_else() {
        let mut stage = Staged::searched();
        let click = |stage: &mut Staged, rank: usize, modifiers: Modifiers| {
            let name = format!("Rank {rank}:");
            let tile = stage.harness.get_by(|node| node.label().is_some_and(|label| label.starts_with(&name)));
            tile.click_modifiers(modifiers);
            stage.harness.run();
        };
        click(&mut stage, 2, Modifiers::COMMAND);
        click(&mut stage, 5, Modifiers::COMMAND);
        assert!(stage.sees("2 selected"));
        click(&mut stage, 2, Modifiers::COMMAND);
        assert!(stage.sees("1 selected"));
        click(&mut stage, 5, Modifiers::COMMAND);
        click(&mut stage, 3, Modifiers::SHIFT);
        assert!(stage.sees("3 selected"), "from 5, which was touched last, to 3");
        stage.press(Key::Escape);
        assert!(picked(&stage).is_empty() && stage.harness.state().session().query.is_some());
    }

    #[test]
    fn all_that_is_listed_can_be_selected_and_exported_alone() {
        let mut stage = Staged::searched();
        stage.press_with(Modifiers::COMMAND, Key::A);
        assert_eq!(picked(&stage).len(), 60);
        assert!(stage.sees("60 selected") && stage.sees("Exclude selected") && !stage.sees("Compare selected"));
        stage.click("Select none");
        stage.press(Key::M);
        stage.press(Key::ArrowRight);
        stage.press(Key::M);
        assert!(stage.sees("2 selected"));
        stage.asked();
        stage.click("Export selected");
        let asked = stage.asked_for();
        let [Request::AskPath(dialog)] = asked.as_slice() else { panic!("{asked:?}") };
        let path = PathBuf::from("/tmp/two.csv");
        stage.tell(Event::PathPicked { dialog: dialog.clone(), path: Some(path.clone()) });
        let only = [hit(1).photo, hit(2).photo].into();
        let query = stage.query();
        let export = ShelfRequest::Export { query, only, format: ExportFormat::Csv, path };
        assert_eq!(stage.asked_for(), [Request::Shelf(export)]);
        assert!(matches!(dialog, Dialog::Export { .. }));
    }

    #[test]
    fn two_to_four_selected_results_are_compared_side_by_side_at_once() {
        let mut stage = Staged::searched();
        stage.press_with(Modifiers::SHIFT, Key::ArrowRight);
        stage.click("Compare selected");
        let shelf = &stage.harness.state().session().shelf;
        assert!(shelf.tray_open && shelf.tray.len() == 2 && shelf.picked.photos.is_empty());
        stage.press(Key::Escape);
        stage.press_with(Modifiers::COMMAND, Key::A);
        stage.press(Key::C);
        assert!(stage.sees("4 products can be compared at once, and 60 are selected"));
    }
}
