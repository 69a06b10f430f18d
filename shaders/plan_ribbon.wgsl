// Ribbons and their round ends: one instance a flow.
#import common/plan.wgsl

const SEGMENTS: u32 = 32u;
// Beyond a shape's border, for pixels that it covers in part.
const FRINGE: f32 = 1.0;

struct FlowInstance {
    // In the query square, 0..1.
    @location(0) start: vec2<f32>,
    // In the gallery square.
    @location(1) end: vec2<f32>,
    // Mass of the plan's largest, of its row's and of its column's.
    @location(2) shares: vec3<f32>,
    // Query cell and gallery cell.
    @location(3) cells: vec2<u32>,
    @location(4) color: vec4<f32>,
}

struct Edge {
    @builtin(position) position: vec4<f32>,
    // Premultiplied.
    @location(0) color: vec4<f32>,
    // In pixels: across a ribbon in x, or from the centre of an end in both.
    @location(1) offset: vec2<f32>,
    @location(2) radius: f32,
}

fn is_pointed_at(cells: vec2<u32>) -> bool {
    return (plan.pointed == POINTED_QUERY && cells.x == plan.pointed_query)
        || (plan.pointed == POINTED_GALLERY && cells.y == plan.pointed_gallery)
        || (plan.pointed == POINTED_FLOW && cells.x == plan.pointed_query && cells.y == plan.pointed_gallery);
}

fn resting_opacity(share: f32) -> f32 {
    return 0.14 + 0.62 * share;
}

// Opacity among all flows. What is pointed at is drawn afterwards, on top.
fn base_opacity(flow: FlowInstance) -> f32 {
    if (is_pointed_at(flow.cells)) {
        return 0.0;
    }
    return resting_opacity(flow.shares.x) * mix(1.0, 0.06, plan.amount) * plan.opacity;
}

fn lit_opacity(flow: FlowInstance) -> f32 {
    let before = select(0.0, resting_opacity(flow.shares.x), flow.shares.x >= plan.least_share);
    let share = select(flow.shares.y, flow.shares.z, plan.pointed == POINTED_GALLERY);
    return mix(before, 0.30 + 0.62 * share, plan.amount) * plan.opacity;
}

fn nowhere() -> Edge {
    var out: Edge;
    out.position = vec4<f32>(2.0, 2.0, 0.0, 1.0);
    return out;
}

// A cubic with horizontal tangents at both ends and control points half way.
fn ribbon(flow: FlowInstance, index: u32, opacity: f32) -> Edge {
    if (opacity <= 0.0) {
        return nowhere();
    }
    let a = at_in(plan.query_rect, flow.start);
    let b = at_in(plan.gallery_rect, flow.end);
    let t = f32(index / 2u) / f32(SEGMENTS);
    let s = 1.0 - t;
    let middle = 0.5 * (a.x + b.x);
    let at = vec2<f32>(
        s * s * s * a.x + 3.0 * s * t * middle + t * t * t * b.x,
        (s * s * s + 3.0 * s * s * t) * a.y + (3.0 * s * t * t + t * t * t) * b.y,
    );
    let along = vec2<f32>(
        (s * s + t * t) * 0.5 * (b.x - a.x),
        2.0 * s * t * (b.y - a.y),
    );
    let length_along = length(along);
    let tangent = select(vec2<f32>(1.0, 0.0), along / max(length_along, 1e-6), length_along > 1e-6);
    let half_width = 0.5 * (1.0 + 4.4 * flow.shares.x) * plan.pixels_per_point;
    let across = (f32(index & 1u) * 2.0 - 1.0) * (half_width + FRINGE);
    var out: Edge;
    out.position = clip_from_view(at + vec2<f32>(-tangent.y, tangent.x) * across);
    out.color = vec4<f32>(flow.color.rgb * opacity, opacity);
    out.offset = vec2<f32>(across, 0.0);
    out.radius = half_width;
    return out;
}

// Twelve vertices: a quad at the start, a quad at the end.
fn ends(flow: FlowInstance, index: u32, ribbon_opacity: f32) -> Edge {
    if (ribbon_opacity <= 0.0) {
        return nowhere();
    }
    let resting = (resting_opacity(flow.shares.x) + 0.2) / resting_opacity(flow.shares.x);
    let opacity = min(ribbon_opacity * resting, 1.0);
    let centre = select(at_in(plan.gallery_rect, flow.end), at_in(plan.query_rect, flow.start), index < 6u);
    // Two triangles: corners 0 1 2 and 2 1 3.
    let k = index % 6u;
    let corner = select(select(k, 5u - k, k > 2u), 3u, k == 5u);
    let radius = (2.0 + 2.6 * flow.shares.x) * plan.pixels_per_point;
    let direction = vec2<f32>(f32(corner & 1u), f32(corner >> 1u)) * 2.0 - 1.0;
    let offset = direction * (radius + FRINGE);
    var out: Edge;
    out.position = clip_from_view(centre + offset);
    out.color = vec4<f32>(flow.color.rgb * opacity, opacity);
    out.offset = offset;
    out.radius = radius;
    return out;
}

@vertex
fn base_ribbon_vertex(@builtin(vertex_index) index: u32, flow: FlowInstance) -> Edge {
    return ribbon(flow, index, base_opacity(flow));
}

@vertex
fn lit_ribbon_vertex(@builtin(vertex_index) index: u32, flow: FlowInstance) -> Edge {
    return ribbon(flow, index, lit_opacity(flow));
}

@vertex
fn base_end_vertex(@builtin(vertex_index) index: u32, flow: FlowInstance) -> Edge {
    return ends(flow, index, base_opacity(flow));
}

@vertex
fn lit_end_vertex(@builtin(vertex_index) index: u32, flow: FlowInstance) -> Edge {
    return ends(flow, index, lit_opacity(flow));
}

@fragment
fn edge_fragment(in: Edge) -> @location(0) vec4<f32> {
    return in.color * coverage(length(in.offset) - in.radius);
}
