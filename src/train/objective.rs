//! What a step minimises: the recipe's losses, weighted, on one batch.

use candle_core::{DType, Result, Tensor};

use super::config::{Alike, TrainConfig};
use super::criterion::Criterion;
use super::event::{LossPart, LossParts};
use super::losses::{self, Compared, Mining, Partners, Triplets};
use crate::domain::PhotoDomain;
use crate::nn::EmbedderOutput;
use crate::nn::ops::Later;

/// What is known of the photos of a batch.
#[derive(Clone, Copy)]
pub struct Labels<'a> {
    /// Equal numbers for photos of the same product.
    pub products: &'a [usize],
    /// `None` where the kind is not known to the classifier.
    pub kinds: &'a [Option<usize>],
    pub domains: &'a [PhotoDomain],
}

impl Labels<'_> {
    /// Equal numbers for photos that are alike. One of unknown kind is like no other.
    fn alike(&self, alike: Alike) -> Vec<usize> {
        match alike {
            Alike::Products => self.products.to_vec(),
            Alike::Kinds => self.kinds.iter().enumerate().map(|(row, kind)| kind.unwrap_or(usize::MAX - row)).collect(),
        }
    }

    /// Rows of the first street and the first shop photo of each product that has both.
    fn pairs(&self) -> (Vec<usize>, Vec<usize>) {
        let first = |product: usize, domain: PhotoDomain| {
            (0..self.products.len()).find(|&i| self.products[i] == product && self.domains[i] == domain)
        };
        let mut products = self.products.to_vec();
        products.sort_unstable();
        products.dedup();
        products
            .into_iter()
            .filter_map(|product| first(product, PhotoDomain::Street).zip(first(product, PhotoDomain::Shop)))
            .unzip()
    }
}

/// A loss as tensors; [`Objective::numbers`] fetches the numbers in one go.
pub struct Objective {
    pub total: Tensor,
    /// What was mined for the losses on triplets; absent where none is on.
    pub triplets: Option<Triplets>,
    parts: Vec<(LossPart, Tensor)>,
}

/// A step's numbers, which its device may still be computing.
pub struct Numbers {
    parts: Vec<LossPart>,
    /// Triplets among which some are wrong.
    triplets: usize,
    /// The loss, its parts, the gradients' length, and how many triplets are wrong.
    all: Later,
}

/// A step's numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    pub loss: LossParts,
    pub gradient_norm: f64,
}

impl Measured {
    pub fn is_finite(&self) -> bool {
        self.loss.total.is_finite() && self.gradient_norm.is_finite()
    }
}

impl Numbers {
    /// Waits for them.
    pub fn read(&self) -> Result<Measured> {
        let numbers = self.all.wait()?;
        let mut loss = LossParts { total: numbers[0], ..LossParts::default() };
        for (part, number) in self.parts.iter().zip(&numbers[1..]) {
            *loss.part(*part) += number;
        }
        let [gradient_norm, wrong] = [1, 2].map(|behind| numbers[self.parts.len() + behind]);
        loss.wrong_share = wrong / self.triplets.max(1) as f64;
        Ok(Measured { loss, gradient_norm })
    }
}

impl Objective {
    /// `step` decides, with the recipe's seed, what mining draws.
    pub fn of(
        output: &EmbedderOutput,
        labels: &Labels<'_>,
        config: &TrainConfig,
        criterion: &Criterion,
        step: u64,
    ) -> Result<Self> {
        let total = output.global.zeros_like()?.sum_all()?;
        let mut objective = Self { total, triplets: None, parts: Vec::new() };
        let loss = &config.loss;
        if loss.cross_entropy > 0.0 {
            let entropy = losses::cross_entropy(&output.logits, labels.kinds, loss.label_smoothing)?;
            objective.take(LossPart::CrossEntropy, loss.cross_entropy, Some(entropy))?;
        }
        let alike = labels.alike(loss.alike);
        let batch = Compare { output, labels, config, criterion, alike: &alike };
        if loss.triplet + loss.margin_loss + loss.structural + loss.structural_margin_loss > 0.0 {
            let random = &mut losses::draws(config.seed, step);
            let triplets = Triplets::mine(&output.global, batch.partners(), loss.mining, random)?;
            batch.triplets(&triplets, step, &mut objective)?;
            objective.triplets = Some(triplets);
        }
        batch.others(&mut objective)?;
        Ok(objective)
    }

    /// A loss that is all there is.
    pub fn alone(part: LossPart, loss: Tensor) -> Result<Self> {
        let total = loss.zeros_like()?;
        let mut objective = Self { total, triplets: None, parts: Vec::new() };
        objective.take(part, 1.0, Some(loss))?;
        Ok(objective)
    }

    /// Adds a loss with its weight.
    pub fn take(&mut self, part: LossPart, factor: f64, loss: Option<Tensor>) -> Result<()> {
        let Some(loss) = loss else { return Ok(()) };
        self.total = (&self.total + (&loss * factor)?)?;
        // What is one number for several losses is shown with their weights.
        self.parts.push((part, if part == LossPart::Structural { (loss * factor)? } else { loss }));
        Ok(())
    }

    /// Adds a loss that is no part of the recipe, such as that of corrections.
    pub fn add(&mut self, extra: &Tensor) -> Result<()> {
        self.take(LossPart::Corrections, 1.0, Some(extra.clone()))
    }

    /// The numbers with the length of the gradients `[1]`, in one transfer from the device that does not wait for it.
    pub fn numbers(&self, gradient_norm: &Tensor) -> Result<Numbers> {
        let losses: Vec<Tensor> =
            std::iter::once(&self.total).chain(self.parts.iter().map(|(_, loss)| loss)).map(Tensor::detach).collect();
        let losses = Tensor::stack(&losses, 0)?.to_dtype(DType::F64)?;
        let mined = self.triplets.as_ref().filter(|triplets| !triplets.is_empty());
        let wrong = match mined {
            Some(triplets) => triplets.wrong().clone(),
            None => Tensor::zeros(1, DType::F64, losses.device())?,
        };
        let all = Tensor::cat(&[losses.clone(), gradient_norm.to_device(losses.device())?, wrong], 0)?;
        let parts = self.parts.iter().map(|(part, _)| *part).collect();
        Ok(Numbers { parts, triplets: mined.map_or(0, Triplets::len), all: Later::of(&all)? })
    }
}

/// One street photo of each product against its shop photo and another product's, which changes with the step until each
/// product was compared with each: against the hardest ones plans learn little (docs/experiments.md). None of one product.
fn by_turns(street: &[usize], shop: &[usize], step: u64) -> Vec<[usize; 3]> {
    let products = street.len();
    if products < 2 {
        return Vec::new();
    }
    let turn = 1 + (step % (products as u64 - 1)) as usize;
    (0..products).map(|i| [street[i], shop[i], shop[(i + turn) % products]]).collect()
}

/// A batch that is compared with itself.
struct Compare<'a> {
    output: &'a EmbedderOutput,
    labels: &'a Labels<'a>,
    config: &'a TrainConfig,
    criterion: &'a Criterion,
    alike: &'a [usize],
}

impl Compare<'_> {
    fn partners(&self) -> Partners<'_> {
        Partners { labels: self.alike, domains: self.config.loss.across_domains.then_some(self.labels.domains) }
    }

    fn structure(&self) -> Result<Compared> {
        Compared::new(&self.output.cells.flatten_from(2)?, Some(&self.output.global))
    }

    /// [`by_turns`] where photos of one product are alike, across domains. `None` where other photos are, which only mining
    /// tells apart.
    fn by_turns(&self, step: u64) -> Result<Option<Triplets>> {
        let loss = &self.config.loss;
        if loss.alike != Alike::Products || !loss.across_domains || loss.mining != Mining::BatchHard {
            return Ok(None);
        }
        let (street, shop) = self.labels.pairs();
        Triplets::of(&by_turns(&street, &shop, step), self.output.global.device()).map(Some)
    }

    /// The losses on mined triplets.
    fn triplets(&self, triplets: &Triplets, step: u64, objective: &mut Objective) -> Result<()> {
        let (loss, global) = (&self.config.loss, &self.output.global);
        if loss.triplet > 0.0 {
            let part = losses::triplet(global, triplets, &loss.triplet())?;
            objective.take(LossPart::Triplet, loss.triplet, part)?;
        }
        let anchors: Vec<usize> = triplets.anchors().iter().map(|&row| self.alike[row]).collect();
        let betas = if loss.margin_loss + loss.structural_margin_loss > 0.0 && !anchors.is_empty() {
            Some(self.criterion.betas(&anchors)?)
        } else {
            None
        };
        if let (Some(betas), true) = (&betas, loss.margin_loss > 0.0) {
            let part = losses::margin(global, triplets, betas, loss.beta_margin)?;
            objective.take(LossPart::MarginLoss, loss.margin_loss, part)?;
        }
        if loss.structural + loss.structural_margin_loss == 0.0 {
            return Ok(());
        }
        let (photos, plans) = (self.structure()?, loss.plans());
        if loss.structural > 0.0 {
            let own = self.by_turns(step)?;
            let triplets = own.as_ref().unwrap_or(triplets);
            let part = losses::structural_triplet(&photos, triplets, loss.structural_margin, &plans)?;
            objective.take(LossPart::Structural, loss.structural, part)?;
        }
        if let (Some(betas), true) = (&betas, loss.structural_margin_loss > 0.0) {
            let part = losses::structural_margin(&photos, triplets, betas, loss.beta_margin, &plans)?;
            objective.take(LossPart::Structural, loss.structural_margin_loss, part)?;
        }
        Ok(())
    }

    /// The losses on all pairs, and on proxies.
    fn others(&self, objective: &mut Objective) -> Result<()> {
        let (loss, global, domains) = (&self.config.loss, &self.output.global, self.labels.domains);
        if loss.info_nce > 0.0 {
            let part = losses::cross_domain_info_nce(global, self.alike, domains, loss.temperature)?;
            objective.take(LossPart::InfoNce, loss.info_nce, part)?;
        }
        if loss.nt_xent > 0.0 {
            let (street, shop) = self.labels.pairs();
            if street.len() > 1 {
                let (street, shop) = (losses::rows(global, &street)?, losses::rows(global, &shop)?);
                let part = losses::nt_xent(&street, &shop, loss.temperature)?;
                objective.take(LossPart::NtXent, loss.nt_xent, Some(part))?;
            }
        }
        if loss.multi_similarity > 0.0 {
            let part = loss.multi_similarity().of(global, self.partners())?;
            objective.take(LossPart::MultiSimilarity, loss.multi_similarity, Some(part))?;
        }
        if loss.proxy_anchor > 0.0 {
            let proxies = self.criterion.proxies()?;
            let part = losses::proxy_anchor(global, self.alike, proxies, loss.proxy_alpha, loss.proxy_delta)?;
            objective.take(LossPart::ProxyAnchor, loss.proxy_anchor, Some(part))?;
        }
        if loss.structural_multi_similarity + loss.structural_info_nce == 0.0 {
            return Ok(());
        }
        let across = loss.across_domains;
        let wanted = |i: usize, j: usize| !across || domains[i] != domains[j];
        let scores = losses::score_matrix(&self.structure()?, wanted, &loss.plans())?.scores;
        if loss.structural_multi_similarity > 0.0 {
            let part = loss.multi_similarity().of_similarities(&scores, self.partners())?;
            objective.take(LossPart::Structural, loss.structural_multi_similarity, Some(part))?;
        }
        if loss.structural_info_nce > 0.0 {
            let part = losses::info_nce_of(&scores, self.alike, domains, loss.temperature)?;
            objective.take(LossPart::Structural, loss.structural_info_nce, part)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::by_turns;

    #[test]
    fn each_product_is_compared_with_each_other_one_and_never_with_itself() {
        let (street, shop) = ([10, 12, 14, 16, 18], [11, 13, 15, 17, 19]);
        let mut met = BTreeSet::new();
        for step in 7..11 {
            let rows = by_turns(&street, &shop, step);
            assert!(rows.iter().zip(street.iter().zip(&shop)).all(|(row, (a, p))| row[..2] == [*a, *p]));
            met.extend(rows.iter().map(|row| (row[1], row[2])));
        }
        let all = shop.iter().flat_map(|a| shop.iter().map(move |b| (*a, *b))).filter(|(a, b)| a != b).collect();
        assert_eq!(met, all);
        assert_eq!(by_turns(&[3, 5], &[4, 6], 9), [[3, 4, 6], [5, 6, 4]]);
        assert!(by_turns(&[3], &[4], 9).is_empty() && by_turns(&[], &[], 0).is_empty());
    }
}
