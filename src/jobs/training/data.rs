//! What there is to learn from.

use crate::data::Dataset;
use crate::domain::{PhotoDomain, Split};
use crate::jobs::types::{DataSummary, TrainingData};
use crate::train;

/// Counts what a run would train on and measure.
pub fn summary(data: TrainingData, name: &str, dataset: &Dataset) -> DataSummary {
    let among = train::training_items(dataset, 1.0, 0);
    let count = |domain| dataset.of_domain(&among, domain).len();
    let products: std::collections::BTreeSet<usize> = among.iter().map(|&item| dataset.items[item].product).collect();
    let measured =
        |item: &&crate::data::Item| item.split == Some(Split::Validation) && item.domain == PhotoDomain::Street;
    DataSummary {
        data,
        name: name.to_owned(),
        street: count(PhotoDomain::Street),
        shop: count(PhotoDomain::Shop),
        products: products.len(),
        validation: dataset.items.iter().filter(measured).count(),
        problem: train::check_enough(dataset, &among)
            .err()
            .map(|error| crate::jobs::error::sentence(&error.to_string())),
    }
}
