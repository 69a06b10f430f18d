//! How long the window's frames keep the CPU while a large ranking is scrolled or cells of a match are pointed at: the
//! real window with a made-up gallery behind it, without a display. Measured is all that a frame does before the graphics
//! card: taking events, deciding, laying out, and cutting into triangles; what the made-up gallery takes for its own
//! answers is not.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use egui::{MouseWheelSource, MouseWheelUnit, Pos2, RawInput, Rect, TouchPhase, Vec2};
use made_up::MadeUp;

use super::App;
use crate::domain::Grid;
use crate::jobs::QueryPhoto;

mod made_up;

/// Size of the window in points.
const SIZE: Vec2 = Vec2::new(1440.0, 900.0);
/// Every so many frames the view jumps, as by the scroll bar.
const JUMP_EVERY: usize = 40;
/// Frames until what came last has slid to its place and faded in.
const SETTLED: usize = 30;
/// Products behind a match that is pointed at.
const A_SHOP: usize = 600;

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

/// What was measured while a match was pointed at.
pub struct PointedAt {
    /// Milliseconds of CPU for each other cell that the pointer came to: of the frame that saw it or of the one that
    /// showed it, whichever took longer.
    pub moved_ms: Vec<f64>,
    /// The same of as many frames in which nothing changed.
    pub still_ms: Vec<f64>,
    /// Cells and pairs of cells that were pointed at, each counted once.
    pub seen: usize,
}

/// Points at the cells of a match of photos of this grid, one after the other, until it was that often another one.
pub fn point(grid: Grid, frames: usize) -> PointedAt {
    let mut window = Window::open(MadeUp::new(A_SHOP, grid));
    let mut seen = BTreeSet::new();
    let (mut moved_ms, mut still_ms) = (Vec::with_capacity(frames), Vec::with_capacity(frames));
    // Over the half of the window where the plan is, on a path that comes back to no place soon.
    for number in 0..32 * frames {
        let at = number as f32;
        let pos = Pos2::new(SIZE.x * (0.75 + 0.24 * (at * 0.0731).sin()), SIZE.y * (0.5 + 0.45 * (at * 0.0457).cos()));
        let before = window.app.session.pointed;
        let took = window.draw(vec![egui::Event::PointerMoved(pos)]);
        let pointed = window.app.session.pointed;
        if pointed.is_some() && pointed != before {
            seen.insert(format!("{pointed:?}"));
            moved_ms.push(took.max(window.draw(Vec::new())));
            window.settle(SETTLED);
            still_ms.push(window.draw(Vec::new()));
        }
        if moved_ms.len() == frames {
            break;
        }
    }
    PointedAt { moved_ms, still_ms, seen: seen.len() }
}

/// Scrolls through a ranking of this many products, one photo each.
pub fn scroll(products: usize, frames: usize) -> Scrolled {
    let gallery = MadeUp::new(products, Grid::new(7, 7));
    let seen = Arc::clone(&gallery.seen);
    let mut window = Window::open(gallery);
    let (mut frame_ms, mut thumbnail_bytes) = (Vec::with_capacity(frames), 0);
    for number in 0..frames {
        // Fast scrolling, and now and then as far as the bar goes.
        let by = if number % JUMP_EVERY == JUMP_EVERY - 1 { 1e6 } else { 700.0 };
        let back = if number % (8 * JUMP_EVERY) >= 7 * JUMP_EVERY { 1.0 } else { -1.0 };
        frame_ms.push(window.draw(Window::wheel(by * back)));
        thumbnail_bytes = thumbnail_bytes.max(window.app.thumbs.bytes());
    }
    let ranking = window.app.session.query.as_ref().and_then(|query| query.ranking.as_ref());
    let results = ranking.map_or(0, |ranking| ranking.hits.len());
    let seen = seen.lock().map_or(0, |seen| seen.len());
    Scrolled { frame_ms, results, thumbnail_bytes, seen }
}

struct Window {
    app: App,
    ctx: egui::Context,
    frame: eframe::Frame,
    number: usize,
    spent_ns: Arc<AtomicU64>,
}

impl Window {
    /// With a search and its best match on screen.
    fn open(gallery: MadeUp) -> Self {
        let ctx = egui::Context::default();
        let spent_ns = Arc::clone(&gallery.spent_ns);
        let mut app = App::new(&eframe::CreationContext::_new_kittest(ctx.clone()), Box::new(gallery), None);
        // As in a window: what the graphics card draws costs the CPU nothing here.
        app.gpu = true;
        let mut window = Self { app, ctx, frame: eframe::Frame::_new_kittest(), number: 0, spent_ns };
        window.settle(3);
        window.app.search(&window.ctx.clone(), QueryPhoto::File("street.jpg".into()));
        window.settle(SETTLED);
        window
    }

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

    /// Frames in which nobody does anything.
    fn settle(&mut self, frames: usize) {
        for _ in 0..frames {
            self.draw(Vec::new());
        }
    }

    /// Milliseconds that one frame takes.
    fn draw(&mut self, events: Vec<egui::Event>) -> f64 {
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
            eframe::App::logic(&mut self.app, &ui.ctx().clone(), &mut self.frame);
            eframe::App::ui(&mut self.app, ui, &mut self.frame);
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

    #[test]
    fn pointing_reaches_cells_of_both_photos() {
        let pointed = point(Grid::new(7, 7), 60);
        assert_eq!((pointed.moved_ms.len(), pointed.still_ms.len()), (60, 60));
        assert!(pointed.seen > 20, "{}", pointed.seen);
    }
}
