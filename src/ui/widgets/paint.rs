//! Painting on the cells of a photo: what matters stays clear, the rest is veiled.

use egui::{Key, Modifiers, PointerButton, Pos2, Rect, Response, Stroke, StrokeKind, Ui};

use super::dim_label;
use crate::domain::{Grid, Marginals};
use crate::ui::command::Command;
use crate::ui::context::Ctx;
use crate::ui::painting::{PaintCommand, PaintSide};
use crate::ui::state::Plan;
use crate::ui::tokens::size;

/// One photo's cells on screen.
pub struct Canvas<'a> {
    pub side: PaintSide,
    pub grid: Grid,
    /// Where the photo is seen; nothing is drawn outside.
    pub square: Rect,
    pub cell_rect: &'a dyn Fn(usize) -> Rect,
    /// The cell that the keyboard's cursor is on.
    pub cursor: Option<usize>,
}

/// Paint counts, so that dragging over a photo paints.
pub fn is_painting(ctx: &Ctx<'_>) -> bool {
    let plan = ctx.session.query.as_ref().filter(|query| !query.stale).and_then(|query| query.plan.as_ref());
    ctx.session.options.marginals == Marginals::Painted && plan.is_some()
}

/// Draws what is painted and takes strokes and keys. `response` senses drags over the photo.
pub fn paint_ui(ui: &Ui, ctx: &Ctx<'_>, response: &Response, canvas: &Canvas<'_>) {
    let plan = ctx.session.query.as_ref().and_then(|query| query.plan.as_ref()).filter(|_| is_painting(ctx));
    let Some(plan) = plan else { return };
    veil(ui, ctx, plan, canvas);
    let Some(pos) = response.interact_pointer_pos().or_else(|| response.hover_pos()) else {
        keys(ui, ctx, response, canvas);
        return;
    };
    let at = in_cells(canvas, pos);
    // The middle button, or any with the space bar held, moves the photo instead.
    let primary = !ui.input(|input| input.key_down(Key::Space));
    let begins = primary && (response.drag_started_by(PointerButton::Primary) || response.clicked());
    if begins || (primary && response.dragged_by(PointerButton::Primary)) {
        let moved = response.drag_delta() != egui::Vec2::ZERO;
        if begins || moved {
            // A drag is noticed a little after it began; what lies between is painted too.
            let from = ui
                .input(|input| input.pointer.press_origin())
                .filter(|_| begins)
                .map_or(at, |origin| in_cells(canvas, origin));
            ctx.send(Command::Paint(PaintCommand::Stroke { side: canvas.side, at: from, begins }));
            if from != at {
                ctx.send(Command::Paint(PaintCommand::Stroke { side: canvas.side, at, begins: false }));
            }
        }
    }
    brush(ui, ctx, canvas, pos);
    keys(ui, ctx, response, canvas);
}

/// In cells from the top left.
fn in_cells(canvas: &Canvas<'_>, pos: Pos2) -> [f32; 2] {
    let first = (canvas.cell_rect)(0);
    [(pos.x - first.left()) / first.width(), (pos.y - first.top()) / first.height()]
}

fn veil(ui: &Ui, ctx: &Ctx<'_>, plan: &Plan, canvas: &Canvas<'_>) {
    let Some(query) = &ctx.session.query else { return };
    let painted = query.painting.of(canvas.side, &plan.photo).filter(|paint| !paint.is_blank());
    let Some(painted) = painted else { return };
    let painter = ui.painter().with_clip_rect(canvas.square.intersect(ui.clip_rect()));
    for (cell, weight) in painted.on(canvas.grid).into_iter().enumerate() {
        let rect = (canvas.cell_rect)(cell);
        painter.rect_filled(rect, 0, ctx.tokens.veil.gamma_multiply(1.4 * (1.0 - weight)));
        if weight > 0.0 {
            let stroke =
                Stroke::new(size::RING * weight.max(0.3), ctx.tokens.accent.gamma_multiply(0.35 + 0.65 * weight));
            painter.rect_stroke(rect.shrink(1.0), 2, stroke, StrokeKind::Inside);
        }
    }
}

/// The ring that shows what a stroke will reach.
fn brush(ui: &Ui, ctx: &Ctx<'_>, canvas: &Canvas<'_>, pos: Pos2) {
    let cell = (canvas.cell_rect)(0).width();
    let painter = ui.painter().with_clip_rect(canvas.square.intersect(ui.clip_rect()));
    let reach = ctx.session.brush.size * cell / 2.0;
    painter.circle_stroke(pos, reach, Stroke::new(3.0, ctx.tokens.handle_line));
    painter.circle_stroke(pos, reach, Stroke::new(1.5, ctx.tokens.handle));
}

/// Plus and minus raise and lower the cell under the keyboard's cursor.
fn keys(ui: &Ui, ctx: &Ctx<'_>, response: &Response, canvas: &Canvas<'_>) {
    let Some(cell) = canvas.cursor.filter(|_| response.has_focus()) else { return };
    let presses = |keys: &[Key]| {
        ui.input_mut(|input| keys.iter().map(|&key| input.count_and_consume_key(Modifiers::NONE, key)).sum::<usize>())
    };
    for (keys, raise) in [(&[Key::Plus, Key::Equals][..], true), (&[Key::Minus][..], false)] {
        for _ in 0..presses(keys) {
            ctx.send(Command::Paint(PaintCommand::Nudge { side: canvas.side, cell, raise }));
        }
    }
}

/// What veil and frames mean.
pub fn paint_legend_ui(ui: &mut Ui, ctx: &Ctx<'_>, plan: &Plan) {
    let painted = |side| {
        let query = ctx.session.query.as_ref();
        query.and_then(|query| query.painting.of(side, &plan.photo)).is_some_and(|paint| !paint.is_blank())
    };
    if is_painting(ctx) && (painted(PaintSide::Query) || painted(PaintSide::Gallery)) {
        dim_label(ui, ctx.tokens, "Veil: painted importance, veiled 0 … framed 1")
            .on_hover_text("A cell’s mass is its importance over the sum of all");
    }
}
