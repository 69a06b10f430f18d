//! Filters, rules, folding, past searches, the compare tray and export, by pointer and by keyboard.

use std::path::PathBuf;
use std::sync::Arc;

use egui::{Key, Modifiers};
use egui_kittest::kittest::Queryable as _;

use super::fake;
use super::stage::Staged;
use crate::domain::{
    Again, CellPaint, Effect, Facet, FacetValues, Facets, FilterTest, Filters, Fold, FoldedAs, Grid, LoggedPhoto,
    LoggedSearch, Marginals, MatchOptions, Paint, PastSearch, Ranking, Recipe, Rule, SearchCard, Shelf, ShelfOptions,
    Stage, Subject, Touched,
};
use crate::jobs::{Dialog, Event, ExportFormat, QueryPhoto, Request, ShelfEvent, ShelfRequest};
use crate::project::ShelfEdit;
use crate::ui::Command;
use crate::ui::layout::Pane;

fn facets() -> Facets {
    let text = |column: &str, values: &[(&str, usize)]| Facet {
        column: column.into(),
        values: FacetValues::Text { values: values.iter().map(|(v, n)| ((*v).to_owned(), *n)).collect(), more: 0 },
    };
    Facets {
        products: 600,
        passing: 600,
        columns: vec![
            text("kind", &[("knit", 120), ("t-shirt", 90), ("coat", 40)]),
            text("brand", &[("Solveig", 60), ("Harbour & Pine", 55)]),
            text("in_stock", &[("yes", 510), ("no", 90)]),
            text("neckline", &[("crew", 200), ("boat", 80)]),
            Facet {
                column: "price".into(),
                values: FacetValues::Number { low: 15.0, high: 320.0, bins: vec![3, 9, 30, 12, 4] },
            },
        ],
    }
}

fn staged() -> Staged {
    let mut stage = Staged::searched();
    stage.tell(Event::Shelf(ShelfEvent::Facets(Arc::new(facets()))));
    stage
}

fn shelf(stage: &Staged) -> ShelfOptions {
    stage.harness.state().session().shelf.options.clone()
}

fn arrange(stage: &Staged) -> Request {
    let (query, options) = (stage.query(), stage.options());
    Request::Shelf(ShelfRequest::Arrange { query, options, shelf: shelf(stage), limit: 200 })
}

fn asked_facets(filters: &Filters) -> Request {
    Request::Shelf(ShelfRequest::Facets { filters: filters.clone() })
}

fn edit(edit: ShelfEdit) -> Request {
    Request::Shelf(ShelfRequest::Edit(edit))
}

/// A ranking of the last stage with something of the shelf about it.
fn answer(stage: &mut Staged, hits: usize, change: impl FnOnce(&mut Ranking)) {
    let mut ranking = fake::ranking(Stage::Structural, stage.options(), hits);
    ranking.shelf = Shelf { options: shelf(stage), passing: 1200, ..Shelf::default() };
    change(&mut ranking);
    let products = (0..hits).map(|index| (fake::product(index).product, fake::product(index))).collect();
    let (query, ranking) = (stage.query(), Arc::new(ranking));
    stage.tell(Event::ranked(query, ranking, Arc::new(products)));
    stage.serve();
}

fn product_of(index: usize) -> Subject {
    Subject::Product { product: fake::product(index).product }
}

fn rule(id: i64, subject: Subject, effect: Effect) -> Rule {
    Rule { id, subject, effect, enabled: true, author: "mia".into(), at_ms: 1 }
}

fn told_rules(stage: &mut Staged, rules: Vec<Rule>) {
    stage.tell(Event::Shelf(ShelfEvent::Rules(Arc::new(rules))));
}

#[test]
fn a_chip_opens_the_values_of_a_column_with_counts_and_several_can_be_chosen() {
    let mut stage = staged();
    stage.click("Filter by kind");
    assert!(stage.sees("knit, 120 products"));
    stage.click("knit, 120 products");
    let one = stage.asked_for();
    let filters = shelf(&stage).filters;
    assert_eq!(filters.get("kind"), Some(&FilterTest::one("knit")));
    assert_eq!(one, [asked_facets(&filters), arrange(&stage)]);
    answer(&mut stage, 20, |_| {});
    stage.click("coat, 40 products");
    let test = FilterTest::OneOf(["coat".to_owned(), "knit".to_owned()].into());
    assert_eq!(shelf(&stage).filters.get("kind"), Some(&test));
    assert_eq!(stage.asked_for(), [asked_facets(&shelf(&stage).filters), arrange(&stage)]);
    answer(&mut stage, 20, |ranking| ranking.shelf.passing = 160);
    assert!(stage.sees_part("best first of 160 photos that pass, of 1,200"));
    stage.press(Key::Escape);
    stage.click("Clear filters");
    assert!(shelf(&stage).filters.is_empty());
}

#[test]
fn the_keyboard_opens_filters_finds_a_value_by_typing_and_clears_them() {
    let mut stage = staged();
    let many: Vec<(String, usize)> = (0..40).map(|n| (format!("kind {n:02}"), 40 - n)).collect();
    let mut facets = facets();
    facets.columns[0].values = FacetValues::Text { values: many, more: 3 };
    stage.tell(Event::Shelf(ShelfEvent::Facets(Arc::new(facets))));
    stage.press(Key::F);
    assert!(stage.sees("Find in kind") && stage.sees("3 rarer values are not listed"));
    stage.harness.get_by_label("Find in kind").type_text("d 37");
    stage.harness.run();
    assert!(stage.sees("kind 37, 3 products") && !stage.sees("kind 01, 39 products"));
    stage.press(Key::Enter);
    assert_eq!(shelf(&stage).filters.get("kind"), Some(&FilterTest::one("kind 37")));
    stage.press(Key::Escape);
    answer(&mut stage, 5, |_| {});
    stage.asked();
    stage.press_with(Modifiers::SHIFT, Key::F);
    assert!(shelf(&stage).filters.is_empty());
    assert_eq!(stage.asked_for(), [asked_facets(&Filters::default()), arrange(&stage)]);
}

#[test]
fn a_column_of_numbers_is_a_range_and_any_other_column_is_behind_more() {
    let mut stage = staged();
    stage.click("Filter by price");
    assert!(stage.sees("Price of 58 products: 15 to 320"));
    stage.click("Price to");
    stage.harness.get_by_label("Price to").set_text_value_accesskit("40");
    stage.harness.run();
    stage.press(Key::Enter);
    let test = FilterTest::Between { low: None, high: Some(40.0) };
    assert_eq!(shelf(&stage).filters.get("price"), Some(&test));
    assert!(stage.sees_part("Price: up to 40") || stage.sees("Filter by price"));
    stage.press(Key::Escape);
    stage.click("More filters");
    stage.click("Neckline");
    assert!(stage.sees("crew, 200 products"), "the menu of the new chip is open");
}

#[test]
fn a_filter_that_lets_nothing_pass_says_so_and_offers_to_clear_it() {
    let mut stage = staged();
    stage.click("Filter by kind");
    stage.click("coat, 40 products");
    stage.press(Key::Escape);
    answer(&mut stage, 0, |ranking| ranking.shelf.passing = 0);
    assert!(stage.sees("No product passes these filters: kind: coat"));
    stage.asked();
    let buttons: Vec<_> = stage.harness.get_all_by_label("Clear filters").collect();
    buttons.last().unwrap().click();
    drop(buttons);
    stage.harness.run();
    assert!(shelf(&stage).filters.is_empty());
}

#[test]
fn a_new_search_carries_the_filters_and_another_project_has_none() {
    let mut stage = staged();
    stage.click("Filter by kind");
    stage.click("coat, 40 products");
    stage.press(Key::Escape);
    stage.asked();
    stage.drop_file("/tmp/other.jpg");
    assert_eq!(stage.last_search().shelf.filters.get("kind"), Some(&FilterTest::one("coat")));
    let mut other = fake::project();
    other.path = "/home/m/other".into();
    stage.tell(Event::ProjectOpened(Arc::new(other)));
    assert!(shelf(&stage).filters.is_empty());
}

#[test]
fn one_key_pins_boosts_buries_or_excludes_and_the_same_key_takes_it_back() {
    let mut stage = staged();
    // The first of the order is product 2, chosen by itself.
    for (key, modifiers, effect) in [
        (Key::P, Modifiers::NONE, Effect::Pin { place: 1 }),
        (Key::B, Modifiers::NONE, Effect::Boost { by: 0.1 }),
        (Key::B, Modifiers::SHIFT, Effect::Bury { by: 0.1 }),
        (Key::X, Modifiers::NONE, Effect::Exclude),
    ] {
        stage.press_with(modifiers, key);
        assert_eq!(stage.asked_for(), [edit(ShelfEdit::AddRule { subject: product_of(2), effect })]);
        told_rules(&mut stage, vec![rule(4, product_of(2), effect)]);
        assert_eq!(stage.asked_for(), [arrange(&stage)], "the order is asked for anew");
        answer(&mut stage, 60, |_| {});
        stage.asked();
        stage.press_with(modifiers, key);
        assert_eq!(stage.asked_for(), [edit(ShelfEdit::RemoveRule { id: 4 })]);
        told_rules(&mut stage, Vec::new());
        answer(&mut stage, 60, |_| {});
        stage.asked();
    }
}

#[test]
fn a_tile_says_what_rules_did_to_it_and_its_menu_makes_rules() {
    let mut stage = staged();
    told_rules(&mut stage, vec![rule(7, product_of(0), Effect::Boost { by: 0.1 })]);
    answer(&mut stage, 60, |ranking| {
        let touched = Touched { rules: vec![7], offset: 0.1, pinned: false, rank_without: Some(5) };
        ranking.shelf.touched.insert(fake::photo(0), touched);
        ranking.shelf.rules = 1;
    });
    assert!(stage.sees_part("boosted by 0.10, rank 5 without rules, score +0.10"));
    stage.asked();
    stage.harness.get_by_label_contains(": Sailor tee, score").click_secondary();
    stage.harness.run();
    stage.click("Exclude");
    assert_eq!(stage.asked_for(), [edit(ShelfEdit::AddRule { subject: product_of(2), effect: Effect::Exclude })]);
}

#[test]
fn the_list_of_rules_changes_disables_and_removes_and_the_order_without_them_is_a_key_away() {
    let mut stage = staged();
    told_rules(
        &mut stage,
        vec![rule(7, product_of(0), Effect::Boost { by: 0.1 }), rule(8, product_of(1), Effect::Exclude)],
    );
    answer(&mut stage, 60, |_| {});
    stage.asked();
    stage.click("Rules");
    stage.click("Excluded: Striped knit, navy");
    assert_eq!(stage.asked_for(), [edit(ShelfEdit::EnableRule { id: 8, enabled: false })]);
    stage.click("Remove rule: Breton long sleeve");
    assert_eq!(stage.asked_for(), [edit(ShelfEdit::RemoveRule { id: 7 })]);
    stage.click("Score for Breton long sleeve");
    stage.harness.get_by_label("Score for Breton long sleeve").set_text_value_accesskit("0.25");
    stage.harness.run();
    stage.press(Key::Enter);
    assert_eq!(stage.asked_for(), [edit(ShelfEdit::ChangeRule { id: 7, effect: Effect::Boost { by: 0.25 } })]);
    let kind = Subject::Value { column: "kind".into(), value: "t-shirt".into() };
    stage.click("Bury all of kind t-shirt");
    assert_eq!(stage.asked_for(), [edit(ShelfEdit::AddRule { subject: kind, effect: Effect::Bury { by: 0.1 } })]);
    stage.press(Key::Escape);
    stage.press(Key::R);
    assert!(shelf(&stage).without_rules);
    assert_eq!(stage.asked_for(), [arrange(&stage)]);
}

#[test]
fn folded_hits_stand_behind_one_tile_until_it_is_asked_to_show_them() {
    let mut stage = staged();
    let fold = |place, behind| Fold { place, behind, why: FoldedAs::NearDuplicate { cosine: 0.991 } };
    answer(&mut stage, 30, |ranking| ranking.shelf.folds = vec![fold(1, 0), fold(2, 0), fold(4, 3)]);
    assert!(stage.sees("27 results") && stage.sees_part("Rank 1:") && !stage.sees_part("Rank 2:"));
    assert!(stage.harness.query_by_label_contains("2 more like it").is_some());
    stage.asked();
    // Arrow keys go from tile to tile.
    stage.press(Key::ArrowRight);
    let selected = |stage: &Staged| stage.harness.state().session().query.as_ref().unwrap().selected_place();
    assert_eq!(selected(&stage), Some(3));
    stage.press(Key::ArrowLeft);
    stage.click("Show 2 more like rank 1");
    assert!(stage.sees("29 results") && stage.sees_part("Rank 2:"));
    stage.press(Key::E);
    assert!(stage.sees("27 results"), "the same key hides them");
    stage.asked();
    stage.press(Key::G);
    assert!(!shelf(&stage).fold.on);
    assert_eq!(stage.asked_for(), [arrange(&stage)]);
    answer(&mut stage, 30, |_| {});
    assert!(stage.sees("30 results") && stage.sees("Near duplicates"));
}

#[test]
fn a_hundred_thousand_hits_lay_out_only_those_in_view() {
    let mut stage = staged();
    answer(&mut stage, 900, |_| {});
    let mut ranking = fake::ranking(Stage::Structural, MatchOptions::default(), 900);
    let pattern = ranking.hits.clone();
    for n in 900..100_000 {
        let mut hit = pattern[n % 900].clone();
        hit.rank = n + 1;
        hit.structural = None;
        ranking.hits.push(hit);
    }
    let query = stage.query();
    stage.tell(Event::ranked(query, Arc::new(ranking), Arc::default()));
    let tiles = stage.harness.query_all_by_label_contains("Rank ").count();
    assert!((8..60).contains(&tiles), "{tiles}");
    let session = stage.harness.state().session();
    assert!(session.query.as_ref().unwrap().slid_from.len() <= 2000, "only what can be in view slides");
}

#[test]
fn further_results_are_a_click_away() {
    let mut stage = staged();
    answer(&mut stage, 10, |_| {});
    stage.asked();
    stage.click("More results");
    let (query, options) = (stage.query(), stage.options());
    let wanted = ShelfRequest::Arrange { query, options, shelf: shelf(&stage), limit: 400 };
    assert_eq!(stage.asked_for(), [Request::Shelf(wanted)]);
    answer(&mut stage, 12, |ranking| ranking.shelf.passing = 12);
    assert!(stage.harness.query_by_label("More results").is_none(), "these are all");
}

fn painted() -> Paint {
    let mut paint = CellPaint::filled(Grid::new(7, 7), 0.0);
    paint.change(24, 1.0);
    Paint { query: Some(paint), ..Paint::default() }
}

fn past(id: i64, name: &str, starred: bool) -> PastSearch {
    PastSearch {
        id,
        at_ms: 1_700_000_000_000 + id,
        author: "mia".into(),
        card: SearchCard { name: None, starred, deleted: false },
        search: LoggedSearch {
            photo: LoggedPhoto::File { path: PathBuf::from(format!("/tmp/street/{name}")) },
            photo_name: name.into(),
            content_hash: "h".into(),
            crop: fake::CROP,
            whole: false,
            recipe: Recipe { liked: vec!["shop/p001_0.jpg".into()], ..Recipe::default() },
            also: vec![LoggedPhoto::File { path: "/tmp/street/back.jpg".into() }],
            paint: Some(painted()),
            options: MatchOptions { marginals: Marginals::Painted, epsilon: 0.2, ..MatchOptions::default() },
            shelf: ShelfOptions {
                filters: ["kind=coat".parse().unwrap()].into_iter().collect(),
                ..ShelfOptions::default()
            },
            rules: Vec::new(),
            checkpoint: "3f9a51c07b1be2d4".into(),
            model: "resnet18-atelier".into(),
            device: "CPU".into(),
            gallery: "g".into(),
            gallery_photos: 1200,
            catalogue: 0,
            hits: Vec::new(),
        },
    }
}

#[test]
fn a_past_search_is_asked_again_with_all_its_settings_and_the_answer_is_compared() {
    let mut stage = staged();
    let list = vec![past(2, "red-coat.jpg", false), past(1, "tram.jpg", true)];
    stage.tell(Event::Shelf(ShelfEvent::Past(Arc::new(list))));
    stage.press(Key::H);
    assert!(stage.sees("Saved: tram.jpg") && stage.sees_part("ask the gallery of today"));
    // A saved one is found in the palette too.
    stage.press_with(Modifiers::COMMAND, Key::K);
    assert!(stage.sees_part("Search again: tram.jpg") && !stage.sees_part("Search again: red-coat.jpg, Saved search"));
    stage.press(Key::Escape);
    stage.asked();
    stage.click("Search again: red-coat.jpg");
    let mut asked = stage.asked();
    let at = asked.iter().position(|request| matches!(request, Request::Search(_))).expect("a search is asked for");
    let Request::Search(search) = asked.remove(at) else { unreachable!() };
    let paint = Arc::new(painted());
    assert!(asked[..at].contains(&Request::Paint { query: search.query, paint }), "before the search: {asked:?}");
    assert_eq!(search.also, [QueryPhoto::File("/tmp/street/back.jpg".into())]);
    assert_eq!(search.recipe.liked, ["shop/p001_0.jpg".into()]);
    assert_eq!(search.photo, QueryPhoto::File("/tmp/street/red-coat.jpg".into()));
    assert_eq!((search.crop, search.again), (Some(fake::CROP), Some(2)));
    assert_eq!(search.options.epsilon, 0.2);
    assert_eq!(search.shelf.filters.get("kind"), Some(&FilterTest::one("coat")));
    stage.answer_search(&search, 30);
    let again = |moved, causes: &[&str]| Again {
        id: 2,
        title: "red-coat.jpg".into(),
        at_ms: 0,
        compared: 50,
        moved,
        gone: 0,
        same_scores: true,
        causes: causes.iter().map(|cause| (*cause).to_owned()).collect(),
    };
    let query = search.query;
    stage.tell(Event::Shelf(ShelfEvent::Again { query, again: Arc::new(again(0, &[])) }));
    assert!(stage.sees("Same order as on 1970-01-01: red-coat.jpg"));
    let causes = ["The gallery's photos changed: 3 added"];
    stage.tell(Event::Shelf(ShelfEvent::Again { query, again: Arc::new(again(4, &causes)) }));
    assert!(stage.sees("Another order than on 1970-01-01: of the first 50, 4 moved"));
    assert!(stage.sees("The gallery's photos changed: 3 added"));
    stage.click("Close the comparison with then");
    assert!(!stage.sees_part("Another order"));
}

#[test]
fn searches_are_saved_named_and_deleted() {
    let mut stage = staged();
    let query = stage.query();
    let list = vec![past(2, "red-coat.jpg", false), past(1, "tram.jpg", true)];
    stage.tell(Event::Shelf(ShelfEvent::Past(Arc::new(list))));
    stage.tell(Event::Shelf(ShelfEvent::Noted { query, id: 2 }));
    stage.obey(Command::ShowPane(Pane::History));
    stage.asked();
    stage.press_with(Modifiers::COMMAND, Key::D);
    assert_eq!(stage.asked_for(), [Request::Shelf(ShelfRequest::Save { id: 2 })]);
    stage.click("Saved: tram.jpg");
    assert_eq!(stage.asked_for(), [edit(ShelfEdit::StarSearch { id: 1, starred: false })]);
    stage.click("More about tram.jpg");
    stage.click("Delete");
    assert_eq!(stage.asked_for(), [edit(ShelfEdit::DeleteSearch { id: 1 })]);
    stage.click("More about tram.jpg");
    stage.click("Rename…");
    stage.harness.get_by_label("Name of the search").set_text_value_accesskit("Tram stop");
    stage.harness.run();
    stage.press(Key::Enter);
    assert_eq!(stage.asked_for(), [edit(ShelfEdit::NameSearch { id: 1, name: Some("Tram stop".into()) })]);
}

#[test]
fn two_to_four_products_are_compared_side_by_side() {
    let mut stage = staged();
    stage.press(Key::C);
    assert!(stage.sees_part("Press C on another product"));
    stage.press(Key::ArrowRight);
    stage.press(Key::C);
    stage.serve();
    stage.press_with(Modifiers::SHIFT, Key::C);
    stage.serve();
    assert!(stage.sees("2 products side by side"));
    assert!(stage.sees("Name, different: Sailor tee, Breton long sleeve"));
    assert!(stage.sees("Price, different: 24.00, 39.00"));
    assert!(stage.sees_part("Kind, different: t-shirt, knit"));
    stage.press(Key::Escape);
    assert!(!stage.sees("2 products side by side"), "Esc backs out one level");
    assert_eq!(stage.harness.state().session().shelf.tray.len(), 2);
    for _ in 0..3 {
        stage.press(Key::ArrowRight);
        stage.press(Key::C);
        stage.serve();
    }
    assert_eq!(stage.harness.state().session().shelf.tray.len(), 4);
    assert!(stage.sees_part("4 products can be compared at once"));
    stage.press_with(Modifiers::SHIFT, Key::C);
    stage.serve();
    stage.click("Remove Sailor tee");
    assert!(stage.sees("3 products side by side"));
    let buttons: Vec<_> = stage.harness.get_all_by_label("Clear the comparison").collect();
    buttons.last().unwrap().click();
    drop(buttons);
    stage.harness.run();
    assert!(stage.harness.state().session().shelf.tray.is_empty());
}

#[test]
fn the_result_list_is_exported_where_the_person_says() {
    let mut stage = staged();
    stage.asked();
    stage.click("Export…");
    stage.click("Picture of the tiles (PNG)…");
    let dialog = Dialog::Export { format: ExportFormat::Sheet, suggested_name: "tram-results.png".into() };
    assert_eq!(stage.asked_for(), [Request::AskPath(dialog.clone())]);
    let path = PathBuf::from("/tmp/list.png");
    stage.tell(Event::PathPicked { dialog, path: Some(path.clone()) });
    let query = stage.query();
    let export =
        ShelfRequest::Export { query, only: std::collections::BTreeSet::new(), format: ExportFormat::Sheet, path };
    assert_eq!(stage.asked_for(), [Request::Shelf(export)]);
    stage.press_with(Modifiers::COMMAND, Key::E);
    let dialog = Dialog::Export { format: ExportFormat::Csv, suggested_name: "tram-results.csv".into() };
    assert_eq!(stage.asked_for(), [Request::AskPath(dialog.clone())]);
    stage.tell(Event::PathPicked { dialog, path: None });
    assert_eq!(stage.asked_for(), [], "the person changed their mind");
}

#[test]
fn the_gap_to_the_next_rank_stands_on_the_tile_and_parts_add_up_with_rules() {
    use crate::ui::panels::results::{gap_below, sum_words_with};
    use crate::ui::widgets::score_bar::Parts;
    let mut ranking = fake::ranking(Stage::Structural, MatchOptions::default(), 10);
    let gap = gap_below(&ranking, 1).unwrap();
    assert!((gap - (ranking.hits[0].score - ranking.hits[1].score)).abs() < 1e-6);
    let touched = Touched { rules: vec![1], offset: 0.1, pinned: false, rank_without: Some(2) };
    ranking.shelf.touched.insert(ranking.hits[0].photo.clone(), touched.clone());
    assert!((gap_below(&ranking, 1).unwrap() - gap - 0.1).abs() < 1e-6, "by the scores that order them");
    ranking.shelf.touched.insert(ranking.hits[1].photo.clone(), Touched { pinned: true, ..touched });
    assert_eq!((gap_below(&ranking, 1), gap_below(&ranking, 2)), (None, None), "a pin is no score");
    let parts = Parts::new(0.9527, 0.5214, Some(0.4313));
    let words = sum_words_with(&parts, 1.0, 0.1);
    let figures: Vec<f64> = words.split(' ').filter_map(|word| word.parse().ok()).collect();
    assert!((figures[0] - figures[1..].iter().sum::<f64>()).abs() < 1e-9, "{words}");
    assert!(sum_words_with(&parts, 1.0, -0.1).contains("− 0.100 by rule"));
}
