//! Rust mirrors of the structs in `shaders/`. Keep in sync with `common/plan.wgsl` and `plan_ribbon.wgsl`;
//! a test compares them with the shaders' own layout.

use bytemuck::{Pod, Zeroable};

use super::plan_scene::{Flow, PlanScene, Pointed};
use super::style::{CellPaint, CellRef, GRID_OPACITY, PlanLayout, PlanStyle, Side};

#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
pub(super) struct PlanUniforms {
    pub query_rect: [f32; 4],
    pub gallery_rect: [f32; 4],
    pub query_content: [f32; 4],
    pub gallery_content: [f32; 4],
    pub padding: [f32; 4],
    /// Left, top and side of what is seen.
    pub query_window: [f32; 3],
    pub nearest: f32,
    pub gallery_window: [f32; 3],
    pub heat_scale: f32,
    pub query_grid: [u32; 2],
    pub gallery_grid: [u32; 2],
    pub view_size: [f32; 2],
    pub pixels_per_point: f32,
    pub corner_radius: f32,
    pub pointed: u32,
    pub pointed_query: u32,
    pub pointed_gallery: u32,
    pub pointed_max: f32,
    pub amount: f32,
    pub opacity: f32,
    pub least_share: f32,
    pub photo: f32,
    pub heat_opacity: f32,
    pub lit_heat_opacity: f32,
    pub grid_opacity: f32,
    pub heat_floor: f32,
    pub blend: f32,
    pub was_least_share: f32,
    pub was_pointed_max: f32,
    pub unused: f32,
}

/// `POINTED_*` of the shader.
const POINTED_NOTHING: u32 = 0;
const POINTED_QUERY: u32 = 1;
const POINTED_GALLERY: u32 = 2;
const POINTED_FLOW: u32 = 3;

impl PlanUniforms {
    pub fn new(
        scene: &PlanScene,
        layout: &PlanLayout,
        style: &PlanStyle,
        view_size: [f32; 2],
        pixels_per_point: f32,
    ) -> Self {
        let pixels = |square: [f32; 4]| square.map(|x| x * pixels_per_point);
        let grid = |side: Side| [scene.side(side).grid.columns as u32, scene.side(side).grid.rows as u32];
        let pointed = scene.pointed(style);
        let (kind, query, gallery) = match pointed {
            None => (POINTED_NOTHING, 0, 0),
            Some(Pointed::Cell(CellRef { side: Side::Query, cell })) => (POINTED_QUERY, cell, 0),
            Some(Pointed::Cell(CellRef { side: Side::Gallery, cell })) => (POINTED_GALLERY, 0, cell),
            Some(Pointed::Flow(query, gallery)) => (POINTED_FLOW, query, gallery),
        };
        let shown = scene.shown(style);
        let pointed_max = |masses| pointed.map_or(0.0, |pointed| PlanScene::pointed_max(masses, pointed));
        let [heat_opacity, lit_heat_opacity] = style.paint.opacities().map(|it| if style.heat { it } else { 0.0 });
        let window = |side| {
            let window = style.window(side);
            [window.left, window.top, window.size]
        };
        let flag = |on: bool| f32::from(u8::from(on));
        let [r, g, b, a] = style.padding.map(|x| f32::from(x) / 255.0);
        Self {
            query_rect: pixels(layout.query),
            gallery_rect: pixels(layout.gallery),
            query_content: scene.query.picture.content,
            gallery_content: scene.gallery.picture.content,
            padding: [r * a, g * a, b * a, a],
            query_window: window(Side::Query),
            nearest: flag(style.nearest),
            gallery_window: window(Side::Gallery),
            heat_scale: flag(style.paint == CellPaint::Heat),
            query_grid: grid(Side::Query),
            gallery_grid: grid(Side::Gallery),
            view_size,
            pixels_per_point,
            corner_radius: style.corner_radius * pixels_per_point,
            pointed: kind,
            pointed_query: query as u32,
            pointed_gallery: gallery as u32,
            pointed_max: pointed_max(&scene.now),
            amount: if pointed.is_some() { style.hover_amount.clamp(0.0, 1.0) } else { 0.0 },
            opacity: style.opacity,
            least_share: shown.least_share,
            photo: flag(style.photos),
            heat_opacity,
            lit_heat_opacity,
            grid_opacity: if style.grid_lines { GRID_OPACITY } else { 0.0 },
            heat_floor: style.paint.floor(),
            blend: style.blended(),
            was_least_share: shown.was_least_share,
            was_pointed_max: pointed_max(scene.was()),
            unused: 0.0,
        }
    }
}

/// One flow, as `FlowInstance` of `plan_ribbon.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
pub(super) struct FlowInstance {
    pub start: [f32; 2],
    pub end: [f32; 2],
    /// Of the plan's largest mass, of its row's, of its column's.
    pub shares: [f32; 3],
    pub cells: [u32; 2],
    pub color: [u8; 4],
    /// Shares and heights in the plan before.
    pub was_shares: [f32; 3],
    pub was_heights: [f32; 2],
}

impl FlowInstance {
    pub const ATTRIBUTES: [wgpu::VertexAttribute; 7] = wgpu::vertex_attr_array![
        0 => Float32x2, 1 => Float32x2, 2 => Float32x3, 3 => Uint32x2, 4 => Unorm8x4, 5 => Float32x3, 6 => Float32x2
    ];

    pub fn new(flow: &Flow, color: [f32; 3]) -> Self {
        let [r, g, b] = super::color::bytes(color);
        Self {
            start: flow.start,
            end: flow.end,
            shares: [flow.share, flow.share_of_row, flow.share_of_column],
            cells: [flow.query as u32, flow.gallery as u32],
            color: [r, g, b, 255],
            was_shares: flow.was.shares,
            was_heights: flow.was.heights,
        }
    }
}

pub(super) const SEGMENTS: u32 = 32;
/// Vertices of a ribbon's strip.
pub(super) const RIBBON_VERTICES: u32 = 2 * (SEGMENTS + 1);
/// Vertices of a flow's two ends.
pub(super) const END_VERTICES: u32 = 12;
