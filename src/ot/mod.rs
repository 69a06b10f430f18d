//! Optimal transport between the cells of two photos, on plain slices.
//!
//! [`sinkhorn`] is the entropic problem in the log domain (Cuturi 2013; Peyré and Cuturi, Computational
//! Optimal Transport, section 4.4), generic over `f32` and `f64`; [`exact`] is the unregularised problem by
//! a network simplex. [`structural`] builds on them what a search needs: the structural similarity of DIML
//! (Zhao et al., ICCV 2021), and its parts. Its hot loop, [`scaling`], is the same iteration in the scaling
//! domain with absorption, which the tests hold against the log domain; unbalanced and partial transport are beside it.
//!
//! Every matrix is row-major `[query cell, gallery cell]`.

mod bound;
mod entropy;
mod error;
mod exact;
mod exchange;
mod lanes;
mod marginals;
mod pair_set;
mod problem;
mod real;
mod scaling;
mod similarity;
mod sinkhorn;
mod solve;
mod structural;
mod swap;
mod tree;
mod without;

#[cfg(test)]
mod tests;

pub use bound::{Best, best_by_bounds};
pub use entropy::plan_entropy;
pub use error::{OtError, Side};
pub use exact::exact;
pub use exchange::Exchanged;
pub use marginals::{CellWeights, cross_marginals};
pub use pair_set::{PairSet, Starts};
pub use real::Real;
pub use sinkhorn::{SinkhornOptions, Solution, sinkhorn};
pub use structural::{
    Cells, Painted, PairScore, SimilarityPlan, explain_painted, explain_pair, rerank, rerank_painted, score_painted,
    score_pair, similarity_plan,
};
pub use swap::{Contest, ContestPaint, EPSILONS, MOST_WEIGHT};
pub use without::Remaining;
