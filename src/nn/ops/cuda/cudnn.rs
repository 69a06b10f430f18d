//! Convolutions of cuDNN: one plan for each shape, order of axes and direction, made once and kept for the thread, because
//! cuDNN's handles belong to one thread. A plan holds cuDNN's descriptors, the algorithm that its heuristics rank first among
//! those that give the same bits at every run, and the size of its workspace; a thread's convolutions share one
//! workspace, which the stream's order makes safe. That there is no plan for maps with their channels last is kept too.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::c_void;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};

use candle_core::cuda_backend::DeviceId;
use candle_core::cuda_backend::cudarc::cudnn::{result, sys};
use candle_core::cuda_backend::cudarc::driver::{CudaSlice, DevicePtr};
use candle_core::{CudaDevice, CudaStorage, Error, Layout, Result, bail};

use super::super::conv::Geometry;
use super::super::map::Order;
use super::gpu::{self, Gpu};
use super::plan::{Address, Convolve, Direction, Number};

/// The most memory that an algorithm may ask for beside its tensors.
const LARGEST_WORKSPACE: usize = 1 << 30;

static TF32: AtomicBool = AtomicBool::new(true);

/// Whether convolutions in f32 may round their factors to 10 bits of mantissa (TF32); at first they may, as PyTorch's.
#[cfg(test)]
pub fn allow_tf32(allowed: bool) {
    TF32.store(allowed, Ordering::Relaxed);
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    direction: Direction,
    order: Order,
    number: Number,
    tf32: bool,
    images: i32,
    channels: i32,
    size: [i32; 2],
    filters: i32,
    kernel: [i32; 2],
    out: [i32; 2],
    stride: [i32; 2],
    dilation: [i32; 2],
    padding: [i32; 2],
    groups: i32,
}

macro_rules! descriptors {
    ($($name:ident: $raw:ident, $make:ident, $free:ident;)*) => { $(
        struct $name(sys::$raw);
        impl $name {
            fn new() -> Result<Self> {
                result::$make().map(Self).map_err(Error::wrap)
            }
        }
        impl Drop for $name {
            fn drop(&mut self) {
                // SAFETY: made by `new` and dropped once. A refusal leaks it, and there is nobody left to tell.
                let _ = unsafe { result::$free(self.0) };
            }
        }
    )* };
}

descriptors! {
    TensorShape: cudnnTensorDescriptor_t, create_tensor_descriptor, destroy_tensor_descriptor;
    FilterShape: cudnnFilterDescriptor_t, create_filter_descriptor, destroy_filter_descriptor;
    Convolution: cudnnConvolutionDescriptor_t, create_convolution_descriptor, destroy_convolution_descriptor;
}

struct Plan {
    x: TensorShape,
    w: FilterShape,
    y: TensorShape,
    convolution: Convolution,
    algorithm: Algorithm,
    workspace: usize,
}

enum Algorithm {
    Forward(sys::cudnnConvolutionFwdAlgo_t),
    Data(sys::cudnnConvolutionBwdDataAlgo_t),
    Filter(sys::cudnnConvolutionBwdFilterAlgo_t),
}

struct Session {
    handle: sys::cudnnHandle_t,
    /// Absent where cuDNN has none.
    plans: RefCell<HashMap<Key, Option<Rc<Plan>>>>,
    workspace: RefCell<Option<CudaSlice<u8>>>,
    device: CudaDevice,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.plans.get_mut().clear();
        // SAFETY: made by `Session::new` and dropped once, after everything that was made with it.
        let _ = unsafe { result::destroy_handle(self.handle) };
    }
}

thread_local! {
    static SESSIONS: RefCell<HashMap<DeviceId, Rc<Session>>> = RefCell::default();
}

fn session(device: &CudaDevice) -> Result<Rc<Session>> {
    SESSIONS.with_borrow_mut(|sessions| {
        if let Some(session) = sessions.get(&device.id()) {
            return Ok(Rc::clone(session));
        }
        let session = Rc::new(Session::new(device)?);
        sessions.insert(device.id(), Rc::clone(&session));
        Ok(session)
    })
}

impl Convolve for Gpu<'_> {
    type Scratch = CudaStorage;

    fn scratch(&self, values: usize) -> Result<(CudaStorage, Address)> {
        let scratch = gpu::storage(self.device, values, self.number.dtype())?;
        let address = gpu::address_in(&scratch, &Layout::contiguous(values))?;
        Ok((scratch, address))
    }

    fn offers(&self, direction: Direction, order: Order, geometry: &Geometry) -> Result<bool> {
        let session = session(self.device)?;
        Ok(session.plan(Key::new(direction, order, self.number, geometry)?)?.is_some())
    }

    /// The memory must be of the geometry's sizes; padding must be even.
    fn compute(
        &self,
        direction: Direction,
        order: Order,
        geometry: &Geometry,
        from: [Address; 2],
        to: Address,
    ) -> Result<bool> {
        let session = session(self.device)?;
        let key = Key::new(direction, order, self.number, geometry)?;
        let Some(plan) = session.plan(key)? else { return Ok(false) };
        let space = session.workspace(plan.workspace)?;
        match session.run(&plan, space, self.number, from, to) {
            Ok(()) => Ok(true),
            // Its heuristics may offer what it then refuses. If it was anything else, the other order fails as well.
            Err(error) if order == Order::ChannelsLast => {
                session.decline(key, &error);
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }
}

impl Key {
    fn new(direction: Direction, order: Order, number: Number, g: &Geometry) -> Result<Self> {
        if g.top != g.bottom || g.left != g.right {
            bail!("conv2d: cuDNN pads evenly, not {:?}", [g.top, g.bottom, g.left, g.right])
        }
        let int = |value: usize| {
            i32::try_from(value).map_err(|_| Error::Msg(format!("conv2d: {value} is too large a size for cuDNN")))
        };
        let pair = |(a, b): (usize, usize)| Ok::<_, Error>([int(a)?, int(b)?]);
        Ok(Self {
            direction,
            order,
            number,
            tf32: TF32.load(Ordering::Relaxed),
            images: int(g.images)?,
            channels: int(g.channels)?,
            size: pair((g.height, g.width))?,
            filters: int(g.filters)?,
            kernel: pair(g.kernel)?,
            out: pair(g.out)?,
            stride: pair(g.stride)?,
            dilation: pair(g.dilation)?,
            padding: pair((g.top, g.left))?,
            groups: int(g.groups)?,
        })
    }
}

/// Data type, what is computed in, and the arithmetic that is allowed.
fn types(key: &Key) -> (sys::cudnnDataType_t, sys::cudnnDataType_t, sys::cudnnMathType_t) {
    use sys::cudnnDataType_t::{CUDNN_DATA_BFLOAT16, CUDNN_DATA_DOUBLE, CUDNN_DATA_FLOAT};
    use sys::cudnnMathType_t::{CUDNN_DEFAULT_MATH, CUDNN_FMA_MATH, CUDNN_TENSOR_OP_MATH};
    match key.number {
        Number::F32 if key.tf32 => (CUDNN_DATA_FLOAT, CUDNN_DATA_FLOAT, CUDNN_DEFAULT_MATH),
        Number::F32 => (CUDNN_DATA_FLOAT, CUDNN_DATA_FLOAT, CUDNN_FMA_MATH),
        Number::F64 => (CUDNN_DATA_DOUBLE, CUDNN_DATA_DOUBLE, CUDNN_DEFAULT_MATH),
        Number::Bf16 => (CUDNN_DATA_BFLOAT16, CUDNN_DATA_FLOAT, CUDNN_TENSOR_OP_MATH),
    }
}

/// Of what the heuristics rank, best first: the first that runs, gives the same bits every time and asks for little
/// enough memory; where none does all three, the first that runs, unless there is another order to try.
macro_rules! choose {
    ($what:literal, $order:expr, $count:expr, $query:expr) => {{
        // SAFETY: plain numbers, for which zeros are a value.
        let mut found = [unsafe { std::mem::zeroed() }; $count];
        let mut returned = 0;
        #[allow(clippy::redundant_closure_call, reason = "the macro's argument is the query")]
        ($query)($count as i32, &raw mut returned, found.as_mut_ptr()).map_err(Error::wrap)?;
        let found = &found[..usize::try_from(returned).unwrap_or_default().min($count)];
        let runs = || found.iter().filter(|one| one.status == sys::cudnnStatus_t::CUDNN_STATUS_SUCCESS);
        let fine = runs().find(|one| {
            one.determinism == sys::cudnnDeterminism_t::CUDNN_DETERMINISTIC && one.memory <= LARGEST_WORKSPACE
        });
        match fine.or_else(|| runs().next().filter(|_| $order == Order::ChannelsFirst)) {
            Some(one) => (one.algo, one.mathType),
            None => bail!("cuDNN has no algorithm for {}", $what),
        }
    }};
}

impl Session {
    fn new(device: &CudaDevice) -> Result<Self> {
        let stream = device.cuda_stream();
        stream.context().bind_to_thread().map_err(Error::wrap)?;
        let handle = result::create_handle().map_err(Error::wrap)?;
        let session = Self { handle, plans: RefCell::default(), workspace: RefCell::default(), device: device.clone() };
        // SAFETY: a handle that was just made, and a stream that the session's device keeps alive.
        unsafe { result::set_stream(handle, stream.cu_stream() as *mut _) }.map_err(Error::wrap)?;
        Ok(session)
    }

    /// `None` where cuDNN has no algorithm for maps with their channels last; with channels first that is an error.
    fn plan(&self, key: Key) -> Result<Option<Rc<Plan>>> {
        if let Some(plan) = self.plans.borrow().get(&key) {
            return Ok(plan.clone());
        }
        let plan = match self.make(&key) {
            Ok(plan) => Rc::new(plan),
            Err(error) if key.order == Order::ChannelsLast => {
                self.decline(key, &error);
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        self.plans.borrow_mut().insert(key, Some(Rc::clone(&plan)));
        Ok(Some(plan))
    }

    /// From now on this convolution has its channels first. Said once for each shape, for whoever looks for the time.
    fn decline(&self, key: Key, why: &Error) {
        tracing::info!(target: "seamline", "channels first, as cuDNN has no way with channels last ({why}): {key:?}");
        self.plans.borrow_mut().insert(key, None);
    }

    fn make(&self, key: &Key) -> Result<Plan> {
        // Sizes are given as of [N, C, H, W] in either order.
        let layout = match key.order {
            Order::ChannelsFirst => sys::cudnnTensorFormat_t::CUDNN_TENSOR_NCHW,
            Order::ChannelsLast => sys::cudnnTensorFormat_t::CUDNN_TENSOR_NHWC,
        };
        let (x, w, y) = (TensorShape::new()?, FilterShape::new()?, TensorShape::new()?);
        let convolution = Convolution::new()?;
        let (data, compute, math) = types(key);
        let [kh, kw] = key.kernel;
        let ([ph, pw], [sh, sw], [dh, dw]) = (key.padding, key.stride, key.dilation);
        let cross = sys::cudnnConvolutionMode_t::CUDNN_CROSS_CORRELATION;
        let filter = [key.filters, key.channels / key.groups, kh, kw];
        // SAFETY: all four were just made.
        unsafe {
            result::set_tensor4d_descriptor(x.0, layout, data, [key.images, key.channels, key.size[0], key.size[1]])
                .and_then(|()| result::set_filter4d_descriptor(w.0, data, layout, filter))
                .and_then(|()| {
                    result::set_tensor4d_descriptor(
                        y.0,
                        layout,
                        data,
                        [key.images, key.filters, key.out[0], key.out[1]],
                    )
                })
                .and_then(|()| {
                    result::set_convolution2d_descriptor(convolution.0, ph, pw, sh, sw, dh, dw, cross, compute)
                })
                .and_then(|()| result::set_convolution_group_count(convolution.0, key.groups))
                .and_then(|()| result::set_convolution_math_type(convolution.0, math))
                .map_err(Error::wrap)?;
        }
        let h = self.handle;
        let (algorithm, math) = match key.direction {
            Direction::Forward => {
                let (algorithm, math) = choose!("this convolution", key.order, 8, |n, count, list| {
                    // SAFETY: the descriptors were just filled; the list has room for n.
                    unsafe {
                        result::get_convolution_forward_algorithm(h, x.0, w.0, convolution.0, y.0, n, count, list)
                    }
                });
                (Algorithm::Forward(algorithm), math)
            }
            Direction::Data => {
                let (algorithm, math) = choose!("the input's gradient", key.order, 6, |n, count, list| {
                    // SAFETY: the descriptors were just filled; the list has room for n.
                    unsafe {
                        result::get_convolution_backward_data_algorithm(h, w.0, y.0, convolution.0, x.0, n, count, list)
                    }
                });
                (Algorithm::Data(algorithm), math)
            }
            Direction::Filter => {
                let (algorithm, math) = choose!("the weight's gradient", key.order, 7, |n, count, list| {
                    // SAFETY: the descriptors were just filled; the list has room for n.
                    unsafe {
                        result::get_convolution_backward_filter_algorithm(
                            h,
                            x.0,
                            y.0,
                            convolution.0,
                            w.0,
                            n,
                            count,
                            list,
                        )
                    }
                });
                (Algorithm::Filter(algorithm), math)
            }
        };
        // SAFETY: the descriptors are filled; the algorithm is one that cuDNN offered for them, with that arithmetic.
        let workspace = unsafe {
            result::set_convolution_math_type(convolution.0, math).and_then(|()| match algorithm {
                Algorithm::Forward(a) => {
                    result::get_convolution_forward_workspace_size(h, x.0, w.0, convolution.0, y.0, a)
                }
                Algorithm::Data(a) => {
                    result::get_convolution_backward_data_workspace_size(h, w.0, y.0, convolution.0, x.0, a)
                }
                Algorithm::Filter(a) => {
                    result::get_convolution_backward_filter_workspace_size(h, x.0, y.0, convolution.0, w.0, a)
                }
            })
        };
        Ok(Plan { x, w, y, convolution, algorithm, workspace: workspace.map_err(Error::wrap)? })
    }

    /// The address of a workspace of at least `bytes`.
    fn workspace(&self, bytes: usize) -> Result<*mut c_void> {
        if bytes == 0 {
            return Ok(std::ptr::null_mut());
        }
        let mut kept = self.workspace.borrow_mut();
        if kept.as_ref().is_none_or(|space| space.len() < bytes) {
            // Freed in the stream's order, after whatever still works in it.
            *kept = None;
            // SAFETY: cuDNN reads nothing there that it has not written.
            *kept = Some(unsafe { self.device.alloc::<u8>(bytes)? });
        }
        let stream = self.device.cuda_stream();
        Ok(kept.as_ref().map_or(std::ptr::null_mut(), |space| space.device_ptr(&stream).0 as *mut c_void))
    }

    /// `space` is the workspace.
    fn run(&self, plan: &Plan, space: *mut c_void, number: Number, [a, b]: [Address; 2], to: Address) -> Result<()> {
        self.device.cuda_stream().context().bind_to_thread().map_err(Error::wrap)?;
        let (single, double) = ([1.0_f32, 0.0], [1.0_f64, 0.0]);
        let (one, zero): (*const c_void, *const c_void) = match number {
            Number::F64 => ((&raw const double[0]).cast(), (&raw const double[1]).cast()),
            Number::F32 | Number::Bf16 => ((&raw const single[0]).cast(), (&raw const single[1]).cast()),
        };
        let (h, bytes, conv) = (self.handle, plan.workspace, plan.convolution.0);
        let (x, w, y) = (plan.x.0, plan.w.0, plan.y.0);
        let (a, b, to) = (a as *const c_void, b as *const c_void, to as *mut c_void);
        // SAFETY: handle and descriptors live as long as the session; the callers' memory is of the sizes in the
        // descriptors and is freed in the stream's order; the workspace is as large as cuDNN asked for.
        unsafe {
            match plan.algorithm {
                Algorithm::Forward(algorithm) => {
                    result::convolution_forward(h, one, x, a, w, b, conv, algorithm, space, bytes, zero, y, to)
                }
                Algorithm::Data(algorithm) => {
                    result::convolution_backward_data(h, one, w, a, y, b, conv, algorithm, space, bytes, zero, x, to)
                }
                Algorithm::Filter(algorithm) => {
                    result::convolution_backward_filter(h, one, x, a, y, b, conv, algorithm, space, bytes, zero, w, to)
                }
            }
        }
        .map_err(Error::wrap)
    }
}
