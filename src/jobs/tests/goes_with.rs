//! Products that go well with a garment, from request to event.

use std::collections::BTreeMap;
use std::sync::Arc;

use candle_core::{Device, Tensor};

use super::{Machine, Window, shop, street};
use crate::data::{compared_part, decode_file};
use crate::domain::{
    CropRect, Filter, FoldOptions, Garment, Goal, KindKnown, MatchOptions, PhotoId, ProductId, QueryId, Ranking,
    ShelfOptions, Stage, goal,
};
use crate::index::{GalleryIndex, embed_photo};
use crate::jobs::{Event, Mark, QueryPhoto, Request, ShelfRequest};
use crate::nn::{Arch, BackboneConfig, Embedder, EmbedderConfig, Encoder, ModelCard, Precision, checkpoint};
use crate::project::Project;

impl Window {
    fn ended(&mut self, query: QueryId) -> Arc<Ranking> {
        self.wait_unless_failed(|event| match event {
            Event::Ranked { query: of, ranking, .. } if *of == query => ranking.is_last().then(|| Arc::clone(ranking)),
            _ => None,
        })
    }

    fn going_with(&mut self, query: QueryId, of: Option<PhotoId>, filters: &[&str]) -> Arc<Ranking> {
        let fold = FoldOptions { on: false, ..FoldOptions::default() };
        let filters = filters.iter().map(|text| text.parse::<Filter>().unwrap()).collect();
        let shelf = ShelfOptions { goal: Goal::GoesWith { of }, filters, fold, ..ShelfOptions::default() };
        let options = MatchOptions { rerank: 6, ..MatchOptions::default() };
        self.ask(Request::Shelf(ShelfRequest::Arrange { query, options, shelf, limit: 16 }));
        self.ended(query)
    }
}

/// A street photo of a product and its ranking, with the kinds of all products and the product's own.
struct Searched {
    window: Window,
    kinds: BTreeMap<ProductId, String>,
    query: QueryId,
    same: Arc<Ranking>,
    own: String,
}

impl Searched {
    fn on(machine: &Machine) -> Self {
        let mut window = machine.start();
        window.open(None);
        let kinds = kinds(machine);
        let query = window.search(1, QueryPhoto::Project(street(2)));
        let same = window.ended(query);
        let own = kinds[&ProductId::new("p0002")].clone();
        Self { window, kinds, query, same, own }
    }
}

fn kinds(machine: &Machine) -> BTreeMap<ProductId, String> {
    let products = Project::open(&machine.sample()).unwrap().products().unwrap();
    products.into_iter().map(|product| (product.product, product.kind)).collect()
}

/// Photos and their distances to a vector, nearest first, written out.
fn naive(index: &GalleryIndex, from: &[f32], fits: impl Fn(&ProductId) -> bool) -> Vec<(PhotoId, f32)> {
    let unit = |vector: &[f32]| {
        let length = vector.iter().map(|v| v * v).sum::<f32>().sqrt();
        vector.iter().map(|v| v / length).collect::<Vec<f32>>()
    };
    let from = unit(from);
    let mut all: Vec<(PhotoId, f32)> = (0..index.len())
        .filter(|&row| fits(&index.rows()[row].product))
        .map(|row| {
            let to = unit(&index.global_f32(row));
            let distance = from.iter().zip(&to).map(|(a, b)| (a - b).powi(2)).sum::<f32>().sqrt();
            (index.rows()[row].photo.clone(), distance)
        })
        .collect();
    all.sort_by(|a, b| a.1.total_cmp(&b.1));
    all
}

#[test]
fn products_of_other_kinds_are_ranked_by_the_distance_of_global_vectors() {
    let machine = Machine::with_sample();
    let Searched { mut window, kinds, query, same, own } = Searched::on(&machine);

    // With a result as the garment the oracle is the index itself.
    let features = machine.sample().join("features").join(machine.model.to_string());
    let index = GalleryIndex::open(&features).unwrap();
    let row = index.row_of(&shop(5)).unwrap();
    let kind = kinds[&ProductId::new("p0005")].clone();
    let found = window.going_with(query, Some(shop(5)), &[]);
    assert_eq!(found.stage, Stage::Global, "no cells are compared");
    assert_eq!(found.shelf.garment, Some(Garment { kind: Some(kind.clone()), known_by: KindKnown::Product }));
    let wanted = naive(&index, &index.global_f32(row), |product| kinds[product] != kind);
    assert!(!wanted.is_empty() && wanted.len() < index.len());
    assert_eq!((found.hits.len(), found.shelf.passing), (wanted.len(), wanted.len()));
    for (hit, (photo, distance)) in found.hits.iter().zip(&wanted) {
        assert!(hit.structural.is_none() && kinds[&hit.product] != kind);
        // 16-bit vectors are of length 1 to three digits.
        assert!((goal::distance_of(hit.global) - distance).abs() < 5e-3, "{photo}: {distance}");
    }
    let order = |ranking: &Ranking| ranking.hits.iter().map(|hit| hit.photo.clone()).collect::<Vec<_>>();
    let near = |photo: &PhotoId| wanted.iter().find(|(other, _)| other == photo).unwrap().1;
    assert!(order(&found).windows(2).all(|pair| near(&pair[0]) <= near(&pair[1]) + 5e-3));

    // The query's own garment, whose kind the photo's data say.
    let garment = Some(Garment { kind: Some(own.clone()), known_by: KindKnown::Photo });
    let found = window.going_with(query, None, &[]);
    assert_eq!(found.shelf.garment, garment);
    assert!(!found.hits.is_empty() && found.hits.iter().all(|hit| kinds[&hit.product] != own));
    // As near as in the list of the same product, where what is compared cell by cell is summed in another order.
    for hit in &found.hits {
        if let Some(other) = same.hits.iter().find(|other| other.photo == hit.photo) {
            assert!((other.global - hit.global).abs() < 1e-3, "{}: {} {}", hit.photo, other.global, hit.global);
        }
    }
    // A filter holds too, and one that wants the own kind leaves nothing.
    let other = kinds.values().find(|kind| **kind != own).unwrap();
    let some = window.going_with(query, None, &[&format!("kind={other}")]);
    assert!(!some.hits.is_empty() && some.hits.iter().all(|hit| kinds[&hit.product] == *other));
    assert!(window.going_with(query, None, &[&format!("kind={own}")]).hits.is_empty());
    // Other knobs of the comparison of cells change nothing.
    let options = MatchOptions { rerank: 3, epsilon: 0.2, ..MatchOptions::default() };
    window.going_with(query, None, &[]);
    window.ask(Request::Rerank { query, options });
    assert_eq!(order(&window.ended(query)), order(&found));
    // And back.
    let shelf = ShelfOptions::default();
    let options = MatchOptions { rerank: 6, ..MatchOptions::default() };
    window.ask(Request::Shelf(ShelfRequest::Arrange { query, options, shelf, limit: 10 }));
    let again = window.ended(query);
    assert_eq!((order(&again), again.stage), (order(&same), Stage::Structural));
    assert_eq!(again.shelf.garment, None);
}

#[test]
fn what_a_person_says_of_the_kind_counts_and_an_unknown_part_is_of_the_kind_of_what_looks_like_it() {
    let machine = Machine::with_sample();
    let Searched { mut window, kinds, query, same, own } = Searched::on(&machine);
    let other = kinds.values().find(|kind| **kind != own).unwrap().clone();
    window.ask(Request::Mark { query, mark: Mark::Kind(other.clone()) });
    window.wait(|event| matches!(event, Event::LabelsChanged(_)).then_some(()));
    let found = window.going_with(query, None, &[]);
    assert_eq!(found.shelf.garment, Some(Garment { kind: Some(other.clone()), known_by: KindKnown::Person }));
    assert!(found.hits.iter().all(|hit| kinds[&hit.product] != other));
    assert_eq!(same.shelf.garment, None);

    // A corner where no garment is known.
    let query = QueryId(2);
    let options = MatchOptions { rerank: 0, ..MatchOptions::default() };
    let fold = FoldOptions { on: false, ..FoldOptions::default() };
    let shelf = ShelfOptions { fold, ..ShelfOptions::default() };
    window.ask(Request::Search(crate::jobs::SearchRequest {
        query,
        photo: QueryPhoto::Project(street(4)),
        crop: Some(CropRect::new(0.0, 0.0, 12.0, 12.0)),
        options,
        limit: 16,
        shelf,
        again: None,
        recipe: crate::domain::Recipe::default(),
        also: Vec::new(),
    }));
    let plain = window.ended(query);
    let first: Vec<&String> = plain.hits.iter().take(5).map(|hit| &kinds[&hit.product]).collect();
    let votes = |kind: &String| first.iter().filter(|other| **other == kind).count();
    let most = first.iter().map(|kind| votes(kind)).max().unwrap();
    let wanted = (*first.iter().find(|kind| votes(kind) == most).unwrap()).clone();
    let found = window.going_with(query, None, &[]);
    assert_eq!(found.shelf.garment, Some(Garment { kind: Some(wanted), known_by: KindKnown::Likeness }));
    // A garment that is not in the gallery is a sentence.
    let goal = Goal::GoesWith { of: Some(PhotoId::new("shop/none.jpg")) };
    let shelf = ShelfOptions { goal, ..ShelfOptions::default() };
    window.ask(Request::Shelf(ShelfRequest::Arrange { query, options, shelf, limit: 16 }));
    let failure = window.wait(|event| match event {
        Event::Failed(failure) => Some(failure.clone()),
        _ => None,
    });
    assert!(failure.sentence.contains("shop/none.jpg"), "{}", failure.sentence);
}

/// Oracle: the maps of the frozen network itself, one photo at a time, and distances written out.
#[test]
fn a_model_that_has_learnt_outfits_ranks_by_what_is_worn_together() {
    let machine = Machine::with_sample();
    let names: Vec<String> = crate::synth::kinds().into_iter().map(str::to_owned).collect();
    let backbone = BackboneConfig { width: 4, ..BackboneConfig::new(Arch::ResNet18) };
    let mut config = EmbedderConfig::new(backbone, 8, names.len());
    config.head.worn = true;
    let embedder = Embedder::new(&config, 5, &Device::Cpu).unwrap();
    for (name, var) in embedder.params.trainable().filter(|(name, _)| name.starts_with("worn.")) {
        let numbers: Vec<f32> =
            (0..var.elem_count()).map(|i| ((i * 37 + name.len()) % 41) as f32 / 41.0 - 0.5).collect();
        var.set(&Tensor::from_vec(numbers, var.shape(), &Device::Cpu).unwrap()).unwrap();
    }
    let card = ModelCard { kinds: names, ..ModelCard::new("worn", &config, 64) };
    let dir = machine.models().join("worn");
    let model = checkpoint::save(&dir, &card, &embedder.params.tensors().unwrap(), Precision::F32).unwrap();
    std::fs::remove_dir_all(machine.models().join("tiny")).unwrap();
    let Searched { mut window, kinds, query, same, .. } = Searched::on(&machine);

    let (encoder, features) = (Encoder::load(&dir, &Device::Cpu).unwrap(), machine.sample().join("features"));
    let index = GalleryIndex::open(&features.join(model.to_string())).unwrap();
    let worn = |row: usize| {
        let kind = encoder.kind_number(&kinds[&index.rows()[row].product]);
        encoder.worn(&index.global_f32(row), &[kind]).unwrap()
    };
    let of = index.row_of(&shop(5)).unwrap();
    let found = window.going_with(query, Some(shop(5)), &[]);
    assert!(found.hits.len() > 3);
    let own = &kinds[&ProductId::new("p0005")];
    for hit in &found.hits {
        let row = index.row_of(&hit.photo).unwrap();
        let distance = worn(of).iter().zip(worn(row)).map(|(a, b)| (a - b).powi(2)).sum::<f32>().sqrt();
        assert!(
            kinds[&hit.product] != *own && (goal::distance_of(hit.global) - distance).abs() < 5e-3,
            "{}",
            hit.photo
        );
    }
    assert!(found.hits.windows(2).all(|pair| pair[0].global >= pair[1].global));
    let plain: Vec<PhotoId> = naive(&index, &index.global_f32(of), |product| kinds[product] != *own)
        .into_iter()
        .map(|(photo, _)| photo)
        .collect();
    let order = |ranking: &Ranking| ranking.hits.iter().map(|hit| hit.photo.clone()).collect::<Vec<_>>();
    assert_ne!(order(&found), plain, "likeness would have another order");

    // The query's own garment goes through the map of its kind as well; the same product is sought by likeness as ever.
    let first = order(&window.going_with(query, None, &[]));
    assert_ne!(first, order(&same));
    let shelf = ShelfOptions { fold: FoldOptions { on: false, ..FoldOptions::default() }, ..ShelfOptions::default() };
    let options = MatchOptions { rerank: 6, ..MatchOptions::default() };
    window.ask(Request::Shelf(ShelfRequest::Arrange { query, options, shelf, limit: 16 }));
    let again = window.ended(query);
    for hit in &again.hits {
        if let Some(before) = same.hits.iter().find(|before| before.photo == hit.photo) {
            assert!((before.global - hit.global).abs() < 1e-3, "{}", hit.photo);
        }
    }
}

#[test]
fn a_model_with_an_embedding_for_each_kind_takes_gallery_and_query_by_their_kinds() {
    let machine = Machine::with_sample();
    let names: Vec<String> = crate::synth::kinds().into_iter().map(str::to_owned).collect();
    let backbone = BackboneConfig { width: 4, ..BackboneConfig::new(Arch::ResNet18) };
    let mut config = EmbedderConfig::new(backbone, 8, names.len());
    config.head.projections = true;
    let embedder = Embedder::new(&config, 5, &Device::Cpu).unwrap();
    let card = ModelCard { kinds: names, ..ModelCard::new("by kind", &config, 64) };
    let dir = machine.models().join("by-kind");
    let model = checkpoint::save(&dir, &card, &embedder.params.tensors().unwrap(), Precision::F32).unwrap();
    std::fs::remove_dir_all(machine.models().join("tiny")).unwrap();
    let mut window = machine.start();
    assert_eq!(window.open(None).model.checkpoint, model);
    let query = window.search(1, QueryPhoto::Project(street(2)));
    let ranking = window.ended(query);
    drop(window);

    let (project, kinds) = (Project::open(&machine.sample()).unwrap(), kinds(&machine));
    let encoder = Encoder::load(&dir, &Device::Cpu).unwrap();
    let index = GalleryIndex::open(&machine.sample().join("features").join(model.to_string())).unwrap();
    // By this kind, and by each other.
    let seen = |photo: &PhotoId, kind: &str| {
        let row = project.photo(photo).unwrap().unwrap();
        let pixels = decode_file(&machine.sample().join(photo.as_str())).unwrap();
        let part = compared_part(&pixels, row.domain, row.bbox);
        embed_photo(&encoder, &pixels, Some(part), Some(kind)).unwrap().globals
    };
    let near = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 2e-3);
    for (row, indexed) in index.rows().iter().enumerate() {
        let own = &kinds[&indexed.product];
        let other = kinds.values().find(|kind| *kind != own).unwrap();
        assert!(near(&index.global_f32(row), &seen(&indexed.photo, own)), "{}", indexed.photo);
        assert!(!near(&index.global_f32(row), &seen(&indexed.photo, other)), "kinds differ");
    }
    let own = seen(&street(2), &kinds[&ProductId::new("p0002")]);
    for hit in &ranking.hits {
        let row = index.global_f32(index.row_of(&hit.photo).unwrap());
        let cosine: f32 = own.iter().zip(&row).map(|(a, b)| a * b).sum();
        assert!((cosine - hit.global).abs() < 2e-3, "{}: {cosine} {}", hit.photo, hit.global);
    }
}
