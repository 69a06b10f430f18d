//! Does the explanation of a match point at what the model used?

use std::slice;

use super::{Canvas, Case, Pace, view};
use crate::domain::{Faithfulness, StopFlag};
use crate::eval::faithfulness::{FaithfulnessSettings, FaithfulnessTest, Shown};
use crate::jobs::JobError;
use crate::ot::{Painted, explain_painted, score_painted};

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
    let (on_query, on_gallery) = (case.query_weights(), case.gallery_weights(slice::from_ref(&case.matched.row.photo)));
    let painted = Painted { query: on_query.as_deref(), gallery: on_gallery[0].as_deref() };
    let pair = explain_painted(&case.query(), &gallery, painted, &case.options);
    let grid = case.features.grid;
    let contributions: Vec<f32> = (0..grid.cells()).map(|cell| pair.of_query_cell(cell)).collect();
    let test = FaithfulnessTest::new(&contributions, settings);
    let canvas = Canvas::new(&case.photo, Some(case.crop), case.engine.encoder.input_size());
    let hidden: Vec<_> = test.photos().iter().map(|shown: &Shown| move |cell: usize| !shown[cell]).collect();
    let batches = case.hide_in_query(&canvas, &hidden, stop, pace)?;
    let scores: Vec<f32> = batches
        .iter()
        .flat_map(|batch| (0..batch.len()).map(move |photo| view(batch, photo)))
        .map(|query| score_painted(&query, &gallery, painted, &case.options).score(&case.options))
        .collect();
    Ok(test.finish(&scores, canvas.fill()))
}
