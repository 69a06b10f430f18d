//! How a plan is drawn and where.

use crate::domain::Grid;

/// Which of the two photos.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// The street photo, on the left.
    Query,
    /// The shop photo, on the right.
    Gallery,
}

/// One cell of one photo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CellRef {
    pub side: Side,
    pub cell: usize,
}

/// How the tint of a cell says its mass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum CellPaint {
    /// Faintly, below ribbons: the colour says where mass starts, the opacity how much it is.
    #[default]
    Tint,
    /// The same without ribbons, strong enough to find the cells of both photos that belong together.
    Paired,
    /// The mass alone, on a scale from dark to bright.
    Heat,
}

impl CellPaint {
    /// Opacity of the heaviest cell, and of the heaviest one while a cell is pointed at.
    pub(super) fn opacities(self) -> [f32; 2] {
        match self {
            Self::Tint => [HEAT_OPACITY, LIT_HEAT_OPACITY],
            Self::Paired => [0.84, 0.84],
            Self::Heat => [0.78, 0.78],
        }
    }

    /// Opacity of a cell without mass, of the heaviest one's: on a scale nothing is a colour too.
    pub(super) fn floor(self) -> f32 {
        if self == Self::Heat { 0.55 } else { 0.0 }
    }
}

/// The part of a square that is seen: a square too, in shares of the whole one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Window {
    pub left: f32,
    pub top: f32,
    /// Side, above 0 and at most 1.
    pub size: f32,
}

impl Window {
    pub const WHOLE: Self = Self { left: 0.0, top: 0.0, size: 1.0 };

    /// Where a place of the whole square is seen, in shares of the view; outside 0..=1 it is out of sight.
    pub fn seen(&self, [x, y]: [f32; 2]) -> [f32; 2] {
        [(x - self.left) / self.size, (y - self.top) / self.size]
    }

    /// The place of the whole square that is seen here.
    pub fn place(&self, [u, v]: [f32; 2]) -> [f32; 2] {
        [self.left + u * self.size, self.top + v * self.size]
    }

    pub(super) fn is_drawable(&self) -> bool {
        self.left.is_finite() && self.top.is_finite() && self.size > 0.0 && self.size <= 1.0
    }
}

impl Default for Window {
    fn default() -> Self {
        Self::WHOLE
    }
}

/// Everything about the drawing that can change without a new scene: only a uniform is written for it.
#[derive(Clone, Debug, PartialEq)]
pub struct PlanStyle {
    /// The photos themselves; without them only ribbons, heat and grid are drawn, over what is there.
    pub photos: bool,
    pub ribbons: bool,
    pub heat: bool,
    /// How heat is painted.
    pub paint: CellPaint,
    pub grid_lines: bool,
    /// No ribbon is drawn for less than this share of the largest mass, 0..=1.
    pub threshold: f32,
    /// At most this many ribbons, the heaviest.
    pub max_ribbons: usize,
    /// Multiplies the opacity of ribbons and heat, 0..=1.
    pub opacity: f32,
    /// Only this cell's row (or column) of the plan is seen in full; the rest fades to near nothing.
    pub hovered: Option<CellRef>,
    /// Only this pair of query and gallery cell is seen in full. Goes before `hovered`.
    pub hovered_flow: Option<(usize, usize)>,
    /// How far the fading has come, 0..=1.
    pub hover_amount: f32,
    /// How far the plan before has turned into this one, 0..=1.
    pub blend: f32,
    /// The parts of the two squares that are seen.
    pub query_window: Window,
    pub gallery_window: Window,
    /// Magnified photos show their pixels as squares.
    pub nearest: bool,
    /// In points.
    pub corner_radius: f32,
    /// What lies under the part of a square that is not photo; sRGB with straight alpha.
    pub padding: [u8; 4],
}

impl Default for PlanStyle {
    fn default() -> Self {
        Self {
            photos: true,
            ribbons: true,
            heat: true,
            paint: CellPaint::Tint,
            grid_lines: true,
            threshold: 0.15,
            max_ribbons: 40,
            opacity: 1.0,
            hovered: None,
            hovered_flow: None,
            hover_amount: 1.0,
            blend: 1.0,
            query_window: Window::WHOLE,
            gallery_window: Window::WHOLE,
            nearest: false,
            corner_radius: 8.0,
            padding: [128, 128, 128, 20],
        }
    }
}

impl PlanStyle {
    pub fn window(&self, side: Side) -> Window {
        match side {
            Side::Query => self.query_window,
            Side::Gallery => self.gallery_window,
        }
    }

    /// In 0..=1.
    pub(super) fn blended(&self) -> f32 {
        if self.blend.is_finite() { self.blend.clamp(0.0, 1.0) } else { 1.0 }
    }
}

/// Where the two squares lie: left, top, right, bottom in points from the top left of the view.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PlanLayout {
    pub query: [f32; 4],
    pub gallery: [f32; 4],
}

impl PlanLayout {
    /// Two equal squares at the sides of a view of this size, in points, with `gap` between them at least.
    pub fn fit(width: f32, height: f32, gap: f32) -> Self {
        let side = ((width - gap) / 2.0).min(height).max(0.0);
        let top = (height - side) / 2.0;
        Self { query: [0.0, top, side, top + side], gallery: [width - side, top, width, top + side] }
    }

    pub fn of(&self, side: Side) -> [f32; 4] {
        match side {
            Side::Query => self.query,
            Side::Gallery => self.gallery,
        }
    }

    /// Whether both squares have an area and lie at finite places.
    pub(super) fn is_drawable(&self) -> bool {
        [self.query, self.gallery].iter().all(|[left, top, right, bottom]| {
            let finite = [left, top, right, bottom].iter().all(|x| x.is_finite());
            finite && right - left > 0.0 && bottom - top > 0.0
        })
    }

    /// Right and bottom end of what is drawn, in points.
    pub(super) fn extent(&self) -> [f32; 2] {
        [self.query[2].max(self.gallery[2]), self.query[3].max(self.gallery[3])]
    }
}

/// The cell of a grid over `square` in which a point lies.
pub(super) fn cell_in(square: [f32; 4], grid: Grid, x: f32, y: f32) -> Option<usize> {
    let [left, top, right, bottom] = square;
    let (u, v) = ((x - left) / (right - left), (y - top) / (bottom - top));
    // Written so that a square without area, where both are NaN or infinite, has no cells.
    if !((0.0..1.0).contains(&u) && (0.0..1.0).contains(&v)) {
        return None;
    }
    let column = ((u * grid.columns as f32) as usize).min(grid.columns.checked_sub(1)?);
    let row = ((v * grid.rows as f32) as usize).min(grid.rows.checked_sub(1)?);
    Some(row * grid.columns + column)
}

/// Ribbon geometry, in points, by the mass's share of the plan's largest.
pub(super) mod ribbon {
    pub fn width(share: f32) -> f32 {
        1.0 + 4.4 * share
    }

    pub fn opacity(share: f32) -> f32 {
        0.14 + 0.62 * share
    }

    pub fn end_radius(share: f32) -> f32 {
        2.0 + 2.6 * share
    }

    /// Opacity of a ribbon of the row that is pointed at, by its share of that row's largest.
    pub fn lit_opacity(share_of_row: f32) -> f32 {
        0.30 + 0.62 * share_of_row
    }

    /// What is left of a ribbon while another row is pointed at.
    pub const FADED: f32 = 0.06;

    /// What is left of a ribbon one end of which is out of sight.
    pub const OUT_OF_SIGHT: f32 = 0.3;

    /// An end is more solid than its ribbon, by this.
    pub const END_OPACITY: f32 = 0.2;
}

/// Opacity of the heaviest cell's heat, and while a cell is pointed at.
pub(super) const HEAT_OPACITY: f32 = 0.30;
pub(super) const LIT_HEAT_OPACITY: f32 = 0.46;
pub(super) const GRID_OPACITY: f32 = 0.20;
