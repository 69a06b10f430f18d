//! The ranked products. Only what is on screen is laid out; a new order slides its tiles to their new places.

use egui::{Align, Frame, Layout, Margin, Pos2, Rect, RichText, ScrollArea, Ui, Vec2};

use crate::domain::{Hit, Ranking, Stage};
use crate::ui::command::{Action, Command};
use crate::ui::context::Ctx;
use crate::ui::figures::count;
use crate::ui::state::{Baseline, Query};
use crate::ui::tokens::{self, SLIDE_SECS, size, space};
use crate::ui::widgets::button::{Look, action_button};
use crate::ui::widgets::score_bar::Parts;
use crate::ui::widgets::segmented::segmented;
use crate::ui::widgets::tile::{Moved, Tile, empty_tile};
use crate::ui::widgets::{clipped_text, dim_label, progress};

/// How tiles stand: columns of equal width over all of the room.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TileGrid {
    pub columns: usize,
    pub tile: Vec2,
}

impl TileGrid {
    pub fn fit(width: f32) -> Self {
        let most = ((width + space::M) / (size::TILE_MIN + space::M)).floor().max(1.0);
        let fewest = ((width + space::M) / (size::TILE_MAX + space::M)).ceil().max(1.0);
        // Between too small and too large, rather more than fewer.
        let columns = ((most + fewest) / 2.0).round().clamp(fewest.min(most), most);
        let side = ((width - (columns - 1.0) * space::M) / columns).max(1.0).floor();
        Self { columns: columns as usize, tile: Vec2::new(side, side + size::TILE_TEXT) }
    }

    fn step(&self) -> Vec2 {
        self.tile + Vec2::splat(space::M)
    }

    pub fn place(&self, index: usize) -> Vec2 {
        Vec2::new((index % self.columns) as f32, (index / self.columns) as f32) * self.step()
    }

    pub fn height(&self, tiles: usize) -> f32 {
        (tiles.div_ceil(self.columns) as f32 * self.step().y - space::M).max(0.0)
    }

    /// The tiles of which some part lies between these heights.
    pub fn within(&self, top: f32, bottom: f32, tiles: usize) -> std::ops::Range<usize> {
        let row = |y: f32| (y / self.step().y).floor().max(0.0) as usize;
        let first = (row(top) * self.columns).min(tiles);
        first..((row(bottom) + 1) * self.columns).min(tiles).max(first)
    }
}

pub fn results_ui(ui: &mut Ui, ctx: &Ctx<'_>) {
    let Some(query) = &ctx.session.query else { return };
    let margin = Margin { left: space::L as i8, right: space::S as i8, top: space::M as i8, bottom: 0 };
    Frame::new().inner_margin(margin).show(ui, |ui| {
        ui.take_available_space();
        heading_ui(ui, ctx, query);
        ui.add_space(space::XS);
        super::gallery::changed_ui(ui, ctx);
        match &query.ranking {
            Some(ranking) if ranking.hits.is_empty() => nothing_ui(ui, ctx),
            Some(ranking) => tiles_ui(ui, ctx, query, ranking),
            None if query.failed.is_some() => failed_ui(ui, ctx, query),
            None => skeleton_ui(ui, ctx),
        }
    });
}

fn heading_ui(ui: &mut Ui, ctx: &Ctx<'_>, query: &Query) {
    let (title, words) = match &query.ranking {
        Some(ranking) => (format!("{} results", count(ranking.hits.len())), order_words(query, ranking)),
        None if query.failed.is_some() => ("No results".to_owned(), String::new()),
        None => ("Searching…".to_owned(), String::new()),
    };
    ui.horizontal(|ui| {
        ui.set_height(size::CONTROL);
        ui.label(RichText::new(title).font(tokens::title()).color(ctx.tokens.text));
        if query.former_ranks.is_some() {
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| baseline_ui(ui, ctx));
        }
        let rect = ui.available_rect_before_wrap();
        let at = Pos2::new(rect.left(), rect.center().y - 7.0);
        clipped_text(ui.painter(), at, &words, tokens::small(), ctx.tokens.dim, rect.width());
    });
}

/// "best first of 1,200 photos, first 100 re-ranked by structure".
fn order_words(query: &Query, ranking: &Ranking) -> String {
    let of = format!("best first of {} photos", count(ranking.gallery_size));
    if query.stale {
        return "of the search before; searching again…".to_owned();
    }
    match ranking.stage {
        Stage::Global if ranking.options.rerank > 0 => format!("{of}, comparing cells…"),
        Stage::Global => format!("{of}, by global similarity"),
        Stage::Structural if ranking.options.rerank == 0 => format!("{of}, by global similarity"),
        Stage::Structural => {
            let first = ranking.hits.iter().filter(|hit| hit.structural.is_some()).count();
            format!("{of}, first {} re-ranked by structure", count(first))
        }
    }
}

fn baseline_ui(ui: &mut Ui, ctx: &Ctx<'_>) {
    ui.set_max_width(220.0);
    let choices = [
        ("Global order", "Arrows show what structural re-ranking moved"),
        ("Former model", "Arrows show what the last training moved"),
    ];
    let baselines = [Baseline::Global, Baseline::FormerModel];
    let on = usize::from(ctx.session.baseline == Baseline::FormerModel);
    if let Some(index) = segmented(ui, ctx.tokens, &choices, on) {
        ctx.send(Command::CompareWith(baselines[index]));
    }
}

fn tiles_ui(ui: &mut Ui, ctx: &Ctx<'_>, query: &Query, ranking: &Ranking) {
    let full = full_bar(ranking);
    let scroll_to = ui.data(|data| data.get_temp::<Option<usize>>(scroll_id())).flatten();
    let selected = query.selected_place();
    ScrollArea::vertical().id_salt(("results", query.id.0)).auto_shrink(false).show_viewport(ui, |ui, viewport| {
        let grid = TileGrid::fit(ui.available_width() - space::S);
        ctx.set_columns(grid.columns);
        let origin = ui.max_rect().min;
        ui.set_height(grid.height(ranking.hits.len()) + space::L);
        if selected != scroll_to
            && let Some(index) = selected
        {
            // Arrow keys lead the view along; a click is in view already.
            ui.scroll_to_rect(Rect::from_min_size(origin + grid.place(index), grid.tile).expand(space::S), None);
        }
        let shown = grid.within(viewport.top(), viewport.bottom(), ranking.hits.len());
        let slide = slide_share(ui, ctx, query);
        for index in shown {
            let hit = &ranking.hits[index];
            let mut at = grid.place(index);
            if slide < 1.0 {
                // What comes from far away enters from just outside the view.
                let from = query.slid_from.get(&hit.photo).map_or(at, |&before| grid.place(before));
                let reach = viewport.height();
                let from = Vec2::new(from.x, from.y.clamp(viewport.top() - reach, viewport.bottom() + reach));
                at = from + (at - from) * slide;
            }
            let rect = Rect::from_min_size(origin + at, grid.tile);
            tile_ui(ui, ctx, query, ranking, hit, rect, full);
        }
    });
    ui.data_mut(|data| data.insert_temp(scroll_id(), selected));
}

fn scroll_id() -> egui::Id {
    egui::Id::unique("result in view")
}

/// The best score fills its bar.
fn full_bar(ranking: &Ranking) -> f64 {
    let best = ranking.hits.iter().map(|hit| hit.score).fold(0.0f32, f32::max);
    f64::from(if best > 0.0 { best } else { 1.0 })
}

/// How far the tiles are on their way, eased; 1 when they stand.
fn slide_share(ui: &Ui, ctx: &Ctx<'_>, query: &Query) -> f32 {
    let share = (ctx.now - query.slid_at) / SLIDE_SECS;
    if ctx.prefs.reduced_motion || query.slid_from.is_empty() || share >= 1.0 {
        return 1.0;
    }
    ui.request_repaint();
    let rest = 1.0 - share.max(0.0) as f32;
    1.0 - rest * rest * rest
}

fn tile_ui(ui: &Ui, ctx: &Ctx<'_>, query: &Query, ranking: &Ranking, hit: &Hit, rect: Rect, full: f64) {
    let tile = Tile {
        hit,
        product: query.products.get(&hit.product),
        parts: Parts::of(hit, &ranking.options),
        full,
        moved: moved(ctx, query, hit),
        said: ctx.session.said(&hit.product),
        selected: query.selected.as_ref() == Some(&hit.photo),
    };
    let response = tile.show(ui, ctx, rect, query.stale);
    if response.clicked() {
        ctx.send(Command::Select(hit.photo.clone()));
    }
    response.on_hover_ui(|ui| tile_hover_ui(ui, ctx, &tile, ranking));
}

fn moved(ctx: &Ctx<'_>, query: &Query, hit: &Hit) -> Option<Moved> {
    match (ctx.session.baseline, &query.former_ranks) {
        (Baseline::FormerModel, Some(ranks)) => Some(Moved::from_to(ranks.get(&hit.photo).copied(), hit.rank)),
        _ => hit.structural.map(|_| Moved::from_to(Some(hit.global_rank), hit.rank)),
    }
}

fn tile_hover_ui(ui: &mut Ui, ctx: &Ctx<'_>, tile: &Tile<'_>, ranking: &Ranking) {
    ui.label(RichText::new(tile.name()).font(tokens::strong()).color(ctx.tokens.text));
    if let Some(product) = tile.product {
        dim_label(ui, ctx.tokens, format!("{}, {}", product.kind, product.product));
    }
    ui.label(sum_words(&tile.parts, ranking.options.structural_weight));
    if tile.hit.structural.is_some() {
        dim_label(ui, ctx.tokens, format!("Rank {} before structure", tile.hit.global_rank));
    }
    if let Some(gap) = gap_below(ranking, tile.hit.rank) {
        dim_label(ui, ctx.tokens, format!("{gap:.3} above rank {}", tile.hit.rank + 1));
    }
}

/// "0.952 = 0.521 global + 0.431 structural".
pub fn sum_words(parts: &Parts, weight: f32) -> String {
    let Some(structural) = parts.structural else {
        return format!("{:.3} global, not compared cell by cell", parts.score);
    };
    let weighted = if weight == 1.0 { String::new() } else { format!(" (× {weight:.2})") };
    format!("{:.3} = {:.3} global + {structural:.3} structural{weighted}", parts.score, parts.global)
}

/// How much more a rank has than the next.
pub fn gap_below(ranking: &Ranking, rank: usize) -> Option<f32> {
    let next = ranking.hits.get(rank)?;
    let hit = ranking.hits.get(rank.checked_sub(1)?)?;
    // Scores with and without a structural part are of different kinds.
    (hit.structural.is_some() == next.structural.is_some()).then_some(hit.score - next.score)
}

fn skeleton_ui(ui: &mut Ui, ctx: &Ctx<'_>) {
    if let Some(work) = &ctx.activity.preparing {
        dim_label(ui, ctx.tokens, work.what);
        progress::progress_bar(ui, ctx.tokens, work.what, work.fraction());
    }
    let grid = TileGrid::fit(ui.available_width() - space::S);
    let room = ui.available_rect_before_wrap();
    let ui = ui.new_child(egui::UiBuilder::new().max_rect(room));
    for index in grid.within(0.0, room.height() - 1.0, usize::MAX / 2) {
        let rect = Rect::from_min_size(room.min + grid.place(index), grid.tile);
        if ui.is_rect_visible(rect) {
            empty_tile(&ui.painter().clone().with_clip_rect(room), ctx, rect);
        }
    }
}

fn nothing_ui(ui: &mut Ui, ctx: &Ctx<'_>) {
    dim_label(ui, ctx.tokens, "The project has no shop photos to search");
}

fn failed_ui(ui: &mut Ui, ctx: &Ctx<'_>, query: &Query) {
    if let Some(failure) = &query.failed {
        ui.add_space(space::S);
        super::notices::failure_card_ui(ui, ctx, failure);
        ui.add_space(space::XS);
        ui.horizontal(|ui| {
            action_button(ui, ctx, Action::OpenPhoto, Look::Plain);
            action_button(ui, ctx, Action::Paste, Look::Plain);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_fill_the_room_and_stay_within_their_sizes() {
        for width in [250.0, 300.0, 530.0, 800.0, 1300.0] {
            let grid = TileGrid::fit(width);
            let taken = grid.columns as f32 * (grid.tile.x + space::M) - space::M;
            assert!(taken <= width && width - taken < grid.columns as f32 + 1.0, "{width}: {grid:?}");
            assert!((size::TILE_MIN - 1.0..=size::TILE_MAX + 1.0).contains(&grid.tile.x), "{width}: {grid:?}");
        }
    }

    #[test]
    fn a_million_tiles_cost_only_those_in_view() {
        let grid = TileGrid::fit(530.0);
        let shown = grid.within(100_000.0, 100_900.0, 1_000_000);
        assert!(shown.len() <= 7 * grid.columns, "{shown:?}");
        let top = grid.place(shown.start).y;
        assert!(top <= 100_000.0 && grid.place(shown.end).y >= 100_900.0);
        assert_eq!(grid.within(0.0, 900.0, 3), 0..3);
        assert!(grid.within(9e9, 9.1e9, 3).is_empty());
    }
}
