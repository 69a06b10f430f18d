//! Why this score: the pairs of cells that make it up. The picture's textual twin; it adds up.

use std::sync::Arc;

use egui::{Align, Align2, Layout, Pos2, Rect, Role, ScrollArea, Sense, Ui, Vec2, WidgetInfo};

use super::pair;
use super::results::sum_words;
use crate::domain::{PairMatch, Ranking};
use crate::jobs::types::PlanInfo;
use crate::ui::command::{Action, Command};
use crate::ui::context::Ctx;
use crate::ui::figures::{adding_up, count};
use crate::ui::inspect::{Inspect, PlanAction, PlanCommand, SortBy};
use crate::ui::layout;
use crate::ui::state::{Plan, Pointed, Prefs, Ribbons};
use crate::ui::tokens::{self, size, space};
use crate::ui::widgets::button::{PushButton, action_icon, sent};
use crate::ui::widgets::legend::swatch;
use crate::ui::widgets::plan_view::arrows;
use crate::ui::widgets::score_bar::Parts;
use crate::ui::widgets::{focus_ring, section_label};

const DECIMALS: usize = 4;

/// One pair of cells.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Flow {
    pub query: usize,
    pub gallery: usize,
    pub mass: f32,
}

/// The pairs that are listed: those that are drawn, or all, of the pointed cell only; the largest by `sort` first.
pub fn shown_flows(
    pair: &PairMatch,
    ribbons: &Ribbons,
    pointed: Option<Pointed>,
    sort: SortBy,
    all: bool,
) -> Vec<Flow> {
    let (rows, columns) = (pair.plan.query().cells(), pair.plan.gallery().cells());
    // While the pointer wanders only a row or a column is looked through.
    let (from_query, from_gallery) = match pointed {
        Some(Pointed::Query(cell)) => (cell..(cell + 1).min(rows), 0..columns),
        Some(Pointed::Gallery(cell)) => (0..rows, cell..(cell + 1).min(columns)),
        Some(Pointed::Flow(..)) | None => (0..rows, 0..columns),
    };
    let mut flows: Vec<Flow> = from_query
        .flat_map(|query| from_gallery.clone().map(move |gallery| (query, gallery)))
        .map(|(query, gallery)| Flow { query, gallery, mass: pair.plan.at(query, gallery) })
        .filter(|flow| flow.mass > 0.0)
        .collect();
    if !all {
        // Of a pointed cell the shares are those within its own row or column, as its ribbons have them.
        let largest = flows.iter().map(|flow| flow.mass).fold(0.0, f32::max);
        flows.retain(|flow| flow.mass >= largest * ribbons.threshold);
    }
    let key = |flow: &Flow| match sort {
        SortBy::Mass => flow.mass,
        SortBy::Similarity => pair.similarity[flow.query * columns + flow.gallery],
        SortBy::Contribution => pair.contribution(flow.query, flow.gallery),
    };
    flows.sort_by(|a, b| key(b).total_cmp(&key(a)).then(a.query.cmp(&b.query)).then(a.gallery.cmp(&b.gallery)));
    if !all {
        flows.truncate(ribbons.count);
    }
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

/// Right edges of the columns, as shares of the width, and what they are sorted by.
const COLUMNS: [(&str, f32, Option<SortBy>); 4] = [
    ("Mass", 0.42, Some(SortBy::Mass)),
    ("Similarity", 0.60, Some(SortBy::Similarity)),
    ("Contribution", 0.80, Some(SortBy::Contribution)),
    ("Of structural", 1.0, None),
];

/// What is listed, kept from frame to frame while nothing about it changes.
struct Listed {
    info: Arc<PlanInfo>,
    key: (Ribbons, Option<Pointed>, SortBy, bool),
    flows: Vec<Flow>,
    sums: Sums,
}

impl Listed {
    fn of(plan: &Plan, prefs: &Prefs, pointed: Option<Pointed>) -> Self {
        // Of a pair everything stays listed.
        let cell = pointed.filter(|pointed| !matches!(pointed, Pointed::Flow(..)));
        let (sort, all) = (prefs.inspect.sort, prefs.inspect.list_all);
        let flows = shown_flows(&plan.info.pair, &prefs.ribbons, cell, sort, all);
        let sums = Sums::of(&plan.info.pair, &flows);
        Self { info: plan.info.clone(), key: (prefs.ribbons, cell, sort, all), flows, sums }
    }

    fn kept(ui: &Ui, plan: &Plan, prefs: &Prefs, pointed: Option<Pointed>) -> Arc<Self> {
        let id = egui::Id::unique("listed contributions");
        let cell = pointed.filter(|pointed| !matches!(pointed, Pointed::Flow(..)));
        let key = (prefs.ribbons, cell, prefs.inspect.sort, prefs.inspect.list_all);
        let before: Option<Arc<Self>> = ui.data(|data| data.get_temp(id));
        if let Some(listed) = before.filter(|listed| Arc::ptr_eq(&listed.info, &plan.info) && listed.key == key) {
            return listed;
        }
        let listed = Arc::new(Self::of(plan, prefs, pointed));
        ui.data_mut(|data| data.insert_temp(id, listed.clone()));
        listed
    }

    fn name(&self, flow: &Flow) -> String {
        let plan = &self.info.pair.plan;
        format!("{} to {}", plan.query().name(flow.query), plan.gallery().name(flow.gallery))
    }

    fn figures(&self, index: usize) -> [String; 4] {
        let (flow, part) = (&self.flows[index], self.sums.shown[index]);
        let pair = &self.info.pair;
        let similarity = pair.similarity[flow.query * pair.plan.gallery().cells() + flow.gallery];
        [format!("{:.4}", flow.mass), format!("{similarity:.3}"), format!("{part:.4}"), self.sums.percent(part)]
    }

    /// The row of all pairs that are not listed, and of the total.
    fn rest(&self) -> Option<(String, [String; 4])> {
        let sums = &self.sums;
        let figures = [String::new(), String::new(), format!("{:.4}", sums.rest), sums.percent(sums.rest)];
        (sums.rest_count > 0).then(|| (format!("{} more", count(sums.rest_count)), figures))
    }

    fn total(&self) -> [String; 4] {
        let total = self.sums.total;
        [String::new(), String::new(), format!("{total:.4}"), self.sums.percent(total)]
    }
}

/// The list as it is shown, with a tab between columns: a spreadsheet takes it as it is.
pub fn as_text(plan: &Plan, prefs: &Prefs, pointed: Option<Pointed>) -> String {
    let listed = Listed::of(plan, prefs, pointed);
    let mut text = String::from("Cells\tMass\tSimilarity\tContribution\tOf structural\n");
    let mut line = |name: &str, figures: &[String; 4]| {
        text.push_str(name);
        for figure in figures {
            text.push('\t');
            text.push_str(figure);
        }
        text.push('\n');
    };
    for (index, flow) in listed.flows.iter().enumerate() {
        line(&listed.name(flow), &listed.figures(index));
    }
    if let Some((name, figures)) = listed.rest() {
        line(&name, &figures);
    }
    line("Structural score", &listed.total());
    text
}

pub fn why_pane_ui(ui: &mut Ui, ctx: &Ctx<'_>) {
    layout::padded_ui(ui, |ui| match pair::shown_plan(ctx) {
        Some((plan, ranking)) => why_ui(ui, ctx, plan, ranking),
        None => {
            section_label(ui, ctx.tokens, "Why");
            if ctx.session.goes_with() {
                crate::ui::widgets::dim_label(
                    ui,
                    ctx.tokens,
                    "What goes well is ranked by whole garments, not by cells",
                );
            }
        }
    });
}

fn why_ui(ui: &mut Ui, ctx: &Ctx<'_>, plan: &Plan, ranking: &Ranking) {
    let pair = &plan.info.pair;
    let weight = plan.info.options.structural_weight;
    let parts = Parts::new(pair.score, pair.global, Some(pair.structural * weight));
    ui.horizontal(|ui| {
        section_label(ui, ctx.tokens, &format!("Why: {}", sum_words(&parts, weight)));
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            ui.spacing_mut().item_spacing.x = space::XS;
            action_icon(ui, ctx, Action::Plan(PlanAction::CopyList), true);
            let action = Action::Plan(PlanAction::ListAll);
            let entry = action.entry();
            let button = PushButton::icon_only(entry.icon, entry.name).selected(ctx.prefs.inspect.list_all);
            sent(ui, ctx, action, button);
        });
    });
    if ranking.options != plan.info.options {
        crate::ui::widgets::dim_label(ui, ctx.tokens, "The ranking follows in a moment");
    }
    ui.spacing_mut().item_spacing.y = 0.0;
    let listed = Listed::kept(ui, plan, ctx.prefs, ctx.session.pointed);
    head_ui(ui, ctx);
    list_ui(ui, ctx, plan, &listed);
    if let Some((name, figures)) = listed.rest() {
        row_ui(ui, ctx, &name, &figures, Kind::Rest);
    }
    row_ui(ui, ctx, "Structural score", &listed.total(), Kind::Total);
}

/// The columns' names; a click on one sorts by it.
fn head_ui(ui: &mut Ui, ctx: &Ctx<'_>) {
    let names = COLUMNS.map(|(name, _, sort)| {
        let on = sort.is_some_and(|sort| sort == ctx.prefs.inspect.sort);
        if on { format!("{name} ↓") } else { name.to_owned() }
    });
    let row = row_ui(ui, ctx, "Cells", &names, Kind::Head);
    let mut left = row.rect.left() + row.rect.width() * 0.25;
    for (name, right, sort) in COLUMNS {
        let right = row.rect.left() + right * row.rect.width();
        let rect = Rect::from_min_max(Pos2::new(left, row.rect.top()), Pos2::new(right, row.rect.bottom()));
        left = right;
        let Some(sort) = sort else { continue };
        let response = ui.interact(rect, ui.scope_id().with(("sort", name)), Sense::click());
        let on = sort == ctx.prefs.inspect.sort;
        response
            .widget_info(|| WidgetInfo::selected(Role::Button, true, on, format!("Sort by {}", name.to_lowercase())));
        if response.has_focus() {
            focus_ring(ui.painter(), ctx.tokens, rect, 2);
        }
        if response.on_hover_text(format!("Sort by {}, the largest first", name.to_lowercase())).clicked() && !on {
            let inspect = Inspect { sort, ..ctx.prefs.inspect };
            ctx.send(Command::Plan(PlanCommand::SetInspect(inspect)));
        }
    }
}

/// The rows; one stop of the Tab key, walked through with the arrow keys.
fn list_ui(ui: &mut Ui, ctx: &Ctx<'_>, plan: &Plan, listed: &Listed) {
    let below = 2.0 * size::TABLE_ROW + space::S;
    // Whole rows only.
    let rows = ((ui.available_height() - below) / size::TABLE_ROW).floor().max(1.0);
    let room = rows * size::TABLE_ROW;
    let area = Rect::from_min_size(ui.cursor().min, Vec2::new(ui.available_width(), room));
    let id = ui.scope_id().with("contributions");
    let area = ui.interact(area, id, Sense::focusable_noninteractive());
    let words = format!("Contributions, {} listed", count(listed.flows.len()));
    area.widget_info(|| WidgetInfo::labeled(Role::List, true, &words));
    let current = listed.flows.iter().position(|flow| ctx.session.pointed == Some(flow.pointed()));
    let mut reached = None;
    if area.has_focus() {
        ctx.take_arrows();
        let last = listed.flows.len().saturating_sub(1);
        reached = arrows(ui, id).filter(|(_, down)| *down != 0).map(|(_, down)| match current {
            Some(row) => row.saturating_add_signed(down).min(last),
            None => 0,
        });
        if let Some(flow) = reached.or(current).and_then(|row| listed.flows.get(row)) {
            ctx.walk(flow.pointed());
        }
    }
    let mut scroll = ScrollArea::vertical().id_salt("contributions").max_height(room).auto_shrink([false, true]);
    if let Some(row) = reached {
        // The cursor stays in sight, with a row before it.
        let most = (listed.flows.len() as f32 * size::TABLE_ROW - room).max(0.0);
        let top: f32 = ui.data(|data| data.get_temp(id.with("top"))).unwrap_or(0.0);
        let at = row as f32 * size::TABLE_ROW;
        let to = top.min((at - size::TABLE_ROW).max(0.0)).max(at + 2.0 * size::TABLE_ROW - room).clamp(0.0, most);
        scroll = scroll.vertical_scroll_offset(to);
    }
    let shown = scroll.show_rows(ui, size::TABLE_ROW, listed.flows.len(), |ui, rows| {
        for index in rows {
            let flow = &listed.flows[index];
            let kind = Kind::Flow { color: plan.scene.color_of(flow.query), on: current == Some(index) };
            let response = row_ui(ui, ctx, &listed.name(flow), &listed.figures(index), kind);
            if response.hovered() {
                ctx.point(flow.pointed());
            }
            if response.clicked() {
                ui.memory_mut(|memory| memory.request_focus(id));
                ctx.walk(flow.pointed());
            }
        }
    });
    ui.data_mut(|data| data.insert_temp(id.with("top"), shown.state.clamped_offset().y));
    if area.has_focus() {
        focus_ring(ui.painter(), ctx.tokens, shown.inner_rect, 2);
    }
}

impl Flow {
    fn pointed(&self) -> Pointed {
        Pointed::Flow(self.query, self.gallery)
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Head,
    /// With the colour of its ribbon, and whether it is pointed at.
    Flow {
        color: [f32; 3],
        on: bool,
    },
    Rest,
    Total,
}

fn row_ui(ui: &mut Ui, ctx: &Ctx<'_>, name: &str, figures: &[String; 4], kind: Kind) -> egui::Response {
    let tokens = ctx.tokens;
    // A row is clicked, but reached by the keyboard through the list as a whole.
    let sense = if matches!(kind, Kind::Flow { .. }) { Sense::CLICK } else { Sense::hover() };
    let (rect, response) = ui.allocate_exact_size(Vec2::new(ui.available_width(), size::TABLE_ROW), sense);
    let words = std::iter::once(name).chain(figures.iter().map(String::as_str)).filter(|text| !text.is_empty());
    let words = words.collect::<Vec<_>>().join(", ");
    response.widget_info(|| WidgetInfo::labeled(Role::Row, true, &words));
    let painter = ui.painter();
    if matches!(kind, Kind::Flow { on, .. } if on || response.hovered()) {
        painter.rect_filled(rect, 4, tokens.chip);
    }
    painter.hline(rect.x_range(), rect.bottom(), tokens.hairline());
    let (font, color) = match kind {
        Kind::Head => (tokens::small(), tokens.dim),
        Kind::Flow { .. } => (tokens::body(), tokens.text),
        Kind::Rest => (tokens::body(), tokens.dim),
        Kind::Total => (tokens::strong(), tokens.text),
    };
    let mut left = rect.left() + space::XS;
    if let Kind::Flow { color, .. } = kind {
        swatch(painter, Pos2::new(left + size::SWATCH / 2.0, rect.center().y), color);
        left += size::SWATCH + space::S;
    }
    painter.text(Pos2::new(left, rect.center().y), Align2::LEFT_CENTER, name, font.clone(), color);
    for (figure, (_, right, _)) in figures.iter().zip(COLUMNS) {
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
            let flows = shown_flows(&pair, &ribbons, None, SortBy::Mass, false);
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
        let row = shown_flows(&pair, &all, Some(Pointed::Query(1)), SortBy::Mass, false);
        assert_eq!(row.iter().map(|f| (f.query, f.gallery)).collect::<Vec<_>>(), [(1, 2), (1, 1)]);
        let column = shown_flows(&pair, &all, Some(Pointed::Gallery(2)), SortBy::Mass, false);
        assert_eq!(column.iter().map(|f| (f.query, f.gallery)).collect::<Vec<_>>(), [(1, 2), (0, 2)]);
    }

    #[test]
    fn the_threshold_is_a_share_of_the_largest_mass() {
        let ribbons = Ribbons { threshold: 0.5, count: 99, opacity: 1.0 };
        let flows = shown_flows(&pair(), &ribbons, None, SortBy::Mass, false);
        assert!(flows.iter().all(|flow| flow.mass >= 0.15) && flows.len() == 3);
    }

    #[test]
    fn the_list_is_sorted_by_mass_by_similarity_or_by_what_a_pair_adds() {
        let pair = pair();
        let order = |sort| -> Vec<(usize, usize)> {
            shown_flows(&pair, &Ribbons { count: 1, ..Ribbons::default() }, None, sort, true)
                .iter()
                .map(|f| (f.query, f.gallery))
                .collect()
        };
        assert_eq!(order(SortBy::Mass), [(0, 0), (1, 2), (1, 1), (0, 1), (0, 2)]);
        assert_eq!(order(SortBy::Similarity), [(0, 0), (1, 1), (1, 2), (0, 1), (0, 2)]);
        assert_eq!(order(SortBy::Contribution), [(0, 0), (1, 2), (1, 1), (0, 1), (0, 2)]);
    }
}
