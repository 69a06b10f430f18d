//! The list of photos that training reads, with products and kinds as numbers.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

use super::error::DatasetError;
use crate::domain::{CropRect, ManifestRecord, PhotoDomain, PhotoId, ProductId, ProductRecord, Split};

/// One photo as its source names it.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub photo: PhotoId,
    pub path: PathBuf,
    pub domain: PhotoDomain,
    pub product: ProductId,
    pub kind: String,
    /// The garment's box; `None` takes the whole photo.
    pub crop: Option<CropRect>,
    pub split: Option<Split>,
}

/// One photo as training needs it.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    pub photo: PhotoId,
    pub path: PathBuf,
    pub domain: PhotoDomain,
    /// Index into `Dataset::products`.
    pub product: usize,
    /// Index into `Dataset::kinds`.
    pub kind: usize,
    pub crop: Option<CropRect>,
    pub split: Option<Split>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Dataset {
    pub items: Vec<Item>,
    pub products: Vec<ProductId>,
    pub kinds: Vec<String>,
    /// Products that are worn together, as indices into `products`; none unless they were asked for.
    pub outfits: Vec<Vec<usize>>,
}

impl Dataset {
    /// Numbers products and kinds in alphabetical order, so the same photos give the same numbers in any order.
    pub fn new(entries: Vec<Entry>) -> Self {
        Self::with_kinds(entries, &[])
    }

    /// The same, but these kinds keep their numbers (those of a model's classifier); others follow.
    pub fn with_kinds(entries: Vec<Entry>, known: &[String]) -> Self {
        let products: Vec<ProductId> =
            entries.iter().map(|e| e.product.clone()).collect::<BTreeSet<_>>().into_iter().collect();
        let found: BTreeSet<&str> = entries.iter().map(|e| e.kind.as_str()).collect();
        let mut kinds = known.to_vec();
        kinds.extend(found.into_iter().filter(|kind| !known.iter().any(|k| k == kind)).map(str::to_owned));
        let product_index: BTreeMap<&ProductId, usize> = products.iter().zip(0..).collect();
        let kind_index: BTreeMap<&str, usize> = kinds.iter().map(String::as_str).zip(0..).collect();
        let items = entries
            .iter()
            .map(|entry| Item {
                photo: entry.photo.clone(),
                path: entry.path.clone(),
                domain: entry.domain,
                product: product_index[&entry.product],
                kind: kind_index[entry.kind.as_str()],
                crop: entry.crop,
                split: entry.split,
            })
            .collect();
        Self { items, products, kinds, outfits: Vec::new() }
    }

    /// The same photos with these outfits, as far as their pieces are products here: two pieces at least.
    pub fn with_outfits<'a>(mut self, outfits: impl IntoIterator<Item = Vec<&'a str>>) -> Self {
        let known: BTreeMap<&str, usize> = self.products.iter().map(ProductId::as_str).zip(0..).collect();
        self.outfits = outfits
            .into_iter()
            .map(|pieces| {
                let pieces: BTreeSet<usize> = pieces.iter().filter_map(|piece| known.get(piece).copied()).collect();
                pieces.into_iter().collect::<Vec<usize>>()
            })
            .filter(|pieces| pieces.len() > 1)
            .collect();
        self
    }

    /// Reads `manifest.jsonl` of a sample folder.
    pub fn from_manifest(dir: &Path) -> Result<Self, DatasetError> {
        let path = dir.join("manifest.jsonl");
        let text = fs::read_to_string(&path).map_err(|source| DatasetError::Read { source, path: path.clone() })?;
        let mut records = Vec::new();
        for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            records.push(serde_json::from_str(line).map_err(|source| DatasetError::Line {
                line: index + 1,
                source,
                path: path.clone(),
            })?);
        }
        Self::from_records(dir, &records)
    }

    /// The photos of a manifest's records, whose ids are paths below `dir`.
    pub fn from_records(dir: &Path, records: &[ManifestRecord]) -> Result<Self, DatasetError> {
        let products: BTreeMap<&ProductId, &ProductRecord> = records
            .iter()
            .filter_map(|record| match record {
                ManifestRecord::Product(product) => Some((&product.product, product)),
                _ => None,
            })
            .collect();
        let mut entries = Vec::new();
        for record in records {
            let ManifestRecord::Photo(photo) = record else { continue };
            let product = products.get(&photo.product).ok_or_else(|| DatasetError::UnknownProduct {
                product: photo.product.to_string(),
                path: dir.join("manifest.jsonl"),
            })?;
            let inside = Path::new(photo.photo.as_str());
            if !inside.components().all(|part| matches!(part, Component::Normal(_))) {
                return Err(DatasetError::OutsideFolder { photo: photo.photo.to_string(), path: dir.to_owned() });
            }
            let of_product = |g: &&crate::domain::GarmentTruth| g.product.as_ref() == Some(&photo.product);
            let garment = photo.garments.iter().find(of_product).or_else(|| photo.garments.first());
            entries.push(Entry {
                photo: photo.photo.clone(),
                path: dir.join(inside),
                domain: photo.domain,
                product: photo.product.clone(),
                kind: product.kind.clone(),
                crop: garment.map(|garment| garment.bbox),
                split: product.split,
            });
        }
        Ok(Self::new(entries))
    }

    /// Indices of the items of one split, in order.
    pub fn split(&self, split: Split) -> Vec<usize> {
        (0..self.items.len()).filter(|&i| self.items[i].split == Some(split)).collect()
    }

    /// Indices of the items of one domain among these.
    pub fn of_domain(&self, among: &[usize], domain: PhotoDomain) -> Vec<usize> {
        among.iter().copied().filter(|&i| self.items[i].domain == domain).collect()
    }
}
