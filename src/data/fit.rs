//! Fits photos into the squares and sizes that networks and screens want.
//!
//! A crop is applied first and nothing is ever stretched (except by `resize_exact`, whose callers ask for it). The
//! filter is Lanczos with support 3 in target pixels, widened when shrinking, as Pillow does it: without the
//! widening a check turns into moiré.

use fast_image_resize as fir;
use fir::images::{TypedCroppedImage, TypedImage, TypedImageRef};
use fir::pixels::U8x3;
use image::RgbImage;

use super::error::DecodeError;
use crate::domain::{CropRect, Pixels};

/// Mean and deviation of ImageNet's colours, which torchvision's weights expect.
pub const MEAN: [f32; 3] = [0.485, 0.456, 0.406];
pub const DEVIATION: [f32; 3] = [0.229, 0.224, 0.225];

/// The part of a crop that lies in the photo, or a sentence where there is none.
pub fn check_crop(photo: &RgbImage, crop: CropRect, name: &str) -> Result<CropRect, DecodeError> {
    crop.clipped(photo.width(), photo.height()).ok_or_else(|| DecodeError::CropOutside {
        crop,
        width: photo.width(),
        height: photo.height(),
        name: name.to_owned(),
    })
}

/// Width and height in whole pixels of a `width` x `height` rectangle scaled to fit a square, and where it starts
/// there so that it lies in the middle.
pub fn place_in_square(width: u32, height: u32, size: u32) -> [u32; 4] {
    let scale = f64::from(size) / f64::from(width.max(height));
    let scaled = |side: u32| ((f64::from(side) * scale).round() as u32).clamp(1, size);
    let (w, h) = (scaled(width), scaled(height));
    [(size - w) / 2, (size - h) / 2, w, h]
}

/// Fits a photo, or a part of it, into a white square. Also says which part of the square is photo, as left, top,
/// right, bottom in 0..=1.
///
/// A crop is clipped to the photo and rounded to whole pixels. Ask `check_crop` first: one that misses the photo altogether counts as none.
pub fn letterbox(photo: &RgbImage, crop: Option<CropRect>, size: u32) -> (RgbImage, [f32; 4]) {
    let size = size.max(1);
    let whole = CropRect::whole(photo.width(), photo.height());
    let crop = crop.and_then(|crop| crop.clipped(photo.width(), photo.height())).unwrap_or(whole);
    let part = whole_pixels(crop, photo);
    let [left, top, width, height] = place_in_square(part[2], part[3], size);
    let content = resize(photo, part, width, height);
    let mut square = RgbImage::from_pixel(size, size, image::Rgb([255; 3]));
    let row_bytes = width as usize * 3;
    let samples: &mut [u8] = &mut square;
    for (y, row) in content.as_raw().chunks_exact(row_bytes).enumerate() {
        let start = ((top as usize + y) * size as usize + left as usize) * 3;
        samples[start..start + row_bytes].copy_from_slice(row);
    }
    let share = |pixels: u32| pixels as f32 / size as f32;
    (square, [share(left), share(top), share(left + width), share(top + height)])
}

/// Exactly this size, whatever the photo's shape; for comparisons with programs that do so.
pub fn resize_exact(photo: &RgbImage, width: u32, height: u32) -> RgbImage {
    resize(photo, [0, 0, photo.width(), photo.height()], width.max(1), height.max(1))
}

/// Makes the long side at most this many pixels; a smaller photo stays as it is.
pub fn shrink(photo: &RgbImage, long_side: u32) -> RgbImage {
    shrink_part(photo, [0, 0, photo.width(), photo.height()], long_side)
}

/// The same for a part of a photo.
pub fn shrink_part(photo: &RgbImage, part: [u32; 4], long_side: u32) -> RgbImage {
    let [_, _, width, height] = part;
    let scale = (f64::from(long_side.max(1)) / f64::from(width.max(height))).min(1.0);
    let scaled = |side: u32| ((f64::from(side) * scale).round() as u32).max(1);
    resize(photo, part, scaled(width), scaled(height))
}

/// A crop in whole pixels, at least one, as left, top, width, height. A crop is a cut: what lies beyond it must not
/// bleed in, so a border between pixels goes to the nearer one.
pub fn whole_pixels(crop: CropRect, photo: &RgbImage) -> [u32; 4] {
    let along = |start: f32, length: f32, limit: u32| {
        let from = (start.round().max(0.0) as u32).min(limit - 1);
        let to = ((start + length).round().max(0.0) as u32).clamp(from + 1, limit);
        (from, to - from)
    };
    let (left, width) = along(crop.x, crop.width, photo.width());
    let (top, height) = along(crop.y, crop.height, photo.height());
    [left, top, width, height]
}

/// Resamples a part of a photo as if nothing lay around it.
pub fn resize(photo: &RgbImage, part: [u32; 4], width: u32, height: u32) -> RgbImage {
    if part == [0, 0, width, height] && (width, height) == photo.dimensions() {
        return photo.clone();
    }
    let mut bytes = vec![0; width as usize * height as usize * 3];
    resize_into(photo, part, &mut bytes, width, height)
        .expect("the buffers have the sizes they state, and the part lies in the photo");
    RgbImage::from_raw(width, height, bytes).expect("the buffer was made for this size")
}

fn resize_into(
    photo: &RgbImage,
    [left, top, part_width, part_height]: [u32; 4],
    bytes: &mut [u8],
    width: u32,
    height: u32,
) -> Result<(), Box<dyn std::error::Error>> {
    let source = TypedImageRef::<U8x3>::from_buffer(photo.width(), photo.height(), photo.as_raw())?;
    let part = TypedCroppedImage::from_ref(&source, left, top, part_width, part_height)?;
    let mut target = TypedImage::<U8x3>::from_buffer(width, height, bytes)?;
    let options =
        fir::ResizeOptions::new().resize_alg(fir::ResizeAlg::Convolution(fir::FilterType::Lanczos3)).use_alpha(false);
    Ok(fir::Resizer::new().resize_typed(&part, &mut target, &options)?)
}

/// Three planes in 0..=1, less ImageNet's mean, over its deviation. `out` holds 3 x height x width.
///
/// # Panics
/// When `out` has another length: a bug of the caller.
pub fn to_chw(photo: &RgbImage, out: &mut [f32]) {
    let pixels = photo.width() as usize * photo.height() as usize;
    assert_eq!(out.len(), 3 * pixels, "three planes of the photo's size");
    for (channel, plane) in out.chunks_exact_mut(pixels.max(1)).enumerate() {
        let scale = 1.0 / (255.0 * DEVIATION[channel]);
        let offset = MEAN[channel] / DEVIATION[channel];
        for (value, pixel) in plane.iter_mut().zip(photo.as_raw().chunks_exact(3)) {
            *value = f32::from(pixel[channel]) * scale - offset;
        }
    }
}

/// For the screen.
pub fn pixels(photo: &RgbImage) -> Pixels {
    let mut rgba = Vec::with_capacity(photo.as_raw().len() / 3 * 4);
    for pixel in photo.as_raw().chunks_exact(3) {
        rgba.extend([pixel[0], pixel[1], pixel[2], 255]);
    }
    Pixels { width: photo.width(), height: photo.height(), rgba }
}
