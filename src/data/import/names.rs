//! Finds the photos of a folder by what lists call them: with or without folder, ending, or the address of a shop.

use std::collections::HashMap;

/// Endings of file names that tell the view, not the product.
const VIEWS: [&str; 22] = [
    "front", "back", "side", "left", "right", "detail", "details", "model", "flat", "main", "hero", "packshot",
    "ghost", "look", "worn", "full", "closeup", "close", "zoom", "view", "alt", "swatch",
];
/// Shortest id that is looked for at the beginning of file names.
const SHORTEST_ID: usize = 3;

/// The photos of a folder by their names. Capital and small letters are the same.
pub struct Names {
    by_path: HashMap<String, u32>,
    by_name: HashMap<String, Vec<u32>>,
    /// Last parts of the products that file names suggest.
    by_product: HashMap<String, Vec<u32>>,
    /// Names without folder and ending, sorted.
    stems: Vec<(String, u32)>,
}

/// Which photos a name means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named {
    One(u32),
    Several(Vec<u32>),
}

impl Names {
    /// `photos` are paths inside the folder, `products` what their names suggest.
    pub fn of<'a>(photos: &'a [String], products: impl IntoIterator<Item = &'a str>) -> Self {
        let mut names = Self {
            by_path: HashMap::with_capacity(2 * photos.len()),
            by_name: HashMap::with_capacity(2 * photos.len()),
            by_product: HashMap::with_capacity(photos.len()),
            stems: Vec::with_capacity(photos.len()),
        };
        for ((path, product), index) in photos.iter().zip(products).zip(0u32..) {
            let path = path.to_lowercase();
            let name = path.rsplit('/').next().unwrap_or(&path);
            let stem = stem_of(name).to_owned();
            names.by_name.entry(name.to_owned()).or_default().push(index);
            if stem != name {
                names.by_name.entry(stem.clone()).or_default().push(index);
            }
            let product = product.to_lowercase();
            let last = product.rsplit('/').next().unwrap_or(&product);
            names.by_product.entry(last.to_owned()).or_default().push(index);
            if last != product {
                names.by_product.entry(product).or_default().push(index);
            }
            names.by_path.entry(stem_of(&path).to_owned()).or_insert(index);
            names.by_path.insert(path, index);
            names.stems.push((stem, index));
        }
        names.stems.sort_unstable();
        names
    }

    /// The photos that a list calls this.
    pub fn photo(&self, named: &str) -> Option<Named> {
        let named = named.trim().replace('\\', "/").to_lowercase();
        let named = named.split_once("://").map_or(named.as_str(), |(_, rest)| rest);
        let named = named.trim_start_matches("./").trim_start_matches('/');
        for named in [named, named.split(['?', '#']).next().unwrap_or(named)] {
            if named.is_empty() {
                continue;
            }
            // The folder may be called from further up, or by an address.
            let mut rest = named;
            loop {
                if let Some(&index) = self.by_path.get(rest).filter(|_| rest.contains('/') || rest == named) {
                    return Some(Named::One(index));
                }
                match rest.split_once('/') {
                    Some((_, inner)) => rest = inner,
                    None => break,
                }
            }
            if let Some(found) = self.by_name.get(rest) {
                return Some(named_of(found));
            }
        }
        None
    }

    /// The photos of a product: those whose names suggest it, else those whose names begin with it.
    pub fn product(&self, id: &str) -> Vec<u32> {
        let id = id.trim().to_lowercase();
        if let Some(found) = self.by_product.get(&id) {
            return found.clone();
        }
        if let Some(found) = self.by_name.get(&id) {
            return found.clone();
        }
        if id.chars().count() < SHORTEST_ID {
            return Vec::new();
        }
        let first = self.stems.partition_point(|(stem, _)| stem.as_str() < id.as_str());
        let begins = self.stems[first..].iter().take_while(|(stem, _)| stem.starts_with(&id));
        let mut found: Vec<u32> = begins
            // "100" is not the beginning of "1005".
            .filter(|(stem, _)| stem[id.len()..].starts_with(|c: char| !c.is_alphanumeric()))
            .map(|(_, index)| *index)
            .collect();
        found.sort_unstable();
        found
    }
}

fn named_of(found: &[u32]) -> Named {
    match found {
        [one] => Named::One(*one),
        several => Named::Several(several.to_vec()),
    }
}

/// A name without its ending.
pub fn stem_of(name: &str) -> &str {
    match name.rsplit_once('.') {
        Some((stem, ending)) if !stem.is_empty() && !stem.ends_with('/') && !ending.contains('/') => stem,
        _ => name,
    }
}

/// A file's name without what tells the view: "100_2", "100-front" and "100 (3)" are all "100". `None` where nothing
/// else is left, as of "2" or "front".
pub fn without_view(stem: &str) -> Option<&str> {
    let mut rest = stem;
    // At most two: "100_front_2".
    for turn in 0..2 {
        let trimmed = rest.strip_suffix(')').map_or(rest, |inner| inner.trim_end());
        let closed = trimmed.len() < rest.len();
        let begins = trimmed.rfind(['_', '-', ' ', '.', '(']).map(|at| at + 1);
        let (head, view) = match begins {
            Some(at) => (trimmed[..at].trim_end_matches(['_', '-', ' ', '.', '(']), &trimmed[at..]),
            None => ("", trimmed),
        };
        if !(is_view(view) || (closed && is_short_number(view))) {
            break;
        }
        if head.is_empty() {
            // "a_1" is a product called "a"; "1" alone is none.
            return (turn > 0).then_some(rest);
        }
        rest = head;
    }
    Some(rest)
}

fn is_short_number(text: &str) -> bool {
    (1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_view(text: &str) -> bool {
    let lower = text.to_lowercase();
    let word = lower.trim_end_matches(|c: char| c.is_ascii_digit());
    let digits = lower.len() - word.len();
    is_short_number(&lower)
        || (digits <= 2 && VIEWS.contains(&word))
        // "100_a" to "100_d".
        || matches!(lower.as_str(), "a" | "b" | "c" | "d")
}
