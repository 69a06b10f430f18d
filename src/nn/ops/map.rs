//! Maps that are candle's own tensors, with the order of their axes: on other devices than the CPU, and for inference. Their
//! operations are beside those of [`Taped`](super::Taped) maps.
//!
//! On CUDA maps in bf16 have their channels last, because that is how tensor cores read them; everything else has them
//! first, as candle does. The tensor itself has the shape of its order and is contiguous, so that candle's sums of gradients
//! move nothing. On the CPU, where no operation knows the other order, maps in it are turned before each operation and
//! after it: that is how networks in it are tested.

use candle_core::{DType, Device, Result, Tensor};

use super::elem::dims4;

/// Of the axes of a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Order {
    /// `[N, C, H, W]`.
    ChannelsFirst,
    /// `[N, H, W, C]`.
    ChannelsLast,
}

impl Order {
    /// That in which maps of this type are computed there.
    pub fn of(device: &Device, dtype: DType) -> Self {
        if device.is_cuda() && dtype == DType::BF16 { Self::ChannelsLast } else { Self::ChannelsFirst }
    }

    pub(super) fn channel_axis(self) -> usize {
        match self {
            Self::ChannelsFirst => 1,
            Self::ChannelsLast => 3,
        }
    }

    /// The shape of a map of `[N, C, H, W]` in this order.
    #[cfg(feature = "cuda")]
    pub(super) fn shape(self, [n, c, h, w]: [usize; 4]) -> (usize, usize, usize, usize) {
        match self {
            Self::ChannelsFirst => (n, c, h, w),
            Self::ChannelsLast => (n, h, w, c),
        }
    }
}

/// A map, with candle's graph.
#[derive(Clone, Debug)]
pub struct Map {
    tensor: Tensor,
    order: Order,
}

impl Map {
    /// Of `[N, C, H, W]`, in the order that is best for it.
    pub fn enter(x: &Tensor) -> Result<Self> {
        Self::enter_as(x, Order::of(x.device(), x.dtype()))
    }

    /// Of `[N, C, H, W]`, in that order.
    pub fn enter_as(x: &Tensor, order: Order) -> Result<Self> {
        match order {
            Order::ChannelsFirst => Ok(Self::lying(x, order)),
            Order::ChannelsLast => Ok(Self { tensor: turned(x, Order::ChannelsFirst)?, order }),
        }
    }

    /// Of `[N, C, H, W]`, as it is.
    pub(super) fn first(x: &Tensor) -> Self {
        Self::lying(x, Order::ChannelsFirst)
    }

    /// Of a tensor that lies in that order.
    pub(super) fn lying(x: &Tensor, order: Order) -> Self {
        Self { tensor: x.clone(), order }
    }

    /// As `[N, C, H, W]`.
    pub fn leave(&self) -> Result<Tensor> {
        match self.order {
            Order::ChannelsFirst => Ok(self.tensor.clone()),
            Order::ChannelsLast => turned(&self.tensor, Order::ChannelsLast),
        }
    }

    /// As it lies.
    pub fn tensor(&self) -> &Tensor {
        &self.tensor
    }

    pub(super) fn order(&self) -> Order {
        self.order
    }

    /// Another map in the order of this one.
    pub(super) fn with(&self, tensor: Tensor) -> Self {
        Self { tensor, order: self.order }
    }

    /// `f` of `[N, C, H, W]`.
    pub fn through(&self, f: impl FnOnce(&Tensor) -> Result<Tensor>) -> Result<Self> {
        Self::enter_as(&f(&self.leave()?)?, self.order)
    }

    /// `[N, C, H, W]`, or a sentence.
    pub(super) fn sizes(&self, op: &str) -> Result<[usize; 4]> {
        let (a, b, c, d) = dims4(op, &self.tensor)?;
        Ok(match self.order {
            Order::ChannelsFirst => [a, b, c, d],
            Order::ChannelsLast => [a, d, b, c],
        })
    }

    /// Whether the operations of `cuda` take it.
    #[cfg(feature = "cuda")]
    pub(super) fn on_cuda(&self) -> bool {
        self.tensor.device().is_cuda()
    }

    /// The channels of one map, then those of another.
    pub fn cat(&self, other: &Self) -> Result<Self> {
        Ok(self.with(Tensor::cat(&[&self.tensor, &other.tensor], self.order.channel_axis())?))
    }
}

/// A map that lies in one order in the other.
fn turned(x: &Tensor, from: Order) -> Result<Tensor> {
    #[cfg(feature = "cuda")]
    if x.device().is_cuda() {
        return super::cuda::turned(x, from);
    }
    match from {
        Order::ChannelsFirst => x.permute((0, 2, 3, 1))?.contiguous(),
        Order::ChannelsLast => x.permute((0, 3, 1, 2))?.contiguous(),
    }
}
