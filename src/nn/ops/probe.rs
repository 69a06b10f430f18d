//! Lets somebody look at what a forward pass rectifies, without the layers knowing.

use std::cell::RefCell;

use candle_core::Tensor;

thread_local! {
    static SEEN: RefCell<Option<Vec<Tensor>>> = const { RefCell::new(None) };
}

/// Runs `work` and gives what its rectifiers put out on this thread, in their order. The maps are those of the pass
/// itself, not copies; nothing is computed twice, and the pass computes the same with and without being watched.
pub fn record<R>(work: impl FnOnce() -> R) -> (R, Vec<Tensor>) {
    let before = SEEN.replace(Some(Vec::new()));
    let result = work();
    (result, SEEN.replace(before).unwrap_or_default())
}

/// Called by every rectifier with what it puts out.
pub(super) fn rectified(map: &Tensor) {
    SEEN.with_borrow_mut(|seen| {
        if let Some(seen) = seen {
            seen.push(map.detach());
        }
    });
}
