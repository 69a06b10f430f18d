//! Zooming into a photo: wheel or pinch around the pointer, dragging with the middle button or with space held.

use egui::{CursorIcon, Key, PointerButton, Rect, Response, Ui};

use crate::render::Side;
use crate::ui::command::Command;
use crate::ui::context::Ctx;
use crate::ui::inspect::{PlanCommand, magnified, moved};

/// How much one point of the wheel magnifies.
const PER_POINT: f32 = 0.004;

pub fn zoom_ui(ui: &Ui, ctx: &Ctx<'_>, response: &Response, square: Rect, side: Side) {
    let mut zoom = ctx.session.zoom;
    let linked = ctx.prefs.inspect.linked;
    if let Some(pos) = response.hover_pos() {
        let factor = ui.input_mut(|input| {
            let pinched = input.zoom_delta();
            let wheel = input.smooth_scroll_delta.y;
            // What zooms does not scroll what lies around.
            input.smooth_scroll_delta = egui::Vec2::ZERO;
            pinched * (wheel * PER_POINT).exp()
        });
        if factor != 1.0 {
            let share = (pos - square.min) / square.size();
            zoom = zoom.changed(Some(side), linked, |window| magnified(window, factor, [share.x, share.y]));
        }
    }
    let space = ui.input(|input| input.key_down(Key::Space));
    let drags = response.dragged_by(PointerButton::Middle) || (space && response.dragged_by(PointerButton::Primary));
    if drags {
        let by = response.drag_delta() / square.size();
        zoom = zoom.changed(Some(side), linked, |window| moved(window, [-by.x, -by.y]));
        ui.set_cursor_icon(CursorIcon::Grabbing);
    } else if space && response.hovered() {
        ui.set_cursor_icon(CursorIcon::Grab);
    }
    if zoom != ctx.session.zoom {
        ctx.send(Command::Plan(PlanCommand::SetZoom(zoom)));
    }
}
