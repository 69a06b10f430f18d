//! What a product is before it is drawn: its kind, the parameters of its cut, its surface.
//!
//! A shop buys a kind of garment in one colour about once, so a kind's colours are dealt from a shuffled deck and only
//! then dealt again. Products come in blocks of twenty: nineteen of their own, and a cousin that differs from one of
//! those by a single trait (stripe width, sleeve, neighbouring colour…), because a catalogue has its near-twins.

use super::num::Dice;
use super::palette::{self, Colour, Scheme};

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($id:ident = $text:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $($id),* }
        impl $name {
            pub fn as_str(self) -> &'static str {
                match self { $($name::$id => $text),* }
            }
        }
    };
}

/// The same with a list of all.
macro_rules! listed {
    ($(#[$doc:meta])* $name:ident { $($id:ident = $text:literal),* $(,)? }) => {
        words! { $(#[$doc])* $name { $($id = $text),* } }
        impl $name {
            pub const ALL: &[$name] = &[$($name::$id),*];
        }
    };
}

listed! {
    /// Kinds of garment that the shop sells.
    Kind {
        TShirt = "t-shirt", Shirt = "shirt", Blouse = "blouse", Knit = "knit", Hoodie = "hoodie", Jacket = "jacket",
        Coat = "coat", Dress = "dress", Skirt = "skirt", Trousers = "trousers", Shorts = "shorts", Bag = "bag",
    }
}
listed! {
    Pattern {
        Plain = "plain", Across = "horizontal stripes", Along = "vertical stripes", Check = "checks", Dot = "dots",
        Floral = "floral", Block = "colour block", Gradient = "gradient", Print = "print", Rib = "rib",
        Herringbone = "herringbone", Denim = "denim",
    }
}
words! { Neck { Crew = "crew", Vee = "v-neck", Scoop = "scoop", Boat = "boat", High = "roll neck", Square = "square" } }
words! {
    Collar {
        None = "none", Point = "point collar", Band = "band collar", Round = "round collar", Bow = "bow", Lapel = "lapels",
        Hood = "hood", Stand = "stand-up collar",
    }
}
words! {
    Closure {
        None = "pull-on", Buttons = "buttons", Double = "double-breasted", Zip = "zip",
        Fly = "fly", Belt = "belt", Flap = "flap",
    }
}
words! {
    Pockets {
        None = "none", Chest = "chest pocket", TwoChest = "two chest pockets", Patch = "patch pockets", Welt = "welt pockets",
        Kangaroo = "kangaroo pocket", Slant = "slant pockets", Cargo = "cargo pockets",
    }
}
words! { Hem { Straight = "straight", Curved = "curved", Ribbed = "ribbed", Ruffle = "ruffled", Cuffed = "turned up" } }
words! {
    /// The silhouette below the waist, or of a bag.
    Shape {
        Regular = "regular", Slim = "slim", Relaxed = "relaxed", Aline = "a-line", Pleated = "pleated", Pencil = "pencil",
        Wide = "wide", Tapered = "tapered", Flared = "flared", Tote = "tote", Satchel = "satchel", Bucket = "bucket", Saddle = "half-moon",
    }
}

/// How a garment is cut; lengths in centimetres on a body of 172.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cut {
    /// From the shoulder line (tops, dresses, coats), from the waist (skirts, trousers), height (bags).
    pub length: f32,
    /// Along the arm; 0 is sleeveless. For a bag, the drop of its strap.
    pub sleeve: f32,
    /// Extra room on each side beyond the body. For a bag, its half width.
    pub ease: f32,
    pub neck: Neck,
    pub collar: Collar,
    pub closure: Closure,
    pub pockets: Pockets,
    pub hem: Hem,
    pub shape: Shape,
    /// Balloon sleeves where above 1.
    pub puff: f32,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Surface {
    pub pattern: Pattern,
    pub colours: Scheme,
    /// Distance after which the pattern repeats, in centimetres.
    pub repeat: f32,
    /// Which of the pattern's variants.
    pub style: u32,
    /// Share of the second colour, 0.2 to 0.8.
    pub balance: f32,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Design {
    pub kind: Kind,
    pub cut: Cut,
    pub surface: Surface,
    /// Fixes everything small: where flowers lie, how the cloth is mottled.
    pub grain: u32,
}

const PURPOSE_DESIGN: u64 = 1;
const PURPOSE_COUSIN: u64 = 2;
const PURPOSE_DECK: u64 = 3;
const OWN_IN_BLOCK: usize = 19;
pub(super) const BLOCK: usize = 20;

impl Design {
    /// The design of one product of the sample.
    pub fn of(seed: u64, product: usize) -> Self {
        let (block, place) = (product / BLOCK, product % BLOCK);
        if place < OWN_IN_BLOCK {
            return Self::own(seed, block * OWN_IN_BLOCK + place);
        }
        let parent = Self::own(seed, block * OWN_IN_BLOCK + (place - OWN_IN_BLOCK));
        parent.cousin(&mut Dice::new(seed, PURPOSE_COUSIN, product as u64, 0))
    }

    fn own(seed: u64, number: usize) -> Self {
        let mut dice = Dice::new(seed, PURPOSE_DESIGN, number as u64, 0);
        let kinds = Kind::ALL.len();
        let kind = Kind::ALL[number % kinds];
        let patterns = patterns_of(kind);
        // Round robin, so that even a small sample shows every surface that a kind is sold in.
        let of_kind = number / kinds;
        let pattern = patterns[(of_kind + number % kinds) % patterns.len()];
        let colours = if pattern == Pattern::Denim {
            deal(seed, kind, &[palette::WASHES], of_kind / patterns.len())
        } else if quiet(kind) {
            deal(seed, kind, &[palette::QUIET, palette::SCHEMES], of_kind)
        } else {
            deal(seed, kind, &[palette::SCHEMES], of_kind)
        };
        Self::drawn(kind, pattern, colours, &mut dice)
    }

    /// A garment of this kind that is worn by someone but not sold.
    pub fn unsold(kind: Kind, dice: &mut Dice) -> Self {
        let pattern = if dice.chance(0.55) { Pattern::Plain } else { dice.pick(patterns_of(kind)) };
        let schemes = match pattern {
            Pattern::Denim => palette::WASHES,
            _ if quiet(kind) => palette::QUIET,
            _ => palette::SCHEMES,
        };
        Self::drawn(kind, pattern, dice.pick(schemes), dice)
    }

    fn drawn(kind: Kind, pattern: Pattern, colours: Scheme, dice: &mut Dice) -> Self {
        let repeat = match pattern {
            Pattern::Across | Pattern::Along => dice.pick(&[2.0, 3.0, 4.2, 6.0, 9.0]),
            Pattern::Check => dice.pick(&[3.0, 4.5, 7.0, 11.0]),
            Pattern::Dot => dice.pick(&[3.2, 4.5, 6.5]),
            Pattern::Floral => dice.pick(&[6.5, 9.0, 13.0]),
            Pattern::Rib => dice.pick(&[1.4, 2.0, 2.8]),
            Pattern::Herringbone => dice.pick(&[3.0, 4.5]),
            _ => dice.pick(&[8.0, 14.0]),
        };
        let surface =
            Surface { pattern, colours, repeat, style: dice.word() % 6, balance: dice.pick(&[0.3, 0.4, 0.5, 0.62]) };
        let mut cut = cut_of(kind, dice);
        if pattern == Pattern::Print {
            // Nothing opens or ties through the middle of a picture.
            cut.pockets = if kind == Kind::Hoodie { cut.pockets } else { Pockets::None };
            cut.closure = Closure::None;
            if kind == Kind::Dress {
                cut.collar = Collar::None;
            }
        }
        Self { kind, cut, surface, grain: dice.word() }
    }

    /// A near-twin: one trait changed, everything else kept.
    fn cousin(mut self, dice: &mut Dice) -> Self {
        let before = self;
        while self == before {
            match dice.below(5) {
                0 if self.repeats() => {
                    self.surface.repeat *= if dice.chance(0.5) { 1.6 } else { 0.62 };
                }
                1 if self.cut.sleeve > 0.0 && self.kind != Kind::Bag => {
                    self.cut.sleeve = if self.cut.sleeve > 35.0 { 24.0 } else { 57.0 };
                }
                2 => self.surface.colours[0] = palette::neighbour(self.surface.colours[0]),
                3 if self.kind != Kind::Bag => {
                    self.cut.length *= if dice.chance(0.5) { 1.14 } else { 0.87 };
                }
                4 if self.has_second_colour() => {
                    let [a, b, c] = self.surface.colours;
                    self.surface.colours = if dice.chance(0.5) { [a, c, b] } else { [b, a, c] };
                }
                _ => {}
            }
        }
        self
    }

    fn repeats(&self) -> bool {
        use Pattern as S;
        matches!(self.surface.pattern, S::Across | S::Along | S::Check | S::Dot | S::Floral | S::Rib)
    }

    pub fn has_sleeves(&self) -> bool {
        let bare = matches!(self.kind, Kind::Skirt | Kind::Trousers | Kind::Shorts | Kind::Bag);
        !bare && self.cut.sleeve > 0.0
    }

    pub fn has_second_colour(&self) -> bool {
        !matches!(self.surface.pattern, Pattern::Plain | Pattern::Rib | Pattern::Denim)
    }

    pub fn colour(&self) -> Colour {
        self.surface.colours[0]
    }
}

/// Kinds that are worn in quieter colours.
fn quiet(kind: Kind) -> bool {
    matches!(kind, Kind::Coat | Kind::Jacket | Kind::Trousers | Kind::Bag | Kind::Shorts)
}

/// Card number `number` of a kind's deck, which is shuffled anew each time it has been dealt out.
fn deal(seed: u64, kind: Kind, decks: &[&[Scheme]], number: usize) -> Scheme {
    let mut deck = decks.concat();
    let (round, place) = (number / deck.len(), number % deck.len());
    let mut dice = Dice::new(seed, PURPOSE_DECK, kind as u64, ((round as u64) << 8) | deck.len() as u64);
    dice.shuffle(&mut deck);
    deck[place]
}

/// Surfaces in which a kind is sold.
fn patterns_of(kind: Kind) -> &'static [Pattern] {
    use Pattern as S;
    match kind {
        Kind::TShirt => {
            &[S::Across, S::Print, S::Plain, S::Block, S::Gradient, S::Dot, S::Print, S::Along, S::Across, S::Floral]
        }
        Kind::Shirt => &[S::Check, S::Along, S::Plain, S::Dot, S::Denim, S::Check, S::Floral, S::Along],
        Kind::Blouse => &[S::Floral, S::Dot, S::Plain, S::Gradient, S::Along, S::Floral, S::Check],
        Kind::Knit => &[S::Rib, S::Across, S::Plain, S::Block, S::Gradient, S::Rib, S::Check, S::Across],
        Kind::Hoodie => &[S::Plain, S::Print, S::Block, S::Gradient, S::Across, S::Print],
        Kind::Jacket => &[S::Denim, S::Plain, S::Check, S::Herringbone, S::Block, S::Rib],
        Kind::Coat => &[S::Plain, S::Herringbone, S::Check, S::Plain, S::Gradient, S::Block],
        Kind::Dress => {
            &[S::Floral, S::Across, S::Dot, S::Plain, S::Gradient, S::Check, S::Along, S::Print, S::Block, S::Floral]
        }
        Kind::Skirt => &[S::Plain, S::Check, S::Floral, S::Dot, S::Across, S::Denim, S::Gradient, S::Along],
        Kind::Trousers => &[S::Plain, S::Denim, S::Along, S::Check, S::Herringbone, S::Plain, S::Rib],
        Kind::Shorts => &[S::Plain, S::Denim, S::Check, S::Floral, S::Along, S::Dot, S::Block],
        Kind::Bag => &[S::Plain, S::Block, S::Check, S::Along, S::Print, S::Floral, S::Herringbone, S::Plain],
    }
}

fn cut_of(kind: Kind, dice: &mut Dice) -> Cut {
    let base = Cut {
        length: 66.0,
        sleeve: 0.0,
        ease: 3.0,
        neck: Neck::Crew,
        collar: Collar::None,
        closure: Closure::None,
        pockets: Pockets::None,
        hem: Hem::Straight,
        shape: Shape::Regular,
        puff: 1.0,
    };
    match kind {
        Kind::TShirt => Cut {
            length: dice.pick(&[52.0, 64.0, 70.0]),
            sleeve: dice.pick(&[0.0, 20.0, 22.0, 26.0, 40.0, 57.0]),
            ease: dice.pick(&[1.5, 3.0, 6.0]),
            neck: dice.pick(&[Neck::Crew, Neck::Crew, Neck::Vee, Neck::Scoop, Neck::Boat]),
            pockets: dice.pick(&[Pockets::None, Pockets::None, Pockets::Chest]),
            ..base
        },
        Kind::Shirt => Cut {
            length: dice.pick(&[66.0, 72.0, 78.0]),
            sleeve: dice.pick(&[24.0, 57.0, 57.0, 57.0]),
            ease: dice.pick(&[2.5, 4.0, 7.0]),
            neck: Neck::Vee,
            collar: dice.pick(&[Collar::Point, Collar::Point, Collar::Band]),
            closure: Closure::Buttons,
            pockets: dice.pick(&[Pockets::None, Pockets::Chest, Pockets::TwoChest]),
            hem: dice.pick(&[Hem::Curved, Hem::Curved, Hem::Straight]),
            ..base
        },
        Kind::Blouse => Cut {
            length: dice.pick(&[56.0, 62.0, 66.0]),
            sleeve: dice.pick(&[18.0, 42.0, 56.0]),
            ease: dice.pick(&[2.5, 5.0]),
            neck: dice.pick(&[Neck::Vee, Neck::Scoop, Neck::Square, Neck::Crew]),
            collar: dice.pick(&[Collar::None, Collar::Round, Collar::Bow, Collar::None]),
            closure: dice.pick(&[Closure::None, Closure::Buttons]),
            hem: dice.pick(&[Hem::Straight, Hem::Ruffle, Hem::Curved]),
            puff: dice.pick(&[1.25, 1.5, 1.75]),
            ..base
        },
        Kind::Knit => Cut {
            length: dice.pick(&[54.0, 62.0, 68.0]),
            sleeve: dice.pick(&[57.0, 57.0, 42.0]),
            ease: dice.pick(&[2.5, 5.0, 8.0]),
            neck: dice.pick(&[Neck::Crew, Neck::Vee, Neck::High, Neck::Boat]),
            closure: dice.pick(&[Closure::None, Closure::None, Closure::Buttons]),
            hem: Hem::Ribbed,
            puff: dice.pick(&[1.0, 1.0, 1.25]),
            ..base
        },
        Kind::Hoodie => Cut {
            length: dice.pick(&[56.0, 66.0, 70.0]),
            sleeve: dice.pick(&[58.0, 58.0, 24.0]),
            ease: dice.pick(&[5.0, 8.0]),
            collar: Collar::Hood,
            closure: dice.pick(&[Closure::None, Closure::Zip]),
            pockets: Pockets::Kangaroo,
            hem: Hem::Ribbed,
            ..base
        },
        Kind::Jacket => {
            let collar = dice.pick(&[Collar::Point, Collar::Lapel, Collar::Stand]);
            Cut {
                length: dice.pick(&[54.0, 62.0, 70.0]),
                sleeve: 58.0,
                ease: dice.pick(&[4.0, 6.5]),
                neck: Neck::Vee,
                collar,
                closure: match collar {
                    Collar::Stand => Closure::Zip,
                    _ => Closure::Buttons,
                },
                pockets: match collar {
                    Collar::Point => Pockets::TwoChest,
                    Collar::Lapel => Pockets::Patch,
                    _ => Pockets::Welt,
                },
                hem: if collar == Collar::Stand { Hem::Ribbed } else { Hem::Straight },
                ..base
            }
        }
        Kind::Coat => Cut {
            length: dice.pick(&[84.0, 96.0, 110.0]),
            sleeve: 59.0,
            ease: dice.pick(&[5.0, 8.0]),
            neck: Neck::Vee,
            collar: dice.pick(&[Collar::Lapel, Collar::Lapel, Collar::Stand, Collar::Hood]),
            closure: dice.pick(&[Closure::Buttons, Closure::Double, Closure::Belt]),
            pockets: dice.pick(&[Pockets::Welt, Pockets::Patch]),
            ..base
        },
        Kind::Dress => Cut {
            length: dice.pick(&[88.0, 100.0, 118.0]),
            sleeve: dice.pick(&[0.0, 0.0, 18.0, 42.0, 56.0]),
            ease: dice.pick(&[1.0, 2.0, 4.0]),
            neck: dice.pick(&[Neck::Vee, Neck::Scoop, Neck::Square, Neck::Crew, Neck::Boat]),
            collar: dice.pick(&[Collar::None, Collar::None, Collar::None, Collar::Point]),
            closure: dice.pick(&[Closure::None, Closure::Buttons, Closure::Belt]),
            hem: dice.pick(&[Hem::Straight, Hem::Straight, Hem::Ruffle]),
            shape: dice.pick(&[Shape::Aline, Shape::Aline, Shape::Pencil, Shape::Wide, Shape::Pleated]),
            puff: dice.pick(&[1.0, 1.3]),
            ..base
        },
        Kind::Skirt => Cut {
            length: dice.pick(&[40.0, 56.0, 74.0]),
            ease: 1.0,
            closure: dice.pick(&[Closure::None, Closure::Buttons, Closure::Belt]),
            pockets: dice.pick(&[Pockets::None, Pockets::Slant, Pockets::Patch]),
            hem: dice.pick(&[Hem::Straight, Hem::Straight, Hem::Ruffle]),
            shape: dice.pick(&[Shape::Aline, Shape::Pencil, Shape::Pleated, Shape::Wide]),
            ..base
        },
        Kind::Trousers => Cut {
            length: dice.pick(&[88.0, 97.0, 99.0]),
            ease: dice.pick(&[1.0, 2.5]),
            closure: dice.pick(&[Closure::Fly, Closure::Fly, Closure::Belt, Closure::None]),
            pockets: dice.pick(&[Pockets::Slant, Pockets::Slant, Pockets::Cargo]),
            hem: dice.pick(&[Hem::Straight, Hem::Straight, Hem::Cuffed]),
            shape: dice.pick(&[Shape::Slim, Shape::Regular, Shape::Wide, Shape::Tapered, Shape::Flared]),
            ..base
        },
        Kind::Shorts => Cut {
            length: dice.pick(&[38.0, 46.0, 54.0]),
            ease: dice.pick(&[1.5, 3.5]),
            closure: dice.pick(&[Closure::Fly, Closure::Fly, Closure::Belt, Closure::None]),
            pockets: dice.pick(&[Pockets::Slant, Pockets::Slant, Pockets::Cargo]),
            hem: dice.pick(&[Hem::Straight, Hem::Cuffed]),
            shape: dice.pick(&[Shape::Regular, Shape::Wide, Shape::Relaxed]),
            ..base
        },
        Kind::Bag => {
            let shape = dice.pick(&[Shape::Tote, Shape::Satchel, Shape::Bucket, Shape::Saddle]);
            Cut {
                length: if shape == Shape::Tote { 34.0 } else { dice.pick(&[20.0, 25.0]) },
                sleeve: dice.pick(&[24.0, 34.0]),
                ease: if shape == Shape::Bucket { 12.0 } else { dice.pick(&[15.0, 18.0]) },
                closure: if shape == Shape::Satchel {
                    Closure::Flap
                } else {
                    dice.pick(&[Closure::None, Closure::Zip])
                },
                pockets: dice.pick(&[Pockets::None, Pockets::Patch]),
                shape,
                ..base
            }
        }
    }
}
