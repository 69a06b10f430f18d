//! The window, drawn: panels read a [`Ctx`] and send [`Command`]s; nothing here opens a file, starts a thread or
//! asks for work. The room `app` owns all state and is the only one that changes it.

pub mod command;
pub mod compose;
pub mod context;
pub mod desk;
pub mod figures;
pub mod fonts;
pub mod fuzzy;
pub mod gallery;
pub mod inspect;
pub mod keys;
pub mod layout;
pub mod painting;
pub mod panels;
pub mod picked;
pub mod shelf;
pub mod state;
pub mod study;
pub mod thumbs;
pub mod tokens;
pub mod training;
pub mod widgets;

pub use command::{Action, Command};
pub use context::Ctx;
pub use state::{Prefs, Session};
pub use tokens::Tokens;

use panels::welcome;

/// Draws the whole window.
pub fn window_ui(ui: &mut egui::Ui, ctx: &Ctx<'_>) {
    panels::top_bar::top_bar_ui(ui, ctx);
    panels::status_bar::status_bar_ui(ui, ctx);
    if ctx.session.workspace == layout::Workspace::Train {
        panels::train::train_ui(ui, ctx);
    } else if let Some(evidence) = &ctx.session.study.evidence {
        panels::evidence::evidence_ui(ui, ctx, evidence);
    } else if ctx.session.query.is_some() {
        let frame = egui::Frame::new().fill(ctx.tokens.ground);
        egui::CentralPanel::no_frame().frame(frame).show(ui, |ui| layout::layout_ui(ui, ctx));
    } else {
        welcome::welcome_ui(ui, ctx);
    }
    panels::drop_overlay::drop_overlay_ui(ui, ctx);
    panels::gallery::skipped_ui(ui, ctx);
    panels::compare::compare_ui(ui, ctx);
    panels::notices::notices_ui(ui, ctx);
    panels::shortcuts::shortcuts_ui(ui, ctx);
    panels::path_sheet::path_sheet_ui(ui, ctx);
    panels::preferences::preferences_ui(ui, ctx);
    panels::palette::palette_ui(ui, ctx);
}
