mod augment;
mod batches;
mod colours;
mod decode;
mod fit;
mod ground;
mod hostile;
mod outfits;
mod packed;
mod polyvore;
mod views;

use std::path::PathBuf;

use image::RgbImage;

use super::dice::Dice;

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/photos")).join(name)
}

/// Every pixel another colour, nothing symmetric.
fn noise(width: u32, height: u32, seed: u64) -> RgbImage {
    let mut dice = Dice::new([seed, 0, 0, 0]);
    let mut byte = || dice.below(256) as u8;
    RgbImage::from_fn(width, height, |_, _| image::Rgb([byte(), byte(), byte()]))
}

/// Smooth, so that JPEG keeps it nearly as it is.
fn ramp(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        image::Rgb([(x * 255 / width) as u8, (y * 255 / height) as u8, 255 - (x * 200 / width) as u8])
    })
}

fn encode(image: &image::DynamicImage, format: image::ImageFormat) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn jpeg(photo: &RgbImage, quality: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, quality).encode_image(photo).unwrap();
    bytes
}

fn largest_difference(a: &RgbImage, b: &RgbImage) -> u8 {
    assert_eq!(a.dimensions(), b.dimensions());
    a.as_raw().iter().zip(b.as_raw()).map(|(a, b)| a.abs_diff(*b)).max().unwrap_or(0)
}
