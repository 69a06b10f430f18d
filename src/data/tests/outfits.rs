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
    let items = sampler.stretch(0, 200);
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
fn the_order_is_endless_and_the_same_wherever_it_is_entered() {
    let dataset = wardrobe();
    let sampler = OutfitSampler::new(&dataset, &training(&dataset), 1.0, 5);
    let whole = sampler.stretch(0, 60);
    let parts: Vec<usize> =
        [(0, 7), (7, 30), (37, 23)].into_iter().flat_map(|(at, n)| sampler.stretch(at, n)).collect();
    assert_eq!(whole, parts);
    assert_ne!(whole, OutfitSampler::new(&dataset, &training(&dataset), 1.0, 6).stretch(0, 60));
}

#[test]
fn a_larger_share_of_the_outfits_holds_a_smaller_one() {
    let dataset = wardrobe();
    let anchors = |share: f64| -> BTreeSet<usize> {
        let sampler = OutfitSampler::new(&dataset, &training(&dataset), share, 5);
        assert_eq!(sampler.len(), (22.0 * share).round() as usize);
        sampler.stretch(0, 300).as_chunks::<3>().0.iter().map(|[a, ..]| dataset.items[*a].product).collect()
    };
    let (few, more) = (anchors(0.2), anchors(0.6));
    assert!(few.len() < more.len() && few.is_subset(&more));
}

#[test]
fn without_outfits_or_without_a_wrong_piece_there_are_no_triplets() {
    let mut dataset = wardrobe();
    let everything = dataset.outfits.clone();
    dataset.outfits.clear();
    assert!(OutfitSampler::new(&dataset, &training(&dataset), 1.0, 5).stretch(3, 4).is_empty());
    // One outfit: no other piece of any kind is in one.
    dataset.outfits = vec![everything[0].clone()];
    assert!(OutfitSampler::new(&dataset, &training(&dataset), 1.0, 5).stretch(0, 4).is_empty());
    dataset.outfits = everything;
    assert!(OutfitSampler::new(&dataset, &[], 1.0, 5).is_empty());
}

#[test]
fn a_triplet_without_one_of_its_photos_is_left_out() {
    let photos = |items: &[usize]| Batch { items: items.to_vec(), ..Batch::default() };
    let wanted = [4, 5, 6, 7, 8, 9, 4, 8, 6];
    assert_eq!(Worn::new(&wanted, photos(&wanted)).triplets, [[0, 1, 2], [3, 4, 5], [6, 7, 8]]);
    // Photo 8 cannot be read, wherever it is asked for.
    assert_eq!(Worn::new(&wanted, photos(&[4, 5, 6, 7, 9, 4, 6])).triplets, [[0, 1, 2]]);
    assert!(Worn::new(&wanted, photos(&[])).triplets.is_empty());
}
