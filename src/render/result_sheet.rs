//! A printed result list: the photo that was searched with, and the first tiles.

use std::sync::Arc;

use tiny_skia::{
    Color, FillRule, FilterQuality, Paint, PathBuilder, Pixmap, PixmapPaint, PixmapRef, Rect, Stroke, Transform,
};

use super::error::RenderError;
use super::sheet::SheetTheme;
use super::text::{Font, Typesetter, Weight};
use crate::domain::{CropRect, Pixels};

/// One product of the list.
#[derive(Clone, Debug)]
pub struct SheetTile {
    /// `None` where the photo cannot be read.
    pub picture: Option<Arc<Pixels>>,
    pub rank: usize,
    pub name: String,
    /// Under the name, such as the price.
    pub words: String,
    pub score: f32,
    /// Over the photo, such as "Pinned" or "+3".
    pub badge: Option<String>,
}

/// What is to be drawn by [`result_png`].
#[derive(Clone, Debug)]
pub struct ResultSheet<'a> {
    pub query: &'a Pixels,
    /// The searched part, in pixels of `query`.
    pub crop: CropRect,
    pub title: &'a str,
    /// Settings and whatever else is to be known, a line each.
    pub lines: &'a [String],
    pub tiles: &'a [SheetTile],
    pub theme: SheetTheme,
    pub width_px: u32,
}

/// Sizes in points.
const WIDTH: f32 = 960.0;
const MARGIN: f32 = 28.0;
const GAP: f32 = 12.0;
const COLUMNS: usize = 6;
const PHOTO_HEIGHT: f32 = 190.0;
const CAPTION: f32 = 46.0;
const TITLE: f32 = 18.0;
const BODY: f32 = 12.0;
const SMALL: f32 = 11.0;

/// Draws a result list. The height follows from the number of tiles.
pub fn result_png(sheet: &ResultSheet<'_>) -> Result<image::RgbaImage, RenderError> {
    let scale = sheet.width_px as f32 / WIDTH;
    let side = (WIDTH - 2.0 * MARGIN - GAP * (COLUMNS - 1) as f32) / COLUMNS as f32;
    let top = MARGIN + PHOTO_HEIGHT + 24.0;
    let rows = sheet.tiles.len().div_ceil(COLUMNS) as f32;
    let height = top + rows * (side + CAPTION + GAP) + MARGIN;
    let size = [WIDTH, height].map(|points| (points * scale).round() as u32);
    let mut target = Pixmap::new(size[0], size[1]).ok_or(RenderError::Size { width: size[0], height: size[1] })?;
    let [r, g, b] = sheet.theme.ground;
    target.fill(Color::from_rgba8(r, g, b, 255));
    let mut page = Page { target: &mut target, text: Typesetter::new(scale), scale, sheet };
    page.heading();
    for (index, tile) in sheet.tiles.iter().enumerate() {
        let left = MARGIN + (index % COLUMNS) as f32 * (side + GAP);
        let top = top + (index / COLUMNS) as f32 * (side + CAPTION + GAP);
        page.tile(tile, [left, top], side);
    }
    let Page { text, .. } = page;
    text.draw(&mut target);
    let bytes = target.pixels().iter().flat_map(|pixel| {
        let pixel = pixel.demultiply();
        [pixel.red(), pixel.green(), pixel.blue(), pixel.alpha()]
    });
    image::RgbaImage::from_raw(size[0], size[1], bytes.collect())
        .ok_or(RenderError::Size { width: size[0], height: size[1] })
}

struct Page<'a> {
    target: &'a mut Pixmap,
    text: Typesetter,
    scale: f32,
    sheet: &'a ResultSheet<'a>,
}

impl Page<'_> {
    fn font(&self, size: f32, weight: Weight, color: [u8; 3]) -> Font {
        Font { size, weight, color }
    }

    fn heading(&mut self) {
        let sheet = self.sheet;
        let (width, height) = (sheet.query.width as f32, sheet.query.height as f32);
        let shown = PHOTO_HEIGHT / height.max(1.0);
        let wide = (width * shown).min(WIDTH * 0.4);
        let factor = (wide / width.max(1.0)).min(shown);
        self.picture(sheet.query, [MARGIN, MARGIN, MARGIN + width * factor, MARGIN + height * factor]);
        let crop = sheet.crop;
        let part = [
            MARGIN + crop.x * factor,
            MARGIN + crop.y * factor,
            MARGIN + (crop.x + crop.width) * factor,
            MARGIN + (crop.y + crop.height) * factor,
        ];
        self.outline(part, [255, 255, 255], 3.0);
        self.outline(part, sheet.theme.text, 1.2);
        let left = MARGIN + width * factor + 24.0;
        let room = WIDTH - MARGIN - left;
        let strong = self.font(TITLE, Weight::SemiBold, sheet.theme.text);
        let title = self.text.fitted(sheet.title, strong, room);
        self.text.line(left, MARGIN + 12.0, &title, strong);
        let dim = self.font(BODY, Weight::Regular, sheet.theme.dim);
        for (index, line) in sheet.lines.iter().enumerate() {
            let line = self.text.fitted(line, dim, room);
            self.text.line(left, MARGIN + 40.0 + 20.0 * index as f32, &line, dim);
        }
    }

    fn tile(&mut self, tile: &SheetTile, [left, top]: [f32; 2], side: f32) {
        let theme = self.sheet.theme;
        let square = [left, top, left + side, top + side];
        self.fill(square, [249, 249, 247]);
        if let Some(picture) = &tile.picture {
            let (width, height) = (picture.width as f32, picture.height as f32);
            let inside = side - 8.0;
            let factor = (inside / width.max(1.0)).min(inside / height.max(1.0));
            let (w, h) = (width * factor, height * factor);
            let (x, y) = (left + (side - w) / 2.0, top + (side - h) / 2.0);
            self.picture(picture, [x, y, x + w, y + h]);
        }
        self.outline([left, top, left + side, top + side + CAPTION], theme.line, 1.0);
        let on_photo = self.font(SMALL, Weight::SemiBold, [27, 28, 31]);
        self.label(&tile.rank.to_string(), [left + 6.0, top + 6.0], on_photo);
        if let Some(badge) = &tile.badge {
            let width = self.text.width(badge, on_photo) + 10.0;
            // At the foot, where a long one leaves the rank alone.
            self.label(badge, [left + side - 6.0 - width, top + side - 24.0], on_photo);
        }
        let name_font = self.font(SMALL, Weight::Regular, theme.text);
        // The beginning of a name says more than its end.
        let name = self.cut(&tile.name, name_font, side - 16.0);
        self.text.line(left + 8.0, top + side + 15.0, &name, name_font);
        let dim = self.font(SMALL, Weight::Regular, theme.dim);
        let strong = self.font(SMALL, Weight::SemiBold, theme.text);
        let score = format!("{:.3}", tile.score);
        let taken = self.text.line_to(left + side - 8.0, top + side + 32.0, &score, strong);
        let words = self.cut(&tile.words, dim, side - 24.0 - taken);
        self.text.line(left + 8.0, top + side + 32.0, &words, dim);
    }

    fn cut(&mut self, text: &str, font: Font, width: f32) -> String {
        if self.text.width(text, font) <= width {
            return text.to_owned();
        }
        let letters: Vec<char> = text.chars().collect();
        let mut kept = letters.len();
        while kept > 0 {
            kept -= 1;
            let short = format!("{}…", letters[..kept].iter().collect::<String>().trim_end());
            if self.text.width(&short, font) <= width {
                return short;
            }
        }
        String::new()
    }

    fn label(&mut self, text: &str, [left, top]: [f32; 2], font: Font) {
        let width = self.text.width(text, font) + 10.0;
        self.fill([left, top, left + width, top + 18.0], [246, 246, 246]);
        self.outline([left, top, left + width, top + 18.0], [222, 222, 218], 1.0);
        self.text.line(left + 5.0, top + 9.0, text, font);
    }

    fn transform(&self) -> Transform {
        Transform::from_scale(self.scale, self.scale)
    }

    fn paint([r, g, b]: [u8; 3]) -> Paint<'static> {
        let mut paint = Paint { anti_alias: true, ..Paint::default() };
        paint.set_color_rgba8(r, g, b, 255);
        paint
    }

    fn fill(&mut self, [left, top, right, bottom]: [f32; 4], color: [u8; 3]) {
        if let Some(rect) = Rect::from_ltrb(left, top, right, bottom) {
            let transform = self.transform();
            let path = PathBuilder::from_rect(rect);
            self.target.fill_path(&path, &Self::paint(color), FillRule::Winding, transform, None);
        }
    }

    fn outline(&mut self, [left, top, right, bottom]: [f32; 4], color: [u8; 3], width: f32) {
        if let Some(rect) = Rect::from_ltrb(left, top, right, bottom) {
            let stroke = Stroke { width, ..Stroke::default() };
            let transform = self.transform();
            self.target.stroke_path(&PathBuilder::from_rect(rect), &Self::paint(color), &stroke, transform, None);
        }
    }

    fn picture(&mut self, picture: &Pixels, [left, top, right, bottom]: [f32; 4]) {
        let Some(source) = PixmapRef::from_bytes(&picture.rgba, picture.width, picture.height) else { return };
        let to = [left, top, right, bottom].map(|at| at * self.scale);
        let (sx, sy) = ((to[2] - to[0]) / picture.width as f32, (to[3] - to[1]) / picture.height as f32);
        let paint = PixmapPaint { quality: FilterQuality::Bicubic, ..PixmapPaint::default() };
        self.target.draw_pixmap(0, 0, source, &paint, Transform::from_row(sx, 0.0, 0.0, sy, to[0], to[1]), None);
    }
}
