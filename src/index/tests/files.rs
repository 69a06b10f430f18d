//! A damaged file is an error that names it, never a panic and never wrong features.

use std::fs;

use half::f16;
use proptest::prelude::*;

use super::{Colours, build_all, write_photos};
use crate::domain::{Arithmetic, CheckpointId, CropRect, Grid};
use crate::index::error::IndexError;
use crate::index::format::{FeatureFile, Features, Record, Shape, write};
use crate::index::stored::GalleryIndex;

fn shape() -> Shape {
    let checkpoint = CheckpointId::new("abc");
    Shape { checkpoint, arithmetic: Arithmetic::Int8, dim: 3, grid: Grid::new(2, 1), input_size: 64 }
}

fn sample(path: &std::path::Path) {
    let numbers: Vec<f16> = (0..18).map(|n| f16::from_f32(n as f32 / 7.0)).collect();
    let record = |n: usize| Record {
        photo: format!("shop/ü{n}.jpg").as_str().into(),
        product: "p".into(),
        content: "00ff".into(),
        bytes: 5,
        modified_ns: u64::MAX,
        crop: Some(CropRect::new(0.1, 2.0, 1e-3, 4.0)),
        kind: None,
    };
    let rows: Vec<_> = (0..2)
        .map(|n| (record(n), Features { global: &numbers[n * 3..n * 3 + 3], cells: &numbers[6 + n * 6..12 + n * 6] }))
        .collect();
    write(path, &shape(), &rows).unwrap();
}

#[test]
fn what_was_written_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("f.seam");
    sample(&path);
    let file = FeatureFile::open(&path).unwrap();
    assert_eq!(file.shape, shape());
    assert_eq!(file.records.len(), 2);
    assert_eq!(file.records[1].photo.as_str(), "shop/ü1.jpg");
    assert_eq!(file.records[0].crop, Some(CropRect::new(0.1, 2.0, 1e-3, 4.0)));
    assert_eq!(file.features(1).cells[5], f16::from_f32(17.0 / 7.0));
    assert_eq!(file.features(1).global[0], f16::from_f32(3.0 / 7.0));
    assert!(!path.with_extension("tmp").exists());
}

/// A header of absurd sizes whose own checksum is right.
#[test]
fn absurd_sizes_are_refused_even_with_a_right_checksum() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("f.seam");
    sample(&path);
    let bytes = fs::read(&path).unwrap();
    let set: [(usize, &[u8]); 7] = [
        (28, &[3]),
        (12, &[0; 4]),
        (12, &[0xFF; 4]),
        (16, &[0xFF; 8]),
        (32, &[0xFF; 8]),
        (40, &[0xFF; 8]),
        (8, &[9, 0, 0, 0]),
    ];
    for (at, value) in set {
        let mut hostile = bytes.clone();
        hostile[at..at + value.len()].copy_from_slice(value);
        let own = blake3::hash(&hostile[..112]);
        hostile[112..128].copy_from_slice(&own.as_bytes()[..16]);
        fs::write(&path, &hostile).unwrap();
        let error = FeatureFile::open(&path).err().unwrap();
        assert!(matches!(error, IndexError::Damaged { .. }), "{at}: {error}");
        assert!(error.to_string().ends_with("f.seam"));
    }
}

#[test]
fn a_damaged_index_is_named_and_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().join("features");
    let photos = write_photos(dir.path(), 0..3);
    let embed = Colours::new();
    build_all(&at, &embed, &photos).unwrap();
    let path = at.join("index.seam");
    let mut bytes = fs::read(&path).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let error = GalleryIndex::open(&at).err().unwrap().to_string();
    assert!(error.starts_with("the index is damaged") && error.ends_with("index.seam"), "{error}");
    let report = build_all(&at, &embed, &photos).unwrap();
    assert_eq!((report.embedded, report.notes.len()), (3, 1));
    assert_eq!(GalleryIndex::open(&at).unwrap().len(), 3);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_change_of_a_file_passes_and_none_panics(
        changes in prop::collection::vec((any::<prop::sample::Index>(), 1_u8..), 0..4),
        cut in prop::option::of(any::<prop::sample::Index>()),
        more in prop::collection::vec(any::<u8>(), 0..9),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f.seam");
        sample(&path);
        let bytes = fs::read(&path).unwrap();
        let mut changed = bytes.clone();
        for (index, flip) in &changes {
            changed[index.index(bytes.len())] ^= flip;
        }
        if let Some(cut) = cut {
            changed.truncate(cut.index(bytes.len()));
        }
        changed.extend(&more);
        fs::write(&path, &changed).unwrap();
        prop_assert_eq!(FeatureFile::open(&path).is_ok(), changed == bytes);
    }
}
