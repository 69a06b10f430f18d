//! How an encoder is measured: each street photo, cropped to its garment, is looked for among all shop photos.
//!
//! A query counts as found at `k` when any of the first `k` shop photos shows its product. Ties count against the
//! model. With re-ranking the global order's first photos are put in the order of global plus structural similarity
//! and the rest keeps its place, exactly as a search does it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::EvalError;
use super::metrics::{Scores, ranked_relevance};
use crate::data::{compared_part, decode_file, fit};
use crate::domain::{CropRect, MatchOptions, PhotoDomain, PhotoId, Progress, Split, StopFlag};
use crate::nn::{CellFeatures, Encoder};
use crate::ot;

/// Photos that are decoded and encoded together.
const BATCH: usize = 32;

/// A photo that takes part.
#[derive(Clone, Debug, PartialEq)]
pub struct EvalItem {
    pub photo: PhotoId,
    pub path: PathBuf,
    /// Equal numbers for photos of the same product.
    pub product: usize,
    pub kind: String,
    /// `None` takes the whole photo.
    pub crop: Option<CropRect>,
}

impl EvalItem {
    /// Queries and gallery of a split: its street photos against the shop photos of all splits, each cropped to its
    /// garment where the box is known, as the index does.
    pub fn of_split(dataset: &crate::data::Dataset, split: Split) -> (Vec<Self>, Vec<Self>) {
        let of = |index: usize| {
            let item = &dataset.items[index];
            Self {
                photo: item.photo.clone(),
                path: item.path.clone(),
                product: item.product,
                kind: dataset.kinds[item.kind].clone(),
                crop: item.crop,
            }
        };
        let all: Vec<usize> = (0..dataset.items.len()).collect();
        let queries = dataset.of_domain(&dataset.split(split), PhotoDomain::Street);
        let gallery = dataset.of_domain(&all, PhotoDomain::Shop);
        (queries.into_iter().map(of).collect(), gallery.into_iter().map(of).collect())
    }
}

/// What was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EvalReport {
    pub gallery: usize,
    /// In the order of the global vectors.
    pub global: Scores,
    /// With structural re-ranking, where it was asked for.
    pub reranked: Option<Scores>,
    pub per_kind: BTreeMap<String, Scores>,
    /// Of the re-ranked order.
    pub per_kind_reranked: BTreeMap<String, Scores>,
    /// Photos that could not be read, with the reason; a query among them counts as not found.
    pub skipped: Vec<(PhotoId, String)>,
}

/// One query's place in both orders, for reports that show what moved.
#[derive(Clone, Debug, PartialEq)]
pub struct QueryScores {
    pub photo: PhotoId,
    /// Rank of the first right photo, from 1; `None` where there is none.
    pub global_rank: Option<usize>,
    pub reranked_rank: Option<usize>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    pub report: EvalReport,
    pub queries: Vec<QueryScores>,
}

/// Measures an encoder; `None` where the stop flag ended it. Without `rerank` only the global order is measured.
pub fn evaluate(
    encoder: &Encoder,
    queries: &[EvalItem],
    gallery: &[EvalItem],
    rerank: Option<&MatchOptions>,
    stop: &StopFlag,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Option<Evaluation>, EvalError> {
    if queries.is_empty() || gallery.is_empty() {
        return Err(EvalError::Nothing(format!("{} queries and {} shop photos", queries.len(), gallery.len())));
    }
    let total = queries.len() + gallery.len();
    let mut skipped = Vec::new();
    let shown = encode(encoder, gallery, PhotoDomain::Shop, &vec![None; gallery.len()], &mut skipped, stop, &|done| {
        progress(Progress { what: "Measuring", done, total });
    })?;
    let Some((gallery_features, gallery_kept)) = shown else { return Ok(None) };
    let shown =
        encode(encoder, queries, PhotoDomain::Street, &vec![None; queries.len()], &mut skipped, stop, &|done| {
            progress(Progress { what: "Measuring", done: gallery.len() + done, total });
        })?;
    let Some((query_features, query_kept)) = shown else { return Ok(None) };
    let kept_products: Vec<usize> = gallery_kept.iter().map(|&i| gallery[i].product).collect();
    let query_products: Vec<usize> = query_kept.iter().map(|&i| queries[i].product).collect();
    let Some(rows) = score_features(&query_features, &query_products, &gallery_features, &kept_products, rerank, stop)
    else {
        return Ok(None);
    };
    // A query that could not be read is a list without a hit.
    let mut lists: Vec<Ranked> =
        queries.iter().map(|_| Ranked { global: Vec::new(), reranked: None, total: 1 }).collect();
    for (place, row) in query_kept.iter().zip(rows) {
        lists[*place] = row;
    }
    Ok(Some(summarise(queries, gallery.len(), &lists, rerank.is_some(), skipped)))
}

/// A vector of each photo, `None` for those that cannot be read, which are told with the reason.
pub type Vectors = (Vec<Option<Vec<f32>>>, Vec<(PhotoId, String)>);

/// Vectors of photos of one domain by whose distance a model says what is worn together, each cropped as the index does and
/// taken as one of its kind where that is among the model's; `None` where the stop flag ended it.
pub fn worn_vectors(
    encoder: &Encoder,
    items: &[EvalItem],
    domain: PhotoDomain,
    stop: &StopFlag,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Option<Vectors>, EvalError> {
    let mut skipped = Vec::new();
    let told = |done| progress(Progress { what: "Measuring", done, total: items.len() });
    let kinds: Vec<Option<usize>> = items.iter().map(|item| encoder.kind_number(&item.kind)).collect();
    let Some((features, kept)) = encode(encoder, items, domain, &kinds, &mut skipped, stop, &told)? else {
        return Ok(None);
    };
    let kinds: Vec<Option<usize>> = kept.iter().map(|&item| kinds[item]).collect();
    let worn = encoder.worn(&features.globals, &kinds)?;
    let mut vectors = vec![None; items.len()];
    for (vector, item) in worn.chunks_exact(encoder.dim()).zip(kept) {
        vectors[item] = Some(vector.to_vec());
    }
    Ok(Some((vectors, skipped)))
}

/// Relevance of a query's ranking before and after re-ranking, and how many right photos there are.
#[derive(Clone, Debug, PartialEq)]
pub struct Ranked {
    pub global: Vec<bool>,
    pub reranked: Option<Vec<bool>>,
    pub total: usize,
}

/// Ranks every gallery photo for every query; `None` where the stop flag ended it.
pub fn score_features(
    queries: &CellFeatures,
    query_products: &[usize],
    gallery: &CellFeatures,
    gallery_products: &[usize],
    rerank: Option<&MatchOptions>,
    stop: &StopFlag,
) -> Option<Vec<Ranked>> {
    let one = |query: usize| -> Option<Ranked> {
        if stop.is_stopped() {
            return None;
        }
        let right = |photo: usize| gallery_products[photo] == query_products[query];
        let similar: Vec<f32> =
            (0..gallery.len()).map(|photo| dot(queries.global_of(query), gallery.global_of(photo))).collect();
        let total = (0..gallery.len()).filter(|&photo| right(photo)).count();
        let global = ranked_relevance(&similar, right);
        let reranked = rerank.map(|options| {
            let mut order: Vec<usize> = (0..gallery.len()).collect();
            // The same order as above: falling similarity, wrong photos first among equals.
            order.sort_by(|&a, &b| similar[b].total_cmp(&similar[a]).then(right(a).cmp(&right(b))));
            let (head, tail) = order.split_at(options.rerank.min(order.len()));
            let candidates: Vec<ot::Cells<'_>> = head.iter().map(|&photo| cells(gallery, photo)).collect();
            let scores: Vec<f32> = ot::rerank(&cells(queries, query), &candidates, options, stop)
                .iter()
                .map(|pair| pair.score(options))
                .collect();
            if scores.len() < head.len() {
                // Stopped half way; the caller sees the flag.
                return Vec::new();
            }
            let mut list = ranked_relevance(&scores, |place| right(head[place]));
            list.extend(tail.iter().map(|&photo| right(photo)));
            list
        });
        (!stop.is_stopped()).then_some(Ranked { global, reranked, total })
    };
    (0..queries.len()).into_par_iter().map(one).collect()
}

fn summarise(
    queries: &[EvalItem],
    gallery: usize,
    lists: &[Ranked],
    reranked: bool,
    skipped: Vec<(PhotoId, String)>,
) -> Evaluation {
    let scores = |chosen: &[usize], after: bool| {
        let lists: Vec<(Vec<bool>, usize)> = chosen
            .iter()
            .map(|&i| {
                let list =
                    if after { lists[i].reranked.as_ref().unwrap_or(&lists[i].global) } else { &lists[i].global };
                (list.clone(), lists[i].total)
            })
            .collect();
        let groups: Vec<usize> = chosen.iter().map(|&i| queries[i].product).collect();
        Scores::of(&lists, &groups)
    };
    let mut kinds: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (i, query) in queries.iter().enumerate() {
        kinds.entry(&query.kind).or_default().push(i);
    }
    let per_kind = |after: bool| {
        kinds.iter().map(|(kind, chosen)| ((*kind).to_owned(), scores(chosen, after))).collect::<BTreeMap<_, _>>()
    };
    let all: Vec<usize> = (0..queries.len()).collect();
    let first = |list: &[bool]| list.iter().position(|&hit| hit).map(|place| place + 1);
    Evaluation {
        report: EvalReport {
            gallery,
            global: scores(&all, false),
            reranked: reranked.then(|| scores(&all, true)),
            per_kind: per_kind(false),
            per_kind_reranked: if reranked { per_kind(true) } else { BTreeMap::new() },
            skipped,
        },
        queries: queries
            .iter()
            .zip(lists)
            .map(|(query, list)| QueryScores {
                photo: query.photo.clone(),
                global_rank: first(&list.global),
                reranked_rank: list.reranked.as_deref().and_then(first),
            })
            .collect(),
    }
}

/// Features of the photos that can be read, and which those are; `None` where the stop flag ended it.
fn encode(
    encoder: &Encoder,
    items: &[EvalItem],
    domain: PhotoDomain,
    kinds: &[Option<usize>],
    skipped: &mut Vec<(PhotoId, String)>,
    stop: &StopFlag,
    done: &(dyn Fn(usize) + Sync),
) -> Result<Option<(CellFeatures, Vec<usize>)>, EvalError> {
    let size = encoder.input_size();
    let values = 3 * size * size;
    let mut features =
        CellFeatures { grid: encoder.grid(), dim: encoder.dim(), cells: Vec::new(), globals: Vec::new() };
    let mut kept = Vec::with_capacity(items.len());
    for (block, chunk) in items.chunks(BATCH).enumerate() {
        if stop.is_stopped() {
            return Ok(None);
        }
        let mut images = vec![0.0; chunk.len() * values];
        let read: Vec<Result<(), String>> = images
            .par_chunks_mut(values)
            .zip(chunk)
            .map(|(out, item)| {
                let photo = decode_file(&item.path).map_err(|error| error.to_string())?;
                if let Some(crop) = item.crop {
                    fit::check_crop(&photo, crop, item.photo.as_str()).map_err(|error| error.to_string())?;
                }
                let part = compared_part(&photo, domain, item.crop);
                fit::to_chw(&fit::letterbox(&photo, Some(part), size as u32).0, out);
                Ok(())
            })
            .collect();
        let mut count = 0;
        let mut of_chunk = Vec::with_capacity(chunk.len());
        for (place, result) in read.into_iter().enumerate() {
            match result {
                Ok(()) => {
                    images.copy_within(place * values..(place + 1) * values, count * values);
                    kept.push(block * BATCH + place);
                    of_chunk.push(kinds[block * BATCH + place]);
                    count += 1;
                }
                Err(reason) => skipped.push((chunk[place].photo.clone(), reason)),
            }
        }
        if count > 0 {
            let part = encoder.encode_as(&images[..count * values], &of_chunk)?;
            features.cells.extend(part.cells);
            features.globals.extend(part.globals);
        }
        done(block * BATCH + chunk.len());
    }
    Ok(Some((features, kept)))
}

fn cells(features: &CellFeatures, photo: usize) -> ot::Cells<'_> {
    ot::Cells {
        grid: features.grid,
        dim: features.dim,
        cells: features.cells_of(photo),
        global: features.global_of(photo),
    }
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Grid;

    /// Photos of two cells each, whose global vector is the mean of the cells.
    fn features(photos: &[[[f32; 2]; 2]]) -> CellFeatures {
        let unit = |v: [f32; 2]| {
            let length = (v[0] * v[0] + v[1] * v[1]).sqrt();
            [v[0] / length, v[1] / length]
        };
        CellFeatures {
            grid: Grid::new(1, 2),
            dim: 2,
            cells: photos.iter().flat_map(|cells| cells.iter().flat_map(|&cell| unit(cell))).collect(),
            globals: photos.iter().flat_map(|[a, b]| unit([a[0] + b[0], a[1] + b[1]])).collect(),
        }
    }

    #[test]
    fn re_ranking_finds_the_photo_whose_parts_agree_where_the_means_do_not() {
        // The means of all three agree with the query; only photo 1 has the query's two different halves.
        let query = features(&[[[1.0, 0.0], [0.0, 1.0]]]);
        let gallery = features(&[[[1.0, 1.0], [1.0, 1.0]], [[0.0, 1.0], [1.0, 0.02]], [[1.0, 1.0], [1.0, 0.9]]]);
        let options = MatchOptions { rerank: 3, ..MatchOptions::default() };
        let ranked = score_features(&query, &[7], &gallery, &[5, 7, 6], Some(&options), &StopFlag::new()).unwrap();
        assert_eq!(ranked[0].global, [false, true, false]);
        assert_eq!(ranked[0].reranked.as_deref(), Some(&[true, false, false][..]));
        assert_eq!(ranked[0].total, 1);
        // Beyond the re-ranked part the order stays.
        let options = MatchOptions { rerank: 1, ..options };
        let ranked = score_features(&query, &[7], &gallery, &[5, 7, 6], Some(&options), &StopFlag::new()).unwrap();
        assert_eq!(ranked[0].reranked.as_deref(), Some(&[false, true, false][..]));
    }

    #[test]
    fn a_stopped_measurement_has_no_result() {
        let query = features(&[[[1.0, 0.0], [0.0, 1.0]]]);
        let stop = StopFlag::new();
        stop.stop();
        assert_eq!(score_features(&query, &[0], &query, &[0], None, &stop), None);
    }

    #[test]
    fn queries_that_cannot_be_read_count_as_not_found() {
        let item = |name: &str, product| EvalItem {
            photo: PhotoId::new(name),
            path: PathBuf::from(name),
            product,
            kind: if product == 0 { "coat".to_owned() } else { "dress".to_owned() },
            crop: None,
        };
        let lists = [
            Ranked { global: vec![true, false], reranked: Some(vec![false, true]), total: 1 },
            Ranked { global: Vec::new(), reranked: None, total: 1 },
        ];
        let skipped = vec![(PhotoId::new("b"), "gone".to_owned())];
        let found = summarise(&[item("a", 0), item("b", 1)], 2, &lists, true, skipped);
        assert_eq!(found.report.global.recall_at_1, 0.5);
        assert_eq!(found.report.reranked.as_ref().unwrap().recall_at_1, 0.0);
        assert_eq!(found.report.reranked.as_ref().unwrap().recall_at_5, 0.5);
        assert_eq!(found.report.per_kind["coat"].recall_at_1, 1.0);
        assert_eq!(found.report.per_kind["dress"].recall_at_1, 0.0);
        assert_eq!(found.queries[0].reranked_rank, Some(2));
        assert_eq!(found.queries[1].global_rank, None);
    }
}
