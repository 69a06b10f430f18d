//! The composition root of the window: it owns what is known, decides what to ask for, and lets `ui` draw.

pub mod bench;
mod commands;
mod compose;
mod desk;
mod drops;
mod events;
mod frame;
mod frame_log;
mod gallery;
mod inspect;
mod knobs;
mod layout;
mod picked;
mod run;
mod scrolling;
mod shelf;
mod study;
#[cfg(test)]
pub(crate) mod tests;
mod training;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::domain::{Paint, PhotoId, ProductId, QueryId, Recipe, SearchId};
use crate::jobs::{Backend, DeviceChoice, QueryPhoto, Request};
use crate::render;
use crate::ui::keys::Keyboard;
use crate::ui::state::{Notice, Prefs, Session, Tone};
use crate::ui::thumbs::Thumbs;
use crate::ui::{Tokens, fonts, tokens};

pub use run::{BackendFactory, run};

/// How long a frame may spend on taking events in.
const EVENTS_FOR: Duration = Duration::from_millis(4);
/// Where eframe keeps the preferences.
const PREFS_KEY: &str = "seamline.prefs";
/// How many hits a search asks for at first, and how many times as many when a person scrolls towards their end.
const LIMIT: usize = 200;
const GROWTH: usize = 8;

pub struct App {
    backend: Box<dyn Backend>,
    session: Session,
    prefs: Prefs,
    thumbs: Thumbs,
    asked: Asked,
    /// What the last frame of drawing told.
    keyboard: Keyboard,
    columns: usize,
    /// What is pointed at was told by a view, which lets go of it too.
    pointing: bool,
    last_query: QueryId,
    last_notice: u64,
    /// Plans can be drawn by wgpu.
    gpu: bool,
    /// Products marked while their query photo was not in the project yet.
    marked: Vec<(QueryId, ProductId)>,
    hover: drops::HoverCache,
    /// Products that were asked about.
    products_asked: HashSet<ProductId>,
    frame_log: Option<frame_log::FrameLog>,
    /// The layout as it was last written or read.
    layout_written: String,
    layout_changed: bool,
    /// Where the photo of this query can be had from, should the kept one be gone.
    fallback: Option<(QueryId, QueryPhoto)>,
}

/// What was asked for and not yet answered. Knobs ask for the newest values only, one question at a time.
#[derive(Debug, Default)]
struct Asked {
    /// A search or a re-ranking of the present query is under way.
    ranking: bool,
    /// The settings changed since.
    ranking_again: bool,
    plan: Option<PhotoId>,
    plan_again: bool,
    /// What is painted has changed since it was sent.
    paint: bool,
    epsilon: Option<knobs::EpsilonAsked>,
    /// The plan that the person is choosing a file for.
    saving: Option<(QueryId, PhotoId)>,
    /// Filters, rules or folding changed since.
    arrange_again: bool,
    /// What the next search does to its photo, where it is a past one.
    recipe: Recipe,
    /// The other photos of a past search that is about to run again, and what was painted.
    also: Vec<QueryPhoto>,
    paint_of_past: Option<Arc<Paint>>,
    /// The past search that the next search runs again.
    again: Option<SearchId>,
}

impl App {
    pub fn new(
        cc: &eframe::CreationContext<'_>,
        mut backend: Box<dyn Backend>,
        project: Option<std::path::PathBuf>,
    ) -> Self {
        let prefs: Prefs = cc.storage.and_then(|storage| eframe::get_value(storage, PREFS_KEY)).unwrap_or_default();
        fonts::install(&cc.egui_ctx);
        tokens::install(&cc.egui_ctx);
        cc.egui_ctx.set_theme(prefs.theme);
        if let Some(state) = &cc.wgpu_render_state {
            render::install(state);
        }
        cc.egui_ctx.set_zoom_factor(prefs.scale.clamp(0.5, 3.0));
        prefs.keys.install(&cc.egui_ctx);
        backend.submit(Request::ReadLayout);
        backend.submit(Request::ListRecent);
        if prefs.device != DeviceChoice::Auto {
            backend.submit(Request::UseDevice { device: prefs.device });
        }
        backend.submit(Request::OpenProject { path: project });
        let mut app = Self {
            backend,
            session: Session::default(),
            prefs,
            thumbs: Thumbs::default(),
            asked: Asked::default(),
            keyboard: Keyboard::default(),
            fallback: None,
            columns: 0,
            pointing: false,
            last_query: QueryId::default(),
            last_notice: 0,
            gpu: cc.wgpu_render_state.is_some(),
            marked: Vec::new(),
            hover: drops::HoverCache::default(),
            products_asked: HashSet::new(),
            frame_log: frame_log::FrameLog::from_environment(),
            layout_written: String::new(),
            layout_changed: false,
        };
        app.apply_motion(&cc.egui_ctx);
        app
    }

    /// What the window knows; tests read it, and only `app` changes it.
    pub fn session(&self) -> &Session {
        &self.session
    }

    pub fn prefs(&self) -> &Prefs {
        &self.prefs
    }

    fn apply_motion(&mut self, ctx: &egui::Context) {
        let seconds = if self.prefs.reduced_motion { 0.0 } else { 0.1 };
        ctx.all_styles_mut(|style| {
            style.animation_time = seconds;
            if seconds == 0.0 {
                style.scroll_animation = egui::style::ScrollAnimation::none();
            } else {
                style.scroll_animation = egui::style::ScrollAnimation::default();
            }
        });
    }

    fn notify(&mut self, now: f64, tone: Tone, sentence: impl Into<String>, details: Option<String>) {
        let sentence = sentence.into();
        // The same sentence twice is one notice, newer.
        self.session.notices.retain(|notice| notice.sentence != sentence);
        self.last_notice += 1;
        self.session.notices.push(Notice {
            id: self.last_notice,
            tone,
            sentence,
            details,
            stays: tone == Tone::Failed,
            since: now,
        });
    }

    /// Takes events in until there are none or the frame's share of time is used up. True when some may be left.
    fn drain(&mut self, ctx: &egui::Context) -> bool {
        let begun = Instant::now();
        while let Some(event) = self.backend.try_next() {
            self.receive(ctx, event);
            if begun.elapsed() >= EVENTS_FOR {
                return true;
            }
        }
        false
    }

    fn tokens(ctx: &egui::Context) -> Tokens {
        Tokens::of(ctx.theme())
    }
}
