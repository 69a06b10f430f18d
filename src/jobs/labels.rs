//! What a person says about a query becomes labels of the project.

use super::JobError;
use super::types::{LabelState, Mark};
use crate::domain::{CheckpointId, CropRect, LabelKey, LabelValue, PhotoId};
use crate::project::{Project, Undone};

/// What the window shows of the labels.
pub fn label_state(project: &Project, checkpoint: &CheckpointId) -> Result<LabelState, JobError> {
    Ok(LabelState {
        corrections: project.corrections()?,
        untrained: project.untrained(checkpoint)?,
        undo: project.next_undo().map(Undone::into_says),
        redo: project.next_redo()?.map(Undone::into_says),
    })
}

/// The label that a mark sets, or takes back with `None`. `crop` is the searched part where it is not the whole photo.
pub fn label_of(mark: &Mark, query: &PhotoId, crop: Option<CropRect>) -> (LabelKey, Option<LabelValue>) {
    let about = |product: &crate::domain::ProductId| LabelKey::Match { query: query.clone(), product: product.clone() };
    match mark {
        Mark::SameProduct(product) => (about(product), Some(LabelValue::SameProduct { crop })),
        Mark::NotThisProduct(product) => (about(product), Some(LabelValue::NotThisProduct { crop })),
        Mark::ClearProduct(product) => (about(product), None),
        Mark::Kind(name) => (LabelKey::Kind { photo: query.clone() }, Some(LabelValue::Kind { name: name.clone() })),
        Mark::GalleryKind { photo, name } => {
            (LabelKey::Kind { photo: photo.clone() }, Some(LabelValue::Kind { name: name.clone() }))
        }
    }
}
