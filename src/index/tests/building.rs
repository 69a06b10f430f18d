//! Only what changed is embedded, whatever happens in between. The embedder counts.

use std::fs;
use std::sync::Mutex;
use std::sync::atomic::Ordering;

use super::{Colours, build_all, picture, set_age, whole, write_photos, write_picture};
use crate::data::decode_file;
use crate::domain::{CheckpointId, Grid, PhotoId, SkipReason, StopFlag};
use crate::index::build::{BuildReport, begun, build, current};
use crate::index::embed::{Embed, embed_photo};
use crate::index::error::IndexError;
use crate::index::stored::GalleryIndex;
use crate::nn::{CellFeatures, NnError};

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
        let wanted = embed_photo(&embed, &decode_file(&photo.path).unwrap(), None, None).unwrap();
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
        let wanted = embed_photo(&embed, &decode_file(&photo.path).unwrap(), photo.crop, None).unwrap();
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
    let reason = |n: usize| &report.skipped.iter().find(|(photo, ..)| *photo == photos[n].photo).unwrap().2;
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

#[test]
fn what_is_up_to_date_is_opened_without_reading_a_photo_and_any_difference_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().join("features");
    let embed = Colours::new();
    let mut photos = write_photos(dir.path(), 0..6);
    fs::write(&photos[3].path, b"no photo").unwrap();
    set_age(&photos[3].path, 3600);
    assert!(current(&at, &embed, &photos).is_none(), "nothing is there yet");
    let built = build_all(&at, &embed, &photos).unwrap();
    let (index, report) = current(&at, &embed, &photos).unwrap();
    assert_eq!((index.len(), report.kept, report.embedded), (5, 5, 0));
    assert_eq!(report.skipped, built.skipped);
    assert_eq!(report.skipped[0].1, SkipReason::NotAPhoto);
    assert!(current(&at, &embed, &photos[..5]).is_none(), "one less");
    assert!(current(&at, &embed, &photos.iter().rev().cloned().collect::<Vec<_>>()).is_none(), "another order");
    let other = Colours { checkpoint: CheckpointId::new("fedcba9876543210"), ..Colours::new() };
    assert!(current(&at, &other, &photos).is_none(), "another model");
    photos[0].product = "p9".into();
    assert!(current(&at, &embed, &photos).is_none(), "another product");
    photos[0].product = "p0".into();
    set_age(&photos[1].path, 60);
    assert!(current(&at, &embed, &photos).is_none(), "another time");
    set_age(&photos[3].path, 60);
    embed.taken();
    assert_eq!(counts(&build_all(&at, &embed, &photos).unwrap()), (0, 5, 0, 1));
    assert!(current(&at, &embed, &photos).is_some());
    fs::remove_file(&photos[5].path).unwrap();
    assert!(current(&at, &embed, &photos).is_none(), "one is gone");
    fs::write(at.join("parts/000000.seam"), b"left by a run that was killed").unwrap();
    assert!(current(&at, &embed, &photos[..5]).is_none());
}

#[test]
fn a_broken_photo_is_not_read_again_until_its_file_changes() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().join("features");
    let embed = Colours::new();
    let photos = write_photos(dir.path(), 0..3);
    fs::write(&photos[1].path, b"no photo").unwrap();
    set_age(&photos[1].path, 3600);
    build_all(&at, &embed, &photos).unwrap();
    // The same size and time, so the mended file is believed to be the broken one.
    let size = fs::metadata(&photos[1].path).unwrap().len() as usize;
    let time = fs::metadata(&photos[1].path).unwrap().modified().unwrap();
    let mended = fs::read(&photos[0].path).unwrap();
    fs::write(&photos[1].path, &mended[..size]).unwrap();
    fs::File::options().write(true).open(&photos[1].path).unwrap().set_modified(time).unwrap();
    let report = build_all(&at, &embed, &photos).unwrap();
    assert!(report.skipped[0].2.contains("not a photo"), "{:?}", report.skipped);
    write_picture(&photos[1].path, 1, 3600);
    let report = build_all(&at, &embed, &photos).unwrap();
    assert_eq!(counts(&report), (1, 2, 0, 0));
}

#[test]
fn equal_files_have_equal_contents_whatever_they_are_called() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().join("features");
    let mut photos = write_photos(dir.path(), 0..2);
    build_all(&at, &Colours::new(), &photos).unwrap();
    let before = GalleryIndex::open(&at).unwrap();
    let to = dir.path().join("renamed.png");
    fs::rename(&photos[0].path, &to).unwrap();
    let former = photos[0].photo.clone();
    photos[0].photo = PhotoId::new("shop/renamed.png");
    photos[0].path = to;
    let embed = Colours::new();
    assert_eq!(counts(&build_all(&at, &embed, &photos).unwrap()), (0, 2, 1, 0));
    assert_eq!(embed.taken(), 0, "a renamed photo is not embedded again");
    let after = GalleryIndex::open(&at).unwrap();
    assert_eq!(before.content_of(&former), after.content_of(&photos[0].photo));
    assert_ne!(after.content_of(&photos[0].photo), after.content_of(&photos[1].photo));
    assert_eq!(after.content_of(&former), None);
}

#[test]
fn what_a_stopped_run_embedded_is_known_to_have_been_begun() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().join("features");
    let photos = write_photos(dir.path(), 0..150);
    let embed = Colours::new();
    assert!(begun(&at, &embed).is_empty());
    build_all(&at, &embed, &photos[..5]).unwrap();
    let stop = StopFlag::new();
    // Each segment takes four batches, so this stops in the second one.
    let stopping = Colours { stop_after_batches: Some((6, stop.clone())), ..Colours::new() };
    assert!(build(&at, &stopping, &photos, &stop, &|_| {}).unwrap().stopped);
    let known = begun(&at, &embed);
    assert!(photos[..69].iter().all(|photo| known.contains(&photo.photo)), "{}", known.len());
    assert!(known.len() < 150);
    let other = Colours { checkpoint: CheckpointId::new("fedcba9876543210"), ..Colours::new() };
    assert!(begun(&at, &other).is_empty(), "features of another model are of no use");
}

/// Like `Colours`, but each kind turns its vectors in its own way.
struct ByKind(Colours);

impl Embed for ByKind {
    fn embed(&self, images: &[f32], n: usize) -> Result<CellFeatures, NnError> {
        self.embed_as(images, &vec![None; n])
    }

    fn embed_as(&self, images: &[f32], kinds: &[Option<usize>]) -> Result<CellFeatures, NnError> {
        let mut features = self.0.embed(images, kinds.len())?;
        let (dim, cells) = (features.dim, features.grid.cells());
        for (photo, kind) in kinds.iter().enumerate() {
            let by = kind.map_or(0, |kind| kind + 1);
            features.globals[photo * dim..(photo + 1) * dim].rotate_right(by);
            features.cells[photo * cells * dim..(photo + 1) * cells * dim].rotate_right(by);
        }
        Ok(features)
    }

    fn kind(&self, name: &str) -> Option<usize> {
        ["coat", "dress"].iter().position(|known| *known == name)
    }

    fn checkpoint(&self) -> &CheckpointId {
        self.0.checkpoint()
    }

    fn input_size(&self) -> usize {
        self.0.input_size()
    }

    fn grid(&self) -> Grid {
        self.0.grid()
    }

    fn dim(&self) -> usize {
        self.0.dim()
    }
}

#[test]
fn photos_are_embedded_by_their_kinds_where_that_makes_a_difference_and_anew_when_a_kind_changes() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().join("features");
    let embed = ByKind(Colours::new());
    let mut photos = write_photos(dir.path(), 0..6);
    for (photo, kind) in photos.iter_mut().zip([Some("coat"), Some("dress"), None, Some("hat"), Some("coat"), None]) {
        photo.kind = kind.map(str::to_owned);
    }
    let holds = |photos: &[super::GalleryPhoto]| {
        let index = GalleryIndex::open_for(&at, &embed).unwrap();
        for (row, photo) in photos.iter().enumerate() {
            let picture = decode_file(&photo.path).unwrap();
            let wanted = embed_photo(&embed, &picture, None, photo.kind.as_deref()).unwrap();
            let near = |(a, b): (&f32, &f32)| (a - b).abs() < 1e-3;
            assert!(index.global_f32(row).iter().zip(&wanted.globals).all(near), "row {row}");
            assert!(index.cells_f32(row).iter().zip(&wanted.cells).all(near), "row {row}");
        }
        embed.0.taken();
    };
    assert_eq!(counts(&build_all(&at, &embed, &photos).unwrap()), (6, 0, 0, 0));
    holds(&photos);
    assert!(current(&at, &embed, &photos).is_some());
    photos[1].kind = Some("coat".to_owned());
    // To this network that is no kind, before and after.
    photos[3].kind = Some("cape".to_owned());
    assert!(current(&at, &embed, &photos).is_none());
    assert_eq!(counts(&build_all(&at, &embed, &photos).unwrap()), (1, 5, 0, 0));
    holds(&photos);
    // Where kinds make no difference, none is noted and none embeds anything anew.
    let (plain, at) = (Colours::new(), dir.path().join("plain"));
    build_all(&at, &plain, &photos).unwrap();
    photos[0].kind = Some("dress".to_owned());
    assert!(current(&at, &plain, &photos).is_some());
    assert_eq!(counts(&build_all(&at, &plain, &photos).unwrap()), (0, 6, 0, 0));
}
