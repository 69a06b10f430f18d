//! Decoded photos in one file, so that every run after the first begins at once.
//!
//! ```text
//!   0  magic "SeamPck\n"     8  version u32     12  side of the network's input u32
//!  16  margin f32           20  zero            24  photos u64
//!  32  where the table begins u64
//!  40  BLAKE3 of the table
//!  72  first 16 bytes of the BLAKE3 of bytes 0 to 71
//!  88  the photos, 3 bytes a pixel, row by row; then to the end the table: JSON, a record of each photo
//! ```
//! Numbers are little-endian. Each record names the length and time of the photo's file and the first 16 bytes of the
//! BLAKE3 of its pixels, which is checked when they are first used. A file is written beside its place, flushed to the
//! disk and renamed, so it is whole or absent, and never changed in place.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::UNIX_EPOCH;

use image::RgbImage;
use memmap2::Mmap;
use serde::{Deserialize, Serialize};

use super::dataset::Item;
use super::loader::Kept;
use crate::domain::{CropRect, PhotoDomain};

const MAGIC: &[u8; 8] = b"SeamPck\n";
/// Also counts changes of how a photo is decoded and cut.
const VERSION: u32 = 1;
const HEADER: usize = 88;

/// What all photos of a file have in common.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PackShape {
    /// Side of the network's input.
    pub size: u32,
    /// What is kept around a garment, as part of its sides.
    pub margin: f32,
}

/// What a photo's pixels were made of; pixels of anything else are made anew.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Source {
    path: PathBuf,
    bytes: u64,
    /// Nanoseconds since 1970.
    modified_ns: u64,
    domain: PhotoDomain,
    crop: Option<CropRect>,
}

impl Source {
    /// `None` where there is no such file.
    fn of(item: &Item) -> Option<Self> {
        let data = fs::metadata(&item.path).ok()?;
        let modified = data.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
        Some(Self {
            path: item.path.clone(),
            bytes: data.len(),
            modified_ns: u64::try_from(modified.as_nanos()).ok()?,
            domain: item.domain,
            crop: item.crop,
        })
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Record {
    source: Source,
    width: u32,
    height: u32,
    garment: CropRect,
    /// Where the pixels begin in the file.
    at: u64,
    hash: String,
}

impl Record {
    fn length(&self) -> u64 {
        u64::from(self.width) * u64::from(self.height) * 3
    }
}

/// What lies behind the photos.
#[derive(Default, Serialize, Deserialize)]
struct Table {
    /// Bytes of photos that there was room for.
    budget: u64,
    records: Vec<Record>,
    /// Photos that could not be read.
    broken: Vec<Source>,
    /// Photos that there was no room for.
    left_out: Vec<Source>,
}

const UNCHECKED: u8 = 0;
const WHOLE: u8 = 1;
const DAMAGED: u8 = 2;

/// A file of decoded photos, mapped into memory.
pub struct Pack {
    map: Mmap,
    table: Table,
    checked: Vec<AtomicU8>,
    /// Record of each of the dataset's items.
    of_item: Vec<Option<usize>>,
}

impl Pack {
    /// Opens a file; `None` where there is none, or it is another version's or damaged and has to be made anew. Photos
    /// that have changed since are not found in it.
    pub fn open(path: &Path, shape: PackShape, items: &[Item]) -> Option<Self> {
        let file = File::open(path).ok()?;
        // SAFETY: files of this format are only ever replaced by renaming, never changed or shortened in place, so the
        // mapped bytes do not change below us.
        let map = unsafe { Mmap::map(&file) }.ok()?;
        let header = map.get(..HEADER)?;
        let sum = blake3::hash(&header[..72]);
        if header[72..88] != sum.as_bytes()[..16] || &header[..8] != MAGIC {
            return None;
        }
        let short = |at: usize| header[at..at + 4].try_into().map(u32::from_le_bytes).ok();
        let long = |at: usize| header[at..at + 8].try_into().map(u64::from_le_bytes).ok();
        if short(8)? != VERSION || short(12)? != shape.size || short(16)? != shape.margin.to_bits() {
            return None;
        }
        let (photos, table_at) = (long(24)?, long(32)?);
        let table = map.get(usize::try_from(table_at).ok()?..)?;
        if blake3::hash(table).as_bytes() != &header[40..72] {
            return None;
        }
        let table: Table = serde_json::from_slice(table).ok()?;
        let fits = |record: &Record| record.at.checked_add(record.length()).is_some_and(|to| to <= table_at);
        if table.records.len() as u64 != photos || !table.records.iter().all(fits) {
            return None;
        }
        let mut pack = Self {
            map,
            checked: table.records.iter().map(|_| AtomicU8::new(UNCHECKED)).collect(),
            table,
            of_item: Vec::new(),
        };
        pack.find(items);
        Some(pack)
    }

    fn find(&mut self, items: &[Item]) {
        // One photo may be there for several garments, each with its box.
        let mut known: HashMap<&Path, Vec<usize>> = HashMap::new();
        for (index, record) in self.table.records.iter().enumerate() {
            known.entry(&record.source.path).or_default().push(index);
        }
        self.of_item = items
            .iter()
            .map(|item| {
                let candidates = known.get(item.path.as_path())?;
                let source = Source::of(item)?;
                candidates.iter().copied().find(|&index| self.table.records[index].source == source)
            })
            .collect();
    }

    /// Those of these items that this file says nothing about, so that it has to be written anew.
    pub(super) fn unsettled(&self, items: &[Item], among: &[usize], budget: u64) -> Vec<usize> {
        let mut said: HashMap<&Path, Vec<&Source>> = HashMap::new();
        let no_room = if budget > self.table.budget { &[][..] } else { &self.table.left_out };
        for source in self.table.broken.iter().chain(no_room) {
            said.entry(&source.path).or_default().push(source);
        }
        let is_settled = |index: usize| {
            if self.of_item[index].is_some() {
                return true;
            }
            // A file that is gone cannot be read another time either.
            let Some(source) = Source::of(&items[index]) else { return true };
            said.get(items[index].path.as_path()).is_some_and(|known| known.contains(&&source))
        };
        among.iter().copied().filter(|&index| !is_settled(index)).collect()
    }

    /// What it holds of the dataset.
    pub(super) fn contents(&self) -> Packed {
        Packed { photos: self.found(), bytes: self.map.len() as u64, decoded: 0, left_out: self.table.left_out.len() }
    }

    /// Photos of the dataset that need not be decoded.
    pub fn found(&self) -> usize {
        self.of_item.iter().flatten().count()
    }

    pub(super) fn holds(&self, item: usize) -> bool {
        self.of_item.get(item).is_some_and(Option::is_some)
    }

    /// The decoded photo of the dataset's item of that number; `None` where it is not here or damaged.
    pub(super) fn get(&self, item: usize) -> Option<Kept> {
        let index = (*self.of_item.get(item)?)?;
        let record = &self.table.records[index];
        let from = usize::try_from(record.at).ok()?;
        let pixels = self.map.get(from..from + usize::try_from(record.length()).ok()?)?;
        let state = &self.checked[index];
        if state.load(Ordering::Relaxed) == UNCHECKED {
            let found = if hash_of(pixels) == record.hash { WHOLE } else { DAMAGED };
            state.store(found, Ordering::Relaxed);
        }
        if state.load(Ordering::Relaxed) == DAMAGED {
            return None;
        }
        let photo = RgbImage::from_raw(record.width, record.height, pixels.to_vec())?;
        Some(Kept { photo, garment: record.garment })
    }
}

fn hash_of(pixels: &[u8]) -> String {
    blake3::hash(pixels).to_hex()[..32].to_owned()
}

/// What became of writing a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Packed {
    pub photos: usize,
    pub bytes: u64,
    /// Photos that were decoded for it, rather than copied from its predecessor.
    pub decoded: usize,
    /// Photos that the budget has no room for.
    pub left_out: usize,
}

/// Writes a file, one photo after the other.
pub(super) struct Writer {
    path: PathBuf,
    beside: PathBuf,
    file: BufWriter<File>,
    table: Table,
    at: u64,
    pub packed: Packed,
}

impl Writer {
    /// `budget` bounds the bytes of the photos.
    pub fn new(path: &Path, budget: u64) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let beside = path.with_extension(format!("{}.part", std::process::id()));
        let mut file = BufWriter::with_capacity(1 << 20, File::create(&beside)?);
        // Room for the header, which is known last.
        file.write_all(&[0; HEADER])?;
        let (table, packed) = (Table { budget, ..Table::default() }, Packed::default());
        Ok(Self { path: path.to_owned(), beside, file, table, at: HEADER as u64, packed })
    }

    /// Takes over what the old file says of photos that are not in it.
    pub fn carry_over(&mut self, old: &Pack) {
        self.table.broken.clone_from(&old.table.broken);
        if self.table.budget <= old.table.budget {
            self.table.left_out.clone_from(&old.table.left_out);
            self.packed.left_out = self.table.left_out.len();
        }
    }

    /// Takes a photo in where there is room for it; `None` for one that cannot be read.
    pub fn add(&mut self, item: &Item, kept: Option<&Kept>, decoded: bool) -> io::Result<()> {
        self.packed.decoded += usize::from(decoded);
        let Some(source) = Source::of(item) else { return Ok(()) };
        let Some(kept) = kept else {
            self.table.broken.push(source);
            return Ok(());
        };
        let pixels = kept.photo.as_raw();
        if self.at + pixels.len() as u64 > self.table.budget.saturating_add(HEADER as u64) {
            self.packed.left_out += 1;
            self.table.left_out.push(source);
            return Ok(());
        }
        self.file.write_all(pixels)?;
        let (width, height) = kept.photo.dimensions();
        let (garment, hash) = (kept.garment, hash_of(pixels));
        self.table.records.push(Record { source, width, height, garment, at: self.at, hash });
        self.at += pixels.len() as u64;
        Ok(())
    }

    /// Gives the file its name.
    pub fn finish(mut self, shape: PackShape) -> io::Result<Packed> {
        let table = serde_json::to_vec(&self.table)?;
        let mut header = Vec::with_capacity(HEADER);
        header.extend_from_slice(MAGIC);
        header.extend_from_slice(&VERSION.to_le_bytes());
        header.extend_from_slice(&shape.size.to_le_bytes());
        header.extend_from_slice(&shape.margin.to_bits().to_le_bytes());
        header.extend_from_slice(&[0; 4]);
        header.extend_from_slice(&(self.table.records.len() as u64).to_le_bytes());
        header.extend_from_slice(&self.at.to_le_bytes());
        header.extend_from_slice(blake3::hash(&table).as_bytes());
        let sum = blake3::hash(&header);
        header.extend_from_slice(&sum.as_bytes()[..16]);
        self.file.write_all(&table)?;
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(&header)?;
        self.file.flush()?;
        self.file.get_ref().sync_all()?;
        fs::rename(&self.beside, &self.path)?;
        let (photos, bytes) = (self.table.records.len(), self.at + table.len() as u64);
        Ok(Packed { photos, bytes, ..self.packed })
    }
}

impl Drop for Writer {
    /// A full disk or a stop: nothing stays behind. What has its name already is no longer there.
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.beside);
    }
}
