//! Searches of the past: run one again, save it, name it, let it go.

use egui::{Align, Key, Layout, Popup, Pos2, Rect, RichText, Sense, Ui, Vec2};

use crate::domain::{Again, PastSearch, Utc};
use crate::project::ShelfEdit;
use crate::ui::command::Command;
use crate::ui::context::Ctx;
use crate::ui::figures::counted;
use crate::ui::fonts::icon;
use crate::ui::shelf::ShelfCommand;
use crate::ui::tokens::{self, radius, size, space};
use crate::ui::widgets::button::PushButton;
use crate::ui::widgets::{clipped_text, dim_label, focus_ring, icon_text, named, section_label};

/// Searches in sight before the rest is asked for.
const SHOWN: usize = 12;

fn send(ctx: &Ctx<'_>, command: ShelfCommand) {
    ctx.send(Command::Shelf(command));
}

pub fn history_ui(ui: &mut Ui, ctx: &Ctx<'_>) {
    let past = &ctx.session.shelf.past;
    if past.is_empty() {
        section_label(ui, ctx.tokens, "Past searches");
        dim_label(ui, ctx.tokens, "Searches of this project are listed here, the newest first");
        return;
    }
    let (saved, others): (Vec<&PastSearch>, Vec<&PastSearch>) = past.iter().partition(|past| past.card.starred);
    ui.spacing_mut().item_spacing.y = 0.0;
    if !saved.is_empty() {
        section_label(ui, ctx.tokens, "Saved searches");
        ui.add_space(space::XS);
        saved.iter().for_each(|past| row_ui(ui, ctx, past));
        dim_label(ui, ctx.tokens, "They keep what was asked, not the products, and ask the gallery of today");
        ui.add_space(space::M);
    }
    if others.is_empty() {
        return;
    }
    let all_id = egui::Id::unique("all of history");
    let all = ui.data(|data| data.get_temp(all_id)).unwrap_or(false);
    section_label(ui, ctx.tokens, "Recent searches");
    ui.add_space(space::XS);
    let shown = if all { usize::MAX } else { SHOWN };
    others.iter().take(shown).for_each(|past| row_ui(ui, ctx, past));
    if others.len() > SHOWN {
        let text = if all { "Show fewer".to_owned() } else { format!("{} more", others.len() - SHOWN) };
        if ui.add(egui::Button::new(RichText::new(text).color(ctx.tokens.dim)).frame(false)).clicked() {
            ui.data_mut(|data| data.insert_temp(all_id, !all));
        }
    }
}

fn row_ui(ui: &mut Ui, ctx: &Ctx<'_>, past: &PastSearch) {
    let name_id = egui::Id::unique(("name of a past search", past.id));
    if ui.data(|data| data.get_temp::<String>(name_id)).is_some() {
        rename_ui(ui, ctx, past, name_id);
        return;
    }
    let tokens = ctx.tokens;
    let (rect, _) = ui.allocate_exact_size(Vec2::new(ui.available_width(), size::CONTROL), Sense::hover());
    let id = ui.scope_id().with(("past search", past.id));
    let star_rect = Rect::from_min_size(rect.min, Vec2::splat(size::CONTROL));
    let more_rect = Rect::from_min_max(Pos2::new(rect.right() - size::CONTROL, rect.top()), rect.max);
    let open_rect = Rect::from_min_max(star_rect.right_top(), more_rect.left_bottom());
    let open = ui.interact(open_rect, id, Sense::click());
    let title = past.title();
    open.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, format!("Search again: {title}")));
    let present = ctx.session.shelf.noted == Some(past.id);
    if open.hovered() || present {
        ui.painter().rect_filled(rect, radius::CONTROL, if present { tokens.accent_soft } else { tokens.chip });
    }
    let star = ui.interact(star_rect, id.with("star"), Sense::click());
    let saved = past.card.starred;
    let star_name = if saved { format!("Saved: {title}") } else { format!("Save: {title}") };
    star.widget_info(|| egui::WidgetInfo::selected(egui::Role::Button, true, saved, &star_name));
    let font = egui::FontId::new(tokens::text::ICON, if saved { tokens::icons_fill() } else { tokens::icons() });
    let symbol = if saved || star.hovered() || star.has_focus() { icon::STAR } else { icon::CLOCK };
    let color = if saved { tokens.accent } else { tokens.dim };
    ui.painter().text(star_rect.center(), egui::Align2::CENTER_CENTER, symbol, font, color);
    let text = if present { tokens.accent } else { tokens.text };
    let at = Pos2::new(open_rect.left() + 2.0, rect.center().y - 8.0);
    clipped_text(ui.painter(), at, title, tokens::body(), text, open_rect.width() - 4.0);
    let more = ui.interact(more_rect, id.with("more"), Sense::click());
    let more_name = format!("More about {title}");
    more.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, &more_name));
    if open.hovered() || more.hovered() || more.has_focus() || open.has_focus() {
        icon_text(ui.painter(), more_rect.center(), icon::DOTS, tokens.dim);
    }
    for (response, rect) in [(&open, open_rect), (&star, star_rect), (&more, more_rect)] {
        if response.has_focus() {
            focus_ring(ui.painter(), tokens, rect.shrink(1.0), radius::CONTROL);
        }
    }
    if star.on_hover_text(if saved { "No longer save this search" } else { "Save this search" }).clicked() {
        send(
            ctx,
            if saved {
                ShelfCommand::Edit(ShelfEdit::StarSearch { id: past.id, starred: false })
            } else {
                ShelfCommand::Save(past.id)
            },
        );
    }
    if open.on_hover_ui(|ui| about_ui(ui, ctx, past)).clicked() {
        send(ctx, ShelfCommand::Reopen(past.id));
    }
    Popup::menu(&more).show(|ui| {
        ui.set_min_width(150.0);
        if ui.button("Search again").clicked() {
            send(ctx, ShelfCommand::Reopen(past.id));
        }
        if ui.button("Rename…").clicked() {
            ui.data_mut(|data| data.insert_temp(name_id, title.to_owned()));
        }
        if ui.button("Delete").on_hover_text("Undo brings it back").clicked() {
            send(ctx, ShelfCommand::Edit(ShelfEdit::DeleteSearch { id: past.id }));
        }
    });
}

fn rename_ui(ui: &mut Ui, ctx: &Ctx<'_>, past: &PastSearch, name_id: egui::Id) {
    let mut name: String = ui.data(|data| data.get_temp(name_id)).unwrap_or_default();
    let field = egui::TextEdit::singleline(&mut name).desired_width(f32::INFINITY);
    let response = named(ui, "Name of the search", field);
    let begun_id = name_id.with("begun");
    if ui.data(|data| data.get_temp::<bool>(begun_id)).is_none() {
        response.request_focus();
        ui.data_mut(|data| data.insert_temp(begun_id, true));
        return;
    }
    ui.data_mut(|data| data.insert_temp(name_id, name.clone()));
    if response.lost_focus() {
        // Esc leaves the name as it was.
        if !ui.input(|input| input.key_pressed(Key::Escape)) && name.trim() != past.title() {
            let name = Some(name.trim().to_owned()).filter(|name| !name.is_empty());
            send(ctx, ShelfCommand::Edit(ShelfEdit::NameSearch { id: past.id, name }));
        }
        ui.data_mut(|data| {
            data.remove::<String>(name_id);
            data.remove::<bool>(begun_id);
        });
    }
}

fn about_ui(ui: &mut Ui, ctx: &Ctx<'_>, past: &PastSearch) {
    let search = &past.search;
    ui.label(RichText::new(past.title()).font(tokens::strong()).color(ctx.tokens.text));
    dim_label(ui, ctx.tokens, format!("{}, {}", search.photo_name, when(past.at_ms, ctx.unix_secs)));
    let crop = if search.whole {
        "whole photo".to_owned()
    } else {
        let c = search.crop;
        format!("part at {:.0}, {:.0}: {:.0} × {:.0} pixels", c.x, c.y, c.width, c.height)
    };
    dim_label(ui, ctx.tokens, crop);
    dim_label(ui, ctx.tokens, format!("Model {}, {}", search.model, counted(search.gallery_photos, "photo")));
    for filter in search.shelf.filters.iter() {
        dim_label(ui, ctx.tokens, filter.to_string());
    }
    let rules =
        if search.shelf.without_rules { "without rules".to_owned() } else { counted(search.rules.len(), "rule") };
    dim_label(ui, ctx.tokens, rules);
}

/// "3 min ago", "on 2026-11-21".
pub fn when(at_ms: i64, now_secs: i64) -> String {
    let secs = now_secs - at_ms / 1000;
    match secs {
        ..60 => "just now".to_owned(),
        60..3600 => format!("{} min ago", secs / 60),
        3600..86_400 => format!("{} h ago", secs / 3600),
        _ => format!("on {}", Utc::of_ms(at_ms).date()),
    }
}

/// What running a past search again gave, above the results.
pub fn again_ui(ui: &mut Ui, ctx: &Ctx<'_>, again: &Again) {
    let tokens = ctx.tokens;
    let frame = egui::Frame::new().fill(tokens.panel).stroke(tokens.hairline()).corner_radius(radius::CONTROL);
    frame.inner_margin(space::S).show(ui, |ui| {
        ui.horizontal(|ui| {
            let symbol = if again.is_same_order() { icon::CHECK_CIRCLE } else { icon::INFO };
            ui.label(RichText::new(symbol).font(tokens::icon()).color(tokens.accent));
            ui.vertical(|ui| {
                ui.spacing_mut().item_spacing.y = 2.0;
                ui.set_max_width((ui.available_width() - size::CONTROL - space::S).max(80.0));
                let words = again_words(again, ctx.unix_secs);
                ui.label(RichText::new(words).color(tokens.text));
                for cause in &again.causes {
                    dim_label(ui, tokens, cause);
                }
                if !again.is_same_order() && again.causes.is_empty() {
                    dim_label(ui, tokens, "Nothing that is recorded of a search changed");
                }
            });
            ui.with_layout(Layout::right_to_left(Align::Min), |ui| {
                if PushButton::icon_only(icon::X, "Close the comparison with then").show(ui, tokens).clicked() {
                    send(ctx, ShelfCommand::CloseAgain);
                }
            });
        });
    });
    ui.add_space(space::XS);
}

/// "Same order as on 2026-11-20: Tram".
pub fn again_words(again: &Again, now_secs: i64) -> String {
    let then = when(again.at_ms, now_secs);
    if again.is_same_order() {
        let scores = if again.same_scores { "" } else { ", with other scores" };
        return format!("Same order as {then}{scores}: {}", again.title);
    }
    let mut parts = Vec::new();
    if again.moved > 0 {
        parts.push(format!("{} moved", again.moved));
    }
    if again.gone > 0 {
        parts.push(format!("{} gone", again.gone));
    }
    format!("Another order than {then}: of the first {}, {}", again.compared, parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_well() {
        let now = 1_795_277_000;
        assert_eq!(when(now * 1000 - 5000, now), "just now");
        assert_eq!(when((now - 200) * 1000, now), "3 min ago");
        assert_eq!(when((now - 7300) * 1000, now), "2 h ago");
        assert_eq!(when(0, now), "on 1970-01-01");
        assert_eq!(Utc::of_ms(951_782_400_000).date(), "2000-02-29");
        assert_eq!(Utc::of_ms(1_795_277_000_000).date(), "2026-11-21");
    }
}
