//! Every key: change one, take one from another action, put the defaults back.

use egui::{Align, Event, Key, Layout, Pos2, RichText, ScrollArea, Sense, Ui, Vec2};

use crate::ui::command::{Action, Command, Group};
use crate::ui::context::Ctx;
use crate::ui::desk::{Desk, Recording};
use crate::ui::fonts::icon;
use crate::ui::keys::{Keymap, pressed, printed};
use crate::ui::tokens::{self, size, space};
use crate::ui::widgets::button::{Look, PushButton};
use crate::ui::widgets::{clipped_text, dim_label, section_label};

/// Wide enough for the longest key and the words that ask for one.
const KEY_WIDTH: f32 = 150.0;

pub fn keys_ui(ui: &mut Ui, ctx: &Ctx<'_>) {
    if ctx.session.desk.recording.as_ref().is_some_and(|recording| recording.clash.is_none()) {
        listen(ui, ctx);
    }
    ui.horizontal(|ui| {
        dim_label(ui, ctx.tokens, "Press a key to change it. Nothing fires while you type or while a sheet is open");
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let button = PushButton::new("Restore all").enabled(ctx.prefs.keys.any_changed());
            if button.show(ui, ctx.tokens).on_hover_text("Put the defaults of all keys back").clicked() {
                ctx.send(Command::Desk(Desk::RestoreKeys(None)));
            }
        });
    });
    ScrollArea::vertical().id_salt("keys").auto_shrink(false).show(ui, |ui| {
        ui.spacing_mut().item_spacing.y = 2.0;
        for group in Group::ALL {
            ui.add_space(space::S);
            section_label(ui, ctx.tokens, group.name());
            for action in Action::ALL.into_iter().filter(|action| action.entry().group == group) {
                row_ui(ui, ctx, action);
            }
        }
    });
}

/// The next key that is pressed is the new one.
fn listen(ui: &Ui, ctx: &Ctx<'_>) {
    let heard = ui.input_mut(|input| {
        let mut heard = None;
        input.events.retain(|event| match event {
            Event::Key { key, pressed: true, modifiers, .. } if *key != Key::Escape => {
                heard = Some(pressed(*key, *modifiers));
                false
            }
            // The clipboard's keys arrive as what they mean.
            Event::Copy => {
                heard = Some(pressed(Key::C, egui::Modifiers::COMMAND));
                false
            }
            Event::Cut => {
                heard = Some(pressed(Key::X, egui::Modifiers::COMMAND));
                false
            }
            Event::Paste(_) | Event::PasteImage(_) => {
                heard = Some(pressed(Key::V, egui::Modifiers::COMMAND));
                false
            }
            _ => true,
        });
        heard
    });
    if let Some(shortcut) = heard {
        ctx.send(Command::Desk(Desk::Recorded(shortcut)));
    }
}

fn row_ui(ui: &mut Ui, ctx: &Ctx<'_>, action: Action) {
    let keymap = &ctx.prefs.keys;
    let entry = action.entry();
    let recording = ctx.session.desk.recording.as_ref().filter(|recording| recording.action == action);
    let name = full_name(action);
    ui.horizontal(|ui| {
        ui.set_height(size::CONTROL);
        let width = ui.available_width() - KEY_WIDTH - 2.0 * (size::CONTROL + space::S) - space::M;
        let (rect, response) = ui.allocate_exact_size(Vec2::new(width.max(80.0), size::CONTROL), Sense::hover());
        let at = Pos2::new(rect.left(), rect.center().y - 8.0);
        clipped_text(ui.painter(), at, &name, tokens::body(), ctx.tokens.text, rect.width());
        response.on_hover_text(format!("{}. Counts {}", entry.tooltip, action.scope().words()));
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            ui.add_space(space::M);
            let changed = keymap.is_changed(action);
            let restore = format!("Restore key of {name}");
            let button = PushButton::icon_only(icon::UNDO, &restore).enabled(changed);
            if button.show(ui, ctx.tokens).on_hover_text("Put the default back").clicked() {
                ctx.send(Command::Desk(Desk::RestoreKeys(Some(action))));
            }
            let clear = format!("Remove key of {name}");
            let fixed = action == Action::Back;
            let button = PushButton::icon_only(icon::X, &clear).enabled(!fixed && !keymap.of(action).is_empty());
            if button.show(ui, ctx.tokens).on_hover_text("Leave this without a key").clicked() {
                ctx.send(Command::Desk(Desk::ClearKeys(action)));
            }
            key_ui(ui, ctx, action, &name, recording.is_some(), keymap);
        });
    });
    if let Some(recording) = recording {
        answer_ui(ui, ctx, recording);
    }
}

/// Two actions may be called the same; their group tells them apart.
pub fn full_name(action: Action) -> String {
    let entry = action.entry();
    let name = entry.name.trim_end_matches('…');
    match action {
        Action::ResetMatching => format!("{name}, matching"),
        Action::ResetRibbons => format!("{name}, ribbons"),
        _ => name.to_owned(),
    }
}

fn key_ui(ui: &mut Ui, ctx: &Ctx<'_>, action: Action, name: &str, waits: bool, keymap: &Keymap) {
    let keys: Vec<String> = keymap.of(action).iter().map(|key| printed(ui.ctx(), key)).collect();
    let text = match (waits, keys.is_empty()) {
        (true, _) => "Press a key…".to_owned(),
        (false, true) => "None".to_owned(),
        (false, false) => keys.join(" or "),
    };
    let spoken = format!("Key of {name}: {text}");
    let button = PushButton::new(&text).name(&spoken).selected(waits).enabled(action != Action::Back);
    if button.show(ui, ctx.tokens).on_hover_text("Change this key").clicked() {
        ctx.send(Command::Desk(Desk::Record((!waits).then_some(action))));
    }
}

/// What the key that was pressed would mean.
fn answer_ui(ui: &mut Ui, ctx: &Ctx<'_>, recording: &Recording) {
    if let Some(why) = recording.refused {
        ui.horizontal(|ui| {
            ui.add_space(space::M);
            ui.label(RichText::new(why).font(tokens::small()).color(ctx.tokens.down));
        });
    }
    let Some((shortcut, others)) = &recording.clash else { return };
    let action = recording.action;
    let key = printed(ui.ctx(), shortcut);
    let names: Vec<String> = others.iter().map(|other| full_name(*other)).collect();
    let same = others.iter().any(|other| other.scope() == action.scope());
    ui.horizontal_wrapped(|ui| {
        ui.add_space(space::M);
        let question = format!("{key} is {}; replace it?", names.join(" and "));
        let response = ui.label(RichText::new(question).color(ctx.tokens.text));
        if !ui.is_rect_visible(response.rect) {
            response.scroll_to_me(None);
        }
        let bind = |take: Vec<Action>| Command::Desk(Desk::Bind { action, shortcut: *shortcut, take });
        if PushButton::new("Replace").look(Look::Filled).show(ui, ctx.tokens).clicked() {
            ctx.send(bind(others.clone()));
        }
        if !same {
            let hover = "Where both count, the one that counts in fewer places wins";
            if PushButton::new("Keep both").show(ui, ctx.tokens).on_hover_text(hover).clicked() {
                ctx.send(bind(Vec::new()));
            }
        }
        if PushButton::new("Cancel").show(ui, ctx.tokens).clicked() {
            ctx.send(Command::Desk(Desk::Record(None)));
        }
    });
}
