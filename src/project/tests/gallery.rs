//! Projects over a person's own folder.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::domain::{
    Catalogue, IntakeReport, LabelKey, LabelValue, ListedPhoto, PhotoDomain, PhotoId, ProductId, ProductRecord,
    SkipReason, Skipped,
};
use crate::project::{CatalogueDiff, Project};

/// Photos of `name_view` file names; all that is before the `_` is the product.
fn catalogue(photos: &[&str]) -> Catalogue {
    let product_of = |photo: &str| ProductId::new(photo.split('_').next().unwrap());
    let products: BTreeMap<ProductId, ProductRecord> = photos
        .iter()
        .map(|photo| {
            let product = product_of(photo);
            let (name, kind) = (format!("Product {product}"), "shirt".to_owned());
            (product.clone(), ProductRecord { product, name, kind, split: None, attributes: BTreeMap::new() })
        })
        .collect();
    let mut views = BTreeMap::<ProductId, u32>::new();
    let photos = photos.iter().map(|photo| {
        let product = product_of(photo);
        let view = views.entry(product.clone()).or_default();
        *view += 1;
        ListedPhoto { inside: (*photo).to_owned(), product, view: *view - 1 }
    });
    Catalogue { photos: photos.collect(), products: products.into_values().collect() }
}

fn made(dir: &Path) -> Project {
    fs::create_dir_all(dir.join("photos")).unwrap();
    Project::create_gallery(&dir.join("project"), "Autumn", &dir.join("photos")).unwrap()
}

fn gallery(inside: &str) -> PhotoId {
    PhotoId::new(format!("gallery/{inside}"))
}

#[test]
fn photos_stay_where_they_are_and_their_ids_lead_there() {
    let dir = tempfile::tempdir().unwrap();
    let mut project = made(dir.path());
    let diff = project.take_catalogue(&catalogue(&["a_1.jpg", "tops/b_1.jpg"])).unwrap();
    assert_eq!(diff.added, [gallery("a_1.jpg"), gallery("tops/b_1.jpg")]);
    let rows = project.photos(PhotoDomain::Shop).unwrap();
    assert_eq!(project.paths().photo(&rows[1].photo), dir.path().join("photos/tops/b_1.jpg"));
    assert_eq!(project.paths().photo(&"street/added/x.jpg".into()), dir.path().join("project/street/added/x.jpg"));
    assert_eq!(project.paths().gallery(), Some(dir.path().join("photos").as_path()));
    drop(project);
    let project = Project::open(&dir.path().join("project")).unwrap();
    assert_eq!(project.paths().gallery(), Some(dir.path().join("photos").as_path()), "also the next time");
    assert_eq!(fs::read_dir(dir.path().join("photos")).unwrap().count(), 0, "nothing is written there");
}

#[test]
fn only_what_differs_is_taken_and_told() {
    let dir = tempfile::tempdir().unwrap();
    let mut project = made(dir.path());
    let first = catalogue(&["a_1.jpg", "a_2.jpg", "b_1.jpg"]);
    project.take_catalogue(&first).unwrap();
    assert_eq!(project.take_catalogue(&first).unwrap(), CatalogueDiff::default());
    let mut second = catalogue(&["a_1.jpg", "a_2.jpg", "c_1.jpg"]);
    second.products[0].attributes.insert("price".to_owned(), "39.00".to_owned());
    // The second photo of a is of c now.
    second.photos[1].product = ProductId::new("c");
    let diff = project.take_catalogue(&second).unwrap();
    assert_eq!(diff.added, [gallery("c_1.jpg")]);
    assert_eq!(diff.removed, [gallery("b_1.jpg")]);
    assert_eq!((diff.moved, diff.described), (1, 1));
    let products: Vec<String> = project.products().unwrap().iter().map(|p| p.product.to_string()).collect();
    assert_eq!(products, ["a", "c"]);
    assert_eq!(project.product(&"a".into()).unwrap().unwrap().attributes["price"], "39.00");
}

#[test]
fn answers_about_photos_that_are_gone_stay_and_come_back_with_them() {
    let dir = tempfile::tempdir().unwrap();
    let mut project = made(dir.path());
    let whole = catalogue(&["a_1.jpg", "b_1.jpg"]);
    project.take_catalogue(&whole).unwrap();
    let kind = LabelKey::Kind { photo: gallery("b_1.jpg") };
    project.set_label(&kind, Some(LabelValue::Kind { name: "coat".to_owned() }), "", None).unwrap();
    let matched = LabelKey::Match { query: gallery("a_1.jpg"), product: "b".into() };
    project.set_label(&matched, Some(LabelValue::NotThisProduct { crop: None }), "", None).unwrap();
    let diff = project.take_catalogue(&catalogue(&["a_1.jpg"])).unwrap();
    assert_eq!(diff.removed, [gallery("b_1.jpg")]);
    assert_eq!(project.photo(&gallery("b_1.jpg")).unwrap().unwrap().product, None, "not searched any more");
    assert_eq!(project.take_catalogue(&catalogue(&["a_1.jpg"])).unwrap(), CatalogueDiff::default(), "told once");
    assert_eq!(project.corrections().unwrap().len(), 2);
    assert_eq!(project.product(&"b".into()).unwrap().unwrap().name, "Product b");
    project.verify().unwrap();
    let diff = project.take_catalogue(&whole).unwrap();
    assert_eq!(diff.added, [gallery("b_1.jpg")]);
    assert_eq!(project.photo(&gallery("b_1.jpg")).unwrap().unwrap().product, Some("b".into()));
}

#[test]
fn the_report_is_kept_and_a_damaged_one_is_empty() {
    let dir = tempfile::tempdir().unwrap();
    let project = made(dir.path());
    assert_eq!(project.intake_report(), IntakeReport::default());
    let skipped = Skipped {
        file: "products.csv".to_owned(),
        line: Some(7),
        reason: SkipReason::Ragged,
        sentence: "this line has 3 fields, the first one 4: line 7 of products.csv".to_owned(),
    };
    let report = IntakeReport { photos: 3, skipped: vec![skipped], ..IntakeReport::default() };
    project.save_intake_report(&report).unwrap();
    assert_eq!(Project::open(&dir.path().join("project")).unwrap().intake_report(), report);
    fs::write(project.paths().intake(), "{\"photos\": ").unwrap();
    assert_eq!(project.intake_report(), IntakeReport::default());
}

#[test]
fn a_second_one_reads_the_gallery_and_says_why_it_does_not_change_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut first = made(dir.path());
    first.take_catalogue(&catalogue(&["a_1.jpg"])).unwrap();
    let mut second = Project::open(&dir.path().join("project")).unwrap();
    assert_eq!(second.counts().unwrap().shop_photos, 1);
    let errors = [
        second.take_catalogue(&catalogue(&[])).unwrap_err(),
        second.save_intake_report(&IntakeReport::default()).unwrap_err(),
        second.set_attribute_list(None).unwrap_err(),
    ];
    for error in errors {
        assert!(error.to_string().contains("already open in another window or command"), "{error}");
    }
    assert_eq!(first.counts().unwrap().shop_photos, 1);
}
