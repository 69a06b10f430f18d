//! Only what changed is embedded, whatever happens in between. The embedder counts.

use std::fs;
use std::sync::Mutex;
use std::sync::atomic::Ordering;

use super::{Colours, build_all, picture, set_age, whole, write_photos, write_picture};
use crate::data::decode_file;
use crate::domain::{CheckpointId, Grid, PhotoId, StopFlag};
use crate::index::build::{BuildReport, build};
use crate::index::embed::{Embed, embed_photo};
use crate::index::error::IndexError;
use crate::index::stored::GalleryIndex;

fn counts(report: &BuildReport) -> (usize, usize, usize, usize) {
    (report.embedded, report.kept, report.removed, report.skipped.len())
}

#[test]
fn an_index_holds_what_the_network_gave_in_the_order_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let photos = write_photos(dir.path(), 0..70);
    let embed = Colours::new();
    let at = dir.path().join("features");
    let told = Mutex::new(Vec::new());
    let report = build(&at, &embed, &photos, &StopFlag::new(), &|p| told.lock().unwrap().push(p.done)).unwrap();
    assert_eq!(counts(&report), (70, 0, 0, 0));
    assert!(!report.stopped && report.notes.is_empty());
    let told = told.into_inner().unwrap();
    assert!(told.is_sorted() && told.first() == Some(&0) && told.last() == Some(&70));

    let index = GalleryIndex::open_for(&at, &embed).unwrap();
    assert_eq!((index.len(), index.dim(), index.grid()), (70, embed.dim(), embed.grid()));
    for (row, photo) in photos.iter().enumerate() {
        assert_eq!(index.rows()[row].photo, photo.photo);
        assert_eq!(index.rows()[row].product, photo.product);
        assert_eq!(index.row_of(&photo.photo), Some(row));
        let wanted = embed_photo(&embed, &decode_file(&photo.path).unwrap(), None).unwrap();
        // Half a unit in the last place of 11 bits, or of the smallest number above zero.
        let is_near = |(a, b): (&f32, &f32)| (a - b).abs() <= b.abs() * 2.0_f32.powi(-11) + 2.0_f32.powi(-25);
        assert!(index.cells_f32(row).iter().zip(&wanted.cells).all(is_near));
        assert!(index.global_f32(row).iter().zip(&wanted.globals).all(is_near));
    }
    // Segments are gone once they are in the index.
    assert_eq!(fs::read_dir(at.join("parts")).unwrap().count(), 0);
}

#[test]
fn only_new_changed_and_differently_cropped_photos_are_embedded_again() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().join("features");
    let embed = Colours::new();
    let mut photos = write_photos(dir.path(), 0..10);
    build_all(&at, &embed, &photos).unwrap();
    assert_eq!(embed.taken(), 10);
    let index_file = at.join("index.seam");
    let written = fs::metadata(&index_file).unwrap().modified().unwrap();

    assert_eq!(counts(&build_all(&at, &embed, &photos).unwrap()), (0, 10, 0, 0));
    assert_eq!(fs::metadata(&index_file).unwrap().modified().unwrap(), written, "nothing new, nothing written");

    write_picture(&photos[3].path, 500, 1800);
    photos[4].crop = whole(2.0, 3.0, 15.0, 12.0);
    photos.remove(7);
    photos.extend(write_photos(dir.path(), 20..22));
    assert_eq!(counts(&build_all(&at, &embed, &photos).unwrap()), (4, 7, 1, 0));
    assert_eq!(embed.taken(), 4);

    // Touched, renamed and reordered files have the same content; another product is only a word.
    set_age(&photos[0].path, 900);
    let renamed = dir.path().join("renamed.png");
    fs::rename(&photos[1].path, &renamed).unwrap();
    photos[1].path = renamed;
    photos[1].photo = PhotoId::new("shop/renamed.png");
    photos[2].product = "another".into();
    photos.reverse();
    assert_eq!(counts(&build_all(&at, &embed, &photos).unwrap()), (0, 11, 1, 0));
    assert_eq!(embed.taken(), 0);
    let index = GalleryIndex::open(&at).unwrap();
    let names: Vec<_> = index.rows().iter().map(|row| row.photo.clone()).collect();
    assert_eq!(names, photos.iter().map(|photo| photo.photo.clone()).collect::<Vec<_>>());
    assert_eq!(index.rows()[8].product.as_str(), "another");
    for (row, photo) in photos.iter().enumerate() {
        let wanted = embed_photo(&embed, &decode_file(&photo.path).unwrap(), photo.crop).unwrap();
        let worst = index.cells_f32(row).iter().zip(&wanted.cells).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst < 1e-3, "row {row} is another photo's");
    }
}

#[test]
fn a_change_that_keeps_size_and_time_is_seen_while_the_file_is_young() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().join("features");
    let embed = Colours::new();
    let photos = write_photos(dir.path(), 0..1);
    let flat = |level: u8| image::RgbImage::from_pixel(30, 20, image::Rgb([level; 3]));
    let path = dir.path().join("0000.bmp");
    let photos = vec![super::GalleryPhoto { path: path.clone(), ..photos[0].clone() }];
    flat(10).save(&path).unwrap();
    let now = fs::metadata(&path).unwrap().modified().unwrap();
    build_all(&at, &embed, &photos).unwrap();
    flat(99).save(&path).unwrap();
    fs::File::options().write(true).open(&path).unwrap().set_modified(now).unwrap();
    embed.taken();
    assert_eq!(counts(&build_all(&at, &embed, &photos).unwrap()), (1, 0, 0, 0));
}

#[test]
fn broken_and_vanished_photos_are_reported_and_the_rest_is_searched() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().join("features");
    let embed = Colours::new();
    let mut photos = write_photos(dir.path(), 0..8);
    build_all(&at, &embed, &photos).unwrap();
    fs::remove_file(&photos[2].path).unwrap();
    fs::write(&photos[3].path, b"no photo").unwrap();
    photos[4].crop = whole(500.0, 0.0, 10.0, 10.0);
    photos.push(photos[0].clone());
    let report = build_all(&at, &embed, &photos).unwrap();
    assert_eq!(counts(&report), (0, 5, 0, 4));
    let reason = |n: usize| &report.skipped.iter().find(|(photo, _)| *photo == photos[n].photo).unwrap().1;
    assert!(reason(2).contains("no such file") && reason(2).contains("0002.png"));
    assert!(reason(3).contains("not a photo"));
    assert!(reason(4).contains("lies outside"));
    assert!(reason(0).contains("more than once"));
    assert_eq!(GalleryIndex::open(&at).unwrap().len(), 5);
}

#[test]
fn a_stopped_run_leaves_the_old_index_and_the_next_embeds_only_the_rest() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().join("features");
    let mut photos = write_photos(dir.path(), 0..5);
    let embed = Colours::new();
    build_all(&at, &embed, &photos).unwrap();
    let old = GalleryIndex::open(&at).unwrap();
    let old_row = old.cells_f32(4);

    photos.extend(write_photos(dir.path(), 5..205));
    let stop = StopFlag::new();
    let stopping = Colours { stop_after_batches: Some((6, stop.clone())), ..Colours::new() };
    let report = build(&at, &stopping, &photos, &stop, &|_| {}).unwrap();
    assert!(report.stopped);
    // One whole segment and two batches of the next.
    assert_eq!(report.embedded, 64 + 32);
    assert_eq!(GalleryIndex::open(&at).unwrap().len(), 5, "the old index stands");

    embed.taken();
    let report = build_all(&at, &embed, &photos).unwrap();
    assert_eq!(counts(&report), (200 - 96, 5 + 96, 0, 0));
    assert_eq!(embed.taken(), 200 - 96);
    let new = GalleryIndex::open(&at).unwrap();
    assert_eq!(new.len(), 205);
    // What was open before goes on serving.
    assert_eq!(old.len(), 5);
    assert_eq!(old.cells_f32(4), old_row);
    assert_eq!(new.cells_f32(4), old_row);

    // The same index as one made in one go.
    let other = dir.path().join("in-one-go");
    build_all(&other, &embed, &photos).unwrap();
    assert!(fs::read(at.join("index.seam")).unwrap() == fs::read(other.join("index.seam")).unwrap());
}

#[test]
fn a_run_that_is_stopped_at_once_does_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let photos = write_photos(dir.path(), 0..3);
    let stop = StopFlag::new();
    stop.stop();
    let embed = Colours::new();
    let report = build(&dir.path().join("features"), &embed, &photos, &stop, &|_| {}).unwrap();
    assert!(report.stopped && report.embedded == 0 && embed.taken() == 0);
}

#[test]
fn a_killed_run_leaves_segments_that_are_used_and_beginnings_that_are_not() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().join("features");
    let photos = write_photos(dir.path(), 0..130);
    let stop = StopFlag::new();
    let stopping = Colours { stop_after_batches: Some((8, stop.clone())), ..Colours::new() };
    build(&at, &stopping, &photos, &stop, &|_| {}).unwrap();
    let parts = at.join("parts");
    assert_eq!(fs::read_dir(&parts).unwrap().count(), 2);
    // The second segment was hit by the failure, a third was only begun.
    let second = parts.join("000001.seam");
    let bytes = fs::read(&second).unwrap();
    fs::write(&second, &bytes[..bytes.len() / 2]).unwrap();
    fs::write(parts.join("000002.tmp"), b"half a segment").unwrap();
    let embed = Colours::new();
    let report = build_all(&at, &embed, &photos).unwrap();
    assert_eq!(counts(&report), (66, 64, 0, 0));
    assert!(report.notes[0].contains("damaged") && report.notes[0].contains("000001.seam"));
    assert_eq!(fs::read_dir(&parts).unwrap().count(), 0);
}

#[test]
fn another_model_or_grid_embeds_everything_anew() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().join("features");
    let photos = write_photos(dir.path(), 0..4);
    build_all(&at, &Colours::new(), &photos).unwrap();
    let other = Colours { checkpoint: CheckpointId::new("fedcba9876543210"), ..Colours::new() };
    let error = GalleryIndex::open_for(&at, &other).err().unwrap().to_string();
    assert!(error.contains("made by the model 0123456789abcdef, not by fedcba9876543210"), "{error}");
    assert!(error.ends_with("index.seam"));
    let finer = Colours { grid: Grid::new(4, 4), ..Colours::new() };
    assert!(matches!(GalleryIndex::open_for(&at, &finer), Err(IndexError::OtherShape { .. })));
    let report = build_all(&at, &finer, &photos).unwrap();
    assert_eq!(counts(&report), (4, 0, 0, 0));
    assert_eq!(report.notes.len(), 1);
    assert_eq!(GalleryIndex::open_for(&at, &finer).unwrap().grid(), Grid::new(4, 4));
}

#[test]
fn two_runs_do_not_share_a_folder() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().join("features");
    let photos = write_photos(dir.path(), 0..2);
    let embed = Colours::new();
    let second = Mutex::new(None);
    build(&at, &embed, &photos, &StopFlag::new(), &|_| {
        second.lock().unwrap().get_or_insert_with(|| build_all(&at, &Colours::new(), &photos));
    })
    .unwrap();
    assert!(matches!(second.into_inner().unwrap(), Some(Err(IndexError::Busy { .. }))));
}

#[test]
fn an_index_that_cannot_be_written_is_one_sentence_and_harms_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let photos = write_photos(dir.path(), 0..2);
    let embed = Colours::new();
    let in_the_way = dir.path().join("file");
    fs::write(&in_the_way, b"here").unwrap();
    let error = build_all(&in_the_way.join("features"), &embed, &photos).unwrap_err().to_string();
    assert!(error.starts_with("cannot write the index (") && error.ends_with("features"), "{error}");

    let at = dir.path().join("features");
    build_all(&at, &embed, &photos).unwrap();
    // A folder where the next segment is to be written beside its place.
    fs::create_dir_all(at.join("parts/000000.tmp/full")).unwrap();
    let more = write_photos(dir.path(), 0..3);
    let error = build_all(&at, &embed, &more).unwrap_err();
    assert!(matches!(error, IndexError::Write { .. }), "{error}");
    assert_eq!(GalleryIndex::open(&at).unwrap().len(), 2);
}

#[test]
fn an_empty_gallery_is_an_index_too() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().join("features");
    let embed = Colours::new();
    let error = GalleryIndex::open(&at).err().unwrap();
    assert!(matches!(error, IndexError::Missing { .. }), "{error}");
    build_all(&at, &embed, &[]).unwrap();
    assert!(GalleryIndex::open_for(&at, &embed).unwrap().is_empty());
    assert_eq!(embed.embedded.load(Ordering::Relaxed), 0);
    assert_eq!(picture(1).dimensions(), (30, 20));
}
