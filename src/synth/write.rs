//! A sample on disk: photos first, the manifest last and by rename, so that a folder with a manifest is complete.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, RgbImage};
use rayon::prelude::*;

use crate::domain::{ManifestRecord, PhotoRecord, Progress, StopFlag};

use super::design::Design;
use super::num::Dice;
use super::style::Stylist;
use super::{DRAWING, SampleSpec, VIEWS, drawn, product_record, shop_photo, street_photo};

/// Name of the file that holds all the truth.
pub const MANIFEST: &str = "manifest.jsonl";

const PURPOSE_CAMERA: u64 = 8;

#[derive(Debug, thiserror::Error)]
pub enum SynthError {
    #[error("could not make the sample's folder {path}: {source}")]
    Folder { source: std::io::Error, path: PathBuf },
    #[error("could not write the sample's photo {path}: {source}")]
    Photo { source: std::io::Error, path: PathBuf },
    #[error("could not encode the sample's photo {path}: {source}")]
    Encode { source: image::ImageError, path: PathBuf },
    #[error("could not replace the sample's manifest {path}: {source}")]
    Manifest { source: std::io::Error, path: PathBuf },
}

/// What was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SampleReport {
    pub products: usize,
    pub photos: usize,
    pub bytes: u64,
    /// Asked to stop before the end: there is no manifest, and a later run starts again.
    pub stopped: bool,
}

/// Draws a sample into a folder.
pub fn write_sample(
    dir: &Path,
    spec: &SampleSpec,
    stop: &StopFlag,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<SampleReport, SynthError> {
    for name in ["shop", "street"] {
        let path = dir.join(name);
        fs::create_dir_all(&path).map_err(|source| SynthError::Folder { source, path })?;
    }
    // From here on the folder is incomplete until the new manifest stands.
    let manifest = dir.join(MANIFEST);
    match fs::remove_file(&manifest) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            return Err(SynthError::Manifest { source, path: manifest });
        }
        _ => {}
    }
    let stylist = Stylist::new(spec);
    let total = spec.products * VIEWS as usize * 2;
    let done = AtomicUsize::new(0);
    let tell = |done: usize| progress(Progress { what: "Drawing the sample wardrobe", done, total });
    tell(0);
    let written: Vec<Option<(Vec<PhotoRecord>, u64)>> = (0..spec.products)
        .into_par_iter()
        .with_max_len(4)
        .map(|product| {
            if stop.is_stopped() {
                return Ok(None);
            }
            let mut garment = drawn(spec, &Design::of(spec.seed, product), 330.0);
            let mut records = Vec::new();
            let mut bytes = 0;
            for view in 0..VIEWS {
                let (photo, record) = shop_photo(spec, product, view, &garment);
                bytes += save(dir, spec, product, &photo, &record)?;
                records.push(record);
            }
            for view in 0..VIEWS {
                let ((photo, record), back) = street_photo(spec, &stylist, product, view, garment);
                garment = back;
                bytes += save(dir, spec, product, &photo, &record)?;
                records.push(record);
            }
            tell(done.fetch_add(records.len(), Ordering::Relaxed) + records.len());
            Ok(Some((records, bytes)))
        })
        .collect::<Result<_, SynthError>>()?;
    let mut report = SampleReport { products: spec.products, ..SampleReport::default() };
    let mut photos = Vec::new();
    for product in written {
        let Some((records, bytes)) = product else {
            report.stopped = true;
            continue;
        };
        report.photos += records.len();
        report.bytes += bytes;
        photos.extend(records);
    }
    if report.stopped || stop.is_stopped() {
        report.stopped = true;
        return Ok(report);
    }
    report.bytes += write_manifest(&manifest, spec, photos)
        .map_err(|source| SynthError::Manifest { source, path: manifest.clone() })?;
    Ok(report)
}

/// A sample's manifest, in the order in which it is written.
pub fn manifest(spec: &SampleSpec, photos: Vec<PhotoRecord>) -> impl Iterator<Item = ManifestRecord> {
    let products: Vec<ManifestRecord> = spec
        .splits()
        .into_iter()
        .enumerate()
        .map(|(index, split)| ManifestRecord::Product(product_record(spec, index, split)))
        .collect();
    let head = ManifestRecord::Sample {
        version: ManifestRecord::VERSION,
        seed: spec.seed,
        products: spec.products,
        drawing: DRAWING,
    };
    std::iter::once(head).chain(products).chain(photos.into_iter().map(ManifestRecord::Photo))
}

fn write_manifest(path: &Path, spec: &SampleSpec, photos: Vec<PhotoRecord>) -> std::io::Result<u64> {
    let beside = path.with_extension("jsonl.part");
    let mut file = BufWriter::new(File::create(&beside)?);
    for record in manifest(spec, photos) {
        serde_json::to_writer(&mut file, &record)?;
        file.write_all(b"\n")?;
    }
    let file = file.into_inner().map_err(std::io::IntoInnerError::into_error)?;
    file.sync_all()?;
    let bytes = file.metadata()?.len();
    fs::rename(&beside, path)?;
    Ok(bytes)
}

/// Shop photos are saved well; a phone's are squeezed.
fn encode(
    spec: &SampleSpec,
    product: usize,
    photo: &RgbImage,
    record: &PhotoRecord,
) -> Result<Vec<u8>, image::ImageError> {
    let quality = match record.domain {
        crate::domain::PhotoDomain::Shop => 92,
        crate::domain::PhotoDomain::Street => {
            let mut dice = Dice::new(spec.seed, PURPOSE_CAMERA, product as u64, u64::from(record.view));
            60 + dice.below(31) as u8
        }
    };
    let mut bytes = Vec::with_capacity(32 * 1024);
    JpegEncoder::new_with_quality(&mut bytes, quality).encode(
        photo,
        photo.width(),
        photo.height(),
        ExtendedColorType::Rgb8,
    )?;
    Ok(bytes)
}

fn save(
    dir: &Path,
    spec: &SampleSpec,
    product: usize,
    photo: &RgbImage,
    record: &PhotoRecord,
) -> Result<u64, SynthError> {
    let path = dir.join(record.photo.as_str());
    let bytes =
        encode(spec, product, photo, record).map_err(|source| SynthError::Encode { source, path: path.clone() })?;
    fs::write(&path, &bytes).map_err(|source| SynthError::Photo { source, path })?;
    Ok(bytes.len() as u64)
}
