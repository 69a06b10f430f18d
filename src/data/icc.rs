//! Colours: from whatever space a photo states to 8-bit sRGB on white.
//!
//! A profile that does not fit its pixels, or that cannot be read, is ignored as browsers do: the pixels are then
//! taken as sRGB.

use image::{DynamicImage, RgbImage};
use moxcms::{ColorProfile, DataColorSpace, Layout, TransformOptions};

/// Converts to sRGB and lays transparent parts over white.
pub fn to_srgb(image: DynamicImage, profile: Option<&[u8]>) -> RgbImage {
    let converted = profile
        .and_then(|bytes| ColorProfile::new_from_slice(bytes).ok())
        .and_then(|profile| convert(&image, &profile));
    over_white(converted.unwrap_or(image))
}

/// Inks, four bytes a pixel, 0 = none, to sRGB. Without a usable profile by the plain formula (1 - ink)(1 - black).
pub fn cmyk_to_srgb(width: u32, height: u32, inks: &[u8], profile: Option<&[u8]>) -> Option<RgbImage> {
    let by_profile = profile
        .and_then(|bytes| ColorProfile::new_from_slice(bytes).ok())
        .filter(|profile| profile.color_space == DataColorSpace::Cmyk)
        // A CMYK pixel has the layout of an RGBA one.
        .and_then(|profile| transform8(&profile, inks, Layout::Rgba, Layout::Rgb));
    let rgb = by_profile.unwrap_or_else(|| {
        let mut rgb = Vec::with_capacity(inks.len() / 4 * 3);
        for ink in inks.chunks_exact(4) {
            let light = 255 - u32::from(ink[3]);
            rgb.extend(ink[..3].iter().map(|&c| div_255((255 - u32::from(c)) * light)));
        }
        rgb
    });
    RgbImage::from_raw(width, height, rgb)
}

/// Rounded division by 255 of a product of two bytes.
fn div_255(product: u32) -> u8 {
    ((product + 127) / 255) as u8
}

fn convert(image: &DynamicImage, profile: &ColorProfile) -> Option<DynamicImage> {
    let (width, height) = (image.width(), image.height());
    let is_grey = !image.color().has_color();
    let has_alpha = image.color().has_alpha();
    let is_deep = image.color().bytes_per_pixel() / image.color().channel_count() > 1;
    // A grey picture with an RGB profile is a grey RGB picture; the opposite makes no sense.
    let as_grey = match profile.color_space {
        DataColorSpace::Gray if is_grey => true,
        DataColorSpace::Rgb => false,
        _ => return None,
    };
    match (as_grey, has_alpha, is_deep) {
        (true, false, false) => {
            let rgb = transform8(profile, image.to_luma8().as_raw(), Layout::Gray, Layout::Rgb)?;
            RgbImage::from_raw(width, height, rgb).map(DynamicImage::ImageRgb8)
        }
        (true, false, true) => {
            let rgb = transform16(profile, image.to_luma16().as_raw(), Layout::Gray, Layout::Rgb)?;
            image::ImageBuffer::from_raw(width, height, rgb).map(DynamicImage::ImageRgb16)
        }
        (true, true, false) => {
            let rgba = transform8(profile, image.to_luma_alpha8().as_raw(), Layout::GrayAlpha, Layout::Rgba)?;
            image::RgbaImage::from_raw(width, height, rgba).map(DynamicImage::ImageRgba8)
        }
        (true, true, true) => {
            let rgba = transform16(profile, image.to_luma_alpha16().as_raw(), Layout::GrayAlpha, Layout::Rgba)?;
            image::ImageBuffer::from_raw(width, height, rgba).map(DynamicImage::ImageRgba16)
        }
        (false, false, false) => {
            let rgb = transform8(profile, &samples8(image), Layout::Rgb, Layout::Rgb)?;
            RgbImage::from_raw(width, height, rgb).map(DynamicImage::ImageRgb8)
        }
        (false, false, true) => {
            let rgb = transform16(profile, image.to_rgb16().as_raw(), Layout::Rgb, Layout::Rgb)?;
            image::ImageBuffer::from_raw(width, height, rgb).map(DynamicImage::ImageRgb16)
        }
        (false, true, false) => {
            let rgba = transform8(profile, image.to_rgba8().as_raw(), Layout::Rgba, Layout::Rgba)?;
            image::RgbaImage::from_raw(width, height, rgba).map(DynamicImage::ImageRgba8)
        }
        (false, true, true) => {
            let rgba = transform16(profile, image.to_rgba16().as_raw(), Layout::Rgba, Layout::Rgba)?;
            image::ImageBuffer::from_raw(width, height, rgba).map(DynamicImage::ImageRgba16)
        }
    }
}

/// RGB bytes without a copy where the picture already is that.
fn samples8(image: &DynamicImage) -> std::borrow::Cow<'_, [u8]> {
    match image.as_rgb8() {
        Some(rgb) => rgb.as_raw().into(),
        None => image.to_rgb8().into_raw().into(),
    }
}

fn transform8(profile: &ColorProfile, from: &[u8], source: Layout, target: Layout) -> Option<Vec<u8>> {
    let transform =
        profile.create_transform_8bit(source, &ColorProfile::new_srgb(), target, TransformOptions::default()).ok()?;
    let mut to = vec![0; from.len() / source.channels() * target.channels()];
    transform.transform(from, &mut to).ok()?;
    Some(to)
}

fn transform16(profile: &ColorProfile, from: &[u16], source: Layout, target: Layout) -> Option<Vec<u16>> {
    let transform =
        profile.create_transform_16bit(source, &ColorProfile::new_srgb(), target, TransformOptions::default()).ok()?;
    let mut to = vec![0; from.len() / source.channels() * target.channels()];
    transform.transform(from, &mut to).ok()?;
    Some(to)
}

fn over_white(image: DynamicImage) -> RgbImage {
    if !image.color().has_alpha() {
        return image.into_rgb8();
    }
    let rgba = image.into_rgba8();
    let mut rgb = Vec::with_capacity(rgba.as_raw().len() / 4 * 3);
    for pixel in rgba.as_raw().chunks_exact(4) {
        let alpha = u32::from(pixel[3]);
        rgb.extend(pixel[..3].iter().map(|&c| div_255(u32::from(c) * alpha + 255 * (255 - alpha))));
    }
    RgbImage::from_raw(rgba.width(), rgba.height(), rgb).unwrap_or_else(|| RgbImage::new(0, 0))
}
