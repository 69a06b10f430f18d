//! Work that is cut into smaller pieces where the device's memory gives out.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use candle_core::Result;

use super::device::{Trouble, trouble};

/// How many things pass through a network together: as many as is quick, and fewer once memory has given out. What was
/// learnt stays, so that every later call starts with what fits.
#[derive(Debug)]
pub struct Together {
    wanted: usize,
    now: AtomicUsize,
}

impl Together {
    /// At most `wanted` at once, which is at least 1.
    pub fn new(wanted: usize) -> Self {
        Self { wanted: wanted.max(1), now: AtomicUsize::new(wanted.max(1)) }
    }

    /// How many at once where that is fewer than wanted.
    pub fn cut(&self) -> Option<usize> {
        let now = self.now.load(Ordering::Relaxed);
        (now < self.wanted).then_some(now)
    }

    /// Calls `work` with ranges that cover `0..count` in order. A range that memory does not hold is halved, down to a
    /// single thing.
    ///
    /// # Errors
    /// The first error of `work` that is none of memory, or that of a single thing.
    pub fn each(&self, count: usize, mut work: impl FnMut(Range<usize>) -> Result<()>) -> Result<()> {
        let mut at = 0;
        while at < count {
            let end = count.min(at + self.now.load(Ordering::Relaxed));
            match work(at..end) {
                Ok(()) => at = end,
                Err(error) if end - at > 1 && trouble(&error) == Some(Trouble::OutOfMemory) => {
                    self.now.fetch_min((end - at).div_ceil(2), Ordering::Relaxed);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::nn::device::injected;

    proptest! {
        #[test]
        fn everything_passes_once_and_in_order_whatever_fits(count in 0_usize..50, wanted in 0_usize..20, fits in 1_usize..20) {
            let together = Together::new(wanted);
            let mut seen = Vec::new();
            together.each(count, |range| {
                if range.len() > fits {
                    return Err(injected(Trouble::OutOfMemory));
                }
                seen.extend(range);
                Ok(())
            }).unwrap();
            prop_assert_eq!(seen, (0..count).collect::<Vec<_>>());
            if let Some(now) = together.cut() {
                prop_assert!(now <= fits && 2 * now >= fits.min(count), "{} of {} fit", now, fits);
            }
        }
    }

    #[test]
    fn what_was_learnt_stays_and_a_single_thing_that_does_not_fit_is_an_error() {
        let together = Together::new(8);
        let mut tried = Vec::new();
        let mut pass = |together: &Together, fits: usize| {
            together.each(8, |range| {
                tried.push(range.len());
                if range.len() > fits { Err(injected(Trouble::OutOfMemory)) } else { Ok(()) }
            })
        };
        pass(&together, 2).unwrap();
        pass(&together, 2).unwrap();
        assert!(pass(&together, 0).is_err());
        assert_eq!(tried, [8, 4, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1]);
    }

    #[test]
    fn another_error_is_passed_on_at_once() {
        for it in [Some(Trouble::Lost), None] {
            let mut calls = 0;
            let failed = Together::new(8).each(8, |_| {
                calls += 1;
                Err(it.map_or_else(|| candle_core::Error::Msg("a mistake".into()), injected))
            });
            assert!(failed.is_err());
            assert_eq!(calls, 1);
        }
    }
}
