//! Cells of an earlier layer, read from the photos themselves: the index holds the last layer only.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use image::RgbImage;
use rayon::prelude::*;

use super::JobError;
use super::open::{Engine, Report};
use super::search::Found;
use crate::data;
use crate::domain::{CropRect, Layer, MatchOptions, PhotoDomain, PhotoId, Progress, StopFlag};
use crate::index::{self, Beside, LayerCells};
use crate::nn::{CellFeatures, Encoder};
use crate::project::Project;

/// Photos that are read between two looks at the progress.
const SLICE: usize = 16;

/// Where the photos lie, with the box that came with each.
pub(super) fn sources(project: &Project, photos: &[PhotoId]) -> Result<Vec<(PathBuf, Option<CropRect>)>, JobError> {
    let source = |photo: &PhotoId| -> Result<_, JobError> {
        let row = project.photo(photo)?;
        Ok((project.paths().photo(photo), row.and_then(|row| row.bbox)))
    };
    photos.iter().map(source).collect()
}

/// Features of shop photos at a layer, fitted as the index fits them. `None` for what cannot be read: such a photo then
/// agrees with nothing, and the log says why.
pub(super) fn read_layer(
    encoder: &Encoder,
    layer: Layer,
    sources: &[(PathBuf, Option<CropRect>)],
    stop: &StopFlag,
) -> Result<Vec<Option<Arc<CellFeatures>>>, JobError> {
    let read = |(path, bbox): &(PathBuf, Option<CropRect>)| -> Result<CellFeatures, JobError> {
        let pixels = data::decode_file(path)?;
        let part = data::compared_part(&pixels, PhotoDomain::Shop, *bbox);
        Ok(index::embed_layer(encoder, layer, &pixels, Some(part))?)
    };
    let made: Vec<Option<Result<CellFeatures, JobError>>> =
        sources.par_iter().map(|source| (!stop.is_stopped()).then(|| read(source))).collect();
    made.into_iter()
        .map(|made| match made.ok_or(JobError::Stopped)? {
            Ok(features) => Ok(Some(Arc::new(features))),
            Err(error) => {
                tracing::warn!(target: "seamline", %error, "a photo has no cells at this layer");
                Ok(None)
            }
        })
        .collect()
}

/// The engine with all that re-ranking `found` at the layer of the options needs; the engine as it is for the last one.
pub fn engine_at_layer(
    project: &Project,
    engine: &Engine,
    found: &Found,
    query: (&RgbImage, CropRect),
    options: &MatchOptions,
    report: Report<'_>,
) -> Result<Engine, JobError> {
    let mut beside = Beside::default();
    if options.layer != Layer::Last {
        let photos = super::knobs::candidates(found, options);
        let mut gallery = HashMap::new();
        for slice in photos.chunks(SLICE) {
            report(Progress { what: "Reading an earlier layer", done: gallery.len(), total: photos.len() });
            let made = read_layer(&engine.encoder, options.layer, &sources(project, slice)?, &StopFlag::new())?;
            gallery.extend(slice.iter().cloned().zip(made).filter_map(|(photo, made)| Some((photo, made?))));
        }
        let query = index::embed_layer(&engine.encoder, options.layer, query.0, Some(query.1))?;
        beside.layer = Some(Arc::new(LayerCells { layer: options.layer, query: Arc::new(query), gallery }));
    }
    let (encoder, model) = (Arc::clone(&engine.encoder), engine.model.clone());
    Ok(Engine { encoder, searcher: engine.searcher.with(beside), model })
}
