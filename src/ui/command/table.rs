//! The table itself: what each action is called, what it does in words, and its first keys.

use egui::{Key, KeyboardShortcut, Modifiers};

use super::{Action, Entry, Group};
use crate::ui::fonts::icon;

const fn key(key: Key) -> KeyboardShortcut {
    KeyboardShortcut::new(Modifiers::NONE, key)
}

const fn shift(key: Key) -> KeyboardShortcut {
    KeyboardShortcut::new(Modifiers::SHIFT, key)
}

const fn ctrl(key: Key) -> KeyboardShortcut {
    KeyboardShortcut::new(Modifiers::COMMAND, key)
}

const fn alt(key: Key) -> KeyboardShortcut {
    KeyboardShortcut::new(Modifiers::ALT, key)
}

const fn ctrl_shift(key: Key) -> KeyboardShortcut {
    KeyboardShortcut::new(Modifiers::COMMAND.plus(Modifiers::SHIFT), key)
}

impl Action {
    pub fn entry(self) -> Entry {
        let entry = |name, tooltip, icon, group, shortcuts| Entry { name, tooltip, icon, group, shortcuts };
        match self {
            Self::OpenPhoto => entry(
                "Open…",
                "Choose a street photo to search with",
                icon::FOLDER,
                Group::Photo,
                const { &[ctrl(Key::O)] },
            ),
            Self::Paste => entry(
                "Paste",
                "Search with the picture on the clipboard",
                icon::CLIPBOARD,
                Group::Photo,
                const { &[ctrl(Key::V)] },
            ),
            Self::OpenProject => entry(
                "Open project…",
                "Choose the folder of another project",
                icon::FOLDER,
                Group::Window,
                const { &[ctrl_shift(Key::O)] },
            ),
            Self::UseSample => {
                entry("Use the sample wardrobe", "Open the project that comes along", icon::HANGER, Group::Window, &[])
            }
            Self::WholePhoto => entry(
                "Whole photo",
                "Search with all of the photo",
                icon::IMAGE,
                Group::Photo,
                const { &[key(Key::W)] },
            ),
            Self::NextResult => entry(
                "Next result",
                "Show the next product",
                icon::CARET_RIGHT,
                Group::Results,
                const { &[key(Key::ArrowRight)] },
            ),
            Self::PreviousResult => entry(
                "Previous result",
                "Show the product before",
                icon::CARET_LEFT,
                Group::Results,
                const { &[key(Key::ArrowLeft)] },
            ),
            Self::ResultBelow => entry(
                "Result below",
                "Show the product one row down",
                icon::ARROW_DOWN,
                Group::Results,
                const { &[key(Key::ArrowDown)] },
            ),
            Self::ResultAbove => entry(
                "Result above",
                "Show the product one row up",
                icon::ARROW_UP,
                Group::Results,
                const { &[key(Key::ArrowUp)] },
            ),
            Self::SameProduct => entry(
                "Same product",
                "The street photo shows this very product; again to take it back",
                icon::CHECK_CIRCLE,
                Group::Corrections,
                const { &[key(Key::S)] },
            ),
            Self::NotThis => entry(
                "Not this",
                "The street photo shows another product; again to take it back",
                icon::X_CIRCLE,
                Group::Corrections,
                const { &[key(Key::N)] },
            ),
            Self::ToggleGrid => {
                entry("Grid", "Draw the borders of the cells", icon::GRID, Group::Plan, const { &[key(Key::Num6)] })
            }
            Self::SavePlan => entry(
                "Save as PNG…",
                "Draw this plan into a picture file, as ribbons, colours or heat",
                icon::FLOPPY,
                Group::Plan,
                const { &[ctrl(Key::S)] },
            ),
            Self::ResetMatching => {
                entry("Reset to defaults", "Put the matching settings back", icon::UNDO, Group::Plan, &[])
            }
            Self::ResetRibbons => entry("Reset to defaults", "Put the drawing back", icon::UNDO, Group::Plan, &[]),
            Self::Undo => entry(
                "Undo",
                "Take the last correction back",
                icon::UNDO,
                Group::Corrections,
                const { &[ctrl(Key::Z)] },
            ),
            Self::Redo => entry(
                "Redo",
                "Do again what was undone",
                icon::REDO,
                Group::Corrections,
                const { &[ctrl_shift(Key::Z), ctrl(Key::Y)] },
            ),
            Self::Train => entry(
                "Train on corrections",
                "Fine-tune the model on your corrections, then search again; the former model stays",
                icon::PLAY,
                Group::Corrections,
                const { &[ctrl(Key::T)] },
            ),
            Self::StopTraining => {
                let words = "End after this step; what was learnt by then is kept, and the model that searches stays";
                entry("Stop training", words, icon::STOP, Group::Training, const { &[shift(Key::F8)] })
            }
            Self::ToggleTheme => entry(
                "Light or dark",
                "Switch between the light and the dark theme",
                icon::HALF,
                Group::Window,
                const { &[ctrl_shift(Key::L)] },
            ),
            Self::Shortcuts => entry(
                "Keyboard shortcuts",
                "List all keys",
                icon::KEYBOARD,
                Group::Window,
                const { &[key(Key::Questionmark)] },
            ),
            Self::Back => entry(
                "Back",
                "Close what is open, one level at a time",
                icon::X,
                Group::Window,
                const { &[key(Key::Escape)] },
            ),
            Self::Palette => entry(
                "Search commands…",
                "Find anything that can be done by some of its letters",
                icon::SEARCH,
                Group::Window,
                const { &[ctrl(Key::K), ctrl(Key::P)] },
            ),
            Self::Preferences => entry(
                "Preferences…",
                "Theme, size, memory, device, layout and keys",
                icon::GEAR,
                Group::Window,
                const { &[ctrl(Key::Comma)] },
            ),
            Self::EarlierSearch => entry(
                "Earlier search",
                "Show the search before again: its photo, part and settings",
                icon::ARROW_LEFT,
                Group::Photo,
                const { &[alt(Key::ArrowLeft)] },
            ),
            Self::LaterSearch => entry(
                "Later search",
                "Show the search again that was gone back from",
                icon::ARROW_RIGHT,
                Group::Photo,
                const { &[alt(Key::ArrowRight)] },
            ),
            Self::SaveLayout => entry(
                "Save layout",
                "Keep the places of the panes as they are now, to come back to",
                icon::FLOPPY,
                Group::Window,
                &[],
            ),
            Self::RestoreLayout => entry(
                "Back to saved layout",
                "Put the panes where they were when the layout was saved",
                icon::UNDO,
                Group::Window,
                &[],
            ),
            Self::ResetLayout => {
                entry("Reset layout", "Put the panes where they are at first", icon::UNDO, Group::Window, &[])
            }
            Self::OpenGallery => entry(
                "Open a folder of product photos…",
                "Search in your own products; the photos stay where they are",
                icon::IMAGE,
                Group::Window,
                const { &[ctrl_shift(Key::G)] },
            ),
            Self::RefreshGallery => entry(
                "Read the folder again",
                "Look for new, changed and removed photos, and go on indexing",
                icon::REDO,
                Group::Window,
                &[],
            ),
            Self::StopIndexing => entry(
                "Stop indexing",
                "What is indexed stays; reading the folder again goes on",
                icon::STOP,
                Group::Window,
                &[],
            ),
            Self::ReadList => entry(
                "Read attributes from a list…",
                "Take names, kinds, prices and more from a CSV file",
                icon::TAG,
                Group::Window,
                &[],
            ),
            Self::SkippedReport => entry(
                "What was skipped",
                "List files and lines that were skipped, and why",
                icon::INFO,
                Group::Window,
                &[],
            ),
            Self::SearchAgain => entry(
                "Search again",
                "Search the gallery as it is now",
                icon::REDO,
                Group::Results,
                const { &[key(Key::F5)] },
            ),
            Self::Filter => entry(
                "Filter…",
                "Choose which products are shown, by kind, colour, price or any other column",
                icon::FUNNEL,
                Group::Shelf,
                const { &[key(Key::F)] },
            ),
            Self::ClearFilters => entry(
                "Clear filters",
                "Show products of every kind again",
                icon::X,
                Group::Shelf,
                const { &[shift(Key::F)] },
            ),
            Self::FoldDuplicates => entry(
                "Fold near duplicates",
                "Show one tile for photos of one product, near duplicates and colourways; again to show all",
                icon::STACK,
                Group::Results,
                const { &[key(Key::G)] },
            ),
            Self::Expand => entry(
                "Show what is folded",
                "Show all that stands behind this tile; again to hide it",
                icon::STACK,
                Group::Results,
                const { &[key(Key::E)] },
            ),
            Self::WithoutRules => entry(
                "Without rules",
                "Show the order as it would be without merchandising rules; again for the order with them",
                icon::SCALES,
                Group::Shelf,
                const { &[key(Key::R)] },
            ),
            Self::Pin => entry(
                "Pin here",
                "Keep this product at its present rank in every search; again to take it back",
                icon::PIN,
                Group::Shelf,
                const { &[key(Key::P)] },
            ),
            Self::Boost => entry(
                "Boost",
                "Add 0.10 to this product's score in every search; again to take it back",
                icon::TREND_UP,
                Group::Shelf,
                const { &[key(Key::B)] },
            ),
            Self::Bury => entry(
                "Bury",
                "Take 0.10 from this product's score in every search; again to take it back",
                icon::TREND_DOWN,
                Group::Shelf,
                const { &[shift(Key::B)] },
            ),
            Self::Exclude => entry(
                "Exclude",
                "Show this product in no search; Undo or the list of rules brings it back",
                icon::PROHIBIT,
                Group::Shelf,
                const { &[key(Key::X)] },
            ),
            Self::Compare => entry(
                "Compare",
                "Put this product beside others, up to four; again to take it away",
                icon::COLUMNS,
                Group::Results,
                const { &[key(Key::C)] },
            ),
            Self::OpenCompare => entry(
                "Compare side by side",
                "Show the chosen products side by side",
                icon::COLUMNS,
                Group::Results,
                const { &[shift(Key::C)] },
            ),
            Self::Export => entry(
                "Export…",
                "Write the result list into a file",
                icon::EXPORT,
                Group::Results,
                const { &[ctrl(Key::E)] },
            ),
            Self::ShowHistory => {
                entry("History", "Show the searches of the past", icon::CLOCK, Group::Photo, const { &[key(Key::H)] })
            }
            Self::SaveSearch => entry(
                "Save search",
                "Keep this search with its photo, part, settings and filters; again to let it go",
                icon::STAR,
                Group::Photo,
                const { &[ctrl(Key::D)] },
            ),
            Self::GoesWith => entry(
                "Goes well with",
                "List products of other kinds that go well with the photo's garment; again for the same product",
                icon::HANGER,
                Group::Results,
                const { &[key(Key::O)] },
            ),
            Self::GoesWithResult => entry(
                "Goes well with this result",
                "List products of other kinds that go well with the shown product",
                icon::HANGER,
                Group::Results,
                const { &[shift(Key::O)] },
            ),
            Self::WhyAbove => entry(
                "Why above the next…",
                "Show what puts this product above another, and the smallest edit that swaps them",
                icon::ARROW_UP,
                Group::Plan,
                const { &[key(Key::A)] },
            ),
            Self::IgnoreRegion => entry(
                "Ignore a region…",
                "See score and rank without a part of either photo",
                icon::MINUS,
                Group::Plan,
                const { &[key(Key::I)] },
            ),
            Self::SwapRegion => entry(
                "Swap a region…",
                "See score and rank as if a part of the street photo looked like the shown product",
                icon::FLIP,
                Group::Plan,
                const { &[shift(Key::I)] },
            ),
            Self::TestReason => entry(
                "Test this reason",
                "Hide cells in the order of their contributions and at random, and compare how the score falls",
                icon::TARGET,
                Group::Plan,
                const { &[key(Key::T)] },
            ),
            Self::StopStudy => {
                entry("Stop", "End what is being worked out about this match", icon::STOP, Group::Plan, &[])
            }
            Self::ClearRegion => entry("Choose no cells", "Take the chosen cells back", icon::UNDO, Group::Plan, &[]),
            Self::SaveEvidence => entry(
                "Save evidence…",
                "Write photos, plan, settings and decision into one file that can be checked",
                icon::FLOPPY,
                Group::Plan,
                const { &[ctrl_shift(Key::E)] },
            ),
            Self::Plan(action) => action.entry(),
            Self::Query(action) => action.entry(),
            Self::Pick(action) => action.entry(),
            Self::Run(action) => action.entry(),
            Self::Show(workspace) => workspace.entry(),
            Self::Pane(action) => action.entry(),
        }
    }
}
