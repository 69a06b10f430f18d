//! A look at a training step from outside: how its layers fare, which triplets of its batch are hardest, and what the
//! network is shown.
//!
//! Looking costs time and memory, so it is done only while somebody looks, and then only now and then. It reads and never
//! writes: a run that is watched ends with the same bits as one that is not, which a test holds.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use candle_core::backprop::GradStore;
use candle_core::{DType, Result, Tensor, Var};

use crate::data::fit::{DEVIATION, MEAN};
use crate::data::{Batch, Dataset};
use crate::domain::{BatchPicture, Glance, HardTriplet, Health, LayerHealth, PhotoDomain, Pixels, RectifierHealth};
use crate::nn::ops::probe;
use crate::nn::{Embedder, Mode};

/// Views of a batch that are shown, and triplets.
const VIEWS: usize = 16;
const TRIPLETS: usize = 6;
/// Pictures are at most so wide, in pixels.
const PICTURE_SIDE: usize = 128;

/// Whether somebody looks, and how often a look is worth its price.
#[derive(Debug)]
pub struct Watch {
    wanted: AtomicBool,
    /// Steps between two looks.
    every: usize,
}

impl Watch {
    /// Nobody looks at first.
    pub fn new(every: usize) -> Self {
        Self { wanted: AtomicBool::new(false), every: every.max(1) }
    }

    pub fn want(&self, wanted: bool) {
        self.wanted.store(wanted, Ordering::Release);
    }

    /// Whether the step that follows `step` steps is to be looked at, where the last look was after `last` of them.
    pub fn is_due(&self, step: usize, last: Option<usize>) -> bool {
        self.wanted.load(Ordering::Acquire) && last.is_none_or(|last| step < last || step - last >= self.every)
    }
}

/// What a look found.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    pub health: Health,
    pub glance: Glance,
}

/// A look that has begun: rectified maps are taken during the forward pass, weights before the update.
pub struct Look {
    rectified: Vec<Tensor>,
    layers: BTreeMap<Natural, Before>,
}

struct Before {
    weights: Vec<(String, Vec<f32>)>,
    weight_square: f64,
    gradient_square: f64,
}

impl Look {
    /// Runs the forward pass.
    pub fn forward<R>(work: impl FnOnce() -> R) -> (R, Self) {
        let (result, rectified) = probe::record(work);
        (result, Self { rectified, layers: BTreeMap::new() })
    }

    /// Keeps the first so many rectified maps: where a step passes several views or networks, those of the first.
    pub fn keep_maps(&mut self, maps: usize) {
        self.rectified.truncate(maps);
    }

    /// Remembers weights and gradients before the optimizer changes them. Layers are those with a kernel that the loss
    /// reaches; the scales and shifts of norms are left out.
    pub fn before_update<'a>(
        &mut self,
        trainable: impl Iterator<Item = (&'a str, &'a Var)>,
        gradients: &GradStore,
    ) -> Result<()> {
        for (name, var) in trainable.filter(|(_, var)| var.rank() > 1) {
            let Some(gradient) = gradients.get(var.as_tensor()) else { continue };
            let (weights, gradient) = (read(var.as_tensor())?, read(gradient)?);
            let layer = self.layers.entry(Natural::of(layer_of(name))).or_insert_with(|| Before {
                weights: Vec::new(),
                weight_square: 0.0,
                gradient_square: 0.0,
            });
            layer.weight_square += squares(&weights);
            layer.gradient_square += squares(&gradient);
            layer.weights.push((name.to_owned(), weights));
        }
        Ok(())
    }

    /// Compares with the weights after the update.
    pub fn after_update<'a>(self, step: usize, trainable: impl Iterator<Item = (&'a str, &'a Var)>) -> Result<Health> {
        let now: BTreeMap<&str, &Var> = trainable.collect();
        let mut layers = Vec::with_capacity(self.layers.len());
        for (name, before) in self.layers {
            let mut moved = 0.0;
            for (parameter, old) in &before.weights {
                let Some(var) = now.get(parameter.as_str()) else { continue };
                let new = read(var.as_tensor())?;
                moved += old.iter().zip(&new).map(|(a, b)| f64::from(b - a).powi(2)).sum::<f64>();
            }
            let weight_norm = before.weight_square.sqrt();
            layers.push(LayerHealth {
                name: name.text,
                weight_norm,
                gradient_norm: before.gradient_square.sqrt(),
                update_ratio: moved.sqrt() / weight_norm.max(f64::MIN_POSITIVE),
            });
        }
        let rectifiers = self.rectified.iter().map(rectifier).collect::<Result<_>>()?;
        Ok(Health { step, layers, rectifiers })
    }
}

/// A map `[N, C, h, w]`, or any whose second axis holds the units.
fn rectifier(map: &Tensor) -> Result<RectifierHealth> {
    let map = map.to_dtype(DType::F32)?;
    let units = if map.rank() > 2 { map.flatten_from(2)?.max(2)? } else { map.clone() };
    let most = units.max(0)?.to_vec1::<f32>()?;
    let values = map.elem_count().max(1) as f64;
    let rms = (f64::from(map.sqr()?.sum_all()?.to_scalar::<f32>()?) / values).sqrt();
    let active = f64::from(map.gt(0f32)?.to_dtype(DType::F32)?.mean_all()?.to_scalar::<f32>()?);
    let dead = most.iter().filter(|most| **most <= 0.0).count();
    Ok(RectifierHealth { channels: most.len(), rms, zero: 1.0 - active, dead: dead as f64 / most.len().max(1) as f64 })
}

fn read(tensor: &Tensor) -> Result<Vec<f32>> {
    tensor.detach().to_dtype(DType::F32)?.flatten_all()?.to_vec1()
}

fn squares(values: &[f32]) -> f64 {
    values.iter().map(|v| f64::from(*v).powi(2)).sum()
}

/// `backbone.layer1.0.conv1.weight` belongs to `layer1.0.conv1`.
fn layer_of(parameter: &str) -> &str {
    let name = parameter.strip_prefix("backbone.").unwrap_or(parameter);
    name.rsplit_once('.').map_or(name, |(layer, _)| layer)
}

/// A name in the order of the network: numbers inside it count as numbers, and what follows the backbone comes last.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Natural {
    late: bool,
    parts: Vec<(bool, u64, String)>,
    text: String,
}

impl Natural {
    fn of(text: &str) -> Self {
        let late = ["embedding", "classifier", "head", "project", "predictor", "prototypes"]
            .iter()
            .any(|n| text.starts_with(n));
        let mut parts: Vec<(bool, u64, String)> = Vec::new();
        for letter in text.chars() {
            let digit = letter.to_digit(10);
            match (parts.last_mut(), digit) {
                (Some((true, number, _)), Some(d)) => *number = number.saturating_mul(10).saturating_add(d.into()),
                (Some((false, _, word)), None) => word.push(letter),
                (_, Some(d)) => parts.push((true, d.into(), String::new())),
                (_, None) => parts.push((false, 0, letter.to_string())),
            }
        }
        Self { late, parts, text: text.to_owned() }
    }
}

/// The pictures of a batch and its hardest triplets by the global vectors `[N, dim]`, which are of length 1.
pub fn glance(step: usize, batch: &Batch, dataset: &Dataset, global: &Tensor) -> Result<Glance> {
    let global = global.detach().to_dtype(DType::F32)?.to_vec2::<f32>()?;
    let hard = hardest_triplets(&global, &batch.products, &batch.domains, TRIPLETS);
    let views = batch.len().min(VIEWS);
    let mut wanted: Vec<usize> = (0..views).collect();
    let mut place = |row: usize| {
        wanted.iter().position(|known| *known == row).unwrap_or_else(|| {
            wanted.push(row);
            wanted.len() - 1
        })
    };
    let triplets = hard
        .into_iter()
        .map(|found| HardTriplet {
            anchor: place(found.anchor),
            positive: place(found.positive),
            negative: place(found.negative),
            ..found
        })
        .collect();
    let pictures = wanted
        .into_iter()
        .map(|row| {
            let item = &dataset.items[batch.items[row]];
            BatchPicture {
                photo: item.photo.clone(),
                product: dataset.products[item.product].clone(),
                domain: item.domain,
                pixels: Arc::new(picture(batch, row)),
            }
        })
        .collect();
    Ok(Glance { step, pictures, views, paired: false, triplets })
}

/// The two views of the first photos of a batch, those of one photo beside each other.
pub fn paired_glance(step: usize, first: &Batch, second: &Batch, dataset: &Dataset) -> Glance {
    // A photo that could be read in one view only has no pair.
    let pairs = first.items.iter().enumerate().filter_map(|(row, item)| {
        let other = second.items.iter().position(|other| other == item)?;
        Some((row, other, &dataset.items[*item]))
    });
    let pictures: Vec<BatchPicture> = pairs
        .take(VIEWS / 2)
        .flat_map(|(row, other, item)| {
            [(first, row), (second, other)].map(|(batch, row)| BatchPicture {
                photo: item.photo.clone(),
                product: dataset.products[item.product].clone(),
                domain: item.domain,
                pixels: Arc::new(picture(batch, row)),
            })
        })
        .collect();
    Glance { step, views: pictures.len(), pictures, paired: true, triplets: Vec::new() }
}

/// How many maps one pass through the backbone rectifies.
pub fn rectified_maps(embedder: &Embedder) -> Result<usize> {
    // It follows from the network's shape, so that one small blank photo tells; no statistics are gathered.
    let blank = Tensor::zeros((1, 3, 32, 32), DType::F32, embedder.params.device())?;
    let (features, maps) = probe::record(|| embedder.features(&blank, Mode::Eval));
    features.map(|_| maps.len())
}

/// For each anchor its farthest positive and nearest negative in the other domain, as batch-hard mining takes them; the
/// `most` with the largest difference, hardest first, each product once.
fn hardest_triplets(global: &[Vec<f32>], products: &[usize], domains: &[PhotoDomain], most: usize) -> Vec<HardTriplet> {
    let distance = |a: usize, b: usize| {
        global[a].iter().zip(&global[b]).map(|(x, y)| f64::from(x - y).powi(2)).sum::<f64>().sqrt()
    };
    let across = domains.iter().any(|domain| *domain != domains[0]);
    let mut found: Vec<HardTriplet> = Vec::new();
    for anchor in 0..global.len() {
        let others = || (0..global.len()).filter(|&b| b != anchor && (!across || domains[b] != domains[anchor]));
        let positive = others().filter(|&b| products[b] == products[anchor]).map(|b| (distance(anchor, b), b));
        let negative = others().filter(|&b| products[b] != products[anchor]).map(|b| (distance(anchor, b), b));
        let positive = positive.max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)));
        let negative = negative.min_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let (Some((positive_distance, positive)), Some((negative_distance, negative))) = (positive, negative) else {
            continue;
        };
        found.push(HardTriplet { anchor, positive, negative, positive_distance, negative_distance });
    }
    let hardness = |t: &HardTriplet| t.positive_distance - t.negative_distance;
    found.sort_by(|a, b| hardness(b).total_cmp(&hardness(a)).then(a.anchor.cmp(&b.anchor)));
    let mut shown = std::collections::BTreeSet::new();
    found.retain(|triplet| shown.insert(products[triplet.anchor]));
    found.truncate(most);
    found
}

/// One photo of a batch as a person sees it; halved until it is small, each pixel the mean of those it stands for.
fn picture(batch: &Batch, row: usize) -> Pixels {
    let side = batch.size as usize;
    let part = (side.div_ceil(PICTURE_SIDE)).max(1);
    let small = side / part;
    let plane = side * side;
    let image = &batch.images[row * 3 * plane..(row + 1) * 3 * plane];
    let mut rgba = vec![255u8; small * small * 4];
    for y in 0..small {
        for x in 0..small {
            for channel in 0..3 {
                let mut sum = 0.0;
                for dy in 0..part {
                    let start = channel * plane + (y * part + dy) * side + x * part;
                    sum += image[start..start + part].iter().sum::<f32>();
                }
                let value = sum / (part * part) as f32 * DEVIATION[channel] + MEAN[channel];
                rgba[(y * small + x) * 4 + channel] = (value.clamp(0.0, 1.0) * 255.0).round() as u8;
            }
        }
    }
    Pixels { width: small as u32, height: small as u32, rgba }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;
    use proptest::prelude::*;

    use super::*;
    use crate::nn::{Params, ops};

    #[test]
    fn a_look_is_due_only_while_somebody_looks_and_then_now_and_then() {
        let watch = Watch::new(10);
        assert!(!watch.is_due(0, None));
        watch.want(true);
        assert!(watch.is_due(7, None), "the first look is at once");
        assert!(!watch.is_due(16, Some(7)) && watch.is_due(17, Some(7)));
        assert!(watch.is_due(3, Some(7)), "another run began");
        watch.want(false);
        assert!(!watch.is_due(99, Some(7)));
    }

    #[test]
    fn layers_come_in_the_order_of_the_network() {
        let names = ["embedding", "layer1.10.conv1", "layer1.2.conv1", "conv1", "classifier", "layer2.0.conv1"];
        let mut sorted: Vec<Natural> = names.iter().map(|name| Natural::of(name)).collect();
        sorted.sort();
        let sorted: Vec<&str> = sorted.iter().map(|name| name.text.as_str()).collect();
        let want = ["conv1", "layer1.2.conv1", "layer1.10.conv1", "layer2.0.conv1", "classifier", "embedding"];
        assert_eq!(sorted, want);
        assert_eq!(layer_of("backbone.layer1.0.conv1.weight"), "layer1.0.conv1");
    }

    #[test]
    fn only_what_is_zero_in_the_whole_batch_is_dead() {
        // Two photos, three channels, 1 x 2 cells: the first channel is always 0, the second once above it.
        let values = [0f32, 0.0, 0.0, 3.0, 1.0, 2.0, /* second photo */ 0.0, 0.0, 0.0, 0.0, 0.0, 4.0];
        let map = Tensor::from_slice(&values, (2, 3, 1, 2), &Device::Cpu).unwrap();
        let health = rectifier(&map).unwrap();
        let square: f64 = values.iter().map(|v| f64::from(*v).powi(2)).sum();
        let zeros = values.iter().filter(|v| **v == 0.0).count() as f64;
        assert_eq!(health.channels, 3);
        assert!((health.dead - 1.0 / 3.0).abs() < 1e-9);
        assert!((health.zero - zeros / 12.0).abs() < 1e-6);
        assert!((health.rms - (square / 12.0).sqrt()).abs() < 1e-6);
    }

    #[test]
    fn every_rectifier_of_a_pass_is_seen_once_and_none_outside_of_it() {
        let x = Tensor::from_slice(&[-1f32, 2.0, -3.0, 4.0], (1, 2, 1, 2), &Device::Cpu).unwrap();
        ops::relu(&x).unwrap();
        let (result, look) = Look::forward(|| {
            let once = ops::relu(&x).unwrap();
            ops::add_relu(&once, &x).unwrap()
        });
        ops::relu(&x).unwrap();
        let seen: Vec<Vec<f32>> = look.rectified.iter().map(|map| read(map).unwrap()).collect();
        assert_eq!(seen, [vec![0.0, 2.0, 0.0, 4.0], vec![0.0, 4.0, 0.0, 8.0]]);
        assert_eq!(read(&result).unwrap(), seen[1]);
    }

    #[test]
    fn norms_and_the_ratio_of_an_update_are_what_a_person_would_compute() {
        let device = Device::Cpu;
        let mut params = Params::with_dtype(1, DType::F32, &device);
        let spec = |name: &str, shape: &[usize]| crate::nn::ParamSpec::new(name, shape, crate::nn::Init::Ones, true);
        let weight: Var = params.get_or_init_spec(&spec("backbone.conv1.weight", &[2, 2])).unwrap();
        params.get_or_init_spec(&spec("backbone.bn1.weight", &[2])).unwrap();
        weight.set(&Tensor::new(&[[3f32, 0.0], [0.0, 4.0]], &device).unwrap()).unwrap();
        let loss = (weight.as_tensor() * 2.0).unwrap().sum_all().unwrap();
        let gradients = loss.backward().unwrap();
        let (_, mut look) = Look::forward(|| ());
        look.before_update(params.trainable(), &gradients).unwrap();
        weight.set(&Tensor::new(&[[3f32, 0.0], [0.3, 4.4]], &device).unwrap()).unwrap();
        let health = look.after_update(7, params.trainable()).unwrap();
        assert_eq!((health.step, health.layers.len()), (7, 1), "the norm's scale is no layer");
        let layer = &health.layers[0];
        assert_eq!(layer.name, "conv1");
        assert!((layer.weight_norm - 5.0).abs() < 1e-6);
        assert!((layer.gradient_norm - 4.0).abs() < 1e-6, "2 on each of four weights");
        assert!((layer.update_ratio - 0.5 / 5.0).abs() < 1e-6, "moved by (0.3, 0.4)");
    }

    #[test]
    fn pictures_have_the_colours_that_went_in() {
        let side = 256usize;
        let mut images = vec![0f32; 3 * side * side];
        let colour = [0.2f32, 0.5, 0.9];
        for (channel, plane) in images.chunks_exact_mut(side * side).enumerate() {
            plane.fill((colour[channel] - MEAN[channel]) / DEVIATION[channel]);
        }
        // One bright corner pixel of four that become one.
        images[0] = (1.0 - MEAN[0]) / DEVIATION[0];
        let batch = Batch { images, size: side as u32, items: vec![0], ..Batch::default() };
        let small = picture(&batch, 0);
        assert_eq!((small.width, small.height), (128, 128));
        assert_eq!(small.rgba[4..8], [51, 128, 230, 255]);
        assert_eq!(small.rgba[0], ((0.2f32 * 3.0 + 1.0) / 4.0 * 255.0).round() as u8);
    }

    proptest! {
        #[test]
        fn the_hardest_triplets_are_those_of_all_triplets(
            rows in prop::collection::vec((prop::collection::vec(-1f32..1.0, 3), 0usize..4, any::<bool>()), 2..12),
        ) {
            let global: Vec<Vec<f32>> = rows.iter().map(|(row, ..)| row.clone()).collect();
            let products: Vec<usize> = rows.iter().map(|(_, product, _)| *product).collect();
            let domains: Vec<PhotoDomain> =
                rows.iter().map(|(.., street)| if *street { PhotoDomain::Street } else { PhotoDomain::Shop }).collect();
            let across = domains.iter().any(|domain| *domain != domains[0]);
            let found = hardest_triplets(&global, &products, &domains, 1);
            // All triplets, one by one; the hardest of the anchors' hardest is the hardest of all.
            let mut best: Option<f64> = None;
            for a in 0..rows.len() {
                for p in 0..rows.len() {
                    for n in 0..rows.len() {
                        let crosses = |b: usize| b != a && (!across || domains[b] != domains[a]);
                        if !crosses(p) || !crosses(n) || products[p] != products[a] || products[n] == products[a] {
                            continue;
                        }
                        let d = |b: usize| {
                            let square: f64 = (0..3).map(|k| f64::from(global[a][k] - global[b][k]).powi(2)).sum();
                            square.sqrt()
                        };
                        best = Some(best.map_or(d(p) - d(n), |best: f64| best.max(d(p) - d(n))));
                    }
                }
            }
            let hardness = found.first().map(|t| t.positive_distance - t.negative_distance);
            prop_assert_eq!(hardness.is_some(), best.is_some());
            if let (Some(found), Some(best)) = (hardness, best) {
                prop_assert!((found - best).abs() < 1e-9);
            }
        }
    }
}
