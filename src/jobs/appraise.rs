//! What a model's card says of it: retrieval on the test split with and without re-ranking, and how much of the plans'
//! mass lands where it truly belongs.

use std::collections::{BTreeMap, HashMap};

use super::JobError;
use super::learn::dataset;
use super::models::{COMPATIBILITY_AUC, FILL_IN_BLANK, RECALL_AT_1, RECALL_AT_10};
use super::open::Report;
use super::outfits::{self, OutfitQuestions};
use super::search::encode;
use crate::data::polyvore::RightAnswer;
use crate::data::{compared_part, decode_file};
use crate::domain::{CropRect, MatchOptions, PhotoDomain, Progress, Split, StopFlag};
use crate::eval::plan_truth::{PlanTruthSummary, Seen, judge, true_places};
use crate::eval::{EvalItem, Scores, evaluate};
use crate::nn::{CellFeatures, Encoder};
use crate::ot::{self, Cells};
use crate::project::Project;

/// Metrics by the names that cards use; empty where the project has no test split.
pub fn appraise(
    project: &Project,
    encoder: &Encoder,
    stop: &StopFlag,
    report: Report<'_>,
) -> Result<BTreeMap<String, f64>, JobError> {
    let dataset = dataset(project)?;
    let (queries, gallery) = EvalItem::of_split(&dataset, Split::Test);
    let mut metrics = BTreeMap::new();
    if queries.is_empty() || gallery.is_empty() {
        return Ok(metrics);
    }
    let options = MatchOptions::default();
    let measured = evaluate(encoder, &queries, &gallery, Some(&options), stop, report)?.ok_or(JobError::Stopped)?;
    let mut note = |prefix: &str, scores: &Scores| {
        let mut set = |name: &str, value: f64| metrics.insert(format!("{prefix}{name}"), value);
        set(RECALL_AT_1, scores.recall_at_1);
        set("recall_at_1_low", scores.recall_at_1_interval.low);
        set("recall_at_1_high", scores.recall_at_1_interval.high);
        set("recall_at_5", scores.recall_at_5);
        set(RECALL_AT_10, scores.recall_at_10);
        set("mean_average_precision", scores.mean_average_precision);
    };
    note("global_", &measured.report.global);
    if let Some(scores) = &measured.report.reranked {
        note("", scores);
    }
    metrics.insert("queries".to_owned(), queries.len() as f64);
    metrics.insert("gallery".to_owned(), gallery.len() as f64);

    let truth = plan_truth(project, encoder, &queries, &gallery, stop, report)?;
    if truth.pairs > 0 {
        metrics.insert("plan_correctness".to_owned(), truth.plan_share);
        metrics.insert("plan_correctness_of_uniform".to_owned(), truth.uniform_share);
    }
    let dir = outfits::folder(project);
    if dir.exists() {
        let asked = OutfitQuestions { dir: &dir, split: Split::Test, rule: RightAnswer::OfTheOutfit, images: None };
        let scores = outfits::measure(project, encoder, &asked, stop, report)?.scores;
        metrics.insert(COMPATIBILITY_AUC.to_owned(), scores.auc);
        metrics.insert(FILL_IN_BLANK.to_owned(), scores.fill_in_blank);
    }
    Ok(metrics)
}

/// Judges the plan between each query and the first shop photo of its product, where both photos' truth is known.
fn plan_truth(
    project: &Project,
    encoder: &Encoder,
    queries: &[EvalItem],
    gallery: &[EvalItem],
    stop: &StopFlag,
    report: Report<'_>,
) -> Result<PlanTruthSummary, JobError> {
    let mut first = HashMap::new();
    for item in gallery {
        first.entry(item.product).or_insert(item);
    }
    let mut truths = Vec::new();
    for (done, query) in queries.iter().enumerate() {
        if stop.is_stopped() {
            return Err(JobError::Stopped);
        }
        report(Progress { what: "Checking plans", done, total: queries.len() });
        let Some(shop) = first.get(&query.product) else { continue };
        let map_of = |item: &EvalItem| -> Result<_, JobError> {
            Ok(project.garments(&item.photo)?.into_iter().next().and_then(|garment| garment.map))
        };
        let (Some(query_map), Some(shop_map)) = (map_of(query)?, map_of(shop)?) else { continue };
        let (query_crop, query_features) = look_at(encoder, query, PhotoDomain::Street)?;
        let (shop_crop, shop_features) = look_at(encoder, shop, PhotoDomain::Shop)?;
        let pair = ot::explain_pair(&cells(&query_features), &cells(&shop_features), &MatchOptions::default());
        let places = true_places(
            &Seen { map: &query_map, crop: query_crop, grid: query_features.grid },
            &Seen { map: &shop_map, crop: shop_crop, grid: shop_features.grid },
        );
        truths.push(judge(&pair.plan, &places));
    }
    Ok(PlanTruthSummary::of(&truths))
}

fn look_at(encoder: &Encoder, item: &EvalItem, domain: PhotoDomain) -> Result<(CropRect, CellFeatures), JobError> {
    let photo = decode_file(&item.path)?;
    let crop = compared_part(&photo, domain, item.crop);
    Ok((crop, encode(encoder, &photo, Some(crop), None)?))
}

fn cells(features: &CellFeatures) -> Cells<'_> {
    Cells { grid: features.grid, dim: features.dim, cells: features.cells_of(0), global: features.global_of(0) }
}
