//! Figures and answers as people write them.

/// A price as a number with two decimals, and its currency where it is named. Knows `1.299,00 €`, `USD 1,299.00`,
/// `1'299.-` and `39,90`; a single separator before exactly three digits groups thousands.
pub fn price(text: &str) -> Option<(String, Option<&'static str>)> {
    let currency = currency(text);
    let figure: String = text.chars().filter(|c| c.is_ascii_digit() || matches!(c, '.' | ',' | '-')).collect();
    let digits = figure.trim_end_matches(['.', ',', '-']);
    if digits.starts_with('-') || !digits.contains(|c: char| c.is_ascii_digit()) || digits.contains('-') {
        return None;
    }
    // More than a figure and a currency is some other text, such as "from 20 to 30".
    let letters = text.chars().filter(|c| c.is_alphabetic()).count();
    if letters > 4 {
        return None;
    }
    let last = digits.rfind(['.', ',']);
    let decimal = last.filter(|&at| {
        let separator = &digits[at..=at];
        let after = digits.len() - at - 1;
        let alone = digits.matches(['.', ',']).count() == 1;
        digits.matches(separator).count() == 1 && !(alone && after == 3 && !digits.starts_with('0'))
    });
    let mut plain = String::with_capacity(digits.len());
    for (at, c) in digits.char_indices() {
        match c {
            '.' | ',' if Some(at) == decimal => plain.push('.'),
            '.' | ',' => {}
            digit => plain.push(digit),
        }
    }
    let amount: f64 = plain.parse().ok()?;
    Some((format!("{amount:.2}"), currency))
}

fn currency(text: &str) -> Option<&'static str> {
    const SIGNS: [(&str, &str); 5] = [("€", "EUR"), ("£", "GBP"), ("¥", "JPY"), ("₹", "INR"), ("$", "USD")];
    const CODES: [&str; 14] =
        ["EUR", "USD", "GBP", "CHF", "SEK", "NOK", "DKK", "PLN", "CZK", "JPY", "INR", "CAD", "AUD", "CNY"];
    let upper = text.to_uppercase();
    let code = CODES.into_iter().find(|code| upper.contains(code));
    code.or_else(|| SIGNS.into_iter().find(|(sign, _)| text.contains(sign)).map(|(_, code)| code))
}

/// Whether a product can be had; how many there are, where a number says so.
pub fn stock(text: &str) -> Option<(bool, Option<u64>)> {
    let plain: String = text.to_lowercase().chars().filter(|c| c.is_alphanumeric()).collect();
    let had = match plain.as_str() {
        "yes"
        | "true"
        | "y"
        | "x"
        | "instock"
        | "available"
        | "ja"
        | "oui"
        | "si"
        | "sí"
        | "auflager"
        | "lieferbar"
        | "preorder"
        | "backorder"
        | "limitedavailability" => true,
        "no" | "false" | "n" | "outofstock" | "soldout" | "unavailable" | "discontinued" | "nein" | "non"
        | "ausverkauft" | "notavailable" => false,
        _ => {
            let count: f64 = text.trim().parse().ok()?;
            let whole = (count >= 0.0 && count.fract() == 0.0).then_some(count as u64);
            return (count.is_finite()).then_some((count > 0.0, whole));
        }
    };
    Some((had, None))
}

/// "blue-linen_shirt" as "Blue linen shirt".
pub fn title(stem: &str) -> String {
    let words: Vec<&str> = stem.split(['_', '-', ' ', '.']).filter(|word| !word.is_empty()).collect();
    let text = words.join(" ");
    let mut letters = text.chars();
    letters.next().map_or_else(|| stem.to_owned(), |first| first.to_uppercase().chain(letters).collect())
}
