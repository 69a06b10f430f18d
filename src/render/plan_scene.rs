//! What a plan's picture is made of, apart from how and where it is drawn.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::domain::{Grid, PairMatch, SquarePicture};

use super::color::{Oklab, flow_color, mix};
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
    /// Flows by cell, lightest first, as indices into `flows`; and each cell's part of them.
    pub by_cell: Vec<usize>,
    pub ranges: Vec<Range<usize>>,
}

/// A plan and its photos, ready to be drawn by anything.
#[derive(Clone, Debug)]
pub struct PlanScene {
    /// Scenes with different numbers may differ; the same number is the same scene.
    id: u64,
    pub(super) query: SceneSide,
    pub(super) gallery: SceneSide,
    /// Lightest first, so that the heavy ones are drawn over the rest.
    flows: Vec<Flow>,
    /// The plan as shares of its largest mass, row-major `[query, gallery]`.
    pub(super) shares: Vec<f32>,
    row_max: Vec<f32>,
    column_max: Vec<f32>,
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
    /// Share of the lightest flow in `base`.
    pub least_share: f32,
}

/// What is pointed at, checked against the scene.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Pointed {
    Cell(CellRef),
    Flow(usize, usize),
}

impl PlanScene {
    pub fn new(pair: &PairMatch, query: &SquarePicture, gallery: &SquarePicture) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let plan = &pair.plan;
        let (rows, columns) = (plan.query(), plan.gallery());
        let max_mass = plan.max();
        let share_of = |mass: f32, largest: f32| {
            let share = mass / largest;
            if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 }
        };
        let row_max: Vec<f32> = (0..rows.cells()).map(|q| plan.row(q).iter().copied().fold(0.0, f32::max)).collect();
        let column_max: Vec<f32> =
            (0..columns.cells()).map(|g| (0..rows.cells()).map(|q| plan.at(q, g)).fold(0.0, f32::max)).collect();

        let query_colors: Vec<[f32; 3]> = (0..rows.cells())
            .map(|cell| {
                let [x, y] = centre(rows, cell);
                let [left, top, right, bottom] = query.content;
                flow_color(share_of(x - left, right - left), share_of(y - top, bottom - top))
            })
            .collect();
        let mixed: Vec<Oklab> = query_colors.iter().map(|&color| Oklab::of(color)).collect();
        let gallery_colors =
            (0..columns.cells()).map(|g| mix((0..rows.cells()).map(|q| (mixed[q], plan.at(q, g))))).collect();

        let mut flows: Vec<Flow> = (0..rows.cells() * columns.cells())
            .filter_map(|index| {
                let (q, g) = (index / columns.cells(), index % columns.cells());
                let mass = plan.mass()[index];
                (mass > 0.0 && mass.is_finite()).then(|| Flow {
                    query: q,
                    gallery: g,
                    mass,
                    share: share_of(mass, max_mass),
                    share_of_row: share_of(mass, row_max[q]),
                    share_of_column: share_of(mass, column_max[g]),
                    start: centre(rows, q),
                    end: centre(columns, g),
                })
            })
            .collect();
        // Equal masses keep the plan's order, so that a picture repeats.
        flows.sort_by(|a, b| a.mass.total_cmp(&b.mass));
        flows.drain(..flows.len().saturating_sub(MAX_FLOWS));

        let side = |grid: Grid, picture: &SquarePicture, colors, sums: Vec<f32>, cell_of: fn(&Flow) -> usize| {
            let largest = sums.iter().copied().fold(0.0, f32::max);
            let mut by_cell: Vec<usize> = (0..flows.len()).collect();
            by_cell.sort_by_key(|&flow| cell_of(&flows[flow]));
            let starts = |cell: usize| by_cell.partition_point(|&flow| cell_of(&flows[flow]) < cell);
            SceneSide {
                grid,
                picture: picture.clone(),
                colors,
                shares: sums.iter().map(|&mass| share_of(mass, largest)).collect(),
                ranges: (0..grid.cells()).map(|cell| starts(cell)..starts(cell + 1)).collect(),
                by_cell,
            }
        };
        let query = side(rows, query, query_colors, plan.row_sums(), |flow| flow.query);
        let gallery = side(columns, gallery, gallery_colors, plan.column_sums(), |flow| flow.gallery);
        spread(&mut flows, &query, Side::Query);
        spread(&mut flows, &gallery, Side::Gallery);

        let shares = plan.mass().iter().map(|&mass| share_of(mass, max_mass)).collect();
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        Self { id, query, gallery, flows, shares, row_max, column_max, max_mass }
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
        self.shown(&PlanStyle { hovered: None, hovered_flow: None, ..style.clone() }).base.len()
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
    pub(super) fn pointed_max(&self, pointed: Pointed) -> f32 {
        let largest = match pointed {
            Pointed::Cell(CellRef { side: Side::Query, cell }) => self.row_max[cell],
            Pointed::Cell(CellRef { side: Side::Gallery, cell }) => self.column_max[cell],
            Pointed::Flow(q, g) => self.shares[q * self.gallery.grid.cells() + g] * self.max_mass,
        };
        if self.max_mass > 0.0 { largest / self.max_mass } else { 0.0 }
    }

    pub(super) fn shown(&self, style: &PlanStyle) -> Shown {
        if !style.ribbons {
            return Shown::default();
        }
        let count = self.flows.len();
        let first = self.flows.partition_point(|flow| flow.share < style.threshold);
        let base = first.max(count.saturating_sub(style.max_ribbons))..count;
        let least_share = self.flows.get(base.start).map_or(f32::INFINITY, |flow| flow.share);
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
                let light = photo.by_cell[all.clone()]
                    .partition_point(|&flow| self.flows[flow].share_within(side) < style.threshold);
                (Some(side), (all.start + light).max(all.end.saturating_sub(style.max_ribbons))..all.end)
            }
        };
        Shown { base, lit, lit_side, least_share }
    }

    /// What is drawn and how solid, in drawing order. The shaders compute the same opacities.
    pub(super) fn drawn(&self, style: &PlanStyle) -> Vec<(Flow, f32)> {
        let shown = self.shown(style);
        let pointed = self.pointed(style);
        let amount = if pointed.is_some() { style.hover_amount.clamp(0.0, 1.0) } else { 0.0 };
        let mut out = Vec::with_capacity(shown.base.len() + shown.lit.len());
        for flow in &self.flows[shown.base.clone()] {
            if !pointed.is_some_and(|pointed| flow.is_of(pointed)) {
                let kept = 1.0 + (ribbon::FADED - 1.0) * amount;
                out.push((*flow, ribbon::opacity(flow.share) * kept * style.opacity));
            }
        }
        if let Some(side) = shown.lit_side {
            for &index in &self.side(side).by_cell[shown.lit.clone()] {
                let flow = self.flows[index];
                let before = if flow.share >= shown.least_share { ribbon::opacity(flow.share) } else { 0.0 };
                let lit = ribbon::lit_opacity(flow.share_within(side));
                out.push((flow, (before + (lit - before) * amount) * style.opacity));
            }
        }
        out
    }
}

impl Flow {
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
