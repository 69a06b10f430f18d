//! The two number types that the reference solver is written for.

use std::fmt::Debug;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, Mul, Neg, Sub};

/// `f32` or `f64`: no more of a number than the solver needs.
pub trait Real:
    Copy
    + Debug
    + PartialOrd
    + Send
    + Sync
    + 'static
    + Add<Output = Self>
    + AddAssign
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + Sum
{
    const ZERO: Self;
    const ONE: Self;
    const NEG_INFINITY: Self;
    /// How far two sums of weights may lie apart, relative to their size, and still count as equal.
    const SUM_SLACK: f64;
    /// Largest finite value.
    const LARGEST: Self;

    fn exp(self) -> Self;
    fn ln(self) -> Self;
    fn abs(self) -> Self;
    fn max(self, other: Self) -> Self;
    fn is_finite(self) -> bool;
    fn from_f64(value: f64) -> Self;
    fn to_f64(self) -> f64;
}

macro_rules! real {
    ($number:ident, $slack:expr) => {
        impl Real for $number {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            const NEG_INFINITY: Self = $number::NEG_INFINITY;
            const SUM_SLACK: f64 = $slack;
            const LARGEST: Self = $number::MAX;

            fn exp(self) -> Self {
                $number::exp(self)
            }
            fn ln(self) -> Self {
                $number::ln(self)
            }
            fn abs(self) -> Self {
                $number::abs(self)
            }
            fn max(self, other: Self) -> Self {
                $number::max(self, other)
            }
            fn is_finite(self) -> bool {
                $number::is_finite(self)
            }
            fn from_f64(value: f64) -> Self {
                value as Self
            }
            fn to_f64(self) -> f64 {
                f64::from(self)
            }
        }
    };
}

real!(f32, 1e-4);
real!(f64, 1e-6);
