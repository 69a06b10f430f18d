//! What a step minimises: the recipe's losses, weighted, on one batch.

use candle_core::{Result, Tensor};

use super::config::{Alike, TrainConfig};
use super::criterion::Criterion;
use super::event::{LossPart, LossParts};
use super::losses::{self, Compared, Mining, Partners, Triplets};
use crate::domain::PhotoDomain;
use crate::nn::EmbedderOutput;

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

/// A loss as tensors; [`Objective::read`] fetches the numbers in one go.
pub struct Objective {
    pub total: Tensor,
    /// What was mined for the losses on triplets; empty where none is on.
    pub triplets: Triplets,
    parts: Vec<(LossPart, Tensor)>,
    wrong_share: f64,
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
        let mut objective = Self { total, triplets: Triplets::default(), parts: Vec::new(), wrong_share: 0.0 };
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
            objective.wrong_share = triplets.wrong as f64 / triplets.rows.len().max(1) as f64;
            batch.triplets(&triplets, &mut objective)?;
            objective.triplets = triplets;
        }
        batch.others(&mut objective)?;
        Ok(objective)
    }

    /// A loss that is all there is.
    pub fn alone(part: LossPart, loss: Tensor) -> Result<Self> {
        let total = loss.zeros_like()?;
        let mut objective = Self { total, triplets: Triplets::default(), parts: Vec::new(), wrong_share: 0.0 };
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

    /// The numbers, in one transfer from the device.
    pub fn read(&self) -> Result<LossParts> {
        let all: Vec<Tensor> =
            std::iter::once(&self.total).chain(self.parts.iter().map(|(_, loss)| loss)).map(Tensor::detach).collect();
        let numbers = Tensor::stack(&all, 0)?.to_dtype(candle_core::DType::F64)?.to_vec1::<f64>()?;
        let mut read = LossParts { total: numbers[0], wrong_share: self.wrong_share, ..LossParts::default() };
        for ((part, _), number) in self.parts.iter().zip(&numbers[1..]) {
            *read.part(*part) += number;
        }
        Ok(read)
    }
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

    /// One street photo of each product against one of its shop photos and one of the product before it: products of a
    /// kind stand side by side in a batch. `None` where other photos are alike, which only mining tells apart.
    fn neighbours(&self) -> Option<Triplets> {
        let loss = &self.config.loss;
        let plain = loss.alike == Alike::Products && loss.across_domains && loss.mining == Mining::BatchHard;
        plain.then(|| {
            let (street, shop) = self.labels.pairs();
            let n = if street.len() > 1 { street.len() } else { 0 };
            Triplets { rows: (0..n).map(|i| [street[i], shop[i], shop[(i + n - 1) % n]]).collect(), wrong: 0 }
        })
    }

    /// The losses on mined triplets.
    fn triplets(&self, triplets: &Triplets, objective: &mut Objective) -> Result<()> {
        let (loss, global) = (&self.config.loss, &self.output.global);
        if loss.triplet > 0.0 {
            let part = losses::triplet(global, triplets, &loss.triplet())?;
            objective.take(LossPart::Triplet, loss.triplet, part)?;
        }
        let anchors: Vec<usize> = triplets.place(0).into_iter().map(|row| self.alike[row]).collect();
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
            let own = self.neighbours();
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
