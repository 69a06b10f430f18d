//! Filters, rules and folding against plain second implementations.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::searching::{query, searcher};
use crate::domain::{
    Effect, Facet, FacetValues, Filter, FilterTest, Filters, Fold, FoldOptions, FoldedAs, Hit, MatchOptions, PhotoId,
    ProductId, ProductRecord, Rule, Stage, StopFlag, Subject, Touched,
};
use crate::index::{Alike, Columns, Effects, IndexedPhoto, arrange, designs, fold};

fn product(number: usize) -> ProductRecord {
    let colours = ["navy", "red", "forest", ""];
    let mut attributes = BTreeMap::from([
        ("colour".to_owned(), colours[number % 4].to_owned()),
        ("price".to_owned(), format!("{}.50", 10 + (number * 7) % 40)),
    ]);
    if number.is_multiple_of(3) {
        attributes.insert("in_stock".to_owned(), if number.is_multiple_of(2) { "yes" } else { "no" }.to_owned());
    }
    ProductRecord {
        product: ProductId::new(format!("p{number}")),
        name: format!("Thing {number}"),
        kind: ["knit", "coat", "shirt"][number % 3].to_owned(),
        split: None,
        attributes,
    }
}

fn rows(products: usize) -> Vec<IndexedPhoto> {
    let row = |number: usize| IndexedPhoto {
        photo: PhotoId::new(format!("shop/{number:04}.png")),
        product: ProductId::new(format!("p{}", number / 2)),
    };
    (0..2 * products).map(row).collect()
}

fn filters(texts: &[&str]) -> Filters {
    texts.iter().map(|text| text.parse::<Filter>().unwrap()).collect()
}

#[test]
fn the_quick_filter_passes_what_the_plain_one_passes_and_counts_are_those_of_looking_at_each_product() {
    let products: Vec<ProductRecord> = (0..40).map(product).collect();
    // One product has no record, as one that was removed.
    let columns = Columns::new(&rows(41), products.clone());
    assert_eq!(columns.products(), 40);
    assert_eq!(columns.names().collect::<Vec<_>>(), ["kind", "colour", "in_stock", "price"]);
    assert_eq!(columns.rows_passing(&Filters::default()), None);
    for texts in [
        &["kind=knit"][..],
        &["kind=knit,coat", "price<30"],
        &["colour=navy", "price=20..45", "in_stock=yes"],
        &["colour="],
        &["colour=,red"],
        &["nothing=here"],
        &["price>1000"],
    ] {
        let filters = filters(texts);
        let wanted: Vec<bool> =
            (0..82).map(|row| products.get(row / 2).is_some_and(|product| filters.pass(product))).collect();
        assert_eq!(columns.rows_passing(&filters), Some(wanted.clone()), "{texts:?}");
        let facets = columns.facets(&filters);
        assert_eq!(facets.passing, wanted.iter().filter(|&&pass| pass).count() / 2, "{texts:?}");
        for Facet { column, values } in &facets.columns {
            let mut others = filters.clone();
            others.set(column, None);
            let counted: Vec<&ProductRecord> = products.iter().filter(|product| others.pass(product)).collect();
            match values {
                FacetValues::Text { values, more } => {
                    assert_eq!(*more, 0);
                    for (value, count) in values {
                        let test = FilterTest::one(value);
                        let has = |p: &&&ProductRecord| test.passes(crate::domain::filter::value_of(p, column));
                        assert_eq!(*count, counted.iter().filter(has).count(), "{texts:?} {column} {value}");
                    }
                    assert_eq!(
                        values.iter().map(|(_, count)| count).sum::<usize>(),
                        counted.len(),
                        "{texts:?} {column}"
                    );
                    assert!(values.windows(2).all(|pair| pair[0].1 >= pair[1].1 || pair[1].0.is_empty()));
                }
                FacetValues::Number { low, high, bins } => {
                    assert_eq!((column.as_str(), *low, *high), ("price", 10.5, 49.5));
                    assert_eq!(bins.iter().sum::<usize>(), counted.len());
                }
            }
        }
    }
}

#[test]
fn a_filtered_search_is_a_full_search_of_what_passes_and_still_gives_as_many_hits() {
    let dir = tempfile::tempdir().unwrap();
    let (searcher, embed) = searcher(dir.path(), 60);
    let query = query(&embed);
    let options = MatchOptions { rerank: 12, ..MatchOptions::default() };
    let pass: Vec<bool> = (0..60).map(|row| row % 3 == 1).collect();
    let all = searcher.search_global(&query, 60, &options);
    let mut wanted: Vec<Hit> =
        all.hits.iter().filter(|hit| pass[searcher.index().row_of(&hit.photo).unwrap()]).cloned().collect();
    wanted.iter_mut().zip(1..).for_each(|(hit, rank)| (hit.rank, hit.global_rank) = (rank, rank));
    let found = searcher.search_within(&query, 15, &options, Some(&pass));
    assert_eq!(found.hits, wanted[..15], "not only of the first 15 of all");
    // The second stage looks at no other photos, however few pass.
    let few: Vec<bool> = (0..60).map(|row| row < 5).collect();
    let found = searcher.search_within(&query, 15, &options, Some(&few));
    let ranked = searcher.rerank_given(&query, &found, &options, &StopFlag::new()).unwrap();
    assert_eq!((ranked.stage, ranked.hits.len()), (Stage::Structural, 5));
    assert!(ranked.hits.iter().all(|hit| hit.structural.is_some()));
    let none = searcher.search_within(&query, 15, &options, Some(&[false; 60]));
    let ranked = searcher.rerank_given(&query, &none, &options, &StopFlag::new()).unwrap();
    assert!(ranked.hits.is_empty() && ranked.stage == Stage::Structural);
}

#[test]
fn k_of_nothing_is_the_global_order() {
    let dir = tempfile::tempdir().unwrap();
    let (searcher, embed) = searcher(dir.path(), 40);
    let query = query(&embed);
    let options = MatchOptions { rerank: 0, ..MatchOptions::default() };
    let global = searcher.search_global(&query, 40, &options);
    let ranked = searcher.rerank_given(&query, &global, &options, &StopFlag::new()).unwrap();
    assert_eq!(ranked.hits, global.hits);
}

fn rule(id: i64, subject: Subject, effect: Effect) -> Rule {
    Rule { id, subject, effect, enabled: true, author: "m".into(), at_ms: 0 }
}

fn value(column: &str, value: &str) -> Subject {
    Subject::Value { column: column.into(), value: value.into() }
}

fn of(number: usize) -> Subject {
    Subject::Product { product: ProductId::new(format!("p{number}")) }
}

#[test]
fn rules_bring_in_exactly_the_photos_that_a_boosted_sort_of_the_whole_gallery_would() {
    let dir = tempfile::tempdir().unwrap();
    let (searcher, embed) = searcher(dir.path(), 80);
    let query = query(&embed);
    let products: Vec<ProductRecord> = (0..40).map(product).collect();
    let columns = Columns::new(searcher.index().rows(), products.clone());
    let rules = [
        rule(1, value("colour", "red"), Effect::Boost { by: 0.02 }),
        rule(2, value("kind", "coat"), Effect::Exclude),
        rule(3, of(39), Effect::Pin { place: 2 }),
        rule(4, of(5), Effect::Bury { by: 0.5 }),
    ];
    let row_rules = columns.row_rules(&rules).unwrap();
    let pass: Vec<bool> = (0..80).map(|row| row % 7 != 0).collect();
    let options = MatchOptions { rerank: 6, ..MatchOptions::default() };
    let base = searcher.search_within(&query, 10, &options, Some(&pass));
    let beyond = searcher.beyond(&query, &base, 10, Some(&pass), &row_rules);

    let all = searcher.search_global(&query, 80, &options);
    let row = |hit: &Hit| searcher.index().row_of(&hit.photo).unwrap();
    let passing: Vec<&Hit> = all.hits.iter().filter(|hit| pass[row(hit)]).collect();
    let effects = |hit: &Hit| {
        let record = &products[hit.product.as_str()[1..].parse::<usize>().unwrap()];
        Effects::of(&rules, |subject| subject.is_about(&hit.product, Some(record)))
    };
    let mut boosted: Vec<&Hit> = passing.iter().copied().filter(|hit| !effects(hit).excluded).collect();
    boosted.sort_by(|a, b| (b.score + effects(b).offset).total_cmp(&(a.score + effects(a).offset)));
    let known = |hit: &Hit| base.hits.iter().any(|other| other.photo == hit.photo);
    let mut wanted: Vec<&PhotoId> = boosted[..10].iter().filter(|hit| !known(hit)).map(|hit| &hit.photo).collect();
    for hit in &passing {
        if hit.product.as_str() == "p39" && !known(hit) && !wanted.contains(&&hit.photo) && !effects(hit).excluded {
            wanted.push(&hit.photo);
        }
    }
    let mut found: Vec<&PhotoId> = beyond.hits.iter().map(|hit| &hit.photo).collect();
    found.sort();
    wanted.sort();
    assert_eq!(found, wanted);
    assert!(!found.is_empty() && beyond.compared <= beyond.hits.len());
    for hit in &beyond.hits {
        let rank = passing.iter().position(|other| other.photo == hit.photo).unwrap() + 1;
        assert_eq!(hit.global_rank, rank, "{}", hit.photo);
    }
}

fn hit(number: usize, product: usize, score: f32, compared: bool) -> Hit {
    Hit {
        rank: number + 1,
        product: ProductId::new(format!("p{product}")),
        photo: PhotoId::new(format!("{number}")),
        score,
        global: score,
        structural: compared.then_some(0.0),
        global_rank: number + 1,
        iterations: 0,
        marginal_error: 0.0,
    }
}

/// The same rules, place by place: at each place either a pin that is due, or the best of the rest.
fn arranged_slowly(hits: &[Hit], effects: &dyn Fn(&ProductId) -> Effects) -> Vec<PhotoId> {
    let better = |a: &Hit, b: &Hit| {
        let key = |hit: &Hit| (hit.structural.is_some(), hit.score + effects(&hit.product).offset);
        let (a_key, b_key) = (key(a), key(b));
        (a_key.0 && !b_key.0)
            || (a_key.0 == b_key.0 && (a_key.1 > b_key.1 || (a_key.1 == b_key.1 && a.global_rank < b.global_rank)))
    };
    let best = |hits: &[&Hit]| -> Option<usize> {
        (0..hits.len()).find(|&a| (0..hits.len()).all(|b| a == b || better(hits[a], hits[b])))
    };
    let mut rest: Vec<&Hit> = hits.iter().filter(|hit| !effects(&hit.product).excluded).collect();
    let mut pins: Vec<(usize, &Hit)> = Vec::new();
    let products: std::collections::BTreeSet<&ProductId> = rest.iter().map(|hit| &hit.product).collect();
    for product in products {
        if let Some(place) = effects(product).pin {
            let own: Vec<&Hit> = rest.iter().copied().filter(|hit| &hit.product == product).collect();
            let pinned = own[best(&own).unwrap()];
            pins.push((place, pinned));
            rest.retain(|hit| hit.photo != pinned.photo);
        }
    }
    let mut order = Vec::new();
    while !pins.is_empty() || !rest.is_empty() {
        let place = order.len() + 1;
        let lowest = pins.iter().map(|(place, _)| *place).min();
        let due = lowest.is_some_and(|lowest| lowest <= place) || rest.is_empty();
        if due {
            let lowest = lowest.unwrap();
            let same: Vec<&Hit> = pins.iter().filter(|(place, _)| *place == lowest).map(|(_, hit)| *hit).collect();
            let first = same[best(&same).unwrap()].photo.clone();
            pins.retain(|(_, hit)| hit.photo != first);
            order.push(first);
        } else {
            let first = best(&rest).unwrap();
            order.push(rest.remove(first).photo.clone());
        }
    }
    order
}

fn effect() -> impl Strategy<Value = Effect> {
    prop_oneof![
        (1usize..14).prop_map(|place| Effect::Pin { place }),
        (1u32..9).prop_map(|n| Effect::Boost { by: n as f32 * 0.1 }),
        (1u32..9).prop_map(|n| Effect::Bury { by: n as f32 * 0.1 }),
        Just(Effect::Exclude),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn rules_give_what_placing_one_by_one_gives(
        scores in prop::collection::vec(0u32..20, 1..16),
        compared in 0usize..16,
        free in 0usize..16,
        chosen in prop::collection::vec((0usize..8, effect()), 0..7),
    ) {
        let compared = compared.min(scores.len());
        let mut hits: Vec<Hit> = scores
            .iter()
            .enumerate()
            .map(|(number, score)| hit(number, number % 8, *score as f32 * 0.05, number < compared))
            .collect();
        // As a ranking is: compared ones first, best first.
        hits.sort_by(|a, b| b.structural.is_some().cmp(&a.structural.is_some()).then(b.score.total_cmp(&a.score)));
        let rules: Vec<Rule> =
            chosen.iter().zip(1..).map(|((product, effect), id)| rule(id, of(*product), *effect)).collect();
        let effects = |product: &ProductId| Effects::of(&rules, |subject| subject.is_about(product, None));
        let (free, beyond) = hits.split_at(free.min(hits.len()));
        let arranged = arrange(free, beyond, effects);
        let photos: Vec<PhotoId> = arranged.hits.iter().map(|hit| hit.photo.clone()).collect();
        prop_assert_eq!(&photos, &arranged_slowly(&hits, &effects));
        for (hit, rank) in arranged.hits.iter().zip(1..) {
            prop_assert_eq!(hit.rank, rank);
            let touched = arranged.touched.get(&hit.photo);
            prop_assert_eq!(touched.map_or(0.0, |touched| touched.offset), effects(&hit.product).offset);
            let without = free.iter().position(|other| other.photo == hit.photo).map(|place| place + 1);
            if let Some(Touched { rank_without, .. }) = touched {
                prop_assert_eq!(*rank_without, without);
            }
        }
    }
}

#[test]
fn without_rules_nothing_moves_and_a_disabled_rule_is_none() {
    let hits: Vec<Hit> = (0..5).map(|n| hit(n, n, 1.0 - 0.1 * n as f32, true)).collect();
    let disabled = Rule { enabled: false, ..rule(1, of(2), Effect::Exclude) };
    let arranged = arrange(&hits, &[], |product| Effects::of([&disabled], |subject| subject.is_about(product, None)));
    assert_eq!((arranged.hits, arranged.touched.len()), (hits, 0));
}

fn folded(hits: &[Hit], options: &FoldOptions, vectors: &[[f32; 2]], designs: &[Option<&str>]) -> Vec<Fold> {
    let number = |text: &str| text.parse::<usize>().unwrap();
    let alike = Alike {
        vector_of: &|photo| vectors.get(number(photo.as_str())).map(|vector| vector.to_vec()),
        design_of: &|product| designs[number(&product.as_str()[1..])].map(str::to_owned),
    };
    fold(hits, options, &alike, |photo| photo.as_str() == "9")
}

#[test]
fn hits_fold_by_product_by_design_and_by_nearness_to_the_very_tile() {
    let hits: Vec<Hit> = (0..6).map(|n| hit(n, if n == 3 { 0 } else { n }, 1.0, true)).collect();
    let at = |degrees: f32| [degrees.to_radians().cos(), degrees.to_radians().sin()];
    // 1 is near to 0, and 2 is near to 1 but not to 0: it keeps its tile.
    let vectors = [at(0.0), at(5.0), at(10.0), at(80.0), at(120.0), at(200.0)];
    let designs = [None, None, Some("breton"), None, None, Some("breton")];
    let options = FoldOptions { on: true, cosine: 6.0f32.to_radians().cos(), colourways: true };
    let folds = folded(&hits, &options, &vectors, &designs);
    let places: Vec<(usize, usize)> = folds.iter().map(|fold| (fold.place, fold.behind)).collect();
    assert_eq!(places, [(1, 0), (3, 0), (5, 2)]);
    assert!(
        matches!(folds[0].why, FoldedAs::NearDuplicate { cosine } if (cosine - 5.0f32.to_radians().cos()).abs() < 1e-6)
    );
    assert_eq!((folds[1].why, folds[2].why), (FoldedAs::SameProduct, FoldedAs::Colourway));
    let apart = FoldOptions { colourways: false, cosine: 1.0, ..options };
    let places: Vec<usize> = folded(&hits, &apart, &vectors, &designs).iter().map(|fold| fold.place).collect();
    assert_eq!(places, [3], "photos of one product only");
    assert!(folded(&hits, &FoldOptions { on: false, ..options }, &vectors, &designs).is_empty());
}

#[test]
fn a_pinned_photo_is_never_folded() {
    let hits = [hit(0, 0, 1.0, true), hit(9, 0, 0.9, true), hit(2, 0, 0.8, true)];
    let places: Vec<(usize, usize)> =
        folded(&hits, &FoldOptions::default(), &[], &[None]).iter().map(|fold| (fold.place, fold.behind)).collect();
    assert_eq!(places, [(2, 0)]);
}

#[test]
fn designs_are_told_by_a_column_or_by_names_that_differ_in_the_colour_only() {
    let named = |id: &str, name: &str, pairs: &[(&str, &str)]| ProductRecord {
        product: ProductId::new(id),
        name: name.into(),
        kind: "knit".into(),
        split: None,
        attributes: pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
    };
    let products = [
        named("a", "Navy rib knit", &[("colour", "navy"), ("brand", "Solveig")]),
        named("b", "Forest rib knit", &[("colour", "forest"), ("brand", "Solveig")]),
        named("c", "Forest rib knit", &[("colour", "forest"), ("brand", "Other")]),
        named("d", "Knit", &[("item_group_id", "7")]),
        named("e", "Another", &[("item_group_id", "7")]),
        named("f", "Red", &[("colour", "red")]),
    ];
    let designs = designs(&products);
    let of = |id: &str| designs.get(&ProductId::new(id));
    assert!(of("a").is_some() && of("a") == of("b"));
    assert!(of("d").is_some() && of("d") == of("e"));
    assert_eq!((of("c"), of("f")), (None, None), "a design of one product is none");
}
