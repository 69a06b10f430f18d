//! Filters, rules, past searches and exports, from request to event.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::Arc;

use super::{Machine, Window, street};
use crate::domain::{
    Again, CellPaint, Effect, Facets, Filter, Filters, FoldOptions, Grid, LoggedPhoto, Marginals, MatchOptions, Paint,
    PastSearch, ProductId, QueryId, Ranking, Rule, ShelfOptions, Stage, Subject,
};
use crate::jobs::past::{GalleryChange, gallery_change};
use crate::jobs::{Event, ExportFormat, FailureOf, QueryPhoto, Request, SearchRequest, ShelfEvent, ShelfRequest};
use crate::project::{Project, ShelfEdit};

fn filters(texts: &[&str]) -> Filters {
    texts.iter().map(|text| text.parse::<Filter>().unwrap()).collect()
}

impl Window {
    fn shelf(&mut self, request: ShelfRequest) {
        self.ask(Request::Shelf(request));
    }

    fn facets(&mut self) -> Arc<Facets> {
        self.wait(|event| match event {
            Event::Shelf(ShelfEvent::Facets(facets)) => Some(Arc::clone(facets)),
            _ => None,
        })
    }

    fn rules(&mut self) -> Arc<Vec<Rule>> {
        self.wait_unless_failed(|event| match event {
            Event::Shelf(ShelfEvent::Rules(rules)) => Some(Arc::clone(rules)),
            _ => None,
        })
    }

    fn past(&mut self, wanted: impl Fn(&[PastSearch]) -> bool) -> Arc<Vec<PastSearch>> {
        self.wait_unless_failed(|event| match event {
            Event::Shelf(ShelfEvent::Past(past)) => wanted(past).then(|| Arc::clone(past)),
            _ => None,
        })
    }

    fn ranked(&mut self, query: QueryId) -> Arc<Ranking> {
        self.wait_unless_failed(|event| match event {
            Event::Ranked { query: of, ranking, .. } if *of == query => {
                (ranking.stage == Stage::Structural || ranking.options.rerank == 0).then(|| Arc::clone(ranking))
            }
            _ => None,
        })
    }

    fn again(&mut self) -> Arc<Again> {
        self.wait_unless_failed(|event| match event {
            Event::Shelf(ShelfEvent::Again { again, .. }) => Some(Arc::clone(again)),
            _ => None,
        })
    }

    fn arrange(&mut self, query: QueryId, shelf: ShelfOptions) -> Arc<Ranking> {
        let options = MatchOptions { rerank: 6, ..MatchOptions::default() };
        self.shelf(ShelfRequest::Arrange { query, options, shelf, limit: 10 });
        self.ranked(query)
    }
}

/// Every photo on its own.
fn unfolded() -> ShelfOptions {
    ShelfOptions { fold: FoldOptions { on: false, ..FoldOptions::default() }, ..ShelfOptions::default() }
}

fn photos(ranking: &Ranking) -> Vec<String> {
    ranking.hits.iter().map(|hit| hit.photo.to_string()).collect()
}

#[test]
fn filters_reach_the_whole_gallery_and_say_what_they_would_add() {
    let machine = Machine::with_sample();
    let mut window = machine.start();
    window.open(None);
    let facets = window.facets();
    assert_eq!((facets.products, facets.passing), (8, 8));
    assert_eq!(facets.columns[0].column, "kind");
    assert!(facets.get("price").is_some() && facets.get("brand").is_some());
    let query = window.search(1, QueryPhoto::Project(street(2)));
    let all = window.ranked(query);
    assert_eq!((all.hits.len(), all.shelf.passing), (10, 16));

    let project = Project::open(&machine.sample()).unwrap();
    let products = project.products().unwrap();
    // The kind of the product that came last: it is found although it was not among the ten.
    let shown: Vec<&ProductId> = all.hits.iter().map(|hit| &hit.product).collect();
    let hidden =
        products.iter().find(|product| !shown.contains(&&product.product)).expect("8 products, 10 of 16 photos");
    let wanted = filters(&[&format!("product={}", hidden.product)]);
    assert!(window.arrange(query, ShelfOptions { filters: wanted, ..unfolded() }).hits.is_empty(), "no such column");
    let wanted = filters(&[&format!("kind={}", hidden.kind), &format!("brand={}", hidden.attributes["brand"])]);
    let passing: Vec<&ProductId> =
        products.iter().filter(|product| wanted.pass(product)).map(|product| &product.product).collect();
    let found = window.arrange(query, ShelfOptions { filters: wanted.clone(), ..unfolded() });
    assert_eq!(found.hits.len(), 2 * passing.len());
    assert!(found.hits.iter().all(|hit| passing.contains(&&hit.product)));
    assert!(found.hits.iter().any(|hit| hit.product == hidden.product));
    assert_eq!((found.shelf.passing, found.gallery_size), (found.hits.len(), 16));
    window.shelf(ShelfRequest::Facets { filters: wanted.clone() });
    assert_eq!(window.facets().passing, passing.len());
    // More than were asked for at first.
    let options = MatchOptions { rerank: 6, ..MatchOptions::default() };
    window.shelf(ShelfRequest::Arrange { query, options, shelf: unfolded(), limit: 16 });
    assert_eq!(window.ranked(query).hits.len(), 16);
    window.arrange(query, ShelfOptions { filters: wanted.clone(), ..unfolded() });
    // Other knobs keep the filter.
    window.ask(Request::Rerank { query, options: MatchOptions { rerank: 3, epsilon: 0.2, ..MatchOptions::default() } });
    let again = window.ranked(query);
    assert_eq!(again.hits.len(), found.hits.len());
    // Nothing passes: an answer, not an error.
    let nothing = window.arrange(query, ShelfOptions { filters: filters(&["price<0"]), ..unfolded() });
    assert!(nothing.hits.is_empty() && nothing.stage == Stage::Structural);
}

#[test]
fn rules_change_the_order_are_undone_and_can_be_looked_past() {
    let machine = Machine::with_sample();
    let mut window = machine.start();
    window.open(None);
    let query = window.search(1, QueryPhoto::Project(street(2)));
    window.ranked(query);
    let free = window.arrange(query, unfolded());
    let last = free.hits.last().unwrap().clone();
    let first = free.hits[0].clone();
    let of = |product: &ProductId| Subject::Product { product: product.clone() };
    window.seen.clear();
    window
        .shelf(ShelfRequest::Edit(ShelfEdit::AddRule { subject: of(&last.product), effect: Effect::Pin { place: 1 } }));
    window.rules();
    window.shelf(ShelfRequest::Edit(ShelfEdit::AddRule { subject: of(&first.product), effect: Effect::Exclude }));
    assert_eq!(window.rules().len(), 2);
    let ruled = window.arrange(query, unfolded());
    assert_eq!(ruled.hits[0].product, last.product);
    assert!(ruled.hits.iter().all(|hit| hit.product != first.product));
    assert_eq!((ruled.hits.len(), ruled.shelf.excluded, ruled.shelf.rules), (10, 2, 2), "ten hits still come");
    let pinned = &ruled.shelf.touched[&ruled.hits[0].photo];
    assert!(pinned.pinned);
    // The order without the two rules is that of before, and so is what is left of it.
    let without = window.arrange(query, ShelfOptions { without_rules: true, ..unfolded() });
    assert_eq!(photos(&without), photos(&free));
    let kept: Vec<String> = photos(&free)
        .into_iter()
        .filter(|photo| free.hits.iter().any(|hit| hit.photo.as_str() == photo && hit.product != first.product))
        .filter(|photo| photo != ruled.hits[0].photo.as_str())
        .collect();
    let left: Vec<String> = photos(&ruled)[1..].iter().filter(|photo| kept.contains(photo)).cloned().collect();
    assert_eq!(left, kept, "all others stand as they stood");
    window.ask(Request::Undo);
    assert_eq!(window.rules().len(), 1);
    window.ask(Request::Undo);
    assert_eq!(window.rules().len(), 0);
    assert_eq!(photos(&window.arrange(query, unfolded())), photos(&free));
}

#[test]
fn photos_of_one_product_share_a_tile() {
    let machine = Machine::with_sample();
    let mut window = machine.start();
    window.open(None);
    let query = window.search(1, QueryPhoto::Project(street(2)));
    let ranking = window.ranked(query);
    let mut first: BTreeMap<&ProductId, usize> = BTreeMap::new();
    for (place, hit) in ranking.hits.iter().enumerate() {
        let behind = ranking.shelf.folds.iter().find(|fold| fold.place == place);
        match first.get(&hit.product) {
            Some(_) => assert!(behind.is_some(), "{place}"),
            None => drop(first.insert(&hit.product, place)),
        }
    }
    assert!(window.arrange(query, unfolded()).shelf.folds.is_empty());
}

#[test]
fn a_past_search_runs_again_exactly_or_says_what_changed() {
    let machine = Machine::with_sample();
    let mut window = machine.start();
    window.open(None);
    let query = window.search(1, QueryPhoto::Project(street(2)));
    let ranking = window.ranked(query);
    let past = window.past(|past| past.len() == 1);
    let noted = &past[0].search;
    assert_eq!(noted.hits.len(), ranking.hits.len());
    assert_eq!((noted.photo_name.as_str(), noted.gallery_photos, noted.whole), ("p0002_0.jpg", 16, false));
    let id = past[0].id;
    window.shelf(ShelfRequest::Save { id });
    window.past(|past| past[0].card.starred);
    let again = |window: &mut Window, query: u64| {
        let request = SearchRequest {
            query: QueryId(query),
            photo: QueryPhoto::Project(street(2)),
            crop: Some(noted.crop),
            options: noted.options,
            limit: 10,
            shelf: noted.shelf.clone(),
            again: Some(id),
            recipe: noted.recipe.clone(),
            also: Vec::new(),
        };
        window.ask(Request::Search(request));
        window.again()
    };
    let same = again(&mut window, 2);
    assert!(same.is_same_order() && same.same_scores && same.causes.is_empty(), "{same:?}");
    assert_eq!(same.compared, 10);

    // A rule and another gallery.
    let first = ranking.hits[0].product.clone();
    let edit = ShelfEdit::AddRule { subject: Subject::Product { product: first }, effect: Effect::Exclude };
    window.shelf(ShelfRequest::Edit(edit));
    window.rules();
    let other = again(&mut window, 3);
    assert!(!other.is_same_order() && other.gone > 0);
    assert_eq!(other.causes, ["The rules changed: 1 added"]);
    window.ask(Request::Undo);
    window.rules();
    drop(window);
    fs::remove_file(machine.sample().join("shop/p0005_1.jpg")).unwrap();
    let mut window = machine.start();
    window.open(None);
    let fewer = again(&mut window, 1);
    assert_eq!(fewer.causes, ["The gallery's photos changed: 1 removed"]);
    // The saved one is still what it was.
    let past = Project::open(&machine.sample()).unwrap().past_search(id).unwrap().unwrap();
    assert_eq!(past.search, *noted);
}

#[test]
fn a_past_search_keeps_what_was_painted_and_the_further_photos() {
    let machine = Machine::with_sample();
    let mut window = machine.start();
    window.open(None);
    let outside = machine.dir.path().join("back.jpg");
    fs::copy(machine.sample().join(street(3).as_str()), &outside).unwrap();
    let mut paint = CellPaint::filled(Grid::new(7, 7), 0.0);
    for cell in 0..14 {
        paint.change(cell, 1.0);
    }
    let paint = Paint { query: Some(paint), ..Paint::default() };
    let options = MatchOptions { marginals: Marginals::Painted, ..MatchOptions::default() };
    let request = |query: u64, again, also: Vec<QueryPhoto>| SearchRequest {
        query: QueryId(query),
        photo: QueryPhoto::Project(street(2)),
        crop: None,
        options,
        limit: 10,
        shelf: ShelfOptions::default(),
        again,
        recipe: crate::domain::Recipe::default(),
        also,
    };
    window.ask(Request::Paint { query: QueryId(1), paint: Arc::new(paint.clone()) });
    window.ask(Request::Search(request(1, None, vec![QueryPhoto::File(outside.clone())])));
    window.ranked(QueryId(1));
    let past = window.past(|past| past.len() == 1);
    assert_eq!(past[0].search.paint.as_ref(), Some(&paint));
    assert_eq!(past[0].search.also, [LoggedPhoto::File { path: outside.clone() }]);
    let id = past[0].id;
    // Saved, it no longer needs the file outside.
    window.shelf(ShelfRequest::Save { id });
    let saved = window.past(|past| past[0].card.starred);
    fs::remove_file(&outside).unwrap();
    let [LoggedPhoto::Project { photo }] = saved[0].search.also.as_slice() else { panic!("{saved:?}") };
    window.ask(Request::Paint { query: QueryId(2), paint: Arc::new(paint) });
    let also = vec![QueryPhoto::Project(photo.clone())];
    window.ask(Request::Search(request(2, Some(id), also)));
    let again = window.again();
    assert!(again.is_same_order() && again.same_scores && again.causes.is_empty(), "{again:?}");
    // Without the paint and the photo the order is another one, and both reasons are given.
    window.ask(Request::Search(request(3, Some(id), Vec::new())));
    let other = window.again();
    assert_eq!(other.causes, ["One of its further photos could not be read", "Something else is painted"]);
}

#[test]
fn saving_a_search_copies_a_photo_from_outside_and_says_where_it_was_replaced() {
    let machine = Machine::with_sample();
    let mut window = machine.start();
    window.open(None);
    let outside = machine.dir.path().join("holiday.jpg");
    let bytes = fs::read(machine.sample().join(street(1).as_str())).unwrap();
    fs::write(&outside, [&bytes[..], b"x"].concat()).unwrap();
    let query = window.search(1, QueryPhoto::File(outside.clone()));
    window.ranked(query);
    let id = window.past(|past| past.len() == 1)[0].id;
    fs::write(&outside, [&bytes[..], b"another"].concat()).unwrap();
    window.shelf(ShelfRequest::Save { id });
    let failure = window.wait(|event| match event {
        Event::Failed(failure) => Some(failure.clone()),
        _ => None,
    });
    assert_eq!(failure.of, FailureOf::Shelf);
    assert!(failure.sentence.contains("replaced by another"), "{}", failure.sentence);
    fs::write(&outside, [&bytes[..], b"x"].concat()).unwrap();
    window.shelf(ShelfRequest::Save { id });
    let past = window.past(|past| past[0].card.starred);
    fs::remove_file(&outside).unwrap();
    let LoggedPhoto::Project { photo } = &past[0].search.photo else { panic!("{:?}", past[0].search.photo) };
    assert!(machine.sample().join(photo.as_str()).is_file());
}

#[test]
fn a_result_list_is_written_as_a_table_and_a_place_that_cannot_be_written_is_one_sentence() {
    let machine = Machine::with_sample();
    let mut window = machine.start();
    window.open(None);
    let query = window.search(1, QueryPhoto::Project(street(2)));
    let ranking = window.ranked(query);
    let path = machine.dir.path().join("list.csv");
    window.shelf(ShelfRequest::Export { query, only: BTreeSet::new(), format: ExportFormat::Csv, path: path.clone() });
    window.wait(|event| matches!(event, Event::Saved { .. }).then_some(()));
    let text = fs::read_to_string(&path).unwrap();
    let mut lines = text.split("\r\n");
    assert!(lines.next().unwrap().starts_with("rank,product,name,kind,photo,score,global,structural,global_rank,"));
    for hit in &ranking.hits {
        let line = lines.next().unwrap();
        assert!(line.starts_with(&format!("{},{},", hit.rank, hit.product)), "{line}");
    }
    assert_eq!((lines.next(), lines.next()), (Some(""), None));
    let path = machine.dir.path().join("list.json");
    window.shelf(ShelfRequest::Export { query, only: BTreeSet::new(), format: ExportFormat::Json, path: path.clone() });
    window.wait(|event| matches!(event, Event::Saved { .. }).then_some(()));
    let list: serde_json::Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(list[0]["photo"], ranking.hits[0].photo.as_str());
    // A part of it, chosen by hand: each line keeps its rank.
    let only = BTreeSet::from([ranking.hits[4].photo.clone(), ranking.hits[1].photo.clone()]);
    for format in [ExportFormat::Json, ExportFormat::Csv] {
        let path = machine.dir.path().join(format!("part.{}", format.extension()));
        window.shelf(ShelfRequest::Export { query, only: only.clone(), format, path: path.clone() });
        window.wait(|event| matches!(event, Event::Saved { .. }).then_some(()));
        if format == ExportFormat::Json {
            let list: serde_json::Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
            let ranks: Vec<u64> = list.as_array().unwrap().iter().map(|line| line["rank"].as_u64().unwrap()).collect();
            assert_eq!(ranks, [2, 5]);
        }
    }
    let path = machine.dir.path().join("no/such/folder/list.csv");
    window.shelf(ShelfRequest::Export { query, only: BTreeSet::new(), format: ExportFormat::Csv, path });
    let failure = window.wait(|event| match event {
        Event::Failed(failure) => Some(failure.clone()),
        _ => None,
    });
    assert!(failure.of == FailureOf::Saving && failure.sentence.starts_with("Could not write the result list"));
}

#[test]
fn changes_of_a_gallery_are_counted() {
    let entry = |photo: u8, content: u8| [[photo; 8], [content; 8]].concat();
    let then = [entry(1, 1), entry(2, 1), entry(3, 1)].concat();
    let now = [entry(2, 1), entry(3, 9), entry(4, 1), entry(5, 1)].concat();
    assert_eq!(gallery_change(&then, &now), Some(GalleryChange { added: 2, removed: 1, changed: 1 }));
    assert_eq!(gallery_change(&[], &now), None);
}
