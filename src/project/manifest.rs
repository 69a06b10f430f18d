//! A project from `manifest.jsonl`: products, photos and the truth about each.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use rusqlite::{Connection, params};

use super::labels::to_json;
use super::paths::is_inside;
use super::photos::content_hash_of;
use super::store::set_setting;
use super::{Paths, Project, ProjectError};
use crate::domain::{ManifestRecord, PhotoId, PhotoRecord, ProductId, ProductRecord, Split};

/// Photos that are hashed together: enough for all cores, few enough to hold their records.
const BATCH: usize = 512;
impl Project {
    /// Makes the project of a folder that holds a manifest and its photos. All or nothing.
    pub fn create_from_manifest(dir: &Path) -> Result<Self, ProjectError> {
        if !dir.is_dir() {
            return Err(ProjectError::Missing { path: dir.to_owned() });
        }
        let paths = Paths::new(dir);
        Self::create_with(dir, |connection, database| {
            let name = dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
            set_setting(connection, "name", &name).map_err(ProjectError::from_sql("make the project", database))?;
            let transaction = connection.transaction().map_err(ProjectError::from_sql("make the project", database))?;
            let path = paths.manifest();
            Reader { connection: &transaction, database, paths: &paths, path, seen: Seen::default() }.read()?;
            transaction.commit().map_err(ProjectError::from_sql("make the project", database))
        })
    }
}

struct Reader<'a> {
    connection: &'a Connection,
    database: &'a Path,
    paths: &'a Paths,
    path: PathBuf,
    seen: Seen,
}

#[derive(Default)]
struct Seen {
    products: HashSet<ProductId>,
    photos: HashSet<PhotoId>,
    /// Photos that came before their products, with their lines.
    early: Vec<(usize, ProductId)>,
    waiting: Vec<PhotoRecord>,
}

impl Reader<'_> {
    fn read(mut self) -> Result<(), ProjectError> {
        self.connection
            .pragma_update(None, "defer_foreign_keys", true)
            .map_err(ProjectError::from_sql("make the project", self.database))?;
        let manifest = self.path.clone();
        let io = ProjectError::from_io("read the manifest", &manifest);
        for (index, line) in BufReader::new(File::open(&manifest).map_err(&io)?).lines().enumerate() {
            let line = line.map_err(&io)?;
            if !line.trim().is_empty() {
                let record = serde_json::from_str(&line).map_err(|error| self.refuse(index + 1, error))?;
                self.take(index + 1, record)?;
            }
        }
        self.write_photos()?;
        if self.seen.products.is_empty() {
            return Err(self.refuse(1, "it names no product"));
        }
        match self.seen.early.iter().find(|(_, product)| !self.seen.products.contains(product)) {
            Some((line, product)) => Err(self.refuse(*line, format!("it names the unknown product {product}"))),
            None => Ok(()),
        }
    }

    fn take(&mut self, line: usize, record: ManifestRecord) -> Result<(), ProjectError> {
        match record {
            ManifestRecord::Sample { version, seed, .. } => {
                if version > ManifestRecord::VERSION {
                    return Err(self.refuse(line, format!("its version {version} is newer than this program")));
                }
                set_setting(self.connection, "name", "Sample wardrobe")
                    .and_then(|()| set_setting(self.connection, "sample_seed", &seed.to_string()))
                    .map_err(ProjectError::from_sql("make the project", self.database))
            }
            ManifestRecord::Product(product) => {
                if !self.seen.products.insert(product.product.clone()) {
                    return Err(self.refuse(line, format!("the product {} is named twice", product.product)));
                }
                self.write_product(&product)
            }
            ManifestRecord::Photo(photo) => {
                if !is_inside(photo.photo.as_str()) {
                    return Err(self.refuse(line, format!("the photo {:?} is not in the folder", photo.photo.as_str())));
                }
                if !self.seen.photos.insert(photo.photo.clone()) {
                    return Err(self.refuse(line, format!("the photo {} is named twice", photo.photo)));
                }
                if !self.seen.products.contains(&photo.product) {
                    self.seen.early.push((line, photo.product.clone()));
                }
                self.seen.waiting.push(photo);
                if self.seen.waiting.len() == BATCH { self.write_photos() } else { Ok(()) }
            }
        }
    }

    fn write_product(&self, product: &ProductRecord) -> Result<(), ProjectError> {
        let attributes = to_json("a product's attributes", self.database, &product.attributes)?;
        self.connection
            .prepare_cached("INSERT INTO product (product, name, kind, split, attributes) VALUES (?1, ?2, ?3, ?4, ?5)")
            .and_then(|mut statement| {
                statement.execute(params![
                    product.product.as_str(),
                    product.name,
                    product.kind,
                    product.split.map(Split::as_str),
                    attributes
                ])
            })
            .map_err(ProjectError::from_sql("write a product", self.database))?;
        Ok(())
    }

    /// Hashes the waiting photos' files on all cores, then writes them. A missing file has no hash.
    fn write_photos(&mut self) -> Result<(), ProjectError> {
        let waiting = std::mem::take(&mut self.seen.waiting);
        let hashes: Vec<Option<String>> =
            waiting.par_iter().map(|photo| content_hash_of(&self.paths.photo(&photo.photo))).collect();
        for (photo, content_hash) in waiting.iter().zip(hashes) {
            self.write_photo(photo, content_hash)?;
        }
        Ok(())
    }

    fn write_photo(&self, photo: &PhotoRecord, content_hash: Option<String>) -> Result<(), ProjectError> {
        let sql = ProjectError::from_sql("write a photo", self.database);
        let main = photo.garments.first();
        let side = |side: fn(&crate::domain::CropRect) -> f32| main.map(|garment| f64::from(side(&garment.bbox)));
        let garments = to_json("a photo's garments", self.database, &photo.garments)?;
        self.connection
            .prepare_cached(
                "INSERT INTO photo (photo, domain, product, view, width, height, kind, box_x, box_y, box_width,
                                    box_height, content_hash)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
            )
            .and_then(|mut statement| {
                statement.execute(params![
                    photo.photo.as_str(),
                    photo.domain.as_str(),
                    photo.product.as_str(),
                    photo.view,
                    photo.width,
                    photo.height,
                    main.map(|garment| &garment.kind),
                    side(|crop| crop.x),
                    side(|crop| crop.y),
                    side(|crop| crop.width),
                    side(|crop| crop.height),
                    content_hash
                ])
            })
            .map_err(&sql)?;
        self.connection
            .prepare_cached("INSERT INTO photo_truth (photo, garments) VALUES (?1, ?2)")
            .and_then(|mut statement| statement.execute([photo.photo.as_str(), &garments]))
            .map_err(&sql)?;
        Ok(())
    }

    fn refuse(&self, line: usize, why: impl ToString) -> ProjectError {
        ProjectError::Manifest { line, why: why.to_string(), path: self.path.clone() }
    }
}
