//! What a plan's picture is made of, apart from how and where it is drawn.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::domain::{Grid, PairMatch, SquarePicture};

use super::color::flow_color;
use super::masses::{Masses, share};
use super::style::{CellRef, PlanLayout, PlanStyle, Side, cell_in, ribbon};

/// More flows than this are never kept, the heaviest are; a 7 x 7 pair has 2,401.
const MAX_FLOWS: usize = 4096;

/// How much of a cell's height the flows that meet in it are spread over.
const SPREAD: f32 = 0.56;

/// Mass that moves from one query cell to one gallery cell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Flow {
    pub query: usize,
    pub gallery: usize,
    pub mass: f32,
    /// Of the plan's largest mass, 0..=1.
    pub share: f32,
    /// Of the largest mass that leaves the same query cell.
    pub share_of_row: f32,
    /// Of the largest mass that reaches the same gallery cell.
    pub share_of_column: f32,
    /// Where it starts in the query square, 0..=1 from the top left.
    pub start: [f32; 2],
    /// Where it ends in the gallery square.
    pub end: [f32; 2],
    /// What it was in the plan before; the same where there is none.
    pub was: Was,
}

/// A flow in the plan that the present one comes from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Was {
    /// As `share`, `share_of_row` and `share_of_column`.
    pub shares: [f32; 3],
    /// Heights of start and end.
    pub heights: [f32; 2],
}

/// One photo of the scene.
#[derive(Clone, Debug)]
pub(super) struct SceneSide {
    pub grid: Grid,
    pub picture: SquarePicture,
    /// Heat colour of each cell: where its mass starts, mixed by mass on the gallery side.
    pub colors: Vec<[f32; 3]>,
    /// Mass of each cell, of the side's largest.
    pub shares: Vec<f32>,
    /// The same of the plan before.
    pub was_colors: Vec<[f32; 3]>,
    pub was_shares: Vec<f32>,
    /// Flows by cell, lightest first, as indices into `flows`; and each cell's part of them.
    pub by_cell: Vec<usize>,
    pub ranges: Vec<Range<usize>>,
}

impl SceneSide {
    /// Colour and share of a cell while the plan before turns into this one.
    pub fn at(&self, cell: usize, blend: f32) -> ([f32; 3], f32) {
        let (was, now) = (self.was_colors[cell], self.colors[cell]);
        let color = std::array::from_fn(|i| between(was[i], now[i], blend));
        (color, between(self.was_shares[cell], self.shares[cell], blend))
    }
}

pub(super) fn between(was: f32, now: f32, blend: f32) -> f32 {
    was * (1.0 - blend) + now * blend
}

/// A plan and its photos, ready to be drawn by anything.
#[derive(Clone, Debug)]
pub struct PlanScene {
    /// Scenes with different numbers may differ; the same number is the same scene.
    id: u64,
    pub(super) query: SceneSide,
    pub(super) gallery: SceneSide,
    /// Lightest first, so that the heavy ones are drawn over the rest. Those that were in the plan before only come first.
    flows: Vec<Flow>,
    pub(super) now: Masses,
    /// The plan that this one comes from.
    was: Option<Masses>,
    /// Flows of the plan before, lightest first.
    was_order: Vec<usize>,
    max_mass: f32,
}

/// Which flows a style shows, as parts of the flows by mass and of one cell's flows.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Shown {
    /// Of `flows`.
    pub base: Range<usize>,
    /// Of the pointed side's `by_cell`; empty where nothing is pointed at.
    pub lit: Range<usize>,
    pub lit_side: Option<Side>,
    /// Share of the lightest flow that is shown, now and in the plan before.
    pub least_share: f32,
    pub was_least_share: f32,
}

/// What is pointed at, checked against the scene.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Pointed {
    Cell(CellRef),
    Flow(usize, usize),
}

impl PlanScene {
    pub fn new(pair: &PairMatch, query: &SquarePicture, gallery: &SquarePicture) -> Self {
        Self::made(pair, query, gallery, None)
    }

    /// A plan that another one of the same cells turns into; `blend` says how far that one had come itself. Drawn with
    /// [`PlanStyle::blend`] from 0 to 1. Plans of other cells do not turn into each other: this is then the new one alone.
    pub fn from_before(
        pair: &PairMatch,
        query: &SquarePicture,
        gallery: &SquarePicture,
        before: &Self,
        blend: f32,
    ) -> Self {
        let same = (pair.plan.query(), pair.plan.gallery()) == (before.query.grid, before.gallery.grid);
        Self::made(pair, query, gallery, same.then_some((before, blend.clamp(0.0, 1.0))))
    }

    fn made(pair: &PairMatch, query: &SquarePicture, gallery: &SquarePicture, from: Option<(&Self, f32)>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let plan = &pair.plan;
        let (rows, columns) = (plan.query(), plan.gallery());
        let query_colors: Vec<[f32; 3]> = (0..rows.cells())
            .map(|cell| {
                let [x, y] = centre(rows, cell);
                let [left, top, right, bottom] = query.content;
                flow_color(share(x - left, right - left), share(y - top, bottom - top))
            })
            .collect();
        let now = Masses::of(plan.mass(), columns.cells(), &query_colors);
        let was = from.map(|(scene, blend)| Masses::of(&scene.shares_at(blend), columns.cells(), &query_colors));

        let mut flows: Vec<Flow> = (0..rows.cells() * columns.cells())
            .filter_map(|index| {
                let (q, g) = (index / columns.cells(), index % columns.cells());
                let mass = Some(plan.mass()[index]).filter(|mass| *mass > 0.0 && mass.is_finite()).unwrap_or(0.0);
                let before = was.as_ref().unwrap_or(&now);
                if mass == 0.0 && (was.is_none() || before.at(q, g) == 0.0) {
                    return None;
                }
                let [share, share_of_row, share_of_column] = now.shares_of(q, g);
                let (start, end) = (centre(rows, q), centre(columns, g));
                let was = Was { shares: before.shares_of(q, g), heights: [start[1], end[1]] };
                Some(Flow { query: q, gallery: g, mass, share, share_of_row, share_of_column, start, end, was })
            })
            .collect();
        if flows.len() > MAX_FLOWS {
            let heaviest = |flow: &Flow| flow.share.max(flow.was.shares[0]);
            flows.select_nth_unstable_by(MAX_FLOWS, |a, b| heaviest(b).total_cmp(&heaviest(a)));
            flows.truncate(MAX_FLOWS);
            flows.sort_by_key(|flow| (flow.query, flow.gallery));
        }
        // Equal masses keep the plan's order, so that a picture repeats.
        flows.sort_by(|a, b| a.mass.total_cmp(&b.mass));

        let side = |grid: Grid, picture: &SquarePicture, cell_of: fn(&Flow) -> usize| {
            let mut by_cell: Vec<usize> = (0..flows.len()).collect();
            by_cell.sort_by_key(|&flow| cell_of(&flows[flow]));
            let starts = |cell: usize| by_cell.partition_point(|&flow| cell_of(&flows[flow]) < cell);
            let ranges = (0..grid.cells()).map(|cell| starts(cell)..starts(cell + 1)).collect();
            let (colors, shares) = (Vec::new(), Vec::new());
            let (was_colors, was_shares) = (Vec::new(), Vec::new());
            SceneSide { grid, picture: picture.clone(), colors, shares, was_colors, was_shares, ranges, by_cell }
        };
        let before = was.as_ref().unwrap_or(&now);
        let query = SceneSide {
            shares: now.query.clone(),
            was_shares: before.query.clone(),
            was_colors: query_colors.clone(),
            colors: query_colors,
            ..side(rows, query, |flow| flow.query)
        };
        let gallery = SceneSide {
            shares: now.gallery.clone(),
            was_shares: before.gallery.clone(),
            was_colors: before.gallery_colors.clone(),
            colors: now.gallery_colors.clone(),
            ..side(columns, gallery, |flow| flow.gallery)
        };
        for (photo, side) in [(&query, Side::Query), (&gallery, Side::Gallery)] {
            spread(&mut flows, photo, side);
        }
        let heights = from.map(|(scene, blend)| scene.heights_at(blend));
        for flow in &mut flows {
            let before = heights.as_ref().and_then(|heights| heights[flow.query * columns.cells() + flow.gallery]);
            flow.was.heights = before.unwrap_or([flow.start[1], flow.end[1]]);
        }
        let mut was_order = Vec::new();
        if was.is_some() {
            was_order = (0..flows.len()).filter(|&flow| flows[flow].was.shares[0] > 0.0).collect();
            was_order.sort_by(|&a, &b| flows[a].was.shares[0].total_cmp(&flows[b].was.shares[0]));
        }
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        Self { id, query, gallery, flows, now, was, was_order, max_mass: plan.max() }
    }

    /// All shares while the plan before turns into this one, row-major.
    fn shares_at(&self, blend: f32) -> Vec<f32> {
        match &self.was {
            None => self.now.shares.clone(),
            Some(was) => was.shares.iter().zip(&self.now.shares).map(|(&was, &now)| between(was, now, blend)).collect(),
        }
    }

    /// Heights of start and end of the flows while the plan before turns into this one, row-major.
    fn heights_at(&self, blend: f32) -> Vec<Option<[f32; 2]>> {
        let mut heights = vec![None; self.now.shares.len()];
        for flow in self.flows.iter().map(|flow| flow.at(blend)) {
            heights[flow.query * self.gallery.grid.cells() + flow.gallery] = Some([flow.start[1], flow.end[1]]);
        }
        heights
    }

    /// The plan before this one; the same where there is none.
    pub(super) fn was(&self) -> &Masses {
        self.was.as_ref().unwrap_or(&self.now)
    }

    pub(super) fn id(&self) -> u64 {
        self.id
    }

    /// All flows that may be drawn, lightest first.
    pub fn flows(&self) -> &[Flow] {
        &self.flows
    }

    /// The plan's largest entry, which all shares refer to.
    pub fn max_mass(&self) -> f32 {
        self.max_mass
    }

    /// Gamma-encoded sRGB colour of the mass that starts in a query cell.
    pub fn color_of(&self, query_cell: usize) -> [f32; 3] {
        self.query.colors[query_cell]
    }

    /// How many ribbons a style shows while nothing is pointed at.
    pub fn ribbon_count(&self, style: &PlanStyle) -> usize {
        self.shown(&PlanStyle { hovered: None, hovered_flow: None, blend: 1.0, ..style.clone() }).base.len()
    }

    /// The cell under a point of the view, in points.
    pub fn cell_at(&self, layout: &PlanLayout, x: f32, y: f32) -> Option<CellRef> {
        [(Side::Query, &self.query), (Side::Gallery, &self.gallery)]
            .into_iter()
            .find_map(|(side, photo)| cell_in(layout.of(side), photo.grid, x, y).map(|cell| CellRef { side, cell }))
    }

    pub(super) fn side(&self, side: Side) -> &SceneSide {
        match side {
            Side::Query => &self.query,
            Side::Gallery => &self.gallery,
        }
    }

    /// What a style points at, if the scene has it.
    pub(super) fn pointed(&self, style: &PlanStyle) -> Option<Pointed> {
        let (queries, galleries) = (self.query.grid.cells(), self.gallery.grid.cells());
        match (style.hovered_flow, style.hovered) {
            (Some((q, g)), _) => (q < queries && g < galleries).then_some(Pointed::Flow(q, g)),
            (None, Some(cell)) => (cell.cell < self.side(cell.side).grid.cells()).then_some(Pointed::Cell(cell)),
            (None, None) => None,
        }
    }

    /// Largest mass of the row or column that is pointed at, of the plan's largest.
    pub(super) fn pointed_max(masses: &Masses, pointed: Pointed) -> f32 {
        match pointed {
            Pointed::Cell(CellRef { side: Side::Query, cell }) => masses.row_max[cell],
            Pointed::Cell(CellRef { side: Side::Gallery, cell }) => masses.column_max[cell],
            Pointed::Flow(q, g) => masses.at(q, g),
        }
    }

    /// Mass of a pair of cells, of the largest of what is pointed at, while the plan before turns into this one.
    pub(super) fn share_of_pointed(&self, pointed: Pointed, q: usize, g: usize, blend: f32) -> f32 {
        let of = |masses: &Masses| masses.at(q, g) / Self::pointed_max(masses, pointed).max(1e-30);
        between(of(self.was()), of(&self.now), blend)
    }

    pub(super) fn shown(&self, style: &PlanStyle) -> Shown {
        if !style.ribbons {
            return Shown::default();
        }
        let count = self.flows.len();
        // Flows without mass were in the plan before only.
        let first = self.flows.partition_point(|flow| flow.mass <= 0.0 || flow.share < style.threshold);
        let mut base = first.max(count.saturating_sub(style.max_ribbons))..count;
        let least_share = self.flows.get(base.start).map_or(f32::INFINITY, |flow| flow.share);
        let mut was_least_share = least_share;
        if style.blended() < 1.0 && self.was.is_some() {
            let order = &self.was_order;
            let light = order.partition_point(|&flow| self.flows[flow].was.shares[0] < style.threshold);
            let seen = &order[light.max(order.len().saturating_sub(style.max_ribbons))..];
            was_least_share = seen.first().map_or(f32::INFINITY, |&flow| self.flows[flow].was.shares[0]);
            base.start = seen.iter().copied().fold(base.start, usize::min);
        }
        let (lit_side, lit) = match self.pointed(style) {
            None => (None, 0..0),
            Some(Pointed::Flow(q, g)) => {
                let row = self.query.ranges[q].clone();
                let at = row.clone().find(|&at| self.flows[self.query.by_cell[at]].gallery == g);
                (Some(Side::Query), at.map_or(0..0, |at| at..at + 1))
            }
            Some(Pointed::Cell(CellRef { side, cell })) => {
                let photo = self.side(side);
                let all = photo.ranges[cell].clone();
                let light = photo.by_cell[all.clone()].partition_point(|&flow| {
                    let flow = &self.flows[flow];
                    flow.mass <= 0.0 || flow.share_within(side) < style.threshold
                });
                (Some(side), (all.start + light).max(all.end.saturating_sub(style.max_ribbons))..all.end)
            }
        };
        Shown { base, lit, lit_side, least_share, was_least_share }
    }

    /// What is drawn and how solid, in drawing order. The shaders compute the same opacities.
    pub(super) fn drawn(&self, style: &PlanStyle) -> Vec<(Flow, f32)> {
        let shown = self.shown(style);
        let pointed = self.pointed(style);
        let amount = if pointed.is_some() { style.hover_amount.clamp(0.0, 1.0) } else { 0.0 };
        let blend = style.blended();
        let resting = |flow: &Flow| {
            let of = |share: f32, least: f32| if share >= least { ribbon::opacity(share) } else { 0.0 };
            between(of(flow.was.shares[0], shown.was_least_share), of(flow.share, shown.least_share), blend)
        };
        let mut out = Vec::with_capacity(shown.base.len() + shown.lit.len());
        for flow in &self.flows[shown.base.clone()] {
            if !pointed.is_some_and(|pointed| flow.is_of(pointed)) {
                let kept = 1.0 + (ribbon::FADED - 1.0) * amount;
                out.push((flow.at(blend), resting(flow) * kept * style.opacity));
            }
        }
        if let Some(side) = shown.lit_side {
            for &index in &self.side(side).by_cell[shown.lit.clone()] {
                let flow = self.flows[index];
                let (before, now) = (resting(&flow), flow.at(blend));
                let lit = ribbon::lit_opacity(now.share_within(side));
                out.push((now, (before + (lit - before) * amount) * style.opacity));
            }
        }
        out
    }
}

impl Flow {
    /// While the plan before turns into this one.
    pub(super) fn at(&self, blend: f32) -> Self {
        let [share, share_of_row, share_of_column] = self.was.shares;
        let [start, end] = self.was.heights;
        Self {
            share: between(share, self.share, blend),
            share_of_row: between(share_of_row, self.share_of_row, blend),
            share_of_column: between(share_of_column, self.share_of_column, blend),
            start: [self.start[0], between(start, self.start[1], blend)],
            end: [self.end[0], between(end, self.end[1], blend)],
            ..*self
        }
    }

    /// Share of the largest flow of its own cell on one side.
    pub(super) fn share_within(&self, side: Side) -> f32 {
        match side {
            Side::Query => self.share_of_row,
            Side::Gallery => self.share_of_column,
        }
    }

    fn is_of(&self, pointed: Pointed) -> bool {
        match pointed {
            Pointed::Cell(CellRef { side: Side::Query, cell }) => self.query == cell,
            Pointed::Cell(CellRef { side: Side::Gallery, cell }) => self.gallery == cell,
            Pointed::Flow(q, g) => (self.query, self.gallery) == (q, g),
        }
    }
}

/// Centre of a cell in its square, 0..=1.
pub(super) fn centre(grid: Grid, cell: usize) -> [f32; 2] {
    let (row, column) = grid.place(cell);
    [(column as f32 + 0.5) / grid.columns as f32, (row as f32 + 0.5) / grid.rows as f32]
}

/// Moves the ends of the flows of each cell apart, up and down around its centre: in the order in which
/// they reach the other side, so that they do not cross at once, and with room by mass, so that the heaviest
/// stays nearest to the centre.
fn spread(flows: &mut [Flow], photo: &SceneSide, side: Side) {
    for range in &photo.ranges {
        let mut members = photo.by_cell[range.clone()].to_vec();
        let other_end = |flow: &Flow| match side {
            Side::Query => flow.end,
            Side::Gallery => flow.start,
        };
        members.sort_by(|&a, &b| {
            let (a, b) = (other_end(&flows[a]), other_end(&flows[b]));
            // Of ends at one height the one that is further right lies below, on both sides alike.
            a[1].total_cmp(&b[1]).then(a[0].total_cmp(&b[0]))
        });
        let total: f32 = members.iter().map(|&flow| flows[flow].mass).sum();
        if total <= 0.0 {
            continue;
        }
        let mut before = 0.0;
        for flow in members {
            let flow = &mut flows[flow];
            let middle = (before + 0.5 * flow.mass) / total;
            before += flow.mass;
            let offset = (middle - 0.5) * SPREAD / photo.grid.rows as f32;
            match side {
                Side::Query => flow.start[1] += offset,
                Side::Gallery => flow.end[1] += offset,
            }
        }
    }
}
