//! The line at the bottom: how long things took, and what is held.

use egui::{Align, Frame, Layout, Margin, Panel, Ui};

use crate::domain::Timings;
use crate::ui::context::Ctx;
use crate::ui::figures::{count, counted, megabytes, millis};
use crate::ui::tokens::{size, space};
use crate::ui::widgets::dim_label;

pub fn status_bar_ui(ui: &mut Ui, ctx: &Ctx<'_>) {
    let frame = Frame::new().fill(ctx.tokens.panel).inner_margin(Margin::symmetric(space::L as i8, 0));
    Panel::bottom("status bar").exact_size(size::STATUS_BAR).frame(frame).show(ui, |ui| {
        ui.horizontal_centered(|ui| {
            ui.spacing_mut().item_spacing.x = space::XL;
            if let Some(text) = doing(ctx) {
                dim_label(ui, ctx.tokens, text);
            }
            if let Some(ranking) = ctx.session.query.as_ref().and_then(|query| query.ranking.as_ref()) {
                dim_label(ui, ctx.tokens, timings(&ranking.timings)).on_hover_text("Milliseconds of each part");
            }
            if let Some(project) = ctx.session.project.open() {
                let checkpoint = project.model.checkpoint.as_str();
                let short = checkpoint.get(..4).unwrap_or(checkpoint);
                let text = format!("Index {}, checkpoint {short}", counted(project.gallery_photos, "photo"));
                dim_label(ui, ctx.tokens, text).on_hover_text(checkpoint);
            }
            super::gallery::status_ui(ui, ctx);
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                if let Some(bytes) = ctx.activity.memory_bytes {
                    memory_ui(ui, ctx, bytes);
                }
            });
        });
    });
}

/// "Memory 412 of 2,048 MB".
fn memory_ui(ui: &mut Ui, ctx: &Ctx<'_>, bytes: u64) {
    let budget = u64::from(ctx.prefs.memory_mb) << 20;
    let held = count((bytes >> 20) as usize);
    let thumbs = [ctx.thumbs.bytes(), ctx.thumbs.budget_bytes()].map(|bytes| megabytes(bytes as u64));
    let mut hover = format!("Thumbnails hold {} of {} and give way first", thumbs[0], thumbs[1]);
    let mut text = format!("Memory {held} of {}", megabytes(budget));
    if bytes > budget {
        // Said in words, not by colour.
        text += ", over budget";
        hover += "; the rest is the model, the index and open photos";
    }
    dim_label(ui, ctx.tokens, text).on_hover_text(hover);
}

fn doing(ctx: &Ctx<'_>) -> Option<String> {
    if let Some(work) = &ctx.activity.preparing {
        return Some(format!("{}: {:.0} %", work.what, 100.0 * work.fraction()));
    }
    if ctx.activity.searching {
        return Some("Searching…".to_owned());
    }
    if let Some(promoting) = &ctx.activity.promoting {
        return Some(format!("Promoting {}: {}", promoting.run, promoting.what.to_lowercase()));
    }
    ctx.activity.live.as_ref().map(|live| super::train::run::status_words(live))
}

/// "Search 84 ms: decode 6, encode 41, global 3, structural 34".
fn timings(t: &Timings) -> String {
    let [total, decode, encode, global, structural] = [t.total, t.decode, t.encode, t.global, t.structural].map(millis);
    format!("Search {total} ms: decode {decode}, encode {encode}, global {global}, structural {structural}")
}
