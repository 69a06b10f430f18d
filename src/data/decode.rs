//! Opens photos of any origin: the format is found by content, the result is upright, 8-bit sRGB.
//!
//! A photo comes from anywhere, so nothing in the file is believed: sizes are checked before memory is taken,
//! decoders run where their panics are caught, and each failure is one sentence that names the file.

use std::fs::{self, File};
use std::io::{self, Cursor, Read};
use std::path::Path;

use image::codecs::{bmp::BmpDecoder, gif::GifDecoder, png::PngDecoder, webp::WebPDecoder};
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, Limits, RgbImage};

use super::error::DecodeError;
use super::guard::{self, Budget};
use super::{icc, jpeg, tiff_file};

/// Largest file that is read.
pub const MAX_FILE_BYTES: u64 = 256_000_000;
/// Most pixels of one photo; 108-megapixel phone cameras are below.
pub const MAX_PIXELS: u64 = 128_000_000;
/// Longest side of a photo.
pub const MAX_SIDE: u64 = 32_768;
/// Most bytes that the decoded samples of one photo may take.
const MAX_SAMPLE_BYTES: u64 = 1_100_000_000;

/// All photos that are being decoded at one moment share this many bytes of samples.
static IN_FLIGHT: Budget = Budget::new(1_200_000_000);

/// Reads a photo: upright, 8-bit sRGB, transparency over white.
pub fn decode_file(path: &Path) -> Result<RgbImage, DecodeError> {
    decode_bytes(&read_file(path)?, &path.display().to_string())
}

/// The same from memory; `name` is what an error calls it.
pub fn decode_bytes(bytes: &[u8], name: &str) -> Result<RgbImage, DecodeError> {
    if bytes.is_empty() {
        return Err(DecodeError::Empty { name: name.to_owned() });
    }
    let named = Named(name);
    let format = match sniff(bytes) {
        Kind::Decodes(format) => format,
        Kind::Known(format) => return Err(DecodeError::Unsupported { format, name: name.to_owned() }),
        Kind::Foreign => return Err(DecodeError::NotAPhoto { name: name.to_owned() }),
    };
    guard::isolated(|| decode_as(format, bytes, named))
        .unwrap_or_else(|| Err(named.damaged(format, "its decoder gave up".to_owned())))
}

/// Reads a photo's file, refusing what cannot be one.
pub fn read_file(path: &Path) -> Result<Vec<u8>, DecodeError> {
    let name = || path.display().to_string();
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => DecodeError::Missing { name: name() },
        _ => DecodeError::Read { source, name: name() },
    };
    let about = fs::metadata(path).map_err(failed)?;
    if about.is_dir() {
        return Err(DecodeError::Folder { name: name() });
    }
    if !about.is_file() {
        return Err(DecodeError::NotAFile { name: name() });
    }
    if about.len() > MAX_FILE_BYTES {
        return Err(DecodeError::FileTooLarge { name: name() });
    }
    let mut bytes = Vec::with_capacity(about.len() as usize + 1);
    // One byte more than allowed shows a file that grows while it is read.
    File::open(path).and_then(|file| file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)).map_err(failed)?;
    match bytes.len() as u64 {
        0 => Err(DecodeError::Empty { name: name() }),
        length if length > MAX_FILE_BYTES => Err(DecodeError::FileTooLarge { name: name() }),
        _ => Ok(bytes),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Jpeg,
    Png,
    WebP,
    Bmp,
    Gif,
    Tiff,
}

impl Format {
    pub fn name(self) -> &'static str {
        match self {
            Self::Jpeg => "JPEG",
            Self::Png => "PNG",
            Self::WebP => "WebP",
            Self::Bmp => "BMP",
            Self::Gif => "GIF",
            Self::Tiff => "TIFF",
        }
    }
}

enum Kind {
    Decodes(Format),
    /// A picture or document whose format is known but not decoded.
    Known(&'static str),
    Foreign,
}

/// Whether a file that begins with these bytes (32 are enough) is in a format that is decoded.
pub fn begins_like_a_photo(bytes: &[u8]) -> bool {
    matches!(sniff(bytes), Kind::Decodes(_))
}

/// What a file is by its first bytes; its name is not asked, since names lie.
fn sniff(bytes: &[u8]) -> Kind {
    let is = |prefix: &[u8]| bytes.starts_with(prefix);
    let at = |offset: usize, part: &[u8]| bytes.get(offset..).is_some_and(|rest| rest.starts_with(part));
    let is_riff_webp = is(b"RIFF") && at(8, b"WEBP");
    let is_tiff = is(b"II*\0") || is(b"MM\0*") || is(b"II+\0") || is(b"MM\0+");
    // "BM" alone is two letters of ordinary text: the size of the header that follows has few known values.
    let is_bmp =
        is(b"BM") && bytes.get(14..18).is_none_or(|h| matches!(h, [12 | 40 | 52 | 56 | 64 | 108 | 124, 0, 0, 0]));
    match () {
        () if is(b"\xFF\xD8\xFF") => Kind::Decodes(Format::Jpeg),
        () if is(b"\x89PNG\r\n\x1A\n") => Kind::Decodes(Format::Png),
        () if is_riff_webp => Kind::Decodes(Format::WebP),
        () if is(b"GIF87a") || is(b"GIF89a") => Kind::Decodes(Format::Gif),
        () if is_tiff => Kind::Decodes(Format::Tiff),
        () if is_bmp => Kind::Decodes(Format::Bmp),
        () if at(4, b"ftyp") => match bytes.get(8..12) {
            Some(b"avif" | b"avis") => Kind::Known("AVIF"),
            Some(b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"hevx" | b"mif1" | b"msf1") => Kind::Known("HEIC"),
            Some(b"crx ") => Kind::Known("camera raw"),
            _ => Kind::Known("video"),
        },
        () if is(b"\xFF\x0A") || at(4, b"JXL \r\n\x87\n") => Kind::Known("JPEG XL"),
        () if at(4, b"jP  \r\n\x87\n") || is(b"\xFF\x4F\xFF\x51") => Kind::Known("JPEG 2000"),
        () if is(b"8BPS") => Kind::Known("Photoshop"),
        () if is(b"%PDF") => Kind::Known("PDF"),
        () if is(b"\0\0\x01\0") || is(b"\0\0\x02\0") => Kind::Known("icon"),
        () if is(b"qoif") => Kind::Known("QOI"),
        () if is(b"v/1\x01") => Kind::Known("OpenEXR"),
        () if is(b"#?RADIANCE") || is(b"#?RGBE") => Kind::Known("Radiance HDR"),
        () if is(b"DDS ") => Kind::Known("DDS"),
        () if is(b"farbfeld") => Kind::Known("farbfeld"),
        () if matches!(bytes, [b'P', b'1'..=b'7', b'\n' | b' ' | b'\r' | b'\t', ..]) => Kind::Known("netpbm"),
        () if is(b"IIRO") || is(b"IIRS") || is(b"IIU\0") || is(b"FUJIFILM") => Kind::Known("camera raw"),
        () if is_svg(bytes) => Kind::Known("SVG"),
        () => Kind::Foreign,
    }
}

fn is_svg(bytes: &[u8]) -> bool {
    let head = &bytes[..bytes.len().min(1024)];
    let head = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head).trim_ascii_start();
    head.starts_with(b"<") && head.windows(4).any(|part| part == b"<svg")
}

/// A file's name, for the errors about it.
#[derive(Clone, Copy)]
pub struct Named<'a>(pub &'a str);

impl Named<'_> {
    pub fn damaged(self, format: Format, detail: String) -> DecodeError {
        DecodeError::Damaged { format: format.name(), detail, name: self.0.to_owned() }
    }

    pub fn truncated(self, format: Format) -> DecodeError {
        DecodeError::Truncated { format: format.name(), name: self.0.to_owned() }
    }

    pub fn unsupported_kind(self, format: Format, detail: String) -> DecodeError {
        DecodeError::UnsupportedKind { format: format.name(), detail, name: self.0.to_owned() }
    }

    /// Refuses sizes that would take too much memory; called before any is taken.
    pub fn check_size(self, width: u64, height: u64, sample_bytes: u64) -> Result<(), DecodeError> {
        if width == 0 || height == 0 {
            return Err(DecodeError::NoPixels { name: self.0.to_owned() });
        }
        let too_large = width > MAX_SIDE
            || height > MAX_SIDE
            || width.saturating_mul(height) > MAX_PIXELS
            || sample_bytes > MAX_SAMPLE_BYTES;
        if too_large {
            return Err(DecodeError::TooManyPixels { width, height, name: self.0.to_owned() });
        }
        Ok(())
    }

    pub fn failed(self, format: Format, error: &ImageError) -> DecodeError {
        if is_early_end(error) {
            return self.truncated(format);
        }
        match error {
            ImageError::Limits(_) => self.unsupported_kind(format, "it takes too much memory".to_owned()),
            ImageError::Unsupported(detail) => self.unsupported_kind(format, first_line(detail)),
            other => self.damaged(format, first_line(other)),
        }
    }
}

/// Decoders' messages can be long; the first line says what happened.
pub fn first_line(message: &dyn std::fmt::Display) -> String {
    let text = message.to_string();
    let line = text.lines().next().unwrap_or_default().trim().trim_end_matches('.');
    line.chars().take(160).collect()
}

/// True where somewhere below lies a reader that met the end of the file.
fn is_early_end(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let io = match error.downcast_ref::<ImageError>() {
            Some(ImageError::IoError(io)) => Some(io),
            _ => error.downcast_ref::<io::Error>(),
        };
        if io.is_some_and(|io| io.kind() == io::ErrorKind::UnexpectedEof) {
            return true;
        }
        cause = error.source();
    }
    false
}

/// Takes a share of the memory that decoding may use at one moment.
pub fn reserve(sample_bytes: u64) -> guard::Share<'static> {
    IN_FLIGHT.take(sample_bytes)
}

fn decode_as(format: Format, bytes: &[u8], named: Named) -> Result<RgbImage, DecodeError> {
    let failed = |error: ImageError| named.failed(format, &error);
    match format {
        Format::Jpeg => jpeg::decode(bytes, named),
        Format::Tiff => tiff_file::decode(bytes, named),
        Format::Png => {
            // The decoder itself would call a large picture a lack of memory.
            if let Some(&[a, b, c, d, e, f, g, h]) = bytes.get(16..).and_then(<[u8]>::first_chunk) {
                let (width, height) = (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h]));
                named.check_size(width.into(), height.into(), 0)?;
            }
            read(PngDecoder::new(Cursor::new(bytes)).map_err(failed)?, format, named)
        }
        Format::WebP => read(WebPDecoder::new(Cursor::new(bytes)).map_err(failed)?, format, named),
        Format::Bmp => read(BmpDecoder::new(Cursor::new(bytes)).map_err(failed)?, format, named),
        Format::Gif => read(GifDecoder::new(Cursor::new(bytes)).map_err(failed)?, format, named),
    }
}

/// What all of `image`'s decoders have in common: check, decode, colours, alpha, orientation.
pub fn read(mut decoder: impl ImageDecoder, format: Format, named: Named) -> Result<RgbImage, DecodeError> {
    let (width, height) = decoder.dimensions();
    let sample_bytes = decoder.total_bytes();
    named.check_size(width.into(), height.into(), sample_bytes)?;
    let share = reserve(sample_bytes);
    let failed = |error: ImageError| named.failed(format, &error);
    let mut limits = Limits::default();
    limits.max_alloc = Some(sample_bytes.saturating_mul(2) + (64 << 20));
    decoder.set_limits(limits).map_err(failed)?;
    // Colours or orientation that cannot be read do not make the pixels worse.
    let profile = decoder.icc_profile().ok().flatten();
    let orientation = orientation_of(&mut decoder);
    let image = DynamicImage::from_decoder(decoder).map_err(failed)?;
    let upright = upright(icc::to_srgb(image, profile.as_deref()), orientation);
    drop(share);
    Ok(upright)
}

fn orientation_of(decoder: &mut impl ImageDecoder) -> Orientation {
    let stated = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    if stated != Orientation::NoTransforms {
        return stated;
    }
    // Some writers put JPEG's "Exif" header in front of the chunk in PNG and WebP too.
    let chunk = decoder.exif_metadata().ok().flatten();
    chunk
        .as_deref()
        .and_then(|chunk| chunk.strip_prefix(b"Exif\0\0"))
        .and_then(Orientation::from_exif_chunk)
        .unwrap_or(Orientation::NoTransforms)
}

pub fn upright(photo: RgbImage, orientation: Orientation) -> RgbImage {
    let mut photo = DynamicImage::ImageRgb8(photo);
    photo.apply_orientation(orientation);
    photo.into_rgb8()
}
