mod exact;
mod fast;
mod golden;
mod ignoring;
mod input;
mod pair_set;
mod relaxed;
pub(super) mod support;
mod traps;
