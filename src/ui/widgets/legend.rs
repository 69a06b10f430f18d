//! What widths, colours and tints of the plan mean, with their range.

use egui::{Mesh, Pos2, Rect, Role, Sense, Shape, Ui, Vec2, WidgetInfo};

use super::dim_label;
use crate::render::flow_color;
use crate::ui::context::Ctx;
use crate::ui::state::Plan;
use crate::ui::tokens::{self, size, space};

/// Squares of the colour key on each side.
const STEPS: usize = 8;

pub fn ribbons_ui(ui: &mut Ui, ctx: &Ctx<'_>, plan: &Plan) {
    let most = plan.info.pair.plan.max();
    ui.spacing_mut().item_spacing.x = space::S - 1.0;
    let width = format!("Width: mass, 0 … {most:.3}");
    dim_label(ui, ctx.tokens, width)
        .on_hover_text("How much of all mass one ribbon moves; all ribbons together move 1");
    dim_label(ui, ctx.tokens, "Colour: where it starts");
    color_key_ui(ui);
    let [query, gallery] = most_of(plan);
    let most = query.max(gallery);
    dim_label(ui, ctx.tokens, format!("Tint: cell’s mass, 0 … {most:.3}")).on_hover_text("How much mass a cell holds");
    super::paint::paint_legend_ui(ui, ctx, plan);
}

/// Largest mass of a street photo cell and of a product cell.
fn most_of(plan: &Plan) -> [f32; 2] {
    let pair = &plan.info.pair;
    [pair.plan.row_sums(), pair.plan.column_sums()].map(|sums| sums.into_iter().fold(0.0, f32::max))
}

pub fn colours_ui(ui: &mut Ui, ctx: &Ctx<'_>, plan: &Plan) {
    ui.spacing_mut().item_spacing.x = space::S - 1.0;
    dim_label(ui, ctx.tokens, "Colour: place in the street photo");
    color_key_ui(ui);
    dim_label(ui, ctx.tokens, "product cells mix the colours their mass comes from");
    let [query, gallery] = most_of(plan);
    dim_label(ui, ctx.tokens, format!("Opacity: cell’s mass, 0 … {query:.3} street, {gallery:.3} product"))
        .on_hover_text("How much mass a cell holds; the cells of a photo together hold 1");
}

pub fn heat_ui(ui: &mut Ui, ctx: &Ctx<'_>, plan: &Plan) {
    ui.spacing_mut().item_spacing.x = space::S - 1.0;
    let [query, gallery] = most_of(plan);
    super::matrix::scale_ui(ui, ctx, "Cell’s mass, street photo", [0.0, query], "the street photo’s masses");
    super::matrix::scale_ui(ui, ctx, "product", [0.0, gallery], "the product’s masses");
}

/// The street photo's square in the colours that ribbons have when they start there.
fn color_key_ui(ui: &mut Ui) {
    let (rect, response) = ui.allocate_exact_size(Vec2::splat(size::LEGEND_KEY - 4.0), Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, "Colour key of the street photo"));
    let mut mesh = Mesh::default();
    for row in 0..=STEPS {
        for column in 0..=STEPS {
            let share = Vec2::new(column as f32, row as f32) / STEPS as f32;
            mesh.colored_vertex(rect.min + share * rect.size(), tokens::srgb(flow_color(share.x, share.y)));
        }
    }
    for row in 0..STEPS {
        for column in 0..STEPS {
            let corner = |r: usize, c: usize| ((row + r) * (STEPS + 1) + column + c) as u32;
            mesh.add_triangle(corner(0, 0), corner(0, 1), corner(1, 0));
            mesh.add_triangle(corner(1, 0), corner(0, 1), corner(1, 1));
        }
    }
    ui.painter().add(Shape::mesh(mesh));
    response.on_hover_text("Each place of the street photo has its colour; a ribbon has that of the cell it starts in");
}

/// The colour of a query cell, as ribbons from it have.
pub fn swatch(painter: &egui::Painter, center: Pos2, srgb: [f32; 3]) {
    let rect = Rect::from_center_size(center, Vec2::splat(size::SWATCH));
    painter.rect_filled(rect, 2, tokens::srgb(srgb));
}
