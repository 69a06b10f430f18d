//! The plan over the two photos: by wgpu where there is a graphics device, else the same scene drawn on the CPU.

use std::sync::Arc;

use egui::{Color32, TextureHandle, Ui};

use super::plan_view::Squares;
use super::whole_uv;
use crate::render::{CellPaint, CellRef, PlanCallback, PlanScene, PlanStyle, Side, cpu_twin};
use crate::ui::context::Ctx;
use crate::ui::inspect::Mode;
use crate::ui::state::{Plan, Pointed};
use crate::ui::tokens::radius;

/// There is one plan on screen; views that are there at once would need different numbers.
const VIEW: u64 = 0;

/// Photos, and over them what the chosen view shows.
pub fn plan_picture_ui(ui: &Ui, ctx: &Ctx<'_>, plan: &Plan, squares: Squares) {
    let style = style_of(ui, ctx, plan);
    if style.blend < 1.0 {
        ui.request_repaint();
    }
    if ctx.gpu {
        let callback = PlanCallback::new(VIEW, plan.scene.clone(), squares.in_view(), style);
        ui.painter().add(egui_wgpu::Callback::new_paint_callback(squares.whole(), callback));
    } else if let Some(texture) = twin(ui, &plan.scene, squares, style) {
        ui.painter().image(texture.id(), squares.whole(), whole_uv(), Color32::WHITE);
    }
}

fn style_of(ui: &Ui, ctx: &Ctx<'_>, plan: &Plan) -> PlanStyle {
    let id = ui.scope_id().with("pointed in plan");
    // What was pointed at last fades out after the pointer has gone.
    let amount = ui.animate_bool(id, ctx.session.pointed.is_some());
    let pointed = match ctx.session.pointed {
        Some(pointed) => {
            ui.data_mut(|data| data.insert_temp(id, pointed));
            Some(pointed)
        }
        None if amount > 0.0 => ui.data(|data| data.get_temp(id)),
        None => None,
    };
    let (hovered, hovered_flow) = match pointed {
        Some(Pointed::Query(cell)) => (Some(CellRef { side: Side::Query, cell }), None),
        Some(Pointed::Gallery(cell)) => (Some(CellRef { side: Side::Gallery, cell }), None),
        Some(Pointed::Flow(q, g)) => (None, Some((q, g))),
        None => (None, None),
    };
    let inspect = &ctx.prefs.inspect;
    let overlay = inspect.overlay && inspect.mode.has_overlay();
    PlanStyle {
        photos: true,
        ribbons: overlay && inspect.mode == Mode::Ribbons,
        // Beside the matrix the photos say which cells are pointed at.
        heat: overlay || inspect.mode == Mode::Matrix,
        paint: match inspect.mode {
            Mode::Ribbons | Mode::Matrix | Mode::Rebuilt => CellPaint::Tint,
            Mode::Colours => CellPaint::Paired,
            Mode::Heat => CellPaint::Heat,
        },
        grid_lines: ctx.prefs.view.grid,
        threshold: ctx.prefs.ribbons.threshold,
        max_ribbons: ctx.prefs.ribbons.count,
        opacity: ctx.prefs.ribbons.opacity,
        hovered,
        hovered_flow,
        hover_amount: amount,
        blend: plan.blend(ctx.now, ctx.prefs.reduced_motion),
        query_window: ctx.session.zoom.query,
        gallery_window: ctx.session.zoom.gallery,
        nearest: inspect.nearest,
        corner_radius: f32::from(radius::TILE),
        padding: ctx.tokens.chip.to_array(),
    }
}

/// The last picture that was drawn on the CPU.
struct Drawn {
    scene: Arc<PlanScene>,
    style: PlanStyle,
    size_px: [u32; 2],
    texture: TextureHandle,
}

/// Drawn anew only when something changed.
fn twin(ui: &Ui, scene: &Arc<PlanScene>, squares: Squares, style: PlanStyle) -> Option<TextureHandle> {
    let id = egui::Id::unique("plan drawn without a graphics device");
    let scale = ui.pixels_per_point();
    let size_px =
        [squares.whole().width(), squares.whole().height()].map(|side| (side * scale).round().max(1.0) as u32);
    let before: Option<Arc<Drawn>> = ui.data(|data| data.get_temp(id));
    if let Some(drawn) = &before
        && Arc::ptr_eq(&drawn.scene, scene)
        && drawn.style == style
        && drawn.size_px == size_px
    {
        return Some(drawn.texture.clone());
    }
    let map = cpu_twin::draw(scene, &squares.in_view(), &style, size_px, scale)?;
    let image = egui::ColorImage::from_rgba_premultiplied(size_px.map(|side| side as usize), map.data());
    let texture = ui.ctx().load_texture("plan", image, egui::TextureOptions::LINEAR);
    let drawn = Drawn { scene: scene.clone(), style, size_px, texture: texture.clone() };
    ui.data_mut(|data| data.insert_temp(id, Arc::new(drawn)));
    Some(texture)
}
