//! A photo at all the sizes that it may be shown in.

use crate::domain::Pixels;

/// One size of a photo; RGBA, row by row.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Level {
    pub width: u32,
    pub height: u32,
    pub rgba: Vec<u8>,
}

/// The photo and its halves down to one pixel, by averaging two by two, so that a large photo in a small
/// square does not flicker. A photo without pixels is one grey one.
pub(super) fn levels(pixels: &Pixels) -> Vec<Level> {
    let expected = pixels.width as usize * pixels.height as usize * 4;
    if expected == 0 || pixels.rgba.len() != expected {
        return vec![Level { width: 1, height: 1, rgba: vec![128, 128, 128, 255] }];
    }
    let mut levels = vec![Level { width: pixels.width, height: pixels.height, rgba: pixels.rgba.clone() }];
    while let Some(last) = levels.last().filter(|level| level.width > 1 || level.height > 1) {
        let next = halved(last);
        levels.push(next);
    }
    levels
}

fn halved(level: &Level) -> Level {
    let (width, height) = ((level.width / 2).max(1), (level.height / 2).max(1));
    let mut rgba = Vec::with_capacity(width as usize * height as usize * 4);
    for y in 0..height {
        for x in 0..width {
            let column = |dx: u32| (2 * x + dx).min(level.width - 1);
            let row = |dy: u32| (2 * y + dy).min(level.height - 1);
            for channel in 0..4 {
                let at = |dx, dy| u32::from(level.rgba[((row(dy) * level.width + column(dx)) * 4) as usize + channel]);
                rgba.push(((at(0, 0) + at(1, 0) + at(0, 1) + at(1, 1) + 2) / 4) as u8);
            }
        }
    }
    Level { width, height, rgba }
}

/// Colour at `u`, `v` (0..=1) for a view with this many texels of the first level to a pixel: linear within
/// a level and between levels, as a graphics device filters.
pub(super) fn sample(levels: &[Level], u: f32, v: f32, texels_per_pixel: f32) -> [f32; 3] {
    let detail = texels_per_pixel.max(1.0).log2().min((levels.len() - 1) as f32);
    let low = detail.floor() as usize;
    let fine = bilinear(&levels[low], u, v);
    let coarse = bilinear(&levels[(low + 1).min(levels.len() - 1)], u, v);
    let part = detail - low as f32;
    std::array::from_fn(|channel| fine[channel] + (coarse[channel] - fine[channel]) * part)
}

/// The pixel of a level that lies at `u`, `v` (0..=1).
pub(super) fn texel(level: &Level, u: f32, v: f32) -> [f32; 3] {
    let place = |share: f32, count: u32| ((share * count as f32) as u32).min(count - 1);
    let at = ((place(v, level.height) * level.width + place(u, level.width)) * 4) as usize;
    std::array::from_fn(|channel| f32::from(level.rgba[at + channel]) / 255.0)
}

fn bilinear(level: &Level, u: f32, v: f32) -> [f32; 3] {
    let place = |share: f32, count: u32| {
        let at = (share * count as f32 - 0.5).clamp(0.0, (count - 1) as f32);
        let low = at.floor() as u32;
        (low, (low + 1).min(count - 1), at - low as f32)
    };
    let (x0, x1, fx) = place(u, level.width);
    let (y0, y1, fy) = place(v, level.height);
    std::array::from_fn(|channel| {
        let at = |x: u32, y: u32| f32::from(level.rgba[((y * level.width + x) * 4) as usize + channel]);
        let (top, bottom) = (at(x0, y0) + (at(x1, y0) - at(x0, y0)) * fx, at(x0, y1) + (at(x1, y1) - at(x0, y1)) * fx);
        (top + (bottom - top) * fy) / 255.0
    })
}
