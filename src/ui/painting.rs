//! Painting importance on cells: the brush, strokes, and taking them back.

use std::sync::Arc;

use crate::domain::{CellPaint, Grid, Paint, PhotoId, Tiles};
use crate::render::Side;

/// Strokes that can be taken back.
const UNDO: usize = 100;
/// What one press of a key adds or takes.
pub const NUDGE: f32 = 0.25;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PaintSide {
    Query,
    Gallery,
}

impl From<Side> for PaintSide {
    fn from(side: Side) -> Self {
        match side {
            Side::Query => Self::Query,
            Side::Gallery => Self::Gallery,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Brush {
    /// Cells across.
    pub size: f32,
    /// What one stroke adds or takes in its middle, 0 to 1.
    pub strength: f32,
    pub erase: bool,
}

impl Default for Brush {
    fn default() -> Self {
        Self { size: 2.0, strength: 1.0, erase: false }
    }
}

/// What a panel asks of the paint.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PaintCommand {
    SetBrush(Brush),
    /// The brush is at a place, in cells from the top left; `begins` where the button went down.
    Stroke {
        side: PaintSide,
        at: [f32; 2],
        begins: bool,
    },
    /// One cell by the keyboard.
    Nudge {
        side: PaintSide,
        cell: usize,
        raise: bool,
    },
    /// On the photos that are shown: what mattered does not.
    Invert,
    /// On all photos of the query.
    Clear,
    Undo,
}

/// The paint of a query, with what it was before each gesture.
#[derive(Clone, Debug, Default)]
pub struct Painting {
    pub paint: Arc<Paint>,
    undo: Vec<Arc<Paint>>,
    stroke: Option<Stroke>,
    /// The order before anything was painted.
    pub unpainted_ranks: Option<Arc<Tiles>>,
    /// Counts changes.
    pub version: u64,
}

/// The gesture under way. What a cell gets does not depend on how often the pointer was looked at: it is the most that
/// the brush ever covered of it.
#[derive(Clone, Debug)]
struct Stroke {
    side: PaintSide,
    base: CellPaint,
    coverage: Vec<f32>,
    last: [f32; 2],
}

impl Painting {
    pub fn can_undo(&self) -> bool {
        !self.undo.is_empty()
    }

    pub fn of(&self, side: PaintSide, photo: &PhotoId) -> Option<&CellPaint> {
        match side {
            PaintSide::Query => self.paint.query.as_ref(),
            PaintSide::Gallery => self.paint.gallery.get(photo),
        }
    }

    /// Goes on with a stroke, or begins one. `photo` is the shown photo of the gallery.
    pub fn stroke(&mut self, side: PaintSide, photo: &PhotoId, grid: Grid, brush: Brush, at: [f32; 2], begins: bool) {
        let fits = self.stroke.as_ref().is_some_and(|stroke| stroke.side == side && stroke.base.grid() == grid);
        if begins || !fits {
            self.remember();
            let base = self.canvas(side, photo, grid, brush.erase);
            self.stroke = Some(Stroke { side, base, coverage: vec![0.0; grid.cells()], last: at });
        }
        let Some(stroke) = &mut self.stroke else { return };
        for (cell, most) in stroke.coverage.iter_mut().enumerate() {
            *most = most.max(covered(grid, cell, stroke.last, at, brush.size));
        }
        stroke.last = at;
        let sign = if brush.erase { -brush.strength } else { brush.strength };
        let mut paint = stroke.base.clone();
        for (cell, coverage) in stroke.coverage.iter().enumerate() {
            paint.change(cell, sign * coverage);
        }
        self.put(side, photo, Some(paint));
    }

    pub fn nudge(&mut self, side: PaintSide, photo: &PhotoId, grid: Grid, cell: usize, raise: bool) {
        self.remember();
        let mut paint = self.canvas(side, photo, grid, !raise);
        paint.change(cell, if raise { NUDGE } else { -NUDGE });
        self.put(side, photo, Some(paint));
    }

    /// What is painted on the shown photos, the other way round.
    pub fn invert(&mut self, photo: &PhotoId) {
        let inverted = |paint: &CellPaint| paint.inverted();
        let (query, gallery) = (self.paint.query.as_ref().map(inverted), self.paint.gallery.get(photo).map(inverted));
        if query.is_none() && gallery.is_none() {
            return;
        }
        self.remember();
        self.put(PaintSide::Query, photo, query);
        self.put(PaintSide::Gallery, photo, gallery);
    }

    pub fn clear(&mut self) {
        if *self.paint != Paint::default() {
            self.remember();
            self.replace(Arc::default());
        }
    }

    /// Another part of the photo is searched, whose cells are others.
    pub fn forget_query(&mut self) {
        self.undo.clear();
        self.stroke = None;
        if self.paint.query.is_some() {
            self.replace(Arc::new(Paint { query: None, ..(*self.paint).clone() }));
        }
    }

    /// Takes the last gesture back.
    pub fn undo(&mut self) -> bool {
        self.stroke = None;
        let Some(before) = self.undo.pop() else { return false };
        self.replace(before);
        true
    }

    fn remember(&mut self) {
        self.undo.push(Arc::clone(&self.paint));
        if self.undo.len() > UNDO {
            self.undo.remove(0);
        }
    }

    /// What is painted so far. On an untouched photo adding begins where nothing matters, and erasing where all does.
    fn canvas(&self, side: PaintSide, photo: &PhotoId, grid: Grid, full: bool) -> CellPaint {
        let painted = self.of(side, photo).filter(|paint| !paint.is_blank());
        painted
            .and_then(|paint| CellPaint::new(grid, paint.on(grid)))
            .unwrap_or_else(|| CellPaint::filled(grid, if full { 1.0 } else { 0.0 }))
    }

    fn put(&mut self, side: PaintSide, photo: &PhotoId, painted: Option<CellPaint>) {
        let mut paint = (*self.paint).clone();
        match (side, painted) {
            (PaintSide::Query, painted) => paint.query = painted,
            (PaintSide::Gallery, Some(painted)) => {
                paint.gallery.insert(photo.clone(), painted);
            }
            (PaintSide::Gallery, None) => {
                paint.gallery.remove(photo);
            }
        }
        self.replace(Arc::new(paint));
    }

    fn replace(&mut self, paint: Arc<Paint>) {
        self.paint = paint;
        self.version += 1;
    }
}

/// How much of a cell the brush covers on its way from one place to another: all within its radius, less towards the edge
/// that is one cell wide, and all of the cell that it is over.
fn covered(grid: Grid, cell: usize, from: [f32; 2], to: [f32; 2], size: f32) -> f32 {
    let (row, column) = grid.place(cell);
    let over = |[x, y]: [f32; 2]| x.floor() == column as f32 && y.floor() == row as f32;
    if over(from) || over(to) {
        return 1.0;
    }
    let center = [column as f32 + 0.5, row as f32 + 0.5];
    let way = [to[0] - from[0], to[1] - from[1]];
    let length = way[0] * way[0] + way[1] * way[1];
    let along = (center[0] - from[0]) * way[0] + (center[1] - from[1]) * way[1];
    let share = if length > 0.0 { (along / length).clamp(0.0, 1.0) } else { 0.0 };
    let (dx, dy) = (center[0] - from[0] - share * way[0], center[1] - from[1] - share * way[1]);
    let coverage = (size / 2.0 + 0.5 - (dx * dx + dy * dy).sqrt()).clamp(0.0, 1.0);
    // A rounding's worth at the edge is nothing, and a cell without importance has no mass at all.
    (coverage * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRID: Grid = Grid { rows: 5, columns: 7 };

    fn photo() -> PhotoId {
        PhotoId::new("shop/a.jpg")
    }

    fn weights(painting: &Painting) -> Vec<f32> {
        painting.paint.query.as_ref().unwrap().weights().to_vec()
    }

    #[test]
    fn a_stroke_paints_what_it_passes_however_often_the_pointer_is_looked_at() {
        let brush = Brush { size: 1.0, ..Brush::default() };
        let (mut often, mut rarely) = (Painting::default(), Painting::default());
        rarely.stroke(PaintSide::Query, &photo(), GRID, brush, [0.5, 2.5], true);
        rarely.stroke(PaintSide::Query, &photo(), GRID, brush, [6.5, 2.5], false);
        often.stroke(PaintSide::Query, &photo(), GRID, brush, [0.5, 2.5], true);
        for step in 1..=60 {
            often.stroke(PaintSide::Query, &photo(), GRID, brush, [0.5 + step as f32 * 0.1, 2.5], false);
        }
        for (a, b) in weights(&often).iter().zip(weights(&rarely)) {
            assert!((a - b).abs() < 1e-4);
        }
        assert!(weights(&often)[2 * 7..3 * 7].iter().all(|&w| w == 1.0));
        assert!(weights(&often)[..7].iter().all(|&w| w == 0.0));
    }

    #[test]
    fn one_gesture_is_one_step_of_undo() {
        let mut painting = Painting::default();
        assert!(!painting.can_undo() && !painting.undo());
        let brush = Brush::default();
        for x in [0.5, 1.5, 2.5] {
            painting.stroke(PaintSide::Query, &photo(), GRID, brush, [x, 0.5], x == 0.5);
        }
        let first = painting.paint.clone();
        for y in [0.5, 1.5] {
            painting.stroke(PaintSide::Gallery, &photo(), GRID, brush, [3.0, y], y == 0.5);
        }
        assert!(painting.paint.gallery.contains_key(&photo()));
        assert!(painting.undo());
        assert_eq!(painting.paint, first);
        assert!(painting.undo());
        assert!(painting.paint.is_blank() && !painting.can_undo());
    }

    #[test]
    fn adding_begins_at_nothing_and_erasing_at_all() {
        let mut painting = Painting::default();
        painting.nudge(PaintSide::Query, &photo(), GRID, 3, true);
        assert_eq!((weights(&painting)[3], weights(&painting)[4]), (NUDGE, 0.0));
        painting.clear();
        assert!(painting.paint.is_blank());
        painting.nudge(PaintSide::Query, &photo(), GRID, 3, false);
        assert_eq!((weights(&painting)[3], weights(&painting)[4]), (1.0 - NUDGE, 1.0));
        painting.invert(&photo());
        assert_eq!((weights(&painting)[3], weights(&painting)[4]), (NUDGE, 0.0));
        assert!(painting.undo() && painting.undo() && painting.undo());
        assert_eq!(weights(&painting)[3], NUDGE, "clearing can be taken back");
    }

    #[test]
    fn paint_follows_to_another_grid() {
        let mut painting = Painting::default();
        let brush = Brush { size: 1.0, ..Brush::default() };
        painting.stroke(PaintSide::Query, &photo(), Grid::new(2, 2), brush, [0.5, 0.5], true);
        painting.stroke(PaintSide::Query, &photo(), Grid::new(4, 4), brush, [3.5, 3.5], true);
        let found = weights(&painting);
        assert_eq!(found.len(), 16);
        assert!([0, 1, 4, 5, 15].into_iter().all(|cell| found[cell] == 1.0), "{found:?}");
    }
}
