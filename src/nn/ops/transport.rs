//! Plans between the cells of many pairs of photos that lie on a device other than the CPU: brought to the host, they
//! would make a training step wait twice. On the CPU the reference solver has them.

use candle_core::{DType, Result, Tensor, bail};

/// How transport is solved: entropic, in the log domain, potentials from 0, columns before rows in each iteration.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Transport {
    /// Regularisation, in units of the cost.
    pub epsilon: f64,
    /// At most so many iterations.
    pub iterations: usize,
    /// A pair stops when the column sums of its plan are off by less than this in L1; 0 means exactly `iterations`.
    pub tolerance: f64,
}

/// The plans of pairs `[pairs, rows, columns]` for `cost` of that shape and weights `a [pairs, rows]`, `b [pairs, columns]`,
/// in f32 or f64, without a graph and without waiting for the device.
///
/// Weights of zero are allowed and get no mass; the columns' are scaled to the rows' sum. A pair whose costs or weights
/// are no numbers to solve with (not finite, a negative weight, no mass, costs beyond 1e20 epsilon) has a plan of NaN.
pub fn transport_on_device(cost: &Tensor, a: &Tensor, b: &Tensor, how: Transport) -> Result<Tensor> {
    let (pairs, rows, columns) = cost.dims3()?;
    if a.dims() != [pairs, rows] || b.dims() != [pairs, columns] || rows == 0 || columns == 0 {
        bail!("costs {:?} do not go with weights {:?} and {:?}", cost.shape(), a.shape(), b.shape())
    }
    let fits = |t: &Tensor| t.dtype() == cost.dtype() && t.device().same_device(cost.device());
    if !matches!(cost.dtype(), DType::F32 | DType::F64) || !fits(a) || !fits(b) {
        bail!("transport takes costs and weights in f32 or f64, all of one type and on one device")
    }
    let number = |value: f64| value.is_finite() && value >= 0.0;
    if !number(how.epsilon) || how.epsilon == 0.0 || !number(how.tolerance) || how.iterations == 0 {
        bail!(
            "{how:?} does not say how to solve: epsilon must be above 0, the tolerance at least 0, and one iteration made"
        )
    }
    #[cfg(feature = "cuda")]
    if cost.device().is_cuda() {
        return super::cuda::plans(cost, a, b, how);
    }
    bail!("{how:?} is solved on CUDA only; the costs lie on {:?}", cost.device().location())
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    #[test]
    fn what_cannot_be_solved_is_refused_in_words() {
        let of = |shape: &[usize], dtype| Tensor::ones(shape, dtype, &Device::Cpu).unwrap();
        let how = Transport { epsilon: 0.1, iterations: 5, tolerance: 0.0 };
        let refused = |shapes: [&[usize]; 3], dtypes: [DType; 3], how| {
            let [cost, a, b] = [0, 1, 2].map(|i| of(shapes[i], dtypes[i]));
            transport_on_device(&cost, &a, &b, how).unwrap_err().to_string()
        };
        let (f32s, good): (_, [&[usize]; 3]) = ([DType::F32; 3], [&[2, 3, 4], &[2, 3], &[2, 4]]);
        for shapes in [[good[0], good[2], good[1]], [good[0], good[1], &[1, 4]], [&[2, 0, 4], &[2, 0], &[2, 4]]] {
            assert!(refused(shapes, f32s, how).contains("do not go with"));
        }
        for dtypes in [[DType::BF16; 3], [DType::F32, DType::F64, DType::F32], [DType::F64, DType::F64, DType::F32]] {
            assert!(refused(good, dtypes, how).contains("f32 or f64"));
        }
        for wrong in [
            Transport { epsilon: 0.0, ..how },
            Transport { epsilon: f64::NAN, ..how },
            Transport { tolerance: -1.0, ..how },
            Transport { iterations: 0, ..how },
        ] {
            assert!(refused(good, f32s, wrong).contains("does not say how to solve"), "{wrong:?}");
        }
        assert!(refused(good, f32s, how).contains("on CUDA only"));
    }
}
