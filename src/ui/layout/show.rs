//! Draws the layout: quiet ground, hairlines between parts, tabs only where several panes share a place.

use egui::{
    Color32, CursorIcon, EventFilter, Id, Key, Pos2, Rect, Response, Role, ScrollArea, Sense, Stroke, Ui, UiBuilder,
    Vec2, Visuals, WidgetInfo, WidgetText,
};
use egui_tiles::{Behavior, Container, LinearDir, ResizeState, TabState, Tabs, Tile, TileId, Tiles, Tree, UiResponse};

use super::fit::{GAP, TAB_BAR};
use super::{Layout, Pane, Workspace};
use crate::ui::command::Command;
use crate::ui::context::Ctx;
use crate::ui::keys::Scope;
use crate::ui::panels::{corrections, epsilon, history, matching, pair, query_photo, results, study, train, why};
use crate::ui::tokens::{self, radius, size, space};
use crate::ui::widgets::{described, focus_ring};

/// One pane's inside. The margins are the pane's own, since lists reach further than texts.
fn pane_ui(ui: &mut Ui, ctx: &Ctx<'_>, pane: Pane) {
    match pane {
        Pane::Photo => scrolling_ui(ui, pane, |ui| query_photo::query_photo_ui(ui, ctx)),
        Pane::Matching => scrolling_ui(ui, pane, |ui| matching::knobs_ui(ui, ctx)),
        Pane::History => scrolling_ui(ui, pane, |ui| history::history_ui(ui, ctx)),
        Pane::Corrections => scrolling_ui(ui, pane, |ui| corrections::corrections_ui(ui, ctx)),
        Pane::Results => results::results_ui(ui, ctx),
        Pane::Match => pair::match_ui(ui, ctx),
        Pane::Why => why::why_pane_ui(ui, ctx),
        Pane::Above => padded_ui(ui, |ui| study::above::above_ui(ui, ctx)),
        Pane::Ignore => padded_ui(ui, |ui| study::what_if::what_if_ui(ui, ctx)),
        Pane::Test => padded_ui(ui, |ui| study::test::test_ui(ui, ctx)),
        Pane::Epsilon => padded_ui(ui, |ui| epsilon::epsilon_ui(ui, ctx)),
        Pane::Run => scrolling_ui(ui, pane, |ui| train::run::run_ui(ui, ctx)),
        Pane::Recipe => scrolling_ui(ui, pane, |ui| train::recipe::recipe_ui(ui, ctx)),
        Pane::Layers => scrolling_ui(ui, pane, |ui| train::layers::layers_ui(ui, ctx)),
        Pane::Curves => train::curves::curves_ui(ui, ctx),
        Pane::Batch => scrolling_ui(ui, pane, |ui| train::batch::batch_ui(ui, ctx)),
        Pane::Runs => padded_ui(ui, |ui| train::runs::runs_ui(ui, ctx)),
        Pane::Checkpoints => scrolling_ui(ui, pane, |ui| train::checkpoints::checkpoints_ui(ui, ctx)),
        Pane::Differences => scrolling_ui(ui, pane, |ui| train::differences::differences_ui(ui, ctx)),
    }
}

/// The margins of a pane.
fn inside(ui: &mut Ui) -> Ui {
    let rect = ui.max_rect().shrink2(Vec2::new(space::L, space::M));
    ui.new_child(UiBuilder::new().max_rect(rect))
}

/// A pane whose content scrolls where it does not fit, and which says how high it is.
fn scrolling_ui(ui: &mut Ui, pane: Pane, content: impl FnOnce(&mut Ui)) {
    let inside = inside(ui);
    let width = inside.available_width();
    // The bar lies in the margin, beside what is read.
    let rect = inside.max_rect().with_max_x(inside.max_rect().right() + space::M);
    let mut ui = ui.new_child(UiBuilder::new().max_rect(rect));
    let shown = ScrollArea::vertical().id_salt(pane).auto_shrink(false).show(&mut ui, |ui| {
        ui.set_max_width(width);
        ui.spacing_mut().item_spacing.y = space::XS + 2.0;
        content(ui);
    });
    heights::tell(&ui, pane, shown.content_size.y + 2.0 * space::M);
}

/// Margins for a pane that scrolls, or does not, on its own.
pub fn padded_ui(ui: &mut Ui, content: impl FnOnce(&mut Ui)) {
    let mut ui = inside(ui);
    content(&mut ui);
}

/// How high panes are of themselves, as told by the frame before.
pub mod heights {
    use super::{Id, Pane, Ui};

    fn id(pane: Pane) -> Id {
        Id::unique(("height of pane", pane))
    }

    pub fn of(ctx: &egui::Context, pane: Pane) -> Option<f32> {
        ctx.data(|data| data.get_temp(id(pane)))
    }

    /// Says it to the next frame, and asks for that one where it changes something.
    pub fn tell(ui: &Ui, pane: Pane, height: f32) {
        let height = height.round();
        if of(ui.ctx(), pane) != Some(height) {
            ui.data_mut(|data| data.insert_temp(id(pane), height));
            ui.request_repaint();
        }
    }
}

/// How much room all panes have together, as told by the frame before.
pub mod room {
    use super::{Id, Vec2};

    pub fn of(ctx: &egui::Context) -> Vec2 {
        ctx.data(|data| data.get_temp(Id::unique("room of panes"))).unwrap_or_else(|| ctx.content_rect().size())
    }

    pub fn tell(ctx: &egui::Context, size: Vec2) {
        ctx.data_mut(|data| data.insert_temp(Id::unique("room of panes"), size));
    }
}

/// Draws all panes and follows what is done to the places where they lie.
pub fn layout_ui(ui: &mut Ui, ctx: &Ctx<'_>) {
    let mut layout = ctx.session.layouts.of(ctx.session.workspace).clone();
    let room = ui.available_rect_before_wrap();
    room::tell(ui.ctx(), room.size());
    layout.fit(room.size(), &|pane| heights::of(ui.ctx(), pane));
    let before = layout.clone();
    layout.tree.ui(&mut Panes { ctx }, ui);
    forget_vanished(&before, &mut layout);
    handles_ui(ui, ctx, &mut layout, room);
    if layout != before {
        ctx.send(Command::SetLayout(Box::new(layout)));
    }
}

/// A row or column that won or lost a part is sized by its content again.
fn forget_vanished(before: &Layout, layout: &mut Layout) {
    let children = |layout: &Layout, id: u64| match layout.container(TileId(id)) {
        Some(Container::Linear(line)) => Some(line.children.clone()),
        _ => None,
    };
    let by_hand = layout.by_hand.clone();
    for id in by_hand {
        if children(before, id) != children(layout, id) || children(layout, id).is_none() {
            layout.by_hand.remove(&id);
        }
    }
}

struct Panes<'a, 'c> {
    ctx: &'a Ctx<'c>,
}

impl Behavior<Pane> for Panes<'_, '_> {
    fn pane_ui(&mut self, ui: &mut Ui, _tile: TileId, pane: &mut Pane) -> UiResponse {
        let rect = ui.max_rect();
        let mut child = ui.new_child(UiBuilder::new().max_rect(rect).id_salt(*pane));
        pane_ui(&mut child, self.ctx, *pane);
        let current = self.ctx.session.pane == Some(*pane);
        if holds_focus(ui, rect) || current {
            self.ctx.set_scope(pane.scope());
        }
        if current {
            focus_ring(ui.painter(), self.ctx.tokens, rect.shrink(2.0), radius::CONTROL);
            described(ui, rect, "current pane", Role::Pane, &format!("Current pane: {}", pane.name()));
        }
        if grip_ui(ui, self.ctx, rect, *pane) { UiResponse::DragStarted } else { UiResponse::None }
    }

    fn tab_title_for_pane(&mut self, pane: &Pane) -> WidgetText {
        pane.name().into()
    }

    fn tab_ui(&mut self, tiles: &mut Tiles<Pane>, ui: &mut Ui, id: Id, tile: TileId, state: &TabState) -> Response {
        let tokens = self.ctx.tokens;
        let title = self.tab_title_for_tile(tiles, tile).text().to_owned();
        let color = if state.active { tokens.text } else { tokens.dim };
        let galley = ui.painter().layout_no_wrap(title.clone(), tokens::body(), color);
        let width = galley.size().x + 2.0 * space::S;
        let (_, rect) = ui.allocate_space(Vec2::new(width, ui.available_height()));
        let response = ui.interact(rect, id, Sense::click_and_drag());
        response.widget_info(|| WidgetInfo::selected(Role::Tab, true, state.active, &title));
        let painter = ui.painter();
        if response.hovered() && !state.active {
            painter.rect_filled(rect.shrink2(Vec2::new(0.0, 3.0)), radius::CONTROL, tokens.chip);
        }
        painter.galley(rect.center() - galley.size() / 2.0, galley, color);
        if state.active {
            let line = Rect::from_min_max(
                Pos2::new(rect.left() + space::S, rect.bottom() - size::RING),
                Pos2::new(rect.right() - space::S, rect.bottom()),
            );
            painter.rect_filled(line, 0, tokens.accent);
        }
        if response.has_focus() {
            focus_ring(painter, tokens, rect.shrink(3.0), radius::CONTROL);
        }
        response
    }

    fn tab_bar_left_ui(&mut self, _tiles: &Tiles<Pane>, ui: &mut Ui, _tile: TileId, _tabs: &Tabs) {
        let rect = ui.max_rect();
        ui.painter().hline(rect.x_range(), rect.bottom() - size::HAIR / 2.0, self.ctx.tokens.hairline());
        // The text of the first tab stands above the text of its pane.
        ui.add_space(space::L - space::S);
    }

    fn tab_bar_height(&self, _style: &egui::Style) -> f32 {
        TAB_BAR
    }

    fn is_tab_bar_visible(&self, _tile: TileId, tabs: &Tabs) -> bool {
        tabs.children.len() > 1
    }

    fn tab_bar_color(&self, _visuals: &Visuals) -> Color32 {
        self.ctx.tokens.ground
    }

    fn gap_width(&self, _style: &egui::Style) -> f32 {
        GAP
    }

    /// Sizes are changed by our own handles, which the keyboard reaches too.
    fn is_container_resizable(&self, _tiles: &Tiles<Pane>, _tile: TileId) -> bool {
        false
    }

    fn resize_stroke(&self, _style: &egui::Style, _state: ResizeState) -> Stroke {
        self.ctx.tokens.hairline()
    }

    fn dragged_overlay_color(&self, _visuals: &Visuals) -> Color32 {
        self.ctx.tokens.overlay
    }

    fn drag_preview_color(&self, _visuals: &Visuals) -> Color32 {
        self.ctx.tokens.accent.gamma_multiply(0.14)
    }

    fn drag_preview_stroke(&self, _visuals: &Visuals) -> Stroke {
        self.ctx.tokens.ring()
    }
}

/// Whether what has the keyboard focus lies in this rectangle.
fn holds_focus(ui: &Ui, rect: Rect) -> bool {
    let Some(id) = ui.memory(|memory| memory.focused()) else { return false };
    // Only where it lies: asking for its response again would take the focus away from a list whose row was clicked.
    let place = ui.ctx().viewport(|view| view.this_pass.widgets.get(id).map(|widget| widget.rect));
    place.is_some_and(|place| rect.contains(place.center()))
}

impl Pane {
    /// Which shortcuts count while something in this pane has the keyboard.
    fn scope(self) -> Scope {
        match self {
            Self::Photo => Scope::Query,
            Self::Match => Scope::Plan,
            _ if self.workspace() == Workspace::Train => Scope::Everywhere,
            _ => Scope::Results,
        }
    }
}

/// The top edge of a pane, by which it is moved. Seen while the pointer is there.
fn grip_ui(ui: &Ui, ctx: &Ctx<'_>, pane_rect: Rect, pane: Pane) -> bool {
    let rect = Rect::from_min_size(pane_rect.min, Vec2::new(pane_rect.width(), space::S));
    let response = ui.interact(rect, ui.scope_id().with("grip"), Sense::DRAG);
    let response = response.on_hover_cursor(CursorIcon::Grab);
    let name = format!("Move {}", pane.name().to_lowercase());
    response.widget_info(|| WidgetInfo::labeled(Role::TitleBar, true, &name));
    if response.hovered() || response.dragged() {
        let bar = Rect::from_center_size(rect.center(), Vec2::new(space::XL + space::L, size::SLIDER_RAIL));
        ui.painter().rect_filled(bar, 2, ctx.tokens.dim.gamma_multiply(0.6));
    }
    response.drag_started()
}

/// One border between two parts.
pub struct Border {
    pub line: TileId,
    pub before: TileId,
    pub after: TileId,
}

/// Borders that can be dragged, or moved by the arrow keys; a double click leaves the sizes to the content again.
fn handles_ui(ui: &mut Ui, ctx: &Ctx<'_>, layout: &mut Layout, room: Rect) {
    for border in borders(&layout.tree) {
        let rects = (layout.tree.tiles.rect(border.before), layout.tree.tiles.rect(border.after));
        let (Some(before), Some(after)) = rects else { continue };
        let Some(Container::Linear(line)) = layout.container(border.line) else { continue };
        let row = line.dir == LinearDir::Horizontal;
        let id = ui.scope_id().with(("border", border.line, border.before));
        let rect = if row {
            Rect::from_x_y_ranges(before.right() - 3.0..=after.left() + 3.0, before.y_range())
        } else {
            Rect::from_x_y_ranges(before.x_range(), before.bottom() - 3.0..=after.top() + 3.0)
        };
        let response = ui.interact(rect, id, Sense::click_and_drag());
        let cursor = if row { CursorIcon::ResizeHorizontal } else { CursorIcon::ResizeVertical };
        let response = response.on_hover_cursor(cursor);
        let name = format!(
            "Border of {} and {}",
            first_pane(&layout.tree, border.before),
            first_pane(&layout.tree, border.after)
        );
        response.widget_info(|| WidgetInfo::labeled(Role::Splitter, true, &name));
        let by = moved_by(ui, ctx, &response, row, if row { before.right() } else { before.bottom() });
        if response.hovered() || response.dragged() || response.has_focus() {
            let strong = if response.dragged() || response.has_focus() { ctx.tokens.accent } else { ctx.tokens.dim };
            let stroke = Stroke::new(size::RING, strong);
            let painter = ui.painter().with_clip_rect(room);
            if row {
                painter.vline(rect.center().x, rect.y_range(), stroke);
            } else {
                painter.hline(rect.x_range(), rect.center().y, stroke);
            }
        }
        if response.double_clicked() {
            layout.by_hand.remove(&border.line.0);
        } else if by != 0.0 {
            layout.move_border(&border, by);
        }
    }
}

fn borders(tree: &Tree<Pane>) -> Vec<Border> {
    let mut borders = Vec::new();
    for (&line, tile) in tree.tiles.iter() {
        if let Tile::Container(Container::Linear(linear)) = tile {
            for pair in linear.children.windows(2) {
                borders.push(Border { line, before: pair[0], after: pair[1] });
            }
        }
    }
    // The same order in every frame, which the Tab key follows.
    borders.sort_by_key(|border| (border.line.0, border.before.0));
    borders
}

fn first_pane(tree: &Tree<Pane>, tile: TileId) -> String {
    match tree.tiles.get(tile) {
        Some(Tile::Pane(pane)) => pane.name().to_lowercase(),
        Some(Tile::Container(container)) => {
            container.children().next().map_or_else(String::new, |&child| first_pane(tree, child))
        }
        None => String::new(),
    }
}

/// How far a border is to go, in points.
fn moved_by(ui: &Ui, ctx: &Ctx<'_>, response: &Response, row: bool, at: f32) -> f32 {
    const STEP: f32 = 16.0;
    if response.dragged()
        && let Some(pos) = response.interact_pointer_pos()
    {
        return if row { pos.x - at } else { pos.y - at };
    }
    if !response.has_focus() {
        return 0.0;
    }
    ctx.take_arrows();
    let filter = EventFilter { horizontal_arrows: true, vertical_arrows: true, ..EventFilter::default() };
    ui.memory_mut(|memory| memory.set_focus_lock_filter(response.id, filter));
    let presses = |key| ui.input(|input| input.num_presses(key)) as f32;
    let keys = if row { [Key::ArrowRight, Key::ArrowLeft] } else { [Key::ArrowDown, Key::ArrowUp] };
    STEP * (presses(keys[0]) - presses(keys[1]))
}

impl Layout {
    /// Takes from one neighbour what the other gets; what is too small for a part is put right by the next fitting.
    pub(super) fn move_border(&mut self, border: &Border, by: f32) {
        let Some(Tile::Container(Container::Linear(line))) = self.tree.tiles.get_mut(border.line) else { return };
        let (before, after) = (line.shares[border.before], line.shares[border.after]);
        let by = by.clamp(1.0 - before, after - 1.0);
        line.shares.set_share(border.before, before + by);
        line.shares.set_share(border.after, after - by);
        self.by_hand.insert(border.line.0);
    }
}
