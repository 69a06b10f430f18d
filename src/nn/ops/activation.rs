//! Rectified linear units with PyTorch's subgradient, `relu'(0) = 0`.

use std::mem::MaybeUninit;

use candle_core::{
    CpuStorage, CustomOp1, CustomOp2, Layout, Result, Shape, Tensor, WithDType, backend::BackendStorage, bail,
};
use rayon::prelude::*;

use super::elem::{Elem, output, same_dtype, tensor, values, with_elem, with_values, written};
use super::map::{Map, Order};
use super::{probe, tape::Taped};

/// Elements one task handles: small enough to share out, large enough not to feel the sharing.
const BLOCK: usize = 1 << 14;

/// `max(x, 0)`, elementwise. NaN stays NaN.
pub fn relu(x: &Tensor) -> Result<Tensor> {
    Ok(Map::first(x).relu()?.tensor().clone())
}

/// `relu(a + b)` in one pass; both of one shape.
pub fn add_relu(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    Ok(Map::first(a).add_relu(&Map::first(b))?.tensor().clone())
}

impl Map {
    /// [`relu`].
    pub fn relu(&self) -> Result<Self> {
        #[cfg(feature = "cuda")]
        if self.on_cuda() {
            return self.with(super::cuda::relu(self.tensor())?).rectified();
        }
        self.with(self.tensor().apply_op1(Relu)?).rectified()
    }

    /// [`add_relu`].
    pub fn add_relu(&self, other: &Self) -> Result<Self> {
        let (a, b) = (self.tensor(), other.tensor());
        if a.shape() != b.shape() {
            bail!("add_relu: the shapes {:?} and {:?} differ", a.dims(), b.dims())
        }
        same_dtype("add_relu", a.dtype(), "second input", b.dtype())?;
        #[cfg(feature = "cuda")]
        if self.on_cuda() {
            return self.with(super::cuda::add_relu(a, b)?).rectified();
        }
        self.with(a.apply_op2(b, AddRelu)?).rectified()
    }

    /// Itself, shown to whoever looks at rectifiers.
    pub(super) fn rectified(self) -> Result<Self> {
        match self.order() {
            Order::ChannelsFirst => probe::rectified(self.tensor()),
            Order::ChannelsLast => probe::rectified(&self.tensor().detach().permute((0, 3, 1, 2))?),
        }
        Ok(self)
    }
}

impl Taped {
    /// [`add_relu`].
    pub fn add_relu(&self, other: &Self) -> Result<Self> {
        if let Some((map, other)) = self.elsewhere().zip(other.elsewhere()) {
            return map.add_relu(other).map(Self::plain);
        }
        let values = add_relu(self.values(), other.values())?;
        let (y, places) = (values.clone(), [self.place(), other.place()]);
        Self::made(values, &[self, other], None, move |dy, _| {
            with_elem!("add_relu", y.dtype(), T => {
                let g = with_values::<T, _>(&y, |y| Ok(masked(y, T::cpu_storage_as_slice(&dy)?)))?;
                let mut places = places.iter().flatten();
                let (first, second) = (places.next(), places.next());
                if let Some(second) = second {
                    second.give(g.clone())?;
                }
                first.map_or(Ok(()), |first| first.give(g))?;
                Ok(None)
            })
        })
    }
}

struct Relu;
struct AddRelu;

fn rectified<T: Elem>(v: T) -> T {
    // Written so that NaN passes through.
    if v < T::ZERO { T::ZERO } else { v }
}

/// The gradient where the result is above zero, else zero.
fn masked<T: Elem>(result: &[T], gradient: &[T]) -> Vec<T> {
    zipped(result, gradient, |r, g| if r > T::ZERO { g } else { T::ZERO })
}

/// `f` of the pairs of two vectors of one length.
fn zipped<T: Elem>(a: &[T], b: &[T], f: impl Fn(T, T) -> T + Sync) -> Vec<T> {
    assert_eq!(a.len(), b.len());
    let fill = |out: &mut [MaybeUninit<T>]| {
        out.par_chunks_mut(BLOCK).zip(a.par_chunks(BLOCK)).zip(b.par_chunks(BLOCK)).for_each(|((out, a), b)| {
            for ((out, &a), &b) in out.iter_mut().zip(a).zip(b) {
                out.write(f(a, b));
            }
        });
    };
    // SAFETY: all three are cut alike and are of one length.
    unsafe { written(a.len(), fill) }
}

fn mask_gradient(result: &Tensor, gradient: &Tensor) -> Result<Tensor> {
    with_elem!("relu", result.dtype(), T => with_values::<T, _>(result, |r| {
        with_values::<T, _>(gradient, |g| tensor(masked(r, g), result.shape()))
    }))
}

impl CustomOp1 for Relu {
    fn name(&self) -> &'static str {
        "relu"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        with_elem!("relu", storage.dtype(), T => {
            let x = values::<T>(storage, layout)?;
            Ok(output(zipped(&x, &x, |v, _| rectified(v)), layout.shape()))
        })
    }

    fn bwd(&self, _x: &Tensor, result: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        Ok(Some(mask_gradient(result, gradient)?))
    }
}

impl CustomOp2 for AddRelu {
    fn name(&self) -> &'static str {
        "add_relu"
    }

    fn cpu_fwd(&self, s1: &CpuStorage, l1: &Layout, s2: &CpuStorage, l2: &Layout) -> Result<(CpuStorage, Shape)> {
        with_elem!("add_relu", s1.dtype(), T => {
            let (a, b) = (values::<T>(s1, l1)?, values::<T>(s2, l2)?);
            Ok(output(zipped(&a, &b, |a, b| rectified(a + b)), l1.shape()))
        })
    }

    fn bwd(
        &self,
        _: &Tensor,
        _: &Tensor,
        result: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let g = mask_gradient(result, gradient)?;
        Ok((Some(g.clone()), Some(g)))
    }
}
