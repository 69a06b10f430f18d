//! The query as a person puts it together: turned, with other photos of the garment, with examples; and the commands
//! about it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use egui::{Key, KeyboardShortcut, Modifiers};

use super::command::{Entry, Group};
use super::fonts::icon;
use super::state::{Plan, Query};
use crate::domain::{
    CheckpointId, CropRect, MatchOptions, PhotoId, ProductId, ProductRecord, Ranking, Recipe, ShelfOptions, Shown,
    Tiles,
};
use crate::jobs::types::QueryPhoto;

/// What was answered for one part of the photo, to be shown again at once.
#[derive(Clone)]
pub struct Remembered {
    pub crop: CropRect,
    pub recipe: Recipe,
    pub also: Vec<QueryPhoto>,
    pub shelf: ShelfOptions,
    pub ranking: Arc<Ranking>,
    pub tiles: Arc<Tiles>,
    pub products: Arc<BTreeMap<ProductId, ProductRecord>>,
    pub selected: Option<PhotoId>,
    pub plan: Option<PlanKept>,
}

/// A plan that was on screen.
#[derive(Clone)]
pub struct PlanKept {
    pub photo: PhotoId,
    pub info: Arc<crate::jobs::types::PlanInfo>,
    pub scene: Arc<crate::render::PlanScene>,
}

/// How many parts are remembered.
const MOST: usize = 12;

impl Query {
    /// Keeps what is on screen for the present part.
    pub fn remember(&mut self, shelf: &ShelfOptions) {
        let (Some(crop), Some(ranking)) = (self.shown_crop(), self.ranking.clone()) else { return };
        if self.stale {
            return;
        }
        let plan = self.plan.as_ref().map(|plan| PlanKept {
            photo: plan.photo.clone(),
            info: plan.info.clone(),
            scene: plan.scene.clone(),
        });
        let new = Remembered {
            crop,
            recipe: self.recipe.clone(),
            also: self.also.clone(),
            shelf: shelf.clone(),
            ranking,
            tiles: Arc::clone(self.shown.tiles()),
            products: self.products.clone(),
            selected: self.selected.clone(),
            plan,
        };
        self.remembered.retain(|old| !(same(old.crop, crop) && old.recipe == new.recipe && old.also == new.also));
        self.remembered.push(new);
        let more = self.remembered.len().saturating_sub(MOST);
        self.remembered.drain(..more);
    }

    /// What is known of a part with the present recipe, settings and model.
    pub fn remembered_of(
        &self,
        crop: CropRect,
        options: &MatchOptions,
        shelf: &ShelfOptions,
        model: &CheckpointId,
    ) -> Option<&Remembered> {
        self.remembered.iter().find(|old| {
            same(old.crop, crop)
                && old.recipe == self.recipe
                && old.also == self.also
                && &old.ranking.options == options
                && &old.shelf == shelf
                && &old.ranking.checkpoint == model
        })
    }

    /// Shows what is known. `expanded`: photos whose folded ones are shown.
    pub fn recall(&mut self, known: &Remembered, expanded: &BTreeSet<PhotoId>) {
        self.ranking = Some(known.ranking.clone());
        self.shown = Shown::of(Arc::clone(&known.tiles), expanded);
        self.products = known.products.clone();
        self.selected = known.selected.clone();
        self.plan = known.plan.as_ref().map(|plan| Plan {
            photo: plan.photo.clone(),
            info: plan.info.clone(),
            scene: plan.scene.clone(),
            changed_at: f64::NEG_INFINITY,
        });
        self.stale = false;
    }
}

/// Equal to a pixel.
pub fn same(a: CropRect, b: CropRect) -> bool {
    let near = |a: f32, b: f32| (a - b).abs() < 1.0;
    near(a.x, b.x) && near(a.y, b.y) && near(a.width, b.width) && near(a.height, b.height)
}

/// What a panel asks about the query.
#[derive(Clone, Debug, PartialEq)]
pub enum QueryCommand {
    /// Takes back what was said of a photo of the gallery.
    Forget(PhotoId),
    /// Leaves another photo of the garment out, by its place.
    Remove(usize),
}

/// Entries of the command table about the query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum QueryAction {
    TurnLeft,
    TurnRight,
    Flip,
    AddPhoto,
    Like,
    Dislike,
}

impl QueryAction {
    pub const ALL: [Self; 6] = [Self::TurnLeft, Self::TurnRight, Self::Flip, Self::AddPhoto, Self::Like, Self::Dislike];

    pub fn entry(self) -> Entry {
        const fn key(key: Key) -> KeyboardShortcut {
            KeyboardShortcut::new(Modifiers::NONE, key)
        }
        let entry = |name, tooltip, icon, group, shortcuts| Entry { name, tooltip, icon, group, shortcuts };
        match self {
            Self::TurnLeft => entry(
                "Turn left",
                "Turn the street photo a quarter counterclockwise",
                icon::UNDO,
                Group::Photo,
                const { &[key(Key::OpenBracket)] },
            ),
            Self::TurnRight => entry(
                "Turn right",
                "Turn the street photo a quarter clockwise",
                icon::REDO,
                Group::Photo,
                const { &[key(Key::CloseBracket)] },
            ),
            Self::Flip => entry(
                "Mirror",
                "Let left and right of the street photo change places",
                icon::FLIP,
                Group::Photo,
                const { &[key(Key::Backslash)] },
            ),
            Self::AddPhoto => entry(
                "Add a photo…",
                "Search with another photo of the same garment as well; the global vectors are averaged",
                icon::IMAGES,
                Group::Photo,
                const { &[KeyboardShortcut::new(Modifiers::COMMAND.plus(Modifiers::SHIFT), Key::A)] },
            ),
            Self::Like => entry(
                "More like this",
                "Draw the search towards this product photo; again to take it back",
                icon::THUMBS_UP,
                Group::Results,
                const { &[key(Key::L)] },
            ),
            Self::Dislike => entry(
                "Less like this",
                "Push the search away from this product photo; again to take it back",
                icon::THUMBS_DOWN,
                Group::Results,
                const { &[key(Key::D)] },
            ),
        }
    }
}
