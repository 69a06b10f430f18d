//! Rules, past searches, and one Undo over both logs.

use super::{matches, same, sample};
use crate::domain::{
    CheckpointId, CropRect, Effect, LoggedHit, LoggedPhoto, LoggedSearch, MatchOptions, PhotoId, ProductId, Recipe,
    ShelfOptions, Subject,
};
use crate::project::{Project, ProjectError, ShelfEdit, Undone};

fn of(number: usize) -> Subject {
    Subject::Product { product: ProductId::new(format!("p{number:03}")) }
}

fn boost(number: usize) -> ShelfEdit {
    ShelfEdit::AddRule { subject: of(number), effect: Effect::Boost { by: 0.1 } }
}

fn effects(project: &Project) -> Vec<(i64, Effect, bool)> {
    project.rules().unwrap().into_iter().map(|rule| (rule.id, rule.effect, rule.enabled)).collect()
}

pub fn logged(hash: &str, x: f32) -> LoggedSearch {
    LoggedSearch {
        photo: LoggedPhoto::Project { photo: PhotoId::new("street/p000_0.jpg") },
        photo_name: "p000_0.jpg".into(),
        content_hash: hash.into(),
        crop: CropRect::new(x, 0.0, 10.0, 10.0),
        whole: false,
        recipe: Recipe::default(),
        also: Vec::new(),
        paint: None,
        options: MatchOptions::default(),
        shelf: ShelfOptions::default(),
        rules: Vec::new(),
        checkpoint: CheckpointId::new("0123456789abcdef"),
        model: "tiny".into(),
        device: "CPU".into(),
        gallery: "g1".into(),
        gallery_photos: 3,
        catalogue: 1,
        hits: vec![LoggedHit { photo: PhotoId::new("shop/p000_0.jpg"), product: ProductId::new("p000"), score: 0.5 }],
    }
}

#[test]
fn rules_are_kept_say_who_made_them_and_survive_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let mut project = sample(dir.path(), 3);
    project.set_author("mia");
    assert!(project.apply_shelf(&boost(1)).unwrap());
    assert!(!project.apply_shelf(&boost(1)).unwrap(), "it holds already");
    let value = Subject::Value { column: "colour".into(), value: "navy".into() };
    project.apply_shelf(&ShelfEdit::AddRule { subject: value, effect: Effect::Exclude }).unwrap();
    // A second boost of the same product changes the first.
    project.apply_shelf(&ShelfEdit::AddRule { subject: of(1), effect: Effect::Boost { by: 0.3 } }).unwrap();
    project.apply_shelf(&ShelfEdit::EnableRule { id: 2, enabled: false }).unwrap();
    drop(project);
    let project = Project::open(dir.path()).unwrap();
    assert_eq!(effects(&project), [(1, Effect::Boost { by: 0.3 }, true), (2, Effect::Exclude, false)]);
    let rule = &project.rules().unwrap()[0];
    assert_eq!(rule.author, "mia");
    assert!(rule.at_ms > 0);
}

#[test]
fn undo_takes_back_whatever_was_last_of_labels_and_rules_across_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let mut project = sample(dir.path(), 3);
    let label = |project: &Project| project.label(&matches(0, 1)).unwrap().is_some();
    project.apply_shelf(&boost(0)).unwrap();
    project.set_label(&matches(0, 1), same(), "", None).unwrap();
    project.apply_shelf(&ShelfEdit::RemoveRule { id: 1 }).unwrap();
    drop(project);
    let mut project = Project::open(dir.path()).unwrap();
    let shelf = |says: &str| Some(Undone::Shelf(says.to_owned()));
    let is_label = |undone: Option<Undone>| matches!(undone, Some(Undone::Label(_)));
    assert_eq!(project.undo_last().unwrap(), shelf("Remove a rule: Breton long sleeve 0"));
    assert_eq!((effects(&project).len(), label(&project)), (1, true));
    assert!(is_label(project.undo_last().unwrap()));
    assert!(!label(&project));
    assert_eq!(project.undo_last().unwrap(), shelf("Boosted by 0.10: Breton long sleeve 0"));
    assert_eq!((effects(&project).len(), project.undo_last().unwrap()), (0, None));
    drop(project);
    // Redo goes the same way forward.
    let mut project = Project::open(dir.path()).unwrap();
    assert_eq!(project.redo_last().unwrap(), shelf("Boosted by 0.10: Breton long sleeve 0"));
    assert!(is_label(project.redo_last().unwrap()));
    assert_eq!((effects(&project).len(), label(&project)), (1, true));
    assert_eq!(project.redo_last().unwrap(), shelf("Remove a rule: Breton long sleeve 0"));
    assert_eq!((effects(&project).len(), project.redo_last().unwrap()), (0, None));
    assert!(project.verify().is_ok());
}

#[test]
fn many_rules_are_one_step_that_one_undo_takes_back_across_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let mut project = sample(dir.path(), 4);
    let bury = Effect::Bury { by: 0.1 };
    project.apply_shelf(&boost(0)).unwrap();
    let before = effects(&project);
    let add = vec![(of(1), bury), (of(0), bury), (of(2), Effect::Pin { place: 3 })];
    let many = ShelfEdit::Rules { remove: vec![1], add };
    assert!(project.apply_shelf(&many).unwrap());
    let after = vec![(2, bury, true), (3, bury, true), (4, Effect::Pin { place: 3 }, true)];
    assert_eq!(effects(&project), after);
    assert!(!project.apply_shelf(&ShelfEdit::Rules { remove: vec![1], add: vec![(of(1), bury)] }).unwrap());
    drop(project);
    let mut project = Project::open(dir.path()).unwrap();
    assert_eq!(project.undo_last().unwrap(), Some(Undone::Shelf("Pinned: 3 products".into())));
    assert_eq!(effects(&project), before);
    assert_eq!(project.redo_last().unwrap(), Some(Undone::Shelf("Pinned: 3 products".into())));
    assert_eq!(effects(&project), after);
    // Numbers that were once given are not given again.
    project.apply_shelf(&ShelfEdit::Rules { remove: vec![2, 3, 4], add: Vec::new() }).unwrap();
    project.apply_shelf(&boost(3)).unwrap();
    assert_eq!(effects(&project), [(5, Effect::Boost { by: 0.1 }, true)]);
    assert!(project.verify().is_ok());
}

#[test]
fn a_new_change_of_either_log_ends_what_could_be_made_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut project = sample(dir.path(), 3);
    project.apply_shelf(&boost(0)).unwrap();
    project.undo_last().unwrap();
    project.set_label(&matches(0, 1), same(), "", None).unwrap();
    assert_eq!(project.next_redo().unwrap(), None, "the boost was overtaken by a label");
    project.undo_last().unwrap();
    project.apply_shelf(&boost(2)).unwrap();
    assert_eq!(project.next_redo().unwrap(), None, "the label was overtaken by a boost");
}

#[test]
fn a_log_that_was_changed_outside_is_noticed_and_nothing_is_added_to_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut project = sample(dir.path(), 3);
    project.apply_shelf(&boost(0)).unwrap();
    assert!(project.connection.execute("UPDATE shelf_event SET author = 'eve'", []).is_err(), "append-only");
    project
        .connection
        .execute_batch("DROP TRIGGER shelf_event_is_never_changed; UPDATE shelf_event SET author = 'eve';")
        .unwrap();
    drop(project);
    let mut project = Project::open(dir.path()).unwrap();
    assert!(project.read_only().unwrap().contains("rules and searches"));
    assert!(matches!(project.apply_shelf(&boost(1)), Err(ProjectError::ReadOnly { .. })));
}

#[test]
fn the_catalogue_counts_changes_of_products() {
    let dir = tempfile::tempdir().unwrap();
    let project = sample(dir.path(), 3);
    let before = project.catalogue().unwrap();
    project.connection.execute("UPDATE product SET kind = 'knit' WHERE product = 'p001'", []).unwrap();
    assert_eq!(project.catalogue().unwrap(), before + 1);
}

#[test]
fn the_same_part_of_a_photo_is_one_search_until_it_is_saved() {
    let dir = tempfile::tempdir().unwrap();
    let mut project = sample(dir.path(), 3);
    let first = project.log_search(&logged("h1", 0.0), &[1; 16]).unwrap();
    let other = project.log_search(&logged("h1", 5.0), &[1; 16]).unwrap();
    assert_ne!(first, other, "another part is another search");
    assert_eq!(project.log_search(&logged("h1", 0.0), &[1; 16]).unwrap(), first);
    project.apply_shelf(&ShelfEdit::StarSearch { id: first, starred: true }).unwrap();
    let newer = project.log_search(&logged("h1", 0.0), &[1; 16]).unwrap();
    assert_ne!(newer, first, "a saved search stays as it was");
    let ids = |project: &Project| project.past_searches().unwrap().iter().map(|past| past.id).collect::<Vec<_>>();
    assert_eq!(ids(&project).len(), 3);
    assert_eq!(project.gallery_seen("g1").unwrap(), Some(vec![1; 16]));
    assert_eq!(project.gallery_seen("g2").unwrap(), None);

    project.apply_shelf(&ShelfEdit::NameSearch { id: first, name: Some(" Tram ".into()) }).unwrap();
    project.apply_shelf(&ShelfEdit::DeleteSearch { id: first }).unwrap();
    assert!(!ids(&project).contains(&first));
    assert_eq!(project.undo_last().unwrap(), Some(Undone::Shelf("Delete a search".into())));
    let past = project.past_search(first).unwrap().unwrap();
    assert_eq!((past.title(), past.card.starred, past.card.deleted), ("Tram", true, false));
    assert_eq!(past.search, logged("h1", 0.0));
}

#[test]
fn only_searches_without_a_star_are_ever_let_go_of() {
    let dir = tempfile::tempdir().unwrap();
    let mut project = sample(dir.path(), 2);
    project.connection.pragma_update(None, "synchronous", "OFF").unwrap();
    let saved = project.log_search(&logged("h0", 0.0), &[]).unwrap();
    project.apply_shelf(&ShelfEdit::StarSearch { id: saved, starred: true }).unwrap();
    for number in 1..=205 {
        project.log_search(&logged(&format!("h{number}"), 0.0), &[]).unwrap();
    }
    let past = project.past_searches().unwrap();
    assert_eq!(past.len(), 201);
    assert!(past.iter().any(|past| past.id == saved));
}
