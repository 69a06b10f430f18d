//! The part of the query photo that is searched: a box with eight handles, moved by pointer or keyboard. The search
//! follows when it is let go.

use egui::{
    CursorIcon, EventFilter, Id, Key, Pos2, Rect, Response, Role, Sense, Stroke, StrokeKind, Ui, Vec2, WidgetInfo,
};

use super::focus_ring;
use crate::domain::CropRect;
use crate::ui::context::Ctx;
use crate::ui::tokens::{radius, size};

/// The smallest side of a box, as a share of the photo's shorter side.
const SMALLEST: f32 = 0.06;

/// Which edges a drag moves: -1 the left or upper, 1 the right or lower, 0 neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Grip {
    Edges {
        x: i8,
        y: i8,
    },
    Whole,
    /// A new box from here.
    Fresh,
}

/// A change that was not let go of yet.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Draft {
    before: CropRect,
    now: CropRect,
    /// Where the drag began, in photo pixels; `None` for the keyboard.
    grip: Option<(Grip, Pos2)>,
}

/// Where a photo lies on screen, and how its pixels map there.
#[derive(Clone, Copy, Debug)]
struct Frame {
    rect: Rect,
    photo: Vec2,
}

impl Frame {
    fn scale(&self) -> f32 {
        self.rect.width() / self.photo.x
    }

    fn on_screen(&self, crop: CropRect) -> Rect {
        let min = self.rect.min + Vec2::new(crop.x, crop.y) * self.scale();
        Rect::from_min_size(min, Vec2::new(crop.width, crop.height) * self.scale())
    }

    fn in_photo(&self, pos: Pos2) -> Pos2 {
        ((pos - self.rect.min) / self.scale()).to_pos2().clamp(Pos2::ZERO, self.photo.to_pos2())
    }

    fn smallest(&self) -> f32 {
        (self.photo.min_elem() * SMALLEST).max(1.0)
    }

    /// The grip under the pointer.
    fn grip(&self, crop: CropRect, pos: Pos2) -> Grip {
        let rect = self.on_screen(crop);
        let near = size::HANDLE_GRAB;
        if !rect.expand(near).contains(pos) {
            return Grip::Fresh;
        }
        let side = |value: f32, low: f32, high: f32| {
            if (value - low).abs() <= near && (value - low).abs() <= (value - high).abs() {
                -1
            } else if (value - high).abs() <= near {
                1
            } else {
                0
            }
        };
        let (x, y) = (side(pos.x, rect.left(), rect.right()), side(pos.y, rect.top(), rect.bottom()));
        if x == 0 && y == 0 { Grip::Whole } else { Grip::Edges { x, y } }
    }

    fn dragged(&self, before: CropRect, grip: Grip, from: Pos2, to: Pos2) -> CropRect {
        let delta = to - from;
        match grip {
            Grip::Whole => self.moved(before, delta),
            Grip::Edges { x, y } => self.resized(before, x, y, delta),
            Grip::Fresh => {
                let rect = Rect::from_two_pos(from, to);
                if rect.width() < self.smallest() || rect.height() < self.smallest() {
                    return before;
                }
                CropRect::new(rect.left(), rect.top(), rect.width(), rect.height())
            }
        }
    }

    fn moved(&self, crop: CropRect, delta: Vec2) -> CropRect {
        CropRect {
            x: (crop.x + delta.x).clamp(0.0, (self.photo.x - crop.width).max(0.0)),
            y: (crop.y + delta.y).clamp(0.0, (self.photo.y - crop.height).max(0.0)),
            ..crop
        }
    }

    fn resized(&self, crop: CropRect, x: i8, y: i8, delta: Vec2) -> CropRect {
        let axis = |start: f32, length: f32, side: i8, delta: f32, whole: f32| {
            let (low, high, least) = (start, start + length, self.smallest().min(length));
            match side {
                -1 => {
                    let low = (low + delta).clamp(0.0, high - least);
                    (low, high - low)
                }
                1 => {
                    let high = (high + delta).clamp(low + least, whole.max(low + least));
                    (low, high - low)
                }
                _ => (start, length),
            }
        };
        let (x, width) = axis(crop.x, crop.width, x, delta.x, self.photo.x);
        let (y, height) = axis(crop.y, crop.height, y, delta.y, self.photo.y);
        CropRect::new(x, y, width, height)
    }
}

fn cursor(grip: Grip) -> CursorIcon {
    match grip {
        Grip::Edges { x: 0, .. } => CursorIcon::ResizeVertical,
        Grip::Edges { y: 0, .. } => CursorIcon::ResizeHorizontal,
        Grip::Edges { x, y } if x == y => CursorIcon::ResizeNwSe,
        Grip::Edges { .. } => CursorIcon::ResizeNeSw,
        Grip::Whole => CursorIcon::Grab,
        Grip::Fresh => CursorIcon::Crosshair,
    }
}

/// Draws the box over the photo at `rect`; the new crop once it is let go.
pub fn crop_box_ui(ui: &mut Ui, ctx: &Ctx<'_>, rect: Rect, photo: Vec2, crop: CropRect) -> Option<CropRect> {
    let frame = Frame { rect, photo };
    let id = ui.scope_id().with("crop box");
    let response = ui.interact(rect, id, Sense::click_and_drag());
    let draft_id = id.with("draft");
    let mut draft: Option<Draft> = ui.data(|data| data.get_temp(draft_id));

    pointer(ui, &frame, &response, crop, &mut draft);
    let mut done = response.drag_stopped();
    if response.has_focus() {
        ctx.take_arrows();
        done |= keyboard(ui, &frame, id, crop, &mut draft);
    }
    // Focus that goes elsewhere lets go too.
    done |= draft.is_some_and(|draft| draft.grip.is_none()) && !response.has_focus();

    let shown = draft.map_or(crop, |draft| draft.now);
    response.widget_info(|| {
        let [x, y, w, h] = [shown.x, shown.y, shown.width, shown.height].map(|v| v.round() as i64);
        WidgetInfo::labeled(Role::Slider, true, format!("Crop {w} × {h} at {x}, {y}"))
    });
    paint(ui, ctx, &frame, shown, draft.is_some(), response.has_focus());

    let result =
        if done { draft.take().filter(|draft| draft.now != draft.before).map(|draft| draft.now) } else { None };
    ui.data_mut(|data| match draft {
        Some(draft) => {
            data.insert_temp(draft_id, draft);
        }
        None => {
            data.remove::<Draft>(draft_id);
        }
    });
    response.on_hover_text("Drag to change what is searched; arrow keys move it, with Shift they resize");
    result.map(|crop| rounded(crop, photo))
}

/// Whole pixels, so that the same box is the same search.
fn rounded(crop: CropRect, photo: Vec2) -> CropRect {
    let (x, y) = (crop.x.round(), crop.y.round());
    let right = (crop.x + crop.width).round().min(photo.x);
    let bottom = (crop.y + crop.height).round().min(photo.y);
    CropRect::new(x, y, (right - x).max(1.0), (bottom - y).max(1.0))
}

fn pointer(ui: &Ui, frame: &Frame, response: &Response, crop: CropRect, draft: &mut Option<Draft>) {
    if response.drag_started()
        && let Some(origin) = ui.input(|input| input.pointer.press_origin())
    {
        response.request_focus();
        let grip = frame.grip(crop, origin);
        *draft = Some(Draft { before: crop, now: crop, grip: Some((grip, frame.in_photo(origin))) });
    }
    if let (Some(draft), Some(pos)) = (draft.as_mut(), response.interact_pointer_pos())
        && let Some((grip, from)) = draft.grip
    {
        // Unclamped, so that moving the whole box keeps its size at the photo's edge.
        let to = ((pos - frame.rect.min) / frame.scale()).to_pos2();
        let to = if grip == Grip::Fresh { frame.in_photo(pos) } else { to };
        draft.now = frame.dragged(draft.before, grip, from, to);
        ui.set_cursor_icon(if grip == Grip::Whole { CursorIcon::Grabbing } else { cursor(grip) });
    } else if let Some(pos) = response.hover_pos() {
        ui.set_cursor_icon(cursor(frame.grip(crop, pos)));
    }
}

/// Arrow keys nudge; letting the last one go ends the change.
fn keyboard(ui: &Ui, frame: &Frame, id: Id, crop: CropRect, draft: &mut Option<Draft>) -> bool {
    let filter = EventFilter { horizontal_arrows: true, vertical_arrows: true, ..EventFilter::default() };
    ui.memory_mut(|memory| memory.set_focus_lock_filter(id, filter));
    let arrows = [Key::ArrowLeft, Key::ArrowRight, Key::ArrowUp, Key::ArrowDown];
    let (presses, shift, held) = ui.input(|input| {
        let presses = arrows.map(|key| input.num_presses(key) as f32);
        (presses, input.modifiers.shift, arrows.iter().any(|&key| input.key_down(key)))
    });
    let delta = Vec2::new(presses[1] - presses[0], presses[3] - presses[2]) * (frame.photo.max_elem() * 0.01).max(1.0);
    if delta != Vec2::ZERO {
        let start = draft.unwrap_or(Draft { before: crop, now: crop, grip: None });
        let now = if shift { frame.resized(start.now, 1, 1, delta) } else { frame.moved(start.now, delta) };
        *draft = Some(Draft { now, ..start });
    }
    draft.is_some_and(|draft| draft.grip.is_none()) && !held
}

fn paint(ui: &Ui, ctx: &Ctx<'_>, frame: &Frame, crop: CropRect, active: bool, focused: bool) {
    let (tokens, painter) = (ctx.tokens, ui.painter());
    let (outer, inner) = (frame.rect, frame.on_screen(crop).intersect(frame.rect));
    let veils = [
        Rect::from_min_max(outer.min, Pos2::new(outer.right(), inner.top())),
        Rect::from_min_max(Pos2::new(outer.left(), inner.bottom()), outer.max),
        Rect::from_min_max(Pos2::new(outer.left(), inner.top()), Pos2::new(inner.left(), inner.bottom())),
        Rect::from_min_max(Pos2::new(inner.right(), inner.top()), Pos2::new(outer.right(), inner.bottom())),
    ];
    for veil in veils.into_iter().filter(|rect| rect.is_positive()) {
        painter.rect_filled(veil, 0, tokens.veil);
    }
    if active {
        for third in [1.0 / 3.0, 2.0 / 3.0] {
            let line = Stroke::new(size::HAIR, tokens.grid_line);
            painter.vline(inner.left() + inner.width() * third, inner.y_range(), line);
            painter.hline(inner.x_range(), inner.top() + inner.height() * third, line);
        }
    }
    painter.rect_stroke(inner, 0, Stroke::new(1.5, tokens.handle), StrokeKind::Middle);
    for x in [-1.0, 0.0, 1.0] {
        for y in [-1.0, 0.0, 1.0] {
            if x == 0.0 && y == 0.0 {
                continue;
            }
            let center = inner.center() + Vec2::new(x * inner.width(), y * inner.height()) / 2.0;
            // Corners are larger than the middles of edges.
            let half = if x != 0.0 && y != 0.0 { size::HANDLE } else { size::HANDLE - 1.0 };
            let handle = Rect::from_center_size(center, Vec2::splat(2.0 * half));
            painter.rect(handle, 1, tokens.handle, Stroke::new(size::HAIR, tokens.handle_line), StrokeKind::Inside);
        }
    }
    if focused {
        focus_ring(painter, tokens, outer, radius::CONTROL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame() -> Frame {
        Frame {
            rect: Rect::from_min_size(Pos2::new(10.0, 20.0), Vec2::new(100.0, 150.0)),
            photo: Vec2::new(200.0, 300.0),
        }
    }

    #[test]
    fn every_handle_moves_its_own_edges() {
        let crop = CropRect::new(40.0, 60.0, 100.0, 120.0);
        let on_screen = frame().on_screen(crop);
        for (pos, x, y) in [
            (on_screen.left_top(), -1, -1),
            (on_screen.center_top(), 0, -1),
            (on_screen.right_top(), 1, -1),
            (on_screen.left_center(), -1, 0),
            (on_screen.right_center(), 1, 0),
            (on_screen.left_bottom(), -1, 1),
            (on_screen.center_bottom(), 0, 1),
            (on_screen.right_bottom(), 1, 1),
        ] {
            assert_eq!(frame().grip(crop, pos), Grip::Edges { x, y });
        }
        assert_eq!(frame().grip(crop, on_screen.center()), Grip::Whole);
        assert_eq!(frame().grip(crop, Pos2::new(12.0, 22.0)), Grip::Fresh);
    }

    #[test]
    fn a_box_stays_on_the_photo_and_keeps_its_size_when_moved() {
        let crop = CropRect::new(40.0, 60.0, 100.0, 120.0);
        let far = frame().dragged(crop, Grip::Whole, Pos2::ZERO, Pos2::new(900.0, -900.0));
        assert_eq!(far, CropRect::new(100.0, 0.0, 100.0, 120.0));
    }

    #[test]
    fn a_box_never_turns_inside_out() {
        let crop = CropRect::new(40.0, 60.0, 100.0, 120.0);
        let grip = Grip::Edges { x: -1, y: -1 };
        let small = frame().dragged(crop, grip, Pos2::ZERO, Pos2::new(900.0, 900.0));
        assert!(small.width >= 1.0 && small.height >= 1.0);
        assert_eq!((small.x + small.width, small.y + small.height), (140.0, 180.0));
    }

    #[test]
    fn a_fresh_box_needs_some_size() {
        let crop = CropRect::new(40.0, 60.0, 100.0, 120.0);
        let from = Pos2::new(5.0, 5.0);
        assert_eq!(frame().dragged(crop, Grip::Fresh, from, Pos2::new(7.0, 9.0)), crop);
        let new = frame().dragged(crop, Grip::Fresh, Pos2::new(100.0, 90.0), Pos2::new(20.0, 30.0));
        assert_eq!(new, CropRect::new(20.0, 30.0, 80.0, 60.0));
    }
}
