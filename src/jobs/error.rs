//! What can go wrong with what was asked for, and how the window is told.

use std::error::Error;
use std::path::PathBuf;

use super::evidence::EvidenceError;
use super::types::{Failure, FailureOf};
use crate::data::DecodeError;
use crate::data::import::ImportError;
use crate::data::polyvore::PolyvoreError;
use crate::domain::{CheckpointId, PhotoId, QueryId};
use crate::eval::EvalError;
use crate::index::IndexError;
use crate::nn::NnError;
use crate::project::ProjectError;
use crate::synth::SynthError;
use crate::train::TrainError;

#[derive(Debug, thiserror::Error)]
pub enum JobError {
    #[error(transparent)]
    Project(#[from] ProjectError),
    #[error(transparent)]
    Network(Box<NnError>),
    #[error(transparent)]
    Photo(#[from] DecodeError),
    #[error(transparent)]
    Index(Box<IndexError>),
    #[error(transparent)]
    Sample(#[from] SynthError),
    #[error(transparent)]
    Training(Box<TrainError>),
    #[error(transparent)]
    Measuring(Box<EvalError>),
    #[error(transparent)]
    Import(Box<ImportError>),
    #[error(transparent)]
    Outfits(#[from] PolyvoreError),
    #[error("there are no photos in this folder: {}", path.display())]
    NoPhotos { path: PathBuf },
    #[error("the folder holds no photos any more, so they are searched as they were indexed before: {}", path.display())]
    FolderEmptied { path: PathBuf },
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
    #[error("no model was found; looked in {}", list(looked_in))]
    NoModel { looked_in: Vec<PathBuf> },
    #[error("this project has no model {checkpoint}")]
    UnknownModel { checkpoint: CheckpointId },
    #[error("{sentence}")]
    Options { sentence: String },
    #[error("no project is open")]
    NoProject,
    #[error("none of the project's {photos} shop photos could be read ({first})")]
    NothingToSearch { photos: usize, first: String },
    #[error("the photo of that search is no longer kept, so drop it again")]
    Forgotten { query: QueryId },
    #[error("the photo {photo} is not among the results")]
    NotInGallery { photo: PhotoId },
    #[error("the photo of that search was replaced by another, so it cannot be saved: {}", path.display())]
    OtherPhoto { path: PathBuf },
    #[error("that search is no longer kept")]
    NoPastSearch,
    #[error("could not write the result list ({reason}): {}", path.display())]
    Export { reason: String, path: PathBuf },
    #[error("the photo {photo}, which was liked or disliked, is not in the index; take it out of the query")]
    NoExemplar { photo: PhotoId },
    #[error("there are no corrections to train on")]
    NoCorrections,
    #[error("there is no picture on the clipboard")]
    EmptyClipboard { source: arboard::Error },
    #[error("the clipboard's picture cannot be read")]
    BadClipboard { source: image::ImageError },
    #[error("could not {doing} ({source}): {}", path.display())]
    Io { doing: &'static str, source: std::io::Error, path: PathBuf },
    /// A stop is an outcome; whoever asked for it is told nothing.
    #[error("stopped")]
    Stopped,
}

/// The errors that carry reports of networks are large; boxed, they do not weigh on every `Result`.
macro_rules! boxed {
    ($($variant:ident($error:ty)),* $(,)?) => {
        $(impl From<$error> for JobError {
            fn from(error: $error) -> Self {
                Self::$variant(Box::new(error))
            }
        })*
    };
}

boxed!(Network(NnError), Import(ImportError), Index(IndexError), Training(TrainError), Measuring(EvalError));

impl JobError {
    /// One sentence for the person, the causes folded.
    pub fn failure(&self, of: FailureOf) -> Failure {
        Failure { of, sentence: sentence(&self.to_string()), details: causes(self) }
    }
}

/// Begins with a capital letter, as all that is said to a person.
pub(super) fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// The chain of causes, where they say more than the sentence.
fn causes(error: &dyn Error) -> Option<String> {
    let mut said = error.to_string();
    let mut lines = Vec::new();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !said.contains(&text) {
            lines.push(text.clone());
            said = text;
        }
        cause = error.source();
    }
    (!lines.is_empty()).then(|| lines.join("\n"))
}

fn list(paths: &[PathBuf]) -> String {
    let names: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    if names.is_empty() { "no folder".to_owned() } else { names.join(", ") }
}
