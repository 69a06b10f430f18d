//! Trimming of catalogue shots. Oracle: boxes that are known because the photo was made here or drawn by `synth`.

use image::{Rgb, RgbImage};

use super::noise;
use crate::data::ground::{compared_part, product_box};
use crate::domain::{CropRect, PhotoDomain};

/// A dark block on a ground that is lit from one corner.
fn shot(width: u32, height: u32, block: [u32; 4]) -> RgbImage {
    let [left, top, wide, high] = block;
    RgbImage::from_fn(width, height, |x, y| {
        if (left..left + wide).contains(&x) && (top..top + high).contains(&y) {
            Rgb([40, 60, 90 + (x % 7) as u8])
        } else {
            let light = 250.0 - 20.0 * x as f32 / width as f32 - 12.0 * y as f32 / height as f32;
            Rgb([light as u8, light as u8 - 2, light as u8 - 5])
        }
    })
}

fn overlap(a: CropRect, b: CropRect) -> f32 {
    let shared = |a: f32, aw: f32, b: f32, bw: f32| ((a + aw).min(b + bw) - a.max(b)).max(0.0);
    let inner = shared(a.x, a.width, b.x, b.width) * shared(a.y, a.height, b.y, b.height);
    inner / (a.width * a.height + b.width * b.height - inner)
}

#[test]
fn the_box_is_that_of_what_stands_on_the_ground() {
    for (size, block) in [([200, 260], [31, 52, 90, 170]), ([900, 640], [500, 40, 380, 300])] {
        let found = product_box(&shot(size[0], size[1], block)).expect("the ground is even");
        let [x, y, w, h] = block.map(|side| side as f32);
        assert!(overlap(found, CropRect::new(x, y, w, h)) > 0.95, "{block:?}: {found:?}");
    }
}

#[test]
fn a_product_over_the_edge_is_still_found() {
    let found = product_box(&shot(200, 200, [60, 80, 100, 120])).expect("three sides are ground");
    assert!(overlap(found, CropRect::new(60.0, 80.0, 100.0, 120.0)) > 0.95, "{found:?}");
}

#[test]
fn without_an_even_ground_or_anything_on_it_the_photo_is_whole() {
    let snapshot = noise(120, 90, 3);
    let empty = shot(120, 90, [0, 0, 0, 0]);
    let filled = RgbImage::from_pixel(50, 50, Rgb([120, 30, 30]));
    for photo in [snapshot, empty, filled, RgbImage::new(1, 1), RgbImage::new(2, 300)] {
        assert_eq!(product_box(&photo), None);
        let whole = CropRect::whole(photo.width(), photo.height());
        assert_eq!(compared_part(&photo, PhotoDomain::Shop, None), whole);
    }
}

#[test]
fn a_given_box_counts_and_a_street_photo_is_never_trimmed() {
    let photo = shot(200, 260, [31, 52, 90, 170]);
    let given = CropRect::new(10.0, 10.0, 50.0, 60.0);
    assert_eq!(compared_part(&photo, PhotoDomain::Shop, Some(given)), given);
    assert_eq!(compared_part(&photo, PhotoDomain::Street, Some(given)), given);
    assert_eq!(compared_part(&photo, PhotoDomain::Street, None), CropRect::whole(200, 260));
    let outside = CropRect::new(900.0, 900.0, 5.0, 5.0);
    assert_eq!(compared_part(&photo, PhotoDomain::Shop, Some(outside)), compared_part(&photo, PhotoDomain::Shop, None));
}

#[test]
fn boxes_of_the_drawn_wardrobe_are_found_within_a_few_pixels() {
    let spec = crate::synth::SampleSpec { products: 24, ..Default::default() };
    let overlaps: Vec<f32> = (0..24)
        .map(|product| {
            let (photo, record) = crate::synth::render_shop(&spec, product, 0);
            overlap(compared_part(&photo, PhotoDomain::Shop, None), record.garments[0].bbox)
        })
        .collect();
    let mean = overlaps.iter().sum::<f32>() / overlaps.len() as f32;
    assert!(mean > 0.9, "mean overlap {mean}: {overlaps:?}");
}
