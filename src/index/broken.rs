//! Photos that could not be read, so that they are not tried again at every start. Kept beside the index; without the
//! file they are only read again.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::build::{GalleryPhoto, bits};
use crate::domain::{PhotoId, SkipReason};

/// A photo that was tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tried {
    pub bytes: u64,
    pub modified_ns: u64,
    pub crop: Option<[u32; 4]>,
    pub reason: SkipReason,
    pub sentence: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Broken(BTreeMap<PhotoId, Tried>);

impl Broken {
    pub fn read(dir: &Path) -> Self {
        let bytes = fs::read(place(dir)).ok();
        bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
    }

    pub fn write(&self, dir: &Path) -> io::Result<()> {
        let beside = dir.join("broken.tmp");
        fs::write(&beside, serde_json::to_vec(self)?)?;
        fs::rename(&beside, place(dir))
    }

    /// What was tried of this very photo; whether its file is still the same is for the caller to see.
    pub fn get(&self, photo: &GalleryPhoto) -> Option<&Tried> {
        self.0.get(&photo.photo).filter(|tried| tried.crop == bits(photo.crop))
    }

    /// Notes a photo whose file says why it cannot be used. One that is away or refused may come back unchanged.
    pub fn add(&mut self, photo: &GalleryPhoto, (bytes, modified_ns): (u64, u64), reason: SkipReason, why: &str) {
        let passing = matches!(reason, SkipReason::Gone | SkipReason::Unreadable | SkipReason::Duplicate);
        if passing || modified_ns == 0 {
            return;
        }
        let tried = Tried { bytes, modified_ns, crop: bits(photo.crop), reason, sentence: why.to_owned() };
        self.0.insert(photo.photo.clone(), tried);
    }
}

fn place(dir: &Path) -> PathBuf {
    dir.join("broken.json")
}
