//! Everything that can be done, once. Buttons, tooltips, shortcuts and the `?` sheet are made from this table.

mod table;

use std::path::PathBuf;

use egui::KeyboardShortcut;

use super::compose::{QueryAction, QueryCommand};
use super::desk::Desk;
use super::gallery::GalleryCommand;
use super::inspect::{PlanAction, PlanCommand};
use super::keys::{Keymap, printed};
use super::layout::{Layout, Pane, PaneAction, Workspace};
use super::picked::{PickAction, PickCommand};
use super::shelf::ShelfCommand;
use super::state::{Pointed, Ribbons, View};
use super::training::{TrainAction, TrainCommand};
use crate::domain::{CheckpointId, CropRect, MatchOptions, PhotoId};
use crate::jobs::types::Mark;

/// What a panel asks `app` to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    Act(Action),
    SearchFile(PathBuf),
    SearchExample(PhotoId),
    SetCrop(CropRect),
    SetOptions(MatchOptions),
    SetRibbons(Ribbons),
    SetView(View),
    SetTheme(egui::ThemePreference),
    SetReducedMotion(bool),
    CompareWith(super::state::Baseline),
    Select(PhotoId),
    PointAt(Option<Pointed>),
    Paint(super::painting::PaintCommand),
    Mark(Mark),
    UseModel(CheckpointId),
    CloseNotice(u64),
    /// The answer to `Session::path_wanted`.
    PathTyped(String),
    Desk(Desk),
    SetLayout(Box<Layout>),
    ShowPane(Pane),
    Gallery(GalleryCommand),
    /// Filters, rules, past searches and the compare tray.
    Shelf(ShelfCommand),
    Study(super::study::StudyCommand),
    Plan(PlanCommand),
    Query(QueryCommand),
    Pick(PickCommand),
    Train(TrainCommand),
}

/// An entry of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    OpenPhoto,
    Paste,
    OpenProject,
    UseSample,
    WholePhoto,
    NextResult,
    PreviousResult,
    ResultBelow,
    ResultAbove,
    SameProduct,
    NotThis,
    ToggleGrid,
    SavePlan,
    ResetMatching,
    ResetRibbons,
    Undo,
    Redo,
    Train,
    StopTraining,
    ToggleTheme,
    Shortcuts,
    Back,
    SaveLayout,
    RestoreLayout,
    ResetLayout,
    OpenGallery,
    RefreshGallery,
    StopIndexing,
    ReadList,
    SkippedReport,
    SearchAgain,
    Filter,
    ClearFilters,
    FoldDuplicates,
    Expand,
    WithoutRules,
    Pin,
    Boost,
    Bury,
    Exclude,
    Compare,
    OpenCompare,
    Export,
    SaveSearch,
    GoesWith,
    GoesWithResult,
    WhyAbove,
    IgnoreRegion,
    SwapRegion,
    TestReason,
    StopStudy,
    ClearRegion,
    SaveEvidence,
    ShowHistory,
    Palette,
    Preferences,
    EarlierSearch,
    LaterSearch,
    Plan(PlanAction),
    Query(QueryAction),
    Pick(PickAction),
    Run(TrainAction),
    Show(Workspace),
    Pane(PaneAction),
}

/// Under which heading the `?` sheet lists an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    Photo,
    Results,
    Shelf,
    Plan,
    Corrections,
    Training,
    Window,
}

impl Group {
    pub const ALL: [Self; 7] =
        [Self::Photo, Self::Results, Self::Shelf, Self::Plan, Self::Corrections, Self::Training, Self::Window];

    pub fn name(self) -> &'static str {
        match self {
            Self::Photo => "Photo",
            Self::Results => "Results",
            Self::Shelf => "Filters and rules",
            Self::Plan => "Plan",
            Self::Corrections => "Corrections",
            Self::Training => "Training",
            Self::Window => "Window",
        }
    }
}

/// One row of the table.
pub struct Entry {
    pub name: &'static str,
    pub tooltip: &'static str,
    pub icon: &'static str,
    pub group: Group,
    /// The first is the one that is shown.
    pub shortcuts: &'static [KeyboardShortcut],
}

impl Action {
    pub const ALL: [Self; 102] = [
        Self::OpenPhoto,
        Self::Paste,
        Self::OpenProject,
        Self::UseSample,
        Self::WholePhoto,
        Self::NextResult,
        Self::PreviousResult,
        Self::ResultBelow,
        Self::ResultAbove,
        Self::SameProduct,
        Self::NotThis,
        Self::ToggleGrid,
        Self::SavePlan,
        Self::ResetMatching,
        Self::ResetRibbons,
        Self::Undo,
        Self::Redo,
        Self::Train,
        Self::StopTraining,
        Self::ToggleTheme,
        Self::Shortcuts,
        Self::Back,
        Self::SaveLayout,
        Self::RestoreLayout,
        Self::ResetLayout,
        Self::OpenGallery,
        Self::RefreshGallery,
        Self::StopIndexing,
        Self::ReadList,
        Self::SkippedReport,
        Self::SearchAgain,
        Self::Filter,
        Self::ClearFilters,
        Self::FoldDuplicates,
        Self::Expand,
        Self::WithoutRules,
        Self::Pin,
        Self::Boost,
        Self::Bury,
        Self::Exclude,
        Self::Compare,
        Self::OpenCompare,
        Self::Export,
        Self::SaveSearch,
        Self::GoesWith,
        Self::GoesWithResult,
        Self::WhyAbove,
        Self::IgnoreRegion,
        Self::SwapRegion,
        Self::TestReason,
        Self::StopStudy,
        Self::ClearRegion,
        Self::SaveEvidence,
        Self::ShowHistory,
        Self::Palette,
        Self::Preferences,
        Self::EarlierSearch,
        Self::LaterSearch,
        Self::Plan(PlanAction::ShowRibbons),
        Self::Plan(PlanAction::ShowColours),
        Self::Plan(PlanAction::ShowHeat),
        Self::Plan(PlanAction::ShowMatrix),
        Self::Plan(PlanAction::ShowRebuilt),
        Self::Plan(PlanAction::ZoomIn),
        Self::Plan(PlanAction::ZoomOut),
        Self::Plan(PlanAction::ZoomFit),
        Self::Plan(PlanAction::LinkZoom),
        Self::Plan(PlanAction::Nearest),
        Self::Plan(PlanAction::ListAll),
        Self::Plan(PlanAction::CopyList),
        Self::Query(QueryAction::TurnLeft),
        Self::Query(QueryAction::TurnRight),
        Self::Query(QueryAction::Flip),
        Self::Query(QueryAction::AddPhoto),
        Self::Query(QueryAction::Like),
        Self::Query(QueryAction::Dislike),
        Self::Pick(PickAction::Toggle),
        Self::Pick(PickAction::All),
        Self::Pick(PickAction::UntilNext),
        Self::Pick(PickAction::UntilPrevious),
        Self::Pick(PickAction::UntilBelow),
        Self::Pick(PickAction::UntilAbove),
        Self::Pick(PickAction::Clear),
        Self::Show(Workspace::Explore),
        Self::Show(Workspace::Train),
        Self::Run(TrainAction::Start),
        Self::Run(TrainAction::Pause),
        Self::Run(TrainAction::OpenRecipe),
        Self::Run(TrainAction::SaveRecipe),
        Self::Run(TrainAction::EditAsText),
        Self::Run(TrainAction::Logarithmic),
        Self::Pane(PaneAction::Next),
        Self::Pane(PaneAction::Previous),
        Self::Pane(PaneAction::MoveLeft),
        Self::Pane(PaneAction::MoveRight),
        Self::Pane(PaneAction::MoveUp),
        Self::Pane(PaneAction::MoveDown),
        Self::Pane(PaneAction::Stack),
        Self::Pane(PaneAction::Widen),
        Self::Pane(PaneAction::Narrow),
        Self::Pane(PaneAction::Heighten),
        Self::Pane(PaneAction::Shorten),
    ];

    /// The key that is printed on buttons.
    pub fn key_text(self, ctx: &egui::Context) -> Option<String> {
        Keymap::first(ctx, self).map(|shortcut| printed(ctx, &shortcut))
    }

    /// What a button says while the pointer rests on it.
    pub fn hover_text(self, ctx: &egui::Context) -> String {
        let tooltip = self.entry().tooltip;
        self.key_text(ctx).map_or_else(|| tooltip.to_owned(), |key| format!("{tooltip} ({key})"))
    }

    /// Whether it is about a match with the same product: what only goes well with a garment has no plan and is not it.
    pub fn is_about_a_match(self) -> bool {
        matches!(
            self,
            Self::SameProduct
                | Self::NotThis
                | Self::SavePlan
                | Self::WhyAbove
                | Self::IgnoreRegion
                | Self::SwapRegion
                | Self::TestReason
                | Self::SaveEvidence
                | Self::Query(QueryAction::Like | QueryAction::Dislike)
        )
    }

    /// Moving through results is left to whatever holds the keyboard focus.
    pub fn moves_through_results(self) -> bool {
        match self {
            Self::NextResult | Self::PreviousResult | Self::ResultBelow | Self::ResultAbove => true,
            Self::Pick(action) => action.moves(),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_names_every_action_once() {
        let mut sorted = Action::ALL.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), Action::ALL.len());
        for action in Action::ALL {
            let entry = action.entry();
            assert!(!entry.name.is_empty() && !entry.tooltip.is_empty(), "{action:?}");
            assert!(!entry.tooltip.ends_with('.'), "{action:?}");
        }
    }
}
