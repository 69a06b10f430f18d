//! JPEG through zune-jpeg, the fastest pure decoder, with what it leaves to its caller: inks, and cut files.

use image::metadata::Orientation;
use image::{DynamicImage, GrayImage, RgbImage};
use zune_jpeg::JpegDecoder;
use zune_jpeg::errors::DecodeErrors;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::decode::{Format, Named, first_line, reserve, upright};
use super::error::DecodeError;
use super::icc;

struct Decoded {
    width: u32,
    height: u32,
    space: ColorSpace,
    samples: Vec<u8>,
    profile: Option<Vec<u8>>,
    orientation: Orientation,
}

pub fn decode(bytes: &[u8], named: Named) -> Result<RgbImage, DecodeError> {
    let decoded = if has_end(bytes) { samples(bytes, named)? } else { decode_without_end(bytes, named)? };
    let Decoded { width, height, space, samples, profile, orientation } = decoded;
    let size_is_wrong = || named.damaged(Format::Jpeg, "its size does not fit its pixels".to_owned());
    let srgb = match space {
        ColorSpace::Luma => {
            let grey = GrayImage::from_raw(width, height, samples).ok_or_else(size_is_wrong)?;
            icc::to_srgb(DynamicImage::ImageLuma8(grey), profile.as_deref())
        }
        ColorSpace::RGB => {
            let rgb = RgbImage::from_raw(width, height, samples).ok_or_else(size_is_wrong)?;
            icc::to_srgb(DynamicImage::ImageRgb8(rgb), profile.as_deref())
        }
        inked => {
            let mut inks = samples;
            to_inks(&mut inks, inked == ColorSpace::YCCK);
            icc::cmyk_to_srgb(width, height, &inks, profile.as_deref()).ok_or_else(size_is_wrong)?
        }
    };
    Ok(upright(srgb, orientation))
}

/// A file without its end mark may still hold all its pixels: then the bits that follow do not matter. Two different
/// tails that give one picture prove it; otherwise part of the picture is made up from the tail.
fn decode_without_end(bytes: &[u8], named: Named) -> Result<Decoded, DecodeError> {
    let with_tail = |filling: u8| {
        // A lone 0xFF at the cut would join with the tail to a marker.
        let kept = bytes.strip_suffix(b"\xFF").unwrap_or(bytes);
        let mut whole = kept.to_vec();
        whole.extend([filling; 96]);
        whole.extend(b"\xFF\xD9");
        samples(&whole, named).map_err(|error| match error {
            DecodeError::Damaged { .. } => named.truncated(Format::Jpeg),
            other => other,
        })
    };
    let (one, other) = (with_tail(0x00)?, with_tail(0xAA)?);
    if one.samples != other.samples {
        return Err(named.truncated(Format::Jpeg));
    }
    Ok(one)
}

fn samples(bytes: &[u8], named: Named) -> Result<Decoded, DecodeError> {
    let failed = |error: DecodeErrors| match error {
        DecodeErrors::ExhaustedData | DecodeErrors::IoErrors(_) => named.truncated(Format::Jpeg),
        DecodeErrors::Unsupported(scheme) => named.unsupported_kind(Format::Jpeg, first_line(&format!("{scheme:?}"))),
        other => named.damaged(Format::Jpeg, first_line(&other)),
    };
    let options = DecoderOptions::default().set_strict_mode(false).set_max_width(usize::MAX).set_max_height(usize::MAX);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(failed)?;
    let (Some(info), Some(stated)) = (decoder.info(), decoder.input_colorspace()) else {
        return Err(named.damaged(Format::Jpeg, "it has no picture".to_owned()));
    };
    let space = match info.components {
        1 => ColorSpace::Luma,
        3 => ColorSpace::RGB,
        4 if stated == ColorSpace::YCCK => ColorSpace::YCCK,
        4 => ColorSpace::CMYK,
        n => return Err(named.unsupported_kind(Format::Jpeg, format!("{n} colour channels"))),
    };
    let (width, height) = (u32::from(info.width), u32::from(info.height));
    let length = u64::from(width) * u64::from(height) * space.num_components() as u64;
    named.check_size(width.into(), height.into(), length)?;
    let _share = reserve(length);
    decoder.set_options(decoder.options().jpeg_set_out_colorspace(space));
    let mut samples = vec![0; length as usize];
    decoder.decode_into(&mut samples).map_err(failed)?;
    let orientation =
        decoder.exif().and_then(|chunk| Orientation::from_exif_chunk(chunk)).unwrap_or(Orientation::NoTransforms);
    Ok(Decoded { width, height, space, samples, profile: decoder.icc_profile(), orientation })
}

/// Turns stored samples into inks, 0 = none. Adobe's programs store CMYK inverted; files that do not name Adobe are
/// read the same way by browsers and by Pillow, and so here.
fn to_inks(samples: &mut [u8], is_ycck: bool) {
    for pixel in samples.chunks_exact_mut(4) {
        if is_ycck {
            let (y, cb, cr) = (f32::from(pixel[0]), f32::from(pixel[1]) - 128.0, f32::from(pixel[2]) - 128.0);
            // JFIF's YCbCr gives the light that each ink leaves, which inverted storage turns into the ink itself.
            let cmy = [y + 1.402 * cr, y - 0.344_136_3 * cb - 0.714_136_3 * cr, y + 1.772 * cb];
            for (sample, ink) in pixel.iter_mut().zip(cmy) {
                *sample = ink.round().clamp(0.0, 255.0) as u8;
            }
        } else {
            pixel[..3].iter_mut().for_each(|sample| *sample = 255 - *sample);
        }
        pixel[3] = 255 - pixel[3];
    }
}

/// True where the end mark comes after the picture. Walks from marker to marker, so that the end mark of a
/// thumbnail does not count.
fn has_end(bytes: &[u8]) -> bool {
    let mut at = 2;
    while let Some(marker) = next_marker(bytes, &mut at) {
        match marker {
            0xD9 => return true,
            // Restart marks, TEM and a second start have no length.
            0xD0..=0xD8 | 0x01 => {}
            _ => {
                let Some(&[high, low]) = bytes.get(at..).and_then(<[u8]>::first_chunk) else { return false };
                at += usize::from(u16::from_be_bytes([high, low])).max(2);
            }
        }
    }
    false
}

/// The code of the next marker at or after `at`, which moves past it. Stuffed and fill bytes are passed over.
fn next_marker(bytes: &[u8], at: &mut usize) -> Option<u8> {
    loop {
        let rest = bytes.get(*at..)?;
        let ff = rest.iter().position(|&byte| byte == 0xFF)?;
        let code = *rest.get(ff + 1)?;
        // A fill byte may itself begin the marker.
        *at += if code == 0xFF { ff + 1 } else { ff + 2 };
        if code != 0x00 && code != 0xFF {
            return Some(code);
        }
    }
}
