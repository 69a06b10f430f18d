//! Photos that were decoded in an earlier run. Oracle: a loader that decodes.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::noise;
use crate::data::augment::Augment;
use crate::data::dataset::{Dataset, Entry};
use crate::data::loader::{Batch, Loader, LoaderOptions};
use crate::data::pack::Packed;
use crate::domain::{CropRect, PhotoDomain, PhotoId, ProductId, StopFlag};

const PHOTOS: usize = 5;
const BUDGET: u64 = 1 << 30;

/// Photos of different shapes, one of them broken, one there twice with different boxes.
fn folder(dir: &Path) -> Arc<Dataset> {
    let mut entries: Vec<Entry> = (0..PHOTOS)
        .map(|n| {
            let path = dir.join(format!("{n}.png"));
            match n {
                2 => fs::write(&path, b"no photo").unwrap(),
                _ => noise(50 + 9 * n as u32, 70 - 5 * n as u32, n as u64).save(&path).unwrap(),
            }
            Entry {
                path,
                photo: PhotoId::new(format!("{n}.png")),
                domain: PhotoDomain::Street,
                product: ProductId::new(format!("p{n}")),
                kind: "shirt".to_owned(),
                crop: Some(CropRect::new(3.0, 4.0, 30.0, 20.0 + n as f32)),
                split: None,
            }
        })
        .collect();
    entries.push(Entry { crop: Some(CropRect::new(8.0, 1.0, 20.0, 35.0)), ..entries[0].clone() });
    Arc::new(Dataset::new(entries))
}

struct Scene {
    _dir: tempfile::TempDir,
    root: PathBuf,
    dataset: Arc<Dataset>,
}

impl Scene {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self { root: dir.path().to_owned(), dataset: folder(dir.path()), _dir: dir }
    }

    fn loader(&self) -> Loader {
        Loader::new(self.dataset.clone(), LoaderOptions::new(32, Augment::default(), 7))
    }

    fn file(&self) -> PathBuf {
        self.root.join("cache/photos.pack")
    }

    /// What the file is found or made to be, and a batch that comes of it.
    fn packed(&self, among: &[usize], budget: u64) -> (Packed, Batch) {
        let mut loader = self.loader();
        let packed = loader.keep_in(&self.file(), among, budget, &StopFlag::new(), &mut |_| {}).unwrap();
        (packed, batch(&loader))
    }

    /// Puts other bytes of the same length into a photo's file without changing its time.
    fn scramble(&self, n: usize) {
        let path = self.root.join(format!("{n}.png"));
        let data = fs::metadata(&path).unwrap();
        fs::write(&path, vec![0; data.len() as usize]).unwrap();
        File::options().write(true).open(&path).unwrap().set_modified(data.modified().unwrap()).unwrap();
    }
}

fn all() -> Vec<usize> {
    (0..=PHOTOS).collect()
}

fn batch(loader: &Loader) -> Batch {
    loader.batch(&[0, 1, 2, 3, 4, 5, 1], 3, 9)
}

#[test]
fn packed_photos_give_the_same_bits_and_are_not_decoded_again() {
    let scene = Scene::new();
    let plain = batch(&scene.loader());
    assert_eq!(plain.items, [0, 1, 3, 4, 5, 1]);
    let mut told = Vec::new();
    let mut loader = scene.loader();
    let made = loader.keep_in(&scene.file(), &all(), BUDGET, &StopFlag::new(), &mut |p| told.push((p.done, p.total)));
    let made = made.unwrap();
    assert_eq!((made.photos, made.decoded, made.left_out), (5, 6, 0));
    assert_eq!(made.bytes, fs::metadata(scene.file()).unwrap().len());
    assert_eq!(told, [(6, 6)]);
    assert!(batch(&loader) == plain);
    // Nothing of the files is read any more.
    for n in 0..PHOTOS {
        scene.scramble(n);
    }
    let (again, from_pack) = scene.packed(&all(), BUDGET);
    assert_eq!((again.photos, again.decoded), (5, 0));
    assert!(from_pack == plain);
    assert_eq!(fs::read_dir(scene.root.join("cache")).unwrap().count(), 1, "nothing else was left there");
}

#[test]
fn a_photo_that_has_changed_is_decoded_again_and_the_others_are_kept() {
    let scene = Scene::new();
    scene.packed(&all(), BUDGET);
    noise(44, 61, 99).save(scene.root.join("3.png")).unwrap();
    scene.scramble(1);
    let (made, found) = scene.packed(&all(), BUDGET);
    assert_eq!((made.photos, made.decoded), (5, 1));
    let mut fresh = scene.loader();
    assert!(found.items == [0, 1, 3, 4, 5, 1]);
    let wanted = fresh.batch(&[3], 3, 9);
    fresh.keep_in(&scene.file(), &all(), BUDGET, &StopFlag::new(), &mut |_| {}).unwrap();
    assert!(fresh.batch(&[3], 3, 9) == wanted);
    // A photo that is asked for later joins those that are there.
    let scene = Scene::new();
    assert_eq!(scene.packed(&[0, 1], BUDGET).0.photos, 2);
    let (made, _) = scene.packed(&[4], BUDGET);
    assert_eq!((made.photos, made.decoded), (3, 1));
}

#[test]
fn a_budget_leaves_photos_out_once_and_takes_them_in_when_it_grows() {
    let scene = Scene::new();
    let plain = batch(&scene.loader());
    let whole = scene.packed(&all(), BUDGET).0;
    fs::remove_file(scene.file()).unwrap();
    let pixels = whole.bytes / 2;
    let (made, found) = scene.packed(&all(), pixels);
    assert!(made.photos < 5 && made.photos + made.left_out == 5, "{made:?}");
    assert!(found == plain, "photos without room are decoded as before");
    let time = |path: &Path| fs::metadata(path).unwrap().modified().unwrap();
    let before = time(&scene.file());
    let (again, _) = scene.packed(&all(), pixels);
    assert_eq!((again.photos, again.decoded, again.left_out), (made.photos, 0, made.left_out));
    assert_eq!(time(&scene.file()), before, "it was not written again");
    let (grown, _) = scene.packed(&all(), BUDGET);
    assert_eq!((grown.photos, grown.left_out, grown.decoded), (5, 0, made.left_out));
}

#[test]
fn a_damaged_file_is_recognised_and_nothing_wrong_comes_of_it() {
    let scene = Scene::new();
    let plain = batch(&scene.loader());
    let made = scene.packed(&all(), BUDGET).0;
    let bytes = fs::read(scene.file()).unwrap();
    // Header, pixels, table, and cut short.
    for at in [9, 40, 73, 200, bytes.len() - 30] {
        let mut broken = bytes.clone();
        broken[at] ^= 1;
        fs::write(scene.file(), &broken).unwrap();
        let (found, batch) = scene.packed(&all(), BUDGET);
        assert!(batch == plain, "byte {at}");
        assert_eq!(found.decoded, if at == 200 { 0 } else { made.decoded }, "byte {at}");
    }
    for length in [0, 50, 88, bytes.len() / 2, bytes.len() - 1] {
        fs::write(scene.file(), &bytes[..length]).unwrap();
        let (found, batch) = scene.packed(&all(), BUDGET);
        assert!(batch == plain && found.decoded == made.decoded, "length {length}");
    }
}

#[test]
fn a_stop_and_a_disk_that_cannot_be_written_leave_the_old_file() {
    let scene = Scene::new();
    scene.packed(&[0], BUDGET);
    let before = fs::read(scene.file()).unwrap();
    let stop = StopFlag::new();
    stop.stop();
    let mut loader = scene.loader();
    assert_eq!(loader.keep_in(&scene.file(), &all(), BUDGET, &stop, &mut |_| {}).unwrap(), Packed::default());
    assert_eq!(fs::read(scene.file()).unwrap(), before);
    assert_eq!(fs::read_dir(scene.root.join("cache")).unwrap().count(), 1);
    // A file where the folder should be.
    let path = scene.root.join("0.png/photos.pack");
    let plain = batch(&scene.loader());
    assert!(loader.keep_in(&path, &all(), BUDGET, &StopFlag::new(), &mut |_| {}).is_err());
    assert!(batch(&loader) == plain);
}
