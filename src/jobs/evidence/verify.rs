//! Checks of an evidence file: each part against its hash, the plan against its marginals, the score against the plan,
//! and, with the very model, the score against the photos.

use std::path::Path;
use std::sync::Arc;

use image::RgbImage;

use super::container::{Contents, Role, shortened};
use super::{EvidenceError, Known, StoredPlan};
use crate::data;
use crate::domain::{Hit, Marginals, MatchOptions, PairMatch, PhotoId, Pixels, SquarePicture};
use crate::jobs::JobError;
use crate::jobs::models::load_encoder;
use crate::jobs::search::{Looked, square};
use crate::jobs::types::{CheckState, EvidenceCheck, EvidencePhoto, EvidenceRecord, EvidenceReport, PlanInfo};
use crate::nn::Encoder;

/// By how much a marginal error computed anew may differ from the stored one, in L1.
pub const SUM_TOLERANCE: f32 = 1e-3;
/// By how much a score computed anew from the stored plan may differ from the stored one.
pub const PLAN_TOLERANCE: f32 = 1e-4;
/// By how much the score of the photos, encoded anew, may differ: indexed features are kept in 16 bits, and other
/// machines add up in another order.
pub const PHOTO_TOLERANCE: f32 = 5e-3;

pub fn report(contents: Contents, path: &Path, known: &Known<'_>) -> Result<EvidenceReport, JobError> {
    let record: EvidenceRecord = json(&contents, Role::Record, path)?;
    let stored: StoredPlan = json(&contents, Role::Plan, path)?;
    let pair = stored.into_pair().map_err(|reason| refused(&format!("in its plan {reason}"), path))?;

    let mut checks: Vec<EvidenceCheck> = Role::ALL.into_iter().map(|role| whole(&contents, role)).collect();
    if !contents.unknown.is_empty() {
        let names: Vec<String> = contents.unknown.iter().map(|name| format!("`{}`", shortened(name))).collect();
        let says = format!("The manifest does not name {}", names.join(", "));
        checks.push(EvidenceCheck { what: "Other parts".to_owned(), state: CheckState::Fails, says });
    }
    let photos = [(Role::Query, &record.query), (Role::Gallery, &record.gallery)]
        .map(|(role, about)| photo(&contents, role, about, &mut checks));
    checks.push(sums(&pair));
    checks.extend(scores(&pair, &record.options));
    checks.push(photos_score(&photos, &record, &pair, known));

    let [query, gallery] = photos;
    let hit = Hit {
        rank: record.rank.map_or(1, |rank| rank.rank),
        product: record.product.product.clone(),
        photo: record.gallery.photo.clone().unwrap_or_else(|| PhotoId::new(&record.gallery.name)),
        score: pair.score,
        global: pair.global,
        structural: Some(pair.structural),
        global_rank: record.rank.map_or(1, |rank| rank.global_rank),
        iterations: pair.iterations,
        marginal_error: pair.marginal_error,
    };
    let plan = PlanInfo {
        options: record.options,
        query_picture: picture(query.as_ref(), &record.query),
        gallery_picture: picture(gallery.as_ref(), &record.gallery),
        hit,
        product: record.product.clone(),
        pair,
    };
    Ok(EvidenceReport { path: path.to_owned(), record, plan, checks })
}

fn refused(reason: &str, path: &Path) -> JobError {
    EvidenceError::Refused { reason: reason.to_owned(), path: path.to_owned() }.into()
}

fn json<T: serde::de::DeserializeOwned>(contents: &Contents, role: Role, path: &Path) -> Result<T, JobError> {
    let what = role.name().to_lowercase();
    let part = contents.parts.get(&role).ok_or_else(|| refused(&format!("it has no {what}"), path))?;
    serde_json::from_slice(&part.bytes)
        .map_err(|error| refused(&format!("its {what} cannot be understood ({error})"), path))
}

fn check(what: &str, passes: bool, says: String) -> EvidenceCheck {
    let state = if passes { CheckState::Passes } else { CheckState::Fails };
    EvidenceCheck { what: what.to_owned(), state, says }
}

fn whole(contents: &Contents, role: Role) -> EvidenceCheck {
    match contents.parts.get(&role) {
        Some(part) if part.is_whole => {
            check(role.name(), true, format!("{} is as it was written", shortened(&part.name)))
        }
        Some(part) => check(role.name(), false, format!("{} was changed after it was written", shortened(&part.name))),
        None => check(role.name(), false, "It is missing from the file".to_owned()),
    }
}

/// The photo, upright. One that cannot be read fails its check.
fn photo(contents: &Contents, role: Role, about: &EvidencePhoto, checks: &mut [EvidenceCheck]) -> Option<RgbImage> {
    let part = contents.parts.get(&role)?;
    let decoded = data::decode_bytes(&part.bytes, &shortened(&part.name));
    let decoded = decoded.map(|photo| data::turned(photo, about.edit)).and_then(|photo| match about.crop {
        Some(crop) => data::check_crop(&photo, crop, &shortened(&part.name)).map(|_| photo),
        None => Ok(photo),
    });
    match decoded {
        Ok(photo) => Some(photo),
        Err(error) => {
            if let Some(check) = checks.iter_mut().find(|check| check.what == role.name()) {
                check.state = CheckState::Fails;
                check.says = format!("{}; {error}", check.says);
            }
            None
        }
    }
}

fn sums(pair: &PairMatch) -> EvidenceCheck {
    let off = |sums: Vec<f32>, weights: &[f32]| -> f64 {
        sums.iter().zip(weights).map(|(&sum, &weight)| (f64::from(sum) - f64::from(weight)).abs()).sum()
    };
    let error = off(pair.plan.row_sums(), &pair.row_marginal) + off(pair.plan.column_sums(), &pair.column_marginal);
    let passes = (error - f64::from(pair.marginal_error)).abs() <= f64::from(SUM_TOLERANCE);
    let words = if passes { "as stored" } else { "but the file says" };
    check(
        "Sums of the plan",
        passes,
        format!("They are off its marginals by {error:.4}, {words} {:.4} (± {SUM_TOLERANCE})", pair.marginal_error),
    )
}

fn scores(pair: &PairMatch, options: &MatchOptions) -> [EvidenceCheck; 2] {
    let products = pair.plan.mass().iter().zip(&pair.similarity);
    let structural: f64 = products.map(|(&mass, &similarity)| f64::from(mass) * f64::from(similarity)).sum();
    let score = f64::from(pair.global) + f64::from(options.structural_weight) * f64::from(pair.structural);
    let one = |what: &str, how: &str, got: f64, stored: f32| {
        let passes = (got - f64::from(stored)).abs() <= f64::from(PLAN_TOLERANCE);
        let words = if passes { "as stored" } else { "but the file says" };
        check(what, passes, format!("{how} gives {got:.4}, {words} {stored:.4} (± {PLAN_TOLERANCE})"))
    };
    [
        one("Structural part", "Mass × similarity over the plan", structural, pair.structural),
        one("Score", "Global + weight × structural", score, pair.score),
    ]
}

/// The score of the photos, encoded anew by the model that made the evidence.
fn photos_score(
    photos: &[Option<RgbImage>; 2],
    record: &EvidenceRecord,
    pair: &PairMatch,
    known: &Known<'_>,
) -> EvidenceCheck {
    let what = "Score of the photos";
    let skipped = |says: String| EvidenceCheck { what: what.to_owned(), state: CheckState::Skipped, says };
    let [Some(query), Some(gallery)] = photos else {
        return skipped("A photo cannot be read, so nothing was encoded".to_owned());
    };
    if let Err(sentence) = record.options.check() {
        return check(what, false, format!("The settings are out of range: {sentence}"));
    }
    let encoder = match encoder(record, known) {
        Ok(Some(encoder)) => encoder,
        Ok(None) => {
            let model = &record.model;
            return skipped(format!(
                "The model {} ({}) is not on this machine, so the photos were not encoded again",
                shortened(&model.name),
                shortened(model.checkpoint.as_str())
            ));
        }
        Err(error) => return skipped(format!("The model cannot be loaded: {error}")),
    };
    if record.options.marginals == Marginals::Painted {
        return skipped("What was painted is not in the file, so the photos were not encoded again".to_owned());
    }
    let layer = record.options.layer;
    let looked =
        |photo: &RgbImage, about: &EvidencePhoto| Looked::at(&encoder, layer, photo, about.crop, about.kind.as_deref());
    let encoded = looked(query, &record.query).and_then(|query| Ok((query, looked(gallery, &record.gallery)?)));
    match encoded {
        Ok((query, gallery)) => {
            let score = query.explain(&gallery, &record.options).score;
            let passes = (score - pair.score).abs() <= PHOTO_TOLERANCE;
            let words = if passes { "as stored" } else { "but the file says" };
            let stored = pair.score;
            check(
                what,
                passes,
                format!("Encoded again they give {score:.4}, {words} {stored:.4} (± {PHOTO_TOLERANCE})"),
            )
        }
        Err(error) => check(what, false, format!("The photos cannot be encoded: {error}")),
    }
}

fn encoder(record: &EvidenceRecord, known: &Known<'_>) -> Result<Option<Arc<Encoder>>, JobError> {
    let wanted = &record.model.checkpoint;
    if let Some(engine) = known.engine.as_ref().filter(|engine| engine.checkpoint() == wanted) {
        return Ok(Some(Arc::clone(&engine.encoder)));
    }
    let models = known.models.as_deref().unwrap_or_default();
    match models.iter().find(|model| model.checkpoint == *wanted) {
        Some(model) => Ok(Some(Arc::new(load_encoder(model, known.device)?))),
        None => Ok(None),
    }
}

/// What the network saw of a photo; a grey square where there is none.
fn picture(photo: Option<&RgbImage>, about: &EvidencePhoto) -> SquarePicture {
    match photo {
        Some(photo) => square(photo, about.crop),
        None => {
            let pixels = Pixels { width: 1, height: 1, rgba: vec![128, 128, 128, 255] };
            SquarePicture { pixels: Arc::new(pixels), content: [0.0, 0.0, 1.0, 1.0] }
        }
    }
}
