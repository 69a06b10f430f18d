//! Why this score: the pairs of cells that make it up. The picture's textual twin; it adds up.

use egui::{Align2, Pos2, Role, ScrollArea, Sense, Ui, Vec2, WidgetInfo};

use super::pair;
use super::results::sum_words;
use crate::domain::{PairMatch, Ranking};
use crate::ui::command::Command;
use crate::ui::context::Ctx;
use crate::ui::figures::{adding_up, count};
use crate::ui::layout;
use crate::ui::state::{Plan, Pointed, Ribbons};
use crate::ui::tokens::{self, size, space};
use crate::ui::widgets::legend::swatch;
use crate::ui::widgets::score_bar::Parts;
use crate::ui::widgets::section_label;

const DECIMALS: usize = 4;

/// One pair of cells.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Flow {
    pub query: usize,
    pub gallery: usize,
    pub mass: f32,
}

/// The pairs that are drawn: the heaviest first, as many as the settings allow, of the pointed cell only.
pub fn shown_flows(pair: &PairMatch, ribbons: &Ribbons, pointed: Option<Pointed>) -> Vec<Flow> {
    let columns = pair.plan.gallery().cells();
    let of_pointed = |flow: &Flow| match pointed {
        Some(Pointed::Query(cell)) => flow.query == cell,
        Some(Pointed::Gallery(cell)) => flow.gallery == cell,
        Some(Pointed::Flow(..)) | None => true,
    };
    let mut flows: Vec<Flow> = pair
        .plan
        .mass()
        .iter()
        .enumerate()
        .map(|(index, &mass)| Flow { query: index / columns, gallery: index % columns, mass })
        .filter(|flow| flow.mass > 0.0 && of_pointed(flow))
        .collect();
    // Of a pointed cell the shares are those within its own row or column, as its ribbons have them.
    let largest = flows.iter().map(|flow| flow.mass).fold(0.0, f32::max);
    flows.retain(|flow| flow.mass >= largest * ribbons.threshold);
    flows.sort_by(|a, b| b.mass.total_cmp(&a.mass).then(a.query.cmp(&b.query)).then(a.gallery.cmp(&b.gallery)));
    flows.truncate(ribbons.count);
    flows
}

/// Contributions of the shown flows, of all others together, and the total, as they are printed.
#[derive(Clone, Debug, PartialEq)]
pub struct Sums {
    pub shown: Vec<f64>,
    pub rest: f64,
    pub rest_count: usize,
    pub total: f64,
}

impl Sums {
    pub fn of(pair: &PairMatch, flows: &[Flow]) -> Self {
        let mut parts: Vec<f32> = flows.iter().map(|flow| pair.contribution(flow.query, flow.gallery)).collect();
        let rest = pair.structural - parts.iter().sum::<f32>();
        parts.push(rest);
        let mut shown = adding_up(pair.structural, &parts, DECIMALS);
        let rest = shown.pop().unwrap_or(0.0);
        let all = pair.plan.mass().iter().filter(|&&mass| mass > 0.0).count();
        Self { total: shown.iter().sum::<f64>() + rest, shown, rest, rest_count: all.saturating_sub(flows.len()) }
    }

    /// In per cent of the structural score; empty where that is zero.
    fn percent(&self, part: f64) -> String {
        if self.total.abs() < 1e-9 { String::new() } else { format!("{:.1} %", 100.0 * part / self.total) }
    }
}

/// Right edges of the columns, as shares of the width.
const COLUMNS: [(&str, f32); 4] =
    [("Mass", 0.42), ("Similarity", 0.60), ("Contribution", 0.80), ("Of structural", 1.0)];

pub fn why_pane_ui(ui: &mut Ui, ctx: &Ctx<'_>) {
    layout::padded_ui(ui, |ui| match pair::shown_plan(ctx) {
        Some((plan, ranking)) => why_ui(ui, ctx, plan, ranking),
        None => {
            section_label(ui, ctx.tokens, "Why");
        }
    });
}

fn why_ui(ui: &mut Ui, ctx: &Ctx<'_>, plan: &Plan, ranking: &Ranking) {
    let pair = &plan.info.pair;
    let weight = plan.info.options.structural_weight;
    let parts = Parts::new(pair.score, pair.global, Some(pair.structural * weight));
    section_label(ui, ctx.tokens, &format!("Why: {}", sum_words(&parts, weight)));
    if ranking.options != plan.info.options {
        crate::ui::widgets::dim_label(ui, ctx.tokens, "The ranking follows in a moment");
    }
    ui.spacing_mut().item_spacing.y = 0.0;
    let cell = ctx.session.pointed.filter(|pointed| !matches!(pointed, Pointed::Flow(..)));
    let flows = shown_flows(pair, &ctx.prefs.ribbons, cell);
    let sums = Sums::of(pair, &flows);
    row_ui(ui, ctx, "Cells", COLUMNS.map(|(name, _)| name.to_owned()), Kind::Head);

    let pointed_row = pointed_row(ui, ctx, plan, &flows, &sums);
    if cell.is_none() && pointed_row != ctx.session.pointed {
        ctx.send(Command::PointAt(pointed_row));
    }
}

fn pointed_row(ui: &mut Ui, ctx: &Ctx<'_>, plan: &Plan, flows: &[Flow], sums: &Sums) -> Option<Pointed> {
    let pair = &plan.info.pair;
    let (query, gallery) = (pair.plan.query(), pair.plan.gallery());
    let mut pointed = None;
    let below = 2.0 * size::TABLE_ROW + space::S;
    // Whole rows only.
    let rows = ((ui.available_height() - below) / size::TABLE_ROW).floor().max(1.0);
    let room = rows * size::TABLE_ROW;
    ScrollArea::vertical().id_salt("contributions").max_height(room).auto_shrink([false, true]).show_rows(
        ui,
        size::TABLE_ROW,
        flows.len(),
        |ui, rows| {
            for (flow, part) in flows[rows.clone()].iter().zip(&sums.shown[rows]) {
                let name = format!("{} to {}", query.name(flow.query), gallery.name(flow.gallery));
                let similarity = pair.similarity[flow.query * gallery.cells() + flow.gallery];
                let figures = [
                    format!("{:.4}", flow.mass),
                    format!("{similarity:.3}"),
                    format!("{part:.4}"),
                    sums.percent(*part),
                ];
                let color = plan.scene.color_of(flow.query);
                if row_ui(ui, ctx, &name, figures, Kind::Flow(color)).hovered() {
                    pointed = Some(Pointed::Flow(flow.query, flow.gallery));
                }
            }
        },
    );
    if sums.rest_count > 0 {
        let figures = [String::new(), String::new(), format!("{:.4}", sums.rest), sums.percent(sums.rest)];
        row_ui(ui, ctx, &format!("{} more", count(sums.rest_count)), figures, Kind::Rest);
    }
    let total = [String::new(), String::new(), format!("{:.4}", sums.total), sums.percent(sums.total)];
    row_ui(ui, ctx, "Structural score", total, Kind::Total);
    pointed
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Head,
    /// With the colour of its ribbon.
    Flow([f32; 3]),
    Rest,
    Total,
}

fn row_ui(ui: &mut Ui, ctx: &Ctx<'_>, name: &str, figures: [String; 4], kind: Kind) -> egui::Response {
    let tokens = ctx.tokens;
    let (rect, response) = ui.allocate_exact_size(Vec2::new(ui.available_width(), size::TABLE_ROW), Sense::hover());
    let words = std::iter::once(name).chain(figures.iter().map(String::as_str)).filter(|text| !text.is_empty());
    let words = words.collect::<Vec<_>>().join(", ");
    response.widget_info(|| WidgetInfo::labeled(Role::Row, true, &words));
    let painter = ui.painter();
    if response.hovered() && matches!(kind, Kind::Flow(_)) {
        painter.rect_filled(rect, 4, tokens.chip);
    }
    painter.hline(rect.x_range(), rect.bottom(), tokens.hairline());
    let (font, color) = match kind {
        Kind::Head => (tokens::small(), tokens.dim),
        Kind::Flow(_) => (tokens::body(), tokens.text),
        Kind::Rest => (tokens::body(), tokens.dim),
        Kind::Total => (tokens::strong(), tokens.text),
    };
    let mut left = rect.left() + space::XS;
    if let Kind::Flow(color) = kind {
        swatch(painter, Pos2::new(left + size::SWATCH / 2.0, rect.center().y), color);
        left += size::SWATCH + space::S;
    }
    painter.text(Pos2::new(left, rect.center().y), Align2::LEFT_CENTER, name, font.clone(), color);
    for (figure, (_, right)) in figures.iter().zip(COLUMNS) {
        let at = Pos2::new(rect.left() + right * rect.width() - space::XS, rect.center().y);
        painter.text(at, Align2::RIGHT_CENTER, figure, font.clone(), color);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Grid, TransportPlan};

    /// An asymmetric pair: 1 x 2 query cells, 1 x 3 gallery cells.
    fn pair() -> PairMatch {
        let mass = vec![0.3, 0.1, 0.1, 0.0, 0.2, 0.3];
        let similarity = vec![0.9, 0.2, -0.4, 0.1, 0.8, 0.7];
        let structural = mass.iter().zip(&similarity).map(|(m, s)| m * s).sum();
        PairMatch {
            plan: TransportPlan::new(Grid::new(1, 2), Grid::new(1, 3), mass),
            similarity,
            row_marginal: vec![0.5, 0.5],
            column_marginal: vec![0.3, 0.3, 0.4],
            structural,
            global: 0.5,
            score: 0.5 + structural,
            iterations: 3,
            marginal_error: 0.0,
            uniform_fallback: false,
        }
    }

    #[test]
    fn the_table_adds_up_to_the_structural_score_whatever_is_shown() {
        let pair = pair();
        for count in 0..=6 {
            let ribbons = Ribbons { threshold: 0.0, count, opacity: 1.0 };
            let flows = shown_flows(&pair, &ribbons, None);
            let sums = Sums::of(&pair, &flows);
            assert_eq!(flows.len(), count.min(5));
            assert_eq!(sums.rest_count, 5 - flows.len());
            assert_eq!(format!("{:.4}", sums.total), format!("{:.4}", pair.structural));
            assert!((sums.shown.iter().sum::<f64>() + sums.rest - sums.total).abs() < 1e-9);
        }
    }

    #[test]
    fn pointing_at_a_cell_leaves_its_row_or_its_column() {
        let pair = pair();
        let all = Ribbons { threshold: 0.0, count: 99, opacity: 1.0 };
        let row = shown_flows(&pair, &all, Some(Pointed::Query(1)));
        assert_eq!(row.iter().map(|f| (f.query, f.gallery)).collect::<Vec<_>>(), [(1, 2), (1, 1)]);
        let column = shown_flows(&pair, &all, Some(Pointed::Gallery(2)));
        assert_eq!(column.iter().map(|f| (f.query, f.gallery)).collect::<Vec<_>>(), [(1, 2), (0, 2)]);
    }

    #[test]
    fn the_threshold_is_a_share_of_the_largest_mass() {
        let ribbons = Ribbons { threshold: 0.5, count: 99, opacity: 1.0 };
        let flows = shown_flows(&pair(), &ribbons, None);
        assert!(flows.iter().all(|flow| flow.mass >= 0.15) && flows.len() == 3);
    }
}
