//! Opening the index of a large gallery, as the start of the program does.
//!
//! `cargo bench --bench start`; writes 20,000 small photos into a folder of its own first, which takes about a minute.

use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, SystemTime};

use criterion::{Criterion, criterion_group, criterion_main};
use seamline::domain::{CheckpointId, Grid, PhotoId, ProductId, StopFlag};
use seamline::index::{Embed, GalleryIndex, GalleryPhoto, build, current};
use seamline::nn::{CellFeatures, NnError};

const PHOTOS: usize = 20_000;
const DIM: usize = 12;

/// No network: what is timed comes before and after it.
struct Plain(CheckpointId);

impl Embed for Plain {
    fn embed(&self, _: &[f32], n: usize) -> Result<CellFeatures, NnError> {
        let unit = |count: usize| vec![1.0 / (DIM as f32).sqrt(); count * DIM];
        Ok(CellFeatures { grid: self.grid(), dim: DIM, cells: unit(n * self.grid().cells()), globals: unit(n) })
    }

    fn checkpoint(&self) -> &CheckpointId {
        &self.0
    }

    fn input_size(&self) -> usize {
        24
    }

    fn grid(&self) -> Grid {
        Grid::new(2, 3)
    }

    fn dim(&self) -> usize {
        DIM
    }
}

/// Photos whose files are old enough for their times to be trusted.
fn photos(dir: &Path) -> Vec<GalleryPhoto> {
    let then = SystemTime::now() - Duration::from_secs(3600);
    (0..PHOTOS)
        .map(|number| {
            let path = dir.join(format!("{number:05}.png"));
            let byte = |shift: u32| (number >> shift) as u8;
            image::RgbImage::from_fn(4, 4, |x, _| image::Rgb([byte(0), byte(8), x as u8]))
                .save(&path)
                .expect("a photo");
            let file = fs::File::options().write(true).open(&path).expect("the photo");
            file.set_modified(then).expect("an old photo");
            let name = format!("{number:05}");
            GalleryPhoto { photo: PhotoId::new(&name), product: ProductId::new(&name), path, crop: None, kind: None }
        })
        .collect()
}

fn start(c: &mut Criterion) {
    let dir = tempfile::tempdir().expect("a folder");
    let features = dir.path().join("features");
    let embed = Plain(CheckpointId::new("0123456789abcdef"));
    let photos = photos(dir.path());
    build(&features, &embed, &photos, &StopFlag::new(), &|_| {}).expect("an index");
    let mut group = c.benchmark_group("start with 20,000 photos");
    group.sample_size(10);
    group.bench_function("nothing changed", |b| {
        b.iter(|| black_box(current(&features, &embed, &photos).expect("it is up to date")));
    });
    group.bench_function("nothing changed, every byte checked", |b| {
        b.iter(|| {
            fs::remove_file(features.join("index.checked")).expect("the stamp of the last check");
            black_box(current(&features, &embed, &photos).expect("it is up to date"))
        });
    });
    group.bench_function("brought up to date and opened", |b| {
        b.iter(|| {
            build(&features, &embed, &photos, &StopFlag::new(), &|_| {}).expect("an index");
            black_box(GalleryIndex::open_for(&features, &embed).expect("an index"))
        });
    });
    group.finish();
}

criterion_group!(benches, start);
criterion_main!(benches);
