//! Which products a search may show: tests of their columns. A column is `kind`, `name`, `product`, or an attribute.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::ProductRecord;

/// The column of a product's kind, which is no attribute.
pub const KIND: &str = "kind";

/// What a column must hold. The empty text stands for "no value".
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FilterTest {
    OneOf(BTreeSet<String>),
    /// Both ends included; `None` leaves a side open. What is no number does not pass.
    Between {
        low: Option<f64>,
        high: Option<f64>,
    },
}

impl FilterTest {
    pub fn one(value: &str) -> Self {
        Self::OneOf(BTreeSet::from([value.to_owned()]))
    }

    pub fn passes(&self, value: Option<&str>) -> bool {
        match self {
            Self::OneOf(values) => values.contains(value.unwrap_or_default()),
            Self::Between { .. } => value.and_then(number_of).is_some_and(|number| self.passes_number(number)),
        }
    }

    pub fn passes_number(&self, number: f64) -> bool {
        match self {
            Self::OneOf(_) => false,
            Self::Between { low, high } => {
                low.is_none_or(|low| number >= low) && high.is_none_or(|high| number <= high)
            }
        }
    }

    /// Whether it lets everything pass, so that it is no test at all.
    pub fn is_idle(&self) -> bool {
        match self {
            Self::OneOf(values) => values.is_empty(),
            Self::Between { low, high } => low.is_none() && high.is_none(),
        }
    }

    /// "knit, shirt", "20 to 40", "from 20".
    pub fn words(&self) -> String {
        match self {
            Self::OneOf(values) => {
                let named = |value: &String| if value.is_empty() { "no value".to_owned() } else { value.clone() };
                values.iter().map(named).collect::<Vec<_>>().join(", ")
            }
            Self::Between { low: Some(low), high: Some(high) } => format!("{} to {}", figure(*low), figure(*high)),
            Self::Between { low: Some(low), high: None } => format!("from {}", figure(*low)),
            Self::Between { low: None, high: Some(high) } => format!("up to {}", figure(*high)),
            Self::Between { low: None, high: None } => "any".to_owned(),
        }
    }
}

/// One column and what it must hold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Filter {
    pub column: String,
    pub test: FilterTest,
}

/// All of them must pass; at most one for each column.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Filters(Vec<Filter>);

impl Filters {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Filter> {
        self.0.iter()
    }

    pub fn get(&self, column: &str) -> Option<&FilterTest> {
        self.0.iter().find(|filter| filter.column == column).map(|filter| &filter.test)
    }

    /// Replaces the test of a column; `None` and a test that lets everything pass take it away.
    pub fn set(&mut self, column: &str, test: Option<FilterTest>) {
        let test = test.filter(|test| !test.is_idle());
        let place = self.0.iter().position(|filter| filter.column == column);
        match (place, test) {
            (Some(place), Some(test)) => self.0[place].test = test,
            (Some(place), None) => drop(self.0.remove(place)),
            (None, Some(test)) => self.0.push(Filter { column: column.to_owned(), test }),
            (None, None) => {}
        }
    }

    /// The plain meaning, which the index's quicker way is tested against.
    pub fn pass(&self, product: &ProductRecord) -> bool {
        self.0.iter().all(|filter| filter.test.passes(value_of(product, &filter.column)))
    }
}

impl FromIterator<Filter> for Filters {
    fn from_iter<T: IntoIterator<Item = Filter>>(filters: T) -> Self {
        let mut all = Self::default();
        for filter in filters {
            all.set(&filter.column, Some(filter.test));
        }
        all
    }
}

/// What a product has in a column.
pub fn value_of<'a>(product: &'a ProductRecord, column: &str) -> Option<&'a str> {
    let value = match column {
        KIND => Some(product.kind.as_str()),
        "name" => Some(product.name.as_str()),
        "product" => Some(product.product.as_str()),
        _ => product.attributes.get(column).map(String::as_str),
    };
    value.filter(|value| !value.is_empty())
}

/// Reads "39.00", "€ 1.299,50", "1,299" and "24 GBP". A comma with three digits after it separates thousands.
pub fn number_of(text: &str) -> Option<f64> {
    let mark = |c: char| c.is_whitespace() || "€$£¥₹₩₽'’\u{202f}".contains(c);
    let letters = |c: char| c.is_alphabetic();
    let plain: String = text.chars().filter(|&c| !mark(c)).collect();
    // A currency's code before or after, but nothing that only begins with a number.
    let bare = plain.trim_matches(letters);
    let code = plain.len() - bare.len();
    if code != 0 && code != 3 {
        return None;
    }
    let normal = match (bare.rfind(','), bare.rfind('.')) {
        (Some(comma), Some(point)) if comma > point => bare.replace('.', "").replace(',', "."),
        (Some(_), Some(_)) => bare.replace(',', ""),
        (Some(comma), None) if bare.len() - comma == 4 || bare.matches(',').count() > 1 => bare.replace(',', ""),
        (Some(_), None) => bare.replace(',', "."),
        _ => bare.to_owned(),
    };
    let number = |c: char| c.is_ascii_digit() || c == '.' || c == '-' || c == '+';
    normal.chars().all(number).then(|| normal.parse::<f64>().ok()).flatten().filter(|number| number.is_finite())
}

/// At most four decimals, none that say nothing.
fn figure(number: f64) -> String {
    let text = format!("{number:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.column, self.test.words())
    }
}

impl FromStr for Filter {
    type Err = String;

    /// `kind=knit`, `colour=navy,red`, `price<40`, `price>=20`, `price=20..40`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || {
            format!("a filter is COLUMN=VALUE[,VALUE], COLUMN<NUMBER, COLUMN>NUMBER or COLUMN=LOW..HIGH, not {text:?}")
        };
        let at = text.find(['=', '<', '>']).ok_or_else(wrong)?;
        let column = text[..at].trim();
        if column.is_empty() {
            return Err(wrong());
        }
        let (sign, rest) = text[at..].split_at(if text[at + 1..].starts_with('=') { 2 } else { 1 });
        let number = |text: &str| number_of(text.trim()).ok_or_else(wrong);
        let test = match sign {
            // The next smaller number makes the open end a closed one.
            "<" => FilterTest::Between { low: None, high: Some(number(rest)?.next_down()) },
            "<=" => FilterTest::Between { low: None, high: Some(number(rest)?) },
            ">" => FilterTest::Between { low: Some(number(rest)?.next_up()), high: None },
            ">=" => FilterTest::Between { low: Some(number(rest)?), high: None },
            "=" => match rest.split_once("..") {
                Some((low, high)) if low.trim().is_empty() || number_of(low.trim()).is_some() => {
                    let side = |text: &str| if text.trim().is_empty() { Ok(None) } else { number(text).map(Some) };
                    FilterTest::Between { low: side(low)?, high: side(high)? }
                }
                _ => FilterTest::OneOf(rest.split(',').map(|value| value.trim().to_owned()).collect()),
            },
            _ => return Err(wrong()),
        };
        if let FilterTest::Between { low: Some(low), high: Some(high) } = test
            && low > high
        {
            return Err(format!("the low end {} is above the high end {}", figure(low), figure(high)));
        }
        Ok(Self { column: column.to_owned(), test })
    }
}

/// What a column offers under the filters of all other columns.
#[derive(Clone, Debug, PartialEq)]
pub struct Facet {
    pub column: String,
    pub values: FacetValues,
}

#[derive(Clone, Debug, PartialEq)]
pub enum FacetValues {
    /// Values with how many products have them, the most frequent first; the empty text is "no value".
    Text {
        values: Vec<(String, usize)>,
        /// Further values, which are too many to list.
        more: usize,
    },
    /// Smallest and largest number of all products, and how many products lie in each of equal parts between them.
    Number { low: f64, high: f64, bins: Vec<usize> },
}

/// What can be filtered by.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facets {
    pub products: usize,
    /// Products that pass all filters.
    pub passing: usize,
    /// The kind first, then in alphabetical order.
    pub columns: Vec<Facet>,
}

impl Facets {
    pub fn get(&self, column: &str) -> Option<&Facet> {
        self.columns.iter().find(|facet| facet.column == column)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Filter {
        text.parse().unwrap()
    }

    #[test]
    fn numbers_are_read_as_shops_write_them() {
        let read = [
            ("39.00", 39.0),
            ("39,00", 39.0),
            ("€ 1.299,50", 1299.5),
            ("1,299", 1299.0),
            ("$1,299.50", 1299.5),
            ("24 GBP", 24.0),
            ("-3", -3.0),
        ];
        for (text, number) in read {
            assert_eq!(number_of(text), Some(number), "{text}");
        }
        for text in ["", "navy", "39 to 40", "1e999", "NaN", "size 12", "12x", "."] {
            assert_eq!(number_of(text), None, "{text}");
        }
    }

    #[test]
    fn a_filter_of_the_command_line_is_read_and_a_wrong_one_says_how() {
        assert_eq!(parsed("kind=knit").test, FilterTest::one("knit"));
        assert_eq!(parsed("colour=navy, red").test.words(), "navy, red");
        assert_eq!(parsed("price=20..40").test, FilterTest::Between { low: Some(20.0), high: Some(40.0) });
        assert_eq!(parsed("price=..40").test.words(), "up to 40");
        let under = parsed("price<40").test;
        assert!(under.passes(Some("39.99")) && !under.passes(Some("40.00")) && !under.passes(None));
        assert!(parsed("price>=40").test.passes(Some("40")));
        assert!(!parsed("price>40").test.passes(Some("40")));
        for wrong in ["", "price", "=3", "price<cheap", "price=40..20"] {
            assert!(wrong.parse::<Filter>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_column_has_one_test_and_an_idle_one_is_none() {
        let mut filters: Filters = [parsed("kind=knit"), parsed("kind=coat"), parsed("price<40")].into_iter().collect();
        assert_eq!(filters.len(), 2);
        assert_eq!(filters.get(KIND), Some(&FilterTest::one("coat")));
        filters.set(KIND, Some(FilterTest::OneOf(BTreeSet::new())));
        assert_eq!(filters.get(KIND), None);
        let text = serde_json::to_string(&filters).unwrap();
        assert_eq!(serde_json::from_str::<Filters>(&text).unwrap(), filters);
    }
}
