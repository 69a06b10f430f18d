//! Searches of the past: what is noted of one, and what is different when it is run again.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use super::JobError;
use super::open::Engine;
use super::queries::Kept;
use super::search::Source;
use super::shelve::{Catalogue, Shelving};
use super::types::QueryPhoto;
use crate::domain::{
    Again, CropRect, LoggedHit, LoggedPhoto, LoggedSearch, Marginals, Paint, PastSearch, PhotoId, Ranking, Rule, RuleId,
};
use crate::index::GalleryIndex;
use crate::project::Project;

/// First hits that are noted and compared.
const HITS: usize = 50;
/// Scores that differ by less are the same but for rounding.
const SAME_SCORE: f32 = 1e-4;
/// A larger gallery is noted by its fingerprint alone.
const PHOTOS_KEPT: usize = 200_000;

/// A gallery as past searches remember it.
#[derive(Clone, Debug, Default)]
pub struct GallerySeen {
    pub fingerprint: String,
    /// 16 bytes a photo, in ascending order: hashes of its id and of its content. Empty for very large galleries.
    pub photos: Vec<u8>,
    pub count: usize,
}

impl GallerySeen {
    pub fn of(index: &GalleryIndex) -> Self {
        let short = |text: &str| -> [u8; 8] {
            let mut eight = [0; 8];
            eight.copy_from_slice(&blake3::hash(text.as_bytes()).as_bytes()[..8]);
            eight
        };
        let mut photos: Vec<[u8; 16]> = index
            .rows()
            .iter()
            .zip(index.contents())
            .map(|(row, content)| {
                let mut entry = [0; 16];
                entry[..8].copy_from_slice(&short(row.photo.as_str()));
                entry[8..].copy_from_slice(&short(content));
                entry
            })
            .collect();
        photos.sort_unstable();
        let count = photos.len();
        let mut photos = photos.concat();
        let fingerprint = blake3::hash(&photos).to_hex()[..32].to_owned();
        if count > PHOTOS_KEPT {
            photos.clear();
        }
        Self { fingerprint, photos, count }
    }
}

/// Photos that came, went, and became others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GalleryChange {
    pub added: usize,
    pub removed: usize,
    pub changed: usize,
}

/// What is different between two galleries as `GallerySeen` has them; `None` where one of them was not kept.
pub fn gallery_change(then: &[u8], now: &[u8]) -> Option<GalleryChange> {
    if then.is_empty() || now.is_empty() {
        return None;
    }
    let read = |bytes: &[u8]| -> HashMap<[u8; 8], [u8; 8]> {
        let part = |bytes: &[u8]| <[u8; 8]>::try_from(bytes).unwrap_or_default();
        bytes.chunks_exact(16).map(|entry| (part(&entry[..8]), part(&entry[8..]))).collect()
    };
    let (then, now) = (read(then), read(now));
    let mut change = GalleryChange::default();
    for (photo, content) in &now {
        match then.get(photo) {
            None => change.added += 1,
            Some(other) if other != content => change.changed += 1,
            Some(_) => {}
        }
    }
    change.removed = then.keys().filter(|photo| !now.contains_key(*photo)).count();
    Some(change)
}

/// What is noted of a finished search.
pub fn describe(
    kept: &Kept,
    (photo, also): (LoggedPhoto, Vec<LoggedPhoto>),
    paint: Option<Paint>,
    ranking: &Ranking,
    engine: &Engine,
    shelving: &Shelving,
    catalogue: &Catalogue,
) -> LoggedSearch {
    LoggedSearch {
        photo,
        photo_name: kept.info.name.clone(),
        content_hash: blake3::hash(&kept.source.bytes).to_hex().to_string(),
        crop: kept.crop,
        whole: kept.crop == CropRect::whole(kept.info.width, kept.info.height),
        recipe: kept.recipe.clone(),
        also,
        paint: (ranking.options.marginals == Marginals::Painted).then(|| paint.unwrap_or_default()),
        options: ranking.options,
        shelf: ranking.shelf.options.clone(),
        rules: shelving.rules().to_vec(),
        checkpoint: ranking.checkpoint.clone(),
        model: engine.model.name.clone(),
        device: engine.encoder.computes_on(),
        gallery: catalogue.gallery().fingerprint.clone(),
        gallery_photos: catalogue.gallery().count,
        catalogue: catalogue.version(),
        hits: ranking
            .hits
            .iter()
            .take(HITS)
            .map(|hit| LoggedHit { photo: hit.photo.clone(), product: hit.product.clone(), score: hit.score })
            .collect(),
    }
}

/// Where a search's photo and the further ones of its garment will be found again. What is no file is copied into the
/// project.
pub fn places_of(project: &mut Project, kept: &Kept) -> Result<(LoggedPhoto, Vec<LoggedPhoto>), JobError> {
    let photo = place_of(project, kept)?;
    let also = kept.also.iter().map(|also| match (&also.photo, &also.source.path) {
        (QueryPhoto::Project(photo), _) => Ok(LoggedPhoto::Project { photo: photo.clone() }),
        (_, Some(path)) => Ok(file(path)),
        (_, None) => {
            let pixels = also.source.decode()?;
            Ok(LoggedPhoto::Project { photo: import(project, &also.source, pixels.width(), pixels.height())? })
        }
    });
    let also = also.collect::<Result<_, JobError>>()?;
    Ok((photo, also))
}

fn file(path: &Path) -> LoggedPhoto {
    LoggedPhoto::File { path: std::path::absolute(path).unwrap_or_else(|_| path.to_owned()) }
}

fn place_of(project: &mut Project, kept: &Kept) -> Result<LoggedPhoto, JobError> {
    if let Some(row) = &kept.known.row {
        return Ok(LoggedPhoto::Project { photo: row.photo.clone() });
    }
    match &kept.source.path {
        Some(path) => Ok(file(path)),
        None => {
            let (width, height) = kept.recipe.edit.size(kept.info.width, kept.info.height);
            Ok(LoggedPhoto::Project { photo: import(project, &kept.source, width, height)? })
        }
    }
}

fn import(project: &mut Project, source: &Source, width: u32, height: u32) -> Result<PhotoId, JobError> {
    Ok(project.import_query_photo(&source.bytes, &source.name, width, height)?)
}

/// Copies the photo of a past search into the project, where it lies outside, so that it is still there when wanted.
pub fn keep_photo(project: &mut Project, past: &mut PastSearch) -> Result<(), JobError> {
    let mut moved = false;
    let search = &mut past.search;
    for (further, photo) in std::iter::once(&mut search.photo).chain(&mut search.also).enumerate() {
        let LoggedPhoto::File { path } = &*photo else { continue };
        let source = Source::read(path)?;
        if further == 0 && blake3::hash(&source.bytes).to_hex().as_str() != search.content_hash {
            return Err(JobError::OtherPhoto { path: path.clone() });
        }
        let pixels = source.decode()?;
        *photo = LoggedPhoto::Project { photo: import(project, &source, pixels.width(), pixels.height())? };
        moved = true;
    }
    if moved {
        project.move_search_photo(past)?;
    }
    Ok(())
}

/// Compares a past search with what it gives now.
pub fn compare(past: &PastSearch, now: &LoggedSearch, then_photos: Option<&[u8]>, now_photos: &[u8]) -> Again {
    let then = &past.search;
    let places: HashMap<&PhotoId, usize> =
        now.hits.iter().enumerate().map(|(place, hit)| (&hit.photo, place)).collect();
    let (mut moved, mut gone, mut same_scores) = (0, 0, true);
    for (place, hit) in then.hits.iter().enumerate() {
        match places.get(&hit.photo) {
            None => gone += 1,
            Some(&other) => {
                moved += usize::from(other != place);
                same_scores &= (now.hits[other].score - hit.score).abs() < SAME_SCORE;
            }
        }
    }
    // More hits than then is a change too, as after a filter's column was filled in.
    if now.hits.len() > then.hits.len() && then.hits.len() < HITS {
        let known: HashSet<&PhotoId> = then.hits.iter().map(|hit| &hit.photo).collect();
        moved += now.hits.iter().filter(|hit| !known.contains(&hit.photo)).count();
    }
    let mut causes = Vec::new();
    if now.content_hash != then.content_hash {
        causes.push("The photo's file holds another picture now".to_owned());
    }
    if now.also.len() < then.also.len() {
        let lost = then.also.len() - now.also.len();
        causes.push(if lost == 1 {
            "One of its further photos could not be read".to_owned()
        } else {
            format!("{lost} of its further photos could not be read")
        });
    }
    if then.options.marginals == Marginals::Painted && now.paint != then.paint {
        let words =
            if then.paint.is_none() { "What was painted then was not kept" } else { "Something else is painted" };
        causes.push(words.to_owned());
    }
    if now.checkpoint != then.checkpoint {
        causes.push(if now.model == then.model {
            format!("The model {} has other weights now", now.model)
        } else {
            format!("The model is {} now and was {}", now.model, then.model)
        });
    }
    if now.gallery != then.gallery {
        causes.push(gallery_words(then_photos.and_then(|then| gallery_change(then, now_photos))));
    }
    causes.extend(rules_words(&then.rules, &now.rules));
    let reads_attributes = !then.shelf.filters.is_empty() || !then.rules.is_empty();
    if now.catalogue != then.catalogue && reads_attributes {
        causes.push("Products or their attributes changed".to_owned());
    }
    if now.device != then.device && !same_scores {
        causes.push(format!("It was computed on {}, now on {}", then.device, now.device));
    }
    Again {
        id: past.id,
        title: past.title().to_owned(),
        at_ms: past.at_ms,
        compared: then.hits.len(),
        moved,
        gone,
        same_scores: same_scores && gone == 0,
        causes,
    }
}

fn gallery_words(change: Option<GalleryChange>) -> String {
    let Some(GalleryChange { added, removed, changed }) = change else {
        return "The gallery changed".to_owned();
    };
    let parts: Vec<String> = [(added, "added"), (removed, "removed"), (changed, "changed")]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    format!("The gallery's photos changed: {}", parts.join(", "))
}

fn rules_words(then: &[Rule], now: &[Rule]) -> Option<String> {
    let by_id =
        |rules: &[Rule]| -> HashMap<RuleId, Rule> { rules.iter().map(|rule| (rule.id, rule.clone())).collect() };
    let (then, now) = (by_id(then), by_id(now));
    let added = now.keys().filter(|id| !then.contains_key(*id)).count();
    let removed = then.keys().filter(|id| !now.contains_key(*id)).count();
    let changed = now.iter().filter(|(id, rule)| then.get(*id).is_some_and(|other| other != *rule)).count();
    let parts: Vec<String> = [(added, "added"), (removed, "removed"), (changed, "changed")]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    (!parts.is_empty()).then(|| format!("The rules changed: {}", parts.join(", ")))
}
