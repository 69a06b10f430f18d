//! Real databases in temporary folders.

mod crash;
mod gallery;
mod log;
mod opening;
mod shelf;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::domain::{
    CropRect, GarmentTruth, LabelKey, LabelValue, ManifestRecord, PhotoDomain, PhotoId, PhotoRecord, ProductId,
    ProductRecord, Split,
};
use crate::project::Project;

/// Writes a manifest of `products` products with one shop and one street photo each, and small files for the photos.
fn write_sample(dir: &Path, products: usize) {
    let mut lines = vec![ManifestRecord::Sample { version: 1, seed: 7, products, drawing: 2 }];
    for number in 0..products {
        let product = ProductId::new(format!("p{number:03}"));
        lines.push(ManifestRecord::Product(ProductRecord {
            product: product.clone(),
            name: format!("Breton long sleeve {number}"),
            kind: if number.is_multiple_of(2) { "t-shirt" } else { "coat" }.to_owned(),
            split: Some([Split::Train, Split::Validation, Split::Test][number % 3]),
            attributes: BTreeMap::from([("colour".to_owned(), "navy".to_owned())]),
        }));
        for domain in [PhotoDomain::Shop, PhotoDomain::Street] {
            lines.push(ManifestRecord::Photo(photo_record(&product, number, domain)));
        }
    }
    for folder in ["shop", "street"] {
        fs::create_dir_all(dir.join(folder)).unwrap();
    }
    for line in &lines {
        if let ManifestRecord::Photo(photo) = line {
            fs::write(dir.join(photo.photo.as_str()), photo.photo.as_str()).unwrap();
        }
    }
    write_manifest(dir, &lines);
}

fn photo_record(product: &ProductId, number: usize, domain: PhotoDomain) -> PhotoRecord {
    PhotoRecord {
        photo: PhotoId::new(format!("{}/{product}_0.jpg", domain.as_str())),
        domain,
        product: product.clone(),
        view: 0,
        width: 320,
        height: 240,
        garments: vec![GarmentTruth {
            product: Some(product.clone()),
            kind: if number.is_multiple_of(2) { "t-shirt" } else { "coat" }.to_owned(),
            bbox: CropRect::new(10.5, 20.25, 100.0, 120.0),
            map: None,
        }],
    }
}

fn write_manifest(dir: &Path, lines: &[ManifestRecord]) {
    let text: String = lines.iter().map(|line| serde_json::to_string(line).unwrap() + "\n").collect();
    fs::write(dir.join("manifest.jsonl"), text).unwrap();
}

fn sample(dir: &Path, products: usize) -> Project {
    write_sample(dir, products);
    Project::create_from_manifest(dir).unwrap()
}

fn matches(query: usize, product: usize) -> LabelKey {
    LabelKey::Match {
        query: PhotoId::new(format!("street/p{query:03}_0.jpg")),
        product: ProductId::new(format!("p{product:03}")),
    }
}

fn same() -> Option<LabelValue> {
    Some(LabelValue::SameProduct { crop: Some(CropRect::new(1.5, 2.1, 30.3, 40.7)) })
}

fn different() -> Option<LabelValue> {
    Some(LabelValue::NotThisProduct { crop: None })
}
