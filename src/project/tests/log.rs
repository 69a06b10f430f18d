//! Labels, undo, corrections.

use rusqlite::Connection;

use super::{different, matches, same, sample};
use crate::domain::{CheckpointId, Label, LabelKey, LabelValue, Origin, PhotoId, ProductId};
use crate::project::{LabelAction, Project, ProjectError};

#[test]
fn an_answer_is_logged_with_author_time_before_after_reason_and_model() {
    let dir = tempfile::tempdir().unwrap();
    let mut project = sample(dir.path(), 3);
    project.set_author("ayu");
    let model = CheckpointId::new("0123456789abcdef");
    assert!(project.set_label(&matches(0, 1), same(), "asked", Some(&model)).unwrap());
    let events = project.events().unwrap();
    let [event] = &events[..] else { panic!("one event, not {}", events.len()) };
    assert_eq!((event.seq, event.author.as_str(), event.reason.as_str()), (1, "ayu", "asked"));
    assert_eq!((event.action, &event.before, &event.model), (LabelAction::Edit, &None, &Some(model)));
    assert!(event.at_ms > 1_700_000_000_000);
    let expected =
        Label { key: matches(0, 1), value: same().unwrap(), origin: Origin::Corrected { by: "ayu".to_owned() } };
    assert_eq!(event.after.as_ref(), Some(&expected));
    assert_eq!(project.label(&matches(0, 1)).unwrap(), Some(expected));
    assert_eq!(project.events_of(&PhotoId::new("street/p000_0.jpg")).unwrap(), events);
}

#[test]
fn what_came_with_the_data_is_given_until_a_person_says_otherwise() {
    let dir = tempfile::tempdir().unwrap();
    let mut project = sample(dir.path(), 2);
    let photo = PhotoId::new("shop/p000_0.jpg");
    let kind = LabelKey::Kind { photo: photo.clone() };
    assert_eq!(project.label(&kind).unwrap().unwrap().origin, Origin::Given);
    assert_eq!(project.label(&matches(0, 0)).unwrap().unwrap().origin, Origin::Given);
    assert_eq!(project.label(&matches(0, 1)).unwrap(), None);
    assert!(project.corrections().unwrap().is_empty());

    project.set_label(&kind, Some(LabelValue::Kind { name: "poncho".to_owned() }), "", None).unwrap();
    assert_eq!(project.kind_of(&photo).unwrap().as_deref(), Some("poncho"));
    assert!(project.kinds().unwrap().contains(&"poncho".to_owned()));
    assert_eq!(project.history().undo(), Some("Kind: poncho"));

    // Taken back, what was given shows again.
    project.set_label(&kind, None, "", None).unwrap();
    assert_eq!(project.kind_of(&photo).unwrap().as_deref(), Some("t-shirt"));
    project.verify().unwrap();
}

#[test]
fn saying_the_same_again_logs_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut project = sample(dir.path(), 2);
    assert!(project.set_label(&matches(0, 1), same(), "", None).unwrap());
    assert!(!project.set_label(&matches(0, 1), same(), "", None).unwrap());
    // There is no answer of a person's to take back here.
    assert!(!project.set_label(&matches(0, 0), None, "", None).unwrap());
    assert!(!project.set_label(&matches(1, 0), None, "", None).unwrap());
    assert_eq!(project.events().unwrap().len(), 1);
    // But confirming what was given is a person's word.
    assert!(project.set_label(&matches(0, 0), Some(LabelValue::SameProduct { crop: None }), "", None).unwrap());
}

#[test]
fn undo_and_redo_work_across_restarts_and_say_what_they_do() {
    let dir = tempfile::tempdir().unwrap();
    let mut project = sample(dir.path(), 3);
    project.set_label(&matches(0, 1), same(), "", None).unwrap();
    project.set_label(&matches(0, 1), different(), "", None).unwrap();
    drop(project);

    let mut project = Project::open(dir.path()).unwrap();
    assert_eq!(project.history().undo(), Some("Not this product: Breton long sleeve 1"));
    assert_eq!(project.undo().unwrap().as_deref(), Some("Not this product: Breton long sleeve 1"));
    assert_eq!(project.label(&matches(0, 1)).unwrap().map(|label| label.value), same());
    drop(project);

    let mut project = Project::open(dir.path()).unwrap();
    assert_eq!(project.history().undo(), Some("Same product: Breton long sleeve 1"));
    assert_eq!(project.history().redo(), Some("Not this product: Breton long sleeve 1"));
    project.undo().unwrap();
    assert_eq!(project.label(&matches(0, 1)).unwrap(), None);
    assert_eq!(project.undo().unwrap(), None, "nothing is left to undo");
    project.redo().unwrap();
    project.redo().unwrap();
    assert_eq!(project.label(&matches(0, 1)).unwrap().map(|label| label.value), different());
    assert_eq!(project.redo().unwrap(), None);

    // Undo and redo are events themselves: nothing that happened is lost.
    let actions: Vec<LabelAction> = project.events().unwrap().iter().map(|event| event.action).collect();
    use LabelAction::{Edit, Redo, Undo};
    assert_eq!(actions, [Edit, Edit, Undo { of: 2 }, Undo { of: 1 }, Redo { of: 1 }, Redo { of: 2 }]);
    project.verify().unwrap();
}

#[test]
fn a_new_edit_clears_redo() {
    let dir = tempfile::tempdir().unwrap();
    let mut project = sample(dir.path(), 3);
    project.set_label(&matches(0, 1), same(), "", None).unwrap();
    project.undo().unwrap();
    project.set_label(&matches(0, 2), different(), "", None).unwrap();
    assert_eq!(project.history().redo(), None);
    drop(project);
    let project = Project::open(dir.path()).unwrap();
    assert_eq!(
        (project.history().redo(), project.history().undo()),
        (None, Some("Not this product: Breton long sleeve 2"))
    );
}

#[test]
fn an_edit_with_its_inverse_leaves_all_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let mut project = sample(dir.path(), 2);
    for key in [matches(0, 1), matches(0, 0)] {
        let before = project.label(&key).unwrap();
        let edit = project.edit(&key, different()).unwrap();
        project.apply(&edit, "", None).unwrap();
        assert_ne!(project.label(&key).unwrap(), before);
        assert_eq!(edit.inverse().inverse(), edit);
        project.apply(&edit.inverse(), "", None).unwrap();
        assert_eq!(project.label(&key).unwrap(), before);
    }
}

#[test]
fn an_edit_of_a_label_that_changed_meanwhile_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut project = sample(dir.path(), 2);
    let stale = project.edit(&matches(0, 1), same()).unwrap();
    project.set_label(&matches(0, 1), different(), "", None).unwrap();
    assert!(matches!(project.apply(&stale, "", None), Err(ProjectError::Conflict { .. })));
    assert_eq!(project.label(&matches(0, 1)).unwrap().map(|label| label.value), different());
}

#[test]
fn labels_of_unknown_photos_and_products_are_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let mut project = sample(dir.path(), 1);
    let photo = LabelKey::Match { query: PhotoId::new("street/none.jpg"), product: ProductId::new("p000") };
    let error = project.set_label(&photo, same(), "", None).unwrap_err();
    assert!(error.to_string().contains("street/none.jpg"), "{error}");
    let error = project.set_label(&matches(0, 9), same(), "", None).unwrap_err();
    assert!(error.to_string().contains("p009"), "{error}");
    assert!(project.events().unwrap().is_empty());
}

#[test]
fn replaying_the_log_gives_the_present_labels() {
    let dir = tempfile::tempdir().unwrap();
    let mut project = sample(dir.path(), 6);
    // A walk through edits, undos and redos, fixed by a small generator.
    let mut state = 12345_u32;
    for _ in 0..300 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let (what, query, product) = ((state >> 24) % 8, (state >> 16) as usize % 6, (state >> 8) as usize % 6);
        match what {
            0 | 1 => drop(project.undo().unwrap()),
            2 => drop(project.redo().unwrap()),
            3 => drop(project.set_label(&matches(query, product), None, "", None).unwrap()),
            4 | 5 => drop(project.set_label(&matches(query, product), same(), "", None).unwrap()),
            _ => drop(project.set_label(&matches(query, product), different(), "", None).unwrap()),
        }
    }
    let corrections = project.corrections().unwrap();
    assert!(corrections.len() > 3, "the walk leaves something to compare");
    project.verify().unwrap();
    let database = Connection::open(dir.path().join("project.db")).unwrap();
    database.execute("DELETE FROM label", []).unwrap();
    assert!(project.verify().is_err(), "the comparison sees a lost label");
    project.rebuild_labels().unwrap();
    assert_eq!(project.corrections().unwrap(), corrections);
    project.verify().unwrap();
}

#[test]
fn the_log_refuses_update_and_delete() {
    let dir = tempfile::tempdir().unwrap();
    let mut project = sample(dir.path(), 2);
    project.set_label(&matches(0, 1), same(), "", None).unwrap();
    let database = Connection::open(dir.path().join("project.db")).unwrap();
    for statement in ["UPDATE label_event SET author = 'x'", "DELETE FROM label_event"] {
        let error = database.execute(statement, []).unwrap_err();
        assert!(error.to_string().contains("append-only"), "{error}");
    }
}

#[test]
fn a_log_that_was_changed_outside_shows_and_is_not_written_to() {
    let dir = tempfile::tempdir().unwrap();
    let mut project = sample(dir.path(), 3);
    for product in 0..3 {
        project.set_label(&matches(0, product), different(), "", None).unwrap();
    }
    drop(project);
    let database = Connection::open(dir.path().join("project.db")).unwrap();
    database
        .execute_batch("DROP TRIGGER label_event_is_never_changed; UPDATE label_event SET author = 'x' WHERE seq = 2")
        .unwrap();
    drop(database);
    let mut project = Project::open(dir.path()).unwrap();
    let why = project.read_only().unwrap();
    assert!(why.contains("entry 2"), "{why}");
    assert!(project.set_label(&matches(1, 2), same(), "", None).is_err());
    assert!(matches!(project.verify(), Err(ProjectError::LogChanged { entry: 2, .. })));
    assert_eq!(project.corrections().unwrap().len(), 3, "what is there can still be read");
}

#[test]
fn a_model_has_learnt_from_the_set_that_was_frozen_and_from_nothing_later() {
    let dir = tempfile::tempdir().unwrap();
    let mut project = sample(dir.path(), 4);
    let (old, new) = (CheckpointId::new("old"), CheckpointId::new("new"));
    project.set_label(&matches(0, 1), same(), "", None).unwrap();
    project.set_label(&matches(0, 2), different(), "", None).unwrap();
    let frozen = project.freeze_corrections().unwrap();
    assert_eq!((frozen.len(), frozen.up_to), (2, 2));
    project.set_label(&matches(0, 3), different(), "", None).unwrap();
    project.mark_trained(&new, &frozen).unwrap();
    assert_eq!((project.untrained(&old).unwrap(), project.untrained(&new).unwrap()), (3, 1));
    // A changed mind is a new correction; the old answer again is not.
    project.set_label(&matches(0, 1), different(), "", None).unwrap();
    assert_eq!(project.untrained(&new).unwrap(), 2);
    project.undo().unwrap();
    assert_eq!(project.untrained(&new).unwrap(), 1);
}
