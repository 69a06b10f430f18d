//! What can go wrong with a project, one sentence each.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use crate::domain::{PhotoId, ProductId};

#[derive(Debug, thiserror::Error)]
pub enum ProjectError {
    #[error("there is no project folder at {}", path.display())]
    Missing { path: PathBuf },
    #[error("this is a file, not a project folder: {}", path.display())]
    NotAFolder { path: PathBuf },
    #[error("this folder is not a Seamline project, since it has no project.db: {}", path.display())]
    NotAProject { path: PathBuf },
    #[error("there is a project already in {}", path.display())]
    AlreadyThere { path: PathBuf },
    #[error("this project.db belongs to another program: {}", path.display())]
    Foreign { path: PathBuf },
    #[error(
        "this project was made by a newer Seamline (layout {found}, this one knows {known}): {}",
        path.display()
    )]
    Newer { found: i64, known: i64, path: PathBuf },
    #[error("the project's database is damaged and cannot be read: {}", path.display())]
    Damaged { source: rusqlite::Error, path: PathBuf },
    #[error("the label log was changed outside of Seamline at entry {entry}: {}", path.display())]
    LogChanged { entry: i64, path: PathBuf },
    #[error("the log of rules and searches was changed outside of Seamline at entry {entry}: {}", path.display())]
    ShelfLogChanged { entry: i64, path: PathBuf },
    #[error("the disk is full, so the change was not saved: {}", path.display())]
    DiskFull { source: rusqlite::Error, path: PathBuf },
    #[error("nothing can be saved in this project, because {why}: {}", path.display())]
    ReadOnly { why: String, path: PathBuf },
    #[error("another program is using the project's database, so the change was not saved: {}", path.display())]
    Busy { source: rusqlite::Error, path: PathBuf },
    #[error("line {line} of the manifest cannot be used, because {why}: {}", path.display())]
    Manifest { line: usize, why: String, path: PathBuf },
    #[error("could not {doing} ({source}): {}", path.display())]
    Io { doing: &'static str, source: io::Error, path: PathBuf },
    #[error("could not {doing}: {}", path.display())]
    Database { doing: &'static str, source: rusqlite::Error, path: PathBuf },
    #[error("could not bring the project's database to the present layout: {}", path.display())]
    Migration { source: Box<refinery::Error>, path: PathBuf },
    #[error("an entry of the project's database cannot be understood ({what}): {}", path.display())]
    Content { what: &'static str, source: serde_json::Error, path: PathBuf },
    #[error("the project has no photo {photo}: {}", path.display())]
    UnknownPhoto { photo: PhotoId, path: PathBuf },
    #[error("the project has no product {product}: {}", path.display())]
    UnknownProduct { product: ProductId, path: PathBuf },
    #[error("this label was changed in the meantime, so the change was not saved: {}", path.display())]
    Conflict { path: PathBuf },
    #[error("the path cannot be kept, since it is not valid text: {}", path.display())]
    FolderName { path: PathBuf },
    #[error("this is not a photo in a format that Seamline keeps: {name}")]
    NotAPhoto { name: String },
}

impl ProjectError {
    /// Gives SQLite's errors the sentence that a person can act on.
    pub(super) fn from_sql(doing: &'static str, path: &Path) -> impl Fn(rusqlite::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| {
            let path = path.clone();
            match source.sqlite_error_code() {
                Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => Self::Damaged { source, path },
                Some(ErrorCode::DiskFull) => Self::DiskFull { source, path },
                Some(ErrorCode::ReadOnly) => Self::ReadOnly { why: "its disk or folder is read-only".to_owned(), path },
                Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy { source, path },
                _ => Self::Database { doing, source, path },
            }
        }
    }

    pub(super) fn from_io(doing: &'static str, path: &Path) -> impl Fn(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Io { doing, source, path: path.clone() }
    }

    pub(super) fn from_json(what: &'static str, path: &Path) -> impl Fn(serde_json::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Content { what, source, path: path.clone() }
    }
}
