//! Which photos show one product, what it is called and what is known of it.
//!
//! By file names: what comes before the view ("100_1.jpg", "100_back.jpg") in one sub-folder is one product; a file
//! whose name is only a view belongs to the product that its sub-folder is. A list says it better and wins.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::list::{Row, Table};
use super::names::{Named, Names, stem_of, without_view};
use super::values;
use crate::domain::{Catalogue, IntakeReport, ListedPhoto, ProductId, ProductRecord, SkipReason, Skipped};

/// More photos than this with one name and a number are a series, such as a camera's, not one product.
const MOST_VIEWS: usize = 24;
/// The kind of a product of which nothing is said.
const NO_KIND: &str = "other";

/// What a photo's name says.
struct Suggested {
    product: String,
    kind: Option<String>,
}

/// What is known of a product.
#[derive(Default)]
struct Known {
    /// The line that described it first.
    line: Option<u64>,
    name: Option<String>,
    kind: Option<String>,
    attributes: BTreeMap<String, String>,
}

/// The names by which a list may call these photos.
pub fn names_of(photos: &[String]) -> Names {
    let suggested = suggestions(photos);
    Names::of(photos, suggested.iter().map(|suggested| suggested.product.as_str()))
}

/// Makes the catalogue of a folder. `photos` are sorted paths inside it.
pub fn arrange(photos: &[String], names: &Names, table: Option<Table>) -> (Catalogue, IntakeReport) {
    let suggested = suggestions(photos);
    let mut report = IntakeReport::default();
    let mut known: BTreeMap<String, Known> = BTreeMap::new();
    let mut claimed: Vec<Option<(String, u64)>> = vec![None; photos.len()];
    let with_list = table.is_some();
    if let Some(table) = table {
        let Table { file, rows, columns, skipped, notes } = table;
        report = IntakeReport { columns, skipped, notes, ..report };
        let mut claims = Claims {
            photos,
            names,
            suggested: &suggested,
            file,
            known: &mut known,
            claimed: &mut claimed,
            report: &mut report,
        };
        for row in rows {
            claims.take(row);
        }
        report.unlisted = claimed.iter().filter(|claim| claim.is_none()).count();
    }
    let owners = owners(&suggested, &claimed);
    let mut products: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, owner) in owners.iter().enumerate() {
        products.entry(owner.as_str()).or_default().push(index);
    }
    let kinds = usable_kinds(&suggested, products.len());
    let mut views = vec![0; photos.len()];
    let mut records = Vec::with_capacity(products.len());
    for (product, of_it) in &products {
        for (&index, view) in of_it.iter().zip(0..) {
            views[index] = view;
        }
        let known = known.remove(*product).unwrap_or_default();
        let from_folder = || suggested[of_it[0]].kind.clone().filter(|kind| kinds.contains(kind));
        let kind = known.kind.map(|kind| kind.to_lowercase()).or_else(from_folder);
        let name = known.name.unwrap_or_else(|| values::title(product.rsplit('/').next().unwrap_or(product)));
        records.push(ProductRecord {
            product: ProductId::new(product),
            name,
            kind: kind.unwrap_or_else(|| NO_KIND.to_owned()),
            split: None,
            attributes: known.attributes,
        });
    }
    let listed = photos.iter().zip(&owners).zip(views).map(|((photo, owner), view)| ListedPhoto {
        inside: photo.clone(),
        product: ProductId::new(owner),
        view,
    });
    let catalogue = Catalogue { products: records, photos: listed.collect() };
    report.photos = photos.len();
    report.products = catalogue.products.len();
    if !with_list {
        report.unlisted = 0;
    }
    (catalogue, report)
}

/// The product of each photo: what a line says, else that of its siblings where they agree, else what its name says.
fn owners(suggested: &[Suggested], claimed: &[Option<(String, u64)>]) -> Vec<String> {
    // `None` where siblings belong to different products.
    let mut of_siblings: HashMap<&str, Option<&str>> = HashMap::new();
    for (suggested, claim) in suggested.iter().zip(claimed) {
        if let Some((product, _)) = claim {
            let held = of_siblings.entry(&suggested.product).or_insert(Some(product));
            if *held != Some(product.as_str()) {
                *held = None;
            }
        }
    }
    suggested
        .iter()
        .zip(claimed)
        .map(|(suggested, claim)| match claim {
            Some((product, _)) => product.clone(),
            None => {
                let sibling = of_siblings.get(suggested.product.as_str()).copied().flatten();
                sibling.unwrap_or(&suggested.product).to_owned()
            }
        })
        .collect()
}

/// Folders are kinds of garments unless nearly every product has its own.
fn usable_kinds(suggested: &[Suggested], products: usize) -> HashSet<String> {
    let kinds: HashSet<String> = suggested.iter().filter_map(|suggested| suggested.kind.clone()).collect();
    if kinds.len() > 4 && kinds.len() * 2 > products { HashSet::new() } else { kinds }
}

fn suggestions(photos: &[String]) -> Vec<Suggested> {
    let mut count: HashMap<String, usize> = HashMap::new();
    let mut suggested: Vec<Suggested> = Vec::with_capacity(photos.len());
    for path in photos {
        let (folder, name) = path.rsplit_once('/').map_or(("", path.as_str()), |(folder, name)| (folder, name));
        let stem = stem_of(name);
        let within = |product: &str| if folder.is_empty() { product.to_owned() } else { format!("{folder}/{product}") };
        let (product, above) = match without_view(stem) {
            Some(product) => (within(product), folder),
            // "SKU-7/2.jpg": the folder is the product.
            None if !folder.is_empty() => (folder.to_owned(), folder.rsplit_once('/').map_or("", |(above, _)| above)),
            None => (stem.to_owned(), folder),
        };
        let kind = above.rsplit('/').next().filter(|kind| !kind.is_empty());
        let kind = kind.map(|kind| kind.replace(['_', '-'], " ").to_lowercase());
        *count.entry(product.clone()).or_default() += 1;
        suggested.push(Suggested { product, kind });
    }
    for (path, suggested) in photos.iter().zip(&mut suggested) {
        if count[&suggested.product] > MOST_VIEWS {
            stem_of(path).clone_into(&mut suggested.product);
        }
    }
    suggested
}

/// Lines of a list, one after the other.
struct Claims<'a> {
    photos: &'a [String],
    names: &'a Names,
    suggested: &'a [Suggested],
    file: String,
    known: &'a mut BTreeMap<String, Known>,
    claimed: &'a mut Vec<Option<(String, u64)>>,
    report: &'a mut IntakeReport,
}

impl Claims<'_> {
    fn skip(&mut self, line: u64, reason: SkipReason, why: &str) {
        let sentence = format!("{why}: line {line} of {}", self.file);
        self.report.skipped.push(Skipped { file: self.file.clone(), line: Some(line), reason, sentence });
    }

    fn take(&mut self, row: Row) {
        let line = row.line;
        let by_photo = !row.photos.is_empty();
        let found = if by_photo { self.photos_of(&row) } else { self.product_photos(&row) };
        if found.is_empty() {
            return;
        }
        // One product has one line, unless each of its lines names other photos.
        let before = row.product.as_ref().and_then(|product| self.known.get(product)?.line);
        if let (Some(before), false, Some(product)) = (before, by_photo, &row.product) {
            let why = format!("the product {product} is described by line {before} already, which holds");
            return self.skip(line, SkipReason::Duplicate, &why);
        }
        let mut free = Vec::with_capacity(found.len());
        for index in found {
            match &self.claimed[index as usize] {
                Some((_, before)) if *before == line => {}
                Some((_, before)) => {
                    let why = format!(
                        "the photo {} is described by line {before} already, which holds",
                        self.photos[index as usize]
                    );
                    self.skip(line, SkipReason::Duplicate, &why);
                }
                None => free.push(index),
            }
        }
        let Some(&first) = free.first() else { return };
        let product = row.product.unwrap_or_else(|| self.suggested[first as usize].product.clone());
        for index in free {
            self.claimed[index as usize] = Some((product.clone(), line));
        }
        self.report.rows += 1;
        let known = self.known.entry(product).or_default();
        known.line = known.line.or(Some(line));
        known.name = known.name.take().or(row.name);
        known.kind = known.kind.take().or(row.kind);
        for (name, value) in row.attributes {
            // What the first line says holds; later ones add.
            known.attributes.entry(name).or_insert(value);
        }
    }

    fn photos_of(&mut self, row: &Row) -> Vec<u32> {
        let mut found = Vec::new();
        for cell in &row.photos {
            // A bar divides in any case, since an address may hold much before it.
            let whole = self.names.photo(cell).filter(|_| !cell.contains('|'));
            // Several in one cell, unless a name holds such a sign.
            let parts: Vec<&str> = if whole.is_some() {
                vec![cell]
            } else {
                cell.split(['|', ';', ',']).map(str::trim).filter(|part| !part.is_empty()).collect()
            };
            for part in parts {
                match self.names.photo(part) {
                    Some(Named::One(index)) => found.push(index),
                    Some(Named::Several(several)) => {
                        let why = format!(
                            "{part:?} fits {} photos, such as {} and {}, so say in which folder",
                            several.len(),
                            self.photos[several[0] as usize],
                            self.photos[several[1] as usize]
                        );
                        self.skip(row.line, SkipReason::Ambiguous, &why);
                    }
                    None => {
                        let why = format!("there is no photo {part:?} in the folder");
                        self.skip(row.line, SkipReason::NoSuchPhoto, &why);
                    }
                }
            }
        }
        found
    }

    fn product_photos(&mut self, row: &Row) -> Vec<u32> {
        let Some(product) = &row.product else { return Vec::new() };
        let found = self.names.product(product);
        if found.is_empty() {
            let why = format!("there is no photo of the product {product:?} in the folder");
            self.skip(row.line, SkipReason::NoSuchPhoto, &why);
        }
        found
    }
}
