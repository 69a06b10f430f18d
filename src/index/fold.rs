//! Which hits stand behind a better one: further photos of a product, near duplicates, other colours of a design.

use std::collections::{HashMap, HashSet};

use rayon::prelude::*;

use crate::domain::filter::KIND;
use crate::domain::{Fold, FoldOptions, FoldedAs, Hit, PhotoId, ProductId, ProductRecord};

/// Hits that are compared with each other; those after them are folded by product and design only.
const COMPARED: usize = 1000;
/// Columns that name a design of which there are several colours, as shops and Google's product feeds call them.
const DESIGN_COLUMNS: [&str; 7] =
    ["colourway_of", "item_group_id", "group_id", "style_id", "style_code", "style", "parent_sku"];
const COLOUR_COLUMNS: [&str; 3] = ["colour", "color", "farbe"];

/// What hits can be folded by.
pub struct Alike<'a> {
    /// A photo's global vector, of length 1.
    pub vector_of: &'a (dyn Fn(&PhotoId) -> Option<Vec<f32>> + Sync),
    /// The design of which a product is one colour, where the data tell.
    pub design_of: &'a dyn Fn(&ProductId) -> Option<String>,
}

/// Folds each hit behind the first shown one that it is alike to. Comparing only with shown ones keeps the threshold's
/// meaning: whatever stands behind a tile is as near to that very tile. Pinned photos are always shown.
pub fn fold(hits: &[Hit], options: &FoldOptions, alike: &Alike<'_>, is_pinned: impl Fn(&PhotoId) -> bool) -> Vec<Fold> {
    if !options.on {
        return Vec::new();
    }
    let vectors: Vec<Option<Vec<f32>>> =
        hits.par_iter().take(COMPARED).map(|hit| (alike.vector_of)(&hit.photo)).collect();
    let mut product_at: HashMap<&ProductId, usize> = HashMap::new();
    let mut design_at: HashMap<String, usize> = HashMap::new();
    let mut shown: Vec<usize> = Vec::new();
    let mut folds = Vec::new();
    for (place, hit) in hits.iter().enumerate() {
        let design = options.colourways.then(|| (alike.design_of)(&hit.product)).flatten();
        let behind = if is_pinned(&hit.photo) {
            None
        } else if let Some(&behind) = product_at.get(&hit.product) {
            Some((behind, FoldedAs::SameProduct))
        } else if let Some(&behind) = design.as_ref().and_then(|design| design_at.get(design)) {
            Some((behind, FoldedAs::Colourway))
        } else {
            nearest(&vectors, &shown, place, options.cosine)
        };
        match behind {
            Some((behind, why)) => folds.push(Fold { place, behind, why }),
            None => shown.push(place),
        }
        let tile = behind.map_or(place, |(behind, _)| behind);
        // All that is alike to a folded hit's product or design joins the same tile.
        product_at.entry(&hit.product).or_insert(tile);
        if let Some(design) = design {
            design_at.entry(design).or_insert(tile);
        }
    }
    folds
}

/// The shown hit that is nearest, if it is near enough; of equals the better one.
fn nearest(vectors: &[Option<Vec<f32>>], shown: &[usize], place: usize, cosine: f32) -> Option<(usize, FoldedAs)> {
    let own = vectors.get(place)?.as_ref()?;
    let mut best: Option<(usize, f32)> = None;
    for &other in shown {
        let Some(vector) = vectors.get(other).and_then(Option::as_ref) else { continue };
        let similarity: f32 = own.iter().zip(vector).map(|(a, b)| a * b).sum();
        if similarity >= cosine && best.is_none_or(|(_, nearest)| similarity > nearest) {
            best = Some((other, similarity));
        }
    }
    best.map(|(behind, similarity)| (behind, FoldedAs::NearDuplicate { cosine: similarity.min(1.0) }))
}

/// The designs that the data tell of: a column that names one, else the same name, kind and brand but for the colour
/// that the name holds.
pub fn designs(products: &[ProductRecord]) -> HashMap<ProductId, String> {
    let mut designs = HashMap::new();
    for product in products {
        let given = DESIGN_COLUMNS.iter().find_map(|column| {
            let value = product.attributes.get(*column).filter(|value| !value.is_empty())?;
            Some(format!("{column} {value}"))
        });
        let design = given.or_else(|| {
            let colour = COLOUR_COLUMNS.iter().find_map(|column| product.attributes.get(*column))?;
            let name = without_words(&product.name, colour)?;
            let brand = product.attributes.get("brand").map_or("", String::as_str);
            Some(format!("{KIND} {} {brand} {name}", product.kind))
        });
        if let Some(design) = design {
            designs.insert(product.product.clone(), design);
        }
    }
    // A design of one product is none.
    let mut seen: HashMap<&String, usize> = HashMap::new();
    designs.values().for_each(|design| *seen.entry(design).or_default() += 1);
    let several: HashSet<String> = seen.into_iter().filter(|(_, n)| *n > 1).map(|(design, _)| design.clone()).collect();
    designs.retain(|_, design| several.contains(design));
    designs
}

/// A name without the words of its colour; `None` where it does not hold them or nothing else.
fn without_words(name: &str, colour: &str) -> Option<String> {
    let words = |text: &str| -> Vec<String> {
        text.to_lowercase().split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()).map(str::to_owned).collect()
    };
    let (name, colour) = (words(name), words(colour));
    if colour.is_empty() {
        return None;
    }
    let at = name.windows(colour.len()).position(|part| part == colour)?;
    let rest: Vec<String> = [&name[..at], &name[at + colour.len()..]].concat();
    (!rest.is_empty()).then(|| rest.join(" "))
}
