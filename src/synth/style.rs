//! Which products of the wardrobe go together: a grammar of style over their designs.
//!
//! Four rules of dress, each of which a photo shows: colours harmonise (one is neutral, or they are neighbours or
//! opposites on the colour wheel), at most one pattern speaks up, an occasion has one degree of formality, and a day has
//! one temperature. An outfit fills its places (a top and a bottom, or a dress, with a jacket or coat and a bag) with
//! products of which every two obey all four.

use std::collections::BTreeSet;

use crate::domain::{ProductId, Split};

use super::design::{Closure, Collar, Design, Kind, Pattern, Pockets, Shape};
use super::num::Dice;
use super::palette::{Colour, Rgb};
use super::{SampleSpec, VIEWS};

/// Clothes that are worn together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outfit {
    /// No other outfit of the sample has it.
    pub id: String,
    pub products: Vec<ProductId>,
}

const PURPOSE_STYLE: u64 = 9;
/// Deals for an outfit, of which most fail for want of a match.
const DEALS: u64 = 12;
/// Products that a deal looks through, so that a large shop takes no longer for each.
const LOOKED_AT: usize = 420;
/// Unsold clothes that are tried before one is worn that does not go with the rest.
const UNSOLD_TRIES: usize = 40;
/// An outfit has this many pieces or more, so that one can be left blank and the others still say something.
const LEAST_PIECES: usize = 3;
/// Degrees between hues that are neighbours, and that opposites may be off by.
const NEIGHBOURS_DEG: f32 = 30.0;
const FORMALITY_APART: f32 = 0.35;
const WARMTH_APART: f32 = 0.4;

/// A place in an outfit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Top,
    Bottom,
    Dress,
    Outer,
    Bag,
}

/// What the rules see of a design.
#[derive(Clone, Copy, Debug)]
struct Style {
    place: Place,
    /// Degrees; `None` for colours that go with all.
    hue: Option<f32>,
    loud: bool,
    /// From 0, sport, to 1, evening.
    formality: f32,
    /// From 0, summer, to 1, winter; bags have none.
    warmth: Option<f32>,
}

impl Style {
    fn of(design: &Design) -> Self {
        let place = match design.kind {
            Kind::TShirt | Kind::Shirt | Kind::Blouse | Kind::Knit | Kind::Hoodie => Place::Top,
            Kind::Skirt | Kind::Trousers | Kind::Shorts => Place::Bottom,
            Kind::Dress => Place::Dress,
            Kind::Jacket | Kind::Coat => Place::Outer,
            Kind::Bag => Place::Bag,
        };
        let quiet = matches!(
            design.surface.pattern,
            Pattern::Plain | Pattern::Rib | Pattern::Denim | Pattern::Herringbone | Pattern::Gradient
        );
        Self { place, hue: hue(design.colour()), loud: !quiet, formality: formality(design), warmth: warmth(design) }
    }

    fn goes_with(&self, other: &Self) -> bool {
        let near = |a: f32, b: f32, apart: f32| (a - b).abs() <= apart;
        self.place != other.place
            && harmonise(self.hue, other.hue)
            && !(self.loud && other.loud)
            && near(self.formality, other.formality, FORMALITY_APART)
            && self.warmth.zip(other.warmth).is_none_or(|(a, b)| near(a, b, WARMTH_APART))
    }
}

fn harmonise(a: Option<f32>, b: Option<f32>) -> bool {
    let (Some(a), Some(b)) = (a, b) else { return true };
    let apart = (a - b).abs();
    let apart = if apart > 180.0 { 360.0 - apart } else { apart };
    apart <= NEIGHBOURS_DEG || apart >= 180.0 - NEIGHBOURS_DEG
}

/// Hue of a colour, in degrees; `None` for white to black and for the navy, denim and leather that go with all.
fn hue(colour: Colour) -> Option<f32> {
    use Colour as C;
    let neutral = matches!(
        colour,
        C::White
            | C::Cream
            | C::Ecru
            | C::Sand
            | C::Black
            | C::Charcoal
            | C::Grey
            | C::Silver
            | C::Navy
            | C::Denim
            | C::Indigo
            | C::Chocolate
    );
    (!neutral).then(|| hue_of(colour.named().rgb))
}

/// Of the hexagonal colour model (Smith 1978).
fn hue_of([r, g, b]: Rgb) -> f32 {
    let (most, least) = (r.max(g).max(b), r.min(g).min(b));
    let chroma = (most - least).max(1e-6);
    let sixths = if most == r {
        (g - b) / chroma
    } else if most == g {
        2.0 + (b - r) / chroma
    } else {
        4.0 + (r - g) / chroma
    };
    let degrees = 60.0 * sixths;
    if degrees < 0.0 { degrees + 360.0 } else { degrees }
}

fn formality(design: &Design) -> f32 {
    let cut = &design.cut;
    let denim = design.surface.pattern == Pattern::Denim;
    let base: f32 = match design.kind {
        Kind::Hoodie => 0.1,
        Kind::TShirt => 0.2,
        Kind::Shorts => 0.25,
        Kind::Knit => 0.5,
        Kind::Shirt => 0.65,
        Kind::Blouse => 0.75,
        Kind::Jacket => match cut.collar {
            Collar::Lapel => 0.85,
            Collar::Stand => 0.35,
            _ => 0.45,
        },
        Kind::Coat if cut.collar == Collar::Hood => 0.35,
        Kind::Coat if cut.closure == Closure::Double => 0.9,
        Kind::Coat => 0.7,
        Kind::Dress if cut.shape == Shape::Pencil => 0.9,
        Kind::Dress if cut.sleeve == 0.0 => 0.45,
        Kind::Dress => 0.65,
        Kind::Skirt if cut.shape == Shape::Pencil => 0.85,
        Kind::Skirt => 0.55,
        Kind::Trousers if cut.pockets == Pockets::Cargo => 0.2,
        Kind::Trousers => 0.65,
        Kind::Bag if cut.shape == Shape::Tote => 0.4,
        Kind::Bag => 0.6,
    };
    let worn = if denim { 0.25 } else { 0.0 };
    let printed = if design.surface.pattern == Pattern::Print { 0.15 } else { 0.0 };
    (base - worn - printed).max(0.0)
}

fn warmth(design: &Design) -> Option<f32> {
    let sleeve = design.cut.sleeve;
    Some(match design.kind {
        Kind::Bag => return None,
        Kind::Shorts => 0.1,
        Kind::TShirt => 0.1 + 0.005 * sleeve,
        Kind::Blouse => 0.25 + 0.003 * sleeve,
        Kind::Shirt => 0.25 + 0.004 * sleeve,
        Kind::Dress => 0.2 + 0.005 * sleeve,
        Kind::Skirt => 0.4,
        Kind::Trousers => 0.5,
        Kind::Jacket => 0.6,
        Kind::Hoodie => 0.65,
        Kind::Knit => 0.75,
        Kind::Coat => 0.85,
    })
}

/// The outfits of one split of a sample, of that split's products alone. No two have the same pieces.
pub fn outfits(spec: &SampleSpec, split: Split) -> Vec<Outfit> {
    let stylist = Stylist::new(spec);
    let mut seen = BTreeSet::new();
    let distinct = stylist
        .members(split)
        .iter()
        .flat_map(|&product| (0..VIEWS).map(move |view| (product, view)))
        .filter_map(|(product, view)| stylist.outfit(product, view))
        .filter(|pieces| seen.insert(pieces.clone()))
        .collect::<Vec<_>>();
    let name = |number: usize| format!("{}{:04}", split.as_str(), number + 1);
    let products = |pieces: Vec<usize>| pieces.into_iter().map(|product| spec.product_id(product)).collect();
    distinct.into_iter().enumerate().map(|(i, pieces)| Outfit { id: name(i), products: products(pieces) }).collect()
}

/// Knows the style of every product of a sample.
pub struct Stylist {
    seed: u64,
    splits: Vec<Split>,
    styles: Vec<Style>,
    /// Products of the training, validation and test split.
    members: [Vec<usize>; 3],
}

impl Stylist {
    pub fn new(spec: &SampleSpec) -> Self {
        let splits = spec.splits();
        let styles = (0..spec.products).map(|product| Style::of(&Design::of(spec.seed, product))).collect();
        let of = |split| (0..spec.products).filter(|&product| splits[product] == split).collect();
        let members = [Split::Train, Split::Validation, Split::Test].map(of);
        Self { seed: spec.seed, splits, styles, members }
    }

    fn members(&self, split: Split) -> &[usize] {
        match split {
            Split::Train => &self.members[0],
            Split::Validation => &self.members[1],
            Split::Test => &self.members[2],
        }
    }

    /// What is worn with a product in one of its street photos, itself included, by the order of places: products of
    /// its own split. `None` where the shop has too little that goes with it.
    pub fn outfit(&self, product: usize, view: u32) -> Option<Vec<usize>> {
        (0..DEALS).find_map(|deal| {
            let mut dice = Dice::new(self.seed, PURPOSE_STYLE, product as u64, u64::from(view) * DEALS + deal);
            self.deal(product, &mut dice)
        })
    }

    fn deal(&self, anchor: usize, dice: &mut Dice) -> Option<Vec<usize>> {
        let styles = &self.styles;
        let two_pieces = match styles[anchor].place {
            Place::Top | Place::Bottom => true,
            Place::Dress => false,
            Place::Outer | Place::Bag => dice.chance(0.65),
        };
        let body: &[Place] = if two_pieces { &[Place::Top, Place::Bottom] } else { &[Place::Dress] };
        let needed = body.iter().map(|place| (*place, true));
        let members = self.members(self.splits[anchor]);
        let mut worn = vec![anchor];
        for (place, needed) in needed.chain([(Place::Outer, false), (Place::Bag, false)]) {
            if styles[anchor].place == place {
                continue;
            }
            let (before, after) = members.split_at(dice.below(members.len()));
            let fitting: Vec<usize> = after
                .iter()
                .chain(before)
                .take(LOOKED_AT)
                .copied()
                .filter(|&piece| styles[piece].place == place)
                .filter(|&piece| worn.iter().all(|&other| styles[piece].goes_with(&styles[other])))
                .collect();
            match (fitting.is_empty(), needed) {
                (false, _) => worn.push(dice.pick(&fitting)),
                (true, true) => return None,
                (true, false) => {}
            }
        }
        worn.sort_by_key(|&piece| (styles[piece].place as usize, piece));
        (worn.len() >= LEAST_PIECES).then_some(worn)
    }
}

/// Clothes of these kinds that nobody sells, to be worn with one another and with what is worn already.
pub fn unsold(kinds: &[Kind], worn: &[Design], dice: &mut Dice) -> Vec<Design> {
    let mut all = worn.to_vec();
    for &kind in kinds {
        let mut design = Design::unsold(kind, dice);
        for _ in 0..UNSOLD_TRIES {
            let style = Style::of(&design);
            if all.iter().all(|other| style.goes_with(&Style::of(other))) {
                break;
            }
            design = Design::unsold(kind, dice);
        }
        all.push(design);
    }
    all.split_off(worn.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn goes_with(seed: u64, a: usize, b: usize) -> bool {
        Style::of(&Design::of(seed, a)).goes_with(&Style::of(&Design::of(seed, b)))
    }

    const SPLITS: [Split; 3] = [Split::Train, Split::Validation, Split::Test];

    #[test]
    fn outfits_stay_in_their_split_obey_the_grammar_and_never_repeat() {
        let spec = SampleSpec::default();
        let splits = spec.splits();
        let mut ids = BTreeSet::new();
        for split in SPLITS {
            let outfits = outfits(&spec, split);
            let members = splits.iter().filter(|s| **s == split).count();
            assert!(outfits.len() * 2 >= members, "{} outfits of {members} products", outfits.len());
            let mut seen = BTreeSet::new();
            for outfit in &outfits {
                assert!(ids.insert(outfit.id.clone()), "{} twice", outfit.id);
                let pieces: Vec<usize> =
                    outfit.products.iter().map(|product| product.as_str()[1..].parse().unwrap()).collect();
                assert!(pieces.len() >= LEAST_PIECES && seen.insert(pieces.clone()));
                for (i, &a) in pieces.iter().enumerate() {
                    assert_eq!(splits[a], split);
                    for &b in &pieces[i + 1..] {
                        assert!(goes_with(spec.seed, a, b) && goes_with(spec.seed, b, a), "{a} and {b}");
                    }
                }
            }
            assert_eq!(outfits, super::outfits(&spec, split), "the same every time");
        }
    }

    #[test]
    fn people_in_street_photos_wear_outfits() {
        let spec = SampleSpec { long_side: 96, ..SampleSpec::default() };
        let splits = spec.splits();
        let known: Vec<BTreeSet<ProductId>> = SPLITS
            .into_iter()
            .flat_map(|split| outfits(&spec, split))
            .map(|outfit| outfit.products.into_iter().collect())
            .collect();
        let mut worn_together = 0;
        for product in 0..48 {
            let (_, record) = crate::synth::render_street(&spec, product, product as u32 % VIEWS);
            let worn: BTreeSet<ProductId> = record.garments.iter().filter_map(|g| g.product.clone()).collect();
            if worn.len() < 2 {
                continue;
            }
            worn_together += 1;
            assert!(known.iter().any(|outfit| worn.is_subset(outfit)), "{worn:?} of {}", record.photo);
            assert!(worn.iter().all(|id| splits[id.as_str()[1..].parse::<usize>().unwrap()] == splits[product]));
        }
        assert!(worn_together > 20, "only {worn_together} photos show two products");
    }

    #[test]
    fn unsold_clothes_go_with_what_is_worn() {
        let mut together = 0;
        for product in 0..60 {
            let main = Design::of(7, product);
            let kind = if Style::of(&main).place == Place::Bottom { Kind::Knit } else { Kind::Trousers };
            let mut dice = Dice::new(7, PURPOSE_STYLE, product as u64, 99);
            let beside = unsold(&[kind], &[main], &mut dice);
            assert_eq!(beside.len(), 1);
            assert_eq!(beside[0].kind, kind);
            together += usize::from(Style::of(&beside[0]).goes_with(&Style::of(&main)));
        }
        assert!(together > 40, "{together} of 60");
    }

    /// The grammar must leave something to learn: most pairs of different places do not go together.
    #[test]
    fn most_pairs_do_not_go_together_and_each_rule_forbids_some() {
        let pairs: Vec<(usize, usize)> = (0..120).flat_map(|a| (0..a).map(move |b| (a, b))).collect();
        let together = pairs.iter().filter(|&&(a, b)| goes_with(7, a, b)).count();
        assert!((0.03..0.35).contains(&(together as f64 / pairs.len() as f64)), "{together} of {}", pairs.len());
        let style = Style { place: Place::Top, hue: Some(10.0), loud: true, formality: 0.5, warmth: Some(0.5) };
        let other = Style { place: Place::Bottom, loud: false, ..style };
        assert!(style.goes_with(&other));
        for wrong in [
            Style { hue: Some(100.0), ..other },
            Style { loud: true, ..other },
            Style { formality: 0.9, ..other },
            Style { warmth: Some(0.05), ..other },
            Style { place: Place::Top, ..other },
        ] {
            assert!(!style.goes_with(&wrong), "{wrong:?}");
        }
        for right in [
            Style { hue: Some(345.0), ..other },
            Style { hue: Some(195.0), ..other },
            Style { hue: None, ..other },
            Style { warmth: None, ..other },
        ] {
            assert!(style.goes_with(&right), "{right:?}");
        }
    }

    /// Oracle: the corners of the colour cube.
    #[test]
    fn hues_are_those_of_the_colour_wheel() {
        for (rgb, degrees) in [
            ([1.0, 0.0, 0.0], 0.0),
            ([1.0, 1.0, 0.0], 60.0),
            ([0.0, 1.0, 0.0], 120.0),
            ([0.0, 1.0, 1.0], 180.0),
            ([0.0, 0.0, 1.0], 240.0),
            ([1.0, 0.0, 1.0], 300.0),
            ([0.5, 0.25, 0.25], 0.0),
        ] {
            assert!((hue_of(rgb) - degrees).abs() < 1e-4, "{rgb:?}");
        }
    }
}
