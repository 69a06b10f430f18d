//! The file that features are kept in.
//!
//! ```text
//!   0  magic "SeamIdx\n"     8  version u32      12  dimension u32
//!  16  grid rows u32        20  grid columns u32 24  input side u32    28 arithmetic u32: 0 f32, 1 int8, 2 bf16
//!  32  photos u64           40  length of the table u64
//!  48  checkpoint, text, zero-padded to 32 bytes
//!  80  BLAKE3 of everything from 128 on
//! 112  first 16 bytes of the BLAKE3 of bytes 0 to 111
//! 128  table: JSON, one record a photo; zeros up to a multiple of 64
//!      globals: f16 [photos, dimension];  zeros up to a multiple of 64
//!      cells: f16 [photos, cells, dimension]
//! ```
//! Numbers are little-endian. A file is written beside its place, flushed to the disk and renamed, so it is whole or
//! absent. It is never written in place: a mapping of it stays valid when its successor takes the name.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use half::f16;
use memmap2::Mmap;
use serde::{Deserialize, Serialize};

use super::embed::Embed;
use super::error::IndexError;
use crate::domain::{Arithmetic, CheckpointId, CropRect, Grid, PhotoId, ProductId};

const MAGIC: &[u8; 8] = b"SeamIdx\n";
/// Also counts changes of how a photo is prepared: features of another version are made anew.
const VERSION: u32 = 2;
const HEADER: usize = 128;
const ALIGN: usize = 64;

/// What all photos of a file share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    pub checkpoint: CheckpointId,
    pub arithmetic: Arithmetic,
    pub dim: usize,
    pub grid: Grid,
    pub input_size: usize,
}

impl Shape {
    pub fn of(embed: &dyn Embed) -> Self {
        Self {
            checkpoint: embed.checkpoint().clone(),
            arithmetic: embed.arithmetic(),
            dim: embed.dim(),
            grid: embed.grid(),
            input_size: embed.input_size(),
        }
    }

    /// Numbers of all cells of one photo.
    pub fn cell_values(&self) -> usize {
        self.grid.cells() * self.dim
    }

    /// For people.
    pub fn describe(&self) -> String {
        let Grid { rows, columns } = self.grid;
        format!(
            "{rows} x {columns} cells of {} numbers from {} pixels in {}",
            self.dim, self.input_size, self.arithmetic
        )
    }
}

/// What is known of a photo besides its features.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    pub photo: PhotoId,
    pub product: ProductId,
    /// First 16 bytes of the BLAKE3 of the photo's file, in hexadecimal.
    pub content: String,
    pub bytes: u64,
    /// Nanoseconds since 1970; 0 where the file was too young to be recognised by its time.
    pub modified_ns: u64,
    pub crop: Option<CropRect>,
    /// The number of the kind that it was embedded as, where that makes a difference and the kind was known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<usize>,
}

/// The features of one photo.
#[derive(Clone, Copy)]
pub struct Features<'a> {
    pub global: &'a [f16],
    pub cells: &'a [f16],
}

/// A file of features, mapped into memory and found to be whole.
pub struct FeatureFile {
    pub shape: Shape,
    pub records: Vec<Record>,
    pub path: PathBuf,
    map: Mmap,
    globals_at: usize,
    cells_at: usize,
}

impl FeatureFile {
    /// Opens a file after checking every byte.
    pub fn open(path: &Path) -> Result<Self, IndexError> {
        Self::open_checking(path, true)
    }

    /// The same, but a file that was found whole and has not changed since, by size and time, is not hashed again: a
    /// large index would take a second at every start.
    pub fn open_known(path: &Path) -> Result<Self, IndexError> {
        let stamp = Stamp::of(path);
        let known = stamp.is_some() && stamp == Stamp::read(path);
        let file = Self::open_checking(path, !known)?;
        // One that changed while it was read is not noted; nor is one in a folder that cannot be written.
        if let Some(stamp) = stamp.filter(|stamp| !known && Stamp::of(path).as_ref() == Some(stamp)) {
            let _ = stamp.write(path);
        }
        Ok(file)
    }

    fn open_checking(path: &Path, every_byte: bool) -> Result<Self, IndexError> {
        let read = |source: io::Error| match source.kind() {
            io::ErrorKind::NotFound => IndexError::Missing { path: path.to_owned() },
            _ => IndexError::Read { source, path: path.to_owned() },
        };
        let damaged = |reason| IndexError::Damaged { reason, path: path.to_owned() };
        let file = File::open(path).map_err(read)?;
        let length = file.metadata().map_err(read)?.len();
        if length < HEADER as u64 {
            return Err(damaged("it is too short"));
        }
        // SAFETY: files of this format are only ever replaced by renaming, never changed or shortened in place, so
        // the mapped bytes do not change below us.
        let map = unsafe { Mmap::map(&file) }.map_err(read)?;
        let header = Header::parse(&map).map_err(damaged)?;
        let layout =
            Layout::of(&header.shape, header.photos, header.table).ok_or_else(|| damaged("its size is absurd"))?;
        if layout.end != map.len() {
            return Err(damaged("its length is not what it states"));
        }
        if every_byte && blake3::hash(&map[HEADER..]).as_bytes() != &header.checksum {
            return Err(damaged("its checksum does not fit"));
        }
        let records: Vec<Record> = serde_json::from_slice(&map[HEADER..HEADER + header.table])
            .map_err(|_| damaged("its table cannot be read"))?;
        if records.len() != header.photos {
            return Err(damaged("its table has another length"));
        }
        Ok(Self {
            shape: header.shape,
            records,
            path: path.to_owned(),
            map,
            globals_at: layout.globals,
            cells_at: layout.cells,
        })
    }

    /// `[photos, dim]`.
    pub fn globals(&self) -> &[f16] {
        self.numbers(self.globals_at, self.records.len() * self.shape.dim)
    }

    /// `[photos, cells, dim]`.
    pub fn cells(&self) -> &[f16] {
        self.numbers(self.cells_at, self.records.len() * self.shape.cell_values())
    }

    fn numbers(&self, at: usize, count: usize) -> &[f16] {
        // Mappings begin on a page, and both parts on a multiple of 64 within it.
        bytemuck::cast_slice(&self.map[at..at + 2 * count])
    }

    pub fn features(&self, row: usize) -> Features<'_> {
        let (dim, cells) = (self.shape.dim, self.shape.cell_values());
        Features {
            global: &self.globals()[row * dim..(row + 1) * dim],
            cells: &self.cells()[row * cells..(row + 1) * cells],
        }
    }
}

/// How a file looked when it was found whole: its size, its time, and its header, which holds the hash of the rest.
#[derive(PartialEq, Eq, Serialize, Deserialize)]
struct Stamp {
    bytes: u64,
    modified_ns: u64,
    header: String,
}

impl Stamp {
    fn place(path: &Path) -> PathBuf {
        path.with_extension("checked")
    }

    fn of(path: &Path) -> Option<Self> {
        let mut file = File::open(path).ok()?;
        let about = file.metadata().ok()?;
        let since_1970 = about.modified().ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
        let mut header = [0; HEADER];
        file.read_exact(&mut header).ok()?;
        let header = blake3::hash(&header).to_hex().to_string();
        Some(Self { bytes: about.len(), modified_ns: since_1970.as_nanos() as u64, header })
    }

    fn read(path: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(Self::place(path)).ok()?).ok()
    }

    fn write(&self, path: &Path) -> io::Result<()> {
        fs::write(Self::place(path), serde_json::to_vec(self)?)
    }
}

struct Header {
    shape: Shape,
    photos: usize,
    table: usize,
    checksum: [u8; 32],
}

impl Header {
    fn parse(bytes: &[u8]) -> Result<Self, &'static str> {
        let header: &[u8; HEADER] = bytes.first_chunk().ok_or("it is too short")?;
        if &header[..8] != MAGIC {
            return Err("it is no index");
        }
        if blake3::hash(&header[..112]).as_bytes()[..16] != header[112..] {
            return Err("its header's checksum does not fit");
        }
        let small = |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        let large = |at: usize| u64::from(small(at)) | (u64::from(small(at + 4)) << 32);
        if small(8) != VERSION {
            return Err("it is of another version");
        }
        let text = header[48..80].split(|&byte| byte == 0).next().unwrap_or_default();
        let checkpoint = std::str::from_utf8(text).map_err(|_| "its checkpoint is no text")?;
        let mut checksum = [0; 32];
        checksum.copy_from_slice(&header[80..112]);
        let shape = Shape {
            checkpoint: CheckpointId::new(checkpoint),
            arithmetic: *Arithmetic::ALL
                .get(small(28) as usize)
                .ok_or("it was made in a precision that is not known")?,
            dim: small(12) as usize,
            grid: Grid::new(small(16) as usize, small(20) as usize),
            input_size: small(24) as usize,
        };
        let count = |at: usize| usize::try_from(large(at)).map_err(|_| "its size is absurd");
        Ok(Self { shape, photos: count(32)?, table: count(40)?, checksum })
    }

    fn to_bytes(&self) -> [u8; HEADER] {
        let mut header = [0; HEADER];
        let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
        let small = |number: usize| (number as u32).to_le_bytes();
        put(0, MAGIC);
        put(8, &VERSION.to_le_bytes());
        put(12, &small(self.shape.dim));
        put(16, &small(self.shape.grid.rows));
        put(20, &small(self.shape.grid.columns));
        put(24, &small(self.shape.input_size));
        put(28, &small(self.shape.arithmetic as usize));
        put(32, &(self.photos as u64).to_le_bytes());
        put(40, &(self.table as u64).to_le_bytes());
        let text = self.shape.checkpoint.as_str().as_bytes();
        put(48, &text[..text.len().min(32)]);
        put(80, &self.checksum);
        let own = blake3::hash(&header[..112]);
        header[112..].copy_from_slice(&own.as_bytes()[..16]);
        header
    }
}

/// Where the parts of a file begin.
struct Layout {
    globals: usize,
    cells: usize,
    end: usize,
}

impl Layout {
    /// `None` where a number does not fit the machine or makes no sense.
    fn of(shape: &Shape, photos: usize, table: usize) -> Option<Self> {
        let aligned = |at: usize| at.checked_next_multiple_of(ALIGN);
        let per_photo = shape.grid.rows.checked_mul(shape.grid.columns)?.checked_mul(shape.dim)?;
        if per_photo == 0 {
            return None;
        }
        let bytes = |values: usize| photos.checked_mul(values)?.checked_mul(2);
        let globals = aligned(HEADER.checked_add(table)?)?;
        let cells = aligned(globals.checked_add(bytes(shape.dim)?)?)?;
        Some(Self { globals, cells, end: cells.checked_add(bytes(per_photo)?)? })
    }
}

/// Writes a file of features in one piece: beside its place, to the disk, then under its name.
pub fn write(path: &Path, shape: &Shape, photos: &[(Record, Features<'_>)]) -> Result<(), IndexError> {
    let beside = path.with_extension("tmp");
    let result = write_beside(&beside, shape, photos).and_then(|()| {
        fs::rename(&beside, path)?;
        sync_folder(path)
    });
    result.map_err(|source| {
        // What was begun only takes room; that it stays in some cases is no second error.
        let _ = fs::remove_file(&beside);
        IndexError::Write { source, path: path.to_owned() }
    })
}

fn write_beside(beside: &Path, shape: &Shape, photos: &[(Record, Features<'_>)]) -> io::Result<()> {
    let records: Vec<&Record> = photos.iter().map(|(record, _)| record).collect();
    let table = serde_json::to_vec(&records)?;
    let layout = Layout::of(shape, photos.len(), table.len()).ok_or(io::ErrorKind::FileTooLarge)?;
    let mut out = Hashed { file: BufWriter::new(File::create(beside)?), hash: blake3::Hasher::new(), at: HEADER };
    out.file.write_all(&[0; HEADER])?;
    out.put(&table)?;
    out.pad(layout.globals)?;
    for (_, features) in photos {
        out.put(bytemuck::cast_slice(features.global))?;
    }
    out.pad(layout.cells)?;
    for (_, features) in photos {
        out.put(bytemuck::cast_slice(features.cells))?;
    }
    debug_assert_eq!(out.at, layout.end);
    let header = Header {
        shape: shape.clone(),
        photos: photos.len(),
        table: table.len(),
        checksum: *out.hash.finalize().as_bytes(),
    };
    let mut file = out.file.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.seek(SeekFrom::Start(0))?;
    file.write_all(&header.to_bytes())?;
    file.sync_all()
}

/// Counts and hashes what it writes.
struct Hashed {
    file: BufWriter<File>,
    hash: blake3::Hasher,
    at: usize,
}

impl Hashed {
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hash.update(bytes);
        self.at += bytes.len();
        self.file.write_all(bytes)
    }

    fn pad(&mut self, until: usize) -> io::Result<()> {
        self.put(&[0; ALIGN][..until - self.at])
    }
}

/// A name is on the disk only once its folder is.
fn sync_folder(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) if cfg!(unix) => File::open(folder)?.sync_all(),
        _ => Ok(()),
    }
}
