//! The knobs beyond the first few: brush, solver, layer and grid; and how the last turn ended.

use egui::{Id, Ui};

use super::epsilon::hold_words;
use crate::domain::{Grid, Layer, MatchOptions, Ranking, Solver, Stage};
use crate::ui::command::Command;
use crate::ui::context::Ctx;
use crate::ui::figures::{count, counted};
use crate::ui::fonts::icon;
use crate::ui::painting::{Brush, PaintCommand};
use crate::ui::state::Query;
use crate::ui::tokens::space;
use crate::ui::widgets::button::{Look, PushButton};
use crate::ui::widgets::dim_label;
use crate::ui::widgets::progress::progress_bar;
use crate::ui::widgets::segmented::segmented;
use crate::ui::widgets::slider::Slider;

const LARGEST_BRUSH: f32 = 6.0;

fn slider(name: &'static str, meaning: &'static str, value: f32, range: [f32; 2], default: f32) -> Slider<'static> {
    let [low, high] = range;
    Slider { name, meaning, value, low, high, logarithmic: false, whole: false, decimals: 2, suffix: "", default }
}

/// What the painted marginals are painted with.
pub fn brush_ui(ui: &mut Ui, ctx: &Ctx<'_>) {
    let old = ctx.session.brush;
    let mut new = old;
    let choices = [
        ("Add", "The brush makes cells matter more"),
        ("Erase", "The brush makes cells matter less; on an untouched photo everything matters at first"),
    ];
    if let Some(chosen) = segmented(ui, ctx.tokens, &choices, usize::from(old.erase)) {
        new.erase = chosen == 1;
    }
    let default = Brush::default();
    let size = Slider {
        decimals: 1,
        suffix: " cells",
        ..slider("Brush size", "Cells across", old.size, [1.0, LARGEST_BRUSH], default.size)
    };
    if let Some(size) = size.show(ui, ctx) {
        new.size = size;
    }
    let meaning = "What one stroke adds to a cell’s importance, or takes from it";
    if let Some(strength) = slider("Strength", meaning, old.strength, [0.05, 1.0], default.strength).show(ui, ctx) {
        new.strength = strength;
    }
    if new != old {
        ctx.send(Command::Paint(PaintCommand::SetBrush(new)));
    }
    let painting = ctx.session.query.as_ref().map(|query| &query.painting);
    let painted = painting.is_some_and(|painting| !painting.paint.is_blank());
    let can_undo = painting.is_some_and(|painting| painting.can_undo());
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing.x = space::XS;
        let buttons = [
            ("Undo stroke", Some(icon::UNDO), PaintCommand::Undo, can_undo, "Take the last stroke back (Ctrl+Z)"),
            (
                "Invert",
                None,
                PaintCommand::Invert,
                painted,
                "What matters on the shown photos does not, and the other way round",
            ),
            ("Clear", None, PaintCommand::Clear, painted, "Take all paint off, on every photo"),
        ];
        for (name, icon, command, enabled, tooltip) in buttons {
            let button = match icon {
                Some(icon) => PushButton::icon_only(icon, name),
                None => PushButton::new(name),
            };
            if button.enabled(enabled).show(ui, ctx.tokens).on_hover_text(tooltip).clicked() {
                ctx.send(Command::Paint(command));
            }
        }
    });
    dim_label(ui, ctx.tokens, painted_words(ctx.session.query.as_ref()))
        .on_hover_text("Or walk over the cells with the arrow keys and press + and −");
}

/// What is painted, or how to begin.
fn painted_words(query: Option<&Query>) -> String {
    let Some(paint) = query.map(|query| &query.painting.paint).filter(|paint| !paint.is_blank()) else {
        return "Drag over a photo of the plan to paint what matters; until then marginals are cross-correlation"
            .into();
    };
    let products = paint.gallery.values().filter(|paint| !paint.is_blank()).count();
    let street = paint.query.as_ref().is_some_and(|paint| !paint.is_blank());
    match (street, products) {
        (true, 0) => "Painted: the street photo".into(),
        (true, _) => format!("Painted: the street photo and {}", counted(products, "product photo")),
        (false, _) => format!("Painted: {}", counted(products, "product photo")),
    }
}

/// The folded part: solver, layer and grid.
pub fn more_ui(ui: &mut Ui, ctx: &Ctx<'_>, options: &mut MatchOptions) {
    let default = MatchOptions::default();
    let open_id = Id::unique("more knobs");
    let changed = (options.solver, options.layer, options.grid) != (default.solver, default.layer, default.grid);
    let open = ui.data(|data| data.get_temp::<bool>(open_id)).unwrap_or(changed);
    let button = PushButton::new("More").name("More settings of matching").caret().look(Look::Ghost).selected(open);
    if button.show(ui, ctx.tokens).on_hover_text("Solver, layer and grid").clicked() {
        ui.data_mut(|data| data.insert_temp(open_id, !open));
    }
    if !open {
        return;
    }
    solver_ui(ui, ctx, options);
    layer_ui(ui, ctx, options);
    grid_ui(ui, ctx, options);
}

fn solver_ui(ui: &mut Ui, ctx: &Ctx<'_>, options: &mut MatchOptions) {
    dim_label(ui, ctx.tokens, "Solver");
    let choices = [
        ("Sinkhorn", "All mass moves, spread by epsilon"),
        ("Exact", "The cheapest plan there is; epsilon plays no part"),
    ];
    let free = [
        ("Unbalanced", "Mass without a good counterpart may stay, at a price for every missed marginal"),
        ("Partial", "Only a share of the mass moves; which, is free"),
    ];
    let on = match options.solver {
        Solver::Sinkhorn => 0,
        Solver::Exact => 1,
        Solver::Unbalanced { .. } => 2,
        Solver::Partial { .. } => 3,
    };
    let solvers = [Solver::Sinkhorn, Solver::Exact, Solver::UNBALANCED, Solver::PARTIAL];
    // Two rows: four names do not fit beside each other in a narrow column.
    ui.spacing_mut().item_spacing.y = 2.0;
    let first = segmented(ui, ctx.tokens, &choices, on);
    let second = segmented(ui, ctx.tokens, &free, on.wrapping_sub(2)).map(|index| index + 2);
    ui.spacing_mut().item_spacing.y = space::XS + 2.0;
    if let Some(index) = first.or(second) {
        options.solver = solvers[index];
    }
    match &mut options.solver {
        Solver::Unbalanced { rho } => {
            let meaning = "Price of a missed marginal: small lets much stay, large is Sinkhorn";
            let knob = Slider { logarithmic: true, ..slider("Marginal price (rho)", meaning, *rho, [0.01, 10.0], 0.5) };
            if let Some(value) = knob.show(ui, ctx) {
                *rho = value;
            }
        }
        Solver::Partial { mass } => {
            let knob = slider("Mass moved", "Share of all mass that moves", *mass, [0.05, 1.0], 0.7);
            if let Some(value) = knob.show(ui, ctx) {
                *mass = value;
            }
        }
        Solver::Sinkhorn | Solver::Exact => {}
    }
}

fn layer_ui(ui: &mut Ui, ctx: &Ctx<'_>, options: &mut MatchOptions) {
    dim_label(ui, ctx.tokens, "Layer");
    let untrained = "Cells of an earlier layer, nearer to the pixels; read from the photos once for each search, the global part stays";
    let choices = [("Layer 2", untrained), ("Layer 3", untrained), ("Last", "The embedded cells that the index holds")];
    let on = Layer::ALL.iter().position(|&layer| layer == options.layer).unwrap_or(2);
    if let Some(index) = segmented(ui, ctx.tokens, &choices, on) {
        options.layer = Layer::ALL[index];
    }
    if let Some(progress) = &ctx.activity.refining {
        ui.horizontal(|ui| {
            let words = format!("{} of {} photos", count(progress.done), count(progress.total));
            dim_label(ui, ctx.tokens, format!("{}: {words}", progress.what));
            let stop = PushButton::icon_only(icon::STOP, "Stop reading").show(ui, ctx.tokens);
            if stop.on_hover_text("Back to the last layer").clicked() {
                options.layer = Layer::Last;
            }
        });
        progress_bar(ui, ctx.tokens, progress.what, progress.fraction());
    }
}

fn grid_ui(ui: &mut Ui, ctx: &Ctx<'_>, options: &mut MatchOptions) {
    let shown = plan_grid(ctx);
    let (low, high) = (*MatchOptions::GRID_RANGE.start(), *MatchOptions::GRID_RANGE.end());
    let side = options.grid.map_or(shown.rows as f32, f32::from);
    let meaning = "Cells along each side. A grid finer than the network’s own is interpolated and shows nothing new; an earlier layer does";
    let knob = Slider {
        whole: true,
        decimals: 0,
        suffix: " cells",
        ..slider("Grid side", meaning, side, [f32::from(low), f32::from(high)], side)
    };
    if let Some(value) = knob.show(ui, ctx) {
        options.grid = Some(value as u8);
    }
    let button = PushButton::new("Network’s own grid").look(Look::Ghost).selected(options.grid.is_none());
    if button.show(ui, ctx.tokens).on_hover_text("As many cells as the network’s map has").clicked() {
        options.grid = None;
    }
}

fn plan_grid(ctx: &Ctx<'_>) -> Grid {
    let plan = ctx.session.query.as_ref().and_then(|query| query.plan.as_ref());
    plan.map_or(Grid::new(7, 7), |plan| plan.info.pair.plan.query())
}

/// How the last turn of a knob ended.
pub fn status_ui(ui: &mut Ui, ctx: &Ctx<'_>) {
    let Some(query) = ctx.session.query.as_ref() else { return };
    if ctx.session.goes_with() {
        dim_label(ui, ctx.tokens, "What goes well is ordered by whole garments, so these knobs play no part in it");
        return;
    }
    if let Some(plan) = &query.plan {
        let (pair, solver) = (&plan.info.pair, plan.info.options.solver);
        let steps = match solver {
            Solver::Exact => counted(pair.iterations, "pivot"),
            _ => counted(pair.iterations, "iteration"),
        };
        let left = if solver.may_leave_mass() {
            format!(", {:.2} of the mass moved", pair.plan.moved())
        } else {
            String::new()
        };
        dim_label(ui, ctx.tokens, format!("{steps}, marginal error {:.4}{left}", pair.marginal_error))
            .on_hover_text("Of the shown plan: how long the solver took, and how far its sums are from what was asked");
        if pair.uniform_fallback {
            dim_label(ui, ctx.tokens, "No cell agrees with the other photo, so uniform marginals were used");
        }
    }
    if let Some(ranking) = query.ranking.as_deref().filter(|ranking| ranking.stage == Stage::Structural) {
        dim_label(ui, ctx.tokens, rerank_words(ranking, query.shown.tiles().compared, plan_grid(ctx)))
            .on_hover_text("Milliseconds from the turned knob to the new order");
    }
    if let Some(words) = hold_words(ctx) {
        dim_label(ui, ctx.tokens, words)
            .on_hover_text("Between these values of epsilon the first ranks stay as they are");
    }
}

fn rerank_words(ranking: &Ranking, compared: usize, grid: Grid) -> String {
    let took = ranking.timings.structural;
    let took = if took < 10.0 { format!("{took:.1}") } else { format!("{took:.0}") };
    let layer = match ranking.options.layer {
        Layer::Last => String::new(),
        earlier => format!(", layer {}", earlier.stage()),
    };
    format!("{} × {} cells{layer}: {} re-ranked in {took} ms", grid.columns, grid.rows, count(compared))
}
