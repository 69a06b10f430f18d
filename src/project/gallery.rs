//! A project over a person's own folder of photos. The photos stay where they are: their ids begin with `gallery/`, and
//! what follows is the path inside that folder. Nothing is ever written there.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, TransactionBehavior, params};

use super::labels::to_json;
use super::store::set_setting;
use super::{Paths, Project, ProjectError, write_beside};
use crate::domain::{Catalogue, IntakeReport, PhotoDomain, PhotoId, ProductId, ProductRecord};

/// What the ids of photos in the person's folder begin with.
const PREFIX: &str = "gallery/";
const FOLDER: &str = "gallery_folder";
const LIST: &str = "gallery_list";

/// What a catalogue changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CatalogueDiff {
    pub added: Vec<PhotoId>,
    pub removed: Vec<PhotoId>,
    /// Photos that belong to another product now.
    pub moved: usize,
    /// Products that were there and are described otherwise now.
    pub described: usize,
}

impl CatalogueDiff {
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

impl Paths {
    /// The person's folder, where the project is over one.
    pub fn gallery(&self) -> Option<&Path> {
        self.gallery.as_deref()
    }

    /// The id that a photo of the person's folder has.
    pub fn gallery_photo(inside: &str) -> PhotoId {
        PhotoId::new(format!("{PREFIX}{inside}"))
    }

    /// Where in the person's folder a photo lies.
    pub(super) fn inside_gallery<'a>(&self, photo: &'a PhotoId) -> Option<(&Path, &'a str)> {
        Some((self.gallery.as_deref()?, photo.as_str().strip_prefix(PREFIX)?))
    }
}

impl Project {
    /// Makes a project in `dir` over the photos of `folder`.
    pub fn create_gallery(dir: &Path, name: &str, folder: &Path) -> Result<Self, ProjectError> {
        let Some(text) = folder.to_str() else {
            return Err(ProjectError::FolderName { path: folder.to_owned() });
        };
        fs::create_dir_all(dir).map_err(ProjectError::from_io("make the project folder", dir))?;
        Self::create_with(dir, |connection, path| {
            set_setting(connection, "name", name)
                .and_then(|()| set_setting(connection, FOLDER, text))
                .map_err(ProjectError::from_sql("make the project", path))
        })
    }

    pub(super) fn gallery_setting(&self) -> Result<Option<PathBuf>, ProjectError> {
        Ok(self.setting(FOLDER)?.map(PathBuf::from))
    }

    /// The list of attributes that was named for this gallery.
    pub fn attribute_list(&self) -> Result<Option<PathBuf>, ProjectError> {
        Ok(self.setting(LIST)?.filter(|path| !path.is_empty()).map(PathBuf::from))
    }

    /// `None` goes back to the list that lies in the folder, if one does.
    pub fn set_attribute_list(&mut self, list: Option<&Path>) -> Result<(), ProjectError> {
        self.check_writable()?;
        let text = match list {
            Some(list) => list.to_str().ok_or_else(|| ProjectError::FolderName { path: list.to_owned() })?,
            None => "",
        };
        set_setting(&self.connection, LIST, text).map_err(ProjectError::from_sql("save the list", &self.database))
    }

    /// What the last look at the folder skipped, and why; empty before the first.
    pub fn intake_report(&self) -> IntakeReport {
        // It can be made again by another look, so a damaged one is no error.
        let bytes = fs::read(self.paths.intake()).ok();
        bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
    }

    pub fn save_intake_report(&self, report: &IntakeReport) -> Result<(), ProjectError> {
        self.check_writable()?;
        let path = self.paths.intake();
        let json = serde_json::to_vec(report).map_err(|source| ProjectError::Content {
            what: "the report",
            source,
            path: path.clone(),
        })?;
        write_beside(&path, &json).map_err(ProjectError::from_io("save the report", &path))
    }

    /// Brings products and photos in step with the folder, in one transaction; only what differs is written. A photo that
    /// is gone and of which a person said something stays as a name without product, so that the answer stays too.
    pub fn take_catalogue(&mut self, catalogue: &Catalogue) -> Result<CatalogueDiff, ProjectError> {
        self.check_writable()?;
        let mut diff = CatalogueDiff::default();
        let former: HashMap<PhotoId, (Option<ProductId>, u32)> = self
            .photos(PhotoDomain::Shop)?
            .into_iter()
            .filter(|row| row.photo.as_str().starts_with(PREFIX))
            .map(|row| (row.photo, (row.product, row.view)))
            .collect();
        let described: BTreeMap<ProductId, ProductRecord> =
            self.products()?.into_iter().map(|record| (record.product.clone(), record)).collect();
        let path = self.database.clone();
        let sql = ProjectError::from_sql("save what the folder holds", &path);
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(&sql)?;
        for product in &catalogue.products {
            match described.get(&product.product) {
                Some(before) if same(before, product) => continue,
                Some(_) => diff.described += 1,
                None => {}
            }
            let attributes = to_json("a product's attributes", &path, &product.attributes)?;
            transaction
                .prepare_cached(
                    "INSERT INTO product (product, name, kind, attributes) VALUES (?1, ?2, ?3, ?4)
                     ON CONFLICT (product) DO UPDATE SET name = ?2, kind = ?3, attributes = ?4",
                )
                .and_then(|mut statement| {
                    statement.execute(params![product.product.as_str(), product.name, product.kind, attributes])
                })
                .map_err(&sql)?;
        }
        let mut gone = former.clone();
        for listed in &catalogue.photos {
            let photo = Paths::gallery_photo(&listed.inside);
            match gone.remove(&photo) {
                Some((Some(product), view)) if product == listed.product && view == listed.view => continue,
                Some((Some(product), _)) => diff.moved += usize::from(product != listed.product),
                Some((None, _)) | None => diff.added.push(photo.clone()),
            }
            transaction
                .prepare_cached(
                    "INSERT INTO photo (photo, domain, product, view, width, height) VALUES (?1, 'shop', ?2, ?3, 0, 0)
                     ON CONFLICT (photo) DO UPDATE SET product = ?2, view = ?3",
                )
                .and_then(|mut statement| {
                    statement.execute(params![photo.as_str(), listed.product.as_str(), listed.view])
                })
                .map_err(&sql)?;
        }
        for (photo, (product, _)) in gone {
            if product.is_some() {
                forget(&transaction, &photo).map_err(&sql)?;
                diff.removed.push(photo);
            }
        }
        diff.removed.sort();
        // Products of which a person said something stay, so that the answer keeps its name.
        transaction
            .execute(
                "DELETE FROM product WHERE product NOT IN (SELECT product FROM photo WHERE product IS NOT NULL)
                 AND product NOT IN (SELECT json_extract(key, '$.product') FROM label_event
                                     WHERE json_extract(key, '$.product') IS NOT NULL)",
                [],
            )
            .map_err(&sql)?;
        transaction.commit().map_err(&sql)?;
        Ok(diff)
    }
}

fn same(before: &ProductRecord, now: &ProductRecord) -> bool {
    (&before.name, &before.kind, &before.attributes) == (&now.name, &now.kind, &now.attributes)
}

fn forget(connection: &Connection, photo: &PhotoId) -> rusqlite::Result<()> {
    let id = [photo.as_str()];
    let spoken_of = connection.prepare_cached("SELECT 1 FROM label_event WHERE photo = ?1 LIMIT 1")?.exists(id)?;
    let sql = if spoken_of {
        "UPDATE photo SET product = NULL WHERE photo = ?1"
    } else {
        "DELETE FROM photo WHERE photo = ?1"
    };
    connection.prepare_cached(sql)?.execute(id)?;
    Ok(())
}
