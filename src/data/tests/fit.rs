//! Oracles: Pillow's Lanczos (tests/fixtures/photos/make.py) and the geometry's own formulas.

use image::{Rgb, RgbImage};
use proptest::prelude::*;

use super::{fixture, largest_difference, noise};
use crate::data::decode::decode_file;
use crate::data::fit::{
    DEVIATION, MEAN, check_crop, letterbox, pixels, place_in_square, resize, resize_exact, shrink, to_chw,
};
use crate::domain::CropRect;

#[test]
fn resizing_equals_pillows_lanczos() {
    let photo = decode_file(&fixture("noise.png")).unwrap();
    let small = decode_file(&fixture("noise-lanczos-23x16.png")).unwrap();
    assert!(largest_difference(&resize_exact(&photo, 23, 16), &small) <= 1);
    let large = decode_file(&fixture("noise-lanczos-80x70-part.png")).unwrap();
    assert!(largest_difference(&resize(&photo, [10, 4, 40, 35], 80, 70), &large) <= 2);
}

#[test]
fn a_fine_check_becomes_grey_not_moire() {
    let check = RgbImage::from_fn(400, 400, |x, y| Rgb([if (x + y) % 2 == 0 { 255 } else { 0 }; 3]));
    let (small, _) = letterbox(&check, None, 90);
    let worst = small.as_raw().iter().map(|&v| v.abs_diff(128)).max().unwrap();
    assert!(worst <= 6, "off grey by {worst}");
}

#[test]
fn a_crop_comes_before_the_resize_and_nothing_is_stretched() {
    // A red rectangle of 60 x 30 in a blue photo: cropped to it, no blue may bleed in.
    let mut photo = RgbImage::from_pixel(200, 100, Rgb([0, 0, 255]));
    for (x, y) in (50..110).flat_map(|x| (20..50).map(move |y| (x, y))) {
        photo.put_pixel(x, y, Rgb([255, 0, 0]));
    }
    let (square, content) = letterbox(&photo, Some(CropRect::new(50.0, 20.0, 60.0, 30.0)), 40);
    assert_eq!(content, [0.0, 0.25, 1.0, 0.75]);
    for (_, y, pixel) in square.enumerate_pixels() {
        let wanted = if (10..30).contains(&y) { [255, 0, 0] } else { [255; 3] };
        assert_eq!(pixel.0, wanted);
    }
}

#[test]
fn a_crop_outside_the_photo_is_a_sentence() {
    let photo = noise(20, 10, 1);
    let outside = CropRect::new(30.0, 2.0, 10.0, 10.0);
    let text = check_crop(&photo, outside, "street.jpg").unwrap_err().to_string();
    assert_eq!(text, "the crop 30,2,10,10 lies outside the photo of 20 x 10 pixels: street.jpg");
    let partly = CropRect::new(-5.0, 4.0, 15.0, 100.0);
    assert_eq!(check_crop(&photo, partly, "street.jpg").unwrap(), CropRect::new(0.0, 4.0, 10.0, 6.0));
    let (clipped, _) = letterbox(&photo, Some(partly), 12);
    assert_eq!(clipped, letterbox(&photo, Some(CropRect::new(0.0, 4.0, 10.0, 6.0)), 12).0);
}

#[test]
fn planes_are_normalised_as_torchvision_does() {
    let photo = noise(5, 4, 2);
    let mut out = vec![0.0; 60];
    to_chw(&photo, &mut out);
    for (x, y, pixel) in photo.enumerate_pixels() {
        for c in 0..3 {
            let wanted = (f64::from(pixel[c]) / 255.0 - f64::from(MEAN[c])) / f64::from(DEVIATION[c]);
            assert!((f64::from(out[c * 20 + (y * 5 + x) as usize]) - wanted).abs() < 1e-5);
        }
    }
}

#[test]
fn shrinking_keeps_small_photos_and_the_shape_of_large_ones() {
    let photo = noise(90, 30, 3);
    assert_eq!(shrink(&photo, 90), photo);
    assert_eq!(shrink(&photo, 500), photo);
    assert_eq!(shrink(&photo, 30).dimensions(), (30, 10));
    assert_eq!(shrink(&noise(300, 1, 3), 10).dimensions(), (10, 1));
}

#[test]
fn pixels_are_opaque_rgba() {
    let photo = noise(3, 2, 4);
    let shown = pixels(&photo);
    assert_eq!((shown.width, shown.height, shown.rgba.len()), (3, 2, 24));
    for (rgb, rgba) in photo.as_raw().chunks(3).zip(shown.rgba.chunks(4)) {
        assert_eq!(rgba, [rgb[0], rgb[1], rgb[2], 255]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_place_in_the_square_is_centred_and_keeps_the_shape(
        width in 1_u32..5000, height in 1_u32..5000, size in 1_u32..700,
    ) {
        let [left, top, w, h] = place_in_square(width, height, size);
        prop_assert!(w >= 1 && h >= 1 && left + w <= size && top + h <= size);
        prop_assert_eq!(w.max(h), size);
        // Centred to within the odd pixel.
        prop_assert!((size - w - 2 * left) <= 1 && (size - h - 2 * top) <= 1);
        // Both sides within half a pixel of the same scale.
        let scale = f64::from(size) / f64::from(width.max(height));
        for (whole, exact) in [(w, f64::from(width) * scale), (h, f64::from(height) * scale)] {
            prop_assert!((f64::from(whole) - exact.max(1.0)).abs() <= 0.5 + 1e-3);
        }
    }

    #[test]
    fn any_crop_and_size_fit(
        width in 1_u32..60, height in 1_u32..60, size in 1_u32..50,
        x in -80.0_f32..80.0, y in -80.0_f32..80.0, w in -5.0_f32..100.0, h in -5.0_f32..100.0,
    ) {
        let photo = noise(width, height, 5);
        let (square, content) = letterbox(&photo, Some(CropRect::new(x, y, w, h)), size);
        prop_assert_eq!(square.dimensions(), (size, size));
        prop_assert!(content.iter().all(|part| (0.0..=1.0).contains(part)));
        prop_assert!(content[0] < content[2] && content[1] < content[3]);
    }
}
