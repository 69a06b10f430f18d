//! Checks of an evidence file: each part against its hash, the plan against its marginals, the score against the plan,
//! and, with the very model, the score against the photos.

use std::path::Path;
use std::sync::Arc;

use image::RgbImage;

use super::container::{Contents, FoundPart, Role, shortened};
use super::{EvidenceError, Known, StoredPlan};
use crate::data;
use crate::domain::{CellPaint, Grid, Hit, Marginals, MatchOptions, PairMatch, PhotoId, Pixels, SquarePicture};
use crate::index::combine::Added;
use crate::jobs::JobError;
use crate::jobs::models::{load_encoder, place_for};
use crate::jobs::open::Engine;
use crate::jobs::search::{Looked, encode, square};
use crate::jobs::types::{
    CheckState, EvidenceCheck, EvidenceFurther, EvidencePhoto, EvidenceRecord, EvidenceReport, FurtherRole, PlanInfo,
};
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
    let photos = [(Role::Query, &record.query), (Role::Gallery, &record.gallery)].map(|(role, about)| {
        let part = contents.parts.get(&role)?;
        photo(part, about, checks.iter_mut().find(|check| check.what == role.name())?)
    });
    let further = further_photos(&contents, &record, &mut checks);
    checks.push(sums(&pair));
    checks.extend(painted_sums(&pair, &record));
    checks.extend(scores(&pair, &record.options));
    checks.push(photos_score(&photos, &further, &record, &pair, known));

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
    whole_part(role.name(), contents.parts.get(&role))
}

fn whole_part(what: &str, part: Option<&FoundPart>) -> EvidenceCheck {
    match part {
        Some(part) if part.is_whole => check(what, true, format!("{} is as it was written", shortened(&part.name))),
        Some(part) => check(what, false, format!("{} was changed after it was written", shortened(&part.name))),
        None => check(what, false, "It is missing from the file".to_owned()),
    }
}

/// What the query is made of besides the street photo; `None` where one cannot be read.
fn further_photos(
    contents: &Contents,
    record: &EvidenceRecord,
    checks: &mut Vec<EvidenceCheck>,
) -> Vec<Option<RgbImage>> {
    let (named, held) = (record.further.len(), contents.further.len());
    if named != held {
        checks.push(check("Further photos", false, format!("The record names {named}, and the file holds {held}")));
    }
    let mut numbers = [0; 3];
    let one = |(place, about): (usize, &EvidenceFurther)| {
        let number = &mut numbers[about.role as usize];
        *number += 1;
        let part = contents.further.get(place).and_then(Option::as_ref);
        let mut check = whole_part(&format!("{} {number}", about.role.name()), part);
        let photo = part.and_then(|part| photo(part, &about.photo, &mut check));
        checks.push(check);
        photo
    };
    record.further.iter().enumerate().map(one).collect()
}

/// The photo, upright. One that cannot be read fails its check.
fn photo(part: &FoundPart, about: &EvidencePhoto, check: &mut EvidenceCheck) -> Option<RgbImage> {
    let decoded = data::decode_bytes(&part.bytes, &shortened(&part.name));
    let decoded = decoded.map(|photo| data::turned(photo, about.edit)).and_then(|photo| match about.crop {
        Some(crop) => data::check_crop(&photo, crop, &shortened(&part.name)).map(|_| photo),
        None => Ok(photo),
    });
    match decoded {
        Ok(photo) => Some(photo),
        Err(error) => {
            check.state = CheckState::Fails;
            check.says = format!("{}; {error}", check.says);
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

/// Whether the plan's marginals are those that were painted.
fn painted_sums(pair: &PairMatch, record: &EvidenceRecord) -> Option<EvidenceCheck> {
    let paint = record.paint.as_ref().filter(|_| record.options.marginals == Marginals::Painted)?;
    let what = "Painted marginals";
    let sides = [
        (&paint.query, pair.plan.query(), &pair.row_marginal),
        (&paint.gallery, pair.plan.gallery(), &pair.column_marginal),
    ];
    let off = |(paint, grid, marginal): (&Option<CellPaint>, Grid, &Vec<f32>)| {
        let weights = paint.as_ref().filter(|paint| !paint.is_blank())?.on(grid);
        let sum: f64 = weights.iter().copied().map(f64::from).sum();
        let each = weights.iter().zip(marginal);
        Some(each.map(|(&weight, &held)| (f64::from(weight) / sum - f64::from(held)).abs()).sum::<f64>())
    };
    let found: Vec<f64> = sides.into_iter().filter_map(off).collect();
    if found.is_empty() {
        let says = "Nothing was painted on either photo, so both keep their cross-correlation".to_owned();
        return Some(EvidenceCheck { what: what.to_owned(), state: CheckState::Skipped, says });
    }
    let error: f64 = found.iter().sum();
    let passes = error <= f64::from(SUM_TOLERANCE);
    let says = format!("The plan's marginals are off what was painted by {error:.4} (at most {SUM_TOLERANCE})");
    Some(check(what, passes, says))
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
    further: &[Option<RgbImage>],
    record: &EvidenceRecord,
    pair: &PairMatch,
    known: &Known<'_>,
) -> EvidenceCheck {
    let what = "Score of the photos";
    let skipped = |says: String| EvidenceCheck { what: what.to_owned(), state: CheckState::Skipped, says };
    let ([Some(query), Some(gallery)], true) = (photos, further.iter().all(Option::is_some)) else {
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
    let painted = match (&record.paint, record.options.marginals) {
        (None, Marginals::Painted) => {
            return skipped("What was painted is not in the file, so the photos were not encoded again".to_owned());
        }
        (Some(paint), _) => [paint.query.as_ref(), paint.gallery.as_ref()],
        (None, _) => [None; 2],
    };
    let layer = record.options.layer;
    let looked =
        |photo: &RgbImage, about: &EvidencePhoto| Looked::at(&encoder, layer, photo, about.crop, about.kind.as_deref());
    let encoded = looked(query, &record.query)
        .and_then(|query| Ok(query.with(&added(&encoder, further, record)?, layer)))
        .and_then(|query| Ok((query, looked(gallery, &record.gallery)?)));
    match encoded {
        Ok((query, gallery)) => {
            let score = query.explain(&gallery, painted, &record.options).score;
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

/// The global vectors of all that the query is made of besides the street photo.
fn added(encoder: &Encoder, further: &[Option<RgbImage>], record: &EvidenceRecord) -> Result<Added, JobError> {
    let mut added = Added::default();
    for (about, photo) in record.further.iter().zip(further) {
        let Some(photo) = photo else { continue };
        let global = encode(encoder, photo, about.photo.crop, about.photo.kind.as_deref())?.global_of(0).to_vec();
        match about.role {
            FurtherRole::Also => added.also.push(global),
            FurtherRole::Liked => added.liked.push(global),
            FurtherRole::Disliked => added.disliked.push(global),
        }
    }
    Ok(added)
}

fn encoder(record: &EvidenceRecord, known: &Known<'_>) -> Result<Option<Arc<Encoder>>, JobError> {
    let wanted = &record.model.checkpoint;
    let arithmetic = record.model.arithmetic;
    let by = (wanted.clone(), arithmetic);
    let same = |engine: &&Arc<Engine>| engine.encoded_by() == by;
    if let Some(engine) = known.engine.as_ref().filter(same) {
        return Ok(Some(Arc::clone(&engine.encoder)));
    }
    let models = known.models.as_deref().unwrap_or_default();
    match models.iter().find(|model| model.checkpoint == *wanted) {
        Some(model) => {
            let (_, device) = place_for(arithmetic, known.device);
            Ok(Some(Arc::new(load_encoder(model, &device, arithmetic)?)))
        }
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
