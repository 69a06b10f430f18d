//! Making and opening projects, and every way in which that can fail.

use std::collections::BTreeSet;
use std::error::Error as _;
use std::fs;

use rusqlite::Connection;

use super::{matches, photo_record, same, sample, write_manifest, write_sample};
use crate::domain::{CropRect, ManifestRecord, PhotoDomain, PhotoId, ProductId, Split};
use crate::project::{Counts, Project, ProjectError, Session, write_beside};

#[test]
fn a_manifest_becomes_products_and_photos_with_their_truth() {
    let dir = tempfile::tempdir().unwrap();
    let project = sample(dir.path(), 700);
    assert_eq!(project.counts().unwrap(), Counts { products: 700, shop_photos: 700, street_photos: 700 });
    assert!(project.is_sample().unwrap());
    assert_eq!(project.kinds().unwrap(), ["coat", "t-shirt"]);
    let product = project.product(&ProductId::new("p002")).unwrap().unwrap();
    assert_eq!((product.split, product.attributes["colour"].as_str()), (Some(Split::Test), "navy"));
    let photo = project.photo(&PhotoId::new("street/p002_0.jpg")).unwrap().unwrap();
    assert_eq!((photo.domain, photo.width, photo.height), (PhotoDomain::Street, 320, 240));
    assert_eq!(photo.bbox, Some(CropRect::new(10.5, 20.25, 100.0, 120.0)));
    assert_eq!(photo.content_hash.unwrap(), blake3::hash(b"street/p002_0.jpg").to_hex().to_string());
    let record = photo_record(&ProductId::new("p002"), 2, PhotoDomain::Street);
    assert_eq!(project.garments(&photo.photo).unwrap(), record.garments);
    // Pages are the list, cut.
    let all = project.photos(PhotoDomain::Shop).unwrap();
    let pages: Vec<_> =
        (0..7).flat_map(|page| project.photo_page(PhotoDomain::Shop, page * 100, 100).unwrap()).collect();
    assert_eq!(all, pages);
}

#[test]
fn the_database_keeps_what_it_says_it_saved() {
    let dir = tempfile::tempdir().unwrap();
    let project = sample(dir.path(), 1);
    let pragma = |name: &str| -> String {
        project
            .connection
            .pragma_query_value(None, name, |row| row.get::<_, rusqlite::types::Value>(0))
            .map(|value| match value {
                rusqlite::types::Value::Text(text) => text,
                rusqlite::types::Value::Integer(number) => number.to_string(),
                other => format!("{other:?}"),
            })
            .unwrap()
    };
    assert_eq!(pragma("journal_mode"), "wal");
    assert_eq!(pragma("synchronous"), "2", "FULL");
    assert_eq!(pragma("foreign_keys"), "1");
    assert_eq!(pragma("busy_timeout"), "5000");
}

#[test]
fn a_folder_that_is_no_project_is_refused_in_one_sentence_with_its_path() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("none");
    let file = dir.path().join("file");
    fs::write(&file, "x").unwrap();
    let foreign = dir.path().join("foreign");
    fs::create_dir(&foreign).unwrap();
    Connection::open(foreign.join("project.db")).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
    let damaged = dir.path().join("damaged");
    fs::create_dir(&damaged).unwrap();
    fs::write(damaged.join("project.db"), vec![0x41; 8192]).unwrap();
    let empty = dir.path().join("empty");
    fs::create_dir(&empty).unwrap();
    let says = |path: &std::path::Path| {
        let text = Project::open(path).unwrap_err().to_string();
        assert!(text.contains(&path.display().to_string()), "{text} names the path");
        assert!(!text.contains('\n'), "{text} is one sentence");
        text
    };
    assert!(says(&missing).contains("no project folder"));
    assert!(says(&file).contains("file, not a project"));
    assert!(says(&empty).contains("not a Seamline project"));
    assert!(says(&foreign).contains("another program"));
    assert!(says(&damaged).contains("damaged"));
    assert!(!missing.exists(), "looking makes nothing");
}

#[test]
fn a_truncated_database_is_damaged_not_a_panic() {
    let dir = tempfile::tempdir().unwrap();
    drop(sample(dir.path(), 200));
    let path = dir.path().join("project.db");
    let bytes = fs::read(&path).unwrap();
    for keep in [bytes.len() / 2, 4096, 1000, 99] {
        fs::write(&path, &bytes[..keep]).unwrap();
        let outcome = Project::open(dir.path()).and_then(|project| {
            project.verify()?;
            project.photos(PhotoDomain::Street)
        });
        let error = outcome.expect_err("a part is not the whole");
        assert!(error.to_string().contains("project.db"), "{error}");
    }
}

#[test]
fn a_newer_layout_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    drop(sample(dir.path(), 1));
    let path = dir.path().join("project.db");
    let newer = "UPDATE refinery_schema_history SET version = 99 WHERE version = 1";
    Connection::open(&path).unwrap().execute(newer, []).unwrap();
    let error = Project::open(dir.path()).unwrap_err();
    assert!(matches!(error, ProjectError::Newer { found: 99, .. }), "{error}");
}

#[test]
fn a_second_window_reads_and_says_why_it_cannot_save() {
    let dir = tempfile::tempdir().unwrap();
    let mut first = sample(dir.path(), 2);
    let mut second = Project::open(dir.path()).unwrap();
    assert!(first.read_only().is_none());
    assert!(second.read_only().unwrap().contains("another window"));
    first.set_label(&matches(0, 1), same(), "", None).unwrap();
    assert_eq!(second.corrections().unwrap().len(), 1, "it sees what the first one saves");
    let error = second.set_label(&matches(1, 0), same(), "", None).unwrap_err();
    assert!(error.to_string().contains("already open in another window"), "{error}");
    drop(first);
    drop(second);
    assert!(Project::open(dir.path()).unwrap().read_only().is_none(), "the lock goes with its owner");
}

#[test]
fn a_folder_that_cannot_be_written_is_read() {
    let dir = tempfile::tempdir().unwrap();
    drop(sample(dir.path(), 2));
    // A folder in the lock's place cannot be opened for writing, whoever runs the test.
    fs::remove_file(dir.path().join("project.lock")).unwrap();
    fs::create_dir(dir.path().join("project.lock")).unwrap();
    let mut project = Project::open(dir.path()).unwrap();
    assert_eq!(project.counts().unwrap().products, 2);
    let error = project.set_label(&matches(0, 1), same(), "", None).unwrap_err();
    assert!(error.to_string().contains("cannot be written"), "{error}");
    assert!(project.read_only().unwrap().contains(&dir.path().display().to_string()));
}

#[test]
fn a_full_disk_is_said_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut project = sample(dir.path(), 2);
    project.set_label(&matches(0, 1), same(), "", None).unwrap();
    let pages: i64 = project.connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
    let _: i64 = project.connection.pragma_update_and_check(None, "max_page_count", pages, |row| row.get(0)).unwrap();
    let long = "x".repeat(1 << 20);
    let error = project.set_label(&matches(1, 0), same(), &long, None).unwrap_err();
    assert!(error.to_string().contains("disk is full"), "{error}");
    assert!(error.source().is_some());
    assert_eq!(project.corrections().unwrap().len(), 1);
    project.verify().unwrap();
    drop(project);
    let mut project = Project::open(dir.path()).unwrap();
    assert!(project.set_label(&matches(1, 0), same(), "", None).unwrap(), "once there is room it goes on");
}

#[test]
fn a_bad_manifest_names_its_line_and_leaves_no_project() {
    let photo = |name: &str, product: &str| {
        let mut record = photo_record(&ProductId::new(product), 0, PhotoDomain::Shop);
        record.photo = PhotoId::new(name);
        ManifestRecord::Photo(record)
    };
    let cases = [
        (photo("../outside.jpg", "p000"), "not in the folder"),
        (photo("/etc/passwd", "p000"), "not in the folder"),
        (photo("shop/p000_0.jpg", "p000"), "named twice"),
        (photo("shop/other.jpg", "p777"), "p777"),
    ];
    for (bad, expected) in cases {
        let dir = tempfile::tempdir().unwrap();
        write_sample(dir.path(), 1);
        let path = dir.path().join("manifest.jsonl");
        let mut text = fs::read_to_string(&path).unwrap();
        text.push_str(&serde_json::to_string(&bad).unwrap());
        fs::write(&path, text).unwrap();
        let error = Project::create_from_manifest(dir.path()).unwrap_err().to_string();
        assert!(error.contains(expected) && error.contains("line 5"), "{error}");
        let left: BTreeSet<String> =
            fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        assert_eq!(left, ["manifest.jsonl", "project.lock", "shop", "street"].map(String::from).into());
    }
    let dir = tempfile::tempdir().unwrap();
    write_sample(dir.path(), 1);
    fs::write(dir.path().join("manifest.jsonl"), "{\"record\":\"product\"").unwrap();
    let error = Project::create_from_manifest(dir.path()).unwrap_err().to_string();
    assert!(error.contains("line 1") && error.contains("manifest.jsonl"), "{error}");
    write_manifest(dir.path(), &[]);
    assert!(Project::create_from_manifest(dir.path()).unwrap_err().to_string().contains("no product"));
}

#[test]
fn a_project_is_not_made_twice() {
    let dir = tempfile::tempdir().unwrap();
    drop(sample(dir.path(), 1));
    let error = Project::create_from_manifest(dir.path()).unwrap_err();
    assert!(matches!(error, ProjectError::AlreadyThere { .. }), "{error}");
    let error = Project::create(dir.path(), "again").unwrap_err();
    assert!(matches!(error, ProjectError::AlreadyThere { .. }), "{error}");
}

#[test]
fn vanished_photos_are_a_report() {
    let dir = tempfile::tempdir().unwrap();
    let project = sample(dir.path(), 3);
    assert!(project.missing_photos().unwrap().missing.is_empty());
    fs::remove_file(dir.path().join("shop/p001_0.jpg")).unwrap();
    let report = project.missing_photos().unwrap();
    assert_eq!((report.checked, report.missing), (6, vec![PhotoId::new("shop/p001_0.jpg")]));
}

#[test]
fn an_outside_photo_is_copied_once_and_can_be_labelled() {
    let dir = tempfile::tempdir().unwrap();
    let mut project = sample(dir.path(), 1);
    let png = [&b"\x89PNG\r\n\x1a\n"[..], &[0; 32]].concat();
    let photo = project.import_query_photo(&png, "holiday.JPG", 640, 480).unwrap();
    assert!(photo.as_str().starts_with("street/added/") && photo.as_str().ends_with(".png"), "{photo}");
    assert_eq!(fs::read(project.paths().photo(&photo)).unwrap(), png);
    assert_eq!(project.import_query_photo(&png, "copy.png", 640, 480).unwrap(), photo);
    let row = project.photo(&photo).unwrap().unwrap();
    assert_eq!((row.product, row.width, row.height), (None, 640, 480));
    // A photo that the project has already is itself.
    let known = project.import_query_photo(b"street/p000_0.jpg", "drop.jpg", 1, 1).unwrap();
    assert_eq!(known.as_str(), "street/p000_0.jpg");
    let error = project.import_query_photo(b"hello", "letter.txt", 1, 1).unwrap_err();
    assert!(error.to_string().contains("letter.txt"), "{error}");
    assert_eq!(fs::read_dir(project.paths().added()).unwrap().count(), 1);
}

#[test]
fn settings_and_names_survive() {
    let dir = tempfile::tempdir().unwrap();
    let mut project = Project::create(&dir.path().join("deep/er"), "Autumn").unwrap();
    assert_eq!(project.current_model().unwrap(), None);
    project.set_current_model(&"abc".into()).unwrap();
    drop(project);
    let project = Project::open(&dir.path().join("deep/er")).unwrap();
    assert_eq!((project.name(), project.current_model().unwrap()), ("Autumn", Some("abc".into())));
    assert!(!project.is_sample().unwrap());
}

#[test]
fn the_session_comes_back_and_a_broken_one_is_empty() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("data");
    assert_eq!(Session::load_from(&place), Session::default());
    let mut session = Session { project: Some("/somewhere/else".into()), ..Session::default() };
    for place in ["/a", "/b", "/a"] {
        session.opened(place.into(), format!("the one at {place}"));
    }
    let recent: Vec<_> = session.recent.iter().map(|recent| recent.name.as_str()).collect();
    assert_eq!(recent, ["the one at /a", "the one at /b"], "each once, the last one first");
    assert_eq!(session.project, Some("/a".into()));
    (0..20).for_each(|n| session.opened(format!("/{n}").into(), n.to_string()));
    assert_eq!(session.recent.len(), 8);
    session.save_to(&place).unwrap();
    assert_eq!(Session::load_from(&place), session);
    fs::write(place.join("session.json"), "{\"project\": 3").unwrap();
    assert_eq!(Session::load_from(&place), Session::default());
}

#[test]
fn a_file_is_replaced_whole_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.json");
    write_beside(&path, b"one").unwrap();
    write_beside(&path, b"two").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"two");
    assert!(write_beside(&dir.path().join("none/a.json"), b"x").is_err());
    fs::create_dir(dir.path().join("taken")).unwrap();
    fs::write(dir.path().join("taken/x"), "x").unwrap();
    assert!(write_beside(&dir.path().join("taken"), b"x").is_err());
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "nothing is left beside");
}

#[test]
#[ignore = "takes seconds: the size of a real catalogue"]
fn a_hundred_thousand_photos_are_fast() {
    let dir = tempfile::tempdir().unwrap();
    write_sample(dir.path(), 50_000);
    let start = std::time::Instant::now();
    let mut project = Project::create_from_manifest(dir.path()).unwrap();
    println!("made in {:?}", start.elapsed());
    let start = std::time::Instant::now();
    assert_eq!(project.photos(PhotoDomain::Shop).unwrap().len(), 50_000);
    println!("listed in {:?}", start.elapsed());
    let start = std::time::Instant::now();
    assert_eq!(project.products().unwrap().len(), 50_000);
    println!("products in {:?}", start.elapsed());
    let start = std::time::Instant::now();
    assert!(project.missing_photos().unwrap().missing.is_empty());
    println!("looked for in {:?}", start.elapsed());
    let start = std::time::Instant::now();
    for product in 1..1000 {
        project.set_label(&matches(0, product), same(), "", None).unwrap();
    }
    println!("a label in {:?}", start.elapsed() / 999);
    drop(project);
    let start = std::time::Instant::now();
    drop(Project::open(dir.path()).unwrap());
    println!("opened in {:?}", start.elapsed());
}
