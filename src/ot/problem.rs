//! Checks that every solver makes before it starts.

use super::{OtError, Real, Side};

/// The weights of a checked problem; the columns hold exactly the rows' mass.
pub(super) struct Balanced<T> {
    pub columns: Vec<T>,
    /// Largest absolute cost.
    pub largest_cost: f64,
}

/// Refuses what has no solution, and evens out the rounding by which the two sums differ: without that an
/// iteration drifts for ever and a tight tolerance is never met.
pub(super) fn check<T: Real>(cost: &[T], a: &[T], b: &[T]) -> Result<Balanced<T>, OtError> {
    if a.is_empty() {
        return Err(OtError::Empty(Side::Row));
    }
    if b.is_empty() {
        return Err(OtError::Empty(Side::Column));
    }
    if a.len().checked_mul(b.len()) != Some(cost.len()) {
        return Err(OtError::Shape { rows: a.len(), columns: b.len(), got: cost.len() });
    }
    if let Some(at) = cost.iter().position(|c| !c.is_finite()) {
        return Err(OtError::Cost { row: at / b.len(), column: at % b.len(), value: cost[at].to_f64() });
    }
    let row_sum = mass(a, Side::Row)?;
    let column_sum = mass(b, Side::Column)?;
    if (row_sum - column_sum).abs() > T::SUM_SLACK * row_sum.max(column_sum) {
        return Err(OtError::SumsDiffer { rows: row_sum, columns: column_sum });
    }
    let scale = row_sum / column_sum;
    let columns = b.iter().map(|&w| T::from_f64(w.to_f64() * scale)).collect();
    let largest_cost = cost.iter().fold(0.0f64, |largest, c| largest.max(c.to_f64().abs()));
    Ok(Balanced { columns, largest_cost })
}

fn mass<T: Real>(weights: &[T], side: Side) -> Result<f64, OtError> {
    if let Some(index) = weights.iter().position(|&w| !(w.is_finite() && w >= T::ZERO)) {
        return Err(OtError::Weight { side, index, value: weights[index].to_f64() });
    }
    let sum: f64 = weights.iter().map(|w| w.to_f64()).sum();
    if sum > 0.0 && sum.is_finite() { Ok(sum) } else { Err(OtError::NoMass(side)) }
}

/// L1 distance between a plan's row sums and `a`, and between its column sums and `b`.
pub(super) fn marginal_errors<T: Real>(plan: &[T], a: &[T], b: &[T]) -> (T, T) {
    let mut columns = vec![T::ZERO; b.len()];
    let mut row_error = T::ZERO;
    for (row, &weight) in plan.chunks_exact(b.len()).zip(a) {
        row_error += (row.iter().copied().sum::<T>() - weight).abs();
        for (sum, &mass) in columns.iter_mut().zip(row) {
            *sum += mass;
        }
    }
    let column_error = columns.iter().zip(b).map(|(&sum, &weight)| (sum - weight).abs()).sum();
    (row_error, column_error)
}

/// Sum over all pairs of mass x cost.
pub(super) fn total_cost<T: Real>(plan: &[T], cost: &[T]) -> T {
    plan.iter().zip(cost).map(|(&mass, &c)| mass * c).sum()
}
