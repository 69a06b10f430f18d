//! The two photos side by side and the plan between their cells.

use egui::{EventFilter, Id, Key, Pos2, Rect, Response, Role, Sense, Stroke, StrokeKind, Ui, Vec2, WidgetInfo};

use super::{focus_ring, paint, plan_picture, zoom};
use crate::domain::Grid;
use crate::render::{PlanLayout, Side, Window};
use crate::ui::context::Ctx;
use crate::ui::state::{Plan, Pointed};
use crate::ui::tokens::{radius, size, space};

/// Where the two squares lie.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Squares {
    pub query: Rect,
    pub gallery: Rect,
}

impl Squares {
    /// Two squares as large as fit, with room for ribbons between them.
    pub fn fit(room: Rect) -> Self {
        let side = (room.width() * (1.0 - size::PLAN_GAP_SHARE) / 2.0).min(room.height()).min(size::PLAN_SIDE_MAX);
        let side = side.max(1.0).floor();
        let query = Rect::from_min_size(room.min, Vec2::splat(side));
        let gallery = Rect::from_min_size(Pos2::new(room.right() - side, room.top()), Vec2::splat(side));
        Self { query, gallery }
    }

    /// How high the two squares are in a panel of this size.
    pub fn height_for(width: f32, most: f32) -> f32 {
        (width * (1.0 - size::PLAN_GAP_SHARE) / 2.0).clamp(1.0, most.clamp(1.0, size::PLAN_SIDE_MAX)).floor()
    }

    pub fn whole(&self) -> Rect {
        self.query.union(self.gallery)
    }

    /// As the renderer wants them: from the top left of `whole`.
    pub fn in_view(&self) -> PlanLayout {
        let from = self.whole().min;
        let place =
            |rect: Rect| [rect.left() - from.x, rect.top() - from.y, rect.right() - from.x, rect.bottom() - from.y];
        PlanLayout { query: place(self.query), gallery: place(self.gallery) }
    }
}

/// Where a cell is seen; it may lie outside of the square, or reach beyond it.
pub fn cell_rect(square: Rect, window: Window, grid: Grid, cell: usize) -> Rect {
    let (row, column) = grid.place(cell);
    let at = |row: usize, column: usize| {
        let [u, v] = window.seen([column as f32 / grid.columns as f32, row as f32 / grid.rows as f32]);
        square.min + Vec2::new(u, v) * square.size()
    };
    Rect::from_min_max(at(row, column), at(row + 1, column + 1))
}

pub fn cell_at(square: Rect, window: Window, grid: Grid, pos: Pos2) -> Option<usize> {
    let share = (pos - square.min) / square.size();
    let inside = (0.0..1.0).contains(&share.x) && (0.0..1.0).contains(&share.y);
    let [x, y] = window.place([share.x, share.y]);
    let (column, row) = ((x * grid.columns as f32) as usize, (y * grid.rows as f32) as usize);
    inside.then(|| row.min(grid.rows - 1) * grid.columns + column.min(grid.columns - 1))
}

/// Draws photos and plan, and follows pointer and arrow keys over the cells.
pub fn plan_view_ui(ui: &mut Ui, ctx: &Ctx<'_>, plan: &Plan, layout: Squares) {
    plan_picture::plan_picture_ui(ui, ctx, plan, layout);
    for side in [Side::Query, Side::Gallery] {
        cells_ui(ui, ctx, plan, layout, side);
    }
    outline_pointed(ui, ctx, plan, layout);
}

/// One photo's cells: pointed at, walked over with the arrow keys, zoomed into.
pub fn cells_ui(ui: &Ui, ctx: &Ctx<'_>, plan: &Plan, layout: Squares, side: Side) {
    let pair = &plan.info.pair.plan;
    match side {
        Side::Query => cells_at_ui(ui, ctx, "Street photo cells", layout.query, pair.query(), side),
        Side::Gallery => cells_at_ui(ui, ctx, "Product photo cells", layout.gallery, pair.gallery(), side),
    }
}

/// The same for any picture that shows the cells of one side.
pub fn cells_at_ui(ui: &Ui, ctx: &Ctx<'_>, name: &str, square: Rect, grid: Grid, side: Side) {
    let make = |cell| match side {
        Side::Query => Pointed::Query(cell),
        Side::Gallery => Pointed::Gallery(cell),
    };
    let window = ctx.session.zoom.of(side);
    let response = square_ui(ui, square, name, grid, window);
    zoom::zoom_ui(ui, ctx, &response, square, side);
    if let Some(cell) = response.hover_pos().and_then(|pos| cell_at(square, window, grid, pos)) {
        ctx.point(make(cell));
    }
    if response.clicked() {
        response.request_focus();
    }
    if response.has_focus() {
        ctx.take_arrows();
        let current = match (ctx.session.pointed, side) {
            (Some(Pointed::Query(cell)), Side::Query) | (Some(Pointed::Gallery(cell)), Side::Gallery) => Some(cell),
            _ => None,
        };
        if let Some(cell) = stepped(ui, response.id, grid, current).or(current) {
            ctx.walk(make(cell));
        }
        focus_ring(ui.painter(), ctx.tokens, square, radius::TILE);
    }
    let cursor = match (ctx.session.pointed, side) {
        (Some(Pointed::Query(cell)), Side::Query) | (Some(Pointed::Gallery(cell)), Side::Gallery) => Some(cell),
        _ => None,
    };
    let cell_rect = |cell| cell_rect(square, window, grid, cell);
    paint::paint_ui(
        ui,
        ctx,
        &response,
        &paint::Canvas { side: side.into(), grid, square, cell_rect: &cell_rect, cursor },
    );
}

fn square_ui(ui: &Ui, square: Rect, name: &str, grid: Grid, window: Window) -> Response {
    let response = ui.interact(square, ui.scope_id().with(name), Sense::click_and_drag());
    response.widget_info(|| {
        let zoomed = if window.size < 1.0 { format!(", zoomed {:.1} ×", 1.0 / window.size) } else { String::new() };
        let label = format!("{name}, {} × {}{zoomed}", grid.columns, grid.rows);
        WidgetInfo::labeled(Role::Image, true, label)
    });
    response
}

/// Where the arrow keys lead; `None` where none was pressed. The keys are then this widget's.
pub fn arrows(ui: &Ui, id: Id) -> Option<(isize, isize)> {
    let filter = EventFilter { horizontal_arrows: true, vertical_arrows: true, ..EventFilter::default() };
    ui.memory_mut(|memory| memory.set_focus_lock_filter(id, filter));
    let steps = ui.input(|input| {
        let presses = |key| input.num_presses(key) as isize;
        (presses(Key::ArrowRight) - presses(Key::ArrowLeft), presses(Key::ArrowDown) - presses(Key::ArrowUp))
    });
    (steps != (0, 0)).then_some(steps)
}

/// Where the arrow keys lead from a cell; the first press begins in the middle.
fn stepped(ui: &Ui, id: Id, grid: Grid, from: Option<usize>) -> Option<usize> {
    let (right, down) = arrows(ui, id)?;
    let Some(from) = from else {
        return Some((grid.rows / 2) * grid.columns + grid.columns / 2);
    };
    let (row, column) = grid.place(from);
    let row = row.saturating_add_signed(down).min(grid.rows - 1);
    let column = column.saturating_add_signed(right).min(grid.columns - 1);
    Some(row * grid.columns + column)
}

pub fn outline_pointed(ui: &Ui, ctx: &Ctx<'_>, plan: &Plan, layout: Squares) {
    let pair = &plan.info.pair.plan;
    let zoom = ctx.session.zoom;
    let query = |cell| outline(ui, ctx, layout.query, zoom.query, pair.query(), cell);
    let gallery = |cell| outline(ui, ctx, layout.gallery, zoom.gallery, pair.gallery(), cell);
    match ctx.session.pointed {
        Some(Pointed::Query(cell)) => query(cell),
        Some(Pointed::Gallery(cell)) => gallery(cell),
        Some(Pointed::Flow(q, g)) => {
            query(q);
            gallery(g);
        }
        None => {}
    }
}

/// A frame around one cell, as far as it is seen.
pub fn outline(ui: &Ui, ctx: &Ctx<'_>, square: Rect, window: Window, grid: Grid, cell: usize) {
    if cell >= grid.cells() {
        return;
    }
    let rect = cell_rect(square, window, grid, cell);
    let painter = ui.painter().with_clip_rect(square.expand(2.0).intersect(ui.clip_rect()));
    painter.rect_stroke(rect, 2, Stroke::new(3.0, ctx.tokens.handle_line), StrokeKind::Middle);
    painter.rect_stroke(rect, 2, Stroke::new(1.5, ctx.tokens.handle), StrokeKind::Middle);
}

/// What the pointed cell does, in words: the picture's textual twin while hovering.
pub fn pointed_words(plan: &Plan, pointed: Pointed) -> Option<String> {
    let pair = &plan.info.pair;
    let (query, gallery) = (pair.plan.query(), pair.plan.gallery());
    let list = |name: &dyn Fn(usize) -> String, masses: Vec<f32>| {
        let total: f32 = masses.iter().sum();
        let mut order: Vec<usize> = (0..masses.len()).filter(|&cell| masses[cell] > 0.0).collect();
        order.sort_by(|&a, &b| masses[b].total_cmp(&masses[a]));
        let parts: Vec<String> = order
            .iter()
            .take(3)
            .map(|&cell| format!("{} {:.0} %", name(cell), 100.0 * masses[cell] / total.max(f32::MIN_POSITIVE)))
            .collect();
        (total, parts.join(", "))
    };
    match pointed {
        Pointed::Query(cell) if cell < query.cells() => {
            let (mass, to) = list(&|g| gallery.name(g), pair.plan.row(cell).to_vec());
            Some(format!("{} of the street photo: mass {mass:.4}, goes to {to}", query.name(cell)))
        }
        Pointed::Gallery(cell) if cell < gallery.cells() => {
            let column = (0..query.cells()).map(|q| pair.plan.at(q, cell)).collect();
            let (mass, from) = list(&|q| query.name(q), column);
            Some(format!("{} of the product photo: mass {mass:.4}, comes from {from}", gallery.name(cell)))
        }
        Pointed::Flow(q, g) if q < query.cells() && g < gallery.cells() => Some(format!(
            "{} to {}: mass {:.4} × similarity {:.3} = {:.4}",
            query.name(q),
            gallery.name(g),
            pair.plan.at(q, g),
            pair.similarity[q * gallery.cells() + g],
            pair.contribution(q, g),
        )),
        _ => None,
    }
}

/// Two squares that wait for a plan.
pub fn empty_plan(ui: &Ui, ctx: &Ctx<'_>, layout: Squares) {
    for square in [layout.query, layout.gallery] {
        ui.painter().rect_filled(square, radius::TILE, ctx.tokens.chip);
    }
    let between = Rect::from_min_max(layout.query.right_top(), layout.gallery.left_bottom());
    let y = between.center().y;
    ui.painter().hline(between.x_range().shrink(space::S), y, ctx.tokens.hairline());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_lies_in_the_cell_that_is_drawn_there() {
        let square = Rect::from_min_size(Pos2::new(30.0, 50.0), Vec2::splat(140.0));
        let grid = Grid::new(5, 7);
        for cell in 0..grid.cells() {
            let middle = cell_rect(square, Window::WHOLE, grid, cell).center();
            assert_eq!(cell_at(square, Window::WHOLE, grid, middle), Some(cell));
        }
        assert_eq!(cell_at(square, Window::WHOLE, grid, Pos2::new(29.0, 60.0)), None);
        assert_eq!(cell_at(square, Window::WHOLE, grid, Pos2::new(30.0, 190.0)), None);
        let near = Window { left: 0.4, top: 0.5, size: 0.25 };
        let middle = cell_rect(square, near, grid, 17).center();
        assert_eq!(cell_at(square, near, grid, middle), Some(17));
    }

    #[test]
    fn squares_fit_narrow_and_wide_rooms() {
        for size in [[300.0, 900.0], [1400.0, 300.0], [5000.0, 5000.0]] {
            let room = Rect::from_min_size(Pos2::ZERO, size.into());
            let layout = Squares::fit(room);
            assert!(room.contains_rect(layout.query) && room.contains_rect(layout.gallery));
            assert!(layout.query.right() < layout.gallery.left());
            assert_eq!(layout.query.height(), Squares::height_for(size[0], size[1]));
        }
    }
}
