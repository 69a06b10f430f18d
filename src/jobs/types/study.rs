//! Questions about one match, and their answers.

use std::path::PathBuf;
use std::sync::Arc;

use super::evidence::EvidenceReport;
use crate::domain::{
    CellStandings, Counterfactual, Difference, Faithfulness, MatchOptions, PairMatch, PairSide, PhotoId, ProductRecord,
    QueryId, Region, RegionSwap, SquarePicture, Swaps,
};

/// What can be asked about a match, and of evidence files.
#[derive(Clone, Debug, PartialEq)]
pub enum StudyRequest {
    /// Answered by `StudyEvent::Answered`; a later question ends an earlier one.
    Ask { query: QueryId, photo: PhotoId, options: MatchOptions, question: Question },
    /// Ends the question that is being answered.
    Stop,
    /// Writes all that is known of a match into one file; answered by `Event::Saved`.
    SaveEvidence { query: QueryId, photo: PhotoId, options: MatchOptions, path: PathBuf },
    /// Reads and checks such a file; answered by `StudyEvent::Evidence`.
    OpenEvidence { path: PathBuf },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// Would the match hold without this region?
    Ignore(Region),
    /// The same for each cell of a photo alone, with masked marginals.
    IgnoreEach(PairSide),
    /// Would the match win if this region of the street photo looked like what it was matched with?
    Swap(Region),
    /// Why does this photo stand above the other, or the other above it?
    Above { other: PhotoId },
    /// Do the contributions point at what the model used?
    Faithfulness,
}

#[derive(Clone, Debug, PartialEq)]
pub enum StudyEvent {
    Answered { query: QueryId, photo: PhotoId, options: MatchOptions, answer: Answer },
    Evidence(Arc<EvidenceReport>),
}

#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    Ignore(Arc<Counterfactual>),
    IgnoreEach(Arc<CellStandings>),
    Swap(Arc<RegionSwap>),
    Above(Arc<Comparison>),
    Faithfulness(Arc<Faithfulness>),
}

/// Two matches of one query.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    pub above: Contender,
    pub below: Contender,
    pub difference: Difference,
    pub swaps: Swaps,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Contender {
    pub photo: PhotoId,
    pub product: ProductRecord,
    /// From 1, among the photos that were compared cell by cell.
    pub rank: usize,
    pub pair: PairMatch,
    pub picture: SquarePicture,
}
