//! An index in use.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use half::f16;
use half::slice::HalfFloatSliceExt;

use super::embed::Embed;
use super::error::IndexError;
use super::format::{FeatureFile, Record, Shape};
use crate::domain::{CheckpointId, Grid, PhotoId, ProductId};

/// The index's file in its folder.
pub fn index_path(dir: &Path) -> PathBuf {
    dir.join("index.seam")
}

/// One row of an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexedPhoto {
    pub photo: PhotoId,
    pub product: ProductId,
}

/// Features of a gallery, mapped into memory. Stays valid while a newer index takes its place on disk.
pub struct GalleryIndex {
    file: FeatureFile,
    rows: Vec<IndexedPhoto>,
    row_of: HashMap<PhotoId, usize>,
}

impl GalleryIndex {
    /// Opens the index of a folder, after checking that every byte is as it was written, unless that was done since its
    /// file last changed.
    pub fn open(dir: &Path) -> Result<Self, IndexError> {
        let file = FeatureFile::open_known(&index_path(dir))?;
        let rows: Vec<IndexedPhoto> = file
            .records
            .iter()
            .map(|record| IndexedPhoto { photo: record.photo.clone(), product: record.product.clone() })
            .collect();
        let row_of = rows.iter().enumerate().map(|(row, indexed)| (indexed.photo.clone(), row)).collect();
        Ok(Self { file, rows, row_of })
    }

    /// The same, for features of this network only.
    pub fn open_for(dir: &Path, embed: &dyn Embed) -> Result<Self, IndexError> {
        let index = Self::open(dir)?;
        let (found, wanted, path) = (index.shape(), Shape::of(embed), index_path(dir));
        if found.checkpoint != wanted.checkpoint {
            return Err(IndexError::Foreign { found: found.checkpoint.clone(), wanted: wanted.checkpoint, path });
        }
        if *found != wanted {
            return Err(IndexError::OtherShape { found: found.describe(), wanted: wanted.describe(), path });
        }
        Ok(index)
    }

    fn shape(&self) -> &Shape {
        &self.file.shape
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub fn checkpoint(&self) -> &CheckpointId {
        &self.shape().checkpoint
    }

    pub fn grid(&self) -> Grid {
        self.shape().grid
    }

    pub fn dim(&self) -> usize {
        self.shape().dim
    }

    /// The photos, in the order of their rows.
    pub fn rows(&self) -> &[IndexedPhoto] {
        &self.rows
    }

    /// Of each row, a hash of its photo's file.
    pub fn contents(&self) -> impl Iterator<Item = &str> {
        self.file.records.iter().map(|record| record.content.as_str())
    }

    pub fn row_of(&self, photo: &PhotoId) -> Option<usize> {
        self.row_of.get(photo).copied()
    }

    pub(super) fn records(&self) -> &[Record] {
        &self.file.records
    }

    /// What a photo's file held when it was embedded: equal for equal files.
    pub fn content_of(&self, photo: &PhotoId) -> Option<&str> {
        self.row_of(photo).map(|row| self.file.records[row].content.as_str())
    }

    /// `[rows, dim]`.
    pub fn globals(&self) -> &[f16] {
        self.file.globals()
    }

    /// One photo's cells, `[cells, dim]`.
    pub fn cells_f32(&self, row: usize) -> Vec<f32> {
        self.file.features(row).cells.to_f32_vec()
    }

    /// One photo's global vector.
    pub fn global_f32(&self, row: usize) -> Vec<f32> {
        self.file.features(row).global.to_f32_vec()
    }
}
