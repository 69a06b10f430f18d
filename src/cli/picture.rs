//! Plans as pictures, for the terminal and for what the window saves.

use std::path::Path;

use super::CliError;
use crate::data;
use crate::domain::{CropRect, PlanOverlay, PlanView};
use crate::jobs::{DrawPlan, PlanInfo, SaveSheet, SheetInfo};
use crate::render::{self, CellPaint, Painter, PlanSheet, PlanStyle, ResultSheet, SheetTheme, SheetTile};

/// Wide enough for a slide or a column of print.
const WIDTH_PX: u32 = 1600;

/// Draws a plan with its legend and numbers and writes it as PNG.
pub fn write(plan: &PlanInfo, view: &PlanView, file: &Path) -> Result<(), CliError> {
    let png = draw(plan, view).map_err(CliError::Failure)?;
    let failed = |error| CliError::Failure(format!("the picture cannot be written ({error}): {}", file.display()));
    std::fs::write(file, png).map_err(failed)
}

/// What the window's background calls.
pub fn drawer() -> DrawPlan {
    Box::new(draw)
}

fn style_of(view: &PlanView) -> PlanStyle {
    PlanStyle {
        ribbons: view.overlay == PlanOverlay::Ribbons,
        heat: view.overlay != PlanOverlay::Nothing,
        paint: match view.overlay {
            PlanOverlay::Ribbons | PlanOverlay::Nothing => CellPaint::Tint,
            PlanOverlay::Colours => CellPaint::Paired,
            PlanOverlay::Heat => CellPaint::Heat,
        },
        grid_lines: view.grid_lines,
        threshold: view.threshold,
        max_ribbons: view.ribbons,
        opacity: view.opacity,
        ..PlanStyle::default()
    }
}

/// The drawn plan, as PNG.
pub fn draw(plan: &PlanInfo, view: &PlanView) -> Result<Vec<u8>, String> {
    let sheet = PlanSheet {
        pair: &plan.pair,
        query: &plan.query_picture,
        gallery: &plan.gallery_picture,
        title: &plan.product.name,
        query_name: "Street photo",
        gallery_name: plan.hit.photo.as_str(),
        options: &plan.options,
        style: style_of(view),
        theme: SheetTheme::LIGHT,
        width_px: WIDTH_PX,
    };
    let picture = render::plan_png(&sheet, Painter::Auto).map_err(|error| error.to_string())?;
    let mut png = Vec::new();
    let written = picture.write_to(&mut std::io::Cursor::new(&mut png), image::ImageFormat::Png);
    written.map_err(|error| format!("the plan cannot be drawn ({error})"))?;
    Ok(png)
}

/// Tiles of a sheet at most; the whole list is in the CSV.
const TILES: usize = 60;
/// Side in pixels of a tile's photo.
const TILE_PX: u32 = 288;

/// What the window's background calls for a result list.
pub fn sheet_saver() -> SaveSheet {
    Box::new(save_sheet)
}

/// Draws a result list and writes it as PNG; what is folded behind another tile is only counted there.
pub fn save_sheet(info: &SheetInfo, file: &Path) -> Result<(), String> {
    let shown: Vec<usize> = (0..info.lines.len()).filter(|&at| info.lines[at].folded_behind.is_none()).collect();
    let behind = |rank: usize| info.lines.iter().filter(|line| line.folded_behind == Some(rank)).count();
    let tiles: Vec<SheetTile> = shown
        .iter()
        .take(TILES)
        .map(|&at| {
            let line = &info.lines[at];
            let picture = data::decode_file(&info.photos[at]).ok();
            let folded = behind(line.rank);
            let mut badges: Vec<String> = line.rules.clone();
            if folded > 0 {
                badges.push(format!("+{folded}"));
            }
            SheetTile {
                picture: picture.map(|picture| data::pixels(&data::shrink(&picture, TILE_PX)).into()),
                rank: line.rank,
                name: if line.name.is_empty() { line.product.clone() } else { line.name.clone() },
                words: line.attributes.get("price").cloned().unwrap_or_else(|| line.kind.clone()),
                score: line.score,
                badge: (!badges.is_empty()).then(|| badges.join(", ")),
            }
        })
        .collect();
    let (ranking, query) = (&info.ranking, &info.query);
    let options = &ranking.options;
    let mut lines = vec![
        format!("{} of {} photos, model {}", info.lines.len(), ranking.gallery_size, info.model),
        format!(
            "first {} compared by structure, weight {}, epsilon {}",
            options.rerank, options.structural_weight, options.epsilon
        ),
    ];
    lines.extend(ranking.shelf.options.filters.iter().map(ToString::to_string));
    if ranking.shelf.rules > 0 {
        lines.push(format!("{} merchandising rules, {} photos excluded", ranking.shelf.rules, ranking.shelf.excluded));
    }
    if shown.len() > TILES {
        lines.push(format!("the first {TILES} of {} tiles", shown.len()));
    }
    let scale = query.pixels.width as f32 / query.width.max(1) as f32;
    let crop = query.crop;
    let picture = render::result_png(&ResultSheet {
        query: &query.pixels,
        crop: CropRect::new(crop.x * scale, crop.y * scale, crop.width * scale, crop.height * scale),
        title: &query.name,
        lines: &lines,
        tiles: &tiles,
        theme: SheetTheme::LIGHT,
        width_px: WIDTH_PX,
    })
    .map_err(|error| error.to_string())?;
    let failed = |error: String| format!("the picture cannot be written ({error}): {}", file.display());
    let mut png = Vec::new();
    let written = picture.write_to(&mut std::io::Cursor::new(&mut png), image::ImageFormat::Png);
    written.map_err(|error| failed(error.to_string()))?;
    crate::project::write_beside(file, &png).map_err(|error| failed(error.to_string()))
}
