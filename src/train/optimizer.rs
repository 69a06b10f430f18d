//! SGD with momentum and AdamW, with their own store of moments.
//!
//! candle's SGD has no momentum and its optimizers cannot be saved. Here each parameter's moments lie in host
//! memory under the parameter's name, in the parameter's own precision, so that a checkpoint holds them and a
//! resumed run goes on bit for bit. A parameter is updated in place, in one pass over memory; on another device than the
//! CPU its moments lie beside it, and travel to the host for a checkpoint only. There all parameters are updated in one
//! launch, by the length of their gradients as the device found it, and nothing is waited for.
//!
//! The rules are PyTorch's (`torch.optim.SGD`, `torch.optim.AdamW`); oracles: the training steps of
//! `tests/fixtures/training.json` and the recurrence of Loshchilov and Hutter written out in the test.

use std::collections::BTreeMap;
use std::sync::Mutex;

use candle_core::backprop::GradStore;
use candle_core::{CpuStorage, DType, Device, InplaceOp2, Layout, Result, Tensor, Var, bail};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::groups::GroupRates;
use crate::nn::ops::{self, Moved, Scale, Update};

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Rule {
    /// v = momentum v + g + decay w; w -= rate v.
    Sgd { momentum: f64 },
    /// Adam with decay applied to the weight itself.
    AdamW { beta1: f64, beta2: f64, epsilon: f64 },
    /// You et al. 2017: SGD whose gradient g + decay w is first given `trust` times the length of the weights; biases and
    /// norms move as under SGD.
    Lars { momentum: f64, trust: f64 },
}

impl Rule {
    fn keeps_squares(&self) -> bool {
        matches!(self, Self::AdamW { .. })
    }

    /// What LARS trusts a step with.
    fn trust(&self) -> Option<f64> {
        if let Self::Lars { trust, .. } = self { Some(*trust) } else { None }
    }

    /// At step number `step`, from 1, for Adam's bias correction.
    fn update(self, step: u64) -> Update {
        match self {
            Self::Sgd { momentum } | Self::Lars { momentum, .. } => Update::Sgd { momentum },
            Self::AdamW { beta1, beta2, epsilon } => {
                let step = i32::try_from(step).unwrap_or(i32::MAX);
                Update::AdamW {
                    beta1,
                    beta2,
                    epsilon,
                    unbias: 1.0 - beta1.powi(step),
                    root: (1.0 - beta2.powi(step)).sqrt(),
                }
            }
        }
    }
}

/// Elements of one task. Fixed, so that a sum over tasks does not depend on the number of threads.
const CHUNK: usize = 1 << 14;

#[derive(Clone, Debug, PartialEq)]
enum Numbers {
    F32(Vec<f32>),
    F64(Vec<f64>),
}

#[derive(Clone, Debug, PartialEq)]
struct Moments {
    first: Numbers,
    /// Empty for SGD.
    second: Numbers,
}

/// One parameter's moments, where the parameter is.
#[derive(Clone, Debug)]
enum Slot {
    Host(Moments),
    /// One or two, flat.
    Device(Vec<Tensor>),
}

#[derive(Clone, Debug)]
pub struct Optimizer {
    rule: Rule,
    weight_decay: f64,
    decay_norms: bool,
    rates: GroupRates,
    steps: u64,
    slots: BTreeMap<String, Slot>,
}

/// What one step needs for one parameter besides the numbers.
#[derive(Clone, Copy)]
struct Pass {
    update: Update,
    rate: f64,
    decay: f64,
    /// LARS's, where it fits the step to the weights' length: not for biases and norms.
    trust: Option<f64>,
}

impl Optimizer {
    /// `decay_norms`: whether biases and the weights of norms (all parameters of one dimension) decay too.
    pub fn new(rule: Rule, weight_decay: f64, decay_norms: bool) -> Self {
        Self { rule, weight_decay, decay_norms, rates: GroupRates::default(), steps: 0, slots: BTreeMap::new() }
    }

    /// The same with rates that depend on where a parameter lies.
    pub fn with_rates(mut self, rates: GroupRates) -> Self {
        self.rates = rates;
        self
    }

    /// Steps made so far.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Moves every parameter that has a gradient. `parameters` is in order of names; `scale` multiplies every
    /// gradient first (see [`length`]).
    pub fn step<'a>(
        &mut self,
        parameters: impl Iterator<Item = (&'a str, &'a Var)>,
        gradients: &GradStore,
        rate: f64,
        scale: impl Into<Scale>,
    ) -> Result<()> {
        self.step_each(parameters.map(|(name, var)| (name, var, rate)), gradients, scale)
    }

    /// [`Self::step`] with a rate for each parameter.
    pub fn step_each<'a>(
        &mut self,
        parameters: impl Iterator<Item = (&'a str, &'a Var, f64)>,
        gradients: &GradStore,
        scale: impl Into<Scale>,
    ) -> Result<()> {
        self.steps += 1;
        let (update, scale) = (self.rule.update(self.steps), scale.into());
        let mut elsewhere = Vec::new();
        for (name, var, rate) in parameters {
            let Some(gradient) = gradients.get(var.as_tensor()) else { continue };
            let slot = match self.slots.get_mut(name) {
                Some(slot) => slot,
                None => self.slots.entry(name.to_owned()).or_insert(Slot::new(var, &self.rule)?),
            };
            let decays = self.decay_norms || var.rank() > 1;
            let pass = Pass {
                update,
                rate: rate * self.rates.of(name),
                decay: if decays { self.weight_decay } else { 0.0 },
                trust: self.rule.trust().filter(|_| var.rank() > 1),
            };
            if gradient.shape() != var.shape() {
                bail!("a parameter of shape {:?} has a gradient of another shape", var.shape())
            }
            match slot.beside(var)? {
                Slot::Host(moments) => moments.update(var, gradient, pass, scale.here()?)?,
                Slot::Device(moments) => {
                    let Pass { rate, decay, trust, .. } = pass;
                    let moved = Moved::new(var, gradient, moments.clone())?;
                    elsewhere.push(Moved { rate, decay, trust: trust.unwrap_or(0.0), ..moved });
                }
            }
        }
        ops::update_on_device(&elsewhere, update, &scale)
    }

    /// Moments by name, for a checkpoint.
    pub fn state(&self) -> Result<BTreeMap<String, Tensor>> {
        let mut state = BTreeMap::new();
        for (name, slot) in &self.slots {
            let tensors = match slot {
                Slot::Host(moments) => moments.tensors()?,
                // A copy, because the original goes on changing in place.
                Slot::Device(tensors) => {
                    tensors.iter().map(|tensor| tensor.to_device(&Device::Cpu)).collect::<Result<_>>()?
                }
            };
            for (which, tensor) in ["first", "second"].into_iter().zip(tensors) {
                state.insert(format!("{which}.{name}"), tensor);
            }
        }
        Ok(state)
    }

    /// Takes up what [`Self::state`] gave.
    pub fn restore(&mut self, steps: u64, state: &BTreeMap<String, Tensor>) -> Result<()> {
        self.steps = steps;
        self.slots.clear();
        for (key, tensor) in state {
            let Some(name) = key.strip_prefix("first.") else { continue };
            let first = Numbers::read(tensor)?;
            let second = match state.get(&format!("second.{name}")) {
                Some(tensor) => Numbers::read(tensor)?,
                None => first.empty(),
            };
            let wanted = if self.rule.keeps_squares() { first.len() } else { 0 };
            if second.len() != wanted {
                bail!("the saved moments of {name} are those of another optimizer");
            }
            self.slots.insert(name.to_owned(), Slot::Host(Moments { first, second }));
        }
        Ok(())
    }
}

impl Numbers {
    fn zeros(dtype: DType, len: usize) -> Result<Self> {
        match dtype {
            DType::F32 => Ok(Self::F32(vec![0.0; len])),
            DType::F64 => Ok(Self::F64(vec![0.0; len])),
            other => bail!("parameters of type {other:?} are not trained; keep them in f32"),
        }
    }

    fn empty(&self) -> Self {
        match self {
            Self::F32(_) => Self::F32(Vec::new()),
            Self::F64(_) => Self::F64(Vec::new()),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::F32(x) => x.len(),
            Self::F64(x) => x.len(),
        }
    }

    fn tensor(&self) -> Result<Tensor> {
        match self {
            Self::F32(x) => Tensor::from_slice(x, x.len(), &Device::Cpu),
            Self::F64(x) => Tensor::from_slice(x, x.len(), &Device::Cpu),
        }
    }

    fn read(tensor: &Tensor) -> Result<Self> {
        let flat = tensor.flatten_all()?.to_device(&Device::Cpu)?;
        match tensor.dtype() {
            DType::F32 => Ok(Self::F32(flat.to_vec1()?)),
            DType::F64 => Ok(Self::F64(flat.to_vec1()?)),
            other => bail!("saved moments of type {other:?}"),
        }
    }
}

impl Moments {
    fn tensors(&self) -> Result<Vec<Tensor>> {
        let second = if self.second.len() > 0 { Some(self.second.tensor()?) } else { None };
        Ok([self.first.tensor()?].into_iter().chain(second).collect())
    }
}

impl Slot {
    fn new(var: &Var, rule: &Rule) -> Result<Self> {
        let len = var.elem_count();
        let second = if rule.keeps_squares() { len } else { 0 };
        let (first, second) = (Numbers::zeros(var.dtype(), len)?, Numbers::zeros(var.dtype(), second)?);
        Ok(Self::Host(Moments { first, second }))
    }

    /// The moments where the parameter is: a new one's, or those of a checkpoint, may not be there yet.
    fn beside(&mut self, var: &Var) -> Result<&mut Self> {
        if !var.device().is_cpu()
            && let Self::Host(moments) = self
        {
            *self = Self::Device(moments.tensors()?.iter().map(|m| m.to_device(var.device())).collect::<Result<_>>()?);
        }
        Ok(self)
    }
}

impl Moments {
    fn update(&mut self, var: &Var, gradient: &Tensor, pass: Pass, scale: f64) -> Result<()> {
        if self.first.len() != var.elem_count() {
            bail!("a parameter of shape {:?} has moments of another shape", var.shape())
        }
        let gradient = gradient.to_dtype(var.dtype())?.contiguous()?;
        var.inplace_op2(&gradient, &InPlace { moments: Mutex::new(self), pass, scale })
    }
}

/// One parameter's update, inside candle's storage.
struct InPlace<'a> {
    // The trait hands out `&self` only; the lock is never contended.
    moments: Mutex<&'a mut Moments>,
    pass: Pass,
    scale: f64,
}

impl InplaceOp2 for InPlace<'_> {
    fn name(&self) -> &'static str {
        "optimizer-step"
    }

    fn cpu_fwd(&self, w: &mut CpuStorage, w_layout: &Layout, g: &CpuStorage, g_layout: &Layout) -> Result<()> {
        let (Some((w0, w1)), Some((g0, g1))) = (w_layout.contiguous_offsets(), g_layout.contiguous_offsets()) else {
            bail!("an optimizer step needs contiguous tensors");
        };
        let Ok(mut moments) = self.moments.lock() else { bail!("an optimizer step was interrupted") };
        let Moments { first, second } = &mut **moments;
        match (w, g, first, second) {
            (CpuStorage::F32(w), CpuStorage::F32(g), Numbers::F32(m), Numbers::F32(v)) => {
                sweep(&mut w[w0..w1], &g[g0..g1], m, v, self.pass, self.scale);
            }
            (CpuStorage::F64(w), CpuStorage::F64(g), Numbers::F64(m), Numbers::F64(v)) => {
                sweep(&mut w[w0..w1], &g[g0..g1], m, v, self.pass, self.scale);
            }
            _ => bail!("weights and moments differ in type"),
        }
        Ok(())
    }
}

/// Updates one parameter; each element is computed in f64 and rounded once.
fn sweep<T: Element>(w: &mut [T], g: &[T], m: &mut [T], v: &mut [T], pass: Pass, scale: f64) {
    let Pass { update, rate, decay, trust } = pass;
    match update {
        Update::Sgd { momentum } => {
            let fit = trust.map_or(1.0, |trust| fit(w, g, trust, decay, scale));
            let (decay, scale) = (fit * decay, fit * scale);
            let work = w.par_chunks_mut(CHUNK).zip(g.par_chunks(CHUNK)).zip(m.par_chunks_mut(CHUNK));
            work.for_each(|((w, g), m)| {
                for ((w, g), m) in w.iter_mut().zip(g).zip(m) {
                    let gradient = g.wide() * scale + decay * w.wide();
                    let velocity = momentum * m.wide() + gradient;
                    *m = T::narrow(velocity);
                    *w = T::narrow(w.wide() - rate * velocity);
                }
            });
        }
        Update::AdamW { beta1, beta2, epsilon, unbias, root } => {
            let (keep, size) = (1.0 - rate * decay, rate / unbias);
            let work = w.par_chunks_mut(CHUNK).zip(g.par_chunks(CHUNK));
            work.zip(m.par_chunks_mut(CHUNK)).zip(v.par_chunks_mut(CHUNK)).for_each(|(((w, g), m), v)| {
                for (((w, g), m), v) in w.iter_mut().zip(g).zip(m).zip(v) {
                    let gradient = g.wide() * scale;
                    let mean = beta1 * m.wide() + (1.0 - beta1) * gradient;
                    let square = beta2 * v.wide() + (1.0 - beta2) * gradient * gradient;
                    *m = T::narrow(mean);
                    *v = T::narrow(square);
                    *w = T::narrow(w.wide() * keep - size * mean / (square.sqrt() / root + epsilon));
                }
            });
        }
    }
}

/// What LARS multiplies a gradient with; 1 where weights or gradient are all zeros.
fn fit<T: Element>(w: &[T], g: &[T], trust: f64, decay: f64, scale: f64) -> f64 {
    let parts: Vec<[f64; 2]> = w
        .par_chunks(CHUNK)
        .zip(g.par_chunks(CHUNK))
        .map(|(w, g)| {
            w.iter().zip(g).fold([0.0, 0.0], |[weights, gradients], (w, g)| {
                let gradient = g.wide() * scale + decay * w.wide();
                [weights + w.wide() * w.wide(), gradients + gradient * gradient]
            })
        })
        .collect();
    let [weights, gradients] = [0, 1].map(|which| parts.iter().map(|part| part[which]).sum::<f64>());
    if weights > 0.0 && gradients > 0.0 { trust * weights.sqrt() / gradients.sqrt() } else { 1.0 }
}

trait Element: Copy + Send + Sync {
    fn wide(self) -> f64;
    fn narrow(x: f64) -> Self;
}

impl Element for f32 {
    fn wide(self) -> f64 {
        f64::from(self)
    }
    fn narrow(x: f64) -> Self {
        x as Self
    }
}

impl Element for f64 {
    fn wide(self) -> f64 {
        self
    }
    fn narrow(x: f64) -> Self {
        x
    }
}

/// The length of all gradients together, and what to multiply them with so that it is within a limit.
pub struct Length {
    /// `[1]` in 64 bits, on the gradients' device; NaN or infinite where any gradient is.
    pub norm: Tensor,
    pub scale: Scale,
}

/// Measures gradients where they are, without waiting for a device other than the CPU; `limit` as in [`clip_scale`].
pub fn length<'a>(
    parameters: impl Iterator<Item = (&'a str, &'a Var)>,
    gradients: &GradStore,
    limit: f64,
) -> Result<Length> {
    let gradients: Vec<&Tensor> = parameters.filter_map(|(_, var)| gradients.get(var.as_tensor())).collect();
    if gradients.first().is_some_and(|gradient| !gradient.device().is_cpu()) {
        let both = ops::length_on_device(&gradients.into_iter().cloned().collect::<Vec<_>>(), limit)?;
        return Ok(Length { norm: both.narrow(0, 0, 1)?, scale: Scale::There(both.narrow(0, 1, 1)?) });
    }
    let norm = length_here(&gradients)?;
    Ok(Length { norm: Tensor::new(&[norm], &Device::Cpu)?, scale: clip_scale(norm, limit).into() })
}

/// Summed in a fixed order in f64.
fn length_here(gradients: &[&Tensor]) -> Result<f64> {
    let mut total = 0.0;
    for gradient in gradients {
        let squares = match Numbers::read(gradient)? {
            Numbers::F32(g) => sum_of_squares(&g),
            Numbers::F64(g) => sum_of_squares(&g),
        };
        total += squares;
    }
    Ok(total.sqrt())
}

fn sum_of_squares<T: Element>(x: &[T]) -> f64 {
    let parts: Vec<f64> = x.par_chunks(CHUNK).map(|part| part.iter().map(|x| x.wide() * x.wide()).sum()).collect();
    parts.iter().sum()
}

/// What to multiply gradients of that length together with so that they are at most `limit` long; 0 sets no limit.
pub fn clip_scale(norm: f64, limit: f64) -> f64 {
    if limit > 0.0 && norm > limit { limit / norm } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::golden::{assert_close, host, value};

    /// Loss whose gradient is the weights' square over 3 plus noise that depends on the step.
    fn gradient_at(w: &[f64], step: usize) -> Vec<f64> {
        w.iter().enumerate().map(|(i, w)| w * w + 0.3 * ((i + 3 * step) as f64).sin()).collect()
    }

    fn loss(var: &Var, step: usize) -> Tensor {
        let noise: Vec<f64> = (0..var.elem_count()).map(|i| 0.3 * ((i + 3 * step) as f64).sin()).collect();
        let noise = Tensor::from_vec(noise, var.shape(), &Device::Cpu).unwrap().to_dtype(var.dtype()).unwrap();
        let w = var.as_tensor();
        let cubes = (w.sqr().unwrap() * w).unwrap();
        ((cubes / 3.0).unwrap() + (noise * w).unwrap()).unwrap().sum_all().unwrap()
    }

    fn run(rule: Rule, rate: f64, dtype: DType, steps: usize) -> Vec<f64> {
        let var = Var::from_tensor(&value("opt/", "w", &[5, 4]).to_dtype(dtype).unwrap()).unwrap();
        let mut optimizer = Optimizer::new(rule, 0.1, false);
        for step in 0..steps {
            let gradients = loss(&var, step).backward().unwrap();
            optimizer.step([("w", &var)].into_iter(), &gradients, rate, 1.0).unwrap();
        }
        host(&var)
    }

    /// Oracle: the recurrence of "Decoupled weight decay regularization", algorithm 2, in f64.
    #[test]
    fn adamw_follows_its_recurrence() {
        let (beta1, beta2, epsilon, rate, decay) = (0.9, 0.99, 1e-8, 0.05, 0.1);
        let mut w = host(&value("opt/", "w", &[5, 4]));
        let (mut m, mut v) = (vec![0.0; 20], vec![0.0; 20]);
        for step in 0..25 {
            for (i, g) in gradient_at(&w, step).into_iter().enumerate() {
                m[i] = beta1 * m[i] + (1.0 - beta1) * g;
                v[i] = beta2 * v[i] + (1.0 - beta2) * g * g;
                let (m_hat, v_hat) =
                    (m[i] / (1.0 - beta1.powi(step as i32 + 1)), v[i] / (1.0 - beta2.powi(step as i32 + 1)));
                w[i] = w[i] - rate * decay * w[i] - rate * m_hat / (v_hat.sqrt() + epsilon);
            }
        }
        let rule = Rule::AdamW { beta1, beta2, epsilon };
        assert_close("f64", &run(rule, rate, DType::F64, 25), &w, 1e-12);
        assert_close("f32", &run(rule, rate, DType::F32, 25), &w, 1e-5);
    }

    /// Oracle: PyTorch's SGD, v = momentum v + (g + decay w), w -= rate v, written out.
    #[test]
    fn sgd_follows_its_recurrence() {
        let mut w = host(&value("opt/", "w", &[5, 4]));
        let mut v = [0.0; 20];
        for step in 0..25 {
            for (i, g) in gradient_at(&w, step).into_iter().enumerate() {
                v[i] = 0.8 * v[i] + g + 0.1 * w[i];
                w[i] -= 0.01 * v[i];
            }
        }
        assert_close("f64", &run(Rule::Sgd { momentum: 0.8 }, 0.01, DType::F64, 25), &w, 1e-12);
    }

    /// Oracle: the recurrence of "Large batch training of convolutional networks" as VICReg's authors wrote it down, in f64.
    #[test]
    fn lars_follows_its_recurrence() {
        let length = |x: &[f64]| x.iter().map(|x| x * x).sum::<f64>().sqrt();
        let mut w = host(&value("opt/", "w", &[5, 4]));
        let mut v = [0.0; 20];
        for step in 0..25 {
            let g: Vec<f64> = gradient_at(&w, step).iter().zip(&w).map(|(g, w)| g + 0.1 * w).collect();
            let fit = 0.02 * length(&w) / length(&g);
            for (i, g) in g.into_iter().enumerate() {
                v[i] = 0.8 * v[i] + fit * g;
                w[i] -= 0.5 * v[i];
            }
        }
        let rule = Rule::Lars { momentum: 0.8, trust: 0.02 };
        assert_close("f64", &run(rule, 0.5, DType::F64, 25), &w, 1e-12);
        // A bias moves as under SGD, and zeros move at all.
        let bias = Var::ones(3, DType::F32, &Device::Cpu).unwrap();
        let zeros = Var::zeros((1, 3), DType::F32, &Device::Cpu).unwrap();
        let sum = ((bias.as_tensor() * 0.5).unwrap().sum_all().unwrap() + zeros.sum_all().unwrap()).unwrap();
        let mut optimizer = Optimizer::new(rule, 0.1, false);
        let both = [("b", &bias), ("z", &zeros)];
        optimizer.step(both.into_iter(), &sum.backward().unwrap(), 1.0, 1.0).unwrap();
        assert_close("bias", &host(&bias), &[0.5; 3], 1e-6);
        assert_close("zeros", &host(&zeros), &[-1.0; 3], 1e-6);
    }

    #[test]
    fn biases_and_norms_do_not_decay_unless_asked_to() {
        for (decay_norms, expected) in [(false, 0.5), (true, 0.4)] {
            let bias = Var::ones(3, DType::F32, &Device::Cpu).unwrap();
            let mut optimizer = Optimizer::new(Rule::Sgd { momentum: 0.0 }, 0.1, decay_norms);
            let gradients = (bias.as_tensor() * 0.5).unwrap().sum_all().unwrap().backward().unwrap();
            optimizer.step([("b", &bias)].into_iter(), &gradients, 1.0, 1.0).unwrap();
            assert_close("bias", &host(&bias), &[expected; 3], 1e-6);
        }
    }

    #[test]
    fn a_restored_optimizer_goes_on_bit_for_bit() {
        let lars = Rule::Lars { momentum: 0.9, trust: 0.02 };
        for rule in [Rule::Sgd { momentum: 0.9 }, lars, Rule::AdamW { beta1: 0.9, beta2: 0.99, epsilon: 1e-8 }] {
            let var = Var::from_tensor(&value("opt/", "w", &[5, 4]).to_dtype(DType::F32).unwrap()).unwrap();
            let mut optimizer = Optimizer::new(rule, 0.1, false);
            for step in 0..10 {
                if step == 6 {
                    let mut other = Optimizer::new(rule, 0.1, false);
                    other.restore(optimizer.steps(), &optimizer.state().unwrap()).unwrap();
                    optimizer = other;
                }
                let gradients = loss(&var, step).backward().unwrap();
                optimizer.step([("w", &var)].into_iter(), &gradients, 0.05, 1.0).unwrap();
            }
            assert_eq!(host(&var), run(rule, 0.05, DType::F32, 10));
        }
    }

    #[test]
    fn moments_of_another_optimizer_are_refused() {
        let var = Var::from_tensor(&value("opt/", "w", &[5, 4])).unwrap();
        let mut sgd = Optimizer::new(Rule::Sgd { momentum: 0.9 }, 0.0, false);
        let gradients = loss(&var, 0).backward().unwrap();
        sgd.step([("w", &var)].into_iter(), &gradients, 0.05, 1.0).unwrap();
        let mut adam = Optimizer::new(Rule::AdamW { beta1: 0.9, beta2: 0.99, epsilon: 1e-8 }, 0.0, false);
        let error = adam.restore(1, &sgd.state().unwrap()).unwrap_err().to_string();
        assert!(error.contains("another optimizer"), "{error}");
    }

    #[test]
    fn long_gradients_are_shortened_to_the_limit() {
        let var = Var::new(&[3.0_f32, 4.0], &Device::Cpu).unwrap();
        // Half the square: the gradient is the weight itself, five long.
        let gradients = (var.sqr().unwrap() / 2.0).unwrap().sum_all().unwrap().backward().unwrap();
        let at = |limit| length([("w", &var)].into_iter(), &gradients, limit).unwrap();
        let norm = host(&at(0.0).norm)[0];
        assert_close("norm", &[norm], &[5.0], 1e-6);
        assert_eq!(clip_scale(norm, 10.0), 1.0);
        assert_eq!(clip_scale(norm, 0.0), 1.0);
        let Length { scale, .. } = at(1.0);
        assert_eq!(scale.here().unwrap(), clip_scale(norm, 1.0));
        Optimizer::new(Rule::Sgd { momentum: 0.0 }, 0.0, false)
            .step([("w", &var)].into_iter(), &gradients, 1.0, scale)
            .unwrap();
        assert_close("shortened", &host(&var), &[3.0 - 0.6, 4.0 - 0.8], 1e-6);
    }
}
