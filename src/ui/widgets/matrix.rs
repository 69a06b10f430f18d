//! The plan as a matrix between its two marginals, with both photos beside it.

use std::sync::Arc;

use egui::{
    Align2, Color32, Mesh, Pos2, Rect, Role, Sense, Shape, Stroke, StrokeKind, TextureHandle, Ui, Vec2, WidgetInfo,
};

use super::plan_view::{self, Squares, arrows};
use super::{focus_ring, plan_picture, whole_uv};
use crate::domain::PairMatch;
use crate::render::{MatrixMap, Side, matrix_pixels, range_of};
use crate::ui::context::Ctx;
use crate::ui::state::{Plan, Pointed};
use crate::ui::tokens::{self, radius, size, space};

pub fn name_of(map: MatrixMap) -> &'static str {
    match map {
        MatrixMap::Mass => "Mass",
        MatrixMap::Similarity => "Similarity",
        MatrixMap::Contribution => "Contribution",
    }
}

/// Where the parts lie.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Places {
    matrix: Rect,
    /// Marginals of the query's cells, at the left, and of the gallery's, above.
    rows: Rect,
    columns: Rect,
    photos: Option<Squares>,
}

impl Places {
    fn fit(room: Rect) -> Self {
        let bar = size::MATRIX_BAR;
        let corner = room.min + Vec2::splat(bar + space::XS);
        let side = (room.right() - corner.x).min(room.bottom() - corner.y).max(1.0);
        let matrix = Rect::from_min_size(corner, Vec2::splat(side));
        // One above the other or side by side, whichever leaves them larger.
        let free = room.right() - matrix.right() - space::L;
        let above = ((room.height() - space::S) / 2.0).min(free);
        let beside = ((free - space::S) / 2.0).min(room.height());
        let photo = above.max(beside);
        let photos = (photo >= size::MATRIX_PHOTO).then(|| {
            let step =
                if above >= beside { Vec2::new(0.0, photo + space::S) } else { Vec2::new(photo + space::S, 0.0) };
            let first = Pos2::new(room.right() - photo - step.x, room.top());
            let at = |min: Pos2| Rect::from_min_size(min, Vec2::splat(photo));
            Squares { query: at(first), gallery: at(first + step) }
        });
        Self {
            matrix,
            rows: Rect::from_min_max(Pos2::new(room.left(), matrix.top()), matrix.left_bottom() - Vec2::X * space::XS),
            columns: Rect::from_min_max(Pos2::new(matrix.left(), room.top()), matrix.right_top() - Vec2::Y * space::XS),
            photos,
        }
    }
}

pub fn matrix_ui(ui: &mut Ui, ctx: &Ctx<'_>, plan: &Plan, room: Rect) {
    let pair = &plan.info.pair;
    let places = Places::fit(room);
    let (rows, columns) = (pair.plan.query().cells(), pair.plan.gallery().cells());
    if let Some(texture) = texture(ui, ctx, plan) {
        ui.painter().image(texture.id(), places.matrix, whole_uv(), Color32::WHITE);
    }
    let most = most(pair);
    let (sums, asked) = (pair.plan.row_sums(), &pair.row_marginal);
    bars(ui, ctx, places.rows, true, &sums, asked, most);
    let (sums, asked) = (pair.plan.column_sums(), &pair.column_marginal);
    bars(ui, ctx, places.columns, false, &sums, asked, most);
    cursor_ui(ui, ctx, plan, places.matrix);
    outline(ui, ctx, places.matrix, [rows, columns]);
    if let Some(photos) = places.photos {
        plan_picture::plan_picture_ui(ui, ctx, plan, photos);
        for side in [Side::Query, Side::Gallery] {
            plan_view::cells_ui(ui, ctx, plan, photos, side);
        }
        plan_view::outline_pointed(ui, ctx, plan, photos);
    }
}

/// The largest of all sums and of all that was asked for.
pub fn most(pair: &PairMatch) -> f32 {
    let all = [pair.plan.row_sums(), pair.plan.column_sums(), pair.row_marginal.clone(), pair.column_marginal.clone()];
    all.into_iter().flatten().fold(0.0, f32::max)
}

/// Pointer and keyboard over the pairs of cells.
fn cursor_ui(ui: &Ui, ctx: &Ctx<'_>, plan: &Plan, rect: Rect) {
    let pair = &plan.info.pair;
    let (rows, columns) = (pair.plan.query().cells(), pair.plan.gallery().cells());
    let response = ui.interact(rect, ui.scope_id().with("plan matrix"), Sense::click());
    let map = ctx.prefs.inspect.map;
    response.widget_info(|| {
        let [low, high] = range_of(pair, map);
        let name = name_of(map).to_lowercase();
        let words = format!("Plan matrix, {name}, {rows} × {columns} cells, {low:.3} … {high:.3}");
        WidgetInfo::labeled(Role::Image, true, words)
    });
    if let Some(pos) = response.hover_pos() {
        let share = (pos - rect.min) / rect.size();
        let at = |share: f32, count: usize| ((share.max(0.0) * count as f32) as usize).min(count - 1);
        ctx.point(Pointed::Flow(at(share.y, rows), at(share.x, columns)));
    }
    if response.clicked() {
        response.request_focus();
    }
    if response.has_focus() {
        ctx.take_arrows();
        let current = match ctx.session.pointed {
            Some(Pointed::Flow(q, g)) => Some((q, g)),
            _ => None,
        };
        let stepped = arrows(ui, response.id).map(|(right, down)| match current {
            Some((q, g)) => {
                (q.saturating_add_signed(down).min(rows - 1), g.saturating_add_signed(right).min(columns - 1))
            }
            // The first press begins at the heaviest pair.
            None => heaviest(pair),
        });
        if let Some((q, g)) = stepped.or(current) {
            ctx.walk(Pointed::Flow(q, g));
        }
        focus_ring(ui.painter(), ctx.tokens, rect, 0);
    }
}

fn heaviest(pair: &PairMatch) -> (usize, usize) {
    let mass = pair.plan.mass();
    let best = (0..mass.len()).fold(0, |best, at| if mass[at] > mass[best] { at } else { best });
    (best / pair.plan.gallery().cells(), best % pair.plan.gallery().cells())
}

/// The row, the column or the pair that is pointed at.
fn outline(ui: &Ui, ctx: &Ctx<'_>, rect: Rect, [rows, columns]: [usize; 2]) {
    let cell = rect.size() / Vec2::new(columns as f32, rows as f32);
    let row = |q: usize| Rect::from_min_size(rect.min + Vec2::Y * (q as f32 * cell.y), Vec2::new(rect.width(), cell.y));
    let column =
        |g: usize| Rect::from_min_size(rect.min + Vec2::X * (g as f32 * cell.x), Vec2::new(cell.x, rect.height()));
    let frame = |rect: Rect| {
        let rect = rect.expand(1.0);
        ui.painter().rect_stroke(rect, 1, Stroke::new(2.5, ctx.tokens.handle_line), StrokeKind::Outside);
        ui.painter().rect_stroke(rect, 1, Stroke::new(1.2, ctx.tokens.handle), StrokeKind::Outside);
    };
    match ctx.session.pointed {
        Some(Pointed::Query(q)) if q < rows => frame(row(q)),
        Some(Pointed::Gallery(g)) if g < columns => frame(column(g)),
        Some(Pointed::Flow(q, g)) if q < rows && g < columns => {
            let faint = Stroke::new(size::HAIR, ctx.tokens.grid_line);
            for edge in [row(q).top(), row(q).bottom()] {
                ui.painter().hline(rect.x_range(), edge, faint);
            }
            for edge in [column(g).left(), column(g).right()] {
                ui.painter().vline(edge, rect.y_range(), faint);
            }
            frame(row(q).intersect(column(g)));
        }
        _ => {}
    }
}

/// What each cell really moves as a bar, and what was asked of it as a line.
fn bars(ui: &Ui, ctx: &Ctx<'_>, rect: Rect, upright: bool, sums: &[f32], asked: &[f32], most: f32) {
    let tokens = ctx.tokens;
    let along = if upright { rect.height() } else { rect.width() } / sums.len().max(1) as f32;
    let reach = |value: f32| {
        let share = if most > 0.0 { (value / most).clamp(0.0, 1.0) } else { 0.0 };
        share * if upright { rect.width() } else { rect.height() }
    };
    // A point at this height above the matrix's border and this far along it.
    let at = |step: f32, value: f32| {
        if upright {
            Pos2::new(rect.right() - reach(value), rect.top() + step * along)
        } else {
            Pos2::new(rect.left() + step * along, rect.bottom() - reach(value))
        }
    };
    let mut mesh = Mesh::default();
    let gap = if along >= 4.0 { 0.5 / along } else { 0.0 };
    for (index, &sum) in sums.iter().enumerate() {
        let (from, to) = (index as f32 + gap, (index + 1) as f32 - gap);
        mesh.add_colored_rect(Rect::from_two_pos(at(from, 0.0), at(to, sum)), tokens.bar_global.gamma_multiply(0.55));
    }
    ui.painter().add(Shape::mesh(mesh));
    let steps = asked.iter().enumerate();
    let line = steps.flat_map(|(index, &value)| [at(index as f32, value), at((index + 1) as f32, value)]).collect();
    ui.painter().add(Shape::line(line, Stroke::new(1.4, tokens.accent)));
    let (name, error) = (if upright { "street photo" } else { "product photo" }, off(sums, asked));
    let words = format!("Marginal of the {name}: asked for and reached, off by {error:.4}");
    let response = super::described(ui, rect, ("marginal", upright), Role::Image, &words);
    response.on_hover_text(words);
}

/// L1 distance.
fn off(sums: &[f32], asked: &[f32]) -> f32 {
    sums.iter().zip(asked).map(|(sum, asked)| (sum - asked).abs()).sum()
}

/// The matrix's pixels on the graphics device, made anew only for another plan or another map.
fn texture(ui: &Ui, ctx: &Ctx<'_>, plan: &Plan) -> Option<TextureHandle> {
    struct Made {
        info: Arc<crate::jobs::types::PlanInfo>,
        map: MatrixMap,
        texture: TextureHandle,
    }
    let id = egui::Id::unique("plan matrix");
    let map = ctx.prefs.inspect.map;
    let before: Option<Arc<Made>> = ui.data(|data| data.get_temp(id));
    if let Some(made) = before.filter(|made| Arc::ptr_eq(&made.info, &plan.info) && made.map == map) {
        return Some(made.texture.clone());
    }
    let pixels = matrix_pixels(&plan.info.pair, map);
    let image = super::rebuilt::image(&pixels)?;
    let texture = ui.ctx().load_texture("plan matrix", image, egui::TextureOptions::NEAREST);
    ui.data_mut(|data| {
        data.insert_temp(id, Arc::new(Made { info: plan.info.clone(), map, texture: texture.clone() }));
    });
    Some(texture)
}

/// A scale from dark to bright with the values of its ends, below a word or two.
pub fn scale_ui(ui: &mut Ui, ctx: &Ctx<'_>, title: &str, [low, high]: [f32; 2], what: &str) {
    let (low, high) = (format!("{low:.3}"), format!("{high:.3}"));
    let title = ui.painter().layout_no_wrap(title.to_owned(), tokens::small(), ctx.tokens.dim);
    let room = title.size().x;
    let (rect, response) = ui.allocate_exact_size(Vec2::new(room + size::SCALE, size::CONTROL), Sense::hover());
    let at = Pos2::new(rect.left(), rect.center().y - title.size().y / 2.0);
    ui.painter().galley(at, title, ctx.tokens.dim);
    let rect = Rect::from_min_max(Pos2::new(rect.left() + room, rect.top()), rect.max);
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, format!("Scale of {what}, {low} … {high}")));
    let bar = Rect::from_center_size(rect.center(), Vec2::new(rect.width() - 2.0 * size::SCALE_TEXT, 10.0));
    let mut mesh = Mesh::default();
    const STEPS: usize = 32;
    for step in 0..=STEPS {
        let share = step as f32 / STEPS as f32;
        let color = tokens::srgb(crate::render::sequential(share));
        let x = bar.left() + share * bar.width();
        mesh.colored_vertex(Pos2::new(x, bar.top()), color);
        mesh.colored_vertex(Pos2::new(x, bar.bottom()), color);
        if step > 0 {
            let last = 2 * step as u32;
            mesh.add_triangle(last - 2, last - 1, last);
            mesh.add_triangle(last - 1, last, last + 1);
        }
    }
    let painter = ui.painter();
    painter.add(Shape::mesh(mesh));
    painter.rect_stroke(bar, radius::BADGE - 4, ctx.tokens.hairline(), StrokeKind::Outside);
    let text = |pos: Pos2, align, text: &str| painter.text(pos, align, text, tokens::small(), ctx.tokens.dim);
    text(bar.left_center() - Vec2::X * space::XS, Align2::RIGHT_CENTER, &low);
    text(bar.right_center() + Vec2::X * space::XS, Align2::LEFT_CENTER, &high);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matrix_marginals_and_photos_share_a_room_without_overlap() {
        for room in [[900.0, 400.0], [420.0, 170.0], [300.0, 500.0], [120.0, 90.0]] {
            let room = Rect::from_min_size(Pos2::new(7.0, 9.0), room.into());
            let places = Places::fit(room);
            assert!(room.contains_rect(places.matrix) && room.contains_rect(places.rows), "{places:?}");
            assert!(!places.matrix.intersects(places.rows) && !places.matrix.intersects(places.columns));
            assert_eq!(places.rows.height(), places.matrix.height());
            if let Some(photos) = places.photos {
                assert!(room.contains_rect(photos.whole()) && photos.query.left() > places.matrix.right());
            }
        }
    }

    #[test]
    fn the_error_of_a_marginal_is_what_is_missing_and_what_is_too_much() {
        assert!((off(&[0.4, 0.6], &[0.5, 0.5]) - 0.2).abs() < 1e-6);
    }
}
