//! What can go wrong with networks and their files, each as one sentence with the path last.

use std::io;
use std::path::{Path, PathBuf};

use super::device::{Trouble, trouble};
use super::params::LoadReport;

/// Everything that can fail in this room. `Display` is the whole sentence for a person; the cause stays
/// reachable through `source` for logs.
#[derive(Debug, thiserror::Error)]
pub enum NnError {
    #[error("there is no device called `{name}`: say auto, cpu, cuda or cuda:N")]
    UnknownDevice { name: String },
    #[error("this build has no CUDA, so `{name}` cannot be used: choose cpu, or build with `--features cuda`")]
    NoCuda { name: String },
    #[error("cannot use CUDA device {index}: {}", first_line(source))]
    Cuda { index: usize, source: candle_core::Error },
    #[error("8-bit arithmetic runs on the CPU alone, not on {device}: choose cpu, or f32")]
    Int8 { device: String },
    #[error("16-bit arithmetic runs on a CUDA device alone, not on {device}: choose one, or f32")]
    Bf16 { device: String },
    #[error("the device has too little memory for {doing}: choose another device, or close what else uses it")]
    OutOfMemory { doing: &'static str, source: candle_core::Error },
    #[error("the device stopped answering during {doing}: choose another device, or start the program again")]
    DeviceLost { doing: &'static str, source: candle_core::Error },
    #[error("cannot finish {doing}: {}", first_line(source))]
    Tensor { doing: &'static str, source: candle_core::Error },
    #[error("{images} images of {size} x {size} need {wanted} values, but there are {found}")]
    Batch { images: usize, size: usize, wanted: usize, found: usize },
    #[error("a grid of {rows} x {columns} cells cannot be made; each side takes 1 to {limit}")]
    Grid { rows: usize, columns: usize, limit: usize },
    #[error("images of {size} x {size} cannot be read by this network; the side takes {least} to {limit} pixels")]
    InputSize { size: usize, least: usize, limit: usize },
    #[error("the network `{name}` gives values that are not finite, so its weights are not usable")]
    NotFinite { name: String },
    #[error("there is no network called `{name}`: say {known}")]
    UnknownArch { name: String, known: String },
    #[error("cannot read {what}: {source}: {}", path.display())]
    Read { what: &'static str, source: io::Error, path: PathBuf },
    #[error("cannot write {what}: {source}: {}", path.display())]
    Write { what: &'static str, source: io::Error, path: PathBuf },
    #[error("cannot use the weights: {reason}: {}", path.display())]
    Weights { reason: String, path: PathBuf },
    #[error("the weights do not fit {network}: {report}: {}", path.display())]
    Misfit { network: String, report: Box<LoadReport>, path: PathBuf },
    #[error("cannot use the model card: {reason}: {}", path.display())]
    Card { reason: String, path: PathBuf },
}

impl NnError {
    pub(super) fn weights(reason: impl Into<String>, path: &Path) -> Self {
        Self::Weights { reason: reason.into(), path: path.to_owned() }
    }

    pub(super) fn card(reason: impl Into<String>, path: &Path) -> Self {
        Self::Card { reason: reason.into(), path: path.to_owned() }
    }
}

/// Names the work that a tensor operation was part of.
pub(super) trait Doing<T> {
    fn doing(self, doing: &'static str) -> Result<T, NnError>;
}

impl<T> Doing<T> for candle_core::Result<T> {
    fn doing(self, doing: &'static str) -> Result<T, NnError> {
        self.map_err(|source| match trouble(&source) {
            Some(Trouble::OutOfMemory) => NnError::OutOfMemory { doing, source },
            Some(Trouble::Lost) => NnError::DeviceLost { doing, source },
            None => NnError::Tensor { doing, source },
        })
    }
}

/// candle adds a backtrace to its messages when `RUST_BACKTRACE` is set; people get the first line.
pub(super) fn first_line(error: &candle_core::Error) -> String {
    error.to_string().lines().next().unwrap_or("unknown cause").to_owned()
}
