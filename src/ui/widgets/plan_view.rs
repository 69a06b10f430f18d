//! The two photos side by side and the plan between their cells.

use egui::{EventFilter, Id, Key, Pos2, Rect, Response, Role, Sense, Stroke, StrokeKind, Ui, Vec2, WidgetInfo};

use super::{focus_ring, plan_picture};
use crate::domain::Grid;
use crate::render::PlanLayout;
use crate::ui::command::Command;
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

pub fn cell_rect(square: Rect, grid: Grid, cell: usize) -> Rect {
    let (row, column) = grid.place(cell);
    let size = square.size() / Vec2::new(grid.columns as f32, grid.rows as f32);
    Rect::from_min_size(square.min + Vec2::new(column as f32 * size.x, row as f32 * size.y), size)
}

fn cell_at(square: Rect, grid: Grid, pos: Pos2) -> Option<usize> {
    let share = (pos - square.min) / square.size();
    let inside = (0.0..1.0).contains(&share.x) && (0.0..1.0).contains(&share.y);
    let (column, row) = ((share.x * grid.columns as f32) as usize, (share.y * grid.rows as f32) as usize);
    inside.then(|| row.min(grid.rows - 1) * grid.columns + column.min(grid.columns - 1))
}

/// Draws photos and plan, and follows pointer and arrow keys over the cells.
pub fn plan_view_ui(ui: &mut Ui, ctx: &Ctx<'_>, plan: &Plan, layout: Squares) {
    let tokens = ctx.tokens;
    let (query, gallery) = (plan.info.pair.plan.query(), plan.info.pair.plan.gallery());
    plan_picture::plan_picture_ui(ui, ctx, plan, layout);

    let mut pointed = ctx.session.pointed;
    let mut over_one = false;
    let sides = [
        ("Street photo cells", layout.query, query, Pointed::Query as fn(usize) -> Pointed),
        ("Product photo cells", layout.gallery, gallery, Pointed::Gallery as fn(usize) -> Pointed),
    ];
    for (name, square, grid, make) in sides {
        let response = cells_ui(ui, square, name, grid);
        if let Some(cell) = response.hover_pos().and_then(|pos| cell_at(square, grid, pos)) {
            pointed = Some(make(cell));
            over_one = true;
        }
        if response.clicked() {
            response.request_focus();
        }
        if response.has_focus() {
            ctx.take_arrows();
            let current = match (pointed, make(0)) {
                (Some(Pointed::Query(cell)), Pointed::Query(_)) => Some(cell),
                (Some(Pointed::Gallery(cell)), Pointed::Gallery(_)) => Some(cell),
                _ => None,
            };
            if let Some(cell) = stepped(ui, response.id, grid, current) {
                pointed = Some(make(cell));
            }
            over_one |= current.is_some() || pointed.is_some();
            focus_ring(ui.painter(), tokens, square, radius::TILE);
        }
    }
    if !over_one && matches!(pointed, Some(Pointed::Query(_) | Pointed::Gallery(_))) {
        pointed = None;
    }
    if pointed != ctx.session.pointed {
        ctx.send(Command::PointAt(pointed));
    }
    outline_pointed(ui, ctx, plan, layout);
}

fn cells_ui(ui: &Ui, square: Rect, name: &str, grid: Grid) -> Response {
    let response = ui.interact(square, ui.scope_id().with(name), Sense::click());
    response
        .widget_info(|| WidgetInfo::labeled(Role::Image, true, format!("{name}, {} × {}", grid.columns, grid.rows)));
    response
}

/// Where the arrow keys lead from a cell; the first press begins in the middle.
fn stepped(ui: &Ui, id: Id, grid: Grid, from: Option<usize>) -> Option<usize> {
    let filter = EventFilter { horizontal_arrows: true, vertical_arrows: true, ..EventFilter::default() };
    ui.memory_mut(|memory| memory.set_focus_lock_filter(id, filter));
    let (right, down) = ui.input(|input| {
        let presses = |key| input.num_presses(key) as isize;
        (presses(Key::ArrowRight) - presses(Key::ArrowLeft), presses(Key::ArrowDown) - presses(Key::ArrowUp))
    });
    if right == 0 && down == 0 {
        return None;
    }
    let Some(from) = from else {
        return Some((grid.rows / 2) * grid.columns + grid.columns / 2);
    };
    let (row, column) = grid.place(from);
    let row = row.saturating_add_signed(down).min(grid.rows - 1);
    let column = column.saturating_add_signed(right).min(grid.columns - 1);
    Some(row * grid.columns + column)
}

fn outline_pointed(ui: &Ui, ctx: &Ctx<'_>, plan: &Plan, layout: Squares) {
    let pair = &plan.info.pair.plan;
    let outline = |square: Rect, grid: Grid, cell: usize| {
        if cell < grid.cells() {
            let rect = cell_rect(square, grid, cell);
            let painter = ui.painter();
            painter.rect_stroke(rect, 2, Stroke::new(3.0, ctx.tokens.handle_line), StrokeKind::Middle);
            painter.rect_stroke(rect, 2, Stroke::new(1.5, ctx.tokens.handle), StrokeKind::Middle);
        }
    };
    match ctx.session.pointed {
        Some(Pointed::Query(cell)) => outline(layout.query, pair.query(), cell),
        Some(Pointed::Gallery(cell)) => outline(layout.gallery, pair.gallery(), cell),
        Some(Pointed::Flow(q, g)) => {
            outline(layout.query, pair.query(), q);
            outline(layout.gallery, pair.gallery(), g);
        }
        None => {}
    }
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
            assert_eq!(cell_at(square, grid, cell_rect(square, grid, cell).center()), Some(cell));
        }
        assert_eq!(cell_at(square, grid, Pos2::new(29.0, 60.0)), None);
        assert_eq!(cell_at(square, grid, Pos2::new(30.0, 190.0)), None);
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
