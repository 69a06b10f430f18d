//! The small pieces, each alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::{Machine, save_model};
use crate::domain::{CropRect, Pixels, QueryEdit, QueryId, Recipe, StopFlag};
use crate::jobs::gate::Gate;
use crate::jobs::labels::label_of;
use crate::jobs::learn::Curve;
use crate::jobs::models::{list_models, preferred};
use crate::jobs::open::examples;
use crate::jobs::queries::{Kept, QueryBook};
use crate::jobs::search::{Known, Source, choose_crop};
use crate::jobs::wake::Wake;
use crate::jobs::{Latest, Mark, QueryInfo};
use crate::project::Project;

#[test]
fn latest_keeps_the_newest_value_for_all_that_hold_it() {
    let latest = Latest::new(1);
    let other = latest.clone();
    latest.set(2);
    other.update(|value| *value *= 10);
    assert_eq!(latest.get(), 20);
}

#[test]
fn a_flood_becomes_at_most_thirty_calls_a_second_and_the_last_one_is_not_lost() {
    let happened = Arc::new(AtomicUsize::new(0));
    let seen = Arc::new(AtomicUsize::new(0));
    let calls = Arc::new(AtomicUsize::new(0));
    let (told, tell) = crossbeam_channel::unbounded();
    let (wake, thread) = {
        let (happened, seen, calls) = (Arc::clone(&happened), Arc::clone(&seen), Arc::clone(&calls));
        Wake::start(Arc::new(move || {
            seen.store(happened.load(Ordering::SeqCst), Ordering::SeqCst);
            calls.fetch_add(1, Ordering::SeqCst);
            let _ = told.send(());
        }))
        .unwrap()
    };
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(200) {
        happened.fetch_add(1, Ordering::SeqCst);
        wake.ask();
    }
    let all = happened.load(Ordering::SeqCst);
    while seen.load(Ordering::SeqCst) < all {
        tell.recv_timeout(super::PATIENCE).expect("a call comes after the last change");
    }
    let most = begun.elapsed().as_millis() / 33 + 1;
    assert!(calls.load(Ordering::SeqCst) as u128 <= most, "{calls:?} calls, at most {most}");
    wake.close();
    thread.join().unwrap();
}

#[test]
fn whoever_waits_at_the_gate_goes_on_when_the_last_search_is_through_or_when_stopped() {
    let gate = Gate::default();
    let (first, second) = (gate.enter(), gate.enter());
    drop(first);
    assert!(gate.is_busy());
    let stop = StopFlag::new();
    stop.stop();
    gate.wait_until_free(&stop);
    drop(second);
    assert!(!gate.is_busy());
    gate.wait_until_free(&StopFlag::new());
}

#[test]
fn a_loss_curve_is_thinned_evenly_and_keeps_its_ends() {
    let mut curve = Curve::default();
    for step in 1..=10_000 {
        curve.push(step, step as f32);
    }
    let points = curve.points();
    assert!((256..=512).contains(&points.len()), "{}", points.len());
    let gaps: Vec<f32> = points.windows(2).map(|pair| pair[1][0] - pair[0][0]).collect();
    assert!(gaps.iter().all(|gap| *gap == gaps[0]), "even");
    assert!(points.last().unwrap()[0] > 10_000.0 - gaps[0]);
}

fn kept(query: u64, bytes: usize) -> Kept {
    let pixels = Arc::new(Pixels { width: 1, height: 1, rgba: vec![0; 4] });
    Kept {
        query: QueryId(query),
        source: Arc::new(Source { name: String::new(), path: None, bytes: vec![0; bytes].into() }),
        photo: Some(Arc::new(image::RgbImage::new(1, 1))),
        known: Arc::new(Known::default()),
        info: Arc::new(QueryInfo {
            name: String::new(),
            project_photo: None,
            pixels,
            width: 1,
            height: 1,
            crop: CropRect::whole(1, 1),
            suggested_crops: Vec::new(),
            edit: QueryEdit::default(),
            also: Vec::new(),
        }),
        crop: CropRect::whole(1, 1),
        limit: 1,
        recipe: Recipe::default(),
        also: Vec::new(),
        spotted: None,
        engine: None,
        shelf: crate::domain::ShelfOptions::default(),
        again: None,
        found: None,
    }
}

#[test]
fn old_queries_are_let_go_by_number_and_by_bytes_and_only_the_newest_stay_decoded() {
    let mut book = QueryBook::default();
    for query in 0..40 {
        book.insert(kept(query, 10));
    }
    assert!(book.get(QueryId(39)).is_some_and(|kept| kept.photo.is_some()));
    assert!(book.get(QueryId(30)).is_some_and(|kept| kept.photo.is_none()));
    assert!(book.get(QueryId(10)).is_none());
    for query in 40..43 {
        book.insert(kept(query, 100 << 20));
    }
    assert!(book.get(QueryId(39)).is_none());
    assert!(book.get(QueryId(41)).is_some() && book.get(QueryId(42)).is_some());
    book.insert(kept(50, 300 << 20));
    assert!(book.get(QueryId(50)).is_some(), "the newest stays however large it is");
}

#[test]
fn a_crop_outside_the_photo_is_refused_and_one_over_the_edge_is_cut() {
    let photo = image::RgbImage::new(100, 80);
    let known = Known::default();
    let chosen = |crop| choose_crop(&photo, crop, &known, "a.jpg");
    assert_eq!(chosen(None).unwrap(), CropRect::whole(100, 80));
    assert_eq!(chosen(Some(CropRect::new(90.0, 70.0, 50.0, 50.0))).unwrap(), CropRect::new(90.0, 70.0, 10.0, 10.0));
    let error = chosen(Some(CropRect::new(200.0, 0.0, 10.0, 10.0))).unwrap_err();
    assert!(error.to_string().contains("a.jpg"), "{error}");
    let known = Known { row: None, boxes: vec![("coat".to_owned(), CropRect::new(1.0, 2.0, 30.0, 40.0))] };
    assert_eq!(choose_crop(&photo, None, &known, "a.jpg").unwrap(), CropRect::new(1.0, 2.0, 30.0, 40.0));
}

#[test]
fn marks_become_the_labels_that_they_say() {
    use crate::domain::LabelValue::{Kind, NotThisProduct, SameProduct};
    let (query, other) = ("street/a.jpg".into(), "shop/b.jpg".into());
    let crop = Some(CropRect::new(1.0, 2.0, 3.0, 4.0));
    assert_eq!(label_of(&Mark::SameProduct("p".into()), &query, crop).1, Some(SameProduct { crop }));
    assert_eq!(label_of(&Mark::NotThisProduct("p".into()), &query, None).1, Some(NotThisProduct { crop: None }));
    assert_eq!(label_of(&Mark::ClearProduct("p".into()), &query, crop).1, None);
    assert_eq!(label_of(&Mark::Kind("coat".to_owned()), &query, crop).1, Some(Kind { name: "coat".to_owned() }));
    let (key, _) = label_of(&Mark::GalleryKind { photo: other, name: "coat".to_owned() }, &query, crop);
    assert_eq!(key, crate::domain::LabelKey::Kind { photo: "shop/b.jpg".into() });
}

#[test]
fn models_are_listed_once_and_the_chosen_one_is_preferred() {
    let machine = Machine::with_sample();
    let project = Project::create_from_manifest(&machine.sample()).unwrap();
    let own = save_model(&project.paths().model("own"), "own", 9);
    // The shipped one once more, and a folder that holds no model.
    save_model(&project.paths().model("copy"), "tiny", 1);
    let broken = project.paths().model("broken");
    std::fs::create_dir(&broken).unwrap();
    std::fs::write(broken.join("model.json"), "{").unwrap();
    std::fs::write(broken.join("weights.safetensors"), "").unwrap();
    let (models, problems) = list_models(Some(&project), &[machine.models()]);
    let mut names: Vec<&str> = models.iter().map(|model| model.card.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["own", "tiny"]);
    assert!(problems.len() == 1 && problems[0].contains("broken"), "{problems:?}");
    assert_eq!(preferred(&models, Some(&own)).unwrap().checkpoint, own);
    assert!(preferred(&[], None).is_none());
    let (shipped, _) = list_models(None, &[machine.models()]);
    assert_eq!(preferred(&shipped, Some(&own)).unwrap().checkpoint, machine.model);
}

#[test]
fn examples_are_street_photos_of_products_that_no_model_saw() {
    let machine = Machine::with_sample();
    let project = Project::create_from_manifest(&machine.sample()).unwrap();
    let examples = examples(&project).unwrap();
    assert_eq!(examples.len(), 12);
    let splits: Vec<bool> = examples
        .iter()
        .map(|photo| {
            let product = project.photo(photo).unwrap().unwrap().product.unwrap();
            project.product(&product).unwrap().unwrap().split == Some(crate::domain::Split::Test)
        })
        .collect();
    assert!(splits[0], "the first ones are unseen");
    assert!(splits.is_sorted_by(|a, b| a >= b), "{splits:?}");
}

#[test]
fn only_an_answer_sooner_than_any_hand_means_that_there_was_no_dialog() {
    use crate::jobs::io::was_missing;
    use std::time::Duration;
    assert!(was_missing(Duration::from_millis(40), false));
    assert!(!was_missing(Duration::from_millis(40), true), "zenity asked and the person closed it");
    assert!(!was_missing(Duration::from_secs(2), false), "the portal asked and the person closed it");
}
