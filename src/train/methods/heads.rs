//! Projectors and predictors: small networks on the pooled map, which pretext tasks throw away afterwards.

use candle_core::{Result, Tensor, Var};

use crate::nn::{BatchNorm, Init, Mode, Params, ops};

/// What follows a layer's product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// A bias.
    Bias,
    /// Nothing.
    Nothing,
    /// A normalisation without scale and shift.
    PlainNorm,
}

/// What stands between two layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Between {
    /// A bias and a ReLU.
    Relu,
    /// A normalisation and a ReLU.
    NormRelu,
    /// A bias and a GELU.
    Gelu,
}

struct Layer {
    weight: Var,
    bias: Option<Var>,
    norm: Option<BatchNorm>,
}

/// Layers in a row.
pub struct Mlp {
    layers: Vec<Layer>,
    between: Between,
}

impl Mlp {
    /// Layers of these sizes under `name`.
    pub fn new(params: &mut Params, name: &str, sizes: &[usize], between: Between, last: After) -> Result<Self> {
        let mut layers = Vec::new();
        for (index, pair) in sizes.windows(2).enumerate() {
            let (inputs, outputs) = (pair[0], pair[1]);
            let at_end = index + 2 == sizes.len();
            let weight = params.get_or_init(
                &format!("{name}.{index}.weight"),
                &[outputs, inputs],
                Init::Uniform { fan_in: inputs },
                true,
            )?;
            let normed = if at_end { last == After::PlainNorm } else { between == Between::NormRelu };
            let biased = if at_end { last == After::Bias } else { !normed };
            let bias = if biased {
                Some(params.get_or_init(&format!("{name}.{index}.bias"), &[outputs], Init::Zeros, true)?)
            } else {
                None
            };
            let norm_name = format!("{name}.{index}.norm");
            let norm = match (normed, at_end) {
                (false, _) => None,
                (true, true) => Some(BatchNorm::without_affine(params, &norm_name, outputs)?),
                (true, false) => Some(BatchNorm::new(params, &norm_name, outputs)?),
            };
            layers.push(Layer { weight, bias, norm });
        }
        Ok(Self { layers, between })
    }

    /// `[n, first size]` to `[n, last size]`.
    pub fn forward(&self, x: &Tensor, mode: Mode) -> Result<Tensor> {
        let mut y = x.clone();
        for (index, layer) in self.layers.iter().enumerate() {
            y = ops::linear(&y, &layer.weight, layer.bias.as_ref().map(Var::as_tensor))?;
            let at_end = index + 1 == self.layers.len();
            if let Some(norm) = &layer.norm {
                let (n, dim) = y.dims2()?;
                let map = y.reshape((n, dim, 1, 1))?;
                y = if at_end { norm.forward(&map, mode)? } else { norm.forward_relu(&map, mode)? };
                y = y.reshape((n, dim))?;
            } else if !at_end {
                y = if self.between == Between::Gelu { y.gelu()? } else { ops::relu(&y)? };
            }
        }
        Ok(y)
    }
}
