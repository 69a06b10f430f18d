//! The products' columns beside the rows of an index: filters, counts of values, and what rules are about, without
//! looking at a product's record again.
//!
//! Each column is a list of its distinct values and one number a product. A filter is tried once for each distinct
//! value, then looked up, so that a million rows cost milliseconds.

use std::collections::{BTreeMap, HashMap};

use crate::domain::filter::{KIND, number_of};
use crate::domain::{Facet, FacetValues, Facets, Filters, ProductId, ProductRecord, Rule, RuleId, Subject};

use super::stored::IndexedPhoto;

/// Values of a column that are listed at most.
const LISTED: usize = 2000;
/// Parts of a histogram.
const BINS: usize = 20;
/// A column is one of numbers where at least this share of its values are numbers.
const NUMBERS_SHARE: f32 = 0.95;
/// A row whose product is not known.
const UNKNOWN: u32 = u32::MAX;

struct Column {
    name: String,
    /// Distinct values; the first is the empty one, for products that have none.
    values: Vec<String>,
    /// Of each product, the place of its value.
    codes: Vec<u32>,
}

impl Column {
    fn value(&self, code: usize) -> Option<&str> {
        (code > 0).then(|| self.values[code].as_str())
    }

    fn numbers(&self) -> Option<Vec<Option<f64>>> {
        let numbers: Vec<Option<f64>> = self.values.iter().map(|value| number_of(value)).collect();
        let count = numbers.iter().flatten().count();
        // Two numbers are a choice, not a range.
        let enough = count > 2 && count as f32 >= NUMBERS_SHARE * (self.values.len() - 1) as f32;
        enough.then_some(numbers)
    }
}

/// Columns of the products whose photos are in an index.
#[derive(Default)]
pub struct Columns {
    columns: Vec<Column>,
    product_of: HashMap<ProductId, u32>,
    /// Of each row, its product.
    rows: Vec<u32>,
}

/// What the rules do to one product.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Effects {
    pub rules: Vec<RuleId>,
    pub offset: f32,
    pub excluded: bool,
    /// From 1; where several rules pin, the first place.
    pub pin: Option<usize>,
}

impl Effects {
    /// Those of the rules that are about a product, in their order.
    pub fn of<'a>(rules: impl IntoIterator<Item = &'a Rule>, is_about: impl Fn(&Subject) -> bool) -> Self {
        let mut effects = Self::default();
        for rule in rules.into_iter().filter(|rule| rule.enabled && is_about(&rule.subject)) {
            effects.rules.push(rule.id);
            effects.offset += rule.effect.offset();
            match rule.effect {
                crate::domain::Effect::Pin { place } => {
                    effects.pin = Some(effects.pin.map_or(place, |other| other.min(place)));
                }
                crate::domain::Effect::Exclude => effects.excluded = true,
                _ => {}
            }
        }
        effects
    }
}

/// What the rules do to the rows of an index.
pub struct RowRules {
    /// Added to each row's similarity.
    pub offsets: Vec<f32>,
    pub excluded: Vec<bool>,
    /// Rows of pinned products.
    pub pinned: Vec<usize>,
}

impl Columns {
    /// `products` in any order; those without a row are left out.
    pub fn new(rows: &[IndexedPhoto], products: impl IntoIterator<Item = ProductRecord>) -> Self {
        let mut product_of: HashMap<ProductId, u32> = HashMap::new();
        for row in rows {
            let next = product_of.len() as u32;
            product_of.entry(row.product.clone()).or_insert(next);
        }
        let count = product_of.len();
        let mut columns: BTreeMap<String, (HashMap<String, u32>, Column)> = BTreeMap::new();
        let mut known = vec![false; count];
        for product in products {
            let Some(&at) = product_of.get(&product.product) else { continue };
            known[at as usize] = true;
            let kind = (KIND.to_owned(), product.kind);
            for (name, value) in std::iter::once(kind).chain(product.attributes) {
                if value.is_empty() {
                    continue;
                }
                let (codes, column) = columns.entry(name).or_insert_with_key(|name| {
                    let column = Column { name: name.clone(), values: vec![String::new()], codes: vec![0; count] };
                    (HashMap::new(), column)
                });
                let next = column.values.len() as u32;
                let code = *codes.entry(value).or_insert_with_key(|value| {
                    column.values.push(value.clone());
                    next
                });
                column.codes[at as usize] = code;
            }
        }
        let rows = rows
            .iter()
            .map(|row| product_of.get(&row.product).copied().filter(|&at| known[at as usize]).unwrap_or(UNKNOWN))
            .collect();
        product_of.retain(|_, at| known[*at as usize]);
        let mut columns: Vec<Column> = columns.into_values().map(|(_, column)| column).collect();
        columns.sort_by_key(|column| (column.name != KIND, column.name.clone()));
        Self { columns, product_of, rows }
    }

    /// Names of all columns, the kind first.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|column| column.name.as_str())
    }

    pub fn products(&self) -> usize {
        self.product_of.len()
    }

    fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// How many filters each product fails, and the sum of those filters' places.
    fn failed(&self, filters: &Filters) -> Vec<(u32, u32)> {
        let mut failed = vec![(0, 0); self.places()];
        for (place, filter) in filters.iter().enumerate() {
            let mut fail = |at: usize| {
                failed[at].0 += 1;
                failed[at].1 += place as u32;
            };
            match self.column(&filter.column) {
                Some(column) => {
                    let passes: Vec<bool> =
                        (0..column.values.len()).map(|code| filter.test.passes(column.value(code))).collect();
                    for (at, &code) in column.codes.iter().enumerate() {
                        if !passes[code as usize] {
                            fail(at);
                        }
                    }
                }
                None if !filter.test.passes(None) => (0..self.places()).for_each(fail),
                None => {}
            }
        }
        failed
    }

    /// Places of products, some of which may not be known.
    fn places(&self) -> usize {
        self.columns.first().map_or(0, |column| column.codes.len())
    }

    /// Which rows pass; `None` where nothing is filtered.
    pub fn rows_passing(&self, filters: &Filters) -> Option<Vec<bool>> {
        if filters.is_empty() {
            return None;
        }
        let failed = self.failed(filters);
        Some(self.rows.iter().map(|&at| at != UNKNOWN && failed.get(at as usize).is_some_and(|f| f.0 == 0)).collect())
    }

    /// Whether any product is of this kind.
    pub fn has_kind(&self, kind: &str) -> bool {
        self.column(KIND).is_some_and(|kinds| !kind.is_empty() && kinds.values.iter().any(|value| value == kind))
    }

    /// Which rows are of products that have a kind, and not this one.
    pub fn rows_of_other_kinds(&self, own: Option<&str>) -> Vec<bool> {
        let Some(kinds) = self.column(KIND) else { return vec![false; self.rows.len()] };
        let is_other = |code: usize| kinds.value(code).is_some_and(|kind| Some(kind) != own);
        let other: Vec<bool> = (0..kinds.values.len()).map(is_other).collect();
        let of_row = |&at: &u32| kinds.codes.get(at as usize).is_some_and(|&code| other[code as usize]);
        self.rows.iter().map(|at| *at != UNKNOWN && of_row(at)).collect()
    }

    /// What can be filtered by. Each column is counted under the filters of the others, so that a further choice in it
    /// says what it would add.
    pub fn facets(&self, filters: &Filters) -> Facets {
        let failed = self.failed(filters);
        let known: Vec<usize> = {
            let mut known: Vec<usize> = self.product_of.values().map(|&at| at as usize).collect();
            known.sort_unstable();
            known
        };
        let place_of = |name: &str| filters.iter().position(|filter| filter.column == name);
        let columns = self.columns.iter().filter_map(|column| {
            let own = place_of(&column.name);
            let counted = |at: usize| match failed[at] {
                (0, _) => true,
                (1, place) => own == Some(place as usize),
                _ => false,
            };
            let mut counts = vec![0usize; column.values.len()];
            let mut missing = false;
            for &at in &known {
                let code = column.codes[at] as usize;
                missing |= code == 0;
                counts[code] += usize::from(counted(at));
            }
            // A column in which all products agree is nothing to choose by.
            if column.values.len() + usize::from(missing) < 3 && own.is_none() {
                return None;
            }
            let values = match column.numbers() {
                Some(numbers) => histogram(&numbers, &counts),
                None => listed(column, &counts, missing, filters),
            };
            Some(Facet { column: column.name.clone(), values })
        });
        let columns = columns.collect();
        let passing = known.iter().filter(|&&at| failed[at].0 == 0).count();
        Facets { products: known.len(), passing, columns }
    }

    /// What the rules do to a product.
    pub fn effects_on(&self, product: &ProductId, rules: &[Rule]) -> Effects {
        let at = self.product_of.get(product).copied();
        Effects::of(rules, |subject| match subject {
            Subject::Product { product: wanted } => wanted == product,
            Subject::Value { column, value } => at.is_some_and(|at| self.has(at, column, value)),
        })
    }

    fn has(&self, at: u32, column: &str, value: &str) -> bool {
        match self.column(column) {
            Some(column) => column.values[column.codes[at as usize] as usize] == value,
            None => value.is_empty(),
        }
    }

    /// What the rules do to all rows; `None` where no rule is enabled.
    pub fn row_rules(&self, rules: &[Rule]) -> Option<RowRules> {
        let rules: Vec<&Rule> = rules.iter().filter(|rule| rule.enabled).collect();
        if rules.is_empty() {
            return None;
        }
        let mut effects = vec![Effects::default(); self.places()];
        for (product, &at) in &self.product_of {
            effects[at as usize] = Effects::of(rules.iter().copied(), |subject| match subject {
                Subject::Product { product: wanted } => wanted == product,
                Subject::Value { column, value } => self.has(at, column, value),
            });
        }
        let of_row = |at: u32| effects.get(at as usize);
        let pinned = |&(_, &at): &(usize, &u32)| of_row(at).is_some_and(|e| e.pin.is_some() && !e.excluded);
        Some(RowRules {
            offsets: self.rows.iter().map(|&at| of_row(at).map_or(0.0, |effects| effects.offset)).collect(),
            excluded: self.rows.iter().map(|&at| of_row(at).is_some_and(|effects| effects.excluded)).collect(),
            pinned: self.rows.iter().enumerate().filter(pinned).map(|(row, _)| row).collect(),
        })
    }

    /// What a product has in a column.
    pub fn value_of(&self, product: &ProductId, column: &str) -> Option<&str> {
        let at = *self.product_of.get(product)?;
        let column = self.column(column)?;
        column.value(column.codes[at as usize] as usize)
    }
}

fn histogram(numbers: &[Option<f64>], counts: &[usize]) -> FacetValues {
    let all = || numbers.iter().flatten().copied();
    let (low, high) = (all().fold(f64::INFINITY, f64::min), all().fold(f64::NEG_INFINITY, f64::max));
    let mut bins = vec![0; BINS];
    for (number, count) in numbers.iter().zip(counts) {
        if let Some(number) = number {
            let share = if high > low { (number - low) / (high - low) } else { 0.0 };
            bins[((share * BINS as f64) as usize).min(BINS - 1)] += count;
        }
    }
    FacetValues::Number { low, high, bins }
}

fn listed(column: &Column, counts: &[usize], missing: bool, filters: &Filters) -> FacetValues {
    let chosen = |value: &str| filters.get(&column.name).is_some_and(|test| test.passes(Some(value)));
    let mut values: Vec<(String, usize)> = column
        .values
        .iter()
        .zip(counts)
        .enumerate()
        .filter(|(code, (value, count))| (*code > 0 || missing) && (**count > 0 || chosen(value)))
        .map(|(_, (value, &count))| (value.clone(), count))
        .collect();
    values.sort_by(|a, b| (a.0.is_empty(), b.1, &a.0).cmp(&(b.0.is_empty(), a.1, &b.0)));
    let more = values.len().saturating_sub(LISTED);
    values.truncate(LISTED);
    FacetValues::Text { values, more }
}
