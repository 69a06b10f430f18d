//! The ranked products. Only what is on screen is laid out; a new order slides its tiles to their new places.

use egui::{Align, Frame, Layout, Margin, Popup, Pos2, Rect, RichText, ScrollArea, Ui, Vec2};

use super::filters::filters_ui;
use super::history::again_ui;
use super::picked::picked_ui;
use super::{compare, goes_with, rules};
use crate::domain::{FoldedAs, Hit, Ranking, Stage, goal};
use crate::jobs::types::ExportFormat;
use crate::ui::command::{Action, Command};
use crate::ui::context::Ctx;
use crate::ui::figures::{count, counted};
use crate::ui::picked::PickCommand;
use crate::ui::shelf::ShelfCommand;
use crate::ui::state::{Baseline, Query};
use crate::ui::tokens::{self, SLIDE_SECS, size, space};
use crate::ui::widgets::button::{Look, PushButton, action_button};
use crate::ui::widgets::score_bar::Parts;
use crate::ui::widgets::segmented::segmented;
use crate::ui::widgets::tile::{Moved, Tile, empty_tile};
use crate::ui::widgets::{clipped_text, described, dim_label, menu_row, progress};

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
        filters_ui(ui, ctx, query);
        goes_with::kinds_ui(ui, ctx, query);
        ui.add_space(space::XS);
        picked_ui(ui, ctx, query);
        super::gallery::changed_ui(ui, ctx);
        if let Some(again) = &ctx.session.shelf.again {
            again_ui(ui, ctx, again);
        }
        compare::tray_ui(ui, ctx);
        match &query.ranking {
            Some(ranking) if ranking.hits.is_empty() => nothing_ui(ui, ctx, ranking),
            Some(ranking) => tiles_ui(ui, ctx, query, ranking),
            None if query.failed.is_some() => failed_ui(ui, ctx, query),
            None => skeleton_ui(ui, ctx),
        }
    });
}

fn heading_ui(ui: &mut Ui, ctx: &Ctx<'_>, query: &Query) {
    let (title, words) = match &query.ranking {
        Some(ranking) => (counted(query.shown.len(), "result"), order_words(query, ranking)),
        None if query.failed.is_some() => ("No results".to_owned(), String::new()),
        None => ("Searching…".to_owned(), String::new()),
    };
    ui.horizontal(|ui| {
        ui.set_height(size::CONTROL);
        let title = ui.label(RichText::new(title).font(tokens::title()).color(ctx.tokens.text));
        let title_right = title.rect.right() + space::S;
        let right = ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            export_ui(ui, ctx, query);
            let has_baseline = query.former_ranks.is_some() || query.painting.unpainted_ranks.is_some();
            if has_baseline && !ctx.session.goes_with() {
                baseline_ui(ui, ctx, query);
            }
            ui.min_rect().left()
        });
        let rect = Rect::from_x_y_ranges(title_right..=right.inner - space::S, right.response.rect.y_range());
        let at = Pos2::new(rect.left(), rect.center().y - 7.0);
        clipped_text(ui.painter(), at, &words, tokens::small(), ctx.tokens.dim, rect.width());
        if !words.is_empty() {
            described(ui, rect, "order of the results", egui::Role::Label, &words).on_hover_text(&words);
        }
    });
}

/// "best first of 1,200 photos, first 100 re-ranked by structure".
fn order_words(query: &Query, ranking: &Ranking) -> String {
    let of = if ranking.shelf.options.filters.is_empty() {
        format!("best first of {} photos", count(ranking.gallery_size))
    } else {
        format!("best first of {} photos that pass, of {}", count(ranking.shelf.passing), count(ranking.gallery_size))
    };
    if query.stale {
        return "of the search before; searching again…".to_owned();
    }
    if ranking.shelf.garment.is_some() {
        return format!("nearest first of {} photos of other kinds", count(ranking.shelf.passing));
    }
    match ranking.stage {
        Stage::Global if ranking.options.rerank > 0 => format!("{of}, comparing cells…"),
        Stage::Global => format!("{of}, by global similarity"),
        Stage::Structural if ranking.options.rerank == 0 => format!("{of}, by global similarity"),
        Stage::Structural => {
            format!("{of}, first {} re-ranked by structure", count(query.shown.tiles().compared))
        }
    }
}

fn export_ui(ui: &mut Ui, ctx: &Ctx<'_>, query: &Query) {
    let there = query.ranking.as_ref().is_some_and(|ranking| !ranking.hits.is_empty()) && !query.stale;
    let entry = Action::Export.entry();
    let button = PushButton::new(entry.name).enabled(there).show(ui, ctx.tokens);
    Popup::menu(&button.on_hover_text(Action::Export.hover_text(ui.ctx()))).width(230.0).show(|ui| {
        ui.set_width(230.0);
        let formats = [
            (ExportFormat::Csv, "Table (CSV)…", "All hits with scores, rules and attributes, for a spreadsheet"),
            (ExportFormat::Json, "JSON…", "The same for programs"),
            (ExportFormat::Sheet, "Picture of the tiles (PNG)…", "The photo and the first tiles on one sheet"),
        ];
        for (format, text, meaning) in formats {
            if menu_row(ui, ctx.tokens, text, "").on_hover_text(meaning).clicked() {
                ctx.send(Command::Shelf(ShelfCommand::Export(format)));
            }
        }
    });
}

fn baseline_ui(ui: &mut Ui, ctx: &Ctx<'_>, query: &Query) {
    let mut choices = vec![("Global order", "Arrows show what structural re-ranking moved")];
    let mut baselines = vec![Baseline::Global];
    if query.former_ranks.is_some() {
        choices.push(("Former model", "Arrows show what the last training moved"));
        baselines.push(Baseline::FormerModel);
    }
    if query.painting.unpainted_ranks.is_some() {
        choices.push(("Unpainted order", "Arrows show what your painting moved"));
        baselines.push(Baseline::Unpainted);
    }
    ui.set_max_width(112.0 * choices.len() as f32);
    let on = baselines.iter().position(|&baseline| baseline == ctx.session.baseline).unwrap_or(0);
    if let Some(index) = segmented(ui, ctx.tokens, &choices, on) {
        ctx.send(Command::CompareWith(baselines[index]));
    }
}

fn tiles_ui(ui: &mut Ui, ctx: &Ctx<'_>, query: &Query, ranking: &Ranking) {
    let tiles = query.shown.len();
    let scroll_to = ui.data(|data| data.get_temp::<Option<usize>>(scroll_id())).flatten();
    let selected = query.selected_tile();
    ScrollArea::vertical().id_salt(("results", query.id.0)).auto_shrink(false).show_viewport(ui, |ui, viewport| {
        let grid = TileGrid::fit(ui.available_width() - space::S);
        ctx.set_columns(grid.columns);
        let origin = ui.max_rect().min;
        let more = more_hits(query, ranking);
        let foot = if more > 0 { size::CONTROL + space::L } else { 0.0 };
        ui.set_height(grid.height(tiles) + space::L + foot);
        if more > 0 {
            let at = origin + Vec2::new(0.0, grid.height(tiles) + space::L);
            more_ui(ui, ctx, Rect::from_min_size(at, Vec2::new(ui.available_width(), size::CONTROL)), more);
        }
        if selected != scroll_to
            && let Some(index) = selected
        {
            // Arrow keys lead the view along; a click is in view already.
            ui.scroll_to_rect(Rect::from_min_size(origin + grid.place(index), grid.tile).expand(space::S), None);
        }
        let shown = grid.within(viewport.top(), viewport.bottom(), tiles);
        // Early enough for the rest to be here when the person is.
        if 2 * shown.end > tiles && !query.stale {
            ctx.near_end();
        }
        let slide = slide_share(ui, ctx, query);
        for index in shown {
            let Some(place) = query.shown.place(index) else { continue };
            let Some(hit) = ranking.hits.get(place) else { continue };
            let mut at = grid.place(index);
            if slide < 1.0 {
                // What comes from far away enters from just outside the view.
                let from = query.slid_from.get(&hit.photo).map_or(at, |&before| grid.place(before));
                let reach = viewport.height();
                let from = Vec2::new(from.x, from.y.clamp(viewport.top() - reach, viewport.bottom() + reach));
                at = from + (at - from) * slide;
            }
            let rect = Rect::from_min_size(origin + at, grid.tile);
            tile_ui(ui, ctx, query, ranking, place, rect);
        }
    });
    ui.data_mut(|data| data.insert_temp(scroll_id(), selected));
}

/// How many photos would come by asking for twice as many.
fn more_hits(query: &Query, ranking: &Ranking) -> usize {
    let all = if ranking.shelf.passing > 0 { ranking.shelf.passing } else { ranking.gallery_size };
    if query.stale { 0 } else { all.saturating_sub(ranking.hits.len()).min(ranking.hits.len()) }
}

fn more_ui(ui: &mut Ui, ctx: &Ctx<'_>, rect: Rect, more: usize) {
    let mut ui = ui.new_child(egui::UiBuilder::new().max_rect(rect).id_salt("more results"));
    let button = PushButton::new(&format!("{} more", count(more))).name("More results").show(&mut ui, ctx.tokens);
    if button.on_hover_text("Show further results of this search").clicked() {
        ctx.send(Command::Shelf(ShelfCommand::MoreResults));
    }
}

fn scroll_id() -> egui::Id {
    egui::Id::unique("result in view")
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

fn tile_ui(ui: &Ui, ctx: &Ctx<'_>, query: &Query, ranking: &Ranking, place: usize, rect: Rect) {
    let hit = &ranking.hits[place];
    let tiles = query.shown.tiles();
    let tile = Tile {
        hit,
        product: query.products.get(&hit.product),
        parts: Parts::of(hit, &ranking.options),
        full: tiles.full,
        moved: moved(ctx, query, hit).filter(|_| ranking.shelf.garment.is_none()),
        distance: ranking.shelf.garment.as_ref().map(|_| goal::distance_of(hit.global)),
        said: ctx.session.said(&hit.product),
        selected: query.selected.as_ref() == Some(&hit.photo),
        picked: ctx.session.shelf.picked.photos.contains(&hit.photo),
        gap: gap_below(ranking, hit.rank),
        behind: tiles.behind(place),
        expanded: ctx.session.shelf.expanded.contains(&hit.photo),
        folded: tiles.why(place),
        rules: ranking.shelf.touched.get(&hit.photo).map(|touched| rules::badge_of(ctx, touched)),
        on_tray: ctx.session.shelf.on_tray(&hit.photo),
    };
    let response = tile.show(ui, ctx, rect, query.stale);
    if response.clicked() {
        let held = ui.input(|input| input.modifiers);
        let photo = hit.photo.clone();
        ctx.send(match (held.command, held.shift) {
            (true, _) => Command::Pick(PickCommand::Toggle(photo)),
            (false, true) => Command::Pick(PickCommand::Until(photo)),
            (false, false) => Command::Select(photo),
        });
    }
    rules::tile_menu_ui(&response, ctx, query, hit);
    response.on_hover_ui(|ui| tile_hover_ui(ui, ctx, &tile, ranking));
}

fn moved(ctx: &Ctx<'_>, query: &Query, hit: &Hit) -> Option<Moved> {
    let ranks = match ctx.session.baseline {
        Baseline::Global => None,
        Baseline::FormerModel => query.former_ranks.as_ref(),
        Baseline::Unpainted => query.painting.unpainted_ranks.as_ref(),
    };
    match ranks {
        Some(ranks) => Some(Moved::from_to(ranks.rank_of(&hit.photo), hit.rank)),
        None => hit.structural.map(|_| Moved::from_to(Some(hit.global_rank), hit.rank)),
    }
}

fn tile_hover_ui(ui: &mut Ui, ctx: &Ctx<'_>, tile: &Tile<'_>, ranking: &Ranking) {
    ui.label(RichText::new(tile.name()).font(tokens::strong()).color(ctx.tokens.text));
    if let Some(product) = tile.product {
        dim_label(ui, ctx.tokens, format!("{}, {}", product.kind, product.product));
    }
    let offset = ranking.shelf.offset_of(&tile.hit.photo);
    if tile.distance.is_some() {
        ui.label(goes_with::distance_words(tile.hit));
    } else {
        ui.label(sum_words_with(&tile.parts, ranking.options.structural_weight, offset));
    }
    if let Some((_, words)) = &tile.rules {
        dim_label(ui, ctx.tokens, format!("By rule: {words}"));
    }
    if let Some(why) = tile.folded {
        dim_label(ui, ctx.tokens, folded_words(why));
    } else if tile.behind > 0 {
        let key = Action::Expand.key_text(ui.ctx()).unwrap_or_default();
        dim_label(ui, ctx.tokens, format!("{} folded behind this tile; {key} shows them", count(tile.behind)));
    }
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

/// The same with what rules add: "1.052 = 0.521 global + 0.431 structural + 0.100 by rule".
pub fn sum_words_with(parts: &Parts, weight: f32, offset: f32) -> String {
    if offset == 0.0 {
        return sum_words(parts, weight);
    }
    let unit = 10f64.powi(crate::ui::widgets::score_bar::DECIMALS as i32);
    let offset = (f64::from(offset) * unit).round() / unit;
    let sign = if offset < 0.0 { "−" } else { "+" };
    let sum = parts.score + offset;
    let global = format!("{:.3} global", parts.global);
    let structural = parts.structural.map_or_else(String::new, |s| format!(" + {s:.3} structural"));
    format!("{sum:.3} = {global}{structural} {sign} {:.3} by rule", offset.abs())
}

fn folded_words(why: FoldedAs) -> String {
    match why {
        FoldedAs::SameProduct => "Another photo of the same product".to_owned(),
        FoldedAs::NearDuplicate { cosine } => format!("Near duplicate, cosine {cosine:.3}"),
        FoldedAs::Colourway => "The same design in another colour".to_owned(),
    }
}

/// How much more a rank has than the next, by the scores that order them; `None` where a pin stands between, or where
/// distances order them.
pub fn gap_below(ranking: &Ranking, rank: usize) -> Option<f32> {
    let next = ranking.hits.get(rank)?;
    let hit = ranking.hits.get(rank.checked_sub(1)?)?;
    // Scores with and without a structural part are of different kinds.
    let shelf = &ranking.shelf;
    let pinned = |hit: &Hit| shelf.touched.get(&hit.photo).is_some_and(|touched| touched.pinned);
    let distances = shelf.garment.is_some();
    if distances || hit.structural.is_some() != next.structural.is_some() || pinned(hit) || pinned(next) {
        return None;
    }
    Some(hit.score + shelf.offset_of(&hit.photo) - next.score - shelf.offset_of(&next.photo))
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

fn nothing_ui(ui: &mut Ui, ctx: &Ctx<'_>, ranking: &Ranking) {
    let shelf = &ranking.shelf;
    if let Some(words) = goes_with::nothing_words(ranking) {
        dim_label(ui, ctx.tokens, words);
        if !shelf.options.filters.is_empty() {
            action_button(ui, ctx, Action::ClearFilters, Look::Filled);
        }
    } else if shelf.excluded > 0 && shelf.passing == 0 {
        dim_label(
            ui,
            ctx.tokens,
            format!("Rules exclude all {} that would be found", counted(shelf.excluded, "photo")),
        );
        ui.horizontal(|ui| {
            action_button(ui, ctx, Action::WithoutRules, Look::Plain);
            if !shelf.options.filters.is_empty() {
                action_button(ui, ctx, Action::ClearFilters, Look::Plain);
            }
        });
    } else if !shelf.options.filters.is_empty() {
        let all: Vec<String> = shelf.options.filters.iter().map(ToString::to_string).collect();
        dim_label(ui, ctx.tokens, format!("No product passes these filters: {}", all.join("; ")));
        action_button(ui, ctx, Action::ClearFilters, Look::Filled);
    } else {
        dim_label(ui, ctx.tokens, "The project has no shop photos to search");
    }
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
