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
    // Shares, and heights of start and end, in the plan before.
    @location(5) was_shares: vec3<f32>,
    @location(6) was_heights: vec2<f32>,
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

// While the plan before turns into this one.
fn present(flow: FlowInstance) -> FlowInstance {
    var out = flow;
    out.shares = mix(flow.was_shares, flow.shares, plan.blend);
    out.start.y = mix(flow.was_heights.x, flow.start.y, plan.blend);
    out.end.y = mix(flow.was_heights.y, flow.end.y, plan.blend);
    return out;
}

fn shown_opacity(share: f32, least: f32) -> f32 {
    return select(0.0, resting_opacity(share), share >= least);
}

fn unpointed_opacity(flow: FlowInstance) -> f32 {
    let before = shown_opacity(flow.was_shares.x, plan.was_least_share);
    return mix(before, shown_opacity(flow.shares.x, plan.least_share), plan.blend);
}

// Opacity among all flows. What is pointed at is drawn afterwards, on top.
fn base_opacity(flow: FlowInstance) -> f32 {
    if (is_pointed_at(flow.cells)) {
        return 0.0;
    }
    return unpointed_opacity(flow) * mix(1.0, 0.06, plan.amount) * plan.opacity;
}

fn lit_opacity(flow: FlowInstance) -> f32 {
    let now = mix(flow.was_shares, flow.shares, plan.blend);
    let share = select(now.y, now.z, plan.pointed == POINTED_GALLERY);
    return mix(unpointed_opacity(flow), 0.30 + 0.62 * share, plan.amount) * plan.opacity;
}

fn query_end(flow: FlowInstance) -> vec2<f32> {
    return seen(plan.query_window, flow.start);
}

fn gallery_end(flow: FlowInstance) -> vec2<f32> {
    return seen(plan.gallery_window, flow.end);
}

fn in_sight(place: vec2<f32>) -> bool {
    return all(place >= vec2<f32>(0.0)) && all(place <= vec2<f32>(1.0));
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
    // What is out of sight ends at the border of what is seen.
    let a = at_in(plan.query_rect, clamp(query_end(flow), vec2<f32>(0.0), vec2<f32>(1.0)));
    let b = at_in(plan.gallery_rect, clamp(gallery_end(flow), vec2<f32>(0.0), vec2<f32>(1.0)));
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
    let whole = in_sight(query_end(flow)) && in_sight(gallery_end(flow));
    let alpha = opacity * select(0.3, 1.0, whole);
    var out: Edge;
    out.position = clip_from_view(at + vec2<f32>(-tangent.y, tangent.x) * across);
    out.color = vec4<f32>(flow.color.rgb * alpha, alpha);
    out.offset = vec2<f32>(across, 0.0);
    out.radius = half_width;
    return out;
}

// Twelve vertices: a quad at the start, a quad at the end.
fn ends(flow: FlowInstance, index: u32, ribbon_opacity: f32) -> Edge {
    if (ribbon_opacity <= 0.0) {
        return nowhere();
    }
    let place = select(gallery_end(flow), query_end(flow), index < 6u);
    if (!in_sight(place)) {
        return nowhere();
    }
    let resting = (resting_opacity(flow.shares.x) + 0.2) / resting_opacity(flow.shares.x);
    let opacity = min(ribbon_opacity * resting, 1.0);
    let centre = at_in(select(plan.gallery_rect, plan.query_rect, index < 6u), place);
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
    return ribbon(present(flow), index, base_opacity(flow));
}

@vertex
fn lit_ribbon_vertex(@builtin(vertex_index) index: u32, flow: FlowInstance) -> Edge {
    return ribbon(present(flow), index, lit_opacity(flow));
}

@vertex
fn base_end_vertex(@builtin(vertex_index) index: u32, flow: FlowInstance) -> Edge {
    return ends(present(flow), index, base_opacity(flow));
}

@vertex
fn lit_end_vertex(@builtin(vertex_index) index: u32, flow: FlowInstance) -> Edge {
    return ends(present(flow), index, lit_opacity(flow));
}

@fragment
fn edge_fragment(in: Edge) -> @location(0) vec4<f32> {
    return in.color * coverage(length(in.offset) - in.radius);
}
