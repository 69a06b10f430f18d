//! Answers about one match: would it hold without a part, why does it stand above another, and does the plan point at
//! what the model used? Plain data; `ot`, `eval` and `jobs` fill it.

use serde::{Deserialize, Serialize};

use super::{Grid, PairMatch, SquarePicture};

/// One of the two photos of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PairSide {
    /// The street photo.
    Query,
    /// The product photo.
    Gallery,
}

impl PairSide {
    /// "street photo".
    pub fn name(self) -> &'static str {
        match self {
            Self::Query => "street photo",
            Self::Gallery => "product photo",
        }
    }
}

/// Cells of one photo that a question is about, ascending and each once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Region {
    pub side: PairSide,
    cells: Vec<usize>,
}

impl Region {
    pub fn new(side: PairSide, cells: impl IntoIterator<Item = usize>) -> Self {
        let mut cells: Vec<usize> = cells.into_iter().collect();
        cells.sort_unstable();
        cells.dedup();
        Self { side, cells }
    }

    pub fn cells(&self) -> &[usize] {
        &self.cells
    }

    pub fn contains(&self, cell: usize) -> bool {
        self.cells.binary_search(&cell).is_ok()
    }

    /// One sentence where a photo of this grid has not all of these cells.
    pub fn lies_in(&self, grid: Grid) -> Result<(), String> {
        match self.cells.iter().find(|&&cell| cell >= grid.cells()) {
            Some(cell) => {
                let (photo, cells) = (self.side.name(), grid.cells());
                Err(format!("the {photo} has {cells} cells, so there is no cell number {}", cell + 1))
            }
            None => Ok(()),
        }
    }

    /// One sentence where a photo of this grid cannot do without these cells.
    pub fn check(&self, grid: Grid) -> Result<(), String> {
        self.lies_in(grid)?;
        if self.cells.len() == grid.cells() {
            return Err(format!("with all cells of the {} ignored there is nothing left to compare", self.side.name()));
        }
        Ok(())
    }
}

/// What a match is worth, and where that puts it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Standing {
    pub score: f32,
    pub global: f32,
    pub structural: f32,
    /// From 1, among the photos that were compared cell by cell.
    pub rank: usize,
}

/// Whether the two answers to "what if this region were ignored, or swapped?" say the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Agreement {
    Agree,
    /// The structural parts change in opposite directions, or by clearly different amounts: features of other cells
    /// hold something of the changed ones.
    ContextLeaks,
    /// The structural parts agree, but the scores move in opposite directions, because of the global part.
    GlobalDecides,
}

impl Agreement {
    /// Structural changes that differ by more than this share of the larger one disagree.
    pub const SHARE: f32 = 0.5;
    /// Changes of the score below this are too small to say anything.
    pub const FLOOR: f32 = 0.01;

    /// Compares what a change of the cells' features and the same change of their pixels do. Only the structural parts are
    /// about cells, so these are held against each other, in units of the score.
    pub fn of(before: &Standing, features: &Standing, pixels: &Standing, structural_weight: f32) -> Self {
        let change = |after: &Standing| structural_weight * (after.structural - before.structural);
        let (first, second) = (change(features), change(pixels));
        let largest = first.abs().max(second.abs());
        if largest >= Self::FLOOR && (first - second).abs() > Self::SHARE * largest {
            return Self::ContextLeaks;
        }
        let (first, second) = (features.score - before.score, pixels.score - before.score);
        if first * second < 0.0 && first.abs().min(second.abs()) >= Self::FLOOR {
            return Self::GlobalDecides;
        }
        Self::Agree
    }
}

/// What a region is worth, answered twice.
#[derive(Clone, Debug, PartialEq)]
pub struct Counterfactual {
    pub region: Region,
    /// How many photos the ranks are among.
    pub candidates: usize,
    pub before: Standing,
    /// The region's cells weigh nothing, the others in proportion as before; features and global part stay.
    pub masked: Standing,
    /// The region's pixels are filled with one colour and the photo is encoded again.
    pub hidden: Standing,
    /// That colour: the mean of the photo's searched part, sRGB.
    pub fill: [u8; 3],
    pub agreement: Agreement,
}

/// What a match would be worth if a region of the street photo looked like what the plan matches it with, answered twice
/// (after Goyal et al., "Counterfactual Visual Explanations", ICML 2019: cells of one photo's feature map are replaced by
/// cells of the other's).
#[derive(Clone, Debug, PartialEq)]
pub struct RegionSwap {
    /// Of the query.
    pub region: Region,
    /// What was swapped; a cell that sends no mass to the product stays as it is and is not here.
    pub taken: Vec<TakenCell>,
    /// How many photos the ranks are among.
    pub candidates: usize,
    pub before: Standing,
    /// The cells' features are those of the product's cells, and the global part is pooled from what is there then.
    pub features: Standing,
    /// The cells' pixels are those of the product's cells and the photo is encoded again.
    pub pixels: Standing,
    /// The photo that was encoded again.
    pub picture: SquarePicture,
    pub agreement: Agreement,
}

/// A query cell that is replaced by a cell of the gallery photo.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TakenCell {
    pub cell: usize,
    /// The gallery cell that most of its mass goes to; of equals the first.
    pub from: usize,
    /// The part of its mass that goes there, above 0 and at most 1.
    pub share: f32,
}

/// The masked answer for each cell of one photo.
#[derive(Clone, Debug, PartialEq)]
pub struct CellStandings {
    pub side: PairSide,
    pub grid: Grid,
    pub candidates: usize,
    pub before: Standing,
    pub cells: Vec<Standing>,
}

/// What puts one match above another of the same query. `above - below` everywhere.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    pub query: Grid,
    /// Of the scores.
    pub gap: f32,
    /// Of the global parts.
    pub global: f32,
    /// Of what each query cell adds to the score: weight x sum of mass x similarity over its row of the plan.
    pub cells: Vec<f32>,
}

impl Difference {
    /// # Panics
    /// When the pairs have different query grids: a bug of the caller.
    pub fn of(above: &PairMatch, below: &PairMatch, structural_weight: f32) -> Self {
        let query = above.plan.query();
        assert_eq!(query, below.plan.query(), "both pairs are of one query");
        let part = |pair: &PairMatch, cell: usize| structural_weight * pair.of_query_cell(cell);
        let cells = (0..query.cells()).map(|cell| part(above, cell) - part(below, cell)).collect();
        Self { query, gap: above.score - below.score, global: above.global - below.global, cells }
    }
}

/// A change after which the order of two matches is the other one.
#[derive(Clone, Debug, PartialEq)]
pub enum SwapEdit {
    StructuralWeight {
        to: f32,
    },
    Epsilon {
        to: f32,
    },
    /// These cells of the query are ignored.
    WithoutCells {
        cells: Vec<usize>,
        /// No smaller number of cells does it: all were tried.
        fewest: bool,
    },
}

/// An edit that was tried.
#[derive(Clone, Debug, PartialEq)]
pub struct Swap {
    pub edit: SwapEdit,
    /// How large it is: |new / old - 1| of the weight, |ln(new / old)| of epsilon, the share of mass of the cells.
    pub size: f32,
    /// Score of the upper less that of the lower match after the edit; below zero.
    pub gap: f32,
}

/// The smallest edit of each kind, where there is one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Swaps {
    pub weight: Option<Swap>,
    pub smaller_epsilon: Option<Swap>,
    pub larger_epsilon: Option<Swap>,
    pub cells: Option<Swap>,
}

impl Swaps {
    pub fn all(&self) -> impl Iterator<Item = &Swap> {
        [&self.weight, &self.smaller_epsilon, &self.larger_epsilon, &self.cells].into_iter().flatten()
    }

    /// The smallest of all kinds.
    pub fn smallest(&self) -> Option<&Swap> {
        self.all().min_by(|a, b| a.size.total_cmp(&b.size))
    }
}

/// Scores while more and more cells are hidden (or shown), at the shares of [`Faithfulness::shares`].
#[derive(Clone, Debug, PartialEq)]
pub struct Curves {
    /// In the order of the explanation: the largest contribution first.
    pub explained: Vec<f32>,
    /// In random orders, one curve each.
    pub random: Vec<Vec<f32>>,
}

impl Curves {
    /// Mean and standard deviation over the random orders at each share.
    pub fn band(&self) -> Vec<(f32, f32)> {
        (0..self.explained.len())
            .map(|at| mean_and_deviation(&self.random.iter().map(|curve| curve[at]).collect::<Vec<_>>()))
            .collect()
    }
}

/// How the explanation's order compares with random ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Faithful {
    Better,
    /// In one of the two tests only.
    Partly,
    NotBetter,
}

/// Deletion and insertion test of one explanation (Petsiuk et al., "RISE", BMVC 2018).
#[derive(Clone, Debug, PartialEq)]
pub struct Faithfulness {
    /// Share of the query's cells that is hidden (or shown), ascending from 0 to 1.
    pub shares: Vec<f32>,
    /// From the whole photo to none of it; a good explanation falls fast.
    pub deletion: Curves,
    /// From none of the photo to all of it; a good explanation rises fast.
    pub insertion: Curves,
    /// What hidden pixels are filled with, sRGB.
    pub fill: [u8; 3],
}

impl Faithfulness {
    /// Area under a curve by the trapezoidal rule, in units of the score.
    pub fn area(&self, curve: &[f32]) -> f32 {
        let pieces = self.shares.windows(2).zip(curve.windows(2));
        pieces.map(|(x, y)| (x[1] - x[0]) * (y[0] + y[1]) / 2.0).sum()
    }

    /// Mean and standard deviation of the areas of the random orders.
    pub fn random_area(&self, curves: &Curves) -> (f32, f32) {
        mean_and_deviation(&curves.random.iter().map(|curve| self.area(curve)).collect::<Vec<_>>())
    }

    /// Better means: by more than one standard deviation of the random orders.
    pub fn verdict(&self) -> Faithful {
        let (mean, deviation) = self.random_area(&self.deletion);
        let deletes = self.area(&self.deletion.explained) < mean - deviation;
        let (mean, deviation) = self.random_area(&self.insertion);
        let inserts = self.area(&self.insertion.explained) > mean + deviation;
        match (deletes, inserts) {
            (true, true) => Faithful::Better,
            (false, false) => Faithful::NotBetter,
            _ => Faithful::Partly,
        }
    }
}

/// Of a sample; no deviation of fewer than two.
fn mean_and_deviation(values: &[f32]) -> (f32, f32) {
    if values.is_empty() {
        return (0.0, 0.0);
    }
    let count = values.len() as f64;
    let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / count;
    let squares: f64 = values.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum();
    let deviation = if values.len() > 1 { (squares / (count - 1.0)).sqrt() } else { 0.0 };
    (mean as f32, deviation as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(global: f32, structural: f32) -> Standing {
        Standing { score: global + structural, global, structural, rank: 1 }
    }

    #[test]
    fn a_region_is_sorted_and_never_the_whole_photo() {
        let grid = Grid::new(2, 2);
        let region = Region::new(PairSide::Query, [3, 1, 3]);
        assert_eq!(region.cells(), [1, 3]);
        assert!(region.contains(3) && !region.contains(2));
        assert_eq!(region.check(grid), Ok(()));
        let all = Region::new(PairSide::Gallery, 0..4).check(grid).unwrap_err();
        assert_eq!(all, "with all cells of the product photo ignored there is nothing left to compare");
        let beyond = Region::new(PairSide::Query, [4]).check(grid).unwrap_err();
        assert!(beyond.contains("4 cells") && beyond.contains("number 5"), "{beyond}");
    }

    #[test]
    fn two_answers_disagree_by_sign_and_by_size_but_not_over_trifles() {
        let before = standing(0.5, 0.4);
        let agree = |masked, hidden| Agreement::of(&before, &masked, &hidden, 1.0);
        assert_eq!(agree(standing(0.5, 0.30), standing(0.45, 0.28)), Agreement::Agree);
        assert_eq!(agree(standing(0.5, 0.30), standing(0.5, 0.36)), Agreement::ContextLeaks, "0.10 against 0.04");
        assert_eq!(agree(standing(0.5, 0.42), standing(0.5, 0.37)), Agreement::ContextLeaks, "opposite signs");
        assert_eq!(agree(standing(0.5, 0.404), standing(0.5, 0.398)), Agreement::Agree, "trifles");
        assert_eq!(agree(standing(0.5, 0.45), standing(0.3, 0.45)), Agreement::GlobalDecides);
        // In units of the score: without weight the structural parts say nothing.
        let weightless = |structural| Standing { score: 0.5, ..standing(0.5, structural) };
        let answer = Agreement::of(&weightless(0.4), &weightless(0.1), &weightless(0.9), 0.0);
        assert_eq!(answer, Agreement::Agree);
    }

    /// A second implementation: Simpson-free, by summing thin rectangles of the broken line.
    fn area_by_rectangles(shares: &[f32], curve: &[f32]) -> f64 {
        const THIN: usize = 200_000;
        let value = |x: f64| {
            let right = shares.iter().position(|&share| f64::from(share) >= x).unwrap().max(1);
            let (x0, x1) = (f64::from(shares[right - 1]), f64::from(shares[right]));
            let (y0, y1) = (f64::from(curve[right - 1]), f64::from(curve[right]));
            y0 + (y1 - y0) * (x - x0) / (x1 - x0)
        };
        (0..THIN).map(|at| value((at as f64 + 0.5) / THIN as f64) / THIN as f64).sum()
    }

    #[test]
    fn the_area_equals_that_of_thin_rectangles() {
        let shares = vec![0.0, 0.1, 0.45, 0.6, 1.0];
        let curve = vec![0.9, 0.2, 0.5, -0.3, 0.1];
        let flat = Curves { explained: curve.clone(), random: vec![vec![0.5; 5], vec![0.7; 5]] };
        let faith =
            Faithfulness { shares: shares.clone(), deletion: flat.clone(), insertion: flat.clone(), fill: [0; 3] };
        let area = faith.area(&curve);
        assert!((f64::from(area) - area_by_rectangles(&shares, &curve)).abs() < 1e-5, "{area}");
        let (mean, deviation) = faith.random_area(&flat);
        assert!((mean - 0.6).abs() < 1e-6 && (deviation - 0.02f32.sqrt()).abs() < 1e-6, "{mean} {deviation}");
        assert_eq!(flat.band()[1], faith.random_area(&flat));
        // The explained area 0.22 lies far below 0.6: deletion is good, insertion is not.
        assert_eq!(faith.verdict(), Faithful::Partly);
    }
}
