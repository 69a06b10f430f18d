//! What is measured and written down: validation, the averaged network, checkpoints.

use std::collections::BTreeMap;

use candle_core::{DType, Tensor};

use super::Trainer;
use crate::domain::{Split, StopFlag};
use crate::eval::{EvalItem, Scores, evaluate};
use crate::nn::{Embedder, ModelCard, Params};
use crate::train::TrainError;
use crate::train::event::TrainEvent;
use crate::train::inputs::training_items;
use crate::train::methods::{Probe, probe};
use crate::train::run_folder;

impl Trainer {
    /// Measures the validation split; `None` where there is none or the flag was set.
    pub fn validate(&self, stop: &StopFlag) -> Result<Option<Scores>, TrainError> {
        let (queries, gallery) = EvalItem::of_split(&self.dataset, Split::Validation);
        if queries.is_empty() || gallery.is_empty() {
            return Ok(None);
        }
        let encoder = self.averaged()?.to_encoder(&self.card())?;
        Ok(evaluate(&encoder, &queries, &gallery, None, stop, &|_| {})?.map(|found| found.report.global))
    }

    /// Looks at how well nearest neighbours agree, where the recipe learns without labels and asks for it.
    pub(super) fn probe(&self, epoch: usize, stop: &StopFlag) -> Result<Option<Probe>, TrainError> {
        let section = &self.config.pretext;
        let due = section.probe_epochs > 0
            && (epoch == self.config.schedule.epochs || epoch.is_multiple_of(section.probe_epochs));
        let Some(loader) = self.loaders.values().next().filter(|_| section.is_on() && due) else { return Ok(None) };
        let among = training_items(&self.dataset, 1.0, self.config.seed);
        Ok(probe(&self.averaged()?, loader, &among, section.probe_neighbours, stop)?)
    }

    /// The network that is measured and kept: the averaged one where the recipe averages.
    fn averaged(&self) -> Result<Embedder, TrainError> {
        let weights = match &self.ema {
            Some(ema) => ema.averages().clone(),
            None => self.embedder.params.tensors()?,
        };
        let config = self.embedder.config();
        let params = Params::from_tensors(self.config.seed, DType::F32, &self.device, &config.specs(), weights)?;
        Ok(Embedder::with_params(config, params)?)
    }

    fn card(&self) -> ModelCard {
        let mut card = ModelCard::new(&self.config.name, self.embedder.config(), self.config.model.input_size);
        card.kinds.clone_from(&self.dataset.kinds);
        card.data.clone_from(&self.info.data);
        card.command.clone_from(&self.info.command);
        card.created.clone_from(&self.info.created);
        card.recipe = self.config.to_toml();
        card.seed = self.config.seed;
        card.parent.clone_from(&self.parent);
        if let Some(scores) = &self.state.validation {
            card.metrics = scores.named().map(|(name, value)| (format!("validation {name}"), value)).into();
        }
        card
    }

    pub(super) fn save(&mut self, tell: &mut dyn FnMut(TrainEvent)) -> Result<(), TrainError> {
        let weights = self.embedder.params.tensors()?;
        let mut store: BTreeMap<String, Tensor> =
            self.optimizer.state()?.into_iter().map(|(name, tensor)| (format!("optimizer.{name}"), tensor)).collect();
        store.extend(self.criterion.state()?.into_iter().map(|(name, tensor)| (format!("criterion.{name}"), tensor)));
        store.extend(self.method.state()?.into_iter().map(|(name, tensor)| (format!("method.{name}"), tensor)));
        let shown = match &self.ema {
            Some(ema) => {
                store.extend(weights.into_iter().map(|(name, tensor)| (format!("weights.{name}"), tensor)));
                ema.averages().clone()
            }
            None => weights,
        };
        self.state.optimizer_steps = self.optimizer.steps();
        let step = self.state.position.step;
        let keep = self.config.run.keep;
        let path = run_folder::write_checkpoint(&self.run, &self.card(), &shown, &self.state, &store, keep)?;
        self.saved_step = Some(step);
        if self.state.best_step == Some(step) {
            run_folder::mark_best(&self.run, &path)?;
        }
        tell(TrainEvent::Checkpoint { step, path });
        Ok(())
    }
}
