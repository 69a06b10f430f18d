//! A person's own folder of photos: that it changed, how it stands, and what was skipped and why.

use std::path::Path;

use egui::{Align, Frame, Id, Label, Layout, Margin, Modal, Pos2, RichText, Role, ScrollArea, Sense, Ui, Vec2};

use crate::domain::Skipped;
use crate::jobs::types::GalleryState;
use crate::ui::command::{Action, Command};
use crate::ui::context::Ctx;
use crate::ui::figures::{count, counted};
use crate::ui::fonts::icon;
use crate::ui::gallery::GalleryCommand;
use crate::ui::tokens::{self, radius, space};
use crate::ui::widgets::button::{Look, PushButton, action_button, action_icon, chip};
use crate::ui::widgets::{clipped_text, dim_label};

/// Width of the sheet.
const SHEET: f32 = 840.0;
/// Height of a line of the list: a name and a sentence below it.
const LINE: f32 = 40.0;

/// Above an order that is older than the gallery: what changed, and a way to search again. Nothing moves by itself.
pub fn changed_ui(ui: &mut Ui, ctx: &Ctx<'_>) {
    let changed = &ctx.session.gallery.changed;
    if changed.is_none() || ctx.session.query.is_none() {
        return;
    }
    let words = format!("Gallery changed: {}", changed.words());
    let frame = Frame::new()
        .fill(ctx.tokens.panel)
        .stroke(ctx.tokens.hairline())
        .corner_radius(radius::TILE)
        .inner_margin(Margin::symmetric(space::M as i8, space::XS as i8));
    frame.show(ui, |ui| {
        ui.horizontal(|ui| {
            ui.set_width(ui.available_width());
            ui.label(RichText::new(icon::INFO).font(tokens::icon()).color(ctx.tokens.accent));
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                action_button(ui, ctx, Action::SearchAgain, Look::Plain);
                ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                    let label = ui.add(Label::new(RichText::new(&words).color(ctx.tokens.text)).truncate());
                    ui.ctx().accesskit_node_builder(label.id, |node| {
                        node.set_role(Role::Status);
                        node.set_label(words.as_str());
                    });
                });
            });
        });
    });
    ui.add_space(space::XS);
}

/// In the status bar: that the folder is away, and how much was skipped.
pub fn status_ui(ui: &mut Ui, ctx: &Ctx<'_>) {
    let Some(state) = &ctx.session.gallery.state else { return };
    if let Some(trouble) = &state.trouble {
        dim_label(ui, ctx.tokens, "Folder not looked at").on_hover_text(trouble);
    } else if state.waiting > 0 && !state.indexing {
        dim_label(ui, ctx.tokens, format!("{} not indexed yet", counted(state.waiting, "photo")));
    }
    let skipped = ctx.session.gallery.skipped();
    if skipped > 0 {
        let text = RichText::new(format!("{} skipped", count(skipped))).font(tokens::small()).color(ctx.tokens.accent);
        let button = ui.add(egui::Button::new(text).frame(false));
        if button.on_hover_text("What was skipped, and why").clicked() {
            ctx.act(Action::SkippedReport);
        }
    }
}

/// In the menu of the project: where the photos are, and what can be done about them.
pub fn folder_ui(ui: &mut Ui, ctx: &Ctx<'_>, item: impl Fn(&mut Ui, Action)) {
    let Some(state) = &ctx.session.gallery.state else { return };
    dim_label(ui, ctx.tokens, format!("Photos in {}", state.folder.display()));
    if let Some(list) = &state.list {
        dim_label(ui, ctx.tokens, format!("Attributes from {}", name_of(list)));
    }
    item(ui, Action::RefreshGallery);
    item(ui, Action::ReadList);
    item(ui, Action::SkippedReport);
    if state.indexing || ctx.activity.preparing.is_some() {
        item(ui, Action::StopIndexing);
    }
    ui.separator();
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// The sheet of all that was skipped.
pub fn skipped_ui(ui: &mut Ui, ctx: &Ctx<'_>) {
    let view = &ctx.session.gallery;
    let Some(state) = view.state.as_ref().filter(|_| view.report_open) else { return };
    let frame = Frame::popup(ui.style()).inner_margin(Margin::same(space::L as i8)).corner_radius(radius::SHEET);
    let screen = ui.ctx().content_rect();
    let response = Modal::new(Id::unique("skipped")).frame(frame).show(ui.ctx(), |ui| {
        ui.set_width(SHEET.min(screen.width() - 4.0 * space::XL));
        ui.horizontal(|ui| {
            ui.label(RichText::new("What was skipped").font(tokens::title()).color(ctx.tokens.text));
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| action_icon(ui, ctx, Action::Back, true));
        });
        ui.add(Label::new(RichText::new(summary(state)).font(tokens::small()).color(ctx.tokens.dim)).wrap());
        for note in &state.report.notes {
            ui.add(Label::new(RichText::new(note).font(tokens::small()).color(ctx.tokens.dim)).wrap());
        }
        ui.add_space(space::S);
        if state.report.skipped.is_empty() {
            ui.label(RichText::new("Nothing was skipped").color(ctx.tokens.text));
            ui.add_space(space::M);
            return;
        }
        reasons_ui(ui, ctx);
        ui.add_space(space::S);
        let height = (screen.height() * 0.55).min(LINE * view.listed().len() as f32 + space::S).max(LINE);
        ui.allocate_ui(Vec2::new(ui.available_width(), height), |ui| list_ui(ui, ctx, state));
        ui.add_space(space::M);
        ui.horizontal(|ui| {
            if PushButton::new("Copy list").icon(icon::CLIPBOARD).show(ui, ctx.tokens).clicked() {
                ctx.send(Command::Gallery(GalleryCommand::CopyReport));
            }
            if PushButton::new("Save as CSV…").icon(icon::FLOPPY).show(ui, ctx.tokens).clicked() {
                ctx.send(Command::Gallery(GalleryCommand::SaveReport));
            }
            action_button(ui, ctx, Action::RefreshGallery, Look::Plain);
        });
    });
    if response.backdrop_response.clicked() {
        ctx.act(Action::Back);
    }
}

/// "1,204 photos of 600 products in /photos; attributes from 598 lines of products.csv; 2 photos are not listed".
fn summary(state: &GalleryState) -> String {
    let report = &state.report;
    let mut parts = vec![format!(
        "{} of {} in {}",
        counted(report.photos, "photo"),
        counted(report.products, "product"),
        state.folder.display()
    )];
    if let Some(list) = &state.list {
        parts.push(format!("attributes from {} of {}", counted(report.rows, "line"), name_of(list)));
        if report.unlisted > 0 {
            parts.push(format!("no line is about {}", counted(report.unlisted, "photo")));
        }
    }
    parts.join("; ")
}

fn reasons_ui(ui: &mut Ui, ctx: &Ctx<'_>) {
    let view = &ctx.session.gallery;
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing = Vec2::splat(space::XS);
        let all = format!("All {}", count(view.skipped()));
        if chip(ui, ctx.tokens, &all, view.reason().is_none()).clicked() {
            ctx.send(Command::Gallery(GalleryCommand::ShowReason(None)));
        }
        for (reason, of_it) in view.counts() {
            let on = view.reason() == Some(*reason);
            if chip(ui, ctx.tokens, &format!("{} {}", reason.words(), count(*of_it)), on).clicked() {
                ctx.send(Command::Gallery(GalleryCommand::ShowReason((!on).then_some(*reason))));
            }
        }
    });
}

/// Only the lines in view are laid out, however many there are.
fn list_ui(ui: &mut Ui, ctx: &Ctx<'_>, state: &GalleryState) {
    let view = &ctx.session.gallery;
    ui.spacing_mut().item_spacing.y = 0.0;
    let area = ScrollArea::vertical().id_salt(("skipped", view.reason())).auto_shrink([false, true]);
    area.show_rows(ui, LINE, view.listed().len(), |ui, shown| {
        for &place in view.listed().get(shown).unwrap_or_default() {
            if let Some(skipped) = state.report.skipped.get(place) {
                line_ui(ui, ctx, skipped);
            }
        }
    });
}

fn line_ui(ui: &mut Ui, ctx: &Ctx<'_>, skipped: &Skipped) {
    let tokens = ctx.tokens;
    let (rect, response) = ui.allocate_exact_size(Vec2::new(ui.available_width(), LINE), Sense::hover());
    let sentence = capitalised(&skipped.sentence);
    response.widget_info(|| egui::WidgetInfo::labeled(Role::ListItem, true, sentence.as_str()));
    let painter = ui.painter();
    painter.line_segment([rect.left_top(), rect.right_top()], tokens.hairline());
    let name = match skipped.line {
        Some(line) => format!("{}, line {}", skipped.file, count(line as usize)),
        None => skipped.file.clone(),
    };
    let reason = painter.layout_no_wrap(skipped.reason.words().to_owned(), tokens::small(), tokens.dim);
    let room = rect.width() - reason.size().x - 2.0 * space::M;
    let top = rect.top() + 5.0;
    clipped_text(painter, Pos2::new(rect.left(), top), &name, tokens::body(), tokens.text, room);
    let right = Pos2::new(rect.right() - space::S - reason.size().x, top + 1.0);
    painter.galley(right, reason, tokens.dim);
    let below = Pos2::new(rect.left(), rect.bottom() - 4.0 - tokens::text::SMALL);
    clipped_text(painter, below - Vec2::new(0.0, 3.0), &sentence, tokens::small(), tokens.dim, rect.width() - space::M);
    response.on_hover_text(sentence);
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// Beside the name of a project that cannot be saved: that it is so, and why.
pub fn read_only_ui(ui: &mut Ui, ctx: &Ctx<'_>) {
    let Some(why) = ctx.session.project.open().and_then(|project| project.read_only.as_ref()) else { return };
    let chip = PushButton::new("Read-only").icon(icon::WARNING).look(Look::Ghost).show(ui, ctx.tokens);
    chip.on_hover_text(capitalised(why));
}
