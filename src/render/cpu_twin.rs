//! The same scene drawn on the CPU: where there is no graphics device, and as the oracle of the shaders.
//!
//! Photos, heat and grid follow `plan_picture.wgsl` pixel by pixel; ribbons are strokes of tiny-skia, whose
//! edges differ from the shader's by parts of a pixel's coverage.

use tiny_skia::{Color, FillRule, LineCap, Paint, PathBuilder, Pixmap, PremultipliedColorU8, Stroke, Transform};

use super::color::{bytes, sequential};
use super::picture::{Level, levels, sample, texel};
use super::plan_scene::{Flow, PlanScene, Pointed, between};
use super::style::{CellPaint, CellRef, GRID_OPACITY, PlanLayout, PlanStyle, Side, ribbon};

/// Draws onto transparent ground; `None` where the size has no pixels, or more than can be held.
pub fn draw(
    scene: &PlanScene,
    layout: &PlanLayout,
    style: &PlanStyle,
    size_px: [u32; 2],
    pixels_per_point: f32,
) -> Option<Pixmap> {
    let mut target = Pixmap::new(size_px[0], size_px[1])?;
    draw_onto(&mut target, scene, layout, style, [0.0, 0.0], pixels_per_point);
    Some(target)
}

/// Draws over what is there, with the view's top left at `origin_px`.
pub(super) fn draw_onto(
    target: &mut Pixmap,
    scene: &PlanScene,
    layout: &PlanLayout,
    style: &PlanStyle,
    origin_px: [f32; 2],
    pixels_per_point: f32,
) {
    let cells = [Side::Query, Side::Gallery]
        .iter()
        .all(|&side| scene.side(side).grid.cells() > 0 && style.window(side).is_drawable());
    if !(layout.is_drawable() && pixels_per_point > 0.0 && pixels_per_point.is_finite() && cells) {
        return;
    }
    let place = Place { layout, style, origin_px, pixels_per_point };
    for side in [Side::Query, Side::Gallery] {
        draw_square(target, scene, style, side, &place);
    }
    for flows in passes(scene, style) {
        for (flow, opacity) in &flows {
            draw_ribbon(target, scene, flow, *opacity, &place);
        }
        for (flow, opacity) in &flows {
            draw_ends(target, scene, flow, *opacity, &place);
        }
    }
}

/// All flows, then those that are pointed at: each with its ends above its ribbons, as the GPU draws them.
fn passes(scene: &PlanScene, style: &PlanStyle) -> [Vec<(Flow, f32)>; 2] {
    let mut base = scene.drawn(style);
    let lit = scene.shown(style).lit.len();
    let lit = base.split_off(base.len() - lit);
    [base, lit]
}

/// Where the view lies in the target.
struct Place<'a> {
    layout: &'a PlanLayout,
    style: &'a PlanStyle,
    origin_px: [f32; 2],
    pixels_per_point: f32,
}

impl Place<'_> {
    fn square_px(&self, side: Side) -> [f32; 4] {
        let [x, y] = self.origin_px;
        let [left, top, right, bottom] = self.layout.of(side).map(|at| at * self.pixels_per_point);
        [left + x, top + y, right + x, bottom + y]
    }

    /// What is out of sight ends at the border of what is seen.
    fn at_px(&self, side: Side, place: [f32; 2]) -> [f32; 2] {
        let [left, top, right, bottom] = self.square_px(side);
        let [u, v] = self.style.window(side).seen(place).map(|share| share.clamp(0.0, 1.0));
        [left + u * (right - left), top + v * (bottom - top)]
    }

    fn is_in_sight(&self, side: Side, place: [f32; 2]) -> bool {
        self.style.window(side).seen(place).iter().all(|share| (0.0..=1.0).contains(share))
    }
}

fn draw_square(target: &mut Pixmap, scene: &PlanScene, style: &PlanStyle, side: Side, place: &Place<'_>) {
    let photo = scene.side(side);
    let [left, top, right, bottom] = place.square_px(side);
    let size = [right - left, bottom - top];
    let [l, t, r, b] = photo.picture.content;
    let ([l, t], [r, b]) = (style.window(side).seen([l, t]), style.window(side).seen([r, b]));
    let content_px = [l * size[0], t * size[1], r * size[0], b * size[1]];
    let radius = style.corner_radius * place.pixels_per_point;
    let shades = Shades {
        scene,
        style,
        side,
        levels: levels(&photo.picture.pixels),
        size,
        pixels_per_point: place.pixels_per_point,
    };
    let (width, height) = (target.width(), target.height());
    let columns = left.floor().max(0.0) as u32..(right.ceil().max(0.0) as u32).min(width);
    let rows = top.floor().max(0.0) as u32..(bottom.ceil().max(0.0) as u32).min(height);
    let pixels = target.pixels_mut();
    for y in rows {
        for x in columns.clone() {
            let at = [x as f32 + 0.5 - left, y as f32 + 0.5 - top];
            if at[0] < 0.0 || at[1] < 0.0 || at[0] >= size[0] || at[1] >= size[1] {
                continue;
            }
            let inside_square = coverage(rounded_box(at, [0.0, 0.0, size[0], size[1]], radius));
            let inside_photo = coverage(rounded_box(at, content_px, radius)).min(inside_square);
            let color = shades.at(at, inside_square, inside_photo);
            let pixel = &mut pixels[(y * width + x) as usize];
            let below = [pixel.red(), pixel.green(), pixel.blue(), pixel.alpha()].map(|c| f32::from(c) / 255.0);
            *pixel = quantised(over(color, below));
        }
    }
}

/// The colours of one square, as `picture_fragment` computes them.
struct Shades<'a> {
    scene: &'a PlanScene,
    style: &'a PlanStyle,
    side: Side,
    levels: Vec<Level>,
    size: [f32; 2],
    pixels_per_point: f32,
}

impl Shades<'_> {
    fn at(&self, at: [f32; 2], inside_square: f32, inside_photo: f32) -> [f32; 4] {
        let photo = self.scene.side(self.side);
        let window = self.style.window(self.side);
        let uv = window.place([at[0] / self.size[0], at[1] / self.size[1]]);
        let mut out = [0.0; 4];
        if self.style.photos {
            let [r, g, b, a] = self.style.padding.map(|x| f32::from(x) / 255.0);
            out = [r * a, g * a, b * a, a].map(|c| c * inside_square);
            let [left, top, right, bottom] = photo.picture.content;
            let [width, height] = [self.levels[0].width as f32, self.levels[0].height as f32];
            let [tx, ty] = [0.5 / width, 0.5 / height];
            let u = uv[0].max(left + tx).min((right - tx).max(left + tx));
            let v = uv[1].max(top + ty).min((bottom - ty).max(top + ty));
            let texels = (width * window.size / self.size[0]).max(height * window.size / self.size[1]);
            let [r, g, b] = if self.style.nearest && texels < 1.0 {
                texel(&self.levels[0], u, v)
            } else {
                sample(&self.levels, u, v, texels)
            };
            out = over([r, g, b, 1.0].map(|c| c * inside_photo), out);
        }

        let share = [uv[0] * photo.grid.columns as f32, uv[1] * photo.grid.rows as f32];
        let column = (share[0] as usize).min(photo.grid.columns - 1);
        let row = (share[1] as usize).min(photo.grid.rows - 1);
        out = over(self.heat(row * photo.grid.columns + column).map(|c| c * inside_square), out);

        if self.style.grid_lines {
            let line = |share: f32, count: usize, size: f32, half_width: f32| {
                if count < 2 {
                    return 0.0;
                }
                let nearest = share.round_ties_even().clamp(1.0, (count - 1) as f32);
                let distance = (share - nearest).abs() * size / (count as f32 * window.size);
                (half_width + 0.5 - distance).clamp(0.0, 1.0)
            };
            let half_width = 0.5 * self.pixels_per_point;
            let white = line(share[0], photo.grid.columns, self.size[0], half_width).max(line(
                share[1],
                photo.grid.rows,
                self.size[1],
                half_width,
            ));
            out = over([white * GRID_OPACITY * inside_photo; 4], out);
        }
        out
    }

    fn heat(&self, cell: usize) -> [f32; 4] {
        if !self.style.heat {
            return [0.0; 4];
        }
        let (scene, style) = (self.scene, self.style);
        let blend = style.blended();
        let (own, own_share) = scene.side(self.side).at(cell, blend);
        let pointed = scene.pointed(style);
        let is = |this: usize| f32::from(u8::from(cell == this));
        let of_max =
            |q: usize, g: usize| pointed.map_or(0.0, |pointed| scene.share_of_pointed(pointed, q, g, blend)).min(1.0);
        let (color, share) = match (pointed, self.side) {
            (None, _) => (own, 0.0),
            (Some(Pointed::Cell(CellRef { side: Side::Query, cell: q })), Side::Query) => (own, is(q)),
            (Some(Pointed::Cell(CellRef { side: Side::Query, cell: q })), Side::Gallery) => {
                (scene.query.colors[q], of_max(q, cell))
            }
            (Some(Pointed::Cell(CellRef { side: Side::Gallery, cell: g })), Side::Query) => (own, of_max(cell, g)),
            (Some(Pointed::Cell(CellRef { side: Side::Gallery, cell: g })), Side::Gallery) => (own, is(g)),
            (Some(Pointed::Flow(q, _)), Side::Query) => (own, is(q)),
            (Some(Pointed::Flow(q, g)), Side::Gallery) => (scene.query.colors[q], is(g)),
        };
        let amount = if pointed.is_some() { style.hover_amount.clamp(0.0, 1.0) } else { 0.0 };
        let floor = style.paint.floor();
        let lift = |share: f32| floor + (1.0 - floor) * share;
        let [resting, lit] = style.paint.opacities();
        let alpha = between(resting * lift(own_share), lit * lift(share), amount);
        let color = if style.paint == CellPaint::Heat {
            sequential(between(own_share, share, amount))
        } else {
            std::array::from_fn(|i| between(own[i], color[i], amount))
        };
        premultiplied(color, alpha * style.opacity)
    }
}

fn premultiplied([r, g, b]: [f32; 3], alpha: f32) -> [f32; 4] {
    [r * alpha, g * alpha, b * alpha, alpha]
}

fn over(top: [f32; 4], below: [f32; 4]) -> [f32; 4] {
    std::array::from_fn(|i| top[i] + below[i] * (1.0 - top[3]))
}

fn quantised(color: [f32; 4]) -> PremultipliedColorU8 {
    let [r, g, b, a] = color.map(|c| (c.clamp(0.0, 1.0) * 255.0).round() as u8);
    // A premultiplied channel is never above alpha, but rounding may say so.
    PremultipliedColorU8::from_rgba(r.min(a), g.min(a), b.min(a), a).unwrap_or(PremultipliedColorU8::TRANSPARENT)
}

fn coverage(distance: f32) -> f32 {
    (0.5 - distance).clamp(0.0, 1.0)
}

/// Signed distance from a box with round corners, in pixels.
fn rounded_box(at: [f32; 2], [left, top, right, bottom]: [f32; 4], radius: f32) -> f32 {
    let half = [0.5 * (right - left), 0.5 * (bottom - top)];
    let r = radius.min(half[0].min(half[1]));
    let dx = (at[0] - 0.5 * (left + right)).abs() - half[0] + r;
    let dy = (at[1] - 0.5 * (top + bottom)).abs() - half[1] + r;
    dx.max(0.0).hypot(dy.max(0.0)) + dx.max(dy).min(0.0) - r
}

fn paint(scene: &PlanScene, flow: &Flow, opacity: f32) -> Paint<'static> {
    let [r, g, b] = bytes(scene.color_of(flow.query)).map(|c| f32::from(c) / 255.0);
    let mut paint = Paint { anti_alias: true, ..Paint::default() };
    paint.set_color(Color::from_rgba(r, g, b, opacity.clamp(0.0, 1.0)).unwrap_or(Color::TRANSPARENT));
    paint
}

fn draw_ribbon(target: &mut Pixmap, scene: &PlanScene, flow: &Flow, opacity: f32, place: &Place<'_>) {
    if opacity <= 0.0 {
        return;
    }
    let whole = place.is_in_sight(Side::Query, flow.start) && place.is_in_sight(Side::Gallery, flow.end);
    let opacity = opacity * if whole { 1.0 } else { ribbon::OUT_OF_SIGHT };
    let [ax, ay] = place.at_px(Side::Query, flow.start);
    let [bx, by] = place.at_px(Side::Gallery, flow.end);
    let middle = 0.5 * (ax + bx);
    let mut path = PathBuilder::new();
    path.move_to(ax, ay);
    path.cubic_to(middle, ay, middle, by, bx, by);
    let stroke = Stroke {
        width: ribbon::width(flow.share) * place.pixels_per_point,
        line_cap: LineCap::Butt,
        ..Stroke::default()
    };
    if let Some(path) = path.finish() {
        target.stroke_path(&path, &paint(scene, flow, opacity), &stroke, Transform::identity(), None);
    }
}

fn draw_ends(target: &mut Pixmap, scene: &PlanScene, flow: &Flow, opacity: f32, place: &Place<'_>) {
    if opacity <= 0.0 {
        return;
    }
    let resting = ribbon::opacity(flow.share);
    let opacity = (opacity * (resting + ribbon::END_OPACITY) / resting).min(1.0);
    let radius = ribbon::end_radius(flow.share) * place.pixels_per_point;
    for (side, end) in [(Side::Query, flow.start), (Side::Gallery, flow.end)] {
        if !place.is_in_sight(side, end) {
            continue;
        }
        let [x, y] = place.at_px(side, end);
        if let Some(circle) = PathBuilder::from_circle(x, y, radius) {
            let paint = paint(scene, flow, opacity);
            target.fill_path(&circle, &paint, FillRule::Winding, Transform::identity(), None);
        }
    }
}
