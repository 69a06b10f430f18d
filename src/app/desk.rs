//! The palette, the preferences, the keys, and coming back to earlier searches and projects.

use super::App;
use crate::domain::{Arithmetic, CropRect, Goal, MatchOptions, QueryId};
use crate::jobs::{DeviceChoice, QueryPhoto, Request};
use crate::ui::command::Action;
use crate::ui::desk::{Desk, Page, Palette, PastSearch, Recording};
use crate::ui::keys::{self, Keyboard, Scope};
use crate::ui::layout::Workspace;
use crate::ui::state::{ProjectState, Query};

/// Bytes of thumbnails that are kept even where the rest of the program fills the budget.
const THUMBS_LEAST: u64 = 24 << 20;
/// The share of the whole budget that thumbnails may take.
const THUMBS_SHARE: u64 = 8;

impl App {
    pub(super) fn obey_desk(&mut self, ctx: &egui::Context, desk: Desk) {
        match desk {
            Desk::Palette(palette) => self.session.desk.palette = palette,
            Desk::Chosen(command) => {
                self.session.desk.palette = None;
                self.obey(ctx, *command);
            }
            Desk::Preferences(page) => {
                self.look_for_devices();
                self.session.desk.preferences = page;
                self.session.desk.recording = None;
            }
            Desk::Record(action) => {
                self.session.desk.recording = action.map(|action| Recording { action, clash: None, refused: None });
            }
            Desk::Recorded(shortcut) => self.recorded(shortcut),
            Desk::Bind { action, shortcut, take } => {
                for other in take {
                    self.prefs.keys.take(other, shortcut);
                }
                self.prefs.keys.set(action, shortcut);
                self.session.desk.recording = None;
            }
            Desk::ClearKeys(action) => self.prefs.keys.clear(action),
            Desk::RestoreKeys(Some(action)) => self.restore_key(action),
            Desk::RestoreKeys(None) => {
                self.prefs.keys = keys::Keymap::default();
                self.session.desk.recording = None;
            }
            Desk::SetScale(scale) => {
                self.prefs.scale = scale;
                ctx.set_zoom_factor(scale);
            }
            Desk::SetMemoryBudget(mb) => self.prefs.memory_mb = mb,
            Desk::UseDevice(device) => self.use_device(device),
            Desk::UseArithmetic(arithmetic) => self.use_arithmetic(arithmetic),
            Desk::OpenRecent(path) => self.open_project(Some(path)),
        }
        self.prefs.keys.install(ctx);
    }

    fn recorded(&mut self, shortcut: egui::KeyboardShortcut) {
        let Some(recording) = &mut self.session.desk.recording else { return };
        recording.refused = keys::reserved(shortcut);
        if recording.refused.is_some() {
            return;
        }
        let action = recording.action;
        let others = self.prefs.keys.conflicts(action, shortcut);
        if others.is_empty() {
            self.prefs.keys.set(action, shortcut);
            self.session.desk.recording = None;
        } else {
            recording.clash = Some((shortcut, others));
        }
    }

    /// The default of one action. Where another has that key by now, this asks as for any other key.
    fn restore_key(&mut self, action: Action) {
        let clash = action.entry().shortcuts.iter().find_map(|&shortcut| {
            let others = self.prefs.keys.conflicts(action, shortcut);
            (!others.is_empty()).then_some((shortcut, others))
        });
        if clash.is_some() {
            self.session.desk.recording = Some(Recording { action, clash, refused: None });
        } else {
            self.prefs.keys.restore(action);
            self.session.desk.recording = None;
        }
    }

    pub(super) fn toggle_palette(&mut self) {
        self.session.desk.palette = match self.session.desk.palette {
            Some(_) => None,
            None => Some(Palette::default()),
        };
    }

    pub(super) fn toggle_preferences(&mut self) {
        self.session.desk.recording = None;
        self.look_for_devices();
        self.session.desk.preferences = match self.session.desk.preferences {
            Some(_) => None,
            None => Some(Page::General),
        };
    }

    /// Asked for by the sheet that shows them, once.
    fn look_for_devices(&mut self) {
        if self.session.desk.devices.is_none() && self.session.desk.preferences.is_none() {
            self.backend.submit(Request::ListDevices);
        }
    }

    pub(super) fn use_device(&mut self, device: DeviceChoice) {
        self.session.desk.device_failed = None;
        self.session.desk.device_asked = Some(device);
        self.backend.submit(Request::UseDevice { device });
    }

    pub(super) fn device_ready(&mut self, device: DeviceChoice) {
        if self.session.desk.device_asked == Some(device) {
            self.session.desk.device_asked = None;
        }
        self.prefs.device = device;
    }

    fn use_arithmetic(&mut self, arithmetic: Arithmetic) {
        let desk = &mut self.session.desk;
        desk.arithmetic_failed = None;
        if self.session.project.open().is_some_and(|project| project.arithmetic == arithmetic) {
            return;
        }
        desk.arithmetic_asked = Some(arithmetic);
        self.backend.submit(Request::UseArithmetic { arithmetic });
    }

    /// True where the sheet that asked shows it.
    pub(super) fn arithmetic_failed(&mut self, sentence: &str) -> bool {
        self.session.desk.arithmetic_asked = None;
        self.session.desk.arithmetic_failed = Some(sentence.to_owned());
        self.session.desk.preferences == Some(Page::General)
    }

    /// True where the sheet that asked shows it.
    pub(super) fn device_failed(&mut self, sentence: &str) -> bool {
        self.session.desk.device_asked = None;
        self.session.desk.device_failed = Some(sentence.to_owned());
        self.session.desk.preferences == Some(Page::General)
    }

    /// The keyboard as this frame left it, for the shortcuts of the next.
    pub(super) fn keep_keyboard(&mut self, ctx: &egui::Context, arrows_taken: bool, scope: Option<Scope>) {
        let explores = self.session.workspace == Workspace::Explore && self.session.query.is_some();
        let scope = scope.or(explores.then_some(Scope::Results));
        self.keyboard = Keyboard {
            typing: ctx.text_edit_focused(),
            menu: egui::Popup::is_any_open(ctx),
            focused: ctx.memory(|memory| memory.focused()).is_some(),
            covered: false,
            arrows_taken,
            signs_taken: false,
            scope,
        };
    }

    /// What may be done by key under the sheet that is open.
    pub(super) fn under_sheet(&self) -> &'static [Action] {
        if self.session.desk.recording.is_some() {
            &[Action::Back]
        } else if self.session.desk.palette.is_some() {
            &[Action::Back, Action::Palette]
        } else if self.session.desk.preferences.is_some() {
            &[Action::Back, Action::Preferences]
        } else if self.session.shortcuts_open {
            &[Action::Back, Action::Shortcuts, Action::ToggleTheme]
        } else if self.session.gallery.report_open {
            &[Action::Back, Action::SkippedReport, Action::RefreshGallery]
        } else if self.session.shelf.tray_open {
            &[Action::Back, Action::OpenCompare]
        } else {
            &[Action::Back]
        }
    }

    /// One level of what this room opens. True where there was one.
    pub(super) fn back_of_desk(&mut self) -> bool {
        let desk = &mut self.session.desk;
        desk.palette.take().is_some() || desk.recording.take().is_some() || desk.preferences.take().is_some()
    }

    /// Thumbnails get what the rest of the program leaves of the budget.
    pub(super) fn share_memory(&mut self, process_bytes: Option<u64>) {
        let budget = u64::from(self.prefs.memory_mb) << 20;
        let most = budget / THUMBS_SHARE;
        let rest = process_bytes.unwrap_or(0).saturating_sub(self.thumbs.bytes() as u64);
        let room = budget.saturating_sub(rest).min(most).max(THUMBS_LEAST);
        self.thumbs.set_budget(usize::try_from(room).unwrap_or(usize::MAX));
    }
}

/// Searches to come back to.
impl App {
    pub(super) fn remember_search(&mut self, name: &str, origin: QueryPhoto, crop: Option<CropRect>) {
        let (query, options) = (self.last_query, self.session.options);
        let name = name.to_owned();
        self.session.desk.past.push(PastSearch { name, origin, query, crop, options, selected: None });
    }

    pub(super) fn remember_options(&mut self, options: MatchOptions) {
        if self.session.query.is_some() {
            self.remember_selected();
            self.session.desk.past.push_options(options);
        }
    }

    /// The same search under its newest id.
    pub(super) fn search_is_now(&mut self) {
        let query = self.last_query;
        if let Some(present) = self.session.desk.past.present_mut() {
            present.query = query;
        }
    }

    /// What is chosen of the results that are about to go.
    pub(super) fn remember_selected(&mut self) {
        let Some(query) = &self.session.query else { return };
        let selected = query.selected.clone().filter(|_| query.selected_by_hand);
        if let Some(present) = self.session.desk.past.present_mut() {
            present.selected = selected;
        }
    }

    /// Shows the search so many steps away, as it was asked.
    pub(super) fn go(&mut self, by: isize) {
        if !matches!(self.session.project, ProjectState::Open(_)) {
            return;
        }
        let Some(search) = self.session.desk.past.step(by).cloned() else { return };
        self.show_workspace(Workspace::Explore);
        self.remember_selected();
        self.session.desk.past.go(by);
        let photo = search.photo(self.last_query);
        self.asked.again = None;
        let fallback = search.elsewhere().filter(|_| matches!(photo, QueryPhoto::Earlier(_)));
        let id = self.last_query.next();
        let mut query = Query::new(id, search.name);
        query.crop = search.crop;
        query.selected_by_hand = search.selected.is_some();
        query.selected = search.selected;
        self.take_up(Some(query));
        self.session.options = search.options;
        self.session.shelf.options.goal = Goal::SameProduct;
        self.submit_search(photo, search.crop);
        self.fallback = fallback.map(|photo| (self.last_query, photo));
        self.search_is_now();
    }

    /// A kept photo that is gone is read from where it came from, once. True where that is tried.
    pub(super) fn fall_back(&mut self, id: QueryId) -> bool {
        let Some((_, photo)) = self.fallback.take_if(|(query, _)| *query == id) else { return false };
        let Some(query) = &mut self.session.query else { return false };
        query.id = self.last_query.next();
        let crop = query.crop;
        self.submit_search(photo, crop);
        self.search_is_now();
        true
    }
}
