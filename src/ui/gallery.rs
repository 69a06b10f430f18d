//! What the window knows of a person's own folder of photos. `app` changes it, panels read it.

use std::sync::Arc;

use crate::domain::{GalleryChange, SkipReason};
use crate::jobs::types::GalleryState;

/// What panels ask about the folder, besides the actions of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GalleryCommand {
    /// Lists only what was skipped for this reason; `None` lists all.
    ShowReason(Option<SkipReason>),
    /// Puts the list on the clipboard.
    CopyReport,
    /// Asks where to, then writes the list as CSV.
    SaveReport,
}

/// The person's folder on screen.
#[derive(Default)]
pub struct GalleryView {
    /// `None` where the open project is not over such a folder.
    pub state: Option<Arc<GalleryState>>,
    /// What changed since the order on screen was made.
    pub changed: GalleryChange,
    /// The sheet of what was skipped is open.
    pub report_open: bool,
    reason: Option<SkipReason>,
    /// How many were skipped for each reason, and the places of those that are listed: counted once, not every frame.
    counts: Vec<(SkipReason, usize)>,
    listed: Vec<usize>,
}

impl GalleryView {
    pub fn set_state(&mut self, state: Arc<GalleryState>) {
        let same = self.state.as_ref().is_some_and(|before| before.report.skipped == state.report.skipped);
        self.state = Some(state);
        if !same {
            self.count();
        }
    }

    pub fn show_reason(&mut self, reason: Option<SkipReason>) {
        self.reason = reason;
        self.count();
    }

    fn count(&mut self) {
        let Some(state) = &self.state else { return };
        self.counts = state.report.counts();
        // The last of its kind may have been mended.
        self.reason = self.reason.filter(|reason| self.counts.iter().any(|(counted, _)| counted == reason));
        let all = state.report.skipped.iter().enumerate();
        let fits = all.filter(|(_, skipped)| self.reason.is_none_or(|reason| skipped.reason == reason));
        self.listed = fits.map(|(place, _)| place).collect();
    }

    pub fn reason(&self) -> Option<SkipReason> {
        self.reason
    }

    pub fn counts(&self) -> &[(SkipReason, usize)] {
        &self.counts
    }

    /// Places in the report of what is listed.
    pub fn listed(&self) -> &[usize] {
        &self.listed
    }

    pub fn skipped(&self) -> usize {
        self.state.as_ref().map_or(0, |state| state.report.skipped.len())
    }
}
