//! Would the match win if a region of the street photo looked like the product?

use std::sync::Arc;

use super::hide::encode;
use super::{Canvas, Case, Pace, go_on, refuse, view};
use crate::data;
use crate::domain::{Agreement, PairSide, Region, RegionSwap, SquarePicture, StopFlag};
use crate::jobs::JobError;
use crate::ot::{Exchanged, explain_painted};

/// The network's passes.
const STEPS: usize = 2;

/// Both answers about one region of the query, each cell of which takes the place of its match: by features, and by pixels.
pub fn swap(case: &Case, region: &Region, stop: &StopFlag, pace: Pace<'_>) -> Result<RegionSwap, JobError> {
    if region.side == PairSide::Gallery {
        let sentence =
            "cells of the street photo are swapped, by cells of the product photo and not the other way round";
        return Err(refuse(sentence.to_owned()));
    }
    let grids = [case.features.grid, case.gallery_grid()];
    region.lies_in(grids[0]).map_err(refuse)?;
    let (field, query) = (case.field()?, case.query());
    let painted = field.query.as_deref();
    let base = case.scores(&query, painted, &field, stop)?;
    let before = case.standing(&base, field.place);
    let gallery = case.gallery_view(&field.stored[field.place]);
    let plan = explain_painted(&query, &gallery, field.painted(), &case.options).plan;
    let swapped = Exchanged::of(&query, &gallery, &plan, region.cells());
    let pairs: Vec<(usize, usize)> = swapped.taken().iter().map(|taken| (taken.cell, taken.from)).collect();

    pace(0, STEPS);
    go_on(stop)?;
    let encoder = &case.engine.encoder;
    let own = Canvas::new(&case.photo, Some(case.crop), encoder.input_size());
    let (photo, part) = case.matched.read()?;
    let other = Canvas::new(&photo, Some(part), encoder.input_size());
    let kind = case.kind.as_deref();
    let images = [own.image(), other.image()].concat();
    let pooled = encoder.encode_exchanged(&images, kind.and_then(|kind| encoder.projection_of(kind)), &pairs, grids)?;
    let global = case.added.global(pooled.global_of(0));
    let scores = case.scores(&swapped.view(&global), painted, &field, stop)?;
    let features = case.standing(&scores, field.place);

    pace(1, STEPS);
    go_on(stop)?;
    let square = own.with(&other, grids, &pairs);
    let encoded = case.added.to(encode(encoder, std::slice::from_ref(&square), (grids[0], kind))?);
    let scores = case.scores(&view(&encoded, 0), painted, &field, stop)?;
    let pixels = case.standing(&scores, field.place);
    pace(STEPS, STEPS);
    Ok(RegionSwap {
        region: region.clone(),
        taken: swapped.taken().to_vec(),
        candidates: field.stored.len(),
        before,
        features,
        pixels,
        // A cell may have been put where there was padding.
        picture: SquarePicture { pixels: Arc::new(data::pixels(&square)), content: [0.0, 0.0, 1.0, 1.0] },
        agreement: Agreement::of(&before, &features, &pixels, case.options.structural_weight),
    })
}
