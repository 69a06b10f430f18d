//! Comparing cell by cell under every knob: grid, layer, painted marginals; and what is kept between two turns of one.
//!
//! Another grid than the stored one is made from the stored cells by DIML's rule (see `nn::Regrid`): averages where the grid
//! divides theirs, else linear interpolation and averages. Cells are compared by their cosines, so that is all the
//! normalisation there is. A grid finer than the stored one therefore holds nothing new; an earlier layer does.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use half::f16;
use image::RgbImage;
use rayon::prelude::*;

use super::embed::prepare;
use super::error::IndexError;
use super::search::Searcher;
use super::stored::GalleryIndex;
use crate::domain::{CellPaint, CropRect, Grid, Layer, MatchOptions, Paint, PairMatch, PhotoId, StopFlag};
use crate::nn::{CellFeatures, Encoder, Regrid};
use crate::ot::{self, Cells, Painted, PairScore, PairSet};

/// Bytes of similarities that are kept between two turns of a knob at most; 100 pairs of 7 x 7 cells take one MB.
const KEPT_BYTES: usize = 64 << 20;
/// Candidates whose features are in memory at once where nothing is kept.
const TOGETHER: usize = 256;

/// What comparing needs beyond index and options. Without it, nothing is painted and cells are the last layer's.
#[derive(Clone, Default)]
pub struct Beside {
    /// Used where the options ask for painted marginals.
    pub paint: Option<Arc<Paint>>,
    /// Used where the options ask for this layer.
    pub layer: Option<Arc<LayerCells>>,
    pub kept: Option<Arc<KeptPairs>>,
    /// Vectors `[rows, dim]` that photos are ranked by instead of their global ones.
    pub vectors: Option<Arc<Vec<f16>>>,
}

/// Features at an earlier layer (see `nn::Encoder::encode_layer`).
#[derive(Clone)]
pub struct LayerCells {
    pub layer: Layer,
    pub query: Arc<CellFeatures>,
    /// A photo that is not here agrees with nothing.
    pub gallery: HashMap<PhotoId, Arc<CellFeatures>>,
}

/// The similarities of the query that was compared last, for the next turn of a knob.
#[derive(Default)]
pub struct KeptPairs(Mutex<Option<Kept>>);

struct Kept {
    index: Arc<GalleryIndex>,
    features: CellFeatures,
    layer: Option<Arc<CellFeatures>>,
    grid: Grid,
    photos: Vec<PhotoId>,
    pairs: Arc<Pairs>,
}

/// All similarities of a query with some photos: a set for each photo of the query.
pub struct Pairs {
    sets: Vec<PairSet>,
    query: Grid,
    gallery: Vec<Grid>,
    /// Cosines of the global vectors, where the cells are of another layer than these.
    globals: Option<Vec<Vec<f32>>>,
}

/// One side of a comparison on the grid that was asked for.
struct Side {
    grid: Grid,
    dim: usize,
    cells: Vec<f32>,
    global: Vec<f32>,
}

impl Side {
    fn new(own: Grid, wanted: Grid, dim: usize, cells: Vec<f32>, global: Vec<f32>) -> Self {
        Self { grid: wanted, dim, cells: regridded(cells, own, wanted, dim), global }
    }

    fn of(features: &CellFeatures, photo: usize, options: &MatchOptions) -> Self {
        let wanted = options.grid_of(features.grid);
        let (cells, global) = (features.cells_of(photo).to_vec(), features.global_of(photo).to_vec());
        Self::new(features.grid, wanted, features.dim, cells, global)
    }

    fn view(&self) -> Cells<'_> {
        Cells { grid: self.grid, dim: self.dim, cells: &self.cells, global: &self.global }
    }
}

/// One photo's cells `[cells, dim]` on another grid.
pub fn regridded(cells: Vec<f32>, own: Grid, wanted: Grid, dim: usize) -> Vec<f32> {
    if own == wanted { cells } else { Regrid::new(own, wanted).apply(&cells, dim) }
}

/// Features of photos with their cells on another grid; the global vectors stay.
pub fn on_grid(features: CellFeatures, wanted: Grid) -> CellFeatures {
    if features.grid == wanted {
        return features;
    }
    let regrid = Regrid::new(features.grid, wanted);
    let cells = (0..features.len()).flat_map(|photo| regrid.apply(features.cells_of(photo), features.dim)).collect();
    CellFeatures { grid: wanted, cells, ..features }
}

/// Features of a photo at an earlier layer, fitted as the index fits it.
pub fn embed_layer(
    encoder: &Encoder,
    layer: Layer,
    photo: &RgbImage,
    crop: Option<CropRect>,
) -> Result<CellFeatures, IndexError> {
    let image = prepare(photo, crop, encoder.input_size());
    encoder.encode_layer(layer, &image, 1).map_err(|source| IndexError::Embed { source })
}

/// One pair whose features are at hand, on the grid that the options ask for. What is painted on the query and on the
/// gallery photo counts where the options ask for that.
pub fn explain_features(
    query: &CellFeatures,
    gallery: &CellFeatures,
    painted: [Option<&CellPaint>; 2],
    options: &MatchOptions,
) -> PairMatch {
    let (query, gallery) = (Side::of(query, 0, options), Side::of(gallery, 0, options));
    let on = |paint: Option<&CellPaint>, grid| paint.filter(|paint| !paint.is_blank()).map(|paint| paint.on(grid));
    let weights = [on(painted[0], query.grid), on(painted[1], gallery.grid)];
    let painted = Painted { query: weights[0].as_deref(), gallery: weights[1].as_deref() };
    ot::explain_painted(&query.view(), &gallery.view(), painted, options)
}

/// Cosine of two global vectors, just as it is computed beside the cells: of one cell that is the whole photo.
pub fn global_cosine(query: &[f32], gallery: &[f32]) -> f32 {
    let grid = Grid::new(1, 1);
    let whole = |global| Cells { grid, dim: query.len(), cells: global, global };
    ot::score_pair(&whole(query), &whole(gallery), &MatchOptions::default()).global
}

impl Searcher {
    /// The same with paint, cells of another layer, memory for the next comparison, or other vectors to rank by.
    pub fn with(&self, beside: Beside) -> Self {
        Self { index: Arc::clone(&self.index), beside: Arc::new(beside) }
    }

    /// The options that a comparison can really be made with: an earlier layer needs its features.
    pub fn possible(&self, options: &MatchOptions) -> MatchOptions {
        let layer = if self.layer(options).is_some() { options.layer } else { Layer::Last };
        MatchOptions { layer, ..*options }
    }

    fn layer(&self, options: &MatchOptions) -> Option<&Arc<LayerCells>> {
        self.beside.layer.as_ref().filter(|cells| cells.layer == options.layer && options.layer != Layer::Last)
    }

    fn paint(&self, options: &MatchOptions) -> Option<&Paint> {
        use crate::domain::Marginals;
        self.beside.paint.as_deref().filter(|_| options.marginals == Marginals::Painted)
    }

    fn gallery_side(&self, photo: &PhotoId, options: &MatchOptions) -> Option<Side> {
        if let Some(layer) = self.layer(options) {
            let query = &layer.query;
            return Some(layer.gallery.get(photo).map_or_else(
                || {
                    let grid = options.grid_of(query.grid);
                    let cells = vec![0.0; grid.cells() * query.dim];
                    Side { grid, dim: query.dim, cells, global: vec![0.0; query.dim] }
                },
                |features| Side::of(features, 0, options),
            ));
        }
        let index = self.index();
        let row = index.row_of(photo)?;
        let wanted = options.grid_of(index.grid());
        Some(Side::new(index.grid(), wanted, index.dim(), index.cells_f32(row), index.global_f32(row)))
    }

    /// The cells of each photo of the query.
    fn query_sides(&self, query: &CellFeatures, options: &MatchOptions) -> Vec<Side> {
        let features = self.layer(options).map_or(query, |layer| &layer.query);
        (0..features.len()).map(|photo| Side::of(features, photo, options)).collect()
    }

    /// Scores of photos of the gallery, in their order; of a query of several photos the mean over these. `None` where it
    /// was stopped before the end, or where a photo is not in the index.
    pub(super) fn scores(
        &self,
        query: &CellFeatures,
        photos: &[PhotoId],
        options: &MatchOptions,
        stop: &StopFlag,
    ) -> Option<Vec<PairScore>> {
        let cells = options.grid_of(self.layer(options).map_or(query.grid, |layer| layer.query.grid)).cells();
        if self.beside.kept.is_some()
            && photos.len() * cells * cells.next_multiple_of(8) * 4 * query.len() <= KEPT_BYTES
        {
            let pairs = self.pairs(query, photos, options, stop)?;
            return self.scores_of(&pairs, photos, options, stop);
        }
        let mut scores = Vec::with_capacity(photos.len());
        for photos in photos.chunks(TOGETHER) {
            let pairs = self.compare_pairs(query, photos, options, stop)?;
            scores.extend(self.scores_of(&pairs, photos, options, stop)?);
        }
        Some(scores)
    }

    /// All similarities, from memory where they are the ones that were used last.
    pub fn pairs(
        &self,
        query: &CellFeatures,
        photos: &[PhotoId],
        options: &MatchOptions,
        stop: &StopFlag,
    ) -> Option<Arc<Pairs>> {
        let layer = self.layer(options).map(|layer| Arc::clone(&layer.query));
        let grid = options.grid_of(layer.as_ref().map_or(query.grid, |layer| layer.grid));
        let fits = |kept: &Kept| {
            Arc::ptr_eq(&kept.index, self.index())
                && kept.grid == grid
                && kept.layer == layer
                && kept.photos == photos
                && kept.features == *query
        };
        let slot = || self.beside.kept.as_ref().map(|kept| kept.0.lock().unwrap_or_else(PoisonError::into_inner));
        if let Some(kept) = slot().as_deref().and_then(Option::as_ref).filter(|kept| fits(kept)) {
            return Some(Arc::clone(&kept.pairs));
        }
        let pairs = Arc::new(self.compare_pairs(query, photos, options, stop)?);
        if let Some(mut slot) = slot() {
            *slot = Some(Kept {
                index: Arc::clone(self.index()),
                features: query.clone(),
                layer,
                grid,
                photos: photos.to_vec(),
                pairs: Arc::clone(&pairs),
            });
        }
        Some(pairs)
    }

    fn compare_pairs(
        &self,
        query: &CellFeatures,
        photos: &[PhotoId],
        options: &MatchOptions,
        stop: &StopFlag,
    ) -> Option<Pairs> {
        let sides: Vec<Side> =
            photos.par_iter().map(|photo| self.gallery_side(photo, options)).collect::<Option<_>>()?;
        let candidates: Vec<Cells<'_>> = sides.iter().map(Side::view).collect();
        let queries = self.query_sides(query, options);
        let sets =
            queries.iter().map(|side| PairSet::compare(&side.view(), &candidates, stop)).collect::<Option<_>>()?;
        // The global part of a score is always that of the last layer.
        let globals = self.layer(options).map(|_| {
            let of = |photo: &PhotoId, index: usize| self.global_cosine(query, index, photo);
            (0..queries.len()).map(|index| photos.iter().map(|photo| of(photo, index)).collect()).collect()
        });
        let first = queries.first()?.grid;
        Some(Pairs { sets, query: first, gallery: sides.iter().map(|side| side.grid).collect(), globals })
    }

    fn global_cosine(&self, query: &CellFeatures, index: usize, photo: &PhotoId) -> f32 {
        let Some(row) = self.index().row_of(photo) else { return 0.0 };
        let index = index.min(query.len().saturating_sub(1));
        global_cosine(query.global_of(index), &self.index().global_f32(row))
    }

    /// Scores from similarities that are known.
    pub fn scores_of(
        &self,
        pairs: &Pairs,
        photos: &[PhotoId],
        options: &MatchOptions,
        stop: &StopFlag,
    ) -> Option<Vec<PairScore>> {
        let weights = self.weights(pairs, photos, options);
        let all: Vec<usize> = (0..photos.len()).collect();
        pairs.scores_at(&all, &weights, options, None, stop)
    }

    /// What no score of these pairs exceeds at this or any larger epsilon: see `ot::PairSet::bounds`.
    pub fn bounds_of(&self, pairs: &Pairs, photos: &[PhotoId], options: &MatchOptions) -> Vec<f32> {
        let weights = self.weights(pairs, photos, options);
        let bounds = |index: usize| pairs.sets[index].bounds(&|place| weights.at(index, place), options);
        let all: Vec<usize> = (0..photos.len()).collect();
        let scores = pairs.together(&all, (0..pairs.sets.len()).map(bounds).collect());
        scores.iter().map(|score| score.score(options)).collect()
    }

    /// The places of the `top` best of [`Self::scores_of`], best first and of equals the earlier first, from as few scores
    /// as their `bounds` allow. With `starts` each plan begins where it ended before: see `ot::PairSet::rerank_warm`.
    pub fn best_of(
        &self,
        (pairs, photos): (&Pairs, &[PhotoId]),
        (bounds, top): (&[f32], usize),
        options: &MatchOptions,
        mut starts: Option<&mut Vec<ot::Starts>>,
        stop: &StopFlag,
    ) -> Option<ot::Best> {
        let weights = self.weights(pairs, photos, options);
        ot::best_by_bounds(bounds, top, |places| {
            let scores = pairs.scores_at(places, &weights, options, starts.as_deref_mut(), stop)?;
            Some(scores.iter().map(|score| score.score(options)).collect())
        })
    }

    fn weights(&self, pairs: &Pairs, photos: &[PhotoId], options: &MatchOptions) -> Weights {
        let Some(paint) = self.paint(options) else { return Weights::default() };
        let gallery = photos.iter().zip(&pairs.gallery).map(|(photo, &grid)| paint.gallery_weights(photo, grid));
        Weights { query: paint.query_weights(pairs.query), gallery: gallery.collect() }
    }

    /// Everything about one pair: the first photo of the query beside a photo of the gallery.
    pub(super) fn explain_pair(
        &self,
        query: &CellFeatures,
        photo: &PhotoId,
        options: &MatchOptions,
    ) -> Result<PairMatch, IndexError> {
        let side = self.gallery_side(photo, options);
        let gallery = side.ok_or_else(|| IndexError::NotIndexed { photo: photo.clone() })?;
        let features = self.layer(options).map_or(query, |layer| &layer.query);
        let query_side = Side::of(features, 0, options);
        let weights = self
            .paint(options)
            .map(|paint| (paint.query_weights(query_side.grid), paint.gallery_weights(photo, gallery.grid)));
        let (on_query, on_gallery) = weights.unwrap_or_default();
        let painted = Painted { query: on_query.as_deref(), gallery: on_gallery.as_deref() };
        let mut pair = ot::explain_painted(&query_side.view(), &gallery.view(), painted, options);
        if self.layer(options).is_some() {
            pair.global = self.global_cosine(query, 0, photo);
            pair.score = pair.global + options.structural_weight * pair.structural;
        }
        Ok(pair)
    }
}

fn some(scores: Vec<PairScore>, wanted: usize) -> Option<Vec<PairScore>> {
    (scores.len() == wanted).then_some(scores)
}

/// What is painted, on the grids of one comparison.
#[derive(Default)]
struct Weights {
    query: Option<Vec<f32>>,
    gallery: Vec<Option<Vec<f32>>>,
}

impl Weights {
    /// A person paints on the first photo of the query.
    fn at(&self, query: usize, place: usize) -> Painted<'_> {
        Painted {
            query: self.query.as_deref().filter(|_| query == 0),
            gallery: self.gallery.get(place).and_then(Option::as_deref),
        }
    }
}

impl Pairs {
    /// Scores of the pairs at these places, in their order.
    fn scores_at(
        &self,
        places: &[usize],
        weights: &Weights,
        options: &MatchOptions,
        mut starts: Option<&mut Vec<ot::Starts>>,
        stop: &StopFlag,
    ) -> Option<Vec<PairScore>> {
        if let Some(starts) = &mut starts {
            starts.resize_with(self.sets.len(), ot::Starts::default);
        }
        let mut parts = Vec::with_capacity(self.sets.len());
        for (index, set) in self.sets.iter().enumerate() {
            let painted = |place| weights.at(index, place);
            let scores = match &mut starts {
                Some(starts) => set.rerank_warm(places, &painted, options, &mut starts[index], stop),
                None => set.rerank_some(places, &painted, options, stop),
            };
            parts.push(some(scores, places.len())?);
        }
        Some(self.together(places, parts))
    }

    /// The mean over the photos of the query; a single one's scores stay what they are.
    fn together(&self, places: &[usize], mut parts: Vec<Vec<PairScore>>) -> Vec<PairScore> {
        if let Some(globals) = &self.globals {
            for (part, globals) in parts.iter_mut().zip(globals) {
                part.iter_mut().zip(places).for_each(|(score, &place)| score.global = globals[place]);
            }
        }
        if parts.len() == 1 {
            return parts.pop().unwrap_or_default();
        }
        let count = parts.len().max(1) as f32;
        (0..places.len())
            .map(|place| {
                let of = |value: &dyn Fn(&PairScore) -> f32| {
                    parts.iter().map(|part| value(&part[place])).sum::<f32>() / count
                };
                PairScore {
                    structural: of(&|score| score.structural),
                    global: of(&|score| score.global),
                    iterations: parts.iter().map(|part| part[place].iterations).max().unwrap_or(0),
                    marginal_error: parts.iter().map(|part| part[place].marginal_error).fold(0.0, f32::max),
                    uniform_fallback: parts.iter().any(|part| part[place].uniform_fallback),
                }
            })
            .collect()
    }
}
