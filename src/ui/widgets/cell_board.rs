//! A photo with its cells: tinted and marked, pointed at, and chosen by pointer or keyboard.

use std::sync::Arc;

use egui::{
    Align2, Color32, EventFilter, Id, Key, Pos2, Rect, Response, Role, Sense, Stroke, StrokeKind, TextureHandle, Ui,
    Vec2, WidgetInfo,
};

use super::plan_view::cell_rect;
use super::{focus_ring, whole_uv};
use crate::domain::{Grid, Pixels, SquarePicture};
use crate::render::Window;
use crate::ui::context::Ctx;
use crate::ui::tokens::{self, radius};

/// What lies over one cell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tint {
    pub color: Color32,
    /// Says by shape what the colour says; may be empty.
    pub mark: &'static str,
}

/// A photo and what is shown of its cells.
pub struct CellBoard<'a> {
    /// The accessible name; also tells boards apart.
    pub name: &'a str,
    pub picture: &'a SquarePicture,
    pub grid: Grid,
    pub tint: &'a dyn Fn(usize) -> Option<Tint>,
    /// Crossed out.
    pub chosen: &'a dyn Fn(usize) -> bool,
    /// Cells can be chosen.
    pub pickable: bool,
    /// One cell in words, for the pointer and the keyboard's cursor.
    pub words: &'a dyn Fn(usize) -> String,
    /// A cell that is pointed at elsewhere.
    pub pointed: Option<usize>,
}

/// What was done to a board in this frame.
#[derive(Debug, Default, PartialEq)]
pub struct BoardUse {
    /// The cell under the pointer or the keyboard's cursor.
    pub pointed: Option<usize>,
    /// This cell was clicked, or Space was pressed on it.
    pub toggled: Option<usize>,
    /// A rectangle was drawn over these cells.
    pub drawn: Option<Vec<usize>>,
}

impl<'a> CellBoard<'a> {
    /// A board that shows cells and says them in words: nothing is tinted, chosen or pointed at.
    pub fn new(name: &'a str, picture: &'a SquarePicture, grid: Grid, words: &'a dyn Fn(usize) -> String) -> Self {
        Self { name, picture, grid, tint: &|_| None, chosen: &|_| false, pickable: false, words, pointed: None }
    }

    pub fn show(&self, ui: &mut Ui, ctx: &Ctx<'_>, square: Rect) -> BoardUse {
        let id = ui.scope_id().with(("cells of", self.name));
        let sense = if self.pickable { Sense::click_and_drag() } else { Sense::click() };
        let response = ui.interact(square, id, sense);
        let mut used = BoardUse::default();
        if response.clicked() || response.drag_started() {
            response.request_focus();
        }
        let mut cursor: Option<usize> = ui.data(|data| data.get_temp(id));
        if response.has_focus() {
            ctx.take_arrows();
            cursor = self.stepped(ui, &response, cursor, &mut used);
        } else if cursor.is_some() {
            cursor = None;
        }
        ui.data_mut(|data| match cursor {
            Some(cell) => {
                data.insert_temp(id, cell);
            }
            None => data.remove::<usize>(id),
        });
        let over = response.hover_pos().and_then(|pos| self.cell_at(square, pos));
        used.pointed = over.or(cursor);
        let drawing = self.pointer(ui, &response, square, id, &mut used);
        self.paint(ui, ctx, square, &used, drawing);
        if response.has_focus() {
            focus_ring(ui.painter(), ctx.tokens, square, radius::TILE);
        }
        let what = used.pointed.map_or_else(String::new, |cell| format!(": {}", (self.words)(cell)));
        let name = format!("{}, {} × {}{what}", self.name, self.grid.columns, self.grid.rows);
        response.widget_info(|| WidgetInfo::labeled(Role::Image, true, &name));
        if let Some(cell) = over
            && drawing.is_none()
        {
            response.on_hover_text_at_pointer((self.words)(cell));
        }
        used
    }

    /// Arrow keys walk, Space chooses.
    fn stepped(&self, ui: &Ui, response: &Response, from: Option<usize>, used: &mut BoardUse) -> Option<usize> {
        let filter = EventFilter { horizontal_arrows: true, vertical_arrows: true, ..EventFilter::default() };
        ui.memory_mut(|memory| memory.set_focus_lock_filter(response.id, filter));
        let (right, down) = ui.input(|input| {
            let presses = |key| input.num_presses(key) as isize;
            (presses(Key::ArrowRight) - presses(Key::ArrowLeft), presses(Key::ArrowDown) - presses(Key::ArrowUp))
        });
        let Grid { rows, columns } = self.grid;
        let cell = match from.filter(|&cell| cell < self.grid.cells()) {
            None if right == 0 && down == 0 => None,
            // The walk begins in the middle.
            None => Some((rows / 2) * columns + columns / 2),
            Some(cell) => {
                let (row, column) = self.grid.place(cell);
                let row = row.saturating_add_signed(down).min(rows - 1);
                Some(row * columns + column.saturating_add_signed(right).min(columns - 1))
            }
        };
        if self.pickable && ui.input_mut(|input| input.consume_key(egui::Modifiers::NONE, Key::Space)) {
            used.toggled = cell;
        }
        cell
    }

    /// Clicks and rectangles; gives the rectangle that is being drawn.
    fn pointer(&self, ui: &Ui, response: &Response, square: Rect, id: Id, used: &mut BoardUse) -> Option<Rect> {
        if !self.pickable {
            return None;
        }
        let id = id.with("drawn from");
        let pos = response.interact_pointer_pos();
        if response.drag_started()
            && let Some(origin) = ui.input(|input| input.pointer.press_origin())
        {
            ui.data_mut(|data| data.insert_temp(id, origin));
        }
        let from: Option<Pos2> = ui.data(|data| data.get_temp(id));
        if let (Some(from), Some(pos)) = (from, pos)
            && (response.dragged() || response.drag_stopped())
        {
            let rect = Rect::from_two_pos(from, pos).intersect(square);
            if response.drag_stopped() {
                ui.data_mut(|data| data.remove::<Pos2>(id));
                used.drawn = Some(self.cells_in(square, rect, from));
                return None;
            }
            return Some(rect);
        }
        // A key press on a focused widget counts as a click; the keys are looked at above.
        if response.clicked_by(egui::PointerButton::Primary)
            && let Some(pos) = pos
        {
            used.toggled = self.cell_at(square, pos);
        }
        None
    }

    /// The cells whose middle lies in a rectangle; where it holds none, the one in which it was begun.
    fn cells_in(&self, square: Rect, rect: Rect, from: Pos2) -> Vec<usize> {
        let inside = |&cell: &usize| rect.contains(cell_rect(square, Window::WHOLE, self.grid, cell).center());
        let cells: Vec<usize> = (0..self.grid.cells()).filter(inside).collect();
        if cells.is_empty() { self.cell_at(square, from).into_iter().collect() } else { cells }
    }

    fn cell_at(&self, square: Rect, pos: Pos2) -> Option<usize> {
        let share = (pos - square.min) / square.size();
        let inside = (0.0..1.0).contains(&share.x) && (0.0..1.0).contains(&share.y);
        let Grid { rows, columns } = self.grid;
        let (column, row) = ((share.x * columns as f32) as usize, (share.y * rows as f32) as usize);
        inside.then(|| row.min(rows - 1) * columns + column.min(columns - 1))
    }

    fn paint(&self, ui: &Ui, ctx: &Ctx<'_>, square: Rect, used: &BoardUse, drawing: Option<Rect>) {
        let (tokens, painter) = (ctx.tokens, ui.painter().with_clip_rect(square.expand(4.0)));
        painter.rect_filled(square, radius::TILE, tokens.chip);
        let texture = square_texture(ui, self.name, &self.picture.pixels);
        let [left, top, right, bottom] = self.picture.content;
        let part = |x: f32, y: f32| square.min + Vec2::new(x, y) * square.size();
        let uv = Rect::from_min_max(Pos2::new(left, top), Pos2::new(right, bottom)).intersect(whole_uv());
        painter.image(texture.id(), Rect::from_min_max(part(left, top), part(right, bottom)), uv, Color32::WHITE);
        let font = tokens::small_strong();
        for cell in 0..self.grid.cells() {
            let rect = cell_rect(square, Window::WHOLE, self.grid, cell);
            if let Some(tint) = (self.tint)(cell) {
                painter.rect_filled(rect, 0, tint.color);
                if !tint.mark.is_empty() && rect.width() >= 9.0 {
                    // Dark around light, so that it is seen on any photo.
                    for offset in [[-1.0, 0.0], [1.0, 0.0], [0.0, -1.0], [0.0, 1.0]] {
                        let at = rect.center() + Vec2::from(offset);
                        painter.text(at, Align2::CENTER_CENTER, tint.mark, font.clone(), tokens.handle_line);
                    }
                    painter.text(rect.center(), Align2::CENTER_CENTER, tint.mark, font.clone(), tokens.handle);
                }
            }
            painter.rect_stroke(rect, 0, Stroke::new(1.0, tokens.grid_line), StrokeKind::Middle);
        }
        for cell in (0..self.grid.cells()).filter(|&cell| (self.chosen)(cell)) {
            let rect = cell_rect(square, Window::WHOLE, self.grid, cell);
            painter.rect_filled(rect, 0, tokens.veil);
            let cross = rect.shrink(rect.width() * 0.28);
            for ends in [[cross.left_top(), cross.right_bottom()], [cross.right_top(), cross.left_bottom()]] {
                painter.line_segment(ends, Stroke::new(2.0, tokens.handle));
            }
        }
        let outline = |cell: usize| {
            let rect = cell_rect(square, Window::WHOLE, self.grid, cell);
            painter.rect_stroke(rect, 2, Stroke::new(3.0, tokens.handle_line), StrokeKind::Middle);
            painter.rect_stroke(rect, 2, Stroke::new(1.5, tokens.handle), StrokeKind::Middle);
        };
        used.pointed.or(self.pointed).filter(|&cell| cell < self.grid.cells()).into_iter().for_each(outline);
        if let Some(rect) = drawing {
            painter.rect_filled(rect, 2, tokens.accent.gamma_multiply(0.25));
            painter.rect_stroke(rect, 2, Stroke::new(1.5, tokens.handle), StrokeKind::Middle);
        }
    }
}

/// A photo's texture, kept for as long as the same photo is shown in the same place.
#[derive(Clone)]
struct Held {
    pixels: Arc<Pixels>,
    texture: TextureHandle,
}

fn square_texture(ui: &Ui, name: &str, pixels: &Arc<Pixels>) -> TextureHandle {
    let id = Id::unique(("photo of cells", name));
    let held: Option<Held> = ui.data(|data| data.get_temp(id));
    if let Some(held) = held
        && Arc::ptr_eq(&held.pixels, pixels)
    {
        return held.texture;
    }
    let texture = crate::ui::thumbs::texture(ui.ctx(), name, pixels);
    ui.data_mut(|data| data.insert_temp(id, Held { pixels: Arc::clone(pixels), texture: texture.clone() }));
    texture
}
