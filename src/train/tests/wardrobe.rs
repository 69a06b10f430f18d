//! Photos of six products in flat colours, enough to train on in a second.

use std::path::Path;

use image::{Rgb, RgbImage};

use crate::data::{Dataset, dataset::Entry};
use crate::domain::{CropRect, PhotoDomain, PhotoId, ProductId, Split};
use crate::train::TrainConfig;

const COLOURS: [[u8; 3]; 8] = [
    [200, 30, 30],
    [30, 160, 40],
    [40, 50, 200],
    [220, 200, 30],
    [160, 40, 180],
    [30, 180, 190],
    [120, 120, 120],
    [240, 130, 20],
];

/// Writes two shop and two street photos of each product; the last two products are for validation.
pub fn write(dir: &Path, products: usize) -> Dataset {
    let mut entries = Vec::new();
    for product in 0..products {
        let colour = COLOURS[product % COLOURS.len()];
        for domain in [PhotoDomain::Shop, PhotoDomain::Street] {
            for view in 0..2_u32 {
                let name = format!("{}/p{product}_{view}.png", domain.as_str());
                let path = dir.join(&name);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                paint(colour, domain, view, product as u32).save(&path).unwrap();
                entries.push(Entry {
                    photo: PhotoId::new(&name),
                    path,
                    domain,
                    product: ProductId::new(format!("p{product}")),
                    kind: if product % 2 == 0 { "coat" } else { "dress" }.to_owned(),
                    crop: Some(CropRect::new(8.0, 6.0, 32.0, 36.0)),
                    split: Some(if product + 2 < products { Split::Train } else { Split::Validation }),
                });
            }
        }
    }
    Dataset::new(entries)
}

fn paint(colour: [u8; 3], domain: PhotoDomain, view: u32, product: u32) -> RgbImage {
    RgbImage::from_fn(48, 48, |x, y| {
        let inside = (10..38).contains(&x) && (8..40).contains(&y);
        let stripe = (x + y * (product % 3) + view) % 6 < 2;
        let shade = if domain == PhotoDomain::Street { 200 + 20 * (view as u16) } else { 255 };
        let ground =
            if domain == PhotoDomain::Street { [90, (100 + 2 * y) as u8, (60 + 3 * x) as u8] } else { [255; 3] };
        let base = if inside && stripe {
            [250; 3]
        } else if inside {
            colour
        } else {
            ground
        };
        Rgb(base.map(|value| (u16::from(value) * shade / 255) as u8))
    })
}

/// Two epochs of four tiny steps.
pub fn recipe() -> TrainConfig {
    let mut config = TrainConfig { name: "tiny".to_owned(), ..TrainConfig::default() };
    config.model.width = 4;
    config.model.dim = 8;
    config.model.input_size = 32;
    config.data.train_size = 32;
    config.data.large_size = 48;
    config.data.large_epochs = 1;
    config.data.products = 2;
    config.data.kinds = 2;
    config.schedule.epochs = 3;
    config.schedule.warmup_epochs = 0.5;
    config.optimizer.ema = 0.9;
    config.loss.info_nce = 0.5;
    config.loss.structural = 0.1;
    config.run.validate_epochs = 3;
    config
}
