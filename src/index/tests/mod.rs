mod building;
mod files;
mod knobs;
mod searching;
mod shelf;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use image::RgbImage;

use super::build::{BuildReport, GalleryPhoto, build};
use super::embed::Embed;
use super::error::IndexError;
use crate::domain::{CheckpointId, CropRect, Grid, PhotoId, ProductId, StopFlag};
use crate::nn::{CellFeatures, NnError};

/// Numbers of a cell.
const DIM: usize = 12;

/// Embeds without a network: each cell is a fixed projection of its mean colour and of its corners. Counts what it
/// is asked for, and stops the run after a number of batches where one is set.
pub struct Colours {
    pub checkpoint: CheckpointId,
    pub grid: Grid,
    pub embedded: AtomicUsize,
    pub stop_after_batches: Option<(usize, StopFlag)>,
    batches: AtomicUsize,
}

impl Colours {
    pub fn new() -> Self {
        Self {
            checkpoint: CheckpointId::new("0123456789abcdef"),
            grid: Grid::new(2, 3),
            embedded: AtomicUsize::new(0),
            stop_after_batches: None,
            batches: AtomicUsize::new(0),
        }
    }

    /// How many photos were embedded since the last call.
    pub fn taken(&self) -> usize {
        self.embedded.swap(0, Ordering::Relaxed)
    }
}

fn unit(values: &mut [f32]) {
    let length = values.iter().map(|v| v * v).sum::<f32>().sqrt().max(1e-12);
    values.iter_mut().for_each(|v| *v /= length);
}

impl Embed for Colours {
    fn embed(&self, images: &[f32], n: usize) -> Result<CellFeatures, NnError> {
        self.embedded.fetch_add(n, Ordering::Relaxed);
        let batches = self.batches.fetch_add(1, Ordering::Relaxed) + 1;
        if let Some((after, stop)) = &self.stop_after_batches
            && batches >= *after
        {
            stop.stop();
        }
        let size = self.input_size();
        let (mut cells, mut globals) = (Vec::new(), Vec::new());
        for image in images.chunks_exact(3 * size * size) {
            let mut global = vec![0.0; DIM];
            for cell in 0..self.grid.cells() {
                let (row, column) = self.grid.place(cell);
                let (y0, y1) = (row * size / self.grid.rows, (row + 1) * size / self.grid.rows);
                let (x0, x1) = (column * size / self.grid.columns, (column + 1) * size / self.grid.columns);
                let mut features = vec![0.0; DIM];
                for (c, plane) in image.chunks_exact(size * size).enumerate() {
                    for (y, x) in (y0..y1).flat_map(|y| (x0..x1).map(move |x| (y, x))) {
                        let value = plane[y * size + x];
                        features[c] += value;
                        features[3 + c] += value * value;
                        features[6 + c] += value * (x as f32 - y as f32) / size as f32;
                        features[9 + c] += value * ((x * y) % 7) as f32 / 7.0;
                    }
                }
                global.iter_mut().zip(&features).for_each(|(g, f)| *g += f);
                unit(&mut features);
                cells.extend(features);
            }
            unit(&mut global);
            globals.extend(global);
        }
        assert_eq!(globals.len(), n * DIM);
        Ok(CellFeatures { grid: self.grid, dim: DIM, cells, globals })
    }

    fn checkpoint(&self) -> &CheckpointId {
        &self.checkpoint
    }

    fn input_size(&self) -> usize {
        24
    }

    fn grid(&self) -> Grid {
        self.grid
    }

    fn dim(&self) -> usize {
        DIM
    }
}

/// A small photo that no other number gives.
fn picture(number: usize) -> RgbImage {
    RgbImage::from_fn(30, 20, |x, y| {
        let mix = |k: usize| ((number * k + x as usize * (3 + number % 5) + y as usize * k) % 251) as u8;
        image::Rgb([mix(7), mix(31), mix(101)])
    })
}

fn gallery_photo(dir: &Path, number: usize) -> GalleryPhoto {
    GalleryPhoto {
        photo: PhotoId::new(format!("shop/{number:04}.png")),
        product: ProductId::new(format!("p{}", number / 2)),
        path: dir.join(format!("{number:04}.png")),
        crop: None,
        kind: None,
    }
}

/// Writes photos whose files are old enough for their times to be trusted.
fn write_photos(dir: &Path, numbers: std::ops::Range<usize>) -> Vec<GalleryPhoto> {
    numbers
        .map(|number| {
            let photo = gallery_photo(dir, number);
            write_picture(&photo.path, number, 3600);
            photo
        })
        .collect()
}

fn write_picture(path: &PathBuf, number: usize, age_secs: u64) {
    picture(number).save(path).unwrap();
    set_age(path, age_secs);
}

fn set_age(path: &Path, age_secs: u64) {
    let then = std::time::SystemTime::now() - std::time::Duration::from_secs(age_secs);
    std::fs::File::options().write(true).open(path).unwrap().set_modified(then).unwrap();
}

fn build_all(dir: &Path, embed: &dyn Embed, photos: &[GalleryPhoto]) -> Result<BuildReport, IndexError> {
    build(dir, embed, photos, &StopFlag::new(), &|_| {})
}

fn whole(x: f32, y: f32, w: f32, h: f32) -> Option<CropRect> {
    Some(CropRect::new(x, y, w, h))
}
