//! Files that hover over the window or are let go of there.

use std::path::{Path, PathBuf};

use super::App;
use crate::jobs::{QueryPhoto, Request};
use crate::ui::state::{Hovering, HoveringKind, ProjectState, Tone};

/// Endings of the formats that can be read.
const PHOTO_ENDINGS: [&str; 9] = ["jpg", "jpeg", "png", "webp", "bmp", "gif", "tif", "tiff", "jfif"];

/// What was hovering, so that the disk is asked once and not every frame.
#[derive(Default)]
pub struct HoverCache {
    paths: Vec<PathBuf>,
}

impl App {
    pub(super) fn take_files(&mut self, ctx: &egui::Context) {
        let hovered: Vec<PathBuf> = ctx
            .input(|input| input.raw.hovered_files.iter().map(|file| file.path.clone().unwrap_or_default()).collect());
        if hovered.is_empty() {
            self.session.hovering = None;
            self.hover.paths.clear();
        } else if hovered != self.hover.paths {
            self.session.hovering = Some(Hovering {
                names: hovered.iter().map(|path| name_of(path)).collect(),
                kind: hovered.first().map_or(HoveringKind::Other, |path| kind_of(path)),
            });
            self.hover.paths = hovered;
        }
        let dropped: Vec<_> = ctx.input(|input| input.raw.dropped_files.clone());
        let Some(first) = dropped.first() else { return };
        self.session.hovering = None;
        if dropped.len() > 1 {
            let now = ctx.input(|input| input.time);
            let words = format!("{} files were dropped; {} is searched", dropped.len(), name_of(first.path()));
            self.notify(now, Tone::Info, words, None);
        }
        self.dropped(ctx, first.path());
    }

    fn dropped(&mut self, ctx: &egui::Context, path: &Path) {
        if matches!(kind_of(path), HoveringKind::Folder | HoveringKind::Gallery) {
            self.open_project(Some(path.to_owned()));
        } else if kind_of(path) == HoveringKind::Evidence {
            self.open_evidence(path.to_owned());
        } else {
            self.search(ctx, QueryPhoto::File(path.to_owned()));
        }
    }

    pub(super) fn open_project(&mut self, path: Option<PathBuf>) {
        if let ProjectState::Failed(_) = self.session.project {
            self.session.project = ProjectState::Opening;
        }
        self.backend.submit(Request::OpenProject { path });
    }
}

pub fn name_of(path: &Path) -> String {
    path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}

fn kind_of(path: &Path) -> HoveringKind {
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
    if ending.is_some_and(|ending| PHOTO_ENDINGS.contains(&ending.as_str())) && !path.is_dir() {
        HoveringKind::Photo
    } else if path.is_dir() {
        let is_project = path.join("project.db").is_file() || path.join("manifest.jsonl").is_file();
        if is_project { HoveringKind::Folder } else { HoveringKind::Gallery }
    } else if super::study::is_evidence(path) {
        HoveringKind::Evidence
    } else {
        HoveringKind::Other
    }
}

/// The path that a pasted text names, as file managers and terminals write it.
pub fn path_in(text: &str) -> Option<PathBuf> {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty())?;
    let line = line.trim_matches(|c| c == '"' || c == '\'');
    if let Some(rest) = line.strip_prefix("file://") {
        return Some(PathBuf::from(percent_decoded(rest)));
    }
    let path = Path::new(line);
    (path.is_absolute() && path.extension().is_some()).then(|| path.to_owned())
}

fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = (bytes[at] == b'%')
            .then(|| text.get(at + 1..at + 3).and_then(|hex| u8::from_str_radix(hex, 16).ok()))
            .flatten();
        decoded.push(hex.unwrap_or(bytes[at]));
        at += if hex.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pasted_path_is_found_and_other_text_is_not() {
        assert_eq!(path_in("/home/m/red coat.jpg\n"), Some("/home/m/red coat.jpg".into()));
        assert_eq!(path_in("file:///home/m/red%20coat.jpg"), Some("/home/m/red coat.jpg".into()));
        assert_eq!(path_in("\"/home/m/a.png\""), Some("/home/m/a.png".into()));
        assert_eq!(path_in("red coat"), None);
        assert_eq!(path_in(""), None);
        assert_eq!(percent_decoded("100%"), "100%");
    }

    #[test]
    fn what_hovers_is_told_apart() {
        assert_eq!(kind_of(Path::new("/nowhere/a.JPG")), HoveringKind::Photo);
        assert_eq!(kind_of(Path::new("/nowhere/a.pdf")), HoveringKind::Other);
        assert_eq!(kind_of(Path::new(env!("CARGO_MANIFEST_DIR"))), HoveringKind::Gallery);
        let project = tempfile::tempdir().unwrap();
        std::fs::write(project.path().join("project.db"), b"").unwrap();
        assert_eq!(kind_of(project.path()), HoveringKind::Folder);
    }
}
