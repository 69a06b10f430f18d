//! Where the product stands in a catalogue shot.
//!
//! A street photo is searched by a garment's box, tight around it. A catalogue shot leaves air around its product, and
//! how much differs from shop to shop; embedded whole, the same garment would be smaller in one photo than in the
//! other and its cells would not meet. So a shop photo whose box nobody gave is trimmed to what stands out from its
//! clean ground. Where the ground is not clean, or the product fills the frame, the photo is taken whole.

use image::RgbImage;

use super::fit;
use crate::domain::{CropRect, PhotoDomain};

/// Long side in pixels at which a photo is looked at.
const LOOKED_AT_PX: u32 = 256;
/// Width of the border, in looked-at pixels, that tells the ground's colour.
const BORDER_PX: u32 = 3;
/// Largest difference of a channel, of 255, within the ground itself.
const EVEN: f32 = 10.0;
/// Share of the border that has to be ground.
const CLEAN: f32 = 0.45;
/// Difference of a channel, of 255, from which a pixel belongs to the product: more than a soft shadow's.
const STANDS_OUT: f32 = 28.0;
/// Share of a row or column that has to stand out.
const OF_A_LINE: f32 = 0.02;

/// The part of a photo that is compared where a search does not choose: the box that came with the data; else, of a
/// shop photo, the product's; else all of it.
pub fn compared_part(photo: &RgbImage, domain: PhotoDomain, given: Option<CropRect>) -> CropRect {
    let given = given.and_then(|crop| crop.clipped(photo.width(), photo.height()));
    let found = || (domain == PhotoDomain::Shop).then(|| product_box(photo)).flatten();
    given.or_else(found).unwrap_or_else(|| CropRect::whole(photo.width(), photo.height()))
}

/// The box around what stands out from an even ground; `None` where there is no such ground or nothing on it.
pub fn product_box(photo: &RgbImage) -> Option<CropRect> {
    let small = fit::shrink(photo, LOOKED_AT_PX);
    let ground = Ground::of(&small)?;
    let (width, height) = small.dimensions();
    let (mut columns, mut rows) = (vec![0u32; width as usize], vec![0u32; height as usize]);
    for (x, y, pixel) in small.enumerate_pixels() {
        if ground.distance(x, y, pixel) > STANDS_OUT {
            columns[x as usize] += 1;
            rows[y as usize] += 1;
        }
    }
    let span = |counts: &[u32], across: u32| -> Option<(f32, f32)> {
        let enough = |count: &u32| *count >= 2 && *count as f32 >= OF_A_LINE * across as f32;
        let first = counts.iter().position(enough)?;
        let last = counts.iter().rposition(enough)?;
        Some((first as f32, (last + 1 - first) as f32))
    };
    let (x, wide) = span(&columns, height)?;
    let (y, high) = span(&rows, width)?;
    let (sx, sy) = (photo.width() as f32 / width as f32, photo.height() as f32 / height as f32);
    CropRect::new(x * sx, y * sy, wide * sx, high * sy).clipped(photo.width(), photo.height())
}

/// A colour that changes evenly over the photo: a plane for each channel, as backdrops are lit.
struct Ground {
    /// Constant, slope along x, slope along y.
    planes: [[f64; 3]; 3],
}

impl Ground {
    /// Fitted to the border, from which whatever reaches over the edge is left out.
    fn of(photo: &RgbImage) -> Option<Self> {
        let (width, height) = photo.dimensions();
        let border: Vec<(u32, u32)> = (0..height)
            .flat_map(|y| (0..width).map(move |x| (x, y)))
            .filter(|&(x, y)| x < BORDER_PX || y < BORDER_PX || x + BORDER_PX >= width || y + BORDER_PX >= height)
            .collect();
        let middle = [0, 1, 2].map(|channel| {
            let mut values: Vec<u8> = border.iter().map(|&(x, y)| photo.get_pixel(x, y)[channel]).collect();
            let at = values.len() / 2;
            *values.select_nth_unstable(at).1
        });
        let mut ground = Self { planes: middle.map(|value| [f64::from(value), 0.0, 0.0]) };
        let mut within = 4.0 * EVEN;
        let mut kept = Vec::new();
        for _ in 0..4 {
            kept = border
                .iter()
                .copied()
                .filter(|&(x, y)| ground.distance(x, y, photo.get_pixel(x, y)) < within)
                .collect();
            ground = Self::fitted(photo, &kept)?;
            within = EVEN;
        }
        (kept.len() as f32 >= CLEAN * border.len() as f32).then_some(ground)
    }

    /// Least squares over these pixels; `None` where they do not span a plane.
    fn fitted(photo: &RgbImage, pixels: &[(u32, u32)]) -> Option<Self> {
        let mut normal = [[0.0f64; 3]; 3];
        let mut right = [[0.0f64; 3]; 3];
        for &(x, y) in pixels {
            let basis = [1.0, f64::from(x), f64::from(y)];
            let pixel = photo.get_pixel(x, y);
            for i in 0..3 {
                for j in 0..3 {
                    normal[i][j] += basis[i] * basis[j];
                }
                for (channel, sums) in right.iter_mut().enumerate() {
                    sums[i] += basis[i] * f64::from(pixel[channel]);
                }
            }
        }
        let [a, b, c] = right.map(|sums| solved(&normal, &sums));
        Some(Self { planes: [a?, b?, c?] })
    }

    /// Largest difference of a channel.
    fn distance(&self, x: u32, y: u32, pixel: &image::Rgb<u8>) -> f32 {
        let of = |channel: usize| {
            let [constant, along, down] = self.planes[channel];
            (f64::from(pixel[channel]) - constant - along * f64::from(x) - down * f64::from(y)).abs()
        };
        of(0).max(of(1)).max(of(2)) as f32
    }
}

/// Solves three equations by Cramer's rule.
fn solved(m: &[[f64; 3]; 3], right: &[f64; 3]) -> Option<[f64; 3]> {
    let determinant = |m: &[[f64; 3]; 3]| {
        m[0][0] * (m[1][1] * m[2][2] - m[1][2] * m[2][1]) - m[0][1] * (m[1][0] * m[2][2] - m[1][2] * m[2][0])
            + m[0][2] * (m[1][0] * m[2][1] - m[1][1] * m[2][0])
    };
    let whole = determinant(m);
    if whole.abs() < 1e-6 {
        return None;
    }
    Some([0, 1, 2].map(|column| {
        let mut replaced = *m;
        for (row, value) in replaced.iter_mut().zip(right) {
            row[column] = *value;
        }
        determinant(&replaced) / whole
    }))
}
