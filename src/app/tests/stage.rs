//! A window with a scripted background behind it.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use egui::{Key, Modifiers, Pos2, Theme, Vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;

use super::fake;
use crate::app::App;
use crate::domain::{MatchOptions, QueryId, Stage};
use crate::jobs::{Activity, Backend, Event, Request, SearchRequest};
use crate::ui::Command;

#[derive(Default)]
struct Wire {
    asked: Vec<Request>,
    events: VecDeque<Event>,
    activity: Activity,
}

struct Scripted(Rc<RefCell<Wire>>);

impl Backend for Scripted {
    fn submit(&mut self, request: Request) {
        self.0.borrow_mut().asked.push(request);
    }

    fn try_next(&mut self) -> Option<Event> {
        self.0.borrow_mut().events.pop_front()
    }

    fn activity(&self) -> Activity {
        self.0.borrow().activity.clone()
    }
}

#[derive(Debug)]
struct Dropped(PathBuf);

impl egui::DroppedFile for Dropped {
    fn path(&self) -> &Path {
        &self.0
    }

    fn bytes(&self) -> Result<Vec<u8>, String> {
        Err("the window passes paths on and reads nothing".to_owned())
    }
}

pub struct Staged {
    pub harness: Harness<'static, App>,
    wire: Rc<RefCell<Wire>>,
}

impl Staged {
    /// An empty window, before its project is open.
    pub fn empty() -> Self {
        Self::with(Vec2::new(1440.0, 900.0), Theme::Light, false)
    }

    pub fn with(size: Vec2, theme: Theme, gpu: bool) -> Self {
        let wire = Rc::new(RefCell::new(Wire::default()));
        let behind = Scripted(wire.clone());
        let mut builder = Harness::builder().with_size(size).with_theme(theme).with_max_steps(12);
        if gpu {
            builder = builder.with_render_cursor(false).wgpu();
        }
        let mut harness = builder.build_eframe(move |cc| App::new(cc, Box::new(behind), None));
        // The harness decides on the theme, not the system.
        harness.ctx.set_theme(theme);
        harness.run();
        Self { harness, wire }
    }

    /// With an open project and no photo.
    pub fn ready() -> Self {
        let mut stage = Self::empty();
        stage.open();
        stage
    }

    /// With results and a plan on screen.
    pub fn searched() -> Self {
        let mut stage = Self::ready();
        stage.search_through(60);
        stage
    }

    pub fn open(&mut self) {
        self.tell(Event::ProjectOpened(Arc::new(fake::project())));
        self.asked();
    }

    /// Drops a photo and answers everything about it.
    pub fn search_through(&mut self, hits: usize) {
        self.drop_file("/tmp/street/tram.jpg");
        let search = self.last_search();
        self.answer_search(&search, hits);
        self.serve();
        self.asked();
    }

    pub fn answer_search(&mut self, search: &SearchRequest, hits: usize) {
        let mut info = fake::query_info("tram.jpg");
        info.crop = search.crop.unwrap_or(info.crop);
        self.tell(Event::QueryReady { query: search.query, photo: Arc::new(info) });
        self.tell(fake::ranked(search.query, Stage::Global, search.options, hits));
        self.tell(fake::ranked(search.query, Stage::Structural, search.options, hits));
    }

    /// Answers thumbnails and plans until nothing of the kind is asked for; returns all else that was.
    pub fn serve(&mut self) -> Vec<Request> {
        let mut others = Vec::new();
        for _ in 0..40 {
            let asked = self.asked();
            if asked.is_empty() {
                break;
            }
            for request in asked {
                match request {
                    Request::Thumbnail { photo, size_px } => {
                        let name = photo.as_str();
                        let start = name.find("/p").map_or(0, |at| at + 2);
                        let index = name[start..start + 3].parse::<usize>().expect("fake photos have numbers");
                        let pixels = if name.starts_with("street") {
                            fake::street_photo(index, size_px * 5 / 7, size_px)
                        } else {
                            fake::shop_photo(index, size_px)
                        };
                        self.push(Event::Thumbnail { photo, size_px, pixels: Ok(pixels) });
                    }
                    Request::ShowPlan { query, photo, options } => self.push(fake::plan(query, &photo, options)),
                    other => others.push(other),
                }
            }
            self.harness.run();
        }
        others
    }

    /// What was asked for since the last time.
    pub fn asked(&self) -> Vec<Request> {
        std::mem::take(&mut self.wire.borrow_mut().asked)
    }

    /// As `asked`, without thumbnails, which depend on the layout, and epsilon's study, which follows every settled order.
    pub fn asked_for(&self) -> Vec<Request> {
        self.asked()
            .into_iter()
            .filter(|request| !matches!(request, Request::Thumbnail { .. } | Request::Epsilon { .. }))
            .collect()
    }

    /// The one search that was asked for.
    #[track_caller]
    pub fn last_search(&self) -> SearchRequest {
        let mut searches: Vec<SearchRequest> = self
            .asked()
            .into_iter()
            .filter_map(|request| match request {
                Request::Search(search) => Some(search),
                _ => None,
            })
            .collect();
        assert_eq!(searches.len(), 1, "one search");
        searches.remove(0)
    }

    pub fn push(&self, event: Event) {
        self.wire.borrow_mut().events.push_back(event);
    }

    pub fn tell(&mut self, event: Event) {
        self.push(event);
        self.harness.run();
    }

    pub fn doing(&mut self, activity: Activity) {
        self.wire.borrow_mut().activity = activity;
        self.harness.run();
    }

    pub fn drop_file(&mut self, path: &str) {
        self.drop_files(&[path]);
    }

    pub fn drop_files(&mut self, paths: &[&str]) {
        self.harness.input_mut().hovered_files.clear();
        for path in paths {
            self.harness.input_mut().dropped_files.push(Arc::new(Dropped(path.into())));
        }
        self.harness.run();
    }

    /// As if a panel had asked for it.
    pub fn obey(&mut self, command: Command) {
        let ctx = self.harness.ctx.clone();
        self.harness.state_mut().obey(&ctx, command);
        self.harness.run();
    }

    pub fn hover_file(&mut self, path: &str) {
        let file = egui::HoveredFile { path: Some(path.into()), ..egui::HoveredFile::default() };
        self.harness.input_mut().hovered_files.push(file);
        // egui repaints for as long as a file hovers.
        self.harness.run_steps(2);
    }

    pub fn file_leaves(&mut self) {
        self.harness.input_mut().hovered_files.clear();
        self.harness.run();
    }

    pub fn press(&mut self, key: Key) {
        self.harness.key_press(key);
        self.harness.run();
    }

    pub fn press_with(&mut self, modifiers: Modifiers, key: Key) {
        self.harness.key_press_modifiers(modifiers, key);
        self.harness.run();
    }

    /// Clicks what has this name.
    #[track_caller]
    pub fn click(&mut self, name: &str) {
        self.harness.get_by_label(name).click();
        self.harness.run();
    }

    pub fn drag(&mut self, from: Pos2, to: Pos2) {
        self.harness.hover_at(from);
        self.harness.drag_at(from);
        self.harness.run();
        self.harness.hover_at(from + (to - from) * 0.5);
        self.harness.hover_at(to);
        self.harness.run();
        self.harness.drop_at(to);
        self.harness.run();
    }

    pub fn sees(&self, name: &str) -> bool {
        self.harness.query_all_by_label(name).next().is_some() || self.reads(|text| text == name)
    }

    pub fn sees_part(&self, part: &str) -> bool {
        self.reads(|text| text.contains(part))
    }

    fn reads(&self, fits: impl Fn(&str) -> bool) -> bool {
        let mut open = vec![self.harness.root()];
        while let Some(node) = open.pop() {
            let access = egui_kittest::kittest::NodeT::accesskit_node(&node);
            if access.label().is_some_and(|text| fits(&text)) || access.value().is_some_and(|text| fits(&text)) {
                return true;
            }
            open.extend(egui_kittest::kittest::NodeT::children(&node));
        }
        false
    }

    pub fn query(&self) -> QueryId {
        self.harness.state().session().query.as_ref().expect("a photo is on screen").id
    }

    pub fn options(&self) -> MatchOptions {
        self.harness.state().session().options
    }
}
