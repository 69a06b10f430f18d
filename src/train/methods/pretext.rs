//! Learning without labels: MoCo v2, SimCLR, BYOL, SimSiam, VICReg and DINO on two views of each photo.
//!
//! Each has a projector, some a predictor, and some a twin that follows the network: its keys (MoCo) or targets (BYOL,
//! DINO) are constants of the loss. MoCo shuffles its keys between devices so that their normalisations cannot tell which
//! belong together; on one device there is nothing to shuffle between.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Result, Tensor, Var, bail};

use super::heads::{After, Between, Mlp};
use super::twin::{copy_of, follow, load_all};
use super::{Moment, Pace, images, put_under, under};
use crate::data::Batch;
use crate::nn::{Embedder, Init, Mode, Params, ops};
use crate::train::config::{PretextMethod, PretextSection, TrainConfig};
use crate::train::event::LossPart;
use crate::train::losses;
use crate::train::objective::Objective;

/// Weights of VICReg's three terms.
const VICREG: [f64; 3] = [25.0, 25.0, 1.0];
/// DINO's teacher's temperature, and what its centre keeps in a step.
const TEACHER_TEMPERATURE: f64 = 0.04;
const CENTRE_KEEPS: f64 = 0.9;

/// Projector, predictor and prototypes of one of the two networks.
struct Heads {
    params: Params,
    projector: Mlp,
    predictor: Option<Mlp>,
    prototypes: Option<Var>,
}

impl Heads {
    fn new(section: &PretextSection, channels: usize, seed: u64, device: &Device) -> Result<Self> {
        use PretextMethod::{Byol, Dino, Moco, SimClr, SimSiam, VicReg};
        let (hidden, dim) = (section.hidden(channels), section.dim());
        let mut params = Params::with_dtype(seed, DType::F32, device);
        let three = [channels, hidden, hidden, dim];
        let two = [channels, hidden, dim];
        let (sizes, between, last): (&[usize], _, _) = match section.method {
            Moco | PretextMethod::None => (&two, Between::Relu, After::Bias),
            SimClr | VicReg => (&three, Between::NormRelu, After::Nothing),
            Byol => (&two, Between::NormRelu, After::Bias),
            SimSiam => (&three, Between::NormRelu, After::PlainNorm),
            Dino => (&three, Between::Gelu, After::Bias),
        };
        let projector = Mlp::new(&mut params, "projector", sizes, between, last)?;
        let inner = match section.method {
            Byol => Some(hidden),
            SimSiam => Some((dim / 4).max(1)),
            _ => None,
        };
        let predictor = inner
            .map(|inner| Mlp::new(&mut params, "predictor", &[dim, inner, dim], Between::NormRelu, After::Bias))
            .transpose()?;
        let prototypes = if section.method == Dino {
            let init = Init::Uniform { fan_in: dim };
            Some(params.get_or_init("prototypes", &[section.prototypes, dim], init, true)?)
        } else {
            None
        };
        Ok(Self { params, projector, predictor, prototypes })
    }

    fn project(&self, pooled: &Tensor) -> Result<Tensor> {
        self.projector.forward(pooled, Mode::Train)
    }

    fn predict(&self, projected: &Tensor) -> Result<Tensor> {
        match &self.predictor {
            Some(predictor) => predictor.forward(projected, Mode::Train),
            None => bail!("this method has no predictor"),
        }
    }

    /// Cosines with the prototypes, `[n, prototypes]`.
    fn assign(&self, pooled: &Tensor) -> Result<Tensor> {
        let Some(prototypes) = &self.prototypes else { bail!("this method has no prototypes") };
        let directions = losses::normalize_rows(&self.project(pooled)?)?;
        directions.matmul(&losses::normalize_rows(prototypes)?.t()?)
    }
}

/// A network that follows, with its heads.
struct Twin {
    embedder: Embedder,
    heads: Heads,
}

pub struct Pretext {
    section: PretextSection,
    heads: Heads,
    twin: Option<Twin>,
    /// MoCo's keys `[queue, dim]`, rows of length 1, and where the next ones go.
    queue: Option<Tensor>,
    next_key: usize,
    /// Keys or teacher's answers of the present step.
    fresh: Option<Tensor>,
    /// DINO's centre `[1, prototypes]`.
    centre: Option<Tensor>,
}

impl Pretext {
    pub fn new(config: &TrainConfig, embedder: &Embedder, device: &Device) -> Result<Self> {
        let section = config.pretext.clone();
        let channels = embedder.config().backbone.out_channels();
        let heads = || Heads::new(&section, channels, config.seed, device);
        let method = section.method;
        let followed = matches!(method, PretextMethod::Moco | PretextMethod::Byol | PretextMethod::Dino);
        // The same seed and names give the twin the same first values.
        let twin = if followed { Some(Twin { embedder: copy_of(embedder)?, heads: heads()? }) } else { None };
        let queue = if method == PretextMethod::Moco {
            let mut params = Params::with_dtype(config.seed, DType::F32, device);
            let first =
                params.get_or_init("queue", &[section.queue, section.dim()], Init::Normal { deviation: 1.0 }, false)?;
            Some(losses::normalize_rows(&first.as_detached_tensor())?.detach())
        } else {
            None
        };
        let centre = if method == PretextMethod::Dino {
            Some(Tensor::zeros((1, section.prototypes), DType::F32, device)?)
        } else {
            None
        };
        Ok(Self { heads: heads()?, section, twin, queue, next_key: 0, fresh: None, centre })
    }

    pub fn objective(&mut self, embedder: &Embedder, batch: &Batch, moment: Moment) -> Result<Objective> {
        embedder.at_step(moment.step as u64);
        let Some(second) = batch.views.first() else { bail!("a pretext task needs two views of each photo") };
        let device = embedder.params.device();
        let loss = self.loss(embedder, &images(batch, device)?, &images(second, device)?)?;
        Objective::alone(LossPart::Pretext, loss)
    }

    /// Of two views `[n, 3, h, w]` of the same photos.
    fn loss(&mut self, embedder: &Embedder, one: &Tensor, two: &Tensor) -> Result<Tensor> {
        let temperature = self.section.temperature();
        let pooled = |embedder: &Embedder, x: &Tensor| ops::global_avg_pool(&embedder.features(x, Mode::Train)?);
        let first = &pooled(embedder, one)?;
        let (heads, twin) = (&self.heads, self.twin.as_ref());
        let target = |x: &Tensor| -> Result<Tensor> {
            let Some(twin) = twin else { bail!("this method follows no twin") };
            Ok(twin.heads.project(&pooled(&twin.embedder, x)?)?.detach())
        };
        match self.section.method {
            PretextMethod::Moco => {
                let Some(queue) = &self.queue else { bail!("this method has no queue") };
                let queries = losses::normalize_rows(&heads.project(first)?)?;
                let keys = losses::normalize_rows(&target(two)?)?.detach();
                let loss = losses::queue_info_nce(&queries, &keys, queue, temperature)?;
                self.fresh = Some(keys);
                Ok(loss)
            }
            PretextMethod::SimClr => {
                let z1 = losses::normalize_rows(&heads.project(first)?)?;
                let z2 = losses::normalize_rows(&heads.project(&pooled(embedder, two)?)?)?;
                if self.section.decoupled {
                    losses::decoupled_nt_xent(&z1, &z2, temperature)
                } else {
                    losses::nt_xent(&z1, &z2, temperature)
                }
            }
            PretextMethod::Byol => {
                let p1 = heads.predict(&heads.project(first)?)?;
                let p2 = heads.predict(&heads.project(&pooled(embedder, two)?)?)?;
                losses::byol(&p1, &target(two)?)? + losses::byol(&p2, &target(one)?)?
            }
            PretextMethod::SimSiam => {
                let (z1, z2) = (heads.project(first)?, heads.project(&pooled(embedder, two)?)?);
                let one = losses::simsiam(&heads.predict(&z1)?, &z2.detach())?;
                let two = losses::simsiam(&heads.predict(&z2)?, &z1.detach())?;
                (one + two)? / 2.0
            }
            PretextMethod::VicReg => {
                losses::vicreg(&heads.project(first)?, &heads.project(&pooled(embedder, two)?)?, VICREG)
            }
            PretextMethod::Dino => {
                let (Some(twin), Some(centre)) = (twin, &self.centre) else { bail!("this method follows no twin") };
                let taught =
                    |x: &Tensor| -> Result<Tensor> { Ok(twin.heads.assign(&pooled(&twin.embedder, x)?)?.detach()) };
                let (t1, t2) = (taught(one)?, taught(two)?);
                let (s1, s2) = (heads.assign(first)?, heads.assign(&pooled(embedder, two)?)?);
                let temperatures = [temperature, TEACHER_TEMPERATURE];
                let loss =
                    (losses::dino(&s1, &t2, centre, temperatures)? + losses::dino(&s2, &t1, centre, temperatures)?)?;
                self.fresh = Some(Tensor::cat(&[t1, t2], 0)?.mean_keepdim(0)?);
                loss / 2.0
            }
            PretextMethod::None => bail!("no pretext task was chosen"),
        }
    }

    pub fn trainable(&self) -> Vec<(&str, &Var)> {
        self.heads.params.trainable().collect()
    }

    /// SimSiam's predictor keeps its rate; DINO's prototypes rest in the first epoch.
    pub fn pace(&self, name: &str, moment: Moment) -> Pace {
        match self.section.method {
            PretextMethod::SimSiam if name.starts_with("predictor.") => Pace::Constant,
            PretextMethod::Dino if name == "prototypes" && moment.epoch == 0 => Pace::Resting,
            _ => Pace::Scheduled,
        }
    }

    /// How much the twin keeps: MoCo's share is constant, the others' rises to 1 along a cosine.
    fn keep(&self, moment: Moment) -> f64 {
        let base = self.section.momentum();
        if self.section.method == PretextMethod::Moco {
            return base;
        }
        let done = moment.step as f64 / moment.steps.max(1) as f64;
        1.0 - (1.0 - base) * ((std::f64::consts::PI * done).cos() + 1.0) / 2.0
    }

    pub fn after_step(&mut self, embedder: &Embedder, moment: Moment) -> Result<()> {
        let keep = self.keep(moment);
        if let Some(twin) = &self.twin {
            follow(&twin.embedder.params, &embedder.params, keep)?;
            follow(&twin.heads.params, &self.heads.params, keep)?;
        }
        let Some(fresh) = self.fresh.take() else { return Ok(()) };
        if let Some(queue) = &mut self.queue {
            *queue = enqueued(queue, &fresh, self.next_key)?;
            self.next_key = (self.next_key + fresh.dim(0)?) % queue.dim(0)?;
        }
        if let Some(centre) = &self.centre {
            self.centre = Some((centre.affine(CENTRE_KEEPS, 0.0)? + fresh.affine(1.0 - CENTRE_KEEPS, 0.0)?)?);
        }
        Ok(())
    }

    pub fn state(&self) -> Result<BTreeMap<String, Tensor>> {
        let mut state = BTreeMap::new();
        put_under(&mut state, "heads.", self.heads.params.tensors()?);
        if let Some(twin) = &self.twin {
            put_under(&mut state, "twin.network.", twin.embedder.params.tensors()?);
            put_under(&mut state, "twin.heads.", twin.heads.params.tensors()?);
        }
        if let Some(queue) = &self.queue {
            state.insert("queue".to_owned(), queue.copy()?);
            state.insert("next_key".to_owned(), Tensor::new(&[self.next_key as f32], &Device::Cpu)?);
        }
        if let Some(centre) = &self.centre {
            state.insert("centre".to_owned(), centre.copy()?);
        }
        Ok(state)
    }

    pub fn restore(&mut self, state: &BTreeMap<String, Tensor>) -> Result<()> {
        load_all(&mut self.heads.params, &under(state, "heads."), "heads")?;
        if let Some(twin) = &mut self.twin {
            load_all(&mut twin.embedder.params, &under(state, "twin.network."), "twin")?;
            load_all(&mut twin.heads.params, &under(state, "twin.heads."), "twin's heads")?;
        }
        let like = |name: &str, like: &Tensor| match state.get(name).filter(|found| found.dims() == like.dims()) {
            Some(found) => found.to_device(like.device()),
            None => bail!("the checkpoint's {name} does not fit this recipe"),
        };
        if let Some(queue) = &mut self.queue {
            *queue = like("queue", queue)?;
            let next = like("next_key", &Tensor::zeros(1, DType::F32, &Device::Cpu)?)?.to_vec1::<f32>()?;
            self.next_key = next[0] as usize % queue.dim(0)?;
        }
        if let Some(centre) = &mut self.centre {
            *centre = like("centre", centre)?;
        }
        Ok(())
    }
}

/// The queue with these keys in place of the oldest ones, from `at` on and round its end.
fn enqueued(queue: &Tensor, keys: &Tensor, at: usize) -> Result<Tensor> {
    let (length, n) = (queue.dim(0)?, keys.dim(0)?.min(queue.dim(0)?));
    let keys = keys.narrow(0, 0, n)?;
    let before_end = n.min(length - at);
    let (tail, head) = (keys.narrow(0, 0, before_end)?, keys.narrow(0, before_end, n - before_end)?);
    let wrapped = n - before_end;
    let parts = [
        head,
        queue.narrow(0, wrapped, at - wrapped.min(at))?,
        tail,
        queue.narrow(0, at + before_end, length - at - before_end)?,
    ];
    let parts: Vec<&Tensor> = parts.iter().filter(|part| part.dims()[0] > 0).collect();
    Tensor::cat(&parts, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_queue_drops_its_oldest_keys_round_its_end() {
        let column = |values: &[f32]| Tensor::from_slice(values, (values.len(), 1), &Device::Cpu).unwrap();
        let of = |queue: &Tensor| queue.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let queue = column(&[0.0, 1.0, 2.0, 3.0, 4.0]);
        let keys = column(&[7.0, 8.0]);
        assert_eq!(of(&enqueued(&queue, &keys, 0).unwrap()), [7.0, 8.0, 2.0, 3.0, 4.0]);
        assert_eq!(of(&enqueued(&queue, &keys, 3).unwrap()), [0.0, 1.0, 2.0, 7.0, 8.0]);
        assert_eq!(of(&enqueued(&queue, &keys, 4).unwrap()), [8.0, 1.0, 2.0, 3.0, 7.0]);
        assert_eq!(of(&enqueued(&queue, &queue, 0).unwrap()), [0.0, 1.0, 2.0, 3.0, 4.0]);
    }
}
