//! Photos with some of their cells filled with one colour, or with cells of another photo, as the network takes them.

use image::{Rgb, RgbImage};

use super::{Pace, go_on};
use crate::data;
use crate::domain::{CropRect, Grid, StopFlag};
use crate::index;
use crate::jobs::JobError;
use crate::nn::{CellFeatures, Encoder};

/// Photos that are encoded between two looks at the stop flag.
const TOGETHER: usize = 8;

/// The square that the network sees of a photo, and the colour that hides parts of it.
pub struct Canvas {
    square: RgbImage,
    /// Left, top, right, bottom of the part that is photo, in pixels.
    content: [u32; 4],
    fill: [u8; 3],
}

impl Canvas {
    /// `size`: the side of the network's input. A hidden part takes the mean colour of the photo's part that is seen.
    pub fn new(photo: &RgbImage, crop: Option<CropRect>, size: usize) -> Self {
        let (square, content) = data::letterbox(photo, crop, size as u32);
        let content = content.map(|share| (share * size as f32).round() as u32);
        let [left, top, right, bottom] = content;
        let mut sums = [0u64; 3];
        for y in top..bottom {
            for x in left..right {
                let Rgb(pixel) = square.get_pixel(x, y);
                sums.iter_mut().zip(pixel).for_each(|(sum, &value)| *sum += u64::from(value));
            }
        }
        let count = (u64::from(right - left) * u64::from(bottom - top)).max(1);
        let fill = sums.map(|sum| ((sum + count / 2) / count).min(255) as u8);
        Self { square, content, fill }
    }

    pub fn fill(&self) -> [u8; 3] {
        self.fill
    }

    /// The photo without what lies under these cells; the padding around it stays as it is.
    pub fn without(&self, grid: Grid, hidden: impl Fn(usize) -> bool) -> RgbImage {
        let mut square = self.square.clone();
        let [left, top, right, bottom] = self.content;
        for cell in (0..grid.cells()).filter(|&cell| hidden(cell)) {
            let [x0, y0, x1, y1] = self.cell(grid, cell);
            for y in y0.max(top)..y1.min(bottom) {
                for x in x0.max(left)..x1.min(right) {
                    square.put_pixel(x, y, Rgb(self.fill));
                }
            }
        }
        square
    }

    /// The photo with cells of another in the place of some of its own, scaled to fit. Whole cells are swapped, padding and
    /// all, for that is what the network sees there. `pairs`: a cell of `grid`, and the other photo's of `other_grid`.
    pub fn with(&self, other: &Self, [grid, other_grid]: [Grid; 2], pairs: &[(usize, usize)]) -> RgbImage {
        let mut square = self.square.clone();
        for &(cell, from) in pairs {
            let [left, top, right, bottom] = self.cell(grid, cell);
            let [x0, y0, x1, y1] = other.cell(other_grid, from);
            let patch = data::resize(&other.square, [x0, y0, x1 - x0, y1 - y0], right - left, bottom - top);
            image::imageops::replace(&mut square, &patch, left.into(), top.into());
        }
        square
    }

    /// Left, top, right, bottom of a cell in pixels of the square.
    fn cell(&self, grid: Grid, cell: usize) -> [u32; 4] {
        let side = u64::from(self.square.width());
        let edge = |part: usize, parts: usize| (part as u64 * side / parts as u64) as u32;
        let (row, column) = grid.place(cell);
        let (right, bottom) = (edge(column + 1, grid.columns), edge(row + 1, grid.rows));
        [edge(column, grid.columns), edge(row, grid.rows), right, bottom]
    }

    /// As the network takes it, `[3, size, size]`.
    pub fn image(&self) -> Vec<f32> {
        chw(&self.square)
    }

    /// Encodes this photo once for each set of hidden cells, in their order; `kind` as whoever encoded it whole knew it.
    pub fn encode<'a, H: Fn(usize) -> bool + 'a>(
        &self,
        encoder: &Encoder,
        (grid, kind): (Grid, Option<&str>),
        hidden: &'a [H],
        stop: &StopFlag,
        pace: Pace<'_>,
    ) -> Result<Vec<CellFeatures>, JobError> {
        let mut features = Vec::with_capacity(hidden.len().div_ceil(TOGETHER));
        let mut done = 0;
        for some in hidden.chunks(TOGETHER) {
            pace(done, hidden.len());
            go_on(stop)?;
            let squares: Vec<RgbImage> = some.iter().map(|hidden| self.without(grid, hidden)).collect();
            features.push(encode(encoder, &squares, (grid, kind))?);
            done += some.len();
        }
        pace(done, hidden.len());
        Ok(features)
    }
}

/// Encodes squares of the network's size; `kind` as whoever encoded the photo whole knew it.
pub(super) fn encode(
    encoder: &Encoder,
    squares: &[RgbImage],
    (grid, kind): (Grid, Option<&str>),
) -> Result<CellFeatures, JobError> {
    let images: Vec<f32> = squares.iter().flat_map(chw).collect();
    let kinds = vec![kind.and_then(|kind| encoder.projection_of(kind)); squares.len()];
    Ok(index::on_grid(encoder.encode_as(&images, &kinds)?, grid))
}

fn chw(square: &RgbImage) -> Vec<f32> {
    let mut image = vec![0.0; square.as_raw().len()];
    data::to_chw(square, &mut image);
    image
}
