//! The file itself: a zip archive of stored parts, with a manifest that holds the BLAKE3 hash of each.
//!
//! Such a file comes from anywhere. Parts are never compressed, so none is larger than the file; their number, names
//! and sizes are checked, nothing is ever written to disk, and a part that does not fit its hash is named.

use std::collections::BTreeMap;
use std::io::{Cursor, Read, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use super::EvidenceError;

/// What every evidence file says it is.
const FORMAT: &str = "seamline evidence";
/// The newest layout. Version 1 knows nothing of further photos and of paint.
pub const VERSION: u32 = 2;
const MANIFEST: &str = "manifest.json";
/// Two photos, two records and a picture; some room for what a later version adds.
const MOST_PARTS: usize = 16 + MOST_FURTHER;
/// Photos besides the two that were compared.
pub const MOST_FURTHER: usize = 64;
/// Two photos as large as photos may be, and the rest.
pub const MOST_BYTES: u64 = 2 * crate::data::decode::MAX_FILE_BYTES + 64_000_000;
/// A manifest has one short line for each part.
pub const MOST_MANIFEST_BYTES: u64 = 64_000;

/// What a part is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    Record,
    Plan,
    Query,
    Gallery,
    Picture,
    /// There may be several, or none.
    Further,
}

impl Role {
    /// What every file has, once.
    pub const ALL: [Self; 5] = [Self::Record, Self::Plan, Self::Query, Self::Gallery, Self::Picture];

    /// As a person calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Record => "Record",
            Self::Plan => "Plan",
            Self::Query => "Street photo",
            Self::Gallery => "Product photo",
            Self::Picture => "Picture of the plan",
            Self::Further => "Further photo",
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Manifest {
    format: String,
    version: u32,
    program: String,
    parts: Vec<ManifestPart>,
}

#[derive(Debug, Serialize, Deserialize)]
struct ManifestPart {
    role: Role,
    name: String,
    bytes: u64,
    blake3: String,
}

/// A part that goes into a file.
pub struct Part<'a> {
    pub role: Role,
    pub name: String,
    pub bytes: &'a [u8],
}

/// A part that came out of a file.
#[derive(Debug)]
pub struct FoundPart {
    pub name: String,
    pub bytes: Vec<u8>,
    /// Size and hash are those of the manifest.
    pub is_whole: bool,
}

/// What a file holds.
#[derive(Debug, Default)]
pub struct Contents {
    pub parts: BTreeMap<Role, FoundPart>,
    /// Further photos in the manifest's order; `None` where the file lacks one.
    pub further: Vec<Option<FoundPart>>,
    /// Parts that the manifest names and the file lacks.
    pub missing: Vec<(Role, String)>,
    /// Parts that the manifest does not name.
    pub unknown: Vec<String>,
}

pub fn write(parts: &[Part<'_>], version: u32, program: &str) -> Result<Vec<u8>, EvidenceError> {
    let manifest = Manifest {
        format: FORMAT.to_owned(),
        version,
        program: program.to_owned(),
        parts: parts
            .iter()
            .map(|part| ManifestPart {
                role: part.role,
                name: part.name.clone(),
                bytes: part.bytes.len() as u64,
                blake3: blake3::hash(part.bytes).to_hex().to_string(),
            })
            .collect(),
    };
    let manifest = serde_json::to_vec_pretty(&manifest).map_err(EvidenceError::packing)?;
    let size = parts.iter().map(|part| part.bytes.len()).sum::<usize>() + manifest.len() + 4096;
    let mut archive = ZipWriter::new(Cursor::new(Vec::with_capacity(size)));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let first = [(MANIFEST, manifest.as_slice())].into_iter();
    for (name, bytes) in first.chain(parts.iter().map(|part| (part.name.as_str(), part.bytes))) {
        archive.start_file(name, options).map_err(EvidenceError::packing)?;
        archive.write_all(bytes).map_err(EvidenceError::packing)?;
    }
    Ok(archive.finish().map_err(EvidenceError::packing)?.into_inner())
}

/// Reads a file's bytes; `path` is what an error calls it.
pub fn read(bytes: &[u8], path: &Path) -> Result<Contents, EvidenceError> {
    let refuse = |reason: String| EvidenceError::Refused { reason, path: path.to_owned() };
    if bytes.is_empty() {
        return Err(refuse("it is empty".to_owned()));
    }
    if !bytes.starts_with(b"PK") {
        return Err(refuse("it is not one".to_owned()));
    }
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|_| refuse("it is cut off or damaged".to_owned()))?;
    if archive.len() > MOST_PARTS {
        return Err(refuse(format!("it has {} parts, and at most {MOST_PARTS} are read", archive.len())));
    }
    let mut found: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let mut room = bytes.len() as u64;
    for index in 0..archive.len() {
        let damaged = || refuse(format!("its part number {} is damaged", index + 1));
        // Raw: a part that was changed must still be shown, so the archive's own checksum does not stop it here.
        let part = archive.by_index_raw(index).map_err(|_| damaged())?;
        let name = part.name().map_err(|_| damaged())?.into_owned();
        let shown = shortened(&name);
        if part.is_dir() || name.contains(['/', '\\', ':']) || name.contains("..") {
            return Err(refuse(format!("its part `{shown}` has a path, and evidence has no folders")));
        }
        if part.compression() != CompressionMethod::Stored || part.encrypted() {
            return Err(refuse(format!("its part `{shown}` is compressed or encrypted; evidence is stored plainly")));
        }
        // Stored parts lie side by side, so together they cannot be larger than the file.
        let size = part.size();
        room = room
            .checked_sub(size)
            .ok_or_else(|| refuse(format!("its part `{shown}` claims {size} bytes, more than the file has")))?;
        let mut content = Vec::with_capacity(size as usize);
        part.take(size + 1).read_to_end(&mut content).map_err(|_| damaged())?;
        if content.len() as u64 != size {
            return Err(damaged());
        }
        if found.insert(name, content).is_some() {
            return Err(refuse(format!("its part `{shown}` is there twice")));
        }
    }
    let manifest = found.remove(MANIFEST).ok_or_else(|| refuse("it has no manifest".to_owned()))?;
    let manifest = parse_manifest(&manifest).map_err(refuse)?;
    sort(manifest, found).map_err(refuse)
}

fn parse_manifest(bytes: &[u8]) -> Result<Manifest, String> {
    /// Read first, so that another version is told as that and not as a damaged file.
    #[derive(Deserialize)]
    struct Head {
        format: String,
        version: u64,
    }
    if bytes.len() as u64 > MOST_MANIFEST_BYTES {
        return Err(format!("its manifest has {} bytes, and at most {MOST_MANIFEST_BYTES} are read", bytes.len()));
    }
    let unreadable = |error: serde_json::Error| format!("its manifest cannot be understood ({error})");
    let head: Head = serde_json::from_slice(bytes).map_err(unreadable)?;
    if head.format != FORMAT {
        return Err(format!("its manifest says that it is `{}`", shortened(&head.format)));
    }
    if !(1..=u64::from(VERSION)).contains(&head.version) {
        return Err(format!("it is of version {}, and this program reads versions 1 to {VERSION}", head.version));
    }
    serde_json::from_slice(bytes).map_err(unreadable)
}

/// Puts parts and manifest side by side.
fn sort(manifest: Manifest, mut found: BTreeMap<String, Vec<u8>>) -> Result<Contents, String> {
    let mut contents = Contents::default();
    for listed in manifest.parts {
        let known =
            contents.parts.contains_key(&listed.role) || contents.missing.iter().any(|(role, _)| *role == listed.role);
        if known && listed.role != Role::Further {
            return Err(format!("its manifest names the {} twice", listed.role.name().to_lowercase()));
        }
        let part = found.remove(&listed.name).map(|bytes| {
            let same_size = bytes.len() as u64 == listed.bytes;
            let is_whole = same_size && blake3::hash(&bytes).to_hex().as_str() == listed.blake3;
            FoundPart { name: listed.name.clone(), bytes, is_whole }
        });
        match part {
            part if listed.role == Role::Further => contents.further.push(part),
            Some(part) => {
                contents.parts.insert(listed.role, part);
            }
            None => contents.missing.push((listed.role, listed.name)),
        }
    }
    for role in Role::ALL {
        let known = contents.parts.contains_key(&role) || contents.missing.iter().any(|(missing, _)| *missing == role);
        if !known {
            contents.missing.push((role, String::new()));
        }
    }
    contents.unknown = found.into_keys().collect();
    Ok(contents)
}

/// A name from outside, short enough for a sentence and without anything that is not text.
pub fn shortened(name: &str) -> String {
    let text: String = name.chars().filter(|c| !c.is_control()).take(40).collect();
    if name.chars().count() > 40 { format!("{text}…") } else { text }
}
