//! What stands together in a batch, and what happens to photos that cannot be read.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::noise;
use crate::data::augment::Augment;
use crate::data::dataset::{Dataset, Entry};
use crate::data::decode::decode_file;
use crate::data::fit::{letterbox, to_chw};
use crate::data::loader::{Loader, LoaderOptions};
use crate::data::sampler::{Sampler, SamplerConfig};
use crate::domain::{
    CropRect, GarmentTruth, ManifestRecord, PhotoDomain, PhotoId, PhotoRecord, ProductId, ProductRecord, Split,
    StopFlag,
};

fn entry(kind: &str, product: usize, domain: PhotoDomain, n: usize) -> Entry {
    let photo = format!("{}/{kind}-{product:03}_{n}.jpg", domain.as_str());
    Entry {
        path: PathBuf::from(&photo),
        photo: PhotoId::new(&photo),
        domain,
        product: ProductId::new(format!("{kind}-{product:03}")),
        kind: kind.to_owned(),
        crop: None,
        split: Some(Split::Train),
    }
}

/// Kinds with 13, 7 and 2 products; two street and two shop photos each, but the first coat has a single photo and
/// the second only street photos.
fn wardrobe() -> Dataset {
    let mut entries = Vec::new();
    for (kind, products) in [("dress", 13), ("shirt", 7), ("coat", 2)] {
        for product in 0..products {
            let photos: &[(PhotoDomain, usize)] = match (kind, product) {
                ("coat", 0) => &[(PhotoDomain::Shop, 0)],
                ("coat", 1) => &[(PhotoDomain::Street, 0), (PhotoDomain::Street, 1)],
                _ => &[
                    (PhotoDomain::Street, 0),
                    (PhotoDomain::Street, 1),
                    (PhotoDomain::Shop, 0),
                    (PhotoDomain::Shop, 1),
                ],
            };
            entries.extend(photos.iter().map(|&(domain, n)| entry(kind, product, domain, n)));
        }
    }
    Dataset::new(entries)
}

fn all(dataset: &Dataset) -> Vec<usize> {
    (0..dataset.items.len()).collect()
}

#[test]
fn an_epoch_covers_every_product_in_balanced_batches() {
    let dataset = wardrobe();
    let config = SamplerConfig { products: 6, kinds: 2, photos: 4 };
    let sampler = Sampler::new(&dataset, &all(&dataset), config, 3);
    for epoch in 0..5 {
        let batches = sampler.epoch(epoch);
        assert_eq!(batches.len(), sampler.steps_per_epoch());
        let mut seen = BTreeSet::new();
        for batch in &batches {
            let mut of_product: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
            let mut of_kind: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
            for &index in batch {
                let item = &dataset.items[index];
                of_product.entry(item.product).or_default().push(index);
                of_kind.entry(item.kind).or_default().insert(item.product);
                seen.insert(item.product);
            }
            assert_eq!(of_kind.len(), 2);
            for (&kind, products) in &of_kind {
                // The two coats are all there are.
                assert_eq!(products.len(), if dataset.kinds[kind] == "coat" { 2 } else { 3 });
            }
            for (&product, photos) in &of_product {
                assert_eq!(photos.len(), 4);
                let distinct: BTreeSet<_> = photos.iter().collect();
                let street = photos.iter().filter(|&&i| dataset.items[i].domain == PhotoDomain::Street).count();
                match dataset.products[product].as_str() {
                    "coat-000" => assert_eq!((distinct.len(), street), (1, 0)),
                    "coat-001" => assert_eq!((distinct.len(), street), (2, 4)),
                    _ => assert_eq!((distinct.len(), street), (4, 2)),
                }
            }
        }
        assert_eq!(seen.len(), dataset.products.len());
    }
}

#[test]
fn batches_depend_on_seed_and_epoch_alone() {
    let dataset = wardrobe();
    let sampler = |seed| Sampler::new(&dataset, &all(&dataset), SamplerConfig::default(), seed);
    assert_eq!(sampler(1).epoch(4), sampler(1).epoch(4));
    assert_ne!(sampler(1).epoch(4), sampler(1).epoch(5));
    assert_ne!(sampler(1).epoch(4), sampler(2).epoch(4));
    assert!(Sampler::new(&dataset, &[], SamplerConfig::default(), 1).epoch(0).is_empty());
}

#[test]
fn an_odd_number_of_photos_takes_from_both_domains() {
    let dataset = wardrobe();
    let config = SamplerConfig { products: 4, kinds: 1, photos: 3 };
    let dresses: Vec<usize> = all(&dataset).into_iter().filter(|&i| dataset.items[i].kind == 1).collect();
    let batches = Sampler::new(&dataset, &dresses, config, 9).epoch(0);
    for product in batches.iter().flat_map(|batch| batch.chunks(3)) {
        let street = product.iter().filter(|&&i| dataset.items[i].domain == PhotoDomain::Street).count();
        assert!(street == 1 || street == 2);
        assert!(product.iter().all(|&i| dataset.items[i].product == dataset.items[product[0]].product));
    }
    assert!(SamplerConfig { products: 2, kinds: 3, photos: 1 }.check().is_err());
    assert!(SamplerConfig { photos: 0, ..SamplerConfig::default() }.check().is_err());
}

#[test]
fn known_kinds_keep_their_numbers() {
    let known = ["shirt".to_owned(), "hat".to_owned()];
    let dataset = Dataset::with_kinds(
        vec![entry("coat", 0, PhotoDomain::Shop, 0), entry("shirt", 0, PhotoDomain::Shop, 0)],
        &known,
    );
    assert_eq!(dataset.kinds, ["shirt", "hat", "coat"]);
    assert_eq!(dataset.items[0].kind, 2);
    assert_eq!(dataset.items[1].kind, 0);
}

#[test]
fn a_manifest_gives_boxes_kinds_and_splits() {
    let dir = tempfile::tempdir().unwrap();
    let product = ProductRecord {
        product: "p1".into(),
        name: "Plain shirt".into(),
        kind: "shirt".into(),
        split: Some(Split::Test),
        attributes: BTreeMap::new(),
    };
    let garment = |product: Option<ProductId>, x: f32| GarmentTruth {
        product,
        kind: "shirt".into(),
        bbox: CropRect::new(x, 2.0, 30.0, 40.0),
        map: None,
    };
    let photo = |id: &str, product: &str| {
        ManifestRecord::Photo(PhotoRecord {
            photo: id.into(),
            domain: PhotoDomain::Street,
            product: product.into(),
            view: 0,
            width: 100,
            height: 80,
            garments: vec![garment(None, 1.0), garment(Some("p1".into()), 7.0)],
        })
    };
    let write = |records: &[ManifestRecord]| {
        let lines: Vec<String> = records.iter().map(|r| serde_json::to_string(r).unwrap()).collect();
        std::fs::write(dir.path().join("manifest.jsonl"), lines.join("\n")).unwrap();
        Dataset::from_manifest(dir.path())
    };
    let product = ManifestRecord::Product(product);
    let dataset = write(&[product.clone(), photo("street/p1_0.jpg", "p1")]).unwrap();
    assert_eq!(dataset.items[0].crop, Some(CropRect::new(7.0, 2.0, 30.0, 40.0)));
    assert_eq!(dataset.items[0].path, dir.path().join("street/p1_0.jpg"));
    assert_eq!((dataset.kinds[0].as_str(), dataset.split(Split::Test)), ("shirt", vec![0]));
    assert_eq!(dataset.of_domain(&[0], PhotoDomain::Shop), Vec::<usize>::new());

    assert!(write(&[photo("a.jpg", "p1")]).unwrap_err().to_string().contains("does not list"));
    assert!(write(&[product, photo("../a.jpg", "p1")]).unwrap_err().to_string().contains("leads out"));
    std::fs::write(dir.path().join("manifest.jsonl"), "{\"record\":\"sample\"").unwrap();
    assert!(Dataset::from_manifest(dir.path()).unwrap_err().to_string().starts_with("line 1 of the manifest"));
}

fn folder_of_photos(dir: &std::path::Path) -> Arc<Dataset> {
    let mut entries = Vec::new();
    for n in 0..4 {
        let mut entry = entry("shirt", n, PhotoDomain::Shop, 0);
        entry.path = dir.join(format!("{n}.png"));
        entry.crop = (n != 0).then(|| CropRect::new(5.0, 4.0, 30.0, 20.0));
        match n {
            2 => std::fs::write(&entry.path, b"no photo").unwrap(),
            _ => noise(60, 40, n as u64).save(&entry.path).unwrap(),
        }
        entries.push(entry);
    }
    entries[3].crop = Some(CropRect::new(500.0, 4.0, 30.0, 20.0));
    Arc::new(Dataset::new(entries))
}

#[test]
fn broken_photos_are_left_out_and_named() {
    let dir = tempfile::tempdir().unwrap();
    let dataset = folder_of_photos(dir.path());
    let loader = Loader::new(dataset, LoaderOptions::new(32, Augment::none(), 1));
    let batch = loader.batch(&[0, 2, 1, 3, 0], 0, 0);
    assert_eq!(batch.items, [0, 1, 0]);
    assert_eq!(batch.images.len(), 3 * 3 * 32 * 32);
    let broken: BTreeMap<_, _> = loader.broken().into_iter().collect();
    assert_eq!(broken.len(), 2);
    assert!(broken[&PhotoId::new("shop/shirt-002_0.jpg")].contains("not a photo"));
    assert!(broken[&PhotoId::new("shop/shirt-003_0.jpg")].contains("lies outside"));

    let done = AtomicUsize::new(0);
    loader.warm(&[0, 1, 2, 3], &StopFlag::new(), &|progress| {
        assert_eq!(progress.total, 4);
        done.fetch_add(1, Ordering::Relaxed);
    });
    assert_eq!(done.into_inner(), 4);
}

#[test]
fn plain_batches_show_what_a_search_sees() {
    let dir = tempfile::tempdir().unwrap();
    let dataset = folder_of_photos(dir.path());
    // The photo is smaller than what is kept, so nothing is resampled twice.
    let loader = Loader::new(dataset.clone(), LoaderOptions::new(64, Augment::none(), 1));
    let batch = loader.plain(&[1]);
    let photo = decode_file(&dataset.items[1].path).unwrap();
    let mut wanted = vec![0.0; 3 * 64 * 64];
    to_chw(&letterbox(&photo, dataset.items[1].crop, 64).0, &mut wanted);
    let worst = batch.images.iter().zip(&wanted).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(worst < 1e-5, "{worst}");
}

#[test]
fn batches_are_the_same_on_any_number_of_threads_and_without_memory() {
    let dir = tempfile::tempdir().unwrap();
    let dataset = folder_of_photos(dir.path());
    let options = LoaderOptions::new(32, Augment::default(), 7);
    let make = |threads: usize, cache_bytes: u64| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let loader = Loader::new(dataset.clone(), LoaderOptions { cache_bytes, ..options.clone() });
        pool.install(|| {
            [loader.batch(&[0, 1, 0, 1], 3, 9), loader.batch(&[0, 1], 3, 10), loader.view(&[0, 1], 3, 10, 1)]
        })
    };
    let one = make(1, u64::MAX);
    assert_eq!(one, make(4, u64::MAX));
    assert_eq!(one, make(2, 0));
    assert_ne!(one[1].images, one[2].images);
    // The same photo twice in a batch is two views.
    let views = one[0].images.chunks(3 * 32 * 32).collect::<Vec<_>>();
    assert_ne!(views[0], views[2]);
}
