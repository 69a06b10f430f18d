//! The model in other precisions: through the window's backend, and the shipped weights on photos of the sample.

use std::path::Path;
use std::sync::Arc;

use candle_core::Device;

use super::{Machine, street};
use crate::data::{compared_part, decode_file};
use crate::domain::{Arithmetic, PhotoDomain, StopFlag};
use crate::index::{GalleryIndex, embed_photo};
use crate::jobs::models::place_for;
use crate::jobs::{Event, ProjectSummary, QueryPhoto, Request};
use crate::nn::{CellFeatures, Encoder};
use crate::synth::SampleSpec;

#[test]
fn another_precision_embeds_once_is_kept_with_the_project_and_goes_back_for_nothing() {
    let machine = Machine::with_sample();
    let mut window = machine.start();
    let first = window.open(None);
    assert_eq!(first.arithmetic, Arithmetic::F32);
    let opened = |event: &Event| match event {
        Event::ProjectOpened(summary) => Some(Arc::clone(summary)),
        _ => None,
    };
    let to = |window: &mut super::Window, arithmetic| -> Arc<ProjectSummary> {
        window.ask(Request::UseArithmetic { arithmetic });
        window.wait_unless_failed(opened)
    };
    let summary = to(&mut window, Arithmetic::Int8);
    assert_eq!((summary.arithmetic, summary.gallery_photos), (Arithmetic::Int8, first.gallery_photos));
    assert_eq!(summary.model, first.model);
    assert!(summary.device.ends_with("in int8"), "{}", summary.device);
    let query = window.search(1, QueryPhoto::Project(street(2)));
    window.wait_unless_failed(|event| matches!(event, Event::Ranked { query: of, .. } if *of == query).then_some(()));
    drop(window);

    // Each precision has its features, and neither is taken for the other.
    let features = machine.sample().join("features");
    let of = |name: &str| GalleryIndex::open(&features.join(name)).unwrap();
    let id = first.model.checkpoint.as_str();
    let (plain, rounded) = (of(id), of(&format!("{id}-int8")));
    assert_eq!(plain.rows(), rounded.rows());
    assert_ne!(plain.globals(), rounded.globals());
    let encoder = Encoder::load_in(&machine.models().join("tiny"), &Device::Cpu, Arithmetic::Int8).unwrap();
    let said = GalleryIndex::open_for(&features.join(id), &encoder).err().map(|error| error.to_string());
    assert!(said.is_some_and(|said| said.contains("in f32") && said.contains("in int8")));

    let mut window = machine.start();
    assert_eq!(window.open(None).arithmetic, Arithmetic::Int8, "the project remembers");
    let written = std::fs::metadata(features.join(id).join("index.seam")).unwrap().modified().unwrap();
    assert_eq!(to(&mut window, Arithmetic::F32).arithmetic, Arithmetic::F32);
    let now = std::fs::metadata(features.join(id).join("index.seam")).unwrap().modified().unwrap();
    assert_eq!(now, written, "nothing was embedded");
}

/// A project that was indexed in 16 bits beside a GPU opens, and searches, where there is none.
#[test]
fn what_a_gpu_alone_computes_is_computed_in_32_bits_without_one() {
    for (asked, found) in
        [(Arithmetic::F32, Arithmetic::F32), (Arithmetic::Int8, Arithmetic::Int8), (Arithmetic::Bf16, Arithmetic::F32)]
    {
        let (arithmetic, device) = place_for(asked, &Device::Cpu);
        assert!(arithmetic == found && device.is_cpu(), "{asked:?}: {arithmetic:?}");
    }
    let machine = Machine::with_sample();
    {
        let mut project = crate::jobs::open::open_folder(&machine.sample()).unwrap();
        project.set_arithmetic(Arithmetic::Bf16).unwrap();
    }
    let mut window = machine.start();
    let summary = window.open(None);
    assert!(!summary.device.contains("bf16"), "{}", summary.device);
    let query = window.search(1, QueryPhoto::Project(street(2)));
    window.wait_unless_failed(|event| matches!(event, Event::Ranked { query: of, .. } if *of == query).then_some(()));
}

/// Every street photo of a few products is nearest to the same shop photo in both, and every vector nearly the same.
#[test]
fn the_shipped_model_says_the_same_in_8_bits() {
    let dir = tempfile::tempdir().unwrap();
    let spec = SampleSpec { products: 6, seed: 11, ..SampleSpec::default() };
    crate::synth::write_sample(dir.path(), &spec, &StopFlag::new(), &|_| {}).unwrap();
    let project = crate::jobs::open::open_folder(dir.path()).unwrap();
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/atelier");
    let [exact, rounded] =
        [Arithmetic::F32, Arithmetic::Int8].map(|one| Encoder::load_in(&model, &Device::Cpu, one).unwrap());
    let encoded = |encoder: &Encoder, domain: PhotoDomain| -> Vec<CellFeatures> {
        let rows = project.photos(domain).unwrap();
        let features = rows.iter().map(|row| {
            let photo = decode_file(&project.paths().photo(&row.photo)).unwrap();
            let part = compared_part(&photo, domain, row.bbox);
            embed_photo(encoder, &photo, Some(part), row.kind.as_deref()).unwrap()
        });
        features.collect()
    };
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    let mut first = Vec::new();
    for encoder in [&exact, &rounded] {
        let shops = encoded(encoder, PhotoDomain::Shop);
        let best = |query: CellFeatures| {
            let score = |row: &usize| dot(query.global_of(0), shops[*row].global_of(0));
            (0..shops.len()).max_by(|a, b| score(a).total_cmp(&score(b)))
        };
        first.push(encoded(encoder, PhotoDomain::Street).into_iter().map(best).collect::<Vec<_>>());
    }
    assert!(first[0].len() >= 6 && first[0] == first[1], "{first:?}");
    for domain in [PhotoDomain::Shop, PhotoDomain::Street] {
        for (a, b) in encoded(&exact, domain).iter().zip(encoded(&rounded, domain)) {
            assert!(dot(a.global_of(0), b.global_of(0)) > 0.995);
            let cells = a.cells.chunks(a.dim).zip(b.cells.chunks(a.dim));
            assert!(cells.map(|(a, b)| dot(a, b)).fold(1.0, f32::min) > 0.97);
        }
    }
}
