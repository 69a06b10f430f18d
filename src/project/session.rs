//! What the program comes back to: the project of last time.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::paths::{data_dir, write_beside};

/// Kept in `session.json` beside the sample. A file that is missing or broken is an empty session, since nothing in it
/// is worth stopping a start for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Session {
    /// The project that was open last.
    pub project: Option<PathBuf>,
    /// Those that were open before, the last one first.
    pub recent: Vec<Recent>,
}

/// A project to come back to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recent {
    pub path: PathBuf,
    pub name: String,
}

/// How many projects are kept to come back to.
const RECENT: usize = 8;

impl Session {
    /// A project was opened: it is the one to come back to, and the first of the recent ones.
    pub fn opened(&mut self, path: PathBuf, name: String) {
        self.recent.retain(|recent| recent.path != path);
        self.recent.insert(0, Recent { path: path.clone(), name });
        self.recent.truncate(RECENT);
        self.project = Some(path);
    }

    pub fn load() -> Self {
        Self::load_from(&data_dir())
    }

    pub fn load_from(dir: &Path) -> Self {
        fs::read(dir.join("session.json"))
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default()
    }

    pub fn save(&self) -> io::Result<()> {
        self.save_to(&data_dir())
    }

    pub fn save_to(&self, dir: &Path) -> io::Result<()> {
        fs::create_dir_all(dir)?;
        write_beside(&dir.join("session.json"), &serde_json::to_vec_pretty(self)?)
    }
}
