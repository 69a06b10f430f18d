//! Oracles: the path of a search (letterbox and planes) at strength 0, and plain geometry.

use image::{Rgb, RgbImage};

use super::noise;
use crate::data::augment::{Augment, SampleKey};
use crate::data::fit::{DEVIATION, MEAN, letterbox, to_chw};
use crate::domain::CropRect;

const SIZE: u32 = 48;

fn key(sample: u64) -> SampleKey {
    SampleKey { seed: 11, epoch: 2, sample, view: 0 }
}

fn view(augment: &Augment, photo: &RgbImage, garment: CropRect, key: SampleKey) -> Vec<f32> {
    let mut out = vec![f32::NAN; 3 * (SIZE * SIZE) as usize];
    augment.view(photo, garment, SIZE, key, &mut out);
    assert!(out.iter().all(|value| value.is_finite()));
    out
}

fn searched(photo: &RgbImage, garment: CropRect) -> Vec<f32> {
    let mut out = vec![0.0; 3 * (SIZE * SIZE) as usize];
    to_chw(&letterbox(photo, Some(garment), SIZE).0, &mut out);
    out
}

fn difference(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

fn garment() -> CropRect {
    CropRect::new(20.0, 10.0, 40.0, 60.0)
}

#[test]
fn without_changes_a_view_is_what_a_search_sees() {
    let photo = noise(90, 80, 1);
    for sample in 0..3 {
        let seen = view(&Augment::none(), &photo, garment(), key(sample));
        assert!(difference(&seen, &searched(&photo, garment())) < 1e-5);
    }
}

#[test]
fn a_view_depends_on_its_key_alone() {
    let photo = noise(90, 80, 2);
    let augment = Augment::default();
    let first = view(&augment, &photo, garment(), key(5));
    assert_eq!(first, view(&augment, &photo, garment(), key(5)));
    let others =
        [key(6), SampleKey { seed: 12, ..key(5) }, SampleKey { epoch: 3, ..key(5) }, SampleKey { view: 1, ..key(5) }];
    for other in others {
        assert!(difference(&first, &view(&augment, &photo, garment(), other)) > 0.1, "{other:?}");
    }
}

#[test]
fn a_flip_mirrors_the_square() {
    let photo = noise(90, 80, 3);
    let flipped = view(&Augment { flip: 1.0, ..Augment::none() }, &photo, garment(), key(0));
    let plain = searched(&photo, garment());
    let side = SIZE as usize;
    for (row, mirrored) in plain.chunks(side).zip(flipped.chunks(side)) {
        assert!(row.iter().rev().zip(mirrored).all(|(a, b)| (a - b).abs() < 1e-5));
    }
}

#[test]
fn crops_stay_near_the_garment() {
    // Red garment in a blue photo: the share of red in a view is that of the garment's area in the crop.
    let mut photo = RgbImage::from_pixel(200, 200, Rgb([0, 0, 255]));
    for (x, y) in (60..140).flat_map(|x| (60..140).map(move |y| (x, y))) {
        photo.put_pixel(x, y, Rgb([255, 0, 0]));
    }
    let garment = CropRect::new(60.0, 60.0, 80.0, 80.0);
    let augment = Augment { crop_scale: [0.8, 1.2], crop_shift: 0.1, crop_aspect: 0.1, ..Augment::none() };
    let mut shares = Vec::new();
    for sample in 0..40 {
        let seen = view(&augment, &photo, garment, key(sample));
        let red = &seen[..(SIZE * SIZE) as usize];
        let bright = (0.9 - MEAN[0]) / DEVIATION[0];
        shares.push(red.iter().filter(|&&v| v > bright).count() as f32 / red.len() as f32);
    }
    let (least, most) = shares.iter().fold((1.0_f32, 0.0_f32), |(a, b), &s| (a.min(s), b.max(s)));
    assert!(least > 0.5, "a crop lost the garment: {least}");
    assert!(most > 0.97 && most - least > 0.1, "crops hardly vary: {least} to {most}");
}

#[test]
fn a_rotation_turns_about_the_middle_and_pads_with_white() {
    let photo = RgbImage::from_pixel(60, 60, Rgb([0, 0, 0]));
    let whole = CropRect::whole(60, 60);
    let turned = (0..20)
        .map(|sample| view(&Augment { rotation_deg: 45.0, ..Augment::none() }, &photo, whole, key(sample)))
        .find(|seen| seen[0] > (0.9 - MEAN[0]) / DEVIATION[0])
        .expect("one of 20 rotations is large enough to free the corner");
    let middle = (SIZE / 2 * SIZE + SIZE / 2) as usize;
    assert!((turned[middle] - (0.0 - MEAN[0]) / DEVIATION[0]).abs() < 1e-4);
}

#[test]
fn erasing_covers_a_rectangle_of_the_stated_area_with_one_colour() {
    let photo = noise(90, 80, 4);
    let augment = Augment { erase: 1.0, erase_area: [0.1, 0.2], ..Augment::none() };
    let plain = searched(&photo, CropRect::whole(90, 80));
    let side = SIZE as usize;
    for sample in 0..10 {
        let seen = view(&augment, &photo, CropRect::whole(90, 80), key(sample));
        let changed: Vec<usize> = (0..side * side).filter(|&i| (seen[i] - plain[i]).abs() > 1e-4).collect();
        let share = changed.len() as f32 / (side * side) as f32;
        assert!((0.08..0.23).contains(&share), "{share}");
        assert!(changed.iter().all(|&i| seen[i] == seen[changed[0]]));
    }
}

#[test]
fn colour_changes_leave_the_padding_white() {
    let photo = noise(20, 80, 5);
    let augment = Augment { jitter: 1.0, brightness: 0.9, contrast: 0.9, ..Augment::none() };
    let seen = view(&augment, &photo, CropRect::whole(20, 80), key(1));
    assert!((seen[0] - (1.0 - MEAN[0]) / DEVIATION[0]).abs() < 1e-6);
    assert!(difference(&seen, &searched(&photo, CropRect::whole(20, 80))) > 0.05);
}

#[test]
fn settings_are_checked_and_read_from_toml() {
    assert_eq!(Augment::default().check(), Ok(()));
    assert_eq!(Augment::none().check(), Ok(()));
    let odd = Augment { flip: 1.5, ..Augment::default() };
    assert_eq!(odd.check().unwrap_err(), "flip is a chance between 0 and 1, not 1.5");
    assert!(Augment { hue: f32::NAN, ..Augment::default() }.check().is_err());
    assert!(Augment { crop_scale: [1.2, 0.8], ..Augment::default() }.check().is_err());
    let read: Augment = toml::from_str("hue = 0.1\nblur_sigma = [0.5, 1.0]").unwrap();
    assert_eq!(read, Augment { hue: 0.1, blur_sigma: [0.5, 1.0], ..Augment::default() });
    assert!(toml::from_str::<Augment>("sparkle = 1").is_err());
}
