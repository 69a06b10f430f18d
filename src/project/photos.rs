//! Products and photos of a project, and photos that join it from outside.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use rayon::prelude::*;
use rusqlite::{OptionalExtension, Row, TransactionBehavior, params};

use super::labels::from_json;
use super::{Project, ProjectError, write_beside};
use crate::domain::{
    CropRect, GarmentTruth, LabelKey, LabelValue, PhotoDomain, PhotoId, ProductId, ProductRecord, Split,
};

/// A photo without its dense truth: what lists, galleries and training need of it.
#[derive(Clone, Debug, PartialEq)]
pub struct PhotoRow {
    pub photo: PhotoId,
    pub domain: PhotoDomain,
    /// The product of the main garment, as it came with the data; `None` for photos from outside.
    pub product: Option<ProductId>,
    pub view: u32,
    pub width: u32,
    pub height: u32,
    /// Kind and box of the main garment, as they came with the data.
    pub kind: Option<String>,
    pub bbox: Option<CropRect>,
    /// BLAKE3 of the file when it joined the project.
    pub content_hash: Option<String>,
}

/// Photos that a project names but that are gone from its folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MissingPhotos {
    pub checked: usize,
    pub missing: Vec<PhotoId>,
}

const PHOTO_COLUMNS: &str =
    "photo, domain, product, view, width, height, kind, content_hash, box_x, box_y, box_width, box_height";

impl Project {
    /// All photos of a domain, in the order of their ids.
    pub fn photos(&self, domain: PhotoDomain) -> Result<Vec<PhotoRow>, ProjectError> {
        self.photo_rows("WHERE domain = ?1 ORDER BY photo", [domain.as_str()])
    }

    /// A page of the photos of a domain, for grids that never hold all of it.
    pub fn photo_page(&self, domain: PhotoDomain, offset: usize, limit: usize) -> Result<Vec<PhotoRow>, ProjectError> {
        self.photo_rows(
            "WHERE domain = ?1 ORDER BY photo LIMIT ?2 OFFSET ?3",
            params![domain.as_str(), as_sql(limit), as_sql(offset)],
        )
    }

    pub fn photo(&self, photo: &PhotoId) -> Result<Option<PhotoRow>, ProjectError> {
        Ok(self.photo_rows("WHERE photo = ?1", [photo.as_str()])?.pop())
    }

    pub fn photos_of(&self, product: &ProductId) -> Result<Vec<PhotoRow>, ProjectError> {
        self.photo_rows("WHERE product = ?1 ORDER BY photo", [product.as_str()])
    }

    /// The photo of the project with exactly these bytes, if there is one.
    pub fn photo_with_hash(&self, content_hash: &str) -> Result<Option<PhotoRow>, ProjectError> {
        Ok(self.photo_rows("WHERE content_hash = ?1 ORDER BY photo LIMIT 1", [content_hash])?.pop())
    }

    /// All garments that are known to be in a photo, the main one first.
    pub fn garments(&self, photo: &PhotoId) -> Result<Vec<GarmentTruth>, ProjectError> {
        let json: Option<String> = self
            .connection
            .prepare_cached("SELECT garments FROM photo_truth WHERE photo = ?1")
            .and_then(|mut statement| statement.query_row([photo.as_str()], |row| row.get(0)).optional())
            .map_err(ProjectError::from_sql("read a photo's garments", &self.database))?;
        json.map_or_else(|| Ok(Vec::new()), |json| from_json("a photo's garments", &self.database, &json))
    }

    /// The kind of a photo's garment: what a person said, else what came with the data.
    pub fn kind_of(&self, photo: &PhotoId) -> Result<Option<String>, ProjectError> {
        let label = self.label(&LabelKey::Kind { photo: photo.clone() })?;
        Ok(label.and_then(|label| match label.value {
            LabelValue::Kind { name } => Some(name),
            LabelValue::SameProduct { .. } | LabelValue::NotThisProduct { .. } => None,
        }))
    }

    pub fn product(&self, product: &ProductId) -> Result<Option<ProductRecord>, ProjectError> {
        Ok(self.product_rows("WHERE product = ?1", [product.as_str()])?.pop())
    }

    /// All products, in the order of their ids.
    pub fn products(&self) -> Result<Vec<ProductRecord>, ProjectError> {
        self.product_rows("ORDER BY product", [])
    }

    /// These products; unknown ones are left out.
    pub fn products_named<'a>(
        &self,
        products: impl IntoIterator<Item = &'a ProductId>,
    ) -> Result<BTreeMap<ProductId, ProductRecord>, ProjectError> {
        let mut found = BTreeMap::new();
        for product in products {
            if !found.contains_key(product)
                && let Some(record) = self.product(product)?
            {
                found.insert(product.clone(), record);
            }
        }
        Ok(found)
    }

    /// Every kind of garment that the project knows, in alphabetical order.
    pub fn kinds(&self) -> Result<Vec<String>, ProjectError> {
        let sql = ProjectError::from_sql("read the kinds", &self.database);
        let mut statement = self
            .connection
            .prepare_cached(
                "SELECT kind FROM product
                 UNION SELECT kind FROM photo WHERE kind IS NOT NULL
                 UNION SELECT json_extract(label, '$.value.name') FROM label
                       WHERE json_extract(label, '$.value.value') = 'kind'
                 ORDER BY 1",
            )
            .map_err(&sql)?;
        let kinds = statement.query_map([], |row| row.get(0)).map_err(&sql)?;
        kinds.collect::<Result<_, _>>().map_err(&sql)
    }

    /// Looks for every photo's file. Missing ones are a report, not an error: the rest can be used.
    pub fn missing_photos(&self) -> Result<MissingPhotos, ProjectError> {
        let sql = ProjectError::from_sql("read the photos", &self.database);
        let mut statement = self.connection.prepare_cached("SELECT photo FROM photo ORDER BY photo").map_err(&sql)?;
        let rows = statement.query_map([], |row| row.get::<_, String>(0)).map_err(&sql)?;
        let photos: Vec<PhotoId> = rows.map(|row| row.map(PhotoId::new)).collect::<Result<_, _>>().map_err(&sql)?;
        let paths = &self.paths;
        let missing = photos.par_iter().filter(|photo| !paths.photo(photo).is_file()).cloned().collect::<Vec<_>>();
        Ok(MissingPhotos { checked: photos.len(), missing })
    }

    /// Copies a photo from outside into the project, so that something can be said about it. A photo that is already
    /// there, under whatever name, is not copied again. `width` and `height` are those of the upright photo.
    pub fn import_query_photo(
        &mut self,
        bytes: &[u8],
        name: &str,
        width: u32,
        height: u32,
    ) -> Result<PhotoId, ProjectError> {
        let content_hash = content_hash(bytes);
        if let Some(known) = self.photo_with_hash(&content_hash)? {
            return Ok(known.photo);
        }
        self.check_writable()?;
        let not_a_photo = || ProjectError::NotAPhoto { name: name.to_owned() };
        let format = image::guess_format(bytes).map_err(|_| not_a_photo())?;
        let extension = format.extensions_str().first().ok_or_else(not_a_photo)?;
        let photo = PhotoId::new(format!("street/added/{}.{extension}", &content_hash[..32]));
        let path = self.paths.photo(&photo);
        fs::create_dir_all(self.paths.added())
            .and_then(|()| write_beside(&path, bytes))
            .map_err(ProjectError::from_io("copy the photo into the project", &path))?;
        let sql = ProjectError::from_sql("add the photo to the project", &self.database);
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(&sql)?;
        transaction
            .execute(
                "INSERT INTO photo (photo, domain, view, width, height, content_hash, source_name)
                 VALUES (?1, 'street', 0, ?2, ?3, ?4, ?5)",
                params![photo.as_str(), width, height, content_hash, name],
            )
            .map_err(&sql)?;
        transaction.commit().map_err(&sql)?;
        Ok(photo)
    }

    fn photo_rows(&self, rest: &str, values: impl rusqlite::Params) -> Result<Vec<PhotoRow>, ProjectError> {
        let sql = ProjectError::from_sql("read the photos", &self.database);
        let mut statement =
            self.connection.prepare_cached(&format!("SELECT {PHOTO_COLUMNS} FROM photo {rest}")).map_err(&sql)?;
        let rows = statement.query_map(values, photo_row).map_err(&sql)?;
        rows.collect::<Result<_, _>>().map_err(&sql)
    }

    fn product_rows(&self, rest: &str, values: impl rusqlite::Params) -> Result<Vec<ProductRecord>, ProjectError> {
        let sql = ProjectError::from_sql("read the products", &self.database);
        let mut statement = self
            .connection
            .prepare_cached(&format!("SELECT product, name, kind, split, attributes FROM product {rest}"))
            .map_err(&sql)?;
        let rows = statement
            .query_map(values, |row| {
                let product: String = row.get(0)?;
                let record = ProductRecord {
                    product: ProductId::new(product),
                    name: row.get(1)?,
                    kind: row.get(2)?,
                    split: row.get::<_, Option<String>>(3)?.as_deref().and_then(split_named),
                    attributes: BTreeMap::new(),
                };
                Ok((record, row.get::<_, String>(4)?))
            })
            .map_err(&sql)?;
        rows.map(|row| {
            let (mut record, attributes) = row.map_err(&sql)?;
            record.attributes = from_json("a product's attributes", &self.database, &attributes)?;
            Ok(record)
        })
        .collect()
    }
}

pub(super) fn content_hash(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}

/// The hash of a file, `None` where it cannot be read.
pub(super) fn content_hash_of(path: &Path) -> Option<String> {
    fs::read(path).ok().map(|bytes| content_hash(&bytes))
}

pub(super) fn crop_at(row: &Row<'_>, first: usize) -> rusqlite::Result<Option<CropRect>> {
    let side = |index: usize| row.get::<_, Option<f64>>(first + index).map(|value| value.map(|value| value as f32));
    Ok(match (side(0)?, side(1)?, side(2)?, side(3)?) {
        (Some(x), Some(y), Some(width), Some(height)) => Some(CropRect::new(x, y, width, height)),
        _ => None,
    })
}

fn photo_row(row: &Row<'_>) -> rusqlite::Result<PhotoRow> {
    let domain: String = row.get(1)?;
    Ok(PhotoRow {
        photo: PhotoId::new(row.get::<_, String>(0)?),
        // The table admits these two only.
        domain: if domain == "shop" { PhotoDomain::Shop } else { PhotoDomain::Street },
        product: row.get::<_, Option<String>>(2)?.map(ProductId::new),
        view: row.get(3)?,
        width: row.get(4)?,
        height: row.get(5)?,
        kind: row.get(6)?,
        content_hash: row.get(7)?,
        bbox: crop_at(row, 8)?,
    })
}

fn split_named(name: &str) -> Option<Split> {
    [Split::Train, Split::Validation, Split::Test].into_iter().find(|split| split.as_str() == name)
}

fn as_sql(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
