//! A thin brush over tiny-skia that draws in a scene's own coordinates.
//!
//! Every point goes through one map before it reaches the path, so the same figure can be drawn straight, tilted or
//! in perspective.

use tiny_skia::{
    Color, FillRule, GradientStop, LineCap, LineJoin, LinearGradient, Paint, Path, PathBuilder, Pixmap, Point,
    SpreadMode, Stroke, StrokeDash, Transform,
};

use super::num::{P, TAU, add, cos, scale, sin, sub};
use super::palette::Rgb;

pub struct Brush<'a> {
    pub to: &'a mut Pixmap,
    pub map: &'a dyn Fn(P) -> P,
    /// Pixels for one unit of length.
    pub unit: f32,
}

pub fn colour(rgb: Rgb, alpha: f32) -> Color {
    let [r, g, b] = rgb.map(|c| c.clamp(0.0, 1.0));
    Color::from_rgba(r, g, b, alpha.clamp(0.0, 1.0)).unwrap_or(Color::BLACK)
}

pub fn path(points: impl IntoIterator<Item = P>, close: bool) -> Option<Path> {
    let mut builder = PathBuilder::new();
    for (i, [x, y]) in points.into_iter().enumerate() {
        if i == 0 {
            builder.move_to(x, y);
        } else {
            builder.line_to(x, y);
        }
    }
    if close {
        builder.close();
    }
    builder.finish()
}

fn solid(rgb: Rgb, alpha: f32) -> Paint<'static> {
    let mut paint = Paint::default();
    paint.set_color(colour(rgb, alpha));
    paint
}

impl Brush<'_> {
    pub fn fill(&mut self, points: &[P], rgb: Rgb, alpha: f32) {
        let map = self.map;
        if let Some(path) = path(points.iter().map(|&p| map(p)), true) {
            self.to.fill_path(&path, &solid(rgb, alpha), FillRule::Winding, Transform::identity(), None);
        }
    }

    /// Fills with a gradient between two points of the scene.
    pub fn fade(&mut self, points: &[P], from: (P, Rgb, f32), until: (P, Rgb, f32)) {
        let map = self.map;
        let (a, b) = (map(from.0), map(until.0));
        let stops =
            vec![GradientStop::new(0.0, colour(from.1, from.2)), GradientStop::new(1.0, colour(until.1, until.2))];
        let shader = LinearGradient::new(
            Point::from_xy(a[0], a[1]),
            Point::from_xy(b[0], b[1]),
            stops,
            SpreadMode::Pad,
            Transform::identity(),
        );
        let (Some(shader), Some(path)) = (shader, path(points.iter().map(|&p| map(p)), true)) else {
            return self.fill(points, from.1, from.2);
        };
        let paint = Paint { shader, ..Paint::default() };
        self.to.fill_path(&path, &paint, FillRule::Winding, Transform::identity(), None);
    }

    /// A closed shape with rounded turns through these points.
    pub fn blob(&mut self, points: &[P], rgb: Rgb, alpha: f32) {
        self.fill(&rounded(points, true), rgb, alpha);
    }

    pub fn line(&mut self, points: &[P], width: f32, rgb: Rgb, alpha: f32) {
        self.stroke(points, width, rgb, alpha, None);
    }

    pub fn dashes(&mut self, points: &[P], width: f32, dash: [f32; 2], rgb: Rgb, alpha: f32) {
        let unit = self.unit;
        self.stroke(points, width, rgb, alpha, StrokeDash::new(vec![dash[0] * unit, dash[1] * unit], 0.0));
    }

    fn stroke(&mut self, points: &[P], width: f32, rgb: Rgb, alpha: f32, dash: Option<StrokeDash>) {
        let map = self.map;
        let Some(path) = path(points.iter().map(|&p| map(p)), false) else {
            return;
        };
        // A hairline below half a pixel fades instead of growing.
        let wanted = width * self.unit;
        let alpha = alpha * (wanted / 0.6).min(1.0);
        let stroke = Stroke {
            width: wanted.max(0.6),
            line_cap: LineCap::Round,
            line_join: LineJoin::Round,
            dash,
            ..Stroke::default()
        };
        self.to.stroke_path(&path, &solid(rgb, alpha), &stroke, Transform::identity(), None);
    }

    pub fn ellipse(&mut self, centre: P, radii: P, rgb: Rgb, alpha: f32) {
        self.fill(&ring(centre, radii), rgb, alpha);
    }
}

pub fn ring(centre: P, radii: P) -> Vec<P> {
    (0..24)
        .map(|i| {
            let a = TAU * i as f32 / 24.0;
            [centre[0] + radii[0] * cos(a), centre[1] + radii[1] * sin(a)]
        })
        .collect()
}

/// A Catmull-Rom curve through the points, five steps a span.
pub fn rounded(points: &[P], closed: bool) -> Vec<P> {
    let n = points.len();
    if n < 3 {
        return points.to_vec();
    }
    let at = |i: isize| {
        if closed { points[i.rem_euclid(n as isize) as usize] } else { points[i.clamp(0, n as isize - 1) as usize] }
    };
    let spans = if closed { n } else { n - 1 };
    let mut out = Vec::with_capacity(spans * 5 + 1);
    for span in 0..spans as isize {
        let [p0, p1, p2, p3] = [at(span - 1), at(span), at(span + 1), at(span + 2)];
        for step in 0..5 {
            let t = step as f32 / 5.0;
            let (t2, t3) = (t * t, t * t * t);
            let a = scale(p1, 2.0);
            let b = scale(sub(p2, p0), t);
            let c = scale(add(sub(scale(p0, 2.0), scale(p1, 5.0)), sub(scale(p2, 4.0), p3)), t2);
            let d = scale(add(sub(scale(p1, 3.0), p0), sub(p3, scale(p2, 3.0))), t3);
            out.push(scale(add(add(a, b), add(c, d)), 0.5));
        }
    }
    if !closed {
        out.push(points[n - 1]);
    }
    out
}

/// Blurs a picture: two box passes each way.
pub fn blur(pixmap: &mut Pixmap, radius: usize) {
    let (w, h) = (pixmap.width() as usize, pixmap.height() as usize);
    box_blur::<4>(pixmap.data_mut(), w, h, radius);
}

/// The same for a single plane.
pub fn blur_plane(plane: &mut [u8], width: usize, height: usize, radius: usize) {
    box_blur::<1>(plane, width, height, radius);
}

fn box_blur<const N: usize>(data: &mut [u8], w: usize, h: usize, radius: usize) {
    if radius == 0 || w == 0 || h == 0 {
        return;
    }
    let full = (2 * radius + 1) as u32;
    let inverse = (65536 + full / 2) / full;
    let r = radius as isize;
    let mut copy = vec![0u8; data.len()];
    let row = w * N;
    for _ in 0..2 {
        copy.copy_from_slice(data);
        for (to, from) in data.chunks_exact_mut(row).zip(copy.chunks_exact(row)) {
            let at = |i: isize, c: usize| u32::from(from[i.clamp(0, w as isize - 1) as usize * N + c]);
            let mut sum = [0u32; N];
            for (c, sum) in sum.iter_mut().enumerate() {
                *sum = (-r..=r).map(|i| at(i, c)).sum();
            }
            for x in 0..w as isize {
                for c in 0..N {
                    to[x as usize * N + c] = ((sum[c] * inverse + 32768) >> 16).min(255) as u8;
                    sum[c] = sum[c] + at(x + r + 1, c) - at(x - r, c);
                }
            }
        }
        // Down the columns a whole row at a time, which the cache likes better.
        copy.copy_from_slice(data);
        let line = |y: isize| &copy[y.clamp(0, h as isize - 1) as usize * row..][..row];
        let mut sums = vec![0u32; row];
        for y in -r..=r {
            for (sum, &v) in sums.iter_mut().zip(line(y)) {
                *sum += u32::from(v);
            }
        }
        for y in 0..h as isize {
            let (gone, come) = (line(y - r), line(y + r + 1));
            let to = &mut data[y as usize * row..][..row];
            for i in 0..row {
                to[i] = ((sums[i] * inverse + 32768) >> 16).min(255) as u8;
                sums[i] = sums[i] + u32::from(come[i]) - u32::from(gone[i]);
            }
        }
    }
}

/// Twice the size, interpolated.
pub fn enlarge(small: &Pixmap, to: &mut Pixmap) {
    let (sw, sh) = (small.width() as usize, small.height() as usize);
    let (w, h) = (to.width() as usize, to.height() as usize);
    let from = small.data().as_chunks::<4>().0;
    for (index, pixel) in to.data_mut().as_chunks_mut::<4>().0.iter_mut().enumerate() {
        let (x, y) = (index % w, index / w % h);
        // Pixel centres of the large picture lie a quarter off those of the small one.
        let place = |i: usize, count: usize| {
            let near = (i / 2).min(count - 1);
            let next = if i.is_multiple_of(2) { near.saturating_sub(1) } else { (near + 1).min(count - 1) };
            (near, next)
        };
        let ((x0, x1), (y0, y1)) = (place(x, sw), place(y, sh));
        let (a, b, c, d) = (from[y0 * sw + x0], from[y0 * sw + x1], from[y1 * sw + x0], from[y1 * sw + x1]);
        for k in 0..4 {
            let sum = 9 * u32::from(a[k]) + 3 * u32::from(b[k]) + 3 * u32::from(c[k]) + u32::from(d[k]);
            pixel[k] = ((sum + 8) / 16) as u8;
        }
    }
}
