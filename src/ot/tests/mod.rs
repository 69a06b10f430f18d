mod exact;
mod fast;
mod golden;
mod input;
mod support;
mod traps;
