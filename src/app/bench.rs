//! How long the window's frames keep the CPU while a large ranking is scrolled: the real window with a made-up gallery
//! behind it, without a display. Measured is all that a frame does before the graphics card: taking events, deciding,
//! laying out, and cutting into triangles; what the made-up gallery takes for its own answers is not.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use egui::{MouseWheelSource, MouseWheelUnit, Pos2, RawInput, Rect, TouchPhase, Vec2};

use super::App;
use crate::domain::{
    CheckpointId, CropRect, Grid, Hit, MatchOptions, PhotoId, Pixels, ProductId, ProductRecord, QueryEdit, QueryId,
    Ranking, Shelf, SquarePicture, Stage, Tiles, Timings,
};
use crate::jobs::{
    Activity, Backend, Event, LabelState, ModelInfo, OutfitSkill, PlanInfo, ProjectSummary, QueryInfo, QueryPhoto,
    Request, ShelfRequest, Unneeded,
};
use crate::ot::{self, Cells};

/// Size of the window in points.
const SIZE: Vec2 = Vec2::new(1440.0, 900.0);
/// Every so many frames the view jumps, as by the scroll bar.
const JUMP_EVERY: usize = 40;

/// What was measured.
pub struct Scrolled {
    /// Milliseconds of CPU of each frame.
    pub frame_ms: Vec<f64>,
    /// Hits that were in the grid at the end.
    pub results: usize,
    /// Bytes of textures that were held at the most.
    pub thumbnail_bytes: usize,
    /// Hits that were in view in all frames together, each counted once.
    pub seen: usize,
}

/// Scrolls through a ranking of this many products, one photo each.
pub fn scroll(products: usize, frames: usize) -> Scrolled {
    let ctx = egui::Context::default();
    let gallery = MadeUp::new(products);
    let (seen, spent_ns) = (Arc::clone(&gallery.seen), Arc::clone(&gallery.spent_ns));
    let mut app = App::new(&eframe::CreationContext::_new_kittest(ctx.clone()), Box::new(gallery), None);
    let mut window = Window { ctx, frame: eframe::Frame::_new_kittest(), number: 0, spent_ns };
    for _ in 0..3 {
        window.draw(&mut app, Vec::new());
    }
    app.search(&window.ctx.clone(), QueryPhoto::File("street.jpg".into()));
    for _ in 0..30 {
        window.draw(&mut app, Vec::new());
    }
    let (mut frame_ms, mut thumbnail_bytes) = (Vec::with_capacity(frames), 0);
    for number in 0..frames {
        // Fast scrolling, and now and then as far as the bar goes.
        let by = if number % JUMP_EVERY == JUMP_EVERY - 1 { 1e6 } else { 700.0 };
        let back = if number % (8 * JUMP_EVERY) >= 7 * JUMP_EVERY { 1.0 } else { -1.0 };
        frame_ms.push(window.draw(&mut app, Window::wheel(by * back)));
        thumbnail_bytes = thumbnail_bytes.max(app.thumbs.bytes());
    }
    let ranking = app.session.query.as_ref().and_then(|query| query.ranking.as_ref());
    let results = ranking.map_or(0, |ranking| ranking.hits.len());
    let seen = seen.lock().map_or(0, |seen| seen.len());
    Scrolled { frame_ms, results, thumbnail_bytes, seen }
}

struct Window {
    ctx: egui::Context,
    frame: eframe::Frame,
    number: usize,
    spent_ns: Arc<AtomicU64>,
}

impl Window {
    /// The wheel, with the pointer over the results.
    fn wheel(by: f32) -> Vec<egui::Event> {
        vec![
            egui::Event::PointerMoved(Pos2::new(SIZE.x * 0.32, SIZE.y * 0.6)),
            egui::Event::MouseWheel {
                unit: MouseWheelUnit::Point,
                delta: Vec2::new(0.0, by),
                modifiers: egui::Modifiers::NONE,
                phase: TouchPhase::Move,
                source: MouseWheelSource::Unknown,
            },
        ]
    }

    /// Milliseconds that one frame takes.
    fn draw(&mut self, app: &mut App, events: Vec<egui::Event>) -> f64 {
        let input = RawInput {
            screen_rect: Some(Rect::from_min_size(Pos2::ZERO, SIZE)),
            time: Some(self.number as f64 / 60.0),
            predicted_dt: 1.0 / 60.0,
            events,
            focused: true,
            ..RawInput::default()
        };
        self.number += 1;
        self.spent_ns.store(0, Ordering::Relaxed);
        let (cpu, wall) = (cpu_ms(), Instant::now());
        let output = self.ctx.run_ui(input, |ui| {
            eframe::App::logic(app, &ui.ctx().clone(), &mut self.frame);
            eframe::App::ui(app, ui, &mut self.frame);
        });
        let triangles = self.ctx.tessellate(output.shapes, output.pixels_per_point);
        let took = match (cpu, cpu_ms()) {
            (Some(before), Some(after)) => after - before - self.spent_ns.load(Ordering::Relaxed) as f64 / 1e6,
            _ => wall.elapsed().as_secs_f64() * 1e3,
        };
        drop(triangles);
        took
    }
}

/// Milliseconds that this thread has had of a core, where the system tells: others on the machine do not count.
#[cfg(target_os = "linux")]
fn cpu_ms() -> Option<f64> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call writes into the structure that it is given, which lives on this stack.
    let done = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    (done == 0).then(|| time.tv_sec as f64 * 1e3 + time.tv_nsec as f64 / 1e6)
}

#[cfg(not(target_os = "linux"))]
fn cpu_ms() -> Option<f64> {
    None
}

/// Answers at once; all that takes time was made before.
struct MadeUp {
    products: usize,
    /// By how many hits are wanted.
    rankings: BTreeMap<usize, (Arc<Ranking>, Arc<Tiles>)>,
    picture: SquarePicture,
    photo: Arc<Pixels>,
    events: VecDeque<Event>,
    thumbnail: BTreeMap<u32, Arc<Pixels>>,
    seen: Arc<std::sync::Mutex<std::collections::HashSet<PhotoId>>>,
    let_go: Vec<Unneeded>,
    /// CPU that its own answers took.
    spent_ns: Arc<AtomicU64>,
}

impl MadeUp {
    fn new(products: usize) -> Self {
        let mut made = Self {
            products,
            rankings: BTreeMap::new(),
            picture: SquarePicture { pixels: pixels(448, 448), content: [0.0, 0.0, 1.0, 1.0] },
            photo: pixels(640, 900),
            events: VecDeque::new(),
            thumbnail: [128, 192, 288, 432].into_iter().map(|side| (side, pixels(side, side))).collect(),
            seen: Arc::default(),
            let_go: Vec::new(),
            spent_ns: Arc::default(),
        };
        let mut limit = super::LIMIT;
        loop {
            let ranking = Arc::new(made.ranking(MatchOptions::default(), limit));
            let tiles = Arc::new(Tiles::of(&ranking));
            made.rankings.insert(limit, (ranking, tiles));
            if limit >= products {
                return made;
            }
            limit *= super::GROWTH;
        }
    }

    fn summary(&self) -> ProjectSummary {
        let model = ModelInfo {
            checkpoint: CheckpointId::new("0123456789abcdef"),
            name: "made up".into(),
            recall_at_1: None,
            outfits: OutfitSkill::default(),
        };
        ProjectSummary {
            path: "made up".into(),
            name: "Made up".into(),
            is_sample: false,
            products: self.products,
            gallery_photos: self.products,
            model: model.clone(),
            models: vec![model],
            device: "CPU".into(),
            examples: Vec::new(),
            kinds: vec!["shirt".into(), "knit".into()],
            labels: Arc::new(LabelState::default()),
            read_only: None,
        }
    }

    fn ranking(&self, options: MatchOptions, limit: usize) -> Ranking {
        let hits = (0..limit.min(self.products)).map(|at| {
            let structural = (at < options.rerank).then_some(0.5 - at as f32 * 1e-3);
            let global = 0.9 - at as f32 / self.products as f32;
            Hit {
                rank: at + 1,
                product: product(at).product,
                photo: PhotoId::new(format!("gallery/{at:07}.jpg")),
                score: global + structural.unwrap_or(0.0),
                global,
                structural,
                global_rank: at + 1,
                iterations: 12,
                marginal_error: 1e-4,
            }
        });
        Ranking {
            stage: Stage::Structural,
            checkpoint: CheckpointId::new("0123456789abcdef"),
            options,
            hits: hits.collect(),
            gallery_size: self.products,
            timings: Timings::default(),
            shelf: Shelf::default(),
        }
    }

    fn ranked(&mut self, query: QueryId, limit: usize) {
        let Some((_, known)) = self.rankings.range(limit..).next().or(self.rankings.last_key_value()) else { return };
        let (ranking, tiles) = (Arc::clone(&known.0), Arc::clone(&known.1));
        let first = (0..ranking.hits.len().min(400)).map(product);
        let products = Arc::new(first.map(|record| (record.product.clone(), record)).collect());
        self.events.push_back(Event::Ranked { query, ranking, tiles, products });
    }
}

fn product(number: usize) -> ProductRecord {
    let attributes = [
        ("price", format!("{}.90", 9 + number % 120)),
        ("colour", ["navy", "rust", "sand", "ink"][number % 4].to_owned()),
        ("brand", format!("Brand {}", number % 40)),
        ("in_stock", if number.is_multiple_of(7) { "no" } else { "yes" }.to_owned()),
    ];
    ProductRecord {
        product: ProductId::new(format!("p{number:07}")),
        name: format!("Product number {number} with a name of the usual length"),
        kind: ["shirt", "knit"][number % 2].to_owned(),
        split: None,
        attributes: attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
    }
}

fn pixels(width: u32, height: u32) -> Arc<Pixels> {
    let rgba = (0..width * height).flat_map(|at| [(at % 251) as u8, (at % 241) as u8, (at % 239) as u8, 255]).collect();
    Arc::new(Pixels { width, height, rgba })
}

/// A plan between cells that agree more the nearer they lie.
fn plan(hit: Hit, options: MatchOptions, picture: &SquarePicture) -> PlanInfo {
    let grid = Grid::new(7, 7);
    let dim = 16;
    let row = |cell: usize, shift: usize| -> Vec<f32> {
        let values: Vec<f32> = (0..dim).map(|at| (((cell + shift) * 7 + at * at) % 13) as f32 / 13.0 - 0.4).collect();
        let length = values.iter().map(|value| value * value).sum::<f32>().sqrt().max(1e-6);
        values.into_iter().map(|value| value / length).collect()
    };
    let cells = |shift: usize| (0..grid.cells()).flat_map(|cell| row(cell, shift)).collect::<Vec<f32>>();
    let (query, gallery) = (cells(0), cells(3));
    let (query_global, gallery_global) = (row(1, 0), row(2, 0));
    let as_cells = |cells, global| Cells { grid, dim, cells, global };
    let pair = ot::explain_pair(&as_cells(&query, &query_global), &as_cells(&gallery, &gallery_global), &options);
    let (query_picture, gallery_picture) = (picture.clone(), picture.clone());
    PlanInfo { pair, options, query_picture, gallery_picture, hit, product: product(0) }
}

impl MadeUp {
    fn answer(&mut self, request: Request) {
        match request {
            // Freed by another thread, in the window.
            Request::LetGo(thing) => self.let_go.push(thing),
            Request::OpenProject { .. } => {
                let summary = Arc::new(self.summary());
                self.events.push_back(Event::ProjectOpened(summary));
            }
            Request::Search(search) => {
                let photo = Arc::new(QueryInfo {
                    name: "street.jpg".into(),
                    project_photo: None,
                    pixels: Arc::clone(&self.photo),
                    width: 640,
                    height: 900,
                    crop: CropRect::whole(640, 900),
                    suggested_crops: Vec::new(),
                    edit: QueryEdit::default(),
                    also: Vec::new(),
                });
                self.events.push_back(Event::QueryReady { query: search.query, photo });
                self.ranked(search.query, search.limit);
            }
            Request::Shelf(ShelfRequest::Arrange { query, limit, .. }) => self.ranked(query, limit),
            Request::ShowPlan { query, photo, options } => {
                let hit = self.rankings.values().next().and_then(|(ranking, _)| ranking.hits.first());
                if let Some(hit) = hit.filter(|hit| hit.photo == photo) {
                    let plan = Arc::new(plan(hit.clone(), options, &self.picture));
                    self.events.push_back(Event::PlanReady { query, photo, plan });
                }
            }
            Request::Products(products) => {
                let number = |product: &ProductId| product.as_str().trim_start_matches('p').parse().unwrap_or(0);
                let records = products.iter().map(|wanted| product(number(wanted))).collect();
                self.events.push_back(Event::Products(records));
            }
            Request::Thumbnail { photo, size_px } => {
                if let Ok(mut seen) = self.seen.lock() {
                    seen.insert(photo.clone());
                }
                let made = self.thumbnail.get(&size_px).map(Arc::clone);
                let pixels = made.ok_or_else(|| "no such size".to_owned());
                self.events.push_back(Event::Thumbnail { photo, size_px, pixels });
            }
            _ => {}
        }
    }
}

impl Backend for MadeUp {
    fn submit(&mut self, request: Request) {
        let begun = cpu_ms();
        self.answer(request);
        let spent = begun.zip(cpu_ms()).map_or(0.0, |(begun, ended)| ended - begun);
        self.spent_ns.fetch_add((spent * 1e6) as u64, Ordering::Relaxed);
    }

    fn try_next(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn activity(&self) -> Activity {
        Activity::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scrolling_reaches_the_whole_ranking_with_thumbnails_within_their_budget() {
        let scrolled = scroll(5000, 200);
        assert_eq!(scrolled.frame_ms.len(), 200);
        assert_eq!(scrolled.results, 5000, "the ranking grew as it was scrolled");
        assert!(scrolled.seen > 200, "{}", scrolled.seen);
        assert!(scrolled.thumbnail_bytes <= 100 << 20, "{}", scrolled.thumbnail_bytes);
    }
}
