//! The sample wardrobe: clothes that never were, drawn from a seed, with their truth.
//!
//! A product is a [`design`]; a tailor's pattern lays it out on a dummy ([`cut`]); it is drawn once as flat cloth
//! ([`texture`]) and then laid on clean ground ([`shop`]) or on a person somewhere ([`street`]) by moving a mesh
//! ([`warp`]). Because every pixel remembers the cloth it shows, each photo knows where it corresponds to every
//! other photo of the same garment: what real data sets for retrieval do not have.
//!
//! Everything is keyed by (seed, product, photo), so the pictures are the same whatever the number of threads.

mod body;
mod cut;
mod design;
mod face;
mod light;
mod names;
mod num;
mod paint;
mod palette;
mod person;
mod scene;
mod shop;
mod street;
mod style;
mod surface;
mod texture;
mod truth;
mod warp;
mod write;

#[cfg(test)]
mod tests;

use image::RgbImage;

use crate::domain::{GarmentTruth, PhotoDomain, PhotoId, PhotoRecord, ProductId, ProductRecord, Split};

use design::{Design, Kind};
use num::Dice;
use street::{Conditions, Worn};
use style::Stylist;
use texture::Drawn;
use warp::Canvas;

pub use style::{Outfit, outfits};
pub use write::{MANIFEST, SampleReport, SynthError, manifest, write_sample};

/// Version of the drawing: of the same seed another one draws other photos.
pub const DRAWING: u32 = 2;

/// Shop photos and street photos of each product.
pub const VIEWS: u32 = 2;

/// What fixes a sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SampleSpec {
    pub products: usize,
    pub seed: u64,
    /// Pixels of the longer side of every photo.
    pub long_side: u32,
}

impl Default for SampleSpec {
    fn default() -> Self {
        Self { products: 600, seed: 7, long_side: 320 }
    }
}

/// Names of all kinds that a sample can hold.
pub fn kinds() -> Vec<&'static str> {
    Kind::ALL.iter().map(|kind| kind.as_str()).collect()
}

/// Names of all surfaces that a sample can hold.
pub fn surfaces() -> Vec<&'static str> {
    design::Pattern::ALL.iter().map(|pattern| pattern.as_str()).collect()
}

const PURPOSE_SPLIT: u64 = 4;
const PURPOSE_SHOP: u64 = 5;
const PURPOSE_STREET: u64 = 6;
const PURPOSE_OUTFIT: u64 = 7;

impl SampleSpec {
    pub fn product_id(&self, index: usize) -> ProductId {
        ProductId::new(format!("p{index:04}"))
    }

    fn photo_id(&self, domain: PhotoDomain, index: usize, view: u32) -> PhotoId {
        PhotoId::new(format!("{}/{}_{view}.jpg", domain.as_str(), self.product_id(index)))
    }

    /// The split of every product: 70 % train, 15 % validation, the rest test, shuffled by the seed.
    pub fn splits(&self) -> Vec<Split> {
        let n = self.products;
        let mut order: Vec<usize> = (0..n).collect();
        Dice::new(self.seed, PURPOSE_SPLIT, 0, 0).shuffle(&mut order);
        let (train, validation) = ((n * 70 + 50) / 100, (n * 15 + 50) / 100);
        let mut splits = vec![Split::Test; n];
        for (place, &product) in order.iter().enumerate() {
            if place < train {
                splits[product] = Split::Train;
            } else if place < train + validation {
                splits[product] = Split::Validation;
            }
        }
        splits
    }

    /// Pixels between two samples of a dense map, from those of a photo of 320: a fraction of a network's cell.
    fn map_step(&self, pixels: usize) -> usize {
        (self.long_side as usize * pixels / 320).max(2)
    }

    fn pixels(&self, size: f32) -> f32 {
        (size * self.long_side as f32 / 320.0).max(24.0)
    }

    fn size(&self, width: u32, height: u32) -> (u32, u32) {
        let k = |side: u32| (side * self.long_side / 320).max(16);
        (k(width), k(height))
    }
}

/// What the manifest says about a product.
pub fn product_record(spec: &SampleSpec, index: usize, split: Split) -> ProductRecord {
    let design = Design::of(spec.seed, index);
    ProductRecord {
        product: spec.product_id(index),
        name: names::name(&design),
        kind: design.kind.as_str().to_owned(),
        split: Some(split),
        attributes: names::attributes(&design, spec.seed, index),
    }
}

/// Draws one shop photo of a product.
pub fn render_shop(spec: &SampleSpec, product: usize, view: u32) -> (RgbImage, PhotoRecord) {
    let garment = drawn(spec, &Design::of(spec.seed, product), 330.0);
    shop_photo(spec, product, view, &garment)
}

/// Draws one street photo of a product.
pub fn render_street(spec: &SampleSpec, product: usize, view: u32) -> (RgbImage, PhotoRecord) {
    let garment = drawn(spec, &Design::of(spec.seed, product), 330.0);
    street_photo(spec, &Stylist::new(spec), product, view, garment).0
}

fn drawn(spec: &SampleSpec, design: &Design, pixels: f32) -> Drawn {
    Drawn::new(design, spec.pixels(pixels)).expect("a garment of a positive size has a picture")
}

fn shop_photo(spec: &SampleSpec, product: usize, view: u32, garment: &Drawn) -> (RgbImage, PhotoRecord) {
    let mut dice = Dice::new(spec.seed, PURPOSE_SHOP, product as u64, u64::from(view));
    let size = spec.size(256, 320);
    let how = shop::View::of(view, garment.design.kind, &mut dice);
    let canvas = shop::compose(garment, how, size, &mut dice).expect("a photo of a positive size has a picture");
    let garments = truths(spec, &canvas, &[(Some(product), garment.design.kind)], spec.map_step(16));
    let record = record(spec, PhotoDomain::Shop, product, view, &canvas, garments);
    (picture(&canvas), record)
}

/// Draws a street photo; gives the garment back for the next one.
fn street_photo(
    spec: &SampleSpec,
    stylist: &Stylist,
    product: usize,
    view: u32,
    garment: Drawn,
) -> ((RgbImage, PhotoRecord), Drawn) {
    let (canvas, mut outfit) = street_canvas(spec, stylist, product, view, garment);
    let shown: Vec<(Option<usize>, Kind)> =
        outfit.iter().map(|worn| (worn.product, worn.garment.design.kind)).collect();
    let garments = truths(spec, &canvas, &shown, spec.map_step(10));
    let record = record(spec, PhotoDomain::Street, product, view, &canvas, garments);
    let garment = outfit.swap_remove(0).garment;
    ((picture(&canvas), record), garment)
}

fn street_canvas(
    spec: &SampleSpec,
    stylist: &Stylist,
    product: usize,
    view: u32,
    garment: Drawn,
) -> (Canvas, Vec<Worn>) {
    let mut outfit = vec![Worn { garment, product: Some(product) }];
    let mut dice = Dice::new(spec.seed, PURPOSE_OUTFIT, product as u64, u64::from(view));
    dress(spec, stylist, view, &mut outfit, &mut dice);
    let (width, height) = dice.pick(&[(240, 320), (240, 320), (256, 320), (213, 320), (320, 256)]);
    // Long clothes are photographed upright.
    let long = matches!(outfit[0].garment.design.kind, Kind::Trousers | Kind::Dress | Kind::Coat);
    let size = if long && width > height { spec.size(height, width) } else { spec.size(width, height) };
    let mut best: Option<(f32, Canvas)> = None;
    // A photo in which the product is hardly seen is taken again; the last tries hide nothing on purpose.
    for attempt in 0..6 {
        let conditions = Conditions { lit: true, hidden: attempt < 3 };
        let mut dice = Dice::new(spec.seed, PURPOSE_STREET, product as u64, u64::from(view) + 1000 * attempt);
        let canvas =
            street::compose(&outfit, size, conditions, &mut dice).expect("a photo of a positive size has a picture");
        let (share, seen) = truth::visible(&canvas);
        let large = seen as f32 / (0.05 * (canvas.width * canvas.height) as f32);
        let merit = (share * 2.0).min(1.0) + large.min(1.0);
        if best.as_ref().is_none_or(|(before, _)| merit > *before) {
            best = Some((merit, canvas));
        }
        if merit >= 2.0 {
            break;
        }
    }
    let (_, canvas) = best.expect("at least one try was made");
    (canvas, outfit)
}

/// Completes an outfit around its first garment, by the sample's products that go with it; where the shop has none, by
/// clothes that nobody sells. A photo shows what is worn at that moment: jackets stay off over what is to be seen.
fn dress(spec: &SampleSpec, stylist: &Stylist, view: u32, outfit: &mut Vec<Worn>, dice: &mut Dice) {
    let main = outfit[0].garment.design;
    let Some(pieces) = outfit[0].product.and_then(|product| stylist.outfit(product, view)) else {
        let kinds = kinds_beside(main.kind, dice);
        for design in style::unsold(&kinds, &[main], dice) {
            outfit.push(Worn { garment: drawn(spec, &design, 210.0), product: None });
        }
        return;
    };
    for piece in pieces {
        let design = Design::of(spec.seed, piece);
        let shown = match (design.kind, main.kind) {
            _ if outfit[0].product == Some(piece) => false,
            (Kind::Jacket, Kind::Trousers | Kind::Shorts | Kind::Skirt) | (Kind::Jacket | Kind::Coat, Kind::Bag) => {
                dice.chance(0.25)
            }
            (Kind::Jacket | Kind::Coat, _) => false,
            (Kind::Bag, _) => dice.chance(0.2),
            _ => true,
        };
        if shown {
            outfit.push(Worn { garment: drawn(spec, &design, 210.0), product: Some(piece) });
        }
    }
}

fn kinds_beside(main: Kind, dice: &mut Dice) -> Vec<Kind> {
    let mut kinds = Vec::new();
    let bottom =
        |dice: &mut Dice| dice.pick(&[Kind::Trousers, Kind::Trousers, Kind::Trousers, Kind::Skirt, Kind::Shorts]);
    let top =
        |dice: &mut Dice| dice.pick(&[Kind::TShirt, Kind::Shirt, Kind::Blouse, Kind::Knit, Kind::TShirt, Kind::Hoodie]);
    match main {
        Kind::Jacket | Kind::Coat => {
            kinds.push(dice.pick(&[Kind::TShirt, Kind::Knit, Kind::Shirt]));
            kinds.push(bottom(dice));
        }
        Kind::Trousers | Kind::Shorts | Kind::Skirt => {
            kinds.push(top(dice));
            if dice.chance(0.2) {
                kinds.push(Kind::Jacket);
            }
        }
        Kind::Dress => {}
        Kind::Bag if dice.chance(0.25) => kinds.push(Kind::Dress),
        Kind::Bag => kinds.extend([top(dice), bottom(dice)]),
        _ => kinds.push(bottom(dice)),
    }
    if main != Kind::Bag && dice.chance(0.16) {
        kinds.push(Kind::Bag);
    }
    kinds
}

fn truths(spec: &SampleSpec, canvas: &Canvas, shown: &[(Option<usize>, Kind)], step: usize) -> Vec<GarmentTruth> {
    shown
        .iter()
        .enumerate()
        .filter_map(|(index, (product, kind))| {
            let (bbox, map) = truth::of(canvas, index as u8 + 1, if index == 0 { step } else { step * 3 / 2 })?;
            let product = product.map(|number| spec.product_id(number));
            Some(GarmentTruth { product, kind: kind.as_str().to_owned(), bbox, map: Some(map) })
        })
        .collect()
}

fn record(
    spec: &SampleSpec,
    domain: PhotoDomain,
    product: usize,
    view: u32,
    canvas: &Canvas,
    garments: Vec<GarmentTruth>,
) -> PhotoRecord {
    PhotoRecord {
        photo: spec.photo_id(domain, product, view),
        domain,
        product: spec.product_id(product),
        view,
        width: canvas.width as u32,
        height: canvas.height as u32,
        garments,
    }
}

fn picture(canvas: &Canvas) -> RgbImage {
    let rgb: Vec<u8> = canvas.picture.data().as_chunks::<4>().0.iter().flat_map(|p| [p[0], p[1], p[2]]).collect();
    RgbImage::from_raw(canvas.width as u32, canvas.height as u32, rgb).expect("three bytes for each pixel")
}

/// Street photos of test products for a first look: one of each of a few kinds, all easy to see.
pub fn examples(spec: &SampleSpec) -> Vec<PhotoId> {
    let splits = spec.splits();
    let wanted =
        [Kind::TShirt, Kind::Dress, Kind::Coat, Kind::Shirt, Kind::Skirt, Kind::Knit, Kind::Jacket, Kind::Trousers];
    wanted
        .iter()
        .filter_map(|&kind| {
            (0..spec.products)
                .filter(|&i| splits[i] == Split::Test)
                .find(|&i| {
                    let design = Design::of(spec.seed, i);
                    design.kind == kind && design.surface.pattern != design::Pattern::Plain
                })
                .map(|i| spec.photo_id(PhotoDomain::Street, i, 0))
        })
        .collect()
}

/// Products side by side: both shop photos, then both street photos of each.
pub fn contact_sheet(spec: &SampleSpec, products: &[usize]) -> RgbImage {
    let cell = (spec.long_side, spec.long_side);
    let across = match products.len() {
        0..=5 => 1,
        6..=16 => 2,
        _ => 3,
    };
    let rows = products.len().div_ceil(across).max(1);
    let mut sheet = RgbImage::from_pixel(cell.0 * (across * 4) as u32, cell.1 * rows as u32, image::Rgb([255; 3]));
    for (place, &product) in products.iter().enumerate() {
        for view in 0..VIEWS * 2 {
            let (photo, _) = if view < VIEWS {
                render_shop(spec, product, view)
            } else {
                render_street(spec, product, view - VIEWS)
            };
            let left = ((place % across) as u32 * VIEWS * 2 + view) * cell.0 + (cell.0 - photo.width()) / 2;
            let top = (place / across) as u32 * cell.1 + (cell.1 - photo.height()) / 2;
            image::imageops::replace(&mut sheet, &photo, i64::from(left), i64::from(top));
        }
    }
    sheet
}
