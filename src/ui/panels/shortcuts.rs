//! All keys, from the command table.

use egui::{Align, Frame, Id, Layout, Margin, Modal, Pos2, RichText, ScrollArea, Sense, Ui, Vec2};

use crate::ui::command::{Action, Group};
use crate::ui::context::Ctx;
use crate::ui::tokens::{self, radius, size, space};
use crate::ui::widgets::button::action_icon;
use crate::ui::widgets::{keycap, keycap_width, section_label};

pub fn shortcuts_ui(ui: &mut Ui, ctx: &Ctx<'_>) {
    if !ctx.session.shortcuts_open {
        return;
    }
    let frame = Frame::popup(ui.style()).inner_margin(Margin::same(space::L as i8)).corner_radius(radius::SHEET);
    let response = Modal::new(Id::unique("shortcuts")).frame(frame).show(ui.ctx(), |ui| {
        ui.set_width(size::SHEET);
        ui.horizontal(|ui| {
            ui.label(RichText::new("Keyboard shortcuts").font(tokens::title()).color(ctx.tokens.text));
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| action_icon(ui, ctx, Action::Back, true));
        });
        let room = ui.ctx().content_rect().height() - 120.0;
        let area = ScrollArea::vertical().max_height(room).min_scrolled_height(room).auto_shrink([false, true]);
        area.show(ui, |ui| {
            // Beside the scroll bar, not under it.
            ui.set_width(ui.available_width() - space::M);
            ui.spacing_mut().item_spacing.x = space::XL;
            ui.columns(2, |columns| {
                for (index, group) in Group::ALL.into_iter().enumerate() {
                    let ui = &mut columns[index % 2];
                    ui.add_space(space::S);
                    section_label(ui, ctx.tokens, group.name());
                    ui.spacing_mut().item_spacing.y = 2.0;
                    for action in Action::ALL.into_iter().filter(|action| action.entry().group == group) {
                        row_ui(ui, ctx, action);
                    }
                    ui.add_space(space::XS);
                }
            });
        });
    });
    if response.backdrop_response.clicked() {
        ctx.act(Action::Back);
    }
}

fn row_ui(ui: &mut Ui, ctx: &Ctx<'_>, action: Action) {
    let Some(key) = action.key_text(ui.ctx()) else { return };
    let name = action.entry().name.trim_end_matches('…');
    let (rect, response) = ui.allocate_exact_size(Vec2::new(ui.available_width(), size::TABLE_ROW), Sense::hover());
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::ListItem, true, format!("{name}: {key}")));
    let color = ctx.tokens.text;
    ui.painter().text(rect.left_center(), egui::Align2::LEFT_CENTER, name, tokens::body(), color);
    let width = keycap_width(ui.painter(), &key);
    let left = Pos2::new(rect.right() - width, rect.center().y);
    keycap(ui.painter(), left, &key, ctx.tokens.dim, ctx.tokens.line);
    response.on_hover_text(action.entry().tooltip);
}
