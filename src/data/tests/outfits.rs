//! Triplets of what is worn together.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::data::dataset::{Dataset, Entry};
use crate::data::{Batch, OutfitSampler, Worn};
use crate::domain::{PhotoDomain, PhotoId, ProductId, Split};

const KINDS: [&str; 3] = ["top", "bottom", "bag"];

/// Twelve products of each kind with a street and two shop photos; the last of each is for testing.
fn wardrobe() -> Dataset {
    let mut entries = Vec::new();
    for kind in KINDS {
        for number in 0..12 {
            for (domain, view) in [(PhotoDomain::Street, 0), (PhotoDomain::Shop, 0), (PhotoDomain::Shop, 1)] {
                let photo = format!("{}/{kind}{number}_{view}.jpg", domain.as_str());
                entries.push(Entry {
                    path: PathBuf::from(&photo),
                    photo: PhotoId::new(&photo),
                    domain,
                    product: ProductId::new(format!("{kind}{number}")),
                    kind: kind.to_owned(),
                    crop: None,
                    split: Some(if number == 11 { Split::Test } else { Split::Train }),
                });
            }
        }
    }
    let named: Vec<Vec<String>> = (0..12)
        .flat_map(|n| (0..2).map(move |shift| (n, (n + shift) % 11)))
        .map(|(n, other)| vec![format!("top{n}"), format!("bottom{other}"), format!("bag{n}"), "no such".to_owned()])
        .collect();
    Dataset::new(entries).with_outfits(named.iter().map(|pieces| pieces.iter().map(String::as_str).collect()))
}

fn training(dataset: &Dataset) -> Vec<usize> {
    dataset.split(Split::Train)
}

#[test]
fn two_pieces_are_worn_together_and_the_third_could_stand_in_for_the_second() {
    let dataset = wardrobe();
    assert!(dataset.outfits.iter().all(|pieces| pieces.len() == 3), "unknown pieces are left out");
    let sampler = OutfitSampler::new(&dataset, &training(&dataset), 1.0, 5);
    // Those with a product of the test split are not for training.
    assert_eq!(sampler.len(), 22);
    let together: BTreeSet<[usize; 2]> = dataset
        .outfits
        .iter()
        .flat_map(|pieces| pieces.iter().flat_map(move |&a| pieces.iter().map(move |&b| [a, b])))
        .collect();
    let items: Vec<usize> = (0..10).flat_map(|number| sampler.batch(number, 20)).collect();
    assert_eq!(items.len(), 600);
    let mut anchors: BTreeMap<usize, usize> = BTreeMap::new();
    for triplet in items.as_chunks::<3>().0 {
        let [a, p, n] = triplet.map(|item| &dataset.items[item]);
        assert!([a, p, n].iter().all(|item| item.domain == PhotoDomain::Shop && item.split == Some(Split::Train)));
        assert!(a.product != p.product && together.contains(&[a.product, p.product]));
        assert!(n.kind == p.kind && n.product != p.product && !together.contains(&[a.product, n.product]));
        *anchors.entry(a.product).or_default() += 1;
    }
    assert_eq!(anchors.len(), 33, "every piece is an anchor at some time");
}

#[test]
fn a_batch_is_the_same_whenever_it_is_dealt_and_all_outfits_have_their_turn() {
    let dataset = wardrobe();
    let sampler = OutfitSampler::new(&dataset, &training(&dataset), 1.0, 5);
    let again = OutfitSampler::new(&dataset, &training(&dataset), 1.0, 5);
    assert_eq!(sampler.batch(7, 24), again.batch(7, 24));
    assert_ne!(sampler.batch(7, 24), sampler.batch(8, 24));
    assert_ne!(sampler.batch(7, 24), OutfitSampler::new(&dataset, &training(&dataset), 1.0, 6).batch(7, 24));
    // An outfit of three pieces has six pairs: four outfits a batch, so 22 of them have been dealt after six batches.
    let of = |item: usize| dataset.items[item].product;
    let pairs: BTreeSet<[usize; 2]> = (0..6)
        .flat_map(|number| sampler.batch(number, 24))
        .collect::<Vec<_>>()
        .as_chunks::<3>()
        .0
        .iter()
        .map(|[a, p, _]| [of(*a), of(*p)])
        .collect();
    let every = dataset.outfits.iter().filter(|pieces| {
        pieces
            .iter()
            .all(|piece| dataset.items.iter().any(|item| item.product == *piece && item.split == Some(Split::Train)))
    });
    let mut outfits = 0;
    for pieces in every {
        outfits += 1;
        for &a in pieces {
            for &b in pieces {
                assert!(a == b || pairs.contains(&[a, b]), "{a} and {b}");
            }
        }
    }
    assert_eq!(outfits, 22);
}

#[test]
fn triplets_of_a_batch_share_their_photos() {
    let dataset = wardrobe();
    let sampler = OutfitSampler::new(&dataset, &training(&dataset), 1.0, 5);
    for number in 0..20 {
        let items = sampler.batch(number, 24);
        let photos = Worn::photos_of(&items);
        // Four outfits of three pieces, and at most one wrong piece more for each anchor.
        assert!(photos.len() <= 24, "{} photos", photos.len());
        let products: BTreeSet<usize> = photos.iter().map(|item| dataset.items[*item].product).collect();
        assert_eq!(products.len(), photos.len(), "one photo of a product");
    }
    // More triplets than all pairs together: each pair again, with a wrong piece of its own.
    assert_eq!(sampler.batch(0, 500).len(), 1500);
}

#[test]
fn a_larger_share_of_the_outfits_holds_a_smaller_one() {
    let dataset = wardrobe();
    let anchors = |share: f64| -> BTreeSet<usize> {
        let sampler = OutfitSampler::new(&dataset, &training(&dataset), share, 5);
        assert_eq!(sampler.len(), (22.0 * share).round() as usize);
        let items: Vec<usize> = (0..10).flat_map(|number| sampler.batch(number, 30)).collect();
        items.as_chunks::<3>().0.iter().map(|[a, ..]| dataset.items[*a].product).collect()
    };
    let (few, more) = (anchors(0.2), anchors(0.6));
    assert!(few.len() < more.len() && few.is_subset(&more));
}

#[test]
fn without_outfits_or_without_a_wrong_piece_there_are_no_triplets() {
    let mut dataset = wardrobe();
    let everything = dataset.outfits.clone();
    dataset.outfits.clear();
    assert!(OutfitSampler::new(&dataset, &training(&dataset), 1.0, 5).batch(3, 4).is_empty());
    // One outfit: no other piece of any kind is in one.
    dataset.outfits = vec![everything[0].clone()];
    assert!(OutfitSampler::new(&dataset, &training(&dataset), 1.0, 5).batch(0, 4).is_empty());
    dataset.outfits = everything;
    assert!(OutfitSampler::new(&dataset, &[], 1.0, 5).is_empty());
}

#[test]
fn a_triplet_without_one_of_its_photos_is_left_out() {
    let photos = |items: &[usize]| Batch { items: items.to_vec(), ..Batch::default() };
    let wanted = [4, 5, 6, 7, 8, 9, 4, 8, 6];
    assert_eq!(Worn::photos_of(&wanted), [4, 5, 6, 7, 8, 9]);
    assert_eq!(Worn::new(&wanted, photos(&[4, 5, 6, 7, 8, 9])).triplets, [[0, 1, 2], [3, 4, 5], [0, 4, 2]]);
    // Photo 8 cannot be read, wherever it is asked for.
    assert_eq!(Worn::new(&wanted, photos(&[4, 5, 6, 7, 9])).triplets, [[0, 1, 2]]);
    assert!(Worn::new(&wanted, photos(&[])).triplets.is_empty());
}
