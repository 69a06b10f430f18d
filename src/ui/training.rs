//! What the window knows of recipes and runs. `app` changes it, panels read it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use egui::{Key, KeyboardShortcut, Modifiers, TextureHandle};
use serde::{Deserialize, Serialize};

use super::command::{Entry, Group};
use super::fonts::icon;
use super::layout::Workspace;
use crate::domain::{Glance, PhotoId, RunCurves, RunId};
use crate::jobs::types::{
    CheckedRecipe, DataSummary, DeviceChoice, Failure, LiveRun, Promotion, RecipeEntry, RunEnd, RunSummary, StartFrom,
    TrainingData,
};

/// Runs that can be laid over each other: as many as there are colours.
pub const MOST_SHOWN: usize = 6;

/// What panels ask about training, besides the actions of the table.
#[derive(Clone, Debug, PartialEq)]
pub enum TrainCommand {
    /// Begins with a recipe of the list.
    UseRecipe(usize),
    /// Begins with the recipe of a run.
    UseRecipeOf(RunId),
    /// The whole recipe was typed over.
    SetText(String),
    /// One setting was typed over; what is typed need not be right yet.
    SetSetting {
        setting: String,
        typed: String,
    },
    /// The field of a setting was left.
    LeaveSetting(String),
    /// Back to what the setting is where nobody says anything.
    ResetSetting(String),
    UseData(DataChoice),
    StartFrom(StartFrom),
    UseDevice(DeviceChoice),
    /// Lays the curves of a run over the others, or takes them away.
    Show {
        run: RunId,
        shown: bool,
    },
    /// The run whose checkpoints are listed.
    Select(RunId),
    /// The run that the selected one is compared with.
    Against(RunId),
    /// Goes on with a run from its last checkpoint.
    Resume(RunId),
    Promote {
        run: RunId,
        step: usize,
    },
    StopPromoting,
    /// Opens a photo in Explore, where its labels can be corrected.
    LookAt(PhotoId),
    SetView(Box<CurveView>),
    /// What is said of the last run is read.
    Dismiss,
}

/// Entries of the command table that concern training.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TrainAction {
    Start,
    Pause,
    OpenRecipe,
    SaveRecipe,
    EditAsText,
    Logarithmic,
}

impl TrainAction {
    pub fn entry(self) -> Entry {
        const fn key(key: Key) -> KeyboardShortcut {
            KeyboardShortcut::new(Modifiers::NONE, key)
        }
        let entry = |name, tooltip, icon, shortcuts| Entry { name, tooltip, icon, group: Group::Training, shortcuts };
        match self {
            Self::Start => entry(
                "Start training",
                "Train a new model by the recipe; the model that searches stays",
                icon::PLAY,
                const { &[key(Key::F8)] },
            ),
            Self::Pause => entry(
                "Pause training",
                "Hold after this step, and go on from there when pressed again",
                icon::PAUSE,
                const { &[key(Key::F9)] },
            ),
            Self::OpenRecipe => entry("Open recipe…", "Begin with a recipe from a TOML file", icon::FOLDER, &[]),
            Self::SaveRecipe => entry("Save recipe…", "Write the recipe into a TOML file", icon::FLOPPY, &[]),
            Self::EditAsText => {
                entry("Edit as TOML", "Show the whole recipe as a text, or as fields", icon::PENCIL, &[])
            }
            Self::Logarithmic => {
                let words = "Equal heights of losses and rates multiply, rather than add";
                entry("Log scale", words, icon::TREND_DOWN, &[])
            }
        }
    }
}

impl Workspace {
    pub fn entry(self) -> Entry {
        const fn ctrl(key: Key) -> KeyboardShortcut {
            KeyboardShortcut::new(Modifiers::COMMAND, key)
        }
        let (tooltip, icon, shortcuts): (_, _, &'static [KeyboardShortcut]) = match self {
            Self::Explore => {
                ("Search with a photo and see why products match", icon::SEARCH, const { &[ctrl(Key::Num1)] })
            }
            Self::Train => {
                ("Train a model, watch it learn, compare runs", icon::TREND_UP, const { &[ctrl(Key::Num2)] })
            }
        };
        Entry { name: self.name(), tooltip, icon, group: Group::Window, shortcuts }
    }
}

/// What is learnt from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataChoice {
    Photos(TrainingData),
    /// The person's corrections, on top of the present model.
    Corrections,
}

impl Default for DataChoice {
    fn default() -> Self {
        Self::Photos(TrainingData::Project)
    }
}

/// How curves are drawn; kept between sessions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CurveView {
    pub logarithmic: bool,
    /// 0 draws values as they are; near 1 only their long course is left.
    pub smoothing: f32,
    pub over: Over,
    /// Lines that are hidden, by chart and name.
    pub hidden: BTreeSet<String>,
}

impl Default for CurveView {
    fn default() -> Self {
        Self { logarithmic: false, smoothing: 0.85, over: Over::default(), hidden: BTreeSet::new() }
    }
}

/// What the x axis counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Over {
    #[default]
    Epochs,
    Steps,
}

/// The recipe of the next run.
#[derive(Clone, Debug, Default)]
pub struct Draft {
    /// Where it comes from, for people.
    pub name: String,
    /// What it does, in one sentence.
    pub words: String,
    pub text: String,
    /// The person changed something of it.
    pub changed: bool,
    /// Counts the versions of the text; answers about older ones are dropped.
    pub serial: u64,
    /// Of the newest version that was answered.
    pub checked: Option<Arc<CheckedRecipe>>,
    pub checked_serial: u64,
    /// Settings that are being typed, as typed.
    pub typed: BTreeMap<String, String>,
    /// Settings whose typed text is no value at all.
    pub unreadable: BTreeSet<String>,
    pub as_text: bool,
}

impl Draft {
    /// The newest version was looked at and nothing is wrong with it.
    pub fn is_sound(&self) -> bool {
        self.checked_serial == self.serial
            && self.unreadable.is_empty()
            && self.checked.as_ref().is_some_and(|checked| checked.problem.is_none())
    }
}

/// How the last run came to its end.
#[derive(Clone, Debug)]
pub enum LastRun {
    Ended(Arc<RunEnd>),
    /// With the run, where it had begun.
    Failed(Option<RunId>, Failure),
}

/// How the last promotion came to its end.
#[derive(Clone, Debug)]
pub enum LastPromotion {
    Done(Arc<Promotion>),
    Failed(Failure),
}

/// Pictures of a batch, ready to be drawn.
pub struct Pictures {
    pub glance: Arc<Glance>,
    pub textures: Vec<TextureHandle>,
}

#[derive(Default)]
pub struct TrainState {
    pub recipes: Arc<Vec<RecipeEntry>>,
    pub data: Arc<Vec<DataSummary>>,
    /// `None` until they are listed.
    pub runs: Option<Arc<Vec<RunSummary>>>,
    pub draft: Draft,
    pub choice: DataChoice,
    pub from: StartFrom,
    pub device: DeviceChoice,
    /// Runs whose curves are drawn; a place in the list is a colour, which a run keeps while others come and go.
    pub shown: Vec<Option<RunId>>,
    pub selected: Option<RunId>,
    pub against: Option<RunId>,
    pub curves: HashMap<RunId, Arc<RunCurves>>,
    pub curves_asked: HashSet<RunId>,
    /// The run that is under way, or was last: its layers and pictures stay in sight.
    pub live: Option<Arc<LiveRun>>,
    /// The one in `live` is under way.
    pub running: bool,
    /// Lists were asked for.
    pub listed: bool,
    /// The background was told that somebody looks.
    pub watching: bool,
    pub last: Option<LastRun>,
    pub promotion: Option<LastPromotion>,
    pub pictures: Option<Pictures>,
}

impl TrainState {
    pub fn run(&self, run: &RunId) -> Option<&RunSummary> {
        self.runs.as_ref()?.iter().find(|summary| &summary.run == run)
    }

    pub fn is_shown(&self, run: &RunId) -> bool {
        self.shown.iter().flatten().any(|shown| shown == run)
    }

    /// The colour that a run has while it is drawn.
    pub fn place(&self, run: &RunId) -> Option<usize> {
        self.shown.iter().position(|shown| shown.as_ref() == Some(run))
    }

    /// Gives a run the first free colour. False where all are taken.
    pub fn show(&mut self, run: &RunId) -> bool {
        if self.is_shown(run) {
            return true;
        }
        if let Some(place) = self.shown.iter_mut().find(|place| place.is_none()) {
            *place = Some(run.clone());
        } else if self.shown.len() < MOST_SHOWN {
            self.shown.push(Some(run.clone()));
        } else {
            return false;
        }
        true
    }

    pub fn hide(&mut self, run: &RunId) {
        for place in &mut self.shown {
            if place.as_ref() == Some(run) {
                *place = None;
            }
        }
    }

    /// The runs that are drawn with their colours.
    pub fn drawn(&self) -> impl Iterator<Item = (usize, &RunId)> {
        self.shown.iter().enumerate().filter_map(|(place, run)| Some((place, run.as_ref()?)))
    }

    /// What is learnt from, as counted.
    pub fn data_of(&self, data: TrainingData) -> Option<&DataSummary> {
        self.data.iter().find(|summary| summary.data == data)
    }

    /// The curves of a run: those of the run under way are its own.
    pub fn curves_of(&self, run: &RunId) -> Option<&Arc<RunCurves>> {
        let live = self.live.as_ref().filter(|live| &live.run == run).map(|live| &live.curves);
        if self.running && live.is_some() { live } else { self.curves.get(run).or(live) }
    }

    /// Another project has other runs; how a person set up the next one stays.
    pub fn forget_project(&mut self) {
        let kept = std::mem::take(self);
        *self = Self {
            recipes: kept.recipes,
            draft: kept.draft,
            device: kept.device,
            watching: kept.watching,
            ..Self::default()
        };
    }
}

/// Settings in which two runs differ, with both values; a dash where one has no such setting. And how many agree.
pub fn differences(a: &RunSummary, b: &RunSummary) -> (Vec<(String, String, String)>, usize) {
    let names: BTreeSet<&String> = a.settings.keys().chain(b.settings.keys()).collect();
    let value = |run: &RunSummary, name: &str| run.settings.get(name).map_or_else(|| "–".to_owned(), |v| plain(v));
    let mut same = 0;
    let mut found = Vec::new();
    for name in names {
        let (x, y) = (value(a, name), value(b, name));
        if x == y {
            same += 1;
        } else {
            found.push((name.clone(), x, y));
        }
    }
    (found, same)
}

/// A value of a recipe as people read it: without the quotes of a word.
pub fn plain(value: &str) -> String {
    let inside = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    inside.unwrap_or(value).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::types::RunState;

    pub fn run(name: &str, settings: &[(&str, &str)]) -> RunSummary {
        RunSummary {
            run: name.into(),
            state: RunState::Finished,
            step: 10,
            steps: 10,
            epochs: 2,
            recall_at_1: None,
            mean_average_precision: None,
            seconds: 1.0,
            begun: 0.0,
            device: "CPU".to_owned(),
            checkpoints: Vec::new(),
            settings: settings.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
            recipe: String::new(),
            corrections: false,
        }
    }

    #[test]
    fn a_run_keeps_its_colour_while_others_come_and_go() {
        let mut state = TrainState::default();
        for name in ["a", "b", "c"] {
            assert!(state.show(&name.into()));
        }
        state.hide(&"a".into());
        assert_eq!((state.place(&"b".into()), state.place(&"a".into())), (Some(1), None));
        state.show(&"d".into());
        assert_eq!(state.place(&"d".into()), Some(0));
        for name in ["e", "f", "g"] {
            assert!(state.show(&name.into()));
        }
        assert!(!state.show(&"h".into()) && state.show(&"g".into()), "six at most, and those that are there stay");
        assert_eq!(state.drawn().count(), MOST_SHOWN);
    }

    #[test]
    fn differences_name_what_differs_and_count_what_does_not() {
        let a = run("a", &[("loss.margin", "0.3"), ("name", "\"a\""), ("seed", "1")]);
        let b = run("b", &[("loss.margin", "0.3"), ("name", "\"b\""), ("data.photos", "4")]);
        let (found, same) = differences(&a, &b);
        let row = |name: &str, x: &str, y: &str| (name.to_owned(), x.to_owned(), y.to_owned());
        assert_eq!(found, [row("data.photos", "–", "4"), row("name", "a", "b"), row("seed", "1", "–")]);
        assert_eq!(same, 1);
        let (swapped, _) = differences(&b, &a);
        assert!(found.iter().zip(&swapped).all(|(x, y)| x.0 == y.0 && x.1 == y.2 && x.2 == y.1), "the other way round");
    }
}
