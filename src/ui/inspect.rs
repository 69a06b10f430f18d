//! How the plan is looked at: which view of it, how far the photos are zoomed in, in which order its parts are listed; and
//! the commands about it.

use egui::{Key, KeyboardShortcut, Modifiers};
use serde::{Deserialize, Serialize};

use super::command::{Entry, Group};
use super::fonts::icon;
use crate::render::{MatrixMap, Rebuild, Side, Window};

/// One way to see a plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Mode {
    /// Lines between cells.
    #[default]
    Ribbons,
    /// Cells that belong together in one colour, without lines.
    Colours,
    /// How much mass each cell holds.
    Heat,
    /// All pairs of cells at once.
    Matrix,
    /// The street photo painted with the product's cells.
    Rebuilt,
}

impl Mode {
    pub const ALL: [Self; 5] = [Self::Ribbons, Self::Colours, Self::Heat, Self::Matrix, Self::Rebuilt];

    pub fn action(self) -> PlanAction {
        match self {
            Self::Ribbons => PlanAction::ShowRibbons,
            Self::Colours => PlanAction::ShowColours,
            Self::Heat => PlanAction::ShowHeat,
            Self::Matrix => PlanAction::ShowMatrix,
            Self::Rebuilt => PlanAction::ShowRebuilt,
        }
    }

    /// Something lies over the photos that can be taken away.
    pub fn has_overlay(self) -> bool {
        matches!(self, Self::Ribbons | Self::Colours | Self::Heat)
    }
}

/// By what the contributions are ordered, the largest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SortBy {
    #[default]
    Mass,
    Similarity,
    Contribution,
}

/// How a person likes to look at plans; kept between sessions.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Inspect {
    pub mode: Mode,
    /// What lies over the photos is drawn.
    pub overlay: bool,
    pub map: MatrixMap,
    pub rebuild: Rebuild,
    /// Magnified photos show their pixels.
    pub nearest: bool,
    /// Both photos are zoomed together.
    pub linked: bool,
    pub sort: SortBy,
    /// Every pair of cells is listed, not only those that are drawn.
    pub list_all: bool,
}

impl Default for Inspect {
    fn default() -> Self {
        Self {
            mode: Mode::Ribbons,
            overlay: true,
            map: MatrixMap::Mass,
            rebuild: Rebuild::Mixture,
            nearest: false,
            linked: false,
            sort: SortBy::Mass,
            list_all: false,
        }
    }
}

/// What is seen of the two photos. It stays while results are flipped through.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Zoom {
    pub query: Window,
    pub gallery: Window,
}

impl Zoom {
    /// The nearest that a photo is looked at.
    pub const MOST: f32 = 24.0;
    /// How much one press of a key magnifies.
    pub const STEP: f32 = 1.5;

    pub fn of(&self, side: Side) -> Window {
        match side {
            Side::Query => self.query,
            Side::Gallery => self.gallery,
        }
    }

    pub fn is_whole(&self) -> bool {
        *self == Self::default()
    }

    /// One side, or both where they are linked, changed in the same way.
    pub fn changed(self, side: Option<Side>, linked: bool, change: impl Fn(Window) -> Window) -> Self {
        let concerns = |this: Side| linked || side.is_none_or(|side| side == this);
        let new = |this: Side| if concerns(this) { change(self.of(this)) } else { self.of(this) };
        Self { query: new(Side::Query), gallery: new(Side::Gallery) }
    }
}

/// Magnifies by `factor` around a place of the view (0..=1), which stays where it is.
pub fn magnified(window: Window, factor: f32, around: [f32; 2]) -> Window {
    let size = (window.size / factor.max(1e-3)).clamp(1.0 / Zoom::MOST, 1.0);
    let [x, y] = window.place(around);
    inside(Window { left: x - around[0] * size, top: y - around[1] * size, size })
}

/// Moves what is seen by this share of the view.
pub fn moved(window: Window, [right, down]: [f32; 2]) -> Window {
    inside(Window { left: window.left + right * window.size, top: window.top + down * window.size, ..window })
}

fn inside(window: Window) -> Window {
    let most = 1.0 - window.size;
    Window { left: window.left.clamp(0.0, most), top: window.top.clamp(0.0, most), ..window }
}

/// What a panel asks about the way plans are looked at.
#[derive(Clone, Debug, PartialEq)]
pub enum PlanCommand {
    SetInspect(Inspect),
    SetZoom(Zoom),
}

/// Entries of the command table about the plan's views.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PlanAction {
    ShowRibbons,
    ShowColours,
    ShowHeat,
    ShowMatrix,
    ShowRebuilt,
    ZoomIn,
    ZoomOut,
    ZoomFit,
    LinkZoom,
    Nearest,
    ListAll,
    CopyList,
}

impl PlanAction {
    pub const ALL: [Self; 12] = [
        Self::ShowRibbons,
        Self::ShowColours,
        Self::ShowHeat,
        Self::ShowMatrix,
        Self::ShowRebuilt,
        Self::ZoomIn,
        Self::ZoomOut,
        Self::ZoomFit,
        Self::LinkZoom,
        Self::Nearest,
        Self::ListAll,
        Self::CopyList,
    ];

    /// The view that it shows.
    pub fn mode(self) -> Option<Mode> {
        Mode::ALL.into_iter().find(|mode| mode.action() == self)
    }

    pub fn entry(self) -> Entry {
        const fn key(key: Key) -> KeyboardShortcut {
            KeyboardShortcut::new(Modifiers::NONE, key)
        }
        let entry = |name, tooltip, icon, shortcuts| Entry { name, tooltip, icon, group: Group::Plan, shortcuts };
        match self {
            Self::ShowRibbons => entry(
                "Ribbons",
                "Draw where the mass of each cell goes; again to see the photos alone",
                icon::RIBBONS,
                const { &[key(Key::Num1)] },
            ),
            Self::ShowColours => entry(
                "Colours",
                "Give cells that belong together one colour; again to see the photos alone",
                icon::PALETTE,
                const { &[key(Key::Num2)] },
            ),
            Self::ShowHeat => entry(
                "Heat",
                "Show how much mass each cell holds; again to see the photos alone",
                icon::FLAME,
                const { &[key(Key::Num3)] },
            ),
            Self::ShowMatrix => {
                entry("Matrix", "Show all pairs of cells at once", icon::MATRIX, const { &[key(Key::Num4)] })
            }
            Self::ShowRebuilt => entry(
                "Rebuilt",
                "Paint the street photo with the product’s cells",
                icon::PUZZLE,
                const { &[key(Key::Num5)] },
            ),
            Self::ZoomIn => entry(
                "Zoom in",
                "Look at the photos from nearer",
                icon::ZOOM_IN,
                const { &[key(Key::Plus), key(Key::Equals)] },
            ),
            Self::ZoomOut => {
                entry("Zoom out", "Look at the photos from further away", icon::ZOOM_OUT, const { &[key(Key::Minus)] })
            }
            Self::ZoomFit => entry("Fit photos", "See all of both photos", icon::CORNERS, const { &[key(Key::Num0)] }),
            Self::LinkZoom => entry("Zoom together", "Zoom and move both photos alike", icon::LINK, &[]),
            Self::Nearest => entry(
                "Pixels",
                "Show the pixels of magnified photos as squares",
                icon::CHECKERBOARD,
                const { &[key(Key::Num7)] },
            ),
            Self::ListAll => {
                entry("List all pairs", "List every pair of cells, not only those that are drawn", icon::LIST, &[])
            }
            Self::CopyList => entry(
                "Copy contributions",
                "Put the list of contributions on the clipboard as text",
                icon::COPY,
                const { &[KeyboardShortcut::new(Modifiers::COMMAND, Key::C)] },
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_under_the_pointer_stays_there_while_zooming() {
        let window = Window { left: 0.2, top: 0.3, size: 0.5 };
        let before = window.place([0.4, 0.7]);
        let after = magnified(window, 1.7, [0.4, 0.7]).place([0.4, 0.7]);
        assert!((before[0] - after[0]).abs() < 1e-6 && (before[1] - after[1]).abs() < 1e-6);
    }

    #[test]
    fn a_photo_is_never_seen_from_outside_nor_from_nearer_than_the_least() {
        let mut window = Window::WHOLE;
        for factor in [3.0, 9.0, 2.0, 0.1, 5.0, f32::INFINITY, 0.0, 1e-9] {
            window = moved(magnified(window, factor, [0.9, 0.1]), [7.0, -3.0]);
            assert!(window.left >= 0.0 && window.left + window.size <= 1.0 + 1e-6, "{window:?}");
            assert!(window.top >= 0.0 && window.size >= 1.0 / Zoom::MOST - 1e-6 && window.size <= 1.0);
        }
        assert_eq!(window, Window::WHOLE);
    }

    #[test]
    fn sides_are_zoomed_alone_or_together() {
        let near = |window| magnified(window, 2.0, [0.5, 0.5]);
        let one = Zoom::default().changed(Some(Side::Gallery), false, near);
        assert_eq!((one.query, one.gallery.size), (Window::WHOLE, 0.5));
        let both = Zoom::default().changed(Some(Side::Gallery), true, near);
        assert_eq!(both.query, both.gallery);
        assert_eq!(Zoom::default().changed(None, false, near), both);
    }

    #[test]
    fn every_view_has_its_key() {
        for mode in Mode::ALL {
            assert_eq!(mode.action().mode(), Some(mode));
            assert_eq!(mode.action().entry().shortcuts.len(), 1);
        }
        assert_eq!(PlanAction::Nearest.mode(), None);
    }
}
