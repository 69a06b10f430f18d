//! Everything that can be done, found by some of its letters.

use egui::{
    Align2, Color32, Frame, Id, Key, Margin, Modal, Modifiers, Pos2, Rect, Response, RichText, Role, ScrollArea, Sense,
    TextEdit, Ui, Vec2, WidgetInfo,
};

use crate::ui::command::{Action, Command};
use crate::ui::context::Ctx;
use crate::ui::desk::{Desk, Palette};
use crate::ui::fonts::icon;
use crate::ui::fuzzy;
use crate::ui::keys::Scope;
use crate::ui::layout::{Pane, Workspace};
use crate::ui::shelf::ShelfCommand;
use crate::ui::tokens::{self, radius, size, space};
use crate::ui::widgets::{clipped_text, dim_label, icon_text, keycap, keycap_width};

/// One line of the palette.
pub struct Item {
    pub text: String,
    /// What kind of thing it is, at the right.
    pub group: String,
    pub icon: &'static str,
    pub key: Option<String>,
    pub command: Command,
    /// Why it cannot be done now.
    pub unavailable: Option<&'static str>,
}

impl Item {
    pub fn new(text: impl Into<String>, group: &str, icon: &'static str, command: Command) -> Self {
        Self { text: text.into(), group: group.to_owned(), icon, key: None, command, unavailable: None }
    }
}

/// Where the lines come from. Whatever has names that a person may look for adds a source.
const SOURCES: [fn(&egui::Context, &Ctx<'_>, &mut Vec<Item>); 6] =
    [actions, examples, saved_searches, models, projects, panes];

fn actions(egui: &egui::Context, ctx: &Ctx<'_>, items: &mut Vec<Item>) {
    for action in Action::ALL {
        // The palette is open, and Esc closes it.
        if matches!(action, Action::Back | Action::Palette) {
            continue;
        }
        let entry = action.entry();
        // Some names say only together with their group what they are about.
        let text = match action {
            Action::ResetMatching => "Reset matching to defaults".to_owned(),
            Action::ResetRibbons => "Reset ribbons to defaults".to_owned(),
            _ => entry.name.to_owned(),
        };
        items.push(Item {
            key: action.key_text(egui),
            unavailable: unavailable(action, ctx),
            ..Item::new(text, entry.group.name(), entry.icon, Command::Act(action))
        });
    }
}

/// Why an action would do nothing now.
pub fn unavailable(action: Action, ctx: &Ctx<'_>) -> Option<&'static str> {
    let session = ctx.session;
    let query = session.query.as_ref();
    let missing = |there: bool, why: &'static str| (!there).then_some(why);
    match action {
        Action::Undo => missing(session.labels.undo.is_some(), "there is nothing to undo"),
        Action::Redo => missing(session.labels.redo.is_some(), "there is nothing to redo"),
        Action::Train if ctx.activity.training.is_some() => Some("training is under way"),
        Action::Train => missing(session.labels.untrained > 0, "there is no correction to train on"),
        Action::StopTraining => missing(ctx.activity.training.is_some(), "no training is under way"),
        Action::RestoreLayout => missing(session.saved_layouts.is_some(), "no layout was saved yet"),
        Action::EarlierSearch => missing(session.desk.past.step(-1).is_some(), "there is no earlier search"),
        Action::LaterSearch => missing(session.desk.past.step(1).is_some(), "there is no later search"),
        Action::RefreshGallery | Action::StopIndexing | Action::ReadList | Action::SkippedReport => {
            missing(session.gallery.state.is_some(), "no folder of product photos is open")
        }
        Action::Show(workspace) if workspace == session.workspace => Some("it is in sight"),
        Action::Run(action) => super::train::unavailable(action, ctx),
        _ if session.goes_with() && action.is_about_a_match() => Some("the list is of what goes well with the garment"),
        Action::GoesWithResult => missing(query.is_some_and(|query| query.selected.is_some()), "no result is shown"),
        Action::SavePlan => missing(query.is_some_and(|query| query.plan.is_some()), "no plan is shown"),
        _ if action.scope() != Scope::Everywhere && session.workspace != Workspace::Explore => {
            Some("results are not in sight")
        }
        _ if action.scope() != Scope::Everywhere => missing(query.is_some(), "no photo is open"),
        _ => None,
    }
}

fn examples(_: &egui::Context, ctx: &Ctx<'_>, items: &mut Vec<Item>) {
    let Some(project) = ctx.session.project.open() else { return };
    for (index, photo) in project.examples.iter().take(12).enumerate() {
        let text = format!("Search example {}: {photo}", index + 1);
        items.push(Item::new(text, "Example", icon::IMAGE, Command::SearchExample(photo.clone())));
    }
}

fn saved_searches(_: &egui::Context, ctx: &Ctx<'_>, items: &mut Vec<Item>) {
    for past in ctx.session.shelf.past.iter().filter(|past| past.card.starred) {
        let command = Command::Shelf(ShelfCommand::Reopen(past.id));
        items.push(Item::new(format!("Search again: {}", past.title()), "Saved search", icon::STAR, command));
    }
}

fn models(_: &egui::Context, ctx: &Ctx<'_>, items: &mut Vec<Item>) {
    let Some(project) = ctx.session.project.open() else { return };
    for model in &project.models {
        let on = model.checkpoint == project.model.checkpoint;
        let text = format!("Use model {}", model.name);
        let item = Item::new(text, "Model", icon::CUBE, Command::UseModel(model.checkpoint.clone()));
        items.push(Item { unavailable: on.then_some("it is the one that searches"), ..item });
    }
}

fn projects(_: &egui::Context, ctx: &Ctx<'_>, items: &mut Vec<Item>) {
    for recent in &ctx.session.desk.recent {
        let text = format!("Open recent project {}", recent.name);
        let command = Command::Desk(Desk::OpenRecent(recent.path.clone()));
        let unavailable = if recent.gone.is_some() {
            Some("it is not there any more")
        } else {
            (ctx.session.project_path() == Some(&recent.path)).then_some("it is open")
        };
        items.push(Item { unavailable, ..Item::new(text, "Project", icon::HANGER, command) });
    }
}

fn panes(_: &egui::Context, ctx: &Ctx<'_>, items: &mut Vec<Item>) {
    for pane in Pane::ALL {
        if ctx.session.layouts.of(pane.workspace()).beside(pane).len() > 1 {
            let text = format!("Show {}", pane.name().to_lowercase());
            items.push(Item::new(text, "Pane", icon::GRID, Command::ShowPane(pane)));
        }
    }
}

/// What fits, best first, with the letters that were meant.
fn found(mut items: Vec<Item>, text: &str) -> Vec<(Item, Vec<usize>)> {
    // What can be done comes first, as long as nothing better was asked for.
    if text.trim().is_empty() {
        items.sort_by_key(|item| item.unavailable.is_some());
        return items.into_iter().map(|item| (item, Vec::new())).collect();
    }
    let mut found: Vec<(i32, Item, Vec<usize>)> = items
        .into_iter()
        .filter_map(|item| {
            let (score, letters) = fuzzy::fit(text, &item.text)?;
            Some((score - if item.unavailable.is_some() { 24 } else { 0 }, item, letters))
        })
        .collect();
    found.sort_by_key(|(score, ..)| std::cmp::Reverse(*score));
    found.into_iter().map(|(_, item, letters)| (item, letters)).collect()
}

pub fn palette_ui(ui: &mut Ui, ctx: &Ctx<'_>) {
    let Some(palette) = &ctx.session.desk.palette else { return };
    let mut items = Vec::new();
    for source in SOURCES {
        source(ui.ctx(), ctx, &mut items);
    }
    let id = Id::unique("palette");
    let screen = ui.ctx().content_rect();
    let area = Modal::default_area(id).anchor(Align2::CENTER_TOP, Vec2::new(0.0, size::TOP_BAR + space::L));
    let frame = Frame::popup(ui.style()).inner_margin(Margin::same(space::S as i8)).corner_radius(radius::SHEET);
    let shown = Modal::new(id).area(area).backdrop_color(ctx.tokens.veil_soft()).frame(frame).show(ui.ctx(), |ui| {
        ui.set_width(size::PALETTE.min(screen.width() - 4.0 * space::L));
        ui.spacing_mut().item_spacing.y = space::XS;
        let (typed, entered) = field_ui(ui, ctx, palette);
        let found = found(items, &typed.text);
        let at = typed.at.min(found.len().saturating_sub(1));
        list_ui(ui, ctx, &found, at, at != palette.at);
        if entered
            && let Some((item, _)) = found.get(at)
            && item.unavailable.is_none()
        {
            ctx.send(Command::Desk(Desk::Chosen(Box::new(item.command.clone()))));
        } else if typed.text != palette.text || at != palette.at {
            ctx.send(Command::Desk(Desk::Palette(Some(Palette { text: typed.text, at }))));
        }
    });
    if shown.backdrop_response.clicked() {
        ctx.send(Command::Desk(Desk::Palette(None)));
    }
}

/// What is typed and pointed at now, and whether Enter was pressed.
fn field_ui(ui: &mut Ui, ctx: &Ctx<'_>, palette: &Palette) -> (Palette, bool) {
    let mut typed = palette.clone();
    // Up, down and Enter belong to the list.
    let steps = ui.input_mut(|input| {
        let down = input.count_and_consume_key(Modifiers::NONE, Key::ArrowDown) as isize;
        let up = input.count_and_consume_key(Modifiers::NONE, Key::ArrowUp) as isize;
        let page = input.count_and_consume_key(Modifiers::NONE, Key::PageDown) as isize
            - input.count_and_consume_key(Modifiers::NONE, Key::PageUp) as isize;
        down - up + 8 * page
    });
    let entered = ui.input_mut(|input| input.consume_key(Modifiers::NONE, Key::Enter));
    ui.horizontal(|ui| {
        ui.add_space(space::XS);
        ui.label(RichText::new(icon::SEARCH).font(tokens::icon()).color(ctx.tokens.dim));
        let field = TextEdit::singleline(&mut typed.text).id(Id::unique("palette text")).hint_text("Search commands…");
        let field = field.frame(Frame::new()).font(tokens::title_plain()).align(Align2::LEFT_CENTER);
        let response = ui.add_sized([ui.available_width(), size::CONTROL + space::XS], field);
        ui.ctx().accesskit_node_builder(response.id, |node| node.set_label("Command"));
        response.request_focus();
        if response.changed() {
            typed.at = 0;
        }
    });
    ui.painter().hline(ui.max_rect().x_range(), ui.cursor().top(), ctx.tokens.hairline());
    ui.add_space(space::XS);
    typed.at = typed.at.saturating_add_signed(steps);
    (typed, entered)
}

fn list_ui(ui: &mut Ui, ctx: &Ctx<'_>, found: &[(Item, Vec<usize>)], at: usize, moved: bool) {
    if found.is_empty() {
        ui.add_space(space::S);
        ui.horizontal(|ui| {
            ui.add_space(space::S);
            dim_label(ui, ctx.tokens, "No command has these letters in this order");
        });
        ui.add_space(space::S);
        return;
    }
    let room = (ui.ctx().content_rect().height() * 0.6).min(size::PALETTE_LIST);
    ui.spacing_mut().item_spacing.y = 0.0;
    ScrollArea::vertical().max_height(room).auto_shrink([false, true]).show(ui, |ui| {
        for (index, (item, letters)) in found.iter().enumerate() {
            let response = line_ui(ui, ctx, item, letters, index == at);
            if moved && index == at {
                response.scroll_to_me(None);
            }
        }
    });
}

fn line_ui(ui: &mut Ui, ctx: &Ctx<'_>, item: &Item, letters: &[usize], on: bool) -> Response {
    let tokens = ctx.tokens;
    let enabled = item.unavailable.is_none();
    let (rect, response) = ui.allocate_exact_size(Vec2::new(ui.available_width(), size::PALETTE_ROW), Sense::CLICK);
    let mut name = item.text.clone();
    if let Some(key) = &item.key {
        name += &format!(", {key}");
    }
    if let Some(why) = item.unavailable {
        name += &format!(", {why}");
    }
    response.widget_info(|| WidgetInfo::selected(Role::ListBoxOption, enabled, on, &name));
    if !ui.is_rect_visible(rect) {
        return response;
    }
    let painter = ui.painter();
    let fill = match (on, response.hovered()) {
        (true, _) => tokens.accent_soft,
        (false, true) => tokens.chip,
        (false, false) => Color32::TRANSPARENT,
    };
    painter.rect_filled(rect, radius::CONTROL, fill);
    let (color, faint) = if enabled { (tokens.text, tokens.dim) } else { (tokens.dim, tokens.dim) };
    let y = rect.center().y;
    icon_text(painter, Pos2::new(rect.left() + space::L, y), item.icon, faint);
    let mut right = rect.right() - space::S;
    if let Some(key) = &item.key {
        right -= keycap_width(painter, key);
        keycap(painter, Pos2::new(right, y), key, faint, tokens.line);
        right -= space::S;
    }
    let words = item.unavailable.unwrap_or(&item.group);
    let galley = painter.layout_no_wrap(words.to_owned(), tokens::small(), faint);
    right -= galley.size().x;
    painter.galley(Pos2::new(right, y - galley.size().y / 2.0), galley, faint);
    let left = rect.left() + space::XL + space::S;
    let room = Rect::from_min_max(Pos2::new(left, rect.top()), Pos2::new(right - space::S, rect.bottom()));
    text_ui(ui, item, letters, room, color, if enabled { tokens.accent } else { tokens.dim });
    if response.clicked() && enabled {
        ctx.send(Command::Desk(Desk::Chosen(Box::new(item.command.clone()))));
    }
    response
}

/// The letters that were meant stand out in weight and colour.
fn text_ui(ui: &Ui, item: &Item, letters: &[usize], room: Rect, color: Color32, strong: Color32) {
    if letters.is_empty() {
        clipped_text(
            ui.painter(),
            Pos2::new(room.left(), room.center().y - 8.0),
            &item.text,
            tokens::body(),
            color,
            room.width(),
        );
        return;
    }
    let wrap = egui::text::TextWrapping::truncate_at_width(room.width().max(1.0));
    let mut job = egui::text::LayoutJob { wrap, ..egui::text::LayoutJob::default() };
    for (index, letter) in item.text.chars().enumerate() {
        let format = if letters.contains(&index) {
            egui::TextFormat::simple(tokens::strong(), strong)
        } else {
            egui::TextFormat::simple(tokens::body(), color)
        };
        job.append(letter.encode_utf8(&mut [0; 4]), 0.0, format);
    }
    let galley = ui.painter().layout_job(job);
    ui.painter().galley(Pos2::new(room.left(), room.center().y - galley.size().y / 2.0), galley, color);
}
