//! What an evidence file holds, and what checking it gave.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::PlanInfo;
use crate::domain::{
    Arithmetic, CellPaint, CheckpointId, CropRect, MatchOptions, PhotoId, ProductRecord, QueryEdit, Utc,
};

/// Everything about a match but its photos, plan and picture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EvidenceRecord {
    /// Which program wrote it, such as "seamline 0.1.0".
    pub program: String,
    /// Milliseconds since 1970, UTC.
    pub made_ms: i64,
    /// The project's name, where the match is of one.
    pub project: Option<String>,
    pub query: EvidencePhoto,
    pub gallery: EvidencePhoto,
    pub product: ProductRecord,
    pub model: EvidenceModel,
    pub options: MatchOptions,
    /// Where the match stood; `None` where two photos were compared without a search.
    pub rank: Option<EvidenceRank>,
    pub decision: Option<EvidenceDecision>,
    /// What the query was made of besides the street photo, in the order of the file's further photos.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub further: Vec<EvidenceFurther>,
    /// With painted marginals: what was painted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paint: Option<EvidencePaint>,
}

/// A photo whose global vector is part of the query's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EvidenceFurther {
    #[serde(rename = "as")]
    pub role: FurtherRole,
    pub photo: EvidencePhoto,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FurtherRole {
    /// Another photo of the garment.
    Also,
    Liked,
    Disliked,
}

impl FurtherRole {
    /// As a person calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Also => "Added photo",
            Self::Liked => "Liked product",
            Self::Disliked => "Disliked product",
        }
    }
}

/// Importance that a person painted; a photo without keeps its cross-correlation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EvidencePaint {
    /// On the searched part of the street photo.
    pub query: Option<CellPaint>,
    /// On the compared part of the product photo.
    pub gallery: Option<CellPaint>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EvidencePhoto {
    /// The file's name, for people.
    pub name: String,
    /// Its id in the project, where it is part of one.
    pub photo: Option<PhotoId>,
    /// How the upright photo was turned before anything else.
    #[serde(default)]
    pub edit: QueryEdit,
    /// The part that was compared, in pixels of the turned photo; `None` is the whole.
    pub crop: Option<CropRect>,
    /// The kind that the garment is known to be of, by which some networks encode it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EvidenceModel {
    pub name: String,
    /// The start of the BLAKE3 hash of its weights.
    pub checkpoint: CheckpointId,
    /// What it computed in.
    #[serde(default)]
    pub arithmetic: Arithmetic,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvidenceRank {
    /// From 1.
    pub rank: usize,
    /// Before structural re-ranking.
    pub global_rank: usize,
    /// Photos that were searched.
    pub gallery_size: usize,
}

/// What a person said about the match.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvidenceDecision {
    pub same_product: bool,
    pub author: String,
    /// Milliseconds since 1970, UTC.
    pub at_ms: i64,
}

/// An evidence file that was read and checked.
#[derive(Clone, Debug, PartialEq)]
pub struct EvidenceReport {
    pub path: PathBuf,
    pub record: EvidenceRecord,
    /// As it is stored; a photo that cannot be read is a grey square.
    pub plan: PlanInfo,
    pub checks: Vec<EvidenceCheck>,
}

impl EvidenceReport {
    pub fn failures(&self) -> impl Iterator<Item = &EvidenceCheck> {
        self.checks.iter().filter(|check| check.state == CheckState::Fails)
    }

    /// Nothing that could be checked is wrong.
    pub fn verifies(&self) -> bool {
        self.failures().next().is_none()
    }

    /// "All 8 checks pass", "2 of 8 checks fail: Street photo, Score".
    pub fn summary(&self) -> String {
        let done = self.checks.iter().filter(|check| check.state != CheckState::Skipped).count();
        let failed: Vec<&str> = self.failures().map(|check| check.what.as_str()).collect();
        if failed.is_empty() {
            let skipped = self.checks.len() - done;
            let rest = if skipped > 0 { format!("; {skipped} could not be made") } else { String::new() };
            format!("All {done} checks pass{rest}")
        } else {
            format!("{} of {done} checks fail: {}", failed.len(), failed.join(", "))
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckState {
    Passes,
    Fails,
    /// It could not be made here; the words say why.
    Skipped,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EvidenceCheck {
    /// The part that is checked, such as "Street photo".
    pub what: String,
    pub state: CheckState,
    /// One sentence.
    pub says: String,
}

/// "2026-11-21 16:05 UTC".
pub fn utc_text(ms: i64) -> String {
    let utc = Utc::of_ms(ms);
    format!("{} {} UTC", utc.date(), utc.time())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_as_in_a_calendar() {
        // `date -u -d @… "+%F %R"`.
        assert_eq!(utc_text(0), "1970-01-01 00:00 UTC");
        assert_eq!(utc_text(951_782_399_999), "2000-02-28 23:59 UTC");
        assert_eq!(utc_text(951_782_400_000), "2000-02-29 00:00 UTC");
        assert_eq!(utc_text(4_107_542_399_000), "2100-02-28 23:59 UTC");
        assert_eq!(utc_text(-60_000), "1969-12-31 23:59 UTC");
        assert!(!utc_text(i64::MIN).is_empty() && !utc_text(i64::MAX).is_empty());
    }
}
