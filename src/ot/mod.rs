//! Optimal transport between the cells of two photos, on plain slices.
//!
//! [`sinkhorn`] is the entropic problem in the log domain (Cuturi 2013; Peyré and Cuturi, Computational
//! Optimal Transport, section 4.4), generic over `f32` and `f64`; [`exact`] is the unregularised problem by
//! a network simplex. [`structural`] builds on them what a search needs: the structural similarity of DIML
//! (Zhao et al., ICCV 2021), and its parts. Its hot loop, [`scaling`], is the same iteration in the scaling
//! domain with absorption, which the tests hold against the log domain.
//!
//! Every matrix is row-major `[query cell, gallery cell]`.

mod error;
mod exact;
mod lanes;
mod marginals;
mod problem;
mod real;
mod scaling;
mod similarity;
mod sinkhorn;
mod structural;
mod tree;

#[cfg(test)]
mod tests;

pub use error::{OtError, Side};
pub use exact::exact;
pub use marginals::{CellWeights, cross_marginals};
pub use real::Real;
pub use sinkhorn::{SinkhornOptions, Solution, sinkhorn};
pub use structural::{Cells, PairScore, SimilarityPlan, explain_pair, rerank, score_pair, similarity_plan};
