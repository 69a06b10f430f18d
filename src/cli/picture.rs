//! Plans as files, for the terminal and for the window's "Save as PNG…".

use std::path::Path;

use super::CliError;
use crate::jobs::{PlanInfo, SavePlan};
use crate::render::{self, Painter, PlanSheet, PlanStyle, SheetTheme};

/// Wide enough for a slide or a column of print.
const WIDTH_PX: u32 = 1600;

/// Draws a plan with its legend and numbers and writes it as PNG.
pub fn write(plan: &PlanInfo, file: &Path) -> Result<(), CliError> {
    save(plan, file).map_err(CliError::Failure)
}

/// What the window's background calls.
pub fn saver() -> SavePlan {
    Box::new(save)
}

fn save(plan: &PlanInfo, file: &Path) -> Result<(), String> {
    let sheet = PlanSheet {
        pair: &plan.pair,
        query: &plan.query_picture,
        gallery: &plan.gallery_picture,
        title: &plan.product.name,
        query_name: "Street photo",
        gallery_name: plan.hit.photo.as_str(),
        options: &plan.options,
        style: PlanStyle::default(),
        theme: SheetTheme::LIGHT,
        width_px: WIDTH_PX,
    };
    let picture = render::plan_png(&sheet, Painter::Auto).map_err(|error| error.to_string())?;
    let mut png = Vec::new();
    let written = picture.write_to(&mut std::io::Cursor::new(&mut png), image::ImageFormat::Png);
    written.map_err(|error| format!("the picture cannot be written ({error}): {}", file.display()))?;
    std::fs::write(file, png).map_err(|error| format!("the picture cannot be written ({error}): {}", file.display()))
}
