//! What the window knows of itself: the palette, the preferences sheet, the projects and searches to come back to.

use std::path::PathBuf;

use egui::KeyboardShortcut;

use super::command::{Action, Command};
use crate::domain::{Arithmetic, CropRect, MatchOptions, PhotoId, QueryId};
use crate::jobs::types::{DeviceChoice, DeviceSurvey, QueryPhoto, RecentProject};

/// What these parts ask `app` to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Desk {
    /// What is typed and which line is pointed at; `None` closes the palette.
    Palette(Option<Palette>),
    /// A line of the palette: it closes, then this is done.
    Chosen(Box<Command>),
    /// `None` closes the sheet.
    Preferences(Option<Page>),
    /// Waits for a key for this action; `None` stops waiting.
    Record(Option<Action>),
    /// A key was pressed for the action that is waited for.
    Recorded(KeyboardShortcut),
    /// Gives an action a key; `take` from those that had it.
    Bind {
        action: Action,
        shortcut: KeyboardShortcut,
        take: Vec<Action>,
    },
    ClearKeys(Action),
    /// Back to the defaults, of one action or of all.
    RestoreKeys(Option<Action>),
    /// Size of everything, 1 = as the system says.
    SetScale(f32),
    SetMemoryBudget(u32),
    UseDevice(DeviceChoice),
    UseArithmetic(Arithmetic),
    OpenRecent(PathBuf),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Palette {
    pub text: String,
    /// The line that Enter takes, from 0.
    pub at: usize,
}

/// A page of the preferences sheet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Page {
    #[default]
    General,
    Shortcuts,
}

/// An action that waits for its new key.
#[derive(Clone, Debug, PartialEq)]
pub struct Recording {
    pub action: Action,
    /// The key that was pressed, where others have it already.
    pub clash: Option<(KeyboardShortcut, Vec<Action>)>,
    /// Why the key that was pressed cannot be had.
    pub refused: Option<&'static str>,
}

#[derive(Default)]
pub struct DeskState {
    pub palette: Option<Palette>,
    pub preferences: Option<Page>,
    pub recording: Option<Recording>,
    /// The device that was asked for and is not there yet.
    pub device_asked: Option<DeviceChoice>,
    pub device_failed: Option<String>,
    /// The precision that was asked for and is not there yet, and why it cannot be had.
    pub arithmetic_asked: Option<Arithmetic>,
    pub arithmetic_failed: Option<String>,
    /// What this machine has, once it was looked for.
    pub devices: Option<DeviceSurvey>,
    pub recent: Vec<RecentProject>,
    pub past: Past,
}

impl DeskState {
    /// A sheet of this room covers the window.
    pub fn covers(&self) -> bool {
        self.palette.is_some() || self.preferences.is_some()
    }
}

/// How many searches can be gone back through.
const PAST_KEPT: usize = 100;
/// So many of the newest queries are surely still kept by the background.
const SURELY_KEPT: u64 = 12;

/// One search of this session.
#[derive(Clone, Debug, PartialEq)]
pub struct PastSearch {
    pub name: String,
    /// Where the photo came from.
    pub origin: QueryPhoto,
    /// The query that searched it last.
    pub query: QueryId,
    pub crop: Option<CropRect>,
    pub options: MatchOptions,
    /// What the person had chosen.
    pub selected: Option<PhotoId>,
}

impl PastSearch {
    /// The photo as it is asked for again: the kept one as long as it is surely there, else where it came from. What has
    /// no place to be read from again is asked of what is kept in any case.
    pub fn photo(&self, newest: QueryId) -> QueryPhoto {
        let kept = newest.0.saturating_sub(self.query.0) < SURELY_KEPT;
        match &self.origin {
            QueryPhoto::File(_) | QueryPhoto::Project(_) if !kept => self.origin.clone(),
            _ => QueryPhoto::Earlier(self.query),
        }
    }

    /// Where else the photo can be had from, should the kept one be gone.
    pub fn elsewhere(&self) -> Option<QueryPhoto> {
        matches!(self.origin, QueryPhoto::File(_) | QueryPhoto::Project(_)).then(|| self.origin.clone())
    }
}

/// The searches of this session, oldest first, and which one is on screen.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Past {
    searches: Vec<PastSearch>,
    at: Option<usize>,
    /// The present one came from turning knobs only, so that further turns are part of it.
    turning: bool,
}

impl Past {
    /// A new search. Those that were gone back from are let go.
    pub fn push(&mut self, search: PastSearch) {
        self.searches.truncate(self.at.map_or(0, |at| at + 1).max(if self.at.is_none() {
            self.searches.len()
        } else {
            0
        }));
        self.searches.push(search);
        if self.searches.len() > PAST_KEPT {
            self.searches.remove(0);
        }
        self.at = Some(self.searches.len() - 1);
        self.turning = false;
    }

    /// Another part of the same photo.
    pub fn push_crop(&mut self, query: QueryId, crop: CropRect) {
        if let Some(present) = self.present().cloned() {
            self.push(PastSearch { query, crop: Some(crop), selected: None, ..present });
        }
    }

    /// Other knobs: a run of turns is one search.
    pub fn push_options(&mut self, options: MatchOptions) {
        if self.turning {
            if let Some(present) = self.present_mut() {
                present.options = options;
            }
        } else if let Some(present) = self.present().cloned() {
            self.push(PastSearch { options, ..present });
            self.turning = true;
        }
    }

    pub fn present(&self) -> Option<&PastSearch> {
        self.searches.get(self.at?)
    }

    pub fn present_mut(&mut self) -> Option<&mut PastSearch> {
        self.searches.get_mut(self.at?)
    }

    /// The search that lies so many steps away.
    pub fn step(&self, by: isize) -> Option<&PastSearch> {
        self.searches.get(self.place(by)?)
    }

    pub fn go(&mut self, by: isize) {
        if let Some(place) = self.place(by) {
            self.at = Some(place);
            self.turning = false;
        }
    }

    /// From the welcome screen, one step back is the last search.
    fn place(&self, by: isize) -> Option<usize> {
        let now = self.at.unwrap_or(self.searches.len());
        now.checked_add_signed(by).filter(|place| *place < self.searches.len())
    }

    /// The photo was left for the welcome screen.
    pub fn leave(&mut self) {
        self.at = None;
        self.turning = false;
    }

    /// Another project knows nothing of these.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search(query: u64) -> PastSearch {
        PastSearch {
            name: format!("{query}.jpg"),
            origin: QueryPhoto::File(format!("/tmp/{query}.jpg").into()),
            query: QueryId(query),
            crop: None,
            options: MatchOptions::default(),
            selected: None,
        }
    }

    fn names(past: &Past) -> Vec<&str> {
        past.searches.iter().map(|search| search.name.as_str()).collect()
    }

    #[test]
    fn a_new_search_after_going_back_takes_the_place_of_those_ahead() {
        let mut past = Past::default();
        (1..=3).for_each(|query| past.push(search(query)));
        assert!(past.step(1).is_none() && past.step(-3).is_none());
        past.go(-2);
        assert_eq!(past.present().unwrap().name, "1.jpg");
        past.push(search(9));
        assert_eq!(names(&past), ["1.jpg", "9.jpg"]);
        assert!(past.step(1).is_none());
    }

    #[test]
    fn from_the_welcome_screen_one_step_back_is_the_last_search_and_a_new_one_joins_behind_it() {
        let mut past = Past::default();
        past.push(search(1));
        past.leave();
        assert_eq!(past.step(-1).unwrap().name, "1.jpg");
        past.push(search(2));
        assert_eq!(names(&past), ["1.jpg", "2.jpg"]);
    }

    #[test]
    fn a_run_of_knob_turns_is_one_search() {
        let mut past = Past::default();
        past.push(search(1));
        for epsilon in [0.1, 0.2, 0.3] {
            past.push_options(MatchOptions { epsilon, ..MatchOptions::default() });
        }
        assert_eq!(past.searches.len(), 2);
        assert!((past.present().unwrap().options.epsilon - 0.3).abs() < 1e-6);
        past.push_crop(QueryId(2), CropRect::new(0.0, 0.0, 10.0, 10.0));
        past.push_options(MatchOptions::default());
        assert_eq!(past.searches.len(), 4);
    }

    #[test]
    fn no_more_than_a_hundred_are_kept() {
        let mut past = Past::default();
        (0..150).for_each(|query| past.push(search(query)));
        assert_eq!(past.searches.len(), PAST_KEPT);
        assert_eq!(past.present().unwrap().name, "149.jpg");
    }

    #[test]
    fn the_kept_photo_is_asked_for_while_it_is_surely_there() {
        let recent = search(5);
        assert_eq!(recent.photo(QueryId(6)), QueryPhoto::Earlier(QueryId(5)));
        assert_eq!(recent.photo(QueryId(90)), recent.origin);
        let pasted = PastSearch { origin: QueryPhoto::Clipboard, ..search(5) };
        assert_eq!(pasted.photo(QueryId(90)), QueryPhoto::Earlier(QueryId(5)));
        assert_eq!(pasted.elsewhere(), None);
    }
}
