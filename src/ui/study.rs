//! What is asked about the shown match beyond its plan, and what is known of the answers. `app` changes it, panels
//! read it.

use std::path::PathBuf;
use std::sync::Arc;

use super::state::Plan;
use crate::domain::{
    CellStandings, Counterfactual, Faithful, Faithfulness, MatchOptions, PairSide, PhotoId, QueryId, Region,
    RegionSwap, SwapEdit,
};
use crate::jobs::types::{Answer, Comparison, EvidenceReport, Failure, Question};

/// What a panel asks `app` to do about questions and evidence.
#[derive(Clone, Debug, PartialEq)]
pub enum StudyCommand {
    /// Ask what if about these cells; none of them asks for nothing.
    Choose(Region),
    /// List the cells of this photo one by one.
    List(PairSide),
    /// Compare the shown match with this one.
    CompareWith(PhotoId),
    /// Make an edit that swaps two matches.
    Apply(SwapEdit),
    OpenEvidence(PathBuf),
    CloseEvidence,
}

/// What is to be done with the chosen cells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhatIf {
    #[default]
    Ignore,
    /// Each looks like what of the product it is matched with.
    Swap,
}

/// Of which match answers are.
#[derive(Clone, Debug, PartialEq)]
pub struct Subject {
    pub query: QueryId,
    pub photo: PhotoId,
    pub options: MatchOptions,
}

/// An evidence file on screen.
pub struct Evidence {
    pub report: Arc<EvidenceReport>,
    /// Its plan, ready to be drawn.
    pub plan: Plan,
}

/// Questions and answers about the shown match. All answers are of `subject`.
pub struct StudyState {
    pub subject: Option<Subject>,
    /// What is asked about the chosen cells.
    pub what_if: WhatIf,
    /// The chosen cells.
    pub region: Region,
    /// Which photo's cells are listed.
    pub listed: PairSide,
    /// The match to compare with; `None` is the next rank.
    pub other: Option<PhotoId>,
    pub ignored: Option<Arc<Counterfactual>>,
    pub swapped: Option<Arc<RegionSwap>>,
    pub each: Vec<Arc<CellStandings>>,
    pub above: Option<Arc<Comparison>>,
    pub faithfulness: Option<Arc<Faithfulness>>,
    /// What is being answered.
    pub asked: Option<Question>,
    /// What could not be answered, and why.
    pub failed: Option<(Question, Failure)>,
    /// The match that the person is choosing a file for.
    pub saving: Option<Subject>,
    pub evidence: Option<Evidence>,
}

impl Default for StudyState {
    fn default() -> Self {
        Self {
            subject: None,
            what_if: WhatIf::default(),
            region: Region::new(PairSide::Query, []),
            listed: PairSide::Query,
            other: None,
            ignored: None,
            swapped: None,
            each: Vec::new(),
            above: None,
            faithfulness: None,
            asked: None,
            failed: None,
            saving: None,
            evidence: None,
        }
    }
}

impl StudyState {
    /// Forgets all answers: they were of another match.
    pub fn turn_to(&mut self, subject: Option<Subject>) {
        // A region means a place of a photo; on another product's photo it would mean something else.
        let same_match = match (&self.subject, &subject) {
            (Some(before), Some(now)) => before.query == now.query && before.photo == now.photo,
            _ => false,
        };
        if !same_match {
            self.other = None;
            if self.region.side == PairSide::Gallery {
                self.region = Region::new(PairSide::Query, []);
            }
        }
        self.subject = subject;
        self.ignored = None;
        self.swapped = None;
        self.each.clear();
        self.above = None;
        self.faithfulness = None;
        self.asked = None;
        self.failed = None;
    }

    pub fn keep(&mut self, answer: Answer) {
        self.asked = None;
        self.failed = None;
        match answer {
            Answer::Ignore(answer) => self.ignored = Some(answer),
            Answer::IgnoreEach(answer) => {
                self.each.retain(|other| other.side != answer.side);
                self.each.push(answer);
            }
            Answer::Swap(answer) => self.swapped = Some(answer),
            Answer::Above(answer) => self.above = Some(answer),
            Answer::Faithfulness(answer) => self.faithfulness = Some(answer),
        }
    }

    pub fn each_of(&self, side: PairSide) -> Option<&Arc<CellStandings>> {
        self.each.iter().find(|each| each.side == side)
    }

    /// The answer about the chosen region ignored, where it is of that region.
    pub fn ignored_region(&self) -> Option<&Arc<Counterfactual>> {
        self.ignored.as_ref().filter(|answer| answer.region == self.region)
    }

    /// The same of the region swapped.
    pub fn swapped_region(&self) -> Option<&Arc<RegionSwap>> {
        self.swapped.as_ref().filter(|answer| answer.region == self.region)
    }

    /// One sentence to stand over the plan where it was tested and does not hold.
    pub fn warning(&self) -> Option<&'static str> {
        match self.faithfulness.as_ref()?.verdict() {
            Faithful::Better => None,
            Faithful::Partly => Some("Only partly better than random cells: this plan explains the score in part"),
            Faithful::NotBetter => Some("Not better than random cells: this plan does not explain the score"),
        }
    }
}
