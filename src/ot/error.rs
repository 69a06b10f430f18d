//! What can be wrong with a transport problem.

use std::fmt;

use thiserror::Error;

/// One side of a transport problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Where mass leaves: `a`, one weight a row of the cost.
    Row,
    /// Where mass arrives: `b`, one weight a column of the cost.
    Column,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Row => "row",
            Self::Column => "column",
        })
    }
}

/// Why a transport problem was not solved.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum OtError {
    #[error("the transport problem has no {0}s")]
    Empty(Side),
    #[error("the cost has {got} entries, but {rows} row weights and {columns} column weights need {}", rows * columns)]
    Shape { rows: usize, columns: usize, got: usize },
    #[error("the cost of row {row} and column {column} is {value}, not a finite number")]
    Cost { row: usize, column: usize, value: f64 },
    #[error("the weight of {side} {index} is {value}, but weights must be finite and at least 0")]
    Weight { side: Side, index: usize, value: f64 },
    #[error("the weights of all {0}s are zero")]
    NoMass(Side),
    #[error("the row weights sum to {rows} and the column weights to {columns}, but both must hold the same mass")]
    SumsDiffer { rows: f64, columns: f64 },
    #[error("epsilon must be a finite number above 0, not {0}")]
    Epsilon(f64),
    #[error("the tolerance must be a finite number of at least 0, not {0}")]
    Tolerance(f64),
    #[error("at least one iteration is needed")]
    NoIterations,
    #[error("costs up to {largest} are too large for an epsilon of {epsilon} at this precision")]
    Range { largest: f64, epsilon: f64 },
    #[error("the network simplex did not settle within {pivots} pivots")]
    Unsettled { pivots: usize },
}
