//! Colours that a shop would name, and the combinations in which clothes are really sold.

pub type Rgb = [f32; 3];

/// A colour with the name that the shop gives it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Named {
    pub name: &'static str,
    pub rgb: Rgb,
}

macro_rules! colours {
    ($($id:ident $name:literal $hex:literal),* $(,)?) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Colour { $($id),* }
        impl Colour {
            pub fn named(self) -> Named {
                match self { $(Colour::$id => Named { name: $name, rgb: hex($hex) }),* }
            }
        }
    };
}

colours! {
    White "white" 0xF4F2EC, Cream "cream" 0xECE3CC, Ecru "ecru" 0xDCCFB4, Sand "sand" 0xCDB892, Camel "camel" 0xB98A54,
    Toffee "toffee" 0x8F5F37, Chocolate "chocolate" 0x4E3629, Black "black" 0x232326, Charcoal "charcoal" 0x42454C,
    Grey "grey" 0x8B8E94, Silver "silver" 0xBFC2C6, Navy "navy" 0x24365A, Marine "marine" 0x2F4F86, Cobalt "cobalt" 0x2C5BB5,
    Denim "denim" 0x4A6A91, Indigo "indigo" 0x2F3E63, Sky "sky" 0x96B9DA, Ice "ice blue" 0xC9DAE6, Teal "teal" 0x2B6F74,
    Petrol "petrol" 0x1F4A55, Forest "forest" 0x26483A, Bottle "bottle green" 0x1E5A41, Olive "olive" 0x6A6B3D,
    Moss "moss" 0x85894F, Sage "sage" 0xA3B39A, Mint "mint" 0xB9DAC7, Mustard "mustard" 0xD0A032, Ochre "ochre" 0xBE8334,
    Butter "butter" 0xEBD78F, Rust "rust" 0xAA5230, Coral "coral" 0xE07B62, Red "red" 0xB92F33, Burgundy "burgundy" 0x6E2436,
    Rose "rose" 0xC7748A, Blush "blush" 0xE5BFBB, Plum "plum" 0x633F63, Lilac "lilac" 0xB5A3CE, Fuchsia "fuchsia" 0xB53A7C,
}

pub const fn hex(value: u32) -> Rgb {
    [((value >> 16) & 255) as f32 / 255.0, ((value >> 8) & 255) as f32 / 255.0, (value & 255) as f32 / 255.0]
}

pub fn blend(a: Rgb, b: Rgb, t: f32) -> Rgb {
    [a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t, a[2] + (b[2] - a[2]) * t]
}

pub fn tone(colour: Rgb, k: f32) -> Rgb {
    colour.map(|c| (c * k).clamp(0.0, 1.0))
}

pub fn luma(c: Rgb) -> f32 {
    0.299 * c[0] + 0.587 * c[1] + 0.114 * c[2]
}

/// Main colour, its partner in a pattern, and an accent.
pub type Scheme = [Colour; 3];

use Colour as C;

/// Patterned and plain clothes of the everyday wardrobe.
pub const SCHEMES: &[Scheme] = &[
    [C::Navy, C::Cream, C::Red],
    [C::Cream, C::Navy, C::Rust],
    [C::White, C::Navy, C::Sky],
    [C::White, C::Red, C::Black],
    [C::White, C::Forest, C::Mustard],
    [C::Red, C::Cream, C::Navy],
    [C::Burgundy, C::Blush, C::Camel],
    [C::Forest, C::Cream, C::Mustard],
    [C::Bottle, C::Ecru, C::Rust],
    [C::Olive, C::Sand, C::Black],
    [C::Moss, C::Cream, C::Rust],
    [C::Sage, C::White, C::Forest],
    [C::Mint, C::White, C::Coral],
    [C::Mustard, C::Navy, C::Cream],
    [C::Ochre, C::Chocolate, C::Cream],
    [C::Butter, C::White, C::Sky],
    [C::Rust, C::Cream, C::Petrol],
    [C::Coral, C::White, C::Teal],
    [C::Rose, C::Cream, C::Burgundy],
    [C::Blush, C::Burgundy, C::White],
    [C::Plum, C::Lilac, C::Cream],
    [C::Lilac, C::White, C::Plum],
    [C::Fuchsia, C::White, C::Navy],
    [C::Sky, C::White, C::Navy],
    [C::Ice, C::Marine, C::White],
    [C::Cobalt, C::White, C::Butter],
    [C::Marine, C::Ice, C::Coral],
    [C::Teal, C::Cream, C::Coral],
    [C::Petrol, C::Ochre, C::Cream],
    [C::Indigo, C::Sky, C::White],
    [C::Charcoal, C::Silver, C::Mustard],
    [C::Grey, C::White, C::Navy],
    [C::Silver, C::Charcoal, C::Rose],
    [C::Black, C::White, C::Red],
    [C::Black, C::Camel, C::Cream],
    [C::Camel, C::Cream, C::Chocolate],
    [C::Sand, C::Chocolate, C::White],
    [C::Ecru, C::Black, C::Rust],
    [C::Chocolate, C::Sand, C::Coral],
    [C::Toffee, C::Ecru, C::Forest],
];

/// Coats, trousers and bags keep to quieter colours.
pub const QUIET: &[Scheme] = &[
    [C::Navy, C::Charcoal, C::Cream],
    [C::Black, C::Charcoal, C::Camel],
    [C::Charcoal, C::Grey, C::Black],
    [C::Grey, C::Charcoal, C::White],
    [C::Camel, C::Toffee, C::Cream],
    [C::Sand, C::Camel, C::White],
    [C::Ecru, C::Sand, C::Chocolate],
    [C::Olive, C::Forest, C::Sand],
    [C::Forest, C::Black, C::Camel],
    [C::Burgundy, C::Black, C::Blush],
    [C::Chocolate, C::Camel, C::Cream],
    [C::Rust, C::Chocolate, C::Cream],
    [C::Petrol, C::Navy, C::Ice],
    [C::Teal, C::Petrol, C::Cream],
    [C::Toffee, C::Chocolate, C::Sand],
    [C::Sage, C::Olive, C::Cream],
    [C::Mustard, C::Toffee, C::Cream],
    [C::Red, C::Burgundy, C::Cream],
    [C::Sky, C::Marine, C::White],
    [C::Rose, C::Burgundy, C::Cream],
];

/// Washes of denim: cloth, its lighter weft, the thread of its seams.
pub const WASHES: &[Scheme] = &[
    [C::Indigo, C::Denim, C::Ochre],
    [C::Denim, C::Sky, C::Ochre],
    [C::Sky, C::Ice, C::Sand],
    [C::Black, C::Charcoal, C::Grey],
    [C::Navy, C::Indigo, C::Camel],
    [C::Ecru, C::White, C::Sand],
];

/// A neighbour in the same family of colours: what a near-identical product would be sold in.
pub fn neighbour(colour: Colour) -> Colour {
    match colour {
        C::Navy => C::Indigo,
        C::Indigo => C::Navy,
        C::Marine => C::Cobalt,
        C::Cobalt => C::Marine,
        C::Forest => C::Bottle,
        C::Bottle => C::Forest,
        C::Olive => C::Moss,
        C::Moss => C::Olive,
        C::Sage => C::Mint,
        C::Mint => C::Sage,
        C::Mustard => C::Ochre,
        C::Ochre => C::Mustard,
        C::Camel => C::Toffee,
        C::Toffee => C::Camel,
        C::Sand => C::Ecru,
        C::Ecru => C::Sand,
        C::White => C::Cream,
        C::Cream => C::White,
        C::Black => C::Charcoal,
        C::Charcoal => C::Black,
        C::Grey => C::Silver,
        C::Silver => C::Grey,
        C::Sky => C::Ice,
        C::Ice => C::Sky,
        C::Teal => C::Petrol,
        C::Petrol => C::Teal,
        C::Rust => C::Coral,
        C::Coral => C::Rust,
        C::Red => C::Burgundy,
        C::Burgundy => C::Red,
        C::Rose => C::Fuchsia,
        C::Fuchsia => C::Rose,
        C::Blush => C::Rose,
        C::Plum => C::Burgundy,
        C::Lilac => C::Plum,
        C::Chocolate => C::Toffee,
        C::Denim => C::Indigo,
        C::Butter => C::Cream,
    }
}
