//! Options that several commands share.

use std::path::PathBuf;

use super::CliError;
use crate::domain::{Marginals, MatchOptions};
use crate::nn::{self, NnError};

/// Which project a command works on.
#[derive(clap::Args)]
pub struct ProjectChoice {
    /// The project's folder; without it the sample wardrobe, which is made where there is none
    #[arg(long, value_name = "DIR")]
    pub project: Option<PathBuf>,
}

/// Where the networks run.
#[derive(clap::Args)]
pub struct DeviceChoice {
    /// auto, cpu, cuda or cuda:N
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    device: String,
}

impl Default for DeviceChoice {
    fn default() -> Self {
        Self { device: "auto".to_owned() }
    }
}

impl DeviceChoice {
    /// # Errors
    /// Wrong use where no device has such a name; a failure where this machine or build lacks it.
    pub fn pick(&self) -> Result<candle_core::Device, CliError> {
        nn::device::pick(&self.device).map_err(|error| match error {
            NnError::UnknownDevice { .. } => CliError::Usage(error.to_string()),
            other => other.into(),
        })
    }
}

#[derive(Clone, Copy, clap::ValueEnum)]
pub enum MarginalChoice {
    /// The same weight for every cell
    Uniform,
    /// Weight by agreement with the other photo
    Cross,
}

/// How two photos are compared.
#[derive(clap::Args)]
pub struct MatchChoice {
    /// Entropic regularisation of the plan, 0.0001 to 10
    #[arg(long, value_name = "E", default_value_t = MatchOptions::default().epsilon)]
    epsilon: f32,
    /// How much mass each cell holds
    #[arg(long, value_enum, default_value = "cross")]
    marginals: MarginalChoice,
    /// The score is global + W x structural
    #[arg(long, value_name = "W", default_value_t = MatchOptions::default().structural_weight)]
    structural_weight: f32,
}

impl MatchChoice {
    /// # Errors
    /// Wrong use, where a number is out of range.
    pub fn options(&self) -> Result<MatchOptions, CliError> {
        let options = MatchOptions {
            epsilon: self.epsilon,
            marginals: match self.marginals {
                MarginalChoice::Uniform => Marginals::Uniform,
                MarginalChoice::Cross => Marginals::CrossCorrelation,
            },
            structural_weight: self.structural_weight,
            ..MatchOptions::default()
        };
        options.check().map_err(CliError::Usage)?;
        Ok(options)
    }
}
