//! What a kill in the middle leaves: the files as they lie on the disk at that moment, opened again.

use std::fs;
use std::path::Path;

use super::{different, matches, same, sample, write_sample};
use crate::project::Project;

/// What another process would find after `kill -9`: database and log, without the shared memory of the dead one.
fn copy_as_killed(from: &Path, to: &Path, wal_bytes: Option<usize>) {
    fs::create_dir_all(to).unwrap();
    fs::copy(from.join("project.db"), to.join("project.db")).unwrap();
    let wal = fs::read(from.join("project.db-wal")).unwrap();
    fs::write(to.join("project.db-wal"), &wal[..wal_bytes.unwrap_or(wal.len())]).unwrap();
}

#[test]
fn every_answer_that_was_saved_survives_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let mut project = sample(dir.path(), 12);
    for product in 1..12 {
        project.set_label(&matches(0, product), different(), "", None).unwrap();
        let copy = dir.path().join(format!("copy{product}"));
        copy_as_killed(dir.path(), &copy, None);
        let reopened = Project::open(&copy).unwrap();
        assert_eq!(reopened.corrections().unwrap(), project.corrections().unwrap());
        reopened.verify().unwrap();
    }
}

#[test]
fn a_kill_within_a_transaction_leaves_the_state_before_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut project = sample(dir.path(), 3);
    project.set_label(&matches(0, 1), same(), "", None).unwrap();
    // Half a transaction, spilt to the log by a tiny cache, never committed.
    project.connection.execute_batch("PRAGMA cache_size = 1; BEGIN IMMEDIATE").unwrap();
    for number in 0..2000 {
        project
            .connection
            .execute("INSERT INTO setting (key, value) VALUES (?1, ?2)", [format!("k{number}"), "v".repeat(200)])
            .unwrap();
    }
    let copy = dir.path().join("copy");
    copy_as_killed(dir.path(), &copy, None);
    let spilt = fs::metadata(copy.join("project.db-wal")).unwrap().len();
    assert!(spilt > 200_000, "the half transaction is in the log: {spilt} bytes");
    let mut reopened = Project::open(&copy).unwrap();
    reopened.verify().unwrap();
    assert_eq!(reopened.corrections().unwrap().len(), 1);
    assert_eq!(reopened.setting("k0").unwrap(), None);
    assert!(reopened.set_label(&matches(0, 2), different(), "", None).unwrap(), "and it goes on");
}

#[test]
fn a_torn_log_leaves_a_prefix_of_the_answers() {
    let dir = tempfile::tempdir().unwrap();
    let mut project = sample(dir.path(), 9);
    for product in 1..9 {
        project.set_label(&matches(0, product), different(), "", None).unwrap();
    }
    let whole = project.corrections().unwrap();
    let wal = usize::try_from(fs::metadata(dir.path().join("project.db-wal")).unwrap().len()).unwrap();
    let mut seen = Vec::new();
    for part in 0..=10 {
        let copy = dir.path().join(format!("torn{part}"));
        copy_as_killed(dir.path(), &copy, Some(wal * part / 10));
        let reopened = Project::open(&copy).unwrap();
        reopened.verify().unwrap();
        let corrections = reopened.corrections().unwrap();
        assert_eq!(corrections, whole[..corrections.len()]);
        seen.push(corrections.len());
    }
    assert_eq!((seen[0], seen[10]), (0, 8));
    assert!(seen.is_sorted());
}

#[test]
fn a_kill_while_the_project_is_made_leaves_none_and_making_it_again_works() {
    let dir = tempfile::tempdir().unwrap();
    write_sample(dir.path(), 3);
    fs::write(dir.path().join("project.db.part"), "half").unwrap();
    fs::write(dir.path().join("project.db.part-journal"), "half").unwrap();
    assert!(Project::open(dir.path()).is_err());
    let project = Project::create_from_manifest(dir.path()).unwrap();
    assert_eq!(project.counts().unwrap().products, 3);
    assert!(!dir.path().join("project.db.part-journal").exists());
}
