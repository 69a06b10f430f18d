//! Gradients of a loss on a whole batch with less memory than its whole graph takes.
//!
//! Two means, which go together. A batch passes through the network in parts: the parts' outputs are computed first, the
//! loss and its gradient with respect to them on the whole batch, then each part again with its graph, fed with its share
//! of that gradient (the gradient cache of Gao et al. 2021, "Scaling deep contrastive learning batch size under memory
//! limited setup"). So losses that compare photos of a batch with each other, as triplets and InfoNCE do, are those of
//! the whole batch, which summing the gradients of small batches would not give. And a pass is cut into the backbone's
//! stages, of which only the inputs are kept, and each is computed once more when its gradient is due (Chen et al. 2016,
//! "Training deep nets with sublinear memory cost").
//!
//! Norms that are not frozen normalise by the part they see, so with several parts they give what they would give in
//! batches of that size, and dropout draws for each part; all else is equal up to rounding. Their running statistics move once for each part.

use candle_core::backprop::GradStore;
use candle_core::{Result, Tensor, Var};

use crate::nn::{Embedder, EmbedderOutput, Mode};

/// How a batch passes through the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backprop {
    /// Parts of the batch, 1 or more.
    pub parts: usize,
    /// Whether stages are computed again rather than kept.
    pub recompute: bool,
}

impl Backprop {
    /// The same in twice as many parts, as far as a batch of `n` photos can be cut; `None` where it cannot be any further.
    pub fn finer(self, n: usize) -> Option<Self> {
        let (now, parts) = (bounds(n, self.parts).len(), bounds(n, 2 * self.parts).len());
        (parts > now).then_some(Self { parts, ..self })
    }

    /// Photos of the largest part of a batch of `n`.
    pub fn largest(self, n: usize) -> usize {
        bounds(n, self.parts).iter().map(|&(_, len)| len).max().unwrap_or(0)
    }
}

/// A batch that has passed forward through a network, and what its way back needs.
pub struct Pass<'a> {
    output: EmbedderOutput,
    parts: Option<Parts<'a>>,
}

/// What is kept of a batch that passed in parts or without its graph.
struct Parts<'a> {
    segments: Segments<'a>,
    /// Start and length of each part.
    bounds: Vec<(usize, usize)>,
    /// For each part the input of every segment.
    inputs: Vec<Vec<Tensor>>,
    /// Cells, global vectors and logits as leaves of the loss's own graph.
    leaves: Vec<Var>,
}

/// Passes images `[n, 3, h, w]` forward in training mode; `kinds` are those of the garments, as far as they are known.
pub fn forward<'a>(embedder: &'a Embedder, x: &Tensor, kinds: &'a [Option<usize>], how: Backprop) -> Result<Pass<'a>> {
    if how.parts <= 1 && !how.recompute {
        return Ok(Pass { output: embedder.forward_as(x, Mode::Train, Some(kinds))?, parts: None });
    }
    let segments = Segments { embedder, kinds, cut: how.recompute };
    let bounds = bounds(x.dim(0)?, how.parts);
    let mut inputs = Vec::with_capacity(bounds.len());
    let mut outputs = Vec::with_capacity(bounds.len());
    for &(from, len) in &bounds {
        let (kept, output) = segments.values(&x.narrow(0, from, len)?.contiguous()?, (from, len))?;
        inputs.push(kept);
        outputs.push(output);
    }
    let leaves = (0..OUTPUTS)
        .map(|which| {
            let parts: Vec<&Tensor> = outputs.iter().map(|output| &output[which]).collect();
            Var::from_tensor(&Tensor::cat(&parts, 0)?)
        })
        .collect::<Result<Vec<Var>>>()?;
    let leaf = |which: usize| leaves[which].as_tensor().clone();
    let output = EmbedderOutput { cells: leaf(0), global: leaf(1), logits: leaf(2) };
    Ok(Pass { output, parts: Some(Parts { segments, bounds, inputs, leaves }) })
}

impl Pass<'_> {
    /// What a loss is made of.
    pub fn output(&self) -> &EmbedderOutput {
        &self.output
    }

    /// The gradients of a loss on the whole batch's output.
    pub fn backward(self, total: &Tensor) -> Result<GradStore> {
        let mut gradients = crate::nn::ops::backward(total)?;
        let Some(Parts { segments, bounds, inputs, leaves }) = self.parts else { return Ok(gradients) };
        let upstream: Vec<Option<Tensor>> = leaves.iter().map(|leaf| gradients.remove(leaf.as_tensor())).collect();
        // The second pass must not move running statistics once more.
        let statistics = Statistics::of(segments.embedder)?;
        for ((from, len), kept) in bounds.into_iter().zip(inputs) {
            let share = |gradient: &Option<Tensor>| {
                gradient.as_ref().map(|gradient| gradient.narrow(0, from, len)?.contiguous()).transpose()
            };
            let share = upstream.iter().map(share).collect::<Result<Vec<_>>>()?;
            segments.back(kept, share, (from, len), &mut gradients)?;
        }
        statistics.put_back()?;
        Ok(gradients)
    }
}

/// Cells, global vectors and logits.
const OUTPUTS: usize = 3;

/// Start and length of each part, which differ by one at most.
fn bounds(n: usize, parts: usize) -> Vec<(usize, usize)> {
    // Two photos at least, for the norms' sake.
    let parts = parts.clamp(1, (n / 2).max(1));
    (0..parts).map(|part| (part * n / parts, (part + 1) * n / parts - part * n / parts)).collect()
}

/// The network as one segment, or as the backbone's pieces and the head.
struct Segments<'a> {
    embedder: &'a Embedder,
    /// Of the whole batch.
    kinds: &'a [Option<usize>],
    cut: bool,
}

impl Segments<'_> {
    fn count(&self) -> usize {
        if self.cut { self.embedder.pieces() + 1 } else { 1 }
    }

    /// One map, or after the last segment cells, global vectors and logits.
    fn run(&self, segment: usize, x: &Tensor, (from, len): (usize, usize)) -> Result<Vec<Tensor>> {
        if self.cut && segment + 1 < self.count() {
            return Ok(vec![self.embedder.piece(segment, x, Mode::Train)?]);
        }
        let kinds = Some(&self.kinds[from..from + len]);
        let output = if self.cut {
            self.embedder.embed_map(x, Mode::Train, kinds)?
        } else {
            self.embedder.forward_as(x, Mode::Train, kinds)?
        };
        Ok(vec![output.cells, output.global, output.logits])
    }

    /// The input of every segment, and the output, all without a graph.
    fn values(&self, x: &Tensor, part: (usize, usize)) -> Result<(Vec<Tensor>, Vec<Tensor>)> {
        let mut inputs = vec![x.clone()];
        for segment in 0..self.count() {
            let output: Vec<Tensor> = self.run(segment, &inputs[segment], part)?.iter().map(Tensor::detach).collect();
            if segment + 1 == self.count() {
                return Ok((inputs, output));
            }
            inputs.extend(output);
        }
        candle_core::bail!("a network has at least one segment")
    }

    /// Adds the parameters' gradients, given those of the output.
    fn back(
        &self,
        inputs: Vec<Tensor>,
        mut upstream: Vec<Option<Tensor>>,
        part: (usize, usize),
        sum: &mut GradStore,
    ) -> Result<()> {
        for (segment, input) in inputs.into_iter().enumerate().rev() {
            // Images need no gradient.
            let leaf = if segment == 0 { None } else { Some(Var::from_tensor(&input)?) };
            let x = leaf.as_ref().map_or(&input, Var::as_tensor);
            let mut surrogate: Option<Tensor> = None;
            for (value, gradient) in self.run(segment, x, part)?.iter().zip(&upstream) {
                let Some(gradient) = gradient else { continue };
                let term = (value * gradient)?.sum_all()?;
                surrogate = Some(match surrogate {
                    Some(sum) => (sum + term)?,
                    None => term,
                });
            }
            // Where the loss depends on nothing that is left, neither does anything below.
            let Some(surrogate) = surrogate else { return Ok(()) };
            let found = crate::nn::ops::backward(&surrogate)?;
            for (_, var) in self.embedder.params.trainable() {
                let Some(new) = found.get(var.as_tensor()) else { continue };
                let total = match sum.get(var.as_tensor()) {
                    Some(old) => (old + new)?.detach(),
                    None => new.clone(),
                };
                sum.insert(var.as_tensor(), total);
            }
            upstream = vec![leaf.and_then(|leaf| found.get(leaf.as_tensor()).cloned())];
        }
        Ok(())
    }
}

/// What a network keeps of earlier batches, to be put back.
pub(super) struct Statistics(Vec<(Var, Tensor)>);

impl Statistics {
    pub(super) fn of(embedder: &Embedder) -> Result<Self> {
        let kept = embedder.params.iter().filter(|(_, param)| !param.trainable);
        Ok(Self(
            kept.map(|(_, param)| Ok((param.var.clone(), param.var.as_detached_tensor().copy()?)))
                .collect::<Result<_>>()?,
        ))
    }

    pub(super) fn put_back(self) -> Result<()> {
        self.0.into_iter().try_for_each(|(var, values)| var.set(&values))
    }
}
