//! Merchandising rules over a ranking: a pure function from the order without rules to the order with them.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap, HashSet};

use super::columns::Effects;
use crate::domain::{Hit, PhotoId, ProductId, Touched};

/// What rules make of a ranking.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Arranged {
    /// With new ranks; scores are those of the comparison, without what rules add.
    pub hits: Vec<Hit>,
    pub touched: BTreeMap<PhotoId, Touched>,
}

/// Better first: compared cell by cell before not compared, then by score with what rules add, then as the first
/// stage had it.
fn by_rules(a: &(Hit, Effects), b: &(Hit, Effects)) -> Ordering {
    let compared = |hit: &Hit| hit.structural.is_some();
    compared(&b.0)
        .cmp(&compared(&a.0))
        .then((b.0.score + b.1.offset).total_cmp(&(a.0.score + a.1.offset)))
        .then(a.0.global_rank.cmp(&b.0.global_rank))
}

/// Applies rules. `free` is the order without them; `beyond` are photos that only rules bring in, in any order.
///
/// Excluded products leave. The others are ordered by score plus boosts minus buries, within those that were compared
/// cell by cell and within those that were not. Then the best photo of each pinned product is put at its place, in
/// ascending order of places; where two want one place, the better one has it and the other follows. A product that is
/// excluded as well is not shown.
pub fn arrange(free: &[Hit], beyond: &[Hit], effects_of: impl Fn(&ProductId) -> Effects) -> Arranged {
    let mut known: HashMap<&ProductId, Effects> = HashMap::new();
    let mut all: Vec<(Hit, Effects)> = Vec::with_capacity(free.len() + beyond.len());
    for hit in free.iter().chain(beyond) {
        let effects = known.entry(&hit.product).or_insert_with(|| effects_of(&hit.product));
        if !effects.excluded {
            all.push((hit.clone(), effects.clone()));
        }
    }
    all.sort_by(by_rules);
    let mut seen: HashSet<ProductId> = HashSet::new();
    let (mut pins, mut rest) = (Vec::new(), Vec::new());
    for (hit, effects) in all {
        match effects.pin {
            Some(place) if seen.insert(hit.product.clone()) => pins.push((place.max(1), hit, effects)),
            _ => rest.push((hit, effects)),
        }
    }
    // Stable, so that of two pins to one place the better stays first.
    pins.sort_by_key(|(place, ..)| *place);
    let mut order: Vec<(Hit, Effects, bool)> = Vec::with_capacity(pins.len() + rest.len());
    let mut pins = pins.into_iter().peekable();
    let mut rest = rest.into_iter();
    loop {
        let due = pins.peek().is_some_and(|(place, ..)| *place <= order.len() + 1);
        match (due, rest.len()) {
            (true, _) => order.extend(pins.next().map(|(_, hit, effects)| (hit, effects, true))),
            (false, 1..) => order.extend(rest.next().map(|(hit, effects)| (hit, effects, false))),
            // Fewer results than the place says: at the end, then.
            (false, 0) => match pins.next() {
                Some((_, hit, effects)) => order.push((hit, effects, true)),
                None => break,
            },
        }
    }
    let without: HashMap<&PhotoId, usize> = free.iter().zip(1..).map(|(hit, rank)| (&hit.photo, rank)).collect();
    let mut arranged = Arranged::default();
    for ((mut hit, effects, pinned), rank) in order.into_iter().zip(1..) {
        hit.rank = rank;
        // Another photo of a pinned product stands where it stood.
        let idle = effects.offset == 0.0 && !pinned;
        if !effects.rules.is_empty() && !idle {
            let rank_without = without.get(&hit.photo).copied();
            let touched = Touched { rules: effects.rules, offset: effects.offset, pinned, rank_without };
            arranged.touched.insert(hit.photo.clone(), touched);
        }
        arranged.hits.push(hit);
    }
    arranged
}
