//! What lies in a folder and its sub-folders, by names alone.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::{self, DirEntry, File, FileType};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use super::ImportError;
use super::list::LIST_ENDINGS;
use crate::data::decode;
use crate::domain::{Progress, SkipReason, Skipped, StopFlag};

/// Endings of photos that are decoded.
const PHOTOS: [&str; 9] = ["jpg", "jpeg", "jfif", "png", "webp", "bmp", "gif", "tif", "tiff"];
/// Endings of pictures that are not.
const OTHER_PICTURES: [&str; 22] = [
    "heic", "heif", "avif", "jxl", "jp2", "psd", "svg", "ico", "raw", "cr2", "cr3", "nef", "arw", "dng", "orf", "rw2",
    "raf", "tga", "exr", "hdr", "eps", "ai",
];
/// What systems leave in folders.
const OF_THE_SYSTEM: [&str; 3] = ["thumbs.db", "desktop.ini", "ehthumbs.db"];
/// Folders within folders; deeper ones are most likely a loop.
const MAX_DEPTH: usize = 64;
/// Bytes that tell a format.
const SNIFFED: usize = 32;

/// What was found.
#[derive(Debug, Default)]
pub struct Scan {
    /// Paths inside the folder with `/` between parts, sorted.
    pub photos: Vec<String>,
    /// Lists of attributes that lie in the folder itself, sorted.
    pub lists: Vec<PathBuf>,
    pub skipped: Vec<Skipped>,
}

/// Looks through a folder. `None` where it was stopped.
pub fn scan(folder: &Path, stop: &StopFlag, report: &dyn Fn(Progress)) -> Result<Option<Scan>, ImportError> {
    let path = || folder.to_owned();
    match fs::metadata(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(ImportError::Gone { path: path() }),
        Err(source) => return Err(ImportError::Folder { source, path: path() }),
        Ok(about) if !about.is_dir() => return Err(ImportError::NotAFolder { path: path() }),
        Ok(_) => {}
    }
    let mut walk = Walk { found: Scan::default(), seen: HashSet::new(), looked_at: 0, stop, report };
    let first = fs::read_dir(folder).map_err(|source| ImportError::Folder { source, path: path() })?;
    walk.seen.extend(folder.canonicalize());
    walk.folder(first, "", 0);
    if stop.is_stopped() {
        return Ok(None);
    }
    // A folder that went away meanwhile looks like one whose files are gone.
    if !folder.is_dir() {
        return Err(ImportError::Gone { path: path() });
    }
    let mut found = walk.found;
    found.photos.sort_unstable();
    found.lists.sort_unstable();
    found.skipped.sort_by(|a, b| a.file.cmp(&b.file));
    Ok(Some(found))
}

struct Walk<'a> {
    found: Scan,
    /// Folders that were looked through, so that a link to one above is no loop.
    seen: HashSet<PathBuf>,
    looked_at: usize,
    stop: &'a StopFlag,
    report: &'a dyn Fn(Progress),
}

impl Walk<'_> {
    fn folder(&mut self, entries: fs::ReadDir, inside: &str, depth: usize) {
        for entry in entries {
            if self.stop.is_stopped() {
                return;
            }
            self.looked_at += 1;
            if self.looked_at.is_multiple_of(1000) {
                let done = self.looked_at;
                (self.report)(Progress { what: "Reading the folder", done, total: done });
            }
            match entry {
                Ok(entry) => self.entry(&entry, inside, depth),
                Err(error) => {
                    let place = if inside.is_empty() { "." } else { inside };
                    self.skip(place, SkipReason::Unreadable, format!("part of the folder cannot be read ({error})"));
                }
            }
        }
    }

    fn entry(&mut self, entry: &DirEntry, inside: &str, depth: usize) {
        let name = entry.file_name();
        let join = |name: &str| if inside.is_empty() { name.to_owned() } else { format!("{inside}/{name}") };
        let Some(text) = name.to_str() else {
            let shown = join(&name.to_string_lossy());
            self.skip(&shown, SkipReason::Name, "its name is not valid text".to_owned());
            return;
        };
        if text.starts_with('.') || OF_THE_SYSTEM.contains(&text.to_lowercase().as_str()) {
            return;
        }
        let path = entry.path();
        let place = join(text);
        match kind_of(entry, &path) {
            Ok(kind) if kind.is_dir() => self.sub_folder(&path, &place, depth),
            Ok(kind) if kind.is_file() => self.file(&path, place, depth),
            Ok(_) => self.skip(&place, SkipReason::NotAPhoto, "it is not a regular file".to_owned()),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                self.skip(&place, SkipReason::Gone, "the link leads nowhere".to_owned());
            }
            Err(error) => self.skip(&place, SkipReason::Unreadable, format!("it cannot be read ({error})")),
        }
    }

    fn sub_folder(&mut self, path: &Path, place: &str, depth: usize) {
        // Somebody's project is no photo folder, even where it lies in one.
        if path.join("project.db").exists() {
            return;
        }
        if depth >= MAX_DEPTH {
            self.skip(place, SkipReason::Unreadable, format!("it lies more than {MAX_DEPTH} folders deep"));
            return;
        }
        if let Ok(real) = path.canonicalize()
            && !self.seen.insert(real)
        {
            return;
        }
        match fs::read_dir(path) {
            Ok(entries) => self.folder(entries, place, depth + 1),
            Err(error) => self.skip(place, SkipReason::Unreadable, format!("this folder cannot be read ({error})")),
        }
    }

    fn file(&mut self, path: &Path, place: String, depth: usize) {
        let ending = path.extension().and_then(OsStr::to_str).map(str::to_lowercase).unwrap_or_default();
        let is_one_of = |endings: &[&str]| endings.contains(&ending.as_str());
        if is_one_of(&PHOTOS) {
            self.found.photos.push(place);
        } else if is_one_of(&LIST_ENDINGS) {
            if depth == 0 {
                self.found.lists.push(path.to_owned());
            }
        } else if is_one_of(&OTHER_PICTURES) {
            let ending = ending.to_uppercase();
            let why = format!("format not supported: {ending} (JPEG, PNG, WebP, BMP, GIF and TIFF are)");
            self.skip(&place, SkipReason::Unsupported, why);
        } else {
            // Cameras and downloads leave photos without an ending.
            match beginning(path) {
                Ok(bytes) if decode::begins_like_a_photo(&bytes) => self.found.photos.push(place),
                Ok(_) => self.skip(&place, SkipReason::NotAPhoto, "this is not a photo".to_owned()),
                Err(error) => self.skip(&place, SkipReason::Unreadable, format!("it cannot be read ({error})")),
            }
        }
    }

    fn skip(&mut self, place: &str, reason: SkipReason, why: String) {
        let sentence = format!("{why}: {place}");
        self.found.skipped.push(Skipped { file: place.to_owned(), line: None, reason, sentence });
    }
}

/// Follows links; everything else is known without asking the disk again.
fn kind_of(entry: &DirEntry, path: &Path) -> std::io::Result<FileType> {
    let kind = entry.file_type()?;
    if kind.is_symlink() { fs::metadata(path).map(|about| about.file_type()) } else { Ok(kind) }
}

fn beginning(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(SNIFFED);
    File::open(path)?.take(SNIFFED as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}
