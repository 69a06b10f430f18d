//! Does a plan lay each part on its true counterpart?
//!
//! Where both photos know which garment point each pixel shows ([`DenseMap`]), a query cell has a true place in the
//! gallery photo's grid. The measure is the share of the plan's mass that lands within one cell of it, over the cells
//! for which that place is known; the uniform plan's share of the same pairs says how much of that is luck.

use crate::domain::{CropRect, DenseMap, Grid, TransportPlan};

/// Garment coordinates may differ by this much between the nearest samples of two photos and still name one point.
const TOLERANCE: f32 = 0.05;
/// Points that are looked at along each side of a cell.
const POINTS: usize = 5;
/// Share of a cell's points whose counterpart must be known for the cell to count.
const LEAST_SEEN: f32 = 0.25;

/// A photo as the network saw it, with its truth.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    pub map: &'a DenseMap,
    /// The part of the photo that was fitted into the square, inside the photo.
    pub crop: CropRect,
    pub grid: Grid,
}

impl Seen<'_> {
    /// The part of the square that is photo, as left, top, width and height in 0..1, but for the rounding to pixels.
    fn content(&self) -> [f32; 4] {
        let long = self.crop.width.max(self.crop.height);
        let (width, height) = (self.crop.width / long, self.crop.height / long);
        [(1.0 - width) / 2.0, (1.0 - height) / 2.0, width, height]
    }

    /// The photo's pixel at a place of the square in 0..1; `None` on the padding.
    fn pixel(&self, x: f32, y: f32) -> Option<[f32; 2]> {
        let [left, top, width, height] = self.content();
        let (u, v) = ((x - left) / width, (y - top) / height);
        let inside = (0.0..=1.0).contains(&u) && (0.0..=1.0).contains(&v);
        inside.then_some([self.crop.x + u * self.crop.width, self.crop.y + v * self.crop.height])
    }

    /// The place in the grid, in cells from the top left, of a photo's pixel; `None` outside the crop.
    fn place(&self, pixel: [f32; 2]) -> Option<[f32; 2]> {
        let [left, top, width, height] = self.content();
        let (u, v) = ((pixel[0] - self.crop.x) / self.crop.width, (pixel[1] - self.crop.y) / self.crop.height);
        let inside = (0.0..=1.0).contains(&u) && (0.0..=1.0).contains(&v);
        inside.then_some([(left + u * width) * self.grid.columns as f32, (top + v * height) * self.grid.rows as f32])
    }
}

/// The middle of each query cell's true counterpart in the gallery's grid, as column and row in cells from the top
/// left; `None` where too little of the cell is seen in both photos.
pub fn true_places(query: &Seen<'_>, gallery: &Seen<'_>) -> Vec<Option<[f32; 2]>> {
    (0..query.grid.cells())
        .map(|cell| {
            let (row, column) = query.grid.place(cell);
            let mut sum = [0.0; 2];
            let mut seen = 0;
            for i in 0..POINTS * POINTS {
                let inside = |step: usize| (step as f32 + 0.5) / POINTS as f32;
                let x = (column as f32 + inside(i % POINTS)) / query.grid.columns as f32;
                let y = (row as f32 + inside(i / POINTS)) / query.grid.rows as f32;
                let place = query
                    .pixel(x, y)
                    .and_then(|[x, y]| query.map.garment_at(x, y))
                    .and_then(|uv| gallery.map.photo_at(uv, TOLERANCE))
                    .and_then(|pixel| gallery.place(pixel));
                if let Some(place) = place {
                    sum = [sum[0] + place[0], sum[1] + place[1]];
                    seen += 1;
                }
            }
            let known = seen as f32 >= LEAST_SEEN * (POINTS * POINTS) as f32;
            known.then(|| sum.map(|s| s / seen as f32))
        })
        .collect()
}

/// How much of a plan is right.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PlanTruth {
    /// Mass of the query cells whose counterpart is known.
    pub known_mass: f64,
    /// The part of it that lands within one cell of the counterpart.
    pub right_mass: f64,
    /// Query cells whose counterpart is known.
    pub known_cells: usize,
    /// The mean, over those cells, of the share of gallery cells that lie within one cell of the counterpart.
    pub uniform_share: f64,
}

impl PlanTruth {
    /// Share of the mass that is right, 0 where none is known.
    pub fn share(&self) -> f64 {
        if self.known_mass > 0.0 { self.right_mass / self.known_mass } else { 0.0 }
    }
}

/// One cell, and a tenth of one for the truth itself: places are samples of a map, not points.
const WITHIN: f32 = 1.1;

/// Judges a plan. A gallery cell is right when its middle lies within one cell of the true place on both axes.
pub fn judge(plan: &TransportPlan, places: &[Option<[f32; 2]>]) -> PlanTruth {
    let grid = plan.gallery();
    let mut truth = PlanTruth::default();
    for (cell, place) in places.iter().enumerate() {
        let Some(place) = place else { continue };
        let near = |gallery_cell: usize| {
            let (row, column) = grid.place(gallery_cell);
            (column as f32 + 0.5 - place[0]).abs() <= WITHIN && (row as f32 + 0.5 - place[1]).abs() <= WITHIN
        };
        let row = plan.row(cell);
        truth.known_cells += 1;
        truth.known_mass += row.iter().map(|&mass| f64::from(mass)).sum::<f64>();
        truth.right_mass +=
            row.iter().enumerate().filter(|(j, _)| near(*j)).map(|(_, &mass)| f64::from(mass)).sum::<f64>();
        truth.uniform_share += (0..grid.cells()).filter(|&j| near(j)).count() as f64 / grid.cells() as f64;
    }
    truth.uniform_share /= truth.known_cells.max(1) as f64;
    truth
}

/// Many plans together: each counts by its known mass.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct PlanTruthSummary {
    pub pairs: usize,
    /// Share of the plans' mass within one cell of the truth.
    pub plan_share: f64,
    /// The same of the uniform plan.
    pub uniform_share: f64,
}

impl PlanTruthSummary {
    pub fn of(truths: &[PlanTruth]) -> Self {
        let known: Vec<&PlanTruth> = truths.iter().filter(|truth| truth.known_cells > 0).collect();
        let mass: f64 = known.iter().map(|truth| truth.known_mass).sum();
        let cells: f64 = known.iter().map(|truth| truth.known_cells as f64).sum();
        Self {
            pairs: known.len(),
            plan_share: known.iter().map(|truth| truth.right_mass).sum::<f64>() / mass.max(f64::MIN_POSITIVE),
            uniform_share: known.iter().map(|truth| truth.uniform_share * truth.known_cells as f64).sum::<f64>()
                / cells.max(1.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A map in which garment coordinates are an affine function of the pixel, over a photo of 100 x 100.
    fn map(uv: impl Fn(f32, f32) -> Option<[f32; 2]>) -> DenseMap {
        let samples = (0..26 * 26).map(|i| uv((i % 26 * 4) as f32, (i / 26 * 4) as f32)).collect();
        DenseMap { x0: 0.0, y0: 0.0, step: 4.0, columns: 26, rows: 26, uv: samples }
    }

    fn seen(map: &DenseMap, crop: CropRect) -> Seen<'_> {
        Seen { map, crop, grid: Grid::new(5, 5) }
    }

    fn plan(mass: impl Fn(usize, usize) -> f32) -> TransportPlan {
        let grid = Grid::new(5, 5);
        TransportPlan::new(grid, grid, (0..625).map(|i| mass(i / 25, i % 25)).collect())
    }

    #[test]
    fn the_same_photo_lies_on_itself() {
        let straight = map(|x, y| Some([x / 100.0, y / 100.0]));
        let photo = seen(&straight, CropRect::whole(100, 100));
        let places = true_places(&photo, &photo);
        for (cell, place) in places.iter().enumerate() {
            let place = place.unwrap();
            let (row, column) = photo.grid.place(cell);
            assert!((place[0] - column as f32 - 0.5).abs() < 0.1 && (place[1] - row as f32 - 0.5).abs() < 0.1);
        }
        let right = judge(&plan(|i, j| if i == j { 0.04 } else { 0.0 }), &places);
        assert!((right.share() - 1.0).abs() < 1e-6 && right.known_cells == 25);
        // A uniform plan is right as often as the grid says: 9 neighbours inside, fewer at the border.
        let uniform = judge(&plan(|_, _| 1.0 / 625.0), &places);
        let neighbours: usize = [2, 3, 3, 3, 2].iter().flat_map(|a| [2, 3, 3, 3, 2].map(|b| a * b)).sum();
        let expected = neighbours as f64 / 625.0;
        assert!((uniform.share() - expected).abs() < 1e-6, "{} instead of {expected}", uniform.share());
        assert!((uniform.uniform_share - expected).abs() < 1e-6);
        // Two cells away is wrong.
        let off = judge(&plan(|i, j| if j == (i + 2) % 25 { 0.04 } else { 0.0 }), &places);
        assert!(off.share() < 1e-6, "{}", off.share());
    }

    #[test]
    fn mirrored_and_cropped_photos_correspond_through_the_garment() {
        let straight = map(|x, y| Some([x / 100.0, y / 100.0]));
        let mirrored = map(|x, y| Some([1.0 - x / 100.0, y / 100.0]));
        let whole = CropRect::whole(100, 100);
        let places = true_places(&seen(&straight, whole), &seen(&mirrored, whole));
        // The left column of the query is the right column of the gallery.
        assert!((places[0].unwrap()[0] - 4.5).abs() < 0.1 && (places[0].unwrap()[1] - 0.5).abs() < 0.1);
        // Only the upper half of the gallery photo is looked at: wide, so with padding above and below.
        let upper = CropRect::new(0.0, 0.0, 100.0, 50.0);
        let places = true_places(&seen(&straight, whole), &seen(&straight, upper));
        let place = places[0].unwrap();
        assert!((place[0] - 0.5).abs() < 0.1 && (place[1] - (1.25 + 0.5)).abs() < 0.1, "{place:?}");
        assert_eq!(places[24], None, "its counterpart was cut off");
    }

    #[test]
    fn cells_whose_counterpart_is_hidden_do_not_count() {
        let straight = map(|x, y| Some([x / 100.0, y / 100.0]));
        let half = map(|x, y| (x < 50.0).then_some([x / 100.0, y / 100.0]));
        let whole = CropRect::whole(100, 100);
        let places = true_places(&seen(&straight, whole), &seen(&half, whole));
        assert!(places[0].is_some() && places[4].is_none());
        let truth = judge(&plan(|_, _| 1.0 / 625.0), &places);
        assert!(truth.known_cells < 25 && (truth.known_mass - truth.known_cells as f64 / 25.0).abs() < 1e-6);
        let summary = PlanTruthSummary::of(&[truth, PlanTruth::default()]);
        assert_eq!(summary.pairs, 1);
        assert!((summary.plan_share - summary.uniform_share).abs() < 1e-6);
        assert_eq!(judge(&plan(|_, _| 0.0), &[None; 25]).share(), 0.0);
    }
}
