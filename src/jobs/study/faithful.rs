//! Does the explanation of a match point at what the model used?

use super::{Canvas, Case, Pace, view};
use crate::domain::{Faithfulness, StopFlag};
use crate::eval::faithfulness::{FaithfulnessSettings, FaithfulnessTest, Shown};
use crate::jobs::JobError;
use crate::ot::{explain_pair, score_pair};

/// Hides the query's cells in the order of their contributions and in random orders, encodes each photo anew, and
/// follows the score of the match.
pub fn faithfulness(
    case: &Case,
    settings: FaithfulnessSettings,
    stop: &StopFlag,
    pace: Pace<'_>,
) -> Result<Faithfulness, JobError> {
    let stored = case.stored(&case.matched.row.photo)?;
    let gallery = case.gallery_view(&stored);
    let pair = explain_pair(&case.query(), &gallery, &case.options);
    let grid = case.features.grid;
    let contributions: Vec<f32> = (0..grid.cells()).map(|cell| pair.of_query_cell(cell)).collect();
    let test = FaithfulnessTest::new(&contributions, settings);
    let encoder = &case.engine.encoder;
    let canvas = Canvas::new(&case.photo, Some(case.crop), encoder.input_size());
    let hidden: Vec<_> = test.photos().iter().map(|shown: &Shown| move |cell: usize| !shown[cell]).collect();
    let batches = canvas.encode(encoder, (grid, case.kind.as_deref()), &hidden, stop, pace)?;
    let scores: Vec<f32> = batches
        .iter()
        .flat_map(|batch| (0..batch.len()).map(move |photo| view(batch, photo)))
        .map(|query| score_pair(&query, &gallery, &case.options).score(&case.options))
        .collect();
    Ok(test.finish(&scores, canvas.fill()))
}
