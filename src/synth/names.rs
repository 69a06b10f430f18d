//! What the shop writes beside a product: name, brand, price and every parameter, as text.

use std::collections::BTreeMap;

use super::design::{Closure, Collar, Cut, Design, Kind, Neck, Pattern, Pockets, Shape};
use super::num::Dice;

const BRANDS: &[&str] = &[
    "Atelier Nord",
    "Common Thread",
    "Harbour & Pine",
    "Kesten",
    "Linden",
    "Maren",
    "Oak Street",
    "Pavilion",
    "Solveig",
    "Tern",
];

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().collect::<String>() + letters.as_str()).unwrap_or_default()
}

/// "Breton long sleeve", "Forest rib knit".
pub fn name(design: &Design) -> String {
    let colour = design.colour().named().name;
    let s = &design.surface;
    let cut = &design.cut;
    let narrow = s.repeat < 3.2;
    let surface = match s.pattern {
        Pattern::Plain | Pattern::Print | Pattern::Denim => "",
        Pattern::Across if narrow => "fine stripe",
        Pattern::Across if s.repeat > 7.0 => "wide stripe",
        Pattern::Across => "stripe",
        Pattern::Along if s.balance < 0.35 || s.style % 2 == 1 => "pinstripe",
        Pattern::Along => "bar stripe",
        Pattern::Check => match s.style % 4 {
            0 => "gingham",
            1 => "windowpane",
            2 => "tartan",
            _ => "buffalo check",
        },
        Pattern::Dot if s.repeat < 4.0 => "pin dot",
        Pattern::Dot => "polka dot",
        Pattern::Floral if s.repeat < 8.0 => "ditsy floral",
        Pattern::Floral => "floral",
        Pattern::Block => "colour block",
        Pattern::Gradient => "dip-dye",
        Pattern::Rib => "rib",
        Pattern::Herringbone => "herringbone",
    };
    let noun = noun(design, cut);
    let breton = design.kind == Kind::TShirt
        && s.pattern == Pattern::Across
        && cut.sleeve > 35.0
        && matches!(colour, "navy" | "white" | "cream" | "red");
    if breton {
        let which = if colour == "navy" { String::new() } else { format!(", {colour}") };
        return format!("Breton long sleeve{which}");
    }
    let words: Vec<&str> = [colour, surface, noun.as_str()].into_iter().filter(|word| !word.is_empty()).collect();
    capitalised(&words.join(" "))
}

fn noun(design: &Design, cut: &Cut) -> String {
    let denim = design.surface.pattern == Pattern::Denim;
    match design.kind {
        Kind::TShirt => match (design.surface.pattern, cut.sleeve) {
            (_, 0.0) => "tank top",
            (Pattern::Print, _) => "graphic tee",
            (_, s) if s > 35.0 => "long sleeve",
            _ if cut.neck == Neck::Vee => "v-neck tee",
            _ if cut.length < 58.0 => "cropped tee",
            _ => "tee",
        },
        Kind::Shirt => match (denim, cut.collar, cut.sleeve > 35.0) {
            (true, _, _) => "denim shirt",
            (_, Collar::Band, _) => "grandad shirt",
            (_, _, false) => "short-sleeve shirt",
            _ if cut.ease > 6.0 => "overshirt",
            _ => "shirt",
        },
        Kind::Blouse => match cut.collar {
            Collar::Bow => "bow blouse",
            Collar::Round => "collared blouse",
            _ if cut.puff > 1.6 => "balloon-sleeve blouse",
            _ => "blouse",
        },
        Kind::Knit => match (cut.neck, cut.closure) {
            (Neck::High, _) => "roll-neck jumper",
            (_, Closure::Buttons) => "cardigan",
            (Neck::Vee, _) => "v-neck jumper",
            _ if design.surface.pattern == Pattern::Rib => "knit",
            _ => "jumper",
        },
        Kind::Hoodie => match (cut.closure, cut.sleeve > 35.0, design.surface.pattern) {
            (_, false, _) => "short-sleeve hoodie",
            (Closure::Zip, _, _) => "zip hoodie",
            (_, _, Pattern::Print) => "graphic hoodie",
            _ => "hoodie",
        },
        Kind::Jacket => match (denim, cut.collar) {
            (true, _) => "denim jacket",
            (_, Collar::Lapel) => "blazer",
            (_, Collar::Stand) => "bomber jacket",
            _ => "trucker jacket",
        },
        Kind::Coat => match (cut.collar, cut.closure) {
            (Collar::Hood, _) => "hooded parka",
            (_, Closure::Belt) => "wrap coat",
            (_, Closure::Double) => "double-breasted coat",
            _ if cut.length < 90.0 => "car coat",
            _ => "overcoat",
        },
        Kind::Dress => match (cut.shape, cut.closure) {
            (_, Closure::Belt) => "belted dress",
            (_, Closure::Buttons) => "button-through dress",
            (Shape::Pencil, _) => "sheath dress",
            (Shape::Pleated, _) => "pleated dress",
            _ if cut.length > 110.0 => "maxi dress",
            _ if cut.sleeve == 0.0 => "summer dress",
            _ => "day dress",
        },
        Kind::Skirt => match (denim, cut.shape) {
            (true, _) => "denim skirt",
            (_, Shape::Pencil) => "pencil skirt",
            (_, Shape::Pleated) => "pleated skirt",
            (_, Shape::Wide) => "circle skirt",
            _ => "a-line skirt",
        },
        Kind::Trousers => match (denim, cut.shape, cut.pockets) {
            (true, Shape::Wide, _) => "wide-leg jeans",
            (true, Shape::Flared, _) => "flared jeans",
            (true, _, _) => "jeans",
            (_, _, Pockets::Cargo) => "cargo trousers",
            (_, Shape::Wide, _) => "wide-leg trousers",
            (_, Shape::Slim, _) => "slim trousers",
            (_, Shape::Flared, _) => "flared trousers",
            _ => "trousers",
        },
        Kind::Shorts => match (denim, cut.pockets) {
            (true, _) => "denim shorts",
            (_, Pockets::Cargo) => "cargo shorts",
            _ if cut.length > 50.0 => "bermudas",
            _ => "shorts",
        },
        Kind::Bag => match cut.shape {
            Shape::Tote => "tote",
            Shape::Bucket => "bucket bag",
            Shape::Saddle => "half-moon bag",
            _ => "satchel",
        },
    }
    .to_owned()
}

fn fit(ease: f32) -> &'static str {
    match ease {
        e if e < 2.0 => "close",
        e if e < 4.5 => "regular",
        e if e < 6.6 => "relaxed",
        _ => "oversized",
    }
}

fn sleeve(cm: f32) -> &'static str {
    match cm {
        0.0 => "sleeveless",
        s if s < 21.0 => "cap",
        s if s < 30.0 => "short",
        s if s < 50.0 => "three-quarter",
        _ => "long",
    }
}

pub fn attributes(design: &Design, seed: u64, product: usize) -> BTreeMap<String, String> {
    let mut dice = Dice::new(seed, 3, product as u64, 0);
    let cut = &design.cut;
    let [main, second, accent] = design.surface.colours.map(|c| c.named().name.to_owned());
    let base = match design.kind {
        Kind::TShirt => 19.0,
        Kind::Shorts => 35.0,
        Kind::Shirt | Kind::Blouse | Kind::Skirt => 45.0,
        Kind::Knit | Kind::Hoodie | Kind::Trousers => 59.0,
        Kind::Dress => 79.0,
        Kind::Bag => 85.0,
        Kind::Jacket => 119.0,
        Kind::Coat => 189.0,
    };
    let price = (base * dice.range(0.8, 1.7)).round();
    let mut pairs = vec![
        ("colour", main),
        ("surface", design.surface.pattern.as_str().to_owned()),
        ("brand", dice.pick(BRANDS).to_owned()),
        ("price", format!("{price:.2}")),
        ("in_stock", if dice.chance(0.85) { "yes" } else { "no" }.to_owned()),
        ("length_cm", format!("{:.0}", cut.length)),
    ];
    if design.has_second_colour() {
        pairs.push(("second_colour", second));
        pairs.push(("accent_colour", accent));
        pairs.push(("repeat_cm", format!("{:.1}", design.surface.repeat)));
        pairs.push(("variant", design.surface.style.to_string()));
        pairs.push(("balance", format!("{:.2}", design.surface.balance)));
    }
    match design.kind {
        Kind::Bag => {
            pairs.push(("width_cm", format!("{:.0}", cut.ease * 2.0)));
            pairs.push(("strap_drop_cm", format!("{:.0}", cut.sleeve)));
            pairs.push(("shape", cut.shape.as_str().to_owned()));
        }
        Kind::Skirt | Kind::Trousers | Kind::Shorts => pairs.push(("shape", cut.shape.as_str().to_owned())),
        _ => {
            pairs.push(("sleeve", sleeve(cut.sleeve).to_owned()));
            pairs.push(("sleeve_cm", format!("{:.0}", cut.sleeve)));
            pairs.push(("sleeve_fullness", format!("{:.2}", cut.puff)));
            pairs.push(("neckline", cut.neck.as_str().to_owned()));
            pairs.push(("collar", cut.collar.as_str().to_owned()));
            if design.kind == Kind::Dress {
                pairs.push(("shape", cut.shape.as_str().to_owned()));
            }
        }
    }
    if design.kind != Kind::Bag {
        pairs.push(("fit", fit(cut.ease).to_owned()));
        pairs.push(("hem", cut.hem.as_str().to_owned()));
    }
    pairs.push(("closure", cut.closure.as_str().to_owned()));
    pairs.push(("pockets", cut.pockets.as_str().to_owned()));
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}
