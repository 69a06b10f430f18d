//! A score as a bar in two parts: what the whole garment gives, and what its cells give.

use egui::{Painter, Rect, Vec2};

use crate::domain::{Hit, MatchOptions};
use crate::ui::figures;
use crate::ui::tokens::Tokens;

/// A score in parts that add up at the shown precision.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Parts {
    pub score: f64,
    pub global: f64,
    /// `structural_weight * structural`; `None` where it was not compared.
    pub structural: Option<f64>,
}

pub const DECIMALS: usize = 3;

impl Parts {
    pub fn of(hit: &Hit, options: &MatchOptions) -> Self {
        Self::new(hit.score, hit.global, hit.structural.map(|s| s * options.structural_weight))
    }

    pub fn new(score: f32, global: f32, structural: Option<f32>) -> Self {
        let parts = figures::adding_up(score, &[global, structural.unwrap_or(0.0)], DECIMALS);
        Self { score: parts[0] + parts[1], global: parts[0], structural: structural.map(|_| parts[1]) }
    }
}

/// Draws the bar; a full one is `full`.
pub fn score_bar(painter: &Painter, tokens: &Tokens, rect: Rect, parts: &Parts, full: f64) {
    painter.rect_filled(rect, 2, tokens.line);
    let width = |value: f64| ((value / full).clamp(0.0, 1.0) as f32) * rect.width();
    let global = width(parts.global);
    painter.rect_filled(Rect::from_min_size(rect.min, Vec2::new(global, rect.height())), 2, tokens.bar_global);
    if let Some(structural) = parts.structural {
        // A gap of a point keeps the two apart without their colours.
        let left = rect.left() + global + 1.0;
        let right = (left + width(structural)).min(rect.right());
        if right > left {
            let part = Rect::from_min_max(egui::pos2(left, rect.top()), egui::pos2(right, rect.bottom()));
            painter.rect_filled(part, 2, tokens.accent);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_tile_shows_adds_up() {
        let parts = Parts::new(0.9527, 0.5214, Some(0.4313));
        assert_eq!(format!("{:.3}", parts.score), "0.953");
        let sum = parts.global + parts.structural.unwrap();
        assert_eq!(format!("{sum:.3}"), "0.953");
        assert_eq!(Parts::new(0.4, 0.4, None).structural, None);
    }
}
