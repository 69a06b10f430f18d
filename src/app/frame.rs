//! One frame: decide, then draw, then do what the panels asked for.

use std::time::Instant;

use egui::{Event as Input, PointerButton};

use super::{App, PREFS_KEY};
use crate::domain::Marginals;
use crate::jobs::{QueryPhoto, Request};
use crate::ui::command::{Action, Command};
use crate::ui::keys::{Keyboard, take_shortcuts};
use crate::ui::layout::Workspace;
use crate::ui::state::Tone;
use crate::ui::{Ctx, tokens, window_ui};

impl eframe::App for App {
    fn logic(&mut self, ctx: &egui::Context, frame: &mut eframe::Frame) {
        let begun = Instant::now();
        if self.drain(ctx) {
            ctx.request_repaint();
        }
        self.take_files(ctx);
        self.take_pasted(ctx);
        self.take_copied(ctx);
        self.take_keys(ctx);
        self.ask_again();
        self.follow_study();
        self.ask_for_thumbnails();
        self.leave_pane(ctx);
        self.keep_layout(ctx);
        self.let_notices_go(ctx);
        if let Some(log) = &mut self.frame_log {
            log.decided(begun.elapsed(), frame.info().cpu_usage);
        }
    }

    fn ui(&mut self, ui: &mut egui::Ui, _frame: &mut eframe::Frame) {
        let begun = Instant::now();
        let tokens = Self::tokens(ui.ctx());
        let activity = self.backend.activity();
        self.share_memory(activity.memory_bytes);
        self.follow_training(ui.ctx(), &activity);
        // Ctrl + and Ctrl − are egui's own.
        self.prefs.scale = ui.ctx().zoom_factor();
        let now = ui.input(|input| input.time);
        let ctx = Ctx::new(&tokens, &self.session, &self.prefs, &activity, &self.thumbs, self.gpu, now);
        window_ui(ui, &ctx);
        let asked = ctx.finish();
        self.keep_keyboard(ui.ctx(), asked.arrows_taken, asked.scope);
        if asked.columns > 0 {
            self.columns = asked.columns;
        }
        let changed = self.follow(asked.pointed) | !asked.commands.is_empty();
        let egui_ctx = ui.ctx().clone();
        for command in asked.commands {
            self.obey(&egui_ctx, command);
        }
        if asked.near_end {
            self.more_results();
        }
        self.ask_again();
        self.follow_study();
        self.ask_for_thumbnails();
        self.ask_for_products(asked.products);
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
        if let Some(log) = &mut self.frame_log {
            let ranking = self.session.query.as_ref().and_then(|query| query.ranking.as_ref());
            log.drawn(
                begun.elapsed(),
                &super::frame_log::Shown {
                    results: ranking.map_or(0, |ranking| ranking.hits.len()),
                    thumbnail_bytes: self.thumbs.bytes(),
                    memory_bytes: activity.memory_bytes,
                },
            );
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
    /// Shortcuts, and the side buttons of a mouse.
    fn take_keys(&mut self, ctx: &egui::Context) {
        let covered = !ctx.memory(|memory| memory.is_above_modal_layer(egui::LayerId::background()));
        let paints = self.session.options.marginals == Marginals::Painted && self.keyboard.arrows_taken;
        let typing = self.keyboard.typing || ctx.text_edit_focused();
        let now = Keyboard { covered, typing, signs_taken: paints, ..self.keyboard };
        for action in take_shortcuts(ctx, &self.prefs.keys, now, self.under_sheet()) {
            self.obey(ctx, Command::Act(action));
        }
        if !covered && !now.menu {
            let pressed = |button| ctx.input(|input| input.pointer.button_pressed(button));
            for (button, action) in
                [(PointerButton::Extra1, Action::EarlierSearch), (PointerButton::Extra2, Action::LaterSearch)]
            {
                if pressed(button) {
                    self.obey(ctx, Command::Act(action));
                }
            }
        }
    }

    /// Ctrl+V arrives as what is on the clipboard, not as a key.
    fn take_pasted(&mut self, ctx: &egui::Context) {
        let sheet = self.session.shortcuts_open || self.session.path_wanted.is_some() || self.session.desk.covers();
        if ctx.text_edit_focused() || self.keyboard.typing || sheet {
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
        let free =
            (self.asked.ranking_again && !self.asked.ranking) || (self.asked.plan_again && self.asked.plan.is_none());
        if self.asked.paint
            && free
            && let Some(query) = self.session.query.as_ref().map(|query| query.id)
        {
            self.send_paint(query);
        }
        let goes_with = self.session.goes_with();
        let Some(query) = &mut self.session.query else { return };
        if self.asked.ranking_again && !self.asked.ranking && query.failed.is_none() {
            self.asked.ranking_again = false;
            self.asked.ranking = true;
            self.backend.submit(Request::Rerank { query: query.id, options });
        }
        if self.asked.plan_again && goes_with {
            // Garments of different kinds have no cells in common.
            self.asked.plan_again = false;
            query.plan = None;
        }
        if self.asked.plan_again
            && self.asked.plan.is_none()
            && let Some(photo) = query.selected.clone()
        {
            self.asked.plan_again = false;
            self.asked.plan = Some(photo.clone());
            self.backend.submit(Request::ShowPlan { query: query.id, photo, options });
        }
        self.ask_about_epsilon();
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

    /// Esc: the innermost thing first, and no more than that.
    pub(super) fn back(&mut self, ctx: &egui::Context) {
        if self.back_of_desk() {
            return;
        }
        if let Some(wanted) = self.session.path_wanted.take() {
            self.path_picked(ctx, wanted.dialog, None);
        } else if self.session.shortcuts_open {
            self.session.shortcuts_open = false;
        } else if self.session.gallery.report_open {
            self.session.gallery.report_open = false;
        } else if self.session.shelf.tray_open {
            self.session.shelf.tray_open = false;
        } else if self.session.pane.take().is_some() {
            // The outline goes before anything that it is around.
        } else if self.has_picked() {
            self.session.shelf.picked.clear();
        } else if self.keyboard.focused {
            // egui takes the focus away on Esc, before anything else happens.
            if let Some(focused) = ctx.memory(|memory| memory.focused()) {
                ctx.memory_mut(|memory| memory.surrender_focus(focused));
            }
            self.keyboard.focused = false;
            // The cell that the arrow keys led to goes with the focus. One under the pointer is no level of its own: it
            // would be pointed at again at once.
            self.session.pointed = None;
        } else if self.session.workspace == Workspace::Train {
            // What is open in Explore stays as it was left.
            self.session.notices.pop();
        } else if self.session.study.evidence.is_some() {
            self.session.study.evidence = None;
        } else if self.session.notices.pop().is_none() {
            self.leave_query();
        }
    }

    /// Back to the welcome screen.
    fn leave_query(&mut self) {
        self.take_up(None);
        self.session.desk.past.leave();
        self.asked = super::Asked::default();
    }
}
