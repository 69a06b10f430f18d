//! What kind of thing the values of a product attribute are. They are kept as text, as they came.

/// How a filter should offer a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AttributeKind {
    /// Every value is a number, such as a price.
    Number,
    /// Every value is yes or no.
    YesNo,
    Text,
}

impl AttributeKind {
    /// Of a column with these values; empty ones say nothing.
    pub fn of<'a>(values: impl IntoIterator<Item = &'a str>) -> Self {
        let (mut any, mut numbers, mut yes_no) = (false, true, true);
        for value in values.into_iter().map(str::trim).filter(|value| !value.is_empty()) {
            any = true;
            numbers &= number(value).is_some();
            yes_no &= self::yes_no(value).is_some();
            if !numbers && !yes_no {
                return Self::Text;
            }
        }
        match (any, yes_no, numbers) {
            (false, ..) => Self::Text,
            (_, true, _) => Self::YesNo,
            (.., true) => Self::Number,
            _ => Self::Text,
        }
    }
}

/// A finite number as attributes hold it, with a point before its decimals.
pub fn number(value: &str) -> Option<f64> {
    value.trim().parse::<f64>().ok().filter(|number| number.is_finite())
}

/// Yes or no in the words that lists use.
pub fn yes_no(value: &str) -> Option<bool> {
    match value.trim().to_lowercase().as_str() {
        "yes" | "true" | "y" => Some(true),
        "no" | "false" | "n" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_is_what_all_of_its_values_are() {
        assert_eq!(AttributeKind::of(["39.90", "", " 1200 "]), AttributeKind::Number);
        assert_eq!(AttributeKind::of(["yes", "No", "TRUE"]), AttributeKind::YesNo);
        assert_eq!(AttributeKind::of(["39.90", "on request"]), AttributeKind::Text);
        assert_eq!(AttributeKind::of(["", " "]), AttributeKind::Text);
        assert_eq!(AttributeKind::of(["NaN", "inf"]), AttributeKind::Text);
    }
}
