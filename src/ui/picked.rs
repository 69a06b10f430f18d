//! Several results chosen at once, to be ruled, compared or exported together.

use std::collections::BTreeSet;

use egui::{Key, KeyboardShortcut, Modifiers};

use super::command::{Entry, Group};
use super::fonts::icon;
use crate::domain::PhotoId;

/// Photos that are chosen besides the one on show. Kept by id, so that they survive another order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Picked {
    pub photos: BTreeSet<PhotoId>,
    /// Where a range begins; the last one that was picked alone.
    pub from: Option<PhotoId>,
}

impl Picked {
    pub fn toggle(&mut self, photo: PhotoId) {
        if !self.photos.remove(&photo) {
            self.photos.insert(photo.clone());
        }
        self.from = Some(photo);
    }

    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

/// What a panel asks about them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PickCommand {
    Toggle(PhotoId),
    /// All tiles from the one picked or shown last to this one, in place of what was picked.
    Until(PhotoId),
    Clear,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PickAction {
    Toggle,
    All,
    UntilNext,
    UntilPrevious,
    UntilBelow,
    UntilAbove,
    Clear,
}

impl PickAction {
    /// Whether it goes by the arrow keys, which whatever holds the keyboard focus may want for itself.
    pub fn moves(self) -> bool {
        matches!(self, Self::UntilNext | Self::UntilPrevious | Self::UntilBelow | Self::UntilAbove)
    }

    pub fn entry(self) -> Entry {
        const fn shift(key: Key) -> KeyboardShortcut {
            KeyboardShortcut::new(Modifiers::SHIFT, key)
        }
        let entry = |name, tooltip, icon, shortcuts| Entry { name, tooltip, icon, group: Group::Results, shortcuts };
        match self {
            Self::Toggle => entry(
                "Select",
                "Select the shown result, to rule, compare or export several at once; again to let it go",
                icon::CHECK,
                const { &[KeyboardShortcut::new(Modifiers::NONE, Key::M)] },
            ),
            Self::All => entry(
                "Select all",
                "Select every result that is listed",
                icon::CHECK,
                const { &[KeyboardShortcut::new(Modifiers::COMMAND, Key::A)] },
            ),
            Self::UntilNext => entry(
                "Select to the next",
                "Move on and select what lies between",
                icon::CARET_RIGHT,
                const { &[shift(Key::ArrowRight)] },
            ),
            Self::UntilPrevious => entry(
                "Select to the previous",
                "Move back and select what lies between",
                icon::CARET_LEFT,
                const { &[shift(Key::ArrowLeft)] },
            ),
            Self::UntilBelow => entry(
                "Select to the row below",
                "Move a row down and select what lies between",
                icon::ARROW_DOWN,
                const { &[shift(Key::ArrowDown)] },
            ),
            Self::UntilAbove => entry(
                "Select to the row above",
                "Move a row up and select what lies between",
                icon::ARROW_UP,
                const { &[shift(Key::ArrowUp)] },
            ),
            Self::Clear => entry("Select none", "Let all selected results go", icon::X, &[]),
        }
    }
}
