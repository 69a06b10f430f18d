//! The views of a plan: the picture of the chosen one, its legend, and what switches between them.

use egui::{Align, Layout, Ui, Vec2};

use crate::render::{MatrixMap, Rebuild};
use crate::ui::command::{Action, Command};
use crate::ui::context::Ctx;
use crate::ui::inspect::{Inspect, Mode, PlanAction, PlanCommand};
use crate::ui::state::Plan;
use crate::ui::tokens::{size, space};
use crate::ui::widgets::button::{Look, PushButton, sent};
use crate::ui::widgets::plan_view::{Squares, plan_view_ui};
use crate::ui::widgets::segmented::segmented;
use crate::ui::widgets::{dim_label, legend, matrix, paint, rebuilt};

/// From this width on the legend and the switches share a line.
const WIDE: f32 = 760.0;
/// Of the switch between the views, where it does not take the whole line.
const SWITCH: f32 = 330.0;

pub fn picture_ui(ui: &mut Ui, ctx: &Ctx<'_>, plan: &Plan, layout: Squares) {
    match ctx.prefs.inspect.mode {
        Mode::Ribbons | Mode::Colours | Mode::Heat => plan_view_ui(ui, ctx, plan, layout),
        Mode::Matrix => matrix::matrix_ui(ui, ctx, plan, layout.whole()),
        Mode::Rebuilt => rebuilt::rebuilt_ui(ui, ctx, plan, layout),
    }
}

/// Below the picture: which view it is, what its colours mean, and how near it is looked at.
pub fn controls_ui(ui: &mut Ui, ctx: &Ctx<'_>, plan: &Plan) {
    if ui.available_width() < WIDE {
        switch_ui(ui, ctx);
        ui.horizontal_wrapped(|ui| {
            ui.spacing_mut().item_spacing.y = space::XS;
            legend_ui(ui, ctx, plan);
        });
        ui.horizontal_wrapped(|ui| tools_ui(ui, ctx, false));
    } else {
        ui.horizontal(|ui| {
            ui.scope(|ui| {
                ui.set_width(SWITCH);
                switch_ui(ui, ctx);
            });
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| tools_ui(ui, ctx, true));
        });
        ui.horizontal(|ui| {
            ui.set_height(size::CONTROL);
            legend_ui(ui, ctx, plan);
        });
    }
}

fn switch_ui(ui: &mut Ui, ctx: &Ctx<'_>) {
    let entries = Mode::ALL.map(|mode| {
        let action = Action::Plan(mode.action());
        (action.entry().name, action.hover_text(ui.ctx()))
    });
    let choices: Vec<(&str, &str)> = entries.iter().map(|(name, meaning)| (*name, meaning.as_str())).collect();
    let on = Mode::ALL.iter().position(|&mode| mode == ctx.prefs.inspect.mode).unwrap_or(0);
    if let Some(index) = segmented(ui, ctx.tokens, &choices, on) {
        ctx.act(Action::Plan(Mode::ALL[index].action()));
    }
}

fn legend_ui(ui: &mut Ui, ctx: &Ctx<'_>, plan: &Plan) {
    let inspect = ctx.prefs.inspect;
    paint::paint_legend_ui(ui, ctx, plan);
    match inspect.mode {
        mode if mode.has_overlay() && !inspect.overlay => {
            let key = Action::Plan(mode.action()).key_text(ui.ctx()).unwrap_or_default();
            dim_label(ui, ctx.tokens, format!("The photos alone; {key} shows the overlay again"));
        }
        Mode::Ribbons => legend::ribbons_ui(ui, ctx, plan),
        Mode::Colours => legend::colours_ui(ui, ctx, plan),
        Mode::Heat => legend::heat_ui(ui, ctx, plan),
        Mode::Matrix => matrix_legend_ui(ui, ctx, plan),
        Mode::Rebuilt => {
            let choices = [
                ("Mixture", "All product cells that the mass goes to, mixed by mass"),
                ("Best cell", "The one product cell that most of the mass goes to"),
            ];
            let ways = [Rebuild::Mixture, Rebuild::Best];
            let on = ways.iter().position(|&way| way == inspect.rebuild).unwrap_or(0);
            if let Some(index) = small_switch(ui, ctx, &choices, on) {
                set(ctx, Inspect { rebuild: ways[index], ..inspect });
            }
            dim_label(ui, ctx.tokens, rebuilt::caption(inspect.rebuild));
        }
    }
}

fn matrix_legend_ui(ui: &mut Ui, ctx: &Ctx<'_>, plan: &Plan) {
    let inspect = ctx.prefs.inspect;
    let maps = [MatrixMap::Mass, MatrixMap::Similarity, MatrixMap::Contribution];
    let choices = [
        ("Mass", "How much moves from a street photo cell to a product cell; all pairs together 1"),
        ("Similarity", "How alike two cells are, −1 to 1, whether or not anything moves between them"),
        ("Contribution", "Mass × similarity; all pairs together are the structural score"),
    ];
    let on = maps.iter().position(|&map| map == inspect.map).unwrap_or(0);
    if let Some(index) = small_switch(ui, ctx, &choices, on) {
        set(ctx, Inspect { map: maps[index], ..inspect });
    }
    let pair = &plan.info.pair;
    matrix::scale_ui(ui, ctx, "", crate::render::range_of(pair, inspect.map), &choices[on].0.to_lowercase());
    let most = matrix::most(pair);
    dim_label(ui, ctx.tokens, format!("Bars: cell’s mass, line: asked for, 0 … {most:.3}")).on_hover_text(format!(
        "Rows are street photo cells, columns product cells; both marginals together are off by {:.4}",
        pair.marginal_error
    ));
}

fn small_switch(ui: &mut Ui, ctx: &Ctx<'_>, choices: &[(&str, &str)], on: usize) -> Option<usize> {
    ui.allocate_ui(Vec2::new(88.0 * choices.len() as f32, size::CONTROL), |ui| segmented(ui, ctx.tokens, choices, on))
        .inner
}

fn set(ctx: &Ctx<'_>, inspect: Inspect) {
    ctx.send(Command::Plan(PlanCommand::SetInspect(inspect)));
}

fn tools_ui(ui: &mut Ui, ctx: &Ctx<'_>, from_right: bool) {
    let inspect = &ctx.prefs.inspect;
    ui.spacing_mut().item_spacing.x = space::XS;
    let zoom = ctx.session.zoom;
    let near = zoom.query.size.min(zoom.gallery.size) <= 1.0 / crate::ui::inspect::Zoom::MOST + 1e-4;
    let mut tools: Vec<(Action, Option<bool>, bool)> = vec![
        (Action::ToggleGrid, Some(ctx.prefs.view.grid), true),
        (Action::Plan(PlanAction::Nearest), Some(inspect.nearest), true),
        (Action::Plan(PlanAction::LinkZoom), Some(inspect.linked), true),
        (Action::Plan(PlanAction::ZoomOut), None, !zoom.is_whole()),
        (Action::Plan(PlanAction::ZoomFit), None, !zoom.is_whole()),
        (Action::Plan(PlanAction::ZoomIn), None, !near),
    ];
    if from_right {
        tools.reverse();
    }
    for (action, on, enabled) in tools {
        let entry = action.entry();
        let mut button = PushButton::icon_only(entry.icon, entry.name).enabled(enabled);
        if let Some(on) = on {
            button = button.selected(on);
        }
        sent(ui, ctx, action, button.look(Look::Ghost));
    }
}
