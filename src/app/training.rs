//! Recipes, runs and the run that is under way.

use std::sync::Arc;

use super::App;
use crate::domain::RunId;
use crate::jobs::{
    Activity, Dialog, Failure, FailureOf, Phase, QueryPhoto, Request, RunEnd, TrainingEvent, TrainingRequest,
    TrainingStart,
};
use crate::ui::layout::Workspace;
use crate::ui::state::Tone;
use crate::ui::thumbs::texture;
use crate::ui::training::{
    CurveView, DataChoice, Draft, LastPromotion, LastRun, MOST_SHOWN, Pictures, TrainAction, TrainCommand, TrainState,
    plain,
};

impl App {
    pub(super) fn show_workspace(&mut self, workspace: Workspace) {
        self.session.workspace = workspace;
    }

    fn ask_training(&mut self, request: TrainingRequest) {
        self.backend.submit(Request::Training(request));
    }

    pub(super) fn act_on_run(&mut self, action: TrainAction) {
        match action {
            // Nothing is begun that is not in sight.
            TrainAction::Start if self.session.workspace == Workspace::Train => self.start_training(),
            TrainAction::Start => self.show_workspace(Workspace::Train),
            TrainAction::Pause => {
                let phase = self.backend.activity().live.as_ref().map(|live| live.phase);
                match phase {
                    Some(Phase::Paused | Phase::Pausing) => self.ask_training(TrainingRequest::Pause(false)),
                    Some(Phase::Running) => self.ask_training(TrainingRequest::Pause(true)),
                    Some(Phase::Preparing | Phase::Stopping) | None => {}
                }
            }
            TrainAction::OpenRecipe => self.backend.submit(Request::AskPath(Dialog::OpenRecipe)),
            TrainAction::SaveRecipe => {
                if !self.session.train.draft.text.is_empty() {
                    let suggested_name = format!("{}.toml", self.recipe_name());
                    self.backend.submit(Request::AskPath(Dialog::SaveRecipe { suggested_name }));
                }
            }
            TrainAction::EditAsText => {
                self.session.train.draft.as_text ^= true;
                self.show_workspace(Workspace::Train);
            }
            TrainAction::Logarithmic => self.prefs.curves.logarithmic ^= true,
        }
    }

    fn recipe_name(&self) -> String {
        let checked = self.session.train.draft.checked.as_ref();
        checked.and_then(|checked| checked.values.get("name")).map_or_else(|| "recipe".to_owned(), |name| plain(name))
    }

    fn start_training(&mut self) {
        let activity = self.backend.activity();
        let train = &self.session.train;
        let Some(project) = self.session.project.open() else { return };
        if activity.training.is_some() || project.read_only.is_some() {
            return;
        }
        match train.choice {
            DataChoice::Corrections => {
                if self.session.labels.untrained > 0 {
                    self.session.train.last = None;
                    self.session.last_training = None;
                    self.backend.submit(Request::TrainOnCorrections);
                }
            }
            DataChoice::Photos(data) => {
                let blocked = train.data_of(data).is_some_and(|summary| summary.problem.is_some());
                if blocked || !train.draft.is_sound() {
                    return;
                }
                let start = TrainingStart {
                    recipe: train.draft.text.clone(),
                    data,
                    from: train.from.clone(),
                    device: train.device,
                };
                self.session.train.last = None;
                self.ask_training(TrainingRequest::Start(start));
            }
        }
    }

    pub(super) fn obey_train(&mut self, ctx: &egui::Context, command: TrainCommand) {
        let train = &mut self.session.train;
        match command {
            TrainCommand::UseRecipe(index) => {
                if let Some(recipe) = train.recipes.get(index).cloned() {
                    self.use_recipe(recipe.name, recipe.words, recipe.text);
                }
            }
            TrainCommand::UseRecipeOf(run) => {
                if let Some(text) = train.run(&run).map(|run| run.recipe.clone()) {
                    self.use_recipe(format!("of {run}"), format!("The recipe of the run {run}"), text);
                }
            }
            TrainCommand::SetText(text) => {
                train.draft.text = text;
                train.draft.changed = true;
                self.check_recipe();
            }
            TrainCommand::SetSetting { setting, typed } => self.set_setting(setting, typed),
            TrainCommand::LeaveSetting(setting) => {
                train.draft.typed.remove(&setting);
                train.draft.unreadable.remove(&setting);
            }
            TrainCommand::ResetSetting(setting) => {
                if let Some(text) = without(&train.draft.text, &setting) {
                    train.draft.text = text;
                    train.draft.changed = true;
                    self.check_recipe();
                }
            }
            TrainCommand::UseData(choice) => train.choice = choice,
            TrainCommand::StartFrom(from) => train.from = from,
            TrainCommand::UseDevice(device) => train.device = device,
            TrainCommand::Show { run, shown: true } => {
                train.show(&run);
            }
            TrainCommand::Show { run, shown: false } => train.hide(&run),
            TrainCommand::Select(run) => train.selected = Some(run),
            TrainCommand::Against(run) => train.against = Some(run),
            TrainCommand::Resume(run) => {
                let device = train.device;
                train.last = None;
                self.ask_training(TrainingRequest::Resume { run, device });
            }
            TrainCommand::Promote { run, step } => {
                train.promotion = None;
                self.ask_training(TrainingRequest::Promote { run, step });
            }
            TrainCommand::StopPromoting => self.ask_training(TrainingRequest::StopPromoting),
            TrainCommand::LookAt(photo) => self.search(ctx, QueryPhoto::Project(photo)),
            TrainCommand::SetView(view) => {
                self.prefs.curves = CurveView { smoothing: view.smoothing.clamp(0.0, 0.98), ..*view }
            }
            TrainCommand::Dismiss => train.last = None,
        }
    }

    fn use_recipe(&mut self, name: String, words: String, text: String) {
        let (as_text, serial) = (self.session.train.draft.as_text, self.session.train.draft.serial);
        // What was known of the one before is shown until the new one is looked at.
        let checked = self.session.train.draft.checked.take();
        self.session.train.draft = Draft { name, words, text, as_text, serial, checked, ..Draft::default() };
        self.check_recipe();
    }

    fn check_recipe(&mut self) {
        let draft = &mut self.session.train.draft;
        draft.serial += 1;
        let (serial, text) = (draft.serial, draft.text.clone());
        self.ask_training(TrainingRequest::Check { serial, text });
    }

    /// What is typed is kept as typed; as soon as it is a value, it is in the recipe.
    fn set_setting(&mut self, setting: String, typed: String) {
        let draft = &mut self.session.train.draft;
        let word = draft
            .checked
            .as_ref()
            .and_then(|checked| checked.defaults.get(&setting))
            .is_some_and(|default| default.starts_with('"'));
        let changed = with(&draft.text, &setting, typed.trim(), word);
        draft.typed.insert(setting.clone(), typed);
        match changed {
            Some(text) => {
                draft.unreadable.remove(&setting);
                if text != draft.text {
                    draft.text = text;
                    draft.changed = true;
                    self.check_recipe();
                }
            }
            None => {
                draft.unreadable.insert(setting);
            }
        }
    }

    /// A recipe's file was chosen.
    pub(super) fn recipe_picked(&mut self, dialog: &Dialog, path: std::path::PathBuf) {
        if matches!(dialog, Dialog::OpenRecipe) {
            self.ask_training(TrainingRequest::Read { path });
        } else {
            let text = self.session.train.draft.text.clone();
            self.ask_training(TrainingRequest::Save { path, text });
        }
    }

    pub(super) fn training_told(&mut self, now: f64, event: TrainingEvent) {
        let train = &mut self.session.train;
        match event {
            TrainingEvent::Recipes(recipes) => {
                train.recipes = recipes;
                if train.draft.text.is_empty() && !train.recipes.is_empty() {
                    let first = train.recipes[0].clone();
                    self.use_recipe(first.name, first.words, first.text);
                }
            }
            TrainingEvent::Data(data) => train.data = data,
            TrainingEvent::Runs(runs) => {
                train.runs = Some(runs);
                first_choices(train);
            }
            TrainingEvent::Curves { run, curves } => {
                train.curves.insert(run, curves);
            }
            TrainingEvent::Checked { serial, checked } => {
                if serial == train.draft.serial {
                    train.draft.checked = Some(checked);
                    train.draft.checked_serial = serial;
                }
            }
            TrainingEvent::RecipeRead { path, text } => {
                let name = super::drops::name_of(&path);
                self.use_recipe(name, path.display().to_string(), text);
            }
            TrainingEvent::Started { run } => {
                train.last = None;
                train.curves.remove(&run);
                train.curves_asked.remove(&run);
                make_room(train, &run);
                train.show(&run);
                train.selected = Some(run);
            }
            TrainingEvent::Ended(end) => self.run_ended(now, end),
            TrainingEvent::Promoted(promotion) => {
                let name = &promotion.after.name;
                let words = match (promotion.recall_before, promotion.recall_after) {
                    (Some(before), Some(after)) => {
                        format!("{name} searches now: recall@1 on the test split {:.3} → {:.3}", before[0], after[0])
                    }
                    _ => format!("{name} searches now"),
                };
                train.promotion = Some(LastPromotion::Done(promotion));
                self.notify(now, Tone::Good, words, None);
            }
        }
    }

    fn run_ended(&mut self, now: f64, end: Arc<RunEnd>) {
        let train = &mut self.session.train;
        // The last steps are in the folder, not in what was seen live.
        train.curves.remove(&end.run);
        train.curves_asked.remove(&end.run);
        let words = if end.finished {
            format!("The run {} is finished", end.run)
        } else {
            format!("The run {} was stopped at step {} of {}", end.run, end.step, end.steps)
        };
        train.last = Some(LastRun::Ended(end));
        if self.session.workspace != Workspace::Train {
            self.notify(now, Tone::Good, words, None);
        }
    }

    /// True where the workspace says it in its place.
    pub(super) fn training_failed(&mut self, failure: &Failure) -> bool {
        let seen = self.session.workspace == Workspace::Train;
        let train = &mut self.session.train;
        match failure.of {
            FailureOf::Training => {
                let run = train.live.as_ref().filter(|_| train.running).map(|live| live.run.clone());
                if let Some(run) = &run {
                    train.curves.remove(run);
                    train.curves_asked.remove(run);
                }
                train.last = Some(LastRun::Failed(run, failure.clone()));
                seen
            }
            FailureOf::Promotion => {
                train.promotion = Some(LastPromotion::Failed(failure.clone()));
                seen
            }
            _ => false,
        }
    }

    /// Follows the run that is under way, and asks for what the workspace shows and does not have.
    pub(super) fn follow_training(&mut self, ctx: &egui::Context, activity: &Activity) {
        let open = self.session.project.open().is_some();
        let seen = self.session.workspace == Workspace::Train && open;
        let train = &mut self.session.train;
        train.running = activity.live.is_some();
        if let Some(live) = &activity.live {
            train.live = Some(Arc::clone(live));
        }
        let wanted: Vec<RunId> = train
            .drawn()
            .map(|(_, run)| run.clone())
            .filter(|run| !train.curves.contains_key(run) && !train.curves_asked.contains(run))
            .filter(|run| !train.live.as_ref().is_some_and(|live| train.running && &live.run == run))
            .collect();
        let mut requests = Vec::new();
        if seen && !train.listed {
            train.listed = true;
            if self.session.desk.devices.is_none() {
                self.backend.submit(Request::ListDevices);
            }
            requests.push(TrainingRequest::List);
        }
        if seen != train.watching {
            train.watching = seen;
            requests.push(TrainingRequest::Watch(seen));
        }
        if seen {
            for run in wanted {
                train.curves_asked.insert(run.clone());
                requests.push(TrainingRequest::Curves { run });
            }
            take_pictures(ctx, train);
        }
        for request in requests {
            self.ask_training(request);
        }
    }
}

/// Textures of the newest look, where it is not on screen already.
fn take_pictures(ctx: &egui::Context, train: &mut TrainState) {
    let Some(glance) = train.live.as_ref().and_then(|live| live.glance.clone()) else {
        // Another run has not been looked at yet.
        if train.running {
            train.pictures = None;
        }
        return;
    };
    if train.pictures.as_ref().is_some_and(|pictures| Arc::ptr_eq(&pictures.glance, &glance)) {
        return;
    }
    let textures =
        glance.pictures.iter().map(|picture| texture(ctx, picture.photo.as_str(), &picture.pixels)).collect();
    train.pictures = Some(Pictures { glance, textures });
}

/// The newest run is chosen and drawn where a person chose none.
fn first_choices(train: &mut TrainState) {
    let Some(runs) = &train.runs else { return };
    let there = |run: &RunId| runs.iter().any(|summary| &summary.run == run);
    for place in &mut train.shown {
        if place.as_ref().is_some_and(|run| !there(run)) {
            *place = None;
        }
    }
    train.selected = train.selected.take().filter(|run| there(run));
    let newest = runs.first().map(|run| run.run.clone());
    if let Some(newest) = newest
        && train.selected.is_none()
    {
        if train.drawn().next().is_none() {
            train.show(&newest);
        }
        train.selected = Some(newest);
    }
}

/// Where all colours are taken, a new run takes that of the one drawn first.
fn make_room(train: &mut TrainState, run: &RunId) {
    if train.is_shown(run) || train.drawn().count() < MOST_SHOWN {
        return;
    }
    let first = train.drawn().next().map(|(_, run)| run.clone());
    if let Some(first) = first {
        train.hide(&first);
    }
}

/// The recipe with a setting changed and all else as it was, comments too; `None` where `typed` is no value or the
/// recipe no TOML.
fn with(recipe: &str, setting: &str, typed: &str, word: bool) -> Option<String> {
    use toml_edit::{DocumentMut, Item, Value};
    let value: Value = if word { Value::from(typed) } else { typed.parse().ok()? };
    let mut document: DocumentMut = recipe.parse().ok()?;
    let (table, key) = match setting.rsplit_once('.') {
        Some((section, key)) => {
            let mut item = document.as_item_mut();
            for part in section.split('.') {
                let table = item.as_table_like_mut()?;
                if !table.contains_key(part) {
                    table.insert(part, toml_edit::table());
                }
                item = table.get_mut(part)?;
            }
            (item.as_table_like_mut()?, key)
        }
        None => (document.as_table_mut() as &mut dyn toml_edit::TableLike, setting),
    };
    match table.get_mut(key) {
        Some(Item::Value(old)) => {
            let decor = old.decor().clone();
            *old = value;
            *old.decor_mut() = decor;
        }
        _ => {
            table.insert(key, Item::Value(value));
        }
    }
    Some(document.to_string())
}

/// The recipe without a setting, which is then as it is where nobody says anything.
fn without(recipe: &str, setting: &str) -> Option<String> {
    let mut document: toml_edit::DocumentMut = recipe.parse().ok()?;
    let mut item = document.as_item_mut();
    let mut parts = setting.split('.').peekable();
    while let Some(part) = parts.next() {
        let table = item.as_table_like_mut()?;
        if parts.peek().is_none() {
            table.remove(part)?;
            break;
        }
        item = table.get_mut(part)?;
    }
    Some(document.to_string())
}

#[cfg(test)]
mod tests {
    use super::{with, without};

    const RECIPE: &str = "# Mine\nname = \"a\"\n\n[optimizer]\nrate = 1e-3 # peak\n\n[loss]\ntriplet = 1.0\n";

    #[test]
    fn one_setting_changes_and_every_other_letter_stays() {
        let changed = with(RECIPE, "optimizer.rate", "3e-4", false).unwrap();
        assert_eq!(changed, RECIPE.replace("1e-3", "3e-4"));
        assert_eq!(with(RECIPE, "name", "b c", true).unwrap(), RECIPE.replace("\"a\"", "\"b c\""));
        let more = with(RECIPE, "loss.margin", "0.2", false).unwrap();
        assert_eq!(more, format!("{RECIPE}margin = 0.2\n"));
        let section = with(RECIPE, "data.photos", "2", false).unwrap();
        assert!(section.starts_with(RECIPE) && section.ends_with("[data]\nphotos = 2\n"), "{section}");
        // The oracle: TOML's own reader.
        let read: toml::Table = section.parse().unwrap();
        assert_eq!(read["data"]["photos"].as_integer(), Some(2));
        assert_eq!(with(RECIPE, "optimizer.rate", "fast", false), None);
        assert_eq!(with(RECIPE, "optimizer.rate", "", false), None);
        assert_eq!(with("rate = = 1", "name", "b", true), None);
    }

    #[test]
    fn a_setting_that_is_taken_out_is_gone_alone() {
        assert_eq!(without(RECIPE, "optimizer.rate").unwrap(), RECIPE.replace("rate = 1e-3 # peak\n", ""));
        assert_eq!(without(RECIPE, "loss.margin"), None);
    }
}
