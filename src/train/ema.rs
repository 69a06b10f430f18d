//! A running average of the weights, which is measured and kept instead of the weights themselves.

use std::collections::BTreeMap;

use candle_core::{CpuStorage, InplaceOp2, Layout, Result, Tensor, bail};
use rayon::prelude::*;

use crate::nn::Params;

const CHUNK: usize = 1 << 14;

#[derive(Debug)]
pub struct Ema {
    keep: f64,
    averages: BTreeMap<String, Tensor>,
}

impl Ema {
    /// Starts at the present weights; `keep` is the share of the average that a step keeps.
    pub fn new(keep: f64, params: &Params) -> Result<Self> {
        Ok(Self { keep, averages: params.tensors()? })
    }

    pub fn restored(keep: f64, averages: BTreeMap<String, Tensor>) -> Self {
        Self { keep, averages }
    }

    /// Takes in the weights after step number `step`, from 1. Early averages forget faster, so that the first weights
    /// do not linger.
    pub fn update(&mut self, params: &Params, step: u64) -> Result<()> {
        let keep = self.keep.min((1.0 + step as f64) / (10.0 + step as f64));
        for (name, param) in params.iter() {
            let Some(average) = self.averages.get_mut(name) else { continue };
            let now = param.var.as_detached_tensor();
            if average.device().is_cpu() {
                average.inplace_op2(&now.contiguous()?, &Blend { keep })?;
            } else {
                *average = ((&*average * keep)? + (now * (1.0 - keep))?)?;
            }
        }
        Ok(())
    }

    pub fn averages(&self) -> &BTreeMap<String, Tensor> {
        &self.averages
    }
}

struct Blend {
    keep: f64,
}

impl InplaceOp2 for Blend {
    fn name(&self) -> &'static str {
        "running-average"
    }

    fn cpu_fwd(&self, a: &mut CpuStorage, a_layout: &Layout, b: &CpuStorage, b_layout: &Layout) -> Result<()> {
        let (Some((a0, a1)), Some((b0, b1))) = (a_layout.contiguous_offsets(), b_layout.contiguous_offsets()) else {
            bail!("a running average needs contiguous tensors");
        };
        match (a, b) {
            (CpuStorage::F32(a), CpuStorage::F32(b)) => {
                let (keep, take) = (self.keep as f32, (1.0 - self.keep) as f32);
                a[a0..a1].par_chunks_mut(CHUNK).zip(b[b0..b1].par_chunks(CHUNK)).for_each(|(a, b)| {
                    a.iter_mut().zip(b).for_each(|(a, b)| *a = keep * *a + take * b);
                });
            }
            (CpuStorage::F64(a), CpuStorage::F64(b)) => {
                a[a0..a1].iter_mut().zip(&b[b0..b1]).for_each(|(a, b)| *a = self.keep * *a + (1.0 - self.keep) * b);
            }
            _ => bail!("a running average is kept of 32- and 64-bit weights only"),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::Init;
    use candle_core::Device;

    /// Oracle: the recurrence written out.
    #[test]
    fn the_average_follows_its_recurrence() {
        let mut params = Params::new(1, &Device::Cpu);
        let var = params.get_or_init("w", &[3], Init::Ones, true).unwrap();
        let mut ema = Ema::new(0.9, &params).unwrap();
        let mut expected = 1.0;
        for step in 1..=200_u64 {
            let value = (step as f64 * 0.37).sin();
            var.set(&Tensor::full(value as f32, 3, &Device::Cpu).unwrap()).unwrap();
            ema.update(&params, step).unwrap();
            let keep = 0.9_f64.min((1.0 + step as f64) / (10.0 + step as f64));
            expected = keep * expected + (1.0 - keep) * value;
        }
        let got = ema.averages()["w"].to_vec1::<f32>().unwrap();
        assert!(got.iter().all(|g| (f64::from(*g) - expected).abs() < 1e-6), "{got:?} instead of {expected}");
        // The weights themselves are untouched.
        assert_eq!(var.to_vec1::<f32>().unwrap()[0], (200.0 * 0.37_f64).sin() as f32);
    }
}
