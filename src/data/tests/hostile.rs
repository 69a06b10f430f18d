//! Whatever a file holds, the answer is a photo or one sentence that names the file; never a panic.

use std::io::Write;

use image::{DynamicImage, ImageFormat};
use proptest::prelude::*;

use super::{encode, fixture, jpeg, noise};
use crate::data::decode::{decode_bytes, decode_file};
use crate::data::error::DecodeError;
use crate::data::guard::{Budget, isolated};

fn sentence(error: &DecodeError, name: &str) -> String {
    let text = error.to_string();
    assert!(text.ends_with(name), "{text:?} does not end with the file");
    assert!(!text.contains('\n'), "{text:?} is more than a line");
    text
}

#[test]
fn what_is_no_photo_is_named_in_a_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        std::fs::File::create(&path).unwrap().write_all(bytes).unwrap();
        path
    };
    let cases = [
        (dir.path().join("nothing.jpg"), "there is no such file"),
        (dir.path().to_owned(), "this is a folder, not a photo"),
        (file("empty.jpg", b""), "the file is empty"),
        (file("text.png", b"BMPlease do not open this text as if it were a picture"), "this is not a photo"),
        (file("drawing.svg", b"<?xml version='1.0'?>\n<svg xmlns='x'/>"), "format not supported: SVG"),
        (file("document.pdf", b"%PDF-1.7 ..."), "format not supported: PDF"),
        (fixture("phone.heic"), "format not supported: HEIC"),
        (fixture("picture.avif"), "format not supported: AVIF"),
    ];
    for (path, wanted) in cases {
        let error = decode_file(&path).unwrap_err();
        let text = sentence(&error, &path.display().to_string());
        assert!(text.starts_with(wanted), "{text:?} does not say {wanted:?}");
    }
    #[cfg(unix)]
    assert!(matches!(decode_file("/dev/null".as_ref()), Err(DecodeError::NotAFile { .. })));
}

#[test]
fn a_file_that_is_too_large_is_not_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("huge.jpg");
    let file = std::fs::File::create(&path).unwrap();
    // Sparse: it takes no room on the disk.
    file.set_len(crate::data::decode::MAX_FILE_BYTES + 1).unwrap();
    let error = decode_file(&path).unwrap_err();
    assert!(sentence(&error, "huge.jpg").contains("256 MB"));
}

/// A PNG, BMP, GIF or JPEG whose header claims this size and which has no pixels.
fn claims(format: ImageFormat, width: u32, height: u32) -> Vec<u8> {
    let photo = DynamicImage::ImageRgb8(noise(8, 8, 1));
    match format {
        ImageFormat::Png => {
            let mut bytes = encode(&photo, format);
            bytes[16..20].copy_from_slice(&width.to_be_bytes());
            bytes[20..24].copy_from_slice(&height.to_be_bytes());
            let checksum = crc32(&bytes[12..29]);
            bytes[29..33].copy_from_slice(&checksum.to_be_bytes());
            bytes
        }
        ImageFormat::Bmp => {
            let mut bytes = encode(&photo, format);
            bytes[18..22].copy_from_slice(&width.to_le_bytes());
            bytes[22..26].copy_from_slice(&height.to_le_bytes());
            bytes
        }
        ImageFormat::Jpeg => {
            let mut bytes = jpeg(&noise(8, 8, 1), 80);
            let frame = bytes.windows(2).position(|pair| pair == [0xFF, 0xC0]).unwrap();
            bytes[frame + 5..frame + 7].copy_from_slice(&(height as u16).to_be_bytes());
            bytes[frame + 7..frame + 9].copy_from_slice(&(width as u16).to_be_bytes());
            bytes
        }
        _ => unreachable!(),
    }
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |c, _| if c & 1 == 1 { (c >> 1) ^ 0xEDB8_8320 } else { c >> 1 })
    })
}

#[test]
fn a_photo_of_absurd_size_is_refused_before_memory_is_taken() {
    let cases = [
        (claims(ImageFormat::Png, 2_000_000_000, 2_000_000_000), "2000000000 x 2000000000"),
        (claims(ImageFormat::Png, 30_000, 30_000), "30000 x 30000"),
        (claims(ImageFormat::Bmp, 30_000, 30_000), "30000 x 30000"),
        (claims(ImageFormat::Jpeg, 60_000, 60_000), "60000 x 60000"),
    ];
    for (bytes, size) in cases {
        let error = decode_bytes(&bytes, "bomb").unwrap_err();
        let text = sentence(&error, "bomb");
        assert!(text.contains(size) && text.contains("more than can be opened"), "{text}");
    }
    assert!(decode_bytes(&claims(ImageFormat::Png, 0, 5), "flat").is_err());
}

#[test]
fn a_cut_photo_is_said_to_be_cut_short() {
    let photo = DynamicImage::ImageRgb8(noise(64, 48, 2));
    for format in [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::Bmp, ImageFormat::Tiff, ImageFormat::WebP] {
        let bytes = encode(&photo, format);
        let error = decode_bytes(&bytes[..bytes.len() * 2 / 3], "cut").unwrap_err();
        let text = sentence(&error, "cut");
        assert!(text.contains("cut short") || text.contains("damaged"), "{format:?}: {text}");
        if matches!(format, ImageFormat::Jpeg | ImageFormat::Png | ImageFormat::Bmp) {
            assert!(matches!(error, DecodeError::Truncated { .. }), "{format:?}: {text}");
        }
    }
    let progressive = std::fs::read(fixture("progressive.jpg")).unwrap();
    for kept in [progressive.len() / 2, progressive.len() - 40] {
        assert!(decode_bytes(&progressive[..kept], "cut").is_err());
    }
}

#[test]
fn no_cut_of_a_jpeg_passes_with_made_up_rows() {
    let bytes = jpeg(&noise(24, 40, 6), 85);
    let whole = decode_bytes(&bytes, "whole").unwrap();
    for kept in (3..bytes.len()).step_by(7) {
        if let Ok(photo) = decode_bytes(&bytes[..kept], "cut") {
            assert_eq!(photo, whole, "{kept} of {} bytes", bytes.len());
        }
    }
}

#[test]
fn a_panic_stays_inside() {
    assert_eq!(isolated(|| 5), Some(5));
    let empty: Vec<u8> = Vec::new();
    assert_eq!(isolated(|| empty[std::hint::black_box(3)]), None);
}

#[test]
fn the_budget_is_given_back() {
    let budget = Budget::new(100);
    let first = budget.take(60);
    assert_eq!(budget.in_use(), 60);
    let more_than_all = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| budget.take(1_000).bytes());
        drop(first);
        waiting.join().unwrap()
    });
    assert_eq!(more_than_all, 100);
    assert_eq!(budget.in_use(), 0);
}

fn seeds() -> Vec<Vec<u8>> {
    let photo = DynamicImage::ImageRgb8(noise(12, 9, 8));
    let mut seeds: Vec<Vec<u8>> =
        [ImageFormat::Png, ImageFormat::Bmp, ImageFormat::Tiff, ImageFormat::WebP, ImageFormat::Gif]
            .into_iter()
            .map(|format| encode(&photo, format))
            .collect();
    seeds.push(jpeg(&noise(12, 9, 8), 80));
    for name in [
        "cmyk-profile.jpg",
        "cmyk-profile.tif",
        "palette-orientation6.tif",
        "progressive.jpg",
        "animated.webp",
        "animated.gif",
        "orientation8.webp",
        "palette-transparent.png",
    ] {
        seeds.push(std::fs::read(fixture(name)).unwrap());
    }
    seeds
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mutated_files_never_panic(
        which in 0_usize..14,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = seeds().swap_remove(which);
        for (index, byte) in changes {
            let at = index.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(cut) = cut {
            let kept = cut.index(bytes.len());
            bytes.truncate(kept);
        }
        match decode_bytes(&bytes, "mutated") {
            Ok(photo) => prop_assert!(photo.width() > 0 && photo.height() > 0),
            Err(error) => { sentence(&error, "mutated"); }
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Err(error) = decode_bytes(&bytes, "noise") {
            sentence(&error, "noise");
        }
    }
}
