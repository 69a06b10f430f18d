//! Oracles: the definitions in f64, written another way round than the code.

use proptest::prelude::*;

use crate::data::colour;

/// RGB to HSV and back by the textbook, with the six cases spelled out.
fn hue_turned(rgb: [f32; 3], turn: f64) -> [f64; 3] {
    let [r, g, b] = rgb.map(f64::from);
    let (v, least) = (r.max(g).max(b), r.min(g).min(b));
    let c = v - least;
    if c == 0.0 {
        return [r, g, b];
    }
    let degrees = 60.0
        * if v == r {
            ((g - b) / c).rem_euclid(6.0)
        } else if v == g {
            (b - r) / c + 2.0
        } else {
            (r - g) / c + 4.0
        };
    let turned = (degrees + 360.0 * turn).rem_euclid(360.0);
    let x = c * (1.0 - ((turned / 60.0) % 2.0 - 1.0).abs());
    let (r, g, b) = match (turned / 60.0) as usize {
        0 => (c, x, 0.0),
        1 => (x, c, 0.0),
        2 => (0.0, c, x),
        3 => (0.0, x, c),
        4 => (x, 0.0, c),
        _ => (c, 0.0, x),
    };
    [r + least, g + least, b + least]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_hue_turns_as_in_hsv(rgb in prop::array::uniform3(0.0_f32..=1.0), turn in -0.5_f32..0.5) {
        let mut pixel = rgb.to_vec();
        colour::hue(&mut pixel, turn);
        for (value, wanted) in pixel.iter().zip(hue_turned(rgb, turn.into())) {
            prop_assert!((f64::from(*value) - wanted).abs() < 1e-5, "{rgb:?} by {turn}: {pixel:?}");
        }
    }
}

#[test]
fn a_third_of_a_turn_makes_red_green() {
    let mut pixel = vec![1.0, 0.0, 0.0];
    colour::hue(&mut pixel, 1.0 / 3.0);
    assert!(pixel.iter().zip([0.0, 1.0, 0.0]).all(|(v, w): (&f32, f32)| (v - w).abs() < 1e-6));
}

#[test]
fn brightness_contrast_and_saturation_blend_as_defined() {
    let picture = [0.1_f32, 0.5, 0.9, 0.4, 0.2, 0.6];
    let grey = |p: &[f32]| 0.299 * p[0] + 0.587 * p[1] + 0.114 * p[2];
    let mean = (grey(&picture[..3]) + grey(&picture[3..])) / 2.0;
    let factor = 1.3;
    let check = |change: fn(&mut [f32], f32), other: &dyn Fn(usize) -> f32| {
        let mut changed = picture;
        change(&mut changed, factor);
        for i in 0..6 {
            let wanted = (factor * picture[i] + (1.0 - factor) * other(i)).clamp(0.0, 1.0);
            assert!((changed[i] - wanted).abs() < 1e-6, "{changed:?} at {i}");
        }
    };
    check(colour::brightness, &|_| 0.0);
    check(colour::contrast, &|_| mean);
    check(colour::saturation, &|i| grey(&picture[i / 3 * 3..i / 3 * 3 + 3]));
    let mut all_grey = picture;
    colour::grey(&mut all_grey);
    assert!((all_grey[0] - grey(&picture[..3])).abs() < 1e-6 && all_grey[0] == all_grey[2]);
}

#[test]
fn a_blurred_dot_is_a_gaussian_and_keeps_its_light() {
    let side = 41;
    let mut picture = vec![0.0; side * side * 3];
    picture[(20 * side + 20) * 3 + 1] = 1.0;
    let sigma = 2.0_f64;
    colour::blur(&mut picture, side, side, sigma as f32);
    let sum: f32 = picture.iter().sum();
    assert!((sum - 1.0).abs() < 1e-4);
    for (x, y) in [(20, 20), (23, 20), (18, 25), (20, 14)] {
        let r2 = f64::from((x - 20_i32).pow(2) + (y - 20_i32).pow(2));
        let wanted = (-r2 / (2.0 * sigma * sigma)).exp() / (2.0 * std::f64::consts::PI * sigma * sigma);
        let value = f64::from(picture[(y as usize * side + x as usize) * 3 + 1]);
        // Cut off at three deviations, so a little more than the endless Gaussian.
        assert!((value / wanted - 1.0).abs() < 0.01, "{value} is not {wanted}");
    }
    // A flat picture stays flat to its border.
    let mut flat = vec![0.25; 7 * 5 * 3];
    colour::blur(&mut flat, 7, 5, 1.7);
    assert!(flat.iter().all(|v| (v - 0.25).abs() < 1e-6));
}
