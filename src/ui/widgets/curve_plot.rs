//! A few curves over shares from 0 to 1: one that matters, and a band that it is held against.

use egui::{Align2, Mesh, Pos2, Rect, Role, Sense, Shape, Stroke, Ui, Vec2, WidgetInfo};

use crate::ui::context::Ctx;
use crate::ui::tokens::{self, space};

pub struct CurvePlot<'a> {
    pub title: &'a str,
    /// The whole picture in words.
    pub words: &'a str,
    pub x_name: &'a str,
    pub shares: &'a [f32],
    pub curve: &'a [f32],
    /// Mean and deviation of what the curve is held against.
    pub band: &'a [(f32, f32)],
}

/// Room for the figures of the axes.
const LEFT: f32 = 34.0;
const BELOW: f32 = 30.0;
const ABOVE: f32 = 25.0;

impl CurvePlot<'_> {
    /// As wide as `width`.
    pub fn show(&self, ui: &mut Ui, ctx: &Ctx<'_>, width: f32, height: f32) {
        let tokens = ctx.tokens;
        let (outer, response) = ui.allocate_exact_size(Vec2::new(width, height), Sense::hover());
        response.widget_info(|| WidgetInfo::labeled(Role::Image, true, self.words));
        let frame = Rect::from_min_max(
            outer.min + Vec2::new(LEFT, ABOVE),
            Pos2::new(outer.right() - space::XS, outer.bottom() - BELOW),
        );
        let values = self.curve.iter().copied().chain(self.band.iter().flat_map(|&(m, d)| [m - d, m + d]));
        let (low, high) = values.fold((f32::MAX, f32::MIN), |(low, high), v| (low.min(v), high.max(v)));
        if frame.width() < 20.0 || frame.height() < 20.0 || self.shares.len() < 2 || low > high {
            return;
        }
        let margin = ((high - low) * 0.06).max(1e-3);
        let (low, high) = (low - margin, high + margin);
        let painter = ui.painter();
        let at = |share: f32, value: f32| {
            let up = (value - low) / (high - low);
            Pos2::new(frame.left() + share * frame.width(), frame.bottom() - up * frame.height())
        };
        painter.text(outer.left_top(), Align2::LEFT_TOP, self.title, tokens::small_strong(), tokens.text);
        let small = tokens::small();
        for step in 0..=2 {
            let value = low + (high - low) * step as f32 / 2.0;
            let y = at(0.0, value).y;
            painter.hline(frame.x_range(), y, tokens.hairline());
            let place = Pos2::new(frame.left() - space::XS, y);
            painter.text(place, Align2::RIGHT_CENTER, format!("{value:.2}"), small.clone(), tokens.dim);
        }
        for (share, align) in [(0.0, Align2::LEFT_TOP), (0.5, Align2::CENTER_TOP), (1.0, Align2::RIGHT_TOP)] {
            let place = Pos2::new(at(share, low).x, frame.bottom() + 2.0);
            painter.text(place, align, format!("{:.0} %", share * 100.0), small.clone(), tokens.dim);
        }
        let place = Pos2::new(frame.center().x, outer.bottom());
        painter.text(place, Align2::CENTER_BOTTOM, self.x_name, small, tokens.dim);

        let mut mesh = Mesh::default();
        let tint = tokens.dim.gamma_multiply(0.28);
        for (index, (&share, &(mean, deviation))) in self.shares.iter().zip(self.band).enumerate() {
            mesh.colored_vertex(at(share, mean + deviation), tint);
            mesh.colored_vertex(at(share, mean - deviation), tint);
            if index > 0 {
                let last = index as u32 * 2;
                mesh.add_triangle(last - 2, last - 1, last);
                mesh.add_triangle(last - 1, last, last + 1);
            }
        }
        painter.add(Shape::mesh(mesh));
        let mean: Vec<Pos2> = self.shares.iter().zip(self.band).map(|(&x, &(mean, _))| at(x, mean)).collect();
        painter.extend(Shape::dashed_line(&mean, Stroke::new(1.5, tokens.dim), 5.0, 4.0));
        let curve: Vec<Pos2> = self.shares.iter().zip(self.curve).map(|(&x, &y)| at(x, y)).collect();
        for &point in &curve {
            painter.circle_filled(point, 2.2, tokens.accent);
        }
        painter.line(curve, Stroke::new(2.0, tokens.accent));
    }
}
