//! Where the panes lie: kept between sessions, written once the person lets go.

use super::App;
use crate::jobs::Request;
use crate::ui::layout::{Kept, Layout, PaneAction};
use crate::ui::state::Tone;

impl App {
    /// What was kept is taken over; what cannot be read is said once, and the default stays.
    pub(super) fn layout_read(&mut self, now: f64, text: Option<&str>) {
        let Some(text) = text else { return };
        match Kept::from_text(text) {
            Ok(kept) => {
                self.layout_written = kept.to_text();
                self.session.layouts = kept.present;
                self.session.saved_layouts = kept.saved;
            }
            Err(error) => {
                let words = format!("The kept layout of the window is not used: {error}");
                self.notify(now, Tone::Info, words, None);
            }
        }
    }

    /// What a command does to the current pane. The first one becomes current where none is.
    pub(super) fn act_on_pane(&mut self, ctx: &egui::Context, action: PaneAction) {
        let workspace = self.session.workspace;
        let mut layout = self.session.layouts.of(workspace).clone();
        let order = layout.order();
        let now = self.session.pane.and_then(|pane| order.iter().position(|other| *other == pane));
        let count = order.len();
        let at = match (action, now) {
            (PaneAction::Next, Some(at)) => (at + 1) % count,
            (PaneAction::Previous, Some(at)) => (at + count - 1) % count,
            (PaneAction::Previous, None) => count - 1,
            (_, at) => at.unwrap_or(0),
        };
        let Some(&pane) = order.get(at) else { return };
        self.session.pane = Some(pane);
        if matches!(action, PaneAction::Next | PaneAction::Previous) {
            layout.show(pane);
        } else {
            layout.act(ctx, pane, action);
        }
        self.set_layout(layout);
    }

    /// Whoever takes the pointer needs no outline.
    pub(super) fn leave_pane(&mut self, ctx: &egui::Context) {
        if self.session.pane.is_some() && ctx.input(|input| input.pointer.any_pressed()) {
            self.session.pane = None;
        }
    }

    pub(super) fn set_layout(&mut self, layout: Layout) {
        let workspace = layout.workspace();
        *self.session.layouts.of_mut(workspace) = layout;
        self.layout_changed = true;
    }

    pub(super) fn save_layout(&mut self, now: f64) {
        self.session.saved_layouts = Some(self.session.layouts.clone());
        self.layout_changed = true;
        self.notify(now, Tone::Good, "The layout is saved", None);
    }

    pub(super) fn restore_layout(&mut self, now: f64) {
        match self.session.saved_layouts.clone() {
            Some(saved) => self.set_layout(saved.of(self.session.workspace).clone()),
            None => self.notify(now, Tone::Info, "No layout was saved yet", None),
        }
    }

    /// Writes the layout where it differs from what was written, and not while something is being dragged.
    pub(super) fn keep_layout(&mut self, ctx: &egui::Context) {
        if !self.layout_changed || ctx.input(|input| input.pointer.any_down()) {
            return;
        }
        self.layout_changed = false;
        let kept = Kept { present: self.session.layouts.clone(), saved: self.session.saved_layouts.clone() };
        let text = kept.to_text();
        if text != self.layout_written {
            self.layout_written.clone_from(&text);
            self.backend.submit(Request::WriteLayout { text });
        }
    }
}
