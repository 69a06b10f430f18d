//! One frame: decide, then draw, then do what the panels asked for.

use egui::Event as Input;

use super::{App, PREFS_KEY};
use crate::jobs::{QueryPhoto, Request};
use crate::ui::command::{Action, Command, take_shortcuts};
use crate::ui::state::Tone;
use crate::ui::{Ctx, tokens, window_ui};

impl eframe::App for App {
    fn logic(&mut self, ctx: &egui::Context, _frame: &mut eframe::Frame) {
        if self.drain(ctx) {
            ctx.request_repaint();
        }
        self.take_files(ctx);
        self.take_pasted(ctx);
        self.take_copied(ctx);
        for action in take_shortcuts(ctx, self.arrows_taken) {
            self.obey(ctx, Command::Act(action));
        }
        self.ask_again();
        self.follow_study();
        self.ask_for_thumbnails();
        self.keep_layout(ctx);
        self.let_notices_go(ctx);
    }

    fn ui(&mut self, ui: &mut egui::Ui, _frame: &mut eframe::Frame) {
        let tokens = Self::tokens(ui.ctx());
        let activity = self.backend.activity();
        let now = ui.input(|input| input.time);
        let ctx = Ctx::new(&tokens, &self.session, &self.prefs, &activity, &self.thumbs, self.gpu, now);
        window_ui(ui, &ctx);
        let asked = ctx.finish();
        self.arrows_taken = asked.arrows_taken;
        if asked.columns > 0 {
            self.columns = asked.columns;
        }
        let changed = self.follow(asked.pointed) | !asked.commands.is_empty();
        let egui_ctx = ui.ctx().clone();
        for command in asked.commands {
            self.obey(&egui_ctx, command);
        }
        self.ask_again();
        self.follow_study();
        self.ask_for_thumbnails();
        if changed {
            egui_ctx.request_repaint();
        }
        if self.session.query.is_none() && activity.preparing.is_some() {
            // Progress is not an event; look at it a few times a second.
            egui_ctx.request_repaint_after_secs(0.1);
        } else if activity.training.is_some()
            || activity.studying.is_some()
            || activity.searching
            || activity.preparing.is_some()
        {
            egui_ctx.request_repaint_after_secs(0.2);
        }
    }

    fn save(&mut self, storage: &mut dyn eframe::Storage) {
        eframe::set_value(storage, PREFS_KEY, &self.prefs);
    }

    fn clear_color(&self, visuals: &egui::Visuals) -> [f32; 4] {
        visuals.panel_fill.to_normalized_gamma_f32()
    }
}

impl App {
    /// Ctrl+V arrives as what is on the clipboard, not as a key.
    fn take_pasted(&mut self, ctx: &egui::Context) {
        if ctx.text_edit_focused() {
            return;
        }
        let pasted: Vec<Option<String>> = ctx.input(|input| {
            let pasted = |event: &Input| match event {
                Input::PasteImage(_) => Some(None),
                Input::Paste(text) => Some(Some(text.clone())),
                _ => None,
            };
            input.events.iter().filter_map(pasted).collect()
        });
        for content in pasted {
            match content {
                None => self.search(ctx, QueryPhoto::Clipboard),
                Some(text) => match super::drops::path_in(&text) {
                    Some(path) if super::study::is_evidence(&path) => self.open_evidence(path),
                    Some(path) => self.search(ctx, QueryPhoto::File(path)),
                    None => {
                        let now = ctx.input(|input| input.time);
                        self.notify(
                            now,
                            Tone::Info,
                            "The clipboard holds text, not a picture or the path of one",
                            None,
                        );
                    }
                },
            }
        }
    }

    fn ask_for_thumbnails(&mut self) {
        for (photo, size_px) in self.thumbs.next_wanted() {
            self.backend.submit(Request::Thumbnail { photo, size_px });
        }
    }

    /// Knobs that were turned while a question was open are asked about now, once.
    fn ask_again(&mut self) {
        self.arrange_again();
        let options = self.session.options;
        let Some(query) = &self.session.query else { return };
        if self.asked.ranking_again && !self.asked.ranking && query.failed.is_none() {
            self.asked.ranking_again = false;
            self.asked.ranking = true;
            self.backend.submit(Request::Rerank { query: query.id, options });
        }
        if self.asked.plan_again
            && self.asked.plan.is_none()
            && let Some(photo) = query.selected.clone()
        {
            self.asked.plan_again = false;
            self.asked.plan = Some(photo.clone());
            self.backend.submit(Request::ShowPlan { query: query.id, photo, options });
        }
    }

    fn let_notices_go(&mut self, ctx: &egui::Context) {
        let now = ctx.input(|input| input.time);
        self.session.notices.retain(|notice| notice.stays || now - notice.since < tokens::NOTICE_SECS);
        if let Some(oldest) =
            self.session.notices.iter().filter(|notice| !notice.stays).map(|n| n.since).reduce(f64::min)
        {
            ctx.request_repaint_after_secs((oldest + tokens::NOTICE_SECS - now).max(0.05) as f32);
        }
    }

    /// Esc: the innermost thing first.
    pub(super) fn back(&mut self, ctx: &egui::Context) {
        if let Some(wanted) = self.session.path_wanted.take() {
            self.path_picked(ctx, wanted.dialog, None);
        } else if self.session.shortcuts_open {
            self.session.shortcuts_open = false;
        } else if self.session.gallery.report_open {
            self.session.gallery.report_open = false;
        } else if self.session.shelf.tray_open {
            self.session.shelf.tray_open = false;
        } else if let Some(focused) = ctx.memory(|memory| memory.focused()) {
            ctx.memory_mut(|memory| memory.surrender_focus(focused));
            self.session.pointed = None;
        } else if self.session.pointed.is_some() {
            self.session.pointed = None;
        } else if self.session.study.evidence.is_some() {
            self.session.study.evidence = None;
        } else if self.session.notices.pop().is_none() {
            self.leave_query();
        }
    }

    /// Back to the welcome screen.
    fn leave_query(&mut self) {
        self.session.query = None;
        self.asked = super::Asked::default();
    }
}

/// What can be done while the sheet of keys covers the window.
pub(super) fn allowed_under_sheet(action: Action) -> bool {
    matches!(
        action,
        Action::Back | Action::Shortcuts | Action::ToggleTheme | Action::SkippedReport | Action::RefreshGallery
    )
}
