//! The left column: the photo, how it is compared, and what was corrected.

use egui::{Frame, Margin, Panel, ScrollArea, Ui};

use super::{Sides, corrections, matching, panel_frame, query_photo};
use crate::ui::context::Ctx;
use crate::ui::tokens::space;

pub fn left_ui(ui: &mut Ui, ctx: &Ctx<'_>, sides: Sides) {
    let panel = Panel::left("left").default_size(sides.left).size_range(200.0..=sides.left_max);
    panel.frame(panel_frame(ctx.tokens)).show(ui, |ui| {
        let foot = Frame::new().inner_margin(Margin { top: space::M as i8, ..Margin::ZERO });
        // The loop stays in sight while the knobs scroll.
        Panel::bottom("corrections").frame(foot).show(ui, |ui| corrections::corrections_ui(ui, ctx));
        ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
            ui.spacing_mut().item_spacing.y = space::XS + 2.0;
            query_photo::query_photo_ui(ui, ctx);
            ui.add_space(space::M);
            matching::matching_ui(ui, ctx);
            ui.add_space(space::M);
            matching::ribbons_ui(ui, ctx);
            ui.add_space(space::S);
        });
    });
}
