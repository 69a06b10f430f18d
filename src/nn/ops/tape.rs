//! Maps on their way through a network that learns, on the CPU.
//!
//! candle's `backward` keeps a running sum for each tensor: it clears a buffer of the tensor's size, then adds what an
//! operation gave into another new one. For the maps of a backbone those are four passes over memory beside the one that
//! computes, as much as the products of a 1x1 layer themselves. So the graph that candle walks here is made of *tokens*,
//! tensors of one number, and a map's gradient lies in a place beside its token: the first operation to give one leaves its
//! buffer there, the next adds to it while it computes, and the operation that made the map takes it and writes over it.
//! Weights are in the graph as ever, so that `backward` on the loss finds their gradients.
//!
//! On another device than the CPU a taped map is a plain [`Map`], and every operation is that one's own.

use std::{
    cell::RefCell,
    sync::{Arc, Mutex, PoisonError},
};

use candle_core::{
    CpuStorage, CustomOp1, CustomOp2, CustomOp3, DType, Layout, Result, Shape, Tensor, WithDType, backprop::GradStore,
    bail,
};
use rayon::prelude::*;

use super::elem::{Elem, dims4, num::Float, output, same_dtype, tensor, with_elem, with_values};
use super::map::{Map, Order};

/// Elements one task adds.
const BLOCK: usize = 1 << 14;

/// A map of a network that learns.
#[derive(Clone, Debug)]
pub struct Taped(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Taped {
        /// Without a graph.
        values: Tensor,
        /// Absent where nothing trainable stands behind the map.
        link: Option<Link>,
    },
    Plain(Map),
}

#[derive(Clone, Debug)]
struct Link {
    token: Tensor,
    gradient: Place,
}

/// Where a map's gradient is summed during a backward pass. Empty before and after it.
#[derive(Clone, Debug, Default)]
pub(super) struct Place(Arc<Mutex<Option<CpuStorage>>>);

impl Place {
    fn lock(&self) -> std::sync::MutexGuard<'_, Option<CpuStorage>> {
        // A panic while the lock was held left either a whole buffer or none.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was given so far, to be added to and given again.
    pub fn take<T: Elem>(&self) -> Result<Option<Vec<T>>> {
        self.lock().take().map(T::cpu_storage_data).transpose()
    }

    /// Adds a gradient of the map.
    pub fn give<T: Elem>(&self, gradient: Vec<T>) -> Result<()> {
        let sum = match self.take::<T>()? {
            None => gradient,
            Some(mut sum) => {
                sum.par_chunks_mut(BLOCK).zip(gradient.par_chunks(BLOCK)).for_each(|(sum, more)| {
                    sum.iter_mut().zip(more).for_each(|(sum, &more)| *sum += more);
                });
                sum
            }
        };
        *self.lock() = Some(T::to_cpu_storage_owned(sum));
        Ok(())
    }
}

/// What an operation does with the gradient of its result: gives the gradients of the maps it took to their places, and
/// answers with that of its parameter, if it has one and the flag asks for it.
type Back = dyn Fn(CpuStorage, bool) -> Result<Option<Tensor>> + Send + Sync;

impl Taped {
    /// A tensor whose own graph, if it has one, goes on behind the map.
    pub fn enter(x: &Tensor) -> Result<Self> {
        if !x.device().is_cpu() {
            return Map::enter(x).map(Self::plain);
        }
        let values = x.detach().contiguous()?;
        let link = if x.track_op() {
            let gradient = Place::default();
            Some(Link { token: x.apply_op1(Enter(gradient.clone()))?, gradient })
        } else {
            None
        };
        Ok(Self(Kind::Taped { values, link }))
    }

    /// The same as a plain map in that order.
    pub fn enter_as(x: &Tensor, order: Order) -> Result<Self> {
        Map::enter_as(x, order).map(Self::plain)
    }

    /// The map as a tensor, from which gradients flow back into the map. Costs a copy where anything trainable stands
    /// behind it.
    pub fn leave(&self) -> Result<Tensor> {
        match &self.0 {
            Kind::Plain(map) => map.leave(),
            Kind::Taped { values, link: None } => Ok(values.clone()),
            Kind::Taped { values, link: Some(Link { token, gradient }) } => {
                token.apply_op1(Leave { values: values.clone(), gradient: gradient.clone() })
            }
        }
    }

    /// The map as a tensor that only [`Self::resume`] takes: as it lies.
    pub fn pause(&self) -> Result<Tensor> {
        self.elsewhere().map_or_else(|| self.leave(), |map| Ok(map.tensor().clone()))
    }

    /// A map that paused; the order is the one that it was asked to enter in, if any.
    pub fn resume(x: &Tensor, order: Option<Order>) -> Result<Self> {
        if order.is_none() && x.device().is_cpu() {
            return Self::enter(x);
        }
        Ok(Self::plain(Map::lying(x, order.unwrap_or_else(|| Order::of(x.device(), x.dtype())))))
    }

    /// `f` of the map as a tensor.
    pub fn through(&self, f: impl FnOnce(&Tensor) -> Result<Tensor>) -> Result<Self> {
        match &self.0 {
            Kind::Plain(map) => map.through(f).map(Self::plain),
            Kind::Taped { .. } => Self::enter(&f(&self.leave()?)?),
        }
    }

    /// `[N, C, H, W]`.
    pub fn sizes(&self) -> Result<[usize; 4]> {
        match &self.0 {
            Kind::Plain(map) => map.sizes("a map"),
            Kind::Taped { values, .. } => values.dims4().map(<[usize; 4]>::from),
        }
    }

    pub fn dtype(&self) -> DType {
        self.values().dtype()
    }

    /// The values as they lie, for somebody who looks only.
    pub(super) fn values(&self) -> &Tensor {
        match &self.0 {
            Kind::Plain(map) => map.tensor(),
            Kind::Taped { values, .. } => values,
        }
    }

    /// The map, where it is a plain one.
    pub(super) fn elsewhere(&self) -> Option<&Map> {
        if let Kind::Plain(map) = &self.0 { Some(map) } else { None }
    }

    /// A map that [`Self::elsewhere`]'s operations made.
    pub(super) fn plain(map: Map) -> Self {
        Self(Kind::Plain(map))
    }

    fn link(&self) -> Option<&Link> {
        if let Kind::Taped { link, .. } = &self.0 { link.as_ref() } else { None }
    }

    /// Where the map's gradient is to be given; nobody asks where this is absent.
    pub(super) fn place(&self) -> Option<Place> {
        self.link().map(|link| link.gradient.clone())
    }

    /// The result of an operation on one or two maps and at most one parameter.
    pub(super) fn made(
        values: Tensor,
        maps: &[&Self],
        parameter: Option<&Tensor>,
        back: impl Fn(CpuStorage, bool) -> Result<Option<Tensor>> + Send + Sync + 'static,
    ) -> Result<Self> {
        let parameter = parameter.filter(|parameter| parameter.track_op());
        let tokens = maps.iter().filter_map(|map| map.link()).map(|link| &link.token);
        let inputs: Vec<&Tensor> = parameter.into_iter().chain(tokens).collect();
        let gradient = Place::default();
        let op = Node { back: Box::new(back), gradient: gradient.clone(), parameter: parameter.is_some() };
        let token = match inputs[..] {
            [] => return Ok(Self(Kind::Taped { values, link: None })),
            [a] => a.apply_op1(op)?,
            [a, b] => a.apply_op2(b, op)?,
            [a, b, c] => a.apply_op3(b, c, op)?,
            _ => bail!("a taped operation has two maps and one parameter at most"),
        };
        Ok(Self(Kind::Taped { values, link: Some(Link { token, gradient }) }))
    }

    /// Two maps' channels one after the other.
    pub fn cat(&self, other: &Self) -> Result<Self> {
        if let Some((map, other)) = self.elsewhere().zip(other.elsewhere()) {
            return map.cat(other).map(Self::plain);
        }
        let values = Tensor::cat(&[self.values(), other.values()], 1)?;
        same_dtype("cat", self.dtype(), "second map", other.dtype())?;
        let (n, a, h, w) = dims4("cat", self.values())?;
        let (first, all) = (a * h * w, values.elem_count() / n.max(1));
        let places = [self.place(), other.place()];
        let dtype = values.dtype();
        Self::made(values, &[self, other], None, move |dy, _| {
            with_elem!("cat", dtype, T => {
                let dy = T::cpu_storage_data(dy)?;
                for (place, range) in places.iter().zip([0..first, first..all]) {
                    let (Some(place), false) = (place, range.is_empty()) else { continue };
                    let mut sum = place.take::<T>()?.unwrap_or_else(|| vec![T::ZERO; n * range.len()]);
                    sum.par_chunks_mut(range.len()).zip(dy.par_chunks(all)).for_each(|(sum, dy)| {
                        sum.iter_mut().zip(&dy[range.clone()]).for_each(|(sum, &dy)| *sum += dy);
                    });
                    place.give(sum)?;
                }
                Ok(None)
            })
        })
    }
}

fn token() -> (CpuStorage, Shape) {
    (CpuStorage::F32(vec![0.0]), Shape::from(1))
}

/// The gradient of a token: only that there is one says anything.
fn told(token: &Tensor) -> Result<Option<Tensor>> {
    Ok(Some(token.zeros_like()?))
}

thread_local! {
    /// During [`backward`], the gradients that taped operations gave of variables.
    static FOUND: RefCell<Option<Vec<(Tensor, Tensor)>>> = const { RefCell::new(None) };
}

/// candle's `backward`, but that the gradient of a variable which one taped operation alone reads is kept as it is given.
/// candle itself clears a buffer of its size and adds the gradient to that into a third: of a large network's weights, as
/// much as all its normalisations. It runs among rayon's threads, so that no operation waits for them to wake up; on
/// another device, where nothing is taped and a thread has a stream of its own, it stays on the caller's.
pub fn backward(loss: &Tensor) -> Result<GradStore> {
    if !loss.device().is_cpu() {
        return loss.backward();
    }
    rayon::scope(|_| kept_gradients(loss))
}

fn kept_gradients(loss: &Tensor) -> Result<GradStore> {
    let before = FOUND.replace(Some(Vec::new()));
    let gradients = loss.backward();
    let found = FOUND.replace(before).unwrap_or_default();
    let mut gradients = gradients?;
    for (variable, gradient) in found {
        let gradient = match gradients.remove(&variable) {
            None => gradient,
            Some(sum) => (sum + gradient)?,
        };
        gradients.insert(&variable, gradient);
    }
    Ok(gradients)
}

struct Enter(Place);

impl CustomOp1 for Enter {
    fn name(&self) -> &'static str {
        "enter"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        Ok(token())
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, _: &Tensor) -> Result<Option<Tensor>> {
        with_elem!("enter", x.dtype(), T => match self.0.take::<T>()? {
            Some(gradient) => Ok(Some(tensor(gradient, x.shape())?)),
            None => Ok(Some(x.zeros_like()?)),
        })
    }
}

struct Leave {
    values: Tensor,
    gradient: Place,
}

impl CustomOp1 for Leave {
    fn name(&self) -> &'static str {
        "leave"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        with_elem!("leave", self.values.dtype(), T => with_values::<T, _>(&self.values, |values| {
            Ok(output(values.to_vec(), self.values.shape()))
        }))
    }

    fn bwd(&self, token: &Tensor, _: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        with_elem!("leave", dy.dtype(), T => with_values::<T, _>(dy, |dy| self.gradient.give(dy.to_vec())))?;
        told(token)
    }
}

/// One operation; its parameter, if any is in the graph, is the first input.
struct Node {
    back: Box<Back>,
    gradient: Place,
    parameter: bool,
}

impl Node {
    fn back<const N: usize>(&self, inputs: [&Tensor; N]) -> Result<[Option<Tensor>; N]> {
        let Some(gradient) = self.gradient.lock().take() else { bail!("no gradient arrived at a taped operation") };
        let mut parameter = (self.back)(gradient, self.parameter)?;
        let mut all = [const { None }; N];
        for (i, (all, input)) in all.iter_mut().zip(inputs).enumerate() {
            *all = if i == 0 && self.parameter {
                parameter.take().and_then(|gradient| keep(input, gradient))
            } else {
                told(input)?
            };
        }
        Ok(all)
    }
}

/// Keeps a variable's gradient for [`backward`]; gives it back where that is not under way or has no use for it.
fn keep(parameter: &Tensor, gradient: Tensor) -> Option<Tensor> {
    FOUND.with_borrow_mut(|found| match found {
        Some(found) if parameter.is_variable() => {
            found.push((parameter.clone(), gradient));
            None
        }
        _ => Some(gradient),
    })
}

impl CustomOp1 for Node {
    fn name(&self) -> &'static str {
        "taped"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        Ok(token())
    }

    fn bwd(&self, a: &Tensor, _: &Tensor, _: &Tensor) -> Result<Option<Tensor>> {
        let [a] = self.back([a])?;
        Ok(a)
    }
}

impl CustomOp2 for Node {
    fn name(&self) -> &'static str {
        "taped"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        Ok(token())
    }

    fn bwd(&self, a: &Tensor, b: &Tensor, _: &Tensor, _: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let [a, b] = self.back([a, b])?;
        Ok((a, b))
    }
}

impl CustomOp3 for Node {
    fn name(&self) -> &'static str {
        "taped"
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        Ok(token())
    }

    fn bwd(
        &self,
        a: &Tensor,
        b: &Tensor,
        c: &Tensor,
        _: &Tensor,
        _: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let [a, b, c] = self.back([a, b, c])?;
        Ok((a, b, c))
    }
}
