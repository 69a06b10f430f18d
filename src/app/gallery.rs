//! What concerns a person's own folder of photos.

use super::{App, drops};
use crate::jobs::{Dialog, GalleryEvent, GalleryRequest, Request};
use crate::ui::command::Action;
use crate::ui::gallery::GalleryCommand;
use crate::ui::state::Tone;

impl App {
    pub(super) fn obey_gallery(&mut self, ctx: &egui::Context, command: GalleryCommand) {
        let gallery = &mut self.session.gallery;
        match command {
            GalleryCommand::ShowReason(reason) => gallery.show_reason(reason),
            GalleryCommand::CopyReport => {
                if let Some(state) = &gallery.state {
                    ctx.copy_text(state.report.to_text());
                    let now = ctx.input(|input| input.time);
                    let words = format!("Copied {}", crate::ui::figures::counted(gallery.skipped(), "line"));
                    self.notify(now, Tone::Good, words, None);
                }
            }
            GalleryCommand::SaveReport => {
                let folder = gallery.state.as_ref().map_or_else(String::new, |state| drops::name_of(&state.folder));
                let suggested_name = format!("{folder}-skipped.csv");
                self.backend.submit(Request::AskPath(Dialog::SaveReport { suggested_name }));
            }
        }
    }

    pub(super) fn act_on_gallery(&mut self, action: Action) {
        let over_folder = self.session.gallery.state.is_some();
        let mut ask = |request| {
            if over_folder {
                self.backend.submit(Request::Gallery(request));
            }
        };
        match action {
            Action::RefreshGallery => ask(GalleryRequest::Refresh),
            Action::StopIndexing => ask(GalleryRequest::StopIndexing),
            Action::OpenGallery => self.backend.submit(Request::AskPath(Dialog::OpenGallery)),
            Action::ReadList if over_folder => self.backend.submit(Request::AskPath(Dialog::OpenList)),
            Action::ReadList => {}
            Action::SkippedReport => {
                self.session.gallery.report_open = over_folder && !self.session.gallery.report_open
            }
            Action::SearchAgain if self.session.query.as_ref().is_some_and(|query| query.info.is_some()) => {
                self.search_again();
            }
            _ => {}
        }
    }

    pub(super) fn gallery_told(&mut self, now: f64, event: GalleryEvent) {
        match event {
            GalleryEvent::State(state) => {
                let before = self.session.gallery.state.as_ref().and_then(|before| before.trouble.clone());
                match (&before, &state.trouble) {
                    (former, Some(trouble)) if former.as_ref() != Some(trouble) => {
                        self.notify(now, Tone::Failed, trouble.clone(), None);
                    }
                    (Some(former), None) => {
                        // What was said of it no longer holds.
                        self.session.notices.retain(|notice| &notice.sentence != former);
                        self.notify(now, Tone::Good, "The folder of photos is there again", None);
                    }
                    _ => {}
                }
                self.session.gallery.set_state(state);
            }
            // Without an order on screen there is nothing that could be older than the gallery.
            GalleryEvent::Changed(change) if self.session.query.is_some() => {
                self.session.gallery.changed = self.session.gallery.changed.and(change);
            }
            GalleryEvent::Changed(_) => {}
        }
    }
}
