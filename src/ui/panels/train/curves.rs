//! The curves of the runs that are laid over each other: one chart for each quantity, one pointer for all of them.

use std::sync::Arc;

use egui::{Align, Layout, RichText, ScrollArea, Sense, Ui, Vec2, WidgetInfo};

use super::{message_ui, send};
use crate::domain::{RunCurves, RunId, smoothed};
use crate::ui::command::Action;
use crate::ui::context::Ctx;
use crate::ui::fonts::icon;
use crate::ui::tokens::{self, radius, size, space};
use crate::ui::training::{CurveView, Over, TrainAction, TrainCommand};
use crate::ui::widgets::button::{PushButton, sent};
use crate::ui::widgets::chart::{self, Chart, Figures, Series, Stroking};
use crate::ui::widgets::segmented::segmented;
use crate::ui::widgets::slider::Slider;

/// One chart and the curves that belong to it.
struct Kind {
    title: &'static str,
    meaning: &'static str,
    figures: Figures,
    range: Option<[f64; 2]>,
    /// Follows the switch to a logarithmic scale.
    scales: bool,
    /// Noisy from step to step.
    noisy: bool,
    /// So many curves are drawn of each where several runs are laid over each other.
    main: usize,
    /// Curves by name, with what the legend says. Every curve whose name begins with `all` follows.
    curves: &'static [(&'static str, &'static str)],
    all: Option<&'static str>,
    empty: &'static str,
}

const KINDS: [Kind; 6] = [
    Kind {
        title: "Loss",
        meaning: "What each part of the loss is, before its weight; the total is weighted",
        figures: Figures::Plain,
        range: None,
        scales: true,
        noisy: true,
        main: 1,
        curves: &[("loss total", "total")],
        all: Some("loss "),
        empty: "Drawn from the first step on",
    },
    Kind {
        title: "Retrieval on validation",
        meaning: "Share of the held-back street photos whose product is among the first 1 or 10, and mean average precision",
        figures: Figures::Share,
        range: Some([0.0, 1.0]),
        scales: false,
        noisy: false,
        main: 2,
        curves: &[
            ("validation recall@1", "@1"),
            ("validation recall@10", "@10"),
            ("validation mAP", "mAP"),
            ("validation neighbours' recall@1", "nearest is the product"),
            ("validation neighbours' kind", "neighbours agree on the kind"),
        ],
        all: Some("validation category"),
        empty: "Measured after some epochs, as the recipe says",
    },
    Kind {
        title: "Learning rate",
        meaning: "How large steps are",
        figures: Figures::Power,
        range: None,
        scales: true,
        noisy: false,
        main: 1,
        curves: &[("rate", "rate")],
        all: None,
        empty: "Drawn from the first step on",
    },
    Kind {
        title: "Images per second",
        meaning: "What the trainer does, and what the data pipeline could give it",
        figures: Figures::Whole,
        range: None,
        scales: false,
        noisy: true,
        main: 1,
        curves: &[("images/s", "trainer"), ("loader images/s", "pipeline")],
        all: None,
        empty: "Drawn from the first step on",
    },
    Kind {
        title: "Gradient norm",
        meaning: "Length of the whole gradient before it is clipped",
        figures: Figures::Plain,
        range: None,
        scales: true,
        noisy: true,
        main: 1,
        curves: &[("gradient norm", "norm")],
        all: None,
        empty: "Drawn from the first step on",
    },
    Kind {
        title: "Hard and dead",
        meaning: "Share of anchors whose right product is farther than a wrong one, and share of units that are never active",
        figures: Figures::Share,
        range: None,
        scales: false,
        noisy: true,
        main: 1,
        curves: &[("wrong share", "wrong triplets"), ("dead share", "dead units")],
        all: None,
        empty: "Drawn from the first step on",
    },
];

impl Kind {
    /// Whether any of these runs has a curve of it.
    fn has_any(&self, runs: &[(usize, &RunId, &RunCurves)]) -> bool {
        runs.iter().any(|(.., curves)| {
            let named = self.curves.iter().any(|(name, _)| curves.get(name).is_some());
            let follows = |name: &String| self.all.is_some_and(|prefix| name.starts_with(prefix));
            named || curves.curves.keys().any(|name| follows(name) && curves.get(name).is_some())
        })
    }
}

/// How a curve is called in a legend.
fn legend_of(name: &str) -> String {
    let short = name.strip_prefix("loss ").or_else(|| name.strip_prefix("validation ")).unwrap_or(name);
    match short {
        "info_nce" => "InfoNCE".to_owned(),
        "nt_xent" => "NT-Xent".to_owned(),
        "cross_entropy" => "cross-entropy".to_owned(),
        short => short.replace('_', " "),
    }
}

pub fn curves_ui(ui: &mut Ui, ctx: &Ctx<'_>) {
    let train = &ctx.session.train;
    let rect = ui.max_rect().shrink2(Vec2::new(space::L, space::M));
    let mut ui = ui.new_child(egui::UiBuilder::new().max_rect(rect));
    let ui = &mut ui;
    let runs: Vec<(usize, &RunId, &RunCurves)> =
        train.drawn().filter_map(|(place, run)| Some((place, run, train.curves_of(run)?.as_ref()))).collect();
    if train.drawn().next().is_none() {
        let none = train.runs.as_ref().is_some_and(|runs| runs.is_empty());
        let (title, words) = if none {
            (
                "Nothing was trained yet",
                "Choose data and a recipe at the left and start; curves are drawn here from the first step on",
            )
        } else {
            ("No run is drawn", "Press the mark before a run at the right to draw its curves")
        };
        message_ui(ui, ctx, icon::TREND_UP, title, words, &[]);
        return;
    }
    // What a run does not have is not shown; of one that has just begun, all that is to come.
    let mut kinds: Vec<&Kind> = KINDS.iter().filter(|kind| kind.has_any(&runs)).collect();
    if kinds.is_empty() {
        kinds = KINDS.iter().collect();
    }
    tools_ui(ui, ctx);
    ui.add_space(space::S);
    let view = &ctx.prefs.curves;
    let wide = ui.available_width() >= 560.0;
    let columns = if ui.available_width() >= 1180.0 {
        3
    } else if wide {
        2
    } else {
        1
    };
    let rows = kinds.len().div_ceil(columns);
    let gap = space::M;
    let width = ((ui.available_width() - gap * (columns - 1) as f32) / columns as f32).floor();
    let room = ui.available_height();
    // All of them where they fit; else as many rows as can be read.
    let fitting = |rows: usize| (room - gap * (rows - 1) as f32) / rows as f32;
    let height = (1..=rows).rev().map(fitting).find(|height| *height >= 168.0).unwrap_or(168.0).min(640.0).floor();
    ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
        ui.spacing_mut().item_spacing = Vec2::splat(gap);
        for row in kinds.chunks(columns) {
            ui.horizontal(|ui| {
                for kind in row {
                    chart_ui(ui, ctx, kind, &runs, view, Vec2::new(width, height));
                }
            });
        }
    });
}

fn chart_ui(
    ui: &mut Ui,
    ctx: &Ctx<'_>,
    kind: &Kind,
    runs: &[(usize, &RunId, &RunCurves)],
    view: &CurveView,
    card: Vec2,
) {
    let mut names: Vec<(String, String)> =
        kind.curves.iter().map(|(name, legend)| ((*name).to_owned(), (*legend).to_owned())).collect();
    if let Some(prefix) = kind.all {
        let more: std::collections::BTreeSet<&String> =
            runs.iter().flat_map(|(.., curves)| curves.curves.keys()).filter(|name| name.starts_with(prefix)).collect();
        let more: Vec<&String> =
            more.into_iter().filter(|name| !names.iter().any(|(known, _)| known == *name)).collect();
        names.extend(more.into_iter().map(|name| (name.clone(), legend_of(name))));
    }
    // One run has a colour for each line; of several each has its own, and lines differ by their style.
    let alone = runs.len() <= 1;
    let mut series = Vec::new();
    let mut reach = 0.0f64;
    for (place, run, curves) in runs {
        let per_epoch = curves.steps_per_epoch();
        let unit = if view.over == Over::Epochs && per_epoch > 0.0 { per_epoch } else { 1.0 };
        reach = reach.max(curves.steps as f64 / unit);
        let there = names.iter().filter_map(|(name, legend)| Some((name, legend, curves.get(name)?)));
        let there = there.take(if alone { usize::MAX } else { kind.main });
        for (index, (name, legend, curve)) in there.enumerate() {
            let raw: Vec<[f64; 2]> = curve.points().map(|[x, y]| [x / unit, y]).collect();
            let smooths = kind.noisy && view.smoothing > 0.0;
            let points = if smooths { smoothed(raw.iter().copied(), f64::from(view.smoothing)) } else { raw.clone() };
            let (color, stroking) = if alone {
                chart::looks(ctx.tokens, index)
            } else {
                (chart::looks(ctx.tokens, *place).0, Stroking::ALL[index % Stroking::ALL.len()])
            };
            let name_of_line = if alone { legend.clone() } else { format!("{legend}, {run}") };
            // Of several runs the colour says which; a stroke has a name only where there are several.
            let short = if alone || kind.main > 1 { legend.clone() } else { String::new() };
            let key = format!("{}/{name}", kind.title);
            let hidden = view.hidden.contains(&key);
            series.push((
                key,
                Series {
                    name: name_of_line,
                    legend: short,
                    key: format!("{name}/{run}"),
                    points,
                    // Several noisy lines hide each other.
                    raw: if smooths && alone { raw } else { Vec::new() },
                    color,
                    stroking,
                    hidden,
                },
            ));
        }
    }
    let (keys, series): (Vec<String>, Vec<Series>) = series.into_iter().unzip();
    let chart = Chart {
        title: kind.title,
        meaning: kind.meaning,
        figures: kind.figures,
        logarithmic: kind.scales && view.logarithmic,
        range: kind.range,
        reach,
        unit: if view.over == Over::Epochs { "epoch" } else { "step" },
        series: &series,
        empty: kind.empty,
    };
    if let Some(toggled) = chart.show(ui, ctx, card).toggled
        && let Some(index) = series.iter().position(|series| series.key == toggled)
    {
        let mut view = view.clone();
        if !view.hidden.remove(&keys[index]) {
            view.hidden.insert(keys[index].clone());
        }
        send(ctx, TrainCommand::SetView(Box::new(view)));
    }
}

/// Which runs are drawn, and how.
fn tools_ui(ui: &mut Ui, ctx: &Ctx<'_>) {
    let view = &ctx.prefs.curves;
    let drawn: Vec<Drawn<'_>> = Drawn::all(ui, ctx);
    let wanted: f32 = drawn.iter().map(|run| run.width() + space::S).sum();
    let mut beside = true;
    ui.horizontal(|ui| {
        ui.set_height(size::SLIDER_ROW);
        let mut new = view.clone();
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let action = Action::Run(TrainAction::Logarithmic);
            sent(ui, ctx, action, PushButton::new(action.entry().name).selected(view.logarithmic));
            ui.allocate_ui(Vec2::new(128.0, size::CONTROL), |ui| {
                let choices = [("Epochs", "Curves over epochs"), ("Steps", "Curves over steps")];
                if let Some(index) = segmented(ui, ctx.tokens, &choices, usize::from(view.over == Over::Steps)) {
                    new.over = [Over::Epochs, Over::Steps][index];
                }
            });
            if ui.available_width() > 260.0 {
                ui.allocate_ui(Vec2::new(120.0, size::SLIDER_ROW), |ui| {
                    let slider = Slider {
                        name: "Smoothing",
                        meaning: "How much of the noise from step to step is taken out of losses and rates",
                        value: view.smoothing,
                        low: 0.0,
                        high: 0.98,
                        logarithmic: false,
                        whole: false,
                        decimals: 2,
                        suffix: "",
                        default: CurveView::default().smoothing,
                    };
                    if let Some(value) = slider.show(ui, ctx) {
                        new.smoothing = value;
                    }
                });
            }
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                beside = wanted <= ui.available_width();
                if beside {
                    drawn.iter().for_each(|run| run.show(ui, ctx));
                }
                if drawn.len() > 1 && ui.available_width() > 190.0 {
                    let hint = RichText::new("a colour for each run, a stroke for each line").font(tokens::small());
                    ui.label(hint.color(ctx.tokens.dim));
                }
            });
        });
        if new != *view {
            send(ctx, TrainCommand::SetView(Box::new(new)));
        }
    });
    if !beside {
        // Names of runs that are compared differ in a letter or two, so they are shown whole, on as many lines as they take.
        ui.horizontal_wrapped(|ui| {
            ui.spacing_mut().item_spacing.y = 0.0;
            drawn.iter().for_each(|run| run.show(ui, ctx));
        });
        ui.add_space(space::XS);
    }
}

/// The longest name of a run in the legend; a longer one loses its middle.
const LONGEST_NAME: f32 = 240.0;

/// A run that is drawn, in the legend: its colour, its name and a way to take it away.
struct Drawn<'a> {
    run: &'a RunId,
    color: egui::Color32,
    name: Arc<egui::Galley>,
}

impl<'a> Drawn<'a> {
    fn all(ui: &Ui, ctx: &Ctx<'a>) -> Vec<Self> {
        let drawn: Vec<(usize, &RunId)> = ctx.session.train.drawn().collect();
        let alone = drawn.len() == 1;
        let legend = drawn.into_iter().map(|(place, run)| {
            let text = super::cut_inside(ui, run.as_str(), LONGEST_NAME, tokens::strong());
            // One run alone has a colour for each of its lines.
            let color = if alone { ctx.tokens.text } else { chart::looks(ctx.tokens, place).0 };
            Self { run, color, name: ui.painter().layout_no_wrap(text, tokens::strong(), ctx.tokens.text) }
        });
        legend.collect()
    }

    fn width(&self) -> f32 {
        self.name.size().x + size::DOT + 3.0 * space::S
    }

    fn show(&self, ui: &mut Ui, ctx: &Ctx<'_>) {
        ui.spacing_mut().item_spacing.x = space::S;
        let (rect, response) = ui.allocate_exact_size(Vec2::new(self.width(), size::CHIP), Sense::click());
        let words = format!("Take the curves of {} away", self.run);
        response.widget_info(|| WidgetInfo::labeled(egui::Role::Button, true, &words));
        if response.hovered() || response.has_focus() {
            ui.painter().rect_filled(rect, radius::CONTROL, ctx.tokens.chip);
        }
        let dot = egui::pos2(rect.left() + space::S, rect.center().y);
        ui.painter().circle_filled(dot, size::DOT / 2.0, self.color);
        let at = egui::pos2(dot.x + size::DOT, rect.center().y - self.name.size().y / 2.0);
        ui.painter().galley(at, self.name.clone(), ctx.tokens.text);
        if response.on_hover_text(&words).clicked() {
            send(ctx, TrainCommand::Show { run: self.run.clone(), shown: false });
        }
    }
}
