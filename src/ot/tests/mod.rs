mod exact;
mod fast;
mod golden;
mod input;
mod pair_set;
mod relaxed;
pub(super) mod support;
mod traps;
