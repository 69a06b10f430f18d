//! What widths, colours and tints of the plan mean, with their range.

use egui::{Color32, Mesh, Pos2, Rect, Role, Sense, Shape, Ui, Vec2, WidgetInfo};

use super::dim_label;
use crate::render::flow_color;
use crate::ui::context::Ctx;
use crate::ui::state::Plan;
use crate::ui::tokens::{self, size, space};

/// Squares of the colour key on each side.
const STEPS: usize = 8;

pub fn legend_ui(ui: &mut Ui, ctx: &Ctx<'_>, plan: &Plan) {
    let most = plan.info.pair.plan.max();
    ui.spacing_mut().item_spacing.x = space::S - 1.0;
    let width = format!("Width: mass, 0 … {most:.3}");
    dim_label(ui, ctx.tokens, width)
        .on_hover_text("How much of all mass one ribbon moves; all ribbons together move 1");
    dim_label(ui, ctx.tokens, "Colour: where it starts");
    color_key_ui(ui);
    let pair = &plan.info.pair;
    let sums = [pair.plan.row_sums(), pair.plan.column_sums()].concat();
    let most = sums.into_iter().fold(0.0, f32::max);
    dim_label(ui, ctx.tokens, format!("Tint: cell’s mass, 0 … {most:.3}")).on_hover_text("How much mass a cell holds");
}

/// The street photo's square in the colours that ribbons have when they start there.
fn color_key_ui(ui: &mut Ui) {
    let (rect, response) = ui.allocate_exact_size(Vec2::splat(size::LEGEND_KEY - 4.0), Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, "Colour key of the street photo"));
    let mut mesh = Mesh::default();
    for row in 0..=STEPS {
        for column in 0..=STEPS {
            let share = Vec2::new(column as f32, row as f32) / STEPS as f32;
            mesh.colored_vertex(rect.min + share * rect.size(), color(flow_color(share.x, share.y)));
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

fn color(srgb: [f32; 3]) -> Color32 {
    let [r, g, b] = srgb.map(|c| (c * 255.0).round() as u8);
    tokens::opaque([r, g, b])
}

/// The colour of a query cell, as ribbons from it have.
pub fn swatch(painter: &egui::Painter, center: Pos2, srgb: [f32; 3]) {
    let rect = Rect::from_center_size(center, Vec2::splat(size::SWATCH));
    painter.rect_filled(rect, 2, color(srgb));
}
