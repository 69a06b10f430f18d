//! TIFF: palettes and inks are unfolded here, since the decoder refuses the one and the `image` crate drops the
//! profile of the other; everything else goes its way.

use std::io::Cursor;

use image::RgbImage;
use image::codecs::tiff::TiffDecoder;
use image::metadata::Orientation;
use tiff::decoder::{Decoder, DecodingResult, Limits};
use tiff::tags::Tag;
use tiff::{ColorType, TiffError};

use super::decode::{Format, Named, first_line, read, reserve, upright};
use super::error::DecodeError;
use super::icc;

pub fn decode(bytes: &[u8], named: Named) -> Result<RgbImage, DecodeError> {
    if let Some(grey) = palette_as_grey(bytes) {
        return unfold(&grey, true, named);
    }
    let failed = |error: TiffError| failed(error, named);
    let mut decoder = Decoder::new(Cursor::new(bytes)).map_err(failed)?;
    if matches!(decoder.colortype(), Ok(ColorType::CMYK(8))) {
        return unfold(bytes, false, named);
    }
    let (width, height) = decoder.dimensions().map_err(failed)?;
    named.check_size(width.into(), height.into(), 0)?;
    let decoder = TiffDecoder::new(Cursor::new(bytes)).map_err(|error| named.failed(Format::Tiff, &error))?;
    read(decoder, Format::Tiff, named)
}

/// Where the first picture of a TIFF has a palette: the same file calling itself grey, whose values are then the
/// palette's indices.
fn palette_as_grey(bytes: &[u8]) -> Option<Vec<u8>> {
    const PHOTOMETRIC: u16 = 262;
    const PALETTE: u16 = 3;
    const BLACK_IS_ZERO: u16 = 1;
    let little = bytes.starts_with(b"II*\0");
    if !little && !bytes.starts_with(b"MM\0*") {
        return None;
    }
    let short = |at: usize| {
        let pair = *bytes.get(at..)?.first_chunk()?;
        Some(if little { u16::from_le_bytes(pair) } else { u16::from_be_bytes(pair) })
    };
    let four = *bytes.get(4..)?.first_chunk()?;
    let directory = if little { u32::from_le_bytes(four) } else { u32::from_be_bytes(four) } as usize;
    let entries = usize::from(short(directory)?);
    let entry = (0..entries).map(|i| directory + 2 + 12 * i).find(|&at| short(at) == Some(PHOTOMETRIC))?;
    let value = entry + 8;
    (short(value)? == PALETTE).then(|| {
        let mut grey = bytes.to_vec();
        let replacement = if little { BLACK_IS_ZERO.to_le_bytes() } else { BLACK_IS_ZERO.to_be_bytes() };
        grey[value..value + 2].copy_from_slice(&replacement);
        grey
    })
}

fn unfold(bytes: &[u8], has_palette: bool, named: Named) -> Result<RgbImage, DecodeError> {
    let failed = |error: TiffError| failed(error, named);
    let mut decoder = Decoder::new(Cursor::new(bytes)).map_err(failed)?;
    let (width, height) = decoder.dimensions().map_err(failed)?;
    let pixels = u64::from(width) * u64::from(height);
    named.check_size(width.into(), height.into(), pixels * 4)?;
    let _share = reserve(pixels * 4);
    let pixels = pixels as usize;
    let mut limits = Limits::default();
    // Tags count against the same limit.
    limits.decoding_buffer_size = pixels * 4 + (64 << 20);
    decoder = decoder.with_limits(limits);
    let profile = decoder.get_tag_u8_vec(Tag::IccProfile).ok();
    let orientation = decoder
        .find_tag_unsigned::<u8>(Tag::Orientation)
        .ok()
        .flatten()
        .and_then(Orientation::from_exif)
        .unwrap_or(Orientation::NoTransforms);
    let bits = decoder.colortype().map_err(failed)?.bit_depth();
    let map = if has_palette { decoder.get_tag_u16_vec(Tag::ColorMap).map_err(failed)? } else { Vec::new() };
    let DecodingResult::U8(samples) = decoder.read_image().map_err(failed)? else {
        return Err(named.unsupported_kind(Format::Tiff, "its samples are not bytes".to_owned()));
    };
    let short = || named.damaged(Format::Tiff, "its size does not fit its pixels".to_owned());
    let photo = if has_palette {
        let indices = unpack(&samples, bits, width as usize, height as usize).ok_or_else(short)?;
        // The map holds all reds, then all greens, then all blues, 16 bits each.
        let colours = map.len() / 3;
        if indices.iter().any(|&index| usize::from(index) >= colours) {
            return Err(named.damaged(Format::Tiff, "a pixel lies outside its palette".to_owned()));
        }
        let colour = |index: u8| [0, 1, 2].map(|channel| (map[channel * colours + usize::from(index)] >> 8) as u8);
        let rgb = RgbImage::from_raw(width, height, indices.into_iter().flat_map(colour).collect());
        icc::to_srgb(rgb.ok_or_else(short)?.into(), profile.as_deref())
    } else if samples.len() == pixels * 4 {
        icc::cmyk_to_srgb(width, height, &samples, profile.as_deref()).ok_or_else(short)?
    } else {
        return Err(named.unsupported_kind(Format::Tiff, "its inks lie in separate planes".to_owned()));
    };
    Ok(upright(photo, orientation))
}

/// Indices of 1, 2, 4 or 8 bits, the first in the high bits; each row begins on a byte.
fn unpack(samples: &[u8], bits: u8, width: usize, height: usize) -> Option<Vec<u8>> {
    let bits = usize::from(bits);
    if !matches!(bits, 1 | 2 | 4 | 8) {
        return None;
    }
    let row_bytes = (width * bits).div_ceil(8);
    let mask = (0xFF_u16 >> (8 - bits)) as u8;
    let mut indices = Vec::with_capacity(width * height);
    for y in 0..height {
        let row = samples.get(y * row_bytes..(y + 1) * row_bytes)?;
        indices.extend((0..width).map(|x| (row[x * bits / 8] >> (8 - bits - x * bits % 8)) & mask));
    }
    Some(indices)
}

fn failed(error: TiffError, named: Named) -> DecodeError {
    match error {
        TiffError::IoError(io) if io.kind() == std::io::ErrorKind::UnexpectedEof => named.truncated(Format::Tiff),
        TiffError::UnsupportedError(detail) => named.unsupported_kind(Format::Tiff, first_line(&detail)),
        other => named.damaged(Format::Tiff, first_line(&other)),
    }
}
