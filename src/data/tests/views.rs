//! Presets of two views. Oracles: colours of flat photos, and the definitions by hand.

use image::{Rgb, RgbImage};

use crate::data::augment::{Augment, SampleKey};
use crate::data::fit::{DEVIATION, MEAN};
use crate::data::{Shuffled, Views, colour, other_colours, other_shape};
use crate::domain::CropRect;

const SIZE: u32 = 32;

/// Mean colour of the middle of a view of a flat photo, from 0 to 1.
fn seen(augment: &Augment, rgb: [u8; 3], sample: u64) -> [f32; 3] {
    let photo = RgbImage::from_pixel(80, 80, Rgb(rgb));
    let mut out = vec![0.0; 3 * (SIZE * SIZE) as usize];
    let key = SampleKey { seed: 3, epoch: 1, sample, view: 0 };
    augment.view(&photo, CropRect::new(20.0, 20.0, 40.0, 40.0), SIZE, key, &mut out);
    let middle = (SIZE / 2 * SIZE + SIZE / 2) as usize;
    std::array::from_fn(|c| out[c * (SIZE * SIZE) as usize + middle] * DEVIATION[c] + MEAN[c])
}

fn is_grey([r, g, b]: [f32; 3]) -> bool {
    (r - g).abs() < 2e-3 && (g - b).abs() < 2e-3
}

/// Hue in parts of a turn.
fn hue([r, g, b]: [f32; 3]) -> f32 {
    (3.0_f32.sqrt() * (g - b)).atan2(2.0 * r - g - b) / std::f32::consts::TAU
}

fn apart(a: f32, b: f32) -> f32 {
    let difference = (a - b).rem_euclid(1.0);
    difference.min(1.0 - difference)
}

#[test]
fn every_preset_is_one_that_the_checks_accept() {
    let own = Augment::default();
    for views in [Views::Moco, Views::Byol, Views::KeepsColour, Views::Own] {
        for augment in views.pair(&own) {
            assert_eq!(augment.check(), Ok(()), "{views:?}");
        }
    }
    assert_eq!((other_shape().check(), other_colours().check()), (Ok(()), Ok(())));
    assert_eq!(Views::Own.pair(&own), [own.clone(), own]);
    let odd = Augment { least_hue: 0.2, hue: 0.1, ..Augment::none() };
    assert!(odd.check().unwrap_err().contains("least_hue"));
}

#[test]
fn strong_presets_change_the_hue_and_the_one_for_fashion_hardly_does() {
    let red = [200, 60, 60];
    let spread = |augment: &Augment| {
        let hues = (0..200).map(|sample| seen(augment, red, sample)).filter(|c| !is_grey(*c)).map(hue);
        hues.map(|h| apart(h, hue([200.0, 60.0, 60.0]))).fold(0.0, f32::max)
    };
    let greys = |augment: &Augment| (0..400).filter(|&sample| is_grey(seen(augment, red, sample))).count();
    let [moco, _] = Views::Moco.pair(&Augment::none());
    let [kept, _] = Views::KeepsColour.pair(&Augment::none());
    assert!(spread(&moco) > 0.08 && spread(&kept) < 0.035, "{} {}", spread(&moco), spread(&kept));
    // 80 and 20 of 400 expected, with deviations of 8 and 4.4.
    assert!((50..110).contains(&greys(&moco)) && greys(&kept) < 40, "{} {}", greys(&moco), greys(&kept));
}

#[test]
fn one_view_of_byol_s_is_solarised_now_and_then() {
    let [first, second] = Views::Byol.pair(&Augment::none());
    let dark = |augment: &Augment| {
        let plain = Augment { jitter: 0.0, grey: 0.0, ..augment.clone() };
        (0..500).filter(|&sample| seen(&plain, [250, 250, 250], sample)[0] < 0.1).count()
    };
    // 100 of 500 expected, with a deviation of 9.
    assert!(dark(&first) == 0 && (70..130).contains(&dark(&second)), "{}", dark(&second));
    let mut values = [0.0, 0.25, 0.5, 0.75, 1.0];
    colour::solarise(&mut values);
    assert_eq!(values, [0.0, 0.25, 0.5, 0.25, 0.0]);
}

#[test]
fn perturbations_of_work_r_move_shape_or_colour_and_not_the_other() {
    let red = [200, 60, 60];
    let least = (0..300)
        .map(|sample| seen(&other_colours(), red, sample))
        .filter(|colour| !is_grey(*colour))
        .map(|colour| apart(hue(colour), hue([200.0, 60.0, 60.0])))
        .fold(1.0, f32::min);
    // A sixth of a turn, less what the clipping of channels bends.
    assert!(least > 0.12, "{least}");
    for sample in 0..50 {
        let colour = seen(&other_shape(), red, sample);
        assert!((hue(colour) - hue([200.0, 60.0, 60.0])).abs() < 1e-3, "{colour:?}");
    }
}

#[test]
fn the_endless_order_deals_everything_once_a_round_and_can_be_cut_anywhere() {
    let shuffled = Shuffled::new((10..17).collect(), 5);
    let long = shuffled.stretch(0, 21);
    for round in long.chunks(7) {
        let mut sorted = round.to_vec();
        sorted.sort_unstable();
        assert_eq!(sorted, (10..17).collect::<Vec<_>>());
    }
    assert_ne!(long[..7], long[7..14]);
    assert_eq!(shuffled.stretch(5, 9), long[5..14]);
    assert_ne!(Shuffled::new((10..17).collect(), 6).stretch(0, 7), long[..7]);
    assert!(Shuffled::new(Vec::new(), 1).stretch(3, 4).is_empty());
}
