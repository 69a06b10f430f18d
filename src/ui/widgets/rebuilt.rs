//! The street photo beside itself, painted again with the product's cells.

use std::sync::Arc;

use egui::{Color32, ColorImage, Pos2, Rect, TextureHandle, TextureOptions, Ui};

use super::plan_view::{Squares, cells_at_ui, outline};
use crate::domain::Pixels;
use crate::jobs::types::PlanInfo;
use crate::render::{Rebuild, Side, rebuilt};
use crate::ui::context::Ctx;
use crate::ui::state::{Plan, Pointed};
use crate::ui::tokens::radius;

/// What the picture on the right is, in one sentence.
pub fn caption(rebuild: Rebuild) -> &'static str {
    match rebuild {
        Rebuild::Mixture => {
            "Right: each cell of the street photo painted with all product cells that its mass goes to, mixed by mass"
        }
        Rebuild::Best => {
            "Right: each cell of the street photo painted with the one product cell that most of its mass goes to"
        }
    }
}

pub fn rebuilt_ui(ui: &mut Ui, ctx: &Ctx<'_>, plan: &Plan, layout: Squares) {
    let window = ctx.session.zoom.of(Side::Query);
    let uv = Rect::from_min_size(Pos2::new(window.left, window.top), egui::Vec2::splat(window.size));
    let textures = textures(ui, ctx, plan);
    let grid = plan.info.pair.plan.query();
    let squares = [
        ("Street photo cells", layout.query, textures.query),
        ("Rebuilt street photo cells", layout.gallery, textures.rebuilt),
    ];
    for (name, square, texture) in squares {
        ui.painter().rect_filled(square, radius::TILE, ctx.tokens.chip);
        if let Some(texture) = texture {
            let shape = egui::epaint::RectShape::filled(square, radius::TILE, Color32::WHITE);
            ui.painter().add(shape.with_texture(texture.id(), uv));
        }
        cells_at_ui(ui, ctx, name, square, grid, Side::Query);
        if let Some(Pointed::Query(cell) | Pointed::Flow(cell, _)) = ctx.session.pointed {
            outline(ui, ctx, square, window, grid, cell);
        }
    }
}

#[derive(Clone)]
struct Textures {
    query: Option<TextureHandle>,
    rebuilt: Option<TextureHandle>,
}

/// Made anew only where the plan or the way to paint it is another.
fn textures(ui: &Ui, ctx: &Ctx<'_>, plan: &Plan) -> Textures {
    struct Made {
        info: Arc<PlanInfo>,
        rebuild: Rebuild,
        nearest: bool,
        textures: Textures,
    }
    let id = egui::Id::unique("rebuilt street photo");
    let (rebuild, nearest) = (ctx.prefs.inspect.rebuild, ctx.prefs.inspect.nearest);
    let before: Option<Arc<Made>> = ui.data(|data| data.get_temp(id));
    let same =
        |made: &Arc<Made>| Arc::ptr_eq(&made.info, &plan.info) && (made.rebuild, made.nearest) == (rebuild, nearest);
    if let Some(made) = before.filter(same) {
        return made.textures.clone();
    }
    let filter = TextureOptions {
        magnification: if nearest { egui::TextureFilter::Nearest } else { egui::TextureFilter::Linear },
        ..TextureOptions::LINEAR
    };
    let load = |name: &str, pixels: &Pixels| Some(ui.ctx().load_texture(name, image(pixels)?, filter));
    let info = &plan.info;
    let textures = Textures {
        query: load("query square", &info.query_picture.pixels),
        rebuilt: load("rebuilt", &rebuilt(&info.pair, &info.gallery_picture, rebuild)),
    };
    let made = Made { info: info.clone(), rebuild, nearest, textures: textures.clone() };
    ui.data_mut(|data| data.insert_temp(id, Arc::new(made)));
    textures
}

/// For the screen; `None` where the bytes are not as many as the size says.
pub fn image(pixels: &Pixels) -> Option<ColorImage> {
    let size = [pixels.width as usize, pixels.height as usize];
    (pixels.rgba.len() == size[0] * size[1] * 4 && size[0] * size[1] > 0)
        .then(|| ColorImage::from_rgba_unmultiplied(size, &pixels.rgba))
}
