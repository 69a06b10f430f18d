//! The colour of a flow: where it starts in the query photo, as a point of an OKLCH colour disc.
//!
//! OKLab is Björn Ottosson's (2020), public domain matrices. Equal steps in it look equal, so the disc has
//! no part that shouts.

/// Colour of mass that starts at `x`, `y` (0..=1 from the top left of the photo), as gamma-encoded sRGB in
/// 0..=1: hue by the angle around the centre, chroma by the distance from it, lighter above.
pub fn flow_color(x: f32, y: f32) -> [f32; 3] {
    const CENTRE_CHROMA: f32 = 0.05;
    const RIM_CHROMA: f32 = 0.21;
    const TOP_LIGHTNESS: f32 = 0.68;
    const BOTTOM_LIGHTNESS: f32 = 0.56;
    /// Hue at the right-hand side, in radians.
    const FIRST_HUE: f32 = 0.52;

    let (x, y) = (x.clamp(0.0, 1.0), y.clamp(0.0, 1.0));
    let (dx, dy) = (2.0 * x - 1.0, 2.0 * y - 1.0);
    let from_centre = dx.hypot(dy).min(1.0);
    let chroma = CENTRE_CHROMA + (RIM_CHROMA - CENTRE_CHROMA) * from_centre;
    let lightness = TOP_LIGHTNESS + (BOTTOM_LIGHTNESS - TOP_LIGHTNESS) * y;
    // The centre has no angle; atan2 answers 0 there, which is as good as any.
    srgb_from_oklch(lightness, chroma, dy.atan2(dx) + FIRST_HUE)
}

/// Steps of [`sequential`].
pub(super) const STEPS: usize = 256;

/// The scale of values without a sign, 0 to 1: from a dark violet over blue and green to a light yellow, as gamma-encoded
/// sRGB in 0..=1. Lightness rises evenly, so the order is the same for people who confuse hues and in grey.
pub fn sequential(value: f32) -> [f32; 3] {
    static TABLE: std::sync::LazyLock<Vec<[f32; 3]>> =
        std::sync::LazyLock::new(|| (0..STEPS).map(|step| scale(step as f32 / (STEPS - 1) as f32)).collect());
    let value = if value.is_finite() { value.clamp(0.0, 1.0) } else { 0.0 };
    TABLE[(value * (STEPS - 1) as f32).round() as usize]
}

fn scale(t: f32) -> [f32; 3] {
    /// Hues of the dark and of the light end, in radians: violet and yellow, by way of blue and green.
    const HUES: [f32; 2] = [5.3, 1.8];
    const LIGHTNESS: [f32; 2] = [0.24, 0.93];
    const CHROMA: [f32; 2] = [0.11, 0.15];
    let between = |[from, to]: [f32; 2]| from + (to - from) * t;
    srgb_from_oklch(between(LIGHTNESS), between(CHROMA), between(HUES))
}

/// The most colourful sRGB colour of this lightness and hue, up to this chroma.
fn srgb_from_oklch(lightness: f32, chroma: f32, hue: f32) -> [f32; 3] {
    let lab = |chroma: f32| [lightness, chroma * hue.cos(), chroma * hue.sin()];
    let inside = |linear: [f32; 3]| linear.iter().all(|c| (-1e-4..=1.0001).contains(c));
    let (mut low, mut high) = (0.0, chroma);
    if inside(linear_from_oklab(lab(high))) {
        low = high;
    }
    for _ in 0..14 {
        let middle = 0.5 * (low + high);
        if inside(linear_from_oklab(lab(middle))) {
            low = middle;
        } else {
            high = middle;
        }
    }
    linear_from_oklab(lab(low)).map(gamma_from_linear)
}

/// A colour in the space in which colours are mixed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Oklab([f32; 3]);

impl Oklab {
    /// From gamma-encoded sRGB.
    pub fn of(color: [f32; 3]) -> Self {
        Self(oklab_from_linear(color.map(linear_from_gamma)))
    }
}

/// Mean of colours under weights, taken where it looks like one, as sRGB. Grey where all weights are zero.
pub(super) fn mix(colors: impl Iterator<Item = (Oklab, f32)>) -> [f32; 3] {
    let mut sum = [0.0; 3];
    let mut total = 0.0;
    for (Oklab(color), weight) in colors {
        for (sum, part) in sum.iter_mut().zip(color) {
            *sum += weight * part;
        }
        total += weight;
    }
    if total > 0.0 { linear_from_oklab(sum.map(|part| part / total)).map(gamma_from_linear) } else { [0.5; 3] }
}

fn linear_from_oklab([lightness, a, b]: [f32; 3]) -> [f32; 3] {
    let l = (lightness + 0.396_337_78 * a + 0.215_803_76 * b).powi(3);
    let m = (lightness - 0.105_561_346 * a - 0.063_854_17 * b).powi(3);
    let s = (lightness - 0.089_484_18 * a - 1.291_485_5 * b).powi(3);
    [
        4.076_741_7 * l - 3.307_711_6 * m + 0.230_969_94 * s,
        -1.268_438 * l + 2.609_757_4 * m - 0.341_319_38 * s,
        -0.004_196_086_3 * l - 0.703_418_6 * m + 1.707_614_7 * s,
    ]
}

fn oklab_from_linear([r, g, b]: [f32; 3]) -> [f32; 3] {
    let l = (0.412_221_47 * r + 0.536_332_54 * g + 0.051_445_993 * b).cbrt();
    let m = (0.211_903_5 * r + 0.680_699_5 * g + 0.107_396_96 * b).cbrt();
    let s = (0.088_302_46 * r + 0.281_718_85 * g + 0.629_978_7 * b).cbrt();
    [
        0.210_454_26 * l + 0.793_617_8 * m - 0.004_072_047 * s,
        1.977_998_5 * l - 2.428_592_2 * m + 0.450_593_7 * s,
        0.025_904_037 * l + 0.782_771_77 * m - 0.808_675_77 * s,
    ]
}

fn gamma_from_linear(c: f32) -> f32 {
    let c = c.clamp(0.0, 1.0);
    if c <= 0.003_130_8 { 12.92 * c } else { 1.055 * c.powf(1.0 / 2.4) - 0.055 }
}

fn linear_from_gamma(c: f32) -> f32 {
    if c <= 0.040_45 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
}

/// As bytes.
pub(super) fn bytes(color: [f32; 3]) -> [u8; 3] {
    color.map(|c| (c.clamp(0.0, 1.0) * 255.0).round() as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oklch_equals_the_css_reference() {
        // CSS Color 4: oklch of pure red is 0.62796 0.25768 29.2339deg; of lime 0.86644 0.29483 142.4953deg.
        let red = srgb_from_oklch(0.62796, 0.25768, 29.2339f32.to_radians());
        assert_eq!(bytes(red), [255, 0, 0]);
        let lime = srgb_from_oklch(0.86644, 0.29483, 142.4953f32.to_radians());
        assert!(bytes(lime)[1] >= 254 && bytes(lime)[0] <= 6 && bytes(lime)[2] <= 6, "{lime:?}");
    }

    #[test]
    fn colours_outside_the_screen_lose_chroma_and_keep_their_hue() {
        let pale = srgb_from_oklch(0.6, 0.05, 3.4);
        let strong = srgb_from_oklch(0.6, 0.9, 3.4);
        let hue = |c: [f32; 3]| {
            let [_, a, b] = oklab_from_linear(c.map(linear_from_gamma));
            b.atan2(a)
        };
        assert!((hue(pale) - hue(strong)).abs() < 0.02, "{} {}", hue(pale), hue(strong));
        assert!(strong.iter().all(|c| (0.0..=1.0).contains(c)));
    }

    #[test]
    fn opposite_places_have_opposite_hues_and_the_top_is_lighter() {
        let lab = |x, y| oklab_from_linear(flow_color(x, y).map(linear_from_gamma));
        let (left, right) = (lab(0.0, 0.5), lab(1.0, 0.5));
        assert!(left[1] * right[1] + left[2] * right[2] < 0.0);
        assert!((lab(0.5, 0.0)[0] - 0.68).abs() < 5e-3 && (lab(0.5, 1.0)[0] - 0.56).abs() < 5e-3);
    }

    #[test]
    fn the_scale_rises_in_lightness_by_even_steps_also_for_who_confuses_red_and_green() {
        let lab: Vec<[f32; 3]> =
            (0..STEPS).map(|step| oklab_from_linear(scale(step as f32 / 255.0).map(linear_from_gamma))).collect();
        let steps: Vec<f32> =
            lab.windows(2).map(|w| (0..3).map(|i| (w[1][i] - w[0][i]).powi(2)).sum::<f32>().sqrt()).collect();
        let mean = steps.iter().sum::<f32>() / steps.len() as f32;
        assert!(lab.windows(2).all(|w| w[1][0] > w[0][0]));
        assert!(steps.iter().all(|step| (0.4..2.2).contains(&(step / mean))), "{steps:?}");
        // Deuteranopia after Vienot, Brettel and Mollon (1999), on linear sRGB.
        let seen = |[r, g, b]: [f32; 3]| {
            [0.292_75 * r + 0.707_25 * g, 0.292_75 * r + 0.707_25 * g, -0.022_34 * r + 0.022_34 * g + b]
        };
        let light: Vec<f32> = (0..STEPS)
            .map(|step| oklab_from_linear(seen(sequential(step as f32 / 255.0).map(linear_from_gamma)))[0])
            .collect();
        assert!(light.windows(2).all(|w| w[1] > w[0] - 1e-4) && light[255] - light[0] > 0.6, "{light:?}");
        assert_eq!(sequential(f32::NAN), sequential(-3.0));
    }

    #[test]
    fn a_mix_lies_between_its_parts() {
        let mixed = mix([(Oklab::of([1.0, 0.0, 0.0]), 1.0), (Oklab::of([0.0, 0.0, 1.0]), 1.0)].into_iter());
        assert!(mixed[0] > 0.3 && mixed[2] > 0.3 && mixed[1] < mixed[0]);
        assert_eq!(bytes(mix([(Oklab::of([0.2, 0.4, 0.6]), 3.0)].into_iter())), bytes([0.2, 0.4, 0.6]));
        assert_eq!(mix(std::iter::empty()), [0.5; 3]);
    }
}
