// One square: photo, padding, heat and grid lines.
#import common/plan.wgsl

@group(1) @binding(0) var photo: texture_2d<f32>;
@group(1) @binding(1) var photo_sampler: sampler;
// One texel a cell: heat colour, and in alpha its mass of the side's largest.
@group(1) @binding(2) var cells: texture_2d<f32>;
// Query photo's cells, for the colour of what is pointed at.
@group(1) @binding(3) var query_cells: texture_2d<f32>;
// The plan as shares of its largest mass: x = gallery cell, y = query cell.
@group(1) @binding(4) var masses: texture_2d<f32>;

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

fn mass_of(query: u32, gallery: u32) -> f32 {
    return textureLoad(masses, vec2<i32>(i32(gallery), i32(query)), 0).r;
}

// Heat of a cell, premultiplied.
fn heat(side: u32, cell: u32, columns: u32) -> vec4<f32> {
    let own = textureLoad(cells, cell_texel(cell, columns), 0);
    let resting = plan.heat_opacity * own.a;
    var color = own.rgb;
    var share = 0.0;
    if (plan.pointed == POINTED_QUERY) {
        if (side == 0u) {
            share = select(0.0, 1.0, cell == plan.pointed_query);
        } else {
            share = mass_of(plan.pointed_query, cell) / max(plan.pointed_max, 1e-30);
            color = textureLoad(query_cells, cell_texel(plan.pointed_query, plan.query_grid.x), 0).rgb;
        }
    } else if (plan.pointed == POINTED_GALLERY) {
        if (side == 0u) {
            share = mass_of(cell, plan.pointed_gallery) / max(plan.pointed_max, 1e-30);
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
    let pointed = plan.lit_heat_opacity * min(share, 1.0);
    let alpha = mix(resting, pointed, plan.amount) * plan.opacity;
    return vec4<f32>(mix(own.rgb, color, plan.amount) * alpha, alpha);
}

@fragment
fn picture_fragment(in: Corner) -> @location(0) vec4<f32> {
    let is_query = in.side == 0u;
    let rect = select(plan.gallery_rect, plan.query_rect, is_query);
    let content = select(plan.gallery_content, plan.query_content, is_query);
    let grid = select(plan.gallery_grid, plan.query_grid, is_query);
    let size = rect.zw - rect.xy;
    let at = in.uv * size;
    let content_px = content * vec4<f32>(size, size);

    // Stays half a texel inside the photo, so that padding does not bleed into its border.
    let texel = 0.5 / vec2<f32>(textureDimensions(photo, 0));
    let low = content.xy + texel;
    let sampled = textureSample(photo, photo_sampler, clamp(in.uv, low, max(content.zw - texel, low))).rgb;

    let inside_square = coverage(rounded_box(at, vec4<f32>(0.0, 0.0, size), plan.corner_radius));
    let inside_photo = coverage(rounded_box(at, content_px, plan.corner_radius));
    var out = plan.padding * inside_square * plan.photo;
    out = over(vec4<f32>(sampled, 1.0) * inside_photo * plan.photo, out);

    let share = in.uv * vec2<f32>(grid);
    let cell = min(vec2<u32>(max(share, vec2<f32>(0.0))), grid - vec2<u32>(1u));
    out = over(heat(in.side, cell.y * grid.x + cell.x, grid.x) * inside_square, out);

    // Lines between cells; none along the border.
    let nearest = clamp(round(share), vec2<f32>(1.0), max(vec2<f32>(grid) - 1.0, vec2<f32>(1.0)));
    let distance = abs(share - nearest) * size / vec2<f32>(grid);
    let has_line = vec2<f32>(grid) > vec2<f32>(1.5);
    let half_width = 0.5 * plan.pixels_per_point;
    let line = select(vec2<f32>(0.0), clamp(half_width + 0.5 - distance, vec2<f32>(0.0), vec2<f32>(1.0)), has_line);
    let white = max(line.x, line.y) * plan.grid_opacity * inside_photo;
    return over(vec4<f32>(white), out);
}
