// One square: photo, padding, heat and grid lines.
#import common/plan.wgsl

@group(1) @binding(0) var photo: texture_2d<f32>;
@group(1) @binding(1) var photo_sampler: sampler;
// One texel a cell: heat colour, and in alpha its mass of the side's largest; below it the same of the plan before.
@group(1) @binding(2) var cells: texture_2d<f32>;
// Query photo's cells, for the colour of what is pointed at.
@group(1) @binding(3) var query_cells: texture_2d<f32>;
// The plan as shares of its largest mass, and the plan before: x = gallery cell, y = query cell.
@group(1) @binding(4) var masses: texture_2d<f32>;
// The scale of values, dark to bright.
@group(1) @binding(5) var scale: texture_2d<f32>;

struct Corner {
    @builtin(position) position: vec4<f32>,
    @location(0) uv: vec2<f32>,
    @location(1) @interpolate(flat) side: u32,
}

@vertex
fn picture_vertex(@builtin(vertex_index) index: u32, @location(0) side: u32) -> Corner {
    let rect = select(plan.gallery_rect, plan.query_rect, side == 0u);
    let uv = vec2<f32>(f32(index & 1u), f32(index >> 1u));
    var out: Corner;
    out.position = clip_from_view(at_in(rect, uv));
    out.uv = uv;
    out.side = side;
    return out;
}

// Signed distance from a box with round corners, in pixels.
fn rounded_box(at: vec2<f32>, box: vec4<f32>, radius: f32) -> f32 {
    let half_size = 0.5 * (box.zw - box.xy);
    let r = min(radius, min(half_size.x, half_size.y));
    let d = abs(at - 0.5 * (box.xy + box.zw)) - half_size + r;
    return length(max(d, vec2<f32>(0.0))) + min(max(d.x, d.y), 0.0) - r;
}

fn cell_texel(index: u32, columns: u32) -> vec2<i32> {
    return vec2<i32>(i32(index % columns), i32(index / columns));
}

// Share of what is pointed at.
fn share_of(query: u32, gallery: u32) -> f32 {
    let mass = textureLoad(masses, vec2<i32>(i32(gallery), i32(query)), 0).rg;
    let parts = mass / max(vec2<f32>(plan.pointed_max, plan.was_pointed_max), vec2<f32>(1e-30));
    return min(mix(parts.g, parts.r, plan.blend), 1.0);
}

fn lift(share: f32) -> f32 {
    return plan.heat_floor + (1.0 - plan.heat_floor) * share;
}

// Heat of a cell, premultiplied.
fn heat(side: u32, cell: u32, grid: vec2<u32>) -> vec4<f32> {
    let texel = cell_texel(cell, grid.x);
    let before = textureLoad(cells, texel + vec2<i32>(0, i32(grid.y)), 0);
    let own = mix(before, textureLoad(cells, texel, 0), plan.blend);
    var color = own.rgb;
    var share = 0.0;
    if (plan.pointed == POINTED_QUERY) {
        if (side == 0u) {
            share = select(0.0, 1.0, cell == plan.pointed_query);
        } else {
            share = share_of(plan.pointed_query, cell);
            color = textureLoad(query_cells, cell_texel(plan.pointed_query, plan.query_grid.x), 0).rgb;
        }
    } else if (plan.pointed == POINTED_GALLERY) {
        if (side == 0u) {
            share = share_of(cell, plan.pointed_gallery);
        } else {
            share = select(0.0, 1.0, cell == plan.pointed_gallery);
        }
    } else if (plan.pointed == POINTED_FLOW) {
        let here = select(plan.pointed_gallery, plan.pointed_query, side == 0u);
        share = select(0.0, 1.0, cell == here);
        if (side == 1u) {
            color = textureLoad(query_cells, cell_texel(plan.pointed_query, plan.query_grid.x), 0).rgb;
        }
    }
    let alpha = mix(plan.heat_opacity * lift(own.a), plan.lit_heat_opacity * lift(share), plan.amount) * plan.opacity;
    var tint = mix(own.rgb, color, plan.amount);
    if (plan.heat_scale > 0.5) {
        let value = clamp(mix(own.a, share, plan.amount), 0.0, 1.0);
        tint = textureLoad(scale, vec2<i32>(i32(round(value * 255.0)), 0), 0).rgb;
    }
    return vec4<f32>(tint * alpha, alpha);
}

@fragment
fn picture_fragment(in: Corner) -> @location(0) vec4<f32> {
    let is_query = in.side == 0u;
    let rect = select(plan.gallery_rect, plan.query_rect, is_query);
    let content = select(plan.gallery_content, plan.query_content, is_query);
    let grid = select(plan.gallery_grid, plan.query_grid, is_query);
    let window = select(plan.gallery_window, plan.query_window, is_query);
    let size = rect.zw - rect.xy;
    let at = in.uv * size;
    let place = window.xy + in.uv * window.z;
    let content_px = vec4<f32>(seen(window, content.xy), seen(window, content.zw)) * vec4<f32>(size, size);

    // Stays half a texel inside the photo, so that padding does not bleed into its border.
    let texels = vec2<f32>(textureDimensions(photo, 0));
    let low = content.xy + 0.5 / texels;
    let inside = clamp(place, low, max(content.zw - 0.5 / texels, low));
    let smoothed = textureSample(photo, photo_sampler, inside).rgb;
    let one = textureLoad(photo, vec2<i32>(min(inside * texels, texels - 1.0)), 0).rgb;
    let density = texels * window.z / size;
    let sampled = select(smoothed, one, plan.nearest > 0.5 && max(density.x, density.y) < 1.0);

    let inside_square = coverage(rounded_box(at, vec4<f32>(0.0, 0.0, size), plan.corner_radius));
    let inside_photo = min(coverage(rounded_box(at, content_px, plan.corner_radius)), inside_square);
    var out = plan.padding * inside_square * plan.photo;
    out = over(vec4<f32>(sampled, 1.0) * inside_photo * plan.photo, out);

    let share = place * vec2<f32>(grid);
    let cell = min(vec2<u32>(max(share, vec2<f32>(0.0))), grid - vec2<u32>(1u));
    out = over(heat(in.side, cell.y * grid.x + cell.x, grid) * inside_square, out);

    // Lines between cells; none along the border.
    let nearest = clamp(round(share), vec2<f32>(1.0), max(vec2<f32>(grid) - 1.0, vec2<f32>(1.0)));
    let distance = abs(share - nearest) * size / (vec2<f32>(grid) * window.z);
    let has_line = vec2<f32>(grid) > vec2<f32>(1.5);
    let half_width = 0.5 * plan.pixels_per_point;
    let line = select(vec2<f32>(0.0), clamp(half_width + 0.5 - distance, vec2<f32>(0.0), vec2<f32>(1.0)), has_line);
    let white = max(line.x, line.y) * plan.grid_opacity * inside_photo;
    return over(vec4<f32>(white), out);
}
