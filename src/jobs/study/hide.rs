//! Photos with some of their cells filled with one colour, as the network takes them.

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
        let side = square.width();
        let edge = |part: usize, parts: usize| (part as u64 * u64::from(side) / parts as u64) as u32;
        let [left, top, right, bottom] = self.content;
        for cell in (0..grid.cells()).filter(|&cell| hidden(cell)) {
            let (row, column) = grid.place(cell);
            for y in edge(row, grid.rows).max(top)..edge(row + 1, grid.rows).min(bottom) {
                for x in edge(column, grid.columns).max(left)..edge(column + 1, grid.columns).min(right) {
                    square.put_pixel(x, y, Rgb(self.fill));
                }
            }
        }
        square
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
        let size = encoder.input_size();
        let each = 3 * size * size;
        let mut features = Vec::with_capacity(hidden.len().div_ceil(TOGETHER));
        let mut done = 0;
        for some in hidden.chunks(TOGETHER) {
            pace(done, hidden.len());
            go_on(stop)?;
            let mut images = vec![0.0; some.len() * each];
            for (image, hidden) in images.chunks_exact_mut(each).zip(some) {
                data::to_chw(&self.without(grid, hidden), image);
            }
            let kinds = vec![kind.and_then(|kind| encoder.projection_of(kind)); some.len()];
            features.push(index::on_grid(encoder.encode_as(&images, &kinds)?, grid));
            done += some.len();
        }
        pace(done, hidden.len());
        Ok(features)
    }
}
