//! How wide and how high the parts are: as the person made them, or by what they hold; never so small that nothing of
//! them can be read.

use std::collections::BTreeSet;

use egui::Vec2;
use egui_tiles::{Container, Linear, LinearDir, Tile, TileId, Tiles};

use super::{Layout, Pane};

/// Between two parts, in points.
pub const GAP: f32 = 1.0;
/// Height of a row of tabs, in points.
pub const TAB_BAR: f32 = 30.0;

/// How a part takes its room where nobody sized it.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Wish {
    /// The least that it can be read in.
    least: Vec2,
    /// Its share of a row's width and the most it asks for; `None` takes what the others leave.
    width: Option<(f32, f32)>,
    /// As high as its content where that is known; `None` takes what the others leave.
    height: Option<f32>,
}

impl Pane {
    fn wish(self, natural_height: Option<f32>) -> Wish {
        match self {
            Self::Photo => Wish {
                least: Vec2::new(212.0, 150.0),
                width: Some((0.175, 300.0)),
                height: Some(natural_height.unwrap_or(340.0)),
            },
            Self::Matching | Self::History => {
                Wish { least: Vec2::new(212.0, 130.0), width: Some((0.175, 300.0)), height: None }
            }
            Self::Corrections => {
                let height = natural_height.unwrap_or(130.0);
                // The loop stays in sight while the knobs scroll.
                let least = Vec2::new(212.0, height.clamp(96.0, 180.0));
                Wish { least, width: Some((0.175, 300.0)), height: Some(height) }
            }
            Self::Results => Wish { least: Vec2::new(300.0, 200.0), width: None, height: None },
            Self::Match => Wish {
                least: Vec2::new(360.0, 290.0),
                width: Some((0.42, 1100.0)),
                height: Some(natural_height.unwrap_or(420.0)),
            },
            Self::Why | Self::Above | Self::Ignore | Self::Test | Self::Epsilon => {
                Wish { least: Vec2::new(360.0, 160.0), width: Some((0.42, 1100.0)), height: None }
            }
            Self::Run => Wish {
                least: Vec2::new(248.0, 120.0),
                width: Some((0.2, 320.0)),
                height: Some(natural_height.unwrap_or(190.0)),
            },
            Self::Recipe | Self::Layers => {
                Wish { least: Vec2::new(248.0, 160.0), width: Some((0.2, 320.0)), height: None }
            }
            Self::Curves => Wish { least: Vec2::new(360.0, 220.0), width: None, height: None },
            Self::Batch => {
                let height = natural_height.unwrap_or(150.0);
                Wish { least: Vec2::new(360.0, height.clamp(96.0, 160.0)), width: None, height: Some(height) }
            }
            Self::Runs => Wish { least: Vec2::new(300.0, 150.0), width: Some((0.26, 430.0)), height: None },
            Self::Checkpoints | Self::Differences => {
                let height = natural_height.unwrap_or(330.0).clamp(190.0, 460.0);
                Wish { least: Vec2::new(300.0, 190.0), width: Some((0.26, 430.0)), height: Some(height) }
            }
        }
    }
}

impl Layout {
    /// Gives every row and column the shares for a room of this size; `heights` tells how high a pane's content is.
    pub fn fit(&mut self, room: Vec2, heights: &dyn Fn(Pane) -> Option<f32>) {
        if let Some(root) = self.tree.root {
            let Self { tree, by_hand, .. } = self;
            fit_tile(&mut tree.tiles, root, room, by_hand, heights);
        }
    }
}

fn fit_tile(
    tiles: &mut Tiles<Pane>,
    tile: TileId,
    room: Vec2,
    by_hand: &BTreeSet<u64>,
    heights: &dyn Fn(Pane) -> Option<f32>,
) {
    let Some(Tile::Container(container)) = tiles.get(tile) else { return };
    match container {
        Container::Tabs(tabs) => {
            let inner = Vec2::new(room.x, (room.y - bar_height(tabs.children.len())).max(1.0));
            for child in tabs.children.clone() {
                fit_tile(tiles, child, inner, by_hand, heights);
            }
        }
        Container::Linear(line) => {
            let line = line.clone();
            let sizes = sizes(tiles, tile, &line, room, by_hand, heights);
            if let Some(Tile::Container(Container::Linear(line))) = tiles.get_mut(tile) {
                for (&child, &size) in line.children.iter().zip(&sizes) {
                    line.shares.set_share(child, size);
                }
            }
            for (&child, &size) in line.children.iter().zip(&sizes) {
                let inner = match line.dir {
                    LinearDir::Horizontal => Vec2::new(size, room.y),
                    LinearDir::Vertical => Vec2::new(room.x, size),
                };
                fit_tile(tiles, child, inner, by_hand, heights);
            }
        }
        // Nobody can make one here.
        Container::Grid(_) => {}
    }
}

pub fn bar_height(tabs: usize) -> f32 {
    if tabs > 1 { TAB_BAR } else { 0.0 }
}

fn sizes(
    tiles: &Tiles<Pane>,
    tile: TileId,
    line: &Linear,
    room: Vec2,
    by_hand: &BTreeSet<u64>,
    heights: &dyn Fn(Pane) -> Option<f32>,
) -> Vec<f32> {
    let wishes: Vec<Wish> = line.children.iter().map(|&child| wish_of(tiles, child, heights)).collect();
    let row = line.dir == LinearDir::Horizontal;
    let whole = if row { room.x } else { room.y };
    let whole = (whole - GAP * line.children.len().saturating_sub(1) as f32).max(1.0);
    let least: Vec<f32> = wishes.iter().map(|wish| if row { wish.least.x } else { wish.least.y }).collect();
    let wanted: Vec<f32> = if by_hand.contains(&tile.0) {
        let sum: f32 = line.children.iter().map(|&child| line.shares[child]).sum();
        line.children.iter().map(|&child| whole * line.shares[child] / sum.max(f32::MIN_POSITIVE)).collect()
    } else {
        let fixed: Vec<Option<f32>> = wishes
            .iter()
            .map(|wish| {
                if row {
                    wish.width.map(|(share, most)| (whole * share).clamp(wish.least.x, most))
                } else {
                    wish.height
                }
            })
            .collect();
        automatic(&fixed, &least, whole)
    };
    with_least(&wanted, &least, whole)
}

/// What is asked for, and the rest to those that take what is left; where nobody does, all are scaled.
fn automatic(fixed: &[Option<f32>], least: &[f32], whole: f32) -> Vec<f32> {
    let mut sizes: Vec<f32> = fixed.iter().zip(least).map(|(fixed, least)| fixed.unwrap_or(*least)).collect();
    let open = fixed.iter().filter(|fixed| fixed.is_none()).count();
    let left = whole - sizes.iter().sum::<f32>();
    if open == 0 {
        let scale = whole / sizes.iter().sum::<f32>().max(1.0);
        sizes.iter_mut().for_each(|size| *size *= scale);
    } else if left > 0.0 {
        let each = left / open as f32;
        sizes.iter_mut().zip(fixed).filter(|(_, fixed)| fixed.is_none()).for_each(|(size, _)| *size += each);
    }
    sizes
}

/// Sizes near the wanted ones that fill the whole, none below its least as long as the whole has room for all of them.
fn with_least(wanted: &[f32], least: &[f32], whole: f32) -> Vec<f32> {
    let needed: f32 = least.iter().sum();
    if needed >= whole {
        return least.iter().map(|least| whole * least / needed.max(1.0)).collect();
    }
    // What is above the least gives way or grows in proportion.
    let above: Vec<f32> = wanted.iter().zip(least).map(|(wanted, least)| (wanted - least).max(0.0)).collect();
    let sum: f32 = above.iter().sum();
    let spare = whole - needed;
    let parts = wanted.len().max(1) as f32;
    let share = |above: f32| if sum > 0.0 { spare * above / sum } else { spare / parts };
    least.iter().zip(above).map(|(least, above)| least + share(above)).collect()
}

fn wish_of(tiles: &Tiles<Pane>, tile: TileId, heights: &dyn Fn(Pane) -> Option<f32>) -> Wish {
    let none = Wish { least: Vec2::splat(1.0), width: None, height: None };
    match tiles.get(tile) {
        Some(Tile::Pane(pane)) => pane.wish(heights(*pane)),
        Some(Tile::Container(container)) => {
            let wishes: Vec<Wish> = container.children().map(|&child| wish_of(tiles, child, heights)).collect();
            let bar = if let Container::Tabs(tabs) = container { bar_height(tabs.children.len()) } else { 0.0 };
            let row = matches!(container, Container::Linear(line) if line.dir == LinearDir::Horizontal);
            let column = matches!(container, Container::Linear(line) if line.dir == LinearDir::Vertical);
            wishes.into_iter().reduce(|a, b| joined(a, b, row, column)).map_or(none, |mut wish| {
                wish.least.y += bar;
                wish.height = wish.height.map(|height| height + bar);
                wish
            })
        }
        None => none,
    }
}

fn joined(a: Wish, b: Wish, row: bool, column: bool) -> Wish {
    let along = |together: bool, a: f32, b: f32| if together { a + b + GAP } else { a.max(b) };
    Wish {
        least: Vec2::new(along(row, a.least.x, b.least.x), along(column, a.least.y, b.least.y)),
        width: a.width.zip(b.width).map(|(a, b)| (along(row, a.0, b.0), along(row, a.1, b.1))),
        height: a.height.zip(b.height).map(|(a, b)| along(column, a, b)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn widths(layout: &Layout) -> Vec<f32> {
        let root = layout.tree.root.unwrap();
        let Some(Container::Linear(line)) = layout.container(root) else { panic!("a row") };
        line.children.iter().map(|&child| line.shares[child]).collect()
    }

    fn height_of(layout: &Layout, pane: Pane) -> f32 {
        let tile = layout.group_of(layout.find(pane).unwrap());
        let Some(Container::Linear(line)) = layout.container(layout.parent(tile).unwrap()) else { panic!("a column") };
        line.shares[tile]
    }

    #[test]
    fn results_keep_their_room_from_the_narrowest_to_the_widest_window() {
        for width in [960.0, 1280.0, 1440.0, 2560.0, 3840.0] {
            let mut layout = Layout::default();
            layout.fit(Vec2::new(width, 700.0), &|_| None);
            let [left, middle, right] = widths(&layout)[..] else { panic!("three columns") };
            assert!((left + middle + right - (width - 2.0 * GAP)).abs() < 0.1, "{width}");
            assert!(middle >= 300.0 && left >= 212.0 && right >= 360.0, "{width}: {left} {middle} {right}");
            assert!(left <= 301.0 && right <= 1101.0, "{width}: {left} {middle} {right}");
        }
    }

    #[test]
    fn what_a_person_sized_keeps_its_share_and_gives_way_only_to_what_could_not_be_read() {
        let mut layout = Layout::default();
        let root = layout.tree.root.unwrap();
        layout.fit(Vec2::new(1602.0, 800.0), &|_| None);
        if let Some(Tile::Container(Container::Linear(line))) = layout.tree.tiles.get_mut(root) {
            let children = line.children.clone();
            for (child, share) in children.into_iter().zip([400.0, 800.0, 400.0]) {
                line.shares.set_share(child, share);
            }
        }
        layout.by_hand.insert(root.0);
        layout.fit(Vec2::new(3202.0, 800.0), &|_| None);
        let [left, middle, right] = widths(&layout)[..] else { panic!("three columns") };
        assert!((left - 800.0).abs() < 90.0 && (middle - 1600.0).abs() < 120.0 && (right - 800.0).abs() < 90.0);
        layout.fit(Vec2::new(960.0, 500.0), &|_| None);
        let [left, middle, right] = widths(&layout)[..] else { panic!("three columns") };
        assert!(left >= 212.0 && middle >= 300.0 && right >= 360.0, "{left} {middle} {right}");
    }

    #[test]
    fn the_picture_is_as_high_as_it_needs_and_the_table_takes_the_rest() {
        let heights = |pane| (pane == Pane::Match).then_some(430.0);
        let mut layout = Layout::default();
        layout.fit(Vec2::new(1440.0, 832.0), &heights);
        assert!((height_of(&layout, Pane::Match) - 430.0).abs() < 1.0);
        assert!((height_of(&layout, Pane::Why) - (832.0 - GAP - 430.0)).abs() < 1.0);
        // A low window leaves some of the table.
        layout.fit(Vec2::new(960.0, 532.0), &heights);
        assert!(height_of(&layout, Pane::Why) >= 160.0 && height_of(&layout, Pane::Match) >= 290.0);
    }

    #[test]
    fn parts_fill_the_whole_and_none_is_below_its_least_while_there_is_room() {
        let sizes = with_least(&[10.0, 500.0, 90.0], &[100.0, 100.0, 100.0], 600.0);
        assert!((sizes.iter().sum::<f32>() - 600.0).abs() < 1e-3);
        assert!(sizes.iter().all(|&size| size >= 100.0) && sizes[1] > sizes[2]);
        let tight = with_least(&[10.0, 500.0], &[300.0, 100.0], 200.0);
        assert!((tight[0] - 150.0).abs() < 1e-3 && (tight[1] - 50.0).abs() < 1e-3);
        let exact = with_least(&[200.0, 400.0], &[100.0, 100.0], 600.0);
        assert!((exact[0] - 200.0).abs() < 1e-3, "what fits is left as it is: {exact:?}");
    }
}
