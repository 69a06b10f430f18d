//! Asks for a path where the system has no file dialog of its own.

use egui::{Align, Frame, Id, Key, Layout, Margin, Modal, RichText, TextEdit, Ui};

use crate::ui::command::{Action, Command};
use crate::ui::context::Ctx;
use crate::ui::state::PathWanted;
use crate::ui::tokens::{self, radius, size, space};
use crate::ui::widgets::button::{Look, PushButton, action_icon};
use crate::ui::widgets::dim_label;

pub fn path_sheet_ui(ui: &mut Ui, ctx: &Ctx<'_>) {
    let Some(wanted) = &ctx.session.path_wanted else { return };
    let frame = Frame::popup(ui.style()).inner_margin(Margin::same(space::L as i8)).corner_radius(radius::SHEET);
    let response = Modal::new(Id::unique("path sheet")).frame(frame).show(ui.ctx(), |ui| sheet_ui(ui, ctx, wanted));
    if response.backdrop_response.clicked() {
        ctx.act(Action::Back);
    }
}

fn sheet_ui(ui: &mut Ui, ctx: &Ctx<'_>, wanted: &PathWanted) {
    ui.set_width(size::SHEET);
    ui.horizontal(|ui| {
        ui.label(RichText::new(wanted.dialog.title()).font(tokens::title()).color(ctx.tokens.text));
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| action_icon(ui, ctx, Action::Back, true));
    });
    dim_label(ui, ctx.tokens, "This system has no file dialog, so please type or paste the path");
    let id = Id::unique(("typed path", wanted.id));
    let mut text = ui.data(|data| data.get_temp::<String>(id)).unwrap_or_else(|| wanted.text.clone());
    let first = ui.data(|data| data.get_temp::<String>(id)).is_none();
    let field = TextEdit::singleline(&mut text).id(id.with("field")).desired_width(f32::INFINITY);
    let response = ui.add(field.margin(Margin::symmetric(space::S as i8, 6)));
    ui.ctx().accesskit_node_builder(response.id, |node| node.set_label("Path"));
    if first {
        response.request_focus();
    }
    if response.lost_focus() && ui.input(|input| input.key_pressed(Key::Escape)) {
        ctx.act(Action::Back);
    }
    let entered = response.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter));
    ui.data_mut(|data| data.insert_temp(id, text.clone()));
    ui.add_space(space::S);
    let name = if wanted.dialog.suggested_name().is_some() { "Save" } else { "Open" };
    let pressed = ui
        .with_layout(Layout::right_to_left(Align::Center), |ui| {
            PushButton::new(name).look(Look::Filled).enabled(!text.trim().is_empty()).show(ui, ctx.tokens).clicked()
        })
        .inner;
    if entered || pressed {
        ui.data_mut(|data| data.remove_temp::<String>(id));
        ctx.send(Command::PathTyped(text));
    }
}
