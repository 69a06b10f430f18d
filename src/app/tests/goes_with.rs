//! What goes well with a garment, as another list in the place of the same product's.

use std::sync::Arc;

use egui::{Key, Modifiers, Role};
use egui_kittest::kittest::Queryable as _;

use super::fake;
use super::stage::Staged;
use crate::domain::{Facet, FacetValues, Facets, FilterTest, Garment, Goal, KindKnown, PhotoId, Shelf, Stage};
use crate::jobs::{Event, Failure, FailureOf, Mark, OutfitSkill, ProjectSummary, Request, ShelfEvent, ShelfRequest};
use crate::ui::Command;
use crate::ui::layout::Pane;

fn goal(stage: &Staged) -> Goal {
    stage.harness.state().session().shelf.options.goal.clone()
}

fn staged() -> Staged {
    let mut stage = Staged::searched();
    with_kinds(&mut stage);
    stage
}

fn with_kinds(stage: &mut Staged) {
    let kinds = [("knit", 120), ("t-shirt", 90), ("coat", 40)];
    let values = kinds.map(|(kind, products)| (kind.to_owned(), products)).to_vec();
    let columns = vec![Facet { column: "kind".into(), values: FacetValues::Text { values, more: 0 } }];
    let facets = Facets { products: 600, passing: 600, columns };
    stage.tell(Event::Shelf(ShelfEvent::Facets(Arc::new(facets))));
    stage.asked();
}

/// The one arrangement that was asked for, and nothing else.
fn arranged(stage: &Staged) {
    let shelf = stage.harness.state().session().shelf.options.clone();
    let (query, options) = (stage.query(), stage.options());
    let wanted = Request::Shelf(ShelfRequest::Arrange { query, options, shelf, limit: 200 });
    assert_eq!(stage.asked_for(), [wanted]);
}

/// Products 3, 5 and 8 of the made-up ones, as what goes with a knit.
fn answer(stage: &mut Staged, known_by: KindKnown) {
    let mut ranking = fake::ranking(Stage::Global, stage.options(), 12);
    ranking.hits = [2, 4, 5].map(|place: usize| ranking.hits[place].clone()).to_vec();
    for (hit, rank) in ranking.hits.iter_mut().zip(1..) {
        hit.rank = rank;
        hit.global = 0.5 - 0.1 * rank as f32;
    }
    let options = stage.harness.state().session().shelf.options.clone();
    let garment = Some(Garment { kind: Some("knit".into()), known_by });
    ranking.shelf = Shelf { options, passing: 260, garment, ..Shelf::default() };
    let products = (0..12).map(|index| (fake::product(index).product, fake::product(index))).collect();
    let query = stage.query();
    stage.tell(Event::ranked(query, Arc::new(ranking), Arc::new(products)));
}

fn with_skill(stage: &mut Staged, outfits: OutfitSkill) {
    let project = fake::project();
    let model = crate::jobs::ModelInfo { outfits, ..project.model.clone() };
    stage.tell(Event::ProjectOpened(Arc::new(ProjectSummary { model, ..project })));
    stage.asked();
}

#[test]
fn the_choice_lists_what_goes_with_the_garment_and_back() {
    let mut stage = staged();
    stage.click("List what goes well with it");
    assert_eq!(goal(&stage), Goal::GoesWith { of: None });
    arranged(&stage);
    answer(&mut stage, KindKnown::Photo);
    // √(2 − 2 · 0.4)
    assert!(stage.sees_part("Rank 1: Sailor tee, distance 1.095"), "distances stand for scores");
    assert!(stage.sees_part("nearest first of 260 photos of other kinds"));
    assert!(stage.sees("Knit is left out, the garment's own kind"));
    assert!(stage.sees_part("was not taught what goes together"), "a model without measurements says so");
    assert!(stage.sees("Goes with: The photo's garment"));
    assert!(stage.sees("What goes well is ordered by whole garments, so these knobs play no part in it"));
    assert!(!stage.sees_part("hold for epsilon"));
    let asked = stage.asked_for();
    assert!(!asked.iter().any(|request| matches!(request, Request::ShowPlan { .. })), "no plan: {asked:?}");
    let session = stage.harness.state().session();
    assert!(session.query.as_ref().unwrap().plan.is_none() && stage.sees("What goes with it"));
    assert!(stage.harness.query_by_role_and_label(Role::Button, "Same product").is_none());

    stage.click("List the same product");
    assert_eq!(goal(&stage), Goal::SameProduct);
    arranged(&stage);
    let (query, options) = (stage.query(), stage.options());
    stage.tell(fake::ranked(query, Stage::Structural, options, 60));
    assert!(matches!(&stage.asked_for()[..], [Request::ShowPlan { .. }]), "the best has its plan again");
    stage.serve();
    assert!(stage.harness.query_by_role_and_label(Role::Button, "Same product").is_some());
    assert!(!stage.sees("Goes with: The photo's garment"));
}

#[test]
fn a_key_switches_the_list_and_another_takes_the_shown_result_as_the_garment() {
    let mut stage = staged();
    stage.press(Key::O);
    assert_eq!(goal(&stage), Goal::GoesWith { of: None });
    answer(&mut stage, KindKnown::Photo);
    stage.press(Key::O);
    assert_eq!(goal(&stage), Goal::SameProduct);
    let (query, options) = (stage.query(), stage.options());
    stage.tell(fake::ranked(query, Stage::Structural, options, 60));
    stage.serve();
    let shown: PhotoId = stage.harness.state().session().query.as_ref().unwrap().selected.clone().unwrap();
    stage.press_with(Modifiers::SHIFT, Key::O);
    assert_eq!(goal(&stage), Goal::GoesWith { of: Some(shown) });
    arranged(&stage);
    answer(&mut stage, KindKnown::Product);
    assert!(stage.sees("Goes with: Sailor tee"), "the menu names the garment");
    // Another part of the photo is another garment again, and another photo begins with the main job.
    stage.obey(Command::SetCrop(crate::domain::CropRect::new(0.0, 0.0, 100.0, 100.0)));
    assert_eq!(goal(&stage), Goal::GoesWith { of: None });
    stage.asked();
    stage.drop_file("/tmp/street/other.jpg");
    assert_eq!(stage.last_search().shelf.goal, Goal::SameProduct);
}

#[test]
fn kinds_are_chips_with_counts_that_filter_without_the_garment_s_own() {
    let mut stage = staged();
    stage.press(Key::O);
    answer(&mut stage, KindKnown::Likeness);
    assert!(stage.sees_part("by what looks most like it"));
    assert!(stage.sees("Only t-shirt, 90 products") && !stage.sees("Only knit, 120 products"));
    stage.click("Only coat, 40 products");
    let filters = || stage.harness.state().session().shelf.options.filters.clone();
    assert_eq!(filters().get("kind"), Some(&FilterTest::one("coat")));
    stage.click("Only coat, 40 products");
    assert!(stage.harness.state().session().shelf.options.filters.is_empty());
}

#[test]
fn what_is_about_a_match_says_that_it_is_for_the_other_list() {
    let mut stage = staged();
    stage.press(Key::O);
    answer(&mut stage, KindKnown::Photo);
    stage.asked();
    for key in [Key::S, Key::N, Key::T, Key::A, Key::I] {
        stage.press(key);
    }
    assert_eq!(stage.asked_for(), [], "nothing is said of, or asked about, a match");
    assert!(stage.sees_part("this is for the list of the same product"));
    stage.obey(Command::ShowPane(Pane::Why));
    assert!(stage.sees("What goes well is ranked by whole garments, not by cells"));
    // The kind can be said; the list follows.
    stage.obey(Command::Mark(Mark::Kind("coat".into())));
    let labels = fake::project().labels;
    stage.asked();
    stage.tell(Event::LabelsChanged(labels));
    arranged(&stage);
}

#[test]
fn the_note_has_the_model_s_own_figures_and_failing_leaves_a_way_back() {
    let mut stage = staged();
    with_skill(&mut stage, OutfitSkill { fill_in_blank: Some(0.474), compatibility_auc: Some(0.713) });
    stage.press(Key::O);
    answer(&mut stage, KindKnown::Person);
    assert!(stage.sees_part("47 % of the blanks filled right, AUC 0.71 where guessing has 0.50"));
    assert!(stage.sees("Knit is left out, the garment's own kind, as you said"));
    stage.press_with(Modifiers::SHIFT, Key::O);
    stage.asked();
    let sentence = "The photo shop/p002_0.jpg is not in the gallery".to_owned();
    let of = FailureOf::Query(stage.query());
    stage.tell(Event::Failed(Failure { of, sentence, details: None }));
    stage.press(Key::O);
    assert_eq!(goal(&stage), Goal::SameProduct);
    assert_eq!(stage.last_search().shelf.goal, Goal::SameProduct, "the photo is searched again");
}

/// Pictures of the list, looked at by a person: `SEAMLINE_SHOTS=FOLDER` says where to.
#[test]
fn pictures_of_what_goes_well_are_drawn_without_a_fault() {
    let Some(folder) = std::env::var_os("SEAMLINE_SHOTS").map(std::path::PathBuf::from) else { return };
    for (size, theme, name) in [
        (egui::Vec2::new(1280.0, 800.0), egui::Theme::Light, "1280-light"),
        (egui::Vec2::new(1280.0, 800.0), egui::Theme::Dark, "1280-dark"),
        (egui::Vec2::new(2560.0, 1440.0), egui::Theme::Dark, "2560-dark"),
    ] {
        let mut stage = Staged::with(size, theme, true);
        stage.open();
        stage.search_through(60);
        stage.serve();
        stage.harness.render().unwrap().save(folder.join(format!("B-same-{name}.png"))).unwrap();
        with_kinds(&mut stage);
        stage.press(Key::O);
        answer(&mut stage, KindKnown::Likeness);
        stage.serve();
        stage.harness.render().unwrap().save(folder.join(format!("B-goes-{name}.png"))).unwrap();
    }
}
