//! What can go wrong while measuring.

#[derive(Debug, thiserror::Error)]
pub enum EvalError {
    #[error("{0}")]
    Network(#[from] crate::nn::NnError),
    #[error("there is nothing to measure: {0}")]
    Nothing(String),
}
