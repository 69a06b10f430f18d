//! The picture of a transport plan: two photos, ribbons between their cells, heat on both.
//!
//! A [`PlanScene`] is plain data made from a match. The same scene is drawn by wgpu in the window
//! ([`PlanCallback`]), by wgpu offscreen or without any GPU ([`plan_png`]); the CPU drawing in [`cpu_twin`]
//! is also the oracle that the shaders are tested against. No widgets here, and nothing of projects.

mod callback;
mod color;
pub mod cpu_twin;
mod error;
mod gpu_types;
mod masses;
mod matrix;
mod offscreen;
mod picture;
mod plan_renderer;
mod plan_scene;
mod rebuilt;
mod result_sheet;
mod shader;
mod sheet;
mod style;
mod text;

#[cfg(test)]
mod tests;

pub use callback::{PlanCallback, install};
pub use color::{flow_color, sequential};
pub use error::RenderError;
pub use matrix::{MatrixMap, matrix_pixels, range_of, value_of};
pub use offscreen::{Painter, plan_png};
pub use plan_renderer::PlanGpu;
pub use plan_scene::{Flow, PlanScene};
pub use rebuilt::{Rebuild, rebuilt};
pub use result_sheet::{ResultSheet, SheetTile, result_png};
pub use sheet::{PlanSheet, SheetTheme};
pub use style::{CellPaint, CellRef, PlanLayout, PlanStyle, Side, Window};
