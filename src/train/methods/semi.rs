//! Labels with unlabelled photos beside them (Revanur et al. 2021, "Semi-supervised visual representation learning for
//! fashion compatibility"), and pseudo-labels of kinds with a mean teacher (Sohn et al. 2020, Tarvainen and Valpola 2017).
//!
//! To the recipe's losses on labelled photos come a triplet that pulls a photo to its view in another shape and away from
//! its view in other colours, and triplets between the nearest unlabelled neighbours of a labelled triplet's photos,
//! sought anew in every batch among photos of the same kind.
//!
//! Pseudo-labels and neighbours are judged on the host, so a step that has them waits for its device to have seen the photos.

use std::collections::BTreeMap;

use candle_core::{D, DType, Device, Result, Tensor, bail};

use super::twin::{copy_of, follow, load_all};
use super::{Thresholds, images, put_under, under};
use crate::data::{Batch, Dataset};
use crate::nn::{Embedder, Mode};
use crate::train::config::{Kinds, SemiSection, TrainConfig};
use crate::train::event::LossPart;
use crate::train::inputs::unlabelled_items;
use crate::train::losses::{self, Distance, Hinge, TripletSpec, Triplets};
use crate::train::objective::Objective;

pub struct Semi {
    section: SemiSection,
    thresholds: Thresholds,
    teacher: Option<Embedder>,
}

/// Labelled photos, whose neighbours among the unlabelled ones are sought.
pub struct Anchors {
    /// `[n, dim]`.
    pub global: Tensor,
    pub kinds: Vec<Option<usize>>,
    pub triplets: Triplets,
    /// Whether they are pieces of outfits, by the vectors that tell what is worn together.
    pub worn: bool,
}

/// Views of the unlabelled photos of a batch.
struct Unlabelled<'a> {
    plain: &'a Batch,
    /// In another shape, and in other colours.
    perturbed: Option<[&'a Batch; 2]>,
}

impl Semi {
    pub fn new(config: &TrainConfig, dataset: &Dataset, embedder: &Embedder) -> Result<Self> {
        let section = config.semi.clone();
        let unlabelled = unlabelled_items(dataset, config.data.label_fraction, config.seed).len();
        let (kinds, items) = (dataset.kinds.len().max(1), dataset.items.len());
        let thresholds = Thresholds::new(section.thresholds, section.threshold, kinds, items, unlabelled);
        let teacher = if section.teacher > 0.0 { Some(copy_of(embedder)?) } else { None };
        Ok(Self { section, thresholds, teacher })
    }

    /// Adds what the unlabelled photos say.
    pub fn add(
        &mut self,
        objective: &mut Objective,
        embedder: &Embedder,
        anchors: &Anchors,
        batch: &Batch,
    ) -> Result<()> {
        let unlabelled = match &batch.views[..] {
            [plain, shape, colours] => Unlabelled { plain, perturbed: Some([shape, colours]) },
            [plain] => Unlabelled { plain, perturbed: None },
            _ => return Ok(()),
        };
        let n = unlabelled.plain.len();
        let views: Vec<&Batch> =
            std::iter::once(unlabelled.plain).chain(unlabelled.perturbed.into_iter().flatten()).collect();
        if n < 2 || views.iter().any(|view| view.len() != n) {
            return Ok(());
        }
        let device = embedder.params.device();
        let given: Option<Vec<Option<usize>>> =
            (self.section.kinds == Kinds::Known).then(|| unlabelled.plain.kinds.iter().copied().map(Some).collect());
        let repeated = given.as_ref().map(|kinds| kinds.repeat(views.len()));
        let x = Tensor::cat(&views.iter().map(|view| images(view, device)).collect::<Result<Vec<_>>>()?, 0)?;
        let seen = embedder.forward_as(&x, Mode::Train, repeated.as_deref())?;
        let part = |tensor: &Tensor, view: usize| tensor.narrow(0, view * n, n);
        let plain = part(&seen.global, 0)?;
        let taught = match &self.teacher {
            Some(teacher) => {
                Some(teacher.forward_as(&images(unlabelled.plain, device)?, Mode::Train, given.as_deref())?)
            }
            None => None,
        };

        let kinds = match &given {
            Some(kinds) => kinds.clone(),
            None => {
                let logits = taught.as_ref().map_or(part(&seen.logits, 0)?, |taught| taught.logits.clone());
                self.thresholds.judge(&unlabelled.plain.items, &probabilities(&logits)?)
            }
        };
        if unlabelled.perturbed.is_some() {
            let (shape, colours) = (part(&seen.global, 1)?, part(&seen.global, 2)?);
            if self.section.consistency > 0.0 {
                let loss = losses::hinge(&plain, &shape, &colours, self.section.margin)?;
                objective.take(LossPart::Consistency, self.section.consistency, Some(loss))?;
            }
            if self.section.pseudo_kinds > 0.0 {
                let entropy = losses::cross_entropy(&part(&seen.logits, 2)?, &kinds, 0.0)?;
                // The mean over all photos: few sure ones have little to say.
                let share = kinds.iter().flatten().count() as f64 / n as f64;
                objective.take(LossPart::PseudoKinds, self.section.pseudo_kinds, Some((entropy * share)?))?;
            }
            if let (Some(taught), true) = (&taught, self.section.teacher_weight > 0.0) {
                let apart = losses::row_squares(&(shape - taught.global.detach())?)?.mean_all()?;
                objective.take(LossPart::Teacher, self.section.teacher_weight, Some(apart))?;
            }
        }
        if self.section.pseudo > 0.0 {
            // Photos whose kind is not known are no one's neighbours, whatever their vectors.
            let as_kinds: Vec<usize> = kinds.iter().map(|kind| kind.unwrap_or(0)).collect();
            let worn = if anchors.worn { embedder.worn(&plain, &as_kinds)? } else { None };
            let loss = self.pseudo(anchors, worn.as_ref().unwrap_or(&plain), &kinds)?;
            objective.take(LossPart::Pseudo, self.section.pseudo, loss)?;
        }
        Ok(())
    }

    /// The triplets between neighbours; `None` where no triplet has three. Neighbours are sought on the host, which waits
    /// for the vectors.
    fn pseudo(&self, anchors: &Anchors, unlabelled: &Tensor, kinds: &[Option<usize>]) -> Result<Option<Tensor>> {
        let (near, far) = (losses::read_matrix(&anchors.global)?, losses::read_matrix(unlabelled)?);
        let neighbours: Vec<Option<usize>> =
            near.iter().zip(&anchors.kinds).map(|(from, kind)| neighbour(from, *kind, &far, kinds)).collect();
        let rows = anchors.triplets.rows()?.into_iter().filter_map(|[anchor, positive, negative]| {
            Some([neighbours[anchor]?, neighbours[positive]?, neighbours[negative]?])
        });
        let triplets = Triplets::of(&rows.collect::<Vec<_>>(), unlabelled.device())?;
        let spec = TripletSpec { distance: Distance::Euclidean, hinge: Hinge::Margin(self.section.margin) };
        losses::triplet(unlabelled, &triplets, &spec)
    }

    pub fn after_step(&mut self, embedder: &Embedder) -> Result<()> {
        match &self.teacher {
            Some(teacher) => follow(&teacher.params, &embedder.params, self.section.teacher),
            None => Ok(()),
        }
    }

    pub fn state(&self) -> Result<BTreeMap<String, Tensor>> {
        let (mean, latest) = self.thresholds.state();
        let tensor = |values: Vec<f32>| Tensor::from_slice(&values, values.len(), &Device::Cpu);
        let mut state = BTreeMap::from([
            ("thresholds.mean".to_owned(), tensor(mean)?),
            ("thresholds.latest".to_owned(), tensor(latest)?),
        ]);
        if let Some(teacher) = &self.teacher {
            put_under(&mut state, "teacher.", teacher.params.tensors()?);
        }
        Ok(state)
    }

    pub fn restore(&mut self, state: &BTreeMap<String, Tensor>) -> Result<()> {
        let values = |name: &str| match state.get(name) {
            Some(tensor) => tensor.to_vec1::<f32>(),
            None => bail!("the checkpoint lacks {name}"),
        };
        if !self.thresholds.restore(&values("thresholds.mean")?, &values("thresholds.latest")?) {
            bail!("the photos have changed since this run began, so its pseudo-labels do not fit");
        }
        match &mut self.teacher {
            Some(teacher) => load_all(&mut teacher.params, &under(state, "teacher."), "teacher"),
            None => Ok(()),
        }
    }
}

/// The nearest of `among` whose kind is known to be this one.
fn neighbour(from: &[f64], kind: Option<usize>, among: &[Vec<f64>], kinds: &[Option<usize>]) -> Option<usize> {
    let kind = kind?;
    let distance = |row: &[f64]| from.iter().zip(row).map(|(a, b)| (a - b) * (a - b)).sum::<f64>();
    (0..among.len())
        .filter(|&row| kinds[row] == Some(kind))
        .min_by(|&a, &b| distance(&among[a]).total_cmp(&distance(&among[b])))
}

fn probabilities(logits: &Tensor) -> Result<Vec<Vec<f64>>> {
    let logits = logits.detach().to_dtype(DType::F64)?.to_device(&Device::Cpu)?;
    let shifted = logits.broadcast_sub(&logits.max_keepdim(D::Minus1)?)?.exp()?;
    shifted.broadcast_div(&shifted.sum_keepdim(D::Minus1)?)?.to_vec2()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_the_nearest_of_the_same_known_kind() {
        let among = [vec![0.0, 0.0], vec![1.0, 0.0], vec![3.0, 0.0], vec![0.9, 0.0]];
        let kinds = [Some(0), Some(1), Some(1), None];
        assert_eq!(neighbour(&[0.9, 0.0], Some(1), &among, &kinds), Some(1));
        assert_eq!(neighbour(&[0.9, 0.0], Some(0), &among, &kinds), Some(0));
        assert_eq!(neighbour(&[0.9, 0.0], Some(2), &among, &kinds), None);
        assert_eq!(neighbour(&[0.9, 0.0], None, &among, &kinds), None);
    }

    #[test]
    fn probabilities_are_a_softmax() {
        let logits = Tensor::new(&[[0.0_f32, 3.0_f32.ln()], [1000.0, 0.0]], &Device::Cpu).unwrap();
        let found = probabilities(&logits).unwrap();
        assert!((found[0][0] - 0.25).abs() < 1e-6 && (found[0][1] - 0.75).abs() < 1e-6);
        assert_eq!(found[1], [1.0, 0.0]);
    }
}
