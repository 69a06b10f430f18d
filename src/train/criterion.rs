//! Variables that belong to losses rather than to the network: the boundaries of the margin loss and the proxies of
//! proxy-anchor, one for each product (or kind). They learn at rates of their own and stay with the run, not the model.

use std::collections::BTreeMap;

use candle_core::backprop::GradStore;
use candle_core::{DType, Device, Result, Tensor, Var, bail};

use super::config::{Alike, TrainConfig};
use super::losses;
use super::optimizer::Optimizer;
use crate::nn::{Init, Params};

/// One variable with its own optimizer.
struct Own {
    name: &'static str,
    var: Var,
    optimizer: Optimizer,
    /// Multiple of the network's rate.
    factor: f64,
}

/// The losses' own variables; none for most recipes.
#[derive(Default)]
pub struct Criterion {
    own: Vec<Own>,
}

const BETAS: &str = "betas";
const PROXIES: &str = "proxies";

impl Criterion {
    /// `labels` is how many products, or kinds, there are.
    pub fn new(config: &TrainConfig, labels: usize, device: &Device) -> Result<Self> {
        let (loss, optimizer) = (&config.loss, &config.optimizer);
        let mut params = Params::with_dtype(config.seed, DType::F32, device);
        let mut own = Vec::new();
        if loss.margin_loss + loss.structural_margin_loss > 0.0 {
            let var = params.get_or_init(BETAS, &[labels], Init::Constant { value: loss.beta }, true)?;
            let factor = loss.beta_rate / optimizer.rate;
            own.push(Own { name: BETAS, var, optimizer: Optimizer::new(config.rule(), 0.0, false), factor });
        }
        if loss.proxy_anchor > 0.0 {
            // He's initialisation over the fan-out, as the authors': a [classes, dim] matrix has `classes` outputs.
            let init = Init::Normal { deviation: (2.0 / labels.max(1) as f64).sqrt() };
            let var = params.get_or_init(PROXIES, &[labels, config.model.dim], init, true)?;
            let optimizer = Optimizer::new(config.rule(), optimizer.weight_decay, false);
            own.push(Own { name: PROXIES, var, optimizer, factor: loss.proxy_rate });
        }
        Ok(Self { own })
    }

    /// How many labels a recipe's losses tell apart.
    pub fn labels(config: &TrainConfig, products: usize, kinds: usize) -> usize {
        match config.loss.alike {
            Alike::Products => products,
            Alike::Kinds => kinds,
        }
    }

    fn var(&self, name: &str) -> Result<&Var> {
        match self.own.iter().find(|own| own.name == name) {
            Some(own) => Ok(&own.var),
            None => bail!("this recipe's losses need their {name}, which only a whole run has"),
        }
    }

    /// The boundary of each of these labels.
    pub fn betas(&self, labels: &[usize]) -> Result<Tensor> {
        losses::rows(self.var(BETAS)?, labels)
    }

    /// `[labels, dim]`.
    pub fn proxies(&self) -> Result<&Tensor> {
        Ok(self.var(PROXIES)?.as_tensor())
    }

    /// One step of each variable; `rate` is the network's.
    pub fn step(&mut self, gradients: &GradStore, rate: f64) -> Result<()> {
        for own in &mut self.own {
            own.optimizer.step(std::iter::once((own.name, &own.var)), gradients, rate * own.factor, 1.0)?;
        }
        Ok(())
    }

    /// Values and moments by name, for a checkpoint.
    pub fn state(&self) -> Result<BTreeMap<String, Tensor>> {
        let mut state = BTreeMap::new();
        for own in &self.own {
            state.insert(own.name.to_owned(), own.var.as_detached_tensor().copy()?);
            state.extend(own.optimizer.state()?.into_iter().map(|(name, tensor)| (format!("{name}.moments"), tensor)));
        }
        Ok(state)
    }

    /// Takes up what [`Self::state`] gave, after so many steps.
    pub fn restore(&mut self, steps: u64, state: &BTreeMap<String, Tensor>) -> Result<()> {
        for own in &mut self.own {
            let Some(values) = state.get(own.name).filter(|values| values.dims() == own.var.dims()) else {
                bail!("the checkpoint lacks the {} of its losses, or has those of other photos", own.name);
            };
            own.var.set(&values.to_device(own.var.device())?.to_dtype(own.var.dtype())?)?;
            let moments = state
                .iter()
                .filter_map(|(name, tensor)| Some((name.strip_suffix(".moments")?.to_owned(), tensor.clone())))
                .filter(|(name, _)| name.ends_with(own.name))
                .collect();
            own.optimizer.restore(steps, &moments)?;
        }
        Ok(())
    }
}
