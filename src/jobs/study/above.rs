//! Why does one photo stand above another?

use std::slice;

use super::{Case, Matched, go_on, refuse};
use crate::domain::{Difference, StopFlag};
use crate::jobs::JobError;
use crate::jobs::search::square;
use crate::jobs::types::{Comparison, Contender};
use crate::ot::{Contest, ContestPaint, Painted, explain_painted};

/// The difference of the case's two photos, and the edits that would swap them. Which of them is above follows from
/// their scores.
pub fn above(case: &Case, stop: &StopFlag) -> Result<Comparison, JobError> {
    let other = case.other.as_ref().ok_or_else(|| refuse("there is no other photo to compare with".to_owned()))?;
    if other.row.photo == case.matched.row.photo {
        return Err(refuse("a photo cannot stand above itself".to_owned()));
    }
    let on_query = case.query_weights();
    let contender = |matched: &Matched| -> Result<_, JobError> {
        let place = case.candidates.iter().position(|photo| *photo == matched.row.photo);
        let rank = 1 + place.ok_or_else(|| {
            let photo = &matched.row.photo;
            refuse(format!("{photo} was not compared cell by cell, so there is no such reason; re-rank more photos"))
        })?;
        let stored = case.stored(&matched.row.photo)?;
        let on_gallery = case.gallery_weights(slice::from_ref(&matched.row.photo)).pop().flatten();
        let painted = Painted { query: on_query.as_deref(), gallery: on_gallery.as_deref() };
        let pair = explain_painted(&case.query(), &case.gallery_view(&stored), painted, &case.options);
        let (pixels, part) = matched.read()?;
        let picture = square(&pixels, Some(part));
        let (photo, product) = (matched.row.photo.clone(), matched.product.clone());
        Ok((Contender { photo, product, rank, pair, picture }, stored, on_gallery))
    };
    let (mut above, mut below) = (contender(&case.matched)?, contender(other)?);
    go_on(stop)?;
    if above.0.rank > below.0.rank {
        std::mem::swap(&mut above, &mut below);
    }
    let contest = Contest {
        query: case.query(),
        above: case.gallery_view(&above.1),
        below: case.gallery_view(&below.1),
        paint: ContestPaint { query: on_query.as_deref(), above: above.2.as_deref(), below: below.2.as_deref() },
        options: &case.options,
    };
    let swaps = contest.swaps(stop);
    go_on(stop)?;
    let difference = Difference::of(&above.0.pair, &below.0.pair, case.options.structural_weight);
    Ok(Comparison { above: above.0, below: below.0, difference, swaps })
}
