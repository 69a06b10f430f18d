//! The layout as a small text: JSON that a person can read, compare and carry to another machine.

use std::collections::{BTreeMap, BTreeSet};

use egui_tiles::{Container, Linear, LinearDir, Tabs, Tile, TileId, Tiles, Tree};
use serde::{Deserialize, Serialize};

use super::{Layout, Pane, Workspace, tree_id};

/// What the file says of itself.
const FORMAT: &str = "seamline layout";
const VERSION: u32 = 1;
/// Deeper than anybody nests by hand; a file from elsewhere must not exhaust the stack.
const DEEPEST: usize = 16;

/// What is kept between sessions: the present layout of each workspace, and those that the person put aside.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Kept {
    pub present: Layouts,
    pub saved: Option<Layouts>,
}

/// One layout for each workspace.
#[derive(Clone, Debug, PartialEq)]
pub struct Layouts {
    explore: Layout,
    train: Layout,
}

impl Default for Layouts {
    fn default() -> Self {
        Self { explore: Layout::at_first(Workspace::Explore), train: Layout::at_first(Workspace::Train) }
    }
}

impl Layouts {
    pub fn of(&self, workspace: Workspace) -> &Layout {
        match workspace {
            Workspace::Explore => &self.explore,
            Workspace::Train => &self.train,
        }
    }

    pub fn of_mut(&mut self, workspace: Workspace) -> &mut Layout {
        match workspace {
            Workspace::Explore => &mut self.explore,
            Workspace::Train => &mut self.train,
        }
    }
}

/// Why a text is no layout. The sentence has no capital letter and no full stop, since it follows a colon.
#[derive(Debug, thiserror::Error)]
pub enum BrokenLayout {
    #[error("it is not a layout ({0})")]
    Text(#[from] serde_json::Error),
    #[error("it is of version {found}, and this program reads version {VERSION}")]
    Version { found: u64 },
    #[error("it does not say that it is a layout")]
    Format,
    #[error("it holds the pane {0} twice")]
    Twice(&'static str),
    #[error("the pane {0} is not one of {1}")]
    Elsewhere(&'static str, &'static str),
    #[error("it is nested too deep")]
    Deep,
}

#[derive(Serialize, Deserialize)]
struct Text {
    format: String,
    version: u32,
    /// Explore alone, as it was before there was another workspace.
    present: Node,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    saved: Option<Node>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    train: Option<Node>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    train_saved: Option<Node>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Node {
    Pane(Pane),
    Tabs {
        /// Which one is in front, from 0.
        #[serde(default)]
        front: usize,
        of: Vec<Node>,
    },
    Row(Line),
    Column(Line),
}

#[derive(Serialize, Deserialize)]
struct Line {
    /// How the room is divided; nothing where what the parts hold decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    shares: Option<Vec<f32>>,
    of: Vec<Node>,
}

impl Kept {
    pub fn to_text(&self) -> String {
        let text = Text {
            format: FORMAT.to_owned(),
            version: VERSION,
            present: self.present.explore.to_node(),
            saved: self.saved.as_ref().map(|saved| saved.explore.to_node()),
            train: Some(self.present.train.to_node()),
            train_saved: self.saved.as_ref().map(|saved| saved.train.to_node()),
        };
        // Names and finite figures only, so there is nothing that JSON could not hold.
        serde_json::to_string_pretty(&text).unwrap_or_default() + "\n"
    }

    pub fn from_text(text: &str) -> Result<Self, BrokenLayout> {
        // A later version may be made in any other way, so the version is read first.
        let fields: BTreeMap<String, serde_json::Value> = serde_json::from_str(text)?;
        if fields.get("format").and_then(|format| format.as_str()) != Some(FORMAT) {
            return Err(BrokenLayout::Format);
        }
        let found = fields.get("version").and_then(serde_json::Value::as_u64).unwrap_or_default();
        if found != u64::from(VERSION) {
            return Err(BrokenLayout::Version { found });
        }
        let text: Text = serde_json::from_str(text)?;
        let layouts = |explore: &Node, train: Option<&Node>| -> Result<Layouts, BrokenLayout> {
            let train = train.map(|node| Layout::from_node(Workspace::Train, node)).transpose()?;
            Ok(Layouts {
                explore: Layout::from_node(Workspace::Explore, explore)?,
                train: train.unwrap_or_else(|| Layout::at_first(Workspace::Train)),
            })
        };
        let saved = text.saved.as_ref().map(|explore| layouts(explore, text.train_saved.as_ref())).transpose()?;
        Ok(Self { present: layouts(&text.present, text.train.as_ref())?, saved })
    }
}

impl Layout {
    fn to_node(&self) -> Node {
        self.tree.root.and_then(|root| self.node_of(root)).unwrap_or(Node::Tabs { front: 0, of: Vec::new() })
    }

    fn node_of(&self, tile: TileId) -> Option<Node> {
        let nodes = |children: &[TileId]| children.iter().filter_map(|&child| self.node_of(child)).collect();
        Some(match self.tree.tiles.get(tile)? {
            Tile::Pane(pane) => Node::Pane(*pane),
            Tile::Container(Container::Tabs(tabs)) => Node::Tabs {
                front: tabs.children.iter().position(|child| tabs.is_active(*child)).unwrap_or(0),
                of: nodes(&tabs.children),
            },
            Tile::Container(Container::Linear(line)) => {
                let shares = self.by_hand.contains(&tile.0).then(|| shares_of(line));
                let text = Line { shares, of: nodes(&line.children) };
                if line.dir == LinearDir::Horizontal { Node::Row(text) } else { Node::Column(text) }
            }
            Tile::Container(Container::Grid(grid)) => {
                Node::Row(Line { shares: None, of: nodes(&grid.children().copied().collect::<Vec<_>>()) })
            }
        })
    }

    fn from_node(workspace: Workspace, node: &Node) -> Result<Self, BrokenLayout> {
        let (tiles, by_hand, seen) = Default::default();
        let mut reading = Reading { tiles, by_hand, seen, workspace };
        let root = reading.tile(node, 0)?;
        Ok(Self::of(workspace, Tree::new(tree_id(workspace), root, reading.tiles), reading.by_hand))
    }
}

/// To a thousandth: a file that stays the same while nothing visible changes.
fn shares_of(line: &Linear) -> Vec<f32> {
    let sum: f32 = line.children.iter().map(|&child| line.shares[child]).sum();
    line.children
        .iter()
        .map(|&child| (line.shares[child] / sum.max(f32::MIN_POSITIVE) * 1000.0).round() / 1000.0)
        .collect()
}

struct Reading {
    tiles: Tiles<Pane>,
    by_hand: BTreeSet<u64>,
    seen: BTreeSet<Pane>,
    workspace: Workspace,
}

impl Reading {
    fn tile(&mut self, node: &Node, depth: usize) -> Result<TileId, BrokenLayout> {
        if depth > DEEPEST {
            return Err(BrokenLayout::Deep);
        }
        match node {
            Node::Pane(pane) => {
                if pane.workspace() != self.workspace {
                    return Err(BrokenLayout::Elsewhere(pane.name(), self.workspace.name()));
                }
                if !self.seen.insert(*pane) {
                    return Err(BrokenLayout::Twice(pane.name()));
                }
                Ok(self.tiles.insert_pane(*pane))
            }
            Node::Tabs { front, of } => {
                let children = self.all(of, depth)?;
                let front = children.get(*front).or(children.first()).copied();
                let mut tabs = Tabs::new(children);
                tabs.active = front;
                Ok(self.tiles.insert_container(tabs))
            }
            Node::Row(line) => self.line(LinearDir::Horizontal, line, depth),
            Node::Column(line) => self.line(LinearDir::Vertical, line, depth),
        }
    }

    fn all(&mut self, nodes: &[Node], depth: usize) -> Result<Vec<TileId>, BrokenLayout> {
        nodes.iter().map(|node| self.tile(node, depth + 1)).collect()
    }

    fn line(&mut self, dir: LinearDir, text: &Line, depth: usize) -> Result<TileId, BrokenLayout> {
        let children = self.all(&text.of, depth)?;
        let mut line = Linear::new(dir, children.clone());
        let shares = text.shares.as_ref().filter(|shares| {
            shares.len() == children.len() && shares.iter().all(|share| share.is_finite() && *share > 0.0)
        });
        let sized = shares.is_some();
        for (&child, &share) in children.iter().zip(shares.into_iter().flatten()) {
            line.shares.set_share(child, share);
        }
        let tile = self.tiles.insert_container(line);
        if sized {
            self.by_hand.insert(tile.0);
        }
        Ok(tile)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tabs, a column and shares by hand.
    fn changed() -> Layout {
        let text = r#"{"format": "seamline layout", "version": 1, "present": {"row": {"shares": [0.25, 0.75], "of": [
            {"tabs": {"front": 1, "of": [{"pane": "photo"}, {"pane": "matching"}]}},
            {"column": {"of": [{"pane": "results"}, {"pane": "match"}]}}
        ]}}}"#;
        Kept::from_text(text).unwrap().present.explore
    }

    #[test]
    fn what_is_written_is_read_again() {
        for explore in [Layout::default(), changed()] {
            let kept = Kept { present: Layouts { explore, ..Layouts::default() }, saved: Some(Layouts::default()) };
            let text = kept.to_text();
            let read = Kept::from_text(&text).unwrap();
            assert_eq!(read.to_text(), text);
            assert_eq!(read.present.explore.by_hand.len(), kept.present.explore.by_hand.len());
        }
    }

    #[test]
    fn a_file_from_before_a_pane_existed_gets_it() {
        let layout = changed();
        assert!(Workspace::Explore.panes().all(|pane| layout.find(pane).is_some()));
        assert!(layout.shows(Pane::Matching) && !layout.shows(Pane::Photo), "the second tab is in front");
        assert_eq!(layout.by_hand.len(), 1, "the row was sized by hand");
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        let said = |text: &str| Kept::from_text(text).unwrap_err().to_string();
        assert!(said("").starts_with("it is not a layout"));
        assert!(said("{}").contains("does not say that it is a layout"));
        let with = |version: u32, present: &str| {
            format!(r#"{{"format": "seamline layout", "version": {version}, "present": {present}}}"#)
        };
        assert!(said(&with(2, "7")).contains("version 2"));
        assert!(said(&with(1, r#"{"pane": "kitchen"}"#)).contains("kitchen"));
        let twice = r#"{"tabs": {"of": [{"pane": "photo"}, {"pane": "photo"}]}}"#;
        assert!(said(&with(1, twice)).contains("Photo twice"));
        assert!(said(&with(1, r#"{"pane": "curves"}"#)).contains("Curves is not one of Explore"));
        let deep =
            (0..40).fold(r#"{"pane": "photo"}"#.to_owned(), |inner, _| format!(r#"{{"tabs": {{"of": [{inner}]}}}}"#));
        assert!(said(&with(1, &deep)).contains("too deep"));
    }

    #[test]
    fn shares_that_make_no_sense_are_left_to_the_content() {
        let row = r#"{"row": {"shares": [0.5, -1.0], "of": [{"pane": "photo"}, {"pane": "results"}]}}"#;
        let text = format!(r#"{{"format": "seamline layout", "version": 1, "present": {row}}}"#);
        assert!(Kept::from_text(&text).unwrap().present.explore.by_hand.is_empty());
    }
}
