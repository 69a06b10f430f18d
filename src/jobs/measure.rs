//! Recall on the untouched test split, through the very search that a person uses.

use rayon::prelude::*;

use super::JobError;
use super::open::{Engine, Report};
use super::search::{Search, Source};
use super::shelve::Shelving;
use crate::domain::{CropRect, MatchOptions, PhotoDomain, PhotoId, ProductId, Progress, Split, StopFlag};
use crate::eval::metrics::recall_at;
use crate::project::{Paths, Project};

/// Photos that are measured at most: enough for two digits, few enough to wait for.
const MOST: usize = 1000;

/// A street photo whose product is known and was never trained on.
#[derive(Clone, Debug, PartialEq)]
pub struct TestQuery {
    pub photo: PhotoId,
    pub product: ProductId,
    pub crop: Option<CropRect>,
    pub kind: Option<String>,
}

/// The test split's street photos that came with the data; evenly thinned where there are very many.
pub fn test_queries(project: &Project) -> Result<Vec<TestQuery>, JobError> {
    let held_out: std::collections::HashSet<ProductId> = project
        .products()?
        .into_iter()
        .filter(|product| product.split == Some(Split::Test))
        .map(|product| product.product)
        .collect();
    let mut queries: Vec<TestQuery> = project
        .photos(PhotoDomain::Street)?
        .into_iter()
        .filter_map(|row| {
            let product = row.product.filter(|product| held_out.contains(product))?;
            Some(TestQuery { photo: row.photo, product, crop: row.bbox, kind: row.kind })
        })
        .collect();
    if queries.len() > MOST {
        let step = queries.len() as f64 / MOST as f64;
        queries = (0..MOST).map(|index| queries[(index as f64 * step) as usize].clone()).collect();
    }
    Ok(queries)
}

/// Recall@1 and Recall@10 with structural re-ranking; `None` where there is nothing to measure. A photo that cannot be
/// read counts as not found.
pub fn measure(
    engine: &Engine,
    paths: &Paths,
    queries: &[TestQuery],
    stop: &StopFlag,
    report: Report<'_>,
) -> Result<Option<[f32; 2]>, JobError> {
    if queries.is_empty() {
        return Ok(None);
    }
    let done = std::sync::atomic::AtomicUsize::new(0);
    let found: Vec<[f64; 2]> = queries
        .par_iter()
        .map(|query| {
            if stop.is_stopped() {
                return Err(JobError::Stopped);
            }
            let relevance = relevance_of(engine, paths, query, stop)?;
            let done = done.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
            report(Progress { what: "Measuring", done, total: queries.len() });
            Ok([recall_at(&relevance, 1), recall_at(&relevance, 10)])
        })
        .collect::<Result<_, JobError>>()?;
    let mean = |k: usize| (found.iter().map(|recall| recall[k]).sum::<f64>() / found.len() as f64) as f32;
    Ok(Some([mean(0), mean(1)]))
}

fn relevance_of(engine: &Engine, paths: &Paths, query: &TestQuery, stop: &StopFlag) -> Result<Vec<bool>, JobError> {
    let Ok(photo) = Source::read(&paths.photo(&query.photo)).and_then(|source| source.decode()) else {
        return Ok(Vec::new());
    };
    let whole = CropRect::whole(photo.width(), photo.height());
    let crop = query.crop.and_then(|crop| crop.clipped(photo.width(), photo.height())).unwrap_or(whole);
    let options = MatchOptions::default();
    let shelving = Shelving::default();
    let limit = options.rerank;
    let kind = query.kind.as_deref();
    let search = Search { engine, photo: &photo, crop, kind, options, limit, decode_ms: 0.0, shelving: &shelving };
    let found = search.run(stop, |_| {})?;
    Ok(found.shown.hits.iter().map(|hit| hit.product == query.product).collect())
}
