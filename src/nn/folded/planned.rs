//! A folded backbone as the list of fused steps that the CPU runs.

use candle_core::{Result, Tensor, bail};

use super::{FoldedBlock, FoldedConv, FoldedGate, Layers, ScaleShift};
use crate::domain::Arithmetic;
use crate::nn::ops::blocked::{Builder, Filters, Program, StepTime, View, Window};
use crate::nn::plan::StemPool;

/// Channels at whose multiples a dense block's layers can lie side by side.
const EDGE: usize = 16;

#[derive(Debug)]
pub(super) struct Planned {
    program: Program,
    /// Where the map after the stem and after each stage lies.
    after: Vec<View>,
}

impl Planned {
    /// `None` where dense blocks grow by widths that the plan cannot put side by side.
    pub fn new(layers: &Layers, arithmetic: Arithmetic) -> Result<Option<Self>> {
        let blocks: Vec<&FoldedBlock> = layers.stages.iter().flatten().collect();
        let uneven = |block: &&FoldedBlock| match block {
            FoldedBlock::Dense { norm, grow, .. } => {
                let inputs = norm.scale.elem_count();
                inputs % EDGE != 0 || grow.weight.dims().first().is_none_or(|growth| growth % EDGE != 0)
            }
            _ => false,
        };
        if blocks.iter().any(uneven) {
            return Ok(None);
        }
        let (mut builder, photo) = Builder::new(layers.stem.weight.dim(1)?);
        if arithmetic == Arithmetic::Int8 {
            builder.in_int8();
        }
        let mut lower = Lower { builder, room: None };
        let stem = lower.conv(&layers.stem, photo, true, None, None)?;
        let window = Window { kernel: 3, stride: 2, padding: 1, ceiling: false };
        let window = match layers.pool {
            StemPool::Padded => window,
            StemPool::Ceiling => Window { padding: 0, ceiling: true, ..window },
        };
        let into = lower.room_for(stem.channels(), &blocks)?;
        let mut x = lower.builder.max_pool(stem, window, into);
        let mut after = vec![x];
        let mut next = 0;
        for stage in &layers.stages {
            for block in stage {
                next += 1;
                x = lower.block(block, x, &blocks[next..])?;
            }
            after.push(x);
        }
        Ok(Some(Self { program: lower.builder.finish(), after }))
    }

    pub fn features_after(&self, x: &Tensor, stages: usize) -> Result<Tensor> {
        self.program.forward(x, self.after[stages.min(self.after.len() - 1)])
    }

    /// See [`Program::profile`].
    pub fn profile(&self, photos: &[f32], n: usize, side: usize) -> Result<Vec<StepTime>> {
        let Some(steps) = self.program.profile(photos, n, (side, side), self.after[self.after.len() - 1]) else {
            bail!("a planned network: a layer's kernel is larger than its map for photos of {side}x{side}")
        };
        Ok(steps)
    }
}

struct Lower {
    builder: Builder,
    /// The whole of the dense block that is being filled.
    room: Option<View>,
}

impl Lower {
    fn conv(
        &mut self,
        conv: &FoldedConv,
        x: View,
        relu: bool,
        residual: Option<View>,
        into: Option<View>,
    ) -> Result<View> {
        let (filters, _, kh, kw) = conv.weight.dims4()?;
        let weights = host(&conv.weight)?;
        let bias = conv.bias.as_ref().map_or_else(|| Ok(vec![0.0; filters]), host)?;
        let filters = Filters { weights: &weights, bias: &bias, kernel: (kh, kw), spec: conv.spec, relu };
        Ok(self.builder.conv(x, &filters, residual, into))
    }

    /// Where a map of `channels` goes, if dense blocks come next: the beginning of a room for it and all they add.
    fn room_for(&mut self, channels: usize, next: &[&FoldedBlock]) -> Result<Option<View>> {
        let mut all = channels;
        for block in next {
            let FoldedBlock::Dense { grow, .. } = block else { break };
            all += grow.weight.dim(0)?;
        }
        self.room = (all > channels).then(|| self.builder.room(all));
        Ok(self.room.map(|room| room.first(channels)))
    }

    fn block(&mut self, block: &FoldedBlock, x: View, next: &[&FoldedBlock]) -> Result<View> {
        match block {
            FoldedBlock::Residual { convs, gate, shortcut } => {
                self.residual(convs, gate.as_ref(), shortcut.as_ref(), x)
            }
            FoldedBlock::Dense { norm, reduce, grow } => {
                let Some(room) = self.room else { bail!("a dense layer behind what is not one's place") };
                let y = self.scale(norm, x)?;
                let y = self.conv(reduce, y, true, None, None)?;
                let (have, growth) = (x.channels(), grow.weight.dim(0)?);
                self.conv(grow, y, false, None, Some(room.part(have, growth)))?;
                Ok(room.first(have + growth))
            }
            FoldedBlock::Activation(norm) => self.scale(norm, x),
            FoldedBlock::Shrink { conv, halve } => {
                let window = Window { kernel: 2, stride: 2, padding: 0, ceiling: false };
                let x = if *halve { self.builder.mean_pool(x, window, None) } else { x };
                let into = self.room_for(conv.weight.dim(0)?, next)?;
                self.conv(conv, x, false, None, into)
            }
        }
    }

    fn residual(
        &mut self,
        convs: &[FoldedConv],
        gate: Option<&FoldedGate>,
        shortcut: Option<&FoldedConv>,
        x: View,
    ) -> Result<View> {
        let residual = shortcut.map_or(Ok(x), |conv| self.conv(conv, x, false, None, None))?;
        let Some((last, first)) = convs.split_last() else { return Ok(x) };
        let y = first.iter().try_fold(x, |y, conv| self.conv(conv, y, true, None, None))?;
        let Some(gate) = gate else { return self.conv(last, y, true, Some(residual), None) };
        let y = self.conv(last, y, false, None, None)?;
        let [w1, b1, w2, b2] = gate.layers.each_ref().map(host);
        Ok(self.builder.gate(y, [&w1?, &b1?, &w2?, &b2?], residual))
    }

    fn scale(&mut self, norm: &ScaleShift, x: View) -> Result<View> {
        Ok(self.builder.scale_relu(x, &host(&norm.scale)?, &host(&norm.shift)?))
    }
}

fn host(tensor: &Tensor) -> Result<Vec<f32>> {
    tensor.flatten_all()?.to_vec1()
}
