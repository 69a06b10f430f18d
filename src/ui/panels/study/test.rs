//! "Test this reason": deletion and insertion curves of the explanation against random cells, and a verdict in words.

use egui::{RichText, ScrollArea, Ui, Vec2};

use super::{RowKind, flag_ui, row_ui, state_ui, subject_plan, text_ui};
use crate::domain::{Curves, Faithful, Faithfulness};
use crate::jobs::types::Question;
use crate::ui::command::Action;
use crate::ui::context::Ctx;
use crate::ui::tokens::{self, space};
use crate::ui::widgets::button::{Look, action_button};
use crate::ui::widgets::curve_plot::CurvePlot;
use crate::ui::widgets::dim_label;

const COLUMNS: [f32; 3] = [0.5, 0.76, 1.0];

pub fn test_ui(ui: &mut Ui, ctx: &Ctx<'_>) {
    if subject_plan(ui, ctx).is_none() {
        return;
    }
    ScrollArea::vertical().id_salt("test").auto_shrink(false).show(ui, |ui| {
        ui.spacing_mut().item_spacing.y = space::XS + 2.0;
        let asked = state_ui(ui, ctx, |question| *question == Question::Faithfulness);
        match &ctx.session.study.faithfulness {
            Some(faithfulness) => result_ui(ui, ctx, faithfulness),
            None => {
                let text = "Hides the cells of the street photo, the largest contribution first, and encodes each \
                            photo again. If the plan explains the score, the score falls faster than when random \
                            cells are hidden, and rises faster when they are shown";
                ui.add(egui::Label::new(RichText::new(text).font(tokens::body()).color(ctx.tokens.dim)).wrap());
                if !asked {
                    action_button(ui, ctx, Action::TestReason, Look::Filled);
                }
            }
        }
    });
}

fn result_ui(ui: &mut Ui, ctx: &Ctx<'_>, faithfulness: &Faithfulness) {
    let words = verdict_words(faithfulness);
    match faithfulness.verdict() {
        Faithful::Better => text_ui(ui, ctx, &words),
        Faithful::Partly | Faithful::NotBetter => flag_ui(ui, ctx, &words),
    }
    let width = ((ui.available_width() - space::M) / 2.0).max(120.0);
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing = Vec2::splat(space::M);
        let tests =
            [("Hidden", "Cells hidden", &faithfulness.deletion), ("Shown", "Cells shown", &faithfulness.insertion)];
        for (title, x_name, curves) in tests {
            let words = format!(
                "Score by {}: area {:.3} by contribution, {:.3} at random",
                x_name.to_lowercase(),
                faithfulness.area(&curves.explained),
                faithfulness.random_area(curves).0
            );
            let plot = CurvePlot {
                title,
                words: &words,
                x_name,
                shares: &faithfulness.shares,
                curve: &curves.explained,
                band: &curves.band(),
            };
            plot.show(ui, ctx, width, (width * 0.62).clamp(110.0, 190.0));
        }
    });
    let orders = faithfulness.deletion.random.len();
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing.x = space::S;
        ui.label(RichText::new("●  by contribution").font(tokens::small()).color(ctx.tokens.accent));
        dim_label(ui, ctx.tokens, format!("- -  mean of {orders} random orders, ± one standard deviation"));
        dim_label(ui, ctx.tokens, "Up: score");
    });
    table_ui(ui, ctx, faithfulness);
    let [r, g, b] = faithfulness.fill;
    dim_label(
        ui,
        ctx.tokens,
        format!("Hidden cells take the photo’s mean colour (#{r:02x}{g:02x}{b:02x}); each photo is encoded again"),
    );
    action_button(ui, ctx, Action::TestReason, Look::Plain);
}

fn table_ui(ui: &mut Ui, ctx: &Ctx<'_>, faithfulness: &Faithfulness) {
    ui.scope(|ui| {
        ui.spacing_mut().item_spacing.y = 0.0;
        let head = ["By contribution", "At random", "Better is"].map(str::to_owned);
        row_ui(ui, ctx, "Area under the curve", head, COLUMNS, RowKind::Head);
        let row = |ui: &mut Ui, name: &str, curves: &Curves, better: &str| {
            let (mean, deviation) = faithfulness.random_area(curves);
            let texts = [
                format!("{:.4}", faithfulness.area(&curves.explained)),
                format!("{mean:.4} ± {deviation:.4}"),
                better.to_owned(),
            ];
            row_ui(ui, ctx, name, texts, COLUMNS, RowKind::Plain);
        };
        row(ui, "Hidden first to last", &faithfulness.deletion, "smaller");
        row(ui, "Shown first to last", &faithfulness.insertion, "larger");
    });
}

/// The verdict as a sentence.
pub fn verdict_words(faithfulness: &Faithfulness) -> String {
    match faithfulness.verdict() {
        Faithful::Better => "Better than random cells in both tests: the plan points at what the score comes from",
        Faithful::Partly => "Better than random cells in one test only: the plan explains the score in part",
        Faithful::NotBetter => "Not better than random cells: the plan does not show what the score comes from",
    }
    .to_owned()
}
