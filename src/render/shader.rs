//! Joins shader files: a line `#import path` stands for that file, once.

/// Every shader file, by its path under `shaders/`.
const FILES: [(&str, &str); 3] = [
    ("common/plan.wgsl", include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/shaders/common/plan.wgsl"))),
    ("plan_picture.wgsl", include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/shaders/plan_picture.wgsl"))),
    ("plan_ribbon.wgsl", include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/shaders/plan_ribbon.wgsl"))),
];

/// The shaders that pipelines are made of, without those that are only imported.
#[cfg(test)]
pub(super) const ENTRIES: [&str; 2] = ["plan_picture.wgsl", "plan_ribbon.wgsl"];

/// A shader with everything it imports.
///
/// # Panics
/// When a file that is named does not exist: the names are all in this program, and a test resolves each.
pub(super) fn resolve(path: &str) -> String {
    let mut seen = Vec::new();
    let mut out = String::new();
    join(path, &mut seen, &mut out);
    out
}

fn join(path: &str, seen: &mut Vec<String>, out: &mut String) {
    if seen.iter().any(|name| name == path) {
        return;
    }
    seen.push(path.to_owned());
    let (_, text) =
        FILES.iter().find(|(name, _)| *name == path).expect("every import names a file of shaders/; a test checks it");
    for line in text.lines() {
        match line.strip_prefix("#import ") {
            Some(import) => join(import.trim(), seen, out),
            None => {
                out.push_str(line);
                out.push('\n');
            }
        }
    }
}
