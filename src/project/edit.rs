//! One change of a label, with the change that takes it back.

use crate::domain::{Label, LabelKey, LabelValue, Origin};

/// What a person changes. Applied by `Project::apply`, which refuses it where `before` no longer holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Edit {
    SetLabel {
        key: LabelKey,
        /// What held until now; `None` where nothing was known.
        before: Option<Label>,
        /// What shall hold; `None` takes the answer back.
        after: Option<Label>,
    },
}

impl Edit {
    /// The edit after which all is as it was.
    pub fn inverse(&self) -> Self {
        match self {
            Self::SetLabel { key, before, after } => {
                Self::SetLabel { key: key.clone(), before: after.clone(), after: before.clone() }
            }
        }
    }

    /// Whether applying it would change nothing.
    pub fn is_idle(&self) -> bool {
        match self {
            // Saying again what is known is an edit only where it turns given data into a person's word.
            Self::SetLabel { before, after, .. } => match (before, after) {
                (None, None) => true,
                (Some(before), Some(after)) => {
                    before == after || (before.value == after.value && is_corrected(before) && is_corrected(after))
                }
                // There is nothing of a person's to take back.
                (Some(before), None) => before.origin == Origin::Given,
                (None, Some(_)) => false,
            },
        }
    }

    /// What the menu says that Undo or Redo would do.
    pub(super) fn says(&self, product_name: Option<&str>) -> String {
        let Self::SetLabel { key, after, .. } = self;
        let product = || match key {
            LabelKey::Match { product, .. } => product_name.unwrap_or(product.as_str()).to_owned(),
            LabelKey::Kind { photo } => photo.as_str().to_owned(),
        };
        match after.as_ref().map(|label| &label.value) {
            Some(LabelValue::SameProduct { .. }) => format!("Same product: {}", product()),
            Some(LabelValue::NotThisProduct { .. }) => format!("Not this product: {}", product()),
            Some(LabelValue::Kind { name }) => format!("Kind: {name}"),
            None => format!("Take back the answer: {}", product()),
        }
    }
}

pub(super) fn is_corrected(label: &Label) -> bool {
    matches!(label.origin, Origin::Corrected { .. })
}
