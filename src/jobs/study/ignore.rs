//! Would the match hold without a region?

use half::f16;
use rayon::prelude::*;

use super::{Canvas, Case, Field, Pace, Stored, go_on, refuse, view};
use crate::domain::{Agreement, CellStandings, Counterfactual, PairSide, Region, Standing, StopFlag};
use crate::jobs::JobError;
use crate::ot::{Painted, PairScore, Remaining, score_painted};

/// Both answers about one region: its cells weigh nothing, and its pixels are hidden.
pub fn ignore(case: &Case, region: &Region, stop: &StopFlag, pace: Pace<'_>) -> Result<Counterfactual, JobError> {
    region.check(case.grid_of(region.side)).map_err(refuse)?;
    let field = case.field()?;
    let base = case.scores(&case.query(), field.query.as_deref(), &field, stop)?;
    let before = case.standing(&base, field.place);
    let masked = case.masked(region.cells(), region.side, &field, &base, stop)?;
    let (hidden, fill) = case.hidden(region, &field, &base, stop, pace)?;
    Ok(Counterfactual {
        region: region.clone(),
        candidates: field.stored.len(),
        before,
        masked,
        hidden,
        fill,
        agreement: Agreement::of(&before, &masked, &hidden, case.options.structural_weight),
    })
}

/// The masked answer for each cell alone.
pub fn ignore_each(case: &Case, side: PairSide, stop: &StopFlag, pace: Pace<'_>) -> Result<CellStandings, JobError> {
    let grid = case.grid_of(side);
    let field = case.field()?;
    let base = case.scores(&case.query(), field.query.as_deref(), &field, stop)?;
    let before = case.standing(&base, field.place);
    let one = |cell: usize| {
        let region = Region::new(side, [cell]);
        match region.check(grid) {
            Ok(()) => case.masked(region.cells(), side, &field, &base, stop),
            Err(sentence) => Err(refuse(sentence)),
        }
    };
    let cells: Vec<Standing> = match side {
        // Every candidate is compared anew with each, which takes all cores already.
        PairSide::Query => (0..grid.cells())
            .map(|cell| {
                pace(cell, grid.cells());
                one(cell)
            })
            .collect::<Result<_, _>>()?,
        PairSide::Gallery => (0..grid.cells()).into_par_iter().map(one).collect::<Result<_, _>>()?,
    };
    Ok(CellStandings { side, grid, candidates: field.stored.len(), before, cells })
}

impl Case {
    pub(super) fn grid_of(&self, side: PairSide) -> crate::domain::Grid {
        match side {
            PairSide::Query => self.features.grid,
            PairSide::Gallery => self.gallery_grid(),
        }
    }

    /// Cells of the query count for every candidate, cells of the product photo for that photo alone.
    fn masked(
        &self,
        cells: &[usize],
        side: PairSide,
        field: &Field,
        base: &[PairScore],
        stop: &StopFlag,
    ) -> Result<Standing, JobError> {
        go_on(stop)?;
        let query = self.query();
        let painted = field.painted();
        // Where only cells are left that weigh nothing, no mass moves.
        let unmoved = |score: &PairScore| PairScore { structural: 0.0, iterations: 0, marginal_error: 0.0, ..*score };
        match side {
            PairSide::Query => {
                let scores = match Remaining::of_painted(&query, painted.query, cells) {
                    Some(left) => self.scores(&left.view(), left.painted(), field, stop)?,
                    None => base.iter().map(unmoved).collect(),
                };
                Ok(self.standing(&scores, field.place))
            }
            PairSide::Gallery => {
                let gallery = self.gallery_view(&field.stored[field.place]);
                let score = match Remaining::of_painted(&gallery, painted.gallery, cells) {
                    Some(left) => {
                        let painted = Painted { gallery: left.painted(), ..painted };
                        score_painted(&query, &left.view(), painted, &self.options)
                    }
                    None => unmoved(&base[field.place]),
                };
                Ok(self.standing_with(base, field.place, score))
            }
        }
    }

    fn hidden(
        &self,
        region: &Region,
        field: &Field,
        base: &[PairScore],
        stop: &StopFlag,
        pace: Pace<'_>,
    ) -> Result<(Standing, [u8; 3]), JobError> {
        let encoder = &self.engine.encoder;
        let hides = [|cell: usize| region.contains(cell)];
        match region.side {
            PairSide::Query => {
                let canvas = Canvas::new(&self.photo, Some(self.crop), encoder.input_size());
                let features = self.hide_in_query(&canvas, &hides, stop, pace)?;
                let scores = self.scores(&view(&features[0], 0), field.query.as_deref(), field, stop)?;
                Ok((self.standing(&scores, field.place), canvas.fill()))
            }
            PairSide::Gallery => {
                let (photo, part) = self.matched.read()?;
                let canvas = Canvas::new(&photo, Some(part), encoder.input_size());
                // As the index was told it.
                let kind = self.matched.row.kind.as_ref().unwrap_or(&self.matched.product.kind);
                let features = canvas.encode(encoder, (self.gallery_grid(), Some(kind)), &hides, stop, pace)?;
                // As the index would hold it.
                let stored = Stored {
                    cells: features[0].cells_of(0).iter().map(rounded).collect(),
                    global: features[0].global_of(0).iter().map(rounded).collect(),
                };
                let gallery = self.gallery_view(&stored);
                let score = score_painted(&self.query(), &gallery, field.painted(), &self.options);
                Ok((self.standing_with(base, field.place, score), canvas.fill()))
            }
        }
    }

    /// The standing with another score in one place.
    fn standing_with(&self, base: &[PairScore], place: usize, score: PairScore) -> Standing {
        let mut scores = base.to_vec();
        scores[place] = score;
        self.standing(&scores, place)
    }
}

fn rounded(value: &f32) -> f32 {
    f16::from_f32(*value).to_f32()
}
