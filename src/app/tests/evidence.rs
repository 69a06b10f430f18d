//! Evidence files: saved, dropped, shown read-only.

use std::path::PathBuf;
use std::sync::Arc;

use egui::{Key, Modifiers};

use super::fake;
use super::stage::Staged;
use crate::domain::{Arithmetic, MatchOptions, QueryEdit, QueryId};
use crate::jobs::{
    CheckState, Dialog, Event, EvidenceCheck, EvidenceDecision, EvidenceModel, EvidencePhoto, EvidenceRank,
    EvidenceRecord, EvidenceReport, Failure, FailureOf, Request, StudyEvent, StudyRequest,
};

fn study(request: StudyRequest) -> Request {
    Request::Study(request)
}

/// A file of three checks; the first fails where it was edited.
pub fn report(edited: bool) -> EvidenceReport {
    let Event::PlanReady { plan, .. } = fake::plan(QueryId(1), &fake::photo(2), MatchOptions::default()) else {
        unreachable!("a plan")
    };
    let check = |what: &str, state, says: &str| EvidenceCheck { what: what.into(), state, says: says.into() };
    let first = if edited {
        check("Street photo", CheckState::Fails, "query.jpg was changed after it was written")
    } else {
        check("Street photo", CheckState::Passes, "query.jpg is as it was written")
    };
    let photo = |name: &str, crop| EvidencePhoto {
        name: name.into(),
        photo: None,
        edit: QueryEdit::default(),
        crop,
        kind: None,
    };
    EvidenceReport {
        path: "/tmp/tram-p002_0.seamline".into(),
        record: EvidenceRecord {
            program: "seamline 0.1.0".into(),
            made_ms: 1_700_000_000_000,
            project: Some("Atelier".into()),
            query: photo("tram.jpg", Some(fake::CROP)),
            gallery: photo("p002_0.jpg", None),
            product: plan.product.clone(),
            model: EvidenceModel {
                name: "resnet18-atelier".into(),
                checkpoint: "3f9a51c07b1be2d4".into(),
                arithmetic: Arithmetic::F32,
            },
            options: plan.options,
            rank: Some(EvidenceRank { rank: 1, global_rank: 3, gallery_size: 1200 }),
            decision: Some(EvidenceDecision { same_product: true, author: "m".into(), at_ms: 1_700_000_000_000 }),
            further: Vec::new(),
            paint: None,
        },
        plan: (*plan).clone(),
        checks: vec![
            first,
            check(
                "Score",
                CheckState::Passes,
                "Global + weight × structural gives 0.9520, as stored 0.9520 (± 0.0001)",
            ),
            check("Score of the photos", CheckState::Skipped, "The model x is not on this machine"),
        ],
    }
}

#[test]
fn saving_evidence_asks_where_and_keeps_to_the_match_that_was_meant() {
    for by_key in [true, false] {
        let mut stage = Staged::searched();
        let (query, options) = (stage.query(), stage.options());
        if by_key {
            stage.press_with(Modifiers::COMMAND.plus(Modifiers::SHIFT), Key::E);
        } else {
            stage.click("Save evidence…");
        }
        let dialog = Dialog::SaveEvidence { suggested_name: "tram-p002_0.seamline".into() };
        assert_eq!(stage.asked_for(), [Request::AskPath(dialog.clone())]);
        // The selection moves on before the person has chosen a file.
        stage.press(Key::ArrowRight);
        stage.serve();
        stage.tell(Event::PathPicked { dialog, path: Some("/tmp/why".into()) });
        let path = PathBuf::from("/tmp/why.seamline");
        let photo = fake::photo(2);
        assert_eq!(
            stage.asked_for(),
            [study(StudyRequest::SaveEvidence { query, photo, options, path: path.clone() })]
        );
        stage.tell(Event::Saved { path });
        assert!(stage.sees("Saved why.seamline"));
    }
}

#[test]
fn a_dropped_or_opened_evidence_file_is_checked_even_before_a_project_is_open() {
    let mut stage = Staged::empty();
    stage.asked();
    stage.hover_file("/tmp/tram.seamline");
    assert!(stage.sees_part("Drop to check evidence"));
    stage.drop_file("/tmp/tram.seamline");
    let open = study(StudyRequest::OpenEvidence { path: "/tmp/tram.seamline".into() });
    assert_eq!(stage.asked_for(), std::slice::from_ref(&open));
    stage.tell(Event::PathPicked { dialog: Dialog::OpenPhoto, path: Some("/tmp/tram.seamline".into()) });
    assert_eq!(stage.asked_for(), [open]);
    let sentence = "This evidence file cannot be opened, because it is empty: /tmp/tram.seamline";
    let failure = Failure { of: FailureOf::Evidence, sentence: sentence.into(), details: None };
    stage.tell(Event::Failed(failure));
    assert!(stage.sees(sentence));
}

#[test]
fn evidence_is_shown_read_only_with_every_check_and_esc_leads_back() {
    let mut stage = Staged::searched();
    stage.asked();
    stage.tell(Event::Studied(StudyEvent::Evidence(Arc::new(report(false)))));
    assert!(stage.sees("Read-only evidence: tram-p002_0.seamline"));
    assert!(stage.sees("All 2 checks pass; 1 could not be made"));
    assert!(stage.sees("Street photo passes: query.jpg is as it was written"));
    assert!(stage.sees("Score of the photos was not made: The model x is not on this machine"));
    assert!(stage.sees_part("Same product, said by m on 2023-11-14 22:13 UTC"));
    assert!(stage.sees_part("Street photo cells, 7 × 7"), "the stored plan is drawn");
    assert!(stage.sees_part("Structural score: "));
    // Nothing of it can be changed.
    assert!(!stage.sees("Same product") && !stage.sees("Train on corrections"));
    assert_eq!(stage.asked_for(), []);
    stage.press(Key::Escape);
    assert!(!stage.sees_part("Read-only evidence") && stage.sees_part("Rank 1:"));
    stage.tell(Event::Studied(StudyEvent::Evidence(Arc::new(report(true)))));
    assert!(stage.sees("1 of 2 checks fail: Street photo"));
    assert!(stage.sees("Street photo fails: query.jpg was changed after it was written"));
    stage.click("Close evidence");
    assert!(!stage.sees_part("Read-only evidence"));
}
