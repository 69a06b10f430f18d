//! Questions about one match, answered step by step and without threads: what if a region were ignored, or looked like
//! the product, why does one photo stand above another, does the explanation point at what the model used?

mod above;
mod faithful;
mod hide;
mod ignore;
mod swap;
mod worker;

use std::path::PathBuf;
use std::sync::Arc;

use image::RgbImage;

pub use above::above;
pub use faithful::faithfulness;
pub use hide::Canvas;
pub use ignore::{ignore, ignore_each};
pub use swap::swap;
pub(super) use worker::{StudyJob, StudyThread};

use super::JobError;
use super::open::Engine;
use super::types::{Answer, Question};
use crate::data;
use crate::domain::{
    CropRect, Grid, Layer, Marginals, MatchOptions, Paint, PhotoId, ProductRecord, Standing, StopFlag,
};
use crate::index;
use crate::index::combine::Added;
use crate::nn::CellFeatures;
use crate::ot::{self, Cells, Painted, PairScore};
use crate::project::PhotoRow;

/// One match and what is needed to compare it anew.
#[derive(Clone)]
pub struct Case {
    pub engine: Arc<Engine>,
    /// The query photo, and the part of it that is searched; of several photos the first, whose cells are compared.
    pub photo: Arc<RgbImage>,
    pub crop: CropRect,
    /// Of the garment in it, where that is known.
    pub kind: Option<String>,
    /// With the global vector of all that the query is made of.
    pub features: Arc<CellFeatures>,
    /// What that vector holds besides the photo's own, for the photo encoded anew.
    pub added: Arc<Added>,
    /// Counts where the options ask for painted marginals.
    pub paint: Option<Arc<Paint>>,
    pub options: MatchOptions,
    /// The photo of the gallery.
    pub matched: Matched,
    /// The other photo of a question about two.
    pub other: Option<Matched>,
    /// The photos that are compared cell by cell with these options, best first.
    pub candidates: Vec<PhotoId>,
}

/// A photo of the gallery.
#[derive(Clone)]
pub struct Matched {
    pub row: PhotoRow,
    pub path: PathBuf,
    pub product: ProductRecord,
}

impl Matched {
    /// The photo, and the part of it that is compared.
    fn read(&self) -> Result<(RgbImage, CropRect), JobError> {
        let photo = data::decode_file(&self.path)?;
        let part = data::compared_part(&photo, self.row.domain, self.row.bbox);
        Ok((photo, part))
    }
}

/// Told how much is done, of how much; asked before each block of work.
pub type Pace<'a> = &'a (dyn Fn(usize, usize) + Sync);

/// Refuses settings with which no question is answered.
pub fn check(options: &MatchOptions) -> Result<(), JobError> {
    options.check().map_err(refuse)?;
    // The index holds no cells of earlier layers to compare with.
    if options.layer != Layer::Last {
        return Err(refuse("these questions are answered for the network's last layer; choose it to ask".to_owned()));
    }
    Ok(())
}

/// Answers a question.
pub fn answer(case: &Case, question: &Question, stop: &StopFlag, pace: Pace<'_>) -> Result<Answer, JobError> {
    check(&case.options)?;
    let wanted = case.options.grid_of(case.features.grid);
    let case =
        &Case { features: Arc::new(index::on_grid(CellFeatures::clone(&case.features), wanted)), ..case.clone() };
    Ok(match question {
        Question::Ignore(region) => Answer::Ignore(Arc::new(ignore(case, region, stop, pace)?)),
        Question::IgnoreEach(side) => Answer::IgnoreEach(Arc::new(ignore_each(case, *side, stop, pace)?)),
        Question::Swap(region) => Answer::Swap(Arc::new(swap(case, region, stop, pace)?)),
        Question::Above { .. } => Answer::Above(Arc::new(above(case, stop)?)),
        Question::Faithfulness => Answer::Faithfulness(Arc::new(faithfulness(case, Default::default(), stop, pace)?)),
    })
}

fn refuse(sentence: String) -> JobError {
    JobError::Options { sentence }
}

fn go_on(stop: &StopFlag) -> Result<(), JobError> {
    if stop.is_stopped() { Err(JobError::Stopped) } else { Ok(()) }
}

/// Features of one photo, as the index holds them.
#[derive(Clone)]
struct Stored {
    cells: Vec<f32>,
    global: Vec<f32>,
}

impl Case {
    fn query(&self) -> Cells<'_> {
        view(&self.features, 0)
    }

    /// The query photo encoded again, once for each set of hidden cells, with all else that the query is made of.
    fn hide_in_query<H: Fn(usize) -> bool>(
        &self,
        canvas: &Canvas,
        hidden: &[H],
        stop: &StopFlag,
        pace: Pace<'_>,
    ) -> Result<Vec<CellFeatures>, JobError> {
        let batches =
            canvas.encode(&self.engine.encoder, (self.features.grid, self.kind.as_deref()), hidden, stop, pace)?;
        Ok(batches.into_iter().map(|batch| self.added.to(batch)).collect())
    }

    fn gallery_grid(&self) -> Grid {
        self.options.grid_of(self.engine.searcher.index().grid())
    }

    fn gallery_view<'a>(&self, stored: &'a Stored) -> Cells<'a> {
        let index = self.engine.searcher.index();
        Cells { grid: self.gallery_grid(), dim: index.dim(), cells: &stored.cells, global: &stored.global }
    }

    fn stored(&self, photo: &PhotoId) -> Result<Stored, JobError> {
        let index = self.engine.searcher.index();
        let row = index.row_of(photo).ok_or_else(|| JobError::NotInGallery { photo: photo.clone() })?;
        let cells = index::regridded(index.cells_f32(row), index.grid(), self.gallery_grid(), index.dim());
        Ok(Stored { cells, global: index.global_f32(row) })
    }

    /// All candidates, the matched photo among them wherever it stands.
    fn field(&self) -> Result<Field, JobError> {
        let mut photos = self.candidates.clone();
        let place = match photos.iter().position(|photo| *photo == self.matched.row.photo) {
            Some(place) => place,
            None => {
                photos.push(self.matched.row.photo.clone());
                photos.len() - 1
            }
        };
        let stored = photos.iter().map(|photo| self.stored(photo)).collect::<Result<Vec<_>, _>>()?;
        Ok(Field { stored, place, query: self.query_weights(), gallery: self.gallery_weights(&photos) })
    }

    fn paint(&self) -> Option<&Paint> {
        self.paint.as_deref().filter(|_| self.options.marginals == Marginals::Painted)
    }

    /// What is painted on the query's cells.
    fn query_weights(&self) -> Option<Vec<f32>> {
        self.paint()?.query_weights(self.features.grid)
    }

    /// What is painted on the cells of each of these photos.
    fn gallery_weights(&self, photos: &[PhotoId]) -> Vec<Option<Vec<f32>>> {
        let grid = self.gallery_grid();
        photos.iter().map(|photo| self.paint()?.gallery_weights(photo, grid)).collect()
    }

    /// Scores of this query, with these painted weights of its cells, against all of a field.
    fn scores(
        &self,
        query: &Cells<'_>,
        painted: Option<&[f32]>,
        field: &Field,
        stop: &StopFlag,
    ) -> Result<Vec<PairScore>, JobError> {
        let views: Vec<Cells<'_>> = field.stored.iter().map(|stored| self.gallery_view(stored)).collect();
        let weights = |place: usize| Painted { query: painted, gallery: field.gallery[place].as_deref() };
        let scores = ot::rerank_painted(query, &views, &weights, &self.options, stop);
        if scores.len() == views.len() { Ok(scores) } else { Err(JobError::Stopped) }
    }

    /// Where one of these scores stands. Of equals the one that stood first stays first.
    fn standing(&self, scores: &[PairScore], place: usize) -> Standing {
        let own = scores[place];
        let score = own.score(&self.options);
        let ahead = scores.iter().enumerate().filter(|(at, other)| {
            let other = other.score(&self.options);
            other > score || (other == score && *at < place)
        });
        Standing { score, global: own.global, structural: own.structural, rank: 1 + ahead.count() }
    }
}

/// What a match is ranked among.
struct Field {
    stored: Vec<Stored>,
    /// The matched photo's place in it.
    place: usize,
    /// What is painted on the query, and on each photo.
    query: Option<Vec<f32>>,
    gallery: Vec<Option<Vec<f32>>>,
}

impl Field {
    /// What is painted on the query and on the matched photo.
    fn painted(&self) -> Painted<'_> {
        Painted { query: self.query.as_deref(), gallery: self.gallery[self.place].as_deref() }
    }
}

/// One photo of a batch.
fn view(features: &CellFeatures, photo: usize) -> Cells<'_> {
    Cells { grid: features.grid, dim: features.dim, cells: features.cells_of(photo), global: features.global_of(photo) }
}
