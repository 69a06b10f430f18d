//! The strip above the results while several of them are selected: how many, and what can be done with them.

use egui::{Frame, Margin, Ui};

use crate::ui::command::Action;
use crate::ui::context::Ctx;
use crate::ui::figures::{count, counted};
use crate::ui::picked::PickAction;
use crate::ui::shelf::TRAY;
use crate::ui::state::Query;
use crate::ui::tokens::{self, radius, size, space};
use crate::ui::widgets::button::{Look, PushButton, sent};

pub fn picked_ui(ui: &mut Ui, ctx: &Ctx<'_>, query: &Query) {
    let picked = ctx.session.shelf.picked.photos.len();
    if picked == 0 {
        return;
    }
    let margin = Margin { left: space::S as i8, right: space::XS as i8, top: space::XS as i8, bottom: space::XS as i8 };
    let frame = Frame::new().fill(ctx.tokens.panel).stroke(ctx.tokens.hairline()).corner_radius(radius::CONTROL);
    frame.inner_margin(margin).show(ui, |ui| {
        ui.horizontal_wrapped(|ui| {
            ui.spacing_mut().item_spacing = egui::Vec2::splat(space::XS);
            ui.set_min_height(size::CONTROL);
            let listed = query.shown.len();
            let words = if picked == 1 { "1 selected".to_owned() } else { format!("{} selected", count(picked)) };
            let label = egui::RichText::new(words).font(tokens::strong()).color(ctx.tokens.text);
            ui.label(label).on_hover_text(format!("Of {} listed", counted(listed, "result")));
            for action in [Action::Pin, Action::Boost, Action::Bury, Action::Exclude, Action::Export] {
                button_ui(ui, ctx, action, picked);
            }
            if (2..=TRAY).contains(&picked) {
                button_ui(ui, ctx, Action::Compare, picked);
            }
            let entry = Action::Pick(PickAction::Clear).entry();
            let key = Action::Back.key_text(ui.ctx());
            let clear = PushButton::new(entry.name).look(Look::Ghost).key(key);
            sent(ui, ctx, Action::Pick(PickAction::Clear), clear);
        });
    });
    ui.add_space(space::XS);
}

/// The count stands on the button, so that it is clear what it will change.
fn button_ui(ui: &mut Ui, ctx: &Ctx<'_>, action: Action, picked: usize) {
    let entry = action.entry();
    let verb = entry.name.trim_end_matches(" here").trim_end_matches('…');
    let dots = if entry.name.ends_with('…') { "…" } else { "" };
    let text = format!("{verb} {}{dots}", count(picked));
    let key = action.key_text(ui.ctx());
    sent(ui, ctx, action, PushButton::new(&text).name(&format!("{verb} selected")).icon(entry.icon).key(key));
}
