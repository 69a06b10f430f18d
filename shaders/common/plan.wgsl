// What all parts of a plan's picture share. Keep in sync with render/gpu_types.rs and render/style.rs.

struct PlanUniforms {
    // Squares in pixels of the view: left, top, right, bottom.
    query_rect: vec4<f32>,
    gallery_rect: vec4<f32>,
    // The part of each square that is photo, 0..1.
    query_content: vec4<f32>,
    gallery_content: vec4<f32>,
    // Premultiplied.
    padding: vec4<f32>,
    // What is seen of each square: left, top and side, 0..1.
    query_window: vec3<f32>,
    // 1 where magnified photos show their pixels as squares.
    nearest: f32,
    gallery_window: vec3<f32>,
    // 1 where heat is on the scale of values, not in the colours of where mass starts.
    heat_scale: f32,
    // Columns and rows.
    query_grid: vec2<u32>,
    gallery_grid: vec2<u32>,
    view_size: vec2<f32>,
    pixels_per_point: f32,
    corner_radius: f32,
    // What is pointed at: one of POINTED_*, and its cells.
    pointed: u32,
    pointed_query: u32,
    pointed_gallery: u32,
    // Largest mass of what is pointed at, of the plan's largest.
    pointed_max: f32,
    // How far the fading has come.
    amount: f32,
    opacity: f32,
    least_share: f32,
    // 1 where photos are drawn.
    photo: f32,
    heat_opacity: f32,
    lit_heat_opacity: f32,
    grid_opacity: f32,
    // Opacity of a cell without mass, of the heaviest one's.
    heat_floor: f32,
    // How far the plan before has turned into this one.
    blend: f32,
    was_least_share: f32,
    was_pointed_max: f32,
    unused: f32,
}

const POINTED_NOTHING: u32 = 0u;
const POINTED_QUERY: u32 = 1u;
const POINTED_GALLERY: u32 = 2u;
const POINTED_FLOW: u32 = 3u;

@group(0) @binding(0) var<uniform> plan: PlanUniforms;

fn clip_from_view(at: vec2<f32>) -> vec4<f32> {
    let ndc = 2.0 * at / plan.view_size - 1.0;
    return vec4<f32>(ndc.x, -ndc.y, 0.0, 1.0);
}

// Where a place of a square is seen in the view, 0..1 inside.
fn seen(window: vec3<f32>, place: vec2<f32>) -> vec2<f32> {
    return (place - window.xy) / window.z;
}

fn at_in(rect: vec4<f32>, share: vec2<f32>) -> vec2<f32> {
    return mix(rect.xy, rect.zw, share);
}

// How much of a pixel lies inside, by the distance of its centre from the border (negative inside).
fn coverage(distance: f32) -> f32 {
    return clamp(0.5 - distance, 0.0, 1.0);
}

fn over(top: vec4<f32>, below: vec4<f32>) -> vec4<f32> {
    return top + below * (1.0 - top.a);
}
