//! Oracles: Pillow and the formulas of CIELAB (tests/fixtures/photos/make.py), the encoders of the `image` crate for lossless
//! round trips, and the definition of the EXIF orientations.

use image::{DynamicImage, GenericImageView, GrayAlphaImage, GrayImage, ImageFormat, Rgb, RgbImage, Rgba, RgbaImage};

use super::{encode, fixture, jpeg, largest_difference, noise, ramp};
use crate::data::decode::{decode_bytes, decode_file};

#[test]
fn photos_look_as_they_do_in_pillow() {
    let text = std::fs::read_to_string(fixture("photos.json")).unwrap();
    let expected: serde_json::Value = serde_json::from_str(&text).unwrap();
    let files = expected["files"].as_object().unwrap();
    assert!(files.len() >= 15);
    let mut wrong = Vec::new();
    for (name, about) in files {
        let photo = match decode_file(&fixture(name)) {
            Ok(photo) => photo,
            Err(error) => {
                wrong.push(error.to_string());
                continue;
            }
        };
        let number = |key: &str| about[key].as_u64().unwrap();
        assert_eq!(
            (u64::from(photo.width()), u64::from(photo.height())),
            (number("width"), number("height")),
            "{name}"
        );
        let mut worst = 0;
        for probe in about["probes"].as_array().unwrap() {
            let at = |i: usize| probe[i].as_u64().unwrap();
            let pixel = photo.get_pixel(at(0) as u32, at(1) as u32);
            worst = (0..3).map(|c| u64::from(pixel[c]).abs_diff(at(2 + c))).max().unwrap().max(worst);
        }
        if worst > number("tolerance") {
            wrong.push(format!("{name} ({}) is off by {worst}", about["what"]));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn lossless_formats_come_back_exactly() {
    let photo = noise(37, 23, 1);
    for format in [ImageFormat::Png, ImageFormat::Bmp, ImageFormat::Tiff, ImageFormat::WebP] {
        let bytes = encode(&DynamicImage::ImageRgb8(photo.clone()), format);
        assert_eq!(decode_bytes(&bytes, "photo").unwrap(), photo, "{format:?}");
    }
}

#[test]
fn deep_grey_and_transparent_pictures_become_rgb_on_white() {
    let expect = |image: DynamicImage, format: ImageFormat, wanted: [u8; 3]| {
        let photo = decode_bytes(&encode(&image, format), "photo").unwrap();
        assert_eq!(photo.get_pixel(1, 1).0, wanted, "{format:?} {:?}", image.color());
    };
    let deep = image::ImageBuffer::from_pixel(4, 3, Rgb([0x1234_u16, 0x8000, 0xFFFF]));
    for format in [ImageFormat::Png, ImageFormat::Tiff] {
        // 0x1234 / 257 = 18.13, 0x8000 / 257 = 127.5.
        expect(DynamicImage::ImageRgb16(deep.clone()), format, [18, 128, 255]);
        expect(DynamicImage::ImageLuma8(GrayImage::from_pixel(4, 3, image::Luma([77]))), format, [77; 3]);
    }
    let half = RgbaImage::from_pixel(4, 3, Rgba([200, 100, 0, 128]));
    // (c * 128 + 255 * 127) / 255, rounded.
    expect(DynamicImage::ImageRgba8(half), ImageFormat::Png, [227, 177, 127]);
    let hidden = GrayAlphaImage::from_pixel(4, 3, image::LumaA([0, 0]));
    expect(DynamicImage::ImageLumaA8(hidden), ImageFormat::Png, [255; 3]);
}

/// The pixel of the stored picture that an upright one shows at (x, y), from the definition: "row 0 is at the
/// visual ..., column 0 at the visual ...".
fn stored_pixel(orientation: u16, x: u32, y: u32, stored_width: u32, stored_height: u32) -> (u32, u32) {
    let (right, bottom) = (stored_width - 1, stored_height - 1);
    match orientation {
        1 => (x, y),
        2 => (right - x, y),
        3 => (right - x, bottom - y),
        4 => (x, bottom - y),
        5 => (y, x),
        6 => (y, bottom - x),
        7 => (right - y, bottom - x),
        8 => (right - y, x),
        _ => unreachable!(),
    }
}

fn exif(orientation: u16, big_endian: bool) -> Vec<u8> {
    let short = |n: u16| if big_endian { n.to_be_bytes() } else { n.to_le_bytes() };
    let long = |n: u32| if big_endian { n.to_be_bytes() } else { n.to_le_bytes() };
    let mut chunk = if big_endian { b"MM".to_vec() } else { b"II".to_vec() };
    chunk.extend(short(42));
    chunk.extend(long(8));
    chunk.extend(short(1));
    chunk.extend([short(0x0112), short(3)].concat());
    chunk.extend(long(1));
    chunk.extend([short(orientation), short(0)].concat());
    chunk.extend(long(0));
    chunk
}

fn with_app1(jpeg: &[u8], exif: &[u8]) -> Vec<u8> {
    let body = [b"Exif\0\0", exif].concat();
    let length = (body.len() as u16 + 2).to_be_bytes();
    [&jpeg[..2], &[0xFF, 0xE1], &length, &body, &jpeg[2..]].concat()
}

#[test]
fn each_exif_orientation_is_turned_upright() {
    let stored = ramp(48, 32);
    let bytes = jpeg(&stored, 95);
    let plain = decode_bytes(&bytes, "plain").unwrap();
    assert!(largest_difference(&plain, &stored) < 16);
    for orientation in 1..=8 {
        for big_endian in [false, true] {
            let tagged = with_app1(&bytes, &exif(orientation, big_endian));
            let upright = decode_bytes(&tagged, "tagged").unwrap();
            let size = if orientation < 5 { (48, 32) } else { (32, 48) };
            assert_eq!(upright.dimensions(), size, "orientation {orientation}");
            for (x, y, pixel) in upright.enumerate_pixels() {
                let (sx, sy) = stored_pixel(orientation, x, y, 48, 32);
                assert_eq!(pixel, plain.get_pixel(sx, sy), "orientation {orientation} at {x},{y}");
            }
        }
    }
    // Senseless values leave the photo as it is.
    for orientation in [0, 9, 700] {
        assert_eq!(decode_bytes(&with_app1(&bytes, &exif(orientation, true)), "odd").unwrap(), plain);
    }
}

fn with_profile(photo: &RgbImage, profile: Vec<u8>, format: ImageFormat) -> Vec<u8> {
    use image::ImageEncoder;
    let mut bytes = Vec::new();
    let (w, h) = photo.dimensions();
    let colour = image::ExtendedColorType::Rgb8;
    if format == ImageFormat::Png {
        let mut encoder = image::codecs::png::PngEncoder::new(&mut bytes);
        encoder.set_icc_profile(profile).unwrap();
        encoder.write_image(photo.as_raw(), w, h, colour).unwrap();
    } else {
        let mut encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, 100);
        encoder.set_icc_profile(profile).unwrap();
        encoder.write_image(photo.as_raw(), w, h, colour).unwrap();
    }
    bytes
}

/// Display P3 to sRGB from the definitions: sRGB's transfer curve, and the matrix between the two sets of
/// primaries (both D65) as CSS Color 4 gives it.
fn srgb_of_p3(p3: [u8; 3]) -> [f64; 3] {
    let linear = p3.map(|byte| {
        let v = f64::from(byte) / 255.0;
        if v <= 0.04045 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
    });
    let matrix = [
        [1.224_940_176_28, -0.224_940_176_28, 0.0],
        [-0.042_056_954_71, 1.042_056_954_71, 0.0],
        [-0.019_637_554_59, -0.078_636_045_55, 1.098_273_600_14],
    ];
    matrix.map(|row| {
        let v = row.iter().zip(linear).map(|(m, l)| m * l).sum::<f64>().clamp(0.0, 1.0);
        255.0 * if v <= 0.003_130_8 { 12.92 * v } else { 1.055 * v.powf(1.0 / 2.4) - 0.055 }
    })
}

#[test]
fn a_display_p3_photo_becomes_srgb() {
    let colours = [[255, 0, 0], [0, 200, 40], [60, 80, 190], [230, 190, 20], [128, 128, 128], [255, 255, 255]];
    let profile = moxcms::ColorProfile::new_display_p3().encode().unwrap();
    for format in [ImageFormat::Png, ImageFormat::Jpeg] {
        for colour in colours {
            let photo = RgbImage::from_pixel(16, 16, Rgb(colour));
            let read = decode_bytes(&with_profile(&photo, profile.clone(), format), "p3").unwrap();
            // A flat JPEG block at quality 100 is itself off by up to 2.
            let tolerance = if format == ImageFormat::Png { 1.5 } else { 4.0 };
            for (read, wanted) in read.get_pixel(8, 8).0.into_iter().zip(srgb_of_p3(colour)) {
                assert!((f64::from(read) - wanted).abs() <= tolerance, "{colour:?}: {read} is not {wanted:.1}");
            }
        }
    }
}

#[test]
fn a_grey_profile_changes_grey_photos() {
    use image::ImageEncoder;
    let mut bytes = Vec::new();
    let mut encoder = image::codecs::png::PngEncoder::new(&mut bytes);
    encoder.set_icc_profile(moxcms::ColorProfile::new_gray_with_gamma(1.8).encode().unwrap()).unwrap();
    encoder.write_image(&[100; 64], 8, 8, image::ExtendedColorType::L8).unwrap();
    let read = decode_bytes(&bytes, "grey").unwrap().get_pixel(3, 3).0;
    let linear = (100.0_f64 / 255.0).powf(1.8);
    let wanted = 255.0 * (1.055 * linear.powf(1.0 / 2.4) - 0.055);
    assert!(read.iter().all(|&v| (f64::from(v) - wanted).abs() <= 1.5), "{read:?} is not {wanted:.1}");
}

#[test]
fn a_useless_profile_is_ignored() {
    let photo = noise(16, 16, 3);
    let grey = moxcms::ColorProfile::new_gray_with_gamma(2.2).encode().unwrap();
    for profile in [b"not a profile at all".to_vec(), vec![0; 400], grey] {
        assert_eq!(decode_bytes(&with_profile(&photo, profile, ImageFormat::Png), "odd").unwrap(), photo);
    }
}

#[test]
fn the_content_counts_not_the_extension() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("really-a-png.jpg");
    let photo = noise(9, 7, 4);
    std::fs::write(&path, encode(&DynamicImage::ImageRgb8(photo.clone()), ImageFormat::Png)).unwrap();
    assert_eq!(decode_file(&path).unwrap(), photo);
}

#[test]
fn a_jpeg_that_only_lacks_its_end_mark_is_whole() {
    let bytes = jpeg(&noise(40, 40, 5), 90);
    let whole = decode_bytes(&bytes, "whole").unwrap();
    assert_eq!(&bytes[bytes.len() - 2..], b"\xFF\xD9");
    assert_eq!(decode_bytes(&bytes[..bytes.len() - 2], "endless").unwrap(), whole);
    // Bytes after the end do not matter either.
    assert_eq!(decode_bytes(&[&bytes[..], b"trailing"].concat(), "more").unwrap(), whole);
}

#[test]
fn one_pixel_is_a_photo() {
    let dot = RgbImage::from_pixel(1, 1, Rgb([1, 2, 3]));
    let read = decode_bytes(&encode(&DynamicImage::ImageRgb8(dot.clone()), ImageFormat::Png), "dot").unwrap();
    assert_eq!(read.view(0, 0, 1, 1).get_pixel(0, 0), *dot.get_pixel(0, 0));
}
