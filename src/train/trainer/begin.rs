//! What a run begins with: fresh, from a model's weights, or where it stopped.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use candle_core::{DType, Device};

use super::batches::loader;
use super::{RunInfo, Start, Trainer};
use crate::data::Dataset;
use crate::nn::device::steps_behind;
use crate::nn::{Embedder, Params};
use crate::train::TrainError;
use crate::train::config::{MapPrecision, TrainConfig};
use crate::train::criterion::Criterion;
use crate::train::ema::Ema;
use crate::train::inputs::{check_enough, check_measurable, on_device, strip, take_weights, training_items};
use crate::train::methods::{Dealer, Method};
use crate::train::optimizer::Optimizer;
use crate::train::run_folder::{self, TrainerState};

impl Trainer {
    /// Prepares a run in the folder `run`. Items of the split `Train`, and those without a split, are trained on; the
    /// split `Validation` is measured. Kinds are the dataset's.
    pub fn new(
        config: &TrainConfig,
        dataset: Dataset,
        run: &Path,
        start: &Start,
        info: RunInfo,
        device: &Device,
    ) -> Result<Self, TrainError> {
        let config = match start {
            Start::Resume => run_folder::read_config(run)?,
            Start::Fresh | Start::From(_) | Start::Backbone(_) => config.clone(),
        };
        config.check().map_err(TrainError::Settings)?;
        if *start != Start::Resume && run_folder::newest(run).is_some() {
            return Err(TrainError::Mismatch {
                reason: "this folder holds a run already; resume it or choose another name".to_owned(),
                path: run.to_owned(),
            });
        }
        let dataset = Arc::new(dataset);
        let among = training_items(&dataset, config.data.label_fraction, config.seed);
        if !config.pretext.is_on() {
            check_enough(&dataset, &among)?;
        }
        check_measurable(&config, &dataset)?;
        let dealer = Dealer::new(&config, &dataset)?;
        let schedule = config.schedule(dealer.steps_per_epoch());
        let embedder_config = config.embedder(dataset.kinds.len().max(1));
        let mut optimizer = Optimizer::new(config.rule(), config.optimizer.weight_decay, config.optimizer.decay_norms)
            .with_rates(config.optimizer.rates());
        let labels = Criterion::labels(&config, dataset.products.len(), dataset.kinds.len());
        let mut criterion = Criterion::new(&config, labels, device)?;
        let mut state = TrainerState::default();
        let (mut ema, mut parent, mut saved_step, mut learnt, mut anew) = (None, None, None, None, None);
        let mut embedder = match start {
            Start::Fresh if config.optimizer.freeze_norms => {
                let sentence = "optimizer.freeze_norms needs a model to start from, for the norms of a fresh network \
                                have no statistics yet";
                return Err(TrainError::Settings(sentence.to_owned()));
            }
            Start::Fresh if config.model.worn && !config.outfits.is_on() => {
                let sentence = "model.worn learns from outfits alone; give outfits.weight a value above 0";
                return Err(TrainError::Settings(sentence.to_owned()));
            }
            Start::Fresh => Embedder::new(&embedder_config, config.seed, device)?,
            Start::From(model) => {
                let mut embedder = Embedder::new(&embedder_config, config.seed, device)?;
                let (id, words) = take_weights(&mut embedder, model, &dataset.kinds)?;
                (parent, anew) = (Some(id), words);
                embedder
            }
            Start::Backbone(file) => {
                let mut embedder = Embedder::new(&embedder_config, config.seed, device)?;
                embedder.load_backbone(file)?;
                embedder
            }
            Start::Resume => {
                let dir = run_folder::newest(run).ok_or_else(|| TrainError::Mismatch {
                    reason: "this run has no checkpoint to go on from".to_owned(),
                    path: run.to_owned(),
                })?;
                let resumed = run_folder::read_checkpoint(&dir)?;
                if resumed.saved.card.kinds != dataset.kinds {
                    return Err(TrainError::Mismatch {
                        reason: "the kinds of garment have changed since this run began".to_owned(),
                        path: dir,
                    });
                }
                let moments = strip(&resumed.store, "optimizer.");
                optimizer.restore(resumed.state.optimizer_steps, &moments)?;
                criterion.restore(resumed.state.optimizer_steps, &strip(&resumed.store, "criterion."))?;
                let raw = strip(&resumed.store, "weights.");
                // With an average the checkpoint's own weights are the averaged ones.
                let weights = if config.optimizer.ema > 0.0 {
                    ema = Some(Ema::restored(config.optimizer.ema, on_device(&resumed.saved.tensors, device)?));
                    raw
                } else {
                    resumed.saved.tensors.clone()
                };
                learnt = Some(strip(&resumed.store, "method."));
                state = resumed.state;
                saved_step = Some(state.position.step);
                parent = resumed.saved.card.parent.clone();
                let params = Params::from_tensors(config.seed, DType::F32, device, &embedder_config.specs(), weights)?;
                Embedder::with_params(&embedder_config, params)?
            }
        };
        embedder.freeze_norms(config.optimizer.freeze_norms);
        embedder.compute_maps_in(map_type(config.optimizer.precision, device)?);
        let mut method = Method::new(&config, &dataset, &embedder, device)?;
        if let Some(learnt) = learnt {
            method.restore(&learnt)?;
        }
        if config.optimizer.ema > 0.0 && ema.is_none() {
            ema = Some(Ema::new(config.optimizer.ema, &embedder.params)?);
        }
        let sizes = BTreeSet::from([config.size_in_epoch(0), config.size_in_epoch(config.schedule.epochs - 1)]);
        let loaders = sizes.into_iter().map(|size| (size, loader(&config, &dataset, size))).collect();
        Ok(Self {
            how: config.optimizer.backprop(),
            behind: steps_behind(device),
            config,
            dataset,
            run: run.to_owned(),
            info,
            device: device.clone(),
            embedder,
            optimizer,
            criterion,
            ema,
            method,
            dealer,
            schedule,
            loaders,
            state,
            parent,
            saved_step,
            anew,
            told_skipped: BTreeSet::new(),
            watch: None,
            looked: None,
            photos_dir: None,
            #[cfg(test)]
            room: usize::MAX,
        })
    }
}

fn map_type(precision: MapPrecision, device: &Device) -> Result<DType, TrainError> {
    match precision {
        MapPrecision::F32 => Ok(DType::F32),
        MapPrecision::Bf16 if device.is_cuda() => Ok(DType::BF16),
        MapPrecision::Bf16 => {
            let sentence = "optimizer.precision = \"bf16\" needs a CUDA device; on the CPU say \"f32\"";
            Err(TrainError::Settings(sentence.to_owned()))
        }
    }
}
