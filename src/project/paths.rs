//! Where things lie: inside a project, and on this machine.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::domain::{Arithmetic, CheckpointId, PhotoId, RunId};

/// The places inside a project folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    root: PathBuf,
    /// A person's own folder of photos, which lies elsewhere.
    pub(super) gallery: Option<PathBuf>,
}

impl Paths {
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), gallery: None }
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn database(&self) -> PathBuf {
        self.root.join("project.db")
    }

    pub fn lock(&self) -> PathBuf {
        self.root.join("project.lock")
    }

    pub fn manifest(&self) -> PathBuf {
        self.root.join("manifest.jsonl")
    }

    /// A photo's file. Ids are checked when they join a project, so this never leaves the folder, or the person's own.
    pub fn photo(&self, photo: &PhotoId) -> PathBuf {
        match self.inside_gallery(photo) {
            Some((gallery, inside)) => gallery.join(inside),
            None => self.root.join(photo.as_str()),
        }
    }

    /// What the last look at the person's folder skipped.
    pub fn intake(&self) -> PathBuf {
        self.root.join("intake.json")
    }

    /// Photos from outside that a person searched with and then said something about.
    pub fn added(&self) -> PathBuf {
        self.root.join("street").join("added")
    }

    /// One folder of features for each checkpoint and what it computed in.
    pub fn features(&self) -> PathBuf {
        self.root.join("features")
    }

    pub fn features_of(&self, checkpoint: &CheckpointId, arithmetic: Arithmetic) -> PathBuf {
        self.features().join(match arithmetic {
            Arithmetic::F32 => checkpoint.as_str().to_owned(),
            Arithmetic::Int8 | Arithmetic::Bf16 => format!("{checkpoint}-{arithmetic}"),
        })
    }

    pub fn models(&self) -> PathBuf {
        self.root.join("models")
    }

    pub fn model(&self, name: &str) -> PathBuf {
        self.models().join(name)
    }

    /// Decoded photos, which training can make again.
    pub fn photo_cache(&self) -> PathBuf {
        self.root.join("cache")
    }

    pub fn runs(&self) -> PathBuf {
        self.root.join("runs")
    }

    pub fn run(&self, run: &RunId) -> PathBuf {
        self.runs().join(run.as_str())
    }

    /// The models made in this project, by name. Folders without both files of a model are not listed.
    pub fn model_dirs(&self) -> Vec<PathBuf> {
        let Ok(entries) = fs::read_dir(self.models()) else {
            return Vec::new();
        };
        let mut dirs: Vec<PathBuf> = entries
            .filter_map(|entry| entry.ok().map(|entry| entry.path()))
            .filter(|dir| dir.join("model.json").is_file() && dir.join("weights.safetensors").is_file())
            .collect();
        dirs.sort();
        dirs
    }
}

/// Whether a photo's path stays inside the project and means the same on every system.
pub(super) fn is_inside(photo: &str) -> bool {
    !photo.is_empty()
        && !photo.contains(['\\', '\0', ':'])
        && photo.split('/').all(|part| !part.is_empty() && part != "." && part != "..")
}

/// What this program keeps for a person: the sample and the session. `SEAMLINE_DATA` puts it elsewhere.
pub fn data_dir() -> PathBuf {
    let named = std::env::var_os("SEAMLINE_DATA").filter(|dir| !dir.is_empty()).map(PathBuf::from);
    named
        .or_else(|| directories::ProjectDirs::from("", "", "seamline").map(|dirs| dirs.data_dir().to_owned()))
        .unwrap_or_else(|| std::env::temp_dir().join("seamline"))
}

/// Where the sample wardrobe lies, or will once it is made.
pub fn sample_dir() -> PathBuf {
    data_dir().join("sample")
}

/// Writes a file so that a crash leaves either the old one or the new one: beside, synced, renamed.
pub fn write_beside(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    let beside = path.with_file_name(name);
    let written = (|| {
        let mut file = File::create(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&beside, path)
    })();
    if written.is_err() {
        // The first error is the one to tell.
        let _ = fs::remove_file(&beside);
    }
    written?;
    sync_folder_of(path);
    Ok(())
}

/// Makes a rename durable where the system can; elsewhere the rename is at least atomic.
pub(super) fn sync_folder_of(path: &Path) {
    if let Some(folder) = path.parent().and_then(|folder| File::open(folder).ok()) {
        let _ = folder.sync_all();
    }
}
