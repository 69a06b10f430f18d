//! What can go wrong while training.

use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    #[error("{sentence}: {}", path.display())]
    Config { sentence: String, path: PathBuf },
    #[error("{0}")]
    Settings(String),
    #[error("the computation failed: {}", first_line(.0))]
    Compute(#[from] candle_core::Error),
    #[error(
        "the device's memory does not hold a step on {photos} photos of {size} x {size} at once: train on smaller photos, with \
         fewer in a batch, or on another device"
    )]
    OutOfMemory { photos: usize, size: u32 },
    #[error(
        "the device stopped answering at step {step}; the weights of step {good_step} are kept in {}", last.display()
    )]
    DeviceLost { step: usize, good_step: usize, last: PathBuf },
    #[error("{0}")]
    Network(#[from] crate::nn::NnError),
    #[error("{0}")]
    Measure(#[from] crate::eval::EvalError),
    #[error("{0}")]
    Data(String),
    #[error(
        "the loss is not finite at step {step} (photos {}); the weights of step {good_step} are kept in {}",
        photos.join(", "), last.display()
    )]
    NotFinite { step: usize, good_step: usize, photos: Vec<String>, last: PathBuf },
    #[error("cannot write {what} ({source}): {}", path.display())]
    Write { what: &'static str, source: std::io::Error, path: PathBuf },
    #[error("cannot read {what} ({source}): {}", path.display())]
    Read { what: &'static str, source: std::io::Error, path: PathBuf },
    #[error("{what} is damaged ({reason}): {}", path.display())]
    Damaged { what: &'static str, reason: String, path: PathBuf },
    #[error("{reason}: {}", path.display())]
    Mismatch { reason: String, path: PathBuf },
}

/// candle appends a backtrace to its message where one is asked for.
fn first_line(error: &candle_core::Error) -> String {
    error.to_string().lines().next().unwrap_or("no reason given").to_owned()
}
