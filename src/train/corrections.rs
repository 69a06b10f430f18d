//! Learning from a person's answers, without forgetting the rest.
//!
//! A few short steps from the present weights. Every batch holds corrections beside replayed training photos: "same
//! product" pulls the pair together and joins the losses as a pair of that product, "not this product" is a negative
//! of its own in the triplet (and pushes apart where nothing better is known), a corrected kind goes into the
//! cross-entropy. The replayed photos keep to the usual losses and, softly, to where the former model had put them.
//! Normalisations stay as they are: batches this small and this special would bend their statistics.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use candle_core::{Device, Tensor};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use super::TrainError;
use super::config::TrainConfig;
use super::criterion::Criterion;
use super::event::TrainEvent;
use super::inputs::training_items;
use super::losses;
use super::objective::{Labels, Measured, Objective};
use super::optimizer::{self, Length, Optimizer, Rule};
use super::run_folder::{self, Diary};
use super::schedule::{Curve, Schedule};
use super::trainer::RunInfo;
use crate::data::loader::LoaderOptions;
use crate::data::{Batch, Dataset, Item, Loader, Sampler, SamplerConfig};
use crate::domain::{CheckpointId, CropRect, PhotoDomain, PhotoId, ProductId, StopFlag};
use crate::nn::{Embedder, Mode, ModelCard, Precision, checkpoint, device};

/// A photo that something was said about.
#[derive(Clone, Debug, PartialEq)]
pub struct CorrectionPhoto {
    pub photo: PhotoId,
    pub path: PathBuf,
    /// `None` takes the whole photo.
    pub crop: Option<CropRect>,
}

/// "This street photo shows that product", or does not.
#[derive(Clone, Debug, PartialEq)]
pub struct MatchCorrection {
    pub query: CorrectionPhoto,
    pub product: ProductId,
    /// The product's shop photos.
    pub shop: Vec<CorrectionPhoto>,
    pub same: bool,
}

/// "This garment is a coat."
#[derive(Clone, Debug, PartialEq)]
pub struct KindCorrection {
    pub photo: CorrectionPhoto,
    pub domain: PhotoDomain,
    pub kind: String,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Corrections {
    pub matches: Vec<MatchCorrection>,
    pub kinds: Vec<KindCorrection>,
}

impl Corrections {
    pub fn len(&self) -> usize {
        self.matches.len() + self.kinds.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// How hard corrections are learnt.
#[derive(Clone, Debug, PartialEq)]
pub struct FineTuneConfig {
    /// `None` follows the number of corrections.
    pub steps: Option<usize>,
    pub rate: f64,
    /// Products that are replayed in each batch, four photos each.
    pub replay_products: usize,
    /// Corrections in each batch.
    pub corrections: usize,
    /// Weights of pulling and pushing corrected pairs. With less of a push a denied pair often ends closer, drawn along by
    /// what else the few steps learn.
    pub pull: f64,
    pub push: f64,
    /// Weight of staying where the former model had put the replayed photos.
    pub retention: f64,
    pub seed: u64,
}

impl Default for FineTuneConfig {
    fn default() -> Self {
        Self {
            steps: None,
            rate: 3e-4,
            replay_products: 8,
            corrections: 8,
            pull: 2.0,
            push: 4.0,
            retention: 5.0,
            seed: 1,
        }
    }
}

impl FineTuneConfig {
    fn steps_for(&self, corrections: usize) -> usize {
        self.steps.unwrap_or_else(|| (20 + 3 * corrections).min(120)).max(1)
    }
}

/// What came out. Nothing is written yet: the caller measures, adds to the card and calls [`publish`].
#[derive(Debug)]
pub struct FineTuned {
    /// `false` where the flag ended it; the network is then half way and not meant to be kept.
    pub finished: bool,
    pub embedder: Embedder,
    pub card: ModelCard,
    pub steps: usize,
    /// Photos that could not be read, with the reason.
    pub skipped: Vec<(PathBuf, String)>,
    /// Kinds that the classifier does not know; what was said about them was not learnt.
    pub unknown_kinds: BTreeSet<String>,
    pub seconds: f64,
}

/// Learns corrections from the model in the folder `model`. `replay` is the project's data, of which the training part
/// is replayed; `run` takes the recipe and the events.
#[allow(clippy::too_many_arguments)]
pub fn fine_tune(
    model: &Path,
    replay: Dataset,
    corrections: &Corrections,
    config: &FineTuneConfig,
    run: &Path,
    info: &RunInfo,
    device: &Device,
    stop: &StopFlag,
    sink: &mut dyn FnMut(TrainEvent),
) -> Result<FineTuned, TrainError> {
    if corrections.is_empty() {
        return Err(TrainError::Data("there are no corrections to learn from".to_owned()));
    }
    let begun = Instant::now();
    let (mut embedder, mut card) = Embedder::load(model, device)?;
    let (mut former, _) = Embedder::load(model, device)?;
    former.freeze_norms(true);
    embedder.freeze_norms(true);
    let recipe = recipe_of(&card, config);
    let steps = config.steps_for(corrections.len());
    run_folder::begin(run, &recipe)?;
    let mut diary = Diary::open(run);
    let mut tell = |event: TrainEvent| {
        if let Some(text) = diary.write(&event) {
            sink(TrainEvent::Note { text });
        }
        sink(event);
    };

    let lesson = Lesson::new(replay, corrections, &card, config);
    if !lesson.unknown_kinds.is_empty() {
        let kinds = lesson.unknown_kinds.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        let text = format!("the model has no output for these kinds, so nothing is learnt about them: {kinds}");
        if lesson.shown.is_empty() {
            return Err(TrainError::Data(format!("{text}; a new run on this project's photos learns them")));
        }
        tell(TrainEvent::Note { text });
    }
    let mut options = LoaderOptions::new(card.input_size as u32, recipe.augment.clone(), config.seed);
    options.cache_bytes = recipe.data.cache_megabytes << 20;
    let loader = Loader::new(Arc::new(lesson.dataset.clone()), options);
    tell(TrainEvent::Started {
        step: 0,
        steps,
        epochs: 1,
        photos: lesson.dataset.items.len(),
        products: lesson.dataset.products.len(),
        parameters: embedder.params.count(),
        device: device::describe(device),
    });
    let schedule = Schedule {
        peak: config.rate,
        curve: Curve::Cosine,
        warmup_steps: (steps / 10).max(1),
        total_steps: steps,
        floor: 0.05,
        drops: Vec::new(),
        factor: 1.0,
    };
    let mut optimizer = Optimizer::new(Rule::AdamW { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 }, 0.0, false);
    let mut done = 0;
    let mut now = Some(loader.batch(&lesson.batch(0), 0, 0));
    while let Some(batch) = now.take().filter(|_| !stop.is_stopped()) {
        let step_begun = Instant::now();
        let mut prepared = None;
        let slot = &mut prepared;
        let (lesson_ref, loader_ref) = (&lesson, &loader);
        let result = rayon::in_place_scope(|scope| {
            if done + 1 < steps {
                scope.spawn(move |_| *slot = Some(loader_ref.batch(&lesson_ref.batch(done + 1), 0, done as u64 + 1)));
            }
            let mut work =
                Work { embedder: &embedder, former: &former, optimizer: &mut optimizer, recipe: &recipe, config };
            work.step(&batch, lesson_ref, schedule.rate(done), device)
        })?;
        now = prepared;
        done += 1;
        if let Some(Measured { loss, gradient_norm }) = result {
            let images_per_second = batch.len() as f64 / step_begun.elapsed().as_secs_f64().max(1e-9);
            let seconds_left = begun.elapsed().as_secs_f64() / done as f64 * (steps - done) as f64;
            let rate = schedule.rate(done - 1);
            let (step, epoch) = (done, 1);
            tell(TrainEvent::Step {
                step,
                steps,
                epoch,
                loss,
                rate,
                gradient_norm,
                images_per_second,
                loaded_per_second: 0.0,
                waited_seconds: 0.0,
                seconds_left,
            });
        }
    }
    let finished = done == steps;
    let seconds = begun.elapsed().as_secs_f64();
    tell(TrainEvent::Ended { step: done, finished, seconds });
    card.parent = Some(checkpoint::read(model)?.id);
    card.metrics.clear();
    card.data = format!("{} and {} corrections", card.data, corrections.len());
    card.command.clone_from(&info.command);
    card.created.clone_from(&info.created);
    let skipped = loader.broken().into_iter().map(|(photo, reason)| (PathBuf::from(photo.as_str()), reason)).collect();
    Ok(FineTuned { finished, embedder, card, steps: done, skipped, unknown_kinds: lesson.unknown_kinds, seconds })
}

/// Writes a network as a model's folder.
pub fn publish(
    embedder: &Embedder,
    card: &ModelCard,
    dir: &Path,
    precision: Precision,
) -> Result<CheckpointId, TrainError> {
    Ok(embedder.save(dir, card, precision)?)
}

/// The recipe that the model was trained with, as far as its card tells, with this fine-tuning's seed and rate.
fn recipe_of(card: &ModelCard, config: &FineTuneConfig) -> TrainConfig {
    let mut recipe = TrainConfig::from_toml(&card.recipe).unwrap_or_default();
    recipe.seed = config.seed;
    recipe.optimizer.rate = config.rate;
    recipe.optimizer.ema = 0.0;
    // What these learnt of the products stayed with their run.
    (recipe.loss.margin_loss, recipe.loss.structural_margin_loss, recipe.loss.proxy_anchor) = (0.0, 0.0, 0.0);
    if !recipe.loss.compares() {
        recipe.loss.triplet = 1.0;
    }
    recipe
}

/// Pairs of rows of a batch.
type RowPairs = Vec<(usize, usize)>;

/// What is shown, and what is known of it.
struct Lesson {
    dataset: Dataset,
    /// By item; `None` where the classifier does not know the kind.
    kinds: Vec<Option<usize>>,
    replay: Vec<Vec<usize>>,
    /// Items that are shown for each correction.
    shown: Vec<Shown>,
    seed: u64,
    per_batch: usize,
    unknown_kinds: BTreeSet<String>,
}

enum Shown {
    Match { query: usize, shop: Vec<usize>, same: bool },
    Kind(usize),
}

impl Lesson {
    fn new(replay: Dataset, corrections: &Corrections, card: &ModelCard, config: &FineTuneConfig) -> Self {
        let mut dataset = replay;
        let among = training_items(&dataset, 1.0, config.seed);
        let sampler_config =
            SamplerConfig { products: config.replay_products, kinds: config.replay_products, photos: 4 };
        let sampler = Sampler::new(&dataset, &among, sampler_config, config.seed);
        let steps = config.steps_for(corrections.len());
        let mut batches = Vec::new();
        let mut epoch = 0;
        while batches.len() < steps {
            let dealt = sampler.epoch(epoch);
            if dealt.is_empty() {
                break;
            }
            batches.extend(dealt);
            epoch += 1;
        }
        batches.truncate(steps);
        let class_of = |kind: &str| card.kinds.iter().position(|known| known == kind);
        let mut kinds: Vec<Option<usize>> =
            dataset.items.iter().map(|item| class_of(&dataset.kinds[item.kind])).collect();
        let mut unknown_kinds = BTreeSet::new();
        let given: BTreeMap<PhotoId, usize> =
            among.iter().map(|&item| (dataset.items[item].photo.clone(), dataset.items[item].product)).collect();
        let mut builder = Builder { dataset: &mut dataset, kinds: &mut kinds, given };
        let mut shown = Vec::new();
        let truths = builder.truths(&corrections.matches);
        for correction in &corrections.matches {
            let product = builder.product(&correction.product);
            let own = truths.get(&correction.query.photo).copied();
            let own = own.unwrap_or_else(|| builder.nameless(&correction.query.photo));
            let query = builder.item(&correction.query, PhotoDomain::Street, own);
            let shop = correction.shop.iter().map(|photo| builder.item(photo, PhotoDomain::Shop, product)).collect();
            shown.push(Shown::Match { query, shop, same: correction.same });
        }
        for correction in &corrections.kinds {
            let Some(class) = class_of(&correction.kind) else {
                unknown_kinds.insert(correction.kind.clone());
                continue;
            };
            let own = builder.given.get(&correction.photo.photo).copied();
            let own = own.unwrap_or_else(|| builder.nameless(&correction.photo.photo));
            let item = builder.item(&correction.photo, correction.domain, own);
            for (place, kind) in builder.kinds.iter_mut().enumerate() {
                if builder.dataset.items[place].photo == correction.photo.photo {
                    *kind = Some(class);
                }
            }
            shown.push(Shown::Kind(item));
        }
        Self {
            dataset,
            kinds,
            replay: batches,
            shown,
            seed: config.seed,
            per_batch: config.corrections.max(1),
            unknown_kinds,
        }
    }

    /// Which corrections a step shows: all in turn, in an order that the seed decides.
    fn turns(&self, step: usize) -> Vec<usize> {
        let count = self.shown.len();
        let mut order: Vec<usize> = (0..count).collect();
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        for i in (1..count).rev() {
            order.swap(i, (random.next_u64() % (i as u64 + 1)) as usize);
        }
        let take = self.per_batch.min(count);
        (0..take).map(|k| order[(step * take + k) % count]).collect()
    }

    /// Items of a step: replay first, then the corrections' photos.
    fn batch(&self, step: usize) -> Vec<usize> {
        let mut items = self.replay.get(step).cloned().unwrap_or_default();
        for turn in self.turns(step) {
            match &self.shown[turn] {
                Shown::Match { query, shop, .. } => {
                    items.push(*query);
                    items.extend(shop);
                }
                Shown::Kind(item) => items.push(*item),
            }
        }
        let mut seen = BTreeSet::new();
        items.retain(|&item| seen.insert(item));
        items
    }

    /// Rows of a batch that were said to be the same, and those that were not: query, then shop photo.
    fn pairs(&self, batch: &Batch) -> (RowPairs, RowPairs) {
        let row_of: BTreeMap<usize, usize> = batch.items.iter().copied().zip(0..).collect();
        let (mut same, mut different) = (Vec::new(), Vec::new());
        for shown in &self.shown {
            let Shown::Match { query, shop, same: is_same } = shown else { continue };
            let Some(&query) = row_of.get(query) else { continue };
            for &shop in shop.iter().filter_map(|item| row_of.get(item)) {
                if *is_same { same.push((query, shop)) } else { different.push((query, shop)) }
            }
        }
        (same, different)
    }
}

/// Adds the corrections' photos to the replayed data.
struct Builder<'a> {
    dataset: &'a mut Dataset,
    kinds: &'a mut Vec<Option<usize>>,
    /// Products of the photos that are trained on.
    given: BTreeMap<PhotoId, usize>,
}

impl Builder<'_> {
    fn product(&mut self, product: &ProductId) -> usize {
        let found = self.dataset.products.iter().position(|known| known == product);
        found.unwrap_or_else(|| {
            self.dataset.products.push(product.clone());
            self.dataset.products.len() - 1
        })
    }

    /// A product of its own for a photo whose product nobody knows: never a positive of anything.
    fn nameless(&mut self, photo: &PhotoId) -> usize {
        self.product(&ProductId::new(format!("\u{0}{photo}")))
    }

    /// The product of each query: what a person said, else what the training data say.
    fn truths(&mut self, matches: &[MatchCorrection]) -> BTreeMap<PhotoId, usize> {
        let mut truths = self.given.clone();
        let denied: BTreeSet<(PhotoId, usize)> = matches
            .iter()
            .filter(|correction| !correction.same)
            .map(|correction| (correction.query.photo.clone(), self.product(&correction.product)))
            .collect();
        truths.retain(|photo, product| !denied.contains(&(photo.clone(), *product)));
        for correction in matches.iter().filter(|correction| correction.same) {
            truths.insert(correction.query.photo.clone(), self.product(&correction.product));
        }
        truths
    }

    fn item(&mut self, photo: &CorrectionPhoto, domain: PhotoDomain, product: usize) -> usize {
        let crop = photo.crop;
        let same = |item: &Item| item.photo == photo.photo && item.crop == crop && item.product == product;
        if let Some(found) = self.dataset.items.iter().position(same) {
            return found;
        }
        self.dataset.items.push(Item {
            photo: photo.photo.clone(),
            path: photo.path.clone(),
            domain,
            product,
            kind: 0,
            crop,
            split: None,
        });
        self.kinds.push(None);
        self.dataset.items.len() - 1
    }
}

struct Work<'a> {
    embedder: &'a Embedder,
    former: &'a Embedder,
    optimizer: &'a mut Optimizer,
    recipe: &'a TrainConfig,
    config: &'a FineTuneConfig,
}

impl Work<'_> {
    /// `None` where fewer than two photos could be read.
    fn step(
        &mut self,
        batch: &Batch,
        lesson: &Lesson,
        rate: f64,
        device: &Device,
    ) -> Result<Option<Measured>, TrainError> {
        if batch.len() < 2 {
            return Ok(None);
        }
        let side = batch.size as usize;
        let x = Tensor::from_slice(&batch.images, (batch.len(), 3, side, side), device)?;
        let kinds: Vec<Option<usize>> = batch.items.iter().map(|&item| lesson.kinds[item]).collect();
        self.embedder.at_step(self.optimizer.steps());
        let output = self.embedder.forward_as(&x, Mode::Train, Some(&kinds))?;
        let labels = Labels { products: &batch.products, kinds: &kinds, domains: &batch.domains };
        let mut objective =
            Objective::of(&output, &labels, self.recipe, &Criterion::default(), self.optimizer.steps())?;
        let (same, different) = lesson.pairs(batch);
        if let Some(pull) = losses::explicit_positives(&output.global, &same)? {
            objective.add(&(pull * self.config.pull)?)?;
        }
        let (products, domains, spec) = (&batch.products, &batch.domains, self.recipe.triplet());
        if let Some(push) = losses::explicit_negatives(&output.global, products, domains, &different, &spec, 1.0)? {
            objective.add(&(push * self.config.push)?)?;
        }
        let said: BTreeSet<usize> = same.iter().chain(&different).flat_map(|pair| [pair.0, pair.1]).collect();
        let kept: Vec<usize> = (0..batch.len()).filter(|row| !said.contains(row)).collect();
        if self.config.retention > 0.0 && !kept.is_empty() {
            let rows = losses::rows(&x, &kept)?;
            let rows_kinds: Vec<_> = kept.iter().map(|&row| kinds[row]).collect();
            // Its normalisations are frozen, so that both are seen alike, before a neck where there is one.
            let before = self.former.forward_as(&rows, Mode::Train, Some(&rows_kinds))?.global.detach();
            let moved = (losses::rows(&output.global, &kept)? - before)?;
            let distance = (moved.sqr()?.sum_all()? / kept.len() as f64)?;
            objective.add(&(distance * self.config.retention)?)?;
        }
        let gradients = crate::nn::ops::backward(&objective.total)?;
        let limit = self.recipe.optimizer.clip_norm;
        let Length { norm, scale } = optimizer::length(self.embedder.params.trainable(), &gradients, limit)?;
        // These few steps are waited for one by one.
        let measured = objective.numbers(&norm)?.read()?;
        if !measured.is_finite() {
            return Err(TrainError::Data("the loss is not finite; the model stays as it was".to_owned()));
        }
        self.optimizer.step(self.embedder.params.trainable(), &gradients, rate, scale)?;
        Ok(Some(measured))
    }
}
