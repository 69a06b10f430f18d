//! The number types the operations accept, and the way from a candle tensor to a plain slice and back.

use std::{borrow::Cow, mem::MaybeUninit};

use super::product::{Kernels, Pooled};

use candle_core::{CpuStorage, DType, Device, Layout, Result, Shape, Storage, Tensor, WithDType, bail};

/// `f32` or `f64`.
pub trait Elem: WithDType + num::Float + Kernels + Pooled + Send + Sync + 'static {
    fn of(value: f64) -> Self;
}

/// The little arithmetic the operations need beyond `WithDType`.
pub mod num {
    use std::ops::{Add, AddAssign, Div, Mul, Sub};

    pub trait Float:
        Copy
        + PartialOrd
        + Add<Output = Self>
        + Sub<Output = Self>
        + Mul<Output = Self>
        + Div<Output = Self>
        + AddAssign
        + Default
    {
        const ZERO: Self;
        const NEG_INFINITY: Self;
        fn is_nan(self) -> bool;
    }

    macro_rules! float {
        ($t:ty) => {
            impl Float for $t {
                const ZERO: Self = 0.0;
                const NEG_INFINITY: Self = <$t>::NEG_INFINITY;
                fn is_nan(self) -> bool {
                    <$t>::is_nan(self)
                }
            }
        };
    }
    float!(f32);
    float!(f64);
}

impl Elem for f32 {
    fn of(value: f64) -> Self {
        value as f32
    }
}

impl Elem for f64 {
    fn of(value: f64) -> Self {
        value
    }
}

/// The values of a storage in row-major order, copied only where the layout is not contiguous.
pub fn values<'a, T: Elem>(storage: &'a CpuStorage, layout: &Layout) -> Result<Cow<'a, [T]>> {
    let all = storage.as_slice::<T>()?;
    Ok(match layout.contiguous_offsets() {
        Some((start, end)) => Cow::Borrowed(&all[start..end]),
        None => Cow::Owned(gathered(all, layout)),
    })
}

/// A view's values, one by one in row-major order; the innermost axis is walked in a plain loop.
fn gathered<T: Elem>(all: &[T], layout: &Layout) -> Vec<T> {
    let (dims, strides) = (layout.dims(), layout.stride());
    let mut out = Vec::with_capacity(layout.shape().elem_count());
    let (Some((&length, outer)), Some(&step)) = (dims.split_last(), strides.last()) else {
        return vec![all[layout.start_offset()]];
    };
    for mut row in 0..outer.iter().product() {
        let mut at = layout.start_offset();
        for (&dim, &stride) in outer.iter().zip(strides).rev() {
            at += row % dim * stride;
            row /= dim;
        }
        out.extend((0..length).map(|i| all[at + i * step]));
    }
    out
}

/// Calls `f` with the values of a tensor on the CPU, in row-major order.
pub fn with_values<T: Elem, R>(tensor: &Tensor, f: impl FnOnce(&[T]) -> Result<R>) -> Result<R> {
    let (storage, layout) = tensor.storage_and_layout();
    match &*storage {
        Storage::Cpu(storage) => f(&values::<T>(storage, layout)?),
        _ => bail!("this operation runs on the CPU only; the tensor lies on another device"),
    }
}

/// A new tensor on the CPU over `values`, without a copy.
pub fn tensor<T: Elem>(values: Vec<T>, shape: impl Into<Shape>) -> Result<Tensor> {
    Tensor::from_vec(values, shape.into(), &Device::Cpu)
}

/// A vector that `fill` writes whole, without clearing it first.
///
/// # Safety
/// `fill` must write every place.
pub unsafe fn written<T: Elem>(len: usize, fill: impl FnOnce(&mut [MaybeUninit<T>])) -> Vec<T> {
    let mut values = Vec::with_capacity(len);
    fill(&mut values.spare_capacity_mut()[..len]);
    // SAFETY: the capacity is there, and every place was written by the caller's promise.
    unsafe { values.set_len(len) };
    values
}

/// What a `cpu_fwd` returns.
pub fn output<T: Elem>(values: Vec<T>, shape: impl Into<Shape>) -> (CpuStorage, Shape) {
    (T::to_cpu_storage_owned(values), shape.into())
}

/// A function over `f32` or `f64` that is compiled twice, for any processor and for those with AVX2, and picks at run
/// time. Both give the same bits: products and sums are not contracted.
macro_rules! simd {
    ($(#[$about:meta])* $open:vis fn $name:ident<$t:ident>($($argument:ident: $type:ty),*) -> $result:ty $body:block) => {
        $(#[$about])*
        $open fn $name<$t: Elem>($($argument: $type),*) -> $result {
            #[inline(always)]
            fn body<$t: Elem>($($argument: $type),*) -> $result $body
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2")]
                fn avx2<$t: Elem>($($argument: $type),*) -> $result {
                    body($($argument),*)
                }
                if is_x86_feature_detected!("avx2") {
                    // SAFETY: the processor has the instructions, as just found.
                    return unsafe { avx2($($argument),*) };
                }
            }
            body($($argument),*)
        }
    };
}
pub(crate) use simd;

/// Runs `$body` with `$t` bound to the number type of `$dtype`.
macro_rules! with_elem {
    ($op:expr, $dtype:expr, $t:ident => $body:expr) => {
        match $dtype {
            candle_core::DType::F32 => {
                type $t = f32;
                $body
            }
            candle_core::DType::F64 => {
                type $t = f64;
                $body
            }
            other => Err(candle_core::Error::Msg(format!("{}: {other:?} is not supported, only f32 and f64 are", $op))),
        }
    };
}
pub(crate) use with_elem;

/// Refuses two tensors of different number types with one sentence.
pub fn same_dtype(op: &str, a: DType, what: &str, b: DType) -> Result<()> {
    if a != b {
        bail!("{op}: the input is {a:?} but the {what} is {b:?}")
    }
    Ok(())
}

/// The four sizes of an image batch, or a sentence.
pub fn dims4(op: &str, tensor: &Tensor) -> Result<(usize, usize, usize, usize)> {
    match tensor.dims() {
        &[n, c, h, w] => Ok((n, c, h, w)),
        other => bail!("{op}: the input must be [images, channels, height, width], not {other:?}"),
    }
}
