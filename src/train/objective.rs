//! What a step minimises: the recipe's losses, weighted, on one batch.

use candle_core::{Result, Tensor};

use super::config::TrainConfig;
use super::event::LossParts;
use super::losses::{self, StructuralSettings};
use crate::domain::PhotoDomain;
use crate::nn::EmbedderOutput;

/// What is known of the photos of a batch.
pub struct Labels<'a> {
    /// Equal numbers for photos of the same product.
    pub products: &'a [usize],
    /// `None` where the kind is not known to the classifier.
    pub kinds: &'a [Option<usize>],
    pub domains: &'a [PhotoDomain],
}

/// A loss as tensors; [`Objective::read`] fetches the numbers in one go.
pub struct Objective {
    pub total: Tensor,
    parts: [Option<Tensor>; 4],
    extra: Option<Tensor>,
    wrong_share: f64,
}

impl Objective {
    pub fn of(output: &EmbedderOutput, labels: &Labels<'_>, config: &TrainConfig) -> Result<Self> {
        let weights = &config.loss;
        let mut wrong_share = 0.0;
        let cross_entropy = if weights.cross_entropy > 0.0 {
            Some(losses::cross_entropy(&output.logits, labels.kinds, weights.label_smoothing)?)
        } else {
            None
        };
        let triplet = if weights.triplet > 0.0 {
            let triplet =
                losses::batch_hard_triplet(&output.global, labels.products, Some(labels.domains), &config.triplet())?;
            wrong_share = triplet.wrong as f64 / triplet.anchors.max(1) as f64;
            triplet.loss
        } else {
            None
        };
        let info_nce = if weights.info_nce > 0.0 {
            losses::cross_domain_info_nce(&output.global, labels.products, labels.domains, weights.temperature)?
        } else {
            None
        };
        let structural = if weights.structural > 0.0 { structural(&output.cells, labels, config)? } else { None };
        let parts = [cross_entropy, triplet, info_nce, structural];
        let factors = [weights.cross_entropy, weights.triplet, weights.info_nce, weights.structural];
        let mut total = output.global.zeros_like()?.sum_all()?;
        for (part, factor) in parts.iter().zip(factors) {
            if let Some(part) = part {
                total = (total + (part * factor)?)?;
            }
        }
        Ok(Self { total, parts, extra: None, wrong_share })
    }

    /// Adds a loss that is no part of the recipe, such as that of corrections.
    pub fn add(&mut self, extra: &Tensor) -> Result<()> {
        self.total = (&self.total + extra)?;
        self.extra = Some(match self.extra.take() {
            Some(sum) => (sum + extra)?,
            None => extra.clone(),
        });
        Ok(())
    }

    /// The numbers, in one transfer from the device.
    pub fn read(&self) -> Result<LossParts> {
        let zero = self.total.zeros_like()?;
        let of = |part: &Option<Tensor>| part.as_ref().unwrap_or(&zero).detach();
        let [cross_entropy, triplet, info_nce, structural] = self.parts.each_ref().map(of);
        let all = [self.total.detach(), cross_entropy, triplet, info_nce, structural, of(&self.extra)];
        let numbers = Tensor::stack(&all, 0)?.to_dtype(candle_core::DType::F64)?.to_vec1::<f64>()?;
        Ok(LossParts {
            total: numbers[0],
            cross_entropy: numbers[1],
            triplet: numbers[2],
            info_nce: numbers[3],
            structural: numbers[4],
            corrections: numbers[5],
            wrong_share: self.wrong_share,
        })
    }
}

/// The structural triplet between the first street and the first shop photo of each product of the batch; `None` with
/// fewer than two such products.
fn structural(cells: &Tensor, labels: &Labels<'_>, config: &TrainConfig) -> Result<Option<Tensor>> {
    let first = |product: usize, domain: PhotoDomain| {
        (0..labels.products.len()).find(|&i| labels.products[i] == product && labels.domains[i] == domain)
    };
    let mut products = labels.products.to_vec();
    products.sort_unstable();
    products.dedup();
    let (street, shop): (Vec<usize>, Vec<usize>) = products
        .into_iter()
        .filter_map(|product| first(product, PhotoDomain::Street).zip(first(product, PhotoDomain::Shop)))
        .unzip();
    if street.len() < 2 {
        return Ok(None);
    }
    let cells = cells.flatten_from(2)?;
    let settings =
        StructuralSettings { epsilon: config.loss.structural_epsilon, iterations: config.loss.structural_iterations };
    let (query, positive) = (losses::rows(&cells, &street)?, losses::rows(&cells, &shop)?);
    losses::structural_triplet(&query, &positive, config.loss.structural_margin, &settings).map(Some)
}
