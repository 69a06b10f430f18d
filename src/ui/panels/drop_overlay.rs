//! What letting go of a file would do, while it hovers over the window.

use egui::{Align2, Id, LayerId, Order, Pos2, Rect, Stroke, StrokeKind, Ui, Vec2};

use crate::ui::context::Ctx;
use crate::ui::fonts::icon;
use crate::ui::state::{Hovering, HoveringKind};
use crate::ui::tokens::{self, radius, size, space};
use crate::ui::widgets::described;

pub fn drop_overlay_ui(ui: &mut Ui, ctx: &Ctx<'_>) {
    let Some(hovering) = &ctx.session.hovering else { return };
    let tokens = ctx.tokens;
    let (title, words) = words(hovering);
    let screen = ui.content_rect();
    described(ui, screen, "drop overlay", egui::Role::Alert, &format!("{title}: {words}"));
    let painter = ui.ctx().layer_painter(LayerId::new(Order::Foreground, Id::unique("drop overlay")));
    painter.rect_filled(screen, 0, tokens.overlay);
    let frame = screen.shrink(space::XL);
    painter.rect_stroke(frame, radius::SHEET, Stroke::new(size::RING, tokens.accent), StrokeKind::Inside);
    let sign = match hovering.kind {
        HoveringKind::Photo => icon::UPLOAD,
        HoveringKind::Folder | HoveringKind::Gallery => icon::FOLDER,
        HoveringKind::Evidence => icon::INFO,
        HoveringKind::Other => icon::WARNING,
    };
    let center = screen.center();
    let hero = egui::FontId::new(tokens::text::ICON_HERO, tokens::icons());
    painter.text(center - Vec2::new(0.0, 44.0), Align2::CENTER_CENTER, sign, hero, tokens.accent);
    painter.text(center, Align2::CENTER_CENTER, title, tokens::hero(), tokens.text);
    let galley = painter.layout(words, tokens::body(), tokens.dim, screen.width() * 0.7);
    let at = Rect::from_center_size(center + Vec2::new(0.0, 32.0), galley.size());
    painter.galley(Pos2::new(at.left(), at.top()), galley, tokens.dim);
}

fn words(hovering: &Hovering) -> (&'static str, String) {
    let first = hovering.names.first().map_or("a file", String::as_str);
    let more = hovering.names.len().saturating_sub(1);
    match hovering.kind {
        HoveringKind::Photo if more > 0 => ("Drop to search", format!("{first}, the first of {} files", more + 1)),
        HoveringKind::Photo => ("Drop to search", first.to_owned()),
        HoveringKind::Folder => ("Drop to open as a project", first.to_owned()),
        HoveringKind::Gallery => ("Drop to search in these product photos", first.to_owned()),
        HoveringKind::Evidence => ("Drop to check evidence", first.to_owned()),
        HoveringKind::Other => (
            "Not a photo by its name",
            format!("{first}: JPEG, PNG, WebP, BMP, GIF and TIFF can be read. Dropping tries it anyway"),
        ),
    }
}
