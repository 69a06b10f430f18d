//! Makes an index, or brings one up to date.
//!
//! A photo's features are kept where its file (by size and time, else by content) and its crop are those of an
//! earlier run. The rest is embedded in segments of 64 photos; each is durable before the next begins, so a run that
//! is stopped or killed goes on where it was. While one segment is in the network, the next is read and decoded. At
//! the end all rows are written into a new index, which takes the place of the old one in one step.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File, Metadata};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use half::slice::HalfFloatSliceExt;
use rayon::prelude::*;

use super::broken::Broken;
use super::embed::{Embed, prepare};
use super::error::IndexError;
use super::format::{self, FeatureFile, Features, Record, Shape};
use super::stored::{GalleryIndex, index_path};
use crate::data::{self, decode};
use crate::domain::{CropRect, PhotoDomain, PhotoId, ProductId, Progress, SkipReason, StopFlag};

/// Photos of a segment.
const SEGMENT: usize = 64;
/// Photos that pass through the network together.
const BATCH: usize = 16;
/// A file changed less than this before it was read may change again without its time showing it.
const TOO_YOUNG: Duration = Duration::from_secs(2);

/// A photo that shall be found.
#[derive(Clone, Debug, PartialEq)]
pub struct GalleryPhoto {
    pub photo: PhotoId,
    pub product: ProductId,
    pub path: PathBuf,
    /// `None` leaves finding the product to [`data::compared_part`].
    pub crop: Option<CropRect>,
    /// Of the product, for networks that embed each kind in its own way.
    pub kind: Option<String>,
}

/// What a run did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BuildReport {
    /// Photos that went through the network.
    pub embedded: usize,
    /// Photos whose features were there already.
    pub kept: usize,
    /// Photos of the former index that were not asked for any more.
    pub removed: usize,
    /// Photos that cannot be searched, each with the reason.
    pub skipped: Vec<(PhotoId, SkipReason, String)>,
    /// Stopped before the end: the former index stands, and what was embedded is kept for the next run.
    pub stopped: bool,
    /// Damaged or foreign files that were passed over, a sentence each.
    pub notes: Vec<String>,
}

/// Brings the index in `dir` up to these photos, in their order.
pub fn build(
    dir: &Path,
    embed: &dyn Embed,
    photos: &[GalleryPhoto],
    stop: &StopFlag,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<BuildReport, IndexError> {
    let write_failed = |source| IndexError::Write { source, path: dir.to_owned() };
    let parts_dir = dir.join("parts");
    fs::create_dir_all(&parts_dir).map_err(write_failed)?;
    let _lock = Lock::take(dir)?;

    let broken = Broken::read(dir);
    let mut run = Run {
        embed,
        broken,
        still_broken: Broken::default(),
        shape: Shape::of(embed),
        stop,
        parts_dir,
        files: Vec::new(),
        has_index: false,
        by_photo: HashMap::new(),
        by_key: HashMap::new(),
        next_part: 0,
        report: BuildReport::default(),
    };
    run.open_former(dir)?;
    let mut slots = run.kept_by_time(photos);
    let missing: Vec<usize> = (0..photos.len()).filter(|&i| matches!(slots[i], Slot::Open)).collect();
    run.fill(photos, &missing, &mut slots, progress)?;
    run.finish(dir, photos, slots)
}

/// The index as it is, where it is that of these photos in their order and no file changed since by size and time;
/// nothing is read but names and times. `None` where `build` has something to do.
pub fn current(dir: &Path, embed: &dyn Embed, photos: &[GalleryPhoto]) -> Option<(GalleryIndex, BuildReport)> {
    // What a stopped run left is to be taken in.
    if fs::read_dir(dir.join("parts")).is_ok_and(|mut parts| parts.next().is_some()) {
        return None;
    }
    let index = GalleryIndex::open_for(dir, embed).ok()?;
    let broken = Broken::read(dir);
    let mut rows = index.records().iter().peekable();
    let mut expected = Vec::with_capacity(photos.len());
    let mut skipped = Vec::new();
    for photo in photos {
        if let Some(record) = rows.next_if(|record| record.photo == photo.photo) {
            let same_kind = record.kind == kind_of(embed, photo);
            if record.product != photo.product || bits(record.crop) != bits(photo.crop) || !same_kind {
                return None;
            }
            expected.push((photo, record.bytes, record.modified_ns));
        } else {
            let known = broken.get(photo)?;
            skipped.push((photo.photo.clone(), known.reason, known.sentence.clone()));
            expected.push((photo, known.bytes, known.modified_ns));
        }
    }
    let unchanged = rows.next().is_none()
        && expected
            .par_iter()
            .all(|&(photo, bytes, modified_ns)| modified_ns != 0 && about(&photo.path) == Some((bytes, modified_ns)));
    unchanged.then(|| {
        let report = BuildReport { kept: index.len(), skipped, ..BuildReport::default() };
        (index, report)
    })
}

/// Photos whose features are there already, in the index or in what a stopped run left.
pub fn begun(dir: &Path, embed: &dyn Embed) -> HashSet<PhotoId> {
    let shape = Shape::of(embed);
    let parts = fs::read_dir(dir.join("parts")).into_iter().flatten().flatten().map(|entry| entry.path());
    let parts = parts.filter(|path| path.extension().is_some_and(|ending| ending == "seam"));
    let files = FeatureFile::open_known(&index_path(dir))
        .ok()
        .into_iter()
        .chain(parts.filter_map(|path| FeatureFile::open(&path).ok()));
    files
        .filter(|file| file.shape == shape)
        .flat_map(|file| file.records.into_iter().map(|record| record.photo))
        .collect()
}

/// Size and time of a file; `None` where there is none.
fn about(path: &Path) -> Option<(u64, u64)> {
    let about = fs::metadata(path).ok().filter(Metadata::is_file)?;
    Some((about.len(), modified_ns(&about)))
}

/// Where a photo's features lie: which file, which row.
type Place = (usize, usize);
/// Content, crop and kind: photos that agree in all have the same features.
type Key = (String, Option<[u32; 4]>, Option<usize>);

/// What is decided about a photo.
enum Slot {
    Open,
    Skipped(SkipReason, String),
    Known(Place, Record),
}

/// A photo on its way through a segment.
enum Read {
    Stopped,
    Broken(SkipReason, String),
    Known(Place, Record),
    /// Ready for the network.
    Fresh(Record, Vec<f32>),
}

struct Run<'a> {
    embed: &'a dyn Embed,
    shape: Shape,
    stop: &'a StopFlag,
    parts_dir: PathBuf,
    /// The former index, if there is one, then the segments.
    files: Vec<FeatureFile>,
    /// True where `files[0]` is the former index.
    has_index: bool,
    by_photo: HashMap<PhotoId, Place>,
    by_key: HashMap<Key, Place>,
    next_part: usize,
    /// Photos that could not be read the last time, and those of this time.
    broken: Broken,
    still_broken: Broken,
    report: BuildReport,
}

impl Run<'_> {
    fn open_former(&mut self, dir: &Path) -> Result<(), IndexError> {
        self.has_index = self.take_in(&index_path(dir), FeatureFile::open_known)?;
        let read = |source| IndexError::Read { source, path: self.parts_dir.clone() };
        let mut parts = Vec::new();
        for entry in fs::read_dir(&self.parts_dir).map_err(read)? {
            let path = entry.map_err(read)?.path();
            let number = path.file_stem().and_then(|stem| stem.to_str()?.parse::<usize>().ok());
            match (number, path.extension().and_then(|e| e.to_str())) {
                (Some(number), Some("seam")) => parts.push((number, path)),
                // The beginnings of a segment whose run was killed.
                (_, Some("tmp")) => drop(fs::remove_file(path)),
                _ => {}
            }
        }
        parts.sort_unstable();
        for (number, path) in parts {
            self.next_part = number + 1;
            if !self.take_in(&path, FeatureFile::open)? {
                // Passed over and noted; in the way of nothing but room.
                let _ = fs::remove_file(path);
            }
        }
        Ok(())
    }

    /// Makes a file's rows available. `false` where there is none, or where it cannot be used, which is noted.
    fn take_in(&mut self, path: &Path, open: fn(&Path) -> Result<FeatureFile, IndexError>) -> Result<bool, IndexError> {
        let file = match open(path) {
            Ok(file) => file,
            Err(IndexError::Missing { .. }) => return Ok(false),
            Err(damaged @ IndexError::Damaged { .. }) => {
                self.report.notes.push(format!("{damaged}; its photos are embedded anew"));
                return Ok(false);
            }
            Err(other) => return Err(other),
        };
        if file.shape != self.shape {
            self.report.notes.push(format!(
                "the index was made by another model, for other cells or in another precision, so its photos are embedded anew: {}",
                path.display()
            ));
            return Ok(false);
        }
        self.add(file);
        Ok(true)
    }

    /// Later files win, and earlier places stay valid.
    fn add(&mut self, file: FeatureFile) {
        let number = self.files.len();
        for (row, record) in file.records.iter().enumerate() {
            self.by_photo.insert(record.photo.clone(), (number, row));
            self.by_key.insert(key(&record.content, record.crop, record.kind), (number, row));
        }
        self.files.push(file);
    }

    /// The fast way: same photo, same crop, same size and time.
    fn kept_by_time(&self, photos: &[GalleryPhoto]) -> Vec<Slot> {
        let mut seen = HashSet::new();
        let repeated: Vec<bool> = photos.iter().map(|photo| !seen.insert(&photo.photo)).collect();
        photos
            .par_iter()
            .zip(repeated)
            .map(|(photo, repeated)| {
                if repeated {
                    return Slot::Skipped(SkipReason::Duplicate, "it is listed more than once".to_owned());
                }
                let Some(&(file, row)) = self.by_photo.get(&photo.photo) else {
                    let known = self.broken.get(photo);
                    let known = known.filter(|known| about(&photo.path) == Some((known.bytes, known.modified_ns)));
                    return known.map_or(Slot::Open, |known| Slot::Skipped(known.reason, known.sentence.clone()));
                };
                let record = &self.files[file].records[row];
                let same = bits(record.crop) == bits(photo.crop)
                    && record.kind == kind_of(self.embed, photo)
                    && record.modified_ns != 0
                    && about(&photo.path) == Some((record.bytes, record.modified_ns));
                if !same {
                    return Slot::Open;
                }
                Slot::Known((file, row), Record { product: photo.product.clone(), ..record.clone() })
            })
            .collect()
    }

    /// Reads, and where needed embeds, what the fast way left open.
    fn fill(
        &mut self,
        photos: &[GalleryPhoto],
        missing: &[usize],
        slots: &mut [Slot],
        progress: &(dyn Fn(Progress) + Sync),
    ) -> Result<(), IndexError> {
        let mut done = photos.len() - missing.len();
        let tell = |done| progress(Progress { what: "Indexing photos", done, total: photos.len() });
        tell(done);
        let mut segments = missing.chunks(SEGMENT);
        let mut segment = segments.next().unwrap_or_default();
        let mut read = self.read_all(photos, segment);
        while !segment.is_empty() {
            let next = segments.next().unwrap_or_default();
            let this = &*self;
            let (embedded, following) =
                rayon::join(|| this.embed_segment(&read, &|batch| tell(done + batch)), || this.read_all(photos, next));
            let mut rows = self.save(embedded?)?.into_iter();
            for (&index, read) in segment.iter().zip(read) {
                match read {
                    Read::Stopped => self.report.stopped = true,
                    Read::Broken(reason, why) => slots[index] = Slot::Skipped(reason, why),
                    Read::Known(place, record) => slots[index] = Slot::Known(place, record),
                    Read::Fresh(record, _) => match rows.next() {
                        Some(place) => {
                            self.report.embedded += 1;
                            slots[index] = Slot::Known(place, record);
                        }
                        None => self.report.stopped = true,
                    },
                }
            }
            if self.report.stopped {
                return Ok(());
            }
            done += segment.len();
            tell(done);
            (segment, read) = (next, following);
        }
        Ok(())
    }

    fn read_all(&self, photos: &[GalleryPhoto], indices: &[usize]) -> Vec<Read> {
        indices.par_iter().map(|&index| self.read(&photos[index])).collect()
    }

    fn read(&self, photo: &GalleryPhoto) -> Read {
        if self.stop.is_stopped() {
            return Read::Stopped;
        }
        self.read_or_say_why(photo).unwrap_or_else(|error| Read::Broken(error.reason(), error.to_string()))
    }

    fn read_or_say_why(&self, photo: &GalleryPhoto) -> Result<Read, data::DecodeError> {
        // Before the bytes: a change in between then shows the next time.
        let about = fs::metadata(&photo.path).ok();
        let bytes = decode::read_file(&photo.path)?;
        let content = blake3::hash(&bytes).to_hex()[..32].to_owned();
        let record = Record {
            photo: photo.photo.clone(),
            product: photo.product.clone(),
            bytes: bytes.len() as u64,
            modified_ns: about.as_ref().map_or(0, settled_ns),
            crop: photo.crop,
            content,
            kind: kind_of(self.embed, photo),
        };
        if let Some(&place) = self.by_key.get(&key(&record.content, photo.crop, record.kind)) {
            return Ok(Read::Known(place, record));
        }
        let name = photo.path.display().to_string();
        let picture = decode::decode_bytes(&bytes, &name)?;
        let given = photo.crop.map(|crop| data::check_crop(&picture, crop, &name)).transpose()?;
        let part = data::compared_part(&picture, PhotoDomain::Shop, given);
        Ok(Read::Fresh(record, prepare(&picture, Some(part), self.embed.input_size())))
    }

    /// Features of the fresh photos of a segment, in order; of fewer of them when stopped.
    fn embed_segment(&self, read: &[Read], tell: &dyn Fn(usize)) -> Result<Vec<Embedded>, IndexError> {
        let fresh: Vec<(&Record, &[f32])> = read
            .iter()
            .filter_map(|read| match read {
                Read::Fresh(record, image) => Some((record, image.as_slice())),
                _ => None,
            })
            .collect();
        let mut embedded = Vec::with_capacity(fresh.len());
        for batch in fresh.chunks(BATCH) {
            if self.stop.is_stopped() {
                break;
            }
            let images: Vec<f32> = batch.iter().flat_map(|(_, image)| image.iter().copied()).collect();
            let kinds: Vec<Option<usize>> = batch.iter().map(|(record, _)| record.kind).collect();
            let features = self.embed.embed_as(&images, &kinds).map_err(|source| IndexError::Embed { source })?;
            let is_as_stated = features.len() == batch.len()
                && (features.dim, features.grid) == (self.shape.dim, self.shape.grid)
                && features.cells.len() == batch.len() * self.shape.cell_values();
            if !is_as_stated {
                return Err(IndexError::WrongFeatures);
            }
            for (row, (record, _)) in batch.iter().enumerate() {
                embedded.push(Embedded {
                    record: (*record).clone(),
                    global: to_f16(features.global_of(row)),
                    cells: to_f16(features.cells_of(row)),
                });
            }
            tell(embedded.len());
        }
        Ok(embedded)
    }

    /// Makes a segment durable and says where its rows are.
    fn save(&mut self, embedded: Vec<Embedded>) -> Result<Vec<Place>, IndexError> {
        if embedded.is_empty() {
            return Ok(Vec::new());
        }
        let rows: Vec<(Record, Features)> = embedded
            .iter()
            .map(|row| (row.record.clone(), Features { global: &row.global, cells: &row.cells }))
            .collect();
        let path = self.parts_dir.join(format!("{:06}.seam", self.next_part));
        format::write(&path, &self.shape, &rows)?;
        self.next_part += 1;
        self.add(FeatureFile::open(&path)?);
        let file = self.files.len() - 1;
        Ok((0..embedded.len()).map(|row| (file, row)).collect())
    }

    /// Writes the new index, unless it would be the old one.
    fn finish(mut self, dir: &Path, photos: &[GalleryPhoto], slots: Vec<Slot>) -> Result<BuildReport, IndexError> {
        let mut rows: Vec<(Record, Place)> = Vec::with_capacity(photos.len());
        for (photo, slot) in photos.iter().zip(slots) {
            match slot {
                Slot::Known(place, record) => rows.push((record, place)),
                Slot::Skipped(reason, why) => {
                    // One that was read too early is read again; the time of its file says so.
                    let settled = fs::metadata(&photo.path).map_or((0, 0), |about| (about.len(), settled_ns(&about)));
                    self.still_broken.add(photo, settled, reason, &why);
                    self.report.skipped.push((photo.photo.clone(), reason, why));
                }
                Slot::Open => {}
            }
        }
        self.report.kept = rows.len() - self.report.embedded;
        if self.report.stopped {
            return Ok(self.report);
        }
        let former: &[Record] = if self.has_index { &self.files[0].records } else { &[] };
        let wanted: HashSet<&PhotoId> = photos.iter().map(|photo| &photo.photo).collect();
        self.report.removed = former.iter().filter(|record| !wanted.contains(&record.photo)).count();
        let is_unchanged = self.has_index
            && rows.len() == former.len()
            && rows
                .iter()
                .zip(former)
                .enumerate()
                .all(|(row, ((record, place), old))| *place == (0, row) && record == old);
        if !is_unchanged {
            let rows: Vec<(Record, Features)> =
                rows.into_iter().map(|(record, (file, row))| (record, self.files[file].features(row))).collect();
            format::write(&index_path(dir), &self.shape, &rows)?;
        }
        if self.still_broken != self.broken {
            // Without it they are only read again.
            let _ = self.still_broken.write(dir);
        }
        let parts = self.files.split_off(usize::from(self.has_index));
        for part in parts {
            let path = part.path.clone();
            drop(part);
            // All its rows are in the index now; a leftover would only be read again.
            let _ = fs::remove_file(path);
        }
        Ok(self.report)
    }
}

struct Embedded {
    record: Record,
    global: Vec<half::f16>,
    cells: Vec<half::f16>,
}

fn to_f16(values: &[f32]) -> Vec<half::f16> {
    let mut converted = vec![half::f16::ZERO; values.len()];
    converted.convert_from_f32_slice(values);
    converted
}

pub(super) fn bits(crop: Option<CropRect>) -> Option<[u32; 4]> {
    crop.map(|crop| [crop.x, crop.y, crop.width, crop.height].map(f32::to_bits))
}

fn key(content: &str, crop: Option<CropRect>, kind: Option<usize>) -> Key {
    (content.to_owned(), bits(crop), kind)
}

fn kind_of(embed: &dyn Embed, photo: &GalleryPhoto) -> Option<usize> {
    photo.kind.as_deref().and_then(|kind| embed.kind(kind))
}

fn modified_ns(about: &Metadata) -> u64 {
    let since_1970 = about.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    since_1970.map_or(0, |time| time.as_nanos() as u64)
}

/// The time of a file's last change, or 0 where that is so recent that the time proves nothing.
fn settled_ns(about: &Metadata) -> u64 {
    let age = about.modified().ok().and_then(|time| SystemTime::now().duration_since(time).ok());
    if age.is_some_and(|age| age >= TOO_YOUNG) { modified_ns(about) } else { 0 }
}

/// Keeps two runs out of one folder. The system takes it back when the program ends, however it ends.
struct Lock(#[expect(dead_code, reason = "the lock lives as long as the file is open")] File);

impl Lock {
    fn take(dir: &Path) -> Result<Self, IndexError> {
        let path = dir.join("lock");
        let failed = |source| IndexError::Write { source, path: path.clone() };
        let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(fs::TryLockError::WouldBlock) => Err(IndexError::Busy { path: dir.to_owned() }),
            // Some network folders know no locks; whoever shares one takes care.
            Err(fs::TryLockError::Error(source)) if source.kind() == std::io::ErrorKind::Unsupported => Ok(Self(file)),
            Err(fs::TryLockError::Error(source)) => Err(failed(source)),
        }
    }
}
