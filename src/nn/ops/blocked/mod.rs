//! Frozen networks on the CPU: convolutions over maps whose channels lie in blocks of sixteen, as one planned list of
//! fused steps. Outside, maps are `[N, C, H, W]` as everywhere.
//!
//! Shared memory is written in four places (`direct`, `winograd`, `pixelwise`, `int8`), always through [`map::Space`]: tasks of
//! one step write disjoint pixels or blocks of one map and read only maps that the step does not write, which the plan
//! sees to. `scripts/race-check` looks for a place that two tasks touch.

mod direct;
mod int8;
mod kernel;
mod map;
mod pixelwise;
mod program;
#[cfg(test)]
mod tests;
mod winograd;

use candle_core::{Result, Tensor, bail};

use super::elem::{dims4, tensor, with_values};
pub use int8::Speed;
pub use program::{Builder, Filters, Program, StepTime, View, Window};

/// The instructions by which 8-bit arithmetic runs here, and what they are worth.
pub fn int8_kernel() -> (&'static str, Speed) {
    let best = int8::best();
    (best.name, best.speed)
}

impl Program {
    /// [`Program::run`] of a tensor of photos on the CPU, in 32 bits.
    pub fn forward(&self, x: &Tensor, wanted: View) -> Result<Tensor> {
        let (n, channels, h, w) = dims4("a planned network", x)?;
        if channels != self.channels() {
            bail!("a planned network: the input {:?} has not {} channels", x.dims(), self.channels())
        }
        with_values::<f32, _>(x, |photos| match self.run(photos, n, (h, w), wanted) {
            Some((maps, (h, w))) => tensor(maps, (n, wanted.channels(), h, w)),
            None => bail!("a planned network: a layer's kernel is larger than its map for photos of {h}x{w}"),
        })
    }
}
