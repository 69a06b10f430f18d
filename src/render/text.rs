//! Text on a CPU picture, laid out by egui's own fonts so that a sheet reads like the window.

use std::sync::Arc;

use egui::epaint::text::{FontData, FontDefinitions, Fonts, TextOptions};
use egui::{Color32, FontFamily, FontId, Galley};
use tiny_skia::{Pixmap, PremultipliedColorU8};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weight {
    Regular,
    SemiBold,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Font {
    /// In points.
    pub size: f32,
    pub weight: Weight,
    pub color: [u8; 3],
}

/// Lays text out, and draws all of it at the end: only then is the atlas of glyphs complete.
pub(super) struct Typesetter {
    fonts: Fonts,
    pixels_per_point: f32,
    placed: Vec<(Arc<Galley>, [f32; 2], [u8; 3])>,
}

impl Typesetter {
    pub fn new(pixels_per_point: f32) -> Self {
        let mut fonts = FontDefinitions::empty();
        for (weight, bytes) in [
            (
                Weight::Regular,
                include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/fonts/Inter-Regular.otf")).as_slice(),
            ),
            (
                Weight::SemiBold,
                include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/fonts/Inter-SemiBold.otf")).as_slice(),
            ),
        ] {
            let name = format!("{weight:?}");
            fonts.font_data.insert(name.clone(), Arc::new(FontData::from_static(bytes)));
            fonts.families.insert(family(weight), vec![name]);
        }
        Self { fonts: Fonts::new(TextOptions::default(), fonts), pixels_per_point, placed: Vec::new() }
    }

    fn galley(&mut self, text: &str, font: Font) -> Arc<Galley> {
        let id = FontId::new(font.size, family(font.weight));
        self.fonts.with_pixels_per_point(self.pixels_per_point).layout_no_wrap(text.to_owned(), id, Color32::WHITE)
    }

    /// Width in points.
    pub fn width(&mut self, text: &str, font: Font) -> f32 {
        self.galley(text, font).size().x
    }

    /// Places a line with its left end and its vertical middle here, in points; answers its width.
    pub fn line(&mut self, x: f32, middle: f32, text: &str, font: Font) -> f32 {
        let galley = self.galley(text, font);
        let size = galley.size();
        self.placed.push((galley, [x, middle - size.y / 2.0], font.color));
        size.x
    }

    /// Places a line with its right end here.
    pub fn line_to(&mut self, right: f32, middle: f32, text: &str, font: Font) -> f32 {
        let width = self.width(text, font);
        self.line(right - width, middle, text, font)
    }

    /// As much of a text as fits, with an ellipsis where something is left out.
    pub fn fitted(&mut self, text: &str, font: Font, width: f32) -> String {
        if self.width(text, font) <= width {
            return text.to_owned();
        }
        let letters: Vec<char> = text.chars().collect();
        // The end of a path says more than its beginning.
        let fits = |setter: &mut Self, kept: usize| {
            let tail: String = letters[letters.len() - kept..].iter().collect();
            let short = format!("…{tail}");
            (setter.width(&short, font) <= width).then_some(short)
        };
        let (mut low, mut high) = (0, letters.len());
        let mut best = "…".to_owned();
        while low < high {
            let middle = (low + high).div_ceil(2);
            match fits(self, middle) {
                Some(short) => {
                    best = short;
                    low = middle;
                }
                None => high = middle - 1,
            }
        }
        best
    }

    /// Draws everything that was placed.
    pub fn draw(mut self, target: &mut Pixmap) {
        let scale = self.pixels_per_point;
        let atlas = self.fonts.with_pixels_per_point(scale).image();
        let [width, height] = [target.width() as i64, target.height() as i64];
        let pixels = target.pixels_mut();
        for (galley, [x, y], color) in self.placed {
            for row in &galley.rows {
                for glyph in &row.row.glyphs {
                    let uv = glyph.uv_rect;
                    let left = ((x + row.pos.x + glyph.pos.x + uv.offset.x) * scale).round() as i64;
                    let top = ((y + row.pos.y + glyph.pos.y + uv.offset.y) * scale).round() as i64;
                    for v in uv.min[1]..uv.max[1] {
                        for u in uv.min[0]..uv.max[0] {
                            let (px, py) = (left + i64::from(u - uv.min[0]), top + i64::from(v - uv.min[1]));
                            if px < 0 || py < 0 || px >= width || py >= height {
                                continue;
                            }
                            let cover = atlas.pixels[usize::from(v) * atlas.width() + usize::from(u)].a();
                            if cover > 0 {
                                let pixel = &mut pixels[(py * width + px) as usize];
                                *pixel = tinted(*pixel, color, cover);
                            }
                        }
                    }
                }
            }
        }
    }
}

fn family(weight: Weight) -> FontFamily {
    match weight {
        Weight::Regular => FontFamily::Proportional,
        Weight::SemiBold => FontFamily::Name("semibold".into()),
    }
}

fn tinted(below: PremultipliedColorU8, color: [u8; 3], cover: u8) -> PremultipliedColorU8 {
    let blend = |top: u8, below: u8| {
        let sum = u32::from(top) * u32::from(cover) + u32::from(below) * (255 - u32::from(cover));
        ((sum + 127) / 255) as u8
    };
    let alpha = blend(255, below.alpha());
    let [r, g, b] = [
        blend(color[0], below.red()).min(alpha),
        blend(color[1], below.green()).min(alpha),
        blend(color[2], below.blue()).min(alpha),
    ];
    PremultipliedColorU8::from_rgba(r, g, b, alpha).unwrap_or(below)
}
