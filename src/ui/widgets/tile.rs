//! One product of the ranking.

use egui::{Align2, Color32, Pos2, Rect, Response, Role, Sense, Shape, Stroke, StrokeKind, Ui, Vec2, WidgetInfo};

use super::score_bar::{Parts, score_bar};
use super::{clipped_text, fitted, focus_ring, skeleton, whole_uv};
use crate::domain::{FoldedAs, Hit, ProductRecord};
use crate::ui::command::Command;
use crate::ui::context::Ctx;
use crate::ui::figures;
use crate::ui::fonts::icon;
use crate::ui::shelf::ShelfCommand;
use crate::ui::state::Said;
use crate::ui::thumbs::Thumb;
use crate::ui::tokens::{self, radius, size, space};

/// How a photo's place changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moved {
    Up(usize),
    Down(usize),
    Same,
    /// It was not among the results.
    New,
}

impl Moved {
    pub fn from_to(before: Option<usize>, now: usize) -> Self {
        match before {
            None => Self::New,
            Some(before) if before > now => Self::Up(before - now),
            Some(before) if before < now => Self::Down(now - before),
            Some(_) => Self::Same,
        }
    }

    fn words(self) -> String {
        match self {
            Self::Up(n) => format!("up {n}"),
            Self::Down(n) => format!("down {n}"),
            Self::Same => "same place".to_owned(),
            Self::New => "new".to_owned(),
        }
    }
}

pub struct Tile<'a> {
    pub hit: &'a Hit,
    pub product: Option<&'a ProductRecord>,
    pub parts: Parts,
    /// To the garment that it is to go with, which then stands for the score.
    pub distance: Option<f32>,
    /// The score of a full bar.
    pub full: f64,
    /// `None` before there is anything to compare with.
    pub moved: Option<Moved>,
    pub said: Option<Said>,
    pub selected: bool,
    /// Chosen together with others.
    pub picked: bool,
    /// How much more score this has than the next rank.
    pub gap: Option<f32>,
    /// How many hits are folded behind this one.
    pub behind: usize,
    /// Those are shown.
    pub expanded: bool,
    /// Why this one would be folded behind another, where it is shown all the same.
    pub folded: Option<FoldedAs>,
    /// Symbols and words of the rules that touched it.
    pub rules: Option<(Vec<&'static str>, String)>,
    /// It is to be compared side by side.
    pub on_tray: bool,
}

impl Tile<'_> {
    pub fn name(&self) -> &str {
        self.product.map_or(self.hit.product.as_str(), |product| product.name.as_str())
    }

    /// All that the tile shows, in words.
    fn words(&self) -> String {
        let mut words = format!("Rank {}: {}", self.hit.rank, self.name());
        words += &match self.distance {
            Some(distance) => format!(", distance {distance:.3}"),
            None => format!(", score {:.3}", self.parts.score),
        };
        if let Some(moved) = self.moved {
            words += &format!(", {}", moved.words());
        }
        match self.said {
            Some(Said::Same) => words += ", marked same product",
            Some(Said::Not) => words += ", marked not this product",
            None => {}
        }
        if self.behind > 0 {
            words += &format!(", {} more like it", self.behind);
        }
        if let Some((_, rules)) = &self.rules {
            words += &format!(", {rules}");
        }
        if self.picked {
            words += ", selected";
        }
        if self.on_tray {
            words += ", to compare";
        }
        words
    }

    pub fn show(&self, ui: &Ui, ctx: &Ctx<'_>, rect: Rect, stale: bool) -> Response {
        let id = ui.scope_id().with(("tile", &self.hit.photo));
        let response = ui.interact(rect, id, Sense::click());
        response.widget_info(|| WidgetInfo::selected(Role::Button, true, self.selected, self.words()));
        if self.product.is_none() {
            ctx.want_product(&self.hit.product);
        }
        let tokens = ctx.tokens;
        let mut painter = ui.painter().clone();
        if stale {
            painter.multiply_opacity(0.55);
        }
        painter.rect_filled(rect, radius::TILE, tokens.panel);
        let photo = Rect::from_min_size(rect.min, Vec2::splat(rect.width()));
        self.photo_ui(ui, ctx, &painter, photo);
        self.text_ui(ctx, &painter, Rect::from_min_max(photo.left_bottom(), rect.max));
        self.badges_ui(ctx, &painter, photo);
        self.behind_ui(ui, ctx, &painter, photo);
        let outline = match (self.selected, response.hovered()) {
            (true, _) => tokens.ring(),
            (false, true) => Stroke::new(size::HAIR, tokens.dim),
            (false, false) => tokens.hairline(),
        };
        if self.picked {
            painter.rect_filled(rect, radius::TILE, tokens.picked());
        }
        painter.rect_stroke(rect, radius::TILE, outline, StrokeKind::Inside);
        if response.has_focus() {
            focus_ring(&painter, tokens, rect, radius::TILE);
        }
        response
    }

    fn photo_ui(&self, ui: &Ui, ctx: &Ctx<'_>, painter: &egui::Painter, rect: Rect) {
        let tokens = ctx.tokens;
        let corners = egui::CornerRadius { nw: radius::TILE, ne: radius::TILE, sw: 0, se: 0 };
        painter.rect_filled(rect, corners, tokens.photo);
        match ctx.thumbs.get(&self.hit.photo, rect.width() * ui.pixels_per_point()) {
            Thumb::Ready(texture) => {
                let inside = fitted(texture.size_vec2(), rect.shrink(space::XS));
                painter.image(texture.id(), inside, whole_uv(), Color32::WHITE);
            }
            Thumb::Loading => {}
            Thumb::Broken(_) => {
                let color = tokens.on_photo_dim;
                painter.text(rect.center(), Align2::CENTER_CENTER, icon::BROKEN, tokens::icon(), color);
            }
        }
    }

    fn text_ui(&self, ctx: &Ctx<'_>, painter: &egui::Painter, rect: Rect) {
        let tokens = ctx.tokens;
        let inside = rect.shrink2(Vec2::new(10.0, space::S));
        clipped_text(painter, inside.min, self.name(), tokens::body(), tokens.text, inside.width());
        let y = inside.top() + 18.0;
        let price = self.product.and_then(price).unwrap_or_default();
        let score = self.distance.map_or_else(|| format!("{:.3}", self.parts.score), |far| format!("{far:.3}"));
        let score_galley = painter.layout_no_wrap(score, tokens::small_strong(), tokens.text);
        let mut room = inside.width() - score_galley.size().x - space::S;
        if let Some(gap) = self.gap.filter(|_| inside.width() > 120.0) {
            // Before the score, where there is room: how far ahead of the next it is.
            let gap = painter.layout_no_wrap(figures::signed(f64::from(gap), 3), tokens::label_plain(), tokens.dim);
            room -= gap.size().x + space::XS;
            let left = inside.right() - score_galley.size().x - space::XS - gap.size().x;
            painter.galley(Pos2::new(left, y + (score_galley.size().y - gap.size().y) / 2.0), gap, tokens.dim);
        }
        clipped_text(painter, Pos2::new(inside.left(), y), price, tokens::small(), tokens.dim, room);
        painter.galley(Pos2::new(inside.right() - score_galley.size().x, y), score_galley, tokens.text);
        let bar = Rect::from_min_size(
            Pos2::new(inside.left(), inside.bottom() - size::BAR),
            Vec2::new(inside.width(), size::BAR),
        );
        if self.distance.is_none() {
            score_bar(painter, tokens, bar, &self.parts, self.full);
        }
    }

    fn badges_ui(&self, ctx: &Ctx<'_>, painter: &egui::Painter, photo: Rect) {
        let tokens = ctx.tokens;
        let rank = painter.layout_no_wrap(self.hit.rank.to_string(), tokens::small_strong(), tokens.on_photo);
        let pad = Vec2::new(5.0, 2.0);
        let inset = Vec2::splat(space::S);
        let rect = Rect::from_min_size(photo.min + inset, rank.size() + 2.0 * pad);
        badge(painter, ctx, rect);
        painter.galley(rect.min + pad, rank, tokens.on_photo);
        if let Some(moved) = self.moved {
            moved_badge(painter, ctx, photo.right_top() + Vec2::new(-inset.x, inset.y), moved);
        }
        let mut marks = Vec::new();
        if let Some(said) = self.said {
            let (text, color) = match said {
                Said::Same => (icon::CHECK_CIRCLE, tokens.up_on_photo),
                Said::Not => (icon::X_CIRCLE, tokens.down_on_photo),
            };
            marks.push((text, color));
        }
        if let Some((symbols, _)) = &self.rules {
            marks.extend(symbols.iter().map(|symbol| (*symbol, tokens.on_photo)));
        }
        if self.picked {
            marks.push((icon::CHECK, tokens.on_photo));
        }
        if self.on_tray {
            marks.push((icon::COLUMNS, tokens.on_photo));
        }
        let mut at = photo.left_bottom() + Vec2::new(space::S, -space::S - 22.0);
        for (text, color) in marks {
            let rect = Rect::from_min_size(at, Vec2::splat(22.0));
            badge(painter, ctx, rect);
            let font = egui::FontId::new(tokens::text::ICON, tokens::icons_fill());
            painter.text(rect.center(), Align2::CENTER_CENTER, text, font, color);
            at.x += 26.0;
        }
    }

    /// "+3": what is folded behind this tile; press it to see that.
    fn behind_ui(&self, ui: &Ui, ctx: &Ctx<'_>, painter: &egui::Painter, photo: Rect) {
        if self.behind == 0 && self.folded.is_none() {
            return;
        }
        let tokens = ctx.tokens;
        let text = match (self.folded, self.expanded) {
            // It is shown because its tile is expanded.
            (Some(_), _) => "=".to_owned(),
            (None, true) => format!("−{}", self.behind),
            (None, false) => format!("+{}", self.behind),
        };
        let galley = painter.layout_no_wrap(text, tokens::small_strong(), tokens.on_photo);
        let pad = Vec2::new(6.0, 3.0);
        let extent = galley.size() + 2.0 * pad;
        let rect = Rect::from_min_size(photo.right_bottom() - Vec2::splat(space::S) - extent, extent);
        badge(painter, ctx, rect);
        painter.galley(rect.min + pad, galley, tokens.on_photo);
        if self.folded.is_some() {
            return;
        }
        let id = ui.scope_id().with(("behind", &self.hit.photo));
        let verb = if self.expanded { "Hide" } else { "Show" };
        let name = format!("{verb} {} more like rank {}", self.behind, self.hit.rank);
        let response = super::button::pressable(ui, rect, id, &name);
        if response.hovered() {
            painter.rect_stroke(rect, radius::BADGE, Stroke::new(size::HAIR, tokens.accent), StrokeKind::Outside);
        }
        if response.has_focus() {
            focus_ring(painter, tokens, rect, radius::BADGE);
        }
        if response.on_hover_text(name).clicked() {
            ctx.send(Command::Shelf(ShelfCommand::Expand(self.hit.photo.clone())));
        }
    }
}

fn badge(painter: &egui::Painter, ctx: &Ctx<'_>, rect: Rect) {
    painter.rect(
        rect,
        radius::BADGE,
        ctx.tokens.badge,
        Stroke::new(size::HAIR, ctx.tokens.badge_line),
        StrokeKind::Outside,
    );
}

/// A triangle up or down with a number, or a dash: shape says it, colour repeats it.
fn moved_badge(painter: &egui::Painter, ctx: &Ctx<'_>, right_top: Pos2, moved: Moved) {
    let tokens = ctx.tokens;
    let (text, color) = match moved {
        Moved::Up(n) => (n.to_string(), tokens.up_on_photo),
        Moved::Down(n) => (n.to_string(), tokens.down_on_photo),
        Moved::Same => ("–".to_owned(), tokens.on_photo_dim),
        Moved::New => ("new".to_owned(), tokens.up_on_photo),
    };
    let galley = painter.layout_no_wrap(text, tokens::small(), color);
    let triangle = matches!(moved, Moved::Up(_) | Moved::Down(_));
    let pad = Vec2::new(5.0, 2.0);
    let lead = if triangle { 11.0 } else { 0.0 };
    let extent = Vec2::new(galley.size().x + lead, galley.size().y) + 2.0 * pad;
    let rect = Rect::from_min_size(right_top - Vec2::new(extent.x, 0.0), extent);
    badge(painter, ctx, rect);
    if triangle {
        let center = Pos2::new(rect.left() + pad.x + 4.0, rect.center().y);
        let tip = if matches!(moved, Moved::Up(_)) { -3.4 } else { 3.4 };
        let points = vec![
            center + Vec2::new(0.0, tip),
            center + Vec2::new(4.0, -tip * 0.8),
            center + Vec2::new(-4.0, -tip * 0.8),
        ];
        painter.add(Shape::convex_polygon(points, color, Stroke::NONE));
    }
    painter.galley(Pos2::new(rect.left() + pad.x + lead, rect.top() + pad.y), galley, color);
}

pub fn price(product: &ProductRecord) -> Option<&str> {
    product.attributes.get("price").map(String::as_str)
}

/// A tile whose product is not known yet.
pub fn empty_tile(painter: &egui::Painter, ctx: &Ctx<'_>, rect: Rect) {
    let tokens = ctx.tokens;
    painter.rect(rect, radius::TILE, tokens.panel, tokens.hairline(), StrokeKind::Inside);
    let photo = Rect::from_min_size(rect.min, Vec2::splat(rect.width())).shrink(space::S);
    skeleton(painter, tokens, photo);
    let left = rect.left() + 10.0;
    let top = photo.bottom() + space::L;
    skeleton(painter, tokens, Rect::from_min_size(Pos2::new(left, top), Vec2::new(rect.width() * 0.6, 9.0)));
    skeleton(painter, tokens, Rect::from_min_size(Pos2::new(left, top + 17.0), Vec2::new(rect.width() * 0.35, 7.0)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_smaller_rank_is_a_move_up() {
        assert_eq!(Moved::from_to(Some(4), 1), Moved::Up(3));
        assert_eq!(Moved::from_to(Some(1), 2), Moved::Down(1));
        assert_eq!(Moved::from_to(Some(5), 5), Moved::Same);
        assert_eq!(Moved::from_to(None, 5), Moved::New);
    }
}
