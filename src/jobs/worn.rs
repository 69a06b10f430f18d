//! The garment that products are to go with: which it is, and of what kind.

use super::JobError;
use super::open::Engine;
use super::search::Known;
use super::shelve::{Catalogue, Shelving, Worn};
use crate::domain::filter::KIND;
use crate::domain::{CropRect, Garment, Goal, KindKnown, LabelKey, LabelValue, MatchOptions, Origin, PhotoId};
use crate::nn::CellFeatures;
use crate::project::Project;

/// Products that say of which kind a garment is, where nothing else does.
const ALIKE: usize = 5;

/// The searched part of a query.
pub struct Part<'a> {
    /// What the project knows of the photo as it is turned.
    pub known: &'a Known,
    pub crop: CropRect,
    pub features: &'a CellFeatures,
}

/// Looks up which garment products are to go with, where that is what the search is for.
///
/// # Errors
/// Where the garment of the gallery is not in the index.
pub fn of_part(shelving: Shelving, project: &Project, engine: &Engine, part: &Part<'_>) -> Result<Shelving, JobError> {
    let (Goal::GoesWith { of }, Some(catalogue)) = (&shelving.options().goal, shelving.catalogue()) else {
        return Ok(shelving);
    };
    let (garment, vector) = match of {
        Some(photo) => of_gallery(photo, engine, catalogue)?,
        None => (of_query(project, engine, catalogue, part)?, part.features.global_of(0).to_vec()),
    };
    let kind = garment.kind.as_deref().and_then(|kind| engine.encoder.kind_number(kind));
    let vector = engine.encoder.worn(&vector, &[kind])?;
    let gallery = catalogue.worn(&engine.encoder)?;
    Ok(shelving.worn_with(Worn { garment, vector, gallery }))
}

fn of_gallery(photo: &PhotoId, engine: &Engine, catalogue: &Catalogue) -> Result<(Garment, Vec<f32>), JobError> {
    let index = engine.searcher.index();
    let row = index.row_of(photo).ok_or_else(|| JobError::NotInGallery { photo: photo.clone() })?;
    let vector = index.global_f32(row);
    let garment = match catalogue.columns.value_of(&index.rows()[row].product, KIND) {
        Some(kind) => Garment { kind: Some(kind.to_owned()), known_by: KindKnown::Product },
        None => alike(&vector, engine, catalogue),
    };
    Ok((garment, vector))
}

fn of_query(project: &Project, engine: &Engine, catalogue: &Catalogue, part: &Part<'_>) -> Result<Garment, JobError> {
    let (row, shown) = (&part.known.row, part.known.box_of(part.crop));
    // What a person said is about the main garment, whose box comes first, or about a part that the data do not know.
    if let Some(row) = row.as_ref().filter(|_| shown.is_none_or(|place| place == 0))
        && let Some(label) = project.label(&LabelKey::Kind { photo: row.photo.clone() })?
        && let (Origin::Corrected { .. }, LabelValue::Kind { name }) = (label.origin, label.value)
        && catalogue.columns.has_kind(&name)
    {
        return Ok(Garment { kind: Some(name), known_by: KindKnown::Person });
    }
    // Other data may call kinds by other names than the shop does.
    let known = part.known.kind_in(part.crop).filter(|kind| catalogue.columns.has_kind(kind));
    Ok(match known {
        Some(kind) => Garment { kind: Some(kind.to_owned()), known_by: KindKnown::Photo },
        None => alike(part.features.global_of(0), engine, catalogue),
    })
}

/// The kind of most of the products that look most like it; of kinds with as many, that of the first.
fn alike(vector: &[f32], engine: &Engine, catalogue: &Catalogue) -> Garment {
    let index = engine.searcher.index();
    let query = CellFeatures { grid: index.grid(), dim: index.dim(), cells: Vec::new(), globals: vector.to_vec() };
    let options = MatchOptions { rerank: 0, ..MatchOptions::default() };
    let pass = catalogue.columns.rows_of_other_kinds(None);
    let nearest = engine.searcher.search_within(&query, ALIKE, &options, Some(&pass));
    let kinds: Vec<&str> =
        nearest.hits.iter().filter_map(|hit| catalogue.columns.value_of(&hit.product, KIND)).collect();
    let votes = |kind: &str| kinds.iter().filter(|other| **other == kind).count();
    // Of equals `max_by_key` takes the last, which here is the first.
    let kind = kinds.iter().rev().max_by_key(|kind| votes(kind)).map(|kind| (*kind).to_owned());
    Garment { kind, known_by: KindKnown::Likeness }
}
