//! The house's rule of who may use whom, as a test: reads every source file and refuses any other import.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// What each room may use besides itself. `jobs` marked `jobs::types` allows only its types.
const MAY_USE: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("ot", &["domain"]),
    ("nn", &["domain"]),
    ("synth", &["domain"]),
    ("data", &["domain", "synth"]),
    ("project", &["domain"]),
    ("index", &["domain", "ot", "nn", "data", "project"]),
    ("train", &["domain", "ot", "nn", "data", "project", "eval"]),
    ("eval", &["domain", "ot", "nn", "data", "project", "index"]),
    ("jobs", &["domain", "ot", "nn", "data", "synth", "project", "index", "train", "eval"]),
    ("render", &["domain"]),
    ("ui", &["domain", "project", "render", "jobs::types"]),
    ("app", &["*"]),
    ("cli", &["*"]),
];

/// Words that only some rooms may contain, each with the rooms (or files) that may.
const WORDS: &[(&str, &[&str])] = &[
    ("candle_core", &["nn", "train", "eval", "jobs", "cli"]),
    ("egui", &["ui", "app", "render"]),
    ("rusqlite", &["project"]),
    ("thread::Builder", &["jobs"]),
    ("thread::spawn", &["jobs"]),
    ("Color32::from_rgb", &["ui/tokens.rs"]),
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("a readable entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// Code without line comments, so that prose may name any room.
fn code(text: &str) -> String {
    text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

fn is_test_file(inside: &str) -> bool {
    inside.ends_with("tests.rs") || inside.contains("/tests/")
}

#[test]
fn every_room_uses_only_the_rooms_below_it() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let rules: BTreeMap<&str, &[&str]> = MAY_USE.iter().copied().collect();
    let mut files = Vec::new();
    sources(&src, &mut files);
    assert!(files.len() > 30, "the sources were not found");
    let mut wrong = Vec::new();
    for path in files {
        let inside = path.strip_prefix(&src).unwrap().to_string_lossy().replace('\\', "/");
        let Some((room, _)) = inside.split_once('/') else { continue };
        let Some(allowed) = rules.get(room) else {
            wrong.push(format!("{inside}: the room {room} is not in the table"));
            continue;
        };
        if is_test_file(&inside) {
            continue; // A test may bring any room as its oracle.
        }
        let text = fs::read_to_string(&path).unwrap();
        let text = code(text.split("#[cfg(test)]").next().unwrap_or_default());
        for (at, _) in text.match_indices("crate::") {
            let rest = &text[at + "crate::".len()..];
            let names: Vec<&str> = rest
                .split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'))
                .next()
                .unwrap_or_default()
                .split("::")
                .collect();
            let used = names[0];
            if used.is_empty() || used == room || !rules.contains_key(used) || allowed.contains(&"*") {
                continue;
            }
            let typed = names.get(1).is_some_and(|n| *n == "types");
            let by_types = used == "jobs" && typed && allowed.contains(&"jobs::types");
            if !allowed.contains(&used) && !by_types {
                wrong.push(format!("{inside}: {room} may not use {used}"));
            }
        }
        for (word, rooms) in WORDS {
            let may = rooms.iter().any(|r| *r == room || *r == inside);
            if !may && text.contains(word) {
                wrong.push(format!("{inside}: {word} belongs to {}", rooms.join(", ")));
            }
        }
        if text.contains("cuda")
            && !["nn/device.rs", "nn/error.rs"].contains(&inside.as_str())
            && !inside.starts_with("nn/ops/")
            && !inside.starts_with("cli/")
        {
            wrong.push(format!(
                "{inside}: only nn/device.rs (with its sentences in nn/error.rs) and nn/ops/ know of cuda"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_room_is_named_in_the_map_of_the_crate() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let map = fs::read_to_string(root.join("src/lib.rs")).unwrap();
    for entry in fs::read_dir(root.join("src")).unwrap() {
        let path = entry.expect("a readable entry").path();
        if path.is_dir() {
            let room = path.file_name().unwrap().to_string_lossy().into_owned();
            assert!(map.contains(&format!("pub mod {room};")), "src/{room} is not a module of the crate");
            assert!(map.contains(&format!("//! | [`{room}`]")), "src/lib.rs does not say what {room} is for");
        }
    }
}
