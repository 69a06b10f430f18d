//! A person's own folder of photos, from dropping it to searching in it, and what may happen to it meanwhile.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Machine, Window};
use crate::domain::{
    GalleryChange, MatchOptions, ProductId, QueryId, Ranking, ShelfOptions, SkipReason, Stage, StopFlag,
};
use crate::jobs::{
    Event, FailureOf, GalleryEvent, GalleryRequest, GalleryState, JobError, Mark, QueryPhoto, Request, ShelfRequest,
    intake,
};
use crate::project::Project;

/// A small photo that no other number gives.
fn write_photo(path: &Path, number: usize) {
    let picture = image::RgbImage::from_fn(24, 32, |x, y| {
        let mix = |k: usize| ((number * k + x as usize * (3 + number % 7) + y as usize * k) % 251) as u8;
        image::Rgb([mix(7), mix(31), mix(101)])
    });
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    // Beside and renamed, so that nobody ever sees half of it.
    let beside = path.with_extension("part");
    picture.save_with_format(&beside, image::ImageFormat::Png).unwrap();
    fs::rename(beside, path).unwrap();
}

fn folder_with(machine: &Machine, photos: usize) -> PathBuf {
    let folder = machine.dir.path().join("shop photos");
    for number in 0..photos {
        write_photo(&folder.join(format!("tops/A{number:03}.png")), number);
    }
    folder
}

fn listing(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        if entry.path().is_dir() {
            found.extend(listing(&entry.path()));
        }
        found.push(entry.path());
    }
    found.sort();
    found
}

impl Window {
    /// The next state of the folder for which `wanted` holds.
    fn folder(&mut self, mut wanted: impl FnMut(&GalleryState) -> bool) -> Arc<GalleryState> {
        self.wait_unless_failed(|event| match event {
            Event::Gallery(GalleryEvent::State(state)) if wanted(state) => Some(Arc::clone(state)),
            _ => None,
        })
    }

    fn indexed(&mut self, photos: usize) -> Arc<GalleryState> {
        self.folder(|state| !state.indexing && state.waiting == 0 && state.indexed == photos)
    }

    /// All changes up to where they are this.
    fn changes(&mut self, wanted: GalleryChange) {
        let mut sum = GalleryChange::default();
        self.wait(|event| match event {
            Event::Gallery(GalleryEvent::Changed(change)) => {
                sum = sum.and(*change);
                (sum == wanted).then_some(())
            }
            _ => None,
        });
    }

    fn ranking(&mut self, query: QueryId) -> Arc<Ranking> {
        self.wait_unless_failed(|event| match event {
            Event::Ranked { query: of, ranking, .. } if *of == query && ranking.stage == Stage::Structural => {
                Some(Arc::clone(ranking))
            }
            _ => None,
        })
    }
}

#[test]
fn a_dropped_folder_becomes_a_gallery_piece_by_piece_and_nothing_is_written_into_it() {
    let machine = Machine::new();
    let folder = folder_with(&machine, 70);
    fs::write(folder.join("products.csv"), "file,name,price\nA003.png,Sailor tee,24\nnone.png,,1\n").unwrap();
    fs::write(folder.join("notes.txt"), "no photo").unwrap();
    fs::write(folder.join("torn.jpg"), b"\xFF\xD8\xFF\xE0 torn").unwrap();
    let before = listing(&folder);
    let mut window = machine.start();
    let summary = window.open(Some(folder.clone()));
    assert_eq!((summary.name.as_str(), summary.products, summary.is_sample), ("shop photos", 71, false));
    assert!(summary.path.starts_with(machine.data().join("galleries")), "{}", summary.path.display());
    let first = window.folder(|state| state.indexed > 0);
    assert!(first.indexed < 70 && first.waiting > 0, "a first piece can be searched before the rest: {first:?}");
    let state = window.indexed(70);
    assert_eq!((state.report.photos, state.report.rows), (71, 1));
    assert_eq!(state.list, Some(folder.join("products.csv")));
    let reasons: Vec<_> = state.report.skipped.iter().map(|s| (s.file.as_str(), s.reason)).collect();
    assert_eq!(
        reasons,
        [
            ("notes.txt", SkipReason::NotAPhoto),
            ("products.csv", SkipReason::NoSuchPhoto),
            ("torn.jpg", SkipReason::Damaged),
        ]
    );
    assert!(state.report.skipped[2].sentence.ends_with(": torn.jpg"), "{}", state.report.skipped[2].sentence);

    let query = window.search(1, QueryPhoto::File(folder.join("tops/A003.png")));
    let ranking = window.ranking(query);
    assert_eq!((ranking.gallery_size, ranking.hits[0].photo.as_str()), (70, "gallery/tops/A003.png"));
    let product = Project::open(&summary.path).unwrap().product(&ranking.hits[0].product).unwrap().unwrap();
    assert_eq!((product.name.as_str(), product.attributes["price"].as_str()), ("Sailor tee", "24.00"));
    assert_eq!(product.kind, "tops");
    drop(window);
    assert_eq!(listing(&folder), before);

    // The next start comes back to it, with everything indexed and the report at hand.
    let mut window = machine.start();
    let again = window.open(None);
    assert_eq!((&again.path, again.gallery_photos), (&summary.path, 70));
    assert_eq!(window.indexed(70).report.skipped, state.report.skipped);
    // The folder itself leads to the same project, from outside and from within.
    assert_eq!(window.open(Some(folder)).path, summary.path);
}

#[test]
fn added_changed_renamed_and_removed_photos_are_told_and_move_nothing_on_screen() {
    let machine = Machine::new();
    let folder = folder_with(&machine, 8);
    let mut window = machine.start();
    window.open(Some(folder.clone()));
    window.indexed(8);
    let query = window.search(1, QueryPhoto::File(folder.join("tops/A001.png")));
    let shown = window.ranking(query);

    write_photo(&folder.join("shoes/B1.png"), 101);
    write_photo(&folder.join("shoes/B2.png"), 102);
    write_photo(&folder.join("tops/A005.png"), 105);
    fs::rename(folder.join("tops/A006.png"), folder.join("tops/renamed.png")).unwrap();
    fs::remove_file(folder.join("tops/A001.png")).unwrap();
    window.changes(GalleryChange { added: 2, changed: 1, renamed: 1, removed: 1, attributes: 0 });
    window.indexed(9);

    // Other knobs ask the gallery that the order on screen is of.
    let options = MatchOptions { rerank: 6, epsilon: 0.2, ..MatchOptions::default() };
    window.ask(Request::Rerank { query, options });
    let again = window.ranking(query);
    let photos = |ranking: &Ranking| {
        let mut photos: Vec<_> = ranking.hits.iter().map(|hit| hit.photo.clone()).collect();
        photos.sort();
        photos
    };
    assert_eq!(photos(&again), photos(&shown));
    // A new search asks the present one.
    let query = window.search(2, QueryPhoto::Earlier(query));
    let newer = photos(&window.ranking(query));
    let has = |name: &str| newer.iter().any(|photo| photo.as_str() == name);
    assert!(has("gallery/shoes/B1.png") && has("gallery/tops/renamed.png") && !has("gallery/tops/A001.png"));
}

#[test]
fn a_changed_list_describes_the_products_anew_without_embedding() {
    let machine = Machine::new();
    let folder = folder_with(&machine, 4);
    let mut window = machine.start();
    let summary = window.open(Some(folder.clone()));
    window.indexed(4);
    let price = |product: &str| {
        let project = Project::open(&summary.path).unwrap();
        project.product(&ProductId::new(product)).unwrap().unwrap().attributes.get("price").cloned()
    };
    assert_eq!(price("tops/A001"), None);
    fs::write(folder.join("list.csv"), "file;price\nA001.png;39,90\nA002.png;19\n").unwrap();
    window.changes(GalleryChange { attributes: 2, ..GalleryChange::default() });
    assert_eq!(price("tops/A001").as_deref(), Some("39.90"));
    // One that lies elsewhere and is chosen by hand wins.
    let chosen = machine.dir.path().join("prices.tsv");
    fs::write(&chosen, "photo\tprice\nA001\t49\nA002\t19\n").unwrap();
    window.ask(Request::Gallery(GalleryRequest::UseList { path: chosen.clone() }));
    window.changes(GalleryChange { attributes: 1, ..GalleryChange::default() });
    assert_eq!(window.folder(|_| true).list, Some(chosen));
    assert_eq!(price("tops/A001").as_deref(), Some("49.00"));
}

#[test]
fn a_folder_that_goes_away_is_told_once_and_searches_go_on_until_it_is_back() {
    let machine = Machine::new();
    let folder = folder_with(&machine, 5);
    let mut window = machine.start();
    let summary = window.open(Some(folder.clone()));
    window.indexed(5);
    let query = machine.dir.path().join("street.png");
    write_photo(&query, 3);
    let away = machine.dir.path().join("unplugged");
    fs::rename(&folder, &away).unwrap();
    let trouble = window.folder(|state| state.trouble.is_some()).trouble.clone().unwrap();
    assert!(
        trouble.starts_with("The folder of photos cannot be reached") && trouble.ends_with("shop photos"),
        "{trouble}"
    );
    let asked = window.search(1, QueryPhoto::File(query.clone()));
    assert_eq!(window.ranking(asked).gallery_size, 5);
    drop(window);

    // Also a start finds what was indexed.
    let mut window = machine.start();
    assert_eq!(window.open(None).gallery_photos, 5);
    window.folder(|state| state.trouble.is_some());
    // A folder that is there but empty is most likely a disk that is not.
    fs::create_dir(&folder).unwrap();
    let trouble = window.folder(|state| state.trouble.as_ref().is_some_and(|text| text.contains("no photos any more")));
    assert_eq!(trouble.indexed, 5);
    assert_eq!(Project::open(&summary.path).unwrap().counts().unwrap().shop_photos, 5);
    fs::remove_dir(&folder).unwrap();
    window.folder(|state| state.trouble.as_ref().is_some_and(|text| text.contains("cannot be reached")));
    fs::rename(&away, &folder).unwrap();
    assert_eq!(window.folder(|state| state.trouble.is_none()).indexed, 5);
    write_photo(&folder.join("new.png"), 55);
    window.changes(GalleryChange { added: 1, ..GalleryChange::default() });
}

#[test]
fn indexing_that_is_stopped_goes_on_when_the_folder_is_read_again() {
    let machine = Machine::new();
    let folder = folder_with(&machine, 200);
    let mut window = machine.start();
    window.open(Some(folder.clone()));
    window.folder(|state| state.indexing);
    window.ask(Request::Gallery(GalleryRequest::StopIndexing));
    let stopped = window.folder(|state| !state.indexing);
    assert!(stopped.indexed >= 64 && stopped.indexed + stopped.waiting == 200, "{stopped:?}");
    window.ask(Request::Gallery(GalleryRequest::Refresh));
    window.indexed(200);
    assert_eq!(window.workers_preparing(), None);
}

impl Window {
    fn workers_preparing(&self) -> Option<crate::domain::Progress> {
        use crate::jobs::Backend as _;
        self.workers.activity().preparing
    }
}

#[test]
fn a_second_window_reads_and_says_why_it_changes_nothing() {
    let machine = Machine::new();
    let folder = folder_with(&machine, 4);
    let mut first = machine.start();
    first.open(Some(folder.clone()));
    first.indexed(4);
    let mut second = machine.start();
    let summary = second.open(Some(folder.clone()));
    let why = summary.read_only.clone().unwrap();
    assert!(why.contains("already open in another window or command"), "{why}");
    let query = second.search(1, QueryPhoto::File(folder.join("tops/A002.png")));
    assert_eq!(second.ranking(query).gallery_size, 4);
    let requests = [
        Request::Mark { query, mark: Mark::SameProduct("tops/A001".into()) },
        Request::Undo,
        Request::UseModel { checkpoint: machine.model.clone() },
        Request::Gallery(GalleryRequest::Refresh),
        Request::Gallery(GalleryRequest::UseList { path: "x.csv".into() }),
    ];
    for request in requests {
        let undo = request == Request::Undo;
        second.ask(request);
        let failure = second.wait(|event| match event {
            Event::Failed(failure) => Some(Some(failure.clone())),
            // There is nothing to undo, which is no failure.
            Event::LabelsChanged(_) if undo => Some(None),
            _ => None,
        });
        if let Some(failure) = failure {
            assert!(failure.sentence.contains("already open in another window or command"), "{failure:?}");
            assert!(matches!(failure.of, FailureOf::Labels | FailureOf::Model), "{failure:?}");
        }
    }
}

#[test]
fn a_ranking_grows_on_demand_and_products_are_told_when_asked_for() {
    let machine = Machine::new();
    let folder = folder_with(&machine, 14);
    let mut window = machine.start();
    window.open(Some(folder.clone()));
    window.indexed(14);
    let query = window.search(1, QueryPhoto::File(folder.join("tops/A002.png")));
    let first = window.ranking(query);
    assert_eq!(first.hits.len(), 10);
    let options = MatchOptions { rerank: 6, ..MatchOptions::default() };
    let shelf = ShelfOptions::default();
    window.ask(Request::Shelf(ShelfRequest::Arrange { query, options, shelf, limit: 80 }));
    let all = window.ranking(query);
    assert_eq!(all.hits.len(), 14);
    assert_eq!(all.hits[..10], first.hits[..], "what was there stays where it was");
    // Other knobs keep as many.
    window.ask(Request::Rerank { query, options: MatchOptions { epsilon: 0.3, ..options } });
    assert_eq!(window.ranking(query).hits.len(), 14);
    window.ask(Request::Products(vec!["tops/A003".into(), "nobody's".into()]));
    let products = window.wait(|event| match event {
        Event::Products(products) => Some(products.clone()),
        _ => None,
    });
    assert_eq!(products.iter().map(|record| record.name.as_str()).collect::<Vec<_>>(), ["A003"]);
}

#[test]
fn the_report_is_saved_as_a_table_that_spreadsheets_read() {
    let machine = Machine::new();
    let folder = folder_with(&machine, 2);
    fs::write(folder.join("odd, \"quoted\".txt"), "x").unwrap();
    let mut window = machine.start();
    window.open(Some(folder));
    let state = window.indexed(2);
    let path = machine.dir.path().join("skipped.csv");
    window.ask(Request::Gallery(GalleryRequest::SaveReport { path: path.clone() }));
    window.wait(|event| matches!(event, Event::Saved { path: saved } if *saved == path).then_some(()));
    // The csv crate's reader is the oracle.
    let mut reader = csv::Reader::from_path(&path).unwrap();
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), state.report.skipped.len());
    assert_eq!(&rows[0][0], "odd, \"quoted\".txt");
    assert_eq!(&rows[0][2], "Not a photo");
    window.ask(Request::Gallery(GalleryRequest::SaveReport { path: machine.dir.path().join("none/x.csv") }));
    let failure = window.wait(|event| match event {
        Event::Failed(failure) => Some(failure.clone()),
        _ => None,
    });
    assert_eq!(failure.of, FailureOf::Saving);
}

#[test]
fn folders_that_cannot_become_galleries_are_one_sentence_and_leave_nothing() {
    let machine = Machine::new();
    let empty = machine.dir.path().join("empty");
    fs::create_dir(&empty).unwrap();
    fs::write(empty.join("letter.txt"), "x").unwrap();
    let mut window = machine.start();
    for (path, says) in [(&empty, "There are no photos"), (&machine.dir.path().join("none"), "no project folder")] {
        window.ask(Request::OpenProject { path: Some(path.clone()) });
        let failure = window.wait(|event| match event {
            Event::Failed(failure) => Some(failure.clone()),
            _ => None,
        });
        assert!(failure.sentence.contains(says) && failure.of == FailureOf::Project, "{failure:?}");
    }
    assert!(!machine.data().join("galleries").exists());
}

#[test]
fn a_project_belongs_to_one_folder_and_likely_lists_are_tried_first() {
    let machine = Machine::new();
    let folder = folder_with(&machine, 3);
    let (stop, quiet) = (StopFlag::new(), |_| {});
    let dir = machine.dir.path().join("chosen");
    fs::write(folder.join("a.csv"), "file,price\nA000.png,1\n").unwrap();
    fs::write(folder.join("catalogue.csv"), "file,price\nA000.png,2\n").unwrap();
    fs::write(folder.join("attributes.csv"), b"PK\x03\x04 a spreadsheet").unwrap();
    let project = intake::open_gallery(&folder, &dir, None, &stop, &quiet).unwrap();
    let price = project.product(&"tops/A000".into()).unwrap().unwrap().attributes["price"].clone();
    assert_eq!(price, "2.00", "the second best, since the best is no text");
    let report = project.intake_report();
    assert_eq!((report.skipped[0].file.as_str(), report.skipped[0].reason), ("attributes.csv", SkipReason::Encoding));
    drop(project);
    let other = machine.dir.path().join("other");
    write_photo(&other.join("x.png"), 1);
    let error = intake::open_gallery(&other, &dir, None, &stop, &quiet).unwrap_err().to_string();
    assert!(error.contains("is not over this folder") && error.ends_with("other"), "{error}");
    stop.stop();
    let error = intake::open_gallery(&other, &machine.dir.path().join("new"), None, &stop, &quiet).unwrap_err();
    assert!(matches!(error, JobError::Stopped), "{error}");
    assert_ne!(intake::gallery_dir(&dir, &folder), intake::gallery_dir(&dir, &other));
    assert_eq!(intake::gallery_dir(&dir, &folder), intake::gallery_dir(&dir, &folder.join("../shop photos")));
}
