//! Options that several commands share.

use std::path::PathBuf;

use super::CliError;
use crate::domain::{Arithmetic, Layer, Marginals, MatchOptions, Solver};
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
    /// auto, cpu, cuda or cuda:N; `seamline devices` lists what is here
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
    /// Wrong use where no device has such a name; a failure where this machine or build lacks it, or it does not compute
    /// like that.
    pub fn pick_for(&self, arithmetic: Arithmetic) -> Result<candle_core::Device, CliError> {
        // By itself nothing goes where it does not work; a device that was named is refused.
        if arithmetic == Arithmetic::Int8 && self.device.trim() == "auto" {
            return Ok(candle_core::Device::Cpu);
        }
        let device = self.pick()?;
        nn::device::check(&device, arithmetic)?;
        Ok(device)
    }

    /// # Errors
    /// As [`Self::pick_for`].
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

#[derive(Clone, Copy, clap::ValueEnum)]
pub enum SolverChoice {
    /// All mass moves, spread by epsilon
    Sinkhorn,
    /// The cheapest plan; epsilon plays no part
    Exact,
    /// Marginals may be missed at a price, see --rho
    Unbalanced,
    /// Only a share of the mass moves, see --mass
    Partial,
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
    /// How mass is moved
    #[arg(long, value_enum, default_value = "sinkhorn")]
    solver: SolverChoice,
    /// Price of a missed marginal for the unbalanced solver, 0.001 to 100 [default: 0.5]
    #[arg(long, value_name = "RHO")]
    rho: Option<f32>,
    /// Share of the mass that the partial solver moves, 0.01 to 1 [default: 0.7]
    #[arg(long, value_name = "SHARE")]
    mass: Option<f32>,
    /// Cells along each side, 3 to 14; without it the network's own grid
    #[arg(long, value_name = "N")]
    grid: Option<u8>,
    /// Stage of the backbone whose cells are compared: 2, 3, or 4, which is the last and embedded
    #[arg(long, value_name = "N", default_value_t = 4)]
    layer: u8,
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
            solver: self.solver()?,
            grid: self.grid,
            layer: self.layer()?,
            ..MatchOptions::default()
        };
        options.check().map_err(CliError::Usage)?;
        Ok(options)
    }

    fn solver(&self) -> Result<Solver, CliError> {
        if self.rho.is_some() && !matches!(self.solver, SolverChoice::Unbalanced) {
            return Err(CliError::usage("--rho is for --solver unbalanced"));
        }
        if self.mass.is_some() && !matches!(self.solver, SolverChoice::Partial) {
            return Err(CliError::usage("--mass is for --solver partial"));
        }
        Ok(match (self.solver, Solver::UNBALANCED, Solver::PARTIAL) {
            (SolverChoice::Sinkhorn, ..) => Solver::Sinkhorn,
            (SolverChoice::Exact, ..) => Solver::Exact,
            (SolverChoice::Unbalanced, default, _) => self.rho.map_or(default, |rho| Solver::Unbalanced { rho }),
            (SolverChoice::Partial, _, default) => self.mass.map_or(default, |mass| Solver::Partial { mass }),
        })
    }

    fn layer(&self) -> Result<Layer, CliError> {
        let layer = Layer::ALL.into_iter().find(|layer| layer.stage() == usize::from(self.layer));
        layer.ok_or_else(|| CliError::usage("--layer must be 2, 3 or 4"))
    }
}
