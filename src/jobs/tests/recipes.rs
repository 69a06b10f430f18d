//! Queries that are turned, added to, and moved by examples.

use std::fs;
use std::sync::Arc;

use super::{Machine, Window, shop, street};
use crate::domain::{
    CropRect, LabelValue, MatchOptions, ProductId, QueryEdit, QueryId, Ranking, Recipe, ShelfOptions, Stage,
};
use crate::jobs::{Event, Mark, QueryInfo, QueryPhoto, Request, SearchRequest};

fn request(query: u64, photo: QueryPhoto) -> SearchRequest {
    let options = MatchOptions { rerank: 6, ..MatchOptions::default() };
    let (recipe, also) = (Recipe::default(), Vec::new());
    let (shelf, again) = (ShelfOptions::default(), None);
    SearchRequest { query: QueryId(query), photo, crop: None, options, limit: 10, shelf, again, recipe, also }
}

/// The first that is told of a query, and its last ranking.
fn answer(window: &mut Window, request: SearchRequest) -> (Arc<QueryInfo>, Arc<Ranking>) {
    let query = request.query;
    window.ask(Request::Search(request));
    let info = window.wait_unless_failed(|event| match event {
        Event::QueryReady { query: of, photo } if *of == query => Some(Arc::clone(photo)),
        _ => None,
    });
    let ranking = window.wait_unless_failed(|event| match event {
        Event::Ranked { query: of, ranking, .. } if *of == query && ranking.stage == Stage::Structural => {
            Some(Arc::clone(ranking))
        }
        _ => None,
    });
    (info, ranking)
}

fn near(a: CropRect, b: CropRect) -> bool {
    let sides = |part: CropRect| [part.x, part.y, part.width, part.height];
    sides(a).iter().zip(sides(b)).all(|(a, b)| (a - b).abs() < 0.01)
}

fn scores(ranking: &Ranking) -> Vec<(String, f32)> {
    ranking.hits.iter().map(|hit| (hit.photo.to_string(), hit.score)).collect()
}

#[test]
fn a_turned_photo_is_searched_as_it_is_seen_and_labelled_as_it_is_filed() {
    let machine = Machine::with_sample();
    let mut window = machine.start();
    window.open(None);
    let (straight, plain) = answer(&mut window, request(1, QueryPhoto::Project(street(2))));
    let edit = QueryEdit { quarter_turns: 1, flipped: true };
    let recipe = Recipe { edit, ..Recipe::default() };
    let turned = SearchRequest { recipe: recipe.clone(), ..request(2, QueryPhoto::Earlier(QueryId(1))) };
    let (info, ranking) = answer(&mut window, turned);
    assert_eq!((info.width, info.height, info.edit), (straight.height, straight.width, edit));
    let placed = edit.place(straight.crop, straight.width, straight.height);
    assert!(near(info.crop, placed), "the true box turns as well: {} {placed}", info.crop);
    assert_ne!(scores(&ranking), scores(&plain), "the network sees another photo");

    // The same photo turned before it was filed gives the same answer.
    let path = machine.dir.path().join("turned.png");
    let pixels = crate::data::decode_file(&machine.sample().join(street(2).as_str())).unwrap();
    crate::data::turned(pixels, edit).save(&path).unwrap();
    let crop = Some(info.crop);
    let (_, filed) = answer(&mut window, SearchRequest { crop, ..request(3, QueryPhoto::File(path)) });
    assert_eq!(scores(&ranking), scores(&filed));

    let back = SearchRequest { recipe, ..request(4, QueryPhoto::Earlier(QueryId(1))) };
    answer(&mut window, back);
    window.ask(Request::Mark { query: QueryId(4), mark: Mark::SameProduct(ProductId::new("p0002")) });
    let labels = window.wait_unless_failed(|event| match event {
        Event::LabelsChanged(labels) => Some(Arc::clone(labels)),
        _ => None,
    });
    let Some(LabelValue::SameProduct { crop: Some(crop) }) = labels.corrections.first().map(|label| &label.value)
    else {
        panic!("{labels:?}");
    };
    assert!(near(*crop, straight.crop), "the box is of the photo as its file has it: {crop}");
}

#[test]
fn what_is_liked_comes_nearer_and_what_is_disliked_goes_further_away() {
    let machine = Machine::with_sample();
    let mut window = machine.start();
    window.open(None);
    let global = |ranking: &Ranking, photo| ranking.hits.iter().find(|hit| hit.photo == photo).map(|hit| hit.global);
    let all = |query, recipe| {
        let options = MatchOptions { rerank: 16, ..MatchOptions::default() };
        SearchRequest { recipe, options, limit: 16, ..request(query, QueryPhoto::Project(street(2))) }
    };
    let (_, plain) = answer(&mut window, all(1, Recipe::default()));
    let liked = Recipe { liked: vec![shop(5)], ..Recipe::default() };
    let (_, nearer) = answer(&mut window, all(2, liked));
    assert!(global(&nearer, shop(5)) > global(&plain, shop(5)));
    let disliked = Recipe { disliked: vec![shop(5)], ..Recipe::default() };
    let (_, further) = answer(&mut window, all(3, disliked));
    assert!(global(&further, shop(5)) < global(&plain, shop(5)));

    let gone = Recipe { liked: vec![street(1)], ..Recipe::default() };
    window.ask(Request::Search(all(4, gone)));
    let failure = window.wait(|event| match event {
        Event::Failed(failure) => Some(failure.clone()),
        _ => None,
    });
    assert!(failure.sentence.contains("is not in the index"), "{failure:?}");
}

#[test]
fn a_second_photo_of_the_garment_changes_the_global_part_and_one_that_is_broken_is_left_out() {
    let machine = Machine::with_sample();
    let mut window = machine.start();
    window.open(None);
    let (_, alone) = answer(&mut window, request(1, QueryPhoto::Project(street(2))));
    let second = QueryPhoto::Project(street(6));
    let broken = machine.dir.path().join("broken.jpg");
    fs::write(&broken, b"no photo").unwrap();
    let also = vec![second.clone(), QueryPhoto::File(broken)];
    let (info, both) = answer(&mut window, SearchRequest { also, ..request(2, QueryPhoto::Earlier(QueryId(1))) });
    assert_eq!(info.also.iter().map(|also| &also.photo).collect::<Vec<_>>(), [&second]);
    assert!(window.seen.iter().any(|event| matches!(event, Event::Note(note) if note.contains("was not added"))));
    assert_ne!(scores(&alone), scores(&both));
    let structural = |ranking: &Ranking, photo: &str| {
        ranking.hits.iter().find(|hit| hit.photo.as_str() == photo).and_then(|hit| hit.structural)
    };
    // Uniform weights do not know the global vector, so cells of the same photo give the same structural score.
    let options = MatchOptions { marginals: crate::domain::Marginals::Uniform, rerank: 16, ..MatchOptions::default() };
    let with =
        |query, also| SearchRequest { also, options, limit: 16, ..request(query, QueryPhoto::Project(street(2))) };
    let (_, alone) = answer(&mut window, with(3, Vec::new()));
    let (_, both) = answer(&mut window, with(4, vec![second]));
    for hit in &alone.hits {
        assert_eq!(hit.structural, structural(&both, hit.photo.as_str()));
    }
}

#[test]
fn a_box_that_was_searched_before_gives_the_same_answer_at_once() {
    let machine = Machine::with_sample();
    let mut window = machine.start();
    window.open(None);
    let (_, first) = answer(&mut window, request(1, QueryPhoto::Project(street(2))));
    let other = Some(CropRect::new(4.0, 6.0, 30.0, 40.0));
    let (_, other) = answer(&mut window, SearchRequest { crop: other, ..request(2, QueryPhoto::Earlier(QueryId(1))) });
    assert_ne!(scores(&first), scores(&other));
    window.seen.clear();
    let (_, again) = answer(&mut window, request(3, QueryPhoto::Earlier(QueryId(2))));
    assert_eq!(scores(&again), scores(&first));
    let stages: Vec<Stage> = window
        .seen
        .iter()
        .filter_map(|event| match event {
            Event::Ranked { query: QueryId(3), ranking, .. } => Some(ranking.stage),
            _ => None,
        })
        .collect();
    assert_eq!(stages, [Stage::Structural], "nothing is shown in between");
}
