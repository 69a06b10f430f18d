//! Views of a photo for training: the crop, the colours and the sharpness vary, the garment stays.
//!
//! A view goes the way that a search goes (crop, fit into a white square), with a crop as a hurried person would
//! draw it. Colour identifies a garment, so the default colour changes are those of light, not of dye. What is drawn
//! depends on the sample's key alone.

use image::RgbImage;
use serde::{Deserialize, Serialize};

use super::colour;
use super::dice::Dice;
use super::fit::{self, DEVIATION, MEAN};
use crate::domain::CropRect;

/// What a view depends on besides the photo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SampleKey {
    pub seed: u64,
    pub epoch: u64,
    /// Counts the samples of an epoch.
    pub sample: u64,
    /// Tells several views of one sample apart.
    pub view: u64,
}

/// Keeps the draws of solarisation apart.
const SOLARISE: u64 = 1 << 63;

/// How much views may vary. A strength of 0 turns a change off; with `Augment::none()` a view is what a search sees.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Augment {
    /// Smallest and largest side of the crop, relative to the garment's box.
    pub crop_scale: [f32; 2],
    /// How far the crop's middle may move, relative to the box's sides.
    pub crop_shift: f32,
    /// How far the crop's shape may change: the logarithm of its aspect, against the box's.
    pub crop_aspect: f32,
    /// Chance of a mirrored view.
    pub flip: f32,
    /// Largest rotation to either side, in degrees.
    pub rotation_deg: f32,
    /// Chance of any change of colour.
    pub jitter: f32,
    /// Largest relative change of brightness, contrast and saturation.
    pub brightness: f32,
    pub contrast: f32,
    pub saturation: f32,
    /// Largest turn of the hue, as part of a full turn; at most 0.5.
    pub hue: f32,
    /// Smallest turn, where any is wanted.
    pub least_hue: f32,
    /// Chance of a grey view.
    pub grey: f32,
    /// Chance of a blurred view, and the smallest and largest deviation in pixels at 224 pixels a side.
    pub blur: f32,
    pub blur_sigma: [f32; 2],
    /// Chance that a rectangle is covered, and the smallest and largest part of the view that it takes.
    pub erase: f32,
    pub erase_area: [f32; 2],
    /// Chance that all that is brighter than half is inverted.
    pub solarise: f32,
}

impl Default for Augment {
    fn default() -> Self {
        Self {
            crop_scale: [0.75, 1.15],
            crop_shift: 0.08,
            crop_aspect: 0.15,
            flip: 0.5,
            rotation_deg: 8.0,
            jitter: 0.8,
            brightness: 0.25,
            contrast: 0.25,
            saturation: 0.25,
            hue: 0.02,
            least_hue: 0.0,
            grey: 0.02,
            blur: 0.2,
            blur_sigma: [0.1, 1.5],
            erase: 0.2,
            erase_area: [0.02, 0.15],
            solarise: 0.0,
        }
    }
}

impl Augment {
    /// Every view is the box as it is.
    pub fn none() -> Self {
        Self {
            crop_scale: [1.0; 2],
            crop_shift: 0.0,
            crop_aspect: 0.0,
            flip: 0.0,
            rotation_deg: 0.0,
            jitter: 0.0,
            brightness: 0.0,
            contrast: 0.0,
            saturation: 0.0,
            hue: 0.0,
            least_hue: 0.0,
            grey: 0.0,
            blur: 0.0,
            blur_sigma: [0.0; 2],
            erase: 0.0,
            erase_area: [0.0; 2],
            solarise: 0.0,
        }
    }

    /// One sentence where a setting makes no sense.
    pub fn check(&self) -> Result<(), String> {
        let chances = [
            ("flip", self.flip),
            ("jitter", self.jitter),
            ("grey", self.grey),
            ("blur", self.blur),
            ("erase", self.erase),
            ("solarise", self.solarise),
        ];
        if let Some((name, value)) = chances.into_iter().find(|(_, p)| !(0.0..=1.0).contains(p)) {
            return Err(format!("{name} is a chance between 0 and 1, not {value}"));
        }
        let strengths = [
            ("brightness", self.brightness, 1.0),
            ("contrast", self.contrast, 1.0),
            ("saturation", self.saturation, 1.0),
            ("hue", self.hue, 0.5),
            ("least_hue", self.least_hue, self.hue),
            ("crop_shift", self.crop_shift, 1.0),
            ("crop_aspect", self.crop_aspect, 1.0),
            ("rotation_deg", self.rotation_deg, 180.0),
        ];
        if let Some((name, value, most)) = strengths.into_iter().find(|(_, s, most)| !(0.0..=*most).contains(s)) {
            return Err(format!("{name} must lie between 0 and {most}, not {value}"));
        }
        let ranges = [
            ("crop_scale", self.crop_scale, 0.05, 4.0),
            ("blur_sigma", self.blur_sigma, 0.0, 20.0),
            ("erase_area", self.erase_area, 0.0, 0.9),
        ];
        for (name, [low, high], least, most) in ranges {
            if !(least..=most).contains(&low) || !(low..=most).contains(&high) {
                return Err(format!(
                    "{name} must be two rising numbers between {least} and {most}, not {low} and {high}"
                ));
            }
        }
        Ok(())
    }

    /// How much of the photo around the box a view can need, as part of the box's sides on each side.
    pub fn margin(&self) -> f32 {
        let half = self.crop_scale[1] * (0.5 * self.crop_aspect).exp() * 0.5;
        (half + self.crop_shift - 0.5).max(0.0)
    }

    /// Makes one view: three planes of `size` x `size`, normalised as the network expects.
    ///
    /// # Panics
    /// When `out` does not hold 3 x size x size: a bug of the caller.
    pub fn view(&self, photo: &RgbImage, garment: CropRect, size: u32, key: SampleKey, out: &mut [f32]) {
        let side = size as usize;
        assert_eq!(out.len(), 3 * side * side, "three planes of the view's size");
        let mut dice = Dice::new([key.seed, key.epoch, key.sample, key.view]);
        let crop = self.crop(photo, garment, &mut dice);
        let part = fit::whole_pixels(crop, photo);
        let [left, top, width, height] = fit::place_in_square(part[2], part[3], size);
        let content = fit::resize(photo, part, width, height);
        let mut rgb: Vec<f32> = content.as_raw().iter().map(|&byte| f32::from(byte) / 255.0).collect();
        self.recolour(&mut rgb, width as usize, height as usize, size, &mut dice);
        // Its own dice, so that what was drawn before there was such a change stays what it was.
        if self.solarise > 0.0
            && Dice::new([key.seed, key.epoch, key.sample, key.view ^ SOLARISE]).chance(self.solarise)
        {
            colour::solarise(&mut rgb);
        }

        let radians = self.rotation_deg.to_radians() * dice.between(-1.0, 1.0);
        let mirrored = dice.chance(self.flip);
        let content = Content { rgb: &rgb, left, top, width, height };
        content.lay_out(size, radians, mirrored, out);
        self.erase(side, &mut dice, out);
    }

    fn crop(&self, photo: &RgbImage, garment: CropRect, dice: &mut Dice) -> CropRect {
        let scale = dice.between(self.crop_scale[0], self.crop_scale[1]);
        let stretch = (0.5 * self.crop_aspect * dice.between(-1.0, 1.0)).exp();
        let (dx, dy) = (self.crop_shift * dice.between(-1.0, 1.0), self.crop_shift * dice.between(-1.0, 1.0));
        let (width, height) = (garment.width * scale * stretch, garment.height * scale / stretch);
        let middle_x = garment.x + garment.width * (0.5 + dx);
        let middle_y = garment.y + garment.height * (0.5 + dy);
        let moved = CropRect::new(middle_x - width / 2.0, middle_y - height / 2.0, width, height);
        let inside = |crop: CropRect| crop.clipped(photo.width(), photo.height());
        inside(moved).or_else(|| inside(garment)).unwrap_or_else(|| CropRect::whole(photo.width(), photo.height()))
    }

    fn recolour(&self, rgb: &mut [f32], width: usize, height: usize, size: u32, dice: &mut Dice) {
        // All numbers are drawn whether used or not, so that turning one change off leaves the others as they are.
        let jittered = dice.chance(self.jitter);
        let factors = [self.brightness, self.contrast, self.saturation].map(|s| 1.0 + s * dice.between(-1.0, 1.0));
        let drawn = dice.between(-1.0, 1.0);
        let turn = drawn.signum() * self.least_hue + (self.hue - self.least_hue) * drawn;
        let mut order = [0, 1, 2, 3];
        dice.shuffle(&mut order);
        let greyed = dice.chance(self.grey);
        let blurred = dice.chance(self.blur);
        let sigma = dice.between(self.blur_sigma[0], self.blur_sigma[1]) * size as f32 / 224.0;
        if jittered {
            for change in order {
                match change {
                    0 if self.brightness > 0.0 => colour::brightness(rgb, factors[0]),
                    1 if self.contrast > 0.0 => colour::contrast(rgb, factors[1]),
                    2 if self.saturation > 0.0 => colour::saturation(rgb, factors[2]),
                    3 if self.hue > 0.0 => colour::hue(rgb, turn),
                    _ => {}
                }
            }
        }
        if greyed {
            colour::grey(rgb);
        }
        if blurred {
            colour::blur(rgb, width, height, sigma);
        }
    }

    /// Covers a rectangle with one colour, as an arm, a bag or another person does.
    fn erase(&self, side: usize, dice: &mut Dice, out: &mut [f32]) {
        if !dice.chance(self.erase) {
            return;
        }
        let area = dice.between(self.erase_area[0], self.erase_area[1]) * (side * side) as f32;
        let aspect = dice.between(0.3_f32.ln(), 3.3_f32.ln()).exp();
        let length = |pixels: f32| (pixels.round() as usize).clamp(1, side);
        let (width, height) = (length((area * aspect).sqrt()), length((area / aspect).sqrt()));
        let (left, top) = (dice.below(side - width + 1), dice.below(side - height + 1));
        let colour = [dice.unit(), dice.unit(), dice.unit()];
        for (channel, plane) in out.chunks_exact_mut(side * side).enumerate() {
            let value = (colour[channel] - MEAN[channel]) / DEVIATION[channel];
            for row in plane.chunks_exact_mut(side).skip(top).take(height) {
                row[left..left + width].fill(value);
            }
        }
    }
}

/// A resized crop and its place in the square.
struct Content<'a> {
    rgb: &'a [f32],
    left: u32,
    top: u32,
    width: u32,
    height: u32,
}

impl Content<'_> {
    /// Writes normalised planes: white, with the content turned about the square's middle and perhaps mirrored.
    fn lay_out(&self, size: u32, radians: f32, mirrored: bool, out: &mut [f32]) {
        let side = size as usize;
        let white: [f32; 3] = std::array::from_fn(|c| (1.0 - MEAN[c]) / DEVIATION[c]);
        let (sin, cos) = radians.sin_cos();
        let middle = (size as f32 - 1.0) / 2.0;
        let turned = radians != 0.0;
        for y in 0..side {
            for x in 0..side {
                let source_x = if mirrored { side - 1 - x } else { x };
                let pixel = if turned {
                    let (dx, dy) = (source_x as f32 - middle, y as f32 - middle);
                    self.between_pixels(cos * dx + sin * dy + middle, cos * dy - sin * dx + middle)
                } else {
                    self.at(source_x as i64, y as i64)
                };
                for c in 0..3 {
                    out[c * side * side + y * side + x] =
                        pixel.map_or(white[c], |rgb| (rgb[c] - MEAN[c]) / DEVIATION[c]);
                }
            }
        }
    }

    /// The colour at a pixel of the square; `None` on the padding.
    fn at(&self, x: i64, y: i64) -> Option<[f32; 3]> {
        let (x, y) = (x - i64::from(self.left), y - i64::from(self.top));
        let inside = (0..i64::from(self.width)).contains(&x) && (0..i64::from(self.height)).contains(&y);
        inside.then(|| {
            let start = (y as usize * self.width as usize + x as usize) * 3;
            [self.rgb[start], self.rgb[start + 1], self.rgb[start + 2]]
        })
    }

    /// Bilinear; padding counts as white.
    fn between_pixels(&self, x: f32, y: f32) -> Option<[f32; 3]> {
        let (x0, y0) = (x.floor(), y.floor());
        let (fx, fy) = (x - x0, y - y0);
        let (x0, y0) = (x0 as i64, y0 as i64);
        let corners = [
            (self.at(x0, y0), (1.0 - fx) * (1.0 - fy)),
            (self.at(x0 + 1, y0), fx * (1.0 - fy)),
            (self.at(x0, y0 + 1), (1.0 - fx) * fy),
            (self.at(x0 + 1, y0 + 1), fx * fy),
        ];
        corners.iter().any(|(colour, _)| colour.is_some()).then(|| {
            let mut sum = [0.0; 3];
            for (colour, weight) in corners {
                let colour = colour.unwrap_or([1.0; 3]);
                (0..3).for_each(|c| sum[c] += weight * colour[c]);
            }
            sum
        })
    }
}
