//! Where the parts of the window lie: a tree of rows, columns and tabs that the person may change.
//!
//! To add a pane: one variant of [`Pane`], in [`Pane::ALL`] and in [`Pane::name`], one place in [`EXPLORE`] or [`TRAIN`], its wishes
//! in `fit` (those of another pane, mostly) and one line in `show::pane_ui`. Layouts that were saved before it existed
//! get it where the workspace has it at first.

mod file;
mod fit;
mod keyboard;
mod show;

pub use file::{BrokenLayout, Kept, Layouts};
pub use keyboard::PaneAction;
pub use show::{heights, layout_ui, padded_ui};

use std::collections::BTreeSet;

use egui_tiles::{Container, Linear, LinearDir, SimplificationOptions, Tabs, Tile, TileId, Tiles, Tree};
use serde::{Deserialize, Serialize};

/// A part of the window that has a place of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pane {
    Photo,
    Matching,
    History,
    Corrections,
    Results,
    Match,
    Why,
    Above,
    Ignore,
    Test,
    Epsilon,
    Run,
    Recipe,
    Layers,
    Curves,
    Batch,
    Runs,
    Checkpoints,
    Differences,
}

/// What a person is at. Each workspace has its own panes and its own layout.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Workspace {
    #[default]
    Explore,
    Train,
}

/// Columns from left to right, in each the groups from top to bottom; a group of several panes shows tabs.
type Columns = &'static [&'static [&'static [Pane]]];

const EXPLORE: Columns = &[
    &[&[Pane::Photo], &[Pane::Matching, Pane::History], &[Pane::Corrections]],
    &[&[Pane::Results]],
    &[&[Pane::Match], &[Pane::Why, Pane::Above, Pane::Ignore, Pane::Test, Pane::Epsilon]],
];

const TRAIN: Columns = &[
    &[&[Pane::Run], &[Pane::Recipe, Pane::Layers]],
    &[&[Pane::Curves], &[Pane::Batch]],
    &[&[Pane::Runs], &[Pane::Checkpoints, Pane::Differences]],
];

impl Workspace {
    pub const ALL: [Self; 2] = [Self::Explore, Self::Train];

    pub fn name(self) -> &'static str {
        match self {
            Self::Explore => "Explore",
            Self::Train => "Train",
        }
    }

    fn columns(self) -> Columns {
        match self {
            Self::Explore => EXPLORE,
            Self::Train => TRAIN,
        }
    }

    /// The panes that belong to it.
    pub fn panes(self) -> impl Iterator<Item = Pane> {
        self.columns().iter().flat_map(|column| column.iter()).flat_map(|group| group.iter()).copied()
    }
}

impl Pane {
    pub const ALL: [Self; 19] = [
        Self::Photo,
        Self::Matching,
        Self::History,
        Self::Corrections,
        Self::Results,
        Self::Match,
        Self::Why,
        Self::Above,
        Self::Ignore,
        Self::Test,
        Self::Epsilon,
        Self::Run,
        Self::Recipe,
        Self::Layers,
        Self::Curves,
        Self::Batch,
        Self::Runs,
        Self::Checkpoints,
        Self::Differences,
    ];

    /// What a tab says.
    pub fn name(self) -> &'static str {
        match self {
            Self::Photo => "Photo",
            Self::Matching => "Matching",
            Self::History => "History",
            Self::Corrections => "Corrections",
            Self::Results => "Results",
            Self::Match => "Match",
            Self::Why => "Why",
            Self::Above => "Why above",
            Self::Ignore => "What if",
            Self::Test => "Test",
            Self::Epsilon => "Epsilon",
            Self::Run => "Run",
            Self::Recipe => "Recipe",
            Self::Layers => "Layers",
            Self::Curves => "Curves",
            Self::Batch => "Batch",
            Self::Runs => "Runs",
            Self::Checkpoints => "Checkpoints",
            Self::Differences => "Differences",
        }
    }

    pub fn workspace(self) -> Workspace {
        let home = Workspace::ALL.into_iter().find(|workspace| workspace.panes().any(|pane| pane == self));
        home.unwrap_or_default()
    }

    /// The group of the default layout that it belongs to, and that group's column.
    fn home(self) -> (&'static [Self], &'static [&'static [Self]]) {
        self.workspace()
            .columns()
            .iter()
            .find_map(|&column| Some((*column.iter().find(|group| group.contains(&self))?, column)))
            .unwrap_or((&[], &[]))
    }
}

/// All panes and where they lie.
#[derive(Clone, Debug, PartialEq)]
pub struct Layout {
    tree: Tree<Pane>,
    /// Rows and columns whose parts have the sizes that a person gave them; all others are sized by what they hold.
    by_hand: BTreeSet<u64>,
    workspace: Workspace,
}

impl Default for Layout {
    fn default() -> Self {
        Self::at_first(Workspace::default())
    }
}

impl Layout {
    /// As a workspace is before anybody moved anything.
    pub fn at_first(workspace: Workspace) -> Self {
        let mut tiles = Tiles::default();
        let columns: Vec<TileId> = workspace
            .columns()
            .iter()
            .map(|column| {
                let groups: Vec<TileId> = column.iter().map(|group| group_tile(&mut tiles, group)).collect();
                line_tile(&mut tiles, LinearDir::Vertical, groups)
            })
            .collect();
        let root = line_tile(&mut tiles, LinearDir::Horizontal, columns);
        Self::of(workspace, Tree::new(tree_id(workspace), root, tiles), BTreeSet::new())
    }

    pub fn workspace(&self) -> Workspace {
        self.workspace
    }
}

fn tree_id(workspace: Workspace) -> egui::Id {
    match workspace {
        Workspace::Explore => egui::Id::unique("panes"),
        other => egui::Id::unique(("panes", other)),
    }
}

/// Tabs, or the pane itself where it is alone.
fn group_tile(tiles: &mut Tiles<Pane>, group: &[Pane]) -> TileId {
    let panes: Vec<TileId> = group.iter().map(|&pane| tiles.insert_pane(pane)).collect();
    match panes[..] {
        [only] => only,
        _ => tiles.insert_tab_tile(panes),
    }
}

fn line_tile(tiles: &mut Tiles<Pane>, dir: LinearDir, children: Vec<TileId>) -> TileId {
    match children[..] {
        [only] => only,
        _ => tiles.insert_container(Linear::new(dir, children)),
    }
}

impl Layout {
    /// Takes a tree in, with nothing in it that has nothing to show and with every pane somewhere.
    fn of(workspace: Workspace, mut tree: Tree<Pane>, by_hand: BTreeSet<u64>) -> Self {
        tree.simplify(&SimplificationOptions::default());
        let mut layout = Self { tree, by_hand, workspace };
        for pane in workspace.panes() {
            if layout.tree.tiles.find_pane(&pane).is_none() {
                layout.add(pane);
            }
        }
        let tiles = &layout.tree.tiles;
        layout.by_hand.retain(|&id| matches!(tiles.get(TileId(id)), Some(Tile::Container(Container::Linear(_)))));
        layout
    }

    /// Puts a missing pane beside those it belongs to.
    fn add(&mut self, pane: Pane) {
        let (group, column) = pane.home();
        let new = self.tree.tiles.insert_pane(pane);
        let Some(root) = self.tree.root else {
            self.tree.root = Some(new);
            return;
        };
        let beside = group.iter().find_map(|other| self.find(*other).filter(|&tile| tile != new));
        if let Some(beside) = beside {
            self.tab_beside(beside, new);
            return;
        }
        // Nobody of its group is there: under the last of its column, else at the right of everything.
        let last = column.iter().rev().flat_map(|group| group.iter());
        let last = last.filter_map(|other| self.find(*other)).find(|&tile| tile != new);
        let (place, dir) = match last {
            Some(tile) => (self.group_of(tile), LinearDir::Vertical),
            None => (root, LinearDir::Horizontal),
        };
        self.split(place, new, dir, true);
    }

    fn find(&self, pane: Pane) -> Option<TileId> {
        self.tree.tiles.find_pane(&pane)
    }

    fn parent(&self, tile: TileId) -> Option<TileId> {
        self.tree.tiles.parent_of(tile)
    }

    /// The tabs that a pane is one of, or itself.
    fn group_of(&self, pane: TileId) -> TileId {
        let parent = self.parent(pane);
        parent.filter(|&parent| self.container(parent).is_some_and(|c| matches!(c, Container::Tabs(_)))).unwrap_or(pane)
    }

    fn container(&self, tile: TileId) -> Option<&Container> {
        self.tree.tiles.get_container(tile)
    }

    fn tab_beside(&mut self, beside: TileId, new: TileId) {
        let group = self.group_of(beside);
        if let Some(Tile::Container(container)) = self.tree.tiles.get_mut(group) {
            container.add_child(new);
        } else {
            let tabs = self.tree.tiles.insert_container(Tabs::new(vec![beside, new]));
            self.replace(beside, tabs);
        }
    }

    /// Puts `new` below or right of `place`, or, not `after` it, above or left.
    fn split(&mut self, place: TileId, new: TileId, dir: LinearDir, after: bool) {
        let parent = self.parent(place);
        if let Some(parent) = parent
            && let Some(Tile::Container(Container::Linear(line))) = self.tree.tiles.get_mut(parent)
            && line.dir == dir
        {
            let at = line.children.iter().position(|&child| child == place);
            let at = at.map_or(line.children.len(), |at| at + usize::from(after));
            line.children.insert(at, new);
            self.by_hand.remove(&parent.0);
            return;
        }
        if let Some(Tile::Container(Container::Linear(line))) = self.tree.tiles.get_mut(place)
            && line.dir == dir
        {
            line.children.insert(if after { line.children.len() } else { 0 }, new);
            self.by_hand.remove(&place.0);
            return;
        }
        let both = if after { vec![place, new] } else { vec![new, place] };
        let both = self.tree.tiles.insert_container(Linear::new(dir, both));
        self.replace(place, both);
    }

    /// Puts `new`, which holds `old`, where `old` was.
    fn replace(&mut self, old: TileId, new: TileId) {
        let parent = self.tree.tiles.iter().find_map(|(&id, tile)| match tile {
            Tile::Container(container) if id != new && container.has_child(old) => Some(id),
            _ => None,
        });
        match parent {
            Some(parent) => {
                if let Some(Tile::Container(container)) = self.tree.tiles.get_mut(parent) {
                    let _ = container.replace_child(old, new);
                }
            }
            None => self.tree.root = Some(new),
        }
    }

    /// Brings a pane to the front of its tabs.
    pub fn show(&mut self, pane: Pane) {
        self.tree.make_active(|_, tile| matches!(tile, Tile::Pane(other) if *other == pane));
    }

    /// Whether a pane is in sight, and not behind another tab.
    pub fn shows(&self, pane: Pane) -> bool {
        self.find(pane).is_some_and(|tile| self.tree.active_tiles().contains(&tile))
    }

    /// The panes in the same tabs, this one among them.
    pub fn beside(&self, pane: Pane) -> Vec<Pane> {
        let Some(tile) = self.find(pane) else { return Vec::new() };
        let group = self.group_of(tile);
        match self.container(group) {
            Some(container) => {
                container.children().filter_map(|child| self.tree.tiles.get_pane(child).copied()).collect()
            }
            None => vec![pane],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pane_has_one_place_in_one_workspace() {
        let mut panes: Vec<Pane> = Workspace::ALL.into_iter().flat_map(Workspace::panes).collect();
        panes.sort_unstable();
        let mut all = Pane::ALL.to_vec();
        all.sort_unstable();
        assert_eq!(panes, all);
        for workspace in Workspace::ALL {
            let layout = Layout::at_first(workspace);
            let held: Vec<Pane> = Pane::ALL.into_iter().filter(|pane| layout.find(*pane).is_some()).collect();
            assert!(held.iter().all(|pane| pane.workspace() == workspace), "{workspace:?}");
            assert_eq!(held.len(), workspace.panes().count());
        }
    }

    #[test]
    fn a_missing_pane_joins_its_group_or_column_and_the_last_one_left_takes_all() {
        for pane in Pane::ALL {
            let workspace = pane.workspace();
            let mut tree = Layout::at_first(workspace).tree;
            let tile = tree.tiles.find_pane(&pane).unwrap();
            tree.remove_recursively(tile);
            let layout = Layout::of(workspace, tree, BTreeSet::new());
            let tile = layout.find(pane).unwrap();
            assert!(layout.parent(tile).is_some(), "{pane:?} is part of the tree");
        }
        for workspace in Workspace::ALL {
            let layout = Layout::of(workspace, Tree::empty(tree_id(workspace)), BTreeSet::new());
            assert!(workspace.panes().all(|pane| layout.find(pane).is_some()));
            assert!(layout.tree.root.is_some());
        }
    }

    #[test]
    fn showing_a_pane_brings_its_tab_to_the_front() {
        let mut tiles = Tiles::default();
        let panes = [Pane::Results, Pane::Match].map(|pane| tiles.insert_pane(pane)).to_vec();
        let root = tiles.insert_tab_tile(panes);
        let mut layout =
            Layout::of(Workspace::Explore, Tree::new(tree_id(Workspace::Explore), root, tiles), BTreeSet::new());
        assert!(layout.shows(Pane::Results) && !layout.shows(Pane::Match));
        layout.show(Pane::Match);
        assert!(layout.shows(Pane::Match) && !layout.shows(Pane::Results));
        assert!(layout.beside(Pane::Match).contains(&Pane::Results));
    }
}
