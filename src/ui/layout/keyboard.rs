//! Panes moved and sized by commands, for whoever has no pointer. They act on the current pane, which is gone to first.

use egui::{Key, KeyboardShortcut, Modifiers};
use egui_tiles::{Container, Linear, LinearDir, SimplificationOptions, Tile, TileId};

use super::show::{Border, room};
use super::{Layout, Pane};
use crate::ui::command::{Entry, Group};
use crate::ui::fonts::icon;

/// How far one press moves a border, in points.
const STEP: f32 = 32.0;

/// Entries of the command table about panes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PaneAction {
    Next,
    Previous,
    MoveLeft,
    MoveRight,
    MoveUp,
    MoveDown,
    Stack,
    Widen,
    Narrow,
    Heighten,
    Shorten,
}

impl PaneAction {
    pub const ALL: [Self; 11] = [
        Self::Next,
        Self::Previous,
        Self::MoveLeft,
        Self::MoveRight,
        Self::MoveUp,
        Self::MoveDown,
        Self::Stack,
        Self::Widen,
        Self::Narrow,
        Self::Heighten,
        Self::Shorten,
    ];

    pub fn entry(self) -> Entry {
        const fn moves(key: Key) -> KeyboardShortcut {
            KeyboardShortcut::new(Modifiers::COMMAND.plus(Modifiers::SHIFT), key)
        }
        const fn sizes(key: Key) -> KeyboardShortcut {
            KeyboardShortcut::new(Modifiers::ALT.plus(Modifiers::SHIFT), key)
        }
        let entry = |name, tooltip, icon, shortcuts| Entry { name, tooltip, icon, group: Group::Window, shortcuts };
        match self {
            Self::Next => entry(
                "Next pane",
                "Go to the next pane, also behind a tab; what moves and sizes panes is about this one",
                icon::CARET_RIGHT,
                const { &[KeyboardShortcut::new(Modifiers::NONE, Key::F6)] },
            ),
            Self::Previous => entry(
                "Previous pane",
                "Go to the pane before, also behind a tab",
                icon::CARET_LEFT,
                const { &[KeyboardShortcut::new(Modifiers::SHIFT, Key::F6)] },
            ),
            Self::MoveLeft => entry(
                "Move pane left",
                "Out of its column to the left, then into the column there",
                icon::ARROW_LEFT,
                const { &[moves(Key::ArrowLeft)] },
            ),
            Self::MoveRight => entry(
                "Move pane right",
                "Out of its column to the right, then into the column there",
                icon::ARROW_RIGHT,
                const { &[moves(Key::ArrowRight)] },
            ),
            Self::MoveUp => entry(
                "Move pane up",
                "Above the pane over it, or above all panes",
                icon::ARROW_UP,
                const { &[moves(Key::ArrowUp)] },
            ),
            Self::MoveDown => entry(
                "Move pane down",
                "Below the pane under it, or below all panes",
                icon::ARROW_DOWN,
                const { &[moves(Key::ArrowDown)] },
            ),
            Self::Stack => entry(
                "Put pane into tabs",
                "Let the pane share a place with the one before it; moving it takes it out again",
                icon::STACK,
                &[],
            ),
            Self::Widen => {
                entry("Widen pane", "Give the pane more of its row", icon::PLUS, const { &[sizes(Key::ArrowRight)] })
            }
            Self::Narrow => {
                entry("Narrow pane", "Give the pane less of its row", icon::MINUS, const { &[sizes(Key::ArrowLeft)] })
            }
            Self::Heighten => entry(
                "Heighten pane",
                "Give the pane more of its column",
                icon::PLUS,
                const { &[sizes(Key::ArrowDown)] },
            ),
            Self::Shorten => {
                entry("Shorten pane", "Give the pane less of its column", icon::MINUS, const { &[sizes(Key::ArrowUp)] })
            }
        }
    }
}

impl Layout {
    /// The panes from left to right and from top to bottom, those of a group one after the other.
    pub fn order(&self) -> Vec<Pane> {
        fn walk(layout: &Layout, tile: TileId, into: &mut Vec<Pane>) {
            match layout.tree.tiles.get(tile) {
                Some(Tile::Pane(pane)) => into.push(*pane),
                Some(Tile::Container(container)) => {
                    container.children().for_each(|&child| walk(layout, child, into));
                }
                None => {}
            }
        }
        let mut order = Vec::new();
        if let Some(root) = self.tree.root {
            walk(self, root, &mut order);
        }
        order
    }

    /// Does what a command says about a pane, in the room that the window has. False where it has nowhere to go.
    pub fn act(&mut self, ctx: &egui::Context, pane: Pane, action: PaneAction) -> bool {
        let Some(tile) = self.find(pane) else { return false };
        self.fit(room::of(ctx), &|pane| super::heights::of(ctx, pane));
        let moved = match action {
            PaneAction::Next | PaneAction::Previous => false,
            PaneAction::MoveLeft => self.push(tile, LinearDir::Horizontal, false),
            PaneAction::MoveRight => self.push(tile, LinearDir::Horizontal, true),
            PaneAction::MoveUp => self.push(tile, LinearDir::Vertical, false),
            PaneAction::MoveDown => self.push(tile, LinearDir::Vertical, true),
            PaneAction::Stack => self.stack(pane, tile),
            PaneAction::Widen => return self.resize(tile, LinearDir::Horizontal, STEP),
            PaneAction::Narrow => return self.resize(tile, LinearDir::Horizontal, -STEP),
            PaneAction::Heighten => return self.resize(tile, LinearDir::Vertical, STEP),
            PaneAction::Shorten => return self.resize(tile, LinearDir::Vertical, -STEP),
        };
        if moved {
            self.tree.simplify(&SimplificationOptions::default());
            let tiles = &self.tree.tiles;
            self.by_hand.retain(|&id| matches!(tiles.get(TileId(id)), Some(Tile::Container(Container::Linear(_)))));
            self.show(pane);
        }
        moved
    }

    /// One step in a direction. Out of tabs and out of a column the pane comes to stand beside it; from there it joins
    /// what stands next. Up and down it changes places within its column.
    fn push(&mut self, tile: TileId, dir: LinearDir, forward: bool) -> bool {
        let group = self.group_of(tile);
        if group != tile {
            self.detach(tile);
            self.split(group, tile, dir, forward);
            return true;
        }
        let Some(parent) = self.parent(tile) else { return false };
        let Some(Container::Linear(line)) = self.container(parent) else { return false };
        if line.dir != dir {
            // Across its line: out of it, unless it would come to stand where it is.
            if line.children.len() < 2 {
                return false;
            }
            self.detach(tile);
            self.split(parent, tile, dir, forward);
            return true;
        }
        let Some(at) = line.children.iter().position(|&child| child == tile) else { return false };
        let next = if forward { Some(at + 1) } else { at.checked_sub(1) };
        let Some(neighbour) = next.and_then(|next| line.children.get(next).copied()) else { return false };
        match dir {
            LinearDir::Vertical => {
                if let Some(Tile::Container(Container::Linear(line))) = self.tree.tiles.get_mut(parent)
                    && let Some(next) = next
                {
                    line.children.swap(at, next);
                }
            }
            LinearDir::Horizontal => {
                self.detach(tile);
                // Below the last of a column, or below the pane that is alone there.
                self.split(neighbour, tile, LinearDir::Vertical, true);
            }
        }
        self.by_hand.remove(&parent.0);
        true
    }

    /// Into the tabs of the pane before it, or of the next one where it is the first.
    fn stack(&mut self, pane: Pane, tile: TileId) -> bool {
        let group = self.beside(pane);
        let order = self.order();
        let others = |pane: &&Pane| !group.contains(pane);
        let at = order.iter().position(|other| *other == pane).unwrap_or_default();
        let other = order[..at].iter().rev().find(others).or_else(|| order[at..].iter().find(others));
        let Some(beside) = other.and_then(|other| self.find(*other)) else { return false };
        self.detach(tile);
        self.tab_beside(beside, tile);
        true
    }

    /// Takes a tile out of its container; it is part of the tree again once it is put somewhere.
    fn detach(&mut self, tile: TileId) {
        if let Some(parent) = self.parent(tile)
            && let Some(Tile::Container(container)) = self.tree.tiles.get_mut(parent)
        {
            container.remove_child(tile);
            self.by_hand.remove(&parent.0);
        }
    }

    /// Moves the border behind what holds a tile in the nearest line of a direction, or the one before it at the end.
    fn resize(&mut self, tile: TileId, dir: LinearDir, by: f32) -> bool {
        let mut child = tile;
        while let Some(parent) = self.parent(child) {
            if let Some(Container::Linear(Linear { children, dir: of, .. })) = self.container(parent)
                && *of == dir
                && let Some(at) = children.iter().position(|&other| other == child)
            {
                let border = |before: usize| {
                    let (&before, &after) = (children.get(before)?, children.get(before + 1)?);
                    Some(Border { line: parent, before, after })
                };
                let (behind, ahead) = (border(at), at.checked_sub(1).and_then(border));
                if let Some(border) = behind {
                    self.move_border(&border, by);
                    return true;
                }
                if let Some(border) = ahead {
                    self.move_border(&border, -by);
                    return true;
                }
            }
            child = parent;
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use egui::Vec2;
    use proptest::prelude::*;

    use super::super::Workspace;
    use super::*;

    fn context() -> egui::Context {
        let ctx = egui::Context::default();
        room::tell(&ctx, Vec2::new(1440.0, 832.0));
        ctx
    }

    /// Panes of each column, from left to right.
    fn columns(layout: &Layout) -> Vec<Vec<Pane>> {
        let Some(Container::Linear(line)) = layout.tree.root.and_then(|root| layout.container(root)) else {
            return vec![layout.order()];
        };
        assert_eq!(line.dir, LinearDir::Horizontal);
        let panes = |&child: &TileId| -> Vec<Pane> {
            let order = layout.order();
            let within = |pane: &Pane| {
                let mut tile = layout.find(*pane);
                while let Some(at) = tile {
                    if at == child {
                        return true;
                    }
                    tile = layout.parent(at);
                }
                false
            };
            order.into_iter().filter(within).collect()
        };
        line.children.iter().map(panes).collect()
    }

    #[test]
    fn a_pane_leaves_its_column_joins_the_next_and_changes_places_in_it() {
        let (ctx, mut layout) = (context(), Layout::default());
        let corrections = Pane::Corrections;
        assert!(layout.act(&ctx, corrections, PaneAction::MoveRight));
        assert_eq!(columns(&layout)[1], [corrections], "a column of its own");
        assert!(layout.act(&ctx, corrections, PaneAction::MoveRight));
        assert_eq!(columns(&layout)[1], [Pane::Results, corrections], "below the results");
        assert!(layout.act(&ctx, corrections, PaneAction::MoveUp));
        assert_eq!(columns(&layout)[1], [corrections, Pane::Results]);
        assert!(!layout.act(&ctx, corrections, PaneAction::MoveUp), "it is the first");
        assert!(layout.act(&ctx, corrections, PaneAction::MoveLeft));
        assert!(layout.act(&ctx, corrections, PaneAction::MoveLeft));
        let first = [Pane::Photo, Pane::Matching, Pane::History, corrections];
        assert_eq!(columns(&layout)[0], first, "back where it was");
    }

    #[test]
    fn a_pane_goes_into_tabs_and_out_again() {
        let (ctx, mut layout) = (context(), Layout::default());
        assert!(layout.act(&ctx, Pane::Corrections, PaneAction::Stack));
        assert_eq!(layout.beside(Pane::Corrections), [Pane::Matching, Pane::History, Pane::Corrections]);
        assert!(layout.shows(Pane::Corrections), "in front");
        assert!(layout.act(&ctx, Pane::Corrections, PaneAction::MoveDown));
        assert_eq!(layout.beside(Pane::Corrections), [Pane::Corrections]);
        assert_eq!(layout.order(), Layout::default().order());
        assert!(layout.act(&ctx, Pane::Photo, PaneAction::Stack), "the first joins the next");
        assert_eq!(layout.beside(Pane::Photo), [Pane::Matching, Pane::History, Pane::Photo]);
    }

    #[test]
    fn sizes_go_from_one_neighbour_to_the_other() {
        let (ctx, mut layout) = (context(), Layout::default());
        layout.fit(Vec2::new(1440.0, 832.0), &|_| None);
        let shares = |layout: &Layout| -> Vec<f32> {
            let Some(Container::Linear(line)) = layout.container(layout.tree.root.unwrap()) else { panic!("a row") };
            line.children.iter().map(|&child| line.shares[child]).collect()
        };
        let before = shares(&layout);
        assert!(layout.act(&ctx, Pane::Results, PaneAction::Widen));
        let after = shares(&layout);
        assert!((after[1] - before[1] - STEP).abs() < 0.1 && (before[2] - after[2] - STEP).abs() < 0.1);
        // The last one has only the border before it.
        assert!(layout.act(&ctx, Pane::Match, PaneAction::Widen));
        assert!((shares(&layout)[2] - before[2]).abs() < 0.1);
        assert!(
            layout.act(&ctx, Pane::Match, PaneAction::Heighten) && layout.act(&ctx, Pane::Why, PaneAction::Shorten)
        );
        assert!(!layout.act(&ctx, Pane::Results, PaneAction::Heighten), "alone in its column");
    }

    proptest! {
        #[test]
        fn no_pane_is_lost_by_any_row_of_commands(
            steps in proptest::collection::vec((0..Pane::ALL.len(), 0..PaneAction::ALL.len()), 0..40),
        ) {
            let ctx = context();
            for workspace in Workspace::ALL {
                let mut layout = Layout::at_first(workspace);
                for &(pane, action) in &steps {
                    layout.act(&ctx, Pane::ALL[pane], PaneAction::ALL[action]);
                }
                let mut held = layout.order();
                held.sort_unstable();
                let mut all: Vec<Pane> = workspace.panes().collect();
                all.sort_unstable();
                prop_assert_eq!(held, all);
                let again = Layout::of(workspace, layout.tree.clone(), layout.by_hand.clone());
                prop_assert_eq!(again.order(), layout.order(), "nothing is left over that a file would not hold");
            }
        }
    }
}
